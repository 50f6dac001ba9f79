"""`python -m snsim` and the command `snsim`. Ctrl-C ends it with exit code 130 at any moment, the start included."""

import gc
import sys

_OBJECTS = 50_000  # made between two looks for garbage: at the 700 of Python, a long text takes a third more time


def main() -> int:
    """Run the command line and give its exit code; where it was interrupted, end the process."""
    try:
        from snsim.cli.interrupts import keep_interrupts, leave

        keep_interrupts()
        gc.set_threshold(_OBJECTS)
        from snsim.cli.main import main as run_command

        code = run_command()
    except KeyboardInterrupt:
        from snsim.cli.interrupts import leave

        print("interrupted", file=sys.stderr)
        code = 130
    return leave(code)


if __name__ == "__main__":
    sys.exit(main())
