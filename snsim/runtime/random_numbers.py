"""The random numbers of SN-2.8, equal to the last bit: one generator for `seed`, `rand`, `gauss` and all other words.

It is a subtractive generator (Knuth, The Art of Computer Programming 2, section 3.2.2) with SN's constants
(docs/reference/sn28.md, appendix A). It keeps a table of 55 numbers of 31 bits. Each draw replaces one number by its
difference to the number 31 positions further on, mixed by a multiplication.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import finite, number
from snsim.language.forms import NIL, Form
from snsim.language.procedures import ABSENT
from snsim.runtime.vocabulary import word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_SIZE, _LAG, _MASK = 55, 31, 2**31 - 1
_FIRST, _FACTOR, _TERM = 161803398, 84589, 45989
_GAUSS_TERMS = 12  # each has variance 1/12, so their sum has variance 1


class RandomGenerator:
    """The random generator of one program, seeded with the clock until the program calls `seed`."""

    def __init__(self, interpreter: Interpreter | None = None):
        self._table: list[int] = []
        self._unseeded: list[int] = []  # the table that the clock seeded
        self.drew_unseeded = False
        self.seed(time.time())
        self._unseeded = list(self._table)

    @property
    def is_reproducible(self) -> bool:
        """Whether every number so far was drawn after the program set a seed."""
        return not self.drew_unseeded and (not self._unseeded or self._table == self._unseeded)

    def seed(self, x: float) -> None:
        """Start the sequence that belongs to the absolute value of x, truncated: 0.87 gives 0, and -1 gives 1."""
        self.drew_unseeded, self._unseeded = not self.is_reproducible, []
        n = abs(int(x))
        table = [0] * (_SIZE + 1)  # positions 1 to 55 are used
        j, k = (_FIRST - n) & _MASK, 1
        table[_SIZE] = j
        for i in range(1, _SIZE):
            position = 21 * i % _SIZE
            table[position] = k
            j, k = k, (j - k) & _MASK
        for _ in range(4):
            for i in range(1, _SIZE):
                table[i] = (table[i] - table[1 + (i + 30) % _SIZE]) & _MASK
        self._table = table[1:]
        self._position = _SIZE - 1  # position of the last number drawn

    def state(self) -> tuple[list[int], int]:
        """Return a copy of the state, for `restore`."""
        return list(self._table), self._position

    def restore(self, state: tuple[list[int], int]) -> None:
        """Go back to an earlier state of this generator."""
        self._table, self._position = list(state[0]), state[1]

    def rand(self) -> float:
        """Draw a number from 0 to 1 in single precision; 1 itself is possible."""
        return float(np.float32(self._draw())) * 2.0**-31

    def rand_range(self, lo: float, hi: float) -> float:
        """Draw a number from lo to hi in double precision."""
        return (hi - lo) * self.rand() + lo

    def rands(self, count: int) -> np.ndarray:
        """Draw `count` numbers as `rand` does, shape (count,), float64."""
        draw = self._draw
        drawn = np.array([draw() for _ in range(count)], np.int64)
        return drawn.astype(np.float32).astype(np.float64) * 2.0**-31

    def rand_ranges(self, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
        """Draw one number from lo[i] to hi[i] for each i in order; all shapes (n,), float64."""
        drawn: np.ndarray = (hi - lo) * self.rands(len(lo)) + lo
        return drawn

    def gauss(self) -> float:
        """Draw a number of mean 0 and variance 1 in single precision: the sum of 12 draws, from -6 to 6."""
        table, total = self._table, 0
        for _ in range(_GAUSS_TERMS):
            self._position = position = (self._position + 1) % _SIZE
            drawn = (table[position] - table[(position + _LAG) % _SIZE]) & _MASK
            table[position] = drawn
            signed = (drawn & 0xFFFFFF) - ((drawn & 0x800000) << 1)
            total += signed
        table[self._position] = (signed * _FACTOR + _TERM) & _MASK
        return float(np.float32(total)) * 2.0**-24

    def _draw(self) -> int:
        """Draw the next number of 31 bits."""
        table = self._table
        self._position = position = (self._position + 1) % _SIZE
        drawn = ((table[position] - table[(position + _LAG) % _SIZE]) * _FACTOR + _TERM) & _MASK
        table[position] = drawn
        return drawn


@word("seed")
def seed(interpreter: Interpreter, n: Form) -> Form:
    """(seed n): starts the random numbers of seed n, truncated to a whole number; returns ()"""
    interpreter.part(RandomGenerator).seed(finite("seed", number("seed", n)))
    return NIL


@word("rand")
def rand(interpreter: Interpreter, a: Form = ABSENT, b: Form = ABSENT) -> float:
    """(rand): a random number, uniform from 0 to 1; (rand b): from -b to b; (rand a b): from a to b"""
    randomness = interpreter.part(RandomGenerator)
    if a is ABSENT:
        return randomness.rand()
    low = number("rand", a)
    return randomness.rand_range(-low, low) if b is ABSENT else randomness.rand_range(low, number("rand", b, 1))


@word("gauss")
def gauss(interpreter: Interpreter, first: Form = ABSENT, second: Form = ABSENT) -> float:
    """(gauss [[m] s]): a random number, normal with mean m, default 0, and standard deviation s, default 1"""
    drawn = interpreter.part(RandomGenerator).gauss()
    if first is ABSENT:
        return drawn
    if second is ABSENT:
        return drawn * number("gauss", first)
    return number("gauss", first) + drawn * number("gauss", second, 1)
