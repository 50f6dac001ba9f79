"""What builtins see of the interpreter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

from snsim.errors import SnError
from snsim.language.forms import Form, Node

if TYPE_CHECKING:
    from snsim.language.evaluator import Interpreter


Word = Callable[[Node, "Interpreter"], Form]


class Stopped(SnError):
    """The rest of the file makes no sense any more."""
