"""How the outputs move when all weights move along a direction: the forward pass a second time beside itself.

    t_j = f'(a_j) * (sum over incoming connections of scale * (w * t_i + direction * x_i) + direction of the bias)

Takes a laid out `NetCode`; adds to its block, for every layer that is computed, cells for t, and for every connection its
kernel twice: once reading t with the weights, once reading the states with the direction. `normalize` and `attend` pass
t on as they are moved by it. t is 0 at the inputs and at the border.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from snsim.engines.native.elementwise import Bias, emit_copy, pattern_address
from snsim.engines.native.im2col import At, each_vector
from snsim.engines.native.kernel_choice import KernelBuilder, SparseConnection, map_orders
from snsim.engines.native.kernel_protocol import ConnectionKernel
from snsim.engines.native.layout import LayerCells, ParameterCells, layer_cells
from snsim.engines.native.llvm_ir import Function, Value
from snsim.engines.native.net_code import ATTRIBUTES, STATE, LayerCode, NetCode
from snsim.engines.native.sparse import SparseKernel
from snsim.engines.native.target import attributes
from snsim.engines.native.update_rules import CodeVariant
from snsim.engines.plan import Plan, Stage
from snsim.engines.weight_norm import WeightNorm
from snsim.network.wiring import BORDER, Table


@dataclass(eq=False)
class _LayerTangent:
    """What t of one layer is made of."""

    layer: LayerCode
    cells: LayerCells  # t
    links: list[ConnectionKernel]
    bias: Bias | None  # the direction of the bias


def tangent_weights(
    weights: Mapping[str, np.ndarray], along: Mapping[str, np.ndarray], plan: Plan
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The weights that connections use, and how these move where the parameters that learn move `along`; flat."""
    used = dict(weights)
    moved = {name: along[name] if name in along else np.zeros_like(value) for name, value in weights.items()}
    for link in (link for stage in plan.stages for link in stage.links):
        if link.gain is not None:
            norm = WeightNorm(link.connection.wiring.owners(), plan.parameters[link.gain].size)
            parts = weights[link.slot], weights[link.gain]
            used[link.slot] = norm.weights(*parts)
            moved[link.slot] = norm.tangent(*parts, moved[link.slot], moved[link.gain])
    return used, moved


class TangentCode:
    """The twin of a net. `weights` and `directions` are the cells into which each parameter is packed a second time,
    and its direction.
    """

    def __init__(self, net: NetCode):
        self._net = net
        self._builder = KernelBuilder(net.block, net.tables, ())
        self.weights: dict[str, ParameterCells] = {}
        self.directions: dict[str, ParameterCells] = {}
        shapes = [net.plan.input_shape, *(stage.shape for stage in net.plan.stages)]
        self._cells = [
            layer_cells(net.block, cells.name, shape, order, ())
            for cells, shape, order in zip(net.layers, shapes, map_orders(net.plan))
        ]
        self._moved = [self._layer(layer) for layer in net.stages]

    def _layer(self, layer: LayerCode) -> _LayerTangent:
        stage, cells = layer.stage, self._cells[layer.stage.layer]
        links: list[ConnectionKernel] = []
        for link in stage.links:
            along = self._builder.kernel(link, self._net.layers[link.source], cells, False)
            self.directions[link.slot] = along.cells
            links.append(along)
            if link.source:
                through = self._builder.kernel(replace(link, border_value=0.0), self._cells[link.source], cells, False)
                self.weights[link.slot] = through.cells
                links.append(through)
        if stage.bias is None:
            return _LayerTangent(layer, cells, links, None)
        if layer.bias is None:
            links.append(self._scattered_bias(stage, cells))
            return _LayerTangent(layer, cells, links, None)
        bias = Bias(cells, stage.bias, layer.bias.cells.index, layer.bias.period, self._net.block)
        self.directions[stage.bias] = bias.cells
        return _LayerTangent(layer, cells, links, bias)

    def _scattered_bias(self, stage: Stage, cells: LayerCells) -> ConnectionKernel:
        assert stage.bias is not None and stage.bias_index is not None
        made = self.directions[stage.bias] = ParameterCells(
            stage.bias, self._net.cells[stage.bias].index, self._net.block
        )
        table = Table(np.full(stage.units, BORDER), np.arange(stage.units), stage.bias_index)
        return SparseConnection(
            SparseKernel(self._net.layers[0], cells, table, made, 1.0, 1.0, self._net.block, self._net.tables, ()),
            stage.bias,
        )

    def module(self) -> str:
        """Exports `tangents`: for each pattern a row of `made`, the cells of the outputs and then those of their t."""
        net = self._net
        module = net.module("tangents")
        forward = net.emit_forward(module, False, CodeVariant(()))
        moved = [
            self._emit_moved(module.function(f"{m.cells.name} moved", STATE, f"how {m.cells.name} moves"), m)
            for m in self._moved
        ]
        f = module.function(
            "tangents",
            [*STATE, ("ptr", "inputs"), ("ptr", "made"), ("i64", "patterns")],
            "rows of outputs and how they move",
            True,
        )
        net.emit_spread(f)
        for m in self._moved:
            if m.bias is not None:
                m.bias.emit_spread(f)
        outputs = net.layers[-1], self._cells[-1]

        def one(p: Value | int, _: list[Value]) -> None:
            net.emit_present(f, forward, p)
            for function in moved:
                f.run(function, "%state", "%tables")
            row = pattern_address("%made", p, 2 * outputs[0].units)
            for cells in outputs:
                emit_copy(f, cells.x, row, cells.units)
                row = row + cells.units

        f.loop(f.argument("patterns", "i64"), one, name="pattern")
        return str(module) + attributes(ATTRIBUTES)

    def _emit_moved(self, f: Function, moved: _LayerTangent) -> Function:
        for k, link in enumerate(moved.links):
            link.emit_forward(f, first=k == 0)
        for transfer, transformed in moved.layer.transfers:
            sources = [self._cells[source].x for source in transfer.sources]
            transformed.emit_tangent(
                f, sources, moved.cells.x, first=not moved.links and transfer is moved.layer.transfers[0][0]
            )
        slope, cells = moved.layer.cells.slope, moved.cells

        def vector(at: At, count: int) -> None:
            t = f.load(at(cells.x))
            if moved.bias is not None:
                t = t + f.load(at(moved.bias.spread))
            f.store(f.first_lanes(t * f.load(at(slope)), count), at(cells.x))

        each_vector(f, cells.units, vector)
        return f
