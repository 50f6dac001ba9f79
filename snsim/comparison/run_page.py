"""The comparison of two runs as one page of HTML, with curves of both. The page is `comparison.html.j2`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from markupsafe import Markup

from snsim.comparison.run_comparison import RunComparison, TextDifference
from snsim.comparison.run_comparison_text import (
    figure_rows,
    run_verdict,
    same_forms_sentence,
    setting_rows,
    weight_rows,
)
from snsim.errors import for_line
from snsim.page_templates import fill_html
from snsim.plots import curves
from snsim.reports.html_elements import figure
from snsim.runs import provenance
from snsim.runs.opened_run import OpenedRun


@dataclass(frozen=True)
class _Runs:
    names: tuple[str, str]
    verdict: Sequence[str]
    settings: Sequence[Sequence[str]]
    texts: Sequence[TextDifference]
    same_forms: Sequence[str]
    figures: Sequence[Sequence[str]]
    weights: Sequence[Sequence[str]]
    curves: Markup


def run_comparison_html(made: RunComparison, folders: tuple[Path, Path]) -> str:
    """Return the comparison of the runs in two folders as a page of HTML, with its pictures and style inside."""
    return fill_html(
        "snsim.reports",
        "comparison.html.j2",
        title=f"Comparison of the runs {made.names[0]} and {made.names[1]}",
        written=f"Written {provenance.now()}.",
        pages=(),
        findings=(),
        runs=_Runs(
            made.names,
            run_verdict(made).split("\n"),
            setting_rows(made),
            made.texts,
            same_forms_sentence(made),
            figure_rows(made),
            weight_rows(made),
            _curves(folders, made.names),
        ),
    )


def _curves(folders: tuple[Path, Path], names: tuple[str, str]) -> Markup:
    """Return the curves of both runs as a picture; nothing if one has done no pass."""
    passes = [OpenedRun.open(folder).record.passes for folder in folders]
    if not all(passes):
        return Markup("")
    groups = [curves.curve_group(for_line(name), [done]) for name, done in zip(names, passes)]
    shown = curves.SeveralCurves(" and ".join(map(for_line, names)), groups, "loss", {}, "")
    return Markup(figure(partial(curves.draw, shown), "loss and error of both runs after each pass", "lines"))
