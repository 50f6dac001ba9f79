"""The report of a run: one page of HTML that stands by itself, with neither network nor script, light and dark."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

from snsim.errors import SnError, Source
from snsim.escaping import for_html, for_shell
from snsim.network.complete_form import complete_form
from snsim.plots import confusion, connection_text, curves, maps, misses, net, nlf, rejection, weights
from snsim.plots import table as table_plot
from snsim.reports import picture_data
from snsim.reports.html_elements import code, description, figure, folded, paragraph, section, table
from snsim.reports.pass_lines import published_rows, summary_line
from snsim.reports.tables import headings, summary
from snsim.runs import provenance
from snsim.runs.opened_run import OpenedRun
from snsim.training.scores import Score

_MOST_ELEMENTS = 64  # of a matrix inside a form
_TITLES = {
    "figures": "Figures",
    "curves": "Curves",
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


@dataclass(frozen=True, eq=False)
class Page:
    """What a report tells of a run. `pictures`: prepared data of the pictures by name ("curves", "weights" ...);
    `left`: why one of them is not there. `nlfs` and `maps`: several pictures of a kind.
    """

    run: OpenedRun
    pictures: Mapping[str, Any]
    maps: tuple[maps.Maps, ...] = ()
    nlfs: tuple[nlf.NlfCurves, ...] = ()
    left: Mapping[str, str] = field(default_factory=dict)
    written: str = ""  # the time

    @property
    def settings(self) -> Mapping[str, Any]:
        return self.run.settings


def page_of(run: OpenedRun, patterns: Sequence[int], error: float) -> Page:
    """Return all that the report of a run tells. What its net does not have (classes, maps) is left out with a reason.

    `patterns` are the numbers of the patterns whose maps are shown, `error` is the percentage for the rejection.
    """
    outputs = run.outputs()
    parts: dict[str, Callable[[], Any]] = {
        "curves": lambda: picture_data.curves_of(run),
        "weights": lambda: picture_data.weights_of(run),
        "table": lambda: table_plot.tables(run.net),
        "misses": lambda: picture_data.misses_of(outputs),
        "confusion": lambda: picture_data.confusion_of(outputs),
        "rejection": lambda: picture_data.rejection_of(run, error),
    }
    pictures: dict[str, Any] = {}
    left: dict[str, str] = {}
    for name, prepare in parts.items():
        try:
            pictures[name] = prepare()
        except SnError as refused:
            left[name] = refused.faults[0].message
    nlfs = {layer.nlf.name: layer.nlf for layer in run.net.layers if layer.nlf is not None}
    return Page(
        run,
        pictures,
        tuple(picture_data.maps_of(outputs, pattern) for pattern in patterns),
        tuple(nlf.nlf_curves(function) for function in nlfs.values()),
        left,
        provenance.now(),
    )


def as_html(page: Page) -> str:
    """The page as one text: style and pictures are inside."""
    name = page.run.name
    sections = "\n".join(_SECTIONS[key](page, key) for key in _TITLES)
    links = "".join(f'<li><a href="#{key}">{for_html(title)}</a></li>' for key, title in _TITLES.items())
    style = resources.files("snsim.reports").joinpath("page.css").read_text(encoding="utf-8")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{for_html(name)}: report</title>
<link rel="icon" href="data:,">
<style>
{style}</style>
</head>
<body>
<header>
<h1>{for_html(name)}</h1>
{paragraph(_verdict(page))}
{_warning(page)}
{paragraph(_made(page), "quiet")}
</header>
<nav aria-label="sections"><ul>{links}</ul></nav>
<main>
{sections}
</main>
</body>
</html>
"""


def command_of(settings: Mapping[str, Any], main: str) -> str:
    """The command that repeats a run from the text `main`: all that was said beside the description."""
    words: list[object] = [
        "snsim",
        "run",
        Path(main),
        "--only",
        settings["name"],
        "--seed",
        str(settings["seed"]),
        "--engine",
        settings["engine"],
        "--dtype",
        settings["dtype"],
    ]
    overrides = settings["overrides"]
    for data in overrides["data"]:
        words += ["--data", data]
    for option in ("passes", "initial"):
        if overrides.get(option) is not None:
            words += [f"--{option}", str(overrides[option])]
    for key, value in settings["presets"].items():
        words += ["--set", f"{key}={value}"]
    return for_shell(words)


# ---- The head ----------------------------------------------------------------------------------------------------


def _scores(page: Page) -> tuple[Score, Score | None] | None:
    """The figures of the last pass."""
    if not page.run.record.passes:
        return None
    last = page.run.record.passes[-1]
    return Score(**last["train"]), Score(**last["test"]) if last["test"] is not None else None


def _verdict(page: Page) -> str:
    done, scores = page.run.record.snapshot.number, _scores(page)
    if scores is None:
        return f"No pass of {page.settings['passes']} is done."
    return f"After pass {done} of {page.settings['passes']}: {summary_line(*scores)}."


def _warning(page: Page) -> str:
    data = page.settings["data"]
    if data["rank"]:
        wanted = " or ".join(data["wanted"][: data["rank"]])
        return paragraph(
            f"Run on {data['name']}, NOT {wanted}, which could not be had: published figures do not compare.", "warning"
        )
    if page.settings["overrides"]["data"] and page.settings["published"]:
        return paragraph(
            f"Run on {data['name']}, as the command line asked: published figures may not compare.", "warning"
        )
    return ""


def _made(page: Page) -> str:
    settings, counts = page.settings, page.settings["counts"]
    ended = settings.get("finished")
    return (
        f"{counts['units']:,} units, {counts['connections']:,} connections, {counts['weights']:,} weights; "
        f"seed {settings['seed']}; {settings['engine']} in {settings['dtype']}; begun {settings['started']}, "
        f"{'ended ' + ended if ended else 'not ended'}; this page was written {page.written}."
    )


# ---- Sections ----------------------------------------------------------------------------------------------------


def _figures(page: Page, key: str) -> str:
    scores = _scores(page)
    if scores is None:
        return section(key, _TITLES[key], paragraph("There are none before the first pass is done."))
    rows = [
        (split, f"{s.patterns:,}", f"{s.misses:,}", f"{s.error:.2f} %", f"{s.loss:.4g}", f"{s.half_mse:.4g}")
        for split, s in zip(("train", "test"), scores)
        if s is not None
    ]
    published = list(page.settings["published"].items())
    beside = table(("figure", "published", "ours"), published_rows(published, *scores), "lrr") if published else ""
    notes = "".join(paragraph(note) for note in page.run.training.notes)
    return section(
        key,
        _TITLES[key],
        table(("patterns", "number", "misses", "error", "loss", "half mse"), rows, "lrrrrr"),
        beside,
        notes,
    )


def _curves(page: Page, key: str) -> str:
    return _picture(page, key, "curves", curves.draw, "loss and error after each pass", "lines")


def _repeat(page: Page, key: str) -> str:
    main = str(page.run.record.main_source)
    typed = page.settings.get("command") or []
    first = [paragraph("It was begun by"), code(for_shell(["snsim", *typed]))] if typed else []
    return section(
        key,
        _TITLES[key],
        *first,
        paragraph("This run alone, from the copy of its text that it keeps:"),
        code(command_of(page.settings, main)),
        paragraph("Initial weights, order of the patterns, shifts and noise all come from the seed."),
    )


def _description(page: Page, key: str) -> str:
    main, *others = page.run.texts
    included = [folded(source.name, description(source)) for source in others]
    return section(
        key,
        _TITLES[key],
        paragraph(main.name, "quiet"),
        description(main),
        paragraph("It includes:") if included else "",
        *included,
    )


def _net(page: Page, key: str) -> str:
    drawn = page.run.training.net
    counts = drawn.counts
    rows = summary(drawn, page.run.training)
    names = headings(True)
    sides = "".join("l" if name in ("layer", "nlf", "bias", "rate") else "r" for name in names)
    cells = [tuple(str(getattr(row, name.replace("-", "_"))) for name in names) for row in rows]
    words = f"{drawn.name}: {counts.units:,} units, {counts.connections:,} connections, {counts.weights:,} weights"
    return section(
        key,
        _TITLES[key],
        figure(partial(net.draw, drawn), words, "lines"),
        table(names, cells, sides, total=True),
        code(connection_text.describe_connections(drawn)),
    )


def _tables(page: Page, key: str) -> str:
    return _picture(
        page,
        key,
        "table",
        table_plot.draw,
        "which map feeds which",
        "lines",
        "Filled where a map of the layer at the left feeds one of the layer above.",
    )


def _settings(page: Page, key: str) -> str:
    settings, training = page.settings, page.run.training
    rows = [
        ("passes", str(settings["passes"])),
        ("seed", str(settings["seed"])),
        ("engine", f"{settings['engine']}, {settings['dtype']}"),
        ("cost", settings["cost"]),
        ("right", " ".join(map(str, settings["correct"]))),
        ("update", ", ".join(settings["updates"])),
    ]
    rows += [(f"--set {name}", str(value)) for name, value in settings["presets"].items()]
    form = complete_form("train", training.name, training.clauses, _MOST_ELEMENTS)
    return section(
        key, _TITLES[key], table((), rows, "ll"), folded("every clause, with its origin", description(Source("", form)))
    )


def _data(page: Page, key: str) -> str:
    data = page.settings["data"]
    rows = [
        ("name", data["name"]),
        ("found", data["origin"]),
        ("training patterns", f"{data['train']:,}"),
        ("test patterns", f"{data['test']:,}"),
        ("asked for", ", then ".join(data["wanted"])),
        ("sha256", data["digest"]),
    ]
    return section(key, _TITLES[key], table((), rows, "ll"))


def _kernels(page: Page, key: str) -> str:
    return _picture(
        page,
        key,
        "weights",
        weights.draw,
        "the kernels of every connection",
        "grays",
        "A row a source map, a column a target map; each weight times the square root of its fan-in F, "
        "black negative, white positive. 99 of 100 weights have a gray of their own.",
    )


def _maps(page: Page, key: str) -> str:
    drawn = [figure(partial(maps.draw, shown), shown.title, "grays") for shown in page.maps]
    return section(key, _TITLES[key], *(drawn or [_why_not(page, "maps")]))


def _misses(page: Page, key: str) -> str:
    return _picture(page, key, "misses", misses.draw, "the patterns that are wrong", "grays")


def _confusion(page: Page, key: str) -> str:
    return _picture(
        page,
        key,
        "confusion",
        confusion.draw,
        "which class is taken for which",
        "lines",
        "Those that are right stand on the diagonal.",
    )


def _rejection(page: Page, key: str) -> str:
    told = rejection.text(page.pictures["rejection"]).split("\n") if "rejection" in page.pictures else []
    return _picture(
        page,
        key,
        "rejection",
        rejection.draw,
        "error on the rest over what is rejected",
        "lines",
        "; ".join(", ".join(re.split(r"\s{2,}", line)) for line in told[1:]),
    )


def _nlfs(page: Page, key: str) -> str:
    return section(key, _TITLES[key], *(figure(partial(nlf.draw, shown), shown.name, "lines") for shown in page.nlfs))


def _passes(page: Page, key: str) -> str:
    lines = []
    for done in page.run.record.passes:
        cells = [str(done["pass"])]
        for split in ("train", "test"):
            if done[split] is not None:
                cells += [f"{done[split]['loss']:.4e}", f"{done[split]['error']:.2f}", f"{done[split]['misses']:,}"]
        lines.append((*cells, f"{done['seconds']:.2f}"))
    both = bool(lines) and len(lines[0]) > 5
    on_test = ("test loss", "error %", "misses") if both else ()
    names = ("pass", "train loss", "error %", "misses", *on_test, "seconds")
    return section(key, _TITLES[key], folded(f"{len(lines)} passes", table(names, lines, "r" * len(names))))


def _versions(page: Page, key: str) -> str:
    settings = page.settings
    machine = settings.get("machine") or {}
    rows = [
        *settings["versions"].items(),
        ("platform", settings.get("platform", "unknown")),
        ("processor", f"{machine.get('processor') or 'unknown'}, {machine.get('cores') or '?'} cores"),
        ("net", settings["net_digest"]),
        *((f"text {name}", digest) for name, digest in settings["source"].get("digests", {}).items()),
    ]
    return section(key, _TITLES[key], table((), rows, "ll"))


def _picture(
    page: Page, key: str, name: str, draw: Callable[..., Any], words: str, kind: str, caption: str = ""
) -> str:
    """A section that is one picture, or the sentence that says why it is not there."""
    if name not in page.pictures:
        return section(key, _TITLES[key], _why_not(page, name))
    return section(key, _TITLES[key], figure(partial(draw, page.pictures[name]), words, kind, caption))


def _why_not(page: Page, name: str) -> str:
    why = page.left.get(name, "not asked for")
    return paragraph(f"{why[:1].upper()}{why[1:]}.", "quiet")


_SECTIONS: dict[str, Callable[[Page, str], str]] = {
    "figures": _figures,
    "curves": _curves,
    "repeat": _repeat,
    "description": _description,
    "net": _net,
    "tables": _tables,
    "settings": _settings,
    "data": _data,
    "kernels": _kernels,
    "maps": _maps,
    "misses": _misses,
    "confusion": _confusion,
    "rejection": _rejection,
    "nlfs": _nlfs,
    "passes": _passes,
    "versions": _versions,
}
