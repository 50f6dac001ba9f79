"""Criteria that decide which outputs are right: SN-2.8's `set-class-...` (docs/reference/sn28.md, section 3.9).

x are the outputs and d the targets, one row per pattern.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from snsim.data_classes import dataclass
from snsim.registry import Shelf

Right = Callable[..., np.ndarray]  # (outputs, targets, *numbers) -> bool, one entry per pattern


@dataclass(frozen=True)
class Criterion:
    """A rule that decides which outputs count as right.

    Parameters
    ----------
    name : str
    parameters : tuple of str
        Names of the numbers that follow it, as help shows them: ``("LO", "HI")`` of ``(correct sgn LO HI)``.
    right : callable
        Takes outputs and targets, float64 (patterns, outputs), and the numbers; returns bool (patterns,). Its
        docstring is the criterion's.
    each : callable, optional
        Takes the same and returns bool (patterns, outputs): which outputs are right. A criterion that has it is
        reported with the misses of each output.
    """

    name: str
    parameters: tuple[str, ...]
    right: Right
    each: Right | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "__doc__", self.right.__doc__)


CRITERIA: Shelf[Criterion] = Shelf("criterion", plural="criteria", plugins="snsim.criteria", plugin_type=Criterion)


def criterion(name: str, *parameters: str, each: Right | None = None) -> Callable[[Right], Right]:
    """Return a decorator that puts a criterion on the shelf; the docstring is its help."""

    def register(right: Right) -> Right:
        CRITERIA.add(name, Criterion(name, parameters, right, each), " ".join((right.__doc__ or "").split()))
        return right

    return register


@criterion("max")
def right_by_max(x: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Compare where the largest output and target are; on ties, the same outputs must tie."""
    right: np.ndarray = np.all((x == x.max(axis=1, keepdims=True)) == (d == d.max(axis=1, keepdims=True)), axis=1)
    return right


@criterion("quadrant")
def right_by_quadrant(x: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Require the sign of the target: an output above 0 for a target above 0, below 0 for one below 0."""
    right: np.ndarray = ~np.logical_or.reduce(((d > 0) & (x <= 0)) | ((d < 0) & (x >= 0)), axis=1)
    return right


@criterion("lms", "M")
def right_by_lms(x: np.ndarray, d: np.ndarray, margin: float) -> np.ndarray:
    """Require the mean squared error over the outputs, sum (d-x)^2 / n, to be below M."""
    right: np.ndarray = np.mean((d - x) ** 2, axis=1) < margin
    return right


@criterion("sgn", "LO", "HI")
def right_by_zones(x: np.ndarray, d: np.ndarray, low: float, high: float) -> np.ndarray:
    """Require each output on the same side of LO and HI as its target; with 0 and 0, the sign as in quadrant.

    Both are below LO, both above HI, or both from LO to HI.
    """
    if low == high == 0:
        return right_by_quadrant(x, d)
    right: np.ndarray = np.all((x < low) == (d < low), axis=1) & np.all((x > high) == (d > high), axis=1)
    return right


@criterion("hamming", "M")
def right_by_hamming(x: np.ndarray, d: np.ndarray, margin: float) -> np.ndarray:
    """Require every output x to be within M of its target d: |d-x| at most M."""
    right: np.ndarray = np.all(np.abs(d - x) <= margin, axis=1)
    return right


def _right_labels(x: np.ndarray, d: np.ndarray, threshold: float) -> np.ndarray:
    right: np.ndarray = ((d > threshold) & (x > threshold)) | ((d <= threshold) & (x < threshold))
    return right


@criterion("labels", "T", each=_right_labels)
def right_by_labels(x: np.ndarray, d: np.ndarray, threshold: float) -> np.ndarray:
    """Require each output on the same side of T as its target; for several labels per pattern (0 or 1, T 0.5).

    An output of exactly T is wrong. The misses of each output are reported too.
    """
    right: np.ndarray = np.all(_right_labels(x, d, threshold), axis=1)
    return right
