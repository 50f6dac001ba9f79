"""Ctrl-C and SIGTERM during a run: both end it as a KeyboardInterrupt, and neither is lost."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

_DEFAULTS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


class Interrupts:
    """Raises KeyboardInterrupt for Ctrl-C and for SIGTERM during a `with` block.

    A library may swallow the exception (a callback from C code has nobody to raise it to); `check` raises it again.
    Handlers that somebody else has set stay as they are, and so do all of them outside of the main thread.
    """

    def __init__(self) -> None:
        self._asked = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number, default in _DEFAULTS.items():
                if signal.getsignal(number) == default:
                    self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            if signal.getsignal(number) == self._hear:
                signal.signal(number, handler)

    def check(self) -> None:
        """Raise KeyboardInterrupt if one was asked for and did not arrive."""
        if self._asked:
            self._asked = False
            raise KeyboardInterrupt

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        raise KeyboardInterrupt
