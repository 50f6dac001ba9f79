"""`grid` and `sample`: forms for each setting of some variables, and names that say the setting."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

import pytest

from snsim.errors import SnError, Source
from snsim.program import Program, read_program
from snsim.reports.program_forms import complete_forms

NET = "(net n (layer in 2) (layer out 1) (connect in out (full)))\n"
BASE = NET + "(train n (data (examples [[0 0] [1 1]] [[-1] [1]])) (passes 1) (epsilon 0.1))\n"


def program(text: str) -> Program:
    return read_program(Source("design.sn", text))


def names(text: str) -> list[str]:
    return [training.name for training in program(BASE + text).own_trainings][1:]


def fault(text: str) -> tuple[str, str]:
    with pytest.raises(SnError) as caught:
        program(BASE + text)
    (one,) = caught.value.faults
    return one.message, one.hint


def test_a_grid_declares_a_training_for_each_combination_in_order() -> None:
    text = "(grid ((mu 0.02 0.05) (rate 0.0002 0.0005 1)) (train t (like n) (update lm (mu ,mu)) (epsilon ,rate)))"
    assert names(text) == [
        f"t@mu={mu},rate={rate}" for mu, rate in itertools.product(("0.02", "0.05"), ("0.0002", "0.0005", "1"))
    ]
    assert names("(grid ((a ,@(range 1 2))) (train t (like n) (epsilon ,a)))") == ["t@a=1", "t@a=2"]


def test_the_variables_hold_the_values_that_the_name_says() -> None:
    text = "(sample 20 3 ((rate (log-uniform 1e-4 2e-3)) (x (uniform -1 1)) (f (one-of tanh relu)))"
    read = program(BASE + text + ' (train t (like n) (epsilon ,rate) (note ,(sprintf "%.12g %.12g %l" rate x f))))')
    drawn = [training for training in read.own_trainings if "@" in training.name]
    assert len({training.name for training in drawn}) == 20
    for training in drawn:
        settings = dict(part.split("=") for part in training.name.split("@")[1].split(","))
        assert training.notes == (" ".join(settings.values()),)
        assert 1e-4 <= float(settings["rate"]) <= 2e-3
        assert -1 <= float(settings["x"]) <= 1
        assert settings["f"] in ("tanh", "relu")


def test_a_larger_sample_begins_with_the_same_cells_and_another_seed_has_others() -> None:
    def sample(count: int, seed: int) -> list[str]:
        return names(f"(sample {count} {seed} ((a (log-uniform 1e-3 1))) (train t (like n) (epsilon ,a)))")

    assert sample(30, 1)[:10] == sample(10, 1)
    assert not set(sample(10, 1)) & set(sample(10, 2))


def test_drawn_numbers_have_their_distribution() -> None:
    """The largest distance from the distribution function stays below Kolmogorov's bound for one draw in a thousand."""
    count = 400
    drawn = names(f"(sample {count} 5 ((a (log-uniform 1e-3 1)) (b (uniform 2 6))) (train t (like n) (epsilon ,a)))")
    settings = [dict(part.split("=") for part in name.split("@")[1].split(",")) for name in drawn]
    logarithms = sorted(1 + math.log10(float(s["a"])) / 3 for s in settings)
    uniform = sorted((float(s["b"]) - 2) / 4 for s in settings)
    for values in (logarithms, uniform):
        assert max(abs(value - (i + 0.5) / count) for i, value in enumerate(values)) < 1.95 / math.sqrt(count)


def test_nets_of_a_cell_are_its_own_and_short_names_mean_them() -> None:
    read = program(
        NET
        + """(grid ((wide 3 5) (f tanh relu))
          (net n (layer in 2) (layer hidden ,wide (nlf ,f)) (layer out 1)
            (connect in hidden (full)) (connect hidden out (full)))
          (train n (data (examples [[0 0] [1 1]] [[-1] [1]])) (passes 1) (epsilon 0.1))
          (train again (like n) (passes 2)))"""
    )
    for training in read.own_trainings:
        settings = dict(part.split("=") for part in training.name.split("@")[1].split(","))
        assert training.net.name == "n@" + training.name.split("@")[1]
        assert training.net.counts.units == 2 + int(settings["wide"]) + 1
    assert len(read.own_trainings) == 8
    assert read.nets.get("n").counts.units == 3


def test_a_grid_in_a_grid_joins_the_settings() -> None:
    assert names("(grid ((a 1 2)) (grid ((b 3)) (train t (like n) (epsilon ,(+ a b)))))") == ["t@a=1,b=3", "t@a=2,b=3"]


def test_after_a_cell_names_are_plain_again_also_after_a_fault() -> None:
    assert names("(grid ((a 1)) (train t (like n))) (train t (like n))") == ["t@a=1", "t"]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("(grid () (train t (like n)))", "grid: no variable", "write (grid ((x value ...) ...) form ...)"),
        ("(grid ((a)) 1)", "grid: a has no value", "write (grid"),
        ("(grid ((a 1 2 1)) 1)", "grid: a has the value 1 twice", "remove one of the two"),
        ("(grid ((a 1) (a 2)) 1)", "grid: the variable a stands twice", "put all its values in one list"),
        ("(grid ((a (1 2))) 1)", "a value of a is", "(selectq a (a ...) (b ...))"),
        ("(grid)", "grid has too few arguments", "write (grid"),
        ("(sample 2.5 1 ((a (uniform 0 1))) 1)", "must be a whole number from 1 on", "(sample 100 1"),
        ("(sample 2 1 ((a (uniform 1 0))) 1)", "the bounds of a are 1 and 0", "write the lower one first"),
        ("(sample 2 1 ((a (log-uniform 0 1))) 1)", "the bounds of a are 0 and 1", "write bounds above 0"),
        ("(sample 2 1 ((a (uniform 1))) 1)", "a needs two bounds, 1 given", "write (uniform low high)"),
        ("(sample 2 1 ((a 1)) 1)", "a needs one distribution", "write (sample"),
        ("(sample 2 1 ((a (normal 0 1))) 1)", 'distribution "normal"', "distributions: uniform, log-uniform, one-of"),
        ("(sample 3 1 ((a (one-of 1 2))) 1)", "no new cell after 2 different ones", "draw 2 cells, or write a grid"),
        (
            "(grid ((a 1)) (train t (like n)) (train t (like n)))",
            '"t@a=1" is already the name of another training',
            "write another name",
        ),
    ],
)
def test_faults(text: str, message: str, hint: str) -> None:
    found = fault(text)
    assert message in found[0]
    assert hint in found[1]


def without_comments(form: str) -> list[str]:
    return re.sub(r";.*", "", form).split()


def test_a_written_cell_reads_back() -> None:
    read = program(BASE + "(grid ((mu 0.02 0.05) (f tanh)) (net m (like n)) (train t (like n) (net m) (epsilon ,mu)))")
    text = "\n".join(complete_forms(read))
    again = program(text)
    assert [training.name for training in again.own_trainings] == ["n", "t@mu=0.02,f=tanh", "t@mu=0.05,f=tanh"]
    assert [without_comments(form) for form in complete_forms(again)] == list(
        map(without_comments, complete_forms(read))
    )


def test_only_takes_a_training_with_all_its_cells_or_one_of_them(tmp_path: Path) -> None:
    file = tmp_path / "design.sn"
    file.write_text(BASE + "(grid ((a 0.1 0.2)) (train t (like n) (epsilon ,a)) (train u (like n)))")
    read = read_program(file)
    assert [training.name for training in read.chosen_trainings(["t"])] == ["t@a=0.1", "t@a=0.2"]
    assert [training.name for training in read.chosen_trainings(["u@a=0.2", "n"])] == ["n", "u@a=0.2"]
