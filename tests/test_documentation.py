"""The site: it builds without a warning, each name and net has its page, and its examples are programs that hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from snsim.cli.main import COMMANDS
from snsim.gallery import gallery_names
from snsim.glossary.names import kinds
from snsim.program import read_program

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((ROOT / "docs" / "_examples").glob("*.sn"))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_examples_are_programs_without_a_fault(file: Path) -> None:
    assert read_program(file).own_trainings


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


def test_every_name_command_and_net_has_its_place(site: Path) -> None:
    for kind in kinds():
        page = (site / "reference" / "language" / f"{kind.name}.html").read_text(encoding="utf-8")
        text = page.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        assert [entry.name for entry in kind.entries() if f'<span class="pre">{entry.name}</span>' not in text] == []
    assert [name for name in COMMANDS if not (site / "reference" / "command-line" / f"{name}.html").exists()] == []
    for name in gallery_names():
        page = (site / "gallery" / f"{name}.html").read_text(encoding="utf-8")
        assert "The description" in page and f"snsim run {name}" in page


def test_almost_every_name_of_the_language_has_an_example() -> None:
    """A new name may come without one; those of today keep theirs."""
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
    assert len(lacking) <= 3, lacking


def test_nothing_is_loaded_from_a_network(site: Path) -> None:
    for page in site.rglob("*.html"):
        if "live" in page.parts:
            continue
        text = page.read_text(encoding="utf-8")
        for mark in ('src="http', '<link rel="stylesheet" type="text/css" href="http', "url(http"):
            assert mark not in text, page
