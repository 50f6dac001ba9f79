"""The scores of a pass as text: one line for each pass, and published scores beside ours."""

from __future__ import annotations

import math
from collections.abc import Sequence

from snsim.text_table import aligned
from snsim.training.scores import Score

FIGURES = ("loss", "half_mse", "mse", "error", "misses")  # fields of a Score, in the order of the output


def named_figures(score: Score) -> dict[str, float]:
    """Return the numbers of a score by name; misses are a whole number, the error is in percent."""
    figures = {name: getattr(score, name) for name in FIGURES}
    return figures if score.rejection is None else {**figures, "rejection": score.rejection}


def all_figures(score: Score) -> dict[str, object]:
    """Return the figures of a score by name for JSON, with the misses of each output where they are counted."""
    figures: dict[str, object] = {**named_figures(score)}
    return figures if score.output_misses is None else {**figures, "output_misses": list(score.output_misses)}


def output_misses_line(train: Score, test: Score | None) -> str:
    """Return the misses of each output of the last pass as a line; "" if they are not counted."""
    parts = [
        f"{split} {' '.join(f'{n:,}' for n in score.output_misses)}"
        for split, score in (("train", train), ("test", test))
        if score is not None and score.output_misses is not None
    ]
    return f"misses of each output: {', '.join(parts)}" if parts else ""


def only_answer_warning(train: Score) -> str:
    """Return the warning that a net gives every training pattern the same answer, with a hint; "" if it does not."""
    if train.only_answer is None:
        return ""
    return (
        f"warning: output {train.only_answer} is the largest for all {train.patterns:,} training patterns: the net "
        "tells no classes apart\n"
        "  hint: try a smaller epsilon, other initial weights, more passes, or inputs scaled to about -1 to 1"
    )


def pass_headings(with_test: bool) -> str:
    """Return the headings of the lines of `pass_line`."""
    return "pass    train loss  error %  misses" + ("     test loss  error %  misses" if with_test else "")


def pass_line(number: int, train: Score, test: Score | None) -> str:
    """Return the scores of one pass as a line under `pass_headings`."""
    return f"{number:4d}    {_figures(train)}" + ("" if test is None else f"    {_figures(test)}")


def summary_line(train: Score, test: Score | None) -> str:
    """Return the scores of a pass in words: `train 10 misses (0.14 %), test 102 misses (5.08 %)`."""
    parts = [("train", train), ("test", test)]
    return ", ".join(f"{name} {_misses(score.misses)} ({score.error:.2f} %)" for name, score in parts if score)


def published_beside_ours(
    published: Sequence[tuple[str, float]],
    train: Score,
    test: Score | None,
    theirs: str = "published",
    ours: str = "ours",
) -> str:
    """Return a table of the published scores beside ours, "-" where this run has none, with headings."""
    return "\n".join(aligned([("", theirs, ours), *published_rows(published, train, test)], "lrr"))


def published_rows(
    published: Sequence[tuple[str, float]], train: Score, test: Score | None
) -> list[tuple[str, str, str]]:
    """Return the name, the published number and ours ("-" where there is none) of each published score, as text."""
    return [(name, _number(value), _ours(name, train, test)) for name, value in published]


def _figures(score: Score) -> str:
    return f"{score.loss:10.4e}  {score.error:7.2f}  {score.misses:6,d}"


def _misses(count: int) -> str:
    return f"{count:,} miss" if count == 1 else f"{count:,} misses"


def _ours(name: str, train: Score, test: Score | None) -> str:
    """Return our number for a published name such as `test-half-mse`: the split, then a field of Score."""
    split, _, figure = name.partition("-")
    score = {"train": train, "test": test}.get(split)
    value = getattr(score, figure.replace("-", "_"), None)
    return "-" if value is None else _number(value)


def _number(value: float) -> str:
    return f"{int(value):,}" if math.isfinite(value) and value == int(value) else f"{value:.3g}"
