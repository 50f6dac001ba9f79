"""Describe a fault, its place and its remedy: `Source`, `Span`, `Fault`, `SnError`, and `render`, which prints them.

This module imports nothing of snsim. Every fault that a user can cause is a `Fault`. The command line, the prompt, the
notebook and the editor print it with `render` or read its fields.
"""

from __future__ import annotations

import bisect
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, TextIO

NO_HINT: Final = ""  # for a fault whose message already says all that a user can do; tests/test_hints.py lists these
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # Unicode categories that are invisible, or that control a terminal
_LAYOUT = "\n\t"  # control characters that only lay out lines of text


def passes_text(number: int) -> str:
    """Return a number of passes as a sentence says it: "1 pass", "23 passes"."""
    return f"{number:,} {'pass' if number == 1 else 'passes'}"


def is_hidden(character: str) -> bool:
    """Tell whether a character is a control or invisible character, half a surrogate pair or a line separator."""
    return unicodedata.category(character) in HIDDEN


def for_terminal(text: str) -> str:
    r"""Return text with each hidden character as its number (`\\x1b`), except newlines and tabs."""
    if text.isprintable():
        return text
    return "".join(c if c in _LAYOUT or not is_hidden(c) else _number(c) for c in text)


def for_line(text: object) -> str:
    """Return a name or a path as part of one line, with each hidden character, newline and tab as its number."""
    shown = str(text)
    return shown if shown.isprintable() else "".join(_number(c) if is_hidden(c) else c for c in shown)


def _number(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


@dataclass(frozen=True, eq=False)
class Source:
    """One text and the name it is shown under: a path as the user gave it, or `<prompt>`.

    `is_file` says whether the name is a path. By default a name between < and > is no path. A file may have such a
    name too: then `is_file` must be given.
    """

    name: str
    text: str
    is_file: bool | None = None

    @property
    def path(self) -> Path | None:
        """The path of the file, or None for a text that came from elsewhere."""
        is_path = not (self.name.startswith("<") and self.name.endswith(">")) if self.is_file is None else self.is_file
        return Path(self.name) if is_path else None

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(i + 1 for i, c in enumerate(self.text) if c == "\n")]

    def position(self, offset: int) -> tuple[int, int]:
        """Return the line and the column of a character offset, both counted from 1."""
        line = bisect.bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """Return the text of a line, counted from 1, without its newline."""
        start = self._line_starts[number - 1]
        end = self.text.find("\n", start)
        return self.text[start:] if end < 0 else self.text[start:end]


@dataclass(frozen=True, slots=True)
class Span:
    """The characters of a source from `start` to `end` (exclusive)."""

    source: Source
    start: int
    end: int

    @property
    def line(self) -> int:
        return self.source.position(self.start)[0]

    @property
    def column(self) -> int:
        return self.source.position(self.start)[1]

    def __str__(self) -> str:
        return f"{for_line(self.source.name)}:{self.line}:{self.column}"

    def __repr__(self) -> str:
        return f"Span({self})"


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: a message, its place, a remedy, and other places that belong to it.

    `hint` names something the user can type or do, with the user's own names in it. It does not repeat the message.
    `also` has a label and a place for each other place.
    """

    message: str
    span: Span | None = None
    _: KW_ONLY
    hint: str
    also: tuple[tuple[str, Span], ...] = ()
    severity: str = "error"  # or "warning"

    def as_json(self) -> dict[str, object]:
        place = (
            {}
            if self.span is None
            else {
                "file": self.span.source.name,
                "line": self.span.line,
                "column": self.span.column,
            }
        )
        return {"severity": self.severity, **place, "message": cut(self.message), "hint": cut(self.hint)}


class SnError(Exception):
    """Raised for one or more faults of the program, the data or the call; never for a fault of snsim itself."""

    def __init__(self, faults: Fault | Iterable[Fault]):
        self.faults: tuple[Fault, ...] = (faults,) if isinstance(faults, Fault) else tuple(faults)
        super().__init__(*(cut(fault.message) for fault in self.faults[:MOST_FAULTS]))

    def __str__(self) -> str:
        return "\n".join(render(fault) for fault in first_faults(self.faults))


def fail(message: str, span: Span | None = None, *, hint: str, also: tuple[tuple[str, Span], ...] = ()) -> SnError:
    """Return an SnError with one fault, to be raised: `raise fail(...)`."""
    return SnError(Fault(message, span, hint=hint, also=also))


MOST_FAULTS = 50  # faults that are shown
_MOST_PLACES = 10  # other places of one fault that are shown
_LONGEST_WORD, _LONGEST = 1_000, 4_000  # characters of a message; a path has at most a few hundred


class ShownWarning(UserWarning):
    """A warning of Python that the user of a command must see too, with the hint that the command shows."""

    def __init__(self, message: str, hint: str):
        super().__init__(message)
        self.hint = hint


def tell_warnings(tell: Callable[[Fault], None]) -> None:
    """Pass each `ShownWarning` to `tell` in this process, and hide all other warnings of Python.

    Other warnings are for programmers: the user of a command cannot act on them.
    """

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if isinstance(message, ShownWarning):
            tell(Fault(str(message), hint=message.hint, severity="warning"))

    warnings.simplefilter("ignore")
    warnings.simplefilter("always", ShownWarning)
    warnings.showwarning = show


def first_faults(faults: Sequence[Fault]) -> list[Fault]:
    """Return the first MOST_FAULTS faults, and one more that says how many are not shown."""
    more = len(faults) - MOST_FAULTS
    if more <= 0:
        return list(faults)
    severity = "error" if any(fault.severity == "error" for fault in faults[MOST_FAULTS:]) else "warning"
    kind = "fault" if severity == "error" else "warning"
    return [
        *faults[:MOST_FAULTS],
        Fault(
            f"and {more:,} more {kind}{'s' if more > 1 else ''}",
            hint="correct those above first: one may cause many",
            severity=severity,
        ),
    ]


def cut(text: str) -> str:
    """Return a message as it is shown: long names in a long message are shortened, then the message itself.

    Both keep their beginning and their end, and say how long they were.
    """
    if len(text) <= _LONGEST_WORD:
        return text
    words = re.sub(rf"\S{{{_LONGEST_WORD},}}", lambda word: shorten(word[0], _LONGEST_WORD), text)
    return shorten(words, _LONGEST)


def shorten(text: str, most: int) -> str:
    """Shorten a text of more than `most` characters to its beginning, its length and its end."""
    if len(text) <= most:
        return text
    return f"{text[: most // 2]} ... ({len(text):,} characters) ... {text[-most // 4 :]}"


def render(fault: Fault) -> str:
    """Return a fault as text: place, severity, message, the source line with carets, the hint, other places."""
    head = f"{fault.severity}: {_inner_lines(cut(fault.message))}"
    lines = [head] if fault.span is None else [f"{fault.span}: {head}", *_excerpt(fault.span)]
    if fault.hint:
        lines.append(f"  hint: {_inner_lines(cut(fault.hint))}")
    for label, span in fault.also[:_MOST_PLACES]:
        lines += [f"  {_inner_lines(cut(label))}: {span}", *_excerpt(span)]
    if len(fault.also) > _MOST_PLACES:
        lines.append(f"  and {len(fault.also) - _MOST_PLACES:,} more places")
    return "\n".join(lines)


def _inner_lines(text: str) -> str:
    """Escape hidden characters and indent all lines but the first, so that no line looks like another fault."""
    first, *rest = for_terminal(text).split("\n")
    return "\n".join([first, *(line if line.startswith("  ") else f"  {line}" for line in rest)])


_WIDTH = 110  # characters of a source line that are shown; a longer line is cut on both sides of the caret


def _excerpt(span: Span) -> list[str]:
    line, column = span.source.position(span.start)
    text = span.source.line(line).rstrip("\r")
    width = max(1, min(span.end - span.start, len(text) - column + 1))
    shift = max(0, column - 1 - _WIDTH // 2) if len(text) > _WIDTH else 0
    shown = text[shift : shift + _WIDTH].replace("\t", " ")
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in shown)
    caret = "^" * max(1, min(width, len(shown) - (column - 1 - shift)))
    gutter = f"{line:5d} | "
    return [gutter + shown, " " * (len(gutter) + column - 1 - shift) + caret]
