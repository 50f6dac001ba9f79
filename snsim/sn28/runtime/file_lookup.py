"""The files an SN program names: where one is read from, and where one is written.

A name is looked for in the run folder (what this program itself wrote), beside the text that is running, in the
program's folder, in the folder of `--data-dir`, in that of the variable SNSIM_DATA and in its `sn28` folder; each as
it stands, then with the suffixes of the word. A program reads nowhere else, and writes into its run folder only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from snsim.atomic_files import write_atomically
from snsim.data.fetch import Search
from snsim.errors import Fault, SnError
from snsim.input_files import (
    PathError,
    exists,
    is_file,
    is_folder,
    open_file,
    resolve,
    resolve_inside,
    shown,
    unreadable,
    unwritable,
)
from snsim.language.limits import exceeded
from snsim.language.procedures import Misuse
from snsim.protected_files import is_protected
from snsim.sn28.runtime.host import surroundings

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_BYTES_PER_ELEMENT = 16  # more than any format takes for an element of a matrix, as a number of a text


class Files:
    """The files of one program: `interpreter.part(Files)`."""

    def __init__(self, interpreter: Interpreter):
        self._interpreter = interpreter
        self._output: Path | None = None
        self._told: set[str] = set()
        self._sizes: dict[Path, int] = {}  # of the files that the program wrote, and its folders
        self._total = 0

    def to_read(self, name: str, *suffixes: str, argument: int | None = 0) -> Path:
        """The file that a name means, as it stands or with one of the suffixes (".mat").

        Misuse, about the argument of that number, if it is in none of the folders.
        """
        found = self.find(name, *suffixes, argument=argument)
        if found is not None:
            return found
        for _, path in self._places(name, suffixes, argument):
            if exists(path) and not is_folder(path):
                raise Misuse(f'"{shown(name)}" is a pipe or a device, not a plain file', argument, "name a plain file")
        folders = {resolve(folder): str(folder) for folder in reversed(list(self._folders()))}
        places = ", ".join(reversed(folders.values())) or "no folder"
        also = f" (nor with {' or '.join(suffixes)})" if suffixes else ""
        raise Misuse(
            f'there is no file "{shown(name)}"{also} in {places}',
            argument,
            "put it beside the program, or name its folder by --data-dir or in SNSIM_DATA",
        )

    def find(self, name: str, *suffixes: str, argument: int | None = 0) -> Path | None:
        """The file that a name means, None if there is none. Misuse for a name that can lead to no file."""
        for given, path in self._places(name, suffixes, argument):
            if is_file(path):
                self._tell(name, given, path)
                return path
        return None

    def _places(self, name: str, suffixes: Sequence[str], argument: int | None) -> Iterator[tuple[str, Path]]:
        """Where a file of this name may be, and the part of the name that was looked up there."""
        for given in _shortened(name):
            for folder in self._folders():
                for suffix in ("", *suffixes):
                    path = _inside(folder, given + suffix, argument)
                    if path is not None:
                        yield given, path

    def to_write(self, name: str, *suffixes: str, argument: int | None = 0) -> Path:
        """The place of a file to be written, in the run folder, which is made now if this is the first one.

        The first suffix is added if the name has none. Misuse if the name leads outside, or nothing is written here.
        """
        output = self._interpreter.part(surroundings).output
        if output is None:
            raise Misuse(
                f'"{shown(name)}" is not written: there is no run folder here',
                argument,
                "snsim run gives the program a run folder, and puts there what it writes",
            )
        _check_relative(name, argument)
        _inside(Path(), name, argument)  # before a run folder is made for it
        if suffixes and not PurePosixPath(name).suffix:
            name += suffixes[0]
        if self._output is None:
            self._output = output()
        path = _inside(self._output, name, argument)
        if path is None or (os.path.lexists(path) and not is_file(path)):
            raise Misuse(
                f'"{shown(name)}" is {"no plain file" if path else "outside"} of the run folder',
                argument,
                "give another name",
            )
        for folder in reversed([path, *path.relative_to(self._output).parents][:-1]):
            self.count(self._output / folder, 0)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            sentence, remedy = unwritable(name, error)
            raise Misuse(sentence, argument, remedy) from None
        return path

    def written(self, name: str) -> Path | None:
        """The file of this name in the run folder, None if there is none. Misuse if the name leads outside."""
        _check_relative(name)
        path = None if self._output is None else _inside(self._output, name, 0)
        return path if path is not None and is_file(path) else None

    def content(self, path: Path, argument: int | None = 0) -> bytes:
        """The bytes of a file; Misuse if it cannot be read, or is larger than any matrix may be."""
        with self.opened(path, argument) as file:
            return file.read()

    @contextmanager
    def opened(self, path: Path, argument: int | None = 0) -> Iterator[BinaryIO]:
        """A file that is open to be read; Misuse as in `content`, and for a fault of the file that the block meets."""
        most = _BYTES_PER_ELEMENT * self._interpreter.limits.matrix_elements
        try:
            with open_file(path, most, what="a file that a program reads") as file:
                yield file
        except SnError as error:
            raise Misuse(error.faults[0].message, argument, error.faults[0].hint) from None
        except OSError as error:
            fault = unreadable(path, error).faults[0]
            raise Misuse(fault.message, argument, fault.hint) from None

    def write(self, path: Path, content: bytes, argument: int | None = 0) -> None:
        """Put bytes in a file; Misuse if that cannot be done, LimitError if it would be too much."""
        self.count(path, len(content))
        try:
            write_atomically(path, content, durable=False)
        except OSError as error:
            sentence, remedy = unwritable(path, error)
            raise Misuse(sentence, argument, remedy) from None

    def append(self, path: Path, content: bytes, argument: int | None = 0) -> None:
        """Add bytes to a file; Misuse if that cannot be done, LimitError if it would be too much."""
        try:
            with path.open("ab") as file:
                self.count(path, file.tell() + len(content))
                file.write(content)
        except OSError as error:
            sentence, remedy = unwritable(path, error)
            raise Misuse(sentence, argument, remedy) from None

    def count_again(self, path: Path) -> None:
        """Count a file that was written to otherwise, or that was removed; LimitError if it is too much."""
        self.count(path, path.stat().st_size if path.exists() else None)

    def count(self, path: Path, size: int | None) -> None:
        """Keep account of what is on the disk: a file or folder of so many bytes, or no longer there (None)."""
        limits, place = self._interpreter.limits, self._interpreter.place
        self._total += (size or 0) - self._sizes.pop(path, 0)
        if size is None:
            return
        self._sizes[path] = size
        if len(self._sizes) > limits.written_files:
            raise exceeded(
                "the program writes too many files",
                limits.written_files,
                place(),
                "write more into each: (open-append ...) adds to a file, (unlink ...) removes one",
            )
        if self._total > limits.written_bytes:
            raise exceeded(
                "the program writes too many bytes",
                limits.written_bytes,
                place(),
                "write less, or remove files by (unlink ...); `snsim run --megabytes N` allows more",
            )

    def _folders(self) -> Iterator[Path]:
        """Where a name is looked for, in order."""
        access, place = self._interpreter.files, self._interpreter.place()
        if self._output is not None:
            yield self._output
        if access is not None and access.root is not None:
            beside = Path() if place is None or place.source.path is None else Path(place.source.name).parent
            if resolve(beside).is_relative_to(access.root):
                yield beside
            yield access.root
        try:
            for origin, folder in Search.usual(self._interpreter.part(surroundings).data_dir).folders():
                yield folder
                if origin == "SNSIM_DATA":
                    yield folder / "sn28"
        except SnError as error:
            raise Misuse(error.faults[0].message, None, error.faults[0].hint) from None

    def _tell(self, name: str, given: str, path: Path) -> None:
        """A name that leads out of its folder is said to be found elsewhere, once."""
        if name != given and name not in self._told:
            self._told.add(name)
            self._interpreter.warnings.append(
                Fault(
                    f'"{name}" leads out of its folder; {path} is read',
                    self._interpreter.place(),
                    hint=f'write "{path.name}", or the folder of the data with --data-dir',
                    severity="warning",
                )
            )


def _check_relative(name: str, argument: int | None = 0) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.name:
        raise Misuse(
            f'"{shown(name)}" lies outside of the run folder',
            argument,
            "a program changes files of its run folder only: give a relative name without ..",
        )
    if is_protected(path.parts[0]):
        raise Misuse(
            f'"{shown(name)}" is a name that snsim keeps to itself in a run folder', argument, "give another name"
        )


def _shortened(name: str) -> Iterator[str]:
    """The name; of one that begins with `..` (demonstrations named their data so, relative to the library of the
    simulator) also what is left without `..` and then without the first folders.
    """
    yield name
    parts = PurePosixPath(name).parts
    if ".." in parts:
        rest = [part for part in parts if part not in ("..", "/")]
        for i in range(len(rest)):
            yield "/".join(rest[i:])


def _inside(folder: Path, name: str, argument: int | None) -> Path | None:
    """The path of a name in a folder; None if it leads out of the folder. Misuse for a name that leads nowhere."""
    try:
        return None if resolve_inside(folder, name) is None else folder / name
    except PathError as reason:
        raise Misuse(f'"{shown(name)}" names no file: {reason}', argument, "give another name") from None
