"""The result of comparing a script, as text and as JSON."""

from __future__ import annotations

import math
import textwrap
from typing import Any

from snsim.comparison.script.distribution_fit import FEW, InitialFit
from snsim.comparison.script.result import ScriptComparison, ScriptDifference
from snsim.errors import for_line
from snsim.text_table import aligned

_WIDTH = 110


def script_text(comparison: ScriptComparison) -> str:
    """Return the headline, the differences in order, and what was compared."""
    c = comparison
    lines = [
        f"{c.script} beside training {c.training} of net {c.net} on {c.data}: {c.dtype}, {c.presentations:,} "
        f"presentations, {c.watched:,} of them watched",
        "",
        f"{'SAME' if c.same else 'DIFFERENT'} {c.script} {c.headline}",
    ]
    for one in c.ordered:
        lines += ["", *_difference_lines(one)]
    if c.initial:
        lines += ["", "initial weights", *("  " + line for line in _initial_lines(c))]
    if c.largest:
        lines += ["", "largest relative differences while watched", *("  " + line for line in _largest_lines(c))]
    lines.append("")
    if c.parameters:
        pairs = ", ".join(f"{ours} = {theirs or 'none'}" for ours, theirs in c.parameters)
        lines += textwrap.wrap(f"matched: {pairs}", _WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    if c.optimizer:
        lines.append(f"optimizer: {c.optimizer}")
    judged = [one for one in c.figures if one.own is not None]
    if judged:
        wrong = sum(not one.agrees for one in judged)
        lines.append(f"printed figures: {len(judged)}, of which {wrong} differ from what its own weights give")
    lines += [f"note: {note}" for note in c.notes]
    return "\n".join(map(for_line, lines))


def _difference_lines(one: ScriptDifference) -> list[str]:
    place = f"{one.place}: " if one.place is not None else ""
    when = "" if one.presentation is None or one.at_end else f", from presentation {one.presentation:,} on"
    lines = [f"{one.kind}{when}"]
    for text in (f"{place}{one.message}", *one.notes):
        lines += textwrap.wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
    return lines


def _initial_lines(c: ScriptComparison) -> list[str]:
    rows: list[tuple[str, ...]] = [("weights", "count", "low", "high", "mean", "deviation", "zeros", "fit", "p")]
    for fit in c.initial:
        rows.append(
            (
                fit.parameter,
                f"{fit.count:,}",
                f"{fit.low:.3g}",
                f"{fit.high:.3g}",
                f"{fit.mean:.2g}",
                f"{fit.deviation:.3g}",
                f"{100 * fit.zeros:.3g} %",
                _fit_text(fit),
                f"{fit.probability:.2g}",
            )
        )
    table = aligned(rows, "lrrrrrrlr")
    return [*table, "p: probability of weights this far from the declared distribution, if they were drawn from it"]


def _fit_text(fit: InitialFit) -> str:
    """Return the distribution that weights fit. A few weights fit several; only a constant is seen in them."""
    if fit.agrees and fit.count < FEW and fit.low != fit.high:
        return "too few to tell"
    return fit.declared if fit.agrees else fit.fits


def _largest_lines(c: ScriptComparison) -> list[str]:
    columns = ("states", "gradients", "weights")
    rows: list[tuple[str, ...]] = [("layer", *columns)]
    rows += [(layer, *(_short(values.get(column)) for column in columns)) for layer, values in c.largest.items()]
    return aligned(rows, "lrrr")


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.1e}" if value else "0"


def script_json(comparison: ScriptComparison) -> dict[str, Any]:
    """Return the result as one JSON object."""
    c = comparison
    return {
        "event": "script comparison",
        "training": c.training,
        "net": c.net,
        "data": c.data,
        "script": c.script,
        "same": c.same,
        "headline": c.headline,
        "dtype": c.dtype,
        "presentations": c.presentations,
        "watched": c.watched,
        "passes": c.passes,
        "seconds": c.seconds,
        "differences": [
            {
                "kind": one.kind,
                "presentation": one.presentation,
                "layer": one.layer,
                "file": None if one.place is None else one.place.file,
                "line": None if one.place is None else one.place.line,
                "message": one.message,
                "notes": list(one.notes),
            }
            for one in c.ordered
        ],
        "parameters": dict(c.parameters),
        "weights": list(c.counts),
        "initial": [
            {
                "parameter": fit.parameter,
                "count": fit.count,
                "low": fit.low,
                "high": fit.high,
                "mean": fit.mean,
                "deviation": fit.deviation,
                "zeros": fit.zeros,
                "declared": fit.declared,
                "fits": fit.fits,
                "probability": _finite(fit.probability),
            }
            for fit in c.initial
        ],
        "figures": [
            {
                "text": one.text,
                "split": one.split,
                "printed": one.printed,
                "own": one.own,
                "agrees": one.agrees,
                "presentation": one.presentation,
            }
            for one in c.figures
        ],
        "largest": c.largest,
        "optimizer": c.optimizer,
        "notes": c.notes,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
