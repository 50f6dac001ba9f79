"""Write the net that an SN-2.8 program made as a declarative `net` form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import wrap

import numpy as np

from snsim.convert.layers import Layers, bias_of, layers_of, refusal
from snsim.convert.links import Link, link, same_sharing, tables_of
from snsim.convert.nlf import declared_nlf
from snsim.convert.recorder import BuiltNet
from snsim.errors import SnError
from snsim.language.forms import symbol
from snsim.language.printer import show
from snsim.network.net import BORDER, Net
from snsim.network.wiring import Table
from snsim.sn28.net.nlf import LispNonLinearity
from snsim.text_table import shape_form

_LINE_LENGTH = 110  # characters of a line


@dataclass(frozen=True)
class NetForms:
    """The forms that declare a net, tables first (`text`), and what they leave out, one sentence each (`notes`)."""

    text: str
    notes: tuple[str, ...]
    layers: Layers


def describe(net: BuiltNet, name: str, own_functions: bool = True) -> NetForms:
    """Return the `net` form, with its tables and an `expect` clause.

    `own_functions`: write non-linearities that the program defines as expressions, which the declarative reader may not
    accept. Raises SnError if the declarative words cannot state the net.
    """
    layers = layers_of(net)
    links = [link(net, layers, s, t, table, own) for (s, t), (table, own) in tables_of(net, layers).items()]
    notes = [f"the layer {lost}, which has no connections" for lost in layers.dropped]
    if len(layers.names) < 2:
        raise refusal(f"the net has {len(layers.names)} layer with connections, but a declared net needs two or more")
    nlfs = _nlfs(net, layers, notes, own_functions)
    biases = [bias_of(net, layers, k) for k in range(layers.inputs, len(layers.names))]
    common = nlfs[0] if len(set(nlfs)) == 1 else "sn-tanh", biases[0] if len(set(biases)) == 1 else "unit"
    tables, named = _tables(layers, links, name)
    body = [f"(default (nlf {common[0]}) (bias {common[1]}))"]
    for k, (title, shape) in enumerate(zip(layers.names, layers.shapes)):
        parts = [show(symbol(title)), shape_form(shape)]
        number = k - layers.inputs  # of the computed layers
        if number < 0 and layers.inputs > 1:
            parts.append("(input)")
        if number >= 0 and nlfs[number] != common[0]:
            parts.append(f"(nlf {nlfs[number]})")
        if number >= 0 and biases[number] != common[1]:
            parts.append(f"(bias {biases[number]})")
        body.append(f"(layer {' '.join(parts)})")
    body += _connect_clauses(layers, links, named)
    units = sum(len(own) for own in layers.units)
    body.append(f"(expect (units {units}) (connections {len(net.pre)}) (weights {len(np.unique(net.weight))}))")
    lines = [f"(net {show(symbol(name))}", *(line for clause in body for line in _wrap_clause(clause))]
    return NetForms("\n\n".join([*tables, "\n".join(lines) + ")"]), tuple(notes), layers)


def _wrap_clause(clause: str) -> list[str]:
    """Wrap a clause into lines that are not too long."""
    return wrap(
        clause,
        _LINE_LENGTH,
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _nlfs(net: BuiltNet, layers: Layers, notes: list[str], own_functions: bool) -> list[str]:
    """Return the non-linearity of each computed layer."""
    nlfs = []
    for name in layers.names[layers.inputs :]:
        f = net.nlfs.get(name, net.nlf)
        text = declared_nlf(f) if own_functions or not isinstance(f, LispNonLinearity) else None
        if text is None:
            notes.append(f"the non-linearity of {name}, {f}: replaced by linear; declare yours with (define-nlf ...)")
        nlfs.append(text or "linear")
    return nlfs


def _tables(layers: Layers, links: list[Link], net: str) -> tuple[list[str], dict[int, str]]:
    """Return the drawings of the tables, each once, and the name of the table of each link by its number."""
    texts: list[str] = []
    names: dict[int, str] = {}
    drawn: dict[str, str] = {}
    for k, connection in enumerate(links):
        if connection.maps is None:
            continue
        rows = "\n".join("  (" + " ".join("x" if fed else "-" for fed in row) + ")" for row in connection.maps)
        if rows not in drawn:
            drawn[rows] = show(symbol(f"{net}-{layers.names[connection.source]}-{layers.names[connection.target]}"))
            texts.append(f"(table {drawn[rows]}\n{rows})")
        names[k] = drawn[rows]
    return texts, names


def _connect_clauses(layers: Layers, links: list[Link], named: dict[int, str]) -> list[str]:
    """Return the connect clauses; layers with the same connections share a clause."""
    targets: dict[tuple[str, int], list[int]] = {}
    for k, connection in enumerate(links):
        scheme = connection.scheme + (f" (table {named[k]})" if k in named else "")
        targets.setdefault((scheme, connection.source), []).append(connection.target)
    sources: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    for (scheme, s), ts in targets.items():
        sources.setdefault((scheme, tuple(ts)), []).append(s)
    return [f"(connect {_names(layers, ss)} {_names(layers, ts)} {scheme})" for (scheme, ts), ss in sources.items()]


def _names(layers: Layers, numbers: list[int] | tuple[int, ...]) -> str:
    names = [show(symbol(layers.names[k])) for k in numbers]
    return names[0] if len(names) == 1 else f"({' '.join(names)})"


# The check


def check_same_net(net: BuiltNet, layers: Layers, declared: Net, names: Mapping[str, str] | None = None) -> None:
    """Check that the declared net is the one that the program made.

    The same units must be connected, the same connections must share a weight, and borders must have the same value.
    Raises SnError, naming the layers, if they differ. `names`: the program's names of declared layers, where they
    differ.
    """
    called = names or {layer.name: layer.name for layer in declared.layers}
    places = {name: layers.names.index(other) for name, other in called.items() if other in layers.names}
    missing = next((layer.name for layer in declared.layers if layer.name not in places), None)
    if missing is not None or len(layers.names) != len(declared.layers):
        raise _difference_error(f"its layers {missing or ''}".strip())
    remaining = tables_of(net, layers)
    for c in declared.connections:
        actual_table = remaining.pop((places[c.source], places[c.target]), None)
        if (
            actual_table is None
            or not same_sharing(c.table, actual_table[0])
            or not _same_border(net, actual_table[0], actual_table[1], c.border_value)
        ):
            raise _difference_error(f"{c.source} to {c.target}")
    for s, t in remaining:
        raise _difference_error(f"{layers.names[s]} to {layers.names[t]}")
    for layer in declared.layers:
        bias_connections = np.flatnonzero((net.pre == 0) & (layers.layer_of[net.post] == places[layer.name]))
        actual = Table(
            np.full(len(bias_connections), -1), layers.index[net.post[bias_connections]], net.weight[bias_connections]
        )
        if not same_sharing(declared.bias_table(layer.name), actual):
            raise _difference_error(f"the bias of {layer.name}")


def _same_border(net: BuiltNet, table: Table, connections: np.ndarray, value: float) -> bool:
    return bool((net.values[net.pre[connections][table.source == BORDER]] == np.float32(value)).all())


def _difference_error(what: str) -> SnError:
    return refusal(f"the converted net differs from the original in {what}, so nothing is written")
