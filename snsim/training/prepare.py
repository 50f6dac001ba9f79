"""Prepare the examples of a training for an engine: rows of inputs and rows of targets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snsim.data import patterns as transform
from snsim.data.examples import Examples, Split
from snsim.data.formats import within
from snsim.errors import Fault, Span, fail
from snsim.network.clauses import DEFAULT
from snsim.training.criterion_check import criterion_warnings
from snsim.training.spec import Training

_FEW = 4  # patterns a class: with fewer, a class comes back soon
_SCALE_HINT = "scale the numbers down, or run with --dtype float64"


@dataclass(frozen=True, eq=False)
class Patterns:
    """Inputs (patterns, input units) in the type of the engine, and targets (patterns, output units) in float64.

    Both are in C order. `files` are the absolute paths of the patterns, (patterns,) of str, where each has a file of
    its own; else None. For a net with delays `starts`, bool (patterns,), tells which patterns start a sequence; None
    for other nets.
    """

    inputs: np.ndarray
    targets: np.ndarray
    files: np.ndarray | None = None
    starts: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.inputs)

    def leading_to(self, number: int) -> slice:
        """Return the patterns that a net reads to compute pattern `number`: its sequence so far, or it alone."""
        if self.starts is None:
            return slice(number, number + 1)
        return slice(int(np.flatnonzero(self.starts[: number + 1])[-1]), number + 1)


def have_classes(targets: np.ndarray) -> bool:
    """Tell whether targets, (patterns, units), state classes: one unit of two or more is largest, by the same number.

    Numbers to be predicted, such as two columns of a table, have no largest one in common.
    """
    largest = targets.max(axis=1, keepdims=True)
    is_label = (targets == largest).sum(axis=1) == 1
    return targets.shape[1] > 1 and bool(is_label.all()) and bool((largest == largest[:1]).all())


@dataclass(frozen=True, eq=False)
class PreparedData:
    """The training and test patterns. `shape` is that of one input picture, or (units,) if the inputs have none."""

    name: str
    digest: str  # of the examples as loaded, before ranges and frame are applied
    origin: str
    shape: tuple[int, ...]
    train: Patterns
    test: Patterns | None
    class_names: tuple[str, ...] = ()  # as the files spell them; () where classes are only numbers
    warnings: tuple[Fault, ...] = ()  # about the order, and about the criterion and targets that are not in the text


def prepare_data(training: Training, examples: Examples, dtype: np.dtype | type | str = np.float64) -> PreparedData:
    """Return the patterns of a training, with its ranges, frame and targets applied.

    `dtype` is the type of the inputs; an engine of the same type uses them without a copy. Raise SnError if the sizes
    do not match those of the net.
    """
    span, net = training.data.span, training.net
    selected = examples
    if training.ensemble is not None or training.test_set is not None:
        selected = transform.select(
            selected, training.ensemble, training.test_set, training.span_of("ensemble"), training.span_of("test-set")
        )
    if training.frame is not None:
        selected = transform.frame(selected, *training.frame, training.span_of("frame"))
    selected = transform.fitted(selected, net.input_shapes, span)
    train = _make_patterns(training, examples, selected.train, span, dtype)
    if not len(train):
        raise fail(
            f"{examples.name} has no training patterns",
            span,
            hint="name data with patterns to learn, or write (ensemble FIRST LAST)",
        )
    _check_curvature(training, len(train))
    _check_sequences(training, examples, train)
    test = None
    if selected.test is not None and len(selected.test):
        test = _make_patterns(training, examples, selected.test, span, dtype)
    if test is None and training.keep is not None and training.keep.startswith("test-"):
        raise fail(
            f"(keep best {training.keep}) needs test patterns, and {examples.name} has none",
            training.span_of("keep"),
            hint=f"write (keep best {training.keep.replace('test-', 'train-')}), or (test-set FIRST LAST)",
        )
    warnings: list[Fault] = []
    if training.data.targets is None:  # the reader of the text has checked those that stand in it
        warnings = criterion_warnings(training.criterion, train.targets, net.layers[-1], training.span_of("correct"))
    warnings += _order_warnings(training, selected.train)
    return PreparedData(
        examples.name,
        examples.digest,
        examples.origin,
        selected.shape,
        train,
        test,
        examples.class_names,
        tuple(warnings),
    )


def prepare_inputs(
    training: Training, inputs: np.ndarray, name: str, dtype: np.dtype | type | str = np.float32
) -> np.ndarray:
    """Return inputs (patterns, ...shape of the data) as the net of a training takes them, (patterns, input units).

    The frame of the training is applied. SnError if the sizes do not match.
    """
    return prepare_split(
        training, Examples(name, Split(inputs, np.zeros(len(inputs), int)), None, "", ""), dtype
    ).inputs


def prepare_split(training: Training, examples: Examples, dtype: np.dtype | type | str = np.float32) -> Patterns:
    """Return the training part of any examples as patterns, with the frame and targets of a training.

    SnError if the sizes do not match those of the net.
    """
    if training.frame is not None:
        examples = transform.frame(examples, *training.frame)
    examples = transform.fitted(examples, training.net.input_shapes)
    return _make_patterns(training, examples, examples.train, None, dtype)


def _make_patterns(
    training: Training, examples: Examples, split: Split, span: Span | None, dtype: np.dtype | type | str
) -> Patterns:
    inputs = split.inputs.reshape(len(split), -1)
    within(inputs, dtype, f"the inputs of {examples.name}", span, _SCALE_HINT)
    inputs = np.ascontiguousarray(inputs, dtype)
    targets = _make_targets(training, examples, split, span)
    within(targets, dtype, f"the targets of {examples.name}", span, _SCALE_HINT)
    distances = np.abs(targets.sum(axis=1) - 1)
    if training.cost.softmax and distances.max() > 1e-6:
        first = int((distances > 1e-6).argmax())
        raise fail(
            f"{training.cost.name} needs targets that sum to 1; those of pattern {first} (from 0) of {examples.name} "
            f"sum to {targets[first].sum():g}",
            span,
            hint="with class labels write (targets 0 1); else scale the targets, or choose another cost",
        )
    starts = None
    if training.net.delayed:
        starts = np.zeros(len(split), bool) if split.starts is None else split.starts.copy()
        starts[:1] = True
    return Patterns(inputs, targets, split.files, starts)


def _make_targets(training: Training, examples: Examples, split: Split, span: Span | None) -> np.ndarray:
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
        return transform.one_of_n(split.labels, output.units, off, on)
    targets = np.ascontiguousarray(split.targets, np.float64)
    if targets.shape[1] != output.units:
        raise fail(
            f"the targets of {examples.name} have {targets.shape[1]} numbers per pattern, the output layer "
            f"{output.name} has {output.units} units",
            span,
            hint=f"write (layer {output.name} {targets.shape[1]}), or name other data",
        )
    if _is_stated(training, "targets") and not np.isin(targets, (off, on)).all():
        raise fail(
            f"{examples.name} has its own targets, and some are neither {off:g} nor {on:g}",
            span,
            hint="remove (targets ...), or state the two values of the data",
        )
    return targets


def _is_stated(training: Training, word: str) -> bool:
    return any(clause.word == word and clause.origin != DEFAULT for clause in training.clauses)


def _order_warnings(training: Training, train: Split) -> list[Fault]:
    """Return a warning if a stage presents patterns that stand class by class in their stored order."""
    is_fixed = any(
        stage.order == "fixed" and stage.batch is not None and stage.batch < len(train) for stage in training.stages
    )
    classes = _classes_in_order(train) if is_fixed and not training.net.delayed else 0
    if not classes:
        return []
    return [
        Fault(
            f"the {len(train):,} training patterns of {classes} classes stand class by class, and (order fixed) "
            "presents them like that: the net forgets a class while it learns the next one",
            training.span_of("order") if _is_stated(training, "order") else training.data.span,
            hint="write (order shuffled)",
            severity="warning",
        )
    ]


def _classes_in_order(train: Split) -> int:
    """Return the number of classes of patterns that stand class by class; 0 if they do not, or have few patterns.

    Patterns without labels are of one class if they have the same targets.
    """
    if train.labels is not None:
        changes = train.labels[1:] != train.labels[:-1]
    elif train.targets is not None:
        changes = (train.targets[1:] != train.targets[:-1]).any(axis=1)
    else:
        return 0
    blocks = int(changes.sum()) + 1
    if blocks < 2 or len(train) < _FEW * blocks:
        return 0
    first = np.flatnonzero(np.concatenate([[True], changes]))
    if train.labels is not None:
        classes = len(np.unique(train.labels[first]))
    else:
        assert train.targets is not None
        classes = len(np.unique(train.targets[first], axis=0))
    return blocks if classes == blocks else 0


def _check_sequences(training: Training, examples: Examples, train: Patterns) -> None:
    """Raise SnError if a net with delays would learn sequences that were torn apart, or whose order is no choice."""
    if train.starts is None:
        return
    record = examples.record
    if record is not None and record.seed is not None and examples.train.starts is None:
        raise fail(
            f"net {training.net.name} reads sequences, and the test patterns of {examples.name} are drawn one by one",
            training.data.span,
            hint="say where sequences start, by (sequence COLUMN) or (starts N ...), or leave out (test ...) and "
            "(folds ...)",
        )
    if int(train.starts.sum()) == 1 and any(stage.order != "fixed" for stage in training.stages):
        raise fail(
            f"the training patterns of {examples.name} are one sequence, whose steps keep their order",
            training.span_of("order", "stage", "repeat"),
            hint="write (order fixed), or say where sequences start: (sequence COLUMN) or (starts N ...)",
        )


def _check_curvature(training: Training, patterns: int) -> None:
    for stage in training.stages:
        if stage.curvature_patterns is not None and stage.curvature_patterns > patterns:
            raise fail(
                f"(curvature {stage.curvature_patterns}) asks for more than the {patterns} training patterns",
                training.span_of("update", "stage", "repeat"),
                hint=f"write (curvature {patterns}) or less",
            )
