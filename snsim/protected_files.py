"""Protect the files of a run folder that only snsim writes: no command and no program overwrites them.

`write_output` writes the output of every command. Programs of SN-2.8, pictures and reports ask `is_protected`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from snsim.atomic_files import Buffer, write_atomically
from snsim.errors import fail

SETTINGS, PASSES, WEIGHTS, BEST, CHECKPOINT, SOURCES = (
    "run.json",
    "passes.jsonl",
    "weights.safetensors",
    "best.safetensors",
    "checkpoint.safetensors",
    "source",
)
PROGRAM = "program.json"  # instead of SETTINGS, where a program trains by itself
LOCK = ".lock"  # of a run that goes on, on Windows only: elsewhere the folder itself is locked
PROTECTED = frozenset({SETTINGS, PASSES, WEIGHTS, BEST, CHECKPOINT, SOURCES, PROGRAM, LOCK})


def is_protected(name: str) -> bool:
    """Tell whether a file or folder with this name belongs to the record of a run folder.

    Some file systems do not distinguish capitals from small letters, and drop blanks and dots at the end of a name.
    """
    return name.casefold().rstrip(" .") in PROTECTED


def run_folder_of(path: str | os.PathLike[str]) -> Path | None:
    """Return the run folder whose record includes this path, or None."""
    place = Path(os.path.realpath(path))
    for inner in (place, *place.parents):
        if is_protected(inner.name) and any(os.path.lexists(inner.parent / name) for name in (SETTINGS, PROGRAM)):
            return inner.parent
    return None


def refuse_protected_file(path: str | os.PathLike[str]) -> None:
    """Refuse to write to a file that belongs to the record of a run. SnError names the run folder."""
    folder = run_folder_of(path)
    if folder is not None:
        raise fail(
            f"{path} is not overwritten: it belongs to the record of the run {folder}",
            hint="give another name, or copy the file elsewhere; only snsim writes these: "
            + ", ".join(sorted(PROTECTED)),
        )


def write_output(path: str | os.PathLike[str], content: Buffer | Iterable[Buffer]) -> None:
    """Write the output of a command to a file, in one step.

    SnError if the file belongs to the record of a run; OSError if it cannot be written.
    """
    refuse_protected_file(path)
    write_atomically(path, content)


def write_file(
    path: Path, content: bytes, hint: str = "give the name of a file in a folder that you may write to, with -o"
) -> None:
    """Write an output file, and its folder if there is none.

    SnError if it is protected, or with the `hint` if it cannot be written.
    """
    refuse_protected_file(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_output(path, content)
    except OSError as problem:
        raise fail(
            f"{path} cannot be written: {problem.strerror or problem}",
            hint=hint,
        ) from None
