"""Batch conjugate gradient without parameters and without a line search.

See docs/reference/sn28.md, section 3.12.

The step along a direction p is G.p / c. G is the gradient over all training patterns (with SN's sign, so downhill). c
is the Gauss-Newton curvature along p: the sum over patterns and outputs of (dx/dp)^2. The direction is that of
Hestenes and Stiefel (Methods of conjugate gradients for solving linear systems, 1952).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import whole
from snsim.language.forms import NIL, Form, Pair
from snsim.language.procedures import ABSENT, CallError
from snsim.runtime.settings import INPUT, NET, OUTPUT, layer_in, number_in, training_range
from snsim.sn28.learning.fused_sweeps import FusedSweeps, Pass
from snsim.sn28.net.layer_fields import set_field
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import EPSILON, GRAD, Netspace

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_TANGENT = Pass(desired=False, tangent=True)
Vector = np.ndarray  # one element for each weight, in order of creation, float32


def learn_batch_cg(interpreter: Interpreter, n: Form, count: int, newest: Form, before: Form, direction: Form) -> Form:
    """Learn for `count` sweeps, and return the list (n gradient previous-gradient direction).

    Calling it with the elements of this list continues from them.
    """
    gradient, last, search_direction = (
        _vector(interpreter, vector, i) for i, vector in enumerate((newest, before, direction), 1)
    )
    for _ in range(count):
        first, final = map(float, training_range(interpreter))
        set_field(interpreter, "learn-batch-cg", EPSILON, 1.0)
        interpreter.call("batch-cg1-iteration", first, final)
        gradient, last = interpreter.call("acc-to-matrix"), gradient
        search_direction = _next_direction(gradient, last, search_direction)
        interpreter.call("matrix-to-delta", search_direction)
        curvature = interpreter.call("batch-cg2-iteration", first, final)
        if interpreter.lookup("safe-cg") is not NIL:
            curvature += number_in(interpreter, "mu")
        interpreter.call("update-wghtonly-conjgrad", curvature)
    return (
        Pair(n) if gradient is None else interpreter.new_list([n, gradient, last, search_direction], "learn-batch-cg")
    )


def _vector(interpreter: Interpreter, vector: Form, argument: int) -> Vector | None:
    """Return a vector that the program passed, or None. Raise CallError if its size does not match the net."""
    if vector is ABSENT or vector is NIL:
        return None
    weights = interpreter.part(Netspace).wnum
    if not isinstance(vector, np.ndarray) or vector.shape != (weights,):
        raise CallError(
            f"learn-batch-cg: expected a vector of {weights} weights, got {interpreter.describe(vector)}",
            argument,
            "apply it to the list that learn-batch-cg returned, or start with (learn-batch-cg n)",
        )
    return vector


def _next_direction(gradient: Vector, last: Vector | None, search_direction: Vector | None) -> Vector:
    """Return G + beta p with beta = (G.G - H.G) / p.H, where H is the previous gradient; at the start return G."""
    if last is None or search_direction is None:
        return gradient.copy()
    denominator = _dot(search_direction, last)
    if denominator == 0.0:
        return gradient.copy()
    beta = (_dot(gradient, gradient) - _dot(last, gradient)) / denominator
    direction: Vector = search_direction * np.float32(beta) + gradient
    return direction


def _dot(a: Vector, b: Vector) -> float:
    """Return a dot product: products in single precision, added in double precision from first to last."""
    return float(np.cumsum(a * b, dtype=np.float64)[-1]) if len(a) else 0.0


@net_word("batch-cg2-iteration", "iterative")
def batch_cg2_iteration(interpreter: Interpreter, first: Form, last: Form) -> float:
    """(batch-cg2-iteration a b): the curvature of the error of patterns a to b along the direction s-delta"""
    a, b = whole("batch-cg2-iteration", first), whole("batch-cg2-iteration", last, 1)
    net = interpreter.part(Netspace)
    inputs, outputs = layer_in(interpreter, INPUT), layer_in(interpreter, OUTPUT)
    net.unit[GRAD].array[0] = 0
    curvature = 0.0
    sweeps, n = interpreter.part(FusedSweeps), a
    while n <= b:
        done, squares, _ = sweeps.run(_TANGENT, range(n, b + 1))
        if done:
            n += done
            for square in squares.tolist():
                curvature += square
            continue
        with sweeps.word_by_word(_TANGENT):
            interpreter.call("present-pattern", inputs, float(n))
            interpreter.call("forward-prop", interpreter.lookup(NET))
            set_field(interpreter, "batch-cg2-iteration", GRAD, 0.0, inputs)
            interpreter.call("forward-2-prop", interpreter.lookup(NET))
        changes = net.unit[GRAD].array[net.units(outputs, "batch-cg2-iteration").index].astype(float)
        curvature += float(np.cumsum(changes * changes, dtype=np.float64)[-1])
        n += 1
    return curvature
