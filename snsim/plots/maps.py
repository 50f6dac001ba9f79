"""One pattern in the net: input, every map of every layer, output. SN's network window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from snsim.network.net import Layer, Net
from snsim.plots.mosaic import Panel, Scale, draw_sheet, in_rows, mosaic, sheet_text
from snsim.plots.style import WIDE, FigureStyle
from snsim.text_table import shape_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_NUMBERED = 20  # output units; with more, they have no numbers below them


@dataclass(frozen=True, eq=False)
class Maps:
    """The states of every layer in order of computation, and last the targets.

    Each is (maps, rows, columns); a layer without geometry is a row of maps of one cell. `answer` and `label` are
    numbers of output units, or None.
    """

    title: str
    layers: tuple[tuple[str, np.ndarray], ...]
    answer: int | None = None
    label: int | None = None

    @property
    def scale(self) -> Scale:
        reach = max(float(np.abs(states).max()) for _, states in self.layers) or 1.0
        return Scale(-reach, reach, "state")


def maps(
    net: Net, states: Mapping[str, np.ndarray], title: str, target: np.ndarray | None = None, with_classes: bool = False
) -> Maps:
    """Return the maps of a net for one pattern: `states` by layer, each (units,), and `target` (output units,).

    If `with_classes`, the largest output is the answer and the largest target is the label.
    """
    layers = [(f"{layer.name} {shape_text(layer.shape)}", shaped(layer, states[layer.name])) for layer in net.layers]
    if target is not None:
        layers.append(("target", np.asarray(target, np.float64).reshape(-1, 1, 1)))
    out = np.asarray(states[net.layers[-1].name])
    if not with_classes or len(out) < 2:
        return Maps(title, tuple(layers))
    return Maps(title, tuple(layers), int(out.argmax()), None if target is None else int(np.argmax(target)))


def shaped(layer: Layer, states: np.ndarray) -> np.ndarray:
    """Return the states of a layer as (maps, rows, columns)."""
    return np.asarray(states, np.float64).reshape(layer.maps or (layer.units, 1, 1))


def draw(data: Maps, look: FigureStyle = WIDE) -> Figure:
    """Draw every map of every layer, with one cell size and one gray scale."""
    widest = _width([states.shape for _, states in data.layers], look)
    return draw_sheet(data.title, _panels(data, widest), data.scale, look)


def text(data: Maps, width: int = 76) -> str:
    """Return the maps in block characters."""
    return sheet_text(data.title, _panels(data, width // 2), data.scale, width)


def _panels(data: Maps, widest: int) -> list[Panel]:
    panels = []
    for number, (title, states) in enumerate(data.layers):
        count, rows, columns = states.shape
        is_row = rows == columns == 1
        across = _maps_per_row(count, max(1, widest // (columns + 1)))
        picture = mosaic(in_rows(states, across))
        is_output = is_row and 1 < count <= min(across, _MOST_NUMBERED) and number >= len(data.layers) - 2
        captions = tuple((2.0 * n, 0.5, str(n)) for n in range(count)) if is_output else ()
        marked = data.label if title == "target" else data.answer
        marks = ((2 * marked, 0),) if is_output and marked is not None else ()
        panels.append(Panel(title, picture, captions=captions, marks=marks))
    return panels


def _width(shapes: Sequence[tuple[int, ...]], look: FigureStyle) -> int:
    """Return the width in cells: a little more than the height of the sheet, and at least the widest map."""
    area = sum(count * (rows + 1) * (columns + 1) for count, rows, columns in shapes)
    widest = max(columns for _, _, columns in shapes)
    return max(widest + 1, int((area * (0.8 if look.is_narrow else 2.4)) ** 0.5))


def _maps_per_row(count: int, most: int) -> int:
    """Return how many maps stand in a row so that rows are equal: at most `most`."""
    rows = -(-count // max(1, most))
    return -(-count // rows)
