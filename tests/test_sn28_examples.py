"""The programs of examples/sn28 run, say what they are there to show, and draw."""

import os
import re
from pathlib import Path

import pytest
from sn28_programs import printed

EXAMPLES = Path(__file__).resolve().parents[1] / "examples" / "sn28"


def run(name, folder):
    """What an example prints, and the names of its pictures."""
    files = {path.name: path.read_text() for path in EXAMPLES.glob("*.sn")}
    out = printed(files[f"{name}.sn"], folder, files, pictures="svg")
    saved = sorted((folder / "run").glob("*.svg"))
    assert all(len(path.read_text()) > 2_000 for path in saved)
    return out, [path.stem for path in saved]


def recalled(out):
    """The percentages of the table of a memory, by how many percent of the points were flipped."""
    rows = re.findall(r"(\d+) % of the points flipped: +([\d.]+) % of the letters recalled", out)
    return {int(noise): float(percent) for noise, percent in rows}


@pytest.mark.parametrize("name, at_ten, at_forty", [("hopfield", 95, 60), ("hamming", 100, 90), ("kanerva", 90, 60)])
def test_memories_recall_what_is_not_damaged_too_much(name, at_ten, at_forty, tmp_path):
    out, pictures = run(name, tmp_path)
    table = recalled(out)
    assert list(table) == [0, 10, 20, 30, 40]
    assert table[0] == 100 and table[10] >= at_ten and 10 <= table[40] <= at_forty < 100
    assert pictures == ["1-hopfield", "2-weights"] if name == "hopfield" else pictures == [f"1-{name}"]


def test_a_perceptron_finds_its_line(tmp_path):
    out, pictures = run("perceptron-boundary", tmp_path)
    percents = [float(p) for p in re.findall(r"([\d.]+) % are right", out)]
    assert percents[0] < 80 and percents[-1] == 100 and pictures == ["1-perceptron"]


def test_a_map_unfolds(tmp_path):
    out, pictures = run("topological-map", tmp_path)
    distances = [float(d) for d in re.findall(r"(\d\.\d+)", out)]
    assert len(distances) == 21 and distances[0] > 0.5 and distances[-1] < 0.08 and pictures == ["1-map"]


@pytest.mark.skipif(not os.environ.get("SNSIM_DATA") or not (
    Path(os.environ["SNSIM_DATA"]) / "sn28" / "iris_train.cb").exists(), reason="SNSIM_DATA has no sn28/iris_train.cb")
def test_few_flowers_stand_for_many(tmp_path):
    out, pictures = run("lvq-iris", tmp_path)
    percents = [float(p) for p in re.findall(r"([\d.]+) % of 50 flowers", out)]
    assert percents == [96, 96, 98, 98, 98, 98, 98] and pictures == ["1-k-means", "2-lvq3"]
