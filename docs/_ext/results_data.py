"""Read the data files of the results: docs/results/data/NAME.json, or the report docs/results/NAME.md.

Three kinds of file, all written by commands:

- the report that `snsim reproduce ... --report docs/results/data/NAME.json` writes: every run of every row;
- a report page, docs/results/NAME.md, of studies whose runs were not kept: means and deviations only;
- `{"command": ..., "processor": ..., "rows": {ROW: {FIGURE: number or text}}}`, what other commands measured.

`published.json` has the figures that only papers state, each with its source.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from snsim.studies.results import COLUMNS

DOCS = Path(__file__).resolve().parents[1]
RESULTS = DOCS / "results"
DATA = RESULTS / "data"
_FIGURE_OF = {column.heading: column.figure for column in COLUMNS}


@dataclass(frozen=True)
class Figure:
    """A figure of a row as the data file has it: numbers where every run was kept, else their text."""

    text: str  # mean ± deviation
    mean: float | None = None
    deviation: float | None = None
    interval: tuple[float, float] | None = None  # of one new run, 95 %


@dataclass(frozen=True)
class Row:
    """A row of a data file."""

    name: str
    figures: Mapping[str, Figure]
    runs: int | None = None
    published: Mapping[str, str] = field(default_factory=dict)
    differences: Mapping[str, str] = field(default_factory=dict)  # from the base row, mean ± deviation
    p: float | None = None  # of all published figures together
    every_run: tuple[Mapping[str, float], ...] = ()  # with "seed"
    curves: Mapping[str, list[float]] = field(default_factory=dict)


@cache
def rows_of(name: str) -> dict[str, Row]:
    """Return the rows of a data file by their names."""
    file = DATA / f"{name}.json"
    if file.exists():
        values = json.loads(file.read_text(encoding="utf-8"))
        if "studies" in values:
            return {row["training"]: _of_report(row) for study in values["studies"] for row in study["rows"]}
        return {row: _of_values(row, figures) for row, figures in values["rows"].items()}
    return _of_page((RESULTS / f"{name}.md").read_text(encoding="utf-8"))


def text_of(figure: str, value: float) -> str:
    """Return a number in the digits of its figure."""
    column = next((column for column in COLUMNS if column.figure == figure), None)
    if column is None:
        return f"{value:.3g}"
    return column.text(value)


def probability(p: float | None) -> str:
    """Return a p with the digits that can be told apart."""
    if p is None:
        return ""
    return f"{p:.2f}" if p >= 0.1 else f"{p:.1g}"


# ---- Kinds of file -----------------------------------------------------------------------------------------------


def _of_report(row: Mapping[str, Any]) -> Row:
    figures = {}
    for name, summary in row["figures"].items():
        mean, deviation, interval = summary["mean"], summary["deviation"], summary.get("interval")
        text = text_of(name, mean) + ("" if deviation is None else f" ± {_spread(name, deviation)}")
        figures[name] = Figure(text, mean, deviation, None if interval is None else (interval[0], interval[1]))
    return Row(
        row["training"],
        figures,
        len(row["runs"]),
        {name: f"{value:g}" for name, value in row["published"].items()},
        p=row.get("p"),
        every_run=tuple({"seed": run["seed"], **run["figures"]} for run in row["runs"]),
        curves=row.get("curves", {}),
    )


def _spread(figure: str, deviation: float) -> str:
    return next((c.spread(deviation) for c in COLUMNS if c.figure == figure), f"{deviation:.2g}")


def _of_values(name: str, figures: Mapping[str, Any]) -> Row:
    known = {figure: _of_value(value) for figure, value in figures.items() if not isinstance(value, list)}
    return Row(name, known, figures.get("runs"))


def _of_value(value: Any) -> Figure:
    if isinstance(value, Mapping) and "median" in value:
        return Figure("{median:.2g} ({smallest:.2g} to {largest:.2g})".format(**value), value["median"])
    if isinstance(value, Mapping):
        mean, deviation = value["mean"], value["deviation"]
        return Figure(f"{mean:.3g} ± {deviation:.2g}", mean, deviation)
    if isinstance(value, str):
        return Figure(value)
    return Figure(f"{value:,}" if isinstance(value, int) else f"{value:g}", float(value))


def tables(page: str) -> Iterator[tuple[list[str], list[str]]]:
    """Yield heads and cells of each row of the tables that begin with "training"."""
    heads: list[str] = []
    for line in page.splitlines():
        cells = [text.strip() for text in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
        if not cells:
            heads = []
        elif cells[0] == "training":
            heads = cells
        elif heads and not cells[0].startswith((":-", "-")):
            yield heads, cells


def pairs(heads: list[str], cells: list[str]) -> dict[str, tuple[str, str]]:
    """Return the published figure and ours by the name of the figure."""
    found = {}
    for place, head in enumerate(heads):
        if head.endswith(", published"):
            found[head.removesuffix(", published")] = (cells[place], cells[place + 1])
        elif head not in ("ours", "training", "runs", "command"):
            found.setdefault(head, ("", cells[place]))
    return found


def _of_page(page: str) -> dict[str, Row]:
    """Return the rows of a report page, with what its tables say of each."""
    rows: dict[str, dict[str, Any]] = {}
    for heads, cells in tables(page):
        own = rows.setdefault(cells[0], {"name": cells[0], "figures": {}})
        found = {_FIGURE_OF.get(head, head): pair for head, pair in pairs(heads, cells).items()}
        if "pairs" in heads:
            own["differences"] = {name: ours for name, (_, ours) in found.items()}
        elif "T²" in heads:
            own["p"] = float(dict(zip(heads, cells))["p"])
        elif "runs" in heads:
            own["runs"] = int(cells[heads.index("runs")])
            own["published"] = {name: theirs for name, (theirs, _) in found.items() if theirs not in ("", "-")}
            own["figures"] = {name: _of_text(ours) for name, (_, ours) in found.items() if ours != "-"}
    return {name: Row(**values) for name, values in rows.items() if values["figures"]}


def _of_text(text: str) -> Figure:
    mean, _, deviation = text.replace(",", "").partition(" ± ")
    try:
        return Figure(text, float(mean), float(deviation) if deviation else None)
    except ValueError:
        return Figure(text)


# ---- Over rows ---------------------------------------------------------------------------------------------------


def ratio(row: Row, base: Row, figure: str) -> tuple[float, tuple[float, float]]:
    """Return the geometric mean over the seeds of row / base, and the 95 % interval of one new pair of runs."""
    from snsim.studies.intervals import interval_of_a_run

    theirs = {run["seed"]: run[figure] for run in base.every_run}
    values = [run[figure] / theirs[run["seed"]] for run in row.every_run if run["seed"] in theirs]
    interval = interval_of_a_run("ratio", values)
    assert interval is not None
    return math.exp(sum(map(math.log, values)) / len(values)), interval
