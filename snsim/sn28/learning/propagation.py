"""Propagate states forward and gradients backward: the first-order primitives (docs/reference/sn28.md, section 3.2).

Gradients are stored with a minus sign, n-grad is -dC/da and n-backsum is -dC/dx, so that steps are added to weights.
The units of a layer are updated synchronously: first all sums, then all states. The functions of `(space, units ...)`
do what the words do, for callers in Python. In the formulas a is the weighted sum of a unit, x its state, g its
gradient and y its back sum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from snsim.language.forms import NIL, Form
from snsim.language.procedures import CallError
from snsim.runtime.random_numbers import RandomGenerator
from snsim.sn28.net.adjacency import Units, as_memory
from snsim.sn28.net.arguments import Arguments
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import BACKSUM, GRAD, SPARE1, SPARE2, SQBACKSUM, SUM, VAL, Netspace
from snsim.sn28.net.nlf import NonLinearity
from snsim.sn28.net.numpy_sums import in_order

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_F = np.float32


def update_weighted_sum(space: Netspace, units: Units, theta: float = 0.0) -> None:
    """Set the weighted sum of each unit to sum of w x, plus theta times a normal random number, in order."""
    space.loops.weighted_sum(units, space.incoming, space.weight_val, space.unit[VAL], space.unit[SUM])
    if theta != 0:
        add_noise(space, units, theta, SUM)


def add_noise(space: Netspace, units: Units, deviation: float, unit_field: int) -> None:
    """Add `deviation` times a normal random number to a field of each unit in order."""
    gauss = space.interpreter.part(RandomGenerator).gauss
    noise = np.array([gauss() for _ in range(units.count)], _F)
    field = space.unit[unit_field].array
    field[units.index] = field[units.index] + _F(deviation) * noise


def update_state_only(space: Netspace, units: Units, nlf: NonLinearity) -> None:
    """Set the state of each unit to nlf of its weighted sum."""
    space.unit[VAL].array[units.index] = nlf.values(space.unit[SUM].array[units.index])


def update_state(space: Netspace, units: Units, nlf: NonLinearity, theta: float = 0.0) -> None:
    """Compute the weighted sums of all units, then their states."""
    update_weighted_sum(space, units, theta)
    update_state_only(space, units, nlf)


def init_grad_lms(
    space: Netspace, output: Units, desired: Units, dnlf: NonLinearity, threshold: float | None = None
) -> float:
    """Set the back sum of each output to desired - output, and its gradient to that times dnlf(weighted sum).

    Returns half the sum of the squared back sums, added in order. With a threshold (thlms), the back sum of an output
    beyond its target is 0: above a target above the threshold, or below a target of at most the threshold.
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
    """Set the back sum of each unit to sum of w g over the units that it feeds, g their gradients."""
    space.loops.weighted_sum(units, space.outgoing, space.weight_val, space.unit[GRAD], space.unit[BACKSUM])


def update_gradient_only(space: Netspace, units: Units, dnlf: NonLinearity) -> None:
    """Set the gradient of each unit to its back sum times dnlf(weighted sum)."""
    slope = dnlf.values(space.unit[SUM].array[units.index])
    space.unit[GRAD].array[units.index] = space.unit[BACKSUM].array[units.index] * slope


def update_gradient(space: Netspace, units: Units, dnlf: NonLinearity) -> None:
    """Compute the back sums of all units, then their gradients."""
    update_back_sum(space, units)
    update_gradient_only(space, units, dnlf)


def update_deltastate(space: Netspace, units: Units, dnlf: NonLinearity) -> None:
    """Set the gradient of each unit to dnlf(weighted sum) times sum of (w g + delta x) over its inputs.

    This is the directional derivative of its state along delta.
    """
    out = as_memory(np.zeros(space.nnum, _F))
    space.loops.moved_sum(units, space.incoming, space.weight_val, space.unit[GRAD], space.delta, space.unit[VAL], out)
    slope = dnlf.values(space.unit[SUM].array[units.index])
    space.unit[GRAD].array[units.index] = slope * out.array[units.index]


# The words


@net_word("update-weighted-sum")
def word_weighted_sum(interpreter: Interpreter, *arguments: Form) -> Form:
    """(update-weighted-sum [theta] layer...): computes the weighted sum of each unit, plus normal noise

    The standard deviation of the noise is theta, by default the value of the variable theta.
    """
    args = Arguments(interpreter, "update-weighted-sum", arguments)
    theta = args.number("theta")
    for units in args.layers():
        update_weighted_sum(args.space, units, theta)
    return NIL


@net_word("update-state-only")
def word_state_only(interpreter: Interpreter, *arguments: Form) -> Form:
    """(update-state-only [nlf] layer...): sets the state of each unit to nlf of its weighted sum"""
    args = Arguments(interpreter, "update-state-only", arguments)
    nlf = args.function("nlf")
    for units in args.layers():
        update_state_only(args.space, units, nlf)
    return NIL


@net_word("update-state")
def word_state(interpreter: Interpreter, *arguments: Form) -> Form:
    """(update-state [theta] [nlf] layer...): does update-weighted-sum and update-state-only for each layer in turn"""
    args = Arguments(interpreter, "update-state", arguments)
    theta, nlf = args.number("theta"), args.function("nlf")
    for units in args.layers():
        update_state(args.space, units, nlf, theta)
    return NIL


def _init_grad(interpreter: Interpreter, name: str, arguments: tuple[Form, ...], thresholded: bool) -> float:
    args = Arguments(interpreter, name, arguments)
    dnlf, output, desired = args.function("dnlf"), args.layer("layer of outputs"), args.layer("layer of desired values")
    threshold = args.optional_number(0.0) if thresholded else None
    args.expect_end()
    if output.count != desired.count:
        raise CallError(
            f"{name}: {output.count} outputs but {desired.count} desired values",
            None,
            f"write two layers of equal size: (make-desired ...) with a layer of {output.count} units",
        )
    return init_grad_lms(args.space, output, desired, dnlf, threshold)


@net_word("init-grad-lms")
def word_init_grad_lms(interpreter: Interpreter, *arguments: Form) -> float:
    """(init-grad-lms [dnlf] outputs desired): sets the output gradients; returns half the sum of squared errors

    The gradient of an output is (desired - output) * dnlf(weighted sum), which is minus the derivative of the cost.
    """
    return _init_grad(interpreter, "init-grad-lms", arguments, False)


@net_word("init-grad-thlms")
def word_init_grad_thlms(interpreter: Interpreter, *arguments: Form) -> float:
    """(init-grad-thlms [dnlf] outputs desired [th]): like init-grad-lms, but outputs beyond their targets have no error

    An output is beyond its target if it is above a target above th, or below a target of at most th. The default of th
    is 0.
    """
    return _init_grad(interpreter, "init-grad-thlms", arguments, True)


@net_word("update-back-sum")
def word_back_sum(interpreter: Interpreter, *arguments: Form) -> Form:
    """(update-back-sum layer...): sets the back sum of each unit: the sum of weight x gradient of the units it feeds"""
    args = Arguments(interpreter, "update-back-sum", arguments)
    for units in args.layers():
        update_back_sum(args.space, units)
    return NIL


@net_word("update-gradient-only")
def word_gradient_only(interpreter: Interpreter, *arguments: Form) -> Form:
    """(update-gradient-only [dnlf] layer...): sets the gradient of each unit to back sum times dnlf(weighted sum)"""
    args = Arguments(interpreter, "update-gradient-only", arguments)
    dnlf = args.function("dnlf")
    for units in args.layers():
        update_gradient_only(args.space, units, dnlf)
    return NIL


@net_word("update-gradient")
def word_gradient(interpreter: Interpreter, *arguments: Form) -> Form:
    """(update-gradient [dnlf] layer...): does update-back-sum and update-gradient-only for each layer in turn"""
    args = Arguments(interpreter, "update-gradient", arguments)
    dnlf = args.function("dnlf")
    for units in args.layers():
        update_gradient(args.space, units, dnlf)
    return NIL


@net_word("update-deltastate", "iterative")
def word_deltastate(interpreter: Interpreter, *arguments: Form) -> Form:
    """(update-deltastate [dnlf] layer...): sets gradients to the change of the states as weights move along delta"""
    args = Arguments(interpreter, "update-deltastate", arguments)
    dnlf = args.function("dnlf")
    for units in args.layers():
        update_deltastate(args.space, units, dnlf)
    return NIL


# Excitation and inhibition


def update_one_sided(space: Netspace, units: Units, positive: bool) -> None:
    """Set spare field 1 of each unit to the sum of its positive w x, or spare field 2 to that of its negative ones."""
    edges, weights, states = space.incoming, space.weight_val.array, space.unit[VAL].array
    for unit in units.array.tolist():
        at = edges.slice_of(unit)
        terms = weights[edges.weight.array[at]] * states[edges.other.array[at]]
        total = in_order(terms[terms > 0 if positive else terms < 0])
        space.unit[SPARE1 if positive else SPARE2].array[unit] = total


@net_word("update-excitation")
def word_excitation(interpreter: Interpreter, *arguments: Form) -> Form:
    """(update-excitation layer...): sets nspare1 of each unit to the sum of its positive products weight x state"""
    args = Arguments(interpreter, "update-excitation", arguments)
    for units in args.layers():
        update_one_sided(args.space, units, True)
    return NIL


@net_word("update-inhibition")
def word_inhibition(interpreter: Interpreter, *arguments: Form) -> Form:
    """(update-inhibition layer...): sets nspare2 of each unit to the sum of its negative products weight x state"""
    args = Arguments(interpreter, "update-inhibition", arguments)
    for units in args.layers():
        update_one_sided(args.space, units, False)
    return NIL
