"""Draw initial weights: the `forget` family of words (docs/reference/sn28.md, section 3.7).

One number is drawn for each connection: unit by unit, and for one unit in the order of its connections. A shared weight
keeps the last number drawn, in the range of the unit for which that number was drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import finite, number
from snsim.language.forms import NIL, Form, Pair, symbol
from snsim.runtime.random_numbers import RandomGenerator
from snsim.runtime.settings import Settings
from snsim.runtime.vocabulary import special_word
from snsim.sn28.learning.performance import log_line
from snsim.sn28.learning.rates import layer_and_number, log_layer
from snsim.sn28.net.connections import all_connections
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import Netspace

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

Scale = Callable[[np.ndarray], np.ndarray]  # from fan-ins, bias included, to the divisors of the range


def _unscaled(fan_in: np.ndarray) -> np.ndarray:
    return np.ones(len(fan_in))


def _fan_in(fan_in: np.ndarray) -> np.ndarray:
    return fan_in.astype(float)


def _root_fan_in(fan_in: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(fan_in))


def _forget(interpreter: Interpreter, caller: str, x: Form, scale: Scale, layer: Form = NIL) -> None:
    """Draw a weight from -x/scale to x/scale for every connection, or for those into a layer; restart learning."""
    interpreter.part(Settings)
    net = interpreter.part(Netspace)
    limit = finite(caller, number(caller, x))
    connections = all_connections(net)
    if layer is not NIL:
        chosen = np.zeros(net.nnum, bool)
        chosen[net.units(layer, caller).array] = True
        connections = connections[chosen[net.post.array[connections]]]
    half_widths = limit / scale(net.incoming.counts[net.post.array[connections]])
    drawn = interpreter.part(RandomGenerator).rand_ranges(-half_widths, half_widths)
    weights = net.weight.array[connections]
    net.weight_val.array[weights] = drawn  # a shared weight keeps its last number
    if scale is _unscaled:
        net.delta.array[weights] = 0
    interpreter.assign(symbol("age"), 0.0)
    interpreter.assign(symbol("current-pattern"), 0.0)


@net_word("forget")
def forget(interpreter: Interpreter, x: Form) -> Form:
    """(forget x): draws every weight uniformly from -x to x, and sets its last change to 0

    It also sets age and current-pattern to 0.
    """
    _forget(interpreter, "forget", x, _unscaled)
    log_line(interpreter, f";;; (forget {interpreter.printed(x)})")
    return NIL


@net_word("forget-inv")
def forget_inv(interpreter: Interpreter, x: Form) -> Form:
    """(forget-inv x): draws the weights into a unit with n connections uniformly from -x/n to x/n"""
    _forget(interpreter, "forget-inv", x, _fan_in)
    log_line(interpreter, f";;; (forget-inv {interpreter.printed(x)})")
    return NIL


@net_word("forget-sqrt")
def forget_sqrt(interpreter: Interpreter, x: Form) -> Form:
    """(forget-sqrt x): draws the weights into a unit with n connections uniformly from -x/sqrt(n) to x/sqrt(n)"""
    _forget(interpreter, "forget-sqrt", x, _root_fan_in)
    log_line(interpreter, f";;; (forget-sqrt {interpreter.printed(x)})")
    return NIL


@net_word("smartforget")
def smartforget(interpreter: Interpreter) -> Form:
    """(smartforget): the same as (forget-sqrt 1)"""
    return interpreter.call("forget-sqrt", 1.0)


@special_word("forget-layer")
def forget_layer(interpreter: Interpreter, form: Pair) -> Form:
    """(forget-layer x layer): like forget, but only for the connections into the layer"""
    return _forget_layer(interpreter, form, "forget-layer", _unscaled)


@special_word("forget-inv-layer")
def forget_inv_layer(interpreter: Interpreter, form: Pair) -> Form:
    """(forget-inv-layer x layer): like forget-inv, but only for the connections into the layer"""
    return _forget_layer(interpreter, form, "forget-inv-layer", _fan_in)


@special_word("forget-sqrt-layer")
def forget_sqrt_layer(interpreter: Interpreter, form: Pair) -> Form:
    """(forget-sqrt-layer x layer): like forget-sqrt, but only for the connections into the layer"""
    return _forget_layer(interpreter, form, "forget-sqrt-layer", _root_fan_in)


def _forget_layer(interpreter: Interpreter, form: Pair, caller: str, scale: Scale) -> Form:
    x, layer, name = layer_and_number(interpreter, form, caller)
    _forget(interpreter, caller, x, scale, layer)
    log_layer(interpreter, caller, x, layer, name)
    return NIL
