"""Choose the patterns that are held out for the test: by a seed, and from each class in proportion.

The draw is the same on every machine and in every version of NumPy: it uses the raw 64-bit numbers of PCG64, which
NumPy keeps stable (NEP 19), and a stable sort.
"""

from __future__ import annotations

import math

import numpy as np


def draw_order(count: int, seed: int) -> np.ndarray:
    """Return the numbers 0 to count - 1 in the order that a seed draws."""
    keys = np.asarray(np.random.PCG64(seed).random_raw(count), np.uint64)
    return np.argsort(keys, kind="stable")


def count_held_out(test: float, count: int) -> int:
    """Return how many of `count` patterns are held out: `test` itself, or that fraction of them, rounded up.

    scikit-learn's train_test_split rounds in the same way.
    """
    return math.ceil(round(test * count, 9)) if test < 1 else int(test)


def held_out(labels: np.ndarray | None, count: int, wanted: int, seed: int) -> np.ndarray:
    """Return which of `count` patterns are held out: bool (count,), of which `wanted` are True.

    With `labels` (count,) each class gives its share, by the method of the largest remainder. Each class keeps one
    pattern for training where that is possible.
    """
    order = draw_order(count, seed)
    chosen = np.zeros(count, bool)
    if labels is None:
        chosen[order[:wanted]] = True
        return chosen
    sizes = np.bincount(labels)
    shares = _shares(sizes, wanted)
    for label, share in enumerate(shares):
        chosen[order[labels[order] == label][:share]] = True
    return chosen


def _shares(sizes: np.ndarray, wanted: int) -> np.ndarray:
    """Return how many patterns each class gives; their sum is `wanted`."""
    room: np.ndarray = np.maximum(sizes - 1, 0)
    if room.sum() < wanted:
        room = sizes
    exact = sizes * wanted / sizes.sum()
    shares: np.ndarray = np.minimum(np.floor(exact).astype(int), room)
    while shares.sum() < wanted:
        missing = np.where(shares < room, exact - shares, -np.inf)
        shares[int(np.argmax(missing))] += 1
    return shares


def fold_of_each(labels: np.ndarray | None, count: int, folds: int, seed: int) -> np.ndarray:
    """Return the fold of each pattern, from 1: int (count,).

    The patterns, drawn and then sorted by class, are dealt out to the folds in turn: the class counts of the folds are
    those of scikit-learn's StratifiedKFold.
    """
    order = draw_order(count, seed)
    if labels is not None:
        order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(count, int)
    fold[order] = np.arange(count) % folds + 1
    return fold
