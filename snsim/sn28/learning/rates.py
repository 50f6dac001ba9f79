"""Set learning rates: `epsilon`, the `epsi` family and `new-mu` (docs/reference/sn28.md, section 3.7).

Rates belong to units, or in a kernel with second derivatives to connections. In such a kernel, setting the rate of a
unit sets it for its incoming connections (so it has no effect on a unit without any), and reading it returns their
mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from snsim.language.builtins.arithmetic import number
from snsim.language.forms import NIL, Form, Pair, symbol
from snsim.language.procedures import ABSENT, CallError
from snsim.runtime.settings import number_in
from snsim.runtime.vocabulary import special_word
from snsim.sn28.learning.performance import log_line
from snsim.sn28.net.layer_fields import connections_into, field_values, read_or_set_field
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import EPSILON, SIGMA, Netspace

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

Scale = Callable[[int], float]  # from the fan-in of a unit, bias included, to the divisor of its rate


@net_word("epsilon")
def epsilon(interpreter: Interpreter, *arguments: Form) -> Form:
    """(epsilon [layer] [x]): a list of the learning rates of the units; a number or list x sets them instead"""
    value = read_or_set_field(interpreter, "epsilon", EPSILON, arguments)
    reads = not arguments or (len(arguments) == 1 and not isinstance(arguments[0], float))
    return value if reads else NIL


def _set_rates(interpreter: Interpreter, caller: str, x: Form, scale: Scale, layer: Form = NIL) -> None:
    """Set the rate x / scale(fan-in) for every unit with incoming connections, or for those in a layer."""
    rate = number(caller, x)
    net = interpreter.part(Netspace)
    counts = net.incoming.counts
    for unit in (net.all_units.array if layer is NIL else net.units(layer, caller).array).tolist():
        if counts[unit]:
            interpreter.call("nepsilon", float(unit), rate / scale(int(counts[unit])))


@net_word("epsi")
def epsi(interpreter: Interpreter, x: Form) -> Form:
    """(epsi x): sets the learning rate of every unit with n incoming connections to x/n"""
    _set_rates(interpreter, "epsi", x, float)
    interpreter.assign(symbol("eps"), x)
    log_line(interpreter, f";;; (epsi {interpreter.printed(x)})")
    return NIL


@net_word("epsi-sqrt")
def epsi_sqrt(interpreter: Interpreter, x: Form) -> Form:
    """(epsi-sqrt x): sets the learning rate of every unit with n incoming connections to x/sqrt(n)"""
    _set_rates(interpreter, "epsi-sqrt", x, math.sqrt)
    interpreter.assign(symbol("eps"), x)
    log_line(interpreter, f";;; (epsi-sqrt {interpreter.printed(x)})")
    return NIL


@special_word("epsi-layer")
def epsi_layer(interpreter: Interpreter, form: Pair) -> Form:
    """(epsi-layer x layer): like epsi, but only for the units of the layer"""
    return _layer_rates(interpreter, form, "epsi-layer", float)


@special_word("epsi-sqrt-layer")
def epsi_sqrt_layer(interpreter: Interpreter, form: Pair) -> Form:
    """(epsi-sqrt-layer x layer): like epsi-sqrt, but only for the units of the layer"""
    return _layer_rates(interpreter, form, "epsi-sqrt-layer", math.sqrt)


def _layer_rates(interpreter: Interpreter, form: Pair, caller: str, scale: Scale) -> Form:
    x, layer, name = layer_and_number(interpreter, form, caller)
    _set_rates(interpreter, caller, x, scale, layer)
    log_layer(interpreter, caller, x, layer, name)
    return NIL


def log_layer(interpreter: Interpreter, caller: str, x: Form, layer: Form, name: str) -> None:
    """Log a word for a layer as SN does, with its units and one bracket too many."""
    log_line(interpreter, f";;; ({caller} {interpreter.printed(x)} {name}) with {interpreter.printed(layer)})")


def layer_and_number(interpreter: Interpreter, form: Pair, caller: str) -> tuple[Form, Form, str]:
    """Return the values of a number and a layer in a call, and the layer as it was written, for the log."""
    cells = interpreter.elements(form.cdr, caller)
    if len(cells) != 2:
        raise CallError(
            f"{caller} takes a number and a layer; {len(cells)} argument{'s' * (len(cells) != 1)} given",
            None,
            f"write ({caller} x layer)",
        )
    x, layer = interpreter.evaluate(cells[0], form.cdr.at), interpreter.evaluate(cells[1], form.cdr.cdr.at)
    if layer is NIL:
        raise CallError(f"{caller}: {interpreter.describe(cells[1])} is an empty layer", 1, f"write ({caller} x layer)")
    return x, layer, interpreter.printed(cells[1])


@net_word("mask-epsi", "iterative")
def mask_epsi(interpreter: Interpreter, x: Form) -> Form:
    """(mask-epsi x): sets the learning rate of every unit to x/sqrt(n s)

    It has n incoming connections, and s connections in the net share the weight of the newest of them.
    """
    _set_rates(interpreter, "mask-epsi", x, math.sqrt)
    interpreter.assign(symbol("eps"), x)
    net = interpreter.part(Netspace)
    for unit in net.all_units.array.tolist():
        positions = connections_into(net, unit)
        if len(positions):
            sharers = int(net.sharers[net.incoming.weight.array[positions[-1]]])
            rate = interpreter.call("nepsilon", float(unit))
            interpreter.call("nepsilon", float(unit), rate / math.sqrt(sharers))
    log_line(interpreter, f";;; (epsi-sqrt {interpreter.printed(x)})")
    return NIL


@net_word("new-mu", "newton")
def new_mu(interpreter: Interpreter, x: Form) -> Form:
    """(new-mu x): sets mu to x, and the rate of every connection to the mean rate of the connections into its unit"""
    interpreter.assign(symbol("mu"), number("new-mu", x))
    net = interpreter.part(Netspace)
    for unit in net.all_units.array.tolist():
        if net.incoming.counts[unit]:
            interpreter.call("nepsilon", float(unit), interpreter.call("nepsilon", float(unit)))
    log_line(interpreter, f";;; (mu {interpreter.printed(x)})")
    return NIL


@net_word("real-epsilon")
def real_epsilon(interpreter: Interpreter, layer: Form = ABSENT) -> Form:
    """(real-epsilon [layer]): returns a list of the effective learning rates, one per unit of the layer or of the net

    The effective rate is epsilon, or epsilon / (mu + |sigma|) in the kernels sn28new and sn28itenew.
    """
    rates = field_values(interpreter, "real-epsilon", EPSILON, layer)
    if interpreter.part(Netspace).kernel.newton:
        mu = number_in(interpreter, "mu")
        sigmas = field_values(interpreter, "real-epsilon", SIGMA, layer)
        if any(mu + abs(sigma) == 0.0 for sigma in sigmas):
            raise CallError("real-epsilon: mu and the curvature of a unit are both 0", None, "set mu: (setq mu 0.05)")
        rates = [rate / (mu + abs(sigma)) for rate, sigma in zip(rates, sigmas)]
    return interpreter.new_list(rates, "real-epsilon")
