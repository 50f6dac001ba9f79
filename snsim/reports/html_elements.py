"""Parts of an HTML page: coloured texts, and pictures that are stored inside the page."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from snsim.errors import SnError, Source
from snsim.escaping import for_html
from snsim.language.reader import read_tokens
from snsim.plots.style import NARROW, WIDE, FigureStyle, as_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COMMENT = re.compile(r";[^\n\r]*|#!.*?!#|#\?[^\n\r]*", re.S)
_STYLES = {"STRING": "s", "NUMBER": "n"}  # a terminal of the grammar: its class in the style sheet
_PHONE = "(max-width: 600px)"


def description(source: Source) -> str:
    """Return a text of SN's Lisp as HTML that colours first words of lists, numbers, strings and comments."""
    return f"<pre>{''.join(_coloured(source))}</pre>"


def figure(draw: Callable[[FigureStyle], Figure], words: str, kind: str, caption: str = "") -> str:
    """Return a picture as HTML, drawn twice: for a wide screen and for a phone (at most 600 pixels wide).

    `words` describe the picture for readers who cannot see it. `kind` is "lines" or "grays": a dark page inverts
    lines and dims grays.
    """
    wide, narrow = (b64encode(as_svg(draw(look))).decode() for look in (WIDE, NARROW))
    below = f"<figcaption>{for_html(caption)}</figcaption>" if caption else ""
    return (
        f'<figure class="{kind}"><picture><source media="{_PHONE}" srcset="data:image/svg+xml;base64,{narrow}">'
        f'<img alt="{for_html(words)}" src="data:image/svg+xml;base64,{wide}"></picture>{below}</figure>'
    )


def _coloured(source: Source) -> Iterator[str]:
    text, done, follows_open = source.text, 0, False
    try:
        for token, span in read_tokens(source):
            yield _between(text[done : span.start])
            word = for_html(text[span.start : span.end])
            style = "w" if follows_open and token == "SYMBOL" and len(word) > 1 else _STYLES.get(token, "")
            yield f'<span class="{style}">{word}</span>' if style else word
            done, follows_open = span.end, token == "OPEN"
    except SnError:  # what cannot be read stands without colours
        pass
    yield _between(text[done:])


def _between(text: str) -> str:
    """Return blanks and comments as HTML."""
    parts, done = [], 0
    for comment in _COMMENT.finditer(text):
        parts += [for_html(text[done : comment.start()]), f'<span class="c">{for_html(comment[0])}</span>']
        done = comment.end()
    return "".join([*parts, for_html(text[done:])])
