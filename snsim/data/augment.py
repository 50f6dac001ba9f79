"""Move pictures at each presentation. The caller draws the random numbers."""

from __future__ import annotations

import numpy as np


def shift(pictures: np.ndarray, down: np.ndarray, right: np.ndarray, fill: float | None) -> np.ndarray:
    """Move every picture by its own number of cells.

    `pictures`: (n, rows, columns) or (n, maps, rows, columns); `down`, `right`: (n,) whole numbers, negative for up
    and left. Cells that come in from outside are `fill`, or with None the cells that went out at the other side.
    Returns a new array of the same shape and type.
    """
    n, rows, columns = len(pictures), pictures.shape[-2], pictures.shape[-1]
    row = np.arange(rows) - np.asarray(down, np.int64).reshape(n, 1)
    column = np.arange(columns) - np.asarray(right, np.int64).reshape(n, 1)
    stacks = pictures.reshape(n, -1, rows, columns)
    picture = np.arange(n)[:, None, None]
    moved = stacks[picture, :, (row % rows)[:, :, None], (column % columns)[:, None, :]]  # (n, rows, columns, maps)
    if fill is not None:
        inside = ((row >= 0) & (row < rows))[:, :, None] & ((column >= 0) & (column < columns))[:, None, :]
        moved[~inside] = fill
    return np.ascontiguousarray(np.moveaxis(moved, -1, 1)).reshape(pictures.shape)
