"""Answer what is typed: print values, warnings and faults, on a terminal or in a script."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import IO

import numpy as np

from snsim.colour import CYAN, paint, painted_fault, write
from snsim.errors import Fault, SnError, Source, first_faults, for_terminal
from snsim.language.forms import NIL, Form, Pair, Symbol
from snsim.language.procedures import Procedure
from snsim.language.reader import FormReader, UnfinishedFormError
from snsim.plots import block_characters
from snsim.prompt.prompt_word import PROMPT
from snsim.prompt.session import Session
from snsim.text_table import shape_text

_SMALL = 100  # elements up to which a matrix is printed in numbers, as SN prints it
_LONG = 400  # characters of a value that are shown
_ACROSS, _DOWN = 76, 40  # characters and lines of a matrix that is drawn in shades


def answer(session: Session, source: Source, errors: IO[str]) -> bool:
    """Evaluate a text and print its values; faults go to `errors`. Return whether there was none.

    KeyboardInterrupt ends the evaluation of the current form and skips the forms after it.
    """
    try:
        for form, value, printed in session.forms(source):
            if isinstance(form, Symbol) and form.name in PROMPT and isinstance(value, Procedure):
                note = f"; {form.name} is a word of the prompt; call it: ({form.name})\n"
                session.interpreter.print_text(note)
            else:
                _print_value(session, value, printed)
            _warn(session, errors)
        _warn(session, errors)  # about a bracket after the last form
    except KeyboardInterrupt:
        session.interpreter.print_text("interrupted\n")
        return False
    except SnError as error:
        _warn(session, errors)
        _report(session, error.faults, errors)
        return False
    return True


def _print_value(session: Session, value: Form, printed: bool) -> None:
    interpreter = session.interpreter
    if value is NIL and printed:
        interpreter.port.flush()
        return
    if interpreter.column:
        interpreter.print_text("\n")
    write(paint("= ", CYAN, stream=interpreter.port), interpreter.port)  # print_text would replace the colour codes
    interpreter.print_text(for_terminal(shown(session, value)) + "\n")
    interpreter.port.flush()


def shown(session: Session, value: Form) -> str:
    """Return a value as SN prints it; a declaration as its help line, a large matrix drawn in shades."""
    for kind, entry in session.declared():
        if entry.value is value:
            return f"{kind} {entry.name}: {entry.doc}"
    if isinstance(value, np.ndarray) and value.dtype != object and value.size >= _SMALL and value.ndim > 1:
        return _drawn(value)
    text = session.interpreter.printed(value, 2)
    if len(text) <= _LONG or isinstance(value, str):
        return text
    count = f", {sum(1 for _ in value):,} elements" if isinstance(value, Pair) else ""
    return f"{text[:_LONG].rsplit(' ', 1)[0]} ...{count}; (print ...) prints all of it"


def _drawn(matrix: np.ndarray) -> str:
    """Return a matrix in shades: its maps (the last two dimensions) side by side, as many as fit."""
    finite = matrix[np.isfinite(matrix)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    maps = matrix.reshape(-1, *matrix.shape[-2:]).astype(np.float64)
    count, rows, columns = maps.shape
    across = min(count, max(1, (_ACROSS // 2 + 1) // (columns + 1)))
    shown = min(count, across * max(1, _DOWN // (rows + 1)))
    sheet = np.full((-(-shown // across) * (rows + 1) - 1, across * (columns + 1) - 1), np.nan)
    for n in range(shown):
        i, j = n // across * (rows + 1), n % across * (columns + 1)
        sheet[i : i + rows, j : j + columns] = maps[n]
    head = f"matrix {shape_text(matrix.shape)}, {low:.4g} to {high:.4g}"
    more = [] if shown == count else [f"... and {count - shown:,} more maps"]
    return "\n".join([head, *block_characters.grey(sheet, low, high, _ACROSS)[:_DOWN], *more])


def _warn(session: Session, errors: IO[str]) -> None:
    _report(session, session.new_warnings(), errors)


def _report(session: Session, faults: list[Fault] | tuple[Fault, ...], errors: IO[str]) -> None:
    session.interpreter.port.flush()
    for fault in first_faults(faults):
        write(painted_fault(fault, errors) + "\n", errors)
    errors.flush()


def run_script(session: Session, text: str, name: str = "<stdin>") -> int:
    """Evaluate a text from a pipe, form by form; a fault ends its form only. Return the exit code: 1 after a fault.

    After an unreadable form the evaluation continues in the next line, as in SN.
    """
    source, at, good = Source(name, text), 0, True
    reader = FormReader(source, session.interpreter.limits, session.interpreter.warnings.append)
    while True:
        try:
            entry = reader.read(at)
        except SnError as error:
            _warn(session, sys.stderr)
            _report(session, error.faults, sys.stderr)
            good = False
            after = _after_line(text, at, error)
            if after is None:
                return 1
            at = after
            continue
        if entry is None:
            _warn(session, sys.stderr)
            return 0 if good else 1
        _, span, at = entry
        form = replace(source, text=_blank(text[: span.start]) + text[span.start : at])
        try:
            good = answer(session, form, sys.stderr) and good
        except SystemExit:  # (quit)
            return 0 if good else 1


def _after_line(text: str, at: int, error: SnError) -> int | None:
    """Return the offset of the line after an unreadable place that was met from `at` on; None if there is none."""
    span = error.faults[0].span
    if isinstance(error, UnfinishedFormError) or span is None:
        return None
    newline = text.find("\n", max(at, span.start))
    return None if newline < 0 else newline + 1


def _blank(text: str) -> str:
    """Return a text of the same lines and columns that has only blanks."""
    return "".join(c if c == "\n" else " " for c in text)
