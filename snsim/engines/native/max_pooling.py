"""`max-mask`: the largest state of each window, and its backward pass to the unit that has it.

Cells of a position are neighbours, one for each map, so lanes lie along the maps. The number of the winning cell of
each window is kept as a floating-point number for the backward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from snsim.engines.native.elementwise import emit_filled
from snsim.engines.native.im2col import At, each_vector
from snsim.engines.native.layout import Block, LayerCells
from snsim.engines.native.llvm_ir import Function, Index, Value
from snsim.engines.native.target import Address
from snsim.network.wiring import MaxPooling

_UNROLLED = 16  # cells of a window that are written out


class MaxPoolingKernel:
    """One `max-mask`; source and target store their maps in the same order."""

    def __init__(self, structure: MaxPooling, sources: Sequence[LayerCells], target: LayerCells, block: Block):
        (self.source,), self.target, self.structure = sources, target, structure
        self.maps = structure.source[0]
        self.winner = block.cells.take(target.units)

    def _each_window(self, f: Function, emit: Callable[[Index, Index, At, int], None]) -> None:
        """Emit `emit(row, column, at, lanes)` for each vector of maps of each window."""

        def window(i: Index, j: Index) -> None:
            each_vector(f, self.maps, partial(emit, i, j))

        f.nest({"row": self.structure.target[1], "column": self.structure.target[2]}, window)

    def _of_target(self, place: Address, i: Index, j: Index) -> Address:
        return place.by(i, self.structure.target[2] * self.maps).by(j, self.maps)

    def _of_source(self, place: Address, i: Index, j: Index) -> Address:
        """Return the address of the first cell of window (i, j)."""
        (_, _, columns), (down, right) = self.structure.source, self.structure.step
        return place.by(i, down * columns * self.maps).by(j, right * self.maps)

    def _each_cell(
        self,
        f: Function,
        place: Address,
        step: Callable[[Address, Value, list[Value]], list[Value]],
        carried: Sequence[Value],
    ) -> list[Value]:
        """Emit `step(address, number of the cell, values)` for the cells of a window in reading order."""
        (rows, columns), across = self.structure.window, self.structure.source[2]
        if rows * columns <= _UNROLLED:
            values = list(carried)
            for k in range(rows * columns):
                r, c = divmod(k, columns)
                values = step(place + (r * across + c) * self.maps, f.constant(float(k)), values)
            return values

        def row(r: Index, outer: list[Value]) -> list[Value]:
            def cell(c: Index, now: list[Value]) -> list[Value]:
                following = step(place.by(r, across * self.maps).by(c, self.maps), now[0], now[1:])
                return [now[0] + 1.0, *following]

            return f.loop(columns, cell, outer, name="column")

        return f.loop(rows, row, [f.zero, *carried], name="row")[1:]

    def emit_forward(self, f: Function, first: bool) -> None:
        def vector(i: Index, j: Index, at: At, n: int) -> None:
            start = at(self._of_source(self.source.x, i, j))

            def larger(place: Address, number: Value, now: list[Value]) -> list[Value]:
                value = f.load(place)
                wins = f.compare("ugt", value, now[0])  # NaN wins too, as in PyTorch
                return [f.select(wins, value, now[0]), f.select(wins, number, now[1])]

            best, winner = self._each_cell(f, start, larger, [f.load(start), f.zero])
            f.store_lanes(winner, 0, n, at(self._of_target(self.winner, i, j)))
            f.put(best, at(self._of_target(self.target.x, i, j)), first, n)

        self._each_window(f, vector)

    def emit_backward(
        self, f: Function, channels: Sequence[str], wanted: Sequence[bool], first: Sequence[bool]
    ) -> None:
        if not wanted[0]:
            return
        for c in channels:
            into, errors = self.source.delta[c], self.target.delta[c]
            if first[0]:
                emit_filled(f, into, self.source.units, 0.0)
            self._each_window(f, partial(self._emit_back, f, into, errors))

    def _emit_back(self, f: Function, into: Address, errors: Address, i: Index, j: Index, at: At, n: int) -> None:
        winner, error = (f.load(at(self._of_target(place, i, j))) for place in (self.winner, errors))

        def add(place: Address, number: Value, now: list[Value]) -> list[Value]:
            wins = f.compare("oeq", winner, number)
            f.store_lanes(f.select(wins, f.load(place) + error, f.load(place)), 0, n, place)
            return []

        self._each_cell(f, at(self._of_source(into, i, j)), add, [])

    def emit_tangent(self, f: Function, tangents: Sequence[Address], into: Address, first: bool) -> None:
        def vector(i: Index, j: Index, at: At, n: int) -> None:
            winner = f.load(at(self._of_target(self.winner, i, j)))

            def chosen(place: Address, number: Value, now: list[Value]) -> list[Value]:
                return [f.select(f.compare("oeq", winner, number), f.load(place), now[0])]

            (moved,) = self._each_cell(f, at(self._of_source(tangents[0], i, j)), chosen, [f.zero])
            f.put(moved, at(self._of_target(into, i, j)), first, n)

        self._each_window(f, vector)
