"""Measure SN-2.8 programs: presentations per second on the net of 1989, and CPU seconds of whole programs.

    python benchmarks/sn28.py [--json] [--rounds N] [--quick]
    python benchmarks/sn28.py --programs [NAME ...] [--against CHECKOUT] [--rounds N] [--json]

`--programs` runs programs by name (all without a name): those below, and those of the folder `reference/sn28-programs`
beside SNSIM_DATA. Each run is a process of its own, and counts its CPU time without start-up. With `--against`, runs of
another checkout of snsim alternate with those of this one, and medians are compared; the output must be the same.
`original` are CPU seconds that were recorded with SN-2.8: RECORDED below, and the times that `sn28-traces.json` in
`reference` has of a program (of its timed parts, which are less than the program). Without a record there is a dash.

In the measurement of presentations, all ways of learning run interleaved in one process. Every round runs a chunk of
each, in SN's order of summation and with `--fast`, and reads the CPU time of this thread. The net has 64,660
connections and 9,760 weights. The patterns are random, because times do not depend on them. `original` is SN-2.8 under
Lush 1.2.1, compiled by gcc -O3, on one core of a Xeon of 2.5 GHz: median and best over blocks of 320 patterns. On
another processor the comparison differs.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent)]

from peak import cpu_time  # noqa: E402
from rows import Row, parser, print_rows, row  # noqa: E402

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


CURVE = """(libload "sn28/sn28itenew")
(dim pattern-matrix 21 1) (dim desired-matrix 21 1)
(for (k 0 20)
  (let ((x (/ (- k 10) 10))) (pattern-matrix k 0 x) (desired-matrix k 0 (- (* 2 x x) 1))))
(alloc-net 200 2000)
(build-net '((in 1) (mid1 8) (mid2 8) (out 1)) '((in mid1) (mid1 mid2) (mid2 out)))
(seed 0) (ensemble 0 20) (smartforget) (epsi-sqrt 0.03)
"""  # the net and the first task of the example `conjgrad`
LISP = {
    "incr": "(setq s 0) (for (i 1 200000) (incr s)) (print s)",
    "while": "(setq i 0) (while (< i 200000) (incr i)) (print i)",
    "fib": "(de fib (n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2))))) (print (fib 20))",
    "matrix": "(setq m (matrix 100)) (for (k 1 400) (for (i 0 99) (m i (+ (m i) 1)))) (print (m 7))",
}
TEXTS = {
    **LISP,
    "go-online": CURVE
    + "(set-nextcho-rnd) (epsi-sqrt 0.3) (repeat 200 (learn 21) (performance 0 20)) (print global-error)",
    "go-batch": CURVE + "(repeat 1000 (learn-batch 1) (performance 0 20)) (print age global-error)",
    "go-lm": CURVE + "(repeat 200 (learn-lm 21) (performance 0 20)) (print age global-error)",
    "go-batch-lm": CURVE + "(repeat 200 (learn-batch-lm 1) (performance 0 20)) (print age global-error)",
    "go-batch-cg": CURVE
    + """(setq state '(2))
(repeat 100 (setq state (apply learn-batch-cg state)) (performance 0 20)) (print age global-error)""",
    "knn": """(libload "sn28/sn28") (seed 0) (load-iris)
(print (perf-knn iris-t iris-a) (perf-knn iris-t iris-a 5) (perf-knn iris-t (condense (multiedit iris-a 3))))
(for (v 1 3) (setq r (init-lvq-class iris-a 3)) (learn-lvq v iris-a r 20) (print (perf-knn iris-t r)))
(init-rbf iris-a 3) (learn-rbf iris-a 100) (perf-rbf iris-t)""",
}
RECORDED = {"incr": 0.02}  # CPU seconds of the original on another machine, a Xeon of 2.5 GHz
_WORKER = """
import io, sys, time
from snsim.errors import Source
from snsim.language.limits import Limits
from snsim.program import make_interpreter, new_shelves
from snsim.sn28.net.numpy_sums import sum_loops
from snsim.runtime.host import scratch
name, text = sys.argv[1], sys.stdin.read()
sum_loops()
port = io.StringIO()
with scratch() as host:
    program = make_interpreter(new_shelves(), host, port, Limits(steps=10**12, lists=10**12, matrices=10**12))
    start = time.process_time()
    program.run(Source(name, text))
    seconds = time.process_time() - start
sys.stdout.write(f"{seconds}\\n{port.getvalue()}")
"""


def reference() -> Path | None:
    """Return the folder of the original's programs and records, beside the data folder, if there is one."""
    data = os.environ.get("SNSIM_DATA")
    folder = Path(data).absolute().parent / "reference" if data else None
    return folder if folder is not None and folder.is_dir() else None


def programs() -> dict[str, str]:
    """Return the texts of all programs by name."""
    folder = reference()
    files = sorted((folder / "sn28-programs").glob("*.sn")) if folder is not None else []
    return TEXTS | {file.stem: file.read_text() for file in files}


def recorded(name: str) -> float | None:
    """Return the CPU seconds that were recorded for a program with the original, or None."""
    folder = reference()
    if name in RECORDED or folder is None or not (folder / "sn28-traces.json").exists():
        return RECORDED.get(name)
    trace = json.loads((folder / "sn28-traces.json").read_text()).get(name, {})
    parts = re.findall(r"cpu=([\d.]+) s", trace.get("stdout", ""))
    return round(sum(map(float, parts)), 3) if parts else None


def run_program(name: str, text: str, checkout: Path) -> tuple[float, str]:
    """Run a program with the snsim of a checkout; return its CPU seconds and what it printed."""
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    command = [sys.executable, "-c", _WORKER, f"<{name}>"]
    result = subprocess.run(
        command, input=text, capture_output=True, text=True, env=environment, cwd=checkout, check=False
    )
    if result.returncode:
        raise SystemExit(f"{name} failed with the snsim of {checkout}:\n{result.stderr[-2_000:]}")
    seconds, _, printed = result.stdout.partition("\n")
    return float(seconds), printed


def measure_programs(names: Sequence[str], against: Path | None, rounds: int, as_json: bool) -> None:
    """Run programs in turn, with both checkouts in each round, and print medians."""
    texts = programs()
    unknown = [name for name in names if name not in texts]
    if unknown:
        raise SystemExit(f"no program {', '.join(unknown)}; there are: {', '.join(texts)}")
    if not as_json:
        print(f"CPU seconds of a program without start-up, median of {rounds}\n")
        print(f"{'program':28} {'other':>8} {'here':>8} {'times':>6} {'original':>9}  output")
    for name in names or texts:
        here: list[float] = []
        other: list[float] = []
        same = True
        for _ in range(rounds):
            before = None if against is None else run_program(name, texts[name], against)
            now = run_program(name, texts[name], ROOT)
            here.append(now[0])
            if before is not None:
                other.append(before[0])
                same = same and before[1] == now[1]
        median = float(np.median(here))
        old = float(np.median(other)) if other else None
        original = recorded(name)
        if as_json:
            print(json.dumps({"program": name, "here": median, "other": old, "original": original, "same": same}))
            continue
        columns = ["-" if old is None else f"{old:.3f}", f"{median:.3f}", "-" if old is None else f"{old / median:.1f}"]
        columns.append("-" if original is None else f"{original:.2f}")
        print(f"{name:28} {columns[0]:>8} {columns[1]:>8} {columns[2]:>6} {columns[3]:>9}  ", end="")
        print("" if old is None else "equal" if same else "DIFFERENT", flush=True)


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
    def row(self) -> Row:
        """The time of a presentation, beside the least that was recorded of the original."""
        return row(
            self.kernel,
            f"{self.way}, {self.order}",
            1e6 / max(self.rates),
            rivals={"SN-2.8 (recorded)": 1e6 / self.original[1]},
            goal={"faster": 1.0},
            note=f"sums by {self.program.part(Netspace).loops.name}",
        )


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
    for order, fast in (("SN's order", False), ("--fast", True)):
        programs = {kernel: program(kernel, fast) for kernel in ("sn28ite", "sn28itenew")}
        for kernel, way, call, original in WAYS:
            made.append(
                Contender(
                    kernel, way, order, original, programs[kernel], call.format(count=count, last=count - 1), count
                )
            )
    return made


def main() -> None:
    options = parser(__doc__, 15)
    options.add_argument("--programs", nargs="*", metavar="NAME", help="CPU seconds of whole programs")
    options.add_argument("--against", type=Path, metavar="CHECKOUT", help="another checkout, for --programs")
    asked = options.parse_args()
    if asked.programs is not None:
        measure_programs(asked.programs, asked.against, asked.rounds, asked.json)
        return
    made = contenders(asked.quick)
    for _ in range(3 if asked.quick else asked.rounds):
        for contender in made:
            contender.measure()
    print_rows([contender.row for contender in made], asked.json)


if __name__ == "__main__":
    main()
