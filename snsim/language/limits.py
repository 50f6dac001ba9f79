"""The bounds of one program: a description from a stranger ends, and ends soon."""

from __future__ import annotations

from dataclasses import dataclass

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


DEFAULT = Limits()

# A program that trains by itself and is run on purpose: a minute of Lisp. What its functions make in all is bounded
# by that too; what there is at once, by the memory.
ACTING = Limits(steps=30_000_000, lists=500_000_000, matrix_elements=100_000_000, matrices=50_000_000_000,
                strings=1_000_000_000)


class LimitError(SnError):
    """A limit was passed. Nothing of the program goes on after it."""


def exceeded(what: str, limit: int, span: Span | None = None, hint: str = "") -> LimitError:
    """The error for a limit, ready to be raised: `what` is the sentence before the number."""
    return LimitError(Fault(f"{what} ({limit:,} is the limit)", span, hint))


def exceeds_source(size: int, limits: Limits) -> str | None:
    """The sentence for a text of `size` bytes that is too large to be read, or None."""
    if size <= limits.source_bytes:
        return None
    return f"the text is {size:,} bytes long, and {limits.source_bytes:,} is the limit"
