"""A net as a plain `torch.nn.Module`.

The bias of layer h1 is `h1.bias`, the weights from input to h1 are `input_h1.weight`: parameters have the names that
they have in a `Net` and in a weight file (see `snsim.network.attribute_names`). Shapes are those of
`snsim.network.net.Parameter`. Absent pairs of maps have no weights. Fixed weights are buffers that are not in the
`state_dict`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from snsim.engines.plan import LayerPlan, Link, Plan, explicit_tables
from snsim.engines.torch.operations import TORCH
from snsim.engines.torch.transforms import transform
from snsim.errors import fail
from snsim.network.expressions import compile_expressions, differentiate
from snsim.network.wiring import BORDER, Dense, Frames, Windows
from snsim.registry import suggest

# ---- Connections -------------------------------------------------------------------------------------------------


def _keep(module: nn.Module, name: str, indices: np.ndarray) -> None:
    """Register indices that move with the module from device to device and are not in its `state_dict`."""
    module.register_buffer(name, torch.from_numpy(np.array(indices, np.int64)), persistent=False)


class ConnectionModule(nn.Module):
    """One connection: from the states of its source layer, (patterns, units), to sums, (patterns, units)."""

    weight: Tensor
    owner: Tensor

    def __init__(self, link: Link, plan: Plan, dtype: torch.dtype):
        super().__init__()
        self.places: dict[str, int] = {}  # of the sums of `added`
        parameter = plan.parameters[link.slot]
        if parameter.learns:
            self.weight = nn.Parameter(torch.zeros(parameter.shape, dtype=dtype))
        else:
            fixed = torch.from_numpy(parameter.fixed_values()).to(dtype)
            self.register_buffer("weight", fixed, persistent=False)
        self.gain: nn.Parameter | None = None  # with weight-norm
        if link.gain is not None:
            self.gain = nn.Parameter(torch.zeros(plan.parameters[link.gain].shape, dtype=dtype))
            self.keep_places("owner", link.connection.wiring.owners(), self.gain.numel())
        self.scale, self.border_value = link.scale, link.border_value

    def forward(self, x: Tensor) -> Tensor:
        sums = self.sums(x)
        return sums if self.scale == 1 else sums * self.scale

    def sums(self, x: Tensor) -> Tensor:
        """Return the weighted sums without the scale."""
        raise NotImplementedError

    def keep_places(self, name: str, indices: np.ndarray, places: int) -> None:
        """Register the place of each term of a sum, for `added`."""
        _keep(self, name, indices)
        self.places[name] = places

    def use_gathers(self) -> None:
        """Let each place of a sum gather its terms, up to the largest number of them; the order of a sum is another.

        ONNX has `index_add` as a scatter, and ONNX Runtime adds in several threads at once, where terms are lost.
        """
        for name, places in self.places.items():
            _keep(self, f"{name}_terms", _terms_of_places(self.get_buffer(name).cpu().numpy(), places))

    def added(self, terms: Tensor, name: str) -> Tensor:
        """Return the sums of the terms (patterns, terms, ...) by their place, (patterns, places, ...)."""
        gathered = self._buffers.get(f"{name}_terms")
        if gathered is None:
            sums = terms.new_zeros((terms.shape[0], self.places[name], *terms.shape[2:]))
            return sums.index_add(1, self.get_buffer(name), terms)
        return torch.cat([terms, torch.zeros_like(terms[:, :1])], 1)[:, gathered].sum(2)

    def effective_weight(self) -> Tensor:
        """Return the weights that multiply states: with weight-norm gain * v / |v|, see `engines.weight_norm`."""
        if self.gain is None:
            return self.weight
        v = self.weight.reshape(-1)
        lengths = torch.sqrt(self.added((v * v)[None], "owner")[0])
        return (v * (self.gain / lengths)[self.owner]).reshape(self.weight.shape)


def _terms_of_places(place: np.ndarray, places: int) -> np.ndarray:
    """Return the terms of each place, (places, most terms of a place), filled up with the number of all terms."""
    counts = np.bincount(place, minlength=places)
    order = np.argsort(place, kind="stable")
    table = np.full((places, max(1, int(counts.max(initial=0)))), len(place))
    rank = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
    table[place[order], rank] = order
    return table


class DenseConnection(ConnectionModule):
    """The connection `full`: inputs (patterns, sources) @ weight (sources, targets)."""

    def sums(self, x: Tensor) -> Tensor:
        return x @ self.effective_weight()


class WindowConnection(ConnectionModule):
    """The base class of connections that read windows of maps.

    `with_border` returns the source maps with their border, (patterns, maps, rows, columns).
    """

    wrapped_rows: Tensor
    wrapped_columns: Tensor

    def __init__(self, link: Link, plan: Plan, dtype: torch.dtype):
        super().__init__(link, plan, dtype)
        windows = _windows_of(link)
        self.source, self.step, self.wrap = windows.source, windows.step, windows.wrap
        (top, bottom), (left, right) = windows.sides
        self.padding = left, right, top, bottom
        if self.wrap:
            _keep(self, "wrapped_rows", _wrapped_cells(windows, 0))
            _keep(self, "wrapped_columns", _wrapped_cells(windows, 1))

    def with_border(self, x: Tensor) -> Tensor:
        maps = x.reshape(-1, *self.source)
        if self.wrap:
            return maps.index_select(2, self.wrapped_rows).index_select(3, self.wrapped_columns)
        return functional.pad(maps, self.padding, value=self.border_value)


def _windows_of(link: Link) -> Windows:
    assert isinstance(link.structure, Windows)
    return link.structure


def _wrapped_cells(windows: Windows, axis: int) -> np.ndarray:
    """Return the rows (axis 0) or columns (axis 1) of a source map in the order in which wrapped windows read them."""
    reach = (windows.target[axis + 1] - 1) * windows.step[axis] + windows.window[axis]
    return (np.arange(reach) - windows.border[axis]) % windows.source[axis + 1]


class SharedWindows(WindowConnection):
    """The connections `mask` and `equal-mask`: a convolution whose kernel is 0 where a map does not feed another."""

    kernel_index: Tensor

    def __init__(self, link: Link, plan: Plan, dtype: torch.dtype):
        super().__init__(link, plan, dtype)
        self.depthwise, index = _kernel_index(_windows_of(link))
        _keep(self, "kernel_index", index)

    def sums(self, x: Tensor) -> Tensor:
        weights = functional.pad(
            self.effective_weight().reshape(-1), (0, 1)
        )  # the last weight, 0, stands for absent pairs
        groups = self.source[0] if self.depthwise else 1
        maps = functional.conv2d(self.with_border(x), weights[self.kernel_index], stride=self.step, groups=groups)
        return maps.flatten(1)


def _kernel_index(windows: Windows) -> tuple[bool, np.ndarray]:
    """Describe shared windows as a convolution: whether it is depthwise, and where the weights of the kernel are.

    Depthwise means that each map feeds only its own. The index, (target maps, source maps, R, C), or (maps, 1, R, C) if
    depthwise, points into the flattened parameter, or just behind it for absent pairs of maps.
    """
    sources, targets = windows.maps.shape
    cells, pairs = windows.window[0] * windows.window[1], int(windows.maps.sum())
    pair = np.full((targets, sources), -1)
    pair[windows.maps.T] = np.arange(pairs)
    depthwise = sources == targets and np.array_equal(windows.maps, np.eye(sources, dtype=bool))
    pair = np.diag(pair)[:, None] if depthwise else pair
    if windows.sharing == "pair":
        index = np.where(pair < 0, pairs, pair)[..., None].repeat(cells, -1)
    else:
        index = np.where(pair[..., None] < 0, pairs * cells, pair[..., None] * cells + np.arange(cells))
    return depthwise, index.reshape(*pair.shape, *windows.window)


class LocalWindows(WindowConnection):
    """The connection `local`: every target unit has weights of its own for its windows."""

    pair_source: Tensor
    pair_target: Tensor

    def __init__(self, link: Link, plan: Plan, dtype: torch.dtype):
        super().__init__(link, plan, dtype)
        windows = _windows_of(link)
        self.window = windows.window
        target, source = np.nonzero(windows.maps.T)
        _keep(self, "pair_source", source)
        self.keep_places("pair_target", target, windows.target[0])
        self.weights_shape = (len(source), *windows.target[1:], *windows.window)

    def sums(self, x: Tensor) -> Tensor:
        read = self.with_border(x).unfold(2, self.window[0], self.step[0]).unfold(3, self.window[1], self.step[1])
        pairs = torch.einsum(
            "npijrc,pijrc->npij", read[:, self.pair_source], self.effective_weight().reshape(self.weights_shape)
        )
        return self.added(pairs, "pair_target").flatten(1)


class TimeWindows(ConnectionModule):
    """The connection `tdnn`: windows over frames, with the same weights for every target frame."""

    def __init__(self, link: Link, plan: Plan, dtype: torch.dtype):
        super().__init__(link, plan, dtype)
        assert isinstance(link.structure, Frames)
        self.source, self.step = link.structure.source, link.structure.step

    def sums(self, x: Tensor) -> Tensor:
        read = x.reshape(-1, *self.source).unfold(1, self.effective_weight().shape[0], self.step)
        return torch.einsum("nfiw,wio->nfo", read, self.effective_weight()).flatten(1)


class TableConnection(ConnectionModule):
    """A connection that is computed from its explicit table alone."""

    from_unit: Tensor
    to_unit: Tensor
    by_weight: Tensor

    def __init__(self, link: Link, plan: Plan, dtype: torch.dtype):
        super().__init__(link, plan, dtype)
        table, units = link.table, plan.net.layers[link.source].units
        _keep(self, "from_unit", np.where(table.source == BORDER, units, table.source))
        _keep(self, "by_weight", table.weight)
        self.has_border = bool((table.source == BORDER).any())
        self.keep_places("to_unit", table.target, next(s.units for s in plan.stages if link in s.links))

    def sums(self, x: Tensor) -> Tensor:
        if self.has_border:
            x = functional.pad(x, (0, 1), value=self.border_value)
        products = x[:, self.from_unit] * self.effective_weight().reshape(-1)[self.by_weight]
        return self.added(products, "to_unit")


class DistanceConnection(TableConnection):
    """A connection with `(distance)`: sums of (weight - state)^2."""

    def apart(self, x: Tensor) -> Tensor:
        """Return weight - state of each connection, (patterns, connections)."""
        if self.has_border:
            x = functional.pad(x, (0, 1), value=self.border_value)
        return self.weight.reshape(-1)[self.by_weight] - x[:, self.from_unit]

    def sums(self, x: Tensor) -> Tensor:
        apart = self.apart(x)
        return self.added(apart * apart, "to_unit")

    def second_derivatives(self, x: Tensor, h: Tensor, g: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the curvature of each source unit, (patterns, units), and of each weight, flat.

        h and g (for the full curvature): d2E/da2 and dE/da at the sums.
        """
        apart = self.apart(x).detach()
        bent = 4 * apart * apart * h[:, self.to_unit]
        if g is not None:
            bent = bent + 2 * g[:, self.to_unit]
        back = bent.new_zeros((len(x), x.shape[1] + 1)).index_add(1, self.from_unit, bent)[:, :-1]
        return back, bent.new_zeros(self.weight.numel()).index_add(0, self.by_weight, bent.sum(0))


def _connection(link: Link, plan: Plan, dtype: torch.dtype) -> ConnectionModule:
    structure = link.structure
    if link.distance:
        return DistanceConnection(link, plan, dtype)
    if isinstance(structure, Dense):
        return DenseConnection(link, plan, dtype)
    if isinstance(structure, Windows):
        return (LocalWindows if structure.sharing == "unit" else SharedWindows)(link, plan, dtype)
    return (TimeWindows if isinstance(structure, Frames) else TableConnection)(link, plan, dtype)


class LayerModule(nn.Module):
    """The bias and the non-linearity of a layer: from its sums, (patterns, units), to its states.

    `noise` is added to the sums with their bias.

    Where autograd would find another derivative than the declared one, the non-linearity is written as its Taylor
    polynomial of second order at the sum itself. It has the same value and both derivatives right.
    """

    bias_index: Tensor

    def __init__(self, stage: LayerPlan, plan: Plan, dtype: torch.dtype):
        super().__init__()
        self.f = compile_expressions([stage.f])
        self.declared = None if autograd_suffices(stage) else compile_expressions([stage.f, stage.df, stage.ddf])
        self.has_bias = stage.bias is not None
        if stage.bias is not None and stage.bias_index is not None:
            self.bias = nn.Parameter(torch.zeros(plan.parameters[stage.bias].shape, dtype=dtype))
            _keep(self, "bias_index", stage.bias_index)

    def forward(self, sums: Tensor, noise: Tensor | None = None) -> Tensor:
        return self.state(self.biased(sums, noise))

    def biased(self, sums: Tensor, noise: Tensor | None = None) -> Tensor:
        """Return the sums with the bias and the noise added."""
        biased = sums + self.bias.reshape(-1)[self.bias_index] if self.has_bias else sums
        return biased if noise is None else biased + noise

    def state(self, sums: Tensor) -> Tensor:
        """Return the states: the non-linearity of the sums, (patterns, units)."""
        if self.declared is not None:
            at = sums.detach()
            value, df, ddf = self.declared.bind(TORCH)({"x": at})
            expanded: Tensor = value + (sums - at) * (df + 0.5 * (sums - at) * ddf)
            return expanded
        value = self.f.bind(TORCH)({"x": sums})[0]
        return value if isinstance(value, Tensor) else torch.full_like(sums, value)


def autograd_suffices(stage: LayerPlan) -> bool:
    """Return whether autograd finds df from f.

    It does not where another derivative is declared, nor where the branch of an `if` that is not taken may be infinite
    or NaN, because autograd multiplies it by 0.
    """
    if stage.df != differentiate(stage.f, "x"):
        return False
    steps = compile_expressions([stage.f]).steps

    def is_number(step: int) -> bool:
        return steps[step][0] == "number"

    may_be_infinite = any(
        op in ("sqrt", "log")
        or (op in ("/", "**") and not is_number(args[1]))
        or (op == "**" and steps[args[1]][2] < 1)
        for op, args, _, _ in steps
    )
    return not (may_be_infinite and any(op == "if" for op, *_ in steps))


# ---- The module --------------------------------------------------------------------------------------------------


class ConnectionTables(Mapping[str, Tensor]):
    """Explicit connection tables by name: "input_h1" for a connection, "h1.bias" for the bias of a layer.

    The name of a connection as it is in the description, "input-h1", is also understood.

    Each is an int64 tensor (connections, 3): source unit, target unit, index of the weight in the flattened parameter.
    The source is -1 for a bias and -2 for a border cell. A table is built when it is looked up.
    """

    def __init__(self, makers: Mapping[str, Callable[[], np.ndarray]], described: Mapping[str, str]):
        self._makers = dict(makers)
        self._described = dict(described)

    def __getitem__(self, name: str) -> Tensor:
        return torch.from_numpy(self._makers[name if name in self._makers else self._described.get(name, name)]())

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


class SnModule(nn.Module):
    """A net of snsim as a PyTorch module.

    It takes one pattern of the input layer's shape (or its units in a row), or several with the patterns as first axis.
    If the net has several input layers, pass one such tensor for each, in order, or one with the units of all in a row.
    It returns the states of the output layer in its shape, for several patterns with the patterns as first axis.

    Attributes
    ----------
    input_shapes : dict of str to tuple
        The shape of each input layer, by its name.
    tables : ConnectionTables
        The explicit connection tables.
    parameter_names : dict of str to str
        From the name of a parameter as it is in the description ("input-h1.weight") to its name ("input_h1.weight"),
        in the order of the net. Fixed ones, which are buffers, are included.
    schedule : function or None
        From the number of a pass (from 1) to the learning rate of each parameter by name. None if the module was made
        from a net without a training.
    make_optimizer : function or None
        From the module and the name of a training to what `optimizer` returns.
    classes : tuple of str
        The names of the classes, in the order of the output units; numbers from 0 if the data name none.
    scaling : function or None
        How the inputs of the data were scaled: from an array (patterns, ...) to an array of the same shape. None if
        they were not.
    scales_rows : bool
        Whether `predict` scales all numbers, not only bytes: those of a table, which are given as in its file.
    """

    def __init__(self, plan: Plan, dtype: torch.dtype = torch.float32):
        super().__init__()
        self.input_shape, self.output_shape = plan.input_shape, plan.output_shape
        self.input_shapes = {layer.name: layer.shape for layer in plan.inputs}
        self.schedule: Callable[[int], Mapping[str, Any]] | None = None
        self.make_optimizer: Callable[[SnModule, str | None], torch.optim.Optimizer] | None = None
        self.classes = tuple(str(number) for number in range(plan.output_units))
        self.scaling: Callable[[np.ndarray], np.ndarray] | None = None
        self.scales_rows = False
        self.parameter_names = {p.described_name: p.name for p in plan.parameters.values()}
        self.layer_names = plan.layer_names
        self._order: list[tuple[str, list[tuple[tuple[int, ...], str]]]] = []
        described = {link.connection.name: plan.net.attribute(link.connection) for s in plan.stages for link in s.links}
        self.tables = ConnectionTables(explicit_tables(plan), described | self.parameter_names)
        self._transforms: dict[str, str] = {}
        for stage in plan.stages:
            entering: list[tuple[tuple[int, ...], str]] = []
            for link in stage.links:
                attribute = link.slot.removesuffix(".weight")  # with `weights-of`, links call one module
                if link.connection.weights_of is None:
                    self.add_module(attribute, _connection(link, plan, dtype))
                entering.append(((link.source,), attribute))
            for transfer in stage.transfers:
                attribute = self._transforms[transfer.transform.name] = plan.net.attribute(transfer.transform)
                self.add_module(attribute, transform(transfer.structure))
                entering.append((transfer.sources, attribute))
            attribute = plan.net.attribute(stage.name)
            self.add_module(attribute, LayerModule(stage, plan, dtype))
            self._order.append((attribute, entering))

    def forward(self, x: Tensor, *more: Tensor) -> Tensor:
        rows, single = self._rows(x, *more)
        states = self._states(rows)[-1]
        return states.reshape(self.output_shape) if single else states.reshape(-1, *self.output_shape)

    def _rows(self, *x: Tensor) -> tuple[Tensor, bool]:
        """Return the patterns as (patterns, units), and whether there is a single one. SnError for another shape."""
        if len(x) == 1:
            if self._single:
                return _rows_of(x[0], self.input_shape, "whose input layer is")
            return _rows_of(x[0], self.input_shape, f"whose input layers ({', '.join(self.input_shapes)}) take")
        if self._single or len(x) != len(self.input_shapes):
            names = ", ".join(self.input_shapes)
            raise fail(
                f"{len(x)} inputs for a net with {len(self.input_shapes)} input layer{'s' * (not self._single)}",
                hint=f"pass one tensor for each of {names}, or one with the units of all in a row",
            )
        parts = [
            _rows_of(part, shape, f"whose layer {name} is") for part, (name, shape) in zip(x, self.input_shapes.items())
        ]
        counts = {name: len(rows) for name, (rows, _) in zip(self.input_shapes, parts)}
        if len(set(counts.values())) > 1:
            each = ", ".join(f"{count} of {name}" for name, count in counts.items())
            raise fail(
                f"the inputs have different numbers of patterns: {each}",
                hint="pass as many patterns for each input layer",
            )
        return torch.cat([rows for rows, _ in parts], 1), all(single for _, single in parts)

    @property
    def _single(self) -> bool:
        """Whether the net has one input layer."""
        return len(self.input_shapes) == 1

    @torch.no_grad()
    def predict(self, images: np.ndarray | Tensor) -> str | list[str]:
        """Return the names of the classes of inputs: that of the largest output of each.

        Parameters
        ----------
        images : array or tensor
            (patterns, ...shape) or (patterns, units), or one pattern; of any type and on any device, as
            `snsim.load_data` returns them. Rows of a table, and pictures in bytes (uint8), are scaled as the data of
            the run were. Other pictures are numbers as the net was trained on them.

        Returns
        -------
        list of str, or str for one pattern

        Raises
        ------
        SnError
            For another shape, and for a net with a single output, which has no classes.
        """
        if int(np.prod(self.output_shape)) < 2:
            raise fail(
                "this net has one output, so it has no classes",
                hint="call the module itself: net(images) returns the output for each pattern",
            )
        x, single = self._rows(_prepared(self, images))
        largest = self._states(x)[-1][:, : len(self.classes)].argmax(1).tolist()
        names = [self.classes[number] for number in largest]
        return names[0] if single else names

    def optimizer(self, training: str | None = None) -> torch.optim.Optimizer:
        """Return an optimizer with the update rule, the rates and the schedule of a training.

        See `snsim.training.torch_optimizer.TrainingOptimizer`, which it is, and docs/reference/python.md.

        Parameters
        ----------
        training : str, optional
            The name of a training of this net. Default: the one that the module was loaded with.

        Raises
        ------
        SnError
            If the module has no training, or none of this name for this net.
        """
        if self.make_optimizer is None:
            raise fail(
                "this module knows no update rule: its net has no training",
                hint="add a (train ...) form for the net, and load it with snsim.load",
            )
        return self.make_optimizer(self, training)

    def states(self, *x: Tensor | np.ndarray) -> dict[str, Tensor]:
        """Return the states of every layer by name, each (patterns, units).

        x are tensors as `forward` takes them, or arrays as `predict` takes them, then without gradients.
        """
        tensors = [one for one in x if isinstance(one, Tensor)]
        if len(tensors) == len(x):
            return dict(zip(self.layer_names, self._states(self._rows(*tensors)[0])))
        with torch.no_grad():
            if len(x) == 1:
                return self.states(_prepared(self, x[0]))
            return self.states(
                _prepared(self, self._rows(*(torch.as_tensor(_as_numbers(one)) for one in x))[0])
            )  # the units of all in a row

    def _states(self, x: Tensor, gates: Mapping[int, Tensor] | None = None) -> list[Tensor]:
        """Return the states of every layer, multiplied by `gates` (by number of the layer) where given."""
        return self._states_and_sums(x, gates or {}, {}, False)[0]

    def _states_and_sums(
        self,
        x: Tensor,
        gates: Mapping[int, Tensor],
        noises: Mapping[int, Tensor],
        with_sums: bool = True,
        shifts: Sequence[Tensor] = (),
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return the states of every layer, and the sums (with bias and noise) of every computed layer.

        Each connection and each layer is called as a module, so that hooks fire. The sums are detached; without
        `with_sums` there are none. `shifts` are added to the states of every computed layer: the derivatives by
        them are those by the states, where torch.func has no other way to ask for them.
        """
        units = [prod(shape) for shape in self.input_shapes.values()]
        states, all_sums = [x] if self._single else list(x.split(units, 1)), []
        for layer, entering in self._order:
            number, part = len(states), getattr(self, layer)
            inputs = [getattr(self, name)(*(states[source] for source in sources)) for sources, name in entering]
            sums, noise = sum(inputs[1:], inputs[0]), noises.get(number)
            state = part(sums) if noise is None else part(sums, noise)
            state = state * gates[number] if number in gates else state
            states.append(state + shifts[number - len(self.input_shapes)] if shifts else state)
            if with_sums:
                with torch.no_grad():
                    all_sums.append(part.biased(sums, noise))
        return states, all_sums

    def connection(self, slot: str) -> ConnectionModule:
        """Return the submodule that computes a connection, by the name of its weights ("input_h1.weight")."""
        part = self.get_submodule(slot.removesuffix(".weight"))
        assert isinstance(part, ConnectionModule)
        return part

    def transform(self, name: str) -> nn.Module:
        """Return the submodule that computes a transform, by its name ("normalize a b")."""
        return self.get_submodule(self._transforms[name])

    @torch.no_grad()
    def load_weights(self, values: Mapping[str, np.ndarray]) -> None:
        """Set parameters by name, each an array of its shape; the others keep their values.

        SnError for an unknown name or another shape.
        """
        names = list(self.parameter_names.values())
        for key, array in values.items():
            name = key if key in names else self.parameter_names.get(key, key)
            if name not in names:
                raise fail(f'no parameter is called "{name}"', hint=suggest(name, names, "names"))
            parameter = self.get_parameter(name)
            if parameter.shape != array.shape:
                raise fail(
                    f"{name} has shape {tuple(parameter.shape)}, not {array.shape}",
                    hint=f"pass an array of shape {tuple(parameter.shape)}",
                )
            parameter.copy_(torch.from_numpy(array))

    def parameter_groups(self, number: int) -> list[dict[str, Any]]:
        """Return groups for an optimizer of `torch.optim`, one per parameter, with the rates of a pass as `lr`.

        `number` is the number of the pass, from 1. The order is the same in every pass, so that the `lr` of an
        optimizer's groups can be set from these. Raises SnError if there is no schedule, or if rates differ inside a
        parameter.
        """
        if self.schedule is None:
            raise fail(
                "this module knows no learning rates: its net has no training",
                hint="add a (train ...) form for the net, or set module.schedule to a function of the pass",
            )
        rates = self.schedule(number)
        named = dict(self.named_parameters())
        return [
            {"params": [named[name]], "lr": _one_rate(name, rates), "name": name}
            for name in self.parameter_names.values()
            if name in named
        ]


def _rows_of(x: Tensor, shape: tuple[int, ...], whose: str) -> tuple[Tensor, bool]:
    """Return patterns of a shape as (patterns, units), and whether x is a single one. SnError for another shape."""
    if not isinstance(x, Tensor):
        raise fail(
            f"a module takes a tensor, not {type(x).__name__}",
            hint="pass torch.as_tensor(x, dtype=next(net.parameters()).dtype); net.predict and net.states take "
            "arrays too",
        )
    units, rank = prod(shape), len(shape)
    shaped, in_a_row = _ends_with(x, shape), _ends_with(x, (units,))
    single = (shaped and x.dim() == rank) or (in_a_row and x.dim() == 1)
    if not (single or (shaped and x.dim() == rank + 1) or (in_a_row and x.dim() == 2)):
        raise fail(
            f"an input of shape {tuple(x.shape)} for a net {whose} {shape}",
            hint=f"pass (patterns, {', '.join(map(str, shape))})" + (f" or (patterns, {units})" if rank > 1 else ""),
        )
    return x.reshape(1 if single else x.shape[0], units), single


def _ends_with(x: Tensor, shape: tuple[int, ...]) -> bool:
    return x.dim() >= len(shape) and all(a == b for a, b in zip(reversed(x.shape), reversed(shape)))


def _one_rate(name: str, rates: Mapping[str, Any]) -> float:
    """Return the rate of a parameter as one number, as optimizers take it.

    Raises SnError if its weights have different rates.
    """
    if name not in rates:
        raise fail(
            f"the schedule has no learning rate for {name}",
            hint=f"return a rate under the key {name!r} from module.schedule",
        )
    values = np.unique(np.asarray(rates[name], float))
    if len(values) != 1:
        raise fail(
            f"the weights of {name} have learning rates from {values[0]:g} to {values[-1]:g}, but an optimizer "
            "of torch takes one rate per parameter",
            hint="train it with snsim run, or set one rate for the whole parameter",
        )
    return float(values[0])


def _as_numbers(images: np.ndarray | Tensor) -> np.ndarray | Tensor:
    """Return inputs as an array or a tensor. SnError for what is no array of numbers."""
    if isinstance(images, Tensor):
        return images
    try:
        values = np.asarray(images)
    except ValueError:  # rows of several lengths
        values = np.array(None)
    if values.dtype.kind not in "biuf":
        raise fail(
            f"inputs are an array of numbers, not {type(images).__name__} with other elements or with rows of "
            "several lengths",
            hint="pass a tensor or an array of numbers",
        )
    return values


def _prepared(net: SnModule, images: np.ndarray | Tensor) -> Tensor:
    """Return inputs on the device and in the type of a net, rows and bytes scaled as the data of the run were."""
    values = _as_numbers(images)
    is_bytes = str(values.dtype).removeprefix("torch.") == "uint8"
    if net.scaling is not None and (is_bytes or net.scales_rows):
        array = values.cpu().numpy() if isinstance(values, Tensor) else values
        units, whole = int(np.prod(net.input_shape)), net.input_shape
        rows = array.reshape(-1, *whole) if array.size % units == 0 else array
        values = net.scaling(rows).reshape(array.shape)
    anchor = next(net.parameters())
    return torch.as_tensor(values).to(anchor.device, anchor.dtype)


def build_module(plan: Plan, dtype: torch.dtype = torch.float32) -> SnModule:
    """Return the net of a plan as a module, with all weights that learn 0."""
    return SnModule(plan, dtype)
