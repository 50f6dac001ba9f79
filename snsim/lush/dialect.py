"""Change a program to Lush: its words and classes, and idx in place of SN's matrices, also those that the text holds.

A program is one of Lush if its file ends in `.lsh`, or from the place on where it loads one of Lush's libraries. Other
programs of SN do not change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.strings import text
from snsim.language.forms import NIL, Form, Pair, as_matrix
from snsim.language.procedures import CallError, Primitive, Procedure
from snsim.language.source_files import LUSH as LUSH_SUFFIX
from snsim.lush.absent import absent
from snsim.lush.idx import Idx
from snsim.lush.modules.built_in import install_classes
from snsim.lush.vocabulary import LUSH
from snsim.registry import Shelf
from snsim.runtime.file_lookup import ProgramFiles

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_FOLDERS = {"gblearn2", "libidx"}  # of Lush's libraries that are built in
_FILES = {"dsource-mnist", "dsource-image"}  # files of gblearn2 that programs load from elsewhere

Libload = Callable[..., Form]  # (interpreter, name, again)


def begin(interpreter: Interpreter) -> None:
    """Give a program the words of Lush from now on; what it reads from now on holds idx in place of matrices."""
    if not speaks_lush(interpreter):
        interpreter.use_functions(lush_functions(interpreter.functions))
        interpreter.absent = {**interpreter.absent, **absent()}
        interpreter.read_form = with_idx
        install_classes(interpreter)


def speaks_lush(interpreter: Interpreter) -> bool:
    """Return whether a program has the words of Lush."""
    return interpreter.read_form is with_idx


def lush_functions(functions: Shelf[Procedure]) -> Shelf[Procedure]:
    """Return these functions with the words of Lush; the words of SN then take an idx for a matrix, and return one."""
    words: Shelf[Procedure] = Shelf("function")
    for entry in functions:
        if LUSH.entry(entry.name) is None:
            words.add(entry.name, _with_idx_for_matrices(entry.value), entry.doc)
    for entry in LUSH:
        words.add(entry.name, entry.value, entry.doc)
    return words


def _with_idx_for_matrices(procedure: Procedure) -> Procedure:
    """Return a function of SN as one that gets the matrix of each idx, if it computes, and returns an idx."""
    if type(procedure) is not Primitive:
        return procedure
    body, computes = procedure.function, procedure.function.__module__.startswith("snsim.sn28")
    if not computes and not procedure.makes:
        return procedure

    def compute(*arguments: Form) -> Form:
        result = body(*map(as_matrix, arguments)) if computes else body(*arguments)
        if not isinstance(result, np.ndarray):
            return result
        return next((x for x in arguments if isinstance(x, Idx) and x.array is result), None) or Idx.of(result)

    return replace(procedure, function=compute)


def with_idx(form: Form) -> Form:
    """Return a form that was read, with an idx in place of each matrix in it. Lists and arrays are changed in place."""
    whole = Pair(form)
    work: list[Pair | np.ndarray] = [whole]

    def replaced(part: Form) -> Form:
        if isinstance(part, Pair) or (isinstance(part, np.ndarray) and part.dtype.kind == "O"):
            work.append(part)
        return Idx.of(part) if isinstance(part, np.ndarray) else part

    while work:
        part = work.pop()
        if isinstance(part, np.ndarray):
            elements = part.reshape(-1)
            for i, element in enumerate(elements):
                elements[i] = replaced(element)
            continue
        cell: Form = part
        while isinstance(cell, Pair):
            if isinstance(cell.car, (Pair, np.ndarray)):
                cell.car = replaced(cell.car)
            if isinstance(cell.cdr, np.ndarray):
                cell.cdr = replaced(cell.cdr)
            cell = cell.cdr
    return whole.car


def switching(libload: Libload, is_library: Callable[[str], bool]) -> Libload:
    """Return SN's `libload` for every program: with the name of a library of Lush it gives the program Lush's words.

    `is_library` tells the names of SN's own libraries. In a program of Lush another name that is no file is refused.
    """

    def switching_libload(interpreter: Interpreter, name: Form, again: Form = NIL) -> Form:
        file_name = text("libload", name)
        path = PurePosixPath(file_name)
        if _FOLDERS & set(path.parts[:-1]) or path.name.removesuffix(LUSH_SUFFIX) in _FILES:
            begin(interpreter)
            return file_name
        if speaks_lush(interpreter) and not is_library(file_name) and not _is_file(interpreter, file_name):
            raise CallError(
                f"there is no library {file_name} here; of Lush's libraries there are SN-2.8's, libidx and gblearn2",
                0,
                "take the line out if the program needs no word of it, or put the file beside the program",
            )
        return libload(interpreter, name, again)

    return switching_libload


def _is_file(interpreter: Interpreter, file_name: str) -> bool:
    return interpreter.part(ProgramFiles).find(file_name, LUSH_SUFFIX, ".sn", ".tl") is not None
