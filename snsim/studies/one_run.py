"""One task, done where it is sent: in a process of this machine or by a worker of a cluster.

Any number of attempts at one task may be made, one after the other or at once, and each may be killed at any moment:
the run folder goes from checkpoint to checkpoint, held by one attempt at a time, and who finds it finished takes it as
it is. An attempt that is killed loses a second of its work at most.
"""

from __future__ import annotations

import io
import time
from dataclasses import dataclass

from snsim import run_folder
from snsim.errors import Fault, SnError, fail
from snsim.program import read_program
from snsim.runs.resume import resume
from snsim.runs.run import Finished, run
from snsim.studies.plan import Task, identity_of

_WAIT = 0.2  # seconds between two looks at a run that another attempt holds


@dataclass(frozen=True)
class Outcome:
    """The end of a task: its run folder has all passes, or `faults` say why it has not."""

    task: Task
    faults: tuple[Fault, ...] = ()


def attempt(task: Task) -> Outcome:
    """Run the task, go on with its run, or wait for who is at it; what a user can cause is told in the outcome."""
    try:
        while not is_finished(task):
            try:
                _go_on(task)
            except run_folder.RunBusyError:
                time.sleep(_WAIT)
    except SnError as error:
        return Outcome(task, error.faults)
    return Outcome(task)


def is_finished(task: Task) -> bool:
    """Whether the run folder of the task has all its passes. SnError if it is damaged."""
    return task.folder.exists() and run_folder.open_run(task.folder).is_finished


def _go_on(task: Task) -> None:
    """Run the task from its last checkpoint to the end. RunBusyError if another attempt has its folder."""
    if task.folder.exists():
        events = resume(task.folder, task.options)
    else:
        program = read_program(task.file, presets=task.options.presets, port=io.StringIO())
        training = program.trainings.get(task.training)
        found = identity_of(program, training, task.seed, task.options, str(task.options.data_digest))
        if found != task.identity:
            raise fail(
                f"{task.file} is not what it was when the study was begun",
                hint="begin the study again: what is done already is kept",
            )
        events = run(program, training, task.seed, task.options)
    for event in events:
        if isinstance(event, Finished) and not event.completed:
            raise KeyboardInterrupt
