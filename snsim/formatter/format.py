"""Format a program with `formatted`. The forms stay the same, and formatting twice changes nothing more."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from snsim.errors import Source
from snsim.formatter.alignment import text_of
from snsim.formatter.line_breaking import break_lines
from snsim.formatter.source_tree import read_tree
from snsim.language.limits import DEFAULT
from snsim.language.printer import show
from snsim.language.reader import read_forms

_ROUNDS = 10  # until a layout is stable: one, and one or two more where columns of several lines meet
_READS_ITSELF = re.compile(r"\(\s*(?:read-string|read_string|skip-char|skip_char|read)[\s)]", re.IGNORECASE)


def formatted(source: Source) -> str:
    """Return the text in its canonical layout. SnError if it cannot be read.

    A program that reads characters of its own text (`read-string`) is returned unchanged: its blanks have meaning.
    """
    if _READS_ITSELF.search(source.text):
        return source.text
    forms = [show(form) for form, _ in read_forms(source)]
    with _deep():
        text = _settled(source)
    again = [show(form) for form, _ in read_forms(replace(source, text=text))]
    if forms != again:
        raise AssertionError(f"formatting {source.name} would change its forms")
    return text


_FRAMES_PER_LEVEL = 6  # Python frames for each nested list


@contextmanager
def _deep() -> Iterator[None]:
    """Make room on Python's stack for the deepest text that can be read."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(before + _FRAMES_PER_LEVEL * DEFAULT.nesting)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def _settled(source: Source) -> str:
    """Format until the layout is stable: a column may be aligned with what was there before."""
    text = source.text
    for _ in range(_ROUNDS):
        before, text = text, text_of(break_lines(read_tree(replace(source, text=text))))
        if text == before:
            break
    return text
