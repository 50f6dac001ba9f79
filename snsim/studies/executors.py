"""Tasks given to an executor, and the executors there are: processes of this machine, workers of a Dask cluster."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection

from snsim.cache_folder import tell_warnings
from snsim.errors import fail
from snsim.optional_packages import needing
from snsim.studies.one_run import Outcome, attempt
from snsim.studies.plan import Task


def reproduce(tasks: Sequence[Task], executor: Executor) -> Iterator[Outcome]:
    """Do the tasks, each once, the longest first; the outcomes as they come. Closing the iterator (or an interrupt)
    leaves what was not begun. SnError if the workers are gone.
    """
    once = {task.folder: task for task in sorted(tasks, key=lambda task: -task.work)}
    futures: list[Future[Outcome]] = []
    try:
        # The processes that start here ignore interrupts as well.
        with _deaf_to_interrupts(), _worker_faults():
            futures += [executor.submit(attempt, task) for task in once.values()]
        for future in as_completed(futures):
            with _worker_faults():
                outcome = future.result()
            yield outcome
    finally:
        for future in futures:
            future.cancel()


@contextmanager
def _worker_faults() -> Iterator[None]:
    """SnError for what pools of processes and Dask raise when workers, or the scheduler, are gone or cannot be used."""
    try:
        yield
    except (BrokenProcessPool, CancelledError):
        raise fail(
            "the workers are gone: one of them was killed (is there too little memory?), or their cluster ended",
            hint="the same command goes on; --jobs 1 needs least memory",
        ) from None
    except ImportError as error:
        raise fail(
            f"a worker cannot import what the task needs: {first_line(error)}",
            hint="install the same version of snsim where each worker runs",
        ) from None
    except Exception as error:
        if type(error).__module__.split(".")[0] not in _CLUSTER_PACKAGES and not isinstance(error, OSError):
            raise
        raise fail(
            f"the cluster gives up: {first_line(error)}",
            hint="the logs of the scheduler and of the workers say why; the same command goes on",
        ) from None


_CLUSTER_PACKAGES = ("asyncio", "dask", "distributed", "tornado")


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message, or its name if it has none."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


@contextmanager
def processes(jobs: int) -> Iterator[Executor]:
    """`jobs` worker processes. They end with the block, at once if it ends by an exception, and with this process."""
    context = multiprocessing.get_context("spawn")  # no locks or threads of this process are copied into a worker
    watched, lifeline = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(jobs, context, initializer=_begin_worker, initargs=(watched,))
    try:
        yield pool
    except BaseException:
        lifeline.close()  # a run survives the sudden end of its worker
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        lifeline.close()
        watched.close()


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """The workers of the Dask scheduler at `address`, which see the same folders and have snsim. SnError if there is
    no scheduler.
    """
    with needing("distributed", "dask", what="--cluster", instead="leave --cluster out: --jobs runs on this machine"):
        from distributed import Client
        from distributed.comm.addressing import get_address_host
    _silence_cluster_logs()
    try:
        get_address_host(address)  # a client that refuses its address would not be rid of before it is waited for
        client = Client(address, timeout=_PATIENCE, set_as_default=False)
    except Exception as error:  # a scheduler of another version, or what is none, answers with anything
        raise fail(
            f"there is no Dask scheduler at {address}: {first_line(error)}",
            hint="the command `dask scheduler` prints its address, tcp://HOST:8786",
        ) from None
    executor = client.get_executor(pure=False)
    try:
        yield executor
    finally:
        with suppress(Exception):  # the scheduler may be gone
            executor.shutdown(wait=False)
        with suppress(Exception):
            client.close(timeout=_GOODBYE)


_PATIENCE = "10s"  # for a scheduler to answer
_GOODBYE = 2  # seconds for it to answer that it is left


def _silence_cluster_logs() -> None:
    """Keep the loggers of Dask quiet: they print tracebacks when a scheduler dies. What fails is told as a fault."""
    for name in (*_CLUSTER_PACKAGES, *logging.root.manager.loggerDict):
        if name.split(".")[0] in _CLUSTER_PACKAGES:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _begin_worker(watched: Connection) -> None:
    """End this worker process when nobody holds the other end any more; Ctrl-C is for who started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tell_warnings(lambda sentence: print(f"warning: {sentence}", file=sys.stderr, flush=True))

    def watch() -> None:
        try:
            watched.recv()
        except (EOFError, OSError):
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
