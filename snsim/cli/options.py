"""Options that several commands have, and the types of their values."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import click

from snsim.cli.errors import WrongUseError
from snsim.memory_limit import exact_size, read_size


class Whole(click.IntRange):
    """A whole number from `min` on; click calls it "whole number" in its errors."""

    name = "whole number"


class Percent(click.ParamType):  # type: ignore[type-arg]  # older versions of click take no argument
    """A percentage, with or without a percent sign: `1%`, `0.5`."""

    name = "percent"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            number = float(str(value).removesuffix("%"))
        except ValueError:
            self.fail(f"{value!r} is not a percentage; write for example 1%", param, ctx)
        if not 0 <= number < 100:
            self.fail(f"{value} is not between 0 and 100 percent; write for example 1%", param, ctx)
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
    help="Memory that a run may need, such as 8GB; a run that needs more is refused. [default: half of this machine's]",
)

portable_option = click.option(
    "--portable", is_flag=True, help="Compute the same bits on every processor (native engine, about 3 times slower)."
)

threads_option = click.option(
    "--threads",
    type=Whole(min=1),
    metavar="N",
    help="Threads for evaluation and batches; the results are the same. [default: the cores, or OMP_NUM_THREADS]",
)

_OF_RUNS = (
    click.option("--passes", type=Whole(min=1), metavar="N", help="Passes over the training set; replaces (passes N)."),
    click.option("--seed", "seeds", type=Whole(min=0), metavar="N", multiple=True, help="Seed; repeat for several."),
    click.option("--engine", metavar="NAME", help="Engine; `snsim list engine` names them."),
    click.option("--dtype", type=click.Choice(["float64", "float32"]), help="Floating-point type. [default: float32]"),
    click.option(
        "--data",
        "data",
        multiple=True,
        metavar="NAME|PATH",
        help="Data set; repeat in order of preference. Or a file or folder of your own.",
    ),
    click.option("--fold", type=Whole(min=1), metavar="K", help="Test on the fold K of data with (folds N)."),
    click.option("--data-dir", type=click.Path(path_type=Path), help="Folder searched first for data."),
    click.option("--initial", type=click.Path(path_type=Path), help="Initial weights: an npz or safetensors file."),
    memory_option,
    threads_option,
    click.option("--only", multiple=True, metavar="NAME", help="Run only this training; repeat for several."),
    click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Value for a (defvar NAME ...)."),
    click.option("--offline", is_flag=True, help="Never download data."),
    click.option("--quiet", is_flag=True, help="Print only the result."),
    click.option("--json", "as_json", is_flag=True, help="One JSON object a line."),
)


def of_runs(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a command with the options that change a run, and those that say how much is printed."""
    for option in reversed(_OF_RUNS):
        command = option(command)
    return command


def of_opened_run(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a command with the options for opening a run folder.

    The command gets them as `options`, a `runs.options.Options`.
    """

    @click.option(
        "--data",
        "moved",
        type=click.Path(path_type=Path),
        metavar="PATH",
        help="File or folder that holds the data of the run now, if they were moved.",
    )
    @click.option("--data-dir", type=click.Path(path_type=Path), help="Folder searched first for data.")
    @click.option("--offline", is_flag=True, help="Never download data.")
    @click.option(
        "--best", is_flag=True, help="Use the weights of the best pass, of (keep best ...), not the last ones."
    )
    @memory_option
    @threads_option
    @wraps(command)
    def with_options(
        moved: Path | None,
        data_dir: Path | None,
        offline: bool,
        best: bool,
        memory: int | None,
        threads: int | None,
        **others: Any,
    ) -> Any:
        from snsim.runs.options import Options

        place = None if moved is None else Path(os.path.abspath(moved))
        return command(
            options=Options(
                moved=place, data_dir=data_dir, online=not offline, best=best, memory=memory, threads=threads
            ),
            **others,
        )

    return with_options


def seconds_option(default: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that adds the option --seconds; `default` is shown in its help."""
    return click.option(
        "--seconds",
        type=click.FloatRange(min=0, min_open=True),
        metavar="N",
        help=f"CPU seconds that the Lisp may use. [default: {default}]",
    )


def presets(settings: Sequence[str]) -> dict[str, float | str]:
    """Return `--set name=value` options as a dictionary; values that read as numbers become numbers."""
    values: dict[str, float | str] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name:
            raise WrongUseError(
                f"--set takes NAME=VALUE, not {setting!r}", f"write for example --set {name or 'NAME'}=0.1"
            )
        try:
            values[name] = float(text)
        except ValueError:
            values[name] = text
            continue
        if not math.isfinite(float(text)):  # neither the language nor JSON has such a number
            raise WrongUseError(
                f"--set {name} takes a finite number or a text, not {text}", f"write a number such as --set {name}=0.1"
            )
    return values


def stated_options(
    context: click.Context, names: Collection[str] | None = None, leave_out: Collection[str] = ()
) -> list[str]:
    """Return the options that the user typed, as arguments to type again: those of `names`, or all but `leave_out`."""
    words: list[str] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        stated = context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if not stated or not isinstance(parameter, click.Option) or name in leave_out:
            continue
        if names is not None and name not in names:
            continue
        value, option = context.params[name], parameter.opts[0]
        if parameter.is_flag:
            words.append(option)
            continue
        for single in value if parameter.multiple else (value,):
            words += [option, exact_size(single) if isinstance(parameter.type, Size) else str(single)]
    return words


def option_name(parameter: str) -> str:
    """Return the name of an option as it is typed, without hyphens in front, for a parameter of a command."""
    return {"seeds": "seed", "settings": "set", "as_json": "json"}.get(parameter, parameter).replace("_", "-")
