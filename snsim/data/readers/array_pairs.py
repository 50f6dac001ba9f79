"""Read inputs and labels from files of one array each: npy, idx, or any kind that `(patterns ...)` reads."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from snsim.array_files import read_npy
from snsim.data.formats import is_idx, read_idx_file
from snsim.data.patterns import read_patterns
from snsim.data.reader_options import PICTURE_OPTIONS
from snsim.data.reader_shelf import (
    MOST_BYTES,
    RawData,
    ReadRequest,
    add_reader,
    file_record,
    first_bytes,
    part_of,
    partner,
    raw_data,
)
from snsim.errors import SnError, Span, fail
from snsim.input_files import open_file, shown

_PAIRS = (
    ("images-idx3", "labels-idx1"),
    ("images", "labels"),
    ("inputs", "targets"),
    ("data", "target"),
    ("x", "y"),
    ("X", "y"),
)
_NPY_FOLDERS = (
    ("x_train.npy", "y_train.npy", "x_test.npy", "y_test.npy"),
    ("x.npy", "y.npy"),
    ("X.npy", "y.npy"),
    ("images.npy", "labels.npy"),
)


def _recognise_npy(path: Path, start: bytes) -> tuple[Path, ...] | None:
    if path.is_dir():
        for names in _NPY_FOLDERS:
            there = tuple(path / name for name in names if (path / name).is_file())
            if len(there) >= 2 and len(there) % 2 == 0:
                return there
        return None
    return _with_partner(path, "npy") if start[:6] == b"\x93NUMPY" else None


def _recognise_idx(path: Path, start: bytes) -> tuple[Path, ...] | None:
    if path.is_dir():
        return _idx_folder(path)
    return _with_partner(path, "idx") if is_idx(_unpacked_start(start)) else None


def _with_partner(path: Path, kind: str) -> tuple[Path, ...]:
    other = partner(path, _PAIRS)
    if other is None:
        raise fail(
            f"{shown(path)} has no labels: the folder has no file of labels whose name matches",
            hint=f'name both in the description: (data ({kind} "INPUTS" "LABELS")); or name an npz file or a folder',
        )
    return path, other


def _idx_folder(folder: Path) -> tuple[Path, ...] | None:
    """Return the two or four files of a folder laid out like MNIST; None for any other folder."""
    found: dict[tuple[str, str], Path] = {}
    for file in sorted(folder.iterdir()):
        lower = file.name.lower()
        kind = "images" if "image" in lower else "labels" if "label" in lower else ""
        part = "test" if "t10k" in lower or "test" in lower else "train"
        if kind and file.is_file() and is_idx(_unpacked_start(first_bytes(file))):
            found.setdefault((part, kind), file)
    keys = [(part, kind) for part in ("train", "test") for kind in ("images", "labels")]
    if not all(key in found for key in keys[:2]):
        return None
    return tuple(found[key] for key in (keys if all(key in found for key in keys) else keys[:2]))


def _unpacked_start(start: bytes) -> bytes:
    if start[:2] != b"\x1f\x8b":
        return start
    try:
        return zlib.decompressobj(wbits=31).decompress(start, 64)
    except zlib.error:
        return b""


@add_reader("npy", '(npy "X" "Y" ["TEST-X" "TEST-Y"] option ...)', _recognise_npy, (2, 4), PICTURE_OPTIONS)
def read_npy_files(request: ReadRequest) -> RawData:
    """Read an npy file of inputs and one of labels or targets.

    Inputs are (patterns, features), (patterns, rows, columns) or (patterns, rows, columns, channels). Whole numbers in
    one dimension are classes, decimals and rows are targets. Two more files are the test part.
    """
    return _read(request, _read_npy)


@add_reader(
    "idx", '(idx "IMAGES" "LABELS" ["TEST-IMAGES" "TEST-LABELS"] option ...)', _recognise_idx, (2, 4), PICTURE_OPTIONS
)
def read_idx_files(request: ReadRequest) -> RawData:
    """Read idx files, the format of MNIST: images and labels of any size and element type, gzip or not.

    Two more files are the test part. Both byte orders are read.
    """
    return _read(request, _read_idx)


def _read_npy(path: Path, span: Span | None) -> np.ndarray:
    with open_file(path, MOST_BYTES, span, what="an npy file") as file:
        return read_npy(file, path.name, MOST_BYTES, span)


def _read_idx(path: Path, span: Span | None) -> np.ndarray:
    try:
        with open_file(path, MOST_BYTES, span, what="an idx file") as file:
            return read_idx_file(file, shown(path.name), MOST_BYTES)
    except SnError as error:
        raise SnError(replace(fault, span=fault.span or span) for fault in error.faults) from None


def _read(request: ReadRequest, read: Callable[[Path, Span | None], np.ndarray]) -> RawData:
    """Read pairs of files: inputs and answers of training, and of the test if there are four."""
    files, span = request.files, request.span
    arrays = [read(file, span) for file in files]
    names = [shown(file.name) for file in files]
    pairs = range(0, len(files), 2)
    parts = [part_of(arrays[n], arrays[n + 1], names[n], names[n + 1], span) for n in pairs]
    return raw_data(parts, tuple(file_record(file, request) for file in files), [names[n + 1] for n in pairs], span)


@add_reader("patterns", '(patterns "INPUTS" "TARGETS" option ...)', lambda path, start: None, (2,), PICTURE_OPTIONS)
def read_pattern_files(request: ReadRequest) -> RawData:
    """Read a file of inputs and one of targets or labels: npy, idx, a text of numbers or a matrix of SN.

    Without options it is read as in SN-2.8: whole numbers in one dimension are class numbers from 0.
    """
    return _read(request, read_patterns)
