"""Write the figures of the pages of results, and of README, from the data files of docs/results/data.

    python docs/render_results.py            (make results)
    python docs/render_results.py --check    exit code 1 if a page and its data disagree

Commands write the data files; no page has a figure that was typed. A page names what it shows, and the text between
the marks is written here:

    <!--papers-1989 zip-code-net test-misses-->108.4 ± 7.0<!--/-->      data file, row, figure[:form]
    <!--table papers-->                                                 a table of docs/results/tables.toml
    ...
    <!--/table-->

Forms: `spread` (mean ± deviation of the sample; the default), `mean`, `run` (mean, and the interval of one new run),
`range` (that interval alone), `published`, `beside` (published, then `run`), `difference` (from the base row of the
report, seed by seed), `pass-N` (the mean after pass N), `runs`, `p`, and `inside` (how many figures of runs with fresh
seeds lie in the intervals; the row is then the other data file). A row `A/B` is the ratio of two rows, seed by seed.
"""

from __future__ import annotations

import hashlib
import re
import sys
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "_ext"))

import results_pictures
from results_data import DATA, DOCS, RESULTS, Row, probability, ratio, rows_of, text_of

ROOT = DOCS.parent
INLINE = re.compile(r"<!--([\w.-]+) ([^\s>]+) ([\w:.%-]+)-->(.*?)<!--/-->", re.S)
TABLE = re.compile(r"<!--table ([\w-]+)-->\n(.*?)<!--/table-->", re.S)
# One of each kind: error and loss are misses and half-mse in other units.
INDEPENDENT = ("train-misses", "test-misses", "train-half-mse", "test-half-mse", "test-rejection")
DRAWN = DATA / "pictures.toml"  # for each picture the digest of its data


def pages() -> list[Path]:
    """Return the pages that have marks."""
    return [ROOT / "README.md", *(page for page in sorted(RESULTS.glob("*.md")) if not is_report(page))]


def is_report(page: Path) -> bool:
    """Return whether a command wrote the whole page: `make bench`, or `snsim reproduce --report`."""
    return page.name == "speed.md" or "\nWritten on " in page.read_text(encoding="utf-8")


def rendered(text: str) -> str:
    """Return a page with the figures of the data files."""
    text = TABLE.sub(lambda found: f"<!--table {found[1]}-->\n{table(found[1])}<!--/table-->", text)
    return INLINE.sub(lambda found: f"<!--{found[1]} {found[2]} {found[3]}-->{cell(*found.groups()[:3])}<!--/-->", text)


def cell(name: str, row: str, figure: str) -> str:
    """Return a figure of a row of a data file as text. KeyError if the file does not have it."""
    figure, _, form = figure.partition(":")
    rows = rows_of(name)
    if form == "inside":
        return _inside(rows, rows_of(row), figure)
    if "/" in row:
        return _ratio(rows, row, figure, form)
    return _of_row(rows[row], figure, form)


def table(name: str) -> str:
    """Return a table of tables.toml as Markdown."""
    spec = tomllib.loads((RESULTS / "tables.toml").read_text(encoding="utf-8"))[name]
    heads = [spec["head"], *(column[0] for column in spec["columns"])]
    lines = [heads, ["---", *["---:"] * len(spec["columns"])]]
    for place, label, *stated in spec["rows"]:
        data, _, row = place.partition(" ")
        published = rows_of("published")[stated[0]] if stated else None
        lines.append([label, *(_cell_of_table(data, row, column, published) for column in spec["columns"])])
    return "".join("|" + "".join(f" {text} |" if text else " |" for text in line) + "\n" for line in lines)


def _cell_of_table(data: str, row: str, column: list[str], stated: Row | None) -> str:
    """Return a cell, empty if the row lacks the figure. `published ROW` shows the published figures of a row."""
    _, figure, *replaced = column
    if replaced:
        row = row.replace(*replaced)
    if row.startswith("published "):
        row, figure = row.removeprefix("published "), figure.partition(":")[0] + ":published"
    if " " in figure:
        data, figure = figure.split(" ")
    figures, _, form = figure.partition(":")
    try:
        if form == "beside":
            known = rows_of(data)[row].published if stated is None else stated.figures
            figures = next((name for name in figures.split("|") if name in known), "")
            if not figures:
                return ""
        shown = cell(data, row, f"{figures}:{form}")
    except (KeyError, FileNotFoundError):
        return ""
    if form != "beside":
        return shown
    published = f"{stated.figures[figures].text} / " if stated is not None else ""
    return published + shown + (" %" if figures.endswith("-error") else "")


def _of_row(row: Row, figure: str, form: str) -> str:
    if figure == "p" and "p" not in row.figures:
        return probability(row.p)
    if figure == "runs":
        return "" if row.runs is None else f"{row.runs:,}"
    if form == "published":
        return row.published[figure]
    if form == "difference":
        return row.differences[figure]
    if form.startswith("pass-"):
        return text_of(figure, row.curves[figure][int(form.removeprefix("pass-")) - 1])
    own = row.figures[figure]
    if form in ("", "spread"):
        return own.text
    assert own.mean is not None, f"{row.name} has no numbers for {figure}"
    mean = text_of(figure, own.mean)
    if form == "mean":
        return mean
    low_high = "" if own.interval is None else _range(figure, own.interval)
    if form == "range":
        return low_high
    shown = f"{mean} ({low_high})" if low_high else mean
    return f"{row.published[figure]} / {shown}" if form == "beside" else shown


def _range(figure: str, interval: tuple[float, float]) -> str:
    low, high = interval
    if figure.endswith("misses"):
        return f"{low:.0f} to {high:.0f}"
    return f"{text_of(figure, low)} to {text_of(figure, high)}"


def _ratio(rows: dict[str, Row], name: str, figure: str, form: str) -> str:
    above, below = (rows[part] for part in name.split("/"))
    if figure == "runs":
        return f"{above.runs}"
    mean, interval = ratio(above, below, figure)
    return f"{mean:.2f}" if form == "mean" else f"{mean:.2f} ({interval[0]:.2f} to {interval[1]:.2f})"


def _inside(fresh: dict[str, Row], rows: dict[str, Row], figure: str) -> str:
    """Return how many figures of fresh runs lie in the stated intervals: `96 of 100`; "all": those of INDEPENDENT."""
    inside = total = 0
    for name, row in fresh.items():
        for own in INDEPENDENT if figure == "all" else (figure,):
            interval = rows[name].figures[own].interval
            assert interval is not None, f"{name} has no interval for {own}"
            low, high = map(round, interval) if own.endswith("misses") else interval  # as the pages print it
            inside += sum(low <= run[own] <= high for run in row.every_run)
            total += len(row.every_run)
    return f"{inside} of {total}"


# ---- Pictures ----------------------------------------------------------------------------------------------------


def digest(names: tuple[str, ...]) -> str:
    """Return the digest of data files that a picture is drawn from."""
    return hashlib.sha256(b"".join((DATA / f"{name}.json").read_bytes() for name in names)).hexdigest()[:16]


def drawn() -> dict[str, str]:
    """Return the digests that each picture was drawn from."""
    return tomllib.loads(DRAWN.read_text(encoding="utf-8")) if DRAWN.exists() else {}


def differing() -> list[str]:
    """Return the pages and pictures that do not show what the data files have."""
    found = [page.name for page in pages() if rendered(page.read_text(encoding="utf-8")) != page.read_text("utf-8")]
    return found + [name for name, (_, data) in results_pictures.PICTURES.items() if drawn().get(name) != digest(data)]


def main(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        for name in (found := differing()):
            print(f"{name} is not what the data files have: run  make results")
        return int(bool(found))
    for page in pages():
        before = page.read_text(encoding="utf-8")
        if (after := rendered(before)) != before:
            page.write_text(after, encoding="utf-8")
            print(page.relative_to(ROOT))
    digests = drawn()
    for name, (draw, data) in results_pictures.PICTURES.items():
        if digests.get(name) != digest(data):
            draw(DOCS / "pictures" / name)
            digests[name] = digest(data)
            print(f"docs/pictures/{name}")
    DRAWN.write_text("".join(f'"{name}" = "{value}"\n' for name, value in sorted(digests.items())), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
