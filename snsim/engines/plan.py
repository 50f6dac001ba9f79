"""Turn a `Net` into the order of work that engines compute: stages, links and parameters.

An engine needs nothing else about the net, and nothing here depends on an engine. Layers are numbered from 0 in
order of computation, the input layers first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from snsim.errors import fail
from snsim.network.expressions import Expression
from snsim.network.net import Connection, Layer, Net, Parameter, Transform
from snsim.network.wiring import Attention, Dense, Frames, MaxPooling, Normalization, Table, Windows


@dataclass(frozen=True, eq=False)
class Link:
    """One connection to compute: add `scale` * weight * state of layer `source` to the sums of the target.

    Border cells are inputs like any others: their value is multiplied by `scale` too.
    """

    source: int  # number of the source layer
    slot: str  # name of the parameter with its weights; with `weights-of` other links have the same
    structure: Dense | Windows | Frames | None
    border_value: float
    scale: float
    connection: Connection
    gain: str | None = None  # name of the parameter with the lengths of its weight vectors, if it has weight-norm
    distance: bool = False  # add (weight - state)^2 instead of products

    @property
    def table(self) -> Table:
        """Return the explicit connection table."""
        return self.connection.table

    def __str__(self) -> str:
        text, windows = _describe(self.structure), self.structure
        if isinstance(windows, Windows) and windows.has_border and not windows.wrap:
            text += f", border held at {self.border_value:g}"
        scale = "" if self.scale == 1 else f", times {self.scale:g}"
        gain = "" if self.gain is None else f" normalized by {self.gain}"
        distance = ", squares of differences" if self.distance else ""
        return f"from layer {self.source} with {self.slot}{gain}: {text}{scale}{distance}"


@dataclass(frozen=True, eq=False)
class Transfer:
    """One transform to compute: add the result of `normalize`, `attend` or `max-mask` to the sums of the target.

    It reads the states of the layers `sources`, in order, and has no weights.
    """

    sources: tuple[int, ...]
    structure: Normalization | Attention | MaxPooling
    transform: Transform

    def __str__(self) -> str:
        layers = f"layer{'' if len(self.sources) == 1 else 's'} {' '.join(map(str, self.sources))}"
        s = self.structure
        if isinstance(s, MaxPooling):
            (rows, columns), step = s.window, s.step
            return f"from {layers}: the largest of windows of {rows}x{columns}, step {step[0]} {step[1]}"
        if isinstance(s, Normalization):
            return f"from {layers}: each of {s.positions} positions normalized over {s.maps} maps"
        return f"from {layers}: attention over {s.positions} positions, {s.heads} heads of {s.size} maps"


@dataclass(frozen=True, eq=False)
class LayerPlan:
    """One layer to compute: its links in the order of the text, its transfers, the bias, then the non-linearity."""

    layer: int
    name: str
    shape: tuple[int, ...]
    units: int
    links: tuple[Link, ...]
    transfers: tuple[Transfer, ...]
    bias: str | None  # name of the bias parameter
    bias_index: np.ndarray | None  # entry of the bias parameter for each unit
    f: Expression
    df: Expression
    ddf: Expression

    def __str__(self) -> str:
        bias = "no bias" if self.bias is None else f"bias {self.bias}"
        head = f"{self.layer}  {self.name}: {self.units} units {_shape(self.shape)}, {bias}"
        return "\n".join([head, *(f"     {link}" for link in (*self.links, *self.transfers)), f"     x = {self.f}"])


@dataclass(frozen=True, eq=False)
class Plan:
    """The stages and parameters of one net, in order of computation.

    Its text is what `snsim show --stage plan` prints.

    `carried` has pairs (layer, first input unit): these input units may stand for the states that the layer had in the
    presentation before. An engine with the attribute `carries` fills them in where an input is NaN.
    """

    net: Net
    stages: tuple[LayerPlan, ...]  # every computed layer, in order of computation
    parameters: dict[str, Parameter]  # by name, in order: for each layer its connections as stated, then its bias
    carried: tuple[tuple[int, int], ...] = ()

    @property
    def inputs(self) -> tuple[Layer, ...]:
        """The input layers, which have the first numbers; their units in order are a presentation."""
        return self.net.inputs

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.net.input_shape

    @property
    def input_units(self) -> int:
        return self.net.input_units

    @property
    def layer_units(self) -> tuple[int, ...]:
        """The number of units of each layer, by its number."""
        return tuple(layer.units for layer in self.net.layers)

    def is_input(self, layer: int) -> bool:
        """Tell whether the layer of a number is an input layer."""
        return layer < len(self.inputs)

    def split_inputs(self, x: np.ndarray) -> list[np.ndarray]:
        """Return the part of presentations, shape (..., units), that each input layer holds, as views."""
        return [x[..., place] for place in self.net.input_places.values()]

    @property
    def output_units(self) -> int:
        return self.stages[-1].units

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.stages[-1].shape

    @cached_property
    def shared_slots(self) -> frozenset[str]:
        """The names of the parameters that several links use (`weights-of`)."""
        slots = Counter(link.slot for stage in self.stages for link in stage.links)
        return frozenset(slot for slot, links in slots.items() if links > 1)

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Return the names of the layers by number, those of the inputs first."""
        return tuple(layer.name for layer in self.net.layers)

    def __str__(self) -> str:
        rows = [("parameter", "shape", "weights", "fan-in", "sharers", "")]
        for p in self.parameters.values():
            note = "" if p.learns else "fixed codes" if isinstance(p.fixed, np.ndarray) else f"fixed at {p.fixed:g}"
            rows.append(
                (
                    p.name,
                    _shape(p.shape),
                    str(p.size),
                    _range(p.fan_in_range) if p.size else "-",
                    _range(p.sharers_range) if p.size else "-",
                    note,
                )
            )
        widths = [max(len(row[i]) for row in rows) for i in range(6)]
        aligned_left = (True, True, False, False, False, True)
        table = [
            "  ".join(
                cell.ljust(width) if to_left else cell.rjust(width)
                for cell, width, to_left in zip(row, widths, aligned_left)
            ).rstrip()
            for row in rows
        ]
        head = f"plan of {self.net.name}"
        inputs = [f"{k}  {each.name}: {each.units} units {_shape(each.shape)}" for k, each in enumerate(self.inputs)]
        return "\n".join([head, "", *table, "", *inputs, *(str(stage) for stage in self.stages)])


def plan(net: Net) -> Plan:
    """Return the plan of a checked net. SnError for one with delays: its plan is that of the net unrolled in time."""
    if net.delayed:
        c = net.delayed[0]
        raise fail(
            f"net {net.name} reads sequences, because the connection from {c.source} to {c.target} has a delay: only "
            "trainings and their predictions compute it",
            c.span,
            hint="use snsim run, snsim predict or snsim.load, or remove (delay 1)",
        )
    number = {layer.name: k for k, layer in enumerate(net.layers)}
    stages = tuple(_stage(net, layer, number) for layer in net.computed)
    return Plan(net, stages, {p.name: p for p in net.parameters})


def _stage(net: Net, layer: Layer, number: dict[str, int]) -> LayerPlan:
    links = tuple(
        Link(
            number[c.source],
            net.weight_name(c),
            c.wiring.structure,
            c.border_value,
            c.scale,
            c,
            net.gain_name(c),
            c.distance,
        )
        for c in net.entering(layer.name)
    )
    transfers = tuple(_transfer(t, number) for t in net.transforms_into(layer.name))
    bias, index = None, None
    if layer.bias != "none":
        bias, index = f"{net.attribute(layer.name)}.bias", layer.bias_index
    nlf = layer.nlf
    assert nlf is not None, f"layer {layer.name} has no nlf"
    return LayerPlan(
        number[layer.name], layer.name, layer.shape, layer.units, links, transfers, bias, index, nlf.f, nlf.df, nlf.ddf
    )


def _transfer(transform: Transform, number: dict[str, int]) -> Transfer:
    assert transform.structure is not None, f"{transform.name} does not fit its layers"
    return Transfer(tuple(number[source] for source in transform.sources), transform.structure, transform)


def explicit_tables(plan: Plan) -> dict[str, Callable[[], np.ndarray]]:
    """Return, by name of a connection ("input_h1") or bias ("h1.bias"), a function that builds its table.

    A table is an int64 array (connections, 3) with the columns source unit (or BIAS, BORDER), target unit and weight.
    """
    builders: dict[str, Callable[[], np.ndarray]] = {}
    for stage in plan.stages:
        for link in stage.links:
            table = link.table if link.structure is None else link.structure.table
            builders[plan.net.attribute(link.connection)] = partial(_columns, table)
        if stage.bias is not None:
            builders[stage.bias] = partial(_columns, plan.net.bias_table(stage.name))
    return builders


def _columns(table: Table | Callable[[], Table]) -> np.ndarray:
    table = table if isinstance(table, Table) else table()
    return np.stack([table.source, table.target, table.weight], 1).astype(np.int64)


def _shape(shape: tuple[int, ...]) -> str:
    return "(" + " ".join(str(n) for n in shape) + ")"


def _range(ends: tuple[int, int]) -> str:
    low, high = ends
    return f"{low}" if low == high else f"{low}..{high}"


def _describe(structure: Dense | Windows | Frames | None) -> str:
    """Describe in words what a fast kernel may rely on."""
    if structure is None:
        return "an explicit table only"
    if isinstance(structure, Dense):
        return "dense"
    if isinstance(structure, Frames):
        return f"{structure.window} frames of {structure.source[1]} traits, step {structure.step}"
    sharing_texts = {"map": "shared windows", "unit": "windows for each unit", "pair": "one weight per pair of maps"}
    rows, columns = structure.window
    sides = structure.border if structure.far_border is None else [cells for pair in structure.sides for cells in pair]
    edge = f"border {' '.join(map(str, sides))}{' wrapped' if structure.wrap else ''}"
    edge = edge if structure.has_border or structure.wrap else ""
    fed, pairs = int(structure.maps.sum()), structure.maps.size
    parts = [
        sharing_texts[structure.sharing],
        f"{rows}x{columns}",
        f"step {structure.step[0]} {structure.step[1]}",
        edge,
        f"{fed} of {pairs} pairs of maps",
    ]
    return ", ".join(part for part in parts if part)
