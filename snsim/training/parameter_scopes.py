"""Placed statements become numbers for each weight: the more specific place wins."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from snsim.network.net import Net, Parameter
from snsim.training.schedule import value_at
from snsim.training.spec import Scope, ScopedValue, Stage


def scopes_of(parameter: Parameter) -> tuple[Scope, ...]:
    """Return the places that cover a parameter, the most specific first.

    (bias ..) or (connect ..), then LAYER, then biases, then everywhere.
    """
    layer, everywhere = Scope("layer", parameter.layer), Scope("everywhere")
    if parameter.kind == "bias":
        return Scope("bias", parameter.layer), layer, Scope("biases"), everywhere
    return Scope("connection", parameter.layer, parameter.source or ""), layer, everywhere


class StatementsByScope:
    """Placed statements by place: what holds for a parameter is found without going through all of them."""

    def __init__(self, statements: Iterable[ScopedValue]):
        """`statements`: at most one for each place."""
        self._by_place = {placed.scope: placed for placed in statements}

    def most_specific(self, parameter: Parameter) -> ScopedValue | None:
        """Return the most specific statement that covers a parameter, or None."""
        return next((self._by_place[place] for place in scopes_of(parameter) if place in self._by_place), None)


def fan_in_of(parameter: Parameter, counting: str) -> np.ndarray:
    """Return F of each weight, float64: an array of the parameter's shape, or of no dimension where all are equal.

    `lines` counts the bias of the receiving unit (SN-2.8), `weights` does not. At least 1, also for a bias that is the
    only weight of its units.
    """
    low, high = parameter.fan_in_range if parameter.size else (0, 0)
    lines = np.asarray(low if low == high else parameter.fan_in.reshape(parameter.shape), dtype=np.float64)
    return np.maximum(lines - 1, 1) if counting == "weights" and parameter.has_bias else lines


def learning_rates(placed: ScopedValue, parameter: Parameter, value: float, counting: str) -> float | np.ndarray:
    """The rates of a parameter's weights: epsilon V, epsi-sqrt V/sqrt F, epsi-inv V/F, mask-epsi V/sqrt(F sharers).

    See docs/reference/sn28.md, section 3.7. A float where all are equal, else an array of the parameter's shape.
    """
    if placed.family == "epsilon":
        return value
    lines = fan_in_of(parameter, counting)
    divisors: dict[str, Callable[[], np.ndarray]] = {
        "epsi-sqrt": lambda: np.sqrt(lines),
        "epsi-inv": lambda: lines,
        "mask-epsi": lambda: np.sqrt(lines * parameter.sharers.reshape(parameter.shape)),
    }
    rates = np.asarray(value / divisors[placed.family]())
    return float(rates.flat[0]) if np.all(rates == rates.flat[0]) else rates


def rates_in_pass(
    stage: Stage, net: Net, number: int, counting: str = "lines", parameters: Iterable[Parameter] | None = None
) -> dict[str, float | np.ndarray]:
    """The rate of every parameter that learns, in pass `number` (from 1) of the stage, by parameter name.

    Empty for a rule that has no rate. `parameters` may be given instead of the net's, with another F.
    """
    rates: dict[str, float | np.ndarray] = {}
    stated = StatementsByScope(stage.rates)
    for parameter in net.parameters if parameters is None else parameters:
        placed = stated.most_specific(parameter)
        if parameter.learns and placed is not None:
            value = value_at(placed.value, number, stage.passes)
            rates[parameter.name] = learning_rates(placed, parameter, value, counting)
    return rates
