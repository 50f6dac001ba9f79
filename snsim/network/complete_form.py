"""Print the complete form of a net or training: every clause, with a comment for each default or inherited one.

The text reads back as the same form.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from snsim.language.forms import Node, symbol
from snsim.language.printer import show
from snsim.network.clauses import DEFAULT, STATED, Clause
from snsim.network.expressions import to_text
from snsim.network.nlfs import NlfDefinition

_FAR = 88  # comments of longer lines follow them directly


def complete_form(
    word: str, name: str, clauses: Iterable[Clause], most_elements: int | None = None, dropped: Iterable[Clause] = ()
) -> str:
    """Return `(word name clause ...)` as text, one clause per line.

    Options that are not stated are on lines of their own, with `; default` or `; from NAME` in one column. The
    `dropped` clauses, inherited by `like` but without effect, follow as comments. Matrices of more than
    `most_elements` elements are replaced by their size, and such a text does not read back; None prints all elements.
    """
    lines = [(f"({word} {show(symbol(name))}", "")]
    for clause in clauses:
        lines += _clause_lines(clause, most_elements)
    lines[-1] = (lines[-1][0] + ")", lines[-1][1])
    unread = [
        f";; no effect here: {node_text(clause.node, most_elements)}, {_comment(clause.origin)}" for clause in dropped
    ]
    return "\n".join([*align_comments(lines), *dict.fromkeys(unread)])


def table_form(name: str, table: np.ndarray) -> str:
    """Return `(table name (x - ...) ...)` for a 0/1 matrix with one row per source map."""
    rows = ["  (" + " ".join("x" if fed else "-" for fed in row) + ")" for row in np.asarray(table)]
    return "\n".join([f"(table {show(symbol(name))}", *rows]) + ")"


def nlf_form(definition: NlfDefinition) -> str:
    """Return `(define-nlf name (x (p default) ...) expression)`, with `(derivative expression)` if it has one."""
    parameters = ["x", *(p if default is None else f"({p} {to_text(default)})" for p, default in definition.parameters)]
    form = f"(define-nlf {show(symbol(definition.name))} ({' '.join(parameters)}) {to_text(definition.f)}"
    return form + (")" if definition.derivative is None else f" (derivative {to_text(definition.derivative)}))")


def node_text(node: Node, most_elements: int | None = None) -> str:
    """Return a form as text that reads back as the same data."""
    value = node.value
    if isinstance(value, tuple):
        return "(" + " ".join(node_text(item, most_elements) for item in value) + ")"
    if isinstance(value, np.ndarray) and most_elements is not None and value.size > most_elements:
        return f"[matrix {' x '.join(str(n) for n in value.shape)}]"
    return show(value)


def align_comments(lines: Sequence[tuple[str, str]]) -> list[str]:
    """Return lines with their comments in one column, two blanks after the longest line that is not very long."""
    column = max((len(text) for text, comment in lines if comment and len(text) <= _FAR), default=0) + 2
    return [f"{text.ljust(column - 2)}  ; {comment}" if comment else text for text, comment in lines]


def _clause_lines(clause: Clause, most_elements: int | None) -> list[tuple[str, str]]:
    """Return the clause as lines with their origins: a new line starts where the origin of the options changes."""
    items = clause.node.items
    head = len(items) - len(clause.parts)  # word, names and scheme; the options, each with its origin, follow
    runs = [([node_text(item, most_elements) for item in items[:head]], clause.origin)]
    for part in clause.parts:
        if part.origin != runs[-1][1]:
            runs.append(([], part.origin))
        runs[-1][0].append(node_text(part.node, most_elements))
    lines = [((" " * 4 if i else "  (") + " ".join(texts), _comment(origin)) for i, (texts, origin) in enumerate(runs)]
    return [*lines[:-1], (lines[-1][0] + ")", lines[-1][1])]


def _comment(origin: str) -> str:
    return {STATED: "", DEFAULT: "default"}.get(origin, f"from {origin}")
