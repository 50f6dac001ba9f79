"""Equality by content, as SN's `=` has it: numbers, strings, lists and matrices."""

from __future__ import annotations

import numpy as np

from snsim.language.forms import Form, Pair


def equal(a: Form, b: Form, most: int = 10_000_000) -> bool:
    """Whether two forms are equal by content. Lists longer than `most` cells in all (circular ones) are not."""
    work = [(a, b)]
    while work:
        x, y = work.pop()
        while isinstance(x, Pair) and isinstance(y, Pair) and x is not y:
            most -= 1
            if most < 0:
                return False
            work.append((x.car, y.car))
            x, y = x.cdr, y.cdr
        if not _equal_atoms(x, y):
            return False
    return True


def _equal_atoms(x: Form, y: Form) -> bool:
    if x is y:
        return True
    if isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
        if x.shape != y.shape:
            return False
        if x.dtype == object or y.dtype == object:
            return all(_equal_atoms(p, q) for p, q in zip(x.ravel(), y.ravel()))
        return bool(np.array_equal(x, y))
    return type(x) is type(y) and isinstance(x, (float, str)) and x == y
