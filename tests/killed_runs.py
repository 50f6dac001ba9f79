"""Runs that are killed: a process that forks a child for each run, and kills it at a call of the system or a moment.

Its argument is a run that it does itself, to be warm. Then it reads one JSON object a line: the program and its folder
of runs (or the run to resume), the least seconds between two checkpoints, and where to kill: at `call`, the n-th call
that writes, renames, makes or flushes something, or `seconds` after that call. It answers with the signal that ended
the child, its exit code and the calls that it made.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from snsim.program import read_program
from snsim.runs.options import Options
from snsim.runs.resume import resume
from snsim.runs.run import run

real_write = os.write
CALLS = ("open", "write", "fsync", "replace", "rename", "mkdir", "unlink", "fchmod")


class Killer:
    """Counts the calls; at the one it is told, it kills this process. A write is torn: half of it is done before."""

    def __init__(self, last: int | None, told: int | None) -> None:
        self.calls, self._last, self._told = 0, last, told
        for name in CALLS:
            setattr(os, name, self._counted(name, getattr(os, name)))

    def _counted(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self.calls += 1
            if self.calls == self._last and self._told is not None:
                real_write(self._told, b"now")
            elif self.calls == self._last:
                if name == "write":
                    real(arguments[0], arguments[1][: len(arguments[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)

        return call


def do(task: dict[str, Any]) -> None:
    """Do one run, or the rest of one."""
    options = Options(out=Path(task["out"]), save_every=float(task["save_every"]), passes=task.get("passes"))
    if task.get("resume"):
        events = resume(Path(task["resume"]), replace(options, passes=None))
    else:
        program = read_program(task["program"], port=io.StringIO())
        events = run(program, program.own_trainings[0], 1, options)
    for _ in events:
        pass


def answer(task: dict[str, Any]) -> dict[str, Any]:
    """Do the task in a child, which may be killed, and tell how it ended."""
    (reader, writer), (reached, ready) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        code, killer = 1, Killer(task.get("call"), None if task.get("seconds") is None else ready)
        try:
            do(task)
            code = 0
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
        finally:
            calls = killer.calls
            os.write(writer, str(calls).encode())
            os._exit(code)
    os.close(writer)
    os.close(ready)
    if task.get("seconds") is not None:
        os.read(reached, 3)  # the call, or the end of the child
        time.sleep(task["seconds"])
        os.kill(child, signal.SIGKILL)
    calls = os.read(reader, 20)
    os.close(reader)
    os.close(reached)
    _, status = os.waitpid(child, 0)
    killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
    return {"killed": killed, "code": None if killed else os.WEXITSTATUS(status), "calls": int(calls or 0)}


if __name__ == "__main__":
    do(json.loads(sys.argv[1]))  # so that no child has to import or to read what all need
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
