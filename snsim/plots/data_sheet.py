"""The first patterns of a data set, a row of pictures for each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from snsim.plots.misses import flat
from snsim.plots.mosaic import Panel, Scale, draw_sheet, in_rows, mosaic, sheet_text
from snsim.plots.style import WIDE, FigureStyle
from snsim.text_table import class_label, shape_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CLASSES = 26  # classes of which patterns are drawn
_WIDTH = 200  # cells across, at most
_MOST_OF_A_CLASS = 10


@dataclass(frozen=True, eq=False)
class DataSheet:
    """`panels`: a title and pictures (patterns, rows, columns) each; `low` and `high`: the ends of the gray scale."""

    title: str
    panels: tuple[tuple[str, np.ndarray], ...]
    low: float
    high: float


def data_sheet(
    name: str, inputs: np.ndarray, labels: np.ndarray | None, classes: int, names: Sequence[str] = ()
) -> DataSheet:
    """Return the first patterns of each class, or the first of all where there are no labels.

    Parameters
    ----------
    name : str
        What the data are called.
    inputs : array (patterns, ...)
        Features become one row of cells; maps stand side by side.
    labels : array (patterns,) of int or None
    classes : int
        How many classes there are.
    names : sequence of str
        Of the classes; () where they have none.
    """
    shape = inputs.shape[1:]
    title = f"{name}: {len(inputs):,} patterns of {shape_text(shape)}"
    wide = flat(inputs[0].ravel(), shape).shape[1] + 1
    most = max(1, min(_MOST_OF_A_CLASS, _WIDTH // wide))
    if labels is None:
        groups = [("", np.arange(min(len(inputs), 3 * most)))]
    else:
        shown = min(classes, MOST_CLASSES)
        groups = [(class_label(names, n), np.flatnonzero(labels == n)[:most]) for n in range(shown)]
        title += f", {classes:,} classes" + (f", the first {shown} of them" if shown < classes else "")
    panels = [
        (label, np.array([flat(inputs[n].ravel(), shape) for n in numbers]))
        for label, numbers in groups
        if len(numbers)
    ]
    return DataSheet(title, tuple(panels), float(inputs.min()), float(inputs.max()))


def draw(data: DataSheet, look: FigureStyle = WIDE) -> Figure:
    """Draw a panel for each class, with one gray scale."""
    return draw_sheet(data.title, _panels(data, _MOST_OF_A_CLASS), _scale(data), look)


def text(data: DataSheet, width: int = 76) -> str:
    """Write the first few patterns of each class in block characters."""
    wide = data.panels[0][1].shape[2] + 1 if data.panels else 1
    return sheet_text(data.title, _panels(data, max(1, width // 2 // wide)), _scale(data), width)


def _panels(data: DataSheet, most: int) -> list[Panel]:
    return [Panel(label, mosaic(in_rows(pictures[:most], len(pictures[:most])))) for label, pictures in data.panels]


def _scale(data: DataSheet) -> Scale:
    return Scale(data.low, data.high if data.high > data.low else data.low + 1, "input")
