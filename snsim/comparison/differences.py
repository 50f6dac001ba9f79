"""The differences between two sides, layer by layer, and where they first diverge: the result of a comparison."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from snsim.comparison.engine_side import UpdateResult
from snsim.comparison.first_difference import Evidence
from snsim.comparison.presentations import Update
from snsim.network.net import Net

PARTS = ("states", "cost", "gradients", "weights")  # in the order in which a presentation computes them

_Part = tuple[str, str]  # what, and of which layer; the cost is of none


@dataclass(frozen=True)
class LayerDifference:
    """The largest differences between single numbers of a layer over all presentations.

    `states` are those of the layer; `gradients` and `weights` (after each update) are those that enter it. None means
    that there is nothing to compare; for states, that the module computes no equal states although it learns the same.
    `moved` is not a difference of the two: it is the largest distance of a weight from its initial value at the end.
    """

    layer: str
    states: float | None
    gradients: float | None
    weights: float | None
    moved: float | None


@dataclass(frozen=True)
class Divergence:
    """Where the two first differ by more than the tolerance.

    It is in presentation `number` (from 1; the last of its batch) at `layer`. `what` is the first of `PARTS` that
    differs. For states, the layer is the first one computed that differs. For gradients, which are computed from the
    output back, it is the last. For the cost the states agree, and it is the output. `differing` are all layers where
    this part differs. `note` describes a pattern in the differences, or is empty.
    """

    number: int
    layer: str
    what: str
    differing: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison.

    `seconds` is the processor time for learning all `presentations`, and nothing else: of the first and of the second.
    """

    training: str
    net: str
    data: str
    names: tuple[str, str]  # of what is compared: an engine, and an engine or the module's class
    dtype: str
    presentations: int
    tolerance: float
    layers: tuple[LayerDifference, ...]
    cost: float  # the largest difference of the cost of a batch
    first: Divergence | None
    seconds: tuple[float, float]
    pairs: tuple[tuple[str, str], ...] = ()  # our parameter, the module's
    evidence: Evidence | None = field(default=None, compare=False, repr=False)  # of the update that first differs

    @property
    def equal(self) -> bool:
        """Return whether nothing differs by more than the tolerance."""
        return self.first is None

    @property
    def ratio(self) -> float:
        """Return the processor time of the second divided by that of the first."""
        return self.seconds[1] / self.seconds[0] if self.seconds[0] else float("inf")


@dataclass
class Differences:
    """The differences so far between two sides, which start with the same weights.

    Of the first side, `UpdateResult.hidden` has the hidden layers in order.
    """

    net: Net
    names: tuple[str, str]
    tolerance: float
    start: Mapping[str, np.ndarray]
    most: dict[_Part, float] = field(default_factory=dict)
    first: Divergence | None = None
    unseen: set[str] = field(default_factory=set)  # hidden layers of which the second shows no states

    def __post_init__(self) -> None:
        self._before = (self.start, self.start)

    def add(self, update: Update, one: UpdateResult, other: UpdateResult) -> None:
        """Add one update; if it is the first in which the two differ, store where."""
        differences = dict(self._of_update(one, other))
        over = {key for key, value in differences.items() if value > self.tolerance}
        if not self.most:  # the first update shows which layers the second computes
            hidden = {layer.name for layer in self.net.layers[1:-1]}
            if all(what == "states" and layer in hidden for what, layer in over):
                self.unseen = {layer for _, layer in over}
        for key, value in differences.items():
            self.most[key] = max(self.most.get(key, 0.0), value)
        over -= {("states", layer) for layer in self.unseen}
        if self.first is None and over:
            self.first = self._divergence(update, over, differences, one, other)
        self._before = (one.weights, other.weights)

    def of_layer(self, layer: str) -> LayerDifference:
        states, gradients, weights = (self.most.get((what, layer)) for what in ("states", "gradients", "weights"))
        now = self._before[0]
        moved = [
            _distance(now[p.name], self.start[p.name]) for p in self.net.parameters if p.layer == layer and p.learns
        ]
        return LayerDifference(
            layer, None if layer in self.unseen else states, gradients, weights, max(moved, default=None)
        )

    @property
    def of_cost(self) -> float:
        return self.most.get(("cost", ""), 0.0)

    def _of_update(self, one: UpdateResult, other: UpdateResult) -> Iterator[tuple[_Part, float]]:
        for layer, states in zip(self.net.layers[1:-1], one.hidden):
            distances = [_distance(states, tensor) for tensor in other.hidden if tensor.size == states.size]
            if distances:  # the closest tensor of this size that the second computes
                yield ("states", layer.name), min(distances)
        yield ("states", self.net.layers[-1].name), _distance(one.outputs, other.outputs)
        yield ("cost", ""), _distance(np.array(one.cost), np.array(other.cost))
        for layer in self.net.layers[1:]:
            entering = [p.name for p in self.net.parameters if p.layer == layer.name and p.learns]
            if entering:
                extra_gradients = other.extra_gradients.get(layer.name, 0.0)
                yield (
                    ("gradients", layer.name),
                    max(extra_gradients, *(_distance(one.gradients[name], other.gradients[name]) for name in entering)),
                )
                yield (
                    ("weights", layer.name),
                    max(_distance(one.weights[name], other.weights[name]) for name in entering),
                )

    def _divergence(
        self, update: Update, over: set[_Part], differences: dict[_Part, float], one: UpdateResult, other: UpdateResult
    ) -> Divergence:
        order = [layer.name for layer in self.net.layers[1:]]
        what = next(part for part in PARTS if any(part == differing_part for differing_part, _ in over))
        differing = tuple(name for name in order if (what, name) in over)
        if what == "states":
            return Divergence(update.end, _first_behind(order, over, differences), what, differing)
        if what == "cost":
            return Divergence(update.end, order[-1], what, (), self._factor_text("cost", one.cost, other.cost))
        layer = differing[-1] if what == "gradients" else differing[0]
        return Divergence(update.end, layer, what, differing, self._note(what, layer, one, other))

    def _note(self, what: str, layer: str, one: UpdateResult, other: UpdateResult) -> str:
        """Describe what the layer's gradients, or the steps of its weights, have in common."""
        if what == "gradients" and other.extra_gradients.get(layer, 0.0) > self.tolerance:
            return f"{self.names[1]} learns weights between maps that are not connected"
        notes = []
        for p in self.net.parameters:
            if p.layer == layer and p.learns:
                sides = zip((one, other), self._before)
                ours, theirs = (
                    shown.gradients[p.name] if what == "gradients" else shown.weights[p.name] - w[p.name]
                    for shown, w in sides
                )
                notes.append(
                    self._factor_text(f"{'gradient' if what == 'gradients' else 'step'} of {p.name}", ours, theirs)
                )
        return "; ".join(note for note in notes if note)

    def _factor_text(self, what: str, one: np.ndarray | float, other: np.ndarray | float) -> str:
        """Say that the second is a multiple of the first, if it is one."""
        a, b = (np.asarray(values, np.float64).reshape(-1) for values in (one, other))
        with np.errstate(all="ignore"):
            factor = float(a @ b / (a @ a))
            is_multiple = np.abs(b - factor * a).max(initial=0.0) <= 1e-3 * np.abs(b).max(initial=0.0)
        if not is_multiple or not np.isfinite(factor) or abs(factor - 1) < 1e-3:
            return ""
        return f"the {what} in {self.names[1]} is {factor:.4g} times that in {self.names[0]}"


def _first_behind(order: list[str], over: set[_Part], differences: dict[_Part, float]) -> str:
    """Return the layer after the last one whose states agree.

    An earlier layer may differ because the module computes it in another way. A later layer whose states the module
    does not show may have the fault.
    """
    agree = [k for k, name in enumerate(order) if ("states", name) in differences and ("states", name) not in over]
    if agree and agree[-1] + 1 < len(order):
        return order[agree[-1] + 1]
    return next(name for name in order if ("states", name) in over)


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    """Return the largest difference; infinite where one of the two is NaN or infinite."""
    with np.errstate(all="ignore"):
        most = float(np.abs(one.reshape(-1) - other.reshape(-1)).max(initial=0.0))
    return most if math.isfinite(most) else math.inf
