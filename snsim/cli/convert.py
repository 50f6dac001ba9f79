"""`snsim convert`: programs of SN-2.8 and files of NetTool to declarative text, and declared nets back to calls."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from snsim.cli.errors import WrongUseError
from snsim.cli.options import presets
from snsim.colour import echo, painted_fault
from snsim.errors import Fault, fail
from snsim.escaping import for_line, for_stream
from snsim.input_files import exists, unwritable
from snsim.protected_files import write_output


@click.command()
@click.argument("file")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where the text goes. [default: the standard output]",
)
@click.option(
    "--to",
    "language",
    type=click.Choice(["net", "sn28"]),
    default="net",
    show_default=True,
    help="What is written: (net ...) and (train ...), or calls of SN-2.8.",
)
@click.option(
    "--net",
    "name",
    metavar="NAME",
    help="The net: how it is called [default: like FILE], or, with --to sn28, which of several.",
)
@click.option(
    "--kernel",
    type=click.Choice(["sn28", "sn28ite", "sn28new", "sn28itenew"]),
    help="Kernel of SN-2.8 for a program that chooses none.",
)
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder in which its files are looked for first.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Value for a (defvar NAME ...).")
def convert(
    file: str,
    output: Path | None,
    language: str,
    name: str | None,
    kernel: str | None,
    data_dir: Path | None,
    settings: Sequence[str],
) -> None:
    r"""Turn FILE, a program of SN-2.8 or a file of its editor NetTool, into declarative text: (net ...) with an
    (expect ...) that holds, and (train ...) as far as what the program does has a declarative meaning. The program is
    run, but what learns in it is only noted. What was not carried over is said, and stands in comments.

    \b
    snsim convert old.sn -o new.sn
    snsim convert --to sn28 nets/lecun89.sn

    With --to sn28 a declared net is written as a program that makes it by build-net and the words of connect.sn.
    Both ways what was written is run and held against the net it was made from, connection by connection.
    """
    from snsim.convert.convert import to_declarative, to_sn28
    from snsim.language.limits import ACTING
    from snsim.language.source_files import read_source
    from snsim.program import Host, read_program, scratch

    given = presets(settings)
    if language == "sn28":
        if kernel is not None:
            raise WrongUseError(
                "--kernel is for a program of SN-2.8, and --to sn28 reads declared nets",
                "leave out one of --kernel and --to sn28",
            )
        program = read_program(file, presets=given, port=sys.stderr)
        converted = to_sn28(program, name)
    else:
        source = read_source(file, ACTING)
        with scratch() as place:
            converted = to_declarative(source, Host(kernel, data_dir, place.output), name, given)
    for note in converted.notes:
        lost = Fault(f"not carried over: {note}", hint=_NOT_CARRIED, severity="warning")
        echo(painted_fault(lost, sys.stderr), err=True)
    if output is None:
        click.echo(for_stream(converted.text, sys.stdout), nl=False)
        return
    _write(output, converted.text, Path(file))
    echo(f"{for_line(output)}: " + "; ".join(f"net {net.name}, {net.summary}" for net in converted.nets))


_NOT_CARRIED = "write it by hand in the converted text, or keep the original for it"


def _write(output: Path, text: str, source: Path) -> None:
    if exists(output) and exists(source) and output.samefile(source):
        raise fail(f"{output} is the file that is converted", None, hint="choose another name: -o new.sn")
    try:
        write_output(output, text.encode("utf-8", "surrogateescape"))
    except OSError as problem:
        sentence, remedy = unwritable(output, problem)
        raise fail(sentence, hint=remedy) from None
