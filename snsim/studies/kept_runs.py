"""Keep the runs of a study: each in a run folder, or the figures of all of them in one CSV file.

The CSV file has a line for each run: the first 12 digits of its identity, the training, the variables of its design,
its seed and its figures, which are empty if it diverged. A line is written when its run finishes. If a kill cuts a line
short, its run is repeated. Comments at the start of the file tell as JSON what made the figures. The column `made`
counts them from 1.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from snsim import run_folder
from snsim.errors import SnError, fail
from snsim.protected_files import write_file
from snsim.registry import split_cell
from snsim.run_folder import Run
from snsim.studies.joint import settings_of
from snsim.studies.last_pass import attempt_last_pass
from snsim.studies.one_run import LastPass, Outcome, attempt
from snsim.studies.plan import PlannedRow, PlannedStudy, Task
from snsim.studies.results import figures_of
from snsim.training.loop import Snapshot

_DIGITS = 12  # of an identity
_COMMENT = "# "


class KeptRuns(Protocol):
    """Where the runs of a study are kept, and what runs a task so that they can be."""

    @property
    def attempt(self) -> Callable[[Task], Outcome]: ...

    @property
    def order(self) -> Callable[[Task], Any]:
        """The order of tasks: smaller ones first."""

    def run_of(self, task: Task) -> Run | None:
        """Return the run of a task, or None if it has not finished. SnError if it is damaged."""

    def keep(self, outcome: Outcome) -> None:
        """Keep the run of a task that has just ended."""


class RunFolders:
    """Each run in a folder of its own, which the task itself writes."""

    attempt = staticmethod(attempt)

    @staticmethod
    def order(task: Task) -> float:
        return -task.work

    def run_of(self, task: Task) -> Run | None:
        run = run_folder.open_run(task.folder) if task.folder.exists() else None
        return run if run is not None and run.is_finished else None

    def keep(self, outcome: Outcome) -> None:
        pass


class FiguresFile:
    """The figures of the last pass of each run, in a CSV file; it begins with the runs that the file has.

    Tasks run in the order of their identities, which is random: a part of the runs is a fair part of each design.
    """

    attempt = staticmethod(attempt_last_pass)

    def __init__(self, path: Path, studies: Sequence[PlannedStudy]):
        rows = [row for study in studies for row in study.rows]
        self._path = path
        self._tasks = {_key(task): task for row in rows for task in row.tasks}
        self._columns = _columns(rows)
        self._runs: dict[str, LastPass] = {}
        self._others: list[Mapping[str, str]] = []  # lines of runs that no task has
        self._made: list[Mapping[str, Any]] = []
        self._read()
        self._write()

    @staticmethod
    def order(task: Task) -> str:
        return task.identity

    def run_of(self, task: Task) -> Run | None:
        kept = self._runs.get(_key(task))
        if kept is None:
            return None
        passes = int(kept.settings["passes"])
        folder = Path(f"{split_cell(task.training)[0]}-seed{task.seed}-{_key(task)}")
        return Run(folder, kept.settings, (kept.line,), Snapshot(passes, {}, {}, {}))

    def keep(self, outcome: Outcome) -> None:
        if outcome.last_pass is None:
            return
        key, settings = _key(outcome.task), outcome.last_pass.settings
        is_new = settings not in self._made
        self._made += [settings] if is_new else []
        line = self._line(key, outcome.last_pass)
        written = dict(zip(self._columns, next(csv.reader([line]))))
        self._runs[key] = LastPass(_line_of(written, settings), settings)  # what a later command will read
        if is_new:
            self._write()
            return
        try:
            with self._path.open("a", encoding="utf-8", newline="") as file:
                file.write(line)
        except OSError as error:
            raise fail(
                f"{self._path} cannot be written: {error.strerror or error}",
                hint="make room or change its permissions, then repeat the command: the runs in the file are reused",
            ) from None

    # ---- The file ----------------------------------------------------------------------------------------------------

    def _write(self) -> None:
        comments = "".join(f"{_COMMENT}{json.dumps(settings)}\n" for settings in self._made)
        lines = [self._line(key, kept) for key, kept in self._runs.items()]
        lines += [self._cells(row) for row in self._others]
        text = comments + _csv_line(self._columns) + "".join(lines)
        write_file(self._path, text.encode(), "name a file in a folder that you may write to: --figures FILE.csv")

    def _line(self, key: str, kept: LastPass) -> str:
        task = self._tasks[key]
        figures = figures_of(Run(Path(key), kept.settings, (kept.line,), Snapshot(0, {}, {}, {})))
        return self._cells(
            {
                **settings_of(task.training),
                **{name: f"{value:.7g}" for name, value in figures.items()},
                "run": key,
                "training": split_cell(task.training)[0],
                "seed": str(task.seed),
                "fold": "" if task.options.fold is None else str(task.options.fold),
                "made": str(1 + self._made.index(kept.settings)),
            }
        )

    def _cells(self, values: Mapping[str, str]) -> str:
        return _csv_line([values.get(name) or "" for name in self._columns])

    def _read(self) -> None:
        try:
            text = self._path.read_text("utf-8")
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError) as error:
            raise self._damaged(f"it cannot be read: {error}") from None
        lines = text[: text.rfind("\n") + 1].splitlines()  # a line without an end was cut short by a kill
        comments = [line for line in lines if line.startswith(_COMMENT)]
        try:
            self._made = [json.loads(line.removeprefix(_COMMENT)) for line in comments]
            rows = csv.DictReader(lines[len(comments) :], restval="", strict=True)
            if not {"run", "made"} <= set(rows.fieldnames or ()):
                raise self._damaged("it lacks the columns run and made")
            for row in rows:
                self._take(row)
        except (ValueError, csv.Error, KeyError, TypeError, IndexError, AttributeError):
            raise self._damaged("it holds something that snsim did not write") from None

    def _take(self, row: Mapping[str, str]) -> None:
        """Take the run of a line: for its task, or for none. Lines that lack some of the figures are left out."""
        if row["run"] not in self._tasks:
            self._columns += [name for name in row if name not in self._columns]
            self._others.append(row)
            return
        figures = [row.get(name) for name in self._columns if _is_figure(name)]
        if all(figures) or all(text == "" for text in figures):
            settings = self._made[int(row["made"]) - 1]
            self._runs[row["run"]] = LastPass(_line_of(row, settings), settings)

    def _damaged(self, why: str) -> SnError:
        return fail(
            f"{self._path} is not a file of figures: {why}",
            hint="name another file with --figures; a new one is started if there is none",
        )


def _key(task: Task) -> str:
    return task.identity[:_DIGITS]


def _columns(rows: Sequence[PlannedRow]) -> list[str]:
    """Return the columns for some rows.

    The figures are those that some training publishes; if none does, the misses and the errors of both parts.
    """
    published = list(dict.fromkeys(name for row in rows for name, _ in row.training.published))
    figures = published or ["train-misses", "test-misses", "train-half-mse", "test-half-mse"]
    others = ["seed", "fold", *figures, "cpu-seconds", "made"]
    variables = dict.fromkeys(name for row in rows for name in settings_of(row.training.name))
    return ["run", "training", *(name for name in variables if name not in ("run", "training", *others)), *others]


def _is_figure(name: str) -> bool:
    return name.startswith(("train-", "test-"))


def _line_of(row: Mapping[str, str], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of a row as a line of passes.jsonl. Misses give the error in percent."""
    line: dict[str, Any] = {"pass": settings["passes"], "train": {}, "test": {}}
    for name, text in row.items():
        split, _, figure = name.partition("-")
        if text and _is_figure(name):
            line[split][figure.replace("-", "_")] = float(text)
    for split in ("train", "test"):
        patterns = settings["data"][split]
        if "misses" in line[split] and patterns:
            line[split]["error"] = 100 * line[split]["misses"] / patterns
    if row.get("cpu-seconds"):
        line["cpu_seconds"] = float(row["cpu-seconds"])
    return line


def _csv_line(cells: Sequence[str]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerow(cells)
    return written.getvalue()
