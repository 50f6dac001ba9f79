"""All words of the prompt: importing this fills the shelf PROMPT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snsim.language.forms import symbol
from snsim.prompt import help_words, inspect_words, plot_words, training_words, words_shared_with_sn28
from snsim.prompt.prompt_word import PROMPT

if TYPE_CHECKING:
    from snsim.language.evaluator import Interpreter

__all__ = ["help_words", "install", "inspect_words", "words_shared_with_sn28", "plot_words", "training_words"]


def install(interpreter: Interpreter) -> None:
    """Give a session's interpreter the words of the prompt; those that SN has too look at what is at hand."""
    for entry in PROMPT:
        interpreter.assign_global(symbol(entry.name), entry.value)
    words_shared_with_sn28.install(interpreter)
