"""Measure how the time of a presentation grows with connections (10^3 to 10^7) and with maps, one pattern at a time.

    python benchmarks/scaling.py [--json] [--rounds N] [--quick] [--most CONNECTIONS]

All contenders run interleaved in one process, in float32 with plain gradient descent on one core; the least CPU time
counts. Eager PyTorch runs beside dense nets and windows of shared weights. Windows with weights of their own and listed
connections have no layer in PyTorch, so they have no rival.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent)]

from by_hand import Torch, use_threads  # noqa: E402
from peak import NetLimit, Peak, cpu_time  # noqa: E402
from rows import Row, parser, print_rows, row  # noqa: E402

from snsim.engines.native import build  # noqa: E402
from snsim.engines.plan import plan  # noqa: E402
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


RATE = 0.001


class Contest:
    """A net in snsim and in PyTorch, and its limit, measured alternately."""

    def __init__(self, name: str, program: Program, peak: Peak, by_hand: str | None):
        self.name = name
        made = plan(program.nets.get("n"))
        training, rule = program.trainings.get("n"), program.updates.get("sgd").rule
        engine = build(made, training.cost, rule, np.float32, dict(rule.options))
        rng = np.random.default_rng(1)
        weights = {
            p.name: (rng.uniform(-1, 1, p.shape) / np.sqrt(p.fan_in.reshape(p.shape))).astype(np.float32)
            for p in made.parameters.values()
        }
        engine.load_parameters(weights)
        self.connections = made.net.counts.connections
        self.count = int(np.clip(2_000_000 // self.connections, 2, 1000))
        self.few = min(self.count, 5)
        x = rng.uniform(-1, 1, (self.count, made.input_units)).astype(np.float32)
        d = np.where(rng.integers(0, 10, self.count)[:, None] == np.arange(10), 1, -1).astype(np.float32)
        settings = Settings(dict.fromkeys(weights, RATE), dict(rule.options))
        self.learn = lambda: engine.learn(x, d, settings)
        self.limit = NetLimit(made, peak)
        rival = None if by_hand is None else Torch(by_hand, weights, training.cost.name == "mean-square")
        self.learn_rival = None if rival is None else lambda: rival.learn(x[: self.few], d[: self.few], RATE)
        self.micros = self.rival_micros = float("inf")

    def measure(self) -> None:
        self.micros = min(self.micros, cpu_time(self.learn) / self.count * 1e6)
        if self.learn_rival is not None:
            self.rival_micros = min(self.rival_micros, cpu_time(self.learn_rival) / self.few * 1e6)
        self.limit.measure()

    def row(self) -> Row:
        bound = "multiply-adds" if self.limit.flop_micros >= self.limit.bytes_micros else "memory"
        per_connection = self.micros / self.connections * 1e3
        return row(
            self.name,
            "learn, one at a time",
            self.micros,
            rivals={} if self.learn_rival is None else {"PyTorch eager": self.rival_micros},
            limit=self.limit.micros,
            note=f"{self.connections:,} connections, {per_connection:.3f} ns each; the limit is that of {bound}",
        )


def program(net: str) -> Program:
    train = "(train n (data digits) (epsilon 0.001) (order fixed) (passes 1))"
    return read_program(Source("<scaling>", f"{net}\n{train}"))


def main() -> None:
    options = parser(__doc__, 20)
    options.add_argument("--most", type=float, default=1e7, help="connections of the largest net")
    asked = options.parse_args()
    use_threads(1)
    peak = Peak()
    contests = list(_contests(min(asked.most, 1e6) if asked.quick else asked.most, peak))
    for _ in range(3 if asked.quick else asked.rounds):
        peak.measure()
        for contest in contests:
            contest.measure()
    print_rows([contest.row() for contest in contests], asked.json)


def _contests(most: float, peak: Peak) -> Iterator[Contest]:
    sizes = [("dense {0}-{0}-10", DENSE, n, "dense") for n in (28, 95, 310, 995, 3157)]
    sizes += [("windows, {0} maps", MAPS, n, "windows") for n in (1, 4, 12, 24, 48, 64, 160)]
    sizes += [("own windows, {0} maps", LOCAL, n, None) for n in (1, 4, 12, 48)]
    sizes += [("listed, {0} units", LISTED, n, None) for n in (100, 1000, 5000)]
    for name, text, n, by_hand in sizes:
        made = program(text.format(n))
        if made.nets.get("n").counts.connections <= most * 1.2:
            yield Contest(name.format(n), made, peak, by_hand)


if __name__ == "__main__":
    main()
