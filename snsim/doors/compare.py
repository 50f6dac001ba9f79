"""`snsim compare`: a training held against a hand-coded module, or the engines against each other."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Iterator

import click

from snsim.comparison.compare import compare, compare_engines
from snsim.comparison.differences import Comparison
from snsim.doors.codes import FAULT
from snsim.doors.terminal import BOLD, GREEN, RED, paint
from snsim.experiment import Options
from snsim.program import Program
from snsim.reports.comparison import comparison_json, comparison_text

_COLOURS = {"equal:": (BOLD, GREEN), "DIFFERENT": (BOLD, RED)}


def compare_file(program: Program, module: str | None, options: Options, given: dict[str, object],
                 as_json: bool) -> int:
    """Compare and print; exit code 1 where something differs."""
    alike = True
    for number, made in enumerate(_comparisons(program, module, options, given, as_json)):
        alike &= made.equal
        if as_json:
            click.echo(json.dumps(comparison_json(made)))
        else:
            click.echo(("\n" if number else "") + "\n".join(map(_painted, comparison_text(made).split("\n"))))
    return 0 if alike else FAULT


def _comparisons(program: Program, module: str | None, options: Options, given: dict[str, object],
                 as_json: bool) -> Iterator[Comparison]:
    stated = {name: given[name] for name in ("presentations", "tolerance", "only", "sgd", "seed")}
    say = (lambda sentence: None) if as_json else (lambda sentence: click.echo(sentence, err=True))
    if module is None:
        yield from compare_engines(program, **stated, options=options, say=say)  # type: ignore[arg-type]
    else:
        mapping = given["mapping"]
        assert mapping is None or isinstance(mapping, Path)
        yield compare(program, module, mapping=mapping, options=options, say=say, **stated)  # type: ignore[arg-type]


def _painted(line: str) -> str:
    """The verdict in colours."""
    word, blank, rest = line.partition(" ")
    return paint(word, *_COLOURS[word], stream=sys.stdout) + blank + rest if word in _COLOURS else line
