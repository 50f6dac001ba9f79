"""The kernel for any connections: scalar loops over the explicit table. Slow (a few nanoseconds each), always right.

The table is three arrays of int32: for each target cell where its connections begin, and for each connection the source
cell and the weight. Border cells are cells behind the copy of the source layer. With `patterns` in memory, an entry of
the table is read once for several of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from snsim.engines.native.im2col import At, each_vector, zero_fill
from snsim.engines.native.kernel_protocol import Functions
from snsim.engines.native.layout import POWER, IndexTables, LayerCells, ParameterCells
from snsim.engines.native.llvm_ir import Function, Index, Value
from snsim.engines.native.target import Address
from snsim.engines.native.update_rules import GradientSums, Sink, WeightUpdate
from snsim.engines.plan import LayerPlan
from snsim.network.wiring import BORDER, Table

_TILE = 4  # patterns for which an entry of the table is read once


def update_from_sums(
    f: Function, cells: ParameterCells, sums: Mapping[str, Address], channels: Sequence[str], update: WeightUpdate
) -> None:
    """Emit the update of weights whose derivatives stand in `sums`, one number for each cell of a weight."""
    mask = cells.masks(1)[0]

    def vector(v: Index, _: list[Value]) -> None:
        place = cells.value.by(v, f.machine.lanes)
        totals = {c: f.load(sums[c].by(v, f.machine.lanes)) for c in channels}
        update.apply(place, totals, mask.truth(f, place))

    f.loop(cells.vectors, vector, name="vector")


def emit_totals(
    f: Function,
    places: Sequence[Address],
    first: bool,
    start: Value,
    stop: Value,
    connection: Callable[[Value, list[Value]], list[Value]],
) -> None:
    """Emit the sums over connections start ... stop - 1 into `places`: from 0 if `first`, else added."""
    begin = [f.constant(0.0, f.machine.scalar) if first else f.load_scalar(place) for place in places]
    for place, total in zip(places, f.while_loop(start, stop, connection, begin)):
        f.store(total, place)


class SparseKernel:
    """Computes one link from its explicit table, in the order of the target cells.

    Reads a copy of the source, times the scale, followed by one border cell.
    """

    has_group_code = True  # for all patterns of a group

    def __init__(
        self,
        source: LayerCells,
        target: LayerCells,
        table: Table,
        cells: ParameterCells,
        border_value: float,
        tables: IndexTables,
        channels: Sequence[str],
        scale: float = 1.0,
    ):
        self.name, self.source, self.target, self.cells, self.scale = cells.name, source, target, cells, scale
        block = cells.block
        border = block.machine.padded(source.units)
        self.x = block.cells.take_filled(np.append(np.zeros(border), border_value * scale))
        self.back = {c: block.cells.take(border + 1) for c in channels}
        self.sums = {c: block.take(len(cells.index)) for c in channels}
        # Where each weight has one connection, its sum over the patterns has the order of one by one.
        once = len(np.unique(table.weight)) == len(table.weight)
        self.serves_patterns = self.sums_patterns = self.has_group_code and once
        order = np.argsort(target.cell_of_unit[table.target], kind="stable")
        cell = np.append(source.cell_of_unit, border)
        sources = cell[np.where(table.source == BORDER, source.units, table.source)[order]]
        place = np.zeros(int(cells.index.max(initial=0)) + 1, int)
        place[cells.index[cells.index >= 0]] = np.flatnonzero(cells.index >= 0)
        counts = np.bincount(target.cell_of_unit[table.target], minlength=target.units)
        self._starts = tables.take(np.append(0, np.cumsum(counts)))
        self._sources = tables.take(sources)
        self._weights = tables.take(place[table.weight[order]])

    # ---- The table -----------------------------------------------------------------------------------------------

    def cells_of(self, f: Function, k: Value) -> tuple[Value, Value]:
        """Emit the source cell and the weight cell of connection k."""
        return self._entry(f, self._sources, k), self._entry(f, self._weights, k)

    def each_target(self, f: Function, body: Callable[[Value, Value, Value], None]) -> None:
        """Emit a loop of `body(target cell, first connection, one past the last)`."""

        def unit(t: Index, _: list[Value]) -> None:
            t = t if isinstance(t, Value) else f.integer(t)
            body(t, self._entry(f, self._starts, t), self._entry(f, self._starts, f.op("add", t, f.integer(1), "nsw")))

        f.loop(self.target.units, unit, name="unit")

    def _entry(self, f: Function, array: int, entry: Value) -> Value:
        return f.load_index("%tables", f.op("add", entry, f.integer(array), "nsw"))

    def _each_tile(self, f: Function, patterns: Index, body: Callable[[Value, At, int, Value, Value], None]) -> None:
        """Emit loops over target cells and tiles of patterns.

        It is `body(target cell, move, patterns of the tile, first connection, one past the last)`; `move` moves an
        address to the first of these patterns.
        """
        pitch = self.cells.block.pitch

        def unit(t: Value, start: Value, stop: Value) -> None:
            if isinstance(patterns, int):
                return body(t, lambda place: place, patterns, start, stop)
            whole = f.op("udiv", patterns, f.integer(_TILE))
            for size, first, last in (
                (_TILE, f.integer(0), whole),
                (1, f.op("mul", whole, f.integer(_TILE)), patterns),
            ):

                def tile(p: Value, _: list[Value], size: int = size) -> None:
                    body(t, lambda place: place.by(p, size * pitch), size, start, stop)

                f.while_loop(first, last, tile, [])

        self.each_target(f, unit)

    # ---- One pattern, or all patterns of a group -----------------------------------------------------------------

    def emit_forward(self, f: Function, first: bool) -> None:
        self.fill(f)
        self._emit_sums(f, first, 1)

    def emit_backward(self, f: Function, channels: Sequence[str], errors: bool, first: bool, sink: Sink) -> None:
        update = sink.begin(f, self.name) if self.name in sink.updated else None
        self._emit_back(f, channels, errors, update, 1)
        if errors:
            self.drain(f, channels, first)

    def emit_group_forward(self, functions: Functions, first: bool) -> None:
        self.fill(functions.of_pattern())
        f = functions.of_group()
        self._emit_sums(f, first, f.argument("patterns", "i64"))

    def emit_group_backward(
        self, functions: Functions, channels: Sequence[str], errors: bool, first: bool, sink: GradientSums
    ) -> None:
        f = functions.of_group()
        update = sink.begin_patterns(f, self.name) if self.name in sink.updated else None
        self._emit_back(f, channels, errors, update, f.argument("patterns", "i64"))
        if errors:
            self.drain(functions.of_pattern(), channels, first)

    def fill(self, f: Function) -> None:
        """Emit the copy of the source."""

        def copied(at: At, n: int) -> None:
            value = f.load(at(self.source.x))
            f.store(value if self.scale == 1.0 else value * self.scale, at(self.x))

        each_vector(f, self.source.units, copied)

    def _emit_sums(self, f: Function, first: bool, patterns: Index) -> None:
        pitch = self.cells.block.pitch

        def unit(t: Value, move: At, size: int, start: Value, stop: Value) -> None:
            def connection(k: Value, totals: list[Value]) -> list[Value]:
                source, weight = self.cells_of(f, k)
                x, w = move(self.x.by(source, 1)), f.load_scalar(self.cells.value.by(weight, 1))
                return [self.plus_term(f, total, f.load_scalar(x + p * pitch), w) for p, total in enumerate(totals)]

            places = [move(self.target.x.by(t, 1)) + p * pitch for p in range(size)]
            emit_totals(f, places, first, start, stop, connection)

        self._each_tile(f, patterns, unit)

    def plus_term(self, f: Function, total: Value, x: Value, w: Value) -> Value:
        """Emit the sum so far plus the term of a connection with state x and weight w."""
        return f.fma(w, x, total)

    def _emit_back(
        self, f: Function, channels: Sequence[str], errors: bool, update: WeightUpdate | None, patterns: Index
    ) -> None:
        """Emit the errors of the source, if it wants `errors`, into `back`, and the update of the weights, if any."""
        if not errors and update is None:
            return
        lanes, pitch = f.machine.lanes, self.cells.block.pitch
        for c in channels if errors else ():
            place = self.back[c]

            def cleared(p: Index, _: list[Value], place: Address = place) -> None:
                zero_fill(f, place.by(p, pitch), self.source.units + lanes)

            f.loop(patterns, cleared, name="pattern")
        if update is not None:
            for c in channels:

                def begin(v: Index, _: list[Value], c: str = c) -> None:
                    so_far = update.sums and f.load(update.sums(c, self.cells.value.by(v, lanes)))
                    f.store(so_far or f.zero, self.sums[c].by(v, lanes))

                f.loop(self.cells.vectors, begin, name="vector")

        def unit(t: Value, move: At, size: int, start: Value, stop: Value) -> None:
            d = {
                c: [f.load_scalar(move(self.target.delta[c].by(t, 1)) + p * pitch) for p in range(size)]
                for c in channels
            }

            def connection(k: Value, _: list[Value]) -> None:
                source, weight = self.cells_of(f, k)
                x, w = move(self.x.by(source, 1)), f.load_scalar(self.cells.value.by(weight, 1))
                for c in channels:
                    squared = POWER[c] == 2
                    if errors:
                        factor, back = w * w if squared else w, move(self.back[c].by(source, 1))
                        for p, error in enumerate(d[c]):
                            f.store(f.fma(error, factor, f.load_scalar(back + p * pitch)), back + p * pitch)
                    if update is not None:
                        place = self.sums[c].by(weight, 1)
                        total = f.load_scalar(place)
                        for p, error in enumerate(d[c]):
                            state = f.load_scalar(x + p * pitch)
                            total = f.fma(error, state * state if squared else state, total)
                        f.store(total, place)

            f.while_loop(start, stop, connection, [])

        self._each_tile(f, patterns, unit)
        if update is not None:
            update_from_sums(f, self.cells, self.sums, channels, update)

    def drain(self, f: Function, channels: Sequence[str], first: bool) -> None:
        """Emit the errors in `back` into those of the source: stored if `first`, else added."""
        for c in channels:

            def back(at: At, n: int, c: str = c) -> None:
                value, place = f.load(at(self.back[c])), at(self.source.delta[c])
                f.put(value if self.scale == 1.0 else value * self.scale ** POWER[c], place, first, n)

            each_vector(f, self.source.units, back)


def scattered_bias(
    stage: LayerPlan,
    source: LayerCells,
    target: LayerCells,
    cells: ParameterCells,
    tables: IndexTables,
    channels: Sequence[str],
) -> SparseKernel:
    """Return a bias with irregular entries, as connections from border cells of state 1."""
    assert stage.bias_index is not None
    table = Table(np.full(stage.units, BORDER), np.arange(stage.units), stage.bias_index)
    return SparseKernel(source, target, table, cells, 1.0, tables, channels)
