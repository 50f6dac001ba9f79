"""Sort the names that editors colour by kind, from the shelves that hold them."""

from __future__ import annotations

from functools import cache

from snsim.glossary.clauses import clauses
from snsim.language.procedures import Special
from snsim.network.schemes import SCHEMES
from snsim.program import lisp_functions, shelves

# Kinds of names at the head of a form. A name of several kinds has the first of them.
WORD, SPECIAL, SCHEME, CLAUSE, FUNCTION = "word", "special", "scheme", "clause", "function"
KINDS = (WORD, SPECIAL, SCHEME, CLAUSE, FUNCTION)


@cache
def heads() -> dict[str, str]:
    """Return the kind of each name that has a meaning at the head of a form."""
    from snsim.lush import LUSH  # slow to import

    functions = [*lisp_functions(), *LUSH]
    by_kind = {
        WORD: [entry.name for entry in shelves().words],
        SPECIAL: [entry.name for entry in functions if isinstance(entry.value, Special)],
        SCHEME: SCHEMES.names(),
        CLAUSE: [clause.name for clause in clauses()],
        FUNCTION: [entry.name for entry in functions],
    }
    return {name: kind for kind in reversed(KINDS) for name in by_kind[kind]}


def names_of(kind: str) -> list[str]:
    """Return the names of a kind, in alphabetical order."""
    return sorted(name for name, its_kind in heads().items() if its_kind == kind)
