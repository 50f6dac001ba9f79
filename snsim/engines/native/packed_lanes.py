"""Shared windows with lanes along target maps and neighbouring positions.

For targets of so few maps that several positions fit into one vector, and sources of few maps that need no errors. Lane
`map * positions + position` of a vector. The kernel reads what map_lanes.py reads. The sums have the order of
map_lanes.py; the gradient is summed for each of the positions by itself, and these sums are added at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from snsim.engines.native.im2col import WindowBuffer
from snsim.engines.native.layout import POWER, LayerCells, ParameterCells, blocks
from snsim.engines.native.llvm_ir import Function, Index, Value
from snsim.engines.native.map_lanes import MapLanesKernel
from snsim.engines.native.target import Address, Machine
from snsim.engines.native.update_rules import WeightUpdate

_STRIP = 8  # vectors of sums in registers


def positions_in_vector(machine: Machine, maps: int, columns: int, step: int) -> int:
    """Return how many neighbouring positions a vector holds: a power of 2 that divides the columns, often 1.

    Their first cells, `step` numbers apart, are loaded as one vector.
    """
    positions = 1
    while (
        2 * positions * maps <= machine.lanes
        and columns % (2 * positions) == 0
        and (2 * positions - 1) * step < machine.lanes
    ):
        positions *= 2
    return positions


class PackedLanesKernel(MapLanesKernel):
    """One link, with `positions` positions in a vector. Lanes beyond the last map hold anything, and go nowhere."""

    def __init__(self, buffer: WindowBuffer, cells: ParameterCells, target: LayerCells, positions: int):
        super().__init__(buffer, cells, target)
        self.positions = positions
        self.hop = positions * buffer.x_layout.column_step  # of the source, from vector to vector
        self.spread = cells.block.take(len(self.offsets) * self.lanes)  # each weight once for each position

    def _states(self, f: Function, place: Address) -> Value:
        """Emit the load of the state of each position: of position p at `place` plus p steps, the same for all maps."""
        step, lanes = self.buffer.x_layout.column_step, self.lanes
        if step > 1:
            return f.shuffle(f.load(place), None, [k % self.positions * step for k in range(lanes)])
        if self.positions == 2 and f.machine.bits == 32:  # one broadcast of eight bytes
            pairs = f"<{lanes // 2} x double>"
            pair = f.instruction(f"load double, ptr {f.pointer(place)}, align 4", "double")
            first = f.instruction(f"insertelement {pairs} poison, double {pair.text}, i64 0", pairs)
            zeros = f"<{lanes // 2} x i32> zeroinitializer"
            every = f.instruction(f"shufflevector {pairs} {first.text}, {pairs} poison, {zeros}", pairs)
            return f.cast(every, f.machine.vector)
        type = f"<{self.positions} x {f.machine.scalar}>"
        part = f.instruction(f"load {type}, ptr {f.pointer(place)}, align {f.machine.dtype.itemsize}", type)
        return f.shuffle(part, None, [k % self.positions for k in range(lanes)])

    def _units(self, place: Address, i: Index, b: Index, vectors: int) -> Address:
        """Return the address of the units of block b, of `vectors` vectors, in row i."""
        maps = self.target.maps
        return place.by(i, maps * self.buffer.x_layout.columns).by(b, vectors * self.positions * maps)

    def emit_sums(self, f: Function, first: bool) -> None:
        where, maps, lanes = self.buffer.x_layout, self.target.maps, self.lanes
        used, step = maps * self.positions, self.positions * maps
        for cell in range(len(self.offsets)):
            wide = f.shuffle(f.load(self._weight(cell, 0)), None, [k // self.positions for k in range(lanes)])
            f.store(wide, self.spread + cell * lanes)
        by_position = [k % maps * self.positions + k // maps if k < used else -1 for k in range(lanes)]

        def strip(i: Index, j0: int, vectors: int, b: Index) -> None:
            window = self.buffer.x.by(i, where.row_step).by(b, vectors * self.hop) + j0 * self.hop
            sums = [f.zero] * vectors
            for cell, offset in enumerate(self.offsets):
                w = f.load(self.spread + cell * lanes)
                for v in range(vectors):
                    sums[v] = f.fma(w, self._states(f, window + (v * self.hop + offset)), sums[v])
            for v, total in enumerate(sums):
                place = self._units(self.target.x, i, b, vectors) + (j0 + v) * step
                total = f.shuffle(total, None, by_position)
                f.store_lanes(total if first else total + f.load_first(place, used), 0, used, place)

        def row_of_sums(i: Index, _: list[Value]) -> None:
            for j0, times, vectors in blocks(where.columns // self.positions, _STRIP):
                f.nest({"positions": times}, partial(strip, i, j0, vectors))

        f.loop(where.rows, row_of_sums, name="row")

    def emit_gradient(self, f: Function, channels: Sequence[str], update: WeightUpdate) -> None:
        where, maps, lanes = self.buffer.x_layout, self.target.maps, self.lanes
        mask, used = self.cells.masks(1)[0], maps * self.positions
        at_once = f.share_size(len(self.offsets), max(1, (f.machine.registers // 2 - 1) // len(channels)))
        groups = where.columns // self.positions
        vectors = 2 if groups % 2 == 0 else 1
        by_map = [k % self.positions * maps + k // self.positions if k < used else -1 for k in range(lanes)]

        def gradient(c0: int) -> None:
            offsets = self.offsets[c0 : c0 + at_once]

            def block(i: Index, b: Index, sums: list[Value]) -> list[Value]:
                """Return the sums, numbered channel * offsets + offset."""
                window = self.buffer.x.by(i, where.row_step).by(b, vectors * self.hop)
                sums, states = list(sums), {}
                for v in range(vectors):
                    for n, c in enumerate(channels):
                        units = self._units(self.target.delta[c], i, b, vectors) + v * used
                        d = f.shuffle(f.load(units), None, by_map)
                        for k, offset in enumerate(offsets):
                            at = v * self.hop + offset
                            if at not in states:
                                states[at] = self._states(f, window + at)
                            factor = d * states[at] if POWER[c] == 2 else d
                            sums[n * len(offsets) + k] = f.fma(factor, states[at], sums[n * len(offsets) + k])
                return sums

            def row(i: Index, sums: list[Value]) -> list[Value]:
                return f.loop(groups // vectors, partial(block, i), sums, "column")

            sums = f.loop(where.rows, row, [f.zero] * (len(offsets) * len(channels)), "row")
            for k in range(len(offsets)):
                place = self._weight(c0 + k, 0)
                totals = {c: self._over_positions(f, sums[n * len(offsets) + k]) for n, c in enumerate(channels)}
                gathered = {c: update.scaled(c, total) for c, total in totals.items()}
                update.emit(place, gathered, mask.truth(f, place), None)

        for turn, c0 in enumerate(range(0, len(self.offsets), at_once)):
            f.alone(partial(gradient, c0), turn)

    def _over_positions(self, f: Function, value: Value) -> Value:
        """Emit the sum over the positions of each map, in the lane of the map."""
        lanes = range(self.lanes)
        parts = [
            f.shuffle(value, None, [k * self.positions + p if k < self.target.maps else -1 for k in lanes])
            for p in range(self.positions)
        ]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total
