"""Score the nets of runs, and of the gallery, on their own test data or on other data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from snsim.errors import fail, for_line
from snsim.gallery import Named
from snsim.registry import listed
from snsim.runs.labelled_data import LabelledPatterns, read_labelled
from snsim.runs.opened_run import OpenedRun
from snsim.runs.options import Options, Say
from snsim.runs.predictor import Predictor
from snsim.training.criteria import CRITERIA
from snsim.training.memory_need import PatternCounts, check_memory
from snsim.training.prepare import have_classes
from snsim.training.scores import Score, score_outputs
from snsim.training.spec import Training


@dataclass(frozen=True, eq=False)
class RunScore:
    """What a trained net does on data with answers.

    Attributes
    ----------
    name : str
        The run, or the net of the gallery.
    pass_number : int
        The pass after which the weights were taken.
    data, split : str
        The data, and which part of them: "test", "train", or "" where they have no parts.
    is_own : bool
        The data are those that the run recorded.
    digest : str
        SHA-256 of the data.
    outputs, targets : array (patterns, output units)
    output_names : tuple of str
        A class, a target or a number for each output.
    files : array (patterns,) of str or None
        The absolute path of each pattern, where each has a file of its own.
    training : Training
        Its cost and its criterion made the score.
    """

    name: str
    pass_number: int
    data: str
    split: str
    is_own: bool
    digest: str
    score: Score
    outputs: np.ndarray
    targets: np.ndarray
    output_names: tuple[str, ...]
    training: Training
    files: np.ndarray | None = None

    @property
    def missed(self) -> np.ndarray:
        """Whether each pattern is missed, bool (patterns,)."""
        name, numbers = self.training.criterion
        right = CRITERIA.get(name).right(np.asarray(self.outputs, np.float64), self.targets, *numbers)
        return np.logical_not(right)

    @property
    def have_classes(self) -> bool:
        """Whether each pattern has one class."""
        return have_classes(self.targets)


def score_named(
    named: Named, source: str | Path | None, split: str | None, options: Options, say: Say = lambda sentence: None
) -> RunScore:
    """Return the score of a run, or of a net of the gallery, on a data set (a str), a file or folder (a Path).

    Without a `source` these are the data of the run: its test patterns, or its training patterns where there are none.
    SnError for data that do not fit or have changed, and for a damaged run.
    """
    if named.kind != "net":
        run = OpenedRun.open(named.path, options, say)
        if source is None:
            return _on_own_data(run, split)
        return _on_other_data(Predictor.of_run(run), source, split, options, say)
    predictor = Predictor.of_named(named, options)
    if source is not None:
        return _on_other_data(predictor, source, split, options, say)
    own = _on_other_data(predictor, predictor.data_name, split, options, say, True)
    assert named.weights is not None  # the predictor has read them
    if own.digest != named.weights.data_digest:
        raise fail(
            f"the data set {own.data} that was found is not the one on which the weights of {own.name} were trained: "
            f"its digest is {own.digest[:12]}, not {named.weights.data_digest[:12]}",
            hint="remove the changed files, so that they are downloaded again; or name other data with --data",
        )
    return own


def _on_own_data(run: OpenedRun, split: str | None) -> RunScore:
    shown = run.outputs(split)
    training, patterns = run.training, shown.patterns
    return RunScore(
        run.name,
        run.pass_number,
        run.data.name,
        shown.split,
        True,
        run.data.digest,
        _score(training, shown.outputs, patterns.targets, run.title),
        shown.outputs,
        patterns.targets,
        Predictor.of_run(run).output_names,
        training,
        patterns.files,
    )


def _on_other_data(
    predictor: Predictor, source: str | Path, split: str | None, options: Options, say: Say, is_own: bool = False
) -> RunScore:
    data: LabelledPatterns = read_labelled(predictor, source, split, options, say)
    training, count = predictor.training, PatternCounts(len(data.patterns), len(data.patterns))
    check_memory(training, predictor.engine.name, predictor.dtype, predictor.memory, count, threads=predictor.threads)
    outputs = predictor.outputs(data.patterns.inputs, data.patterns.starts)
    return RunScore(
        predictor.name,
        predictor.pass_number,
        data.name,
        data.split,
        is_own,
        data.digest,
        _score(training, outputs, data.patterns.targets, predictor.title),
        outputs,
        data.patterns.targets,
        predictor.output_names,
        training,
        data.patterns.files,
    )


def _score(training: Training, outputs: np.ndarray, targets: np.ndarray, title: str) -> Score:
    score = score_outputs(outputs, targets, training.cost, training.criterion)
    if not np.isfinite(score.loss):
        raise fail(
            f"{title}: its cost on these data is {score.loss}",
            hint="scale the inputs as those that the net was trained on",
        )
    return score


FIGURES = ("loss", "half_mse", "mse", "error", "misses", "rejection")


@dataclass(frozen=True, eq=False)
class Vote:
    """Several nets together on the same patterns.

    Attributes
    ----------
    score : Score
        Of the mean of their outputs.
    missed_by_all, missed_by_some : array of int
        The patterns that every net misses, and those that at least one misses, counted from 0.
    """

    score: Score
    missed_by_all: np.ndarray
    missed_by_some: np.ndarray


def vote(scores: Sequence[RunScore]) -> Vote | None:
    """Return what several nets do together; None for fewer than two, or if they do not do the same task.

    They do if their patterns, outputs, targets, costs and criteria are equal.
    """
    if len(scores) < 2:
        return None
    first = scores[0]
    for other in scores[1:]:
        if (other.digest, other.split, other.output_names) != (first.digest, first.split, first.output_names):
            return None
        if (other.training.cost, other.training.criterion) != (first.training.cost, first.training.criterion):
            return None
        if not np.array_equal(other.targets, first.targets):
            return None
    outputs = np.mean([np.asarray(score.outputs, np.float64) for score in scores], axis=0)
    missed = np.array([score.missed for score in scores])
    return Vote(
        score_outputs(outputs, first.targets, first.training.cost, first.training.criterion),
        np.flatnonzero(missed.all(0)),
        np.flatnonzero(missed.any(0)),
    )


def mean_and_deviation(scores: Sequence[RunScore]) -> tuple[dict[str, float], dict[str, float]] | None:
    """Return the mean of each figure over runs, and the deviation (n - 1); None for fewer than two.

    SnError if the runs were not scored on the same data.
    """
    if len(scores) < 2:
        return None
    if len({(score.digest, score.split) for score in scores}) > 1:
        names = list(dict.fromkeys(for_line(score.data) for score in scores))
        raise fail(
            f"the runs have different test data, {listed(names, len(names), 6)}, so their figures have no mean",
            hint="test all of them on the same data: --data PATH",
        )
    values = {name: [getattr(score.score, name) for score in scores] for name in FIGURES}
    known = {name: np.array(numbers, float) for name, numbers in values.items() if None not in numbers}
    return (
        {name: float(numbers.mean()) for name, numbers in known.items()},
        {name: float(numbers.std(ddof=1)) for name, numbers in known.items()},
    )
