"""What the system refuses ends in a fault with the file's name: bad paths, full disks, too many open files."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_run import make_runs, snsim

from snsim.cli.errors import system_fault

BAD_PATHS = (
    "a" * 300,
    "x/" * 3000,
    "circle",
    "pipe",
    "folder",
    "empty",
    "/dev/full",
    "nothing/at/all",
    "tiny.sn/x",
    "",
    "bytes.sn",
    "deep.json",
    "a\nb",
    "\x1b[2J",
    "\udcff",
)
COMMANDS = (
    "run {}",
    "run --resume {}",
    "run tiny.sn --quiet --out {}",
    "run tiny.sn --quiet --data-dir {} --out runs",
    "report {}",
    "report tiny -o {}",
    "plot {}",
    "plot maps {}",
    "plot net {}",
    "plot nlf tanh --file {}",
    "plot tiny -o {}.svg",
    "reject {}",
    "reject tiny --plot {}.svg",
    "reproduce {}",
    "fmt {}",
    "fmt --check {}",
    "convert {}",
    "show {}",
    "show {} --stage forms",
    "check {}",
    "editor {}",
    "compare {}",
    "compare tiny.sn module.py:M --only tiny --mapping {}",
    "compare tiny.sn {}:M --only tiny",
)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_runs(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def folder(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the run `tiny`, its text, and things that are no files of the language; it is the current one."""
    made = shutil.copytree(original, tmp_path / "here")
    monkeypatch.chdir(made)
    os.symlink("circle", "circle")
    os.mkfifo("pipe")
    os.mkdir("folder")
    for name, content in (
        ("empty", b""),
        ("bytes.sn", b"\xff\0"),
        ("deep.json", b"[" * 200_000),
        ("module.py", b"import torch\nclass M(torch.nn.Linear):\n def __init__(self):\n  super().__init__(1, 1)\n"),
    ):
        Path(name).write_bytes(content)
    return made


@pytest.mark.parametrize(
    "command",
    # A report draws all its pictures before it is written.
    [pytest.param(command, marks=[pytest.mark.slow] if command.startswith("report") else []) for command in COMMANDS],
)
def test_no_path_ends_in_a_traceback(command: str, folder: Path) -> None:
    for path in BAD_PATHS:
        if path == "pipe" and "-o" in command:  # a writer waits for the pipe's reader
            continue
        code, _out, err = snsim(*(word.replace("{}", path) for word in command.split()))
        assert code in (0, 1, 2) and "Traceback" not in err, (path[:20], err[-2000:])
        assert not code or "error: " in err, (path[:20], err)


LIMITED = """
import resource, sys
resource.setrlimit(resource.{limit}, ({value}, {value}))
from snsim.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limits are those of Linux")
@pytest.mark.parametrize(
    ("limit", "value", "command", "told"),
    [
        ("RLIMIT_FSIZE", 700, "run tiny.sn", "no run folder can be created in runs: File too large"),
        ("RLIMIT_FSIZE", 700, "report tiny", "tiny/report.html cannot be written: File too large"),
        ("RLIMIT_FSIZE", 700, "plot tiny -o a.png", "a.png cannot be written: File too large"),
        ("RLIMIT_FSIZE", 700, "editor vs", "vs/package.json cannot be written: File too large"),
        (
            "RLIMIT_NOFILE",
            8,
            "run tiny.sn --engine reference",
            "no run folder can be created in runs: Too many open files",
        ),
    ],
)
def test_limits_of_the_system(limit: str, value: int, command: str, told: str, folder: Path) -> None:
    program = LIMITED.format(limit=limit, value=value)
    done = subprocess.run(
        [sys.executable, "-B", "-c", program, *command.split()],
        capture_output=True,
        text=True,
        env={**os.environ, "SNSIM_CACHE": str(folder / "cache")},
    )
    assert done.returncode == 1 and told in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert not Path("runs/tiny").exists()


@pytest.mark.parametrize(
    ("number", "hint"),
    [(errno.ENOSPC, "free space"), (errno.EACCES, "chmod"), (errno.EMFILE, "ulimit -n"), (errno.EIO, "ls -l")],
)
def test_what_no_command_expects_is_told_with_the_file(number: int, hint: str) -> None:
    fault = system_fault(OSError(number, os.strerror(number), "some/file"))
    assert fault.message == f"some/file: {os.strerror(number)}" and hint in fault.hint
    assert "the operating system reports" in system_fault(OSError(number, os.strerror(number))).message
