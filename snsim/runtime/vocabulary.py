"""The registry of SN-2.8's words, and the decorators that add Python functions to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from snsim.language.forms import Form, Pair
from snsim.language.procedures import Procedure, Special, function
from snsim.registry import Shelf

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

SN28: Shelf[Procedure] = Shelf("function")
F = TypeVar("F", bound=Callable[..., object])


def word(name: str, makes: bool = False) -> Callable[[F], F]:
    """Decorate a Python function of (interpreter, arguments ...) to add it as the SN-2.8 word `name`.

    The first line of its docstring is the help: `(forget x): draws every weight from -x to x`. `makes` says that it
    returns a new string or matrix.
    """
    return function(name, interpreter=True, shelf=SN28, makes=makes)


def special_word(name: str) -> Callable[[Callable[[Interpreter, Pair], Form]], Callable[[Interpreter, Pair], Form]]:
    """Decorate a Python function of (interpreter, call) to add it as a word whose arguments are not evaluated."""

    def add(body: Callable[[Interpreter, Pair], Form]) -> Callable[[Interpreter, Pair], Form]:
        SN28.add(name, Special(name, body, False), (body.__doc__ or "").strip().split("\n")[0])
        return body

    return add
