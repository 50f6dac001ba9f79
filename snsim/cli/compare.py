"""`snsim compare`: compare a training with a hand-written module, or one engine with another."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snsim.cli.errors import WrongUseError
from snsim.cli.exit_codes import FAULT
from snsim.cli.options import Whole, memory_option, presets
from snsim.cli.reading import named_path, read_and_report
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
    help="Number of presentations that both train on.",
)
@click.option(
    "--tolerance",
    type=float,
    metavar="X",
    help="Largest difference taken as equal, as a share of the size. [default: what rounding explains]",
)
@click.option("--only", metavar="NAME", help="Training to compare, if FILE declares several.")
@click.option("--sgd", type=float, metavar="RATE", help="Train both by plain gradient descent at this rate.")
@click.option(
    "--mapping",
    type=click.Path(path_type=Path),
    metavar="FILE.json",
    help='Parameters whose names differ: {"h1.bias": "conv1.bias"}.',
)
@click.option("--seed", type=Whole(min=0), metavar="N", help="Seed. [default: the first of the training]")
@click.option("--engine", metavar="NAME", help="Engine; `snsim list engine` names them.")
@click.option(
    "--dtype",
    type=click.Choice(["float64", "float32"]),
    default="float64",
    show_default=True,
    help="Floating-point type of both.",
)
@click.option("--data", "data", multiple=True, metavar="NAME", help="Data set; repeat in order of preference.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder searched first for data.")
@click.option("--initial", type=click.Path(path_type=Path), help="Initial weights: an npz or safetensors file.")
@memory_option
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Value for a (defvar NAME ...).")
@click.option("--offline", is_flag=True, help="Never download data.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each comparison.")
def compare(file: str, module: str | None, **options: Any) -> int:
    """Compare the training of FILE with a PyTorch module, or the engines with each other.

    Both sides get the same initial weights, patterns, order, shifts, dropout, cost and rates. FILE.py is executed.

    Reports the largest difference of states, gradients and weights per layer, where the two first diverge, and the
    speed of both. Each update starts from equal weights. A difference counts if rounding does not explain it. Exit
    code 1 if they differ.

    Parameters are matched by name (h1.bias: h1_bias, h1.bias), then by shape and order, or by --mapping. If the class
    has `cost(outputs, targets)` or `configure_optimizers()`, these are used; otherwise cost and update rule are those
    of the training. Its dropout calls get, in order, the units that the training drops; states and cost are compared
    in eval mode, without dropout.
    """
    from snsim.cli.run import options_from

    if module is None and options["mapping"]:
        raise WrongUseError(
            "--mapping needs a module, and none is given",
            "write FILE.py:Class after the file, or leave out --mapping",
        )
    set_values = presets(options["settings"])
    chosen = options_from({**options, "passes": None, "out": None}, set_values)
    program = read_and_report(named_path(file, "net"), set_values)
    return compare_file(program, module, chosen, options, bool(options["as_json"]))


_COLOURS = {"equal:": (BOLD, GREEN), "DIFFERENT": (BOLD, RED)}


def compare_file(
    program: Program, module: str | None, options: Options, stated: Mapping[str, Any], as_json: bool
) -> int:
    """Compare, print, and return the exit code: 1 if something differs."""
    from snsim.comparison.report import comparison_json, comparison_text

    is_equal = True
    for number, comparison in enumerate(_comparisons(program, module, options, stated, as_json)):
        is_equal &= comparison.equal
        if as_json:
            echo(for_json(comparison_json(comparison)))
        else:
            echo(("\n" if number else "") + "\n".join(map(_painted, comparison_text(comparison).split("\n"))))
    return 0 if is_equal else FAULT


def _comparisons(
    program: Program, module: str | None, options: Options, stated: Mapping[str, Any], as_json: bool
) -> Iterator[Comparison]:
    from snsim.comparison.compare import compare as compare_module
    from snsim.comparison.compare import compare_engines

    limits = {name: stated[name] for name in ("presentations", "tolerance", "only", "sgd", "seed")}
    say = (lambda sentence: None) if as_json else (lambda sentence: echo(for_line(sentence), err=True))
    if module is None:
        yield from compare_engines(program, **limits, options=options, say=say)
    else:
        yield compare_module(program, module, mapping=stated["mapping"], options=options, say=say, **limits)


def _painted(line: str) -> str:
    """Return a line of the report with its verdict in colour."""
    word, blank, rest = line.partition(" ")
    return paint(word, *_COLOURS[word], stream=sys.stdout) + blank + rest if word in _COLOURS else line
