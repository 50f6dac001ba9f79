"""Forward-mode differentiation: the derivative of the outputs when all weights move along a direction.

    t_j = f'(a_j) * (sum over incoming connections of scale * (w * t_i + direction * x_i) + direction of the bias)

`TangentCode` adds to the memory of a `NetCode`, for every computed layer, cells for t, and for every connection its
kernel twice: once reading t with the weights, once reading the states with the direction. `normalize` and `attend` pass
on the derivative of their results. t is 0 at the inputs and at the border.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from snsim.engines.native.distances import DistanceKernel, DistanceTangent
from snsim.engines.native.elementwise import Bias
from snsim.engines.native.im2col import At, each_vector
from snsim.engines.native.kernel_choice import KernelBuilder, map_orders
from snsim.engines.native.kernel_protocol import ConnectionKernel
from snsim.engines.native.layout import LayerCells, ParameterCells, layer_cells
from snsim.engines.native.llvm_ir import Function
from snsim.engines.native.net_code import ATTRIBUTES, LayerCode, NetCode, Parts
from snsim.engines.native.sparse import scattered_bias
from snsim.engines.native.target import attributes
from snsim.engines.native.update_rules import CodeVariant
from snsim.engines.plan import Link, Plan
from snsim.engines.weight_norm import WeightNorm


@dataclass(eq=False)
class _LayerTangent:
    """The kernels that compute t of one layer."""

    layer: LayerCode
    cells: LayerCells  # t
    links: list[ConnectionKernel]
    bias: Bias | None  # the direction of the bias


def tangent_weights(
    weights: Mapping[str, np.ndarray], along: Mapping[str, np.ndarray], plan: Plan
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the effective weights, and their derivatives where the parameters move `along`; flat arrays by name."""
    effective = dict(weights)
    tangents = {name: along[name] if name in along else np.zeros_like(value) for name, value in weights.items()}
    for link in (link for stage in plan.stages for link in stage.links):
        if link.gain is not None and link.connection.weights_of is None:
            norm = WeightNorm(link.connection.wiring.owners(), plan.parameters[link.gain].size)
            parts = weights[link.slot], weights[link.gain]
            effective[link.slot] = norm.weights(*parts)
            tangents[link.slot] = norm.tangent(*parts, tangents[link.slot], tangents[link.gain])
    return effective, tangents


class TangentCode:
    """The code that computes tangents, beside the code of a net.

    `weights` and `directions` are memory cells: of a second copy of each parameter, and of its direction.
    """

    def __init__(self, net: NetCode):
        self._net = net
        shared = net.plan.shared_slots
        self._builder = KernelBuilder(net.block, net.tables, (), shared)
        self._through = KernelBuilder(net.block, net.tables, (), shared)
        self.weights: dict[str, ParameterCells] = {}
        self.directions: dict[str, ParameterCells] = {}
        self._cells = [
            layer_cells(net.block, layer.name, layer.shape, order, ())
            for layer, order in zip(net.plan.net.layers, map_orders(net.plan))
        ]
        self._tangents = [self._layer(layer) for layer in net.stages]

    def _layer(self, layer: LayerCode) -> _LayerTangent:
        net, stage, cells = self._net, layer.stage, self._cells[layer.stage.layer]
        links: list[ConnectionKernel] = []
        for link, (_, connection) in zip(stage.links, layer.links):
            if link.distance:
                links.append(self._distance(link, connection, cells))
                continue
            along = self._builder.kernel(link, net.layers[link.source], cells, False)
            self.directions[link.slot] = along.cells
            links.append(along)
            if not net.plan.is_input(link.source):
                through = self._through.kernel(replace(link, border_value=0.0), self._cells[link.source], cells, False)
                self.weights[link.slot] = through.cells
                links.append(through)
        bias = None
        if layer.bias is not None and stage.bias is not None:
            bias = Bias(cells, stage.bias, layer.bias.cells.index, layer.bias.period, net.block)
            self.directions[stage.bias] = bias.cells
        elif stage.bias is not None:
            moves = self.directions[stage.bias] = ParameterCells(stage.bias, net.cells[stage.bias].index, net.block)
            links.append(scattered_bias(stage, net.layers[0], cells, moves, net.tables, ()))
        return _LayerTangent(layer, cells, links, bias)

    def _distance(self, link: Link, connection: ConnectionKernel, cells: LayerCells) -> DistanceTangent:
        assert isinstance(connection, DistanceKernel)
        if link.slot not in self.directions:
            self.directions[link.slot] = ParameterCells(link.slot, connection.cells.index, self._net.block)
        moved = None if self._net.plan.is_input(link.source) else self._cells[link.source]
        return DistanceTangent(connection, moved, cells, self.directions[link.slot])

    def module(self) -> str:
        """Return the LLVM IR that exports `tangents`.

        For each pattern it fills a row of `made`: the cells of the outputs, then the cells of their t.
        """
        net = self._net
        module = net.module("tangents")
        steps = [net.presentation(), *net.emit_forward(module, False, CodeVariant(()), False)]
        parts = Parts(module, net.block.pitch)
        for tangent in self._tangents:
            parts.begin(f"{tangent.cells.name} moved", f"how {tangent.cells.name} moves")
            self._emit_tangent(parts.of_pattern(), tangent)
        outputs = net.layers[-1], self._cells[-1]
        steps += [*parts.steps, net.results(outputs)]
        f = net.exported(
            module,
            "tangents",
            [("ptr", "inputs"), ("ptr", "made"), ("i64", "patterns")],
            "rows of outputs and their derivatives along the direction",
        )
        net.emit_spread(f)
        for tangent in self._tangents:
            if tangent.bias is not None:
                tangent.bias.emit_spread(f)
        f.loop(f.argument("patterns", "i64"), lambda p, _: net.emit_steps(f, steps, p), name="pattern")
        return str(module) + attributes(ATTRIBUTES)

    def _emit_tangent(self, f: Function, tangent: _LayerTangent) -> None:
        for k, link in enumerate(tangent.links):
            link.emit_forward(f, first=k == 0)
        for transfer, transformed in tangent.layer.transfers:
            sources = [self._cells[source].x for source in transfer.sources]
            transformed.emit_tangent(
                f, sources, tangent.cells.x, first=not tangent.links and transfer is tangent.layer.transfers[0][0]
            )
        slope, cells = tangent.layer.cells.slope, tangent.cells

        def vector(at: At, count: int) -> None:
            t = f.load(at(cells.x))
            if tangent.bias is not None:
                t = t + f.load(at(tangent.bias.spread))
            f.store(f.first_lanes(t * f.load(at(slope)), count), at(cells.x))

        each_vector(f, cells.units, vector)
