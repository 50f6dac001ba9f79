"""The gallery: a page for each net of nets/: its picture, its figures beside the published ones, and its text."""

from __future__ import annotations

import ast
import io
import json
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from markdown import block, cell, code, plain, table, toctree
from results_data import pairs

from snsim.cli.main import COMMANDS, main
from snsim.gallery import gallery_doc, gallery_file, gallery_folder, gallery_names, shipped_weights
from snsim.network.net import Net
from snsim.plots.net import draw
from snsim.plots.style import as_svg
from snsim.program import read_program
from snsim.text_table import shape_text
from snsim.training.spec import Training

DOCS = Path(__file__).resolve().parents[1]
Write = Callable[[str, str | bytes], None]
MOST_ROWS = 10  # of a study, on the page of a net
FIGURES = ("train-misses", "train-error", "test-misses", "test-error")


def gallery_pages(write: Write) -> None:
    """Write a page for each net of the gallery, and the list of them."""
    rows = []
    for name in gallery_names():
        program = read_program(gallery_folder() / f"{name}.sn", port=io.StringIO())
        nets = _own_nets(program)
        write(f"gallery/{name}.md", _page(name, nets, program.own_trainings, write))
        first = nets[0] if nets else program.own_trainings[-1].net
        rows.append(
            [f"[{name}]({name}.md)", f"{first.counts.weights:,}", cell(gallery_doc(name)), "yes" if _live(name) else ""]
        )
    write(
        "gallery/index.md",
        "# Gallery\n\nThe nets that come with snsim. `snsim run NAME` trains one in any folder, and "
        "`snsim new mine --like NAME` copies one to change.\n\n"
        + table(["net", "weights", "from", "learns in a page"], rows, "lrl")
        + "\n"
        + literature()
        + "\n"
        + toctree(gallery_names(), hidden=True),
    )


def literature() -> str:
    """Return the nets in the order of their years: counts, published and own figures, and what tests hold of them.

    The year is the latest one that the file of a net states. A sentence of the last column is the name of a test in
    `tests/test_literature.py` that trains the net.
    """
    measured, held = _measured(), _held_by_tests()
    rows = []
    for name in gallery_names():
        program = read_program(gallery_folder() / f"{name}.sn", port=io.StringIO())
        nets, trainings = _own_nets(program), program.own_trainings
        counts = (nets[0] if nets else trainings[-1].net).counts
        year = max(re.findall(r"\b(?:19|20)\d\d\b", gallery_doc(name)), default="")
        published = {figure: value for t in trainings[:1] for figure, value in t.published if figure in FIGURES}
        ours = measured.get(name, {}).get(trainings[0].name, {}) if trainings else {}
        rows.append(
            [
                year,
                f"[{name}]({name}.md)",
                *(f"{n:,}" for n in (counts.units, counts.connections, counts.weights)),
                _results(published),
                _results({f: ours[f] for f in published or ("train-misses", "test-misses") if ours.get(f) is not None}),
                ", ".join(held.get(name, ())),
            ]
        )
    rows.sort(key=lambda row: (not row[0], row[0]))
    heads = ["year", "net", "units", "connections", "weights", "published", "ours", "checked by a test"]
    return (
        "## In the order of their years\n\nThe published figures stand beside ours, from one run with the first seed; "
        "the page of a net has the command. The last column names the tests in `tests/test_literature.py` that train "
        "the net and check its known result.\n\n" + table(heads, rows, "llrrrlll")
    )


def _results(figures: Mapping[str, float]) -> str:
    texts = (
        f"{value:.3g} % {figure.removesuffix('-error')} error" if figure.endswith("error") else f"{value:,.0f} {figure}"
        for figure, value in figures.items()
    )
    return ", ".join(text.replace("-", " ") for text in texts)


def _held_by_tests() -> dict[str, list[str]]:
    """Return for each net of the gallery the tests of `tests/test_literature.py` that train it, as sentences."""
    tree = ast.parse((DOCS.parent / "tests" / "test_literature.py").read_text(encoding="utf-8"))
    named: dict[str, list[str]] = {}  # what a dict of the file lists by name of a net
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Dict):
            keys = [key.value for key in statement.value.keys if isinstance(key, ast.Constant)]
            named[ast.unparse(statement.targets[0])] = [key for key in keys if isinstance(key, str)]
    held: dict[str, list[str]] = {}
    for test in tree.body:
        if not isinstance(test, ast.FunctionDef) or not test.name.startswith("test_"):
            continue
        parts = list(ast.walk(test))
        calls = {part.func.id for part in parts if isinstance(part, ast.Call) and isinstance(part.func, ast.Name)}
        constants = [part.value for part in parts if isinstance(part, ast.Constant)]
        texts = [value.removesuffix(".sn") for value in constants if isinstance(value, str)]
        listed = [name for part in parts if isinstance(part, ast.Name) for name in named.get(part.id, ())]
        for name in dict.fromkeys([*texts, *listed]) if calls & {"trained", "passes_of", "run"} else ():
            held.setdefault(name, []).append(test.name.removeprefix("test_").replace("_", " "))
    return held


@cache
def _measured() -> dict[str, Any]:
    figures: dict[str, Any] = json.loads((DOCS / "gallery-figures.json").read_text(encoding="utf-8"))
    return figures


def _own_nets(program: Any) -> list[Net]:
    """The nets that the file itself declares."""
    return [entry.value for entry in program.nets.own() if entry.span and entry.span.source == program.sources[0]]


def _page(name: str, nets: list[Net], trainings: list[Training], write: Write) -> str:
    parts = [f"# {name}\n", plain(gallery_doc(name)) + "\n"]
    run = f"snsim run {name}\n" if trainings else ""  # a file may have a net alone, whose data are not public
    commands = f"{run}snsim show {name}\nsnsim new mine --like {name}\n"
    parts.append(block(commands))
    if _live(name):
        write(f"gallery/_live/{name}.html", _live_page(name))
        parts.append(
            f'<p><a class="live" href="live/{name}.html">Let this net learn in your browser</a> '
            "(on the digits that come with snsim, or the patterns of the description)</p>\n"
        )
    for net in nets or [trainings[-1].net]:
        layers = " > ".join(shape_text(layer.shape) for layer in net.layers)
        picture = f"_pictures/{net.name}.svg"
        write(f"gallery/{picture}", as_svg(draw(net)))
        counts = net.counts
        parts.append(
            f"## The net {code(net.name)}\n\n{counts.units:,} units, {counts.connections:,} connections, "
            f"{counts.weights:,} weights.\n\n```{{image}} {picture}\n:alt: the layers {layers} and their "
            "connections\n:class: picture\n```\n"
        )
    if trainings:
        parts.append("## Figures\n\n" + _figures(name, trainings))
    if (studies := _studies({net.digest for net in nets} | {t.net.digest for t in trainings})) != "":
        parts.append(studies)
    file = gallery_file(name)
    assert file is not None
    parts.append(f"## The description\n\n`nets/{name}.sn`:\n\n" + block(file.read_text(encoding="utf-8"), "lisp"))
    return "\n".join(parts)


def _figures(name: str, trainings: list[Training]) -> str:
    """Return the published figures beside ours, with the commands."""
    measured = _measured().get(name, {})
    weights = shipped_weights(name)
    parts = []
    rows = []
    conditions: list[str] = []
    for training in trainings:
        published = dict(training.published)
        ours = measured.get(training.name, {})
        figures = [
            figure
            for figure in FIGURES
            if figure in published or (ours.get(figure) is not None and figure.endswith("misses"))
        ]
        figures += [figure for figure in published if figure not in figures]
        for figure in figures:
            mine = ours.get(figure)
            rows.append(
                [
                    code(training.name),
                    figure.replace("-", " ") + (" %" if figure.endswith(("error", "rejection")) else ""),
                    f"{published[figure]:g}" if figure in published else "",
                    "" if mine is None else f"{mine:.2f}" if figure.endswith("error") else f"{mine:,}",
                ]
            )
        if ours:
            only = f" --only {training.name}" if len(trainings) > 1 else ""
            conditions.append(
                f"`snsim run {name}{only} --data {ours['data']}`: {ours['passes']} passes, seed {ours['seed']}, "
                f"engine {ours['engine']}, on one core of {ours['processor']}."
                if ours["data"] in _data_sets()
                else f"`snsim run {name}{only}`: {ours['passes']} passes, seed {ours['seed']}, engine "
                f"{ours['engine']}, on one core of {ours['processor']}."
            )
    if rows:
        parts.append(table(["training", "figure", "published", "ours"], rows, "llrr"))
    else:
        parts.append("No figures are published for this net, and none of ours are recorded.\n")
    parts.append("\n".join(f"- {line}" for line in conditions) + "\n")
    if weights is not None:
        parts.append(
            f"Trained weights come with snsim, so that `snsim predict {name} my.png` answers at once: "
            f"{plain(weights.summary)}. They were made by\n\n" + block(weights.command)
        )
    return "\n".join(parts)


@cache
def _data_sets() -> frozenset[str]:
    from snsim.data.catalog import DATA_SETS

    return frozenset(DATA_SETS.names())


@cache
def _study_rows() -> list[tuple[str, Training, str, list[str], list[str]]]:
    """Return each row of the reports in docs/results: page, training, study, headings, cells."""
    trainings = {}
    for file in sorted((gallery_folder() / "studies").glob("*.sn")):
        for training in read_program(file, port=io.StringIO()).own_trainings:
            trainings[file.stem, training.name] = training
    found = []
    for page in sorted((DOCS / "results").glob("*.md")):
        study, heads = page.stem, []
        for line in page.read_text(encoding="utf-8").splitlines():
            if line == "## Every run":
                break
            if line.startswith("## "):
                study = line[3:] if (gallery_folder() / "studies" / f"{line[3:]}.sn").exists() else page.stem
            cells = [text.strip() for text in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
            if cells and cells[0] == "training":
                heads = cells if "runs" in cells else []
            elif heads and cells and (training := trainings.get((study, cells[0]))) is not None:
                found.append((page.stem, training, study, heads, cells))
    return found


def _studies(digests: set[str]) -> str:
    """Return the rows of the studies that train these nets."""
    rows, pages = [], {}
    for page, training, study, heads, cells in _study_rows():
        if training.net.digest not in digests:
            continue
        pages[page] = pages.get(page, 0) + 1
        if pages[page] <= MOST_ROWS:
            figures = pairs(heads, cells)
            rows.append(
                [
                    f"[{training.name}](../results/{page}.md)",
                    cells[heads.index("runs")],
                    *(text for name in ("train misses", "test misses") for text in figures.get(name, ("", ""))),
                    f"`snsim reproduce nets/studies/{study}.sn --only {training.name}`",
                ]
            )
    if not rows:
        return ""
    more = [
        f"[{page}](../results/{page}.md) has {n} rows with this net.\n" for page, n in pages.items() if n > MOST_ROWS
    ]
    heads = ["row of a study", "runs", "train misses, published", "ours", "test misses, published", "ours", "command"]
    return "### In the studies\n\n" + table(heads, rows, "lrrrrrl") + "\n" + "\n".join(more)


def _live(name: str) -> bool:
    return "page" in COMMANDS and name in _live_names()


@cache
def _live_names() -> frozenset[str]:
    """Return the nets that can learn in a page."""
    return frozenset(name for name in gallery_names() if _live_page(name))


@cache
def _live_page(name: str) -> bytes:
    """Return the page in which the net learns, with the digits that come with snsim; empty if there is none."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "page.html"
        out, sys.stdout = sys.stdout, io.StringIO()
        err, sys.stderr = sys.stderr, io.StringIO()
        try:
            file = gallery_folder() / f"{name}.sn"
            trainings = read_program(file, port=io.StringIO()).own_trainings
            only = ["--only", trainings[-1].name] if len(trainings) > 1 else []
            code = main(["page", str(file), "-o", str(place), "--offline", *only])
        finally:
            sys.stdout, sys.stderr = out, err
        return place.read_bytes() if code == 0 and place.exists() else b""
