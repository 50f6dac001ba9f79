"""`snsim reject`: how many patterns a run must reject to reach a given error on the rest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snsim.cli.options import Percent, of_opened_run
from snsim.cli.reading import named_path
from snsim.colour import echo
from snsim.errors import fail
from snsim.escaping import for_json, for_line
from snsim.text_table import aligned

if TYPE_CHECKING:
    from snsim.runs.options import Options, Say
    from snsim.training.rejection import Rejection


@click.command()
@click.argument("run", type=click.Path())
@click.option("--error", type=Percent(), default="1%", show_default=True, help="Error allowed on the patterns kept.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw the curves to this file.")
@of_opened_run
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def reject(run: str, error: float, plot: Path | None, options: Options, as_json: bool) -> None:
    """Report how many patterns the run folder RUN must reject for a small error on the rest.

    A pattern is rejected if the two most active outputs differ by less than a threshold (LeCun et al. 1989). The
    threshold is chosen on the test patterns, as in that paper, and also on the training patterns.
    """
    from snsim.cli.run import sayer

    print_rejection(Path(named_path(run, "run", quiet=as_json)), error, as_json, plot, options, sayer(as_json, False))


def print_rejection(run: Path, error: float, as_json: bool, plot: Path | None, options: Options, say: Say) -> None:
    """Print what is rejected by the thresholds chosen on test and on training patterns, and draw the plot."""
    from snsim.reports.picture_data import rejection_of
    from snsim.runs.opened_run import OpenedRun
    from snsim.training.rejection import reject_below

    opened = OpenedRun.open(run, options, say)
    training, data, last = opened.training, opened.data, opened.pass_number
    if data.test is None:
        raise fail(
            f"the run {run} has no test patterns to reject",
            hint="give the training a test set: (test-set A B)",
        )
    rejections = rejection_of(opened, error)
    chosen = rejections.chosen
    carried = reject_below(opened.outputs("test").outputs, data.test.targets, chosen["train"].threshold)
    if plot is not None:
        from snsim.plots import style
        from snsim.plots.rejection import draw

        style.check_suffix(plot)
        style.write(draw(replace(rejections, title=f"{training.name}, pass {last}, {data.name}")), plot)
    if as_json:
        echo(
            for_json(
                {
                    "run": str(run),
                    "pass": last,
                    "data": data.name,
                    "error": error,
                    "chosen_on_test": {"test": _figures(chosen["test"])},
                    "chosen_on_train": {"train": _figures(chosen["train"]), "test": _figures(carried)},
                    "plot": None if plot is None else str(plot),
                }
            )
        )
        return
    echo(
        f"{training.name} after pass {last}, {data.name}: patterns rejected for at most {error:g} % error on the rest\n"
    )
    rows = [
        ("threshold chosen on", "threshold", "patterns", "rejected", "wrong of the rest"),
        ("test", *_row("test", chosen["test"])),
        ("train", *_row("train", chosen["train"])),
        ("", *_row("test", carried)),
    ]
    echo("\n".join(aligned(rows, "lrlrr")))
    if plot is not None:
        echo(f"\ncurves drawn to {for_line(plot)}")


def _row(split: str, rejection: Rejection) -> tuple[str, str, str, str]:
    kept = rejection.patterns - rejection.rejected
    return (
        f"{rejection.threshold:.4g}",
        f"{rejection.patterns:,} {split}",
        f"{rejection.rejected:,} ({rejection.percent:.2f} %)",
        f"{rejection.misses:,} of {kept:,} ({rejection.error:.2f} %)",
    )


def _figures(rejection: Rejection) -> dict[str, float | int | None]:
    import numpy as np

    finite = np.isfinite(rejection.threshold)
    return {
        "threshold": rejection.threshold if finite else None,
        "patterns": rejection.patterns,
        "rejected": rejection.rejected,
        "percent": rejection.percent,
        "misses": rejection.misses,
        "error": rejection.error,
    }
