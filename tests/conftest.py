"""What every test needs: one thread, the same bits and seeds, no limits of time, a Ctrl-C, a folder, and its data."""

import os
import random
import signal
import sys
import tempfile
from collections.abc import Iterator
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


ROOT = Path(__file__).resolve().parents[1]
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


_BUILDERS = {"hatchling", "ruff"}  # they work in the checkout, and know no runs
_in_a_test = False  # whether a test runs now, with its fixtures


def _refuse_the_checkout(event: str, arguments: tuple[object, ...]) -> None:
    """Fail a test that works in the checkout, or that starts a program there.

    After `make run`, for example, the name `lecun89` means the run runs/lecun89 there, not the net of the gallery.
    """
    if not _in_a_test or event not in ("os.chdir", "subprocess.Popen"):
        return
    if event == "subprocess.Popen" and not _BUILDERS.isdisjoint(arguments[1] or ()):  # type: ignore[arg-type]
        return
    folder = arguments[0] if event == "os.chdir" else arguments[2]
    if isinstance(folder, str | bytes | os.PathLike) and Path(os.fsdecode(folder)).resolve() == ROOT:
        raise AssertionError(f"a test must not work in {ROOT}, whose folder runs/ may hold anything: use tmp_path")


sys.addaudithook(_refuse_the_checkout)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol() -> Iterator[object]:
    """Run each test, with its fixtures of any scope, in an empty working folder of its own."""
    global _in_a_test
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="snsim-test-", ignore_cleanup_errors=True) as folder:
        os.chdir(folder)
        _in_a_test = True
        try:
            return (yield)
        finally:
            _in_a_test = False
            os.chdir(before)  # Windows deletes no folder in which a process works


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
