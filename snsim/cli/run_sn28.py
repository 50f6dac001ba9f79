"""Read programs that may train and write files while they are read, as programs of SN-2.8 do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, TextIO

import click

from snsim.cli.options import option_name
from snsim.colour import is_terminal
from snsim.errors import fail
from snsim.escaping import for_line
from snsim.language.limits import ACTING, override_limits
from snsim.language.source_files import read_source
from snsim.program import Host, Program, read_program
from snsim.runs.options import Options
from snsim.runs.program_folder import ProgramFolder

TRAINING_ONLY = ("passes", "seeds", "engine", "dtype", "data", "initial", "only")  # options of declared trainings


def read_and_run(
    file: str, options: Options, stated: Mapping[str, Any], port: TextIO, say: Callable[[str], None]
) -> Program:
    """Read the program of a file, which may train and write files meanwhile, and print where its files are.

    SnError for faults of the program, and for options that do not apply to it.
    """
    kernel = None if stated["kernel"] is None else str(stated["kernel"])
    limits = override_limits(ACTING, stated["steps"], stated["seconds"], stated["megabytes"])
    source = read_source(file, limits)
    folder = ProgramFolder(source, options, kernel, bool(stated["fast"]))
    host = Host(
        kernel,
        options.data_dir,
        folder.make,
        _ask if is_terminal(sys.stdin) else None,
        windows=bool(stated["windows"]),
        fast=bool(stated["fast"]),
        pictures=None if stated["pictures"] == "none" else str(stated["pictures"] or "svg"),
    )
    try:
        program = read_program(source, presets=options.presets, port=port, limits=limits, around=host)
    finally:
        if folder.path is not None:
            say(f"{for_line(file)} wrote its files to {for_line(folder.path)}")
    _check_options(program, stated)
    return program


def _check_options(program: Program, stated: Mapping[str, object]) -> None:
    file = program.sources[0].name
    unused = [name for name in TRAINING_ONLY if stated[name]]
    if program.acted and not program.own_trainings and unused:
        raise fail(
            f"{file} ran, and declares no training: --{option_name(unused[0])} does not apply",
            hint="leave out the option; a program that trains by itself sets this in its text",
        )
    for option in ("kernel", "fast"):
        if stated[option] and not program.acted:
            raise fail(f"{file} uses no function of SN-2.8: --{option} does not apply", hint="leave out the option")


def _ask(question: str) -> bool:
    return click.confirm(question, default=True, err=True)
