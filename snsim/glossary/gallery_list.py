"""The nets of the gallery for `snsim list net`: paper, weights, published figures, misses of the shipped weights.

Some nets compute their examples when they are read, which takes a second for all of them. So the list is kept in the
cache folder, under a digest of the gallery and of the code that reads it, and is only made again when one has changed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snsim import __version__
from snsim.cache_folder import cache_folder, read_checked, write_checked
from snsim.errors import SnError, passes_text
from snsim.gallery import gallery_doc, gallery_folder, gallery_names, shipped_weights, weights_summary

if TYPE_CHECKING:
    from snsim.program import Program
    from snsim.training.spec import Training

_MARK = b"snsim gallery 1\n"
_MOST_BYTES = 1 << 22  # of the list in the cache
_CODE = ("data", "language", "lush", "network", "runtime", "sn28", "training")  # what the list depends on


def gallery_entry(name: str) -> dict[str, Any]:
    """Return what is known of a gallery net, for `--json`: its comment, its trainings, its shipped weights."""
    kept = _kept_entries()
    return _read_entry(name) if kept is None else next(entry for entry in kept if entry["name"] == name)


def _read_entry(name: str) -> dict[str, Any]:
    from snsim.program import read_program  # slow to import, and not needed for the list in the cache

    program = read_program(gallery_folder() / f"{name}.sn", port=io.StringIO())
    weights = shipped_weights(name)
    return {
        "name": name,
        "doc": gallery_doc(name),
        "trainings": [_training(training, program) for training in program.own_trainings],
        "shipped": None
        if weights is None
        else {
            key: getattr(weights, key)
            for key in (
                "data",
                "passes",
                "seed",
                "train_misses",
                "train_patterns",
                "test_misses",
                "test_patterns",
                "command",
            )
        },
    }


def gallery_text(entry: dict[str, Any]) -> list[str]:
    """Return the lines on a gallery net: what its file says, a line for each training, its shipped weights."""
    lines = [entry["doc"]]
    for training in entry["trainings"]:
        published = ", ".join(f"{name} {value:g}" for name, value in training["published"].items())
        head = "" if training["name"] == entry["name"] else f"{training['name']}: "
        data = f" over {training['data'][0]}" if training["data"] else ""
        lines.append(
            f"{head}{training['weights']:,} weights; {passes_text(training['passes'])}{data}; "
            + (f"published: {published}" if published else "no published figures")
        )
    if entry["shipped"]:
        lines.append(f"shipped weights, {weights_summary(entry['shipped'])}")
    return lines


def gallery_entries() -> list[dict[str, Any]]:
    """Return what is known of all gallery nets."""
    entries = _kept_entries()
    if entries is None:
        entries = [_read_entry(name) for name in gallery_names()]
        if (path := _path()) is not None:
            write_checked(path, _MARK, json.dumps({"key": _key(), "entries": entries}).encode())
    return entries


def _kept_entries() -> list[dict[str, Any]] | None:
    """Return the entries in the cache; None if there are none, or if they are those of another gallery or snsim."""
    path = _path()
    content = None if path is None else read_checked(path, _MARK, _MOST_BYTES)
    if content is None:
        return None
    kept: dict[str, Any] = json.loads(content)
    entries: list[dict[str, Any]] = kept["entries"]
    return entries if kept["key"] == _key() else None


def _path() -> Path | None:
    try:
        return cache_folder() / "gallery"
    except SnError:
        return None


def _key() -> str:
    """Return a digest of all on which the list depends: the files of the gallery, and snsim's code that reads them."""
    package = Path(__file__).resolve().parent.parent
    folders = [gallery_folder(), *(package / name for name in _CODE)]
    parts = (str(folders[0]), __version__, sorted(file for folder in folders for file in _files(folder)))
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _files(folder: str | os.PathLike[str]) -> Iterator[tuple[str, int, int]]:
    """Yield path, size and time of the last change of the files below a folder."""
    with os.scandir(folder) as found:
        for entry in found:
            if entry.is_dir() and entry.name != "__pycache__":
                yield from _files(entry.path)
            elif entry.is_file():
                status = entry.stat()
                yield entry.path, status.st_size, status.st_mtime_ns


def _training(training: Training, program: Program) -> dict[str, Any]:
    return {
        "name": training.name,
        "net": training.net.name,
        "weights": training.net.counts.weights,
        "connections": training.net.counts.connections,
        "passes": training.passes,
        "data": list(training.data.names),
        "published": dict(training.published),
    }
