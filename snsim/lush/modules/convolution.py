"""Sum over windows of maps, by a table of connections, in the order of the original to the last bit.

A table has rows (from, to); row r has a kernel of its own. Each function computes all products first, with the terms of
a sum along the first axis, and adds them in order: every lane of a vector belongs to another sum. See
docs/reference/gblearn2.md, section 5.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from snsim.lush.arithmetic import Floats, ordered_sum


@dataclass(frozen=True)
class Group:
    """Maps that receive the same number of rows: map ends[m] receives rows[:, m], in table order, from starts[:, m].

    `shared`: all these maps receive from the same maps, in the same order.
    """

    ends: np.ndarray
    rows: np.ndarray
    starts: np.ndarray
    shared: bool


def grouped(starts: np.ndarray, ends: np.ndarray) -> list[Group]:
    """Return the rows of a table by the map at which they end, grouped by the number of rows."""
    order = np.argsort(ends, kind="stable")
    maps, first, count = np.unique(ends[order], return_index=True, return_counts=True)
    groups = []
    for rows in np.unique(count):
        chosen = count == rows
        table = order[first[chosen] + np.arange(rows)[:, None]]
        sources = starts[table]
        groups.append(Group(maps[chosen], table, sources, bool((sources == sources[:, :1]).all())))
    return groups


def _kernels(kernel: Floats, rows: np.ndarray) -> Floats:
    """Return the kernels of a group, shape (row, ki, kj, map); a view if the rows follow one another."""
    flat = rows.T.reshape(-1)
    first = int(flat[0])
    if int(flat[-1]) - first == len(flat) - 1 and (np.diff(flat) == 1).all():
        chosen = kernel[first : first + len(flat)]
    else:
        chosen = kernel[flat]
    return chosen.reshape(*rows.T.shape, *kernel.shape[1:]).transpose(1, 2, 3, 0)


def _windows(maps: Floats, kernel: tuple[int, int], step: tuple[int, int]) -> Floats:
    """Return the windows of maps (..., h, w) as a view of shape (..., ki, kj, rows, columns)."""
    *_, h, w = maps.shape
    (ki, kj), (ri, rj) = kernel, step
    *outer, sh, sw = maps.strides
    shape = (*maps.shape[:-2], ki, kj, (h - ki) // ri + 1, (w - kj) // rj + 1)
    return np.lib.stride_tricks.as_strided(maps, shape, (*outer, sh, sw, ri * sh, rj * sw), writeable=False)


def window_sums(
    maps: Floats,
    kernel: Floats,
    groups: list[Group],
    step: tuple[int, int],
    out: Floats,
    squared: bool = False,
) -> None:
    """Set out[end] = sum over the rows of a map, then kernel rows and columns, of window times kernel.

    maps: (map, h, w); kernel: (row, ki, kj); out: (map, rows, columns). Maps that receive no row become 0. `squared`:
    each term is (window * kernel) * kernel.
    """
    if sum(len(group.ends) for group in groups) < len(out):
        out[...] = 0
    shape = kernel.shape[1], kernel.shape[2]
    for group in groups:
        weights = _kernels(kernel, group.rows)[..., None, None]
        if group.shared:
            windows = _windows(maps[group.starts[:, 0]], shape, step)[:, :, :, None]
        else:
            windows = _windows(maps[group.starts], shape, step).transpose(0, 2, 3, 1, 4, 5)
        sizes = (*weights.shape[:4], *windows.shape[-2:])
        products = np.empty(sizes, np.float32)
        np.multiply(windows, weights, out=products)
        if squared:
            np.multiply(products, weights, out=products)
        out[group.ends] = ordered_sum(products.reshape(-1, *sizes[3:]))


def spread_sums(
    errors: Floats,
    kernel: Floats,
    groups: list[Group],
    step: tuple[int, int],
    out: Floats,
    squared: bool = False,
) -> None:
    """Set out[map] = the sum of errors times kernel that reaches each element through the windows.

    The groups are those of the table from its ends. For one element: table rows, then kernel rows and columns
    descending, which are the positions of the errors ascending. Each product is error * kernel, or (error * kernel) *
    kernel. errors: (map, rows, columns); out: (map, h, w).
    """
    _, rows, columns = errors.shape
    _, ki, kj = kernel.shape
    if rows == columns == 1:
        _spread_one_place(errors[:, 0, 0], kernel, groups, out, squared)
        return
    (ri, rj), (h, w) = step, out.shape[1:]
    padded = np.zeros((len(errors), h + ki - 1, w + kj - 1), np.float32)  # adding 0 to a sum from 0 changes no bit
    padded[:, ki - 1 : ki - 1 + rows * ri : ri, kj - 1 : kj - 1 + columns * rj : rj] = errors
    window_sums(padded, kernel[:, ::-1, ::-1], groups, (1, 1), out, squared)


def _spread_one_place(errors: Floats, kernel: Floats, groups: list[Group], out: Floats, squared: bool) -> None:
    """Do what `spread_sums` does for errors at one place, whose window is the whole map."""
    out[...] = 0
    for group in groups:
        weights = kernel[group.rows]
        products = errors[group.starts][..., None, None] * weights
        if squared:
            products *= weights
        out[group.ends, : kernel.shape[1], : kernel.shape[2]] = ordered_sum(products)


def add_kernel_gradient(
    maps: Floats, errors: Floats, table: np.ndarray, step: tuple[int, int], gradient: Floats
) -> None:
    """Add to each kernel the products input * error, position after position, from its old value on.

    maps: (map, h, w); errors: (map, rows, columns); gradient: (row, ki, kj). Second derivatives: give the squares of
    the maps.
    """
    _, ki, kj = gradient.shape
    positions = errors.shape[1] * errors.shape[2]
    starts, ends = table[:, 0], table[:, 1]
    if positions == 1:
        gradient += maps[starts, :ki, :kj] * errors[ends, 0, 0][:, None, None]
        return
    if len(maps) == 1 or (starts == starts[0]).all():  # one column of windows for all rows
        windows = _windows(maps[starts[0]], (ki, kj), step).transpose(2, 3, 0, 1).reshape(positions, 1, ki * kj)
        products = np.empty((positions + 1, len(table), ki * kj), np.float32)
        products[0] = gradient.reshape(len(table), -1)
        np.multiply(windows, errors[ends].reshape(len(table), positions).T[:, :, None], out=products[1:])
        gradient[...] = ordered_sum(products).reshape(gradient.shape)
        return
    inputs = np.ascontiguousarray(maps[starts].transpose(1, 2, 0))  # rows of the table last, where lanes are long
    windows = _windows(inputs.transpose(2, 0, 1), (ki, kj), step).transpose(3, 4, 1, 2, 0)
    columns = np.ascontiguousarray(errors[ends].reshape(len(table), -1).T)
    products = np.empty((positions + 1, ki, kj, len(table)), np.float32)
    products[0] = gradient.transpose(1, 2, 0)
    shape = (*windows.shape[:2], ki, kj, len(table))
    np.multiply(windows, columns.reshape(*shape[:2], 1, 1, -1), out=products[1:].reshape(shape))
    gradient[...] = ordered_sum(products).transpose(2, 0, 1)


def added_over_places(start: Floats, terms: Floats) -> Floats:
    """Return start plus the terms (map, rows, columns) of each map, row after row."""
    return ordered_sum(terms.reshape(len(terms), -1).T, start)


def places(sizes: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield the places of a map with the last dimension outermost: all rows of a column, then the next column."""
    for column in range(sizes[-1]):
        for row in range(sizes[0]):
            yield row, column
