"""A net drawn: layers as stacks of maps from the input at the bottom to the output on top, connections with scheme and
counts beside the lines. Maps of one net are drawn to one scale, a unit a step.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from snsim.network.net import Layer, Net, Transform
from snsim.plots.connection_text import connection_words, describe_connections, transform_words
from snsim.plots.style import INK, QUIET, WIDE, Look, open_figure, title_of
from snsim.text_table import shape_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STACK = 2.3  # inches across that a layer may take, the narrow look less
_MOST_MAPS = 24  # that are drawn one behind the other
_MOST_UNITS = 60  # cells of a row of units that are drawn
_LINE = 0.165  # inches of a line of letters
_BETWEEN = 0.30  # inches between a layer and the next, beside the lines of words


@dataclass(frozen=True)
class _Box:
    """What a layer takes in the drawing, in units: width and height, the shift from map to map, maps drawn."""

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


def draw(net: Net, look: Look = WIDE) -> Figure:
    """The layers in order of computation, each joined with the layer before it by a line; other connections go round
    at the left, and are told beside the layer that they enter.
    """
    boxes = {layer.name: _box(layer) for layer in net.layers}
    room = _STACK if not look.is_narrow else 1.15
    unit = min(0.085, room / max(box.across for box in boxes.values()))
    skips = _skips(net)
    left = 0.15 + 0.13 * min(6, len(skips)) + room / 2
    beside = left + room / 2 + 0.2
    most = max(16, int((look.width - beside) * 72 / (0.56 * (look.letters - 1))))  # letters in a line beside the net
    words = {layer.name: _entering(net, layer.name, most) for layer in net.layers}
    names = {layer.name: _layer_words(layer, most) for layer in net.layers}
    heights = {name: max(box.high * unit, _LINE * sum(map(len, names[name]))) for name, box in boxes.items()}
    total = (
        0.35
        + 0.2 * (1 + look.is_narrow)
        + sum(heights.values())
        + sum(_BETWEEN + _LINE * len(lines) for lines in words.values())
    )
    figure = open_figure(look, total)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, look.width)
    axes.set_ylim(0, total)
    axes.set_axis_off()
    counts = net.counts
    title = f"{net.name}: {counts.units:,} units, {counts.connections:,} connections, {counts.weights:,} weights"
    axes.text(0.12, total - 0.12, title_of(title, look), va="top", fontsize=look.letters + 1.5)
    places: dict[str, tuple[float, float]] = {}  # bottom and top of each layer
    y = 0.15
    for layer in net.layers:
        lines = words[layer.name]
        if lines:
            gap = _BETWEEN + _LINE * len(lines)
            if _is_after_the_last(net, layer):
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
                    fontsize=look.letters - 1,
                    color="0.25",
                )
            y += gap
        _draw_layer(axes, boxes[layer.name], left, y, unit)
        bold, plain = names[layer.name]  # texts of as many lines, so that they stand below one another
        for text, weight in (
            ("\n".join(bold) + "\n" * len(plain), "bold"),
            ("\n" * len(bold) + "\n".join(plain), "normal"),
        ):
            axes.text(
                beside,
                y + heights[layer.name] / 2,
                text,
                va="center",
                fontsize=look.letters,
                linespacing=1.25,
                fontweight=weight,
            )
        places[layer.name] = (y, y + heights[layer.name])
        y += heights[layer.name]
    _draw_skips(axes, skips, places, left - room / 2)
    return figure


def text(net: Net, width: int = 76) -> str:
    """The layers in a line, and the connections in words."""
    return f"{net.name}: {net.summary}\n\n{describe_connections(net)}"


def _box(layer: Layer) -> _Box:
    if layer.maps is None:
        return _Box(min(layer.units, _MOST_UNITS), 1.4, 0, 1)
    count, rows, columns = layer.maps
    return _Box(columns, rows, max(1.0, 0.16 * columns), min(count, _MOST_MAPS))


def _draw_layer(axes: Axes, box: _Box, middle: float, bottom: float, unit: float) -> None:
    """The maps of a layer, the first in front; a layer without geometry as a row of cells."""
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
    """Name and shape, and below them units, nlf and biases, in lines of at most `most` letters."""
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
    """What enters a layer, in lines of at most `most` letters: source where it is not the layer before, scheme,
    counts.
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
    transforms: list[Transform] = list(net.transforms)
    return [(c.source, c.target) for c in net.connections] + [(s, t.target) for t in transforms for s in t.sources]


def _is_after_the_last(net: Net, layer: Layer) -> bool:
    """Whether the layer before this one, in order of computation, feeds it."""
    return any(target == layer.name and _is_next(net, source, target) for source, target in _joins(net))


def _skips(net: Net) -> list[tuple[str, str]]:
    """Connections that pass over a layer."""
    return list(dict.fromkeys((s, t) for s, t in _joins(net) if not _is_next(net, s, t)))


def _draw_skips(axes: Axes, skips: list[tuple[str, str]], places: dict[str, tuple[float, float]], edge: float) -> None:
    for number, (source, target) in enumerate(skips):
        x = edge - 0.06 - 0.13 * (number % 6)
        start, end = sum(places[source]) / 2, sum(places[target]) / 2
        axes.plot([edge, x, x], [start, start, end], color=QUIET, linewidth=0.8)
        axes.annotate(
            "",
            (edge + 0.02, end),
            (x, end),
            arrowprops={"arrowstyle": "-|>", "color": INK["train"], "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0},
        )
