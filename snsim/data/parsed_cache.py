"""Keep the arrays of data sets in the cache folder, so that packed files are unpacked and parsed only once.

An entry is one file: a line `snsim arrays 1`, a line of JSON, then the arrays as raw numbers.

    {"digest": "...", "arrays": [["train", "inputs", "<f8", [7291, 16, 16]], ["train", "labels", "<i8", [7291]], ...]}

An entry of own files also has "about", with the names of classes and columns, and "about_digest".
Each array begins at a multiple of 64 bytes. `digest` is that of `examples.digest`, and it is checked when an entry is
read: a damaged entry is read as if there was none, and written again. Nothing in an entry is executed.

The arrays are mapped into memory, so processes that read the same set share it. A change of such an array changes
neither the file nor the array of another process.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from snsim import __version__
from snsim.cache_folder import UnsafeCacheError, cache_folder, open_entry, private_folder, warn_once, write_entry
from snsim.data.examples import Split, digest
from snsim.data_classes import dataclass
from snsim.errors import SnError

MOST_BYTES = 1 << 29  # of all entries; the ones that were not used for the longest time are removed first
SOURCES = ("catalog.py", "formats.py", "scaling.py")  # which read the data sets of the catalogue
_MARK = b"snsim arrays 1\n"
_MOST_OF_HEAD = 1 << 14  # bytes of the line of JSON
_ALIGNMENT = 64
_TYPES = ("<f4", "<f8", "<i4", "<i8", "|i1", "|u1")
_ROLES = ("inputs", "labels", "targets")
_SUFFIX = ".arrays"
_STALE = 3600  # seconds after which a draft belongs to a writer that was killed


@dataclass(frozen=True, eq=False)
class ParsedSet:
    """The two parts of a data set, and their digest. `test` is None for files without a test part."""

    train: Split
    test: Split | None
    digest: str
    about: Mapping[str, Any] | None = None  # what a reader of own files says besides


def entry_key(name: str, version: str, digests: Sequence[str], sources: tuple[str, ...] = SOURCES) -> str:
    """Return the key of an entry: a digest of everything on which the arrays depend.

    `version` is that of the reader, `digests` are those of the files as they lie on the disk, `sources` the modules
    that read them.
    """
    parts = ("1", __version__, _sources_digest(sources), name, version, *digests)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@cache
def _sources_digest(modules: tuple[str, ...]) -> str:
    """Return the digest of the modules that read data sets: a change of them makes all entries invalid."""
    total = hashlib.sha256()
    for module in modules:
        with suppress(OSError):
            total.update(Path(__file__).parent.joinpath(module).read_bytes())
    return total.hexdigest()


def read(key: str) -> ParsedSet | None:
    """Return the arrays of an entry; None if there is none, or if it is damaged or could have been changed by others.

    Another user's access is reported once as a `CacheWarning`.
    """
    folder = _folder()
    if folder is None:
        return None
    try:
        descriptor = open_entry(folder / (key + _SUFFIX))
        if descriptor is None:
            return None
        try:
            size = os.fstat(descriptor).st_size
            if not len(_MARK) < size <= MOST_BYTES:
                return None
            with suppress(OSError):
                os.utime(descriptor)  # when it was used last
            content = mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY)
        finally:
            os.close(descriptor)
    except UnsafeCacheError as reason:
        warn_once(reason)
        return None
    except (OSError, ValueError):
        return None
    return _parsed(content, size)


def write(key: str, parsed: ParsedSet) -> None:
    """Keep the arrays of a data set, and remove old entries if all together become too large.

    An entry that cannot be written costs only time, so nothing is raised.
    """
    folder, pieces = _folder(), _pieces(parsed)
    size = 0 if pieces is None else sum(len(piece) for piece in pieces)
    if folder is None or pieces is None or size > MOST_BYTES // 2:
        return
    try:
        private_folder(folder)
        _make_room(folder, size)
        write_entry(folder / (key + _SUFFIX), pieces)
    except UnsafeCacheError as reason:
        warn_once(reason)
    except OSError:
        pass


def clear() -> tuple[Path, int, int]:
    """Remove all entries. Return their folder, how many they were, and their bytes.

    UnsafeCacheError if another user can change the folder; OSError if an entry cannot be removed.
    """
    folder = cache_folder() / "parsed"
    if not os.path.lexists(folder):
        return folder, 0, 0
    entries = list(_entries(private_folder(folder)))
    for path, _, _ in entries:
        path.unlink(missing_ok=True)
    return folder, len(entries), sum(size for _, size, _ in entries)


def _folder() -> Path | None:
    """Return the folder of the entries; None if there is no cache folder, or on a machine with the high byte first."""
    if sys.byteorder != "little":
        return None
    try:
        return cache_folder() / "parsed"
    except SnError:
        return None


def _entries(folder: Path) -> Iterator[tuple[Path, int, float]]:
    """Yield the path of each entry and draft with its bytes and the time of its last use."""
    with os.scandir(folder) as found:
        for entry in found:
            if entry.name.endswith((_SUFFIX, ".part")) and entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                yield folder / entry.name, status.st_size, status.st_mtime


def _make_room(folder: Path, needed: int) -> None:
    """Remove drafts of writers that were killed, then the entries that were not used for the longest time."""
    entries = sorted(_entries(folder), key=lambda entry: entry[2])
    total = needed + sum(size for _, size, _ in entries)
    for path, size, used in entries:
        if path.suffix == ".part" and time.time() - used < _STALE:
            continue
        if path.suffix == ".part" or total > MOST_BYTES:
            path.unlink(missing_ok=True)
            total -= size


def _pieces(parsed: ParsedSet) -> list[memoryview] | None:
    """Return the content of an entry in pieces; None for arrays of a type that entries do not have."""
    described: list[tuple[str, str, str, list[int]]] = []
    arrays: list[np.ndarray] = []
    for part, split in (("train", parsed.train), ("test", parsed.test)):
        for role in _ROLES:
            array = getattr(split, role, None)
            if array is not None:
                if array.dtype.str not in _TYPES or not array.size:
                    return None
                described.append((part, role, array.dtype.str, list(array.shape)))
                arrays.append(np.ascontiguousarray(array))
    about = {} if parsed.about is None else {"about": parsed.about, "about_digest": _digest_of(parsed.about)}
    head = _MARK + json.dumps({"digest": parsed.digest, "arrays": described, **about}).encode() + b"\n"
    if len(head) > _MOST_OF_HEAD:
        return None
    pieces, end = [memoryview(head)], len(head)
    for array in arrays:
        pieces.append(memoryview(bytes(-end % _ALIGNMENT)))
        pieces.append(array.reshape(-1).data.cast("B"))
        end += -end % _ALIGNMENT + array.nbytes
    return pieces


def _parsed(content: mmap.mmap, size: int) -> ParsedSet | None:
    """Return the arrays in the content of an entry; None if it is damaged."""
    head_end = content.find(b"\n", len(_MARK), len(_MARK) + _MOST_OF_HEAD)
    if content[: len(_MARK)] != _MARK or head_end < 0:
        return None
    try:
        head = json.loads(content[len(_MARK) : head_end])
        splits = _arrays(head, content, head_end + 1, size)
        about = head.get("about")
        if about is not None and _digest_of(about) != head["about_digest"]:
            return None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if splits is None:
        return None
    train, test, stated = splits
    return ParsedSet(train, test, stated, about) if digest(train, test) == stated else None


def _digest_of(about: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _arrays(head: Any, content: mmap.mmap, end: int, size: int) -> tuple[Split, Split | None, str] | None:
    """Return the two parts and the digest that the head states. None, or an exception, if the head is damaged."""
    parts: dict[str, dict[str, np.ndarray]] = {"train": {}, "test": {}}
    for part, role, kind, shape in head["arrays"]:
        if role not in _ROLES or kind not in _TYPES or not all(type(n) is int and 0 < n <= size for n in shape):
            return None
        start, count = end + -end % _ALIGNMENT, math.prod(shape)
        end = start + count * np.dtype(kind).itemsize
        if end > size:
            return None
        parts[part][role] = np.frombuffer(content, kind, count, start).reshape(shape)
    if end != size:
        return None
    test = Split(**parts["test"]) if parts["test"] else None
    return Split(**parts["train"]), test, str(head["digest"])
