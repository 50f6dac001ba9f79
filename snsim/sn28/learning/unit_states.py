"""Patterns put on units, and what is done to states at random or by comparison.

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
from snsim.sn28.learning.propagation import add_noise
from snsim.sn28.net.adjacency import Units
from snsim.sn28.net.arguments import Arguments
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import SPARE1, SPARE2, VAL, Netspace
from snsim.sn28.runtime.random_numbers import Randomness

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_F = np.float32


def present(space: Netspace, values: np.ndarray, layers: list[Units], who: str) -> None:
    """Copy numbers, shape (n,), into the states of the units in order. CallError if there are too few."""
    count = sum(units.count for units in layers)
    if len(values) < count:
        raise CallError(
            f"{who}: {len(values)} numbers are too few for {count} units",
            0,
            f"give {count} numbers, or a layer of {len(values)} units",
        )
    if len(values) > count and not space.told_of_longer_patterns:
        space.told_of_longer_patterns = True
        space.interpreter.warnings.append(
            Fault(
                f"{who}: a pattern has {len(values)} numbers and its layer {count} units; the rest is not used",
                space.interpreter.place(),
                hint=f"cut the patterns to {count} columns, or give the layer more units",
                severity="warning",
            )
        )
    at = 0
    for units in layers:
        space.unit[VAL].array[units.index] = values[at : at + units.count]
        at += units.count


@net_word("get-pattern")
def get_pattern(interpreter: Interpreter, patterns: Form, n: Form, *layers: Form) -> Form:
    """(get-pattern matrix n layer...): row n of the matrix becomes the states of the units"""
    rows = matrix("get-pattern", patterns)
    index = whole("get-pattern", n, 1)
    if rows.ndim < 1 or not 0 <= index < rows.shape[0]:
        there = f"rows 0 to {rows.shape[0] - 1}" if rows.ndim else "no rows"
        raise CallError(
            f"get-pattern: there is no row {index}: the matrix has {there}",
            1,
            "rows count from 0: look at (bound m) for how many there are",
        )
    a = Arguments(interpreter, "get-pattern", layers)
    present(a.space, rows[index].ravel(), a.layers(), "get-pattern")
    return NIL


@net_word("get-pattern-2")
def get_pattern_2(interpreter: Interpreter, pattern: Form, *layers: Form) -> Form:
    """(get-pattern-2 matrix layer...): all elements of the matrix become the states of the units"""
    a = Arguments(interpreter, "get-pattern-2", layers)
    present(a.space, matrix("get-pattern-2", pattern).ravel(), a.layers(), "get-pattern-2")
    return NIL


@net_word("gauss-state")
def gauss_state(interpreter: Interpreter, layer: Form, deviation: Form) -> Form:
    """(gauss-state layer s): add to every state a random number of the normal law of deviation s"""
    space = interpreter.part(Netspace)
    add_noise(space, space.units(layer, "gauss-state"), number("gauss-state", deviation, 1), VAL)
    return NIL


@net_word("flip-state")
def flip_state(interpreter: Interpreter, layer: Form, probability: Form) -> Form:
    """(flip-state layer p): change the sign of every state with probability p"""
    space, p = interpreter.part(Netspace), number("flip-state", probability, 1)
    units = space.units(layer, "flip-state")
    flipped = interpreter.part(Randomness).rands(units.count) < p
    states = space.unit[VAL].array
    states[units.index] = np.where(flipped, -states[units.index], states[units.index])
    return NIL


def _extreme(interpreter: Interpreter, who: str, layer: Form, largest: bool) -> float:
    space = interpreter.part(Netspace)
    units = space.units(layer, who)
    if not units.count:
        raise CallError(
            f"{who}: the layer is empty", 0, "give a layer with units, such as output-layer of (build-net ...)"
        )
    states = space.unit[VAL].array[units.index]
    return float(units.array[np.argmax(states) if largest else np.argmin(states)])


@net_word("find-winner")
def find_winner(interpreter: Interpreter, layer: Form) -> float:
    """(find-winner layer): the first unit with the largest state"""
    return _extreme(interpreter, "find-winner", layer, True)


@net_word("find-loser")
def find_loser(interpreter: Interpreter, layer: Form) -> float:
    """(find-loser layer): the first unit with the smallest state"""
    return _extreme(interpreter, "find-loser", layer, False)


# Interactive activation and adaptive resonance

_ACTIVATION = "al be ga min max rest dec"


def _activation(interpreter: Interpreter, who: str, layer: Form, given: tuple[Form, ...], apart: bool) -> Form:
    """x += net (max - x) if net > 0, else net (x - min), minus dec (x - rest); net = ga x + al spare1 + be spare2.

    With `apart`, excitation ga x + al spare1 and inhibition be spare2 each draw to their side.
    """
    if len(given) != 7:
        raise CallError(
            f"{who}: {len(given)} numbers are given, 7 are wanted", None, f"write ({who} layer {_ACTIVATION})"
        )
    al, be, ga, low, high, rest, dec = (_F(number(who, x, i)) for i, x in enumerate(given, 1))
    space = interpreter.part(Netspace)
    units = space.units(layer, who)
    x = space.unit[VAL].array[units.index].copy()
    up = ga * x + al * space.unit[SPARE1].array[units.index]
    down = be * space.unit[SPARE2].array[units.index]
    if apart:
        drawn = up * (high - x) + down * (x - low)
    else:
        net = up + down
        drawn = np.where(net > 0, net * (high - x), net * (x - low))
    space.unit[VAL].array[units.index] = x + (drawn - dec * (x - rest))
    return NIL


@net_word("update-iac-activation")
def update_iac_activation(interpreter: Interpreter, layer: Form, *numbers: Form) -> Form:
    """(update-iac-activation layer al be ga min max rest dec): a step of interactive activation and competition"""
    return _activation(interpreter, "update-iac-activation", layer, numbers, False)


@net_word("update-art-activation")
def update_art_activation(interpreter: Interpreter, layer: Form, *numbers: Form) -> Form:
    """(update-art-activation layer al be ga min max rest dec): the same with excitation and inhibition kept apart"""
    return _activation(interpreter, "update-art-activation", layer, numbers, True)
