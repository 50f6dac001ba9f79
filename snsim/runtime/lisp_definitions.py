"""Lisp functions that words of SN-2.8 define for a program, which can print and replace them like its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from snsim.language.forms import Form, make_list, symbol
from snsim.language.procedures import Function, Parameters

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


def code(*items: Form) -> Form:
    """Return the list of these items, with each str replaced by its symbol."""
    return make_list(symbol(item) if isinstance(item, str) else item for item in items)


def define(interpreter: Interpreter, name: str, arguments: Form, *body: Form) -> Function:
    """Define a Lisp function and return it: `arguments` is its parameter list as a form, `body` its forms."""
    function = Function(name, Parameters.of(arguments), make_list(body))
    interpreter.assign(symbol(name), function)
    return function


@contextmanager
def binding(interpreter: Interpreter, name: str, value: Form) -> Iterator[None]:
    """Bind a variable inside a `with` block, as `(let ((name value)) ...)` does."""
    variable = symbol(name)
    interpreter.bind(variable, value)
    try:
        yield
    finally:
        interpreter.unbind(variable)
