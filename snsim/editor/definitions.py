"""Find where names are defined: nets, tables, trainings, layers, functions, included files.

Only the forms are read and nothing is evaluated, so a faulty text still has its definitions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from snsim.errors import SnError, Source, Span
from snsim.input_files import PathError, resolve
from snsim.language.forms import Form, Pair, Symbol, fold
from snsim.language.printer import show
from snsim.language.reader import FormReader
from snsim.language.source_files import read_source

_DECLARING = {
    "table": "table",
    "net": "net",
    "train": "training",
    "define-nlf": "nlf",
    "define-cost": "cost",
    "define-update": "update",
}
_DEFINING = {
    "de": "function",
    "df": "function",
    "dm": "macro",
    "dmd": "macro",
    "defun": "function",
    "defmacro": "macro",
    "defvar": "variable",
    "defparameter": "variable",
    "setq": "variable",
}
_MOST_FILES = 100  # that one text includes, directly or not


@dataclass(frozen=True)
class Definition:
    """A definition. `inside`: the net of a layer; `like`: the parent of a net or training; `text`: the form."""

    kind: str
    name: str
    span: Span
    text: str = ""
    inside: str = ""
    like: str = ""


def definitions(source: Source, seen: set[Path] | None = None) -> Iterator[Definition]:
    """Yield every definition of a text, then those of the files that it includes."""
    seen = {Path(source.name).resolve()} if seen is None else seen
    included: list[Path] = []
    for form in _forms(source):
        if not isinstance(form.car, Symbol) or not isinstance(form.cdr, Pair):
            continue
        head, cell = form.car.name, form.cdr
        if head == "include" and isinstance(cell.car, str):
            included.append(included_file(source, cell.car))
        elif head in _DECLARING and isinstance(cell.car, (Symbol, str)):
            yield from _declared(head, form, cell)
        elif head in _DEFINING and isinstance(cell.car, Symbol):
            yield Definition(_DEFINING[head], cell.car.name, _place(cell, form), _brief(form))
    for path in included:
        try:
            resolved = resolve(path)
            if resolved in seen or len(seen) > _MOST_FILES:
                continue
            seen.add(resolved)
            yield from definitions(read_source(path), seen)
        except (PathError, SnError):
            continue


def included_file(source: Source, name: str) -> Path:
    """Return the path that `(include NAME)` means in a text."""
    return Path(source.name).parent / name


def layer_of(known: list[Definition], name: str, net: str) -> Definition | None:
    """Return the layer of this name in a net or its parents; otherwise the first layer of this name."""
    layers = [d for d in known if d.kind == "layer" and d.name == name]
    nets = {d.name: d for d in known if d.kind == "net"}
    tried: set[str] = set()
    while net and net not in tried:
        tried.add(net)
        layer = next((d for d in layers if d.inside == net), None)
        if layer is not None:
            return layer
        net = nets[net].like if net in nets else ""
    return layers[0] if layers else None


def _declared(head: str, form: Pair, cell: Pair) -> Iterator[Definition]:
    name = cell.car.name if isinstance(cell.car, Symbol) else fold(cell.car)
    like = ""
    for clause in _clauses(cell):
        if clause.car.name == "like" and isinstance(clause.cdr, Pair) and isinstance(clause.cdr.car, Symbol):
            like = clause.cdr.car.name
    yield Definition(_DECLARING[head], name, _place(cell, form), _brief(form), like=like)
    if head != "net":
        return
    for clause in _clauses(cell):
        if clause.car.name == "layer" and isinstance(clause.cdr, Pair):
            named = clause.cdr
            cells = named.car.cells() if isinstance(named.car, Pair) else [named]
            for layer_cell in cells:
                if isinstance(layer_cell.car, Symbol):
                    yield Definition(
                        "layer", layer_cell.car.name, _place(layer_cell, clause), _brief(clause), inside=name
                    )


def _clauses(cell: Pair) -> Iterator[Pair]:
    """Return the lists in a form that begin with a word."""
    return (item for item in cell if isinstance(item, Pair) and isinstance(item.car, Symbol))


def _place(cell: Pair, form: Pair) -> Span:
    place = cell.at or form.span
    assert place is not None, "a form that was read has a place"
    return place


def _brief(form: Form) -> str:
    text = show(form, 60, 300)
    return text if len(text) <= 300 else text[:297] + "..."


def _forms(source: Source) -> Iterator[Pair]:
    """Yield the lists of a text. After an unreadable one, continue at the next line that begins with a bracket."""
    try:
        reader, at = FormReader(source), 0
    except SnError:
        return
    while at <= len(source.text):
        try:
            entry = reader.read(at)
        except SnError:
            start = at + len(source.text[at:]) - len(source.text[at:].lstrip())
            at = source.text.find("\n(", start)
            if at < 0:
                return
            continue
        if entry is None:
            return
        form, _, at = entry
        if isinstance(form, Pair):
            yield form
