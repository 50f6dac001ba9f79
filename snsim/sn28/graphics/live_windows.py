"""Show the windows of a program with matplotlib while it runs, on a machine with a screen.

A window shows the same pixels as its PNG file. It is redrawn at most ten times per second.
"""

from __future__ import annotations

import time
from typing import Any

from snsim.errors import Fault, SnError
from snsim.optional_packages import needing
from snsim.sn28.graphics.canvas import Window
from snsim.sn28.graphics.raster import pixels

_SECONDS = 0.1  # shortest time between two updates of a window
_DOTS_PER_INCH = 100


class LiveWindows:
    """The matplotlib figures of the windows; `pyplot` is the module matplotlib.pyplot."""

    def __init__(self, pyplot: Any):
        self._pyplot = pyplot
        self._figures: dict[int, tuple[Any, Any]] = {}  # figure and image for each window number
        self._shown_at: dict[int, float] = {}

    def update(self, window: Window) -> None:
        """Show the present content of a window, unless it was shown less than a tenth of a second ago."""
        now = time.monotonic()
        if now - self._shown_at.get(window.number, -_SECONDS) >= _SECONDS:
            self.show(window)
            self._shown_at[window.number] = time.monotonic()

    def show(self, window: Window) -> None:
        """Show the present content of a window."""
        if window.number not in self._figures:
            self._figures[window.number] = self._open(window)
        figure, image = self._figures[window.number]
        image.set_data(pixels(window))
        figure.canvas.draw_idle()
        figure.canvas.flush_events()

    def wait(self, windows: list[Window]) -> None:
        """Show the final content of all windows until the user closes them."""
        for window in windows:
            self.show(window)
        if windows:
            self._pyplot.show(block=True)

    def _open(self, window: Window) -> tuple[Any, Any]:
        figure = self._pyplot.figure(
            window.title or f"window {window.number}",
            dpi=_DOTS_PER_INCH,
            figsize=(window.width / _DOTS_PER_INCH, window.height / _DOTS_PER_INCH),
        )
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        image = axes.imshow(pixels(window))
        figure.show()
        return figure, image


def open_live() -> LiveWindows:
    """Prepare live windows. Raise SnError if matplotlib is not installed or there is no screen."""
    with needing("matplotlib", what="--windows", instead="omit --windows: they are saved as pictures"):
        import matplotlib
        import matplotlib.pyplot as pyplot
    if matplotlib.get_backend().lower() == "agg":
        raise SnError(
            [
                Fault(
                    "cannot show windows: there is no screen",
                    None,
                    hint="omit --windows: the windows are then saved as pictures",
                )
            ]
        )
    return LiveWindows(pyplot)
