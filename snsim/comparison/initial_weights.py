"""Compare the initial weights that a module draws with the distribution that a training declares."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from snsim.training.initial import initial_weights
from snsim.training.spec import Training

_DRAWS = 8  # of ours, with as many seeds
_ENOUGH = 20  # weights to tell by the largest that all are too small
_CHANCE = 1e-8  # that weights of the declared distribution are called different


def initial_differences(training: Training, theirs: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    """Return a sentence for each parameter whose initial weights do not fit the distribution of the training.

    `theirs` has the initial weights of the module by our names and in our shapes. The test is that of Kolmogorov and
    Smirnov for two samples, with a chance of 1e-8 that equal distributions are called different; and no weight may be
    larger than all of ours by half. A constant and codes must be equal. A parameter of few weights can hide a
    difference. Weights from a file are not judged.
    """
    if training.initial_file is not None:
        return ()
    draws = [initial_weights(training, seed) for seed in range(_DRAWS)]
    codes = {p.name: p.codes for p in training.net.parameters if p.codes is not None}
    return tuple(_differing(draws, theirs, codes))


def _differing(
    draws: list[dict[str, np.ndarray]], theirs: Mapping[str, np.ndarray], codes: Mapping[str, np.ndarray]
) -> Iterator[str]:
    for name, array in theirs.items():
        ours = np.concatenate([draw[name].reshape(-1) for draw in draws])
        own = np.asarray(array, np.float64).reshape(-1)
        if name in codes:
            stated = codes[name].reshape(-1)
            apart = ~np.isclose(own, stated, rtol=1e-6, atol=1e-12)
            if apart.any():
                first = int(apart.argmax())
                yield (
                    f"{name}: {int(apart.sum())} of {own.size} differ from (codes ...), the first {own[first]:.3g} "
                    f"instead of {stated[first]:.3g}"
                )
        elif np.ptp(ours) == 0:
            if not np.allclose(own, ours[0], rtol=1e-6, atol=1e-12):
                yield f"{name}: {_shown(own)}, in the training all {ours[0]:.3g}"
        elif _are_of_two_kinds(ours, own):
            yield f"{name}: {_shown(own)}, in the training {_shown(ours)}"


def _are_of_two_kinds(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two samples come from two distributions: by their shares below a value, and their largest."""
    values = np.sort(np.concatenate([one, other]))
    shares = [np.searchsorted(np.sort(sample), values, "right") / sample.size for sample in (one, other)]
    limit = math.sqrt(-math.log(_CHANCE / 2) / 2 * (1 / one.size + 1 / other.size))
    if np.abs(shares[0] - shares[1]).max() > limit:
        return True
    ours, theirs = (float(np.abs(sample).max()) for sample in (one, other))
    return theirs > 1.5 * ours or (other.size >= _ENOUGH and theirs < ours / 5)


def _shown(values: np.ndarray) -> str:
    if np.ptp(values) == 0:
        return f"all {values[0]:.3g}"
    mean, deviation = float(values.mean()), float(values.std())
    centre = f"mean {mean:.3g}, " if abs(mean) > deviation / 4 else ""
    return f"{centre}deviation {deviation:.3g}, at most {np.abs(values).max():.3g}"
