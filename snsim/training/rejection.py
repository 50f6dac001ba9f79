"""Compute how many patterns must be rejected so that the rest is classified well enough.

LeCun et al. 1989 (Neural Computation 1:541-551): a pattern is rejected if the difference between the two most active
outputs is below a threshold. The figure of merit is the percentage of test patterns that must be rejected for 1 %
error on the rest. They chose the threshold on the test set; `reject_below` applies a threshold chosen elsewhere.
"""

from __future__ import annotations

import numpy as np

from snsim.data_classes import dataclass
from snsim.errors import fail
from snsim.training.criteria import right_by_max


@dataclass(frozen=True)
class Rejection:
    """The effect of a threshold on `patterns` patterns: `rejected` are rejected, `misses` of the rest are wrong.

    The threshold is infinite if all patterns are rejected.
    """

    threshold: float
    patterns: int
    rejected: int
    misses: int

    @property
    def percent(self) -> float:
        """Rejected patterns, in percent of all."""
        return 100 * self.rejected / self.patterns

    @property
    def error(self) -> float:
        """Wrong patterns, in percent of those not rejected; 0 if all are rejected."""
        return 100 * self.misses / max(1, self.patterns - self.rejected)


@dataclass(frozen=True, eq=False)
class RejectionCurve:
    """The effect of every threshold: entry k rejects `rejected[k]` patterns and leaves `misses[k]` wrong ones.

    The entries go from nothing rejected, with a threshold of 0, to everything rejected. Patterns of equal difference
    are rejected together.
    """

    threshold: np.ndarray
    rejected: np.ndarray
    misses: np.ndarray
    patterns: int

    @property
    def percent(self) -> np.ndarray:
        """Rejected patterns, in percent of all."""
        return 100 * self.rejected / self.patterns

    @property
    def error(self) -> np.ndarray:
        """Wrong patterns, in percent of those not rejected; 0 if all are rejected."""
        percent: np.ndarray = 100 * self.misses / np.maximum(1, self.patterns - self.rejected)
        return percent

    def __getitem__(self, k: int) -> Rejection:
        return Rejection(float(self.threshold[k]), self.patterns, int(self.rejected[k]), int(self.misses[k]))


def least_rejection(outputs: np.ndarray, targets: np.ndarray, error: float) -> Rejection:
    """Return the smallest rejection after which at most `error` percent of the rest are wrong.

    `outputs` and `targets` have the shape (patterns, output units). A pattern is wrong if the most active output is not
    where the largest target is. Raise SnError for fewer than two outputs, or no patterns.
    """
    margins = output_margins(outputs)
    return least_rejection_of(margins, ~right_by_max(np.asarray(outputs), np.asarray(targets)), error)


def least_rejection_of(margins: np.ndarray, wrong: np.ndarray, error: float) -> Rejection:
    """Return the smallest rejection after which at most `error` percent of the rest are wrong.

    `margins` (patterns,) are the differences between the two most active outputs, `wrong` (patterns,) tells which
    patterns are wrong. The smallest rejection ends with a wrong pattern, so only their margins are thresholds to try.
    """
    patterns, misses = len(margins), int(np.count_nonzero(wrong))
    if 100 * misses / patterns <= error:
        return Rejection(0.0, patterns, 0, misses)
    ordered, of_wrong = np.sort(margins), np.sort(margins[wrong])
    rejected = np.searchsorted(ordered, of_wrong, side="right")  # with all patterns up to that margin
    left = misses - np.searchsorted(of_wrong, of_wrong, side="right")
    first = int(np.argmax(100 * left / np.maximum(1, patterns - rejected) <= error))  # the last leaves no error
    end = int(rejected[first])
    return Rejection(float(ordered[end]) if end < patterns else np.inf, patterns, end, int(left[first]))


class MaxComparison:
    """Compares outputs by the largest with the same targets (patterns, units) again and again.

    It works on columns, which is several times faster than rows for nets with few outputs.
    """

    def __init__(self, targets: np.ndarray):
        self._is_target = np.ascontiguousarray((targets == targets.max(axis=1, keepdims=True)).T)

    def compare(self, outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which patterns are wrong, as `right_by_max` judges, and their margins, as `output_margins`."""
        columns = np.ascontiguousarray(outputs.T)
        largest, second = np.maximum(columns[0], columns[1]), np.minimum(columns[0], columns[1])
        for column in columns[2:]:
            np.maximum(second, np.minimum(largest, column), out=second)
            np.maximum(largest, column, out=largest)
        right = np.logical_and.reduce((columns == largest) == self._is_target, axis=0)
        return ~right, largest - second


def reject_below(outputs: np.ndarray, targets: np.ndarray, threshold: float) -> Rejection:
    """Return the effect on these patterns of a threshold that was chosen on others."""
    accepted = output_margins(outputs) >= threshold
    wrong = ~right_by_max(np.asarray(outputs), np.asarray(targets))
    return Rejection(float(threshold), len(accepted), int((~accepted).sum()), int((wrong & accepted).sum()))


def rejection_curve(outputs: np.ndarray, targets: np.ndarray) -> RejectionCurve:
    """Return the effect of every threshold that makes a difference."""
    margin = output_margins(outputs)
    wrong = ~right_by_max(np.asarray(outputs), np.asarray(targets))
    order = np.argsort(margin, kind="stable")
    thresholds, first = np.unique(
        margin[order], return_index=True
    )  # for each, the number of patterns with a smaller margin
    wrong_before = np.append(0, np.cumsum(wrong[order]))
    rejected = np.append(first, len(margin))
    thresholds = np.concatenate(
        [[0.0], thresholds[1:], [np.inf]]
    )  # a threshold of 0 rejects nothing on other patterns either
    return RejectionCurve(thresholds, rejected, wrong.sum() - wrong_before[rejected], len(margin))


def output_margins(outputs: np.ndarray) -> np.ndarray:
    """Return the difference between the two most active outputs of each pattern, float64."""
    x = np.asarray(outputs, np.float64)
    if x.ndim != 2 or x.shape[1] < 2:
        raise fail(
            f"rejection compares the two most active outputs, and this net has {x.shape[1] if x.ndim == 2 else 1}",
            hint="give the last layer a unit for each class, such as (layer output 10)",
        )
    if not len(x):
        raise fail("there are no patterns to classify or reject", hint="name data that have test patterns: --data NAME")
    largest = np.partition(x, -2, axis=1)
    margin: np.ndarray = largest[:, -1] - largest[:, -2]
    return margin
