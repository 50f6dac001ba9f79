"""Read the program of a command, and report its warnings."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, TextIO

from snsim.cli.errors import report
from snsim.colour import DIM, echo, paint
from snsim.errors import Fault, SnError
from snsim.gallery import Named, find_named, gallery_file

if TYPE_CHECKING:
    from snsim.program import Program


def find_and_report(word: str, *kinds: str, quiet: bool = False) -> Named:
    """Return the run, gallery net or path that a word of the command line names, and print which one it is.

    Nothing is printed for a path or if `quiet`. Output goes to standard error. See `named_path`.
    """
    named = find_named(word, kinds)
    if named.sentence and not quiet:
        echo(paint(named.sentence, DIM, stream=sys.stderr), err=True)
    return named


def named_path(word: str, *kinds: str, quiet: bool = False) -> str:
    """Return the path that a word of the command line names; print whether it is a run or a gallery net.

    `kinds` are those that the command takes, "run", "net" or both, as in `gallery.find_named`. Output goes to standard
    error, unless `quiet`. SnError for a name without slash and suffix that is neither.
    """
    named = find_and_report(word, *kinds, quiet=quiet)
    return named.word if named.kind == "path" else str(named.path)


def trained_net(word: str, quiet: bool = False) -> Named:
    """Return the run or gallery net that a word names; print on standard error which of them it is.

    Nothing is printed if `quiet`. SnError for a name without slash and suffix that is neither.
    """
    named = find_named(word, ("run", "net"))
    sentences = [named.sentence] if named.sentence else []
    if named.weights is not None:
        sentences.append(f"its weights: {named.weights.summary}")
    for sentence in sentences:
        if not quiet:
            echo(paint(sentence, DIM, stream=sys.stderr), err=True)
    return named


def read_and_report(
    file: str, values: Mapping[str, float | str], port: TextIO | None = None, seconds: float | None = None
) -> Program:
    """Return the program of a file, and print its warnings on standard error.

    What the program prints goes to `port` (default: standard error). `seconds` limits its CPU time.
    """
    from snsim.language.limits import DEFAULT, override_limits
    from snsim.program import read_program

    with hints_of_the_gallery():
        program = read_program(
            file, presets=values, port=port or sys.stderr, limits=override_limits(DEFAULT, seconds=seconds)
        )
    report(program.warnings)
    if not program.sources[0].text.strip():
        report(
            [
                Fault(
                    f"{file} is empty",
                    hint="write (net NAME clause ...) in it, or name another file",
                    severity="warning",
                )
            ]
        )
    return program


_NOT_FOUND = ("unknown net ", "unknown training ", "there is no file ")  # what a text names, where there is none


@contextmanager
def hints_of_the_gallery() -> Iterator[None]:
    """Add to the faults of a text that is read inside how to copy a net of the gallery that it names."""
    try:
        yield
    except SnError as error:
        raise SnError(_with_gallery_hint(fault) for fault in error.faults) from None


def _with_gallery_hint(fault: Fault) -> Fault:
    """Return a fault; where a text names a net of the gallery that it cannot see, with the command that copies it.

    The language reads no gallery, so that a text means the same everywhere.
    """
    if fault.span is None or not fault.message.startswith(_NOT_FOUND):
        return fault
    word = PurePath(fault.span.source.text[fault.span.start : fault.span.end].strip('"')).name.removesuffix(".sn")
    if not word or gallery_file(word) is None:
        return fault
    return replace(
        fault, hint=f"copy the net {word} of the gallery: snsim new mine --like {word}; then change the copy"
    )
