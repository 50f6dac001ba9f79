"""The curve of rejection: error on the rest over what is rejected, on training and test patterns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from snsim.plots.style import INK, STROKES, WIDE, Look, head, open_figure, plain_axes
from snsim.text_table import aligned
from snsim.training.rejection import Rejection, RejectionCurve

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Rejections:
    """`curves` by split, each with the point `chosen` on it; `error` (percent) is the line that they meet."""

    title: str
    curves: Mapping[str, RejectionCurve]
    chosen: Mapping[str, Rejection]
    error: float


def draw(data: Rejections, look: Look = WIDE) -> Figure:
    """A line for each split, a point where it meets the error asked for."""
    figure = open_figure(look, 3.9 if not look.is_narrow else 3.2, layout="constrained")
    axes = figure.add_subplot()
    axes.axhline(data.error, color="0.55", linewidth=0.8, linestyle=(0, (4, 3)))
    for split, curve in data.curves.items():
        left = curve.rejected < curve.patterns
        axes.step(
            curve.percent[left],
            curve.error[left],
            where="post",
            color=INK[split],
            linewidth=1.4,
            linestyle=STROKES[split],
            label=split,
        )
        point = data.chosen[split]
        axes.plot([point.percent], [point.error], "o", color=INK[split], markersize=5)
        axes.annotate(
            f"{point.percent:.1f} %",
            (point.percent, point.error),
            (6, 6),
            textcoords="offset points",
            color=INK[split],
            fontsize=look.letters,
        )
    axes.set_xlim(0, max(1.0, min(100.0, 2.5 * max(point.percent for point in data.chosen.values()))))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("patterns rejected, percent")
    axes.set_ylabel("errors among the rest, percent")
    plain_axes(axes, look)
    axes.legend(frameon=False, fontsize=look.letters)
    head(figure, data.title, look)
    return figure


def text(data: Rejections, width: int = 76) -> str:
    """What is rejected for the error asked for, a line a split."""
    rows = [
        (
            split,
            f"{made.rejected:,} of {made.patterns:,} rejected ({made.percent:.2f} %)",
            f"{made.misses:,} wrong of the rest ({made.error:.2f} %)",
        )
        for split, made in data.chosen.items()
    ]
    return "\n".join([f"{data.title}: at most {data.error:g} % error on the rest", *aligned(rows, "lll")])
