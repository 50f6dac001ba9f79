"""Files that other programs read: CITATION.cff, the workflows and the issue templates follow their schemas."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import snsim

ROOT = Path(__file__).resolve().parents[1]
CITATION = ROOT / "CITATION.cff"
GITHUB = ROOT / ".github"


def faults(schema: str, *files: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what check-jsonschema says of files against a schema that comes with it; empty if they are valid."""
    check = pytest.importorskip("check_jsonschema", reason="check-jsonschema brings the schemas")
    with pytest.raises(SystemExit) as stop:
        check.main(["--builtin-schema", f"vendor.{schema}", *map(str, files)])
    told = capsys.readouterr()
    return "" if stop.value.code == 0 else told.out + told.err


@pytest.mark.parametrize(
    ("schema", "pattern"),
    [
        ("citation-file-format", "CITATION.cff"),
        ("github-workflows", ".github/workflows/*.yml"),
        ("github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"),
        ("github-issue-forms", ".github/ISSUE_TEMPLATE/[!c]*.yml"),
    ],
)
def test_a_file_follows_its_schema(schema: str, pattern: str, capsys: pytest.CaptureFixture[str]) -> None:
    files = sorted(ROOT.glob(pattern))
    if not files and not GITHUB.exists():
        pytest.skip("the source package has no workflows")
    assert files and not faults(schema, *files, capsys=capsys)


def test_the_schema_refuses_a_citation_without_authors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stated = yaml.safe_load(CITATION.read_text(encoding="utf-8"))
    del stated["authors"]
    stated["date-released"] = "soon"
    (tmp_path / "CITATION.cff").write_text(yaml.safe_dump(stated))
    told = faults("citation-file-format", tmp_path / "CITATION.cff", capsys=capsys)
    assert "'authors' is a required property" in told and "date-released" in told


def test_the_citation_is_of_this_version_and_invents_nobody() -> None:
    """CONTRIBUTING.md lists what is added before the first public release."""
    stated = yaml.safe_load(CITATION.read_text(encoding="utf-8"))
    assert stated["version"] == snsim.__version__ and stated["license"] == "MIT"
    assert stated["authors"] == [{"name": "The snsim developers"}]
    assert not {"doi", "url", "repository", "repository-code", "contact", "identifiers"} & stated.keys()


def test_no_test_sees_the_runs_of_the_checkout() -> None:
    """The working folder of a test is empty, and a test that changes to the checkout fails, as does its program."""
    assert os.listdir() == []
    with pytest.raises(AssertionError, match="must not work in"):
        os.chdir(ROOT)
    with pytest.raises(AssertionError, match="must not work in"):
        subprocess.run([sys.executable, "-c", ""], cwd=ROOT / "tests" / "..")
    assert Path.cwd() != ROOT
