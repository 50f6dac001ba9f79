"""Load what a comparison reads from files: the class of `FILE.py:Class`, and a mapping of names."""

from __future__ import annotations

import ast
import importlib.util
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from snsim.errors import SnError, fail
from snsim.input_files import is_file, shown
from snsim.json_reader import Named, Text, check, read_json
from snsim.optional_packages import needing
from snsim.registry import suggest

if TYPE_CHECKING:
    from torch import nn

_SNSIM = Path(__file__).parents[1]

_MOST_BYTES = 16_000_000  # of a mapping


def load_class(place: str) -> nn.Module:
    """Return the module of `FILE.py:Class`, made without arguments. The file is executed like any Python program.

    Raises SnError if there is no such file or class, if the file raises, or if the result is not a torch.nn.Module.
    """
    file, colon, name = place.rpartition(":")
    if not colon or not file or not name.isidentifier():
        raise fail(f'"{place}" names no class: FILE.py:Class is expected', hint="write FILE.py:Class")
    path = Path(file)
    if not is_file(path):
        raise fail(
            f"there is no file {shown(file)}", hint="write the file, a colon and the class, such as my_net.py:Net"
        )
    declared_names = _names_in(path)
    if declared_names is not None and name not in declared_names:
        classes_of_file = [one for one, is_class in declared_names.items() if is_class]
        raise fail(f'{file} has no class "{name}"', hint=_no_class_hint(name, classes_of_file))
    with needing("torch", what="a comparison with a module"):
        from torch import nn

    with _importing_beside(path):
        with raising_faults(f"{file} cannot be executed", f"make sure that python {file} runs without an error", file):
            declared = _execute(path)
        classes = {key: value for key, value in declared.items() if isinstance(value, type)}
        if name not in classes:
            raise fail(f'{file} has no class "{name}"', hint=_no_class_hint(name, list(classes)))
        with raising_faults(f"{name} of {file} cannot be created", "the class is called without arguments", file):
            module = classes[name]()
    if not isinstance(module, nn.Module):
        raise fail(f"{name} of {file} is not a torch.nn.Module", hint="derive the class from torch.nn.Module")
    return module


def _no_class_hint(name: str, classes: list[str]) -> str:
    return f"{suggest(name, classes, 'classes')}; for a script leave out :{name}"


def _names_in(path: Path) -> dict[str, bool] | None:
    """Return the names that a Python file declares, and whether each is a class; None if that cannot be read off.

    The file is not executed: a training script would begin to train, and read the arguments of snsim as its own.
    """
    try:
        nodes = list(ast.walk(ast.parse(path.read_bytes())))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # executing it says what is wrong
    names: dict[str, bool] = {}
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            names[node.name] = True
        elif isinstance(node, ast.alias):
            names.setdefault(node.asname or node.name, False)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.setdefault(node.id, False)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("globals", "exec"):
            return None  # it may declare anything
    return None if "*" in names else names


@contextmanager
def raising_faults(what: str, hint: str, file: str | None = None) -> Iterator[None]:
    """Turn an exception of foreign Python code into an SnError: `what`, the error in a line, the line it came from.

    The line is the last one in `file`; with None, the last one outside snsim.
    """
    try:
        yield
    except SnError:
        raise
    except (Exception, SystemExit) as error:
        raise fail(f"{what}: {_describe_error(error, file)}", hint=hint) from error


def _describe_error(error: BaseException, file: str | None) -> str:
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == file or (file is None and not Path(frame.filename).is_relative_to(_SNSIM))
    ]
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    if isinstance(error, SyntaxError):
        place = f" ({error.filename}:{error.lineno})"
        return f"{type(error).__name__}: {error.msg}{place}"
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}{place}"


@contextmanager
def _importing_beside(path: Path) -> Iterator[None]:
    """Let imports find files beside this one, as under `python FILE`; the arguments of snsim are not the file's."""
    before, arguments = list(sys.path), sys.argv
    sys.path.insert(0, str(path.resolve().parent))
    sys.argv = [str(path)]
    try:
        yield
    finally:
        sys.path[:], sys.argv = before, arguments


def _execute(path: Path) -> dict[str, object]:
    """Execute the file, and return what it declares, by name."""
    spec = importlib.util.spec_from_loader(f"snsim_compared_{path.stem}", None, origin=str(path))
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(path.resolve())
    sys.modules[spec.name] = module  # where dataclasses and pickle look for it
    exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    return module.__dict__


def read_mapping(path: Path) -> dict[str, str]:
    """Read a JSON file with a mapping from our names of parameters to the module's. SnError if it is anything else."""
    hint = 'write {"h1.bias": "conv1.bias", ...}: our names, then the module\'s'
    mapping: dict[str, str] = read_json(path, hint)
    check(mapping, Named(Text()), str(path), hint)
    return mapping
