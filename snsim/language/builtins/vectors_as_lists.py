"""Define the functions that compute with lists of numbers (docs/reference/sn28.md, section 1.4)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from snsim.language.builtins.arithmetic import finite
from snsim.language.forms import Form
from snsim.language.procedures import ABSENT, CallError, alias, conversion, function

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


def _numbers(interpreter: Interpreter, name: str, values: Form, least: int = 0) -> list[float]:
    items = interpreter.elements(values, name)
    for item in items:
        if not isinstance(item, float):
            raise CallError(
                f"{name}: {interpreter.describe(item)} in the list is not a number",
                None,
                conversion(item, "number") or "leave it out: (filter numberp list) keeps the numbers",
            )
    if len(items) < least:
        raise CallError(f"{name}: the list is empty", None, f"test the list first: (if list ({name} list) 0)")
    return items


def _two(interpreter: Interpreter, name: str, a: Form, b: Form) -> list[tuple[float, float]]:
    """Return the numbers of two lists as pairs; without a second list, paired with zeros."""
    x = _numbers(interpreter, name, a)
    y = [0.0] * len(x) if b is ABSENT else _numbers(interpreter, name, b)
    if len(x) != len(y):
        raise CallError(
            f"{name}: one list has {len(x)} elements, the other {len(y)}",
            None,
            f"give both {max(len(x), len(y))} elements",
        )
    return list(zip(x, y))


@function("sum", interpreter=True)
def sum_(interpreter: Interpreter, values: Form) -> float:
    """(sum list): the sum of the numbers"""
    return finite("sum", float(sum(_numbers(interpreter, "sum", values))))


@function("mean", interpreter=True)
def mean(interpreter: Interpreter, values: Form) -> float:
    """(mean list): the mean of the numbers"""
    x = _numbers(interpreter, "mean", values, 1)
    return finite("mean", sum(x) / len(x))


@function("sdev", interpreter=True)
def sdev(interpreter: Interpreter, values: Form) -> float:
    """(sdev list): the standard deviation, with the list as the whole population"""
    x = _numbers(interpreter, "sdev", values, 1)
    average = sum(x) / len(x)
    return finite("sdev", math.sqrt(sum((v - average) * (v - average) for v in x) / len(x)))


@function("sup", interpreter=True)
def sup(interpreter: Interpreter, values: Form) -> float:
    """(sup list): the largest of the numbers"""
    return max(_numbers(interpreter, "sup", values, 1))


@function("inf", interpreter=True)
def inf(interpreter: Interpreter, values: Form) -> float:
    """(inf list): the smallest of the numbers"""
    return min(_numbers(interpreter, "inf", values, 1))


@function("quantile", interpreter=True)
def quantile(interpreter: Interpreter, values: Form, fraction: Form) -> float:
    """(quantile list f): the element at position floor(n f), from 0, of the n sorted elements"""
    x = sorted(_numbers(interpreter, "quantile", values, 1))
    if not isinstance(fraction, float) or not math.isfinite(fraction):
        raise CallError(
            f"quantile: {interpreter.describe(fraction)} is not a fraction",
            1,
            "write a number from 0 to 1, such as 0.5 for the median",
        )
    return x[min(max(math.floor(len(x) * fraction), 0), len(x) - 1)]


@function("median", interpreter=True)
def median(interpreter: Interpreter, values: Form) -> float:
    """(median list): the middle one in order, the lower one of two"""
    x = sorted(_numbers(interpreter, "median", values, 1))
    return x[(len(x) - 1) // 2]


@function("rank", interpreter=True)
def rank(interpreter: Interpreter, values: Form, x: Form, width: Form = 0.0) -> Form:
    """(rank list x [width]): the positions, from 0, of the numbers equal to x, or within width of it"""
    if not isinstance(x, float) or not isinstance(width, float):
        raise CallError("rank: expected a number", 1)
    numbers = _numbers(interpreter, "rank", values)
    positions = [float(i) for i, value in enumerate(numbers) if x - width <= value <= x + width]
    return interpreter.new_list(positions, "rank")


@function("sqr-dist", interpreter=True)
def sqr_dist(interpreter: Interpreter, a: Form, b: Form = ABSENT) -> float:
    """(sqr-dist a [b]): the sum of the squared differences; for one list, of the squares"""
    return finite("sqr-dist", float(sum((x - y) * (x - y) for x, y in _two(interpreter, "sqr-dist", a, b))))


@function("mean-sqr-dist", interpreter=True)
def mean_sqr_dist(interpreter: Interpreter, a: Form, b: Form) -> float:
    """(mean-sqr-dist a b): the mean of the squared differences"""
    pairs = _two(interpreter, "mean-sqr-dist", a, b)
    if not pairs:
        raise CallError("mean-sqr-dist: the lists are empty", None, "test the list first: (if a (mean-sqr-dist a b) 0)")
    return finite("mean-sqr-dist", sum((x - y) * (x - y) for x, y in pairs) / len(pairs))


@function("abs-dist", interpreter=True)
def abs_dist(interpreter: Interpreter, a: Form, b: Form = ABSENT) -> float:
    """(abs-dist a [b]): the sum of the absolute differences; for one list, of the absolute values"""
    return finite("abs-dist", float(sum(abs(x - y) for x, y in _two(interpreter, "abs-dist", a, b))))


@function("sup-dist", interpreter=True)
def sup_dist(interpreter: Interpreter, a: Form, b: Form = ABSENT) -> float:
    """(sup-dist a [b]): the largest absolute difference; for one list, the largest absolute value"""
    return finite("sup-dist", max((abs(x - y) for x, y in _two(interpreter, "sup-dist", a, b)), default=0.0))


@function("hamming-dist", interpreter=True)
def hamming_dist(interpreter: Interpreter, *arguments: Form) -> float:
    """(hamming-dist [margin] a [b]): the number of differences (for one list, elements) above the margin (default 0)"""
    has_margin = bool(arguments) and isinstance(arguments[0], float)
    margin, *lists = arguments if has_margin else (0.0, *arguments)
    if len(lists) not in (1, 2):
        raise CallError(
            f"hamming-dist: expected one or two lists, {len(lists)} given", None, "write (hamming-dist [margin] a b)"
        )
    pairs = _two(interpreter, "hamming-dist", lists[0], lists[1] if len(lists) == 2 else ABSENT)
    return float(sum(abs(x - y) > margin for x, y in pairs))


@function("quadrant-dist", interpreter=True)
def quadrant_dist(interpreter: Interpreter, desired: Form, actual: Form) -> float:
    """(quadrant-dist d y): the number of positions where y has not the sign of d; a 0 in d never counts"""
    pairs = _two(interpreter, "quadrant-dist", desired, actual)
    return float(sum((d > 0 and y <= 0) or (d < 0 and y >= 0) for d, y in pairs))


@function("add-lists", interpreter=True)
def add_lists(interpreter: Interpreter, a: Form, b: Form) -> Form:
    """(add-lists a b): the list of the sums"""
    return interpreter.new_list([x + y for x, y in _two(interpreter, "add-lists", a, b)], "add-lists")


@function("diff-lists", interpreter=True)
def diff_lists(interpreter: Interpreter, a: Form, b: Form) -> Form:
    """(diff-lists a b): the list of the differences"""
    return interpreter.new_list([x - y for x, y in _two(interpreter, "diff-lists", a, b)], "diff-lists")


alias("find-interval", "rank")
