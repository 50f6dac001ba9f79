"""Measure presentations per second of SN-2.8 programs on the net of 1989, and compare with the original simulator.

    python benchmarks/sn28.py [--json] [--rounds N] [--quick]

All ways of learning run interleaved in one process. Every round runs a chunk of each, in SN's order of summation and
with `--fast`, and reads the CPU time of this thread. The net has 64,660 connections and 9,760 weights. The patterns are
random, because times do not depend on them. `original` is SN-2.8 under Lush 1.2.1, compiled by gcc -O3, on one core of
a Xeon of 2.5 GHz: median and best over blocks of 320 patterns. On another processor the comparison differs.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent)]

from peak import cpu_time  # noqa: E402

from snsim.errors import Source  # noqa: E402
from snsim.language.evaluator import Evaluator  # noqa: E402
from snsim.language.forms import symbol  # noqa: E402
from snsim.language.limits import Limits  # noqa: E402
from snsim.program import Host, make_interpreter, new_shelves  # noqa: E402
from snsim.sn28.net.netspace import Netspace  # noqa: E402

PATTERNS = 320
NET = """(libload "sn28/{kernel}")
(use-net 'lecun89)
(ensemble 0 319) (set-class-max) (seed 0) (forget-sqrt 1) (mask-epsi 0.1)
(setq mu 0.02 gamma 0.005)
"""
# kernel, way of learning, its call for N patterns, presentations per second of the original: median, best
WAYS = (
    ("sn28ite", "forward, classify", "(performance 0 {last})", (2690, 2880)),
    ("sn28ite", "on-line gradient", "(learn {count})", (1060, 1107)),
    ("sn28ite", "batch gradient", "(batch-iteration 0 {last})", (1110, 1111)),
    ("sn28itenew", "forward, classify", "(performance 0 {last})", (2190, 2350)),
    ("sn28itenew", "on-line gradient", "(learn {count})", (810, 879)),
    ("sn28itenew", "on-line Lev-Mar", "(let ((lev-mar t)) (learn-newton {count}))", (423, 471)),
    ("sn28itenew", "on-line Newton", "(learn-newton {count})", (354, 450)),
)


@dataclass
class Contender:
    """One way of learning of one program; `rate` is the presentations per second of each chunk."""

    kernel: str
    way: str
    order: str
    original: tuple[int, int]
    program: Evaluator
    call: str
    count: int
    rates: list[float] = field(default_factory=list)

    def measure(self) -> None:
        self.program.run(Source("<again>", "(forget-sqrt 1)"))  # so that weights stay small on random patterns
        self.rates.append(self.count / cpu_time(lambda: self.program.run(Source("<chunk>", self.call))))

    @property
    def record(self) -> dict:
        ours = float(np.median(self.rates)), max(self.rates)
        times = [round(mine / original, 2) for mine, original in zip(ours, self.original)]
        return {
            "kernel": self.kernel,
            "way": self.way,
            "sums": self.order,
            "median": round(ours[0]),
            "original_median": self.original[0],
            "times_median": times[0],
            "best": round(ours[1]),
            "original_best": self.original[1],
            "times_best": times[1],
        }


def program(kernel: str, fast: bool) -> Evaluator:
    """Return a program after it has made the net and its patterns."""
    text = (ROOT / "nets" / "lecun89.sn").read_text()
    interpreter = make_interpreter(
        new_shelves(), Host(fast=fast), io.StringIO(), Limits(steps=10**12, lists=10**12, matrices=10**12)
    )
    rng = np.random.default_rng(1)
    drawn = np.where(rng.random((PATTERNS, 256)) < 0.2, 1, -1).astype(np.float32)
    wanted = np.where(np.arange(PATTERNS)[:, None] % 10 == np.arange(10), 1, -1).astype(np.float32)
    for name, matrix in (("pattern-matrix", drawn), ("desired-matrix", wanted)):
        interpreter.assign_global(symbol(name), matrix)
    interpreter.run(Source("<lecun89>", text))
    interpreter.run(Source("<program>", NET.format(kernel=kernel)))
    return interpreter


def contenders(quick: bool) -> list[Contender]:
    made = []
    count = 20 if quick else 80
    for order, fast in (("SN's", False), ("--fast", True)):
        programs = {kernel: program(kernel, fast) for kernel in ("sn28ite", "sn28itenew")}
        for kernel, way, call, original in WAYS:
            made.append(
                Contender(
                    kernel, way, order, original, programs[kernel], call.format(count=count, last=count - 1), count
                )
            )
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object per line")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="few and short rounds")
    asked = parser.parse_args()
    made = contenders(asked.quick)
    for _ in range(3 if asked.quick else asked.rounds):
        for contender in made:
            contender.measure()
    if asked.json:
        for contender in made:
            print(json.dumps(contender.record))
        return
    computing = made[0].program.part(Netspace).loops.name
    print(f"presentations per second, sums computed by: {computing}\n")
    print(f"{'kernel':11} {'way':18} {'sums':7} {'median':>7} {'original':>9} {'best':>7} {'original':>9} {'times':>6}")
    for r in (contender.record for contender in made):
        print(
            f"{r['kernel']:11} {r['way']:18} {r['sums']:7} {r['median']:7,} {r['original_median']:9,} "
            f"{r['best']:7,} {r['original_best']:9,} {r['times_best']:6.2f}"
        )


if __name__ == "__main__":
    main()
