"""Check a text while it is written, as `snsim check` does, and keep the program that it declares."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

from snsim.errors import Fault, SnError, Source, Span
from snsim.language.limits import LimitError, Limits
from snsim.program import Program, read_program

# The writer waits for the evaluation, so the limits are low. A description takes some thousands of steps.
PATIENT = Limits(steps=100_000, seconds=10, acting_seconds=10, matrix_elements=1_000_000, matrices=20_000_000)


@dataclass(frozen=True)
class CheckResult:
    """The faults of a text, each with a place in the text; `program` is None if one of them is an error."""

    faults: tuple[Fault, ...]
    program: Program | None


def check_text(source: Source) -> CheckResult:
    """Evaluate a text and return its faults and its program.

    A program that trains by itself is evaluated for a moment only; that it did not end is not a fault.
    """
    try:
        program = read_program(source, port=io.StringIO(), limits=PATIENT)
    except LimitError:
        return CheckResult((), None)
    except SnError as error:
        return CheckResult(tuple(_inside(fault, source) for fault in error.faults), None)
    return CheckResult(tuple(_inside(fault, source) for fault in program.warnings), program)


def _inside(fault: Fault, source: Source) -> Fault:
    """Return the fault with a place in this text: that of the include for an included file, the top without a place."""
    if fault.span is not None and fault.span.source is source:
        return fault
    here = next((span for _, span in fault.also if span.source is source), Span(source, 0, 0))
    prefix = "" if fault.span is None else f"{fault.span}: "
    return replace(fault, message=prefix + fault.message, span=here)
