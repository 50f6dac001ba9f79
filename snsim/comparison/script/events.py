"""Start a training script under the watcher, and read the events that it writes."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from snsim.errors import fail
from snsim.input_files import is_file, shown
from snsim.runs.options import Say

WATCHER = Path(__file__).with_name("watcher.py")
_MOST_HEAD = 50_000_000  # bytes of the JSON object of one event
_LAST_LINES = 12  # of the script's output, for an error


@dataclass(frozen=True)
class Event:
    """What the watcher saw at one moment: `kind`, its fields, and arrays by name."""

    kind: str
    fields: dict[str, Any]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]


@dataclass(frozen=True)
class Place:
    """A line of the script: its file, relative to the folder of the script, and its number."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def place_of(value: Any) -> Place | None:
    """Return the place that an event states, or None."""
    return None if not value or value[0] is None else Place(str(value[0]), int(value[1]))


def run_watched(
    script: Path, arguments: Sequence[str], settings: dict[str, Any], events: Path, show: Say
) -> tuple[int, list[str]]:
    """Run the script in its folder, in a process of its own; return the exit code and its last lines.

    `show` gets each line that it prints. The process ends with this one. The user has named the script on the command
    line; a description never names one.
    """
    if not is_file(script):
        raise fail(f"there is no file {shown(str(script))}", hint="write the path of a training script after the net")
    folder = script.resolve().parent
    command = [sys.executable, str(WATCHER), str(events), json.dumps(settings), script.resolve().name, *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    if any(not os.path.isabs(part) for part in environment.get("PYTHONPATH", "").split(os.pathsep)):
        parts = [os.path.abspath(part) for part in environment.get("PYTHONPATH", "").split(os.pathsep) if part]
        environment["PYTHONPATH"] = os.pathsep.join(parts)
    lines: list[str] = []
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                lines = [*lines[1 - _LAST_LINES :], line.rstrip()]
                show(line.rstrip())
            code = process.wait()
        except BaseException:
            process.kill()
            raise
    return code, lines


def read_events(path: Path) -> Iterator[Event]:
    """Yield the events of a file in order; stop where it is cut off."""
    with open(path, "rb") as file:
        while (event := _read_event(file)) is not None:
            yield event


def _read_event(file: BinaryIO) -> Event | None:
    length = file.read(4)
    if len(length) < 4:
        return None
    (size,) = struct.unpack("<I", length)
    if size > _MOST_HEAD:
        return None
    text = file.read(size)
    if len(text) < size:
        return None
    fields = json.loads(text)
    arrays = {}
    for name, dtype, shape in fields.pop("arrays"):
        kind = np.dtype(dtype)
        count = int(np.prod(shape, dtype=np.int64))
        raw = file.read(count * kind.itemsize)
        if len(raw) < count * kind.itemsize:
            return None
        arrays[name] = np.frombuffer(raw, kind).reshape(shape)
    return Event(fields.pop("event"), fields, arrays)
