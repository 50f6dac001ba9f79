"""Show a run on a terminal: a growing table of passes, and below it a small curve, a bar and the time left."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING

from snsim.colour import DIM, cleaned, paint
from snsim.console.views import PlainView
from snsim.plots import block_characters
from snsim.runs.run import Event, PassFinished, RunFinished, RunStarted
from snsim.training.loop import Progress

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

_PATIENCE = 0.4  # seconds after which a run shows a display below its table
_WIDTH, _HEIGHT = 46, 3  # of the curve, in characters
_FEWEST = 3  # passes needed for a curve


class TerminalView(PlainView):
    """Print the lines of PlainView, with a temporary display below them while the run continues."""

    def __init__(self) -> None:
        super().__init__()
        self._live: Live | None = None
        self._began = time.monotonic()
        self._errors: list[float] = []  # in percent, after each pass
        self._split = "train"
        self._at = Progress(1, 0, 1)

    def show(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._at = event
            self._refresh()
            return
        if isinstance(event, RunFinished):
            self.close()
            if event.completed and len(self._errors) >= _FEWEST:
                ends = f"{self._errors[0]:.2f} % {block_characters.spark(self._errors)} {self._errors[-1]:.2f} %"
                self.say(paint(f"        {self._split} error {ends}", DIM, stream=sys.stdout))
        super().show(event)
        if isinstance(event, RunStarted):
            self._began, self._errors = time.monotonic(), []
            self._at = Progress(event.done + 1, 0, 1)
        elif isinstance(event, PassFinished):
            score = event.done.test or event.done.train
            self._split = "train" if event.done.test is None else "test"
            self._errors.append(score.error)
            self._at = Progress(event.done.number + 1, 0, 1)
            self._refresh()

    def say(self, text: str) -> None:
        """Print some lines, above the temporary display."""
        if self._live is None:
            super().say(text)
        else:
            from rich.text import Text

            self._live.console.print(Text.from_ansi(cleaned(text, sys.stdout)), soft_wrap=True)

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        super().close()

    def _refresh(self) -> None:
        """Start the display, once the run has taken a moment; it redraws itself five times a second."""
        if self._started is None or time.monotonic() - self._began < _PATIENCE:
            return
        if self._live is None:
            from rich.live import Live

            self._live = Live(
                get_renderable=self._display,
                transient=True,
                refresh_per_second=5,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()

    def _display(self) -> RenderableType:
        """Return the curve of the errors so far, and a line with pass, bar and time left."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        assert self._started is not None
        passes, at = self._started.training.passes, self._at
        number = min(at.number, passes)
        grid = Table.grid(padding=(0, 1))
        for _ in range(4):
            grid.add_column(no_wrap=True)
        grid.add_row(
            f"pass {number} of {passes}",
            ProgressBar(total=at.total, completed=at.done, width=20),
            f"{at.done:,}/{at.total:,}" if at.done else "",
            time_left(self._elapsed(), self._share()),
        )
        room = min(_WIDTH, shutil.get_terminal_size().columns - 24)
        if len(self._errors) < _FEWEST or room < 10:
            return Group(Text(), grid)
        lines = block_characters.curve(self._errors, room, _HEIGHT)
        marks = [f"{max(self._errors):8.2f} %", *[" " * 10] * (_HEIGHT - 2), f"{0:8d} %"]
        curve = [Text(f"{mark} {line}", style="dim") for mark, line in zip(marks, lines)]
        curve[-1].append(f" {self._split} {self._errors[-1]:.2f} %")
        return Group(Text(), *curve, grid)

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _share(self) -> float:
        """Return the fraction of this run's work that is done, 0 to 1."""
        assert self._started is not None
        passes, before, at = self._started.training.passes, self._started.done, self._at
        return (at.number - 1 - before + at.done / max(1, at.total)) / max(1, passes - before)


def time_left(seconds: float, share: float) -> str:
    """Return in words the time until the end, if `share` of the work took `seconds`.

    Empty before a hundredth is done, when an estimate means little.
    """
    if share < 0.01:
        return ""
    remaining = seconds * (1 - share) / share
    if remaining < 60:
        return f"{remaining:.0f} s left"
    minutes = int(remaining / 60)
    return (
        f"{minutes} min {int(remaining % 60)} s left" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min left"
    )
