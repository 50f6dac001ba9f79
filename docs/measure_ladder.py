"""Sum up twenty seeds of steps 1 to 5 of the ladder and five of step 6: write docs/results/data/ladder-mnist.json.

    snsim reproduce nets/studies/ladder-mnist.sn --only step-1 --only step-2 --only step-3 --only step-4 \\
        --only step-5 --seeds 20 --figures docs/results/data/ladder-mnist.csv --jobs 1
    snsim reproduce nets/studies/ladder-mnist.sn --only step-6 --seeds 5 --jobs 1 \\
        --figures docs/results/data/ladder-mnist-50000.csv
    python docs/measure_ladder.py

For each figure: mean, deviation of the sample, the 95 % interval of the mean and that of one new run, both by Student's
t, of the figure as it is (`mean-95`) and of its square root (`run-95`).
"""

from __future__ import annotations

import csv
import json
import math
import sys
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from measure_gallery import processor
from scipy import stats

DATA = Path(__file__).resolve().parent / "results" / "data"
FILES = ("ladder-mnist.csv", "ladder-mnist-50000.csv")
FIGURES = ("train-misses", "train-error", "test-misses")


def main() -> int:
    runs: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    for name in FILES:
        lines = (DATA / name).read_text(encoding="utf-8").splitlines()
        for run in csv.DictReader(line for line in lines if not line.startswith("# ")):
            runs[run["training"]].append(run)
    rows: dict[str, Any] = {}
    for name in sorted(runs):
        rows[name] = {"runs": len(runs[name])}
        for figure in FIGURES:
            if not all(run.get(figure) for run in runs[name]):
                continue
            values = np.array([float(run[figure]) for run in runs[name]])
            rows[name][figure] = {"mean": float(values.mean()), "deviation": float(values.std(ddof=1))}
            rows[name][f"{figure}-mean-95"] = "{:.3g} to {:.3g}".format(
                *np.maximum(interval(values, 1 / len(values)), 0)
            )
            low, high = np.square(np.maximum(interval(np.sqrt(values), 1 + 1 / len(values)), 0))
            rows[name][f"{figure}-run-95"] = f"{low:.3g} to {high:.3g}"
    values_of_file = {
        "command": "python docs/measure_ladder.py",
        "date": datetime.now(UTC).strftime("%d %B %Y"),
        "processor": processor(),
        "engine": "native in float32, not portable",
        "rows": rows,
    }
    (DATA / "ladder-mnist.json").write_text(json.dumps(values_of_file, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(rows, indent=1))
    return 0


def interval(values: np.ndarray, part: float) -> tuple[float, float]:
    """Return the 95 % interval of something with `part` times the variance of one run."""
    half = float(stats.t.ppf(0.975, len(values) - 1)) * float(values.std(ddof=1)) * math.sqrt(part)
    return float(values.mean()) - half, float(values.mean()) + half


if __name__ == "__main__":
    sys.exit(main())
