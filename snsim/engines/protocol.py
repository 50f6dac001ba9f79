"""What training asks of an engine: the protocol `Engine` and the values that it receives.

Signs and names follow the papers. E is the cost of one pattern. `g` = dE/dw, summed over the connections that share w.
`h` is the diagonal curvature d2E/dw2, summed over the same connections. `rate` is the learning rate of the weight.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Protocol

import numpy as np

from snsim.data_classes import dataclass
from snsim.network.expressions import Expression


@dataclass(frozen=True)
class Cost:
    """The cost of one pattern: E, the sum of the expression `e` over the outputs.

    The variables of `e` are x (output), d (target) and n (number of outputs); parameters of the cost are already
    substituted. `de` and `dde` are the first and second derivatives of `e` by x.

    `softmax` marks cross-entropy, -sum d log softmax(x), which couples the outputs. Then e, de and dde are None, the
    gradient is softmax(x)*sum(d) - d, and the curvature is p(1-p)*sum(d) with p = softmax(x). With `rubbish`, softmax
    has one more class, whose output is that number and which is never the target: E = sum d (log(exp(rubbish) +
    sum exp(x)) - x). Gradient and curvature have the same form, and the p of the outputs sum to less than 1.
    """

    name: str
    e: Expression | None
    de: Expression | None
    dde: Expression | None
    softmax: bool = False
    rubbish: float | None = None

    @property
    def rest(self) -> float:
        """The output of the class of rubbish; without one that of a class of probability 0."""
        return -math.inf if self.rubbish is None else self.rubbish

    @property
    def takes_logits(self) -> bool:
        """Whether it is cross-entropy, so that a softmax of the outputs gives probabilities of the classes."""
        return self.softmax and self.rubbish is None


@dataclass(frozen=True)
class UpdateRule:
    """The update of one weight, as groups of assignments that run in order.

    Inside a group all right sides are computed before any value is assigned. The variables are w, g, h, h-full, rate,
    n, the options and the states. n counts the updates from 1. States start at 0.

    h is the curvature without the f'' term (Gauss-Newton, Levenberg-Marquardt), which is never negative. h-full is the
    curvature with it (Newton).

    `conjugate` marks conjugate gradient, which moves all weights together once per pass. It is not an expression of one
    weight, so engines only keep its states, and `training.conjugate_gradient` computes the steps.
    """

    name: str
    options: tuple[tuple[str, float], ...]  # with defaults
    states: tuple[str, ...]
    assignments: tuple[tuple[tuple[str, Expression], ...], ...]
    conjugate: bool = False

    @cached_property
    def mentions(self) -> frozenset[str]:
        """Return the variables in the expressions of the rule."""
        return frozenset(v for group in self.assignments for _, e in group for v in e.variables())

    @property
    def curvature(self) -> str | None:
        """Return the curvature that the rule uses: "gauss-newton", "full" or None."""
        return "full" if "h-full" in self.mentions else "gauss-newton" if "h" in self.mentions else None


@dataclass(frozen=True, eq=False)
class Settings:
    """The numbers that stay constant during one pass.

    `rates` has a float, or an array of the parameter's shape, for each parameter that learns. A rate of 0 freezes a
    parameter: an update changes neither its weights nor its states.
    """

    rates: Mapping[str, float | np.ndarray]
    options: Mapping[str, float]  # of the update rule, after schedules
    batch: int = 1  # patterns per update
    batch_mean: bool = False  # whether g and h are divided by the patterns of the batch
    held_curvature: Mapping[str, np.ndarray] | None = None  # if given, it is used as h instead of being computed
    decays: Mapping[str, float] | None = None  # by parameter: replaces the option decay of the rule


NO_GATES: Mapping[str, np.ndarray] = MappingProxyType({})
NO_NOISES = NO_GATES


class Engine(Protocol):
    """A net that learns. Arrays in and out are NumPy arrays; inside, an engine may keep any form.

    A plug-in is a function or class (plan, cost, rule, dtype, constants) that returns an engine with all weights 0. It
    raises SnError for a rule, or a part of a net, that it does not compute.

    Attributes
    ----------
    name : str
        The name of the entry point. A resumed run asks for the engine of this name.
    dtype : numpy.dtype
        float32 or float64, as requested.
    rule : UpdateRule
    """

    name: str
    dtype: np.dtype
    rule: UpdateRule

    def parameters(self) -> dict[str, np.ndarray]:
        """Return copies of all parameters by name, each of its `Parameter.shape`, fixed ones included."""

    def load_parameters(self, values: Mapping[str, np.ndarray]) -> None:
        """Set the parameters. `values` must have all parameters of the plan that learn."""

    def state(self) -> dict[str, np.ndarray]:
        """Return the state of the update rule.

        It has "NAME/STATE" for each parameter and each state of the rule, and "n", the number of updates so far.
        """

    def load_state(self, values: Mapping[str, np.ndarray]) -> None:
        """Set the state of the update rule: values as `state` returns them."""

    def learn(
        self,
        inputs: np.ndarray,
        targets: np.ndarray,
        settings: Settings,
        gates: Mapping[str, np.ndarray] = NO_GATES,
        noises: Mapping[str, np.ndarray] = NO_NOISES,
    ) -> None:
        """Learn the patterns in the given order, with an update after every `settings.batch` of them.

        Parameters
        ----------
        inputs : array (patterns, input units)
        targets : array (patterns, output units)
        settings : Settings
            A last batch with fewer patterns makes an update too.
        gates : mapping of str to array (patterns, units)
            For a computed layer, by its name: the factors of its states (dropout: 0 or 1/(1-P)). They are drawn
            outside, so that every engine receives the same ones.
        noises : mapping of str to array (patterns, units)
            For a computed layer, by its name: the numbers added to its weighted sums (SN's theta).
        """

    def outputs(self, inputs: np.ndarray) -> np.ndarray:
        """Return the states of the output layer for some inputs, (patterns, output units), without learning."""

    def states(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Return the states of every layer by name, (patterns, units)."""

    def curvature(self, inputs: np.ndarray, targets: np.ndarray, kind: str) -> dict[str, np.ndarray]:
        """Return the mean over the patterns of the curvature of each weight, by parameter name.

        The curvature is a diagonal approximation of the Hessian of E, propagated backward like a gradient. `kind` is
        "gauss-newton" (h of `UpdateRule`, without the f'' term) or "full" (h-full).
        """

    def gradient(self, inputs: np.ndarray, targets: np.ndarray) -> dict[str, np.ndarray]:
        """Return the gradient dE/dw summed over the patterns, by parameter name, without learning."""

    def tangents(self, inputs: np.ndarray, direction: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return the outputs and their derivatives along a direction of the weights.

        The derivatives are dx/dr at r = 0 where the weights are w + r * direction. `direction` has an array of the
        parameter's shape for each parameter that learns. Both results are (patterns, output units).
        """
