"""Write a declared net as an SN-2.8 program that makes the same net: the same connections, the same sharing.

Layers are made by `build-net-nobias` and connected by the words of connect.sn. Border cells are units of constant
state. Every map that is read has its own cells, because SN connects two units at most once. Map and cells form a frame,
by rows, over which the windows move.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from textwrap import indent, wrap

import numpy as np

from snsim.convert.nlf import number_text, sn_nlf
from snsim.errors import fail
from snsim.language.builtins import CORE
from snsim.language.literals import symbol_text
from snsim.network.net import Connection, Layer, Net
from snsim.network.wiring import Frames, Table, Windows
from snsim.runtime.settings import FUNCTIONS, NUMBERS, UNSET
from snsim.sn28.all_words import SN28
from snsim.sn28.net.use_net import missing_features

_LOOP = 3  # from this many maps on a loop is written
_KINDS = {"map": "mask", "unit": "local", "pair": "equal-mask"}
# fmt: off
_PROGRAM_VARIABLES = (  # of the written program and of SN-2.8
    "nlf", "dnlf", "ddnlf", "t", "nnum", "nmax", "snum", "smax", "wnum", "wmax", "net", "out", "des", "seen", "s", "k",
)
# fmt: on
_HELPERS = {  # helper functions of the written program
    "piece": """;; COUNT units of a layer, starting at unit FROM (from 0)
(de piece (layer from count)
  (range (+ (car layer) from) (+ (car layer) from count -1)))""",
    "in-frame": """;; a map of r x c units in a frame of h x w, m rows below its top and n columns beside its left edge,
;; by rows; the cells round it are new units of state v
(de in-frame (inner r c m n h w v)
  (let ((cells (newneurons (- (* h w) (* r c)))) (unit 0) (frame ()))
    (state cells v)
    (for (y 0 (1- h))
      (for (x 0 (1- w))
        (if (and (>= y m) (< y (+ m r)) (>= x n) (< x (+ n c)))
            (setq frame (cons (+ (car inner) (* c (- y m)) (- x n)) frame))
          (setq frame (cons (car cells) frame) cells (cdr cells)))))
    (reverse frame)))""",
    "wrapped": """;; a map of r x c units continued on all sides, so that h x w of them, from n rows above it and n
;; columns to its left, stand by rows
(de wrapped (inner r c n h w)
  (let ((frame ()))
    (for (y 0 (1- h))
      (for (x 0 (1- w))
        (setq frame (cons (+ (car inner) (* c (mod (+ (- y n) (* r n)) r)) (mod (+ (- x n) (* c n)) c)) frame))))
    (reverse frame)))""",
    "connect-each": """;; unit k to unit k
(de connect-each (from to)
  (while from
    (connect (car from) (car to))
    (setq from (cdr from) to (cdr to))))""",
    "connect-pairs": """;; unit i of a layer to unit j of another for each (i j); (i j a b) with the weight of a to b
(de connect-pairs (from to pairs)
  (each ((p pairs))
    (if (cddr p)
        (dup-connection (+ (car from) (nth 2 p)) (+ (car to) (nth 3 p)) (+ (car from) (car p)) (+ (car to) (cadr p)))
      (connect (+ (car from) (car p)) (+ (car to) (cadr p))))))""",
}


def program_of(net: Net) -> str:
    """Return an SN-2.8 program that builds the net. SnError, with a list, for features that SN's kernels lack."""
    lacking = missing_features(net)
    if lacking:
        raise fail(f"SN-2.8 has no {', no '.join(lacking)}", None, hint=f"remove this from {net.name} to convert it")
    if len(net.inputs) > 1:
        raise fail(
            f"build-net of SN-2.8 makes nets with one input layer, and {net.name} has {len(net.inputs)}: "
            f"{', '.join(layer.name for layer in net.inputs)}",
            None,
            hint=f"keep the declaration, and write (use-net '{net.name}) in a program of SN-2.8",
        )
    variables = sn_names(net)
    names = {layer: symbol_text(variable) for layer, variable in variables.items()}
    calls = [line for layer in net.computed for line in _bias_calls(layer, names)]
    for layer in net.computed:
        for connection in net.entering(layer.name):
            calls += _calls(net, connection, names)
    used = {word for word in _HELPERS if any(f"({word} " in call for call in calls)}
    counts = net.counts
    units = (
        1
        + counts.units
        + net.layers[-1].units
        + sum(_cells(c.wiring.structure) for c in net.connections if isinstance(c.wiring.structure, Windows))
    )
    return "\n".join(
        [
            f";;; The net {net.name} in the words of SN-2.8: {counts.units:,} units, {counts.connections:,} "
            f"connections, {counts.weights:,} weights.",
            *(
                f";;; The layer {old} is called {new} here: {old} is a word of SN-2.8."
                for old, new in variables.items()
                if old != new
            ),
            '(libload "sn28/sn28ite")',
            "",
            *(f"{text}\n" for word, text in _HELPERS.items() if word in used),
            f"(alloc-net {units} {counts.connections} {counts.weights})",
            "(build-net-nobias",
            _layer_entries(net, names),
            "  ())",
            "",
            *calls,
            "",
        ]
    )


def sn_names(net: Net) -> dict[str, str]:
    """Return the variable of each layer: its own name, unless that is a word or a variable of SN-2.8."""
    reserved = {
        *(entry.name for entry in (*CORE, *SN28)),
        *NUMBERS,
        *FUNCTIONS,
        *UNSET,
        *_HELPERS,
        *_PROGRAM_VARIABLES,
    }
    names: dict[str, str] = {}
    for layer in net.layers:
        name = layer.name.replace("|", "/")  # no symbol can have a bar
        while name in reserved or name in names.values():
            name += "-layer"
        names[layer.name] = name
    return names


def _layer_entries(net: Net, names: dict[str, str]) -> str:
    entries = []
    for layer in net.layers:
        call = None if layer.nlf is None else sn_nlf(layer.nlf)
        entries.append(f"({names[layer.name]} {layer.units}{'' if call is None else ' ' + call})")
    return "  '(" + "\n    ".join(entries) + ")"


def _piece(names: dict[str, str], layer: Layer, k: int) -> str:
    """Return the call for map k of a layer."""
    maps, rows, columns = layer.maps or (1, 1, layer.units)
    return names[layer.name] if maps == 1 else f"(piece {names[layer.name]} {k * rows * columns} {rows * columns})"


def _piece_of(names: dict[str, str], layer: Layer, variable: str) -> str:
    """Return the call for the map whose number is in a variable."""
    _, rows, columns = layer.maps or (1, 1, layer.units)
    return f"(piece {names[layer.name]} (* {rows * columns} {variable}) {rows * columns})"


def _bias_calls(layer: Layer, names: dict[str, str]) -> list[str]:
    if layer.bias == "none":
        return []
    if layer.bias == "unit":
        return [f"(bias-connect {names[layer.name]})"]
    if layer.bias == "map":
        return _for_each(layer, names, range(prod(layer.bias_shape)), "k", lambda k: [f"(shared-bias-connect {k})"])
    return [f"(tdnn-bias-connect {names[layer.name]} {layer.units // layer.shape[-1]} {layer.shape[-1]})"]


def _calls(net: Net, connection: Connection, names: dict[str, str]) -> list[str]:
    source, target = net.layer(connection.source), net.layer(connection.target)
    ends = f"{names[source.name]} {names[target.name]}"
    structure = connection.wiring.structure
    if isinstance(structure, Windows):
        return _windows(structure, connection, source, target, names)
    if isinstance(structure, Frames):
        (n, p), (m, q) = structure.source, structure.target
        return [
            f"(tdnn-connect {names[source.name]} {n} {p} {names[target.name]} {m} {q} {structure.step} "
            f"{structure.window})"
        ]
    if structure is not None:
        return [f"(connect {ends})"]
    table = connection.table
    if (
        source.units == target.units == len(table.source) == connection.wiring.weights
        and (table.source == table.target).all()
    ):
        return [f"(connect-each {ends})"]
    pairs = "\n".join(wrap(_pairs(table), 108, initial_indent="    ", subsequent_indent="    "))
    return [f"(connect-pairs {ends}\n  '(\n{pairs}))"]


def _pairs(table: Table) -> str:
    first: dict[int, tuple[int, int]] = {}
    texts = []
    for i, j, w in zip(table.source.tolist(), table.target.tolist(), table.weight.tolist()):
        texts.append(f"({i} {j} {first[w][0]} {first[w][1]})" if w in first else f"({i} {j})")
        first.setdefault(w, (i, j))
    return " ".join(texts)


# Windows


def _frame(windows: Windows) -> tuple[int, int]:
    """Return the rows and columns that the windows move over.

    They are all that the windows read, and the whole map if it has a border.
    """
    extent = [(windows.target[k + 1] - 1) * windows.step[k] + windows.window[k] for k in (0, 1)]
    if windows.wrap:
        return extent[0], extent[1]
    return (
        max(extent[0], windows.border[0] + windows.source[1]),
        max(extent[1], windows.border[1] + windows.source[2]),
    )


def _framed(windows: Windows) -> bool:
    return not windows.wrap and windows.has_border


def _cells(windows: Windows) -> int:
    """Return how many units the windows need around maps."""
    height, width = _frame(windows)
    each = height * width - windows.source[1] * windows.source[2]
    return each * int(windows.maps.any(1).sum()) if _framed(windows) else 0


def _is_toric(windows: Windows) -> bool:
    """Return whether SN's words for windows that wrap around can make these windows."""
    return (
        windows.wrap
        and windows.border == (0, 0)
        and all(windows.step[k] <= windows.window[k] <= windows.source[k + 1] for k in (0, 1))
    )


def _windows(
    windows: Windows, connection: Connection, source: Layer, target: Layer, names: dict[str, str]
) -> list[str]:
    """Return calls for all pairs of maps: a loop over source maps that feed the same maps, and over these."""
    _, to_rows, to_columns = windows.target
    tail = f"{to_rows} {to_columns} {windows.step[1]} {windows.step[0]} {windows.window[1]} {windows.window[0]})"
    kind = _KINDS[windows.sharing]
    toric = _is_toric(windows) and kind != "equal-mask"
    word = f"{kind}-toric-connect" if toric else f"{kind}-2d-connect"
    framed = not toric and (windows.wrap or _framed(windows))
    height, width = _frame(windows) if framed else windows.source[1:]

    def pair(seen: str, fed: str) -> str:
        return f"({word} {seen} {height} {width} {fed} {tail}"

    def of_map(read: str, fed: list[int]) -> list[str]:
        if not framed:
            return _for_each(target, names, fed, "k", lambda k: [pair(read, k)])
        inner = _for_each(target, names, fed, "k", lambda k: [pair("seen", k)])
        return [f"(let ((seen {_frame_call(windows, read, connection.border_value)}))\n{_inside(inner)})"]

    if _is_diagonal(windows) and not framed and len(windows.maps) >= _LOOP:
        maps = [_piece_of(names, layer, "k") for layer in (source, target)]
        return [f"(for (k 0 {len(windows.maps) - 1})\n{_inside([pair(*maps)])})"]
    return [
        call
        for sources, fed in _groups(windows)
        for call in _for_each(source, names, sources, "s", partial(of_map, fed=fed))
    ]


def _for_each(
    layer: Layer, names: dict[str, str], chosen: Sequence[int], variable: str, calls: Callable[[str], list[str]]
) -> list[str]:
    """Return the calls for each of some maps of a layer; in a loop if there are many."""
    maps = layer.maps[0] if layer.maps else 1
    if len(chosen) < _LOOP:
        return [call for k in chosen for call in calls(_piece(names, layer, k))]
    body = _inside(calls(_piece_of(names, layer, variable)))
    if len(chosen) == maps:
        return [f"(for ({variable} 0 {maps - 1})\n{body})"]
    return [f"(each (({variable} '({' '.join(map(str, chosen))})))\n{body})"]


def _inside(calls: list[str]) -> str:
    return indent("\n".join(calls), "  ")


def _frame_call(windows: Windows, read: str, value: float) -> str:
    """Return the call for the map in its frame, by rows."""
    _, rows, columns = windows.source
    height, width = _frame(windows)
    (top, left), size = windows.border, f"{height} {width}"
    if windows.wrap:
        return f"(wrapped {read} {rows} {columns} {top} {size})"
    return f"(in-frame {read} {rows} {columns} {top} {left} {size} {number_text(value)})"


def _is_diagonal(windows: Windows) -> bool:
    return windows.source[0] == windows.target[0] and bool((windows.maps == np.eye(windows.source[0])).all())


def _groups(windows: Windows) -> list[tuple[list[int], list[int]]]:
    """Return consecutive source maps that feed the same maps, with these maps."""
    groups: list[tuple[list[int], list[int]]] = []
    for s in range(windows.source[0]):
        fed = np.flatnonzero(windows.maps[s]).tolist()
        if groups and groups[-1][1] == fed:
            groups[-1][0].append(s)
        elif fed:
            groups.append(([s], fed))
    return groups
