"""Sort an explicit connection table into arrays, so that weighted sums are products of matrices.

Only the table is used, so any connection can be computed. Targets that use the same weights stand side by side, as one
block. Blocks that read the same sources are stacked, as one group:

    sums[group, block, place] = sum over line of weights[group, block, line] * states[group, line, place]

In a connection with shared windows a block is a map, and a group is the maps that read the same ones. In a full
connection every target is a block and there is one group. In the worst case every target is a group. A table whose
targets have unequal numbers of connections takes several such arrays.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from snsim.network.wiring import BORDER, Table


class ScatterAdd:
    """Add values into slots: `slots[index[k]] += values[k]` for a fixed `index`, always in the same order.

    `index` has an entry for each value: its slot, or a number outside 0..slots-1 to drop the value.
    """

    def __init__(self, index: np.ndarray, slots: int):
        index = index.ravel()
        wanted = np.flatnonzero((index >= 0) & (index < slots))
        order = wanted[np.argsort(index[wanted], kind="stable")]
        count = np.bincount(index[order], minlength=slots)
        deepest = int(count.max(initial=0))
        self._slots = slots
        self._identity = np.array_equal(index, np.arange(slots))
        self._order, self._sorted = order, index[order]
        # Row r has the r-th value of each slot; slots with fewer values point at a zero behind all values. Adding row
        # to row is fastest, unless most entries would be such zeros.
        self._rows: np.ndarray | None = None
        if deepest * slots <= 4 * len(order) + 64:
            start = np.cumsum(count) - count
            rows = np.full((deepest, slots), index.size)
            rows[np.arange(len(order)) - start[self._sorted], self._sorted] = order
            self._rows = rows
        self._ragged = self._rows is not None and bool((count != deepest).any())

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return the sums, (slots,), of values of any shape with as many entries as `index`.

        The result may be the values themselves.
        """
        values = values.reshape(-1)
        if self._identity:
            return values
        if self._rows is None:
            return np.bincount(self._sorted, values.take(self._order), self._slots).astype(values.dtype, copy=False)
        if self._ragged:
            values = np.concatenate((values, np.zeros(1, values.dtype)))
        picked = values.take(self._rows)
        gathered: np.ndarray = picked[0] if len(picked) == 1 else picked.sum(0)
        return gathered


@dataclass(frozen=True, eq=False)
class Bundle:
    """A group of target units with equally many connections, as index arrays.

    source: (groups, lines, places), units of the source layer, `source units` for a border cell; weight: (groups,
    blocks, lines); target: (groups, blocks, places).
    """

    source: np.ndarray
    weight: np.ndarray
    target: np.ndarray


def bundles(table: Table, source_units: int) -> list[Bundle]:
    """Return the table as bundles; every connection stands in exactly one place of one bundle."""
    source = np.where(table.source == BORDER, source_units, table.source)
    first = np.flatnonzero(np.diff(table.target, prepend=-1))
    lines = np.diff(np.append(first, len(table.target)))
    return [
        bundle
        for n in np.unique(lines)
        for bundle in _bundle_equal_rows(
            table.target[first[lines == n]],
            source[first[lines == n][:, None] + np.arange(n)],
            table.weight[first[lines == n][:, None] + np.arange(n)],
        )
    ]


def _bundle_equal_rows(targets: np.ndarray, sources: np.ndarray, weights: np.ndarray) -> list[Bundle]:
    """Return the bundles of targets (m,) with sources and weights (m, lines)."""
    blocks: dict[bytes, list[int]] = defaultdict(list)  # rows with the same weights
    for row in range(len(targets)):
        blocks[weights[row].tobytes()].append(row)
    groups: dict[bytes, list[list[int]]] = defaultdict(list)  # blocks with the same sources
    for rows in blocks.values():
        groups[sources[rows].tobytes()].append(rows)
    shapes: dict[tuple[int, int], list[list[list[int]]]] = defaultdict(list)  # groups of the same shape
    for group in groups.values():
        shapes[len(group), len(group[0])].append(group)
    arrays = []
    for equal_groups in shapes.values():
        places = np.array(equal_groups)  # groups, blocks, places
        arrays.append(
            Bundle(
                np.ascontiguousarray(sources[places[:, 0]].transpose(0, 2, 1)),
                weights[places[:, :, 0]],
                targets[places],
            )
        )
    return arrays


Parts = list[tuple[np.ndarray, np.ndarray]]  # states and weights as read, for each bundle


class WeightedSums:
    """The sums of one connection, forward and backward.

    `border` is the place of the border value in the states of the source layer, behind its units. States are (source
    units + border cells,), with patterns first if there are several; the backward methods take one pattern.
    """

    def __init__(self, table: Table, source_units: int, target_units: int, weights: int, border: int, scale: float):
        parts = bundles(table, border)
        self._bundles = [(b.source, b.weight, b.target, _sharing(b)) for b in parts]
        self._targets = np.concatenate([b.target.ravel() for b in parts])
        self._in_order = np.array_equal(self._targets, np.arange(target_units))
        self._target_units = target_units
        self.width = max(max(b.source.size, b.weight.size) for b in parts)  # numbers in the largest array, per pattern
        self._scale = scale
        self._by_weight = ScatterAdd(np.concatenate([b.weight.ravel() for b in parts]), weights)
        self._by_source = ScatterAdd(np.concatenate([b.source.ravel() for b in parts]), source_units)

    def sums(self, states: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, Parts]:
        """Return the weighted sums, (..., target units), and the gathered inputs and weights for the other methods."""
        parts, sums = [], []
        for source, weight, target, sharing in self._bundles:
            x, w = states.take(source, -1), weights.take(weight)
            if self._scale != 1:
                w *= self._scale
            parts.append((x, w))
            if sharing == "single":
                a = (x[..., 0] * w[:, 0]).sum(-1)
            elif sharing == "dense":
                a = x[..., 0, :, 0] @ w[0].T
            else:
                a = w @ x
            sums.append(a.reshape(*states.shape[:-1], target.size))
        a = sums[0] if len(sums) == 1 else np.concatenate(sums, -1)
        if self._in_order:
            return a, parts
        ordered = np.zeros((*states.shape[:-1], self._target_units), a.dtype)
        ordered[..., self._targets] = a
        return ordered, parts

    def gradient(self, g: np.ndarray, parts: Parts) -> np.ndarray:
        """Return the gradient of each weight: the sum over its connections of scale * g[target] * x[source].

        `g` is the gradient of the target's weighted sums, (target units,). `parts` come from `sums`, for one pattern.
        """
        return self._scaled(self._for_weights(g, [x for x, _ in parts]), self._scale)

    def curvature(self, h: np.ndarray, parts: Parts) -> np.ndarray:
        """Return the curvature of each weight: the sum over its connections of scale^2 * h[target] * x[source]^2.

        `h` is the curvature of the target's weighted sums, (target units,). `parts` come from `sums`, for one pattern.
        """
        return self._scaled(self._for_weights(h, [x * x for x, _ in parts]), self._scale**2)

    def back(self, g: np.ndarray, parts: Parts) -> np.ndarray:
        """Return the gradient of each source unit: the sum over its connections of scale * w * g[target].

        `g` is the gradient of the target's weighted sums, (target units,). `parts` come from `sums`, for one pattern.
        """
        return self._for_sources(g, [w for _, w in parts])

    def back_squared(self, h: np.ndarray, parts: Parts) -> np.ndarray:
        """Return the curvature of each source unit: the sum over its connections of scale^2 * w^2 * h[target].

        `h` is the curvature of the target's weighted sums, (target units,). `parts` come from `sums`, for one pattern.
        """
        return self._for_sources(h, [w * w for _, w in parts])

    def _for_weights(self, delta: np.ndarray, xs: list[np.ndarray]) -> np.ndarray:
        products = []
        for (_, _, target, sharing), x in zip(self._bundles, xs):
            d = self._of_targets(delta, target)
            products.append(d * x[..., 0][:, None] if sharing != "shared" else d @ x.swapaxes(1, 2))
        return self._by_weight(_concatenate(products))

    def _for_sources(self, delta: np.ndarray, ws: list[np.ndarray]) -> np.ndarray:
        products = []
        for (_, _, target, sharing), w in zip(self._bundles, ws):
            d = self._of_targets(delta, target)
            if sharing == "single":
                products.append(w * d)
            elif sharing == "dense":
                products.append(d[0, :, 0] @ w[0])
            else:
                products.append(w.swapaxes(1, 2) @ d)
        return self._by_source(_concatenate(products))

    def _of_targets(self, delta: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return the entries of the targets; if they stand in order, this is the vector itself."""
        return delta.reshape(target.shape) if self._in_order and len(self._bundles) == 1 else delta.take(target)

    def _scaled(self, values: np.ndarray, scale: float) -> np.ndarray:
        return values if scale == 1 else values * scale


class SquaredDistances:
    """The sums of (w - x)^2 of one connection with `(distance)`; its methods are those of `WeightedSums`.

    `second_for_weights` and `second_for_sources` are what the second derivatives of the sums, 2 for each connection,
    add to the full curvature.
    """

    def __init__(self, table: Table, source_units: int, target_units: int, weights: int, border: int):
        self._source = np.where(table.source == BORDER, border, table.source)
        self._target, self._weight = table.target, table.weight
        self._first = np.flatnonzero(np.diff(table.target, prepend=-1))
        self._target_units, self.width = target_units, len(table.source)
        self._by_weight, self._by_source = ScatterAdd(table.weight, weights), ScatterAdd(self._source, source_units)

    def _summed(self, values: np.ndarray) -> np.ndarray:
        sums = np.zeros((*values.shape[:-1], self._target_units), values.dtype)
        sums[..., self._target[self._first]] = np.add.reduceat(values, self._first, -1)
        return sums

    def sums(self, states: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the sums, (..., target units), and w - x of each connection."""
        apart = weights.take(self._weight) - states.take(self._source, -1)
        return self._summed(apart * apart), apart

    def tangent(self, dx: np.ndarray, dw: np.ndarray, apart: np.ndarray) -> np.ndarray:
        """Return the derivative of the sums along tangents of the states and a direction of the weights."""
        return self._summed(2 * apart * (dw.take(self._weight) - dx.take(self._source, -1)))

    def gradient(self, g: np.ndarray, apart: np.ndarray) -> np.ndarray:
        return self._by_weight(2 * apart * g.take(self._target))

    def back(self, g: np.ndarray, apart: np.ndarray) -> np.ndarray:
        return self._by_source(-2 * apart * g.take(self._target))

    def curvature(self, h: np.ndarray, apart: np.ndarray) -> np.ndarray:
        return self._by_weight(4 * apart * apart * h.take(self._target))

    def back_squared(self, h: np.ndarray, apart: np.ndarray) -> np.ndarray:
        return self._by_source(4 * apart * apart * h.take(self._target))

    def second_for_weights(self, g: np.ndarray, apart: np.ndarray) -> np.ndarray:
        return self._by_weight(2 * g.take(self._target))

    def second_for_sources(self, g: np.ndarray, apart: np.ndarray) -> np.ndarray:
        return self._by_source(2 * g.take(self._target))


def _sharing(bundle: Bundle) -> str:
    """Return how the targets share sources.

    "single": every target has weights and sources of its own; "dense": all have the same sources; else "shared".
    """
    groups, blocks, places = bundle.target.shape
    if places > 1:
        return "shared"
    return "single" if blocks == 1 else "dense" if groups == 1 else "shared"


def _concatenate(arrays: list[np.ndarray]) -> np.ndarray:
    return arrays[0] if len(arrays) == 1 else np.concatenate([a.reshape(-1) for a in arrays])
