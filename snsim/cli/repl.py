"""`snsim repl`: the prompt."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snsim.cli.options import memory_option

if TYPE_CHECKING:
    from snsim.runs.options import Options


@click.command()
@click.argument("file", required=False)
@click.option("--data", multiple=True, metavar="NAME", help="Data set instead of those described; several: in order.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder in which data are looked for first.")
@click.option("--offline", is_flag=True, help="Never look for data on the network.")
@click.option("--engine", metavar="NAME", help="Engine of trainings. [default: as for run]")
@memory_option
@click.option("--windows", is_flag=True, help="Show the windows of SN's words.")
def repl(file: str | None, windows: bool, **options: object) -> int:
    """Evaluate forms as they are typed; FILE is read first. (help) says what there is.

    Without a terminal the forms come from standard input: snsim repl < script.
    """
    from snsim.prompt.main import start

    return start(file, lambda: _options(options), windows)


def _options(given: Mapping[str, object]) -> Options:
    """Return the options that are stated. Called while the prompt waits: what they name takes time to import."""
    from snsim.cli.run import options_from

    return options_from({**given, "dtype": None, "initial": None, "passes": None, "out": None}, {})
