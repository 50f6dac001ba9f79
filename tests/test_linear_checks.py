"""A description of twice the length takes twice the work to check: no part of it goes through all others.

Work is counted in instructions of Python, which no clock and no other process changes. A search through a list that
Python itself does (`x in names`) is one instruction and not seen here.
"""

import gc
import io
import sys
from types import FrameType

import pytest

from snsim.engines.plan import plan
from snsim.errors import SnError, Source
from snsim.program import Program, read_program
from snsim.reports.tables import summary

MOST = 2.04  # of `growth`, which is 2 to three digits; a square among much linear work makes 2.07
NET = "(net x (layer i 2) (layer o 1) (connect i o (full)))\n"
CLAUSES = "(data (examples [[1 2]] [[1]])) (passes 1)"


def lines(template: str, count: int, start: int = 0) -> str:
    """The template once for each number from `start`: {0} is the number, {1} the next one."""
    return "\n".join(template.format(i, i + 1) for i in range(start, start + count))


def deep(count: int, more: str = "") -> str:
    return (
        f"(net deep (layer l0 1)\n{lines('(layer l{0} 1)', count, 1)}\n"
        f"{lines('(connect l{0} l{1} (full))', count)} {more})\n"
    )


def pairs(count: int) -> str:
    return f"(net p (layer a {count}) (layer b 1) (connect a b (pairs {lines('({0} 0)', count)})))"


SHAPES = {
    "layers": deep,
    "layers of a net like another": lambda n: deep(n) + f"(net d2 (like deep)\n{lines('(layer l{0} 2)', n)})",
    "connections of a net like another": lambda n: (
        deep(n) + f"(net d2 (like deep)\n{lines('(connect l{0} l{1} (scale 2))', n)})"
    ),
    "layers taken out": lambda n: (
        deep(n) + f"(net d2 (like deep)\n{lines('(without l{0})', n - 2, 1)}"
        f"(connect l0 l{n} (full)) (connect l0 l{n - 1} (full)))"
    ),
    "layers normalized": lambda n: (
        "(net t (layer l0 (2 1 1))\n" + lines("(layer l{0} (2 1 1))", n, 1) + lines("(normalize l{0} l{1})", n) + ")"
    ),
    "rates of layers": lambda n: (
        deep(n) + f"(train deep (data (examples [[1]] [[1]])) (passes 1) {lines('(epsilon 0.1 l{0})', n, 1)})"
    ),
    "pairs": pairs,
    "numbers of a matrix": lambda n: f"(setq m [[{lines('{0}', n)}][{lines('{1}', n)}]])",
    "rows of a matrix": lambda n: f"(setq m [{lines('[{0} 0.5]', n)}])",
    "numbers of a list": lambda n: f"(setq l '({lines('{0}', n)}))",
    "names of a list": lambda n: f"(setq l '({lines('s{0}', n)}))",
    "lists of a list": lambda n: f"(setq l '({lines('(a (b {0}))', n)}))",
    "signs of a list": lambda n: f"(setq l `({lines('(,{0} . b) [a x] (c {0})', n)}))",
    "matrices of a list": lambda n: f"(setq l '({lines('[[{0}]]', n)}))",
    "forms": lambda n: lines("(setq a{0} {0})", n),
    "rows of a table": lambda n: f"(table t {lines('(x - x)', n)})",
    "seeds": lambda n: f"{NET}(train x {CLAUSES} (epsilon 1) (seed {lines('{0}', n)}))",
    "notes": lambda n: f"{NET}(train x {CLAUSES} (epsilon 1) (note {lines(chr(34) + 'n{0}' + chr(34), n)}))",
    "stages": lambda n: f"{NET}(train x (data (examples [[1 2]] [[1]])) (epsilon 1) {lines('(stage (passes 1))', n)})",
    "trainings": lambda n: f"{NET}{lines('(train t{0} (net x) ' + CLAUSES + ' (epsilon 1))', n)}",
    "trainings like another": lambda n: f"{NET}(train x {CLAUSES} (epsilon 1))\n{lines('(train t{0} (like x))', n)}",
    "nets": lambda n: lines("(net n{0} (layer a 1) (layer b 1) (connect a b (full)))", n),
}


# The same for texts with as many faults.
FAULTY = {
    "a rate at one place": lambda n: deep(n) + f"(train deep {CLAUSES} {lines('(epsilon 1 biases)', n)})",
    "rates at layers that nothing enters": lambda n: (
        deep(n) + f"(train deep {CLAUSES} {lines('(epsilon 1 (connect l{0} l0))', n)})"
    ),
    "published figures": lambda n: f"{NET}(train x {CLAUSES} (epsilon 1) (published {lines('(train-loss {0})', n)}))",
    "seeds": lambda n: f"{NET}(train x {CLAUSES} (epsilon 1) (seed {lines('7', n)}))",
    "names of layers": lambda n: f"(net deep {lines('(layer l{0} 1)', 9)} {lines('(connect m{0} k{0} (full))', n)})",
    "names of nets": lambda n: (
        lines("(net n{0} (layer a 1) (layer b 1) (connect a b (full)))", 9)
        + lines(f"(train t{{0}} (net m{{0}}) {CLAUSES} (epsilon 1))", n)
    ),
    "data sets": lambda n: f"{NET}(train x (passes 1) (epsilon 1) (data {lines('d{0}', n)}))",
    "shapes": lambda n: f"(net deep {lines('(layer l{0} -1)', n)})",
    "rows of a table": lambda n: f"(table t (x x) {lines('(x - z)', n)})",
}


def checked(text: str) -> Program:
    return read_program(Source("<t>", text), port=io.StringIO())


def refused(text: str) -> None:
    with pytest.raises(SnError):
        checked(text)


def shown(text: str) -> None:
    program = checked(text)
    net = program.nets.get("deep")
    str(plan(net))
    summary(net, program.own_trainings[0])


def instructions(work, text: str) -> int:
    """How many instructions of Python `work` takes for a text."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object):
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    gc.collect()
    gc.disable()  # what the removal of an object calls is counted too, and comes at any time
    sys.settrace(trace)
    try:
        work(text)
    finally:
        sys.settrace(before)
        gc.enable()
    return count


def growth(work, shape, size: int) -> float:
    """How much more work the step from 2n to 4n takes than that from n to 2n: 2 if linear, 4 if it is a square."""
    work(shape(size * 4))  # so that what is made once is there
    one, two, four = (instructions(work, shape(size * factor)) for factor in (1, 2, 4))
    return (four - two) / (two - one)


@pytest.mark.parametrize("name", SHAPES)
def test_twice_the_text_takes_twice_the_work(name: str) -> None:
    assert growth(checked, SHAPES[name], 40) < MOST


@pytest.mark.parametrize("name", FAULTY)
def test_twice_the_faults_take_twice_the_work(name: str) -> None:
    assert growth(refused, FAULTY[name], 40) < MOST


def test_a_plan_and_a_table_of_twice_the_layers_take_twice_the_work() -> None:
    assert growth(shown, SHAPES["rates of layers"], 40) < MOST


def test_growth_sees_a_square() -> None:
    def square(text: str) -> list[str]:
        return [a for a in text for b in text if a < b]

    assert growth(square, lambda n: "ab" * n, 10) > 3.5
