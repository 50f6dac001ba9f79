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
        again = threading.Timer(_AGAIN, _interrupt)
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


def _interrupt() -> None:
    """Send SIGINT to the main thread, which ends a sleep or a wait there as well."""
    if hasattr(signal, "pthread_kill") and (main := threading.main_thread().ident) is not None:
        signal.pthread_kill(main, signal.SIGINT)
    else:
        import _thread

        _thread.interrupt_main()
