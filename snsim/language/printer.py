"""Forms as text. What `show` writes reads back equal; `printed` is what SN's `print` writes (sn28 section 1.5)."""

from __future__ import annotations

from typing import Callable

import numpy as np

from snsim.language.commas import Context, argument_of
from snsim.language.forms import BACKQUOTE, NIL, QUOTE, SPLICE, UNQUOTE, Form, Pair, Symbol
from snsim.language.literals import MATRIX_TYPES, string_text, symbol_text

_PREFIXES = {QUOTE: "'", BACKQUOTE: "`", UNQUOTE: ",", SPLICE: ",@"}
_LETTERS = {np.dtype(kind): letter for letter, kind in MATRIX_TYPES.items() if letter != "d"}
_PRINTED_MATRIX = 100  # elements; SN prints larger ones as a name


def show(form: Form, most: int = 1_000_000) -> str:
    """The form as text that reads back equal. Behind `most` elements (a circular list, say) stands ` ...`.

    What no text can stand for (a function, not-a-number) is shown by a name.
    """
    return _write(form, exact_text, _exact_matrix, most)


def printed(form: Form, most: int = 1_000_000, matrix: Callable[[np.ndarray], str] | None = None) -> str:
    """The form as SN prints it: numbers by `number_text`, matrices of under 100 elements in rows."""
    return _write(form, number_text, matrix or printed_matrix, most)


def exact_text(x: float) -> str:
    """The shortest numeral that reads back as this very number: `3`, `0.1`, `1e+22`."""
    if x != x:
        return "Nan"
    if x in (float("inf"), float("-inf")):
        return "1e999" if x > 0 else "-1e999"
    if x == int(x) and abs(x) < 1e16:
        return "-0" if x == 0 and str(x)[0] == "-" else str(int(x))
    return repr(x)


def number_text(x: float) -> str:
    """SN's way to print a number: 4 decimals with trailing zeros cut, C's %g if it is very small or very large."""
    if x != x:
        return "Nan"
    if x in (float("inf"), float("-inf")):
        return "Inf" if x > 0 else "-Inf"
    if x != 0 and not 1e-3 <= abs(x) <= 1e10:
        return f"{x:g}"
    text = f"{x:.4f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _write(form: Form, number: Callable[[float], str], matrix: Callable[[np.ndarray], str], most: int) -> str:
    """The text of a form, by a stack of what is still to be written instead of recursion."""
    out: list[str] = []
    work: list[tuple[Form, Context] | str] = [(form, Context())]
    while work:
        task = work.pop()
        if isinstance(task, str):
            out.append(task)
            continue
        value, context = task
        if not isinstance(value, Pair):
            out.append(_atom(value, number, matrix))
        elif (inner := argument_of(value, *_PREFIXES)) is not None and _may_abbreviate(value.car, context):
            out.append(_PREFIXES[value.car])
            if value.car is UNQUOTE and isinstance(inner.car, Symbol) and inner.car.name.startswith("@"):
                out.append(" ")  # `,@x` would be read as a splice
            work.append((inner.car, context.inside(value.car)))
        else:
            parts, most = _parts(value, context, most)
            out.append("(")
            work.append(")")
            work += reversed(parts)
    return "".join(out)


def _may_abbreviate(head: Symbol, context: Context) -> bool:
    """A comma that the reader would refuse under a quote is written out: '(a (unquote b))."""
    return context.allows_comma or (head is not UNQUOTE and head is not SPLICE)


def _parts(pair: Pair, context: Context, most: int) -> tuple[list[tuple[Form, Context] | str], int]:
    """What stands between the parentheses of a list, and how many more elements may be written."""
    parts: list[tuple[Form, Context] | str] = []
    cell: Form = pair
    while isinstance(cell, Pair):
        if most <= 0:
            return [*parts, " ..."], most
        most -= 1
        if parts:
            parts.append(" ")
        parts.append((cell.car, context))
        cell = cell.cdr
    if cell is not NIL:
        parts += [" . ", (cell, context)]
    return parts, most


def _atom(value: Form, number: Callable[[float], str], matrix: Callable[[np.ndarray], str]) -> str:
    if value is NIL:
        return "()"
    if isinstance(value, Symbol):
        return symbol_text(value.name)
    if isinstance(value, str):
        return string_text(value)
    if isinstance(value, (int, float)):
        return number(float(value))
    if isinstance(value, np.ndarray):
        return matrix(value)
    return str(value)


def _exact_matrix(matrix: np.ndarray) -> str:
    """The literal of a matrix: `[[1 2] [3 4]]`, `[f 0.5]`, `[@ 3]`."""
    if matrix.dtype == object or matrix.size == 0:
        return _named(matrix)
    letters = _LETTERS.get(matrix.dtype, "")
    values = [exact_text(float(x)) for x in matrix.ravel()]
    if matrix.ndim == 0:
        return f"[{letters}@ {values[0]}]"
    for size in reversed(matrix.shape):
        values = ["[" + " ".join(values[i:i + size]) + "]" for i in range(0, len(values), size)]
    return values[0] if not letters else f"[{letters}{' ' if values[0][1] != '[' else ''}{values[0][1:]}"


def printed_matrix(matrix: np.ndarray, column: int = 0) -> str:
    """A matrix in rows, as SN prints it; `column` is where the first bracket stands, for the lines that follow."""
    if matrix.dtype == object or matrix.size >= _PRINTED_MATRIX or matrix.ndim == 0:
        return _named(matrix) if matrix.ndim else _exact_matrix(matrix)
    letter = _LETTERS.get(matrix.dtype, "")
    whole = np.issubdtype(matrix.dtype, np.integer)
    values = [f"{int(x):5d} " if whole else f"{float(x):5.2f} " for x in matrix.ravel()]
    rows = ["[" + "".join(values[i:i + matrix.shape[-1]]) + "]" for i in range(0, len(values), matrix.shape[-1])]
    indent = column + len(letter) + 1
    for size in reversed(matrix.shape[:-1]):
        between = "\n" + " " * indent
        rows = ["[" + between.join(rows[i:i + size]) + "]" for i in range(0, len(rows), size)]
        indent += 1
    return rows[0][0] + letter + rows[0][1:]


def _named(matrix: np.ndarray) -> str:
    shape = "x".join(str(size) for size in matrix.shape)
    return f"::MATRIX:{shape}"
