"""The confusion matrix: a row for each label, a column for each answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from snsim.errors import fail, shorten
from snsim.plots.style import WIDE, FigureStyle, add_title, open_figure
from snsim.text_table import aligned, class_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_NUMBERS = 26  # classes; with more, the cells have no numbers
_LONGEST_NAME = 40  # characters of a class name in a picture
_MOST_LETTERS = 50  # of all class names that stand side by side


@dataclass(frozen=True, eq=False)
class Confusion:
    """`counts[label, answer]` is the number of patterns with that label and answer. `names`: of the classes, if any."""

    title: str
    counts: np.ndarray
    names: tuple[str, ...] = ()

    @property
    def labels(self) -> list[str]:
        """The classes as they are written beside and above the table."""
        return [class_label(self.names, number) for number in range(len(self.counts))]

    @property
    def wrong(self) -> int:
        return int(self.counts.sum() - np.trace(self.counts))


def confusion(outputs: np.ndarray, targets: np.ndarray, title: str, names: Sequence[str] = ()) -> Confusion:
    """Count labels and answers: the classes with the largest target and the largest output.

    Outputs and targets are (patterns, classes). SnError for fewer than two outputs.
    """
    if outputs.ndim != 2 or outputs.shape[1] < 2:
        raise fail(
            "a confusion matrix compares outputs, and this net has one output",
            hint="give the last layer one unit for each class, such as (layer output 10)",
        )
    classes = outputs.shape[1]
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, (np.argmax(targets, axis=1), np.argmax(outputs, axis=1)), 1)
    return Confusion(title, counts, tuple(names))


def draw(data: Confusion, look: FigureStyle = WIDE) -> Figure:
    """Draw the counts in squares: darker where more patterns were confused. Right answers are on the diagonal."""
    classes = len(data.counts)
    side = min(look.width, 5.4)
    figure = open_figure(FigureStyle(side, look.font_size, look.windows), side + 0.2, layout="constrained")
    axes = figure.add_subplot()
    wrong = np.where(np.eye(classes, dtype=bool), np.nan, data.counts)
    most = float(np.nanmax(wrong)) or 1.0
    axes.imshow(wrong, "Greys", vmin=0, vmax=1.25 * most, interpolation="nearest")
    if classes <= _MOST_NUMBERS:
        font_size = look.font_size - (classes > 12) - 1.5 * look.is_narrow
        for (label, answer), count in np.ndenumerate(data.counts):
            if count:
                dark = label != answer and count > 0.6 * most
                axes.text(
                    answer,
                    label,
                    f"{count:,}",
                    ha="center",
                    va="center",
                    fontsize=font_size,
                    color="white" if dark else "0.45" if label == answer else "black",
                )
    every = next(n for n in (1, 2, 5, 10, 100, 10_000) if n == 10_000 or classes / n <= 30)
    labels = [shorten(label, _LONGEST_NAME) for label in data.labels]
    upright = 90 if sum(map(len, labels[::every])) > _MOST_LETTERS else 0
    axes.set_xticks(range(0, classes, every), labels[::every], rotation=upright)
    axes.set_yticks(range(0, classes, every), labels[::every])
    axes.tick_params(length=0, labelsize=look.font_size, top=False, labeltop=True, labelbottom=False)
    axes.set_xlabel("answer", fontsize=look.font_size)
    axes.xaxis.set_label_position("top")
    axes.set_ylabel("label", fontsize=look.font_size)
    axes.spines[:].set_linewidth(0.5)
    add_title(
        figure,
        f"{data.title}\n{data.wrong:,} of {int(data.counts.sum()):,} confused",
        FigureStyle(side, look.font_size),
    )
    return figure


def text(data: Confusion, width: int = 76) -> str:
    """Return the counts as a table, with a dot for 0."""
    classes = len(data.counts)
    rows = [
        ("", *data.labels),
        *((data.labels[n], *(str(count) if count else "·" for count in row)) for n, row in enumerate(data.counts)),
    ]
    heading = f"{data.title}: {data.wrong:,} of {int(data.counts.sum()):,} confused; a row a label, a column an answer"
    return "\n".join([heading, *aligned(rows, "r" * (classes + 1))])
