"""Find the run folder that a word on the command line names."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from snsim.colour import DIM, echo, paint
from snsim.errors import for_line
from snsim.input_files import exists

_RUNS = Path("runs")


def run_folder_named(word: str) -> Path:
    """Return the folder of a run: a path, or `runs/WORD` for a bare name, which is then printed."""
    path = Path(word)
    inside = _RUNS / word
    if "/" in word or os.sep in word or path.suffix or exists(path) or not exists(inside):
        return path
    echo(paint(f"{for_line(word)}: the run {for_line(inside)}", DIM, stream=sys.stderr), err=True)
    return inside
