"""Learning rates: `epsilon`, the `epsi` family, `new-mu` (docs/reference/sn28.md, section 3.7).

A rate stands on a unit, or, with a kernel of second derivatives, on each connection into it: then a unit that has none
yet keeps nothing, and reading the rate of a unit gives the mean of those of its connections.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from snsim.language.builtins.arithmetic import number
from snsim.language.forms import NIL, Form, Pair, symbol
from snsim.language.procedures import ABSENT, CallError
from snsim.sn28.learning.performance import log
from snsim.sn28.net.layer_fields import access, connections_into, field
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import EPSILON, SIGMA, Netspace
from snsim.sn28.runtime.settings import number_in
from snsim.sn28.runtime.vocabulary import special_word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

Scale = Callable[[int], float]  # of the fan-in of a unit, bias included


@net_word("epsilon")
def epsilon(interpreter: Interpreter, *arguments: Form) -> Form:
    """(epsilon [layer] [x]): the learning rates of a layer, or of all units; with a number or a list, sets them"""
    value = access(interpreter, "epsilon", EPSILON, arguments)
    if len(arguments) == 1 and isinstance(arguments[0], float):
        log(interpreter, f";;; (epsilon {interpreter.printed(value)})")
    return value


def _set_rates(interpreter: Interpreter, who: str, x: Form, scale: Scale, layer: Form = NIL) -> None:
    """The rate x / scale(fan-in) for every unit that has connections, or for those of a layer."""
    rate = number(who, x)
    net = interpreter.part(Netspace)
    counts = net.incoming.counts
    for unit in (net.everything.array if layer is NIL else net.units(layer, who).array).tolist():
        if counts[unit]:
            interpreter.call("nepsilon", float(unit), rate / scale(int(counts[unit])))


@net_word("epsi")
def epsi(interpreter: Interpreter, x: Form) -> Form:
    """(epsi x): the rate of a unit of n connections is x/n"""
    _set_rates(interpreter, "epsi", x, float)
    interpreter.assign(symbol("eps"), x)
    log(interpreter, f";;; (epsi {interpreter.printed(x)})")
    return x


@net_word("epsi-sqrt")
def epsi_sqrt(interpreter: Interpreter, x: Form) -> Form:
    """(epsi-sqrt x): the rate of a unit of n connections is x/sqrt(n)"""
    _set_rates(interpreter, "epsi-sqrt", x, math.sqrt)
    interpreter.assign(symbol("eps"), x)
    log(interpreter, f";;; (epsi-sqrt {interpreter.printed(x)})")
    return x


@special_word("epsi-layer")
def epsi_layer(interpreter: Interpreter, form: Pair) -> Form:
    """(epsi-layer x layer): as epsi, for a layer"""
    return _layer_rates(interpreter, form, "epsi-layer", float)


@special_word("epsi-sqrt-layer")
def epsi_sqrt_layer(interpreter: Interpreter, form: Pair) -> Form:
    """(epsi-sqrt-layer x layer): as epsi-sqrt, for a layer"""
    return _layer_rates(interpreter, form, "epsi-sqrt-layer", math.sqrt)


def _layer_rates(interpreter: Interpreter, form: Pair, who: str, scale: Scale) -> Form:
    x, layer, name = layer_and_number(interpreter, form, who)
    _set_rates(interpreter, who, x, scale, layer)
    log(interpreter, f";;; ({who} {interpreter.printed(x)} {name})")
    return x


def layer_and_number(interpreter: Interpreter, form: Pair, who: str) -> tuple[Form, Form, str]:
    """The values of the two arguments of a word that logs the name of a layer, and that name."""
    cells = interpreter.elements(form.cdr, who)
    if len(cells) != 2:
        raise CallError(
            f"{who} takes a number and a layer, {len(cells)} argument{'s' * (len(cells) != 1)} given",
            None,
            f"write ({who} x layer)",
        )
    x, layer = interpreter.evaluate(cells[0], form.cdr.at), interpreter.evaluate(cells[1], form.cdr.cdr.at)
    if layer is NIL:
        raise CallError(f"{who}: {interpreter.describe(cells[1])} is no layer", 1, f"write ({who} x layer)")
    return x, layer, interpreter.printed(cells[1])


@net_word("mask-epsi", "iterative")
def mask_epsi(interpreter: Interpreter, x: Form) -> Form:
    """(mask-epsi x): the rate of a unit of n connections is x/sqrt(n s), s sharers of the newest weight"""
    _set_rates(interpreter, "mask-epsi", x, math.sqrt)
    interpreter.assign(symbol("eps"), x)
    net = interpreter.part(Netspace)
    for unit in net.everything.array.tolist():
        places = connections_into(net, unit)
        if len(places):
            sharers = int(net.sharers[net.incoming.weight.array[places[-1]]])
            rate = interpreter.call("nepsilon", float(unit))
            interpreter.call("nepsilon", float(unit), rate / math.sqrt(sharers))
    log(interpreter, f";;; (mask-epsi {interpreter.printed(x)})")
    return x


@net_word("new-mu", "newton")
def new_mu(interpreter: Interpreter, x: Form) -> Form:
    """(new-mu x): sets mu; rates stay, but that the connections into a unit get the mean of theirs"""
    interpreter.assign(symbol("mu"), number("new-mu", x))
    net = interpreter.part(Netspace)
    for unit in net.everything.array.tolist():
        if net.incoming.counts[unit]:
            interpreter.call("nepsilon", float(unit), interpreter.call("nepsilon", float(unit)))
    log(interpreter, f";;; (mu {interpreter.printed(x)})")
    return x


@net_word("real-epsilon")
def real_epsilon(interpreter: Interpreter, layer: Form = ABSENT) -> Form:
    """(real-epsilon [layer]): what gradients are multiplied by: rates, divided by mu + |sigma| if there is one"""
    rates = field(interpreter, "real-epsilon", EPSILON, layer)
    if interpreter.part(Netspace).kernel.newton:
        mu = number_in(interpreter, "mu")
        sigmas = field(interpreter, "real-epsilon", SIGMA, layer)
        if any(mu + abs(sigma) == 0.0 for sigma in sigmas):
            raise CallError("real-epsilon: mu and a curvature are 0", None, "set mu: (setq mu 0.05)")
        rates = [rate / (mu + abs(sigma)) for rate, sigma in zip(rates, sigmas)]
    return interpreter.new_list(rates, "real-epsilon")
