"""Read source files: which files a program may read, and how they are decoded."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from snsim.errors import Source, Span, fail
from snsim.escaping import for_shell
from snsim.input_files import PathError, foreign_format, open_file, resolve, shown, unreadable
from snsim.language.limits import DEFAULT, Limits, exceeds_source
from snsim.registry import nearest

LUSH = ".lsh"  # the suffix of programs of Lush, SN's successor
SUFFIXES = (".sn", LUSH)


def is_lush(source: Source) -> bool:
    """Return whether a text is a program of Lush, SN's successor: its name ends in `.lsh`."""
    return source.name.endswith(LUSH)


def read_source(path: str | Path, limits: Limits = DEFAULT, span: Span | None = None) -> Source:
    """Return the text of a file; line ends of any system become newlines.

    SnError (at `span`) for a file that is missing, is not a plain file, is too large, or is not UTF-8 text.
    """
    name = str(path)
    hint = "give a file of SN's Lisp, NAME.sn" if os.path.exists(name) else _nearest_file(name)
    try:
        with open_file(name, None, span, hint) as file:
            too_large = exceeds_source(os.fstat(file.fileno()).st_size, limits)
            content = b"" if too_large else file.read(limits.source_bytes + 1)
        too_large = too_large or exceeds_source(len(content), limits)
    except OSError as error:
        raise unreadable(name, error, span) from None
    if too_large:
        raise fail(f"{shown(name)}: {too_large}", span, hint='split it into several files joined by (include "F.sn")')
    return Source(name, _decode(name, content, span), is_file=True)


def read_input() -> Source:
    """Read standard input to its end. SnError if it is not text."""
    return Source("<stdin>", _decode("<stdin>", sys.stdin.buffer.read(), None))


def _decode(name: str, content: bytes, span: Span | None) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise fail(
            f"{shown(name)} is text in UTF-16; snsim reads UTF-8",
            span,
            hint=f"save it as UTF-8, or: iconv -f utf-16 -t utf-8 {for_shell([Path(name)])} > NEW.sn",
        )
    if known := foreign_format(content):
        raise fail(
            f"{shown(name)} is {known}, not a program of SN's Lisp", span, hint="name a program of SN's Lisp, NAME.sn"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = _place(name, content.decode("utf-8", "replace"), len(content[: error.start].decode("utf-8", "replace")))
        raise fail(
            f"{shown(name)} is not UTF-8 text: byte {error.start} is {content[error.start]:02x}",
            place,
            hint=f"is it the right file? From Latin-1: iconv -f latin1 -t utf-8 {for_shell([Path(name)])} > NEW.sn",
            also=() if span is None else (("read here", span),),
        ) from None
    if "\0" in text:
        at = text.index("\0")
        raise fail(
            f"{shown(name)} is not text: character {at + 1} is a zero byte",
            _place(name, text, at),
            hint="name a program of SN's Lisp, NAME.sn, or save this file as text",
            also=() if span is None else (("read here", span),),
        )
    return _newlines(text).removesuffix("\x1a")  # CP/M and MS-DOS mark the end of a text with it


def _newlines(text: str) -> str:
    """Return the text with newlines for the line ends of any system."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _place(name: str, text: str, at: int) -> Span:
    """Return the place of a character in a file that is refused."""
    start = len(_newlines(text[:at]))
    return Span(Source(name, _newlines(text), is_file=True), start, start + 1)


_NEIGHBOURS = 1_000  # files whose names are compared with that of a missing one


def _nearest_file(name: str) -> str:
    """Return a hint that names the programs in the folder of a missing file."""
    folder = Path(name).parent
    try:
        beside = sorted(p.name for p in folder.iterdir() if p.suffix in SUFFIXES)
    except (OSError, ValueError):
        return f"folder {shown(folder)} does not exist either"
    listed = shown(", ".join(beside[:10]) + (" ..." if beside[10:] else ""))
    near = nearest(Path(name).name, beside[:_NEIGHBOURS])
    start = f"did you mean {shown(near)}?  " if near else ""
    return f"{start}in {shown(folder)}: {listed}" if beside else f"name another file: {shown(folder)} has no .sn file"


def _has_sources(folder: Path) -> bool:
    """Return whether a folder has `.sn` files."""
    try:
        with os.scandir(folder) as entries:
            return any(entry.name.endswith(".sn") for entry in entries)
    except OSError:
        return False


class FileAccess:
    """The files that a program may read.

    A program may read every file below the folder of its main file. If the parent folder directly contains `.sn` files,
    it may also include every `.sn` file below the parent folder. So a study in a subfolder can include the nets.
    """

    def __init__(self, root: Path | None, texts: Path | None = None):
        """`root`: the top of the tree; None for a text without a folder. `texts`: the top of the tree of `.sn` files.

        Default of `texts`: the folder above the root if that has `.sn` files, else `root`.
        """
        self.root = None if root is None else root.resolve()
        above = self.root if self.root is None or not _has_sources(self.root.parent) else self.root.parent
        self.texts = above if texts is None else texts.resolve()
        self._read: set[Path] = set()

    @classmethod
    def beside(cls, source: Source, texts: Path | None = None) -> FileAccess:
        """Return the files that a source text may read; none for a text that is not in a file (`<prompt>`)."""
        if source.path is None:
            return cls(None)
        access = cls(source.path.parent, texts)
        access._read.add(source.path.resolve())
        return access

    def find(self, name: str, beside: Source, span: Span) -> Path:
        """Return the path of `name`, relative to the file `beside`. SnError if a program may not read it."""
        if self.root is None:
            raise fail(
                f'"{name}" cannot be included: this text is not in a file, so it has no folder',
                span,
                hint="write the form into a file and run it: snsim run FILE.sn",
            )
        path = Path(os.path.normpath(os.path.join(os.path.dirname(beside.name), name)))
        try:
            resolved = resolve(path)
        except PathError as reason:
            raise fail(
                f'"{shown(name)}" cannot be read: {reason}', span, hint="name a file below the folder of the program"
            ) from None
        inside = resolved.is_relative_to(self.root) or (
            resolved.suffix == ".sn" and self.texts is not None and resolved.is_relative_to(self.texts)
        )
        if not inside:
            raise fail(
                f'"{shown(name)}" is outside {self.root}, the folder of the program',
                span,
                hint=f"copy {shown(path.name)} into that folder or a subfolder; .sn files may also be below its parent "
                "folder, if the parent directly contains .sn files",
            )
        return path

    def mark_read(self, path: Path) -> bool:
        """Mark a file as read; return whether it was new."""
        resolved = path.resolve()
        new = resolved not in self._read
        self._read.add(resolved)
        return new
