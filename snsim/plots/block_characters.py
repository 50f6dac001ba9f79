"""Pictures and curves as text in block characters, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SHADES = "·░▒▓█"  # from low to high: high values are bright, as in SN
BARS = " ▁▂▃▄▅▆▇█"
_HALVES = {(True, False): "▀", (False, True): "▄", (True, True): "█", (False, False): " "}


def grey(picture: np.ndarray, low: float, high: float, width: int = 76) -> list[str]:
    """Return a picture (rows, columns) as lines of shades from `low` to `high`; NaN is a space.

    A cell is two characters wide, or one if two do not fit into `width`. A still wider picture is reduced: each
    character is then the mean of a square of cells.
    """
    cells = np.asarray(picture, np.float64)
    if cells.shape[1] > width:
        cells = _smaller(cells, -(-cells.shape[1] // width))
    times = 2 if 2 * cells.shape[1] <= width else 1
    reach = (high - low) or 1.0
    level = np.clip((cells - low) / reach * len(SHADES), 0, len(SHADES) - 1)
    return ["".join((" " if np.isnan(x) else SHADES[int(x)]) * times for x in row).rstrip() for row in level]


def spark(values: Sequence[float], width: int = 40) -> str:
    """Return values as one line of bars. Of more than `width` values only some are drawn."""
    return curve(values, width, 1)[0]


def curve(values: Sequence[float] | np.ndarray, width: int = 60, height: int = 6) -> list[str]:
    """Return values as `height` lines of bars in steps of an eighth of a line.

    More than `width` values are thinned out. The axis starts at 0, or at the lowest value if that is negative. A value
    that is not finite is left blank.
    """
    y = thinned(np.asarray(values, np.float64), width)
    finite = y[np.isfinite(y)]
    if not len(finite):
        return [" " * len(y)] * height
    low, high = min(0.0, float(finite.min())), float(finite.max())
    eighths = np.nan_to_num((y - low) / ((high - low) or 1.0) * 8 * height, nan=0, posinf=0, neginf=0)
    full = np.maximum(np.round(eighths).astype(int), np.isfinite(y))  # the lowest value is visible too
    return ["".join(BARS[min(8, max(0, int(n) - 8 * line))] for n in full) for line in reversed(range(height))]


def line(values: Sequence[float], low: float, high: float, height: int = 12) -> list[str]:
    """Return a function as `height` lines: one character for each value, in steps of half a line.

    `low` and `high` are the values at the bottom and the top.
    """
    y = np.asarray(values, np.float64)
    steps = 2 * height
    place = np.clip(np.round((high - y) / ((high - low) or 1.0) * (steps - 1)), 0, steps - 1).astype(int)
    inked = np.zeros((steps, len(y)), bool)
    for column, here in enumerate(place):
        before = place[column - 1] if column else here
        inked[min(before + (here > before), here) : max(before - (here < before), here) + 1, column] = True
    return [
        "".join(_HALVES[bool(top), bool(bottom)] for top, bottom in zip(*inked[row : row + 2])).rstrip()
        for row in range(0, steps, 2)
    ]


def thinned(values: np.ndarray, most: int) -> np.ndarray:
    """Return at most `most` of the values, evenly spaced, with the first and the last."""
    if len(values) <= most:
        return values
    kept: np.ndarray = values[np.round(np.linspace(0, len(values) - 1, most)).astype(int)]
    return kept


def _smaller(cells: np.ndarray, times: int) -> np.ndarray:
    """Return the means over squares of `times` by `times` cells; NaN is ignored."""
    rows, columns = (-(-n // times) for n in cells.shape)
    whole = np.full((rows * times, columns * times), np.nan)
    whole[: cells.shape[0], : cells.shape[1]] = cells
    squares = whole.reshape(rows, times, columns, times)
    there = np.isfinite(squares)
    count = there.sum(axis=(1, 3))
    sums = np.where(there, squares, 0).sum(axis=(1, 3))
    return np.where(count > 0, sums / np.maximum(count, 1), np.nan)
