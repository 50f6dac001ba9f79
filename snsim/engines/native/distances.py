"""`(distance)`: sums of (w - x)^2 over the connections of an explicit table, and their derivatives.

With d = w - x, an error g = dE/da and a curvature h at the sum of a connection:

    by w:   2 d g       4 d^2 h, and in the full curvature also 2 g
    by x:  -2 d g       4 d^2 h, and in the full curvature also 2 g
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from snsim.engines.native.im2col import At, each_vector, zero_fill
from snsim.engines.native.layout import Block, IndexTables, LayerCells, ParameterCells
from snsim.engines.native.llvm_ir import Function, Value
from snsim.engines.native.sparse import ListedConnections, update_from_sums
from snsim.engines.native.target import Address
from snsim.engines.native.update_rules import GradientSums, UpdateCode
from snsim.network.wiring import Table


class DistanceKernel:
    """A link with `(distance)`: scalar loops over its explicit table, pattern by pattern.

    Reads a copy of the source, followed by one border cell.
    """

    def __init__(
        self,
        source: LayerCells,
        target: LayerCells,
        table: Table,
        cells: ParameterCells,
        border_value: float,
        block: Block,
        tables: IndexTables,
        channels: Sequence[str],
    ):
        self.name, self.source, self.target, self.cells = cells.name, source, target, cells
        padded = block.machine.padded(source.units)
        self.x = block.cells.take_filled(np.append(np.zeros(padded), border_value))
        self.back = {c: block.cells.take(padded + 1) for c in channels}
        self.sums = {c: block.take(len(cells.index)) for c in channels}
        self.connections = ListedConnections(source, target, table, cells, padded, tables)

    def emit_forward(self, f: Function, first: bool) -> None:
        def copied(at: At, n: int) -> None:
            f.store(f.load(at(self.source.x)), at(self.x))

        each_vector(f, self.source.units, copied)

        def unit(t: Value, start: Value, stop: Value) -> None:
            def connection(k: Value, total: list[Value]) -> list[Value]:
                x = f.load_scalar(self.x.by(self.connections.source(f, k), 1))
                w = f.load_scalar(self.cells.value.by(self.connections.weight(f, k), 1))
                return [self._term(f, x, w, total[0])]

            place = self.target.x.by(t, 1)
            begin = f.constant(0.0, f.machine.scalar) if first else f.load_scalar(place)
            f.store(f.while_loop(start, stop, connection, [begin])[0], place)

        self.connections.each_target(f, unit)

    def emit_backward(
        self, f: Function, channels: Sequence[str], errors: bool, first: bool, sink: UpdateCode | GradientSums
    ) -> None:
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
                source, weight = self.connections.source(f, k), self.connections.weight(f, k)
                x, w = f.load_scalar(self.x.by(source, 1)), f.load_scalar(self.cells.value.by(weight, 1))
                for c in channels:
                    of_source, of_weight = self._slopes(f, c, d, x, w)
                    if errors:
                        self._add(f, self.back[c].by(source, 1), *of_source)
                    if update is not None:
                        self._add(f, self.sums[c].by(weight, 1), *of_weight)

            f.while_loop(start, stop, connection, [])

        self.connections.each_target(f, unit)
        if errors:
            self._drain(f, channels, first)
        if update is not None:
            update_from_sums(f, self.cells, self.sums, channels, update)

    def _term(self, f: Function, x: Value, w: Value, total: Value) -> Value:
        d = w - x
        return f.fma(d, d, total)

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

    def _drain(self, f: Function, channels: Sequence[str], first: bool) -> None:
        for c in channels:

            def back(at: At, n: int, c: str = c) -> None:
                value, place = f.load(at(self.back[c])), at(self.source.delta[c])
                f.store_lanes(value if first else value + f.load(place), 0, n, place)

            each_vector(f, self.source.units, back)


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
                source, weight = kernel.connections.source(f, k), kernel.connections.weight(f, k)
                x, dx = f.load_scalar(kernel.x.by(source, 1)), f.load_scalar(self._dx.by(source, 1))
                w = f.load_scalar(kernel.cells.value.by(weight, 1))
                dw = f.load_scalar(self.cells.value.by(weight, 1))
                apart = w - x
                return [f.fma(apart + apart, dw - dx, total[0])]

            place = self._target.x.by(t, 1)
            begin = f.constant(0.0, f.machine.scalar) if first else f.load_scalar(place)
            f.store(f.while_loop(start, stop, connection, [begin])[0], place)

        kernel.connections.each_target(f, unit)

    def emit_backward(self, f: Function, channels: Sequence[str], errors: bool, first: bool, sink: object) -> None:
        raise AssertionError("tangents go forward")
