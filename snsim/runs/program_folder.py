"""The run folder of a program of SN-2.8, made when it first writes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from snsim import __version__, run_folder
from snsim.errors import Source
from snsim.runs.options import Options


@dataclass
class ProgramFolder:
    """The run folder of a program, made once, when it first writes. `path` is None before."""

    source: Source
    options: Options
    kernel: str | None
    fast: bool = False
    path: Path | None = None

    def make(self) -> Path:
        if self.path is not None:
            return self.path
        settings = {
            "kernel": self.kernel,
            "fast": self.fast,
            "presets": dict(self.options.presets),
            "snsim": __version__,
            "command": list(self.options.command),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        self.path = run_folder.create_program_folder(self.options.out, self.source, settings)
        return self.path
