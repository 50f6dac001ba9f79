"""Read and set elements of matrices and arrays: `(m i j)`, `(m i j x)` (docs/reference/sn28.md, section 1.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import number, whole
from snsim.language.forms import NIL, Form, Pair
from snsim.language.procedures import CallError

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


def index_matrix(interpreter: Interpreter, m: np.ndarray, arguments: list[Form]) -> Form:
    """Evaluate (m i j): an element, or nested lists for () and (a b); (m i j x) sets it and returns the matrix."""
    if len(arguments) not in (m.ndim, m.ndim + 1):
        raise CallError(
            f"a matrix of {m.ndim} dimensions takes {m.ndim} indices, and a value after them to set it; "
            f"{len(arguments)} arguments given",
            None,
            f"write {call_of(m)}, or {call_of(m, 'x')} to set it to x",
        )
    selected = tuple([selection(interpreter, arguments[i], size, i) for i, size in enumerate(m.shape)])
    if len(arguments) == m.ndim:
        part = m[(*selected, ...)]
        return _as_lists(interpreter, part) if part.ndim else element(part)
    target = m[(*selected, ...)]  # a view, of no dimensions if one element is meant
    interpreter.budget.compute(target.size)
    _fill(interpreter, target, arguments[-1])
    return m


def call_of(m: np.ndarray, *value: str) -> str:
    """Return how to write a call that reads an element of a matrix, or sets it to a value: `(m i1 i2 x)`."""
    return f"({' '.join(['m', *[f'i{k}' for k in range(1, m.ndim + 1)], *value])})"


def selection(interpreter: Interpreter, index: Form, size: int, position: int) -> int | slice:
    """Return the Python index that a Lisp index means: a number, () for all, or (a b) for a to b inclusive.

    A range is empty if b is less than a. CallError for another value, or if it is outside 0 to size - 1.
    """
    if index is NIL:
        return slice(0, size)
    ends = [index]
    if isinstance(index, Pair):
        ends = [index.car, index.cdr.car] if isinstance(index.cdr, Pair) and index.cdr.cdr is NIL else []
    if not ends or not all(isinstance(end, float) for end in ends):
        raise CallError(
            f"an index of a matrix is a number, () or (a b), not {interpreter.describe(index)}",
            position,
            f"write a number from 0 to {size - 1}, () for all, or '(0 {size - 1}) for a range",
        )
    indices = [whole("index", end, position) for end in ends]
    for i in indices:
        if not 0 <= i < size:
            raise CallError(
                f"the index {i} is out of range: 0 to {size - 1}",
                position,
                f"indices count from 0: write {size - 1} for the last, () for all",
            )
    return indices[0] if isinstance(index, float) else slice(indices[0], max(indices[1] + 1, indices[0]))


def element(part: np.ndarray) -> Form:
    """Return the one element of a part without dimensions."""
    value = part.item()
    return value if part.dtype == object else float(value)


def _as_lists(interpreter: Interpreter, part: np.ndarray) -> Form:
    interpreter.step()
    if part.ndim == 1:
        return interpreter.new_list(part.tolist() if part.dtype == object else map(float, part.tolist()), "index")
    return interpreter.new_list([_as_lists(interpreter, row) for row in part], "index")


def _fill(interpreter: Interpreter, target: np.ndarray, value: Form) -> None:
    """Set the elements of a part: to one value, to a list with one value per row, or to a list of all in order."""
    if type(value) is float and target.dtype == np.float64:  # the common case
        target[...] = value
    elif target.dtype != object and isinstance(value, np.ndarray):
        put(target, _reshaped(value, target))
    elif target.ndim == 0 or not isinstance(value, Pair):
        put_elements(target, [value])
    else:
        values = interpreter.elements(value, "a matrix")
        if len(values) == len(target):
            for row, x in zip(target, values) if target.ndim > 1 else ():
                _fill(interpreter, row, x)
            if target.ndim == 1:
                put_elements(target, values)
        elif len(values) == target.size:
            put_elements(target, values)
        else:
            rows = f"{len(target)} rows of " if target.ndim > 1 else ""
            raise CallError(
                f"a list of {len(values)} was given for {rows}{target.size} elements",
                None,
                f"give a list of {target.size} elements, or one number for all",
            )


def _reshaped(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    if source.size != target.size:
        raise CallError(
            f"a matrix of {source.size} elements was given for {target.size} elements",
            None,
            f"cut out {target.size} elements: (submatrix m '(a b) ...)"
            if source.size > target.size
            else f"set {source.size} of the {target.size} elements, in a range: (m '(0 {source.size - 1}) x)",
        )
    return source.reshape(target.shape)


def put_elements(target: np.ndarray, values: list[Form]) -> None:
    """Set the elements of a part, in row order, to these values; one value sets them all."""
    elements = np.empty(len(values), target.dtype if target.dtype == object else np.float64)
    for i, value in enumerate(values):
        elements[i] = value if target.dtype == object else number("a matrix", value, None)
    put(target, elements.reshape(target.shape if len(values) == target.size else ()))


def put(target: np.ndarray, source: np.ndarray) -> None:
    """Set the elements of a part to those of a matrix of its shape.

    For an integer target the source is truncated, as in SN. CallError for a value outside the range of its type.
    """
    if target.dtype != object:
        numbers = [number("a matrix", x, None) for x in source.ravel().tolist()] if source.dtype == object else source
        source = np.asarray(numbers, np.float64).reshape(source.shape)
    elif source.dtype != object:
        source = source.astype(np.float64)  # so that the array holds numbers of the Lisp
    if np.issubdtype(target.dtype, np.integer):
        bounds = np.iinfo(target.dtype)
        wrong = source[~((source > bounds.min - 1) & (source < bounds.max + 1))]
        if wrong.size:
            raise CallError(
                f"{float(wrong.flat[0]):g} does not fit in a matrix of numbers from {bounds.min} to {bounds.max}",
                None,
                "keep it in a matrix made by (matrix n m), which holds any number",
            )
    if target.dtype == np.float32:
        wrong = source[np.isfinite(source) & (np.abs(source) > np.finfo(np.float32).max)]
        if wrong.size:
            raise CallError(
                f"{float(wrong.flat[0]):g} is too large for a matrix in single precision",
                None,
                "keep it in a matrix made by (matrix n m), which is in double precision",
            )
    target[...] = source
