"""The pages of results: each figure is what a command wrote into a data file, and none was typed."""

from __future__ import annotations

import json
import math
import re
import shutil
import statistics
import sys
from pathlib import Path

import pytest
from scipy import stats

from snsim.studies.intervals import interval_of_a_run, t_quantile

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs"))

import render_results  # noqa: E402
import results_data  # noqa: E402

PAGES = [page.relative_to(ROOT).as_posix() for page in render_results.pages()]
# What looks like a figure: a decimal, a power of ten, a spread, or a number with a unit of a measurement.
FIGURE = re.compile(
    r"""(?<![\w./-]) (?: \d[\d,]*\.\d+ (?:e-?\d+)? | \d+e-?\d+ | ±\s*\d
      | \d[\d,.]*\s*(?:%|percent\b|us\b|ms\b|s\b|seconds?\b|(?:test|train|training)?\s*misses\b|times\ as\b) )""",
    re.X,
)
# Constants of a formula: 2.4/F, 2.4/sqrt(F), 1.7159 tanh(2x/3), 0.05 x.
CONSTANT = re.compile(r"(?<![\w.])\d+\.\d+\s?(?:/F|/sqrt\(?F\)?|tanh\b|x\b)")
# Not measured: a level that is asked for, the share of weights that a description cuts, and names.
STATED = (
    "1 % error",
    "less than 1 %",
    "95 % of",
    "95 % is what",
    "95 % intervals",
    "5 to 95 %",
    "95 % region",
    "60 % of the weights",
    "SN-2.8",
)


def typed(text: str) -> list[str]:
    """Return what looks like a figure outside marks, code and links, and cells of tables that are only a number."""
    text = render_results.TABLE.sub("", text)
    text = render_results.INLINE.sub("", text)
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    text = re.sub(r"^ {4}.*$", "", text, flags=re.M)
    text = re.sub(r"`[^`\n]*`", "", text)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    for words in STATED:
        text = text.replace(words, "")
    text = CONSTANT.sub("", text)
    cells = re.findall(r"\|\s*([-+]?\d[\d,.]+)\s*(?=\|)", text)
    return [found[0] for found in FIGURE.finditer(text)] + cells


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_no_figure_that_was_typed(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    if page == "README.md":  # what commands print there, test_readme.py runs
        text = text[text.index("## Does it give") : text.index("## More")]
    assert typed(text) == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("It misses 17.0 digits.", ["17.0"]),
        ("an error of 2.5e-3", ["2.5e-3"]),
        ("108 ± 7", ["± 7"]),
        ("17 training misses", ["17 training misses"]),
        ("in 3 seconds, 12 %", ["3 seconds", "12 %"]),
        ("| blocks | 108 |", ["108"]),
        ("In 1989, all 23 passes over 7,291 digits from 2.4/F, SN-2.8 says; `mu 0.05`, 0.05 x.", []),
        ("It misses <!--data row test-misses-->108.4 ± 7.0<!--/--> for 1 % error.", []),
    ],
)
def test_what_looks_like_a_figure(line: str, found: list[str]) -> None:
    assert typed(line) == found


@pytest.mark.parametrize("page", PAGES)
def test_marks_leave_their_paragraph_whole(page: str) -> None:
    """In Markdown a comment at the start of a line is a block of its own: the line would be no part of the text."""
    text = (ROOT / page).read_text(encoding="utf-8")
    assert re.findall(r"^ *<!--(?!/?table\b).*$", text, re.M) == []
    marks = re.sub(r"<!--table .*?<!--/table-->", "", text, flags=re.S).count("<!--/-->")
    assert marks == len(render_results.INLINE.findall(text)) and text.count("<!--table ") == text.count("<!--/table-->")


def test_pages_and_pictures_show_what_the_data_files_have() -> None:
    assert render_results.differing() == [], "run  make results"


def test_a_page_that_differs_is_found_and_rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A figure that was edited by hand, and one whose data file has changed."""
    page = shutil.copy(ROOT / "docs/results/papers.md", tmp_path / "papers.md")
    monkeypatch.setattr(render_results, "pages", lambda: [tmp_path / "papers.md"])
    monkeypatch.setattr(render_results.results_pictures, "PICTURES", {})
    text = Path(page).read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if "`lecun89.sn`" in line)
    Path(page).write_text(text.replace(row, row.replace("10 / ", "11 / ")), encoding="utf-8")
    assert render_results.differing() == ["papers.md"] and render_results.main(["--check"]) == 1
    assert render_results.rendered(Path(page).read_text(encoding="utf-8")) == text


def test_a_mark_that_names_nothing_is_an_error() -> None:
    with pytest.raises(KeyError):
        render_results.rendered("<!--papers-1989 zip-code-net nothing--><!--/-->")


def test_a_figure_is_that_of_the_runs_in_the_file() -> None:
    values = json.loads((results_data.DATA / "papers-1989.json").read_text(encoding="utf-8"))
    row = values["studies"][0]["rows"][0]
    counts = [run["figures"]["test-misses"] for run in row["runs"]]
    assert len(counts) == 40 == len({run["seed"] for run in row["runs"]})
    shown = render_results.cell("papers-1989", "zip-code-net", "test-misses")
    assert shown == f"{statistics.fmean(counts):.1f} ± {statistics.stdev(counts):.1f}"
    assert row["curves"]["test-misses"][-1] == pytest.approx(statistics.fmean(counts))
    assert values["command"].startswith("snsim reproduce nets/studies/papers-1989.sn") and values["machines"]


def test_every_data_file_says_which_command_made_it() -> None:
    for file in results_data.DATA.glob("*.json"):
        values = json.loads(file.read_text(encoding="utf-8"))
        assert file.stem == "published" or values["command"].startswith(("snsim ", "python ")), file.name
        if file.stem == "published":
            assert all(row["source"] for row in values["rows"].values())


def test_no_data_file_names_a_folder_of_the_machine_that_made_it() -> None:
    for file in results_data.DATA.iterdir():
        assert not re.search(r"""["',]/\w|[A-Z]:\\""", file.read_text(encoding="utf-8")), file.name


# ---- Intervals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 7, 19, 40, 333])
def test_quantiles_are_those_of_scipy(degrees: int) -> None:
    for probability in (0.6, 0.9, 0.975, 0.999):
        assert t_quantile(probability, degrees) == pytest.approx(stats.t.ppf(probability, degrees), rel=1e-9)


def test_the_interval_holds_one_new_run_as_often_as_it_says() -> None:
    """Eight runs and a ninth, drawn 4,000 times: roots of counts normal, logarithms of errors normal."""
    draws = stats.norm.rvs(size=(4_000, 9), random_state=5)
    for figure, values in (("test-misses", (10 + 0.4 * draws) ** 2), ("test-half-mse", 0.02 * 1.1**draws)):
        inside = 0
        for *runs, new in values:
            interval = interval_of_a_run(figure, runs)
            assert interval is not None
            inside += interval[0] <= new <= interval[1]
        assert inside / len(draws) == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / len(draws)))


def test_what_has_no_interval() -> None:
    assert interval_of_a_run("test-misses", [5.0]) is None
    assert interval_of_a_run("train-half-mse", [0.0, 1e-3]) is None
    assert interval_of_a_run("train-misses", [0.0, 0.0]) == (0.0, 0.0)
