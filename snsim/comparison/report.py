"""The result of a comparison, as text and as JSON."""

from __future__ import annotations

import math
import textwrap
from typing import Any

from snsim.comparison.differences import FACTOR_PRESENTATIONS, Comparison, Divergence, LayerDifference
from snsim.comparison.first_difference import description_lines, module_lines
from snsim.reports.tables import NONE
from snsim.text_table import aligned

_COLUMNS = ("states", "gradients", "weights", "moved")


def comparison_text(comparison: Comparison) -> str:
    """Return the table of layers, the matched parameters, where the two sides diverge, and their speed."""
    one, other = comparison.names
    output = comparison.layers[-1].layer
    head, *body = aligned(comparison_rows(comparison), "lrrrr")
    lines = [
        f"training {comparison.training} of net {comparison.net} on {comparison.data}: "
        f"{one} and {other}, {comparison.dtype}, "
        f"{comparison.presentations:,} presentations",
        "",
        *_verdict(comparison).split("\n"),
        *_lines_text(comparison),
    ]
    if comparison.equal and comparison.cost_factor != 1 and comparison.presentations >= FACTOR_PRESENTATIONS:
        lines.append(
            f"  the cost in {other} is {comparison.cost_factor:.4g} times that in {one}; its rates make up for it"
        )
    if not comparison.equal and comparison.dtype == "float32":
        lines.append("  --dtype float64 compares with finer rounding")
    lines += [
        "",
        head,
        "-" * len(head),
        *body,
        "",
        "largest differences, as a share of the largest number of the layer; weights: of one update of equal weights",
        "moved: the largest distance of a weight from its initial value",
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
    if comparison.output_kind:
        lines.append(f"{other} returns {comparison.output_kind}: they are compared with those of layer {output}")
    if comparison.initial:
        first, *more = comparison.initial
        lines.append(
            f"{other} draws initial weights of its own, not used here: {first}" + f"; and {len(more)} more" * bool(more)
        )
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
            "description": _places(False, comparison),
            "lines": _places(True, comparison),
            "cause": comparison.first.cause,
            "size": _plain(comparison.first.size),
            "allowed": _plain(comparison.first.allowed),
        },
        "cost_factor": _plain(comparison.cost_factor),
        "returns": comparison.output_kind,
        "initial": list(comparison.initial),
        "seconds": list(comparison.seconds),
        "ratio": _plain(comparison.ratio),
        "parameters": dict(comparison.pairs),
    }


def _places(of_class: bool, comparison: Comparison) -> list[str]:
    """Return the lines of the class, or of the description, that compute what differs first: "mine.py:3, 7"."""
    first, evidence = comparison.first, comparison.evidence
    if first is None or evidence is None:
        return []
    if of_class:
        return [excerpt.marked for excerpt in module_lines(evidence, first.what, first.layer)]
    return [excerpt.marked for excerpt in description_lines(evidence.training, first.what, first.layer)]


def _verdict(comparison: Comparison) -> str:
    if comparison.first is not None:
        return _divergence_text(comparison.first, comparison)
    within = f"{comparison.presentations:,} presentations"
    if comparison.tolerance is not None:
        return f"equal: in {within} nothing differs by more than {comparison.tolerance:g} of its size"
    rounding = " up to rounding" if comparison.largest else ""
    return f"equal: {comparison.names[1]} learns the same{rounding} for {within}"


_PART_TEXTS = {
    "states": "the states of layer {}",
    "cost": "the cost behind layer {}",
    "gradients": "the gradients of layer {}",
    "weights": "the update of layer {}",
    "evaluation": "eval mode, at layer {}",
    "rate": "the rate of layer {}",
}


def _divergence_text(first: Divergence, comparison: Comparison) -> str:
    others = [name for name in first.differing if name != first.layer]
    what = _PART_TEXTS[first.what].format(first.layer) + (f" (also {', '.join(others)})" if others else "")
    line = f"DIFFERENT from presentation {first.number:,} on: {what}"
    if first.size:
        limit = "the tolerance" if comparison.tolerance is not None else "rounding"
        line += f"\n  by {first.size:.1e} of its size; {limit} explains {first.allowed:.1e}"
    return f"{line}\n  {first.note}" if first.note else line


def _lines_text(comparison: Comparison) -> list[str]:
    """Return the lines of the description and of the class that compute what differs first."""
    sides = (("the description", False), (comparison.names[1], True))
    places = ((whose, _places(of_class, comparison)) for whose, of_class in sides)
    return [f"  in {whose}: {'; '.join(of_side)}" for whose, of_side in places if of_side]


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
