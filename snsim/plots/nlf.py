"""A non-linearity with its first and second derivative."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from snsim.network.expressions import evaluate, to_text
from snsim.network.net import Nlf
from snsim.plots import block_characters
from snsim.plots.style import COLOURS, LINE_STYLES, WIDE, FigureStyle, add_title, open_figure, simplify_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POINTS = 601
REACH = 4.0  # an nlf is drawn from -REACH to REACH by default
_NAMES = {"f": "f(x)", "df": "f'(x)", "ddf": "f''(x)"}
_LINE = {"f": "test", "df": "train", "ddf": "third"}


@dataclass(frozen=True, eq=False)
class NlfCurves:
    """`values` has, by "f", "df" and "ddf", one entry for each x."""

    name: str
    expression: str
    x: np.ndarray
    values: dict[str, np.ndarray]


def nlf_curves(nlf: Nlf, low: float = -REACH, high: float = REACH, points: int = _POINTS) -> NlfCurves:
    """Return an nlf and the derivatives that training uses, at `points` values of x from `low` to `high`."""
    x = np.linspace(low, high, points)
    with np.errstate(all="ignore"):
        values = {
            name: np.broadcast_to(np.asarray(evaluate(getattr(nlf, name), {"x": x}), np.float64), x.shape).copy()
            for name in _NAMES
        }
    return NlfCurves(nlf.name, to_text(nlf.f), x, values)


def draw(data: NlfCurves, look: FigureStyle = WIDE) -> Figure:
    """Draw f, f' and f'' in one coordinate system."""
    figure = open_figure(look, 3.9 if not look.is_narrow else 3.2, layout="constrained")
    axes = figure.add_subplot()
    axes.axhline(0, color="0.75", linewidth=0.7)
    axes.axvline(0, color="0.75", linewidth=0.7)
    for name, y in data.values.items():
        axes.plot(
            data.x, y, color=COLOURS[_LINE[name]], linestyle=LINE_STYLES[_LINE[name]], linewidth=1.6, label=_NAMES[name]
        )
    axes.set_xlabel("x")
    axes.set_xlim(data.x[0], data.x[-1])
    simplify_axes(axes, look)
    axes.legend(frameon=False, fontsize=look.font_size)
    rounded = re.sub(r"\d+\.\d{6,}", lambda number: f"{float(number[0]):.5g}", data.expression)
    title = rounded if data.name == data.expression else f"{data.name}: {rounded}"
    add_title(figure, title, look)
    return figure


def text(data: NlfCurves, width: int = 76) -> str:
    """Return the three functions in block characters, one below the other."""
    parts = [f"{data.name}: {data.expression}"]
    for name, y in data.values.items():
        finite = y[np.isfinite(y)]
        low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
        shown = np.nan_to_num(block_characters.thinned(y, width - 12), nan=low, posinf=high, neginf=low)
        drawn = block_characters.line(shown, low, high, 8)
        marks = [f"{high:9.3g}", *[""] * (len(drawn) - 2), f"{low:9.3g}"]
        parts.append(
            "\n".join(
                [
                    f"{_NAMES[name]}, x from {data.x[0]:g} to {data.x[-1]:g}",
                    *(f"{mark:>9}  {line}".rstrip() for mark, line in zip(marks, drawn)),
                ]
            )
        )
    return "\n\n".join(parts)
