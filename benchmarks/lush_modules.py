"""Measure gblearn2's modules on LeNet-5: compiled, module by module, and the original, on one core.

    python benchmarks/lush_modules.py [--json] [--rounds N] [--quick]

The net is `(new-lenet5 32 32 5 5 2 2 5 5 2 2 120 10 param)`, 51,046 parameters, on random pictures: times do not depend
on them. One process runs the patterns forward, forward and backward with an update, and with second derivatives. Every
round does that with plans and module by module, one after the other, and reads the CPU time of this thread. The least
time is shown. Both must leave the same bits in the param. `original` is Lush 1.2.1, compiled by gcc -O3, on one core of
an AMD EPYC, the best of its runs. On another processor the comparison differs.
"""

from __future__ import annotations

import io
import sys
from functools import partial
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]

from peak import cpu_time  # noqa: E402
from rows import Row, parser, print_rows, row  # noqa: E402

from snsim.errors import Source  # noqa: E402
from snsim.language.evaluator import Evaluator  # noqa: E402
from snsim.language.limits import Limits  # noqa: E402
from snsim.lush import begin  # noqa: E402
from snsim.lush.plan.ahead import Plans  # noqa: E402
from snsim.program import Host, make_interpreter, new_shelves, scratch  # noqa: E402

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
    "second derivatives": ("(==> trainer compute-diaghessian source {patterns} 0.02)", 590),
    "training": ("(==> trainer train source meter 0.0001)", 1_005),
    "forward": ("(==> trainer test source meter)", 3_330),
}
WAYS = {"compiled": True, "module by module": False}


def program(patterns: int, host: Host, compiled: bool) -> Evaluator:
    """Return a program that has made the net and its patterns."""
    interpreter = make_interpreter(new_shelves(), host, io.StringIO(), Limits(steps=10**12, seconds=10**9))
    begin(interpreter)
    interpreter.part(Plans).on = compiled
    interpreter.part(Plans).seconds = 1.0  # as after a second of presentations: a plan starts at once
    interpreter.run(Source("<program>", PROGRAM.format(patterns=patterns, elements=patterns * 1024)))
    return interpreter


def measure(rounds: int, patterns: int) -> list[Row]:
    """Return the time of a presentation for each task, beside those of the modules and of the original."""
    times: dict[str, dict[str, list[float]]] = {task: {way: [] for way in WAYS} for task in TASKS}
    with scratch() as host:
        programs = {way: program(patterns, host, compiled) for way, compiled in WAYS.items()}
        for _ in range(rounds):
            for task, (form, _) in TASKS.items():
                for way, interpreter in programs.items():
                    source = Source("<task>", form.format(patterns=patterns))
                    times[task][way].append(cpu_time(partial(interpreter.run, source)) / patterns)
        left = [p.run(Source("<param>", ":param:x")).array.tobytes() for p in programs.values()]
        if left[0] != left[1]:
            raise SystemExit("the compiled training has left other weights than the modules")
        compiled = programs["compiled"].part(Plans).compiled
    share = compiled / (rounds * len(TASKS) * patterns)
    rows = []
    for task, (_, original) in TASKS.items():
        rivals = {
            "Lush (recorded)": 1e6 / original,
            "module by module": 1e6 * min(times[task]["module by module"]),
        }
        note = f"{share:.1%} of the presentations compiled, weights equal to the bit"
        goal = {"faster": 2.0}
        rows.append(row("LeNet-5", task, 1e6 * min(times[task]["compiled"]), rivals=rivals, goal=goal, note=note))
    return rows


def main() -> None:
    asked = parser(__doc__, rounds=5).parse_args()
    rounds, patterns = (2, 60) if asked.quick else (asked.rounds, 300)
    print_rows(measure(rounds, patterns), asked.json)


if __name__ == "__main__":
    main()
