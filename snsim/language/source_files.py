"""Texts from files: which files a program may read, and how they are decoded."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from snsim.errors import Source, Span, fail
from snsim.language.limits import DEFAULT, Limits, exceeds_source


def read_source(path: str | Path, limits: Limits = DEFAULT, span: Span | None = None) -> Source:
    """The text of a file under the name `path`; ends of line of any system become newlines.

    SnError (at `span`) for a file that is absent, is no plain file, is too large, or is no UTF-8 text.
    """
    name = str(path)
    try:
        status = os.stat(name)
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no plain file"
            raise fail(f"{name} is {kind}", span, "give a file of SN's Lisp, NAME.sn")
        too_large = exceeds_source(status.st_size, limits)
        with open(name, "rb") as file:
            content = b"" if too_large else file.read(limits.source_bytes + 1)
        too_large = too_large or exceeds_source(len(content), limits)
    except FileNotFoundError:
        raise fail(f"there is no file {name}", span, _nearest_file(name)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise fail(f"{name} cannot be read: {reason}", span) from None
    if too_large:
        raise fail(f"{name}: {too_large}", span, "is it the right file?")
    return Source(name, _decode(name, content, span))


def read_input() -> Source:
    """Standard input, to its end. SnError if it is no text."""
    return Source("<stdin>", _decode("<stdin>", sys.stdin.buffer.read(), None))


def _decode(name: str, content: bytes, span: Span | None) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise fail(f"{name} is no text: byte {error.start} (line {line}) is not UTF-8", span,
                   "is it the right file? An old text in Latin-1: iconv -f latin1 -t utf-8") from None
    if "\0" in text:
        raise fail(f"{name} is no text: it holds a zero byte", span, "is it the right file?")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _nearest_file(name: str) -> str:
    """The files of the same kind beside the one that is absent."""
    folder = Path(name).parent
    try:
        beside = sorted(p.name for p in folder.iterdir() if p.suffix == ".sn")
    except OSError:
        return f"there is no folder {folder} either"
    return f"in {folder}: {', '.join(beside[:20])}" if beside else f"no .sn file is in {folder}"


def _holds_texts(folder: Path) -> bool:
    """Whether `.sn` files stand in a folder."""
    try:
        return any(entry.name.endswith(".sn") for entry in os.scandir(folder))
    except OSError:
        return False


class FileAccess:
    """The files that a program may read: those in the folder tree of its first text, and `.sn` files of the tree above
    it where that is one of `.sn` files, as the folder of nets is for a folder of studies in it."""

    def __init__(self, root: Path | None, texts: Path | None = None):
        """`root`: the top of the tree; None for a text that has no folder. `texts`: the top of the tree of `.sn` files;
        None for the folder above if that holds some, else `root`."""
        self.root = None if root is None else root.resolve()
        above = self.root if self.root is None or not _holds_texts(self.root.parent) else self.root.parent
        self.texts = above if texts is None else texts.resolve()
        self._read: set[Path] = set()

    @classmethod
    def around(cls, source: Source, texts: Path | None = None) -> FileAccess:
        """What the text of a file may read; nothing, for a text that came from elsewhere (`<prompt>`)."""
        if source.name.startswith("<"):
            return cls(None)
        access = cls(Path(source.name).parent, texts)
        access._read.add(Path(source.name).resolve())
        return access

    def find(self, name: str, beside: Source, span: Span) -> Path:
        """The path that `name` means in a text: relative to its file. SnError if it lies outside of the tree."""
        if self.root is None:
            raise fail(f'a text without a folder cannot include "{name}"', span, "write it to a file first")
        path = Path(os.path.normpath(os.path.join(os.path.dirname(beside.name), name)))
        try:
            resolved = path.resolve()
            inside = resolved.is_relative_to(self.root) or (
                resolved.suffix == ".sn" and self.texts is not None and resolved.is_relative_to(self.texts))
        except (OSError, ValueError, RuntimeError):
            inside = False
        if not inside:
            raise fail(f'"{name}" lies outside of {self.root}, the folder of the program', span,
                       "a program includes files of its own folder and the folders in it, and .sn files of the "
                       "folder above where that is one of .sn files")
        return path

    def first_time(self, path: Path) -> bool:
        """Whether the file was not read before; from now on it was."""
        resolved = path.resolve()
        new = resolved not in self._read
        self._read.add(resolved)
        return new
