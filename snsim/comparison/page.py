"""A comparison as one page of HTML: its tables, and everything about the place where the two sides first differ.

The page is `snsim/reports/comparison.html.j2`; this file prepares the values that it shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from markupsafe import Markup

from snsim.comparison.differences import Comparison, Divergence
from snsim.comparison.first_difference import Evidence, Excerpt, description_lines, module_lines
from snsim.comparison.report import comparison_rows, verdict_lines
from snsim.errors import SnError
from snsim.network.net import Net, Parameter
from snsim.page_templates import fill_html
from snsim.plots.maps import shaped
from snsim.plots.mosaic import Panel, Scale, draw_sheet, in_rows, mosaic
from snsim.plots.weights import weights
from snsim.reports.html_elements import figure
from snsim.runs import provenance

_MOST_ROWS = 8  # of a table of the largest differences
_MOST_ACROSS = 16  # maps in a row
_HEADS = {
    "states": "States",
    "cost": "Cost",
    "gradients": "Gradients",
    "weights": "Weights after the update",
}


@dataclass(frozen=True)
class NumbersPart:
    """One kind of numbers on both sides: pictures, and the places with the largest differences."""

    heading: str
    figures: str = ""
    rows: Sequence[Sequence[str]] = ()
    headings: Sequence[str] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class _Difference:
    heading: str
    other: str
    description: Sequence[Excerpt]
    lines: Sequence[Excerpt]
    parts: Sequence[NumbersPart]


@dataclass(frozen=True)
class _Page:
    heading: str
    verdict: Sequence[str]
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    difference: _Difference | None


def comparison_html(comparisons: Sequence[Comparison]) -> str:
    """Return comparisons of one training as a page of HTML, with its pictures and style inside."""
    return fill_html(
        "snsim.reports",
        "comparison.html.j2",
        title=f"Comparison of training {comparisons[0].training}",
        written=f"Written {provenance.now()}.",
        pages=[_page(comparison) for comparison in comparisons],
        findings=(),
        runs=None,
    )


def _page(comparison: Comparison) -> _Page:
    one, other = comparison.names
    heading = f"{one} and {other}: {comparison.presentations:,} presentations of {comparison.data}, {comparison.dtype}"
    headings, *rows = comparison_rows(comparison)
    first, evidence = comparison.first, comparison.evidence
    difference = None if first is None or evidence is None else _difference(comparison, first, evidence)
    return _Page(heading, verdict_lines(comparison), headings, rows, difference)


def _difference(comparison: Comparison, first: Divergence, evidence: Evidence) -> _Difference:
    names, layer = comparison.names, first.layer
    pattern = evidence.pattern(layer)
    parts = {
        "states": lambda: _states(evidence, layer, pattern, names),
        "cost": lambda: _cost(evidence, names),
        "gradients": lambda: _parameters(evidence, layer, "gradients", names),
        "weights": lambda: _parameters(evidence, layer, "weights", names),
    }
    order = [first.what, *(name for name in parts if name != first.what)]
    return _Difference(
        f"Presentation {first.number:,}, layer {layer}",
        names[1],
        description_lines(evidence.training, first.what, layer),
        module_lines(evidence, first.what, layer),
        [*(parts[name]() for name in order if name in parts), _pattern(evidence, pattern, names)],
    )


# ---- Parts -------------------------------------------------------------------------------------------------------


def _states(evidence: Evidence, layer: str, pattern: int, names: tuple[str, str]) -> NumbersPart:
    sides = evidence.states(layer)
    heading = f"States of {layer}{_of_batch(evidence, pattern)}"
    if sides is None:
        return NumbersPart(heading, notes=[f"{names[1]} computes no tensor of this size."])
    net = evidence.training.net
    one, other = (shaped(net.layer(layer), side[pattern]) for side in sides)
    figures = _side_by_side(f"States of {layer}", _maps_panel(one), _maps_panel(other), names, "state")
    shape = net.layer(layer).shape
    return NumbersPart(heading, figures, *_largest(one.reshape(shape), other.reshape(shape), names, "unit"))


def both_sides(net: Net, name: str, one: np.ndarray, other: np.ndarray, names: tuple[str, str]) -> NumbersPart:
    """Return the numbers of a layer's states, or of a parameter, on both sides: pictures, and a table."""
    parameter = next((p for p in net.parameters if p.name == name), None)
    layer = next((one_layer for one_layer in net.layers if one_layer.name == name), None)
    figures = Markup("")
    one, other = (np.asarray(side, np.float64) for side in (one, other))
    if parameter is not None and parameter.size == one.size:
        one, other = one.reshape(parameter.shape), other.reshape(parameter.shape)
        panels = [_parameter_panel(net, parameter, values) for values in (one, other)]
        if panels[0] is not None and panels[1] is not None:
            figures = _side_by_side(name, panels[0], panels[1], names, "")
    elif layer is not None and one.size % layer.units == 0:
        apart = np.nan_to_num(np.abs(one - other), nan=np.inf).reshape(-1, layer.units)
        pattern = int(apart.max(axis=1).argmax())
        one, other = (side.reshape(-1, layer.units)[pattern].reshape(layer.shape) for side in (one, other))
        panels_of_maps = [_maps_panel(shaped(layer, side)) for side in (one, other)]
        figures = _side_by_side(name, panels_of_maps[0], panels_of_maps[1], names, "state")
    return NumbersPart(name, figures, *_largest(one, other, names, "number"))


def _cost(evidence: Evidence, names: tuple[str, str]) -> NumbersPart:
    one, other = evidence.one.cost, evidence.other.cost
    return NumbersPart(
        "Cost of the batch",
        "",
        [("cost", f"{one:.9g}", f"{other:.9g}", f"{other - one:.3g}")],
        _heads("", names),
    )


def _parameters(evidence: Evidence, layer: str, kind: str, names: tuple[str, str]) -> NumbersPart:
    """Return gradients or weights that enter a layer: pictures of each parameter, and one table."""
    net, figures, rows, notes = evidence.training.net, Markup(""), [], []
    for p in net.parameters:
        if p.layer != layer or not p.learns:
            continue
        one, other = (np.asarray(getattr(side, kind)[p.name], np.float64) for side in (evidence.one, evidence.other))
        panels = [_parameter_panel(net, p, values) for values in (one, other)]
        if panels[0] is None or panels[1] is None:
            notes.append(f"{p.name} has too many numbers for a picture.")
        else:
            figures += _side_by_side(f"{_HEADS[kind]}: {p.name}", panels[0], panels[1], names, kind.rstrip("s"))
        rows += _largest(one, other, names, p.name)[0]
    rows = sorted(rows, key=lambda row: -abs(float(row[3])))[:_MOST_ROWS]
    return NumbersPart(f"{_HEADS[kind]} of {layer}", figures, rows, _heads("number", names), notes)


def _pattern(evidence: Evidence, pattern: int, names: tuple[str, str]) -> NumbersPart:
    """Return the pattern: its inputs as pictures, and outputs and targets as a table."""
    update, net = evidence.update, evidence.training.net
    x = update.inputs[pattern][-net.input_units :]  # of a net with delays, the last step
    panels = [
        replace(_maps_panel(shaped(layer, x[place])), title=layer.name)
        for layer, place in zip(net.inputs, net.input_places.values())
    ]
    reach = max(_reach(panel.picture) for panel in panels)
    drawn = partial(draw_sheet, "Input", panels, Scale(-reach, reach, "state"))
    rows = [
        (str(unit), f"{target:.4g}", f"{one:.9g}", f"{other:.9g}")
        for unit, (target, one, other) in enumerate(
            zip(update.targets[pattern], evidence.one.outputs[pattern], evidence.other.outputs[pattern])
        )
    ]
    figures = Markup(figure(drawn, f"input of presentation {update.end}", "grays"))
    return NumbersPart(f"The pattern{_of_batch(evidence, pattern)}", figures, rows, ("output", "target", *names))


def _of_batch(evidence: Evidence, pattern: int) -> str:
    count = len(evidence.update.inputs)
    return "" if count == 1 else f", pattern {pattern + 1} of the {count} of the batch"


# ---- Pictures and tables -----------------------------------------------------------------------------------------


def _side_by_side(title: str, one: Panel, other: Panel, names: tuple[str, str], unit: str) -> Markup:
    """Return both pictures with one gray scale, and their difference with a scale of its own."""
    with np.errstate(all="ignore"):
        apart = other.picture - one.picture
    reach, of_apart = max(_reach(one.picture), _reach(other.picture)), _reach(apart)
    panels = [replace(panel, title=name) for panel, name in zip((one, other), names)]
    both = figure(
        partial(draw_sheet, title, panels, Scale(-reach, reach, unit)), f"{title}, {' and '.join(names)}", "grays"
    )
    if not np.nan_to_num(np.abs(apart), nan=0.0).any():
        return Markup(both)
    panel = replace(one, title=f"{names[1]} - {names[0]}", picture=apart)
    difference = partial(draw_sheet, f"{title}: difference", [panel], Scale(-of_apart, of_apart, unit))
    return Markup(both + figure(difference, f"{title}, difference", "grays"))


def _maps_panel(maps: np.ndarray) -> Panel:
    across = min(len(maps), _MOST_ACROSS)
    gap = 0 if maps.shape[1:] == (1, 1) else 1
    return Panel("", mosaic(in_rows(maps, across), gap), (maps.shape[1] + gap, maps.shape[2] + gap))


def _parameter_panel(net: Net, p: Parameter, values: np.ndarray) -> Panel | None:
    """Return a parameter as kernels; None if it has too many cells, or is drawn nowhere (gains)."""
    plain = values.reshape(-1) / np.sqrt(np.maximum(1, np.ravel(p.fan_in)))  # `weights` multiplies by the root of F
    try:
        return weights(net, {p.name: plain.reshape(p.shape)}, "", p.name).panels[0]
    except SnError:
        return None


def _reach(picture: np.ndarray) -> float:
    finite = picture[np.isfinite(picture)]
    return float(np.abs(finite).max(initial=0.0)) or 1.0


def _heads(first: str, names: tuple[str, str]) -> tuple[str, ...]:
    return (first, *names, "difference")


def _largest(
    one: np.ndarray, other: np.ndarray, names: tuple[str, str], what: str
) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """Return the numbers with the largest differences as rows, and the headings of the table."""
    with np.errstate(all="ignore"):
        apart = np.nan_to_num(np.abs(other - one), nan=np.inf).reshape(-1)
    rows: list[tuple[str, ...]] = []
    for flat in np.argsort(-apart, kind="stable")[:_MOST_ROWS]:
        index = np.unravel_index(int(flat), one.shape)
        a, b = float(one[index]), float(other[index])
        rows.append((f"{what} {' '.join(map(str, map(int, index)))}", f"{a:.9g}", f"{b:.9g}", f"{b - a:.3g}"))
    return rows, _heads("number", names)
