"""How large a difference rounding can cause: by the type of the numbers, and by how many of them are added up."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from snsim.comparison.engine_side import EngineSide, UpdateResult
from snsim.comparison.presentations import Update
from snsim.network.net import Net

_SAFETY = 32.0  # above the largest of many twins, and far below every fault that is known


class Rounding:
    """The relative differences that rounding can cause in a net.

    A sum of n numbers loses about sqrt(n) units of the last place. States have the errors of all layers up to theirs,
    gradients those of all layers, and of the sums over patterns and over the connections that share a weight. All are
    relative to the largest number of a layer.
    """

    def __init__(self, net: Net, dtype: str):
        self._epsilon = float(np.finfo(dtype).eps)
        self._depths: dict[str, float] = {}
        self._net, depth = net, 1.0
        for layer in net.computed:
            depth += math.sqrt(float(net.lines(layer.name).max(initial=1)))
            depth += 8.0 * len(net.transforms_into(layer.name))
            self._depths[layer.name] = depth
        self._depth = depth
        self._sharers = {p.name: float(p.sharers_range[1]) for p in net.parameters if p.learns}

    def of_states(self, layer: str) -> float:
        return _SAFETY * self._epsilon * self._depths[layer]

    def of_cost(self) -> float:
        return _SAFETY * self._epsilon * self._depth

    def of_gradient(self, parameter: str, patterns: int) -> float:
        return _SAFETY * self._epsilon * (2 * self._depth + math.sqrt(self._sharers[parameter] * patterns))

    def of_step(self) -> float:
        """Return what one update by the same rule and gradient can differ by, relative to weight and step."""
        return _SAFETY * self._epsilon

    @property
    def smallest(self) -> float:
        """Return the share of the largest gradient of a net below which a gradient is nothing but rounding."""
        return self._epsilon

    @property
    def change(self) -> float:
        """Return the relative change of weights and inputs that stands for all roundings of an update."""
        return 4 * self._epsilon * self._depth


class Sensitivity:
    """What rounding can cause in one update, measured: the largest differences under small random changes.

    Some results are more sensitive than a rule by scale can know: the cost of a pattern that is learned, a unit of ReLU
    at its kink, a gradient that is 0 but for rounding. It is measured when it is first asked for.
    """

    def __init__(self, side: EngineSide, update: Update, weights: Mapping[str, np.ndarray], rounding: Rounding):
        self._side, self._update, self._weights, self._size = side, update, weights, rounding.change
        self._results: list[UpdateResult] | None = None

    def _measured(self) -> list[UpdateResult]:
        if self._results is None:
            self._results = self._side.with_other_roundings(self._update, self._weights, self._size)
        return self._results

    def of_states(self, number: int, states: np.ndarray) -> float:
        """Return the largest difference of the states of hidden layer `number`; -1 is the output."""
        return 2 * max(
            _largest(states, result.outputs if number < 0 else result.hidden[number]) for result in self._measured()
        )

    def of_cost(self, cost: float) -> float:
        return 2 * max(abs(cost - result.cost) for result in self._measured())

    def of_gradient(self, name: str, gradient: np.ndarray) -> float:
        return 2 * max(_largest(gradient, result.gradients[name]) for result in self._measured())


def _largest(one: np.ndarray, other: np.ndarray) -> float:
    with np.errstate(all="ignore"):
        most = float(np.abs(np.asarray(one, np.float64).reshape(-1) - np.asarray(other).reshape(-1)).max(initial=0.0))
    return most if math.isfinite(most) else math.inf
