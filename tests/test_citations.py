"""Comments cite docs/reference/sn28.md by section: each cited section is there, and each section is cited."""

import re
from pathlib import Path

import pytest
from test_sn28_kernel import GOLDEN

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "sn28.md"
TEXT = PAGE.read_text(encoding="utf-8")
NUMBER = r"[0-9]+(?:\.[0-9]+)?|[A-Z]\b"
HEADING = re.compile(rf"^##+ (?:Appendix )?({NUMBER}) .*$", re.M)
SECTIONS = [match.group(1) for match in HEADING.finditer(TEXT)]
CITATION = re.compile(rf"docs/reference/sn28\.md,\s(?:sections?|appendix)\s({NUMBER})(?:\sand\s({NUMBER}))?")
# Other ways to name SN-2.8's reference, which send a reader nowhere: "sn28 section 3.16", "SN-2.8 (section 3.7)".
LOOSE = re.compile(
    r"\bsn28(?:\.md)?\s(?:[0-9]+\.[0-9]|sections?\s|appendix\s)"
    r"|SN-2\.8(?:(?!docs/|[0-9]{4}).){0,40}?sections?\s[0-9]"
    r"|sections?\s[0-9.]+(?:\sand\s[0-9.]+)?\sof\s(?:sn28|SN-2\.8|the\sreference)",
    re.I,
)


def plain(text: str) -> str:
    """A text without the breaks of its lines and the marks of comments at their beginnings."""
    return re.sub(r"\n[ \t]*(?:#+|;+)?[ \t]*", " ", text)


FILES = {
    path: plain(path.read_text(encoding="utf-8"))
    for folder in ("snsim", "tests", "nets", "examples", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".py", ".sn", ".lark") and path != Path(__file__).resolve()
}
CITED = [
    (path.relative_to(ROOT), number)
    for path, text in FILES.items()
    for match in CITATION.finditer(text)
    for number in match.groups()
    if number
]


def test_each_section_has_a_number_of_its_own_and_stands_in_order():
    assert len(HEADING.findall(TEXT)) == len(re.findall(r"^##+ ", TEXT, re.M)), "a heading has no number"
    keys = [(number.isalpha(), *(int(part) for part in number.split(".") if part.isdigit())) for number in SECTIONS]
    assert keys == sorted(set(keys))


def test_each_cited_section_is_there():
    assert len(CITED) >= 69
    assert [f"{path}: {number}" for path, number in CITED if number not in SECTIONS] == []


def test_each_section_has_a_reader():
    cited = {number for _, number in CITED}
    introductions = {number.split(".")[0] for number in SECTIONS if "." in number}
    assert [number for number in SECTIONS if number not in cited | introductions] == []


def test_all_citations_have_one_form():
    for path, text in FILES.items():
        assert text.count("docs/reference/sn28.md") == len(CITATION.findall(text)), f"{path} cites the page, no section"
        loose = LOOSE.search(text)
        assert loose is None, f"{path}: {loose[0]!r} names no page"


@pytest.mark.parametrize(
    "words",
    [
        "sn28 section 3.16",
        "sn28\n# section 5",
        "sn28 3.16",
        "sn28.md 3.12",
        "sn28 appendix A",
        "SN-2.8 (section 3.7)",
        "SN-2.8, section 1.1",
        "SN-2.8's `set-class-...` (section 3.9)",
        "Sections 3.10 and 3.13 of sn28",
        "section 5 of the reference",
    ],
)
def test_other_forms_are_found(words):
    assert LOOSE.search(plain(f"# As in {words}."))


def test_references_inside_the_page_lead_somewhere():
    for number in re.findall(r"\((?:section )?([1-9]\.[0-9]+)\)|section ([1-9]\.[0-9]+)", TEXT):
        assert "".join(number) in SECTIONS
    anchors = {
        re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in re.findall(r"^##+ .*$", TEXT, re.M)
    }
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert len(links) > 8
    for link in links:
        file, _, anchor = link.partition("#")
        assert (PAGE.parent / file).exists() if file else anchor in anchors, link


def test_the_golden_numbers_are_those_of_the_tests():
    rows = dict(re.findall(r"^\| `(\([a-z-]+ [0-9]\))` \| ([-0-9. |]+) \|$", TEXT, re.M))
    assert {call: numbers.replace(" | ", " ") for call, numbers in rows.items()} == {
        call or "(forget 1)": numbers for call, numbers in GOLDEN.items()
    }
