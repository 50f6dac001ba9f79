"""SN-2.8's natural cubic spline and its derivatives, in single precision (Numerical Recipes, section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from snsim.language.procedures import CallError
from snsim.sn28.net.nlf import NonLinearity

_F = np.float32


@dataclass(frozen=True, eq=False)
class Knots:
    """Where a spline passes: float32 arrays of one length, at least two, `x` ascending."""

    x: np.ndarray
    y: np.ndarray

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise CallError(
                f"a spline takes as many values as places: {len(self.x)} and {len(self.y)} given",
                None,
                f"give {max(len(self.x), len(self.y))} of each",
            )
        if len(self.x) < 2 or not (np.diff(self.x) > 0).all():
            raise CallError(
                "the places of a spline are two or more numbers, ascending",
                0,
                "write them in order, as in '(-1 0 1), each once",
            )

    @cached_property
    def bends(self) -> np.ndarray:
        """The second derivative at each knot, 0 at both ends."""
        x, y, count = self.x, self.y, len(self.x)
        second, rest = np.zeros(count, _F), np.zeros(count, _F)
        for i in range(1, count - 1):
            part = (x[i] - x[i - 1]) / (x[i + 1] - x[i - 1])
            pivot = part * second[i - 1] + _F(2)
            second[i] = (part - _F(1)) / pivot
            turn = (y[i + 1] - y[i]) / (x[i + 1] - x[i]) - (y[i] - y[i - 1]) / (x[i] - x[i - 1])
            rest[i] = (_F(6) * turn / (x[i + 1] - x[i - 1]) - part * rest[i - 1]) / pivot
        for i in range(count - 2, -1, -1):
            second[i] = second[i] * second[i + 1] + rest[i]
        return second

    def chord(self, i: int) -> np.float32:
        """The slope of the straight line from knot i to the next."""
        slope: np.float32 = (self.y[i + 1] - self.y[i]) / (self.x[i + 1] - self.x[i])
        return slope

    def place(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The knot below each x (the last but one at most), the width there, and the shares of both knots."""
        low = np.clip(np.searchsorted(self.x, x, side="right") - 1, 0, len(self.x) - 2)
        width = self.x[low + 1] - self.x[low]
        return low, width, (self.x[low + 1] - x) / width, (x - self.x[low]) / width

    def outside(
        self, x: np.ndarray, inside: np.ndarray, below: np.ndarray | np.float32, above: np.ndarray | np.float32
    ) -> np.ndarray:
        return np.where(x < self.x[0], below, np.where(x > self.x[-1], above, inside)).astype(_F)


@dataclass(frozen=True, eq=False)
class Spline(NonLinearity):
    """The spline; outside of its knots a straight line with the slope of the nearest chord."""

    knots: Knots
    name = "nlf-f-spline"

    def values(self, x: np.ndarray) -> np.ndarray:
        k = self.knots
        low, width, a, b = k.place(x)
        bent = (a * a * a - a) * k.bends[low] + (b * b * b - b) * k.bends[low + 1]
        inside = a * k.y[low] + b * k.y[low + 1] + bent * (width * width) / _F(6)
        return k.outside(x, inside, k.y[0] + (x - k.x[0]) * k.chord(0), k.y[-1] + (x - k.x[-1]) * k.chord(-2))


@dataclass(frozen=True, eq=False)
class SplineSlope(NonLinearity):
    """Its derivative."""

    knots: Knots
    name = "nlf-df-spline"

    def values(self, x: np.ndarray) -> np.ndarray:
        k = self.knots
        low, width, a, b = k.place(x)
        three, six, one = _F(3), _F(6), _F(1)
        inside = (
            (k.y[low + 1] - k.y[low]) / width
            - (three * a * a - one) / six * width * k.bends[low]
            + (three * b * b - one) / six * width * k.bends[low + 1]
        )
        return k.outside(x, inside, k.chord(0), k.chord(-2))


@dataclass(frozen=True, eq=False)
class SplineBend(NonLinearity):
    """Its second derivative."""

    knots: Knots
    name = "nlf-ddf-spline"

    def values(self, x: np.ndarray) -> np.ndarray:
        k = self.knots
        low, _, a, b = k.place(x)
        return k.outside(x, a * k.bends[low] + b * k.bends[low + 1], _F(0), _F(0))
