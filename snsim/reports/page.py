"""The report of a run: one page of HTML with its pictures inside, light or dark; it needs no network.

Only the frame in which the net learns has scripts. It cannot reach the report around it.

The page itself is `report.html.j2`; this file prepares the values that it shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from markupsafe import Markup

from snsim.errors import SnError, Source
from snsim.escaping import for_html, for_shell
from snsim.network.complete_form import complete_form
from snsim.page_templates import fill_html
from snsim.plots import confusion, connection_text, curves, maps, misses, net, nlf, rejection, table, weights
from snsim.reports import picture_data
from snsim.reports.html_elements import description, figure
from snsim.reports.pass_lines import published_rows, summary_line
from snsim.reports.tables import headings, summary
from snsim.runs import provenance
from snsim.runs.opened_run import OpenedRun
from snsim.runs.options import options_of
from snsim.runs.predictor import Predictor
from snsim.training.scores import Score

_MOST_ELEMENTS = 64  # of a matrix inside a form
_TITLES = {
    "figures": "Figures",
    "curves": "Curves",
    "page": "Learn and try",
    "repeat": "To repeat it",
    "description": "Description",
    "net": "Net",
    "tables": "Connection tables",
    "settings": "Settings",
    "data": "Data",
    "kernels": "Kernels",
    "maps": "Maps",
    "misses": "Misses",
    "confusion": "Confusion",
    "rejection": "Rejection",
    "nlfs": "Non-linearities",
    "passes": "Passes",
    "versions": "Versions",
}
_DRAW: dict[str, Callable[..., Any]] = {
    "curves": curves.draw,
    "table": table.draw,
    "weights": weights.draw,
    "misses": misses.draw,
    "confusion": confusion.draw,
    "rejection": rejection.draw,
}


@dataclass(frozen=True, eq=False)
class RunReport:
    """What the report of a run shows.

    Attributes
    ----------
    pictures : mapping of str to object
        The prepared data of each picture by its name ("curves", "weights" ...).
    maps, nlfs
        The pictures of which there are several.
    omitted : mapping of str to str
        Why a picture is not there.
    frame : str or None
        The element of HTML in which the net learns; "" if there is none, for the reason in `omitted`; None if it is
        not wanted.
    written : str
        The time at which the report is written.
    """

    run: OpenedRun
    pictures: Mapping[str, Any]
    maps: tuple[maps.Maps, ...] = ()
    nlfs: tuple[nlf.NlfCurves, ...] = ()
    omitted: Mapping[str, str] = field(default_factory=dict)
    frame: str | None = None
    written: str = ""


@dataclass(frozen=True)
class _Table:
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    sides: str  # "l" or "r" for each column


def report_of(
    run: OpenedRun, patterns: Sequence[int], error: float, make_frame: Callable[[], str] | None = None
) -> RunReport:
    """Return the report of a run. A picture of what its net does not have (classes, maps) is omitted with the reason.

    `patterns` are the numbers of the patterns whose maps are shown, `error` is the percentage for the rejection.
    `make_frame` makes the element in which the net learns; SnError if it cannot.
    """
    outputs = run.outputs()
    prepare: dict[str, Callable[[], Any]] = {
        "curves": lambda: picture_data.curves_of(run),
        "weights": lambda: picture_data.weights_of(run),
        "table": lambda: table.tables(run.net),
        "misses": lambda: picture_data.misses_of(outputs),
        "confusion": lambda: picture_data.confusion_of(outputs),
        "rejection": lambda: picture_data.rejection_of(run, error),
    }
    pictures: dict[str, Any] = {}
    omitted: dict[str, str] = {}
    for name, picture in prepare.items():
        try:
            pictures[name] = picture()
        except SnError as refused:
            omitted[name] = refused.faults[0].message
    frame = None
    if make_frame is not None:
        try:
            frame = make_frame()
        except SnError as refused:
            frame, omitted["page"] = "", refused.faults[0].message
    nlfs = {layer.nlf.name: layer.nlf for layer in run.net.layers if layer.nlf is not None}
    return RunReport(
        run,
        pictures,
        tuple(picture_data.maps_of(outputs, pattern) for pattern in patterns),
        tuple(nlf.nlf_curves(function) for function in nlfs.values()),
        omitted,
        frame,
        provenance.now(),
    )


def as_html(report: RunReport) -> str:
    """Return the HTML page as one text, which needs no other file: style and pictures are inside."""
    run, scores = report.run, _last_scores(report.run)
    stated = list(run.settings["published"].items())
    typed = run.settings.get("command")
    clauses = complete_form("train", run.training.name, run.training.clauses, _MOST_ELEMENTS)
    return fill_html(
        "snsim.reports",
        "report.html.j2",
        run=run,
        name=run.name,
        titles={name: title for name, title in _TITLES.items() if name != "page" or report.frame is not None},
        verdict=_verdict(run),
        warning=_warning(run),
        made=_made(report),
        scores=_score_rows(scores) if scores else None,
        published=published_rows(stated, *scores) if scores else None,
        published_for="published" if picture_data.has_published_data(run) else "published for other data",
        outputs=_output_rows(run, scores),
        typed=for_shell(["snsim", *typed]) if typed else "",
        command=command_of(run.settings, str(run.record.main_source)),
        layers=_layers(run),
        connections=connection_text.describe_connections(run.net),
        settings=_settings(run),
        clauses=Source("", clauses),
        data=_data(run),
        passes=_passes(run),
        versions=_versions(run),
        description=lambda source: Markup(description(source)),
        picture=partial(_picture, report),
        frame=None if report.frame is None else Markup(report.frame or _omitted(report, "page")),
        net_figure=_net_figure(run),
        map_figures=_several((partial(maps.draw, shown), shown.title, "grays") for shown in report.maps),
        nlf_figures=_several((partial(nlf.draw, shown), shown.name, "lines") for shown in report.nlfs),
        rejection_caption=_rejection_caption(report),
    )


def command_of(settings: Mapping[str, Any], main: str) -> str:
    """Return the command that repeats a run from the text `main`, with every option that its run.json records."""
    return for_shell(["snsim", "run", Path(main), *options_of(settings), "--seed", str(settings["seed"])])


# ---- The head ----------------------------------------------------------------------------------------------------


def _last_scores(run: OpenedRun) -> tuple[Score, Score | None] | None:
    """Return the scores of the pass that the run is opened at, on training and test patterns; None before the first."""
    if not run.record.passes:
        return None
    last = run.record.passes[run.pass_number - 1]
    return Score(**last["train"]), Score(**last["test"]) if last["test"] is not None else None


def _verdict(run: OpenedRun) -> str:
    scores, passes = _last_scores(run), run.settings["passes"]
    if scores is None:
        return f"No pass of {passes} is done."
    return f"After pass {run.pass_number} of {passes}: {summary_line(*scores)}."


def _warning(run: OpenedRun) -> str:
    data, published = run.settings["data"], picture_data.has_published_data(run)
    if data["rank"]:
        wanted = " or ".join(data["wanted"][: data["rank"]])
        end = "." if published else ": published figures cannot be compared with these."
        return f"Run on {data['name']}, NOT {wanted}, which was not found{end}"
    if not published:
        return f"Run on {data['name']}, named on the command line: published figures may not be comparable with these."
    return ""


def _made(report: RunReport) -> str:
    settings, counts = report.run.settings, report.run.settings["counts"]
    ended = settings.get("finished")
    return (
        f"{counts['units']:,} units, {counts['connections']:,} connections, {counts['weights']:,} weights; "
        f"seed {settings['seed']}; {settings['engine']} in {settings['dtype']}; started {settings['started']}, "
        f"{'ended ' + ended if ended else 'not ended'}; this page was written {report.written}."
    )


# ---- Tables ------------------------------------------------------------------------------------------------------


def _score_rows(scores: tuple[Score, Score | None]) -> list[tuple[str, ...]]:
    return [
        (split, f"{s.patterns:,}", f"{s.misses:,}", f"{s.error:.2f} %", f"{s.loss:.4g}", f"{s.half_mse:.4g}")
        for split, s in zip(("train", "test"), scores)
        if s is not None
    ]


def _output_rows(run: OpenedRun, scores: tuple[Score, Score | None] | None) -> _Table | None:
    """Return the misses of each output, where the criterion judges each of them."""
    shown = [(split, s) for split, s in zip(("train", "test"), scores or ()) if s is not None and s.output_misses]
    if not shown:
        return None
    names = Predictor.of_run(run).output_names
    counts = [s.output_misses or () for _, s in shown]
    rows = [(name, *(_of_patterns(n, s) for n, (_, s) in zip(missed, shown))) for name, *missed in zip(names, *counts)]
    return _Table(("output", *(f"{split} misses" for split, _ in shown)), rows, "l" + "r" * len(shown))


def _of_patterns(misses: int, score: Score) -> str:
    return f"{misses:,} ({100 * misses / score.patterns:.2f} %)"


def _layers(run: OpenedRun) -> _Table:
    names = headings(True)
    rows = [
        tuple(str(getattr(row, name.replace("-", "_"))) for name in names) for row in summary(run.net, run.training)
    ]
    sides = "".join("l" if name in ("layer", "nlf", "bias", "rate") else "r" for name in names)
    return _Table(names, rows, sides)


def _settings(run: OpenedRun) -> list[tuple[str, str]]:
    settings = run.settings
    return [
        ("passes", str(settings["passes"])),
        ("seed", str(settings["seed"])),
        ("engine", f"{settings['engine']}, {settings['dtype']}"),
        ("cost", settings["cost"]),
        ("right", " ".join(map(str, settings["correct"]))),
        ("update", ", ".join(settings["updates"])),
        *((f"--set {name}", str(value)) for name, value in settings["presets"].items()),
    ]


def _data(run: OpenedRun) -> list[tuple[str, str]]:
    data = run.settings["data"]
    return [
        ("name", data["name"]),
        ("found", data["origin"]),
        ("training patterns", f"{data['train']:,}"),
        ("test patterns", f"{data['test']:,}"),
        ("asked for", ", then ".join(data["wanted"])),
        ("sha256", data["digest"]),
    ]


def _passes(run: OpenedRun) -> _Table:
    rows = []
    for line in run.record.passes:
        cells = [str(line["pass"])]
        for split in ("train", "test"):
            if line[split] is not None:
                cells += [f"{line[split]['loss']:.4e}", f"{line[split]['error']:.2f}", f"{line[split]['misses']:,}"]
        rows.append((*cells, f"{line['seconds']:.2f}"))
    on_test = ("test loss", "error %", "misses") if rows and len(rows[0]) > 5 else ()
    names = ("pass", "train loss", "error %", "misses", *on_test, "seconds")
    return _Table(names, rows, "r" * len(names))


def _versions(run: OpenedRun) -> list[tuple[str, str]]:
    settings = run.settings
    machine = settings.get("machine") or {}
    return [
        *settings["versions"].items(),
        ("platform", settings.get("platform", "unknown")),
        ("processor", f"{machine.get('processor') or 'unknown'}, {machine.get('cores') or '?'} cores"),
        ("net", settings["net_digest"]),
        *((f"text {name}", str(digest)) for name, digest in settings["source"].get("digests", {}).items()),
    ]


# ---- Pictures ----------------------------------------------------------------------------------------------------


def _picture(report: RunReport, name: str, words: str, kind: str, caption: str = "") -> Markup:
    """Return a picture as HTML, or the sentence that says why it is omitted."""
    if name in report.pictures:
        return Markup(figure(partial(_DRAW[name], report.pictures[name]), words, kind, caption))
    return Markup(_omitted(report, name))


def _omitted(report: RunReport, name: str) -> str:
    reason = report.omitted.get(name, "not asked for")
    return f'<p class="quiet">{for_html(reason[:1].upper() + reason[1:])}.</p>'


def _several(figures: Iterable[tuple[Callable[..., Any], str, str]]) -> Markup:
    return Markup("\n".join(figure(*arguments) for arguments in figures))


def _net_figure(run: OpenedRun) -> Markup:
    counts = run.net.counts
    words = f"{run.net.name}: {counts.units:,} units, {counts.connections:,} connections, {counts.weights:,} weights"
    return Markup(figure(partial(net.draw, run.net), words, "lines"))


def _rejection_caption(report: RunReport) -> str:
    if "rejection" not in report.pictures:
        return ""
    lines = rejection.text(report.pictures["rejection"]).split("\n")[1:]
    return "; ".join(", ".join(re.split(r"\s{2,}", line)) for line in lines)
