"""Where the next run of a row will be: 95 % intervals of a figure, and Student's t without SciPy.

One new run of a row, beside n runs with the mean m and the deviation s, lies in m ± t s sqrt(1 + 1/n) with 95 %
probability, if the figure is normal; t has n-1 degrees of freedom (Geisser 1993, "Predictive Inference", section 2.1).
Counts are taken as their square roots and errors as their logarithms, as in joint.py.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

SURE = 0.95


def is_count(figure: str) -> bool:
    """Return whether a figure counts patterns, or is a part of them in percent."""
    return figure.endswith(("-misses", "-error", "-rejection"))


def transformed(figure: str, value: float) -> float:
    """Return the square root of a count, or the logarithm of an error (-inf for 0)."""
    if is_count(figure):
        return math.sqrt(value)
    return math.log(value) if value > 0 else -math.inf


def interval_of_a_run(figure: str, values: Sequence[float]) -> tuple[float, float] | None:
    """Return the 95 % interval of one new run beside `values`.

    None for fewer than two runs, and for a figure of 0 whose logarithm is taken.
    """
    points = [transformed(figure, value) for value in values if value >= 0]
    if len(points) < max(2, len(values)) or not all(map(math.isfinite, points)):
        return None
    middle, spread = statistics.fmean(points), statistics.stdev(points)
    half = t_quantile((1 + SURE) / 2, len(points) - 1) * spread * math.sqrt(1 + 1 / len(points))
    if is_count(figure):
        return max(middle - half, 0.0) ** 2, (middle + half) ** 2
    return math.exp(middle - half), math.exp(middle + half)


def t_quantile(probability: float, degrees: int) -> float:
    """Return the t that Student's distribution stays below with a probability of 0.5 to 1, by bisection."""
    low, high = 0.0, 1.0
    while _within(high, degrees) < 2 * probability - 1:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if _within(middle, degrees) > 2 * probability - 1 else (middle, high)
    return (low + high) / 2


def _within(t: float, degrees: int) -> float:
    """Return the probability of -t to t (Abramowitz and Stegun 1964, equations 26.7.3 and 26.7.4)."""
    angle = math.atan(t / math.sqrt(degrees))
    odd = degrees % 2
    term = math.cos(angle) if odd else 1.0
    total = term if degrees > 1 else 0.0
    for k in range(3 if odd else 2, degrees - 1, 2):
        term *= (k - 1) / k * math.cos(angle) ** 2
        total += term
    total *= math.sin(angle)
    return 2 / math.pi * (angle + total) if odd else total
