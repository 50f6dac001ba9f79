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
from snsim.escaping import for_json, for_line, for_shell
from snsim.gallery import RUNS, gallery_file, is_path
from snsim.input_files import is_file, is_folder
from snsim.protected_files import SETTINGS, refuse_protected_file, write_file

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
@click.argument("module", required=False, metavar="[FILE.py:Class|SCRIPT.py|RUN]")
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
    help="Largest difference taken as equal, as a share of the size. [default: what rounding explains]",
)
@click.option("--passes", type=Whole(min=1), metavar="N", help="Passes of the description; replaces its (passes N).")
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
@click.option(
    "--report",
    "page",
    type=click.Path(path_type=Path),
    metavar="FILE.html",
    help="Page to write: the numbers side by side where the two first differ, and the lines that compute them.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each comparison.")
def compare(file: str, module: str | None, arguments: tuple[str, ...], **options: Any) -> int:
    """Compare the training of FILE with a PyTorch module or script, the engines with each other, or two runs.

    SCRIPT.py without a class is a training script. It runs unchanged in a process of its own, in its folder, with
    ARGS. What it learns is compared with FILE: architecture, initial weights, data, order, targets, each step, rates,
    passes, and the figures that it prints.

    With a class, both sides get the same initial weights, patterns, order, shifts, dropout, cost and rates. FILE.py is
    executed.

    Reports the largest difference of states, gradients and weights per layer, where the two first diverge, and the
    speed of both. Each update starts from equal weights. A difference counts if rounding does not explain it. Exit
    code 1 if they differ.

    Parameters are matched by name (h1.bias: h1_bias, h1.bias), then by shape and order, or by --mapping. If the class
    has `cost(outputs, targets)`, `configure_optimizers()` or `learn(x, d)`, these are used; otherwise cost and update
    rule are those of the training. Its dropout calls get, in order, the units that the training drops; states and cost
    are compared in eval mode, without dropout.

    With two run folders, reports which settings and lines of the texts differ, from which pass on the figures differ,
    and by how much the last weights differ. Nothing is trained.
    """
    from snsim.cli.run import options_from

    if options["page"] is not None:
        _check_page(options["page"])
    if (runs := _runs(file, module)) is not None:
        return _compare_runs(*runs, options)
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
    chosen = options_from({**options, "out": None}, set_values)
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
    if stated["page"] is not None:
        from snsim.comparison.script.script_page import script_html

        training = program.trainings.get(comparison.training)
        _write_page(stated["page"], script_html(comparison, training, Path(script).parent), as_json)
    return 0 if comparison.same else FAULT


_COLOURS = {"equal:": (BOLD, GREEN), "equal": (BOLD, GREEN), "SAME": (BOLD, GREEN), "DIFFERENT": (BOLD, RED)}


def compare_file(
    program: Program, module: str | None, options: Options, stated: Mapping[str, Any], as_json: bool
) -> int:
    """Compare, print, and return the exit code: 1 if something differs."""
    from snsim.comparison.report import comparison_json, comparison_text

    made = []
    for number, comparison in enumerate(_comparisons(program, module, options, stated, as_json)):
        made.append(comparison)
        if as_json:
            echo(for_json(comparison_json(comparison)))
        else:
            echo(("\n" if number else "") + "\n".join(map(_painted, comparison_text(comparison).split("\n"))))
    if stated.get("page") is not None:
        from snsim.comparison.page import comparison_html

        _write_page(stated["page"], comparison_html(made), as_json)
    return 0 if all(comparison.equal for comparison in made) else FAULT


def _check_page(page: Path) -> None:
    """Refuse another file than a page, which may be a text of the user's, before anything is compared."""
    if page.suffix not in (".html", ".htm"):
        raise WrongUseError(
            f"--report writes a page, whose name ends with .html, not {for_line(page)}",
            f"write --report {for_shell([page.with_suffix('.html') if page.name else 'page.html'])}",
        )
    refuse_protected_file(page)


def _write_page(page: Path, html: str, as_json: bool) -> None:
    """Write a page, and print its name. SnError if it cannot be written."""
    write_file(page, html.encode(), "give --report the name of a file in a folder that you may write to")
    if not as_json:
        echo(for_line(page))


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


# ---- Two runs ----------------------------------------------------------------------------------------------------

_OF_RUNS = ("file", "module", "tolerance", "as_json", "page")  # the parameters that two runs take


def _runs(file: str, module: str | None) -> tuple[Path, Path] | None:
    """Return the folders of two runs; None if no run is named. WrongUseError for a run beside something else."""
    one, other = _run_folder(file), None if module is None else _run_folder(module)
    if one is not None and other is not None:
        return one, other
    if other is None and (one is None or (not is_path(file) and gallery_file(file) is not None)):
        return None  # a bare name of a run and of a net of the gallery means the net, as in `snsim run`
    if one is None:
        beside = f"there is no run {for_line(file)}"
    else:
        beside = "no second run is named" if module is None else f"there is no run {for_line(module)}"
    folder = one or other
    raise WrongUseError(
        f"{for_line(folder)} is a run, which is compared with another run, but {beside}",
        f"name two runs: snsim compare {for_shell([folder])} runs/OTHER; or the text of a run, which is in its source/",
    )


def _run_folder(word: str) -> Path | None:
    """Return the run folder that a word names: a folder, or NAME for runs/NAME. None for anything else."""
    if not is_path(word) and is_file(RUNS / word / SETTINGS):
        return RUNS / word
    return Path(word) if is_folder(Path(word)) else None


def _compare_runs(one: Path, other: Path, stated: Mapping[str, Any]) -> int:
    """Compare two runs, print, and return the exit code: 1 if they differ."""
    from snsim.comparison.run_comparison import TOLERANCE, compare_runs
    from snsim.comparison.run_comparison_text import run_comparison_json, run_comparison_text

    context = click.get_current_context()
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name not in _OF_RUNS and source is click.core.ParameterSource.COMMANDLINE:
            raise WrongUseError(
                f"{parameter.opts[0]} has no effect on the comparison of two runs: nothing is trained",
                f"leave out {parameter.opts[0]}; --tolerance, --report and --json apply",
            )
    made = compare_runs(one, other, TOLERANCE if stated["tolerance"] is None else stated["tolerance"])
    if stated["as_json"]:
        echo(for_json(run_comparison_json(made)))
    else:
        echo("\n".join(map(_painted, run_comparison_text(made).split("\n"))))
    if stated["page"] is not None:
        from snsim.comparison.run_page import run_comparison_html

        _write_page(stated["page"], run_comparison_html(made, (one, other)), stated["as_json"])
    return 0 if made.equal else FAULT
