"""Figures of many settings: against one variable, over two variables, and against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from snsim.plots.style import COLOURS, GRAY_TEXT, FigureStyle, add_title, open_figure, simplify_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_LINES = 6
_LINE_COLOURS = (*COLOURS.values(), "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito, see style.py
_MARKERS = "osD^vP"
_MOST_TICKS = 7
_LOG_FROM = 10  # an axis whose largest number is as many times the smallest is logarithmic


@dataclass(frozen=True, eq=False)
class SettingLine:
    """A figure for several values of a variable, all else equal.

    Attributes
    ----------
    values : array (points,)
        Of the variable, ascending.
    mean, half_width : array (points,)
        Of the figure, and half of its 95 % interval.
    """

    label: str
    values: np.ndarray
    mean: np.ndarray
    half_width: np.ndarray


def draw_lines(
    variable: str, lines: Mapping[str, Sequence[SettingLine]], published: Mapping[str, float], look: FigureStyle
) -> Figure:
    """Return a panel for each figure against a variable; a dashed line is the published figure.

    Of more than six lines only the points are drawn, in gray.
    """
    columns = 1 if look.is_narrow else min(2, len(lines))
    rows = -(-len(lines) // columns)
    figure = open_figure(look, 2.3 * rows + 0.4, layout="constrained")
    panels = np.atleast_1d(np.array(figure.subplots(rows, columns))).ravel()
    for axes, (name, own) in zip(panels, lines.items()):
        _draw_panel(axes, own, look)
        if name in published:
            axes.axhline(published[name], color=GRAY_TEXT, linestyle=(0, (4, 3)), linewidth=1)
        axes.set_xlabel(variable)
        axes.set_ylabel(name)
        every = np.concatenate([line.values for line in own])
        if every.min() > 0 and every.max() >= _LOG_FROM * every.min():
            axes.set_xscale("log")
        ticks = np.unique(every)
        if len(ticks) <= _MOST_TICKS:
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.set_xticks([], minor=True)
        simplify_axes(axes, look)
    for axes in panels[len(lines) :]:
        axes.set_visible(False)
    first = next(iter(lines.values()))
    if 1 < len(first) <= _MOST_LINES:
        panels[0].legend(fontsize=look.font_size - 1.5, frameon=False)
    return figure


def _draw_panel(axes: Axes, lines: Sequence[SettingLine], look: FigureStyle) -> None:
    for i, line in enumerate(lines):
        if len(lines) > _MOST_LINES:
            axes.plot(line.values, line.mean, "o", color=GRAY_TEXT, markersize=2.5)
        else:
            axes.errorbar(
                line.values,
                line.mean,
                line.half_width,
                label=line.label,
                color=_LINE_COLOURS[i],
                marker=_MARKERS[i],
                markersize=3.5,
                linewidth=1.2,
                capsize=2,
            )


def draw_heat_map(
    names: tuple[str, str], labels: tuple[Sequence[str], Sequence[str]], shares: np.ndarray, look: FigureStyle
) -> Figure:
    """Return the probability of each pair of values of two variables, (values of the first, values of the second)."""
    rows, columns = shares.shape
    width = min(1.0, 0.9 * columns / 8 + 0.25)
    figure = open_figure(FigureStyle(look.width * width, look.font_size), 0.42 * rows + 1.0, layout="constrained")
    axes = figure.subplots()
    largest = shares.max()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=largest, aspect="auto")
    for row in range(rows):
        for column in range(columns):
            share = shares[row, column]
            axes.text(
                column,
                row,
                f"{100 * share:.0f}" if share >= 0.005 else "·",
                ha="center",
                va="center",
                fontsize=look.font_size - 1,
                color="white" if share > 0.6 * largest else "black",
            )
    axes.set_yticks(range(rows), labels[0])
    axes.set_xticks(range(columns), labels[1], rotation=0 if max(map(len, labels[1])) < 8 else 30)
    axes.set_ylabel(names[0])
    axes.set_xlabel(names[1])
    simplify_axes(axes, look)
    axes.spines[:].set_visible(False)
    add_title(figure, "posterior in percent", look)
    return figure


@dataclass(frozen=True)
class Share:
    """The probability of a value of a variable before and after the runs, with the standard deviation of the latter."""

    variable: str
    value: str
    prior: float
    posterior: float
    error: float


def draw_shares(shares: Sequence[Share], look: FigureStyle) -> Figure:
    """Return a bar for the posterior of each value, a line for its error and a tick at its prior, by variable."""
    variables = list(dict.fromkeys(share.variable for share in shares))
    figure = open_figure(look, 0.19 * len(shares) + 0.28 * len(variables) + 0.5, layout="constrained")
    axes = figure.subplots()
    places: list[float] = []
    place = 0.0
    for i, share in enumerate(shares):
        place += 1 if not i or shares[i - 1].variable == share.variable else 1.8
        places.append(place)
        axes.barh(place, share.posterior, height=0.7, color=COLOURS["train"])
        low = max(share.posterior - share.error, 0.0)
        axes.plot([low, min(share.posterior + share.error, 1.0)], [place, place], color="black", linewidth=1)
        axes.plot([share.prior, share.prior], [place - 0.45, place + 0.45], color=COLOURS["test"], linewidth=1.8)
    axes.set_yticks(places, [f"{share.variable}: {share.value}" for share in shares])
    axes.set_ylim(place + 0.8, 0.2)
    axes.set_xlim(0, 1)
    axes.set_xlabel("probability: posterior (bar, with its error) and prior (tick)")
    simplify_axes(axes, look)
    return figure


def draw_cells(
    names: tuple[str, str], points: np.ndarray, shares: np.ndarray, mark: tuple[float, float, str], look: FigureStyle
) -> Figure:
    """Return the cells of a design over two of its numbers, on logarithmic axes.

    Every cell, `points` (cells, 2), is a gray dot, and the area of its blue disc is its posterior, `shares` (cells,).
    A cross stands at the first two of `mark`, with the third as its label.
    """
    figure = open_figure(look, 0.62 * look.width, layout="constrained")
    axes = figure.subplots()
    axes.plot(points[:, 0], points[:, 1], ".", color="0.82", markersize=1.5)
    area = 900 * shares / shares.sum()
    axes.scatter(points[:, 0], points[:, 1], s=area * 12, color=COLOURS["train"], alpha=0.5, linewidths=0)
    axes.plot(*mark[:2], "x", color=COLOURS["test"], markersize=9, markeredgewidth=2, label=mark[2])
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(names[0])
    axes.set_ylabel(names[1])
    axes.legend(fontsize=look.font_size - 1, frameon=False, loc="lower right")
    simplify_axes(axes, look)
    return figure


def draw_pairs(
    names: Sequence[str],
    points: np.ndarray,
    marked: np.ndarray,
    published: np.ndarray,
    label: str,
    look: FigureStyle,
) -> Figure:
    """Return a panel for each pair of figures.

    `points`, (runs, figures), are gray, and those of them that are `marked`, (runs,), blue; they belong to the row
    `label`. A cross stands at the published figures, (figures,).
    """
    pairs = [(i, j) for j in range(len(names)) for i in range(j)]
    columns = 2 if look.is_narrow else min(4, len(pairs))
    rows = -(-len(pairs) // columns)
    figure = open_figure(look, look.width / columns * rows + 0.5, layout="constrained")
    panels = np.atleast_1d(np.array(figure.subplots(rows, columns))).ravel()
    for axes, (i, j) in zip(panels, pairs):
        axes.plot(points[~marked, i], points[~marked, j], ".", color="0.75", markersize=2)
        axes.plot(points[marked, i], points[marked, j], ".", color=COLOURS["train"], markersize=4)
        axes.plot(published[i], published[j], "x", color=COLOURS["test"], markersize=8, markeredgewidth=2)
        axes.set_xlabel(names[i])
        axes.set_ylabel(names[j])
        simplify_axes(axes, look)
    for axes in panels[len(pairs) :]:
        axes.set_visible(False)
    add_title(figure, f"blue: {label}; cross: published", look)
    return figure
