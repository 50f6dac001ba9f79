"""Choose the view that shows a run: the live table, plain lines, JSON, and TensorBoard in addition."""

from __future__ import annotations

import sys
from pathlib import Path

from snsim.colour import is_terminal
from snsim.console.views import JsonView, PlainView, QuietView, View


def choose_view(as_json: bool, quiet: bool, events: Path | None = None) -> View:
    """Return the view for the given options and the kind of output. `events`: the folder of --tensorboard."""
    if events is not None:
        from snsim.console.tensorboard_view import TensorBoardView

        return TensorBoardView(choose_view(as_json, quiet), events)
    if as_json:
        return JsonView(quiet)
    if quiet:
        return QuietView()
    if not is_terminal(sys.stdout):
        return PlainView()
    from snsim.console.live_table import TerminalView

    return TerminalView()
