"""Keep the shelf of the prompt's own words, and register Python functions on it."""

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
    """Register a Python function of (interpreter, arguments ...) as this word of the prompt (decorator)."""
    return function(name, interpreter=True, shelf=PROMPT)


def prompt_form(name: str) -> Callable[[Callable[[Interpreter, Pair], Form]], Callable[[Interpreter, Pair], Form]]:
    """Register a Python function of (interpreter, call) as this word, its arguments not evaluated (decorator)."""

    def put(body: Callable[[Interpreter, Pair], Form]) -> Callable[[Interpreter, Pair], Form]:
        PROMPT.add(name, Special(name, body, False), (body.__doc__ or "").strip().split("\n")[0])
        return body

    return put


def name_of(caller: str, value: Form, what: str, interpreter: Interpreter, argument: int = 0) -> str:
    """Return the name that a symbol or a string stands for. CallError if it is neither."""
    if isinstance(value, (Symbol, str)):
        return value.name if isinstance(value, Symbol) else fold(value)
    raise CallError(
        f"{caller}: {interpreter.describe(value)} is not a name of {what}",
        argument,
        "quote a name that stands for itself: 'name",
    )


def typed_path(name: str) -> Path:
    """Return the path of a name typed at the prompt. CallError for a name that no file can have."""
    try:
        path = expand_user(name)
        resolve(path)
        return path
    except PathError as reason:
        raise CallError(f'"{shown(name)}" is not a file name: {reason}', 0, "choose another name") from None
