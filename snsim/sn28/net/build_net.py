"""Making nets: `build-net` and the functions that `define-net` writes for its layers.

See docs/reference/sn28.md, section 3.6.

The functions are Lisp functions of the program, made as a list and looked up by name when they are called: a program
prints them, replaces them, or calls others under their names. The order of the layers, not the connections, decides
the order of the work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snsim.language.builtins.arithmetic import whole
from snsim.language.forms import NIL, Form, Pair, Symbol, make_list, symbol
from snsim.language.procedures import CallError
from snsim.sn28.runtime.lisp_definitions import code, define
from snsim.sn28.runtime.settings import Settings
from snsim.sn28.runtime.vocabulary import word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_NLF = (symbol("nlf"), symbol("dnlf"), symbol("ddnlf"))
_LAYERS = "((name size) (name size (nlf-tanh ...)) ...)"
_LINKS = "((from to) ...)"


@word("build-net")
def build_net(interpreter: Interpreter, layers: Form, links: Form) -> Form:
    """(build-net layers links): a net of layers ((name size [nlf-call]) ...), with biases, joined as ((from to) ...)"""
    return _build(interpreter, "build-net", layers, links, True)


@word("build-net-nobias")
def build_net_nobias(interpreter: Interpreter, layers: Form, links: Form) -> Form:
    """(build-net-nobias layers links): as build-net, without connections from the bias unit"""
    return _build(interpreter, "build-net-nobias", layers, links, False)


@word("make-input")
def make_input(interpreter: Interpreter, layer: Form) -> Form:
    """(make-input layer): from now on this is the input layer"""
    return _remember(interpreter, "input-layer", layer)


@word("make-output")
def make_output(interpreter: Interpreter, layer: Form) -> Form:
    """(make-output layer): from now on this is the output layer"""
    return _remember(interpreter, "output-layer", layer)


@word("make-desired")
def make_desired(interpreter: Interpreter, layer: Form) -> Form:
    """(make-desired layer): from now on this layer holds what the outputs should be"""
    return _remember(interpreter, "desired-layer", layer)


def _remember(interpreter: Interpreter, name: str, layer: Form) -> Form:
    interpreter.assign(symbol(name), layer)
    return layer


def _build(interpreter: Interpreter, who: str, layers: Form, links: Form, biased: bool) -> Form:
    """Layers, input and output, the desired layer, the functions, the biases, the connections: in this order."""
    interpreter.part(Settings)
    entries = _entries(interpreter, who, layers, 0, _LAYERS)
    joined = _entries(interpreter, who, links, 1, _LINKS)
    if len(entries) < 2:
        raise CallError(
            f"{who}: {len(entries)} layers are given; a net has an input and an output", 0, f"write {_LAYERS}"
        )
    units = [_new_layer(interpreter, who, entry) for entry in entries]
    interpreter.call("make-input", units[0])
    interpreter.call("make-output", units[-1])
    outputs = len(interpreter.elements(units[-1], who))
    interpreter.call("make-desired", interpreter.call("newneurons", float(outputs)))
    names = interpreter.new_list([entry[0] for entry in entries], who)
    interpreter.assign(symbol("layer-names"), names)
    interpreter.assign(symbol("net-struc"), Pair(interpreter.new_list(units, who), interpreter.lookup("desired-layer")))
    interpreter.call("define-net", make_list(make_list([entry[0], *entry[2:]]) for entry in entries))
    for layer in units[1:] if biased else ():
        interpreter.call("connect", 0.0, layer)
    for source, target in joined:
        interpreter.call("connect", interpreter.evaluate(source), interpreter.evaluate(target))
    return interpreter.lookup("net-struc")


def _entries(interpreter: Interpreter, who: str, given: Form, argument: int, syntax: str) -> list[list[Form]]:
    """The lists in a list; each has two elements, or three if it is a layer's."""
    most = 3 if argument == 0 else 2
    entries = []
    for item in _items(interpreter, who, given, argument, syntax):
        parts = _items(interpreter, who, item, argument, syntax)
        if not 2 <= len(parts) <= most:
            raise CallError(
                f"{who}: {interpreter.describe(item)} has {len(parts)} elements", argument, f"write {syntax}"
            )
        entries.append(parts)
    return entries


def _items(interpreter: Interpreter, who: str, given: Form, argument: int, syntax: str) -> list[Form]:
    if given is not NIL and not isinstance(given, Pair):
        raise CallError(f"{who}: {interpreter.describe(given)} is no list", argument, f"write {syntax}")
    return interpreter.elements(given, who)


def _new_layer(interpreter: Interpreter, who: str, entry: list[Form]) -> Form:
    """The units of a new layer; its name is their variable from now on."""
    name, size = entry[0], entry[1]
    if not isinstance(name, Symbol):
        raise CallError(f"{who}: {interpreter.describe(name)} is no name for a layer", 0, f"write {_LAYERS}")
    count = interpreter.evaluate(size)
    if not isinstance(count, float) or whole(who, count) < 1:
        raise CallError(
            f"{who}: the layer {name.name} has the size {interpreter.describe(count)}",
            0,
            "a size is a number of units, 1 or more, or a form that gives one",
        )
    units = interpreter.call("newneurons", count)
    interpreter.assign(name, units)
    return units


# The functions of a net


@word("define-net")
def define_net(interpreter: Interpreter, layers: Form) -> Form:
    """(define-net ((name [nlf-call]) ...)): writes forward-prop, backward-prop ... for these layers, in this order"""
    named = []
    for item in _items(interpreter, "define-net", layers, 0, "((name [nlf-call]) ...)"):
        parts = _items(interpreter, "define-net", item, 0, "((name [nlf-call]) ...)")
        if not 1 <= len(parts) <= 2:
            raise CallError(
                f"define-net: {interpreter.describe(item)} is not (name [nlf-call])",
                0,
                "write a name, or (name (nlf-f-tanh a b c d))",
            )
        named.append((parts[0], _own_functions(interpreter, parts[1]) if len(parts) == 2 else _NLF))
    if len(named) < 2:
        raise CallError("define-net: a net has an input and an output layer", 0, "write ((name [nlf-call]) ...)")
    computed, hidden, output = named[1:], named[1:-1], named[-1]
    back_to_first = list(reversed(computed))
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
                code("progn", *[code("update-lmggradient", df, "gamma", layer) for layer, (_, df, _) in back_to_first]),
                *[code("update-ggradient", df, ddf, "gamma", layer) for layer, (_, df, ddf) in back_to_first],
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


def _own_functions(interpreter: Interpreter, call: Form) -> tuple[Form, Form, Form]:
    """What a layer's own call makes nlf, dnlf and ddnlf; those of the other layers stay as they are."""
    for name in _NLF:
        interpreter.bind(name, interpreter.lookup(name))
    try:
        interpreter.evaluate(call)
        return interpreter.lookup(_NLF[0]), interpreter.lookup(_NLF[1]), interpreter.lookup(_NLF[2])
    finally:
        for name in _NLF:
            interpreter.unbind(name)
