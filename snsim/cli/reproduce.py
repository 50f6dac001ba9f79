"""`snsim reproduce`: the studies of some files, run over cores or a cluster, and their report."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snsim.cli.errors import WrongUseError
from snsim.cli.exit_codes import FAULT, INTERRUPTED
from snsim.cli.options import Whole, of_runs, presets
from snsim.cli.reading import read_reported
from snsim.colour import DIM, GREEN, RED, echo, is_terminal, paint, painted_fault
from snsim.errors import SnError, fail
from snsim.escaping import for_json, for_line, for_shell
from snsim.memory_limit import default_limit
from snsim.own_files import refuse_own_file, write_output
from snsim.registry import suggest

if TYPE_CHECKING:
    from snsim.program import Program
    from snsim.runs.options import Options, Say
    from snsim.studies import page as study_page
    from snsim.studies import plan
    from snsim.studies import results as figures
    from snsim.studies.one_run import Outcome


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@of_runs
@click.option(
    "--seeds", "count", type=Whole(min=1, max=100_000), metavar="N", help="Seeds 1 to N, instead of those described."
)
@click.option("--jobs", type=Whole(min=1), metavar="N", help="Runs at once. [default: the number of cores]")
@click.option("--cluster", metavar="ADDRESS", help="Run on the workers of this Dask scheduler.")
@click.option("--base", metavar="NAME", help="Tell the differences of each row from this one, seed by seed.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder that keeps the runs. [default: runs/reproduced]")
@click.option(
    "--report",
    "page",
    type=click.Path(path_type=Path),
    metavar="FILE.md",
    help="The report, as JSON beside it. [default: in the folder of --out]",
)
def reproduce(files: Sequence[str], **options: Any) -> int:
    """Run every training of each FILE with all its seeds, and write a report: means and deviations over the seeds
    beside the published figures.

    Runs that are finished already are taken, one that was stopped or killed goes on: the same command again ends what
    an earlier one began.
    """
    if options["count"] and options["seeds"]:
        raise WrongUseError(
            "--seeds N means seeds 1 to N: it does not go together with --seed",
            "leave out --seeds, and name each seed: --seed 1 --seed 2",
        )
    if options["cluster"] and options["jobs"]:
        raise WrongUseError(
            "--cluster has as many workers as it has: it does not go together with --jobs",
            "leave out --jobs, or compute on this machine without --cluster",
        )
    values = presets(options["settings"])
    run_options, order, say = asked_for(options, values)
    programs = [read_reported(file, values) for file in dict.fromkeys(files)]
    return reproduce_files(programs, run_options, order, say)


_LONGEST = 200  # letters of a page's name: file systems take 255 bytes
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # the cores are taken by runs


@dataclass(frozen=True)
class Order:
    """What is asked for beside the description of the runs. `rows` repeats the options that a row's command needs."""

    only: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    jobs: int | None = None  # default: one a core
    cluster: str | None = None
    base: str | None = None
    report: Path | None = None
    rows: tuple[str, ...] = ()
    as_json: bool = False
    quiet: bool = False


def reproduce_files(programs: Sequence[Program], options: Options, order: Order, say: Say) -> int:
    """Run what the files declare, write the report, print where it is; exit code 1 if a run could not be ended."""
    from snsim.studies import executors, plan
    from snsim.studies import page as study_page

    studies = plan.plan(programs, options, order.only, order.seeds, say)
    _check_base(studies, order.base)
    page = order.report or options.out / _page_name(studies, order)
    for file in (page, page.with_suffix(".json")):
        refuse_own_file(file)
    tasks = list({task.folder: task for study in studies for row in study.rows for task in row.tasks}.values())
    failures: dict[Path, str] = {}
    try:
        with _progress(order, len(tasks)) as progress:
            left = [task for task in tasks if not progress.told_before(task)]
            if left:
                shared = _shares(left, order, min(order.jobs or executors.cores(), len(left)))
                with _executor(order, len(left)) as executor:
                    for outcome in executors.reproduce(shared, executor):
                        progress.tell(outcome)
                        if outcome.faults:
                            failures[outcome.task.folder] = "; ".join(fault.message for fault in outcome.faults)
    except KeyboardInterrupt:
        echo(f"interrupted; what is done is kept in {for_line(options.out)}; to go on:\n  {_own_command()}", err=True)
        return INTERRUPTED
    report = study_page.Report(
        _own_command(),
        datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC"),
        tuple(_as_read(study, failures, order) for study in studies),
        order.base,
    )
    _write(page, report)
    _tell_end(page, report, failures, order)
    return FAULT if failures else 0


def asked_for(given: Mapping[str, Any], presets: Mapping[str, float | str]) -> tuple[Options, Order, Say]:
    """The options of the command line; WrongUseError for an engine or data set that is not there, or for a report
    that would be its own JSON.
    """
    from snsim.cli.run import options_from, sayer

    page = given["page"]
    if page is not None and page.suffix != ".md":
        raise WrongUseError(
            f"--report names a page of Markdown, FILE.md, not {page}",
            f"write --report {for_shell([page.parent / ((page.stem or 'page') + '.md')])}",
        )
    options = options_from({**given, "out": given["out"] or Path("runs") / "reproduced"}, presets)
    count = given["count"]
    order = Order(
        tuple(given["only"]),
        tuple(range(1, count + 1)) if count else tuple(given["seeds"]),
        given["jobs"],
        given["cluster"],
        given["base"],
        page,
        _repeated(given),
        given["as_json"],
        given["quiet"],
    )
    return options, order, sayer(order.as_json, order.quiet)


def _repeated(given: Mapping[str, Any]) -> tuple[str, ...]:
    """The options that a row's command must have too."""
    stated = [
        (option, given[name])
        for option, name in (
            ("--seeds", "count"),
            ("--seed", "seeds"),
            ("--passes", "passes"),
            ("--engine", "engine"),
            ("--dtype", "dtype"),
            ("--data", "data"),
            ("--fold", "fold"),
            ("--initial", "initial"),
            ("--set", "settings"),
        )
    ]
    return tuple(
        text
        for option, value in stated
        if value
        for one in (value if isinstance(value, tuple) else (value,))
        for text in (option, str(one))
    )


# ---- Running -----------------------------------------------------------------------------------------------------


def _shares(tasks: list[plan.Task], order: Order, jobs: int) -> list[plan.Task]:
    """The tasks, each with its share of the memory where none is stated and several run at once on this machine."""
    limit = default_limit()
    if order.cluster is not None or limit is None:
        return tasks
    return [
        task if task.options.memory is not None else replace(task, options=replace(task.options, memory=limit // jobs))
        for task in tasks
    ]


@contextmanager
def _executor(order: Order, tasks: int) -> Iterator[Executor]:
    from snsim.studies import executors

    if order.cluster is not None:
        with executors.cluster(order.cluster) as executor:
            yield executor
    else:
        for name in ONE_THREAD:
            os.environ.setdefault(name, "1")  # the workers take it over
        with executors.processes(min(order.jobs or executors.cores(), tasks)) as executor:
            yield executor


class _Progress:
    """A line for each run as it ends, with how many of all have ended."""

    def __init__(self, order: Order, total: int):
        self._order, self._total, self._done = order, total, 0
        self._began = time.monotonic()

    def told_before(self, task: plan.Task) -> bool:
        """Whether the run was finished by an earlier command; then its line is printed. What is wrong with its folder
        is told by the attempt to go on, so that the other runs are not lost.
        """
        from snsim.studies.one_run import Outcome, is_finished

        try:
            finished = is_finished(task)
        except SnError:
            return False
        if finished:
            self.tell(Outcome(task), "done before")
        return finished

    def tell(self, outcome: Outcome, how: str = "") -> None:
        from snsim import run_folder
        from snsim.studies import page as study_page
        from snsim.studies import results as figures

        self._done += 1
        task, run = outcome.task, None if outcome.faults else run_folder.open_run(outcome.task.folder)
        found = {} if run is None else figures.figures_of(run)
        if self._order.as_json:
            told = (
                {"run": str(task.folder), "figures": found}
                if run is not None
                else {"errors": [fault.as_json() for fault in outcome.faults]}
            )
            echo(
                for_json(
                    {
                        "event": "run",
                        "training": task.training,
                        **_trial(task).as_json(),
                        "before": bool(how),
                        "done": self._done,
                        "of": self._total,
                        **told,
                    }
                )
            )
        elif run is None:
            echo(paint(f"{task.training}, seed {_trial(task)} was not ended:", RED, stream=sys.stderr), err=True)
            for fault in outcome.faults:
                echo(painted_fault(fault, sys.stderr), err=True)
        elif not self._order.quiet:
            took = how or f"{found.get('cpu-seconds', 0.0):.1f} s of CPU"
            count = paint(f"[{self._done} of {self._total}]", DIM, stream=sys.stdout)
            echo(f"{count} {task.training}, seed {_trial(task)}: {study_page.figures_line(found)}; {took}")
        sys.stdout.flush()


@contextmanager
def _progress(order: Order, total: int) -> Iterator[_Progress]:
    if not order.quiet and not order.as_json and is_terminal(sys.stdout):
        echo(paint(f"{total} runs", DIM, stream=sys.stdout))
    yield _Progress(order, total)


# ---- The report --------------------------------------------------------------------------------------------------


def _as_read(study: plan.Study, failures: dict[Path, str], order: Order) -> figures.Study:
    """The study with its runs as they stand in their folders."""
    from snsim import run_folder
    from snsim.studies import results as figures

    rows = []
    for row in study.rows:
        training, ended = row.training, [task for task in row.tasks if task.folder not in failures]
        rows.append(
            figures.Row(
                training.name,
                _command(["reproduce", study.file, "--only", training.name, *order.rows]),
                training.published,
                training.notes,
                not training.cost.softmax,
                {_trial(task): run_folder.open_run(task.folder) for task in ended},
                {_trial(task): failures[task.folder] for task in row.tasks if task.folder in failures},
            )
        )
    return figures.Study(_stem(study), study.file, study.introduction, tuple(rows))


def _trial(task: plan.Task) -> figures.Trial:
    """The seed and the fold of a task."""
    from snsim.studies import results as figures

    return figures.Trial(task.seed, task.options.fold)


def _write(page: Path, report: study_page.Report) -> None:
    from snsim.studies import page as study_page

    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        write_output(page, study_page.as_markdown(report).encode())
        text = json.dumps(study_page.as_json(report), indent=1, ensure_ascii=False)
        write_output(page.with_suffix(".json"), text.encode(errors="backslashreplace") + b"\n")
    except OSError as error:
        raise fail(
            f"the report {page} cannot be written: {error.strerror or error}",
            hint="name another file with --report; the runs are kept",
        ) from None


def _tell_end(page: Path, report: study_page.Report, failures: dict[Path, str], order: Order) -> None:
    from snsim.studies import page as study_page

    if order.as_json:
        echo(for_json({"event": "done", "report": str(page), **study_page.as_json(report)}))
        return
    ended = "1 run" if len(report.runs) == 1 else f"{len(report.runs)} runs"
    ended += f", {len(failures)} not ended" if failures else ""
    echo(
        paint(
            f"{ended}; the report is {for_line(page)}, and the same as JSON {for_line(page.with_suffix('.json').name)}",
            RED if failures else GREEN,
            stream=sys.stdout,
        )
    )


def _check_base(studies: Sequence[plan.Study], base: str | None) -> None:
    names = [row.training.name for study in studies for row in study.rows]
    if base is not None and base not in names:
        raise fail(f'no row is called "{base}"', hint=suggest(base, names, "rows"))


def _stem(study: plan.Study) -> str:
    return Path(study.file).stem


def _page_name(studies: Sequence[plan.Study], order: Order) -> str:
    """Of the whole study, or with the rows that are asked for, so that a row does not take the place of the whole."""
    from snsim import run_folder

    name = run_folder.folder_name("-".join(["-and-".join(_stem(study) for study in studies), *order.only]))
    return f"{name[:_LONGEST]}.md"


def _own_command() -> str:
    return _command(sys.argv[1:])


def _command(arguments: Sequence[str]) -> str:
    return for_shell(["snsim", *arguments])
