"""Lay out layers, parameters and buffers in one block of numbers.

A layer of maps is stored with its maps innermost ("cell" = position * maps + map), so that all maps of neighbouring
positions in a row are contiguous. Every other layer is stored in the order of its units. Lanes after the last cell are
0. A parameter is a region of whole vectors with, for each cell, the index of its weight or -1. Its update states, rates
and sums are regions of the same form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from snsim.engines.native.llvm_ir import Function, Value
from snsim.engines.native.target import Address, Machine

CELLS = "%cells"  # the pointer to the cells of a pattern
_PIECE = 1 << 20  # cells that are packed or unpacked at a time
# Channels of the backward pass, with the power of w and x in them.
POWER: Mapping[str, int] = {"g": 1, "h": 2, "h-full": 2}


class Region:
    """Allocates ranges of numbers behind a pointer, each on a whole vector. It only grows, so addresses stay valid."""

    def __init__(self, machine: Machine, base: str, size: int = 0):
        self.machine, self.base, self.size = machine, base, size
        self.fills: list[tuple[Address, np.ndarray]] = []  # what ranges must contain before anything runs

    def take(self, count: int) -> Address:
        """Allocate a range for `count` numbers, plus one vector that may be read or written past the end."""
        place = Address(self.size, base=self.base)
        self.size += self.machine.padded(count) + self.machine.lanes
        return place

    def take_filled(self, numbers: np.ndarray) -> Address:
        place = self.take(len(numbers))
        self.fills.append((place, numbers))
        return place


class Block(Region):
    """All numbers of an engine: what all patterns share, and for each pattern of a group its own `cells`.

    `cells` are the layers and the copies of layers; their addresses count from the pointer `%cells`, which differs from
    pattern to pattern. `place_cells` gives them a place in the block. Cells allocated later are shared.
    """

    def __init__(self, machine: Machine):
        super().__init__(machine, "%state", machine.lanes)
        self.cells = Region(machine, CELLS)
        self.patterns = 1
        self._starts: dict[int, Address] = {}  # of the cells of groups of this many patterns
        self._cells = self.cells
        self.pitch = 0  # from the cells of a pattern to those of the next
        self.start = Address(0)  # of the cells of the first pattern
        self._scratch, self._scratch_size = Address(0), 0

    def place_cells(self, patterns: int) -> None:
        """Give the cells of a pattern their places in the block, once for each of `patterns` patterns.

        It is called once, when all cells of a pattern are known.
        """
        line = 64 // self.machine.dtype.itemsize  # of the cache: an odd number of them spreads patterns over its sets
        self.pitch = (-(-self.cells.size // line) | 1) * line
        self.cells = self
        self._place_group(patterns)

    def _place_group(self, patterns: int) -> None:
        """Let groups have this many patterns, whose cells get a place if they have none."""
        if patterns not in self._starts:
            start = self._starts[patterns] = self.take(patterns * self.pitch)
            for place, numbers in self._cells.fills:
                self.fills += [(start + (p * self.pitch + place.offset), numbers) for p in range(patterns)]
        self.patterns, self.start = patterns, self._starts[patterns]

    @contextmanager
    def groups_of(self, patterns: int) -> Iterator[None]:
        """Let groups have this many patterns in all code that is written meanwhile."""
        before = self.patterns
        self._place_group(patterns)
        try:
            yield
        finally:
            self._place_group(before)

    def scratch(self, f: Function, count: int) -> Address:
        """Return a range for `count` numbers that last as long as one kernel runs in function f; kernels share it.

        Each thread that runs the function has a range of its own.
        """
        size = self.machine.padded(count)
        if size * f.parts > self._scratch_size:
            self._scratch, self._scratch_size = self.take(size * f.parts), size * f.parts
        return self._scratch.by(f.part, size) if f.parts > 1 else self._scratch

    def offset(self, place: Address) -> int:
        """Return the offset of an address in the block; that of a cell is its offset in the first pattern."""
        return place.offset + (self.start.offset if place.base == CELLS else 0)


class IndexTables:
    """Constant arrays of int32, one after the other behind one pointer."""

    def __init__(self) -> None:
        self._arrays: list[np.ndarray] = []
        self._size = 0

    def take(self, numbers: np.ndarray) -> int:
        """Add an array, and return where it begins, in entries."""
        start = self._size
        self._arrays.append(np.asarray(numbers, np.int32))
        self._size += len(numbers)
        return start

    def joined(self) -> np.ndarray:
        return np.concatenate([*self._arrays, np.zeros(1, np.int32)])


@dataclass(eq=False)
class LayerCells:
    """A layer in the block: `maps` maps of `rows` x `columns` cells, map `map_order[m]` at place m of each position."""

    name: str
    units: int
    maps: int
    rows: int
    columns: int
    map_order: np.ndarray
    x: Address  # states
    slope: Address  # f'(a)
    bend: Address  # f''(a)
    gate: Address  # what the states are multiplied by, where there are gates
    noise: Address  # what is added to the sums, where there is noise
    delta: dict[str, Address]  # by channel: dE/dx, then dE/da; d2E/dx2, then d2E/da2

    @property
    def positions(self) -> int:
        return self.rows * self.columns

    @cached_property
    def unit_of_cell(self) -> np.ndarray:
        """Return the unit that each cell holds, shape (units,)."""
        units = np.arange(self.units).reshape(self.maps, self.positions)
        cells: np.ndarray = units[self.map_order].T.ravel()
        return cells

    @cached_property
    def cell_of_unit(self) -> np.ndarray:
        cells = np.empty(self.units, int)
        cells[self.unit_of_cell] = np.arange(self.units)
        return cells

    @cached_property
    def is_plain(self) -> bool:
        """Return whether cells and units have the same numbers."""
        return bool((self.unit_of_cell == np.arange(self.units)).all())


@dataclass(eq=False)
class InputCells:
    """The input layers, whose cells one after the other are a row of the inputs."""

    layers: Sequence[LayerCells]

    @cached_property
    def units(self) -> int:
        return sum(cells.units for cells in self.layers)

    @cached_property
    def unit_of_cell(self) -> np.ndarray:
        """Return the number in a presentation that each number of a row holds, shape (units,)."""
        starts = np.cumsum([0, *(cells.units for cells in self.layers)])
        return np.concatenate([start + cells.unit_of_cell for start, cells in zip(starts, self.layers)])

    @cached_property
    def is_plain(self) -> bool:
        """Return whether a row has the order of a presentation."""
        return all(cells.is_plain for cells in self.layers)


def layer_cells(
    block: Block, name: str, shape: Sequence[int], map_order: np.ndarray, channels: Sequence[str]
) -> LayerCells:
    units = int(np.prod(shape))
    maps, rows, columns = shape if len(shape) == 3 else (1, *shape) if len(shape) == 2 else (units, 1, 1)
    order = map_order if len(shape) == 3 else np.arange(maps)
    x, slope, bend, gate, noise = (block.cells.take(units) for _ in range(5))
    deltas = {c: block.cells.take(units) for c in channels}
    return LayerCells(name, units, maps, rows, columns, order, x, slope, bend, gate, noise, deltas)


def in_rows(machine: Machine, index: np.ndarray) -> np.ndarray:
    """Return the index of a parameter with its last axis padded to whole vectors, with -1."""
    wide = np.full((*index.shape[:-1], machine.padded(index.shape[-1])), -1, index.dtype)
    wide[..., : index.shape[-1]] = index
    return wide


@dataclass(eq=False)
class ParameterCells:
    """A parameter in the block: `index` has the weight of each cell, -1 for lanes that hold none."""

    name: str
    index: np.ndarray  # of a whole number of vectors
    block: Block
    value: Address = field(init=False)
    _beside: dict[str, Address] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.index = self.index.ravel()
        self.value = self.block.take(len(self.index))

    @property
    def vectors(self) -> int:
        return len(self.index) // self.block.machine.lanes

    def beside(self, what: str) -> int:
        """Return the distance from the values to the region for `what` (a state, rates, sums).

        The region is allocated if there is none.
        """
        if what not in self._beside:
            if what == "mask":
                self._beside[what] = self.block.take_filled((self.index >= 0).astype(float))
            else:
                self._beside[what] = self.block.take(len(self.index))
        return self._beside[what].offset - self.value.offset

    def regions(self) -> dict[str, int]:
        """Return the offset of every region in the block, by name; the weights are "value"."""
        return {"value": self.value.offset, **{what: place.offset for what, place in self._beside.items()}}

    def has(self, what: str) -> bool:
        """Return whether there is a region for `what`."""
        return what in self._beside

    def pack(self, memory: np.ndarray, values: np.ndarray, what: str | None = None) -> None:
        """Put the parameter's entries (any shape, C order) into its cells, or into the region for `what`."""
        start, flat = self._start(what), np.asarray(values).reshape(-1)
        for first, index in self._pieces():
            piece = flat.take(index, mode="clip")
            piece[index < 0] = 0
            memory[start + first : start + first + len(index)] = piece

    def unpack(self, memory: np.ndarray, size: int, what: str | None = None) -> np.ndarray:
        """Return the parameter's entries, flat. Each entry is in exactly one cell."""
        start, entries = self._start(what), np.zeros(size, memory.dtype)
        for first, index in self._pieces():
            used = index >= 0
            entries[index[used]] = memory[start + first : start + first + len(index)][used]
        return entries

    def _start(self, what: str | None) -> int:
        return self.value.offset + (self.beside(what) if what else 0)

    def _pieces(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the index in pieces, each with its first cell, so that temporary arrays stay small."""
        for first in range(0, len(self.index), _PIECE):
            yield first, self.index[first : first + _PIECE]

    # ---- Lanes that hold no weight must stay 0 -------------------------------------------------------------------

    def masks(self, vectors: int) -> list[LaneMask]:
        """Return, for vector v of every row of `vectors` vectors, which lanes may change."""
        used = (self.index >= 0).reshape(-1, vectors, self.block.machine.lanes)
        masks = []
        for v in range(vectors):
            same = bool((used[:, v] == used[0, v]).all())
            masks.append(LaneMask(self, tuple(bool(u) for u in used[0, v]) if same else None))
        return masks


@dataclass(frozen=True, eq=False)
class LaneMask:
    """Which lanes of a vector hold weights: the same ones in every row, or as a region beside the values says."""

    cells: ParameterCells
    lanes: tuple[bool, ...] | None

    def truth(self, f: Function, place: Address) -> Value | None:
        """Return the mask as a value; None if all lanes hold weights."""
        if self.lanes is None:
            return f.compare("une", f.load(place + self.cells.beside("mask")), 0.0)
        return None if all(self.lanes) else f.mask(self.lanes)


def state_region(state: str) -> str:
    """Return the name of the region for a state of the update rule, distinct from all other regions."""
    return f"state {state}"


def aligned_block(size: int, dtype: np.dtype) -> np.ndarray:
    """Return zeros that start on a whole vector of any processor (64 bytes)."""
    raw = np.zeros(size + 64 // dtype.itemsize, dtype)
    start = (-raw.ctypes.data % 64) // dtype.itemsize
    return raw[start : start + size]


def blocks(count: int, size: int) -> list[tuple[int, int, int]]:
    """Split `count` into blocks of `size` and a rest: (first, number of blocks, size of each)."""
    full, rest = divmod(count, size)
    return [part for part in ((0, full, size), (full * size, 1, rest)) if part[1] and part[2]]


def even_size(count: int, most: int) -> int:
    """Return the size of blocks of at most `most`, as even as can be."""
    return -(-count // -(-count // most))
