"""Turn scoped values into numbers for each weight: the most specific scope wins."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from snsim.network.net import Net, Parameter
from snsim.training.schedule import value_at
from snsim.training.spec import Scope, ScopedValue, Stage


def scopes_of(parameter: Parameter) -> tuple[Scope, ...]:
    """Return the scopes that cover a parameter, the most specific first.

    The order is (bias ..) or (connect ..), then LAYER, then biases, then everywhere.
    """
    layer, everywhere = Scope("layer", parameter.layer), Scope("everywhere")
    if parameter.kind == "bias":
        return Scope("bias", parameter.layer), layer, Scope("biases"), everywhere
    joined = Scope("connection", parameter.layer, parameter.source or "")
    own = () if parameter.label is None else (replace(joined, label=parameter.label),)
    return *own, joined, layer, everywhere


class StatementsByScope:
    """Scoped values by scope: finds the one for a parameter without a search through all of them."""

    def __init__(self, statements: Iterable[ScopedValue]):
        """Take scoped values, at most one for each scope."""
        self._by_scope = {scoped.scope: scoped for scoped in statements}

    def most_specific(self, parameter: Parameter) -> ScopedValue | None:
        """Return the value of the most specific scope that covers a parameter, or None."""
        return next((self._by_scope[scope] for scope in scopes_of(parameter) if scope in self._by_scope), None)


def fan_in_of(parameter: Parameter, counting: str) -> np.ndarray:
    """Return F of each weight, float64, in the shape of the parameter; with no dimension if all are equal.

    `counting` "lines" counts the bias of the receiving unit (as SN-2.8), "weights" does not. F is at least 1, also for
    a bias that is the only weight of its units.
    """
    low, high = parameter.fan_in_range if parameter.size else (0, 0)
    lines = np.asarray(low if low == high else parameter.fan_in.reshape(parameter.shape), dtype=np.float64)
    return np.maximum(lines - 1, 1) if counting == "weights" and parameter.has_bias else lines


def learning_rates(scoped: ScopedValue, value: float, divisor: np.ndarray) -> float | np.ndarray:
    """Return the learning rates of the weights of a parameter: a float if all are equal, else an array of its shape.

    They are V for epsilon, V/sqrt F for epsi-sqrt, V/F for epsi-inv and V/sqrt(F sharers) for mask-epsi
    (docs/reference/sn28.md, section 3.7). `divisor` is that of `rate_divisor`.
    """
    if scoped.family == "epsilon":
        return value
    rates = np.asarray(value / divisor)
    return float(rates.flat[0]) if np.all(rates == rates.flat[0]) else rates


def rate_divisor(scoped: ScopedValue, parameter: Parameter, counting: str) -> np.ndarray:
    """Return the divisor of V in the learning rates of a parameter; with no dimension if F and sharers are equal."""
    if scoped.family == "epsilon":
        return np.asarray(1.0)
    lines = fan_in_of(parameter, counting)
    divisors: dict[str, Callable[[], np.ndarray]] = {
        "epsi-sqrt": lambda: np.sqrt(lines),
        "epsi-inv": lambda: lines,
        "mask-epsi": lambda: np.sqrt(lines * parameter.sharers.reshape(parameter.shape)),
    }
    return np.asarray(divisors[scoped.family]())


class RatesOfStage:
    """The learning rates of the parameters in each pass of a stage.

    `parameters` replaces those of the net, to use another F.
    """

    def __init__(self, stage: Stage, net: Net, counting: str = "lines", parameters: Iterable[Parameter] | None = None):
        self._passes, self._counting = stage.passes, counting
        stated = StatementsByScope(stage.rates)
        self._rated = [
            (parameter, scoped)
            for parameter in (net.parameters if parameters is None else parameters)
            if parameter.learns and (scoped := stated.most_specific(parameter)) is not None
        ]
        self._values: list[float] | None = None
        self._rates: dict[str, float | np.ndarray] = {}
        self._divisors: dict[str, np.ndarray] = {}  # those that are one number: an array is computed again when needed

    def in_pass(self, number: int) -> dict[str, float | np.ndarray]:
        """Return the rates of every parameter that learns, in pass `number` (from 1) of the stage, by parameter name.

        The result is empty for a rule without a rate. It is the same object as before if no value has changed.
        """
        values = [value_at(scoped.value, number, self._passes) for _, scoped in self._rated]
        if values != self._values:
            self._values = values
            self._rates = {p.name: self._rates_of(p, scoped, v) for (p, scoped), v in zip(self._rated, values)}
        return self._rates

    def _rates_of(self, parameter: Parameter, scoped: ScopedValue, value: float) -> float | np.ndarray:
        divisor = self._divisors.get(parameter.name)
        if divisor is None:
            divisor = rate_divisor(scoped, parameter, self._counting)
            if divisor.ndim == 0:
                self._divisors[parameter.name] = divisor
        return learning_rates(scoped, value, divisor)


def rates_in_pass(stage: Stage, net: Net, number: int, counting: str = "lines") -> dict[str, float | np.ndarray]:
    """Return the rates of pass `number` (from 1) of a stage, as `RatesOfStage` does."""
    return RatesOfStage(stage, net, counting).in_pass(number)


def decays_of(stage: Stage, net: Net) -> dict[str, float] | None:
    """Return the weight decay of every parameter that learns, 0 where no scope covers it; None without such clauses."""
    if not stage.decays:
        return None
    stated = StatementsByScope(stage.decays)
    found = {p.name: stated.most_specific(p) for p in net.parameters if p.learns}
    return {name: 0.0 if scoped is None else scoped.value.numbers[0] for name, scoped in found.items()}
