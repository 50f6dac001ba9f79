"""One side of a comparison: the protocol `Side`, and an engine as a side."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from snsim import engines
from snsim.comparison.presentations import Update
from snsim.engines.plan import plan
from snsim.engines.protocol import Engine, UpdateRule
from snsim.network.expressions import apply, variable
from snsim.training.scores import mean_cost
from snsim.training.spec import Training

# After one update by this rule, the weights before minus the weights after are the gradient.
_GRADIENT = UpdateRule("gradient", (), (), ((("w", apply("-", variable("w"), variable("g"))),),))


@dataclass(frozen=True, eq=False)
class UpdateResult:
    """What one side computes in one update. States and cost are those before the update, without dropout.

    `outputs` is (patterns, units). `cost` is the sum of E over the patterns. `hidden` are flat arrays that may be the
    states of hidden layers; an engine has one array for each hidden layer, in order. `gradients` and `weights` (after
    the update) are by parameter, of its shape. `extra_gradients` has by layer the largest gradient of weights that the
    net does not have.
    """

    outputs: np.ndarray
    cost: float
    hidden: Sequence[np.ndarray]
    gradients: Mapping[str, np.ndarray]
    weights: Mapping[str, np.ndarray]
    extra_gradients: Mapping[str, float] = field(default_factory=dict)


class Side(Protocol):
    """One side of a comparison, which learns.

    `start` sets the weights, by our names, and clears the state of the update rule.
    """

    name: str

    def start(self, weights: Mapping[str, np.ndarray]) -> None: ...

    def present(self, update: Update) -> UpdateResult: ...

    def seconds(self, updates: Sequence[Update]) -> float:
        """Learn all updates from the initial weights, and return the seconds of processor time.

        Other programs on a busy machine do not lengthen processor time.
        """


class EngineSide:
    """An engine as a side.

    Its gradients come from a second engine of the same kind and weights, under a rule that subtracts the gradient: an
    engine does not return gradients of a batch with dropout, and few update rules let them be read from the change of a
    weight.
    """

    def __init__(self, engine: Engine, training: Training):
        net = training.net
        self.name = engine.name
        self._engine, self._cost = engine, training.cost
        self._differentiating = engines.build(engine.name, plan(net), training.cost, _GRADIENT, engine.dtype)
        self._hidden = [layer.name for layer in net.layers[1:-1]]
        self._output = net.layers[-1].name
        self._learning = [p.name for p in net.parameters if p.learns]

    def start(self, weights: Mapping[str, np.ndarray]) -> None:
        self._engine.load_parameters(weights)
        self._now = self._weights(self._engine)
        self._engine.load_state({key: np.zeros_like(value) for key, value in self._engine.state().items()})

    def present(self, update: Update) -> UpdateResult:
        states = self._engine.states(update.inputs)
        outputs = np.asarray(states[self._output], np.float64)
        with np.errstate(all="ignore"):  # divergence is reported as a difference
            cost = mean_cost(self._cost, outputs, update.targets) * len(outputs)
        gradients = self._gradients(update)
        self._engine.learn(update.inputs, update.targets, update.settings, update.gates, update.noises)
        self._now = self._weights(self._engine)
        hidden = [np.asarray(states[name]).reshape(-1) for name in self._hidden]
        return UpdateResult(outputs, cost, hidden, gradients, self._now)

    def _gradients(self, update: Update) -> dict[str, np.ndarray]:
        self._differentiating.load_parameters(self._now)
        settings = replace(update.settings, options={}, held_curvature=None)
        self._differentiating.learn(update.inputs, update.targets, settings, update.gates, update.noises)
        after = self._weights(self._differentiating)
        return {name: self._now[name] - after[name] for name in after}

    def _weights(self, engine: Engine) -> dict[str, np.ndarray]:
        values = engine.parameters()
        return {name: values[name] for name in self._learning}

    def seconds(self, updates: Sequence[Update]) -> float:
        """Learn the updates, each pass in one call as in a run; return the seconds of processor time."""
        seconds = 0.0
        for settings in dict.fromkeys(update.settings for update in updates):
            of_pass = [update for update in updates if update.settings is settings]
            inputs = np.concatenate([update.inputs for update in of_pass])
            targets = np.concatenate([update.targets for update in of_pass])
            gates = {layer: np.concatenate([update.gates[layer] for update in of_pass]) for layer in of_pass[0].gates}
            noises = {
                layer: np.concatenate([update.noises[layer] for update in of_pass]) for layer in of_pass[0].noises
            }
            began = time.process_time()
            self._engine.learn(inputs, targets, settings, gates, noises)
            seconds += time.process_time() - began
        return seconds
