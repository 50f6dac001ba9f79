"""The patterns that a net gets wrong, each with its label and the answer of the net."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from snsim.plots.mosaic import Panel, Scale, available, draw_sheet, in_rows, mosaic, sheet_text
from snsim.plots.style import DOTS, WIDE, FigureStyle
from snsim.text_table import class_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 112  # misses that are drawn by default
_TILE = 0.42  # inches: about the width of a pattern
_LETTER = 0.56  # the width of a letter of a caption, of the font size of the sheet


@dataclass(frozen=True, eq=False)
class Misses:
    """The misses of a net.

    Attributes
    ----------
    pictures : array (misses shown, rows, columns)
    captions, numbers
        One for each picture; the numbers are those of the patterns, from 0.
    total : int
        All misses among `patterns` patterns, shown or not.
    low, high : float
        The lowest and highest input, for the gray scale.
    """

    title: str
    pictures: np.ndarray
    captions: tuple[str, ...]
    numbers: tuple[int, ...]
    total: int
    patterns: int
    low: float
    high: float

    @property
    def heading(self) -> str:
        shown = len(self.captions)
        first = "" if shown == self.total else f", the first {shown:,} of them"
        words = ", label→answer" if any("→" in caption for caption in self.captions) else ""
        return f"{self.title}\n{self.total:,} of {self.patterns:,} wrong{first}{words}"


def misses(
    inputs: np.ndarray,
    shapes: Sequence[Sequence[int]],
    outputs: np.ndarray,
    targets: np.ndarray,
    right: np.ndarray,
    title: str,
    with_classes: bool = True,
    most: int = MOST,
    names: Sequence[str] = (),
) -> Misses:
    """Return the patterns of `inputs` (patterns, units) that are not `right` (patterns,).

    `shapes` are those of the input layers, whose units follow each other in a pattern.
    At most `most` of them are shown. If `with_classes`, answer and label are the classes with the largest output and
    target. Otherwise they are the values of a single output; with several outputs the caption is the number of the
    pattern. `names`: of the classes, if any.
    """
    wrong = np.flatnonzero(~np.asarray(right, bool))
    shown = wrong[:most]
    blank = side_by_side(np.zeros(sum(map(prod, shapes))), shapes)
    pictures = np.array([side_by_side(inputs[n], shapes) for n in shown]).reshape(-1, *blank.shape)
    captions = tuple(_caption(n, outputs[n], targets[n], with_classes, names) for n in shown)
    low, high = (float(np.min(inputs)), float(np.max(inputs))) if len(inputs) else (0.0, 1.0)
    return Misses(title, pictures, captions, tuple(int(n) for n in shown), len(wrong), len(inputs), low, high)


def side_by_side(pattern: np.ndarray, shapes: Sequence[Sequence[int]]) -> np.ndarray:
    """Return a pattern (units of all shapes,) as one picture, the parts of the input layers beside each other."""
    ends = np.cumsum([prod(shape) for shape in shapes])
    parts = [flat(part, shape) for part, shape in zip(np.split(pattern, ends[:-1]), shapes)]
    if len(parts) == 1:
        return parts[0]
    tiles = np.full((1, len(parts), *np.max([part.shape for part in parts], axis=0)), np.nan)
    for tile, part in zip(tiles[0], parts):
        tile[: part.shape[0], : part.shape[1]] = part
    joined = mosaic(tiles)
    return np.pad(joined, ((0, 0), (0, joined.shape[1] // 8)), constant_values=np.nan)  # apart from the next pattern


def flat(pattern: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return a pattern (units,) as one picture: maps side by side, or one row without geometry."""
    shape = tuple(shape)
    if len(shape) == 1:
        return np.reshape(pattern, (1, -1))
    return mosaic(np.reshape(pattern, (1, *((1, *shape) if len(shape) == 2 else shape))))


def draw(data: Misses, look: FigureStyle = WIDE) -> Figure:
    """Draw the missed patterns, each above its label and the answer of the net."""
    tile = data.pictures.shape[2] + 1
    dots = max(1, round(_TILE * DOTS / tile))  # of a cell: whole dots use the width of the sheet best
    longest = max(map(len, data.captions), default=0) * _LETTER * look.font_size / 72
    if longest > _TILE:
        data = _widened(data, math.ceil((longest * DOTS / dots - tile) / 2))
        tile = data.pictures.shape[2] + 1
    across = int((available(look) - 0.1) * DOTS / (dots * tile))
    return draw_sheet(data.heading, [_panel(data, across)], _scale(data), look)


def _widened(data: Misses, cells: int) -> Misses:
    """Return the misses with free cells at both sides of each picture, so that long captions stand side by side."""
    beside = ((0, 0), (0, 0), (max(0, cells), max(0, cells)))
    return replace(data, pictures=np.pad(data.pictures, beside, constant_values=np.nan))


def text(data: Misses, width: int = 76) -> str:
    """Return the first few misses in block characters."""
    few = max(1, width // 2 // (data.pictures.shape[2] + 1))
    panels = []
    for first in range(0, min(3 * few, len(data.captions)), few):
        row = slice(first, first + few)
        title = "   ".join(f"{number}: {caption}" for number, caption in zip(data.numbers[row], data.captions[row]))
        panels.append(Panel(title, mosaic(in_rows(data.pictures[row], few))))
    return sheet_text(data.heading, panels, _scale(data), width)


def _panel(data: Misses, across: int) -> Panel:
    count, rows, columns = data.pictures.shape
    across = max(1, min(across, count))
    below = max(1, round(rows * 0.36))  # cells left free for a caption
    tiles = np.full((count, rows + below, columns), np.nan)
    tiles[:, :rows] = data.pictures
    if not count:
        return Panel("none", np.full((1, across), np.nan))
    captions = tuple(
        ((n % across) * (columns + 1) + (columns - 1) / 2, (n // across) * (rows + below + 1) + rows - 0.5, caption)
        for n, caption in enumerate(data.captions)
    )
    return Panel("", mosaic(in_rows(tiles, across)), captions=captions)


def _scale(data: Misses) -> Scale:
    return Scale(data.low, data.high, "input")


def _caption(number: int, output: np.ndarray, target: np.ndarray, with_classes: bool, names: Sequence[str] = ()) -> str:
    if with_classes and len(output) > 1:
        return f"{class_label(names, int(np.argmax(target)))}→{class_label(names, int(np.argmax(output)))}"
    return f"{target[0]:g}→{output[0]:.2f}" if len(output) == 1 else f"no. {number}"
