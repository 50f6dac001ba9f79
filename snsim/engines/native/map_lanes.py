"""Shared windows with lanes along the target maps: for sources of few maps that need no errors, such as the input.

The kernel reads a buffer of windows and weights as [cell of the window][target maps, padded to whole vectors]. It emits
the sums (each state of a window broadcast, several positions in registers) and the gradient (the weights of many cells
in registers while all positions pass by).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from snsim.engines.native.im2col import WindowBuffer
from snsim.engines.native.layout import POWER, LayerCells, ParameterCells, blocks
from snsim.engines.native.llvm_ir import Function, Index, Value
from snsim.engines.native.target import Address
from snsim.engines.native.update_rules import GradientSums, UpdateCode, WeightUpdate

_POSITIONS = 8


class MapLanesKernel:
    """One link. Weights in lanes beyond the last target map are 0 and stay 0."""

    divides_gradient = True

    def __init__(self, buffer: WindowBuffer, cells: ParameterCells, target: LayerCells):
        self.name, self.buffer, self.cells, self.target = cells.name, buffer, cells, target
        self.lanes = cells.block.machine.lanes
        self.vectors = cells.block.machine.padded(target.maps) // self.lanes
        width = buffer.geometry.window[1] * buffer.depth
        where = buffer.x_layout
        self.offsets = [k * where.pitch + m for k in range(where.kernel_rows) for m in range(width)]

    def _weight(self, cell: int, v: int) -> Address:
        return self.cells.value + (cell * self.vectors + v) * self.lanes

    def emit_forward(self, f: Function, first: bool) -> None:
        self.buffer.fill(f)
        self.emit_sums(f, first)

    def emit_backward(
        self, f: Function, channels: Sequence[str], errors: bool, first: bool, sink: UpdateCode | GradientSums
    ) -> None:
        assert not errors, "used where the source needs no errors"
        if self.name in sink.updated:
            self.emit_gradient(f, channels, sink.begin(f, self.name))

    def emit_sums(self, f: Function, first: bool) -> None:
        where, maps = self.buffer.x_layout, self.target.maps
        together, most = self._tile(f)

        def strip(i: Index, jb: Index, j0: int, positions: int) -> None:
            window = self.buffer.x.by(i, where.row_step).by(jb, positions * where.column_step) + j0 * where.column_step
            units = self.target.x.by(i, maps * where.columns).by(jb, positions * maps) + j0 * maps
            for v0 in range(0, self.vectors, together):
                vectors = range(v0, min(v0 + together, self.vectors))
                for (v, p), total in self._strip_sums(f, window, vectors, positions).items():
                    count = min(self.lanes, maps - v * self.lanes)
                    place = units + p * maps + v * self.lanes
                    if self.vectors == 1:  # lanes too many are 0, and what they overwrite comes after
                        f.store(total if first else total + f.load(place), place)
                    else:
                        f.store_lanes(total if first else total + f.load_first(place, count), 0, count, place)

        def row(i: Index, _: list[Value]) -> None:
            for j0, strips, positions in blocks(where.columns, most):

                def strip_of(jb: Index, _: list[Value], j0: int = j0, positions: int = positions) -> None:
                    strip(i, jb, j0, positions)

                f.loop(strips, strip_of, name="positions")

        f.loop(where.rows, row, name="row")

    def _tile(self, f: Function) -> tuple[int, int]:
        """Return the vectors of maps and the positions whose sums are in registers at a time."""
        if self.vectors == 1:
            return 1, _POSITIONS
        vectors = min(self.vectors, f.machine.registers // 4)
        return vectors, max(1, (f.machine.registers - 4) // vectors)

    def _strip_sums(self, f: Function, window: Address, vectors: range, positions: int) -> dict[tuple[int, int], Value]:
        """Emit the sums of some vectors of maps at neighbouring positions, by vector and position."""
        step = self.buffer.x_layout.column_step
        sums = {(v, p): f.zero for p in range(positions) for v in vectors}
        for cell, offset in enumerate(self.offsets):
            weights = {v: f.load(self._weight(cell, v)) for v in vectors}
            for p in range(positions):
                x = f.broadcast(window + p * step + offset)
                for v, w in weights.items():
                    sums[v, p] = f.fma(w, x, sums[v, p])
            sums = dict(zip(sums, f.in_order(list(sums.values()))))
        return sums

    def emit_gradient(self, f: Function, channels: Sequence[str], update: WeightUpdate) -> None:
        together, _ = self._tile(f)
        cells = f.share_size(len(self.offsets), max(1, (f.machine.registers - 6) // (together * len(channels))))
        for v in range(0, self.vectors, together):
            vectors = range(v, min(v + together, self.vectors))
            for turn, c0 in enumerate(range(0, len(self.offsets), cells)):
                some = range(c0, min(c0 + cells, len(self.offsets)))
                f.alone(partial(self._emit_gradient_of, f, channels, update, vectors, some), turn)

    def _emit_gradient_of(
        self, f: Function, channels: Sequence[str], update: WeightUpdate, vectors: range, cells: range
    ) -> None:
        """Emit the sums over the positions for some vectors of maps and cells of the window, and their update."""
        where, maps, masks = self.buffer.x_layout, self.target.maps, self.cells.masks(self.vectors)
        keys = [(c, k, v) for c in channels for k in cells for v in vectors]

        def position(i: Index, j: Index, sums: list[Value]) -> list[Value]:
            window = self.buffer.x.by(i, where.row_step).by(j, where.column_step)
            totals = dict(zip(keys, sums))
            for c in channels:
                units = self.target.delta[c].by(i, maps * where.columns).by(j, maps)
                errors = {v: f.load(units + v * self.lanes) for v in vectors}
                for k in cells:
                    x = f.broadcast(window + self.offsets[k])
                    for v, d in errors.items():
                        factor = d * x if POWER[c] == 2 else d
                        totals[c, k, v] = f.fma(factor, x, totals[c, k, v])
            return list(totals.values())

        def row(i: Index, sums: list[Value]) -> list[Value]:
            return f.loop(where.columns, lambda j, now: position(i, j, now), sums, "column")

        totals = dict(zip(keys, f.loop(where.rows, row, [f.zero] * len(keys), "row")))
        for v in vectors:
            for k in cells:
                place = self._weight(k, v)
                gathered = {c: update.scaled(c, totals[c, k, v]) for c in channels}
                update.emit(place, gathered, masks[v].truth(f, place), None)
