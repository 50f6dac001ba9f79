"""The reference of the language: one page for each kind of names in the glossary, with an example of each name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import example_forms
from markdown import anchor, block, cell, code, plain, table, toctree

from snsim.errors import Source, Span
from snsim.glossary.clauses import ClauseHelp
from snsim.glossary.names import Kind, kinds, name_help
from snsim.network.clauses import Faults
from snsim.plots.nlf import draw, nlf_curves
from snsim.plots.style import as_svg
from snsim.registry import Entry

_INSIDE = {
    "net": "Clauses of net",
    "layer": "Options of layer",
    "connect": "Options of connect",
    "train": "Clauses of train",
    "data": "Options of the readers of data",
}


def language_pages(write: Callable[[str, str | bytes], None]) -> None:
    """Write a page for each kind, and the list of them."""
    rows = []
    for kind in kinds():
        entries = kind.entries()
        head = kind.plural[0].upper() + kind.plural[1:]
        body = _functions(entries) if kind.name == "function" else _sections(kind, entries, write)
        write(
            f"reference/language/{kind.name}.md",
            f"# {head}\n\n`snsim list {kind.name}` prints this list, `snsim help NAME` one entry of it.\n\n{body}",
        )
        names = ", ".join(code(entry.name) for entry in entries[:12])
        rows.append([f"[{head}]({kind.name}.md)", str(len(entries)), names + (" ..." if len(entries) > 12 else "")])
    write(
        "reference/language/index.md",
        "# Every name of the language\n\nThese pages are generated from snsim itself: they show what `snsim help NAME` "
        "prints, with an example from a program that the tests run.\n\n"
        + table(["kind", "names", "the first of them"], rows, "lrl")
        + "\n"
        + toctree([f"{kind.name}" for kind in kinds()], hidden=True),
    )


def _sections(kind: Kind, entries: Sequence[Entry[Any]], write: Callable[[str, str | bytes], None]) -> str:
    parts = []
    for inside, group in groupby(entries, key=lambda entry: getattr(entry.value, "inside", "")):
        if inside and isinstance(entries[0].value, ClauseHelp):
            parts.append(f"## {_INSIDE[inside]}\n")
        level = "###" if parts else "##"
        for entry in group:
            parts.append(_section(level, kind, entry, write))
    return "\n".join(parts)


def _section(level: str, kind: Kind, entry: Entry[Any], write: Callable[[str, str | bytes], None]) -> str:
    known = name_help(entry)
    clause = entry.value if isinstance(entry.value, ClauseHelp) else None
    target = "-".join([kind.name, *([clause.inside] if clause else []), entry.name])
    parts = [f"({anchor(target)})=\n{level} {code(entry.name)}\n"]
    if known.syntax:
        parts.append(block(known.syntax, "lisp" if "\n" not in known.syntax else "text"))
    parts.append(_description(known.description))
    if known.options:
        rows = [[code(syntax), cell(doc)] for syntax, doc in known.options]
        parts.append(table(["option", "meaning"], rows))
    if known.definition:
        parts.append("Definition:\n\n" + block(known.definition, "lisp"))
    if kind.name == "nlf":
        parts.append(_curves(entry, write))
    example = _example(kind, entry, clause)
    if example is not None:
        parts.append(f"Example, from `{example.source}`:\n\n" + block(example.text, "lisp"))
    elif (command := _command(kind.name, entry.name)) is not None:
        parts.append(block(command, "text"))
    return "\n".join(part for part in parts if part)


def _example(kind: Kind, entry: Entry[Any], clause: ClauseHelp | None) -> example_forms.Example | None:
    if clause is not None:
        return example_forms.of_clause(entry.name, clause.inside)
    if kind.name == "scheme":
        return example_forms.of_scheme(entry.name)
    if kind.name == "word":
        return example_forms.of_word(entry.name)
    part = {"nlf": "nlf", "cost": "cost", "update": "update", "criterion": "correct", "data": "data"}.get(kind.name)
    return None if part is None else example_forms.of_part(entry.name, part)


def _command(kind: str, name: str) -> str | None:
    return {"engine": f"snsim run xor --engine {name}", "picture": f"snsim plot {name} --help"}.get(kind)


def _description(text: str) -> str:
    """Return a docstring as Markdown: its first paragraph as text, the others, which may be tables, as they stand."""
    first, _, rest = text.partition("\n\n")
    return re.sub(r"^([-+])", r"\\\1", plain(first)) + "\n" + ("\n" + block(rest) if rest.strip() else "")


def _curves(entry: Entry[Any], write: Callable[[str, str | bytes], None]) -> str:
    """Draw a non-linearity, with the parameters of its example."""
    example = example_forms.of_part(entry.name, "nlf")
    stated = re.search(rf"\(nlf {re.escape(entry.name)}([^()]*)\)", "" if example is None else example.text)
    numbers = [float(word) for word in stated[1].split()] if stated else []
    nlf = entry.value.make(numbers, Span(Source("<nlf>", ""), 0, 0), Faults())
    if nlf is None:
        return ""
    picture = f"_pictures/{entry.name}.svg"
    write(f"reference/language/{picture}", as_svg(draw(nlf_curves(nlf))))
    return f"```{{image}} {picture}\n:alt: {nlf.name} and its derivatives\n:class: picture\n```\n"


def _functions(entries: Sequence[Entry[Any]]) -> str:
    """Return all functions, grouped by the file that holds them, whose docstring is the heading."""
    groups: dict[str, list[Entry[Any]]] = {}
    for entry in entries:
        groups.setdefault(_module(entry.value), []).append(entry)
    parts = []
    for module in sorted(groups, key=lambda name: (not name.startswith("snsim.language"), name)):
        rows = []
        for entry in groups[module]:
            syntax, _, doc = entry.doc.partition("): ")
            syntax, doc = (syntax + ")", doc) if doc else ("", entry.doc)
            example = example_forms.of_function(entry.name)
            shown = "" if example is None else " ".join(code(line) for line in example.text.split("\n"))
            rows.append(
                [code(entry.name), (code(syntax) + ": " if syntax else "") + cell(doc), shown.replace("|", "\\|")]
            )
        parts.append(f"## {_title(module)}\n\n" + table(["name", "what it does", "example"], rows))
    return "\n".join(parts)


def _module(value: Any) -> str:
    function = getattr(value, "function", None)
    return str(getattr(function, "__module__", None) or type(value).__module__)


def _title(module: str) -> str:
    """Return the heading of a group: the name of the file, in words."""
    room = "SN-2.8: " if module.startswith("snsim.sn28") else ""
    words = module.rpartition(".")[2].replace("_", " ")
    words = {"net word": "nets, units and weights"}.get(words, re.sub(r" words$", "", words))
    return room + words[0].upper() + words[1:]
