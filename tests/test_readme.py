"""Every command that the README, or a page of docs/, shows in a `sh` block runs as it is shown."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from data_folder import MNIST, ZIP_CODES, need_data
from tiny_run import snsim

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text()
PAGES = [
    TEXT,
    *(page.read_text() for page in sorted((ROOT / "docs").glob("*.md"))),
    (ROOT / "docs/reference/training.md").read_text(),
]
COMMANDS = [  # of each page, in the order in which they build on one another
    [line for block in re.findall(r"^```sh\n(.*?)^```", page, re.M | re.S) for line in block.splitlines()]
    for page in PAGES
]
LISTINGS = re.findall(r"^```lisp\n(.*?)^```", TEXT, re.M | re.S)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the nets and a command `snsim` that runs this very tree."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "nets", folder / "nets")
    (folder / "bin").mkdir()
    for name, arguments in (("snsim", "-m snsim"), ("python", "")):
        command = folder / "bin" / name
        command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {arguments} "$@"\n')
        command.chmod(0o755)
    shutil.copytree(ROOT / "examples", folder / "examples")
    shutil.copy(ROOT / "examples" / "seven.png", folder)
    return folder


def test_there_are_commands() -> None:
    assert sum(map(len, COMMANDS)) >= 8


@pytest.mark.parametrize("commands", [commands for commands in COMMANDS if commands], ids=lambda commands: commands[0])
def test_commands_run_as_shown(commands: list[str], place: Path) -> None:
    """All commands of a page in one test: on one worker, and in their order."""
    environment = {**os.environ, "PATH": f"{place / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    for command in commands:
        try:
            for name, files in (("zipcode", ZIP_CODES), ("mnist", MNIST)):
                if f"--data {name}" in command:
                    need_data(*files)
        except pytest.skip.Exception:  # the data of this command are not here
            continue
        done = subprocess.run(
            ["sh", "-c", command], cwd=place, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        assert done.stdout.strip(), command


def test_the_answer_that_is_shown_is_the_answer_that_comes(tmp_path: Path) -> None:
    """Numbers within rounding: machines add in different orders."""
    shown = re.search(r"^```\n(seven.png:.*?)^```", TEXT, re.M | re.S)
    assert shown is not None
    shutil.copy(ROOT / "examples" / "seven.png", tmp_path)
    with contextlib.chdir(tmp_path):  # where no run has the name
        code, out, err = snsim("predict", "lecun89", "seven.png", "--top", "3")
    assert code == 0, err
    for one, other in zip(shown[1].split(), out.split(), strict=True):
        assert one == other or float(one) == pytest.approx(float(other), abs=2e-3)


def test_listings_are_programs() -> None:
    """The first listing declares the net of nets/lecun89.sn; the variation holds beside it."""
    from snsim.errors import Source
    from snsim.program import read_program

    program = read_program(Source("<README.md>", "\n".join(LISTINGS)))
    printed = read_program(ROOT / "nets" / "lecun89.sn")
    assert program.nets.get("lecun89").digest == printed.nets.get("lecun89").digest
    assert "lecun89-relu" in program.trainings


def test_error_that_is_shown_is_the_error_that_comes(tmp_path: Path) -> None:
    shown = re.search(r"^```\n(nets/mine.sn:.*?)^```", TEXT, re.M | re.S)
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
