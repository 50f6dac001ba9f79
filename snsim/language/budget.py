"""Count what one program uses of its limits: steps, time, memory and output.

A step is one evaluation of a list. It takes about as long as visiting `_WALKED` elements of a list or computing
`_COMPUTED` elements of a matrix, so the step limit bounds the time. Lists, matrices and strings are counted when they
are created, whether they are kept or not, so these limits bound the memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from snsim.errors import Span
from snsim.language.forms import Form, MatrixValue, as_matrix
from snsim.language.limits import FREE_MEMORY, LONG_LIST, LONG_STRING, Limits, exceeded
from snsim.operating_system import peak_memory

_WALKED, _COMPUTED = 20, 1_000
_STEPS = 2_000  # between two checks of the clock: some milliseconds
_LISTS, _MATRICES, _STRINGS = 1_000_000, 10_000_000, 50_000_000  # created between two checks of the memory


class Budget:
    """The counters of one program. Every method raises LimitError at the place of the current evaluation."""

    def __init__(self, limits: Limits, place: Callable[[], Span | None], acts: Callable[[], bool] = lambda: False):
        """`place` returns what is being evaluated; `acts` whether the program has done more than declare."""
        self.limits = limits
        self.steps = 0
        self.due = -1  # the number of steps up to which no check is needed
        self._end: float | None = None  # of the time to declare, by the CPU clock of the thread
        self.lists = self.matrices = self.strings = self.output = 0
        self._lists, self._matrices, self._strings = (  # where the next check is due: at the limit, or before
            min(_LISTS, limits.lists),
            min(_MATRICES, limits.matrices),
            min(_STRINGS, limits.strings),
        )
        self._place, self._acts = place, acts

    def step(self, count: int = 1) -> None:
        """Count evaluations of a list, or rounds of a loop."""
        self.steps += count
        if self.steps > self.due:
            self.check_steps()

    def check_steps(self) -> None:
        """Compare the steps and the clock with their limits, and set when the next check is due."""
        limits = self.limits
        if self.steps > limits.steps:
            raise exceeded(
                "the program takes too many steps",
                limits.steps,
                self._place(),
                "a loop that does not end? If it does, `snsim run --steps N` allows more",
            )
        self.due = min(self.steps + _STEPS, limits.steps)
        now = time.thread_time()
        if self._end is None:
            self._end = now + limits.seconds
        elif now > self._end:
            seconds = limits.acting_seconds if self._acts() else limits.seconds
            if now > self._end - limits.seconds + seconds:
                raise exceeded(
                    "the program takes too many seconds of CPU",
                    seconds,
                    self._place(),
                    "a loop that does not end? If it does, `snsim check --seconds N` and `snsim run "
                    "--seconds N` allow more",
                )

    def walk(self, elements: int) -> None:
        """Count a visit to `elements` elements of a list, or characters of a string."""
        self.step(elements // _WALKED)

    def traversal(self) -> Callable[[int], None]:
        """Return a counter for traversals of unknown length; it raises LimitError past the longest allowed list."""
        remaining = 2 * self.limits.list_length

        def walk(elements: int) -> None:
            nonlocal remaining
            remaining -= elements
            self.walk(elements)
            if remaining < 0:
                raise exceeded("the list is too long", self.limits.list_length, self._place(), LONG_LIST)

        return walk

    def compute(self, elements: int) -> None:
        """Count `elements` elements of matrices that are computed, compared or copied."""
        self.step(elements // _COMPUTED)

    def make_list(self, length: int, caller: str) -> None:
        """Count a list that is being created. `caller` is the name of the word that creates it."""
        if length > self.limits.list_length:
            raise exceeded(f"{caller}: the list is too long", self.limits.list_length, self._place(), LONG_LIST)
        self.lists += length
        if self.lists > self._lists:
            if self.lists > self.limits.lists:
                raise exceeded(
                    "the program makes too many lists: their elements",
                    self.limits.lists,
                    self._place(),
                    "change lists in place (rplaca, rplacd), or keep the numbers in a matrix: (matrix n)",
                )
            self._lists = min(self.lists + _LISTS, self.limits.lists)
            self.check_memory()
        self.walk(length)

    def check_matrix(self, elements: int, caller: str) -> None:
        """Raise LimitError if a matrix of this many elements would be too large, before it is created."""
        if elements > self.limits.matrix_elements:
            raise exceeded(
                f"{caller}: the matrix would have {elements:.4g} elements",
                self.limits.matrix_elements,
                self._place(),
                "make its dimensions smaller, or several matrices one after the other",
            )

    def make_matrix(self, elements: int, caller: str) -> None:
        """Count a matrix that is being created."""
        self.check_matrix(elements, caller)
        self.matrices += elements
        if self.matrices > self._matrices:
            if self.matrices > self.limits.matrices:
                raise exceeded(
                    "the program makes too many matrices: their elements",
                    self.limits.matrices,
                    self._place(),
                    "make a matrix once, before the loop, and give it to the functions that take one for the result",
                )
            self._matrices = min(self.matrices + _MATRICES, self.limits.matrices)
            self.check_memory()
        self.compute(elements)

    def check_string(self, length: int, caller: str) -> None:
        """Raise LimitError if a string of this length would be too long, before it is created."""
        if length > self.limits.string_length:
            raise exceeded(f"{caller}: the string is too long", self.limits.string_length, self._place(), LONG_STRING)

    def make_string(self, length: int, caller: str) -> None:
        """Count a string that is being created."""
        self.check_string(length, caller)
        self.strings += length
        if self.strings > self._strings:
            if self.strings > self.limits.strings:
                raise exceeded(
                    "the program makes too many strings: their characters",
                    self.limits.strings,
                    self._place(),
                    "print the parts as they come, with (print ...) or (printf ...)",
                )
            self._strings = min(self.strings + _STRINGS, self.limits.strings)
            self.check_memory()
        self.walk(length)

    def make(self, result: Form, caller: str) -> None:
        """Count a new string or matrix."""
        if isinstance(result, str):
            self.make_string(len(result), caller)
        elif isinstance(result, (np.ndarray, MatrixValue)):
            self.make_matrix(as_matrix(result).size, caller)

    def check_memory(self) -> None:
        """Raise LimitError if the process has used more memory than the limit."""
        memory = peak_memory()  # None: the system does not tell it
        if memory is not None and memory > self.limits.memory_bytes:
            raise exceeded(
                "the program takes too many bytes of memory", self.limits.memory_bytes, self._place(), FREE_MEMORY
            )

    def print(self, characters: int) -> None:
        """Count printed characters."""
        self.output += characters
        if self.output > self.limits.output_characters:
            raise exceeded(
                "the program prints too much",
                self.limits.output_characters,
                self._place(),
                "print less often: (if (0= (mod n 1000)) (print n)) prints every thousandth",
            )
