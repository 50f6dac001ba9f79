"""Define the words that print to the port of the interpreter (docs/reference/sn28.md, section 1.5)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from snsim.language.builtins.arithmetic import whole
from snsim.language.builtins.strings import text
from snsim.language.forms import NIL, Form, Pair
from snsim.language.limits import exceeded
from snsim.language.pretty import pretty
from snsim.language.printer import brief, number_text
from snsim.language.procedures import ABSENT, CallError, function, special

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


@special("print", applies=True)
def print_(interpreter: Interpreter, form: Pair) -> Form:
    """(print x...): prints the values separated by spaces, then a newline; returns the last value"""
    value = prin(interpreter, form)
    interpreter.print_text("\n")
    return value


@special("prin", applies=True)
def prin(interpreter: Interpreter, form: Pair) -> Form:
    """(prin x...): evaluates and prints each argument before the next, separated by spaces; returns the last value"""
    value: Form = NIL
    cell = form.cdr
    while isinstance(cell, Pair):
        interpreter.step()
        value = interpreter.evaluate(cell.car, cell.at)
        if cell is not form.cdr:
            interpreter.print_text(" ")
        interpreter.print_text(interpreter.printed(value, interpreter.column))
        cell = cell.cdr
    return value


@function("pretty", interpreter=True)
def pretty_(interpreter: Interpreter, value: Form) -> Form:
    """(pretty x): prints a value, over several lines if it is long; a function as its definition; returns ()"""
    interpreter.print_text(pretty(value, interpreter.printed) + "\n")
    return NIL


@function("tab", interpreter=True)
def tab(interpreter: Interpreter, column: Form = ABSENT) -> float:
    """(tab [n]): prints spaces up to column n, counted from 0; returns the column of the next character"""
    if column is not ABSENT:
        n = whole("tab", column)
        if n > interpreter.limits.string_length:
            raise exceeded(
                "tab: the line is too long",
                interpreter.limits.string_length,
                interpreter.place(),
                "write the column in characters from 0, such as (tab 40)",
            )
        interpreter.print_text(" " * (n - interpreter.column))
    return float(interpreter.column)


@function("printf", interpreter=True)
def printf(interpreter: Interpreter, pattern: Form, *values: Form) -> Form:
    """(printf format x...): prints the format with values for %d %s %f %e %g, any value for %l %p, and % for %%"""
    interpreter.print_text(_formatted(interpreter, "printf", text("printf", pattern), values, interpreter.column))
    return NIL


@function("sprintf", interpreter=True, makes=True)
def sprintf(interpreter: Interpreter, pattern: Form, *values: Form) -> str:
    """(sprintf format x...): returns as a string the text that printf prints"""
    return _formatted(interpreter, "sprintf", text("sprintf", pattern), values)


_DIRECTIVE = re.compile(r"%(-?)([0-9]*)(\.[0-9]*)?([a-zA-Z%]?)")
_TAKES = {"d": 2, "s": 2, "f": 3, "e": 3, "g": 3, "l": 0, "p": 0, "%": 0}  # 2: - and a width, 3: a precision too


def _formatted(interpreter: Interpreter, name: str, pattern: str, values: tuple[Form, ...], column: int = 0) -> str:
    """Return the text of a format; `column` is where it begins, to align matrices in it."""
    remaining = iter(enumerate(values, 1))
    result = ""
    parts: list[str] = []
    length = end = 0
    for match in _DIRECTIVE.finditer(pattern):
        interpreter.step()  # one directive takes as long as a call
        _check_width(interpreter, name, match)
        parts.append(pattern[end : match.start()])
        column = _column(column, parts[-1])
        parts.append(_directive(interpreter, name, match, remaining, column))
        column = _column(column, parts[-1])
        end = match.end()
        length += len(parts[-2]) + len(parts[-1])
        interpreter.budget.check_string(length, name)
    surplus = len(list(remaining))
    if surplus:
        raise CallError(
            f"{name}: {surplus} value{'s' if surplus > 1 else ''} more than the format takes",
            None,
            f'put a directive for each in the format, as in ({name} "%d %s\\n" x name)',
        )
    result = "".join([*parts, pattern[end:]])
    interpreter.budget.check_string(len(result), name)
    return result


def _column(column: int, text: str) -> int:
    newline = text.rfind("\n")
    return column + len(text) if newline < 0 else len(text) - newline - 1


def _check_width(interpreter: Interpreter, name: str, match: re.Match[str]) -> None:
    """Refuse a width or precision that alone makes the text too long."""
    limit = interpreter.limits.string_length
    for digits in (match[2], (match[3] or "").lstrip(".")):
        if len(digits) > 7 or int(digits or 0) > limit:
            raise exceeded(
                f"{name}: the string is too long",
                limit,
                interpreter.place(),
                f"write a smaller width and precision than in {brief(match[0])}, such as %8.3f",
            )


def _directive(
    interpreter: Interpreter, name: str, match: re.Match[str], remaining: Iterator[tuple[int, Form]], column: int
) -> str:
    """Return the text of one directive, for the next of the remaining values."""
    precision, letter = match[3], match[4]
    if len(match[0]) > 2 and _TAKES.get(letter, 0) < (3 if precision else 2):
        raise CallError(
            f"{name}: bad format string: {match[0]} is not a directive",
            0,
            "%d and %s take a width, %f %e %g a width and a precision; %l, %p and %% take none",
        )
    if letter not in _TAKES:
        raise CallError(
            f"{name}: bad format string: {match[0]} is not a directive", 0, "directives: %d %s %f %e %g %l %p %%"
        )
    if letter == "%":
        return "%"
    argument, value = next(remaining, (0, NIL))
    if argument == 0:
        raise CallError(
            f"{name}: there is no value for {match[0]}",
            0,
            f"add the value after the format; for a percent sign itself write %{match[0]}",
        )
    if letter in "lp":
        if letter == "p":
            return pretty(value, interpreter.printed)
        largest = interpreter.limits.matrix_elements if name == "printf" else -1
        return interpreter.printed(value, column, largest)
    if letter == "s":
        if not isinstance(value, str):
            raise CallError(
                f"{name}: %s takes a string, not {interpreter.describe(value)}",
                argument,
                "write %l for any value, %g for a number, or (nameof x) for a name",
            )
        return str(match[0] % value)
    if not isinstance(value, float):
        raise CallError(
            f"{name}: %{letter} takes a number, not {interpreter.describe(value)}",
            argument,
            "write %s for a string, %l for any value",
        )
    return _number(value, match[0], letter)


def _number(x: float, directive: str, letter: str) -> str:
    """Return a number for %d %f %e %g as C prints it; as SN prints it if the directive is only the letter."""
    if letter == "d" and math.isfinite(x):
        x = float(math.trunc(x))
    if len(directive) == 2 or not math.isfinite(x):
        return number_text(x)
    return directive % (int(x) if letter == "d" else x)
