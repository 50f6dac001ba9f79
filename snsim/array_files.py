"""Read arrays from npz, npy and safetensors files that may be damaged or hostile.

The headers are read first. Names, types and shapes are checked against the size of the file before any memory is
allocated for elements. Nothing is unpickled. Every problem is a fault with its numbers.

Formats: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html (npy; an npz is a zip file of them) and
https://github.com/huggingface/safetensors (8 bytes: length of the header; the header in JSON; the elements).
"""

from __future__ import annotations

import io
import json
import math
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO

import numpy as np

from snsim.data_classes import dataclass
from snsim.errors import SnError, Span, fail
from snsim.input_files import copy_into, open_file, shown, unreadable

if TYPE_CHECKING:
    import zipfile

_MOST_DIMENSIONS = 32
_MOST_HEADER = 10_000  # bytes of the header of one npy file: NumPy's own limit
_MOST_JSON = 16_000_000  # bytes of the header of a safetensors file
_DEFLATE = 1032  # the most bytes that one compressed byte expands to
_NPY_MAGIC, _ZIP_MAGIC = b"\x93NUMPY", b"PK"
_SAFETENSORS_TYPES = {
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
    "I8": "<i1",
    "I16": "<i2",
    "I32": "<i4",
    "I64": "<i8",
    "U8": "<u1",
    "U16": "<u2",
    "U32": "<u4",
    "U64": "<u8",
    "BOOL": "|b1",
}
_FROM_TORCH = "save a model of PyTorch as safetensors: safetensors.torch.save_file(model.state_dict(), FILE)"
_AGAIN = "write the file again: numpy.savez(FILE, name=array, ...), or safetensors.numpy.save_file(arrays, FILE)"


@dataclass(frozen=True)
class Header:
    """Type and shape of an array in a file, known before the array is read."""

    dtype: np.dtype
    shape: tuple[int, ...]
    by_columns: bool = False  # in Fortran order

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


class ArrayFile:
    """An open file of arrays: the `headers` by name, and `read`, which returns the array with a name.

    `refused` has the names of the arrays that were skipped, with the reasons (only with `with_texts`).
    """

    def __init__(
        self,
        path: Path,
        headers: Mapping[str, Header],
        metadata: Mapping[str, str],
        read: Callable[[str], np.ndarray],
        refused: Mapping[str, str] | None = None,
    ):
        self.path = path
        self.headers = headers
        self.metadata = metadata
        self.read = read
        self.refused = refused or {}


class _DamageError(Exception):
    """A problem in a file, in words, and what to do."""

    def __init__(self, reason: str, hint: str = _AGAIN):
        super().__init__(reason)
        self.hint = hint


class _OtherTypeError(_DamageError):
    """An array whose type is not one of plain numbers."""


@contextmanager
def open_arrays(
    path: Path,
    most: int,
    span: Span | None = None,
    what: str = "a file of arrays",
    hint: str = _AGAIN,
    with_texts: bool = False,
) -> Iterator[ArrayFile]:
    """Open an npz or safetensors file of at most `most` bytes. SnError, at `span`, if it is missing or damaged.

    `hint` is the remedy for a file that is missing or too large. `with_texts`: also read arrays of texts, and skip
    arrays of other types.
    """
    with open_file(path, most, span, hint, what) as file, _as_faults(path, span):
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        start = file.read(8)
        if start[:2] == _ZIP_MAGIC:
            yield _open_npz(path, file, size, span, with_texts)
        elif start[:6] == _NPY_MAGIC:
            raise _DamageError("it is one array without a name (npy)", "give it a name: numpy.savez(FILE, NAME=...)")
        else:
            yield _open_safetensors(path, file, start, size, span)


def read_npy(file: BinaryIO, name: str, most: int, span: Span | None = None) -> np.ndarray:
    """Return the array of an open npy file. SnError if it is damaged or larger than `most` bytes."""
    with _as_faults(name, span):
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        header, begin = _read_npy_header(file)
        if size != begin + header.nbytes:
            raise _DamageError(
                f"it has {size:,} bytes, {_sized(header)} take {begin + header.nbytes:,}",
                "write it again: numpy.save(FILE, array)",
            )
        _check_size(header, most)
        return _elements(file, header)


@contextmanager
def _as_faults(name: object, span: Span | None) -> Iterator[None]:
    """Turn problems in a file into faults at `span`."""
    try:
        yield
    except _DamageError as damage:
        message = f"{shown(str(name))} is damaged or holds no plain arrays: {damage}"
        raise fail(message, span, hint=damage.hint) from None
    except OSError as error:
        raise unreadable(str(name), error, span) from None


def _check_size(header: Header, most: int) -> None:
    if header.nbytes > most:
        raise _DamageError(f"its {_sized(header)} take {header.nbytes:,} bytes, at most {most:,} are read")


def _elements(file: IO[bytes], header: Header) -> np.ndarray:
    array = np.empty(math.prod(header.shape), header.dtype)
    done = copy_into(file, array.view(np.uint8).data) if array.size else 0
    if done != header.nbytes:
        raise _DamageError(f"it ends early: it has {done:,} bytes, {_sized(header)} take {header.nbytes:,}")
    return array.reshape(header.shape, order="F" if header.by_columns else "C")


def _sized(header: Header) -> str:
    return f"{' x '.join(map(str, header.shape)) or 'one'} elements of {header.dtype.itemsize} bytes"


# ---- npy ---------------------------------------------------------------------------------------------------------

_NPY_ENTRY = re.compile(r"""(?:'([^']*)'|"([^"]*)"):(?:'([^']*)'|"([^"]*)"|(True|False)|\(([\d,L]*)\))(?:,|$)""")


def _read_npy_header(file: IO[bytes], with_texts: bool = False) -> tuple[Header, int]:
    """Read the header of an npy file. Return it and the offset of the first element in bytes.

    NumPy's own reader allocates memory for any length that a header claims, and parses it as Python.
    """
    start = file.read(8)
    if len(start) < 8 or start[:6] != _NPY_MAGIC:
        raise _DamageError(f"an array begins with {start[:6].hex() or 'nothing'}, expected {_NPY_MAGIC.hex()}")
    width = 2 if start[6] == 1 else 4
    if start[6] not in (1, 2, 3):
        raise _DamageError(f"version {start[6]} of the npy format is unknown, expected 1 to 3")
    length = int.from_bytes(file.read(width), "little")
    if length > _MOST_HEADER:
        raise _DamageError(f"the header of an array claims {length:,} bytes, at most {_MOST_HEADER:,} are allowed")
    text = file.read(length)
    if len(text) < length:
        raise _DamageError(f"it ends in the header of an array, after {len(text)} of {length} bytes")
    return _parse_npy_header(text.decode("latin-1"), with_texts), 8 + width + length


def _parse_npy_header(text: str, with_texts: bool) -> Header:
    inside = re.sub(r"\s+", "", text)
    values: dict[str, str | bool | tuple[int, ...]] = {}
    if inside.startswith("{") and inside.endswith("}"):
        inside, at = inside[1:-1], 0
        while at < len(inside) and (entry := _NPY_ENTRY.match(inside, at)):
            single, double, one, other, truth, sizes = entry.groups()
            value: str | bool | tuple[int, ...] = one if one is not None else other
            if truth is not None:
                value = truth == "True"
            elif sizes is not None:
                value = tuple(int(size[:20]) for size in re.findall(r"\d+", sizes))
            values[single if single is not None else double] = value
            at = entry.end()
        if at < len(inside):
            values.clear()
    descr, by_columns, shape = values.get("descr"), values.get("fortran_order"), values.get("shape")
    if len(values) != 3 or not isinstance(by_columns, bool) or not isinstance(shape, tuple):
        raise _DamageError("the header of an array does not state type, order and shape of plain numbers")
    is_text = with_texts and isinstance(descr, str) and re.fullmatch(r"[<>=]?U[0-9]{1,4}", descr)
    if not isinstance(descr, str) or not (is_text or re.fullmatch(r"[<>|=]?(?:f[248]|[iu][1248]|b1|\?)", descr)):
        objects = ": it has objects of Python, which are never read" if str(descr).endswith("O") else ""
        raise _OtherTypeError(
            f'an array has the type "{shown(str(descr)[:20])}", which is not one of plain numbers{objects}',
            "give numbers: array.astype('float32')",
        )
    if len(shape) > _MOST_DIMENSIONS:
        raise _DamageError(f"an array has {len(shape)} dimensions, at most {_MOST_DIMENSIONS} are allowed")
    return Header(np.dtype(descr), shape, by_columns)


# ---- npz ---------------------------------------------------------------------------------------------------------

_ZIP_ERRORS = (
    zlib.error,
    ValueError,
    KeyError,
    IndexError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OverflowError,
    struct.error,
    UnicodeError,
)  # zipfile raises any of these, or BadZipFile, for a damaged file


def _open_npz(path: Path, file: BinaryIO, size: int, span: Span | None, with_texts: bool) -> ArrayFile:
    from zipfile import ZipFile  # with all packers behind it: only for a file that needs it

    with _zip_damage():
        archive = ZipFile(file)
    headers: dict[str, Header] = {}
    entries: dict[str, zipfile.ZipInfo] = {}
    refused: dict[str, str] = {}
    for entry in archive.infolist():
        key = entry.filename.removesuffix(".npy")
        if key == entry.filename:
            raise _DamageError(f'it is a zip file of other things than arrays: "{shown(key)}"', _FROM_TORCH)
        if key in headers:
            raise _DamageError(f'it holds "{shown(key)}" twice')
        if entry.compress_size > size or entry.file_size > entry.compress_size * _DEFLATE:
            raise _DamageError(
                f'it says that "{shown(key)}" has {entry.file_size:,} bytes, compressed to '
                f"{entry.compress_size:,}; the whole file has {size:,}"
            )
        try:
            headers[key], entries[key] = _npz_header(archive, entry, key, with_texts), entry
        except _OtherTypeError as reason:
            if not with_texts:
                raise
            refused[key] = str(reason)
    if sum(entry.compress_size for entry in entries.values()) > size:
        raise _DamageError(f"its arrays overlap: together they claim more than its {size:,} bytes")

    def read(key: str) -> np.ndarray:
        with _as_faults(path, span), _zip_damage(key), archive.open(entries[key]) as member:
            _read_npy_header(member, with_texts)
            array = _elements(member, headers[key])
            if member.read(1):  # at the end zipfile compares the checksum
                raise _DamageError(f'"{shown(key)}" is longer than its header says')
            return array

    return ArrayFile(path, headers, {}, read, refused)


def _npz_header(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, key: str, with_texts: bool) -> Header:
    if entry.flag_bits & 1:
        raise _DamageError(f'"{shown(key)}" is encrypted')
    from zipfile import ZIP_DEFLATED, ZIP_STORED

    if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise _DamageError(
            f'"{shown(key)}" is compressed by method {entry.compress_type}, expected 0 (none) or 8 (deflate)'
        )
    with _zip_damage(key), archive.open(entry) as member:
        header, begin = _read_npy_header(member, with_texts)
    if entry.file_size != begin + header.nbytes:
        raise _DamageError(
            f'"{shown(key)}" has {entry.file_size:,} bytes, its {_sized(header)} take {begin + header.nbytes:,}'
        )
    return header


@contextmanager
def _zip_damage(key: str = "") -> Iterator[None]:
    from zipfile import BadZipFile

    try:
        yield
    except SnError:
        raise
    except (BadZipFile, *_ZIP_ERRORS) as error:
        where = f'"{shown(key)}": ' if key else ""
        reason = str(error) or type(error).__name__
        if reason == "File is not a zip file":  # zipfile found no directory, which is at the end of a file
            reason = "the end of the zip file is missing"
        raise _DamageError(where + shown(reason)) from None


# ---- safetensors -------------------------------------------------------------------------------------------------


def _open_safetensors(path: Path, file: BinaryIO, start: bytes, size: int, span: Span | None) -> ArrayFile:
    length = int.from_bytes(start, "little")
    if len(start) < 8 or file.read(1) != b"{":
        raise _DamageError("it is neither an npz nor a safetensors file", "give an npz or safetensors file")
    if length > min(size - 8, _MOST_JSON):
        raise _DamageError(
            f"its header claims {length:,} bytes, and {size - 8:,} follow (at most {_MOST_JSON:,} are read)"
        )
    try:
        entries = json.loads(b"{" + file.read(length - 1), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise _DamageError(f"its header is not JSON: {shown(str(error))}") from None
    if not isinstance(entries, dict):
        raise _DamageError("its header is not a JSON object")
    metadata = entries.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _DamageError("its __metadata__ are not texts by name")
    headers, places = {}, {}
    for key, entry in entries.items():
        headers[key], places[key] = _safetensors_entry(key, entry)
    end = 0
    for key, (begin, stop) in sorted(places.items(), key=lambda item: item[1]):
        if begin != end:
            raise _DamageError(
                f'"{shown(key)}" begins at byte {begin:,}, expected {end:,}, where the array before it ends'
            )
        end = stop
    if 8 + length + end != size:
        raise _DamageError(f"it has {size:,} bytes, its header and arrays take {8 + length + end:,}")

    def read(key: str) -> np.ndarray:
        with _as_faults(path, span):
            file.seek(8 + length + places[key][0])
            return _elements(file, headers[key])

    return ArrayFile(path, headers, metadata, read)


def _safetensors_entry(key: str, entry: object) -> tuple[Header, tuple[int, int]]:
    """Return the header of one array, and its first and last place in bytes."""
    what = f'"{shown(key)}"'
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise _DamageError(f"{what} must have a dtype, a shape and data_offsets, and nothing else")
    kind, shape, place = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(kind, str) or kind not in _SAFETENSORS_TYPES:
        raise _DamageError(
            f"{what} has the type {shown(str(kind)[:20])}, expected one of {', '.join(_SAFETENSORS_TYPES)}",
            "give the array another type before it is saved, such as float32",
        )
    if not _are_sizes(shape) or len(shape) > _MOST_DIMENSIONS:
        raise _DamageError(f"the shape of {what} is not a list of at most {_MOST_DIMENSIONS} sizes")
    if not _are_sizes(place) or len(place) != 2:
        raise _DamageError(f"the data_offsets of {what} are not two places in the file")
    header = Header(np.dtype(_SAFETENSORS_TYPES[kind]), tuple(shape))
    if place[1] - place[0] != header.nbytes:
        raise _DamageError(
            f"{what} is at bytes {place[0]:,} to {place[1]:,}, its {_sized(header)} take {header.nbytes:,}"
        )
    return header, (place[0], place[1])


def _are_sizes(value: object) -> bool:
    return isinstance(value, list) and all(type(x) is int and 0 <= x < 2**63 for x in value)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise ValueError("a name occurs twice in it")
    return entries
