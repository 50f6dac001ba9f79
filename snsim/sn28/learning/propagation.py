"""States forward and gradients back: the first-order primitives (docs/reference/sn28.md, section 3.2).

A gradient is stored with a minus sign: n-grad is -dC/da, n-backsum is -dC/dx, so weights move by adding. Inside a
layer everything is synchronous: first all sums, then all states. The functions of `(space, units ...)` are what the
words do, for callers in Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from snsim.language.forms import NIL, Form
from snsim.language.procedures import CallError
from snsim.sn28.net.adjacency import Units, memory
from snsim.sn28.net.arguments import Arguments
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import BACKSUM, GRAD, SPARE1, SPARE2, SQBACKSUM, SUM, VAL, Netspace
from snsim.sn28.net.nlf import NonLinearity
from snsim.sn28.net.numpy_sums import in_order
from snsim.sn28.runtime.random_numbers import Randomness

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_F = np.float32


def update_weighted_sum(space: Netspace, units: Units, theta: float = 0.0) -> None:
    """a = sum of w x, and theta times a number of the normal law for each unit in order."""
    space.loops.weighted_sum(units, space.incoming, space.weight_val, space.unit[VAL], space.unit[SUM])
    if theta != 0:
        add_noise(space, units, theta, SUM)


def add_noise(space: Netspace, units: Units, deviation: float, unit_field: int) -> None:
    """Add `deviation` times a number of the normal law to a field of each unit in order."""
    gauss = space.interpreter.part(Randomness).gauss
    noise = np.array([gauss() for _ in range(units.count)], _F)
    field = space.unit[unit_field].array
    field[units.index] = field[units.index] + _F(deviation) * noise


def update_state_only(space: Netspace, units: Units, nlf: NonLinearity) -> None:
    """x = f(a)"""
    space.unit[VAL].array[units.index] = nlf.values(space.unit[SUM].array[units.index])


def update_state(space: Netspace, units: Units, nlf: NonLinearity, theta: float = 0.0) -> None:
    """All sums of the units, then all states."""
    update_weighted_sum(space, units, theta)
    update_state_only(space, units, nlf)


def init_grad_lms(
    space: Netspace, output: Units, desired: Units, dnlf: NonLinearity, threshold: float | None = None
) -> float:
    """y = d - x and g = y f'(a) of the outputs; gives half the sum of (d - x)^2, added in order.

    With a threshold (thlms) an output that lies beyond its target, on the target's side of the threshold, has no error.
    """
    val = space.unit[VAL].array
    target = val[desired.index]
    error = target - val[output.index]
    if threshold is not None:
        above = target > _F(threshold)
        error = np.where((above & (error < 0)) | (~above & (error > 0)), _F(0), error)
    space.unit[BACKSUM].array[output.index] = error
    space.unit[GRAD].array[output.index] = error * dnlf.values(space.unit[SUM].array[output.index])
    if space.kernel.newton:
        space.unit[SQBACKSUM].array[output.index] = 1
    return float(in_order(_F(0.5) * (error * error)))


def update_back_sum(space: Netspace, units: Units) -> None:
    """y = sum of w g over what a unit feeds."""
    space.loops.weighted_sum(units, space.outgoing, space.weight_val, space.unit[GRAD], space.unit[BACKSUM])


def update_gradient_only(space: Netspace, units: Units, dnlf: NonLinearity) -> None:
    """g = y f'(a)"""
    slope = dnlf.values(space.unit[SUM].array[units.index])
    space.unit[GRAD].array[units.index] = space.unit[BACKSUM].array[units.index] * slope


def update_gradient(space: Netspace, units: Units, dnlf: NonLinearity) -> None:
    """All back sums of the units, then all gradients."""
    update_back_sum(space, units)
    update_gradient_only(space, units, dnlf)


def update_deltastate(space: Netspace, units: Units, dnlf: NonLinearity) -> None:
    """The directional derivative along delta, in place of the gradients: g = f'(a) sum of (w g + delta x)."""
    out = memory(np.zeros(space.nnum, _F))
    space.loops.moved_sum(units, space.incoming, space.weight_val, space.unit[GRAD], space.delta, space.unit[VAL], out)
    slope = dnlf.values(space.unit[SUM].array[units.index])
    space.unit[GRAD].array[units.index] = slope * out.array[units.index]


# The words


@net_word("update-weighted-sum")
def word_weighted_sum(interpreter: Interpreter, *given: Form) -> Form:
    """(update-weighted-sum [theta] layer...): sums of the weighted states, with noise of deviation theta"""
    a = Arguments(interpreter, "update-weighted-sum", given)
    theta = a.number("theta")
    for units in a.layers():
        update_weighted_sum(a.space, units, theta)
    return NIL


@net_word("update-state-only")
def word_state_only(interpreter: Interpreter, *given: Form) -> Form:
    """(update-state-only [nlf] layer...): states from the weighted sums there are"""
    a = Arguments(interpreter, "update-state-only", given)
    nlf = a.function("nlf")
    for units in a.layers():
        update_state_only(a.space, units, nlf)
    return NIL


@net_word("update-state")
def word_state(interpreter: Interpreter, *given: Form) -> Form:
    """(update-state [theta] [nlf] layer...): for each layer all weighted sums, then all states"""
    a = Arguments(interpreter, "update-state", given)
    theta, nlf = a.number("theta"), a.function("nlf")
    for units in a.layers():
        update_state(a.space, units, nlf, theta)
    return NIL


def _init_grad(interpreter: Interpreter, name: str, given: tuple[Form, ...], thresholded: bool) -> float:
    a = Arguments(interpreter, name, given)
    dnlf, output, desired = a.function("dnlf"), a.layer("layer of outputs"), a.layer("layer of desired values")
    threshold = a.optional_number(0.0) if thresholded else None
    a.end()
    if output.count != desired.count:
        raise CallError(
            f"{name}: {output.count} outputs have {desired.count} desired values",
            None,
            f"give two layers of equal length: (make-desired ...) takes one of {output.count} units",
        )
    return init_grad_lms(a.space, output, desired, dnlf, threshold)


@net_word("init-grad-lms")
def word_init_grad_lms(interpreter: Interpreter, *given: Form) -> float:
    """(init-grad-lms [dnlf] outputs desired): gradients of the outputs; gives half the sum of the squared errors"""
    return _init_grad(interpreter, "init-grad-lms", given, False)


@net_word("init-grad-thlms")
def word_init_grad_thlms(interpreter: Interpreter, *given: Form) -> float:
    """(init-grad-thlms [dnlf] outputs desired [th]): as init-grad-lms; no error beyond the target on its side of th"""
    return _init_grad(interpreter, "init-grad-thlms", given, True)


@net_word("update-back-sum")
def word_back_sum(interpreter: Interpreter, *given: Form) -> Form:
    """(update-back-sum layer...): sums of the weighted gradients of what a unit feeds"""
    a = Arguments(interpreter, "update-back-sum", given)
    for units in a.layers():
        update_back_sum(a.space, units)
    return NIL


@net_word("update-gradient-only")
def word_gradient_only(interpreter: Interpreter, *given: Form) -> Form:
    """(update-gradient-only [dnlf] layer...): gradients from the back sums there are"""
    a = Arguments(interpreter, "update-gradient-only", given)
    dnlf = a.function("dnlf")
    for units in a.layers():
        update_gradient_only(a.space, units, dnlf)
    return NIL


@net_word("update-gradient")
def word_gradient(interpreter: Interpreter, *given: Form) -> Form:
    """(update-gradient [dnlf] layer...): for each layer all back sums, then all gradients"""
    a = Arguments(interpreter, "update-gradient", given)
    dnlf = a.function("dnlf")
    for units in a.layers():
        update_gradient(a.space, units, dnlf)
    return NIL


@net_word("update-deltastate", "iterative")
def word_deltastate(interpreter: Interpreter, *given: Form) -> Form:
    """(update-deltastate [dnlf] layer...): how states change along delta, put in the place of the gradients"""
    a = Arguments(interpreter, "update-deltastate", given)
    dnlf = a.function("dnlf")
    for units in a.layers():
        update_deltastate(a.space, units, dnlf)
    return NIL


# Excitation and inhibition


def update_one_sided(space: Netspace, units: Units, positive: bool) -> None:
    """spare1 = sum of the positive w x, or spare2 = sum of the negative ones."""
    edges, weights, states = space.incoming, space.weight_val.array, space.unit[VAL].array
    for unit in units.array.tolist():
        at = edges.of(unit)
        terms = weights[edges.weight.array[at]] * states[edges.other.array[at]]
        total = in_order(terms[terms > 0 if positive else terms < 0])
        space.unit[SPARE1 if positive else SPARE2].array[unit] = total


@net_word("update-excitation")
def word_excitation(interpreter: Interpreter, *given: Form) -> Form:
    """(update-excitation layer...): sums of the positive weighted states, in nspare1"""
    a = Arguments(interpreter, "update-excitation", given)
    for units in a.layers():
        update_one_sided(a.space, units, True)
    return NIL


@net_word("update-inhibition")
def word_inhibition(interpreter: Interpreter, *given: Form) -> Form:
    """(update-inhibition layer...): sums of the negative weighted states, in nspare2"""
    a = Arguments(interpreter, "update-inhibition", given)
    for units in a.layers():
        update_one_sided(a.space, units, False)
    return NIL
