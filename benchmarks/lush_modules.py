"""Measure gblearn2's modules on LeNet-5: presentations per second, module by module, on one core.

    python benchmarks/lush_modules.py [--rounds N] [--patterns N]

The net is `(new-lenet5 32 32 5 5 2 2 5 5 2 2 120 10 param)`, 51,046 parameters, on random pictures: times do not depend
on them. Every round runs the patterns forward, forward and backward with an update, and with second derivatives, in one
process, and reads the CPU time of this thread; the median round is shown. `original` is Lush 1.2.1, compiled by gcc
-O3, on one core of an AMD EPYC. On another processor the comparison differs.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from snsim.errors import Source
from snsim.language.limits import Limits
from snsim.lush import begin
from snsim.program import make_interpreter, new_shelves, scratch

PROGRAM = """
(seed 1)
(setq param (new idx1-ddparam 0 52000))
(setq machine (new idx3-supervised-module (new-lenet5 32 32 5 5 2 2 5 5 2 2 120 10 param)
  (new edist-cost [i 0 1 2 3 4 5 6 7 8 9] 1 1 (make-f2-place-target 10)) (new max-classer [i 0 1 2 3 4 5 6 7 8 9])))
(setq pictures (float-matrix {patterns} 1 32 32))
(idx-bloop ((picture (redim pictures {elements}))) (picture (rand 1)))
(setq source (new dsource-idx3fl pictures (int-matrix {patterns})))
(setq trainer (new supervised-gradient machine param))
(setq meter (new classifier-meter))
(==> :machine:machine forget 1 2)
"""
TASKS = {  # what is measured: the form, and the original's presentations per second
    "forward": ("(==> trainer test source meter)", "3,080 to 3,330"),
    "training": ("(==> trainer train source meter 0.0001)", "870 to 1,005"),
    "second derivatives": ("(==> trainer compute-diaghessian source {patterns} 0.02)", "590"),
}


def rates(rounds: int, patterns: int) -> dict[str, float]:
    """Return presentations per second of CPU time for each task: medians over rounds."""
    with scratch() as host:
        limits = Limits(steps=10**12, seconds=10**9)
        interpreter = make_interpreter(new_shelves(), host, io.StringIO(), limits)
        begin(interpreter)

        def run(text: str) -> None:
            text = text.format(patterns=patterns, elements=patterns * 1024)
            interpreter.run(Source("<benchmark>", text))

        run(PROGRAM)
        seconds: dict[str, list[float]] = {task: [] for task in TASKS}
        for _ in range(rounds):
            for task, (form, _) in TASKS.items():
                seconds[task].append(cpu_time(lambda form=form: run(form)))
    return {task: patterns / statistics.median(times) for task, times in seconds.items()}


def cpu_time(work: Callable[[], None]) -> float:
    start = time.thread_time()
    work()
    return time.thread_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure gblearn2's modules on LeNet-5.")
    parser.add_argument("--rounds", type=int, default=5, help="how often each task is measured (default: 5)")
    parser.add_argument("--patterns", type=int, default=100, help="presentations of a round (default: 100)")
    chosen = parser.parse_args()
    print(f"{'':20}{'a second':>10}   original")
    for task, rate in rates(chosen.rounds, chosen.patterns).items():
        print(f"{task:20}{rate:10,.0f}   {TASKS[task][1]}")


if __name__ == "__main__":
    main()
