"""Programs of SN-2.8, run unmodified, print what the original simulator printed, digit for digit."""

import contextlib
import io
from pathlib import Path

import pytest
from data_folder import REFERENCE, needs_reference

from snsim.errors import Source
from snsim.language.limits import Limits
from snsim.program import read_program

PROGRAMS = [] if REFERENCE is None else sorted((REFERENCE / "sn28-programs").glob("*.sn"))
LONG = Limits(steps=10**12, lists=10**12, matrices=10**12)


class Enough(Exception):
    """As many lines were printed as are wanted."""


class Port(io.StringIO):
    """Where a program prints, until it has printed so many lines."""

    def __init__(self, lines):
        super().__init__()
        self.left = lines

    def write(self, text):
        super().write(text)
        self.left -= text.count("\n")
        if self.left <= 0:
            raise Enough


@needs_reference("sn28-programs")
@pytest.mark.parametrize(
    "program",
    [pytest.param(path, id=path.stem) for path in PROGRAMS or [Path("none.sn")]],  # skipped or failing without programs
)
def test_a_program_prints_what_the_original_printed(program):
    expected = program.with_suffix(".expected").read_text().splitlines(keepends=True)
    port = Port(len(expected) + 1)  # so that a line too many is noticed
    with contextlib.suppress(Enough):
        read_program(Source(str(program), program.read_text()), port=port, limits=LONG)
    assert port.getvalue().splitlines(keepends=True) == expected
