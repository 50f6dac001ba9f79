"""Read the program of a command, and report its warnings."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

from snsim.cli.errors import report
from snsim.errors import Fault

if TYPE_CHECKING:
    from snsim.program import Program


def read_reported(
    file: str, values: Mapping[str, float | str], port: TextIO | None = None, seconds: float | None = None
) -> Program:
    """Return the program of a file, and print its warnings on standard error.

    What the program prints goes to `port` (default: standard error). `seconds` limits its CPU time.
    """
    from snsim.language.limits import DEFAULT, override_limits
    from snsim.program import read_program

    program = read_program(
        file, presets=values, port=port or sys.stderr, limits=override_limits(DEFAULT, seconds=seconds)
    )
    report(program.warnings)
    if not program.sources[0].text.strip():
        report(
            [
                Fault(
                    f"{file} is empty",
                    hint="write (net NAME clause ...) in it, or name another file",
                    severity="warning",
                )
            ]
        )
    return program
