"""Tests that decide whether an answer is good, one of which is `classify` (docs/reference/sn28.md, section 3.9).

A test compares the states of `output-layer` with those of `desired-layer`. Its argument, the number of the pattern, is
not used.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from snsim.language.builtins.arithmetic import number
from snsim.language.forms import NIL, Form, Pair, symbol
from snsim.language.procedures import TRUE, CallError
from snsim.runtime.lisp_definitions import code, define
from snsim.runtime.settings import DESIRED, OUTPUT, Settings, layer_in
from snsim.runtime.vocabulary import word
from snsim.sn28.net.layer_fields import field_values
from snsim.sn28.net.netspace import VAL

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_OUT_CLASS, _DES_CLASS = symbol("out-class"), symbol("des-class")


def _answers(interpreter: Interpreter) -> tuple[list[float], list[float]]:
    """Return the actual and the desired outputs."""
    actual = field_values(interpreter, "classify", VAL, layer_in(interpreter, OUTPUT))
    desired = field_values(interpreter, "classify", VAL, layer_in(interpreter, DESIRED))
    if len(actual) != len(desired):
        raise CallError(
            f"output-layer has {len(actual)} units but desired-layer has {len(desired)}",
            None,
            "call make-desired with a layer as large as that of make-output",
        )
    return actual, desired


@word("class-quadrant")
def class_quadrant(interpreter: Interpreter, n: Form) -> Form:
    """(class-quadrant n): 0, which counts as true, if no output has the wrong sign, else (); n has no effect"""
    return _zero_if_none((d > 0 and y <= 0) or (d < 0 and y >= 0) for y, d in zip(*_answers(interpreter)))


@word("class-max")
def class_max(interpreter: Interpreter, n: Form) -> Form:
    """(class-max n): t if the largest output is that of the largest target, else (); n has no effect

    It sets out-class and des-class to the two indices, counted from 0.
    """
    actual, desired = map(_indices_of_max, _answers(interpreter))
    interpreter.assign(_OUT_CLASS, _one_or_list(interpreter, actual))
    interpreter.assign(_DES_CLASS, _one_or_list(interpreter, desired))
    return TRUE if actual == desired else NIL


@word("class-sgn")
def class_sgn(interpreter: Interpreter, n: Form, low: Form, high: Form) -> Form:
    """(class-sgn n lo hi): t if each output lies on the same side of lo and hi as its target, else ()

    Both must be below lo, both above hi, or both from lo to hi. The argument n has no effect.
    """
    lo, hi = number("class-sgn", low, 1), number("class-sgn", high, 2)
    return TRUE if all(_same_side(y, d, lo, hi) for y, d in zip(*_answers(interpreter))) else NIL


@word("class-lms")
def class_lms(interpreter: Interpreter, n: Form, most: Form) -> Form:
    """(class-lms n m): t if the mean squared error of the outputs is below m, else (); n has no effect"""
    actual, desired = _answers(interpreter)
    mean = sum((d - y) * (d - y) for y, d in zip(actual, desired)) / max(len(actual), 1)
    return TRUE if mean < number("class-lms", most, 1) else NIL


@word("class-hamming")
def class_hamming(interpreter: Interpreter, n: Form, margin: Form) -> Form:
    """(class-hamming n m): 0, which counts as true, if no output differs from its target by more than m, else ()"""
    most = number("class-hamming", margin, 1)
    return _zero_if_none(abs(d - y) > most for y, d in zip(*_answers(interpreter)))


def _zero_if_none(wrong: Iterable[bool]) -> Form:
    """Return 0.0, which is true in Lisp, if nothing is wrong, else (); SN computes it with `0=`."""
    return NIL if any(wrong) else 0.0


def _indices_of_max(numbers: list[float]) -> list[float]:
    most = max(numbers)
    return [float(i) for i, x in enumerate(numbers) if x == most]


def _one_or_list(interpreter: Interpreter, indices: list[float]) -> Form:
    return indices[0] if len(indices) == 1 else interpreter.new_list(indices, "rank-of-max")


@word("rank-of-max")
def rank_of_max(interpreter: Interpreter, values: Form) -> Form:
    """(rank-of-max list): the index, from 0, of the largest number; a list of indices if several are largest"""
    numbers = [number("rank-of-max", value) for value in interpreter.elements(values, "rank-of-max")]
    if not numbers:
        raise CallError("rank-of-max: the list is empty", 0, "write a list of numbers, such as (state output-layer)")
    return _one_or_list(interpreter, _indices_of_max(numbers))


@word("same-side")
def same_side(interpreter: Interpreter, x: Form, y: Form, low: Form, high: Form) -> Form:
    """(same-side x y lo hi): t if x and y are both below lo, both above hi, or both from lo to hi, else ()"""
    a, b = number("same-side", x), number("same-side", y, 1)
    lo, hi = number("same-side", low, 2), number("same-side", high, 3)
    return TRUE if _same_side(a, b, lo, hi) else NIL


def _same_side(a: float, b: float, low: float, high: float) -> bool:
    return (a < low) == (b < low) and (a > high) == (b > high)


# Choosing one


def _choose(interpreter: Interpreter, test: str, *numbers: float) -> Form:
    """Make a test the function `classify`, with these numbers as its arguments after the pattern."""
    interpreter.part(Settings)
    if not numbers:
        interpreter.assign(symbol("classify"), interpreter.procedure(symbol(test)))
    else:
        define(interpreter, "classify", code("pn"), Pair(symbol(test), code("pn", *numbers)))
    return symbol(test)


@word("set-class-quadrant")
def set_class_quadrant(interpreter: Interpreter) -> Form:
    """(set-class-quadrant): makes an answer good if no output has the wrong sign"""
    return _choose(interpreter, "class-quadrant")


@word("set-class-max")
def set_class_max(interpreter: Interpreter) -> Form:
    """(set-class-max): makes an answer good if the largest output is that of the largest target"""
    return _choose(interpreter, "class-max")


@word("set-class-sgn")
def set_class_sgn(interpreter: Interpreter, low: Form, high: Form) -> Form:
    """(set-class-sgn lo hi): makes an answer good if each output lies on the same side of lo and hi as its target

    Both must be below lo, both above hi, or both from lo to hi. (set-class-sgn 0 0) is (set-class-quadrant).
    """
    lo, hi = number("set-class-sgn", low), number("set-class-sgn", high, 1)
    return _choose(interpreter, "class-quadrant") if lo == hi == 0.0 else _choose(interpreter, "class-sgn", lo, hi)


@word("set-class-lms")
def set_class_lms(interpreter: Interpreter, most: Form) -> Form:
    """(set-class-lms m): makes an answer good if the mean squared error of the outputs is below m"""
    return _choose(interpreter, "class-lms", number("set-class-lms", most))


@word("set-class-hamming")
def set_class_hamming(interpreter: Interpreter, margin: Form) -> Form:
    """(set-class-hamming m): makes an answer good if no output differs from its target by more than m"""
    return _choose(interpreter, "class-hamming", number("set-class-hamming", margin))


@word("set-class-nil")
def set_class_nil(interpreter: Interpreter) -> Form:
    """(set-class-nil): makes every answer good"""
    interpreter.part(Settings)
    define(interpreter, "classify", code("pn"), TRUE)
    return NIL
