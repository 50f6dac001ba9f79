"""What an editor asks of a place in a text: what is this, what may stand here, where is it defined."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from snsim.editor.cursor import Open, is_in_text, open_forms, word_before
from snsim.editor.definitions import Definition, included_file, layer_of
from snsim.errors import Source
from snsim.glossary import names
from snsim.glossary.clauses import clauses
from snsim.input_files import is_file, is_folder
from snsim.language.forms import fold

_REST = re.compile(r"[^\s()\[\]{}\"'`,;~^|]*")
_INCLUDED = re.compile(r'\(\s*include\s+"([^"\n]*)$', re.IGNORECASE)
_WITH_LAYERS = {"connect", "normalize", "attend", "without", "dropout", "bias"}
_OF_SHELF = {"nlf": "nlf", "cost": "cost", "update": "update", "correct": "criterion", "data": "data"}
_FIXED = {
    "order": ("fixed", "shuffled", "random"),
    "bias": ("unit", "map", "column", "none"),
    "fan-in": ("lines", "weights"),
    "expect": (),
    "batch": ("all",),
}


@dataclass(frozen=True)
class Proposal:
    """A name that may stand at a place, the word for what it is, its line of help."""

    name: str
    kind: str
    doc: str


@dataclass(frozen=True)
class Place:
    """An offset of a text: the name there, and the forms around it, the outermost first."""

    source: Source
    offset: int

    @property
    def before(self) -> str:
        return self.source.text[: self.offset]

    @property
    def start(self) -> int:
        """Where the name begins."""
        return self.offset - len(word_before(self.before))

    @property
    def name(self) -> str:
        rest = _REST.match(self.source.text, self.offset)
        return fold(word_before(self.before) + (rest.group() if rest else ""))

    @property
    def around(self) -> list[Open]:
        """The forms that are open before the name, without the one that it is the head of."""
        forms = open_forms(self.source.text[: self.start])
        return forms[:-1] if self.is_head else forms

    @property
    def is_head(self) -> bool:
        return self.source.text[: self.start].rstrip().endswith("(") and not is_in_text(self.before)

    @property
    def inner(self) -> str:
        return self.around[-1].head if self.around else ""

    @property
    def net(self) -> str:
        """The name of the net or training in which the place is."""
        for form in self.around:
            if form.head in ("net", "train"):
                match = re.match(r"\(\s*\S+\s+([^\s()]+)", self.source.text[form.offset :])
                return fold(match.group(1)) if match else ""
        return ""

    @property
    def is_declared(self) -> bool:
        """Whether the place is inside a form that states a net or training."""
        return any(form.head in ("net", "train") for form in self.around)


def definition_of(place: Place, found: list[Definition]) -> Definition | Path | None:
    """Where the name at a place is defined: in a text, or a file that is included there."""
    line = place.before.rpartition("\n")[2]
    if _INCLUDED.search(line):
        start = line.rpartition('"')[2]
        rest = place.source.text[place.offset :].partition('"')[0]
        path = included_file(place.source, start + rest)
        return path if is_file(path) else None
    name = place.name
    if not name or is_in_text(place.before):
        return None
    for kind in _kinds_at(place):
        if kind == "layer":
            layer = layer_of(found, name, place.net)
            if layer is not None:
                return layer
        else:
            one = next((d for d in found if d.kind == kind and d.name == name), None)
            if one is not None:
                return one
    return None


def _kinds_at(place: Place) -> tuple[str, ...]:
    """What a name at a place may be, the likeliest first."""
    everything = ("function", "macro", "variable", "table", "net", "training", "nlf", "cost", "update", "layer")
    if place.is_head or not place.is_declared:
        return everything
    outer = place.around[0].head
    first: tuple[str, ...] = {
        "table": ("table",),
        "like": ("training",) if outer == "train" else ("net",),
        "net": ("net",),
        "nlf": ("nlf",),
        "cost": ("cost",),
        "update": ("update",),
        "train": ("training",),
    }.get(place.inner, ("layer",))
    return (*first, *(kind for kind in everything if kind not in first))


def explanation(place: Place, found: list[Definition]) -> str | None:
    """What the name at a place is; None if it is nothing known."""
    name = place.name
    if not name or is_in_text(place.before):
        return None
    own = definition_of(place, found)
    parts = []
    if isinstance(own, Definition):
        inside = f" of net {own.inside}" if own.inside else ""
        parts.append(f"{own.kind} {own.name}{inside}, {Path(own.span.source.name).name}:{own.span.line}\n{own.text}")
    if place.is_head or own is None:
        wanted = ("clause", "scheme") if place.is_declared and place.is_head else None
        parts += names.meanings(name, wanted) or names.meanings(name)
    return "\n\n".join(parts) or None


def proposals(place: Place, found: list[Definition]) -> Iterator[Proposal]:
    """The names that may stand at a place and begin as it does, each once."""
    line = place.before.rpartition("\n")[2]
    included = _INCLUDED.search(line)
    if included is None and is_in_text(place.before):
        return
    begun = fold(word_before(place.before)) if included is None else included.group(1).rpartition("/")[2]
    made = (
        _files(place.source, included.group(1))
        if included is not None
        else _heads(place, found)
        if place.is_head
        else _arguments(place, found)
    )
    seen: set[str] = set()
    for proposal in made:
        if proposal.name.startswith(begun) and proposal.name not in seen:
            seen.add(proposal.name)
            yield proposal


def _heads(place: Place, found: list[Definition]) -> Iterator[Proposal]:
    inside = {"default": "layer", "stage": "train"}.get(place.inner, place.inner)
    if place.is_declared and inside == "connect":
        yield from _of_kind("scheme")
    of_form = [clause for clause in clauses() if clause.inside == inside]
    if place.is_declared and of_form:
        yield from (Proposal(c.name, f"clause of {inside}", f"{c.syntax}  {c.doc}") for c in of_form)
        return
    yield from _own(found, "function", "macro")
    yield from _of_kind("word")
    yield from _of_kind("function")


def _arguments(place: Place, found: list[Definition]) -> Iterator[Proposal]:
    inner = place.inner
    if not place.is_declared:
        yield from _own(found, "function", "macro", "variable", "net", "training", "table")
        yield from _of_kind("function")
        return
    if inner == "table":
        yield Proposal("full", "table", "all maps to all")
        yield Proposal("one-to-one", "table", "map to map")
        yield from _own(found, "table")
    elif inner in ("like", "net"):
        yield from _own(found, "training" if inner == "like" and place.around[0].head == "train" else "net")
    elif inner in _OF_SHELF:
        yield from _own(found, _OF_SHELF[inner])
        yield from _of_kind(_OF_SHELF[inner])
    yield from (Proposal(name, inner, "") for name in _FIXED.get(inner, ()))
    if inner in _WITH_LAYERS or inner in _with_places() or not inner:
        yield from _own(found, "layer")


def _with_places() -> set[str]:
    """The clauses that name places of a net: rates and initial distributions."""
    return {clause.name for clause in clauses() if "SCOPE" in clause.syntax}


def _own(found: Iterable[Definition], *kinds: str) -> Iterator[Proposal]:
    return (Proposal(d.name, d.kind, d.text.split("\n")[0][:80]) for d in found if d.kind in kinds)


def _of_kind(name: str) -> Iterator[Proposal]:
    kind = next(kind for kind in names.kinds() if kind.name == name)
    return (Proposal(entry.name, kind.name, entry.doc) for entry in kind.entries())


def _files(source: Source, begun: str) -> Iterator[Proposal]:
    """The .sn files and folders where an include looks."""
    folder = included_file(source, begun.rpartition("/")[0])
    try:
        inside = sorted(folder.iterdir())
    except (OSError, ValueError):
        return
    yield from (Proposal(path.name, "file", "") for path in inside if path.suffix == ".sn" or is_folder(path))
