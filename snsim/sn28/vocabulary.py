"""The shelf of SN-2.8's own words, and how a Python function becomes one of them."""

from __future__ import annotations

from typing import Callable, TypeVar

from snsim.language.functions import Procedure, function
from snsim.shelf import Shelf

SN28: Shelf[Procedure] = Shelf("function")
F = TypeVar("F", bound=Callable[..., object])


def word(name: str, makes: bool = False) -> Callable[[F], F]:
    """Decorator: a Python function of (interpreter, arguments ...) is the SN-2.8 word `name`.

    The first line of its docstring is the help: `(forget x): draw every weight from -x to x`.
    """
    return function(name, interpreter=True, shelf=SN28, makes=makes)
