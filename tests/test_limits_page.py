"""docs/reference/limits.md states the limits that hold."""

from __future__ import annotations

import re
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import pytest

from snsim.cli.main import COMMANDS, Commands
from snsim.convert.convert import CONVERTING
from snsim.language.limits import ACTING, AT_PROMPT, DEFAULT, Limits

PAGE = (Path(__file__).parents[1] / "docs" / "reference" / "limits.md").read_text(encoding="utf-8")
FLAT = " ".join(PAGE.split())  # without line breaks
LISP = {
    row[0]: row[1:]
    for row in re.findall(r"^\| `(\w+)`: [^|]* \| ([\d,]+|none) \| ([\d,]+|none) \| ([^|]*)\|$", PAGE, re.M)
}
PLACES = re.findall(r"^\| [^|]* \| ([\d,]+) \| `([\w.]+):(\w+)` \|$", PAGE, re.M)


def number(text: str) -> float:
    return float("inf") if text == "none" else float(text.replace(",", ""))


def test_every_limit_of_the_lisp_has_a_row() -> None:
    assert list(LISP) and set(LISP) == {field.name for field in fields(Limits)}


@pytest.mark.parametrize("name", LISP)
def test_the_numbers_are_those_of_the_code(name: str) -> None:
    declares, acts, _ = LISP[name]
    assert (number(declares), number(acts)) == (getattr(DEFAULT, name), getattr(ACTING, name))


def test_what_the_page_says_of_the_prompt() -> None:
    assert AT_PROMPT.seconds == AT_PROMPT.acting_seconds == float("inf") and "At the prompt the time has no" in FLAT


def test_what_the_page_says_of_convert() -> None:
    said = re.search(r"`snsim convert` .*: ([\d,]+) steps, ([\d,]+) seconds, ([\d,]+) bytes", FLAT)
    assert said and [number(text) for text in said.groups()] == [
        CONVERTING.steps,
        CONVERTING.acting_seconds,
        CONVERTING.written_bytes,
    ]


@pytest.mark.parametrize(("stated", "module", "name"), PLACES, ids=lambda value: str(value))
def test_the_other_numbers_are_those_of_the_code(stated: str, module: str, name: str) -> None:
    assert getattr(import_module(module), name) == number(stated)


def test_there_are_other_numbers() -> None:
    assert len(PLACES) >= 10


def test_the_options_are_there() -> None:
    stated = set()
    for *_, cell in LISP.values():
        for option in re.findall(r"--\w+", cell):
            named = [
                name
                for name in re.findall(r"`(\w+)", cell + " ".join(re.findall(r"`(\w+) --", cell)))
                if name in COMMANDS
            ]
            assert named, cell
            for command in named:
                assert option in {o for p in Commands()[command].params for o in p.opts}, (command, option)
                stated.add((command, option))
    assert {("run", "--steps"), ("check", "--seconds"), ("show", "--seconds"), ("run", "--megabytes")} <= stated
