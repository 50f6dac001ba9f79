"""When an output is right, and what a pass is worth: criteria, scores and published figures' names.

Criteria are SN-2.8's `set-class-...` (section 3.9): x the outputs, d the targets, one row a pattern.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import numpy as np

from snsim.engines.protocol import Cost, Engine
from snsim.network.expressions import evaluate
from snsim.shelf import Shelf

Right = Callable[..., np.ndarray]  # (outputs, targets, *numbers) -> bool, one entry a pattern

_TOGETHER = 2000  # patterns whose outputs are computed in one go


@dataclass(frozen=True)
class Criterion:
    """`right(outputs, targets, *numbers)` tells for each pattern whether it counts as right."""

    name: str
    parameters: tuple[str, ...]
    right: Right


CRITERIA: Shelf[Criterion] = Shelf("criterion", plural="criteria", plugins="snsim.criteria")


def criterion(name: str, *parameters: str) -> Callable[[Right], Right]:
    """Decorator: put a criterion on the shelf; its docstring is the doc."""

    def put(right: Right) -> Right:
        CRITERIA.add(name, Criterion(name, parameters, right), " ".join((right.__doc__ or "").split()))
        return right

    return put


@criterion("max")
def right_by_max(x: np.ndarray, d: np.ndarray) -> np.ndarray:
    """the largest output is where the largest target is; on ties the same outputs must tie"""
    return np.all((x == x.max(axis=1, keepdims=True)) == (d == d.max(axis=1, keepdims=True)), axis=1)


@criterion("quadrant")
def right_by_quadrant(x: np.ndarray, d: np.ndarray) -> np.ndarray:
    """no output has the wrong sign: for a target above 0 it is above 0, for one below 0 below"""
    return ~np.any(((d > 0) & (x <= 0)) | ((d < 0) & (x >= 0)), axis=1)


@criterion("lms", "M")
def right_by_lms(x: np.ndarray, d: np.ndarray, margin: float) -> np.ndarray:
    """sum (d-x)^2 / n is below M"""
    return np.mean((d - x) ** 2, axis=1) < margin


@criterion("sgn", "LO", "HI")
def right_by_zones(x: np.ndarray, d: np.ndarray, low: float, high: float) -> np.ndarray:
    """each output is in the zone of its target: below LO, from LO to HI, above HI; by sign if both are 0"""
    if low == high == 0:
        return right_by_quadrant(x, d)
    return np.all((x < low) == (d < low), axis=1) & np.all((x > high) == (d > high), axis=1)


@criterion("hamming", "M")
def right_by_hamming(x: np.ndarray, d: np.ndarray, margin: float) -> np.ndarray:
    """every |d-x| is at most M"""
    return np.all(np.abs(d - x) <= margin, axis=1)


@dataclass(frozen=True)
class Score:
    """How a net does on some patterns.

    `loss` is the mean over the patterns of the stated cost, `half_mse` that of 1/2 sum (d-x)^2 / n (SN's error),
    `mse` that of sum (d-x)^2 / n; `error` the percentage of patterns that are not right, `misses` their number.
    """

    loss: float
    half_mse: float
    mse: float
    error: float
    misses: int
    patterns: int


def mean_cost(cost: Cost, x: np.ndarray, d: np.ndarray) -> float:
    """The mean of E over the patterns, in float64."""
    if cost.softmax:
        shifted = x - x.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
        return float(-np.sum(d * log_p) / len(x))
    e = evaluate(cost.e, {"x": x, "d": d})  # type: ignore[arg-type]
    return float(np.sum(np.broadcast_to(e, x.shape)) / len(x))


def score(outputs: np.ndarray, targets: np.ndarray, cost: Cost, rule: tuple[str, tuple[float, ...]]) -> Score:
    """The score of outputs (patterns, units) against their targets, computed in float64."""
    x, d = np.asarray(outputs, np.float64), np.asarray(targets, np.float64)
    name, numbers = rule
    with np.errstate(all="ignore"):  # weights that ran away give inf or nan, which is told where the pass ends
        misses = int(np.sum(~CRITERIA.get(name).right(x, d, *numbers)))
        mse = float(np.mean((d - x) ** 2))
        return Score(mean_cost(cost, x, d), mse / 2, mse, 100 * misses / len(x), misses, len(x))


def evaluate_on(engine: Engine, inputs: np.ndarray, targets: np.ndarray, cost: Cost,
                rule: tuple[str, tuple[float, ...]]) -> Score:
    """The score of the engine's net on patterns (patterns, input units), as it is now."""
    outputs = [engine.outputs(inputs[i:i + _TOGETHER]) for i in range(0, len(inputs), _TOGETHER)]
    return score(np.concatenate(outputs), targets, cost, rule)
