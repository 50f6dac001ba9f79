"""The run folder of an SN-2.8 program, made when the program first writes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from snsim import __version__, run_folder
from snsim.errors import Source
from snsim.runs.options import Options


@dataclass
class ProgramFolder:
    """The run folder of a program. `path` is None until `make` is first called."""

    source: Source
    options: Options
    kernel: str | None
    fast: bool = False
    path: Path | None = None

    def make(self) -> Path:
        """Return the folder; make it at the first call, with the program's text and settings."""
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
