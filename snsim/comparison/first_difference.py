"""The update in which two sides first differ: all its numbers, and the lines of the texts that compute them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from snsim.comparison.engine_side import UpdateResult
from snsim.comparison.presentations import Update
from snsim.errors import SnError, Source, Span
from snsim.input_files import read_file
from snsim.network.clauses import DEFAULT
from snsim.training.spec import Training

_MOST_BYTES = 1 << 24  # of a text that is shown
_AROUND = 2  # lines shown before and after
_INITIAL = ("forget", "forget-inv", "forget-sqrt", "initial", "seed", "seeds")
_RATES = ("epsilon", "epsi", "epsi-inv", "epsi-sqrt", "decay", "batch", "update", "stage", "repeat")
_CLAUSES = {  # what differs: the clauses that state it
    "cost": ("cost",),
    "weights": _RATES,
    "rate": _RATES,
    "evaluation": ("dropout", "stage", "repeat", "correct"),
    "initial weights": _INITIAL,
    "data": ("data", "ensemble", "test-set", "frame", "augment", "input-noise", "stage", "repeat"),
    "order": ("order", "stage", "repeat"),
    "targets": ("targets",),
    "batch": ("batch", "stage", "repeat"),
    "passes": ("passes", "stage", "repeat"),
}
_FAR = 12  # lines between two marked lines, from which on they are shown apart


@dataclass(frozen=True)
class Place:
    """A line of a Python file, counted from 1."""

    file: str
    line: int


@dataclass(frozen=True)
class ModuleLines:
    """Where a module computes: its states by layer, and where it uses and changes each of our parameters.

    `methods` has the first line of `cost`, `configure_optimizers` and `learn`, if the class has them.
    """

    states: Mapping[str, Place] = field(default_factory=dict)
    uses: Mapping[str, Place] = field(default_factory=dict)
    changes: Mapping[str, Place] = field(default_factory=dict)
    methods: Mapping[str, Place] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Evidence:
    """The first update that differs: what was presented, from which weights (ours), and what both computed."""

    training: Training
    update: Update
    before: Mapping[str, np.ndarray]
    one: UpdateResult
    other: UpdateResult
    lines: ModuleLines = ModuleLines()

    def states(self, layer: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the states of a computed layer on both sides, (patterns, units); None if the second shows none.

        Those of the second are the closest numbers of this size that it computes.
        """
        names = [hidden.name for hidden in self.training.net.hidden]
        patterns = len(self.update.inputs)
        if layer not in names:
            return np.asarray(self.one.outputs), np.asarray(self.other.outputs)
        ours = np.asarray(self.one.hidden[names.index(layer)], np.float64)
        tensors = [tensor for tensor in self.other.hidden if tensor.size == ours.size]
        if not tensors:
            return None
        theirs = closest(ours, tensors)
        return ours.reshape(patterns, -1), np.asarray(theirs, np.float64).reshape(patterns, -1)

    def pattern(self, layer: str) -> int:
        """Return the number in the batch of the pattern whose states in this layer, or outputs, differ most."""
        sides = self.states(layer) or (self.one.outputs, self.other.outputs)
        with np.errstate(all="ignore"):
            return int(np.nan_to_num(np.abs(sides[0] - sides[1]), nan=np.inf).max(axis=1).argmax())


def closest(ours: np.ndarray, tensors: Sequence[np.ndarray]) -> np.ndarray:
    """Return the flat array with the smallest largest distance from ours."""
    with np.errstate(all="ignore"):
        distances = [float(np.abs(ours.reshape(-1) - tensor.reshape(-1)).max(initial=0.0)) for tensor in tensors]
    return tensors[int(np.argmin(np.nan_to_num(distances, nan=np.inf)))]


# ---- Lines of the texts ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Excerpt:
    """Some lines of a text: (number, text, whether it is marked). `name` is the file."""

    name: str
    lines: tuple[tuple[int, str, bool], ...]

    @property
    def marked(self) -> str:
        """The file and its marked lines, as in "mine.py:3, 7"."""
        return f"{self.name}:{', '.join(str(number) for number, _, is_marked in self.lines if is_marked)}"


def description_lines(training: Training, what: str, layer: str) -> list[Excerpt]:
    """Return the lines of the description that state what differs: one of `PARTS`, or a clause of the training."""
    return _excerpts((span.source.name, span.line, span.source) for span in _spans(training, what, layer))


def script_lines(place: Place) -> list[Excerpt]:
    """Return a line of a script, with those around it."""
    return _excerpts(iter([(place.file, place.line, None)]))


def _spans(training: Training, what: str, layer: str) -> Iterator[Span]:
    net = training.net
    spans: list[Span | None] = []
    if what in _CLAUSES:
        spans = [c.node.span for c in training.clauses if c.word in _CLAUSES[what] and c.origin != DEFAULT]
    elif what in ("states", "gradients") and not layer:
        spans = [net.span]
    elif what in ("states", "gradients"):
        spans = [c.span for c in net.entering(layer)] + [t.span for t in net.transforms if t.target == layer]
        spans += [one.span for one in net.layers if one.name == layer]
    yield from (span for span in spans if span is not None)


def module_lines(evidence: Evidence, what: str, layer: str) -> list[Excerpt]:
    """Return the lines of the class that compute what differs in a layer."""
    lines, entering = evidence.lines, [p.name for p in evidence.training.net.parameters if p.layer == layer]
    places: list[Place | None] = []
    if what == "cost":
        places = [lines.methods.get("cost")]
    elif what in ("states", "gradients", "evaluation"):
        places = [*(lines.uses.get(name) for name in entering), lines.states.get(layer)]
    else:
        places = [lines.changes.get(name) for name in entering]
        if not any(places):
            places = [lines.methods.get("learn") or lines.methods.get("configure_optimizers")]
    return _excerpts((place.file, place.line, None) for place in places if place is not None)


def _excerpts(places: Iterator[tuple[str, int, Source | None]]) -> list[Excerpt]:
    """Return the lines around the places, together where they are near each other."""
    by_file: dict[str, tuple[set[int], Source | None]] = {}
    for name, line, source in places:
        by_file.setdefault(name, (set(), source))[0].add(line)
    made = []
    for name, (numbers, source) in by_file.items():
        text = _text_of(name) if source is None else source.text
        for group in _near(sorted(numbers)):
            made.append(Excerpt(name, tuple(_around(text.split("\n"), group))))
    return made


def _near(numbers: list[int]) -> list[list[int]]:
    groups: list[list[int]] = []
    for number in numbers:
        if groups and number - groups[-1][-1] <= _FAR:
            groups[-1].append(number)
        else:
            groups.append([number])
    return groups


def _around(lines: Sequence[str], marked: Sequence[int]) -> Iterator[tuple[int, str, bool]]:
    first, last = max(1, marked[0] - _AROUND), min(len(lines), marked[-1] + _AROUND)
    yield from ((number, lines[number - 1], number in marked) for number in range(first, last + 1))


def _text_of(file: str) -> str:
    """Return the text of a file, or an empty one if it has gone."""
    try:
        return read_file(file, _MOST_BYTES).decode("utf-8", "replace")
    except SnError:
        return ""
