"""Answer an editor's questions about a position: what the name means, what can be typed here, where it is defined."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from snsim.editor.cursor import OpenForm, is_in_text, open_forms, word_before
from snsim.editor.definitions import Definition, included_file, layer_of
from snsim.errors import Source
from snsim.glossary import names
from snsim.glossary.clauses import clauses
from snsim.input_files import is_file, is_folder
from snsim.language.forms import fold
from snsim.language.source_files import is_lush

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
    """A name that an editor proposes at a position, its kind in words, and its help line."""

    name: str
    kind: str
    doc: str


@dataclass(frozen=True)
class Cursor:
    """A position in a text: its offset, the name there, and the forms around it, the outermost first."""

    source: Source
    offset: int

    @property
    def before(self) -> str:
        return self.source.text[: self.offset]

    @property
    def start(self) -> int:
        """The offset at which the name begins."""
        return self.offset - len(word_before(self.before))

    @property
    def name(self) -> str:
        rest = _REST.match(self.source.text, self.offset)
        return fold(word_before(self.before) + (rest.group() if rest else ""))

    @property
    def open_forms(self) -> list[OpenForm]:
        """The forms that are open before the name, without the one whose head it is."""
        forms = open_forms(self.source.text[: self.start])
        return forms[:-1] if self.is_head else forms

    @property
    def is_head(self) -> bool:
        return self.source.text[: self.start].rstrip().endswith("(") and not is_in_text(self.before)

    @property
    def inner(self) -> str:
        return self.open_forms[-1].head if self.open_forms else ""

    @property
    def net(self) -> str:
        """The name of the net or training around the cursor."""
        for form in self.open_forms:
            if form.head in ("net", "train"):
                match = re.match(r"\(\s*\S+\s+([^\s()]+)", self.source.text[form.offset :])
                return fold(match.group(1)) if match else ""
        return ""

    @property
    def is_declared(self) -> bool:
        """Whether the cursor is inside a form that declares a net or training."""
        return any(form.head in ("net", "train") for form in self.open_forms)


def definition_of(cursor: Cursor, known: list[Definition]) -> Definition | Path | None:
    """Return where the name at the cursor is defined, or the file that is included there."""
    line = cursor.before.rpartition("\n")[2]
    if _INCLUDED.search(line):
        start = line.rpartition('"')[2]
        rest = cursor.source.text[cursor.offset :].partition('"')[0]
        path = included_file(cursor.source, start + rest)
        return path if is_file(path) else None
    name = cursor.name
    if not name or is_in_text(cursor.before):
        return None
    for kind in _kinds_at(cursor):
        if kind == "layer":
            layer = layer_of(known, name, cursor.net)
            if layer is not None:
                return layer
        else:
            match = next((d for d in known if d.kind == kind and d.name == name), None)
            if match is not None:
                return match
    return None


def _kinds_at(cursor: Cursor) -> tuple[str, ...]:
    """Return the kinds that the name at the cursor may have, the likeliest first."""
    everything = ("function", "macro", "variable", "table", "net", "training", "nlf", "cost", "update", "layer")
    if cursor.is_head or not cursor.is_declared:
        return everything
    outer = cursor.open_forms[0].head
    first: tuple[str, ...] = {
        "table": ("table",),
        "like": ("training",) if outer == "train" else ("net",),
        "net": ("net",),
        "nlf": ("nlf",),
        "cost": ("cost",),
        "update": ("update",),
        "train": ("training",),
    }.get(cursor.inner, ("layer",))
    return (*first, *(kind for kind in everything if kind not in first))


def explanation(cursor: Cursor, known: list[Definition]) -> str | None:
    """Return the explanation of the name at the cursor; None if the name is unknown."""
    name = cursor.name
    if not name or is_in_text(cursor.before):
        return None
    definition = definition_of(cursor, known)
    parts = []
    if isinstance(definition, Definition):
        inside = f" of net {definition.inside}" if definition.inside else ""
        file = Path(definition.span.source.name).name
        parts.append(f"{definition.kind} {definition.name}{inside}, {file}:{definition.span.line}\n{definition.text}")
    if cursor.is_head or definition is None:
        among = ("clause", "scheme") if cursor.is_declared and cursor.is_head else None
        parts += names.meanings(name, among) or names.meanings(name)
    return "\n\n".join(parts) or None


def proposals(cursor: Cursor, known: list[Definition]) -> Iterator[Proposal]:
    """Yield the names that may complete the one at the cursor, each once."""
    line = cursor.before.rpartition("\n")[2]
    included = _INCLUDED.search(line)
    if included is None and is_in_text(cursor.before):
        return
    begun = fold(word_before(cursor.before)) if included is None else included.group(1).rpartition("/")[2]
    candidates = (
        _files(cursor.source, included.group(1))
        if included is not None
        else _heads(cursor, known)
        if cursor.is_head
        else _arguments(cursor, known)
    )
    seen: set[str] = set()
    for proposal in candidates:
        if proposal.name.startswith(begun) and proposal.name not in seen:
            seen.add(proposal.name)
            yield proposal


def _heads(cursor: Cursor, known: list[Definition]) -> Iterator[Proposal]:
    inside = {"default": "layer", "stage": "train"}.get(cursor.inner, cursor.inner)
    if cursor.is_declared and inside == "connect":
        yield from _of_kind("scheme")
    of_form = [clause for clause in clauses() if clause.inside == inside]
    if cursor.is_declared and of_form:
        yield from (Proposal(c.name, f"clause of {inside}", f"{c.syntax}  {c.doc}") for c in of_form)
        return
    yield from _defined(known, "function", "macro")
    yield from _of_kind("word")
    yield from _functions(cursor.source)


def _functions(source: Source) -> Iterator[Proposal]:
    """Yield the functions of the Lisp; in a program of Lush, Lush's words and classes first."""
    if is_lush(source):
        yield from _of_kind("lush")
        yield from _of_kind("class")
    yield from _of_kind("function")


def _arguments(cursor: Cursor, known: list[Definition]) -> Iterator[Proposal]:
    inner = cursor.inner
    if not cursor.is_declared:
        yield from _defined(known, "function", "macro", "variable", "net", "training", "table")
        yield from _functions(cursor.source)
        return
    if inner == "table":
        yield Proposal("full", "table", "all maps to all")
        yield Proposal("one-to-one", "table", "map to map")
        yield from _defined(known, "table")
    elif inner in ("like", "net"):
        yield from _defined(known, "training" if inner == "like" and cursor.open_forms[0].head == "train" else "net")
    elif inner in _OF_SHELF:
        yield from _defined(known, _OF_SHELF[inner])
        yield from _of_kind(_OF_SHELF[inner])
    yield from (Proposal(name, inner, "") for name in _FIXED.get(inner, ()))
    if inner in _WITH_LAYERS or inner in _with_places() or not inner:
        yield from _defined(known, "layer")


def _with_places() -> set[str]:
    """Return the clauses that take a SCOPE: rates and initial distributions."""
    return {clause.name for clause in clauses() if "SCOPE" in clause.syntax}


def _defined(known: Iterable[Definition], *kinds: str) -> Iterator[Proposal]:
    return (Proposal(d.name, d.kind, d.text.split("\n")[0][:80]) for d in known if d.kind in kinds)


def _of_kind(name: str) -> Iterator[Proposal]:
    kind = next(kind for kind in names.kinds() if kind.name == name)
    return (Proposal(entry.name, kind.name, entry.doc) for entry in kind.entries())


def _files(source: Source, begun: str) -> Iterator[Proposal]:
    """Yield the .sn files and folders that an include can name."""
    folder = included_file(source, begun.rpartition("/")[0])
    try:
        inside = sorted(folder.iterdir())
    except (OSError, ValueError):
        return
    yield from (Proposal(path.name, "file", "") for path in inside if path.suffix == ".sn" or is_folder(path))
