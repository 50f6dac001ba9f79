"""From a training and its examples to what an engine is shown: rows of inputs and rows of targets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snsim.data import patterns as change
from snsim.data.examples import Examples, Split
from snsim.data.formats import within
from snsim.errors import Span, fail
from snsim.network.clauses import DEFAULT
from snsim.training.spec import Training

_SMALLER = "divide the numbers by their largest, or run with --dtype float64"


@dataclass(frozen=True, eq=False)
class Patterns:
    """`inputs`: (patterns, input units), of the type that was asked for; `targets`: (patterns, output units), float64.
    Both in C order.
    """

    inputs: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True, eq=False)
class PreparedData:
    """What a training learns from and is tested on. `shape` is that of one input picture, (units,) if it has none."""

    name: str
    digest: str  # of the examples as they came, before ranges and frame
    origin: str
    shape: tuple[int, ...]
    train: Patterns
    test: Patterns | None
    class_names: tuple[str, ...] = ()  # as the files spell them; () where classes are only numbers


def prepare(training: Training, examples: Examples, dtype: np.dtype | type | str = np.float64) -> PreparedData:
    """Ranges, frame and targets applied, sizes checked against the net. SnError that names both sizes.

    `dtype` is that of the inputs: an engine of the same type is handed them as they are.
    """
    span, net = training.data.span, training.net
    chosen = examples
    if training.ensemble is not None or training.test_set is not None:
        chosen = change.select(
            chosen, training.ensemble, training.test_set, training.place("ensemble"), training.place("test-set")
        )
    if training.frame is not None:
        chosen = change.frame(chosen, *training.frame, training.place("frame"))
    chosen = change.shaped(chosen, net.layers[0].shape, net.layers[0].name, span)
    train = _patterns(training, examples, chosen.train, span, dtype)
    if not len(train):
        raise fail(
            f"{examples.name} has no training patterns",
            span,
            hint="name data with patterns to learn, or write (ensemble FIRST LAST)",
        )
    _check_curvature(training, len(train))
    test = None
    if chosen.test is not None and len(chosen.test):
        test = _patterns(training, examples, chosen.test, span, dtype)
    return PreparedData(
        examples.name, examples.digest, examples.origin, chosen.shape, train, test, examples.class_names
    )


def _patterns(
    training: Training, examples: Examples, split: Split, span: Span | None, dtype: np.dtype | type | str
) -> Patterns:
    inputs = split.inputs.reshape(len(split), -1)
    within(inputs, dtype, f"the inputs of {examples.name}", span, _SMALLER)
    inputs = np.ascontiguousarray(inputs, dtype)
    targets = _targets(training, examples, split, span)
    within(targets, dtype, f"the targets of {examples.name}", span, _SMALLER)
    if training.cost.softmax and np.abs(targets.sum(axis=1) - 1).max() > 1e-6:
        raise fail(
            f"cross-entropy needs targets that sum to 1; those for {examples.name} sum to "
            f"{targets[0].sum():g} in the first pattern",
            span,
            hint="with data with classes write (targets 0 1)",
        )
    return Patterns(inputs, targets)


def _targets(training: Training, examples: Examples, split: Split, span: Span | None) -> np.ndarray:
    output = training.net.layers[-1]
    off, on = training.targets
    if split.labels is not None:
        classes = examples.classes or int(split.labels.max()) + 1
        if classes > output.units:
            raise fail(
                f"{examples.name} has {classes} classes, the output layer {output.name} has {output.units} units",
                span,
                hint=f"write (layer {output.name} {classes}), or name other data",
            )
        return change.one_of_n(split.labels, output.units, off, on)
    targets = np.ascontiguousarray(split.targets, np.float64)
    if targets.shape[1] != output.units:
        raise fail(
            f"the targets of {examples.name} have {targets.shape[1]} numbers a pattern, the output layer "
            f"{output.name} has {output.units} units",
            span,
            hint=f"write (layer {output.name} {targets.shape[1]}), or name other data",
        )
    if _states_targets(training) and not np.isin(targets, (off, on)).all():
        raise fail(
            f"{examples.name} has targets of its own, other than {off:g} and {on:g}",
            span,
            hint="leave (targets ...) out, or state those of the data",
        )
    return targets


def _states_targets(training: Training) -> bool:
    return any(clause.word == "targets" and clause.origin != DEFAULT for clause in training.clauses)


def _check_curvature(training: Training, patterns: int) -> None:
    for stage in training.stages:
        if stage.curvature_patterns is not None and stage.curvature_patterns > patterns:
            raise fail(
                f"(curvature {stage.curvature_patterns}) asks for more than the {patterns} training patterns",
                training.place("update", "stage", "repeat"),
                hint=f"write (curvature {patterns}) or less",
            )
