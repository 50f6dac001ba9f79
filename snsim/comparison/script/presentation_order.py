"""Judge the order in which a watched script presents its patterns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from snsim.comparison.script.judged import JudgedScript


def judge_order(judge: JudgedScript, prints: np.ndarray) -> None:
    """Judge the order, repetition and coverage of all presentations, by their fingerprints."""
    indices = judge.finder.indices(prints)
    stage = judge.training.stages[0]
    if (indices < 0).mean() > 0.01 or stage.shift is not None or stage.input_noise is not None:
        return
    n = judge.patterns
    if stage.order == "fixed":
        expected = np.arange(len(indices)) % n
        indices = judge.finder.prefer(indices, expected, prints)
        wrong = np.flatnonzero(indices != expected)
        if len(wrong):
            k = int(wrong[0])
            judge.differ(
                "order",
                f"it presents {_pattern_text(judge, int(indices[k]))}; the description, in fixed order, presents "
                f"pattern {expected[k]}",
                k + 1,
            )
        _add_order_notes(judge, indices)
        return
    passes = [indices[k : k + n] for k in range(0, len(indices) - n + 1, n)]
    for number, one in enumerate(passes, 1):
        different = len(np.unique(one))
        copies = n - len(np.unique(judge.finder.indices(judge.finder._at(judge.finder._form).prints)))  # equal patterns
        if stage.order.startswith("shuffled") and different < n - copies:
            judge.differ(
                "order",
                f"pass {number} presents only {different:,} of the {n:,} patterns; the description presents each "
                "one once",
                (number - 1) * n + 1,
            )
    _judge_shuffling(judge, stage.order, passes)


def _judge_shuffling(judge: JudgedScript, order: str, passes: Sequence[np.ndarray]) -> None:
    if len(passes) > 1 and order == "shuffled" and np.array_equal(passes[0], passes[1]):
        judge.differ(
            "order",
            f"{_order_text(judge, passes[0])}, the same in each pass; the description shuffles before each pass",
            judge.patterns + 1,
        )
    elif order == "shuffled" and passes and np.array_equal(passes[0], np.arange(judge.patterns)):
        judge.differ("order", "its order is that of the file; the description shuffles before each pass", 1)
    elif len(passes) > 1 and order == "shuffled once" and not np.array_equal(passes[0], passes[1]):
        judge.differ("order", "its order changes from pass to pass; the description shuffles once", judge.patterns + 1)
    elif order == "random" and passes and len(np.unique(passes[0])) == judge.patterns > 10:
        judge.differ("order", "it presents each pattern once; the description draws them at random", 1)


def _pattern_text(judge: JudgedScript, index: int) -> str:
    if index < 0:
        return "an unknown pattern"
    return f"pattern {index}" if index < judge.patterns else f"test pattern {index - judge.patterns}"


def _add_order_notes(judge: JudgedScript, indices: np.ndarray) -> None:
    """Add to the difference in order what kind of order the script has."""
    for k, one in enumerate(judge.comparison.differences):
        if one.kind == "order":
            text = _order_text(judge, indices)
            judge.comparison.differences[k] = replace(one, notes=(*one.notes, *([text] if text else [])))


def _order_text(judge: JudgedScript, indices: np.ndarray) -> str:
    n = judge.patterns
    one = indices[:n]
    steps = np.diff(one)
    if len(one) < 3:
        return ""
    different = len(np.unique(one))
    if (steps == -1).all():
        return "its order is reversed"
    if (steps == 1).all():
        return f"its order is fixed, from pattern {one[0]} on"
    again = np.flatnonzero(indices == indices[0])
    if len(again) > 1 and np.array_equal(indices[: again[1]], indices[0] + np.arange(again[1])):
        return f"its passes present {again[1]:,} patterns, from {indices[0]} to {indices[again[1] - 1]}"
    if (one[one < n] >= 0).all() and (one < n).all():
        labels = judge.data.train.targets[one].argmax(axis=1)
        if different == n and (np.diff(labels) >= 0).all():
            return "its patterns are sorted by class"
    if different == n:
        return "it shuffles: each pattern once, in another order"
    return f"its first {n:,} presentations have {different:,} different patterns"
