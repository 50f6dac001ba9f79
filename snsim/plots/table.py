"""The connection tables of a net: which source map feeds which target map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from snsim.errors import fail
from snsim.network.net import Net, Windows
from snsim.plots.connection_text import MOST_DRAWN
from snsim.plots.connection_text import draw as draw_signs
from snsim.plots.style import GRAY_TEXT, PAPER, WIDE, FigureStyle, open_figure

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

_SIDE = 0.24  # inches: the side of a square at most


@dataclass(frozen=True, eq=False)
class Tables:
    """The connection tables of a net.

    `tables` has, for each connection by windows between maps, source layer, target layer and a bool matrix of source
    maps x target maps.
    """

    net: str
    tables: tuple[tuple[str, str, np.ndarray], ...]


def tables(net: Net) -> Tables:
    """Return the tables of a net: only those that connect some pairs of maps and not others, if there are any.

    SnError if the net has no table.
    """
    entries = [
        (c.source, c.target, c.wiring.structure.maps)
        for c in net.connections
        if isinstance(c.wiring.structure, Windows)
    ]
    if not entries:
        raise fail(
            f"net {net.name} has no connection between maps, so no table to draw",
            hint="draw a net with a connection by (mask ...), (local ...) or (equal-mask ...)",
        )
    partial = [entry for entry in entries if not entry[2].all()]
    return Tables(net.name, tuple(partial or entries))


def draw(data: Tables, look: FigureStyle = WIDE) -> Figure:
    """Draw each table as squares, black where a map feeds another; one image (Axes) for each table."""
    rows = sum(maps.shape[0] for _, _, maps in data.tables)
    widest = max(maps.shape[1] for _, _, maps in data.tables)
    side = min(_SIDE, (look.width - 1.0) / widest)
    width = min(look.width, max(3.5, 0.9 + widest * side))
    head, foot, top = 0.6, 0.15, 0.3
    height = top + rows * side + len(data.tables) * (head + foot)
    figure = open_figure(FigureStyle(width, look.font_size, look.windows), height)
    figure.text(
        0.12 / width, 1 - 0.12 / height, f"Connection tables of {data.net}", va="top", fontsize=look.font_size + 1.5
    )
    for source, target, maps in data.tables:
        top += head
        axes = figure.add_axes(
            (
                0.62 / width,
                1 - (top + maps.shape[0] * side) / height,
                maps.shape[1] * side / width,
                maps.shape[0] * side / height,
            )
        )
        top += maps.shape[0] * side + foot
        axes.imshow(maps, _two_colours(), vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        axes.set_xticks(np.arange(1, maps.shape[1]) - 0.5, minor=True)
        axes.set_yticks(np.arange(1, maps.shape[0]) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=min(2.0, 10 * side))
        for axis, count in ((axes.xaxis, maps.shape[1]), (axes.yaxis, maps.shape[0])):
            every = next((n for n in (1, 2, 5, 10, 50) if n * side >= 0.16), 100)
            axis.set_ticks(range(0, count, every), [str(n) for n in range(0, count, every)])
        axes.tick_params(
            which="both", length=0, labelsize=look.font_size - 2, labeltop=True, labelbottom=False, labelcolor=GRAY_TEXT
        )
        axes.spines[:].set_visible(False)
        axes.set_ylabel(f"map of {source}", fontsize=look.font_size)
        axes.set_title(
            f"{source} > {target}: {int(maps.sum())} of {maps.size} pairs of maps are connected\nmap of {target}",
            fontsize=look.font_size,
            loc="left",
            pad=4,
        )
    return figure


def text(data: Tables, width: int = 76) -> str:
    """Return the tables as SN prints them: x for a pair that is connected, - for one that is not.

    Of a table with more than MOST_DRAWN maps on a side only the counts are given.
    """
    parts = []
    for source, target, maps in data.tables:
        title = f"{source} > {target}: {int(maps.sum())} of {maps.size} pairs of maps are connected"
        drawn = draw_signs(maps, source, target) if max(maps.shape) <= min(MOST_DRAWN, width - 8) else []
        parts.append("\n".join([title, *("  " + line for line in drawn)]))
    return "\n\n".join(parts)


def _two_colours() -> Colormap:
    from matplotlib.colors import ListedColormap

    return ListedColormap([PAPER, "0.1"])
