"""snsim works where a system has nothing that only POSIX has: all of that is taken away, as on Windows, and it runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_run import make_runs, snsim

from snsim import operating_system, run_folder
from snsim.atomic_files import draft_folder, lock, remove_stale_drafts, write_atomically
from snsim.errors import SnError

ROOT = Path(__file__).resolve().parents[1]
WITHOUT_POSIX = """
import os, signal, sys
import filelock, platformdirs  # they have code of their own for Windows, which they choose by sys.platform
for module in ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty"):
    sys.modules[module] = None
for name in ("getuid", "geteuid", "getgid", "getegid", "fchmod", "fchown", "chown", "sysconf", "sched_getaffinity",
             "fork", "mkfifo", "O_NOFOLLOW", "O_DIRECTORY", "O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC"):
    delattr(os, name)
os.supports_dir_fd.clear()
del signal.pthread_kill
real_open = os.open
def open_no_folder(path, flags, *rest, **options):
    if os.path.isdir(path):
        raise PermissionError(13, "Permission denied", path)
    return real_open(path, flags, *rest, **options)
os.open = open_no_folder
"""
COMMAND = "from snsim.cli.main import main; sys.exit(main(sys.argv[1:]))"
# Stops as if it was killed: no block ends, and nothing is cleaned up.
STOPPED = """
from pathlib import Path
from snsim.program import read_program
from snsim.runs import run as runs
from snsim.runs.options import Options
from snsim.runs.resume import resume
program = read_program(sys.argv[1])
for event in runs.run(program, program.own_trainings[0], 0, Options(out=Path(sys.argv[2]), passes=30, save_every=0.0)):
    if isinstance(event, runs.RunStarted):
        folder = event.run
    if isinstance(event, runs.PassFinished) and event.done.number == 12:
        try:
            next(resume(folder))
        except Exception as error:
            print(error)
        sys.stdout.flush()
        os._exit(9)
"""


def python(text: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_POSIX + text, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_nothing_of_posix_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is killed resumes, and ends with the bits of one that was not, whose system has POSIX."""
    monkeypatch.setenv("SNSIM_CACHE", str(tmp_path / "cache"))
    xor = ROOT / "nets" / "xor.sn"
    done = python("import snsim; print(snsim.load)")
    assert done.returncode == 0, done.stderr
    done = python(COMMAND, "check", xor)
    assert done.returncode == 0 and "no faults" in done.stdout, done.stderr

    done = python(STOPPED, xor, tmp_path / "runs")
    assert done.returncode == 9 and "is being run already, by another snsim" in done.stdout, done.stderr
    run = tmp_path / "runs" / "xor"
    done = python(COMMAND, "run", "--resume", run, "--json")
    assert done.returncode == 0 and not done.stderr, done.stderr
    passes = [event["pass"] for line in done.stdout.splitlines() if (event := json.loads(line))["event"] == "pass"]
    assert passes == list(range(13, 31))
    assert json.loads((run / "run.json").read_text())["engine"] == "native"
    assert list((tmp_path / "cache" / "native").iterdir())

    whole = snsim("run", xor, "--passes", "30", "--out", tmp_path / "whole")
    assert whole[0] == 0, whole[2]
    names = {path.name for path in (tmp_path / "whole" / "xor").iterdir()}
    assert {path.name for path in run.iterdir()} == names | {".lock"}
    for name in ("weights.safetensors", "checkpoint.safetensors"):
        assert (run / name).read_bytes() == (tmp_path / "whole" / "xor" / name).read_bytes()


def test_where_folders_cannot_be_opened_a_file_in_the_run_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_runs(tmp_path / "runs")
    monkeypatch.setattr(operating_system, "CAN_OPEN_FOLDERS", False)
    (tmp_path / "other").mkdir()
    for folder in (tmp_path / "other", tmp_path / "missing"):
        with run_folder.lock_run(folder):
            pass
    assert not list((tmp_path / "other").iterdir())
    folder = tmp_path / "runs" / "tiny"
    with run_folder.lock_run(folder), pytest.raises(SnError, match="by another snsim"), run_folder.lock_run(folder):
        pass
    with run_folder.lock_run(folder):
        pass


def test_where_open_files_cannot_be_moved_they_are_closed_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drafts of dead writers are removed, those of living ones stay."""
    monkeypatch.setattr(operating_system, "CAN_OPEN_FOLDERS", False)
    monkeypatch.setattr(operating_system, "CAN_MOVE_OPEN_FILES", False)
    opened: set[int] = set()
    real_open, real_close = os.open, os.close

    def watched_open(*arguments: object, **options: object) -> int:
        opened.add(descriptor := real_open(*arguments, **options))  # type: ignore[arg-type]
        return descriptor

    def watched_close(descriptor: int) -> None:
        real_close(descriptor)
        opened.discard(descriptor)

    def when_closed(real: object) -> object:
        def call(path: str, *arguments: object) -> None:
            inode = os.stat(path).st_ino
            assert not [descriptor for descriptor in opened if os.fstat(descriptor).st_ino == inode], "it is open"
            real(path, *arguments)  # type: ignore[operator]

        return call

    monkeypatch.setattr(os, "open", watched_open)
    monkeypatch.setattr(os, "close", watched_close)
    for name in ("replace", "rename", "unlink"):
        monkeypatch.setattr(os, name, when_closed(getattr(os, name)))
    stale, living = tmp_path / ".snsim-new-0123456789ab", tmp_path / ".snsim-new-0123456789ac"
    stale.write_text("left by a process that was killed")
    living.write_text("of a process that lives")
    held = os.open(living, os.O_RDWR)
    assert lock(held)
    write_atomically(tmp_path / "file", b"content")
    with draft_folder(tmp_path) as draft:
        os.rename(draft, tmp_path / "folder")
    remove_stale_drafts(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder", living.name}
    os.close(held)
    remove_stale_drafts(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder"}
    assert (tmp_path / "file").read_bytes() == b"content" and not opened
