"""Define arithmetic on matrices (docs/reference/sn28.md, section 1.6).

SN's own operations compute in the type of their arguments. The optional last argument of `m+m` and similar words
receives the result. Without it the result is a new matrix in single precision, that of `m*m` in double precision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import finite, number
from snsim.language.builtins.indexing import put
from snsim.language.builtins.matrices import matrix
from snsim.language.forms import Form
from snsim.language.procedures import ABSENT, CORE, CallError, Primitive, function

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

Arithmetic = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _result(
    interpreter: Interpreter,
    name: str,
    operation: Arithmetic,
    a: np.ndarray,
    b: np.ndarray,
    target: Form,
    kind: type[np.floating] = np.float32,
) -> np.ndarray:
    """Return operation(a, b), stored in the target if there is one, else in a matrix of this kind of numbers."""
    interpreter.budget.compute(a.size)
    whole_numbers = np.issubdtype(a.dtype, np.integer)
    with np.errstate(all="ignore"):
        result = operation(a.astype(np.float64) if whole_numbers else a, b.astype(np.float64) if whole_numbers else b)
        if target is ABSENT:
            result = result.astype(kind)
    if not np.isfinite(result).all() and np.isfinite(a).all() and np.isfinite(b).all():
        division = operation is np.divide and not b.all()
        raise CallError(
            f"{name}: division by zero" if division else f"{name}: the result is too large",
            None,
            "add a small number to the divisor first: (m+c b 1e-6)"
            if division
            else f"divide the elements first: the largest number in single precision is {np.finfo(np.float32).max:.3g}",
        )
    if target is ABSENT:
        return result
    destination = matrix(name, target, 2)
    check_equal_shapes(name, result, destination, 2)
    put(destination, result)
    return destination


def check_equal_shapes(name: str, a: np.ndarray, b: np.ndarray, argument: int) -> None:
    """Raise CallError if two matrices differ in shape."""
    if a.shape != b.shape:
        raise CallError(
            f"{name}: the shapes differ: {_sizes(a)} and {_sizes(b)}",
            argument,
            f"pass a matrix of {_sizes(a)} elements, created with ({' '.join(['matrix', *map(str, a.shape)])})",
        )


def _check_equal_types(name: str, a: np.ndarray, b: np.ndarray) -> None:
    if a.dtype != b.dtype:
        raise CallError(
            f"{name}: Input idxs must be of the same type: one matrix is of {a.dtype} numbers, the other of {b.dtype}",
            1,
            "copy one: (copy-matrix a (matrix n)) makes doubles, (copy-matrix a (float-matrix n)) floats",
        )


def _sizes(a: np.ndarray) -> str:
    return " x ".join(str(size) for size in a.shape) or "1"


def _add_elementwise() -> None:
    operations: dict[str, tuple[Arithmetic, str]] = {
        "m+m": (np.add, "sums"),
        "m-m": (np.subtract, "differences"),
        "mxm": (np.multiply, "products"),
        "m/m": (np.divide, "quotients"),
    }
    for name, (operation, what) in operations.items():

        def call(
            interpreter: Interpreter,
            a: Form,
            b: Form,
            target: Form = ABSENT,
            name: str = name,
            operation: Arithmetic = operation,
        ) -> np.ndarray:
            x, y = matrix(name, a), matrix(name, b, 1)
            _check_equal_types(name, x, y)
            check_equal_shapes(name, x, y, 1)
            return _result(interpreter, name, operation, x, y, target)

        CORE.add(
            name,
            Primitive(name, call, 2, 3, True, makes=True),
            f"({name} a b [c]): the {what} of the elements of a and b, stored in c or a new matrix",
        )
    for name, operation, what in (("m+c", np.add, "x + each element"), ("m*c", np.multiply, "x times each element")):

        def call_with_number(
            interpreter: Interpreter,
            a: Form,
            x: Form,
            target: Form = ABSENT,
            name: str = name,
            operation: Arithmetic = operation,
        ) -> np.ndarray:
            elements = matrix(name, a)
            if elements.dtype != np.float64:
                raise CallError(
                    f"{name}: expected a matrix of doubles, as [1 2] and (matrix n) make it",
                    0,
                    "copy it: (copy-matrix m (matrix n))",
                )
            return _result(interpreter, name, operation, elements, np.array(number(name, x, 1)), target)

        doc = f"({name} a x [c]): {what} of a, stored in c or a new matrix"
        CORE.add(name, Primitive(name, call_with_number, 2, 3, True, makes=True), doc)


_add_elementwise()


@function("m*m", interpreter=True, makes=True)
def matrix_product(interpreter: Interpreter, a: Form, b: Form, target: Form = ABSENT) -> np.ndarray:
    """(m*m a b [c]): the matrix product of a (n x k) and b (k x m), stored in c if given; a vector b gives a vector"""
    x, y = _as_two_dimensions("m*m", a, 0), _as_two_dimensions("m*m", b, 1)
    _check_equal_types("m*m", x, y)
    is_vector = isinstance(b, np.ndarray) and b.ndim == 1
    if x.shape[1] != y.shape[0]:
        raise CallError(
            f"m*m: the shapes {_sizes(x)} and {_sizes(y)} do not match",
            1,
            f"pass a second matrix of {x.shape[1]} rows; (transpose m) turns one of {x.shape[1]} columns",
        )
    interpreter.budget.check_matrix(x.shape[0] * y.shape[1], "m*m")
    interpreter.budget.compute(x.size * y.shape[1])

    def product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        result: np.ndarray = left @ right
        return result[:, 0].copy() if is_vector else result

    return _result(interpreter, "m*m", product, x, y, target, np.float64)


def _as_two_dimensions(name: str, x: Form, argument: int) -> np.ndarray:
    a = matrix(name, x, argument)
    if not 1 <= a.ndim <= 2:
        raise CallError(
            f"{name}: expected a matrix of one or two dimensions, this one has {a.ndim}",
            argument,
            "cut out a part of two dimensions with (select m d i), or write (redim m rows columns)",
        )
    return a[:, np.newaxis] if a.ndim == 1 else a


def _add_measures() -> None:
    measures: dict[str, tuple[Callable[[np.ndarray], np.number], str]] = {
        "mean-mat": (np.mean, "the mean of all elements"),
        "sdev-mat": (np.var, "the variance of all elements (not its square root, despite the name)"),
        "sup-mat": (np.max, "the largest element"),
        "inf-mat": (np.min, "the smallest element"),
    }
    for name, (measure, what) in measures.items():

        def call(
            interpreter: Interpreter, a: Form, name: str = name, measure: Callable[[np.ndarray], np.number] = measure
        ) -> float:
            x = matrix(name, a)
            interpreter.budget.compute(x.size)
            with np.errstate(all="ignore"):
                return finite(name, float(measure(x.astype(np.float64))))

        CORE.add(name, Primitive(name, call, 1, 1, True), f"({name} a): {what}")


_add_measures()


def _sum_of_products(interpreter: Interpreter, name: str, a: Form, b: Form) -> float:
    x, y = matrix(name, a), matrix(name, b, 1)
    check_equal_shapes(name, x, y, 1)
    interpreter.budget.compute(x.size)
    with np.errstate(all="ignore"):
        return finite(name, float(np.sum(x.astype(np.float64) * y.astype(np.float64))))


def _single_value(name: str, value: float, kind: np.dtype, target: Form, argument: int) -> np.ndarray:
    """Return a value in a matrix without dimensions: the target, or a new one."""
    destination = np.zeros((), kind) if target is ABSENT else matrix(name, target, argument)
    if destination.ndim:
        raise CallError(f"{name}: the result needs a matrix without dimensions", argument, "create it with (matrix)")
    put(destination, np.array(value))
    return destination


@function("dot-product", interpreter=True)
def dot_product(interpreter: Interpreter, a: Form, b: Form) -> float:
    """(dot-product a b): the sum of the products of the elements of two vectors"""
    for i, x in enumerate((a, b)):
        if matrix("dot-product", x, i).squeeze().ndim > 1:
            raise CallError(
                "dot-product: expected a matrix of one dimension",
                i,
                f"write (redim m {np.size(x)}) to use all its elements in one dimension",
            )
    return _sum_of_products(interpreter, "dot-product", a, b)


@function("idx-dot", interpreter=True, makes=True)
def idx_dot(interpreter: Interpreter, a: Form, b: Form, target: Form = ABSENT) -> np.ndarray:
    """(idx-dot a b [c]): the sum of the products of the elements of two matrices, as a matrix without dimensions

    It is stored in c if that is given.
    """
    value = _sum_of_products(interpreter, "idx-dot", a, b)
    return _single_value("idx-dot", value, matrix("idx-dot", a).dtype, target, 2)


@function("idx-sum", interpreter=True, makes=True)
def idx_sum(interpreter: Interpreter, a: Form, target: Form = ABSENT) -> np.ndarray:
    """(idx-sum a [c]): the sum of all elements, as a matrix without dimensions

    It is stored in c if that is given.
    """
    x = matrix("idx-sum", a)
    interpreter.budget.compute(x.size)
    with np.errstate(all="ignore"):
        return _single_value("idx-sum", finite("idx-sum", float(np.sum(x, dtype=np.float64))), x.dtype, target, 1)


def _scaled(interpreter: Interpreter, name: str, a: Form, c: Form, b: Form, add: bool) -> np.ndarray:
    x, factor, destination = matrix(name, a), number(name, c, 1), matrix(name, b, 2)
    check_equal_shapes(name, x, destination, 2)
    interpreter.budget.compute(x.size)
    with np.errstate(all="ignore"):
        put(destination, factor * x.astype(np.float64) + (destination if add else 0.0))
    return destination


@function("idx-f1dotc", interpreter=True)
def idx_f1dotc(interpreter: Interpreter, a: Form, c: Form, b: Form) -> np.ndarray:
    """(idx-f1dotc a c b): sets each element of b to c times that of a; returns b"""
    return _scaled(interpreter, "idx-f1dotc", a, c, b, False)


@function("idx-f1dotcacc", interpreter=True)
def idx_f1dotcacc(interpreter: Interpreter, a: Form, c: Form, b: Form) -> np.ndarray:
    """(idx-f1dotcacc a c b): adds c times each element of a to that of b; returns b"""
    return _scaled(interpreter, "idx-f1dotcacc", a, c, b, True)
