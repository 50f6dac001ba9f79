"""The small nets of the literature: each is trained as its file says and ends with the result that is known of it."""

from pathlib import Path

import numpy as np
import pytest
import torch

import snsim
from snsim.gallery import gallery_doc
from snsim.program import read_program
from snsim.runs.opened_run import OpenedRun
from snsim.runs.options import Options
from snsim.runs.run import PassFinished, RunFinished, run

NETS = Path(__file__).resolve().parents[1] / "nets"
# Units and weights by arithmetic: layer sizes of the publications, a bias for each unit that is computed.
COUNTS = {
    "xor-skip": (2 + 1 + 1, 2 * 1 + 1 * 1 + 2 * 1 + 1 + 1),
    "parity": (4 + 4 + 1, 4 * 4 + 4 + 4 * 1 + 1),
    "symmetry": (6 + 2 + 1, 6 * 2 + 2 + 2 * 1 + 1),
    "encoder-8": (8 + 3 + 8, 8 * 3 + 3 + 3 * 8 + 8),
}

WITHOUT_DATA = {  # the nets whose data are not public
    "nettalk": (7 * 29 + 80 + 26, 203 * 80 + 80 + 80 * 26 + 26),
    "qian-sejnowski": (13 * 21 + 40 + 3, 273 * 40 + 40 + 40 * 3 + 3),
    "td-gammon": (198 + 80 + 1, 198 * 80 + 80 + 80 * 1 + 1),
}


def trained(name: str, folder: Path, values: dict[str, float] | None = None, seed: int = 1) -> tuple[int, Path]:
    """Train a net of the gallery; return its training misses at the end and the folder of its run."""
    program = read_program(NETS / f"{name}.sn", presets=values)
    misses, place = -1, folder
    for event in run(program, program.own_trainings[0], seed, Options(out=folder)):
        if isinstance(event, PassFinished):
            misses = event.done.train.misses
        elif isinstance(event, RunFinished):
            place = event.run
    return misses, place


@pytest.mark.parametrize("name", COUNTS)
def test_every_pattern_is_learned_by_the_net_that_was_published(name: str, tmp_path: Path) -> None:
    """Rumelhart, Hinton and Williams (1986) show each of these nets as one that learns its task."""
    counts = read_program(NETS / f"{name}.sn").nets.get(name).counts
    assert (counts.units, counts.weights) == COUNTS[name]
    assert trained(name, tmp_path)[0] == 0


@pytest.mark.parametrize("name", WITHOUT_DATA)
def test_a_net_without_public_data_has_the_published_size_and_says_what_it_needs(name: str) -> None:
    program = read_program(NETS / f"{name}.sn")
    counts = program.nets.get(name).counts
    assert (counts.units, counts.weights) == WITHOUT_DATA[name]
    assert not program.own_trainings and "without a training: it needs" in " ".join(gallery_doc(name).split())


def test_parity_of_any_number_of_bits(tmp_path: Path) -> None:
    assert trained("parity", tmp_path, {"n": 3})[0] == 0
    assert read_program(NETS / "parity.sn", presets={"n": 6}).nets.get("parity").counts.weights == 6 * 6 + 6 + 6 + 1


def test_symmetry_is_seen_by_weights_of_ratio_1_2_4(tmp_path: Path) -> None:
    """The solution of Rumelhart, Hinton and Williams (1986): 1:2:4, opposite signs left and right, in both units.

    Only so does each unlike half leave a sum that no other half cancels: the eight sums +-1 +-2 +-4 are all different.
    """
    _, folder = trained("symmetry", tmp_path)
    weights = dict(snsim.load(folder).named_parameters())["input_hidden.weight"].detach().numpy().reshape(6, 2)
    for unit in weights.T:
        left, right = unit[:3], unit[:2:-1]
        np.testing.assert_allclose(left, -right, rtol=0.01)
        np.testing.assert_allclose(sorted(abs(left)) / min(abs(left)), [1, 2, 4], rtol=0.02)


def test_the_encoder_has_a_code_for_each_word(tmp_path: Path) -> None:
    _, folder = trained("encoder-8", tmp_path)
    codes = snsim.load(folder).states(torch.eye(8))["hidden"].detach().numpy()
    distances = abs(codes[:, None] - codes[None]).max(axis=2)
    assert distances[~np.eye(8, dtype=bool)].min() > 0.25  # of states between 0 and 1


@pytest.mark.parametrize(("steps", "below"), [(1, 0.85), (2, 0.75)])
def test_the_error_falls_at_every_third_bit(steps: int, below: float, tmp_path: Path) -> None:
    """Elman (1990): the net cannot know two of three bits, and the third is the XOR of these two.

    The bits are drawn, so the other errors are near 1/2, as for a net that always says 1/2.
    """
    program = read_program(NETS / "elman-xor.sn", presets={"steps": float(steps)})
    counts = program.nets.get("elman-xor").counts
    assert (counts.units, counts.weights) == (1 + 2 + 2 + 1, 1 * 2 + 2 * 2 + 2 + 2 * 1 + 1)
    run = OpenedRun.open(trained("elman-xor", tmp_path, {"steps": float(steps)})[1])
    bits = np.append(run.data.train.inputs[:, 0], run.data.test.inputs[:, 0])
    assert (bits[2::3] == (bits[0:-2:3] != bits[1:-1:3])).all() and 0.45 < bits[:3000].mean() < 0.55
    outputs = run.outputs("test")
    wrong = (outputs.outputs - outputs.patterns.targets)[:, 0].astype(float)
    position = (len(run.data.train) + 1 + np.arange(len(wrong))) % 3  # of the bit that is predicted
    first, second, third = (np.sqrt((wrong[position == k] ** 2).mean()) for k in range(3))
    assert third < below * min(first, second) and min(first, second) > 0.48 and max(first, second) < 0.55
