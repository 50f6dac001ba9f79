"""The differences between two sides, layer by layer, and where they first diverge: the result of a comparison."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from snsim.comparison import causes
from snsim.comparison.causes import Cause
from snsim.comparison.engine_side import EngineSide, UpdateResult
from snsim.comparison.first_difference import Evidence
from snsim.comparison.presentations import Update
from snsim.comparison.rounding import Rounding, Sensitivity
from snsim.comparison.where_states_differ import where_states_differ
from snsim.engines.parameter_state import FreeWeights
from snsim.engines.protocol import UpdateRule
from snsim.training.spec import Training

# In the order in which a presentation computes them; the last two are of eval mode and of passes that nobody ran.
PARTS = ("states", "cost", "gradients", "weights", "evaluation", "rate")
_INEXACT = 30.0  # for an update whose gradients and curvatures are those of each side: both are divided by each other
FACTOR_PRESENTATIONS = 50  # a factor of the cost is reported if it is the same for as many presentations

_Part = tuple[str, str]  # what, and of which layer; the cost is of none


@dataclass(frozen=True)
class LayerDifference:
    """The largest relative differences of a layer over all presentations.

    `states`: of the layer, divided by its largest state on the first side. `gradients`: of the parameters that enter
    it, divided by their largest gradient. `weights`: of the update of these parameters, compared with what the rule of
    the training makes of the second side's own gradients, and divided by the size of the weight plus the largest step
    so far. None means that there is nothing to compare; for states, that the module computes no equal states although
    it learns the same.
    `moved` is not a difference of the two: it is the largest distance of a weight from its initial value at the end.
    """

    layer: str
    states: float | None
    gradients: float | None
    weights: float | None
    moved: float | None


@dataclass(frozen=True)
class Divergence:
    """Where the two first differ by more than the tolerance, or by more than rounding explains.

    It is in presentation `number` (from 1; the last of its batch) at `layer`. `what` is the first of `PARTS` that
    differs. For states, the layer is the first one computed that differs. For gradients, which are computed from the
    output back, it is the last. For the cost the states agree, and it is the output. `differing` are all layers where
    this part differs. `note` describes a pattern in the differences, or is empty. `cause` is its name: an option of the
    optimizer ("rate", "decay", "momentum", "nesterov", "dampening", "betas", "delta", "amsgrad"), "rule", "optimizer",
    "zero-grad", "no-gradient", "table", "constant", "cost", "dropout"; empty where no cause is known. `size` is the
    relative difference, as in `LayerDifference`, and `allowed` what rounding or the tolerance explains.
    """

    number: int
    layer: str
    what: str
    differing: tuple[str, ...]
    note: str = ""
    cause: str = ""
    size: float = 0.0
    allowed: float = 0.0


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
    tolerance: float | None  # None: what rounding of the type can cause
    layers: tuple[LayerDifference, ...]
    cost: float  # the largest difference of the cost of a batch, divided by the cost
    first: Divergence | None
    seconds: tuple[float, float]
    pairs: tuple[tuple[str, str], ...] = ()  # our parameter, the module's
    cost_factor: float = 1.0  # the cost of the second over that of the first, where its rate makes up for it
    output_kind: str = ""  # "probabilities" or "log-probabilities" if the module returns these
    initial: tuple[str, ...] = ()  # sentences: which of the module's own initial weights are not those of the training
    evidence: Evidence | None = field(default=None, compare=False, repr=False)  # of the update that first differs

    @property
    def equal(self) -> bool:
        """Return whether nothing differs by more than the tolerance, or by more than rounding explains."""
        return self.first is None

    @property
    def largest(self) -> float:
        """Return the largest relative difference of all: of the cost, and as `LayerDifference` has them."""
        values = [v for row in self.layers for v in (row.states, row.gradients, row.weights) if v is not None]
        return max([self.cost, *values])

    @property
    def ratio(self) -> float:
        """Return the processor time of the second divided by that of the first."""
        return self.seconds[1] / self.seconds[0] if self.seconds[0] else float("inf")


@dataclass(frozen=True, eq=False)
class _Judged:
    """One quantity in one update: its largest difference and the one allowed, both relative to its size."""

    relative: float
    allowed: float

    @property
    def is_over(self) -> bool:
        return self.relative > self.allowed


@dataclass
class Differences:
    """The differences so far between two sides, which make each update from the same weights.

    Of the first side, an engine, `UpdateResult.hidden` has the hidden layers in order. Without a tolerance, a
    difference counts that rounding in `dtype` does not explain. The states, the cost and the gradients of the second
    are compared with those of the first. Its update is compared with what the rule of the training makes of its own
    gradients, so that a difference of the gradients is not counted twice.
    """

    training: Training
    side: EngineSide
    names: tuple[str, str]
    tolerance: float | None
    dtype: str
    start: Mapping[str, np.ndarray]
    most: dict[_Part, float] = field(default_factory=dict)
    first: Divergence | None = None
    unseen: set[str] = field(default_factory=set)  # hidden layers of which the second shows no states
    cost_factor: float = 1.0

    def __post_init__(self) -> None:
        self.net = self.training.net
        self._rounding = Rounding(self.net, self.dtype)
        self._now = self.start
        self._rule = RuleOnGradients(self.training)
        self._steps: dict[str, float] = {}  # the largest step of each parameter so far
        self._previous: UpdateResult | None = None
        self._cost_factors: list[float] = []

    def add(self, update: Update, before: Mapping[str, np.ndarray], one: UpdateResult, other: UpdateResult) -> None:
        """Add one update, from the weights `before`; if it is the first in which the two differ, store where."""
        sensitivity = Sensitivity(self.side, update, before, self._rounding)
        if self._previous is None:
            self.cost_factor = self._factor_of_cost(update, before, one, other, sensitivity)
        expected = self._expected_weights(update, before, one, other)
        judged = dict(self._judge(update, before, one, other, expected, sensitivity))
        over = {key for key, value in judged.items() if value.is_over}
        if self._previous is None:
            self.unseen = self._find_unseen(over)
        for key, value in judged.items():
            self.most[key] = max(self.most.get(key, 0.0), value.relative)
        over -= {("states", layer) for layer in self.unseen}
        if self.first is None and other.drops_when_evaluated and not over:
            layer = other.drops_when_evaluated
            cause = causes.dropout_when_evaluated(layer, self.names[1])
            self.first = Divergence(update.end, layer, "evaluation", (layer,), cause.note, cause.name)
        if self.first is None and over:
            self.first = self._divergence(update, before, over, judged, one, other, expected)
        if one.cost:
            self._cost_factors.append(other.cost / one.cost)
        self._now, self._previous = one.weights, other

    def of_layer(self, layer: str) -> LayerDifference:
        states, gradients, weights = (self.most.get((what, layer)) for what in ("states", "gradients", "weights"))
        moved = [
            _distance(self._now[p.name], self.start[p.name])
            for p in self.net.parameters
            if p.layer == layer and p.learns
        ]
        return LayerDifference(
            layer, None if layer in self.unseen else states, gradients, weights, max(moved, default=None)
        )

    @property
    def of_cost(self) -> float:
        return self.most.get(("cost", ""), 0.0)

    def divergence(self) -> Divergence | None:
        """Return where the two first diverge, with the factor of the cost if it stayed the same long enough."""
        first = self.first
        if first is None or first.what != "cost" or len(self._cost_factors) < FACTOR_PRESENTATIONS:
            return first
        low, high = min(self._cost_factors), max(self._cost_factors)
        if not math.isfinite(low) or high - low > 1e-6 * abs(high) or abs(high - 1) < 1e-9:
            return first
        sentence = f"the cost in {self.names[1]} is {high:.4g} times that in {self.names[0]}"
        return replace(first, note="; ".join([sentence, *([first.note] if first.note else [])]))

    # ---- One update ----------------------------------------------------------------------------------------------

    def _judge(
        self,
        update: Update,
        before: Mapping[str, np.ndarray],
        one: UpdateResult,
        other: UpdateResult,
        expected: Mapping[str, np.ndarray],
        sensitivity: Sensitivity,
    ) -> Iterator[tuple[_Part, _Judged]]:
        for number, (layer, states) in enumerate(zip(self.net.hidden, one.hidden)):
            closest = _closest(states, other.hidden, len(update.inputs))
            if closest is not None:
                near = float(np.abs(states).max(initial=0.0))
                yield (
                    ("states", layer.name),
                    self._judged(
                        closest,
                        near,
                        self._rounding.of_states(layer.name),
                        lambda n=number, s=states: sensitivity.of_states(n, s),  # type: ignore[misc]
                    ),
                )
        output = self.net.layers[-1].name
        ours = _of_kind(one.outputs, other.output_kind)
        yield (
            ("states", output),
            self._judged(
                _distance(ours, other.outputs),
                float(np.abs(ours).max(initial=0.0)),
                self._rounding.of_states(output),
                lambda: sensitivity.of_states(-1, one.outputs),
            ),
        )
        k = self.cost_factor
        yield (
            ("cost", ""),
            self._judged(
                _distance(np.array(k * one.cost), np.array(other.cost)),
                abs(k * one.cost),
                self._rounding.of_cost(),
                lambda: abs(k) * sensitivity.of_cost(one.cost),
            ),
        )
        patterns = len(update.inputs)
        floor = max((float(np.abs(g).max(initial=0.0)) for g in one.gradients.values()), default=0.0)
        for layer in self.net.computed:
            entering = [p.name for p in self.net.parameters if p.layer == layer.name and p.learns]
            if entering:
                gradients = [self._gradient(name, patterns, floor, one, other, sensitivity) for name in entering]
                extra = other.extra_gradients.get(layer.name, 0.0)
                if extra:
                    gradients.append(self._judged(extra, abs(k) * floor, self._rounding.smallest, lambda: 0.0))
                yield ("gradients", layer.name), _worst(gradients)
                yield (
                    ("weights", layer.name),
                    _worst([self._step(name, before[name], expected[name], other.weights[name]) for name in entering]),
                )

    def _gradient(
        self,
        name: str,
        patterns: int,
        floor: float,
        one: UpdateResult,
        other: UpdateResult,
        sensitivity: Sensitivity,
    ) -> _Judged:
        k = self.cost_factor
        ours = k * one.gradients[name]
        size = max(float(np.abs(ours).max(initial=0.0)), float(np.abs(other.gradients[name]).max(initial=0.0)))
        return self._judged(
            _distance(ours, other.gradients[name]),
            size,
            self._rounding.of_gradient(name, patterns),
            lambda: abs(k) * (sensitivity.of_gradient(name, one.gradients[name]) + self._rounding.smallest * floor),
        )

    def _step(self, name: str, before: np.ndarray, expected: np.ndarray, weights: np.ndarray) -> _Judged:
        """Judge the update of a parameter, each weight by its own size and by the largest step so far."""
        with np.errstate(all="ignore"):
            step = float(np.abs(np.asarray(expected, np.float64) - before).max(initial=0.0))
            self._steps[name] = max(self._steps.get(name, 0.0), step)
            difference = np.abs(np.asarray(weights, np.float64) - expected).reshape(-1)
            sizes = np.abs(np.asarray(before, np.float64)).reshape(-1) + self._steps[name]
            relative = np.where(difference == 0, 0.0, difference / sizes)
        most = float(relative.max(initial=0.0))
        allowed = self._rounding.of_step() if self._rule.is_exact else _INEXACT * self._rounding.of_cost()
        return _Judged(_finite(most), allowed if self.tolerance is None else self.tolerance)

    def _judged(self, difference: float, size: float, allowed: float, measure: Callable[[], float]) -> _Judged:
        """Judge a difference by the tolerance; without one, by the rule of scale, then by measuring (`Sensitivity`)."""
        if not difference:
            return _Judged(0.0, allowed if self.tolerance is None else self.tolerance)
        relative = _finite(difference / size if size else math.inf)
        if self.tolerance is not None:
            return _Judged(relative, self.tolerance)
        if allowed < relative < math.inf and self.first is None:
            allowed = max(allowed, measure() / size if size else 0.0)
        return _Judged(relative, allowed)

    def _expected_weights(
        self, update: Update, before: Mapping[str, np.ndarray], one: UpdateResult, other: UpdateResult
    ) -> Mapping[str, np.ndarray]:
        """Return the weights after the update by the rule of the training."""
        return self._rule.weights(update, before, other.gradients, self.cost_factor) or one.weights

    def _factor_of_cost(
        self,
        update: Update,
        before: Mapping[str, np.ndarray],
        one: UpdateResult,
        other: UpdateResult,
        sensitivity: Sensitivity,
    ) -> float:
        """Return k if the cost and all gradients of the second are k times ours and its update is still ours; else 1.

        A sum in place of a mean, with the rate divided by the number of outputs, learns the same.
        """
        k = other.cost / one.cost if one.cost else math.nan
        if not math.isfinite(k) or k == 0 or abs(k - 1) < 1e-6 or self.tolerance == 0:
            return 1.0
        self.cost_factor = k
        rule, self._rule = self._rule, RuleOnGradients(self.training)
        expected = self._expected_weights(update, before, one, other)
        judged = dict(self._judge(update, before, one, other, expected, sensitivity))
        self._rule, self._steps, self.cost_factor = rule, {}, 1.0
        return 1.0 if any(value.is_over for (what, _), value in judged.items() if what != "states") else k

    def _find_unseen(self, over: set[_Part]) -> set[str]:
        """Return the hidden layers whose states the second computes in another way, by the first update.

        Their states differ, but the outputs agree, and so do the gradients of the layers that read them.
        """
        if ("states", self.net.layers[-1].name) in over:
            return set()
        unseen = set()
        for layer in self.net.hidden:
            readers = {c.target for c in self.net.connections if c.source == layer.name}
            if ("states", layer.name) in over and not any(("gradients", reader) in over for reader in readers):
                unseen.add(layer.name)
        return unseen

    # ---- What is reported ----------------------------------------------------------------------------------------

    def _divergence(
        self,
        update: Update,
        before: Mapping[str, np.ndarray],
        over: set[_Part],
        judged: Mapping[_Part, _Judged],
        one: UpdateResult,
        other: UpdateResult,
        expected: Mapping[str, np.ndarray],
    ) -> Divergence:
        order = [layer.name for layer in self.net.computed]
        what = next(part for part in PARTS if any(part == differing_part for differing_part, _ in over))
        differing = tuple(name for name in order if (what, name) in over)
        if what == "states":
            layer = _first_behind(order, over, judged)
            cause = self._cause_of_states(layer, update, one, other)
        elif what == "cost":
            layer, cause = order[-1], causes.of_cost(one, other, update.targets, self.training.cost, self.names[1])
        elif what == "gradients":
            layer = differing[-1]
            cause = causes.of_gradients(self.net, layer, one, other, self._previous, self.names)
        else:
            layer = differing[0]
            stage = self.training.stages[0]
            cause = causes.of_steps(
                self.net, stage, layer, differing, update, before, expected, other, self.cost_factor, self.names
            )
        value = judged.get((what, "" if what == "cost" else layer), _Judged(0.0, 0.0))
        return Divergence(update.end, layer, what, differing, cause.note, cause.name, value.relative, value.allowed)

    def _cause_of_states(self, layer: str, update: Update, one: UpdateResult, other: UpdateResult) -> Cause:
        hidden = [hidden.name for hidden in self.net.hidden]
        tensors: list[np.ndarray] = []
        if layer in hidden:
            ours = one.hidden[hidden.index(layer)]
            tensors = [tensor for tensor in other.hidden if tensor.size == ours.size]
            theirs = min(tensors, key=lambda tensor: _distance(ours, tensor), default=None)
        else:
            ours, theirs = _of_kind(one.outputs, other.output_kind), other.outputs
        if theirs is None:
            return Cause()
        cause = causes.of_states(layer, ours, theirs, self.names)
        if cause.name:
            return cause
        notes = (where_states_differ(self.net, layer, ours, tensor) for tensor in tensors or [theirs])
        return Cause("", next(filter(None, notes), ""))


class RuleOnGradients:
    """The rule of a training on the gradients of the other side: what its optimizer should do.

    It computes in float64. `is_exact` is false for a rule with curvature, which gradients alone do not determine.
    """

    def __init__(self, training: Training):
        rule: UpdateRule = training.stages[0].rule
        self.is_exact = rule.curvature is None and not rule.conjugate
        learning = {p.name: p for p in training.net.parameters if p.learns}
        self._weights = FreeWeights(learning, rule, np.dtype(np.float64)) if self.is_exact else None

    def weights(
        self,
        update: Update,
        before: Mapping[str, np.ndarray],
        gradients: Mapping[str, np.ndarray],
        factor: float,
    ) -> dict[str, np.ndarray] | None:
        """Return the weights after an update; None if the rule cannot tell. The gradients are divided by `factor`."""
        free = self._weights
        if free is None:
            return None
        free.load_parameters(before)
        with np.errstate(all="ignore"):
            free.update(free.environment(update.settings), free.flat(gradients, "gradient") / factor, {})
        return free.shaped(free.w)


def _worst(judged: list[_Judged]) -> _Judged:
    """Return the one that is most over its limit."""
    return max(judged, key=lambda value: (value.is_over, value.relative))


def _first_behind(order: list[str], over: set[_Part], judged: Mapping[_Part, _Judged]) -> str:
    """Return the layer after the last one whose states agree.

    An earlier layer may differ because the module computes it in another way. A later layer whose states the module
    does not show may have the fault.
    """
    agree = [k for k, name in enumerate(order) if ("states", name) in judged and ("states", name) not in over]
    if agree and agree[-1] + 1 < len(order):
        return order[agree[-1] + 1]
    return next(name for name in order if ("states", name) in over)


def _closest(states: np.ndarray, tensors: Sequence[np.ndarray], patterns: int) -> float | None:
    """Return the distance of the closest tensor with as many numbers; None if there is none.

    Units may be in another order, as in a transformer whose features come last: then the sorted states of each pattern
    are compared.
    """
    fitting = [tensor for tensor in tensors if tensor.size == states.size]
    if not fitting:
        return None
    distance = min(_distance(states, tensor) for tensor in fitting)
    if not distance < 1e-3 * float(np.abs(states).max(initial=0.0)):
        ours = np.sort(states.reshape(patterns, -1), axis=1)
        arranged = min(_distance(ours, np.sort(tensor.reshape(patterns, -1), axis=1)) for tensor in fitting)
        return min(distance, arranged)
    return distance


def _of_kind(outputs: np.ndarray, kind: str) -> np.ndarray:
    """Return our outputs as the module returns its own: themselves, their softmax, or its logarithm."""
    if not kind:
        return outputs
    with np.errstate(all="ignore"):
        shifted = outputs - outputs.max(axis=1, keepdims=True)
        logarithms: np.ndarray = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return np.exp(logarithms) if kind == "probabilities" else logarithms


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    """Return the largest difference; infinite where one of the two is NaN or infinite."""
    with np.errstate(all="ignore"):
        most = float(np.abs(one.reshape(-1) - other.reshape(-1)).max(initial=0.0))
    return _finite(most)


def _finite(value: float) -> float:
    return value if math.isfinite(value) else math.inf
