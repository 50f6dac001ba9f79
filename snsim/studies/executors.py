"""Run tasks on an executor: worker processes of this machine, or workers of a Dask cluster."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import TypeVar

from snsim.errors import fail, tell_warnings
from snsim.operating_system import collect_garbage_rarely
from snsim.optional_packages import needing
from snsim.studies.kept_runs import KeptRuns
from snsim.studies.one_run import Outcome
from snsim.studies.plan import Task
from snsim.studies.together import attempt_together, groups_of

T = TypeVar("T")
R = TypeVar("R")


def reproduce(tasks: Sequence[Task], executor: Executor, kept: KeptRuns) -> Iterator[Outcome]:
    """Run the tasks, each once, in the order of `kept`, and yield their outcomes as they finish.

    Closing the iterator (or an interrupt) cancels the tasks that have not started. Raises SnError if the workers
    stopped.
    """
    once = {task.folder: task for task in sorted(tasks, key=kept.order)}
    yield from _results([(kept.attempt, task) for task in once.values()], executor)


def reproduce_together(tasks: Sequence[Task], together: int, executor: Executor) -> Iterator[Outcome]:
    """Run the tasks as `reproduce` does, but at most `together` of those that differ in their seed at the same time."""
    once = {task.folder: task for task in tasks}
    calls = [(attempt_together, group) for group in groups_of(list(once.values()), together)]
    for outcomes in _results(calls, executor):
        yield from outcomes


def _results(calls: Sequence[tuple[Callable[[T], R], T]], executor: Executor) -> Iterator[R]:
    """Yield the results of some calls as they finish."""
    futures: list[Future[R]] = []
    try:
        # The processes that start here ignore interrupts as well.
        with _ignoring_interrupts(), _worker_faults():
            futures += [executor.submit(act, argument) for act, argument in calls]
        for future in as_completed(futures):
            with _worker_faults():
                result = future.result()
            yield result
    finally:
        for future in futures:
            future.cancel()


@contextmanager
def _worker_faults() -> Iterator[None]:
    """Turn errors of process pools and Dask into SnError: workers that died, a scheduler that stopped."""
    try:
        yield
    except (BrokenProcessPool, CancelledError):
        raise fail(
            "the workers stopped: one was killed (out of memory?), or the cluster was shut down",
            hint="run the same command to resume; --jobs 1 needs the least memory",
        ) from None
    except ImportError as error:
        raise fail(
            f"a worker cannot import what the task needs: {first_line(error)}",
            hint="install the same version of snsim on every worker",
        ) from None
    except Exception as error:
        if type(error).__module__.split(".")[0] not in _CLUSTER_PACKAGES and not isinstance(error, OSError):
            raise
        raise fail(
            f"the cluster failed: {first_line(error)}",
            hint="read the logs of the scheduler and the workers, then run the same command to resume",
        ) from None


_CLUSTER_PACKAGES = ("asyncio", "dask", "distributed", "tornado")


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message, or its name if it has none."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


@contextmanager
def processes(jobs: int) -> Iterator[Executor]:
    """Provide `jobs` worker processes.

    They end with the block (at once if it ends by an exception) and with this process.
    """
    context = multiprocessing.get_context("spawn")  # no locks or threads of this process are copied into a worker
    watched_end, lifeline = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(jobs, context, initializer=_begin_worker, initargs=(watched_end,))
    try:
        yield pool
    except BaseException:
        lifeline.close()  # a run survives the sudden end of its worker
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        lifeline.close()
        watched_end.close()


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """Provide the workers of the Dask scheduler at `address`, which must see the same folders and have snsim.

    Raises SnError if there is no scheduler.
    """
    with needing(
        "distributed", "dask", what="--cluster", instead="leave --cluster out, and use --jobs to run on this machine"
    ):
        from distributed import Client
        from distributed.comm.addressing import get_address_host
    _silence_cluster_logs()
    try:
        get_address_host(address)  # a client with an invalid address could only be closed after a wait
        client = Client(address, timeout=_SCHEDULER_TIMEOUT, set_as_default=False)
    except Exception as error:  # another version, or another program at this address, answers with anything
        raise fail(
            f"there is no Dask scheduler at {address}: {first_line(error)}",
            hint="start one with `dask scheduler`, which prints its address, tcp://HOST:8786",
        ) from None
    executor = client.get_executor(pure=False)
    try:
        yield executor
    finally:
        with suppress(Exception):  # the scheduler may be gone
            executor.shutdown(wait=False)
        with suppress(Exception):
            client.close(timeout=_CLOSE_TIMEOUT)


_SCHEDULER_TIMEOUT = "10s"  # for the scheduler to answer
_CLOSE_TIMEOUT = 2  # seconds for the scheduler to confirm the end


def _silence_cluster_logs() -> None:
    """Silence the loggers of Dask, which print tracebacks when a scheduler dies; faults are reported anyway."""
    for name in (*_CLUSTER_PACKAGES, *logging.root.manager.loggerDict):
        if name.split(".")[0] in _CLUSTER_PACKAGES:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _begin_worker(watched_end: Connection) -> None:
    """End this worker process when the other end of the pipe closes; leave Ctrl-C to the main process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    collect_garbage_rarely()
    tell_warnings(lambda warning: print(f"warning: {warning.message}", file=sys.stderr, flush=True))

    def watch() -> None:
        try:
            watched_end.recv()
        except (EOFError, OSError):
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
