"""The weights of a net as gray kernels: a row for each source map, a column for each target map.

Each weight is multiplied by the square root of its fan-in F, as in SN's network window: one gray scale then fits layers
of 25 and of 200 inputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from snsim.errors import fail
from snsim.network.net import Connection, Dense, Frames, Layer, Net, Parameter, Windows
from snsim.plots.mosaic import Panel, Scale, draw_sheet, in_rows, mosaic, sheet_text
from snsim.plots.style import WIDE, FigureStyle
from snsim.registry import suggest
from snsim.text_table import shape_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDEST = 200  # cells; more columns of kernels are broken into bands
_MOST_CELLS = 4_000_000  # of one connection
_WITHIN = 0.99  # of the weights are inside the gray scale: a few strong weights would make all others gray


@dataclass(frozen=True, eq=False)
class Weights:
    """A panel for each connection and bias; black is -`reach` or less, white is `reach` or more."""

    title: str
    panels: tuple[Panel, ...]
    reach: float

    @property
    def scale(self) -> Scale:
        return Scale(-self.reach, self.reach, "w √F", beyond=True)


def weights(net: Net, values: Mapping[str, np.ndarray], title: str, only: str | None = None) -> Weights:
    """Return the kernels of a net; `values` are the effective weights by parameter name.

    `only` names one parameter ("h1_h2", "h1-h2", "h1.bias"). SnError if there is none of this name, or if one has
    too many cells to be drawn.
    """
    kinds = [p for p in net.parameters if p.kind in ("weight", "bias") and p.size]
    chosen = [p for p in kinds if only is None or only in _names_of(p)]
    if not chosen:
        names = [p.name.removesuffix(".weight") for p in kinds]
        raise fail(
            f'net {net.name} has no weights "{only}"' if only else f"net {net.name} has no weights to draw",
            hint=suggest(only or "", names, "weights"),
        )
    panels = tuple(_panel(net, p, np.asarray(values[p.name], np.float64)) for p in chosen)
    drawn = np.concatenate([np.abs(panel.picture[np.isfinite(panel.picture)]) for panel in panels])
    return Weights(title, panels, float(np.quantile(drawn, _WITHIN)) or 1.0)


def _names_of(parameter: Parameter) -> set[str]:
    """Return the names that mean a parameter: those in a weight file and in the description, without ".weight" too."""
    names = {parameter.name, parameter.described_name}
    return names | {name.removesuffix(".weight") for name in names}


def draw(data: Weights, look: FigureStyle = WIDE) -> Figure:
    """Draw the kernels of every connection with one gray scale."""
    return draw_sheet(f"Weights of {data.title}", data.panels, data.scale, look)


def text(data: Weights, width: int = 76) -> str:
    """Return the kernels in block characters."""
    return sheet_text(f"weights of {data.title}", data.panels, data.scale, width)


def _panel(net: Net, parameter: Parameter, values: np.ndarray) -> Panel:
    scaled = values.reshape(-1) * np.sqrt(np.maximum(1, np.ravel(parameter.fan_in)))
    if parameter.kind == "bias":
        return _bias_panel(net.layer(parameter.layer), parameter, scaled)
    connection = net.connection_of(parameter)
    tiles = _tiles(net, connection, scaled)
    source, target, rows, columns = tiles.shape
    if tiles.size > _MOST_CELLS:
        raise fail(
            f"{connection.source} > {connection.target} has {source} x {target} kernels of {rows}x{columns}: "
            f"more than {_MOST_CELLS:,} cells cannot be drawn",
            hint="choose another connection with --only NAME",
        )
    named = "" if connection.label is None else f" ({connection.label})"
    title = f"{connection.source} > {connection.target}{named}: " + (
        f"{source} x {target}" if rows == columns == 1 else f"{source} x {target} of {rows}x{columns}"
    )
    gap = 0 if rows == columns == 1 else 2 if _is_local(connection) else 1
    across = max(1, _WIDEST // (columns + gap))
    if target <= across:
        return Panel(title, mosaic(tiles, gap), (rows + gap, columns + gap))
    bands = []
    for first in range(0, target, across):
        band = np.full((source, across, rows, columns), np.nan)
        band[:, : tiles[:, first : first + across].shape[1]] = tiles[:, first : first + across]
        bands += [mosaic(band, gap), np.full((3, across * (columns + gap) - gap), np.nan)]
    return Panel(f"{title}, {across} a line", np.concatenate(bands[:-1]))


def _bias_panel(layer: Layer, parameter: Parameter, scaled: np.ndarray) -> Panel:
    title = f"bias of {layer.name}: {shape_text(parameter.shape)}"
    if len(parameter.shape) == 3:
        return Panel(title, mosaic(scaled.reshape(1, *parameter.shape)))
    across = min(_WIDEST // 2, len(scaled))
    shape = parameter.shape if len(parameter.shape) == 2 else None
    return Panel(title, scaled.reshape(shape) if shape else mosaic(in_rows(scaled.reshape(-1, 1, 1), across), 0))


def _tiles(net: Net, connection: Connection, w: np.ndarray) -> np.ndarray:
    """Return kernels as (source maps, target maps, rows, columns); NaN where there is no connection."""
    structure, source = connection.wiring.structure, net.layer(connection.source)
    if isinstance(structure, Dense):
        maps, rows, columns = source.maps or (source.units, 1, 1)
        return w.reshape(maps, rows, columns, structure.targets).transpose(0, 3, 1, 2)
    if isinstance(structure, Frames):
        return w.reshape(structure.weight_shape).transpose(2, 0, 1)[None]
    if isinstance(structure, Windows):
        return _window_tiles(structure, w)
    units = net.layer(connection.target).units
    if source.units * units > _MOST_CELLS:
        raise fail(
            f"{connection.source} > {connection.target} connects {source.units:,} and {units:,} units by "
            f"{connection.scheme}: more than {_MOST_CELLS:,} cells are not drawn",
            hint="choose another connection with --only NAME",
        )
    table, matrix = connection.table, np.full((source.units, units), np.nan)
    inside = table.source >= 0
    matrix[table.source[inside], table.target[inside]] = w[table.weight[inside]]
    return matrix[:, :, None, None]


def _window_tiles(windows: Windows, w: np.ndarray) -> np.ndarray:
    """Return the kernel of each pair of maps; without weight sharing, the kernels of all units as one picture."""
    target, source = np.nonzero(windows.maps.T)  # the order of the pairs: by target map, then by source map
    rows, columns = windows.window
    if windows.sharing == "map":
        kernels = w.reshape(len(target), rows, columns)
    elif windows.sharing == "pair":
        kernels = w.reshape(len(target), 1, 1)
    else:
        by_unit = w.reshape(len(target), *windows.target[1:], rows, columns)
        kernels = np.stack([mosaic(unit_windows) for unit_windows in by_unit])
    tiles = np.full((*windows.maps.shape, *kernels.shape[1:]), np.nan)
    tiles[source, target] = kernels
    return tiles


def _is_local(connection: Connection) -> bool:
    structure = connection.wiring.structure
    return isinstance(structure, Windows) and structure.sharing == "unit"
