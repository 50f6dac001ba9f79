"""Define views: parts of matrices and arrays that share their storage. Dimensions count from 0.

See docs/reference/sn28.md, section 1.6.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import number, whole
from snsim.language.builtins.indexing import selection
from snsim.language.builtins.matrices import matrix
from snsim.language.forms import Form
from snsim.language.literals import MOST_DIMENSIONS
from snsim.language.procedures import CallError, function

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


@function("submatrix", interpreter=True)
def submatrix(interpreter: Interpreter, m: Form, *ranges: Form) -> np.ndarray:
    """(submatrix m r...): a part of m, with one r per dimension: a range (a b), both included, an index, or () for all

    The part shares its elements with m. Indices count from 0. An index drops its dimension.
    """
    a = matrix("submatrix", m, objects=True)
    if len(ranges) != a.ndim:
        raise CallError(
            f"submatrix: the matrix has {a.ndim} dimensions, {len(ranges)} ranges given",
            None,
            f"write (submatrix m{' ()' * a.ndim}), with '(a b) or i in place of a ()",
        )
    selected = [selection(interpreter, r, size, i) for i, (r, size) in enumerate(zip(ranges, a.shape), 1)]
    for i, part in enumerate(selected, 1):
        if isinstance(part, slice) and part.start >= part.stop:
            raise CallError(
                f"submatrix: the range {interpreter.describe(ranges[i - 1])} is empty",
                i,
                "write the first index and then the last, which must not be less: '(0 4) is 5 indices",
            )
    return a[(*selected, ...)]


def _dimension(name: str, a: np.ndarray, k: Form, argument: int) -> int:
    i = whole(name, k, argument)
    if not 0 <= i < a.ndim:
        raise CallError(
            f"{name}: the matrix has dimensions 0 to {a.ndim - 1}, not {i}",
            argument,
            f"write {a.ndim - 1} for the last dimension" if a.ndim else "write (m) for its one element",
        )
    return i


@function("select", interpreter=True)
def select(interpreter: Interpreter, m: Form, dimension: Form, i: Form) -> np.ndarray:
    """(select m d i): the part of m at index i of dimension d, both from 0; it shares its elements with m"""
    a = matrix("select", m, objects=True)
    axis = _dimension("select", a, dimension, 1)
    position = selection(interpreter, number("select", i, 2), a.shape[axis], 2)
    return a[tuple([position if k == axis else slice(None) for k in range(a.ndim)] + [...])]


@function("narrow")
def narrow(m: Form, dimension: Form, size: Form, offset: Form = 0.0) -> np.ndarray:
    """(narrow m d n [k]): the n indices k to k + n - 1 of dimension d, from 0; k is 0 by default

    The result shares its elements with m.
    """
    a = matrix("narrow", m, objects=True)
    axis, n, first = _dimension("narrow", a, dimension, 1), whole("narrow", size, 2), whole("narrow", offset, 3)
    if n < 1 or first < 0 or first + n > a.shape[axis]:
        raise CallError(
            f"narrow: {n} indices from {first} are not within 0 to {a.shape[axis] - 1}",
            2,
            f"write 1 to {a.shape[axis] - first} indices from {first}"
            if 0 <= first < a.shape[axis]
            else f"write a first index from 0 to {a.shape[axis] - 1} after the number of indices",
        )
    return a[tuple([slice(first, first + n) if k == axis else slice(None) for k in range(a.ndim)])]


@function("transpose")
def transpose(m: Form) -> np.ndarray:
    """(transpose m): m with its dimensions in reverse order, a vector as a matrix of one row; it shares its elements"""
    a = matrix("transpose", m, objects=True)
    return a[np.newaxis, :] if a.ndim == 1 else a.T


@function("redim", interpreter=True)
def redim(interpreter: Interpreter, m: Form, *sizes: Form) -> np.ndarray:
    """(redim m n...): a matrix of n x ... with the elements of m in row order

    It shares its elements with m if m is stored in row order; otherwise they are copied.
    """
    a = matrix("redim", m, objects=True)
    shape = [whole("redim", size, i + 1) for i, size in enumerate(sizes)]
    if any(size < 1 for size in shape) or math.prod(shape) != a.size or len(shape) > MOST_DIMENSIONS:
        raise CallError(
            f"redim: {a.size} elements do not fill {' x '.join(map(str, shape)) or 'nothing'}",
            None,
            f"write at most {MOST_DIMENSIONS} sizes whose product is {a.size}, such as (redim m {a.size})",
        )
    if not a.flags.c_contiguous:
        interpreter.budget.make_matrix(a.size, "redim")  # NumPy may have to copy it
    return a.reshape(shape)


@function("unfold", interpreter=True)
def unfold(interpreter: Interpreter, m: Form, dimension: Form, size: Form, step: Form) -> np.ndarray:
    """(unfold m d n s): the windows of n indices with step s along dimension d of m; they share its elements

    The windows count along dimension d. A new last dimension of size n has the elements of a window.
    """
    a = matrix("unfold", m, objects=True)
    axis, n, by = _dimension("unfold", a, dimension, 1), whole("unfold", size, 2), whole("unfold", step, 3)
    if not 1 <= n <= a.shape[axis] or by < 1 or a.ndim >= MOST_DIMENSIONS:
        raise CallError(
            f"unfold: windows of {n} with step {by} do not fit in {a.shape[axis]} indices",
            2,
            f"write a window of 1 to {a.shape[axis]} and a step of 1 or more",
        )
    interpreter.budget.check_matrix(a.size // a.shape[axis] * ((a.shape[axis] - n) // by + 1) * n, "unfold")
    windows = np.lib.stride_tricks.sliding_window_view(a, n, axis=axis, writeable=True)
    return windows[tuple([slice(None, None, by) if k == axis else slice(None) for k in range(a.ndim)])]
