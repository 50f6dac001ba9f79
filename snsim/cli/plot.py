"""`snsim plot`: one command for each picture, drawn to a file, to a window, or as text to the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snsim.cli.errors import WrongUseError
from snsim.cli.options import Percent, Whole, of_opened_run, presets
from snsim.cli.reading import named_path, trained_net
from snsim.colour import echo
from snsim.escaping import for_line
from snsim.gallery import find_named
from snsim.input_files import exists
from snsim.registry import suggest

if TYPE_CHECKING:
    from snsim.data.own_picture import Ink
    from snsim.runs.opened_run import NetSource, OpenedRun, SplitOutputs
    from snsim.runs.options import Options

_DEFAULT = "curves"  # what `snsim plot RUN` draws


class PictureGroup(click.Group):
    """The group of pictures. A first argument that names no picture is a run folder, whose curves are drawn."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the pictures that have a command here or a `prepare` in the registry, in its order."""
        from snsim.plots.registry import PICTURES

        shelf = [entry.name for entry in PICTURES if entry.name in self.commands or entry.value.prepare is not None]
        return [*shelf, *(name for name in self.commands if name not in shelf)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of a picture, made from its registry entry if this file has none."""
        command = super().get_command(ctx, cmd_name)
        return _prepared_picture(cmd_name) if command is None else command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        names = self.list_commands(ctx)
        if args and args[0] not in names:
            if len(args) > 1 and not args[1].startswith("-") and not exists(find_named(args[0], ("run",)).path):
                raise WrongUseError(f'unknown picture "{args[0]}"', suggest(args[0], names, "pictures"), ctx)
            args = [_DEFAULT, *args]
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take options before the run folder as options of the curves: `snsim plot -o a.png RUN`."""
        if args and args[0].startswith("-") and args[0] not in ("-h", "--help"):
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)


@click.group(cls=PictureGroup, subcommand_metavar="[PICTURE] RUN|FILE|NAME")
def plot() -> None:
    r"""Draw a picture into a file (PNG, SVG or PDF), a window or the terminal.

    \b
    snsim plot RUN                      the curves of loss and error
    snsim plot RUN RUN RUN              those of several runs; seeds of one training as mean and band
    snsim plot weights RUN              and so on: the pictures below
    snsim plot maps RUN --pattern 7 -o maps.svg
    """


def _with_output(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a command with the options for its output.

    The command returns the name of the picture, its data, and the name of what is drawn, for the default file name.
    """

    @click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="File to write: .png, .svg or .pdf. [default: NAME-PICTURE.png in the current folder]",
    )
    @click.option("--show", is_flag=True, help="Show a window instead.")
    @click.option("--text", "as_text", is_flag=True, help="Print block characters instead.")
    @wraps(command)
    def with_output(output: Path | None, show: bool, as_text: bool, **options: Any) -> None:
        if (output is not None) + show + as_text > 1:
            raise WrongUseError(
                "-o, --show and --text cannot be combined",
                "give only one of them",
            )
        from snsim.plots import style

        if output is not None:
            style.check_suffix(output)
        name, data, subject = command(**options)
        from snsim.run_folder import folder_name

        # The name comes from the description: it must not lead out of this folder.
        stem = folder_name(subject).lstrip("-.") or "picture"
        _write_or_show(name, data, output or Path(f"{stem}-{name}.png"), show, as_text)

    return with_output


def _write_or_show(name: str, data: Any, file: Path, show: bool, as_text: bool) -> None:
    import shutil

    from snsim.plots import style
    from snsim.plots.registry import PICTURES

    picture = PICTURES.get(name)
    if as_text:
        echo(picture.text(data, max(20, min(100, shutil.get_terminal_size((80, 24)).columns - 2))))
    elif show:
        picture.draw(data, style.FigureStyle(windows=True))
        style.show_windows()
    else:
        style.write(picture.draw(data, style.WIDE), file)
        echo(for_line(file))


def _with_outputs_of_run(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a picture of what the net of a run computes; the command gets `outputs`, a SplitOutputs."""

    @click.argument("run", type=click.Path())
    @click.option(
        "--of",
        "split",
        type=click.Choice(["test", "train"]),
        help="Patterns. [default: test, if there are any]",
    )
    @of_opened_run
    @wraps(command)
    def with_outputs(run: str, split: str | None, options: Options, **others: Any) -> Any:
        from snsim.cli.run import sayer
        from snsim.runs.opened_run import OpenedRun

        opened = OpenedRun.open(named_path(run, "run"), options, sayer(False, False))
        return command(outputs=opened.outputs(split), **others)

    return with_outputs


def _with_net(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a picture of a net; the command gets the file or the run folder as `source`."""

    @click.argument("file", type=click.Path())
    @click.option("--only", metavar="NET", help="Net to draw, if FILE declares several.")
    @click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Value for a (defvar NAME ...).")
    @wraps(command)
    def with_source(file: str, only: str | None, settings: Sequence[str]) -> Any:
        from snsim.runs.opened_run import open_net

        return command(source=open_net(Path(named_path(file, "run", "net")), only, presets(settings), sys.stderr))

    return with_source


def _of_run(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a command that draws a run; the command gets the opened run as `opened`."""

    @click.argument("run", type=click.Path())
    @of_opened_run
    @wraps(command)
    def with_run(run: str, options: Options) -> Any:
        from snsim.cli.run import sayer
        from snsim.runs.opened_run import OpenedRun

        return command(opened=OpenedRun.open(named_path(run, "run"), options, sayer(False, False)))

    return with_run


def _prepared_picture(name: str) -> click.Command | None:
    """Return a command for a picture whose registry entry has `prepare`; None for other pictures."""
    from snsim.plots.registry import PICTURES

    entry = PICTURES.entry(name)
    if entry is None or entry.value.prepare is None:
        return None
    prepare = entry.value.prepare

    def of_net(source: NetSource) -> tuple[str, Any, str]:
        return name, prepare(source.net), source.net.name

    def of_run(opened: OpenedRun) -> tuple[str, Any, str]:
        return name, prepare(opened), opened.name

    drawn = _with_output(_with_net(of_net) if entry.value.of == "net" else _of_run(of_run))
    line = f"{entry.doc[:1].upper()}{entry.doc[1:]}."
    return click.command(name, short_help=line, help=f"Draw a picture of FILE or RUN: {entry.doc}.")(drawn)


@plot.command(short_help="Loss and error after each pass, with published numbers (snsim plot RUN...).")
@click.argument("runs", type=click.Path(), nargs=-1, required=True, metavar="RUN...")
@_with_output
def curves(runs: Sequence[str]) -> tuple[str, Any, str]:
    """Draw loss and error after each pass of RUN on training and test patterns, and published numbers as lines.

    With several RUNs all are in one picture. Runs that differ only in their seed are drawn as their mean, with a band
    of one standard deviation to each side.
    """
    from snsim.reports.picture_data import curves_of, curves_of_several
    from snsim.runs.opened_run import OpenedRun

    opened = [OpenedRun.open(named_path(run, "run")) for run in runs]
    if len(opened) == 1:
        return "curves", curves_of(opened[0]), opened[0].name
    several = curves_of_several(opened)
    return "curves", several, several.groups[0].label.partition(",")[0] if len(several.groups) == 1 else "runs"


@plot.command(short_help="The kernels of every connection, arranged as in its table.")
@click.argument("run", type=click.Path())
@click.option("--only", metavar="NAME", help="One connection or bias, such as h1-h2 or h1.bias.")
@_with_output
def weights(run: str, only: str | None) -> tuple[str, Any, str]:
    """Draw the weights of RUN: per connection a row for each source map and a column for each target map; then biases.

    Each weight is multiplied by the square root of its fan-in, so that one gray scale fits all. Black is negative.
    """
    from snsim.reports.picture_data import weights_of
    from snsim.runs.opened_run import OpenedRun

    opened = OpenedRun.open(named_path(run, "run"))
    return "weights", weights_of(opened, only), opened.name


@plot.command(short_help="One pattern in the net: every map of every layer.")
@click.argument("run", type=click.Path())
@click.option("--pattern", type=Whole(min=0), metavar="N", help="Number of the pattern, from 0. [default: 0]")
@click.option("--of", "split", type=click.Choice(["test", "train"]), help="Patterns. [default: test, if there are any]")
@click.option("--picture", type=click.Path(path_type=Path), metavar="FILE", help="A picture of your own instead.")
@click.option(
    "--ink",
    type=click.Choice(["dark", "light"]),
    help="Whether the ink of --picture is dark or light. [default: judged by the border]",
)
@click.option("--as-is", is_flag=True, help="Use a --picture of the input's size unchanged.")
@_with_output
@of_opened_run
def maps(
    run: str,
    pattern: int | None,
    split: str | None,
    picture: Path | None,
    ink: Ink | None,
    as_is: bool,
    options: Options,
) -> tuple[str, Any, str]:
    """Draw the states of every layer of RUN for one pattern: input, maps, output, and the targets below.

    With --picture it is the pattern that `snsim predict` makes of a picture; the data of the run are not needed, and
    RUN may be a net of the gallery that comes with trained weights.
    """
    from snsim.cli.run import sayer
    from snsim.reports.picture_data import maps_of, maps_of_picture
    from snsim.runs.opened_run import OpenedRun

    if picture is None and (ink is not None or as_is):
        raise WrongUseError("--ink and --as-is apply to --picture", "name a picture: --picture FILE")
    if picture is not None and (pattern is not None or split is not None):
        raise WrongUseError("--picture excludes --pattern and --of", "leave one of them out")
    if picture is None:
        opened = OpenedRun.open(Path(named_path(run, "run")), options, sayer(False, False))
        return "maps", maps_of(opened.outputs(split), pattern or 0), opened.name
    from snsim.runs.predictor import Predictor

    predictor = Predictor.of_named(trained_net(run), options)
    inputs, report = predictor.prepare_picture(picture, ink, as_is)
    echo(for_line(report.line), err=True)
    return "maps", maps_of_picture(predictor, inputs, report.name), predictor.name


@plot.command(short_help="The patterns that are wrong, with label and answer.")
@click.option("--most", type=Whole(min=1), metavar="N", help="Draw at most this many. [default: 112]")
@_with_output
@_with_outputs_of_run
def misses(outputs: SplitOutputs, most: int | None) -> tuple[str, Any, str]:
    """Draw the patterns that RUN gets wrong, each with its label and the answer of the net."""
    from snsim.plots.misses import MOST
    from snsim.reports.picture_data import misses_of

    return "misses", misses_of(outputs, most or MOST), outputs.run.name


@plot.command(short_help="The confusion matrix: labels and answers.")
@_with_output
@_with_outputs_of_run
def confusion(outputs: SplitOutputs) -> tuple[str, Any, str]:
    """Draw for each class of RUN how many patterns get which answer."""
    from snsim.reports.picture_data import confusion_of

    return "confusion", confusion_of(outputs), outputs.run.name


@plot.command(short_help="Error on the patterns that are kept against the percentage rejected.")
@click.option("--error", type=Percent(), default="1%", show_default=True, help="Error allowed on the patterns kept.")
@_with_output
@_with_outputs_of_run
def rejection(outputs: SplitOutputs, error: float) -> tuple[str, Any, str]:
    """Draw the error of RUN on the patterns that are kept against the percentage rejected.

    `snsim reject` prints it in numbers.
    """
    from snsim.reports.picture_data import rejection_of

    return "rejection", rejection_of(outputs.run, error), outputs.run.name


@plot.command(short_help="A net: layers as stacks of maps, connections with counts.")
@_with_output
@_with_net
def net(source: NetSource) -> tuple[str, Any, str]:
    """Draw the net of FILE, or of a run folder, from its input at the bottom to its output at the top."""
    return "net", source.net, source.net.name


@plot.command(short_help="Which map feeds which.")
@_with_output
@_with_net
def table(source: NetSource) -> tuple[str, Any, str]:
    """Draw the connection tables of the net of FILE, or of a run folder: black where a map feeds another."""
    from snsim.plots.table import tables

    return "table", tables(source.net), source.net.name


@plot.command(short_help="The first patterns of each class of data.")
@click.argument("name", metavar="NAME|PATH")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder searched first for data.")
@click.option("--offline", is_flag=True, help="Never download data.")
@_with_output
def data(name: str, data_dir: Path | None, offline: bool) -> tuple[str, Any, str]:
    """Draw the first training patterns of each class of the data set NAME, or of a file or folder."""
    from snsim.cli.data import examples_of_name
    from snsim.plots.data_sheet import data_sheet

    examples = examples_of_name(name, data_dir, offline)
    train = examples.train
    sheet = data_sheet(examples.name, train.inputs, train.labels, examples.classes or 0, examples.class_names)
    return "data", sheet, examples.name


@plot.command(short_help="A non-linearity with both derivatives.", context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("numbers", nargs=-1, metavar="[NUMBER]...")
@click.option("--file", type=click.Path(path_type=Path), help="A file that declares the nlf.")
@click.option("--from", "low", type=float, default=-4.0, show_default=True, metavar="X")
@click.option("--to", "high", type=float, default=4.0, show_default=True, metavar="X")
@_with_output
def nlf(name: str, numbers: Sequence[str], file: Path | None, low: float, high: float) -> tuple[str, Any, str]:
    """Draw the nlf NAME (with its NUMBERs), or an expression in x, with the derivatives that training uses."""
    from snsim.plots.nlf import nlf_curves
    from snsim.reports.picture_data import nlf_by_text

    if not low < high:
        raise WrongUseError(
            f"--from {low:g} is not below --to {high:g}",
            f"write --from {high:g} --to {low:g}" if high < low else f"write --to {low + 1:g}, or more",
        )
    function = nlf_by_text([name, *numbers], file)
    return "nlf", nlf_curves(function, low, high), name if name.replace("-", "").isalnum() else "expression"
