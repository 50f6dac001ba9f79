"""Forward and backward passes of `normalize` and `attend`, the transforms without weights, in NumPy.

Each class satisfies `TransformKernel`. States are (..., units), with the patterns first if there are several; the
backward methods take one pattern. As everywhere in the second backward pass, second derivatives are diagonal: by one
unit of one source at a time. With y the results:

    back          sum over the results of g * dy/dx
    back_squared  sum over the results of h * (dy/dx)^2
    second_derivative_term          sum over the results of g * d2y/dx2
    tangent       sum over the sources of dy/dx * dx
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any, Protocol

import numpy as np

from snsim.network.wiring import Attention, MaxPooling, Normalization

Arrays = tuple[np.ndarray, ...]  # one for each source


class TransformKernel(Protocol):
    """A transform ready to compute. `saved` is what its `sums` returned for the backward pass."""

    def sums(self, states: Sequence[np.ndarray]) -> tuple[np.ndarray, Any]: ...

    def back(self, g: np.ndarray, saved: Any) -> Arrays: ...

    def back_squared(self, h: np.ndarray, saved: Any) -> Arrays: ...

    def second_derivative_term(self, g: np.ndarray, saved: Any) -> Arrays: ...

    def tangent(self, dx: Sequence[np.ndarray], saved: Any) -> np.ndarray: ...


def transform_kernel(structure: Normalization | Attention | MaxPooling) -> TransformKernel:
    """Return the kernel that computes a structure."""
    if isinstance(structure, MaxPooling):
        return MaxPoolingKernel(structure)
    return NormalizationKernel(structure) if isinstance(structure, Normalization) else AttentionKernel(structure)


class NormalizationKernel:
    """Normalisation over the M maps of each position.

    y_m = (x_m - mean) * rate with rate = 1 / sqrt(variance + eps), so that

        dy_m/dx_i   = rate (d_mi - (1 + y_m y_i) / M)      with d_mi 1 for m = i, otherwise 0
        d2y_m/dx_i2 = -rate^2 / M (2 y_i (d_mi - (1 + y_m y_i) / M) + y_m (1 - (1 + y_i^2) / M))
    """

    def __init__(self, structure: Normalization):
        self._structure = structure
        self._shape = structure.maps, structure.positions

    def _maps(self, values: np.ndarray) -> np.ndarray:
        """Return the values as (..., maps, positions)."""
        return values.reshape(*values.shape[:-1], *self._shape)

    def sums(self, states: Sequence[np.ndarray]) -> tuple[np.ndarray, Any]:
        x = self._maps(states[0])
        centred = x - x.mean(-2, keepdims=True)
        rate = 1 / np.sqrt((centred * centred).mean(-2, keepdims=True) + x.dtype.type(self._structure.EPSILON))
        y = centred * rate
        return y.reshape(states[0].shape), (y, rate)

    def back(self, g: np.ndarray, saved: Any) -> Arrays:
        return (self.tangent([g], saved),)  # dy/dx is symmetric

    def back_squared(self, h: np.ndarray, saved: Any) -> Arrays:
        (y, rate), h, maps = saved, self._maps(h), self._structure.maps
        crossed = h.sum(0) + 2 * y * (h * y).sum(0) + y * y * (h * y * y).sum(0)  # sum of (1 + y_m y_i)^2 h_m
        return ((rate * rate * (h - 2 * h * (1 + y * y) / maps + crossed / maps**2)).reshape(-1),)

    def second_derivative_term(self, g: np.ndarray, saved: Any) -> Arrays:
        (y, rate), g, maps = saved, self._maps(g), self._structure.maps
        along = (g * y).sum(0)
        first = 2 * y * (g - (g.sum(0) + y * along) / maps)
        return ((-rate * rate / maps * (first + along * (1 - (1 + y * y) / maps))).reshape(-1),)

    def tangent(self, dx: Sequence[np.ndarray], saved: Any) -> np.ndarray:
        (y, rate), x = saved, self._maps(dx[0])
        dy = rate * (x - x.mean(-2, keepdims=True) - y * (y * x).mean(-2, keepdims=True))
        sums: np.ndarray = dy.reshape(dx[0].shape)
        return sums


class MaxPoolingKernel:
    """The largest state of each window: dn_j/dx_i is 1 for the winner, else 0, and there is no second derivative."""

    def __init__(self, structure: MaxPooling):
        self._cells = structure.cells()
        self._units = int(np.prod(structure.source))

    def sums(self, states: Sequence[np.ndarray]) -> tuple[np.ndarray, Any]:
        read = states[0].take(self._cells, -1)
        first = read.argmax(-1)[..., None]  # of equal states the first
        winners = np.take_along_axis(np.broadcast_to(self._cells, read.shape), first, -1)[..., 0]
        return np.take_along_axis(read, first, -1)[..., 0], winners

    def back(self, g: np.ndarray, saved: Any) -> Arrays:
        return (np.bincount(saved, g, self._units).astype(g.dtype, copy=False),)

    def back_squared(self, h: np.ndarray, saved: Any) -> Arrays:
        return self.back(h, saved)

    def second_derivative_term(self, g: np.ndarray, saved: Any) -> Arrays:
        return (np.zeros(self._units, g.dtype),)

    def tangent(self, dx: Sequence[np.ndarray], saved: Any) -> np.ndarray:
        moved: np.ndarray = np.take_along_axis(dx[0], saved, -1)
        return moved


class AttentionKernel:
    """Attention, head by head (Vaswani et al. 2017, eq. 1).

    For each head, with e and c numbers of its maps, p a position of q and t one of k and v:

        s_pt = scale sum_e q_ep k_et    a_pt = exp s_pt / sum_t exp s_pt    y_cp = sum_t a_pt v_ct    scale =
        1/sqrt(size)

    so that, with m_ep = sum_t a_pt k_et,

        dy_cp/dv_ct = a_pt                                 d2y_cp/dv_ct2 = 0
        dy_cp/dq_ep = scale sum_t a_pt (k_et - m_ep) v_ct
        d2y_cp/dq_ep2 = scale^2 sum_t a_pt (k_et - m_ep)^2 (v_ct - y_cp)
        dy_cp/dk_et = scale q_ep a_pt (v_ct - y_cp)        d2y_cp/dk_et2 = scale^2 q_ep^2 a_pt (1 - 2 a_pt) (v_ct -
        y_cp)
    """

    def __init__(self, structure: Attention):
        self._shape = structure.heads, structure.size, structure.positions
        self._scale = 1 / sqrt(structure.size)

    def _heads(self, values: np.ndarray) -> np.ndarray:
        """Return the values as (..., heads, size, positions)."""
        return values.reshape(*values.shape[:-1], *self._shape)

    def sums(self, states: Sequence[np.ndarray]) -> tuple[np.ndarray, Any]:
        q, k, v = (self._heads(x) for x in states)
        s = q.swapaxes(-1, -2) @ k * q.dtype.type(self._scale)
        a = np.exp(s - s.max(-1, keepdims=True))
        a /= a.sum(-1, keepdims=True)
        y = v @ a.swapaxes(-1, -2)
        return y.reshape(states[0].shape), (q, k, v, a, y)

    def _excess(self, g: np.ndarray, v: np.ndarray, a: np.ndarray) -> np.ndarray:
        """Return (heads, p, t): sum over c of g_cp (v_ct - y_cp)."""
        by_weight = g.swapaxes(-1, -2) @ v
        excess: np.ndarray = by_weight - (a * by_weight).sum(-1, keepdims=True)
        return excess

    def back(self, g: np.ndarray, saved: Any) -> Arrays:
        (q, k, v, a, _), g = saved, self._heads(g)
        s = self._scale * a * self._excess(g, v, a)
        return (k @ s.swapaxes(-1, -2)).reshape(-1), (q @ s).reshape(-1), (g @ a).reshape(-1)

    def back_squared(self, h: np.ndarray, saved: Any) -> Arrays:
        (q, k, v, a, y), h = saved, self._heads(h)
        squared = self._scale**2
        by_q = np.einsum("hept,hct->hecp", a[:, None] * self._from_mean(k, a), v)
        spread = ((v[:, :, None] - y[..., None]) ** 2 * h[..., None]).sum(1)  # (heads, p, t)
        return (
            (squared * (by_q * by_q * h[:, None]).sum(2)).reshape(-1),
            (squared * ((q * q) @ (a * a * spread))).reshape(-1),
            (h @ (a * a)).reshape(-1),
        )

    def second_derivative_term(self, g: np.ndarray, saved: Any) -> Arrays:
        (q, k, v, a, _), g = saved, self._heads(g)
        excess, squared = self._excess(g, v, a), self._scale**2
        by_q = (a * excess)[:, None] * self._from_mean(k, a) ** 2
        return (
            (squared * by_q.sum(-1)).reshape(-1),
            (squared * ((q * q) @ (a * (1 - 2 * a) * excess))).reshape(-1),
            np.zeros_like(v).reshape(-1),
        )

    def _from_mean(self, k: np.ndarray, a: np.ndarray) -> np.ndarray:
        """Return (heads, size, p, t): k_et minus its mean over t with the weights of p."""
        deviation: np.ndarray = k[:, :, None] - (k @ a.swapaxes(-1, -2))[..., None]
        return deviation

    def tangent(self, dx: Sequence[np.ndarray], saved: Any) -> np.ndarray:
        (q, k, v, a, _), (dq, dk, dv) = saved, (self._heads(x) for x in dx)
        s = self._scale * (dq.swapaxes(-1, -2) @ k + q.swapaxes(-1, -2) @ dk)
        da = a * (s - (a * s).sum(-1, keepdims=True))
        sums: np.ndarray = (v @ da.swapaxes(-1, -2) + dv @ a.swapaxes(-1, -2)).reshape(dx[0].shape)
        return sums
