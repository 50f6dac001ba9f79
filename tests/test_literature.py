"""The small nets of the literature: each is trained as its file says and ends with the result that is known of it."""

from pathlib import Path

import numpy as np
import pytest
import torch

import snsim
from snsim.gallery import gallery_doc
from snsim.program import read_program
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


def test_the_family_trees_have_the_published_size_and_number_of_facts() -> None:
    """Every unit but the inputs has a bias, and no fact is there twice."""
    program = read_program(NETS / "family-trees.sn")
    counts = program.nets.get("family-trees").counts
    weights = 24 * 6 + 12 * 6 + (6 + 6) * 12 + 12 * 6 + 6 * 24 + 6 + 6 + 12 + 6 + 24
    assert (counts.units, counts.weights) == (24 + 12 + 6 + 6 + 12 + 6 + 24, weights)
    data = program.trainings.get("family-trees").data
    assert len(np.unique(data.inputs, axis=0)) == 104
    people = data.inputs[:, :24].argmax(1) // 12  # the family of who is asked about, and of all who answer
    assert all((np.flatnonzero(d > 0.5) // 12 == family).all() for d, family in zip(data.targets, people))


@pytest.mark.slow
def test_the_family_trees_generalise_to_facts_that_were_not_shown(tmp_path: Path) -> None:
    """Four facts of each of eight draws: far more come out than by guessing one person, which gives 32 / 24 of 32."""
    missed = []
    for seed in range(1, 9):
        program = read_program(NETS / "family-trees.sn", presets={"draw": seed})
        *_, last = (
            event.done
            for event in run(program, program.own_trainings[0], seed, Options(out=tmp_path))
            if isinstance(event, PassFinished)
        )
        assert last.train.misses < 20  # of 100
        missed.append(last.test.misses)
    assert sum(missed) <= 32 - 8


def test_towers_with_the_same_weights_tell_the_same_digit_from_another(tmp_path: Path) -> None:
    """Pairs of digits that were never shown: half of them are right by chance. The order of a pair does not matter."""
    program = read_program(NETS / "siamese.sn")
    last, folder = None, tmp_path
    for event in run(program, program.own_trainings[0], 1, Options(out=tmp_path)):
        if isinstance(event, PassFinished):
            last = event.done
        elif isinstance(event, RunFinished):
            folder = event.run
    assert last is not None and last.test.misses < 75 and len(program.trainings.get("siamese").data.inputs) == 2500
    net, rng = snsim.load(folder), np.random.default_rng(1)
    one, other = (torch.from_numpy(rng.uniform(-1, 1, (20, 16, 16)).astype(np.float32)) for _ in range(2))
    torch.testing.assert_close(net(one, other), net(other, one))
