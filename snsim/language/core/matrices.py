"""Matrices: made, indexed, cut and combined (sn28 section 1.6)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.core.numbers import number, whole
from snsim.language.forms import NIL, Form, Pair, Symbol, make_list
from snsim.language.functions import Misuse, function, special
from snsim.language.limits import exceeded
from snsim.language.literals import MOST_DIMENSIONS
from snsim.language.printer import show

if TYPE_CHECKING:
    from snsim.language.evaluator import Interpreter


def matrix(name: str, x: Form, argument: int | None = 0) -> np.ndarray:
    """x if it is a matrix, else Misuse."""
    if isinstance(x, np.ndarray):
        return x
    raise Misuse(f"{name}: {show(x, 20)} is no matrix", argument)


def _new(interpreter: Interpreter, name: str, sizes: tuple[Form, ...], kind: type[np.generic]) -> np.ndarray:
    shape = [whole(name, size, i) for i, size in enumerate(sizes)]
    for i, size in enumerate(shape):
        if size < 1:
            raise Misuse(f"{name}: a dimension has at least one element, {size} given", i)
    if len(shape) > MOST_DIMENSIONS:
        raise Misuse(f"{name}: a matrix has at most {MOST_DIMENSIONS} dimensions")
    limit = interpreter.limits.matrix_elements
    if math.prod(shape) > limit:
        raise exceeded(f"{name}: the matrix would have {math.prod(shape):.4g} elements", limit, interpreter.place())
    return np.zeros(shape, kind)


@function("matrix", interpreter=True)
def matrix_(interpreter: Interpreter, *sizes: Form) -> np.ndarray:
    """(matrix n m...): a matrix of zeros"""
    return _new(interpreter, "matrix", sizes, np.float64)


@function("float-matrix", interpreter=True)
def float_matrix(interpreter: Interpreter, *sizes: Form) -> np.ndarray:
    """(float-matrix n m...): a matrix of zeros in single precision"""
    return _new(interpreter, "float-matrix", sizes, np.float32)


@function("int-matrix", interpreter=True)
def int_matrix(interpreter: Interpreter, *sizes: Form) -> np.ndarray:
    """(int-matrix n m...): a matrix of zeros that holds whole numbers"""
    return _new(interpreter, "int-matrix", sizes, np.int32)


@special("dim")
def dim(interpreter: Interpreter, form: Pair) -> Form:
    """(dim variable n m...): sets a variable to a new matrix of zeros in single precision"""
    cell = form.cdr
    if not isinstance(cell, Pair) or not isinstance(cell.car, Symbol):
        raise Misuse("dim: a name is wanted", 0, "write (dim variable n m...)")
    sizes = tuple(interpreter.arguments(cell))
    value = _new(interpreter, "dim", sizes, np.float32)
    interpreter.assign_global(cell.car, value)
    return value


def _selection(interpreter: Interpreter, given: Form, size: int, position: int) -> int | slice:
    """An index: a number, () for all, or (a b) for a to b, both included."""
    if given is NIL:
        return slice(0, size)
    ends = interpreter.elements(given, "index") if isinstance(given, Pair) else [given]
    if len(ends) > 2 or not all(isinstance(end, float) for end in ends):
        raise Misuse(f"an index of a matrix is a number, () or (a b), not {interpreter.describe(given)}", position)
    indices = [whole("index", end, position) for end in ends]
    for i in indices:
        if not 0 <= i < size:
            raise Misuse(f"the index {i} lies outside of 0 to {size - 1}", position)
    return indices[0] if isinstance(given, float) else slice(indices[0], indices[-1] + 1)


def index_matrix(interpreter: Interpreter, m: np.ndarray, arguments: list[Form]) -> Form:
    """(m i j): an element, or nested lists for () and (a b); (m i j x): sets, and gives the matrix."""
    if len(arguments) not in (m.ndim, m.ndim + 1):
        raise Misuse(f"a matrix of {m.ndim} dimensions takes {m.ndim} indices, or a value behind them; "
                     f"{len(arguments)} arguments given")
    selected = tuple([_selection(interpreter, arguments[i], size, i) for i, size in enumerate(m.shape)])
    if len(arguments) == m.ndim:
        part = m[selected]
        return _as_lists(interpreter, part) if isinstance(part, np.ndarray) and part.ndim else _element(part)
    _fill(interpreter, m, selected, arguments[-1])
    return m


def _element(x: object) -> Form:
    return float(x)  # type: ignore[arg-type]


def _as_lists(interpreter: Interpreter, part: np.ndarray) -> Form:
    if part.size > interpreter.limits.list_length:
        raise exceeded("the list is too long", interpreter.limits.list_length, interpreter.place())
    if part.ndim == 1:
        return make_list([float(x) for x in part])
    return make_list([_as_lists(interpreter, row) for row in part])


def _fill(interpreter: Interpreter, m: np.ndarray, selected: tuple[int | slice, ...], value: Form) -> None:
    """Set elements to one number, or to the numbers of lists in row order."""
    target = m[selected]
    shape = np.shape(target)
    if isinstance(value, np.ndarray):
        numbers = [float(x) for x in value.ravel()]
    elif isinstance(value, Pair):
        numbers = _flat_numbers(interpreter, value)
    else:
        numbers = [number("a matrix", value, None)] * math.prod(shape)
    if len(numbers) != math.prod(shape):
        raise Misuse(f"{len(numbers)} numbers are given for {math.prod(shape)} elements")
    _check_kind(m, numbers)
    m[selected] = np.array(numbers).reshape(shape)


def _check_kind(m: np.ndarray, numbers: list[float]) -> None:
    """Whole numbers of the right size, for a matrix of whole numbers; they are truncated as in SN."""
    if np.issubdtype(m.dtype, np.integer):
        bounds = np.iinfo(m.dtype)
        for x in numbers:
            if not bounds.min <= x <= bounds.max:
                raise Misuse(f"{x:g} does not fit in a matrix of numbers from {bounds.min} to {bounds.max}")


def _flat_numbers(interpreter: Interpreter, value: Form) -> list[float]:
    numbers: list[float] = []
    work = [value]
    steps = 0
    while work:
        item = work.pop()
        if isinstance(item, Pair):
            work += [item.cdr, item.car]
        elif item is not NIL:
            numbers.append(number("a matrix", item, None))
        steps += 1
        if steps > 4 * interpreter.limits.list_length:
            raise exceeded("the list is too long", interpreter.limits.list_length, interpreter.place())
    return numbers


@function("bound")
def bound(m: Form, k: Form = NIL) -> Form:
    """(bound m): the sizes; (bound m 0): how many dimensions; (bound m k): the last index of dimension k, from 1"""
    a = matrix("bound", m)
    if k is NIL:
        return make_list([float(size) for size in a.shape])
    i = whole("bound", k, 1)
    if not 0 <= i <= a.ndim:
        raise Misuse(f"bound: the matrix has {a.ndim} dimensions, not {i}", 1)
    return float(a.ndim if i == 0 else a.shape[i - 1] - 1)


@function("submatrix", interpreter=True)
def submatrix(interpreter: Interpreter, m: Form, *ranges: Form) -> np.ndarray:
    """(submatrix m r...): the part of a matrix in these ranges, (a b), () or i for each dimension; storage shared"""
    a = matrix("submatrix", m)
    if len(ranges) != a.ndim:
        raise Misuse(f"submatrix: the matrix has {a.ndim} dimensions, {len(ranges)} ranges given")
    return a[tuple([_selection(interpreter, r, size, i + 1) for i, (r, size) in enumerate(zip(ranges, a.shape))])]


def _dimension(name: str, a: np.ndarray, k: Form, argument: int) -> int:
    i = whole(name, k, argument)
    if not 0 <= i < a.ndim:
        raise Misuse(f"{name}: the matrix has dimensions 0 to {a.ndim - 1}, not {i}", argument)
    return i


@function("select", interpreter=True)
def select(interpreter: Interpreter, m: Form, dimension: Form, i: Form) -> np.ndarray:
    """(select m d i): the part at index i of dimension d, from 0; storage shared"""
    a = matrix("select", m)
    axis = _dimension("select", a, dimension, 1)
    position = _selection(interpreter, number("select", i, 2), a.shape[axis], 2)
    return a[tuple([position if k == axis else slice(None) for k in range(a.ndim)] + [...])]


@function("narrow")
def narrow(m: Form, dimension: Form, size: Form, offset: Form = 0.0) -> np.ndarray:
    """(narrow m d n [k]): the indices k to k+n-1 of dimension d, from 0; storage shared"""
    a = matrix("narrow", m)
    axis, n, first = _dimension("narrow", a, dimension, 1), whole("narrow", size, 2), whole("narrow", offset, 3)
    if n < 1 or first < 0 or first + n > a.shape[axis]:
        raise Misuse(f"narrow: {n} indices from {first} do not lie in 0 to {a.shape[axis] - 1}", 2)
    return a[tuple([slice(first, first + n) if k == axis else slice(None) for k in range(a.ndim)])]


@function("transpose")
def transpose(m: Form) -> np.ndarray:
    """(transpose m): the matrix with its dimensions in reverse order; storage shared"""
    return matrix("transpose", m).T


@function("redim")
def redim(m: Form, *sizes: Form) -> np.ndarray:
    """(redim m n...): the same elements in row order, in other dimensions"""
    a = matrix("redim", m)
    shape = [whole("redim", size, i + 1) for i, size in enumerate(sizes)]
    if any(size < 1 for size in shape) or math.prod(shape) != a.size or len(shape) > MOST_DIMENSIONS:
        raise Misuse(f"redim: {a.size} elements do not fill {' x '.join(map(str, shape)) or 'nothing'}")
    return a.reshape(shape)


@function("unfold", interpreter=True)
def unfold(interpreter: Interpreter, m: Form, dimension: Form, size: Form, step: Form) -> np.ndarray:
    """(unfold m d n s): windows of n along dimension d, each s behind the last, as a dimension more; storage shared"""
    a = matrix("unfold", m)
    axis, n, by = _dimension("unfold", a, dimension, 1), whole("unfold", size, 2), whole("unfold", step, 3)
    if not 1 <= n <= a.shape[axis] or by < 1 or a.ndim >= MOST_DIMENSIONS:
        raise Misuse(f"unfold: windows of {n} with step {by} do not fit in {a.shape[axis]} indices", 2)
    if a.size // a.shape[axis] * ((a.shape[axis] - n) // by + 1) * n > interpreter.limits.matrix_elements:
        raise exceeded("unfold: the matrix is too large", interpreter.limits.matrix_elements, interpreter.place())
    windows = np.lib.stride_tricks.sliding_window_view(a, n, axis=axis, writeable=True)
    return windows[tuple([slice(None, None, by) if k == axis else slice(None) for k in range(a.ndim)])]


@function("copy-matrix", interpreter=True)
def copy_matrix(interpreter: Interpreter, a: Form, b: Form = NIL) -> np.ndarray:
    """(copy-matrix a [b]): a copy of a, or the elements of a put in b"""
    source = matrix("copy-matrix", a)
    if b is NIL:
        return source.copy()
    target = matrix("copy-matrix", b, 1)
    if source.size != target.size:
        raise Misuse(f"copy-matrix: {source.size} elements do not fill {target.size}", 1)
    _check_kind(target, [float(x) for x in source.ravel()])
    target[...] = source.reshape(target.shape)
    return target
