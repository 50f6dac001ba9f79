"""The connections of a net grouped by the unit they enter or leave, newest first: the order in which SN-2.8 adds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class Memory:
    """A contiguous array and the address of its first element, for compiled loops."""

    array: np.ndarray
    address: int


def as_memory(array: np.ndarray) -> Memory:
    """Return the array with its address, copied first if it is not contiguous."""
    array = np.ascontiguousarray(array)
    return Memory(array, array.ctypes.data)


def int32_memory(array: np.ndarray) -> Memory:
    """Return an int32 copy of the array with its address."""
    return as_memory(array.astype(np.int32))


class Units:
    """A sequence of units: `memory` holds their numbers (int32), `index` selects them from an array over all units.

    For consecutive units `index` is a slice, so that selecting them copies nothing.
    """

    __slots__ = ("count", "index", "memory")

    def __init__(self, numbers: np.ndarray):
        self.memory = int32_memory(numbers)
        array = self.memory.array
        self.count = len(array)
        first = int(array[0]) if self.count else 0
        consecutive = bool((array == np.arange(first, first + self.count)).all())
        self.index: slice | np.ndarray = slice(first, first + self.count) if consecutive else array.astype(np.intp)

    @property
    def array(self) -> np.ndarray:
        return self.memory.array


@dataclass(frozen=True, eq=False)
class Edges:
    """Connections grouped by the unit at one end: unit u has positions start[u] ... start[u + 1] - 1, newest first.

    All arrays are int32. `other` is the unit at the other end, `weight` the number of the weight, `connection` the
    number of the connection in order of creation.
    """

    start: Memory
    other: Memory
    weight: Memory
    connection: Memory

    @cached_property
    def counts(self) -> np.ndarray:
        """The number of connections of each unit, shape (units,)."""
        return np.diff(self.start.array)

    def slice_of(self, unit: int) -> slice:
        """Return the positions of the connections of one unit."""
        start = self.start.array
        return slice(int(start[unit]), int(start[unit + 1]))

    def positions(self, units: np.ndarray) -> np.ndarray:
        """Return the positions of the connections of several units, unit by unit, newest first."""
        counts = self.counts[units]
        ends = np.cumsum(counts)
        total = int(ends[-1]) if len(ends) else 0
        positions: np.ndarray = np.arange(total) + np.repeat(self.start.array[units] - (ends - counts), counts)
        return positions


def build_edges(
    units: int, near_unit: np.ndarray, far_unit: np.ndarray, weight: np.ndarray, connections: np.ndarray
) -> Edges:
    """Group connections by the unit at the near end.

    `units` is the number of units. `near_unit`, `far_unit` and `weight` are indexed by the number of a connection;
    `connections` lists the numbers to include, oldest first.
    """
    newest = connections[::-1]
    order = newest[np.argsort(near_unit[newest], kind="stable")]
    start = np.zeros(units + 1, np.int64)
    np.cumsum(np.bincount(near_unit[newest], minlength=units), out=start[1:])
    return Edges(int32_memory(start), int32_memory(far_unit[order]), int32_memory(weight[order]), int32_memory(order))
