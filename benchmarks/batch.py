"""Measure microseconds per pattern for learning in batches of 64 and for evaluation, beside PyTorch.

    python benchmarks/batch.py [--json] [--rounds N] [--quick] [--threads N] [--only NAME...]

All contenders run interleaved in one process, so that the ratios hold on a busy machine. Every round runs a chunk of
each contender; the least time counts: CPU time with one thread, the clock with several, which snsim and PyTorch then
both use. The script first checks that both compute the same weights and outputs. Numbers in float64 run beside eager
PyTorch only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent)]

from by_hand import Torch, use_threads  # noqa: E402
from peak import NetLimit, Peak, seconds_of  # noqa: E402
from per_example import first_weights, patterns  # noqa: E402
from rows import Row, each, parser, print_rows, row, why  # noqa: E402
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
LIMIT = 1.3  # of the windows
GOALS = {  # net: how many times faster than PyTorch: learning, evaluation
    "784-300-10": (1.8, 1.4),
    "784-1000-10": (1.8, 1.4),
    "3157-3157-10": (2.0, 1.4),
    "windows, 160 maps": (1.5, 1.1),
    "lenet-5": (5.0, 1.1),
}


class Contest:
    """A net in the native engine and in PyTorch, in numbers of one type."""

    def __init__(self, name: str, by_hand: str, source: Program, net: str, peak: Peak, compiled: bool, threads: int):
        training = source.trainings.get(net)
        made = plan(training.net)
        rule = source.updates.get("sgd").rule
        dtype = peak.dtype
        self.name, self.dtype, self.threads = name, dtype, threads
        self.limits = {what: NetLimit(made, peak, what, dtype, BATCH) for what in ("learn", "evaluate")}
        self.count = int(np.clip(2e8 // self.limits["learn"].flop, 1, 8)) * BATCH
        x, d = (values.astype(dtype) for values in patterns(made, self.count))
        weights = {key: value.astype(dtype) for key, value in first_weights(made).items()}
        native = build(made, training.cost, rule, dtype, dict(rule.options))
        native.use_threads(threads)
        native.load_parameters(weights)
        settings = Settings({key: RATE for key in weights}, dict(rule.options), batch=BATCH, batch_mean=True)
        self.acts: dict[tuple[str, str], Callable[[], object]] = {
            ("learn", "snsim"): lambda: native.learn(x, d, settings),
            ("evaluate", "snsim"): lambda: native.outputs(x),
        }
        self.absent: dict[str, str] = {}
        outputs = native.outputs(x)
        native.learn(x[: 2 * BATCH], d[: 2 * BATCH], settings)
        for rival, is_compiled in (("PyTorch eager", False), ("PyTorch compiled", True)):
            if is_compiled and not compiled:
                continue
            try:
                mean = training.cost.name == "mean-square"
                theirs = Torch(by_hand, weights, mean, getattr(torch, dtype), is_compiled)
                self._check(outputs, theirs.outputs(x, BATCH), f"outputs, {rival}")
                theirs.learn(x[: 2 * BATCH], d[: 2 * BATCH], RATE, BATCH)
            except Exception as error:  # torch.compile fails in many ways, by the machine
                self.absent[rival] = why(error)
                continue
            for key, value in theirs.parameters().items():
                self._check(native.parameters()[key], value, f"{key}, {rival}")
            self.acts["learn", rival] = lambda theirs=theirs: theirs.learn(x, d, RATE, BATCH)
            self.acts["evaluate", rival] = lambda theirs=theirs: theirs.outputs(x, BATCH)
        self.micros = dict.fromkeys(self.acts, float("inf"))

    def _check(self, ours: np.ndarray, theirs: np.ndarray, what: str) -> None:
        off = float(np.abs(ours - theirs).max())
        if off > SAME[self.dtype]:
            raise ArithmeticError(f"snsim and PyTorch do not compute the same of {self.name}: {what}: {off:.1e}")

    def measure(self) -> None:
        for key, act in self.acts.items():
            self.micros[key] = min(self.micros[key], seconds_of(act, self.threads) / self.count * 1e6)
        for limit in self.limits.values():
            limit.measure()

    def rows(self) -> Iterator[Row]:
        goals = dict(zip(("learn", "evaluate"), GOALS.get(self.name, ())))
        for what, limit in self.limits.items():
            goal = {"faster": goals[what]} if what in goals and self.dtype == "float32" and self.threads == 1 else {}
            if self.name.startswith("windows") and what == "learn" and goal:
                goal["over_limit"] = LIMIT
            yield row(
                self.name,
                f"{what}, batches of {BATCH}" + (", float64" if self.dtype == "float64" else ""),
                self.micros[what, "snsim"],
                rivals={
                    rival: time for (which, rival), time in self.micros.items() if which == what and rival != "snsim"
                },
                absent=self.absent,
                limit=limit.micros,
                goal=goal,
                threads=self.threads,
            )


def contests(quick: bool, only: list[str], peaks: dict[str, Peak], threads: int) -> dict[str, Callable[[], Contest]]:
    """Return the function that makes each contest, by the name of its row."""
    makers: dict[str, Callable[[], Contest]] = {}
    sizes = [(784, 300, 10), (784, 1000, 10), *([] if quick else [(3157, 3157, 10)])]
    nets = [("-".join(map(str, size)), "dense", lambda size=size: program(DENSE.format(*size)), "n") for size in sizes]
    nets.append(("windows, 160 maps", "windows", lambda: program(MAPS.format(160)), "n"))
    nets += [
        (net, net, lambda net=net: read_program(ROOT / "nets" / f"{net}.sn"), net) for net in ("lenet-5", "lecun89")
    ]
    for name, by_hand, source, net in nets:
        for dtype, peak in peaks.items():
            if not only or any(part in name for part in only):
                compiled = dtype == "float32" and not quick
                made = partial(Contest, name, by_hand, source(), net, peak, compiled, threads)
                makers[name if dtype == "float32" else f"{name}, {dtype}"] = made
    return makers


def main() -> None:
    options = parser(__doc__, 20, threads=True)
    options.add_argument("--only", nargs="*", default=[], help="nets whose names contain one of these")
    asked = options.parse_args()
    use_threads(asked.threads)
    dtypes = ("float32", "float64") if asked.threads == 1 else ("float32",)
    peaks = {dtype: Peak(dtype, asked.threads) for dtype in dtypes}
    made, faults = each(contests(asked.quick, asked.only, peaks, asked.threads), f"batches of {BATCH}")
    for _ in range(4 if asked.quick else asked.rounds):
        for peak in peaks.values():
            peak.measure()
        for contest in made:
            contest.measure()
    print_rows([line for contest in made for line in contest.rows()] + faults, asked.json)


if __name__ == "__main__":
    main()
