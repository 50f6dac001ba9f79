"""Express the connections between two layers as a scheme: windows where SN-2.8 made windows, else pair by pair.

A scheme is used only if its table equals that of the net: the same ends, and the same connections share weights.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np

from snsim.convert.layers import FRAMES, Layers, given_shape, refusal
from snsim.convert.nlf import number_text
from snsim.convert.recorder import BuiltNet, Call
from snsim.network.clauses import all_or_none
from snsim.network.connect_options import Border, count_windows
from snsim.network.net import BORDER
from snsim.network.wiring import Frames, Table, Windows

SHARING = {"mask": "map", "local": "unit", "equal-mask": "pair"}


@dataclass(frozen=True)
class Link:
    """The connections of two layers.

    `scheme` is the text of the scheme with its options, `maps` the table of maps that it names, if any.
    """

    source: int
    target: int
    scheme: str
    maps: np.ndarray | None = None


@dataclass(frozen=True)
class _WindowCall:
    """The windows that one call made: from a map of the source layer to a map of the target layer."""

    kind: str
    maps: tuple[int, int]
    border: tuple[int, int]  # rows of cells above the map, columns to its left
    cells: bool
    wrap: bool
    window: tuple[int, int]
    step: tuple[int, int]

    @property
    def parameters(self) -> tuple[object, ...]:
        return self.kind, self.border, self.cells, self.wrap, self.window, self.step


def same_sharing(one: Table, other: Table) -> bool:
    """Return whether two tables connect the same units, and the same connections share weights.

    Border cells are all alike, so those that enter a unit may be exchanged.
    """
    real = [t.source != BORDER for t in (one, other)]
    ends, weights = [], []
    for table, inside in zip((one, other), real):
        order = np.lexsort((table.source[inside], table.target[inside]))
        ends.append((table.source[inside][order], table.target[inside][order]))
        weights.append(table.weight[inside][order])
    if not all(np.array_equal(a, b) for a, b in zip(*ends)) or (~real[0]).sum() != (~real[1]).sum():
        return False
    pairs = set(zip(weights[0].tolist(), weights[1].tolist()))
    if not len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}):
        return False
    readers = [_border_readers(table) for table in (one, other)]
    for a, b in pairs:
        if readers[0].pop(a, ()) != readers[1].pop(b, ()):
            return False
    return Counter(readers[0].values()) == Counter(readers[1].values())  # weights of cells of the border alone


def _border_readers(table: Table) -> dict[int, tuple[int, ...]]:
    """Return for each weight the units, in order, that it leads to from border cells."""
    readers: dict[int, list[int]] = defaultdict(list)
    at_border = table.source == BORDER
    for target, weight in sorted(zip(table.target[at_border].tolist(), table.weight[at_border].tolist())):
        readers[weight].append(target)
    return {weight: tuple(targets) for weight, targets in readers.items()}


def tables_of(net: BuiltNet, layers: Layers) -> dict[tuple[int, int], tuple[Table, np.ndarray]]:
    """Return for each pair of layers its explicit table, and its connections in the net.

    Raises SnError where a weight is shared by two pairs of layers, or by a pair and a bias.
    """
    read = np.full(len(net.calls) + 1, -1)  # the layer that each call read, in a frame of cells or not; the last: none
    for k, framed in layers.sources.items():
        read[k] = framed.piece.layer
    source = layers.layer_of[net.pre]
    source = np.where((source < 0) & (net.pre > 0), read[net.by], source)
    target = layers.layer_of[net.post]
    _check_sharing(net, layers, source, target)
    tables = {}
    for s, t in sorted({(s, t) for s, t in zip(source.tolist(), target.tolist()) if s >= 0}):
        connections = np.flatnonzero((source == s) & (target == t))
        pre = net.pre[connections]
        ends = np.where(layers.layer_of[pre] < 0, BORDER, layers.index[pre])
        tables[s, t] = Table(ends, layers.index[net.post[connections]], net.weight[connections]), connections
    return tables


def _check_sharing(net: BuiltNet, layers: Layers, source: np.ndarray, target: np.ndarray) -> None:
    order = np.argsort(net.weight, kind="stable")
    weight, s, t = net.weight[order], source[order], target[order]
    conflicts = np.flatnonzero((weight[1:] == weight[:-1]) & ((s[1:] != s[:-1]) | (t[1:] != t[:-1])))
    if len(conflicts):
        places = [
            f"the bias of {layers.names[t[k]]}" if s[k] < 0 else f"{layers.names[s[k]]} to {layers.names[t[k]]}"
            for k in (conflicts[0], conflicts[0] + 1)
        ]
        raise refusal(
            f"a weight is shared by {places[0]} and {places[1]}, but declared connections "
            "share weights only between two layers",
            "put the layers that share weights into one layer of several maps",
        )


def link(net: BuiltNet, layers: Layers, s: int, t: int, table: Table, connections: np.ndarray) -> Link:
    """Return the scheme for the table of two layers. SnError where border cells are in no window."""
    sizes = len(layers.units[s]), len(layers.units[t])
    unshared = len(np.unique(table.weight)) == len(connections)
    if unshared and len(connections) == sizes[0] * sizes[1] and (table.source != BORDER).all():
        return Link(s, t, "(full)")
    windows = _windows(net, layers, s, t, table, connections) or _frames(net, layers, s, t, table, connections)
    if windows is not None:
        return windows
    if (table.source == BORDER).any():
        raise refusal(
            f"{layers.names[s]} to {layers.names[t]} reads cells of constant state, but not in windows of "
            "one size and step over maps with a border"
        )
    if unshared and sizes[0] == sizes[1] == len(connections) and (table.source == table.target).all():
        return Link(s, t, "(one-to-one)")
    return Link(s, t, _pairs(table))


def _pairs(table: Table) -> str:
    """Return `(pairs (i j) (i j k) ...)`; k, from 0, only where several connections share a weight."""
    order = np.lexsort((table.source, table.target))
    uses = Counter(table.weight.tolist())
    names: dict[int, int] = {}
    texts = []
    for i, j, w in zip(table.source[order].tolist(), table.target[order].tolist(), table.weight[order].tolist()):
        texts.append(f"({i} {j})" if uses[w] == 1 else f"({i} {j} {names.setdefault(w, len(names))})")
    return f"(pairs {' '.join(texts)})"


def _windows(net: BuiltNet, layers: Layers, s: int, t: int, table: Table, connections: np.ndarray) -> Link | None:
    """Return the windows, if all calls between the two layers made them in the same manner."""
    calls = sorted(set(net.by[connections].tolist()))
    window_calls = all_or_none(_window_call(net.calls[k], layers, k, s, t) if k >= 0 else None for k in calls)
    if window_calls is None or any(
        window_call.parameters != window_calls[0].parameters for window_call in window_calls
    ):
        return None
    first = window_calls[0]
    source, target = (_maps(layers.shapes[k]) for k in (s, t))
    maps = np.zeros((source[0], target[0]), bool)
    for window_call in window_calls:
        maps[window_call.maps] = True
    border = _border(first, source, target)
    if border is None:
        return None
    windows = Windows(
        source, target, maps, first.window, first.step, border.near, first.wrap, SHARING[first.kind], border.far
    )
    if not same_sharing(windows.table(), table):
        return None
    options = [] if first.step == (1, 1) else [_step(first.step)]
    if first.wrap:
        options.append("(border wrap)")
    elif first.cells:
        values = np.unique(net.values[net.pre[connections][table.source == BORDER]])
        if len(values) > 1:
            return None
        value = values[0] if len(values) else 0
        options.append(f"({border.text} {number_text(float(value))})")
    one_map = source[0] == target[0] == 1
    drawn = None if one_map or maps.all() or _is_diagonal(maps) else maps
    if not maps.all() and drawn is None:
        options.append("(table one-to-one)")
    return Link(s, t, " ".join([f"({first.kind} {first.window[0]} {first.window[1]})", *options]), drawn)


def _border(call: _WindowCall, source: tuple[int, int, int], target: tuple[int, int, int]) -> Border | None:
    """Return the border with which the windows give the target: the same on all sides if that fits. None if none does.

    A frame may have cells on the far sides that no window reads, so they do not tell how wide the border is.
    """
    reach = [(target[k + 1] - 1) * call.step[k] + call.window[k] - source[k + 1] - call.border[k] for k in (0, 1)]
    all_round = Border(call.border[0], wrap=call.wrap)
    of_sides = Border(sides=(call.border[0], max(0, reach[0]), call.border[1], max(0, reach[1])))
    for border in (all_round, of_sides):
        fits = tuple(count_windows(source[k + 1], border, k, call.window[k], call.step[k]) for k in (0, 1))
        if fits == target[1:] and border.near == call.border and border.wrap == call.wrap:
            return border
    return None


def _is_diagonal(maps: np.ndarray) -> bool:
    return maps.shape[0] == maps.shape[1] and np.array_equal(maps, np.eye(len(maps), dtype=bool))


def _step(step: tuple[int, int]) -> str:
    return f"(step {step[0]})" if step[0] == step[1] else f"(step {step[0]} {step[1]})"


def _maps(shape: tuple[int, ...]) -> tuple[int, int, int]:
    three_axes = (1,) * (3 - len(shape)) + tuple(shape)
    return three_axes[0], three_axes[1], three_axes[2]


def _window_call(call: Call, layers: Layers, k: int, s: int, t: int) -> _WindowCall | None:
    """Return what a call made between maps of the two layers; None if it made no windows over whole maps."""
    kind = next((kind for kind in SHARING if call.name.startswith(kind + "-")), None)
    framed = layers.sources.get(k)
    to = layers.piece(call.layers[-1].astype(int)) if kind and framed else None
    if kind is None or call.name == "mask-2d-reverse" or framed is None or to is None:
        return None
    shapes = given_shape(call, 1), framed.shape
    if shapes != (_maps(layers.shapes[t])[1:], _maps(layers.shapes[s])[1:]) or (to.layer, framed.piece.layer) != (t, s):
        return None
    if len(layers.shapes[s]) == 1 or len(layers.shapes[t]) == 1:
        return None
    areas = [a[0] * a[1] for a in shapes if a is not None]
    maps = framed.piece.first // areas[1], to.first // areas[0]
    sizes = [int(x) for x in call.others if isinstance(x, float)]
    step, window = (
        ((1, sizes[2]), (1, sizes[3]))
        if call.name.endswith("-1d-connect")
        else ((sizes[5], sizes[4]), (sizes[7], sizes[6]))
    )
    return _WindowCall(kind, maps, framed.border, framed.cells, framed.wrap or "toric" in call.name, window, step)


def _frames(net: BuiltNet, layers: Layers, s: int, t: int, table: Table, connections: np.ndarray) -> Link | None:
    """Return the windows over time of one `tdnn-connect`."""
    calls = set(net.by[connections].tolist())
    source, target = layers.shapes[s], layers.shapes[t]
    if len(calls) > 1 or -1 in calls:
        return None
    call = net.calls[calls.pop()]
    if call.name not in FRAMES or len(source) != 2 or len(target) != 2:
        return None
    step, window = (int(x) for x in call.others[-2:])
    if window > source[0] or (given_shape(call, 0), given_shape(call, 1)) != (source, target):
        return None
    frames = Frames(source, target, window, step)
    fits = (source[0] - window) // step + 1 == target[0]
    if not fits or not same_sharing(frames.table(), table):
        return None
    return Link(s, t, f"(tdnn {window})" + ("" if step == 1 else f" (step {step})"))
