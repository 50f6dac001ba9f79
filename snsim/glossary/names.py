"""Answer `snsim list` and `snsim help`: every name that has a meaning in a program, from the shelf that holds it."""

from __future__ import annotations

import inspect
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Collection
from dataclasses import dataclass
from difflib import get_close_matches

from snsim.colour import is_terminal
from snsim.errors import fail
from snsim.glossary.clauses import ClauseHelp, clauses
from snsim.network.complete_form import nlf_form, node_text
from snsim.network.nlfs import NlfDefinition
from snsim.registry import Entry, suggest
from snsim.text_table import aligned
from snsim.todays_words import term_for
from snsim.training.criteria import Criterion
from snsim.training.forms.costs import CostDefinition
from snsim.training.forms.update_rules import UpdateDefinition
from snsim.training.forms.values_and_scopes import SCOPES, VALUE

_STANDS_FOR = {"VALUE": f"{VALUE}, over the passes", "SCOPE": f"{SCOPES}; everywhere if none is stated"}


@dataclass(frozen=True)
class Kind:
    """A kind of names: its name in the singular and the plural, and its entries."""

    name: str
    plural: str
    entries: Callable[[], list[Entry[object]]]


def kinds() -> tuple[Kind, ...]:
    """Return all kinds, in the order in which a program uses them, from text to training."""
    from snsim.data.catalog import DATA_SETS
    from snsim.data.readers import READERS
    from snsim.engines import ENGINES
    from snsim.lush import CLASSES, LUSH
    from snsim.network.schemes import SCHEMES
    from snsim.plots.registry import PICTURES
    from snsim.program import lisp_functions, shelves
    from snsim.training.criteria import CRITERIA

    built_in = shelves()
    return (
        Kind("word", "declarative words", lambda: list(built_in.words)),
        Kind("clause", "clauses and options", lambda: [Entry(c.name, f"{c.inside}: {c.doc}", c) for c in clauses()]),
        Kind("scheme", "schemes of connection", lambda: list(SCHEMES)),
        Kind("nlf", "non-linearities", lambda: list(built_in.nlfs)),
        Kind("cost", "costs", lambda: list(built_in.costs)),
        Kind("update", "update rules", lambda: list(built_in.updates)),
        Kind("criterion", "criteria", lambda: list(CRITERIA)),
        Kind("data", "data sets and readers of files", lambda: [*DATA_SETS, *READERS]),
        Kind("engine", "engines", lambda: list(ENGINES)),
        Kind("picture", "pictures", lambda: list(PICTURES)),
        Kind("function", "Lisp functions", lambda: sorted(lisp_functions(), key=lambda entry: entry.name)),
        Kind("lush", "words of programs of Lush (.lsh)", lambda: sorted(LUSH, key=lambda entry: entry.name)),
        Kind("class", "classes of programs of Lush (.lsh)", lambda: list(CLASSES)),
    )


def listing(kind: str | None, more: tuple[Kind, ...] = ()) -> str:
    """Return every name with its help line, of one kind or of all. SnError for an unknown kind.

    `more` are further kinds of names: the commands and the nets of the gallery.
    """
    known = (*kinds(), *more)
    chosen = [k for k in known if kind in (None, k.name, k.plural)]
    if not chosen:
        names = [k.name for k in known]
        raise fail(f'unknown kind "{kind}"', hint=suggest(kind or "", names, "kinds"))
    return "\n\n".join(_section(k) for k in chosen)


def is_known(name: str) -> bool:
    return bool(_meanings(name))


def explain(name: str, more: tuple[Kind, ...] = ()) -> str:
    """Return every meaning of a name: kind, syntax, help, options. SnError with the nearest name if it has none.

    `more` are further kinds of names that the hint may suggest, such as the commands.
    """
    meanings = _meanings(name)
    if not meanings and (term := term_for(name)) is not None:
        here = term.here[0]
        found = _meanings(here)
        text = "\n\n".join(_explanation(kind, entry) for kind, entry in found)
        return f'"{name}" is called "{here}" here. {term.meaning}\n\n{text or f"snsim {here} --help explains it"}'
    if not meanings:
        clause_names = _clauses_with(_folded_name(name))
        if clause_names:
            raise fail(
                f'"{name}" has no meaning on its own',
                hint=f"it is part of {', '.join(clause_names)}: snsim help {clause_names[0]}",
            )
        near = get_close_matches(name, {entry.name for kind in (*kinds(), *more) for entry in kind.entries()}, n=1)
        guess = f'did you mean "{near[0]}"?  ' if near else ""
        raise fail(f'nothing is called "{name}"', hint=f"{guess}`snsim list` lists all names")
    return "\n\n".join(_explanation(kind, entry) for kind, entry in meanings)


def meanings(name: str, among: Collection[str] | None = None) -> list[str]:
    """Return each meaning of a name, of all kinds or of those named; an empty list if there is none."""
    return [_explanation(kind, entry) for kind, entry in _meanings(name) if among is None or kind.name in among]


def _meanings(name: str) -> list[tuple[Kind, Entry[object]]]:
    folded = _folded_name(name)
    return [(kind, entry) for kind in kinds() for entry in kind.entries() if entry.name == folded]


def _clauses_with(word: str) -> list[str]:
    """Return the clauses and options whose syntax contains a word of at least three letters."""
    pattern = re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])", re.IGNORECASE)
    entries = (Entry(clause.name, clause.doc, clause) for clause in clauses())
    return [entry.name for entry in entries if word[2:] and pattern.search(_written(entry))]


def _folded_name(name: str) -> str:
    return name.strip("() ").lower()


def _section(kind: Kind) -> str:
    entries = kind.entries()
    width = max((len(entry.name) for entry in entries), default=0) + 4
    lines = [f"{kind.plural} (snsim list {kind.name})"]
    for entry in entries:
        lines += _folded("  " + entry.name.ljust(width - 2), entry.doc, width)
    return "\n".join(lines)


def _folded(head: str, text: str, indent: int) -> list[str]:
    """Return head and text on one line, or wrapped on a narrow terminal. Not wrapped through a pipe."""
    if not is_terminal(sys.stdout):
        return [f"{head}{text}".rstrip()]
    room = max(indent + 20, shutil.get_terminal_size().columns)
    return textwrap.wrap(head + text, room, subsequent_indent=" " * indent, drop_whitespace=True) or [head]


@dataclass(frozen=True)
class NameHelp:
    """What is known of one name: its syntax, description, options (syntax, help) and definition; "" if it has none."""

    syntax: str
    description: str
    options: list[tuple[str, str]]
    definition: str


def name_help(entry: Entry[object]) -> NameHelp:
    """Return the help of a name in its parts, for `snsim help` and the pages of the documentation."""
    options = {c.name: c for c in clauses() if c.inside == "connect"}
    reads = [(options[word].syntax, options[word].doc) for word in getattr(entry.value, "reads", ()) if word in options]
    return NameHelp(_written(entry), _description(entry), reads, _definition(entry.value))


def _explanation(kind: Kind, entry: Entry[object]) -> str:
    """Return kind, syntax, description, options and definition of a name, as far as it has them."""
    owner = f" of {entry.value.inside}" if isinstance(entry.value, ClauseHelp) else ""
    known = name_help(entry)
    parts = [
        known.syntax,
        known.description,
        "\n".join(["options:", *aligned(known.options, "ll")]) if known.options else "",
        known.definition,
    ]
    return "\n".join(
        [f"{entry.name}: {kind.name}{owner}", *("\n" + textwrap.indent(part, "  ") for part in parts if part)]
    )


def _written(entry: Entry[object]) -> str:
    """Return the syntax, followed by the meaning of words in capitals that several clauses share."""
    syntax = _syntax(entry)
    return "\n".join([syntax, *(f"  {word}: {meaning}" for word, meaning in _STANDS_FOR.items() if word in syntax)])


def _syntax(entry: Entry[object]) -> str:
    """Return how the name is written in a net or a training; "" if its help line says so."""
    value = entry.value
    if isinstance(value, CostDefinition):
        return f"(cost {' '.join([entry.name, *(f'[{p}]' for p, _ in value.parameters)])})"
    if isinstance(value, UpdateDefinition):
        return f"(update {' '.join([entry.name, *(f'({name} {default:g})' for name, default in value.rule.options)])})"
    if isinstance(value, Criterion):
        return f"(correct {' '.join([entry.name, *value.parameters])})"
    return str(getattr(value, "syntax", ""))


def _definition(value: object) -> str:
    """Return the form that defines the name in the Lisp; "" if there is none."""
    if isinstance(value, NlfDefinition):
        return nlf_form(value)
    node = getattr(value, "node", None)
    if node is None:
        return ""
    items = [item for item in node.items if not isinstance(item.value, str)]  # without its line of help
    body = next((i for i, item in enumerate(items) if item.head == "setq"), len(items) - 1)
    head = " ".join(node_text(item) for item in items[:body])
    return "\n  ".join(["(" + head, *(node_text(item) for item in items[body:])]) + ")"


def _description(entry: Entry[object]) -> str:
    """Return the whole docstring of a function, or the help line if that is all."""
    if isinstance(entry.value, ClauseHelp):
        return f"{entry.value.doc}\n\n{entry.value.details}".rstrip()
    builtin = getattr(entry.value, "function", None)  # of a word of the Lisp, whose class has another docstring
    docstring = inspect.getdoc(builtin or entry.value) or ""
    if docstring.startswith(entry.doc):
        return docstring
    details = docstring.partition("\n\n")[2]
    return f"{entry.doc}\n\n{details}" if builtin and details else entry.doc
