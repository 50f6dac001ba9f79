"""How the units of two layers are joined: explicit tables, and the structures that stand for them.

The counts, the fan-in and the weight sharing of a connection follow from its structure alone, even for 10^7 entries.
The explicit table states the same entry by entry. It is built on demand, and tests compare each structure with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from math import prod
from typing import Any

import numpy as np

BIAS = -1  # source of a bias in an explicit table
BORDER = -2  # source of a border cell in an explicit table

Fans = tuple[np.ndarray, np.ndarray]  # fan-in and fan-out of each weight


@dataclass(frozen=True, eq=False)
class Table:
    """An explicit connection table: three integer arrays of equal length, one entry per connection.

    `source` is a unit of the source layer, or BIAS or BORDER; `target` a unit of the target layer; `weight` the
    index into the flattened (C order) parameter. Entries are sorted by target, and for one target in reading order of
    its window (source map, row, column).
    """

    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class Dense:
    """A full connection of every source unit to every target unit; weight shape (source units, target units)."""

    sources: int
    targets: int

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return self.sources, self.targets

    @property
    def connections(self) -> int:
        return self.sources * self.targets

    def lines(self) -> np.ndarray:
        """Return the number of connections that enter each target unit, shape (target units,)."""
        return np.full(self.targets, self.sources)

    def sharers(self) -> np.ndarray:
        """Return the number of connections that use each weight, flat in C order of the weight shape."""
        return np.ones(self.connections, int)

    def last_user(self) -> np.ndarray:
        """Return the last target unit that uses each weight, flat in C order of the weight shape."""
        return np.tile(np.arange(self.targets), self.sources)

    def last_users(self) -> np.ndarray:
        """Return the different target units in `last_user`, each once."""
        return np.arange(self.targets)

    def owners(self) -> np.ndarray:
        """Return the target unit of each weight, flat in C order of the weight shape."""
        return self.last_user()

    def fans(self) -> Fans:
        """Return fan-in, the number of source units, and fan-out, the number of target units."""
        return np.asarray(self.sources), np.asarray(self.targets)

    def table(self) -> Table:
        """Return the explicit connection table."""
        target, source = np.divmod(np.arange(self.connections), self.sources)
        return Table(source, target, source * self.targets + target)


@dataclass(frozen=True, eq=False)
class Windows:
    """Rectangular windows over maps, for `mask`, `local` and `equal-mask`.

    Unit (i, j) of target map t reads the rows i*step[0]-border[0] ... +window[0]-1 of every source map s with
    `maps[s, t]`, and the columns by the same rule. Cells outside the map have the border value, or wrap around if
    `wrap`. `border` counts the cells above a map and to its left. `far_border` counts those below it and to its right;
    None means as many.

    Pairs of maps are numbered by target map, then source map. The weight shape begins with (target maps, k) if every
    target map has the same number k of source maps, else with (pairs,). For `local`, the rows and columns of the
    target follow; for all but `equal-mask`, the rows and columns of the window follow.
    """

    source: tuple[int, int, int]  # maps, rows, columns
    target: tuple[int, int, int]
    maps: np.ndarray  # bool, source maps x target maps
    window: tuple[int, int]
    step: tuple[int, int]
    border: tuple[int, int]
    wrap: bool
    sharing: (
        str  # "map": one window of weights per pair (mask); "unit": per unit (local); "pair": one weight (equal-mask)
    )
    far_border: tuple[int, int] | None = None

    @property
    def sides(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Border cells above and below a map, and to its left and right."""
        (top, left), (bottom, right) = self.border, self.border if self.far_border is None else self.far_border
        return (top, bottom), (left, right)

    @property
    def has_border(self) -> bool:
        """Whether a map has border cells on any side."""
        return any(map(any, self.sides))

    @cached_property
    def pairs(self) -> np.ndarray:
        """Target map of each pair, shape (pairs,)."""
        return np.repeat(np.arange(self.target[0]), self._sources_of_map)

    @cached_property
    def _sources_of_map(self) -> np.ndarray:
        count: np.ndarray = np.count_nonzero(self.maps, axis=0)
        return count

    @property
    def _cells(self) -> int:
        return self.window[0] * self.window[1]

    @property
    def _units(self) -> int:
        """Number of units of one target map."""
        return self.target[1] * self.target[2]

    @property
    def weight_shape(self) -> tuple[int, ...]:
        k = self._sources_of_map
        regular = bool((k == k[0]).all())
        pairs = (self.target[0], int(k[0])) if regular else (int(k.sum()),)
        return pairs + {"map": self.window, "unit": self.target[1:] + self.window, "pair": ()}[self.sharing]

    @property
    def connections(self) -> int:
        return int(self._sources_of_map.sum()) * self._units * self._cells

    def lines(self) -> np.ndarray:
        """Return how many connections enter each target unit, border cells included; shape (target units,)."""
        return np.repeat(self._sources_of_map * self._cells, self._units)

    def sharers(self) -> np.ndarray:
        """Return the number of connections that use each weight, flat in C order of the weight shape."""
        uses = {"map": self._units, "unit": 1, "pair": self._units * self._cells}[self.sharing]
        return np.full(prod(self.weight_shape), uses)

    def last_user(self) -> np.ndarray:
        """Return the last target unit that uses each weight, flat in C order of the weight shape."""
        first = self.pairs * self._units
        if self.sharing == "unit":
            return np.repeat(first[:, None] + np.arange(self._units), self._cells)
        return np.repeat(first + self._units - 1, self._cells if self.sharing == "map" else 1)

    def last_users(self) -> np.ndarray:
        """Return the different target units in `last_user`, each once."""
        first = np.flatnonzero(self._sources_of_map) * self._units
        if self.sharing == "unit":
            return (first[:, None] + np.arange(self._units)).ravel()
        return first + self._units - 1

    def owners(self) -> np.ndarray:
        """Return the target map of each weight, or the target unit if weights are not shared; flat in C order."""
        return self.last_user() if self.sharing == "unit" else self.last_user() // self._units

    def fans(self) -> Fans:
        """Return fan-in and fan-out of each weight; both broadcast to the weight shape.

        Fan-in is the number of cells that one target unit reads, border cells included: the number of source maps that
        feed it, times the cells of a window. Where units share weights (`mask`, `equal-mask`), fan-out is the number of
        target maps that the source map feeds, times the cells of a window. It does not depend on step and border. Where
        each unit has its own weights (`local`), fan-out is the number of windows that read the source unit, and 1 for a
        border cell.
        """
        target, source = np.nonzero(self.maps.T)  # of each pair of maps
        pairs = self.weight_shape[: len(self.weight_shape) - {"map": 2, "unit": 4, "pair": 0}[self.sharing]]
        shape = pairs + (1,) * (len(self.weight_shape) - len(pairs))
        fan_in = (self._sources_of_map[target] * self._cells).reshape(shape)
        fed = np.count_nonzero(self.maps, axis=1)[source].reshape(shape)
        return fan_in, fed * (self._windows_on_cell() if self.sharing == "unit" else self._cells)

    def _windows_on_cell(self) -> np.ndarray:
        """Return how many windows of one target map read the cell of each weight; 0 for a border cell.

        The shape is (target rows, target columns, window rows, window columns).
        """
        counts = []
        for axis in (0, 1):
            read = self._read(axis)
            windows = np.bincount(read[read >= 0], minlength=self.source[axis + 1])
            counts.append(np.where(read >= 0, windows[read], 0))
        rows, columns = counts
        return rows[:, None, :, None] * columns[None, :, None, :]

    def _read(self, axis: int) -> np.ndarray:
        """Return the source rows (axis 0) or columns (axis 1) that each target row reads; -1 outside the map.

        The shape is (target rows, window rows).
        """
        size = self.source[axis + 1]
        starts = np.arange(self.target[axis + 1]) * self.step[axis] - self.border[axis]
        read = starts[:, None] + np.arange(self.window[axis])
        return np.mod(read, size) if self.wrap else np.where((read >= 0) & (read < size), read, -1)

    @property
    def unread(self) -> tuple[int, int]:
        """Number of rows and of columns of a source map, its border included, that no window reaches."""
        return self._unread(0), self._unread(1)

    def _unread(self, axis: int) -> int:
        step, window, count = self.step[axis], self.window[axis], self.target[axis + 1]
        reached = count * window if step > window else (count - 1) * step + window
        if self.wrap:
            return max(0, self.source[axis + 1] - reached)
        return self.source[axis + 1] + sum(self.sides[axis]) - reached

    def table(self) -> Table:
        """Return the explicit connection table."""
        rows, columns = self._read(0), self._read(1)
        inside = (rows >= 0)[:, None, :, None] & (columns >= 0)[None, :, None, :]
        cell = np.where(inside, rows[:, None, :, None] * self.source[2] + columns[None, :, None, :], BORDER)
        cell = cell.reshape(self._units, 1, self._cells)
        area, unit = self.source[1] * self.source[2], np.arange(self._units)[:, None, None]
        sources, targets, weights, first = [], [], [], 0
        for t in range(self.target[0]):
            fed = np.flatnonzero(self.maps[:, t])[:, None]
            shape = (self._units, len(fed), self._cells)
            pair = first + np.arange(len(fed))[:, None]
            sources.append(np.where(cell >= 0, cell + fed * area, BORDER).ravel())
            targets.append(np.broadcast_to(t * self._units + unit, shape).ravel())
            weights.append(np.broadcast_to(self._weight(pair, unit), shape).ravel())
            first += len(fed)
        return Table(np.concatenate(sources), np.concatenate(targets), np.concatenate(weights))

    def _weight(self, pair: np.ndarray, unit: np.ndarray) -> np.ndarray:
        if self.sharing == "pair":
            return pair
        window = pair if self.sharing == "map" else pair * self._units + unit
        return window * self._cells + np.arange(self._cells)


@dataclass(frozen=True)
class Frames:
    """Time-delay windows (`tdnn`): target frame i reads all traits of frames i*step ... i*step+window-1.

    Unit number = frame * traits + trait. Weight shape (window, source traits, target traits).
    """

    source: tuple[int, int]  # frames, traits
    target: tuple[int, int]
    window: int
    step: int

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return self.window, self.source[1], self.target[1]

    @property
    def connections(self) -> int:
        return self.target[0] * prod(self.weight_shape)

    def lines(self) -> np.ndarray:
        """Return the number of connections that enter each target unit, shape (target units,)."""
        return np.full(self.target[0] * self.target[1], self.window * self.source[1])

    def sharers(self) -> np.ndarray:
        """Return the number of connections that use each weight, flat in C order of the weight shape."""
        return np.full(prod(self.weight_shape), self.target[0])

    def last_user(self) -> np.ndarray:
        """Return the last target unit that uses each weight, flat in C order of the weight shape."""
        last = (self.target[0] - 1) * self.target[1] + np.arange(self.target[1])
        return np.tile(last, self.window * self.source[1])

    def last_users(self) -> np.ndarray:
        """Return the different target units in `last_user`, each once."""
        return (self.target[0] - 1) * self.target[1] + np.arange(self.target[1])

    def owners(self) -> np.ndarray:
        """Return the target trait of each weight, flat in C order of the weight shape."""
        return self.last_user() % self.target[1]

    def fans(self) -> Fans:
        """Return fan-in, window times source traits, and fan-out, window times target traits, for any step."""
        return np.asarray(self.window * self.source[1]), np.asarray(self.window * self.target[1])

    @property
    def unread(self) -> int:
        """Number of source frames that no window reaches."""
        count = self.target[0]
        reached = count * self.window if self.step > self.window else (count - 1) * self.step + self.window
        return self.source[0] - reached

    def table(self) -> Table:
        """Return the explicit connection table."""
        (_, traits), (frames, outputs) = self.source, self.target
        lines = self.window * traits
        frame, output, line = np.ogrid[:frames, :outputs, :lines]
        shape = (frames, outputs, lines)
        return Table(
            np.broadcast_to(frame * self.step * traits + line, shape).ravel(),
            np.broadcast_to(frame * outputs + output, shape).ravel(),
            np.broadcast_to(line * outputs + output, shape).ravel(),
        )


Structure = Dense | Windows | Frames


@dataclass(frozen=True)
class MaxPooling:
    """Max pooling, `max-mask`: unit (i, j) of map k is the largest state of its window of map k of the source.

    The window has the rows i*step[0] ... +window[0]-1, and the columns by the same rule. The winner gets the whole
    gradient; of equal states the first in reading order wins, as in PyTorch.
    """

    source: tuple[int, int, int]  # maps, rows, columns
    target: tuple[int, int, int]
    window: tuple[int, int]
    step: tuple[int, int]

    def cells(self) -> np.ndarray:
        """Return the source units of each window in reading order, shape (target units, cells of a window)."""
        rows, columns = (
            np.arange(self.target[k + 1])[:, None] * self.step[k] + np.arange(self.window[k]) for k in (0, 1)
        )
        of_map = rows[:, None, :, None] * self.source[2] + columns[None, :, None, :]
        maps = np.arange(self.source[0]) * self.source[1] * self.source[2]
        cells: np.ndarray = (maps[:, None, None, None, None] + of_map).reshape(-1, self.window[0] * self.window[1])
        return cells


@dataclass(frozen=True)
class Normalization:
    """Layer normalisation, `normalize`: at each position, the maps get mean 0 and variance 1.

    y_m = (x_m - mean) / sqrt(variance + EPSILON), with mean and variance (divided by the number of maps) over
    the maps of one position (Ba, Kiros and Hinton 2016, section 3.1), without gain and bias. Unit number =
    map * positions + position.
    """

    maps: int
    positions: int

    EPSILON = 1e-5


@dataclass(frozen=True)
class Attention:
    """Attention, `attend`: softmax(q k / sqrt(maps of a head)) v over the positions, for each head.

    Multi-head scaled dot-product attention (Vaswani et al. 2017, section 3.2): head h has the maps h * size ...
    (h + 1) * size - 1 of all layers, size = maps / heads; every position of q attends to every position of k and v.
    """

    maps: int
    positions: int
    heads: int

    @property
    def size(self) -> int:
        """Number of maps of one head."""
        return self.maps // self.heads


@dataclass(frozen=True, eq=False)
class Wiring:
    """The connections that a scheme makes between two layers.

    `structure` tells an engine which fast kernel to use; None means that only the table states the connections.
    `connections` is the number of entries of the table, known without building it. `build` builds the table; use
    `table`, which caches it.
    """

    weight_shape: tuple[int, ...]
    connections: int
    structure: Structure | None
    build: Callable[[], Table]
    unread: tuple[int, int] = (0, 0)  # rows and columns of each source map (border included) that no window reaches

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what a pickle keeps: the structure, or else the table, whose function may be local."""
        build = partial(_finished, self.table) if self.structure is None else self.structure.table
        return Wiring, (self.weight_shape, self.connections, self.structure, build, self.unread)

    @cached_property
    def table(self) -> Table:
        return self.build()

    @property
    def weights(self) -> int:
        return prod(self.weight_shape)

    def lines(self, units: int) -> np.ndarray:
        """Return the number of connections that enter each of the `units` target units, border cells included."""
        if self.structure is not None:
            return self.structure.lines()
        return np.bincount(self.table.target, minlength=units)

    def sharers(self) -> np.ndarray:
        """Return the number of connections that use each weight, flat in C order of the weight shape."""
        if self.structure is not None:
            return self.structure.sharers()
        return np.bincount(self.table.weight, minlength=self.weights)

    def sharers_values(self) -> np.ndarray:
        """Return the values that occur in `sharers`: just one for a structure, which shares all weights equally."""
        if self.structure is None or not self.weights:
            return self.sharers()
        return np.array([self.connections // self.weights])

    def owners(self) -> np.ndarray:
        """Return the owner of each weight: the target map or trait where units share weights, else the target unit.

        Owners are numbered from 0 without gaps; the result is flat in C order of the weight shape.
        """
        owners = self.last_user() if self.structure is None else self.structure.owners()
        return np.unique(owners, return_inverse=True)[1].reshape(-1)

    @property
    def owner_count(self) -> int:
        """The number of owners of weights: target maps, traits or, where weights are not shared, target units."""
        return int(self.owners().max()) + 1 if self.structure is None else len(self.structure.last_users())

    def fans(self) -> Fans:
        """Return fan-in and fan-out of each weight, whole numbers from 1; both broadcast to the weight shape.

        They count the lines of this connection alone, without the bias. Fan-in is the number of lines that enter the
        receiving unit, border cells included. Fan-out is the number of lines that leave the sending unit, and 1 for a
        border cell. Where target maps share weights, both are counted per map (see `fans` of the structure). Where
        units of an explicit table share a weight, the last connection that uses it counts, as for F.
        """
        if self.structure is not None:
            fan_in, fan_out = self.structure.fans()
            return fan_in, np.maximum(fan_out, 1)
        table = self.table
        last = np.zeros(self.weights, int)
        last[table.weight] = np.arange(len(table.weight))  # if several share it, the last one wins
        sender, entering = table.source[last], np.bincount(table.target)
        leaving = np.bincount(table.source[table.source >= 0], minlength=1)
        return (
            entering[table.target[last]].reshape(self.weight_shape),
            np.where(sender >= 0, leaving[np.maximum(sender, 0)], 1).reshape(self.weight_shape),
        )

    def last_user(self) -> np.ndarray:
        """Return the last target unit that uses each weight, flat in C order of the weight shape."""
        if self.structure is not None:
            return self.structure.last_user()
        last = np.zeros(self.weights, int)
        last[self.table.weight] = self.table.target  # if several share it, the last one wins
        return last

    def last_users(self) -> np.ndarray:
        """Return the different target units in `last_user`, each once.

        A structure computes them without an array of all weights.
        """
        return np.unique(self.last_user()) if self.structure is None else self.structure.last_users()


def wire(structure: Structure, unread: tuple[int, int] = (0, 0)) -> Wiring:
    """Return the wiring of a structure.

    Parameters
    ----------
    structure : Dense, Windows or Frames
        All engines have fast code for these.
    unread : (int, int)
        Rows and columns of each source map, border included, that no window reaches. `show` prints them.
    """
    return Wiring(structure.weight_shape, structure.connections, structure, structure.table, unread)


def _finished(table: Table) -> Table:
    return table


def wire_table(weight_shape: tuple[int, ...], connections: int, build: Callable[[], Table]) -> Wiring:
    """Return the wiring of an explicit table: any way to join units, one entry per connection.

    Parameters
    ----------
    weight_shape : tuple of int
        Shape of the array of weights. Every weight must have a connection.
    connections : int
        Entries of the table.
    build : callable
        Returns the `Table`. It is called when the table is first needed, which counting a net is not.
    """
    return Wiring(weight_shape, connections, None, build)
