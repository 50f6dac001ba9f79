"""One training with one seed from start to finish: data, weights, engine, passes, run folder; and going on with one.

`run` and `resume` yield what happens as values; who calls them prints.
"""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping

import numpy as np

from snsim import provenance, records
from snsim.data.catalog import find
from snsim.data.examples import Examples
from snsim.data.fetch import Search
from snsim.data.patterns import from_files, from_matrices
from snsim.data.progress import Progress as DownloadProgress
from snsim.engines.protocol import Engine
from snsim.errors import SnError, Source, Span, fail
from snsim.learning.backend import default_engines, engine_for
from snsim.learning.initial import initial_weights
from snsim.learning.initial_files import load_initial
from snsim.learning.prepare import PreparedData, prepare
from snsim.learning.schedule import fitted_stages, stage_of
from snsim.learning.train import Pass, Progress, Pruned, Snapshot, steps
from snsim.learning.training import DataChoice, Training
from snsim.network.graph import Counts
from snsim.program import Program, read_program

Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What is said about a run beside its description. None: as described, or the default."""

    engine: str | None = None  # default: the first of `default_engines` that can be built
    dtype: str = "float32"  # as SN's numbers and PyTorch's
    data: tuple[str, ...] = ()  # instead of the clause: names in order of preference
    data_dir: Path | None = None  # where data are looked for first
    online: bool = True
    initial: Path | None = None  # initial weights instead of the clause or the drawn ones
    passes: int | None = None
    out: Path = Path("runs")  # the folder in which run folders are made
    folder: str | None = None  # the very name of the run folder; default: `run_name`, or that with a number
    data_digest: str | None = None  # of the only data that will do
    presets: Mapping[str, float | str] = field(default_factory=dict)  # the values of --set, recorded
    command: tuple[str, ...] = ()  # the command line, recorded


@dataclass(frozen=True)
class Started:
    """The run folder is made. `rank` is the place of the data among `wanted` (0: first choice), `reasons` the
    sentences said while they were looked for; `done` is the number of passes that were done before (resumed)."""

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


def run(program: Program, training: Training, seed: int, options: Options = Options(),
        say: Say = lambda sentence: None, download: DownloadProgress | None = None) -> Iterator[Event]:
    """Run a training of the program with one of its seeds. SnError for data, weights or sizes that do not fit;
    Busy if the folder that the options name is there already."""
    return _run(program, training, seed, options, say, download)


def resume(folder: Path, options: Options = Options(), say: Say = lambda sentence: None,
           download: DownloadProgress | None = None) -> Iterator[Event]:
    """Go on with a run that was stopped or killed; it ends with the same bits as one that was not.

    All but `data_dir` and `online` comes from the run folder, the program from its copy of the source. SnError if the
    folder is damaged, or if the data or the texts are not those it was begun with; Busy if another snsim runs it.
    """
    with records.held(folder):
        yield from _resume(folder, options, say, download)


def run_name(training: Training, seed: int) -> str:
    """The name of the run folder: that of the training, with the seed where it has several."""
    return training.name if len(training.seeds) == 1 and seed in training.seeds else f"{training.name}-seed{seed}"


def examples_of(program: Program, training: Training, options: Options, say: Say,
                download: DownloadProgress | None = None) -> Examples:
    """The examples that a run of this training would learn and be tested on. SnError if they cannot be had."""
    return _examples(overridden(training, options), options, _Home.of(program.sources), say, download).examples


def initial_file(program: Program, training: Training, options: Options) -> Path | None:
    """The file of initial weights of a run of this training; None if they are drawn. SnError if it is not there."""
    if options.initial is not None or training.initial_file is None:
        return options.initial
    return _Home.of(program.sources).file(training.initial_file, training.place("initial"), _folders(options))


def overridden(training: Training, options: Options) -> Training:
    """The training with the passes and the data of the options instead of its own."""
    if options.passes is not None:
        if options.passes < 1:
            raise fail(f"a training has 1 or more passes, not {options.passes}")
        training = replace(training, stages=fitted_stages(training.stages, options.passes))
    if options.data:
        training = replace(training, data=DataChoice(names=tuple(options.data)))
    return training


# ---- A new run ---------------------------------------------------------------------------------------------------


def _run(program: Program, training: Training, seed: int, options: Options, say: Say,
         download: DownloadProgress | None) -> Iterator[Event]:
    began = time.perf_counter()
    training = overridden(training, options)
    home = _Home.of(program.sources)
    found = _examples(training, options, home, say, download)
    if options.data_digest not in (None, found.examples.digest):
        raise fail(f"the data {found.examples.name} ({found.examples.origin}) are not those that were asked for: "
                   f"their digest is {found.examples.digest[:12]}, not {str(options.data_digest)[:12]}",
                   hint="give the folder of those with --data-dir")
    data = prepare(training, found.examples, options.dtype)
    engine, instead = engine_of(training, options)
    engine.load_parameters(_weights(training, seed, options, home))
    start = Snapshot(0, engine.parameters(), engine.state(), {})
    settings = _settings(training, seed, options, found, data, engine)
    name = options.folder or run_name(training, seed)
    made = records.create_run(options.out, name, program.sources, settings, start, options.folder is not None)
    with records.held(made.folder):
        yield _started(made.folder, training, found, data, engine, seed, instead=instead)
        yield from _passes(made, training, data, engine, seed, None, began)


def _passes(made: records.Run, training: Training, data: PreparedData, engine: Engine, seed: int,
            start: Snapshot | None, began: float) -> Iterator[Event]:
    """The passes from `start` on, each recorded before it is told; an interrupt ends them after the last recorded."""
    before = done = 0 if start is None else start.number
    try:
        for step in steps(training, data, engine, seed, start):
            if isinstance(step, Pass):
                records.record_pass(made, step)
                done = step.number
                yield Passed(step)
            else:
                yield step
    except KeyboardInterrupt:
        pass
    completed = done == training.passes
    if completed and made.settings.get("finished") is None:
        records.record_settings(made, finished=provenance.now())
    yield Finished(made.folder, (done - before) * len(data.train), time.perf_counter() - began, completed)


def engine_of(training: Training, options: Options) -> tuple[Engine, str]:
    """The engine that is asked for, or the first by default that can compute the net; and why an earlier one cannot."""
    names = default_engines(training) if options.engine is None else (options.engine,)
    instead = ""
    for name, other in zip(names, names[1:]):
        try:
            engine = engine_for(training, training.stages[0], name, options.dtype)
            engine.outputs(np.zeros((1, training.net.layers[0].units)))  # what cannot be compiled shows here
            return engine, ""
        except SnError as error:
            instead = f"{error.faults[0].message}: the {other} engine runs instead"
    return engine_for(training, training.stages[0], names[-1], options.dtype), instead


def _weights(training: Training, seed: int, options: Options, home: _Home) -> dict[str, np.ndarray]:
    if options.initial is not None:
        return load_initial(options.initial, training.net)
    if training.initial_file is not None:
        span = training.place("initial")
        return load_initial(home.file(training.initial_file, span, _folders(options)), training.net, span)
    return initial_weights(training, seed)


# ---- Data and files ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Found:
    examples: Examples
    wanted: tuple[str, ...]
    rank: int
    reasons: tuple[str, ...]


def _examples(training: Training, options: Options, home: _Home, say: Say,
              download: DownloadProgress | None) -> _Found:
    choice = training.data
    if choice.names:
        sentences: list[str] = []

        def heard(sentence: str) -> None:
            sentences.append(sentence)
            say(sentence)

        search = Search.usual(options.data_dir, options.online)
        spans = [choice.span] * len(choice.names)
        examples, rank = find(choice.names, search, heard, download, spans)
        return _Found(examples, choice.names, rank, tuple(sentences))
    if choice.patterns is not None:
        files = [home.file(name, choice.span, _folders(options)) for name in choice.patterns]
        examples = from_files(files[0], files[1], choice.span)
    else:
        assert choice.inputs is not None and choice.targets is not None
        examples = from_matrices(choice.inputs, choice.targets, span=choice.span)
    return _Found(examples, (examples.name,), 0, ())


def _folders(options: Options) -> list[Path]:
    """Where a pattern file is looked for beside its program; what came with SN has a folder of its own."""
    folders = [folder for _, folder in Search.usual(options.data_dir, options.online).folders()]
    return [*folders, *(folder / "sn28" for folder in folders)]


@dataclass(frozen=True)
class _Home:
    """Where the files are that a program names: beside its texts, wherever those were when the run was begun."""

    root: Path  # the folder that holds all its texts; nothing outside is read for the program
    moved_from: Path | None = None  # texts were read from this copy of `root`

    @staticmethod
    def of(sources: tuple[Source, ...]) -> _Home:
        return _Home(Path(os.path.commonpath([_folder_of(source) for source in sources])))

    def file(self, name: str, span: Span | None, folders: list[Path]) -> Path:
        """The file a clause names: beside the text it stands in, else in a data folder. SnError if there is none."""
        beside = self.root if span is None else self._original(_folder_of(span.source))
        outside = False
        for allowed, start in ((self.root, beside), *((folder, folder) for folder in folders)):
            place = (start / name).resolve()
            if not place.is_relative_to(allowed.resolve()):
                outside = True
            elif place.is_file():
                return place
        where = ", ".join(str(folder) for folder in (beside, *folders))
        if outside:
            raise fail(f'"{name}" is outside of the folder of the program', span,
                       f"put it below {self.root}, or below the folder of --data-dir")
        raise fail(f'there is no file "{name}" in {where}', span)

    def _original(self, folder: Path) -> Path:
        if self.moved_from is None or not folder.is_relative_to(self.moved_from):
            return folder
        return self.root / folder.relative_to(self.moved_from)


def _folder_of(source: Source) -> Path:
    return Path.cwd() if source.name.startswith("<") else Path(source.name).resolve().parent


# ---- Resuming ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Reopened:
    """A run folder as what it was made from: the training, its data as they are shown, an engine of the same kind,
    still without weights."""

    made: records.Run
    training: Training
    data: PreparedData
    engine: Engine
    found: _Found


def learned(folder: Path, options: Options = Options(), say: Say = lambda sentence: None,
            download: DownloadProgress | None = None) -> Reopened:
    """A run with the weights that it has learned so far in its engine. SnError as for `resume`; nothing is written."""
    again = _reopened(records.open_run(folder), options, say, download)
    again.engine.load_parameters(again.made.weights())
    return again


def _resume(folder: Path, options: Options, say: Say, download: DownloadProgress | None) -> Iterator[Event]:
    began = time.perf_counter()
    again = _reopened(records.reopen_run(folder), options, say, download)
    made, training, data, engine = again.made, again.training, again.data, again.engine
    seed = made.settings["seed"]
    yield _started(made.folder, training, again.found, data, engine, seed, made.snapshot.number)
    yield from _passes(made, training, data, engine, seed, made.snapshot, began)


def _reopened(made: records.Run, options: Options, say: Say, download: DownloadProgress | None) -> Reopened:
    records.check_settings(made)
    folder, settings = made.folder, made.settings
    name, used, presets = settings["name"], settings["data"], settings["presets"]
    engine_name, dtype, root = settings["engine"], settings["dtype"], Path(settings["source"]["root"])
    options = replace(options, data=tuple(settings["overrides"]["data"]), passes=settings["overrides"]["passes"])
    program = read_program(made.main_source, presets=presets, texts=made.folder / records.SOURCES)
    training = overridden(program.trainings.get(name), options)
    if training.data.names:
        training = replace(training, data=replace(training.data, names=(used["name"],)))
    if training.net.digest != settings["net_digest"]:
        raise fail(f"the net {training.net.name} is not the one the run {folder} was begun with",
                   hint="its source was changed, or this snsim builds another net from it: begin a new run")
    if changed := made.changed_sources():
        raise fail(f"the run {folder} was begun with another text: {', '.join(changed)} in its {records.SOURCES}/",
                   hint="undo the change, or begin a new run with the changed text")
    _check_checkpoint(made, training)
    home = _Home(root, (made.folder / records.SOURCES).resolve())
    found = _examples(training, options, home, say, download)
    if found.examples.digest != used["digest"]:
        raise fail(f"the data {found.examples.name} ({found.examples.origin}) are not those the run was begun with "
                   f"({used['origin']})", hint="give the folder of those with --data-dir, or begin a new run")
    for sentence in provenance.differences(settings["versions"], provenance.versions(engine_name)):
        say(sentence)
    data = prepare(training, found.examples, dtype)
    found = replace(found, wanted=tuple(used["wanted"]), rank=int(used["rank"]))
    stage, _ = stage_of(training.stages, min(made.snapshot.number + 1, training.passes))
    return Reopened(made, training, data, engine_for(training, stage, engine_name, dtype), found)


def _check_checkpoint(made: records.Run, training: Training) -> None:
    """SnError if the weights of the checkpoint are not those of the net."""
    found = {name: array.shape for name, array in made.snapshot.parameters.items()}
    net = training.net
    if found != {p.name: p.shape for p in net.parameters}:
        raise fail(f"{made.folder / records.CHECKPOINT} is damaged: its weights are not those of the net {net.name}",
                   hint="this run cannot be resumed; run its source/ anew")


# ---- What is recorded --------------------------------------------------------------------------------------------


def _started(folder: Path, training: Training, found: _Found, data: PreparedData, engine: Engine, seed: int,
             done: int = 0, instead: str = "") -> Started:
    return Started(folder, training, training.net.counts, data.name, data.origin, found.wanted, found.rank,
                   found.reasons, (len(data.train), 0 if data.test is None else len(data.test)), engine.name,
                   str(engine.dtype), seed, done, instead)


def _settings(training: Training, seed: int, options: Options, found: _Found, data: PreparedData,
              engine: Engine) -> dict[str, Any]:
    counts = training.net.counts
    return {
        "name": training.name, "net": training.net.name, "net_digest": training.net.digest,
        "counts": {"units": counts.units, "connections": counts.connections, "weights": counts.weights},
        "passes": training.passes, "seed": seed, "engine": engine.name, "dtype": str(engine.dtype),
        "cost": training.cost.name, "correct": [training.criterion[0], *training.criterion[1]],
        "updates": list(dict.fromkeys(stage.rule.name for stage in training.stages)),
        "data": {"name": data.name, "digest": data.digest, "origin": data.origin, "wanted": list(found.wanted),
                 "rank": found.rank, "train": len(data.train), "test": 0 if data.test is None else len(data.test)},
        "published": dict(training.published),
        "overrides": {"data": list(options.data), "passes": options.passes,
                      "initial": None if options.initial is None else str(options.initial)},
        "presets": dict(options.presets), "command": list(options.command),
        "versions": provenance.versions(engine.name), "platform": platform.platform(),
        "machine": provenance.machine(),
        "started": provenance.now(), "finished": None,
    }
