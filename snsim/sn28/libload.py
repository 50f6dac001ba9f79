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
from snsim.language.interpreter import ProgramStoppedError
from snsim.language.limits import LimitError, exceeded
from snsim.language.procedures import CallError, Procedure
from snsim.language.source_files import read_source
from snsim.sn28.graphics.net_display import bring_net_display
from snsim.sn28.net.kernels import KERNELS
from snsim.sn28.net.netspace import Netspace
from snsim.sn28.runtime.file_lookup import Files
from snsim.sn28.runtime.vocabulary import special_word, word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

SUFFIXES = (".lsh", ".sn", ".tl")  # of texts; those of compiled files mean nothing here
_NESTED = 100  # texts that are being read, one inside another
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


class Loaded:
    """The files that `libload` loaded in one program."""

    def __init__(self, interpreter: Interpreter):
        self.paths: set[Path] = set()


@word("load")
def load(interpreter: Interpreter, name: Form) -> Form:
    """(load "file"): evaluates a file form by form; the name of the file"""
    title = text("load", name)
    path = interpreter.part(Files).find(title, *SUFFIXES)
    if path is None and _is_built_in(interpreter, title):
        return title
    return _evaluate_file(interpreter, path or interpreter.part(Files).to_read(title, *SUFFIXES))


@word("libload")
def libload(interpreter: Interpreter, name: Form, again: Form = NIL) -> Form:
    """(libload "sn28/sn28ite"): chooses a kernel; (libload "file" [t]): loads a file once, or once more"""
    title = text("libload", name)
    if _is_built_in(interpreter, title):
        return title
    path = interpreter.part(Files).find(title, *SUFFIXES)
    if path is None:
        known = ", ".join([*(f"sn28/{kernel}" for kernel in KERNELS), *LIBRARIES])
        raise CallError(
            f'there is no library "{title}", and no such file beside the program or among its data',
            0,
            f"built in are {known}",
        )
    paths = interpreter.part(Loaded).paths
    resolved = resolve(path)
    if resolved in paths and again is NIL:
        return str(path)
    paths.add(resolved)
    return _evaluate_file(interpreter, path)


def _is_built_in(interpreter: Interpreter, title: str) -> bool:
    """Whether a name means a library of the simulator; one that is a kernel is chosen."""
    stem = fold(PurePosixPath(title).name)
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
    if len(interpreter.inputs) > _NESTED:
        raise exceeded(
            f"load: {path} and the files that load it stand too deep inside one another",
            _NESTED,
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
        raise ProgramStoppedError([_loaded_at(fault, place) for fault in (*faults, *error.faults)]) from None
    if faults:
        raise SnError([_loaded_at(fault, place) for fault in faults])
    return str(path)


def _loaded_at(fault: Fault, place: Span | None) -> Fault:
    """The fault of a file, with the place where it was loaded."""
    return fault if place is None else replace(fault, also=(*fault.also, ("loaded here", place)))


class Autoload(Procedure):
    """A function whose file is loaded when it is first called."""

    def __init__(self, name: Symbol, file: str):
        self.symbol, self.name, self.file = name, name.name, file

    def call(self, interpreter: Interpreter, form: Pair) -> Form:
        return self._loaded(interpreter).call(interpreter, form)

    def apply(self, interpreter: Interpreter, arguments: list[Form]) -> Form:
        return self._loaded(interpreter).apply(interpreter, arguments)

    def _loaded(self, interpreter: Interpreter) -> Procedure:
        load(interpreter, self.file)
        found = interpreter.procedure(self.symbol)
        if found is None or found is self or not isinstance(found, Procedure):
            raise fail(
                f'the file "{self.file}" does not define {self.name}',
                interpreter.place(),
                hint=f"write (de {self.name} (...) ...) in it, or take {self.name} out of (autoload ...)",
            )
        return found

    def __str__(self) -> str:
        return f"::AUTOLOAD:{self.name}"


@special_word("autoload")
def autoload(interpreter: Interpreter, form: Pair) -> Form:
    """(autoload "file" name...): the functions that a file defines; it is loaded when one is first called"""
    parts = interpreter.elements(form.cdr, "autoload")
    if len(parts) < 2 or not isinstance(parts[0], str) or not all(isinstance(name, Symbol) for name in parts[1:]):
        raise CallError(
            "autoload: a file and the names of functions are wanted", None, 'write (autoload "file" name...)'
        )
    for name in parts[1:]:
        if interpreter.procedure(name) is None:
            interpreter.assign_global(name, Autoload(name, parts[0]))
    return parts[0]
