"""Hooks that display a net while it learns or is measured, and words that choose them.

See docs/reference/sn28.md, section 3.13.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snsim.language.forms import NIL, Form, Pair, symbol
from snsim.runtime.settings import NET, Settings, layer_in, number_in
from snsim.runtime.vocabulary import word
from snsim.sn28.net.connections import all_connections
from snsim.sn28.net.layer_fields import field_values
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import GRAD, VAL, Netspace

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


@word("disp-nil")
def disp_nil(interpreter: Interpreter, n: Form) -> Form:
    """(disp-nil n): does nothing; it is the display function that shows nothing"""
    return NIL


@word("disp-user")
def disp_user(interpreter: Interpreter, n: Form) -> Form:
    """(disp-user n): does nothing; a program can redefine it to display pattern n"""
    return NIL


@word("disp-text")
def disp_text(interpreter: Interpreter, n: Form) -> Form:
    """(disp-text n): prints a line with the age, n, the error of the last pattern, and whether its answer was good"""
    mark = "**arrgh**" if interpreter.lookup("good-answer") is NIL else "  ok  "
    return interpreter.call(
        "printf",
        "age=%d  pattern=%d  error=%9.5f  %s\n",
        number_in(interpreter, "age", 0.0),
        n,
        number_in(interpreter, "local-error"),
        mark,
    )


_WITH_ERROR_CURVE = ("disp-error", "disp-everything")


def _add_setter(name: str, learning: str, measuring: str) -> None:
    def choose(interpreter: Interpreter) -> Form:
        interpreter.part(Settings)
        if learning in _WITH_ERROR_CURVE:
            interpreter.call("init-disp-error")
        for variable, function in (("disp-basic-iteration", learning), ("disp-perf-iteration", measuring)):
            interpreter.assign(symbol(variable), interpreter.procedure(symbol(function)))
        return symbol(learning)

    choose.__doc__ = f"({name}): makes training call {learning} for each pattern, and perf call {measuring}"
    word(name)(choose)


for _setter in (
    ("set-disp-nil", "disp-nil", "disp-nil"),
    ("set-disp-text", "disp-text", "disp-text"),
    ("set-disp-error", "disp-error", "disp-nil"),
    ("set-disp-net", "disp-net", "disp-net"),
    ("set-disp-net-and-error", "disp-error", "disp-net"),
    ("set-disp-everything", "disp-everything", "disp-nil"),
    ("set-disp-user", "disp-user", "disp-user"),
):
    _add_setter(*_setter)


# The net as text


@net_word("print-layer")
def print_layer(interpreter: Interpreter, layer: Form) -> Form:
    """(print-layer layer): prints a line of dashes, the states of the layer (X), and its gradients (Y)"""
    rows = [("X", VAL), ("Y", GRAD)]
    values = [field_values(interpreter, "print-layer", field, layer) for _, field in rows]
    lines = [f"{name}  :" + "".join(f" {x:6.3f}" for x in row) for (name, _), row in zip(rows, values)]
    interpreter.print_text("\n".join(["-" * 7 * len(values[0]), *lines]) + "\n")
    return NIL


@net_word("prneur")
def prneur(interpreter: Interpreter) -> Form:
    """(prneur): prints every layer from the input to the output, as print-layer does"""
    net = layer_in(interpreter, NET)
    for layer in interpreter.elements(net.car if isinstance(net, Pair) else NIL, "prneur"):
        interpreter.call("print-layer", layer)
    return NIL


@net_word("prsyn")
def prsyn(interpreter: Interpreter) -> Form:
    """(prsyn): prints the weight and the last change of every connection"""
    net = interpreter.part(Netspace)
    for connection in all_connections(net).tolist():
        weight = net.weight.array[connection]
        interpreter.print_text(
            f"{net.pre.array[connection]:04d}->{net.post.array[connection]:04d} "
            f"val{net.weight_val.array[weight]:6.3f} delta{net.delta.array[weight]:6.3f}\n"
        )
    return NIL


@net_word("prnet")
def prnet(interpreter: Interpreter) -> Form:
    """(prnet): prints the age, every layer and every connection"""
    interpreter.call("printf", "Age %d\n", number_in(interpreter, "age", 0.0))
    interpreter.call("prneur")
    return interpreter.call("prsyn")
