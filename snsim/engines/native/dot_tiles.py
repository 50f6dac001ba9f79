"""Sums of products whose lanes lie along the rows of windows: dense layers, shared windows, windows of own weights.

Takes a buffer of rows (im2col.py) and weights laid out alike, [set][position, if each has its own][target map][row of
the window][vectors]; emits the sums of the target. A tile of positions and target maps is kept in registers, each
register the partial sums of one unit in its lanes; at the end a tree of shuffles adds up each register's lanes.
"""

from __future__ import annotations

from dataclasses import dataclass

from snsim.engines.native.im2col import DirectBuffer, PatchBuffer, PoolBuffer, WindowBuffer, WindowLayout
from snsim.engines.native.layout import LayerCells, ParameterCells, blocks
from snsim.engines.native.llvm_ir import Function, Index, Value
from snsim.engines.native.target import Address, Machine
from snsim.engines.native.vector_math import sums_of

Buffer = DirectBuffer | WindowBuffer | PatchBuffer | PoolBuffer
_LONG = 4  # vectors in a row that are written out; longer rows become a loop


@dataclass(eq=False)
class Tiles:
    """One link, or the part of it whose windows have the same form: `sets` copies of the geometry one after the other.

    Set s reads its own copy in the buffer and feeds `targets` neighbouring maps from `first_target + s * targets` on.
    """

    buffer: Buffer
    cells: ParameterCells
    target: LayerCells
    sets: int
    set_stride: int  # in the buffer
    first_target: int
    targets: int
    own: bool  # whether each position has its own weights

    @property
    def row(self) -> int:
        """Numbers in a row of weights."""
        return self.windowing.vectors * self.cells.block.machine.lanes

    @property
    def unit(self) -> int:
        """Numbers in the weights of one target unit (of a position)."""
        return self.row * self.windowing.kernel_rows

    @property
    def windowing(self) -> WindowLayout:
        """Of what is read; what goes back may stand otherwise."""
        return self.buffer.x_windowing if not isinstance(self.buffer, DirectBuffer) else self.buffer.windowing

    @property
    def position_stride(self) -> int:
        return self.unit * self.targets if self.own else 0

    @property
    def set_weights(self) -> int:
        return self.unit * self.targets * (self.windowing.positions if self.own else 1)

    def window(self, place: Address, s: Index, i: Index, j: Index, where: WindowLayout) -> Address:
        return place.by(s, self.set_stride).by(i, where.row_step).by(j, where.column_step)

    def weights(self, s: Index, i: Index, j: Index, t: Index) -> Address:
        step = self.position_stride
        position = self.cells.value.by(s, self.set_weights).by(i, step * self.windowing.columns).by(j, step)
        return position.by(t, self.unit)

    def units(self, place: Address, s: Index, i: Index, j: Index, t: Index) -> Address:
        """The cell of target map t (of the set) at a position, in a region of the target."""
        maps = self.target.maps
        return (place + self.first_target).by(s, self.targets).by(i, maps * self.windowing.columns).by(j, maps).by(t, 1)


def tile_size(machine: Machine, targets: int, positions: int) -> tuple[int, int]:
    """(target maps, positions) of a tile: half of the registers hold sums, about as many maps as positions, so that
    each weight and each state that is loaded serves several products.
    """
    sums = machine.registers // 2
    side = 1
    while side * side < sums:
        side *= 2
    tile_targets = min(targets, sums if positions == 1 else side)
    tile_positions = max(1, min(positions, sums // tile_targets))
    return tile_targets, tile_positions


def emit_sums(f: Function, tiles: Tiles, first: bool) -> None:
    """Add to the sums of the target (or store them, if this is the first link)."""
    where = tiles.windowing
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
                units = units.by(jb, positions * tiles.target.maps)
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
    where, lanes = tiles.windowing, f.machine.lanes
    vectors = where.vectors

    def products(at_x: Address, at_w: Address, count: int, sums: list[Value]) -> list[Value]:
        """Of `count` vectors. The sums are numbered position * targets + map."""
        sums = list(sums)
        for v in range(count):
            x = [f.load(at_x + p * where.column_step + v * lanes) for p in range(positions)]
            for t in range(targets):
                for p in range(positions):
                    if p == 0 or tiles.own:
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
    if targets == tiles.target.maps:  # the units of the tile are neighbours
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
                _put(f, total, q * count, count, units + (p + q) * tiles.target.maps + t, first)


def _put(f: Function, value: Value, lane: int, count: int, place: Address, first: bool) -> None:
    """Lanes of a value to `count` cells; added to what is there unless it is the first."""
    if not first:
        width = f.machine.lanes
        there = f.load_first(place, count)
        if lane:
            there = f.shuffle(there, None, [max(k - lane, 0) for k in range(width)])
        value = value + there
    f.store_lanes(value, lane, count, place)
