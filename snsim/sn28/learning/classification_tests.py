"""What counts as a good answer: the tests that `classify` can be (docs/reference/sn28.md, section 3.9).

A test gets the number of the pattern, which none of these looks at, and judges the states of `output-layer` by
those of `desired-layer`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from snsim.language.builtins.arithmetic import number
from snsim.language.forms import NIL, Form, Pair, symbol
from snsim.language.procedures import TRUE, CallError
from snsim.sn28.net.layer_fields import field
from snsim.sn28.net.netspace import VAL
from snsim.sn28.runtime.lisp_definitions import code, define
from snsim.sn28.runtime.settings import DESIRED, OUTPUT, Settings, layer_in
from snsim.sn28.runtime.vocabulary import word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_OUT_CLASS, _DES_CLASS = symbol("out-class"), symbol("des-class")


def _answers(interpreter: Interpreter) -> tuple[list[float], list[float]]:
    """The states of the outputs and of what they should be."""
    actual = field(interpreter, "classify", VAL, layer_in(interpreter, OUTPUT))
    desired = field(interpreter, "classify", VAL, layer_in(interpreter, DESIRED))
    if len(actual) != len(desired):
        raise CallError(
            f"output-layer has {len(actual)} units, desired-layer {len(desired)}",
            None,
            "make-desired takes a layer as long as that of make-output",
        )
    return actual, desired


@word("class-quadrant")
def class_quadrant(interpreter: Interpreter, n: Form) -> Form:
    """(class-quadrant n): true if no output has the wrong sign"""
    return _none((d > 0 and y <= 0) or (d < 0 and y >= 0) for y, d in zip(*_answers(interpreter)))


@word("class-max")
def class_max(interpreter: Interpreter, n: Form) -> Form:
    """(class-max n): true if the greatest output is the one that should be; sets out-class and des-class"""
    found, wanted = map(_places_of_greatest, _answers(interpreter))
    interpreter.assign(_OUT_CLASS, _one_or_list(interpreter, found))
    interpreter.assign(_DES_CLASS, _one_or_list(interpreter, wanted))
    return TRUE if found == wanted else NIL


@word("class-sgn")
def class_sgn(interpreter: Interpreter, n: Form, low: Form, high: Form) -> Form:
    """(class-sgn n lo hi): true if each output lies, as its target, below lo, above hi, or between"""
    lo, hi = number("class-sgn", low, 1), number("class-sgn", high, 2)
    return TRUE if all(_same_side(y, d, lo, hi) for y, d in zip(*_answers(interpreter))) else NIL


@word("class-lms")
def class_lms(interpreter: Interpreter, n: Form, most: Form) -> Form:
    """(class-lms n m): true if the mean squared error is below m"""
    actual, desired = _answers(interpreter)
    mean = sum((d - y) * (d - y) for y, d in zip(actual, desired)) / max(len(actual), 1)
    return TRUE if mean < number("class-lms", most, 1) else NIL


@word("class-hamming")
def class_hamming(interpreter: Interpreter, n: Form, margin: Form) -> Form:
    """(class-hamming n m): true if no output is more than m off"""
    most = number("class-hamming", margin, 1)
    return _none(abs(d - y) > most for y, d in zip(*_answers(interpreter)))


def _none(wrong: Iterable[bool]) -> Form:
    """SN's `0=` of a number of wrong outputs: zero itself, which is true, or ()."""
    return NIL if any(wrong) else 0.0


def _places_of_greatest(numbers: list[float]) -> list[float]:
    most = max(numbers)
    return [float(i) for i, x in enumerate(numbers) if x == most]


def _one_or_list(interpreter: Interpreter, places: list[float]) -> Form:
    return places[0] if len(places) == 1 else interpreter.new_list(places, "rank-of-max")


@word("rank-of-max")
def rank_of_max(interpreter: Interpreter, values: Form) -> Form:
    """(rank-of-max list): the place, from 0, of the greatest number; the list of the places if several are"""
    numbers = [number("rank-of-max", value) for value in interpreter.elements(values, "rank-of-max")]
    if not numbers:
        raise CallError("rank-of-max: the list is empty", 0, "give a list of numbers, such as (state output-layer)")
    return _one_or_list(interpreter, _places_of_greatest(numbers))


@word("same-side")
def same_side(interpreter: Interpreter, x: Form, y: Form, low: Form, high: Form) -> Form:
    """(same-side x y lo hi): true if both lie below lo, both above hi, or both between"""
    a, b = number("same-side", x), number("same-side", y, 1)
    lo, hi = number("same-side", low, 2), number("same-side", high, 3)
    return TRUE if _same_side(a, b, lo, hi) else NIL


def _same_side(a: float, b: float, low: float, high: float) -> bool:
    return (a < low) == (b < low) and (a > high) == (b > high)


# Choosing one


def _choose(interpreter: Interpreter, test: str, *numbers: float) -> Form:
    """Make a test the function `classify`, with the numbers it takes behind the pattern."""
    interpreter.part(Settings)
    if not numbers:
        interpreter.assign(symbol("classify"), interpreter.procedure(symbol(test)))
        return TRUE
    define(interpreter, "classify", code("pn"), Pair(symbol(test), code("pn", *numbers)))
    return TRUE


@word("set-class-quadrant")
def set_class_quadrant(interpreter: Interpreter) -> Form:
    """(set-class-quadrant): an answer is good if no output has the wrong sign"""
    return _choose(interpreter, "class-quadrant")


@word("set-class-max")
def set_class_max(interpreter: Interpreter) -> Form:
    """(set-class-max): an answer is good if the greatest output is the one that should be"""
    return _choose(interpreter, "class-max")


@word("set-class-sgn")
def set_class_sgn(interpreter: Interpreter, low: Form, high: Form) -> Form:
    """(set-class-sgn lo hi): an answer is good if each output lies in the zone of its target; 0 0 is class-quadrant"""
    lo, hi = number("set-class-sgn", low), number("set-class-sgn", high, 1)
    return _choose(interpreter, "class-quadrant") if lo == hi == 0.0 else _choose(interpreter, "class-sgn", lo, hi)


@word("set-class-lms")
def set_class_lms(interpreter: Interpreter, most: Form) -> Form:
    """(set-class-lms m): an answer is good if the mean squared error is below m"""
    return _choose(interpreter, "class-lms", number("set-class-lms", most))


@word("set-class-hamming")
def set_class_hamming(interpreter: Interpreter, margin: Form) -> Form:
    """(set-class-hamming m): an answer is good if no output is more than m off"""
    return _choose(interpreter, "class-hamming", number("set-class-hamming", margin))


@word("set-class-nil")
def set_class_nil(interpreter: Interpreter) -> Form:
    """(set-class-nil): every answer is good"""
    interpreter.part(Settings)
    define(interpreter, "classify", code("pn"), TRUE)
    return TRUE
