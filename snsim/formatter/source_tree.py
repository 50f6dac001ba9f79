"""A text as a tree that forgets nothing but blanks: brackets, atoms as they are written, comments, line ends."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from snsim.errors import Source
from snsim.language.forms import fold
from snsim.language.reader import read_tokens

_OPEN = {"OPEN": ")", "MATRIX": "]", "ARRAY": "]", "HASH": "#]"}
_CLOSE = {"CLOSE", "MATRIX_CLOSE", "HASH_CLOSE"}
_SIGNS = {"QUOTE", "BACKQUOTE", "COMMA", "SPLICE", "TILDE"}
_NO_WORD = re.compile(r'"|[-+.]?[0-9]|[-x]$')  # at the beginning of an atom: a string, a number, a sign of a table
_REMARK = re.compile(r"(?P<text>;[^\n]*|#\?[^\n]*|#!(?:[^!]|!(?!#))*!#)|(?P<line>\n)")


@dataclass
class Remark:
    """A comment as it is written. `column`: where it stood, from 0; `own`: on a line without a form before it."""

    text: str
    column: int
    own: bool
    blank_before: bool = False


@dataclass
class Item:
    """An atom, or a bracket with what is in it; `signs` stand before it (' ` , ,@ ~).

    `breaks`: it begins a line; `gap`: blanks before it where it does not; `before`: comments above it on lines of
    their own; `behind`: the comment that ends its line; `inside`: comments before the closing bracket.
    """

    text: str  # of an atom, or the opening bracket
    items: list[Item] | None = None
    closing: str = ""
    signs: str = ""
    breaks: bool = False
    blank_before: bool = False
    gap: int = 0
    before: list[Remark] = field(default_factory=list)
    behind: Remark | None = None
    inside: list[Remark] = field(default_factory=list)

    @property
    def head(self) -> str:
        """The word a list begins with, folded; "" for anything else."""
        if self.text != "(" or not self.items:
            return ""
        first = self.items[0]
        is_word = first.items is None and not first.signs and not _NO_WORD.match(first.text)
        return fold(first.text) if is_word else ""

    @property
    def ends_in_remark(self) -> bool:
        """Whether a comment ends the line on which the item ends."""
        last = self.items[-1] if self.items else None
        return self.behind is not None or (last is not None and not self.inside and last.ends_in_remark)


def read_tree(source: Source) -> Item:
    """The text as one item whose items are its forms; comments behind the last are its `inside`. The text must be one
    that can be read; a `)` that closes nothing is an atom of its own.
    """
    root = Item("", [])
    stack = [root]
    signs = ""
    breaks, blank, gap = True, False, 0
    held: list[Remark] = []  # comments that stand before what comes next
    last: Item | None = None  # the item that ended last in the innermost list
    end = 0
    for kind, span in read_tokens(source):
        lines, found = _remarks(source, end, span.start)
        if last is not None and not signs and found and not found[0].own and not last.ends_in_remark:
            last.behind = found.pop(0)
        if not signs:
            breaks = lines > 0 or bool(found) or end == 0
            blank, gap = lines > 1, span.start - end
        held += [replace(remark, own=True) for remark in found]
        end = span.end
        text = source.text[span.start : end]
        if kind in _SIGNS:
            signs += text
            continue
        if kind in _CLOSE and len(stack) > 1:
            last = stack.pop()
            last.inside, held = held, []
            continue
        if signs.endswith(",") and text.startswith("@"):
            signs += " "
        item = Item(
            text,
            [] if kind in _OPEN else None,
            _OPEN.get(kind, ""),
            signs,
            breaks,
            blank and end > 0,
            0 if breaks else gap,
            held,
        )
        around = stack[-1].items
        assert around is not None  # only brackets are on the stack
        around.append(item)
        signs, held = "", []
        last = item
        if kind in _OPEN:
            stack.append(item)
            last = None
    _, found = _remarks(source, end, len(source.text))
    if last is not None and found and not found[0].own and not last.ends_in_remark:
        last.behind = found.pop(0)
    root.inside = [*held, *found]
    return root


def _remarks(source: Source, start: int, end: int) -> tuple[int, list[Remark]]:
    """The comments between two offsets, and the number of line ends behind the last of them."""
    lines, found, own = 0, [], start == 0
    for match in _REMARK.finditer(source.text, start, end):
        if match.group("line"):
            lines += 1
            own = True
        else:
            column = source.position(match.start())[1] - 1
            own = own or match.group().startswith("#!")
            found.append(Remark(match.group().rstrip(), column, own, blank_before=own and lines > 1))
            lines = 0
    return lines, found
