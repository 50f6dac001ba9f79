"""Measure microseconds per pattern for learning in batches and for evaluation, on one core, beside eager PyTorch.

    python benchmarks/batch.py [--json] [--rounds N] [--quick] [--only NAME...]

All contenders run interleaved in one process, so that the ratios hold on a busy machine. Every round runs a chunk of
each contender and reads the CPU time of this thread; the least time counts. PyTorch has one thread. The script first
checks that both compute the same weights and outputs. `limit` is the time that the multiply-adds alone would take at
the peak rate measured in the same process: 2 FLOP for each connection forward, 2 for the error of its source unless
that is the input, and 2 for the gradient.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent)]

from by_hand import Torch  # noqa: E402
from peak import MultiplyAdds, cpu_time  # noqa: E402
from per_example import first_weights, patterns  # noqa: E402
from scaling import MAPS, program  # noqa: E402

from snsim.engines.native import build  # noqa: E402
from snsim.engines.plan import plan  # noqa: E402
from snsim.engines.protocol import Settings  # noqa: E402
from snsim.program import Program, read_program  # noqa: E402

BATCH, RATE = 64, 0.01
SAME = {"float32": 2e-4, "float64": 1e-9}  # weights that differ by less after a few batches differ by rounding only
DENSE = (
    "(net n (layer input {0}) (layer hidden {1}) (layer output {2}) "
    "(connect input hidden (full)) (connect hidden output (full)))"
)


class Contest:
    """A net in the native engine and in PyTorch, in numbers of one type."""

    def __init__(self, name: str, by_hand: str, source: Program, net: str, dtype: str):
        training = source.trainings.get(net)
        made = plan(training.net)
        rule = source.updates.get("sgd").rule
        links = [(link, link.connection.wiring.connections) for stage in made.stages for link in stage.links]
        self.name, self.dtype = name, dtype
        self.flop = {
            "learn": sum((4 if link.source == 0 else 6) * count for link, count in links),
            "evaluate": sum(2 * count for _, count in links),
        }
        count = int(np.clip(2e8 // self.flop["learn"], 1, 8)) * BATCH
        x, d = (values.astype(dtype) for values in patterns(made, count))
        weights = {key: value.astype(dtype) for key, value in first_weights(made).items()}
        native = build(made, training.cost, rule, dtype, dict(rule.options))
        native.load_parameters(weights)
        native.use_threads(1)
        settings = Settings({key: RATE for key in weights}, dict(rule.options), batch=BATCH, batch_mean=True)
        rival = Torch(by_hand, weights, training.cost.name == "mean-square", getattr(torch, dtype))
        self.count = count
        self.acts: dict[tuple[str, str], Callable[[], object]] = {
            ("learn", "native"): lambda: native.learn(x, d, settings),
            ("learn", "torch"): lambda: rival.learn_batches(x, d, RATE, BATCH),
            ("evaluate", "native"): lambda: native.outputs(x),
            ("evaluate", "torch"): lambda: rival.outputs(x, BATCH),
        }
        self._check(native.outputs(x), rival.outputs(x, BATCH), "outputs")
        native.learn(x[: 2 * BATCH - 5], d[: 2 * BATCH - 5], settings)
        rival.learn_batches(x[: 2 * BATCH - 5], d[: 2 * BATCH - 5], RATE, BATCH)
        for key, value in rival.parameters().items():
            self._check(native.parameters()[key], value, key)
        self.micros: dict[tuple[str, str], list[float]] = {key: [] for key in self.acts}

    def _check(self, ours: np.ndarray, theirs: np.ndarray, what: str) -> None:
        off = float(np.abs(ours - theirs).max())
        if off > SAME[self.dtype]:
            raise SystemExit(f"native and PyTorch do not compute the same {what} of {self.name}: {off:.1e}")

    def measure(self) -> None:
        for key, act in self.acts.items():
            self.micros[key].append(cpu_time(act) / self.count * 1e6)

    def records(self, peak: float) -> Iterator[dict]:
        for what, flop in self.flop.items():
            native, rival = (min(self.micros[what, engine]) for engine in ("native", "torch"))
            limit = flop / peak * 1e6
            yield {
                "net": self.name,
                "dtype": self.dtype,
                "what": what,
                "batch": BATCH,
                "native_us": round(native, 3),
                "torch_us": round(rival, 3),
                "limit_us": round(limit, 3),
                "torch_over_native": round(rival / native, 2),
                "native_over_limit": round(native / limit, 2),
            }


def contests(quick: bool, only: list[str]) -> Iterator[Contest]:
    sizes = [(784, 300, 10), (784, 1000, 10), *([] if quick else [(3157, 3157, 10)])]
    nets = [("-".join(map(str, size)), "dense", lambda size=size: program(DENSE.format(*size)), "n") for size in sizes]
    nets.append(("windows, 160 maps", "windows", lambda: program(MAPS.format(160)), "n"))
    nets += [
        (net, net, lambda net=net: read_program(ROOT / "nets" / f"{net}.sn"), net) for net in ("lenet-5", "lecun89")
    ]
    for name, by_hand, source, net in nets:
        for dtype in ("float32", "float64"):
            if not only or any(part in name for part in only):
                yield Contest(name, by_hand, source(), net, dtype)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object per line")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="few rounds, no large nets")
    parser.add_argument("--only", nargs="*", default=[], help="nets whose names contain one of these")
    asked = parser.parse_args()
    made = list(contests(asked.quick, asked.only))
    peaks = {dtype: MultiplyAdds(dtype) for dtype in SAME}
    seconds: dict[str, list[float]] = {dtype: [] for dtype in SAME}
    for _ in range(4 if asked.quick else asked.rounds):
        for dtype, multiply_adds in peaks.items():
            seconds[dtype].append(cpu_time(multiply_adds.run))
        for contest in made:
            contest.measure()
    rates = {dtype: peaks[dtype].flop / min(seconds[dtype]) for dtype in SAME}
    records = [record for contest in made for record in contest.records(rates[contest.dtype])]
    if asked.json:
        for record in records:
            print(json.dumps(record))
        return
    print(
        f"{'net':18} {'dtype':8} {'':9} {'native us':>10} {'torch us':>10} {'limit us':>10} {'torch/':>8} {'/limit':>7}"
    )
    for r in records:
        print(
            f"{r['net']:18} {r['dtype']:8} {r['what']:9} {r['native_us']:10.2f} {r['torch_us']:10.2f} "
            f"{r['limit_us']:10.2f} {r['torch_over_native']:8.2f} {r['native_over_limit']:7.2f}"
        )
    print("\nPeak of this core: " + ", ".join(f"{rate / 1e9:.0f} GFLOP/s in {dtype}" for dtype, rate in rates.items()))


if __name__ == "__main__":
    main()
