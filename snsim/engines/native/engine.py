"""The native engine: a plan compiled for this processor, learning pattern by pattern.

It satisfies `snsim.engines.protocol.Engine`. Code is compiled when it is first needed, and again when the variant of
the settings changes (a rate becomes an array, a batch), not when their numbers change. Learning and evaluation run
without Python's global lock, on a block of numbers that belongs to this engine alone.

A `CodeHost` compiles the code and runs it: in this process (`jit.ProcessHost`), or as WebAssembly
(`wasmtime_host.WasmtimeHost`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from snsim.engines.native import jit
from snsim.engines.native.code_host import CodeHost, Result
from snsim.engines.native.layout import ParameterCells, state_region
from snsim.engines.native.net_code import NetCode
from snsim.engines.native.threads import (
    Crew,
    parts_of_batch,
    pieces_of_evaluation,
    threads_of_batch,
    threads_of_evaluation,
)
from snsim.engines.native.update_rules import CodeVariant, UpdateCode
from snsim.engines.parameter_state import WeightShapes, check_gates, check_patterns
from snsim.engines.plan import Plan
from snsim.engines.protocol import NO_GATES, NO_NOISES, Cost, Settings, UpdateRule
from snsim.errors import fail
from snsim.network.expressions import variable
from snsim.operating_system import default_threads

if TYPE_CHECKING:
    from snsim.engines.native.forward_mode import TangentCode  # which only conjugate gradients need

_CURVATURES = {"gauss-newton": "h", "full": "h-full"}
_SUMS_ONLY = UpdateRule("none, sums only", (), (), ((("w", variable("g")),),))
_PIECE = 1000  # patterns of a batch in one call of compiled code
GatedAndNoisy = tuple[tuple[int, ...], tuple[int, ...]]  # the layers with gates, and those with noise


@dataclass(frozen=True, eq=False)
class CompiledCode:
    """Compiled code of the host, with the update code and the channels that it was compiled for.

    `threads` is the number of threads that call `learn_batches` together.
    """

    code: Any
    updates: UpdateCode | None
    channels: tuple[str, ...]
    threads: int = 1


class NativeEngine:
    """The engine of this module.

    `host` compiles and runs the code; without one, it runs in this process with the vectors of this processor.
    `options` are numbers of the update rule that stay constant for the life of the engine. They are compiled in. States
    on which no weight can then depend (momentum 0) are not kept: `state` returns what was loaded for them, or 0.
    """

    name = "native"
    keeps_chunks = True  # what it learns does not depend on how the patterns are divided into calls

    def __init__(
        self,
        plan: Plan,
        cost: Cost,
        rule: UpdateRule,
        dtype: np.dtype | type | str = np.float32,
        options: Mapping[str, float] | None = None,
        host: CodeHost | None = None,
    ):
        self.plan, self.cost, self.rule = plan, cost, rule
        self._connections = plan.net.counts.connections
        self.dtype = np.dtype(dtype)
        self._constants = {name: float(value) for name, value in (options or {}).items()}
        self._weights = WeightShapes(plan.parameters, rule, self.dtype)  # checks values from callers
        self._host: CodeHost = jit.ProcessHost(jit.machine(self.dtype)) if host is None else host
        # Links that share weights add to one sum. In groups of patterns, its terms would have another order than one
        # pattern after the other, and so other bits than in a page.
        self._net = NetCode(plan, cost, self._host.machine, self._host.groups and not plan.shared_slots)
        self._nothing = np.zeros((0, 0), self.dtype)  # in place of gates and noises
        self._filled = 0
        self._updates = 0
        self._compiled: dict[object, CompiledCode] = {}
        self.portable = self._host.machine.strict
        self._tangents: TangentCode | None = None  # made on first use
        self._last: tuple[Settings, tuple[GatedAndNoisy, int], CompiledCode, np.ndarray] | None = None
        self._crew: Crew | None = None  # of a host in this process
        if isinstance(self._host, jit.ProcessHost):
            values = [slice(c.value.offset, c.value.offset + len(c.index)) for c in self._net.cells.values()]
            self._crew = Crew(self._host, values, default_threads())
        self._host.set_tables(self._net.tables.joined())
        self._grow()
        for name, parameter in plan.parameters.items():
            if not parameter.learns:
                self._pack(self._net.cells[name], parameter.fixed_values(self.dtype).reshape(-1))

    @property
    def threads(self) -> int:
        """The threads for evaluation and batches. The results have the same bits for any number of them."""
        return 1 if self._crew is None else self._crew.threads

    def use_threads(self, threads: int) -> None:
        """Use this many threads; WebAssembly has one."""
        if self._crew is not None:
            self._crew.threads = threads

    # ---- The block -----------------------------------------------------------------------------------------------

    def _grow(self) -> None:
        """Enlarge the block for regions allocated since, and write their initial contents."""
        block = self._net.block
        self._host.grow(block.size)
        for place, numbers in block.fills[self._filled :]:
            self._host.state[place.offset : place.offset + len(numbers)] = numbers
        self._filled = len(block.fills)

    def _pack(self, cells: ParameterCells, values: np.ndarray, what: str | None = None) -> None:
        if what is not None:
            cells.beside(what)
            self._grow()
        cells.pack(self._host.state, values, what)

    def _pack_checked(self, name: str, value: np.ndarray, what: str | None = None) -> None:
        """Pack a checked value of a parameter: a number, or an array of its shape."""
        shape = self.plan.parameters[name].shape
        self._pack(self._net.cells[name], value if value.ndim else np.broadcast_to(value, shape), what)

    def _unpack(self, name: str, what: str | None = None) -> np.ndarray:
        parameter = self.plan.parameters[name]
        return self._net.cells[name].unpack(self._host.state, parameter.size, what).reshape(parameter.shape)

    @property
    def _adds_links(self) -> bool:
        """Whether links share weights (`weights-of`): then derivatives are added up before each update."""
        return bool(self.plan.shared_slots)

    @property
    def _learning(self) -> list[str]:
        return list(self._weights.places)

    # ---- What an engine holds ------------------------------------------------------------------------------------

    def parameters(self) -> dict[str, np.ndarray]:
        return {name: self._unpack(name) for name in self.plan.parameters}

    def load_parameters(self, values: Mapping[str, np.ndarray]) -> None:
        for name, value in self._weights.checked(values, "weights").items():
            self._pack_checked(name, value)

    def state(self) -> dict[str, np.ndarray]:
        arrays: dict[str, np.ndarray] = {}
        for state in self.rule.states:
            for name in self._learning:
                kept = self._net.cells[name].has(state_region(state))  # else it is 0, and takes no memory
                arrays[f"{name}/{state}"] = (
                    self._unpack(name, state_region(state))
                    if kept
                    else np.zeros(self.plan.parameters[name].shape, self.dtype)
                )
        return {**arrays, "n": np.array(self._updates)}

    def load_state(self, values: Mapping[str, np.ndarray]) -> None:
        states, self._updates = self._weights.checked_state(values)
        for state, arrays in states.items():
            for name, value in arrays.items():
                if self._net.cells[name].has(state_region(state)) or value.any():
                    self._pack_checked(name, value, state_region(state))

    @property
    def carries(self) -> bool:
        """Whether inputs that are NaN take states of the presentation before, as the plan says (`Plan.carried`)."""
        return bool(self._net.carried)

    def carried_states(self) -> np.ndarray:
        """Return the states of the last presentation that the next one may carry on, in the order of the plan."""
        cells = [self._net.layers[number] for number, _ in self._net.carried]
        starts = [self._net.block.offset(layer.x) for layer in cells]
        return np.concatenate(
            [np.array(self._host.state[start : start + layer.units]) for start, layer in zip(starts, cells)]
        )

    @property
    def net_code(self) -> NetCode:
        """The layout of the net in the block."""
        return self._net

    @property
    def kept_states(self) -> tuple[str, ...]:
        """The states of the rule that the code keeps; the others are 0, and no weight depends on them."""
        cells = [self._net.cells[name] for name in self._learning]
        return tuple(s for s in self.rule.states if any(each.has(state_region(s)) for each in cells))

    # ---- Compiling -----------------------------------------------------------------------------------------------

    def _compile(
        self,
        key: object,
        text: str,
        exported: tuple[str, ...],
        updates: UpdateCode | None,
        channels: tuple[str, ...],
        threads: int = 1,
    ) -> CompiledCode:
        self._grow()
        compiled = self._compiled[key] = CompiledCode(self._host.compile(text, exported), updates, channels, threads)
        return compiled

    def _learning_code(self, variant: CodeVariant) -> CompiledCode:
        if variant in self._compiled:
            return self._compiled[variant]
        updates = self._net.updates(self.rule, variant)
        channels = updates.channels()
        gathered = () if variant.at_once or variant.threads > 1 else ("gather", "apply")
        batches = ("learn_batches",) if self._net.learns_batches else ()
        learning = (*batches, *gathered) if variant.batched else ("learn",)
        exported = (*learning, "evaluate", "states")
        text = self._net.learning_module(updates, channels)
        return self._compile(variant, text, exported, updates, channels, variant.threads)

    def _evaluation_code(self) -> CompiledCode:
        for compiled in self._compiled.values():
            return compiled
        return self._compile("forward", self._net.forward_module(), ("evaluate", "states"), None, ())

    def prepare(self, settings: Settings, drawn: GatedAndNoisy) -> CompiledCode:
        """Return the code that learns with these settings, with gates and noise for these layers."""
        return self._code_and_numbers(settings, drawn)[0]

    def gathering_code(self, channels: tuple[str, ...], gated: tuple[int, ...] = ()) -> CompiledCode:
        """Return the code that adds up derivatives by all weights and updates none, with gates for these layers."""
        if ("gathered", channels, gated) in self._compiled:
            return self._compiled["gathered", channels, gated]
        variant = CodeVariant(tuple((name, "number") for name in self._learning), gated=gated, batched=True)
        updates = self._net.updates(_SUMS_ONLY, variant)
        return self._compile(
            ("gathered", channels, gated),
            self._net.learning_module(updates, channels),
            ("gather", "apply", "evaluate", "states"),
            updates,
            channels,
        )

    def _variant(
        self, settings: Settings, rates: Mapping[str, float | np.ndarray], drawn: GatedAndNoisy, threads: int
    ) -> CodeVariant:
        zeros = tuple(
            name
            for name, default in self.rule.options
            if name not in self._constants and settings.options.get(name, default) == 0
        )
        rate_kinds = tuple(
            (name, "array" if isinstance(rate, np.ndarray) else "zero" if rate == 0 else "number")
            for name, rate in rates.items()
        )
        return CodeVariant(
            rate_kinds,
            tuple(sorted(self._constants.items())),
            zeros,
            settings.batch > 1 or self._adds_links,
            1 < settings.batch <= self._net.patterns_of_group(threads),
            settings.held_curvature is not None,
            *drawn,
            tuple((settings.decays or {}).items()),
            threads,
        )

    def _threads_of_batch(self, size: int) -> int:
        """Return the number of threads that learn a batch together."""
        if not 1 < size <= _PIECE or self._crew is None or self._net.block.patterns == 1:
            return 1
        threads = threads_of_batch(self._crew.threads, size, self._connections)
        return threads if threads > 1 and self._crew.cores.are_free and len(self._parts(size)) == 1 else 1

    def _rates(self, settings: Settings) -> dict[str, float | np.ndarray]:
        """Return for each learning parameter a number, or an array if its weights have different rates."""
        if "rate" not in self.rule.mentions:
            return {name: 1.0 for name in self._learning}
        rates: dict[str, float | np.ndarray] = {}
        for name, rate in self._weights.checked(settings.rates, "learning rate").items():
            entries = rate.reshape(-1).astype(self.dtype)
            rates[name] = float(rate.flat[0]) if (entries == entries[0]).all() else entries
        return rates

    def _code_and_numbers(self, settings: Settings, drawn: GatedAndNoisy) -> tuple[CompiledCode, np.ndarray]:
        """Return the code for these settings, and their numbers in the form that it reads."""
        threads = self._threads_of_batch(settings.batch)
        if self._last is not None and self._last[0] is settings and self._last[1] == (drawn, threads):
            return self._last[2:]
        options = {name: float(settings.options.get(name, default)) for name, default in self.rule.options}
        for name, value in self._constants.items():
            if options.get(name, value) != value:
                raise fail(
                    f"option {name} of {self.rule.name} was compiled in as {value:g}, not {options[name]:g}",
                    hint=f"build the engine without {name} in its constants, or keep the value",
                )
        rates = self._rates(settings)
        compiled = self._learning_code(self._variant(settings, rates, drawn, threads))
        assert compiled.updates is not None
        for name, rate in rates.items():
            if isinstance(rate, np.ndarray):
                self._pack(self._net.cells[name], rate, "rate")
        if settings.held_curvature is not None:
            for name, curvature in self._weights.checked(settings.held_curvature, "curvature").items():
                self._pack_checked(name, curvature, "curvature")
        numbers = [options[name] for name in compiled.updates.options]
        numbers += [rate if isinstance(rate, float) else 0.0 for rate in rates.values()]
        array = np.array([*numbers, 0.0])
        self._last = settings, (drawn, threads), compiled, array
        return compiled, array

    # ---- Running -------------------------------------------------------------------------------------------------

    def _inputs(self, inputs: np.ndarray) -> np.ndarray:
        """Return the inputs, checked, of the engine's dtype, each row in the order of cells."""
        rows = check_patterns(inputs, self.plan.input_units, "input", self.dtype)
        cells = self._net.inputs
        return np.ascontiguousarray(rows if cells.is_plain else rows[:, cells.unit_of_cell])

    def _targets(self, targets: np.ndarray, patterns: int) -> np.ndarray:
        checked = check_patterns(targets, self.plan.output_units, "target", self.dtype, patterns)
        return self._in_cells(checked, -1)

    def _in_cells(self, rows: np.ndarray, layer: int) -> np.ndarray:
        cells = self._net.layers[layer]
        return np.ascontiguousarray(rows if cells.is_plain else rows[:, cells.unit_of_cell])

    def learn(
        self,
        inputs: np.ndarray,
        targets: np.ndarray,
        settings: Settings,
        gates: Mapping[str, np.ndarray] = NO_GATES,
        noises: Mapping[str, np.ndarray] = NO_NOISES,
    ) -> None:
        x = self._inputs(inputs)
        d = self._targets(targets, len(x))
        drawn, rows = self._drawn(gates, noises, len(x)) if gates or noises else (((), ()), self._nothing)
        if not len(x):
            return
        compiled, numbers = self._code_and_numbers(settings, drawn)
        if settings.batch == 1 and not self._adds_links:
            self._host.run(compiled.code, "learn", x, d, len(x), rows, numbers, self._updates + 1)
            self._updates += len(x)
            return
        if settings.batch <= _PIECE and self._net.learns_batches and len(self._parts(settings.batch)) == 1:
            self._learn_batches(compiled, x, d, rows, numbers, settings)
            return
        for start in range(0, len(x), settings.batch):
            batch = slice(start, min(start + settings.batch, len(x)))
            self._gather(compiled, x[batch], d[batch], rows[batch])
            self._updates += 1
            factor = 1 / (batch.stop - start) if settings.batch_mean else 1.0
            self._host.run(compiled.code, "apply", numbers, self._updates, factor)

    def _drawn(
        self, gates: Mapping[str, np.ndarray], noises: Mapping[str, np.ndarray], patterns: int
    ) -> tuple[GatedAndNoisy, np.ndarray]:
        """Return which layers have gates and which have noise, and these numbers, a row for each pattern."""
        gated, noisy = (
            sorted(check_gates(by_name, self.plan, self.dtype, patterns, what).items())
            for by_name, what in ((gates, "gate"), (noises, "noise"))
        )
        rows = np.concatenate([self._in_cells(values, layer) for layer, values in (*gated, *noisy)], axis=1)
        return (tuple(layer for layer, _ in gated), tuple(layer for layer, _ in noisy)), rows

    def _learn_batches(
        self,
        compiled: CompiledCode,
        x: np.ndarray,
        d: np.ndarray,
        gates: np.ndarray,
        numbers: np.ndarray,
        settings: Settings,
    ) -> None:
        """Learn in pieces of whole batches, so that an interrupt is noticed between them."""
        size, mean = settings.batch, int(settings.batch_mean)
        step = max(1, _PIECE // size) * size
        for start in range(0, len(x), step):
            piece = slice(start, start + step)
            patterns = x[piece]
            rows = patterns, d[piece], len(patterns), gates[piece]
            arguments = "learn_batches", *rows, numbers, self._updates + 1, size, mean
            if self._crew is not None and compiled.threads > 1:
                self._crew.run_together(compiled.code, compiled.threads, *arguments)
            else:
                self._host.run(compiled.code, *arguments)
            self._updates += -(-len(patterns) // size)

    def _gather(self, compiled: CompiledCode, x: np.ndarray, d: np.ndarray, gates: np.ndarray) -> None:
        """Add up the derivatives of the patterns, in pieces, so that an interrupt is noticed between them.

        After an interrupt, the sums are cleared.
        """
        parts = self._parts(len(x))
        try:
            if len(parts) > 1:
                self._gather_parts(compiled, x, d, gates, parts)
                return
            for start in range(0, len(x), _PIECE):
                piece = slice(start, start + _PIECE)
                patterns = x[piece]
                self._host.run(compiled.code, "gather", patterns, d[piece], len(patterns), gates[piece])
        except BaseException:
            self._clear_sums(compiled)
            raise

    def _parts(self, patterns: int) -> list[slice]:
        """Return the parts of a batch that threads add up; a portable engine adds as a page does, in one part."""
        if self._crew is None or self.portable or self.carries:
            return [slice(0, patterns)]
        counts = self.plan.net.counts
        return parts_of_batch(patterns, counts.connections, counts.weights, self._net.block.patterns)

    def _gather_parts(
        self, compiled: CompiledCode, x: np.ndarray, d: np.ndarray, gates: np.ndarray, parts: list[slice]
    ) -> None:
        """Add up the derivatives of each part from 0, and the sums of the parts in their order."""
        assert self._crew is not None
        regions = [cells.regions() for cells in (self._net.cells[name] for name in self._learning)]
        lengths = [len(self._net.cells[name].index) for name in self._learning]
        places = [
            slice(region[f"sum {channel}"], region[f"sum {channel}"] + length)
            for region, length in zip(regions, lengths)
            for channel in compiled.channels
            if f"sum {channel}" in region
        ]
        totals = [np.empty(place.stop - place.start, self.dtype) for place in places]

        def add(part: int, block: np.ndarray) -> None:
            for total, place in zip(totals, places):
                if part == 0:
                    total[:] = block[place]
                else:
                    total += block[place]
                block[place] = 0

        try:
            calls = [(x[part], d[part], part.stop - part.start, gates[part]) for part in parts]
            self._crew.run(compiled.code, "gather", calls, add)
        except BaseException:
            self._crew.forget_copies()
            raise
        for total, place in zip(totals, places):
            self._host.state[place] = total

    def _clear_sums(self, compiled: CompiledCode) -> None:
        for name in self._learning:
            for channel in compiled.channels:
                self._pack(self._net.cells[name], np.zeros(self.plan.parameters[name].size), f"sum {channel}")

    def outputs(self, inputs: np.ndarray) -> np.ndarray:
        rows = self._evaluate("evaluate", inputs, self.plan.output_units)
        return self._in_units(rows, -1)

    def states(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        units = [cells.units for cells in self._net.layers]
        rows = self._evaluate("states", inputs, sum(units))
        parts = np.split(rows, np.cumsum(units)[:-1], axis=1)
        return {
            name: np.ascontiguousarray(self._in_units(part, k))
            for k, (name, part) in enumerate(zip(self.plan.layer_names, parts))
        }

    def _in_units(self, rows: np.ndarray, layer: int) -> np.ndarray:
        cells = self._net.layers[layer]
        return rows if cells.is_plain else rows[:, cells.cell_of_unit]

    def _evaluate(self, function: str, inputs: np.ndarray, width: int) -> np.ndarray:
        x = self._inputs(inputs)
        rows = np.empty((len(x), width), self.dtype)
        if not len(x):
            return rows
        code, crew = self._evaluation_code().code, None if self.carries else self._crew
        connections = self._connections
        threads = 1 if crew is None else threads_of_evaluation(crew.threads, len(x), connections)
        if crew is None or threads == 1:
            self._host.run(code, function, x, Result(rows), len(x))
        else:
            pieces = pieces_of_evaluation(len(x), connections, self._net.block.patterns)
            crew.run(code, function, [(x[p], Result(rows[p]), p.stop - p.start) for p in pieces])
        return rows

    def curvature(self, inputs: np.ndarray, targets: np.ndarray, kind: str) -> dict[str, np.ndarray]:
        if kind not in _CURVATURES:
            raise fail(f'unknown curvature "{kind}"', hint=f"use one of {', '.join(_CURVATURES)}")
        x = self._inputs(inputs)
        d = self._targets(targets, len(x))
        if not len(x):
            raise fail(
                "the curvature is a mean over patterns, and no pattern was given", hint="pass at least one pattern"
            )
        channel = _CURVATURES[kind]
        sums = self._summed(x, d, ("g", channel))
        return {name: h / self.dtype.type(len(x)) for name, h in sums.items()}

    def gradient(self, inputs: np.ndarray, targets: np.ndarray) -> dict[str, np.ndarray]:
        x = self._inputs(inputs)
        return self._summed(x, self._targets(targets, len(x)), ("g",))

    def _summed(self, x: np.ndarray, d: np.ndarray, channels: tuple[str, ...]) -> dict[str, np.ndarray]:
        """Return the last channel summed over the patterns, by parameter name."""
        compiled = self.gathering_code(channels)
        self._gather(compiled, x, d, x[:, :0])
        sums = {name: self._unpack(name, f"sum {channels[-1]}") for name in self._learning}
        self._clear_sums(compiled)
        return sums

    def tangents(self, inputs: np.ndarray, direction: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        from snsim.engines.native.forward_mode import TangentCode, tangent_weights

        x, units = self._inputs(inputs), self.plan.output_units
        flat = self._weights.flat(direction, "direction")
        if self._tangents is None:
            self._tangents = TangentCode(self._net)
            self._tangent_code = self._host.compile(self._tangents.module(), ("tangents",))
            self._host.set_tables(self._net.tables.joined())
            self._grow()
        weights, along = tangent_weights(
            {name: self._unpack(name).ravel() for name in self.plan.parameters},
            {name: flat[place] for name, place in self._weights.places.items()},
            self.plan,
        )
        for targets, values in ((self._tangents.weights, weights), (self._tangents.directions, along)):
            for name, cells in targets.items():
                self._pack(cells, values[name])
        rows = np.empty((len(x), 2 * units), self.dtype)
        if len(x):
            self._host.run(self._tangent_code, "tangents", x, Result(rows), len(x))
        return self._in_units(rows[:, :units], -1), self._in_units(rows[:, units:], -1)
