"""Shared windows with lanes along the target maps: for sources of few maps that need no errors, such as the input.

The kernel reads a buffer of windows and weights as [cell of the window][target maps, padded to whole vectors]. It emits
the sums (each state of a window broadcast, several positions in registers) and the gradient (the weights of many cells
in registers while all positions pass by).
"""

from __future__ import annotations

from collections.abc import Sequence

from snsim.engines.native.im2col import WindowBuffer
from snsim.engines.native.layout import POWER, LayerCells, ParameterCells, blocks
from snsim.engines.native.llvm_ir import Function, Index, Value
from snsim.engines.native.target import Address
from snsim.engines.native.update_rules import GradientSums, UpdateCode, WeightUpdate

_POSITIONS = 8


class MapLanesKernel:
    """One link. Weights in lanes beyond the last target map are 0 and stay 0."""

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

        def strip(i: Index, jb: Index, j0: int, positions: int) -> None:
            window = self.buffer.x.by(i, where.row_step).by(jb, positions * where.column_step) + j0 * where.column_step
            units = self.target.x.by(i, maps * where.columns).by(jb, positions * maps) + j0 * maps
            for v in range(self.vectors):
                sums = [f.zero] * positions
                for cell, offset in enumerate(self.offsets):
                    w = f.load(self._weight(cell, v))
                    for p in range(positions):
                        x = f.broadcast(window + p * where.column_step + offset)
                        sums[p] = f.fma(w, x, sums[p])
                count = min(self.lanes, maps - v * self.lanes)
                for p, total in enumerate(sums):
                    place = units + p * maps + v * self.lanes
                    if self.vectors == 1:  # lanes too many are 0, and what they overwrite comes after
                        f.store(total if first else total + f.load(place), place)
                    else:
                        f.store_lanes(total if first else total + f.load_first(place, count), 0, count, place)

        def row(i: Index, _: list[Value]) -> None:
            for j0, strips, positions in blocks(where.columns, _POSITIONS):

                def strip_of(jb: Index, _: list[Value], j0: int = j0, positions: int = positions) -> None:
                    strip(i, jb, j0, positions)

                f.loop(strips, strip_of, name="positions")

        f.loop(where.rows, row, name="row")

    def emit_gradient(self, f: Function, channels: Sequence[str], update: WeightUpdate) -> None:
        where, maps = self.buffer.x_layout, self.target.maps
        masks = self.cells.masks(self.vectors)
        at_once = max(1, (f.machine.registers - 6) // len(channels))
        for v in range(self.vectors):
            for c0 in range(0, len(self.offsets), at_once):
                offsets = self.offsets[c0 : c0 + at_once]

                def position(
                    i: Index, j: Index, sums: list[Value], offsets: list[int] = offsets, v: int = v
                ) -> list[Value]:
                    window = self.buffer.x.by(i, where.row_step).by(j, where.column_step)
                    totals = []
                    for n, c in enumerate(channels):
                        units = self.target.delta[c].by(i, maps * where.columns).by(j, maps)
                        d = f.load(units + v * self.lanes)
                        for k, offset in enumerate(offsets):
                            x = f.broadcast(window + offset)
                            factor = d * x if POWER[c] == 2 else d
                            totals.append(f.fma(factor, x, sums[n * len(offsets) + k]))
                    return totals

                sums = f.loop(
                    where.rows,
                    lambda i, row: f.loop(where.columns, lambda j, now: position(i, j, now), row, "column"),
                    [f.zero] * (len(offsets) * len(channels)),
                    "row",
                )
                for k in range(len(offsets)):
                    place = self._weight(c0 + k, v)
                    gathered = {c: update.scaled(c, sums[n * len(offsets) + k]) for n, c in enumerate(channels)}
                    update.emit(place, gathered, masks[v].truth(f, place), None)
