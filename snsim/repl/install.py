"""All words of the prompt: importing this fills the shelf PROMPT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snsim.language.forms import symbol
from snsim.repl import explaining, looking, meeting, pictures, words
from snsim.repl.vocabulary import PROMPT

if TYPE_CHECKING:
    from snsim.language.evaluator import Interpreter

__all__ = ["explaining", "install", "looking", "meeting", "pictures", "words"]


def install(interpreter: Interpreter) -> None:
    """Give a session's interpreter the words of the prompt; those that SN has too look at what is at hand."""
    for entry in PROMPT:
        interpreter.assign_global(symbol(entry.name), entry.value)
    meeting.install(interpreter)
