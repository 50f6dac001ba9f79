"""`snsim plot`: one command a picture. A picture goes to a file, to a window, or to the terminal as characters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snsim.cli.errors import WrongUseError
from snsim.cli.options import Percent, Whole, of_opened_run, presets
from snsim.colour import echo
from snsim.escaping import for_line
from snsim.input_files import exists
from snsim.registry import suggest

if TYPE_CHECKING:
    from snsim.cli.picture_data import Looked
    from snsim.runs.options import Options

_USUAL = "curves"  # what `snsim plot RUN` draws


class PictureGroup(click.Group):
    """The pictures; what is the name of none is the run folder whose curves are drawn."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            if len(args) > 1 and not args[1].startswith("-") and not exists(args[0]):
                raise WrongUseError(
                    f'unknown picture "{args[0]}"', suggest(args[0], list(self.commands), "pictures"), ctx
                )
            args = [_USUAL, *args]
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Options before the run folder belong to the curves: `snsim plot -o a.png RUN`."""
        if args and args[0].startswith("-") and args[0] not in ("-h", "--help"):
            args = [_USUAL, *args]
        return super().parse_args(ctx, args)


@click.group(cls=PictureGroup, subcommand_metavar="[PICTURE] RUN|FILE|NAME")
def plot() -> None:
    r"""Draw a picture into a file (PNG, SVG or PDF), a window or the terminal.

    \b
    snsim plot RUN                      the curves of loss and error
    snsim plot weights RUN              and so on: the pictures below
    snsim plot maps RUN --pattern 7 -o maps.svg
    """


def _into(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: where a picture goes. The command makes (picture name, prepared data, name of the file)."""

    @click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="The file: .png, .svg or .pdf. [default: NAME-PICTURE.png, here]",
    )
    @click.option("--show", is_flag=True, help="Show it in a window instead.")
    @click.option("--text", "as_text", is_flag=True, help="Print it in block characters instead.")
    @wraps(command)
    def placed(output: Path | None, show: bool, as_text: bool, **given: Any) -> None:
        if (output is not None) + show + as_text > 1:
            raise WrongUseError(
                "-o, --show and --text exclude one another: a picture goes to one place",
                "give one of them, and the command again for another",
            )
        from snsim.plots import style

        if output is not None:
            style.check_ending(output)
        name, data, called = command(**given)
        from snsim.run_folder import folder_name

        # A name is chosen by whoever wrote the description: it must not lead out of this folder.
        stem = folder_name(called).lstrip("-.") or "picture"
        _put(name, data, output or Path(f"{stem}-{name}.png"), show, as_text)

    return placed


def _put(name: str, data: Any, file: Path, show: bool, as_text: bool) -> None:
    import shutil

    from snsim.plots import style
    from snsim.plots.registry import PICTURES

    picture = PICTURES.get(name)
    if as_text:
        echo(picture.text(data, max(20, min(100, shutil.get_terminal_size((80, 24)).columns - 2))))
    elif show:
        picture.draw(data, style.Look(windows=True))
        style.show_windows()
    else:
        style.write(picture.draw(data, style.WIDE), file)
        echo(for_line(file))


def _of_patterns(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: a picture of what a run's net answers; the command is given a Looked for them."""

    @click.argument("run", type=click.Path(path_type=Path))
    @click.option(
        "--of", "split", type=click.Choice(["test", "train"]), help="Which patterns. [default: test, if there are some]"
    )
    @of_opened_run
    @wraps(command)
    def looking(run: Path, split: str | None, options: Options, **given: Any) -> Any:
        from snsim.cli.picture_data import look_at
        from snsim.cli.run import sayer

        return command(looked=look_at(run, split, options, sayer(False, False)), **given)

    return looking


def _of_net(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: a picture of a net, which stands in a file or a run folder."""

    @click.argument("file", type=click.Path(path_type=Path))
    @click.option("--only", metavar="NET", help="The net, where FILE declares several.")
    @click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Value for a (defvar NAME ...).")
    @wraps(command)
    def reading(file: Path, only: str | None, settings: Sequence[str]) -> Any:
        from snsim.cli.picture_data import chosen_net

        return command(net=chosen_net(file, only, presets(settings)))

    return reading


@plot.command(short_help="Loss and error after each pass, beside what was published (snsim plot RUN).")
@click.argument("run", type=click.Path(path_type=Path))
@_into
def curves(run: Path) -> tuple[str, Any, str]:
    """Draw loss and error after each pass of RUN, on training and test patterns, and published figures as lines."""
    from snsim.cli.picture_data import curves_of
    from snsim.run_folder import open_run

    made = open_run(run)
    return "curves", curves_of(made), made.folder.resolve().name


@plot.command(short_help="The kernels of every connection, laid out as its table is.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--only", metavar="NAME", help="One connection or bias: h1-h2, h1.bias.")
@_into
def weights(run: Path, only: str | None) -> tuple[str, Any, str]:
    """Draw the weights of RUN: for each connection a row a source map and a column a target map; then the biases.

    Each is drawn times the square root of its fan-in, so that one gray scale serves all; black is negative.
    """
    from snsim.cli.picture_data import weights_of
    from snsim.run_folder import open_run

    made = open_run(run)
    return "weights", weights_of(made, only), made.folder.resolve().name


@plot.command(short_help="One pattern in the net: every map of every layer.")
@click.option("--pattern", type=Whole(min=0), default=0, show_default=True, metavar="N", help="Which one, from 0.")
@_into
@_of_patterns
def maps(looked: Looked, pattern: int) -> tuple[str, Any, str]:
    """Draw what each layer of RUN's net shows of a pattern: input, maps, output, and the targets below."""
    from snsim.cli.picture_data import maps_of

    return "maps", maps_of(looked, pattern), _name(looked)


@plot.command(short_help="The patterns that are wrong, with label and answer.")
@click.option("--most", type=Whole(min=1), metavar="N", help="How many are drawn at most. [default: 112]")
@_into
@_of_patterns
def misses(looked: Looked, most: int | None) -> tuple[str, Any, str]:
    """Draw the patterns that RUN's net gets wrong, each with its label and the net's answer."""
    from snsim.cli.picture_data import misses_of
    from snsim.plots.misses import MOST

    return "misses", misses_of(looked, most or MOST), _name(looked)


@plot.command(short_help="Which class is taken for which.")
@_into
@_of_patterns
def confusion(looked: Looked) -> tuple[str, Any, str]:
    """Draw how many patterns of each class RUN's net gives which answer."""
    from snsim.cli.picture_data import confusion_of

    return "confusion", confusion_of(looked), _name(looked)


@plot.command(short_help="Error on the rest over what is rejected.")
@click.option("--error", type=Percent(), default="1%", show_default=True, help="Errors that the rest may have.")
@_into
@_of_patterns
def rejection(looked: Looked, error: float) -> tuple[str, Any, str]:
    """Draw the error on the patterns that RUN does not reject, over those that it does (`snsim reject` in numbers)."""
    from snsim.cli.picture_data import rejection_of

    return "rejection", rejection_of(looked, error), _name(looked)


@plot.command(short_help="A net: layers as stacks of maps, connections with counts.")
@_into
@_of_net
def net(net: Any) -> tuple[str, Any, str]:
    """Draw the net of FILE, or of a run folder, from its input at the bottom to its output."""
    return "net", net, net.name


@plot.command(short_help="Which map feeds which.")
@_into
@_of_net
def table(net: Any) -> tuple[str, Any, str]:
    """Draw the connection tables of the net of FILE, or of a run folder: black where a map feeds another."""
    from snsim.plots.table import tables

    return "table", tables(net), net.name


@plot.command(short_help="The first patterns of each class of data.")
@click.argument("name", metavar="NAME|PATH")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder in which data are looked for first.")
@click.option("--offline", is_flag=True, help="Never look for data on the network.")
@_into
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
@click.option("--file", type=click.Path(path_type=Path), help="A file that declares it.")
@click.option("--from", "low", type=float, default=-4.0, show_default=True, metavar="X")
@click.option("--to", "high", type=float, default=4.0, show_default=True, metavar="X")
@_into
def nlf(name: str, numbers: Sequence[str], file: Path | None, low: float, high: float) -> tuple[str, Any, str]:
    """Draw the nlf NAME (with its NUMBERs), or an expression in x, with the derivatives that learning uses."""
    from snsim.cli.picture_data import nlf_by_text
    from snsim.plots.nlf import nlf_curves

    if not low < high:
        raise WrongUseError(
            f"--from {low:g} is not below --to {high:g}",
            f"write --from {high:g} --to {low:g}" if high < low else f"write --to {low + 1:g}, or more",
        )
    found = nlf_by_text([name, *numbers], file)
    return "nlf", nlf_curves(found, low, high), name if name.replace("-", "").isalnum() else "expression"


def _name(looked: Looked) -> str:
    return looked.again.made.folder.resolve().name
