"""Change a program to Lush: its words and classes, and idx in place of SN's matrices, also those that the text holds.

A program is one of Lush if its file ends in `.lsh`, or from the place on where it loads one of Lush's libraries. Other
programs of SN do not change.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from snsim.errors import Source
from snsim.language.builtins.strings import text
from snsim.language.forms import NIL, Form, Pair
from snsim.language.procedures import CallError, Primitive, Procedure, function
from snsim.lush.idx import Idx
from snsim.lush.modules.built_in import install_classes
from snsim.lush.modules.nets import ABSENT
from snsim.lush.vocabulary import LUSH
from snsim.registry import Shelf
from snsim.sn28 import libload as sn28_libload
from snsim.sn28.net.kernels import KERNELS
from snsim.sn28.runtime.file_lookup import ProgramFiles

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

SUFFIX = ".lsh"
_FOLDERS = {"gblearn2", "libidx"}  # of Lush's libraries that are built in
_FILES = {"dsource-mnist", "dsource-image"}  # files of gblearn2 that programs load from elsewhere

IN_EVERY_PROGRAM: Shelf[Procedure] = Shelf("function")  # words of Lush that programs of SN have too


def is_lush(source: Source) -> bool:
    """Return whether a text is a program of Lush by its name."""
    return source.name.endswith(SUFFIX)


def begin(interpreter: Interpreter) -> None:
    """Give a program the words of Lush from now on; what it reads from now on holds idx in place of matrices."""
    if not speaks_lush(interpreter):
        interpreter.use_functions(lush_functions(interpreter.functions))
        interpreter.read_form = with_idx
        install_classes(interpreter)
        interpreter.absent = {**interpreter.absent, **ABSENT}


def speaks_lush(interpreter: Interpreter) -> bool:
    """Return whether a program has the words of Lush."""
    return interpreter.read_form is with_idx


def lush_functions(functions: Shelf[Procedure]) -> Shelf[Procedure]:
    """Return these functions with the words of Lush; the words of SN that return a matrix then return an idx."""
    words: Shelf[Procedure] = Shelf("function")
    for entry in functions:
        if LUSH.entry(entry.name) is None:
            words.add(entry.name, _returning_idx(entry.value), entry.doc)
    for entry in LUSH:
        words.add(entry.name, entry.value, entry.doc)
    return words


def _returning_idx(procedure: Procedure) -> Procedure:
    if type(procedure) is not Primitive or not procedure.makes:
        return procedure
    body = procedure.function

    def compute(*arguments: Form) -> Form:
        result = body(*arguments)
        if not isinstance(result, np.ndarray):
            return result
        return next((x for x in arguments if isinstance(x, Idx) and x.array is result), None) or Idx.of(result)

    return replace(procedure, function=compute)


def with_idx(form: Form) -> Form:
    """Return a form that was read, with an idx in place of each matrix in it. Lists are changed in place."""
    if isinstance(form, np.ndarray):
        return _idx_of_literal(form)
    work: list[Form] = [form]
    while work:
        cell = work.pop()
        while isinstance(cell, Pair):
            if isinstance(cell.car, Pair):
                work.append(cell.car)
            elif isinstance(cell.car, np.ndarray):
                cell.car = _idx_of_literal(cell.car)
            if isinstance(cell.cdr, np.ndarray):
                cell.cdr = _idx_of_literal(cell.cdr)
            cell = cell.cdr
    return form


def _idx_of_literal(array: np.ndarray) -> Idx:
    if array.dtype.kind == "O":
        flat = array.reshape(-1)
        for i, element in enumerate(flat):
            flat[i] = with_idx(element)
    return Idx.of(array)


@function("libload", interpreter=True, shelf=IN_EVERY_PROGRAM)
def libload(interpreter: Interpreter, name: Form, again: Form = NIL) -> Form:
    """(libload "sn28/sn28ite"): chooses a kernel; (libload "file" [t]): loads a file, but a second time only with t

    (libload "gblearn2/...") and (libload "libidx/...") give the program the words of Lush.
    """
    file_name = text("libload", name)
    path = PurePosixPath(file_name)
    stem = path.name.removesuffix(SUFFIX)
    if _FOLDERS & set(path.parts[:-1]) or stem in _FILES:
        begin(interpreter)
        return file_name
    built_in = stem in KERNELS or stem in sn28_libload.LIBRARIES
    if speaks_lush(interpreter) and not built_in and not _is_file(interpreter, file_name):
        raise CallError(
            f"there is no library {file_name} here; of Lush's libraries there are SN-2.8's, libidx and gblearn2",
            0,
            "take the line out if the program needs no word of it, or put the file beside the program",
        )
    return sn28_libload.libload(interpreter, file_name, again)


def _is_file(interpreter: Interpreter, file_name: str) -> bool:
    return interpreter.part(ProgramFiles).find(file_name, *sn28_libload.SUFFIXES) is not None
