"""`attend`: softmax(q k / sqrt(size)) v over the positions, head by head, and its backward pass.

Lanes lie along the positions of q, so that softmax needs no sums over lanes. For each head the states of q are stored
as [map][position, padded to whole vectors] and the softmax as [position of k][position of q]; a state of k or v is one
number in every lane. Lanes beyond the last position hold numbers that are never used, and their errors are 0. Sums over
the positions of q, for k and v, add up lanes. See `engines.reference.transforms.AttentionKernel` for the formulas.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import sqrt
from typing import Any

from snsim.engines.native.layout import POWER, Block, LayerCells, blocks
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
        self.width = block.machine.padded(self.positions)
        per_head, weights = self.size * self.width, self.positions * self.width
        self.queries, self.results = block.cells.take(self.heads * per_head), block.cells.take(self.heads * per_head)
        self.weights = block.cells.take(self.heads * weights)
        # For the backward pass of one head: errors of the results, errors of the queries; dE/da minus its mean, dE/ds.
        self.errors = {c: block.cells.take(per_head) for c in channels}
        self.back = block.cells.take(per_head)
        self.excess, self.slopes = block.cells.take(weights), block.cells.take(weights)

    def _each_head(self, f: Function, emit: Callable[[_Head], None]) -> None:
        f.loop(self.heads, lambda h, _: emit(_Head(f, self, h)), name="head")

    def emit_forward(self, f: Function, first: bool) -> None:
        def emit(head: _Head) -> None:
            def vector(v: Index) -> None:
                head.emit_softmax(v)
                head.emit_means(v, [(head.weights, self.v.x)], head.results)

            head.transpose(self.q.x, head.queries)
            head.each_vector(vector)
            head.transpose_back(head.results, self.target.x, first)

        self._each_head(f, emit)

    def emit_tangent(self, f: Function, tangents: Sequence[Address], into: Address, first: bool) -> None:
        def emit(head: _Head) -> None:
            def vector(v: Index) -> None:
                head.emit_tangent_of_weights(v, tangents[1])
                head.emit_means(v, [(self.slopes, self.v.x), (head.weights, tangents[2])], self.errors["g"])

            head.transpose(tangents[0], self.back)
            head.each_vector(vector)
            head.transpose_back(self.errors["g"], into, first)

        self._each_head(f, emit)

    def emit_backward(
        self, f: Function, channels: Sequence[str], wanted: Sequence[bool], first: Sequence[bool]
    ) -> None:
        def emit(head: _Head) -> None:
            for c in channels:
                head.transpose(self.target.delta[c], self.errors[c])
            for c in channels:
                f.comment(f"{c} through attention")
                head.each_vector(partial(head.emit_slopes, c, wanted))
                if wanted[0]:
                    head.transpose_back(self.back, self.q.delta[c], first[0])
                if wanted[1]:
                    head.emit_over_queries(self.slopes, head.queries, (1, POWER[c]), self.k.delta[c], first[1])
                if wanted[2]:
                    head.emit_over_queries(head.weights, self.errors[c], (POWER[c], 1), self.v.delta[c], first[2])

        self._each_head(f, emit)


class _Head:
    """The code of one head in a function. `v` is a vector of positions of q, `t` a position of k and v, `e` a map."""

    def __init__(self, f: Function, kernel: AttentionKernel, h: Index):
        self.f, self.kernel, self.h, self.lanes = f, kernel, h, f.machine.lanes
        self.positions, self.size, self.width, self.scale = kernel.positions, kernel.size, kernel.width, kernel.scale
        self.queries, self.results = (rows.by(h, self.size * self.width) for rows in (kernel.queries, kernel.results))
        self.weights = kernel.weights.by(h, self.positions * self.width)

    # ---- Places and loops ----------------------------------------------------------------------------------------

    def state(self, layer_place: Address, p: Index, e: Index = 0) -> Address:
        """Return the state of a map at one position; those of the other maps of the head follow."""
        return layer_place.by(p, self.kernel.maps).by(self.h, self.size).by(e, 1)

    def row(self, rows: Address, number: Index, v: Index) -> Address:
        """Return vector v of a row over the positions of q."""
        return rows.by(number, self.width).by(v, self.lanes)

    def load(self, rows: Address, number: Index, v: Index) -> Value:
        return self.f.load(self.row(rows, number, v))

    def each_vector(self, emit: Callable[[Index], None]) -> None:
        self.f.loop(self.width // self.lanes, lambda v, _: emit(v), name="queries")

    def each_key(self, body: Callable[[Index, list[Value]], Any], carried: Sequence[Value] = ()) -> list[Value]:
        return self.f.loop(self.positions, body, carried, "key")

    def each_block(
        self, most: int, body: Callable[[Index, int, list[Value]], Any], carried: Sequence[Value] = ()
    ) -> list[Value]:
        """Emit `body(first map, number of maps, values)` for all maps, up to `most` at a time."""
        values = list(carried)
        for first, times, maps in blocks(self.size, most):

            def block(b: Index, now: list[Value], first: int = first, maps: int = maps) -> Any:
                scaled = self.f.op("mul", b, self.f.integer(maps), "nsw") if isinstance(b, Value) else b * maps
                return body(_plus(scaled, first), maps, now)

            values = self.f.loop(times, block, values, "maps")
        return values

    def sum_over_maps(self, add: Callable[[Index, Value], Value]) -> Value:
        """Emit a sum over the maps: `add(map, sum so far)`."""

        def some(e: Index, maps: int, now: list[Value]) -> list[Value]:
            total = now[0]
            for k in range(maps):
                total = add(_plus(e, k), total)
            return [total]

        return self.each_block(_WRITTEN_OUT, some, [self.f.zero])[0]

    def products(self, rows: Address, v: Index, states: Address, t: Index) -> Value:
        """Emit, over the maps, the sum of a row's vector times the state at a position."""
        f = self.f
        return self.sum_over_maps(
            lambda e, total: f.fma(self.load(rows, e, v), f.broadcast(self.state(states, t, e)), total)
        )

    def transpose(self, layer_place: Address, rows: Address) -> None:
        """Emit a copy of a layer as rows of positions, one row per map."""

        def number(p: Index, e: Index) -> None:
            self.f.store(self.f.load_scalar(self.state(layer_place, p, e)), rows.by(e, self.width).by(p, 1))

        self.f.nest({"position": self.positions, "map": self.size}, number)

    def transpose_back(self, rows: Address, layer_place: Address, first: bool) -> None:
        """Emit rows of positions into a layer: stored if `first`, else added."""

        def number(p: Index, e: Index) -> None:
            value = self.f.load_scalar(rows.by(e, self.width).by(p, 1))
            self.f.put(value, self.state(layer_place, p, e), first)

        self.f.nest({"position": self.positions, "map": self.size}, number)

    # ---- Forward -------------------------------------------------------------------------------------------------

    def emit_softmax(self, v: Index) -> None:
        f, ops = self.f, VectorOperations(self.f)
        greater = ops.table()["max"]

        def product(t: Index, now: list[Value]) -> list[Value]:
            s = self.products(self.queries, v, self.kernel.k.x, t) * self.scale
            f.store(s, self.row(self.weights, t, v))
            return [greater(now[0], s)]

        largest = self.each_key(product, [f.constant(float("-inf"))])[0]

        def exponentiate(t: Index, now: list[Value]) -> list[Value]:
            place = self.row(self.weights, t, v)
            e = ops.exp(f.load(place) - largest)
            f.store(e, place)
            return [now[0] + e]

        share = f.constant(1.0) / self.each_key(exponentiate, [f.zero])[0]

        def divide(t: Index, _: list[Value]) -> None:
            place = self.row(self.weights, t, v)
            f.store(f.load(place) * share, place)

        self.each_key(divide)

    def emit_means(self, v: Index, parts: Sequence[tuple[Address, Address]], rows: Address) -> None:
        """Emit one row for each map: the sum of weights times states over the positions of k.

        The sum runs over all `parts`: (rows of weights, states of a layer).
        """
        f = self.f

        def maps(e: Index, count: int, _: list[Value]) -> None:
            def key(t: Index, sums: list[Value]) -> list[Value]:
                for weights, states in parts:
                    w, numbers = self.load(weights, t, v), self.state(states, t, e)
                    sums = [f.fma(w, f.broadcast(numbers + k), total) for k, total in enumerate(sums)]
                return sums

            for k, total in enumerate(self.each_key(key, [f.zero] * count)):
                f.store(total, self.row(rows.by(e, self.width) + k * self.width, 0, v))

        self.each_block(_WRITTEN_OUT, maps)

    def emit_excess(self, v: Index, number: Callable[[Index], Value]) -> Value:
        """Emit `excess`, a number for each position of k; return its mean with the weights of the softmax."""

        def key(t: Index, now: list[Value]) -> list[Value]:
            value = number(t)
            self.f.store(value, self.row(self.kernel.excess, t, v))
            return [self.f.fma(self.load(self.weights, t, v), value, now[0])]

        return self.each_key(key, [self.f.zero])[0]

    def emit_tangent_of_weights(self, v: Index, tangent_of_k: Address) -> None:
        """Emit the tangent of the softmax into `slopes`; that of q stands in `back`."""
        f, kernel = self.f, self.kernel

        def tangent(t: Index) -> Value:
            moved = self.products(kernel.back, v, kernel.k.x, t) + self.products(self.queries, v, tangent_of_k, t)
            return moved * self.scale

        mean = self.emit_excess(v, tangent)

        def subtract_mean(t: Index, _: list[Value]) -> None:
            deviation = self.load(kernel.excess, t, v) - mean
            f.store(deviation * self.load(self.weights, t, v), self.row(kernel.slopes, t, v))

        self.each_key(subtract_mean)

    # ---- Backward ------------------------------------------------------------------------------------------------

    def emit_slopes(self, c: str, wanted: Sequence[bool], v: Index) -> None:
        """Emit `slopes`, from which the errors of k follow, and `back`, the errors of q."""
        if c == "g":
            self._emit_first(v)
            if wanted[0]:
                self.emit_means(v, [(self.kernel.slopes, self.kernel.k.x)], self.kernel.back)
            return
        if wanted[1]:
            self._emit_second_of_k(c, v)
        if wanted[0]:
            self.f.loop(self.size, lambda e, _: self._emit_second_of_q(c, v, e), name="map")

    def _emit_first(self, v: Index) -> None:
        """Emit `excess`, less its mean, and `slopes` of the gradient."""
        f, kernel = self.f, self.kernel
        mean = self.emit_excess(v, lambda t: self.products(kernel.errors["g"], v, kernel.v.x, t))

        def subtract_mean(t: Index, _: list[Value]) -> None:
            place = self.row(kernel.excess, t, v)
            excess = f.load(place) - mean
            f.store(excess, place)
            f.store(excess * self.load(self.weights, t, v) * self.scale, self.row(kernel.slopes, t, v))

        self.each_key(subtract_mean)

    def _emit_second_of_k(self, c: str, v: Index) -> None:
        f, kernel = self.f, self.kernel

        def key(t: Index, _: list[Value]) -> None:
            a = self.load(self.weights, t, v)

            def spread(e: Index, total: Value) -> Value:
                away = f.broadcast(self.state(kernel.v.x, t, e)) - self.load(self.results, e, v)
                return f.fma(away * away, self.load(kernel.errors[c], e, v), total)

            value = a * self.sum_over_maps(spread)
            if c == "h-full":
                value = f.fma(f.constant(1.0) - a * 2.0, self.load(kernel.excess, t, v), value)
            f.store(a * value * self.scale**2, self.row(kernel.slopes, t, v))

        self.each_key(key)

    def _emit_second_of_q(self, c: str, v: Index, e: Index) -> None:
        """Emit one row of `back`."""
        f, kernel = self.f, self.kernel

        def weight_and_key(t: Index) -> tuple[Value, Value]:
            return self.load(self.weights, t, v), f.broadcast(self.state(kernel.k.x, t, e))

        mean = self.each_key(lambda t, now: [f.fma(*weight_and_key(t), now[0])], [f.zero])[0]

        def squared(i: Index, total: Value) -> Value:
            def key(t: Index, now: list[Value]) -> list[Value]:
                a, k = weight_and_key(t)
                return [f.fma(a * (k - mean), f.broadcast(self.state(kernel.v.x, t, i)), now[0])]

            slope = self.each_key(key, [f.zero])[0]
            return f.fma(slope * slope, self.load(kernel.errors[c], i, v), total)

        def bent(t: Index, now: list[Value]) -> list[Value]:
            a, k = weight_and_key(t)
            return [f.fma(a * (k - mean) * (k - mean), self.load(kernel.excess, t, v), now[0])]

        total = self.sum_over_maps(squared)
        if c == "h-full":
            total = self.each_key(bent, [total])[0]
        f.store(total * self.scale**2, self.row(kernel.back, e, v))

    def emit_over_queries(
        self, rows: Address, factors: Address, powers: tuple[int, int], into: Address, first: bool
    ) -> None:
        """Emit the errors of k or v.

        For each position of k and each map they are the sum over the positions of q of a row times a factor, each to
        its power in `powers`.
        """
        f = self.f

        def maps(t: Index, e: Index, count: int, _: list[Value]) -> None:
            def vector(v: Index, sums: list[Value]) -> list[Value]:
                row, at = _power(self.load(rows, t, v), powers[0]), self.row(factors, e, v)
                numbers = (_power(f.load(at + k * self.width), powers[1]) for k in range(count))
                return [f.fma(row, number, total) for number, total in zip(numbers, sums)]

            sums = f.loop(self.width // self.lanes, vector, [f.zero] * count, "queries")
            f.put(sums_of(f, sums), self.state(into, t, e), first, count)

        self.each_key(lambda t, _: self.each_block(self.lanes, partial(maps, t)))


def _power(value: Value, power: int) -> Value:
    return value * value if power == 2 else value


def _plus(index: Index, number: int) -> Index:
    if isinstance(index, int):
        return index + number
    return index.function.op("add", index, index.function.integer(number), "nsw") if number else index
