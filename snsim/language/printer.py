"""Forms as text. What `show` writes reads back equal; `printed` is what SN's `print` writes.

See docs/reference/sn28.md, section 1.5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from snsim.language.forms import BACKQUOTE, NIL, QUOTE, SPLICE, UNQUOTE, Form, Pair, Symbol
from snsim.language.literals import MATRIX_TYPES, string_text, symbol_text
from snsim.language.quasiquote import Context, argument_of

_PREFIXES = {QUOTE: "'", BACKQUOTE: "`", UNQUOTE: ",", SPLICE: ",@"}
_LETTERS = {np.dtype(kind): letter for letter, kind in MATRIX_TYPES.items() if letter != "d"}
_PRINTED_MATRIX = 100  # elements; SN prints larger ones as a name

_DEEPEST = 5_000  # lists inside one another that are printed; those in them are (...), as lists that hold themselves
_TOGETHER = 100  # atoms of a list that are written in one go

MatrixText = Callable[[np.ndarray, int], str]  # of a matrix that begins in a column
_Task = str | tuple[Form, Context]  # a text, or a form that is still to be written


def show(form: Form, most: int = 1_000_000, characters: int = 100_000_000) -> str:
    """The form as text that reads back equal.

    Behind `most` elements (a circular list, say), or as soon as there are too many characters, stands ` ...`.
    What no text can stand for (a function, not-a-number) is shown by a name.
    """
    return _Writer(exact_text, lambda matrix, column: _exact_matrix(matrix, most), most, characters).text(form)


def brief(form: Form) -> str:
    """The form in a sentence: at most 60 characters of it."""
    text = show(form if not isinstance(form, str) else form[:60], 20, 60)
    return text if len(text) <= 60 else text[:57] + "..."


def printed(form: Form, most: int = 1_000_000, characters: int = 100_000_000, column: int = 0) -> str:
    """The form as SN prints it: numbers by `number_text`, matrices of under 100 elements in rows.

    `column` is where the text begins (from 0): the rows of a matrix stand under one another.
    """
    return _Writer(number_text, printed_matrix, most, characters, column, _DEEPEST).text(form)


def exact_text(x: float) -> str:
    """The shortest numeral that reads back as this very number: `3`, `0.1`, `1e+22`."""
    if x.is_integer() and abs(x) < 1e16:
        return str(int(x)) if x else f"{x:g}"  # which writes -0 too
    if x - x == 0:
        return repr(x)
    return "Nan" if x != x else "1e999" if x > 0 else "-1e999"


def number_text(x: float) -> str:
    """SN's way to print a number: 4 decimals with trailing zeros cut, C's %g if it is very small or very large."""
    if 1e-3 <= abs(x) <= 1e10:
        return f"{x:.4f}".rstrip("0").rstrip(".")
    return f"{x:g}" if x - x == 0 else f"{x:g}".capitalize().replace("inf", "Inf")  # Nan, Inf, -Inf


@dataclass
class _Writer:
    """One form while it is written. Lists inside one another wait on a stack, so that none is too deep."""

    number: Callable[[float], str]
    matrix: MatrixText
    most: int  # elements that may still be written
    characters: int  # and characters
    column: int = 0
    deepest: int = 1_000_000  # lists inside one another

    def text(self, form: Form) -> str:
        out: list[str] = []
        work: list[Iterator[_Task]] = [iter([(form, Context())])]
        while work:
            task = next(work[-1], None)
            if task is None:
                work.pop()
                continue
            if isinstance(task, str):
                text = task
            elif isinstance(task[0], Pair):
                work.append(self._list(*task) if len(work) < self.deepest else iter(["(...)"]))
                continue
            else:
                text = self.matrix(task[0], self.column) if isinstance(task[0], np.ndarray) else self._atom(task[0])
            out.append(text)
            self.characters -= len(text)
            if self.characters < 0:
                return "".join([*out, " ..."])
            self.column = self.column + len(text) if "\n" not in text else len(text) - text.rfind("\n") - 1
        return "".join(out)

    def _list(self, pair: Pair, context: Context) -> Iterator[_Task]:
        """What a list is written as: texts, and the lists and matrices in it."""
        if self.most <= 0:
            return iter(["..."])
        inner = argument_of(pair, *_PREFIXES)
        if inner is None or not _may_abbreviate(pair.car, context):
            return self._elements(pair, context)
        self.most -= 1
        starts_with_at = isinstance(inner.car, Symbol) and inner.car.name.startswith("@")
        sign = _PREFIXES[pair.car] + (" " if pair.car is UNQUOTE and starts_with_at else "")  # ,@x would be a splice
        return iter([sign, (inner.car, context.inside(pair.car))])

    def _elements(self, pair: Pair, context: Context) -> Iterator[_Task]:
        atoms = ["("]  # texts of neighbours that need no further work
        cell: Form = pair
        blank = ""
        while isinstance(cell, Pair):
            if self.most <= 0:
                yield "".join([*atoms, " ...)"])
                return
            self.most -= 1
            value = cell.car
            atoms.append(blank)
            blank = " "
            if isinstance(value, (Pair, np.ndarray)) or len(atoms) > _TOGETHER:
                yield "".join(atoms)
                yield value, context
                atoms = []
            else:
                atoms.append(self._atom(value))
            cell = cell.cdr
        if cell is not NIL:
            yield "".join([*atoms, " . "])
            yield cell, context
            atoms = []
        yield "".join([*atoms, ")"])

    def _atom(self, value: Form) -> str:
        if isinstance(value, (int, float)):
            return self.number(float(value))
        if value is NIL:
            return "()"
        if isinstance(value, Symbol):
            return symbol_text(value.name)
        return string_text(value) if isinstance(value, str) else str(value)


def _may_abbreviate(head: Symbol, context: Context) -> bool:
    """A comma that the reader would refuse under a quote is written out: '(a (unquote b))."""
    return context.allows_comma or (head is not UNQUOTE and head is not SPLICE)


def _exact_matrix(matrix: np.ndarray, most: int) -> str:
    """The literal of a matrix: `[[1 2] [3 4]]`, `[f 0.5]`, `[@ 3]`."""
    if matrix.dtype == object or matrix.size == 0 or matrix.size > most:
        return _named(matrix)
    letters = _LETTERS.get(matrix.dtype, "")
    values = [exact_text(float(x)) for x in matrix.ravel()]
    if matrix.ndim == 0:
        return f"[{letters}@ {values[0]}]"
    for size in reversed(matrix.shape):
        values = ["[" + " ".join(values[i : i + size]) + "]" for i in range(0, len(values), size)]
    return values[0] if not letters else f"[{letters}{' ' if values[0][1] != '[' else ''}{values[0][1:]}"


def printed_matrix(matrix: np.ndarray, column: int = 0) -> str:
    """A matrix in rows, as SN prints it; `column` is where the first bracket stands, for the lines that follow."""
    if matrix.dtype == object or matrix.size >= _PRINTED_MATRIX or matrix.ndim == 0:
        return _named(matrix) if matrix.ndim else _exact_matrix(matrix, 1)
    letter = _LETTERS.get(matrix.dtype, "")
    whole = np.issubdtype(matrix.dtype, np.integer)
    values = [f"{int(x):5d} " if whole else f"{float(x):5.2f} " for x in matrix.ravel()]
    rows = ["[" + "".join(values[i : i + matrix.shape[-1]]) + "]" for i in range(0, len(values), matrix.shape[-1])]
    indent = column + len(letter) + matrix.ndim - 1
    for size in reversed(matrix.shape[:-1]):
        between = "\n" + " " * indent
        rows = ["[" + between.join(rows[i : i + size]) + "]" for i in range(0, len(rows), size)]
        indent -= 1
    return rows[0][0] + letter + rows[0][1:]


def _named(matrix: np.ndarray) -> str:
    kind = "ARRAY" if matrix.dtype == object else "MATRIX"
    return f"::{kind}:{'x'.join(str(size) for size in matrix.shape)}"
