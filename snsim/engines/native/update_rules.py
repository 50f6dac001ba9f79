"""Compile update rules: substitute constants, and compute once per update what is the same for all weights.

`UpdateCode` takes an `UpdateRule` and the known facts about its settings, and returns for each parameter a function
that emits one update of a vector of weights. The settings themselves are data: an array of doubles, options first, then
a rate for each parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from snsim.engines.folding import fold_rule, is_idle
from snsim.engines.native.layout import Block, ParameterCells, state_region
from snsim.engines.native.llvm_ir import Function, Index, Value
from snsim.engines.native.target import Address
from snsim.engines.native.vector_math import bound
from snsim.engines.protocol import UpdateRule
from snsim.network.expressions import Expression, substitute, variable

CURVATURES = ("h", "h-full")
_PREFIX = "\n"  # of the variables made here: no name in a program holds a line feed
_UNIFORM = f"{_PREFIX}uniform "


def rewritten(
    results: Mapping[str, Expression], replacement: Callable[[Expression], Expression | None]
) -> dict[str, Expression]:
    """Return the results with each part, the largest first, replaced by its replacement if that is not None."""
    done: dict[int, Expression] = {}  # parts are shared, so each is visited once

    def rebuilt(e: Expression) -> Expression:
        if id(e) not in done:
            new = replacement(e)
            if new is None:
                new = Expression(e.op, tuple(rebuilt(a) for a in e.args)) if e.args else e
            done[id(e)] = new
        return done[id(e)]

    return {name: rebuilt(e) for name, e in results.items()}


def hoist_uniform_parts(
    results: Mapping[str, Expression], uniform: frozenset[str]
) -> tuple[dict[str, Expression], list[Expression]]:
    """Replace each largest part that uses only `uniform` variables by a variable; return results and parts."""
    names: dict[Expression, str] = {}

    def replacement(e: Expression) -> Expression | None:
        used = e.variables()
        if not used or not used <= uniform:
            return None
        return variable(names.setdefault(e, f"{_UNIFORM}{len(names)}"))

    return rewritten(results, replacement), list(names)


def factor_out(results: Mapping[str, Expression], channel: str) -> tuple[dict[str, Expression], Expression | None]:
    """Return the common factor of g (or h), and the results in terms of the product; None if there is none.

    There is one if g (or h) enters only as a product with one and the same uniform variable or number. Kernels can then
    multiply once for many weights.
    """
    of_channel = variable(channel)
    factors: set[Expression | None] = set()  # None for g (or h) by itself

    def replacement(e: Expression) -> Expression | None:
        if e.op == "*" and of_channel in e.args:
            other = e.args[0] if e.args[1] == of_channel else e.args[1]
            if other.op == "number" or other.name.startswith(_UNIFORM):
                factors.add(other)
                return of_channel
        elif e == of_channel:
            factors.add(None)
        return None

    products = rewritten(results, replacement)
    factor = factors.pop() if len(factors) == 1 else None
    return (products, factor) if factor is not None else (dict(results), None)


@dataclass(frozen=True)
class CodeVariant:
    """The facts about the settings that decide the code.

    Layers are given by number.
    """

    rates: tuple[tuple[str, str], ...]  # of each learning parameter: "number", "zero" or "array"
    constants: tuple[tuple[str, float], ...] = ()  # the options that never change
    zeros: tuple[str, ...] = ()  # the options that are 0 now
    batched: bool = False  # whether patterns are gathered into batches
    at_once: bool = False  # whether all patterns of a batch are in memory at once
    holds_curvature: bool = False
    gated: tuple[int, ...] = ()  # layers with gates on their states
    noisy: tuple[int, ...] = ()  # layers with noise on their sums
    decays: tuple[tuple[str, float], ...] = ()  # by parameter, in place of the option decay
    threads: int = 1  # that learn a batch together


@dataclass(frozen=True)
class WeightUpdate:
    """The code that consumes the derivatives of a vector of weights.

    `emit(address, {"g": .., "h": ..}, mask, w or None)` takes derivatives that went through `scaled`, either the
    derivatives themselves or the factors of which they are products. `apply` takes the derivatives as they are. The
    sums over the patterns of a group go on from those at `sums(channel, address)`, or start at 0.
    """

    emit: Callable[[Address, Mapping[str, Value], Value | None, Value | None], None]
    factors: Mapping[str, Value]
    sums: Callable[[str, Address], Address] | None = None

    def scaled(self, channel: str, value: Value) -> Value:
        return value * self.factors[channel] if channel in self.factors else value

    def apply(
        self, place: Address, derivatives: Mapping[str, Value], mask: Value | None, w: Value | None = None
    ) -> None:
        """Emit the update of the weights at `place` (`w`, if they are loaded), in the lanes of `mask` only."""
        self.emit(place, {c: self.scaled(c, value) for c, value in derivatives.items()}, mask, w)


class UpdateCode:
    """The update code of one variant of the settings."""

    def __init__(self, rule: UpdateRule, variant: CodeVariant, cells: Mapping[str, ParameterCells], block: Block):
        self.rule, self.variant, self._cells, self._block = rule, variant, cells, block
        fixed = {*dict(variant.constants), *variant.zeros, *(("decay",) if variant.decays else ())}
        decays = dict(variant.decays)
        self.options = [name for name, _ in rule.options if name not in fixed]
        self.settings = [*self.options, *(_rate_of(name) for name, _ in variant.rates)]
        self._uniform_places: dict[Expression, Address] = {}
        self._results: dict[str, tuple[dict[str, Expression], list[Expression]]] = {}
        for name, rate in variant.rates:
            if rate == "zero":  # frozen, whatever the state of the rule
                continue
            overrides = {"decay": decays[name]} if name in decays else {}
            zeros = [zero for zero in variant.zeros if zero not in overrides]
            results = fold_rule(rule, {**dict(variant.constants), **overrides}, zeros)
            if is_idle(results):
                continue
            uniform = frozenset({"n", *self.options, *(["rate"] if rate == "number" else [])})
            rest, parts = hoist_uniform_parts(results, uniform)
            named = [substitute(part, {"rate": variable(_rate_of(name))}) for part in parts]
            for part in named:
                self._uniform_places.setdefault(part, block.take(block.machine.lanes))
            self._results[name] = rest, named

    @property
    def updated(self) -> frozenset[str]:
        """Return the parameters that change at all."""
        return frozenset(self._results)

    def variables(self) -> set[str]:
        return {v for results, _ in self._results.values() for e in results.values() for v in e.variables()}

    def channels(self) -> tuple[str, ...]:
        """Return the channels that the backward pass must compute."""
        used = self.variables()
        return ("g", *(c for c in CURVATURES if c in used and not self.variant.holds_curvature))

    def changes_with_n(self) -> bool:
        return any("n" in part.variables() for part in self._uniform_places)

    def emit_prepare(self, f: Function, updates: Value) -> None:
        """Emit what is the same for all weights, in double precision, into every lane of its address.

        It reads `%settings` and the number of updates (an i64, this one included).
        """
        if not self._uniform_places:
            return
        narrow, wide = f.machine, replace(f.machine, dtype=np.dtype(np.float64), lanes=2)
        f.machine = wide
        env = {"n": f.splat(f.cast(updates, "double", "sitofp"))}
        for k, name in enumerate(self.settings):
            env[name] = f.broadcast(Address(k, base="%settings"))
        scalars = [f.lane(value, 0) for value in bound(f, list(self._uniform_places))(env)]
        f.machine = narrow
        for scalar, place in zip(scalars, self._uniform_places.values()):
            if narrow.scalar == "float":
                scalar = f.cast(scalar, "float", "fptrunc")
            f.store(f.splat(scalar), place)

    def begin(self, f: Function, name: str) -> WeightUpdate:
        """Start a block that holds all updates of parameter `name`: emit the loads that they share."""
        results, parts = self._results[name]
        shared = {f"{_UNIFORM}{k}": f.load(self._uniform_places[part]) for k, part in enumerate(parts)}
        factors: dict[str, Value] = {}
        for channel in self.channels():
            results, factor = factor_out(results, channel)
            if factor is not None:
                factors[channel] = f.constant(factor.number) if factor.op == "number" else shared[factor.name]
        cells, run = self._cells[name], bound(f, list(results.values()))
        loaded = {v for e in results.values() for v in e.variables()}

        def emit(place: Address, gathered: Mapping[str, Value], mask: Value | None, w: Value | None) -> None:
            env = {**shared, **gathered, "w": w or f.load(place)}
            for name in sorted(loaded - env.keys()):  # the same text, and key of the cache, in every process
                env[name] = f.load(place + self._beside(cells, name))
            for name, value in zip(results, run(env)):
                if name == "w":
                    f.store(value if mask is None else f.select(mask, value, f.zero), place)
                elif value is not env.get(name):
                    f.store(value, place + self._beside(cells, name))

        return WeightUpdate(emit, factors)

    def _beside(self, cells: ParameterCells, name: str) -> int:
        """Return the distance from the weights to the region of a variable with one number per weight."""
        if name in self.rule.states:
            return cells.beside(state_region(name))
        return cells.beside("curvature" if name in CURVATURES else name)


def _rate_of(parameter: str) -> str:
    """Return the name of the variable for the learning rate of a parameter."""
    return f"{_PREFIX}rate {parameter}"


class GradientSums:
    """The sink for batches: derivatives are added up beside the weights instead of updating them."""

    def __init__(self, cells: Mapping[str, ParameterCells], updated: frozenset[str], channels: Sequence[str]):
        self._cells, self.updated, self._channels = cells, updated, channels
        self._summed = updated  # the parameters whose sums are in memory after the backward pass

    def _sum(self, name: str, channel: str, place: Address) -> Address:
        """Return the address of the sums of the weights of parameter `name` at `place`."""
        return place + self._cells[name].beside(f"sum {channel}")

    def begin(self, f: Function, name: str) -> WeightUpdate:
        def add(place: Address, gathered: Mapping[str, Value], mask: Value | None, w: Value | None) -> None:
            for channel, value in gathered.items():
                there = self._sum(name, channel, place)
                f.store(f.load(there) + value, there)

        return WeightUpdate(add, {})

    def begin_patterns(self, f: Function, name: str) -> WeightUpdate:
        """Start a block that continues the sums of parameter `name` with all patterns of a group."""

        def put(place: Address, gathered: Mapping[str, Value], mask: Value | None, w: Value | None) -> None:
            for channel, value in gathered.items():
                f.store(value, self._sum(name, channel, place))

        return WeightUpdate(put, {}, partial(self._sum, name))

    def emit_updates(self, f: Function, updates: UpdateCode, factor: Value) -> None:
        """Emit one update of every weight with its sums times `factor`, and clear the sums."""
        for name in sorted(self._summed):
            f.comment(name)
            self._emit_update(f, name, updates.begin(f, name), factor)

    def _emit_update(self, f: Function, name: str, update: WeightUpdate, factor: Value) -> None:
        cells, mask = self._cells[name], self._cells[name].masks(1)[0]

        def vector(v: Index) -> None:
            place = cells.value.by(v, f.machine.lanes)
            derivatives = {}
            for channel in self._channels:
                there = self._sum(name, channel, place)
                derivatives[channel] = f.load(there) * factor
                f.store(f.zero, there)
            update.apply(place, derivatives, mask.truth(f, place))

        f.nest({"vector": cells.vectors}, vector, ("vector",))


class BatchUpdate(GradientSums):
    """The sink for batches whose patterns are in memory at once.

    Parameters whose kernels sum over the patterns are updated there and then. The others are added up and updated by
    `emit_updates`. `factor` holds the factor of the sums in every lane.
    """

    def __init__(
        self, cells: Mapping[str, ParameterCells], updates: UpdateCode, channels: Sequence[str], factor: Address
    ):
        super().__init__(cells, updates.updated, channels)
        self._updates, self._factor = updates, factor

    def begin_patterns(self, f: Function, name: str) -> WeightUpdate:
        self._summed -= {name}
        update, factor = self._updates.begin(f, name), f.load(self._factor)

        def emit(place: Address, gathered: Mapping[str, Value], mask: Value | None, w: Value | None) -> None:
            update.apply(place, {c: value * factor for c, value in gathered.items()}, mask, w)

        return WeightUpdate(emit, {})


Sink = UpdateCode | GradientSums  # of the derivatives by the weights
