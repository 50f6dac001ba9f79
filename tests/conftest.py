"""What every test needs: one thread, the same bits and seeds, no limits of time, a Ctrl-C, and its data."""

import os
import random
import signal
import sys
from pathlib import Path

# The nets here are small, and on a busy machine waiting threads cost more than they give.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # before numpy and torch are imported, and for the programs that tests start

# On some processors a sum of MKL depends on where in memory an array begins, so that equal numbers get other last bits.
os.environ.setdefault("MKL_CBWR", "AUTO")

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from data_folder import need_data, need_reference  # noqa: E402
from hypothesis import settings  # noqa: E402  (numpy may come with it)

settings.register_profile("untimed", deadline=None)  # no test fails because a machine is busy
settings.load_profile("untimed")

# A shell starts `make test &` with SIGINT ignored, and every program below it inherits that: no test of Ctrl-C could
# pass there. A handler set here becomes the default again in the programs that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


SLOW_CASES = Path(__file__).with_name("slow_cases.txt")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the cases that stand in slow_cases.txt; a line that names none of a whole file is an error."""
    lines = SLOW_CASES.read_text(encoding="utf-8").splitlines()
    names = {line for line in lines if line and not line.startswith("#")}
    for item in items:
        if names & {item.nodeid, item.nodeid.partition("[")[0]}:
            item.add_marker("slow")
    if any("::" in argument for argument in config.args):
        return  # not all cases of a file are here
    collected = {name for item in items for name in (item.nodeid, item.nodeid.partition("[")[0])}
    files = {name.partition("::")[0] for name in collected}
    lost = sorted(name for name in names - collected if name.partition("::")[0] in files)
    if lost:
        raise pytest.UsageError(f"{SLOW_CASES.name} names cases that do not exist: {', '.join(lost)}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Seed the global generators, and look for the files that a test names by `needs_data` and `needs_reference`.

    Without the seeds, what a test draws depends on the tests that ran before it in the same process.
    """
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:  # otherwise it starts with a fixed seed of its own
        sys.modules["torch"].manual_seed(0)
    for name, need in (("needs_data", need_data), ("needs_reference", need_reference)):
        for mark in item.iter_markers(name):
            need(*mark.args)
