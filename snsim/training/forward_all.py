"""Looking into a net as it is: outputs over many patterns, and the weights by which its sums are made."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from snsim.engines.protocol import Engine
from snsim.engines.weight_norm import WeightNorm
from snsim.network.net import Net

_TOGETHER = 2000  # patterns whose outputs are computed in one go


def compute_outputs(engine: Engine, inputs: np.ndarray) -> np.ndarray:
    """The outputs (patterns, output units) for inputs (patterns, input units)."""
    return np.concatenate(
        [engine.outputs(inputs[start : start + _TOGETHER]) for start in range(0, len(inputs), _TOGETHER)]
    )


def effective_weights(net: Net, parameters: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights and biases of a net by parameter name, each of its shape: those of `weight-norm` with their gains put
    in, gain * v / |v|, and fixed ones where `parameters` has them not.
    """
    made = {
        p.name: np.asarray(parameters[p.name], np.float64) if p.fixed is None else np.full(p.shape, p.fixed)
        for p in net.parameters
        if p.kind != "gain"
    }
    for connection in net.connections:
        if connection.weight_norm:
            name = f"{connection.name}.weight"
            owners = connection.wiring.owners()
            rule = WeightNorm(owners, int(owners.max()) + 1)
            gains = np.asarray(parameters[f"{connection.name}.gain"], np.float64).ravel()
            made[name] = rule.weights(made[name].ravel(), gains).reshape(made[name].shape)
    return made
