"""What a comparison takes from files: the class of `FILE.py:Class`, and a mapping of names."""

from __future__ import annotations

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
    """The module of `FILE.py:Class`, made without arguments. The file is executed as Python does with any program.

    SnError if there is no such file or class, if the file raises, or if what it makes is no torch.nn.Module.
    """
    file, colon, name = place.rpartition(":")
    if not colon or not file or not name.isidentifier():
        raise fail(f'"{place}" does not say which class of which file', hint="write FILE.py:Class")
    path = Path(file)
    if not is_file(path):
        raise fail(f"there is no file {shown(file)}", hint="write FILE.py:Class, FILE as seen from here")
    with needing("torch", what="a comparison with a module"):
        from torch import nn

    with _importing_beside(path):
        with raising_faults(f"{file} cannot be executed", f"python {file} must run without an error", file):
            declared = _execute(path)
        classes = {key: value for key, value in declared.items() if isinstance(value, type)}
        if name not in classes:
            raise fail(f'{file} has no class "{name}"', hint=suggest(name, list(classes), "classes"))
        with raising_faults(f"{file} cannot make {name}", "the class is called without arguments", file):
            made = classes[name]()
    if not isinstance(made, nn.Module):
        raise fail(f"{name} of {file} is no torch.nn.Module", hint="derive the class from torch.nn.Module")
    return made


@contextmanager
def raising_faults(what: str, hint: str, file: str | None = None) -> Iterator[None]:
    """Turns what a stranger's Python raises into an SnError: `what`, the error in a line, the line it came through.

    `file` is whose last line is meant; None: wherever it was raised, but in snsim, which is nobody's own line.
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
    """Imports find what stands beside the file, as under `python FILE`."""
    before = list(sys.path)
    sys.path.insert(0, str(path.resolve().parent))
    try:
        yield
    finally:
        sys.path[:] = before


def _execute(path: Path) -> dict[str, object]:
    """What the file declares, by name."""
    spec = importlib.util.spec_from_loader(f"snsim_compared_{path.stem}", None, origin=str(path))
    assert spec is not None
    python = importlib.util.module_from_spec(spec)
    python.__file__ = str(path.resolve())
    sys.modules[spec.name] = python  # where dataclasses and pickle look for it
    exec(compile(path.read_bytes(), str(path), "exec"), python.__dict__)
    return python.__dict__


def read_mapping(path: Path) -> dict[str, str]:
    """From our names of parameters to the module's, out of a JSON file. SnError if it is anything else."""
    hint = 'write {"h1.bias": "conv1.bias", ...}: our names, then the module\'s'
    found: dict[str, str] = read_json(path, hint)
    check(found, Named(Text()), str(path), hint)
    return found
