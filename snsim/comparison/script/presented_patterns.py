"""Judge the inputs and targets that a watched script presents."""

from __future__ import annotations

import numpy as np

from snsim.comparison.script.events import Event, place_of
from snsim.comparison.script.judged import JudgedScript


def judge_inputs(
    judge: JudgedScript, event: Event, first: int, batch: int
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return the inputs, (patterns, units), and the targets of the description for them; NaN where there are none.

    None where the inputs were not seen or do not fit. `first` is the presentation of the first of them, from 1.
    """
    place = place_of(event["forward_place"]) or place_of(event["backward_place"])
    x = event.arrays.get("x")
    if x is None:
        if not judge.noted("inputs"):
            judge.comparison.notes.append("the inputs of the script were not seen")
        return None, None
    units = judge.net.input_units
    if x.size != batch * units:
        shown = "x".join(map(str, x.shape[1:]))
        judge.differ(
            "data",
            f"the script presents inputs of {shown}, {x.size // max(1, len(x)):,} numbers; the input layer has "
            f"{units:,} units",
            first,
            place,
        )
        return None, None
    rows = x.reshape(batch, units)
    stage = judge.pass_settings(first).stage
    is_random = stage.shift is not None or stage.input_noise is not None
    targets = np.full((batch, judge.net.layers[-1].units), np.nan)
    for k, row in enumerate(rows):
        presentation = first + k
        expected = (presentation - 1) % judge.patterns if stage.order == "fixed" else None
        found = judge.finder.find(row, expected)
        if found is None:
            if not is_random:
                judge.differ(
                    "data",
                    f"its input is no pattern of {judge.data.name}, as it is, scaled, inverted, centred or moved",
                    presentation,
                    place,
                    notes=[
                        f"it {_range_text(row)}; pattern {expected or 0} of the description "
                        f"{_range_text(judge.data.train.inputs[expected or 0])}",
                        "name the script's data with --data, if it learns another set of the description",
                    ],
                )
            continue
        part = judge.data.train if found.part == "train" else judge.data.test
        assert part is not None
        targets[k] = part.targets[found.index]
        if found.change and not (is_random and ("moved" in found.change or "noise" in found.change)):
            judge.differ(
                "data",
                f"its input is {found.part} pattern {found.index} of {judge.data.name}, but {found.change}",
                presentation,
                place,
            )
        if found.part == "test":
            judge.differ("data", f"it learns test pattern {found.index} of {judge.data.name}", presentation, place)
        elif expected is not None and found.index != expected:
            judge.differ(
                "order",
                f"it presents pattern {found.index}; the description, in fixed order, presents pattern {expected}",
                presentation,
                place,
            )
    return rows.astype(np.float64), targets


def judge_targets(judge: JudgedScript, event: Event, first: int, ours: np.ndarray | None) -> np.ndarray | None:
    """Return the targets of the script, (patterns, outputs); those of the description if they were not seen."""
    theirs = event.arrays.get("targets")
    place = place_of(event["cost_place"])
    assert ours is not None
    known = ~np.isnan(ours).any(axis=1)
    if theirs is None:
        if not judge.noted("targets"):
            judge.comparison.notes.append("the targets of the script were not seen: those of its inputs are assumed")
        return ours if known.all() else None
    labels = None
    if theirs.size == ours.size and theirs.dtype.kind == "f":
        values = theirs.reshape(ours.shape).astype(np.float64)
    else:
        labels = theirs.reshape(-1).astype(int)
        off, on = judge.training.targets
        values = np.full(ours.shape, off)
        if (labels < 0).any() or (labels >= ours.shape[1]).any():
            judge.differ("targets", f"its label is {labels.min()} or {labels.max()}, of {ours.shape[1]} classes", first)
            return None
        values[np.arange(len(labels)), labels] = on
    for k in np.flatnonzero(known):
        if np.abs(values[k] - ours[k]).max() <= 1e-6:
            continue
        mine, their = int(ours[k].argmax()), int(values[k].argmax())
        if mine != their:
            judge.differ(
                "targets",
                f"its target is class {their}; that of this pattern is class {mine}",
                first + int(k),
                place,
            )
        else:
            levels, own = (_levels(one) for one in (values[k], ours[k]))
            judge.differ("targets", f"its targets are coded {levels}; in the description {own}", first + int(k), place)
        break
    return values


def _range_text(row: np.ndarray) -> str:
    return f"goes from {row.min():.4g} to {row.max():.4g}, mean {row.mean():.4g}"


def _levels(row: np.ndarray) -> str:
    values = np.unique(np.round(row, 6))
    return " and ".join(f"{value:g}" for value in values) if len(values) <= 3 else f"{values[0]:g} to {values[-1]:g}"
