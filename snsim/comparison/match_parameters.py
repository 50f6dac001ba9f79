"""Match the parameters of a PyTorch module with those of a net, and the order of their numbers. Imports torch."""

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
    """One of our parameters and the module's.

    `places`, of our shape, is the index of each of our weights in theirs, flattened. Theirs may have more numbers, for
    pairs of maps that are not connected; those are 0.
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
        """Return a copy, of our shape, of the numbers of a tensor of their shape."""
        return np.ascontiguousarray(tensor.detach().cpu().numpy().reshape(-1)[self.places])

    def extra_gradients(self, tensor: Tensor) -> float:
        """Return the largest absolute value of a tensor of their shape where we have no weight."""
        flat = np.abs(tensor.detach().cpu().numpy().reshape(-1).astype(np.float64))
        flat[self.places] = 0.0
        return float(flat.max(initial=0.0))


def match_parameters(net: Net, module: nn.Module, mapping: Mapping[str, str]) -> list[ParameterMatch]:
    """Return the matches of all parameters: by `mapping`, by name, then by a shape that only one pair has.

    Names are compared without case, dots, hyphens and underscores: ours, as `input_h1.weight`, or layer and kind, as
    `h1_weight`. Shapes are ours, up to axes of 1; (outputs, inputs) for a full connection; or (maps, source maps, rows,
    columns) for windows with a table of which some pairs are absent. Parameters that do not learn (fixed here,
    requires_grad false there) are ignored. Raises SnError with every name and shape that does not fit or is left over.
    """
    ours = {p.name: p for p in net.parameters if p.learns}
    meant = net.parameter_names(mapping)
    mapping = {meant[name]: their_name for name, their_name in mapping.items()}
    theirs = {name: p for name, p in module.named_parameters() if p.requires_grad}
    faults = list(_unknown(mapping, net, ours, theirs))
    stated = {**{p.name: name for p, name in _named(net, ours, theirs, mapping)}, **mapping}
    matches: dict[str, ParameterMatch] = {}
    for name, their_name in stated.items():
        if name in ours and their_name in theirs:
            places = _places(net, ours[name], module, their_name, theirs[their_name])
            if places is None:
                faults.append(_shape_fault(ours[name], their_name, theirs[their_name]))
            else:
                matches[name] = ParameterMatch(ours[name], their_name, theirs[their_name], places)
    if faults:
        raise SnError(faults)
    while True:
        used_names = {pair.name for pair in matches.values()}
        fitting = [
            ParameterMatch(p, name, theirs[name], places)
            for p in ours.values()
            for name in theirs
            if p.name not in matches
            and name not in used_names
            and (places := _places(net, p, module, name, theirs[name])) is not None
        ]
        only = _unique_match(fitting)
        if only is None:
            break
        matches[only.ours.name] = only
    if leftover := _leftover_fault(net, ours, theirs, matches):
        raise SnError(leftover)
    return [matches[name] for name in ours]


def _unknown(
    mapping: Mapping[str, str], net: Net, ours: Mapping[str, Parameter], theirs: Mapping[str, nn.Parameter]
) -> Iterator[Fault]:
    """Yield a fault for each name of the mapping that does not exist or is used twice."""
    for name, their_name in mapping.items():
        if name not in ours:
            yield Fault(
                f'the mapping names "{name}", which is not a learning parameter of net {net.name}',
                hint=suggest(name, list(ours), "parameters"),
            )
        if their_name not in theirs:
            yield Fault(
                f'the mapping names "{their_name}", which is not a learning parameter of the module',
                hint=suggest(their_name, list(theirs), "parameters"),
            )
        if list(mapping.values()).count(their_name) > 1:
            yield Fault(
                f'the mapping uses "{their_name}" more than once, for {name} among others',
                hint=f"give {name} another parameter of the module, or leave it out",
            )


def _named(
    net: Net, ours: Mapping[str, Parameter], theirs: Mapping[str, nn.Parameter], mapping: Mapping[str, str]
) -> Iterator[tuple[Parameter, str]]:
    """Yield the pairs whose names mean the same, except those in the mapping."""
    used_names = set(mapping.values())
    for p in ours.values():
        candidates = [name for name in theirs if name not in used_names and _plain(name) in _spellings(p, net)]
        if p.name not in mapping and candidates:
            used_names.add(candidates[0])
            yield p, candidates[0]


def _spellings(p: Parameter, net: Net) -> set[str]:
    """Return the plain names that mean a parameter: ours, and layer and kind if the layer has one of the kind."""
    alone = sum(q.learns and q.layer == p.layer and q.kind == p.kind for q in net.parameters) == 1
    return {_plain(p.name)} | ({_plain(p.layer + p.kind), _plain(p.layer + p.kind[0])} if alone else set())


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _unique_match(fitting: list[ParameterMatch]) -> ParameterMatch | None:
    """Return a match of which neither parameter fits another one; None if there is none."""
    for pair in fitting:
        if sum(pair.ours is other.ours for other in fitting) == 1 == sum(pair.name == other.name for other in fitting):
            return pair
    return None


# ---- How numbers lie ---------------------------------------------------------------------------------------------


def _places(net: Net, p: Parameter, module: nn.Module, name: str, theirs: nn.Parameter) -> np.ndarray | None:
    """Return the index of each weight of p in theirs, flattened; None if the shapes do not fit."""
    shape, numbers = tuple(theirs.shape), np.arange(theirs.numel())
    full = p.kind == "weight" and len(p.shape) == 2 and shape == p.shape[::-1]
    if full and isinstance(module.get_submodule(name.rpartition(".")[0]), nn.Linear):
        return numbers.reshape(shape).T
    if _without_ones(shape) == _without_ones(p.shape):
        return numbers.reshape(p.shape)
    return numbers.reshape(shape).T if full else _places_in_whole_kernel(net, p, shape)


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


def _places_in_whole_kernel(net: Net, p: Parameter, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return the indices for windows shared in a map, where theirs is a whole kernel; else None.

    The whole kernel has 0 for pairs of maps that are not connected.
    """
    structure = next((c.wiring.structure for c in net.connections if f"{net.attribute(c)}.weight" == p.name), None)
    if not isinstance(structure, Windows) or structure.sharing != "map":
        return None
    sources, targets = structure.maps.shape
    if shape != (targets, sources, *structure.window):
        return None
    order: np.ndarray = np.arange(np.prod(shape)).reshape(shape)[structure.maps.T].reshape(p.shape)
    return order


# ---- What does not fit -------------------------------------------------------------------------------------------


def _shape_fault(p: Parameter, name: str, theirs: nn.Parameter) -> Fault:
    return Fault(
        f"{p.name}, which enters layer {p.layer}, is {_size(p.shape)}; {name} of the module is "
        f"{_size(tuple(theirs.shape))}",
        hint="use our shape, or (outputs, inputs) for a full connection, or map another parameter to it: " + _MAPPING,
    )


def _leftover_fault(
    net: Net, ours: Mapping[str, Parameter], theirs: Mapping[str, nn.Parameter], matches: Mapping[str, ParameterMatch]
) -> Fault | None:
    used_names = {pair.name for pair in matches.values()}
    of_net = [f"{name} {_size(p.shape)}" for name, p in ours.items() if name not in matches]
    of_module = [f"{name} {_size(tuple(p.shape))}" for name, p in theirs.items() if name not in used_names]
    if not of_net and not of_module:
        return None
    return Fault(
        f"some parameters have no match; in net {net.name}: {', '.join(of_net) or 'none'}; "
        f"in the module: {', '.join(of_module) or 'none'}",
        hint=_MAPPING,
    )


def _size(shape: tuple[int, ...]) -> str:
    return "(" + " x ".join(map(str, shape)) + ")"
