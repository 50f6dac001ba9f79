"""Going on with a run that was stopped, and a run opened again with what it learned."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

from snsim import run_folder
from snsim.data.progress import Progress as DownloadProgress
from snsim.engines.protocol import Engine
from snsim.errors import fail
from snsim.language.limits import ACTING
from snsim.program import read_program
from snsim.runs import provenance
from snsim.runs.examples import FoundExamples, SourceFolder, find_examples
from snsim.runs.options import Options, Say, overridden
from snsim.runs.run import Event, engine_again, record_passes, started_event
from snsim.training.prepare import PreparedData, prepare
from snsim.training.schedule import stage_of
from snsim.training.spec import Training


def resume(
    folder: Path,
    options: Options = Options(),
    say: Say = lambda sentence: None,
    download: DownloadProgress | None = None,
) -> Generator[Event, None, None]:
    """Go on with a run that was stopped or killed; it ends with the same bits as one that was not.

    All but `data_dir` and `online` comes from the run folder, the program from its copy of the source. SnError if the
    folder is damaged, or if the data or the texts are not those it was begun with; Busy if another snsim runs it.
    """
    with run_folder.held(folder):
        yield from _resume(folder, options, say, download)


@dataclass(frozen=True, eq=False)
class Reopened:
    """A run folder as what it was made from: the training, its data as they are shown, an engine of the same kind,
    still without weights.
    """

    made: run_folder.Run
    training: Training
    data: PreparedData
    engine: Engine
    found: FoundExamples


def learned(
    folder: Path,
    options: Options = Options(),
    say: Say = lambda sentence: None,
    download: DownloadProgress | None = None,
) -> Reopened:
    """A run with the weights that it has learned so far in its engine. SnError as for `resume`; nothing is written."""
    again = _reopened(run_folder.open_run(folder), options, say, download)
    again.engine.load_parameters(again.made.weights())
    return again


def _resume(
    folder: Path, options: Options, say: Say, download: DownloadProgress | None
) -> Generator[Event, None, None]:
    began = time.perf_counter()
    again = _reopened(run_folder.reopen_run(folder), options, say, download)
    made, training, data, engine = again.made, again.training, again.data, again.engine
    seed = made.settings["seed"]
    yield started_event(made.folder, training, again.found, data, engine, seed, made.snapshot.number)
    yield from record_passes(made, training, data, engine, seed, made.snapshot, began, options.save_every)


def _reopened(made: run_folder.Run, options: Options, say: Say, download: DownloadProgress | None) -> Reopened:
    folder, settings = made.folder, made.settings
    made.check_sources()  # before a text is evaluated
    name, used, presets = settings["name"], settings["data"], settings["presets"]
    engine_name, dtype, root = settings["engine"], settings["dtype"], Path(settings["source"]["root"])
    overrides = settings["overrides"]
    options = replace(options, data=tuple(overrides["data"]), passes=overrides["passes"], fold=overrides.get("fold"))
    program = read_program(made.main_source, presets=presets, texts=made.folder / run_folder.SOURCES, limits=ACTING)
    training = overridden(program.trainings.get(name), options)
    if training.data.names:
        training = replace(training, data=replace(training.data, names=(used["name"],)))
    if training.net.digest != settings["net_digest"]:
        raise fail(
            f"the net {training.net.name} is not the one the run {folder} was begun with",
            hint="its source was changed, or this snsim builds another net from it: begin a new run",
        )
    if training.passes != settings["passes"]:
        raise fail(
            f"{folder / run_folder.SETTINGS} is damaged: it tells of {settings['passes']:,} passes, and its "
            f"text with the options of the run has {training.passes:,}",
            hint=f"put back the number {training.passes} at passes, or the one of --passes at overrides",
        )
    _check_checkpoint(made, training)
    home = SourceFolder(root, (made.folder / run_folder.SOURCES).resolve())
    found = find_examples(training, options, home, say, download)
    if found.examples.digest != used["digest"]:
        in_text = found.examples.name == "examples"
        raise fail(
            f"the data {found.examples.name} ({found.examples.origin}) are not those the run was begun with "
            f"({used['origin']})",
            training.place("data"),
            hint="put back the numbers as they were, or begin a new run"
            if in_text
            else "give the folder of those with --data-dir, or begin a new run",
        )
    for sentence in provenance.differences(settings["versions"], provenance.versions(engine_name)):
        say(sentence)
    data = prepare(training, found.examples, dtype)
    found = replace(found, wanted=tuple(used["wanted"]), rank=int(used["rank"]))
    engine = engine_again(training, min(made.snapshot.number + 1, training.passes), engine_name, dtype, options, data)
    return Reopened(made, training, data, engine, found)


def _check_checkpoint(made: run_folder.Run, training: Training) -> None:
    """SnError if the weights or the update state of the checkpoint are not those of the training."""
    stage, _ = stage_of(training.stages, max(1, made.snapshot.number))
    run_folder.check_snapshot(
        made,
        {p.name: p.shape for p in training.net.parameters},
        {f"{p.name}/{state}": p.shape for p in training.net.parameters if p.learns for state in stage.rule.states},
    )
