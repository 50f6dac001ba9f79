"""Run a task without a run folder: score only the last pass, and return its figures.

Studies of thousands of short runs use it. A worker reads the program and the data once, and uses an engine again for
all trainings of the same net and rule. Options of the rule, such as mu, are then not compiled into the engine.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from snsim import engines
from snsim.engines.plan import plan
from snsim.engines.protocol import Engine
from snsim.errors import SnError, fail
from snsim.program import Program, read_program
from snsim.run_folder import pass_line
from snsim.runs import provenance
from snsim.runs.examples import FoundExamples, SourceFolder, find_examples
from snsim.runs.options import Options, overridden
from snsim.runs.run import check_data_of_study, choose_engine, start_weights
from snsim.studies.one_run import LastPass, Outcome, check_identity
from snsim.studies.plan import Task, json_values
from snsim.training.choose_engine import preferred_engines
from snsim.training.loop import DivergedError, PassResult, training_events
from snsim.training.prepare import PreparedData, prepare_data
from snsim.training.spec import Training

_MOST_ENGINES = 256  # kept by a worker; each has the code of a net and room for its weights
_OF_DATA = {"data", "ensemble", "test-set", "frame", "targets", "correct"}  # clauses that decide the prepared patterns
_OF_ENGINE = {"cost"}

T = TypeVar("T")


@dataclass
class _Kept:
    """What a worker keeps from task to task of one program."""

    program: Program
    found: dict[Hashable, FoundExamples] = field(default_factory=dict)
    data: dict[Hashable, PreparedData] = field(default_factory=dict)
    engines: dict[Hashable, Engine] = field(default_factory=dict)


def attempt_last_pass(task: Task) -> Outcome:
    """Run the task, and return the figures of its last pass, none if it diverged.

    Other faults that a user can cause are in the outcome.
    """
    try:
        return Outcome(task, last_pass=_run(task))
    except SnError as error:
        return Outcome(task, error.faults)


def _run(task: Task) -> LastPass:
    options = task.options
    kept = _kept(task.file, tuple(sorted(options.presets.items())))
    stated = kept.program.trainings.get(task.training)
    check_identity(kept.program, stated, task)
    training = overridden(stated, options)
    if training.keep is not None:
        raise fail(
            f"{training.name} keeps its best pass, so each pass must be scored",
            training.span_of("keep"),
            hint="remove (keep best ...), or leave --figures out",
        )
    folder = SourceFolder.of(kept.program.sources)
    found = _once(
        kept.found,
        (training.data.names, _clauses(training, _OF_DATA), options.fold),
        lambda: find_examples(training, options, folder, lambda sentence: None, None),
    )
    check_data_of_study(found, options)
    first, last = training.net.input_shape, training.net.layers[-1].shape
    data = _once(
        kept.data,
        (found.examples.digest, _clauses(training, _OF_DATA), first, last, options.dtype),
        lambda: prepare_data(training, found.examples, options.dtype),
    )
    began = time.thread_time()
    engine = _engine(kept, training, options, data)
    engine.load_parameters(start_weights(training, task.seed, options, folder))
    engine.load_state({name: np.zeros_like(value) for name, value in engine.state().items()})
    steps = training_events(training, data, engine, task.seed, every_pass=False)
    try:
        line = pass_line(next(step for step in steps if isinstance(step, PassResult)))
    except DivergedError:
        line = {"pass": training.passes, "train": {}, "test": {}}  # no figures
    line = {**line, "cpu_seconds": round(time.thread_time() - began, 2)}
    return LastPass(line, _settings(training, options, found, data, engine))


def _engine(kept: _Kept, training: Training, options: Options, data: PreparedData) -> Engine:
    """Return an engine for the first pass: one that was used before, if the net and the rule are the same."""
    stages = training.stages
    alike = all(stage.rule == stages[0].rule and stage.prune is None for stage in stages)
    name = options.engine or preferred_engines(training)[0]
    if name != "native" or options.device is not None or not alike or training.net.delayed:
        return choose_engine(training, options, data)[0]
    key = (training.net.digest, stages[0].rule.name, _clauses(training, _OF_ENGINE), options.dtype, options.portable)

    def build() -> Engine:
        try:
            return engines.build(
                "native", plan(training.net), training.cost, stages[0].rule, options.dtype, {}, options.portable
            )
        except SnError:
            return choose_engine(training, options, data)[0]  # without the native engine, or with its own fault

    if len(kept.engines) >= _MOST_ENGINES and key not in kept.engines:
        del kept.engines[next(iter(kept.engines))]
    return _once(kept.engines, key, build)


def _settings(
    training: Training, options: Options, found: FoundExamples, data: PreparedData, engine: Engine
) -> dict[str, Any]:
    """Return what made the figures, as a run folder records it, without what differs from run to run."""
    return {
        "passes": training.passes,
        "engine": engine.name,
        "dtype": str(engine.dtype),
        "data": {
            "name": data.name,
            "digest": data.digest,
            "rank": found.rank,
            "train": len(data.train),
            "test": 0 if data.test is None else len(data.test),
        },
        "overrides": {"data": list(options.data)},
        **({"portable": True} if options.portable else {}),
        "versions": provenance.versions(engine.name),
        "machine": provenance.machine(),
    }


def _clauses(training: Training, words: set[str]) -> str:
    """Return the clauses of these words as text."""
    return json.dumps([json_values(clause.node) for clause in training.clauses if clause.word in words])


def _once(kept: dict[Hashable, T], key: Hashable, make: Callable[[], T]) -> T:
    if key not in kept:
        kept[key] = make()
    return kept[key]


@lru_cache(maxsize=1)
def _kept(file: Path, presets: Sequence[tuple[str, float | str]]) -> _Kept:
    return _Kept(read_program(file, presets=dict(presets), port=io.StringIO()))
