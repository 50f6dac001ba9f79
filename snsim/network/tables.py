"""Read the word `table`, which states which map feeds which; compute such tables (`cyclic`, `blocks`).

A table is a matrix of 0 and 1 with one row per source map and one column per target map.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from snsim.language.forms import Node
from snsim.language.procedures import CallError
from snsim.network.clauses import Faults, describe, read_arguments, read_name, read_whole_number
from snsim.network.connect_options import read_binary_matrix
from snsim.registry import Shelf

MOST_MAPS = 10_000  # rows, or columns, of a table
FEEDS = {"x": 1.0, "-": 0.0}
SYNTAX = "(table NAME (x - ...) ...), (table NAME (from B (s ...) ...)) or (table NAME ,matrix)"


def declare_table(form: Node, shelf: Shelf[np.ndarray]) -> np.ndarray:
    """Read `(table NAME row ...)`, put the matrix on the shelf and return it; raise SnError with all faults."""
    faults = Faults()
    args = read_arguments(form, 2, None, SYNTAX, faults)
    if args is None:
        faults.stop()
    name = read_name(args[0], "the name of a table", faults)
    if name is not None and name in ("full", "one-to-one"):
        faults.add(f"the table {name} is built in", args[0].span, f"write another name, such as my-{name}")
    elif name is not None:
        with faults.gathered():
            shelf.check_free(name, args[0].span)
    matrix = _read_matrix(args[1:], faults)
    if faults.any and name is not None:
        shelf.mark_broken(name)
    if faults.any or name is None or matrix is None:
        faults.stop()
    rows, columns = matrix.shape
    doc = f"{rows} to {columns} maps, {int(matrix.sum())} pairs"
    return shelf.add(name, matrix, doc, args[0].span)


def _read_matrix(rows: tuple[Node, ...], faults: Faults) -> np.ndarray | None:
    """Return the matrix, float (source maps, target maps), that the rows of a table form state; None after a fault."""
    if isinstance(rows[0].value, np.ndarray) and len(rows) == 1:
        matrix = read_binary_matrix(rows[0], faults)
        return None if matrix is None else matrix.astype(float)
    if rows[0].head == "from":
        if len(rows) > 1:
            faults.add("nothing may follow (from B ...) in a table", rows[1].span, f"write {SYNTAX}")
        return _read_source_lists(rows[0], faults)
    return _read_drawing(rows, faults)


def _read_drawing(rows: tuple[Node, ...], faults: Faults) -> np.ndarray | None:
    """Return the matrix of drawn rows `(x - 1 0) ...`, one per source map; None after a fault."""
    drawn = [_read_row(row, faults) for row in rows]
    for row, node in zip(drawn, rows):
        if row is not None and drawn[0] is not None and len(row) != len(drawn[0]):
            faults.add(
                f"this row has {len(row)} signs, the first has {len(drawn[0])}",
                node.span,
                f"write {len(drawn[0])} signs, one for each target map",
                (("the first row", rows[0].span),),
            )
    return None if faults.any else np.array(drawn)


def _read_row(node: Node, faults: Faults) -> list[float | None] | None:
    if not node.items:
        faults.add(f"a row of a table is a list of signs, not {describe(node)}", node.span, f"write {SYNTAX}")
        return None
    signs: list[float | None] = []
    for item in node.items:
        sign = FEEDS.get(item.name) if item.is_name else _zero_or_one(item.value)
        if sign is None:
            faults.add(
                f"a table is drawn with x or 1 and - or 0, not {describe(item)}",
                item.span,
                "write x where the source map (row) feeds the target map (column), else -",
            )
        signs.append(sign)
    return signs


def _zero_or_one(value: object) -> float | None:
    return value if isinstance(value, float) and value in (0.0, 1.0) else None


def _read_source_lists(node: Node, faults: Faults) -> np.ndarray | None:
    """Return the matrix of `(from B (s ...) ...)`: for each target map its source maps, counted from B."""
    args = read_arguments(node, 2, None, "(from B (s ...) ...), B 0 or 1", faults)
    first = None if args is None else read_whole_number(args[0], "B of (from B ...)", faults)
    if first is None or args is None:
        return None
    if first > 1:
        faults.add(
            f"maps are counted from 0 or 1, not from {first}", args[0].span, "write (from 0 ...) or (from 1 ...)"
        )
        return None
    targets = [_read_sources(target, first, faults) for target in args[1:]]
    if faults.any:
        return None
    matrix = np.zeros((1 + max(max(t) for t in targets), len(targets)))
    for column, sources in enumerate(targets):
        matrix[sources, column] = 1
    return matrix


def _read_sources(node: Node, first: int, faults: Faults) -> list[int]:
    """Return the source maps of one target map, counted from 0."""
    if not node.items:
        faults.add(
            f"the source maps of a target map are a list of numbers, not {describe(node)}",
            node.span,
            "write (from 1 (1 2) (2 3) ...)",
        )
        return []
    sources: list[int] = []
    for item in node.items:
        number = read_whole_number(item, "a source map", faults)
        if number is None:
            continue
        if number < first:
            faults.add(
                f"maps are counted from {first} here; there is no map {number}",
                item.span,
                "write (from 0 ...) to count from 0",
            )
        elif number - first in sources:
            faults.add(f"map {number} is listed twice", item.span, "remove one of them")
        elif number > MOST_MAPS:
            faults.add(
                f"a table has at most {MOST_MAPS} maps, not {number}",
                item.span,
                f"write a map from {first} to {MOST_MAPS}",
            )
        else:
            sources.append(number - first)
    return sources


def cyclic(n: float, m: float, k: float) -> np.ndarray:
    """(cyclic n m k): a table of n to m maps; target j reads sources j ... j+k-1 modulo n."""
    sources, targets, width = _sizes(n, m, k)
    if width > sources:
        raise CallError(
            f"a target cannot read {width} of {sources} maps", 2, f"write at most {sources} for the third number"
        )
    ahead = np.arange(sources)[:, None] - np.arange(targets)
    return (ahead % sources < width).astype(float)


def blocks(n: float, m: float, b: float, k: float) -> np.ndarray:
    """(blocks n m b k): a table of n to m maps in b blocks; block j reads source blocks j ... j+k-1 modulo b."""
    sources, targets, count, width = _sizes(n, m, b, k)
    if sources % count or targets % count:
        raise CallError(
            f"{sources} and {targets} maps are not both a multiple of {count} blocks",
            2,
            f"write a third number that divides both, such as {math.gcd(sources, targets)}",
        )
    if width > count:
        raise CallError(
            f"a block cannot read {width} of {count} blocks", 3, f"write at most {count} for the fourth number"
        )
    return np.kron(cyclic(count, count, width), np.ones((sources // count, targets // count)))


def _sizes(*values: object) -> list[int]:
    sizes: list[int] = []
    for i, value in enumerate(values):
        if not isinstance(value, float | int) or not 1 <= value <= MOST_MAPS or value != int(value):
            shown = f"{value:g}" if isinstance(value, float | int) else "something else"
            raise CallError(
                f"a number of maps is a whole number from 1 to {MOST_MAPS}, not {shown}",
                i,
                "write (cyclic N M K) or (blocks N M B K) with whole numbers, such as (cyclic 6 16 3)",
            )
        sizes.append(int(value))
    return sizes


def lisp_functions() -> dict[str, tuple[Callable[..., np.ndarray], str]]:
    """Return the Lisp functions of this module with their line of help; they take and return Lisp values."""
    return {f.__name__: (f, (f.__doc__ or "").strip()) for f in (cyclic, blocks)}
