"""How many patterns must be rejected for the rest to be classified well enough.

LeCun et al. 1989 (Neural Computation 1:541-551): a pattern is rejected if the difference between the two most active
outputs is below a threshold, and the figure of merit is the percentage of test patterns that must be rejected for
1 % error on the rest. They chose the threshold on the test set; `at` tells what one chosen elsewhere gives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snsim.errors import fail
from snsim.training.criteria import right_by_max


@dataclass(frozen=True)
class Rejection:
    """What a threshold does to `patterns` patterns: those with a smaller difference between the two most active outputs
    are `rejected`, `misses` of the rest are wrong. The threshold is infinite where all are rejected.
    """

    threshold: float
    patterns: int
    rejected: int
    misses: int

    @property
    def percent(self) -> float:
        """Patterns rejected, in percent of all."""
        return 100 * self.rejected / self.patterns

    @property
    def error(self) -> float:
        """Patterns that are wrong, in percent of those not rejected; 0 if all are rejected."""
        return 100 * self.misses / max(1, self.patterns - self.rejected)


@dataclass(frozen=True, eq=False)
class RejectionCurve:
    """Every choice of a threshold: entry k rejects `rejected[k]` patterns and leaves `misses[k]` that are wrong, from
    nothing rejected, by a threshold of 0, to everything. Patterns of equal difference are rejected together.
    """

    threshold: np.ndarray
    rejected: np.ndarray
    misses: np.ndarray
    patterns: int

    @property
    def percent(self) -> np.ndarray:
        """Rejected, in percent of all patterns."""
        return 100 * self.rejected / self.patterns

    @property
    def error(self) -> np.ndarray:
        """Wrong, in percent of those that are left; 0 where none is."""
        percent: np.ndarray = 100 * self.misses / np.maximum(1, self.patterns - self.rejected)
        return percent

    def __getitem__(self, k: int) -> Rejection:
        return Rejection(float(self.threshold[k]), self.patterns, int(self.rejected[k]), int(self.misses[k]))


def least_rejection(outputs: np.ndarray, targets: np.ndarray, error: float) -> Rejection:
    """The least rejection after which at most `error` percent of the rest are wrong.

    outputs, targets: (patterns, output units). A pattern is wrong if the most active output is not where the largest
    target is. SnError for fewer than two outputs, or no patterns.
    """
    every = rejection_curve(outputs, targets)
    return every[int(np.flatnonzero(every.error <= error)[0])]  # the last entry, where all are rejected, has error 0


def reject_below(outputs: np.ndarray, targets: np.ndarray, threshold: float) -> Rejection:
    """What a threshold that was chosen on other patterns does to these."""
    accepted = output_margins(outputs) >= threshold
    wrong = ~right_by_max(np.asarray(outputs), np.asarray(targets))
    return Rejection(float(threshold), len(accepted), int((~accepted).sum()), int((wrong & accepted).sum()))


def rejection_curve(outputs: np.ndarray, targets: np.ndarray) -> RejectionCurve:
    """What every threshold that makes a difference does."""
    margin = output_margins(outputs)
    wrong = ~right_by_max(np.asarray(outputs), np.asarray(targets))
    order = np.argsort(margin, kind="stable")
    thresholds, first = np.unique(margin[order], return_index=True)  # of each, how many have a smaller margin
    wrong_before = np.append(0, np.cumsum(wrong[order]))
    rejected = np.append(first, len(margin))
    thresholds = np.concatenate([[0.0], thresholds[1:], [np.inf]])  # 0 rejects nothing elsewhere either
    return RejectionCurve(thresholds, rejected, wrong.sum() - wrong_before[rejected], len(margin))


def output_margins(outputs: np.ndarray) -> np.ndarray:
    """The difference between the two most active outputs of each pattern, float64."""
    x = np.asarray(outputs, np.float64)
    if x.ndim != 2 or x.shape[1] < 2:
        raise fail(
            f"rejection compares the two most active outputs, and this net has {x.shape[1] if x.ndim == 2 else 1}",
            hint="give the last layer a unit for each class, such as (layer output 10)",
        )
    if not len(x):
        raise fail("there are no patterns to classify or reject", hint="name data that have test patterns: --data NAME")
    two = np.partition(x, -2, axis=1)
    margin: np.ndarray = two[:, -1] - two[:, -2]
    return margin
