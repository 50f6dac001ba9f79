"""Files of matrices: SN's own, binary and text, MNIST's, and bare elements (docs/reference/sn28.md, section 4.1).

A matrix has the element type of its file; packed ones (a byte of sixteenths) and texts are in single precision.
"""

from __future__ import annotations

import io
import struct
import sys
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from snsim.data.formats import read_idx_file, read_matrix, read_numbers, within
from snsim.errors import SnError
from snsim.input_files import shown
from snsim.language.builtins.arithmetic import whole
from snsim.language.builtins.indexing import put
from snsim.language.builtins.matrices import matrix
from snsim.language.builtins.strings import text
from snsim.language.forms import Form, Pair, Symbol
from snsim.language.procedures import CallError, alias
from snsim.sn28.runtime.file_lookup import Files
from snsim.sn28.runtime.vocabulary import SN28, special_word, word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

SUFFIX = ".mat"
_TYPES = {  # SN's magic numbers and the element types that its matrices have in the Lisp
    0x1E3D4C51: np.float32,
    0x1E3D4C52: np.float32,
    0x1E3D4C53: np.float64,
    0x1E3D4C54: np.int32,
    0x1E3D4C55: np.uint8,
    0x1E3D4C56: np.int16,
    0x1E3D4C57: np.int8,
}
_MAGIC = {np.dtype(kind): magic for magic, kind in _TYPES.items() if magic != 0x1E3D4C52}


def matrix_of(content: bytes | BinaryIO, name: str, most: int | None = None) -> np.ndarray:
    """The matrix that a file holds, in the element type of the file. SnError if it holds none, or one of more than
    `most` elements.
    """
    file = io.BytesIO(content) if isinstance(content, bytes) else content
    start = file.read(4)
    file.seek(0)
    if start[:2] == b"\0\0" and len(start) > 3:
        values = read_idx_file(file, name, sys.maxsize if most is None else 8 * most)
        return values.astype(values.dtype.newbyteorder("="))
    values = read_matrix(file, name, most)
    for order in "<>":
        kind = _TYPES.get(struct.unpack(f"{order}i", start)[0])
        if kind is not None:
            return values.astype(kind)
    return within(values, np.float32, name).astype(np.float32)


def bytes_of(values: np.ndarray) -> bytes:
    """A binary file of a matrix: magic number, dimensions (three at least), sizes, elements; low byte first."""
    magic, order = _MAGIC.get(values.dtype), values.dtype.newbyteorder("<")
    if magic is None or not values.ndim:
        raise CallError(
            f"no file holds a matrix of {values.ndim} dimensions and type {values.dtype}",
            0,
            "copy it into one of numbers before: (copy-matrix m (matrix rows columns))",
        )
    sizes = [*values.shape, *[1] * (3 - values.ndim)]
    return struct.pack(f"<{2 + len(sizes)}i", magic, values.ndim, *sizes) + values.astype(order).tobytes()


def text_of(values: np.ndarray) -> bytes:
    """A text file of a matrix: `.MAT`, dimensions and sizes, then a number a line with four decimals."""
    head = " ".join(map(str, [".MAT", values.ndim, *values.shape]))
    return "\n".join([head, *[f"{x:6.4f}" for x in values.ravel().tolist()], ""]).encode()


@special_word("load-matrix")
def load_matrix(interpreter: Interpreter, form: Pair) -> Form:
    """(load-matrix "f"): the matrix of a file; (load-matrix variable "f"): puts it in a variable"""
    parts = interpreter.elements(form.cdr, "load-matrix")
    variable = parts[0] if len(parts) == 2 and isinstance(parts[0], Symbol) else None
    if len(parts) != (1 if variable is None else 2):
        raise CallError(
            "load-matrix: a file is wanted, and before it a variable at most",
            None,
            'write (load-matrix "f.mat"), or (load-matrix variable "f.mat")',
        )
    at, argument = (form.cdr, 0) if variable is None else (form.cdr.cdr, 1)
    name = text("load-matrix", interpreter.evaluate(at.car, at.at), argument)
    files = interpreter.part(Files)
    path = files.to_read(name, SUFFIX, argument=argument)
    with files.opened(path, argument) as file:
        values = matrix_of(file, shown(path), interpreter.limits.matrix_elements)
    interpreter.budget.make_matrix(values.size, "load-matrix")
    if variable is not None:
        interpreter.assign(variable, values)
    return values


@word("save-matrix")
def save_matrix(interpreter: Interpreter, m: Form, name: Form) -> Form:
    """(save-matrix m "f"): writes a matrix, binary; the name of the file"""
    return _save(interpreter, bytes_of(_numbers(interpreter, "save-matrix", m)), text("save-matrix", name, 1), SUFFIX)


@word("save-ascii-matrix")
def save_ascii_matrix(interpreter: Interpreter, m: Form, name: Form) -> Form:
    """(save-ascii-matrix m "f"): writes a matrix as text, with four decimals; no suffix is added to the name"""
    return _save(
        interpreter, text_of(_numbers(interpreter, "save-ascii-matrix", m)), text("save-ascii-matrix", name, 1)
    )


@word("export-raw-matrix")
def export_raw_matrix(interpreter: Interpreter, m: Form, name: Form) -> Form:
    """(export-raw-matrix m "f"): writes the elements of a matrix and nothing else, low byte first"""
    values = _numbers(interpreter, "export-raw-matrix", m)
    content = values.astype(values.dtype.newbyteorder("<")).tobytes()
    return _save(interpreter, content, text("export-raw-matrix", name, 1))


@word("export-text-matrix")
def export_text_matrix(interpreter: Interpreter, m: Form, name: Form) -> Form:
    """(export-text-matrix m "f"): writes the elements of a matrix as text, a number a line with four decimals"""
    values = _numbers(interpreter, "export-text-matrix", m)
    content = "".join(f"{x:6.4f}\n" for x in values.ravel().tolist()).encode()
    return _save(interpreter, content, text("export-text-matrix", name, 1))


@word("import-raw-matrix")
def import_raw_matrix(interpreter: Interpreter, m: Form, name: Form, offset: Form = 0.0) -> Form:
    """(import-raw-matrix m "f" [k]): fills a matrix with bare elements of its type from byte k of a file on"""
    target = matrix("import-raw-matrix", m)
    content, title = _content(interpreter, "import-raw-matrix", name)
    start = whole("import-raw-matrix", offset, 2)
    end = start + target.size * target.itemsize
    if not 0 <= start <= end <= len(content):
        raise CallError(
            f"{title} has {len(content)} bytes, {end} are wanted for {target.size} elements",
            1,
            "read it into a smaller matrix, or from an earlier byte on",
        )
    values = np.frombuffer(content[start:end], target.dtype.newbyteorder("<"))
    _check_finite(values, title)
    put(target, values.reshape(target.shape))
    return target


@word("import-text-matrix")
def import_text_matrix(interpreter: Interpreter, m: Form, name: Form) -> Form:
    """(import-text-matrix m "f"): fills a matrix with the numbers of a text, in any layout"""
    target = matrix("import-text-matrix", m)
    content, title = _content(interpreter, "import-text-matrix", name)
    try:
        values = read_numbers(content, title)
    except SnError as error:
        raise CallError(error.faults[0].message, 1, error.faults[0].hint) from None
    if len(values) < target.size:
        raise CallError(
            f"{title} has {len(values)} numbers, the matrix {target.size} elements",
            1,
            f"read it into a matrix of {len(values)} elements: (matrix {len(values)})",
        )
    put(target, values[: target.size].reshape(target.shape))
    return target


def _numbers(interpreter: Interpreter, who: str, m: Form) -> np.ndarray:
    values = matrix(who, m)
    interpreter.budget.walk(values.size)
    return values


def _save(interpreter: Interpreter, content: bytes, name: str, *suffixes: str) -> Form:
    files = interpreter.part(Files)
    files.write(files.to_write(name, *suffixes, argument=1), content, 1)
    return name


def _content(interpreter: Interpreter, who: str, name: Form) -> tuple[bytes, str]:
    """The bytes of a file, and its name."""
    files = interpreter.part(Files)
    path = files.to_read(text(who, name, 1), argument=1)
    return files.content(path, 1), str(path)


def _check_finite(values: np.ndarray, title: str) -> None:
    if not np.isfinite(values).all():
        raise CallError(
            f"{title} holds something that is no number", 1, "keep only numbers in it, with blanks between them"
        )


alias("save-array", "save-matrix", SN28)
alias("load-array", "load-matrix", SN28)
