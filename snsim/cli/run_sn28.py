"""Programs that act when they are read, in the words of SN-2.8: their kernel, files, folder, and whom they may ask."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, TextIO

import click

from snsim.cli.options import option_name
from snsim.colour import is_terminal
from snsim.errors import fail
from snsim.escaping import for_line
from snsim.language.limits import ACTING, within
from snsim.language.source_files import read_source
from snsim.program import Program, Surroundings, read_program
from snsim.runs.options import Options
from snsim.runs.program_folder import ProgramFolder

TRAINING_ONLY = ("passes", "seeds", "engine", "dtype", "data", "initial", "only")  # options that speak of trainings


def read_acting(
    file: str, options: Options, given: Mapping[str, Any], port: TextIO, say: Callable[[str], None]
) -> Program:
    """The program of a file, which has done by then what it does by itself; where it wrote is said.

    SnError too for options that say nothing to what it turned out to be.
    """
    kernel = None if given["kernel"] is None else str(given["kernel"])
    limits = within(ACTING, given["steps"], given["seconds"], given["megabytes"])
    source = read_source(file, limits)
    folder = ProgramFolder(source, options, kernel, bool(given["fast"]))
    around = Surroundings(
        kernel,
        options.data_dir,
        folder.make,
        _ask if is_terminal(sys.stdin) else None,
        windows=bool(given["windows"]),
        fast=bool(given["fast"]),
        pictures=None if given["pictures"] == "none" else str(given["pictures"] or "svg"),
    )
    try:
        program = read_program(source, presets=options.presets, port=port, limits=limits, around=around)
    finally:
        if folder.path is not None:
            say(f"what {for_line(file)} wrote is in {for_line(folder.path)}")
    _check_options(program, given)
    return program


def _check_options(program: Program, given: Mapping[str, object]) -> None:
    file = program.sources[0].name
    stated = [name for name in TRAINING_ONLY if given[name]]
    if program.acted and not program.own_trainings and stated:
        raise fail(
            f"{file} ran, and declares no training: --{option_name(stated[0])} says nothing to it",
            hint="leave the option out; a program that trains by itself states what it does in its text",
        )
    for option in ("kernel", "fast"):
        if given[option] and not program.acted:
            raise fail(f"{file} uses no word of SN-2.8: --{option} says nothing to it", hint="leave the option out")


def _ask(question: str) -> bool:
    return click.confirm(question, default=True, err=True)
