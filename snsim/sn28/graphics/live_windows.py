"""The windows of a program shown while it runs, by matplotlib, on a machine with a screen.

What is shown are the pixels that a PNG file of the window would have. A window is drawn anew ten times a
second at most.
"""

from __future__ import annotations

import time
from typing import Any

from snsim.errors import Fault, SnError
from snsim.optional_packages import needing
from snsim.sn28.graphics.canvas import Window
from snsim.sn28.graphics.raster import pixels

_SECONDS = 0.1  # between two pictures of a window
_DOTS_PER_INCH = 100


class LiveWindows:
    """A figure of `pyplot` (the module matplotlib.pyplot) for each window."""

    def __init__(self, pyplot: Any):
        self._pyplot = pyplot
        self._figures: dict[int, tuple[Any, Any]] = {}  # by the window's number: its figure and its image
        self._shown_at: dict[int, float] = {}

    def update(self, window: Window) -> None:
        """Show what the window holds now, if it was not shown just before."""
        now = time.monotonic()
        if now - self._shown_at.get(window.number, -_SECONDS) >= _SECONDS:
            self.show(window)
            self._shown_at[window.number] = time.monotonic()

    def show(self, window: Window) -> None:
        """Show what the window holds now."""
        if window.number not in self._figures:
            self._figures[window.number] = self._open(window)
        figure, image = self._figures[window.number]
        image.set_data(pixels(window))
        figure.canvas.draw_idle()
        figure.canvas.flush_events()

    def wait(self, windows: list[Window]) -> None:
        """Show all windows as they are at the end, until the user has closed them."""
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
    """Windows on the screen of this machine; SnError if matplotlib is not installed, or if there is no screen."""
    with needing("matplotlib", what="--windows", instead="leave --windows out: they are saved as pictures"):
        import matplotlib
        import matplotlib.pyplot as pyplot
    if matplotlib.get_backend().lower() == "agg":
        raise SnError(
            [
                Fault(
                    "there is no screen to show windows on",
                    None,
                    hint="leave --windows out: then they are saved as pictures",
                )
            ]
        )
    return LiveWindows(pyplot)
