"""`snsim list` and `snsim help`: list names, runs and nets of the gallery, and explain a name."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snsim.cli.errors import WrongUseError, report
from snsim.colour import BOLD, echo, is_terminal, paint
from snsim.escaping import for_json
from snsim.gallery import RUNS, gallery_doc, gallery_file, gallery_names

if TYPE_CHECKING:
    from snsim.glossary.names import Kind


@click.command(name="list")
@click.argument("kind", required=False)
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--sort", metavar="COLUMN", help="With run: order by this column, such as test-misses.")
@click.option("--reverse", is_flag=True, help="With run: reverse the order.")
@click.option(
    "--where",
    multiple=True,
    metavar="COLUMN=TEXT",
    help="With run: only runs whose column matches, such as net=lecun*; repeat for several.",
)
@click.option("--json", "as_json", is_flag=True, help="With run or net: one JSON object per line.")
def list_names(
    kind: str | None, folder: Path | None, sort: str | None, reverse: bool, where: Sequence[str], as_json: bool
) -> None:
    r"""List every name with a meaning, or those of one KIND, each with a line of help.

    \b
    snsim list scheme               the schemes of connection
    snsim list net                  the nets of the gallery: paper, published figures, shipped weights
    snsim list run                  a table of the runs in runs/, or in FOLDER
    snsim list run --where net=lecun89 --sort test-misses
    """
    if kind in ("run", "runs"):
        _list_runs(folder or RUNS, sort, reverse, where, as_json)
        return
    if folder is not None or sort is not None or reverse or where:
        raise WrongUseError(
            "only `snsim list run` takes a FOLDER, --sort, --reverse and --where",
            f"write snsim list {kind or ''}".rstrip() + ", or snsim list run",
        )
    if kind in ("net", "nets"):
        _list_nets(as_json)
        return
    if as_json:
        raise WrongUseError("--json applies to `snsim list run` and `snsim list net`", "leave out --json")
    from snsim.glossary import names

    echo(names.listing(kind, (_nets(), _commands())))


@click.command(name="help")
@click.argument("words", metavar="NAME", nargs=-1)
@click.pass_context
def help_name(context: click.Context, words: Sequence[str]) -> None:
    """Explain NAME: its syntax, what it does, its options.

    A word of today, such as `epochs` or `batch size`, leads to the name here.
    """
    from snsim.glossary import names

    name = " ".join(words) if words else None
    parent = context.find_root()
    if name is None:
        echo(parent.get_help())
        return
    group = parent.command
    assert isinstance(group, click.Group)
    if (command := group.get_command(parent, name)) is not None:
        with click.Context(command, info_name=name, parent=parent, **group.context_settings) as inner:
            echo(command.get_help(inner))
        if names.is_known(name):
            echo("\n" + names.explain(name))
    elif gallery_file(name) is not None and not names.is_known(name):
        from snsim.glossary.gallery_list import gallery_entry, gallery_text

        echo("\n\n  ".join([f"{name}: net of the gallery", *gallery_text(gallery_entry(name))]))
    else:
        echo(names.explain(name, (_nets(), _commands())))


def _list_runs(folder: Path, sort: str | None, reverse: bool, where: Sequence[str], as_json: bool) -> None:
    from snsim.reports.run_table import run_table, runs_in, selected

    patterns = {}
    for condition in where:
        column, equals, text = condition.partition("=")
        if not equals or not column:
            raise WrongUseError(
                f"--where takes COLUMN=TEXT, not {condition!r}", "write for example --where net=lecun89"
            )
        patterns[column] = text
    rows, warnings = runs_in(folder)
    report(warnings, as_json)
    rows = selected(rows, patterns, sort, reverse)
    if as_json:
        for row in rows:
            echo(for_json(row.as_json()))
    else:
        echo(run_table(rows) if rows else "no run matches")


def _list_nets(as_json: bool) -> None:
    from snsim.glossary.gallery_list import gallery_entries, gallery_text

    entries = gallery_entries()
    if as_json:
        for entry in entries:
            echo(for_json(entry))
        return
    echo("nets of the gallery (snsim run NAME)")
    width = shutil.get_terminal_size().columns if is_terminal(sys.stdout) else 120
    for entry in entries:
        echo("\n  " + paint(entry["name"], BOLD, stream=sys.stdout))
        for line in gallery_text(entry):
            echo(textwrap.fill(line, width, initial_indent="    ", subsequent_indent="      "))


def _commands() -> Kind:
    """Return the commands as a kind of names; the glossary cannot import them."""
    from snsim.cli.main import COMMANDS
    from snsim.glossary.names import Kind
    from snsim.registry import Entry

    entries: list[Entry[object]] = [Entry(name, line, None) for name, (_, line) in COMMANDS.items()]
    return Kind("command", "commands", lambda: entries)


def _nets() -> Kind:
    """Return the nets of the gallery as a kind of names; commands take them, the language does not."""
    from snsim.glossary.names import Kind
    from snsim.registry import Entry

    return Kind("net", "nets of the gallery", lambda: [Entry(n, gallery_doc(n), None) for n in gallery_names()])
