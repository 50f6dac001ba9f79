"""Measure microseconds per presentation (forward, backward, update), one pattern at a time, on one core.

    python benchmarks/per_example.py [--json] [--rounds N] [--quick]

All contenders run interleaved in one process, so that the ratios hold on a busy machine. Every round runs a chunk of
each contender and reads the CPU time of this thread. The script first checks that the contenders compute the same.
`limit` is the time that the multiply-adds alone would take at the peak rate measured in the same process.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent)]

from by_hand import NumPy, Torch  # noqa: E402
from peak import MultiplyAdds, cpu_time  # noqa: E402

from snsim.engines.native import build  # noqa: E402
from snsim.engines.plan import Plan, plan  # noqa: E402
from snsim.engines.protocol import Settings  # noqa: E402
from snsim.program import Program, read_program  # noqa: E402

FLOP = 343_560  # per presentation of lecun89-2022: 171,780 multiply-adds (no errors for the input)
SAME = 1e-4  # weights that differ by less after a few presentations differ by rounding only


@dataclass
class Contender:
    net: str
    engine: str
    presentations: int  # in a chunk
    learn: Callable[[], None]
    micros: list[float] = field(default_factory=list)

    def measure(self) -> None:
        self.micros.append(cpu_time(self.learn) / self.presentations * 1e6)

    @property
    def record(self) -> dict:
        return {
            "net": self.net,
            "engine": self.engine,
            "us_median": round(float(np.median(self.micros)), 3),
            "us_min": round(min(self.micros), 3),
        }


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

    def __init__(self, program: Program, net: str):
        training = program.trainings.get(net)
        self.net, self.cost, self.updates = net, training.cost, program.updates
        self.plan = plan(training.net)
        self.x, self.d = patterns(self.plan)
        self.weights = first_weights(self.plan)
        self.rate = 0.03 if self.cost.name == "mean-square" else 0.003
        self.made: list[Contender] = []

    def native(self, rule_name: str, presentations: int, engine: str) -> None:
        rule = self.updates.get(rule_name).rule
        options = dict(rule.options)
        native = build(self.plan, self.cost, rule, np.float32, options)
        rate = self.rate if rule_name == "sgd" else 0.0005
        settings = Settings({name: rate for name in self.weights}, options)
        native.load_parameters(self.weights)
        if rule_name == "sgd":
            self._check(native.parameters, lambda x, d: native.learn(x, d, settings), engine)
        self._add(engine, presentations, lambda: native.learn(self.x[:presentations], self.d[:presentations], settings))

    def by_hand(self, engine: str, contender: Torch | NumPy, presentations: int) -> None:
        self._check(contender.parameters, lambda x, d: contender.learn(x, d, self.rate), engine)
        self._add(
            engine, presentations, lambda: contender.learn(self.x[:presentations], self.d[:presentations], self.rate)
        )

    def _add(self, engine: str, presentations: int, learn: Callable[[], None]) -> None:
        self.made.append(Contender(self.net, engine, presentations, learn))

    def _check(self, parameters: Callable, learn: Callable, engine: str) -> None:
        """Exit if a contender has other weights than the first after ten presentations."""
        learn(self.x[:10], self.d[:10])
        now = {name: np.array(value) for name, value in parameters().items()}
        if not hasattr(self, "_expected"):
            self._expected = now
        off = max(float(np.abs(now[name] - value).max()) for name, value in self._expected.items())
        if off > SAME:
            raise SystemExit(f"{engine} of {self.net} does not compute the same: weights differ by {off:.1e}")


def benches(quick: bool) -> list[Bench]:
    made = []
    for net in ("lecun89-2022", "lecun89", "lecun89-full", "net-5", "lenet-5"):
        bench = Bench(read_program(ROOT / "nets" / f"{net}.sn"), net)
        large = net == "lenet-5"
        bench.native("sgd", 50 if large else 500, "native")
        if net == "lecun89":
            bench.native("lm", 500, "native lm")
        mean = bench.cost.name == "mean-square"
        bench.by_hand("torch eager", Torch(net, bench.weights, mean), 2 if quick else 5)
        if net == "lecun89-2022":
            bench.by_hand("numpy", NumPy(bench.weights), 20 if quick else 50)
        made.append(bench)
    return made


def ratios(made: list[Bench], peak: float) -> list[dict]:
    """Return the ratios of the minima by net, lecun89-2022 last."""
    found = []
    for bench in made:
        least = {c.engine: min(c.micros) for c in bench.made}
        ratio = {"net": bench.net, "torch_over_native": round(least["torch eager"] / least["native"], 1)}
        if "native lm" in least:
            ratio["lm_over_sgd"] = round(least["native lm"] / least["native"], 2)
        if "numpy" in least:
            ratio["numpy_over_native"] = round(least["numpy"] / least["native"], 1)
            ratio["native_over_limit"] = round(least["native"] / (FLOP / peak * 1e6), 2)
        found.append(ratio)
    return sorted(found, key=lambda r: "numpy_over_native" in r)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object per line; ratios last")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--quick", action="store_true", help="few and short rounds")
    asked = parser.parse_args()
    made = benches(asked.quick)
    multiply_adds = MultiplyAdds()
    seconds = []
    for _ in range(10 if asked.quick else asked.rounds):
        seconds.append(cpu_time(multiply_adds.run))
        for bench in made:
            for contender in bench.made:
                contender.measure()
    peak = multiply_adds.flop / min(seconds)
    limit = {
        "net": "lecun89-2022",
        "engine": "limit",
        "us_median": round(FLOP / peak * 1e6, 3),
        "us_min": round(FLOP / peak * 1e6, 3),
    }
    records = [c.record for bench in made for c in bench.made] + [limit]
    if asked.json:
        for line in [*records, *ratios(made, peak)]:
            print(json.dumps(line))
        return
    print(f"{'net':14} {'engine':12} {'median us':>10} {'least us':>10}")
    for r in records:
        print(f"{r['net']:14} {r['engine']:12} {r['us_median']:10.2f} {r['us_min']:10.2f}")
    print(
        f"\nmultiply-adds of this core: {peak / 1e9:.0f} GFLOP/s; at that rate {FLOP:,} FLOP take "
        f"{FLOP / peak * 1e6:.2f} us\n"
    )
    for ratio in ratios(made, peak):
        print(ratio.pop("net") + ": " + ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in ratio.items()))


if __name__ == "__main__":
    main()
