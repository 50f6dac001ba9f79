"""Functions that words of SN-2.8 write for a program: Lisp functions like its own, which it can print or replace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from snsim.language.forms import Form, make_list, symbol
from snsim.language.procedures import Function, Parameters

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


def code(*items: Form) -> Form:
    """A form of these items; a text among them stands for its symbol."""
    return make_list(symbol(item) if isinstance(item, str) else item for item in items)


def define(interpreter: Interpreter, name: str, arguments: Form, *body: Form) -> Function:
    """Make the variable a function: `arguments` is its argument list as a form, `body` its forms."""
    function = Function(name, Parameters.of(arguments), make_list(body))
    interpreter.assign(symbol(name), function)
    return function


@contextmanager
def binding(interpreter: Interpreter, name: str, value: Form) -> Iterator[None]:
    """As `(let ((name value)) ...)`."""
    variable = symbol(name)
    interpreter.bind(variable, value)
    try:
        yield
    finally:
        interpreter.unbind(variable)
