"""One training with one seed from start to finish: data, weights, engine, passes, run folder; and going on with one.

`run` and `resume` yield what happens as values; who calls them prints.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from snsim import run_folder
from snsim.data.formats import within
from snsim.data.progress import Progress as DownloadProgress
from snsim.engines.protocol import Engine
from snsim.errors import SnError, fail
from snsim.network.net import Counts
from snsim.program import Program
from snsim.runs import provenance
from snsim.runs.examples import FoundExamples, SourceFolder, data_folders, find_examples
from snsim.runs.interrupts import Interrupts
from snsim.runs.options import Options, Say, overridden, run_name
from snsim.training.choose_engine import default_engines, engine_for, engine_for_pass
from snsim.training.initial import INITIALISERS, initial_weights
from snsim.training.initial_files import load_initial
from snsim.training.loop import Pass, Progress, Pruned, Snapshot, steps
from snsim.training.memory_need import Patterns, check_memory
from snsim.training.prepare import PreparedData, prepare
from snsim.training.spec import Training


@dataclass(frozen=True)
class Started:
    """The run folder is made. `rank` is the place of the data among `wanted` (0: first choice), `reasons` the
    sentences said while they were looked for; `done` is the number of passes that were done before (resumed).
    """

    run: Path
    training: Training
    counts: Counts
    data: str
    origin: str
    wanted: tuple[str, ...]
    rank: int
    reasons: tuple[str, ...]
    patterns: tuple[int, int]  # train, test
    engine: str
    dtype: str
    seed: int
    done: int = 0
    instead: str = ""  # why the engine is not the one that would have been taken first


@dataclass(frozen=True)
class Passed:
    """A pass is over and in the run folder."""

    done: Pass


@dataclass(frozen=True)
class Finished:
    """The run has ended: `completed`, or interrupted after the last pass that counts."""

    run: Path
    presentations: int  # of this call, like the seconds
    seconds: float  # wall clock
    completed: bool


Event = Started | Progress | Pruned | Passed | Finished


def run(
    program: Program,
    training: Training,
    seed: int,
    options: Options = Options(),
    say: Say = lambda sentence: None,
    download: DownloadProgress | None = None,
) -> Generator[Event, None, None]:
    """Run a training of the program with one of its seeds. SnError for data, weights or sizes that do not fit;
    Busy if the folder that the options name is there already.
    """
    return _run(program, training, seed, options, say, download)


# ---- A new run ---------------------------------------------------------------------------------------------------


def _run(
    program: Program, training: Training, seed: int, options: Options, say: Say, download: DownloadProgress | None
) -> Generator[Event, None, None]:
    began = time.perf_counter()
    training = overridden(training, options)
    home = SourceFolder.of(program.sources)
    found = find_examples(training, options, home, say, download)
    if options.data_digest not in (None, found.examples.digest):
        raise fail(
            f"the data {found.examples.name} ({found.examples.origin}) are not those that were asked for: "
            f"their digest is {found.examples.digest[:12]}, not {str(options.data_digest)[:12]}",
            hint="give the folder of those with --data-dir",
        )
    data = prepare(training, found.examples, options.dtype)
    engine, instead = engine_of(training, options, data)
    engine.load_parameters(_weights(training, seed, options, home))
    settings = _settings(training, seed, options, found, data, engine)
    name = options.folder or run_name(training, seed)
    with run_folder.new_run(
        options.out,
        name,
        program.sources,
        settings,
        Snapshot(0, engine.parameters(), engine.state(), {}),
        options.folder is not None,
    ) as made:
        yield started_event(made.folder, training, found, data, engine, seed, instead=instead)
        yield from record_passes(made, training, data, engine, seed, None, began, options.save_every)


def record_passes(
    made: run_folder.Run,
    training: Training,
    data: PreparedData,
    engine: Engine,
    seed: int,
    start: Snapshot | None,
    began: float,
    save_every: float,
) -> Generator[Event, None, None]:
    """The passes from `start` on, each in the log before it is told. However they end, but for a kill, all that were
    told are saved. An interrupt (Ctrl-C, SIGTERM) ends them without an exception.
    """
    before = 0 if start is None else start.number
    ends = set(accumulate(stage.passes for stage in training.stages))
    with closing(run_folder.Recorder(made, save_every)) as recorder, Interrupts() as interrupts:
        last: Pass | None = None
        try:
            for step in steps(training, data, engine, seed, start):
                if isinstance(step, Pass):
                    recorder.add(step, save=step.number in ends)
                    last = step
                    yield Passed(step)
                    interrupts.check()
                    last = None  # the engine goes on
                else:
                    yield step
                    interrupts.check()
        except (KeyboardInterrupt, GeneratorExit, SnError) as ended:
            if not isinstance(ended, run_folder.NotSavedError):
                _save_told(recorder, last, training, data, engine, seed)
            if not isinstance(ended, KeyboardInterrupt):
                raise
        done = recorder.saved
    completed = done == training.passes
    if completed and made.settings.get("finished") is None:
        run_folder.record_settings(made, finished=provenance.now())
    yield Finished(made.folder, (done - before) * len(data.train), time.perf_counter() - began, completed)


def _save_told(
    recorder: run_folder.Recorder, last: Pass | None, training: Training, data: PreparedData, engine: Engine, seed: int
) -> None:
    """Save a checkpoint after the last pass in the log.

    `last` is that pass if training has not gone on. If it has, the state is gone: the passes since the checkpoint, at
    most a second of them, are computed again. An interrupt leaves it at the older checkpoint, which counts as well.
    """
    if recorder.saved == recorder.number:
        return
    try:
        if last is not None:
            recorder.save(last.snapshot)
            return
        start, wanted = recorder.checkpoint(), recorder.number
        if start.number == wanted:  # the interrupt came just after it was saved
            return
        fresh = engine_for_pass(training, start.number + 1, engine.name, engine.dtype)  # no sums of a broken-off batch
        for step in steps(training, data, fresh, seed, start):
            if isinstance(step, Pass) and step.number == wanted:
                recorder.save(step.snapshot)
                return
    except KeyboardInterrupt:
        pass


def engine_of(training: Training, options: Options, data: PreparedData, besides: int = 0) -> tuple[Engine, str]:
    """The engine that is asked for, or the first by default that can compute the net; and why an earlier one cannot.

    All engines that learn from data are made here or by `engine_again`. SnError, before anything of the size of the
    net is made, for a run that needs more memory than the options allow; `besides` are bytes needed beside it.
    """
    names = default_engines(training) if options.engine is None else (options.engine,)
    instead = ""
    for name, other in pairwise(names):
        check_memory(training, name, options.dtype, options.memory, Patterns.of(data), besides=besides)
        try:
            engine = engine_for(training, training.stages[0], name, options.dtype)
            engine.outputs(np.zeros((1, training.net.layers[0].units)))  # what cannot be compiled shows here
            return engine, ""
        except SnError as error:
            instead = f"{error.faults[0].message}: the {other} engine runs instead"
    check_memory(training, names[-1], options.dtype, options.memory, Patterns.of(data), besides=besides)
    return engine_for(training, training.stages[0], names[-1], options.dtype), instead


def engine_again(
    training: Training, number: int, name: str, dtype: str, options: Options, data: PreparedData
) -> Engine:
    """The engine for pass `number` of a run whose checkpoint is in memory. SnError as for `engine_of`."""
    check_memory(training, name, dtype, options.memory, Patterns.of(data), resumed=True)
    return engine_for_pass(training, number, name, dtype)


def _weights(training: Training, seed: int, options: Options, home: SourceFolder) -> dict[str, np.ndarray]:
    if options.initial is not None:
        return load_initial(options.initial, training.net, dtype=options.dtype)
    if training.initial_file is not None:
        span = training.place("initial")
        file = home.file(training.initial_file, span, data_folders(options))
        return load_initial(file, training.net, span, options.dtype)
    weights = initial_weights(training, seed)
    for name, values in weights.items():
        within(
            values,
            options.dtype,
            f"the initial weights of {name}",
            training.place(*INITIALISERS.names()),
            "state a smaller range, or run with --dtype float64",
        )
    return weights


# ---- What is recorded --------------------------------------------------------------------------------------------


def started_event(
    folder: Path,
    training: Training,
    found: FoundExamples,
    data: PreparedData,
    engine: Engine,
    seed: int,
    done: int = 0,
    instead: str = "",
) -> Started:
    return Started(
        folder,
        training,
        training.net.counts,
        data.name,
        data.origin,
        found.wanted,
        found.rank,
        found.reasons,
        (len(data.train), 0 if data.test is None else len(data.test)),
        engine.name,
        str(engine.dtype),
        seed,
        done,
        instead,
    )


def _settings(
    training: Training, seed: int, options: Options, found: FoundExamples, data: PreparedData, engine: Engine
) -> dict[str, Any]:
    counts = training.net.counts
    return {
        "name": training.name,
        "net": training.net.name,
        "net_digest": training.net.digest,
        "counts": {"units": counts.units, "connections": counts.connections, "weights": counts.weights},
        "passes": training.passes,
        "seed": seed,
        "engine": engine.name,
        "dtype": str(engine.dtype),
        "cost": training.cost.name,
        "correct": [training.criterion[0], *training.criterion[1]],
        "updates": list(dict.fromkeys(stage.rule.name for stage in training.stages)),
        "data": {
            "name": data.name,
            "digest": data.digest,
            "origin": data.origin,
            "wanted": list(found.wanted),
            "rank": found.rank,
            "train": len(data.train),
            "test": 0 if data.test is None else len(data.test),
        },
        "published": dict(training.published),
        "overrides": {
            "data": list(options.data),
            "passes": options.passes,
            "initial": None if options.initial is None else str(options.initial),
            **({} if options.fold is None else {"fold": options.fold}),
        },
        "presets": dict(options.presets),
        "command": list(options.command),
        "versions": provenance.versions(engine.name),
        "platform": platform.platform(),
        "machine": provenance.machine(),
        "started": provenance.now(),
        "finished": None,
    }
