"""Find the role of each parameter of a script in the net of a description: by name, shape and order of use."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from snsim.network.net import Net, Parameter
from snsim.network.wiring import Windows


@dataclass(frozen=True)
class ScriptParameter:
    """A parameter of the script: its name, shape, and its slice in the vector of all. `use`: what reads it first."""

    name: str
    shape: tuple[int, ...]
    use: str
    start: int

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def numbers(self) -> np.ndarray:
        """The indices of its numbers in the vector of all parameters, in its shape."""
        return np.arange(self.start, self.start + self.size).reshape(self.shape)


@dataclass(frozen=True)
class ArchitectureFault:
    """A parameter of the description and of the script that do not agree. `layer`: the layer it enters."""

    message: str
    layer: str
    name: str  # of the script's parameter, or of ours if it has none


@dataclass
class Roles:
    """Where each weight of the description is among the numbers of the script.

    `places` has, by parameter and in its shape, an index into the vector of all numbers of the script, or -1 for a
    weight that the script lacks (0 then). A script with fewer biases has the same index several times. `joined` names
    the parameters of the script that make up each of ours. Numbers in `extra` belong to none.
    """

    size: int
    places: dict[str, np.ndarray] = field(default_factory=dict)
    joined: dict[str, list[str]] = field(default_factory=dict)
    faults: list[ArchitectureFault] = field(default_factory=list)
    tables: dict[str, np.ndarray] = field(default_factory=dict)  # whole kernels: the weights outside the table

    def is_complete(self, net: Net) -> bool:
        """Return whether every weight has a place, so that the net can compute with the script's weights."""
        return all(p.name in self.places for p in net.parameters if p.learns)

    def to_ours(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """Return the weights of the description, by name and in their shapes, from a vector of the script."""
        padded = np.append(vector.astype(np.float64), 0.0)
        return {name: padded[places] for name, places in self.places.items()}

    def to_theirs(self, ours: dict[str, np.ndarray]) -> np.ndarray:
        """Return the sum of our numbers at each place of the script: for gradients of weights that it shares."""
        total = np.zeros(self.size + 1)
        for name, places in self.places.items():
            np.add.at(total, places.reshape(-1), np.asarray(ours[name], np.float64).reshape(-1))
        return total[:-1]

    def spread(self, ours: dict[str, float | np.ndarray], fallback: float) -> np.ndarray:
        """Return our values (rates) at the places of the script; `fallback` where it has other weights."""
        values = np.full(self.size + 1, fallback)
        for name, places in self.places.items():
            values[places] = ours.get(name, fallback)
        return values[:-1]


def find_roles(net: Net, theirs: Sequence[ScriptParameter]) -> Roles:
    """Return the role of each parameter of a script, whose parameters are in the order of their first use."""
    roles = Roles(sum(p.size for p in theirs))
    remaining = list(theirs)
    ours = [p for p in net.parameters if p.learns]
    for by_name in (True, False):
        for p in ours:
            if p.name in roles.places:
                continue
            for candidate in remaining:
                if by_name and _plain(candidate.name) not in _spellings(p, net):
                    continue
                places = _places(net, p, candidate)
                if places is not None:
                    _join(roles, p, [candidate], places)
                    remaining.remove(candidate)
                    break
    for p in ours:
        if p.name not in roles.places and (parts := _parts(p, remaining)):
            axis_joined = np.concatenate([one.numbers for one in parts], axis=0)
            _join(roles, p, parts, axis_joined.reshape(p.shape))
            remaining = [one for one in remaining if one not in parts]
    for p in ours:
        if p.name not in roles.places:
            _report_missing(net, roles, p, remaining)
    for one in remaining:
        roles.faults.append(
            ArchitectureFault(
                f"the script learns {one.name} {_size(one.shape)}, which the description does not have", "", one.name
            )
        )
    return roles


def _join(roles: Roles, p: Parameter, parts: list[ScriptParameter], places: np.ndarray) -> None:
    roles.places[p.name] = places
    roles.joined[p.name] = [one.name for one in parts]
    everything = np.concatenate([one.numbers.reshape(-1) for one in parts])
    outside = np.setdiff1d(everything, places.reshape(-1))
    if len(outside):
        roles.tables[p.name] = outside


def _report_missing(net: Net, roles: Roles, p: Parameter, remaining: list[ScriptParameter]) -> None:
    """Add a fault for a parameter without a counterpart; keep the net computable where possible."""
    layer = net.layer(p.layer)
    if p.kind == "bias":
        maps = layer.maps[0] if layer.maps is not None else 0
        for one in remaining:
            if _without_ones(one.shape) == (maps,) and len(p.shape) == 3 and p.shape[0] == maps:
                places = np.broadcast_to(one.numbers.reshape(maps, 1, 1), p.shape).copy()
                _join(roles, p, [one], places)
                roles.faults.append(
                    ArchitectureFault(
                        f"{one.name} has {one.size} biases, one for each map of {p.layer}; the description has "
                        f"{p.size:,}, one for each unit",
                        p.layer,
                        one.name,
                    )
                )
                remaining.remove(one)
                return
            if len(p.shape) == 1 and p.shape[0] == maps and one.size == layer.units:
                roles.faults.append(
                    ArchitectureFault(
                        f"{one.name} has {one.size:,} biases, one for each unit of {p.layer}; the description has "
                        f"{p.size}, one for each map",
                        p.layer,
                        one.name,
                    )
                )
                remaining.remove(one)
                return
    nearest = _nearest(p, remaining)
    if nearest is None and p.kind == "bias":
        roles.places[p.name] = np.full(p.shape, -1)
        roles.joined[p.name] = []
        roles.faults.append(
            ArchitectureFault(
                f"the script has no biases of layer {p.layer}; the description has {p.size:,} ({p.name})",
                p.layer,
                p.name,
            )
        )
        return
    if nearest is None:
        roles.faults.append(
            ArchitectureFault(f"the script has no parameter for {p.name} {_size(p.shape)}", p.layer, p.name)
        )
        return
    remaining.remove(nearest)
    roles.faults.append(
        ArchitectureFault(
            f"{nearest.name} is {_size(nearest.shape)}, {nearest.size:,} weights; {p.name}, which enters layer "
            f"{p.layer}, is {_size(p.shape)}, {p.size:,} weights",
            p.layer,
            nearest.name,
        )
    )


def _nearest(p: Parameter, remaining: Sequence[ScriptParameter]) -> ScriptParameter | None:
    """Return the first remaining parameter of the same kind: biases have fewer dimensions or are added."""
    for one in remaining:
        is_bias = one.use in ("add", "__add__", "__radd__", "__iadd__", "add_") or len(_without_ones(one.shape)) <= 1
        if is_bias == (p.kind == "bias"):
            return one
    return None


def _parts(p: Parameter, remaining: Sequence[ScriptParameter]) -> list[ScriptParameter]:
    """Return parameters that make up p one after the other: a kernel for each group of maps, for example."""
    shape = p.shape
    fitting = [one for one in remaining if one.shape[1:] == shape[1:] and one.shape[:1] and one.shape[0] < shape[0]]
    taken: list[ScriptParameter] = []
    for one in fitting:
        if sum(part.shape[0] for part in taken) < shape[0]:
            taken.append(one)
    return taken if sum(one.shape[0] for one in taken) == shape[0] else []


# ---- How numbers lie ---------------------------------------------------------------------------------------------


def _places(net: Net, p: Parameter, one: ScriptParameter) -> np.ndarray | None:
    """Return the index of each weight of p among the numbers of the script; None if the shapes do not fit."""
    is_full = p.kind == "weight" and len(p.shape) == 2
    if is_full and one.shape == p.shape[::-1] and (one.shape != p.shape or one.use == "linear"):
        return one.numbers.T
    if _without_ones(one.shape) == _without_ones(p.shape):
        return one.numbers.reshape(p.shape)
    structure = _structure(net, p)
    if isinstance(structure, Windows) and structure.sharing == "map":
        sources, targets = structure.maps.shape
        if one.shape == (targets, sources, *structure.window):
            kept: np.ndarray = one.numbers[structure.maps.T].reshape(p.shape)
            return kept
    if is_full and one.size == p.size and _without_ones(one.shape)[:1] == p.shape[1:]:
        return one.numbers.reshape(p.shape[::-1]).T  # a kernel that covers the whole map
    return None


def _structure(net: Net, p: Parameter) -> object:
    return next((c.wiring.structure for c in net.connections if f"{net.attribute(c)}.weight" == p.name), None)


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


def _spellings(p: Parameter, net: Net) -> set[str]:
    alone = sum(q.learns and q.layer == p.layer and q.kind == p.kind for q in net.parameters) == 1
    return {_plain(p.name)} | ({_plain(p.layer + p.kind), _plain(p.layer + p.kind[0])} if alone else set())


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _size(shape: tuple[int, ...]) -> str:
    return "(" + " x ".join(map(str, shape)) + ")"


def layers_of(net: Net, roles: Roles) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield (parameter, layer, its places) in the order of the description."""
    for p in net.parameters:
        if p.learns and p.name in roles.places:
            yield p.name, p.layer, roles.places[p.name]
