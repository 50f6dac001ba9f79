"""The report of studies: one page of Markdown, and the same as values for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from snsim.escaping import for_line, for_markdown, for_markdown_code
from snsim.run_folder import Run
from snsim.studies.results import COLUMNS, SPREAD, Column, Row, Study, Summary, differences, study_json, summaries_json

_NONE = "-"
_READING = f"""\
{SPREAD}. E is the row's own
cost, the mean over the whole set, and misses are counted one by one, both with the weights after the last pass;
half-mse is 1/2 sum (d-x)^2 over the number of outputs, the error that SN prints. CPU seconds are those of one thread
that learns, and scores both sets after each pass; reading the data and compiling are not in them. A command takes the
runs that its folder keeps; with another one, `--out FOLDER`, it runs all of them anew."""


@dataclass(frozen=True)
class Report:
    """Studies that were run by one command. `base`: the name of the row from which the others' differences are told."""

    command: str
    date: str
    studies: tuple[Study, ...]
    base: str | None = None

    @property
    def runs(self) -> list[Run]:
        return [run for study in self.studies for row in study.rows for run in row.runs.values()]


def as_json(report: Report) -> dict[str, Any]:
    """The report in values that JSON writes."""
    made: dict[str, Any] = {
        "format": 1,
        "command": report.command,
        "date": report.date,
        "machines": _machines(report.runs),
        "versions": _versions(report.runs),
        "engines": _engines(report.runs),
        "data": _data_sets(report.runs),
        "studies": [study_json(study) for study in report.studies],
    }
    if report.base is not None:
        made["base"] = report.base
        for study, told in zip(report.studies, made["studies"]):
            base = _base_row(study, report.base)
            for row, values in zip(study.rows, told["rows"]):
                values["differences"] = summaries_json({} if base in (None, row) else differences(row, base))
    return made


def as_markdown(report: Report) -> str:
    """The report as a page: what was run and where, a table a study, notes, every run."""
    several = len(report.studies) > 1
    title = ", ".join(for_markdown(study.name) for study in report.studies)
    parts = [f"# {title}"]
    if not several:
        parts += [_escaped_lines(report.studies[0].introduction)]
    parts += [_provenance(report), _data_table(report.runs), _READING]
    for study in report.studies:
        parts += [f"## {for_markdown(study.name)}", _escaped_lines(study.introduction)] if several else ["## Results"]
        parts += [_results(study), _remarks(study), _difference_table(study, report.base)]
    parts += (
        [
            "## Every run",
            *(_every_run(study, several) for study in report.studies if any(row.runs for row in study.rows)),
        ]
        if report.runs
        else []
    )
    return "\n\n".join(part for part in parts if part) + "\n"


# ---- What was run, and where -------------------------------------------------------------------------------------


def _provenance(report: Report) -> str:
    versions = "; ".join(
        for_markdown(", ".join(f"{name} {version}" for name, version in found.items()))
        for found in _versions(report.runs)
    )
    machines = "; ".join(
        f"{for_markdown(machine['processor'])}, {machine['cores']} cores" for machine in _machines(report.runs)
    )
    lines = [
        f"Written on {report.date} by",
        "",
        f"    {for_line(report.command)}",
        "",
        f"Machine: {machines or 'unknown'}.",
        f"Engine: {', '.join(map(for_markdown, _engines(report.runs)))}.",
        f"Versions: {versions}.",
    ]
    return "\n".join(lines)


def _machines(runs: Iterable[Run]) -> list[dict[str, Any]]:
    return _distinct(run.settings["machine"] for run in runs if "machine" in run.settings)


def _versions(runs: Iterable[Run]) -> list[dict[str, str]]:
    return _distinct(run.settings["versions"] for run in runs)


def _engines(runs: Iterable[Run]) -> list[str]:
    return _distinct(f"{run.settings['engine']} in {run.settings['dtype']}" for run in runs)


def _data_sets(runs: Iterable[Run]) -> list[dict[str, Any]]:
    return _distinct({key: run.settings["data"][key] for key in ("name", "train", "test", "digest")} for run in runs)


def _distinct(values: Iterable[Any]) -> list[Any]:
    """Each value once, in order; they need not be hashable."""
    kept: list[Any] = []
    for value in values:
        if value not in kept:
            kept.append(value)
    return kept


def _data_table(runs: Iterable[Run]) -> str:
    rows = [
        (
            for_markdown_code(data["name"]),
            f"{data['train']:,}",
            f"{data['test']:,}",
            for_markdown_code(data["digest"][:16]),
        )
        for data in _data_sets(runs)
    ]
    return _table(("data", "train patterns", "test patterns", "sha256 begins"), rows, "lrrl") if rows else ""


# ---- Tables ------------------------------------------------------------------------------------------------------


def _results(study: Study) -> str:
    """A row a training: for each figure what was published, if it was for any row, and ours."""
    published = [dict(row.published) for row in study.rows]
    summaries = [row.summaries() for row in study.rows]
    columns = [
        column
        for column in COLUMNS
        if (column.always and any(column.figure in found for found in summaries))
        or any(column.figure in figures for figures in published)
    ]
    headings, sides = ["training", "runs"], "lr"
    for column in columns:
        stated = any(column.figure in figures for figures in published)
        headings += [f"{column.heading}, published", "ours"] if stated else [column.heading]
        sides += "rr" if stated else "r"
    lines = []
    for row, theirs, ours in zip(study.rows, published, summaries):
        cells = [for_markdown(row.name), str(len(row.runs))]
        for column in columns:
            if any(column.figure in figures for figures in published):
                cells.append(_stated(theirs.get(column.figure)))
            cells.append(_summary_text(column, ours.get(column.figure)))
        lines.append((*cells, for_markdown_code(row.command)))
    return _table((*headings, "command"), lines, sides + "l")


def _difference_table(study: Study, base: str | None) -> str:
    """Each row minus the base row, seed by seed."""
    first = None if base is None else _base_row(study, base)
    if first is None:
        return ""
    found = [(row.name, differences(row, first)) for row in study.rows if row is not first]
    columns = [column for column in COLUMNS if column.always and any(column.figure in made for _, made in found)]
    lines = [
        (
            for_markdown(name),
            str(max((s.runs for s in made.values()), default=0)),
            *(_summary_text(column, made.get(column.figure), sign=True) for column in columns),
        )
        for name, made in found
    ]
    table = _table(("training", "pairs", *(column.heading for column in columns)), lines, "lr" + "r" * len(columns))
    title = f"Differences from {for_markdown(first.name)}"
    return f"{title}, run by run of the same seed: their mean and ± their deviation.\n\n{table}"


def _base_row(study: Study, base: str) -> Row | None:
    return next((row for row in study.rows if row.name == base), None)


def _remarks(study: Study) -> str:
    """What a reader of the table must know: notes of the file, other data than the published, runs that failed."""
    lines = []
    for row in study.rows:
        lines += [f"- **{for_markdown(row.name)}**: {for_markdown(note)}" for note in (*row.notes, *_warnings(row))]
    return "\n".join(lines)


def _warnings(row: Row) -> list[str]:
    warnings = []
    if row.published:
        others = _distinct(run.settings["data"]["name"] for run in row.runs.values() if _is_other_data(run))
        warnings += [
            f"run on {name}, which is not the first choice of the description: the published figures do not compare"
            for name in others
        ]
    return warnings + [f"seed {trial} was not ended: {sentence}" for trial, sentence in row.failures.items()]


def _is_other_data(run: Run) -> bool:
    return bool(run.settings["data"]["rank"] or run.settings["overrides"]["data"])


def _every_run(study: Study, several: bool) -> str:
    found = [figures for row in study.rows for figures in row.figures().values()]
    columns = [column for column in COLUMNS if column.always and any(column.figure in figures for figures in found)]
    lines = []
    for row in study.rows:
        for trial, figures in row.figures().items():
            cells = [_plain(column, figures.get(column.figure)) for column in columns]
            lines.append((for_markdown(row.name), str(trial), *cells, for_markdown_code(row.runs[trial].folder.name)))
    table = _table(
        ("training", "seed", *(column.heading for column in columns), "run folder"),
        lines,
        "lr" + "r" * len(columns) + "l",
    )
    return f"### {for_markdown(study.name)}\n\n{table}" if several else table


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], sides: str) -> str:
    """A table of cells that are escaped already."""
    rules = [":--" if side == "l" else "--:" for side in sides]
    return "\n".join("| " + " | ".join(row) + " |" for row in (headings, rules, *rows))


def _escaped_lines(text: str) -> str:
    """The comment of a file as lines of plain text."""
    return "\n".join(map(for_markdown, text.split("\n")))


def _summary_text(column: Column, summary: Summary | None, sign: bool = False) -> str:
    if summary is None:
        return _NONE
    mean = column.text(summary.mean)
    mean = f"+{mean}" if sign and summary.mean > 0 else mean
    return mean if summary.deviation is None else f"{mean} ± {column.spread(summary.deviation)}"


def _plain(column: Column, value: float | None) -> str:
    """A figure of one run: misses are whole."""
    if value is None:
        return _NONE
    return f"{value:,.0f}" if column.figure.endswith("misses") else column.text(value)


def _stated(value: float | None) -> str:
    return _NONE if value is None else f"{value:,g}"


def figures_line(figures: Mapping[str, float]) -> str:
    """The figures of one run in words: `train 45 misses (0.62 %), test 82 misses (4.09 %)`."""
    parts = []
    for split in ("train", "test"):
        if f"{split}-misses" in figures:
            count = round(figures[f"{split}-misses"])
            parts.append(f"{split} {count:,} {'miss' if count == 1 else 'misses'} ({figures[f'{split}-error']:.2f} %)")
    return ", ".join(parts)
