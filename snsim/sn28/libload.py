"""Files of a program that another one loads, and the libraries of SN-2.8, which are built in.

See docs/reference/sn28.md, section 1.8.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from snsim.errors import Fault, SnError, Span, fail
from snsim.input_files import resolve
from snsim.language.builtins.strings import text
from snsim.language.forms import NIL, Form, Pair, Symbol, fold
from snsim.language.interpreter import Stopped
from snsim.language.limits import LimitError, exceeded
from snsim.language.procedures import Misuse, Procedure
from snsim.language.source_files import read_source
from snsim.sn28.graphics.net_display import bring_net_display
from snsim.sn28.net.kernels import KERNELS
from snsim.sn28.net.netspace import Netspace
from snsim.sn28.runtime.file_lookup import ProgramFiles
from snsim.sn28.runtime.vocabulary import special_word, word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

SUFFIXES = (".lsh", ".sn", ".tl")  # of texts; those of compiled files mean nothing here
_MAX_DEPTH = 100  # texts that are being read, one inside another
LIBRARIES = (  # what is built in, and needs no loading
    "connect",
    "connect-epsi",
    "knnenv",
    "libnum",
    "math-env",
    "netenv",
    "nettool",
    "perf-file",
    "plot-nlf",
    "plotenv",
    "tl3",
)


class LoadedFiles:
    """The files that `libload` loaded in one program."""

    def __init__(self, interpreter: Interpreter):
        self.paths: set[Path] = set()


@word("load")
def load(interpreter: Interpreter, name: Form) -> Form:
    """(load "file"): evaluates a file form by form; the name of the file"""
    file_name = text("load", name)
    path = interpreter.part(ProgramFiles).find(file_name, *SUFFIXES)
    if path is None and _is_built_in(interpreter, file_name):
        return file_name
    return _evaluate_file(interpreter, path or interpreter.part(ProgramFiles).readable_path(file_name, *SUFFIXES))


@word("libload")
def libload(interpreter: Interpreter, name: Form, again: Form = NIL) -> Form:
    """(libload "sn28/sn28ite"): chooses a kernel; (libload "file" [t]): loads a file once, or once more"""
    file_name = text("libload", name)
    if _is_built_in(interpreter, file_name):
        return file_name
    path = interpreter.part(ProgramFiles).find(file_name, *SUFFIXES)
    if path is None:
        built_in = ", ".join([*(f"sn28/{kernel}" for kernel in KERNELS), *LIBRARIES])
        raise Misuse(
            f'there is no library "{file_name}", and no such file beside the program or among its data',
            0,
            f"built in are {built_in}",
        )
    paths = interpreter.part(LoadedFiles).paths
    resolved = resolve(path)
    if resolved in paths and again is NIL:
        return str(path)
    paths.add(resolved)
    return _evaluate_file(interpreter, path)


def _is_built_in(interpreter: Interpreter, file_name: str) -> bool:
    """Whether a name means a library of the simulator; one that is a kernel is chosen."""
    stem = fold(PurePosixPath(file_name).name)
    for suffix in SUFFIXES:
        stem = stem.removesuffix(suffix)
    if stem in KERNELS:
        interpreter.part(Netspace).set_kernel(stem)
    if stem == "nettool":
        bring_net_display(interpreter)
    return stem in KERNELS or stem in LIBRARIES


def _evaluate_file(interpreter: Interpreter, path: Path) -> str:
    """Evaluate a file; its faults say where it was loaded."""
    place = interpreter.place()
    if len(interpreter.inputs) > _MAX_DEPTH:
        raise exceeded(
            f"load: {path} and the files that load it stand too deep inside one another",
            _MAX_DEPTH,
            place,
            "a file that loads itself? Take out the (load ...) that does",
        )
    source = read_source(path, interpreter.limits, place)
    interpreter.budget.walk(len(source.text))
    faults: list[Fault] = []
    try:
        interpreter.run_text(source, faults)
    except LimitError:
        raise
    except SnError as error:
        raise Stopped([_with_load_site(fault, place) for fault in (*faults, *error.faults)]) from None
    if faults:
        raise SnError([_with_load_site(fault, place) for fault in faults])
    return str(path)


def _with_load_site(fault: Fault, place: Span | None) -> Fault:
    """The fault of a file, with the place where it was loaded."""
    return fault if place is None else replace(fault, also=(*fault.also, ("loaded here", place)))


class Autoload(Procedure):
    """A function whose file is loaded when it is first called."""

    def __init__(self, name: Symbol, file: str):
        self.symbol, self.name, self.file = name, name.name, file

    def call(self, interpreter: Interpreter, form: Pair) -> Form:
        return self._load(interpreter).call(interpreter, form)

    def apply(self, interpreter: Interpreter, arguments: list[Form]) -> Form:
        return self._load(interpreter).apply(interpreter, arguments)

    def _load(self, interpreter: Interpreter) -> Procedure:
        load(interpreter, self.file)
        procedure = interpreter.procedure(self.symbol)
        if procedure is None or procedure is self or not isinstance(procedure, Procedure):
            raise fail(
                f'the file "{self.file}" does not define {self.name}',
                interpreter.place(),
                hint=f"write (de {self.name} (...) ...) in it, or take {self.name} out of (autoload ...)",
            )
        return procedure

    def __str__(self) -> str:
        return f"::AUTOLOAD:{self.name}"


@special_word("autoload")
def autoload(interpreter: Interpreter, form: Pair) -> Form:
    """(autoload "file" name...): the functions that a file defines; it is loaded when one is first called"""
    parts = interpreter.elements(form.cdr, "autoload")
    if len(parts) < 2 or not isinstance(parts[0], str) or not all(isinstance(name, Symbol) for name in parts[1:]):
        raise Misuse("autoload: a file and the names of functions are wanted", None, 'write (autoload "file" name...)')
    for name in parts[1:]:
        if interpreter.procedure(name) is None:
            interpreter.assign_global(name, Autoload(name, parts[0]))
    return parts[0]
