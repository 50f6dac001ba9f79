"""Cell-by-cell code: non-linearities, the cost, errors through the non-linearity, biases.

The functions take layers and expressions and emit loops over whole vectors. Lanes after the last cell are kept 0,
whatever the expression makes of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import gcd

import numpy as np

from snsim.engines.native.im2col import At, each_vector, pick_lanes
from snsim.engines.native.layout import POWER, Block, LayerCells, ParameterCells, blocks
from snsim.engines.native.llvm_ir import Function, Index, Value
from snsim.engines.native.target import Address
from snsim.engines.native.update_rules import WeightUpdate
from snsim.engines.native.vector_math import VectorOperations
from snsim.engines.plan import LayerPlan
from snsim.engines.protocol import Cost
from snsim.network.expressions import compile_expressions

_MANY_REPEATS = 64  # of a bias, from which on its errors are added up in several chains


class Bias:
    """The bias of a layer whose entries repeat in the order of cells: `period` entries, `repeats` times.

    Repeated entries are also kept cell by cell in `spread`, to be added to the sums.
    """

    def __init__(self, layer: LayerCells, name: str, entries: np.ndarray, period: int, block: Block):
        self.layer, self.period, self.repeats = layer, period, layer.units // period
        index = np.full(block.machine.padded(period), -1)
        index[:period] = entries[:period]
        self.cells = ParameterCells(name, index, block)
        self.spread = self.cells.value if self.repeats == 1 else block.take(layer.units)

    @staticmethod
    def fits(entries: np.ndarray, size: int) -> bool:
        return len(entries) % size == 0 and bool((entries == np.tile(entries[:size], len(entries) // size)).all())

    def mask(self, f: Function, count: int) -> Value | None:
        lanes = f.machine.lanes
        return None if count == lanes else f.mask([k < count for k in range(lanes)])

    def emit_spread(self, f: Function) -> None:
        lanes = f.machine.lanes
        if self.repeats > 1 and self.period < lanes:
            value = f.load(self.cells.value)
            together = self.period // gcd(self.period, lanes)  # vectors, after which the entries repeat
            entries = [
                f.shuffle(value, None, [n % self.period for n in range(v * lanes, (v + 1) * lanes)])
                for v in range(together)
            ]
            for first, times, count in blocks(-(-self.layer.units // lanes), together):

                def store(b: Index, first: int = first, count: int = count) -> None:
                    for v in range(count):
                        f.store(entries[v], self.spread.by(b, together * lanes) + (first + v) * lanes)

                f.nest({"vectors": times}, store)
        elif self.repeats > 1:
            f.loop(
                self.repeats,
                lambda p, _: each_vector(
                    f,
                    self.period,
                    lambda at, n: f.store_lanes(f.load(at(self.cells.value)), 0, n, at(self.spread.by(p, self.period))),
                ),
                name="position",
            )

    def _chains(self, f: Function, channels: Sequence[str]) -> tuple[int, bool]:
        """Return how many chains add up the errors of repeated entries, and whether they lie in whole vectors."""
        if self.repeats < _MANY_REPEATS:
            return 1, False
        chains = max(n for n in (8, 4, 2, 1) if self.repeats % n == 0 and n * len(channels) <= 8)
        return chains, self.period < f.machine.lanes and self.period * chains % f.machine.lanes == 0

    def meets_vectors_once(self, f: Function, channels: Sequence[str]) -> bool:
        """Return whether `emit_update` asks for the errors of each vector of the layer, and of no lane twice."""
        return self._chains(f, channels)[1] or self.period % f.machine.lanes == 0

    def emit_update(
        self, f: Function, channels: Sequence[str], update: WeightUpdate, errors: Callable[[At], Mapping[str, Value]]
    ) -> None:
        """Emit the update of the bias; for repeated entries the errors of all positions are summed.

        `errors` emits those of one vector of cells.
        """
        chains, packed = self._chains(f, channels)
        lanes, width = f.machine.lanes, self.period * chains
        vectors, step = (width // lanes, lanes) if packed else (chains, self.period)

        def vector(at: At, count: int) -> None:
            def position(p: Index, now: list[Value]) -> list[Value]:
                """Return the sums, numbered channel * vectors + vector."""

                def entry(k: int) -> At:
                    return lambda place: at(place.by(p, width) + k * step)

                terms = [errors(entry(k)) for k in range(vectors)]
                return [total + term for total, term in zip(now, (by[c] for c in channels for by in terms))]

            parts = f.loop(self.repeats // chains, position, [f.zero] * (len(channels) * vectors), "position")
            if packed:
                parts = [
                    pick_lanes(f, parts[n : n + vectors], range(k * self.period, (k + 1) * self.period))
                    for n in range(0, len(parts), vectors)
                    for k in range(chains)
                ]
            sums = [sum(parts[k + 1 : k + chains], start=parts[k]) for k in range(0, len(parts), chains)]
            gathered = {c: update.scaled(c, total) for c, total in zip(channels, sums)}
            update.emit(at(self.cells.value), gathered, self.mask(f, count), None)

        each_vector(f, self.period, vector)
        self.emit_spread(f)


def emit_nlf(
    f: Function, stage: LayerPlan, layer: LayerCells, bias: Bias | None, bends: bool, gated: bool, noisy: bool
) -> None:
    """Emit states, f'(a) and, if `bends`, f''(a) from the sums, which stand in the place of the states.

    A `gated` unit has the non-linearity gate * f. If `noisy`, the noise is added to the sums first.
    """
    run = compile_expressions([stage.f, stage.df, *([stage.ddf] if bends else [])]).bind(VectorOperations(f).table())

    def vector(at: At, count: int) -> None:
        a = f.load(at(layer.x))
        if bias is not None:
            a = a + f.load(at(bias.spread))
        a = a + f.load(at(layer.noise)) if noisy else a
        for result, place in zip(run({"x": a}), (layer.x, layer.slope, layer.bend)):
            value = VectorOperations(f).number(result)
            value = value * f.load(at(layer.gate)) if gated else value
            f.store(f.first_lanes(value, count), at(place))

    each_vector(f, layer.units, vector)


def emit_cost(f: Function, cost: Cost, layer: LayerCells, channels: Sequence[str], target: Address) -> None:
    """Emit dE/dx of the outputs and, for curvature, d2E/dx2, into the errors of the output layer."""
    if cost.softmax or cost.de is None or cost.dde is None:
        return _emit_softmax(f, layer, channels, target, cost.rubbish)
    run = compile_expressions([cost.de if POWER[c] == 1 else cost.dde for c in channels]).bind(
        VectorOperations(f).table()
    )

    def vector(at: At, count: int) -> None:
        env = {"x": f.load(at(layer.x)), "d": f.load_first(at(target), count), "n": f.constant(float(layer.units))}
        for c, value in zip(channels, run(env)):
            f.store(f.first_lanes(VectorOperations(f).number(value), count), at(layer.delta[c]))

    each_vector(f, layer.units, vector)


def _emit_softmax(
    f: Function, layer: LayerCells, channels: Sequence[str], target: Address, rubbish: float | None
) -> None:
    lanes, units = f.machine.lanes, layer.units
    ops = VectorOperations(f)
    greater = ops.table()["max"]

    def load_x(at: At, count: int) -> Value:
        x = f.load(at(layer.x))
        return x if count == lanes else f.select(f.mask([k < count for k in range(lanes)]), x, f.constant(-np.inf))

    least = f.constant(-np.inf if rubbish is None else rubbish)
    largest = reduce_lanes(f, reduce_vectors(f, units, least, lambda at, n, now: greater(now, load_x(at, n))), greater)

    def add_exp(at: At, count: int, now: Value) -> Value:
        e = f.first_lanes(ops.exp(load_x(at, count) - largest), count)
        f.store(e, at(layer.delta[channels[0]]))
        return now + e

    total = reduce_lanes(f, reduce_vectors(f, units, f.zero, add_exp), lambda a, b: a + b)
    if rubbish is not None:
        total = total + ops.exp(f.constant(rubbish) - largest)
    mass = reduce_lanes(
        f, reduce_vectors(f, units, f.zero, lambda at, n, now: now + f.load_first(at(target), n)), lambda a, b: a + b
    )

    def vector(at: At, count: int) -> None:
        p, d = f.load(at(layer.delta[channels[0]])) / total, f.load_first(at(target), count)
        for c in channels:
            f.store(p * mass - d if POWER[c] == 1 else p * (f.constant(1.0) - p) * mass, at(layer.delta[c]))

    each_vector(f, units, vector)


def reduce_vectors(f: Function, count: int, start: Value, step: Callable[[At, int, Value], Value]) -> Value:
    """Emit `step(at, used lanes, value so far)` over all vectors, and return the last value."""
    lanes = f.machine.lanes
    full, rest = divmod(count, lanes)
    value = start
    if full:
        value = f.loop(full, lambda v, now: [step(lambda place: place.by(v, lanes), lanes, now[0])], [value])[0]
    return step(lambda place: place + full * lanes, rest, value) if rest else value


def reduce_lanes(f: Function, value: Value, combine: Callable[[Value, Value], Value]) -> Value:
    """Emit the combination of all lanes, and return it in every lane."""
    lanes = f.machine.lanes
    half = lanes // 2
    while half:
        value = combine(value, f.shuffle(value, None, [k ^ half for k in range(lanes)]))
        half //= 2
    return value


def emit_through_nlf(
    f: Function, layer: LayerCells, channels: Sequence[str], bias: Bias | None, update: WeightUpdate | None
) -> None:
    """Emit the step from derivatives by the states to derivatives by the sums, in place.

    Biases with one entry per cell are updated on the way.
    """

    def errors(at: At) -> dict[str, Value]:
        slope, error = f.load(at(layer.slope)), f.load(at(layer.delta["g"]))
        values = {}
        for c in channels:
            if c == "g":
                value = error * slope
            else:
                value = f.load(at(layer.delta[c])) * (slope * slope)
                if c == "h-full":
                    value = f.fma(error, f.load(at(layer.bend)), value)
            f.store(value, at(layer.delta[c]))
            values[c] = value
        return values

    if bias is not None and update is not None and (bias.repeats == 1 or bias.meets_vectors_once(f, channels)):
        emit_bias_gradient(f, channels, bias, update, errors)
        return
    each_vector(f, layer.units, lambda at, _: errors(at))
    if bias is not None and update is not None:
        emit_bias_gradient(f, channels, bias, update)


def emit_bias_gradient(
    f: Function,
    channels: Sequence[str],
    bias: Bias,
    update: WeightUpdate,
    errors: Callable[[At], Mapping[str, Value]] | None = None,
) -> None:
    """Emit the gradient and update of a bias from derivatives by the sums: those in memory, or `errors` emits them."""
    errors = errors or (lambda at: {c: f.load(at(bias.layer.delta[c])) for c in channels})
    if bias.repeats > 1:
        bias.emit_update(f, channels, update, errors)
        return

    def vector(at: At, count: int) -> None:
        gathered = {c: update.scaled(c, value) for c, value in errors(at).items()}
        update.emit(at(bias.cells.value), gathered, bias.mask(f, count), None)

    each_vector(f, bias.layer.units, vector)


def emit_copy(f: Function, source: Address, target: Address, count: int, exact: bool = True) -> None:
    """Emit a copy of `count` numbers; unless `exact`, zeros fill up the last vector of the target."""
    each_vector(
        f,
        count,
        lambda at, n: (
            f.store_lanes(f.load_first(at(source), n), 0, n, at(target))
            if exact
            else f.store(f.load_first(at(source), n), at(target))
        ),
    )


def emit_filled(f: Function, place: Address, count: int, number: float) -> None:
    """Emit the store of one number in `count` cells."""
    each_vector(f, count, lambda at, n: f.store(f.first_lanes(f.constant(number), n), at(place)))


def pattern_address(base: str, index: Index, size: int) -> Address:
    """Return the address of row `index` of an array of patterns."""
    return Address(0, base=base).by(index, size)
