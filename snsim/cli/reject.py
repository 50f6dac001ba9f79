"""`snsim reject`: how many patterns a run must reject to be right often enough on the rest."""

from __future__ import annotations

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
    from snsim.runs.resume import learned
    from snsim.training.forward_all import compute_outputs
    from snsim.training.rejection import least_rejection, reject_below, rejection_curve

    again = learned(run, options, say)
    if again.data.test is None:
        raise fail(
            f"the run {run} has no test patterns to reject",
            hint="its training names data without a test set: state (test-set A B)",
        )
    outputs = {
        split: (compute_outputs(again.engine, patterns.inputs), patterns.targets)
        for split, patterns in (("test", again.data.test), ("train", again.data.train))
    }
    chosen = {split: least_rejection(*shown, error) for split, shown in outputs.items()}
    carried = reject_below(*outputs["test"], chosen["train"].threshold)
    if plot is not None:
        from snsim.plots import style
        from snsim.plots.rejection import Rejections, draw

        style.check_ending(plot)
        curves = {split: rejection_curve(*shown) for split, shown in outputs.items()}
        title = f"{again.training.name}, pass {again.made.snapshot.number}, {again.data.name}"
        style.write(draw(Rejections(title, curves, chosen, error)), plot)
    if as_json:
        echo(
            for_json(
                {
                    "run": str(run),
                    "pass": again.made.snapshot.number,
                    "data": again.data.name,
                    "error": error,
                    "chosen_on_test": {"test": _figures(chosen["test"])},
                    "chosen_on_train": {"train": _figures(chosen["train"]), "test": _figures(carried)},
                    "plot": None if plot is None else str(plot),
                }
            )
        )
        return
    echo(
        f"{again.training.name} after pass {again.made.snapshot.number}, {again.data.name}: "
        f"what is rejected for at most {error:g} % error on the rest\n"
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
