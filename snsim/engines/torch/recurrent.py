"""A net with delays as a PyTorch module: it goes through the steps of sequences and returns its context."""

from __future__ import annotations

from functools import partial
from math import prod

import numpy as np
import torch
from torch import Tensor

from snsim.engines.plan import plan
from snsim.engines.recurrent import plan_of_a_step
from snsim.engines.torch.module import ConnectionTables, SnModule, build_module
from snsim.errors import fail
from snsim.network.net import Net
from snsim.network.unrolled import unroll
from snsim.network.wiring import Table


class RecurrentModule(SnModule):
    """A net with delays as a PyTorch module, with the parameter names of the net as it is written.

    `forward` takes the steps of one sequence, (steps, ...input shape), or of several of the same length, (steps,
    sequences, ...input shape), as `torch.nn.RNN` does; the units of a step may stand in a row. It returns the outputs
    in the same order, and the context after the last step: (context units,) or (sequences, context units). Pass it as
    `state` to go on. Without one, a sequence starts with a context of 0. Nothing is detached: gradients go back through
    all steps of the call, and through `state` unless it is detached.

    The context has the states of the layers that delayed connections read, in the order of the layers.
    """

    def __init__(self, net: Net, dtype: torch.dtype = torch.float32):
        unrolled = unroll(net, 1)
        super().__init__(plan_of_a_step(net), dtype)
        self.input_shape = net.input_shape
        self.context_units = unrolled.carried_units
        self.parameter_names = {p.described_name: p.name for p in net.parameters}
        self._inner_names = self.layer_names
        self.layer_names = tuple(layer.name for layer in net.layers)
        self._carried = [self._inner_names.index(name) for name in unrolled.first_copy]
        described = {c.name: net.attribute(c) for c in net.connections}
        tables = {net.attribute(c): partial(_columns, c.table) for c in net.connections}
        tables |= {
            f"{net.attribute(layer.name)}.bias": partial(_columns, net.bias_table(layer.name))
            for layer in net.computed
            if layer.bias != "none"
        }
        self.tables = ConnectionTables(tables, described | self.parameter_names)

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        rows, single = self._steps(x)
        steps, context = self._states_of_steps(rows, self._context(rows, state, single))
        result = torch.stack([states[-1].reshape(-1, *self.output_shape) for states in steps])
        return (result[:, 0], context[0]) if single else (result, context)

    def states(self, x: Tensor, state: Tensor | None = None) -> dict[str, Tensor]:  # type: ignore[override]
        """Return the states of every layer by name, each (steps, units) or (steps, sequences, units)."""
        rows, single = self._steps(x)
        steps, _ = self._states_of_steps(rows, self._context(rows, state, single))
        by_name = [dict(zip(self._inner_names, states)) for states in steps]
        stacked = {name: torch.stack([states[name] for states in by_name]) for name in self.layer_names}
        return {name: values[:, 0] for name, values in stacked.items()} if single else stacked

    def predict(self, images: np.ndarray | Tensor) -> str | list[str]:
        """Return the names of the classes of the steps of one sequence, as `SnModule.predict` does."""
        if int(np.prod(self.output_shape)) < 2:
            raise fail(
                "this net has one output, so it has no classes",
                hint="call the module itself: net(steps) returns the outputs and the context",
            )
        anchor = next(self.parameters())
        with torch.no_grad():
            outputs, _ = self(torch.as_tensor(images).to(anchor.device, anchor.dtype))
        flat = outputs.reshape(len(outputs), -1)[:, : len(self.classes)]
        return [self.classes[number] for number in flat.argmax(1).tolist()]

    def _states_of_steps(self, rows: Tensor, context: Tensor) -> tuple[list[list[Tensor]], Tensor]:
        """Return the states of every layer for each step, and the context after the last one."""
        steps = []
        for of_step in rows:
            states = self._states(torch.cat([context, of_step], 1))
            context = torch.cat([states[number] for number in self._carried], 1)
            steps.append(states)
        return steps, context

    def _steps(self, x: Tensor) -> tuple[Tensor, bool]:
        """Return the inputs as (steps, sequences, units), and whether x is one sequence. SnError for another shape."""
        units, shape = prod(self.input_shape), tuple(x.shape)
        for inner in (self.input_shape, (units,)):
            before = shape[: len(shape) - len(inner)]
            if shape[len(before) :] == inner and len(before) in (1, 2) and before[0]:
                return x.reshape(shape[0], 1 if len(before) == 1 else shape[1], units), len(before) == 1
        raise fail(
            f"an input of shape {shape} for a net that reads steps of shape {self.input_shape}",
            hint=f"pass (steps, {', '.join(map(str, self.input_shape))}), or (steps, sequences, ...)",
        )

    def _context(self, rows: Tensor, state: Tensor | None, single: bool) -> Tensor:
        """Return the context before the first step, (sequences, context units). SnError for another shape."""
        if state is None:
            return rows.new_zeros((rows.shape[1], self.context_units))
        wanted = (self.context_units,) if single else (rows.shape[1], self.context_units)
        if tuple(state.shape) != wanted:
            raise fail(
                f"a state of shape {tuple(state.shape)}, expected {wanted}",
                hint="pass the state that the module returned for these sequences, or leave it out",
            )
        return state.reshape(-1, self.context_units)


def _columns(table: Table) -> np.ndarray:
    return np.stack([table.source, table.target, table.weight], 1).astype(np.int64)


def module_of(net: Net, dtype: torch.dtype = torch.float32) -> SnModule:
    """Return a net as a module, with all weights that learn 0; one with delays as a `RecurrentModule`."""
    return RecurrentModule(net, dtype) if net.delayed else build_module(plan(net), dtype)
