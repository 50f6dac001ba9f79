"""Compare numbers, strings, lists and matrices by content, as SN's `=` does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from snsim.language.forms import Form, MatrixValue, Pair, as_matrix

_NESTED = (Pair, np.ndarray, MatrixValue)
_OFTEN = 1_000  # cells between two calls of `walk`


def equal(a: Form, b: Form, walk: Callable[[int], None] = lambda elements: None) -> bool:
    """Return whether two forms are equal by content.

    `walk` is called from time to time with the number of elements compared since the last call. If the forms may be
    circular it must raise in the end, because comparing two circular lists never ends.
    """
    work = [(a, b)]
    compared = 0
    while work:
        x, y = work.pop()
        while isinstance(x, Pair) and isinstance(y, Pair) and x is not y:
            compared += 1
            if compared % _OFTEN == 0:
                walk(_OFTEN)
            if isinstance(x.car, _NESTED):
                work.append((x.car, y.car))
            elif not _equal_atoms(x.car, y.car):
                return False
            x, y = x.cdr, y.cdr
        x, y = as_matrix(x), as_matrix(y)
        if isinstance(x, np.ndarray) and isinstance(y, np.ndarray) and x is not y:
            walk(x.size)
            if x.shape != y.shape:
                return False
            if x.dtype != object and y.dtype != object:
                if not np.array_equal(x, y):
                    return False
            else:
                work += zip(x.ravel().tolist(), y.ravel().tolist())
        elif not _equal_atoms(x, y):
            return False
    return True


def _equal_atoms(x: Form, y: Form) -> bool:
    return x is y or (type(x) is type(y) and isinstance(x, (float, str)) and x == y)
