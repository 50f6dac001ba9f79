"""Define functions of the elements of matrices (docs/reference/sn28.md, section 1.11), from the older Lisp of SN.

The optional last argument receives the result. A result of its own has the type of the first matrix, but double
precision in place of whole numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from snsim.language.builtins.arithmetic import finite, number
from snsim.language.builtins.indexing import put
from snsim.language.builtins.matrices import matrix
from snsim.language.builtins.matrix_arithmetic import check_equal_shapes
from snsim.language.forms import Form
from snsim.language.procedures import ABSENT, CORE, CallError, Primitive, function

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


def _doubles(interpreter: Interpreter, name: str, x: Form, argument: int = 0) -> np.ndarray:
    """Return a copy of a matrix in double precision."""
    m = matrix(name, x, argument)
    interpreter.budget.compute(m.size)
    return m.astype(np.float64)


def _store(name: str, values: np.ndarray, like: Form, target: Form, argument: int) -> np.ndarray:
    """Return the values in the target matrix, or in a new one of the type of `like`."""
    if not np.isfinite(values).all():
        raise CallError(
            f"{name}: undefined or too large for some elements",
            None,
            "(inf-mat m) and (sup-mat m) are the smallest and the largest element",
        )
    if target is ABSENT:
        result = np.empty(values.shape, np.float32 if like.dtype == np.float32 else np.float64)
    else:
        result = matrix(name, target, argument)
        check_equal_shapes(name, values, result, argument)
    put(result, values)
    return result


def _add_functions_of_elements() -> None:
    functions: dict[str, tuple[Callable[..., Any], str]] = {
        "msqrt": (np.sqrt, "square roots"),
        "mexp": (np.exp, "powers of e"),
        "mlog": (np.log, "natural logarithms"),
        "msin": (np.sin, "sines"),
        "mcos": (np.cos, "cosines"),
        "mtan": (np.tan, "tangents"),
        "masin": (np.arcsin, "arc sines"),
        "macos": (np.arccos, "arc cosines"),
        "matan": (np.arctan, "arc tangents"),
        "msinh": (np.sinh, "hyperbolic sines"),
        "mcosh": (np.cosh, "hyperbolic cosines"),
        "mtanh": (np.tanh, "hyperbolic tangents"),
    }
    for name, (compute, what) in functions.items():

        def call(
            interpreter: Interpreter,
            m: Form,
            target: Form = ABSENT,
            name: str = name,
            compute: Callable[..., Any] = compute,
        ) -> np.ndarray:
            values = _doubles(interpreter, name, m)
            with np.errstate(all="ignore"):
                return _store(name, np.asarray(compute(values)), m, target, 1)

        CORE.add(
            name,
            Primitive(name, call, 1, 2, True, makes=True),
            f"({name} m [result]): the {what} of the elements of m, stored in result or a new matrix",
        )


_add_functions_of_elements()


@function("m**m", interpreter=True, makes=True)
def powers(interpreter: Interpreter, a: Form, b: Form, target: Form = ABSENT) -> np.ndarray:
    """(m**m a b [result]): each element of a to the power of that of b, stored in result or a new matrix"""
    bases, exponents = _doubles(interpreter, "m**m", a), _doubles(interpreter, "m**m", b, 1)
    check_equal_shapes("m**m", bases, exponents, 1)
    with np.errstate(all="ignore"):
        return _store("m**m", np.asarray(bases**exponents), a, target, 2)


@function("mapply", interpreter=True, makes=True)
def mapply(interpreter: Interpreter, m: Form, f: Form, target: Form = ABSENT) -> np.ndarray:
    """(mapply m f [result]): the value (f x) of each element x of m, stored in result or a new matrix"""
    values = _doubles(interpreter, "mapply", m)
    results = np.empty(values.size)
    for i, x in enumerate(values.ravel().tolist()):
        results[i] = number("mapply", interpreter.apply(f, [x]), None)
    return _store("mapply", results.reshape(values.shape), m, target, 2)


@function("mreplace", interpreter=True, makes=True)
def mreplace(interpreter: Interpreter, m: Form, y: Form, z: Form, target: Form = ABSENT) -> np.ndarray:
    """(mreplace m y z [result]): the elements of m, with z for each one equal to y, stored in result or a new matrix"""
    values, old, new = _doubles(interpreter, "mreplace", m), number("mreplace", y, 1), number("mreplace", z, 2)
    return _store("mreplace", np.where(values == old, new, values), m, target, 3)


@function("am+bm", interpreter=True, makes=True)
def weighted_sum(interpreter: Interpreter, a: Form, m: Form, b: Form, n: Form, target: Form = ABSENT) -> np.ndarray:
    """(am+bm a m b n [result]): a times each element of m plus b times that of n, stored in result or a new matrix"""
    x, y = _doubles(interpreter, "am+bm", m, 1), _doubles(interpreter, "am+bm", n, 3)
    check_equal_shapes("am+bm", x, y, 3)
    with np.errstate(all="ignore"):
        return _store("am+bm", np.asarray(number("am+bm", a) * x + number("am+bm", b, 2) * y), m, target, 4)


@function("m*d", interpreter=True, makes=True)
def scaled_columns(interpreter: Interpreter, m: Form, v: Form, target: Form = ABSENT) -> np.ndarray:
    """(m*d m v [result]): column j of m times element j of the vector v, stored in result or a new matrix"""
    x, factors = _doubles(interpreter, "m*d", m), _doubles(interpreter, "m*d", v, 1)
    if not x.ndim or factors.ndim != 1 or factors.size != x.shape[-1]:
        raise CallError(
            f"m*d: the shapes {' x '.join(map(str, x.shape)) or 1} and {' x '.join(map(str, factors.shape)) or 1} "
            "do not match",
            1,
            "write a matrix of one dimension with one element for each column",
        )
    with np.errstate(all="ignore"):
        return _store("m*d", np.asarray(x * factors), m, target, 2)


@function("trace", interpreter=True)
def trace(interpreter: Interpreter, m: Form) -> float:
    """(trace m): the sum of the diagonal elements of a square matrix"""
    values = _doubles(interpreter, "trace", m)
    if values.ndim != 2 or values.shape[0] != values.shape[1]:
        raise CallError(
            f"trace: expected a square matrix, this one has the shape {' x '.join(map(str, values.shape)) or 1}",
            0,
            "cut out a square: (submatrix m '(0 1) '(0 1))",
        )
    with np.errstate(all="ignore"):
        return finite("trace", float(np.trace(values)))


@function("msort", interpreter=True)
def msort(interpreter: Interpreter, m: Form) -> np.ndarray:
    """(msort m): sorts all elements of m in ascending order, in row order, in the matrix itself; returns m"""
    target = matrix("msort", m)
    interpreter.budget.compute(20 * target.size)
    target[...] = np.sort(target, axis=None).reshape(target.shape)
    return target


@function("mset", interpreter=True, makes=True)
def mset(interpreter: Interpreter, selector: Form, m: Form, target: Form = ABSENT) -> np.ndarray:
    """(mset s m [result]): copies the elements of m where s is not 0 into result, or a new matrix of zeros"""
    chosen, values = _doubles(interpreter, "mset", selector), _doubles(interpreter, "mset", m, 1)
    check_equal_shapes("mset", chosen, values, 1)
    if target is ABSENT:
        return _store("mset", np.where(chosen, values, 0.0), m, ABSENT, 2)
    kept = _doubles(interpreter, "mset", target, 2)
    check_equal_shapes("mset", values, kept, 2)
    return _store("mset", np.where(chosen, values, kept), m, target, 2)
