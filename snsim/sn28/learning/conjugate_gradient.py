"""Conjugate gradient over all training patterns, without parameters and without a line search.

See docs/reference/sn28.md, section 3.12.

The step along a direction p is G.p / c, where G is the gradient (with SN's sign, so downhill) and c the Gauss-Newton
curvature along p: the sum over patterns and outputs of (dx/dp)^2. The direction is that of Hestenes and Stiefel
(Methods of conjugate gradients for solving linear systems, 1952).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import whole
from snsim.language.forms import NIL, Form, Pair
from snsim.language.procedures import ABSENT, CallError
from snsim.sn28.net.layer_fields import set_field
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import EPSILON, GRAD, Netspace
from snsim.sn28.runtime.settings import INPUT, NET, OUTPUT, layer_in, number_in, training_range

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

Vector = np.ndarray  # one element a weight, in order of creation, float32


def learn_batch_cg(interpreter: Interpreter, n: Form, count: int, newest: Form, before: Form, direction: Form) -> Form:
    """`count` sweeps. The list (n gradient gradient-before direction); with those given, it goes on with them."""
    gradient, last, way = (_vector(interpreter, given, i) for i, given in enumerate((newest, before, direction), 1))
    for _ in range(count):
        first, final = map(float, training_range(interpreter))
        set_field(interpreter, "learn-batch-cg", EPSILON, 1.0)
        interpreter.call("batch-cg1-iteration", first, final)
        gradient, last = interpreter.call("acc-to-matrix"), gradient
        way = _direction(gradient, last, way)
        interpreter.call("matrix-to-delta", way)
        curvature = interpreter.call("batch-cg2-iteration", first, final)
        if interpreter.lookup("safe-cg") is not NIL:
            curvature += number_in(interpreter, "mu")
        interpreter.call("update-wghtonly-conjgrad", curvature)
    return Pair(n) if gradient is None else interpreter.new_list([n, gradient, last, way], "learn-batch-cg")


def _vector(interpreter: Interpreter, given: Form, argument: int) -> Vector | None:
    """A vector that was handed back, if it is one for this net."""
    if given is ABSENT or given is NIL:
        return None
    weights = interpreter.part(Netspace).wnum
    if not isinstance(given, np.ndarray) or given.shape != (weights,):
        raise CallError(
            f"learn-batch-cg: {interpreter.describe(given)} is no vector of {weights} weights",
            argument,
            "hand back the list that learn-batch-cg gave, or begin afresh with (learn-batch-cg n)",
        )
    return given


def _direction(gradient: Vector, last: Vector | None, way: Vector | None) -> Vector:
    """G at the start, else G + beta p with beta = (G.G - H.G) / p.H, where H is the gradient before."""
    if last is None or way is None:
        return gradient.copy()
    below = _dot(way, last)
    if below == 0.0:
        return gradient.copy()
    beta = (_dot(gradient, gradient) - _dot(last, gradient)) / below
    turned: Vector = way * np.float32(beta) + gradient
    return turned


def _dot(a: Vector, b: Vector) -> float:
    """Products in single precision, added in double precision from the first to the last."""
    return float(np.cumsum(a * b, dtype=np.float64)[-1]) if len(a) else 0.0


@net_word("batch-cg2-iteration", "iterative")
def batch_cg2_iteration(interpreter: Interpreter, first: Form, last: Form) -> float:
    """(batch-cg2-iteration a b): the curvature of the error over patterns a to b along the direction in s-delta"""
    a, b = whole("batch-cg2-iteration", first), whole("batch-cg2-iteration", last, 1)
    net = interpreter.part(Netspace)
    inputs, outputs = layer_in(interpreter, INPUT), layer_in(interpreter, OUTPUT)
    net.unit[GRAD].array[0] = 0
    curvature = 0.0
    for n in range(a, b + 1):
        interpreter.call("present-pattern", inputs, float(n))
        interpreter.call("forward-prop", interpreter.lookup(NET))
        set_field(interpreter, "batch-cg2-iteration", GRAD, 0.0, inputs)
        interpreter.call("forward-2-prop", interpreter.lookup(NET))
        changes = net.unit[GRAD].array[net.units(outputs, "batch-cg2-iteration").index].astype(float)
        curvature += float(np.cumsum(changes * changes, dtype=np.float64)[-1])
    return curvature
