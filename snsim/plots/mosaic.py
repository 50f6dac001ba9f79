"""A sheet of gray pictures: panels in rows, with one cell size and one gray scale.

As in SN's windows, low is black and high is white (`gray-draw-list`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from snsim.plots import block_characters
from snsim.plots.style import DOTS, GRAY_TEXT, PAPER, FigureStyle, open_figure, wrapped_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

_LARGEST_CELL = 0.16  # inches
_EDGE, _BETWEEN = 0.12, 0.22  # inches around the sheet and between panels
_BAR = 0.62  # inches of the gray scale at the right
_NARROWEST_TICK = 0.15  # inches between two numbers beside a panel


@dataclass(frozen=True, eq=False)
class Panel:
    """One gray picture.

    Attributes
    ----------
    picture : array (rows, columns)
        NaN where the paper shows.
    pitch : tuple of int, optional
        Cells from one row of tiles to the next, and from one column to the next; the tiles are then numbered from 0.
    captions : tuple of (column, row, text)
        Texts below a point, in cells.
    marks : tuple of (column, row)
        Cells with a ring around them.
    """

    title: str
    picture: np.ndarray
    pitch: tuple[int, int] | None = None
    captions: tuple[tuple[float, float, str], ...] = ()
    marks: tuple[tuple[int, int], ...] = ()

    @property
    def rows(self) -> int:
        return int(self.picture.shape[0])

    @property
    def columns(self) -> int:
        return int(self.picture.shape[1])


@dataclass(frozen=True)
class Scale:
    """The gray scale: the values shown as black (`low`) and as white (`high`).

    `beyond` says that some values lie outside and are shown as black or white.
    """

    low: float
    high: float
    label: str
    beyond: bool = False


def mosaic(tiles: np.ndarray, gap: int = 1) -> np.ndarray:
    """Return tiles (rows, columns, height, width) as one picture, with `gap` cells of NaN between them."""
    down, across, height, width = tiles.shape
    picture = np.full((down, height + gap, across, width + gap), np.nan)
    picture[:, :height, :, :width] = np.asarray(tiles, np.float64).transpose(0, 2, 1, 3)
    return picture.reshape(down * (height + gap), across * (width + gap))[
        : down * (height + gap) - gap, : across * (width + gap) - gap
    ]


def in_rows(tiles: np.ndarray, across: int) -> np.ndarray:
    """Return tiles (count, height, width) as (rows, across, height, width), with NaN at the end of the last row."""
    count, height, width = tiles.shape
    rows = max(1, -(-count // across))
    filled = np.full((rows * across, height, width), np.nan)
    filled[:count] = tiles
    return filled.reshape(rows, across, height, width)


def draw_sheet(title: str, panels: Sequence[Panel], scale: Scale, look: FigureStyle) -> Figure:
    """Draw the sheet: one image (Axes) for each panel in order, then one for the gray scale."""
    title = wrapped_title(title, look)
    placed, cell, height = _placed(panels, look, _title_height(title, look))
    figure = open_figure(look, height)
    width = look.width
    figure.text(_EDGE / width, 1 - _EDGE / height, title, va="top", fontsize=look.font_size + 1.5)
    shown = None
    for panel, (x, top) in zip(panels, placed):
        axes = figure.add_axes(
            (
                x / width,
                1 - (top + panel.rows * cell) / height,
                panel.columns * cell / width,
                panel.rows * cell / height,
            )
        )
        shown = axes.imshow(
            panel.picture, _grays(), vmin=scale.low, vmax=scale.high, interpolation="nearest", aspect="auto"
        )
        axes.set_title(panel.title, fontsize=look.font_size, loc="left", pad=3 + 8 * _has_numbers(panel, cell))
        _number(axes, panel, cell, look)
        for column, row, text in panel.captions:
            axes.annotate(
                text,
                (column, row),
                (0, -1),
                textcoords="offset points",
                ha="center",
                va="top",
                fontsize=look.font_size - 1.5,
                annotation_clip=False,
            )
        for column, row in panel.marks:
            axes.plot(
                [column],
                [row],
                "o",
                markersize=max(4, 72 * cell * 0.9),
                markerfacecolor="none",
                markeredgecolor="#d55e00",
                markeredgewidth=1.6,
                clip_on=False,
            )
    side = min(2.2, height - _title_height(title, look) - 0.3)
    axes = figure.add_axes(
        (
            (width - _BAR + 0.04) / width,
            1 - (_title_height(title, look) + 0.2 + side) / height,
            0.11 / width,
            side / height,
        )
    )
    if shown is not None:
        bar = figure.colorbar(shown, cax=axes, extend="both" if scale.beyond else "neither", extendfrac=0.04)
        bar.ax.tick_params(labelsize=look.font_size - 2, length=2)
        bar.outline.set_linewidth(0.4)
        axes.set_title(scale.label, fontsize=look.font_size - 1.5, loc="center", pad=4, x=1.2)
    return figure


def sheet_text(title: str, panels: Sequence[Panel], scale: Scale, width: int = 76) -> str:
    """Return the sheet in block characters."""
    lightest, darkest = block_characters.SHADES[0], block_characters.SHADES[-1]
    parts = [f"{title}\n{scale.label}: {lightest} {scale.low:.3g} to {darkest} {scale.high:.3g}"]
    for panel in panels:
        grey = block_characters.grey(panel.picture, scale.low, scale.high, width - 2)
        lines = [panel.title, *("  " + line for line in grey)]
        captions = " ".join(text for _, _, text in panel.captions)
        parts.append("\n".join([*lines, *(["  " + captions] if captions else [])]))
    return "\n\n".join(parts)


def available(look: FigureStyle) -> float:
    """Return the width in inches that panels can use."""
    return look.width - 2 * _EDGE - _BAR


def _placed(panels: Sequence[Panel], look: FigureStyle, top: float) -> tuple[list[tuple[float, float]], float, float]:
    """Return the upper left corner of each panel, the side of a cell and the height of the sheet, all in inches.

    A corner is measured from the left and from the top. Panels stand side by side where they fit.
    """
    widest = max((panel.columns for panel in panels), default=1)
    left = 0.1 + 0.13 * any(panel.pitch for panel in panels)
    cell = min(_LARGEST_CELL, (available(look) - left) / widest)
    cell = max(1, int(cell * DOTS)) / DOTS if cell * DOTS >= 1 else cell  # whole dots, so that all cells are equal
    places: list[tuple[float, float]] = []
    x, below = 0.0, 0.0
    row_top = top
    for panel in panels:
        head = (look.font_size + 5) / 72 + 0.11 * _has_numbers(panel, cell)
        width = max(panel.columns * cell, 0.0074 * look.font_size * len(panel.title)) + left
        if x and x + width > available(look):
            x, row_top = 0.0, below + _BETWEEN
        places.append((_on_dots(_EDGE + x + left), _on_dots(row_top + head)))
        x += width + _BETWEEN
        captions = (look.font_size + 2) / 72 if panel.captions else 0.0
        below = max(below, row_top + head + panel.rows * cell + captions)
    return places, cell, _on_dots(max(below + _EDGE, top + 1.3))


def _on_dots(inches: float) -> float:
    return round(inches * DOTS) / DOTS


def _title_height(title: str, look: FigureStyle) -> float:
    return _EDGE + 0.06 + (title.count("\n") + 1) * (look.font_size + 1.5) * 1.25 / 72


def _has_numbers(panel: Panel, cell: float) -> bool:
    return panel.pitch is not None and panel.pitch[1] * cell > 0.05 and panel.columns > panel.pitch[1]


def _number(axes: Axes, panel: Panel, cell: float, look: FigureStyle) -> None:
    """Write numbers beside rows and columns of tiles; only every second or fifth one if they are narrow."""
    axes.tick_params(
        length=0, pad=1, labelsize=look.font_size - 3, labelcolor=GRAY_TEXT, labeltop=True, labelbottom=False
    )
    for axis, size, side in ((axes.yaxis, panel.rows, 0), (axes.xaxis, panel.columns, 1)):
        ticks: list[int] = []
        if panel.pitch is not None and size > panel.pitch[side] and (side == 0 or _has_numbers(panel, cell)):
            pitch = panel.pitch[side]
            every = next((n for n in (1, 2, 5, 10, 20, 50, 100) if n * pitch * cell >= _NARROWEST_TICK), 500)
            ticks = list(range(0, -(-size // pitch), every))
            axis.set_ticks(
                [n * pitch + (min(pitch, size) - 1) / 2 - (pitch > 1) / 2 for n in ticks], [str(n) for n in ticks]
            )
        if not ticks:
            axis.set_ticks([])
    axes.spines[:].set(color=PAPER, linewidth=min(1.5, 20 * cell))  # gives a white map an edge


def _grays() -> Colormap:
    from matplotlib import colormaps

    return colormaps["gray"].with_extremes(bad=PAPER)
