"""`snsim report`: write a run as one HTML page."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snsim.cli.options import Percent, Whole, of_opened_run
from snsim.cli.reading import named_path
from snsim.colour import echo
from snsim.errors import fail
from snsim.escaping import for_line
from snsim.protected_files import refuse_protected_file, write_output

if TYPE_CHECKING:
    from snsim.runs.opened_run import OpenedRun
    from snsim.runs.options import Options


@click.command()
@click.argument("run", type=click.Path())
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File to write. [default: report.html in the run folder]",
)
@click.option(
    "--pattern",
    "patterns",
    type=Whole(min=0),
    multiple=True,
    metavar="N",
    help="Test pattern whose maps are shown; repeat for several. [default: 0]",
)
@click.option("--error", type=Percent(), default="1%", show_default=True, help="Error allowed after rejection.")
@click.option("--no-page", is_flag=True, help="Leave out the page in which the net learns.")
@of_opened_run
def report(
    run: str, output: Path | None, patterns: tuple[int, ...], error: float, no_page: bool, options: Options
) -> None:
    """Write the run folder RUN as one HTML file that needs no other file.

    It has the description, counts, data and digest, settings, scores, curves, tables, kernels, maps, misses, confusion,
    rejection, versions, the command that repeats the run, and a page in which the net learns and reads what you draw.
    """
    from snsim.cli.run import sayer
    from snsim.reports.page import as_html, report_of
    from snsim.runs.opened_run import OpenedRun

    opened = OpenedRun.open(named_path(run, "run"), options, sayer(False, False))
    opened.outputs()  # a run that cannot be opened is reported before anything is written
    place = output or opened.folder / "report.html"
    refuse_protected_file(place)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)  # before the pictures, which take some seconds
        frame = None if no_page else partial(_frame_of, opened, options)
        write_output(place, as_html(report_of(opened, patterns or (0,), error, frame)).encode())
    except OSError as problem:
        raise fail(
            f"{place} cannot be written: {problem.strerror or problem}",
            hint="give the name of a file in a folder that you may write to, with -o",
        ) from None
    echo(for_line(place))


def _frame_of(run: OpenedRun, options: Options) -> str:
    from snsim.page.frame import frame_of
    from snsim.page.subject import subject_of_run

    return frame_of(subject_of_run(run, replace(options, moved=None), lambda _: None))
