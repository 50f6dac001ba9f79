"""Put patterns on units, add noise to states, find winners, and update activations.

See docs/reference/sn28.md, section 3.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from snsim.errors import Fault
from snsim.language.builtins.arithmetic import number, whole
from snsim.language.builtins.matrices import matrix
from snsim.language.forms import NIL, Form
from snsim.language.procedures import CallError
from snsim.runtime.random_numbers import RandomGenerator
from snsim.sn28.learning.propagation import add_noise
from snsim.sn28.net.adjacency import Units
from snsim.sn28.net.arguments import Arguments
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import SPARE1, SPARE2, SUM, VAL, Netspace

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_F = np.float32


def present(space: Netspace, values: np.ndarray, layers: list[Units], caller: str) -> None:
    """Copy numbers, shape (n,), to the states of the units in order. Raise CallError if n is less than their number."""
    count = sum(units.count for units in layers)
    if len(values) < count:
        raise CallError(
            f"{caller}: only {len(values)} numbers for {count} units",
            0,
            f"write {count} numbers, or a layer of {len(values)} units",
        )
    if len(values) > count and not space.warned_of_longer_patterns:
        space.warned_of_longer_patterns = True
        space.interpreter.warnings.append(
            Fault(
                f"{caller}: a pattern has {len(values)} numbers but its layer has {count} units; the rest is ignored",
                space.interpreter.place(),
                hint=f"cut the patterns to {count} columns, or give the layer more units",
                severity="warning",
            )
        )
    start = 0
    for units in layers:
        space.unit[VAL].array[units.index] = values[start : start + units.count]
        start += units.count


@net_word("get-pattern")
def get_pattern(interpreter: Interpreter, patterns: Form, n: Form, *layers: Form) -> Form:
    """(get-pattern matrix n layer...): sets the states of the units of the layers to row n of the matrix, from 0"""
    rows = matrix("get-pattern", patterns)
    index = whole("get-pattern", n, 1)
    if rows.ndim < 1 or not 0 <= index < rows.shape[0]:
        rows_available = f"rows 0 to {rows.shape[0] - 1}" if rows.ndim else "no rows"
        raise CallError(
            f"get-pattern: no row {index}: the matrix has {rows_available}",
            1,
            "count rows from 0; (bound m 1) returns the last one",
        )
    args = Arguments(interpreter, "get-pattern", layers)
    present(args.space, rows[index].ravel(), args.layers(), "get-pattern")
    return NIL


@net_word("get-pattern-2")
def get_pattern_2(interpreter: Interpreter, pattern: Form, *layers: Form) -> Form:
    """(get-pattern-2 matrix layer...): sets the states of the units of the layers to the elements of the matrix"""
    args = Arguments(interpreter, "get-pattern-2", layers)
    present(args.space, matrix("get-pattern-2", pattern).ravel(), args.layers(), "get-pattern-2")
    return NIL


@net_word("gauss-state")
def gauss_state(interpreter: Interpreter, layer: Form, deviation: Form) -> Form:
    """(gauss-state layer s): adds normal noise of standard deviation s to every state of the layer"""
    space = interpreter.part(Netspace)
    add_noise(space, space.units(layer, "gauss-state"), number("gauss-state", deviation, 1), VAL)
    return NIL


@net_word("flip-state")
def flip_state(interpreter: Interpreter, layer: Form, probability: Form) -> Form:
    """(flip-state layer p): changes the sign of every state of the layer with probability p"""
    space, p = interpreter.part(Netspace), number("flip-state", probability, 1)
    units = space.units(layer, "flip-state")
    flipped = interpreter.part(RandomGenerator).rands(units.count) < p
    states = space.unit[VAL].array
    states[units.index] = np.where(flipped, -states[units.index], states[units.index])
    return NIL


def _extreme_unit(interpreter: Interpreter, caller: str, layer: Form, largest: bool) -> float:
    space = interpreter.part(Netspace)
    units = space.units(layer, caller)
    if not units.count:
        raise CallError(
            f"{caller}: the layer is empty", 0, "write a layer with units, such as output-layer of (build-net ...)"
        )
    states = space.unit[VAL].array[units.index]
    last = units.count - 1
    return float(units.array[np.argmax(states) if largest else last - np.argmin(states[::-1])])


@net_word("find-winner")
def find_winner(interpreter: Interpreter, layer: Form) -> float:
    """(find-winner layer): the number of the unit with the largest state, the first of several"""
    return _extreme_unit(interpreter, "find-winner", layer, True)


@net_word("find-loser")
def find_loser(interpreter: Interpreter, layer: Form) -> float:
    """(find-loser layer): the number of the unit with the smallest state, the last of several"""
    return _extreme_unit(interpreter, "find-loser", layer, False)


# Interactive activation and adaptive resonance

_ACTIVATION = "al be ga min max rest dec"


def _update_activation(
    interpreter: Interpreter, caller: str, layer: Form, numbers: tuple[Form, ...], separate: bool
) -> Form:
    """Do one step of interactive activation on the weighted sums a; the states x stay.

    net = ga x + (al spare1 + be spare2); a += net (max - a) if net > 0, else net (a - min), minus dec (a - rest). With
    `separate`, al spare1 multiplies max - a and be spare2 multiplies a - min; ga x joins the first if x > 0, else the
    second.
    """
    if len(numbers) != 7:
        raise CallError(
            f"{caller} takes a layer and 7 numbers; {len(numbers)} numbers given",
            None,
            f"write ({caller} layer {_ACTIVATION})",
        )
    al, be, ga, low, high, rest, dec = (_F(number(caller, x, i)) for i, x in enumerate(numbers, 1))
    space = interpreter.part(Netspace)
    units = space.units(layer, caller)
    x = space.unit[VAL].array[units.index]
    a = space.unit[SUM].array[units.index].copy()
    up, down = al * space.unit[SPARE1].array[units.index], be * space.unit[SPARE2].array[units.index]
    outside = ga * x
    if separate:
        up, down = np.where(x > 0, up + outside, up), np.where(x > 0, down, down + outside)
        change = up * (high - a) + down * (a - low)
    else:
        net = outside + (up + down)
        change = np.where(net > 0, net * (high - a), net * (a - low))
    space.unit[SUM].array[units.index] = a + (change - dec * (a - rest))
    return NIL


@net_word("update-iac-activation")
def update_iac_activation(interpreter: Interpreter, layer: Form, *numbers: Form) -> Form:
    """(update-iac-activation layer al be ga min max rest dec): does a step of interactive activation and competition

    For the weighted sum a and the state x of each unit, net is ga x + al nspare1 + be nspare2. The sum changes by net
    (max - a) if net > 0, else by net (a - min), minus dec (a - rest).
    """
    return _update_activation(interpreter, "update-iac-activation", layer, numbers, False)


@net_word("update-art-activation")
def update_art_activation(interpreter: Interpreter, layer: Form, *numbers: Form) -> Form:
    """(update-art-activation layer al be ga min max rest dec): like update-iac-activation, for adaptive resonance

    Excitation and inhibition act separately: al nspare1 times (max - a), plus be nspare2 times (a - min).
    """
    return _update_activation(interpreter, "update-art-activation", layer, numbers, True)
