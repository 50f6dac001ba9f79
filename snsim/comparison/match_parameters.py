"""Which parameter of a module of PyTorch is which of a net, and how its numbers lie. Imports torch when it starts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from snsim.errors import Fault, SnError
from snsim.network.net import Net, Parameter
from snsim.network.wiring import Windows
from snsim.registry import suggest

_MAPPING = '--mapping FILE.json states pairs, {"h1.bias": "conv1.bias"}: our names, then the module\'s'


@dataclass(frozen=True, eq=False)
class ParameterMatch:
    """One of our parameters and the module's. `places`, of our shape: where each of our weights stands in theirs,
    flattened; theirs may have more, for pairs of maps that are not joined, and those are 0.
    """

    ours: Parameter
    name: str  # theirs
    theirs: nn.Parameter
    places: np.ndarray

    def put(self, array: np.ndarray) -> None:
        """Set theirs to the numbers of an array of our shape, or to one number everywhere."""
        flat = np.zeros(self.theirs.numel())
        flat[self.places] = array
        with torch.no_grad():
            self.theirs.copy_(torch.from_numpy(flat).reshape(self.theirs.shape))

    def to_ours(self, tensor: Tensor) -> np.ndarray:
        """A copy, of our shape, of the numbers of a tensor of their shape."""
        return np.ascontiguousarray(tensor.detach().cpu().numpy().reshape(-1)[self.places])

    def stray(self, tensor: Tensor) -> float:
        """The largest number, without sign, of such a tensor where we have no weight."""
        flat = np.abs(tensor.detach().cpu().numpy().reshape(-1).astype(np.float64))
        flat[self.places] = 0.0
        return float(flat.max(initial=0.0))


def match_parameters(net: Net, module: nn.Module, mapping: Mapping[str, str]) -> list[ParameterMatch]:
    """Which parameter of the module is which of the net: by `mapping`, by name, then by a shape only one pair has.

    Names are compared without regard to case, dots, hyphens and underscores: ours, as `input-h1.weight`, or layer and
    kind, as `h1_weight`. Shapes are ours, up to axes of 1; (outputs, inputs) for a full connection; or (maps, source
    maps, rows, columns) for windows with a table of which some pairs are absent. Parameters that do not learn (fixed
    here, requires_grad false there) take no part. SnError with every name and shape that does not fit or is left over.
    """
    ours = {p.name: p for p in net.parameters if p.learns}
    theirs = {name: p for name, p in module.named_parameters() if p.requires_grad}
    faults = list(_unknown(mapping, net, ours, theirs))
    stated = {**{p.name: name for p, name in _named(net, ours, theirs, mapping)}, **mapping}
    found: dict[str, ParameterMatch] = {}
    for name, their_name in stated.items():
        if name in ours and their_name in theirs:
            places = _places(net, ours[name], module, their_name, theirs[their_name])
            if places is None:
                faults.append(_misfit(ours[name], their_name, theirs[their_name]))
            else:
                found[name] = ParameterMatch(ours[name], their_name, theirs[their_name], places)
    if faults:
        raise SnError(faults)
    while True:
        taken = {pair.name for pair in found.values()}
        fitting = [
            ParameterMatch(p, name, theirs[name], places)
            for p in ours.values()
            for name in theirs
            if p.name not in found
            and name not in taken
            and (places := _places(net, p, module, name, theirs[name])) is not None
        ]
        only = _only(fitting)
        if only is None:
            break
        found[only.ours.name] = only
    if left := _left_over(net, ours, theirs, found):
        raise SnError(left)
    return [found[name] for name in ours]


def _unknown(
    mapping: Mapping[str, str], net: Net, ours: Mapping[str, Parameter], theirs: Mapping[str, nn.Parameter]
) -> Iterator[Fault]:
    """Names of the mapping that nobody has, and those it has twice."""
    for name, their_name in mapping.items():
        if name not in ours:
            yield Fault(
                f'the mapping names "{name}", which is no parameter of net {net.name} that learns',
                hint=suggest(name, list(ours), "parameters"),
            )
        if their_name not in theirs:
            yield Fault(
                f'the mapping names "{their_name}", which is no parameter of the module that learns',
                hint=suggest(their_name, list(theirs), "parameters"),
            )
        if list(mapping.values()).count(their_name) > 1:
            yield Fault(
                f'the mapping gives "{their_name}" to more than one parameter, {name} among them',
                hint=f"give {name} another parameter of the module, or leave it out",
            )


def _named(
    net: Net, ours: Mapping[str, Parameter], theirs: Mapping[str, nn.Parameter], mapping: Mapping[str, str]
) -> Iterator[tuple[Parameter, str]]:
    """The pairs whose names mean the same, but for those the mapping has."""
    taken = set(mapping.values())
    for p in ours.values():
        meaning = [name for name in theirs if name not in taken and _plain(name) in _spellings(p, net)]
        if p.name not in mapping and meaning:
            taken.add(meaning[0])
            yield p, meaning[0]


def _spellings(p: Parameter, net: Net) -> set[str]:
    """The plain names that mean a parameter: ours, and layer and kind where the layer has one of the kind."""
    alone = sum(q.learns and q.layer == p.layer and q.kind == p.kind for q in net.parameters) == 1
    return {_plain(p.name)} | ({_plain(p.layer + p.kind), _plain(p.layer + p.kind[0])} if alone else set())


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _only(fitting: list[ParameterMatch]) -> ParameterMatch | None:
    """A pair of which neither has another that fits."""
    for pair in fitting:
        if sum(pair.ours is other.ours for other in fitting) == 1 == sum(pair.name == other.name for other in fitting):
            return pair
    return None


# ---- How numbers lie ---------------------------------------------------------------------------------------------


def _places(net: Net, p: Parameter, module: nn.Module, name: str, theirs: nn.Parameter) -> np.ndarray | None:
    """Where each weight of p stands in theirs, flattened; None if the shapes do not fit."""
    shape, numbers = tuple(theirs.shape), np.arange(theirs.numel())
    full = p.kind == "weight" and len(p.shape) == 2 and shape == p.shape[::-1]
    if full and isinstance(module.get_submodule(name.rpartition(".")[0]), nn.Linear):
        return numbers.reshape(shape).T
    if _without_ones(shape) == _without_ones(p.shape):
        return numbers.reshape(p.shape)
    return numbers.reshape(shape).T if full else _among_absent(net, p, shape)


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


def _among_absent(net: Net, p: Parameter, shape: tuple[int, ...]) -> np.ndarray | None:
    """For windows shared in a map, where theirs is a whole kernel with 0 for pairs of maps that are not joined."""
    structure = next((c.wiring.structure for c in net.connections if f"{c.name}.weight" == p.name), None)
    if not isinstance(structure, Windows) or structure.sharing != "map":
        return None
    sources, targets = structure.maps.shape
    if shape != (targets, sources, *structure.window):
        return None
    order: np.ndarray = np.arange(np.prod(shape)).reshape(shape)[structure.maps.T].reshape(p.shape)
    return order


# ---- What does not fit -------------------------------------------------------------------------------------------


def _misfit(p: Parameter, name: str, theirs: nn.Parameter) -> Fault:
    return Fault(
        f"{p.name}, which enters layer {p.layer}, is {_size(p.shape)}; {name} of the module is "
        f"{_size(tuple(theirs.shape))}",
        hint="give it our shape ((outputs, inputs) will do for a full connection), or map another to it: " + _MAPPING,
    )


def _left_over(
    net: Net, ours: Mapping[str, Parameter], theirs: Mapping[str, nn.Parameter], found: Mapping[str, ParameterMatch]
) -> Fault | None:
    taken = {pair.name for pair in found.values()}
    of_net = [f"{name} {_size(p.shape)}" for name, p in ours.items() if name not in found]
    of_module = [f"{name} {_size(tuple(p.shape))}" for name, p in theirs.items() if name not in taken]
    if not of_net and not of_module:
        return None
    return Fault(
        f"not every parameter has its counterpart; left of net {net.name}: {', '.join(of_net) or 'nothing'}; "
        f"left of the module: {', '.join(of_module) or 'nothing'}",
        hint=_MAPPING,
    )


def _size(shape: tuple[int, ...]) -> str:
    return "(" + " x ".join(map(str, shape)) + ")"
