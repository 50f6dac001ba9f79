"""Write forms as text: `show` writes what reads back equal, `printed` what SN's `print` writes.

See docs/reference/sn28.md, section 1.5.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from snsim.language.forms import (
    BACKQUOTE,
    NIL,
    QUOTE,
    SPLICE,
    UNQUOTE,
    Form,
    MatrixValue,
    Pair,
    Symbol,
    as_matrix,
    fold,
)
from snsim.language.literals import MATRIX_TYPES, printed_string, string_text, symbol_text
from snsim.language.quasiquote import QuoteContext, argument_of

_PREFIXES = {QUOTE: "'", BACKQUOTE: "`", UNQUOTE: ",", SPLICE: ",@"}
_LETTERS = {np.dtype(kind): letter for letter, kind in MATRIX_TYPES.items() if letter != "d"}
LARGEST_PRINTED_MATRIX = 99  # elements; SN prints larger ones as a name

_NESTED = (Pair, np.ndarray, MatrixValue)  # what is written in several parts
_DEEPEST = 5_000  # nested lists that are printed; deeper ones, and circular ones, are printed as (...)
_TOGETHER = 100  # atoms of a list that are written in one go

_Task = str | tuple[Form, QuoteContext]  # a text, or a form that is still to be written


def show(form: Form, most: int = 1_000_000, characters: int = 100_000_000) -> str:
    """Return a text of the form that reads back equal.

    After `most` elements (in a circular list, say), or after `characters` characters, it ends with ` ...`.
    A value without a literal (a function, not-a-number) is shown by a name.
    """
    return _ExactWriter(most, characters).text(form)


def brief(form: Form) -> str:
    """Return the form for use in a sentence: at most 60 characters."""
    text = show(form if not isinstance(form, str) else form[:60], 20, 60)
    return text if len(text) <= 60 else text[:57] + "..."


def printed(
    form: Form,
    most: int = 1_000_000,
    characters: int = 100_000_000,
    column: int = 0,
    largest_matrix: int = LARGEST_PRINTED_MATRIX,
) -> str:
    """Return the form as SN prints it: numbers by `number_text`, small matrices in rows, quotes spelled out.

    `column` is where the text begins (from 0), so that the rows of a matrix are aligned. A matrix of more than
    `largest_matrix` elements becomes a name with its sizes.
    """
    return _PrintWriter(most, characters, column, _DEEPEST, largest_matrix).text(form)


def exact_text(x: float) -> str:
    """Return the shortest numeral that reads back as exactly this number: `3`, `0.1`, `1e+22`."""
    if x.is_integer() and abs(x) < 1e16:
        return str(int(x)) if x else f"{x:g}"  # f"{x:g}" writes -0 too
    if x - x == 0:
        return repr(x)
    return "Nan" if x != x else "1e999" if x > 0 else "-1e999"


def number_text(x: float) -> str:
    """Return a number as SN prints it: 4 decimals without trailing zeros; C's %g if it is very small or very large."""
    if 1e-3 <= abs(x) <= 1e10:
        return f"{x:.4f}".rstrip("0").rstrip(".")
    return f"{x:g}" if x - x == 0 else f"{x:g}".capitalize().replace("inf", "Inf")  # Nan, Inf, -Inf


@dataclass
class _Writer:
    """The state of writing one form. Nested lists wait on a stack, so that no nesting is too deep."""

    most: int  # elements that may still be written
    characters: int  # characters that may still be written
    column: int = 0
    deepest: int = 1_000_000  # nested lists
    largest_matrix: int = 1_000_000  # elements

    def text(self, form: Form) -> str:
        out: list[str] = []
        work: list[Iterator[_Task]] = [iter([(form, QuoteContext())])]
        while work:
            task = next(work[-1], None)
            if task is None:
                work.pop()
                continue
            if isinstance(task, str):
                text = task
            elif isinstance(task[0], _NESTED):
                work.append(self._parts(as_matrix(task[0]), task[1]) if len(work) < self.deepest else iter(["(...)"]))
                continue
            else:
                text = self._atom(task[0])
            out.append(text)
            self.characters -= len(text)
            if self.characters < 0:
                return "".join([*out, " ..."])
            self.column = self.column + len(text) if "\n" not in text else len(text) - text.rfind("\n") - 1
        return "".join(out)

    def _parts(self, form: Form, context: QuoteContext) -> Iterator[_Task]:
        """Yield what a list or a matrix is written as: texts, and the lists and matrices in it."""
        if self.most <= 0:
            return iter(["..."])
        return self._matrix(form) if isinstance(form, np.ndarray) else self._list(form, context)

    def _list(self, pair: Pair, context: QuoteContext) -> Iterator[_Task]:
        return self._elements(pair, context)

    def _matrix(self, matrix: np.ndarray) -> Iterator[_Task]:
        raise NotImplementedError

    def _elements(self, pair: Pair, context: QuoteContext) -> Iterator[_Task]:
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
            if isinstance(value, _NESTED) or len(atoms) > _TOGETHER:
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
        raise NotImplementedError


class _ExactWriter(_Writer):
    """Writes what reads back equal."""

    def _list(self, pair: Pair, context: QuoteContext) -> Iterator[_Task]:
        inner = argument_of(pair, *_PREFIXES)
        if inner is None or not _may_abbreviate(pair.car, context):
            return self._elements(pair, context)
        self.most -= 1
        starts_with_at = isinstance(inner.car, Symbol) and inner.car.name.startswith("@")
        sign = _PREFIXES[pair.car] + (" " if pair.car is UNQUOTE and starts_with_at else "")  # ,@x would be a splice
        return iter([sign, (inner.car, context.inside(pair.car))])

    def _matrix(self, matrix: np.ndarray) -> Iterator[_Task]:
        return iter([_exact_matrix(matrix, self.most)])

    def _atom(self, value: Form) -> str:
        if isinstance(value, (int, float)):
            return exact_text(float(value))
        if value is NIL:
            return "()"
        if isinstance(value, Symbol):
            return symbol_text(value.name)
        return string_text(value) if isinstance(value, str) else str(value)


class _PrintWriter(_Writer):
    """Writes what SN prints."""

    def _matrix(self, matrix: np.ndarray) -> Iterator[_Task]:
        """Yield a matrix by rows: each row shows the brackets that it opens and closes.

        A row is moved to the right by the width of the brackets that earlier rows opened and left open.
        """
        if matrix.size > self.largest_matrix or not matrix.size:
            yield matrix_name(matrix)
            return
        if matrix.ndim == 0 and matrix.dtype != object:
            yield f"[{_LETTERS.get(matrix.dtype, '')}@ {number_text(float(matrix))} ]"
            return
        opening, closing = ("#[", "#]") if matrix.dtype == object else ("[" + _LETTERS.get(matrix.dtype, ""), "]")
        column, size = self.column, matrix.shape[-1] if matrix.ndim else 1
        values, rows = matrix.ravel(), matrix.size // size
        for row in range(rows):
            opened = _brackets(row, matrix.shape)
            if row:
                yield "\n" + " " * (column + len(opening) * (matrix.ndim - opened))
            yield opening * opened
            for value in values[row * size : (row + 1) * size].tolist():
                if matrix.dtype == object:
                    yield " "
                    yield (value, QuoteContext()) if isinstance(value, _NESTED) else self._atom(value)
                else:
                    yield f" {value:5d}" if isinstance(value, int) else f" {value:5.2f}"
            yield " " + closing * _brackets(row + 1, matrix.shape)
        self.most -= matrix.size

    def _atom(self, value: Form) -> str:
        if isinstance(value, (int, float)):
            return number_text(float(value))
        if value is NIL:
            return "()"
        if isinstance(value, Symbol):
            return value.name if fold(value.name) == value.name else f"|{value.name}|"
        return printed_string(value) if isinstance(value, str) else str(value)


def _brackets(row: int, shape: tuple[int, ...]) -> int:
    """Return how many dimensions begin at a row of a matrix, or end before it."""
    count, row_count = 1, 1
    for size in reversed(shape[:-1]):
        row_count *= size
        if row % row_count:
            break
        count += 1
    return count if shape else 0


def _may_abbreviate(head: Symbol, context: QuoteContext) -> bool:
    """Return whether the comma may be a sign; where the reader would refuse it, it is spelled out: '(a (unquote b))."""
    return context.allows_comma or (head is not UNQUOTE and head is not SPLICE)


def _exact_matrix(matrix: np.ndarray, most: int) -> str:
    """Return the literal of a matrix: `[[1 2] [3 4]]`, `[f 0.5]`, `[@ 3]`."""
    if matrix.dtype == object or matrix.size == 0 or matrix.size > most:
        return matrix_name(matrix)
    letters = _LETTERS.get(matrix.dtype, "")
    values = [exact_text(float(x)) for x in matrix.ravel()]
    if matrix.ndim == 0:
        return f"[{letters}@ {values[0]}]"
    for size in reversed(matrix.shape):
        values = ["[" + " ".join(values[i : i + size]) + "]" for i in range(0, len(values), size)]
    return values[0] if not letters else f"[{letters}{' ' if values[0][1] != '[' else ''}{values[0][1:]}"


def matrix_name(matrix: np.ndarray) -> str:
    """Return the name that SN prints for a large matrix: its number of dimensions and its sizes."""
    return f"::INDEX{matrix.ndim}:<{'x'.join(str(size) for size in matrix.shape)}>"
