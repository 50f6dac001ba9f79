"""Weights that learn, exactly as SN's kernels move them (docs/reference/sn28.md, section 3.4).

Without sharing (sn28, sn28new), one weight a connection, e the rate of the unit or of the connection:

    delta = alpha delta + (1 - alpha) e x g         w = (1 - e decay) w + delta

With sharing (sn28ite, sn28itenew): acc is the sum of e x g over the connections of a weight,

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
    space.acc.array[: space.wnum] = 0


def clear_hess(space: Netspace) -> None:
    space.hess.array[: space.wnum] = 0


def update_acc(space: Netspace, units: Units | None = None) -> None:
    """acc += x (g e) for every connection that enters the units (all by default): unit by unit, newest first."""
    by_connection = space.kernel.newton
    space.loops.accumulate(
        units or space.everything,
        space.incoming,
        space.unit[VAL],
        space.unit[GRAD],
        space.rate if by_connection else space.unit[EPSILON],
        by_connection,
        space.acc,
    )


def update_hess(space: Netspace, units: Units | None = None) -> None:
    """hess += sigma for every connection that enters the units (all by default)."""
    space.loops.gather(units or space.everything, space.incoming, space.sigma, space.hess)


def hessian_scale(space: Netspace, mu: float) -> None:
    """acc = acc / (mu + |hess|)"""
    acc, hess = space.acc.array[: space.wnum], space.hess.array[: space.wnum]
    acc[:] = acc / (_F(mu) + np.abs(hess))


def update_delta(space: Netspace, alpha: float) -> None:
    """delta = alpha delta + (1 - alpha) acc"""
    acc, delta = space.acc.array[: space.wnum], space.delta.array[: space.wnum]
    delta[:] = acc if alpha == 0 else _F(alpha) * delta + (_F(1) - _F(alpha)) * acc


def update_wghtonly(space: Netspace, decay: float) -> None:
    """w = (1 - decay) w + delta"""
    space.learned = True
    w = space.weight_val.array[: space.wnum]
    w[:] = (_F(1) - _F(decay)) * w + space.delta.array[: space.wnum]


def update_wghtonly_conjgrad(space: Netspace, curvature: float) -> None:
    """w = w + (sum of acc delta / curvature) delta, the sum in the order of the weights."""
    if not _F(curvature) > 0:
        raise CallError(
            f"update-wghtonly-conjgrad: the curvature is {curvature:g}, and must be more than 0",
            0,
            "(setq safe-cg t) adds mu to it",
        )
    space.learned = True
    w, acc, delta = (m.array[: space.wnum] for m in (space.weight_val, space.acc, space.delta))
    w[:] = w + (in_order(acc * delta) / _F(curvature)) * delta


def update_weight(space: Netspace, alpha: float, decay: float, units: Units | None = None) -> None:
    """One step down the gradient; a kernel with sharing does the four steps of it over all weights."""
    if space.kernel.iterative:
        clear_acc(space)
        update_acc(space, units)
        update_delta(space, alpha)
        update_wghtonly(space, decay)
        return
    _learn_by_unit_or_connection(space, alpha, decay, None, units)


def update_w_newton(space: Netspace, alpha: float, decay: float, mu: float, units: Units | None = None) -> None:
    """One step, divided by mu + |curvature|."""
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
    space.learned = True
    units, edges = units or space.everything, space.incoming
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


def _pieces(a: Arguments) -> list[Units | None]:
    """What a step goes through: all at once; with layers, unit by unit in a kernel with sharing, as SN does."""
    layers = a.rest()
    if not layers:
        return [None]
    if not a.space.kernel.iterative:
        return list(layers)
    return [Units(np.array([unit])) for units in layers for unit in units.array.tolist()]


@net_word("update-weight")
def word_update_weight(interpreter: Interpreter, *given: Form) -> Form:
    """(update-weight [alpha] [decay] [layer...]): move the weights along the gradient; of all units by default"""
    a = Arguments(interpreter, "update-weight", given)
    alpha, decay = a.number("alpha"), a.number("decay")
    for units in _pieces(a):
        update_weight(a.space, alpha, decay, units)
    return NIL


@net_word("update-w-newton", "newton")
def word_update_w_newton(interpreter: Interpreter, *given: Form) -> Form:
    """(update-w-newton [alpha] [decay] [mu] [layer...]): as update-weight, divided by mu + |curvature|"""
    a = Arguments(interpreter, "update-w-newton", given)
    alpha, decay, mu = a.number("alpha"), a.number("decay"), a.number("mu")
    for units in _pieces(a):
        update_w_newton(a.space, alpha, decay, mu, units)
    return NIL


@net_word("clear-acc", "iterative")
def word_clear_acc(interpreter: Interpreter) -> Form:
    """(clear-acc): the accumulated gradient of every weight is 0"""
    clear_acc(interpreter.part(Netspace))
    return NIL


@net_word("clear-hess", "iterative", "newton")
def word_clear_hess(interpreter: Interpreter) -> Form:
    """(clear-hess): the accumulated curvature of every weight is 0"""
    clear_hess(interpreter.part(Netspace))
    return NIL


@net_word("update-acc", "iterative")
def word_update_acc(interpreter: Interpreter, *given: Form) -> Form:
    """(update-acc [layer...]): add rate x state x gradient of every connection to its weight's accumulator"""
    a = Arguments(interpreter, "update-acc", given)
    for units in a.rest_or_all():
        update_acc(a.space, units)
    return NIL


@net_word("update-hess", "iterative", "newton")
def word_update_hess(interpreter: Interpreter, *given: Form) -> Form:
    """(update-hess [layer...]): add the curvature of every connection to that of its weight"""
    a = Arguments(interpreter, "update-hess", given)
    for units in a.rest_or_all():
        update_hess(a.space, units)
    return NIL


@net_word("hessian-scale", "iterative", "newton")
def word_hessian_scale(interpreter: Interpreter, *given: Form) -> Form:
    """(hessian-scale [mu]): divide the accumulated gradient of every weight by mu + |its curvature|"""
    a = Arguments(interpreter, "hessian-scale", given)
    mu = a.number("mu")
    a.end()
    hessian_scale(a.space, mu)
    return NIL


@net_word("update-delta", "iterative")
def word_update_delta(interpreter: Interpreter, *given: Form) -> Form:
    """(update-delta [alpha]): the next step of every weight from its accumulated gradient, with momentum alpha"""
    a = Arguments(interpreter, "update-delta", given)
    alpha = a.number("alpha")
    a.end()
    update_delta(a.space, alpha)
    return NIL


@net_word("update-wghtonly", "iterative")
def word_update_wghtonly(interpreter: Interpreter, *given: Form) -> Form:
    """(update-wghtonly [decay]): move every weight by its step, after it has decayed"""
    a = Arguments(interpreter, "update-wghtonly", given)
    decay = a.number("decay")
    a.end()
    update_wghtonly(a.space, decay)
    return NIL


@net_word("update-wghtonly-conjgrad", "iterative")
def word_update_wghtonly_conjgrad(interpreter: Interpreter, curvature: Form) -> Form:
    """(update-wghtonly-conjgrad c): move the weights along delta to the minimum of a parabola of curvature c"""
    update_wghtonly_conjgrad(interpreter.part(Netspace), number("update-wghtonly-conjgrad", curvature))
    return NIL
