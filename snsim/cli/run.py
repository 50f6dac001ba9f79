"""`snsim run`: run trainings with their seeds, one after the other, and show them by a view."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snsim.cli.errors import WrongUseError, report
from snsim.cli.exit_codes import BROKEN_PIPE, INTERRUPTED
from snsim.cli.options import Whole, of_runs, option_name, portable_option, presets, seconds_option, stated_options
from snsim.cli.reading import hints_of_the_gallery, named_path
from snsim.colour import DIM, echo, is_terminal, paint
from snsim.errors import SnError, fail
from snsim.escaping import for_line, for_shell
from snsim.gallery import gallery_file, is_path
from snsim.input_files import exists
from snsim.registry import Shelf

if TYPE_CHECKING:
    from snsim.console.views import View
    from snsim.data.progress import ProgressBar
    from snsim.program import Program
    from snsim.runs.options import Options, Say
    from snsim.runs.run import Event, RunFinished
    from snsim.training.spec import Training

NEW_RUN_ONLY = (
    "seeds",
    "engine",
    "portable",
    "dtype",
    "fold",
    "initial",
    "only",
    "out",
    "settings",
    "kernel",
    "fast",
    "steps",
    "seconds",
    "megabytes",
    "pictures",
    "windows",
)  # not with --resume


@click.command()
@click.argument("file", required=False)
@of_runs
@click.option("--out", type=click.Path(path_type=Path), help="Parent of the run folders. [default: runs]")
@click.option("--device", metavar="NAME", help="Device of PyTorch, such as cuda, for the torch engine. [default: cpu]")
@portable_option
@click.option(
    "--kernel",
    type=click.Choice(["sn28", "sn28ite", "sn28new", "sn28itenew"]),
    help="SN-2.8 kernel, if the program chooses none. [default: the first that has the functions it calls]",
)
@click.option(
    "--fast",
    is_flag=True,
    help="Add the sums of an SN-2.8 program in another order: faster, but the last digits change.",
)
@click.option("--steps", type=Whole(min=1), metavar="N", help="Steps that the Lisp may take. [default: 30 million]")
@seconds_option("60 for a text that only declares, otherwise no limit")
@click.option(
    "--megabytes", type=Whole(min=1), metavar="N", help="Megabytes that an SN-2.8 program may write. [default: 2000]"
)
@click.option(
    "--pictures",
    type=click.Choice(["svg", "png", "none"]),
    help="File type in which the windows of a program are saved. [default: svg]",
)
@click.option("--windows", is_flag=True, help="Show the windows of a program while it runs.")
@click.option(
    "--resume",
    type=click.Path(),
    metavar="RUN",
    help="Resume a stopped run; with --passes N, prolong it to N passes in all.",
)
@click.option(
    "--tensorboard", type=click.Path(path_type=Path), metavar="DIR", help="Also write TensorBoard event files to DIR."
)
@click.option("--watch", is_flag=True, help="Show the run in the browser while it learns; prints the address.")
def run(file: str | None, **options: Any) -> int:
    """Train what FILE declares, in order: each training, each of its seeds.

    FILE is a path, or the name of a net of the gallery: `snsim run lecun89`. `snsim list net` shows them.

    An SN-2.8 program trains by itself when it is read. It prints as it runs, and its files go into a run folder of its
    name.
    """
    from snsim.cli.run_sn28 import read_and_run

    resumed, as_json, quiet = options["resume"], bool(options["as_json"]), bool(options["quiet"])
    if file is None and resumed is None:
        raise WrongUseError(
            "snsim run needs a FILE, or a run to resume",
            "write snsim run FILE, or snsim run --resume RUN",
        )
    if file is not None and resumed is not None:
        raise WrongUseError(
            f"--resume reads the source from the run folder: {file} and --resume cannot be combined",
            f"write snsim run --resume {for_shell([resumed])}",
        )
    stated = sorted(name for name in NEW_RUN_ONLY if options[name])
    if resumed is not None and stated:
        raise WrongUseError(
            f"--resume reads its options from the run folder: --{option_name(stated[0])} is not allowed",
            f"leave out --{option_name(stated[0])}, or start a new run: snsim run FILE",
        )
    set_values = presets(options["settings"])
    moved = _place_of_data(options["data"]) if resumed is not None else None
    run_options = options_from({**options, "data": ()} if moved else options, set_values)
    run_options = replace(run_options, moved=moved)
    view, say = choose_view(as_json, quiet, options["tensorboard"]), sayer(as_json, quiet)
    if options["watch"]:
        from snsim.page.play.browser_view import BrowserView

        view = BrowserView(view)
    finished: list[RunFinished] = []
    if file is None:
        folder = named_path(resumed, "run", quiet=as_json or quiet)
        code = resume_run(Path(folder), run_options, view, say, finished)
    else:
        path = named_path(file, "net", quiet=as_json or quiet)
        port = sys.stderr if as_json or quiet else sys.stdout
        with hints_of_the_gallery():
            program = read_and_run(path, run_options, options, port, say)
        report(program.warnings)
        if only_defines(program):
            names = ", ".join(map(for_line, program.defined))
            say(f"{for_line(path)} defines {names}, and does nothing by itself")
            return 0
        code = run_file(program, run_options, options["seeds"], options["only"], view, say, finished)
    if finished and not code and not as_json and not quiet:
        commands = next_commands(finished, file, click.get_current_context())
        echo("\n".join(["next:", *(f"  {command}" for command in commands)]))
    return code


def next_commands(finished: Sequence[RunFinished], file: str | None, context: click.Context) -> list[str]:
    """Return the commands to type after these runs, with the options of the command line that they need again.

    `file` is the word that named the description; None after a resumed run.
    """
    last = finished[-1].run
    runs = [event.run for event in finished]
    data = stated_options(context, ("data_dir", "offline", "memory"))
    commands = [f"snsim plot {for_shell(runs)}", f"snsim report {for_shell([last, *data])}"]
    if not finished[-1].has_delays:
        commands.append(f"snsim page {for_shell([last, *data])}")
    group = context.find_root().command
    if isinstance(group, click.Group) and "predict" in group.list_commands(context):
        commands.append(f"snsim predict {for_shell([last])} FILE")
    if file is not None:
        repeated = stated_options(context, leave_out=("seeds", "resume", "tensorboard"))
        unused = max(event.seed for event in finished) + 1
        source = Path(file) if is_data_path(file) else file
        commands += [f"snsim show {for_shell([source])}", f"snsim run {for_shell([source, *repeated])} --seed {unused}"]
    return commands


def _place_of_data(names: Sequence[str]) -> Path | None:
    """Return the place to which the data of a resumed run were moved (--data), or None.

    WrongUseError unless it is one path.
    """
    if len(names) > 1 or any(not is_data_path(name) for name in names):
        raise WrongUseError(
            f"--resume reads its data set from the run folder: --data {names[0]} is not allowed",
            "with --resume, --data takes one file or folder: the place to which the data of the run were moved",
        )
    return Path(os.path.abspath(names[0])) if names else None


def only_defines(program: Program) -> bool:
    """Return whether a program sets functions or variables and does nothing else: it is made to be loaded."""
    return bool(program.defined) and not (program.acted or program.own_trainings or program.nets.own())


def run_file(
    program: Program,
    options: Options,
    seeds: Sequence[int],
    only: Sequence[str],
    view: View,
    say: Say,
    finished: list[RunFinished],
) -> int:
    """Run the trainings that the program's own file declares, with each of their seeds or of `seeds`.

    Return the exit code; runs that end are added to `finished`.

    A program of SN-2.8 has already trained while it was read, and may declare no training.
    """
    from snsim.runs.run import run as run_training

    for training in chosen_trainings(program, only):
        for seed in seeds or training.seeds:
            code = follow(run_training(program, training, seed, options, say, _download_bar()), view, options, finished)
            if code:
                return code
    return 0


def resume_run(folder: Path, options: Options, view: View, say: Say, finished: list[RunFinished]) -> int:
    """Resume the run of a folder and return the exit code; add it to `finished` if it ends."""
    from snsim.runs.resume import resume

    return follow(resume(folder, options, say, _download_bar(), options.passes), view, options, finished)


def follow(events: Generator[Event, None, None], view: View, options: Options, finished: list[RunFinished]) -> int:
    """Show the events of one run and return the exit code; add the last event to `finished` if the run is complete.

    After an interrupt, or when the output pipe was closed, the run can be resumed.
    """
    from snsim.runs.run import RunFinished, RunStarted

    run: Path | None = None
    completed = False
    try:
        with closing(events):  # saves the passes shown, whatever ends the loop
            for event in events:
                if isinstance(event, RunStarted):
                    run = event.run
                    report(event.warnings)
                view.show(event)
                if isinstance(event, RunFinished) and event.completed:
                    completed = True
                    finished.append(event)
        code = 0 if completed else INTERRUPTED
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        code = BROKEN_PIPE
    finally:
        view.close()
    if code:
        _tell_how_to_resume(run, options, "the output pipe was closed" if code == BROKEN_PIPE else "interrupted")
    return code


def chosen_trainings(program: Program, only: Sequence[str]) -> list[Training]:
    """Return the trainings to run, in order. SnError if there is none, or none of a name in `only`."""
    if not program.own_trainings and not program.acted:
        source = program.sources[0]
        hint = "(train NAME clause ...) declares one; trainings of included files are not run"
        if source.path is not None and source.path.resolve() == gallery_file(source.path.stem):
            hint = f"copy the net with snsim new mine --like {source.path.stem}, and add (train mine clause ...)"
        raise fail(f"{source.name} declares no training: there is nothing to run", hint=hint)
    return program.chosen_trainings(only)


def options_from(stated: Mapping[str, Any], presets: Mapping[str, float | str]) -> Options:
    """Return the options of the command line. WrongUseError for an unknown engine or data set."""
    from snsim.data.catalog import DATA_SETS
    from snsim.engines import ENGINES
    from snsim.runs.options import Options

    _check_known(ENGINES, [stated["engine"]] if stated["engine"] else [], "--engine")
    data = data_of_option(stated["data"], DATA_SETS)
    changed = {
        name: stated[name]
        for name in (
            "engine",
            "device",
            "dtype",
            "data_dir",
            "fold",
            "initial",
            "passes",
            "out",
            "memory",
            "portable",
            "threads",
        )
        if stated.get(name) is not None
    }
    return Options(**changed, data=data, online=not stated["offline"], presets=presets, command=tuple(sys.argv[1:]))


def data_of_option(names: Sequence[str], sets: Shelf[Any]) -> tuple[str, ...]:
    """Return the names given with --data; for a file or folder its absolute path alone.

    WrongUseError for an unknown data set, and for a path beside other names.
    """
    paths = [name for name in names if name not in sets and is_data_path(name)]
    if not paths:
        _check_known(sets, names, "--data")
        return tuple(names)
    if len(names) > 1:
        raise WrongUseError(
            f"--data {paths[0]} is a file or folder, and it must be the only --data: {len(names)} are given",
            f"keep one: --data {for_shell(paths[:1])}",
        )
    return (os.path.abspath(paths[0]),)


def is_data_path(name: str) -> bool:
    """Tell whether the value of --data is a path, not the name of a data set: by its form, or because it exists."""
    return name != "" and (is_path(name) or exists(name))


def choose_view(as_json: bool, quiet: bool, events: Path | None = None) -> View:
    """Return the view for the given options and the kind of output. `events`: the folder of --tensorboard."""
    from snsim.console.views import JsonView, PlainView, QuietView

    if events is not None:
        from snsim.console.tensorboard_view import TensorBoardView

        return TensorBoardView(choose_view(as_json, quiet), events)
    if as_json:
        return JsonView(quiet)
    if quiet:
        return QuietView()
    if not is_terminal(sys.stdout):
        return PlainView()
    from snsim.console.live_table import TerminalView

    return TerminalView()


def sayer(as_json: bool, quiet: bool) -> Say:
    """Return a function that prints sentences on standard error, or drops them with --json or --quiet."""
    if as_json or quiet:
        return lambda sentence: None
    return lambda sentence: echo(paint(for_line(sentence), DIM, stream=sys.stderr), err=True)


def _check_known(shelf: Shelf[Any], names: Sequence[str], option: str) -> None:
    for name in names:
        try:
            shelf.get(name)
        except SnError as error:
            fault = error.faults[0]
            raise WrongUseError(f"{option}: {fault.message}", fault.hint) from None


def _download_bar() -> ProgressBar | None:
    from snsim.data.progress import ProgressBar

    return ProgressBar(sys.stderr) if is_terminal(sys.stderr) else None


def _tell_how_to_resume(run: Path | None, options: Options, why: str) -> None:
    from snsim.runs.options import reading_options

    if run is None:
        echo(f"{why} before the first pass: there is no run folder yet", err=True)
    else:
        echo(f"{why}; to resume:\n  snsim run --resume {for_shell([run, *reading_options(options)])}", err=True)
