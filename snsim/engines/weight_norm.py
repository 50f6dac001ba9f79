"""Weight normalisation in NumPy: w = gain * v / |v|, v the weights of one target map or unit (`Wiring.owners`).

Salimans and Kingma 2016, eq. 2 and 3. What is known of w is carried over to v and the gain: with u = v / |v|, sums over
the weights of one owner, and h the diagonal curvature (as in `engines.reference.engine`, of each weight by itself)

    dE/dgain = sum u_j g_j =: G                  dE/dv_i = gain/|v| (g_i - u_i G)
    h_gain   = sum u_j^2 h_j =: H                h_i     = (gain/|v|)^2 (h_i (1 - 2 u_i^2) + u_i^2 H)
    and in the full curvature of v_i also        - gain/|v|^2 (2 u_i g_i + (1 - 3 u_i^2) G)
"""

from __future__ import annotations

import numpy as np


class WeightNorm:
    """The weights of one connection. All arrays are flat: v, w and their derivatives with an entry for each weight, the
    gains one for each owner.
    """

    def __init__(self, owner: np.ndarray, gains: int):
        self._owner, self._gains = owner, gains

    def _sums(self, values: np.ndarray) -> np.ndarray:
        """Over the weights of each owner."""
        return np.bincount(self._owner, values, self._gains).astype(values.dtype, copy=False)

    def lengths(self, v: np.ndarray) -> np.ndarray:
        """|v| of each owner: the gains with which w is v."""
        made: np.ndarray = np.sqrt(self._sums(v * v))
        return made

    def _parts(self, v: np.ndarray, gain: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """u, |v| and gain/|v| by weight."""
        lengths = self.lengths(v)
        of_weight = lengths[self._owner]
        return v / of_weight, of_weight, (gain / lengths)[self._owner]

    def weights(self, v: np.ndarray, gain: np.ndarray) -> np.ndarray:
        """w."""
        w: np.ndarray = v * (gain / self.lengths(v))[self._owner]
        return w

    def gradient(self, v: np.ndarray, gain: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """dE/dv and dE/dgain from g = dE/dw."""
        u, _, ratio = self._parts(v, gain)
        along = self._sums(u * g)
        return ratio * (g - u * along[self._owner]), along

    def curvature(
        self, v: np.ndarray, gain: np.ndarray, h: np.ndarray, g: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The curvature of v and of the gains from that of w; the full one if g = dE/dw is given."""
        u, lengths, ratio = self._parts(v, gain)
        along = self._sums(u * u * h)
        made = ratio * ratio * (h * (1 - 2 * u * u) + u * u * along[self._owner])
        if g is not None:
            made = made - ratio / lengths * (2 * u * g + (1 - 3 * u * u) * self._sums(u * g)[self._owner])
        return made, along

    def tangent(self, v: np.ndarray, gain: np.ndarray, dv: np.ndarray, dgain: np.ndarray) -> np.ndarray:
        """How w moves with v and the gains."""
        u, _, ratio = self._parts(v, gain)
        dw: np.ndarray = dgain[self._owner] * u + ratio * (dv - u * self._sums(u * dv)[self._owner])
        return dw
