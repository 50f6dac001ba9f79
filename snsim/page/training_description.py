"""Describe a training so that `snsim/page/engine/training.js` repeats it in a browser, with the same numbers.

`describe_training` compiles every WebAssembly module that the training needs, and returns values for JSON and blobs of
bytes. The interface of the modules is that of `snsim.engines.native.wasm`.

The values
----------
A name that ends with `_blob` holds the name of a blob; every blob is little-endian, without a header.

    format      1
    dtype       "float32" or "float64": REAL in the list below
    seed        the seed that `weights_blob` and the weights at the start belong to
    passes      of the whole training
    shape       of an input picture, for shifts
    inputs, outputs   the numbers of units of a pattern
    row         the number of input units of the nets: a row of inputs
    sequences   null, or what a net with delays needs: see below
    patterns    {"train": N, "test": N or 0}
    cost        {"softmax": bool, "steps": [[op, [step, ...], number, name], ...], "result": step}; the steps of E
                (with "rubbish", a number, if softmax has one more class with that output)
    criterion   [name, number, ...]
    parameters  [{"name", "size", "shape", "kind", "initial"}]: those that learn, in order. `initial` is
                {"draw": "uniform" or "normal" or "constant", "factor": number or "factor_blob": f64},
                {"draw": "gain", "of": the parameter normalized, "owners_blob": i32}, or {"draw": "given", "blob": REAL}
    weights     {parameter: name of a blob, REAL} or null: trained weights that the page starts with
    normal      {"blob": f64} or null: the table of NumPy's normal distribution, if a stage needs it
    nets        one for each update rule: see below
    stages      one for each stage: see below
    adjustable  [{"net", "module"}] for each stage: the code with no option compiled in, for options that are changed by
                hand; or null
    sharers     {parameter: blob, i32}: the connections of each weight, if a stage prunes; else null
    remaining   what F needs where it counts what pruning leaves, or null: see `_Describer._remaining_lines`

A net
    block       how many numbers
    block_blob  REAL: the block before weights are loaded
    tables_blob i32
    input_layers   their number: the first ones
    layers      [{"name", "units", "x", "slope", "error", "unit_of_cell_blob": i32 or null where cells are units}]
    parameters  {name: {"index_blob": i32, "regions": {"value": offset, "state NAME": offset, ...}}}, in the order of
                the rates in `numbers`
    states      the names of the states of the rule that are kept
    modules     [{"blob", "functions", "options", "arrays", "gated": [layer], "noisy": [layer]}]; `options` are those
                that `numbers` begins with, `arrays` the parameters whose rates are an array in the block
    curvature   {"blob", "channel"} or null: gathers g and "h" or "h-full"
    saliency    the same with "h-full" and "gated", where weights are pruned by it

Sequences
    The compiled nets are the net unrolled over `steps` steps (`snsim.network.unrolled`).
    steps       through which gradients go back
    context     the number of units of the context
    constant    whether a row has a 1 after the context
    carried     the layers whose states are the context, by name
    first_copy  the names of these layers in the copy of the first step
    held        [[name]]: the copies of these layers in all steps but the last, whose states gates hold at 0 before the
                start of a sequence
    evaluating  the number of the net of one step; null if all nets are of one step
    starts_blobs   {"train", "test"}: u8, 1 where a sequence starts

A stage
    passes, net, batch, batch_mean, order, shift ([cells, fill or null] or null), dropout ([[layer, P], ...])
    modules     the number of the module for each pass
    options     {name: value}; a value is {"kind", "numbers", "lengths"}, as `snsim.training.schedule.value_at` reads it
    rates       {parameter: {"value": value, "divisor": number, or "divisor_blob": f64}}; "family" ("epsi-sqrt" ...)
                stands for the divisor where it depends on what pruning leaves
    input_noise, theta   a value or null
    curvature_patterns   N or null: h is the mean over N patterns, held during a pass
    prune       [fraction, "connections" or "weights"] or null: what is cut before the first pass of the stage
    keeps_state whether the state of the update rule is that of the stage before
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from snsim import engines
from snsim.engines.plan import plan
from snsim.engines.protocol import Cost, Settings
from snsim.engines.recurrent import starts_of
from snsim.errors import fail
from snsim.network.net import Parameter
from snsim.network.unrolled import Unrolled, unroll
from snsim.page.normal_table import normal_table
from snsim.training.choose_engine import constant_options
from snsim.training.initial import draw_parameter, initial_weights
from snsim.training.loop import keeps_update_state
from snsim.training.parameter_scopes import StatementsByScope, decays_of, rate_divisor
from snsim.training.prepare import Patterns, PreparedData
from snsim.training.pruning import KEPT_STATE, last_users, layer_of_last_users
from snsim.training.schedule import constant_value, value_at
from snsim.training.spec import Stage, Training, Value

_CURVATURES = {"gauss-newton": "h", "full": "h-full"}
_CRITERIA = ("max", "quadrant", "lms", "sgn", "hamming", "labels")


@dataclass(frozen=True, eq=False)
class PageTraining:
    """A training for a page: `values` for JSON, and `blobs` by name."""

    values: dict[str, Any]
    blobs: dict[str, bytes]


def describe_training(
    training: Training,
    data: PreparedData,
    seed: int,
    initial: Mapping[str, np.ndarray] | None = None,
    weights: Mapping[str, np.ndarray] | None = None,
    dtype: np.dtype | type | str = np.float32,
    adjustable: bool = True,
) -> PageTraining:
    """Return the description of a training with its data.

    Parameters
    ----------
    initial : mapping of str to array, optional
        The initial weights for `seed`, where they do not all come from the seed.
    weights : mapping of str to array, optional
        Trained weights that the page starts with.
    adjustable : bool
        Whether to compile modules in which the options of the update rule can be changed too.

    Raises
    ------
    SnError
        If a page cannot do what the training asks for.
    """
    return _Describer(training, data, seed, np.dtype(dtype), adjustable).describe(initial, weights)


class _Blobs:
    """Blobs by name; equal contents share one."""

    def __init__(self) -> None:
        self.by_name: dict[str, bytes] = {}
        self._names: dict[bytes, str] = {}

    def add(self, name: str, content: bytes) -> str:
        if content not in self._names:
            free = name if name not in self.by_name else f"{name} {len(self.by_name)}"
            self.by_name[free] = content
            self._names[content] = free
        return self._names[content]

    def array(self, name: str, values: np.ndarray, dtype: str | np.dtype) -> str:
        return self.add(name, np.ascontiguousarray(values, np.dtype(dtype).newbyteorder("<")).tobytes())


@dataclass(eq=False)
class _NetInPage:
    """A net compiled for one rule: the engine that lays it out, and its modules by the code that they are."""

    engine: Any
    host: Any
    inner: Mapping[str, str]  # the names of the parameters that learn in the compiled net, in its order, by their names
    gated: tuple[int, ...] = ()  # layers whose states gates hold at 0 before the start of a sequence
    modules: list[dict[str, Any]] = field(default_factory=list)
    numbers: dict[Any, int] = field(default_factory=dict)
    curvature: dict[str, str] | None = None
    saliency: dict[str, Any] | None = None


class _Describer:
    def __init__(self, training: Training, data: PreparedData, seed: int, dtype: np.dtype, adjustable: bool):
        self._training, self._data, self._seed, self._dtype = training, data, seed, dtype
        self._adjustable = adjustable
        self._blobs = _Blobs()
        self._nets: list[_NetInPage] = []
        self._unrolled = unroll(training.net, training.time) if training.net.delayed else None
        self._plan = plan(training.net if self._unrolled is None else self._unrolled.net)
        self._learning = [p for p in training.net.parameters if p.learns]

    def describe(
        self, initial: Mapping[str, np.ndarray] | None, weights: Mapping[str, np.ndarray] | None
    ) -> PageTraining:
        training, data = self._training, self._data
        self._check()
        for name, patterns in (("train", data.train), ("test", data.test)):
            if patterns is not None:
                self._add_patterns(name, patterns)
        stages = self._stages()
        adjustable = self._adjustable_nets() if self._adjustable else None
        sequences = None if self._unrolled is None else self._sequences(self._unrolled)
        noisy = any(stage.input_noise is not None or stage.theta is not None for stage in training.stages)
        drawn = [self._initial(parameter, initial) for parameter in self._learning]
        values = {
            "format": 1,
            "dtype": str(self._dtype),
            "seed": self._seed,
            "passes": training.passes,
            "shape": list(data.shape),
            "inputs": training.net.input_units,
            "row": self._plan.input_units,
            "sequences": sequences,
            "outputs": self._plan.output_units,
            "patterns": {"train": len(data.train), "test": 0 if data.test is None else len(data.test)},
            "cost": _cost(training.cost),
            "criterion": [training.criterion[0], *training.criterion[1]],
            "parameters": [
                {"name": p.name, "size": p.size, "shape": list(p.shape), "kind": p.kind, "initial": how}
                for p, how in zip(self._learning, drawn)
            ],
            "weights": None
            if weights is None
            else {p.name: self._array(f"weights {p.name}", weights[p.name], self._dtype) for p in self._learning},
            "normal": {"blob": self._array("normal", normal_table(), "f8")}
            if noisy or any(how["draw"] == "normal" for how in drawn)
            else None,
            "nets": [self._net(number, net) for number, net in enumerate(self._nets)],
            "stages": stages,
            "adjustable": adjustable,
            "sharers": {p.name: self._array(f"sharers {p.name}", p.sharers, "i4") for p in self._learning}
            if any(stage.prune is not None for stage in training.stages)
            else None,
            "remaining": self._remaining_lines()
            if any(_family(stage, p) for stage in training.stages for p in self._learning)
            else None,
        }
        return PageTraining(values, self._blobs.by_name)

    def _array(self, name: str, values: np.ndarray, dtype: str | np.dtype) -> str:
        return self._blobs.array(name, values, dtype)

    def _check(self) -> None:
        """Raise SnError if a page cannot do what the training asks for."""
        training = self._training
        if training.criterion[0] not in _CRITERIA:
            raise fail(
                f'a page cannot judge by the criterion "{training.criterion[0]}"',
                training.span_of("correct"),
                hint=f"write (correct ...) with one of {', '.join(_CRITERIA)}",
            )
        for stage in training.stages:
            if stage.rule.conjugate:
                raise fail(
                    f"a page cannot learn by conjugate gradient, and the training {training.name} asks for it",
                    training.span_of("update", "stage", "repeat"),
                    hint="write another (update ...), or run it with snsim run",
                )

    def _add_patterns(self, name: str, patterns: Patterns) -> None:
        """Add inputs in the type of the engine, and targets in float64 where float32 would change them."""
        self._blobs.by_name[f"{name}.inputs"] = np.ascontiguousarray(patterns.inputs, self._dtype).tobytes()
        self._blobs.by_name[f"{name}.targets"] = np.ascontiguousarray(patterns.targets, np.float32).tobytes()
        exact = patterns.targets.astype(np.float32).astype(np.float64)
        if not np.array_equal(exact, patterns.targets):
            self._blobs.by_name[f"{name}.exact targets"] = np.ascontiguousarray(patterns.targets, "<f8").tobytes()

    # ---- Initial weights ------------------------------------------------------------------------------------------

    def _initial(self, parameter: Parameter, given: Mapping[str, np.ndarray] | None) -> dict[str, Any]:
        """Return how a parameter is drawn; the values themselves where the seed does not give them."""
        stated = StatementsByScope(self._training.initial)
        is_drawn = given is None or all(p.kind == "gain" or stated.most_specific(p) for p in self._learning)
        how = self._drawn(parameter) if is_drawn else None
        if given is None and how is not None:
            return how
        values = self._by_seed()[parameter.name] if given is None else np.asarray(given[parameter.name])
        if how is not None and np.array_equal(values, self._by_seed()[parameter.name]):
            return how
        return {"draw": "given", "blob": self._array(f"initial {parameter.name}", values, self._dtype)}

    def _by_seed(self) -> dict[str, np.ndarray]:
        if not hasattr(self, "_seeded"):
            self._seeded = initial_weights(self._training, self._seed)
        return self._seeded

    def _drawn(self, parameter: Parameter) -> dict[str, Any] | None:
        """Return how the seed gives a parameter; None for codes, and for draws that a page does not know."""
        if parameter.codes is not None:
            return None
        if parameter.kind == "gain":
            net = self._training.net
            connection = net.connection_of(parameter)
            return {
                "draw": "gain",
                "of": net.weight_name(connection),
                "owners_blob": self._array(f"owners {parameter.name}", connection.wiring.owners(), "i4"),
            }
        recorder = _Recorder()
        stated = StatementsByScope(self._training.initial)
        factor = draw_parameter(self._training.net, self._training, stated, parameter, recorder)  # type: ignore[arg-type]
        if len(recorder.draws) > 1 or any(shape != parameter.shape for _, shape in recorder.draws):
            return None
        how: dict[str, Any] = {"draw": recorder.draws[0][0] if recorder.draws else "constant"}
        flat = np.asarray(factor, np.float64).reshape(-1)
        if flat.size and (flat == flat[0]).all():
            return {**how, "factor": float(flat[0])}
        return {**how, "factor_blob": self._array(f"factor {parameter.name}", flat, "f8")}

    # ---- Stages and nets ------------------------------------------------------------------------------------------

    def _stages(self) -> list[dict[str, Any]]:
        training = self._training
        stages: list[dict[str, Any]] = []
        for k, stage in enumerate(training.stages):
            same = next((j for j in range(k) if training.stages[j].rule == stage.rule), None)
            number = self._new_net(stage, constant_options(training, stage)) if same is None else stages[same]["net"]
            if stage.prune is not None:
                self._add_saliency(self._nets[number if k == 0 else stages[k - 1]["net"]])
            modules = [self._module(self._nets[number], stage, inside) for inside in range(1, stage.passes + 1)]
            before = None if k == 0 else training.stages[k - 1]
            stages.append(self._stage(stage, before, number, modules))
        return stages

    def _adjustable_nets(self) -> list[dict[str, Any]]:
        """Return for each stage the net and the module in which every option is a number."""
        found: list[dict[str, Any]] = []
        for k, stage in enumerate(self._training.stages):
            same = next((j for j in range(k) if self._training.stages[j].rule == stage.rule), None)
            number = found[same]["net"] if same is not None else self._new_net(stage, {})
            if stage.prune is not None:
                self._add_saliency(self._nets[number if k == 0 else found[k - 1]["net"]])
            inside = next((p for p in range(1, stage.passes + 1) if self._all_learn(stage, p)), 1)
            module = self._module(self._nets[number], stage, inside, {name: 1.0 for name in stage.options})
            found.append({"net": number, "module": module})
        return found

    def _new_net(self, stage: Stage, constants: Mapping[str, float], unrolled: Unrolled | None = None) -> int:
        native = engines.native_package()
        unrolled = unrolled or self._unrolled
        work = self._plan if unrolled is None or unrolled is self._unrolled else plan(unrolled.net)
        engine, host = native.module_engine(work, self._training.cost, stage.rule, self._dtype, constants)
        held = [] if unrolled is None else [name for names in unrolled.held for name in names]
        gated = tuple(sorted(work.layer_names.index(name) for name in held))
        names = {} if unrolled is None else {inner: name for name, inner in unrolled.names.items()}
        inner = {names.get(name, name): name for name, p in work.parameters.items() if p.learns}
        self._nets.append(_NetInPage(engine, host, inner, gated))
        return len(self._nets) - 1

    def _sequences(self, unrolled: Unrolled) -> dict[str, Any]:
        """Return what a page needs to go through the steps of sequences."""
        evaluating = None
        if unrolled.steps > 1:
            stage = self._training.stages[0]
            evaluating = self._new_net(stage, constant_options(self._training, stage), unroll(self._training.net, 1))
            self._module(self._nets[evaluating], stage, 1)
        parts = {"train": self._data.train, "test": self._data.test}
        return {
            "steps": unrolled.steps,
            "context": unrolled.carried_units,
            "constant": unrolled.has_one,
            "carried": [layer.name for layer in unrolled.carried],
            "first_copy": list(unrolled.first_copy),
            "held": [list(names) for names in unrolled.held],
            "evaluating": evaluating,
            "starts_blobs": {
                name: self._array(f"{name}.starts", starts_of(patterns.starts, len(patterns)), "u1")
                for name, patterns in parts.items()
                if patterns is not None
            },
        }

    def _module(self, net: _NetInPage, stage: Stage, inside: int, options: Mapping[str, float] | None = None) -> int:
        """Return the number of the module for a pass of a stage; it is compiled if it is new."""
        training = self._training
        theta = 0.0 if stage.theta is None else value_at(stage.theta, inside, stage.passes)
        rates = {}
        learning = {p.name: p for p in self._learning}
        for name, (value, divisor) in self._rates(stage).items():
            if _family(stage, learning[name]):  # pruning decides it: the code is to read a rate for each weight
                divisor = np.arange(1.0, 1 + learning[name].size).reshape(learning[name].shape)
            rates[name] = value_at(value, inside, stage.passes) / divisor
        held = stage.curvature_patterns is not None and stage.rule.curvature is not None
        decays = decays_of(stage, training.net)
        settings = Settings(
            rates={net.inner[name]: rate for name, rate in rates.items()},
            options=options or {name: value_at(v, inside, stage.passes) for name, v in stage.options.items()},
            batch=min(stage.batch or len(self._data.train), len(self._data.train)),
            batch_mean=stage.batch_mean,
            held_curvature={net.inner[p.name]: np.zeros(p.shape) for p in self._learning} if held else None,
            decays=None if decays is None else {net.inner[name]: decay for name, decay in decays.items()},
        )
        names = [layer.name for layer in training.net.layers]
        computed = range(len(training.net.inputs), len(names))
        gated = net.gated or tuple(k for k in computed if names[k] in dict(stage.dropout))
        noisy = tuple(computed) if theta else ()
        compiled = net.engine.prepare(settings, (gated, noisy))
        if held and net.curvature is None:
            assert stage.rule.curvature is not None
            channel = _CURVATURES[stage.rule.curvature]
            code = net.engine.gathering_code(("g", channel)).code
            net.curvature = {"blob": self._blobs.add("curvature.wasm", code), "channel": channel}
        if compiled not in net.numbers:
            net.numbers[compiled] = len(net.modules)
            batched, kinds = compiled.updates.variant.batched, dict(compiled.updates.variant.rates)
            net.modules.append(
                {
                    "blob": self._blobs.add("module.wasm", compiled.code),
                    "functions": [*(("gather", "apply") if batched else ("learn",)), "evaluate", "states"],
                    "options": list(compiled.updates.options),
                    "arrays": [name for name, inner in net.inner.items() if kinds[inner] == "array"],
                    "gated": list(gated),
                    "noisy": list(noisy),
                }
            )
        return net.numbers[compiled]

    def _all_learn(self, stage: Stage, inside: int) -> bool:
        """Tell whether no rate is 0 in a pass."""
        return all(value_at(value, inside, stage.passes) for value, _ in self._rates(stage).values())

    def _rates(self, stage: Stage) -> dict[str, tuple[Value, np.ndarray]]:
        """Return the value and the divisor of the rates of each parameter; empty for a rule without rates."""
        if "rate" not in stage.rule.mentions:
            return {p.name: (constant_value(1.0), np.asarray(1.0)) for p in self._learning}
        stated = StatementsByScope(stage.rates)
        found = {}
        for parameter in self._learning:
            scoped = stated.most_specific(parameter)
            assert scoped is not None, f"no rate for {parameter.name}"
            found[parameter.name] = (scoped.value, rate_divisor(scoped, parameter, self._training.fan_in))
        return found

    def _stage(self, stage: Stage, before: Stage | None, net: int, modules: list[int]) -> dict[str, Any]:
        families = {p.name: _family(stage, p) for p in self._learning}
        rates = {
            name: {
                "value": _value(value),
                **({"family": families[name]} if families[name] else self._divisor(name, divisor)),
            }
            for name, (value, divisor) in self._rates(stage).items()
        }
        return {
            "passes": stage.passes,
            "net": net,
            "modules": modules,
            "batch": min(stage.batch or len(self._data.train), len(self._data.train)),
            "batch_mean": stage.batch_mean,
            "order": stage.order,
            "shift": None if stage.shift is None else list(stage.shift),
            "dropout": [[layer, chance] for layer, chance in stage.dropout],
            "options": {name: _value(value) for name, value in stage.options.items()},
            "rates": rates,
            "input_noise": None if stage.input_noise is None else _value(stage.input_noise),
            "theta": None if stage.theta is None else _value(stage.theta),
            "curvature_patterns": stage.curvature_patterns if stage.rule.curvature is not None else None,
            "prune": None if stage.prune is None else list(stage.prune),
            "keeps_state": before is not None and keeps_update_state(before, stage),
        }

    def _add_saliency(self, net: _NetInPage) -> None:
        """Compile what gathers h-full of every weight, by which weights are pruned."""
        if net.saliency is None:
            code = net.engine.gathering_code(("g", "h-full"), net.gated).code
            blob = self._blobs.add("saliency.wasm", code)
            net.saliency = {"blob": blob, "channel": "h-full", "gated": list(net.gated)}

    def _remaining_lines(self) -> dict[str, Any]:
        """Return what `parameters_with_remaining_lines` reads of the net, for pages.

        {"counting": "lines" or "weights",
        "layers": [{"units", "bias": {"parameter", "index_blob": i32} or null,
        "connections": [{"parameter" or null if its weights are fixed, "targets_blob": i32, "weights_blob": i32}]}],
        "parameters": {name: {"layer": its place in the list, "has_bias",
        "last_blob": i32, the last unit that uses each weight, or -1}}}
        """
        net, layers = self._training.net, []
        learn = {p.name for p in self._learning}
        for layer in net.computed:
            connections = []
            for connection in net.entering(layer.name):
                name, table = net.weight_name(connection), connection.table
                connections.append(
                    {
                        "parameter": name if name in learn else None,
                        "targets_blob": self._array(f"targets {connection.name}", table.target, "i4"),
                        "weights_blob": self._array(f"lines {connection.name}", table.weight, "i4"),
                    }
                )
            bias = None
            if layer.bias != "none":
                index = self._array(f"bias of {layer.name}", layer.bias_index, "i4")
                bias = {"parameter": f"{net.attribute(layer.name)}.bias", "index_blob": index}
            layers.append({"units": layer.units, "bias": bias, "connections": connections})
        names = [layer.name for layer in net.computed]
        parameters = {
            p.name: {
                "layer": names.index(layer_of_last_users(net, p)),
                "last_blob": self._array(f"last {p.name}", last_users(net, p), "i4"),
                "has_bias": p.has_bias,
            }
            for p in self._learning
        }
        return {"counting": self._training.fan_in, "layers": layers, "parameters": parameters}

    def _divisor(self, name: str, divisor: np.ndarray) -> dict[str, Any]:
        if np.ndim(divisor) == 0:
            return {"divisor": float(divisor)}
        return {"divisor_blob": self._array(f"divisor {name}", divisor, "f8")}

    def _net(self, number: int, net: _NetInPage) -> dict[str, Any]:
        code, kept = net.engine.net_code, net.engine.kept_states
        layers = [
            {
                "name": cells.name,
                "units": cells.units,
                "x": code.block.offset(cells.x),
                "slope": code.block.offset(cells.slope),
                "error": code.block.offset(cells.delta["g"]),
                "unit_of_cell_blob": None
                if cells.is_plain
                else self._array(f"cells {cells.name}", cells.unit_of_cell, "i4"),
            }
            for cells in code.layers
        ]
        parameters = {
            name: {
                "index_blob": self._array(f"index {name}", code.cells[inner].index, "i4"),
                "regions": code.cells[inner].regions(),
            }
            for name, inner in net.inner.items()
        }
        return {
            "block": len(net.host.state),
            "block_blob": self._array(f"block {number}", net.host.state, self._dtype),
            "tables_blob": self._array(f"tables {number}", net.host.tables, "i4"),
            "input_layers": len(code.inputs.layers),
            "layers": layers,
            "parameters": parameters,
            "states": list(kept),
            "modules": net.modules,
            "curvature": net.curvature,
            "saliency": net.saliency,
        }


def _family(stage: Stage, parameter: Parameter) -> str:
    """Return the family of the rates of a parameter that depend on what pruning leaves; "" if they do not."""
    if KEPT_STATE not in stage.rule.states or "rate" not in stage.rule.mentions:
        return ""
    scoped = StatementsByScope(stage.rates).most_specific(parameter)
    return "" if scoped is None or scoped.family == "epsilon" else scoped.family


class _Recorder:
    """Stands for a generator: it notes what is drawn, and draws 1, so that the result is the factor of each number."""

    def __init__(self) -> None:
        self.draws: list[tuple[str, tuple[int, ...]]] = []

    def uniform(self, low: float, high: float, shape: tuple[int, ...]) -> np.ndarray:
        self.draws.append(("uniform" if (low, high) == (-1.0, 1.0) else f"uniform {low} {high}", tuple(shape)))
        return np.ones(shape)

    def standard_normal(self, shape: tuple[int, ...]) -> np.ndarray:
        self.draws.append(("normal", tuple(shape)))
        return np.ones(shape)


def _value(value: Value) -> dict[str, Any]:
    return {"kind": value.kind, "numbers": list(value.numbers), "lengths": list(value.lengths)}


def _cost(cost: Cost) -> dict[str, Any]:
    """Return the cost as a straight-line program."""
    if cost.e is None:
        rubbish = {} if cost.rubbish is None else {"rubbish": cost.rubbish}
        return {"softmax": True, **rubbish, "steps": [], "result": 0}
    program = cost.e.program
    return {
        "softmax": False,
        "steps": [[op, list(args), number, name] for op, args, number, name in program.steps],
        "result": program.results[0],
    }
