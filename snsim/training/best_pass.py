"""Find the best pass by a figure, for `(keep best FIGURE)` and `(stop-after N)`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

FIGURES = tuple(
    f"{split}-{figure}"
    for split in ("test", "train")
    for figure in ("misses", "error", "loss", "mse", "half-mse", "rejection")
)


class BestPass:
    """The best pass so far: the first one with the smallest value of a figure.

    Attributes
    ----------
    figure : str
        One of FIGURES.
    number : int
        The best pass; 0 before there is one.
    value : float
        Its figure.
    last : int
        The last pass that was added.
    """

    def __init__(self, figure: str, stop_after: int | None, passes: Iterable[Mapping[str, Any]] = ()):
        self.figure, self.stop_after = figure, stop_after
        self.number, self.value, self.last = 0, math.inf, 0
        for line in passes:
            self.add(line)

    def add(self, line: Mapping[str, Any]) -> bool:
        """Add the figures of the next pass, as in passes.jsonl. Return whether it is the best so far."""
        split, _, figure = self.figure.partition("-")
        value = (line[split] or {}).get(figure.replace("-", "_"))
        self.last = line["pass"]
        if value is None or not value < self.value:  # a NaN is never better
            return False
        self.number, self.value = self.last, value
        return True

    @property
    def stops(self) -> bool:
        """Whether (stop-after N) ends the training after the last pass: N passes were not better than the best."""
        return self.stop_after is not None and self.last - self.number >= self.stop_after
