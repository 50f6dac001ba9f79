"""Two computations of one training side by side, presentation by presentation: `snsim.compare`.

An engine beside a module that was coded by hand, or beside another engine: the same initial weights, patterns, order,
shifts, gates of dropout, cost and rates. What is told is the largest difference of each layer, and where the two first
part.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from snsim import engines
from snsim.comparison.differences import Comparison, Differences
from snsim.comparison.engine_side import EngineSide, Side
from snsim.comparison.load_module import load_class, read_mapping
from snsim.comparison.presentations import updates
from snsim.engines.memory import weights_of
from snsim.engines.protocol import Engine
from snsim.errors import SnError, fail
from snsim.optional_packages import needing
from snsim.program import Program, read_program
from snsim.registry import suggest
from snsim.runs.examples import examples_of, initial_file
from snsim.runs.options import Options, Say, overridden
from snsim.runs.run import build_engine
from snsim.training.choose_engine import engine_for
from snsim.training.initial import initial_weights
from snsim.training.initial_files import load_initial
from snsim.training.memory_need import Patterns, engine_memory
from snsim.training.prepare import PreparedData, prepare
from snsim.training.schedule import constant
from snsim.training.spec import DataChoice, Place, Placed, Training

if TYPE_CHECKING:
    from torch import nn

Data = str | tuple[np.ndarray, np.ndarray] | None  # a data set, inputs and targets a row a pattern, or as described
_EXACT = Options(dtype="float64")  # single precision alone parts two nets in the sixth digit


def compare(
    net: str | Path | Program,
    module: str | nn.Module,
    data: Data = None,
    *,
    presentations: int = 500,
    tolerance: float = 1e-5,
    only: str | None = None,
    sgd: float | None = None,
    seed: int | None = None,
    mapping: Mapping[str, str] | str | Path | None = None,
    options: Options = _EXACT,
    say: Say = lambda sentence: None,
) -> Comparison:
    """Hold a training of a `.sn` file against a module: one of torch, or `FILE.py:Class`, whose file is executed.

    `presentations` of the training's first stage are learned by both. `only` names the training where the file
    declares several; `sgd` is a rate at which both learn by plain gradient descent instead of its update rule. Weights
    are matched by name and shape (`snsim.comparison.match_parameters`) or by `mapping`, from our names to the
    module's, or a JSON file of it. What the module says itself of cost, optimizer and dropout is told at
    `snsim.comparison.torch_side.Twin`.
    `options.engine` is what it is held against. Afterwards the module is as it was.
    SnError for faults of the file, the module or the data, for update rules with curvature, and for a first stage
    that cuts weights.
    """
    training, program = _chosen(net, only, sgd, data)
    _check(presentations, tolerance)
    if training.stages[0].rule.curvature is not None:
        raise fail(
            f"training {training.name} learns by {training.stages[0].rule.name}, which needs second "
            "derivatives, and a module has none",
            training.place("update", "stage", "repeat"),
            hint="hold it against the module under plain gradient descent: --sgd 0.001 (from Python, sgd=0.001)",
        )
    with needing("torch", what="a comparison with a module", instead="compare the engines: name no module"):
        from snsim.comparison.match_parameters import pairings
        from snsim.comparison.torch_side import Twin
    pairs = read_mapping(Path(mapping)) if isinstance(mapping, (str, Path)) else dict(mapping or {})
    held = load_class(module) if isinstance(module, str) else module
    pairings(training.net, held, pairs)  # its faults before the data are looked for
    begun = _begun(program, training, seed, data, options, say, ["torch"])
    with Twin(held, begun.training, options.dtype, pairs) as twin:
        made = _compared(begun, twin, presentations, tolerance)
    return replace(made, pairs=tuple((pair.ours.name, pair.name) for pair in twin.pairs))


def compare_engines(
    net: str | Path | Program,
    data: Data = None,
    *,
    presentations: int = 500,
    tolerance: float = 1e-5,
    only: str | None = None,
    sgd: float | None = None,
    seed: int | None = None,
    options: Options = _EXACT,
    say: Say = lambda sentence: None,
) -> Iterator[Comparison]:
    """Hold the engine of the options, or the one that would run, against each other engine that can run the training.

    Arguments as in `compare`. `say` is told which engine cannot, and why. SnError for faults, or if there is no other.
    """
    training, program = _chosen(net, only, sgd, data)
    _check(presentations, tolerance)
    begun = _begun(program, training, seed, data, options, say, engines.ENGINES.names())
    compared = 0
    for name in engines.ENGINES.names():
        if name == begun.engine.name:
            continue
        try:
            other = engine_for(begun.training, begun.training.stages[0], name, options.dtype)
            other.outputs(np.zeros((1, training.net.layers[0].units)))  # what cannot be compiled shows here
        except SnError as error:
            say(f"not compared with {name}: {error.faults[0].message}")
            continue
        compared += 1
        yield _compared(begun, EngineSide(other, begun.training), presentations, tolerance)
    if not compared:
        raise fail(
            f"no engine but {begun.engine.name} can run training {training.name} here",
            hint="name a FILE.py:Class to compare with",
        )


# ---- What is compared --------------------------------------------------------------------------------------------


def _check(presentations: int, tolerance: float) -> None:
    if presentations < 1:
        raise fail(f"1 or more presentations are compared, not {presentations}", hint="write --presentations 500")
    if not tolerance >= 0 or math.isinf(tolerance):
        raise fail(
            f"the tolerance is a number from 0 on, not {tolerance:g}",
            hint="write --tolerance 1e-5: it tells a fault from rounding",
        )


def _chosen(net: str | Path | Program, only: str | None, sgd: float | None, data: Data) -> tuple[Training, Program]:
    """The training that is meant, of its first stage only, with the rule and the data it is compared under."""
    program = net if isinstance(net, Program) else read_program(net)
    declared = {training.name: training for training in program.own_trainings}
    file, names = program.sources[0].name, list(declared)
    if only is not None and only not in declared:
        raise fail(f'{file} declares no training "{only}"', hint=suggest(only, names, "trainings"))
    if not declared:
        raise fail(
            f"{file} declares no training of its own, and cost, rates and data are those of one",
            hint="(train NAME clause ...) declares one",
        )
    if only is None and len(declared) > 1:
        raise fail(
            f"{file} declares {len(declared)} trainings: which is to be compared?",
            hint=f"name one with --only: {', '.join(names)}",
        )
    training = declared[only] if only is not None else next(iter(declared.values()))
    training = replace(training, stages=training.stages[:1])
    if training.stages[0].rule.conjugate and sgd is None:
        raise fail(
            f"training {training.name} learns by {training.stages[0].rule.name}, which moves all weights once a "
            "pass, and presentations are compared",
            training.place("update", "stage", "repeat"),
            hint="compare it under plain gradient descent: --sgd 0.001 (from Python, sgd=0.001)",
        )
    if training.stages[0].prune is not None:
        raise fail(
            f"training {training.name} begins by cutting weights, and both sides begin with all of them",
            training.place("prune", "stage", "repeat"),
            hint="compare a training without (prune ...)",
        )
    if isinstance(data, tuple):
        inputs, targets = (np.asarray(part, np.float64) for part in data)
        training = replace(training, data=DataChoice(inputs=inputs, targets=targets))
    return training if sgd is None else _under_sgd(program, training, sgd), program


def _under_sgd(program: Program, training: Training, rate: float) -> Training:
    """The training with plain gradient descent at one rate in the place of its update rule."""
    if not 0 < rate < math.inf:
        raise fail(
            f"the rate of gradient descent is a number above 0, not {rate:g}",
            hint="write --sgd 0.001: a net that runs away cannot be compared",
        )
    rule = program.updates.get("sgd").rule
    everywhere = Placed("epsilon", constant(rate), Place("everywhere"))
    stage = replace(
        training.stages[0],
        rule=rule,
        rates=(everywhere,),
        curvature_patterns=None,
        options={name: constant(default) for name, default in rule.options},
    )
    return replace(training, stages=(stage,))


@dataclass(frozen=True, eq=False)
class _Begun:
    """What a run would begin with: the engine, and the weights that both sides start from."""

    training: Training
    data: PreparedData
    engine: Engine
    seed: int
    weights: Mapping[str, np.ndarray]


def _begun(
    program: Program,
    training: Training,
    seed: int | None,
    data: Data,
    options: Options,
    say: Say,
    others: Sequence[str],
) -> _Begun:
    """What the comparison begins with; `others` are the engines that may be the other side."""
    options = replace(options, data=(data,)) if isinstance(data, str) else options
    training = overridden(training, options)
    seed = training.seeds[0] if seed is None else seed
    prepared = prepare(training, examples_of(program, training, options, say), options.dtype)
    file = initial_file(program, training, options)
    engine, instead = build_engine(training, options, prepared, _besides(training, others, options.dtype, prepared))
    if instead:
        say(instead)
    weights = initial_weights(training, seed) if file is None else load_initial(file, training.net, dtype=options.dtype)
    return _Begun(training, prepared, engine, seed, weights)


def _besides(training: Training, others: Sequence[str], dtype: str, data: PreparedData) -> int:
    """Bytes that a comparison needs beside a run: the other side, an engine for the gradients of each, and what both
    show of an update.
    """
    shown = 8 * 2 * weights_of(training.net) * np.dtype(dtype).itemsize
    return shown + max(engine_memory(training, name, dtype, Patterns.of(data)) for name in others)


def _compared(begun: _Begun, other: Side, presentations: int, tolerance: float) -> Comparison:
    training, one, start = begun.training, EngineSide(begun.engine, begun.training), begun.weights
    one.start(start)
    presented = updates(training, begun.data, begun.engine, begun.seed, presentations)
    one.start(start)
    other.start(start)
    differences = Differences(training.net, (one.name, other.name), tolerance, start)
    for update in presented:
        differences.add(update, one.present(update), other.present(update))
    seconds = []
    for side in (one, other):
        side.start(start)
        seconds.append(side.seconds(presented))
    return Comparison(
        training.name,
        training.net.name,
        begun.data.name,
        (one.name, other.name),
        str(begun.engine.dtype),
        presented[-1].end,
        tolerance,
        tuple(differences.of_layer(layer.name) for layer in training.net.layers[1:]),
        differences.of_cost,
        differences.first,
        (seconds[0], seconds[1]),
    )
