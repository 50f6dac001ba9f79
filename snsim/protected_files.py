"""The files of a run folder that nobody but snsim writes, and the one function that writes the output of a command.

Ground floor: a program of SN-2.8, a picture and a report all need to know which names are taken.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from snsim.atomic_files import Buffer, write_atomically
from snsim.errors import fail

SETTINGS, PASSES, WEIGHTS, CHECKPOINT, SOURCES = (
    "run.json",
    "passes.jsonl",
    "weights.safetensors",
    "checkpoint.safetensors",
    "source",
)
PROGRAM = "program.json"  # instead of SETTINGS, where a program trains by itself
LOCK = ".lock"  # of a run that goes on, on Windows only: elsewhere the folder itself is locked
PROTECTED = frozenset({SETTINGS, PASSES, WEIGHTS, CHECKPOINT, SOURCES, PROGRAM, LOCK})


def is_protected(name: str) -> bool:
    """Tell whether a file or folder of this name belongs to the record of a run folder. Some file systems take
    capitals for small letters, and drop blanks and dots at the end.
    """
    return name.casefold().rstrip(" .") in PROTECTED


def run_folder_of(path: str | os.PathLike[str]) -> Path | None:
    """Return the run folder whose record the path is a part of, or None."""
    place = Path(os.path.realpath(path))
    for inner in (place, *place.parents):
        if is_protected(inner.name) and any(os.path.lexists(inner.parent / name) for name in (SETTINGS, PROGRAM)):
            return inner.parent
    return None


def refuse_protected_file(path: str | os.PathLike[str]) -> None:
    """Refuse to write to a file that belongs to the record of a run. SnError with the folder."""
    owner = run_folder_of(path)
    if owner is not None:
        raise fail(
            f"{path} is not overwritten: it belongs to the record of the run {owner}",
            hint="give another name, or copy the file elsewhere; snsim keeps these to itself: "
            + ", ".join(sorted(PROTECTED)),
        )


def write_output(path: str | os.PathLike[str], content: Buffer | Iterable[Buffer]) -> None:
    """Put what a command writes in place of a file in one step. SnError if it belongs to a run; OSError if it cannot
    be written.
    """
    refuse_protected_file(path)
    write_atomically(path, content)
