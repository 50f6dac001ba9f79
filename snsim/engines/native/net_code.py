"""Generate the LLVM module that trains and evaluates a plan.

A `NetCode` takes plan, cost and `Machine` and lays everything out in one block of numbers. `forward_module` and
`learning_module` return LLVM IR. There is one function per layer and phase, named after the layer, so that the text and
the assembly can be read:

    layer forward     copies for windows, sums of all links, non-linearity
    layer errors      errors through the non-linearity, biases
    link back         errors of the source of a link, and updates

Exported: `evaluate`, `states`; `learn` (an update after every pattern), or `gather` and `apply` (after a batch), or
`learn_batches`.

Several threads can run `learn_batches` together, on one block. They go through a batch in phases and meet between them:

    patterns    each thread computes states and errors of its patterns of the group
    units       each thread computes its share of the units of a large layer, for all patterns
    weights     each thread sums its share of the gradient over all patterns, in their order

So the sums have the same bits as on one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Literal

import numpy as np

from snsim.engines.native.elementwise import (
    Bias,
    emit_bias_gradient,
    emit_copy,
    emit_cost,
    emit_filled,
    emit_nlf,
    emit_through_nlf,
    pattern_address,
)
from snsim.engines.native.im2col import At, each_vector, zero_fill
from snsim.engines.native.kernel_choice import KernelBuilder, TiledConnection, map_orders
from snsim.engines.native.kernel_protocol import ConnectionKernel, TransformKernel
from snsim.engines.native.layout import (
    CELLS,
    POWER,
    Block,
    IndexTables,
    InputCells,
    LayerCells,
    ParameterCells,
    layer_cells,
)
from snsim.engines.native.llvm_ir import Function, Index, Module, Value
from snsim.engines.native.map_lanes import MapLanesKernel
from snsim.engines.native.sparse import SparseKernel
from snsim.engines.native.target import Address, Machine, attributes
from snsim.engines.native.update_rules import BatchUpdate, CodeVariant, GradientSums, UpdateCode
from snsim.engines.native.weight_norm import WeightNormConnection
from snsim.engines.plan import LayerPlan, Plan, Transfer
from snsim.engines.protocol import Cost, UpdateRule
from snsim.network.wiring import BORDER, Table

STATE = [("ptr", "state"), ("ptr", "tables"), ("ptr", "cells")]  # of all functions that are not exported
PATTERNS = [("ptr", "inputs"), ("ptr", "targets"), ("i64", "patterns"), ("ptr", "gates")]
UPDATES = [("ptr", "settings"), ("i64", "number")]
TOGETHER = [("ptr", "meeting"), ("i64", "rest"), ("i64", "part")]  # of functions that several threads run together
Phase = Literal["patterns", "units", "weights"]


@dataclass(frozen=True)
class Step:
    """A part of a pass over the patterns of a group.

    `emit(f, p, row)` emits it for the cells of pattern p; `row` is its row in the arguments of the exported function.
    If `grouped`, `emit(f, count, first)` emits it for this number of patterns at once. `phase` says what several
    threads divide. In the phase "weights" one thread takes the whole step if `cost` is not 0.
    """

    grouped: bool
    emit: Callable[[Function, Index, Index], None]
    phase: Phase = "patterns"
    cost: int = 0


class Parts:
    """Functions of layers and links while they are written, in the order of their calls.

    Code for one pattern and code for all patterns of a group stand in different functions. `threads` will run them.
    """

    def __init__(self, module: Module, pitch: int, threads: int = 1):
        self.steps: list[Step] = []
        self.threads = threads
        self._module, self._pitch = module, pitch
        self._open: dict[bool, Function] = {}

    def begin(self, name: str, comment: str, phase: Phase = "patterns", cost: int = 0) -> None:
        """Start the next layer or link, whose code stands in functions of its own. See `Step` for phase and cost."""
        self._title, self._open, self._phase, self._cost = (name, comment), {}, phase, cost

    def of_pattern(self) -> Function:
        """Return the function for the cells of one pattern to which the next code belongs."""
        return self._function(False)

    def of_group(self) -> Function:
        """Return the function for all patterns of a group (i64 `patterns`) to which the next code belongs."""
        return self._function(True)

    def _function(self, grouped: bool) -> Function:
        if grouped not in self._open:
            name, comment = self._title
            phase = self._phase if grouped or self._phase == "weights" else "patterns"
            arguments = [*STATE, ("i64", "patterns")] if grouped else STATE
            if self.threads > 1:
                arguments = [*arguments, ("i64", "part")]
            function = self._module.function(f"{name}, all" if grouped else name, arguments, comment)
            function.parts, function.divides = self.threads, phase != "patterns" and self._cost == 0
            self._open = {grouped: function}
            self.add(function, grouped, phase=phase)
        return self._open[grouped]

    def add(self, function: Function, grouped: bool = False, targets: int = 0, phase: Phase = "patterns") -> None:
        """Add the call of a function; its last argument is the row of the targets if these have a number of units."""

        def emit(f: Function, p: Index, row: Index) -> None:
            part = [f.part] if function.parts > 1 else []
            cells = f.pointer(Address(0, base=CELLS).by(row if grouped else p, self._pitch))
            if grouped:
                patterns = p if isinstance(p, Value) else f.integer(p)
                f.run(function, "%state", "%tables", cells, patterns, *part)
                return
            rows = [f.pointer(pattern_address("%targets", row, targets))] if targets else []
            f.run(function, "%state", "%tables", cells, *rows, *part)

        self.steps.append(Step(grouped, emit, phase, self._cost if phase == "weights" else 0))


_TILE = 4  # patterns that kernels compute at once: threads share whole tiles
_LARGE = 1 << 16  # weights of a layer whose units threads share, so that each reads only its share of the weights
_GROUPED = (TiledConnection, SparseKernel)  # have code for all patterns of a group
_MOST = 64  # patterns in a group
_CELLS = 5 << 19  # bytes of the cells of a group; about half of them are read and written in a pass


def _patterns_at_once(machine: Machine, cells: int, shared: int) -> int:
    """Return how many patterns a group has, a power of 2 from 4 to 64; `shared` weights serve all of its patterns.

    The more patterns, the fewer loads of these weights. But the cells should stay in the cache, or be few beside them.
    """
    budget = max(_CELLS // machine.dtype.itemsize, 2 * shared)
    patterns = _MOST
    while patterns > _TILE and patterns * cells > budget:
        patterns //= 2
    return patterns


def _shares_units(link: TiledConnection | SparseKernel, threads: int) -> bool:
    """Return whether threads share the units that a link feeds, or whose errors it sends: those of a large layer."""
    large = isinstance(link, TiledConnection) and link.tiles.positions == 1 and len(link.cells.index) >= _LARGE
    return threads > 1 and large


@dataclass(eq=False)
class LayerCode:
    """A stage with its cells and the kernels of what enters it."""

    stage: LayerPlan
    cells: LayerCells
    links: list[tuple[int, ConnectionKernel]]  # source layer, connection
    transfers: list[tuple[Transfer, TransformKernel]]
    bias: Bias | None


class NetCode:
    """A plan laid out in a block, with cells for several patterns at once if `grouped`."""

    def __init__(self, plan: Plan, cost: Cost, machine: Machine, grouped: bool = False):
        self.plan, self.cost, self.machine = plan, cost, machine
        self.block, self.tables = Block(machine), IndexTables()
        channels = tuple(POWER)
        self.cells: dict[str, ParameterCells] = {}
        self.layers = [
            layer_cells(self.block, layer.name, layer.shape, order, channels)
            for layer, order in zip(plan.net.layers, map_orders(plan))
        ]
        self.inputs = InputCells(self.layers[: len(plan.inputs)])
        learns = self.active(frozenset(p.name for p in plan.parameters.values() if p.learns))
        builder = KernelBuilder(self.block, self.tables, channels, plan.shared_slots)
        self.stages = [self._stage(stage, builder, learns) for stage in plan.stages]
        shared = sum(
            len(link.cells.index)
            for stage in self.stages
            for _, link in stage.links
            if isinstance(link, TiledConnection) and link.serves_patterns
        )
        # The cells of one pattern keep its states for the next one, whose inputs may be these.
        contexts = [*(self.layers[number] for number, _ in plan.carried), *self.layers[: len(plan.carried)]]
        self.carried = plan.carried if all(cells.is_plain for cells in contexts) else ()
        at_once = _patterns_at_once(machine, self.block.cells.size, shared) if grouped and not self.carried else 1
        self.block.place_cells(at_once)
        self.factor = self.block.take(machine.lanes)  # of the sums of a batch

    def patterns_of_group(self, threads: int) -> int:
        """Return how many patterns a group has that this number of threads compute together."""
        return max(self.block.patterns, min(threads * self.block.patterns, _MOST))

    @property
    def learns_batches(self) -> bool:
        """Whether there is code for many batches in one call: for groups of patterns, or states that are carried on."""
        return self.block.patterns > 1 or bool(self.carried)

    def active(self, updated: frozenset[str]) -> list[bool]:
        """Return for every layer whether one of these parameters enters it or a layer below it."""
        active = [False] * len(self.layers)
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
        return SparseKernel(self.layers[0], target, table, cells, 1.0, 1.0, self.block, self.tables, tuple(POWER))

    # ---- Modules -------------------------------------------------------------------------------------------------

    def forward_module(self) -> str:
        """Return the module that exports `evaluate` and `states`."""
        module = self.module("evaluation")
        self._emit_evaluation(module, CodeVariant(()))
        return str(module) + attributes(ATTRIBUTES)

    def learning_module(self, updates: UpdateCode, channels: Sequence[str]) -> str:
        """Return the module that exports `evaluate`, `states` and the function that learns.

        That is `learn`. For batches it is `learn_batches` if patterns have groups, and `gather` and `apply` where a
        batch may be larger than a group. `channels` are gathered ("g" always).
        """
        with self.block.groups_of(self.patterns_of_group(updates.variant.threads)):
            return self._learning_module(updates, channels)

    def _learning_module(self, updates: UpdateCode, channels: Sequence[str]) -> str:
        module, variant = self.module(f"update rule {updates.rule.name}"), updates.variant
        bends = "h-full" in channels
        self._emit_evaluation(module, variant, bends)
        sink: UpdateCode | GradientSums = updates
        if variant.at_once:
            sink = BatchUpdate(self.cells, updates, channels, self.factor)
        elif variant.batched:
            sink = GradientSums(self.cells, updates.updated, channels)
        steps = [
            self._presentation(variant),
            *self.emit_forward(module, bends, variant, variant.batched, variant.threads),
            *self._emit_back(module, channels, sink, variant.threads),
        ]
        if isinstance(sink, GradientSums):
            if not variant.at_once and variant.threads == 1:
                self._emit_gather(module, steps, sink, updates)
            if self.learns_batches:
                self._emit_batches(module, steps, sink, updates)
        else:
            self._emit_learn(module, steps, updates)
        return str(module) + attributes(ATTRIBUTES)

    def module(self, what: str) -> Module:
        head = f"net {self.plan.net.name}: {what}, {self.machine.lanes} numbers in a vector"
        lines = [head, "", "Layout of the state, as offsets in numbers:"]
        offset = self.block.offset
        for cells in self.layers:
            lines.append(
                f"{offset(cells.x):9}  states of {cells.name} ({cells.units}); "
                f"f' {offset(cells.slope)}, errors {offset(cells.delta['g'])}"
            )
        lines += [f"{cells.value.offset:9}  {name} ({len(cells.index)})" for name, cells in self.cells.items()]
        if self.block.patterns > 1:
            lines.append(f"Layers are those of the first of {self.block.patterns} patterns, {self.block.pitch} apart")
        return Module(self.machine, *lines)

    def exported(self, module: Module, name: str, arguments: Sequence[tuple[str, str]], comment: str) -> Function:
        """Start an exported function, which has the block and the tables as its first arguments."""
        f = module.function(name, [("ptr", "state"), ("ptr", "tables"), *arguments], comment, True)
        f.name_pointer(CELLS, self.block.start)
        return f

    def emit_forward(
        self, module: Module, bends: bool, variant: CodeVariant, grouped: bool, threads: int = 1
    ) -> list[Step]:
        """Emit the functions of all layers; if `grouped`, those that work on all patterns where these are faster."""
        parts = Parts(module, self.block.pitch, threads)
        for layer in self.stages:
            name = layer.stage.name
            parts.begin(f"{name} forward", f"{name}: sums and states")
            for k, (source, link) in enumerate(layer.links):
                if grouped and isinstance(link, _GROUPED) and link.serves_patterns:
                    if _shares_units(link, threads):
                        parts.begin(f"{name} forward", f"{name}: sums of shares of the units", "units")
                    link.emit_group_forward(parts, first=k == 0)
                    continue
                f = parts.of_pattern()
                f.comment(f"from {self.layers[source].name}")
                link.emit_forward(f, first=k == 0)
            f = parts.of_pattern()
            for k, (transfer, transformed) in enumerate(layer.transfers):
                f.comment(f"({transfer.transform.name})")
                transformed.emit_forward(f, first=k == 0 and not layer.links)
            f.comment(f"nlf of {name}")
            number = layer.stage.layer
            emit_nlf(f, layer.stage, layer.cells, layer.bias, bends, number in variant.gated, number in variant.noisy)
        return parts.steps

    def _emit_back(
        self, module: Module, channels: Sequence[str], sink: UpdateCode | GradientSums, threads: int
    ) -> list[Step]:
        """Emit the functions of the backward pass; for several threads, errors and gradients in separate functions."""
        active = self.active(sink.updated)
        reached: set[int] = {len(self.layers) - 1}
        parts = Parts(module, self.block.pitch, threads)
        output = module.function("cost", [*STATE, ("ptr", "target")], f"cost {self.cost.name}: slope at the outputs")
        emit_cost(output, self.cost, self.layers[-1], channels, Address(0, base="%target"))
        parts.add(output, targets=self.layers[-1].units)
        for layer in reversed(self.stages):
            number, name = layer.stage.layer, layer.stage.name
            if not active[number]:
                continue
            parts.begin(f"{name} errors", f"{name}: errors through its nlf, biases")
            f = parts.of_pattern()
            if number not in reached:  # in a net unrolled in time, only later steps may read a layer
                f.comment("nothing leads from here to the outputs")
                for channel in channels:
                    zero_fill(f, layer.cells.delta[channel], layer.cells.units)
            bias = layer.bias if layer.bias is not None and layer.bias.cells.name in sink.updated else None
            if bias is not None and threads > 1:
                emit_through_nlf(f, layer.cells, channels, None, None)
                parts.begin(f"{bias.cells.name} gradient", f"{name}: biases", "weights", layer.cells.units)
                f = parts.of_pattern()
                emit_bias_gradient(f, channels, bias, sink.begin(f, bias.cells.name))
            else:
                emit_through_nlf(f, layer.cells, channels, bias, sink.begin(f, bias.cells.name) if bias else None)
            for source, link in reversed(layer.links):
                first = source not in reached
                for errors, updates in ((True, NO_SUMS), (False, sink)) if threads > 1 else ((True, sink),):
                    self._emit_link_back(
                        parts, layer, source, link, channels, errors and active[source], first, updates
                    )
                if active[source]:
                    reached.add(source)
            for transfer, transformed in layer.transfers:
                wanted = [active[source] for source in transfer.sources]
                if any(wanted):
                    title = transfer.transform.name
                    parts.begin(f"{title} back", f"from {name} back through ({title})")
                    first_errors = [
                        source not in (*reached, *transfer.sources[:k]) for k, source in enumerate(transfer.sources)
                    ]
                    transformed.emit_backward(parts.of_pattern(), channels, wanted, first_errors)
                    reached.update(source for source, wants in zip(transfer.sources, wanted) if wants)
        return parts.steps

    def _emit_link_back(
        self,
        parts: Parts,
        layer: LayerCode,
        source: int,
        link: ConnectionKernel,
        channels: Sequence[str],
        errors: bool,
        first: bool,
        sink: UpdateCode | GradientSums,
    ) -> None:
        """Emit the functions of a link: errors of the source, if it wants them, and the gradient for the sink."""
        name = f"from {layer.cells.name} back to {self.layers[source].name}"
        if parts.threads == 1:
            parts.begin(f"{link.name} back", f"{name}, and the weights between")
        elif sink is NO_SUMS:
            if not errors:
                return
            shares = isinstance(link, _GROUPED) and link.sums_patterns and _shares_units(link, parts.threads)
            parts.begin(f"{link.name} back", name, "units" if shares else "patterns")
        else:
            if not {link.name, getattr(link, "gain", link.name)} & sink.updated:
                return
            divides = isinstance(link, (TiledConnection, MapLanesKernel)) and link.divides_gradient
            cost = 0 if divides else layer.cells.units + len(link.cells.index) * layer.cells.positions
            parts.begin(f"{link.name} gradient", f"{name}: the weights between", "weights", cost)
        if isinstance(sink, GradientSums) and isinstance(link, _GROUPED) and link.sums_patterns:
            link.emit_group_backward(parts, channels, errors, first, sink)
        else:
            link.emit_backward(parts.of_pattern(), channels, errors, first, sink)

    def emit_spread(self, f: Function) -> None:
        for layer in self.stages:
            if layer.bias is not None:
                layer.bias.emit_spread(f)
            for _, link in layer.links:
                if isinstance(link, WeightNormConnection):
                    link.emit_weights(f)

    def emit_steps(self, f: Function, steps: Sequence[Step], row: Index, patterns: Index = 1) -> None:
        """Emit the steps for a group of patterns, the first of which is row `row` of the arguments."""
        if f.parts > 1:
            self._emit_phases(f, steps, row, patterns)
            return
        for grouped, some in groupby(steps, key=lambda step: step.grouped):
            if grouped:
                for step in some:
                    step.emit(f, patterns, 0)
            else:
                f.loop(patterns, self._each_pattern(f, list(some), row), name="pattern")

    def _each_pattern(self, f: Function, steps: Sequence[Step], row: Index) -> Callable[[Index, list[Value]], None]:
        """Return the body of a loop over patterns, the first of which is row `row` of the arguments."""

        def pattern(p: Index, _: list[Value]) -> None:
            at = row if isinstance(p, int) else p if isinstance(row, int) else f.op("add", row, p)
            for step in steps:
                step.emit(f, p, at)

        return pattern

    def _emit_phases(self, f: Function, steps: Sequence[Step], row: Index, patterns: Index) -> None:
        """Emit the steps as phases that the threads divide, with a meeting after each.

        The first step of a presentation waits for nothing. The gradients come last: all they read is in memory then.
        """
        presentation, *others = steps
        count = patterns if isinstance(patterns, Value) else f.integer(patterns)
        tiles = f.share(f.divided_up(count, f.integer(_TILE)))
        first, stop = (f.smaller(f.op("mul", at, f.integer(_TILE)), count) for at in tiles)
        mine = f.op("sub", stop, first)
        has_some = f.instruction(f"icmp sgt i64 {mine.text}, 0", "i1")

        def each_of_mine(some: list[Step], grouped: bool) -> None:
            def at_once() -> None:
                for step in some:
                    step.emit(f, mine, first)

            if grouped:
                f.when(has_some, at_once)
            else:
                f.while_loop(first, stop, self._each_pattern(f, some, row), [])

        each_of_mine([presentation], False)
        f.meet()
        in_phases = sorted(others, key=lambda step: step.phase == "weights")
        for phase, steps_of_phase in groupby(in_phases, key=lambda step: step.phase):
            if phase == "units":
                for step in steps_of_phase:
                    step.emit(f, count, 0)
                    f.meet()
                continue
            if phase == "weights":
                self._emit_gradients(f, list(steps_of_phase), row, count)
            else:
                for grouped, some in groupby(steps_of_phase, key=lambda step: step.grouped):
                    each_of_mine(list(some), grouped)
            f.meet()

    def _emit_gradients(self, f: Function, steps: Sequence[Step], row: Index, patterns: Value) -> None:
        """Emit the gradients of all patterns. One that cannot be divided goes to the thread with the least work."""
        work = [0] * f.parts
        for step in sorted(steps, key=lambda step: -step.cost):

            def emit(step: Step = step) -> None:
                if step.grouped:
                    step.emit(f, patterns, 0)
                else:
                    f.loop(patterns, self._each_pattern(f, [step], row), name="pattern")

            if step.cost:
                part = work.index(min(work))
                work[part] += step.cost
                f.alone(emit, part)
            else:
                emit()

    def _groups(
        self, f: Function, patterns: Value, emit: Callable[[Index, Index], None], size: Value | None = None
    ) -> None:
        """Emit `emit(first row, number of patterns)` for groups of `size` patterns (default: as many as have cells)."""
        if self.block.patterns == 1 and size is None:
            f.loop(patterns, lambda p, _: emit(p, 1), name="pattern")
            return
        most = size or f.integer(self.block.patterns)

        def group(g: Index, _: list[Value]) -> None:
            assert isinstance(g, Value)
            row = f.op("mul", g, most)
            emit(row, f.smaller(most, f.op("sub", patterns, row)))

        f.loop(f.divided_up(patterns, most), group, name="group")

    def presentation(self) -> Step:
        """Return the step that copies a row of the inputs into the cells of a pattern."""

        def emit(f: Function, p: Index, row: Index) -> None:
            inputs = pattern_address("%inputs", row, self.inputs.units)
            starts = np.cumsum([0, *(cells.units for cells in self.inputs.layers)])
            carried = {first: self.layers[number] for number, first in self.carried}
            for is_carried in (True, False):  # states of the presentation before, then what may replace them
                for start, cells in zip(starts.tolist(), self.inputs.layers):
                    at, place = inputs + start, cells.x.by(p, self.block.pitch)
                    if is_carried and start in carried:
                        self._emit_carried(f, carried[start], at, place)
                    elif not is_carried and start not in carried:
                        emit_copy(f, at, place, cells.units, exact=False)

        return Step(False, emit)

    def _emit_carried(self, f: Function, source: LayerCells, inputs: Address, place: Address) -> None:
        """Emit the store of the states of the presentation before, where the inputs are NaN."""

        def carry(at: At, count: int) -> None:
            given = f.load_first(at(inputs), count)
            state = f.select(f.compare("uno", given, given), f.load_first(at(source.x), count), given)
            f.store(state, at(place))

        each_vector(f, source.units, carry)

    def _presentation(self, variant: CodeVariant) -> Step:
        """Return `presentation`, and before it the gates of all gated layers and the noise of all noisy ones."""
        places = [
            *((n, self.layers[n].gate) for n in variant.gated),
            *((n, self.layers[n].noise) for n in variant.noisy),
        ]

        def emit(f: Function, p: Index, row: Index) -> None:
            at = pattern_address("%gates", row, sum(self.layers[number].units for number, _ in places))
            for number, place in places:
                emit_copy(f, at, place.by(p, self.block.pitch), self.layers[number].units)
                at = at + self.layers[number].units
            self.presentation().emit(f, p, row)

        return Step(False, emit)

    def results(self, layers: Sequence[LayerCells]) -> Step:
        """Return the step that copies the cells of layers into a row of `made`."""
        width = sum(cells.units for cells in layers)

        def emit(f: Function, p: Index, row: Index) -> None:
            place = pattern_address("%made", row, width)
            for cells in layers:
                emit_copy(f, cells.x.by(p, self.block.pitch), place, cells.units)
                place = place + cells.units

        return Step(False, emit)

    def _emit_evaluation(self, module: Module, variant: CodeVariant, bends: bool = False) -> None:
        forward = self.emit_forward(module, bends, variant, self.block.patterns > 1)
        arguments = [("ptr", "inputs"), ("ptr", "made"), ("i64", "patterns")]
        for name, layers in (("evaluate", self.layers[-1:]), ("states", self.layers)):
            f = self.exported(module, name, arguments, f"rows of cells of {', '.join(c.name for c in layers)}")
            self.emit_spread(f)

            def fill(p: Index, _: list[Value], f: Function = f) -> None:
                for number in variant.gated:
                    emit_filled(f, self.layers[number].gate.by(p, self.block.pitch), self.layers[number].units, 1.0)
                for number in variant.noisy:
                    emit_filled(f, self.layers[number].noise.by(p, self.block.pitch), self.layers[number].units, 0.0)

            if variant.gated or variant.noisy:
                f.loop(self.block.patterns, fill, name="pattern")
            steps = [self.presentation(), *forward, self.results(layers)]
            self._groups(f, f.argument("patterns", "i64"), partial(self.emit_steps, f, steps))

    def _emit_learn(self, module: Module, steps: Sequence[Step], updates: UpdateCode) -> None:
        prepare = self._emit_prepare(module, updates)
        f = self.exported(
            module,
            "learn",
            [*PATTERNS, *UPDATES],
            "patterns one after the other, an update after each; number is that of the first",
        )
        self.emit_spread(f)
        number = f.argument("number", "i64")
        each_time = updates.changes_with_n()
        if not each_time:
            f.run(prepare, "%state", "%settings", number)

        def pattern(p: Index, _: list[Value]) -> None:
            if each_time:
                assert isinstance(p, Value)
                f.run(prepare, "%state", "%settings", f.op("add", number, p))
            self.emit_steps(f, steps, p)

        f.loop(f.argument("patterns", "i64"), pattern, name="pattern")

    def _emit_prepare(self, module: Module, updates: UpdateCode) -> Function:
        prepare = module.function(
            "prepare",
            [("ptr", "state"), *UPDATES],
            "what is the same for all weights in one update",
        )
        updates.emit_prepare(prepare, prepare.argument("number", "i64"))
        return prepare

    def _emit_batches(self, module: Module, steps: Sequence[Step], sums: GradientSums, updates: UpdateCode) -> None:
        prepare = self._emit_prepare(module, updates)
        threads = updates.variant.threads
        f = self.exported(
            module,
            "learn_batches",
            [*PATTERNS, *UPDATES, ("i64", "size"), ("i64", "mean"), *(TOGETHER if threads > 1 else [])],
            "batches of `size` patterns, the last one perhaps smaller, an update after each; number is that of the "
            "first; with mean 1 the derivatives are divided by the number of patterns",
        )
        f.parts, f.divides = threads, threads > 1
        f.meet()  # so that nothing changes before all threads are here
        number, size = f.argument("number", "i64"), f.argument("size", "i64")
        mean = f.instruction("icmp ne i64 %mean, 0", "i1")

        def begin(row: Value, n: Value) -> None:
            f.run(prepare, "%state", "%settings", f.op("add", number, f.op("udiv", row, size)))
            one = f.constant(1.0, "double")
            factor = f.select(mean, one / f.cast(n, "double", "sitofp"), one)
            factor = f.cast(factor, "float", "fptrunc") if self.machine.scalar == "float" else factor
            f.store(f.splat(factor), self.factor)
            self.emit_spread(f)

        def batch(row: Index, n: Index) -> None:
            assert isinstance(row, Value) and isinstance(n, Value)
            f.alone(partial(begin, row, n))
            if updates.variant.at_once:
                self.emit_steps(f, steps, row, n)
            else:
                self._groups(f, n, lambda some, m: self.emit_steps(f, steps, f.op("add", row, some), m))
            sums.emit_updates(f, updates, f.load(self.factor))
            f.meet()

        self._groups(f, f.argument("patterns", "i64"), batch, size)

    def _emit_gather(self, module: Module, steps: Sequence[Step], sums: GradientSums, updates: UpdateCode) -> None:
        gather = self.exported(module, "gather", PATTERNS, "add up the derivatives of the patterns")
        self.emit_spread(gather)
        self._groups(gather, gather.argument("patterns", "i64"), partial(self.emit_steps, gather, steps))
        f = self.exported(
            module,
            "apply",
            [*UPDATES, (self.machine.scalar, "factor")],
            "one update with the sums times factor, which become 0",
        )
        updates.emit_prepare(f, f.argument("number", "i64"))
        sums.emit_updates(f, updates, f.splat(f.argument("factor", self.machine.scalar)))

    def updates(self, rule: UpdateRule, variant: CodeVariant) -> UpdateCode:
        return UpdateCode(rule, variant, self.cells, self.block)


ATTRIBUTES = {"reciprocal-estimates": "vec-divf"}
NO_SUMS = GradientSums({}, frozenset(), ())  # updates no parameter
