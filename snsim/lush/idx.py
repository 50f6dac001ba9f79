"""Implement idx objects: windows of up to eight dimensions on a storage of elements of one type.

An idx is a storage, an offset, and for each dimension a size and a modulo (its stride in elements). Slices share the
storage of what they were cut from. `Idx.array` is the idx as a NumPy view, on which all arithmetic works.
See docs/reference/gblearn2.md, section 2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from snsim.language.forms import Form, MatrixValue
from snsim.language.procedures import CallError, Procedure
from snsim.lush.elements import WRITTEN, access
from snsim.lush.storing import KINDS, convert, empty_elements, store

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

MOST_DIMENSIONS = 8


# The largest number that is stored without conversion or check, by type of element.
_SAFE = {KINDS["float"]: 3.4e38, KINDS["double"]: math.inf}


class Storage:
    """The elements that several idx share. It can grow: every idx on it then shows the new elements."""

    __slots__ = ("data",)

    def __init__(self, data: np.ndarray):
        self.data = data

    def grow(self, count: int) -> None:
        """Make room for `count` elements; new ones are 0, those of an array of any values ()."""
        if count > len(self.data):
            data = empty_elements(count, self.data.dtype)
            data[: len(self.data)] = self.data
            self.data = data


class Idx(MatrixValue, Procedure):
    """A window on a storage. `become` and `resize` change it; every other function returns a new one.

    In Lisp it can be the head of a call: `(m i j)` reads an element, `(m i j x)` sets it.
    """

    name = "idx"

    def __init__(self, storage: Storage, offset: int, sizes: tuple[int, ...], modulos: tuple[int, ...]):
        self.storage, self.offset, self.sizes, self.modulos = storage, offset, sizes, modulos
        self._array: np.ndarray | None = None
        self._data: np.ndarray | None = None

    @classmethod
    def zeros(cls, sizes: Sequence[int] = (), kind: str = "float") -> Idx:
        """Return a new idx of zeros; `kind` is one of KINDS."""
        sizes = tuple(sizes)
        return cls(Storage(empty_elements(math.prod(sizes), KINDS[kind])), 0, sizes, contiguous_modulos(sizes))

    @classmethod
    def of(cls, array: np.ndarray) -> Idx:
        """Return an idx on the elements of an array: on a copy if they do not stand one after the other."""
        return cls(Storage(array.reshape(-1)), 0, array.shape, contiguous_modulos(array.shape))

    @property
    def kind(self) -> np.dtype[Any]:
        """The type of the elements."""
        return self.storage.data.dtype

    @property
    def ndim(self) -> int:
        return len(self.sizes)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.sizes)

    @property
    def array(self) -> np.ndarray:
        """The idx as a NumPy view: what is written into it is written into the storage."""
        data = self.storage.data
        if self._array is None or self._data is not data:
            self._data = data
            self._array = view(data, self.offset, self.sizes, self.modulos)
        return self._array

    def become(self, other: Idx) -> None:
        """Take the storage and the window of another idx."""
        self.storage, self.offset, self.sizes, self.modulos = other.storage, other.offset, other.sizes, other.modulos
        self._array = None

    def resize(self, sizes: Sequence[int]) -> None:
        """Take other sizes on the same storage, contiguous from the same offset.

        The storage grows if need be. The elements stay in flat order; none is cleared.
        """
        sizes = tuple(sizes)
        if sizes != self.sizes or not self.is_contiguous:
            self.storage.grow(self.offset + math.prod(sizes))
            self.sizes, self.modulos = sizes, contiguous_modulos(sizes)
            self._array = None

    @property
    def is_contiguous(self) -> bool:
        """Whether the elements stand one after the other, in row order."""
        return self.modulos == contiguous_modulos(self.sizes)

    def apply(self, interpreter: Interpreter, arguments: list[Form]) -> Form:
        place = self._place(arguments)
        data = self.storage.data
        if place is not None and len(arguments) == len(self.sizes):
            value: Form = data.item(place)
            return value if type(value) is not int else float(value)
        if place is not None and type(arguments[-1]) is float and abs(arguments[-1]) <= _SAFE.get(data.dtype, -1.0):
            data[place] = arguments[-1]
            return self
        value = access(interpreter, self.array, arguments)
        return self if value is WRITTEN else value

    def _place(self, arguments: list[Form]) -> int | None:
        """Return the place in the storage of the one element that numbers name; None for any other call."""
        if len(arguments) - len(self.sizes) not in (0, 1):
            return None
        place = self.offset
        for index, size, modulo in zip(arguments, self.sizes, self.modulos):
            if type(index) is not float or not 0 <= index < size:
                return None
            place += int(index) * modulo
        return place

    def __str__(self) -> str:
        return f"::INDEX{self.ndim}:<{'x'.join(map(str, self.sizes))}>"

    def read(self, *indices: int) -> Any:
        """Return one element: a float, or any value in an array of any values."""
        value = self.array[indices]
        return value if self.kind.kind == "O" else float(value)

    def write(self, *indices_and_value: Any) -> None:
        """Set one element: `m.write(i, j, value)`. The value is converted as `store` says."""
        *indices, value = indices_and_value
        if self.kind.kind == "O":
            self.array[tuple(indices)] = value
        else:
            self.array[tuple(indices)] = convert(np.float64(value), self.kind)

    def fill(self, value: Any) -> None:
        """Set all elements to one value, converted as `store` says."""
        if self.kind.kind == "O":
            self.array.fill(value)
        else:
            self.array[...] = convert(np.float64(value), self.kind)


def view(data: np.ndarray, offset: int, sizes: tuple[int, ...], modulos: tuple[int, ...]) -> np.ndarray:
    """Return a window on flat data; offset and modulos count elements."""
    width = data.itemsize
    strides = tuple([modulo * width for modulo in modulos])
    if data.dtype.kind != "O":
        return np.ndarray(sizes, data.dtype, data, offset * width, strides)
    return np.lib.stride_tricks.as_strided(data[offset:], sizes, strides)


def contiguous_modulos(sizes: Sequence[int]) -> tuple[int, ...]:
    """Return the modulos of an idx whose elements stand one after the other: of sizes 2 x 3 x 4 they are 12, 4, 1."""
    modulos, step = [], 1
    for size in reversed(sizes):
        modulos.append(step)
        step *= size
    return tuple(reversed(modulos))


# Slicing: all of these share the elements of m


def select(m: Idx, dimension: int, index: int) -> Idx:
    """Return m without a dimension, at one of its indices."""
    check_dimension("select", m, dimension)
    check_index("select", index, m.sizes[dimension])
    return Idx(
        m.storage,
        m.offset + index * m.modulos[dimension],
        m.sizes[:dimension] + m.sizes[dimension + 1 :],
        m.modulos[:dimension] + m.modulos[dimension + 1 :],
    )


def narrow(m: Idx, dimension: int, size: int, offset: int) -> Idx:
    """Return m with a dimension cut to `size` elements, from `offset` on."""
    check_dimension("narrow", m, dimension)
    if size < 1 or offset < 0 or offset + size > m.sizes[dimension]:
        raise CallError(
            f"narrow: specified interval is too large: {size} elements from {offset} on do not lie in the "
            f"{m.sizes[dimension]} of dimension {dimension}",
            2,
            "write (narrow m dimension size offset), with offset + size not above the size of the dimension",
        )
    sizes = (*m.sizes[:dimension], size, *m.sizes[dimension + 1 :])
    return Idx(m.storage, m.offset + offset * m.modulos[dimension], sizes, m.modulos)


def unfold(m: Idx, dimension: int, size: int, step: int) -> Idx:
    """Return the windows of a dimension: it becomes the number of the window, a new last one runs inside the window."""
    check_dimension("unfold", m, dimension)
    whole = m.sizes[dimension]
    if size < 1 or step < 1 or size > whole or (whole - size) % step:
        raise CallError(
            f"unfold: Index dimension does not match size and step: windows of {size} every {step} do not fill the "
            f"{whole} elements of dimension {dimension}",
            2,
            "choose size and step so that (elements - size) is a multiple of step",
        )
    if m.ndim == MOST_DIMENSIONS:
        raise CallError(f"unfold: an idx has at most {MOST_DIMENSIONS} dimensions", 0, "select one index of another")
    windows = (whole - size) // step + 1
    modulo = m.modulos[dimension]
    return Idx(
        m.storage,
        m.offset,
        (*m.sizes[:dimension], windows, *m.sizes[dimension + 1 :], size),
        (*m.modulos[:dimension], modulo * step, *m.modulos[dimension + 1 :], modulo),
    )


def transpose(m: Idx) -> Idx:
    """Return the transpose of a matrix of two dimensions; a vector of n becomes 1 x n."""
    if m.ndim == 1:
        return Idx(m.storage, m.offset, (1, *m.sizes), (m.sizes[0] * m.modulos[0], *m.modulos))
    if m.ndim != 2:
        raise CallError(
            f"transpose: the idx has {m.ndim} dimensions, not 2",
            0,
            "write (idx-transclone m '(2 1 0)) with the order of the dimensions",
        )
    return permuted(m, (1, 0))


def permuted(m: Idx, order: Sequence[int]) -> Idx:
    """Return m with its dimensions in another order: the new dimension k is the old dimension order[k]."""
    if sorted(order) != list(range(m.ndim)):
        raise CallError(
            f"idx-transclone: {' '.join(map(str, order)) or '()'} is no order of the {m.ndim} dimensions",
            1,
            f"write each of the numbers 0 to {m.ndim - 1} once",
        )
    return Idx(m.storage, m.offset, tuple([m.sizes[old] for old in order]), tuple([m.modulos[old] for old in order]))


def diagonal(m: Idx, count: int) -> Idx:
    """Return the diagonal of the last `count` dimensions, which have one size: they become one dimension."""
    if not 1 <= count <= m.ndim:
        raise CallError(
            f"diagonal: the idx has {m.ndim} dimensions, and {count} are asked for",
            1,
            f"write a number from 1 to {m.ndim}" if m.ndim else "give an idx that has dimensions",
        )
    last = m.sizes[m.ndim - count :]
    if len(set(last)) > 1:
        raise CallError(
            f"diagonal: the last {count} dimensions have the sizes {' '.join(map(str, last))}",
            0,
            "they must have one size: narrow the larger ones first",
        )
    kept = m.ndim - count
    return Idx(m.storage, m.offset, (*m.sizes[:kept], last[0]), (*m.modulos[:kept], sum(m.modulos[kept:])))


def redim(m: Idx, sizes: Sequence[int], offset: int = 0) -> Idx:
    """Return an idx of these sizes on the storage of m, from `offset` on; the storage grows if need be.

    Offset and modulos of m play no part.
    """
    sizes = tuple(sizes)
    m.storage.grow(offset + math.prod(sizes))
    return Idx(m.storage, offset, sizes, contiguous_modulos(sizes))


def clone(m: Idx) -> Idx:
    """Return another idx on the same elements."""
    return Idx(m.storage, m.offset, m.sizes, m.modulos)


def copy(m: Idx) -> Idx:
    """Return an idx with elements of its own, equal to those of m and contiguous."""
    return Idx.of(np.array(m.array, order="C"))


def copy_into(source: Idx, target: Idx) -> Idx:
    """Copy the elements, converted to the type of the target, which has the same sizes. Return the target."""
    if source.sizes != target.sizes:
        raise CallError(
            f"idx-copy: idx have different dimensions: {shown(source.sizes)} and {shown(target.sizes)}",
            1,
            "copy-matrix copies between shapes with the same number of elements",
        )
    store(target.array, source.array)
    return target


def shown(sizes: Sequence[int]) -> str:
    """Return sizes for a sentence: 2 x 3."""
    return " x ".join(map(str, sizes)) or "no dimension"


def check_dimension(name: str, m: Idx, dimension: int) -> None:
    """CallError if m has no such dimension. Dimensions count from 0."""
    if not 0 <= dimension < m.ndim:
        raise CallError(
            f"{name}: not enough dimensions: the idx has {m.ndim}, and dimension {dimension} is asked for",
            1,
            f"dimensions count from 0: write a number from 0 to {m.ndim - 1}" if m.ndim else "give an idx with one",
        )


def check_index(name: str, index: int, size: int) -> None:
    """CallError if an index is not inside a dimension. Indices count from 0."""
    if not 0 <= index < size:
        raise CallError(
            f"{name}: subscript out of range: {index} is not from 0 to {size - 1}", 2, "indices count from 0"
        )
