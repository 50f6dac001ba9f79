"""Define the words that look at functions and macros as data (docs/reference/sn28.md, section 1.11)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from snsim.language.builtins.arithmetic import number
from snsim.language.builtins.control import rest_of
from snsim.language.forms import BACKQUOTE, NIL, QUOTE, SPLICE, UNQUOTE, Form, Pair, Symbol, make_list, symbol
from snsim.language.limits import exceeded
from snsim.language.procedures import CallError, Function, Macro, function, special
from snsim.language.quasiquote import argument_of

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_LAMBDA, _FLAMBDA, _MLAMBDA, _LIST, _CONS, _APPEND = (
    symbol(name) for name in ("lambda", "flambda", "mlambda", "list", "cons", "append")
)


@function("funcdef", interpreter=True)
def funcdef(interpreter: Interpreter, f: Form) -> Form:
    """(funcdef f): the definition (lambda (argument...) form...) of a function or macro; () if it is built in"""
    if isinstance(f, Function):
        head = _LAMBDA if f.evaluates else _FLAMBDA
    elif isinstance(f, Macro):
        head = _MLAMBDA
    else:
        return NIL
    return Pair(head, Pair(f.parameters.pattern, _Expansion(interpreter).without_backquotes(f.body, 0)))


class _Expansion:
    """Rewrite backquotes as the calls of list, cons and append that compute them."""

    def __init__(self, interpreter: Interpreter):
        self._interpreter = interpreter

    def _enter(self, depth: int) -> None:
        self._interpreter.step()
        if depth > self._interpreter.limits.nesting:
            raise exceeded(
                "the definition is nested too deeply",
                self._interpreter.limits.nesting,
                self._interpreter.place(),
                "split the function into several",
            )

    def without_backquotes(self, form: Form, depth: int) -> Form:
        """Return a form in which each backquote is expanded; the form itself if it has none."""
        if not isinstance(form, Pair):
            return form
        self._enter(depth)
        if form.car is QUOTE:
            return form
        template = argument_of(form, BACKQUOTE)
        if template is not None:
            return self._template(template.car, depth + 1)
        items, end = self._map(form, lambda item: self.without_backquotes(item, depth + 1))
        changed = any(item is not old for item, old in zip(items, form))
        return self._interpreter.new_list(items, "funcdef", end) if changed else form

    def _template(self, form: Form, depth: int) -> Form:
        """Return the call that computes the form of a backquote."""
        if isinstance(form, Symbol):
            return make_list([QUOTE, form])
        if not isinstance(form, Pair):
            return form
        self._enter(depth)
        unquoted = argument_of(form, UNQUOTE)
        if unquoted is not None:
            return self.without_backquotes(unquoted.car, depth + 1)
        if argument_of(form, BACKQUOTE) is not None:
            return make_list([QUOTE, form])
        items, end = self._map(form, lambda item: item, stop_at_comma=True)
        if end is NIL and not any(argument_of(item, SPLICE) for item in items):
            return Pair(_LIST, make_list([self._template(item, depth + 1) for item in items]))
        result = self._template(end, depth + 1)
        for item in reversed(items):
            spliced = argument_of(item, SPLICE)
            if spliced is not None:
                result = make_list([_APPEND, self.without_backquotes(spliced.car, depth + 1), result])
            else:
                result = make_list([_CONS, self._template(item, depth + 1), result])
        return result

    def _map(self, form: Pair, change: Callable[[Form], Form], stop_at_comma: bool = False) -> tuple[list[Form], Form]:
        """Return the changed elements of a list, and its end; (a . ,b), which is read as (a unquote b), ends in ,b."""
        items: list[Form] = []
        cell: Form = form
        most = self._interpreter.limits.list_length
        while isinstance(cell, Pair):
            if stop_at_comma and cell is not form and argument_of(cell, UNQUOTE) is not None:
                break
            items.append(change(cell.car))
            if len(items) > most:
                raise exceeded(
                    "funcdef: the list is too long", most, self._interpreter.place(), "is it a circular list?"
                )
            cell = cell.cdr
        return items, cell


@special("macro-expand")
def macro_expand(interpreter: Interpreter, form: Pair) -> Form:
    """(macro-expand (m x...)): returns the form into which a call of the macro m expands, unevaluated"""
    call = rest_of(form, 1, "(macro-expand (m x...))").car
    head = call.car if isinstance(call, Pair) else call
    macro = interpreter.procedure(head) if isinstance(head, Symbol) else interpreter.evaluate(head)
    if not isinstance(call, Pair) or not isinstance(macro, Macro):
        raise CallError(
            f"macro-expand: {interpreter.describe(head)} is not a macro",
            0,
            "(dmd name (argument...) form...) makes one",
        )
    return macro.expand(interpreter, call)


@special("lock-symbol")
def lock_symbol(interpreter: Interpreter, form: Pair) -> Form:
    """(lock-symbol name...): makes it an error to set these global variables; returns ()

    The names are not evaluated.
    """
    for name in _names(interpreter, form):
        interpreter.lock(name)
    return NIL


@special("unlock-symbol")
def unlock_symbol(interpreter: Interpreter, form: Pair) -> Form:
    """(unlock-symbol name...): permits setting variables again that lock-symbol locked; returns ()"""
    for name in _names(interpreter, form):
        interpreter.unlock(name)
    return NIL


def _names(interpreter: Interpreter, form: Pair) -> list[Symbol]:
    names = interpreter.elements(form.cdr, str(form.car))
    for i, name in enumerate(names):
        if not isinstance(name, Symbol):
            raise CallError(
                f"{form.car}: {interpreter.describe(name)} is not a name", i, f"write names, such as ({form.car} a b)"
            )
    return names


_CLOSE = 1e-7  # of the ends of the range, relative to their sum


@function("solve", interpreter=True)
def solve(interpreter: Interpreter, a: Form, b: Form, f: Form) -> float:
    """(solve a b f): finds by bisection a number x from a to b with (f x) = 0

    The function must have different signs at a and b. The search ends when the range is at most 1e-7 of |a + b|.
    """
    low, high = number("solve", a), number("solve", b, 1)
    if not isinstance(f, Function):
        raise CallError(
            f"solve: {interpreter.describe(f)} is not a function of the program", 2, "write (lambda (x) ...)"
        )

    def value(x: float) -> float:
        result = interpreter.apply(f, [x])
        return number("solve", result, None)

    below, above = value(low), value(high)
    if (below > 0 and above > 0) or (below < 0 and above < 0) or below != below or above != above:
        raise CallError(
            f"solve: bad search range: the function is {below:g} at {low:g} and {above:g} at {high:g}",
            None,
            "write two numbers at which the function has different signs",
        )
    while abs(low - high) > _CLOSE * abs(low + high):
        middle = (low + high) / 2
        if middle in (low, high):
            break  # there is no number between them
        there = value(middle)
        if (there > 0 and below > 0) or (there < 0 and below < 0):
            low, below = middle, there
        else:
            high = middle
    return low
