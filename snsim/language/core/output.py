"""Printing, to the port of the interpreter (sn28 section 1.5)."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Iterator

from snsim.language.core.strings import text
from snsim.language.forms import NIL, Form, Symbol
from snsim.language.functions import Misuse, function
from snsim.language.limits import exceeded
from snsim.language.printer import number_text

if TYPE_CHECKING:
    from snsim.language.evaluator import Interpreter


@function("print", interpreter=True)
def print_(interpreter: Interpreter, *values: Form) -> Form:
    """(print x...): prints the values with blanks between them and a newline; the last value"""
    interpreter.print_text(" ".join([interpreter.printed(x) for x in values]) + "\n")
    return values[-1] if values else NIL


@function("prin", interpreter=True)
def prin(interpreter: Interpreter, *values: Form) -> Form:
    """(prin x...): prints the values with blanks between them; the last value"""
    interpreter.print_text(" ".join([interpreter.printed(x) for x in values]))
    return values[-1] if values else NIL


@function("printf", interpreter=True)
def printf(interpreter: Interpreter, pattern: Form, *values: Form) -> Form:
    """(printf format x...): prints a text with values in it: %d %s %f %e %g, %l any value, %% a percent sign"""
    interpreter.print_text(_formatted(interpreter, "printf", text("printf", pattern), values))
    return NIL


@function("sprintf", interpreter=True)
def sprintf(interpreter: Interpreter, pattern: Form, *values: Form) -> str:
    """(sprintf format x...): the text that printf would print, as a string"""
    return _formatted(interpreter, "sprintf", text("sprintf", pattern), values)


_DIRECTIVE = re.compile(r"%(-?)([0-9]*)(\.[0-9]*)?([a-zA-Z%]?)")


def _formatted(interpreter: Interpreter, name: str, pattern: str, values: tuple[Form, ...]) -> str:
    given = iter(enumerate(values, 1))
    limit = interpreter.limits.string_length
    parts: list[str] = []
    end = 0
    for match in _DIRECTIVE.finditer(pattern):
        if any(len(digits.lstrip(".")) > 7 or int(digits.lstrip(".") or 0) > limit
               for digits in (match[2], match[3] or "") if digits):
            raise exceeded(f"{name}: the text is too long", limit, interpreter.place())
        parts += [pattern[end:match.start()], _directive(interpreter, name, match, given)]
        end = match.end()
    rest = len(list(given))
    if rest:
        raise Misuse(f"{name}: {rest} value{'s' if rest > 1 else ''} more than the format takes")
    result = "".join([*parts, pattern[end:]])
    if len(result) > limit:
        raise exceeded(f"{name}: the text is too long", limit, interpreter.place())
    return result


def _directive(interpreter: Interpreter, name: str, match: re.Match[str], given: Iterator[tuple[int, Form]]) -> str:
    """The text of one directive, for the next value."""
    left, width, precision, letter = match.groups()
    if letter == "%":
        return "%"
    if letter not in tuple("dsfegl"):
        raise Misuse(f"{name}: {match[0]} is no directive", 0, "directives: %d %s %f %e %g %l %%")
    argument, value = next(given, (0, NIL))
    if argument == 0:
        raise Misuse(f"{name}: there is no value for {match[0]}", 0)
    if letter == "l":
        shown = interpreter.printed(value)
    elif letter == "s":
        if not isinstance(value, (str, Symbol)):
            raise Misuse(f"{name}: %s takes a string or a name, not {interpreter.describe(value)}", argument)
        shown = value if isinstance(value, str) else value.name
        shown = shown if precision is None else shown[:int(precision[1:] or 0)]
    else:
        if not isinstance(value, float):
            raise Misuse(f"{name}: %{letter} takes a number, not {interpreter.describe(value)}", argument)
        shown = _number(value, letter, bool(width) or precision is not None, precision)
    return shown.ljust(int(width or 0)) if left else shown.rjust(int(width or 0))


def _number(x: float, letter: str, as_in_c: bool, precision: str | None) -> str:
    """A number for %d %f %e %g: by SN's own format, if neither width nor precision is stated."""
    if not math.isfinite(x):
        return number_text(x)
    if letter == "d":
        return str(math.trunc(x)) if as_in_c else number_text(float(math.trunc(x)))
    if not as_in_c and letter in "fg":
        return number_text(x)
    places = 6 if precision is None else min(int(precision[1:] or 0), 1000)
    return f"{x:.{places}{letter}}"
