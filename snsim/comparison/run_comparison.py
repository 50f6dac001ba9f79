"""Compare two run folders: settings, figures pass by pass, and last weights. Nothing is trained."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from snsim.errors import SnError, fail
from snsim.network.complete_form import complete_form
from snsim.runs.opened_run import OpenedRun

_FIGURES = ("loss", "half_mse", "misses", "rejection")  # of a pass; the other ones follow from these
_ROUNDING = ("engine", "portable", "device", "version", "machine")  # kinds of settings that change only the last bits
TOLERANCE = 1e-5  # of figures and weights, relative; runs are in float32 mostly
_MOST_LINES = 200  # of the difference of two texts


@dataclass(frozen=True)
class SettingDifference:
    """A setting that differs. `kind` groups settings; a value is None where a run does not have the setting."""

    kind: str  # text, net, training, option, seed, data, engine, portable, device, dtype, version or machine
    name: str
    values: tuple[Any, Any]

    @property
    def is_rounding(self) -> bool:
        """Whether the setting can change only the last bits of a training."""
        return self.kind in _ROUNDING


@dataclass(frozen=True)
class TextDifference:
    """The lines of a text that differ, as `diff -u` shows them, without its head. `lines` may be cut."""

    name: str
    lines: tuple[str, ...]
    is_cut: bool = False


@dataclass(frozen=True)
class FigureDifference:
    """A figure on the patterns of a split, such as the misses on "test", over the passes that both runs have.

    `first` is the first pass in which any bit differs, `beyond` the first one with a larger difference than the
    tolerance; None if there is none. `values` are those of pass `beyond`, else of `first`, else of the last pass.
    `largest` is the largest difference of all passes: relative, for misses in patterns, infinite against a number that
    is not finite.
    """

    split: str
    figure: str
    first: int | None
    beyond: int | None
    values: tuple[float, float]
    largest: float

    @property
    def name(self) -> str:
        """As in "test misses"."""
        return f"{self.split} {self.figure.replace('_', '-')}"


@dataclass(frozen=True)
class WeightDifference:
    """The weights that enter a layer: the largest difference, and the largest weight of both runs.

    `largest` is None if the runs do not have the same weights there: another shape, or only one run has them.
    """

    layer: str
    largest: float | None
    scale: float

    @property
    def relative(self) -> float | None:
        """The largest difference divided by the largest weight; None if they cannot be compared."""
        if self.largest is None:
            return None
        return self.largest / self.scale if self.largest and self.scale else self.largest


@dataclass(frozen=True)
class RunComparison:
    """What differs between two runs.

    `passes` is how many passes each has done. `same_forms` tells whether both texts declare the same net and training,
    with all defaults; None if a text cannot be read.
    """

    names: tuple[str, str]
    passes: tuple[int, int]
    tolerance: float
    settings: tuple[SettingDifference, ...]
    texts: tuple[TextDifference, ...]
    same_forms: bool | None
    figures: tuple[FigureDifference, ...]
    weights: tuple[WeightDifference, ...]

    @property
    def common(self) -> int:
        """The number of passes that both have done."""
        return min(self.passes)

    @property
    def first(self) -> int | None:
        """The first pass in which a figure differs by more than the tolerance."""
        return min((row.beyond for row in self.figures if row.beyond is not None), default=None)

    @property
    def first_bit(self) -> int | None:
        """The first pass in which a figure differs in any bit."""
        return min((row.first for row in self.figures if row.first is not None), default=None)

    @property
    def weights_equal(self) -> bool:
        """Whether no weight differs by more than the tolerance times the largest weight of its layer."""
        return all(row.relative is not None and row.relative <= self.tolerance for row in self.weights)

    @property
    def identical(self) -> bool:
        """Whether passes, figures and weights are equal to the last bit."""
        return self.equal and self.first_bit is None and not any(row.largest for row in self.weights)

    @property
    def equal(self) -> bool:
        """Whether both have done the same passes, with figures and weights that are equal up to the tolerance."""
        return self.passes[0] == self.passes[1] and self.first is None and self.weights_equal


def compare_runs(one: str | Path, other: str | Path, tolerance: float = TOLERANCE) -> RunComparison:
    """Compare two run folders.

    Parameters
    ----------
    one, other
        The run folders.
    tolerance : float
        The largest difference that counts as equal: of a loss relative to the loss, of a weight relative to the largest
        weight of its layer. Misses must be equal.

    Raises
    ------
    SnError
        If a folder is not a run folder or is damaged.
    """
    if not 0 <= tolerance < math.inf:
        raise fail(f"the tolerance must be a finite number of 0 or more, not {tolerance:g}", hint="write 1e-5")
    runs = (OpenedRun.open(one), OpenedRun.open(other))
    first, second = runs
    numbers = (first.record.snapshot.number, second.record.snapshot.number)
    return RunComparison(
        _names(runs),
        numbers,
        tolerance,
        tuple(_settings(first.settings, second.settings)),
        tuple(_texts(runs)),
        _same_forms(runs),
        tuple(_figures(first.record.passes, second.record.passes, tolerance)),
        tuple(_weights(runs)),
    )


def _names(runs: tuple[OpenedRun, OpenedRun]) -> tuple[str, str]:
    """Return the names of the folders, or their paths where both have one name."""
    first, second = (run.name for run in runs)
    return (str(runs[0].folder), str(runs[1].folder)) if first == second else (first, second)


# ---- Settings ----------------------------------------------------------------------------------------------------


def _settings(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[SettingDifference]:
    """Yield the settings that differ; not times, the command line, or folders."""
    sides = [dict(_listed(settings)) for settings in (one, other)]
    for key in dict.fromkeys([*sides[0], *sides[1]]):
        values = (sides[0].get(key), sides[1].get(key))
        if values[0] != values[1]:
            yield SettingDifference(*key, values)


def _listed(settings: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], Any]]:
    """Yield ((kind, name), value) for each setting that belongs to the training or to its machine."""
    source, data, overrides = settings["source"], settings["data"], settings["overrides"]
    for name in source["files"]:  # a main text may have another name in each run
        yield ("text", "text" if name == source["main"] else name), source.get("digests", {}).get(name)
    yield ("net", "net"), settings["net"]
    yield ("net", "digest"), settings["net_digest"]
    for name, count in settings["counts"].items():
        yield ("net", name), count
    yield ("training", "training"), settings["name"]
    for name in ("passes", "cost", "correct", "updates", "keep"):
        yield ("training", name), settings.get(name)
    for name, value in overrides.items():
        yield ("option", f"--{name}"), value or None  # an option that is not given is None, or an empty list
    for name, value in settings["presets"].items():
        yield ("option", f"--set {name}"), value
    yield ("seed", "seed"), settings["seed"]
    record = data.get("record") or {}
    for name in ("name", "digest", "train", "test"):
        yield ("data", name), data[name]
    for name in ("reader", "columns", "targets", "class_names", "scaling", "size", "seed", "test", "folds", "fold"):
        yield ("data", f"record {name}"), record.get(name)
    yield ("engine", "engine"), settings["engine"]
    yield ("portable", "portable"), settings.get("portable", False)
    yield ("device", "device"), settings.get("device")
    yield ("dtype", "dtype"), settings["dtype"]
    for name, version in settings["versions"].items():
        yield ("version", name), version
    yield ("machine", "platform"), settings.get("platform")
    for name, value in (settings.get("machine") or {}).items():
        yield ("machine", name), value


def _texts(runs: tuple[OpenedRun, OpenedRun]) -> Iterator[TextDifference]:
    """Yield the differences of the texts: the main ones beside each other, the included ones by name."""
    sources = [run.settings["source"] for run in runs]
    pairs: list[tuple[str | None, str | None]] = [(sources[0]["main"], sources[1]["main"])]
    included = [[name for name in source["files"] if name != source["main"]] for source in sources]
    for name in dict.fromkeys([*included[0], *included[1]]):
        pairs.append((name if name in included[0] else None, name if name in included[1] else None))
    for pair in pairs:
        both = ["" if name is None else run.record.source_text(name) for run, name in zip(runs, pair)]
        if any("\0" in text for text in both):  # a matrix that the program read: its digest tells the difference
            continue
        texts = [text.splitlines() for text in both]
        lines = list(difflib.unified_diff(texts[0], texts[1], lineterm="", n=1))[2:]
        if lines:
            name = " and ".join(dict.fromkeys(name for name in pair if name is not None))
            yield TextDifference(name, tuple(lines[:_MOST_LINES]), len(lines) > _MOST_LINES)


def _same_forms(runs: tuple[OpenedRun, OpenedRun]) -> bool | None:
    try:
        forms = [
            [
                complete_form("net", "", run.net.clauses),
                complete_form("train", "", run.training.clauses),
                run.net.digest,
            ]
            for run in runs
        ]
    except SnError:  # a text of an older version, or one that was changed
        return None
    return forms[0] == forms[1]


# ---- Figures -----------------------------------------------------------------------------------------------------


def _figures(
    one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]], tolerance: float
) -> Iterator[FigureDifference]:
    """Yield a row for each figure that both runs have."""
    common = list(zip(one, other))
    for split in ("train", "test"):
        for figure in _FIGURES:
            rows = [
                (a["pass"], a[split][figure], b[split][figure])
                for a, b in common
                if a[split] is not None and b[split] is not None and figure in a[split] and figure in b[split]
            ]
            if rows:
                yield _figure(split, figure, rows, 0.0 if figure == "misses" else tolerance)


def _figure(split: str, figure: str, rows: Sequence[tuple[int, float, float]], tolerance: float) -> FigureDifference:
    distances = [(number, _distance(figure, a, b)) for number, a, b in rows]
    first = next((number for number, distance in distances if distance), None)
    beyond = next((number for number, distance in distances if distance > tolerance), None)
    shown = beyond or first or rows[-1][0]
    values = next((a, b) for number, a, b in rows if number == shown)
    return FigureDifference(split, figure, first, beyond, values, max(distance for _, distance in distances))


def _distance(figure: str, one: float, other: float) -> float:
    """Return the difference of two figures, relative to the larger one but for misses.

    It is infinite between a finite number and one that is not, and 0 between two that are not.
    """
    if not math.isfinite(one) or not math.isfinite(other):
        return 0.0 if math.isfinite(one) == math.isfinite(other) else math.inf
    if one == other:
        return 0.0
    return abs(one - other) if figure == "misses" else abs(one - other) / max(abs(one), abs(other))


# ---- Weights -----------------------------------------------------------------------------------------------------


def _weights(runs: tuple[OpenedRun, OpenedRun]) -> Iterator[WeightDifference]:
    """Yield a row for each layer: the weights of the two checkpoints."""
    sides = [_weights_of(run) for run in runs]
    layers = {**_layers(runs[1]), **_layers(runs[0])}
    by_layer: dict[str, list[str]] = {}
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        by_layer.setdefault(layers.get(name, name), []).append(name)
    for layer, names in by_layer.items():
        both = [[side[name] for side in sides if name in side] for name in names]
        scale = max((_largest(array) for arrays in both for array in arrays), default=0.0)
        if any(len(arrays) < 2 or arrays[0].shape != arrays[1].shape for arrays in both):
            yield WeightDifference(layer, None, scale)
            continue
        with np.errstate(all="ignore"):
            distances = [_largest(np.where(a == b, 0.0, a.astype(np.float64) - b)) for a, b in both]
        yield WeightDifference(layer, max(distances), scale)


def _weights_of(run: OpenedRun) -> dict[str, np.ndarray]:
    """Return the weights of the checkpoint; with the names of today if the text of the run can be read."""
    try:
        return dict(run.snapshot.parameters)
    except SnError:
        return run.record.weights()


def _layers(run: OpenedRun) -> dict[str, str]:
    """Return the layer that each parameter enters; nothing if the text of the run cannot be read."""
    try:
        return {p.name: p.layer for p in run.net.parameters}
    except SnError:
        return {}


def _largest(array: np.ndarray) -> float:
    most = float(np.abs(array).max(initial=0.0))
    return most if math.isfinite(most) else math.inf
