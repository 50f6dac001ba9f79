"""Score a net on patterns: cost, errors and rejection."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from snsim.engines.protocol import Cost, Engine
from snsim.network.operations import NUMPY
from snsim.training.criteria import CRITERIA, right_by_max, right_by_quadrant
from snsim.training.forward_all import compute_outputs
from snsim.training.rejection import MaxComparison, least_rejection, least_rejection_of

_MOST_COLUMNS = 100  # outputs of a net whose largest are found column by column
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
    `only_answer` is the output, from 0, that is the largest for every pattern, though the targets differ; None if the
    answers differ too, or if the largest output does not tell the class.
    """

    loss: float
    half_mse: float
    mse: float
    error: float
    misses: int
    patterns: int
    rejection: float | None = None
    output_misses: tuple[int, ...] | None = None
    only_answer: int | None = None


def mean_cost(cost: Cost, x: np.ndarray, d: np.ndarray) -> float:
    """Return the mean of the cost E over the patterns, in float64."""
    with np.errstate(all="ignore"):
        return MeanCost(cost)(x, d)


class MeanCost:
    """The mean of a cost over patterns, with its expression prepared for many calls."""

    def __init__(self, cost: Cost):
        self._rest = cost.rest
        self._evaluate = None if cost.softmax or cost.e is None else cost.e.program.bind(NUMPY)

    def __call__(self, x: np.ndarray, d: np.ndarray) -> float:
        """Return the mean of E over the patterns, for outputs and targets (patterns, units), float64.

        The caller decides about warnings of NumPy: weights that diverged overflow.
        """
        if self._evaluate is None:  # only softmax has no expressions
            most = np.maximum(x.max(axis=1, keepdims=True), self._rest)
            shifted = x - most
            log_p = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True) + np.exp(self._rest - most))
            return float(-np.sum(d * log_p) / len(x))
        e = self._evaluate({"x": x, "d": d})[0]
        if not isinstance(e, np.ndarray) or e.shape != x.shape:
            e = np.broadcast_to(e, x.shape)
        return float(np.add.reduce(e, axis=None) / len(x))


def _only_answer(x: np.ndarray) -> int | None:
    """Return the output that is the largest for every pattern of outputs (patterns, units); None if they differ."""
    some = x[:100].argmax(axis=1)  # most nets differ there
    return int(some[0]) if (some == some[0]).all() and (x.argmax(axis=1) == some[0]).all() else None


class Scorer:
    """Scores the outputs of a net for patterns, pass after pass, in float64.

    `rule` is the name and the numbers of a criterion. What depends only on the targets is computed once.
    """

    def __init__(self, targets: np.ndarray, cost: Cost, rule: tuple[str, tuple[float, ...]]):
        self._d = np.asarray(targets, np.float64)
        name, self._numbers = rule
        self._criterion = CRITERIA.get(name)
        self._mean_cost = MeanCost(cost)
        units = self._d.shape[1]
        self._by_max = None
        if self._criterion.right is right_by_max and 1 < units <= _MOST_COLUMNS and len(self._d):
            self._by_max = MaxComparison(self._d)
        self._signs = None  # of the targets, where the criterion asks for no more and each target has one
        if self._criterion.right is right_by_quadrant and self._d.all():
            self._signs = np.sign(self._d)
        self._rejects = name == "max" and units > 1 and len(self._d) > 0
        self._each = self._criterion.each if units <= _MOST_OUTPUTS else None
        self._suspect = math.inf  # the misses of a net that gives every pattern the most frequent class
        if self._criterion.right is right_by_max and units > 1 and len(self._d):
            self._suspect = len(self._d) - int((self._d == self._d.max(axis=1, keepdims=True)).sum(axis=0).max())

    def score_engine(self, engine: Engine, inputs: np.ndarray, starts: np.ndarray | None = None) -> Score:
        """Return the score of the current weights of an engine on inputs (patterns, input units).

        `starts` are those of the sequences, for a net with delays.
        """
        return self.score(compute_outputs(engine, inputs, starts))

    def score(self, outputs: np.ndarray) -> Score:
        """Return the score of outputs (patterns, units)."""
        x, d, n = np.asarray(outputs, np.float64), self._d, len(self._d)
        with np.errstate(all="ignore"):  # weights that diverged give inf or nan, which is reported after the pass
            rejected = None
            if self._by_max is not None:
                wrong, margins = self._by_max.compare(x)
                rejected = least_rejection_of(margins, wrong, REJECTION_ERROR).percent
            elif self._signs is not None:
                wrong = x * self._signs <= 0
                wrong = wrong if wrong.shape[1] == 1 else np.logical_or.reduce(wrong, axis=1)
            else:
                wrong = ~self._criterion.right(x, d, *self._numbers)
                if self._rejects:
                    rejected = least_rejection(x, d, REJECTION_ERROR).percent
            misses = int(np.count_nonzero(wrong))
            only = _only_answer(x) if 0 < self._suspect <= misses else None
            difference = d - x
            mse = float(np.add.reduce(np.multiply(difference, difference, out=difference), axis=None)) / d.size
            of_outputs = None
            if self._each is not None:
                of_outputs = tuple(int(n) for n in (~self._each(x, d, *self._numbers)).sum(axis=0))
            loss = self._mean_cost(x, d)
        return Score(loss, mse / 2, mse, 100 * misses / n, misses, n, rejected, of_outputs, only)


def score_outputs(outputs: np.ndarray, targets: np.ndarray, cost: Cost, rule: tuple[str, tuple[float, ...]]) -> Score:
    """Return the score of outputs (patterns, units) for their targets, as `Scorer` does."""
    return Scorer(targets, cost, rule).score(outputs)
