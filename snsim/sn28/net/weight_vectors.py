"""Fields of all weights as vectors and back, in the order in which weights were made: `weight-to-matrix` ..."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.matrices import matrix
from snsim.language.forms import NIL, Form
from snsim.language.procedures import ABSENT, CallError
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import Netspace

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_FIELDS = {  # the word's name of the field: (attribute of Netspace, what it is, modes)
    "weight": ("weight_val", "weights", ()),
    "delta": ("delta", "last changes of the weights", ()),
    "acc": ("acc", "accumulated gradients", ("iterative",)),
    "hess": ("hess", "accumulated curvatures", ("iterative", "newton")),
}


def vector(space: Netspace, attribute: str) -> np.ndarray:
    """A field over the weights there are, shape (wnum,), float32; it is the field itself and no copy."""
    part: np.ndarray = getattr(space, attribute).array[: space.wnum]
    return part


def _words(field: str, attribute: str, meaning: str, modes: tuple[str, ...]) -> None:
    def to_matrix(interpreter: Interpreter, target: Form = ABSENT) -> np.ndarray:
        values = vector(interpreter.part(Netspace), attribute)
        if target is ABSENT:
            return values.copy()
        _check(f"{field}-to-matrix", target, len(values))
        into: np.ndarray = target
        into.reshape(-1)[:] = values
        return into

    def from_matrix(interpreter: Interpreter, source: Form) -> Form:
        values = vector(interpreter.part(Netspace), attribute)
        _check(f"matrix-to-{field}", source, len(values))
        values[:] = source.reshape(-1)
        return NIL

    to_matrix.__doc__ = f"({field}-to-matrix [m]): the {meaning}, one number a weight in the order they were made"
    from_matrix.__doc__ = f"(matrix-to-{field} m): put the numbers of a matrix back as {meaning}"
    net_word(f"{field}-to-matrix", *modes, makes=True)(to_matrix)
    net_word(f"matrix-to-{field}", *modes)(from_matrix)


def _check(who: str, given: Form, weights: int) -> None:
    found = matrix(who, given)
    if found.size != weights or not found.flags.c_contiguous:
        raise CallError(
            f"{who}: the matrix has {found.size:,} numbers, and there are {weights:,} weights",
            0,
            f"give a matrix of {weights} numbers, made by (float-matrix {weights})",
        )


for _field, (_attribute, _meaning, _modes) in _FIELDS.items():
    _words(_field, _attribute, _meaning, _modes)
