"""Convert numbers as they are stored into the elements of an idx (docs/reference/gblearn2.md, section 2)."""

from __future__ import annotations

from typing import Any

import numpy as np

from snsim.language.procedures import CallError
from snsim.lush.floating import Trap

KINDS: dict[str, np.dtype[Any]] = {  # by the name in float-matrix, int-matrix, ...
    "float": np.dtype(np.float32),
    "double": np.dtype(np.float64),
    "int": np.dtype(np.int32),
    "short": np.dtype(np.int16),
    "byte": np.dtype(np.int8),
    "ubyte": np.dtype(np.uint8),
    "atom": np.dtype(object),
}
KIND_NAMES = {kind: name for name, kind in KINDS.items()}
_INT = np.iinfo(np.int32)


def empty_elements(count: int, kind: np.dtype[Any]) -> np.ndarray:
    """Return `count` elements: zeros, or () in an array of any values."""
    return np.full(count, None, object) if kind.kind == "O" else np.zeros(count, kind)


def convert(values: np.ndarray | np.generic, kind: np.dtype[Any]) -> np.ndarray:
    """Return numbers as elements of a type.

    Float rounds to 32 bits. The integer types cut towards zero; short, byte and ubyte then wrap (300 is 44 in a ubyte).
    CallError `Floating exception` for a number that is too large.
    """
    numbers = np.asarray(values)
    if numbers.dtype == kind:
        return numbers
    if kind.kind == "O":
        boxed = np.empty(numbers.shape, object)
        boxed[...] = numbers.astype(np.float64)
        return boxed
    if numbers.dtype.kind == "O":
        numbers = numbers.astype(np.float64)
    if kind.kind in "iu" and numbers.dtype.kind == "f":
        if not ((numbers > _INT.min - 1.0) & (numbers < _INT.max + 1.0)).all():
            raise CallError(
                f"Floating exception: a number does not fit in an element of type {KIND_NAMES[kind]}",
                None,
                f"keep it in a float or double matrix: whole numbers here run from {_INT.min} to {_INT.max}",
            )
        return numbers.astype(np.int64).astype(kind)
    with Trap():
        return numbers.astype(kind)


def store(target: np.ndarray, values: np.ndarray | np.generic) -> None:
    """Write numbers into a view, converted to its type."""
    target[...] = convert(values, target.dtype)
