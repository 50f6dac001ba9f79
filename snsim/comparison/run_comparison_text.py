"""The result of comparing two runs, as text and as JSON."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from snsim.comparison.run_comparison import FigureDifference, RunComparison, WeightDifference
from snsim.errors import for_line, passes_text
from snsim.reports.tables import NONE
from snsim.text_table import aligned

_LONGEST = 44  # characters of a value in the table
_DIGEST = re.compile("[0-9a-f]{64}")
_MOST_TELLING = ("test misses", "train misses", "test loss", "train loss")


def run_comparison_text(made: RunComparison) -> str:
    """Return what differs in settings, texts, figures and weights, and a verdict."""
    one, other = map(for_line, made.names)
    parts = [f"run {one}: {passes_text(made.passes[0])}; run {other}: {passes_text(made.passes[1])}"]
    if made.settings:
        rows = [("setting", one, other), *setting_rows(made)]
        parts.append(_table(rows, "lll"))
    if made.texts:
        lines = []
        for text in made.texts:
            lines += [
                f"{for_line(text.name)}: lines of {one} (-) and of {other} (+)",
                *(f"  {line}" for line in text.lines),
            ]
            lines += ["  ..."] if text.is_cut else []
        parts.append("\n".join([*lines, *same_forms_sentence(made)]))
    if made.figures:
        rows = [("figure", "from pass", one, other, "largest difference"), *figure_rows(made)]
        parts.append(_table(rows, "lrrrr"))
    if made.weights:
        rows = [("weights of", "largest difference", "largest weight"), *weight_rows(made)]
        parts.append(_table(rows, "lrr"))
    parts.append(run_verdict(made))
    return "\n\n".join(parts)


def run_verdict(made: RunComparison) -> str:
    """Return the result in one or two sentences."""
    verdict = "".join(_verdict(made))
    reason = _reason(made)
    return f"{verdict}\n  {reason}" if reason else verdict


def run_comparison_json(made: RunComparison) -> dict[str, Any]:
    """Return the result as one JSON object; a difference that is not a finite number is the text "inf"."""
    return {
        "event": "run-comparison",
        "compared": list(made.names),
        "passes": list(made.passes),
        "tolerance": made.tolerance,
        "equal": made.equal,
        "identical": made.identical,
        "first": made.first,
        "first_bit": made.first_bit,
        "settings": [{"kind": row.kind, "name": row.name, "values": list(row.values)} for row in made.settings],
        "texts": [{"name": text.name, "lines": list(text.lines), "cut": text.is_cut} for text in made.texts],
        "same_forms": made.same_forms,
        "figures": [
            {
                "split": row.split,
                "figure": row.figure,
                "first": row.beyond,
                "first_bit": row.first,
                "values": list(map(_plain, row.values)),
                "largest": _plain(row.largest),
            }
            for row in made.figures
        ],
        "weights": [
            {"layer": row.layer, "largest": _plain(row.largest), "scale": _plain(row.scale)} for row in made.weights
        ],
    }


# ---- Rows --------------------------------------------------------------------------------------------------------


def setting_rows(made: RunComparison) -> list[tuple[str, ...]]:
    """Return name and both values of each setting that differs."""
    return [
        (row.name if row.name.startswith(("--", row.kind)) else f"{row.kind} {row.name}", *map(_value, row.values))
        for row in made.settings
    ]


def figure_rows(made: RunComparison) -> list[tuple[str, ...]]:
    """Return each figure, the pass from which on it differs, both values there, and the largest difference."""
    return [
        (row.name, str(row.beyond or row.first or NONE), *(_figure(row, value) for value in row.values), _most(row))
        for row in made.figures
    ]


def weight_rows(made: RunComparison) -> list[tuple[str, ...]]:
    """Return each layer, the largest difference of its weights, and its largest weight."""
    return [(row.layer, _weight(row), f"{row.scale:.2g}") for row in made.weights]


def same_forms_sentence(made: RunComparison) -> list[str]:
    """Return a sentence that says whether the texts mean the same, as a list of one; nothing if that is not known."""
    if made.same_forms is None or not made.texts:
        return []
    return [
        "Both texts declare the same net and training." if made.same_forms else "They declare another net or training."
    ]


def _table(rows: list[tuple[str, ...]], sides: str) -> str:
    head, *body = aligned(rows, sides)
    return "\n".join([head, "-" * max(map(len, [head, *body])), *body])


def _value(value: Any) -> str:
    if value is None:
        return NONE
    text = value if isinstance(value, str) else json.dumps(value)
    if _DIGEST.fullmatch(text):
        return f"{text[:12]}..."
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _figure(row: FigureDifference, value: float) -> str:
    if not math.isfinite(value):
        return "not finite"
    return f"{value:,}" if row.figure == "misses" else f"{value:.7g}"


def _most(row: FigureDifference) -> str:
    if not row.largest:
        return "0"
    return f"{row.largest:,.0f}" if row.figure == "misses" and math.isfinite(row.largest) else f"{row.largest:.1e}"


def _weight(row: WeightDifference) -> str:
    if row.largest is None:
        return "other weights"
    return f"{row.largest:.1e}" if row.largest else "0"


def _plain(value: float | None) -> float | str | None:
    return "inf" if value is not None and not math.isfinite(value) else value


# ---- The verdict -------------------------------------------------------------------------------------------------


def _verdict(made: RunComparison) -> Iterator[str]:
    if made.identical:
        yield "equal: the figures of all passes and the last weights are the same to the last bit"
    elif made.equal:
        bit = "the last weights" if made.first_bit is None else f"figures from pass {made.first_bit}"
        yield f"equal up to rounding: {bit} differ, but by no more than {made.tolerance:g}"
    elif made.first is not None:
        rows = [row for row in made.figures if row.beyond == made.first]
        rows = [row for name in _MOST_TELLING for row in rows if row.name == name][:2] or rows
        yield f"DIFFERENT from pass {made.first} on: {', '.join(_figure_words(row) for row in rows)}"
        if made.first_bit is not None and made.first_bit < made.first:
            yield f"; the last bits differ from pass {made.first_bit} on"
    elif made.passes[0] != made.passes[1]:
        longer = for_line(made.names[0] if made.passes[0] > made.passes[1] else made.names[1])
        more = abs(made.passes[0] - made.passes[1])
        same = (
            f"the figures of the {passes_text(made.common)} that both have are equal" if made.common else "one has none"
        )
        yield f"DIFFERENT in length only: {same}; {longer} has {more:,} more"
    else:
        layers = [for_line(row.layer) for row in made.weights if row.relative is None or row.relative > made.tolerance]
        yield f"DIFFERENT weights of {', '.join(layers)}, although the figures of {passes_text(made.common)} are equal"


def _reason(made: RunComparison) -> str:
    """Return a sentence that says which settings can have caused the result."""
    if not made.settings:
        return "" if made.equal else "no recorded setting differs: a file of initial weights may have changed"
    causes = [row for row in made.settings if not row.is_rounding]
    meant = [row for row in causes if row.kind != "text" or not made.same_forms]
    kinds = ", ".join(dict.fromkeys(row.kind for row in (made.settings if made.equal else meant)))
    if made.equal:
        return f"their settings differ all the same: {kinds}"
    if not meant:
        return "only rounding can have parted them: they have the same net, training, seed and data"
    return f"settings that differ and can cause this: {kinds}"


def _figure_words(row: FigureDifference) -> str:
    one, other = (_figure(row, value) for value in row.values)
    return f"{row.name} {one} and {other}"
