"""A net as a plain `torch.nn.Module`.

Parameters are named by what they are: the bias of layer h1 is `h1.bias`, the weights from input to h1 are
`input_h1.weight` (hyphens become underscores; a name that is taken, or that every module has, gets a `_` behind it).
Their shapes are those of `snsim.network.net.Parameter`. Absent pairs of maps have no weights; fixed weights are
buffers outside of the `state_dict`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from snsim.engines.plan import Link, Plan, Stage, explicit_tables
from snsim.engines.torch.operations import TORCH
from snsim.engines.torch.transforms import transform
from snsim.errors import fail
from snsim.network.expressions import compile_expressions, differentiate
from snsim.network.wiring import BORDER, Dense, Frames, Windows
from snsim.registry import suggest

# ---- Connections -------------------------------------------------------------------------------------------------


def _keep(module: nn.Module, name: str, indices: np.ndarray) -> None:
    """Indices that move with the module from device to device and are no part of its state."""
    module.register_buffer(name, torch.from_numpy(np.array(indices, np.int64)), persistent=False)


class _Connection(nn.Module):
    """One connection: states of its source layer, (patterns, units), to weighted sums, (patterns, units)."""

    weight: Tensor
    owner: Tensor

    def __init__(self, link: Link, plan: Plan, dtype: torch.dtype):
        super().__init__()
        parameter = plan.parameters[link.slot]
        if parameter.fixed is None:
            self.weight = nn.Parameter(torch.zeros(parameter.shape, dtype=dtype))
        else:
            self.register_buffer("weight", torch.full(parameter.shape, parameter.fixed, dtype=dtype), persistent=False)
        self.gain: nn.Parameter | None = None  # with weight-norm
        if link.gain is not None:
            self.gain = nn.Parameter(torch.zeros(plan.parameters[link.gain].shape, dtype=dtype))
            _keep(self, "owner", link.connection.wiring.owners())
        self.scale, self.border_value = link.scale, link.border_value

    def forward(self, x: Tensor) -> Tensor:
        sums = self.sums(x)
        return sums if self.scale == 1 else sums * self.scale

    def sums(self, x: Tensor) -> Tensor:
        """The weighted sums without the scale."""
        raise NotImplementedError

    def used(self) -> Tensor:
        """The weights that multiply states: with weight-norm gain * v / |v|, see `engines.weight_norm`."""
        if self.gain is None:
            return self.weight
        v = self.weight.reshape(-1)
        lengths = torch.sqrt(torch.zeros_like(self.gain).index_add(0, self.owner, v * v))
        return (v * (self.gain / lengths)[self.owner]).reshape(self.weight.shape)


class _Dense(_Connection):
    """`full`: a product of matrices."""

    def sums(self, x: Tensor) -> Tensor:
        return x @ self.used()


class _Windows(_Connection):
    """What all windows over maps have: the source maps with their border, as (patterns, maps, rows, columns)."""

    wrapped_rows: Tensor
    wrapped_columns: Tensor

    def __init__(self, link: Link, plan: Plan, dtype: torch.dtype):
        super().__init__(link, plan, dtype)
        windows = _windows_of(link)
        self.source, self.step, self.border, self.wrap = windows.source, windows.step, windows.border, windows.wrap
        if self.wrap:
            _keep(self, "wrapped_rows", _wrapped_cells(windows, 0))
            _keep(self, "wrapped_columns", _wrapped_cells(windows, 1))

    def framed(self, x: Tensor) -> Tensor:
        maps = x.reshape(-1, *self.source)
        if self.wrap:
            return maps.index_select(2, self.wrapped_rows).index_select(3, self.wrapped_columns)
        rows, columns = self.border
        return functional.pad(maps, (columns, columns, rows, rows), value=self.border_value)


def _windows_of(link: Link) -> Windows:
    assert isinstance(link.structure, Windows)
    return link.structure


def _wrapped_cells(windows: Windows, axis: int) -> np.ndarray:
    """Rows (axis 0) or columns (1) of a source map in the order in which windows that wrap round pass over them."""
    reach = (windows.target[axis + 1] - 1) * windows.step[axis] + windows.window[axis]
    return (np.arange(reach) - windows.border[axis]) % windows.source[axis + 1]


class _Shared(_Windows):
    """`mask` and `equal-mask`: a convolution whose kernel has zeros where a map does not feed another."""

    kernel_index: Tensor

    def __init__(self, link: Link, plan: Plan, dtype: torch.dtype):
        super().__init__(link, plan, dtype)
        self.one_to_one, index = _kernel_index(_windows_of(link))
        _keep(self, "kernel_index", index)

    def sums(self, x: Tensor) -> Tensor:
        weights = functional.pad(self.used().reshape(-1), (0, 1))  # the last, 0, is that of the absent pairs
        groups = self.source[0] if self.one_to_one else 1
        made = functional.conv2d(self.framed(x), weights[self.kernel_index], stride=self.step, groups=groups)
        return made.flatten(1)


def _kernel_index(windows: Windows) -> tuple[bool, np.ndarray]:
    """For shared windows as a convolution: whether each map feeds its own alone, and where the kernel's weights are.

    The index, (target maps, source maps, R, C), or (maps, 1, R, C) if each map feeds its own alone, points into the
    flattened parameter, and just behind it for pairs of maps that are absent.
    """
    sources, targets = windows.maps.shape
    cells, pairs = windows.window[0] * windows.window[1], int(windows.maps.sum())
    pair = np.full((targets, sources), -1)
    pair[windows.maps.T] = np.arange(pairs)
    own = sources == targets and np.array_equal(windows.maps, np.eye(sources, dtype=bool))
    pair = np.diag(pair)[:, None] if own else pair
    if windows.sharing == "pair":
        index = np.where(pair < 0, pairs, pair)[..., None].repeat(cells, -1)
    else:
        index = np.where(pair[..., None] < 0, pairs * cells, pair[..., None] * cells + np.arange(cells))
    return own, index.reshape(*pair.shape, *windows.window)


class _Local(_Windows):
    """`local`: every unit multiplies its windows by weights of its own."""

    pair_source: Tensor
    pair_target: Tensor

    def __init__(self, link: Link, plan: Plan, dtype: torch.dtype):
        super().__init__(link, plan, dtype)
        windows = _windows_of(link)
        self.window, self.maps = windows.window, windows.target[0]
        target, source = np.nonzero(windows.maps.T)
        _keep(self, "pair_source", source)
        _keep(self, "pair_target", target)
        self.weights_shape = (len(source), *windows.target[1:], *windows.window)

    def sums(self, x: Tensor) -> Tensor:
        read = self.framed(x).unfold(2, self.window[0], self.step[0]).unfold(3, self.window[1], self.step[1])
        pairs = torch.einsum("npijrc,pijrc->npij", read[:, self.pair_source], self.used().reshape(self.weights_shape))
        sums = pairs.new_zeros((pairs.shape[0], self.maps, *pairs.shape[2:]))
        return sums.index_add(1, self.pair_target, pairs).flatten(1)


class _Frames(_Connection):
    """`tdnn`: windows over frames, shared along them."""

    def __init__(self, link: Link, plan: Plan, dtype: torch.dtype):
        super().__init__(link, plan, dtype)
        assert isinstance(link.structure, Frames)
        self.source, self.step = link.structure.source, link.structure.step

    def sums(self, x: Tensor) -> Tensor:
        read = x.reshape(-1, *self.source).unfold(1, self.used().shape[0], self.step)
        return torch.einsum("nfiw,wio->nfo", read, self.used()).flatten(1)


class _Listed(_Connection):
    """A connection known by its explicit table only."""

    from_unit: Tensor
    to_unit: Tensor
    by_weight: Tensor

    def __init__(self, link: Link, plan: Plan, dtype: torch.dtype):
        super().__init__(link, plan, dtype)
        table, units = link.table, plan.net.layers[link.source].units
        _keep(self, "from_unit", np.where(table.source == BORDER, units, table.source))
        _keep(self, "to_unit", table.target)
        _keep(self, "by_weight", table.weight)
        self.has_border = bool((table.source == BORDER).any())
        self.units = next(stage.units for stage in plan.stages if link in stage.links)

    def sums(self, x: Tensor) -> Tensor:
        if self.has_border:
            x = functional.pad(x, (0, 1), value=self.border_value)
        products = x[:, self.from_unit] * self.used().reshape(-1)[self.by_weight]
        return products.new_zeros((products.shape[0], self.units)).index_add(1, self.to_unit, products)


def _connection(link: Link, plan: Plan, dtype: torch.dtype) -> _Connection:
    structure = link.structure
    if isinstance(structure, Dense):
        return _Dense(link, plan, dtype)
    if isinstance(structure, Windows):
        return (_Local if structure.sharing == "unit" else _Shared)(link, plan, dtype)
    return (_Frames if isinstance(structure, Frames) else _Listed)(link, plan, dtype)


class _Layer(nn.Module):
    """The bias and the nlf of a layer: sums of what enters it, (patterns, units), to its states.

    Where autograd would not find the derivative that is meant, the nlf is written as its Taylor polynomial of second
    order at the sum itself, which has the same value and both derivatives right.
    """

    bias_index: Tensor

    def __init__(self, stage: Stage, plan: Plan, dtype: torch.dtype):
        super().__init__()
        self.f = compile_expressions([stage.f])
        self.stated = None if _autograd_knows(stage) else compile_expressions([stage.f, stage.df, stage.ddf])
        self.has_bias = stage.bias is not None
        if stage.bias is not None and stage.bias_index is not None:
            self.bias = nn.Parameter(torch.zeros(plan.parameters[stage.bias].shape, dtype=dtype))
            _keep(self, "bias_index", stage.bias_index)

    def forward(self, sums: Tensor) -> Tensor:
        return self.state(self.biased(sums))

    def biased(self, sums: Tensor) -> Tensor:
        """The sums with the bias."""
        return sums + self.bias.reshape(-1)[self.bias_index] if self.has_bias else sums

    def state(self, sums: Tensor) -> Tensor:
        """The nlf of the sums."""
        if self.stated is not None:
            at = sums.detach()
            value, df, ddf = self.stated.bind(TORCH)({"x": at})
            expanded: Tensor = value + (sums - at) * (df + 0.5 * (sums - at) * ddf)
            return expanded
        value = self.f.bind(TORCH)({"x": sums})[0]
        return value if isinstance(value, Tensor) else torch.full_like(sums, value)


def _autograd_knows(stage: Stage) -> bool:
    """Whether autograd finds df from f: not where another derivative is stated, nor where the branch of an `if` that
    is not taken may be infinite or no number, which autograd multiplies by 0.
    """
    if stage.df != differentiate(stage.f, "x"):
        return False
    steps = compile_expressions([stage.f]).steps

    def is_number(step: int) -> bool:
        return steps[step][0] == "number"

    daring = any(
        op in ("sqrt", "log")
        or (op in ("/", "**") and not is_number(args[1]))
        or (op == "**" and steps[args[1]][2] < 1)
        for op, args, _, _ in steps
    )
    return not (daring and any(op == "if" for op, *_ in steps))


# ---- The module --------------------------------------------------------------------------------------------------


class Tables(Mapping[str, Tensor]):
    """Explicit connection tables by name: "input-h1" a connection, "h1.bias" the bias of a layer.

    Each is an int64 tensor (connections, 3): source unit, target unit, index of the weight in the flattened
    parameter; the source is -1 for a bias and -2 for a border cell. A table is built when it is looked up.
    """

    def __init__(self, makers: Mapping[str, Callable[[], np.ndarray]]):
        self._makers = dict(makers)

    def __getitem__(self, name: str) -> Tensor:
        return torch.from_numpy(self._makers[name]())

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


class SnModule(nn.Module):
    """A net. Takes one pattern of the input layer's shape (or its units in a row), or several with their number in
    front; returns the output layer's states in its shape, for several patterns with their number in front.

    tables: explicit connection tables, see `Tables`.
    parameter_names: from snsim's name of a parameter ("input-h1.weight") to the module's ("input_h1.weight"), in
        snsim's order; fixed ones, which are buffers, included.
    schedule: from the number of a pass (from 1) to the learning rate of each parameter by snsim's name; set where the
        module was made from a program with a training, otherwise None.
    """

    def __init__(self, plan: Plan, dtype: torch.dtype = torch.float32):
        super().__init__()
        self.input_shape, self.output_shape = plan.input_shape, plan.output_shape
        self.schedule: Callable[[int], Mapping[str, Any]] | None = None
        self.parameter_names: dict[str, str] = {}
        self.layer_names = plan.layer_names
        self._order: list[tuple[str, list[tuple[tuple[int, ...], str]]]] = []
        self.tables = Tables(explicit_tables(plan))
        self._transforms: dict[str, str] = {}
        for stage in plan.stages:
            entering: list[tuple[tuple[int, ...], str]] = []
            for link in stage.links:
                made = self._name(link.connection.name)
                self.add_module(made, _connection(link, plan, dtype))
                self.parameter_names[link.slot] = f"{made}.weight"
                if link.gain is not None:
                    self.parameter_names[link.gain] = f"{made}.gain"
                entering.append(((link.source,), made))
            for transfer in stage.transfers:
                made = self._transforms[transfer.transform.name] = self._name(transfer.transform.name)
                self.add_module(made, transform(transfer.structure))
                entering.append((transfer.sources, made))
            made = self._name(stage.name)
            self.add_module(made, _Layer(stage, plan, dtype))
            if stage.bias is not None:
                self.parameter_names[stage.bias] = f"{made}.bias"
            self._order.append((made, entering))

    def _name(self, name: str) -> str:
        """An attribute name that is still free, for a layer or a connection."""
        made = re.sub(r"\W", "_", name)
        while hasattr(self, made):
            made += "_"
        return made

    def forward(self, x: Tensor) -> Tensor:
        rows, single = self._rows(x)
        states = self._states(rows)[-1]
        return states.reshape(self.output_shape) if single else states.reshape(-1, *self.output_shape)

    def _rows(self, x: Tensor) -> tuple[Tensor, bool]:
        """The patterns as (patterns, units), and whether x is a single one; SnError for another shape."""
        units, rank = int(np.prod(self.input_shape)), len(self.input_shape)
        shaped, in_a_row = _ends_with(x, self.input_shape), _ends_with(x, (units,))
        single = (shaped and x.dim() == rank) or (in_a_row and x.dim() == 1)
        if not (single or (shaped and x.dim() == rank + 1) or (in_a_row and x.dim() == 2)):
            raise fail(
                f"an input of shape {tuple(x.shape)} for a net whose input layer is {self.input_shape}",
                hint=f"hand over (patterns, {', '.join(map(str, self.input_shape))}) or (patterns, {units})",
            )
        return x.reshape(1 if single else x.shape[0], units), single

    def states(self, x: Tensor) -> dict[str, Tensor]:
        """States of every layer by name, each (patterns, units), for an input as the module itself takes it."""
        return dict(zip(self.layer_names, self._states(self._rows(x)[0])))

    def _states(self, x: Tensor, gates: Mapping[int, Tensor] | None = None) -> list[Tensor]:
        """States of every layer; those of the layers in `gates` (by number) times the gates."""
        return self._presented(x, gates or {}, {})[0]

    def _presented(
        self, x: Tensor, gates: Mapping[int, Tensor], noises: Mapping[int, Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """States of every layer, and the weighted sums (with bias and noise) of every layer but the input."""
        states, all_sums = [x], []
        for layer, entering in self._order:
            number = len(states)
            entered = [getattr(self, name)(*(states[source] for source in sources)) for sources, name in entering]
            sums = getattr(self, layer).biased(sum(entered[1:], entered[0]))
            sums = sums + noises[number] if number in noises else sums
            made = getattr(self, layer).state(sums)
            states.append(made * gates[number] if number in gates else made)
            all_sums.append(sums)
        return states, all_sums

    def connection(self, slot: str) -> _Connection:
        """The part that computes a connection, by the name of its weights ("input-h1.weight")."""
        part = self.get_submodule(self.parameter_names[slot].removesuffix(".weight"))
        assert isinstance(part, _Connection)
        return part

    def transform(self, name: str) -> nn.Module:
        """The part that computes a transform, by its name ("normalize a b")."""
        return self.get_submodule(self._transforms[name])

    @torch.no_grad()
    def load_weights(self, values: Mapping[str, np.ndarray]) -> None:
        """Set parameters by snsim's name, each an array of its shape; the others stay as they are."""
        for name, array in values.items():
            if name not in self.parameter_names:
                raise fail(f'no parameter is called "{name}"', hint=suggest(name, list(self.parameter_names), "names"))
            parameter = self.get_parameter(self.parameter_names[name])
            if parameter.shape != array.shape:
                raise fail(
                    f"{name} has the shape {tuple(parameter.shape)}, not {array.shape}",
                    hint=f"hand over an array of shape {tuple(parameter.shape)}",
                )
            parameter.copy_(torch.from_numpy(array))

    def parameter_groups(self, number: int) -> list[dict[str, Any]]:
        """Groups for an optimiser of `torch.optim`, one a parameter, with the rates of a pass (from 1) as `lr`.

        The order is the same in every pass, so that the `lr` of an optimiser's groups can be set from these. SnError
        if there is no schedule, or rates differ inside a parameter.
        """
        if self.schedule is None:
            raise fail(
                "this module knows no learning rates: it was made from a net without a training",
                hint="state a (train ...) form for the net, or set module.schedule to a function of the pass",
            )
        rates = self.schedule(number)
        named = dict(self.named_parameters())
        return [
            {"params": [named[made]], "lr": _one_rate(name, rates), "name": name}
            for name, made in self.parameter_names.items()
            if made in named
        ]


def _ends_with(x: Tensor, shape: tuple[int, ...]) -> bool:
    return x.dim() >= len(shape) and all(a == b for a, b in zip(reversed(x.shape), reversed(shape)))


def _one_rate(name: str, rates: Mapping[str, Any]) -> float:
    """The rate of a parameter as a number, for optimisers that take one a parameter; SnError if its weights differ."""
    if name not in rates:
        raise fail(
            f"the schedule has no learning rate for {name}",
            hint=f"put one under the key {name!r} in what module.schedule gives",
        )
    values = np.unique(np.asarray(rates[name], float))
    if len(values) != 1:
        raise fail(
            f"the weights of {name} have learning rates from {values[0]:g} to {values[-1]:g}, and an optimiser "
            "of torch takes one for a parameter",
            hint="train it with snsim, or set one rate for it",
        )
    return float(values[0])


def module(plan: Plan, dtype: torch.dtype = torch.float32) -> SnModule:
    """The net of a plan as a module, with all weights that learn 0."""
    return SnModule(plan, dtype)
