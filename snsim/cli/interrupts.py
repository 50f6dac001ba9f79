"""Ctrl-C for the command line: it is never lost, and it ends the process with exit code 130."""

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

_AGAIN = 0.02  # seconds after which a lost interrupt is sent again


def keep_interrupts() -> None:
    """Send an interrupt again that arrived where Python cannot raise it.

    Those places are callbacks from C, and `__del__` and weak references of objects that end, as those of llvmlite.
    Python hands such an exception to `sys.unraisablehook` and goes on.
    """
    before = sys.unraisablehook

    def hear(unraisable: Any) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            before(unraisable)
            return
        again = threading.Timer(_AGAIN, interrupt_main_thread)
        again.daemon = True
        again.start()

    sys.unraisablehook = hear


def leave(code: int) -> int:
    """Return the exit code of a command that is done. One that was interrupted ends the process at once.

    Python would end it by the signal in place of the exit code where the interrupt arrived inside of `exec`, and
    dataclasses are made so. From here on Ctrl-C is ignored: what remains takes milliseconds.
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
