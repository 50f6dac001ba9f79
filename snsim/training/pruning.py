"""Optimal brain damage: prune the weights of smallest saliency and train the others further.

LeCun, Denker and Solla 1990 (NIPS 2), as in SN-2.8 (obd-prune). The saliency of a connection is h w^2, where h is the
second derivative of the cost over the training set, with its f'' term; the factor 1/2 of the paper does not change the
order. All connections of a shared weight have the saliency of the weight, so they are pruned together.

A pruned weight is 0. A state of the update rule, `KEPT_STATE`, is 1 for weights that remain, and the rule multiplies
the weights by it. So pruning is part of the checkpoint of a run, and engines need no code for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from snsim.engines.protocol import Engine, UpdateRule
from snsim.engines.recurrent import curvature_of_rows
from snsim.errors import fail
from snsim.network.expressions import apply, variable
from snsim.network.net import Net, Parameter
from snsim.training.prepare import Patterns

KEPT_STATE = "kept weights"  # the name of the state; states that a program declares cannot contain a space

KeptMasks = dict[str, np.ndarray]  # by parameter that learns: which weights remain, bool in its shape


@dataclass(frozen=True)
class RemainingCounts:
    """Counts of the remaining connections that learn, with biases and border cells, and of the free weights."""

    connections: int
    weights: int


def with_kept_state(rule: UpdateRule) -> UpdateRule:
    """Return the rule with a final assignment that keeps pruned weights at 0."""
    masking = (("w", apply("*", variable(KEPT_STATE), variable("w"))),)
    return replace(rule, states=(*rule.states, KEPT_STATE), assignments=(*rule.assignments, masking))


def kept_masks(net: Net, state: Mapping[str, np.ndarray]) -> KeptMasks | None:
    """Return the masks of remaining weights in an update state; None if no weights were ever pruned."""
    learning = [p for p in net.parameters if p.learns]
    if not learning or f"{learning[0].name}/{KEPT_STATE}" not in state:
        return None
    return {p.name: state[f"{p.name}/{KEPT_STATE}"] != 0 for p in learning}


def count_remaining(net: Net, masks: KeptMasks | None) -> RemainingCounts:
    """Return how many connections and weights that learn are not pruned; `masks` None means that none was."""
    learning = [p for p in net.parameters if p.learns]
    if masks is None:
        return RemainingCounts(sum(_connection_count(net, p) for p in learning), sum(p.size for p in learning))
    return RemainingCounts(
        sum(int(p.sharers[masks[p.name].ravel()].sum()) for p in learning),
        sum(int(masks[p.name].sum()) for p in learning),
    )


def _connection_count(net: Net, parameter: Parameter) -> int:
    """Return how many connections use the weights of a parameter: the sum of its `sharers`, without building them."""
    if parameter.kind == "bias":
        return net.layer(parameter.layer).units
    connection = net.connection_of(parameter)
    return connection.wiring.connections * len(net.users_of(connection))


def prune_masks(
    net: Net, engine: Engine, patterns: Patterns, masks: KeptMasks | None, fraction: float, of: str
) -> KeptMasks:
    """Return the masks after pruning a fraction of the remaining connections, or weights if `of` is "weights".

    Of n sorted saliencies the one with the index floor(n * fraction), from 0, is the limit; weights strictly below it
    are pruned (SN's obd-prune: docs/reference/sn28.md, section 3.13). Weights with a negative second derivative are
    pruned first. Raise SnError if a saliency is not finite.
    """
    h, w = curvature_of_rows(engine, patterns.inputs, patterns.targets, "full", patterns.starts), engine.parameters()
    learning = [p for p in net.parameters if p.learns]
    before = {p.name: np.ones(p.shape, bool) if masks is None else masks[p.name] for p in learning}
    saliency = {p.name: h[p.name].astype(float) * w[p.name].astype(float) ** 2 for p in learning}
    remaining = np.concatenate([saliency[p.name][before[p.name]] for p in learning])
    if of == "connections":
        remaining = np.repeat(remaining, np.concatenate([p.sharers[before[p.name].ravel()] for p in learning]))
    if not np.isfinite(remaining).all():
        raise fail(
            "the curvature over the training patterns is not finite, so no weights can be pruned by it",
            hint="lower the learning rate of the earlier passes",
        )
    if not len(remaining):
        return before
    limit = np.partition(remaining, int(len(remaining) * fraction))[int(len(remaining) * fraction)]
    return {name: remains & ~(saliency[name] < limit) for name, remains in before.items()}


def masks_as_state(masks: KeptMasks, dtype: np.dtype) -> dict[str, np.ndarray]:
    """Return the masks as entries of an update state."""
    return {f"{name}/{KEPT_STATE}": remains.astype(dtype) for name, remains in masks.items()}


def zero_pruned(values: Mapping[str, np.ndarray], masks: KeptMasks) -> dict[str, np.ndarray]:
    """Return weights, or an update state, with 0 where a weight is pruned."""
    masked = {}
    for name, value in values.items():
        remains = masks.get(name.rpartition("/")[0] or name)
        masked[name] = value if remains is None else np.where(remains, value, np.zeros((), value.dtype))
    return masked


def parameters_with_remaining_lines(net: Net, masks: KeptMasks, counting: str) -> tuple[Parameter, ...]:
    """Return the parameters of the net with F of the remaining connections, which learning rates use as in SN.

    `counting` is that of `(fan-in ...)`. With "weights" the bias is subtracted from F later, so here it counts even if
    it is pruned.
    """
    lines: dict[str, np.ndarray] = {}
    for layer in net.computed:
        total = np.zeros(layer.units, int)
        for connection in net.entering(layer.name):
            table, remains = connection.table, masks.get(net.weight_name(connection))
            uncut = table.target if remains is None else table.target[remains.ravel()[table.weight]]
            total += np.bincount(uncut, minlength=layer.units)
        if layer.bias != "none":
            total += (
                1 if counting == "weights" else masks[f"{net.attribute(layer.name)}.bias"].ravel()[layer.bias_index]
            )
        lines[layer.name] = total
    return tuple(
        _with_fan_in(p, np.maximum(_fan_in_of_last_users(net, p, lines), 1 + (counting == "weights")))
        for p in net.parameters
    )


def _with_fan_in(parameter: Parameter, fan_in: np.ndarray) -> Parameter:
    return replace(parameter, build_fan_in=lambda: fan_in, build_fan_in_values=lambda: fan_in)


def _fan_in_of_last_users(net: Net, parameter: Parameter, lines: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return F of the last unit that uses each weight, as in `Parameter.fan_in`; 0 where none does."""
    last = last_users(net, parameter)
    return np.where(last < 0, 0, lines[layer_of_last_users(net, parameter)][last])


def layer_of_last_users(net: Net, parameter: Parameter) -> str:
    """Return the layer of the last units that use the weights of a parameter: with `weights-of` there are several."""
    if parameter.kind == "bias":
        return parameter.layer
    connection = net.connection_of(parameter)
    return net.users_of(connection)[-1].target


def last_users(net: Net, parameter: Parameter) -> np.ndarray:
    """Return the last unit of the layer that uses each weight of a parameter, flat in C order; -1 where none does."""
    if parameter.kind == "bias":
        last = np.full(parameter.size, -1)
        layer = net.layer(parameter.layer)
        last[layer.bias_index] = np.arange(layer.units)
        return last
    connection = net.connection_of(parameter)
    return connection.wiring.last_user()
