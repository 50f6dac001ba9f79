"""Define the forms: symbols, numbers, strings, lists and matrices, with their places in the source.

The reader produces forms and the evaluator evaluates them. Lists are SN's own: chains of `Pair`, so that `rplaca`,
`nconc` and macros that rewrite their call mean what they meant in 1988. `()` is `None`. Numbers are Python floats,
strings are `str`, matrices are `numpy.ndarray`.

A pair that was read has two places. `span` is the whole list from parenthesis to parenthesis; only the first pair of a
list has it. `at` is the place of the `car`, so that an error can point at a single atom.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from snsim.errors import Span

NIL = None


class Symbol:
    """A name. Symbols are unique: `symbol("a") is symbol("a")`."""

    __slots__ = ("__weakref__", "name")

    def __init__(self, name: str):
        self.name = name

    def __repr__(self) -> str:
        return self.name


_SYMBOLS: WeakValueDictionary[str, Symbol] = WeakValueDictionary()  # weak: the names of a finished program are freed


def symbol(name: str) -> Symbol:
    """Return the symbol of exactly this name. The reader folds case and `_` before it calls this."""
    known = _SYMBOLS.get(name)
    return _SYMBOLS.setdefault(name, Symbol(name)) if known is None else known


def python_name(name: str) -> str:
    """Return the Python identifier for a Lisp name: hyphens become underscores."""
    return name.replace("-", "_")


class Pair:
    """One cell of a list: `car`, `cdr` (a Pair, NIL, or an atom for a dotted end), and its places if it was read.

    `code` is the evaluator's: how often the forms from this cell on were evaluated as a body, then their translation
    (hot_code.py). A number is also the mark of a cell that a translation has read.
    """

    __slots__ = ("at", "car", "cdr", "code", "span")

    def __init__(self, car: Form, cdr: Form = NIL, at: Span | None = None, span: Span | None = None):
        self.car = car
        self.cdr = cdr
        self.at = at
        self.span = span
        self.code: Any = None

    def __iter__(self) -> Iterator[Form]:
        """Yield the elements, without a dotted end."""
        cell: Form = self
        while isinstance(cell, Pair):
            yield cell.car
            cell = cell.cdr

    def cells(self) -> Iterator[Pair]:
        cell: Form = self
        while isinstance(cell, Pair):
            yield cell
            cell = cell.cdr


class MatrixValue:
    """A value that is printed, compared and computed with as the matrix `array`: an idx of Lush."""

    @property
    def array(self) -> np.ndarray:
        raise NotImplementedError


def as_matrix(value: Form) -> Form:
    """Return the matrix of a `MatrixValue`, any other value as it is."""
    return value.array if isinstance(value, MatrixValue) else value


Form = Any  # None (the empty list), float, str, Symbol, Pair, numpy.ndarray, or a procedure

QUOTE, BACKQUOTE, UNQUOTE, SPLICE = (symbol(s) for s in ("quote", "backquote", "unquote", "unquote-splice"))


def make_list(items: Iterable[Form], end: Form = NIL) -> Form:
    """Return a list of the items; `end` is its last cdr."""
    result = end
    for item in reversed(list(items)):
        result = Pair(item, result)
    return result


def fold(text: str) -> str:
    """Fold a name as the reader does: lower case, and every `_` except a leading one becomes `-`.

    See docs/reference/sn28.md, section 1.1.
    """
    lowered = text.lower()
    return lowered[:1] + lowered[1:].replace("_", "-")


@dataclass(frozen=True, slots=True)
class Node:
    """A form as data, as a declarative word receives it: commas are computed, every atom and list has its place.

    `value` is a Symbol, a float, a str, an ndarray, or a tuple of Nodes (a list; `()` is the empty one).
    The result of a comma has the place of the comma's expression.
    """

    value: Symbol | float | str | np.ndarray | tuple[Node, ...]
    span: Span

    @property
    def is_list(self) -> bool:
        return isinstance(self.value, tuple)

    @property
    def is_symbol(self) -> bool:
        return isinstance(self.value, Symbol)

    @property
    def is_number(self) -> bool:
        return isinstance(self.value, float)

    @property
    def is_name(self) -> bool:
        """Whether the form is a symbol, or a string where a name belongs."""
        return isinstance(self.value, (Symbol, str))

    @property
    def name(self) -> str:
        """The name that a symbol or a string stands for; strings are folded as the reader folds symbols."""
        return self.value.name if isinstance(self.value, Symbol) else fold(str(self.value))

    @property
    def items(self) -> tuple[Node, ...]:
        return self.value if isinstance(self.value, tuple) else ()

    @property
    def head(self) -> str:
        """The word a list begins with, or "" if it does not begin with a symbol."""
        first = self.items[:1]
        return first[0].value.name if first and isinstance(first[0].value, Symbol) else ""
