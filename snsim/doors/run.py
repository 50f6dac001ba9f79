"""`snsim run`: which trainings with which seeds, one after the other, shown by a view."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Callable, Iterator, Mapping, Sequence

import click

from snsim import experiment
from snsim.data.catalog import DATA_SETS
from snsim.data.progress import ProgressBar
from snsim.doors.codes import BROKEN_PIPE, INTERRUPTED
from snsim.doors.terminal import DIM, is_terminal, paint
from snsim.doors.view import View
from snsim.engines import ENGINES
from snsim.errors import SnError, fail
from snsim.experiment import Event, Finished, Options, Started
from snsim.learning.training import Training
from snsim.program import Program
from snsim.shelf import Shelf, suggest

Say = Callable[[str], None]


def run_file(program: Program, options: Options, seeds: Sequence[int], only: Sequence[str], view: View,
             say: Say) -> int:
    """Run the trainings the program's own file declares, each with each of its seeds (or those given); exit code.

    What the program did by itself is done: there may be no training left to run.
    """
    for training in chosen_trainings(program, only):
        for seed in seeds or training.seeds:
            code = follow(experiment.run(program, training, seed, options, say, _download_bar()), view)
            if code:
                return code
    return 0


def resume_run(folder: Path, options: Options, view: View, say: Say) -> int:
    """Go on with the run of a folder; exit code."""
    return follow(experiment.resume(folder, options, say, _download_bar()), view)


def follow(events: Iterator[Event], view: View) -> int:
    """Show the events of one run. An interrupt, or a reader that went away, leaves the run folder to be resumed."""
    run: Path | None = None
    completed = False
    try:
        for event in events:
            if isinstance(event, Started):
                run = event.run
            completed = isinstance(event, Finished) and event.completed
            view.show(event)
        code = 0 if completed else INTERRUPTED
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        code = BROKEN_PIPE
    finally:
        view.close()
    if code:
        _tell_how_to_resume(run, "nobody reads the output any more" if code == BROKEN_PIPE else "interrupted")
    return code


def chosen_trainings(program: Program, only: Sequence[str]) -> list[Training]:
    """The trainings to run, in order; SnError if there is none, or no such."""
    declared = program.own_trainings
    names = [training.name for training in declared]
    file = program.sources[0].name
    if not declared and not program.acted:
        raise fail(f"{file} declares no training of its own: there is nothing to run",
                   hint="(train NAME clause ...) declares one; what comes by include is declared, not run")
    for name in only:
        if name not in names:
            raise fail(f'{file} declares no training "{name}"', hint=suggest(name, names, "trainings"))
    return [training for training in declared if not only or training.name in only]


def options_from(given: Mapping[str, object], presets: Mapping[str, float | str]) -> Options:
    """The options of the command line; click.UsageError for an engine or data set that is not there."""
    _known(ENGINES, [given["engine"]] if given["engine"] else [], "--engine")
    _known(DATA_SETS, list(given["data"]), "--data")  # type: ignore[call-overload]
    stated = {name: given[name] for name in ("engine", "dtype", "data_dir", "initial", "passes", "out")
              if given[name] is not None}
    return Options(**stated, data=tuple(given["data"]), online=not given["offline"],  # type: ignore[arg-type]
                   presets=presets, command=tuple(sys.argv[1:]))


def sayer(as_json: bool, quiet: bool) -> Say:
    """Where sentences about data go: standard error; nowhere if little or only JSON is asked for."""
    if as_json or quiet:
        return lambda sentence: None
    return lambda sentence: click.echo(paint(sentence, DIM, stream=sys.stderr), err=True)


def _known(shelf: Shelf, names: Sequence[str], option: str) -> None:
    for name in names:
        try:
            shelf.get(name)
        except SnError as error:
            fault = error.faults[0]
            raise click.UsageError(f"{option}: {fault.message}; {fault.hint}") from None


def _download_bar() -> ProgressBar | None:
    return ProgressBar(sys.stderr) if is_terminal(sys.stderr) else None


def _tell_how_to_resume(run: Path | None, why: str) -> None:
    if run is None:
        click.echo(f"{why} before the first pass: there is no run folder yet", err=True)
    else:
        click.echo(f"{why}; to go on:\n  snsim run --resume {shlex.quote(str(run))}", err=True)
