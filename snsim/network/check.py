"""Check a net as a whole: a check is a function from a net to its faults, and all checks run.

No check builds a connection table, so the cost does not grow with the number of connections.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

import numpy as np

from snsim.errors import Fault
from snsim.network.net import Connection, Net, Transform
from snsim.network.wiring import Attention, Windows
from snsim.registry import Shelf

Check = Callable[[Net], Iterable[Fault]]
CHECKS: Shelf[Check] = Shelf("check")

MOST_UNITS = 10**7
MOST_CONNECTIONS = 10**9
MOST_ATTENTION = 10**8  # pairs of positions times heads


def check_net(net: Net, skip: Collection[str] = ()) -> list[Fault]:
    """Return the faults of the net, in the order of the checks; checks named in `skip` do not run."""
    return [fault for entry in CHECKS if entry.name not in skip for fault in entry.value(net)]


@CHECKS.register("layers")
def require_two_layers(net: Net) -> Iterator[Fault]:
    """Require an input layer and a computed one."""
    if len(net.layers) > 1 and not net.computed:
        yield Fault(
            f"every layer of net {net.name} is an input layer, so it computes nothing",
            net.layers[-1].span,
            hint="add a layer without (input), the output, and connect the input layers to it",
        )
    if len(net.layers) < 2:
        yield Fault(
            f"net {net.name} has {len(net.layers) or 'no'} layer{'s' * (not net.layers)}; a net needs at least two",
            net.span,
            hint="write (layer input N) first and (layer output N) last",
        )


@CHECKS.register("order")
def require_forward_connections(net: Net) -> Iterator[Fault]:
    """Require each connection without a delay to lead to a later computed layer, so that there is no cycle."""
    order = {layer.name: i for i, layer in enumerate(net.layers)}
    entered = {layer.name for layer in net.inputs} if len(net.inputs) > 1 else set()  # a single one is the first layer
    for c in net.connections:
        if c.delay:
            continue
        if c.target in entered and c.source != c.target:
            yield Fault(
                f"layer {c.target} is an input layer, so {c.source} cannot be connected to it",
                c.span,
                hint=("" if c.source in entered else "reverse it, or ") + f"remove (input) from layer {c.target}",
            )
        elif c.source == c.target:
            yield Fault(
                f"layer {c.source} is connected to itself: a cycle",
                c.span,
                hint="add (delay 1) to read the states of the step before, remove it, or name a later layer: "
                f"(connect {c.source} LAYER (full))",
            )
        elif order[c.source] > order[c.target]:
            yield Fault(
                f"the connection from {c.source} to {c.target} leads backward: {c.target} is computed before "
                f"{c.source}, so this would be a cycle",
                c.span,
                hint=f"add (delay 1) to read the states of the step before, or state layer {c.source} before "
                f"{c.target}",
            )
    for t in net.transforms:
        if t.target in entered:
            yield Fault(
                f"layer {t.target} is an input layer, so ({t.name}) cannot enter it",
                t.span,
                hint=f"name a computed layer as the last one, or remove (input) from layer {t.target}",
            )
            continue
        for source in dict.fromkeys(t.sources):
            if order[source] >= order[t.target]:
                yield Fault(
                    f"({t.name}) leads backward: {t.target} is computed before {source}, so this would be a cycle"
                    if source != t.target
                    else f"({t.name}) leads from {source} to itself: a cycle",
                    t.span,
                    hint=f"state layer {source} before {t.target}"
                    if source != t.target
                    else "name a later layer as the last one",
                )


@CHECKS.register("delays")
def require_computed_targets_of_delays(net: Net) -> Iterator[Fault]:
    """Require that a connection with a delay enters a layer whose states are computed."""
    inputs = {layer.name for layer in net.inputs}
    for c in net.delayed:
        if c.target in inputs:
            yield Fault(
                f"{c.source} is connected to the input layer {c.target}, whose states are the data",
                c.span,
                hint=f"connect {c.source} to a computed layer, such as {net.layers[min(1, len(net.layers) - 1)].name}",
            )


@CHECKS.register("pairs of layers")
def require_single_connections(net: Net) -> Iterator[Fault]:
    """Require at most one connection between two layers without a name, and at most one of each name."""
    seen: dict[tuple[str, ...], Connection | Transform] = {}
    joined: list[tuple[Connection | Transform, tuple[str, ...]]] = [(c, c.key) for c in net.connections]
    joined += [(t, (t.sources[0], t.target)) for t in net.transforms if t.word == "max-mask"]
    for c, key in joined:
        earlier = seen.setdefault(key, c)
        if earlier is not c:
            also = () if earlier.span is None else (("first here", earlier.span),)
            named = f" by connections called {key[2]}" if key[2:] else ""
            other = "rename" if key[2:] else "give (name N) to"
            yield Fault(
                f"{key[0]} is connected to {key[1]} twice{named}",
                c.span,
                hint=f"remove one of them, or {other} the second",
                also=also,
            )


@CHECKS.register("transforms")
def require_single_transforms(net: Net) -> Iterator[Fault]:
    """Require that no `normalize` or `attend` clause is stated twice."""
    seen: dict[tuple[str, ...], Transform] = {}
    for t in (t for t in net.transforms if t.word != "max-mask"):  # which the check of connections covers
        earlier = seen.setdefault((t.word, *t.sources, t.target), t)
        if earlier is not t:
            also = () if earlier.span is None else (("first here", earlier.span),)
            yield Fault(f"({t.name}) is stated twice", t.span, hint="remove one of them", also=also)


@CHECKS.register("names")
def require_distinct_names(net: Net) -> Iterator[Fault]:
    """Require distinct names of parameters, and no layer with the name of a scope of weights."""
    seen: dict[str, Connection] = {}
    for c in net.connections:
        earlier = seen.setdefault(c.name, c)
        if earlier.key != c.key:
            named = next((one for one in (c, earlier) if one.label is not None), None)
            yield Fault(
                f"the weights from {c.source} to {c.target} and those from {earlier.source} to {earlier.target} "
                f"would both be called {c.name}",
                c.span,
                hint=f"rename one of the layers, such as {c.target} to {c.target}2"
                if named is None
                else f"write another name than (name {named.label})",
            )
        if c.label is not None and net.has_layer(c.label):
            yield Fault(
                f"a connection cannot be called {c.label}: a layer has this name",
                c.span,
                hint=f"write another name, such as (name {c.label}-2)",
            )
    for layer in net.layers:
        if layer.name == "biases":
            yield Fault(
                'a layer cannot be called "biases"',
                layer.span,
                hint="write another name, such as bias-layer: in a training, biases means the biases of all layers",
            )


@CHECKS.register("ends")
def require_joined_layers(net: Net) -> Iterator[Fault]:
    """Require something that enters every computed layer, and something that leaves every layer but the last."""
    entered = {c.target for c in net.connections} | {t.target for t in net.transforms}
    sending = {c.source for c in net.connections} | {source for t in net.transforms for source in t.sources}
    inputs = {layer.name for layer in net.inputs}
    for i, layer in enumerate(net.layers if len(net.layers) > 1 and net.computed else ()):
        is_entered, is_left = layer.name in inputs | entered, i == len(net.layers) - 1 or layer.name in sending
        if not is_entered and not is_left:
            yield Fault(
                f"layer {layer.name} is connected to nothing",
                layer.span,
                hint=f"add (connect FROM {layer.name} (full)) and (connect {layer.name} TO (full))",
            )
        elif not is_entered:
            yield Fault(
                f"nothing enters layer {layer.name}",
                layer.span,
                hint=f"add (connect {net.layers[i - 1].name} {layer.name} (full)) or another connection to it"
                + ("; if it is an input, write (input) into each input layer" if layer.name in sending else ""),
            )
        elif not is_left:
            following = next(later.name for later in net.layers[i + 1 :] if not later.is_input)
            yield Fault(
                f"nothing leaves layer {layer.name}",
                layer.span,
                hint=f"add (connect {layer.name} {following} (full)) or another connection from it",
            )


@CHECKS.register("maps")
def require_fed_maps(net: Net) -> Iterator[Fault]:
    """Require a connection to every map of a layer."""
    for layer in net.computed:
        entering = net.entering(layer.name)
        windows = [w for w in (c.wiring.structure for c in entering) if isinstance(w, Windows)]
        if not windows or len(windows) < len(entering) or net.transforms_into(layer.name):
            continue
        fed = np.any([w.maps.any(axis=0) for w in windows], axis=0)
        unfed = [str(i + 1) for i in np.flatnonzero(~fed)]
        if unfed:
            which = f"map {unfed[0]}" if len(unfed) == 1 else f"maps {', '.join(unfed)}"
            yield Fault(
                f"nothing feeds {which} of layer {layer.name} (counted from 1)",
                entering[-1].span,
                hint="put an x into the columns of these maps in the connection table, or remove the maps",
            )


@CHECKS.register("bias")
def require_geometry_of_bias(net: Net) -> Iterator[Fault]:
    """Require rows and columns in a layer with one bias per map or column."""
    for layer in net.computed:
        if layer.bias in ("map", "column") and layer.maps is None:
            yield Fault(
                f"layer {layer.name} is {layer.units} units without rows and columns, so it cannot have a bias per "
                f"{layer.bias}",
                layer.span,
                hint=f"write (layer {layer.name} {layer.units} (bias unit)), or give it rows and columns",
            )


@CHECKS.register("size")
def require_allowed_size(net: Net) -> Iterator[Fault]:
    """Require at most 10^7 units, 10^9 connections and 10^8 pairs of positions in one `attend`."""
    for layer in net.layers:
        if layer.units > MOST_UNITS:
            yield Fault(
                f"layer {layer.name} has {layer.units:,} units; a net has at most {MOST_UNITS:,}",
                layer.span,
                hint="use fewer units or smaller maps: (layer NAME (MAPS ROWS COLUMNS))",
            )
    units = sum(layer.units for layer in net.layers)
    if units > MOST_UNITS and all(layer.units <= MOST_UNITS for layer in net.layers):
        yield Fault(
            f"net {net.name} has {units:,} units; the limit is {MOST_UNITS:,}",
            net.span,
            hint=f"use smaller layers: the largest is {max(net.layers, key=lambda layer: layer.units).name}",
        )
    for c in net.connections:
        if c.wiring.connections > MOST_CONNECTIONS:
            yield Fault(
                f"{c.source} to {c.target} has {c.wiring.connections:,} connections; a net has at most "
                f"{MOST_CONNECTIONS:,}",
                c.span,
                hint="connect them by (mask ROWS COLUMNS) instead of (full), or make the layers smaller",
            )
    connections = sum(c.wiring.connections for c in net.connections)
    if connections > MOST_CONNECTIONS and all(c.wiring.connections <= MOST_CONNECTIONS for c in net.connections):
        yield Fault(
            f"net {net.name} has {connections:,} connections; the limit is {MOST_CONNECTIONS:,}",
            net.span,
            hint="connect layers by (mask ROWS COLUMNS) instead of (full), or make the layers smaller",
        )
    for t in net.transforms:
        if isinstance(t.structure, Attention) and t.structure.heads * t.structure.positions**2 > MOST_ATTENTION:
            yield Fault(
                f"({t.name}) attends from {t.structure.positions:,} positions to {t.structure.positions:,} in "
                f"{t.structure.heads} heads; the limit is {MOST_ATTENTION:,} pairs",
                t.span,
                hint="use smaller maps or fewer heads",
            )
