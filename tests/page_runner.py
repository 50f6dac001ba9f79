"""Run what a page of the documentation shows, in order, in one folder.

A page shows three kinds of blocks that do something:

    ```sh                    commands: each must succeed
    ```console               `$ command` lines, each followed by what it prints
    ```{code-block} lisp     with `:caption: NAME`: a file that the reader writes under this name

The output of a `console` block is compared word by word. Processors round differently, so numbers may differ: by 2
percent, or by 3 for whole numbers, but not the first word of a line. `...` stands for any words of a line, and alone on
a line for any lines.

    python tests/page_runner.py docs/tutorial/xor.md      prints what the commands of `console` blocks print here
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
_BLOCK = re.compile(r"^(?P<fence>```+)(?P<info>[^\n]*)\n(?P<body>.*?)^(?P=fence)[ ]*$", re.M | re.S)
_CAPTION = re.compile(r"^:caption: *(.*)\n+", re.M)
_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?")


@dataclass(frozen=True)
class Step:
    """A command with what it prints (None: anything), or a file to write."""

    command: str = ""
    printed: str | None = None
    file: str = ""
    content: str = ""


def steps(page: str) -> list[Step]:
    """Return what the blocks of a page do, in order."""
    found: list[Step] = []
    for match in _BLOCK.finditer(page):
        info, body = match["info"].strip(), match["body"]
        if info.startswith("{code-block}"):
            caption = _CAPTION.search(body)
            if caption is not None:
                found.append(Step(file=caption[1].strip("`"), content=body[caption.end() :]))
        elif info == "sh":
            found += [Step(line) for line in _whole_lines(body)]
        elif info == "console":
            for part in re.split(r"^\$ ", body, flags=re.M)[1:]:
                command, _, printed = part.partition("\n")
                found.append(Step(command, printed))
    return found


def console_blocks(page: str, word: str) -> str:
    """Return the `console` blocks of a page in which a word stands, as a page of their own."""
    blocks = (match for match in _BLOCK.finditer(page) if match["info"].strip() == "console")
    return "\n".join(match[0] for match in blocks if word in match["body"])


def _whole_lines(body: str) -> list[str]:
    return [line for line in body.replace("\\\n", "").splitlines() if line.strip() and not line.startswith("#")]


def prepare(folder: Path) -> dict[str, str]:
    """Make a folder with the nets and examples of the project, and return the environment of its commands."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("nets", "examples"):
        shutil.copytree(ROOT / name, folder / name, dirs_exist_ok=True)
    shutil.copy(ROOT / "examples" / "seven.png", folder)
    return with_commands(folder)


def with_commands(folder: Path) -> dict[str, str]:
    """Put the commands snsim and python into `bin` of a folder, and return an environment that finds them."""
    (folder / "bin").mkdir(exist_ok=True)
    for name, arguments in (("snsim", "-m snsim"), ("python", "")):
        command = folder / "bin" / name
        command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {arguments} "$@"\n')
        command.chmod(0o755)
    return {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "COLUMNS": "100"}


_OF_THE_SHELL = re.compile(r"[|&;<>$`*?~!\\\n]")


def plain_words(command: str) -> list[str] | None:
    """Return the words after `snsim` of a command that needs no shell; None for other commands."""
    words = shlex.split(command, comments=True)
    if words[:1] != ["snsim"] or any(_OF_THE_SHELL.search(word) for word in words):
        return None
    return words[1:]


def run_command(command: str, folder: Path, environment: dict[str, str]) -> tuple[int, str, str]:
    """Run a command in a folder; return exit code, output and errors.

    A command that needs no shell runs in this process: to start Python takes more time than most commands do.
    """
    words = plain_words(command)
    return run_by_shell(command, folder, environment) if words is None else _run_here(words, folder)


def run_by_shell(command: str, folder: Path, environment: dict[str, str]) -> tuple[int, str, str]:
    """Run a command as a terminal does; return exit code, output and errors."""
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    return done.returncode, done.stdout, done.stderr


def _run_here(words: list[str], folder: Path) -> tuple[int, str, str]:
    from snsim.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("COLUMNS", "100")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(words)
    return code, out.getvalue(), err.getvalue()


def run_page(page: str, folder: Path, *, processes: bool = False) -> None:
    """Run a page in a folder, and compare what it prints. A command whose data are not here is left out.

    With `processes`, each command is a process, as in a terminal. Without it, only those that need a shell are.
    """
    from data_folder import MNIST, ZIP_CODES, need_data

    environment = prepare(folder)
    for step in steps(page):
        if step.file:
            (folder / step.file).parent.mkdir(parents=True, exist_ok=True)
            (folder / step.file).write_text(step.content, encoding="utf-8")
            continue
        try:
            for name, files in (("zipcode", ZIP_CODES), ("mnist", MNIST)):
                if f"--data {name}" in step.command:
                    need_data(*files)
        except pytest.skip.Exception:
            continue
        run = run_by_shell if processes else run_command
        code, out, err = run(step.command, folder, environment)
        if step.printed is None:
            assert code == 0, f"{step.command}\n{out}{err}"
            continue
        printed = out if code == 0 else out + err
        difference = first_difference(step.printed, printed)
        assert difference is None, f"$ {step.command}\n{difference}\n--- printed:\n{printed}{err}"


def first_difference(shown: str, printed: str) -> str | None:
    """Return where a page and the output differ; None if they agree."""
    wanted, lines = shown.rstrip().splitlines(), printed.rstrip().splitlines()
    place, skipping = 0, False
    for want in wanted:
        if want.strip() == "...":
            skipping = True
            continue
        while skipping and place < len(lines) and not _same_line(want, lines[place]):
            place += 1
        skipping = False
        if place >= len(lines):
            return f"the page shows, and nothing prints: {want}"
        if not _same_line(want, lines[place]):
            return f"the page shows: {want}\n       printed: {lines[place]}"
        place += 1
    return None if skipping or place == len(lines) else f"printed, and not on the page: {lines[place]}"


def _same_line(want: str, line: str) -> bool:
    if "..." in want:
        pattern = ".*".join(re.escape(" ".join(part.split())) for part in want.split("..."))
        return re.fullmatch(pattern.replace(r"\ ", " *"), " ".join(line.split())) is not None
    wanted, words = want.split(), line.split()
    return wanted[:1] == words[:1] and len(wanted) == len(words) and all(map(_same_word, wanted, words))


def _same_word(want: str, word: str) -> bool:
    if want == word:
        return True
    if not (_NUMBER.fullmatch(want) and _NUMBER.fullmatch(word)):
        return False
    a, b = (float(text.replace(",", "")) for text in (want, word))
    return abs(a - b) <= max(0.02 * abs(a), 3 if "." not in want else 0, 0.9 if re.fullmatch(r"\d+\.\d\d", want) else 0)


if __name__ == "__main__":
    import tempfile

    for name in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            environment = prepare(place)
            for step in steps(Path(name).read_text(encoding="utf-8")):
                if step.file:
                    (place / step.file).parent.mkdir(parents=True, exist_ok=True)
                    (place / step.file).write_text(step.content, encoding="utf-8")
                    continue
                done = subprocess.run(
                    ["sh", "-c", step.command], cwd=place, env=environment, capture_output=True, text=True
                )
                if step.printed is not None or done.returncode:
                    print(f"$ {step.command}\n{done.stdout}{done.stderr if done.returncode else ''}", end="")
