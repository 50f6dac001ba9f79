"""Build nets: `build-net`, and the functions that `define-net` defines for the layers.

See docs/reference/sn28.md, section 3.6.

These functions are Lisp functions, looked up by name at each call, so a program can print or replace them. They
process layers in the order in which the layers are listed, whatever the connections are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snsim.language.builtins.arithmetic import whole
from snsim.language.forms import NIL, Form, Pair, Symbol, make_list, symbol
from snsim.language.procedures import CallError
from snsim.runtime.lisp_definitions import code, define
from snsim.runtime.settings import Settings
from snsim.runtime.vocabulary import word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_NLF = (symbol("nlf"), symbol("dnlf"), symbol("ddnlf"))
_LAYERS = "((name size) (name size (nlf-tanh ...)) ...)"
_LINKS = "((from to) ...)"


@word("build-net")
def build_net(interpreter: Interpreter, layers: Form, links: Form) -> Form:
    """(build-net layers links): builds a net with biases from ((name size [nlf-call]) ...) and ((from to) ...)

    The first layer becomes the input layer, the last the output layer. Each name becomes a variable of the layer's
    units.
    """
    return _build(interpreter, "build-net", layers, links, True)


@word("build-net-nobias")
def build_net_nobias(interpreter: Interpreter, layers: Form, links: Form) -> Form:
    """(build-net-nobias layers links): like build-net, without connections from the bias unit"""
    return _build(interpreter, "build-net-nobias", layers, links, False)


@word("make-input")
def make_input(interpreter: Interpreter, layer: Form) -> Form:
    """(make-input layer): sets input-layer to the layer"""
    return _assign_layer(interpreter, "input-layer", layer)


@word("make-output")
def make_output(interpreter: Interpreter, layer: Form) -> Form:
    """(make-output layer): sets output-layer to the layer"""
    return _assign_layer(interpreter, "output-layer", layer)


@word("make-desired")
def make_desired(interpreter: Interpreter, layer: Form) -> Form:
    """(make-desired layer): sets desired-layer, whose states are the desired outputs, to the layer"""
    return _assign_layer(interpreter, "desired-layer", layer)


def _assign_layer(interpreter: Interpreter, name: str, layer: Form) -> Form:
    interpreter.assign(symbol(name), layer)
    return layer


def _build(interpreter: Interpreter, caller: str, layers: Form, links: Form, with_bias: bool) -> Form:
    """Build a net in SN's order: layers, input and output, desired layer, functions, biases, connections."""
    interpreter.part(Settings)
    entries = _entries(interpreter, caller, layers, 0, _LAYERS)
    link_entries = _entries(interpreter, caller, links, 1, _LINKS)
    if len(entries) < 2:
        raise CallError(f"{caller}: expected 2 layers or more, got {len(entries)}", 0, f"write {_LAYERS}")
    units = [_new_layer(interpreter, caller, entry) for entry in entries]
    interpreter.call("make-input", units[0])
    interpreter.call("make-output", units[-1])
    outputs = len(interpreter.elements(units[-1], caller))
    interpreter.call("make-desired", interpreter.call("newneurons", float(outputs)))
    names = interpreter.new_list([entry[0] for entry in entries], caller)
    interpreter.assign(symbol("layer-names"), names)
    interpreter.assign(
        symbol("net-struc"), Pair(interpreter.new_list(units, caller), interpreter.lookup("desired-layer"))
    )
    interpreter.call("define-net", make_list(make_list([entry[0], *entry[2:]]) for entry in entries))
    for layer in units[1:] if with_bias else ():
        interpreter.call("connect", 0.0, layer)
    for source, target in link_entries:
        interpreter.call("connect", interpreter.evaluate(source), interpreter.evaluate(target))
    return NIL


def _entries(interpreter: Interpreter, caller: str, value: Form, argument: int, syntax: str) -> list[list[Form]]:
    """Return the entries of a list of lists: two elements each, or two to three in the list of layers (argument 0)."""
    max_elements = 3 if argument == 0 else 2
    entries = []
    for item in _list_items(interpreter, caller, value, argument, syntax):
        parts = _list_items(interpreter, caller, item, argument, syntax)
        if not 2 <= len(parts) <= max_elements:
            raise CallError(
                f"{caller}: {interpreter.describe(item)} has {len(parts)} elements", argument, f"write {syntax}"
            )
        entries.append(parts)
    return entries


def _list_items(interpreter: Interpreter, caller: str, value: Form, argument: int, syntax: str) -> list[Form]:
    if value is not NIL and not isinstance(value, Pair):
        raise CallError(f"{caller}: expected a list, got {interpreter.describe(value)}", argument, f"write {syntax}")
    return interpreter.elements(value, caller)


def _new_layer(interpreter: Interpreter, caller: str, entry: list[Form]) -> Form:
    """Make the units of a new layer, and set the variable of its name to them."""
    name, size = entry[0], entry[1]
    if not isinstance(name, Symbol):
        raise CallError(
            f"{caller}: expected the name of a layer, got {interpreter.describe(name)}", 0, f"write {_LAYERS}"
        )
    count = interpreter.evaluate(size)
    if not isinstance(count, float) or whole(caller, count) < 1:
        raise CallError(
            f"{caller}: layer {name.name} has size {interpreter.describe(count)}, not a whole number of 1 or more",
            0,
            f"write the number of units, as in ({name.name} 10), or a form that returns one",
        )
    units = interpreter.call("newneurons", count)
    interpreter.assign(name, units)
    return units


# The functions of a net


@word("define-net")
def define_net(interpreter: Interpreter, layers: Form) -> Form:
    """(define-net ((name [nlf-call]) ...)): defines forward-prop, backward-prop ... for these layers, in this order"""
    named = []
    for item in _list_items(interpreter, "define-net", layers, 0, "((name [nlf-call]) ...)"):
        parts = _list_items(interpreter, "define-net", item, 0, "((name [nlf-call]) ...)")
        if not 1 <= len(parts) <= 2:
            raise CallError(
                f"define-net: {interpreter.describe(item)} is not (name [nlf-call])",
                0,
                "write a name, or (name (nlf-f-tanh a b c d))",
            )
        named.append((parts[0], _layer_functions(interpreter, parts[1]) if len(parts) == 2 else _NLF))
    if len(named) < 2:
        raise CallError(f"define-net: expected 2 layers or more, got {len(named)}", 0, "write ((name [nlf-call]) ...)")
    computed, hidden, output = named[1:], named[1:-1], named[-1]
    last_to_first = list(reversed(computed))
    errors = code("init-grad", output[1][1], "out", "des")
    definitions = {
        "forward-prop": [code("update-state", "theta", f, layer) for layer, (f, _, _) in computed],
        "backward-prop": [
            code("do-compute-err", "output-layer", "desired-layer"),
            *[code("update-gradient", df, layer) for layer, (_, df, _) in reversed(hidden)],
        ],
        "do-update-weight": [code("update-weight", "alpha", "decay")],
        "do-update-acc": [code("update-acc")],
        "do-update-hess": [code("update-hess")],
        "forward-2-prop": [code("update-deltastate", df, layer) for layer, (_, df, _) in computed],
        "backward-2-prop": [
            code(
                "if",
                "lev-mar",
                code("progn", *[code("update-lmggradient", df, "gamma", layer) for layer, (_, df, _) in last_to_first]),
                *[code("update-ggradient", df, ddf, "gamma", layer) for layer, (_, df, ddf) in last_to_first],
            )
        ],
        "do-update-weight-newton": [code("update-w-newton", "alpha", "decay", "mu")],
    }
    for name, body in definitions.items():
        define(interpreter, name, code("net"), *body)
    define(
        interpreter,
        "do-compute-err",
        code("out", "des"),
        code("setq", "local-error", code("/", errors, code("length", "out"))),
    )
    return NIL


def _layer_functions(interpreter: Interpreter, call: Form) -> tuple[Form, Form, Form]:
    """Return the nlf, dnlf and ddnlf that a layer's own call sets, without changing those of the other layers."""
    for name in _NLF:
        interpreter.bind(name, interpreter.lookup(name))
    try:
        interpreter.evaluate(call)
        return interpreter.lookup(_NLF[0]), interpreter.lookup(_NLF[1]), interpreter.lookup(_NLF[2])
    finally:
        for name in _NLF:
            interpreter.unbind(name)
