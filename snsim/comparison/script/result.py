"""The result of comparing a script with a description: differences by kind, and what agreed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from snsim.comparison.script.distribution_fit import InitialFit
from snsim.comparison.script.events import Place
from snsim.errors import passes_text

NO_SIDES: Mapping[str, tuple[np.ndarray, np.ndarray]] = MappingProxyType({})

# In the order in which they are judged and reported.
KINDS = (
    "architecture",
    "initial weights",
    "data",
    "order",
    "targets",
    "batch",
    "mode",
    "forward",
    "cost",
    "gradient",
    "zero_grad",
    "optimizer",
    "schedule",
    "step",
    "passes",
    "evaluation",
)


@dataclass(frozen=True)
class ScriptDifference:
    """The first difference of one kind.

    `presentation` counts from 1; None for what is so before the first one, or of the whole run. `place`: the line of
    the script. `layer`: the layer that it concerns, or "". `notes` are further sentences.
    """

    kind: str
    message: str
    presentation: int | None = None
    place: Place | None = None
    layer: str = ""
    notes: tuple[str, ...] = ()
    at_end: bool = False  # of the whole run: reported after everything with a presentation
    # By name ("h1", "h1.bias"): the numbers of the description and of the script that differ.
    sides: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict, compare=False, repr=False)


@dataclass
class PrintedFigure:
    """A figure that the script printed, and what its own weights give."""

    text: str  # of the figure, as "misses: 26"
    split: str  # "train", "test" or ""
    printed: float
    own: float | None
    agrees: bool
    presentation: int
    place: Place | None


@dataclass
class ScriptComparison:
    """What a script did beside a description.

    `presentations` were made in all, and the first `watched` of them compared, with those round the end of each pass.
    `largest` has by layer the largest relative difference of states, gradients and weights.
    """

    training: str
    net: str
    data: str
    script: str
    dtype: str = ""
    presentations: int = 0
    watched: int = 0
    passes: float = 0.0
    wanted_passes: int = 0  # of the description
    seconds: float = 0.0
    differences: list[ScriptDifference] = field(default_factory=list)
    parameters: list[tuple[str, str]] = field(default_factory=list)
    counts: tuple[int, int] = (0, 0)  # weights of the script and of the description
    initial: list[InitialFit] = field(default_factory=list)
    figures: list[PrintedFigure] = field(default_factory=list)
    largest: dict[str, dict[str, float]] = field(default_factory=dict)
    optimizer: str = ""
    notes: list[str] = field(default_factory=list)
    exact: bool = False  # every presentation was watched

    @property
    def same(self) -> bool:
        """Return whether nothing differs."""
        return not self.differences

    @property
    def first(self) -> ScriptDifference | None:
        """Return the difference that comes first; None if nothing differs."""
        return next(iter(self.ordered), None)

    @property
    def ordered(self) -> list[ScriptDifference]:
        """Return the differences: those before training, then by presentation, then those of the whole run."""
        return sorted(self.differences, key=lambda one: (one.at_end, one.presentation or 0, KINDS.index(one.kind)))

    @property
    def headline(self) -> str:
        """Return the result in one sentence."""
        first = self.first
        if first is None:
            if self.exact:
                return f"learns the same up to rounding: all {self.presentations:,} presentations"
            return f"learns the same up to rounding for {self.watched:,} presentations"
        if first.kind == "passes" and self.passes < self.wanted_passes:
            return f"learns the same as far as it goes: {self.passes:.4g} of {passes_text(self.wanted_passes)}"
        if first.kind == "passes":
            return f"learns the same for {passes_text(self.wanted_passes)}, then goes on: it makes {self.passes:.4g}"
        where = f" of layer {first.layer}" if first.layer else ""
        when = (
            "after the last presentation"
            if first.at_end
            else "before the first presentation"
            if first.presentation is None
            else f"at presentation {first.presentation:,}"
        )
        return f"first differs in {first.kind}{where}, {when}"
