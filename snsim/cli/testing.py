"""`snsim test`: the figures of trained nets on their own test data, or on other data."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snsim.cli.errors import WrongUseError
from snsim.cli.options import memory_option, threads_option
from snsim.cli.reading import trained_net
from snsim.colour import echo
from snsim.errors import SnError
from snsim.escaping import for_json, for_line
from snsim.input_files import from_here
from snsim.registry import listed
from snsim.text_table import aligned

if TYPE_CHECKING:
    from snsim.runs.run_scores import RunScore, Vote
    from snsim.training.scores import Score

_MOST_CLASSES = 26  # that stand side by side; of more, only the most frequent confusions are shown
_MOST_LETTERS = 100  # of their names
_MOST_PAIRS = 12
_MOST_MISSES = 40  # that all runs miss; `--json` has all
_OWN = ", the data of the run itself"


@click.command()
@click.argument("runs", type=click.Path(), nargs=-1, required=True, metavar="RUN...")
@click.option("--data", metavar="NAME|PATH", help="Other data: a data set, or a file or folder. [default: RUN's own]")
@click.option(
    "--of", "split", type=click.Choice(["test", "train"]), help="Part of the data. [default: test, if there is one]"
)
@click.option("--best", is_flag=True, help="Use the weights of the best pass, of (keep best ...), not the last ones.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder searched first for data.")
@click.option("--offline", is_flag=True, help="Never download data.")
@memory_option
@threads_option
@click.option("--misses", "show_misses", is_flag=True, help="Print which patterns are missed: label, answer, file.")
@click.option("--csv", "as_csv", is_flag=True, help="A table of comma-separated values.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def test(
    runs: Sequence[str],
    data: str | None,
    split: str | None,
    best: bool,
    data_dir: Path | None,
    offline: bool,
    memory: int | None,
    threads: int | None,
    show_misses: bool,
    as_csv: bool,
    as_json: bool,
) -> None:
    r"""Print loss, error, misses and confusions of the net of RUN on data with answers.

    Other data are scaled as those of the run were, and their classes are found by name. With several RUNs each has a
    line; below stand the mean and the standard deviation (n - 1), the vote, which is the mean of their outputs, and
    which patterns all of them miss. RUN may be a net of the gallery that comes with trained weights.

    \b
    snsim test runs/iris                        on the run's own test data
    snsim test runs/iris --data new.csv         a file of the same kind, with labels
    snsim test lecun89 --data digits/           a folder of pictures for each class
    snsim test runs/shapes --misses             which of them are missed
    """
    if as_csv and as_json:
        raise WrongUseError("--csv and --json cannot be combined", "give only one of them")
    from snsim.cli.run import sayer
    from snsim.runs.options import Options
    from snsim.runs.run_scores import mean_and_deviation, score_named, vote

    quiet = as_csv or as_json
    say = sayer(quiet, False)
    options = Options(data_dir=data_dir, online=not offline, memory=memory, threads=threads, best=best)
    source = None if data is None else _source(data)
    scores = [score_named(trained_net(run, quiet), source, split, options, say) for run in runs]
    summary, why_none = None, ""
    try:
        summary = mean_and_deviation(scores)
    except SnError as error:
        why_none = f"{error.faults[0].message}; {error.faults[0].hint}"
    together = vote(scores)
    if as_json:
        _print_json(scores, summary, together, show_misses)
    elif as_csv and show_misses:
        _print_csv_of_misses(scores)
    elif as_csv:
        _print_csv(scores, summary, together)
    else:
        _print_text(scores, summary, why_none, together)
        if show_misses:
            for score in scores:
                echo(f"\n{_missed_text(score, len(scores) > 1)}")


def _source(data: str) -> str | Path:
    """Return a data set as a str, and a file or folder as a path. WrongUseError for a name that is neither."""
    from snsim.cli.run import data_of_option
    from snsim.data.catalog import DATA_SETS

    (found,) = data_of_option([data], DATA_SETS)
    return Path(found) if os.path.isabs(found) else found


def _where(score: RunScore) -> str:
    part = f"{score.split} " if score.split else ""
    return f"{score.score.patterns:,} {part}pattern{'' if score.score.patterns == 1 else 's'} of {for_line(score.data)}"


def _print_text(
    scores: Sequence[RunScore],
    summary: tuple[Mapping[str, float], Mapping[str, float]] | None,
    why_none: str,
    together: Vote | None,
) -> None:
    if len(scores) == 1:
        one = scores[0]
        echo(f"{for_line(one.name)} after pass {one.pass_number}: {_where(one)}{_OWN if one.is_own else ''}\n")
        heads = ["loss", "half mse", "error %", "misses", "patterns"]
        echo("\n".join(aligned([heads, [*_cells(one.score), f"{one.score.patterns:,}"]], "rrrrr")))
        for text in (_of_each_output(one), _confusion(one)):
            if text:
                echo(f"\n{text}")
        return
    rows = [["run", "pass", "loss", "half mse", "error %", "misses", "data"]]
    rows += [[score.name, str(score.pass_number), *_cells(score.score), _where(score)] for score in scores]
    if summary is not None:
        for name, figures in zip(("mean", "deviation"), summary):
            cells = [f"{figures[key]:.4e}" for key in ("loss", "half_mse")]
            rows.append([name, "", *cells, f"{figures['error']:.2f}", f"{figures['misses']:.1f}", ""])
    if together is not None:
        rows.append(["vote", "", *_cells(together.score), "the mean of the outputs"])
    echo("\n".join(aligned(rows, "lrrrrrl")))
    if together is not None:
        echo(f"\n{_missed_together(together, len(scores))}")
    if all(score.is_own for score in scores):
        echo("\neach on the data of the run itself")
    if why_none:
        echo(f"\n{why_none}")


def _missed_together(together: Vote, runs: int) -> str:
    """Return how many patterns some and all runs miss, and the numbers of the latter."""
    some, every = len(together.missed_by_some), len(together.missed_by_all)
    counts = (
        f"at least one run misses {some:,} {'pattern' if some == 1 else 'patterns'}, and all {runs:,} miss {every:,}"
    )
    if not every:
        return counts
    return f"{counts} (counted from 0): {listed(map(str, together.missed_by_all.tolist()), every, _MOST_MISSES)}"


def _misses(score: RunScore) -> list[dict[str, Any]]:
    """Return for each pattern that is missed its number from 0, its file, its label and the answer, as far as known."""
    found = []
    for number in score.missed.nonzero()[0].tolist():
        one: dict[str, Any] = {"pattern": number}
        if score.files is not None:
            one["file"] = from_here(score.files[number])
        if score.have_classes:
            one["label"] = score.output_names[int(score.targets[number].argmax())]
            one["answer"] = score.output_names[int(score.outputs[number].argmax())]
        found.append(one)
    return found


def _missed_text(score: RunScore, several: bool) -> str:
    misses = _misses(score)
    of_run = f"{for_line(score.name)}: " if several else ""
    if not misses:
        return f"{of_run}no pattern is missed"
    rows = [tuple(misses[0])] + [tuple(map(str, one.values())) for one in misses]
    return "\n".join([f"{of_run}missed, counted from 0:", *aligned(rows, "r" + "l" * (len(rows[0]) - 1))])


def _cells(figures: Score) -> list[str]:
    return [f"{figures.loss:.4e}", f"{figures.half_mse:.4e}", f"{figures.error:.2f}", f"{figures.misses:,}"]


def _of_each_output(score: RunScore) -> str:
    """Return the misses of each output, where the criterion judges each of them."""
    counts = score.score.output_misses
    if counts is None:
        return ""
    return "\n".join(aligned([("output", "misses"), *zip(score.output_names, (f"{n:,}" for n in counts))], "lr"))


def _confusion(score: RunScore) -> str:
    """Return the confusion matrix, or the most frequent confusions of many classes; "" without classes."""
    if not score.have_classes:
        return ""
    from snsim.plots.confusion import confusion, text

    table = confusion(score.outputs, score.targets, "confusion", score.output_names)
    names = score.output_names
    if len(names) <= _MOST_CLASSES and sum(map(len, names)) <= _MOST_LETTERS:
        return text(table)
    pairs = sorted(
        (-int(count), label, answer) for (label, answer), count in _counted(table.counts) if label != answer and count
    )
    rows = [("label", "answer", "patterns")]
    rows += [(names[label], names[answer], f"{-count:,}") for count, label, answer in pairs[:_MOST_PAIRS]]
    more = len(pairs) - _MOST_PAIRS
    lines = aligned(rows, "llr") if pairs else ["no pattern is confused"]
    return "\n".join([*lines, *([f"and {more:,} more; snsim test --json has all"] if more > 0 else [])])


def _counted(counts: Any) -> Any:
    import numpy as np

    return np.ndenumerate(counts)


def _figures(score: Score) -> dict[str, Any]:
    from snsim.runs.run_scores import FIGURES

    return {name: getattr(score, name) for name in FIGURES if getattr(score, name) is not None}


def _print_json(
    scores: Sequence[RunScore],
    summary: tuple[Mapping[str, float], Mapping[str, float]] | None,
    together: Vote | None,
    show_misses: bool,
) -> None:
    for score in scores:
        entry: dict[str, Any] = {
            "run": score.name,
            "pass": score.pass_number,
            "data": score.data,
            "split": score.split or None,
            "own_data": score.is_own,
            "patterns": score.score.patterns,
            **_figures(score.score),
            "outputs": list(score.output_names),
        }
        if score.score.output_misses is not None:
            entry["output_misses"] = list(score.score.output_misses)
        if score.have_classes:
            from snsim.plots.confusion import confusion

            entry["confusion"] = confusion(score.outputs, score.targets, "").counts.tolist()
        if show_misses:
            entry["missed"] = _misses(score)
        echo(for_json(entry))
    if summary is not None:
        of_all: dict[str, Any] = {"runs": len(scores), "mean": dict(summary[0]), "deviation": dict(summary[1])}
        if together is not None:
            of_all["vote"] = _figures(together.score)
            of_all["missed_by_all"] = together.missed_by_all.tolist()
            of_all["missed_by_some"] = together.missed_by_some.tolist()
        echo(for_json(of_all))


def _print_csv_of_misses(scores: Sequence[RunScore]) -> None:
    lines = io.StringIO(newline="")
    writer = csv.writer(lines, lineterminator="\n")
    heads = ("pattern", "file", "label", "answer")
    writer.writerow(["run", *heads])
    for score in scores:
        for one in _misses(score):
            writer.writerow([for_line(score.name), *(for_line(str(one.get(head, ""))) for head in heads)])
    echo(lines.getvalue().rstrip("\n"))


def _print_csv(
    scores: Sequence[RunScore],
    summary: tuple[Mapping[str, float], Mapping[str, float]] | None,
    together: Vote | None,
) -> None:
    from snsim.runs.run_scores import FIGURES

    lines = io.StringIO(newline="")
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(["run", "pass", "data", "split", "patterns", *FIGURES])
    for score in scores:
        values = [getattr(score.score, name) for name in FIGURES]
        head = [for_line(score.name), score.pass_number, for_line(score.data), score.split, score.score.patterns]
        writer.writerow([*head, *("" if value is None else value for value in values)])
    for name, figures in zip(("mean", "deviation"), summary or ()):
        writer.writerow([name, "", "", "", "", *(figures.get(key, "") for key in FIGURES)])
    if together is not None:
        figures = _figures(together.score)
        writer.writerow(["vote", "", "", "", together.score.patterns, *(figures.get(key, "") for key in FIGURES)])
    echo(lines.getvalue().rstrip("\n"))
