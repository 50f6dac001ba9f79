"""Break long forms into lines, for `pretty` and `%p`."""

from __future__ import annotations

from collections.abc import Callable

from snsim.language.forms import NIL, Form, Pair, make_list, symbol
from snsim.language.procedures import Function, Macro

_WIDTH = 78
_DEEPEST = 40  # nested lists that are broken into lines; deeper ones stay on one line
_LONGEST = 100_000  # characters; a longer form (a circular list, say) stays on one line


def pretty(form: Form, text: Callable[[Form], str]) -> str:
    """Return the form as `text` writes it, broken into lines where needed. A function is shown as its definition."""
    return _pretty(_definition(form), text, 0, 0)


def _definition(form: Form) -> Form:
    """Return the form that defines a function or macro of the program; any other form itself."""
    if isinstance(form, Function):
        head = "de" if form.evaluates else "df"
    elif isinstance(form, Macro):
        head = "dmd" if form.replaces else "dm" if form.whole_call else "defmacro"
    else:
        return form
    if form.name in ("lambda", "flambda", "mlambda"):
        return Pair(symbol(form.name), Pair(form.parameters.pattern, form.body))
    return make_list([symbol(head), symbol(form.name), form.parameters.pattern], form.body)


def _pretty(form: Form, text: Callable[[Form], str], column: int, depth: int) -> str:
    line = text(form)
    fits = len(line) <= _WIDTH - column
    if fits or not isinstance(form, Pair) or not line.startswith("(") or depth > _DEEPEST or len(line) > _LONGEST:
        return line
    elements: list[Form] = []
    cell: Form = form
    while isinstance(cell, Pair) and len(elements) < len(line):
        elements.append(cell.car)
        cell = cell.cdr
    if cell is not NIL:
        return line  # a dotted list, or a circular one
    kept = min(len(elements), 3 if line.startswith("(d") else 2)  # on the first line: the word, name and arguments
    head = "(" + " ".join(text(element) for element in elements[:kept])
    indent = column + 2
    rest = [" " * indent + _pretty(element, text, indent, depth + 1) for element in elements[kept:]]
    return "\n".join([head, *rest]) + ")"
