"""`snsim compare RUN RUN`: a run with itself, other seeds, settings and texts, and differences that were put in."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny_run import make_runs, snsim

from snsim.comparison.run_comparison import compare_runs
from snsim.errors import SnError


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs tiny and one, tiny with another seed, and tiny with fewer passes."""
    folder = make_runs(tmp_path_factory.mktemp("runs"))
    for more in (["--seed", "4"], ["--passes", "3"]):
        call = ["run", folder / "tiny.sn", "--only", "tiny", "--quiet", "--engine", "reference", "--out", folder, *more]
        assert snsim(*call)[0] == 0
    return folder


def lines(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "passes.jsonl").read_text().splitlines()]


def weights(run: Path) -> dict[str, np.ndarray]:
    """The weights of a run, read by the definition of the safetensors format alone."""
    raw = (run / "weights.safetensors").read_bytes()
    start = 8 + int.from_bytes(raw[:8], "little")
    heads = json.loads(raw[8:start])
    heads.pop("__metadata__", None)
    return {
        name: np.frombuffer(raw[start:][slice(*head["data_offsets"])], "<f4").reshape(head["shape"])
        for name, head in heads.items()
    }


def changed(run: Path, place: Path, **settings: object) -> Path:
    """A copy of a run with some settings of run.json changed."""
    shutil.copytree(run, place)
    values = json.loads((place / "run.json").read_text())
    (place / "run.json").write_text(json.dumps({**values, **settings}))
    return place


def test_a_run_with_itself_is_the_same(runs, tmp_path):
    code, out, _ = snsim("compare", runs / "tiny", runs / "tiny")
    assert code == 0 and "equal: the figures of all passes and the last weights are the same to the last bit" in out
    assert "setting" not in out and "DIFFERENT" not in out
    copy = changed(runs / "tiny", tmp_path / "later", started="2030-01-01T00:00:00+00:00", command=["run", "x"])
    made = compare_runs(runs / "tiny", copy)  # times, the command line and places do not count
    assert made.identical and made.equal and not made.settings and not made.texts and made.same_forms
    assert made.passes == (4, 4) and made.names == ("tiny", "later") and len(made.weights) == 3


def test_another_seed(runs):
    """All numbers from the files of both runs."""
    one, other = runs / "tiny", runs / "tiny-seed4"
    made = compare_runs(one, other)
    assert [(row.kind, row.name, row.values) for row in made.settings] == [("seed", "seed", (3, 4))]
    assert not made.equal and made.first == made.first_bit == 1 and made.same_forms
    losses = [[line["test"]["loss"] for line in lines(run)] for run in (one, other)]
    row = next(row for row in made.figures if row.name == "test loss")
    assert row.values == (losses[0][0], losses[1][0]) and row.beyond == 1
    assert row.largest == pytest.approx(max(abs(a - b) / max(a, b) for a, b in zip(*losses)))
    misses = [[line["train"]["misses"] for line in lines(run)] for run in (one, other)]
    row = next(row for row in made.figures if row.name == "train misses")
    assert row.largest == max(abs(a - b) for a, b in zip(*misses))
    assert row.beyond == next((n for n, (a, b) in enumerate(zip(*misses), 1) if a != b), None)
    ours, theirs = weights(one), weights(other)
    of_b = [name for name in ours if name in ("b.bias", "a_b.weight")]
    row = next(row for row in made.weights if row.layer == "b")
    assert len(of_b) == 2
    assert row.largest == pytest.approx(max(np.abs(ours[n].astype(float) - theirs[n]).max() for n in of_b))
    assert row.scale == pytest.approx(max(np.abs(side[n]).max() for n in of_b for side in (ours, theirs)))


def test_fewer_passes(runs):
    made = compare_runs(runs / "tiny", runs / "tiny-2")
    assert made.passes == (4, 3) and made.common == 3 and made.first is None and not made.equal
    assert {row.name: row.values for row in made.settings} == {"passes": (4, 3), "--passes": (None, 3)}
    code, out, _ = snsim("compare", runs / "tiny", runs / "tiny-2")
    assert code == 1 and "DIFFERENT in length only: the figures of the 3 passes that both have are equal" in out
    assert "tiny has 1 more" in out


def put_in(run: Path, place: Path, number: int, split: str, **figures: object) -> Path:
    """A copy of a run with other figures in one pass."""
    shutil.copytree(run, place)
    passes = lines(place)
    passes[number - 1][split].update(figures)
    (place / "passes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in passes))
    return place


def test_the_pass_from_which_on_they_differ(runs, tmp_path):
    loss = lines(runs / "tiny")[2]["test"]["loss"]
    made = compare_runs(runs / "tiny", put_in(runs / "tiny", tmp_path / "loss", 3, "test", loss=loss * 1.01))
    assert made.first == 3 and [row.name for row in made.figures if row.first] == ["test loss"]
    assert next(row.largest for row in made.figures if row.first) == pytest.approx(0.01 / 1.01)
    loss = lines(runs / "tiny")[1]["train"]["loss"]
    rounded = put_in(runs / "tiny", tmp_path / "rounded", 2, "train", loss=math.nextafter(loss, 1))
    made = compare_runs(runs / "tiny", rounded)
    assert made.equal and not made.identical and (made.first, made.first_bit) == (None, 2)
    assert compare_runs(runs / "tiny", rounded, tolerance=0).first == 2
    infinite = put_in(runs / "tiny", tmp_path / "infinite", 4, "test", loss=None)
    made = compare_runs(runs / "tiny", infinite)
    assert made.first == 4 and next(row.largest for row in made.figures if row.first) == math.inf
    assert compare_runs(infinite, infinite).identical
    _, out, _ = snsim("compare", runs / "tiny", infinite, "--json")
    assert next(row["largest"] for row in json.loads(out)["figures"] if row["first"]) == "inf"


def test_weights_that_were_put_in(runs, tmp_path):
    """One weight of layer a plus 0.5, in both files of the checkpoint."""
    place = tmp_path / "weights"
    shutil.copytree(runs / "tiny", place)
    for file in ("weights.safetensors", "checkpoint.safetensors"):
        raw = bytearray((place / file).read_bytes())
        start = 8 + int.from_bytes(raw[:8], "little")
        at = start + json.loads(raw[8:start])["a.bias"]["data_offsets"][0]
        raw[at : at + 4] = (np.frombuffer(raw[at : at + 4], "<f4") + np.float32(0.5)).tobytes()
        (place / file).write_bytes(raw)
    made = compare_runs(runs / "tiny", place)
    assert {row.layer: bool(row.largest) for row in made.weights} == {"a": True, "b": False, "output": False}
    assert next(row.largest for row in made.weights if row.layer == "a") == pytest.approx(0.5, rel=1e-6)
    assert made.first is None and not made.equal
    code, out, _ = snsim("compare", runs / "tiny", place)
    assert code == 1 and "DIFFERENT weights of a, although the figures of 4 passes are equal" in out
    assert "no recorded setting differs" in out


def run_of(text: str, folder: Path, name: str) -> Path:
    (folder / f"{name}.sn").write_text(text)
    call = ["run", folder / f"{name}.sn", "--only", "tiny", "--quiet", "--engine", "reference", "--out", folder / name]
    assert snsim(*call)[0] == 0
    return folder / name / "tiny"


def test_texts(runs, tmp_path):
    """A comment changes nothing; a clause is named with its line, and is the cause."""
    text = (runs / "tiny.sn").read_text()
    said = run_of(f"; another word\n{text}", tmp_path, "said")
    made = compare_runs(runs / "tiny", said)
    assert made.identical and made.same_forms and [row.kind for row in made.settings] == ["text"]
    assert [text.lines[1] for text in made.texts] == ["+; another word"]
    meant = run_of(text.replace("(epsi-inv 0.5)", "(epsi-inv 0.25)"), tmp_path, "meant")
    made = compare_runs(runs / "tiny", meant)
    assert not made.equal and made.same_forms is False
    assert ["epsi-inv 0.5)" in line for line in made.texts[0].lines if line[0] == "-"] == [True]
    code, out, _ = snsim("compare", runs / "tiny", meant)
    assert code == 1 and "tiny.sn and meant.sn: lines of" in out and "+  (epsi-inv 0.25)" in out
    assert "settings that differ and can cause this: text" in out


def test_another_net(runs):
    """Layers that only one has, or with another shape, have no difference of weights."""
    made = compare_runs(runs / "tiny", runs / "one")
    assert not made.equal and {row.layer: row.largest for row in made.weights} == {"a": None, "b": None, "output": None}
    code, out, _ = snsim("compare", runs / "tiny", runs / "one")
    assert code == 1 and "other weights" in out


def test_only_rounding(runs, tmp_path):
    """Another engine and another version are no cause of their own."""
    values = json.loads((runs / "tiny" / "run.json").read_text())
    copy = changed(runs / "tiny", tmp_path / "copy", engine="native", versions={**values["versions"], "numpy": "1.0"})
    code, out, _ = snsim("compare", runs / "tiny", copy)
    assert code == 0 and "their settings differ all the same: engine, version" in out
    loss = lines(copy)[3]["test"]["loss"]
    code, out, _ = snsim("compare", runs / "tiny", put_in(copy, tmp_path / "other", 4, "test", loss=2 * loss))
    assert code == 1 and "DIFFERENT from pass 4 on: test loss" in out
    assert "only rounding can have parted them" in out


@pytest.mark.parametrize(
    ("call", "told", "hint"),
    [
        (["tiny"], "no second run is named", "name two runs"),
        (["tiny", "mine.py:Net"], "there is no run mine.py:Net", "name two runs"),
        (["tiny.sn", "tiny"], "there is no run", "name two runs"),
        (["tiny", "one", "--sgd", "0.1"], "--sgd has no effect on the comparison of two runs", "leave out --sgd"),
        (["tiny", "tiny", "--tolerance", "nan"], "a finite number of 0 or more, not nan", "write 1e-5"),
        (["tiny", "."], "is not a run folder", ""),
    ],
)
def test_what_a_user_may_do_wrong(runs, call, told, hint):
    code, out, err = snsim("compare", *(word if word[:1] in "-0mn" else runs / word for word in call))
    assert code in (1, 2) and told in err and hint in err and not out and "Traceback" not in err


def test_names_of_runs(runs, tmp_path, monkeypatch):
    """NAME means runs/NAME, also if a net of the gallery has the name."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(runs / "tiny", "runs/xor")
    shutil.copytree(runs / "tiny", "runs/tiny")
    assert snsim("compare", "xor", "tiny")[0] == 0


def test_a_damaged_run(runs, tmp_path):
    place = tmp_path / "damaged"
    shutil.copytree(runs / "tiny", place)
    (place / "run.json").write_text("{")
    with pytest.raises(SnError, match="damaged"):
        compare_runs(runs / "tiny", place)
