"""Read arrays from MNIST's idx files, the zip-code text, SN's matrices (binary and `.MAT` text), rows of numbers.

Every function takes the content of a file, or the open file, and the name it is shown under. It raises SnError with
that name, what was expected and what was found. Sizes that a file claims are compared with its length before memory is
taken. Texts are read piece by piece, so that a number takes the 8 bytes of its element and no object of Python.
"""

from __future__ import annotations

import io
import math
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from snsim.errors import SnError, Span, fail
from snsim.input_files import copy_into, foreign_format

_MOST_DIMENSIONS = 8
_IDX_HEADER = 4 + 4 * _MOST_DIMENSIONS  # bytes
_DAMAGED = "the file is damaged: write or download it again"

_IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: "i2", 0x0C: "i4", 0x0D: "f4", 0x0E: "f8"}

# SN's magic numbers: element type and what one unit of it is worth ("packed" holds sixteenths in one byte)
_SN_TYPES = {
    0x1E3D4C51: ("f4", 1.0),
    0x1E3D4C52: ("i1", 1 / 16),
    0x1E3D4C53: ("f8", 1.0),
    0x1E3D4C54: ("i4", 1.0),
    0x1E3D4C55: ("u1", 1.0),
    0x1E3D4C56: ("i2", 1.0),
    0x1E3D4C57: ("i1", 1.0),
}
_SN_TEXT = b".MAT"
_SN_HEADER = 4096  # bytes in which the sizes of a text matrix stand
_BOM = b"\xef\xbb\xbf"  # UTF-8's mark of byte order, which some editors put before a text
_PIECE = 1 << 18  # bytes of a text that are read at once
_LONGEST_LINE = 1 << 24  # bytes of a row of numbers
_LONGEST_WORD = 1000  # bytes of a number in a text
_DEFLATE = 1032  # the most bytes that one compressed byte can become


def read_idx(content: bytes, name: str) -> np.ndarray:
    """Return the array of an idx file, the format of MNIST.

    It is two zero bytes, type, number of dimensions, sizes, elements. All is big-endian; a file whose first four
    bytes stand in the opposite order is little-endian throughout. The array
    is a read-only view of `content` in the file's own element type.
    """
    dtype, shape, begin = _read_idx_header(content, name)
    size = begin + math.prod(shape) * dtype.itemsize
    if len(content) != size:
        more = "" if len(content) < size else "; an idx file ends with its last element"
        raise fail(
            f"{name} has {len(content)} bytes, expected {size} for {_sizes(shape)} elements{more}", hint=_DAMAGED
        )
    return np.frombuffer(content, dtype, math.prod(shape), begin).reshape(shape)


def read_idx_file(file: BinaryIO, name: str, most: int) -> np.ndarray:
    """Return the array of an open idx file, packed by gzip or not, of at most `most` bytes when it is unpacked.

    No more is unpacked than the header says.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    start = _unpacked(file, name, _IDX_HEADER) if packed else file.read(_IDX_HEADER)
    dtype, shape, begin = _read_idx_header(start, name)
    full_size = begin + math.prod(shape) * dtype.itemsize
    if full_size > (size * _DEFLATE if packed else size):
        raise fail(
            f"{name} has {size} bytes{' (gzip)' if packed else ''}, its header claims {full_size} for "
            f"{_sizes(shape)} elements",
            hint=_DAMAGED,
        )
    if full_size > most:
        raise fail(
            f"{name} holds {full_size:,} bytes for {_sizes(shape)} elements; such a file may hold {most:,}",
            hint="split it into files of fewer patterns",
        )
    file.seek(0)
    return read_idx(_unpacked(file, name, full_size + 1) if packed else file.read(full_size + 1), name)


def _read_idx_header(content: bytes, name: str) -> tuple[np.dtype, tuple[int, ...], int]:
    """Return the element type, the sizes, and where the elements begin."""
    order, magic = (">", content[:4]) if content[:2] == b"\0\0" else ("<", content[3::-1])
    if not is_idx(content):
        raise fail(
            f"{name} is not an idx file: it begins with {_shown(content)}, expected 0000, a type from 08 to 0e "
            "and the number of dimensions",
            hint="name an idx file: MNIST's images begin with 00000803, its labels with 00000801",
        )
    dimensions = magic[3]
    if dimensions > _MOST_DIMENSIONS:
        raise fail(f"{name} claims {dimensions} dimensions, expected 1 to {_MOST_DIMENSIONS}", hint=_DAMAGED)
    if len(content) < 4 + 4 * dimensions:
        raise _short(name, f"a header of {4 + 4 * dimensions} bytes", len(content))
    sizes = struct.unpack_from(f"{order}{dimensions}I", content, 4)
    return np.dtype(order + _IDX_TYPES[magic[2]]), sizes, 4 + 4 * dimensions


def is_idx(content: bytes) -> bool:
    """Tell whether content begins as an idx file does, in either byte order."""
    if len(content) < 4:
        return False
    zeros, kind, dimensions = (content[:2], content[2], content[3])
    if zeros != b"\0\0":
        zeros, kind, dimensions = content[2:4], content[1], content[0]
    return zeros == b"\0\0" and kind in _IDX_TYPES and dimensions > 0


def _unpacked(file: BinaryIO, name: str, most: int) -> bytes:
    """Return the first `most` bytes of the content of a gzip file; fewer if it holds fewer."""
    decompressor = zlib.decompressobj(wbits=31)
    pieces, done = [], 0
    try:
        while done < most and not decompressor.eof and (packed := decompressor.unconsumed_tail or file.read(_PIECE)):
            pieces.append(decompressor.decompress(packed, most - done))
            done += len(pieces[-1])
    except zlib.error as error:
        raise fail(f"{name} is a damaged gzip file: {error}", hint="download or write the file again") from None
    return b"".join(pieces)


_ANOTHER = "this may be another file of the same name: move it away, and `snsim data NAME` downloads the right one"


def read_zip_text(content: bytes, name: str, rows: int = 16, columns: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Read the zip-code digits from a text, one a line: the class, then rows x columns gray values from -1 to 1.

    Returns pictures (n, rows, columns) float64 and labels (n,) int64. Blanks are not counted: the two files of the
    set write them differently.
    """
    values = read_numbers(content, name)
    width = 1 + rows * columns
    if not len(values) or len(values) % width:
        raise fail(
            f"{name} has {len(values)} numbers, expected a multiple of {width}: each line holds a class and {rows} x "
            f"{columns} gray values",
            hint=_ANOTHER,
        )
    table = values.reshape(-1, width)
    labels = table[:, 0].astype(np.int64)
    wrong = np.flatnonzero((labels != table[:, 0]) | (labels < 0) | (labels > 9))
    if len(wrong):
        raise fail(
            f"{name}: the class of digit {wrong[0]} is {table[wrong[0], 0]:g}, expected 0 to 9 "
            f"({len(wrong)} of {len(labels)} digits have such a class)",
            hint=_ANOTHER,
        )
    pictures = table[:, 1:].reshape(-1, rows, columns)
    outside = np.flatnonzero((np.abs(pictures) > 1).any(axis=(1, 2)))
    if len(outside):
        worst = pictures[outside[0]].flat[np.abs(pictures[outside[0]]).argmax()]
        raise fail(f"{name}: digit {outside[0]} has the gray value {worst:g}, expected -1 to 1", hint=_ANOTHER)
    return np.ascontiguousarray(pictures), labels


def read_digits_csv(content: bytes, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Read scikit-learn's small digits: each line holds 64 counts from 0 to 16 (8 x 8) and the class.

    Returns counts (n, 8, 8) float64 and labels (n,) int64.
    """
    values = read_numbers(content.replace(b",", b" "), name)
    if not len(values) or len(values) % 65:
        raise fail(
            f"{name} has {len(values)} numbers, expected a multiple of 65: each line holds 8 x 8 counts and a class",
            hint=_ANOTHER,
        )
    table = values.reshape(-1, 65)
    if table[:, :64].min() < 0 or table[:, :64].max() > 16:
        raise fail(
            f"{name} has counts from {table[:, :64].min():g} to {table[:, :64].max():g}, expected 0 to 16",
            hint=_ANOTHER,
        )
    return table[:, :64].reshape(-1, 8, 8), table[:, 64].astype(np.int64)


def read_matrix(content: bytes | BinaryIO, name: str, most: int | None = None) -> np.ndarray:
    """Return a matrix that SN's `save-matrix` or `save-ascii-matrix` wrote, float64 whatever its element type.

    Binary: magic, number of dimensions, sizes (32 bits each, in the writer's byte order; the sizes of one or two
    dimensions are padded with 1 to three), elements by rows. Bytes after the last element are ignored, as in SN.
    `most` is the largest number of elements.
    """
    file = io.BytesIO(content) if isinstance(content, bytes) else content
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    start = file.read(_SN_HEADER)
    if start.removeprefix(_BOM).startswith(_SN_TEXT):
        return _read_text_matrix(file, start, size, name, most)
    for order in "<>":
        if len(start) >= 8:
            magic, dimensions = struct.unpack_from(f"{order}2i", start)
            if magic in _SN_TYPES:
                return _read_binary_matrix(file, start, size, name, order, *_SN_TYPES[magic], dimensions, most)
    known = foreign_format(start)
    raise fail(
        f"{name} is {known}, not an SN matrix"
        if known
        else f"{name} is not an SN matrix: it begins with {_shown(start)}, expected 1e3d4c51 to 1e3d4c57 in either "
        "byte order, or the characters .MAT",
        hint=SN_REMEDY,
    )


SN_REMEDY = "a text matrix is .MAT, the number of dimensions, the sizes and the numbers: .MAT 2 4 2 -1 -1 1 -1 1 1 -1 1"


def _read_binary_matrix(
    file: BinaryIO,
    head: bytes,
    size: int,
    name: str,
    order: str,
    code: str,
    unit: float,
    dimensions: int,
    most: int | None,
) -> np.ndarray:
    if not 1 <= dimensions <= _MOST_DIMENSIONS:
        raise fail(f"{name} claims {dimensions} dimensions, expected 1 to {_MOST_DIMENSIONS}", hint=_DAMAGED)
    start = 8 + 4 * max(3, dimensions)
    if len(head) < start:
        raise _short(name, f"a header of {start} bytes", size)
    shape = struct.unpack_from(f"{order}{dimensions}i", head, 8)
    count = _count(shape, name, most)
    element = np.dtype(order + code)
    if size < start + count * element.itemsize:
        raise _short(
            name,
            f"{start + count * element.itemsize} for {_sizes(shape)} elements of {element.itemsize} "
            f"byte{'s' if element.itemsize > 1 else ''}",
            size,
        )
    file.seek(start)
    values = np.empty(count, element)
    if copy_into(file, values.view(np.uint8).data) < values.nbytes:
        raise _short(name, f"{start + values.nbytes}", size)
    with np.errstate(invalid="ignore"):  # a NaN that signals
        numbers = values.astype(np.float64)
    numbers *= unit
    return _finite(numbers, name).reshape(shape)


def _read_text_matrix(file: BinaryIO, head: bytes, size: int, name: str, most: int | None) -> np.ndarray:
    """Read `.MAT`, the number of dimensions, the sizes, then the numbers, in any layout."""
    begin = head.index(_SN_TEXT) + len(_SN_TEXT)
    words = head[begin:].split(None, _MOST_DIMENSIONS + 1)
    dimensions = _whole(words[0] if words else b"", name, "the number of dimensions")
    if not 1 <= dimensions <= _MOST_DIMENSIONS:
        raise fail(f"{name} claims {dimensions} dimensions, expected 1 to {_MOST_DIMENSIONS}", hint=SN_REMEDY)
    if len(words) < 1 + dimensions:
        raise fail(f"{name} ends after {len(words) - 1} sizes, expected {dimensions}", hint=SN_REMEDY)
    shape = tuple(_whole(word, name, "a size") for word in words[1 : 1 + dimensions])
    count = _count(shape, name, most)
    sizes = re.match(rb"\s*" + rb"\S+\s*" * (1 + dimensions), head[begin:])
    file.seek(begin + (sizes.end() if sizes else 0))
    if count > size // 2 + 1:  # a number and a blank take two bytes
        raise _too_few(sum(len(piece.split()) for piece in _pieces(file)), count, shape, name)
    lines = head[: file.tell()].count(b"\n")
    numbers = _read_into(file, np.empty(count), name, lines)
    if len(numbers) < count:
        raise _too_few(len(numbers), count, shape, name)
    return _finite(numbers, name).reshape(shape)


def _too_few(numbers: int, count: int, shape: tuple[int, ...], name: str) -> SnError:
    return fail(
        f"{name} has {numbers} numbers, expected {count} for {_sizes(shape)}",
        hint="correct the sizes behind .MAT, or add the numbers",
    )


def read_rows(file: BinaryIO, name: str, most: int) -> np.ndarray:
    """Read a text of numbers, one row a line, with blanks, commas or semicolons between: float64 (rows, columns).

    Empty lines and lines that begin with # are left out. SnError, with the line, if a row has another length. `most` is
    the largest number of elements.
    """
    rows = width = at_line = done = 0
    for line, text in _row_pieces(file, name):
        counts = _words_by_line(text)
        full = np.flatnonzero(counts)
        if not len(full):
            continue
        if not width:
            width, at_line = int(counts[full[0]]), line + int(full[0]) + 1
            _read_words(text.split(b"\n")[full[0]], name, 0, at_line - 1)  # reports a line of headings as such
        wrong = full[counts[full] != width]
        if len(wrong):
            raise fail(
                f"{name}: line {line + wrong[0] + 1} has {counts[wrong[0]]} numbers, line {at_line} has {width}",
                hint="write one pattern a line, the same number of numbers in each",
            )
        rows += len(full)
    if not rows:
        raise fail(f"{name} holds no numbers", hint="write one pattern a line, with blanks or commas between numbers")
    if rows * width > most:
        raise fail(
            f"{name} holds {rows:,} x {width:,} numbers; such a file may hold {most:,}",
            hint="split it into files of fewer patterns",
        )
    table = np.empty(rows * width)
    for line, text in _row_pieces(file, name):
        numbers = _read_words(text, name, done, line)
        table[done : done + len(numbers)] = numbers
        done += len(numbers)
    return _finite(table, name).reshape(rows, width)


_REMARK = re.compile(rb"^[ \t]*#[^\n]*", re.MULTILINE)
_ROWS = bytes.maketrans(b",;\r", b"  \n")


def _row_pieces(file: BinaryIO, name: str) -> Iterator[tuple[int, bytes]]:
    """Yield the text of a file in pieces of whole lines, each with the number of lines before it.

    Blanks stand between the numbers; remarks are left out.
    """
    file.seek(0)
    file.seek(len(_BOM) if file.read(len(_BOM)) == _BOM else 0)
    rest, line = b"", 0
    while piece := file.read(_PIECE):
        if piece.endswith(b"\r"):
            piece += file.read(1)
        whole, newline, rest = (rest + piece.replace(b"\r\n", b"\n").translate(_ROWS)).rpartition(b"\n")
        if newline:
            yield line, _REMARK.sub(b"", whole)
            line += whole.count(b"\n") + 1
        if len(rest) > _LONGEST_LINE:
            raise fail(
                f"{name}: line {line + 1} is longer than {_LONGEST_LINE:,} bytes", hint="write one pattern a line"
            )
    yield line, _REMARK.sub(b"", rest)


def _words_by_line(text: bytes) -> np.ndarray:
    """Return how many words each line of a text has."""
    characters = np.frombuffer(b"\n" + text, np.uint8)
    blank = (characters == 32) | ((characters >= 9) & (characters <= 13))
    starts = np.flatnonzero(blank[:-1] & ~blank[1:])
    ends = np.flatnonzero(characters[1:] == 10)
    return np.bincount(np.searchsorted(ends, starts), minlength=len(ends) + 1)


def read_numbers(content: bytes, name: str, most: int | None = None) -> np.ndarray:
    """Return the numbers of a text in any layout, float64: all, or the first `most`.

    SnError at the first word that is not a number.
    """
    file = io.BytesIO(content)
    if content[:3] == _BOM:
        file.seek(3)
    # Not more numbers than that: a number and a blank take two bytes.
    room = len(content) // 2 + 1 if most is None else min(most, len(content) // 2 + 1)
    return _finite(_read_into(file, np.empty(room), name), name)


def _read_into(file: BinaryIO, numbers: np.ndarray, name: str, line: int = 0) -> np.ndarray:
    """Fill an array with numbers from the current position of a text file. Return the part that was filled.

    `line`: the number of lines before this position. Text after the last number needed is not read.
    """
    done = 0
    for piece in _pieces(file):
        if done == len(numbers):
            break
        read = _read_words(piece, name, done, line, len(numbers) - done)
        numbers[done : done + len(read)] = read
        done += len(read)
        line += piece.count(b"\n")
    return numbers[:done]


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    """Yield the text of a file from its position on, in pieces that end between two words."""
    rest = b""
    while piece := file.read(_PIECE):
        piece = rest + piece
        end = 1 + max(piece.rfind(blank) for blank in (b" ", b"\n", b"\t", b"\r", b"\f", b"\v"))
        rest = piece[end:]
        if end:
            yield piece[:end]
        while len(rest) > _PIECE:  # no number is so long: the function that reads it reports the error
            yield rest[:_PIECE]
            rest = rest[_PIECE:]
    if rest:
        yield rest


def _read_words(text: bytes, name: str, before: int, line: int, most: int = -1) -> np.ndarray:
    """Return the numbers of a piece of text, at most `most`.

    `before` and `line`: how many numbers and lines come before the piece. Both appear in error messages.
    """
    if not text.strip():
        return np.empty(0)
    if 0 <= most <= len(text) // 2 and len(words := text.split(None, most)) > most:
        text = text[: len(text) - len(words[-1])]  # a count would make NumPy read the beginning of the last word only
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            return np.fromstring(text, dtype=np.float64, sep=" ")
        except (DeprecationWarning, ValueError):
            raise _not_a_number(text, name, before, line) from None


_NUMBER = re.compile(rb"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|nan|inf(?:inity)?)", re.IGNORECASE)
_ADVICE = (  # what a word looks like that is no number, and how it is written
    (re.compile(rb"[+-]?\d+,\d+"), "write it with a point: 1.5"),
    (re.compile(rb"[+-]?\d+(?:,\S*)+"), "put blanks between the numbers, not commas"),
    (re.compile(rb"[+-]?[\d.]+[dD][+-]?\d+"), "write the power of ten with e: 1e0"),
    (re.compile(rb"[+-]?0[xX]\S*"), "write it in decimals"),
    (re.compile(rb"[+-]?\d[\d_]*_\S*"), "leave the _ out"),
    (re.compile(rb"\xe2\x88\x92\S*"), "write minus as the hyphen on the keyboard: -1"),
    (re.compile(rb"[A-Za-z_\"']\S*"), "leave names and headings out: only numbers are read"),
)


def _not_a_number(text: bytes, name: str, before: int, line: int) -> SnError:
    for place, word in enumerate(re.finditer(rb"[^ \t\n\r\f\v]+", text)):
        if len(word[0]) > _LONGEST_WORD or not _NUMBER.fullmatch(word[0]):
            line += text.count(b"\n", 0, word.start()) + 1
            advice = next(
                (words for looks, words in _ADVICE if looks.fullmatch(word[0][:_LONGEST_WORD])),
                "correct it or leave it out",
            )
            return fail(
                f'{name}: word {before + place + 1} is "{_plain(word[0])}", expected a number',
                hint=f"line {line} of the file: {advice}",
            )
    return fail(
        f"{name} is not a text file of numbers",
        hint="name a text with one pattern a line, an npy, an idx or an SN file",
    )


def _finite(values: np.ndarray, name: str) -> np.ndarray:
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        kind = "nan: not a number" if np.isnan(values[wrong[0]]) else f"{values[wrong[0]]}: beyond 1.8e308"
        raise fail(
            f"{name}: number {wrong[0] + 1} of {len(values)} is {values[wrong[0]]}; "
            f"{len(wrong)} of them are not finite",
            hint=f"replace it: number {wrong[0] + 1} is {kind}",
        )
    return values


def within(
    values: np.ndarray, dtype: np.dtype | type | str, what: str, span: Span | None = None, hint: str = ""
) -> np.ndarray:
    """Return the numbers unchanged.

    SnError, with the first one, if a finite number is too large for the type `target`.
    """
    target = np.dtype(dtype)
    if target.kind != "f" or (values.dtype.kind == "f" and values.dtype.itemsize <= target.itemsize) or not values.size:
        return values
    most = float(np.finfo(target).max)
    if -most <= values.min() and values.max() <= most:
        return values
    with np.errstate(over="ignore"):
        wrong = np.argwhere(np.isfinite(values) & ~np.isfinite(values.astype(target)))
    if not len(wrong):
        return values
    place = " ".join(map(str, wrong[0]))
    raise fail(
        f"{what}: the number at {place} is {values[tuple(wrong[0])]:g}, too large for {target} "
        f"(maximum {most:.3g})" + (f" ({len(wrong)} numbers affected)" if len(wrong) > 1 else ""),
        span,
        hint=hint or "divide the numbers by the largest one before you save them",
    )


def _count(shape: tuple[int, ...], name: str, most: int | None = None) -> int:
    if min(shape) < 1:
        raise fail(f"{name} claims the sizes {_sizes(shape)}, expected every size to be 1 or more", hint=_DAMAGED)
    count = math.prod(shape)
    if most is not None and count > most:
        raise fail(
            f"{name} claims {_sizes(shape)} elements; a matrix may have {most:,}",
            hint="split it into matrices of fewer rows",
        )
    return count


def _whole(word: bytes, name: str, what: str) -> int:
    if not word.isdigit() or len(word) > 12:
        raise fail(f'{name}: {what} is "{_plain(word)}", expected a whole number', hint=SN_REMEDY)
    return int(word)


def _short(name: str, expected: str, size: int) -> SnError:
    return fail(f"{name} ends early: it has {size} bytes, expected {expected}", hint=_DAMAGED)


def _sizes(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _shown(content: bytes) -> str:
    return content[:4].hex() or "nothing"


def _plain(word: bytes) -> str:
    """Return the beginning of a word, as it can be shown."""
    text = word[:20].decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
