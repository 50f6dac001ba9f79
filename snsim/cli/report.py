"""`snsim report`: a run as one page of HTML."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snsim.cli.options import Percent, Whole, of_opened_run
from snsim.colour import echo
from snsim.errors import SnError, Source, fail
from snsim.escaping import for_line
from snsim.protected_files import refuse_protected_file, write_output

if TYPE_CHECKING:
    from snsim.cli.picture_data import Looked
    from snsim.reports.page import Page
    from snsim.runs.options import Options


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The page. [default: report.html in the run folder]",
)
@click.option(
    "--pattern",
    "patterns",
    type=Whole(min=0),
    multiple=True,
    metavar="N",
    help="Test pattern whose maps are shown; may be repeated. [default: 0]",
)
@click.option("--error", type=Percent(), default="1%", show_default=True, help="Errors after rejection.")
@of_opened_run
def report(run: Path, output: Path | None, patterns: tuple[int, ...], error: float, options: Options) -> None:
    """Write the run folder RUN as one HTML file that needs nothing else: description, counts, data and digest,
    settings, figures, curves, tables, kernels, maps, misses, confusion, rejection, versions, and the command that
    repeats it.
    """
    from snsim.cli.picture_data import look_at
    from snsim.cli.run import sayer
    from snsim.reports.page import as_html

    looked = look_at(run, None, options, sayer(False, False))
    place = output or looked.again.made.folder / "report.html"
    refuse_protected_file(place)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)  # before the pictures, which take some seconds
        write_output(place, as_html(page_of(looked, patterns or (0,), error)).encode())
    except OSError as problem:
        raise fail(
            f"{place} cannot be written: {problem.strerror or problem}",
            hint="give the name of a file in a folder that you may write to, with -o",
        ) from None
    echo(for_line(place))


def page_of(looked: Looked, patterns: tuple[int, ...], error: float) -> Page:
    """All that the report of a run tells. What a net has not (classes, maps) is left out, with the reason."""
    from snsim.cli import picture_data
    from snsim.plots.nlf import nlf_curves
    from snsim.plots.table import tables
    from snsim.reports.page import Page
    from snsim.runs import provenance

    made, training = looked.again.made, looked.again.training
    parts: dict[str, Callable[[], Any]] = {
        "curves": lambda: picture_data.curves_of(made),
        "weights": lambda: picture_data.weights_of(made),
        "table": lambda: tables(training.net),
        "misses": lambda: picture_data.misses_of(looked),
        "confusion": lambda: picture_data.confusion_of(looked),
        "rejection": lambda: picture_data.rejection_of(looked, error),
    }
    found: dict[str, Any] = {}
    left: dict[str, str] = {}
    for name, prepare in parts.items():
        try:
            found[name] = prepare()
        except SnError as refused:
            left[name] = refused.faults[0].message
    nlfs = {layer.nlf.name: layer.nlf for layer in training.net.layers if layer.nlf is not None}
    return Page(
        made,
        training,
        _sources(looked),
        found,
        tuple(picture_data.maps_of(looked, pattern) for pattern in patterns),
        tuple(nlf_curves(nlf) for nlf in nlfs.values()),
        left,
        provenance.now(),
    )


def _sources(looked: Looked) -> tuple[Source, ...]:
    """The texts of the run, the main one first, under the names that its folder gives them."""
    made = looked.again.made
    source = made.settings["source"]
    names = [source["main"], *(name for name in source["files"] if name != source["main"])]
    return tuple(Source(name, made.source_text(name)) for name in names)
