"""Follow a run folder while another process writes it, and start the process that trains."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snsim import run_folder
from snsim.errors import SnError
from snsim.input_files import open_file
from snsim.json_reader import parse_json
from snsim.page.play.processes import start
from snsim.protected_files import PASSES
from snsim.tensor_file import tensor_file

_MOST_AT_ONCE = 1 << 20  # bytes of a log; a line has some hundred
_HINT = "watch another run: this folder is damaged"


class WatchedRun:
    """The passes and the weights of a run folder, as far as they are written.

    `trainer` is the process that writes it, if this server has started it.
    """

    def __init__(self, folder: Path, trainer: Trainer | None = None):
        self.folder, self._trainer = folder, trainer
        self._is_over = False

    def passes_from(self, place: int) -> tuple[list[dict[str, Any]], int]:
        """Return the complete lines of the log from the byte `place` on, and the place after them."""
        with open_file(self.folder / PASSES) as file:
            file.seek(place)
            complete, newline, _ = file.read(_MOST_AT_ONCE).rpartition(b"\n")
        lines = [parse_json(line, f"{self.folder / PASSES}", _HINT) for line in complete.splitlines()]
        return lines, place + len(complete) + len(newline)

    def weights(self) -> bytes:
        """Return the weights of the newest checkpoint as a safetensors file. SnError if the folder is damaged."""
        return b"".join(tensor_file(run_folder.open_run(self.folder).snapshot.parameters))

    @property
    def faults(self) -> list[dict[str, Any]]:
        """The faults that ended the training that this server has started."""
        return [] if self._trainer is None else self._trainer.faults

    def end(self) -> None:
        """Record that no further pass will come, because the process of this server has ended."""
        self._is_over = True

    @property
    def has_ended(self) -> bool:
        """Whether no process writes the run folder any more."""
        if self._is_over:
            return True
        if self._trainer is not None:
            return self._trainer.has_ended
        try:
            with run_folder.lock_run(self.folder):
                return True
        except SnError:
            return False


class Trainer:
    """A process that trains a description natively and writes a run folder (see `trainer`)."""

    def __init__(self, request: Mapping[str, Any], out: Path):
        self._process = start("snsim.page.play.trainer")
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended at once; it stays open: its end ends the training
            self._process.stdin.write(json.dumps({**request, "out": str(out)}).encode() + b"\n")
            self._process.stdin.flush()
        self._begun = threading.Event()
        self.folder: Path | None = None
        self.data = ""  # the name of the data set
        self.faults: list[dict[str, Any]] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                reply = json.loads(line)
            except ValueError:  # a library has printed
                continue
            if "run" in reply:
                self.folder, self.data = Path(reply["run"]), reply["data"]
            self.faults = reply.get("faults", self.faults)
            self._begun.set()
        self._begun.set()
        self._process.stdout.close()
        self._process.wait()
        self._close_input()

    def wait_for_folder(self, seconds: float) -> Path | None:
        """Return the run folder once it is there; None if the training failed or takes longer to begin."""
        self._begun.wait(seconds)
        return self.folder

    @property
    def has_ended(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def stop(self) -> None:
        """Interrupt the training. Its passes are saved, and it can be resumed."""
        if not self.has_ended:
            self._close_input()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def _close_input(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            if self._process.stdin is not None:
                self._process.stdin.close()
