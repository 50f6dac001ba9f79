"""`snsim predict`: apply a trained net to a user's own pictures and rows."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from snsim.cli.errors import WrongUseError
from snsim.cli.options import Whole, memory_option, threads_option
from snsim.cli.reading import trained_net
from snsim.colour import echo
from snsim.errors import Fault, SnError, fail
from snsim.escaping import for_json, for_line
from snsim.text_table import aligned

if TYPE_CHECKING:
    import numpy as np

    from snsim.data.own_picture import Ink
    from snsim.runs.predictor import OwnPatterns, Predictor

_MOST_COLUMNS = 12  # outputs that stand side by side; of more, only the largest are shown
_TOP = 3


@click.command()
@click.argument("run", type=click.Path())
@click.argument("files", type=click.Path(), nargs=-1, required=True, metavar="FILE...")
@click.option("--top", type=Whole(min=1), metavar="N", help="Show only the N largest outputs.")
@click.option(
    "--ink",
    type=click.Choice(["dark", "light"]),
    help="Whether the ink is dark or light. [default: judged by the border of each picture]",
)
@click.option("--as-is", is_flag=True, help="Use pictures of the input's size unchanged.")
@click.option("--best", is_flag=True, help="Use the weights of the best pass, of (keep best ...), not the last ones.")
@memory_option
@threads_option
@click.option("--csv", "as_csv", is_flag=True, help="Print a table of comma-separated values.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def predict(
    run: str,
    files: Sequence[str],
    top: int | None,
    ink: Ink | None,
    as_is: bool,
    best: bool,
    memory: int | None,
    threads: int | None,
    as_csv: bool,
    as_json: bool,
) -> None:
    r"""Print the answer of the net of RUN for each picture or row: class, margin and outputs.

    A FILE is a picture (PNG, JPEG, BMP, PGM, TIFF), or rows in a csv, npy or npz file; - reads a csv or npy from
    standard input. The margin is the largest output minus the second. RUN may be a net of the gallery that comes with
    trained weights.

    \b
    snsim predict lecun89 seven.png
    snsim predict runs/iris new.csv --csv
    """
    if as_csv and as_json:
        raise WrongUseError("--csv and --json cannot be combined", "give only one of them")
    from snsim.runs.options import Options
    from snsim.runs.predictor import Predictor

    predictor = Predictor.of_named(trained_net(run), Options(memory=memory, threads=threads, best=best))
    read = _read(predictor, files, ink, as_is)
    outputs = [predictor.outputs(patterns.inputs, patterns.starts) for patterns in read]
    if as_json:
        _print_json(predictor, read, outputs, top)
    elif as_csv:
        _print_csv(predictor, read, outputs, top)
    else:
        _print_text(predictor, read, outputs, top)


def _read(predictor: Predictor, files: Sequence[str], ink: Ink | None, as_is: bool) -> list[OwnPatterns]:
    """Read all files. SnError with the faults of all of them."""
    from snsim.runs.predictor import STANDARD_INPUT

    read: list[OwnPatterns] = []
    faults: list[Fault] = []
    for name in files:
        try:
            content = _standard_input() if name == STANDARD_INPUT else None
            patterns = predictor.read(name, content, ink, as_is)
            read.append(patterns if content is not None else _under_its_path(patterns, name))
        except SnError as error:
            faults += error.faults
    if faults:
        raise SnError(faults)
    return read


def _under_its_path(patterns: OwnPatterns, path: str) -> OwnPatterns:
    """Return patterns under their path as it was typed: pictures in several folders may have the same name."""
    report = patterns.report
    return replace(patterns, name=path, report=None if report is None else replace(report, name=path))


def _standard_input() -> bytes:
    from snsim.data.reader_shelf import MOST_BYTES

    content = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise fail(f"standard input has more than {MOST_BYTES:,} bytes", hint="give it in parts, or write it to files")
    return content


def _print_text(
    predictor: Predictor, read: Sequence[OwnPatterns], outputs: Sequence[np.ndarray], top: int | None
) -> None:
    reports = [for_line(patterns.report.line) for patterns in read if patterns.report is not None]
    names, have_classes = predictor.output_names, predictor.have_classes
    side_by_side = top is None and (not have_classes or len(names) <= _MOST_COLUMNS)
    shown = min(top or _TOP, len(names))
    head = ["input", *(("class", "margin") if have_classes else ())]
    head += names if side_by_side else [f"output {place + 1}" for place in range(shown)]
    rows = [head]
    for name, values, units, margin in _answers(predictor, read, outputs, shown):
        row = [name]
        if have_classes:
            row += [names[units[0]], f"{margin:.4g}"]
        if side_by_side:
            row += [f"{value:.4g}" for value in values]
        else:
            row += [f"{names[unit]} {values[unit]:.4g}" for unit in units]
        rows.append(row)
    echo("\n".join([*reports, *([""] if reports else []), *aligned(rows, "l" + "r" * (len(head) - 1))]))


def _print_json(
    predictor: Predictor, read: Sequence[OwnPatterns], outputs: Sequence[np.ndarray], top: int | None
) -> None:
    names, have_classes = predictor.output_names, predictor.have_classes
    for patterns, some in zip(read, outputs):
        for row, (_, values, units, margin) in enumerate(
            _answers(predictor, [patterns], [some], min(top or 1, len(names)))
        ):
            entry: dict[str, Any] = {"file": patterns.name, "row": None if patterns.report is not None else row}
            if have_classes:
                entry |= {"class": names[units[0]], "unit": units[0], "margin": margin}
            if top is None:
                entry["outputs"] = [float(value) for value in values]
            else:
                entry["top"] = [{"class": names[unit], "unit": unit, "output": float(values[unit])} for unit in units]
            if patterns.report is not None:
                entry["picture"] = patterns.report.line
            echo(for_json(entry))


def _print_csv(
    predictor: Predictor, read: Sequence[OwnPatterns], outputs: Sequence[np.ndarray], top: int | None
) -> None:
    names, have_classes = predictor.output_names, predictor.have_classes
    shown = min(top or 1, len(names))
    lines = io.StringIO(newline="")
    writer = csv.writer(lines, lineterminator="\n")
    ranks = [f"{word} {place + 1}" for place in range(shown) for word in ("class", "output")]
    writer.writerow(
        [
            "file",
            "row",
            *(("class", "margin") if have_classes else ()),
            *(map(for_line, names) if top is None else ranks),
        ]
    )
    for patterns, some in zip(read, outputs):
        for row, (_, values, units, margin) in enumerate(_answers(predictor, [patterns], [some], shown)):
            answer = [for_line(names[units[0]]), repr(margin)] if have_classes else []
            shown_values = [str(value) for value in values]
            if top is not None:
                shown_values = [cell for unit in units for cell in (for_line(names[unit]), str(values[unit]))]
            number = "" if patterns.report is not None else row
            writer.writerow([for_line(patterns.name), number, *answer, *shown_values])
    echo(lines.getvalue().rstrip("\n"))


def _answers(
    predictor: Predictor, read: Sequence[OwnPatterns], outputs: Sequence[np.ndarray], most: int
) -> list[tuple[str, np.ndarray, Sequence[int], float]]:
    """Return for each pattern its name, outputs, units with the largest outputs, and the margin."""
    from snsim.runs.predictor import margins, ranked

    answers = []
    for patterns, some in zip(read, outputs):
        distances = margins(some) if predictor.have_classes else [0.0] * len(some)
        for row, (values, units, margin) in enumerate(zip(some, ranked(some, most), distances)):
            name = patterns.name if patterns.report is not None else f"{patterns.name}[{row}]"
            answers.append((name, values, units, float(margin)))
    return answers
