"""The registry of Lush's words, the decorators that add to it, and the checks of their arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from snsim.language import procedures
from snsim.language.forms import Form, Pair
from snsim.language.printer import brief
from snsim.language.procedures import CallError, Procedure, Special, conversion, function
from snsim.lush.idx import Idx
from snsim.lush.storing import KIND_NAMES
from snsim.registry import Shelf

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

LUSH: Shelf[Procedure] = Shelf("function")
F = TypeVar("F", bound=Callable[..., object])
SpecialWord = Callable[["Interpreter", Pair], Form]


def word(name: str, makes: bool = False) -> Callable[[F], F]:
    """Decorate a Python function of (interpreter, arguments ...) to add it as the word `name` of Lush.

    The first line of its docstring is the help. `makes` says that it returns a new string or idx, which counts against
    the limits.
    """
    return function(name, interpreter=True, shelf=LUSH, makes=makes)


def special_word(*names: str) -> Callable[[SpecialWord], SpecialWord]:
    """Decorate a Python function of (interpreter, call) to add it as words whose arguments are not evaluated.

    The help of the first name, with the other names in its place, is that of the others.
    """

    def add(body: SpecialWord) -> SpecialWord:
        doc = (body.__doc__ or "").strip().split("\n")[0]
        for name in names:
            LUSH.add(name, Special(name, body, False), doc.replace(names[0], name))
        return body

    return add


def alias(other: str, name: str) -> None:
    """Register a word of Lush under another name too."""
    procedures.alias(other, name, LUSH)


def as_idx(name: str, x: Form, argument: int | None = 0) -> Idx:
    """Return x as an idx; a matrix of SN becomes one. CallError `not an index` for any other value."""
    if isinstance(x, Idx):
        return x
    if isinstance(x, np.ndarray):
        return Idx.of(x)
    raise CallError(
        f"{name}: not an index: {brief(x)}",
        argument,
        conversion(x, "matrix") or "make one with (float-matrix n m ...), or write [f 1 2 3]",
    )


def numeric(name: str, x: Form, argument: int | None = 0) -> Idx:
    """Return x as an idx of numbers. CallError for any other value."""
    m = as_idx(name, x, argument)
    if m.kind.kind == "O":
        raise CallError(
            f"{name}: {brief(x)} holds any values, not numbers",
            argument,
            "copy it into one of numbers: (copy-matrix a (float-matrix n m))",
        )
    return m


def kind_name(m: Idx) -> str:
    """Return the name of the element type: float, double, int, short, byte, ubyte or atom."""
    return KIND_NAMES[m.kind]
