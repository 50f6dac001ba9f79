"""The figures of a study: for each row means and deviations over its runs, beside the published figures.

`figures_of` turns a run into a dictionary of figures by name, and nothing else does. COLUMNS says how each figure is
headed and printed. A new figure needs a line in both.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from snsim.input_files import from_here
from snsim.run_folder import Run
from snsim.studies.intervals import interval_of_a_run

Figures = Mapping[str, float]

SPREAD = "± is the standard deviation of the sample (n-1 in the denominator) over the runs of a row"
_CURVES = ("train-misses", "test-misses", "train-half-mse", "test-half-mse")
_SCORE = ("misses", "error", "loss", "mse", "half_mse", "rejection")


@dataclass(frozen=True)
class Column:
    """A figure in a table: its heading, and the format of its numbers."""

    figure: str
    heading: str
    form: str  # of the number
    always: bool = True  # False: shown only if a figure of this name was published

    def text(self, value: float) -> str:
        return format(value, self.form)

    def spread(self, deviation: float) -> str:
        """Return a deviation as text; two digits are enough for it."""
        return format(deviation, ".2g" if self.form.endswith("g") else self.form)


COLUMNS = (
    Column("train-misses", "train misses", ",.1f"),
    Column("test-misses", "test misses", ",.1f"),
    Column("train-error", "train error %", ".2f", False),
    Column("test-error", "test error %", ".2f"),
    Column("train-loss", "train E", ".3g"),
    Column("test-loss", "test E", ".3g"),
    Column("train-half-mse", "train half-mse", ".3g"),
    Column("test-half-mse", "test half-mse", ".3g"),
    Column("train-mse", "train mse", ".3g", False),
    Column("test-mse", "test mse", ".3g", False),
    Column("test-rejection", "test rejected % for 1 %", ".1f", False),
    Column("cpu-seconds", "CPU s a run", ".1f"),
)


@dataclass(frozen=True)
class Summary:
    """The mean of a figure over `runs` runs, and the deviation of the sample (None for a single run)."""

    mean: float
    deviation: float | None
    runs: int


class Trial(NamedTuple):
    """Which run of a row: its seed, and the fold that it is tested on, if its data have folds."""

    seed: int
    fold: int | None = None

    def __str__(self) -> str:
        return str(self.seed) if self.fold is None else f"{self.seed}, fold {self.fold}"

    def as_json(self) -> dict[str, int]:
        return {"seed": self.seed} if self.fold is None else {"seed": self.seed, "fold": self.fold}


@dataclass(frozen=True)
class Row:
    """One training: its published figures and notes, its runs by seed and fold, and the runs that did not finish."""

    name: str
    command: str  # the command that repeats the row
    published: tuple[tuple[str, float], ...]
    notes: tuple[str, ...]
    squares: bool  # whether squared errors are meaningful: not under cross-entropy
    runs: Mapping[Trial, Run]
    failures: Mapping[Trial, str]
    prior: float = 1.0  # how likely the row is before any run, beside the others
    first_data: str | None = None  # the data set that its training names first, to which published figures belong

    def figures(self) -> dict[Trial, Figures]:
        """Return the figures of each run, by seed."""
        return {
            trial: {name: value for name, value in figures_of(run).items() if self.squares or "mse" not in name}
            for trial, run in self.runs.items()
        }

    def summaries(self) -> dict[str, Summary]:
        """Return, by name, summaries of the figures that all runs have."""
        return summarise(list(self.figures().values()))


@dataclass(frozen=True)
class Study:
    """The rows of one file, with the comment at its start."""

    name: str
    file: str
    introduction: str
    rows: tuple[Row, ...]


def ordered(study: Study, figure: str | None, most: int | None = None) -> Study:
    """Return the study with its rows in the order of their mean of a figure, and at most `most` of them.

    Rows without the figure come last. Without `figure` the order stays.
    """
    rows = list(study.rows)
    if figure is not None:
        means = {row.name: row.summaries().get(figure) for row in rows}
        rows.sort(key=lambda row: math.inf if (summary := means[row.name]) is None else summary.mean)
    return replace(study, rows=tuple(rows[:most]))


def figures_of(run: Run) -> dict[str, float]:
    """Return the figures of a run by name.

    They are the scores after its last pass, as `published` calls them, and `cpu-seconds`, the time of its passes for
    learning and scoring.
    """
    if not run.passes:
        return {}
    last = run.passes[-1]
    figures = {
        f"{split}-{name.replace('_', '-')}": float(last[split][name])
        for split in ("train", "test")
        if last[split] is not None
        for name in _SCORE
        if name in last[split] and math.isfinite(last[split][name])
    }
    if all("cpu_seconds" in line for line in run.passes):
        figures["cpu-seconds"] = sum(line["cpu_seconds"] for line in run.passes)
    return figures


def summarise(figures: Sequence[Figures]) -> dict[str, Summary]:
    """Return mean and deviation of each figure that all runs have."""
    names = [name for name in (figures[0] if figures else {}) if all(name in other for other in figures)]
    values = {name: [run_figures[name] for run_figures in figures] for name in names}
    return {
        name: Summary(statistics.fmean(numbers), statistics.stdev(numbers) if len(numbers) > 1 else None, len(numbers))
        for name, numbers in values.items()
    }


def differences(row: Row, other: Row) -> dict[str, Summary]:
    """Return row minus other, run by run of the same seed and fold: the figures that both have."""
    ours, theirs = row.figures(), other.figures()
    paired = [
        {name: ours[trial][name] - theirs[trial][name] for name in ours[trial] if name in theirs[trial]}
        for trial in ours
        if trial in theirs
    ]
    return summarise(paired)


def study_json(study: Study) -> dict[str, Any]:
    """Return the study in values that JSON can write: for each row its summaries and every run."""
    return {
        "name": study.name,
        "file": study.file,
        "introduction": study.introduction,
        "rows": [_row_json(row) for row in study.rows],
    }


def summaries_json(summaries: Mapping[str, Summary]) -> dict[str, Any]:
    return {name: {"mean": s.mean, "deviation": s.deviation, "runs": s.runs} for name, s in summaries.items()}


def _with_intervals(row: Row) -> dict[str, Any]:
    """Return the summaries of a row, each with the 95 % interval of one new run."""
    every = list(row.figures().values())
    summaries = summaries_json(row.summaries())
    for name, summary in summaries.items():
        interval = interval_of_a_run(name, [figures[name] for figures in every])
        summary["interval"] = None if interval is None else list(interval)
    return summaries


def _curves(row: Row) -> dict[str, list[float]]:
    """Return the means over the runs after each pass; only of figures that every run has after every pass."""
    curves = {}
    for figure in _CURVES if row.runs else ():
        split, _, name = figure.partition("-")
        by_pass = [
            [
                line[split][name.replace("-", "_")]
                for line in lines
                if line[split] and name.replace("-", "_") in line[split]
            ]
            for lines in zip(*(run.passes for run in row.runs.values()))
        ]
        if by_pass and all(len(values) == len(row.runs) for values in by_pass):
            curves[figure] = [statistics.fmean(values) for values in by_pass]
    return curves


def _row_json(row: Row) -> dict[str, Any]:
    figures = row.figures()
    return {
        "training": row.name,
        "command": row.command,
        "published": dict(row.published),
        "notes": list(row.notes),
        "figures": _with_intervals(row),
        "curves": _curves(row),
        "runs": [
            {
                **trial.as_json(),
                "folder": from_here(run.folder),
                "engine": run.settings["engine"],
                "data": run.settings["data"]["name"],
                "passes": run.settings["passes"],
                "figures": figures[trial],
            }
            for trial, run in row.runs.items()
        ],
        "failures": [{**trial.as_json(), "error": sentence} for trial, sentence in row.failures.items()],
    }
