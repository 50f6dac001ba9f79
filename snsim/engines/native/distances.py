"""`(distance)`: sums of (w - x)^2 over the connections of an explicit table, and their derivatives.

With d = w - x, an error g = dE/da and a curvature h at the sum of a connection:

    by w:   2 d g       4 d^2 h, and in the full curvature also 2 g
    by x:  -2 d g       4 d^2 h, and in the full curvature also 2 g
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from snsim.engines.native.im2col import At, each_vector, zero_fill
from snsim.engines.native.layout import LayerCells, ParameterCells
from snsim.engines.native.llvm_ir import Function, Value
from snsim.engines.native.sparse import SparseKernel, emit_totals, update_from_sums
from snsim.engines.native.target import Address
from snsim.engines.native.update_rules import Sink


class DistanceKernel(SparseKernel):
    """A link with `(distance)`: the loops of a `SparseKernel` over its table, pattern by pattern."""

    has_group_code = False

    def plus_term(self, f: Function, total: Value, x: Value, w: Value) -> Value:
        d = w - x
        return f.fma(d, d, total)

    def emit_backward(self, f: Function, channels: Sequence[str], errors: bool, first: bool, sink: Sink) -> None:
        update = sink.begin(f, self.name) if self.name in sink.updated else None
        if not errors and update is None:
            return
        for c in channels:
            if errors:
                zero_fill(f, self.back[c], self.source.units + f.machine.lanes)
            if update is not None:
                zero_fill(f, self.sums[c], len(self.cells.index))

        def unit(t: Value, start: Value, stop: Value) -> None:
            d = {c: f.load_scalar(self.target.delta[c].by(t, 1)) for c in channels}

            def connection(k: Value, _: list[Value]) -> None:
                source, weight = self.cells_of(f, k)
                x, w = f.load_scalar(self.x.by(source, 1)), f.load_scalar(self.cells.value.by(weight, 1))
                for c in channels:
                    of_source, of_weight = self._slopes(f, c, d, x, w)
                    if errors:
                        self._add(f, self.back[c].by(source, 1), *of_source)
                    if update is not None:
                        self._add(f, self.sums[c].by(weight, 1), *of_weight)

            f.while_loop(start, stop, connection, [])

        self.each_target(f, unit)
        if errors:
            self.drain(f, channels, first)
        if update is not None:
            update_from_sums(f, self.cells, self.sums, channels, update)

    def _slopes(
        self, f: Function, c: str, d: dict[str, Value], x: Value, w: Value
    ) -> tuple[tuple[Value, Value], tuple[Value, Value]]:
        apart = w - x
        if c == "g":
            twice = apart + apart
            return (d[c], -twice), (d[c], twice)
        squared = (apart * apart) * 4.0
        if c == "h-full":
            total = f.fma(d[c], squared, d["g"] + d["g"])
            one = f.constant(1.0, f.machine.scalar)
            return (total, one), (total, one)
        return (d[c], squared), (d[c], squared)

    def _add(self, f: Function, place: Address, a: Value, b: Value) -> None:
        f.store(f.fma(a, b, f.load_scalar(place)), place)


class DistanceTangent:
    """The derivative of the sums of a link: sum of 2 (w - x) (dw - dx). `cells` has the direction dw.

    It reads the copy of the states that the link itself has filled; `moved` is the source with dx, None if that is 0.
    """

    def __init__(self, kernel: DistanceKernel, moved: LayerCells | None, target: LayerCells, cells: ParameterCells):
        self._kernel, self._moved, self._target, self.cells = kernel, moved, target, cells
        self.name = cells.name
        block = cells.block
        self._dx = block.cells.take_filled(np.zeros(block.machine.padded(kernel.source.units) + 1))

    def emit_forward(self, f: Function, first: bool) -> None:
        kernel, moved = self._kernel, self._moved
        if moved is not None:
            units = kernel.source.units

            def copied(at: At, n: int) -> None:
                f.store(f.first_lanes(f.load(at(moved.x)), n), at(self._dx))

            each_vector(f, units, copied)

        def unit(t: Value, start: Value, stop: Value) -> None:
            def connection(k: Value, total: list[Value]) -> list[Value]:
                source, weight = kernel.cells_of(f, k)
                x, dx = f.load_scalar(kernel.x.by(source, 1)), f.load_scalar(self._dx.by(source, 1))
                w = f.load_scalar(kernel.cells.value.by(weight, 1))
                dw = f.load_scalar(self.cells.value.by(weight, 1))
                apart = w - x
                return [f.fma(apart + apart, dw - dx, total[0])]

            emit_totals(f, [self._target.x.by(t, 1)], first, start, stop, connection)

        kernel.each_target(f, unit)

    def emit_backward(self, f: Function, channels: Sequence[str], errors: bool, first: bool, sink: object) -> None:
        raise AssertionError("tangents go forward")
