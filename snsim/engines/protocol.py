"""What learning asks of an engine, and what it tells it. Every backend satisfies `Engine`.

Sign and names follow the papers: E is the cost of one pattern, `g` = dE/dw summed over the connections that share w,
`h` the diagonal curvature d2E/dw2 summed likewise, `rate` the learning rate of the weight.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Protocol

import numpy as np

from snsim.network.expressions import Expression


@dataclass(frozen=True)
class Cost:
    """What is minimised per pattern. E = sum over outputs of `e`, an expression in x (output), d (target), with n
    (number of outputs) and parameters put in; `de` and `dde` are its derivatives by x.

    `softmax` marks cross-entropy, -sum d log softmax(x), which couples the outputs: e, de, dde are then None;
    gradient softmax(x)*sum(d) - d, curvature p(1-p)*sum(d) with p = softmax(x).
    """

    name: str
    e: Expression | None
    de: Expression | None
    dde: Expression | None
    softmax: bool = False


@dataclass(frozen=True)
class UpdateRule:
    """One update of one free weight. `assignments` are groups run in order; inside a group all right sides are
    computed before any is assigned. Variables: w g h h-full rate n, the options and the states.

    h is the curvature with the f'' term dropped (Gauss-Newton, Levenberg-Marquardt: never negative), h-full the one
    with it (Newton). n counts the updates so far, from 1. States start at 0.

    `conjugate` marks conjugate gradient, which moves all weights together, once a pass: no expression of one weight
    tells it, so no engine updates by it. Engines keep its states; `training.conjugate_gradient` steps.
    """

    name: str
    options: tuple[tuple[str, float], ...]  # with defaults
    states: tuple[str, ...]
    assignments: tuple[tuple[tuple[str, Expression], ...], ...]
    conjugate: bool = False

    @cached_property
    def mentions(self) -> frozenset[str]:
        """The variables in its expressions."""
        return frozenset(v for group in self.assignments for _, e in group for v in e.variables())

    @property
    def curvature(self) -> str | None:
        """Return the curvature that the rule mentions: "gauss-newton", "full" or None."""
        return "full" if "h-full" in self.mentions else "gauss-newton" if "h" in self.mentions else None


@dataclass(frozen=True, eq=False)
class Settings:
    """What holds during one pass. `rates` has, per learning parameter, a float or an array of its shape."""

    rates: Mapping[str, float | np.ndarray]
    options: Mapping[str, float]  # of the update rule, after schedules
    batch: int = 1  # patterns per update
    batch_mean: bool = False  # whether g and h are divided by the patterns of the batch
    held_curvature: Mapping[str, np.ndarray] | None = None  # given: h is this and not computed


NO_GATES: Mapping[str, np.ndarray] = MappingProxyType({})
NO_NOISES = NO_GATES


class Engine(Protocol):
    """A net that learns. Arrays in and out are numpy; inside, the engine keeps its own, of its own dtype.

    A plug-in makes one by a function or class (plan, cost, rule, dtype, constants), with all weights 0. It raises
    SnError for a rule, or a part of a net, that it does not compute.

    Attributes
    ----------
    name : str
        The name of the entry point: a run that is resumed asks for it again.
    dtype : numpy.dtype
        float32 or float64, as it was asked for.
    rule : UpdateRule
    """

    name: str
    dtype: np.dtype
    rule: UpdateRule

    def parameters(self) -> dict[str, np.ndarray]:
        """Copies of all parameters by name, each of its `Parameter.shape`, fixed ones included."""

    def load_parameters(self, values: Mapping[str, np.ndarray]) -> None:
        """Set parameters (all of plan.parameters that learn)."""

    def state(self) -> dict[str, np.ndarray]:
        """The update state: "NAME/STATE" for each parameter and state of the rule, and "n" (updates so far)."""

    def load_state(self, values: Mapping[str, np.ndarray]) -> None: ...

    def learn(
        self,
        inputs: np.ndarray,
        targets: np.ndarray,
        settings: Settings,
        gates: Mapping[str, np.ndarray] = NO_GATES,
        noises: Mapping[str, np.ndarray] = NO_NOISES,
    ) -> None:
        """Present the patterns in the order given, updating after every `settings.batch` of them.

        Parameters
        ----------
        inputs : array (patterns, input units)
        targets : array (patterns, output units)
        settings : Settings
            A last short batch is an update too.
        gates : mapping of str to array (patterns, units)
            By name of a layer that is computed: what its states are multiplied by in this presentation (dropout: 0
            or 1/(1-P)). Drawn outside, so that every engine has the same.
        noises : mapping of str to array (patterns, units)
            Likewise what is added to its weighted sums (SN's theta).
        """

    def outputs(self, inputs: np.ndarray) -> np.ndarray:
        """States of the output layer, (patterns, output units), for all inputs; nothing is learned."""

    def states(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """States of every layer by name, (patterns, units)."""

    def curvature(self, inputs: np.ndarray, targets: np.ndarray, kind: str) -> dict[str, np.ndarray]:
        """Mean over the patterns of h ("gauss-newton") or h-full ("full"), by parameter name."""

    def gradient(self, inputs: np.ndarray, targets: np.ndarray) -> dict[str, np.ndarray]:
        """g summed over the patterns, by parameter name; nothing is learned."""

    def tangents(self, inputs: np.ndarray, direction: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Outputs, and their derivatives along a direction of all parameters that learn (by name, each of its shape):
        dx/dr where the weights are w + r * direction, at r = 0. Both (patterns, output units).
        """
