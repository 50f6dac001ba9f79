"""Read and write matrix files (docs/reference/sn28.md, section 4.1).

The formats are SN's own (binary and text), the IDX format of MNIST, npy and npz of NumPy, and raw elements. A matrix
gets the element type of its file; packed files (one byte for each element, in sixteenths) and text files give single
precision.
"""

from __future__ import annotations

import io
import struct
import sys
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from snsim.array_files import open_arrays, read_npy
from snsim.data.formats import read_idx_file, read_matrix, read_numbers, within
from snsim.errors import SnError
from snsim.input_files import open_file, shown
from snsim.language.builtins.arithmetic import whole
from snsim.language.builtins.indexing import put
from snsim.language.builtins.matrices import matrix
from snsim.language.builtins.strings import text
from snsim.language.forms import Form, Pair, Symbol
from snsim.language.procedures import CallError, alias
from snsim.registry import listed
from snsim.runtime.file_lookup import ProgramFiles
from snsim.runtime.vocabulary import SN28, special_word, word

if TYPE_CHECKING:
    from pathlib import Path

    from snsim.language.interpreter import Interpreter

SUFFIX = ".mat"
_NPY, _NPZ = b"\x93N", b"PK"  # how files of NumPy begin
_TYPES = {  # SN's magic numbers and the element types of these matrices in Lisp
    0x1E3D4C51: np.float32,
    0x1E3D4C52: np.float32,
    0x1E3D4C53: np.float64,
    0x1E3D4C54: np.int32,
    0x1E3D4C55: np.uint8,
    0x1E3D4C56: np.int16,
    0x1E3D4C57: np.int8,
}
_MAGIC = {np.dtype(dtype): magic for magic, dtype in _TYPES.items() if magic != 0x1E3D4C52}


def parse_matrix(content: bytes | BinaryIO, name: str, max_elements: int | None = None) -> np.ndarray:
    """Return the matrix in a file, in the element type of the file.

    Raise SnError if the file holds no matrix, or one of more than `max_elements` elements.
    """
    file = io.BytesIO(content) if isinstance(content, bytes) else content
    start = file.read(4)
    file.seek(0)
    if (start[:2] == b"\0\0" and len(start) > 3) or start[:2] == b"\x1f\x8b":
        values = read_idx_file(file, name, sys.maxsize if max_elements is None else 8 * max_elements)
        return values.astype(values.dtype.newbyteorder("="))
    values = read_matrix(file, name, max_elements)
    for order in "<>":
        dtype = _TYPES.get(struct.unpack(f"{order}i", start)[0])
        if dtype is not None:
            return values.astype(dtype)
    return within(values, np.float32, name).astype(np.float32)


def encode_matrix(values: np.ndarray) -> bytes:
    """Return the content of a binary matrix file: magic number, dimensions, sizes and elements, little-endian.

    At least three sizes are written, also for a matrix of fewer dimensions.
    """
    magic, order = _MAGIC.get(values.dtype), values.dtype.newbyteorder("<")
    if magic is None or not values.ndim:
        raise CallError(
            f"SN's format has no matrix of {values.ndim} dimensions and element type {values.dtype}",
            0,
            "copy it into a matrix of numbers first: (copy-matrix m (matrix rows columns))",
        )
    sizes = [*values.shape, *[1] * (3 - values.ndim)]
    return struct.pack(f"<{2 + len(sizes)}i", magic, values.ndim, *sizes) + values.astype(order).tobytes()


def format_matrix(values: np.ndarray) -> bytes:
    """Return the content of a text matrix file: `.MAT`, dimensions and sizes, then one number per line, 4 decimals."""
    head = " ".join(map(str, [".MAT", values.ndim, *values.shape]))
    return "\n".join([head, *[f"{x:6.4f}" for x in values.ravel().tolist()], ""]).encode()


@special_word("load-matrix")
def load_matrix(interpreter: Interpreter, form: Pair) -> Form:
    """(load-matrix "f"): returns the matrix in a file; (load-matrix variable "f"): also sets the variable to it

    A file of NumPy (npz, npy) is read too; an npz must hold one array.
    """
    parts = interpreter.elements(form.cdr, "load-matrix")
    variable = parts[0] if len(parts) == 2 and isinstance(parts[0], Symbol) else None
    if len(parts) != (1 if variable is None else 2):
        raise CallError(
            f"load-matrix takes a file, or a variable and a file; {len(parts)} arguments given",
            None,
            'write (load-matrix "f.mat"), or (load-matrix variable "f.mat")',
        )
    cell, argument = (form.cdr, 0) if variable is None else (form.cdr.cdr, 1)
    name = text("load-matrix", interpreter.evaluate(cell.car, cell.at), argument)
    files = interpreter.part(ProgramFiles)
    path = files.readable_path(name, SUFFIX, argument=argument)
    with files.open(path, argument) as file:
        start = file.read(2)
        file.seek(0)
        values = (
            _array_of_numpy(path, start == _NPY, interpreter.limits.matrix_elements, argument)
            if start in (_NPY, _NPZ)
            else parse_matrix(file, shown(path), interpreter.limits.matrix_elements)
        )
    interpreter.budget.make_matrix(values.size, "load-matrix")
    if variable is not None:
        interpreter.assign(variable, values)
    return values


def _array_of_numpy(path: Path, is_npy: bool, most: int, argument: int) -> np.ndarray:
    """Return the only array of an npz file, or the array of an npy file, in a type of the Lisp."""
    try:
        if is_npy:
            with open_file(path) as file:
                array = read_npy(file, shown(path), 8 * most)
        else:
            with open_arrays(path, 8 * most, what="a file of arrays") as arrays:
                names = list(arrays.headers)
                if len(names) != 1:
                    raise CallError(
                        f"{shown(path)} holds {len(names)} arrays: {listed(names, len(names), 12)}",
                        argument,
                        "save the one that you need by itself: numpy.savez(FILE, codes=array)",
                    )
                array = arrays.read(names[0])
    except SnError as error:
        raise CallError(error.faults[0].message, argument, error.faults[0].hint) from None
    if array.size > most or not array.ndim:
        raise CallError(
            f"{shown(path)} holds an array of shape {array.shape}; a matrix has one dimension or more and at most "
            f"{most:,} elements",
            argument,
            "save a smaller array",
        )
    return array if array.dtype in _TYPES.values() else array.astype(np.float64)


@word("save-matrix")
def save_matrix(interpreter: Interpreter, m: Form, name: Form) -> Form:
    """(save-matrix m "f"): writes a matrix to a binary file; returns the name of the file"""
    return _save(
        interpreter,
        encode_matrix(_matrix_argument(interpreter, "save-matrix", m)),
        text("save-matrix", name, 1),
        SUFFIX,
    )


@word("save-ascii-matrix")
def save_ascii_matrix(interpreter: Interpreter, m: Form, name: Form) -> Form:
    """(save-ascii-matrix m "f"): writes a matrix as text with 4 decimals; returns the name of the file

    It adds no suffix to the name.
    """
    return _save(
        interpreter,
        format_matrix(_matrix_argument(interpreter, "save-ascii-matrix", m)),
        text("save-ascii-matrix", name, 1),
    )


@word("export-raw-matrix")
def export_raw_matrix(interpreter: Interpreter, m: Form, name: Form) -> Form:
    """(export-raw-matrix m "f"): writes the elements of a matrix as little-endian binary numbers, without its sizes"""
    values = _matrix_argument(interpreter, "export-raw-matrix", m)
    content = values.astype(values.dtype.newbyteorder("<")).tobytes()
    return _save(interpreter, content, text("export-raw-matrix", name, 1))


@word("export-text-matrix")
def export_text_matrix(interpreter: Interpreter, m: Form, name: Form) -> Form:
    """(export-text-matrix m "f"): writes the elements of a matrix as text, one number per line with 4 decimals"""
    values = _matrix_argument(interpreter, "export-text-matrix", m)
    content = "".join(f"{x:6.4f}\n" for x in values.ravel().tolist()).encode()
    return _save(interpreter, content, text("export-text-matrix", name, 1))


@word("import-raw-matrix")
def import_raw_matrix(interpreter: Interpreter, m: Form, name: Form, offset: Form = 0.0) -> Form:
    """(import-raw-matrix m "f" [k]): fills m with little-endian binary numbers from byte k, default 0, of a file"""
    target = matrix("import-raw-matrix", m)
    content, title = _read_named(interpreter, "import-raw-matrix", name)
    start = whole("import-raw-matrix", offset, 2)
    end = start + target.size * target.itemsize
    if not 0 <= start <= end <= len(content):
        raise CallError(
            f"{title} has {len(content)} bytes; bytes {start} to {end} are needed for {target.size} elements",
            1,
            "read it into a smaller matrix, or start at an earlier byte",
        )
    values = np.frombuffer(content[start:end], target.dtype.newbyteorder("<"))
    _check_finite(values, title)
    put(target, values.reshape(target.shape))
    return target


@word("import-text-matrix")
def import_text_matrix(interpreter: Interpreter, m: Form, name: Form) -> Form:
    """(import-text-matrix m "f"): fills a matrix with the first numbers in a text file, however it is laid out"""
    target = matrix("import-text-matrix", m)
    content, title = _read_named(interpreter, "import-text-matrix", name)
    try:
        values = read_numbers(content, title)
    except SnError as error:
        raise CallError(error.faults[0].message, 1, error.faults[0].hint) from None
    if len(values) < target.size:
        raise CallError(
            f"{title} has {len(values)} numbers but the matrix has {target.size} elements",
            1,
            f"read it into a matrix of {len(values)} elements: (matrix {len(values)})",
        )
    put(target, values[: target.size].reshape(target.shape))
    return target


def _matrix_argument(interpreter: Interpreter, caller: str, m: Form) -> np.ndarray:
    values = matrix(caller, m)
    interpreter.budget.walk(values.size)
    return values


def _save(interpreter: Interpreter, content: bytes, name: str, *suffixes: str) -> Form:
    files = interpreter.part(ProgramFiles)
    files.write(files.writable_path(name, *suffixes, argument=1), content, 1)
    return name


def _read_named(interpreter: Interpreter, caller: str, name: Form) -> tuple[bytes, str]:
    """Return the bytes of a file, and its path as text."""
    files = interpreter.part(ProgramFiles)
    path = files.readable_path(text(caller, name, 1), argument=1)
    return files.read(path, 1), str(path)


def _check_finite(values: np.ndarray, title: str) -> None:
    if not np.isfinite(values).all():
        raise CallError(
            f"{title} contains a value that is not a finite number",
            1,
            "write only finite numbers into it, separated by blanks",
        )


alias("save-array", "save-matrix", SN28)
alias("load-array", "load-matrix", SN28)
