"""One side of a comparison: the protocol `Side`, and an engine as a side."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, cast

import numpy as np

from snsim import engines
from snsim.comparison.presentations import Update
from snsim.engines.plan import Plan, plan
from snsim.engines.protocol import Engine, UpdateRule
from snsim.engines.recurrent import RowEngine
from snsim.network.expressions import apply, variable
from snsim.training.scores import mean_cost
from snsim.training.spec import Training

# The state "slope" adds up the gradients. (From the change of a weight a gradient could not be read to more digits than
# the weight has; and a state that changes no weight is not kept by every engine.)
_GRADIENT = UpdateRule(
    "gradient",
    (),
    ("slope",),
    (
        (("slope", apply("+", variable("slope"), variable("g"))),),
        (("w", apply("-", variable("w"), variable("slope"))),),
    ),
)
_TRIALS = 6  # of a random change of the last digits


@dataclass(frozen=True, eq=False)
class UpdateResult:
    """What one side computes in one update. States and cost are those before the update, without dropout.

    `outputs` is (patterns, units). `cost` is the sum of E over the patterns. `hidden` are flat arrays that may be the
    states of hidden layers; an engine has one array for each hidden layer, in order. `gradients` and `weights` (after
    the update) are by parameter, of its shape. `extra_gradients` has by layer the largest gradient of weights that the
    net does not have.

    `output_kind` says what a module returns: "" for the states of the output layer, "probabilities" or
    "log-probabilities" for their softmax or its logarithm. `optimizer` has by parameter the options of the module's own
    optimizer, and is empty if it has none. `drops_when_evaluated` is the layer that a module drops in eval mode too.
    """

    outputs: np.ndarray
    cost: float
    hidden: Sequence[np.ndarray]
    gradients: Mapping[str, np.ndarray]
    weights: Mapping[str, np.ndarray]
    extra_gradients: Mapping[str, float] = field(default_factory=dict)
    output_kind: str = ""
    optimizer: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    drops_when_evaluated: str = ""


class Side(Protocol):
    """One side of a comparison, which learns.

    `start` sets the weights, by our names, and clears the state of the update rule. `set_weights` keeps that state.
    """

    name: str

    def start(self, weights: Mapping[str, np.ndarray]) -> None: ...

    def set_weights(self, weights: Mapping[str, np.ndarray]) -> None: ...

    def present(self, update: Update, known: UpdateResult | None = None) -> UpdateResult:
        """Learn an update and return what was computed. `known` is what the other side computes from these weights."""

    def seconds(self, updates: Sequence[Update]) -> float:
        """Learn all updates from the initial weights, and return the seconds of processor time.

        Other programs on a busy machine do not lengthen processor time.
        """


class EngineSide:
    """An engine as a side.

    Its gradients come from a second engine of the same kind and weights, under a rule that stores the gradient: an
    engine does not return gradients of a batch with dropout.
    """

    def __init__(self, engine: Engine, training: Training):
        net = training.net
        self.name = engine.name
        self._engine, self._cost = engine, training.cost
        self._differentiating = _build(engine, training, _GRADIENT)
        if net.delayed:  # a side learns the rows of the unrolled net that were presented
            self._engine = _build(engine, training, engine.rule)
        self._no_slopes = {key: np.zeros_like(value) for key, value in self._differentiating.state().items()}
        self._hidden = [layer.name for layer in net.hidden]
        self._output = net.layers[-1].name
        self._learning = [p.name for p in net.parameters if p.learns]

    def start(self, weights: Mapping[str, np.ndarray]) -> None:
        self.set_weights(weights)
        self._engine.load_state({key: np.zeros_like(value) for key, value in self._engine.state().items()})

    def set_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        self._engine.load_parameters(weights)
        self._now = self._weights(self._engine)

    def present(self, update: Update, known: UpdateResult | None = None) -> UpdateResult:
        result = self._evaluate(update, self._engine)
        gradients = self._gradients(update, self._now)
        self._engine.learn(update.inputs, update.targets, update.settings, update.gates, update.noises)
        self._now = self._weights(self._engine)
        return replace(result, gradients=gradients, weights=self._now)

    def with_other_roundings(
        self, update: Update, weights: Mapping[str, np.ndarray], size: float
    ) -> list[UpdateResult]:
        """Compute an update several times, each time with all weights and inputs changed at random.

        `size` is the largest relative change. How much the results differ shows what rounding can cause. Nothing is
        learned: the result has no weights.
        """
        generator = np.random.default_rng(0)

        def changed(values: np.ndarray) -> np.ndarray:
            return np.asarray(values * (1 + size * generator.uniform(-1, 1, np.shape(values))), self._engine.dtype)

        results = []
        for _ in range(_TRIALS):
            near = {name: changed(value) for name, value in weights.items()}
            moved = replace(update, inputs=changed(update.inputs))
            self._differentiating.load_parameters(near)
            result = self._evaluate(moved, self._differentiating)
            results.append(replace(result, gradients=self._gradients(moved, near)))
        return results

    def _evaluate(self, update: Update, engine: Engine) -> UpdateResult:
        """Return states, outputs and cost; no gradients and weights."""
        states = engine.states(update.inputs)
        outputs = np.asarray(states[self._output], np.float64)
        with np.errstate(all="ignore"):  # divergence is reported as a difference
            cost = mean_cost(self._cost, outputs, update.targets) * len(outputs)
        return UpdateResult(outputs, cost, [np.asarray(states[name]).reshape(-1) for name in self._hidden], {}, {})

    def _gradients(self, update: Update, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        engine = self._differentiating
        engine.load_parameters(weights)
        engine.load_state(self._no_slopes)
        settings = replace(update.settings, options={}, held_curvature=None)
        engine.learn(update.inputs, update.targets, settings, update.gates, update.noises)
        slopes = engine.state()
        return {name: np.array(slopes[f"{name}/slope"]) for name in weights}

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """The weights that learn, by name, as the engine has them."""
        return self._now

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


def _build(like: Engine, training: Training, rule: UpdateRule) -> Engine:
    """Return an engine of the same kind under a rule; for a net with delays it learns rows of the unrolled net."""

    def build(made: Plan) -> Engine:
        return engines.build(like.name, made, training.cost, rule, like.dtype)

    if training.net.delayed:
        return cast(Engine, RowEngine(training.net, training.time, build))
    return build(plan(training.net))
