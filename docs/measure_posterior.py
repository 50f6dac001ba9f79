"""Judge the runs of nets/studies/posterior-1989.sn: write docs/results/data/posterior-1989.json and two pictures.

    snsim reproduce nets/studies/posterior-1989.sn --figures docs/results/data/posterior-1989.csv --jobs 1
    snsim reproduce nets/lecun89.sn --seeds 60 --figures docs/results/data/as-it-stands-1989.csv --jobs 1
    python docs/measure_posterior.py

The first two run what the CSV files lack, about 2 s a run; they can be stopped and go on. The last judges the runs that
the files have, and rows without a run as well, and starts none.
"""

from __future__ import annotations

import io
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from measure_results import write_rows

from snsim.plots import design
from snsim.plots.style import WIDE, write
from snsim.program import read_program
from snsim.runs.options import Options
from snsim.studies import plan
from snsim.studies.joint import Joint, judge_together
from snsim.studies.kept_runs import FiguresFile
from snsim.studies.results import Row, Study, Trial

DOCS = Path(__file__).resolve().parent
DATA = DOCS / "results" / "data"
NETS = DOCS.parent / "nets"
SN = (0.0005, 0.05)  # the rate and mu of nets/lecun89.sn
NAMES = {  # of a variable and its values, as the page and the picture call them
    "method": ("curvature", {"lm": "running mean, without f'' (lm)", "newton": "running mean, |h|", "held": "held"}),
    "initial": ("initial weights", {"2.4/sqrtF": "2.4/sqrt(F)", "1/sqrtF": "1/sqrt(F)"}),
    "tanh-is": ("tanh", {"slope": "scaled, with slope"}),
    "eight": ("eight maps", {}),
    "order": ("order", {"file": "of the file", "other": "another constant one"}),
    "biases": ("biases", {"unit": "of each unit", "map": "shared by a map"}),
    "border": ("border", {}),
}


def main() -> int:
    study = study_of(NETS / "studies" / "posterior-1989.sn", DATA / "posterior-1989.csv")
    joint = judge_together(study)
    every = [figures for row in study.rows for figures in row.figures().values()]
    errors = [figures["test-half-mse"] for figures in every if "test-half-mse" in figures]
    assert joint.smoothing is not None
    weights = np.array([row.prior for row in joint.rows])
    likely = np.array([row.p >= 0.05 for row in joint.rows])
    posterior = np.array([row.posterior for row in joint.rows])
    rows: dict[str, Any] = {
        "study": {
            "runs": joint.smoothing.runs,
            "near": joint.smoothing.counting,
            "diverged": joint.smoothing.diverged,
            "inside": f"{100 * joint.smoothing.inside:.1f}",
            "cells": len(joint.rows),
            "effective": f"{joint.effective:.0f}",
            "degrees": joint.degrees,
            "likely": f"{100 * weights[likely].sum():.1f}",
            "best-p": f"{max(row.p for row in joint.rows):.2f}",
            "likely-posterior": f"{100 * posterior[likely].sum():.1f}",
        },
        # without the factor 1/2, the printed 1.8e-2 would be a half-mse of 0.9e-2
        "without-the-half": {
            "least-test-half-mse": f"{min(errors):.4f}",
            "median-test-half-mse": f"{statistics.median(errors):.4f}",
        },
        "as-it-stands": as_it_stands(),
        **choices(joint),
        **numbers(joint),
        "rate-to-mu": ratio(joint),
    }
    write_rows("posterior-1989", rows, "python docs/measure_posterior.py")
    draw(joint)
    return 0


def study_of(file: Path, kept: Path, seeds: Sequence[int] = ()) -> Study:
    """Return the study of a file with the runs that a CSV file has."""
    (planned,) = plan.plan([read_program(file, port=io.StringIO())], Options(), seeds=seeds)
    runs = FiguresFile(kept, [planned])
    rows = []
    for row in planned.rows:
        own = {Trial(task.seed): run for task in row.tasks if (run := runs.run_of(task)) is not None}
        training = row.training
        rows.append(Row(training.name, "", training.published, training.notes, True, own, {}, training.prior))
    return Study(file.stem, str(file), "", tuple(rows))


def as_it_stands() -> dict[str, Any]:
    """Return the figures of nets/lecun89.sn as it stands, and the p of the published ones."""
    study = study_of(NETS / "lecun89.sn", DATA / "as-it-stands-1989.csv", range(1, 61))
    (row,) = study.rows
    figures = {
        name: {"mean": summary.mean, "deviation": summary.deviation}
        for name, summary in row.summaries().items()
        if name in dict(row.published)
    }
    return {"runs": len(row.runs), "joint-p": f"{judge_together(study).rows[0].p:.2f}", **figures}


def choices(joint: Joint) -> dict[str, Mapping[str, str]]:
    """Return the prior and the posterior of each value, and its factor: how many times as well as the best it fits.

    A factor is a ratio of mean likelihoods. It does not depend on the prior of the values that it compares.
    """
    fits = {(c.variable, c.value): c.posterior / c.prior for c in joint.choices}
    best = {v: max(fit for (variable, _), fit in fits.items() if variable == v) for v, _ in fits}
    return {
        f"{c.variable}:{c.value.replace('/', '-over-')}": {
            "prior": f"{c.prior:.2f}",
            "posterior": small(c.posterior),
            "error": small(c.posterior_error),
            "factor": small(fits[c.variable, c.value] / best[c.variable]),
        }
        for c in joint.choices
    }


def numbers(joint: Joint) -> dict[str, Mapping[str, str]]:
    return {
        one.variable: {
            f"{which}-{place}": f"{value:.2g}"
            for which, values in (("prior", one.prior), ("posterior", one.posterior))
            for place, value in zip(("low", "middle", "high"), values)
        }
        for one in joint.quantiles
    }


def ratio(joint: Joint) -> Mapping[str, str]:
    """Return the quantiles 5 %, 50 % and 95 % of rate / mu, which counts where mu is larger than the curvature."""
    values = np.array([float(row.settings["rate"]) / float(row.settings["mu"]) for row in joint.rows])
    order = np.argsort(values)
    found = {}
    for which in ("prior", "posterior"):
        shares = np.cumsum([getattr(joint.rows[i], which) for i in order])
        for place, part in (("low", 0.05), ("middle", 0.5), ("high", 0.95)):
            found[f"{which}-{place}"] = f"{values[order[np.searchsorted(shares, part * shares[-1])]]:.2g}"
    return found


def small(value: float) -> str:
    """Return a probability with the digits that can be told apart."""
    if value >= 0.0005:
        return f"{value:.2f}" if value >= 0.01 else f"{value:.3f}"
    return f"{value:.0e}" if value else "0"


def draw(joint: Joint) -> None:
    shares = []
    for choice in joint.choices:
        variable, values = NAMES.get(choice.variable, (choice.variable, {}))
        value = values.get(choice.value, choice.value)
        shares.append(design.Share(variable, value, choice.prior, choice.posterior, choice.posterior_error))
    write(design.draw_shares(shares, WIDE), DOCS / "pictures" / "posterior-1989.svg")
    points = np.array([[float(row.settings[name]) for name in ("rate", "mu")] for row in joint.rows])
    posterior = np.array([row.posterior for row in joint.rows])
    look = replace(WIDE, width=5.4)
    mark = (*SN, "the constants of SN")
    write(
        design.draw_cells(("rate", "mu"), points, posterior, mark, look), DOCS / "pictures" / "posterior-1989-rates.png"
    )


if __name__ == "__main__":
    sys.exit(main())
