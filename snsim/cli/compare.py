"""`snsim compare`: a training beside a hand-coded module, or one engine beside another."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snsim.cli.errors import WrongUseError
from snsim.cli.exit_codes import FAULT
from snsim.cli.options import Whole, memory_option, presets
from snsim.cli.reading import read_reported
from snsim.colour import BOLD, GREEN, RED, echo, paint
from snsim.escaping import for_json, for_line

if TYPE_CHECKING:
    from snsim.comparison.differences import Comparison
    from snsim.program import Program
    from snsim.runs.options import Options


@click.command()
@click.argument("file")
@click.argument("module", required=False, metavar="[FILE.py:Class]")
@click.option(
    "--presentations",
    type=Whole(min=1),
    metavar="N",
    default=500,
    show_default=True,
    help="How many presentations both learn.",
)
@click.option(
    "--tolerance", type=float, metavar="X", default=1e-5, show_default=True, help="What numbers may differ by."
)
@click.option("--only", metavar="NAME", help="The training, where FILE declares several.")
@click.option("--sgd", type=float, metavar="RATE", help="Both learn by plain gradient descent, at this rate.")
@click.option(
    "--mapping",
    type=click.Path(path_type=Path),
    metavar="FILE.json",
    help='Parameters whose names differ: {"h1.bias": "conv1.bias"}.',
)
@click.option("--seed", type=Whole(min=0), metavar="N", help="Seed. [default: the first of the training]")
@click.option("--engine", metavar="NAME", help="Engine that computes; `snsim list engine` names them.")
@click.option(
    "--dtype",
    type=click.Choice(["float64", "float32"]),
    default="float64",
    show_default=True,
    help="Precision of both.",
)
@click.option("--data", "data", multiple=True, metavar="NAME", help="Data set; repeat it in order of preference.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder in which data are looked for first.")
@click.option("--initial", type=click.Path(path_type=Path), help="Initial weights from an npz or safetensors file.")
@memory_option
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Value for a (defvar NAME ...).")
@click.option("--offline", is_flag=True, help="Never look for data on the network.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each two that are compared.")
def compare(file: str, module: str | None, **options: Any) -> int:
    """Hold the training of FILE against a module that was coded by hand in PyTorch, or, without one, the engines
    against each other: same initial weights, patterns, order, shifts, dropout, cost and rates. FILE.py is executed.

    Tells by layer the largest difference of states, gradients and weights, the first presentation and layer that
    differ, and the speed of both. Exit code 1 where they differ.

    Parameters are matched by name (h1.bias: h1_bias, h1.bias), then by shape, or by --mapping. What the class has of
    `cost(outputs, targets)` and `configure_optimizers()` is its own; otherwise cost and rule are those of the training.
    Its calls of dropout, in order, are given what the training drops; states and cost are compared with nothing
    dropped.
    """
    from snsim.cli.run import options_from

    if module is None and options["mapping"]:
        raise WrongUseError(
            "--mapping is for a module, and none is named",
            "name a FILE.py:Class behind the file, or leave --mapping out",
        )
    set_values = presets(options["settings"])
    chosen = options_from({**options, "passes": None, "out": None}, set_values)
    program = read_reported(file, set_values)
    return compare_file(program, module, chosen, options, bool(options["as_json"]))


_COLOURS = {"equal:": (BOLD, GREEN), "DIFFERENT": (BOLD, RED)}


def compare_file(
    program: Program, module: str | None, options: Options, given: Mapping[str, Any], as_json: bool
) -> int:
    """Compare and print; exit code 1 where something differs."""
    from snsim.comparison.report import comparison_json, comparison_text

    alike = True
    for number, made in enumerate(_comparisons(program, module, options, given, as_json)):
        alike &= made.equal
        if as_json:
            echo(for_json(comparison_json(made)))
        else:
            echo(("\n" if number else "") + "\n".join(map(_painted, comparison_text(made).split("\n"))))
    return 0 if alike else FAULT


def _comparisons(
    program: Program, module: str | None, options: Options, given: Mapping[str, Any], as_json: bool
) -> Iterator[Comparison]:
    from snsim.comparison.compare import compare as compare_module
    from snsim.comparison.compare import compare_engines

    stated = {name: given[name] for name in ("presentations", "tolerance", "only", "sgd", "seed")}
    say = (lambda sentence: None) if as_json else (lambda sentence: echo(for_line(sentence), err=True))
    if module is None:
        yield from compare_engines(program, **stated, options=options, say=say)
    else:
        yield compare_module(program, module, mapping=given["mapping"], options=options, say=say, **stated)


def _painted(line: str) -> str:
    """The verdict in colours."""
    word, blank, rest = line.partition(" ")
    return paint(word, *_COLOURS[word], stream=sys.stdout) + blank + rest if word in _COLOURS else line
