"""Ctrl-C on the command line: no interrupt is lost, and the exit code is 130."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
from typing import Any

from snsim.cli.exit_codes import INTERRUPTED
from snsim.operating_system import interrupt_main_thread

_DELAY = 0.02  # seconds after which a lost interrupt is sent again


def keep_interrupts() -> None:
    """Send an interrupt again if it came where Python cannot raise it.

    Such places are callbacks from C, `__del__` methods and callbacks of weak references, as llvmlite has them. Python
    passes such an exception to `sys.unraisablehook` and continues.
    """
    previous = sys.unraisablehook

    def resend(unraisable: Any) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            previous(unraisable)
            return
        timer = threading.Timer(_DELAY, interrupt_main_thread)
        timer.daemon = True
        timer.start()

    sys.unraisablehook = resend


def leave(code: int) -> int:
    """Return the exit code of a command that has ended; after an interrupt, exit at once.

    If the interrupt came inside `exec`, which makes dataclasses, Python would end by the signal instead of the exit
    code. From here on Ctrl-C is ignored: the rest takes milliseconds.
    """
    if threading.current_thread() is not threading.main_thread():
        return code
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if code == INTERRUPTED:
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    return code
