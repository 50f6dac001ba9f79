"""SN-2.8's natural cubic spline and its derivatives in single precision (Numerical Recipes in C, section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from snsim.language.procedures import CallError
from snsim.sn28.net.nlf import NonLinearity

_F = np.float32


@dataclass(frozen=True, eq=False)
class Knots:
    """The points of a spline: two or more, as float32 arrays `x`, which ascends, and `y`."""

    x: np.ndarray
    y: np.ndarray

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise CallError(
                f"a spline needs equal numbers of xs and ys, got {len(self.x)} and {len(self.y)}",
                None,
                f"write {max(len(self.x), len(self.y))} numbers in both lists",
            )
        if len(self.x) < 2 or not (np.diff(self.x) > 0).all():
            raise CallError(
                "the xs of a spline must be two or more different numbers in ascending order",
                0,
                "sort them, each once, as in '(-1 0 1)",
            )

    @cached_property
    def second_derivatives(self) -> np.ndarray:
        """The second derivative at each knot, shape (knots,); 0 at both ends."""
        x, y, count = self.x, self.y, len(self.x)
        second, rest = np.zeros(count, _F), np.zeros(count, _F)
        for i in range(1, count - 1):
            part = (x[i] - x[i - 1]) / (x[i + 1] - x[i - 1])
            pivot = part * second[i - 1] + _F(2)
            second[i] = (part - _F(1)) / pivot
            slope_change = (y[i + 1] - y[i]) / (x[i + 1] - x[i]) - (y[i] - y[i - 1]) / (x[i] - x[i - 1])
            rest[i] = ((_F(6) * slope_change) / (x[i + 1] - x[i - 1]) - part * rest[i - 1]) / pivot
        for i in range(count - 2, -1, -1):
            second[i] = second[i] * second[i + 1] + rest[i]
        return second

    def chord_slope(self, i: int) -> np.float32:
        """Return the slope of the straight line from knot i to the next."""
        slope: np.float32 = (self.y[i + 1] - self.y[i]) / (self.x[i + 1] - self.x[i])
        return slope

    def locate(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return for each x the index of the knot below, the width of the interval and the weights of both knots."""
        low = np.clip(np.searchsorted(self.x, x, side="right") - 1, 0, len(self.x) - 2)
        width = self.x[low + 1] - self.x[low]
        a = (self.x[low + 1] - x) / width
        return low, width, a, _F(1) - a

    def with_outside(
        self, x: np.ndarray, inside: np.ndarray, below: np.ndarray | np.float32, above: np.ndarray | np.float32
    ) -> np.ndarray:
        """Return `below` for x before the first knot, `above` after the last, and `inside` between them."""
        return np.where(x < self.x[0], below, np.where(x > self.x[-1], above, inside)).astype(_F)


@dataclass(frozen=True, eq=False)
class Spline(NonLinearity):
    """The spline, continued outside its knots by straight lines with the slope of the nearest chord."""

    knots: Knots
    name = "nlf-f-spline"

    def values(self, x: np.ndarray) -> np.ndarray:
        k = self.knots
        low, width, a, b = k.locate(x)
        z, sixth = k.second_derivatives, width * width / _F(6)
        bend = (a * (a * a) - a) * sixth * z[low] + (b * (b * b) - b) * sixth * z[low + 1]
        inside = (a * k.y[low] + b * k.y[low + 1]) + bend
        return k.with_outside(
            x, inside, k.y[0] + (x - k.x[0]) * k.chord_slope(0), k.y[-1] + (x - k.x[-1]) * k.chord_slope(-2)
        )


@dataclass(frozen=True, eq=False)
class SplineDerivative(NonLinearity):
    """The derivative of the spline."""

    knots: Knots
    name = "nlf-df-spline"

    def values(self, x: np.ndarray) -> np.ndarray:
        k = self.knots
        low, width, a, b = k.locate(x)
        three, one, sixth, z = _F(3), _F(1), width / _F(6), k.second_derivatives
        bend = (three * (b * b) - one) * sixth * z[low + 1] - (three * (a * a) - one) * sixth * z[low]
        inside = (k.y[low + 1] - k.y[low]) / width + bend
        return k.with_outside(x, inside, k.chord_slope(0), k.chord_slope(-2))


@dataclass(frozen=True, eq=False)
class SplineSecondDerivative(NonLinearity):
    """The second derivative of the spline."""

    knots: Knots
    name = "nlf-ddf-spline"

    def values(self, x: np.ndarray) -> np.ndarray:
        k = self.knots
        low, _, a, b = k.locate(x)
        return k.with_outside(x, a * k.second_derivatives[low] + b * k.second_derivatives[low + 1], _F(0), _F(0))
