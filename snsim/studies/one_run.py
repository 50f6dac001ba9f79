"""Run one task where it is sent: in a process of this machine or on a worker of a cluster.

A task may be attempted any number of times, one after the other or at once, and each attempt may be killed at any
moment. The run folder goes from checkpoint to checkpoint, and only one attempt holds it at a time. A finished run is
reused. A killed attempt loses at most one second of its work.
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np

from snsim import run_folder
from snsim.data.progress import Progress
from snsim.engines.protocol import Engine
from snsim.errors import Fault, SnError, fail
from snsim.program import Program, read_program
from snsim.runs.examples import SourceFolder
from snsim.runs.options import Options, Say
from snsim.runs.resume import resume
from snsim.runs.run import ReadData, RunData, RunFinished, choose_engine, read_data, run
from snsim.studies.plan import Task, identity_of
from snsim.training.prepare import PreparedData
from snsim.training.spec import Training

_WAIT = 0.2  # seconds between two checks of a run that another attempt holds


@dataclass(frozen=True)
class LastPass:
    """The last pass of a run without a folder: its line as in passes.jsonl, and the settings of run.json."""

    line: Mapping[str, Any]
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """The end of a task: its run folder has all passes, or here is its last pass, or `faults` say why not."""

    task: Task
    faults: tuple[Fault, ...] = ()
    last_pass: LastPass | None = None  # of a run without a folder


def attempt(task: Task) -> Outcome:
    """Run the task, resume its run, or wait for another attempt at it.

    Faults that a user can cause are in the outcome.
    """
    try:
        while not is_finished(task):
            try:
                _run_to_the_end(task)
            except run_folder.RunBusyError:
                time.sleep(_WAIT)
    except SnError as error:
        return Outcome(task, error.faults)
    return Outcome(task)


def is_finished(task: Task) -> bool:
    """Return whether the run folder of the task has all its passes. SnError if it is damaged."""
    return task.folder.exists() and run_folder.open_run(task.folder).is_finished


class KeptParts:
    """The data and the engine of the last task, so that tasks that differ in their seed read and compile once.

    The data of a file that changes while a study runs stay those of its first task, which the study has checked.
    Only a native engine whose run has ended without a fault is used again, with the state of a new one.
    """

    def __init__(self) -> None:
        self._task: Task | None = None
        self._data: RunData | None = None
        self._used: tuple[Engine, str, Mapping[str, np.ndarray]] | None = None  # with its state when it was new
        self._free = False  # whether that engine can be used again

    def reader(self, task: Task, identity: str) -> ReadData:
        """Return the function that provides the data of a task, whose identity with any seed is stated."""
        return partial(self._read, replace(task, seed=0, identity=identity, options=replace(task.options, folder=None)))

    def _read(
        self,
        task: Task,
        training: Training,
        options: Options,
        source_folder: SourceFolder,
        say: Say,
        download: Progress | None,
    ) -> RunData:
        if self._data is None or task != self._task:
            self._data = self._used = None  # two data sets may be too large together
            self._task, self._data = task, read_data(training, options, source_folder, say, download)
        return self._data

    def choose(self, training: Training, options: Options, data: PreparedData) -> tuple[Engine, str]:
        """Return the engine of a task whose data have just been read, and why the others cannot compute it."""
        if self._used is None or not self._free:
            self._used = None
            engine, instead = choose_engine(training, options, data, learns=True)
            self._used = (engine, instead, engine.state()) if engine.name == "native" else None
        else:
            engine, instead, new = self._used
            engine.load_state(new)
        self._free = False
        return engine, instead

    def free_engine(self) -> None:
        """Note that the run of the engine has ended without a fault."""
        self._free = True


@cache
def _kept_parts() -> KeptParts:
    """Return what this process keeps between its tasks."""
    return KeptParts()


def _run_to_the_end(task: Task) -> None:
    """Run the task from its last checkpoint to the end. Raises RunBusyError if another attempt holds its folder."""
    kept, resumed = _kept_parts(), task.folder.exists()
    if resumed:
        events = resume(task.folder, task.options)
    else:
        program = read_program(task.file, presets=task.options.presets, port=io.StringIO())
        training = program.trainings.get(task.training)
        check_identity(program, training, task)
        without_seed = identity_of(program, training, 0, task.options, str(task.options.data_digest))
        read = kept.reader(task, without_seed)
        events = run(program, training, task.seed, task.options, read=read, choose=kept.choose)
    for event in events:
        if isinstance(event, RunFinished) and not event.completed:
            raise KeyboardInterrupt
    if not resumed:
        kept.free_engine()


def check_identity(program: Program, training: Training, task: Task) -> None:
    """Raise SnError if the text of a task is no longer the one that the study was planned with."""
    identity = identity_of(program, training, task.seed, task.options, str(task.options.data_digest))
    if identity != task.identity:
        raise fail(
            f"{task.file} has changed since the study started",
            hint="start the study again; runs that are unchanged are reused",
        )
