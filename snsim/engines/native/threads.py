"""Threads for evaluation and batches. Their number changes the time and no bit of the result.

A batch is computed by all threads together, on the engine's own block (see net_code.py). For evaluation and for very
large batches, each thread computes parts of the work on a copy of the block. These parts follow from the net and the
number of patterns alone, and their results are added in the order of the parts.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from snsim.engines.native.jit import ProcessHost
from snsim.engines.native.layout import aligned_block
from snsim.engines.native.llvm_ir import STOPPED
from snsim.operating_system import yield_address

if TYPE_CHECKING:
    from queue import SimpleQueue

_EVALUATED = 1 << 25  # connections times patterns that are worth a thread: about 0.5 ms
_PIECES = 4  # of the evaluation that is worth a thread: a thread that begins late takes fewer of them
_TOGETHER = 1 << 22  # connections times patterns of a batch that are worth a thread: about 0.3 ms
_WATCHED = 0.1  # seconds of threads, after which they know whether they have a core each
_OWN_CORE = 0.8  # of the time of a thread is CPU time if it has one
_PAUSES = 1.0, 64.0  # seconds: the first one and the longest
_LEAST = 4  # patterns of a batch for a thread
_SUMMED = 1 << 24  # of a part of a batch: about 1 ms
_USES = 512  # of each weight in a part of a batch, beside which adding its sums takes little time
_MOST_PARTS = 64  # of a batch
_COPIES = 1 << 26  # bytes that all copies of a block may take, if the block is not larger


def parts_of_batch(patterns: int, connections: int, weights: int, group: int) -> list[slice]:
    """Return the parts into which a batch is divided, a power of 2 of them: [all of it] for a small batch.

    Each part but the last has a whole number of groups of `group` patterns.
    """
    least = max(-(-_SUMMED // max(1, connections)), -(-_USES * weights // max(1, connections)), group)
    most = min(patterns // least, _MOST_PARTS)
    return equal_slices(patterns, 1 << max(0, most.bit_length() - 1), group)


def threads_of_evaluation(threads: int, patterns: int, connections: int) -> int:
    """Return how many of the threads are worth it for an evaluation."""
    return max(1, min(threads, patterns * connections // _EVALUATED))


def pieces_of_evaluation(patterns: int, connections: int, group: int) -> list[slice]:
    """Return the pieces that several threads evaluate.

    Each piece but the last has a whole number of groups of `group` patterns.
    """
    return equal_slices(patterns, _PIECES * (patterns * connections // _EVALUATED), group)


def equal_slices(patterns: int, count: int, group: int) -> list[slice]:
    """Return up to `count` slices of patterns, each but the last of the same whole number of groups."""
    size = -(-patterns // (count * group)) * group
    return [slice(start, min(start + size, patterns)) for start in range(0, patterns, max(1, size))]


def threads_of_batch(threads: int, patterns: int, connections: int) -> int:
    """Return how many of the threads are worth it for a batch that they compute together."""
    return max(1, min(threads, patterns // _LEAST, patterns * connections // _TOGETHER))


class Turns:
    """Lets threads act in the order of their parts."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._next = 0
        self._has_failed = False

    def take(self, part: int, act: Callable[[], None]) -> None:
        """Call `act` once all parts before this one have had their turn. RuntimeError if one of them failed."""
        with self._changed:
            self._changed.wait_for(lambda: self._next == part or self._has_failed)
            if self._has_failed:
                raise RuntimeError("another part of this work failed")
            act()
            self._next += 1
            self._changed.notify_all()

    def fail(self) -> None:
        """Note that a part will never have its turn."""
        with self._changed:
            self._has_failed = True
            self._changed.notify_all()


class Cores:
    """Watches whether threads have a core each.

    Where other processes use the cores too, a thread often waits for one that has none just then, and one thread alone
    is faster. Then the threads pause, at first for a second, and twice as long each time that follows at once.
    """

    def __init__(self) -> None:
        self._seconds = self._cpu_seconds = 0.0  # of all threads since the last judgement
        self._pause, self._until = _PAUSES[0], 0.0

    @property
    def are_free(self) -> bool:
        return time.monotonic() >= self._until

    def note(self, seconds: float, cpu_seconds: float) -> None:
        """Note the time that a thread took for a call, and its CPU time."""
        self._seconds, self._cpu_seconds = self._seconds + seconds, self._cpu_seconds + cpu_seconds
        if self._seconds < _WATCHED:
            return
        if self._cpu_seconds > _OWN_CORE * self._seconds:
            self._pause = _PAUSES[0]
        else:
            self._until = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, _PAUSES[1])
        self._seconds = self._cpu_seconds = 0.0


class Workers:
    """Threads that wait for work, and end with this object.

    An interrupt may come at any moment in the thread that hands out work. Only the queue of C code is safe from it:
    those of `concurrent.futures` could stay locked for ever.
    """

    def __init__(self, count: int):
        from queue import SimpleQueue  # few trainings need it

        self.count, self.process = count, os.getpid()
        self._queue: Callable[[], SimpleQueue[Any]] = SimpleQueue
        self._jobs = SimpleQueue[Any]()
        for _ in range(count):
            threading.Thread(target=_serve, args=(self._jobs,), name="snsim", daemon=True).start()

    def submit(self, act: Callable[..., None], *arguments: Any) -> SimpleQueue[BaseException | None]:
        """Let a thread call `act`. The queue gets its exception at the end, or None."""
        done = self._queue()
        self._jobs.put((act, arguments, done))
        return done

    def __del__(self) -> None:
        for _ in range(self.count):
            self._jobs.put(None)


def _serve(jobs: SimpleQueue[Any]) -> None:
    while (job := jobs.get()) is not None:
        act, arguments, done = job
        try:
            act(*arguments)
        except BaseException as error:
            done.put(error)
        else:
            done.put(None)
        del job, act, arguments, done  # they hold the engine


class Crew:
    """The threads of one engine. `threads` may be changed at any time.

    `values` are the ranges of the block with the weights, which every copy of the block must have.
    """

    def __init__(self, host: ProcessHost, values: Sequence[slice], threads: int):
        self.threads = threads
        self._host, self._values = host, values
        self._blocks: list[np.ndarray] = []
        self._threads: Workers | None = None
        self.cores = Cores()

    def run(
        self,
        code: Any,
        name: str,
        calls: Sequence[Sequence[Any]],
        then: Callable[[int, np.ndarray], None] | None = None,
    ) -> None:
        """Call a compiled function with the arguments of each call, on as many threads as there are cores for.

        `then(k, block)` is called after call k, in the order of the calls, with the block on which it ran.
        """
        state = self._host.state
        blocks = [state, *self._copies(min(self.threads if self.cores.are_free else 1, len(calls)) - 1)]
        numbers, lock, turns = deque(range(len(calls))), threading.Lock(), Turns()

        def take_number() -> int | None:
            with lock:
                return numbers.popleft() if numbers else None

        def work(block: np.ndarray) -> None:
            start = time.perf_counter(), time.thread_time()
            try:
                if block is not state:
                    for values in self._values:
                        block[values] = state[values]
                while (k := take_number()) is not None:
                    self._host.run_on(block, code, name, *calls[k])
                    if then is not None:
                        turns.take(k, partial(then, k, block))
            except BaseException:
                numbers.clear()
                turns.fail()
                raise
            if len(blocks) > 1:
                self.cores.note(time.perf_counter() - start[0], time.thread_time() - start[1])

        others = []
        try:
            others = [self._workers(len(blocks) - 1).submit(work, block) for block in blocks[1:]]
            work(blocks[0])
        finally:
            numbers.clear()  # after an interrupt, each thread ends the work that it has begun
            errors = [other.get() for other in others]
        for error in errors:
            if error is not None:
                raise error

    def run_together(self, code: Any, threads: int, name: str, *arguments: Any) -> None:
        """Call a function of compiled code on this number of threads at the same time, all on the engine's own block.

        Its last arguments are `net_code.TOGETHER`. It begins and ends with a meeting: nothing happens before all
        threads are there, and nothing after one returns. So an interrupt, or a thread that cannot begin, leaves the
        block as it was before the call, or as it is after the whole call.
        """
        meeting = aligned_block(16, np.dtype(np.int64))

        def work(part: int) -> None:
            start = time.perf_counter(), time.thread_time()
            try:
                self._host.run(code, name, *arguments, meeting, yield_address(), part)
            except BaseException:
                meeting[0] = STOPPED
                raise
            self.cores.note(time.perf_counter() - start[0], time.thread_time() - start[1])

        others = []
        try:
            others = [self._workers(threads - 1).submit(work, part) for part in range(1, threads)]
            work(0)
        except BaseException:
            meeting[0] = STOPPED
            raise
        if meeting[0] >= STOPPED:
            for error in [other.get() for other in others]:
                if error is not None:
                    raise error

    def forget_copies(self) -> None:
        """Drop the copies, which hold unfinished sums after a failure."""
        self._blocks.clear()

    def _workers(self, count: int) -> Workers:
        now = self._threads
        if now is None or count > now.count or now.process != os.getpid():  # a forked process has no threads
            now = self._threads = Workers(count)
        return now

    def _copies(self, count: int) -> list[np.ndarray]:
        """Return up to `count` blocks for copies, as many as memory allows. Their weights may be old."""
        state = self._host.state
        count = max(0, min(count, max(_COPIES, state.nbytes) // max(1, state.nbytes)))
        if any(len(block) != len(state) for block in self._blocks):  # it has grown
            self._blocks.clear()
        while len(self._blocks) < count:
            block = aligned_block(len(state), state.dtype)
            block[:] = state
            self._blocks.append(block)
        return self._blocks[:count]
