"""Rejection curves: the error on the patterns kept over the percentage rejected, on training and test patterns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from snsim.plots.style import COLOURS, LINE_STYLES, WIDE, FigureStyle, add_title, open_figure, simplify_axes
from snsim.text_table import aligned
from snsim.training.rejection import Rejection, RejectionCurve

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Rejections:
    """`curves` by split; `chosen` is the point of each at which the error is at most `error` percent."""

    title: str
    curves: Mapping[str, RejectionCurve]
    chosen: Mapping[str, Rejection]
    error: float


def draw(data: Rejections, look: FigureStyle = WIDE) -> Figure:
    """Draw a line for each split, and the point at which it meets the error asked for."""
    figure = open_figure(look, 3.9 if not look.is_narrow else 3.2, layout="constrained")
    axes = figure.add_subplot()
    axes.axhline(data.error, color="0.55", linewidth=0.8, linestyle=(0, (4, 3)))
    for split, curve in data.curves.items():
        left = curve.rejected < curve.patterns
        axes.step(
            curve.percent[left],
            curve.error[left],
            where="post",
            color=COLOURS[split],
            linewidth=1.4,
            linestyle=LINE_STYLES[split],
            label=split,
        )
        point = data.chosen[split]
        axes.plot([point.percent], [point.error], "o", color=COLOURS[split], markersize=5)
        axes.annotate(
            f"{point.percent:.1f} %",
            (point.percent, point.error),
            (6, 6),
            textcoords="offset points",
            color=COLOURS[split],
            fontsize=look.font_size,
        )
    axes.set_xlim(0, max(1.0, min(100.0, 2.5 * max(point.percent for point in data.chosen.values()))))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("patterns rejected, percent")
    axes.set_ylabel("errors among the rest, percent")
    simplify_axes(axes, look)
    axes.legend(frameon=False, fontsize=look.font_size)
    add_title(figure, data.title, look)
    return figure


def text(data: Rejections, width: int = 76) -> str:
    """Return how many patterns are rejected for the error asked for, a line for each split."""
    rows = [
        (
            split,
            f"{point.rejected:,} of {point.patterns:,} rejected ({point.percent:.2f} %)",
            f"{point.misses:,} wrong of the rest ({point.error:.2f} %)",
        )
        for split, point in data.chosen.items()
    ]
    return "\n".join([f"{data.title}: at most {data.error:g} % error on the rest", *aligned(rows, "lll")])
