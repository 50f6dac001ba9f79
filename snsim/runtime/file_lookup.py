"""Find the files that a program of SN-2.8 or of Lush reads and writes.

A name is searched in this order: the run folder (files that this program wrote), the folder of the running text, the
program's folder, the folder of `--data-dir`, the folder of the variable SNSIM_DATA and its folders `sn28` and `mnist`.
In each folder the name is tried as written, then with the suffixes of the word. A program reads from no other folder,
and writes only into its run folder.
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
from snsim.language.procedures import CallError
from snsim.protected_files import is_protected
from snsim.runtime.host import host_of

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_BYTES_PER_ELEMENT = 16  # more than any format needs for one element of a matrix, text included


class ProgramFiles:
    """The files of one program, from `interpreter.part(ProgramFiles)`."""

    def __init__(self, interpreter: Interpreter):
        self._interpreter = interpreter
        self._output: Path | None = None
        self._warned: set[str] = set()
        self.read_beside: dict[Path, None] = {}  # absolute paths of what was read in the program's own folder
        self._sizes: dict[Path, int] = {}  # size in bytes of each file and folder that the program wrote
        self._total = 0
        self._folder = ""  # the folder to which chdir changed, relative to those that are searched

    def readable_path(self, name: str, *suffixes: str, argument: int | None = 0) -> Path:
        """Return the path of a file to read, under its name or its name with one of the suffixes (".mat").

        Raise CallError if the file is in none of the folders; `argument` is the number of the argument at fault.
        """
        path = self.find(name, *suffixes, argument=argument)
        if path is not None:
            return path
        for _, candidate in self._candidates(name, suffixes, argument):
            if exists(candidate) and not is_folder(candidate):
                raise CallError(
                    f'"{shown(name)}" is a pipe or a device, not a plain file',
                    argument,
                    "write the name of a plain file",
                )
        folders = {resolve(folder): str(folder) for folder in reversed(list(self._search_folders()))}
        places = ", ".join(reversed(folders.values())) or "no folder"
        with_suffixes = f" (nor with {' or '.join(suffixes)})" if suffixes else ""
        raise CallError(
            f'file "{shown(name)}"{with_suffixes} not found in {places}',
            argument,
            "put it in the folder of the program, or name its folder with --data-dir or SNSIM_DATA",
        )

    def find(self, name: str, *suffixes: str, argument: int | None = 0) -> Path | None:
        """Return the path of a file, or None if there is none. Raise CallError for a name that no file can have."""
        for shortened, path in self._candidates(name, suffixes, argument):
            if is_file(path):
                self._warn_elsewhere(name, shortened, path)
                return path
        return None

    def _candidates(self, name: str, suffixes: Sequence[str], argument: int | None) -> Iterator[tuple[str, Path]]:
        """Yield each possible path of a file, with the part of its name that was searched for."""
        changed = [self._in_changed_folder(name)] if self._folder else []
        for shortened in (*changed, *_without_parents(name)):
            for folder in self._search_folders():
                for suffix in ("", *suffixes):
                    path = _inside(folder, shortened + suffix, argument)
                    if path is not None:
                        yield name if shortened in changed else shortened, path

    def _in_changed_folder(self, name: str) -> str:
        """Return a name relative to the searched folders for one relative to the folder of `change_folder`."""
        return os.path.normpath(f"{self._folder}/{name}") if self._folder and not name.startswith("/") else name

    def folders(self, name: str, argument: int | None = 0) -> list[Path]:
        """Return the folders of a name that the program can read: in the run folder and in the folders of the program.

        If these have none, return those in the data folders.
        """
        for searched in (self._program_folders(), self._data_folders()):
            paths = [_inside(folder, self._in_changed_folder(name), argument) for folder in searched]
            existing = {resolve(path): path for path in paths if path is not None and is_folder(path)}
            if existing:
                return list(existing.values())
        return []

    def readable_folders(self, name: str, argument: int | None = 0) -> list[Path]:
        """Return what `folders` returns, but raise CallError if there is none."""
        paths = self.folders(name, argument)
        if paths:
            return paths
        raise CallError(
            f'there is no folder "{shown(name)}" that this program can read',
            argument,
            "write a folder below that of the program, or name a data folder with --data-dir or SNSIM_DATA",
        )

    def change_folder(self, name: str, argument: int | None = 0) -> Path:
        """Make names relative to a folder, and return its path. Raise CallError if the program may not read it."""
        path = resolve(self.readable_folders(name, argument)[0])
        base = next(base for base in map(resolve, self._search_folders()) if path.is_relative_to(base))
        relative = path.relative_to(base).as_posix()
        self._folder = "" if relative == "." else relative
        return path

    def make_folder(self, name: str, argument: int | None = 0) -> None:
        """Make a folder in the run folder. Raise CallError if that fails, or if there is one of this name."""
        path = self.writable_path(name, argument=argument)
        self.record_size(path, 0)
        try:
            path.mkdir()
        except (OSError, ValueError) as error:
            sentence, remedy = unwritable(name, error)
            raise CallError(sentence, argument, remedy) from None

    def writable_path(self, name: str, *suffixes: str, argument: int | None = 0) -> Path:
        """Return the path in the run folder of a file to write, and make the run folder if it does not exist yet.

        The first suffix is added to a name that has none. Raise CallError if the path is outside the run folder, or if
        the program has no run folder.
        """
        output = self._interpreter.part(host_of).output
        if output is None:
            raise CallError(
                f'cannot write "{shown(name)}": this program has no run folder',
                argument,
                "start the program with snsim run, which makes a run folder for its files",
            )
        name = self._in_changed_folder(name)
        _check_relative(name, argument)
        _inside(Path(), name, argument)  # checks the name before the run folder is made
        if suffixes and not PurePosixPath(name).suffix:
            name += suffixes[0]
        if self._output is None:
            self._output = output()
        path = _inside(self._output, name, argument)
        if path is None or (os.path.lexists(path) and not is_file(path)):
            raise CallError(
                f'cannot write "{shown(name)}": it is {"not a plain file" if path else "outside the run folder"}',
                argument,
                "choose another name",
            )
        for folder in reversed([path, *path.relative_to(self._output).parents][:-1]):
            self.record_size(self._output / folder, 0)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            sentence, remedy = unwritable(name, error)
            raise CallError(sentence, argument, remedy) from None
        return path

    def written_path(self, name: str) -> Path | None:
        """Return the path of a file in the run folder, or None if there is none. Raise CallError if it is outside."""
        name = self._in_changed_folder(name)
        _check_relative(name)
        path = None if self._output is None else _inside(self._output, name, 0)
        return path if path is not None and is_file(path) else None

    def read(self, path: Path, argument: int | None = 0) -> bytes:
        """Return the bytes of a file. Raise CallError if it cannot be read or is larger than the largest matrix."""
        with self.open(path, argument) as file:
            return file.read()

    @contextmanager
    def open(self, path: Path, argument: int | None = 0) -> Iterator[BinaryIO]:
        """Open a file for reading. Raise CallError as `read` does, and also for read errors inside the `with` block."""
        limit = _BYTES_PER_ELEMENT * self._interpreter.limits.matrix_elements
        try:
            with open_file(path, limit, what="a file that a program reads") as file:
                self._note(path)
                yield file
        except SnError as error:
            raise CallError(error.faults[0].message, argument, error.faults[0].hint) from None
        except OSError as error:
            fault = unreadable(path, error).faults[0]
            raise CallError(fault.message, argument, fault.hint) from None

    def _note(self, path: Path) -> None:
        """Note a file of the program's own folder, without which the program cannot be read again."""
        access, full = self._interpreter.files, resolve(path)
        inside = access is not None and access.root is not None and full.is_relative_to(access.root)
        if inside and not (self._output is not None and full.is_relative_to(resolve(self._output))):
            self.read_beside[full] = None

    def write(self, path: Path, content: bytes, argument: int | None = 0) -> None:
        """Write bytes to a file. Raise CallError if that fails, LimitError if the program writes too much."""
        self.record_size(path, len(content))
        try:
            write_atomically(path, content, durable=False)
        except OSError as error:
            sentence, remedy = unwritable(path, error)
            raise CallError(sentence, argument, remedy) from None

    def append(self, path: Path, content: bytes, argument: int | None = 0) -> None:
        """Append bytes to a file. Raise CallError if that fails, LimitError if the program writes too much."""
        try:
            with path.open("ab") as file:
                self.record_size(path, file.tell() + len(content))
                file.write(content)
        except OSError as error:
            sentence, remedy = unwritable(path, error)
            raise CallError(sentence, argument, remedy) from None

    def refresh_size(self, path: Path) -> None:
        """Record the present size of a file that other code changed or removed, as `record_size` does."""
        self.record_size(path, path.stat().st_size if path.exists() else None)

    def record_size(self, path: Path, size: int | None) -> None:
        """Record the size in bytes of a file or folder on the disk; None for one that was removed.

        Raise LimitError if the program has written too many files or bytes.
        """
        limits, place = self._interpreter.limits, self._interpreter.place
        self._total += (size or 0) - self._sizes.pop(path, 0)
        if size is None:
            return
        self._sizes[path] = size
        if len(self._sizes) > limits.written_files:
            raise exceeded(
                "the program wrote too many files",
                limits.written_files,
                place(),
                "put more into each file with (open-append ...), or remove files with (unlink ...)",
            )
        if self._total > limits.written_bytes:
            raise exceeded(
                "the program wrote too many bytes",
                limits.written_bytes,
                place(),
                "write less, or remove files with (unlink ...); `snsim run --megabytes N` allows more",
            )

    def _search_folders(self) -> Iterator[Path]:
        """Yield the folders in which a name is searched, in order."""
        yield from self._program_folders()
        yield from self._data_folders()

    def _program_folders(self) -> Iterator[Path]:
        """Yield the run folder, the folder of the running text and the folder of the program."""
        access, place = self._interpreter.files, self._interpreter.place()
        if self._output is not None:
            yield self._output
        if access is not None and access.root is not None:
            beside = Path() if place is None or place.source.path is None else Path(place.source.name).parent
            if resolve(beside).is_relative_to(access.root):
                yield beside
            yield access.root

    def _data_folders(self) -> Iterator[Path]:
        """Yield the folders of data, in which a name is searched last."""
        try:
            for origin, folder in Search.usual(self._interpreter.part(host_of).data_dir).folders():
                yield folder
                if origin == "SNSIM_DATA":
                    yield folder / "sn28"
                    yield folder / "mnist"
        except SnError as error:
            raise CallError(error.faults[0].message, None, error.faults[0].hint) from None

    def _warn_elsewhere(self, name: str, shortened: str, path: Path) -> None:
        """Warn, once for each name, that a name with `..` was found in another folder."""
        if name != shortened and name not in self._warned:
            self._warned.add(name)
            self._interpreter.warnings.append(
                Fault(
                    f'"{name}" leaves its folder; reading {path} instead',
                    self._interpreter.place(),
                    hint=f'write "{path.name}", and name the data folder with --data-dir if needed',
                    severity="warning",
                )
            )


def _check_relative(name: str, argument: int | None = 0) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.name:
        raise CallError(
            f'"{shown(name)}" is outside the run folder',
            argument,
            "write a relative name without ..: a program changes files only in its run folder",
        )
    if is_protected(path.parts[0]):
        raise CallError(f'"{shown(name)}" is reserved for snsim in a run folder', argument, "choose another name")


def _without_parents(name: str) -> Iterator[str]:
    """Yield the name, and for a name with `..` also its parts without `..` and without the first folders.

    SN's demonstrations name their data relative to the library of the simulator, as in "../data/f.mat".
    """
    yield name
    parts = PurePosixPath(name).parts
    if ".." in parts:
        rest = [part for part in parts if part not in ("..", "/")]
        for i in range(len(rest)):
            yield "/".join(rest[i:])


def _inside(folder: Path, name: str, argument: int | None) -> Path | None:
    """Return the path of a name in a folder, or None if it is outside. Raise CallError for a name no file can have."""
    try:
        return None if resolve_inside(folder, name) is None else folder / name
    except PathError as reason:
        raise CallError(f'"{shown(name)}" is not a file name: {reason}', argument, "choose another name") from None
