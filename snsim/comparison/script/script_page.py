"""The comparison of a script as one page of HTML: each difference with its lines, and the numbers of both sides.

The page is `snsim/reports/comparison.html.j2`; this file prepares the values that it shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from snsim.comparison.first_difference import Excerpt, Place, description_lines, script_lines
from snsim.comparison.page import NumbersPart, both_sides
from snsim.comparison.script.result import ScriptComparison, ScriptDifference
from snsim.page_templates import fill_html
from snsim.runs import provenance
from snsim.training.spec import Training

_WHAT = {  # kind of difference: what the description states of it
    "architecture": "states",
    "forward": "states",
    "gradient": "gradients",
    "mode": "evaluation",
    "zero_grad": "weights",
    "optimizer": "weights",
    "schedule": "weights",
    "step": "weights",
}


@dataclass(frozen=True)
class _Finding:
    heading: str
    sentences: Sequence[str]
    other: str
    description: Sequence[Excerpt]
    lines: Sequence[Excerpt]
    parts: Sequence[NumbersPart]


def script_html(comparison: ScriptComparison, training: Training, folder: Path) -> str:
    """Return the comparison of a script in `folder` as a page of HTML, with its pictures and style inside."""
    ordered = comparison.ordered
    return fill_html(
        "snsim.reports",
        "comparison.html.j2",
        title=f"{comparison.script} beside training {comparison.training}",
        written=f"{comparison.script} {comparison.headline}. Written {provenance.now()}.",
        pages=(),
        findings=[_finding(one, comparison, training, folder) for one in ordered],
        runs=None,
    )


def _finding(one: ScriptDifference, comparison: ScriptComparison, training: Training, folder: Path) -> _Finding:
    when = "" if one.presentation is None or one.at_end else f", from presentation {one.presentation:,} on"
    place = None if one.place is None else Place(str(folder / one.place.file), one.place.line)
    names = ("description", comparison.script)
    parts = [both_sides(training.net, name, ours, theirs, names) for name, (ours, theirs) in one.sides.items()]
    return _Finding(
        f"{one.kind[:1].upper()}{one.kind[1:]}{when}",
        [one.message, *one.notes],
        comparison.script,
        description_lines(training, _WHAT.get(one.kind, one.kind), one.layer),
        [] if place is None else script_lines(place),
        parts,
    )
