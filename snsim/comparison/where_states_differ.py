"""Say which units of a layer differ, where that names the fault: those at the border, or those of some maps."""

from __future__ import annotations

import numpy as np

from snsim.network.net import Net
from snsim.network.wiring import Windows

_SHARE = 1e-5  # of the largest state: a smaller difference is none


def where_states_differ(net: Net, layer: str, ours: np.ndarray, theirs: np.ndarray) -> str:
    """Return a sentence about which units of a layer differ, or "" if they are neither a border nor whole maps.

    `ours`, `theirs`: states of equal size, (patterns, units) or flat.
    """
    of_layer = net.layer(layer)
    if of_layer.maps is None or ours.size != theirs.size or ours.size % of_layer.units:
        return ""
    a, b = (one.reshape(-1, *of_layer.maps).astype(np.float64) for one in (ours, theirs))
    differing = np.any(~(np.abs(a - b) <= _SHARE * float(np.abs(a).max(initial=0.0))), axis=0)
    if not differing.any():
        return ""
    maps = np.flatnonzero(differing.reshape(len(differing), -1).any(axis=1))
    count = of_layer.maps[0]
    where = ""
    if len(maps) < count:
        where = f"of its {count} maps, only {_ranges(maps)} differ{'s' * (len(maps) == 1)}, counted from 0"
    border = _reads_border(net, layer, of_layer.maps)
    if border.any() and not border.all() and not (differing & ~border).any():
        return "only units whose window reads the border differ" + (f"; {where}" if where else "")
    return f"{where}: compare the table of maps that they read" if where else ""


def _reads_border(net: Net, layer: str, maps: tuple[int, int, int]) -> np.ndarray:
    """Return which units have a window that reads cells outside of its source, bool (maps, rows, columns)."""
    result = np.zeros(maps, bool)
    for connection in net.entering(layer):
        windows = connection.wiring.structure
        if not isinstance(windows, Windows) or windows.wrap:
            continue
        outside = []
        for axis in (0, 1):
            first = np.arange(maps[axis + 1]) * windows.step[axis] - windows.border[axis]
            outside.append((first < 0) | (first + windows.window[axis] > windows.source[axis + 1]))
        result |= outside[0][:, None] | outside[1][None, :]
    return result


def _ranges(numbers: np.ndarray) -> str:
    """Return numbers in order as text: "0 to 3, 7"."""
    parts = np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1)
    return ", ".join(f"{part[0]}" if len(part) == 1 else f"{part[0]} to {part[-1]}" for part in parts)
