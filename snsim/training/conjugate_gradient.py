"""Conjugate gradient as SN-2.8 does it: each pass is one step with the whole training set.

See docs/reference/sn28.md, section 3.12.

    g       gradient summed over the patterns
    beta    (g_old.g - g.g) / (d_old.g_old), which is that of Hestenes and Stiefel along an exact line search
    d       -g + beta d_old
    step    -(g.d) / (c + mu), c the Gauss-Newton curvature along d summed over the patterns

No line is searched and no learning rate is read. For E = 1/2 sum (d-x)^2, c is SN's sum of squared derivatives of the
outputs along d; for another cost that of its quadratic part, the second derivative of E by the outputs in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from snsim.engines.protocol import Cost, Engine
from snsim.errors import fail
from snsim.network.expressions import evaluate
from snsim.training.prepare import Patterns

_TOGETHER = 1000  # patterns between two signs of progress: what is summed in one go, so the last bits depend on it

Arrays = dict[str, np.ndarray]


def step(
    engine: Engine, patterns: Patterns, cost: Cost, mu: float, kept: Mapping[str, np.ndarray] | None, number: int
) -> Iterator[int]:
    """One step in pass `number`. Yields how many of the patterns are done; the weights move after the last.

    The engine keeps the gradient and the direction of the step before as its update state; where there is none (no
    update yet) the direction is that of steepest descent. `kept`: weights that are not cut. SnError if the curvature
    along the direction is not above 0.
    """
    pieces = [slice(begin, begin + _TOGETHER) for begin in range(0, len(patterns), _TOGETHER)]
    total: Arrays = {}
    for piece in pieces:
        for name, g in engine.gradient(patterns.inputs[piece], patterns.targets[piece]).items():
            total[name] = g.astype(np.float64) + total.get(name, 0.0)
        yield min(piece.stop, len(patterns)) // 2
    gradient = {name: _masked(g, kept, name).astype(engine.dtype) for name, g in total.items()}
    state = engine.state()
    direction = _direction(gradient, state)
    curvature = 0.0
    for piece in pieces:
        outputs, moved = engine.tangents(patterns.inputs[piece], direction)
        curvature += curvature_along(cost, outputs, moved, patterns.targets[piece])
        if piece is not pieces[-1]:
            yield (len(patterns) + min(piece.stop, len(patterns))) // 2
    slope = _dot(gradient, direction)
    if slope != 0:
        _move(engine, direction, -slope / _positive(curvature + mu, number))
    remembered = {f"{name}/gradient": g for name, g in gradient.items()}
    remembered |= {f"{name}/direction": d for name, d in direction.items()}
    engine.load_state({**state, **remembered, "n": state["n"] + 1})
    yield len(patterns)


def _masked(g: np.ndarray, kept: Mapping[str, np.ndarray] | None, name: str) -> np.ndarray:
    return g if kept is None else np.where(kept[name], g, 0.0)


def _direction(gradient: Arrays, state: Mapping[str, np.ndarray]) -> Arrays:
    """-g at the start, then -g + beta d: products rounded to the engine's type, as SN's."""
    if not int(state["n"]):
        return {name: -g for name, g in gradient.items()}
    old = {name: state[f"{name}/direction"] for name in gradient}
    beta = _beta(gradient, {name: state[f"{name}/gradient"] for name in gradient}, old)
    return {name: old[name] * g.dtype.type(beta) - g for name, g in gradient.items()}


def _beta(g: Arrays, g_old: Arrays, d: Arrays) -> float:
    """SN's (G.G - G_old.G) / (d.G_old) with G = -g; 0, which starts anew, where the direction had no slope."""
    under = -_dot(d, g_old)
    return 0.0 if under == 0 else (_dot(g, g) - _dot(g_old, g)) / under


def _dot(a: Arrays, b: Arrays) -> float:
    """The products are of the engine's type, their sum is of double precision."""
    return float(sum(np.sum(a[name] * b[name], dtype=np.float64) for name in a))


def _positive(curvature: float, number: int) -> float:
    if not curvature > 0 or not np.isfinite(curvature):
        raise fail(
            f"the curvature along the search direction of pass {number} is {curvature:g}; the step length needs a "
            "positive one",
            hint="add damping with (update conjugate-gradient (mu V)), or start from other weights",
        )
    return curvature


def _move(engine: Engine, direction: Arrays, length: float) -> None:
    weights = engine.parameters()
    engine.load_parameters({name: weights[name] + d.dtype.type(length) * d for name, d in direction.items()})


def curvature_along(cost: Cost, outputs: np.ndarray, moved: np.ndarray, targets: np.ndarray) -> float:
    """Sum over the patterns of t' (d2E/dx2) t, with x the outputs and t how they move; (patterns, outputs) each."""
    x, t, d = (np.asarray(a, np.float64) for a in (outputs, moved, targets))
    with np.errstate(all="ignore"):
        if cost.softmax:
            p = np.exp(x - x.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            return float((d.sum(1) * ((p * t * t).sum(1) - (p * t).sum(1) ** 2)).sum())
        assert cost.dde is not None  # only softmax has no expressions
        bend = evaluate(cost.dde, {"x": x, "d": d, "n": float(x.shape[1])})
        return float((bend * t * t).sum())
