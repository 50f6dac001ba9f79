"""The report of studies: one page of Markdown, and the same as values for JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from snsim.escaping import for_line, for_markdown, for_markdown_code
from snsim.registry import listed
from snsim.run_folder import Run
from snsim.studies.intervals import is_count
from snsim.studies.joint import UNLIKELY, Joint, Smoothing, joint_json, judge_own_figures
from snsim.studies.results import COLUMNS, SPREAD, Column, Row, Study, Summary, differences, study_json, summaries_json

_NONE = "-"
_MOST_JOINT_ROWS = 40  # of the judgement of all figures together
_READING_GUIDE = f"""\
{SPREAD}. E is the cost of
the training, the mean over the whole set. E and the misses are measured with the weights after the last pass. half-mse
is 1/2 sum (d-x)^2 divided by the number of outputs, the error that SN prints. CPU seconds are those of one thread for
learning and for scoring both sets after each pass; reading data and compiling are not included. A command reuses the
runs in its folder; with `--out FOLDER` in a new folder it runs all of them again."""


@dataclass(frozen=True)
class Report:
    """Studies that were run by one command.

    `base` is the name of the row from which the differences of the other rows are computed.
    """

    command: str
    date: str
    studies: tuple[Study, ...]
    base: str | None = None
    joint: Mapping[str, Joint] = field(default_factory=dict)  # by the name of the study; empty without --joint

    @property
    def runs(self) -> list[Run]:
        return [run for study in self.studies for row in study.rows for run in row.runs.values()]


def as_json(report: Report) -> dict[str, Any]:
    """Return the report in values that JSON can write."""
    values: dict[str, Any] = {
        "format": 1,
        "command": report.command,
        "date": report.date,
        "machines": _machines(report.runs),
        "versions": _versions(report.runs),
        "engines": _engines(report.runs),
        "data": _data_sets(report.runs),
        "studies": [study_json(study) for study in report.studies],
    }
    for study, study_values in zip(report.studies, values["studies"]):
        if study.name in report.joint:
            joint = report.joint[study.name]
            study_values["joint"] = joint_json(joint)
            # The cells of a surface share their published figures, and each judgement would fit the surface again.
            own = judge_own_figures(study) if joint.smoothing is None else {row.name: row.p for row in joint.rows}
            for row_values in study_values["rows"]:
                row_values["p"] = own.get(row_values["training"])
    if report.base is not None:
        values["base"] = report.base
        for study, study_values in zip(report.studies, values["studies"]):
            base = _base_row(study, report.base)
            for row, row_values in zip(study.rows, study_values["rows"]):
                row_values["differences"] = summaries_json({} if base in (None, row) else differences(row, base))
    return values


def as_markdown(report: Report) -> str:
    """Return the report as a page: what was run and where, a table for each study, notes, every run."""
    several = len(report.studies) > 1
    title = ", ".join(for_markdown(study.name) for study in report.studies)
    parts = [f"# {title}"]
    if not several:
        parts += [_escaped_lines(report.studies[0].introduction)]
    parts += [_provenance(report), _data_table(report.runs), _READING_GUIDE]
    for study in report.studies:
        parts += [f"## {for_markdown(study.name)}", _escaped_lines(study.introduction)] if several else ["## Results"]
        parts += [_results(study), _notes_and_warnings(study), _difference_table(study, report.base)]
        if study.name in report.joint:
            parts += [_joint_section(report.joint[study.name], several)]
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
        for_markdown(", ".join(f"{name} {version}" for name, version in version_set.items()))
        for version_set in _versions(report.runs)
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
        f"Engine: {'; '.join(map(for_markdown, _engines(report.runs)))}.",
        f"Versions: {versions}.",
    ]
    return "\n".join(lines)


def machines_and_engines(report: Report) -> str:
    """Return on which machines and with which engines the runs were made, as plain text."""
    machines = "; ".join(f"{machine['processor']}, {machine['cores']} cores" for machine in _machines(report.runs))
    return f"{machines or 'unknown machine'}; engine {', '.join(_engines(report.runs))}"


def _machines(runs: Iterable[Run]) -> list[dict[str, Any]]:
    return _distinct(run.settings["machine"] for run in runs if "machine" in run.settings)


def _versions(runs: Iterable[Run]) -> list[dict[str, str]]:
    return _distinct(run.settings["versions"] for run in runs)


def _engines(runs: Iterable[Run]) -> list[str]:
    return _distinct(f"{run.settings['engine']} in {run.settings['dtype']}{_mode(run)}" for run in runs)


def _mode(run: Run) -> str:
    """Return whether the bits of a run are those of every processor, where the engine can do that."""
    if run.settings["engine"] != "native":
        return ""
    return ", portable" if run.settings.get("portable") else ", not portable"


def _data_sets(runs: Iterable[Run]) -> list[dict[str, Any]]:
    return _distinct({key: run.settings["data"][key] for key in ("name", "train", "test", "digest")} for run in runs)


def _distinct(values: Iterable[Any]) -> list[Any]:
    """Return each value once, in order; the values need not be hashable."""
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
    """Return one row for each training: for each figure the published value, if any row has one, and ours."""
    published = [dict(row.published) for row in study.rows]
    summaries = [row.summaries() for row in study.rows]
    columns = [
        column
        for column in COLUMNS
        if (column.always and any(column.figure in figures_of_row for figures_of_row in summaries))
        or any(column.figure in figures for figures in published)
    ]
    headings, sides = ["training", "runs"], "lr"
    for column in columns:
        has_published = any(column.figure in figures for figures in published)
        headings += [f"{column.heading}, published", "ours"] if has_published else [column.heading]
        sides += "rr" if has_published else "r"
    lines = []
    for row, theirs, ours in zip(study.rows, published, summaries):
        cells = [for_markdown(row.name), str(len(row.runs))]
        for column in columns:
            if any(column.figure in figures for figures in published):
                cells.append(_published_text(theirs.get(column.figure)))
            cells.append(_summary_text(column, ours.get(column.figure)))
        lines.append((*cells, for_markdown_code(row.command)))
    return _table((*headings, "command"), lines, sides + "l")


def _difference_table(study: Study, base: str | None) -> str:
    """Return a table of each row minus the base row, seed by seed."""
    base_row = None if base is None else _base_row(study, base)
    if base_row is None:
        return ""
    by_row = [(row.name, differences(row, base_row)) for row in study.rows if row is not base_row]
    columns = [
        column for column in COLUMNS if column.always and any(column.figure in summaries for _, summaries in by_row)
    ]
    lines = [
        (
            for_markdown(name),
            str(max((s.runs for s in summaries.values()), default=0)),
            *(_summary_text(column, summaries.get(column.figure), sign=True) for column in columns),
        )
        for name, summaries in by_row
    ]
    table = _table(("training", "pairs", *(column.heading for column in columns)), lines, "lr" + "r" * len(columns))
    title = f"Differences from {for_markdown(base_row.name)}"
    return f"{title}, run by run of the same seed: their mean and ± their deviation.\n\n{table}"


def _joint_section(joint: Joint, several: bool) -> str:
    """Return the judgement of all published figures together: each row, and each value of each variable."""
    names = ", ".join(f"{'sqrt' if is_count(name) else 'log'} {name}" for name in joint.figures)
    guide = f"""\
The figures {names} of one new run of a row, judged together.
p is the probability that they are as far from the mean of the row as the published ones, or farther; a row with p below
{UNLIKELY} is hard to believe. The likelihood is the density of one new run at the published figures, as a part of the
largest. The posterior is the likelihood times the prior, with the sum 1 over the rows; ± is what other seeds would
change. The covariance is pooled over the rows, with {joint.degrees} degrees of freedom. {joint.effective:.1f} rows
carry the posterior."""
    rows = [
        (
            for_markdown(row.name),
            str(row.runs),
            f"{row.t_squared:.3g}",
            _probability(row.p),
            f"{math.exp(row.likelihood - joint.best):.2g}",
            _probability(row.prior),
            f"{_probability(row.posterior)} ± {_probability(row.posterior_error)}",
        )
        for row in sorted(joint.rows, key=lambda row: -row.posterior)[:_MOST_JOINT_ROWS]
    ]
    hidden = len(joint.rows) - len(rows)
    parts = [f"{'###' if several else '##'} All figures together", guide]
    parts += [_table(("training", "runs", "T²", "p", "likelihood", "prior", "posterior"), rows, "lrrrrrr")]
    parts += (
        [f"{hidden:,} more rows have a smaller posterior; the JSON file beside this page has them."] if hidden else []
    )
    choices = [
        (
            for_markdown(choice.variable),
            for_markdown(choice.value),
            _probability(choice.prior),
            f"{_probability(choice.posterior)} ± {_probability(choice.posterior_error)}",
        )
        for choice in joint.choices
    ]
    parts += [_table(("variable", "value", "prior", "posterior"), choices, "llrr")] if choices else []
    quantiles = [
        (for_markdown(one.variable), *(f"{value:.3g}" for value in (*one.prior, *one.posterior)))
        for one in joint.quantiles
    ]
    heads = [f"{which} {q} %" for which in ("prior", "posterior") for q in (5, 50, 95)]
    parts += [_table(("variable", *heads), quantiles, "lrrrrrr")] if quantiles else []
    if joint.smoothing is not None:
        parts += [smoothing_sentences(joint.smoothing)]
    if not joint.is_likely:
        parts += ["No row is likely to give the published figures: the posterior compares one bad row with another."]
    if joint.left_out:
        without = [for_markdown(name) for name in joint.left_out]
        parts += [f"Without all of these figures: {listed(without, len(without))}."]
    return "\n\n".join(parts)


def smoothing_sentences(smoothing: Smoothing) -> str:
    """Return how the means of rows with one run each were found, in plain text."""
    return f"""\
Most rows have one run, so the mean of a row comes from the runs of all {smoothing.runs:,} by a smooth surface over
their settings (a Gaussian process). {smoothing.counting:,} of them are near the published figures, and
{smoothing.diverged:,} diverged. Each of those near was predicted from all others: {100 * smoothing.inside:.1f} % are
inside their 95 % region."""


def _probability(value: float) -> str:
    """Return a probability with as many digits as can be told apart."""
    return f"{value:.3f}" if value >= 0.001 or value == 0 else f"{value:.1e}"


def _base_row(study: Study, base: str) -> Row | None:
    return next((row for row in study.rows if row.name == base), None)


def _notes_and_warnings(study: Study) -> str:
    """Return what a reader of the table must know: notes of the file, other data than published, failed runs."""
    remarks = [(*row.notes, *_warnings(row)) for row in study.rows]
    common = [remark for remark in remarks[0] if len(remarks) > 2 and all(remark in other for other in remarks)]
    lines = [f"- All rows: {for_markdown(remark)}" for remark in common]
    for row, own in zip(study.rows, remarks):
        lines += [f"- **{for_markdown(row.name)}**: {for_markdown(remark)}" for remark in own if remark not in common]
    return "\n".join(lines)


def _warnings(row: Row) -> list[str]:
    warnings = []
    if row.published:
        others = _distinct(
            run.settings["data"]["name"] for run in row.runs.values() if _is_other_data(run, row.first_data)
        )
        warnings += [
            f"run on {name}, not on the first data set of its training, so the published figures are not comparable"
            for name in others
        ]
    return warnings + [f"seed {trial} did not finish: {sentence}" for trial, sentence in row.failures.items()]


def _is_other_data(run: Run, first: str | None) -> bool:
    data = run.settings["data"]
    return bool(data["name"] != first if run.settings["overrides"]["data"] else data["rank"])


def _every_run(study: Study, several: bool) -> str:
    figures_of_runs = [figures for row in study.rows for figures in row.figures().values()]
    columns = [
        column for column in COLUMNS if column.always and any(column.figure in figures for figures in figures_of_runs)
    ]
    lines = []
    for row in study.rows:
        for trial, figures in row.figures().items():
            cells = [_figure_text(column, figures.get(column.figure)) for column in columns]
            lines.append((for_markdown(row.name), str(trial), *cells, for_markdown_code(row.runs[trial].folder.name)))
    table = _table(
        ("training", "seed", *(column.heading for column in columns), "run folder"),
        lines,
        "lr" + "r" * len(columns) + "l",
    )
    return f"### {for_markdown(study.name)}\n\n{table}" if several else table


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], sides: str) -> str:
    """Return a table of cells that are already escaped."""
    rules = [":--" if side == "l" else "--:" for side in sides]
    return "\n".join("| " + " | ".join(row) + " |" for row in (headings, rules, *rows))


def _escaped_lines(text: str) -> str:
    """Return the comment of a file as lines of plain text."""
    return "\n".join(map(for_markdown, text.split("\n")))


def _summary_text(column: Column, summary: Summary | None, sign: bool = False) -> str:
    if summary is None:
        return _NONE
    mean = column.text(summary.mean)
    mean = f"+{mean}" if sign and summary.mean > 0 else mean
    return mean if summary.deviation is None else f"{mean} ± {column.spread(summary.deviation)}"


def _figure_text(column: Column, value: float | None) -> str:
    """Return a figure of one run as text; misses are whole numbers."""
    if value is None:
        return _NONE
    return f"{value:,.0f}" if column.figure.endswith("misses") else column.text(value)


def _published_text(value: float | None) -> str:
    return _NONE if value is None else f"{value:,g}"


def figures_line(figures: Mapping[str, float]) -> str:
    """Return the figures of one run in words: `train 45 misses (0.62 %), test 82 misses (4.09 %)`."""
    parts = []
    for split in ("train", "test"):
        if f"{split}-misses" in figures:
            count = round(figures[f"{split}-misses"])
            parts.append(f"{split} {count:,} {'miss' if count == 1 else 'misses'} ({figures[f'{split}-error']:.2f} %)")
    return ", ".join(parts)
