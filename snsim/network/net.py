"""What a network is: layers, connections with their wiring, free parameters, counts and digest.

All values are frozen, and nothing here computes a state. Engines work from a `snsim.engines.plan`, made from a `Net`.
Shapes are as in the papers: (units,), (rows, columns) or (maps, rows, columns); for tdnn (frames, traits).
Units of a layer are numbered from 0 in C order of its shape.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from math import prod
from typing import Any, TypeVar

import numpy as np

from snsim.errors import Span, fail
from snsim.network.attribute_names import attribute_names
from snsim.network.clauses import Clause
from snsim.network.expressions import Expression, to_text
from snsim.network.wiring import (
    BIAS,
    BORDER,
    Attention,
    Dense,
    Frames,
    MaxPooling,
    Normalization,
    Structure,
    Table,
    Windows,
    Wiring,
)
from snsim.registry import suggest

__all__ = [
    "BIAS",
    "BORDER",
    "Attention",
    "Connection",
    "Counts",
    "Dense",
    "Frames",
    "Layer",
    "MaxPooling",
    "Net",
    "Nlf",
    "Normalization",
    "Parameter",
    "Structure",
    "Table",
    "Transform",
    "Windows",
    "Wiring",
]


@dataclass(frozen=True)
class Nlf:
    """A non-linearity: an expression in `x`, with numbers for its parameters, and its first two derivatives."""

    name: str  # as stated: "sn-tanh", "nlf-tanh 0.666 0.05", or the expression as text
    f: Expression
    df: Expression
    ddf: Expression


@dataclass(frozen=True)
class Layer:
    """One layer of units, numbered from 0 in C order of the shape.

    Attributes
    ----------
    name : str
    shape : tuple of int
        (units,), (rows, columns) or (maps, rows, columns).
    units : int
        How many there are.
    maps : (int, int, int) or None
        Maps, rows and columns; None for a layer without geometry.
    is_input : bool
        Whether the layer holds (a part of) the presentation, so that nothing computes its states.
    """

    name: str
    shape: tuple[int, ...]
    nlf: Nlf | None = None  # None for an input layer
    bias: str = "none"  # "unit", "map", "column" or "none"
    span: Span | None = field(default=None, compare=False)
    is_input: bool = False

    @property
    def units(self) -> int:
        return prod(self.shape)

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """Shape of the bias parameter of the layer; () if it has none."""
        return {
            "unit": self.shape,
            "map": (self.shape[0] if len(self.shape) == 3 else 1,),
            "column": self.shape[-1:],
            "none": (),
        }[self.bias]

    @property
    def bias_index(self) -> np.ndarray:
        """Index into the flattened bias parameter for each unit; empty if the layer has no bias."""
        units = np.arange(self.units)
        if self.bias == "unit":
            return units
        if self.bias == "map":
            return units // (self.units // self.bias_shape[0])
        return units % self.shape[-1] if self.bias == "column" else units[:0]

    @property
    def maps(self) -> tuple[int, int, int] | None:
        """(maps, rows, columns); None for a layer without geometry."""
        if len(self.shape) == 1:
            return None
        maps, rows, columns = (1, *self.shape) if len(self.shape) == 2 else self.shape
        return maps, rows, columns


@dataclass(frozen=True, eq=False)
class Connection:
    """A connection of two layers. `scheme` and `options` are as stated (for show); `wiring` is what they mean."""

    source: str
    target: str
    scheme: str
    options: dict[str, object]
    wiring: Wiring
    border_value: float = 0.0
    scale: float = 1.0
    stated_weights: float | np.ndarray | None = None  # the number of all weights, or codes: one for each, in its shape
    span: Span | None = None
    arguments: tuple[object, ...] = ()  # of the scheme, as stated: (5.0, 5.0) for (mask 5 5)
    weight_norm: bool = False  # weights gain * v / |v|: the parameter is v, and there is one more, the gains
    distance: bool = False  # sums of (weight - state)^2 instead of products
    weights_of: tuple[str, ...] | None = None  # the key of the connection whose weights it uses, with `weights-of`
    learns: bool = True  # codes that learn are initial weights
    label: str | None = None  # of `(name N)`, by which several connections of the same layers differ
    delay: int = 0  # steps: with 1, it reads the states that the source had one step of a sequence before

    @property
    def name(self) -> str:
        return f"{self.source}-{self.target}" if self.label is None else self.label

    @property
    def key(self) -> tuple[str, ...]:
        """Its layers, and its label if it has one."""
        return (self.source, self.target) if self.label is None else (self.source, self.target, self.label)

    @property
    def fixed(self) -> float | np.ndarray | None:
        """The weights if they never learn: the number of all, or the codes."""
        return None if self.learns else self.stated_weights

    @property
    def codes(self) -> np.ndarray | None:
        """The codes, whether they learn or not."""
        return self.stated_weights if isinstance(self.stated_weights, np.ndarray) else None

    @property
    def table(self) -> Table:
        return self.wiring.table

    @property
    def learning_weights(self) -> int:
        """Number of weights that learn, gains included; 0 for the weights of another connection."""
        if self.weights_of is not None:
            return 0
        gains = self.wiring.owner_count if self.weight_norm else 0
        return self.wiring.weights + gains if self.learns else 0


@dataclass(frozen=True, eq=False)
class Transform:
    """An input of a layer without weights: `normalize` and `max-mask` (one source), `attend` (queries, keys, values).

    Its results are added to the weighted sums of the target. `structure` is None if the layers do not fit; that is a
    fault.
    """

    word: str
    sources: tuple[str, ...]
    target: str
    structure: Normalization | Attention | MaxPooling | None
    span: Span | None = None

    @property
    def name(self) -> str:
        return f"{self.word} {' '.join(self.sources)} {self.target}"


@dataclass(frozen=True, eq=False)
class Parameter:
    """One array of weights: a bias or the weights of a connection.

    `fan_in` and `sharers` have one entry per weight (flat, C order). `fan_in` is F of the receiving unit, as
    `Net.lines` counts it: its incoming connections, border cells included, plus 1 if it has a bias. Where units of
    different F share a weight, F of the last one counts (docs/reference/sn28.md, section 3.7). `sharers` counts the
    connections that use the weight. Both arrays are built when they are first read: they can be very large, and
    counting needs neither.
    """

    name: str  # "h1.bias", "input_h1.weight", "input_h1.gain": as in a weight file and in the torch module
    kind: str  # "bias", "weight" or "gain" (of weights with `weight-norm`)
    layer: str  # the layer it enters
    source: str | None  # the layer it comes from; None for a bias
    shape: tuple[int, ...]
    build_fan_in: Callable[[], np.ndarray]
    build_sharers: Callable[[], np.ndarray]
    build_sharers_values: Callable[[], np.ndarray]  # the values that occur in sharers, some repeated
    build_fan_in_values: Callable[[], np.ndarray]  # the values that occur in fan_in, some repeated
    has_bias: bool  # whether F counts a bias; then `(fan-in weights)` is fan_in - 1
    stated_weights: float | np.ndarray | None = None  # what the net states: a number for all, or an array of this shape
    described_name: str = ""  # "input-h1.weight", with the names of the layers: as in weight files of snsim 0.1
    learns: bool = True
    label: str | None = None  # of its connection

    @cached_property
    def fan_in(self) -> np.ndarray:
        return self.build_fan_in()

    @cached_property
    def sharers(self) -> np.ndarray:
        return self.build_sharers()

    @property
    def fan_in_range(self) -> tuple[int, int]:
        """The smallest and the largest F of a parameter, computed without the array of all."""
        return _range(self.build_fan_in_values())

    @property
    def sharers_range(self) -> tuple[int, int]:
        """The smallest and the largest number of sharers of a parameter, computed without the array of all."""
        return _range(self.build_sharers_values())

    @property
    def fixed(self) -> float | np.ndarray | None:
        """What the weights are, if they never learn."""
        return None if self.learns else self.stated_weights

    @property
    def codes(self) -> np.ndarray | None:
        """The weights that the net states one by one, which no distribution draws."""
        return self.stated_weights if isinstance(self.stated_weights, np.ndarray) else None

    def fixed_values(self, dtype: np.dtype | type = np.float64) -> np.ndarray:
        """Return the weights of a parameter that never learns, in its shape."""
        assert self.fixed is not None, f"{self.name} learns"
        return np.full(self.shape, self.fixed, dtype)

    @property
    def size(self) -> int:
        return prod(self.shape)


def _range(values: np.ndarray) -> tuple[int, int]:
    return int(values.min()), int(values.max())


@dataclass(frozen=True)
class Counts:
    """Counts of units (input included), connections (with biases and border cells) and weights that learn (with gains).

    A connection is a line with a weight: learned, shared or fixed. `normalize`, `attend` and `max-mask` have no weights
    and count no connections. They do not count in F of a unit either, because their results do not grow with the number
    of units that they read.
    """

    units: int
    connections: int
    weights: int


@dataclass(frozen=True, eq=False)
class Net:
    """An acyclic graph of layers in order of computation: the input layers are first, the output is the last.

    Connections with a delay may lead backward, or from a layer to itself: they read the step before.
    """

    name: str
    layers: tuple[Layer, ...]
    connections: tuple[Connection, ...]
    clauses: tuple[Clause, ...] = ()  # the complete form with origins, for show
    span: Span | None = None
    transforms: tuple[Transform, ...] = ()
    module_weights: Mapping[str, np.ndarray] | None = None  # of the modules of (net-of ...), by parameter name

    def __repr__(self) -> str:
        return f"<net {self.name}: {self.summary}>"

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle keeps: the fields, without what was computed from them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def summary(self) -> str:
        """The shapes of the layers and the counts in one line."""
        shapes = " ".join("x".join(map(str, layer.shape)) for layer in self.layers)
        counts = self.counts
        return f"{shapes}; {counts.units:,} units, {counts.connections:,} connections, {counts.weights:,} weights"

    @cached_property
    def inputs(self) -> tuple[Layer, ...]:
        """The input layers in order: a presentation is one row, with the units of the first, of the second, ..."""
        return tuple(layer for layer in self.layers if layer.is_input)

    @cached_property
    def computed(self) -> tuple[Layer, ...]:
        """The layers whose states are computed, in order of computation: all but the input layers."""
        return tuple(layer for layer in self.layers if not layer.is_input)

    @cached_property
    def hidden(self) -> tuple[Layer, ...]:
        """The computed layers but the last, which is the output."""
        return self.computed[:-1]

    @cached_property
    def input_units(self) -> int:
        """The number of values in one presentation: the units of the input layers."""
        return sum(layer.units for layer in self.inputs)

    @cached_property
    def delayed(self) -> tuple[Connection, ...]:
        """The connections with a delay, in the order of the net form; a net with some reads sequences."""
        return tuple(c for c in self.connections if c.delay)

    @cached_property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one presentation: that of the input layer, or (units,) if there are several."""
        return self.inputs[0].shape if len(self.inputs) == 1 else (self.input_units,)

    @cached_property
    def input_shapes(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """The name and the shape of each input layer, in order."""
        return tuple((layer.name, layer.shape) for layer in self.inputs)

    @cached_property
    def input_places(self) -> dict[str, slice]:
        """Where the units of each input layer are in a presentation, by its name."""
        ends = np.cumsum([layer.units for layer in self.inputs]).tolist()
        return {layer.name: slice(end - layer.units, end) for layer, end in zip(self.inputs, ends)}

    @cached_property
    def _layers(self) -> dict[str, Layer]:
        return {layer.name: layer for layer in self.layers}

    @cached_property
    def _entering(self) -> dict[str, tuple[Connection, ...]]:
        return _by_target(self.layers, self.connections)

    @cached_property
    def _transformed(self) -> dict[str, tuple[Transform, ...]]:
        return _by_target(self.layers, self.transforms)

    @cached_property
    def _parameters_by_layer(self) -> dict[str, tuple[Parameter, ...]]:
        by_layer: dict[str, tuple[Parameter, ...]] = {layer.name: () for layer in self.inputs}
        return by_layer | {layer.name: tuple(self._parameters_of(layer)) for layer in self.computed}

    def layer(self, name: str) -> Layer:
        """Return the layer of this name; raise SnError with the nearest name if there is none."""
        if name not in self._layers:
            raise fail(f'net {self.name} has no layer "{name}"', None, hint=suggest(name, list(self._layers), "layers"))
        return self._layers[name]

    def has_layer(self, name: str) -> bool:
        """Tell whether a layer has this name."""
        return name in self._layers

    def entering(self, name: str) -> tuple[Connection, ...]:
        """Return the connections that enter the layer of this name, in the order of the net form."""
        return self._entering[self.layer(name).name]

    def transforms_into(self, name: str) -> tuple[Transform, ...]:
        """Return the transforms into the layer of this name, in the order of the net form."""
        return self._transformed[self.layer(name).name]

    def parameters_of(self, name: str) -> tuple[Parameter, ...]:
        """Return the parameters into the layer of this name: those of its connections in order, then its bias."""
        return self._parameters_by_layer[self.layer(name).name]

    @cached_property
    def _attributes(self) -> dict[str | Connection | Transform, str]:
        """The name in a module of each layer that is computed (by its name), of each connection and each transform."""
        parts: list[tuple[str | Connection | Transform, str]] = []
        for layer in self.computed:
            parts += [(c, c.name) for c in self.entering(layer.name)]
            parts += [(t, t.name) for t in self.transforms_into(layer.name)]
            parts.append((layer.name, layer.name))
        return dict(zip((part for part, _ in parts), attribute_names(name for _, name in parts)))

    def attribute(self, part: str | Connection | Transform) -> str:
        """Return the name in a PyTorch module of a computed layer (by its name), a connection or a transform."""
        return self._attributes[part]

    def parameter_names(self, names: Iterable[str]) -> dict[str, str]:
        """Return the parameter name for each name in a weight file; an unknown name is kept.

        Files of snsim 0.1 have the names of layers as they are in the description, "input-h1.weight". Names of both
        kinds can be equal, so if all the names are of one kind, they are read as that kind.
        """
        names = list(names)
        now = {p.name for p in self.parameters}
        described = {p.described_name: p.name for p in self.parameters}
        if not all(name in now for name in names) and all(name in described for name in names):
            return {name: described[name] for name in names}
        return {name: name if name in now else described.get(name, name) for name in names}

    def owner_of(self, connection: Connection) -> Connection:
        """Return the connection whose weights a connection uses: itself, or with `weights-of` the one that it names."""
        if connection.weights_of is None:
            return connection
        return next(c for c in self.entering(connection.weights_of[1]) if c.key == connection.weights_of)

    @cached_property
    def _connection_of(self) -> dict[str, Connection]:
        owners = [c for layer in self.layers for c in self.entering(layer.name) if c.weights_of is None]
        by_gain = {gain: c for c in owners if (gain := self.gain_name(c)) is not None}
        return {self.weight_name(c): c for c in owners} | by_gain

    def connection_of(self, parameter: Parameter) -> Connection:
        """Return the connection of a weight or gain parameter; with `weights-of` the one that owns the weights."""
        return self._connection_of[parameter.name]

    def weight_name(self, connection: Connection) -> str:
        """Return the name of the parameter with the weights of a connection."""
        return f"{self.attribute(self.owner_of(connection))}.weight"

    def gain_name(self, connection: Connection) -> str | None:
        """Return the name of the parameter with the gains of a connection; None without weight-norm."""
        return f"{self.attribute(self.owner_of(connection))}.gain" if connection.weight_norm else None

    @cached_property
    def _users(self) -> dict[tuple[str, ...], tuple[Connection, ...]]:
        users: dict[tuple[str, ...], list[Connection]] = {}
        for layer in self.layers:
            for c in self.entering(layer.name):
                users.setdefault(c.weights_of or c.key, []).append(c)
        return {ends: tuple(connections) for ends, connections in users.items()}

    def users_of(self, connection: Connection) -> tuple[Connection, ...]:
        """Return the connections that use the weights of a connection, in the order in which they are computed."""
        return self._users[connection.weights_of or connection.key]

    def lines(self, name: str) -> np.ndarray:
        """Return F of each unit: its incoming connections, border cells included, plus 1 for a bias; shape (units,)."""
        layer = self.layer(name)
        lines = np.full(layer.units, 0 if layer.bias == "none" else 1)
        for connection in self.entering(name):
            lines = lines + connection.wiring.lines(layer.units)
        return lines

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Every array of weights: for each layer those of its connections in order, then its bias."""
        return tuple(p for layer in self.layers for p in self._parameters_by_layer[layer.name])

    def _parameters_of(self, layer: Layer) -> Iterator[Parameter]:
        has_bias = layer.bias != "none"
        for connection in self.entering(layer.name):
            if connection.weights_of is not None:
                continue
            yield self._weights_of(connection)
            if connection.weight_norm:
                yield _gains(self, connection)
        if has_bias:

            def fan_in() -> np.ndarray:
                values = np.zeros(prod(layer.bias_shape), int)
                values[layer.bias_index] = self.lines(layer.name)  # if several units share it, the last one wins
                return values

            def sharers() -> np.ndarray:
                return np.bincount(layer.bias_index)

            yield Parameter(
                f"{self.attribute(layer.name)}.bias",
                "bias",
                layer.name,
                None,
                layer.bias_shape,
                fan_in,
                sharers,
                sharers,
                fan_in,
                True,
                described_name=f"{layer.name}.bias",
            )

    def _weights_of(self, connection: Connection) -> Parameter:
        wiring, users = connection.wiring, self.users_of(connection)
        last = users[-1].target  # if several connections share the weights, F of the last one counts
        return Parameter(
            f"{self.attribute(connection)}.weight",
            "weight",
            connection.target,
            connection.source,
            wiring.weight_shape,
            lambda: self.lines(last)[wiring.last_user()],
            lambda: wiring.sharers() * len(users),
            lambda: wiring.sharers_values() * len(users),
            lambda: self.lines(last)[wiring.last_users()],
            self.layer(last).bias != "none",
            connection.stated_weights,
            f"{connection.name}.weight",
            connection.learns,
            connection.label,
        )

    def bias_table(self, name: str) -> Table:
        """Return the connections of the bias of a layer, one per unit, with source BIAS; empty if it has none."""
        weight = self.layer(name).bias_index
        return Table(np.full(len(weight), BIAS), np.arange(len(weight)), weight)

    def layer_counts(self, name: str) -> Counts:
        """Return the counts of a layer: its units, the connections that enter it, and their weights that learn."""
        layer = self.layer(name)
        entering, has_bias = self.entering(name), layer.bias != "none"
        return Counts(
            layer.units,
            sum(c.wiring.connections for c in entering) + (layer.units if has_bias else 0),
            sum(c.learning_weights for c in entering) + (prod(layer.bias_shape) if has_bias else 0),
        )

    @cached_property
    def counts(self) -> Counts:
        each = [self.layer_counts(layer.name) for layer in self.layers]
        return Counts(*(sum(getattr(c, what) for c in each) for what in ("units", "connections", "weights")))

    @cached_property
    def digest(self) -> str:
        """sha256 (hex) of the structure: equal for nets that compute the same with the same parameters.

        It covers the layers with their names, shapes, nlfs and biases, and the connections with their wiring. It does
        not cover the name of the net, places in a source, or how the net was stated.
        """
        digest = hashlib.sha256()
        for part in (p for layer in self.layers for p in self._bytes_to_digest(layer)):
            digest.update(part)
            digest.update(b"\n")
        return digest.hexdigest()

    def _bytes_to_digest(self, layer: Layer) -> Iterator[bytes]:
        nlf = [] if layer.nlf is None else [to_text(layer.nlf.f), to_text(layer.nlf.df)]
        yield repr(("layer", layer.name, layer.shape, layer.bias, *nlf)).encode()
        for c in self.entering(layer.name):
            yield repr(
                (
                    "connect",
                    c.source,
                    c.wiring.weight_shape,
                    c.border_value,
                    c.scale,
                    c.fixed if not isinstance(c.fixed, np.ndarray) else _digest_of(c.fixed),
                    *(["weight-norm"] if c.weight_norm else []),
                    *(["distance"] if c.distance else []),
                    *(["delay", c.delay] if c.delay else []),
                    *([] if c.weights_of is None else ["weights-of", *c.weights_of]),
                    *([] if c.label is None else ["name", c.label]),
                )
            ).encode()
            yield from _wiring_bytes(c.wiring)
        for t in self.transforms_into(layer.name):
            yield repr((t.word, t.sources, t.structure)).encode()


_Entering = TypeVar("_Entering", Connection, Transform)


def _by_target(layers: Iterable[Layer], entering: Iterable[_Entering]) -> dict[str, tuple[_Entering, ...]]:
    """Return what enters each layer, by its name, in one pass: the time is linear in the number of layers."""
    by_target: dict[str, list[_Entering]] = {layer.name: [] for layer in layers}
    for connection in entering:
        if connection.target in by_target:
            by_target[connection.target].append(connection)
    return {name: tuple(connections) for name, connections in by_target.items()}


def _digest_of(codes: np.ndarray) -> str:
    """Return the sha256 (hex) of fixed codes."""
    return hashlib.sha256(np.ascontiguousarray(codes, "<f8").tobytes()).hexdigest()


def _gains(net: Net, connection: Connection) -> Parameter:
    """Return the gains of a connection with `weight-norm`: one for each owner of weights."""
    wiring, shape = connection.wiring, (connection.wiring.owner_count,)
    users = net.users_of(connection)
    last = users[-1].target

    def fan_in() -> np.ndarray:
        values = np.zeros(shape, int)
        values[wiring.owners()] = net.lines(last)[wiring.last_user()]
        return values

    def sharers() -> np.ndarray:
        return np.bincount(wiring.owners(), wiring.sharers()).astype(int) * len(users)

    return Parameter(
        f"{net.attribute(connection)}.gain",
        "gain",
        connection.target,
        connection.source,
        shape,
        fan_in,
        sharers,
        sharers,
        lambda: net.lines(last)[wiring.last_users()],
        net.layer(last).bias != "none",
        described_name=f"{connection.name}.gain",
        label=connection.label,
    )


def _wiring_bytes(wiring: Wiring) -> Iterator[bytes]:
    """Yield the wiring as bytes for the digest; the table is built only if there is no structure."""
    structure = wiring.structure
    if structure is None:
        yield from (
            np.ascontiguousarray(a, "<i8").tobytes()
            for a in (wiring.table.source, wiring.table.target, wiring.table.weight)
        )
    elif isinstance(structure, Windows):
        yield repr(
            (
                structure.source,
                structure.target,
                structure.window,
                structure.step,
                structure.border,
                structure.wrap,
                structure.sharing,
                *([] if structure.far_border is None else [structure.far_border]),
            )
        ).encode()
        yield np.packbits(structure.maps).tobytes()
    else:
        yield repr(structure).encode()
