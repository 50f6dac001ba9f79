"""Read a source text as a stream of forms and of plain characters (docs/reference/sn28.md, section 1.1).

`read`, `read-string` and `skip-char` continue after the form that is being evaluated, so a program can contain text
for its own use.
"""

from __future__ import annotations

from functools import lru_cache

from snsim.errors import Source, Span
from snsim.language.forms import Form
from snsim.language.limits import Limits
from snsim.language.procedures import CallError
from snsim.language.reader import FormReader, Warn

END = "\xff"  # what "\e" stands for: the end of the text


class SourceStream:
    """A source text and the offset up to which it has been read."""

    def __init__(self, source: Source, limits: Limits, warn: Warn, offset: int = 0):
        self.source = source
        self.offset = offset
        self._reader = FormReader(source, limits, warn)

    def form(self) -> tuple[Form, Span] | None:
        """Return the next form and its place; None at the end of the text. SnError if there is no form."""
        entry = self._reader.read(self.offset)
        if entry is None:
            self.offset = len(self.source.text)
            return None
        form, span, self.offset = entry
        return form, span

    def characters(self, count: int) -> str:
        """Read the next `count` characters, fewer at the end of the text."""
        start = self.offset
        self.offset = min(len(self.source.text), start + count)
        return self.source.text[start : self.offset]

    def while_in(self, characters: str) -> str:
        """Read the characters up to the first one outside a character class: "a-z", "~@" (all except @)."""
        allowed, inverted = _class(characters)
        text, start = self.source.text, self.offset
        end, length = start, len(text)
        while end < length and (text[end] in allowed) is not inverted:
            end += 1
        self.offset = end
        return text[start:end]

    def peek(self) -> str:
        """Return the next character without reading it; END after the last one."""
        return self.source.text[self.offset : self.offset + 1] or END


@lru_cache(maxsize=64)
def _class(characters: str) -> tuple[frozenset[str], bool]:
    """Return the characters that a class names, and whether it means all others."""
    inverted = characters.startswith("~")
    body = characters[1:] if inverted else characters
    allowed: set[str] = set()
    i = 0
    while i < len(body):
        first = last = body[i]
        if body[i + 1 : i + 2] == "-" and i + 2 < len(body):
            last = body[i + 2]
            i += 2
        if first > last:
            raise CallError(
                f'the range {first}-{last} of the class "{characters}" runs backwards', None, f"write {last}-{first}"
            )
        if ord(last) - ord(first) > 0xFF:
            raise CallError(
                f'the range {first}-{last} of the class "{characters}" is too wide',
                None,
                "write several ranges, such as a-zA-Z, or ~ followed by the characters to exclude",
            )
        allowed.update(map(chr, range(ord(first), ord(last) + 1)))
        i += 1
    return frozenset(allowed), inverted
