"""The update that a description makes from a gradient, on the numbers of a script."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from snsim.comparison.script.roles import Roles
from snsim.engines.protocol import Settings, UpdateRule
from snsim.network.expressions import compile_expressions
from snsim.network.net import Net
from snsim.network.operations import NUMPY
from snsim.training.parameter_scopes import decays_of, rates_in_pass
from snsim.training.schedule import stage_of_pass, value_at
from snsim.training.spec import Stage, Training


@dataclass(frozen=True, eq=False)
class PassSettings:
    """The stage and the settings of one pass of the description."""

    stage: Stage
    settings: Settings

    @classmethod
    def of(cls, training: Training, number: int, patterns: int) -> PassSettings:
        """Return those of pass `number`, from 1; those of the last pass for a later one."""
        stage, inside = stage_of_pass(training.stages, min(number, training.passes))
        return cls(
            stage,
            Settings(
                rates_in_pass(stage, training.net, inside, training.fan_in),
                {name: value_at(value, inside, stage.passes) for name, value in stage.options.items()},
                min(stage.batch or patterns, patterns),
                stage.batch_mean,
                decays=decays_of(stage, training.net),
            ),
        )

    def one_rate(self) -> float | None:
        """Return the rate of all weights, or None if they differ."""
        values = {float(one) for rate in self.settings.rates.values() for one in np.unique(np.asarray(rate))}
        return values.pop() if len(values) == 1 else None


class ExpectedUpdate:
    """An update rule with its state, on one vector of the script's numbers."""

    def __init__(self, rule: UpdateRule, roles: Roles):
        self._roles, self._rule = roles, rule
        self._states = {name: np.zeros(roles.size) for name in rule.states}
        self._groups = [
            ([name for name, _ in group], compile_expressions([e for _, e in group]).bind(NUMPY))
            for group in rule.assignments
        ]
        self._number = 0

    def after(
        self, w: np.ndarray, g: np.ndarray, settings: Settings, curvature: Mapping[str, np.ndarray] | None = None
    ) -> np.ndarray:
        """Return the weights after one update, and keep the state for the next. All are vectors of the script."""
        self._number += 1
        env: dict[str, object] = {"w": w.astype(np.float64), "g": g, "n": float(self._number), **self._states}
        env.update({name: float(settings.options.get(name, default)) for name, default in self._rule.options})
        if "rate" in self._rule.mentions:
            env["rate"] = self._roles.spread(dict(settings.rates), 0.0)
        if settings.decays is not None:
            env["decay"] = self._roles.spread(dict(settings.decays), 0.0)
        env.update(curvature or {})
        with np.errstate(all="ignore"):
            for names, right_sides in self._groups:
                for name, value in zip(names, [np.array(one) for one in right_sides(env)]):
                    env[name] = np.broadcast_to(value, w.shape).astype(np.float64)
        for name in self._states:
            self._states[name] = np.asarray(env[name], np.float64)
        return np.asarray(env["w"], np.float64)


def keeps_no_state(rule: UpdateRule, settings: Settings) -> bool:
    """Return whether an update depends on nothing but weights and gradient: gradient descent without momentum."""
    return not rule.states or (rule.name == "sgd" and not settings.options.get("alpha"))


def learning_names(net: Net) -> list[str]:
    """Return the names of the parameters that learn."""
    return [p.name for p in net.parameters if p.learns]
