"""Prepare the data of each picture of `snsim.plots`, from an opened run or from a text."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from snsim.errors import Source, fail, for_line
from snsim.language.evaluator import Evaluator
from snsim.language.forms import NIL, Form, Node
from snsim.language.interpreter import Word
from snsim.network.clauses import Faults
from snsim.network.net import Nlf
from snsim.network.nlfs import NlfDefinition, read_nlf
from snsim.plots.confusion import Confusion, confusion
from snsim.plots.curves import Curves, SeveralCurves, curve_group, curves
from snsim.plots.maps import Maps, maps
from snsim.plots.misses import MOST, Misses, misses
from snsim.plots.rejection import Rejections
from snsim.plots.weights import Weights, weights
from snsim.program import lisp_functions, read_program, shelves
from snsim.registry import Shelf
from snsim.runs.opened_run import OpenedRun, SplitOutputs
from snsim.runs.predictor import Predictor
from snsim.text_table import class_label
from snsim.training.rejection import least_rejection, rejection_curve


def curves_of(run: OpenedRun) -> Curves:
    """Return the curves of a run; they need neither net nor data."""
    title = f"{for_line(run.name)}, {for_line(run.settings['data']['name'])}"
    return curves(run.record.passes, title, run.settings["published"], has_published_data(run))


def has_published_data(run: OpenedRun) -> bool:
    """Tell whether a run learned the data that its description names first, to which published figures belong."""
    if run.settings["overrides"]["data"] and run.settings["published"]:
        return run.training.first_data == str(run.settings["data"]["name"])
    return int(run.settings["data"]["rank"]) == 0


def curves_of_several(runs: Sequence[OpenedRun]) -> SeveralCurves:
    """Return the curves of several runs; those that differ only in their seed are one group.

    Published numbers are shown if all runs have the same and learned the data that these were published for.
    """
    groups: dict[tuple[str, ...], list[OpenedRun]] = {}
    for run in runs:
        curves_of(run)  # raises for a run without a pass
        groups.setdefault(_all_but_the_seed(run), []).append(run)
    single = [curves_of(run) for run in runs]
    figures = {one.loss_figure for one in single}
    figure = figures.pop() if len(figures) == 1 else "loss"
    published = [dict(one.error_published) for one in single]
    same = all(numbers == published[0] for numbers in published)
    labels = _labels(list(groups.values()))
    made = [
        curve_group(label, [run.record.passes for run in members], figure)
        for label, members in zip(labels, groups.values())
    ]
    spread = "lines are means over seeds, bands one standard deviation" if len(made) < len(runs) else ""
    names = ", ".join(dict.fromkeys(for_line(run.settings["name"]) for run in runs))
    return SeveralCurves(f"{names}: {len(runs)} runs", made, figure, published[0] if same else {}, spread)


def _all_but_the_seed(run: OpenedRun) -> tuple[str, ...]:
    """Return everything that decides the figures of a run, apart from its seed."""
    settings = run.settings
    sources = settings["source"].get("digests", {})
    decisive = (settings["presets"], settings["overrides"], sources, settings["passes"], settings["updates"])
    return (
        settings["name"],
        settings["net_digest"],
        settings["data"]["digest"],
        settings["engine"],
        settings["dtype"],
        *(json.dumps(value, sort_keys=True) for value in decisive),
    )


def _labels(groups: Sequence[Sequence[OpenedRun]]) -> list[str]:
    """Return a name for each group: the run, or training and seeds; equal names get the data or the first run added."""
    names = [
        for_line(group[0].name) if len(group) == 1 else f"{for_line(group[0].settings['name'])}, {len(group)} seeds"
        for group in groups
    ]
    if len(set(names)) < len(names):
        names = [f"{name}, {for_line(group[0].settings['data']['name'])}" for name, group in zip(names, groups)]
    if len(set(names)) < len(names):
        names = [f"{name}, {for_line(group[0].folder)}" for name, group in zip(names, groups)]
    return names


def weights_of(run: OpenedRun, only: str | None = None) -> Weights:
    """Return the kernels of a run, or of the one connection or bias `only`."""
    return weights(run.net, run.effective_weights, run.title, only)


def maps_of(outputs: SplitOutputs, pattern: int) -> Maps:
    """Return the states of every layer for pattern `pattern` of the split, from 0. SnError if there is none."""
    run, count = outputs.run, len(outputs.patterns)
    if not 0 <= pattern < count:
        raise fail(
            f"there is no pattern {pattern}: the {outputs.split} patterns of {run.data.name} are 0 to {count - 1}",
            hint=f"choose one of 0 to {count - 1} with --pattern",
        )
    states = run.engine.states(outputs.patterns.inputs[outputs.patterns.leading_to(pattern)])
    target, output = outputs.patterns.targets[pattern], outputs.outputs[pattern]
    names = run.data.class_names
    label, answer = (class_label(names, int(values.argmax())) for values in (target, output))
    verdict = f": label {label}, answer {answer}" if outputs.have_classes else ""
    title = f"Pattern {pattern} of the {outputs.split} patterns of {run.data.name}{verdict}\nin {run.title}"
    return maps(run.net, {name: x[-1] for name, x in states.items()}, title, target, outputs.have_classes)


def maps_of_picture(predictor: Predictor, inputs: np.ndarray, name: str) -> Maps:
    """Return the states of every layer for a user's own picture, (input units,), that `predictor` has prepared."""
    states = {layer: x[0] for layer, x in predictor.engine.states(inputs[None]).items()}
    net = predictor.training.net
    answer = class_label(predictor.class_names, int(states[net.layers[-1].name].argmax()))
    verdict = f": answer {answer}" if predictor.have_classes else ""
    return maps(net, states, f"{for_line(name)}{verdict}\nin {predictor.title}", None, predictor.have_classes)


def misses_of(outputs: SplitOutputs, most: int = MOST) -> Misses:
    """Return the patterns that are wrong by the criterion of the training, at most `most` of them as pictures."""
    return misses(
        outputs.patterns.inputs,
        [layer.shape for layer in outputs.run.net.inputs],
        outputs.outputs,
        outputs.patterns.targets,
        outputs.are_right,
        outputs.title,
        outputs.have_classes,
        most,
        outputs.run.data.class_names,
    )


def confusion_of(outputs: SplitOutputs) -> Confusion:
    """Return the counts of labels and answers. SnError where there are no classes."""
    if not outputs.have_classes:
        raise fail(
            f"the patterns of {outputs.run.data.name} have no classes, which a confusion matrix counts",
            hint="name data with classes: --data NAME, and give the net one output for each",
        )
    return confusion(outputs.outputs, outputs.patterns.targets, outputs.title, outputs.run.data.class_names)


def rejection_of(run: OpenedRun, error: float) -> Rejections:
    """Return the curves of rejection on the test and training patterns.

    On each lies the point with the fewest rejected patterns and at most `error` percent of the rest wrong.
    """
    splits = {
        split: run.outputs(split)
        for split, patterns in (("test", run.data.test), ("train", run.data.train))
        if patterns is not None
    }
    return Rejections(
        f"{run.title}, {run.data.name}",
        {split: rejection_curve(shown.outputs, shown.patterns.targets) for split, shown in splits.items()},
        {split: least_rejection(shown.outputs, shown.patterns.targets, error) for split, shown in splits.items()},
        error,
    )


def nlf_by_text(words: Sequence[str], file: Path | None = None) -> Nlf:
    """Return the nlf that `(nlf WORD ...)` states: a name with its numbers, or an expression in x.

    It may be one that `file` declares. SnError if it is not one nlf.
    """
    known = shelves().nlfs if file is None else read_program(file, port=sys.stderr).nlfs
    read: list[Nlf] = []
    only_word: Shelf[Word] = Shelf("declarative word")
    only_word.add("nlf", _nlf_word(known, read), "the nlf to draw")
    Evaluator(lisp_functions(), only_word, io.StringIO()).run(Source("<nlf>", f"(nlf {' '.join(words)})"))
    if len(read) != 1:
        raise fail(
            f"{' '.join(words)} is not a non-linearity",
            hint="write the name of one, such as sn-tanh; `snsim list nlf` names them",
        )
    return read[0]


def _nlf_word(known: Shelf[NlfDefinition], read: list[Nlf]) -> Word:
    def word(call: Node, interpreter: object) -> Form:
        faults = Faults()
        nlf = read_nlf(call, known, faults)
        faults.raise_if_any()
        if nlf is not None:
            read.append(nlf)
        return NIL

    return word
