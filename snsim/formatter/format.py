"""The canonical layout of a text: `formatted`. What is read stays the same, and a second time changes nothing."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from snsim.errors import Source
from snsim.formatter.alignment import text_of
from snsim.formatter.line_breaking import broken
from snsim.formatter.source_tree import read_tree
from snsim.language.limits import DEFAULT
from snsim.language.printer import show
from snsim.language.reader import read_forms

_ROUNDS = 10  # in which a layout settles: one, and one or two more where columns of several lines meet
_READS_ITSELF = re.compile(r"\(\s*(?:read-string|read_string|skip-char|skip_char|read)[\s)]", re.IGNORECASE)


def formatted(source: Source) -> str:
    """The text in its canonical layout. SnError if it cannot be read.

    A text that reads plain characters of itself (`read-string`) is given back as it is: in it blanks mean something.
    """
    if _READS_ITSELF.search(source.text):
        return source.text
    forms = [show(form) for form, _ in read_forms(source)]
    with _deep():
        text = _settled(source)
    again = [show(form) for form, _ in read_forms(replace(source, text=text))]
    if forms != again:
        raise AssertionError(f"the layout of {source.name} would change what is read")
    return text


_FRAMES_PER_LEVEL = 6  # of Python's stack, for a list inside a list


@contextmanager
def _deep() -> Iterator[None]:
    """Room on Python's stack for the deepest text that can be read."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(before + _FRAMES_PER_LEVEL * DEFAULT.nesting)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def _settled(source: Source) -> str:
    """The layout that laying out again leaves as it is: a column may be lined up with what stood there before."""
    text = source.text
    for _ in range(_ROUNDS):
        before, text = text, text_of(broken(read_tree(replace(source, text=text))))
        if text == before:
            break
    return text
