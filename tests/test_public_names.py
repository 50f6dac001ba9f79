"""Public names do not change by accident: the list in public_names.json is that of the program."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from public_names import LIST, public_names

ROOT = Path(__file__).resolve().parents[1]
LISTED = json.loads(LIST.read_text(encoding="utf-8"))


def flat(value: Any, path: str = "") -> Iterator[str]:
    """Every name with the way to it; the parameters of a function are one entry, because their order counts."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from flat(inner, f"{path} > {name}" if path else name)
    elif isinstance(value, list) and not path.startswith("python"):
        yield from (f"{path} > {name}" for name in value)
    else:
        yield f"{path} = {value}"


@pytest.fixture(scope="module")
def present() -> dict[str, Any]:
    return json.loads(json.dumps(public_names()))


@pytest.mark.parametrize("part", ["commands", "exit codes", "json", "language", "python"])
def test_the_list_is_that_of_the_program(part: str, present: dict[str, Any]) -> None:
    gone = sorted(set(flat(LISTED[part], part)) - set(flat(present[part], part)))
    new = sorted(set(flat(present[part], part)) - set(flat(LISTED[part], part)))
    assert not gone and not new, (
        "public names have changed: docs/project/stability.md says what that needs. If it is meant, run\n"
        "  python tests/public_names.py\nand add a line to CHANGELOG.md.\n"
        + "\n".join(line for head, names in (("gone:", gone), ("new:", new)) if names for line in (head, *names))
    )


def test_the_list_is_not_empty() -> None:
    assert "--passes" in LISTED["commands"]["snsim run"] and "net: connect" in LISTED["language"]["clause"]
    assert "plan" not in LISTED["python"]["snsim"] and LISTED["json"]["passes.jsonl"]


def test_the_changelog_has_its_form() -> None:
    """Keep a Changelog: the newest version first, known headings, no version twice."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[([^\]]+)\]", text, re.M)
    assert versions[0] == "Unreleased" and len(set(versions)) == len(versions)
    headings = set(re.findall(r"^### (.*)$", text, re.M))
    assert headings <= {"Added", "Changed", "Changed numbers", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_versions_agree() -> None:
    import snsim

    citation = re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.M)
    assert citation is not None and citation[1] == snsim.__version__
    assert f'version = "{snsim.__version__}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f"[{snsim.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
