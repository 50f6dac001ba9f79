"""The page of a joint judgement: curves, heat maps and scatter of the figures, in one HTML file."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from functools import partial

import numpy as np
from markupsafe import Markup

from snsim.optional_packages import needing
from snsim.page_templates import fill_html
from snsim.plots import design
from snsim.registry import split_cell
from snsim.reports.html_elements import figure
from snsim.studies.intervals import is_count
from snsim.studies.joint import MOST_VALUES, Choice, Joint, JointRow, settings_of
from snsim.studies.page import smoothing_sentences
from snsim.studies.results import Study

_MOST_ROWS = 40  # of the table
_MOST_HEAT_MAPS = 12


def joint_page(study: Study, joint: Joint, command: str, made: str) -> bytes:
    """Return the page of a study that was judged together; `command` repeats it, `made` says when and where."""
    ranked = sorted(joint.rows, key=lambda row: -row.posterior)
    return fill_html(
        "snsim.reports",
        "joint.html.j2",
        name=study.name,
        introduction=study.introduction,
        command=command,
        made=made,
        joint=joint,
        smoothing="" if joint.smoothing is None else smoothing_sentences(joint.smoothing),
        rows=[_cells(joint, row) for row in ranked[:_MOST_ROWS]],
        hidden=max(0, len(ranked) - _MOST_ROWS),
        choices=[(one.variable, one.value, f"{one.prior:.3f}", _spread(one)) for one in joint.choices],
        quantiles=[(one.variable, *_range(one.prior), *_range(one.posterior)) for one in joint.quantiles],
        figures=[f"{'square root' if is_count(name) else 'logarithm'} of {name}" for name in joint.figures],
        scatter=Markup(_scatter(joint, ranked[0])),
        curves=[Markup(picture) for picture in _curves(joint)],
        heat_maps=[Markup(picture) for picture in itertools.islice(_heat_maps(joint), _MOST_HEAT_MAPS)],
    ).encode()


def _cells(joint: Joint, row: JointRow) -> tuple[str, ...]:
    likelihood = math.exp(row.likelihood - joint.best)
    return row.name, str(row.runs), f"{row.p:.3g}", f"{likelihood:.2g}", f"{row.prior:.3f}", _spread(row)


def _spread(one: JointRow | Choice) -> str:
    return f"{one.posterior:.3f} ± {one.posterior_error:.3f}"


def _range(quantiles: tuple[float, float, float]) -> tuple[str, str]:
    """Return 5 % to 95 %, and the median."""
    low, middle, high = quantiles
    return f"{low:.3g} to {high:.3g}", f"{middle:.3g}"


def _untransformed(joint: Joint, values: np.ndarray) -> np.ndarray:
    """Return figures from their transforms, (..., figures)."""
    counts = np.array([is_count(name) for name in joint.figures])
    figures: np.ndarray = np.where(counts, np.square(values), np.exp(values))
    return figures


def _scatter(joint: Joint, best: JointRow) -> str:
    points = np.concatenate([points for points in joint.points.values() if len(points)])
    marked = np.concatenate([np.full(len(own), name == best.name) for name, own in joint.points.items() if len(own)])
    if len(joint.figures) < 2:
        return ""
    draw = partial(
        design.draw_pairs,
        joint.figures,
        _untransformed(joint, points),
        marked,
        _untransformed(joint, joint.published),
        best.name,
    )
    return figure(
        draw,
        "each pair of figures of all runs, with the published figures as a cross",
        "lines",
        "A point is a run. Gray: all rows. Blue: the row with the largest posterior.",
    )


# ---- Curves ------------------------------------------------------------------------------------------------------


def _curves(joint: Joint) -> Iterator[str]:
    """Yield a picture for each variable with several numbers: every figure against it."""
    published = dict(zip(joint.figures, _untransformed(joint, joint.published).tolist()))
    for variable in _variables(joint):
        groups = _groups(joint, variable)
        if not groups:
            continue
        lines = {
            name: [_line(joint, label, variable, rows, i) for label, rows in groups.items()]
            for i, name in enumerate(joint.figures)
        }
        yield figure(
            partial(design.draw_lines, variable, lines, published),
            f"every figure against {variable}",
            "lines",
            "Means over the seeds with 95 % intervals; dashed: published.",
        )


def _variables(joint: Joint) -> list[str]:
    return list(dict.fromkeys(name for row in joint.rows for name in row.settings))


def _groups(joint: Joint, variable: str) -> dict[str, list[JointRow]]:
    """Return the rows that differ in this variable alone, by what they share; only those with two numbers or more."""
    groups: dict[str, list[JointRow]] = {}
    for row in joint.rows:
        if _number(row.settings.get(variable, "")) is not None:
            rest = ",".join(f"{name}={value}" for name, value in row.settings.items() if name != variable)
            groups.setdefault(split_cell(row.name)[0] + (f" {rest}" if rest else ""), []).append(row)
    several = {label: rows for label, rows in groups.items() if len(rows) > 1}
    if several or len(groups) < 2:
        return several
    return {"all": [row for rows in groups.values() for row in rows]}  # of a sample: no two rows share the rest


def _line(joint: Joint, label: str, variable: str, rows: list[JointRow], i: int) -> design.SettingLine:
    rows = sorted(rows, key=lambda row: float(row.settings[variable]))
    figures = [_untransformed(joint, joint.points[row.name])[:, i] for row in rows]
    return design.SettingLine(
        label,
        np.array([float(row.settings[variable]) for row in rows]),
        np.array([values.mean() for values in figures]),
        np.array([_half_width(values) for values in figures]),
    )


def _half_width(values: np.ndarray) -> float:
    """Return half of the 95 % interval of a mean by Student's t; 0 for one value."""
    with needing("scipy", what="--joint"):
        from scipy import stats
    runs = len(values)
    return float(stats.t.ppf(0.975, runs - 1) * values.std(ddof=1) / math.sqrt(runs)) if runs > 1 else 0.0


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


# ---- Heat maps ---------------------------------------------------------------------------------------------------


def _heat_maps(joint: Joint) -> Iterator[str]:
    """Yield a picture for each pair of variables with few values: the posterior of each pair of values."""
    for pair in itertools.combinations(_variables(joint), 2):
        rows = [row for row in joint.rows if all(name in row.settings for name in pair)]
        first, second = (list(dict.fromkeys(row.settings[name] for row in rows)) for name in pair)
        if not (1 < len(first) <= MOST_VALUES and 1 < len(second) <= MOST_VALUES):
            continue
        shares = np.zeros((len(first), len(second)))
        for row in rows:
            settings = settings_of(row.name)
            shares[first.index(settings[pair[0]]), second.index(settings[pair[1]])] += row.posterior
        yield figure(
            partial(design.draw_heat_map, pair, (first, second), shares),
            f"the posterior of {pair[0]} and {pair[1]}",
            "grays",
        )
