"""`(use-net 'name)`: make a declared net the current net of SN's words.

Units are numbered layer by layer. Connections are made layer by layer, the bias first, in the order of SN's own
builders, so that every sum is added in SN's order. The cells of a border are units of a constant state, as in programs
for the 1989 net: each unit is connected to one of them for each border cell in its window.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.lists import list_
from snsim.language.forms import Form, Pair, Symbol, fold, symbol
from snsim.language.procedures import CallError
from snsim.network.expressions import evaluate
from snsim.network.net import BORDER, Connection, Net, Nlf, Table
from snsim.network.operations import NUMPY
from snsim.runtime.host import declared_nets
from snsim.runtime.lisp_definitions import code
from snsim.sn28.net.connections import alloc_net
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import VAL, Netspace
from snsim.sn28.net.nlf import NonLinearity, Values
from snsim.sn28.net.nlf_words import FAMILIES, FunctionTriple, default_functions

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter
    from snsim.network.expressions import Expression


class ExpressionNonLinearity(NonLinearity):
    """A declared non-linearity or one of its derivatives: an expression in x, computed in single precision."""

    def __init__(self, name: str, expression: Expression, tanh: Values):
        self.name, self.expression, self.tanh = name, expression, tanh

    def values(self, x: np.ndarray) -> np.ndarray:
        values = evaluate(self.expression, {"x": x}, {**NUMPY, "tanh": self.tanh})
        return np.broadcast_to(np.asarray(values, np.float32), x.shape)


def non_linear_functions(interpreter: Interpreter, nlf: Nlf) -> FunctionTriple:
    """Return f, f' and f'' of a declared non-linearity; SN's own functions where possible, to agree in all digits."""
    family, *numbers = nlf.name.split()
    if nlf.name == "sn-tanh":
        return default_functions(interpreter)
    if family in FAMILIES:
        return FAMILIES[family](interpreter, *map(float, numbers))
    tanh = interpreter.part(Netspace).loops.tanh
    f, df, ddf = (ExpressionNonLinearity(nlf.name, e, tanh) for e in (nlf.f, nlf.df, nlf.ddf))
    return f, df, ddf


@net_word("use-net", "iterative")
def use_net(interpreter: Interpreter, name: Form) -> Form:
    """(use-net 'name): makes a declared net the current net, and sets a variable with its name to each layer's units"""
    if not isinstance(name, (Symbol, str)):
        raise CallError(
            f"use-net: expected the name of a net, got {interpreter.describe(name)}", 0, "write (use-net 'name)"
        )
    net_name = name.name if isinstance(name, Symbol) else fold(name)
    net = interpreter.part(declared_nets).get(net_name, interpreter.place())
    check_usable(net)
    space = interpreter.part(Netspace)
    borders = sum(_border_cells(connection) for connection in net.connections)
    counts = net.counts
    alloc_net(
        interpreter,
        float(1 + counts.units + borders + net.layers[-1].units),
        float(counts.connections),
        float(counts.weights),
    )
    layers = _make_layers(interpreter, net)
    _connect_layers(space, net, {layer.name: int(units.car) for layer, units in zip(net.layers, layers)})
    return interpreter.lookup("net-struc")


def missing_features(net: Net) -> list[str]:
    """Return descriptions of the net's features that SN's kernels do not have."""
    missing = [f"{transform.word} ({transform.name})" for transform in net.transforms]
    for connection in net.connections:
        if connection.scale != 1:
            missing.append(f"scale {connection.scale:g} ({connection.name})")
        if isinstance(connection.fixed, np.ndarray):
            missing.append(f"fixed codes ({connection.name})")
        elif connection.fixed is not None:
            missing.append(f"fixed {connection.fixed:g} ({connection.name})")
        if connection.weights_of is not None:
            missing.append(f"weights-of {' '.join(connection.weights_of)} ({connection.name})")
        if connection.delay:
            missing.append(f"delay ({connection.name})")
        if connection.distance:
            missing.append(f"distance ({connection.name})")
        if connection.weight_norm:
            missing.append(f"weight-norm ({connection.name})")
        others = [c for c in net.entering(connection.target) if c.source == connection.source]
        if connection.label is not None and len(others) > 1:
            missing.append(f"second connection between the same layers ({connection.name})")
    return missing


def check_usable(net: Net) -> None:
    """Raise CallError, naming all of them, if the net has features that SN's kernels do not have."""
    missing = missing_features(net)
    if missing:
        raise CallError(
            f'use-net: SN\'s kernels cannot compute net "{net.name}": they have no {", no ".join(missing)}',
            0,
            f'train "{net.name}" with (train ...), or remove these from the net',
        )


def _make_layers(interpreter: Interpreter, net: Net) -> list[Pair]:
    """Make the units of each layer, and set and define everything that build-net does."""
    layers: list[Pair] = []
    definitions: list[Form] = []
    for layer in net.layers:
        units = interpreter.call("newneurons", float(layer.units))
        interpreter.assign(symbol(layer.name), units)
        layers.append(units)
        if layer.nlf is not None:
            f, df, ddf = non_linear_functions(interpreter, layer.nlf)
            setting = code("setq", "nlf", f, "dnlf", df, "ddnlf", ddf)
            definitions.append(list_(symbol(layer.name), setting))
    inputs = layers[: len(net.inputs)]
    # SN presents a pattern to one layer: that of several input layers is the list of all their units.
    first = inputs[0] if len(inputs) == 1 else interpreter.call("append", *inputs)
    names = [net.inputs[0].name if len(inputs) == 1 else "input-layer", *(layer.name for layer in net.computed)]
    interpreter.call("make-input", first)
    interpreter.call("make-output", layers[-1])
    interpreter.call("make-desired", interpreter.call("newneurons", float(net.layers[-1].units)))
    interpreter.assign(symbol("layer-names"), list_(*map(symbol, names)))
    structure = list_(first, *layers[len(inputs) :])
    interpreter.assign(symbol("net-struc"), Pair(structure, interpreter.lookup("desired-layer")))
    interpreter.call("define-net", list_(list_(symbol(names[0])), *definitions))
    return layers


def _connect_layers(space: Netspace, net: Net, first: dict[str, int]) -> None:
    """Make all connections; `first` gives the first unit of each layer."""
    for layer in net.computed:
        bias = net.bias_table(layer.name)
        if layer.bias != "none":
            space.join(
                np.zeros(layer.units, int),
                first[layer.name] + bias.target,
                bias.weight,
                "use-net",
                prod(layer.bias_shape),
            )
        for connection in net.entering(layer.name):
            table = connection.table
            pre = np.where(table.source == BORDER, 0, first[connection.source] + table.source)
            cells = _border_cells(connection)
            if cells:
                units = space.newneurons(cells)
                space.unit[VAL].array[units.start : units.stop] = connection.border_value
                at_border = table.source == BORDER
                pre[at_border] = units.start + _rank_in_target(table)[at_border]
            space.join(pre, first[layer.name] + table.target, table.weight, "use-net", connection.wiring.weights)


def _border_cells(connection: Connection) -> int:
    """Return the largest number of border cells that one unit reads."""
    table = connection.table
    return int(np.bincount(table.target[table.source == BORDER], minlength=1).max())


def _rank_in_target(table: Table) -> np.ndarray:
    """Return, for each entry of the table, the number of border cells before it in the window of its unit."""
    at_border = (table.source == BORDER).astype(int)
    before = np.cumsum(at_border) - at_border
    starts = np.r_[True, table.target[1:] != table.target[:-1]]
    ranks: np.ndarray = before - np.repeat(before[starts], np.diff(np.r_[np.flatnonzero(starts), len(before)]))
    return ranks
