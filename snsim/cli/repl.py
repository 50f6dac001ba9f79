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
@click.option("--data", multiple=True, metavar="NAME", help="Data set; repeat in order of preference.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder searched first for data.")
@click.option("--offline", is_flag=True, help="Never download data.")
@click.option("--engine", metavar="NAME", help="Engine; `snsim list engine` names them. [default: as for run]")
@memory_option
@click.option("--windows", is_flag=True, help="Show the windows that SN functions open.")
def repl(file: str | None, windows: bool, **options: object) -> int:
    """Evaluate forms as they are typed; FILE is read first. (help) lists what you can type.

    Without a terminal the forms come from standard input: snsim repl < script.
    """
    from snsim.prompt.main import start

    return start(file, lambda: _options(options), windows)


def _options(stated: Mapping[str, object]) -> Options:
    """Return the options of the prompt. Called while it waits for input, since the imports take time."""
    from snsim.cli.run import options_from

    return options_from({**stated, "dtype": None, "initial": None, "passes": None, "out": None}, {})
