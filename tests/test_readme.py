"""README and the pages of docs/: what they show runs as it is shown, and their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from page_runner import console_blocks, first_difference, run_page, steps

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
HOW_TO_INSTALL = "$ pip install ./snsim\n"  # the one command of README that needs a network
ELSEWHERE = {  # pages whose commands a test of their own runs
    "docs/reference/data.md": "test_own_data.py",
    "docs/reference/export.md": "test_export_object.py",
    "docs/reference/gallery.md": "test_gallery.py",
    "docs/reference/predict.md": "test_predict.py",
    "docs/reference/python.md": "test_from_python.py",
    "docs/reference/sn28-dialect.md": "test_sn28_dialect.py",
    "docs/how-to/plugins.md": "test_compat.py",
}
# Pages that train or compare most, 8 to 16 seconds of a processor each: `make test-all` runs them. What they show is
# tested in small in test_compare*.py, test_reproduce.py, test_plots.py, test_report.py and test_own_data.py.
LONG = (
    "docs/how-to/compare.md",
    "docs/how-to/pages.md",
    "docs/how-to/studies.md",
    "docs/tutorial/article-of-2022.md",
    "docs/tutorial/own-pictures.md",
)
GENERATED = ("docs/reference/language/", "docs/reference/command-line/", "docs/gallery/", "docs/reference/terms.md")


def pages() -> list[str]:
    found = (path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md")))
    return [page for page in found if page not in ELSEWHERE and not page.startswith(GENERATED)]


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


WITH_COMMANDS = [page for page in pages() if any(step.command for step in steps(text_of(page)))]


def test_there_are_commands() -> None:
    assert len(steps(TEXT)) >= 8 and len(WITH_COMMANDS) >= 12
    assert set(LONG) <= set(WITH_COMMANDS)
    assert all((ROOT / "tests" / name).exists() for page, name in ELSEWHERE.items() if (ROOT / page).exists())


@pytest.mark.parametrize(
    "processes", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["in-process", "processes"]
)
def test_the_readme_runs_as_shown(processes: bool, tmp_path: Path) -> None:
    """All but the installation; its Python runs after its commands, as a reader would type it."""
    assert TEXT.count(HOW_TO_INSTALL) == 1
    (python,) = re.findall(r"^```python\n(.*?)^```", TEXT, re.M | re.S)
    (tmp_path / "use.py").write_text(python)
    run_page(TEXT.replace(HOW_TO_INSTALL, "") + "\n```sh\npython use.py\n```\n", tmp_path, processes=processes)


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=pytest.mark.slow) if page in LONG else page for page in WITH_COMMANDS]
)
def test_a_page_runs_as_shown(page: str, tmp_path: Path) -> None:
    run_page(text_of(page), tmp_path)


def test_what_compare_says_is_what_the_tutorial_shows(tmp_path: Path) -> None:
    """The whole page trains for long, so only `make test-all` runs it."""
    blocks = console_blocks(text_of("docs/tutorial/article-of-2022.md"), "snsim compare")
    assert len(steps(blocks)) == 3
    run_page(blocks, tmp_path)


def test_the_readme_is_short_and_begins_with_a_command_and_its_output() -> None:
    lines = TEXT.splitlines()
    assert len(lines) <= 125
    assert next(n for n, line in enumerate(lines) if line.startswith("$ snsim")) < 20
    assert "### " not in TEXT


def test_listings_are_those_of_the_gallery() -> None:
    """The net that README and the tutorial print is the net of nets/lecun89.sn."""
    from snsim.errors import Source
    from snsim.program import read_program

    printed = read_program(ROOT / "nets" / "lecun89.sn")
    (table,) = re.findall(r"^\(table three-blocks.*?^$", text_of("nets/lecun89.sn"), re.M | re.S)
    for page in ("README.md", "docs/tutorial/net-of-1989.md"):
        (listing,) = re.findall(r"^```lisp\n(\(net lecun89\n.*?)^```", text_of(page), re.M | re.S)
        program = read_program(Source(f"<{page}>", table + listing))
        assert program.nets.get("lecun89").digest == printed.nets.get("lecun89").digest


def test_error_that_is_shown_is_the_error_that_comes() -> None:
    shown = re.search(r"^```text\n(nets/mine.sn:.*?)^```", text_of("docs/reference/language.md"), re.M | re.S)
    assert shown is not None
    from snsim.errors import SnError, Source
    from snsim.program import read_program

    line = re.search(r"^ +4 \| (.*)$", shown[1], re.M)
    assert line is not None
    source = Source(
        "nets/mine.sn",
        f"(net mine\n  (layer input (16 16))\n  (layer h1 (4 8 8)) (layer output 10)\n"
        f"{line[1]}\n  (connect h1 output (full)))\n",
    )
    with pytest.raises(SnError) as caught:
        read_program(source)
    assert str(caught.value).strip() == shown[1].strip()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"])
def test_links_outside_the_site_lead_somewhere(page: str) -> None:
    """Sphinx checks the links inside docs/; these files are read without it."""
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text_of(page)):
        assert link.startswith("https://") or (ROOT / link).exists(), link


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a 1.00 33\n", "a 1.01 34\n", True),
        ("a 1.00 33\n", "a 2.00 33\n", False),
        ("a\n...\nc\n", "a\nb\nb\nc\n", True),
        ("a\n...\n", "a\nb\n", True),
        ("a\n", "a\nb\n", False),
        ("a\nb\n", "a\n", False),
        ("12 in ... s\n", "12 in 0.5 (3 per second) s\n", True),
        ("  7,291 train\n", "8,291 train\n", False),
    ],
)
def test_how_outputs_are_compared(shown: str, printed: str, same: bool) -> None:
    assert (first_difference(shown, printed) is None) == same
