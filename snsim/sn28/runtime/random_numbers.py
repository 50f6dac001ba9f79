"""The random numbers of SN-2.8, to the last bit: one subtractive generator for `seed`, `rand`, `gauss` and all words.

A table of 55 numbers of 31 bits, of which each draw replaces one by its difference to the one that is 31 places
further on, mixed by a multiplication; the method is Knuth's (The Art of Computer Programming 2, 3.2.2), the
constants are SN's (docs/reference/sn28.md, appendix A).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import finite, number
from snsim.language.forms import Form
from snsim.language.procedures import ABSENT
from snsim.sn28.runtime.vocabulary import word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_SIZE, _LAG, _MASK = 55, 31, 2**31 - 1
_FIRST, _FACTOR, _TERM = 161803398, 84589, 45989
_GAUSS_TERMS = 12  # of a variance of 1/12 each: the sum has variance 1


class RandomGenerator:
    """The generator of one program. Without `seed` it begins as the clock says."""

    def __init__(self, interpreter: Interpreter | None = None):
        self._table: list[int] = []
        self._unseeded: list[int] = []  # the table that the clock gave
        self.drew_unseeded = False
        self.seed(time.time())
        self._unseeded = list(self._table)

    @property
    def is_reproducible(self) -> bool:
        """Whether all that was drawn belongs to a seed."""
        return not self.drew_unseeded and (not self._unseeded or self._table == self._unseeded)

    def seed(self, x: float) -> None:
        """Begin the sequence of a number, truncated: 0.87 is 0, and -1 is 1."""
        self.drew_unseeded, self._unseeded = not self.is_reproducible, []
        n = abs(int(x))
        table = [0] * (_SIZE + 1)  # places 1 to 55
        j, k = (_FIRST - n) & _MASK, 1
        table[_SIZE] = j
        for i in range(1, _SIZE):
            place = 21 * i % _SIZE
            table[place] = k
            j, k = k, (j - k) & _MASK
        for _ in range(4):
            for i in range(1, _SIZE):
                table[i] = (table[i] - table[1 + (i + 30) % _SIZE]) & _MASK
        self._table = table[1:]
        self._place = _SIZE - 1  # of the number that was drawn last

    def rand(self) -> float:
        """A number from 0 to 1, in single precision: so 1 itself may come."""
        return float(np.float32(self._draw())) * 2.0**-31

    def rand_range(self, lo: float, hi: float) -> float:
        """A number from lo to hi, in double precision."""
        return (hi - lo) * self.rand() + lo

    def rands(self, count: int) -> np.ndarray:
        """The next `count` numbers of `rand`, as float64."""
        draw = self._draw
        drawn = np.array([draw() for _ in range(count)], np.int64)
        return drawn.astype(np.float32).astype(np.float64) * 2.0**-31

    def rand_ranges(self, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
        """One number for each element of `lo` and `hi` (one dimension, float64), in their order, as float64."""
        drawn: np.ndarray = (hi - lo) * self.rands(len(lo)) + lo
        return drawn

    def gauss(self) -> float:
        """A number of mean 0 and variance 1, in single precision: a sum of 12 draws, from -6 to 6."""
        table, total = self._table, 0
        for _ in range(_GAUSS_TERMS):
            self._place = place = (self._place + 1) % _SIZE
            drawn = (table[place] - table[(place + _LAG) % _SIZE]) & _MASK
            table[place] = drawn
            signed = (drawn & 0xFFFFFF) - ((drawn & 0x800000) << 1)
            total += signed
        table[self._place] = (signed * _FACTOR + _TERM) & _MASK
        return float(np.float32(total)) * 2.0**-24

    def _draw(self) -> int:
        """The next number of 31 bits."""
        table = self._table
        self._place = place = (self._place + 1) % _SIZE
        drawn = ((table[place] - table[(place + _LAG) % _SIZE]) * _FACTOR + _TERM) & _MASK
        table[place] = drawn
        return drawn


@word("seed")
def seed(interpreter: Interpreter, n: Form) -> Form:
    """(seed n): begin the sequence of random numbers that belongs to n, truncated"""
    interpreter.part(RandomGenerator).seed(finite("seed", number("seed", n)))
    return n


@word("rand")
def rand(interpreter: Interpreter, a: Form = ABSENT, b: Form = ABSENT) -> float:
    """(rand): a random number from 0 to 1; (rand b): from -b to b; (rand a b): from a to b"""
    randomness = interpreter.part(RandomGenerator)
    if a is ABSENT:
        return randomness.rand()
    low = number("rand", a)
    return randomness.rand_range(-low, low) if b is ABSENT else randomness.rand_range(low, number("rand", b, 1))


@word("gauss")
def gauss(interpreter: Interpreter, mean: Form = ABSENT, deviation: Form = ABSENT) -> float:
    """(gauss [m] [s]): a random number of the normal law of mean m (0) and standard deviation s (1)"""
    drawn = interpreter.part(RandomGenerator).gauss()
    if mean is ABSENT:
        return drawn
    return number("gauss", mean) + drawn * (1.0 if deviation is ABSENT else number("gauss", deviation, 1))
