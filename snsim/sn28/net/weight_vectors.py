"""Copy the fields of all weights to vectors and back, in order of creation: `weight-to-matrix` and similar words."""

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

_FIELDS = {  # name in the words: (attribute of Netspace, meaning, modes)
    "weight": ("weight_val", "weights", ()),
    "delta": ("delta", "last changes of the weights", ()),
    "acc": ("acc", "accumulated gradients", ("iterative",)),
    "hess": ("hess", "accumulated curvatures", ("iterative", "newton")),
}


def weight_vector(space: Netspace, attribute: str) -> np.ndarray:
    """Return a view of a field of all weights, shape (wnum,), float32."""
    part: np.ndarray = getattr(space, attribute).array[: space.wnum]
    return part


def _add_words(field: str, attribute: str, meaning: str, modes: tuple[str, ...]) -> None:
    def to_matrix(interpreter: Interpreter, target: Form = ABSENT) -> np.ndarray:
        values = weight_vector(interpreter.part(Netspace), attribute)
        if target is ABSENT:
            return values.copy()
        _check(f"{field}-to-matrix", target, len(values))
        into: np.ndarray = target
        into.reshape(-1)[:] = values
        return into

    def from_matrix(interpreter: Interpreter, source: Form) -> Form:
        values = weight_vector(interpreter.part(Netspace), attribute)
        _check(f"matrix-to-{field}", source, len(values))
        values[:] = source.reshape(-1)
        return NIL

    to_matrix.__doc__ = (
        f"({field}-to-matrix [m]): a vector of the {meaning}, in order of creation; m receives it if given"
    )
    from_matrix.__doc__ = f"(matrix-to-{field} m): sets the {meaning} to the numbers of a matrix"
    net_word(f"{field}-to-matrix", *modes, makes=True)(to_matrix)
    net_word(f"matrix-to-{field}", *modes)(from_matrix)


def _check(caller: str, argument: Form, weights: int) -> None:
    values = matrix(caller, argument)
    if values.size != weights or not values.flags.c_contiguous:
        raise CallError(
            f"{caller}: the matrix has {values.size:,} numbers but the net has {weights:,} weights",
            0,
            f"write a matrix of {weights} numbers, made by (float-matrix {weights})",
        )


for _field, (_attribute, _meaning, _modes) in _FIELDS.items():
    _add_words(_field, _attribute, _meaning, _modes)
