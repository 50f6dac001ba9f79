"""A study as figures: for each row the means and deviations over its runs, beside what was published.

What one run has to tell is a dictionary of figures by name, made in `figures_of` and nowhere else; COLUMNS says how
each is headed and printed. A new figure is a line in both.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from snsim.run_folder import Run

Figures = Mapping[str, float]

SPREAD = "± is the standard deviation of the sample (n-1 in the denominator) over the runs of a row"
_SCORE = ("misses", "error", "loss", "mse", "half_mse", "rejection")


@dataclass(frozen=True)
class Column:
    """A figure in a table: its heading, and how a number of it is written."""

    figure: str
    heading: str
    form: str  # of the number
    always: bool = True  # or only where a figure of this name was published

    def text(self, value: float) -> str:
        return format(value, self.form)

    def spread(self, deviation: float) -> str:
        """A deviation, of which two digits tell all there is to know."""
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
    """The mean of a figure over `runs` runs, and its deviation: that of the sample, None of a single run."""

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
    """One training: what was said of it, and its runs by seed and fold. `failures` are runs that could not be ended."""

    name: str
    command: str  # that repeats the row
    published: tuple[tuple[str, float], ...]
    notes: tuple[str, ...]
    squares: bool  # whether errors in squares mean something: not under cross-entropy
    runs: Mapping[Trial, Run]
    failures: Mapping[Trial, str]

    def figures(self) -> dict[Trial, Figures]:
        """Return the figures of each run."""
        return {
            trial: {name: value for name, value in figures_of(run).items() if self.squares or "mse" not in name}
            for trial, run in self.runs.items()
        }

    def summaries(self) -> dict[str, Summary]:
        """By name: the figures that all runs have, over the runs."""
        return summarise(list(self.figures().values()))


@dataclass(frozen=True)
class Study:
    """The rows of one file, with the comment that it begins with."""

    name: str
    file: str
    introduction: str
    rows: tuple[Row, ...]


def figures_of(run: Run) -> dict[str, float]:
    """What a run has to tell, by name: the scores after its last pass as `published` calls them, and `cpu-seconds`,
    which its passes took for learning and scoring.
    """
    if not run.passes:
        return {}
    last = run.passes[-1]
    found = {
        f"{split}-{name.replace('_', '-')}": float(last[split][name])
        for split in ("train", "test")
        if last[split] is not None
        for name in _SCORE
        if name in last[split] and math.isfinite(last[split][name])
    }
    if all("cpu_seconds" in line for line in run.passes):
        found["cpu-seconds"] = sum(line["cpu_seconds"] for line in run.passes)
    return found


def summarise(figures: Sequence[Figures]) -> dict[str, Summary]:
    """Mean and deviation of each figure that all have."""
    names = [name for name in (figures[0] if figures else {}) if all(name in other for other in figures)]
    values = {name: [one[name] for one in figures] for name in names}
    return {
        name: Summary(statistics.fmean(found), statistics.stdev(found) if len(found) > 1 else None, len(found))
        for name, found in values.items()
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
    """The study in values that JSON writes: for each row its summaries and every run."""
    return {
        "name": study.name,
        "file": study.file,
        "introduction": study.introduction,
        "rows": [_row_json(row) for row in study.rows],
    }


def summaries_json(summaries: Mapping[str, Summary]) -> dict[str, Any]:
    return {name: {"mean": s.mean, "deviation": s.deviation, "runs": s.runs} for name, s in summaries.items()}


def _row_json(row: Row) -> dict[str, Any]:
    figures = row.figures()
    return {
        "training": row.name,
        "command": row.command,
        "published": dict(row.published),
        "notes": list(row.notes),
        "figures": summaries_json(row.summaries()),
        "runs": [
            {
                **trial.as_json(),
                "folder": str(run.folder),
                "engine": run.settings["engine"],
                "data": run.settings["data"]["name"],
                "passes": run.settings["passes"],
                "figures": figures[trial],
            }
            for trial, run in row.runs.items()
        ],
        "failures": [{**trial.as_json(), "error": sentence} for trial, sentence in row.failures.items()],
    }
