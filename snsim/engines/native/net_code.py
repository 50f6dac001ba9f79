"""Generate the LLVM module that trains and evaluates a plan.

A `NetCode` takes plan, cost and `Machine` and lays everything out in one block of numbers. `forward_module` and
`learning_module` return LLVM IR. There is one function per layer and phase, named after the layer, so that the text and
the assembly can be read:

    layer forward     copies for windows, sums of all links, non-linearity
    layer errors      errors through the non-linearity, biases
    link back         errors of the source of a link, and updates

Exported: `evaluate`, `states`; `learn` (an update after every pattern), or `gather` and `apply` (after a batch).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from snsim.engines.native.elementwise import (
    Bias,
    emit_copy,
    emit_cost,
    emit_filled,
    emit_nlf,
    emit_through_nlf,
    pattern_address,
)
from snsim.engines.native.kernel_choice import KernelBuilder, SparseConnection, map_orders
from snsim.engines.native.kernel_protocol import ConnectionKernel, TransformKernel
from snsim.engines.native.layout import POWER, Block, IndexTables, LayerCells, ParameterCells, layer_cells
from snsim.engines.native.llvm_ir import Function, Module, Value
from snsim.engines.native.sparse import SparseKernel
from snsim.engines.native.target import Address, Machine, attributes
from snsim.engines.native.update_rules import CodeVariant, GradientSums, UpdateCode
from snsim.engines.native.weight_norm import WeightNormConnection
from snsim.engines.plan import LayerPlan, Plan, Transfer
from snsim.engines.protocol import Cost, UpdateRule
from snsim.network.wiring import BORDER, Table

STATE = [("ptr", "state"), ("ptr", "tables")]


@dataclass(eq=False)
class LayerCode:
    """A stage with its cells and the kernels of what enters it."""

    stage: LayerPlan
    cells: LayerCells
    links: list[tuple[int, ConnectionKernel]]  # source layer, connection
    transfers: list[tuple[Transfer, TransformKernel]]
    bias: Bias | None


class NetCode:
    """A plan laid out in a block."""

    def __init__(self, plan: Plan, cost: Cost, machine: Machine):
        self.plan, self.cost, self.machine = plan, cost, machine
        self.block, self.tables = Block(machine), IndexTables()
        channels = tuple(POWER)
        self.cells: dict[str, ParameterCells] = {}
        shapes = [(plan.net.layers[0].name, plan.input_shape), *((s.name, s.shape) for s in plan.stages)]
        self.layers = [
            layer_cells(self.block, name, shape, order, channels)
            for (name, shape), order in zip(shapes, map_orders(plan))
        ]
        learns = self.active(frozenset(p.name for p in plan.parameters.values() if p.learns))
        builder = KernelBuilder(self.block, self.tables, channels)
        self.stages = [self._stage(stage, builder, learns) for stage in plan.stages]

    def active(self, updated: frozenset[str]) -> list[bool]:
        """Return for every layer whether one of these parameters enters it or a layer below it."""
        active = [False] * (len(self.plan.stages) + 1)
        for stage in self.plan.stages:
            has_updated_weights = stage.bias in updated or any({link.slot, link.gain} & updated for link in stage.links)
            sources = [*(link.source for link in stage.links), *(k for t in stage.transfers for k in t.sources)]
            active[stage.layer] = has_updated_weights or any(active[source] for source in sources)
        return active

    def _stage(self, stage: LayerPlan, builder: KernelBuilder, learns: list[bool]) -> LayerCode:
        target = self.layers[stage.layer]
        links = [
            (link.source, builder.connect(link, self.layers[link.source], target, learns[link.source]))
            for link in stage.links
        ]
        for link, (_, connection) in zip(stage.links, links):
            self.cells[link.slot] = connection.cells
            if isinstance(connection, WeightNormConnection):
                self.cells[connection.gain] = connection.gains
        bias = None
        if stage.bias is not None and stage.bias_index is not None:
            entries, size = stage.bias_index[target.unit_of_cell], self.plan.parameters[stage.bias].size
            if Bias.fits(entries, size):
                bias = Bias(target, stage.bias, entries, size, self.block)
                self.cells[stage.bias] = bias.cells
            else:
                links.append((0, self._scattered_bias(stage, target, size)))
        transfers = [
            (transfer, builder.transfer(transfer, [self.layers[k] for k in transfer.sources], target))
            for transfer in stage.transfers
        ]
        return LayerCode(stage, target, links, transfers, bias)

    def _scattered_bias(self, stage: LayerPlan, target: LayerCells, size: int) -> ConnectionKernel:
        """Return a bias with irregular entries, as connections from border cells of state 1."""
        assert stage.bias is not None and stage.bias_index is not None
        index = np.full(self.machine.padded(size), -1)
        index[:size] = np.arange(size)
        cells = self.cells[stage.bias] = ParameterCells(stage.bias, index, self.block)
        table = Table(np.full(stage.units, BORDER), np.arange(stage.units), stage.bias_index)
        kernel = SparseKernel(self.layers[0], target, table, cells, 1.0, 1.0, self.block, self.tables, tuple(POWER))
        return SparseConnection(kernel, stage.bias)

    # ---- Modules -------------------------------------------------------------------------------------------------

    def forward_module(self) -> str:
        """Return the module that exports `evaluate` and `states`."""
        module = self.module("evaluation")
        plain = CodeVariant(())
        self._emit_evaluation(module, self.emit_forward(module, False, plain), plain)
        return str(module) + attributes(ATTRIBUTES)

    def learning_module(self, updates: UpdateCode, channels: Sequence[str]) -> str:
        """Return the module that exports `learn`, or `gather` and `apply` for batches, and the forward functions.

        `channels` are gathered ("g" always).
        """
        module = self.module(f"update rule {updates.rule.name}")
        forward = self.emit_forward(module, "h-full" in channels, updates.variant)
        self._emit_evaluation(module, forward, updates.variant)
        sink = GradientSums(self.cells, updates.updated, channels) if updates.variant.batched else updates
        back = self._emit_back(module, channels, sink)
        if isinstance(sink, GradientSums):
            self._emit_batches(module, forward, back, sink, updates)
        else:
            self._emit_learn(module, forward, back, updates)
        return str(module) + attributes(ATTRIBUTES)

    def module(self, what: str) -> Module:
        head = f"net {self.plan.net.name}: {what}, {self.machine.lanes} numbers in a vector"
        lines = [head, "", "Layout of the state, as offsets in numbers:"]
        for cells in self.layers:
            lines.append(
                f"{cells.x.offset:9}  states of {cells.name} ({cells.units}); "
                f"f' {cells.slope.offset}, errors {cells.delta['g'].offset}"
            )
        lines += [f"{cells.value.offset:9}  {name} ({len(cells.index)})" for name, cells in self.cells.items()]
        return Module(self.machine, *lines)

    def emit_forward(self, module: Module, bends: bool, variant: CodeVariant) -> list[Function]:
        functions = []
        for layer in self.stages:
            f = module.function(f"{layer.stage.name} forward", STATE, f"{layer.stage.name}: sums and states")
            for k, (source, link) in enumerate(layer.links):
                f.comment(f"from {self.layers[source].name}")
                link.emit_forward(f, first=k == 0)
            for k, (transfer, transformed) in enumerate(layer.transfers):
                f.comment(f"({transfer.transform.name})")
                transformed.emit_forward(f, first=k == 0 and not layer.links)
            f.comment(f"nlf of {layer.stage.name}")
            number = layer.stage.layer
            emit_nlf(f, layer.stage, layer.cells, layer.bias, bends, number in variant.gated, number in variant.noisy)
            functions.append(f)
        return functions

    def _emit_back(self, module: Module, channels: Sequence[str], sink: UpdateCode | GradientSums) -> list[Function]:
        active = self.active(sink.updated)
        reached: set[int] = {len(self.stages)}
        functions = []
        output = module.function("cost", [*STATE, ("ptr", "target")], f"cost {self.cost.name}: slope at the outputs")
        emit_cost(output, self.cost, self.layers[-1], channels, Address(0, base="%target"))
        functions.append(output)
        for layer in reversed(self.stages):
            number, name = layer.stage.layer, layer.stage.name
            if not active[number]:
                continue
            f = module.function(f"{name} errors", STATE, f"{name}: errors through its nlf, biases")
            assert number in reached, f"no errors reach {name}"
            bias = layer.bias if layer.bias is not None and layer.bias.cells.name in sink.updated else None
            emit_through_nlf(f, layer.cells, channels, bias, sink.begin(f, bias.cells.name) if bias else None)
            functions.append(f)
            for source, link in reversed(layer.links):
                below = self.layers[source].name
                f = module.function(f"{link.name} back", STATE, f"from {name} back to {below}, and the weights between")
                link.emit_backward(f, channels, active[source], source not in reached, sink)
                if active[source]:
                    reached.add(source)
                functions.append(f)
            for transfer, transformed in layer.transfers:
                wanted = [active[source] for source in transfer.sources]
                if any(wanted):
                    title = transfer.transform.name
                    f = module.function(f"{title} back", STATE, f"from {name} back through ({title})")
                    first = [
                        source not in (*reached, *transfer.sources[:k]) for k, source in enumerate(transfer.sources)
                    ]
                    transformed.emit_backward(f, channels, wanted, first)
                    reached.update(source for source, wants in zip(transfer.sources, wanted) if wants)
                    functions.append(f)
        return functions

    def emit_spread(self, f: Function) -> None:
        for layer in self.stages:
            if layer.bias is not None:
                layer.bias.emit_spread(f)
            for _, link in layer.links:
                if isinstance(link, WeightNormConnection):
                    link.emit_weights(f)

    def emit_present(self, f: Function, forward: Sequence[Function], index: Value | int) -> None:
        """Emit the input of pattern `index`, and every layer after it."""
        units = self.layers[0].units
        emit_copy(f, pattern_address("%inputs", index, units), self.layers[0].x, units, exact=False)
        for function in forward:
            f.run(function, "%state", "%tables")

    def _emit_evaluation(self, module: Module, forward: Sequence[Function], variant: CodeVariant) -> None:
        arguments = [*STATE, ("ptr", "inputs"), ("ptr", "made"), ("i64", "patterns")]
        for name, layers in (("evaluate", self.layers[-1:]), ("states", self.layers)):
            f = module.function(name, arguments, f"{name}: rows of cells of {', '.join(c.name for c in layers)}", True)
            self.emit_spread(f)
            for number in variant.gated:
                emit_filled(f, self.layers[number].gate, self.layers[number].units, 1.0)
            for number in variant.noisy:
                emit_filled(f, self.layers[number].noise, self.layers[number].units, 0.0)
            width = sum(cells.units for cells in layers)

            def pattern(
                p: Value | int,
                _: list[Value],
                f: Function = f,
                layers: Sequence[LayerCells] = layers,
                width: int = width,
            ) -> None:
                self.emit_present(f, forward, p)
                row = pattern_address("%made", p, width)
                for cells in layers:
                    emit_copy(f, cells.x, row, cells.units)
                    row = row + cells.units

            f.loop(f.argument("patterns", "i64"), pattern, name="pattern")

    def _emit_pattern(
        self, f: Function, forward: Sequence[Function], back: Sequence[Function], variant: CodeVariant, p: Value | int
    ) -> None:
        """Emit the forward and backward pass of a pattern.

        A row of `%gates` has the gates of all gated layers, then the noise of all noisy ones.
        """
        places = [
            *((n, self.layers[n].gate) for n in variant.gated),
            *((n, self.layers[n].noise) for n in variant.noisy),
        ]
        row = pattern_address("%gates", p, sum(self.layers[number].units for number, _ in places))
        for number, place in places:
            emit_copy(f, row, place, self.layers[number].units)
            row = row + self.layers[number].units
        self.emit_present(f, forward, p)
        target = f.pointer(pattern_address("%targets", p, self.layers[-1].units))
        f.run(back[0], "%state", "%tables", target)
        for function in back[1:]:
            f.run(function, "%state", "%tables")

    def _emit_learn(
        self, module: Module, forward: Sequence[Function], back: Sequence[Function], updates: UpdateCode
    ) -> None:
        prepare = module.function(
            "prepare",
            [*STATE, ("ptr", "settings"), ("i64", "number")],
            "what is the same for all weights in one update",
        )
        updates.emit_prepare(prepare, prepare.argument("number", "i64"))
        f = module.function(
            "learn",
            [
                *STATE,
                ("ptr", "inputs"),
                ("ptr", "targets"),
                ("i64", "patterns"),
                ("ptr", "gates"),
                ("ptr", "settings"),
                ("i64", "number"),
            ],
            "patterns one after the other, an update after each; number is that of the first",
            True,
        )
        self.emit_spread(f)
        number = f.argument("number", "i64")
        each_time = updates.changes_with_n()
        if not each_time:
            f.run(prepare, "%state", "%tables", "%settings", number)

        def pattern(p: Value | int, _: list[Value]) -> None:
            if each_time:
                f.run(prepare, "%state", "%tables", "%settings", f.op("add", number, p))
            self._emit_pattern(f, forward, back, updates.variant, p)

        f.loop(f.argument("patterns", "i64"), pattern, name="pattern")

    def _emit_batches(
        self,
        module: Module,
        forward: Sequence[Function],
        back: Sequence[Function],
        sums: GradientSums,
        updates: UpdateCode,
    ) -> None:
        gather = module.function(
            "gather",
            [*STATE, ("ptr", "inputs"), ("ptr", "targets"), ("i64", "patterns"), ("ptr", "gates")],
            "add up the derivatives of the patterns",
            True,
        )
        self.emit_spread(gather)
        gather.loop(
            gather.argument("patterns", "i64"),
            lambda p, _: self._emit_pattern(gather, forward, back, updates.variant, p),
            name="pattern",
        )
        f = module.function(
            "apply",
            [*STATE, ("ptr", "settings"), ("i64", "number"), (self.machine.scalar, "factor")],
            "one update with the sums times factor, which become 0",
            True,
        )
        updates.emit_prepare(f, f.argument("number", "i64"))
        factor = f.splat(f.argument("factor", self.machine.scalar))
        for name in sorted(updates.updated):
            f.comment(name)
            sums.emit_apply(f, name, updates, factor)

    def updates(self, rule: UpdateRule, variant: CodeVariant) -> UpdateCode:
        return UpdateCode(rule, variant, self.cells, self.block)


ATTRIBUTES = {"reciprocal-estimates": "vec-divf"}
