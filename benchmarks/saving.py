"""Measure the cost of saving a run: wall time with the run folder on a disk, divided by wall time in memory.

    python benchmarks/saving.py [--rounds N] [--disk FOLDER] [--memory FOLDER]

The script runs each program alternately on the disk and in memory, so that both see the same load. It compares the
medians. The limits of the project are 1.1 for XOR with 4,000 passes and 1.02 for the net of 1989. Measure on an idle
machine: with more programs than cores, each wait for the disk is also a wait for a core.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

PROGRAMS = {  # name: command and limit of the ratio
    "xor.sn, 4,000 passes": (["nets/xor.sn", "--passes", "4000"], 1.1),
    "lecun89.sn": (["nets/lecun89.sn", "--offline"], 1.02),
}


def seconds(command: list[str], folder: Path) -> float:
    """Return the wall time of `snsim run` with its run folder in a new folder below this one."""
    with tempfile.TemporaryDirectory(prefix="saving-", dir=folder) as out:
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "snsim", "run", *command, "--out", out],
            cwd=ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--disk", type=Path, default=ROOT, help="a folder on a disk [default: that of the project]")
    parser.add_argument("--memory", type=Path, default=Path("/dev/shm"), help="a folder in memory")
    options = parser.parse_args()
    print("| run | on a disk (s) | in memory (s) | ratio | limit |\n|---|---|---|---|---|")
    failed = 0
    for name, (command, limit) in PROGRAMS.items():
        seconds(command, options.memory)  # warm-up: the compiled code is now in the cache
        times: dict[str, list[float]] = {"disk": [], "memory": []}
        for turn in range(options.rounds):
            for place in ("disk", "memory") if turn % 2 else ("memory", "disk"):
                times[place].append(seconds(command, getattr(options, place)))
        disk, memory = (statistics.median(times[place]) for place in ("disk", "memory"))
        failed += disk / memory >= limit
        print(f"| {name} | {disk:.2f} | {memory:.2f} | {disk / memory:.3f} | {limit} |", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
