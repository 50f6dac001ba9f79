"""The shelf of SN-2.8's own words, and how a Python function becomes one of them."""

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
    """Decorator: a Python function of (interpreter, arguments ...) is the SN-2.8 word `name`.

    The first line of its docstring is the help: `(forget x): draw every weight from -x to x`.
    """
    return function(name, interpreter=True, shelf=SN28, makes=makes)


def special_word(name: str) -> Callable[[Callable[[Interpreter, Pair], Form]], Callable[[Interpreter, Pair], Form]]:
    """Decorator: a Python function of (interpreter, call) is the SN-2.8 word `name`, its arguments not evaluated."""

    def add(body: Callable[[Interpreter, Pair], Form]) -> Callable[[Interpreter, Pair], Form]:
        SN28.add(name, Special(name, body, False), (body.__doc__ or "").strip().split("\n")[0])
        return body

    return add
