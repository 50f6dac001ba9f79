"""The shelf of the prompt's own words, and how a Python function becomes one of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from snsim.input_files import PathError, expand_user, resolve, shown
from snsim.language.forms import Form, Pair, Symbol, fold
from snsim.language.procedures import CallError, Procedure, Special, function
from snsim.registry import Shelf

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

PROMPT: Shelf[Procedure] = Shelf("word of the prompt", plural="words of the prompt")
F = TypeVar("F", bound=Callable[..., object])


def prompt_word(name: str) -> Callable[[F], F]:
    """Decorator: a Python function of (interpreter, arguments ...) is this word at the prompt."""
    return function(name, interpreter=True, shelf=PROMPT)


def prompt_form(name: str) -> Callable[[Callable[[Interpreter, Pair], Form]], Callable[[Interpreter, Pair], Form]]:
    """Decorator: a Python function of (interpreter, call) is this word, its arguments not evaluated."""

    def put(body: Callable[[Interpreter, Pair], Form]) -> Callable[[Interpreter, Pair], Form]:
        PROMPT.add(name, Special(name, body, False), (body.__doc__ or "").strip().split("\n")[0])
        return body

    return put


def name_of(who: str, value: Form, what: str, interpreter: Interpreter, argument: int = 0) -> str:
    """The name that a symbol or a string stands for. CallError if it is neither."""
    if isinstance(value, (Symbol, str)):
        return value.name if isinstance(value, Symbol) else fold(value)
    raise CallError(
        f"{who}: {interpreter.describe(value)} is no name of {what}",
        argument,
        "a name that is meant itself has a quote: 'name",
    )


def typed_path(name: str) -> Path:
    """The path that was typed at the prompt. CallError for a name that can lead to no file."""
    try:
        path = expand_user(name)
        resolve(path)
        return path
    except PathError as reason:
        raise CallError(f'"{shown(name)}" names no file: {reason}', 0, "give another name") from None
