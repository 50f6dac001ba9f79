"""im2col: copy a layer so that each window is contiguous, and col2im for the errors.

A buffer takes a layer and the geometry of windows. It has a region where the cells under a window are rows of
contiguous numbers (`WindowLayout` describes where), code that fills it, and code that adds the errors in its twin
`back` to the errors of the layer. Borders and wrapped cells are stored like any others, so no kernel has to test for
edges.

`DirectBuffer`: the layer itself. `WindowBuffer`: a padded copy of chosen maps. `PatchBuffer`: each window by itself.
`PoolBuffer`: the sum over each window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from snsim.engines.native.layout import POWER, Block, LayerCells
from snsim.engines.native.llvm_ir import Function, Index, Value
from snsim.engines.native.target import Address

At = Callable[[Address], Address]  # moves a place to the vector at hand


@dataclass(frozen=True)
class WindowLayout:
    """Where the windows lie in a buffer.

    Position (i, j) starts `i*row_step + j*column_step` numbers after the start of the buffer. It has `kernel_rows` rows
    `pitch` numbers apart, each of `vectors` vectors, the last padded with lanes of weight 0.
    """

    rows: Index  # positions
    columns: int
    row_step: int
    column_step: int
    kernel_rows: int
    pitch: int
    vectors: int

    @property
    def positions(self) -> int:
        assert isinstance(self.rows, int)
        return self.rows * self.columns


@dataclass(frozen=True, eq=False)
class WindowGeometry:
    """Windows over maps, as in `network.wiring.Windows`, without the table of maps."""

    rows: int  # of the target
    columns: int
    window: tuple[int, int]
    step: tuple[int, int]
    border: tuple[int, int] = (0, 0)
    wrap: bool = False
    border_value: float = 0.0
    scale: float = 1.0


class DirectBuffer:
    """The layer itself, read whole."""

    def __init__(self, layer: LayerCells, block: Block):
        self.layer, self.x, self.back = layer, layer.x, layer.delta
        self.layout = WindowLayout(1, 1, 0, 0, 1, 0, block.machine.padded(layer.units) // block.machine.lanes)

    def fill(self, f: Function) -> None:
        """Emit nothing: there is no copy."""

    def clear(self, f: Function, channels: Sequence[str]) -> None:
        """Emit nothing: kernels write to the layer themselves."""

    def col2im(self, f: Function, channels: Sequence[str], first: bool) -> None:
        """Emit nothing: there is no copy."""


class WindowBuffer:
    """For each set of maps a padded copy of the layer: rows of cells, the maps of the set innermost."""

    def __init__(
        self,
        layer: LayerCells,
        geometry: WindowGeometry,
        sets: Sequence[Sequence[int]],
        block: Block,
        channels: Sequence[str],
    ):
        """Make one copy for each of `sets`: places of maps (as stored), all of one length."""
        self.layer, self.geometry, self.sets = layer, geometry, [tuple(s) for s in sets]
        self.whole = self.sets == [tuple(range(layer.maps))]
        self.depth = len(self.sets[0])
        self.lanes = block.machine.lanes
        g = geometry
        self.size = tuple((n - 1) * s + w for n, s, w in zip((g.rows, g.columns), g.step, g.window))
        vectors = -(-g.window[1] * self.depth // self.lanes)
        ends = [vectors - (-(j * g.step[1] * self.depth) // self.lanes) for j in range(g.columns)]
        self.pitch = max(max(ends) * self.lanes, block.machine.padded(self.size[1] * self.depth))
        self.stride = self.pitch * self.size[0] + self.lanes  # from one set to the next
        self.back = {c: block.cells.take(self.stride * len(self.sets)) for c in channels}
        plain = self.whole and g.border == (0, 0) and not g.wrap and g.scale == 1.0
        self.direct = plain and self.size[0] <= layer.rows and self.size[1] <= layer.columns
        x_pitch = layer.columns * layer.maps if self.direct else self.pitch
        self.x = layer.x if self.direct else block.cells.take_filled(self._borders())
        self.x_layout = self._layout_of(x_pitch, vectors)
        self.layout = self._layout_of(self.pitch, vectors)  # of `back`

    def _layout_of(self, pitch: int, vectors: int) -> WindowLayout:
        g = self.geometry
        return WindowLayout(g.rows, g.columns, g.step[0] * pitch, g.step[1] * self.depth, g.window[0], pitch, vectors)

    def _borders(self) -> np.ndarray:
        cells = np.zeros((self.size[0], self.pitch))
        cells[:, : self.size[1] * self.depth] = self.geometry.border_value * self.geometry.scale
        return np.tile(np.append(cells.ravel(), np.zeros(self.lanes)), len(self.sets))

    def _segments(self, axis: int) -> list[tuple[int, int, int]]:
        """Return where rows or columns of the layer lie: (first in the copy, first in the layer, how many)."""
        g, size, extent = self.geometry, self.size[axis], (self.layer.rows, self.layer.columns)[axis]
        border = g.border[axis]
        if not g.wrap:
            count = min(extent, size - border)
            return [(border, 0, count)] if count > 0 else []
        segments, at = [], 0
        while at < size:
            start = (at - border) % extent
            count = min(extent - start, size - at)
            segments.append((at, start, count))
            at += count
        return segments

    def _covers_once(self) -> bool:
        return all(
            self._segments(axis) == [(self.geometry.border[axis], 0, n)]
            for axis, n in enumerate((self.layer.rows, self.layer.columns))
        )

    @property
    def divides_layer(self) -> bool:
        """Return whether each cell of the layer lies in one window, and in one only."""
        g = self.geometry
        covered = self.whole and self._covers_once() and g.border == (0, 0) and not g.wrap
        return covered and g.step == g.window and self.size == (self.layer.rows, self.layer.columns)

    def fill(self, f: Function) -> None:
        if self.direct:
            return
        f.comment(f"copy of {self.layer.name} for windows")
        for to_row, from_row, rows in self._segments(0):
            for to_column, from_column, columns in self._segments(1):
                source = self.layer.x + (from_row * self.layer.columns + from_column) * self.layer.maps
                target = self.x + to_row * self.pitch + to_column * self.depth
                self._fill_rows(f, source, target, rows, columns)

    def scaled(self, f: Function, value: Value, power: int = 1) -> Value:
        scale = self.geometry.scale**power
        return value if scale == 1.0 else value * scale

    def _fill_rows(self, f: Function, source: Address, target: Address, rows: int, columns: int) -> None:
        step = self.layer.columns * self.layer.maps
        f.loop(rows, lambda i, _: self._fill_row(f, source.by(i, step), target.by(i, self.pitch), columns), name="row")

    def _fill_row(self, f: Function, source: Address, target: Address, columns: int) -> None:
        if self.whole:
            each_vector(
                f,
                columns * self.depth,
                lambda at, n: f.store_lanes(self.scaled(f, f.load(at(source))), 0, n, at(target)),
            )
            return

        def position(j: Index, _: list[Value]) -> None:
            here = source.by(j, self.layer.maps)
            vectors = [self.scaled(f, f.load(here + v)) for v in range(0, self.layer.maps, self.lanes)]
            for number, maps in enumerate(self.sets):
                there = (target + number * self.stride).by(j, self.depth)
                for v in range(0, self.depth, self.lanes):
                    part = maps[v : v + self.lanes]
                    f.store_lanes(pick_lanes(f, vectors, part), 0, len(part), there + v)

        f.loop(columns, position, name="column")

    def clear(self, f: Function, channels: Sequence[str]) -> None:
        for c in channels:
            zero_fill(f, self.back[c], self.stride * len(self.sets))

    def col2im(self, f: Function, channels: Sequence[str], first: bool) -> None:
        f.comment(f"errors that windows send to {self.layer.name}")
        for c in channels:
            adds = not first or not self._covers_once()
            if first and adds:
                zero_fill(f, self.layer.delta[c], self.layer.units)
            for in_row, to_row, rows in self._segments(0):
                for in_column, to_column, columns in self._segments(1):
                    source = self.back[c] + in_row * self.pitch + in_column * self.depth
                    target = self.layer.delta[c] + (to_row * self.layer.columns + to_column) * self.layer.maps
                    self._drain_rows(f, source, target, rows, columns, POWER[c], adds)

    def _drain_rows(
        self, f: Function, source: Address, target: Address, rows: int, columns: int, power: int, adds: bool
    ) -> None:
        step = self.layer.columns * self.layer.maps
        f.loop(
            rows,
            lambda i, _: self._drain_row(f, source.by(i, self.pitch), target.by(i, step), columns, power, adds),
            name="row",
        )

    def _drain_row(self, f: Function, source: Address, target: Address, columns: int, power: int, adds: bool) -> None:
        def put(value: Value, count: int, place: Address) -> None:
            value = self.scaled(f, value, power)
            f.store_lanes(value + f.load(place) if adds else value, 0, count, place)

        if self.whole:
            each_vector(f, columns * self.depth, lambda at, n: put(f.load(at(source)), n, at(target)))
            return

        def position(j: Index, _: list[Value]) -> None:
            here, there = source.by(j, self.depth), target.by(j, self.layer.maps)
            for v in range(0, self.layer.maps, self.lanes):
                count, total = min(self.lanes, self.layer.maps - v), None
                for number, maps in enumerate(self.sets):
                    where = [maps.index(m) if m in maps else -1 for m in range(v, v + count)]
                    if max(where) >= 0:
                        vectors = [f.load(here + number * self.stride + d) for d in range(0, self.depth, self.lanes)]
                        value = pick_lanes(f, vectors, where)
                        total = value if total is None else total + value
                put(f.zero if total is None else total, count, there + v)

        f.loop(columns, position, name="column")


class PatchBuffer:
    """Each window by itself, with all its rows in one: for windows whose rows would fill vectors badly."""

    def __init__(self, window: WindowBuffer, block: Block, channels: Sequence[str]):
        self.window = window
        self.row = window.geometry.window[1] * window.depth
        g = window.geometry
        self.length = block.machine.padded(self.row * g.window[0])
        self.stride = self.length * g.rows * g.columns + block.machine.lanes
        self.x = block.cells.take(self.stride * len(window.sets))
        self.back = {c: block.cells.take(self.stride * len(window.sets)) for c in channels}
        self.layout = self.x_layout = WindowLayout(
            1, g.rows * g.columns, 0, self.length, 1, 0, self.length // block.machine.lanes
        )

    def fill(self, f: Function) -> None:
        self.window.fill(f)

        def move(wide: Address, narrow: Address) -> None:
            # Lanes past the row are overwritten by the next one.
            each_vector(f, self.row, lambda at, n: f.store(f.load(at(wide)), at(narrow)))

        self._each_row(f, self.window.x, self.window.x_layout, self.x, move)

    def clear(self, f: Function, channels: Sequence[str]) -> None:
        """Emit nothing: every window is written whole."""

    def col2im(self, f: Function, channels: Sequence[str], first: bool) -> None:
        self.window.clear(f, channels)

        def add(wide: Address, narrow: Address) -> None:
            def vector(at: At, n: int) -> None:
                f.store_lanes(f.load(at(narrow)) + f.load(at(wide)), 0, n, at(wide))

            each_vector(f, self.row, vector)

        for c in channels:
            self._each_row(f, self.window.back[c], self.window.layout, self.back[c], add)
        self.window.col2im(f, channels, first)

    def _each_row(
        self,
        f: Function,
        window: Address,
        where: WindowLayout,
        patch: Address,
        move: Callable[[Address, Address], None],
    ) -> None:
        """Emit `move(address in the window, address in the patch)` for every row of every window."""

        def rows(s: Index, i: Index, j: Index) -> None:
            wide = window.by(s, self.window.stride).by(i, where.row_step).by(j, where.column_step)
            narrow = patch.by(s, self.stride).by(i, self.length * where.columns).by(j, self.length)
            for k in range(where.kernel_rows):
                move(wide + k * where.pitch, narrow + k * self.row)

        f.nest({"set": len(self.window.sets), "row": where.rows, "column": where.columns}, rows)


class PoolBuffer:
    """The sum over each window, for every map: position * padded maps + map."""

    def __init__(self, window: WindowBuffer, block: Block, channels: Sequence[str]):
        self.window = window
        g, self.depth = window.geometry, window.depth
        self.length = block.machine.padded(self.depth)
        self.x = block.cells.take(self.length * g.rows * g.columns)
        self.squares = block.cells.take(self.length * g.rows * g.columns)
        self.back = {c: block.cells.take(self.length * g.rows * g.columns) for c in channels}
        self.layout = self.x_layout = WindowLayout(
            1, g.rows * g.columns, 0, self.length, 1, 0, self.length // block.machine.lanes
        )

    def _each(
        self,
        f: Function,
        window: Address,
        where: WindowLayout,
        pool: Address,
        act: Callable[[list[Address], Address], None],
    ) -> None:
        """Emit `act(addresses of the cells, address of the sum)` for every window."""
        width = self.window.geometry.window[1]

        def position(i: Index, j: Index) -> None:
            at = window.by(i, where.row_step).by(j, where.column_step)
            cells = [at + k * where.pitch + m * self.depth for k in range(where.kernel_rows) for m in range(width)]
            act(cells, pool.by(i, self.length * where.columns).by(j, self.length))

        f.nest({"row": where.rows, "column": where.columns}, position)

    def fill(self, f: Function) -> None:
        self.window.fill(f)
        self._fill_sums(f, self.x, lambda x: x)

    def fill_squares(self, f: Function) -> None:
        """Emit the sums of squares into `squares`.

        The curvature of a weight that all cells of a window share is made of them.
        """
        self._fill_sums(f, self.squares, lambda x: x * x)

    def _fill_sums(self, f: Function, pool: Address, power: Callable[[Value], Value]) -> None:
        def total(cells: list[Address], pool: Address) -> None:
            def chunk(at: At, n: int) -> None:
                value = power(f.load(at(cells[0])))
                for cell in cells[1:]:
                    value = value + power(f.load(at(cell)))
                f.store(value, at(pool))

            each_vector(f, self.depth, chunk)

        self._each(f, self.window.x, self.window.x_layout, pool, total)

    def clear(self, f: Function, channels: Sequence[str]) -> None:
        """Emit nothing: every sum is written."""

    def col2im(self, f: Function, channels: Sequence[str], first: bool) -> None:
        if self.window.divides_layer:
            for c in channels:
                self._send_to_layer(f, c, first)
            return
        self.window.clear(f, channels)

        def spread(cells: list[Address], pool: Address) -> None:
            def chunk(at: At, n: int) -> None:
                value = f.load(at(pool))
                for cell in cells:
                    f.store_lanes(value + f.load_first(at(cell), n), 0, n, at(cell))

            each_vector(f, self.depth, chunk)

        for c in channels:
            self._each(f, self.window.back[c], self.window.layout, self.back[c], spread)
        self.window.col2im(f, channels, first)

    def _send_to_layer(self, f: Function, channel: str, first: bool) -> None:
        """Emit the errors of all cells of the layer, each of which lies in one window."""
        g, layer, lanes = self.window.geometry, self.window.layer, f.machine.lanes
        row = layer.columns * layer.maps
        cells = g.window[1] if g.window[1] * layer.maps <= lanes else 1  # in a vector

        def position(i: Index, j: Index) -> None:
            def chunk(at: At, n: int) -> None:
                value = self.window.scaled(f, f.load(at(pool)), POWER[channel])
                value = value if cells == 1 else f.shuffle(value, None, [k % layer.maps for k in range(lanes)])
                for k in range(g.window[0]):
                    for m in range(0, g.window[1], cells):
                        there = at(place) + (k * row + m * layer.maps)
                        total = value if first else value + f.load_first(there, n * cells)
                        f.store_lanes(total, 0, n * cells, there)

            pool = self.back[channel].by(i, self.length * g.columns).by(j, self.length)
            place = layer.delta[channel].by(i, g.window[0] * row).by(j, g.window[1] * layer.maps)
            each_vector(f, self.depth, chunk)

        f.nest({"row": g.rows, "column": g.columns}, position)


_UNROLLED = 8  # vectors that are written out; more become a loop


def each_vector(f: Function, count: int, act: Callable[[At, int], Any]) -> None:
    """Emit `act(at, n)` for every vector of `count` numbers: `at` moves an address there, and n lanes are used."""
    lanes = f.machine.lanes
    full, rest = divmod(count, lanes)
    if full > _UNROLLED:
        f.loop(full, lambda v, _: act(lambda place: place.by(v, lanes), lanes), name="vector")
    else:
        for v in range(full):

            def there(place: Address, v: int = v) -> Address:
                return place + v * lanes

            act(there, lanes)
    if rest:
        act(lambda place: place + full * lanes, rest)


def zero_fill(f: Function, place: Address, count: int) -> None:
    """Emit zeros for `count` numbers and the rest of their last vector."""
    each_vector(f, count, lambda at, n: f.store(f.zero, at(place)))


def pick_lanes(f: Function, vectors: Sequence[Value], lanes: Sequence[int]) -> Value:
    """Return the vector whose lane k is number lanes[k] of the vectors laid end to end; 0 where that is -1."""
    width = f.machine.lanes
    wanted = [*lanes, *[-1] * (width - len(lanes))]
    result = f.zero
    for number, vector in enumerate(vectors):
        inside = [k for k, lane in enumerate(wanted) if lane // width == number and lane >= 0]
        if not inside:
            continue
        if len(inside) == width and [wanted[k] % width for k in inside] == list(range(width)):
            return vector
        result = f.shuffle(vector, result, [wanted[k] % width if k in inside else width + k for k in range(width)])
    return result
