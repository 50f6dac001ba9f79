"""Find the data of a run again: by the places and the digests that its folder records.

Later commands on the run search there first. Data that have changed are refused.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from snsim.data.examples import Examples
from snsim.data.reader_shelf import sha256_of
from snsim.data.record import DataRecord
from snsim.errors import SnError, Span, fail
from snsim.input_files import exists, is_file, is_folder, shown
from snsim.runs.options import Options

_MOST_FOLDERS = 16  # recorded of a run
_MOVED = "move the data back, or name their new file or folder: --data PATH"
_CHANGED = "name the original data with --data PATH, or start a new run with these"


def with_recorded_places(options: Options, settings: Mapping[str, Any]) -> Options:
    """Return options that search the places that a run.json records, after those that the options name."""
    data = settings["data"]
    moved = options.moved
    if moved is None and exists(data.get("moved", "")):
        moved = Path(data["moved"])
    return replace(options, moved=moved, recorded_folders=tuple(map(Path, data.get("folders", ()))))


def not_found(error: SnError, run: Path, options: Options, record: DataRecord | None, span: Span | None) -> SnError:
    """Return the error for data of a run that could not be read: a file has changed or was moved."""
    if options.moved is not None:
        return error  # it is about the path that was named
    if record is not None:
        for file in record.files:
            path = Path(record.folder) / file.name
            if file.pictures is None and is_file(path) and (digest := _digest_of(path)) not in ("", file.sha256):
                return _another_file(path, run, digest, file.sha256, span)
    *others, last = error.faults
    return SnError([*others, replace(last, hint=_MOVED)])


def check_unchanged(
    examples: Examples, run: Path, settings: Mapping[str, Any], record: DataRecord | None, span: Span | None
) -> None:
    """Check that examples are those that a run was started with. SnError with both digests if they are not.

    Files may have other bytes (line ends, compression), as long as they hold the same numbers and names.
    """
    recorded, found = settings["data"], examples.record
    same_names = record is None or (
        found is not None
        and (found.columns, found.targets, found.class_names) == (record.columns, record.targets, record.class_names)
    )
    if examples.digest == recorded["digest"] and same_names:
        return
    if record is not None and found is not None:
        for file, old in zip(found.files, record.files):
            if file.sha256 != old.sha256:
                raise _another_file(Path(found.folder) / file.name, run, file.sha256, old.sha256, span)
    in_text = examples.name == "examples"
    raise fail(
        f"the data {shown(examples.name)} ({examples.origin}) are not those the run was started with "
        f"({recorded['origin']}): their digest is {examples.digest[:12]}, not {recorded['digest'][:12]}",
        span,
        hint="restore the numbers in the program, or start a new run" if in_text else _CHANGED,
    )


def new_place(examples: Examples, options: Options, recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run.json says of its data, with the places that `options` name where the data were found again."""
    folders = list(recorded.get("folders", ()))
    changed: dict[str, Any] = {}
    if options.data_dir is not None:
        folders.insert(0, os.path.abspath(options.data_dir))
    if options.moved is not None:
        changed["origin"] = examples.origin
        if examples.record is not None:
            changed |= {"name": examples.name, "moved": str(options.moved), "record": examples.record.to_json()}
        else:
            folders.insert(0, str(folder_of(options.moved)))
    if folders:
        changed["folders"] = list(dict.fromkeys(folders))[:_MOST_FOLDERS]
    return {**recorded, **changed}


def folder_of(path: Path) -> Path:
    """Return the folder that a path names, or that holds the file that it names."""
    return path if is_folder(path) else path.parent


def _another_file(path: Path, run: Path, digest: str, recorded: str, span: Span | None) -> SnError:
    return fail(
        f"{shown(path)} has changed since the run {run} was started: its SHA-256 is {digest[:12]}, not {recorded[:12]}",
        span,
        hint=_CHANGED,
    )


def _digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, "" if it cannot be read."""
    try:
        return sha256_of(path)
    except SnError:
        return ""
