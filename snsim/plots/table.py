"""The connection tables of a net: which map feeds which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from snsim.errors import fail
from snsim.network.net import Net, Windows
from snsim.plots.connection_text import MOST_DRAWN
from snsim.plots.connection_text import draw as draw_signs
from snsim.plots.style import PAPER, QUIET, WIDE, Look, open_figure

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

_SIDE = 0.24  # inches of a pair of maps, at most


@dataclass(frozen=True, eq=False)
class Tables:
    """`tables`: (source layer, target layer, bool matrix of source maps x target maps) of each connection by windows
    between maps.
    """

    net: str
    tables: tuple[tuple[str, str, np.ndarray], ...]


def tables(net: Net) -> Tables:
    """The tables of a net, those that join some maps and not others alone if there are any. SnError if none is."""
    found = [
        (c.source, c.target, c.wiring.structure.maps)
        for c in net.connections
        if isinstance(c.wiring.structure, Windows)
    ]
    if not found:
        raise fail(
            f"net {net.name} joins no maps: it has no connection table to draw",
            hint="draw another net, with a connection by (mask ...), (local ...) or (equal-mask ...)",
        )
    partial = [entry for entry in found if not entry[2].all()]
    return Tables(net.name, tuple(partial or found))


def draw(data: Tables, look: Look = WIDE) -> Figure:
    """Each table as squares, black where a map feeds another; one image (Axes) a table."""
    rows = sum(maps.shape[0] for _, _, maps in data.tables)
    widest = max(maps.shape[1] for _, _, maps in data.tables)
    side = min(_SIDE, (look.width - 1.0) / widest)
    width = min(look.width, max(3.5, 0.9 + widest * side))
    head, foot, top = 0.6, 0.15, 0.3
    height = top + rows * side + len(data.tables) * (head + foot)
    figure = open_figure(Look(width, look.letters, look.windows), height)
    figure.text(
        0.12 / width, 1 - 0.12 / height, f"Connection tables of {data.net}", va="top", fontsize=look.letters + 1.5
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
        axes.imshow(maps, _two_inks(), vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        axes.set_xticks(np.arange(1, maps.shape[1]) - 0.5, minor=True)
        axes.set_yticks(np.arange(1, maps.shape[0]) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=min(2.0, 10 * side))
        for axis, count in ((axes.xaxis, maps.shape[1]), (axes.yaxis, maps.shape[0])):
            every = next((n for n in (1, 2, 5, 10, 50) if n * side >= 0.16), 100)
            axis.set_ticks(range(0, count, every), [str(n) for n in range(0, count, every)])
        axes.tick_params(
            which="both", length=0, labelsize=look.letters - 2, labeltop=True, labelbottom=False, labelcolor=QUIET
        )
        axes.spines[:].set_visible(False)
        axes.set_ylabel(f"map of {source}", fontsize=look.letters)
        axes.set_title(
            f"{source} > {target}: {int(maps.sum())} of {maps.size} pairs of maps are joined\nmap of {target}",
            fontsize=look.letters,
            loc="left",
            pad=4,
        )
    return figure


def text(data: Tables, width: int = 76) -> str:
    """The same in SN's signs: x feeds, - does not. Wider tables than MOST_DRAWN maps are told in numbers."""
    parts = []
    for source, target, maps in data.tables:
        title = f"{source} > {target}: {int(maps.sum())} of {maps.size} pairs of maps are joined"
        drawn = draw_signs(maps, source, target) if max(maps.shape) <= min(MOST_DRAWN, width - 8) else []
        parts.append("\n".join([title, *("  " + line for line in drawn)]))
    return "\n\n".join(parts)


def _two_inks() -> Colormap:
    from matplotlib.colors import ListedColormap

    return ListedColormap([PAPER, "0.1"])
