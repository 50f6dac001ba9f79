"""Turn Ctrl-C and SIGTERM during a run into a KeyboardInterrupt, and lose none."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from snsim.operating_system import handle_interrupt

_DEFAULTS: dict[signal.Signals, tuple[Any, ...]] = {  # of Python, and of the command line
    signal.SIGINT: (signal.default_int_handler, handle_interrupt),
    signal.SIGTERM: (signal.SIG_DFL,),
}


class Interrupts:
    """Raise KeyboardInterrupt for Ctrl-C and SIGTERM during a `with` block.

    A library may swallow the exception: a callback from C cannot pass it on. `check` raises it again. Handlers set by
    other code stay in place, and outside the main thread nothing changes.
    """

    def __init__(self) -> None:
        self._is_pending = False
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number, defaults in _DEFAULTS.items():
                if signal.getsignal(number) in defaults:
                    self._previous[number] = signal.signal(number, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            if signal.getsignal(number) == self._interrupt:
                signal.signal(number, handler)

    def check(self) -> None:
        """Raise KeyboardInterrupt if a signal came and its exception was swallowed."""
        if self._is_pending:
            self._is_pending = False
            raise KeyboardInterrupt

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._is_pending = True
        raise KeyboardInterrupt
