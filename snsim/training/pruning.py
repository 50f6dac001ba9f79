"""Optimal brain damage: weights of little saliency are cut, and stay cut while the rest goes on learning.

LeCun, Denker and Solla 1990 (NIPS 2), as SN-2.8 does it (obd-prune): the saliency of a connection is h w^2, h the
second derivative of the cost with its f'' term, over the training set (the paper's factor 1/2 changes no order); all
connections of a shared weight have that of the weight, so that they are cut together. A cut weight is 0 and is held
there by a state of the update rule, `KEPT`, which is 1 for weights that remain; so it is in the checkpoint of a run,
and every engine, which knows nothing of pruning, keeps to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from snsim.engines.protocol import Engine, UpdateRule
from snsim.errors import fail
from snsim.network.expressions import apply, variable
from snsim.network.net import Net, Parameter
from snsim.training.prepare import Patterns

KEPT_STATE = "kept weights"  # the name of the state; no rule of a program can have one with a blank

KeptMasks = dict[str, np.ndarray]  # by parameter that learns: bool, of its shape, whether a weight remains


@dataclass(frozen=True)
class RemainingCounts:
    """What of a net remains: connections that learn, with biases and border cells, and free weights."""

    connections: int
    weights: int


def with_kept_state(rule: UpdateRule) -> UpdateRule:
    """The rule that holds cut weights at 0, whatever else it does."""
    held = (("w", apply("*", variable(KEPT_STATE), variable("w"))),)
    return replace(rule, states=(*rule.states, KEPT_STATE), assignments=(*rule.assignments, held))


def kept_masks(net: Net, state: Mapping[str, np.ndarray]) -> KeptMasks | None:
    """Which weights remain, from an update state (that of a checkpoint); None if none was ever cut."""
    learning = [p for p in net.parameters if p.learns]
    if not learning or f"{learning[0].name}/{KEPT_STATE}" not in state:
        return None
    return {p.name: state[f"{p.name}/{KEPT_STATE}"] != 0 for p in learning}


def count_remaining(net: Net, kept: KeptMasks | None) -> RemainingCounts:
    """The counts of what remains."""
    learning = [p for p in net.parameters if p.learns]
    if kept is None:
        return RemainingCounts(sum(_connections(net, p) for p in learning), sum(p.size for p in learning))
    return RemainingCounts(
        sum(int(p.sharers[kept[p.name].ravel()].sum()) for p in learning),
        sum(int(kept[p.name].sum()) for p in learning),
    )


def _connections(net: Net, parameter: Parameter) -> int:
    """How many connections use the weights of a parameter: the sum of its `sharers`, which need not be built."""
    if parameter.kind == "bias":
        return net.layer(parameter.layer).units
    return next(c for c in net.entering(parameter.layer) if c.source == parameter.source).wiring.connections


def prune_masks(
    net: Net, engine: Engine, patterns: Patterns, kept: KeptMasks | None, fraction: float, of: str
) -> KeptMasks:
    """Which weights remain when the fraction of the remaining connections (or weights, as `of` says) is cut.

    Of n saliencies in order the one at floor(n * fraction), from 0, is the limit; what is strictly below it is cut
    (docs/reference/sn28.md, section 3.13: SN's obd-prune). A weight whose second derivative is negative goes first.
    """
    h, w = engine.curvature(patterns.inputs, patterns.targets, "full"), engine.parameters()
    learning = [p for p in net.parameters if p.learns]
    before = {p.name: np.ones(p.shape, bool) if kept is None else kept[p.name] for p in learning}
    saliency = {p.name: h[p.name].astype(float) * w[p.name].astype(float) ** 2 for p in learning}
    every = np.concatenate([saliency[p.name][before[p.name]] for p in learning])
    if of == "connections":
        every = np.repeat(every, np.concatenate([p.sharers[before[p.name].ravel()] for p in learning]))
    if not np.isfinite(every).all():
        raise fail(
            "the curvature over the training patterns is not finite, so no weights can be pruned by it",
            hint="lower the learning rate of the earlier passes",
        )
    if not len(every):
        return before
    limit = np.partition(every, int(len(every) * fraction))[int(len(every) * fraction)]
    return {name: remains & ~(saliency[name] < limit) for name, remains in before.items()}


def masks_as_state(kept: KeptMasks, dtype: np.dtype) -> dict[str, np.ndarray]:
    """The entries of an update state that hold what is cut."""
    return {f"{name}/{KEPT_STATE}": remains.astype(dtype) for name, remains in kept.items()}


def zero_pruned(values: Mapping[str, np.ndarray], kept: KeptMasks) -> dict[str, np.ndarray]:
    """Weights, or an update state, with 0 where a weight is cut."""
    made = {}
    for name, value in values.items():
        remains = kept.get(name.rpartition("/")[0] or name)
        made[name] = value if remains is None else np.where(remains, value, np.zeros((), value.dtype))
    return made


def parameters_with_remaining_lines(net: Net, kept: KeptMasks, counting: str) -> tuple[Parameter, ...]:
    """The parameters of the net with F of what remains: learning rates go by it (SN counts the lines that are left).

    `counting` is that of `(fan-in ...)`; with "weights" a bias is taken off F again, so here it counts even if cut.
    """
    lines: dict[str, np.ndarray] = {}
    for layer in net.layers[1:]:
        total = np.zeros(layer.units, int)
        for connection in net.entering(layer.name):
            table, remains = connection.table, kept.get(f"{connection.name}.weight")
            uncut = table.target if remains is None else table.target[remains.ravel()[table.weight]]
            total += np.bincount(uncut, minlength=layer.units)
        if layer.bias != "none":
            total += 1 if counting == "weights" else kept[f"{layer.name}.bias"].ravel()[layer.bias_index]
        lines[layer.name] = total
    return tuple(
        _with_fan_in(p, np.maximum(_of_last_users(net, p, lines[p.layer]), 1 + (counting == "weights")))
        for p in net.parameters
    )


def _with_fan_in(parameter: Parameter, fan_in: np.ndarray) -> Parameter:
    return replace(parameter, build_fan_in=lambda: fan_in, build_fan_in_values=lambda: fan_in)


def _of_last_users(net: Net, parameter: Parameter, lines: np.ndarray) -> np.ndarray:
    """F of the last unit that uses each weight, as `Parameter.fan_in` has it."""
    if parameter.kind == "bias":
        made = np.zeros(parameter.size, int)
        made[net.layer(parameter.layer).bias_index] = lines
        return made
    connection = next(c for c in net.entering(parameter.layer) if c.source == parameter.source)
    used: np.ndarray = lines[connection.wiring.last_user()]
    return used
