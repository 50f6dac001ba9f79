"""The texts of a description as coloured lines, each with the layers that it declares or connects."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from markupsafe import Markup
from pygments.token import Comment, Keyword, Name, Number, String, _TokenType

from snsim.editor.lexer import SnLexer
from snsim.errors import Source, Span
from snsim.escaping import for_html, for_line
from snsim.network.net import Net

# The class in the style sheet of each kind of token; others have none.
_CLASSES: tuple[tuple[_TokenType, str], ...] = (
    (Comment, "c"),
    (String, "s"),
    (Number, "n"),
    (Keyword, "w"),
    (Name.Decorator, "m"),
    (Name.Attribute, "a"),
    (Name.Builtin, "a"),
)


@dataclass(frozen=True)
class ColouredLine:
    """One line of a text as HTML; `layers` are the names of the layers that it belongs to, as JSON, or ""."""

    html: Markup
    layers: str


@dataclass(frozen=True)
class ColouredText:
    """A text with its name and its lines."""

    name: str
    lines: tuple[ColouredLine, ...]


def coloured_texts(sources: Iterable[Source], net: Net) -> tuple[ColouredText, ...]:
    """Return the texts with their lines coloured. A line belongs to the layers whose clauses stand on it."""
    return tuple(
        ColouredText(
            for_line(source.name.replace("\\", "/").rsplit("/", 1)[-1]), tuple(_lines(source, _layers_by_line(source, net)))
        )
        for source in sources
    )


def _layers_by_line(source: Source, net: Net) -> Mapping[int, list[str]]:
    """Return by line (from 0) the layers of the clauses on it."""
    spans: list[tuple[str, Span | None]] = [(layer.name, layer.span) for layer in net.layers]
    spans += [(connection.target, connection.span) for connection in net.connections]
    spans += [(transform.target, transform.span) for transform in net.transforms]
    layers: dict[int, list[str]] = defaultdict(list)
    for name, span in spans:
        if span is None or (span.source is not source and span.source != source):
            continue
        first, last = span.line - 1, source.position(max(span.start, span.end - 1))[0] - 1
        for line in range(first, last + 1):
            if name not in layers[line]:
                layers[line].append(name)
    return layers


def _lines(source: Source, layers: Mapping[int, list[str]]) -> Iterator[ColouredLine]:
    lines: list[list[str]] = [[]]
    for _, token, piece in SnLexer().get_tokens_unprocessed(source.text):
        style = next((name for kind, name in _CLASSES if token in kind), "")
        for number, part in enumerate(piece.split("\n")):
            if number:
                lines.append([])
            if part:
                text = for_html(part.rstrip("\r"))
                lines[-1].append(f'<span class="{style}">{text}</span>' if style else text)
    if lines and not lines[-1]:
        lines.pop()
    for number, parts in enumerate(lines):
        names = layers.get(number, [])
        yield ColouredLine(Markup("".join(parts)), json.dumps(names) if names else "")
