"""Align text in columns, and write shapes as text."""

from __future__ import annotations

from collections.abc import Sequence

from snsim.errors import for_line


def aligned(rows: Sequence[Sequence[str]], sides: str) -> list[str]:
    """Return rows of cells as lines with aligned columns. `sides` has "l" (left) or "r" (right) for each column.

    Hidden characters and newlines in a cell are escaped.
    """
    rows = [[for_line(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(sides))]
    return [
        "  ".join(
            cell.ljust(width) if side == "l" else cell.rjust(width) for cell, side, width in zip(row, sides, widths)
        ).rstrip()
        for row in rows
    ]


def class_label(names: Sequence[str], number: int) -> str:
    """Return the name of a class for one line of text; its number where it has no name."""
    return for_line(names[number]) if number < len(names) else str(number)


def shape_text(shape: Sequence[int]) -> str:
    """Return a shape as tables show it: "12x8x8"."""
    return "x".join(str(n) for n in shape)


def shape_form(shape: Sequence[int]) -> str:
    """Return a shape as it is written in a `.sn` file: "10" or "(12 8 8)"."""
    return str(shape[0]) if len(shape) == 1 else f"({' '.join(map(str, shape))})"
