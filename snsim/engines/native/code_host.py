"""What a native engine needs of its host: memory for its numbers, a compiler, and calls of compiled functions."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from snsim.data_classes import dataclass
from snsim.engines.native.layout import aligned_block
from snsim.engines.native.target import Machine


@dataclass(frozen=True, eq=False)
class Result:
    """An argument that a compiled function fills."""

    array: np.ndarray


class CodeHost(Protocol):
    """The host of the code of one engine.

    Attributes
    ----------
    machine : Machine
        The processor, with the width of its vector registers, that the code is generated for.
    state : array
        The block of numbers of the engine. `grow` replaces it, so it must not be kept.
    groups : bool
        Whether the block has cells for several patterns at once. Without, it is smaller, and batches are gathered.
    """

    machine: Machine
    state: np.ndarray
    groups: bool

    def grow(self, size: int) -> None:
        """Enlarge the block to this many numbers if it has fewer; new numbers are 0."""

    def set_tables(self, tables: np.ndarray) -> None:
        """Set the index tables (int32) of the code."""

    def compile(self, text: str, exported: tuple[str, ...]) -> Any:
        """Compile LLVM IR for `run`. SnError if LLVM cannot."""

    def run(self, code: Any, name: str, *arguments: np.ndarray | Result | int | float) -> None:
        """Call a function of compiled code with the block, the tables and these arguments.

        Arrays are contiguous and of the type that the function expects. An int is a count (i64), a float a number.
        """


class ArrayHost:
    """The part of a `CodeHost` whose block and tables are arrays of NumPy in this process."""

    groups = True

    def __init__(self, machine: Machine):
        self.machine = machine
        self.state = aligned_block(0, machine.dtype)
        self.tables = np.zeros(0, np.int32)

    def grow(self, size: int) -> None:
        """Enlarge the block to this many numbers if it has fewer; new numbers are 0."""
        if size > len(self.state):
            larger = aligned_block(size, self.machine.dtype)
            larger[: len(self.state)] = self.state
            self.state = larger

    def set_tables(self, tables: np.ndarray) -> None:
        """Set the index tables (int32) of the code."""
        self.tables = tables
