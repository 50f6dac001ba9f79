"""`snsim convert`: turn programs of SN-2.8 and Lush and NetTool files into declarations, declared nets into calls."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from snsim.cli.errors import WrongUseError
from snsim.cli.options import presets
from snsim.cli.reading import named_path
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
    help="File to write. [default: standard output]",
)
@click.option(
    "--to",
    "language",
    type=click.Choice(["net", "sn28"]),
    default="net",
    show_default=True,
    help="Output: (net ...) and (train ...), or calls of SN-2.8.",
)
@click.option(
    "--net",
    "name",
    metavar="NAME",
    help="Name of the new net [default: that of FILE]; with --to sn28, which of several nets.",
)
@click.option(
    "--kernel",
    type=click.Choice(["sn28", "sn28ite", "sn28new", "sn28itenew"]),
    help="SN-2.8 kernel for a program that chooses none.",
)
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder searched first for its files.")
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
    r"""Turn FILE, a program of SN-2.8 or Lush or a file of the editor NetTool, into declarations.

    The output has (net ...) with an (expect ...) that holds, and (train ...) where the program trains in a way that can
    be declared. The program is run, but its training is only recorded. Parts that cannot be converted are reported, and
    stand in comments.

    \b
    snsim convert old.sn -o new.sn
    snsim convert --to sn28 lecun89

    With --to sn28 a declared net becomes a program that builds it by build-net and the functions of connect.sn.
    In both directions the output is run and compared with the original net, connection by connection.
    """
    from snsim.convert.convert import to_declarative, to_sn28
    from snsim.language.limits import ACTING
    from snsim.language.source_files import read_source
    from snsim.program import Host, read_program, scratch

    values = presets(settings)
    if language == "sn28":
        if kernel is not None:
            raise WrongUseError(
                "--kernel applies to SN-2.8 programs, but --to sn28 reads declared nets",
                "leave out one of --kernel and --to sn28",
            )
        program = read_program(named_path(file, "net"), presets=values, port=sys.stderr)
        converted = to_sn28(program, name)
    else:
        source = read_source(file, ACTING)
        with scratch() as place:
            beside = None if output is None else output.name.removesuffix(output.suffix)
            converted = to_declarative(source, Host(kernel, data_dir, place.output), name, values, beside)
    for note in converted.notes:
        warning = Fault(f"not carried over: {note}", hint=_NOT_CARRIED, severity="warning")
        echo(painted_fault(warning, sys.stderr), err=True)
    if output is None:
        click.echo(for_stream(converted.text, sys.stdout), nl=False)
        return
    for file_name, content in converted.files.items():
        _write(output.with_name(file_name), content, Path(file))
    _write(output, converted.text.encode("utf-8", "surrogateescape"), Path(file))
    echo(f"{for_line(output)}: " + "; ".join(f"net {net.name}, {net.summary}" for net in converted.nets))


_NOT_CARRIED = "write it by hand in the converted text, or keep the original for this part"


def _write(output: Path, content: bytes, source: Path) -> None:
    if exists(output) and exists(source) and output.samefile(source):
        raise fail(f"{output} is the input file", None, hint="choose another name: -o new.sn")
    try:
        write_output(output, content)
    except OSError as problem:
        sentence, remedy = unwritable(output, problem)
        raise fail(sentence, hint=remedy) from None
