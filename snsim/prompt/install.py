"""Register all words of the prompt on the shelf PROMPT, and install them in a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from snsim.language.forms import symbol
from snsim.program import Host
from snsim.prompt import help_words, inspect_words, plot_words, training_words, words_shared_with_sn28
from snsim.prompt.prompt_word import PROMPT
from snsim.prompt.session import Session
from snsim.runs.options import Options

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

__all__ = ["help_words", "inspect_words", "install", "plot_words", "training_words", "words_shared_with_sn28"]


def open_session(port: TextIO, options: Options = Options(), host: Host | None = None) -> Session:
    """Return a session that has the words of the prompt; the arguments are those of `Session`."""
    session = Session(port, options, host)
    install(session.interpreter)
    return session


def install(interpreter: Interpreter) -> None:
    """Define the words of the prompt in a session's interpreter; those that SN also has act on the current net."""
    for entry in PROMPT:
        interpreter.install(symbol(entry.name), entry.value)
    words_shared_with_sn28.install(interpreter)
