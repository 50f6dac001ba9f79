"""How far two sides are apart, layer by layer, and where they first part: the result of a comparison as a value."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from snsim.comparison.engine_side import UpdateResult
from snsim.comparison.presentations import Update
from snsim.network.net import Net

PARTS = ("states", "cost", "gradients", "weights")  # in the order in which a presentation computes them

_Part = tuple[str, str]  # what, and of which layer; the cost is of none


@dataclass(frozen=True)
class LayerDifference:
    """The largest differences of single numbers of a layer over all presentations: of states, and of the gradients and
    the weights (after each update) that enter it. None: there is nothing to compare; for states, that the module
    computes nothing that agrees with them although it learns the same. `moved` is not a difference of the two: how far
    the weights are at the end from where they began, at most.
    """

    layer: str
    states: float | None
    gradients: float | None
    weights: float | None
    moved: float | None


@dataclass(frozen=True)
class Divergence:
    """Where the two first differ by more than the tolerance: in presentation `number` (from 1; the last of its batch),
    at `layer`.

    `what` is the first of `PARTS` that differs. Of states the layer is the first one computed that differs; of
    gradients, which are computed from the output back, the last; for the cost the states agree and it is the output.
    `differing` are all layers where this part differs. `note` tells what stands out, or is empty.
    """

    number: int
    layer: str
    what: str
    differing: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """What came of it. `seconds` are those of processor time for learning all `presentations`, and nothing else: of the
    first and of the second.
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

    @property
    def equal(self) -> bool:
        """Whether nothing differs by more than the tolerance."""
        return self.first is None

    @property
    def ratio(self) -> float:
        """How many times as long the second takes."""
        return self.seconds[1] / self.seconds[0] if self.seconds[0] else float("inf")


@dataclass
class Differences:
    """The differences so far of two sides by their names, which begin with the same weights. Of the first,
    `UpdateResult.hidden` has the hidden layers in order.
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
        """Take in one update; if it is the first in which the two differ, say where."""
        made = dict(self._made(one, other))
        over = {key for key, value in made.items() if value > self.tolerance}
        if not self.most:  # the first update tells which layers the second lets see
            hidden = {layer.name for layer in self.net.layers[1:-1]}
            if all(what == "states" and layer in hidden for what, layer in over):
                self.unseen = {layer for _, layer in over}
        for key, value in made.items():
            self.most[key] = max(self.most.get(key, 0.0), value)
        over -= {("states", layer) for layer in self.unseen}
        if self.first is None and over:
            self.first = self._parting(update, over, made, one, other)
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

    def _made(self, one: UpdateResult, other: UpdateResult) -> Iterator[tuple[_Part, float]]:
        for layer, states in zip(self.net.layers[1:-1], one.hidden):
            found = [_distance(states, tensor) for tensor in other.hidden if tensor.size == states.size]
            if found:  # the nearest that the second computes in as many numbers
                yield ("states", layer.name), min(found)
        yield ("states", self.net.layers[-1].name), _distance(one.outputs, other.outputs)
        yield ("cost", ""), _distance(np.array(one.cost), np.array(other.cost))
        for layer in self.net.layers[1:]:
            entering = [p.name for p in self.net.parameters if p.layer == layer.name and p.learns]
            if entering:
                stray = other.stray.get(layer.name, 0.0)
                yield (
                    ("gradients", layer.name),
                    max(stray, *(_distance(one.gradients[name], other.gradients[name]) for name in entering)),
                )
                yield (
                    ("weights", layer.name),
                    max(_distance(one.weights[name], other.weights[name]) for name in entering),
                )

    def _parting(
        self, update: Update, over: set[_Part], made: dict[_Part, float], one: UpdateResult, other: UpdateResult
    ) -> Divergence:
        order = [layer.name for layer in self.net.layers[1:]]
        what = next(part for part in PARTS if any(part == found for found, _ in over))
        differing = tuple(name for name in order if (what, name) in over)
        if what == "states":
            return Divergence(update.end, _first_behind(order, over, made), what, differing)
        if what == "cost":
            return Divergence(update.end, order[-1], what, (), self._times("cost", one.cost, other.cost))
        layer = differing[-1] if what == "gradients" else differing[0]
        return Divergence(update.end, layer, what, differing, self._note(what, layer, one, other))

    def _note(self, what: str, layer: str, one: UpdateResult, other: UpdateResult) -> str:
        """What the layer's gradients, or the steps of its weights, have in common."""
        if what == "gradients" and other.stray.get(layer, 0.0) > self.tolerance:
            return f"{self.names[1]} learns weights between maps that are not joined"
        notes = []
        for p in self.net.parameters:
            if p.layer == layer and p.learns:
                sides = zip((one, other), self._before)
                ours, theirs = (
                    shown.gradients[p.name] if what == "gradients" else shown.weights[p.name] - w[p.name]
                    for shown, w in sides
                )
                notes.append(self._times(f"{'gradient' if what == 'gradients' else 'step'} of {p.name}", ours, theirs))
        return "; ".join(note for note in notes if note)

    def _times(self, what: str, one: np.ndarray | float, other: np.ndarray | float) -> str:
        """That the second is a multiple of the first, if it is one."""
        a, b = (np.asarray(values, np.float64).reshape(-1) for values in (one, other))
        with np.errstate(all="ignore"):
            factor = float(a @ b / (a @ a))
            alike = np.abs(b - factor * a).max(initial=0.0) <= 1e-3 * np.abs(b).max(initial=0.0)
        if not alike or not np.isfinite(factor) or abs(factor - 1) < 1e-3:
            return ""
        return f"the {what} is in {self.names[1]} {factor:.4g} times what it is in {self.names[0]}"


def _first_behind(order: list[str], over: set[_Part], made: dict[_Part, float]) -> str:
    """The first layer behind the last one whose states agree. One before it may differ because the module computes it
    in another way; one behind it, of which the module shows nothing, is as likely to be at fault.
    """
    agree = [k for k, name in enumerate(order) if ("states", name) in made and ("states", name) not in over]
    if agree and agree[-1] + 1 < len(order):
        return order[agree[-1] + 1]
    return next(name for name in order if ("states", name) in over)


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    """The largest difference; infinite where one of the two is no number."""
    with np.errstate(all="ignore"):
        most = float(np.abs(one.reshape(-1) - other.reshape(-1)).max(initial=0.0))
    return most if math.isfinite(most) else math.inf
