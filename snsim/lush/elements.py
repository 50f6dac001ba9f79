"""Read and write elements of idx from the Lisp: `(m i j)`, `(m i j x)` (docs/reference/gblearn2.md, section 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from snsim.language.builtins.arithmetic import number, whole
from snsim.language.forms import NIL, Form, MatrixValue, Pair, make_list
from snsim.language.procedures import CallError
from snsim.lush.storing import store

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

WRITTEN: Any = object()  # what `access` returns after it has written


def access(interpreter: Interpreter, array: np.ndarray, arguments: list[Form]) -> Form:
    """Evaluate (m i j): an element, or nested lists for ().  (m i j x) writes and returns WRITTEN."""
    count, given = array.ndim, len(arguments)
    if given not in (count, count + 1):
        raise CallError(
            f"{'not enough' if given < count else 'too many'} dimensions: an idx of {count} dimensions takes {count} "
            f"indices, and a value after them to set an element; {given} arguments given",
            None,
            f"write {_call(count)}, or {_call(count, 'x')} to set it to x",
        )
    indices = tuple([_index(interpreter, arguments[i], size, i) for i, size in enumerate(array.shape)])
    if given == count:
        part = array[(*indices, ...)]
        return _as_lists(interpreter, part) if part.ndim else _element(part)
    target = array[(*indices, ...)]  # a view, of no dimensions if one element is meant
    interpreter.budget.compute(target.size)
    _fill(interpreter, target, arguments[-1])
    return WRITTEN


def _call(count: int, *value: str) -> str:
    return f"({' '.join(['m', *[f'i{k}' for k in range(1, count + 1)], *value])})"


def _index(interpreter: Interpreter, index: Form, size: int, argument: int) -> int | slice:
    if index is NIL:
        return slice(None)
    if type(index) is not float:
        raise CallError(
            f"an index of an idx is a number or (), not {interpreter.describe(index)}",
            argument,
            f"write a number from 0 to {size - 1}, or () for all",
        )
    position = whole("index", index, argument)
    if not 0 <= position < size:
        raise CallError(
            f"subscript out of range: {position} is not from 0 to {size - 1}",
            argument,
            f"indices count from 0: write {size - 1} for the last, () for all" if size else "the idx has no elements",
        )
    return position


def _element(part: np.ndarray) -> Form:
    value = part.item()
    return value if part.dtype.kind == "O" else float(value)


def _as_lists(interpreter: Interpreter, part: np.ndarray) -> Form:
    interpreter.step()
    if part.ndim == 1:
        interpreter.budget.make_list(part.size, "index")
        values = part.tolist()
        return make_list(values if part.dtype.kind == "O" else map(float, values))
    return interpreter.new_list([_as_lists(interpreter, row) for row in part], "index")


def _fill(interpreter: Interpreter, target: np.ndarray, value: Form) -> None:
    """Set the elements of a part: to one value, to a list of all in row order, or to a list with one value per row."""
    if isinstance(value, Pair) and target.ndim:
        values = interpreter.elements(value, "an idx")
        if len(values) == target.size:
            _put(target, values)
        elif target.ndim > 1 and len(values) == len(target):
            for row, x in zip(target, values):
                _fill(interpreter, row, x)
        else:
            raise CallError(
                f"a list of {len(values)} was given for {target.size} elements",
                None,
                f"give a list of {target.size} elements, or one number for all",
            )
    elif isinstance(value, (MatrixValue, np.ndarray)) and target.dtype.kind != "O":
        raise CallError(
            "an element of an idx is a number, not an idx",
            None,
            "copy it: (idx-copy from to), with to a slice such as (select m 0 i)",
        )
    else:
        _put(target, [value])


def _put(target: np.ndarray, values: list[Form]) -> None:
    if target.dtype.kind == "O":
        elements = np.empty(len(values), object)
        for i, x in enumerate(values):
            elements[i] = x
    else:
        elements = np.array([number("an idx", x, None) for x in values], np.float64)
    if len(values) == target.size:
        store(target, elements.reshape(target.shape))
    else:
        store(target, elements[0] if target.dtype.kind != "O" else elements.reshape([1] * target.ndim))
