"""What a training is: the frozen values that `(train ...)` declares and that the training loop reads."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from snsim.data.reader_options import OwnData, ReaderOptions
from snsim.engines.protocol import Cost, UpdateRule
from snsim.errors import Span
from snsim.network.clauses import Clause
from snsim.network.net import Net


@dataclass(frozen=True)
class Value:
    """A number over the passes of its stage: constant, `(linear a b)` or `(steps (v n) ... (v))`."""

    kind: str  # "constant", "linear", "steps"
    numbers: tuple[
        float, ...
    ]  # (v,), (a, b), the values of the steps, or () for an initial distribution without a number
    lengths: tuple[int, ...] = ()  # passes of each step; the last may be missing and then lasts until the end
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Scope:
    """The weights for which a rate or an initial distribution holds.

    `kind` is "everywhere", "biases", "layer", "bias" or "connection".
    """

    kind: str
    layer: str = ""  # of "layer" and "bias"; the target of "connection"
    source: str = ""  # of "connection"
    label: str = ""  # of "connection": of the one with this name; "": all between its layers


@dataclass(frozen=True)
class ScopedValue:
    """A rate (epsilon, epsi-sqrt, ...) or an initial distribution, with its value and its scope."""

    family: str
    value: Value
    scope: Scope


@dataclass(frozen=True, eq=False)
class DataChoice:
    """The source of the examples: data set names in order of preference, matrices, SN files, or own files."""

    names: tuple[str, ...] = ()
    inputs: np.ndarray | None = None
    targets: np.ndarray | None = None
    patterns: tuple[str, str] | None = None
    own_data: OwnData | None = None
    options: ReaderOptions = field(default_factory=ReaderOptions)  # of the form of `inputs` and `targets`
    span: Span | None = None

    @property
    def folds(self) -> int | None:
        """The number of folds, of (folds N)."""
        return self.options.folds if self.own_data is None else self.own_data.options.folds


@dataclass(frozen=True, eq=False)
class Stage:
    """A number of passes with the same settings.

    Weights and update state carry over from stage to stage; the update state is reset where the update rule changes.
    """

    passes: int
    rule: UpdateRule
    options: dict[str, Value]  # the rule's options, defaults filled in
    rates: tuple[ScopedValue, ...]
    curvature_patterns: int | None = None  # (curvature N): h is the mean over N patterns, computed before each pass
    batch: int | None = 1  # patterns per update; None for all
    batch_mean: bool = False
    order: str = "fixed"  # "fixed", "shuffled", "shuffled once", "random"
    shift: tuple[int, float | None] | None = None  # (augment (shift N FILL)); None for wrap
    input_noise: Value | None = None
    dropout: tuple[tuple[str, float], ...] = ()  # layers with their dropout probability
    theta: Value | None = None  # standard deviation of Gaussian noise on the weighted sums
    decays: tuple[ScopedValue, ...] = ()  # (decay V SCOPE ...); without any, the option of the rule holds
    prune: tuple[float, str] | None = None  # before the first pass: the fraction to cut, of "connections" or "weights"


@dataclass(frozen=True, eq=False)
class Training:
    """A declared training: a net, its data, and how it is trained."""

    name: str
    net: Net
    data: DataChoice
    cost: Cost
    criterion: tuple[str, tuple[float, ...]]  # (correct ...): name and arguments
    initial: tuple[ScopedValue, ...]
    stages: tuple[Stage, ...]
    seeds: tuple[int, ...]
    targets: tuple[float, float] = (-1.0, 1.0)  # off, on
    fan_in: str = "lines"
    initial_file: str | None = None
    initial_scopes: tuple[Scope, ...] = ()  # what comes from the file; () for all weights
    ensemble: tuple[int, int] | None = None  # first and last pattern, both included, as in SN
    test_set: tuple[int, int] | None = None
    frame: tuple[int, int, float] | None = None
    published: tuple[tuple[str, float], ...] = ()
    prior: float = 1.0  # how likely it is before any run, beside the other trainings of a study
    notes: tuple[str, ...] = ()  # sentences for the reader of a report
    keep: str | None = None  # (keep best FIGURE)
    stop_after: int | None = None  # passes without a better figure
    time: int = 1  # (time N): the steps of a sequence through which gradients go back, for a net with delays
    included: bool = False  # declared by an included file: `snsim run` does not run it
    clauses: tuple[Clause, ...] = ()  # the complete form with origins, for show
    dropped: tuple[Clause, ...] = ()  # inherited clauses without effect, for show
    span: Span | None = None

    def span_of(self, *words: str) -> Span | None:
        """Return the place of the first of these clauses that exists, stated or inherited; else that of the form."""
        nodes = {clause.word: clause.node for clause in self.clauses}
        return next((nodes[word].span for word in words if word in nodes), self.span)

    @property
    def first_data(self) -> str | None:
        """The data set that the description names first, whatever an option names; None for patterns from files."""
        clause = next((clause.node for clause in self.clauses if clause.word == "data"), None)
        return clause.items[1].name if clause is not None and clause.items[1].is_name else None

    @property
    def passes(self) -> int:
        return sum(stage.passes for stage in self.stages)
