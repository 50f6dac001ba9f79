"""The site: it builds without a warning, each name and net has its page, and its examples are programs that hold."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from snsim.cli.main import COMMANDS
from snsim.errors import Source
from snsim.gallery import gallery_file, gallery_names
from snsim.glossary.names import kinds
from snsim.program import read_program

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((ROOT / "docs" / "_examples").glob("*.sn"))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_examples_are_programs_without_a_fault(file: Path) -> None:
    assert read_program(file).own_trainings


def test_the_examples_of_contributing_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are put where the page says, and a net learns the data set through the scheme, in every engine alike."""
    from snsim.data import catalog
    from snsim.network import schemes
    from snsim.runs.options import Options
    from snsim.runs.run import run_unrecorded

    scheme, data = re.findall(r"^```python\n(.*?)^```", (ROOT / "CONTRIBUTING.md").read_text(), re.M | re.S)
    monkeypatch.setattr(schemes.SCHEMES, "_entries", dict(schemes.SCHEMES._entries))
    monkeypatch.setattr(catalog.DATA_SETS, "_entries", dict(catalog.DATA_SETS._entries))
    for block, place in ((scheme, "snsim/network/schemes.py"), (data, "snsim/data/catalog.py")):
        text = (ROOT / place).read_text(encoding="utf-8").rstrip("\n") + f"\n\n\n{block}"
        for command in (["check"], ["format", "--check"]):
            done = subprocess.run(
                [sys.executable, "-m", "ruff", *command, "--stdin-filename", place, "-"],
                cwd=ROOT,
                input=text,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stdout + done.stderr
    exec(scheme, dict(vars(schemes)))
    exec(data, {"np": np, **vars(catalog)})
    program = read_program(
        Source(
            "chain.sn",
            "(net chain (layer input 4) (layer h 4) (layer output 2) (connect input h (skip 1))"
            " (connect h output (full)) (expect (connections 17) (weights 17)))"
            "(train chain (data parity) (epsilon 0.05) (passes 3))",
        )
    )
    (training,) = program.own_trainings
    losses = []
    for engine in ("native", "reference", "torch"):
        passes = run_unrecorded(program, training, 1, Options(engine=engine, dtype="float64"))
        losses.append([done.train.loss for done in passes])
    assert len(losses[0]) == 3 and losses[0][2] < losses[0][0]
    assert losses[0] == pytest.approx(losses[1]) and losses[0] == pytest.approx(losses[2])


def test_the_places_of_an_addition_exist() -> None:
    """Each row of the table of CONTRIBUTING names files and folders that are there."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| an? .*$", page[: page.index("### Example: a scheme")], re.M)
    assert len(rows) == 17
    for row in rows:
        tests = re.findall(r"`(test_\w+\.py)`", row)
        places = [place for place in re.findall(r"`([\w/]+(?:/|\.py|\.sn))`", row) if "/" in place]
        assert tests and places, row
        assert [place for place in places if not (ROOT / place).exists()] == []
        assert [test for test in tests if not (ROOT / "tests" / test).exists()] == []


def test_the_page_of_the_language_has_every_scheme() -> None:
    """Its table is written by hand."""
    from snsim.network.schemes import SCHEMES

    page = (ROOT / "docs" / "reference" / "language.md").read_text(encoding="utf-8")
    rows = "\n".join(re.findall(r"^\| *`\(.*$", page[page.index("| scheme |") :], re.M))
    ours = [entry for entry in SCHEMES if entry.value.__module__.startswith("snsim.")]  # no plug-ins
    lacking = [entry.name for entry in ours if not re.search(rf"`\({re.escape(entry.name)}[ )]", rows)]
    assert not lacking, f"add a row to the table of schemes in docs/reference/language.md: {', '.join(lacking)}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site. Sphinx's --nitpicky and --fail-on-warning hold every link between pages."""
    for package in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(package, reason='pip install "snsim[docs]"')
    out = tmp_path_factory.mktemp("site")
    options = ["--fail-on-warning", "--keep-going", "--nitpicky", "--quiet", "-d", str(out / "trees")]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, "-b", "html", str(ROOT / "docs"), str(out / "html")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out / "html"


@pytest.mark.slow
def test_every_name_command_and_net_has_its_place(site: Path) -> None:
    for kind in kinds():
        page = (site / "reference" / "language" / f"{kind.name}.html").read_text(encoding="utf-8")
        text = page.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        assert [entry.name for entry in kind.entries() if f'<span class="pre">{entry.name}</span>' not in text] == []
    assert [name for name in COMMANDS if not (site / "reference" / "command-line" / f"{name}.html").exists()] == []
    for name in gallery_names():
        page = (site / "gallery" / f"{name}.html").read_text(encoding="utf-8")
        command = "run" if read_program(gallery_file(name)).own_trainings else "show"  # some are nets alone
        assert "The description" in page and f"snsim {command} {name}" in page


def test_every_name_of_the_language_has_an_example() -> None:
    sys.path.insert(0, str(ROOT / "docs" / "_ext"))
    from language_pages import _example

    from snsim.glossary.clauses import ClauseHelp

    lacking = [
        f"{kind.name} {entry.name}"
        for kind in kinds()
        if kind.name in ("word", "clause", "scheme", "nlf", "cost", "update", "criterion", "data")
        for entry in kind.entries()
        if _example(kind, entry, entry.value if isinstance(entry.value, ClauseHelp) else None) is None
    ]
    assert not lacking, f"add an example to docs/_examples of: {', '.join(lacking)}"


def test_the_list_of_nets_has_counts_figures_and_the_test_of_the_known_result() -> None:
    """Counts by arithmetic from the layer sizes of the publications; 10 and 102 misses are printed in the paper."""
    sys.path.insert(0, str(ROOT / "docs" / "_ext"))
    from gallery_pages import literature

    rows = {cells[1]: cells for line in literature().splitlines() if len(cells := line.split(" | ")) == 8}
    listed = {
        name: next((cells for link, cells in rows.items() if link.startswith(f"[{name}]")), None)
        for name in gallery_names()
    }
    assert all(listed.values()), [name for name, cells in listed.items() if cells is None]
    symmetry, paper = listed["symmetry"], listed["lecun89"]
    assert symmetry is not None and paper is not None
    assert symmetry[0].endswith("1986") and symmetry[4] == f"{6 * 2 + 2 + 2 + 1}"
    assert "symmetry is seen by weights of ratio 1 2 4" in symmetry[7]
    assert paper[5] == "10 train misses, 102 test misses"


@pytest.mark.slow
def test_nothing_is_loaded_from_a_network(site: Path) -> None:
    for page in site.rglob("*.html"):
        if "live" in page.parts:
            continue
        text = page.read_text(encoding="utf-8")
        for mark in ('src="http', '<link rel="stylesheet" type="text/css" href="http', "url(http"):
            assert mark not in text, page
