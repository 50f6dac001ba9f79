"""Define `grid` and `sample`, which evaluate forms once for each setting of some variables.

What a declarative word declares meanwhile has the setting in its name (`Interpreter.cell`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from snsim.data_classes import dataclass
from snsim.language.builtins.arithmetic import number
from snsim.language.forms import NIL, Form, Pair, Symbol
from snsim.language.limits import LONG_LIST, exceeded
from snsim.language.procedures import CallError, special
from snsim.language.quasiquote import backquote
from snsim.registry import Shelf

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_GRID = "(grid ((x value ...) ...) form ...)"
_SAMPLE = "(sample n seed ((x (distribution ...)) ...) form ...)"
_DIGITS = 4  # significant digits of a drawn number: its name in a report is the number itself
_TRIES = 1_000  # draws without a new cell before the cells count as exhausted

Cell = tuple[Form, ...]  # one value for each variable
Draw = Callable[["np.random.Generator"], Form]  # a name in quotes: numpy.random is slow to import


@dataclass(frozen=True)
class Distribution:
    """A distribution of `sample`: its syntax, and the function that reads its arguments."""

    syntax: str
    read: Callable[[str, list[Form]], Draw]


DISTRIBUTIONS: Shelf[Distribution] = Shelf("distribution")


@special("grid")
def grid(interpreter: Interpreter, form: Pair) -> Form:
    """(grid ((x value...)...) form...): evaluates the forms for each combination of values; returns the last value"""
    header, body, place = _parts(interpreter, form, 1, _GRID)
    names: list[Symbol] = []
    columns: list[list[Form]] = []
    for name, values in _bindings(interpreter, header, "grid", _GRID):
        if not values:
            raise CallError(f"grid: {name} has no value", place, f"write {_GRID}")
        columns.append([_check_value(interpreter, value, name.name, "grid", place) for value in values])
        twice = next((value for i, value in enumerate(columns[-1]) if value in columns[-1][:i]), None)
        if twice is not None:
            raise CallError(f"grid: {name} has the value {_text(twice)} twice", place, "remove one of the two")
        names.append(name)
    count = math.prod(map(len, columns))
    if count > interpreter.limits.list_length:
        raise exceeded("the grid has too many cells", interpreter.limits.list_length, interpreter.place(), LONG_LIST)
    return _evaluate_cells(interpreter, names, itertools.product(*columns), body)


@special("sample")
def sample(interpreter: Interpreter, form: Pair) -> Form:
    """(sample n seed ((x (distribution...))...) form...): evaluates the forms for n different random settings of x

    The values of each x are drawn from its distribution, by the random numbers of the seed. It returns the last value.
    """
    header, body, place = _parts(interpreter, form, 3, _SAMPLE)
    count, seed = (
        _whole(interpreter.evaluate(cell.car, cell.at), what, least, i)
        for i, (cell, what, least) in enumerate(((form.cdr, "the number of cells", 1), (form.cdr.cdr, "the seed", 0)))
    )
    if count > interpreter.limits.list_length:
        raise exceeded("sample draws too many cells", interpreter.limits.list_length, interpreter.place(), LONG_LIST)
    names: list[Symbol] = []
    draws: list[Draw] = []
    for name, given in _bindings(interpreter, header, "sample", _SAMPLE):
        choice = given[0] if len(given) == 1 else NIL
        if not isinstance(choice, Pair) or not isinstance(choice.car, Symbol):
            raise CallError(f"sample: {name} needs one distribution, such as (uniform 0 1)", place, f"write {_SAMPLE}")
        arguments = interpreter.elements(choice.cdr, "sample")
        if choice.car.name == "one-of":
            arguments = [_check_value(interpreter, value, name.name, "sample", place) for value in arguments]
        draws.append(DISTRIBUTIONS.get(choice.car.name, choice.span).read(name.name, arguments))
        names.append(name)
    return _evaluate_cells(interpreter, names, _drawn(draws, count, seed), body)


def _drawn(draws: list[Draw], count: int, seed: int) -> Iterator[Cell]:
    """Yield `count` different cells. A larger count begins with the same cells."""
    generator = np.random.default_rng(seed)
    seen: set[Cell] = set()
    for _ in range(count):
        for _ in range(_TRIES):
            cell = tuple(draw(generator) for draw in draws)
            if cell not in seen:
                break
        else:
            raise CallError(
                f"sample: {_TRIES:,} draws gave no new cell after {len(seen):,} different ones",
                None,
                f"draw {len(seen):,} cells, or write a grid of them",
            )
        seen.add(cell)
        yield cell


# ---- Reading the header ------------------------------------------------------------------------------------------


def _parts(interpreter: Interpreter, form: Pair, position: int, syntax: str) -> tuple[Form, Form, int]:
    """Return the header with its commas evaluated, the body, and the number of the header's argument from 0."""
    cell: Form = form
    for _ in range(position):
        cell = cell.cdr
        if not isinstance(cell, Pair):
            raise CallError(f"{form.car} has too few arguments", None, f"write {syntax}")
    return backquote(interpreter, cell.car, cell.at), cell.cdr, position - 1


def _bindings(interpreter: Interpreter, header: Form, word: str, syntax: str) -> Iterator[tuple[Symbol, list[Form]]]:
    """Yield the variables of a header, each with what stands behind it in its list."""
    names: set[Symbol] = set()
    bindings = interpreter.elements(header, word)
    if not bindings:
        raise CallError(f"{word}: no variable", None, f"write {syntax}")
    for binding in bindings:
        if not isinstance(binding, Pair) or not isinstance(binding.car, Symbol):
            raise CallError(
                f"{word}: expected a variable and its values, not {interpreter.describe(binding)}",
                None,
                f"write {syntax}",
            )
        if binding.car in names:
            raise CallError(f"{word}: the variable {binding.car} stands twice", None, "put all its values in one list")
        names.add(binding.car)
        yield binding.car, interpreter.elements(binding.cdr, word)


def _check_value(interpreter: Interpreter, value: Form, name: str, word: str, place: int) -> Form:
    """Return a value that can be a part of a name; raise CallError for another."""
    if value is NIL or not isinstance(value, float | str | Symbol):
        raise CallError(
            f"{word}: a value of {name} is {interpreter.describe(value)}, and only numbers, texts and names can stand "
            "in the name of a training",
            place,
            f"write a name for each value, and choose by it in the body: (selectq {name} (a ...) (b ...))",
        )
    return value


def _whole(value: Form, what: str, least: int, argument: int) -> int:
    if not isinstance(value, float) or value != int(value) or value < least:
        raise CallError(
            f"sample: {what} must be a whole number from {least} on", argument, "write for example (sample 100 1 ...)"
        )
    return int(value)


# ---- Distributions -----------------------------------------------------------------------------------------------


def _rounded(number: float) -> float:
    return float(f"{number:.{_DIGITS}g}")


def _bounds(name: str, syntax: str, arguments: list[Form]) -> tuple[float, float]:
    """Return the two bounds of a distribution of numbers, the lower one first."""
    if len(arguments) != 2:
        raise CallError(f"sample: {name} needs two bounds, {len(arguments)} given", None, f"write {syntax}")
    low, high = (number("sample", value, None) for value in arguments)
    if not low < high:
        raise CallError(f"sample: the bounds of {name} are {low:g} and {high:g}", None, "write the lower one first")
    return low, high


def _uniform(name: str, arguments: list[Form]) -> Draw:
    low, high = _bounds(name, "(uniform low high)", arguments)
    return lambda generator: _rounded(low + (high - low) * generator.random())


def _log_uniform(name: str, arguments: list[Form]) -> Draw:
    low, high = _bounds(name, "(log-uniform low high)", arguments)
    if low <= 0:
        raise CallError(f"sample: the bounds of {name} are {low:g} and {high:g}", None, "write bounds above 0")
    return lambda generator: _rounded(low * (high / low) ** generator.random())


def _one_of(name: str, arguments: list[Form]) -> Draw:
    if not arguments:
        raise CallError(f"sample: {name} has no value", None, "write (one-of value ...)")
    return lambda generator: arguments[int(generator.integers(len(arguments)))]


for _name, _syntax, _reader, _doc in (
    ("uniform", "(uniform low high)", _uniform, "each number between the bounds is as likely"),
    ("log-uniform", "(log-uniform low high)", _log_uniform, "the logarithm of the number is uniform"),
    ("one-of", "(one-of value ...)", _one_of, "each of the values is as likely"),
):
    DISTRIBUTIONS.add(_name, Distribution(_syntax, _reader), _doc)


# ---- Cells -------------------------------------------------------------------------------------------------------


def _evaluate_cells(interpreter: Interpreter, names: list[Symbol], cells: Iterator[Cell], body: Form) -> Form:
    """Evaluate the body once for each cell, with the variables bound, and return the last value."""
    value: Form = NIL
    outer = interpreter.cell
    for cell in cells:
        interpreter.step()
        settings = ",".join(f"{name}={_text(setting)}" for name, setting in zip(names, cell))
        interpreter.cell = f"{outer},{settings}" if outer else settings
        try:
            value = interpreter.run_body(list(zip(names, cell)), body)
        finally:
            interpreter.cell = outer
    return value


def _text(value: Form) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)
