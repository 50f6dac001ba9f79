"""Measure many seeds of the net of 1989 that learn one example at a time: together, beside the native engine.

    python benchmarks/seeds.py [--json] [--rounds N] [--quick] [--device cuda]

`snsim reproduce --together N` steps N nets at the same time with torch.func.vmap, on a GPU or on the processor. Times
are microseconds for each presentation of each net, by the clock on a device and by CPU time of one core else. The rival
is the native engine, which trains one net after the other on one core: a processor with C cores does C of them at a
time. The torch engine with one net stands beside it. All run interleaved in one process.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent)]

from by_hand import use_threads  # noqa: E402
from peak import cpu_time, seconds_of  # noqa: E402
from per_example import patterns  # noqa: E402
from rows import Row, each, parser, print_rows, row  # noqa: E402

from snsim.engines import build, build_together  # noqa: E402
from snsim.engines.plan import plan  # noqa: E402
from snsim.engines.protocol import Settings  # noqa: E402
from snsim.program import read_program  # noqa: E402

NET, RATE = "lecun89-2022", 0.03
STEPS, ALONE = 8, 200  # presentations of each net in a chunk; of the native engine


class Contest:
    """`count` nets together, one net in the torch engine, and one in the native engine."""

    def __init__(self, count: int, device: str):
        training = read_program(ROOT / "nets" / f"{NET}.sn").trainings.get(NET)
        made, rule = plan(training.net), training.stages[0].rule
        options = dict(rule.options)
        names = [p.name for p in made.parameters.values() if p.learns]
        x, d = patterns(made)
        rng = np.random.default_rng(1)
        settings = Settings(dict.fromkeys(names, RATE), options)
        native = build("native", made, training.cost, rule, "float32", options)
        alone = build("torch", made, training.cost, rule, "float32")
        nets = build_together(made, training.cost, rule, np.dtype("float32"), count, device)
        for net in (native, alone, *nets):
            net.load_parameters(
                {
                    n: rng.uniform(-1, 1, made.parameters[n].shape) / np.sqrt(made.parameters[n].fan_in.max())
                    for n in names
                }
            )
        orders = [rng.permutation(len(x))[:STEPS] for _ in nets]
        chunks = [(x[order], d[order]) for order in orders]

        def together() -> None:
            for net, (inputs, targets) in zip(nets, chunks):
                net.learn(inputs, targets, settings)
            nets[0].state()  # all learn what they have noted

        self.count, self.device = count, device
        self._together = together
        self._alone = lambda: alone.learn(*chunks[0], settings)
        self._native = lambda: native.learn(x[:ALONE], d[:ALONE], settings)
        self.micros = dict.fromkeys(("together", "alone", "native"), float("inf"))
        for act in (self._together, self._alone, self._native):
            act()

    def measure(self) -> None:
        threads = 1 if self.device == "cpu" else 2  # of a device only the clock tells the time
        for name, seconds in (
            ("together", seconds_of(self._together, threads) / STEPS / self.count),
            ("alone", seconds_of(self._alone, threads) / STEPS),
            ("native", cpu_time(self._native) / ALONE),
        ):
            self.micros[name] = min(self.micros[name], seconds * 1e6)

    def row(self) -> Row:
        return row(
            f"{NET}, {self.count:,} nets",
            f"learn together, one at a time, {self.device}",
            self.micros["together"],
            rivals={"native engine": self.micros["native"], "torch engine, one net": self.micros["alone"]},
            note="" if self.device != "cpu" else "without a GPU: the same code on the processor",
        )


def main() -> None:
    options = parser(__doc__, 5)
    options.add_argument("--device", help="of PyTorch [default: cuda where there is one, else cpu]")
    asked = options.parse_args()
    use_threads(1)
    import torch

    device = asked.device or ("cuda" if torch.cuda.is_available() else "cpu")
    counts = (64,) if asked.quick else (64, 1024)
    made, faults = each(
        {f"{NET}, {count:,} nets": lambda count=count: Contest(count, device) for count in counts}, "learn together"
    )
    for _ in range(1 if asked.quick else asked.rounds):
        for contest in made:
            contest.measure()
    print_rows([contest.row() for contest in made] + faults, asked.json)


if __name__ == "__main__":
    main()
