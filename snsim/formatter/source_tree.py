"""Read a text as a tree that keeps everything except blanks: brackets, atoms as written, comments, line ends."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from snsim.errors import Source
from snsim.language.forms import fold
from snsim.language.reader import read_tokens

_OPEN = {"OPEN": ")", "SCOPE_OPEN": ")", "MATRIX": "]", "ARRAY": "]", "HASH": "#]"}
_CLOSE = {"CLOSE", "MATRIX_CLOSE", "HASH_CLOSE"}
_SIGNS = {"QUOTE", "BACKQUOTE", "COMMA", "SPLICE", "TILDE"}
_NO_WORD = re.compile(r'"|[-+.]?[0-9]|[-x]$')  # an atom that is a string, a number, or a mark of a table
_COMMENT = re.compile(r"(?P<text>;[^\n]*|#\?[^\n]*|#!(?:[^!]|!(?!#))*!#)|(?P<line>\n)")


@dataclass
class Comment:
    """A comment as written. `column`: where it began, from 0; `own_line`: no form precedes it on its line."""

    text: str
    column: int
    own_line: bool
    blank_before: bool = False


@dataclass
class Item:
    """An atom, or a bracket with its contents; `signs` precede it (' ` , ,@ ~).

    `breaks`: it begins a line; `gap`: the blanks before it otherwise; `before`: comments above it on lines of their
    own; `behind`: the comment that ends its line; `inside`: comments before the closing bracket.
    """

    text: str  # the atom, or the opening bracket
    items: list[Item] | None = None
    closing: str = ""
    signs: str = ""
    breaks: bool = False
    blank_before: bool = False
    gap: int = 0
    before: list[Comment] = field(default_factory=list)
    behind: Comment | None = None
    inside: list[Comment] = field(default_factory=list)

    @property
    def head(self) -> str:
        """The word a list begins with, folded; "" for anything else."""
        if self.text not in ("(", ":(") or not self.items:
            return ""
        first = self.items[0]
        is_word = first.items is None and not first.signs and not _NO_WORD.match(first.text)
        return fold(first.text) if is_word else ""

    @property
    def ends_in_comment(self) -> bool:
        """Whether the line on which the item ends has a comment at its end."""
        last = self.items[-1] if self.items else None
        return self.behind is not None or (last is not None and not self.inside and last.ends_in_comment)


def read_tree(source: Source) -> Item:
    """Return the text as one item that contains its forms; comments after the last form are its `inside`.

    The text must be readable; a `)` that closes nothing becomes an atom.
    """
    root = Item("", [])
    stack = [root]
    signs = ""
    breaks, blank, gap = True, False, 0
    pending: list[Comment] = []  # comments before the next item
    last: Item | None = None  # the last complete item of the innermost list
    end = 0
    for kind, span in read_tokens(source):
        lines, comments = _comments(source, end, span.start)
        if last is not None and not signs and comments and not comments[0].own_line and not last.ends_in_comment:
            last.behind = comments.pop(0)
        if not signs:
            breaks = lines > 0 or bool(comments) or end == 0
            blank, gap = lines > 1, span.start - end
        pending += [replace(comment, own_line=True) for comment in comments]
        end = span.end
        text = source.text[span.start : end]
        if kind == "SCOPE" and last is not None and last.text == ":(" and last.closing == ")":
            last.closing += text  # :(o):s
            continue
        if kind in _SIGNS:
            signs += text
            continue
        if kind in _CLOSE and len(stack) > 1:
            last = stack.pop()
            last.inside, pending = pending, []
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
            pending,
        )
        siblings = stack[-1].items
        assert siblings is not None  # only brackets are on the stack
        siblings.append(item)
        signs, pending = "", []
        last = item
        if kind in _OPEN:
            stack.append(item)
            last = None
    _, comments = _comments(source, end, len(source.text))
    if last is not None and comments and not comments[0].own_line and not last.ends_in_comment:
        last.behind = comments.pop(0)
    root.inside = [*pending, *comments]
    return root


def _comments(source: Source, start: int, end: int) -> tuple[int, list[Comment]]:
    """Return the number of line ends after the last comment between two offsets, and the comments."""
    lines, comments, own_line = 0, [], start == 0
    for match in _COMMENT.finditer(source.text, start, end):
        if match.group("line"):
            lines += 1
            own_line = True
        else:
            column = source.position(match.start())[1] - 1
            own_line = own_line or match.group().startswith("#!")
            comments.append(Comment(match.group().rstrip(), column, own_line, blank_before=own_line and lines > 1))
            lines = 0
    return lines, comments
