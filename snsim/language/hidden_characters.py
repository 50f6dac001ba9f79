"""Refuse invisible characters, and those that control a terminal, in names and in texts that are shown.

A name appears in messages, reports, plots and file names. A line break in it forges a line of output, an escape
sequence controls the terminal, and a mark of the writing direction reorders what a person reads. So the Unicode
categories Cc (control), Cf (format), Cs (surrogate), Zl and Zp (line and paragraph separator) are refused where a name
or a shown text is declared: in everything that a declarative form holds (`quasiquote`), and in the names that the
words of the Lisp define.

The reader accepts such characters in strings and between bars: a program may compute with them and print them.
"""

from __future__ import annotations

import unicodedata

from snsim.escaping import is_hidden

_KINDS = {
    "Cc": "control character",
    "Cf": "invisible character",
    "Cs": "half of a surrogate pair",
    "Zl": "line separator",
    "Zp": "paragraph separator",
}
_CONTROLS = {"\0": "NUL", "\t": "tab", "\n": "line feed", "\r": "carriage return", "\x1b": "escape"}
_SHOWN = 40  # characters of the text in a sentence


def find_hidden(text: str) -> int | None:
    """Return the index of the first control, format or surrogate character or line separator, or None."""
    if text.isprintable():  # no character of any category C, and no separator but the blank
        return None
    return next((at for at, character in enumerate(text) if is_hidden(character)), None)


def replace_hidden(text: str) -> str:
    """Return the text with U+FFFD in place of each control, format or surrogate character and line separator."""
    return (
        text
        if text.isprintable()
        else "".join("\N{REPLACEMENT CHARACTER}" if is_hidden(character) else character for character in text)
    )


def refuse_hidden(text: str, what: str) -> tuple[str, str] | None:
    """Return the sentence and the hint that refuse a text, or None if all its characters are visible.

    `what` says what the text is: "name" or "text". The sentence and the hint contain no refused character.
    """
    at = find_hidden(text)
    if at is None:
        return None
    character = text[at]
    category = unicodedata.category(character)
    title = _CONTROLS.get(character) or unicodedata.name(character, "").lower()
    described = f"{_KINDS[category]} U+{ord(character):04X}" + (f" ({title})" if title else "")
    sentence = f"character {at + 1} of this {what} is the {described}"
    visible = "".join(
        " " if character in "\t\n\r" else "" if is_hidden(character) else character for character in text[: 4 * _SHOWN]
    ).strip()[:_SHOWN]
    if not visible:
        return sentence, "write letters, digits or other visible characters"
    more = "" if len(text) <= _SHOWN else " ..."
    return sentence, f"leave it out: {visible}{more}"
