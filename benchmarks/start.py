"""Measure what a command costs before and beside the learning: its start, a pass over few patterns, and reading data.

    python benchmarks/start.py [--rounds N] [--quick] [--json]

Times are CPU times (user and system) in seconds. The commands run one after the other, N rounds of all of them, and the
smallest time of each counts. XOR trained by plain Python and by NumPy stands beside the runs of XOR. The limit of a
start is that of Python with NumPy. `net of 1989` is the whole run of nets/lecun89-2022.sn, start to end, alone and with
eight seeds in two processes; the limit is learning alone in the engine. It needs its data (SNSIM_DATA).
"""

from __future__ import annotations

import math
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent)]

from peak import Peak, cpu_time  # noqa: E402
from per_example import Bench  # noqa: E402
from rows import Row, failed, parser, print_rows, row  # noqa: E402

from snsim.program import read_program  # noqa: E402

PASSES = 4000
PATTERNS, TARGETS = ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)), (-1.0, 1.0, -1.0, 1.0)

NET, PASS = "net of 1989, 23 passes, both sets scored", "a pass over the 4 patterns of XOR"
SEEDS = 8
STUDY = f"net of 1989, {SEEDS} seeds by snsim reproduce"
GOALS = {  # seconds on an AMD EPYC with AVX-512
    "snsim check nets/xor.sn": 0.25,
    "snsim run nets/xor.sn": 0.30,
    f"snsim run nets/xor.sn, {PASSES:,} passes": 0.9,
    PASS: 50e-6,
    NET: 1.4,
    STUDY: 11.0,
}


def cpu_of(command: list[str], cache: Path) -> float:
    """Return the CPU time of a command that must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SNSIM_CACHE": str(cache)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's Python keeps the compiled modules
    environment["PYTHONPYCACHEPREFIX"] = str(cache / "bytecode")
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def train_by_python(passes: int) -> float:
    """Train XOR (2-2-1, tanh, one pattern at a time) by plain Python, score each pass, and return the last loss."""
    hidden, output = [[0.3, -0.5, 0.1], [-0.4, 0.6, -0.2]], [0.5, -0.3, 0.2]
    loss = 0.0
    for _ in range(passes):
        for (a, b), target in zip(PATTERNS, TARGETS):
            h = [math.tanh(row[0] * a + row[1] * b + row[2]) for row in hidden]
            y = math.tanh(output[0] * h[0] + output[1] * h[1] + output[2])
            delta = (y - target) * (1 - y * y)
            back = [delta * output[k] * (1 - h[k] * h[k]) for k in (0, 1)]
            output = [output[0] - delta * h[0] / 3, output[1] - delta * h[1] / 3, output[2] - delta / 3]
            for v, d in zip(hidden, back):
                v[0], v[1], v[2] = v[0] - d * a / 3, v[1] - d * b / 3, v[2] - d / 3
        loss = 0.0
        for (a, b), target in zip(PATTERNS, TARGETS):
            h = [math.tanh(row[0] * a + row[1] * b + row[2]) for row in hidden]
            loss += (math.tanh(output[0] * h[0] + output[1] * h[1] + output[2]) - target) ** 2 / 8
    return loss


def train_by_numpy(passes: int) -> float:
    """Train XOR as `train_by_python` does, with arrays of NumPy."""
    x, d = np.array([(*pattern, 1.0) for pattern in PATTERNS]), np.array(TARGETS)
    v, w = np.array([[0.3, -0.5, 0.1], [-0.4, 0.6, -0.2]]), np.array([0.5, -0.3, 0.2])
    h = np.ones(3)
    loss = 0.0
    for _ in range(passes):
        for inputs, target in zip(x, d):
            h[:2] = np.tanh(v @ inputs)
            y = np.tanh(w @ h)
            delta = (y - target) * (1 - y * y)
            back = delta * w[:2] * (1 - h[:2] ** 2)
            w -= delta / 3 * h
            v -= np.outer(back / 3, inputs)
        states = np.concatenate([np.tanh(x @ v.T), np.ones((4, 1))], axis=1)
        loss = float(((np.tanh(states @ w) - d) ** 2).mean() / 2)
    return loss


def cpu_of_call(action: Callable[[int], float]) -> float:
    """Return the CPU time of PASSES passes."""
    began = time.process_time()
    action(PASSES)
    return time.process_time() - began


def main() -> None:
    asked = parser(__doc__, 5).parse_args()
    with tempfile.TemporaryDirectory(prefix="start-") as folder:
        times = measured(1 if asked.quick else asked.rounds, Path(folder))
    print_rows(rows_of(times), asked.json)


def rows_of(times: dict[str, float]) -> list[Row]:
    """Return the rows of some measured times."""
    start, many = times["Python with NumPy"], f"snsim run nets/xor.sn, {PASSES:,} passes"
    limits = {what: start for what in times if what.startswith("snsim")}
    rivals = {
        many: {who: times[f"XOR by {who}"] + start for who in ("plain Python", "NumPy")},
        PASS: {who: times[f"XOR by {who}"] / PASSES for who in ("plain Python", "NumPy")},
    }
    if NET in times:
        limits[NET] = times.pop("learning alone")
        limits[STUDY] = SEEDS * limits[NET]
    made = [
        row(
            what,
            "CPU time, start to end" if what != PASS else "CPU time",
            seconds,
            "s",
            rivals=rivals.get(what),
            limit=limits.get(what),
            goal={"time": GOALS[what]} if what in GOALS else None,
        )
        for what, seconds in times.items()
        if not what.startswith("XOR by")
    ]
    if NET not in times:
        made.append(failed(NET, "CPU time, start to end", "its data are in no folder SNSIM_DATA"))
    return made


def learning_alone() -> float:
    """Return the CPU seconds of 23 passes over 7,291 patterns in the engine, without data, scores and records."""
    bench = Bench(read_program(ROOT / "nets" / "lecun89-2022.sn"), "lecun89-2022", Peak())
    least = min(cpu_time(bench.native.learn) for _ in range(20))
    return least / bench.native.presentations * 23 * 7291


def measured(rounds: int, folder: Path) -> dict[str, float]:
    """Return the least seconds of each command."""
    cache, out = folder / "cache", str(folder / "runs")
    cache.mkdir()
    snsim = [sys.executable, "-m", "snsim"]
    xor = [*snsim, "run", "nets/xor.sn", "--out", out]
    load = "from snsim import load_data; load_data({!r})"
    commands = {
        "Python": [sys.executable, "-c", "pass"],
        "Python with NumPy": [sys.executable, "-c", "import numpy"],
        "snsim --help": [*snsim, "--help"],
        "snsim check nets/xor.sn": [*snsim, "check", "nets/xor.sn"],
        "snsim run nets/xor.sn": xor,
        f"snsim run nets/xor.sn, {PASSES:,} passes": [*xor, "--passes", str(PASSES)],
        "the data set digits, read by Python": [sys.executable, "-c", load.format("digits")],
    }
    if os.environ.get("SNSIM_DATA"):
        commands[NET] = [*snsim, "run", "nets/lecun89-2022.sn", "--out", out, "--offline"]
        study = [*snsim, "reproduce", "nets/lecun89-2022.sn", "--seeds", str(SEEDS), "--jobs", "2", "--offline"]
        commands[STUDY] = [*study, "--out", str(folder / "study")]
        commands["the data set mnist-1989, read by Python"] = [sys.executable, "-c", load.format("mnist-1989")]
    for command in commands.values():  # fills the caches
        cpu_of(command, cache)
    times: dict[str, float] = {}
    for _ in range(rounds):
        for what, command in commands.items():
            shutil.rmtree(folder / "study", ignore_errors=True)  # finished runs would be used again
            times[what] = min(times.get(what, math.inf), cpu_of(command, cache))
        for who, action in (("plain Python", train_by_python), ("NumPy", train_by_numpy)):
            times[f"XOR by {who}"] = min(times.get(f"XOR by {who}", math.inf), cpu_of_call(action))
    many, few = times[f"snsim run nets/xor.sn, {PASSES:,} passes"], times["snsim run nets/xor.sn"]
    times[PASS] = (many - few) / (PASSES - 40)
    if NET in times:
        times["learning alone"] = learning_alone()
    return times


if __name__ == "__main__":
    main()
