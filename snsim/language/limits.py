"""Set the limits of one program, so that a program from a stranger ends, and ends soon."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from snsim.data_classes import dataclass
from snsim.errors import Fault, SnError, Span


@dataclass(frozen=True)
class Limits:
    """How much a program may use. A program that passes a limit gets an error with the number and the place."""

    steps: int = 3_000_000  # evaluations of a list, rounds of a loop; see `Budget` for what else counts
    depth: int = 2_000  # nested evaluations
    nesting: int = 500  # nested lists, in a source text or in a template
    list_length: int = 1_000_000  # one list
    lists: int = 5_000_000  # elements of all lists that functions create
    matrix_elements: int = 10_000_000  # one matrix
    matrices: int = 50_000_000  # elements of all matrices
    string_length: int = 1_000_000  # one string
    strings: int = 50_000_000  # characters of all strings
    source_bytes: int = 4_000_000  # one source text; each file counts alone
    output_characters: int = 10_000_000
    memory_bytes: int = 4 << 30  # peak memory of the process, where the system reports it
    seconds: float = 60  # of CPU, while a program only declares
    acting_seconds: float = 60  # of CPU in all, once a program acts: it prints, or calls words of SN-2.8
    written_bytes: int = 100_000_000  # of all files that exist at one time
    written_files: int = 10_000  # files and their folders


DEFAULT = Limits()

# For a program that trains by itself and that a user runs on purpose: some minutes of Lisp. The step limit also bounds
# what its functions create in all, and the memory limit bounds what exists at once. Words of SN-2.8 have no time limit.
ACTING = Limits(
    steps=30_000_000,
    lists=500_000_000,
    matrix_elements=100_000_000,
    matrices=50_000_000_000,
    strings=1_000_000_000,
    acting_seconds=math.inf,
    written_bytes=2_000_000_000,
)

# For a form at the prompt, which may train for hours.
AT_PROMPT = replace(ACTING, seconds=math.inf)


def override_limits(
    limits: Limits, steps: int | None = None, seconds: float | None = None, megabytes: int | None = None
) -> Limits:
    """Return the limits with the values that a user gave in place of the defaults."""
    changes: dict[str, Any] = {}
    if steps is not None:
        changes["steps"] = steps
    if seconds is not None:
        changes |= {"seconds": seconds, "acting_seconds": seconds}
    if megabytes is not None:
        changes["written_bytes"] = megabytes * 1_000_000
    return replace(limits, **changes)


LONG_STRING = "split it into several strings, or print its parts one after the other"
FREE_MEMORY = "make smaller matrices and lists; (setq x ()) frees what the variable x holds"
LONG_LIST = "a list that grows in a loop, or holds itself? Split it, or keep the numbers in a matrix: (matrix n)"


class LimitError(SnError):
    """Raised when a program passes a limit. It ends the whole program."""


def exceeded(what: str, limit: float, span: Span | None, hint: str) -> LimitError:
    """Return the error for a limit, to be raised by the caller. `what` is the sentence before the number."""
    number = f"{limit:,}" if isinstance(limit, int) else f"{limit:g}"
    return LimitError(Fault(f"{what} ({number} is the limit)", span, hint=hint))


def exceeds_source(size: int, limits: Limits) -> str | None:
    """Return the sentence for a text that is too large to be read, or None. `size` is in bytes."""
    if size <= limits.source_bytes:
        return None
    return f"the text is {size:,} bytes long, and {limits.source_bytes:,} is the limit"
