"""Update weights exactly as SN's kernels do (docs/reference/sn28.md, section 3.4).

Without sharing (sn28, sn28new) each connection has one weight; e is the rate of the unit or of the connection:

    delta = alpha delta + (1 - alpha) e x g         w = (1 - e decay) w + delta

With sharing (sn28ite, sn28itenew) acc is the sum of e x g over the connections of a weight:

    delta = alpha delta + (1 - alpha) acc           w = (1 - decay) w + delta

In a Newton step e, or acc, is divided by mu + |curvature|.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import number
from snsim.language.forms import NIL, Form
from snsim.language.procedures import CallError
from snsim.sn28.net.adjacency import Units
from snsim.sn28.net.arguments import Arguments
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import EPSILON, GRAD, VAL, Netspace
from snsim.sn28.net.numpy_sums import in_order

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_F = np.float32


def clear_acc(space: Netspace) -> None:
    """Set the accumulated gradients of all weights to 0."""
    space.acc.array[: space.wnum] = 0


def clear_hess(space: Netspace) -> None:
    """Set the accumulated curvatures of all weights to 0."""
    space.hess.array[: space.wnum] = 0


def update_acc(space: Netspace, units: Units | None = None) -> None:
    """Add state * gradient * rate to the accumulated gradient of the weight of each connection into the units.

    By default these are all units. The order is unit by unit, newest connection first.
    """
    by_connection = space.kernel.newton
    space.loops.accumulate(
        units or space.all_units,
        space.incoming,
        space.unit[VAL],
        space.unit[GRAD],
        space.rate if by_connection else space.unit[EPSILON],
        by_connection,
        space.acc,
    )


def update_hess(space: Netspace, units: Units | None = None) -> None:
    """Add sigma to the accumulated curvature of the weight of each connection into the units, by default all."""
    space.loops.gather(units or space.all_units, space.incoming, space.sigma, space.hess)


def hessian_scale(space: Netspace, mu: float) -> None:
    """Divide the accumulated gradient of each weight by mu + |its accumulated curvature|."""
    acc, hess = space.acc.array[: space.wnum], space.hess.array[: space.wnum]
    acc[:] = acc / (_F(mu) + np.abs(hess))


def update_delta(space: Netspace, alpha: float) -> None:
    """Set the step delta of each weight to alpha * delta + (1 - alpha) * its accumulated gradient."""
    acc, delta = space.acc.array[: space.wnum], space.delta.array[: space.wnum]
    delta[:] = acc if alpha == 0 else _F(alpha) * delta + (_F(1) - _F(alpha)) * acc


def update_wghtonly(space: Netspace, decay: float) -> None:
    """Set each weight w to (1 - decay) * w + delta."""
    space.has_learned = True
    w = space.weight_val.array[: space.wnum]
    w[:] = (_F(1) - _F(decay)) * w + space.delta.array[: space.wnum]


def update_wghtonly_conjgrad(space: Netspace, curvature: float) -> None:
    """Set w = w + (sum of acc delta / curvature) delta, with the sum in the order of the weights."""
    if not _F(curvature) > 0:
        raise CallError(
            f"update-wghtonly-conjgrad: the curvature must be more than 0, got {curvature:g}",
            0,
            "add mu to it by (setq safe-cg t)",
        )
    space.has_learned = True
    w, acc, delta = (m.array[: space.wnum] for m in (space.weight_val, space.acc, space.delta))
    w[:] = w + (in_order(acc * delta) / _F(curvature)) * delta


def update_weight(space: Netspace, alpha: float, decay: float, units: Units | None = None) -> None:
    """Do one gradient step for the weights into the units, by default all, with momentum alpha and decay."""
    if space.kernel.iterative:
        clear_acc(space)
        update_acc(space, units)
        update_delta(space, alpha)
        update_wghtonly(space, decay)
        return
    _learn_by_unit_or_connection(space, alpha, decay, None, units)


def update_w_newton(space: Netspace, alpha: float, decay: float, mu: float, units: Units | None = None) -> None:
    """Do one gradient step like `update_weight`, divided by mu + |curvature|."""
    if space.kernel.iterative:
        clear_acc(space)
        update_acc(space, units)
        clear_hess(space)
        update_hess(space, units)
        hessian_scale(space, mu)
        update_delta(space, alpha)
        update_wghtonly(space, decay)
        return
    _learn_by_unit_or_connection(space, alpha, decay, mu, units)


def _learn_by_unit_or_connection(
    space: Netspace, alpha: float, decay: float, mu: float | None, units: Units | None
) -> None:
    space.has_learned = True
    units, edges = units or space.all_units, space.incoming
    state, gradient = space.unit[VAL], space.unit[GRAD]
    if space.kernel.newton:
        space.loops.learn_by_connection(
            units, edges, alpha, decay, state, gradient, space.rate, space.sigma, mu, space.weight_val, space.delta
        )
    else:
        space.loops.learn(
            units, edges, alpha, decay, state, gradient, space.unit[EPSILON], space.weight_val, space.delta
        )


# The words


def _update_groups(args: Arguments) -> list[Units | None]:
    """Return the groups of units to update in turn: all units, or each layer; with sharing each unit, as in SN."""
    layers = args.rest()
    if not layers:
        return [None]
    if not args.space.kernel.iterative:
        return list(layers)
    return [Units(np.array([unit])) for units in layers for unit in units.array.tolist()]


@net_word("update-weight")
def word_update_weight(interpreter: Interpreter, *arguments: Form) -> Form:
    """(update-weight [alpha] [decay] [layer...]): does a gradient step for the weights into the layers, by default all

    The new delta of a weight is alpha delta + (1 - alpha) rate x gradient x source state. It is added to the weight,
    which also decays.
    """
    args = Arguments(interpreter, "update-weight", arguments)
    alpha, decay = args.number("alpha"), args.number("decay")
    for units in _update_groups(args):
        update_weight(args.space, alpha, decay, units)
    return NIL


@net_word("update-w-newton", "newton")
def word_update_w_newton(interpreter: Interpreter, *arguments: Form) -> Form:
    """(update-w-newton [alpha] [decay] [mu] [layer...]): like update-weight, with steps divided by mu + |curvature|"""
    args = Arguments(interpreter, "update-w-newton", arguments)
    alpha, decay, mu = args.number("alpha"), args.number("decay"), args.number("mu")
    for units in _update_groups(args):
        update_w_newton(args.space, alpha, decay, mu, units)
    return NIL


@net_word("clear-acc", "iterative")
def word_clear_acc(interpreter: Interpreter) -> Form:
    """(clear-acc): sets the accumulated gradient of every weight to 0"""
    clear_acc(interpreter.part(Netspace))
    return NIL


@net_word("clear-hess", "iterative", "newton")
def word_clear_hess(interpreter: Interpreter) -> Form:
    """(clear-hess): sets the accumulated curvature of every weight to 0"""
    clear_hess(interpreter.part(Netspace))
    return NIL


@net_word("update-acc", "iterative")
def word_update_acc(interpreter: Interpreter, *arguments: Form) -> Form:
    """(update-acc [layer...]): adds rate x state x gradient of every connection to the acc of its weight

    Acc is the accumulated gradient. The connections are those into the layers, by default all.
    """
    args = Arguments(interpreter, "update-acc", arguments)
    for units in args.rest_or_all():
        update_acc(args.space, units)
    return NIL


@net_word("update-hess", "iterative", "newton")
def word_update_hess(interpreter: Interpreter, *arguments: Form) -> Form:
    """(update-hess [layer...]): adds sigma of every connection to the hess of its weight

    Hess is the accumulated curvature. The connections are those into the layers, by default all.
    """
    args = Arguments(interpreter, "update-hess", arguments)
    for units in args.rest_or_all():
        update_hess(args.space, units)
    return NIL


@net_word("hessian-scale", "iterative", "newton")
def word_hessian_scale(interpreter: Interpreter, *arguments: Form) -> Form:
    """(hessian-scale [mu]): divides the accumulated gradient of every weight by mu + |accumulated curvature|"""
    args = Arguments(interpreter, "hessian-scale", arguments)
    mu = args.number("mu")
    args.expect_end()
    hessian_scale(args.space, mu)
    return NIL


@net_word("update-delta", "iterative")
def word_update_delta(interpreter: Interpreter, *arguments: Form) -> Form:
    """(update-delta [alpha]): sets delta of every weight to alpha delta + (1 - alpha) times its accumulated gradient"""
    args = Arguments(interpreter, "update-delta", arguments)
    alpha = args.number("alpha")
    args.expect_end()
    update_delta(args.space, alpha)
    return NIL


@net_word("update-wghtonly", "iterative")
def word_update_wghtonly(interpreter: Interpreter, *arguments: Form) -> Form:
    """(update-wghtonly [decay]): sets every weight w to (1 - decay) w + delta"""
    args = Arguments(interpreter, "update-wghtonly", arguments)
    decay = args.number("decay")
    args.expect_end()
    update_wghtonly(args.space, decay)
    return NIL


@net_word("update-wghtonly-conjgrad", "iterative")
def word_update_wghtonly_conjgrad(interpreter: Interpreter, curvature: Form) -> Form:
    """(update-wghtonly-conjgrad c): moves the weights along delta to the minimum of the cost in that direction

    The cost is taken as a parabola of curvature c.
    """
    update_wghtonly_conjgrad(interpreter.part(Netspace), number("update-wghtonly-conjgrad", curvature))
    return NIL
