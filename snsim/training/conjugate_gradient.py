"""Conjugate gradient as in SN-2.8: each pass is one step with the whole training set.

See docs/reference/sn28.md, section 3.12.

    g       gradient summed over the patterns
    beta    (g_old.g - g.g) / (d_old.g_old), equal to that of Hestenes and Stiefel after an exact line search
    d       -g + beta d_old
    step    -(g.d) / (c + mu), c the Gauss-Newton curvature along d summed over the patterns

There is no line search and no learning rate. For E = 1/2 sum (d-x)^2, c is SN's sum of squared derivatives of the
outputs along d. For another cost, each term is weighted by the second derivative of E with respect to the outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

import numpy as np

from snsim.engines.protocol import Cost, Engine
from snsim.errors import fail
from snsim.network.expressions import evaluate
from snsim.training.prepare import Patterns

_CHUNK = 1000  # patterns summed at a time, between two progress reports; the last bits depend on it

Arrays = dict[str, np.ndarray]


class StepState(Protocol):
    """What a step changes: the weights and the state of the update rule, as an `Engine` has them."""

    def parameters(self) -> Arrays:
        """Return copies of all parameters by name."""

    def load_parameters(self, values: Mapping[str, np.ndarray]) -> None:
        """Set the parameters that learn."""

    def load_state(self, values: Mapping[str, np.ndarray]) -> None:
        """Set the state of the update rule."""


def take_step(
    engine: Engine, patterns: Patterns, cost: Cost, mu: float, masks: Mapping[str, np.ndarray] | None, number: int
) -> Iterator[int]:
    """Take one step, in pass `number`; yield how many patterns are done. The weights change after the last one.

    The update state of the engine holds the gradient and the direction of the previous step. The first step follows the
    steepest descent. `masks` says which weights are not pruned. Raise SnError if the curvature along the direction is
    not positive.
    """
    chunks = [slice(begin, begin + _CHUNK) for begin in range(0, len(patterns), _CHUNK)]
    total: Arrays = {}
    for chunk in chunks:
        for name, g in engine.gradient(patterns.inputs[chunk], patterns.targets[chunk]).items():
            total[name] = g.astype(np.float64) + total.get(name, 0.0)
        yield min(chunk.stop, len(patterns)) // 2
    gradient = {name: _zero_pruned(g, masks, name).astype(engine.dtype) for name, g in total.items()}
    state = engine.state()
    direction = next_direction(gradient, state)
    curvature = 0.0
    for chunk in chunks:
        outputs, tangents = engine.tangents(patterns.inputs[chunk], direction)
        curvature += curvature_along(cost, outputs, tangents, patterns.targets[chunk])
        if chunk is not chunks[-1]:
            yield (len(patterns) + min(chunk.stop, len(patterns))) // 2
    finish_step(engine, gradient, direction, state, curvature + mu, number)
    yield len(patterns)


def finish_step(
    weights: StepState,
    gradient: Arrays,
    direction: Arrays,
    state: Mapping[str, np.ndarray],
    curvature: float,
    number: int,
) -> None:
    """Move the weights along a direction, and save gradient and direction for the next step.

    `state` is the update state before the step, `curvature` that along the direction plus mu. Raise SnError, naming
    pass `number`, if it is not positive.
    """
    slope = _dot(gradient, direction)
    if slope != 0:
        _move(weights, direction, -slope / _check_positive(curvature, number))
    saved = {f"{name}/gradient": g for name, g in gradient.items()}
    saved |= {f"{name}/direction": d for name, d in direction.items()}
    weights.load_state({**state, **saved, "n": state["n"] + 1})


def _zero_pruned(g: np.ndarray, masks: Mapping[str, np.ndarray] | None, name: str) -> np.ndarray:
    return g if masks is None else np.where(masks[name], g, 0.0)


def next_direction(gradient: Arrays, state: Mapping[str, np.ndarray]) -> Arrays:
    """Return the next direction by parameter name: -g in the first step, then -g + beta * (last direction).

    g is `gradient`, and the last gradient and direction are in `state`. Products are rounded to the type of the engine,
    as in SN.
    """
    if not int(state["n"]):
        return {name: -g for name, g in gradient.items()}
    old = {name: state[f"{name}/direction"] for name in gradient}
    beta = _beta(gradient, {name: state[f"{name}/gradient"] for name in gradient}, old)
    return {name: old[name] * g.dtype.type(beta) - g for name, g in gradient.items()}


def _beta(g: Arrays, g_old: Arrays, d: Arrays) -> float:
    """Return SN's (G.G - G_old.G) / (d.G_old) with G = -g; 0, which restarts, if the slope along d was 0."""
    denominator = -_dot(d, g_old)
    return 0.0 if denominator == 0 else (_dot(g, g) - _dot(g_old, g)) / denominator


def _dot(a: Arrays, b: Arrays) -> float:
    """Return the dot product: products in the type of the engine, summed in float64."""
    return float(sum(np.sum(a[name] * b[name], dtype=np.float64) for name in a))


def _check_positive(curvature: float, number: int) -> float:
    if not curvature > 0 or not np.isfinite(curvature):
        raise fail(
            f"the curvature along the search direction of pass {number} is {curvature:g}; the step length needs a "
            "positive one",
            hint="add damping with (update conjugate-gradient (mu V)), or start from other weights",
        )
    return curvature


def _move(engine: StepState, direction: Arrays, length: float) -> None:
    weights = engine.parameters()
    engine.load_parameters({name: weights[name] + d.dtype.type(length) * d for name, d in direction.items()})


def curvature_along(cost: Cost, outputs: np.ndarray, tangents: np.ndarray, targets: np.ndarray) -> float:
    """Return the sum over the patterns of t' (d2E/dx2) t, where x are the outputs and t their tangents.

    `outputs`, `tangents` and `targets` have the shape (patterns, outputs).
    """
    x, t, d = (np.asarray(a, np.float64) for a in (outputs, tangents, targets))
    with np.errstate(all="ignore"):
        if cost.softmax:
            most = np.maximum(x.max(1, keepdims=True), cost.rest)
            p = np.exp(x - most)
            p /= p.sum(1, keepdims=True) + np.exp(cost.rest - most)
            return float((d.sum(1) * ((p * t * t).sum(1) - (p * t).sum(1) ** 2)).sum())
        assert cost.dde is not None  # only softmax has no expressions
        second = evaluate(cost.dde, {"x": x, "d": d, "n": float(x.shape[1])})
        return float((second * t * t).sum())
