"""A drawing of a net: layers as stacks of maps, from the input at the bottom to the output at the top.

Connections are lines with their scheme and counts. All maps of a net are drawn to one scale.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from snsim.network.net import Layer, Net, Transform
from snsim.plots.connection_text import connection_words, describe_connections, transform_words
from snsim.plots.style import COLOURS, GRAY_TEXT, WIDE, FigureStyle, open_figure, wrapped_title
from snsim.text_table import shape_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_APART = 0.06  # of a line from the middle of a layer: those that leave it above, those that enter it below
_STACK = 2.3  # inches: the width of a layer at most; less in the narrow look
_MOST_MAPS = 24  # drawn one behind the other
_MOST_UNITS = 60  # cells drawn of a row of units
_LINE = 0.165  # inches: the height of a line of text
_BETWEEN = 0.30  # inches between two layers, in addition to the lines of text


@dataclass(frozen=True)
class _Box:
    """The size of a layer in the drawing, in units: width, height, shift from map to map; and the number of maps."""

    width: float
    height: float
    shift: float
    maps: int

    @property
    def across(self) -> float:
        return self.width + self.shift * (self.maps - 1)

    @property
    def high(self) -> float:
        return self.height + self.shift * 0.6 * (self.maps - 1)


def draw(net: Net, look: FigureStyle = WIDE) -> Figure:
    """Draw the layers in order of computation, each connected by an arrow with the layer before it.

    Other connections pass at the left, dashed with a delay; their words stand beside the layer that they enter.
    """
    boxes = {layer.name: _box(layer) for layer in net.layers}
    room = _STACK if not look.is_narrow else 1.15
    unit = min(0.085, room / max(box.across for box in boxes.values()))
    skips = _skips(net)
    left = 0.15 + 0.13 * min(6, len(skips)) + room / 2
    beside = left + room / 2 + 0.2
    most = max(16, int((look.width - beside) * 72 / (0.56 * (look.font_size - 1))))  # characters in a line
    words = {layer.name: _entering(net, layer.name, most) for layer in net.layers}
    names = {layer.name: _layer_words(layer, most) for layer in net.layers}
    heights = {name: max(box.high * unit, _LINE * sum(map(len, names[name]))) for name, box in boxes.items()}
    total = (
        0.35
        + 0.2 * (1 + look.is_narrow)
        + sum(heights.values())
        + sum(_BETWEEN + _LINE * len(lines) for lines in words.values())
        + _BETWEEN * (len(net.inputs) - 1)
    )
    figure = open_figure(look, total)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, look.width)
    axes.set_ylim(0, total)
    axes.set_axis_off()
    counts = net.counts
    title = f"{net.name}: {counts.units:,} units, {counts.connections:,} connections, {counts.weights:,} weights"
    axes.text(0.12, total - 0.12, wrapped_title(title, look), va="top", fontsize=look.font_size + 1.5)
    places: dict[str, tuple[float, float]] = {}  # bottom and top of each layer
    y = 0.15
    for layer in net.layers:
        lines = words[layer.name]
        if lines:
            gap = _BETWEEN + _LINE * len(lines)
            if _is_fed_by_previous(net, layer):
                axes.annotate(
                    "",
                    (left, y + gap - 0.03),
                    (left, y + 0.03),
                    arrowprops={"arrowstyle": "-|>", "color": "0.25", "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0},
                )
            for number, line in enumerate(lines):
                axes.text(
                    beside,
                    y + gap / 2 + _LINE * (len(lines) / 2 - number - 0.5),
                    line,
                    va="center",
                    fontsize=look.font_size - 1,
                    color="0.25",
                )
            y += gap
        _draw_layer(axes, boxes[layer.name], left, y, unit)
        bold, plain = names[layer.name]  # two texts of equal line count, so that the second stands below the first
        for text, weight in (
            ("\n".join(bold) + "\n" * len(plain), "bold"),
            ("\n" * len(bold) + "\n".join(plain), "normal"),
        ):
            axes.text(
                beside,
                y + heights[layer.name] / 2,
                text,
                va="center",
                fontsize=look.font_size,
                linespacing=1.25,
                fontweight=weight,
            )
        places[layer.name] = (y, y + heights[layer.name])
        y += heights[layer.name] + (_BETWEEN if layer in net.inputs[:-1] else 0)
    _draw_skips(axes, skips, places, left - room / 2)
    return figure


def text(net: Net, width: int = 76) -> str:
    """Return the layers in one line, then the connections in words."""
    return f"{net.name}: {net.summary}\n\n{describe_connections(net)}"


def _box(layer: Layer) -> _Box:
    if layer.maps is None:
        return _Box(min(layer.units, _MOST_UNITS), 1.4, 0, 1)
    count, rows, columns = layer.maps
    return _Box(columns, rows, max(1.0, 0.16 * columns), min(count, _MOST_MAPS))


def _draw_layer(axes: Axes, box: _Box, middle: float, bottom: float, unit: float) -> None:
    """Draw the maps of a layer, the first in front; a layer without geometry is a row of cells."""
    from matplotlib.patches import Rectangle

    left = middle - box.across * unit / 2
    for n in reversed(range(box.maps)):
        axes.add_patch(
            Rectangle(
                (left + n * box.shift * unit, bottom + 0.6 * n * box.shift * unit),
                box.width * unit,
                box.height * unit,
                facecolor="white",
                edgecolor="0.2",
                linewidth=0.7,
            )
        )
    if box.height < 2:
        axes.vlines(
            [left + n * unit for n in range(1, int(box.width))],
            bottom,
            bottom + box.height * unit,
            color="0.2",
            linewidth=0.35,
        )


def _layer_words(layer: Layer, most: int) -> tuple[list[str], list[str]]:
    """Return name and shape, then units, nlf and biases, in lines of at most `most` characters."""
    units = f"{layer.units:,} unit{'' if layer.units == 1 else 's'}"
    cut = " (not all drawn)" if _is_cut(layer) else ""
    bias = "no bias" if layer.bias == "none" else f"{prod(layer.bias_shape):,} biases"
    nlf = "" if layer.nlf is None else f", {layer.nlf.name[:40]}, {bias}"
    return (
        textwrap.wrap(f"{layer.name}  {shape_text(layer.shape)}", most - 4),
        textwrap.wrap(f"{units}{nlf}{cut}", most - 2),
    )


def _is_cut(layer: Layer) -> bool:
    return layer.units > _MOST_UNITS if layer.maps is None else layer.maps[0] > _MOST_MAPS


def _entering(net: Net, name: str, most: int) -> list[str]:
    """Return the connections into a layer in lines of at most `most` characters: scheme and counts.

    The source is named where it is not the layer before.
    """
    several = len(net.entering(name)) + len(net.transforms_into(name)) > 1
    lines = []
    for connection in net.entering(name):
        origin = f"{connection.source}: " if several or not _is_next(net, connection.source, name) else ""
        lines += [
            f"{origin}{connection_words(connection)}",
            f"{connection.wiring.connections:,} connections, {connection.learning_weights:,} weights",
        ]
    lines += [f"{' '.join(t.sources)}: {transform_words(t)}" for t in net.transforms_into(name)]
    return [part for line in lines for part in textwrap.wrap(line, most, subsequent_indent="  ")]


def _is_next(net: Net, source: str, target: str) -> bool:
    names = [layer.name for layer in net.layers]
    return names.index(target) == names.index(source) + 1


def _joins(net: Net) -> list[tuple[str, str]]:
    """Return the layers that a connection without a delay, or a transform, joins."""
    transforms: list[Transform] = list(net.transforms)
    connections = [(c.source, c.target) for c in net.connections if not c.delay]
    return connections + [(s, t.target) for t in transforms for s in t.sources]


def _is_fed_by_previous(net: Net, layer: Layer) -> bool:
    """Whether the layer before this one, in order of computation, feeds it."""
    return any(target == layer.name and _is_next(net, source, target) for source, target in _joins(net))


def _skips(net: Net) -> list[tuple[str, str, bool]]:
    """Return the connections that skip a layer or have a delay: source, target, whether there is a delay."""
    skips = [(s, t, False) for s, t in _joins(net) if not _is_next(net, s, t)]
    return list(dict.fromkeys([*skips, *((c.source, c.target, True) for c in net.delayed)]))


def _draw_skips(
    axes: Axes, skips: list[tuple[str, str, bool]], places: dict[str, tuple[float, float]], edge: float
) -> None:
    for number, (source, target, is_delayed) in enumerate(skips):
        x = edge - 0.06 - 0.13 * (number % 6)
        start, end = sum(places[source]) / 2 + _APART, sum(places[target]) / 2 - _APART
        style = "--" if is_delayed else "-"
        axes.plot([edge, x, x], [start, start, end], color=GRAY_TEXT, linewidth=0.8, linestyle=style)
        axes.annotate(
            "",
            (edge + 0.02, end),
            (x, end),
            arrowprops={"arrowstyle": "-|>", "color": COLOURS["train"], "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0},
        )
