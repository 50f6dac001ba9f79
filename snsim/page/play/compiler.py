"""Compile texts in processes of their own, so that a hostile text ends at most its own process.

One process is always ready with its imports done. It compiles one text and ends, and the next one is started: nothing
of one text reaches another.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Mapping
from typing import Any

from snsim.errors import fail
from snsim.page.play.processes import faults_as_json, start

SECONDS = 30.0  # that a text may take until its page is there, on the clock
_WORKER = "snsim.page.play.worker"
_FAULT = "this text ended the process that compiled it"


class Compiler:
    """The processes that compile texts, one text at a time. A new text ends the one that is being compiled.

    `seconds` is how long a text may take on the clock. Close it to end the process that waits.
    """

    def __init__(self, seconds: float = SECONDS):
        self._seconds = seconds
        self._turn = threading.Lock()  # one text at a time
        self._change = threading.Lock()  # of the three below
        self._busy: subprocess.Popen[bytes] | None = None
        self._ready: subprocess.Popen[bytes] | None = start(_WORKER)
        self._newest = 0
        self._is_closed = False

    def compile(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the reply of a worker to a request (see `worker`), or None if a newer request has ended it."""
        with self._change:
            self._newest += 1
            number = self._newest
            if self._busy is not None:
                self._busy.kill()
        with self._turn:
            with self._change:
                if number != self._newest or self._is_closed:
                    return None
                if self._ready is None:  # it could not be started before
                    self._ready = start(_WORKER)
                worker, self._ready = self._ready, None
                self._busy = worker
            try:
                reply = self._ask(worker, request)
            finally:
                with self._change:
                    self._busy = None
                    if not self._is_closed:
                        self._ready = start(_WORKER)
            with self._change:
                return reply if number == self._newest else None

    def _ask(self, worker: subprocess.Popen[bytes], request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            out, _ = worker.communicate(json.dumps(request).encode(), timeout=self._seconds)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.communicate()
            _close_input(worker)
            return _failed(
                f"this text is not compiled after {self._seconds:g} seconds",
                "make it smaller: fewer connections or patterns",
            )
        try:
            reply = json.loads(out)
        except ValueError:
            return _failed(_FAULT, "it needs too much memory or time: make the net or the data smaller")
        return reply if isinstance(reply, dict) else _failed(_FAULT, "make the net or the data smaller")

    def close(self) -> None:
        """End all processes. A request that waits gets None."""
        with self._change:
            self._newest += 1
            if self._busy is not None:
                self._busy.kill()  # who asked it closes its streams
            ready, self._ready, self._is_closed = self._ready, None, True
        if ready is not None:
            ready.kill()
            ready.communicate()
            _close_input(ready)


def _close_input(worker: subprocess.Popen[bytes]) -> None:
    """Close the input of a process that has ended; what it did not read is lost."""
    with contextlib.suppress(BrokenPipeError):
        if worker.stdin is not None:
            worker.stdin.close()


def _failed(message: str, hint: str) -> dict[str, Any]:
    return {"faults": faults_as_json(fail(message, hint=hint).faults), "printed": "", "page": None}
