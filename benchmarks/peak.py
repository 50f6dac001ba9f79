"""Measure the limits of the processor: multiply-adds of vectors in registers, and numbers read and written in memory.

The limit of a net is the greater of two times. One is that of its multiply-adds (`flop_of`) at the measured peak of the
threads that compute. The other is that of reading its weights in the forward pass, and reading and writing them in the
backward pass, measured by a sweep over as many numbers; a batch does so once for all its patterns. Both are measured in
the process and in the rounds of the contenders. No program that computes the same sums one by one can be faster;
algorithms with fewer multiply-adds (Winograd, Strassen) are not considered.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from snsim.engines.native import jit
from snsim.engines.native.layout import aligned_block
from snsim.engines.native.llvm_ir import Module
from snsim.engines.native.target import Address, attributes
from snsim.engines.plan import Plan


def cpu_time(act: Callable[[], object]) -> float:
    """Return the CPU seconds of this thread for one call."""
    start = time.thread_time()
    act()
    return time.thread_time() - start


def seconds_of(act: Callable[[], object], threads: int) -> float:
    """Return the seconds of one call: of CPU where one thread works, by the clock where several do."""
    if threads == 1:
        return cpu_time(act)
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


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
    """Passes over a block as in a presentation: read every weight once, then read and write every weight.

    The second pass goes back from the last weight, so that the cache still has some of them.
    """

    AT_ONCE = 8  # vectors

    def __init__(self, numbers: int, dtype: str = "float32"):
        machine = jit.machine(dtype)
        stride = machine.lanes * self.AT_ONCE
        self.turns = max(1, numbers // stride)
        self.repeats = max(1, 4_000_000 // numbers)  # reading the clock is then a small part of the time
        module = Module(machine, "sweep")
        arguments = [("ptr", "state"), ("i64", "turns"), ("i64", "repeats")]
        f = module.function("sweep", arguments, "read; read and write", exported=True)
        turns = f.argument("turns", "i64")
        place = Address(machine.lanes)

        def places(v) -> list[Address]:
            return [place.by(v, stride) + k * machine.lanes for k in range(self.AT_ONCE)]

        last = place + (self.turns - 1) * stride

        def back(v) -> list[Address]:
            return [last.by(v, -stride) + k * machine.lanes for k in range(self.AT_ONCE)]

        def once(_index, _none) -> None:
            sums = f.loop(
                turns, lambda v, now: [a + f.load(p) for a, p in zip(now, places(v))], [f.zero] * self.AT_ONCE
            )
            steps = [total * 1e-30 for total in sums]
            f.loop(turns, lambda v, _: [f.store(f.load(p) + step, p) for step, p in zip(steps, back(v))])

        f.loop(f.argument("repeats", "i64"), once)
        self._code = jit.Code(str(module) + attributes({}), ("sweep",))
        self._run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(self._code.address("sweep"))
        self._memory = aligned_block((self.turns + 2) * stride, np.dtype(dtype))

    def run(self) -> None:
        """Sweep `repeats` times over the whole block."""
        self._run(self._memory.ctypes.data, self.turns, self.repeats)


class Peak:
    """The multiply-adds a second of some threads at once, the best of all rounds."""

    def __init__(self, dtype: str = "float32", threads: int = 1):
        self.dtype = dtype
        self._loops = [MultiplyAdds(dtype) for _ in range(threads)]
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._least = float("inf")
        self._threads = threads
        self._act()

    def _act(self) -> None:
        if self._pool is None:
            self._loops[0].run()
        else:
            list(self._pool.map(MultiplyAdds.run, self._loops))

    def measure(self) -> None:
        self._least = min(self._least, seconds_of(self._act, self._threads))

    @property
    def flop_per_second(self) -> float:
        return sum(loop.flop for loop in self._loops) / self._least


def flop_of(made: Plan, what: str = "learn", updates_per_pattern: float = 1.0, curvature: bool = False) -> float:
    """Return the FLOP of a pattern: "learn" or "evaluate".

    2 for each connection forward, 2 for the error of its source unless that is the input, 2 for the gradient, and 2 for
    each weight in an update. `curvature` (of `lm`) doubles all but the first.
    """
    total = 0.0
    for stage in made.stages:
        for link in stage.links:
            connections = link.connection.wiring.connections
            total += 2 * connections
            if what == "learn":
                back = connections * (2 if link.source == 0 else 4) + 2 * made.parameters[link.slot].size * (
                    updates_per_pattern
                )
                total += back * (2 if curvature else 1)
    return total


class NetLimit:
    """The least microseconds of a pattern that the processor allows: see the top of this file."""

    def __init__(
        self,
        made: Plan,
        peak: Peak,
        what: str = "learn",
        dtype: str = "float32",
        batch: int = 1,
        curvature: bool = False,
    ):
        self._peak, self._batch = peak, batch
        self.flop = flop_of(made, what, 1 / batch, curvature)
        self._part = 1.0 if what == "learn" else 1 / 3  # evaluation reads the weights once and writes none
        self._sweep = Sweep(made.net.counts.weights, dtype)
        self._bytes_micros = float("inf")

    def measure(self) -> None:
        self._bytes_micros = min(self._bytes_micros, cpu_time(self._sweep.run) / self._sweep.repeats * 1e6)

    @property
    def flop_micros(self) -> float:
        return self.flop / self._peak.flop_per_second * 1e6

    @property
    def bytes_micros(self) -> float:
        return self._bytes_micros * self._part / self._batch

    @property
    def micros(self) -> float:
        return max(self.flop_micros, self.bytes_micros)
