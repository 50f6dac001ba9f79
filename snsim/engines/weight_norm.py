"""Weight normalisation in NumPy: w = gain * v / |v|, where v are the weights of one target map or unit.

Salimans and Kingma 2016, eq. 2 and 3. One target map or unit is one owner (`Wiring.owners`). Derivatives by w are
converted to derivatives by v and the gain. With u = v / |v|, sums over the weights of one owner, and h the diagonal
curvature of each weight alone (as in `engines.reference.engine`):

    dE/dgain = sum u_j g_j =: G                  dE/dv_i = gain/|v| (g_i - u_i G)
    h_gain   = sum u_j^2 h_j =: H                h_i     = (gain/|v|)^2 (h_i (1 - 2 u_i^2) + u_i^2 H)
    and in the full curvature of v_i also        - gain/|v|^2 (2 u_i g_i + (1 - 3 u_i^2) G)
"""

from __future__ import annotations

import numpy as np


class WeightNorm:
    """The weight normalisation of one connection.

    All arrays are flat: v, w and their derivatives have an entry for each weight, gains have one for each owner.
    """

    def __init__(self, owner: np.ndarray, gains: int):
        self._owner, self._gains = owner, gains

    def _sums(self, values: np.ndarray) -> np.ndarray:
        """Return the sum over the weights of each owner."""
        return np.bincount(self._owner, values, self._gains).astype(values.dtype, copy=False)

    def lengths(self, v: np.ndarray) -> np.ndarray:
        """Return |v| of each owner: with these gains w equals v."""
        lengths: np.ndarray = np.sqrt(self._sums(v * v))
        return lengths

    def _parts(self, v: np.ndarray, gain: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return u, |v| and gain/|v|, each with an entry for each weight."""
        lengths = self.lengths(v)
        weight_lengths = lengths[self._owner]
        return v / weight_lengths, weight_lengths, (gain / lengths)[self._owner]

    def weights(self, v: np.ndarray, gain: np.ndarray) -> np.ndarray:
        """Return the weights w = gain * v / |v|, with |v| the length over the weights of an owner."""
        w: np.ndarray = v * (gain / self.lengths(v))[self._owner]
        return w

    def gradient(self, v: np.ndarray, gain: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return dE/dv and dE/dgain from g = dE/dw."""
        u, _, ratio = self._parts(v, gain)
        g_gain = self._sums(u * g)
        return ratio * (g - u * g_gain[self._owner]), g_gain

    def curvature(
        self, v: np.ndarray, gain: np.ndarray, h: np.ndarray, g: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the curvature of v and of the gains from the curvature of w.

        With `g` = dE/dw the result is the full curvature, otherwise Gauss-Newton.
        """
        u, lengths, ratio = self._parts(v, gain)
        h_gain = self._sums(u * u * h)
        h_v = ratio * ratio * (h * (1 - 2 * u * u) + u * u * h_gain[self._owner])
        if g is not None:
            h_v = h_v - ratio / lengths * (2 * u * g + (1 - 3 * u * u) * self._sums(u * g)[self._owner])
        return h_v, h_gain

    def tangent(self, v: np.ndarray, gain: np.ndarray, dv: np.ndarray, dgain: np.ndarray) -> np.ndarray:
        """Return the change of w for a change `dv` of v and `dgain` of the gains, to first order."""
        u, _, ratio = self._parts(v, gain)
        dw: np.ndarray = dgain[self._owner] * u + ratio * (dv - u * self._sums(u * dv)[self._owner])
        return dw
