"""Define the functions that compute with lists of numbers (docs/reference/sn28.md, section 1.4)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from snsim.language.builtins.arithmetic import finite, whole
from snsim.language.forms import Form, make_list
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
    """(sum list): the sum of the numbers; 0 for an empty list"""
    return finite("sum", float(sum(_numbers(interpreter, "sum", values))))


@function("mean", interpreter=True)
def mean(interpreter: Interpreter, values: Form) -> float:
    """(mean list): the mean of the numbers"""
    x = _numbers(interpreter, "mean", values, 1)
    return finite("mean", sum(x) / len(x))


@function("sdev", interpreter=True)
def sdev(interpreter: Interpreter, values: Form) -> float:
    """(sdev list): the population standard deviation of the n numbers: the variance is divided by n, not n - 1"""
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
    """(quantile list f): sorts the n numbers and returns the one at position floor(n f), counted from 0

    A position below 0 counts as 0, and one above n - 1 as n - 1. So f = 0 returns the smallest and f = 1 the largest.
    """
    x = sorted(_numbers(interpreter, "quantile", values, 1))
    if not isinstance(fraction, float) or not math.isfinite(fraction):
        raise CallError(
            f"quantile: {interpreter.describe(fraction)} is not a finite number",
            1,
            "write a number from 0 to 1, such as 0.5 for the median",
        )
    return x[min(max(math.floor(len(x) * fraction), 0), len(x) - 1)]


@function("median", interpreter=True)
def median(interpreter: Interpreter, values: Form) -> float:
    """(median list): the median of the numbers; of an even number of them, the lower of the two in the middle"""
    x = sorted(_numbers(interpreter, "median", values, 1))
    return x[(len(x) - 1) // 2]


@function("rank", interpreter=True)
def rank(interpreter: Interpreter, values: Form, x: Form, width: Form = 0.0) -> Form:
    """(rank list x [width]): a list of the positions of the numbers from x - width to x + width

    Positions count from 0. The default width is 0.
    """
    if not isinstance(x, float) or not isinstance(width, float):
        raise CallError("rank: expected a number", 1)
    numbers = _numbers(interpreter, "rank", values)
    positions = [float(i) for i, value in enumerate(numbers) if x - width <= value <= x + width]
    return interpreter.new_list(positions, "rank")


@function("sqr-dist", interpreter=True)
def sqr_dist(interpreter: Interpreter, a: Form, b: Form = ABSENT) -> float:
    """(sqr-dist a [b]): the sum of the squared differences of two lists; the sum of squares of one"""
    return finite("sqr-dist", float(sum((x - y) * (x - y) for x, y in _two(interpreter, "sqr-dist", a, b))))


@function("mean-sqr-dist", interpreter=True)
def mean_sqr_dist(interpreter: Interpreter, a: Form, b: Form) -> float:
    """(mean-sqr-dist a b): the mean of the squared differences of two lists"""
    pairs = _two(interpreter, "mean-sqr-dist", a, b)
    if not pairs:
        raise CallError("mean-sqr-dist: the lists are empty", None, "test the list first: (if a (mean-sqr-dist a b) 0)")
    return finite("mean-sqr-dist", sum((x - y) * (x - y) for x, y in pairs) / len(pairs))


@function("abs-dist", interpreter=True)
def abs_dist(interpreter: Interpreter, a: Form, b: Form = ABSENT) -> float:
    """(abs-dist a [b]): the sum of the absolute differences of two lists; the sum of absolute values of one"""
    return finite("abs-dist", float(sum(abs(x - y) for x, y in _two(interpreter, "abs-dist", a, b))))


@function("sup-dist", interpreter=True)
def sup_dist(interpreter: Interpreter, a: Form, b: Form = ABSENT) -> float:
    """(sup-dist a [b]): the largest absolute difference of two lists; the largest absolute value of one; 0 if empty"""
    return finite("sup-dist", max((abs(x - y) for x, y in _two(interpreter, "sup-dist", a, b)), default=0.0))


@function("hamming-dist", interpreter=True)
def hamming_dist(interpreter: Interpreter, *arguments: Form) -> float:
    """(hamming-dist [margin] a [b]): counts positions where |a - b|, or |a| for one list, is above margin, default 0"""
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
    """(quadrant-dist d y): counts the positions where d is not 0 and y does not have the sign of d"""
    pairs = _two(interpreter, "quadrant-dist", desired, actual)
    return float(sum((d > 0 and y <= 0) or (d < 0 and y >= 0) for d, y in pairs))


@function("add-lists", interpreter=True)
def add_lists(interpreter: Interpreter, a: Form, b: Form) -> Form:
    """(add-lists a b): a list of the sums of the elements of two lists of equal length"""
    return interpreter.new_list([x + y for x, y in _two(interpreter, "add-lists", a, b)], "add-lists")


@function("diff-lists", interpreter=True)
def diff_lists(interpreter: Interpreter, a: Form, b: Form) -> Form:
    """(diff-lists a b): a list of the differences a - b of the elements of two lists of equal length"""
    return interpreter.new_list([x - y for x, y in _two(interpreter, "diff-lists", a, b)], "diff-lists")


@function("ksmallest", interpreter=True)
def ksmallest(interpreter: Interpreter, values: Form, k: Form) -> float:
    """(ksmallest list k): the k-th smallest number; k = 1 is the smallest"""
    x, place = sorted(_numbers(interpreter, "ksmallest", values)), whole("ksmallest", k, 1)
    if not 1 <= place <= len(x):
        raise CallError(
            f"ksmallest: {place} is out of range: the list has {len(x)} numbers",
            1,
            f"write 1 for the smallest, {len(x)} for the largest" if x else "write a list that is not empty",
        )
    return x[place - 1]


@function("sort-index", interpreter=True)
def sort_index(interpreter: Interpreter, values: Form) -> Form:
    """(sort-index list): a list of the positions, from 0, of the numbers in ascending order of the numbers"""
    x = _numbers(interpreter, "sort-index", values)
    return interpreter.new_list(map(float, sorted(range(len(x)), key=x.__getitem__)), "sort-index")


def _covariance(name: str, x: list[float], y: list[float]) -> float:
    """Return the mean of the products less the product of the means."""
    n = len(x)
    return finite(name, sum(a * b for a, b in zip(x, y)) / n - (sum(x) / n) * (sum(y) / n))


def _two_lists(interpreter: Interpreter, name: str, a: Form, b: Form) -> tuple[list[float], list[float]]:
    """Return the numbers of two lists of one length that are not empty."""
    pairs = _two(interpreter, name, a, b)
    if not pairs:
        raise CallError(f"{name}: the lists are empty", None, f"test the list first: (if a ({name} a b) 0)")
    return [x for x, _ in pairs], [y for _, y in pairs]


@function("cov", interpreter=True)
def cov(interpreter: Interpreter, a: Form, b: Form) -> float:
    """(cov a b): the population covariance of two lists: mean of the products minus product of the means"""
    return _covariance("cov", *_two_lists(interpreter, "cov", a, b))


@function("regression", interpreter=True)
def regression(interpreter: Interpreter, xs: Form, ys: Form) -> Form:
    """(regression xs ys): fits a line by least squares; returns (slope intercept |correlation|)"""
    x, y = _two_lists(interpreter, "regression", xs, ys)
    across, down, both = (_covariance("regression", a, b) for a, b in ((x, x), (y, y), (x, y)))
    if across <= 0 or down <= 0:
        which = "xs" if across <= 0 else "ys"
        raise CallError(
            f"regression: the numbers of {which} are all equal",
            0 if across <= 0 else 1,
            "write numbers that differ: (cov x x) is 0 where they are equal",
        )
    slope = both / across
    return make_list([slope, (sum(y) - slope * sum(x)) / len(x), abs(both) / math.sqrt(across * down)])


alias("find-interval", "rank")
