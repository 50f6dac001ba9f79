"""Units that compute a squared distance, the sum of (w - x)^2, instead of the sum of w x.

See docs/reference/sn28.md, section 3.15.

Two errors of SN are kept on purpose. The back sum uses the weighted sum of the lower unit where the derivative has its
state. The factor 2 in the derivative with respect to a weight is missing from every step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.forms import NIL, Form
from snsim.sn28.learning.propagation import add_noise, update_gradient_only, update_state_only
from snsim.sn28.learning.weights import clear_acc, clear_hess, hessian_scale, update_delta, update_hess, update_wghtonly
from snsim.sn28.net.adjacency import Edges, Units
from snsim.sn28.net.arguments import Arguments
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import BACKSUM, EPSILON, GGRAD, GRAD, SQBACKSUM, SUM, VAL, Netspace
from snsim.sn28.net.nlf import NonLinearity
from snsim.sn28.net.numpy_sums import by_rank, move_weights

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_F = np.float32
Term = Callable[
    [np.ndarray, np.ndarray, np.ndarray], np.ndarray
]  # of the units, the units at the other end, and the weights


def _sums(units: Units, edges: Edges, term: Term) -> np.ndarray:
    """Return the sum of a term over the connections of each unit, newest first, shape (units,)."""
    total = np.zeros(units.count, _F)
    for rows, at in by_rank(units, edges):
        total[rows] += term(units.array[rows], edges.other.array[at], edges.weight.array[at])
    return total


def update_nn_sum(space: Netspace, units: Units, theta: float = 0.0) -> None:
    """Set the weighted sum of each unit to sum of (w - x)^2 over its connections, plus theta * normal noise."""
    w, x = space.weight_val.array, space.unit[VAL].array

    def squared(here: np.ndarray, other: np.ndarray, weight: np.ndarray) -> np.ndarray:
        difference = w[weight] - x[other]
        square: np.ndarray = difference * difference
        return square

    space.unit[SUM].array[units.index] = _sums(units, space.incoming, squared)
    if theta != 0:
        add_noise(space, units, theta, SUM)


def update_nn_back_sum(space: Netspace, units: Units) -> None:
    """Set the back sum of each unit to 2 sum of (a - w) g over the units that it feeds, g their gradients.

    a is the unit's own weighted sum, as in SN.
    """
    w, a, g = space.weight_val.array, space.unit[SUM].array, space.unit[GRAD].array
    total = _sums(units, space.outgoing, lambda here, other, weight: (a[here] - w[weight]) * g[other])
    space.unit[BACKSUM].array[units.index] = _F(2) * total


def update_nn_deltastate(space: Netspace, units: Units, dnlf: NonLinearity) -> None:
    """Set the gradient of each unit to dnlf(a) 2 sum of (w - x) (delta - g) over its incoming connections.

    This is the directional derivative of its state along delta; a is its weighted sum.
    """
    w, x, d, t = (m.array for m in (space.weight_val, space.unit[VAL], space.delta, space.unit[GRAD]))
    total = _sums(units, space.incoming, lambda here, other, weight: (w[weight] - x[other]) * (d[weight] - t[other]))
    t[units.index] = dnlf.values(space.unit[SUM].array[units.index]) * (_F(2) * total)


def update_nn_ggradient(
    space: Netspace, units: Units, dnlf: NonLinearity, ddnlf: NonLinearity | None, gamma: float
) -> None:
    """Compute s and h of the units, then update sigma of their incoming connections.

    s = 2 sum of (2 (a - w)^2 h - g) over the units that a unit feeds, where a is its own weighted sum, as in the back
    sum. h = s f'^2 - y f'', without `ddnlf` (Gauss-Newton) s f'^2. sigma becomes (1 - gamma) sigma
    + (2 gamma h (w - x)^2 - gamma g).
    """
    w, a, h, g = (m.array for m in (space.weight_val, space.unit[SUM], space.unit[GGRAD], space.unit[GRAD]))

    def curved(here: np.ndarray, other: np.ndarray, weight: np.ndarray) -> np.ndarray:
        difference = a[here] - w[weight]
        terms: np.ndarray = _F(2) * (difference * difference) * h[other] - g[other]
        return terms

    connected = space.outgoing.counts[units.array] > 0
    s = space.unit[SQBACKSUM].array
    s[units.array[connected]] = _F(2) * _sums(units, space.outgoing, curved)[connected]
    total = space.unit[SUM].array[units.index]
    slope = dnlf.values(total)
    curvature = s[units.index] * (slope * slope)
    if ddnlf is not None:
        curvature = curvature - space.unit[BACKSUM].array[units.index] * ddnlf.values(total)
    h[units.index] = curvature
    unit, difference, connection = _incoming(space, units)
    sigma, share = space.sigma.array, _F(gamma)
    step = (_F(2) * share * h[unit]) * (difference * difference) - share * g[unit]
    sigma[connection] = (_F(1) - share) * sigma[connection] + step


def _incoming(space: Netspace, units: Units) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return for every connection into the units: the unit, w - x, and the number of the connection."""
    edges = space.incoming
    at = edges.positions(units.array)
    difference = space.weight_val.array[edges.weight.array[at]] - space.unit[VAL].array[edges.other.array[at]]
    return np.repeat(units.array, edges.counts[units.array]), difference, edges.connection.array[at]


def update_nn_acc(space: Netspace, units: Units | None = None) -> None:
    """Add (w - x) g rate to the accumulated gradient of the weight of every connection into the units."""
    unit, difference, connection = _incoming(space, units or space.all_units)
    rates = space.rate.array[connection] if space.kernel.newton else space.unit[EPSILON].array[unit]
    np.add.at(space.acc.array, space.weight.array[connection], difference * (space.unit[GRAD].array[unit] * rates))


def update_nn_weight(
    space: Netspace, alpha: float, decay: float, mu: float | None = None, units: Units | None = None
) -> None:
    """Update weights as `weights.update_weight` does, or with `mu` as `update_w_newton`, with w - x instead of x."""
    if space.kernel.iterative:
        clear_acc(space)
        update_nn_acc(space, units)
        if mu is not None:
            clear_hess(space)
            update_hess(space, units)
            hessian_scale(space, mu)
        update_delta(space, alpha)
        update_wghtonly(space, decay)
        return
    space.has_learned = True
    unit, difference, connection = _incoming(space, units or space.all_units)
    rates = space.rate.array[connection] if space.kernel.newton else space.unit[EPSILON].array[unit]
    if mu is not None:
        rates = rates / (_F(mu) + np.abs(space.sigma.array[connection]))
    step = space.unit[GRAD].array[unit] * rates
    move_weights(
        space.weight.array[connection],
        difference,
        step if alpha == 0 else (_F(1) - _F(alpha)) * step,
        alpha,
        rates,
        decay,
        space.weight_val.array,
        space.delta.array,
    )


# The words


@net_word("update-nn-sum")
def word_nn_sum(interpreter: Interpreter, *arguments: Form) -> Form:
    """(update-nn-sum [theta] layer...): sets weighted sums to the squared distance of weights and states

    It adds normal noise of standard deviation theta, by default 0.
    """
    args = Arguments(interpreter, "update-nn-sum", arguments)
    theta = args.optional_number(0.0)
    for units in args.layers():
        update_nn_sum(args.space, units, theta)
    return NIL


@net_word("update-nn-state")
def word_nn_state(interpreter: Interpreter, *arguments: Form) -> Form:
    """(update-nn-state [theta] nlf layer...): like update-nn-sum, and then sets the states to nlf of the sums"""
    args = Arguments(interpreter, "update-nn-state", arguments)
    theta, nlf = args.optional_number(0.0), args.function("nlf")
    for units in args.layers():
        update_nn_sum(args.space, units, theta)
        update_state_only(args.space, units, nlf)
    return NIL


@net_word("update-nn-back-sum")
def word_nn_back_sum(interpreter: Interpreter, *arguments: Form) -> Form:
    """(update-nn-back-sum layer...): like update-back-sum, for layers that feed distance units"""
    args = Arguments(interpreter, "update-nn-back-sum", arguments)
    for units in args.layers():
        update_nn_back_sum(args.space, units)
    return NIL


@net_word("update-nn-gradient")
def word_nn_gradient(interpreter: Interpreter, *arguments: Form) -> Form:
    """(update-nn-gradient dnlf layer...): like update-gradient, for layers that feed distance units"""
    args = Arguments(interpreter, "update-nn-gradient", arguments)
    dnlf = args.function("dnlf")
    for units in args.layers():
        update_nn_back_sum(args.space, units)
        update_gradient_only(args.space, units, dnlf)
    return NIL


@net_word("update-nn-deltastate", "iterative")
def word_nn_deltastate(interpreter: Interpreter, *arguments: Form) -> Form:
    """(update-nn-deltastate dnlf layer...): like update-deltastate, for distance units"""
    args = Arguments(interpreter, "update-nn-deltastate", arguments)
    dnlf = args.function("dnlf")
    for units in args.layers():
        update_nn_deltastate(args.space, units, dnlf)
    return NIL


@net_word("update-nn-acc", "iterative")
def word_nn_acc(interpreter: Interpreter, *arguments: Form) -> Form:
    """(update-nn-acc [layer...]): like update-acc, for distance units"""
    args = Arguments(interpreter, "update-nn-acc", arguments)
    for units in args.rest_or_all():
        update_nn_acc(args.space, units)
    return NIL


@net_word("update-nn-weight")
def word_nn_weight(interpreter: Interpreter, *arguments: Form) -> Form:
    """(update-nn-weight [alpha] [decay] [layer...]): like update-weight, for distance units"""
    args = Arguments(interpreter, "update-nn-weight", arguments)
    alpha, decay = args.number("alpha"), args.number("decay")
    for units in args.rest_or_all():
        update_nn_weight(args.space, alpha, decay, None, units)
    return NIL


@net_word("update-nn-w-newton", "newton")
def word_nn_w_newton(interpreter: Interpreter, *arguments: Form) -> Form:
    """(update-nn-w-newton [alpha] [decay] [mu] [layer...]): like update-w-newton, for distance units"""
    args = Arguments(interpreter, "update-nn-w-newton", arguments)
    alpha, decay, mu = args.number("alpha"), args.number("decay"), args.number("mu")
    for units in args.rest_or_all():
        update_nn_weight(args.space, alpha, decay, mu, units)
    return NIL


@net_word("update-nn-ggradient", "newton")
def word_nn_ggradient(interpreter: Interpreter, *arguments: Form) -> Form:
    """(update-nn-ggradient [dnlf [ddnlf]] [gamma] layer...): update-ggradient for layers that feed distance units"""
    args = Arguments(interpreter, "update-nn-ggradient", arguments)
    dnlf, ddnlf, gamma = args.function("dnlf"), args.function("ddnlf"), args.number("gamma")
    for units in args.layers():
        update_nn_ggradient(args.space, units, dnlf, ddnlf, gamma)
    return NIL


@net_word("update-nn-lmggradient", "newton")
def word_nn_lmggradient(interpreter: Interpreter, *arguments: Form) -> Form:
    """(update-nn-lmggradient [dnlf] [gamma] layer...): like update-nn-ggradient, but drops the term in f''"""
    args = Arguments(interpreter, "update-nn-lmggradient", arguments)
    dnlf, gamma = args.function("dnlf"), args.number("gamma")
    for units in args.layers():
        update_nn_ggradient(args.space, units, dnlf, None, gamma)
    return NIL
