"""`(use-net 'name)`: a net stated in declarative words becomes the net of SN's words.

Units are numbered layer by layer, connections made layer by layer, the bias first, in the order in which SN's builders
would make them: so every sum is added as SN adds it. Cells of a border are units of a constant state, as in programs
for the 1989 net; each unit that a border reaches reads as many of them as its window has cells there.
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
from snsim.registry import Shelf
from snsim.sn28.net.connections import alloc_net
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import VAL, Netspace
from snsim.sn28.net.nlf import NonLinearity, Values
from snsim.sn28.net.nlf_words import FAMILIES, Functions, default_functions
from snsim.sn28.runtime.lisp_definitions import code

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter
    from snsim.network.expressions import Expression


def declared_nets(interpreter: Interpreter) -> Shelf[Net]:
    """The nets that a program declared: none, unless `interpreter.keep(declared_nets, shelf)` says which."""
    return Shelf("net")


class OfExpression(NonLinearity):
    """A declared non-linearity, or a derivative of it: an expression in x, computed in single precision."""

    def __init__(self, name: str, expression: Expression, tanh: Values):
        self.name, self.expression, self.tanh = name, expression, tanh

    def values(self, x: np.ndarray) -> np.ndarray:
        made = evaluate(self.expression, {"x": x}, {**NUMPY, "tanh": self.tanh})
        return np.broadcast_to(np.asarray(made, np.float32), x.shape)


def non_linear_functions(interpreter: Interpreter, nlf: Nlf) -> Functions:
    """f, f' and f'': SN's own where the declared function is one of them, so that the last digits agree."""
    title, *numbers = nlf.name.split()
    if nlf.name == "sn-tanh":
        return default_functions(interpreter)
    if title in FAMILIES:
        return FAMILIES[title](interpreter, *map(float, numbers))
    tanh = interpreter.part(Netspace).loops.tanh
    f, df, ddf = (OfExpression(nlf.name, e, tanh) for e in (nlf.f, nlf.df, nlf.ddf))
    return f, df, ddf


@net_word("use-net", "iterative")
def use_net(interpreter: Interpreter, name: Form) -> Form:
    """(use-net 'name): a declared net becomes the current one; its layers become variables that hold their units"""
    if not isinstance(name, (Symbol, str)):
        raise CallError(f"use-net: {interpreter.describe(name)} is no name of a net", 0, "write (use-net 'name)")
    title = name.name if isinstance(name, Symbol) else fold(name)
    net = interpreter.part(declared_nets).get(title, interpreter.place())
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


def lacks(net: Net) -> list[str]:
    """What the net has and SN's kernels do not."""
    lacking = [f"{transform.word} ({transform.name})" for transform in net.transforms]
    for connection in net.connections:
        if connection.scale != 1:
            lacking.append(f"scale {connection.scale:g} ({connection.name})")
        if connection.fixed is not None:
            lacking.append(f"fixed {connection.fixed:g} ({connection.name})")
        if connection.weight_norm:
            lacking.append(f"weight-norm ({connection.name})")
    return lacking


def check_usable(net: Net) -> None:
    """CallError, naming all of them, for what SN's kernels do not have."""
    lacking = lacks(net)
    if lacking:
        raise CallError(
            f"use-net: SN's units know no {', no '.join(lacking)}",
            0,
            f'train "{net.name}" by (train ...), or state it without',
        )


def _make_layers(interpreter: Interpreter, net: Net) -> list[Pair]:
    """The units of each layer, with all that build-net sets and defines."""
    layers = []
    definitions = []
    for layer in net.layers:
        units = interpreter.call("newneurons", float(layer.units))
        interpreter.assign(symbol(layer.name), units)
        layers.append(units)
        entry: list[Form] = [symbol(layer.name)]
        if layer.nlf is not None:
            f, df, ddf = non_linear_functions(interpreter, layer.nlf)
            entry.append(code("setq", "nlf", f, "dnlf", df, "ddnlf", ddf))
        definitions.append(list_(*entry))
    interpreter.call("make-input", layers[0])
    interpreter.call("make-output", layers[-1])
    interpreter.call("make-desired", interpreter.call("newneurons", float(net.layers[-1].units)))
    interpreter.assign(symbol("layer-names"), list_(*(symbol(layer.name) for layer in net.layers)))
    interpreter.assign(symbol("net-struc"), Pair(list_(*layers), interpreter.lookup("desired-layer")))
    interpreter.call("define-net", list_(*definitions))
    return layers


def _connect_layers(space: Netspace, net: Net, first: dict[str, int]) -> None:
    """All connections; `first` is the first unit of each layer."""
    for layer in net.layers[1:]:
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
    """How many cells of the border one unit reads at most."""
    table = connection.table
    return int(np.bincount(table.target[table.source == BORDER], minlength=1).max())


def _rank_in_target(table: Table) -> np.ndarray:
    """For each entry, how many cells of the border stand before it in the window of its unit."""
    at_border = (table.source == BORDER).astype(int)
    before = np.cumsum(at_border) - at_border
    starts = np.r_[True, table.target[1:] != table.target[:-1]]
    ranks: np.ndarray = before - np.repeat(before[starts], np.diff(np.r_[np.flatnonzero(starts), len(before)]))
    return ranks
