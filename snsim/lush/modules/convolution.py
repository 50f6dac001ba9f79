"""Sum over windows of maps, by a table of connections, in the order of the original to the last bit.

A table has rows (from, to); row r has a kernel of its own. Each function computes all products first, with the terms of
a sum along the first axis, and adds them in order: every lane of a vector belongs to another sum. See
docs/reference/gblearn2.md, section 5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from snsim.lush.arithmetic import Floats, ordered_sum


class Scratch:
    """Memory for products, which each sum uses again: new memory of this size would cost more than the sums."""

    def __init__(self, interpreter: object = None):
        self._flat: dict[str, Floats] = {}

    def array(self, name: str, *sizes: int) -> Floats:
        """Return an array whose elements are not set. The next call with this name returns the same memory."""
        count = math.prod(sizes)
        flat = self._flat.get(name)
        if flat is None or len(flat) < count:
            flat = self._flat[name] = np.empty(count, np.float32)
        return flat[:count].reshape(sizes)


@dataclass(frozen=True)
class Group:
    """Maps that receive the same number of rows: map ends[m] receives rows[:, m], in table order, from starts[:, m].

    `shared`: all these maps receive from the same maps, in the same order; `whole`: and these are all maps, in their
    order. `first`: the first row, if the rows of map after map follow one another, else -1.
    """

    ends: np.ndarray
    rows: np.ndarray
    starts: np.ndarray
    shared: bool
    whole: bool
    first: int


def grouped(starts: np.ndarray, ends: np.ndarray) -> list[Group]:
    """Return the rows of a table by the map at which they end, grouped by the number of rows."""
    order = np.argsort(ends, kind="stable")
    maps, first, count = np.unique(ends[order], return_index=True, return_counts=True)
    groups = []
    for rows in np.unique(count):
        chosen = count == rows
        table = order[first[chosen] + np.arange(rows)[:, None]]
        sources = starts[table]
        shared = bool((sources == sources[:, :1]).all())
        follow = bool((np.diff(table.T.reshape(-1)) == 1).all())
        whole = shared and np.array_equal(sources[:, 0], np.arange(starts.max() + 1))
        groups.append(Group(maps[chosen], table, sources, shared, whole, int(table[0, 0]) if follow else -1))
    return groups


def _kernels(kernel: Floats, group: Group) -> Floats:
    """Return the kernels of a group, shape (row, ki kj, map); a view if the rows follow one another."""
    count, maps = group.rows.shape
    follow = group.first >= 0
    chosen = kernel[group.first : group.first + count * maps] if follow else kernel[group.rows.T.reshape(-1)]
    return chosen.reshape(maps, count, -1).transpose(1, 2, 0)


def _windows(maps: Floats, kernel: tuple[int, int], step: tuple[int, int]) -> Floats:
    """Return the windows of maps (..., h, w) as a view of shape (..., ki, kj, rows, columns)."""
    *_, h, w = maps.shape
    (ki, kj), (ri, rj) = kernel, step
    *outer, sh, sw = maps.strides
    shape = (*maps.shape[:-2], ki, kj, (h - ki) // ri + 1, (w - kj) // rj + 1)
    strides = (*outer, sh, sw, ri * sh, rj * sw)
    if maps.flags.c_contiguous:  # a tenth of the time of as_strided
        return np.ndarray(shape, maps.dtype, maps, 0, strides)
    return np.lib.stride_tricks.as_strided(maps, shape, strides, writeable=False)


def window_sums(
    scratch: Scratch,
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
    _, ki, kj = kernel.shape
    places = out.shape[1] * out.shape[2]
    windows = scratch.array("windows", len(maps), ki, kj, *out.shape[1:])
    windows[...] = _windows(maps, (ki, kj), step)
    windows = windows.reshape(len(maps), ki * kj, places)
    for group in groups:
        count, ends = group.rows.shape
        weights = _kernels(kernel, group)[..., None]
        if group.whole and len(maps) == count:
            inputs = windows[:, :, None]
        elif group.shared:
            inputs = windows[group.starts[:, 0]][:, :, None]
        else:
            chosen = scratch.array("chosen", count * ends, ki * kj, places)
            np.take(windows, group.starts.reshape(-1), axis=0, out=chosen, mode="clip")
            inputs = chosen.reshape(count, ends, ki * kj, places).transpose(0, 2, 1, 3)
        products = scratch.array("products", count, ki * kj, ends, places)
        np.multiply(inputs, weights, out=products)
        if squared:
            np.multiply(products, weights, out=products)
        sums = ordered_sum(products.reshape(-1, ends, places)).reshape(ends, *out.shape[1:])
        out[slice(None) if ends == len(out) else group.ends] = sums


def spread_sums(
    scratch: Scratch,
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
        _spread_one_place(scratch, errors[:, 0, 0], kernel, groups, out, squared)
        return
    (ri, rj), (h, w) = step, out.shape[1:]
    padded = scratch.array("padded", len(errors), h + ki - 1, w + kj - 1)
    padded[...] = 0  # adding 0 to a sum that began at 0 changes no bit
    padded[:, ki - 1 : ki - 1 + rows * ri : ri, kj - 1 : kj - 1 + columns * rj : rj] = errors
    window_sums(scratch, padded, kernel[:, ::-1, ::-1], groups, (1, 1), out, squared)


def _spread_one_place(
    scratch: Scratch, errors: Floats, kernel: Floats, groups: list[Group], out: Floats, squared: bool
) -> None:
    """Do what `spread_sums` does for errors at one place, whose window is the whole map."""
    out[...] = 0
    for group in groups:
        weights = scratch.array("windows", *group.rows.shape, *kernel.shape[1:])
        np.take(kernel, group.rows, axis=0, out=weights, mode="clip")
        products = scratch.array("products", *weights.shape)
        np.multiply(weights, errors[group.starts][..., None, None], out=products)
        if squared:
            np.multiply(products, weights, out=products)
        out[group.ends, : kernel.shape[1], : kernel.shape[2]] = ordered_sum(products)


def add_kernel_gradient(
    scratch: Scratch, maps: Floats, errors: Floats, table: np.ndarray, step: tuple[int, int], gradient: Floats
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
    if len(maps) == 1:  # one column of windows for all rows of the table
        windows = scratch.array("windows", *errors.shape[1:], ki, kj)
        windows[...] = _windows(maps[0], (ki, kj), step).transpose(2, 3, 0, 1)
        products = scratch.array("products", positions + 1, len(table), ki * kj)
        products[0] = gradient.reshape(len(table), -1)
        np.multiply(
            windows.reshape(positions, 1, -1),
            errors[ends].reshape(len(table), positions).T[:, :, None],
            out=products[1:],
        )
        gradient[...] = ordered_sum(products).reshape(gradient.shape)
        return
    inputs = maps[starts].transpose(1, 2, 0).copy()  # rows of the table last, where vectors are long
    windows = _windows(inputs.transpose(2, 0, 1), (ki, kj), step).transpose(3, 4, 1, 2, 0)
    columns = errors[ends].reshape(len(table), -1).T.copy()
    products = scratch.array("products", positions + 1, ki, kj, len(table))
    products[0] = gradient.transpose(1, 2, 0)
    shape = (*windows.shape[:2], ki, kj, len(table))
    np.multiply(windows, columns.reshape(*shape[:2], 1, 1, -1), out=products[1:].reshape(shape))
    gradient[...] = ordered_sum(products).transpose(2, 0, 1)


def added_over_places(start: Floats, terms: Floats) -> Floats:
    """Return start plus the terms (map, rows, columns) of each map, row after row."""
    return ordered_sum(terms.reshape(len(terms), -1).T, start)
