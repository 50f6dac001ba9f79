"""Run tasks that differ in their seed at the same time: their nets learn together in the torch engine.

Each task keeps its own run folder, generators and records, as if it ran alone. The events of all runs are taken in
turn. What a net is to learn is only noted by its engine, and all nets learn in common steps. Every pass is saved: a
killed group loses the pass that it was in, and resumes together.
"""

from __future__ import annotations

import io
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from snsim import run_folder
from snsim.engines.protocol import Engine
from snsim.errors import SnError, fail
from snsim.operating_system import allow_open_files
from snsim.program import Program, read_program
from snsim.runs.opened_run import OpenedRun
from snsim.runs.run import Event, PreparedRun, RunFinished, prepare_run, record_passes, run_prepared, started_event
from snsim.studies.one_run import Outcome, attempt, check_identity, is_finished
from snsim.studies.plan import Task
from snsim.training.choose_engine import build_engines_together, refuse_together
from snsim.training.memory_need import check_memory_together

_FILES = 4  # that a run has open: its folder, its log, and one that is written
_OTHERS = 100  # open files of this process besides


def groups_of(tasks: Sequence[Task], together: int) -> list[tuple[Task, ...]]:
    """Return the tasks in groups of at most `together` that differ in their seed alone, in order."""
    alike: dict[tuple[Path, str, int | None], list[Task]] = {}
    for task in tasks:
        alike.setdefault((task.file, task.training, task.options.fold), []).append(task)
    return [
        tuple(group[start : start + together]) for group in alike.values() for start in range(0, len(group), together)
    ]


def attempt_together(tasks: Sequence[Task]) -> list[Outcome]:
    """Run tasks that differ in their seed at the same time, resume their runs, or wait for other attempts at them.

    Faults that a user can cause are in the outcomes.
    """
    try:
        unfinished = [task for task in tasks if not is_finished(task)]
        ended = _run_to_the_end(unfinished) if unfinished else {}
    except SnError as error:
        return [Outcome(task, error.faults) for task in tasks]
    return [ended[task.folder] if task.folder in ended else attempt(task) for task in tasks]


def _run_to_the_end(tasks: Sequence[Task]) -> dict[Path, Outcome]:
    """Run tasks together. Return the outcomes by folder, without those of runs that another attempt holds."""
    first = tasks[0].options
    program = read_program(tasks[0].file, presets=first.presets, port=io.StringIO())
    training = program.trainings.get(tasks[0].training)
    refuse_together(training)
    _allow_open_files(_FILES * len(tasks) + _OTHERS)
    prepared = prepare_run(program, training, first)
    check_memory_together(prepared.training, first.dtype, first.memory, prepared.data, len(tasks))
    engines = build_engines_together(prepared.training, first.dtype, len(tasks), first.device)
    ended: dict[Path, Outcome] = {}
    with ExitStack() as stack:
        running: list[tuple[Task, Generator[Event, None, None]]] = []
        for task, engine in zip(tasks, engines):
            check_identity(program, training, task)
            running.append((task, stack.enter_context(closing(_events(program, prepared, task, engine)))))
        while running:
            running = [(task, events) for task, events in running if _goes_on(task, events, ended)]
    return ended


def _goes_on(task: Task, events: Generator[Event, None, None], ended: dict[Path, Outcome]) -> bool:
    """Take the next event of a run. Return False at its end, after its outcome is in `ended`.

    A run that another attempt holds ends without an outcome. KeyboardInterrupt if it was interrupted.
    """
    try:
        event = next(events, None)
    except run_folder.RunBusyError:
        return False
    except SnError as error:  # one net may diverge; the others go on
        ended[task.folder] = Outcome(task, error.faults)
        return False
    if isinstance(event, RunFinished) and not event.completed:
        raise KeyboardInterrupt
    if event is None:
        ended[task.folder] = Outcome(task)
    return event is not None


def _allow_open_files(count: int) -> None:
    allowed = allow_open_files(count)
    if allowed < count:
        raise fail(
            f"these runs at the same time need {count:,} open files, and this system allows {allowed:,}",
            hint=f"write --together {max(1, (allowed - _OTHERS) // _FILES)}, or allow more files with ulimit -n",
        )


def _events(program: Program, prepared: PreparedRun, task: Task, engine: Engine) -> Generator[Event, None, None]:
    """Run a task from its last checkpoint to the end on an engine, and save every pass."""
    began = time.perf_counter()
    if not task.folder.exists():
        yield from run_prepared(program, prepared, task.seed, replace(task.options, save_every=0.0), engine, began)
        return
    with run_folder.lock_run(task.folder):
        run = OpenedRun(run_folder.reopen_run(task.folder), task.options, locked=True)
        training, data, snapshot = run.training, prepared.data, run.snapshot
        yield started_event(task.folder, training, prepared.found, data, engine, task.seed, snapshot.number)
        yield from record_passes(run.record, training, data, engine, task.seed, snapshot, began, 0.0)
