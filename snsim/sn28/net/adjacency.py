"""The connections of a net by the unit they enter or leave, newest first: the order in which SN-2.8 adds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class Memory:
    """An array that does not move, and the address of its first element for compiled loops."""

    array: np.ndarray
    address: int


def as_memory(array: np.ndarray) -> Memory:
    """`array`, made contiguous if it is not."""
    array = np.ascontiguousarray(array)
    return Memory(array, array.ctypes.data)


def int32_memory(array: np.ndarray) -> Memory:
    return as_memory(array.astype(np.int32))


class Units:
    """Some units in their order: `memory` holds the numbers (int32), `index` picks them from an array of all units.

    A run of consecutive units has a slice for its index, so that picking them copies nothing.
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
    """Connections by the unit at one end: those of unit u stand at start[u] ... start[u + 1] - 1, newest first.

    All int32: `other` the unit at the other end, `weight` the weight, `connection` the number by creation.
    """

    start: Memory
    other: Memory
    weight: Memory
    connection: Memory

    @cached_property
    def counts(self) -> np.ndarray:
        """Connections of each unit, shape (units,)."""
        return np.diff(self.start.array)

    def slice_of(self, unit: int) -> slice:
        """Where the connections of a unit stand."""
        start = self.start.array
        return slice(int(start[unit]), int(start[unit + 1]))

    def positions(self, units: np.ndarray) -> np.ndarray:
        """Where the connections of some units stand, unit by unit, newest first."""
        counts = self.counts[units]
        ends = np.cumsum(counts)
        total = int(ends[-1]) if len(ends) else 0
        positions: np.ndarray = np.arange(total) + np.repeat(self.start.array[units] - (ends - counts), counts)
        return positions


def build_edges(
    units: int, near_unit: np.ndarray, far_unit: np.ndarray, weight: np.ndarray, connections: np.ndarray
) -> Edges:
    """The edges of `units` units: `here`, `there` and `weight` of each of the `connections`, oldest first."""
    newest = connections[::-1]
    order = newest[np.argsort(near_unit[newest], kind="stable")]
    start = np.zeros(units + 1, np.int64)
    np.cumsum(np.bincount(near_unit[newest], minlength=units), out=start[1:])
    return Edges(int32_memory(start), int32_memory(far_unit[order]), int32_memory(weight[order]), int32_memory(order))
