"""Loss and error after each pass on training and test patterns, with published numbers as horizontal lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from snsim.errors import fail
from snsim.plots import block_characters
from snsim.plots.style import COLOURS, LINE_STYLES, WIDE, Look, add_title, open_figure, simplify_axes, use_whole_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LOSSES = {"half-mse": "half_mse", "mse": "mse", "loss": "loss"}  # published figure: field of a pass
_LABELS = {"half_mse": "1/2 mean square error", "mse": "mean square error", "loss": "loss"}


@dataclass(frozen=True, eq=False)
class Curves:
    """The curves of a run.

    Attributes
    ----------
    loss, error : mapping of str to array (passes,)
        By split ("train", "test"); the error is in percent.
    loss_figure : str
        What the loss is: "loss" (the cost), "half_mse" or "mse".
    loss_published, error_published : mapping of str to float
        By split.
    remark : str
        Why published numbers are not drawn; "" if they are.
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
    """Return the curves of passes, each given as its line of passes.jsonl.

    `published` has numbers by name ("test-misses"). If half or whole mean square errors were published, they are drawn
    as the loss. Misses are drawn in percent of our patterns. If the data are not `comparable`, no published number is
    drawn. SnError if there is no pass.
    """
    if not passes:
        raise fail(
            f"{title} has no curve yet: no pass is done",
            hint="train for a pass: snsim run --resume RUN; at the prompt: (train-now)",
        )
    published = dict(published or {})
    remark = ""
    if published and not comparable:
        published, remark = {}, "other data than the published ones: published numbers are not drawn"
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
    """Draw the loss above (on a logarithmic scale) and the error below.

    Training is dashed, test is solid, published numbers are dotted.
    """
    figure = open_figure(look, 4.9 if not look.is_narrow else 4.6, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    _lines(above, data.loss, dict(data.loss_published), look)
    _lines(below, data.error, dict(data.error_published), look)
    if all((values > 0).all() for values in data.loss.values()):
        above.set_yscale("log")
    below.set_ylim(bottom=0)
    below.set_xlim(0.5, data.passes + 0.5)
    use_whole_ticks(below)
    above.set_ylabel(_LABELS[data.loss_figure])
    below.set_ylabel("error, percent")
    below.set_xlabel("pass")
    for axes in (above, below):
        simplify_axes(axes, look)
    above.legend(frameon=False, fontsize=look.font_size - 0.5)
    add_title(figure, data.title + (f"\n{data.remark}" if data.remark else ""), look)
    return figure


def text(data: Curves, width: int = 76) -> str:
    """Return the errors in block characters, with their last values."""
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
            color=COLOURS[split],
            linestyle=LINE_STYLES[split],
            linewidth=1.5,
            marker="o" if len(y) < 40 else "",
            markersize=2.6,
            label=split,
        )
    for split, value in published.items():
        axes.axhline(value, color=COLOURS[split], linestyle=LINE_STYLES["third"], linewidth=1)
        axes.annotate(
            f"published\n{split}\n{value:.3g}",
            (1, value),
            (3, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            fontsize=look.font_size - 2,
            color=COLOURS[split],
        )


def _errors(published: Mapping[str, float], patterns: Mapping[str, int]) -> dict[str, float]:
    """Return published errors in percent by split, computed from misses where no percentage was published."""
    errors = {}
    for split, count in patterns.items():
        if f"{split}-error" in published:
            errors[split] = published[f"{split}-error"]
        elif f"{split}-misses" in published:
            errors[split] = 100 * published[f"{split}-misses"] / count
    return errors
