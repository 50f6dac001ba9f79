"""The bounds of one program: a description from a stranger ends, and ends soon."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from snsim.errors import Fault, SnError, Span


@dataclass(frozen=True)
class Limits:
    """How much a program may use. Whoever passes one gets an error with the number and the place."""

    steps: int = 3_000_000  # evaluations of a list, rounds of a loop; see `Budget` for what else counts
    depth: int = 2_000  # evaluations inside one another
    nesting: int = 500  # lists inside one another, in a text or in a template
    list_length: int = 1_000_000  # one list
    lists: int = 5_000_000  # elements of all lists that functions make
    matrix_elements: int = 10_000_000  # one matrix
    matrices: int = 50_000_000  # elements of all matrices
    string_length: int = 1_000_000  # one string
    strings: int = 50_000_000  # characters of all strings
    source_bytes: int = 4_000_000  # one text; several are counted one by one
    output_characters: int = 10_000_000
    memory_bytes: int = 4 << 30  # of the process, its greatest so far, where the system tells it
    seconds: float = 60  # of CPU, while a program declares
    acting_seconds: float = 60  # of CPU in all, for a program that acts: it prints, or uses words of SN-2.8
    written_bytes: int = 100_000_000  # of all files that there are at one time
    written_files: int = 10_000  # with the folders that they are in


DEFAULT = Limits()

# A program that trains by itself and is run on purpose: some minutes of Lisp. What its functions make in all is bounded
# by that too; what there is at once, by the memory. It computes in the words of SN-2.8 for as long as it likes.
ACTING = Limits(
    steps=30_000_000,
    lists=500_000_000,
    matrix_elements=100_000_000,
    matrices=50_000_000_000,
    strings=1_000_000_000,
    acting_seconds=math.inf,
    written_bytes=2_000_000_000,
)

# A form at the prompt: it may train for hours.
AT_PROMPT = replace(ACTING, seconds=math.inf)


def within(
    limits: Limits, steps: int | None = None, seconds: float | None = None, megabytes: int | None = None
) -> Limits:
    """Return the limits with those replaced that a user stated."""
    stated: dict[str, Any] = {}
    if steps is not None:
        stated["steps"] = steps
    if seconds is not None:
        stated |= {"seconds": seconds, "acting_seconds": seconds}
    if megabytes is not None:
        stated["written_bytes"] = megabytes * 1_000_000
    return replace(limits, **stated)


LONG_STRING = "split it into several strings, or print its parts one after the other"
FREE_MEMORY = "make smaller matrices and lists; (setq x ()) frees what the variable x holds"
LONG_LIST = "a list that grows in a loop, or holds itself? Split it, or keep the numbers in a matrix: (matrix n)"


class LimitError(SnError):
    """A limit was passed. Nothing of the program goes on after it."""


def exceeded(what: str, limit: float, span: Span | None, hint: str) -> LimitError:
    """Return the error for a limit, ready to be raised: `what` is the sentence before the number."""
    number = f"{limit:,}" if isinstance(limit, int) else f"{limit:g}"
    return LimitError(Fault(f"{what} ({number} is the limit)", span, hint=hint))


def exceeds_source(size: int, limits: Limits) -> str | None:
    """The sentence for a text of `size` bytes that is too large to be read, or None."""
    if size <= limits.source_bytes:
        return None
    return f"the text is {size:,} bytes long, and {limits.source_bytes:,} is the limit"
