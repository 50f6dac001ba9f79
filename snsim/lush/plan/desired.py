"""Costs and classifiers of compiled presentations: what they do with the output and the desired label.

Costs are operations of each presentation. Classifiers work afterwards, on the outputs of all presentations. See
docs/reference/gblearn2.md, sections 5 and 8.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.forms import Form, Symbol
from snsim.lush.arithmetic import Floats, heap_sort, ordered_sum
from snsim.lush.idx import Idx
from snsim.lush.modules.classifiers import EdistClasser, MaxClasser, MinClasser
from snsim.lush.modules.costs import EdistCost, LabelledCost, MleCost, WedistCost
from snsim.lush.modules.layers import LogaddLayer
from snsim.lush.modules.roots import FPROP
from snsim.lush.modules.states_and_params import State
from snsim.lush.plan.chain import Describer, built_in, refuse

if TYPE_CHECKING:
    from snsim.lush.plan.layout import Arguments, Layout, Operations

_F = np.float32
_LARGE = 1e15  # from which a square may overflow
_MOST_TERMS = 1_000_000  # of the sums of a classifier at a time


@dataclass(frozen=True)
class Cost:
    """A cost of a label, at one place of the output.

    Attributes
    ----------
    name : str
        `prototype`: half the squared distance from a row of `matrices`; `weighted`: with factors from the same row of a
        second matrix; `unit`: the output of a unit itself, or 0 for no unit.
    class_of : array
        The number of a class for each label, -1 for none.
    matrices : dict of arrays
        Prototypes and factors by the names that the operations have for them.
    rows : int
        How many classes there are.
    """

    name: str
    class_of: np.ndarray
    matrices: dict[str, Floats]
    rows: int

    def classes(self, labels: np.ndarray) -> np.ndarray:
        """Return the class of each label, up to the first that raises an error."""
        whole = np.trunc(labels).astype(np.int64)
        inside = (whole >= 0) & (whole < len(self.class_of))
        classes = np.where(inside, self.class_of[np.where(inside, whole, 0)], -1).astype(np.int64)
        wrong = classes >= self.rows
        if self.name != "unit":
            wrong |= classes < 0
        unknown = np.flatnonzero(wrong)
        return classes[: int(unknown[0])] if len(unknown) else classes

    def add_forward(self, list_: Operations, layout: Layout, classes: np.ndarray, energies: Floats) -> None:
        """Add the operation that sets the energies."""
        arguments: Arguments = {"x": layout.output, "labels": classes, "energies": energies, "check": layout.check}
        if self.name != "unit":
            arguments |= {"outputs": layout.outputs, **self.matrices}
        list_.add(f"{self.name}_cost", **arguments)

    def add_back(self, list_: Operations, layout: Layout, classes: np.ndarray, energy: State) -> None:
        """Add the operation that sets the gradient of the output."""
        arguments: Arguments = {"x": layout.output, **self.matrices} if self.name != "unit" else {}
        self._add(f"{self.name}_back", list_, layout, classes, energy.dx, arguments)

    def add_curvature(self, list_: Operations, layout: Layout, classes: np.ndarray, energy: State) -> None:
        """Add the operation that sets the second derivative of the output."""
        if self.name == "unit":
            self._add("unit_back", list_, layout, classes, energy.ddx, {})
        elif self.name == "weighted":
            factors = self.matrices["factors"]
            self._add("weighted_curvature", list_, layout, classes, energy.dx, {"factors": factors})
        else:
            constant = np.full(layout.outputs + layout.lanes, energy.dx.array[()], _F)
            vectors = -(-layout.outputs // layout.lanes)
            list_.add("present", target=layout.output_dx, source=constant, size=0, vectors=vectors)

    @staticmethod
    def _add(
        name: str, list_: Operations, layout: Layout, classes: np.ndarray, share: Idx, arguments: Arguments
    ) -> None:
        common: Arguments = {"labels": classes, "out": layout.output_dx, "outputs": layout.outputs}
        list_.add(name, share=float(share.array[()]), **common, **arguments)


def cost_of(cost: Form, outputs: int, selectors: Sequence[Symbol], describer: Describer) -> Cost:
    """Return a cost; refuse one without operations, or one that does not fit the output."""
    built_in(cost, *selectors)
    if not isinstance(cost, LabelledCost) or type(cost.logadder) is not LogaddLayer:
        raise refuse("another cost")
    built_in(cost.logadder, *selectors)
    matrices: dict[str, Floats] = {}
    name, rows = "unit", outputs
    states = [cost.logadded_dist]
    if isinstance(cost, (EdistCost, WedistCost)):
        name = "prototype"
        matrices["prototypes"] = _matrix(cost.proto, outputs, describer)
        if isinstance(cost, WedistCost):
            name = "weighted"
            matrices["factors"] = _matrix(cost.w, outputs, describer)
        rows = min(len(matrix) for matrix in matrices.values())
        states.append(cost.dist)
    elif type(cost) is MleCost:
        states.append(cost.dist)
    else:
        raise refuse("another cost")
    for state in states:
        describer.alone(state.x)
        describer.alone(state.dx)
    apart(cost.label2classindex, describer)
    return Cost(name, cost.label2classindex.array, matrices, rows)


def _matrix(matrix: Idx, columns: int, describer: Describer) -> Floats:
    """Return a matrix of a cost with one column for each output."""
    apart(matrix, describer)
    numbers = np.ascontiguousarray(matrix.array)
    if numbers.shape[1] != columns or not float(np.abs(numbers).max()) < _LARGE:
        raise refuse("a matrix that does not fit the output, or has large numbers")
    return numbers


def apart(matrix: Idx, describer: Describer) -> None:
    """Refuse a matrix that shares memory with what presentations write."""
    if id(matrix.storage) in describer.memory:
        raise refuse("matrices share their memory")


Answers = Callable[[Floats], tuple[np.ndarray, np.ndarray]]


def answers_of(classer: Form, outputs: int, describer: Describer) -> Answers:
    """Return the function that turns outputs, shape (presentation, output), into answers and their scores."""
    built_in(classer, FPROP)
    if not isinstance(classer, (MaxClasser, MinClasser, EdistClasser)):
        raise refuse("another classifier")
    labels, scores_of, down = classer.classindex2label.array, _themselves, isinstance(classer, MaxClasser)
    apart(classer.classindex2label, describer)
    if isinstance(classer, EdistClasser):
        prototypes = _matrix(classer.proto, outputs, describer)
        if len(labels) != len(prototypes):
            raise refuse("labels that do not fit the prototypes")
        describer.alone(classer.dist.x)

        def scores_of(x: Floats) -> Floats:
            scores = np.empty((len(x), len(prototypes)), _F)
            some = max(_MOST_TERMS // prototypes.size, 1)
            for i in range(0, len(x), some):
                d = x[i : i + some].T[:, :, None] - prototypes.T[:, None, :]
                scores[i : i + some] = ordered_sum(d * d) * _F(0.5)
            return scores

    elif len(labels) != outputs:
        raise refuse("labels that do not fit the output")
    return lambda x: _best(scores_of(x), labels, down)


def _themselves(x: Floats) -> Floats:
    return x


def _best(scores: Floats, labels: np.ndarray, down: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the label of the best score of each row, and that score."""
    best = scores.argmax(axis=1) if down else scores.argmin(axis=1)
    confidences = scores[np.arange(len(scores)), best]
    labels = labels.astype(np.int32)
    answers = labels[best].astype(np.float64)
    for i in np.flatnonzero((scores == confidences[:, None]).sum(axis=1) > 1):  # the order of the sort decides
        keys, tags = scores[i].copy(), labels.copy()
        heap_sort(keys, tags, down)
        answers[i], confidences[i] = tags[0], keys[0]
    return answers, confidences
