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


_ALL = 10**12  # presentations: more than a training has


class Presentations(Whole):
    """A number of presentations, or `all`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        return _ALL if value == "all" else int(super().convert(value, param, ctx))


@click.command()
@click.argument("file")
@click.argument("module", required=False, metavar="[FILE.py:Class|SCRIPT.py]")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGS]")
@click.option(
    "--presentations",
    type=Presentations(min=1),
    metavar="N|all",
    default=500,
    show_default=True,
    help="Number of presentations that both train on, or that are watched in a script.",
)
@click.option(
    "--tolerance",
    type=float,
    metavar="X",
    default=1e-5,
    show_default=True,
    help="Largest difference taken as equal.",
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
def compare(file: str, module: str | None, arguments: tuple[str, ...], **options: Any) -> int:
    """Compare the training of FILE with a PyTorch module, a training script, or the engines with each other.

    SCRIPT.py without a class is a training script. It runs unchanged in a process of its own, in its folder, with
    ARGS. What it learns is compared with FILE: architecture, initial weights, data, order, targets, each step, rates,
    passes, and the figures that it prints.

    With a class, both sides get the same initial weights, patterns, order, shifts, dropout, cost and rates. FILE.py is
    executed.

    Reports the largest difference of states, gradients and weights per layer, where the two first diverge, and the
    speed of both. Exit code 1 if they differ.

    Parameters are matched by name (h1.bias: h1_bias, h1.bias), then by shape, or by --mapping. If the class has
    `cost(outputs, targets)` or `configure_optimizers()`, these are used; otherwise cost and update rule are those of
    the training. Its dropout calls get, in order, the units that the training drops; states and cost are compared
    without dropout.
    """
    from snsim.cli.run import options_from

    is_script = module is not None and is_script_path(module)
    if is_script:
        _refuse_for_script(options)
    elif arguments:
        raise WrongUseError(
            f"arguments after -- are for a training script, and {module or 'none'} is not one",
            "write SCRIPT.py without a class, or leave the arguments out",
        )
    if module is None and options["mapping"]:
        raise WrongUseError(
            "--mapping needs a module, and none is given",
            "write FILE.py:Class after the file, or leave out --mapping",
        )
    set_values = presets(options["settings"])
    chosen = options_from({**options, "passes": None, "out": None}, set_values)
    program = read_and_report(named_path(file, "net"), set_values)
    if module is not None and is_script:
        return compare_with_script(program, module, arguments, chosen, options, bool(options["as_json"]))
    return compare_file(program, module, chosen, options, bool(options["as_json"]))


def is_script_path(place: str) -> bool:
    """Return whether a place is a training script: a Python file without the name of a class after a colon."""
    file, colon, name = place.rpartition(":")
    return place.endswith(".py") and not (colon and file and name.isidentifier())


_FOR_A_CLASS = {"mapping": None, "sgd": None, "initial": None, "seed": None}  # options that a script does not take


def _refuse_for_script(options: Mapping[str, Any]) -> None:
    for name, default in _FOR_A_CLASS.items():
        if options[name] != default:
            raise WrongUseError(
                f"--{name} is for a class, but a script runs unchanged",
                f"leave out --{name}, or write FILE.py:Class",
            )


def compare_with_script(
    program: Program,
    script: str,
    arguments: tuple[str, ...],
    options: Options,
    stated: Mapping[str, Any],
    as_json: bool,
) -> int:
    """Run and watch a script, print the result, and return the exit code: 1 if something differs."""
    from snsim.comparison.script.compare_script import compare_script
    from snsim.comparison.script.script_report import script_json, script_text

    def say(sentence: str) -> None:
        if not as_json:
            echo(for_line(sentence), err=True)

    comparison = compare_script(
        program,
        Path(script),
        arguments,
        presentations=0 if stated["presentations"] == _ALL else stated["presentations"],
        only=stated["only"],
        options=options,
        say=say,
        show=lambda line: say(f"{Path(script).name}: {line}"),
    )
    if as_json:
        echo(for_json(script_json(comparison)))
    else:
        echo("\n".join(map(_painted, script_text(comparison).split("\n"))))
    return 0 if comparison.same else FAULT


_COLOURS = {"equal:": (BOLD, GREEN), "SAME": (BOLD, GREEN), "DIFFERENT": (BOLD, RED)}


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
