"""Compute what a trained net does: its outputs over many patterns, and its effective weights."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from snsim.engines.protocol import Engine
from snsim.engines.recurrent import RecurrentEngine
from snsim.engines.weight_norm import WeightNorm
from snsim.network.net import Net

_CHUNK = 2000  # patterns whose outputs are computed at a time


def compute_outputs(engine: Engine, inputs: np.ndarray, starts: np.ndarray | None = None) -> np.ndarray:
    """Return the outputs (patterns, output units) for inputs (patterns, input units).

    For a net with delays `starts`, bool (patterns,), tells which patterns start a sequence; None: only the first.
    """
    if isinstance(engine, RecurrentEngine):
        return engine.outputs(inputs, starts)
    if len(inputs) <= _CHUNK:
        return engine.outputs(inputs)
    return np.concatenate([engine.outputs(inputs[start : start + _CHUNK]) for start in range(0, len(inputs), _CHUNK)])


def effective_weights(net: Net, parameters: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the weights and biases of a net by parameter name, in the shape of each parameter.

    Weights with `weight-norm` are gain * v / |v|. Fixed weights, which `parameters` lacks, are included.
    """
    weights = {
        p.name: np.asarray(parameters[p.name], np.float64) if p.learns else p.fixed_values()
        for p in net.parameters
        if p.kind != "gain"
    }
    for connection in net.connections:
        if connection.weight_norm and connection.weights_of is None:
            name = net.weight_name(connection)
            owners = connection.wiring.owners()
            rule = WeightNorm(owners, int(owners.max()) + 1)
            gains = np.asarray(parameters[f"{net.attribute(connection)}.gain"], np.float64).ravel()
            weights[name] = rule.weights(weights[name].ravel(), gains).reshape(weights[name].shape)
    return weights
