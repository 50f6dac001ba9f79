"""Pieces of HTML: tables, descriptions with colours, and pictures that stand inside the page. No script, no address."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from snsim.errors import SnError, Source
from snsim.escaping import for_html
from snsim.language.reader import read_tokens
from snsim.plots.style import NARROW, WIDE, Look, as_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COMMENT = re.compile(r";[^\n\r]*|#!.*?!#|#\?[^\n\r]*", re.S)
_KINDS = {"STRING": "s", "NUMBER": "n"}  # a terminal of the grammar: its class in the style sheet
_PHONE = "(max-width: 600px)"


def description(source: Source) -> str:
    """A text of SN's Lisp with colours: the words that lists begin with, numbers, texts and comments."""
    return f"<pre>{''.join(_coloured(source))}</pre>"


def figure(draw: Callable[[Look], Figure], words: str, kind: str, caption: str = "") -> str:
    """A picture inside the page, drawn twice: as wide as a page, and as a telephone. `words` say what is on it; `kind`
    is "lines" or "grays", which a dark page treats differently.
    """
    wide, narrow = (b64encode(as_svg(draw(look))).decode() for look in (WIDE, NARROW))
    below = f"<figcaption>{for_html(caption)}</figcaption>" if caption else ""
    return (
        f'<figure class="{kind}"><picture><source media="{_PHONE}" srcset="data:image/svg+xml;base64,{narrow}">'
        f'<img alt="{for_html(words)}" src="data:image/svg+xml;base64,{wide}"></picture>{below}</figure>'
    )


def _coloured(source: Source) -> Iterator[str]:
    text, done, opened = source.text, 0, False
    try:
        for kind, span in read_tokens(source):
            yield _between(text[done : span.start])
            word = for_html(text[span.start : span.end])
            style = "w" if opened and kind == "SYMBOL" and len(word) > 1 else _KINDS.get(kind, "")
            yield f'<span class="{style}">{word}</span>' if style else word
            done, opened = span.end, kind == "OPEN"
    except SnError:  # the text was read once; what cannot be read now stands without colours
        pass
    yield _between(text[done:])


def _between(text: str) -> str:
    """Blanks and comments."""
    made, done = [], 0
    for found in _COMMENT.finditer(text):
        made += [for_html(text[done : found.start()]), f'<span class="c">{for_html(found[0])}</span>']
        done = found.end()
    return "".join([*made, for_html(text[done:])])
