"""Backpropagate second derivatives, and update the running curvature of every connection.

See docs/reference/sn28.md, section 3.2.

h = n-ggrad is the second derivative of the cost with respect to a unit's weighted sum, s = n-sqbacksum with respect to
its state. Both use LeCun's diagonal approximation, with the term in f'' (ggradient) or without it (lmggradient, the
Gauss-Newton approximation).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from snsim.language.forms import NIL, Form
from snsim.sn28.net.adjacency import Units
from snsim.sn28.net.arguments import Arguments
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import BACKSUM, GGRAD, SQBACKSUM, SUM, VAL, Netspace
from snsim.sn28.net.nlf import NonLinearity

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_F = np.float32


def update_ggradient(
    space: Netspace, units: Units, dnlf: NonLinearity, ddnlf: NonLinearity | None, gamma: float
) -> None:
    """Compute s and h of the units, then update sigma of their incoming connections.

    s = sum of w^2 h over the units that a unit feeds (unchanged if it feeds none), h = s f'^2 - y f'', and
    sigma = (1 - gamma) sigma + gamma h x^2. Without `ddnlf`, h = s f'^2.
    """
    space.loops.square_sum(units, space.outgoing, space.weight_val, space.unit[GGRAD], space.unit[SQBACKSUM])
    total = space.unit[SUM].array[units.index]
    slope = dnlf.values(total)
    curvature = space.unit[SQBACKSUM].array[units.index] * (slope * slope)
    if ddnlf is not None:
        curvature = curvature - space.unit[BACKSUM].array[units.index] * ddnlf.values(total)
    space.unit[GGRAD].array[units.index] = curvature
    average_sigma(space, units, gamma)


def average_sigma(space: Netspace, units: Units, gamma: float) -> None:
    """Set sigma = (1 - gamma) sigma + (gamma h) x^2 for every connection into the units."""
    space.loops.average(units, space.incoming, gamma, space.unit[GGRAD], space.unit[VAL], space.sigma)


@net_word("update-ggradient", "newton")
def word_ggradient(interpreter: Interpreter, *arguments: Form) -> Form:
    """(update-ggradient [dnlf [ddnlf]] [gamma] layer...): computes second derivatives of the cost, backward

    It sets n-ggradient of each unit, and sigma of each connection into it to (1 - gamma) sigma + gamma h x^2, with h
    the second derivative by the weighted sum and x the state of the source.
    """
    args = Arguments(interpreter, "update-ggradient", arguments)
    dnlf, ddnlf, gamma = args.function("dnlf"), args.function("ddnlf"), args.number("gamma")
    for units in args.layers():
        update_ggradient(args.space, units, dnlf, ddnlf, gamma)
    return NIL


@net_word("update-lmggradient", "newton")
def word_lmggradient(interpreter: Interpreter, *arguments: Form) -> Form:
    """(update-lmggradient [dnlf] [gamma] layer...): like update-ggradient, without the term in f''

    This is the curvature of Levenberg and Marquardt.
    """
    args = Arguments(interpreter, "update-lmggradient", arguments)
    dnlf, gamma = args.function("dnlf"), args.number("gamma")
    for units in args.layers():
        update_ggradient(args.space, units, dnlf, None, gamma)
    return NIL
