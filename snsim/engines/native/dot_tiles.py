"""Sums of products with lanes along the rows of windows: dense layers, shared windows, local windows.

The kernel reads a buffer of rows (im2col.py) and weights in the same order, [set][position, if unshared][target
map][row of the window][vectors], and emits the sums of the target. A tile of positions and target maps stays in
registers; each register holds the partial sums of one unit in its lanes. At the end a tree of shuffles adds up the
lanes of each register. With the patterns of a group as positions, long rows are taken in parts, so that the states of
all patterns in a part stay in the cache; between the parts the registers are kept in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from snsim.engines.native.im2col import DirectBuffer, PatchBuffer, PoolBuffer, WindowBuffer, WindowLayout
from snsim.engines.native.layout import LayerCells, ParameterCells, blocks, even_size
from snsim.engines.native.llvm_ir import Function, Index, Value
from snsim.engines.native.target import Address, Machine
from snsim.engines.native.vector_math import sums_of

Buffer = DirectBuffer | WindowBuffer | PatchBuffer | PoolBuffer
_LONG = 4  # vectors in a row that are written out; longer rows become a loop
_WHOLE = 8192  # bytes of a row up to which it is read whole: those of 64 patterns fit into the second cache
_PART = 2048  # bytes of a row that are read for all patterns of a group before the next part
_TILES = 8  # whose sums are kept from part to part


@dataclass(frozen=True)
class PatternGroup:
    """Patterns of a group as the positions of windows: `rows` times `columns` neighbouring patterns."""

    rows: Index
    columns: int


@dataclass(eq=False)
class Tiles:
    """One link, or the part of it whose windows have the same form: `sets` copies of the geometry, one after the other.

    Set s reads its own copy in the buffer and feeds `targets` neighbouring maps from `s * targets` on.
    """

    buffer: Buffer
    cells: ParameterCells
    target: LayerCells
    unshared: bool  # whether each position has its own weights
    sets: int = 1
    set_stride: int = 0  # in the buffer
    patterns: PatternGroup | None = None  # in place of positions
    position: Index = 0  # from which all addresses count

    def over(self, patterns: PatternGroup) -> Tiles:
        """Return this link at its one `position`, with the patterns of a group as positions that share the weights."""
        return replace(self, patterns=patterns)

    @property
    def targets(self) -> int:
        return self.target.maps // self.sets

    @property
    def x(self) -> Address:
        return self.buffer.x.by(self.position, self._windows.column_step)

    def back(self, channel: str) -> Address:
        return self.buffer.back[channel].by(self.position, self._windows.column_step)

    @property
    def row(self) -> int:
        """Return how many numbers a row of weights has."""
        return self.layout.vectors * self.cells.block.machine.lanes

    @property
    def unit(self) -> int:
        """Return how many numbers the weights of one target unit (of a position) have."""
        return self.row * self.layout.kernel_rows

    @property
    def layout(self) -> WindowLayout:
        """Return the layout of the windows that are read; the backward buffer may have another one."""
        layout = self._windows
        if self.patterns is None:
            return layout
        (rows, columns), pitch = (self.patterns.rows, self.patterns.columns), self.cells.block.pitch
        return replace(layout, rows=rows, columns=columns, row_step=columns * pitch, column_step=pitch)

    @property
    def _windows(self) -> WindowLayout:
        return self.buffer.layout if isinstance(self.buffer, DirectBuffer) else self.buffer.x_layout

    @property
    def positions(self) -> int:
        """Return how many positions have weights of their own."""
        return self._windows.positions if self.unshared else 1

    @property
    def unit_step(self) -> int:
        """Return the distance between the target units of neighbouring positions."""
        return self.target.maps if self.patterns is None else self.cells.block.pitch

    @property
    def position_stride(self) -> int:
        return self.unit * self.targets if self.unshared and self.patterns is None else 0

    @property
    def set_weights(self) -> int:
        return self.unit * self.targets * self.positions

    def window(self, place: Address, s: Index, i: Index, j: Index, where: WindowLayout) -> Address:
        return place.by(s, self.set_stride).by(i, where.row_step).by(j, where.column_step)

    def weights(self, s: Index, i: Index, j: Index, t: Index) -> Address:
        step = self.position_stride
        position = self.cells.value.by(s, self.set_weights).by(self.position, self.unit * self.targets)
        return position.by(i, step * self.layout.columns).by(j, step).by(t, self.unit)

    def units(self, place: Address, s: Index, i: Index, j: Index, t: Index) -> Address:
        """Return the address of the unit at position (i, j) of target map t of set s, in memory from `place` on."""
        step, first = self.unit_step, place.by(self.position, self.target.maps)
        return first.by(s, self.targets).by(i, step * self.layout.columns).by(j, step).by(t, 1)


def tile_size(machine: Machine, targets: int, positions: int, of_patterns: bool) -> tuple[int, int]:
    """Return the (target maps, positions) of a tile.

    Half of the registers hold sums, about as many maps as positions, so that each loaded weight and each loaded state
    serves several products. With patterns as positions, all registers do but those for the states and a weight.
    """
    sums = machine.registers // 2
    side = 1
    while side * side < sums:
        side *= 2
    tile_targets = min(targets, sums if positions == 1 else side)
    if of_patterns and positions > 1:
        return min(targets, max(1, (machine.registers - 1 - positions) // positions)), positions
    return tile_targets, max(1, min(positions, sums // tile_targets))


def _parts_of_rows(tiles: Tiles) -> list[tuple[int, int, int]]:
    """Return the whole row, or its first part, those between, and the last: (first vector, times, vectors of each)."""
    whole, machine = tiles.layout.vectors, tiles.cells.block.machine
    vector = machine.lanes * machine.dtype.itemsize
    if tiles.patterns is None or tiles.layout.kernel_rows > 1 or whole * vector <= _WHOLE:
        return [(0, 1, whole)]
    size = even_size(whole, max(1, _PART // vector))
    count = -(-whole // size)
    between = [(size, count - 2, size)] if count > 2 else []
    return [(0, 1, size), *between, ((count - 1) * size, 1, whole - (count - 1) * size)]


def emit_sums(f: Function, tiles: Tiles, first: bool) -> None:
    """Emit the sums of the target: stored if this is the first link, else added."""
    where, lanes, block = tiles.layout, f.machine.lanes, tiles.cells.block
    tile_targets, tile_positions = tile_size(f.machine, tiles.targets, where.columns, tiles.patterns is not None)
    parts = _parts_of_rows(tiles)
    at_once = tiles.targets if len(parts) == 1 else min(tiles.targets, _TILES * tile_targets)
    kept = block.scratch(f, at_once * block.patterns * lanes) if len(parts) > 1 else Address(0)

    def emit_tiles(
        s: Index,
        g: Index,
        t0: int,
        size: int,
        target_blocks: int,
        targets: int,
        part: tuple[int, int, int],
        divided: Sequence[str],
    ) -> None:
        """Emit a part of the sums of `target_blocks` times `targets` target maps, from t0 + g * size on."""
        start, times, vectors = part
        for j0, position_blocks, positions in blocks(where.columns, tile_positions):

            def tile(k: Index, tb: Index, i: Index, jb: Index, j0: int = j0, positions: int = positions) -> None:
                window = tiles.window(tiles.x, s, i, j0, where).by(jb, positions * where.column_step)
                weights = tiles.weights(s, i, j0, t0).by(g, size * tiles.unit).by(tb, targets * tiles.unit)
                weights = weights.by(jb, positions * tiles.position_stride)
                units = tiles.units(tiles.target.x, s, i, j0, t0).by(g, size).by(tb, targets)
                units = units.by(jb, positions * tiles.unit_step)
                window, weights = (at.by(k, vectors * lanes) + start * lanes for at in (window, weights))
                all_patterns, count = block.patterns * lanes, targets * positions
                place = (kept + t0 % at_once * all_patterns).by(tb, targets * all_patterns).by(i, count * lanes)
                sums = [f.load(place + n * lanes) if start else f.zero for n in range(count)]
                if tiles.patterns is not None:  # each tile fetches its share of the weights of the next maps
                    share = -(-vectors * positions // block.patterns)
                    ahead = weights.by(i, share * lanes) + targets * tiles.unit
                    for t in range(targets):
                        for v in range(share):
                            f.prefetch(ahead + (t * tiles.unit + v * lanes), False)
                sums = _sums_of_tile(f, tiles, window, weights, targets, positions, vectors, sums)
                if part is parts[-1]:
                    return _put_tile(f, tiles, sums, units, targets, positions, first)
                for n, value in enumerate(sums):
                    f.store(value, place + n * lanes)

            counts = {"part": times, "maps": target_blocks, "row": where.rows, "positions": position_blocks}
            f.nest(counts, tile, divided)

    for g0, groups, size in blocks(tiles.targets, at_once):
        outer, inner = (("group",), ()) if f.shares_evenly(groups) else ((), ("maps", "row"))

        def group(s: Index, g: Index, g0: int = g0, size: int = size, inner: Sequence[str] = inner) -> None:
            for part in parts:
                for t0, target_blocks, targets in blocks(size, tile_targets):
                    emit_tiles(s, g, g0 + t0, size, target_blocks, targets, part, inner)

        f.nest({"set": tiles.sets, "group": groups}, group, outer)


def _sums_of_tile(
    f: Function,
    tiles: Tiles,
    window: Address,
    weights: Address,
    targets: int,
    positions: int,
    vectors: int,
    sums: list[Value],
) -> list[Value]:
    """Emit the sums plus the products of `vectors` vectors of each row. They are numbered position * targets + map."""
    where, lanes = tiles.layout, f.machine.lanes

    def products(at_x: Address, at_w: Address, count: int, sums: list[Value]) -> list[Value]:
        """Add the products of `count` vectors to the sums."""
        sums = list(sums)
        for v in range(count):
            x = [f.load(at_x + p * where.column_step + v * lanes) for p in range(positions)]
            for t in range(targets):
                for p in range(positions):
                    if p == 0 or tiles.position_stride:
                        w = f.load(at_w + p * tiles.position_stride + t * tiles.unit + v * lanes)
                    k = p * targets + t
                    sums[k] = f.fma(w, x[p], sums[k])
            sums = f.in_order(sums)
        return sums

    def row(k: Index, sums: list[Value]) -> list[Value]:
        at_x, at_w = window.by(k, where.pitch), weights.by(k, tiles.row)
        if vectors <= _LONG:
            return products(at_x, at_w, vectors, sums)
        return f.loop(vectors, lambda v, now: products(at_x.by(v, lanes), at_w.by(v, lanes), 1, now), sums, "vector")

    return f.loop(where.kernel_rows, row, sums, "window")


def _put_tile(
    f: Function, tiles: Tiles, sums: list[Value], units: Address, targets: int, positions: int, first: bool
) -> None:
    """Emit the sums of the lanes of each register: stored if `first`, else added."""
    lanes = f.machine.lanes
    if targets == tiles.unit_step:  # the units of the tile are neighbours
        for k in range(0, len(sums), lanes):
            _put(f, sums_of(f, sums[k : k + lanes]), 0, min(lanes, len(sums) - k), units + k, first)
        return
    per = max(1, lanes // targets)  # positions whose sums fill one vector
    for p in range(0, positions, per):
        some = min(per, positions - p)
        for t in range(0, targets, lanes):
            count = min(lanes, targets - t)
            group = [sums[(p + q) * targets + t + u] for q in range(some) for u in range(count)]
            total = sums_of(f, group)
            for q in range(some):
                _put(f, total, q * count, count, units + (p + q) * tiles.unit_step + t, first)


def _put(f: Function, value: Value, lane: int, count: int, place: Address, first: bool) -> None:
    """Emit the store of `count` lanes of a value, from `lane` on: stored if `first`, else added."""
    if not first:
        width = f.machine.lanes
        there = f.load_first(place, count)
        if lane:
            there = f.shuffle(there, None, [max(k - lane, 0) for k in range(width)])
        value = value + there
    f.store_lanes(value, lane, count, place)
