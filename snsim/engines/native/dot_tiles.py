"""Sums of products with lanes along the rows of windows: dense layers, shared windows, local windows.

The kernel reads a buffer of rows (im2col.py) and weights in the same order, [set][position, if unshared][target
map][row of the window][vectors], and emits the sums of the target. A tile of positions and target maps stays in
registers; each register holds the partial sums of one unit in its lanes. At the end a tree of shuffles adds up the
lanes of each register.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from snsim.engines.native.im2col import DirectBuffer, PatchBuffer, PoolBuffer, WindowBuffer, WindowLayout
from snsim.engines.native.layout import LayerCells, ParameterCells, blocks
from snsim.engines.native.llvm_ir import Function, Index, Value
from snsim.engines.native.target import Address, Machine
from snsim.engines.native.vector_math import sums_of

Buffer = DirectBuffer | WindowBuffer | PatchBuffer | PoolBuffer
_LONG = 4  # vectors in a row that are written out; longer rows become a loop


@dataclass(frozen=True)
class PatternGroup:
    """Patterns of a group as the positions of windows: `rows` times `columns` neighbouring patterns."""

    rows: Index
    columns: int


@dataclass(eq=False)
class Tiles:
    """One link, or the part of it whose windows have the same form: `sets` copies of the geometry, one after the other.

    Set s reads its own copy in the buffer and feeds `targets` neighbouring maps from `first_target + s * targets` on.
    """

    buffer: Buffer
    cells: ParameterCells
    target: LayerCells
    sets: int
    set_stride: int  # in the buffer
    first_target: int
    targets: int
    unshared: bool  # whether each position has its own weights
    patterns: PatternGroup | None = None  # in place of the one position

    def over(self, patterns: PatternGroup) -> Tiles:
        """Return this link, of one position, with the patterns of a group as positions that share the weights."""
        return replace(self, patterns=patterns, unshared=False)

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
        layout = self.buffer.layout if isinstance(self.buffer, DirectBuffer) else self.buffer.x_layout
        if self.patterns is None:
            return layout
        (rows, columns), pitch = (self.patterns.rows, self.patterns.columns), self.cells.block.pitch
        return replace(layout, rows=rows, columns=columns, row_step=columns * pitch, column_step=pitch)

    @property
    def unit_step(self) -> int:
        """Return the distance between the target units of neighbouring positions."""
        return self.target.maps if self.patterns is None else self.cells.block.pitch

    @property
    def position_stride(self) -> int:
        return self.unit * self.targets if self.unshared else 0

    @property
    def set_weights(self) -> int:
        return self.unit * self.targets * (self.layout.positions if self.unshared else 1)

    def window(self, place: Address, s: Index, i: Index, j: Index, where: WindowLayout) -> Address:
        return place.by(s, self.set_stride).by(i, where.row_step).by(j, where.column_step)

    def weights(self, s: Index, i: Index, j: Index, t: Index) -> Address:
        step = self.position_stride
        position = self.cells.value.by(s, self.set_weights).by(i, step * self.layout.columns).by(j, step)
        return position.by(t, self.unit)

    def units(self, place: Address, s: Index, i: Index, j: Index, t: Index) -> Address:
        """Return the address of the unit at position (i, j) of target map t of set s, in memory from `place` on."""
        step = self.unit_step
        return (place + self.first_target).by(s, self.targets).by(i, step * self.layout.columns).by(j, step).by(t, 1)


def tile_size(machine: Machine, targets: int, positions: int) -> tuple[int, int]:
    """Return the (target maps, positions) of a tile.

    Half of the registers hold sums, about as many maps as positions, so that each loaded weight and each loaded state
    serves several products.
    """
    sums = machine.registers // 2
    side = 1
    while side * side < sums:
        side *= 2
    tile_targets = min(targets, sums if positions == 1 else side)
    tile_positions = max(1, min(positions, sums // tile_targets))
    return tile_targets, tile_positions


def emit_sums(f: Function, tiles: Tiles, first: bool) -> None:
    """Emit the sums of the target: stored if this is the first link, else added."""
    where = tiles.layout
    tile_targets, tile_positions = tile_size(f.machine, tiles.targets, where.columns)
    for t0, target_blocks, targets in blocks(tiles.targets, tile_targets):
        for j0, position_blocks, positions in blocks(where.columns, tile_positions):

            def tile(
                s: Index,
                tb: Index,
                i: Index,
                jb: Index,
                t0: int = t0,
                targets: int = targets,
                j0: int = j0,
                positions: int = positions,
            ) -> None:
                window = tiles.window(tiles.buffer.x, s, i, j0, where).by(jb, positions * where.column_step)
                weights = tiles.weights(s, i, j0, t0).by(tb, targets * tiles.unit)
                weights = weights.by(jb, positions * tiles.position_stride)
                units = tiles.units(tiles.target.x, s, i, j0, t0).by(tb, targets)
                units = units.by(jb, positions * tiles.unit_step)
                _emit_tile(f, tiles, window, weights, units, targets, positions, first)

            f.nest({"set": tiles.sets, "maps": target_blocks, "row": where.rows, "positions": position_blocks}, tile)


def _emit_tile(
    f: Function,
    tiles: Tiles,
    window: Address,
    weights: Address,
    units: Address,
    targets: int,
    positions: int,
    first: bool,
) -> None:
    where, lanes = tiles.layout, f.machine.lanes
    vectors = where.vectors

    def products(at_x: Address, at_w: Address, count: int, sums: list[Value]) -> list[Value]:
        """Add the products of `count` vectors to the sums, which are numbered position * targets + map."""
        sums = list(sums)
        for v in range(count):
            x = [f.load(at_x + p * where.column_step + v * lanes) for p in range(positions)]
            for t in range(targets):
                for p in range(positions):
                    if p == 0 or tiles.unshared:
                        w = f.load(at_w + p * tiles.position_stride + t * tiles.unit + v * lanes)
                    k = p * targets + t
                    sums[k] = f.fma(w, x[p], sums[k])
        return sums

    def row(k: Index, sums: list[Value]) -> list[Value]:
        at_x, at_w = window.by(k, where.pitch), weights.by(k, tiles.row)
        if vectors <= _LONG:
            return products(at_x, at_w, vectors, sums)
        return f.loop(vectors, lambda v, now: products(at_x.by(v, lanes), at_w.by(v, lanes), 1, now), sums, "vector")

    start = [f.zero] * (targets * positions)
    sums = f.loop(where.kernel_rows, row, start, "window")
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
