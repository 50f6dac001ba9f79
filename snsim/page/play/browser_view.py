"""Show a run in the browser beside another view (`snsim run --watch`)."""

from __future__ import annotations

import sys
from typing import Protocol

from snsim.colour import echo
from snsim.page.play.server import RunWindow
from snsim.runs.run import Event, RunFinished, RunStarted


class _View(Protocol):
    """A display of the events of a run; `console.views` has some."""

    def show(self, event: Event) -> None: ...

    def close(self) -> None: ...


class BrowserView:
    """Another view, and a server that shows the run in the browser while it learns. It prints its address."""

    def __init__(self, view: _View):
        self._view = view
        self._window: RunWindow | None = None

    def show(self, event: Event) -> None:
        """Show an event. The server begins with the run and ends with it."""
        if isinstance(event, RunStarted):
            self._window = RunWindow(event.run)
            echo(f"watch it at {self._window.address}", err=True)
            sys.stderr.flush()
        self._view.show(event)
        if isinstance(event, RunFinished):
            self._end()

    def close(self) -> None:
        """End the display, and the server of a run that was interrupted."""
        self._view.close()
        self._end()

    def _end(self) -> None:
        window, self._window = self._window, None
        if window is not None:
            window.close()
