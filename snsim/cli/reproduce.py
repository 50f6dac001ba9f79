"""`snsim reproduce`: run the studies of files on all cores or a cluster, and write their report."""

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
from snsim.cli.options import Whole, of_runs, portable_option, presets
from snsim.cli.reading import named_path, read_and_report
from snsim.colour import DIM, GREEN, RED, echo, is_terminal, paint, painted_fault
from snsim.errors import Fault, SnError, fail
from snsim.escaping import for_json, for_line, for_shell
from snsim.memory_limit import default_limit
from snsim.operating_system import usable_cores
from snsim.protected_files import refuse_protected_file, write_file, write_output
from snsim.registry import suggest

if TYPE_CHECKING:
    from snsim.program import Program
    from snsim.runs.options import Options, Say
    from snsim.studies import page as study_page
    from snsim.studies import plan
    from snsim.studies import results as figures
    from snsim.studies.joint import Joint
    from snsim.studies.kept_runs import KeptRuns
    from snsim.studies.one_run import Outcome


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@of_runs
@portable_option
@click.option(
    "--seeds",
    "count",
    type=Whole(min=1, max=100_000),
    metavar="N",
    help="Seeds 1 to N; replaces the seeds of the description.",
)
@click.option("--jobs", type=Whole(min=1), metavar="N", help="Number of parallel runs. [default: the number of cores]")
@click.option(
    "--together",
    type=Whole(min=1, max=100_000),
    metavar="N",
    help="Let the nets of N seeds learn at the same time in the torch engine: for a GPU, with --device cuda.",
)
@click.option("--device", metavar="NAME", help="Device of PyTorch, such as cuda, for the torch engine. [default: cpu]")
@click.option("--cluster", metavar="ADDRESS", help="Run on the workers of this Dask scheduler.")
@click.option("--base", metavar="NAME", help="Report the differences of each row from this row, seed by seed.")
@click.option(
    "--joint",
    is_flag=True,
    help="Judge all published figures of a row together: how likely is it that one new run has them?",
)
@click.option(
    "--sort",
    metavar="FIGURE",
    help="Order the rows of the report by their mean of this figure, the smallest first.",
)
@click.option("--top", type=Whole(min=1), metavar="N", help="Show only the first N rows in the report.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the runs. [default: runs/reproduced]")
@click.option(
    "--figures",
    type=click.Path(path_type=Path),
    metavar="FILE.csv",
    help="Keep only the published figures of each run, in this file, and score only the last pass.",
)
@click.option("--finished", is_flag=True, help="Start no run: report only the runs that are finished.")
@click.option(
    "--report",
    "page",
    type=click.Path(path_type=Path),
    metavar="FILE.md",
    help="File of the report, with a JSON file beside it; FILE.json: only that. [default: in the folder of --out]",
)
def reproduce(files: Sequence[str], **options: Any) -> int:
    """Run every training of each FILE with all its seeds, and write a report.

    The report has means and deviations over the seeds beside the published numbers. Finished runs are reused and
    interrupted runs resume: repeat the command to complete an interrupted study.
    """
    if options["count"] and options["seeds"]:
        raise WrongUseError(
            "--seeds N means seeds 1 to N: --seeds and --seed cannot be combined",
            "leave out --seeds, and name each seed: --seed 1 --seed 2",
        )
    if options["cluster"] and options["jobs"]:
        raise WrongUseError(
            "the cluster decides how many runs are parallel: --cluster and --jobs cannot be combined",
            "leave out --jobs, or leave out --cluster to run on this machine",
        )
    if options["together"] and (options["portable"] or options["engine"] not in (None, "torch")):
        stated = "--portable" if options["portable"] else f"--engine {options['engine']}"
        raise WrongUseError(
            f"only the torch engine lets nets learn at the same time: --together and {stated} cannot be combined",
            f"leave out {stated}, or leave out --together: each net then learns alone",
        )
    if options["together"] and options["figures"]:
        raise WrongUseError(
            "nets that learn at the same time keep run folders: --together and --figures cannot be combined",
            "leave out --figures, or leave out --together: each net then learns alone",
        )
    values = presets(options["settings"])
    run_options, reproduction, say = read_options(options, values)
    programs = [read_and_report(named_path(file, "net"), values) for file in dict.fromkeys(files)]
    return reproduce_files(programs, run_options, reproduction, say)


_LONGEST = 200  # characters of the name of a page: file systems take 255 bytes
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # each core has a run of its own


@dataclass(frozen=True)
class ReproduceOptions:
    """The options of `snsim reproduce` besides those of a single run.

    `rows` has the options that the command of a row of the report must repeat.
    """

    only: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    jobs: int | None = None  # default: one a core
    cluster: str | None = None
    base: str | None = None
    report: Path | None = None
    rows: tuple[str, ...] = ()
    as_json: bool = False
    quiet: bool = False
    joint: bool = False
    sort: str | None = None  # a figure of results.COLUMNS
    top: int | None = None
    figures: Path | None = None  # a file for the figures of all runs, in place of run folders
    finished: bool = False  # start no run
    together: int | None = None


def reproduce_files(programs: Sequence[Program], options: Options, reproduction: ReproduceOptions, say: Say) -> int:
    """Run what the files declare, write the report and print its name. Return exit code 1 if a run failed."""
    from snsim.studies import page as study_page
    from snsim.studies import plan
    from snsim.studies import results as figures
    from snsim.studies.joint import judge_together
    from snsim.studies.kept_runs import FiguresFile, RunFolders

    studies = plan.plan(programs, options, reproduction.only, reproduction.seeds, say)
    _check_base(studies, reproduction.base)
    page = reproduction.report or options.out / _page_name(studies, reproduction)
    for file in (page, page.with_suffix(".json")):
        refuse_protected_file(file)
    kept = RunFolders() if reproduction.figures is None else FiguresFile(reproduction.figures, studies)
    tasks = list({task.folder: task for study in studies for row in study.rows for task in row.tasks}.values())
    failures: dict[Path, str] = {}
    try:
        with _progress(reproduction, len(tasks), kept) as progress:
            unfinished = [task for task in tasks if not progress.report_if_finished(task)]
            if unfinished and not reproduction.finished:
                jobs = _jobs(reproduction, options, unfinished)
                shared = _share_memory(unfinished, reproduction, jobs)
                with _executor(reproduction, jobs) as executor:
                    for outcome in _outcomes(shared, reproduction, executor, kept):
                        kept.keep(outcome)
                        progress.report(outcome)
                        if outcome.faults:
                            failures[outcome.task.folder] = "; ".join(fault.message for fault in outcome.faults)
    except KeyboardInterrupt:
        where = for_line(reproduction.figures or options.out)
        echo(f"interrupted; the runs are kept in {where}; to resume:\n  {_own_command()}", err=True)
        return INTERRUPTED
    with_runs = [_with_runs(study, kept, failures, reproduction) for study in studies]
    joint: dict[str, Joint] = {}
    unjudged: list[Fault] = []
    for study in with_runs if reproduction.joint else ():
        try:
            joint[study.name] = judge_together(study, reproduction.base)
        except SnError as error:  # the report of the runs is written anyway
            unjudged += error.faults
    report = study_page.Report(
        _own_command(),
        datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC"),
        tuple(figures.ordered(study, reproduction.sort, reproduction.top) for study in with_runs),
        reproduction.base,
        joint,
    )
    _write(page, report)
    joint_pages = _write_joint_pages(page, report) if page.suffix == ".md" else []
    _print_end(page, joint_pages, report, failures, reproduction)
    if unjudged:
        raise SnError(unjudged)
    return FAULT if failures else 0


def read_options(
    stated: Mapping[str, Any], presets: Mapping[str, float | str]
) -> tuple[Options, ReproduceOptions, Say]:
    """Return the options of the command line, and the function that prints sentences.

    WrongUseError for an unknown engine or data set, or a report that does not end with .md.
    """
    from snsim.cli.run import options_from, sayer

    page = stated["page"]
    if page is not None and page.suffix not in (".md", ".json"):
        raise WrongUseError(
            f"--report names a Markdown file, FILE.md, or a JSON file, FILE.json, not {page}",
            f"write --report {for_shell([page.parent / ((page.stem or 'page') + '.md')])}",
        )
    options = options_from({**stated, "out": stated["out"] or Path("runs") / "reproduced"}, presets)
    if stated["together"]:
        options = replace(options, engine="torch", together=stated["together"])
    count = stated["count"]
    reproduction = ReproduceOptions(
        tuple(stated["only"]),
        tuple(range(1, count + 1)) if count else tuple(stated["seeds"]),
        stated["jobs"],
        stated["cluster"],
        stated["base"],
        page,
        _row_options(stated),
        stated["as_json"],
        stated["quiet"],
        stated["joint"],
        _checked_figure(stated["sort"]),
        stated["top"],
        _csv_file(stated["figures"]),
        stated["finished"],
        stated["together"],
    )
    return options, reproduction, sayer(reproduction.as_json, reproduction.quiet)


def _csv_file(path: Path | None) -> Path | None:
    """Return the file of --figures. WrongUseError if it does not end with .csv."""
    if path is not None and path.suffix != ".csv":
        raise WrongUseError(
            f"--figures names a file of comma-separated values, FILE.csv, not {path}",
            f"write --figures {for_shell([path.parent / ((path.stem or 'figures') + '.csv')])}",
        )
    return path


def _checked_figure(name: str | None) -> str | None:
    """Return the figure of --sort. WrongUseError for an unknown one."""
    from snsim.studies.results import COLUMNS

    names = [column.figure for column in COLUMNS]
    if name is not None and name not in names:
        raise WrongUseError(f'--sort: there is no figure "{name}"', suggest(name, names, "figures"))
    return name


def _row_options(stated: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the options that the command of a row must repeat."""
    values = [
        (option, stated[name])
        for option, name in (
            ("--seeds", "count"),
            ("--seed", "seeds"),
            ("--passes", "passes"),
            ("--engine", "engine"),
            ("--device", "device"),
            ("--together", "together"),
            ("--dtype", "dtype"),
            ("--data", "data"),
            ("--fold", "fold"),
            ("--initial", "initial"),
            ("--set", "settings"),
        )
    ]
    portable = ("--portable",) if stated["portable"] else ()
    return portable + tuple(
        text
        for option, value in values
        if value
        for one in (value if isinstance(value, tuple) else (value,))
        for text in (option, str(one))
    )


# ---- Running -----------------------------------------------------------------------------------------------------


def _share_memory(tasks: list[plan.Task], reproduction: ReproduceOptions, jobs: int) -> list[plan.Task]:
    """Return the tasks, each with its share of the memory if none is stated and `jobs` run at once."""
    limit = default_limit()
    if reproduction.cluster is not None or limit is None:
        return tasks
    return [
        task if task.options.memory is not None else replace(task, options=replace(task.options, memory=limit // jobs))
        for task in tasks
    ]


def _jobs(reproduction: ReproduceOptions, options: Options, tasks: Sequence[plan.Task]) -> int:
    """Return the number of workers: one a core or as many as there is work for; one for a device, if none is stated."""
    count = len(tasks)
    if reproduction.together is not None:
        from snsim.studies.together import groups_of

        count = len(groups_of(tasks, reproduction.together))
    default = 1 if options.device not in (None, "cpu") else usable_cores()
    return min(reproduction.jobs or default, count)


def _outcomes(
    tasks: list[plan.Task], reproduction: ReproduceOptions, executor: Executor, kept: KeptRuns
) -> Iterator[Outcome]:
    from snsim.studies import executors

    if reproduction.together is None:
        return executors.reproduce(tasks, executor, kept)
    return executors.reproduce_together(tasks, reproduction.together, executor)


@contextmanager
def _executor(reproduction: ReproduceOptions, jobs: int) -> Iterator[Executor]:
    from snsim.studies import executors

    if reproduction.cluster is not None:
        with executors.cluster(reproduction.cluster) as executor:
            yield executor
    else:
        for name in ONE_THREAD:
            os.environ.setdefault(name, "1")  # the workers inherit it
        with executors.processes(jobs) as executor:
            yield executor


class _Progress:
    """Prints a line for each run that ends, with the number of runs done and of all."""

    def __init__(self, reproduction: ReproduceOptions, total: int, kept: KeptRuns):
        self._options, self._total, self._kept, self._done = reproduction, total, kept, 0
        self._ran = 0  # runs that this command has done itself
        self._start_time = time.monotonic()
        self._told: set[str] = set()  # the faults that were printed

    def report_if_finished(self, task: plan.Task) -> bool:
        """Return whether an earlier command finished the run, and print its line if so.

        A damaged folder counts as not finished: the error comes when the run resumes, and does not stop other runs.
        """
        from snsim.studies.one_run import Outcome

        try:
            finished = self._kept.run_of(task) is not None
        except SnError:
            return False
        if finished and self._options.figures is not None:
            self._done += 1  # of thousands of runs, a line each would hide the new ones
        elif finished:
            self.report(Outcome(task), "done before")
        return finished

    def report(self, outcome: Outcome, how: str = "") -> None:
        """Print the line of a run that has ended; `how` replaces its CPU time."""
        from snsim.studies import page as study_page
        from snsim.studies import results as figures

        self._done += 1
        self._ran += not how
        task, run = outcome.task, None if outcome.faults else self._kept.run_of(outcome.task)
        scores = {} if run is None else figures.figures_of(run)
        if self._options.as_json:
            result = (
                {"run": str(task.folder), "figures": scores}
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
                        **result,
                    }
                )
            )
        elif run is None:
            echo(paint(f"{task.training}, seed {_trial(task)} failed:", RED, stream=sys.stderr), err=True)
            for fault in outcome.faults:
                if str(fault) not in self._told:
                    self._told.add(str(fault))
                    echo(painted_fault(fault, sys.stderr), err=True)
                else:
                    echo(f"  {for_line(fault.message)}, as above", err=True)
        elif not self._options.quiet:
            took = how or f"{scores.get('cpu-seconds', 0.0):.1f} s of CPU"
            count = paint(f"[{self._done} of {self._total}{self._time_left()}]", DIM, stream=sys.stdout)
            echo(f"{count} {task.training}, seed {_trial(task)}: {study_page.figures_line(scores)}; {took}")
        sys.stdout.flush()

    def _time_left(self) -> str:
        """Return how long the runs that are left take at the pace until now; "" below a minute."""
        seconds = (time.monotonic() - self._start_time) / max(self._ran, 1) * (self._total - self._done)
        if not self._ran or seconds < 60:
            return ""
        return f", {seconds / 60:.0f} min left" if seconds < 5_400 else f", {seconds / 3_600:.1f} h left"


@contextmanager
def _progress(reproduction: ReproduceOptions, total: int, kept: KeptRuns) -> Iterator[_Progress]:
    if not reproduction.quiet and not reproduction.as_json and is_terminal(sys.stdout):
        echo(paint(f"{total} runs", DIM, stream=sys.stdout))
    yield _Progress(reproduction, total, kept)


# ---- The report --------------------------------------------------------------------------------------------------


def _with_runs(
    study: plan.PlannedStudy, kept: KeptRuns, failures: dict[Path, str], reproduction: ReproduceOptions
) -> figures.Study:
    """Return a study with its runs as they are kept."""
    from snsim.studies import results as figures

    rows = []
    for row in study.rows:
        training = row.training
        runs = {_trial(task): kept.run_of(task) for task in row.tasks if task.folder not in failures}
        rows.append(
            figures.Row(
                training.name,
                _command(["reproduce", study.file, "--only", training.name, *reproduction.rows]),
                training.published,
                training.notes,
                not training.cost.softmax,
                {trial: run for trial, run in runs.items() if run is not None},
                {_trial(task): failures[task.folder] for task in row.tasks if task.folder in failures},
                training.prior,
                training.first_data,
            )
        )
    return figures.Study(_stem(study), study.file, study.introduction, tuple(rows))


def _trial(task: plan.Task) -> figures.Trial:
    """Return the seed and the fold of a task."""
    from snsim.studies import results as figures

    return figures.Trial(task.seed, task.options.fold)


def _write(page: Path, report: study_page.Report) -> None:
    from snsim.studies import page as study_page

    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        if page.suffix == ".md":
            write_output(page, study_page.as_markdown(report).encode())
        text = json.dumps(study_page.as_json(report), indent=1, ensure_ascii=False)
        write_output(page.with_suffix(".json"), text.encode(errors="backslashreplace") + b"\n")
    except OSError as error:
        raise fail(
            f"the report {page} cannot be written: {error.strerror or error}",
            hint="name another file with --report; the runs are kept",
        ) from None


def _write_joint_pages(page: Path, report: study_page.Report) -> list[Path]:
    """Write the page of each study that was judged together beside the report, and return their paths."""
    if not report.joint:
        return []
    from snsim.studies import page as study_page
    from snsim.studies.joint_page import joint_page

    pages: list[Path] = []
    for study in report.studies:
        if study.name in report.joint:
            own = (
                page.with_suffix(".html")
                if len(report.joint) == 1
                else page.with_name(f"{page.stem}-{study.name}.html")
            )
            made = f"{report.date}; {study_page.machines_and_engines(report)}"
            content = joint_page(study, report.joint[study.name], report.command, made)
            write_file(own, content, "name another file with --report; the runs are kept")
            pages.append(own)
    return pages


def _print_end(
    page: Path,
    joint_pages: list[Path],
    report: study_page.Report,
    failures: dict[Path, str],
    reproduction: ReproduceOptions,
) -> None:
    from snsim.studies import page as study_page

    if reproduction.as_json:
        echo(for_json({"event": "done", "report": str(page), **study_page.as_json(report)}))
        return
    ended = "1 run" if len(report.runs) == 1 else f"{len(report.runs)} runs"
    ended += f", {len(failures)} failed" if failures else ""
    also = "" if page.suffix == ".json" else f", and the same as JSON {for_line(page.with_suffix('.json').name)}"
    echo(
        paint(
            f"{ended}; the report is {for_line(page)}{also}",
            RED if failures else GREEN,
            stream=sys.stdout,
        )
    )
    for own in joint_pages:
        echo(f"all figures together, with pictures: {for_line(own)}")


def _check_base(studies: Sequence[plan.PlannedStudy], base: str | None) -> None:
    names = [row.training.name for study in studies for row in study.rows]
    if base is not None and base not in names:
        raise fail(f'no row is called "{base}"', hint=suggest(base, names, "rows"))


def _stem(study: plan.PlannedStudy) -> str:
    return Path(study.file).stem


def _page_name(studies: Sequence[plan.PlannedStudy], reproduction: ReproduceOptions) -> str:
    """Return the file name of the report: that of the study, and the rows asked for, if not all are."""
    from snsim import run_folder

    name = run_folder.folder_name("-".join(["-and-".join(_stem(study) for study in studies), *reproduction.only]))
    return f"{name[:_LONGEST]}.md"


def _own_command() -> str:
    return _command(sys.argv[1:])


def _command(arguments: Sequence[str]) -> str:
    return for_shell(["snsim", *arguments])
