"""Run one training with one seed: data, weights, engine, passes, run folder.

`run` and `resume` yield events; the caller prints them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from snsim import run_folder
from snsim.data.formats import within
from snsim.data.progress import Progress as DownloadProgress
from snsim.engines.protocol import Engine
from snsim.errors import Fault, SnError, fail
from snsim.network.net import Counts
from snsim.operating_system import platform_name
from snsim.program import Program
from snsim.runs import provenance
from snsim.runs.examples import FoundExamples, SourceFolder, data_folders, find_examples, searched_folders
from snsim.runs.interrupts import Interrupts
from snsim.runs.options import Options, Say, overridden, run_name
from snsim.training.best_pass import BestPass
from snsim.training.choose_engine import (
    build_engine,
    build_engine_for_pass,
    build_engine_like,
    preferred_engines,
    set_threads,
)
from snsim.training.initial import INITIALISERS
from snsim.training.initial_files import starting_weights
from snsim.training.loop import (
    PassResult,
    Progress,
    PruningResult,
    Snapshot,
    compile_learning,
    training_events,
    without_fixed,
)
from snsim.training.memory_need import PatternCounts, check_memory
from snsim.training.prepare import PreparedData, prepare_data
from snsim.training.schedule import stage_of_pass
from snsim.training.spec import Training


@dataclass(frozen=True)
class RunStarted:
    """The run folder is made and training begins.

    Attributes
    ----------
    run : Path
        The run folder.
    data, origin : str
        The name of the data set and where it was found.
    wanted : tuple of str
        The data sets asked for, in order of preference.
    rank : int
        The place of the data among them (0: the first choice).
    reasons : tuple of str
        What was said while the data were searched.
    patterns : tuple of int
        The numbers of training and test patterns.
    done : int
        The passes done before; more than 0 for a resumed run.
    instead : str
        Why the preferred engine is not used; "" if it is.
    warnings : tuple of Fault
        What is wrong with the order of the patterns, or with the criterion for the targets of the data.
    """

    run: Path
    training: Training
    counts: Counts
    data: str
    origin: str
    wanted: tuple[str, ...]
    rank: int
    reasons: tuple[str, ...]
    patterns: tuple[int, int]
    engine: str
    dtype: str
    seed: int
    done: int = 0
    instead: str = ""
    warnings: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class PassFinished:
    """A pass has ended and is in the run folder."""

    done: PassResult


@dataclass(frozen=True)
class RunFinished:
    """The run has ended: `completed`, or interrupted after a pass that is saved."""

    run: Path
    presentations: int  # of this call, like the seconds
    seconds: float  # wall clock
    completed: bool
    seed: int
    best: BestPass | None = None  # with (keep best ...)
    stopped: bool = False  # (stop-after N) has ended it
    has_delays: bool = False  # its net has, so that no page learns it


Event = RunStarted | Progress | PruningResult | PassFinished | RunFinished


@dataclass(frozen=True)
class RunData:
    """The data of a run: as they were found, and as the engine takes them."""

    found: FoundExamples
    prepared: PreparedData


def read_data(
    training: Training, options: Options, source_folder: SourceFolder, say: Say, download: DownloadProgress | None
) -> RunData:
    """Find, read and prepare the data of a training with the data of the options in it. SnError if they do not fit."""
    found = find_examples(training, options, source_folder, say, download)
    return RunData(found, prepare_data(training, found.examples, options.dtype))


ReadData = Callable[[Training, Options, SourceFolder, Say, "DownloadProgress | None"], RunData]
ChooseEngine = Callable[[Training, Options, PreparedData], tuple[Engine, str]]  # as `choose_engine`


def run(
    program: Program,
    training: Training,
    seed: int,
    options: Options = Options(),
    say: Say = lambda sentence: None,
    download: DownloadProgress | None = None,
    read: ReadData = read_data,
    choose: ChooseEngine | None = None,
) -> Generator[Event, None, None]:
    """Run a training of the program with one seed, and yield what happens.

    `read` provides the data, and `choose` an engine with the state of a new one. SnError for data, weights or sizes
    that do not fit; RunBusyError if the run folder that the options name exists.
    """
    return _run(program, training, seed, options, say, download, read, choose or partial(choose_engine, learns=True))


def run_unrecorded(
    program: Program,
    training: Training,
    seed: int,
    options: Options = Options(),
    say: Say = lambda sentence: None,
) -> Generator[PassResult, None, None]:
    """Run a training as `run` does and yield its passes, but write no run folder. SnError as for `run`."""
    training = overridden(training, options)
    source_folder = SourceFolder.of(program.sources)
    data = prepare_data(training, find_examples(training, options, source_folder, say, None).examples, options.dtype)
    engine, _ = choose_engine(training, options, data, learns=True)
    engine.load_parameters(start_weights(training, seed, options, source_folder))
    for step in training_events(training, data, engine, seed):
        if isinstance(step, PassResult):
            yield step


# ---- A new run ---------------------------------------------------------------------------------------------------


def _run(
    program: Program,
    training: Training,
    seed: int,
    options: Options,
    say: Say,
    download: DownloadProgress | None,
    read: ReadData,
    choose: ChooseEngine,
) -> Generator[Event, None, None]:
    start_time = time.perf_counter()
    prepared = prepare_run(program, training, options, say, download, read)
    engine, instead = choose(prepared.training, options, prepared.data)
    yield from run_prepared(program, prepared, seed, options, engine, start_time, instead)


@dataclass(frozen=True, eq=False)
class PreparedRun:
    """What the runs of a training with different seeds have in common: the training with its options, and its data."""

    training: Training
    source_folder: SourceFolder
    found: FoundExamples
    data: PreparedData


def prepare_run(
    program: Program,
    training: Training,
    options: Options,
    say: Say = lambda sentence: None,
    download: DownloadProgress | None = None,
    read: ReadData = read_data,
) -> PreparedRun:
    """Find and prepare the data of a training. SnError if they are gone, do not fit, or are not those of the study."""
    training = overridden(training, options)
    source_folder = SourceFolder.of(program.sources)
    of_run = read(training, options, source_folder, say, download)
    found, data = of_run.found, of_run.prepared
    check_data_of_study(found, options)
    return PreparedRun(training, source_folder, found, data)


def check_data_of_study(found: FoundExamples, options: Options) -> None:
    """Raise SnError if the options are those of a study, and its data were others."""
    if options.data_digest not in (None, found.examples.digest):
        raise fail(
            f"the data {found.examples.name} ({found.examples.origin}) are not those of the study: their digest is "
            f"{found.examples.digest[:12]}, not {str(options.data_digest)[:12]}",
            hint="name the folder with the data that the study used: --data-dir FOLDER",
        )


def run_prepared(
    program: Program,
    prepared: PreparedRun,
    seed: int,
    options: Options,
    engine: Engine,
    start_time: float,
    instead: str = "",
) -> Generator[Event, None, None]:
    """Run a prepared training with one seed on an engine, as `run` does."""
    training, found, data = prepared.training, prepared.found, prepared.data
    engine.load_parameters(start_weights(training, seed, options, prepared.source_folder))
    settings = _settings(training, seed, options, found, data, engine)
    name = options.folder or run_name(training, seed)
    with run_folder.new_run(
        options.out,
        name,
        program.sources,
        settings,
        Snapshot(0, without_fixed(training.net, engine.parameters()), engine.state(), {}),
        options.folder is not None,
        program.files,
    ) as record:
        yield started_event(record.folder, training, found, data, engine, seed, instead=instead)
        yield from record_passes(record, training, data, engine, seed, None, start_time, options.save_every)


def record_passes(
    record: run_folder.Run,
    training: Training,
    data: PreparedData,
    engine: Engine,
    seed: int,
    start: Snapshot | None,
    start_time: float,
    save_every: float,
) -> Generator[Event, None, None]:
    """Train from `start` on, write each pass to the log, then yield it.

    Whatever ends the passes (except a kill), all passes that were yielded are saved. An interrupt (Ctrl-C, SIGTERM)
    ends them without an exception. `start_time` is by `time.perf_counter`.
    """
    first = 0 if start is None else start.number
    stage_ends = set(accumulate(stage.passes for stage in training.stages))
    with closing(run_folder.Recorder(record, save_every)) as recorder, Interrupts() as interrupts:
        last: PassResult | None = None
        try:
            steps = () if recorder.stops else training_events(training, data, engine, seed, start)
            for step in steps:
                if isinstance(step, PassResult):
                    recorder.add(step, save=step.number in stage_ends)
                    last = step
                    yield PassFinished(step)
                    interrupts.check()
                    if recorder.stops:
                        break
                    last = None  # the engine moves on
                else:
                    yield step
                    interrupts.check()
        except (KeyboardInterrupt, GeneratorExit, SnError) as ended:
            if not isinstance(ended, run_folder.NotSavedError):
                _save_yielded_passes(recorder, last, training, data, engine, seed)
            if not isinstance(ended, KeyboardInterrupt):
                raise
        done, best, stopped = recorder.saved, recorder.best, recorder.stops and recorder.saved == recorder.number
    completed = done == training.passes or stopped
    if completed and record.settings.get("finished") is None:
        run_folder.record_settings(record, finished=provenance.now())
    yield RunFinished(
        record.folder,
        (done - first) * len(data.train),
        time.perf_counter() - start_time,
        completed,
        seed,
        best,
        stopped,
        bool(training.net.delayed),
    )


def _save_yielded_passes(
    recorder: run_folder.Recorder,
    last: PassResult | None,
    training: Training,
    data: PreparedData,
    engine: Engine,
    seed: int,
) -> None:
    """Save a checkpoint after the last pass in the log.

    `last` is that pass if the engine still has its state. If not, the passes since the checkpoint (at most a second
    of them) are computed again. An interrupt meanwhile leaves the older checkpoint, which is valid too.
    """
    if recorder.saved == recorder.number:
        return
    try:
        if last is not None:
            recorder.save(last.snapshot)
            return
        start, wanted = recorder.checkpoint().named_for(training.net), recorder.number
        if start.number == wanted:  # the interrupt came just after it was saved
            return
        # A new engine: the old one may hold the sums of a batch that was interrupted.
        fresh = build_engine_like(training, stage_of_pass(training.stages, start.number + 1)[0], engine)
        for step in training_events(training, data, fresh, seed, start):
            if isinstance(step, PassResult) and step.number == wanted:
                recorder.save(step.snapshot)
                return
    except KeyboardInterrupt:
        pass


def choose_engine(
    training: Training, options: Options, data: PreparedData, besides: int = 0, learns: bool = False
) -> tuple[Engine, str]:
    """Return the engine asked for, or the first default engine that can compute the net, and why the others cannot.

    All engines that learn from data are made here or by `engine_for_resume`. SnError if the run needs more memory than
    the options allow: this is checked before any array of the net is made. `besides` are bytes that other objects
    need at the same time. If the engine `learns` next, its code is compiled for that, and not for evaluation alone.
    """
    default = ("native",) if options.portable else preferred_engines(training)
    default = default if options.device is None else ("torch",)
    names = default if options.engine is None else (options.engine,)
    instead = ""

    def check(name: str) -> None:
        counts, threads = PatternCounts.of(data), options.threads
        check_memory(training, name, options.dtype, options.memory, counts, besides=besides, threads=threads)

    for name, other in pairwise(names):
        check(name)
        try:
            engine = build_engine(training, training.stages[0], name, options.dtype)
            if not (learns and compile_learning(training, data, engine)):
                engine.outputs(np.zeros((1, training.net.input_units)))  # raises if the net cannot be compiled
            set_threads(engine, options.threads)
            return engine, ""
        except SnError as error:
            instead = f"{error.faults[0].message}: the {other} engine runs instead"
    check(names[-1])
    engine = build_engine(training, training.stages[0], names[-1], options.dtype, options.device, options.portable)
    set_threads(engine, options.threads)
    return engine, instead


def engine_for_resume(
    training: Training,
    number: int,
    name: str,
    dtype: str,
    options: Options,
    data: PreparedData,
    portable: bool = False,
) -> Engine:
    """Return the engine for pass `number` of a run whose checkpoint is in memory. SnError as for `choose_engine`."""
    check_memory(training, name, dtype, options.memory, PatternCounts.of(data), True, threads=options.threads)
    engine = build_engine_for_pass(training, number, name, dtype, options.device, portable)
    set_threads(engine, options.threads)
    return engine


def start_weights(
    training: Training, seed: int, options: Options, source_folder: SourceFolder
) -> dict[str, np.ndarray]:
    """Return the weights before pass 1, float64: of the file that options or clauses name, or else drawn."""
    file = options.initial
    if file is None and training.initial_file is not None:
        file = source_folder.file(training.initial_file, training.span_of("initial"), data_folders(options))
    weights = starting_weights(training, seed, file, options.dtype, options.initial is not None)
    for name, values in weights.items():
        within(
            values,
            options.dtype,
            f"the initial weights of {name}",
            training.span_of(*INITIALISERS.names()),
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
) -> RunStarted:
    """Return the event that starts a run, or resumes it after `done` passes."""
    return RunStarted(
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
        data.warnings,
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
            "folders": []
            if training.data.inputs is not None  # in the text: no folder was searched
            else [str(folder) for folder in searched_folders(options)],
            **({} if found.examples.record is None else {"record": found.examples.record.to_json()}),
        },
        **({} if training.keep is None else {"keep": {"figure": training.keep, "stop_after": training.stop_after}}),
        "published": dict(training.published),
        "overrides": {
            "data": list(options.data),
            "passes": options.passes,
            "initial": None if options.initial is None else str(options.initial),
            **({} if options.fold is None else {"fold": options.fold}),
        },
        **({} if options.device is None else {"device": options.device}),
        **({} if options.together is None else {"together": options.together}),
        **({"portable": True} if options.portable else {}),
        "presets": dict(options.presets),
        "command": list(options.command),
        "versions": provenance.versions(engine.name),
        "platform": platform_name(),
        "machine": provenance.machine(),
        "started": provenance.now(),
        "finished": None,
    }
