"""Create, measure and copy matrices and arrays (docs/reference/sn28.md, section 1.6)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from snsim.language.builtins.arithmetic import whole
from snsim.language.builtins.indexing import put
from snsim.language.forms import NIL, Form, Pair, Symbol, as_matrix, make_list
from snsim.language.literals import MOST_DIMENSIONS
from snsim.language.printer import brief
from snsim.language.procedures import ABSENT, CallError, alias, conversion, function, special

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


def matrix(name: str, x: Form, argument: int | None = 0, objects: bool = False) -> np.ndarray:
    """Return x if it is a matrix (or, with `objects`, an array); raise CallError otherwise."""
    x = as_matrix(x)
    if isinstance(x, np.ndarray) and (objects or x.dtype != object):
        return x
    raise CallError(
        f"{name}: {brief(x)} is not a matrix{' of numbers' if isinstance(x, np.ndarray) else ''}",
        argument,
        "copy it: (copy-matrix a (matrix n m))" if isinstance(x, np.ndarray) else conversion(x, "matrix"),
    )


def _new(interpreter: Interpreter, name: str, sizes: tuple[Form, ...], kind: type[Any]) -> np.ndarray:
    shape = [whole(name, size, i) for i, size in enumerate(sizes)]
    for i, size in enumerate(shape):
        if size < 1:
            raise CallError(
                f"{name}: a dimension needs at least one element, {size} given", i, "write a size of 1 or more"
            )
    if len(shape) > MOST_DIMENSIONS:
        raise CallError(
            f"{name}: a matrix has at most {MOST_DIMENSIONS} dimensions",
            MOST_DIMENSIONS,
            f"write {MOST_DIMENSIONS} sizes or fewer: combine two of them into their product",
        )
    interpreter.budget.check_matrix(math.prod(shape), name)
    return np.full(shape, NIL, object) if kind is object else np.zeros(shape, kind)


@function("matrix", interpreter=True, makes=True)
def matrix_(interpreter: Interpreter, *sizes: Form) -> np.ndarray:
    """(matrix n m...): returns an n x m x ... matrix of zeros in double precision"""
    return _new(interpreter, "matrix", sizes, np.float64)


@function("float-matrix", interpreter=True, makes=True)
def float_matrix(interpreter: Interpreter, *sizes: Form) -> np.ndarray:
    """(float-matrix n m...): returns an n x m x ... matrix of zeros in single precision"""
    return _new(interpreter, "float-matrix", sizes, np.float32)


@function("int-matrix", interpreter=True, makes=True)
def int_matrix(interpreter: Interpreter, *sizes: Form) -> np.ndarray:
    """(int-matrix n m...): returns an n x m x ... matrix of zeros, 32-bit whole numbers"""
    return _new(interpreter, "int-matrix", sizes, np.int32)


@function("array", interpreter=True, makes=True)
def array(interpreter: Interpreter, *sizes: Form) -> np.ndarray:
    """(array n m...): returns an n x m x ... array, whose elements can be any values and are () at first"""
    return _new(interpreter, "array", sizes, object)


@special("dim")
def dim(interpreter: Interpreter, form: Pair) -> Form:
    """(dim variable n m...): sets a global variable to a new n x m x ... matrix of zeros in single precision"""
    cell = form.cdr
    if not isinstance(cell, Pair) or not isinstance(cell.car, Symbol):
        raise CallError("dim: expected a name", 0, "write (dim variable n m...)")
    value = _new(interpreter, "dim", tuple(interpreter.arguments(cell)), np.float32)
    interpreter.budget.make(value, "dim")
    interpreter.assign_global(cell.car, value)
    return value


@function("matrixp")
def matrixp(x: Form) -> Form:
    """(matrixp x): x if it is a matrix of numbers, else ()"""
    return x if isinstance(x, np.ndarray) and x.dtype != object else NIL


@function("bound")
def bound(m: Form, k: Form = ABSENT) -> Form:
    """(bound m): a list of the sizes; (bound m 0): the number of dimensions; (bound m k): the last index of dimension k

    Dimensions count from 1, indices from 0.
    """
    a = matrix("bound", m, objects=True)
    if k is ABSENT:
        return make_list([float(size) for size in a.shape])
    i = whole("bound", k, 1)
    if not 0 <= i <= a.ndim:
        raise CallError(
            f"bound: the matrix has {a.ndim} dimensions, not {i}",
            1,
            f"write 1 to {a.ndim}, or 0 for the number of dimensions" if a.ndim else "write (bound m 0)",
        )
    return float(a.ndim if i == 0 else a.shape[i - 1] - 1)


@function("copy-matrix", interpreter=True, makes=True)
def copy_matrix(interpreter: Interpreter, a: Form, b: Form = ABSENT) -> np.ndarray:
    """(copy-matrix a [b]): returns a copy of a; with b, copies the elements of a to b in row order and returns b"""
    source = matrix("copy-matrix", a, objects=True)
    if b is ABSENT:
        return source.copy()
    target = matrix("copy-matrix", b, 1, objects=True)
    if source.size != target.size:
        raise CallError(
            f"copy-matrix: {source.size} elements do not fill {target.size}",
            1,
            f"leave the second matrix out, or create it with ({' '.join(['matrix', *map(str, source.shape)])})",
        )
    interpreter.budget.compute(source.size)
    put(target, source.reshape(target.shape))
    return target


alias("double-array", "matrix")
alias("atom-array", "array")
alias("numericp", "matrixp")
alias("copy-array", "copy-matrix")
alias("array-copy", "copy-matrix")
alias("copy-any-matrix", "copy-matrix")
