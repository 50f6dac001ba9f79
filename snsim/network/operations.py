"""The operations of expressions in NumPy.

Numbers give a Python float, and arrays of one floating type give an array of that type: nothing widens a float32
array. Overflow and division by 0 give inf and nan; callers silence NumPy's warnings with `np.errstate`.

`exp` saturates near the largest number of its type instead of becoming infinite, so quotients of it stay finite.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

# By name of the floating type: the largest argument of exp, whose result is just below the largest number of the type.
LARGEST_EXPONENT: Mapping[str, float] = {"float16": 11.0, "bfloat16": 88.0, "float32": 88.0, "float64": 709.0}


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function return a Python float for Python floats: a NumPy float64 would widen a float32 array later."""

    def call(*args: Any) -> Any:
        result = function(*args)
        return result if isinstance(result, np.ndarray) else float(result)

    return call


def _truth(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a comparison return 1 and 0 in the type of its arguments."""

    def call(*args: Any) -> Any:
        result = function(*args)
        return result.astype(np.result_type(*args)) if isinstance(result, np.ndarray) else float(result)

    return call


def _where(condition: Any, a: Any, b: Any) -> Any:
    if not isinstance(condition, np.ndarray):
        return a if condition != 0 else b
    result = np.where(condition != 0, a, b)
    both_plain = not isinstance(a, np.ndarray) and not isinstance(b, np.ndarray)
    return result.astype(condition.dtype, copy=False) if both_plain else result


def _exp(a: Any) -> Any:
    dtype = a.dtype if isinstance(a, np.ndarray) else np.dtype(float)
    return np.exp(np.minimum(a, LARGEST_EXPONENT[dtype.name]))


def _raise(a: Any, b: Any) -> Any:
    return np.multiply(a, a) if isinstance(b, float) and b == 2.0 else np.power(a, b)


NUMPY: Mapping[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "negate": operator.neg,
    "*": operator.mul,
    "/": _plain(np.divide),
    "**": _plain(_raise),
    "sqrt": _plain(np.sqrt),
    "exp": _plain(_exp),
    "log": _plain(np.log),
    "tanh": _plain(np.tanh),
    "abs": _plain(np.abs),
    "sgn": _plain(np.sign),
    "min": _plain(np.minimum),
    "max": _plain(np.maximum),
    "if": _where,
    "<": _truth(np.less),
    "<=": _truth(np.less_equal),
    ">": _truth(np.greater),
    ">=": _truth(np.greater_equal),
    "=": _truth(np.equal),
    "and": _truth(np.logical_and),
    "or": _truth(np.logical_or),
    "not": _truth(np.logical_not),
}
