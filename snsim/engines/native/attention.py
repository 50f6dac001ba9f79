"""`attend`: softmax(q k / sqrt(size)) v over the positions, head by head, and its backward pass.

Lanes lie along the positions of q, so that softmax needs no sums over lanes. For each head the states of q are stored
as [map][position, padded to whole vectors] and the softmax as [position of k][position of q]; a state of k or v is one
number in every lane. Lanes beyond the last position hold numbers that are never used, and their errors are 0. Sums over
the positions of q, for k and v, add up lanes. See `engines.reference.transforms.AttentionKernel` for the formulas.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt

from snsim.engines.native.layout import Block, LayerCells, blocks
from snsim.engines.native.llvm_ir import Function, Index, Value
from snsim.engines.native.target import Address
from snsim.engines.native.vector_math import VectorOperations, sums_of
from snsim.network.wiring import Attention

_WRITTEN_OUT = 8  # products of a sum, or sums side by side, before there is a loop


class AttentionKernel:
    """One `attend`. All four layers store their maps in the order of their numbers."""

    def __init__(
        self,
        structure: Attention,
        sources: Sequence[LayerCells],
        target: LayerCells,
        block: Block,
        channels: Sequence[str],
    ):
        self.q, self.k, self.v = sources
        self.target = target
        self.heads, self.size, self.positions = structure.heads, structure.size, structure.positions
        self.maps, self.scale = structure.maps, 1 / sqrt(structure.size)
        self.lanes = block.machine.lanes
        self.width = block.machine.padded(self.positions)
        per_head, weights = self.size * self.width, self.positions * self.width
        self.queries, self.results = block.cells.take(self.heads * per_head), block.cells.take(self.heads * per_head)
        self.weights = block.cells.take(self.heads * weights)
        # For the backward pass of one head: errors of the results, errors of the queries; dE/da minus its mean, dE/ds.
        self.errors = {c: block.cells.take(per_head) for c in channels}
        self.back = block.cells.take(per_head)
        self.excess, self.slopes = block.cells.take(weights), block.cells.take(weights)

    # ---- Places --------------------------------------------------------------------------------------------------

    def _head(self, place: Address, h: Index, rows: int) -> Address:
        return place.by(h, rows * self.width)

    def _states(self, layer_place: Address, h: Index, p: Index) -> Address:
        """Return the states of a head at one position: `size` neighbours."""
        return layer_place.by(p, self.maps).by(h, self.size)

    def _vector(self, place: Address, row: Index, v: Index) -> Address:
        """Return vector v of a row over the positions of q."""
        return place.by(row, self.width).by(v, self.lanes)

    def _each_number(self, f: Function, act: Callable[[Index, Index], None]) -> None:
        f.nest({"position": self.positions, "map": self.size}, act)

    def _transpose(self, f: Function, layer_place: Address, h: Index, rows: Address) -> None:
        """Emit a copy of a head of a layer as rows of positions, one row per map."""
        self._each_number(
            f,
            lambda p, e: f.store(
                f.load_scalar(self._states(layer_place, h, p).by(e, 1)), rows.by(e, self.width).by(p, 1)
            ),
        )

    def _transpose_back(self, f: Function, rows: Address, layer_place: Address, h: Index, first: bool) -> None:
        """Emit rows of positions into a head of a layer: stored if `first`, else added."""

        def number(p: Index, e: Index) -> None:
            value, place = f.load_scalar(rows.by(e, self.width).by(p, 1)), self._states(layer_place, h, p).by(e, 1)
            f.store(value if first else value + f.load_scalar(place), place)

        self._each_number(f, number)

    # ---- Sums ----------------------------------------------------------------------------------------------------

    def _sum_over_maps(self, f: Function, add: Callable[[Index, Value], Value]) -> Value:
        """Emit a sum over the maps of a head: `add(map, sum so far)`."""
        total = f.zero
        for first, times, size in blocks(self.size, _WRITTEN_OUT):

            def some(b: Index, now: list[Value], first: int = first, size: int = size) -> list[Value]:
                total = now[0]
                for k in range(size):
                    total = add(_index(f, b, size, first + k), total)
                return [total]

            total = f.loop(times, some, [total], "map")[0]
        return total

    def _products(self, f: Function, rows: Address, v: Index, numbers: Address) -> Value:
        """Emit, over the maps of a head, the sum of a row's vector times a number."""
        return self._sum_over_maps(
            f, lambda e, total: f.fma(f.load(self._vector(rows, e, v)), f.broadcast(numbers.by(e, 1)), total)
        )

    def _sum_over_positions(
        self, f: Function, term: Callable[[Index, list[Value]], list[Value]], sums: int
    ) -> list[Value]:
        """Emit sums over the positions of k: `term(t, sums so far)`."""
        return f.loop(self.positions, term, [f.zero] * sums, "key")

    # ---- Forward -------------------------------------------------------------------------------------------------

    def emit_forward(self, f: Function, first: bool) -> None:
        def head(h: Index, _: list[Value]) -> None:
            queries, weights = self._head(self.queries, h, self.size), self._head(self.weights, h, self.positions)
            results = self._head(self.results, h, self.size)
            self._transpose(f, self.q.x, h, queries)

            def vector(v: Index, _: list[Value]) -> None:
                self._emit_softmax(f, h, v, queries, weights)
                self._emit_means(f, h, v, [(weights, self.v.x)], results)

            f.loop(self.width // self.lanes, vector, name="queries")
            self._transpose_back(f, results, self.target.x, h, first)

        f.loop(self.heads, head, name="head")

    def _emit_softmax(self, f: Function, h: Index, v: Index, queries: Address, weights: Address) -> None:
        ops, greater = VectorOperations(f), VectorOperations(f).table()["max"]

        def product(t: Index, now: list[Value]) -> list[Value]:
            s = self._products(f, queries, v, self._states(self.k.x, h, t)) * self.scale
            f.store(s, self._vector(weights, t, v))
            return [greater(now[0], s)]

        largest = f.loop(self.positions, product, [f.constant(float("-inf"))], "key")[0]

        def exponentiate(t: Index, now: list[Value]) -> list[Value]:
            place = self._vector(weights, t, v)
            e = ops.exp(f.load(place) - largest)
            f.store(e, place)
            return [now[0] + e]

        share = f.constant(1.0) / self._sum_over_positions(f, exponentiate, 1)[0]

        def divide(t: Index, _: list[Value]) -> None:
            place = self._vector(weights, t, v)
            f.store(f.load(place) * share, place)

        f.loop(self.positions, divide, name="key")

    def _emit_means(
        self, f: Function, h: Index, v: Index, parts: Sequence[tuple[Address, Address]], rows: Address
    ) -> None:
        """Emit one row for each map: the sum of weights times states over the positions of k.

        The sum runs over all `parts`: (rows of weights, states of a layer).
        """

        def some(e: Index, count: int) -> None:
            def key(t: Index, sums: list[Value]) -> list[Value]:
                for weights, states in parts:
                    w, numbers = f.load(self._vector(weights, t, v)), self._states(states, h, t).by(e, 1)
                    sums = [f.fma(w, f.broadcast(numbers + k), total) for k, total in enumerate(sums)]
                return sums

            for k, total in enumerate(self._sum_over_positions(f, key, count)):
                f.store(total, self._vector(rows.by(e, self.width) + k * self.width, 0, v))

        for e0, times, size in blocks(self.size, _WRITTEN_OUT):

            def maps(b: Index, _: list[Value], e0: int = e0, size: int = size) -> None:
                some(_index(f, b, size, e0), size)

            f.loop(times, maps, name="maps")

    def emit_tangent(self, f: Function, tangents: Sequence[Address], into: Address, first: bool) -> None:
        """Emit the derivative of the results along the tangents of q, k and v, after `emit_forward`.

        It is stored if `first`, else added.
        """

        def head(h: Index, _: list[Value]) -> None:
            queries, weights = self._head(self.queries, h, self.size), self._head(self.weights, h, self.positions)
            self._transpose(f, tangents[0], h, self.back)

            def vector(v: Index, _: list[Value]) -> None:
                def key(t: Index, now: list[Value]) -> list[Value]:
                    s = self._products(f, self.back, v, self._states(self.k.x, h, t)) + self._products(
                        f, queries, v, self._states(tangents[1], h, t)
                    )
                    f.store(s * self.scale, self._vector(self.excess, t, v))
                    return [f.fma(f.load(self._vector(weights, t, v)), s * self.scale, now[0])]

                mean = self._sum_over_positions(f, key, 1)[0]

                def subtract_mean(t: Index, _: list[Value]) -> None:
                    deviation = f.load(self._vector(self.excess, t, v)) - mean
                    f.store(deviation * f.load(self._vector(weights, t, v)), self._vector(self.slopes, t, v))

                f.loop(self.positions, subtract_mean, name="key")
                self._emit_means(f, h, v, [(self.slopes, self.v.x), (weights, tangents[2])], self.errors["g"])

            f.loop(self.width // self.lanes, vector, name="queries")
            self._transpose_back(f, self.errors["g"], into, h, first)

        f.loop(self.heads, head, name="head")

    # ---- Backward ------------------------------------------------------------------------------------------------

    def emit_backward(
        self, f: Function, channels: Sequence[str], wanted: Sequence[bool], first: Sequence[bool]
    ) -> None:
        """Emit for each channel the errors of q, k and v where wanted: stored if `first`, else added."""

        def head(h: Index, _: list[Value]) -> None:
            for c in channels:
                self._transpose(f, self.target.delta[c], h, self.errors[c])
            for c in channels:
                f.comment(f"{c} through attention")

                def queries(v: Index, _: list[Value], c: str = c) -> None:
                    self._emit_slopes(f, c, h, v, wanted)

                f.loop(self.width // self.lanes, queries, name="queries")
                if wanted[0]:
                    self._transpose_back(f, self.back, self.q.delta[c], h, first[0])
                for k, (layer, rows, factors) in enumerate(
                    (
                        (self.k, self.slopes, self._head(self.queries, h, self.size)),
                        (self.v, self._head(self.weights, h, self.positions), self.errors[c]),
                    ),
                    1,
                ):
                    if wanted[k]:
                        powers = (1, 1) if c == "g" else (1, 2) if k == 1 else (2, 1)
                        self._emit_over_queries(f, rows, factors, powers, layer.delta[c], h, first[k])

        f.loop(self.heads, head, name="head")

    def _emit_slopes(self, f: Function, c: str, h: Index, v: Index, wanted: Sequence[bool]) -> None:
        """Emit `slopes`, from which the errors of k follow, and `back`, the errors of q."""
        weights = self._head(self.weights, h, self.positions)
        if c == "g":
            self._emit_first(f, h, v, weights)
            if wanted[0]:
                self._emit_means(f, h, v, [(self.slopes, self.k.x)], self.back)
            return
        if wanted[1]:
            self._emit_second_of_k(f, c, h, v, weights)
        if wanted[0]:
            f.loop(self.size, lambda e, _: self._emit_second_of_q(f, c, h, v, e, weights), name="map")

    def _emit_first(self, f: Function, h: Index, v: Index, weights: Address) -> None:
        """Emit `excess` and `slopes` of the gradient."""

        def key(t: Index, now: list[Value]) -> list[Value]:
            value = self._products(f, self.errors["g"], v, self._states(self.v.x, h, t))
            f.store(value, self._vector(self.excess, t, v))
            return [f.fma(f.load(self._vector(weights, t, v)), value, now[0])]

        mean = self._sum_over_positions(f, key, 1)[0]

        def subtract_mean(t: Index, _: list[Value]) -> None:
            place = self._vector(self.excess, t, v)
            excess = f.load(place) - mean
            f.store(excess, place)
            f.store(excess * f.load(self._vector(weights, t, v)) * self.scale, self._vector(self.slopes, t, v))

        f.loop(self.positions, subtract_mean, name="key")

    def _emit_second_of_k(self, f: Function, c: str, h: Index, v: Index, weights: Address) -> None:
        results = self._head(self.results, h, self.size)

        def key(t: Index, _: list[Value]) -> None:
            numbers, a = self._states(self.v.x, h, t), f.load(self._vector(weights, t, v))

            def spread(e: Index, total: Value) -> Value:
                away = f.broadcast(numbers.by(e, 1)) - f.load(self._vector(results, e, v))
                return f.fma(away * away, f.load(self._vector(self.errors[c], e, v)), total)

            value = a * self._sum_over_maps(f, spread)
            if c == "h-full":
                value = f.fma(f.constant(1.0) - a * 2.0, f.load(self._vector(self.excess, t, v)), value)
            f.store(a * value * self.scale**2, self._vector(self.slopes, t, v))

        f.loop(self.positions, key, name="key")

    def _emit_second_of_q(self, f: Function, c: str, h: Index, v: Index, e: Index, weights: Address) -> None:
        """Emit one row of `back`."""

        def weight_and_key(t: Index) -> tuple[Value, Value]:
            return f.load(self._vector(weights, t, v)), f.broadcast(self._states(self.k.x, h, t).by(e, 1))

        mean = self._sum_over_positions(f, lambda t, now: [f.fma(*weight_and_key(t), now[0])], 1)[0]

        def squared(i: Index, total: Value) -> Value:
            def key(t: Index, now: list[Value]) -> list[Value]:
                a, k = weight_and_key(t)
                return [f.fma(a * (k - mean), f.broadcast(self._states(self.v.x, h, t).by(i, 1)), now[0])]

            slope = self._sum_over_positions(f, key, 1)[0]
            return f.fma(slope * slope, f.load(self._vector(self.errors[c], i, v)), total)

        total = self._sum_over_maps(f, squared)
        if c == "h-full":

            def bent(t: Index, now: list[Value]) -> list[Value]:
                a, k = weight_and_key(t)
                return [f.fma(a * (k - mean) * (k - mean), f.load(self._vector(self.excess, t, v)), now[0])]

            total = f.loop(self.positions, bent, [total], "key")[0]
        f.store(total * self.scale**2, self._vector(self.back, e, v))

    def _emit_over_queries(
        self,
        f: Function,
        rows: Address,
        factors: Address,
        powers: tuple[int, int],
        into: Address,
        h: Index,
        first: bool,
    ) -> None:
        """Emit the errors of k or v.

        For each position of k and each map they are the sum over the positions of q of a row times a factor, each to
        its power in `powers`.
        """

        def key(t: Index, _: list[Value]) -> None:
            for e0, times, size in blocks(self.size, self.lanes):

                def maps(b: Index, _: list[Value], e0: int = e0, size: int = size) -> None:
                    some(t, _index(f, b, size, e0), size)

                f.loop(times, maps, name="maps")

        def some(t: Index, e: Index, count: int) -> None:
            def vector(v: Index, sums: list[Value]) -> list[Value]:
                row = _power(f.load(self._vector(rows, t, v)), powers[0])
                at = factors.by(e, self.width).by(v, self.lanes)
                return [
                    f.fma(row, _power(f.load(at + k * self.width), powers[1]), total) for k, total in enumerate(sums)
                ]

            sums = f.loop(self.width // self.lanes, vector, [f.zero] * count, "queries")
            place, total = self._states(into, h, t).by(e, 1), sums_of(f, sums)
            f.store_lanes(total if first else total + f.load(place), 0, count, place)

        f.loop(self.positions, key, name="key")


def _power(value: Value, power: int) -> Value:
    return value * value if power == 2 else value


def _index(f: Function, block: Index, size: int, offset: int) -> Index:
    """Return offset + block * size: a number, or a value where the block is one."""
    if isinstance(block, int):
        return offset + block * size
    scaled = f.op("mul", block, Value(f, str(size), "i64"), "nsw")
    return f.op("add", scaled, Value(f, str(offset), "i64"), "nsw") if offset else scaled
