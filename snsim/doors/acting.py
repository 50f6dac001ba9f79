"""Programs that act when they are read, in the words of SN-2.8: their kernel, files, folder, and whom they may ask."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Callable, Mapping, TextIO

import click

from snsim import __version__, records
from snsim.doors.terminal import is_terminal
from snsim.errors import Source, fail
from snsim.experiment import Options
from snsim.language.limits import ACTING
from snsim.language.loading import read_source
from snsim.program import Program, Surroundings, read_program

TRAINING_ONLY = ("passes", "seeds", "engine", "dtype", "data", "initial", "only")  # options that speak of trainings


@dataclass
class RunFolder:
    """The run folder of a program, made once, when it first writes. `path` is None before."""

    source: Source
    options: Options
    kernel: str | None
    fast: bool = False
    path: Path | None = None

    def make(self) -> Path:
        if self.path is not None:
            return self.path
        settings = {"kernel": self.kernel, "fast": self.fast, "presets": dict(self.options.presets),
                    "snsim": __version__, "command": list(self.options.command),
                    "started": datetime.now(timezone.utc).isoformat(timespec="seconds")}
        self.path = records.create_program_folder(self.options.out, self.source, settings)
        return self.path


def read_acting(file: str, options: Options, given: Mapping[str, object], port: TextIO,
                say: Callable[[str], None]) -> Program:
    """The program of a file, which has done by then what it does by itself; where it wrote is said.

    SnError too for options that say nothing to what it turned out to be.
    """
    kernel = None if given["kernel"] is None else str(given["kernel"])
    steps = given["steps"]
    limits = ACTING if steps is None else replace(ACTING, steps=int(str(steps)))
    source = read_source(file, limits)
    folder = RunFolder(source, options, kernel, bool(given["fast"]))
    around = Surroundings(kernel, options.data_dir, folder.make, _ask if is_terminal(sys.stdin) else None,
                          windows=bool(given["windows"]), fast=bool(given["fast"]),
                          pictures=None if given["pictures"] == "none" else str(given["pictures"] or "svg"))
    try:
        program = read_program(source, presets=options.presets, port=port, limits=limits, around=around)
    finally:
        if folder.path is not None:
            say(f"what {file} wrote is in {folder.path}")
    _check_options(program, given)
    return program


def _check_options(program: Program, given: Mapping[str, object]) -> None:
    file = program.sources[0].name
    stated = [name for name in TRAINING_ONLY if given[name]]
    if program.acted and not program.own_trainings and stated:
        raise fail(f"{file} ran, and declares no training: --{_option_name(stated[0])} says nothing to it",
                   hint="leave the option out; a program that trains by itself states what it does in its text")
    for option in ("kernel", "fast"):
        if given[option] and not program.acted:
            raise fail(f"{file} uses no word of SN-2.8: --{option} says nothing to it", hint="leave the option out")


def _option_name(name: str) -> str:
    return {"seeds": "seed"}.get(name, name)


def _ask(question: str) -> bool:
    return click.confirm(question, default=True, err=True)
