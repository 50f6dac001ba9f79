"""Bytes of a file -> arrays: MNIST's idx files, the zip-code text, SN's matrices (binary and `.MAT` text).

Every function takes the file's content and the name it is shown under, and raises SnError with that name, what was
expected and what was found. Nothing is allocated before the content is known to be long enough.
"""

from __future__ import annotations

import math
import struct
import warnings

import numpy as np

from snsim.errors import SnError, fail

_MOST_DIMENSIONS = 8

_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

# SN's magic numbers: element type and what one unit of it is worth ("packed" holds sixteenths in one byte)
_SN_TYPES = {
    0x1E3D4C51: ("f4", 1.0), 0x1E3D4C52: ("i1", 1 / 16), 0x1E3D4C53: ("f8", 1.0), 0x1E3D4C54: ("i4", 1.0),
    0x1E3D4C55: ("u1", 1.0), 0x1E3D4C56: ("i2", 1.0), 0x1E3D4C57: ("i1", 1.0),
}
_SN_TEXT = b".MAT"


def read_idx(content: bytes, name: str) -> np.ndarray:
    """An idx file (the format of MNIST): big-endian 0x00 0x00, type, number of dimensions, sizes, elements.

    Returns a read-only view of `content` in the file's own element type.
    """
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _IDX_TYPES or not content[3]:
        raise fail(f"{name} is not an idx file: it begins with {_shown(content)}, expected 0000, a type from 08 to 0e "
                   "and the number of dimensions", hint="MNIST's images begin with 00000803, its labels with 00000801")
    dimensions = content[3]
    if len(content) < 4 + 4 * dimensions:
        raise _short(name, f"a header of {4 + 4 * dimensions} bytes", len(content))
    shape = struct.unpack_from(f">{dimensions}I", content, 4)
    kind = np.dtype(_IDX_TYPES[content[2]])
    wanted = 4 + 4 * dimensions + math.prod(shape) * kind.itemsize
    if len(content) != wanted:
        more = "" if len(content) < wanted else "; an idx file ends with its last element"
        raise fail(f"{name} has {len(content)} bytes, expected {wanted} for {_sizes(shape)} elements{more}")
    return np.frombuffer(content, kind, math.prod(shape), 4 + 4 * dimensions).reshape(shape)


def read_zip_text(content: bytes, name: str, rows: int = 16, columns: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """The zip-code digits as text, one a line: the class, then rows x columns grey values from -1 to 1.

    Returns pictures (n, rows, columns) float64 and labels (n,) int64. Blanks are not counted: the two files of the
    set write them differently.
    """
    values = _numbers(content, name)
    width = 1 + rows * columns
    if not len(values) or len(values) % width:
        raise fail(f"{name} has {len(values)} numbers, expected a multiple of {width}: a class and {rows} x {columns} "
                   "grey values a line")
    table = values.reshape(-1, width)
    labels = table[:, 0].astype(np.int64)
    wrong = np.flatnonzero((labels != table[:, 0]) | (labels < 0) | (labels > 9))
    if len(wrong):
        raise fail(f"{name}: the class of digit {wrong[0]} is {table[wrong[0], 0]:g}, expected 0 to 9 "
                   f"({len(wrong)} of {len(labels)} digits are so)")
    pictures = table[:, 1:].reshape(-1, rows, columns)
    outside = np.flatnonzero((np.abs(pictures) > 1).any(axis=(1, 2)))
    if len(outside):
        worst = pictures[outside[0]].flat[np.abs(pictures[outside[0]]).argmax()]
        raise fail(f"{name}: digit {outside[0]} has the grey value {worst:g}, expected -1 to 1")
    return np.ascontiguousarray(pictures), labels


def read_digits_csv(content: bytes, name: str) -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's small digits: lines of 64 counts from 0 to 16 (8 x 8) and the class.

    Returns counts (n, 8, 8) float64 and labels (n,) int64.
    """
    values = _numbers(content.replace(b",", b" "), name)
    if not len(values) or len(values) % 65:
        raise fail(f"{name} has {len(values)} numbers, expected a multiple of 65: 8 x 8 counts and the class a line")
    table = values.reshape(-1, 65)
    if table[:, :64].min() < 0 or table[:, :64].max() > 16:
        raise fail(f"{name} has counts from {table[:, :64].min():g} to {table[:, :64].max():g}, expected 0 to 16")
    return table[:, :64].reshape(-1, 8, 8), table[:, 64].astype(np.int64)


def read_matrix(content: bytes, name: str) -> np.ndarray:
    """A matrix as SN's `save-matrix` or `save-ascii-matrix` wrote it; float64 whatever the file's element type.

    Binary: magic, number of dimensions, sizes (32 bits each, in the writer's byte order; the sizes of one or two
    dimensions are padded with 1 to three), elements by rows. What follows the last element is ignored, as SN did.
    """
    if content[:4] == _SN_TEXT:
        return _read_text_matrix(content, name)
    for order in "<>":
        if len(content) >= 8:
            magic, dimensions = struct.unpack_from(f"{order}2i", content)
            if magic in _SN_TYPES:
                return _read_binary_matrix(content, name, order, *_SN_TYPES[magic], dimensions)
    raise fail(f"{name} is not an SN matrix: it begins with {_shown(content)}, expected 1e3d4c51 to 1e3d4c57 in either "
               "byte order, or the characters .MAT")


def _read_binary_matrix(content: bytes, name: str, order: str, kind: str, unit: float, dimensions: int) -> np.ndarray:
    if not 1 <= dimensions <= _MOST_DIMENSIONS:
        raise fail(f"{name} claims {dimensions} dimensions, expected 1 to {_MOST_DIMENSIONS}")
    start = 8 + 4 * max(3, dimensions)
    if len(content) < start:
        raise _short(name, f"a header of {start} bytes", len(content))
    shape = struct.unpack_from(f"{order}{dimensions}i", content, 8)
    count = _count(shape, name)
    element = np.dtype(order + kind)
    if len(content) < start + count * element.itemsize:
        raise _short(name, f"{start + count * element.itemsize} for {_sizes(shape)} elements of {element.itemsize} "
                           f"byte{'s' if element.itemsize > 1 else ''}", len(content))
    values = np.frombuffer(content, element, count, start).astype(np.float64) * unit
    return _finite(values, name).reshape(shape)


def _read_text_matrix(content: bytes, name: str) -> np.ndarray:
    """`.MAT`, the number of dimensions, the sizes, then the numbers, in any layout."""
    words = content[4:].split(None, _MOST_DIMENSIONS + 1)
    dimensions = _whole(words[0] if words else b"", name, "the number of dimensions")
    if not 1 <= dimensions <= _MOST_DIMENSIONS:
        raise fail(f"{name} claims {dimensions} dimensions, expected 1 to {_MOST_DIMENSIONS}")
    if len(words) < 1 + dimensions:
        raise fail(f"{name} ends after {len(words) - 1} sizes, expected {dimensions}")
    shape = tuple(_whole(word, name, "a size") for word in words[1:1 + dimensions])
    count = _count(shape, name)
    first = 1 + dimensions
    numbers = content[4:].split(None, min(first + count, len(content)))[first:first + count]
    if len(numbers) < count:
        raise fail(f"{name} has {len(numbers)} numbers, expected {count} for {_sizes(shape)}")
    return _numbers(b" ".join(numbers), name).reshape(shape)


def _numbers(text: bytes, name: str) -> np.ndarray:
    """All numbers of a text; SnError at the first word that is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            values = np.fromstring(text, dtype=np.float64, sep=" ") if text.strip() else np.empty(0)
        except (DeprecationWarning, ValueError):
            raise _not_a_number(text, name) from None
    return _finite(values, name)


def _not_a_number(text: bytes, name: str) -> SnError:
    for place, word in enumerate(text.split()):
        try:
            float(word)
        except ValueError:
            return fail(f'{name}: word {place + 1} is "{_plain(word)}", expected a number')
    return fail(f"{name} is not a text of numbers")


def _finite(values: np.ndarray, name: str) -> np.ndarray:
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        raise fail(f"{name}: number {wrong[0] + 1} of {len(values)} is {values[wrong[0]]}; "
                   f"{len(wrong)} of them are no finite number")
    return values


def _count(shape: tuple[int, ...], name: str) -> int:
    if min(shape) < 1:
        raise fail(f"{name} claims the sizes {_sizes(shape)}, expected every size to be 1 or more")
    return math.prod(shape)


def _whole(word: bytes, name: str, what: str) -> int:
    if not word.isdigit() or len(word) > 12:
        raise fail(f'{name}: {what} is "{_plain(word)}", expected a whole number')
    return int(word)


def _short(name: str, expected: str, found: int) -> SnError:
    return fail(f"{name} ends early: it has {found} bytes, expected {expected}")


def _sizes(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _shown(content: bytes) -> str:
    return content[:4].hex() or "nothing"


def _plain(word: bytes) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in word[:20].decode("latin-1"))
