"""`normalize`: each position of the source to mean 0 and variance 1 over its maps, and its backward pass.

A position is a row of `maps` neighbouring cells, so lanes lie along the maps. The results and, for each position,
1/sqrt(variance + eps) are kept for the backward pass. See `engines.reference.transforms.NormalizationKernel` for the
formulas.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from snsim.engines.native.elementwise import sum_of_vectors
from snsim.engines.native.im2col import At, each_vector
from snsim.engines.native.layout import Block, LayerCells
from snsim.engines.native.llvm_ir import Function, Index, Value
from snsim.engines.native.target import Address
from snsim.network.wiring import Normalization


class NormalizationKernel:
    """One `normalize`; source and target store their maps in the same order."""

    def __init__(self, structure: Normalization, sources: Sequence[LayerCells], target: LayerCells, block: Block):
        (self.source,), self.target = sources, target
        self.maps, self.positions, self.epsilon = structure.maps, structure.positions, structure.EPSILON
        self.y, self.rate = block.cells.take(target.units), block.cells.take(structure.positions)

    def _row(self, place: Address, p: Index) -> Address:
        return place.by(p, self.maps)

    def _sum(self, f: Function, value: Callable[[At, int], Value]) -> Value:
        """Emit the sum over the maps of a position, in every lane; `value(at, used lanes)` is 0 in the others."""
        return sum_of_vectors(f, self.maps, lambda at, n, now: now + value(at, n))

    def emit_forward(self, f: Function, first: bool) -> None:
        def position(p: Index, _: list[Value]) -> None:
            x, y = self._row(self.source.x, p), self._row(self.y, p)
            mean = self._sum(f, partial(self._numbers, f, x)) / float(self.maps)

            def centred(at: At, n: int) -> Value:
                return f.first_lanes(f.load(at(x)) - mean, n)

            def squared(at: At, n: int) -> Value:
                deviation = centred(at, n)
                return deviation * deviation

            variance = self._sum(f, squared) / float(self.maps)
            rate = f.constant(1.0) / f.call("sqrt", variance + self.epsilon)
            f.store(f.lane(rate, 0), self.rate.by(p, 1))

            def vector(at: At, n: int) -> None:
                value = centred(at, n) * rate
                f.store_lanes(value, 0, n, at(y))
                f.put(value, at(self._row(self.target.x, p)), first, n)

            each_vector(f, self.maps, vector)

        f.loop(self.positions, position, name="position")

    def emit_backward(
        self, f: Function, channels: Sequence[str], wanted: Sequence[bool], first: Sequence[bool]
    ) -> None:
        if not wanted[0]:
            return

        def position(p: Index, _: list[Value]) -> None:
            y, rate = self._row(self.y, p), f.broadcast(self.rate.by(p, 1))
            for c in channels:
                into = self._row(self.source.delta[c], p)
                if c == "g":
                    self._emit_slopes(f, self._row(self.target.delta[c], p), into, y, rate, first[0])
                else:
                    self._emit_second(f, c, p, into, y, rate, first[0])

        f.loop(self.positions, position, name="position")

    def emit_tangent(self, f: Function, tangents: Sequence[Address], into: Address, first: bool) -> None:
        def position(p: Index, _: list[Value]) -> None:
            y, rate = self._row(self.y, p), f.broadcast(self.rate.by(p, 1))
            self._emit_slopes(f, self._row(tangents[0], p), self._row(into, p), y, rate, first)

        f.loop(self.positions, position, name="position")

    def _numbers(self, f: Function, place: Address, at: At, n: int) -> Value:
        return f.first_lanes(f.load(at(place)), n)

    def _moment(self, f: Function, place: Address, y: Address, power: int) -> Value:
        """Emit the sum over the maps of a number times y^power."""

        def value(at: At, n: int) -> Value:
            product = self._numbers(f, place, at, n)
            for _ in range(power):
                product = product * f.load(at(y))
            return product

        return self._sum(f, value)

    def _emit_slopes(self, f: Function, d: Address, into: Address, y: Address, rate: Value, first: bool) -> None:
        """Emit numbers of a position times dy/dx, which is symmetric: the same forward and backward."""
        moments = [self._moment(f, d, y, power) for power in (0, 1)]

        def vector(at: At, n: int) -> None:
            less = (moments[0] + f.load(at(y)) * moments[1]) / float(self.maps)
            f.put(rate * (self._numbers(f, d, at, n) - less), at(into), first, n)

        each_vector(f, self.maps, vector)

    def _emit_second(
        self, f: Function, channel: str, p: Index, into: Address, y: Address, rate: Value, first: bool
    ) -> None:
        d, g = (self._row(self.target.delta[c], p) for c in (channel, "g"))
        maps, full = float(self.maps), channel == "h-full"
        of_g = [self._moment(f, g, y, power) for power in (0, 1)] if full else []
        of_h = [self._moment(f, d, y, power) for power in (0, 1, 2)]

        def vector(at: At, n: int) -> None:
            z = f.load(at(y))
            h, one = self._numbers(f, d, at, n), z * z + 1.0
            crossed = of_h[0] + z * (of_h[1] * 2.0 + z * of_h[2])
            value = h - h * one * (2.0 / maps) + crossed / (maps * maps)
            if full:
                less = self._numbers(f, g, at, n) - (of_g[0] + z * of_g[1]) / maps
                value = value - (z * less * 2.0 + of_g[1] * (f.constant(1.0) - one / maps)) / maps
            f.put(rate * rate * value, at(into), first, n)

        each_vector(f, self.maps, vector)
