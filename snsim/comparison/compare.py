"""Run two computations of one training side by side, presentation by presentation: `snsim.compare`.

An engine is compared with a hand-coded module, or with another engine. Both have the same initial weights, patterns,
order, shifts, dropout gates, cost and rates. The result has the largest difference of each layer, and where the two
first diverge.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from snsim import engines
from snsim.comparison import causes
from snsim.comparison.differences import Comparison, Differences, Divergence
from snsim.comparison.engine_side import EngineSide, Side
from snsim.comparison.first_difference import Evidence
from snsim.comparison.initial_weights import initial_differences
from snsim.comparison.load_module import load_class, read_mapping
from snsim.comparison.presentations import updates
from snsim.engines.memory import count_weights
from snsim.engines.protocol import Engine, Settings
from snsim.errors import SnError, fail
from snsim.optional_packages import needing
from snsim.program import Program, read_program
from snsim.registry import suggest
from snsim.runs.examples import examples_of, initial_file
from snsim.runs.options import Options, Say, overridden
from snsim.runs.run import choose_engine
from snsim.training.choose_engine import build_engine
from snsim.training.initial_files import starting_weights
from snsim.training.memory_need import PatternCounts, engine_memory
from snsim.training.parameter_scopes import rates_in_pass
from snsim.training.prepare import PreparedData, prepare_data
from snsim.training.schedule import constant_value, value_at
from snsim.training.spec import DataChoice, Scope, ScopedValue, Training

if TYPE_CHECKING:
    from torch import nn

    from snsim.comparison.torch_side import ModuleSide

Data = str | tuple[np.ndarray, np.ndarray] | None  # a data set, inputs and targets a row a pattern, or as described
_EXACT = Options(dtype="float64")  # in single precision two nets differ in the sixth digit


def compare(
    net: str | Path | Program,
    module: str | nn.Module,
    data: Data = None,
    *,
    presentations: int = 500,
    tolerance: float | None = None,
    only: str | None = None,
    sgd: float | None = None,
    seed: int | None = None,
    mapping: Mapping[str, str] | str | Path | None = None,
    options: Options = _EXACT,
    say: Say = lambda sentence: None,
) -> Comparison:
    """Compare a training of a `.sn` file with a module of torch.

    Parameters
    ----------
    net
        The `.sn` file, or its program.
    module
        A module, or `FILE.py:Class`. The file is executed.
    data
        The name of a data set, or (inputs, targets) with one row per pattern. Default: the data of the training.
    presentations : int
        Presentations of the first stage of the training that both learn.
    tolerance : float
        The largest difference that counts as equal, as a share of the largest number of what is compared. Default: what
        rounding can cause, by the type of the numbers and by how many of them are added up.
    only : str
        The training to compare, if the file declares several.
    sgd : float
        A rate: both learn by plain gradient descent at this rate instead of the update rule of the training. The method
        `learn` of the module is not called.
    seed : int
        The seed. Default: the first one of the training.
    mapping
        From our names of parameters to the module's, or a JSON file of it. Otherwise parameters are matched by name and
        shape (`snsim.comparison.match_parameters`).
    options : Options
        `options.engine` is the engine that the module is compared with.
    say
        Receives sentences about what was chosen.

    Returns
    -------
    Comparison
        The module is unchanged afterwards. `snsim.comparison.torch_side.ModuleSide` describes how a module may define
        its own cost, optimizer and dropout.

    Raises
    ------
    SnError
        For faults of the file, the module or the data, for update rules with curvature if the module states no rule of
        its own, and for a first stage that prunes weights.
    """
    training, program = _choose_training(net, only, sgd, data)
    _check(presentations, tolerance)
    with needing("torch", what="a comparison with a module", instead="compare the engines: name no module"):
        from snsim.comparison.match_parameters import match_parameters
        from snsim.comparison.own_step import has_own_rule
        from snsim.comparison.torch_side import ModuleSide
    names = read_mapping(Path(mapping)) if isinstance(mapping, (str, Path)) else dict(mapping or {})
    instance = load_class(module) if isinstance(module, str) else module
    if training.stages[0].rule.curvature is not None and not has_own_rule(instance):
        raise fail(
            f"training {training.name} learns by {training.stages[0].rule.name}, which needs second derivatives, but "
            f"the module {type(instance).__name__} has neither learn(x, d) nor configure_optimizers()",
            training.span_of("update", "stage", "repeat"),
            hint="write learn(self, x, d), which makes one step, as in examples/lecun89_lm_torch.py; or compare under "
            "plain gradient descent: --sgd 0.001 (from Python, sgd=0.001)",
        )
    pairs = match_parameters(training.net, instance, names)  # report its faults before loading the data
    own_weights = {pair.ours.name: pair.values() for pair in pairs}
    start = _prepare_start(program, training, seed, data, options, say, ["torch"])
    with ModuleSide(instance, start.training, options.dtype, names, sgd is None) as twin:
        comparison = _compare_sides(start, twin, presentations, tolerance)
        first, evidence = comparison.first, comparison.evidence
        if first is None and sgd is None:
            first = _schedule_divergence(start, twin, comparison)
        if evidence is not None:
            evidence = replace(evidence, lines=twin.find_lines(evidence))
    return replace(
        comparison,
        first=first,
        evidence=evidence,
        pairs=tuple((pair.ours.name, pair.name) for pair in twin.pairs),
        initial=() if options.initial is not None else initial_differences(start.training, own_weights),
    )


def compare_engines(
    net: str | Path | Program,
    data: Data = None,
    *,
    presentations: int = 500,
    tolerance: float | None = None,
    only: str | None = None,
    sgd: float | None = None,
    seed: int | None = None,
    options: Options = _EXACT,
    say: Say = lambda sentence: None,
) -> Iterator[Comparison]:
    """Compare the engine of the options, or the default one, with every other engine that can run the training.

    Arguments are those of `compare`. `say` receives which engine cannot run it, and why. Raises SnError for faults, or
    if there is no other engine.
    """
    training, program = _choose_training(net, only, sgd, data)
    _check(presentations, tolerance)
    start = _prepare_start(program, training, seed, data, options, say, engines.ENGINES.names())
    compared = 0
    for name in engines.ENGINES.names():
        if name == start.engine.name:
            continue
        try:
            other = build_engine(start.training, start.training.stages[0], name, options.dtype)
            other.outputs(np.zeros((1, training.net.input_units)))  # fails here if its code cannot be compiled
        except SnError as error:
            say(f"not compared with {name}: {error.faults[0].message}")
            continue
        compared += 1
        yield _compare_sides(start, EngineSide(other, start.training), presentations, tolerance)
    if not compared:
        raise fail(
            f"no engine but {start.engine.name} can run training {training.name} here",
            hint="name a FILE.py:Class to compare with",
        )


# ---- What is compared --------------------------------------------------------------------------------------------


def _check(presentations: int, tolerance: float | None) -> None:
    if presentations < 1:
        raise fail(f"presentations must be 1 or more, not {presentations}", hint="write --presentations 500")
    if tolerance is not None and (not tolerance >= 0 or math.isinf(tolerance)):
        raise fail(
            f"the tolerance must be a finite number of 0 or more, not {tolerance:g}",
            hint="write --tolerance 1e-5, or leave it out: what rounding explains is then taken as equal",
        )


def _choose_training(
    net: str | Path | Program, only: str | None, sgd: float | None, data: Data
) -> tuple[Training, Program]:
    """Return the training to compare, with its first stage only and the rule and data of the comparison."""
    program = net if isinstance(net, Program) else read_program(net)
    declared = {training.name: training for training in program.own_trainings}
    file, names = program.sources[0].name, list(declared)
    if only is not None and only not in declared:
        raise fail(f'{file} declares no training "{only}"', hint=suggest(only, names, "trainings"))
    if not declared:
        raise fail(
            f"{file} declares no training of its own, and a comparison needs its cost, rates and data",
            hint="(train NAME clause ...) declares one",
        )
    if only is None and len(declared) > 1:
        raise fail(
            f"{file} declares {len(declared)} trainings, but a comparison runs one",
            hint=f"choose one with --only: {', '.join(names)}",
        )
    training = declared[only] if only is not None else next(iter(declared.values()))
    training = replace(training, stages=training.stages[:1])
    if training.stages[0].rule.conjugate and sgd is None:
        raise fail(
            f"training {training.name} learns by {training.stages[0].rule.name}, which moves all weights once a "
            "pass, but a comparison goes presentation by presentation",
            training.span_of("update", "stage", "repeat"),
            hint="compare it under plain gradient descent: --sgd 0.001 (from Python, sgd=0.001)",
        )
    if training.stages[0].prune is not None:
        raise fail(
            f"training {training.name} starts by pruning weights, but both sides start with all weights",
            training.span_of("prune", "stage", "repeat"),
            hint="compare a training without (prune ...)",
        )
    if isinstance(data, tuple):
        inputs, targets = (np.asarray(part, np.float64) for part in data)
        training = replace(training, data=DataChoice(inputs=inputs, targets=targets))
    return training if sgd is None else _with_sgd(program, training, sgd), program


def _with_sgd(program: Program, training: Training, rate: float) -> Training:
    """Return the training with plain gradient descent at one rate instead of its update rule."""
    if not 0 < rate < math.inf:
        raise fail(
            f"the rate of gradient descent must be a finite number above 0, not {rate:g}",
            hint="write --sgd 0.001; with a large rate the net diverges and cannot be compared",
        )
    rule = program.updates.get("sgd").rule
    everywhere = ScopedValue("epsilon", constant_value(rate), Scope("everywhere"))
    stage = replace(
        training.stages[0],
        rule=rule,
        rates=(everywhere,),
        curvature_patterns=None,
        options={name: constant_value(default) for name, default in rule.options},
    )
    return replace(training, stages=(stage,))


@dataclass(frozen=True, eq=False)
class _Start:
    """The start of a comparison: the engine, the data and the initial weights of both sides."""

    training: Training
    data: PreparedData
    engine: Engine
    seed: int
    weights: Mapping[str, np.ndarray]


def _prepare_start(
    program: Program,
    training: Training,
    seed: int | None,
    data: Data,
    options: Options,
    say: Say,
    others: Sequence[str],
) -> _Start:
    """Return the start of a comparison; `others` are the engines that may be the other side."""
    options = replace(options, data=(data,)) if isinstance(data, str) else options
    training = overridden(training, options)
    seed = training.seeds[0] if seed is None else seed
    prepared = prepare_data(training, examples_of(program, training, options, say), options.dtype)
    file = initial_file(program, training, options)
    engine, instead = choose_engine(
        training, options, prepared, _extra_memory(training, others, options.dtype, prepared)
    )
    if instead:
        say(instead)
    weights = starting_weights(training, seed, file, options.dtype, options.initial is not None)
    return _Start(training, prepared, engine, seed, weights)


def _extra_memory(training: Training, others: Sequence[str], dtype: str, data: PreparedData) -> int:
    """Return the bytes that a comparison needs beyond a run.

    They are those of the other side, of an engine for the gradients of each side, and of the results of an update.
    """
    results = 8 * 2 * count_weights(training.net) * np.dtype(dtype).itemsize
    return results + max(engine_memory(training, name, dtype, PatternCounts.of(data)) for name in others)


def _schedule_divergence(start: _Start, twin: ModuleSide, comparison: Comparison) -> Divergence | None:
    """Return the first pass in which the module's own scheduler has another rate, also beyond what was presented."""
    training, stage = start.training, start.training.stages[0]
    patterns = len(start.data.train)
    for number in range(1, stage.passes + 1):
        optimizer = twin.optimizer_in_pass(number)
        if not optimizer:
            return None
        settings = Settings(
            rates_in_pass(stage, training.net, number, training.fan_in),
            {name: value_at(value, number, stage.passes) for name, value in stage.options.items()},
        )
        for p in training.net.parameters:
            if p.learns:
                cause = causes.of_rate(p.name, stage, settings, optimizer, comparison.cost_factor, twin.name)
                if cause.name:
                    note = f"in pass {number} {cause.note}"
                    return Divergence((number - 1) * patterns + 1, p.layer, "rate", (p.layer,), note, cause.name)
    return None


def _compare_sides(start: _Start, other: Side, presentations: int, tolerance: float | None) -> Comparison:
    """Let both sides make the same updates, each from the weights of the first side, and collect the differences."""
    training, one, weights = start.training, EngineSide(start.engine, start.training), start.weights
    one.start(weights)
    start.engine.load_parameters(weights)
    presented = updates(training, start.data, start.engine, start.seed, presentations)
    one.start(weights)
    other.start(weights)
    dtype = str(start.engine.dtype)
    weights = one.weights
    differences = Differences(training, one, (one.name, other.name), tolerance, dtype, weights)
    evidence = None
    for update in presented:
        other.set_weights(weights)
        ours = one.present(update)
        theirs = other.present(update, ours)
        differences.add(update, weights, ours, theirs)
        if evidence is None and differences.first is not None:
            evidence = Evidence(training, update, weights, ours, theirs)
        weights = ours.weights
    seconds = []
    for side in (one, other):
        side.start(start.weights)
        seconds.append(side.seconds(presented))
    return Comparison(
        training.name,
        training.net.name,
        start.data.name,
        (one.name, other.name),
        dtype,
        presented[-1].end,
        tolerance,
        tuple(differences.of_layer(layer.name) for layer in training.net.computed),
        differences.of_cost,
        differences.divergence(),
        (seconds[0], seconds[1]),
        cost_factor=differences.cost_factor,
        output_kind=theirs.output_kind,
        evidence=evidence,
    )
