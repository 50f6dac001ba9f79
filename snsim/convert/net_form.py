"""The declarative text of a net that a program of SN-2.8 made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import wrap

import numpy as np

from snsim.convert.layers import Layers, bias_of, layers_of, refusal
from snsim.convert.links import Link, link, same_sharing, tables_of
from snsim.convert.nlf import declared_nlf
from snsim.convert.recorder import Construction
from snsim.errors import SnError
from snsim.language.forms import symbol
from snsim.language.printer import show
from snsim.network.net import BORDER, Net
from snsim.network.wiring import Table
from snsim.sn28.net.nlf import LispNonLinearity
from snsim.text_table import shape_form

_WIDE = 110  # characters of a line


@dataclass(frozen=True)
class Described:
    """`text`: the forms that state the net, tables first. `notes`: what they leave out, a sentence each."""

    text: str
    notes: tuple[str, ...]
    layers: Layers


def describe(net: Construction, name: str, own_functions: bool = True) -> Described:
    """The `net` form, with its tables and an `expect`. SnError if the declarative words cannot state the net.

    `own_functions`: non-linearities that the program defines stand as expressions, which may not be readable.
    """
    layers = layers_of(net)
    links = [link(net, layers, s, t, table, own) for (s, t), (table, own) in tables_of(net, layers).items()]
    notes = [f"the layer {lost}: it has no connections" for lost in layers.dropped]
    if len(layers.names) < 2:
        raise refusal(f"the net has {len(layers.names)} layer with connections; a declared net has two at least")
    nlfs = _nlfs(net, layers, notes, own_functions)
    biases = [bias_of(net, layers, k) for k in range(1, len(layers.names))]
    common = nlfs[0] if len(set(nlfs)) == 1 else "sn-tanh", biases[0] if len(set(biases)) == 1 else "unit"
    tables, named = _tables(layers, links, name)
    body = [f"(default (nlf {common[0]}) (bias {common[1]}))"]
    for k, (title, shape) in enumerate(zip(layers.names, layers.shapes)):
        parts = [show(symbol(title)), shape_form(shape)]
        if k and nlfs[k - 1] != common[0]:
            parts.append(f"(nlf {nlfs[k - 1]})")
        if k and biases[k - 1] != common[1]:
            parts.append(f"(bias {biases[k - 1]})")
        body.append(f"(layer {' '.join(parts)})")
    body += _connects(layers, links, named)
    units = sum(len(own) for own in layers.units)
    body.append(f"(expect (units {units}) (connections {len(net.pre)}) (weights {len(np.unique(net.weight))}))")
    lines = [f"(net {show(symbol(name))}", *(line for clause in body for line in _folded(clause))]
    return Described("\n\n".join([*tables, "\n".join(lines) + ")"]), tuple(notes), layers)


def _folded(clause: str) -> list[str]:
    """A clause as lines that are not too wide."""
    return wrap(
        clause, _WIDE, initial_indent="  ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )


def _nlfs(net: Construction, layers: Layers, notes: list[str], own_functions: bool) -> list[str]:
    """The non-linearity of each layer but the first."""
    found = []
    for name in layers.names[1:]:
        f = net.nlfs.get(name, net.nlf)
        text = declared_nlf(f) if own_functions or not isinstance(f, LispNonLinearity) else None
        if text is None:
            notes.append(f"the non-linearity of {name}, {f}: linear stands for it; state yours by (define-nlf ...)")
        found.append(text or "linear")
    return found


def _tables(layers: Layers, links: list[Link], net: str) -> tuple[list[str], dict[int, str]]:
    """The drawings of the tables that links name, and the name by the number of the link; equal ones stand once."""
    texts: list[str] = []
    names: dict[int, str] = {}
    drawn: dict[str, str] = {}
    for k, one in enumerate(links):
        if one.maps is None:
            continue
        rows = "\n".join("  (" + " ".join("x" if fed else "-" for fed in row) + ")" for row in one.maps)
        if rows not in drawn:
            drawn[rows] = show(symbol(f"{net}-{layers.names[one.source]}-{layers.names[one.target]}"))
            texts.append(f"(table {drawn[rows]}\n{rows})")
        names[k] = drawn[rows]
    return texts, names


def _connects(layers: Layers, links: list[Link], named: dict[int, str]) -> list[str]:
    """The connect clauses; layers that are joined to the same ones in the same way stand in one."""
    targets: dict[tuple[str, int], list[int]] = {}
    for k, one in enumerate(links):
        scheme = one.scheme + (f" (table {named[k]})" if k in named else "")
        targets.setdefault((scheme, one.source), []).append(one.target)
    sources: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    for (scheme, s), ts in targets.items():
        sources.setdefault((scheme, tuple(ts)), []).append(s)
    return [f"(connect {_names(layers, ss)} {_names(layers, ts)} {scheme})" for (scheme, ts), ss in sources.items()]


def _names(layers: Layers, numbers: list[int] | tuple[int, ...]) -> str:
    names = [show(symbol(layers.names[k])) for k in numbers]
    return names[0] if len(names) == 1 else f"({' '.join(names)})"


# The check


def compare_with(net: Construction, layers: Layers, declared: Net, names: Mapping[str, str] | None = None) -> None:
    """See that the declared net is the one that the program made: the same units joined, the same connections sharing
    a weight, the same value round its maps. SnError, naming the layers, if it is not. `names`: what the program calls
    the declared layers, where it does otherwise.
    """
    called = names or {layer.name: layer.name for layer in declared.layers}
    places = {name: layers.names.index(other) for name, other in called.items() if other in layers.names}
    lost = next((layer.name for layer in declared.layers if layer.name not in places), None)
    if lost is not None or len(layers.names) != len(declared.layers):
        raise _differs(f"its layers {lost or ''}".strip())
    left = tables_of(net, layers)
    for c in declared.connections:
        found = left.pop((places[c.source], places[c.target]), None)
        if (
            found is None
            or not same_sharing(c.table, found[0])
            or not _same_border(net, found[0], found[1], c.border_value)
        ):
            raise _differs(f"{c.source} to {c.target}")
    for s, t in left:
        raise _differs(f"{layers.names[s]} to {layers.names[t]}")
    for layer in declared.layers:
        own = np.flatnonzero((net.pre == 0) & (layers.layer_of[net.post] == places[layer.name]))
        actual = Table(np.full(len(own), -1), layers.index[net.post[own]], net.weight[own])
        if not same_sharing(declared.bias_table(layer.name), actual):
            raise _differs(f"the bias of {layer.name}")


def _same_border(net: Construction, table: Table, own: np.ndarray, value: float) -> bool:
    return bool((net.values[net.pre[own][table.source == BORDER]] == np.float32(value)).all())


def _differs(what: str) -> SnError:
    return refusal(f"what was written and what it was written from differ in {what}: nothing is converted")
