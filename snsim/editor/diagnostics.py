"""Every fault of a text that is being written, as `snsim check` finds them; and what it declares, if it has none."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

from snsim.errors import Fault, SnError, Source, Span
from snsim.language.limits import LimitError, Limits
from snsim.program import Program, read_program

# A text is evaluated while its writer waits: descriptions take some thousands of steps.
PATIENT = Limits(steps=100_000, seconds=10, acting_seconds=10, matrix_elements=1_000_000, matrices=20_000_000)


@dataclass(frozen=True)
class Checked:
    """`faults` have their place in the text itself; `program` is None where there is an error."""

    faults: tuple[Fault, ...]
    program: Program | None


def check_text(source: Source) -> Checked:
    """Evaluate a text as far as it can be and say what is wrong. A program that trains by itself is evaluated for a
    moment only; that it was not ended is no fault of it.
    """
    try:
        program = read_program(source, port=io.StringIO(), limits=PATIENT)
    except LimitError:
        return Checked((), None)
    except SnError as error:
        return Checked(tuple(_inside(fault, source) for fault in error.faults), None)
    return Checked(tuple(_inside(fault, source) for fault in program.warnings), program)


def _inside(fault: Fault, source: Source) -> Fault:
    """The fault at a place of this text: one of an included text where that is included, one of no place at the top."""
    if fault.span is not None and fault.span.source is source:
        return fault
    here = next((span for _, span in fault.also if span.source is source), Span(source, 0, 0))
    where = "" if fault.span is None else f"{fault.span}: "
    return replace(fault, message=where + fault.message, span=here)
