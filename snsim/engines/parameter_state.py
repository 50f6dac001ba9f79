"""The numbers of an engine: its parameters, the state of its update rule, and the variables of the rule."""

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
    """The shapes of the weights that learn, and the slice of each parameter in one flat vector (`places`).

    It stores no array of the size of the net. An engine with its own memory uses it to check values from callers.
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
        """Return the values of the parameters that learn, in order, without copying them.

        Each value is a number or an array of the parameter's shape. Raises SnError for a parameter without a value, for
        a name that is no parameter of the net, and for a wrong shape.
        """
        for name in values:
            if name not in self._parameters:
                raise fail(
                    f'{what} given for "{name}", which is not a parameter of this net',
                    hint=suggest(name, list(self._parameters), "parameters"),
                )
        arrays = {}
        for name in self.places:
            if name not in values:
                raise fail(
                    f"no {what} for {name}",
                    hint=f"pass an array of shape {self._parameters[name].shape}, or a number",
                )
            shape = self._parameters[name].shape
            arrays[name] = np.asarray(values[name])
            if arrays[name].ndim and arrays[name].shape != shape:
                raise fail(
                    f"{what} for {name} has shape {arrays[name].shape}, but the parameter has shape {shape}",
                    hint=f"pass a number, or an array of shape {shape}",
                )
        return arrays

    def checked_state(self, values: Mapping[str, np.ndarray]) -> tuple[dict[str, dict[str, np.ndarray]], int]:
        """Return the values of each state of the rule (as `checked`), and the number of updates so far.

        Raises SnError as `checked` does, and if "n", the number of updates, is missing.
        """
        known = {f"{name}/{state}": name for state in self._rule.states for name in self.places}
        states = {}
        for state in self._rule.states:
            ending = f"/{state}"  # which may end the name of another state too
            states[state] = self.checked(
                {
                    name[: -len(ending)]: array
                    for name, array in values.items()
                    if name.endswith(ending) and known.get(name, name[: -len(ending)]) == name[: -len(ending)]
                },
                f'state "{state}"',
            )
        if "n" not in values:
            raise fail(
                'the update state has no "n", the number of updates so far',
                hint="pass everything that state() returned, or add n=0 for a new start",
            )
        return states, int(values["n"])

    def flat(self, values: Mapping[str, Any], what: str) -> np.ndarray:
        """Return one vector of all weights from values by name.

        Each value is a number or an array of the parameter's shape. Raises SnError as `checked` does.
        """
        vector = np.empty(self.size, self.dtype)
        for name, value in self.checked(values, what).items():
            vector[self.places[name]] = value.reshape(-1)
        return vector


class FreeWeights(WeightShapes):
    """All weights that learn in one vector `w`, so that an update evaluates the rule once.

    `values` has every parameter flat by name: views into `w`, and arrays of their own for fixed parameters. `places`
    has the slice of each learning parameter in `w`. `states` has one vector like `w` for each state of the rule.
    """

    def __init__(self, parameters: Mapping[str, Parameter], rule: UpdateRule, dtype: np.dtype):
        super().__init__(parameters, rule, dtype)
        self.w = np.zeros(self.size, dtype)
        self.values = {
            p.name: self.w[self.places[p.name]] if p.learns else p.fixed_values(dtype).reshape(-1)
            for p in parameters.values()
        }
        self.states = {name: np.zeros_like(self.w) for name in rule.states}
        self._groups = [
            ([name for name, _ in group], compile_expressions([e for _, e in group]).bind(NUMPY))
            for group in rule.assignments
        ]
        self._updates = 0
        self._last: tuple[Settings, dict[str, Any]] | None = None
        self._frozen: list[slice] = []  # the places of the parameters with the rate 0
        self._parts: list[tuple[slice, dict[str, Any]]] = []  # each parameter with its own variables, if decays differ

    def update(self, env: dict[str, Any], g: np.ndarray, curvatures: Mapping[str, np.ndarray]) -> None:
        """Apply the rule once: its groups in order, each computed whole before any value is assigned.

        `env` is `environment(settings)`. `g` and the curvatures (by variable) are vectors like `w`. A parameter with
        the rate 0 is left out: its weights and its states keep their values.
        """
        self._updates += 1
        env["n"] = float(self._updates)
        env["g"] = g
        env.update(curvatures)
        frozen = self._frozen
        kept = [(vector, place, vector[place].copy()) for vector in (self.w, *self.states.values()) for place in frozen]
        for place, overrides in self._parts:
            self._assign({**self._cut(env, place), **overrides})
        if not self._parts:
            self._assign(env)
        for vector, place, before in kept:
            vector[place] = before

    def _assign(self, env: dict[str, Any]) -> None:
        for names, right_sides in self._groups:
            values = right_sides(env)
            if len(names) > 1:  # a right side may itself be what another one assigns to
                values = tuple([np.array(value) for value in values])
            for name, value in zip(names, values):
                env[name][:] = value

    def _cut(self, env: Mapping[str, Any], place: slice) -> dict[str, Any]:
        """Return the variables of the weights at `place`: views of the vectors, and the numbers."""
        return {name: value[place] if np.ndim(value) else value for name, value in env.items()}

    def shaped(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """Return copies of the entries of a vector like `w`, by name, in the parameters' shapes."""
        return {name: vector[place].reshape(self._parameters[name].shape).copy() for name, place in self.places.items()}

    def parameters(self) -> dict[str, np.ndarray]:
        return {p.name: self.values[p.name].reshape(p.shape).copy() for p in self._parameters.values()}

    def load_parameters(self, values: Mapping[str, np.ndarray]) -> None:
        for name, value in self.checked(values, "weights").items():
            self.w[self.places[name]] = value.reshape(-1)

    def state(self) -> dict[str, np.ndarray]:
        arrays = {
            f"{name}/{state}": array
            for state, vector in self.states.items()
            for name, array in self.shaped(vector).items()
        }
        return {**arrays, "n": np.array(self._updates)}

    def load_state(self, values: Mapping[str, np.ndarray]) -> None:
        states, self._updates = self.checked_state(values)
        for state, arrays in states.items():
            for name, value in arrays.items():
                self.states[state][self.places[name]] = value.reshape(-1)

    def environment(self, settings: Settings) -> dict[str, Any]:
        """Return the values of the rule's variables by name, except g, n and curvatures computed per update."""
        if self._last is not None and self._last[0] is settings:
            return self._last[1]
        env: dict[str, Any] = {"w": self.w, **self.states}
        env.update({name: float(settings.options.get(name, default)) for name, default in self._rule.options})
        self._frozen = []
        if "rate" in self._rule.mentions:
            env["rate"] = self._rates(settings.rates)
            self._frozen = [place for name, place in self.places.items() if not np.any(settings.rates[name])]
        self._parts = []
        if settings.decays is not None:
            for name, place in self.places.items():
                overrides: dict[str, Any] = {"decay": float(settings.decays[name])}
                if "rate" in env and np.ndim(settings.rates[name]) == 0:
                    overrides["rate"] = float(settings.rates[name])
                self._parts.append((place, overrides))
        if settings.held_curvature is not None:
            env["h"] = env["h-full"] = self.flat(settings.held_curvature, "curvature")
        self._last = settings, env
        return env

    def _rates(self, rates: Mapping[str, Any]) -> Any:
        """Return the rates of all weights: one number if they are all the same, else a vector."""
        vector = self.flat(rates, "learning rate")
        numbers = {float(rate) for name, rate in rates.items() if name in self.places and np.ndim(rate) == 0}
        all_numbers = all(np.ndim(rates[name]) == 0 for name in self.places)
        return numbers.pop() if all_numbers and len(numbers) == 1 else vector


class WeightAccess:
    """The part of an engine that reads and sets its weights and state; see `snsim.engines.protocol.Engine`."""

    _weights: FreeWeights

    def parameters(self) -> dict[str, np.ndarray]:
        return self._weights.parameters()

    def load_parameters(self, values: Mapping[str, np.ndarray]) -> None:
        self._weights.load_parameters(values)

    def state(self) -> dict[str, np.ndarray]:
        return self._weights.state()

    def load_state(self, values: Mapping[str, np.ndarray]) -> None:
        self._weights.load_state(values)


def check_patterns(
    values: np.ndarray, units: int, what: str, dtype: np.dtype, patterns: int | None = None
) -> np.ndarray:
    """Return the patterns as (patterns, units) of the engine's dtype. SnError, with the numbers, if they do not fit."""
    array = np.asarray(values, dtype)
    array = array.reshape(len(array), -1) if array.ndim > 2 else array
    if array.ndim != 2 or array.shape[1] != units:
        raise fail(
            f"{what} patterns of shape {array.shape} for a net with {units} {what} units",
            hint=f"pass an array of shape (patterns, {units})",
        )
    if patterns is not None and len(array) != patterns:
        raise fail(
            f"{patterns} input patterns, {len(array)} {what} patterns",
            hint=f"pass {patterns} {what} patterns, one row for each input pattern",
        )
    return array


def check_gates(
    gates: Mapping[str, np.ndarray], plan: Plan, dtype: np.dtype, patterns: int, what: str = "gate"
) -> dict[int, np.ndarray]:
    """Return the gates (or noises) by number of their layer, each (patterns, units) of the engine's dtype.

    Raises SnError if one does not fit.
    """
    arrays = {}
    stages = {stage.name: stage for stage in plan.stages}
    for name, values in gates.items():
        if name not in stages:
            raise fail(
                f'{what}s for "{name}", which is not a computed layer', hint=suggest(name, list(stages), "layers")
            )
        arrays[stages[name].layer] = check_patterns(values, stages[name].units, f"{name} {what}", dtype)
        if len(arrays[stages[name].layer]) != patterns:
            raise fail(
                f"{patterns} input patterns, {what}s for {len(values)} at layer {name}",
                hint=f"pass an array of shape ({patterns}, {stages[name].units})",
            )
    return arrays
