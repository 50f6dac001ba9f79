"""Measure what `snsim reproduce` does not: rejection by other criteria, digits that every seed misses, brain damage.

It writes docs/results/data/{rejection,always-missed,brain-damage,full-batch}.json, and the plate of the missed digits.

    snsim reproduce nets/studies/papers-1989.sn --joint --report docs/results/data/papers-1989.json
    snsim reproduce nets/studies/papers-1990.sn --joint --report docs/results/data/papers-1990.json
    snsim reproduce nets/studies/more-1989.sn --only full-batch
    python docs/measure_results.py [NAME ...]       (all files, or those named)

It takes the runs of these studies from runs/reproduced.
"""

from __future__ import annotations

import csv
import json
import statistics
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent / "_ext"))

from measure_gallery import processor
from results_data import DATA, DOCS

from snsim.runs.opened_run import OpenedRun
from snsim.training.criteria import right_by_max
from snsim.training.rejection import least_rejection_of, output_margins

PLATE = DOCS / "pictures" / "always-missed.png"
DELETED = (0, 100, 200, 400, 600, 800, 1000, 1200, 1500, 1800)  # weights of the 2,578 of LeNet-1
CRITERIA = (  # and on which patterns the threshold is chosen
    ("difference", "the test digits"),
    ("most-active", "the test digits"),
    ("distance", "the test digits"),
    ("other-half", "the other half of the test digits"),
    ("by-train", "the training digits"),
    ("no-train-miss", "the training digits"),
)
ONE_AT_A_TIME = 23  # passes of step 1 of the ladder
SPLITS = 20  # random halves of the test set, to choose a threshold on one and try it on the other


def main(names: Sequence[str]) -> None:
    for name in names or MEASURES:
        write_rows(name, MEASURES[name]())


def measure_rejection() -> dict[str, Any]:
    every = [rejected(run) for run in runs_of("papers-1989", "zip-code-net")]
    return {name: {"chosen-on": place, **summed([one[name] for one in every])} for name, place in CRITERIA}


def measure_misses() -> dict[str, Any]:
    return {"zip-code-net": always_missed(runs_of("papers-1989", "zip-code-net"))}


def measure_brain_damage() -> dict[str, Any]:
    curves = [brain_damage(run) for run in runs_of("papers-1990", "nips-lenet-1")[:5]]
    return {f"deleted-{count}": medians([curve[i] for curve in curves]) for i, count in enumerate(DELETED)}


def measure_full_batch() -> dict[str, Any]:
    """Return how many passes of full batches it takes to have the training misses of step 1 of the ladder, by rate."""
    text = (DATA / "ladder-mnist.csv").read_text(encoding="utf-8")
    lines = csv.DictReader(line for line in text.splitlines() if not line.startswith("# "))
    step = [run for run in lines if run["training"] == "step-1"]
    goal = statistics.fmean(float(run["train-misses"]) for run in step)
    rows: dict[str, Any] = {}
    for folder in sorted(Path("runs/reproduced").glob("full-batch*")):
        run = OpenedRun.open(folder)
        misses = [line["train"]["misses"] for line in run.record.passes]
        reached = next((number for number, count in enumerate(misses, 1) if count <= goal), None)
        rate = str(run.training.stages[0].rates[0].value.numbers[0])
        rows[f"rate-{float(rate):g}"] = {
            "passes": f"more than {len(misses):,}" if reached is None else f"{reached:,}",
            **({} if reached is None else {"times": f"{reached / ONE_AT_A_TIME:.0f}"}),
            "train-misses": f"{misses[-1]:,}",
            "test-misses": f"{run.record.passes[-1]['test']['misses']:,}",
        }
    rows["one-at-a-time"] = {
        "passes": str(ONE_AT_A_TIME),
        "train-misses": f"{goal:.0f}",
        "test-misses": f"{statistics.fmean(float(run['test-misses']) for run in step):.0f}",
        "seconds": f"{statistics.fmean(float(run['cpu-seconds']) for run in step):.1f}",
    }
    return rows


MEASURES = {
    "rejection": measure_rejection,
    "always-missed": measure_misses,
    "brain-damage": measure_brain_damage,
    "full-batch": measure_full_batch,
}


def runs_of(data: str, row: str) -> list[OpenedRun]:
    """Return the runs of a row of a study, from runs/reproduced."""
    values = json.loads((DATA / f"{data}.json").read_text(encoding="utf-8"))
    (found,) = (one for study in values["studies"] for one in study["rows"] if one["training"] == row)
    return [OpenedRun.open(run["folder"]) for run in found["runs"]]


def write_rows(name: str, rows: dict[str, Any], command: str = "python docs/measure_results.py") -> None:
    """Write the rows that a command measured into docs/results/data/NAME.json, and print them."""
    values = {
        "command": command,
        "date": datetime.now(UTC).strftime("%d %B %Y"),
        "processor": processor(),
        "engine": "native in float32, not portable",
        "rows": rows,
    }
    (DATA / f"{name}.json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    print(name, {row: {k: v for k, v in figures.items() if not isinstance(v, list)} for row, figures in rows.items()})


def summed(every: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Return mean and deviation of each figure, and the number of runs."""
    found: dict[str, Any] = {"runs": len(every)}
    for name in every[0]:
        values = [one[name] for one in every]
        found[name] = {"mean": statistics.fmean(values), "deviation": statistics.stdev(values)}
    return found


def medians(every: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Return median, smallest and largest of each figure, and the number of runs: some are far from the others."""
    found: dict[str, Any] = {"runs": len(every)}
    for name in every[0]:
        values = sorted(one[name] for one in every)
        found[name] = {"median": statistics.median(values), "smallest": values[0], "largest": values[-1]}
    return found


# ---- Rejection ---------------------------------------------------------------------------------------------------


def rejected(run: OpenedRun, error: float = 1.0) -> dict[str, dict[str, float]]:
    """Return, by criterion, how many percent of the test patterns are rejected, and the error on the rest."""
    test, train = run.outputs("test"), run.outputs("train")
    wrong = ~right_by_max(test.outputs, test.patterns.targets)
    learned = ~right_by_max(train.outputs, train.patterns.targets)
    outputs, margins = test.outputs.astype(float), output_margins(test.outputs)
    answer = np.where(outputs == outputs.max(1, keepdims=True), 1.0, -1.0)

    def by(trust: np.ndarray, threshold: float) -> dict[str, float]:
        return {
            "rejected": 100 * float((trust < threshold).mean()),
            "error": 100 * float(wrong[trust >= threshold].mean()),
        }

    def at_best(trust: np.ndarray) -> dict[str, float]:
        return by(trust, least_rejection_of(trust, wrong, error).threshold)

    halves = [_on_the_other_half(margins, wrong, error, seed) for seed in range(SPLITS)]
    of_train = output_margins(train.outputs)
    return {
        "difference": at_best(margins),
        "most-active": at_best(outputs.max(1)),
        "distance": at_best(-((outputs - answer) ** 2).sum(1)),
        "other-half": {name: statistics.fmean(half[name] for half in halves) for name in halves[0]},
        "by-train": by(margins, least_rejection_of(of_train, learned, error).threshold),
        "no-train-miss": by(margins, least_rejection_of(of_train, learned, 0.0).threshold),
    }


def _on_the_other_half(margins: np.ndarray, wrong: np.ndarray, error: float, seed: int) -> dict[str, float]:
    """Choose a threshold on half of the patterns; return what it rejects of the others, and the error of the rest."""
    order = np.random.default_rng(seed).permutation(len(margins))
    half, other = order[: len(order) // 2], order[len(order) // 2 :]
    kept = margins[other] >= least_rejection_of(margins[half], wrong[half], error).threshold
    return {"rejected": 100 * float((~kept).mean()), "error": 100 * float(wrong[other][kept].mean())}


# ---- Digits that every seed misses -------------------------------------------------------------------------------


def always_missed(runs: Sequence[OpenedRun]) -> dict[str, Any]:
    """Count the test patterns by how many of the runs miss them, draw those that all miss, and let the runs vote."""
    from snsim.plots.misses import draw, misses
    from snsim.plots.style import write as write_picture

    first = runs[0].outputs("test")
    targets = first.patterns.targets
    wrong = np.array([~run.outputs("test").are_right for run in runs])
    vote = np.mean([run.outputs("test").outputs for run in runs], axis=0)
    times = wrong.sum(0)
    everyone = times == len(runs)
    shape = runs[0].net.layers[0].shape
    title = f"the test digits that all {len(runs)} runs miss"
    write_picture(draw(misses(first.patterns.inputs, shape, vote, targets, ~everyone, title)), PLATE)
    return {
        "runs": len(runs),
        "by-all": int(everyone.sum()),
        "by-most": int((times > len(runs) / 2).sum()),
        "by-any": int((times > 0).sum()),
        "vote": int((~right_by_max(vote, targets)).sum()),
        "times": [int(n) for n in np.bincount(times, minlength=len(runs) + 1)],
        "patterns": np.flatnonzero(everyone).tolist(),
    }


# ---- Optimal brain damage ----------------------------------------------------------------------------------------


def brain_damage(run: OpenedRun) -> list[dict[str, float]]:
    """Return, for each number of weights deleted, the predicted and the real rise of the training error.

    The saliency is h w^2 / 2 (LeCun, Denker, Solla 1990, section 2). h is the curvature without its f'' term, which is
    never negative, or the full one, as in SN-2.8's obd-prune. The third order is the size of the weight. No further
    training; the errors are half-mse.
    """
    engine, train = run.engine, run.data.train
    weights = {name: value.copy() for name, value in engine.parameters().items()}
    names = [p.name for p in run.net.parameters if p.learns]
    flat = np.concatenate([weights[name].ravel() for name in names]).astype(float)
    units = train.targets.shape[1]

    def saliency(kind: str) -> np.ndarray:
        h = engine.curvature(train.inputs, train.targets, kind)
        return np.asarray(np.concatenate([h[name].ravel() for name in names]) * flat**2 / 2 / units)

    def error_without(places: np.ndarray) -> float:
        kept = flat.copy()
        kept[places] = 0
        ends = np.cumsum([weights[name].size for name in names])[:-1]
        parts = [part.reshape(weights[name].shape) for name, part in zip(names, np.split(kept, ends))]
        changed = {name: part.astype(engine.dtype) for name, part in zip(names, parts)}
        engine.load_parameters({**weights, **changed})
        return float(((engine.outputs(train.inputs) - train.targets) ** 2).sum(1).mean() / 2 / units)

    before, positive = error_without(np.array([], int)), saliency("gauss-newton")
    orders = {"real": positive, "real-full": saliency("full"), "real-by-size": np.abs(flat)}
    sorted_places = {name: np.argsort(values) for name, values in orders.items()}
    found = [
        {
            "predicted": float(np.sort(positive)[:count].sum()),
            **{name: error_without(places[:count]) - before for name, places in sorted_places.items()},
        }
        for count in DELETED
    ]
    engine.load_parameters(weights)
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
