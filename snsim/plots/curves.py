"""Loss and error after each pass, on training and test patterns, with the published figures as lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from snsim.errors import fail
from snsim.plots import block_characters
from snsim.plots.style import INK, STROKES, WIDE, Look, head, open_figure, plain_axes, whole_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LOSSES = {"half-mse": "half_mse", "mse": "mse", "loss": "loss"}  # published figure: field of a pass
_LABELS = {"half_mse": "1/2 mean square error", "mse": "mean square error", "loss": "loss"}


@dataclass(frozen=True, eq=False)
class Curves:
    """`loss` and `error` (percent): by split, one entry a pass, pass 1 first. `loss_figure` is what the loss is: "loss"
    (the cost), "half_mse" or "mse". `loss_published`, `error_published`: by split. `remark`: why some are not drawn.
    """

    title: str
    loss: Mapping[str, np.ndarray]
    error: Mapping[str, np.ndarray]
    loss_figure: str = "loss"
    loss_published: Mapping[str, float] = field(default_factory=dict)
    error_published: Mapping[str, float] = field(default_factory=dict)
    remark: str = ""

    @property
    def passes(self) -> int:
        return len(self.loss["train"])


def curves(
    passes: Sequence[Mapping[str, Any]],
    title: str,
    published: Mapping[str, float] | None = None,
    comparable: bool = True,
) -> Curves:
    """The curves of passes, each as a line of passes.jsonl. `published`: figures by name ("test-misses").

    Where a half or whole mean square error was published, that is drawn as the loss. Misses are drawn in percent of
    our patterns. With data that are not `comparable` no published figure is drawn. SnError if there is no pass.
    """
    if not passes:
        raise fail(
            f"{title} has no pass yet: there is no curve to draw",
            hint="let it run for a pass: snsim run --resume RUN, at the prompt (train-now)",
        )
    published = dict(published or {})
    remark = ""
    if published and not comparable:
        published, remark = {}, "other data than those of the published figures, which are not drawn"
    stated = {name.partition("-")[2] for name in published}
    figure = next((field for name, field in _LOSSES.items() if name in stated), "loss")
    splits = ["train", *(["test"] if passes[-1]["test"] is not None else [])]
    loss = {split: np.array([line[split][figure] for line in passes], np.float64) for split in splits}
    error = {split: np.array([line[split]["error"] for line in passes], np.float64) for split in splits}
    patterns = {split: passes[-1][split]["patterns"] for split in splits}
    named = next((name for name, field in _LOSSES.items() if field == figure), "loss")
    loss_lines = {split: published[f"{split}-{named}"] for split in splits if f"{split}-{named}" in published}
    return Curves(title, loss, error, figure, loss_lines, _errors(published, patterns), remark)


def draw(data: Curves, look: Look = WIDE) -> Figure:
    """Loss above (of a logarithm), error below; training dashed, test drawn through; published figures dotted."""
    figure = open_figure(look, 4.9 if not look.is_narrow else 4.6, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    _lines(above, data.loss, dict(data.loss_published), look)
    _lines(below, data.error, dict(data.error_published), look)
    if all((values > 0).all() for values in data.loss.values()):
        above.set_yscale("log")
    below.set_ylim(bottom=0)
    below.set_xlim(0.5, data.passes + 0.5)
    whole_ticks(below)
    above.set_ylabel(_LABELS[data.loss_figure])
    below.set_ylabel("error, percent")
    below.set_xlabel("pass")
    for axes in (above, below):
        plain_axes(axes, look)
    above.legend(frameon=False, fontsize=look.letters - 0.5)
    head(figure, data.title + (f"\n{data.remark}" if data.remark else ""), look)
    return figure


def text(data: Curves, width: int = 76) -> str:
    """The errors in block characters, and the last figures."""
    parts = [data.title]
    for split, values in data.error.items():
        lines = block_characters.curve(values, width - 14, 5)
        marks = [f"{float(np.nanmax(values)):8.2f} %", *[""] * (len(lines) - 2), f"{0:8d} %"]
        parts.append(
            "\n".join(
                [
                    f"{split} error, last {values[-1]:.2f} %",
                    *(f"{mark:>10}  {line}".rstrip() for mark, line in zip(marks, lines)),
                ]
            )
        )
    stated = [f"published: {split} error {value:.3g} %" for split, value in dict(data.error_published).items()]
    return "\n\n".join([*parts, *stated, *([data.remark] if data.remark else [])])


def _lines(axes: Axes, values: Mapping[str, np.ndarray], published: Mapping[str, float], look: Look) -> None:
    for split, y in values.items():
        axes.plot(
            np.arange(1, len(y) + 1),
            y,
            color=INK[split],
            linestyle=STROKES[split],
            linewidth=1.5,
            marker="o" if len(y) < 40 else "",
            markersize=2.6,
            label=split,
        )
    for split, value in published.items():
        axes.axhline(value, color=INK[split], linestyle=STROKES["third"], linewidth=1)
        axes.annotate(
            f"published\n{split}\n{value:.3g}",
            (1, value),
            (3, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            fontsize=look.letters - 2,
            color=INK[split],
        )


def _errors(published: Mapping[str, float], patterns: Mapping[str, int]) -> dict[str, float]:
    """Published errors in percent, of misses where no percentage was printed."""
    found = {}
    for split, count in patterns.items():
        if f"{split}-error" in published:
            found[split] = published[f"{split}-error"]
        elif f"{split}-misses" in published:
            found[split] = 100 * published[f"{split}-misses"] / count
    return found
