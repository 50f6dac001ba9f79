"""Analyse a text up to the cursor: the open forms and the unfinished word.

The text may be incomplete, so this scans characters and does not use the reader.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SIGNS = re.compile(r'"(?:[^"\\]|\\[\s\S])*"?|;[^\n]*|\|[^|\n]*\|?|[()\[\]]')
_AFTER_WORD = re.compile(r"[\s()\[\]{}\"'`,;~^|]")
_HEAD = re.compile(r"\s*([^\s()\[\]{}\"'`,;~^|]+)")
_BLOCKS = (
    "net",
    "train",
    "table",
    "de",
    "df",
    "dm",
    "dmd",
    "defun",
    "defmacro",
    "let",
    "let*",
    "while",
    "when",
    "for",
    "each",
    "all",
    "grid",
    "sample",
    "repeat",
    "lambda",
    "progn",
)  # whose forms are indented by two


@dataclass(frozen=True)
class OpenForm:
    """An open bracket: its offset, and the word after it ("" if there is none)."""

    offset: int
    head: str


def open_forms(text: str) -> list[OpenForm]:
    """Return the brackets that are open at the end of a text, the outermost first."""
    offsets: list[int] = []
    for match in _SIGNS.finditer(text):
        if match.group() in "([":
            offsets.append(match.start())
        elif match.group() in ")]" and offsets:
            offsets.pop()
    return [OpenForm(offset, _head(text, offset)) for offset in offsets]


def open_heads(text: str) -> list[str]:
    """Return the head words of the forms that are open at the end of a text, the outermost first."""
    return [form.head for form in open_forms(text) if form.head]


def word_before(text: str) -> str:
    """Return the unfinished name at the end of a text."""
    end = _AFTER_WORD.search(text[::-1])  # backwards: a forward search for the last word takes quadratic time
    return text if end is None else text[len(text) - end.start() :]


def is_in_text(text: str) -> bool:
    """Return whether the end of a text is inside a string or a comment."""
    signs = list(_SIGNS.finditer(text))
    if not signs or signs[-1].end() < len(text):
        return False
    sign = signs[-1].group()
    return sign[0] == ";" or (sign[0] == '"' and (len(sign) == 1 or sign[-1] != '"'))


def indentation(text: str) -> int:
    """Return the column in which the line after a text begins."""
    forms = open_forms(text)
    if not forms:
        return 0
    inner = forms[-1]
    column = inner.offset - (text.rfind("\n", 0, inner.offset) + 1)
    if text[inner.offset] == "[" or not inner.head:
        return column + 1
    after_head = text[inner.offset + 1 :].lstrip()[len(inner.head) :]
    line = after_head.split("\n")[0]
    if inner.head in _BLOCKS or not line.strip() or line.strip().startswith(";"):
        return column + 2
    return column + 1 + len(inner.head) + len(line) - len(line.lstrip())


def _head(text: str, offset: int) -> str:
    match = _HEAD.match(text, offset + 1)
    return match.group(1).lower() if match else ""
