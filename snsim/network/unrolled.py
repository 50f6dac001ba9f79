"""Unroll a net with delays in time: a net without delays that computes a number of steps of a sequence at once.

Each step is a copy of the layers, and the copies share their weights (Rumelhart, Hinton and Williams 1986, "Learning
internal representations by error propagation"). A connection with `(delay 1)` leads from the copy of one step to the
copy of the next. Before the first copy stand the states that the delayed connections read from the step before it,
the context of Elman (1990, "Finding structure in time"); they are inputs, so no error goes back beyond them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from snsim.network.net import Connection, Layer, Net, Transform
from snsim.network.wiring import Table, Wiring, wire_table


@dataclass(frozen=True, eq=False)
class Unrolled:
    """A net unrolled over `steps` steps.

    Its input layers are the context (one for each layer of `carried`), then with `has_one` a unit of state 1, then the
    inputs of each step, the oldest first. The last copy has the names of the layers of the net, and its last layer is
    the output.

    Attributes
    ----------
    net : Net
        The net without delays.
    carried : tuple of Layer
        The layers of the net whose states delayed connections read, in order. Their units form the context.
    first_copy : tuple of str
        The names of these layers in the copy of the first step.
    held : tuple of str
        The names of those of these layers that are computed, in all copies but the last, step by step. Where a step is
        before the start of a sequence, their states are 0.
    names : mapping of str to str
        For the name of each parameter, its name in the unrolled net.
    """

    net: Net
    steps: int
    carried: tuple[Layer, ...]
    first_copy: tuple[str, ...]
    held: tuple[tuple[str, ...], ...]
    has_one: bool
    names: Mapping[str, str]

    @property
    def carried_units(self) -> int:
        """The number of values of the context."""
        return sum(layer.units for layer in self.carried)


class _Unroller:
    """Builds the layers and connections of an unrolled net, step by step."""

    def __init__(self, net: Net, steps: int):
        self._net, self._steps = net, steps
        sources = {c.source for c in net.delayed}
        self.carried = tuple(layer for layer in net.layers if layer.name in sources)
        self._recurrent = _layers_before(net, sources)  # those of every step; the others are only in the last
        self.has_one = steps > 1 and any(net.layer(name).bias != "none" for name in self._recurrent)
        self._one = _free_name(net, "1")
        self._inputs: list[Layer] = []
        self._layers: list[Layer] = []
        self._connections: list[Connection] = []
        self._transforms: list[Transform] = []
        self._owners: list[tuple[Connection, Connection]] = []  # with weights of their own: of the net, and the copy
        self._biases: dict[str, Connection] = {}  # shared biases by layer, as connections of the last copy

    def build(self) -> Unrolled:
        net, steps = self._net, self._steps
        for layer in self.carried:
            self._inputs.append(Layer(self._at(layer.name, 0), layer.shape, span=layer.span, is_input=True))
        if self.has_one:
            self._inputs.append(Layer(self._one, (1,), is_input=True))
        for step in range(1, steps + 1):
            for layer in net.inputs:
                self._inputs.append(replace(layer, name=self._at(layer.name, step)))
            for layer in net.computed:
                if step == steps or layer.name in self._recurrent:
                    self._compute(layer, step)
        layers = (*self._inputs, *self._layers)
        unrolled = Net(net.name, layers, tuple(self._connections), (), net.span, tuple(self._transforms))
        computed = [layer.name for layer in self.carried if not layer.is_input]
        held = tuple(tuple(self._at(name, step) for name in computed) for step in range(1, steps))
        first_copy = tuple(self._at(layer.name, 1) for layer in self.carried)
        return Unrolled(unrolled, steps, self.carried, first_copy, held, self.has_one, self._parameter_names(unrolled))

    def _at(self, layer: str, step: int) -> str:
        """Return the name of a layer in the copy of a step, counted from 1; step 0 has the context."""
        return layer if step == self._steps else _free_name(self._net, f"{layer}, {self._steps - step} before")

    def _compute(self, layer: Layer, step: int) -> None:
        """Add the copy of a computed layer with all that enters it."""
        name = self._at(layer.name, step)
        shares_bias = self.has_one and layer.bias != "none" and layer.name in self._recurrent
        self._layers.append(replace(layer, name=name, bias="none") if shares_bias else replace(layer, name=name))
        for c in self._net.entering(layer.name):
            owner = self._net.owner_of(c)
            is_owner = step == self._steps and owner is c
            copy = replace(
                c,
                source=self._at(c.source, step - 1 if c.delay else step),
                target=name,
                delay=0,
                weights_of=None if is_owner else self._ends(owner),
            )
            self._connections.append(copy)
            if is_owner:
                self._owners.append((c, copy))
        for t in self._net.transforms_into(layer.name):
            sources = tuple(self._at(source, step) for source in t.sources)
            self._transforms.append(replace(t, sources=sources, target=name))
        if shares_bias:
            of_last = None if step == self._steps else (self._one, layer.name)
            wiring = _bias_wiring(layer)
            bias = Connection(self._one, name, "pairs", {}, wiring, span=layer.span, weights_of=of_last)
            self._connections.append(bias)
            if of_last is None:
                self._biases[layer.name] = bias

    def _ends(self, owner: Connection) -> tuple[str, ...]:
        """Return the key of the connection of the last copy that has the weights of a connection of the net."""
        return self._at(owner.source, self._steps - 1 if owner.delay else self._steps), *owner.key[1:]

    def _parameter_names(self, unrolled: Net) -> dict[str, str]:
        net, names = self._net, dict[str, str]()
        for c, copy in self._owners:
            names[net.weight_name(c)] = unrolled.weight_name(copy)
            gain, gain_of_copy = net.gain_name(c), unrolled.gain_name(copy)
            if gain is not None and gain_of_copy is not None:
                names[gain] = gain_of_copy
        for layer in net.computed:
            if layer.bias != "none":
                shared = self._biases.get(layer.name)
                bias = f"{unrolled.attribute(layer.name)}.bias" if shared is None else unrolled.weight_name(shared)
                names[f"{net.attribute(layer.name)}.bias"] = bias
        return names


def unroll(net: Net, steps: int) -> Unrolled:
    """Return a net with delays unrolled over `steps` steps, from 1.

    The copies of the steps before the last have only the layers that delayed connections need.
    """
    return _Unroller(net, steps).build()


def _layers_before(net: Net, names: Iterable[str]) -> frozenset[str]:
    """Return these layers and all from which a connection without a delay, or a transform, leads to one of them."""
    reached: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += [c.source for c in net.entering(name) if not c.delay]
            waiting += [source for t in net.transforms_into(name) for source in t.sources]
    return frozenset(reached)


def _free_name(net: Net, name: str) -> str:
    """Return a name that no layer of the net has."""
    while net.has_layer(name):
        name += " "
    return name


def _bias_wiring(layer: Layer) -> Wiring:
    """Return the biases of a layer as connections from one unit of state 1."""

    def table() -> Table:
        return Table(np.zeros(layer.units, int), np.arange(layer.units), layer.bias_index)

    return wire_table(layer.bias_shape, layer.units, table)
