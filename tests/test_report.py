"""The page of a run: read as a browser reads it, and its command run again."""

from __future__ import annotations

import base64
import json
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tiny_run import make_runs, program, snsim

from snsim.reports.picture_data import curves_of
from snsim.runs.opened_run import OpenedRun

SECTIONS = [
    "figures",
    "curves",
    "page",
    "repeat",
    "description",
    "net",
    "tables",
    "settings",
    "data",
    "kernels",
    "maps",
    "misses",
    "confusion",
    "rejection",
    "nlfs",
    "passes",
    "versions",
]
VOID = {"meta", "link", "img", "source", "br", "hr"}


class Read(HTMLParser):
    """What a page has: tags with their attributes, text by section, and whether tags close in order."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: dict[str, str] = {}
        self.pre: list[str] = []
        self._open: list[str] = []
        self._section = "head"
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "section":
            self._section = dict(attrs)["id"] or ""
        if tag == "pre":
            self.pre.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words[self._section] = self.words.get(self._section, "") + data
        if "pre" in self._open:
            self.pre[-1] += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_runs(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def page(runs: Path) -> Read:
    code, out, err = snsim("report", runs / "tiny", "--pattern", "1", "--pattern", "2", "-o", runs / "page.html")
    assert (code, out) == (0, f"{runs / 'page.html'}\n"), err
    return Read((runs / "page.html").read_text(encoding="utf-8"))


def test_sections_and_their_links(page: Read) -> None:
    assert [attributes["id"] for attributes in page.of("section")] == SECTIONS
    assert [attributes["href"] for attributes in page.of("a")] == [f"#{name}" for name in SECTIONS]
    assert all(page.words[name].strip() for name in SECTIONS if name != "page")


def test_it_loads_nothing(page: Read, runs: Path) -> None:
    assert not page.of("script") and not page.of("object")
    for _, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "srcset", "href", "data", "poster"):
            assert re.match(r"#|data:", attributes.get(name) or "#"), attributes
    text = (runs / "page.html").read_text(encoding="utf-8")
    style = text[text.index("<style>") : text.index("</style>")]
    assert "@import" not in style and "url(" not in style and "prefers-color-scheme: dark" in style


def test_the_net_learns_in_a_frame_without_an_origin(page: Read, runs: Path) -> None:
    (frame,) = page.of("iframe")
    assert frame["sandbox"] == "allow-scripts allow-downloads" and "src" not in frame
    inside = frame["srcdoc"] or ""
    assert "Content-Security-Policy" in inside and "the weights of the run tiny after pass 4" in inside
    assert snsim("page", runs / "tiny", "-o", runs / "inside.html")[0] == 0
    assert inside == (runs / "inside.html").read_text(encoding="utf-8")
    code, *_ = snsim("report", runs / "tiny", "--no-page", "-o", runs / "small.html")
    small = Read((runs / "small.html").read_text(encoding="utf-8"))
    assert code == 0 and not small.of("iframe") and "#page" not in [link["href"] for link in small.of("a")]


def test_a_page_that_is_too_large_is_left_out_with_the_reason(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("snsim.reports.page.figure", lambda *given: "<figure></figure>")
    monkeypatch.setattr("snsim.page.frame.MOST_IN_FRAME", 20_000)
    assert snsim("report", runs / "one", "-o", runs / "large.html")[0] == 0
    page = Read((runs / "large.html").read_text(encoding="utf-8"))
    assert not page.of("iframe") and "The page of one has" in page.words["page"]


def test_pictures_are_drawn_for_page_and_telephone(page: Read) -> None:
    wide, narrow = page.of("img"), page.of("source")
    assert len(wide) == len(narrow) == 10  # curves net table kernels maps maps misses confusion rejection nlf
    for pictures, key, width in ((wide, "src", 518.4), (narrow, "srcset", 252)):
        for attributes in pictures:
            svg = base64.b64decode(attributes[key].partition("base64,")[2]).decode()
            assert float(re.search(r'<svg[^>]* width="([\d.]+)pt"', svg)[1]) <= width
            assert not re.search(r'(?:href|src)="(?!#|data:)', svg)
    assert all(len(attributes["alt"]) > 5 for attributes in wide)


def test_what_it_tells_is_what_the_folder_has(page: Read, runs: Path) -> None:
    settings = json.loads((runs / "tiny" / "run.json").read_text())
    last = json.loads((runs / "tiny" / "passes.jsonl").read_text().splitlines()[-1])
    assert f"test {last['test']['misses']} misses ({last['test']['error']:.2f} %)" in page.words["head"]
    assert settings["data"]["digest"] in page.words["data"] and settings["net_digest"] in page.words["versions"]
    for package, version in settings["versions"].items():
        assert package in page.words["versions"] and version in page.words["versions"]
    assert "test-misses" in page.words["figures"] and f"{last['test']['half_mse']:.4g}" in page.words["figures"]
    assert f"{settings['counts']['connections']:,} connections" in page.words["head"]
    assert len(re.findall(r"\d\.\d{4}e", page.words["passes"])) == 8  # train and test loss of four passes


def test_the_description_is_the_text_itself(page: Read) -> None:
    assert program() in page.pre
    words = {attributes.get("class") for attributes in page.of("span")}
    assert words == {"w", "c", "n"}  # there is no text in quotes in it


def test_the_command_repeats_the_run(page: Read, runs: Path, tmp_path: Path) -> None:
    command = next(text for text in page.pre if "--only tiny" in text)
    words = shlex.split(command)
    assert words[0] == "snsim" and snsim(*words[1:], "--quiet", "--out", tmp_path)[0] == 0
    again = tmp_path / "tiny" / "weights.safetensors"
    assert again.read_bytes() == (runs / "tiny" / "weights.safetensors").read_bytes()


def test_what_a_net_has_not_is_said(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("snsim.reports.page.figure", lambda *given: "<figure></figure>")  # drawn in the tests above
    assert snsim("report", runs / "one")[0] == 0
    page = Read((runs / "one" / "report.html").read_text(encoding="utf-8"))
    assert [attributes["id"] for attributes in page.of("section")] == SECTIONS
    assert "have no classes, which a confusion matrix counts" in page.words["confusion"]
    assert "has no connection between maps" in page.words["tables"] and "this net has 1" in page.words["rejection"]


@pytest.mark.parametrize(("first", "comparable"), [("digits", True), ("zipcode", False)])
def test_published_figures_belong_to_the_data_that_the_description_names_first(
    first: str, comparable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where --data names these data again."""
    monkeypatch.setattr("snsim.reports.page.figure", lambda *given: "<figure></figure>")
    (tmp_path / "n.sn").write_text(
        "(net n (layer input (16 16)) (layer output 10) (connect input output (full)))"
        f"(train n (data {first}) (epsilon 0.01) (passes 1) (published (test-misses 40)))"
    )
    run = ["run", tmp_path / "n.sn", "--data", "digits", "--offline", "--quiet", "--out", tmp_path]
    assert snsim(*run)[0] == snsim("report", tmp_path / "n")[0] == 0
    page = Read((tmp_path / "n" / "report.html").read_text(encoding="utf-8"))
    assert ("published for other data" in page.words["figures"]) is not comparable
    assert ("named on the command line" in page.words["head"]) is not comparable
    assert curves_of(OpenedRun.open(tmp_path / "n")).error_published == ({"test": 100 * 40 / 360} if comparable else {})


def test_wrong_calls(runs: Path) -> None:
    code, _, err = snsim("report", runs / "tiny", "--pattern", "20")
    assert code == 1 and "there is no pattern 20" in err
    code, _, err = snsim("report", runs / "tiny", "-o", runs / "tiny.sn" / "page.html")
    assert code == 1 and "cannot be written" in err
    assert snsim("report", runs / "nowhere")[0] == 1
