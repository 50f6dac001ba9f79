"""Compute as the original computes, to the last bit: 32-bit floats, each product and each sum rounded, sums in order.

All functions take and return NumPy arrays (`Idx.array`); float arrays stay float32. None of them traps overflow: the
caller wraps its computation in `floating.Trap`. See docs/reference/gblearn2.md, sections 4 and 5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_F = np.float32
_ONE = np.float32(1)


# Sums in order


def ordered_sum(terms: np.ndarray, start: np.ndarray | None = None) -> np.ndarray:
    """Return the sum over the first axis, term after term, in the type of the terms, from `start` (default: zero) on.

    NumPy's `add.reduce` adds pairwise over the last axis, and over the first if all others have size 1; `cumsum` never
    does. Over the first axis of an array in row order it adds row after row.
    """
    if start is not None:
        terms = np.concatenate((np.asarray(start, terms.dtype)[None], terms))
    if len(terms) == 0:
        return np.zeros(terms.shape[1:], terms.dtype)
    if terms[0].size == 1:
        return np.asarray(np.add.accumulate(terms, axis=0, dtype=terms.dtype)[-1])
    return np.asarray(np.add.reduce(np.ascontiguousarray(terms), axis=0, dtype=terms.dtype))


def total(terms: np.ndarray, start: np.ndarray | np.generic | float | None = None) -> np.generic:
    """Return the sum of all elements in row order, in their type, from `start` (default: zero) on."""
    flat = terms.reshape(-1)
    if start is not None:
        flat = np.concatenate((np.asarray([start], flat.dtype).reshape(1), flat))
    result: np.generic = np.add.accumulate(flat, dtype=flat.dtype)[-1] if len(flat) else flat.dtype.type(0)
    return result


def dot(a: np.ndarray, b: np.ndarray, start: np.ndarray | np.generic | float | None = None) -> np.generic:
    """Return the scalar product of two arrays of one shape, products in row order."""
    return total(a * b, start)


def squared_distance(a: np.ndarray, b: np.ndarray, start: np.ndarray | np.generic | float | None = None) -> np.generic:
    """Return the sum of the squared differences, in row order."""
    difference = a - b
    return total(difference * difference, start)


# Products


def contract(a: np.ndarray, b: np.ndarray, start: np.ndarray | None = None) -> np.ndarray:
    """Return o_i... = sum over k... of a_i...k... b_k...: the last dimensions of a against all of b, k in row order.

    With `start`, o begins with these values. Of a matrix and a vector it is the product; of an unfolded picture and a
    kernel the convolution.
    """
    kept = a.ndim - b.ndim
    products = (a * b).reshape(*a.shape[:kept], -1)
    return ordered_sum(np.moveaxis(products, -1, 0), start)


def contract_squared(a: np.ndarray, b: np.ndarray, start: np.ndarray | None = None) -> np.ndarray:
    """Return `contract` of the squares of a: products (a a) b."""
    return contract(a * a, b, start)


def contract_first(a: np.ndarray, b: np.ndarray, start: np.ndarray | None = None) -> np.ndarray:
    """Return o_j... = sum over i of a_ij... b_i: the first dimension of a against a vector."""
    return ordered_sum(a * b.reshape(-1, *[1] * (a.ndim - 1)), start)


def outer(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return o_i...j... = a_i... b_j...."""
    return np.asarray(a.reshape(*a.shape, *[1] * b.ndim) * b)


def outer_squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return o_i...j... = (a_i... b_j...) b_j...: the second operand is squared."""
    return np.asarray(outer(a, b) * b)


def matrix_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the product of two matrices, each sum from the first term on."""
    return ordered_sum(np.moveaxis(a[:, None, :] * b.T, -1, 0))


# Functions of one element


def _rational(x: Floats, a1: np.float32, a2: np.float32, a3: np.float32) -> tuple[Floats, NDArray[np.bool_]]:
    """Return y(z) = (1 + a1 z + a2 z^2 + a3 z^3)^16, the exponential in the rational tanh, of z = |x|.

    Also return where z is 13 or more; y is that of 13 there.
    """
    z = np.abs(x)
    far = z >= 13
    np.minimum(z, _F(13), out=z)
    y = z * a3  # 1 + z (a1 + z (a2 + z a3)), from the inside, in place
    for term in (a2, a1):
        y += term
        y *= z
    y += _ONE
    for _ in range(4):
        np.multiply(y, y, out=y)
    return y, far


class RationalTanh:
    """The library's tanh of slope and height: height tanh(2/3 x), say, by a rational function; flat from 13 on."""

    def __init__(self, slope: float, height: float):
        """Round the coefficients as the original: products in double, then to float."""
        s = float(_F(slope))
        self.height = _F(height)
        self.steepest = _F(_F(slope) * self.height)
        self.coefficients = (_F(0.125 * s), _F(0.0078125 * s * s), _F(0.000325520833333 * s * s * s))

    def value(self, x: Floats) -> Floats:
        """Return f(x), of x's shape."""
        x = np.asarray(x)
        if not x.ndim:  # computing in place needs an array
            return self.value(x.reshape(1)).reshape(())
        y, far = _rational(x, *self.coefficients)
        result = y - _ONE
        result *= self.height
        y += _ONE
        result /= y
        result[far] = self.height
        np.negative(result, out=result, where=x < 0)
        return result

    def derivative(self, x: Floats) -> Floats:
        """Return f'(x), of x's shape; 0 from 13 on."""
        x = np.asarray(x)
        if not x.ndim:
            return self.derivative(x.reshape(1)).reshape(())
        y, far = _rational(x, *self.coefficients)
        q = y - _ONE
        y += _ONE
        q /= y
        result = q * self.steepest
        result *= q
        np.subtract(self.steepest, result, out=result)
        result[far] = 0
        return result


STANDARD_SIGMOID = RationalTanh(0.66666666, 1.71593428)
QUICK_TANH = RationalTanh(1, 1)
stdsigmoid, dstdsigmoid = STANDARD_SIGMOID.value, STANDARD_SIGMOID.derivative
qtanh, qdtanh = QUICK_TANH.value, QUICK_TANH.derivative


def expmx(x: Floats) -> Floats:
    """Return about exp(-|x|), by a polynomial; 0 from 13 on."""
    z = np.abs(x)
    near = np.minimum(z, _F(13))
    y = _F(1) + near * (_F(0.125) + near * (_F(0.0078125) + near * (_F(0.00032552083) + near * _F(1.0172526e-5))))
    for _ in range(3):
        y = y * y
    return np.where(z >= 13, _F(0), _F(1) / y)


def dexpmx(x: Floats) -> Floats:
    """Return `expmx`, negative for negative x."""
    return np.where(x < 0, -expmx(x), expmx(x))


def through_double(function: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function of NumPy computed in double and rounded to the type of its argument."""

    def rounded(x: np.ndarray) -> np.ndarray:
        result = function(x.astype(np.float64))
        return result.astype(x.dtype) if x.dtype.kind == "f" else result

    return rounded


# Sums of exponentials: of floats, or of doubles with every rounding to float left out


def exponentials(x: np.ndarray) -> tuple[np.ndarray, Any]:
    """Return e_i = float(exp(m - x_i)) with difference and exp in double, and m, the smallest x."""
    m = x.min()
    return np.exp(float(m) - x.astype(np.float64)).astype(x.dtype), m


def minus_log(m: Any, terms: np.ndarray) -> Any:
    """Return m - log(sum of the terms): the log in double, rounded to float before the subtraction."""
    real = terms.dtype.type
    return real(m - real(np.log(np.float64(total(terms)))))


def log_add(x: np.ndarray) -> Any:
    """Return -log sum exp(-x_i)."""
    e, m = exponentials(x)
    return minus_log(m, e)


def log_sum(x: np.ndarray) -> Any:
    """Return -log of the mean of exp(-x_i): each term times float(1/n), added in order."""
    e, m = exponentials(x)
    return minus_log(m, x.dtype.type(1 / x.size) * e)


def log_add_beta(x: np.ndarray, beta: float) -> Any:
    """Return -log(sum exp(-beta x_i)) / beta."""
    real = x.dtype.type
    m = x.min() if beta > 0 else x.max()
    e = np.exp(beta * (float(m) - x.astype(np.float64))).astype(x.dtype)
    return real(m - real(np.log(np.float64(total(e)))) / real(beta))


def log_dot(x: np.ndarray, p: np.ndarray) -> Any:
    """Return -log sum p_i exp(-x_i)."""
    e, m = exponentials(x)
    return minus_log(m, p * e)


def log_dot_derivative(x: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return the derivative of `log_dot` with respect to each x_i: p_i exp(-x_i) divided by their sum."""
    e, _ = exponentials(x)
    terms = p * e
    return np.asarray(terms / total(terms))


# Sorting


def heap_sort(keys: np.ndarray, tags: np.ndarray | None = None, down: bool = False) -> None:
    """Sort a vector in place by heap sort, upwards or downwards; `tags` move along with their keys.

    The order of equal keys is that of the original: a heap built from the middle down; then root and last element are
    exchanged and the root sinks. The right child is taken if it is strictly greater than the left one, and an element
    sinks under a strictly greater child only (downwards: smaller for greater).
    """
    key, tag = keys.tolist(), (None if tags is None else tags.tolist())

    def swap(i: int, j: int) -> None:
        key[i], key[j] = key[j], key[i]
        if tag is not None:
            tag[i], tag[j] = tag[j], tag[i]

    def sink(i: int, end: int) -> None:
        while (child := 2 * i + 1) < end:
            right = child + 1
            if right < end and (key[right] < key[child] if down else key[right] > key[child]):
                child = right
            if not (key[child] < key[i] if down else key[child] > key[i]):
                return
            swap(i, child)
            i = child

    for start in range(len(key) // 2 - 1, -1, -1):
        sink(start, len(key))
    for end in range(len(key) - 1, 0, -1):
        swap(0, end)
        sink(0, end)
    keys[...] = key
    if tags is not None and tag is not None:
        tags[...] = tag
