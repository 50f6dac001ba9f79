"""`python -m snsim` and the command `snsim`. Ctrl-C ends it with exit code 130 at any moment, the start included.

Everything is imported inside functions, so that `main` handles an interrupt during the imports too.
"""

import sys
from typing import Any


def main() -> int:
    """Run the command line and return its exit code; after an interrupt, end the process."""
    try:
        keep_interrupts()
        from snsim.operating_system import collect_garbage_rarely

        collect_garbage_rarely()
        from snsim.cli.main import main as run_command

        code = run_command()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 130
    return leave(code)


def keep_interrupts() -> None:
    """Send an interrupt again if it came where Python cannot raise it, or where its exception may be dropped.

    Such places are callbacks from C, `__del__` methods and callbacks of weak references, as llvmlite has them. Python
    passes such an exception to `sys.unraisablehook` and continues. For the others, see `handle_interrupt`.
    """
    import signal
    import threading

    from snsim.operating_system import handle_interrupt, interrupt_soon

    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, handle_interrupt)
    previous = sys.unraisablehook

    def resend(unraisable: Any) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            previous(unraisable)
            return
        interrupt_soon()

    sys.unraisablehook = resend


def leave(code: int) -> int:
    """Return the exit code of a command that has ended; after an interrupt, exit at once.

    If the interrupt came inside `exec`, which makes dataclasses, Python would end by the signal instead of the exit
    code. From here on Ctrl-C is ignored: the rest takes milliseconds.
    """
    import atexit
    import contextlib
    import os
    import signal
    import threading

    if threading.current_thread() is not threading.main_thread():
        return code
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if code == 130:
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
