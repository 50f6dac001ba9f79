"""What a comparison found, as text and as JSON."""

from __future__ import annotations

import math
import textwrap
from typing import Any

from snsim.comparison.differences import Comparison, Divergence, LayerDifference
from snsim.reports.tables import NONE
from snsim.text_table import aligned

_COLUMNS = ("states", "gradients", "weights", "moved")


def comparison_text(made: Comparison) -> str:
    """The table of layers with the parameters that were matched, then where the two part, then their speed."""
    one, other = made.names
    rows: list[tuple[str, ...]] = [("layer", *_COLUMNS)]
    rows += [(row.layer, *(_number(value) for value in _values(row))) for row in made.layers]
    head, *body = aligned(rows, "lrrrr")
    lines = [
        f"training {made.training} of net {made.net} on {made.data}: {one} and {other}, {made.dtype}, "
        f"{made.presentations:,} presentations",
        "",
        head,
        "-" * len(head),
        *body,
        "",
        "largest differences of the two; moved: how far the weights went from where both began",
    ]
    if made.pairs:
        pairs = ", ".join(f"{ours} = {theirs}" for ours, theirs in made.pairs)
        lines += ["", *textwrap.wrap(f"matched: {pairs}", 110, subsequent_indent="  ", break_on_hyphens=False)]
    lines.append("")
    unseen = [row.layer for row in made.layers if row.states is None]
    if unseen:
        lines.append(f"{other} shows no states that agree with those of {', '.join(unseen)}, and learns the same")
    lines.append(_verdict(made))
    if not made.equal and made.dtype == "float32":
        lines.append("  in float32 rounding alone may come to this: see what --dtype float64 tells")
    lines.append(
        f"processor time for {made.presentations:,} presentations: {one} {_time(made.seconds[0])}, {other} "
        f"{_time(made.seconds[1])}, ratio {_ratio(made.ratio)}"
    )
    return "\n".join(lines)


def comparison_json(made: Comparison) -> dict[str, Any]:
    """The same as one JSON object; a difference that is no finite number is the text "inf"."""
    return {
        "event": "comparison",
        "training": made.training,
        "net": made.net,
        "data": made.data,
        "compared": list(made.names),
        "dtype": made.dtype,
        "presentations": made.presentations,
        "tolerance": made.tolerance,
        "equal": made.equal,
        "layers": [{"layer": row.layer, **dict(zip(_COLUMNS, map(_plain, _values(row))))} for row in made.layers],
        "cost": _plain(made.cost),
        "first": None
        if made.first is None
        else {
            "presentation": made.first.number,
            "layer": made.first.layer,
            "what": made.first.what,
            "differing": list(made.first.differing),
            "note": made.first.note,
        },
        "seconds": list(made.seconds),
        "ratio": _plain(made.ratio),
        "parameters": dict(made.pairs),
    }


def _verdict(made: Comparison) -> str:
    if made.first is None:
        return f"equal: nothing differs by more than {made.tolerance:g} (cost of a pattern: {_number(made.cost)})"
    return _divergence_text(made.first, made)


def _divergence_text(first: Divergence, made: Comparison) -> str:
    what = "the cost" if first.what == "cost" else f"{first.what} of layer {first.layer}"
    others = [name for name in first.differing if name != first.layer]
    more = f" (also those of {', '.join(others)})" if others else ""
    where = f" behind layer {first.layer}" if first.what == "cost" else ""
    line = f"DIFFERENT from presentation {first.number} on: {what}{where} by more than {made.tolerance:g}{more}"
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
