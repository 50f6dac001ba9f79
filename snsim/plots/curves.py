"""Loss and error after each pass, of one run with published numbers as horizontal lines, or of several runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from snsim.errors import fail
from snsim.plots import block_characters
from snsim.plots.style import (
    COLOURS,
    GRAY_TEXT,
    LINE_STYLES,
    WIDE,
    FigureStyle,
    add_title,
    open_figure,
    simplify_axes,
    use_whole_ticks,
)

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
        published, remark = {}, "not trained on the published data set: published numbers are not drawn"
    stated = {name.partition("-")[2] for name in published}
    figure = next((field for name, field in _LOSSES.items() if name in stated), "loss")
    splits = ["train", *(["test"] if passes[-1]["test"] is not None else [])]
    loss = {split: np.array([line[split][figure] for line in passes], np.float64) for split in splits}
    error = {split: np.array([line[split]["error"] for line in passes], np.float64) for split in splits}
    patterns = {split: passes[-1][split]["patterns"] for split in splits}
    named = next((name for name, field in _LOSSES.items() if field == figure), "loss")
    loss_lines = {split: published[f"{split}-{named}"] for split in splits if f"{split}-{named}" in published}
    return Curves(title, loss, error, figure, loss_lines, _errors(published, patterns), remark)


@dataclass(frozen=True, eq=False)
class CurveGroup:
    """The curves of runs that differ only in their seed, or of a single run.

    Attributes
    ----------
    loss, error : mapping of str to array (runs, passes)
        By split. NaN where a run has done fewer passes than another.
    """

    label: str
    loss: Mapping[str, np.ndarray]
    error: Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class SeveralCurves:
    """The curves of several runs, in groups; `loss_figure` and `remark` as for `Curves`."""

    title: str
    groups: Sequence[CurveGroup]
    loss_figure: str = "loss"
    error_published: Mapping[str, float] = field(default_factory=dict)
    remark: str = ""


def curve_group(label: str, runs: Sequence[Sequence[Mapping[str, Any]]], figure: str = "loss") -> CurveGroup:
    """Return the group of some runs, each given as its lines of passes.jsonl, with a loss of the field `figure`."""
    splits = ["train", *(["test"] if all(passes[-1]["test"] is not None for passes in runs) else [])]
    longest = max(len(passes) for passes in runs)

    def rows(name: str, split: str) -> np.ndarray:
        values = np.full((len(runs), longest), np.nan)
        for row, passes in zip(values, runs):
            row[: len(passes)] = [np.nan if line[split][name] is None else line[split][name] for line in passes]
        return values

    return CurveGroup(
        label, {split: rows(figure, split) for split in splits}, {split: rows("error", split) for split in splits}
    )


def mean_and_deviation(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation (of a sample, n - 1) over the runs, for the passes that all runs have done.

    `values` is (runs, passes); NaN stands for a pass that a run has not done. One run has the deviation 0.
    """
    common = values[:, : int((~np.isnan(values)).sum(axis=1).min())]
    return common.mean(axis=0), common.std(axis=0, ddof=1) if len(values) > 1 else np.zeros(common.shape[1])


def draw(data: Curves | SeveralCurves, look: FigureStyle = WIDE) -> Figure:
    """Draw the loss above (on a logarithmic scale) and the error below.

    Training is dashed, test is solid, published numbers are dotted. Of several runs each group has a colour.
    """
    if isinstance(data, SeveralCurves):
        return _draw_several(data, look)
    figure = open_figure(look, 4.9 if not look.is_narrow else 4.6, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    _lines(above, data.loss, dict(data.loss_published), look)
    _lines(below, data.error, dict(data.error_published), look)
    positive = all((values > 0).all() for values in data.loss.values())
    _finish(figure, data, data.passes, positive, look, look.font_size - 0.5)
    return figure


def _draw_several(data: SeveralCurves, look: FigureStyle) -> Figure:
    import matplotlib

    figure = open_figure(look, 4.9 if not look.is_narrow else 4.6, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    palette = matplotlib.colormaps["tab10" if len(data.groups) <= 10 else "tab20"]
    longest, positive = 1, True
    for number, group in enumerate(data.groups):
        colour = palette(number % palette.N)
        for axes, by_split in ((above, group.loss), (below, group.error)):
            for split, values in by_split.items():
                mean, deviation = mean_and_deviation(values)
                passes = np.arange(1, len(mean) + 1)
                longest = max(longest, len(mean))
                style = {"color": colour, "linestyle": LINE_STYLES[split], "linewidth": 1.5}
                marker = "o" if len(mean) == 1 else ""
                axes.plot(passes, mean, label=f"{group.label}, {split}", marker=marker, markersize=2.6, **style)
                if len(values) > 1:
                    axes.fill_between(passes, mean - deviation, mean + deviation, color=colour, alpha=0.15, linewidth=0)
                if axes is above:
                    positive = positive and bool((mean - deviation > 0).all())
    for value in data.error_published.values():
        below.axhline(value, color=GRAY_TEXT, linestyle=LINE_STYLES["third"], linewidth=1)
    _finish(figure, data, longest, positive, look, look.font_size - 1.5)
    return figure


def _finish(
    figure: Figure, data: Curves | SeveralCurves, passes: int, positive: bool, look: FigureStyle, legend_size: float
) -> None:
    """Scale and label the axes of loss and error. The loss is logarithmic if all its values are `positive`."""
    above, below = figure.axes
    if positive:
        above.set_yscale("log")
    below.set_ylim(bottom=0)
    below.set_xlim(0.5, passes + 0.5)
    use_whole_ticks(below)
    above.set_ylabel(_LABELS[data.loss_figure])
    below.set_ylabel("error, percent")
    below.set_xlabel("pass")
    for axes in (above, below):
        simplify_axes(axes, look)
    above.legend(frameon=False, fontsize=legend_size)
    add_title(figure, data.title + (f"\n{data.remark}" if data.remark else ""), look)


def _text_of_several(data: SeveralCurves, width: int) -> str:
    parts = [data.title]
    for group in data.groups:
        for split, values in group.error.items():
            mean, deviation = mean_and_deviation(values)
            lines = block_characters.curve(mean, width - 14, 3)
            spread = f" ± {deviation[-1]:.2f}" if len(values) > 1 else ""
            head = f"{group.label}: {split} error after pass {len(mean)}, {mean[-1]:.2f}{spread} %"
            marks = [f"{float(np.nanmax(mean)):8.2f} %", *[""] * (len(lines) - 2), f"{0:8d} %"]
            parts.append("\n".join([head, *(f"{mark:>10}  {line}".rstrip() for mark, line in zip(marks, lines))]))
    stated = [f"published: {split} error {value:.3g} %" for split, value in data.error_published.items()]
    return "\n\n".join([*parts, *stated, *([data.remark] if data.remark else [])])


def text(data: Curves | SeveralCurves, width: int = 76) -> str:
    """Return the errors in block characters, with their last values."""
    if isinstance(data, SeveralCurves):
        return _text_of_several(data, width)
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


def _lines(axes: Axes, values: Mapping[str, np.ndarray], published: Mapping[str, float], look: FigureStyle) -> None:
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
