"""The connections between two layers as a scheme: windows where a word of SN-2.8 laid them, else pair by pair.

A scheme is only taken if its table is that of the net: the same ends, and the same connections share weights.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np

from snsim.convert.layers import FRAMES, Layers, given_shape, refusal
from snsim.convert.nlf import number_text
from snsim.convert.recorder import Call, Construction
from snsim.network.clauses import all_or_none
from snsim.network.connect_options import Border, count_windows
from snsim.network.net import BORDER
from snsim.network.wiring import Frames, Table, Windows

SHARING = {"mask": "map", "local": "unit", "equal-mask": "pair"}


@dataclass(frozen=True)
class Link:
    """What joins two layers: the text of its scheme with options, and the table of maps that it names, if any."""

    source: int
    target: int
    scheme: str
    maps: np.ndarray | None = None


@dataclass(frozen=True)
class _Laid:
    """Windows that one call laid: from a map of the source layer to one of the target layer."""

    kind: str
    maps: tuple[int, int]
    border: int
    cells: bool
    wrap: bool
    window: tuple[int, int]
    step: tuple[int, int]

    @property
    def manner(self) -> tuple[object, ...]:
        return self.kind, self.border, self.cells, self.wrap, self.window, self.step


def same_sharing(one: Table, other: Table) -> bool:
    """Whether two tables join the same units, and the same of their connections share weights.

    Cells of a border are all alike: of those that enter a unit it does not matter which is which.
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
    """For each weight the units, in order, that it leads to from cells of the border."""
    readers: dict[int, list[int]] = defaultdict(list)
    at_border = table.source == BORDER
    for target, weight in sorted(zip(table.target[at_border].tolist(), table.weight[at_border].tolist())):
        readers[weight].append(target)
    return {weight: tuple(targets) for weight, targets in readers.items()}


def tables_of(net: Construction, layers: Layers) -> dict[tuple[int, int], tuple[Table, np.ndarray]]:
    """For each pair of layers its explicit table, and the connections of the net that it holds.

    SnError where connections of two pairs share a weight, or of a pair and a bias.
    """
    read = np.full(len(net.calls) + 1, -1)  # the layer that each call read, in a frame of cells or not; the last: none
    for k, framed in layers.sources.items():
        read[k] = framed.piece.layer
    source = layers.layer_of[net.pre]
    source = np.where((source < 0) & (net.pre > 0), read[net.by], source)
    target = layers.layer_of[net.post]
    _check_sharing(net, layers, source, target)
    found = {}
    for s, t in sorted({(s, t) for s, t in zip(source.tolist(), target.tolist()) if s >= 0}):
        own = np.flatnonzero((source == s) & (target == t))
        pre = net.pre[own]
        ends = np.where(layers.layer_of[pre] < 0, BORDER, layers.index[pre])
        found[s, t] = Table(ends, layers.index[net.post[own]], net.weight[own]), own
    return found


def _check_sharing(net: Construction, layers: Layers, source: np.ndarray, target: np.ndarray) -> None:
    order = np.argsort(net.weight, kind="stable")
    weight, s, t = net.weight[order], source[order], target[order]
    apart = np.flatnonzero((weight[1:] == weight[:-1]) & ((s[1:] != s[:-1]) | (t[1:] != t[:-1])))
    if len(apart):
        said = [
            f"the bias of {layers.names[t[k]]}" if s[k] < 0 else f"{layers.names[s[k]]} to {layers.names[t[k]]}"
            for k in (apart[0], apart[0] + 1)
        ]
        raise refusal(
            f"a weight is shared by {said[0]} and {said[1]}; declared connections share within two layers",
            "make one layer, of several maps, of the layers that share",
        )


def link(net: Construction, layers: Layers, s: int, t: int, table: Table, own: np.ndarray) -> Link:
    """The scheme for the table of two layers. SnError where cells of a border are in no window."""
    sizes = len(layers.units[s]), len(layers.units[t])
    alone = len(np.unique(table.weight)) == len(own)
    if alone and len(own) == sizes[0] * sizes[1] and (table.source != BORDER).all():
        return Link(s, t, "(full)")
    laid = _windows(net, layers, s, t, table, own) or _frames(net, layers, s, t, table, own)
    if laid is not None:
        return laid
    if (table.source == BORDER).any():
        raise refusal(
            f"{layers.names[s]} to {layers.names[t]} reads cells of constant state, and not as windows of "
            "one size and step over maps with a border do"
        )
    if alone and sizes[0] == sizes[1] == len(own) and (table.source == table.target).all():
        return Link(s, t, "(one-to-one)")
    return Link(s, t, _pairs(table))


def _pairs(table: Table) -> str:
    """`(pairs (i j) (i j k) ...)`; k, from 0, only where several connections share."""
    order = np.lexsort((table.source, table.target))
    uses = Counter(table.weight.tolist())
    names: dict[int, int] = {}
    texts = []
    for i, j, w in zip(table.source[order].tolist(), table.target[order].tolist(), table.weight[order].tolist()):
        texts.append(f"({i} {j})" if uses[w] == 1 else f"({i} {j} {names.setdefault(w, len(names))})")
    return f"(pairs {' '.join(texts)})"


def _windows(net: Construction, layers: Layers, s: int, t: int, table: Table, own: np.ndarray) -> Link | None:
    """Windows, if all calls between the two layers laid them in the same manner."""
    calls = sorted(set(net.by[own].tolist()))
    laid = all_or_none(_laid(net.calls[k], layers, k, s, t) if k >= 0 else None for k in calls)
    if laid is None or any(one.manner != laid[0].manner for one in laid):
        return None
    first = laid[0]
    source, target = (_maps(layers.shapes[k]) for k in (s, t))
    maps = np.zeros((source[0], target[0]), bool)
    for one in laid:
        maps[one.maps] = True
    border = (first.border, first.border)
    windows = Windows(source, target, maps, first.window, first.step, border, first.wrap, SHARING[first.kind])
    round_it = Border(first.border, wrap=first.wrap)
    fits = [count_windows(source[axis + 1], round_it, first.window[axis], first.step[axis]) for axis in (0, 1)]
    if tuple(fits) != target[1:] or not same_sharing(windows.table(), table):
        return None
    options = [] if first.step == (1, 1) else [_step(first.step)]
    if first.wrap:
        options.append("(border wrap)")
    elif first.cells:
        values = np.unique(net.values[net.pre[own][table.source == BORDER]])
        if len(values) > 1:
            return None
        value = values[0] if len(values) else 0
        options.append(f"(border {first.border} {number_text(float(value))})")
    one_map = source[0] == target[0] == 1
    drawn = None if one_map or maps.all() or _is_diagonal(maps) else maps
    if not maps.all() and drawn is None:
        options.append("(table one-to-one)")
    return Link(s, t, " ".join([f"({first.kind} {first.window[0]} {first.window[1]})", *options]), drawn)


def _is_diagonal(maps: np.ndarray) -> bool:
    return maps.shape[0] == maps.shape[1] and np.array_equal(maps, np.eye(len(maps), dtype=bool))


def _step(step: tuple[int, int]) -> str:
    return f"(step {step[0]})" if step[0] == step[1] else f"(step {step[0]} {step[1]})"


def _maps(shape: tuple[int, ...]) -> tuple[int, int, int]:
    made = (1,) * (3 - len(shape)) + tuple(shape)
    return made[0], made[1], made[2]


def _laid(call: Call, layers: Layers, k: int, s: int, t: int) -> _Laid | None:
    """What a call laid between maps of the two layers; None if it laid no windows over whole maps of them."""
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
    return _Laid(kind, maps, framed.above, framed.cells, "toric" in call.name, window, step)


def _frames(net: Construction, layers: Layers, s: int, t: int, table: Table, own: np.ndarray) -> Link | None:
    """The windows over time of one `tdnn-connect`."""
    calls = set(net.by[own].tolist())
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
