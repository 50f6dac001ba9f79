"""Read the program of a command, and report its warnings."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

from snsim.cli.errors import report
from snsim.colour import DIM, echo, paint
from snsim.errors import Fault
from snsim.gallery import Named, find_named

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
