"""Read declarative forms strictly: collect every fault of a form, and read on after each.

The words of network/ and training/ use this. A clause is one list inside a form, `(layer h1 30)`; an option is a
list inside a clause, `(bias map)`. The clauses of a net themselves are read in `net_form.py`: a new one goes there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NoReturn, TypeVar

import numpy as np

from snsim.errors import MOST_FAULTS, Fault, SnError, Span
from snsim.language.forms import Node, Symbol, symbol
from snsim.language.hidden_characters import refuse_hidden
from snsim.language.literals import NUMBER
from snsim.registry import suggest

Item = TypeVar("Item")

Plain = Node | str | float | Symbol | np.ndarray | list[Any] | tuple["Plain", ...]  # what `make_node` accepts

STATED, DEFAULT = "stated", "default"
_PERCENT = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)%", re.ASCII)


@dataclass(frozen=True)
class Clause:
    """A clause and its origin: STATED, DEFAULT, or the name of the form from which `like` inherited it."""

    node: Node
    origin: str = STATED
    parts: tuple[Clause, ...] = ()  # the options inside, where each has its own origin

    @property
    def word(self) -> str:
        return self.node.head

    def inherited(self, name: str) -> Clause:
        """Return this clause as a form sees it that inherits from the form `name` with `like`."""
        parts = tuple(part.inherited(name) for part in self.parts)
        return replace(self, origin=name if self.origin == STATED else self.origin, parts=parts)


class Faults:
    """The faults of one form, collected while it is read."""

    def __init__(self) -> None:
        self.found: list[Fault] = []
        self.silent = False  # there was a fault that is reported elsewhere

    def add(
        self, message: str, span: Span | None, hint: str | Callable[[], str], also: tuple[tuple[str, Span], ...] = ()
    ) -> None:
        """Add a fault.

        A hint that is slow to make, such as the nearest of many names, is given as a function. It is called only for
        the faults that are shown.
        """
        if not isinstance(hint, str):
            hint = hint() if len(self.found) < MOST_FAULTS else ""
        self.found.append(Fault(message, span, hint=hint, also=also))

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Collect the faults of an SnError raised inside the block, and continue after it."""
        try:
            yield
        except SnError as error:
            self.found.extend(error.faults)
            self.silent = self.silent or not error.faults

    @property
    def any(self) -> bool:
        return bool(self.found) or self.silent

    def raise_if_any(self) -> None:
        if self.any:
            self.stop()

    def stop(self) -> NoReturn:
        """Raise SnError with every fault that was added."""
        # a computed value used several times gives the same fault several times
        raise SnError(dict.fromkeys(self.found))


def all_or_none(values: Iterable[Item | None]) -> tuple[Item, ...] | None:
    """Return the values, or None if one of them is None, which means that it could not be read."""
    every = tuple(values)
    present = tuple(value for value in every if value is not None)
    return present if len(present) == len(every) else None


def read_number(node: Node, what: str, faults: Faults) -> float | None:
    """Return the number in a node, or None after adding a fault. `what` names the number in the sentence."""
    if isinstance(node.value, float) and math.isfinite(node.value):
        return float(node.value)
    if node.is_number:
        faults.add(
            f"{what} must be a finite number, not {node.value:g}",
            node.span,
            "write a number such as 0.5, 3 or 1e-4; if you compute it, its value is too large or undefined",
        )
        return None
    faults.add(f"{what} must be a number, not {describe(node)}", node.span, number_hint(node))
    return None


def number_hint(node: Node, example: str = "0.5, 3 or 1e-4") -> str:
    """Return a hint that says how to write a number in place of this node."""
    if isinstance(node.value, str) and NUMBER.fullmatch(node.value):
        return f"write {node.value}, without quotes"
    if node.is_symbol and (percent := _PERCENT.fullmatch(node.name)):
        return f"write {float(percent[1]) / 100:g}"
    computed = (
        f"; for the value of a variable write ,{node.name}"
        if node.is_symbol
        else f"; for a computed value write ,({node.head} ...)"
        if node.head
        else ""
    )
    return f"write digits, such as {example}{computed}"


def read_whole_number(node: Node, what: str, faults: Faults, least: int = 0) -> int | None:
    """Return the whole number in a node, or None after adding a fault if there is none or it is below `least`."""
    value = read_number(node, what, faults)
    if value is None:
        return None
    if not math.isfinite(value) or value != int(value) or value < least:
        below, above = max(least, math.floor(value)), max(least, math.ceil(value))
        near = f"{below}" if below == above else f"{below} or {above}"
        faults.add(
            f"{what} must be a whole number from {least}, not {value:g}",
            node.span,
            f"write {near}" + (", or more" if above == least else ""),
        )
        return None
    return int(value)


def read_name(node: Node, what: str, faults: Faults, hint: str | Callable[[], str] = "") -> str | None:
    """Return the name in a node, a symbol or a string, or None after a fault. `what` names it in the sentence.

    The hidden characters of a declarative form are refused before its word reads it. They are refused here again, for
    names at positions where a path is allowed.
    """
    refusal = refuse_hidden(node.name, "name") if node.is_name else None
    if refusal is not None:
        faults.add(refusal[0], node.span, refusal[1])
        return None
    if node.is_name and node.name:
        return node.name
    if node.is_name:
        faults.add(f"{what} is empty: a name has at least one character", node.span, hint or _name_hint(node, what))
        return None
    faults.add(f"{what} must be a name, not {describe(node)}", node.span, hint or _name_hint(node, what))
    return None


def _name_hint(node: Node, what: str) -> str:
    """Return a hint that says how to write a name in place of this node.

    `what` is "a layer" or "the name of a layer".
    """
    if node.is_list and len(node.items) == 1 and node.head:
        return f"write {node.head}, without parentheses"
    words = what.removeprefix("the name of ").split()
    noun = words[1] if len(words) > 1 and words[1].isalpha() else "name"
    digits = f"{node.value:g}" if node.is_number else ""
    return f"write a word, such as {noun}{digits if digits.isdigit() else 1}"


def read_names(node: Node, what: str, faults: Faults, hint: str | Callable[[], str] = "") -> list[Node]:
    """Return the nodes that are names in NAME or (NAME ...); the others are faults."""
    nodes = list(node.items) if node.is_list else [node]
    if not nodes:
        faults.add(f"{what}: the list of names is empty", node.span, "add a name: (NAME ...)")
    return [n for n in nodes if read_name(n, what, faults, hint) is not None]


def describe(node: Node) -> str:
    """Return a node as words in a sentence: the number 3, the name "h1", the text "a", a list, a matrix."""
    if node.is_list:
        if node.head:
            return f"the list ({node.head} ...)"
        return "an empty list" if not node.items else "a list of lists" if node.items[0].is_list else "a list"
    if node.is_symbol:
        return f'the name "{node.name}"'
    if node.is_number:
        return f"the number {node.value:g}"
    return f'the text "{node.value}"' if isinstance(node.value, str) else "a matrix"


def read_arguments(node: Node, least: int, most: int | None, syntax: str, faults: Faults) -> tuple[Node, ...] | None:
    """Return what follows the word of a clause, or None after a fault if there are not `least` to `most` of them.

    `most` None means any number. `syntax` is the hint.
    """
    args = node.items[1:]
    if len(args) < least or (most is not None and len(args) > most):
        count = f"{least}" if most == least else f"{least} or more" if most is None else f"{least} to {most}"
        faults.add(
            f"({node.head} ...) takes {count} argument{'' if count == '1' else 's'}, {len(args)} given",
            node.span,
            f"write {syntax}",
        )
        return None
    return args


def select_clauses(
    nodes: Iterable[Node], known: Iterable[str], kind: str, repeatable: Iterable[str], faults: Faults
) -> list[Node]:
    """Return the nodes that are clauses with a word of `known`; the others are faults.

    A clause that is stated twice is a fault too, unless its word is in `repeatable`. `kind` names the form in the
    sentences.
    """
    known, repeatable = list(known), set(repeatable)
    seen: dict[str, Node] = {}
    kept: list[Node] = []
    for node in nodes:
        if not node.head:
            faults.add(
                f"a clause of {kind} is a list that begins with a word, not {describe(node)}",
                node.span,
                f"clauses: {', '.join(known)}",
            )
        elif node.head not in known:
            faults.add(
                f'{kind} has no clause "{node.head}"', node.items[0].span, partial(suggest, node.head, known, "clauses")
            )
        elif node.head in seen and node.head not in repeatable:
            faults.add(
                f"({node.head} ...) is stated twice in this {kind}",
                node.items[0].span,
                "remove one of them",
                (("first here", seen[node.head].span),),
            )
        else:
            seen.setdefault(node.head, node)
            kept.append(node)
    return kept


def make_node(value: Plain, span: Span) -> Node:
    """Return a node for a computed value: a str becomes a symbol, a list or tuple a list, a number a number."""
    if isinstance(value, (list, tuple)):
        return Node(tuple(make_node(item, span) for item in value), span)
    if isinstance(value, str):
        return Node(symbol(value), span)
    return value if isinstance(value, Node) else Node(float(value) if isinstance(value, int) else value, span)


# The names under which plug-ins of earlier versions import these functions from here.
arguments, number, whole = read_arguments, read_number, read_whole_number
