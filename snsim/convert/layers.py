"""Find the layers of a net that an SN-2.8 program made: order, geometry, biases, border cells.

SN's layers are lists of units. Their rows and columns are known only from the words that connected them, which take a
layer or a piece of it (a map) with its sizes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import prod

import numpy as np

from snsim.convert.recorder import BuiltNet, Call
from snsim.errors import SnError, fail
from snsim.network.net import BIAS, Layer
from snsim.network.wiring import Table

ONE_MAP, WINDOWS, FRAMES = ("shared-bias-connect",), ("local", "mask", "equal-mask"), ("tdnn-connect",)


_LOOPS = "run the program unchanged, snsim run FILE: a net with loops has no declarative form"


def refusal(message: str, hint: str = "") -> SnError:
    """Return the SnError for a net that the declarative words cannot state."""
    return fail(message, None, hint=hint or "run the program unchanged: snsim run FILE")


@dataclass(frozen=True)
class LayerPart:
    """Consecutive units of one layer; `first` is the position of the first one in the layer."""

    layer: int
    first: int


@dataclass(frozen=True)
class FramedMap:
    """A map as it was passed to a word of SN-2.8, perhaps with a border of cells around it.

    `piece` and `shape`: where the map lies in a layer, and its rows and columns. `border`: the rows of cells above the
    map, and the columns to its left. `wrap`: the border continues the map from its opposite side; it may be cut where
    no window reads on.
    """

    piece: LayerPart
    shape: tuple[int, int]
    border: tuple[int, int]
    cells: bool
    wrap: bool = False


@dataclass(frozen=True, eq=False)
class Layers:
    """The layers of a net, in order of computation.

    The first `inputs` layers are those of the input. `layer_of` and `index` have, for every unit, the number of its
    layer (-1: none) and its place in it. `sources[k]` is the map that call k read. `dropped` are the names of layers
    without connections.
    """

    names: tuple[str, ...]
    units: tuple[np.ndarray, ...]
    shapes: tuple[tuple[int, ...], ...]
    layer_of: np.ndarray  # of every unit, -1: none, that is the bias, a cell, or a unit without connections
    index: np.ndarray  # of every unit in its layer
    sources: dict[int, FramedMap]
    dropped: tuple[str, ...]  # layers without any connection
    inputs: int

    def piece(self, units: np.ndarray) -> LayerPart | None:
        """Return the layer and place in which these units lie consecutively; None if they do not."""
        layers, places = self.layer_of[units], self.index[units]
        if not len(units) or layers[0] < 0 or (layers != layers[0]).any() or (np.diff(places) != 1).any():
            return None
        return LayerPart(int(layers[0]), int(places[0]))


def layers_of(net: BuiltNet) -> Layers:
    """Return the layers of a net.

    Raises SnError if there is no order of computation, or if a unit of constant state is not part of a border.
    """
    order, dropped, cells, inputs = _order_groups(net)
    names, units = [net.groups[g][0] for g in order], [net.groups[g][1] for g in order]
    layer_of, index = np.full(len(net.values), -1), np.zeros(len(net.values), int)
    for k, layer_units in enumerate(units):
        layer_of[layer_units], index[layer_units] = k, np.arange(len(layer_units))
    plain = Layers(
        tuple(_unique_names(names)),
        tuple(units),
        tuple((len(layer_units),) for layer_units in units),
        layer_of,
        index,
        {},
        tuple(dropped),
        inputs,
    )
    sources = _sources(net, plain)
    _check_cells(net, plain, sources, cells)
    shapes = _shapes(net, plain, sources)
    return Layers(plain.names, plain.units, shapes, layer_of, index, sources, plain.dropped, inputs)


def _unique_names(names: list[str]) -> list[str]:
    """Return the names, with a number added to a name that occurs twice."""
    seen: Counter[str] = Counter()
    unique_names = []
    for name in names:
        seen[name] += 1
        unique_names.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return unique_names


# Order


def _order_groups(net: BuiltNet) -> tuple[list[int], list[str], list[int], int]:
    """Return the groups in order of computation.

    After them: the names of groups without connections, the groups of cells, and the number of input layers.
    """
    group_of = np.full(len(net.values), -1)
    for g, (_, units) in enumerate(net.groups):
        group_of[units] = g
    real = net.pre > 0
    outside = np.flatnonzero((group_of[net.post] < 0) | (real & (group_of[net.pre] < 0)))
    if len(outside):
        k = int(outside[0])
        raise refusal(f"the connection from unit {net.pre[k]} to unit {net.post[k]} belongs to no layer")
    joined = np.unique(group_of[net.pre[real]] * len(net.groups) + group_of[net.post[real]])
    before = {divmod(int(ends), len(net.groups)) for ends in joined}
    for a, b in sorted(before):
        if a == b:
            raise refusal(
                f"units of {net.groups[a][0]} feed units of the same layer, but declared layers feed later ones", _LOOPS
            )
    entered = {b for _, b in before} | set(group_of[net.post].tolist())
    connected = entered | {a for a, _ in before}
    set_inputs = list(dict.fromkeys(int(group_of[unit]) for unit in net.inputs if group_of[unit] >= 0))
    roots = [g for g in range(len(net.groups)) if g in connected and g not in entered]
    inputs = [g for g in set_inputs if g in roots] or roots[:1]
    if not inputs:
        raise refusal("no layer is the input: every layer is fed by another", _LOOPS)
    if len(inputs) > 1 and not np.array_equal(np.concatenate([net.groups[g][1] for g in inputs]), net.inputs):
        names = " and ".join(net.groups[g][0] for g in inputs)
        raise refusal(
            f"the inputs are units of {names} in another order, and declared input layers follow each other whole",
            "make the input of whole layers: (make-input (append layer1 layer2))",
        )
    cells = [g for g in roots if g not in inputs]
    silent = set(net.desired.tolist())
    dropped = [
        name for g, (name, units) in enumerate(net.groups) if g not in connected and not set(units.tolist()) <= silent
    ]
    last = {int(group_of[unit]) for unit in net.outputs if group_of[unit] >= 0}
    return _sort_groups(net, connected - set(cells), before, inputs, last), dropped, cells, len(inputs)


def _sort_groups(
    net: BuiltNet, groups: set[int], before: set[tuple[int, int]], inputs: list[int], last: set[int]
) -> list[int]:
    """Sort sources before targets, else in the order of creation, with the inputs first and the output last."""
    order, left = [*inputs], sorted(groups - {*inputs})
    while left:
        ready = [g for g in left if not any((other, g) in before for other in left)]
        if not ready:
            names = ", ".join(net.groups[g][0] for g in left)
            raise refusal(f"the layers {names} feed each other in a circle", _LOOPS)
        chosen = next((g for g in ready if g not in last), ready[0])
        order.append(chosen)
        left.remove(chosen)
    return order


# What the words were given


def _sources(net: BuiltNet, layers: Layers) -> dict[int, FramedMap]:
    """Return what each call read, for calls that read a layer or a map in a frame of cells."""
    sources = {}
    for k, call in enumerate(net.calls):
        shape = given_shape(call, 0)
        if shape is None or len(call.layers) < 2:
            continue
        units = call.layers[0].astype(int)
        framed = _framed_map(layers, units, shape) or _wrapped_map(layers, call, units, shape)
        if framed is not None:
            sources[k] = framed
    return sources


def _framed_map(layers: Layers, units: np.ndarray, shape: tuple[int, int]) -> FramedMap | None:
    whole = layers.piece(units)
    if whole is not None:
        return FramedMap(whole, shape, (0, 0), False)
    inside = layers.layer_of[units].reshape(shape) >= 0
    if not inside.any():
        return None
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    top, left, bottom, right = int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
    inner = units.reshape(shape)[top:bottom, left:right]
    piece = layers.piece(inner.reshape(-1)) if inside[top:bottom, left:right].all() else None
    if piece is None:
        return None
    return FramedMap(piece, (bottom - top, right - left), (top, left), True)


def _wrapped_map(layers: Layers, call: Call, units: np.ndarray, shape: tuple[int, int]) -> FramedMap | None:
    """Return the map whose continuation on all sides these units are, or None.

    Windows that wrap around read a map of exactly step times as many rows and columns as there are windows.
    """
    sizes = [int(x) for x in call.others if isinstance(x, float)]
    if not call.name.endswith("-2d-connect") or len(sizes) != 8 or len(units) != shape[0] * shape[1]:
        return None
    rows, columns = sizes[2] * sizes[5], sizes[3] * sizes[4]
    layer, places = layers.layer_of[units], layers.index[units].reshape(shape)
    size = len(layers.units[layer[0]]) if layer[0] >= 0 else 0
    if (layer != layer[0]).any() or size == 0 or size % (rows * columns):
        return None
    first = int(places.min()) // (rows * columns) * rows * columns
    y, x = np.arange(shape[0])[:, None], np.arange(shape[1])[None, :]
    for above in range(max(sizes[6:])):
        if (places == first + (y - above) % rows * columns + (x - above) % columns).all():
            return FramedMap(LayerPart(int(layer[0]), first), (rows, columns), (above, above), False, wrap=True)
    return None


def given_shape(call: Call, side: int) -> tuple[int, int] | None:
    """Return the rows and columns (tdnn: frames, traits) that a call states for its source (side 0) or target (1)."""
    sizes = [int(x) for x in call.others if isinstance(x, float)]
    if call.name.endswith("-1d-connect"):
        return (1, sizes[side])
    if call.name == "tdnn-bias-connect":
        return (sizes[0], sizes[1])
    if call.name in FRAMES or call.name.startswith(WINDOWS):
        return (sizes[2 * side], sizes[2 * side + 1])
    return None


def _check_cells(net: BuiltNet, layers: Layers, sources: dict[int, FramedMap], cells: list[int]) -> None:
    for g in cells:
        name, units = net.groups[g]
        for k in set(net.by[np.isin(net.pre, units)].tolist()):
            if k not in sources:
                raise refusal(
                    f"nothing enters the units of {name}, and they are neither input units nor border cells of a map",
                    f"make them part of the input: (make-input (append input-layer {name}))",
                )


# Geometry


def _shapes(net: BuiltNet, layers: Layers, sources: dict[int, FramedMap]) -> tuple[tuple[int, ...], ...]:
    """Return the shape that most calls state for a layer or its pieces; the number of units if none does."""
    votes: list[Counter[tuple[int, ...]]] = [Counter() for _ in layers.units]
    guesses: list[Counter[tuple[int, ...]]] = [Counter() for _ in layers.units]
    for k, call in enumerate(net.calls):
        if k in sources:
            _vote(votes, layers, sources[k].piece, sources[k].shape)
        target = given_shape(call, 1 if len(call.layers) > 1 else 0)
        units = call.layers[-1].astype(int) if call.layers else np.array([], int)
        piece = layers.piece(units) if call.name in (*ONE_MAP, "tdnn-bias-connect") or k in sources else None
        if piece is not None and target is not None:
            _vote(votes, layers, piece, target)
        elif piece is not None and (
            len(units) < len(layers.units[piece.layer]) or (call.name in ONE_MAP and len(units) > 1)
        ):
            _vote(guesses, layers, piece, (1, len(units)))  # one bias for all units needs a layer of one map
    return tuple(
        (counted or guessed).most_common(1)[0][0] if counted or guessed else (len(units),)
        for counted, guessed, units in zip(votes, guesses, layers.units)
    )


def _vote(votes: list[Counter[tuple[int, ...]]], layers: Layers, piece: LayerPart, shape: tuple[int, ...]) -> None:
    size, units = prod(shape), len(layers.units[piece.layer])
    if units == size:
        votes[piece.layer][shape] += 1
    elif units % size == 0 and piece.first % size == 0:
        votes[piece.layer][(units // size, *shape)] += 1


# Biases


def bias_of(net: BuiltNet, layers: Layers, k: int) -> str:
    """Return how the units of a layer share their biases: `unit`, `map`, `column` or `none`.

    Raises SnError if they share them in another way.
    """
    name, units = layers.names[k], layers.units[k]
    biases = np.flatnonzero((net.pre == 0) & (layers.layer_of[net.post] == k))
    if not len(biases):
        return "none"
    if len(biases) < len(units):
        raise refusal(
            f"{len(biases)} of the {len(units)} units of {name} have a bias, but a declared layer has all or none"
        )
    actual = Table(np.full(len(biases), BIAS), layers.index[net.post[biases]], net.weight[biases])
    for sharing in ("unit", "map", "column"):
        index = Layer(name, layers.shapes[k], None, sharing).bias_index
        if sharing == "column" and len(layers.shapes[k]) < 2:
            continue
        pairs = set(zip(index[actual.target].tolist(), actual.weight.tolist()))
        if len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}):
            return sharing
    raise refusal(f"the units of {name} share biases in another way than one per unit, one per map or one per column")
