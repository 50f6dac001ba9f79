"""Measure microseconds per presentation (forward, backward, update), one pattern at a time.

    python benchmarks/per_example.py [--json] [--rounds N] [--quick] [--threads N]

All contenders run interleaved in one process, so that the ratios hold on a busy machine. Every round runs a chunk of
each contender; the least time counts: CPU time with one thread, the clock with several. snsim learns one pattern at a
time on one core, whatever the number of threads. The script first checks that the contenders compute the same.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent)]

from by_hand import NETS as BY_HAND  # noqa: E402
from by_hand import NumPy, Torch, use_threads  # noqa: E402
from peak import NetLimit, Peak, seconds_of  # noqa: E402
from rows import Row, each, parser, print_rows, row, why  # noqa: E402

from snsim.engines.native import build  # noqa: E402
from snsim.engines.plan import Plan, plan  # noqa: E402
from snsim.engines.protocol import Settings  # noqa: E402
from snsim.program import Program, read_program  # noqa: E402

SAME = 1e-4  # weights that differ by less after a few presentations differ by rounding only
GOALS = {"lecun89-2022": 1.3, "lenet-5": 1.6, "lecun89 lm": 1.4}  # times the limit
NETS = ("lecun89-2022", "lecun89", "lecun89-full", "net-5", "lenet-1", "lenet-5")


@dataclass
class Contender:
    name: str
    presentations: int  # in a chunk
    learn: Callable[[], None]
    micros: float = field(default=float("inf"))

    def measure(self, threads: int) -> None:
        self.micros = min(self.micros, seconds_of(self.learn, threads) / self.presentations * 1e6)


def patterns(made: Plan, count: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """Return patterns that can be learned: noisy copies of one random prototype per output, with targets +-1."""
    rng = np.random.default_rng(1)
    label = rng.integers(0, made.output_units, count)
    prototypes = rng.uniform(-1, 1, (made.output_units, made.input_units))
    x = np.clip(0.6 * prototypes[label] + 0.8 * rng.uniform(-1, 1, (count, made.input_units)), -1, 1)
    d = np.where(label[:, None] == np.arange(made.output_units), 1.0, -1.0)
    return x.astype(np.float32), d.astype(np.float32)


def first_weights(made: Plan) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    return {
        p.name: (rng.uniform(-1, 1, p.shape) * 2.4 / np.sqrt(p.fan_in.reshape(p.shape))).astype(np.float32)
        for p in made.parameters.values()
    }


class Bench:
    """All contenders of one net. Each is checked against the others."""

    def __init__(self, program: Program, net: str, peak: Peak):
        training = program.trainings.get(net)
        self.net, self.cost, self.updates = net, training.cost, program.updates
        self.plan = plan(training.net)
        self.x, self.d = patterns(self.plan)
        self.weights = first_weights(self.plan)
        self.rate = 0.03 if self.cost.name == "mean-square" else 0.003
        self.rivals: list[Contender] = []
        self.absent: dict[str, str] = {}
        self._expected: dict[str, np.ndarray] = {}
        many = int(np.clip(30_000_000 // self.plan.net.counts.connections, 20, 500))
        self.native = self._native("sgd", many)
        self.limit = NetLimit(self.plan, peak)
        self.lm = self._native("lm", many) if net == "lecun89" else None
        self.lm_limit = NetLimit(self.plan, peak, curvature=True)

    def _native(self, rule_name: str, presentations: int) -> Contender:
        rule = self.updates.get(rule_name).rule
        options = dict(rule.options)
        native = build(self.plan, self.cost, rule, np.float32, options)
        rate = self.rate if rule_name == "sgd" else 0.0005
        settings = Settings({name: rate for name in self.weights}, options)
        native.load_parameters(self.weights)
        if rule_name == "sgd":
            self._check("snsim", native.parameters, lambda x, d: native.learn(x, d, settings))
        x, d = self.x[:presentations], self.d[:presentations]
        return Contender("snsim", presentations, lambda: native.learn(x, d, settings))

    def add_rival(self, name: str, make: Callable[[], Torch | NumPy], presentations: int) -> None:
        """Add a rival, or why it cannot run."""
        try:
            rival = make()
            self._check(name, rival.parameters, lambda x, d: rival.learn(x, d, self.rate))
        except Exception as error:  # torch.compile fails in many ways, by the machine
            self.absent[name] = why(error)
            return
        x, d = self.x[:presentations], self.d[:presentations]
        self.rivals.append(Contender(name, presentations, lambda: rival.learn(x, d, self.rate)))

    def _check(
        self, who: str, parameters: Callable[[], Mapping[str, np.ndarray]], learn: Callable[..., object]
    ) -> None:
        """Raise ArithmeticError if a contender has other weights than the first after ten presentations."""
        learn(self.x[:10], self.d[:10])
        now = {name: np.array(value) for name, value in parameters().items()}
        self._expected = self._expected or now
        off = max(float(np.abs(now[name] - value).max()) for name, value in self._expected.items())
        if off > SAME:
            raise ArithmeticError(f"{who} of {self.net} does not compute the same: weights differ by {off:.1e}")

    def measure(self, threads: int) -> None:
        for contender in (self.native, self.lm, *self.rivals):
            if contender is not None:
                contender.measure(threads)
        self.limit.measure()
        self.lm_limit.measure()

    def rows(self, threads: int) -> list[Row]:
        rivals = {rival.name: rival.micros for rival in self.rivals}
        what, note = "learn, one at a time", "" if threads == 1 else "snsim learns on one core"
        goals = {"over_limit": GOALS[self.net]} if self.net in GOALS and threads == 1 else {}
        made = [
            row(
                self.net,
                what,
                self.native.micros,
                rivals=rivals,
                absent=self.absent,
                limit=self.limit.micros,
                goal=goals,
                threads=threads,
                note=note,
            )
        ]
        if self.lm is not None and threads == 1:
            lm_goal = {"over_limit": GOALS[f"{self.net} lm"]}
            limit = self.lm_limit.micros
            made.append(row(f"{self.net}, lm", what, self.lm.micros, limit=limit, goal=lm_goal))
        return made


def make_bench(net: str, quick: bool, peak: Peak) -> Bench:
    bench = Bench(read_program(ROOT / "nets" / f"{net}.sn"), net, peak)
    mean, few = bench.cost.name == "mean-square", 2 if quick else 5
    if net in BY_HAND:
        bench.add_rival("PyTorch eager", lambda: Torch(net, bench.weights, mean), few)
        if not quick:
            bench.add_rival("PyTorch compiled", lambda: Torch(net, bench.weights, mean, compiled=True), few)
    if net == "lecun89-2022":
        bench.add_rival("NumPy", lambda: NumPy(bench.weights), 20 if quick else 50)
    return bench


def main() -> None:
    asked = parser(__doc__, 60, threads=True).parse_args()
    use_threads(asked.threads)
    peak = Peak(threads=1)  # of the core on which snsim learns
    made, faults = each({net: partial(make_bench, net, asked.quick, peak) for net in NETS}, "learn, one at a time")
    for _ in range(10 if asked.quick else asked.rounds):
        peak.measure()
        for bench in made:
            bench.measure(asked.threads)
    print_rows([line for bench in made for line in bench.rows(asked.threads)] + faults, asked.json)


if __name__ == "__main__":
    main()
