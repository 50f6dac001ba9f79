"""Load program files, and accept the names of SN-2.8's libraries, which are built in.

See docs/reference/sn28.md, section 1.8.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from snsim.errors import Fault, SnError, Source, Span, fail
from snsim.input_files import resolve
from snsim.language.builtins.strings import text
from snsim.language.forms import NIL, Form, Pair, Symbol, fold, symbol
from snsim.language.interpreter import ProgramStoppedError
from snsim.language.limits import LimitError, exceeded
from snsim.language.procedures import CallError, Procedure
from snsim.language.source_files import read_source
from snsim.runtime.file_lookup import ProgramFiles
from snsim.runtime.vocabulary import special_word, word
from snsim.sn28.net.kernels import KERNELS
from snsim.sn28.net.netspace import Netspace

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

SUFFIXES = (".lsh", ".sn", ".tl")  # of program texts; compiled files cannot be loaded
_MAX_DEPTH = 100  # of files that load one another
_NETTOOL = "nettool.sn"  # what (libload "nettool") defines
LIBRARIES = (  # built in: loading them does nothing more
    "connect",
    "connect-epsi",
    "knnenv",
    "libnum",
    "math-env",
    "netenv",
    "nettool",
    "oldplotenv",
    "perf-file",
    "plot-nlf",
    "plotenv",
    "tl3",
)


def is_library(file_name: str) -> bool:
    """Return whether a name is that of a library of SN-2.8, which is built in."""
    return _stem(file_name) in (*KERNELS, *LIBRARIES)


class LoadedFiles:
    """The files that `libload` has loaded in one program, which it does not load again."""

    def __init__(self, interpreter: Interpreter):
        self.paths: set[Path] = set()


@word("load")
def load(interpreter: Interpreter, name: Form) -> Form:
    """(load "file"): evaluates a file form by form; returns the name of the file"""
    file_name = text("load", name)
    path = interpreter.part(ProgramFiles).find(file_name, *SUFFIXES)
    if path is None and _is_built_in(interpreter, file_name):
        return file_name
    return _evaluate_file(interpreter, path or interpreter.part(ProgramFiles).readable_path(file_name, *SUFFIXES))


@word("libload")
def libload(interpreter: Interpreter, name: Form, again: Form = NIL) -> Form:
    """(libload "sn28/sn28ite"): chooses a kernel; (libload "file" [t]): loads a file, but a second time only with t"""
    file_name = text("libload", name)
    if _is_built_in(interpreter, file_name):
        return file_name
    path = interpreter.part(ProgramFiles).find(file_name, *SUFFIXES)
    if path is None:
        built_in = ", ".join([*(f"sn28/{kernel}" for kernel in KERNELS), *LIBRARIES])
        raise CallError(
            f'library "{file_name}" not found, neither built in nor as a file of the program or its data',
            0,
            f"choose a file, or one of the built-in libraries: {built_in}",
        )
    paths = interpreter.part(LoadedFiles).paths
    resolved = resolve(path)
    if resolved in paths and again is NIL:
        return str(path)
    paths.add(resolved)
    return _evaluate_file(interpreter, path)


def _is_built_in(interpreter: Interpreter, file_name: str) -> bool:
    """Return whether a name is a built-in library; choose the kernel if it names one."""
    stem = _stem(file_name)
    if stem in KERNELS:
        interpreter.part(Netspace).set_kernel(stem)
    if stem == "nettool":
        _define_net_display(interpreter)
    return is_library(file_name)


def _stem(file_name: str) -> str:
    stem = fold(PurePosixPath(file_name).name)
    for suffix in SUFFIXES:
        stem = stem.removesuffix(suffix)
    return stem


def _define_net_display(interpreter: Interpreter) -> None:
    """Define the class `net-display`, in which NetTool's files draw nets, unless the program has defined it."""
    if interpreter.is_set_globally(symbol("net-display")):
        return
    from importlib import resources

    program = resources.files("snsim.sn28.graphics").joinpath(_NETTOOL).read_text(encoding="utf-8")
    faults: list[Fault] = []
    interpreter.run_text(Source(f"<snsim.sn28.{_NETTOOL}>", program), faults)
    if faults:
        raise SnError(faults)


def _evaluate_file(interpreter: Interpreter, path: Path) -> str:
    """Evaluate a file; its faults also name the place that loaded it."""
    place = interpreter.place()
    if len(interpreter.inputs) > _MAX_DEPTH:
        raise exceeded(
            f"load: the files that load {path} are nested too deeply",
            _MAX_DEPTH,
            place,
            "check for a file that loads itself, and remove that (load ...)",
        )
    source = read_source(path, interpreter.limits, place)
    interpreter.budget.walk(len(source.text))
    faults: list[Fault] = []
    try:
        interpreter.run_text(source, faults)
    except LimitError:
        raise
    except SnError as error:
        raise ProgramStoppedError([_with_load_site(fault, place) for fault in (*faults, *error.faults)]) from None
    if faults:
        raise SnError([_with_load_site(fault, place) for fault in faults])
    return str(path)


def _with_load_site(fault: Fault, place: Span | None) -> Fault:
    """Return the fault of a loaded file with the place that loaded it added."""
    return fault if place is None else replace(fault, also=(*fault.also, ("loaded here", place)))


class Autoload(Procedure):
    """A function whose file is loaded at its first call."""

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
                hint=f"write (de {self.name} (...) ...) in it, or remove {self.name} from (autoload ...)",
            )
        return procedure

    def __str__(self) -> str:
        return f"::AUTOLOAD:{self.name}"


@special_word("autoload")
def autoload(interpreter: Interpreter, form: Pair) -> Form:
    """(autoload "file" name...): makes the first call of each of these functions load the file that defines it"""
    parts = interpreter.elements(form.cdr, "autoload")
    if len(parts) < 2 or not isinstance(parts[0], str) or not all(isinstance(name, Symbol) for name in parts[1:]):
        raise CallError("autoload takes a file and one or more function names", None, 'write (autoload "file" name...)')
    for name in parts[1:]:
        if interpreter.procedure(name) is None:
            interpreter.assign_global(name, Autoload(name, parts[0]))
    return parts[0]
