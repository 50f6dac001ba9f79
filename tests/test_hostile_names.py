"""Every command with every hostile name: of files that are there, of files that are not, and as options' values.

No character that steers a terminal is printed and no line is forged, whatever the name is; each command ends with an
exit code of its own and without a traceback; what it writes can be read by those who read such files.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from tiny_run import make_runs, snsim

from snsim.cli.exit_codes import FAULT, USAGE
from snsim.escaping import is_hidden

HOSTILE = {
    "escape": "e\x1b[31m\x1b]0;t\x07f",
    "right to left": "r\u202el",
    "new line": "n\nFORGED: line\r\tend",
    "no text": "b\udcff",
    "separator": "s\u2028t\u200b\x9bu\x7f",
    "long": "l" * 240,
    "too long": "m" * 300,
    "markup": "<script>&\"'`|]]>",
    "tags": "[red]$x$%s{0}*",
    "option": "-x",
    "blank": " ",
    "empty": "",
}
FILES = [name for name in HOSTILE if name not in ("too long", "empty")]  # names that a file can have
MODULE = "import torch\nclass M(torch.nn.Linear):\n def __init__(self):\n  super().__init__(2, 1)\n"

# {sn} a program of that name, {bad} one with a fault, {run} a run folder, {npz}, {py} and {json} files, {dir} a folder
# with a program that names pattern files; {} the name itself, which nothing has.
ON_FILES = (
    "check -- {sn}",
    "show -- {sn}",
    "show --stage forms -- {sn}",
    "show --stage net -- {sn}",
    "show --stage plan -- {sn}",
    "show --stage torch -- {sn}",
    "show --stage llvm -- {sn}",
    "show --stage asm -- {sn}",
    "run --quiet --out {dir} -- {sn}",
    "run --json --out {dir} -- {sn}",
    "run --resume {run}",
    "run --resume {run} --json",
    "reproduce --passes 1 --seeds 1 --jobs 1 --out {dir} --report {dir}/r.md -- {sn}",
    "compare --only one --presentations 3 -- {sn}",
    "compare --only one --presentations 3 --json -- {sn}",
    "compare --report {dir}/c.html -- {run} {run}",
    "compare --json -- {run} {run}",
    "reject -- {run}",
    "reject --json --plot {dir}/r.svg -- {run}",
    *(
        f"plot {kind} -o {{dir}}/{kind}.svg -- {{run}}"
        for kind in ("curves", "weights", "maps", "misses", "confusion", "rejection", "net", "table")
    ),
    *(f"plot {kind} --text -- {{run}}" for kind in ("curves", "weights", "misses", "confusion", "rejection")),
    "plot net -o {dir}/n.svg -- {sn}",
    "plot nlf tanh --file {sn} -o {dir}/nlf.svg",
    "report -o {dir}/r.html -- {run}",
    "convert --to sn28 -- {sn}",
    "convert --to sn28 -o {dir}/c.sn -- {sn}",
    "fmt --diff -- {sn}",
    "data --data-dir {dir}",
    "data digits --offline --data-dir {dir}",
    "repl -- {sn}",
    "editor -- {dir}/new",
    "run --out {dir}/runs -- {dir}/files.sn",
    "run --json --out {dir}/runs -- {dir}/files.sn",
    "reproduce --jobs 1 --out {dir}/runs -- {dir}/files.sn",
    "check -- {dir}/files.sn",
    "run --data-dir {dir} --out {dir} one.sn",
)
FAULTY = (
    "check -- {bad}",
    "show -- {bad}",
    "run --out {dir} -- {bad}",
    "reproduce -- {bad}",
    "compare -- {bad}",
    "fmt -- {bad}",
    "fmt --check -- {bad}",
    "repl -- {bad}",
    "convert -- {bad}",
    "convert -- {sn}",
    "run --initial {npz} --out {dir} -- {sn}",
    "compare --mapping {json} one.sn module.py:M",
    "compare -- one.sn {py}:N",
    "compare --presentations 3 -- one.sn {py}:M",
    "editor --check -- {dir}",
    "plot -o {dir} -- {run}",
    "run --resume {dir}",
    "report -- {dir}",
    "reject -- {dir}",
    "run -- {dir}",
    "check -- {dir}",
    "data mnist --offline --data-dir {dir}",
    "run --initial {json} one.sn",
    "compare -- one.sn {json}:M",
    "compare --mapping {npz} one.sn module.py:M",
)
ON_NAMES = (
    "{}",
    "--{}x",
    "check -- {}",
    "show -- {}",
    "show one.sn --stage {}",
    "show one.sn --set {}=1",
    "check one.sn --set {}",
    "check one.sn --set a={}",
    "run -- {}",
    "run one.sn --only {}",
    "run one.sn --data {} --offline",
    "run one.sn --engine {}",
    "run one.sn --dtype {}",
    "run one.sn --seed {}",
    "run one.sn --passes {}",
    "run one.sn --initial {}",
    "run one.sn --set {}=1",
    "run one.sn --pictures {}",
    "run one.sn --{} 1",
    "run --resume {}",
    "reproduce -- {}",
    "reproduce one.sn --base {}",
    "reproduce one.sn --only {}",
    "reproduce one.sn --data {} --offline",
    "compare -- {}",
    "compare one.sn {}",
    "compare one.sn {}:M",
    "compare one.sn module.py:{}",
    "compare one.sn --only {}",
    "compare one.sn module.py:M --mapping {}",
    "reject -- {}",
    "reject tiny --error {}",
    "reject tiny --plot {}.gif",
    "plot -- {}",
    "plot {} tiny",
    "plot weights tiny --only {}",
    "plot net one.sn --only {}",
    "plot maps tiny --pattern {}",
    "plot nlf -- {}",
    "plot tiny -o {}.gif",
    "report -- {}",
    "report tiny --pattern {}",
    "convert -- {}",
    "convert one.sn --net {}",
    "convert one.sn --to {}",
    "list -- {}",
    "help -- {}",
    "data -- {}",
    "data {} --offline",
    "repl --engine {}",
    "fmt -- {}",
    "lsp -- {}",
)


class Page(HTMLParser):
    """Collects the elements that are still open at the end of a page, and refuses scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag != "script" and not [key for key, _ in attrs if key.startswith("on")], (tag, attrs)
        if tag not in ("meta", "link", "br", "img", "hr", "input", "source"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, tag


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run `tiny`, a program `one.sn` whose training takes no time, and files of each kind."""
    folder = make_runs(tmp_path_factory.mktemp("original"))
    text = (folder / "tiny.sn").read_text()
    (folder / "one.sn").write_text(text[text.index("(net scalar") :])
    (folder / "bad.sn").write_text("(net x (layre a 1)) (train")
    (folder / "module.py").write_text(MODULE)
    (folder / "map.json").write_text(json.dumps({name: name for name in HOSTILE.values()}))
    np.savez(folder / "w.npz", **{f"x{name}": np.zeros(2) for name in HOSTILE.values() if "\udcff" not in name})
    return folder


@pytest.fixture
def here(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    for name in ("one.sn", "module.py"):
        shutil.copy(original / name, folder)
    shutil.copytree(original / "tiny", folder / "tiny")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SNSIM_CACHE", str(original / "cache"))
    monkeypatch.delenv("SNSIM_DATA", raising=False)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    return folder


def check_output(arguments: list[str], *codes: int) -> None:
    """Give a command and look at what it prints and at the files that it makes."""
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*")}
    code, told, warned = snsim(*arguments)
    assert code in codes and "Traceback" not in warned, (code, warned)
    assert code == 0 or "error" in warned + told or "--check" in arguments or "DIFFERENT" in told, warned
    steering = [c for c in told + warned if is_hidden(c) and c not in "\n\t"]
    assert not steering, (steering, told, warned)
    assert not any(line.startswith("FORGED") for line in (told + warned).split("\n")), told + warned
    if "--json" in arguments:
        for line in told.split("\n"):
            assert not line or json.loads(line, parse_constant=pytest.fail)
    for path in Path().rglob("*"):
        if path.is_file() and path.stat().st_mtime_ns != before.get(path):
            check_file(path)


def check_file(path: Path) -> None:
    """Read a file as those read it who know nothing of snsim."""
    if path.suffix == ".svg":
        ElementTree.fromstring(path.read_bytes())
    elif path.suffix == ".html":
        text = path.read_text()
        assert not Page(text).open and not [c for c in text if is_hidden(c) and c not in "\n\t"]
    elif path.suffix == ".json":
        json.loads(path.read_text(), parse_constant=pytest.fail)
    elif path.suffix == ".md":
        assert not [c for c in path.read_text() if is_hidden(c) and c not in "\n\t"]


SLOW = ("report -o {dir}/r.html", "reproduce", "show --stage torch", "compare")  # seconds each
FEW = ("new line", "no text", "markup")  # the names that they get


def commands_with_names() -> list[Any]:
    """Every command with every name; in the fast tier each command gets a few of them in turn."""
    made = []
    for number, (command, code) in enumerate([*((c, 0) for c in ON_FILES), *((c, FAULT) for c in FAULTY)]):
        names = FEW if command.startswith(SLOW) else FILES
        fast = {names[(number + step) % len(names)] for step in range(1 if command.startswith(SLOW) else 3)}
        made += [pytest.param(command, code, name, marks=() if name in fast else pytest.mark.slow) for name in names]
    return made


@pytest.mark.parametrize(("command", "code", "name"), commands_with_names())
def test_files_of_hostile_names(command: str, code: int, name: str, original: Path, here: Path) -> None:
    places = hostile_files(HOSTILE[name], original, here)
    check_output([word.format(**places) for word in command.split()], code)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_of_nothing(name: str, here: Path) -> None:
    for command in ON_NAMES:
        check_output([word.replace("{}", HOSTILE[name]) for word in command.split()], 0, FAULT, USAGE)


READERS = (
    "report {}",
    "run --resume {}",
    "run --resume {} --json",
    "reject {}",
    "reject {} --json",
    *(f"plot {kind} {{}} --text" for kind in ("curves", "weights", "misses", "confusion", "rejection")),
    *(f"plot {kind} {{}} -o {{}}/p.svg" for kind in ("curves", "maps", "net", "table")),
)


NOT_IN_JSON = ("option", "blank", "empty")  # nothing hostile in a file


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("escape", len(READERS)),
        *(
            pytest.param(name, 3, marks=pytest.mark.slow)
            for name in HOSTILE
            if name not in ("option", "blank", "empty")
        ),
    ],
)
def test_run_folders_with_hostile_settings(name: str, step: int, here: Path) -> None:
    """Each text, and each key, of run.json in turn, by every `step`th reader."""
    settings = json.loads(Path("tiny/run.json").read_text())
    for number, changed in enumerate(with_a_text_changed(settings, HOSTILE[name])):
        Path("tiny/run.json").write_text(json.dumps(changed))
        for command in READERS[number % step :: step]:
            check_output([word.replace("{}", "tiny") for word in command.split()], 0, FAULT)


@pytest.mark.parametrize("name", [name for name in FILES if name not in ("no text", "blank")])
@pytest.mark.parametrize("variable", ["SNSIM_DATA", "SNSIM_CACHE"])
def test_hostile_values_of_the_environment(
    variable: str, name: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, HOSTILE[name])
    for is_there in (False, True):
        if is_there:
            Path(HOSTILE[name]).mkdir(exist_ok=True)
            Path(HOSTILE[name]).chmod(0o777)  # a cache that others can write is not used
        for command in (
            "data",
            "data digits --offline",
            "data mnist --offline",
            "run one.sn --data digits --offline",
            "show one.sn --stage llvm",
        ):
            check_output(command.split(), 0, FAULT)


def hostile_files(name: str, original: Path, here: Path) -> dict[str, str]:
    """Make a file of each kind with a hostile name; return their names by kind."""
    plain = name.startswith("-")  # its ending would make other options of it
    places = {key: f"{name}{'' if plain else '.'}{key}" for key in ("sn", "bad", "run", "npz", "py", "json", "dir")}
    for key, kept in (("sn", "one.sn"), ("bad", "bad.sn"), ("npz", "w.npz"), ("py", "module.py"), ("json", "map.json")):
        shutil.copy(original / kept, here / places[key])
    shutil.copytree(original / "tiny", here / places["run"])
    folder = here / places["dir"]
    folder.mkdir()
    (folder / "files.sn").write_text(
        (original / "one.sn")
        .read_text()
        .replace("(examples [[0 1] [1 0] [1 1] [0 0]] [[1] [1] [-1] [-1]])", '(patterns "in.txt" "out.txt")')
    )
    (folder / "in.txt").write_text("0 1\n1 0\n")
    (folder / "out.txt").write_text("0.5\n-0.5\n")
    return places


def with_a_text_changed(value: Any, text: str) -> Iterator[Any]:
    """Yield copies of a value of JSON in which one text, or one key, is another."""
    if isinstance(value, str):
        yield text
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from ([*value[:number], other, *value[number + 1 :]] for other in with_a_text_changed(item, text))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from ({**value, key: other} for other in with_a_text_changed(item, text))
        yield {**value, text: text}
