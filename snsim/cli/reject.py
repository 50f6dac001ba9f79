"""`snsim reject`: how many patterns a run must reject to be right often enough on the rest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snsim.cli.options import Percent, of_opened_run
from snsim.colour import echo
from snsim.errors import fail
from snsim.escaping import for_json, for_line
from snsim.text_table import aligned

if TYPE_CHECKING:
    from snsim.runs.options import Options, Say
    from snsim.training.rejection import Rejection


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--error", type=Percent(), default="1%", show_default=True, help="Errors that the rest may have.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw the curves: FILE.png or FILE.svg.")
@of_opened_run
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def reject(run: Path, error: float, plot: Path | None, options: Options, as_json: bool) -> None:
    """Say how many patterns the run folder RUN must reject for few errors on the rest.

    A pattern is rejected if the difference between the two most active outputs is below a threshold (LeCun et al.
    1989), which is chosen on the test patterns, as in that paper, and on the training patterns.
    """
    from snsim.cli.run import sayer

    print_rejection(run, error, as_json, plot, options, sayer(as_json, False))


def print_rejection(run: Path, error: float, as_json: bool, plot: Path | None, options: Options, say: Say) -> None:
    """Print what the thresholds chosen on the test patterns and on the training patterns do; write the plot."""
    from snsim.reports.picture_data import rejection_of
    from snsim.runs.opened_run import OpenedRun
    from snsim.training.rejection import at

    opened = OpenedRun.open(run, options, say)
    training, data, last = opened.training, opened.data, opened.record.snapshot.number
    if data.test is None:
        raise fail(
            f"the run {run} has no test patterns to reject",
            hint="its training names data without a test set: state (test-set A B)",
        )
    rejections = rejection_of(opened, error)
    chosen = rejections.chosen
    carried = at(opened.outputs("test").outputs, data.test.targets, chosen["train"].threshold)
    if plot is not None:
        from snsim.plots import style
        from snsim.plots.rejection import draw

        style.check_ending(plot)
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
        f"{training.name} after pass {last}, {data.name}: what is rejected for at most {error:g} % error on the rest\n"
    )
    rows = [
        ("threshold chosen on", "threshold", "patterns", "rejected", "wrong of the rest"),
        ("test", *_row("test", chosen["test"])),
        ("train", *_row("train", chosen["train"])),
        ("", *_row("test", carried)),
    ]
    echo("\n".join(aligned(rows, "lrlrr")))
    if plot is not None:
        echo(f"\n{for_line(plot)} has the curves")


def _row(split: str, made: Rejection) -> tuple[str, str, str, str]:
    left = made.patterns - made.rejected
    return (
        f"{made.threshold:.4g}",
        f"{made.patterns:,} {split}",
        f"{made.rejected:,} ({made.percent:.2f} %)",
        f"{made.misses:,} of {left:,} ({made.error:.2f} %)",
    )


def _figures(made: Rejection) -> dict[str, float | int | None]:
    import numpy as np

    finite = np.isfinite(made.threshold)
    return {
        "threshold": made.threshold if finite else None,
        "patterns": made.patterns,
        "rejected": made.rejected,
        "percent": made.percent,
        "misses": made.misses,
        "error": made.error,
    }
