"""Find an example of each name: in docs/_examples, in the gallery, and in the rows of the dialect's page.

All of these are run by tests, so an example on a page is one that works.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from snsim.errors import Source, Span
from snsim.language.forms import Form, Pair, Symbol
from snsim.language.reader import read_forms

DOCS = Path(__file__).resolve().parents[1]
NETS = DOCS.parent / "nets"


class Example(NamedTuple):
    """A piece of a program: its text and where it stands."""

    text: str
    source: str


class _Place(NamedTuple):
    heads: tuple[str, ...]  # of the forms around it, the outermost first, and its own
    second: str  # the symbol after the head, "" if there is none
    spans: tuple[Span, ...]
    file: Path


def _head(form: Form) -> str:
    return form.car.name if isinstance(form, Pair) and isinstance(form.car, Symbol) else ""


def _second(form: Pair) -> str:
    rest = form.cdr
    return rest.car.name if isinstance(rest, Pair) and isinstance(rest.car, Symbol) else ""


def _walk(form: Form, span: Span | None, file: Path, around: tuple[tuple[str, Span], ...] = ()) -> Iterator[_Place]:
    if not isinstance(form, Pair):
        return
    here = form.span or span
    if here is None:
        return
    inner = (*around, (_head(form), here))
    yield _Place(tuple(head for head, _ in inner), _second(form), tuple(span for _, span in inner), file)
    for item in form:
        yield from _walk(item, None, file, inner)


@cache
def _places() -> tuple[_Place, ...]:
    files = [*sorted((DOCS / "_examples").glob("*.sn")), *sorted(NETS.glob("*.sn")), *sorted(NETS.glob("studies/*.sn"))]
    found: list[_Place] = []
    for file in files:
        for form, span in read_forms(Source(file.name, file.read_text(encoding="utf-8"))):
            found += _walk(form, span, file)
    return tuple(found)


def _text(span: Span, file: Path) -> Example:
    lines = span.source.text[span.start : span.end].split("\n")
    indent = " " * (span.column - 1)
    return Example("\n".join(line.removeprefix(indent) for line in lines), file.name)


def _best(examples: list[Example]) -> Example | None:
    """The example that shows most on one line; if all take more, the shortest one."""

    def rank(one: Example) -> tuple[bool, int]:
        is_long = "\n" in one.text or len(one.text) > 90
        return is_long, len(one.text) if is_long else -len(one.text)

    return min(examples, key=rank, default=None)


_INSIDE = {"layer": ("layer", "default"), "connect": ("connect",), "data": ("data",)}


def of_word(name: str) -> Example | None:
    """Return a whole form with this head."""
    return _best([_text(p.spans[0], p.file) for p in _places() if len(p.heads) == 1 and p.heads[0] == name])


def of_clause(name: str, inside: str) -> Example | None:
    """Return the clause, or the whole layer, connection or data with the option."""
    found = []
    for place in _places():
        if place.heads[-1] != name or (inside in ("net", "train") and inside not in place.heads[:-1]):
            continue
        if inside == "net" and any(head in place.heads[:-1] for head in ("layer", "connect", "default", "without")):
            continue
        if inside in ("net", "train"):
            found.append(_text(place.spans[-1], place.file))
            continue
        for head, span in zip(place.heads[:-1], place.spans[:-1]):
            if head in _INSIDE[inside]:
                found.append(_text(span, place.file))
                break
    return _best(found)


def of_part(name: str, clause: str) -> Example | None:
    """Return the clause that uses the name: (cost NAME), or (layer ... (nlf NAME))."""
    found = [
        _text(place.spans[-2] if clause == "nlf" and place.heads[-2] == "layer" else place.spans[-1], place.file)
        for place in _places()
        if place.heads[-1] == clause and place.second == name and len(place.heads) > 1
    ]
    if clause == "data":
        found += [_text(p.spans[-2], p.file) for p in _places() if p.heads[-2:] == ("data", name)]
    return _best(found)


def of_scheme(name: str) -> Example | None:
    """Return a connection by the scheme."""
    return _best([_text(p.spans[-2], p.file) for p in _places() if p.heads[-2:] == ("connect", name)])


@cache
def dialect_rows() -> tuple[tuple[str, str], ...]:
    """Return the programs on the dialect's page, each with what it prints."""
    page = (DOCS / "reference" / "sn28-dialect.md").read_text(encoding="utf-8")
    lines = (line for part in re.findall(r"^```sn28\n(.*?)^```", page, re.M | re.S) for line in part.splitlines())
    return tuple((row[0].rstrip(), row[2]) for line in lines if (row := line.rpartition(";=> "))[1])


@cache
def _calls() -> dict[str, list[Example]]:
    """Return the calls in the programs of SN-2.8 and in the gallery, by the name that is called."""
    calls: dict[str, list[Example]] = {}
    programs = sorted((DOCS.parent / "examples" / "sn28").rglob("*.sn"))
    for file in (*programs, *sorted(NETS.glob("*.sn")), *sorted(NETS.glob("studies/*.sn"))):
        for form, span in read_forms(Source(file.name, file.read_text(encoding="utf-8"))):
            for place in _walk(form, span, file):
                text = " ".join(
                    line.partition(";")[0].strip() for line in _text(place.spans[-1], file).text.split("\n")
                )
                if place.heads[-1] and text.startswith("(") and len(text) <= 80:
                    calls.setdefault(place.heads[-1], []).append(Example(text, file.name))
    return calls


def of_function(name: str) -> Example | None:
    """Return the shortest row of the dialect's page that calls the function, or else a call in a program."""
    call = re.compile(rf"\({re.escape(name)}(?![^\s()])")
    rows = [
        f"{program}\n;=> {printed}"
        for program, printed in dialect_rows()
        if call.search(program) and not printed.startswith("error:") and not re.match(r"N |.*\) N ", program)
    ]
    if rows:
        return Example(min(rows, key=len), "sn28-dialect.md")
    return min(_calls().get(name, []), key=lambda one: len(one.text), default=None)
