"""Measure how the time of a presentation grows with connections (10^3 to 10^7) and with maps. Print a Markdown table.

    python benchmarks/scaling.py [--most CONNECTIONS] [--rounds N] > benchmarks/scaling.md

The table states the minimum work of a presentation. FLOP: 2 per connection forward, 2 for the error of its source
unless that is the input, 2 for the gradient, and 2 for each weight's update. Bytes of weights: read in the forward
pass, read and written in the backward pass, 4 bytes per number. The script measures two peak rates on the same core:
multiply-adds in registers, and a sweep over as many bytes as the net's weights take. The slower one is the bound.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent)]

from peak import MultiplyAdds, Sweep, cpu_time  # noqa: E402

from snsim.engines.native import build  # noqa: E402
from snsim.engines.plan import Plan, plan  # noqa: E402
from snsim.engines.protocol import Settings  # noqa: E402
from snsim.errors import Source  # noqa: E402
from snsim.program import Program, read_program  # noqa: E402

DENSE = (
    "(net n (layer input {0}) (layer hidden {0}) (layer output 10) "
    "(connect input hidden (full)) (connect hidden output (full)))"
)
MAPS = (
    "(net n (layer input (16 16)) (layer h1 ({0} 8 8)) (layer h2 ({0} 4 4)) (layer output 10) "
    "(connect input h1 (mask 5 5) (step 2) (border 2 -1)) (connect h1 h2 (mask 5 5) (step 2) (border 2 -1)) "
    "(connect h2 output (full)))"
)
LOCAL = (
    "(net n (layer input (16 16)) (layer h1 ({0} 8 8)) (layer h2 ({0} 4 4)) (layer output 10) "
    "(connect input h1 (local 5 5) (step 2) (border 2 -1)) (connect h1 h2 (local 5 5) (step 2) (border 2 -1)) "
    "(connect h2 output (full)))"
)
LISTED = (
    "(net n (layer input {0}) (layer hidden {0}) (layer output 10) "
    "(connect input hidden (pairs ,@(let ((l ())) (for (i 0 (- {0} 1)) (for (j 0 7) "
    "(setq l (cons (list i (mod (+ i (* j 5)) {0})) l)))) l))) (connect hidden output (full)))"
)


@dataclass(frozen=True)
class Row:
    what: str
    made: Plan
    micros: float
    flop: float
    bytes: float
    flop_micros: float
    bytes_micros: float

    def __str__(self) -> str:
        counts = self.made.net.counts
        bound = "multiply-adds" if self.flop_micros >= self.bytes_micros else "memory"
        least = max(self.flop_micros, self.bytes_micros)
        return (
            f"| {self.what} | {counts.connections:,} | {counts.weights:,} | {self.micros:,.2f} | "
            f"{self.micros / counts.connections * 1e3:.3f} | {self.flop:,.0f} | {self.bytes:,.0f} | "
            f"{self.flop_micros:,.2f} | {self.bytes_micros:,.2f} | {bound} | {self.micros / least:.1f} |"
        )


def flop_of(made: Plan) -> float:
    total = 0.0
    for stage in made.stages:
        for link in stage.links:
            connections = link.connection.wiring.connections
            total += connections * (4 if link.source == 0 else 6) + 2 * made.parameters[link.slot].size
    return total


class Contest:
    """A net and a sweep over as many bytes as its weights, measured alternately."""

    def __init__(self, what: str, program: Program):
        self.what = what
        made = self.made = plan(program.nets.get("n"))
        rule = program.updates.get("sgd").rule
        self.engine = build(made, program.trainings.get("n").cost, rule, np.float32, dict(rule.options))
        rng = np.random.default_rng(1)
        self.engine.load_parameters(
            {p.name: rng.uniform(-1, 1, p.shape) / np.sqrt(p.fan_in.reshape(p.shape)) for p in made.parameters.values()}
        )
        self.count = int(np.clip(2_000_000 // made.net.counts.connections, 2, 1000))
        self.x = rng.uniform(-1, 1, (self.count, made.input_units)).astype(np.float32)
        self.d = np.where(rng.integers(0, 10, self.count)[:, None] == np.arange(10), 1, -1).astype(np.float32)
        self.settings = Settings({p.name: 0.001 for p in made.parameters.values()}, dict(rule.options))
        self.sweep = Sweep(made.net.counts.weights)
        self.learn()
        self.micros = self.bytes_micros = float("inf")

    def learn(self) -> None:
        self.engine.learn(self.x, self.d, self.settings)

    def measure(self) -> None:
        self.micros = min(self.micros, cpu_time(self.learn) / self.count * 1e6)
        self.bytes_micros = min(self.bytes_micros, cpu_time(self.sweep.run) / self.sweep.repeats * 1e6)

    def row(self, peak: float) -> Row:
        flop = flop_of(self.made)
        return Row(
            self.what,
            self.made,
            self.micros,
            flop,
            12 * self.made.net.counts.weights,
            flop / peak * 1e6,
            self.bytes_micros,
        )


def program(net: str) -> Program:
    train = "(train n (data digits) (epsilon 0.001) (order fixed) (passes 1))"
    return read_program(Source("<scaling>", f"{net}\n{train}"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--most", type=float, default=1e7, help="connections of the largest net")
    parser.add_argument("--rounds", type=int, default=30)
    asked = parser.parse_args()
    multiply_adds = MultiplyAdds()
    contests = list(_contests(asked.most))
    seconds = []
    for _ in range(asked.rounds):
        seconds.append(cpu_time(multiply_adds.run))
        for contest in contests:
            contest.measure()
    peak = multiply_adds.flop / min(seconds)
    print(
        "# Time of a presentation against size\n\nWritten by `benchmarks/scaling.py` in float32 with sgd on one core. "
        f"Times are the least CPU time of many chunks. The core does {peak / 1e9:.0f} GFLOP/s of multiply-adds. `over` "
        "is the time divided by the greater of the two bounds.\n"
    )
    print(
        "| net | connections | weights | us | ns per connection | FLOP | bytes | us for FLOP | us for bytes | "
        "bound by | over |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---|---:|"
    )
    for contest in contests:
        print(contest.row(peak))


def _contests(most: float) -> Iterator[Contest]:
    sizes = [("dense {0}-{0}-10", DENSE, n) for n in (28, 95, 310, 995, 3157)]
    sizes += [("windows, {0} maps", MAPS, n) for n in (1, 4, 12, 16, 24, 48, 64, 160)]
    sizes += [("own windows, {0} maps", LOCAL, n) for n in (1, 4, 12, 48)]
    sizes += [("listed, {0} units", LISTED, n) for n in (100, 1000, 5000)]
    for what, text, n in sizes:
        made = program(text.format(n))
        if made.nets.get("n").counts.connections <= most * 1.2:
            yield Contest(what.format(n), made)


if __name__ == "__main__":
    main()
