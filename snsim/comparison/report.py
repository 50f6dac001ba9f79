"""The result of a comparison, as text and as JSON."""

from __future__ import annotations

import math
import textwrap
from typing import Any

from snsim.comparison.differences import Comparison, Divergence, LayerDifference
from snsim.reports.tables import NONE
from snsim.text_table import aligned

_COLUMNS = ("states", "gradients", "weights", "moved")


def comparison_text(comparison: Comparison) -> str:
    """Return the table of layers, the matched parameters, where the two sides diverge, and their speed."""
    one, other = comparison.names
    head, *body = aligned(comparison_rows(comparison), "lrrrr")
    lines = [
        f"training {comparison.training} of net {comparison.net} on {comparison.data}: "
        f"{one} and {other}, {comparison.dtype}, "
        f"{comparison.presentations:,} presentations",
        "",
        head,
        "-" * len(head),
        *body,
        "",
        "largest differences between the two; moved: largest distance of a weight from its initial value",
    ]
    if comparison.pairs:
        pairs = ", ".join(f"{ours} = {theirs}" for ours, theirs in comparison.pairs)
        lines += ["", *textwrap.wrap(f"matched: {pairs}", 110, subsequent_indent="  ", break_on_hyphens=False)]
    lines.append("")
    unseen = [row.layer for row in comparison.layers if row.states is None]
    if unseen:
        lines.append(
            f"no tensor of {other} equals the states of {', '.join(unseen)}: they are not compared; gradients and "
            "weights agree"
        )
    lines.append(_verdict(comparison))
    if not comparison.equal and comparison.dtype == "float32":
        lines.append("  in float32, rounding alone can cause this: try --dtype float64")
    lines.append(
        f"processor time for {comparison.presentations:,} presentations: {one} {_time(comparison.seconds[0])}, {other} "
        f"{_time(comparison.seconds[1])}, ratio {_ratio(comparison.ratio)}"
    )
    return "\n".join(lines)


def comparison_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """Return the table of layers: the headings, then a row for each layer."""
    rows: list[tuple[str, ...]] = [("layer", *_COLUMNS)]
    return rows + [(row.layer, *(_number(value) for value in _values(row))) for row in comparison.layers]


def verdict_lines(comparison: Comparison) -> list[str]:
    """Return whether the two sides are equal, or where they first differ, as lines."""
    return _verdict(comparison).split("\n")


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Return the result as one JSON object; a difference that is not a finite number is the text "inf"."""
    return {
        "event": "comparison",
        "training": comparison.training,
        "net": comparison.net,
        "data": comparison.data,
        "compared": list(comparison.names),
        "dtype": comparison.dtype,
        "presentations": comparison.presentations,
        "tolerance": comparison.tolerance,
        "equal": comparison.equal,
        "layers": [{"layer": row.layer, **dict(zip(_COLUMNS, map(_plain, _values(row))))} for row in comparison.layers],
        "cost": _plain(comparison.cost),
        "first": None
        if comparison.first is None
        else {
            "presentation": comparison.first.number,
            "layer": comparison.first.layer,
            "what": comparison.first.what,
            "differing": list(comparison.first.differing),
            "note": comparison.first.note,
        },
        "seconds": list(comparison.seconds),
        "ratio": _plain(comparison.ratio),
        "parameters": dict(comparison.pairs),
    }


def _verdict(comparison: Comparison) -> str:
    if comparison.first is None:
        cost = _number(comparison.cost)
        return f"equal: nothing differs by more than {comparison.tolerance:g} (cost of a pattern: {cost})"
    return _divergence_text(comparison.first, comparison)


def _divergence_text(first: Divergence, comparison: Comparison) -> str:
    what = "the cost" if first.what == "cost" else f"{first.what} of layer {first.layer}"
    others = [name for name in first.differing if name != first.layer]
    more = f" (also those of {', '.join(others)})" if others else ""
    where = f" behind layer {first.layer}" if first.what == "cost" else ""
    line = f"DIFFERENT from presentation {first.number} on: {what}{where} by more than {comparison.tolerance:g}{more}"
    return f"{line}\n  {first.note}" if first.note else line


def _values(row: LayerDifference) -> tuple[float | None, ...]:
    return row.states, row.gradients, row.weights, row.moved


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.1e}" if value else "0"


def _plain(value: float | None) -> float | str | None:
    return "inf" if value is not None and not math.isfinite(value) else value


def _ratio(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _time(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 0.1 else f"{1000 * seconds:.3g} ms"
