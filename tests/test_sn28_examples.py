"""The programs of examples/sn28 run, say what they are there to show, and draw."""

import re
from pathlib import Path

import pytest
from data_folder import SN_DIGITS, needs_data
from sn28_programs import printed

from snsim.errors import Source
from snsim.program import read_program

EXAMPLES = Path(__file__).resolve().parents[1] / "examples" / "sn28"


def run(name, folder, **presets):
    """What an example prints, and the names of its pictures. `presets`: what --set gives."""
    files = {path.name: path.read_text() for path in EXAMPLES.glob("*.sn")}
    out = printed(files[f"{name}.sn"], folder, files, presets=presets, pictures="svg")
    saved = sorted((folder / "run").glob("*.svg"))
    assert all(len(path.read_text()) > 800 for path in saved)
    return out, [path.stem for path in saved]


def recalled(out):
    """The percentages of the table of a memory, by how many percent of the points were flipped."""
    rows = re.findall(r"(\d+) % of the points flipped: +([\d.]+) % of the letters recalled", out)
    return {int(noise): float(percent) for noise, percent in rows}


@pytest.mark.parametrize(
    ("name", "at_ten", "at_forty"), [("hopfield", 95, 60), ("hamming", 100, 90), ("kanerva", 90, 60)]
)
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


@needs_data("sn28/iris_train.cb")
def test_few_flowers_stand_for_many(tmp_path):
    out, pictures = run("lvq-iris", tmp_path)
    percents = [float(p) for p in re.findall(r"([\d.]+) % of 50 flowers", out)]
    assert percents == [96, 96, 98, 98, 98, 98, 98] and pictures == ["1-k-means", "2-lvq3"]


def measured(out):
    """(age, error, percent) of every line that `perf` printed."""
    rows = re.findall(r"age=(\d+), error=([\d.e-]+), performance=([\d.]+)", out)
    return [(int(age), float(error), float(percent)) for age, error, percent in rows]


def test_two_hidden_units_learn_xor(tmp_path):
    out, pictures = run("xor", tmp_path)
    rows = measured(out)
    assert [age for age, _, _ in rows] == list(range(0, 241, 20))
    assert rows[4][2] == 75 and rows[-1][1] < 0.001 and rows[-1][2] == 100
    says = re.findall(r"is ([ \-]\d), the net says +(-?[\d.]+)", out)
    assert len(says) == 4 and all(abs(float(wanted) - float(got)) < 0.1 for wanted, got in says)
    assert pictures == ["1-surface", "2-error", "3-performance"]


def test_the_other_start_of_xor_stays_where_it_is(tmp_path):
    assert measured(run("xor", tmp_path, start=1.0)[0])[-1][2] < 100


def test_an_encoder_invents_a_code(tmp_path):
    out, pictures = run("encoder", tmp_path)
    rows = re.findall(r"input (\d) has the code ([01]{3}); the largest output is (\d)", out)
    assert [i for i, _, _ in rows] == [j for _, _, j in rows] == list("01234567")
    assert len({code for _, code, _ in rows}) == 8 and pictures == ["1-codes", "2-weights"]


def test_an_adaline_swings_its_needle(tmp_path):
    out, pictures = run("adaline", tmp_path)
    needle = re.findall(r"stands at +(-?[\d.]+), it should at +(-?\d+)", out)
    assert len(needle) == 6 and all(abs(float(stands) - float(should)) < 10 for stands, should in needle)
    errors = [float(e) for e in re.findall(r"squared error is +([\d.]+)", out)]
    assert errors[0] == 1200 and errors == sorted(errors, reverse=True) and errors[-1] < 20
    assert pictures == ["1-letters", "2-instantaneous-error", "3-weights"]


def test_conjugate_gradient_needs_the_fewest_presentations(tmp_path):
    out, pictures = run("conjugate-gradient", tmp_path, goal=0.02)
    rows = re.findall(r"^(\S.*?) +(parabola|sine) +(\d+) presentations, error ([\d.]+)$", out, re.M)
    needed = {(method, curve): int(presentations) for method, curve, presentations, _ in rows}
    assert len(needed) == 6 and all(float(error) <= 0.02 for *_, error in rows)
    assert needed["conjugate gradient", "parabola"] == min(n for (_, curve), n in needed.items() if curve == "parabola")
    assert pictures == ["1-conjugate-gradient", "2-on-line-gradient", "3-levenberg-marquardt"]


@needs_data(*SN_DIGITS)
def test_masks_read_digits_and_connections_are_cut(tmp_path):
    out, pictures = run("digits-obd", tmp_path, sweeps=2.0, cuts=1.0)
    assert "563 units, 10580 connections, 8060 weights\n" in out
    assert measured(out)[0][2] < 20 and measured(out)[-1][2] > 80
    left, cut, again = re.findall(r"(\d+) connections left: +([\d.]+) % of the test digits, +([\d.]+) %", out)[0]
    assert left == "9522" and float(cut) > 80 and float(again) > 80
    assert pictures == ["1-masks", "2-error", "3-performance", "4-net", "5-connections"]


@needs_data(*SN_DIGITS)
def test_the_net_of_1989_learns_in_the_words_of_sn(tmp_path):
    out, pictures = run("lecun89", tmp_path, sweeps=2.0)
    assert "64660 connections, 9760 weights\n" in out
    (_, before, _), (_, trained, _) = measured(out)[0], measured(out)[-2]
    assert before == pytest.approx(0.5, abs=0.02) and trained < 0.15
    assert out.count("(a ") == round((100 - measured(out)[-1][2]) * 1.6)
    assert pictures == ["1-error", "2-performance", "3-states", "4-masks"]


def test_the_net_of_1989_is_that_of_the_gallery():
    """Its declaration stands in the example, which may not read files of another folder; it must not drift."""
    text = (EXAMPLES / "lecun89.sn").read_text()
    declared = text[text.index("(table") : text.index("(libload")]
    gallery = read_program(EXAMPLES.parents[1] / "nets" / "lecun89.sn")
    assert read_program(Source("<declared>", declared)).nets.get("lecun89").digest == gallery.nets.get("lecun89").digest
