"""Find the patterns that a script presents in the data set of a description."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from snsim.comparison.script.watcher import projection
from snsim.training.loop import shift
from snsim.training.prepare import PreparedData

_SAME = 2e-6  # of the largest input: rounding of float32
_MOST_SHIFT = 2  # cells


@dataclass(frozen=True)
class FoundPattern:
    """A pattern of the data set: `index` in its part, and how the script's input differs from it, or ""."""

    part: str  # "train" or "test"
    index: int
    change: str = ""


@dataclass(frozen=True, eq=False)
class _Form:
    """All patterns in one form, (patterns, units), with their fingerprints in order."""

    name: str
    values: np.ndarray
    prints: np.ndarray
    order: np.ndarray
    total: float  # of the projection

    @classmethod
    def of(cls, name: str, values: np.ndarray) -> _Form:
        vector = np.array(projection(values.shape[1]))
        prints = values @ vector
        return cls(name, values, prints, np.argsort(prints, kind="stable"), float(vector.sum()))

    def matches(self, fingerprint: float, slack: float) -> np.ndarray:
        """Return the indices of the patterns with this fingerprint, in their order."""
        ordered = self.prints[self.order]
        low, high = np.searchsorted(ordered, [fingerprint - slack, fingerprint + slack])
        return np.sort(self.order[low:high])


@dataclass(eq=False)
class PatternFinder:
    """Finds inputs in the training and the test patterns: as they are, or scaled, inverted, centred, moved or turned.

    `change` describes how the inputs found so far differ from the data set, and is tried first. `scale` and `offset`
    are of that change.
    """

    data: PreparedData
    change: str = ""
    scale: float = 1.0
    offset: float = 0.0
    _forms: dict[str, _Form] = field(default_factory=dict)
    _form: str = "plain"

    def __post_init__(self) -> None:
        parts = [self.data.train.inputs] + ([] if self.data.test is None else [self.data.test.inputs])
        self._values = np.concatenate(parts).astype(np.float64)
        self._trained = len(self.data.train)
        self._norms: dict[str, np.ndarray] = {}

    # ---- One input -----------------------------------------------------------------------------------------------

    def find(self, x: np.ndarray, expected: int | None = None) -> FoundPattern | None:
        """Return the pattern that an input (units,) is, or None. Of equal patterns, the `expected` one is preferred."""
        x = x.reshape(-1).astype(np.float64)
        if len(x) != self._values.shape[1] or not np.isfinite(x).all():
            return None
        found = self._find_affine(self._at(self._form), x, self.scale, self.offset, expected)
        if found is not None:
            return self._pattern(found, self.change)
        for name in self._makers():
            solved = self._solve_affine(self._at(name), x)
            if solved is None:
                continue
            index, scale, offset = solved
            again = self._find_affine(self._at(name), x, scale, offset, expected)
            self._form, self.scale, self.offset = name, scale, offset
            self.change = _describe(name, scale, offset)
            return self._pattern(index if again is None else again, self.change)
        return self._find_moved(x)

    def _pattern(self, index: int, change: str) -> FoundPattern:
        if index < self._trained:
            return FoundPattern("train", index, change)
        return FoundPattern("test", index - self._trained, change)

    def _find_affine(self, form: _Form, x: np.ndarray, scale: float, offset: float, expected: int | None) -> int | None:
        plain = (x - offset) / scale
        size = max(1.0, float(np.abs(form.values[0]).max()))
        slack = 64 * _SAME * size * math.sqrt(len(x))
        candidates = form.matches(float(plain @ np.array(projection(len(x)))), slack)
        limit = max(_SAME * size, 4 * _SAME * abs(offset / scale))
        equal = [int(k) for k in candidates if np.abs(form.values[k] - plain).max() <= limit]
        if not equal:
            return None
        return expected if expected is not None and expected in equal else equal[0]

    def _solve_affine(self, form: _Form, x: np.ndarray) -> tuple[int, float, float] | None:
        """Return (index, scale, offset) with x = scale * pattern + offset, or None."""
        mean, deviation = float(x.mean()), float(x.std())
        if deviation == 0:
            return None
        if form.name not in self._norms:
            means = form.values.mean(axis=1)
            deviations = form.values.std(axis=1)
            self._norms[form.name] = np.stack([means, np.where(deviations == 0, np.inf, deviations)])
        means, deviations = self._norms[form.name]
        products = form.values @ (x - mean) / (len(x) * deviation * deviations)
        index = int(np.abs(products).argmax())
        if abs(products[index]) < 1 - 1e-5:
            return None
        scale = math.copysign(deviation / float(deviations[index]), products[index])
        offset = mean - scale * float(means[index])
        if np.abs(scale * form.values[index] + offset - x).max() > 1e-4 * max(1e-6, float(np.abs(x).max())):
            return None
        return index, _round(scale), _round(offset)

    def _find_moved(self, x: np.ndarray) -> FoundPattern | None:
        """Return a pattern moved by some cells, or one with noise, or None."""
        form = self._at("plain")
        if form.name not in self._norms:
            self._solve_affine(form, x)
        shape = self.data.shape
        if len(shape) >= 2:
            mean, deviation = float(x.mean()), max(1e-12, float(x.std()))
            deviations = self._norms[form.name][1]
            products = np.abs(form.values @ (x - mean) / (len(x) * deviation * deviations))
            likely = np.argsort(-products)[:200]
            for index in likely:
                for down in range(-_MOST_SHIFT, _MOST_SHIFT + 1):
                    for right in range(-_MOST_SHIFT, _MOST_SHIFT + 1):
                        picture = form.values[index].reshape(1, *shape)
                        moved = shift(picture, np.array([down]), np.array([right]), None).reshape(-1)
                        inside = (
                            shift(np.ones_like(picture), np.array([down]), np.array([right]), 0.0)
                            .reshape(-1)
                            .astype(bool)
                        )
                        if np.abs(moved - x)[inside].max() <= 10 * _SAME * max(1.0, float(np.abs(x).max())):
                            return self._pattern(int(index), f"moved by {down} rows and {right} columns")
            best = int(likely[0])
            if products[best] > 0.9:
                most = float(np.abs(form.values[best] - x).max())
                return self._pattern(best, f"like it but with noise or distortion (by up to {most:.3g})")
        return None

    # ---- Forms of the data set -----------------------------------------------------------------------------------

    def _at(self, name: str) -> _Form:
        if name not in self._forms:
            self._forms[name] = _Form.of(name, self._makers()[name](self._values))
        return self._forms[name]

    def _makers(self) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
        trained = self._values[: self._trained]
        makers: dict[str, Callable[[np.ndarray], np.ndarray]] = {
            "plain": lambda values: values,
            "minus the mean of each input": lambda values: values - trained.mean(axis=0),
            "with mean 0 and deviation 1 at each input": lambda values: (
                (values - trained.mean(axis=0)) / np.where(trained.std(axis=0) == 0, 1, trained.std(axis=0))
            ),
        }
        shape = self.data.shape
        if len(shape) >= 2:

            def turned(turn: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
                return lambda values: np.ascontiguousarray(turn(values.reshape(-1, *shape))).reshape(len(values), -1)

            makers["with rows and columns exchanged"] = turned(lambda pictures: np.swapaxes(pictures, -1, -2))
            makers["mirrored left to right"] = turned(lambda pictures: pictures[..., ::-1])
            makers["upside down"] = turned(lambda pictures: pictures[..., ::-1, :])
        return makers

    # ---- Fingerprints --------------------------------------------------------------------------------------------

    def indices(self, prints: np.ndarray) -> np.ndarray:
        """Return the training pattern of each fingerprint; len(train) + k for test pattern k, -1 if there is none."""
        form = self._at(self._form)
        plain = (prints - self.offset * form.total) / self.scale
        slack = 64 * _SAME * max(1.0, float(np.abs(form.values[0]).max())) * math.sqrt(form.values.shape[1])
        ordered = form.prints[form.order]
        places = np.searchsorted(ordered, plain)
        left, right = np.clip(places - 1, 0, len(ordered) - 1), np.clip(places, 0, len(ordered) - 1)
        nearest = np.where(np.abs(ordered[left] - plain) <= np.abs(ordered[right] - plain), left, right)
        found = np.where(np.abs(ordered[nearest] - plain) <= slack, form.order[nearest], -1)
        return np.asarray(found)

    def prefer(self, indices: np.ndarray, expected: np.ndarray, prints: np.ndarray) -> np.ndarray:
        """Replace an index by the expected one where both patterns have the same fingerprint."""
        form = self._at(self._form)
        both = (indices >= 0) & (indices != expected)
        same = np.abs(form.prints[indices] - form.prints[expected]) <= 1e-9 * (1 + np.abs(form.prints[expected]))
        return np.where(both & same, expected, indices)


def _round(value: float) -> float:
    """Return a plain number that is closer than rounding of float32."""
    short = float(f"{value:.5g}")
    return short if abs(short - value) <= 2e-6 * max(1.0, abs(value)) else value


def _describe(form: str, scale: float, offset: float) -> str:
    parts = []
    if scale != 1 or offset != 0:
        if scale == -1 and offset == 0:
            parts.append("inverted (multiplied by -1)")
        elif scale < 0:
            parts.append(f"inverted and scaled: {scale:.6g} times the pattern {offset:+.6g}")
        elif offset == 0:
            parts.append(f"scaled: {scale:.6g} times the pattern")
        elif scale == 1:
            parts.append(f"centred otherwise: the pattern {offset:+.6g}")
        else:
            parts.append(f"scaled and centred otherwise: {scale:.6g} times the pattern {offset:+.6g}")
    if form != "plain":
        parts.append(form)
    return ", ".join(parts)
