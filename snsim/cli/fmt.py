"""`snsim fmt`: format files, or check their format."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from snsim.cli.exit_codes import FAULT
from snsim.colour import echo
from snsim.errors import Fault, SnError, fail
from snsim.escaping import for_line, for_shell, for_stream
from snsim.formatter.format import formatted
from snsim.input_files import is_folder, unwritable
from snsim.language.source_files import SUFFIXES, read_input, read_source
from snsim.protected_files import write_output


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 if a file is not formatted.")
@click.option("--diff", is_flag=True, help="Write nothing; print the changes.")
def fmt(files: Sequence[str], check: bool, diff: bool) -> int:
    """Format each FILE. A folder means the .sn files in it; - means standard input.

    Only spaces and line breaks change; comments and line endings are kept. Where lines have two or more spaces in a
    row, the words after them are aligned in a column.
    """
    if list(files) == ["-"]:
        return format_stream(check or diff, diff)
    return format_files(files, check or diff, diff)


def format_files(names: Sequence[str], check: bool, show: bool) -> int:
    """Format files in place, print the names of those that change, and return the exit code.

    A folder stands for the .sn and .lsh files in it. With `check` nothing is written, and the exit code is 1 if a file
    would change; with `show` the differences are printed.
    """
    changed = 0
    faults: list[Fault] = []
    files = _files(names)
    for path in files:
        try:
            source = read_source(path)
            text = formatted(source)
        except SnError as error:
            faults += error.faults
            continue
        if text == source.text:
            continue
        changed += 1
        if show:
            click.echo(for_stream(_differences(for_line(path), source.text, text), sys.stdout), nl=False)
        elif check:
            echo(f"{for_line(path)} is not formatted: snsim fmt {for_shell([path])}")
        else:
            _write(path, text)
            echo(f"{for_line(path)} formatted")
    sys.stdout.flush()
    if faults:
        raise SnError(faults)
    if not changed and not show:
        echo("1 file is formatted already" if len(files) == 1 else f"{len(files)} files are formatted already")
    return FAULT if check and changed else 0


def format_stream(check: bool, show: bool) -> int:
    """Format standard input to standard output; `check` and `show` as for files."""
    source = read_input()
    text = formatted(source)
    if show:
        click.echo(for_stream(_differences(source.name, source.text, text), sys.stdout), nl=False)
    elif not check:
        click.echo(for_stream(text, sys.stdout), nl=False)
    elif text != source.text:
        echo(f"{source.name} is not formatted: snsim fmt -")
    return FAULT if check and text != source.text else 0


def _differences(name: str, before: str, now: str) -> str:
    return "".join(difflib.unified_diff(before.splitlines(True), now.splitlines(True), name, f"{name}, formatted"))


def _files(names: Sequence[str]) -> list[Path]:
    paths: list[Path] = []
    for name in names:
        path = Path(name)
        if is_folder(path):
            inside = sorted(file for suffix in SUFFIXES for file in path.rglob(f"*{suffix}"))
            if not inside:
                raise fail(f"there is no .sn or .lsh file in {path}", hint="name a file, or a folder with such files")
            paths += inside
        else:
            paths.append(path)
    return paths


def _write(path: Path, text: str) -> None:
    try:
        write_output(path, text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        sentence, remedy = unwritable(path, error)
        raise fail(sentence, hint=remedy) from None
