"""The corpus of tests/hostile/: no file does harm, whatever command it is given to, and each fault is told well.

Every case runs in a process of its own with 10 seconds of CPU and 2 GB of memory.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hostile_cases import HOSTILE, Case, make_files, read_cases

from snsim.cli.main import COMMANDS
from snsim.errors import is_hidden

if not hasattr(os, "fork"):
    pytest.skip("the cases run in forked processes", allow_module_level=True)

from contained import Containment, Outcome
from tiny_run import make_runs

CASES = read_cases()

# How each command is given the text of a case: {} is the file. A new command is added here, or the tests fail.
COMMANDS_OF_A_TEXT = {
    "new": "new mine --like {}",
    "run": "run {} --passes 1 --quiet --offline --seconds 1 --megabytes 5 --out runs",
    "reproduce": "reproduce {} --passes 1 --seed 1 --jobs 1 --offline --quiet --out runs",
    "show": "show {} --seconds 1",
    "check": "check {} --seconds 1",
    "compare": "compare {} --presentations 2 --offline",
    "reject": "reject {}",
    "predict": "predict {} x.png",
    "test": "test lecun89-full --data {} --offline",
    "export": "export {} --to torch -o page.py --seconds 1",
    "page": "page {} -o page.html --offline --seconds 1",
    "play": "play {} --port 70000 --no-open",  # its server would not end: test_play.py gives it every text
    "plot": "plot net {} -o net.svg",
    "report": "report {}",
    "convert": "convert {} -o out.sn",
    "list": "list {}",
    "help": "help {}",
    "data": "data {}",
    "repl": "repl {} --offline",
    "fmt": "fmt {}",
    "lsp": "lsp",
    "editor": "editor {}",
}


@pytest.fixture(scope="module")
def contained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containment]:
    with Containment(tmp_path_factory.mktemp("cache")) as server:
        yield server


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the text tiny.sn and the run folders `tiny` and `one`."""
    return make_runs(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder in which the commands of a case run; nothing may come to be beside it."""
    place = tmp_path / "here"
    place.mkdir()
    return place


def prepare(case: Case, folder: Path, runs: Path, contained: Containment) -> None:
    if case.runs:
        shutil.copytree(runs, folder, dirs_exist_ok=True)
    make_files(folder, case.files)
    for command in case.first:
        done = contained.run(command, folder, environment=case.environment)
        assert done.code == 0, done.text
    make_files(folder, case.then)


_HEAD = re.compile(r"^(?:(?P<place>.+:\d+:\d+): )?error: (?P<message>.*)$", re.M)


def harm(outcome: Outcome, command: Sequence[str]) -> str:
    """Why no command may end so; empty if it may: with 0, 1 or 2, faults that have a remedy, and visible letters."""
    text = outcome.text
    if outcome.code not in (0, 1, 2):
        return f"exit code {outcome.code} after {outcome.seconds:.1f} s and {outcome.bytes >> 20} MB"
    if "Traceback" in text or "Warning:" in text:
        return "a traceback or a warning of Python"
    shown = outcome.err if command[0] in ("repl", "lsp") else text  # texts of the user, and a protocol's ends of line
    if steering := {c for c in shown if is_hidden(c) and c not in "\n\t"}:
        return f"hidden characters {steering}"
    if outcome.code == 0:
        return ""
    events = [json.loads(line) for line in outcome.out.split("\n") if line.startswith('{"event": "error"')]
    if not events and not _HEAD.search(outcome.err):
        return "no fault is told"
    return ""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_a_case_ends_as_it_must(case: Case, folder: Path, runs: Path, contained: Containment) -> None:
    prepare(case, folder, runs, contained)
    outcome = contained.run(case.command, folder, case.given, case.environment)
    assert not harm(outcome, case.command), f"{harm(outcome, case.command)}\n{outcome.text[-3000:]}"
    assert outcome.code == case.code, outcome.text[-3000:]
    missing = [piece for piece in case.says if piece not in outcome.text]
    assert not missing, f"{missing} not in:\n{outcome.text[-3000:]}"
    assert [path.name for path in folder.parent.iterdir()] == ["here"], "written outside of the folder"


# A case of each text. One that ends by --seconds is tried on the commands that have this option: others take 60 s.
TEXTS = list({str(case.files): case for case in CASES if case.main}.values())


def others(case: Case, all_commands: bool) -> list[str]:
    """Commands that the text of a case is tried on beside its own: all, or one in turn."""
    names = [
        name
        for name, command in COMMANDS_OF_A_TEXT.items()
        if name != case.command[0] and ("--seconds" in command or "--seconds" not in case.command)
    ]
    return names if all_commands else [names[TEXTS.index(case) % len(names)]]


def opened_in_an_editor(path: Path) -> str:
    """What an editor sends to the language server when it opens a file."""
    text = path.read_bytes().decode("utf-8", "replace") if path.is_file() else ""
    document = {"uri": path.as_uri(), "languageId": "sn", "version": 1, "text": text}
    messages: list[dict[str, object]] = [
        {"id": 1, "method": "initialize", "params": {"processId": None, "rootUri": None, "capabilities": {}}},
        {"method": "initialized", "params": {}},
        {"method": "textDocument/didOpen", "params": {"textDocument": document}},
        {
            "id": 2,
            "method": "textDocument/formatting",
            "params": {"textDocument": document, "options": {"tabSize": 2, "insertSpaces": True}},
        },
        {"id": 3, "method": "shutdown"},
        {"method": "exit"},
    ]
    bodies = [json.dumps({"jsonrpc": "2.0", **message}) for message in messages]
    return "".join(f"Content-Length: {len(body)}\r\n\r\n{body}" for body in bodies)


@pytest.mark.parametrize("case", TEXTS, ids=lambda case: case.title)
def test_a_case_harms_no_other_command(
    case: Case, folder: Path, runs: Path, contained: Containment, all_commands: bool = False
) -> None:
    prepare(case, folder, runs, contained)
    assert case.main is not None
    for name in others(case, all_commands):
        command = [word.replace("{}", case.main) for word in COMMANDS_OF_A_TEXT[name].split(" ")]
        given = opened_in_an_editor(folder / case.main) if name == "lsp" else case.given
        outcome = contained.run(command, folder, given, case.environment)
        assert not harm(outcome, command), f"{name}: {harm(outcome, command)}\n{outcome.text[-3000:]}"
        assert [path.name for path in folder.parent.iterdir()] == ["here"], f"{name} writes outside of the folder"


@pytest.mark.slow
@pytest.mark.parametrize("case", TEXTS, ids=lambda case: case.title)
def test_a_case_harms_no_command_at_all(case: Case, folder: Path, runs: Path, contained: Containment) -> None:
    test_a_case_harms_no_other_command(case, folder, runs, contained, True)


def test_the_corpus_is_large_and_every_command_is_in_it() -> None:
    assert len(CASES) >= 150
    assert {case.command[0] for case in CASES} >= set(COMMANDS)
    assert set(COMMANDS_OF_A_TEXT) == set(COMMANDS)


def test_every_case_says_what_must_be_told() -> None:
    """A case that is refused names a piece of the message; only success may be silent."""
    assert not [case.title for case in CASES if case.code and not case.says]


def test_the_corpus_holds_text_only() -> None:
    for path in HOSTILE.rglob("*"):
        if path.is_file():
            text = path.read_bytes().decode("utf-8")
            assert not {c for c in text if is_hidden(c) and c != "\n"}, path


def test_the_kinds_of_the_corpus() -> None:
    assert {case.kind for case in CASES} == {
        "arrays",
        "cache",
        "limits",
        "names",
        "options",
        "paths",
        "runs",
        "text",
        "words",
    }
