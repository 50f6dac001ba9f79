"""Compile the operations once for all chains. Importing this module needs llvmlite."""

from __future__ import annotations

import ctypes
import struct

import numpy as np

from snsim.engines.native import jit
from snsim.lush.plan.arguments import OPERATIONS
from snsim.lush.plan.operations import machine_for, operations_text


class CompiledOperations:
    """The operations of this processor: `lanes` numbers in a vector."""

    def __init__(self) -> None:
        """Compile them. Raise SnError if LLVM lacks the processor."""
        machine = machine_for(jit.machine(np.float32).lanes)
        self.lanes = machine.lanes
        self._code = jit.Code(operations_text(machine), ("run_operations", *OPERATIONS))
        self._addresses = {name: self._code.address(name) for name in OPERATIONS}
        pointer, integer = ctypes.c_void_p, ctypes.c_int64
        self._run = ctypes.CFUNCTYPE(None, pointer, integer, integer, pointer, pointer)(
            self._code.address("run_operations")
        )

    def entry(self, name: str, arguments: dict[str, np.ndarray | int | float]) -> tuple[int, np.ndarray]:
        """Return the address of an operation, and its arguments as it reads them."""
        slots = OPERATIONS[name]
        assert {slot for _, slot in slots} == set(arguments), (name, set(arguments))
        return self._addresses[name], np.array([bits(arguments[slot]) for _, slot in slots], np.int64)

    def run(self, operations: np.ndarray, turns: int, flag: np.ndarray, done: np.ndarray) -> None:
        """Run operations (rows of function and arguments) for each of the presentations.

        Adds the number of complete presentations to `done`. `flag` tells which operation has stopped the next one, 0
        for none. An interrupt may follow at once, so the caller reads both, and nothing is returned.
        """
        flag[0] = 0
        self._run(operations.ctypes.data, len(operations), turns, flag.ctypes.data, done.ctypes.data)


def bits(value: np.ndarray | int | float) -> int:
    """Return an argument as 8 bytes: the address of an array, a count, or the bits of a float32."""
    if isinstance(value, np.ndarray):
        return int(value.ctypes.data)
    if isinstance(value, int):
        return value
    return int(struct.unpack("<I", struct.pack("<f", value))[0])
