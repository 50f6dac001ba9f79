"""The texts of a description as coloured lines, each with the layers that it declares or connects."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from snsim.editor.lexer import styled
from snsim.errors import SnError, Source, Span
from snsim.escaping import for_html, for_line
from snsim.language.forms import fold
from snsim.language.reader import read_tokens
from snsim.network.net import Net

_WORDS = {"layer", "connect", "normalize", "attend"}  # the heads of clauses that belong to a layer


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
            for_line(source.name.replace("\\", "/").rsplit("/", 1)[-1]),
            tuple(_lines(source, _layers_by_line(source, net))),
        )
        for source in sources
    )


def _layers_by_line(source: Source, net: Net) -> Mapping[int, list[str]]:
    """Return by line (from 0) the layers of the clauses on it."""
    spans: list[tuple[str, Span | None]] = [(layer.name, layer.span) for layer in net.layers]
    spans += [(connection.target, connection.span) for connection in net.connections]
    spans += [(transform.target, transform.span) for transform in net.transforms]
    clauses, layers = _clauses(source), defaultdict[int, list[str]](list)
    for name, span in spans:
        if span is None or (span.source is not source and span.source != source):
            continue
        start, end = _clause_around(clauses, span)
        first, last = source.position(start)[0] - 1, source.position(max(start, end - 1))[0] - 1
        for line in range(first, last + 1):
            if name not in layers[line]:
                layers[line].append(name)
    return layers


def _clauses(source: Source) -> list[tuple[int, int]]:
    """Return where the lists begin and end that declare layers, connections or transforms; inner ones first."""
    found: list[tuple[int, int]] = []
    open_lists: list[tuple[int, str]] = []  # where each begins, and its first word
    fresh = False
    try:
        for token, span in read_tokens(source):
            if token == "OPEN":
                open_lists.append((span.start, ""))
            elif fresh and token == "SYMBOL":
                open_lists[-1] = (open_lists[-1][0], fold(source.text[span.start : span.end]))
            elif token == "CLOSE" and open_lists:
                start, word = open_lists.pop()
                if word in _WORDS:
                    found.append((start, span.end))
            fresh = token == "OPEN"
    except SnError:  # an included text may be of a kind that has no such clauses
        pass
    return found


def _clause_around(clauses: Iterable[tuple[int, int]], span: Span) -> tuple[int, int]:
    return next((clause for clause in clauses if clause[0] <= span.start < clause[1]), (span.start, span.end))


def _lines(source: Source, layers: Mapping[int, list[str]]) -> Iterator[ColouredLine]:
    lines: list[list[str]] = [[]]
    for style, piece in styled(source.text):
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
