"""Score a net on patterns: cost, errors and rejection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snsim.engines.protocol import Cost, Engine
from snsim.network.expressions import evaluate
from snsim.training.criteria import CRITERIA
from snsim.training.forward_all import compute_outputs
from snsim.training.rejection import least_rejection

_MOST_OUTPUTS = 1000  # whose misses are counted one by one
REJECTION_ERROR = 1.0  # percent of the accepted patterns: the requirement of LeCun et al. 1989


@dataclass(frozen=True)
class Score:
    """The scores of a net on some patterns, with d the targets and x the n outputs.

    `loss` is the mean over the patterns of the stated cost, `half_mse` that of 1/2 sum (d-x)^2 / n (SN's error),
    `mse` that of sum (d-x)^2 / n; `error` is the percentage of patterns that are wrong, and `misses` their number.
    `rejection` is the smallest percentage to reject, by the two most active outputs, for 1 % error on the rest (LeCun
    et al. 1989); None if the most active output does not tell the class. `output_misses` counts for each output the
    patterns that are wrong at it; None unless the criterion judges each output, and there are at most 1,000.
    """

    loss: float
    half_mse: float
    mse: float
    error: float
    misses: int
    patterns: int
    rejection: float | None = None
    output_misses: tuple[int, ...] | None = None


def mean_cost(cost: Cost, x: np.ndarray, d: np.ndarray) -> float:
    """Return the mean of the cost E over the patterns, in float64."""
    if cost.softmax:
        shifted = x - x.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
        return float(-np.sum(d * log_p) / len(x))
    assert cost.e is not None  # only softmax has no expressions
    e = evaluate(cost.e, {"x": x, "d": d})
    return float(np.sum(np.broadcast_to(e, x.shape)) / len(x))


def score_outputs(outputs: np.ndarray, targets: np.ndarray, cost: Cost, rule: tuple[str, tuple[float, ...]]) -> Score:
    """Return the score of outputs (patterns, units) for their targets, computed in float64.

    `rule` is the name and the numbers of a criterion.
    """
    x, d = np.asarray(outputs, np.float64), np.asarray(targets, np.float64)
    name, numbers = rule
    with np.errstate(all="ignore"):  # weights that diverged give inf or nan, which is reported at the end of the pass
        misses = int(np.sum(~CRITERIA.get(name).right(x, d, *numbers)))
        mse = float(np.mean((d - x) ** 2))
        rejected = (
            least_rejection(x, d, REJECTION_ERROR).percent if name == "max" and x.shape[1] > 1 and len(x) else None
        )
        each = CRITERIA.get(name).each if x.shape[1] <= _MOST_OUTPUTS else None
        of_outputs = None if each is None else tuple(int(n) for n in (~each(x, d, *numbers)).sum(axis=0))
        return Score(mean_cost(cost, x, d), mse / 2, mse, 100 * misses / len(x), misses, len(x), rejected, of_outputs)


def score_engine(
    engine: Engine, inputs: np.ndarray, targets: np.ndarray, cost: Cost, rule: tuple[str, tuple[float, ...]]
) -> Score:
    """Return the score of the current weights of an engine on inputs (patterns, input units)."""
    return score_outputs(compute_outputs(engine, inputs), targets, cost, rule)
