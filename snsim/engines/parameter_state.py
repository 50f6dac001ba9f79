"""The numbers an engine holds: parameters, the state of the update rule, and what a rule is evaluated with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from snsim.engines.plan import Plan
from snsim.engines.protocol import Settings, UpdateRule
from snsim.errors import fail
from snsim.network.expressions import compile_expressions
from snsim.network.net import Parameter
from snsim.network.operations import NUMPY
from snsim.registry import suggest


class WeightShapes:
    """The weights that learn, as one vector would hold them: `places` has where each parameter stands in it.

    Nothing of the size of the net is kept: an engine with numbers of its own checks by this what is handed over.
    """

    def __init__(self, parameters: Mapping[str, Parameter], rule: UpdateRule, dtype: np.dtype):
        self._parameters = parameters
        self._rule = rule
        self.dtype = dtype
        learning = [p for p in parameters.values() if p.learns]
        ends = np.cumsum([0, *(p.size for p in learning)])
        self.places = {p.name: slice(int(a), int(b)) for p, a, b in zip(learning, ends, ends[1:])}
        self.size = int(ends[-1])

    def checked(self, values: Mapping[str, Any], what: str) -> dict[str, np.ndarray]:
        """The values of the parameters that learn, in order, each a number or of the parameter's shape; not copied.

        SnError for a learning parameter without a value, a name of no learning parameter, a wrong shape.
        """
        for name in values:
            if name not in self._parameters:
                raise fail(
                    f'{what} for "{name}", which is no parameter of this net',
                    hint=suggest(name, list(self._parameters), "parameters"),
                )
        made = {}
        for name in self.places:
            if name not in values:
                raise fail(
                    f"no {what} for {name}",
                    hint=f"hand over an array of shape {self._parameters[name].shape}, or a number",
                )
            shape = self._parameters[name].shape
            made[name] = np.asarray(values[name])
            if made[name].ndim and made[name].shape != shape:
                raise fail(
                    f"{what} for {name} has the shape {made[name].shape}, the parameter {shape}",
                    hint=f"hand over a number, or an array of shape {shape}",
                )
        return made

    def checked_state(self, values: Mapping[str, np.ndarray]) -> tuple[dict[str, dict[str, np.ndarray]], int]:
        """By state of the rule what `checked` gives of its values, and the number of updates so far. SnError as there,
        or without that number.
        """
        known = {f"{name}/{state}": name for state in self._rule.states for name in self.places}
        made = {}
        for state in self._rule.states:
            ending = f"/{state}"  # which may end the name of another state too
            made[state] = self.checked(
                {
                    name[: -len(ending)]: array
                    for name, array in values.items()
                    if name.endswith(ending) and known.get(name, name[: -len(ending)]) == name[: -len(ending)]
                },
                f'state "{state}"',
            )
        if "n" not in values:
            raise fail(
                'the number of updates so far, "n", is not among the values of the update state',
                hint="hand over all that state() of an engine gave, or put n=0 with it to begin",
            )
        return made, int(values["n"])

    def flat(self, values: Mapping[str, Any], what: str) -> np.ndarray:
        """A vector of all from values by name, each a number or of the parameter's shape. SnError as for `checked`."""
        made = np.empty(self.size, self.dtype)
        for name, value in self.checked(values, what).items():
            made[self.places[name]] = value.reshape(-1)
        return made


class FreeWeights(WeightShapes):
    """All weights that learn, in one vector, so that an update is one evaluation of the rule.

    `values` has every parameter flat by name (views into `w`; fixed ones beside it), `places` where each learning
    one stands in `w`. `states` has one vector like `w` for each state of the rule.
    """

    def __init__(self, parameters: Mapping[str, Parameter], rule: UpdateRule, dtype: np.dtype):
        super().__init__(parameters, rule, dtype)
        self.w = np.zeros(self.size, dtype)
        self.values = {
            p.name: self.w[self.places[p.name]] if p.learns else np.full(p.size, p.fixed, dtype)
            for p in parameters.values()
        }
        self.states = {name: np.zeros_like(self.w) for name in rule.states}
        self._groups = [
            ([name for name, _ in group], compile_expressions([e for _, e in group]).bind(NUMPY))
            for group in rule.assignments
        ]
        self._updates = 0
        self._last: tuple[Settings, dict[str, Any]] | None = None

    def update(self, env: dict[str, Any], g: np.ndarray, curvatures: Mapping[str, np.ndarray]) -> None:
        """One update: the rule's groups in order, each computed whole before any of it is assigned.

        `env` is `environment(settings)`, g and the curvatures (by variable) are vectors like `w`.
        """
        self._updates += 1
        env["n"] = float(self._updates)
        env["g"] = g
        env.update(curvatures)
        for names, right_sides in self._groups:
            values = right_sides(env)
            if len(names) > 1:  # a right side may itself be what another one assigns to
                values = tuple([np.array(value) for value in values])
            for name, value in zip(names, values):
                env[name][:] = value

    def shaped(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """Copies of the entries of a vector like `w`, by name, in the parameters' shapes."""
        return {name: vector[place].reshape(self._parameters[name].shape).copy() for name, place in self.places.items()}

    def parameters(self) -> dict[str, np.ndarray]:
        return {p.name: self.values[p.name].reshape(p.shape).copy() for p in self._parameters.values()}

    def load_parameters(self, values: Mapping[str, np.ndarray]) -> None:
        for name, value in self.checked(values, "weights").items():
            self.w[self.places[name]] = value.reshape(-1)

    def state(self) -> dict[str, np.ndarray]:
        made = {
            f"{name}/{state}": array
            for state, vector in self.states.items()
            for name, array in self.shaped(vector).items()
        }
        return {**made, "n": np.array(self._updates)}

    def load_state(self, values: Mapping[str, np.ndarray]) -> None:
        states, self._updates = self.checked_state(values)
        for state, given in states.items():
            for name, value in given.items():
                self.states[state][self.places[name]] = value.reshape(-1)

    def environment(self, settings: Settings) -> dict[str, Any]:
        """The variables of the rule but g, n and a curvature that has to be computed."""
        if self._last is not None and self._last[0] is settings:
            return self._last[1]
        env: dict[str, Any] = {"w": self.w, **self.states}
        env.update({name: float(settings.options.get(name, default)) for name, default in self._rule.options})
        if "rate" in self._rule.mentions:
            env["rate"] = self._rates(settings.rates)
        if settings.held_curvature is not None:
            env["h"] = env["h-full"] = self.flat(settings.held_curvature, "curvature")
        self._last = settings, env
        return env

    def _rates(self, rates: Mapping[str, Any]) -> Any:
        """The rates of all free weights: a number if they are the same everywhere, else a vector."""
        vector = self.flat(rates, "learning rate")
        numbers = {float(rate) for name, rate in rates.items() if name in self.places and np.ndim(rate) == 0}
        plain = all(np.ndim(rates[name]) == 0 for name in self.places)
        return numbers.pop() if plain and len(numbers) == 1 else vector


class Holder:
    """The part of an engine that hands its numbers out and takes them: see `snsim.engines.protocol.Engine`."""

    _weights: FreeWeights

    def parameters(self) -> dict[str, np.ndarray]:
        return self._weights.parameters()

    def load_parameters(self, values: Mapping[str, np.ndarray]) -> None:
        self._weights.load_parameters(values)

    def state(self) -> dict[str, np.ndarray]:
        return self._weights.state()

    def load_state(self, values: Mapping[str, np.ndarray]) -> None:
        self._weights.load_state(values)


def checked_patterns(
    values: np.ndarray, units: int, what: str, dtype: np.dtype, patterns: int | None = None
) -> np.ndarray:
    """The patterns as (patterns, units) of the engine's type; SnError with the numbers if they do not fit."""
    array = np.asarray(values, dtype)
    array = array.reshape(len(array), -1) if array.ndim > 2 else array
    if array.ndim != 2 or array.shape[1] != units:
        raise fail(
            f"{what} patterns of shape {array.shape} for a net with {units} {what} units",
            hint=f"hand over an array of shape (patterns, {units})",
        )
    if patterns is not None and len(array) != patterns:
        raise fail(
            f"{patterns} input patterns, {len(array)} {what} patterns",
            hint=f"hand over {patterns} {what} patterns, a row for each input pattern",
        )
    return array


def checked_gates(
    gates: Mapping[str, np.ndarray], plan: Plan, dtype: np.dtype, patterns: int, what: str = "gate"
) -> dict[int, np.ndarray]:
    """The gates (or noises) by number of their layer, each (patterns, units) of the engine's type; SnError if one does
    not fit.
    """
    made = {}
    stages = {stage.name: stage for stage in plan.stages}
    for name, values in gates.items():
        if name not in stages:
            raise fail(
                f'{what}s for "{name}", which is no layer that is computed', hint=suggest(name, list(stages), "layers")
            )
        made[stages[name].layer] = checked_patterns(values, stages[name].units, f"{name} {what}", dtype)
        if len(made[stages[name].layer]) != patterns:
            raise fail(
                f"{patterns} input patterns, {what}s for {len(values)} at layer {name}",
                hint=f"hand over an array of shape ({patterns}, {stages[name].units})",
            )
    return made
