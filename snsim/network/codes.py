"""Read the option `codes`, which states the weights of a connection.

(connect f6 output (full) (distance) (codes (x - - x) (- x x -)) (fixed))

A row has the weights that enter one target unit, or one target map where units share them: x is 1, - is -1, a number is
itself. It may be a picture, `((- x -) (x - x))`: a list of lines, read one after the other. The weights of `full` are
in the order of the source units. Those of `mask` are in the order of the source maps of the table, each window by rows.
"""

from __future__ import annotations

import numpy as np

from snsim.language.forms import Node
from snsim.network.clauses import Faults, describe, read_arguments, read_number
from snsim.network.wiring import Wiring

SYNTAX = "(codes (x - 0.5 ...) ...) or (codes ,matrix)"
SIGNS = {"x": 1.0, "-": -1.0}


def read_codes(node: Node, wiring: Wiring, faults: Faults) -> np.ndarray | None:
    """Return the weights that `(codes ...)` states, float64 in the shape of the parameter; None after a fault."""
    args = read_arguments(node, 1, None, SYNTAX, faults)
    if args is None:
        return None
    if len(args) == 1 and isinstance(args[0].value, str):
        faults.add(
            f'codes are rows or a matrix, not the text "{args[0].value}"',
            args[0].span,
            f'write (codes ,(load-matrix "{args[0].value}")) for the matrix in a file',
        )
        return None
    if len(args) == 1 and isinstance(args[0].value, np.ndarray):
        rows = _matrix_rows(args[0], faults)
    else:
        rows = _drawn_rows(args, faults)
    return None if rows is None else _in_shape(rows, node, wiring, faults)


def _drawn_rows(nodes: tuple[Node, ...], faults: Faults) -> list[tuple[Node, np.ndarray]] | None:
    drawn, before = [], len(faults.found)
    for node in nodes:
        if not node.items:
            faults.add(
                f"a row of codes is a list of signs or numbers, not {describe(node)}", node.span, f"write {SYNTAX}"
            )
            continue
        lines = [line for item in node.items for line in (item.items if item.is_list else (item,))]
        numbers = [_number(item, faults) for item in lines]
        drawn.append((node, np.array([np.nan if n is None else n for n in numbers])))
    return drawn if len(faults.found) == before else None


def _number(item: Node, faults: Faults) -> float | None:
    if not item.is_name:
        return read_number(item, "a weight of (codes ...)", faults)
    if item.name not in SIGNS:
        faults.add(
            f"codes are drawn with x for 1, - for -1 and numbers, not {describe(item)}", item.span, f"write {SYNTAX}"
        )
    return SIGNS.get(item.name)


def _matrix_rows(node: Node, faults: Faults) -> list[tuple[Node, np.ndarray]] | None:
    matrix = np.asarray(node.value)
    hint = "give a matrix of numbers with a row for each target unit, or each target map of a mask"
    if matrix.ndim != 2:
        shape = "x".join(map(str, matrix.shape))
        faults.add(f"codes have two dimensions, this matrix has shape {shape}", node.span, hint)
        return None
    try:
        numbers = matrix.astype(np.float64)
    except (TypeError, ValueError):
        faults.add("codes are numbers, this matrix holds other elements", node.span, hint)
        return None
    wrong = np.argwhere(~np.isfinite(numbers))
    if len(wrong):
        row, column = wrong[0]
        faults.add(
            f"codes are finite, this matrix has {numbers[row, column]:g} in row {row + 1}, column {column + 1}",
            node.span,
            "give finite numbers",
        )
        return None
    return [(node, row) for row in numbers]


def _in_shape(rows: list[tuple[Node, np.ndarray]], node: Node, wiring: Wiring, faults: Faults) -> np.ndarray | None:
    """Return the rows as weights of this wiring; faults if their numbers differ."""
    owners = wiring.owners()
    sizes = np.bincount(owners)
    if len(rows) != len(sizes):
        faults.add(
            f"(codes ...) has {len(rows)} row{'' if len(rows) == 1 else 's'}, and the weights enter {len(sizes)} "
            "target units or maps",
            node.span,
            f"write {len(sizes)} rows, one for each",
        )
        return None
    fits = True
    for number, ((place, row), size) in enumerate(zip(rows, sizes)):
        if len(row) != size:
            fits = False
            faults.add(
                f"row {number + 1} of (codes ...) has {len(row)} weights, the connection has {size} there",
                place.span,
                f"write {size} signs or numbers",
            )
            if place is node or isinstance(place.value, np.ndarray):
                break  # the other rows of a matrix are as long
    if not fits:
        return None
    weights = np.empty(len(owners))
    weights[np.argsort(owners, kind="stable")] = np.concatenate([row for _, row in rows])
    weights.flags.writeable = False
    return weights.reshape(wiring.weight_shape)
