"""Check a criterion against the targets: which ones it cannot tell apart, and which no output can satisfy.

Everything here is a warning: the training runs, but its misses do not mean what a reader takes them to mean. A hint
names another criterion only if that one is free of such warnings on the same targets.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from snsim.errors import Fault, Span
from snsim.network.expressions import evaluate
from snsim.network.net import Layer
from snsim.training.criteria import CRITERIA

Rule = tuple[str, tuple[float, ...]]  # the name and the numbers of a criterion
_FIRST = 1000  # patterns that are looked at before all of them
_SUMS = np.concatenate([-np.logspace(4, -4, 2001), [0.0], np.logspace(-4, 4, 2001)])  # sums at which an nlf is computed


def criterion_warnings(rule: Rule, targets: np.ndarray, output: Layer, span: Span | None) -> list[Fault]:
    """Return warnings about a criterion for these targets, float64 (patterns, outputs), of the layer `output`."""
    limits = _range_of(output)
    problem = _problem(rule, targets, limits)
    if problem is None:
        return []
    return [Fault(problem, span, hint=_hint(targets, limits), severity="warning")]


def _problem(rule: Rule, targets: np.ndarray, limits: tuple[float, float]) -> str | None:
    """Return the sentence about the first problem of a criterion with these targets; None if there is none."""
    name, numbers = rule
    text = f"(correct {' '.join([name, *(f'{number:g}' for number in numbers)])})"
    if name == "max":
        if targets.shape[1] == 1:
            return "with one output the largest is always right, so (correct max) will report no misses"
        tied = (targets == targets.max(axis=1, keepdims=True)).sum(axis=1) > 1
        if tied.any():
            first = int(np.argmax(tied))
            return (
                f"{tied.sum():,} of {len(tied):,} patterns, the first of them pattern {first}, have several largest "
                "targets, and (correct max) calls them right only if the same outputs are equal to the last bit"
            )
    if len(targets) and (targets != targets[0]).any():
        for outputs in _constant_outputs(targets):
            if all(
                _are_right(rule, np.broadcast_to(outputs, some.shape), some).all()
                for some in (targets[:_FIRST], targets[_FIRST:])
            ):
                return (
                    f"{text} cannot tell these targets apart: the same outputs, {_short(outputs)}, are right for all "
                    f"{len(targets):,} patterns"
                )
    if name == "quadrant" or (name == "sgn" and numbers == (0.0, 0.0)):
        zeros = int((targets == 0).sum())
        if zeros:
            return f"{text} accepts any output whose target is 0: {zeros:,} of {targets.size:,} targets are 0"
    never = ~np.any([_are_right(rule, nearest, targets) for nearest in _nearest_outputs(targets, limits)], axis=0)
    if never.any():
        first = int(np.argmax(never))
        low, high = limits
        between = f" from outputs between {low:g} and {high:g}" if np.isfinite(low) or np.isfinite(high) else ""
        return (
            f"{text} can never be met{between}: {never.sum():,} of {len(never):,} patterns, the first of them pattern "
            f"{first} with the targets {_short(targets[first])}"
        )
    return None


def _hint(targets: np.ndarray, limits: tuple[float, float]) -> str:
    """Return the hint: the first criterion that has no problem with these targets, if there is one."""
    for name, numbers in _candidates(targets):
        if _problem((name, numbers), targets, limits) is None:
            return f"write (correct {' '.join([name, *(f'{number:g}' for number in numbers)])})"
    low, high = limits
    return (
        f"no criterion fits these targets, from {targets.min():g} to {targets.max():g}, and outputs from {low:g} to "
        f"{high:g}: change the targets or the nlf of the output layer"
    )


def _candidates(targets: np.ndarray) -> Iterator[Rule]:
    yield "max", ()
    yield "quadrant", ()
    values = np.unique(targets[:_FIRST])
    if len(values) == 2 and np.isin(targets, values).all():
        yield "labels", (float(np.mean(values)),)
    spread = float(targets.max() - targets.min()) or 1.0
    for part in (0.1, 0.01, 0.001):
        yield "hamming", (float(f"{part * spread:.1g}"),)


def _constant_outputs(targets: np.ndarray) -> Iterator[np.ndarray]:
    """Yield outputs that might be right for every pattern."""
    low, high = targets.min(axis=0), targets.max(axis=0)
    yield (low + high) / 2
    yield np.where(np.abs(low) > np.abs(high), low, high)
    yield high
    yield low


def _nearest_outputs(targets: np.ndarray, limits: tuple[float, float]) -> Iterator[np.ndarray]:
    """Yield for each pattern outputs inside the limits that might be right for it."""
    nearest = np.clip(targets, *limits)
    yield nearest
    if not np.array_equal(nearest, targets):
        low, high = max(limits[0], -1e3), min(limits[1], 1e3)
        least, most = targets.min(axis=1, keepdims=True), targets.max(axis=1, keepdims=True)
        yield low + (targets - least) / np.where(most > least, most - least, 1) * (high - low)


def _are_right(rule: Rule, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return CRITERIA.get(rule[0]).right(outputs, targets, *rule[1]) if len(targets) else np.ones(0, bool)


def _range_of(layer: Layer) -> tuple[float, float]:
    """Return the least and the largest state of a layer, -inf or inf where its nlf is not bounded."""
    if layer.nlf is None:
        return -np.inf, np.inf
    states = np.broadcast_to(evaluate(layer.nlf.f, {"x": _SUMS}), _SUMS.shape)
    states = states[~np.isnan(states)]
    if not len(states):
        return -np.inf, np.inf
    low, high = float(states.min()), float(states.max())
    # An nlf that still grows where the sums end has no bound.
    grows = np.abs(states[[0, -1]]) > np.abs(states[[40, -41]]) * 1.01
    ends = states[[0, -1]][grows]
    return (-np.inf if (ends <= low).any() else low), (np.inf if (ends >= high).any() else high)


def _short(numbers: np.ndarray) -> str:
    return " ".join(f"{number:g}" for number in numbers[:6]) + (" ..." if len(numbers) > 6 else "")
