"""The decorator for words of SN-2.8 that compute with the net and may need a certain kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from snsim.language.forms import Form
from snsim.language.procedures import Primitive, Procedure, function
from snsim.registry import Shelf
from snsim.runtime.vocabulary import SN28

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


F = TypeVar("F", bound=Callable[..., object])


class KernelWord(Procedure):
    """A word that computes with the net and may need certain modes of the kernel.

    When a net diverges, its numbers become infinite as in C, without NumPy warnings.
    """

    def __init__(self, primitive: Primitive, modes: frozenset[str]):
        self.name, self.modes = primitive.name, modes
        self.primitive = primitive

    def apply(self, interpreter: Interpreter, arguments: list[Form]) -> Form:
        if self.modes:
            from snsim.sn28.net.netspace import Netspace

            interpreter.part(Netspace).require(self.modes, self.name)
        with np.errstate(all="ignore"):
            return self.primitive.apply(interpreter, arguments)

    def __str__(self) -> str:
        return str(self.primitive)


def net_word(name: str, *modes: str, makes: bool = False) -> Callable[[F], F]:
    """Decorate a Python function to add it as a word that needs a kernel with these modes.

    It works as `vocabulary.word` does. With another kernel, a call raises CallError and names the kernels
    that have the word.
    """

    def add(body: F) -> F:
        shelf: Shelf[Procedure] = Shelf("function")
        function(name, interpreter=True, shelf=shelf, makes=makes)(body)
        entry = shelf.own()[0]
        assert isinstance(entry.value, Primitive)
        SN28.add(name, KernelWord(entry.value, frozenset(modes)), entry.doc)
        return body

    return add


def _add_mode_predicate(name: str, mode: str, meaning: str) -> None:
    """Add a word of no argument that returns whether the kernel has a mode ("" for a mode that no kernel has)."""

    def predicate(interpreter: Interpreter) -> bool:
        from snsim.sn28.net.netspace import Netspace

        return mode != "" and interpreter.part(Netspace).kernel.has([mode])

    predicate.__doc__ = f"({name}): t if {meaning}, else ()"
    net_word(name)(predicate)


_add_mode_predicate("iterative-mode", "iterative", "weights can be shared and gradients accumulated in this kernel")
_add_mode_predicate("newton-mode", "newton", "the kernel has second derivatives")
_add_mode_predicate("synepsilon-mode", "newton", "the kernel keeps rates on connections and not on units")
_add_mode_predicate("desired-mode", "", "units have a field for a desired value, which no kernel of SN-2.8 has")
