"""Kernels with one weight per map: pooling with a coefficient for each map, one-to-one connections.

The kernel reads the sums over windows (or the layer itself) and the weights, with maps in lanes, and emits products
lane by lane.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from snsim.engines.native.im2col import DirectBuffer, PoolBuffer
from snsim.engines.native.layout import POWER, LayerCells, ParameterCells
from snsim.engines.native.llvm_ir import Function, Index, Value
from snsim.engines.native.target import Address
from snsim.engines.native.update_rules import Sink, WeightUpdate


class DiagonalKernel:
    """One link: lane m of a position of the source feeds lane m of the same position of the target."""

    def __init__(self, buffer: DirectBuffer | PoolBuffer, cells: ParameterCells, target: LayerCells):
        self.name, self.buffer, self.cells, self.target = cells.name, buffer, cells, target
        single = isinstance(buffer, DirectBuffer)
        self.positions = 1 if single else target.positions
        self.width = target.units if single else target.maps
        self.step = 0 if isinstance(buffer, DirectBuffer) else buffer.length  # of the source, from position to position
        self.lanes = cells.block.machine.lanes

    def _each_vector(self, f: Function, act: Callable[[Index, int], None]) -> None:
        """Call `act(vector index, used lanes)` in a loop over full vectors, then for the last one."""
        full, rest = divmod(self.width, self.lanes)
        if full:
            f.loop(full, lambda v, _: act(v, self.lanes), name="vector")
        if rest:
            act(full, rest)

    def _source(self, place: Address, p: Index, v: Index) -> Address:
        return place.by(p, self.step).by(v, self.lanes)

    def _unit(self, place: Address, p: Index, v: Index) -> Address:
        return place.by(p, self.target.maps).by(v, self.lanes)

    def emit_forward(self, f: Function, first: bool) -> None:
        self.buffer.fill(f)

        def vector(v: Index, count: int) -> None:
            w = f.load(self.cells.value.by(v, self.lanes))

            def position(p: Index, _: list[Value]) -> None:
                place = self._unit(self.target.x, p, v)
                total = w * f.load(self._source(self.buffer.x, p, v))
                f.store_lanes(total if first else total + f.load_first(place, count), 0, count, place)

            f.loop(self.positions, position, name="position")

        self._each_vector(f, vector)

    def emit_backward(self, f: Function, channels: Sequence[str], errors: bool, first: bool, sink: Sink) -> None:
        update = sink.begin(f, self.name) if self.name in sink.updated else None
        if errors or update is not None:
            self._emit_back(f, channels, errors, first, update)
        if errors:
            self.buffer.col2im(f, channels, first)

    def _emit_back(
        self, f: Function, channels: Sequence[str], errors: bool, first: bool, update: WeightUpdate | None
    ) -> None:
        """Emit the errors of the source, then the update of the weights, vector by vector."""
        last = self.cells.masks(self.cells.vectors)[-1]
        store = first or isinstance(self.buffer, PoolBuffer)
        squares = any(POWER[c] == 2 for c in channels)
        if isinstance(self.buffer, PoolBuffer) and squares and update is not None:
            self.buffer.fill_squares(f)

        def states(p: Index, v: Index) -> dict[int, Value]:
            """Return the state to each power that the derivative of the weight needs."""
            x = f.load(self._source(self.buffer.x, p, v))
            if not squares:
                return {1: x}
            if isinstance(self.buffer, PoolBuffer):
                return {1: x, 2: f.load(self._source(self.buffer.squares, p, v))}
            return {1: x, 2: x * x}

        def vector(v: Index, count: int) -> None:
            at = self.cells.value.by(v, self.lanes)
            w = f.load(at)

            def position(p: Index, sums: list[Value]) -> list[Value]:
                totals = []
                x = states(p, v) if update is not None else {}
                for c, total in zip(channels, sums or [f.zero] * len(channels)):
                    d = f.load_first(self._unit(self.target.delta[c], p, v), count)
                    if errors:
                        f.put(d * (w * w if POWER[c] == 2 else w), self._source(self.buffer.back[c], p, v), store)
                    totals.append(f.fma(d, x[POWER[c]], total) if update is not None else total)
                return totals

            carried = [f.zero] * len(channels) if update is not None else []
            sums = f.loop(self.positions, position, carried, "position")
            if update is not None:
                mask = None if count == self.lanes else last.truth(f, at)
                update.apply(at, dict(zip(channels, sums)), mask, w)

        self._each_vector(f, vector)
