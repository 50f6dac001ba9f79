"""Reading characters and forms, and writing to files (docs/reference/sn28.md, sections 1.1 and 1.3).

Without `reading`, a program reads its own text behind the form that is being evaluated; without `writing`, it prints
where its printing goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from snsim.errors import Source
from snsim.language.builtins.arithmetic import whole
from snsim.language.builtins.control import rest_of
from snsim.language.builtins.strings import text
from snsim.language.forms import Form, Pair
from snsim.language.limits import exceeds_source
from snsim.language.procedures import ABSENT, CallError
from snsim.language.source_stream import SourceStream
from snsim.sn28.runtime.file_lookup import Files
from snsim.sn28.runtime.vocabulary import special_word, word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_BLANKS, _LINE = " \t\r\n\f", "~\n\xff"


class ReadingStream(SourceStream):
    """A file that is open for reading, and how far it was read."""

    def __str__(self) -> str:
        return f"::FILE:{self.source.name}"


class WritingStream:
    """A file that is open for writing. `column`: where its next character goes, from 0."""

    def __init__(self, path: Path):
        self.path = path
        self.column = 0

    def __str__(self) -> str:
        return f"::FILE:{self.path}"


@word("open-read")
def open_read(interpreter: Interpreter, name: Form, suffix: Form = ABSENT) -> Form:
    """(open-read "file" ["suffix"]): a stream from a file, for reading"""
    return _open_read(interpreter, text("open-read", name), *_suffixes("open-read", suffix))


def _open_read(interpreter: Interpreter, name: str, *suffixes: str) -> ReadingStream:
    files = interpreter.part(Files)
    path = files.to_read(name, *suffixes)
    too_large = exceeds_source(path.stat().st_size, interpreter.limits)
    if too_large:
        raise CallError(f"{path}: {too_large}", 0, "split it into smaller files")
    content = files.content(path)
    interpreter.budget.walk(len(content))
    try:
        characters = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        characters = content.decode("latin-1")  # SN's characters were bytes
    source = Source(str(path), characters.replace("\r\n", "\n").replace("\r", "\n"))
    return ReadingStream(source, interpreter.limits, interpreter.warnings.append)


@word("open-write")
def open_write(interpreter: Interpreter, name: Form, suffix: Form = ABSENT) -> Form:
    """(open-write "file" ["suffix"]): a stream to a new file in the run folder, for writing"""
    files = interpreter.part(Files)
    path = files.to_write(text("open-write", name), *_suffixes("open-write", suffix))
    files.write(path, b"")
    return WritingStream(path)


@word("open-append")
def open_append(interpreter: Interpreter, name: Form, suffix: Form = ABSENT) -> Form:
    """(open-append "file" ["suffix"]): a stream that adds to a file in the run folder"""
    path = interpreter.part(Files).to_write(text("open-append", name), *_suffixes("open-append", suffix))
    return WritingStream(path)


def _suffixes(name: str, suffix: Form) -> list[str]:
    return [] if suffix is ABSENT else [text(name, suffix, 1)]


@special_word("reading")
def reading(interpreter: Interpreter, form: Pair) -> Form:
    """(reading stream form...): the forms, while read, read-string and skip-char take from a stream or file"""
    cell = rest_of(form, 1, "(reading stream form...)")
    stream = interpreter.evaluate(cell.car, cell.at)
    if isinstance(stream, str):
        stream = _open_read(interpreter, stream)
    if not isinstance(stream, ReadingStream):
        raise CallError(
            f"reading: {interpreter.describe(stream)} is no stream for reading",
            0,
            'write (reading (open-read "file") form...)',
        )
    interpreter.inputs.append(stream)
    try:
        return interpreter.body(cell.cdr)
    finally:
        interpreter.inputs.pop()


@special_word("writing")
def writing(interpreter: Interpreter, form: Pair) -> Form:
    """(writing stream form...): the forms, while what is printed goes to a stream or file"""
    cell = rest_of(form, 1, "(writing stream form...)")
    stream = interpreter.evaluate(cell.car, cell.at)
    if isinstance(stream, str):
        stream = open_write(interpreter, stream)
    if not isinstance(stream, WritingStream):
        raise CallError(
            f"writing: {interpreter.describe(stream)} is no stream for writing",
            0,
            'write (writing (open-write "file") form...)',
        )
    with _printing_to(interpreter, stream):
        return interpreter.body(cell.cdr)


@contextmanager
def _printing_to(interpreter: Interpreter, stream: WritingStream) -> Iterator[None]:
    """What is printed goes to a file, which is closed in between."""
    port, column = interpreter.port, interpreter.column
    try:
        with stream.path.open("a", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            interpreter.port, interpreter.column = file, stream.column
            try:
                yield
            finally:
                stream.column = interpreter.column
        interpreter.part(Files).count_again(stream.path)
    except OSError as error:
        raise CallError(
            f"{stream.path} cannot be written: {error.strerror or error}",
            0,
            "make room on that disk, or begin the run again in another folder: --out FOLDER",
        ) from None
    finally:
        interpreter.port, interpreter.column = port, column


@word("read")
def read(interpreter: Interpreter) -> Form:
    """(read): the next form of the text that is being read, not evaluated"""
    stream = _input(interpreter, "read")
    interpreter.budget.walk(len(stream.source.text) - stream.offset)  # the reader looks through it from here on
    found = stream.form()
    if found is None:
        raise CallError(f"read: {stream.source.name} is at its end", None, 'look before: (= (skip-char) "\\e")')
    return found[0]


@word("read-string", makes=True)
def read_string(interpreter: Interpreter, wanted: Form = _LINE) -> str:
    """(read-string): the rest of the line; (read-string n): n characters; (read-string "~@"): up to the next @"""
    stream = _input(interpreter, "read-string")
    if isinstance(wanted, float):
        count = whole("read-string", wanted)
        if count < 0:
            raise CallError(
                "read-string: a number of characters is not negative",
                0,
                'write 0 or more, or a class of characters such as "a-z"',
            )
        return stream.characters(count)
    return stream.while_in(_class("read-string", wanted))


@word("skip-char")
def skip_char(interpreter: Interpreter, wanted: Form = _BLANKS) -> str:
    r"""(skip-char ["class"]): skips blanks, or characters of a class; the next one, which stays; "\\e" at the end"""
    stream = _input(interpreter, "skip-char")
    interpreter.budget.walk(len(stream.while_in(_class("skip-char", wanted))))
    return stream.peek()


def _class(name: str, wanted: Form) -> str:
    characters = text(name, wanted)
    if not characters.strip("~"):
        raise CallError(f"{name}: the class names no character", 0, 'write "a-z0-9", or "~@" for all but @')
    return characters


def _input(interpreter: Interpreter, name: str) -> SourceStream:
    if not interpreter.inputs:
        raise CallError(f"{name}: nothing is being read", None, 'write (reading (open-read "file") form...)')
    innermost: SourceStream = interpreter.inputs[-1]
    return innermost
