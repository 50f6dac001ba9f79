"""Options that several commands take, and what their values may be."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import click

from snsim.cli.errors import WrongUseError
from snsim.memory_limit import read_size


class Whole(click.IntRange):
    """A whole number that is not below `min`, and is called so where it is none."""

    name = "whole number"


class Percent(click.ParamType):  # type: ignore[type-arg]  # older versions of click take no argument
    """A percentage, with or without its sign: `1%`, `0.5`."""

    name = "percent"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            number = float(str(value).removesuffix("%"))
        except ValueError:
            self.fail(f"{value!r} is no percentage; write 1%", param, ctx)
        if not 0 <= number < 100:
            self.fail(f"{value} is not from 0 to below 100 percent; write 1%", param, ctx)
        return number


class Size(click.ParamType):  # type: ignore[type-arg]  # as above
    """A size of memory in bytes: `8GB`, `512MB`."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return read_size(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


memory_option = click.option(
    "--memory",
    type=Size(),
    metavar="SIZE",
    help="Memory that a run may need, as 8GB; one that needs more is refused. [default: half of this machine's]",
)

_OF_RUNS = (
    click.option(
        "--passes", type=Whole(min=1), metavar="N", help="Passes over the training set, instead of (passes N)."
    ),
    click.option("--seed", "seeds", type=Whole(min=0), metavar="N", multiple=True, help="Seed; may be repeated."),
    click.option("--engine", metavar="NAME", help="Engine that computes; `snsim list engine` names them."),
    click.option(
        "--dtype", type=click.Choice(["float64", "float32"]), help="Precision of the engine. [default: float32]"
    ),
    click.option(
        "--data",
        "data",
        multiple=True,
        metavar="NAME|PATH",
        help="Data set; repeat it in order of preference. Or a file or folder of your own.",
    ),
    click.option("--fold", type=Whole(min=1), metavar="K", help="Test on the fold K of data with (folds N)."),
    click.option("--data-dir", type=click.Path(path_type=Path), help="Folder in which data are looked for first."),
    click.option("--initial", type=click.Path(path_type=Path), help="Initial weights from an npz or safetensors file."),
    memory_option,
    click.option("--only", multiple=True, metavar="NAME", help="Run this training only; may be repeated."),
    click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Value for a (defvar NAME ...)."),
    click.option("--offline", is_flag=True, help="Never look for data on the network."),
    click.option("--quiet", is_flag=True, help="Print the result only."),
    click.option("--json", "as_json", is_flag=True, help="One JSON object a line."),
)


def of_runs(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the options by which a run differs from its description, and how much of it is printed."""
    for option in reversed(_OF_RUNS):
        command = option(command)
    return command


def of_opened_run(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the options with which a run folder is opened again; the command is given them as `options`, a
    `runs.options.Options`.
    """

    @click.option("--data-dir", type=click.Path(path_type=Path), help="Folder in which data are looked for first.")
    @click.option("--offline", is_flag=True, help="Never look for data on the network.")
    @memory_option
    @wraps(command)
    def opening(data_dir: Path | None, offline: bool, memory: int | None, **given: Any) -> Any:
        from snsim.runs.options import Options

        return command(options=Options(data_dir=data_dir, online=not offline, memory=memory), **given)

    return opening


def seconds_option(default: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: the option `--seconds`, for commands that read a program; `default` ends the line of its help."""
    return click.option(
        "--seconds",
        type=click.FloatRange(min=0, min_open=True),
        metavar="N",
        help=f"CPU seconds that the Lisp may take. [default: {default}]",
    )


def presets(settings: Sequence[str]) -> dict[str, float | str]:
    """`--set name=value` options as a dictionary; a value that reads as a number is one."""
    values: dict[str, float | str] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name:
            raise WrongUseError(
                f"--set takes NAME=VALUE, not {setting!r}", f"write --set {name or 'NAME'}=0.1 for example"
            )
        try:
            values[name] = float(text)
        except ValueError:
            values[name] = text
            continue
        if not math.isfinite(float(text)):  # no text of the language has such a number, and JSON has none
            raise WrongUseError(
                f"--set {name} takes a finite number or a text, not {text}", f"write a number such as --set {name}=0.1"
            )
    return values


def option_name(parameter: str) -> str:
    """Return the name that the user types, without its hyphens, for a parameter of a command."""
    return {"seeds": "seed", "settings": "set", "as_json": "json"}.get(parameter, parameter).replace("_", "-")
