"""The pictures of the pages of results, each drawn from data files alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from results_data import Row, rows_of

from snsim.plots.style import COLOURS, GRAY_TEXT, LINE_STYLES, WIDE, open_figure, simplify_axes, use_whole_ticks, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def learning_curves(path: Path) -> None:
    """Draw misses and half-mse of both sets after each of the 23 passes, of both methods."""
    methods = (
        ("lm, rate 0.0005", rows_of("papers-1989")["zip-code-net"], "test"),
        ("gradient, rate 0.004", rows_of("more-1989")["gradient"], "train"),
    )
    figure = open_figure(WIDE, 3.0, layout="constrained")
    for axes, kind, (name, heading) in zip(
        figure.subplots(1, 2),
        ((10, 102), (2.5e-3, 1.8e-2)),
        (("misses", "misses"), ("half-mse", "half mean square error")),
    ):
        for label, row, colour in methods:
            for split in ("train", "test"):
                values = row.curves[f"{split}-{name}"]
                axes.plot(
                    range(1, len(values) + 1),
                    values,
                    color=COLOURS[colour],
                    linestyle=LINE_STYLES[split],
                    label=f"{label}, {split}",
                )
        axes.plot([23, 23], kind, "k+", markersize=9, label="LeCun et al. 1989")
        axes.set_yscale("log")
        axes.set_xlabel("pass")
        axes.set_ylabel(heading)
        use_whole_ticks(axes)
        simplify_axes(axes, WIDE)
    axes.legend(fontsize=WIDE.font_size - 2, frameon=False)
    write(figure, path)


def fewer_maps(path: Path) -> None:
    """Draw the misses of both sets against the number of maps in H1 and H2; a dot is a run."""
    rows = [(maps, rows_of("more-1989")[f"maps-{maps}"]) for maps in (2, 4, 6, 8, 10)]
    rows += [(12, rows_of("papers-1989")["zip-code-net"])]
    figure = open_figure(WIDE, 2.8, layout="constrained")
    for axes, split in zip(figure.subplots(1, 2), ("train", "test")):
        _dots_and_means(axes, rows, f"{split}-misses", COLOURS[split])
        axes.set_xlabel("maps in H1 and in H2")
        axes.set_ylabel(f"{split} misses")
        axes.set_xticks([maps for maps, _ in rows])
    write(figure, path)


def _dots_and_means(axes: Axes, rows: list[tuple[int, Row]], name: str, colour: str) -> None:
    for x, row in rows:
        values = [run[name] for run in row.every_run]
        axes.plot([x] * len(values), values, ".", color=colour, alpha=0.35, markersize=5)
    axes.plot([x for x, _ in rows], [row.figures[name].mean for _, row in rows], color=colour)
    axes.set_ylim(bottom=0)
    simplify_axes(axes, WIDE)


def brain_damage(path: Path) -> None:
    """Draw the predicted and the real rise of the training error over the deleted weights: medians of the runs."""
    rows = {int(name.removeprefix("deleted-")): row for name, row in rows_of("brain-damage").items()}
    figure = open_figure(WIDE, 2.8, layout="constrained")
    axes = figure.subplots()
    for name, label, colour, style in (
        ("predicted", "predicted, smallest saliency first", "third", "third"),
        ("real", "real, smallest saliency first", "test", "test"),
        ("real-by-size", "real, smallest weights first", "train", "train"),
    ):
        counts = [count for count in rows if count >= 400]  # fewer change the error by less than rounding
        medians: list[Any] = [rows[count].figures[name].mean for count in counts]
        axes.plot(counts, medians, color=COLOURS[colour], linestyle=LINE_STYLES[style], label=label)
    axes.axvline(800, color=GRAY_TEXT, linewidth=0.8)
    axes.annotate("the paper: agreement up to here", (800, 0.93), (8, 0), xycoords=("data", "axes fraction"),
                  textcoords="offset points", fontsize=WIDE.font_size - 2, color=GRAY_TEXT)  # fmt: skip
    axes.set_yscale("log")
    axes.set_xlabel("weights deleted, of 2,578")
    axes.set_ylabel("rise of the training half-mse")
    axes.legend(fontsize=WIDE.font_size - 1, frameon=False)
    simplify_axes(axes, WIDE)
    write(figure, path)


# Each picture of docs/pictures: who draws it, and from which data files.
PICTURES: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {
    "learning-1989.svg": (learning_curves, ("papers-1989", "more-1989")),
    "fewer-maps.svg": (fewer_maps, ("papers-1989", "more-1989")),
    "brain-damage.svg": (brain_damage, ("brain-damage",)),
}
