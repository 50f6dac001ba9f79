"""What a training is: the value that `(train ...)` declares and that every engine is run by. Frozen, nothing acts."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from snsim.data.reader_options import OwnData
from snsim.engines.protocol import Cost, UpdateRule
from snsim.errors import Span
from snsim.network.clauses import Clause
from snsim.network.net import Net


@dataclass(frozen=True)
class Value:
    """A number over the passes of its stage: constant, `(linear a b)` or `(steps (v n) ... (v))`."""

    kind: str  # "constant", "linear", "steps"
    numbers: tuple[float, ...]  # (v,), (a, b), the values of the steps; () of an initial distribution that takes none
    lengths: tuple[int, ...] = ()  # passes of each step; the last may be missing: to the end
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Place:
    """Where a rate or an initial weight holds. kind: "everywhere", "biases", "layer", "bias", "connection"."""

    kind: str
    layer: str = ""  # of "layer" and "bias"; the target of "connection"
    source: str = ""  # of "connection"


@dataclass(frozen=True)
class Placed:
    """One statement of a placed family: a rate (epsilon, epsi-sqrt, ...) or an initial distribution."""

    family: str
    value: Value
    place: Place


@dataclass(frozen=True, eq=False)
class DataChoice:
    """Where the examples come from: catalogue names in order of preference, matrices, SN files, or own files."""

    names: tuple[str, ...] = ()
    inputs: np.ndarray | None = None
    targets: np.ndarray | None = None
    patterns: tuple[str, str] | None = None
    own: OwnData | None = None
    span: Span | None = None


@dataclass(frozen=True, eq=False)
class Stage:
    """A stretch of passes under the same rules; the weights and the update state go on from stage to stage
    (the update state starts anew where the rule changes).
    """

    passes: int
    rule: UpdateRule
    options: dict[str, Value]  # the rule's options, defaults filled in
    rates: tuple[Placed, ...]
    curvature_patterns: int | None = None  # (curvature N): h is the mean over N patterns before each pass, then held
    batch: int | None = 1  # patterns per update; None = all
    batch_mean: bool = False
    order: str = "fixed"  # "fixed", "shuffled", "shuffled once", "random"
    shift: tuple[int, float | None] | None = None  # (augment (shift N FILL)); FILL None = wrap
    input_noise: Value | None = None
    dropout: tuple[tuple[str, float], ...] = ()  # layers with the probability that a state is 0 in a presentation
    theta: Value | None = None  # standard deviation of Gaussian noise on the weighted sums
    prune: tuple[float, str] | None = None  # before the first pass: fraction cut, of "connections" or "weights"


@dataclass(frozen=True, eq=False)
class Training:
    name: str
    net: Net
    data: DataChoice
    cost: Cost
    criterion: tuple[str, tuple[float, ...]]  # (correct ...): name and arguments
    initial: tuple[Placed, ...]
    stages: tuple[Stage, ...]
    seeds: tuple[int, ...]
    targets: tuple[float, float] = (-1.0, 1.0)  # off, on
    fan_in: str = "lines"
    initial_file: str | None = None
    ensemble: tuple[int, int] | None = None  # SN's inclusive ranges
    test_set: tuple[int, int] | None = None
    frame: tuple[int, int, float] | None = None
    published: tuple[tuple[str, float], ...] = ()
    notes: tuple[str, ...] = ()  # sentences for the reader of a report
    included: bool = False  # declared by an included file: `snsim run` does not run it
    clauses: tuple[Clause, ...] = ()  # the complete form with origins, for show
    dropped: tuple[Clause, ...] = ()  # clauses that `like` brought and nothing reads any more, for show
    span: Span | None = None

    def place(self, *words: str) -> Span | None:
        """Where the first of these clauses stands, in this form or in the one it is from; else where the form does."""
        nodes = {clause.word: clause.node for clause in self.clauses}
        return next((nodes[word].span for word in words if word in nodes), self.span)

    @property
    def passes(self) -> int:
        return sum(stage.passes for stage in self.stages)
