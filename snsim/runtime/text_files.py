"""Read characters and forms, and write to text files (docs/reference/sn28.md, sections 1.1 and 1.3).

Without `reading`, a program reads its own text, from the end of the form that is being evaluated. Without `writing`,
it prints to its usual output.
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
from snsim.runtime.file_lookup import ProgramFiles
from snsim.runtime.vocabulary import special_word, word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_BLANKS, _LINE = " \t\r\n\f", "~\n\xff"


class ReadingStream(SourceStream):
    """A file open for reading, and the position in it."""

    def __str__(self) -> str:
        return f"::FILE:{self.source.name}"


class WritingStream:
    """A file open for writing. `column` is the column of its next character, from 0."""

    def __init__(self, path: Path):
        self.path = path
        self.column = 0

    def __str__(self) -> str:
        return f"::FILE:{self.path}"


@word("open-read")
def open_read(interpreter: Interpreter, name: Form, suffix: Form = ABSENT) -> Form:
    """(open-read "file" ["suffix"]): returns a stream that reads from a file"""
    return _open_read(interpreter, text("open-read", name), *_suffixes("open-read", suffix))


def _open_read(interpreter: Interpreter, name: str, *suffixes: str) -> ReadingStream:
    files = interpreter.part(ProgramFiles)
    path = files.readable_path(name, *suffixes)
    too_large = exceeds_source(path.stat().st_size, interpreter.limits)
    if too_large:
        raise CallError(f"{path}: {too_large}", 0, "split it into smaller files")
    content = files.read(path)
    interpreter.budget.walk(len(content))
    try:
        characters = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        characters = content.decode("latin-1")  # in SN a character was one byte
    source = Source(str(path), characters.replace("\r\n", "\n").replace("\r", "\n"))
    return ReadingStream(source, interpreter.limits, interpreter.warnings.append)


@word("open-write")
def open_write(interpreter: Interpreter, name: Form, suffix: Form = ABSENT) -> Form:
    """(open-write "file" ["suffix"]): returns a stream that writes to a new file in the run folder"""
    files = interpreter.part(ProgramFiles)
    path = files.writable_path(text("open-write", name), *_suffixes("open-write", suffix))
    files.write(path, b"")
    return WritingStream(path)


@word("open-append")
def open_append(interpreter: Interpreter, name: Form, suffix: Form = ABSENT) -> Form:
    """(open-append "file" ["suffix"]): returns a stream that appends to a file in the run folder"""
    path = interpreter.part(ProgramFiles).writable_path(text("open-append", name), *_suffixes("open-append", suffix))
    return WritingStream(path)


def _suffixes(name: str, suffix: Form) -> list[str]:
    """Return the suffix of a call, which a program may write with or without its dot."""
    if suffix is ABSENT or suffix == "":
        return []
    return ["." + text(name, suffix, 1).removeprefix(".")]


@special_word("reading")
def reading(interpreter: Interpreter, form: Pair) -> Form:
    """(reading stream form...): evaluates forms in which read, read-string and skip-char read from a stream or file

    It returns the last value.
    """  # noqa: D401
    cell = rest_of(form, 1, "(reading stream form...)")
    stream = interpreter.evaluate(cell.car, cell.at)
    if isinstance(stream, str):
        stream = _open_read(interpreter, stream)
    if not isinstance(stream, ReadingStream):
        raise CallError(
            f"reading: expected a stream or file to read, got {interpreter.describe(stream)}",
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
    """(writing stream form...): evaluates forms whose printed text goes to a stream or file; returns the last value"""  # noqa: D401
    cell = rest_of(form, 1, "(writing stream form...)")
    stream = interpreter.evaluate(cell.car, cell.at)
    if isinstance(stream, str):
        stream = open_write(interpreter, stream)
    if not isinstance(stream, WritingStream):
        raise CallError(
            f"writing: expected a stream or file to write, got {interpreter.describe(stream)}",
            0,
            'write (writing (open-write "file") form...)',
        )
    with _printing_to(interpreter, stream):
        return interpreter.body(cell.cdr)


@contextmanager
def _printing_to(interpreter: Interpreter, stream: WritingStream) -> Iterator[None]:
    """Send printed text to a file inside the `with` block, and close the file at its end."""
    port, column = interpreter.port, interpreter.column
    try:
        with stream.path.open("a", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            interpreter.port, interpreter.column = file, stream.column
            try:
                yield
            finally:
                stream.column = interpreter.column
        interpreter.part(ProgramFiles).refresh_size(stream.path)
    except OSError as error:
        raise CallError(
            f"cannot write {stream.path}: {error.strerror or error}",
            0,
            "free space on that disk, or start the run again in another folder: --out FOLDER",
        ) from None
    finally:
        interpreter.port, interpreter.column = port, column


@word("read")
def read(interpreter: Interpreter) -> Form:
    """(read): reads the next form of the stream of `reading`, and returns it unevaluated"""
    stream = _current_input(interpreter, "read")
    interpreter.budget.walk(len(stream.source.text) - stream.offset)  # the reader may scan the whole rest of the text
    form = stream.form()
    if form is None:
        raise CallError(
            f"read: no form left in {stream.source.name}", None, 'test for the end first: (= (skip-char) "\\e")'
        )
    return form[0]


@word("read-string", makes=True)
def read_string(interpreter: Interpreter, characters_or_class: Form = _LINE) -> str:
    """(read-string): the rest of the line; (read-string n): n characters; (read-string "~@"): all before the next @"""
    stream = _current_input(interpreter, "read-string")
    if isinstance(characters_or_class, float):
        count = whole("read-string", characters_or_class)
        if count < 0:
            raise CallError(
                f"read-string: expected 0 or more characters, got {count}",
                0,
                'write 0 or more, or a class of characters such as "a-z"',
            )
        return stream.characters(count)
    return stream.while_in(_character_class("read-string", characters_or_class))


@word("skip-char")
def skip_char(interpreter: Interpreter, characters_or_class: Form = _BLANKS) -> str:
    r"""(skip-char ["class"]): skips blanks, or the characters of a class; returns the next one, or "\\e" at the end"""
    stream = _current_input(interpreter, "skip-char")
    interpreter.budget.walk(len(stream.while_in(_character_class("skip-char", characters_or_class))))
    return stream.peek()


def _character_class(name: str, characters_or_class: Form) -> str:
    characters = text(name, characters_or_class)
    if not characters.strip("~"):
        raise CallError(f"{name}: the class of characters is empty", 0, 'write "a-z0-9", or "~@" for all but @')
    return characters


def _current_input(interpreter: Interpreter, name: str) -> SourceStream:
    if not interpreter.inputs:
        raise CallError(f"{name}: nothing is being read", None, 'write (reading (open-read "file") form...)')
    innermost: SourceStream = interpreter.inputs[-1]
    return innermost
