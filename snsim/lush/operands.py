"""Take the operands of an arithmetic word, and deliver its result: new, or in the idx that the program gives for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from snsim.language.forms import Form
from snsim.language.procedures import ABSENT, CallError
from snsim.lush.idx import Idx, shown
from snsim.lush.storing import KIND_NAMES, KINDS, store
from snsim.lush.vocabulary import kind_name, numeric

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

LETTERS = {"f": "float", "d": "double", "i": "int", "u": "ubyte"}  # of words for one type: idx-f1dotc


def operands(interpreter: Interpreter, name: str, *values: Form) -> list[Idx]:
    """Return the inputs of a word: idx of numbers, all of one type."""
    inputs = [numeric(name, value, i) for i, value in enumerate(values)]
    for i, m in enumerate(inputs):
        interpreter.budget.check_matrix(m.size, name)  # the storage of an unfolded idx is smaller than the idx
        if m.kind != inputs[0].kind:
            raise CallError(
                f"{name}: Input idxs must be of the same type: {kind_name(inputs[0])} and {kind_name(m)}",
                i,
                f"copy one of them: (idx-copy m ({kind_name(inputs[0])}-matrix n ...))",
            )
        interpreter.budget.compute(m.size)
    return inputs


def check_shapes(name: str, a: Idx, b: Idx, argument: int) -> None:
    """CallError if two idx that go together element by element have different sizes."""
    if a.sizes != b.sizes:
        raise CallError(
            f"{name}: matrix must have same dimensions: {shown(a.sizes)} and {shown(b.sizes)}",
            argument,
            "cut the larger one with narrow, or copy it into one of the same sizes",
        )


def check_dimensions(name: str, m: Idx, count: int, argument: int) -> None:
    """CallError if an idx has another number of dimensions."""
    if m.ndim != count:
        raise CallError(
            f"{name}: arguments have the wrong dimensions: an idx of {count} dimensions expected, {m.ndim} given",
            argument,
            "select a slice, or redim it",
        )


def check_kind(name: str, m: Idx, kind: str, argument: int) -> None:
    """CallError if the elements of an idx have another type than the word is for."""
    if m.kind != KINDS[kind]:
        raise CallError(
            f"{name}: type mismatch: the idx holds {kind_name(m)}, not {kind}",
            argument,
            f"copy it: (idx-copy m ({kind}-matrix n ...))",
        )


def output(name: str, value: Form, sizes: Sequence[int], argument: int, kind: np.dtype[Any] | None = None) -> Idx:
    """Return the idx that the program gives for a result of these sizes (and of a type, if it must have one)."""
    m = numeric(name, value, argument)
    if m.sizes != tuple(sizes):
        raise CallError(
            f"{name}: arguments have the wrong dimensions: the output is {shown(m.sizes)}, the result {shown(sizes)}",
            argument,
            f"make it with ({kind_name(m)}-matrix{''.join(f' {n}' for n in sizes)})",
        )
    if kind is not None and m.kind != kind:
        raise CallError(
            f"{name}: Input idxs must be of the same type: {KIND_NAMES[kind]} and {kind_name(m)}",
            argument,
            f"make the output with ({KIND_NAMES[kind]}-matrix{''.join(f' {n}' for n in sizes)})",
        )
    return m


def deliver(
    interpreter: Interpreter,
    name: str,
    result: np.ndarray | np.generic,
    target: Form,
    argument: int,
    same_kind: bool = False,
) -> Idx:
    """Return the result as a new idx, or stored in `target` if the program gave one."""
    values = np.asarray(result)
    if target is ABSENT:
        interpreter.budget.make_matrix(values.size, name)
        return Idx.of(values)
    m = output(name, target, values.shape, argument, values.dtype if same_kind else None)
    store(m.array, values)
    return m
