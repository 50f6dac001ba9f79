"""Sum up the seeds of the ladder: write docs/results/data/ladder-mnist.json and ladder-zipcode.json.

Twenty seeds of steps 1 to 5 on both data sets, five of steps 6 and 7:

    snsim reproduce nets/studies/ladder-mnist.sn --only step-1 --only step-2 --only step-3 --only step-4 \\
        --only step-5 --seeds 20 --figures docs/results/data/ladder-mnist.csv --jobs 1
    snsim reproduce nets/studies/ladder-mnist.sn --only step-6 --seeds 5 --jobs 1 \\
        --figures docs/results/data/ladder-mnist-50000.csv
    snsim reproduce nets/studies/ladder-mnist.sn --only step-7 --seeds 5 --jobs 1 \\
        --figures docs/results/data/ladder-mnist-step-7.csv
    snsim reproduce nets/studies/ladder-zipcode.sn --only zip-1 --only zip-2 --only zip-3 --only zip-4 \\
        --only zip-5 --seeds 20 --figures docs/results/data/ladder-zipcode.csv --jobs 1
    python docs/measure_ladder.py

For each figure: mean, deviation of the sample, the 95 % interval of the mean and that of one new run, both by Student's
t, of the figure as it is (`mean-95`) and of its square root (`run-95`).
"""

from __future__ import annotations

import csv
import json
import math
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from measure_results import write_rows

from snsim.studies.intervals import SURE, interval_of_a_run, t_quantile

DATA = Path(__file__).resolve().parent / "results" / "data"
FILES = {
    "ladder-mnist": ("ladder-mnist.csv", "ladder-mnist-50000.csv", "ladder-mnist-step-7.csv"),
    "ladder-zipcode": ("ladder-zipcode.csv",),
}
FIGURES = ("train-misses", "train-error", "test-misses", "test-error")


def main() -> int:
    for name, files in FILES.items():
        write_rows(name, summed_up(files), "python docs/measure_ladder.py")
    return 0


def summed_up(files: tuple[str, ...]) -> dict[str, Any]:
    """Return a row for each training of the files."""
    runs: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    for name in files:
        lines = (DATA / name).read_text(encoding="utf-8").splitlines()
        patterns = json.loads(lines[0].removeprefix("# "))["data"]["test"]
        for run in csv.DictReader(line for line in lines if not line.startswith("# ")):
            runs[run["training"]].append({"test-error": str(100 * float(run["test-misses"]) / patterns)} | run)
    rows: dict[str, Any] = {}
    for name in sorted(runs):
        rows[name] = {"runs": len(runs[name])}
        for figure in FIGURES:
            if not all(run.get(figure) for run in runs[name]):
                continue
            values = [float(run[figure]) for run in runs[name]]
            mean, deviation = statistics.fmean(values), statistics.stdev(values)
            half = t_quantile((1 + SURE) / 2, len(values) - 1) * deviation / math.sqrt(len(values))
            rows[name][figure] = {"mean": mean, "deviation": deviation}
            rows[name][f"{figure}-mean-95"] = f"{max(mean - half, 0):.3g} to {mean + half:.3g}"
            run_interval = interval_of_a_run(figure, values)
            assert run_interval is not None, f"{name} has one run"
            rows[name][f"{figure}-run-95"] = "{:.3g} to {:.3g}".format(*run_interval)
    return rows


if __name__ == "__main__":
    sys.exit(main())
