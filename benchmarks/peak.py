"""Measure the peak of a core: multiply-adds of vectors in registers, and numbers read and written in memory."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable

import numpy as np

from snsim.engines.native import jit
from snsim.engines.native.layout import aligned_block
from snsim.engines.native.llvm_ir import Module
from snsim.engines.native.target import Address, attributes


def cpu_time(act: Callable[[], None]) -> float:
    """Return the CPU seconds of this thread for one call."""
    start = time.thread_time()
    act()
    return time.thread_time() - start


class MultiplyAdds:
    """Twenty independent chains of multiply-adds, all in registers."""

    TURNS, CHAINS = 50_000, 20

    def __init__(self, dtype: str = "float32"):
        machine = jit.machine(dtype)
        module = Module(machine, "peak")
        f = module.function("peak", [("ptr", "state"), ("i64", "turns")], "independent multiply-adds", exported=True)
        a, b = f.load(Address(0)), f.load(Address(machine.lanes))
        places = [Address((2 + k) * machine.lanes) for k in range(self.CHAINS)]
        sums = f.loop(
            f.argument("turns", "i64"),
            lambda _, now: [f.fma(x, a, b) for x in now],
            [f.load(place) for place in places],
        )
        for place, value in zip(places, sums):
            f.store(value, place)
        self._code = jit.Code(str(module) + attributes({}), ("peak",))
        self._run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(self._code.address("peak"))
        self._memory = aligned_block(machine.lanes * (self.CHAINS + 2), np.dtype(dtype))
        self.flop = 2.0 * self.TURNS * self.CHAINS * machine.lanes

    def run(self) -> None:
        self._run(self._memory.ctypes.data, self.TURNS)


class Sweep:
    """Passes over a block as in a presentation: read every weight once, then read and write every weight."""

    AT_ONCE = 8  # vectors

    def __init__(self, numbers: int, dtype: str = "float32"):
        machine = jit.machine(dtype)
        stride = machine.lanes * self.AT_ONCE
        self.turns = max(1, numbers // stride)
        self.repeats = max(1, 400_000 // numbers)
        module = Module(machine, "sweep")
        arguments = [("ptr", "state"), ("i64", "turns"), ("i64", "repeats")]
        f = module.function("sweep", arguments, "read; read and write", exported=True)
        turns = f.argument("turns", "i64")
        place = Address(machine.lanes)

        def places(v) -> list[Address]:
            return [place.by(v, stride) + k * machine.lanes for k in range(self.AT_ONCE)]

        def once(_index, _none) -> None:
            sums = f.loop(
                turns, lambda v, now: [a + f.load(p) for a, p in zip(now, places(v))], [f.zero] * self.AT_ONCE
            )
            steps = [total * 1e-30 for total in sums]
            f.loop(turns, lambda v, _: [f.store(f.load(p) + step, p) for step, p in zip(steps, places(v))])

        f.loop(f.argument("repeats", "i64"), once)
        self._code = jit.Code(str(module) + attributes({}), ("sweep",))
        self._run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(self._code.address("sweep"))
        self._memory = aligned_block((self.turns + 2) * stride, np.dtype(dtype))

    def run(self) -> None:
        """Sweep `repeats` times over the whole block."""
        self._run(self._memory.ctypes.data, self.turns, self.repeats)
