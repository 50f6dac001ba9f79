"""Match the parameters of a PyTorch module with those of a net, and the order of their numbers. Imports torch."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from snsim.errors import Fault, SnError
from snsim.network.net import Net, Parameter
from snsim.network.wiring import Dense, Windows
from snsim.registry import suggest

_MAPPING = '--mapping FILE.json states pairs, {"h1.bias": "conv1.bias"}: our names, then the module\'s'
_EMPTY = np.zeros(0, int)


@dataclass(frozen=True, eq=False)
class TheirParameters:
    """Parameters of a module that together are one array: mostly one, or the kernels of a list of convolutions."""

    names: tuple[str, ...]
    tensors: tuple[nn.Parameter, ...]

    @property
    def name(self) -> str:
        """The name of the one parameter, or of the first and the last."""
        return self.names[0] if len(self.names) == 1 else f"{self.names[0]} ... {self.names[-1]}"

    @property
    def size(self) -> int:
        return sum(tensor.numel() for tensor in self.tensors)

    def flat(self) -> np.ndarray:
        """Return a copy of all numbers, one parameter after the other."""
        return _flat(self.tensors)

    def gradients(self) -> np.ndarray:
        """Return a copy of all gradients in the same order; 0 where there is none."""
        return _flat([torch.zeros_like(t) if t.grad is None else t.grad for t in self.tensors])

    def set(self, flat: np.ndarray) -> None:
        """Set all numbers, in place."""
        begin = 0
        with torch.no_grad():
            for tensor in self.tensors:
                part = flat[begin : begin + tensor.numel()]
                tensor.copy_(torch.from_numpy(np.array(part)).reshape(tensor.shape))
                begin += tensor.numel()


def _flat(tensors: Sequence[Tensor]) -> np.ndarray:
    return np.concatenate([tensor.detach().cpu().numpy().reshape(-1) for tensor in tensors])


@dataclass(frozen=True, eq=False)
class ParameterMatch:
    """One of our parameters and what it is in the module: a parameter, a slice of one, or several.

    `places`, of our shape, is the index of each of our weights in theirs, flattened. Theirs may have more numbers:
    those of others of our parameters, and those of pairs of maps that are not connected. The latter are `absent` and 0.
    `others` are other arrangements that fit as well, such as features that come last: which one holds, a forward pass
    tells.
    """

    ours: Parameter
    theirs: TheirParameters
    places: np.ndarray
    absent: np.ndarray
    others: tuple[np.ndarray, ...] = ()

    @property
    def name(self) -> str:
        return self.theirs.name

    def put(self, array: np.ndarray) -> None:
        """Set theirs to the numbers of an array of our shape, or to one number everywhere."""
        flat = self.theirs.flat()
        flat[self.absent] = 0.0
        flat[self.places] = array
        self.theirs.set(flat)

    def values(self) -> np.ndarray:
        """Return a copy of their numbers, of our shape."""
        return np.ascontiguousarray(self.theirs.flat()[self.places])

    def gradients(self) -> tuple[np.ndarray, float]:
        """Return their gradients, of our shape, and the largest absolute value where we have no weight."""
        flat = self.theirs.gradients()
        extra = float(np.abs(flat[self.absent].astype(np.float64)).max(initial=0.0))
        return np.ascontiguousarray(flat[self.places]), extra


def match_parameters(net: Net, module: nn.Module, mapping: Mapping[str, str]) -> list[ParameterMatch]:
    """Return the matches of all parameters: by `mapping`, by name, by a shape that only one pair has, then in order.

    Names are compared without case, dots, hyphens, underscores and the words of `torch.nn.utils.parametrize`: ours, as
    `input_h1.weight`, or layer and kind, as `h1_weight`. Shapes are ours, up to axes of 1 and axes that are one; or
    (outputs, inputs) for a full connection; or (maps, source maps, rows, columns) for windows with a table of which
    some pairs are absent. A list of modules, `h2.0.weight`, `h2.1.weight`, is one parameter, part after part. One
    parameter may hold several of ours with the same source, as (queries, keys, values). Parameters that do not learn
    (fixed here, requires_grad false there) are ignored. Raises SnError with every name and shape that does not fit or
    is left over.
    """
    ours = {p.name: p for p in net.parameters if p.learns}
    meant = net.parameter_names(mapping)
    mapping = {meant[name]: their_name for name, their_name in mapping.items()}
    alone = {name: p for name, p in module.named_parameters() if p.requires_grad}
    faults = list(_unknown(mapping, net, ours, alone))
    theirs = {name: TheirParameters((name,), (p,)) for name, p in alone.items()}
    stated = {**{p.name: name for p, name in _named(net, ours, alone, mapping)}, **mapping}
    matches: dict[str, ParameterMatch] = {}
    for name, their_name in stated.items():
        if name in ours and their_name in theirs:
            match = _match(net, ours[name], module, theirs[their_name])
            if match is None:
                faults.append(_shape_fault(ours[name], their_name, alone[their_name]))
            else:
                matches[name] = match
    if faults:
        raise SnError(faults)
    used: set[str] = {pair.name for pair in matches.values()}
    for match in [
        *_fused(net, module, ours, theirs, used, set(matches)),
        *_lists(net, module, ours, theirs, used, matches),
    ]:
        if match.ours.name not in matches:
            matches[match.ours.name] = match
            used.update(match.theirs.names)
    _match_by_shape(net, module, ours, theirs, used, matches)
    if leftover := _leftover_faults(net, ours, alone, matches, type(module).__name__):
        raise SnError(leftover)
    return _with_absent([matches[name] for name in ours])


def _match_by_shape(
    net: Net,
    module: nn.Module,
    ours: Mapping[str, Parameter],
    theirs: Mapping[str, TheirParameters],
    used: set[str],
    matches: dict[str, ParameterMatch],
) -> None:
    """Add a match for each shape that only one pair has; then pair those of equal shapes in their order, if as many."""
    while True:
        fitting = [
            match
            for p in ours.values()
            for name in theirs
            if p.name not in matches
            and name not in used
            and (match := _match(net, p, module, theirs[name])) is not None
        ]
        only = _unique_match(fitting) or _match_in_order(fitting)
        if only is None:
            return
        matches[only.ours.name] = only
        used.update(only.theirs.names)


def _match_in_order(fitting: list[ParameterMatch]) -> ParameterMatch | None:
    """Return the first match of the first of ours, if as many of theirs fit as there are of ours that they fit."""
    for pair in fitting:
        names = {other.name for other in fitting if other.ours is pair.ours}
        rivals = {other.ours.name for other in fitting if other.name in names}
        if len(names) == len(rivals):
            return pair
    return None


def _with_absent(matches: list[ParameterMatch]) -> list[ParameterMatch]:
    """Return the matches with the numbers that belong to none of ours; the first match of a parameter has them."""
    covered: dict[tuple[str, ...], np.ndarray] = {}
    for match in matches:
        of_parameter = covered.setdefault(match.theirs.names, np.zeros(match.theirs.size, bool))
        of_parameter[match.places] = True
    result = []
    for match in matches:
        free = covered.pop(match.theirs.names, None)
        result.append(match if free is None else replace(match, absent=np.flatnonzero(~free)))
    return result


# ---- Lists of modules, and several of ours in one ------------------------------------------------------------------


def _lists(
    net: Net,
    module: nn.Module,
    ours: Mapping[str, Parameter],
    theirs: Mapping[str, TheirParameters],
    used: set[str],
    matches: Mapping[str, ParameterMatch],
) -> Iterator[ParameterMatch]:
    """Yield the matches of parameters whose names differ in one number, as those of a ModuleList of convolutions."""
    groups: dict[str, list[str]] = {}
    for name in theirs:
        for number in re.finditer(r"\d+", name):
            if name not in used:
                groups.setdefault(f"{name[: number.start()]}#{name[number.end() :]}", []).append(name)
    left = [p for p in ours.values() if p.name not in matches]
    taken: set[str] = set()
    for names in groups.values():
        names.sort(key=lambda name: [int(number) for number in re.findall(r"\d+", name)])
        parts = [theirs[name].tensors[0] for name in names]
        if len(names) < 2:
            continue
        together = TheirParameters(tuple(names), tuple(parts))
        fitting = [
            (p, places) for p in left if p.name not in taken and (places := _places_in_list(net, p, parts)) is not None
        ]
        named = [one for one in fitting if _plain(re.sub(r"\d+(?=\.)", "", names[0])) in _spellings(one[0], net)]
        if len(named or fitting) >= 1:
            p, places = (named or fitting)[0]
            if named or not _fits_alone(net, module, p, theirs, used):
                taken.add(p.name)
                yield ParameterMatch(p, together, places, _EMPTY)


def _fits_alone(
    net: Net, module: nn.Module, p: Parameter, theirs: Mapping[str, TheirParameters], used: set[str]
) -> bool:
    return any(name not in used and _match(net, p, module, part) is not None for name, part in theirs.items())


def _places_in_list(net: Net, p: Parameter, parts: Sequence[nn.Parameter]) -> np.ndarray | None:
    """Return the index of each weight of p in the parts, one after the other: groups of target maps, or of sources."""
    numbers = sum(part.numel() for part in parts)
    shapes = [_without_ones(tuple(part.shape)) for part in parts]
    if numbers != p.size or any(part.dim() == 0 for part in parts):
        return None
    if p.kind != "weight":
        return np.arange(numbers).reshape(p.shape) if all(len(shape) <= 1 for shape in shapes) else None
    structure = _structure(net, p)
    if isinstance(structure, Windows) and structure.sharing == "map":
        cells = math.prod(structure.window)
        if any(tuple(part.shape[-2:]) != structure.window and part.shape[-1] != cells for part in parts):
            return None
        sources = np.count_nonzero(structure.maps, axis=0)  # of each target map
        done = 0
        for part in parts:  # each part has whole target maps, in order
            filled = 0
            while filled < part.numel() and done < len(sources):
                filled += int(sources[done]) * cells
                done += 1
            if filled != part.numel():
                return None
        return np.arange(numbers).reshape(p.shape)
    if len(p.shape) == 2 and all(part.dim() == 2 and part.shape[1] == p.shape[0] for part in parts):
        return np.arange(numbers).reshape(p.shape[::-1]).T  # rows of outputs, as of nn.Linear
    return None


def _fused(
    net: Net,
    module: nn.Module,
    ours: Mapping[str, Parameter],
    theirs: Mapping[str, TheirParameters],
    used: set[str],
    matched: set[str],
) -> Iterator[ParameterMatch]:
    """Yield the matches of several of ours, with one source and one kind, that are slices of one of theirs."""
    done: set[str] = set()
    groups = list(_of_one_source(net, [p for p in ours.values() if p.name not in matched]))
    for name, part in theirs.items():
        if name in used or any(_match(net, p, module, part) for p in ours.values() if p.name not in matched):
            continue  # it is one of ours as it is
        for group in groups:
            matches = _slices(net, module, group, part) if done.isdisjoint(p.name for p in group) else []
            if matches:
                done.update(p.name for p in group)
                yield from matches
                break


def _of_one_source(net: Net, parameters: Sequence[Parameter]) -> Iterator[list[Parameter]]:
    """Yield the parameters of the sources of an `attend`, by kind and source; then all of one source and shape."""
    for transform in net.transforms:
        for kind in ("weight", "bias"):
            group = [p for layer in transform.sources for p in parameters if p.layer == layer and p.kind == kind]
            if len(group) > 1 and len({p.source for p in group}) == 1:
                yield group
    by_source: dict[tuple[str | None, str, tuple[int, ...]], list[Parameter]] = {}
    for p in parameters:
        if p.kind == "weight":
            by_source.setdefault((p.source, p.kind, p.shape), []).append(p)
    yield from (group for group in by_source.values() if len(group) > 1)


def _slices(net: Net, module: nn.Module, group: list[Parameter], part: TheirParameters) -> list[ParameterMatch]:
    """Return the matches of a group of ours with equal slices of theirs along its first or last axis; [] if unfit."""
    shape = tuple(part.tensors[0].shape)
    if part.size != sum(p.size for p in group):
        return []
    numbers = np.arange(part.size).reshape(shape)
    for axis in dict.fromkeys((0, len(shape) - 1)):
        if not shape or shape[axis] % len(group):
            continue
        matches = []
        for p, block in zip(group, np.split(numbers, len(group), axis)):
            found = _arrangements(net, p, block.shape, _is_linear(module, part.names[0]))
            if not found:
                break
            first, *others = [block.reshape(-1)[places] for places in found]
            matches.append(ParameterMatch(p, part, first, _EMPTY, tuple(others)))
        if len(matches) == len(group):
            return matches
    return []


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
    """Return a name without case and signs; parts of a parametrization have the name of what they are."""
    name = re.sub(r"\bparametrizations\.(\w+)\.original1?$", r"\1", name)
    name = re.sub(r"\bparametrizations\.\w+\.original0$|\bweight_g$", "gain", name)
    return re.sub(r"[\W_]", "", re.sub(r"\bweight_v$", "weight", name)).lower()


def _unique_match(fitting: list[ParameterMatch]) -> ParameterMatch | None:
    """Return a match of which neither parameter fits another one; None if there is none."""
    for pair in fitting:
        if sum(pair.ours is other.ours for other in fitting) == 1 == sum(pair.name == other.name for other in fitting):
            return pair
    return None


# ---- How numbers lie ---------------------------------------------------------------------------------------------


def _match(net: Net, p: Parameter, module: nn.Module, theirs: TheirParameters) -> ParameterMatch | None:
    """Return the match of p with one parameter of theirs; None if the shapes do not fit."""
    found = _arrangements(net, p, tuple(theirs.tensors[0].shape), _is_linear(module, theirs.names[0]))
    return ParameterMatch(p, theirs, found[0], _EMPTY, tuple(found[1:])) if found else None


def _is_linear(module: nn.Module, name: str) -> bool:
    """Tell whether a parameter is the weight of an nn.Linear, under a parametrization or not."""
    owner = name.rpartition(".")[0]
    return isinstance(module.get_submodule(owner.partition(".parametrizations")[0]), nn.Linear) or (
        owner.startswith("parametrizations") and isinstance(module, nn.Linear)
    )


def _arrangements(net: Net, p: Parameter, shape: tuple[int, ...], is_linear: bool) -> list[np.ndarray]:
    """Return the index of each weight of p in an array of a shape, flattened: the likeliest arrangement first."""
    numbers = np.arange(math.prod(shape))
    full = p.kind == "weight" and len(p.shape) == 2
    found: list[np.ndarray] = []
    if full and is_linear and shape == p.shape[::-1]:
        found.append(numbers.reshape(shape).T)
    elif _without_ones(shape) == _without_ones(p.shape):
        found.append(numbers.reshape(p.shape))
    elif full and shape == p.shape[::-1]:
        found.append(numbers.reshape(shape).T)
    elif (whole := _places_in_whole_kernel(net, p, shape)) is not None:
        return [whole]
    elif numbers.size != p.size or numbers.size < 2:
        return []
    elif p.kind == "gain":
        return [numbers.reshape(p.shape)] if len(_without_ones(shape)) <= 1 else []
    elif full and shape[0] == p.shape[1]:  # a window over the whole source, or outputs of any shape
        found.append(numbers.reshape(p.shape[::-1]).T)
    elif _is_regrouped(shape, p.shape):
        found.append(numbers.reshape(p.shape))
    if full and not is_linear and shape == p.shape == p.shape[::-1]:
        found.append(numbers.reshape(shape).T)  # as for functional.linear
    found += [places for places in _features_last(net, p, shape, is_linear) if not _is_among(places, found)]
    return found


def _is_among(places: np.ndarray, others: list[np.ndarray]) -> bool:
    return any(np.array_equal(places, other) for other in others)


def _is_regrouped(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Tell whether one shape has axes of the other as one: (12, 25) and (12, 1, 5, 5)."""
    coarse, fine = sorted((_without_ones(one), _without_ones(other)), key=len)
    ends = {math.prod(fine[:k]) for k in range(len(fine) + 1)}
    return all(math.prod(coarse[:k]) in ends for k in range(len(coarse) + 1))


def _features_last(net: Net, p: Parameter, shape: tuple[int, ...], is_linear: bool) -> Iterator[np.ndarray]:
    """Yield the arrangements of a module that has the maps of a layer last: (rows, columns, maps) or (tokens, maps)."""
    numbers = np.arange(math.prod(shape))
    if p.kind == "bias" and len(p.shape) == 3 and p.shape[0] > 1 and shape:
        maps, rows, columns = p.shape
        if _without_ones(shape) in (_without_ones((rows * columns, maps)), _without_ones((rows, columns, maps))):
            yield numbers.reshape(rows, columns, maps).transpose(2, 0, 1)
    source = None if p.source is None else net.layer(p.source).maps
    structure = _structure(net, p) if p.kind == "weight" else None
    if isinstance(structure, Dense) and source is not None and source[0] > 1 and source[1] * source[2] > 1:
        maps, rows, columns = source
        outputs = p.shape[1]
        if math.prod(shape) != p.size:
            return
        if shape[0] == outputs:
            yield numbers.reshape(outputs, rows, columns, maps).transpose(3, 1, 2, 0).reshape(p.shape)
        elif shape[-1] == outputs and not is_linear:
            yield numbers.reshape(rows, columns, maps, outputs).transpose(2, 0, 1, 3).reshape(p.shape)
    if isinstance(structure, Windows) and structure.sharing == "map" and structure.maps.all():
        sources, targets = structure.maps.shape  # of patches whose features come last, by an nn.Linear
        if len(shape) == 2 and shape[0] == targets and sources > 1 and math.prod(structure.window) > 1:
            yield numbers.reshape(targets, *structure.window, sources).transpose(0, 3, 1, 2).reshape(p.shape)
        if len(shape) == 2 and not is_linear and shape == (p.size // targets, targets):
            yield numbers.reshape(shape).T.reshape(p.shape)


def _structure(net: Net, p: Parameter) -> object:
    return next((c.wiring.structure for c in net.connections if f"{net.attribute(c)}.weight" == p.name), None)


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


def _places_in_whole_kernel(net: Net, p: Parameter, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return the indices for windows shared in a map, where theirs is a whole kernel; else None.

    The whole kernel has 0 for pairs of maps that are not connected.
    """
    structure = _structure(net, p) if p.kind == "weight" else None
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


def _leftover_faults(
    net: Net,
    ours: Mapping[str, Parameter],
    theirs: Mapping[str, nn.Parameter],
    matches: Mapping[str, ParameterMatch],
    module: str,
) -> list[Fault]:
    used_names = {name for pair in matches.values() for name in pair.theirs.names}
    of_net = [f"{name} {_size(p.shape)}" for name, p in ours.items() if name not in matches]
    of_module = [f"{name} {_size(tuple(p.shape))}" for name, p in theirs.items() if name not in used_names]
    if not of_net and not of_module:
        return []
    missing = [p for name, p in ours.items() if name not in matches]
    surplus = {name: p for name, p in theirs.items() if name not in used_names}
    if not surplus and all(p.kind == "bias" for p in missing):
        return [
            Fault(
                f"{module} has no biases of layer {p.layer}; the description has {p.size:,} ({p.name})",
                hint=f"give the layer bias=True, or state (bias none) for {p.layer}",
            )
            for p in missing
        ]
    if not missing and all(re.search(r"bias[^.]*$", name) for name in surplus):
        return [_surplus_bias_fault(name, p.numel(), matches, module) for name, p in surplus.items()]
    return [
        Fault(
            f"some parameters have no match; in net {net.name}: {', '.join(of_net) or 'none'}; "
            f"in the module: {', '.join(of_module) or 'none'}",
            hint=_MAPPING,
        )
    ]


def _surplus_bias_fault(name: str, count: int, matches: Mapping[str, ParameterMatch], module: str) -> Fault:
    """Return a fault for a bias of the module that no layer of the description has."""
    weight = re.sub(r"bias([^.]*)$", r"weight\1", name)
    layer = next((match.ours.layer for match in matches.values() if weight in match.theirs.names), "")
    where = f"layer {layer} of the description has none" if layer else "no layer of the description has them"
    return Fault(
        f"{module} has {count:,} biases, {name}; {where}",
        hint=f"give the layer bias=False, or take (bias none) off {layer or 'its layer in the description'}",
    )


def _size(shape: tuple[int, ...]) -> str:
    return "(" + " x ".join(map(str, shape)) + ")"
