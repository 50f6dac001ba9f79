"""SN-2.8's sums in NumPy: the k-th connections of all units at once, so that each unit adds in order.

This is the fallback for machines without llvmlite, and the reference that `compiled_sums` is tested against: every
method exists in both. Each product and sum is rounded to single precision; all arrays are float32.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import Protocol

import numpy as np

from snsim.errors import SnError
from snsim.sn28.net.adjacency import Edges, Memory, Units


class SumLoops(Protocol):
    """The protocol of the loops over connections; `NumpyLoops` documents each method."""

    name: str

    def tanh(self, x: np.ndarray) -> np.ndarray: ...
    def weighted_sum(self, units: Units, edges: Edges, w: Memory, x: Memory, out: Memory) -> None: ...
    def square_sum(self, units: Units, edges: Edges, w: Memory, h: Memory, out: Memory) -> None: ...
    def moved_sum(
        self, units: Units, edges: Edges, w: Memory, t: Memory, d: Memory, x: Memory, out: Memory
    ) -> None: ...
    def accumulate(
        self, units: Units, edges: Edges, x: Memory, g: Memory, rate: Memory, on_connection: bool, acc: Memory
    ) -> None: ...
    def gather(self, units: Units, edges: Edges, sigma: Memory, hess: Memory) -> None: ...
    def average(self, units: Units, edges: Edges, gamma: float, gg: Memory, x: Memory, sigma: Memory) -> None: ...
    def learn(
        self,
        units: Units,
        edges: Edges,
        alpha: float,
        decay: float,
        x: Memory,
        g: Memory,
        rate: Memory,
        w: Memory,
        delta: Memory,
    ) -> None: ...
    def learn_by_connection(
        self,
        units: Units,
        edges: Edges,
        alpha: float,
        decay: float,
        x: Memory,
        g: Memory,
        rate: Memory,
        sigma: Memory,
        mu: float | None,
        w: Memory,
        delta: Memory,
    ) -> None: ...


@cache
def sum_loops(reordered: bool = False) -> SumLoops:
    """Return the compiled loops, or those in NumPy if llvmlite is missing.

    With `reordered`, compiled sums are added in another order than SN's, which is faster.
    """
    try:
        from snsim.sn28.net.compiled_sums import (
            CompiledLoops,  # imported only by programs that use SN's nets, as it loads llvmlite
        )

        return CompiledLoops(reordered)
    except (ImportError, SnError):
        return NumpyLoops()


def in_order(terms: np.ndarray) -> np.float32:
    """Return the sum of float32 numbers, added one after the other from the first."""
    return np.add.accumulate(terms)[-1] if len(terms) else np.float32(0)


def by_rank(units: Units, edges: Edges) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield for k = 0, 1 ... the indices of the units that have a k-th connection, and the positions of these."""
    starts, counts = edges.start.array[units.array], edges.counts[units.array]
    for k in range(int(counts.max(initial=0))):
        rows = np.flatnonzero(counts > k)
        yield rows, starts[rows] + k


class NumpyLoops:
    """The loops in NumPy."""

    name = "numpy"

    def tanh(self, x: np.ndarray) -> np.ndarray:
        """Return C's tanh of each number, rounded to single precision."""
        return np.array([math.tanh(value) for value in x.tolist()], np.float32)

    def weighted_sum(self, units: Units, edges: Edges, w: Memory, x: Memory, out: Memory) -> None:
        """Set `out` of each unit to the sum of w x over its connections; 0 for a unit without connections."""
        total = np.zeros(units.count, np.float32)
        for rows, at in by_rank(units, edges):
            total[rows] += w.array[edges.weight.array[at]] * x.array[edges.other.array[at]]
        out.array[units.array] = total

    def square_sum(self, units: Units, edges: Edges, w: Memory, h: Memory, out: Memory) -> None:
        """Set `out` of each unit to the sum of w^2 h over its connections; without any it keeps its value."""
        total = np.zeros(units.count, np.float32)
        for rows, at in by_rank(units, edges):
            weight = w.array[edges.weight.array[at]]
            total[rows] += (weight * weight) * h.array[edges.other.array[at]]
        some = edges.counts[units.array] > 0
        out.array[units.array[some]] = total[some]

    def moved_sum(self, units: Units, edges: Edges, w: Memory, t: Memory, d: Memory, x: Memory, out: Memory) -> None:
        """Set `out` of each unit to the sum of w t + d x over its connections, each term added by itself."""
        total = np.zeros(units.count, np.float32)
        for rows, at in by_rank(units, edges):
            weight, other = edges.weight.array[at], edges.other.array[at]
            total[rows] += w.array[weight] * t.array[other]
            total[rows] += d.array[weight] * x.array[other]
        out.array[units.array] = total

    def accumulate(
        self, units: Units, edges: Edges, x: Memory, g: Memory, rate: Memory, on_connection: bool, acc: Memory
    ) -> None:
        """Add x (g rate) to acc of the weight of every connection, with the rate of the unit or the connection."""
        at = edges.positions(units.array)
        units_entered = np.repeat(units.array, edges.counts[units.array])
        rates = rate.array[edges.connection.array[at] if on_connection else units_entered]
        np.add.at(acc.array, edges.weight.array[at], x.array[edges.other.array[at]] * (g.array[units_entered] * rates))

    def gather(self, units: Units, edges: Edges, sigma: Memory, hess: Memory) -> None:
        """Add sigma of every connection to hess of its weight."""
        at = edges.positions(units.array)
        np.add.at(hess.array, edges.weight.array[at], sigma.array[edges.connection.array[at]])

    def average(self, units: Units, edges: Edges, gamma: float, gg: Memory, x: Memory, sigma: Memory) -> None:
        """Set sigma of every connection to (1 - gamma) sigma + (gamma gg) x^2."""
        at = edges.positions(units.array)
        units_entered = np.repeat(units.array, edges.counts[units.array])
        state, connection, share = x.array[edges.other.array[at]], edges.connection.array[at], np.float32(gamma)
        decayed = (np.float32(1) - share) * sigma.array[connection]
        sigma.array[connection] = decayed + (share * gg.array[units_entered]) * (state * state)

    def learn(
        self,
        units: Units,
        edges: Edges,
        alpha: float,
        decay: float,
        x: Memory,
        g: Memory,
        rate: Memory,
        w: Memory,
        delta: Memory,
    ) -> None:
        """For every connection, set delta = alpha delta + x ((1 - alpha) (g e)), then w = (1 - e decay) w + delta.

        e is the learning rate of the unit that the connection enters.
        """
        at = edges.positions(units.array)
        units_entered = np.repeat(units.array, edges.counts[units.array])
        weight, state, e = edges.weight.array[at], x.array[edges.other.array[at]], rate.array[units_entered]
        step = g.array[units_entered] * e
        move_weights(
            weight,
            state,
            step if alpha == 0 else (np.float32(1) - np.float32(alpha)) * step,
            alpha,
            e,
            decay,
            w.array,
            delta.array,
        )

    def learn_by_connection(
        self,
        units: Units,
        edges: Edges,
        alpha: float,
        decay: float,
        x: Memory,
        g: Memory,
        rate: Memory,
        sigma: Memory,
        mu: float | None,
        w: Memory,
        delta: Memory,
    ) -> None:
        """Update like `learn`, but with the rate e of the connection: delta = alpha delta + x (((1 - alpha) g) e).

        With `mu`, e is divided by mu + |sigma|.
        """
        at = edges.positions(units.array)
        units_entered = np.repeat(units.array, edges.counts[units.array])
        connection = edges.connection.array[at]
        weight, state, e = edges.weight.array[at], x.array[edges.other.array[at]], rate.array[connection]
        if mu is not None:
            e = e / (np.float32(mu) + np.abs(sigma.array[connection]))
        gradient = g.array[units_entered]
        step = (gradient if alpha == 0 else (np.float32(1) - np.float32(alpha)) * gradient) * e
        move_weights(weight, state, step, alpha, e, decay, w.array, delta.array)


def move_weights(
    weight: np.ndarray,
    state: np.ndarray,
    step: np.ndarray,
    alpha: float,
    e: np.ndarray,
    decay: float,
    w: np.ndarray,
    delta: np.ndarray,
) -> None:
    """Update unshared weights: delta = alpha delta + state step, then w = (1 - e decay) w + delta."""
    move = state * step
    if alpha != 0:
        move = np.float32(alpha) * delta[weight] + move
    delta[weight] = move
    w[weight] = (np.float32(1) - e * np.float32(decay)) * w[weight] + move
