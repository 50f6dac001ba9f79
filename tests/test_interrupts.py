"""Ctrl-C at any moment ends a command with exit code 130, without a traceback, and leaves a run that resumes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_run import program

LOST = """
import sys, time
from snsim.__main__ import keep_interrupts
keep_interrupts()
class Ending:
    def __del__(self): raise KeyboardInterrupt
try:
    Ending()
    time.sleep(300)
except KeyboardInterrupt:
    print("heard")
"""
IN_A_CALLBACK = """
import ctypes, sys, time
from snsim.__main__ import keep_interrupts
keep_interrupts()
def compare(a, b): raise KeyboardInterrupt
kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
try:
    ctypes.CDLL(None).qsort((ctypes.c_int * 2)(2, 1), 2, 4, kind(compare))
    time.sleep(300)
except KeyboardInterrupt:
    print("heard")
"""
IN_EXEC = """
import sys
import snsim.cli.main
def interrupted():
    try:
        exec("raise KeyboardInterrupt")  # as a dataclass is made
    except KeyboardInterrupt:
        return 130
snsim.cli.main.main = interrupted
import snsim.__main__
sys.exit(snsim.__main__.main())
"""
WHILE_IMPORTING = """
import sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "click": raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
import snsim.__main__
sys.exit(snsim.__main__.main())
"""
IN_AN_EXTENSION = """
import signal, time
from importlib.machinery import ExtensionFileLoader
from snsim.__main__ import keep_interrupts
keep_interrupts()
class Dropping(ExtensionFileLoader):
    def exec_module(self, module):  # as a module of Cython drops what happens while it registers its types
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            pass
try:
    Dropping("name", "path").exec_module(None)
    time.sleep(300)
except KeyboardInterrupt:
    print("heard")
"""
BEGUN = "import sys; from snsim.__main__ import main; print('begun', flush=True); sys.exit(main())"


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        (LOST, 0, "heard\n"),
        (IN_A_CALLBACK, 0, "heard\n"),
        (IN_AN_EXTENSION, 0, "heard\n"),
        (IN_EXEC, 130, ""),
        (WHILE_IMPORTING, 130, "interrupted\n"),
    ],
)
def test_an_interrupt_is_never_lost(text: str, code: int, told: str) -> None:
    done = subprocess.run([sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert (done.returncode, done.stdout) == (code, told)


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
@pytest.mark.parametrize("engine", ["native", pytest.param("reference", marks=pytest.mark.slow)])
def test_interrupts_at_random_moments(engine: str, tmp_path: Path) -> None:
    """From the first line of snsim on, while it compiles into an empty cache, and while it trains."""
    (tmp_path / "tiny.sn").write_text(program().replace("(passes 4)", "(passes 1000000)"))
    draw = random.Random(engine)
    for number in range(8):
        runs = tmp_path / f"runs{number}"
        environment = {**os.environ, "SNSIM_CACHE": str(tmp_path / f"cache{number}")}
        _interrupt(
            ["run", "tiny.sn", "--engine", engine, "--out", str(runs)], draw.uniform(0.05, 1.5), tmp_path, environment
        )
        if (runs / "tiny").exists():
            _interrupt(["run", "--resume", str(runs / "tiny"), "--quiet"], 1, tmp_path, environment)


def _interrupt(arguments: list[str], seconds: float, folder: Path, environment: dict[str, str]) -> None:
    """Send Ctrl-C to a command `seconds` after its first line ran, however long Python takes to start."""
    process = subprocess.Popen(
        [sys.executable, "-c", BEGUN, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    try:
        _, told = process.communicate(timeout=300)  # a lost interrupt: the run has a million passes
    finally:
        process.kill()
    assert process.returncode == 130, told
    assert "interrupted" in told and "Traceback" not in told and "Exception ignored" not in told
