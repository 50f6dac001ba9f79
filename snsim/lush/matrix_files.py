"""Load idx from matrix files: those of SN, and MNIST's idx files (docs/reference/gblearn2.md, section 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snsim.input_files import shown
from snsim.language.builtins.strings import text
from snsim.language.forms import Form, Pair, Symbol
from snsim.language.procedures import CallError
from snsim.lush.idx import Idx
from snsim.lush.vocabulary import special_word
from snsim.runtime.file_lookup import ProgramFiles
from snsim.runtime.matrix_files import SUFFIX, parse_matrix

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


@special_word("load-matrix", "map-matrix")
def load_matrix(interpreter: Interpreter, form: Pair) -> Form:
    """(load-matrix "f"): the idx in a file, also in f.gz; (load-matrix variable "f") also sets the variable to it"""
    name = form.car.name
    parts = interpreter.elements(form.cdr, name)
    variable = parts[0] if len(parts) == 2 and isinstance(parts[0], Symbol) else None
    if len(parts) != (1 if variable is None else 2):
        raise CallError(f"{name} takes a file; {len(parts)} arguments given", None, f'write ({name} "f")')
    cell, argument = (form.cdr, 0) if variable is None else (form.cdr.cdr, 1)
    file_name = text(name, interpreter.evaluate(cell.car, cell.at), argument)
    m = read_idx(interpreter, name, file_name, argument)
    if variable is not None:
        interpreter.assign(variable, m)
    return m


def read_idx(interpreter: Interpreter, caller: str, file_name: str, argument: int = 0) -> Idx:
    """Return the idx in a file of the program's folders, packed by gzip or not. CallError or SnError if it has none."""
    files = interpreter.part(ProgramFiles)
    packed = files.find(f"{file_name}.gz", argument=argument)
    path = files.find(file_name, SUFFIX, argument=argument) or packed
    if path is None:
        path = files.readable_path(file_name, SUFFIX, ".gz", argument=argument)  # says where it was searched
    with files.open(path, argument) as file:
        values = parse_matrix(file, shown(path), interpreter.limits.matrix_elements)
    interpreter.budget.make_matrix(values.size, caller)
    return Idx.of(values)
