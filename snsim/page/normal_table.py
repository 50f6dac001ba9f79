"""The table of NumPy's normal distribution, read from NumPy itself.

NumPy draws normal numbers by the ziggurat method (Marsaglia and Tsang 2000) with 256 strips. A random number of 52 bits
times the width of a strip is the result in 99 % of all draws.
"""

from __future__ import annotations

import numpy as np

_STRIPS = 256
_BITS = 52
_EDGE = 3.6541528853610088  # where the tail begins


def normal_table() -> np.ndarray:
    """Return the ziggurat table by which NumPy draws normal numbers, shape (3, 256), a column per strip.

    The rows are the width of the strip / 2^52, the largest random number of 52 bits that is accepted at once, and the
    height.
    """
    width = np.array([_width(strip) for strip in range(_STRIPS)])
    x = width * 2.0**_BITS
    accepted = np.empty(_STRIPS)
    accepted[0] = np.floor(_EDGE / x[0] * 2.0**_BITS)
    accepted[1] = 0
    accepted[2:] = np.floor(x[1:-1] / x[2:] * 2.0**_BITS)
    height = np.exp(-0.5 * x * x)
    height[0] = 1.0
    return np.stack([width, accepted, height])


def _width(strip: int) -> float:
    """Return the width of a strip, by a generator whose next two numbers are chosen: the strip with 1, then 0."""
    first, inverse_of_9 = strip | 1 << 9, pow(9, -1, 1 << 64)
    bits = np.random.SFC64()
    # SFC64 gives a + b + counter, and next c + (c << 3) + (b ^ b >> 11) + counter + 1.
    c = -inverse_of_9 % (1 << 64)
    bits.state = {**bits.state, "state": {"state": np.array([first, 0, c, 0], np.uint64)}}
    return float(np.random.Generator(bits).standard_normal())
