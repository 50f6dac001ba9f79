"""Run commands of snsim in processes of their own, with bounds of memory and CPU time: test_hostile.py and fuzz.py.

A server process imports snsim once and forks for each command. A command so costs milliseconds. One that crashes, hangs
or takes all memory ends nothing else.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

SECONDS = 10  # of CPU
BYTES = 2 << 30  # of memory that a command adds to what the imported modules take
_WAIT = 120  # seconds that a command may wait for something that never comes: a pipe, a lock
_MODULES = (
    "numpy",
    "llvmlite.binding",
    "rich.table",
    "rich.live",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "matplotlib.backends.backend_svg",
    "safetensors.numpy",
    "snsim.program",
    "snsim.runs.run",
    "snsim.runs.resume",
    "snsim.engines.native",
    "snsim.engines.reference",
    "snsim.sn28.libload",
    "snsim.convert.convert",
    "snsim.reports.page",
    "snsim.glossary.names",
    "snsim.console.views",
    "torch",
)


@dataclass(frozen=True)
class Outcome:
    """How a command ended: its exit code (negative: the signal that ended it), streams, CPU seconds, bytes it took."""

    code: int
    out: str
    err: str
    seconds: float
    bytes: int

    @property
    def text(self) -> str:
        return self.out + self.err


class Containment:
    """The server process. Use it in a `with` statement."""

    def __init__(self, cache: Path, seconds: int = SECONDS, bytes: int = BYTES):
        self._limits = {"seconds": seconds, "bytes": bytes}
        self._cache = cache
        self._streams = tempfile.TemporaryDirectory()
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Containment:
        package = Path(__file__).resolve().parents[1]
        kept = {name: value for name, value in os.environ.items() if name != "SNSIM_DATA"}  # the same on each machine
        environment = {
            **kept,
            "SNSIM_CACHE": str(self._cache),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
            "MPLBACKEND": "agg",
            "TZ": "UTC",
            "PYTHONPATH": os.pathsep.join([str(package), *filter(None, [os.environ.get("PYTHONPATH")])]),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-B", os.path.abspath(__file__), "serve"],
            cwd=self._streams.name,  # which stays, when the folder of the test that starts it is gone
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None and self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._streams.cleanup()

    def run(
        self, arguments: Sequence[str], folder: Path, given: str = "", environment: Mapping[str, str] | None = None
    ) -> Outcome:
        """Run `snsim ARGUMENTS` in a folder; `given` is its standard input."""
        assert self._process is not None and self._process.stdin is not None and self._process.stdout is not None
        paths = {name: os.path.join(self._streams.name, name) for name in ("in", "out", "err")}
        Path(paths["in"]).write_text(given, encoding="utf-8", errors="surrogateescape")
        order = {
            "arguments": list(arguments),
            "folder": str(folder),
            "environment": dict(environment or {}),
            **paths,
            **self._limits,
        }
        print(json.dumps(order), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the server of contained commands ended")
        out, err = (Path(paths[name]).read_bytes().decode("utf-8", "backslashreplace") for name in ("out", "err"))
        return Outcome(out=out, err=err, **json.loads(answer))


def _serve() -> None:
    """Answer one line of JSON for each line of JSON, until there is none."""
    answers = os.fdopen(os.dup(1), "w")
    orders = os.fdopen(os.dup(0), "r")
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(2, 1)
    for name in _MODULES:
        import_module(name)
    from snsim.cli.main import COMMANDS

    for place, _ in COMMANDS.values():
        import_module(place.partition(":")[0])
    gc.freeze()
    own = _size()
    resting = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for line in orders:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            os._exit(_child(order, own))
        _, status, used = os.wait4(child, 0)
        print(
            json.dumps(
                {
                    "code": os.waitstatus_to_exitcode(status),
                    "seconds": used.ru_utime + used.ru_stime,
                    "bytes": max(0, used.ru_maxrss * 1024 - resting),
                }
            ),
            file=answers,
            flush=True,
        )


def _child(order: dict[str, Any], own: int) -> int:
    """Run one command with its limits, in a forked process; return its exit code."""
    os.setsid()  # what it starts and leaves behind can be found
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, name, flags in (
        (0, "in", os.O_RDONLY),
        (1, "out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, "err", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        descriptor = os.open(order[name], flags, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (order["seconds"], order["seconds"] + 1))
    if sys.platform == "linux":  # elsewhere the system counts other things, or does not hold the limit
        resource.setrlimit(resource.RLIMIT_AS, (own + order["bytes"],) * 2)
    signal.alarm(_WAIT)
    sys.argv[1:] = order["arguments"]
    from snsim.cli.main import main

    code = 70
    try:
        code = main(order["arguments"])
    finally:
        if code == 70:
            import traceback

            if sys.exc_info()[0] is not None:
                traceback.print_exc()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
    return code


def _size() -> int:
    """The bytes of address space that this process has."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


if __name__ == "__main__":
    _serve()
