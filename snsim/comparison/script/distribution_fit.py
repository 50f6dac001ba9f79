"""Name the distribution that initial weights fit, and test it against the declared one.

The test is Kolmogorov's and Smirnov's: the largest distance of the empirical distribution from the declared one, with
Stephens' correction for small samples (Stephens 1970, as in Numerical Recipes, section 14.3).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from snsim.network.net import Net, Parameter
from snsim.training.parameter_scopes import StatementsByScope, fan_in_of
from snsim.training.spec import Training

UNLIKELY = 1e-4  # a distribution with a smaller probability is refused
FEW = 30  # fewer weights do not tell one family of distributions from another
_ROOT3 = math.sqrt(3.0)


@dataclass(frozen=True)
class Distribution:
    """A distribution of weights around 0: `kind` is uniform (in +-width), normal (deviation width) or constant."""

    kind: str
    width: float
    name: str

    def probability(self, values: np.ndarray) -> float:
        """Return how likely values this far from the distribution are, 0 to 1, if they were drawn from it."""
        if self.kind == "constant":
            return 1.0 if np.allclose(values, self.width, rtol=1e-6, atol=1e-12) else 0.0
        if not len(values) or self.width <= 0 or not np.isfinite(values).all():
            return 0.0
        n = len(values)
        scaled = np.sort(values.astype(np.float64)) / self.width
        if self.kind == "uniform":
            most = float(np.abs(scaled).max())
            if most > 1 + 1e-6:
                return 0.0
            cumulative = np.clip((scaled + 1) / 2, 0, 1)
            by_size = min(1.0, most) ** n  # of all n being this small
        else:
            cumulative = np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in scaled])
            by_size = math.erfc(abs(float(np.mean(scaled**2)) - 1) * math.sqrt(n) / 2)  # of this variance
        steps = np.arange(1, n + 1) / n
        distance = float(max((steps - cumulative).max(), (cumulative - steps + 1 / n).max()))
        root = math.sqrt(n)
        return min(1.0, 2 * min(by_size, _kolmogorov(distance * (root + 0.12 + 0.11 / root))))


def _kolmogorov(x: float) -> float:
    """Return the probability that the statistic of Kolmogorov exceeds x."""
    if x < 0.2:
        return 1.0
    terms = (2.0 * (1 if k % 2 else -1) * math.exp(-2 * k * k * x * x) for k in range(1, 101))
    return min(1.0, max(0.0, sum(terms)))


@dataclass(frozen=True)
class InitialFit:
    """The initial weights of one parameter beside what the description declares.

    `probability`: of weights this far from the declared distribution, if they were drawn from it. `fits`: the
    distribution that they fit best, and its probability.
    """

    parameter: str
    layer: str
    count: int
    low: float
    high: float
    mean: float
    deviation: float
    zeros: float  # the share of exact zeros
    declared: str
    probability: float
    fits: str
    fit_probability: float

    @property
    def agrees(self) -> bool:
        """Return whether the declared distribution is not refused."""
        return self.probability >= UNLIKELY


def fit_initial(net: Net, training: Training, parameter: Parameter, values: np.ndarray) -> InitialFit:
    """Return how the initial weights of a parameter compare with its declared distribution."""
    flat = values.reshape(-1).astype(np.float64)
    declared = declared_distribution(net, training, parameter)
    probability = math.nan
    if declared is not None:
        probability = declared.probability(flat / _relative(declared, net, training, parameter, flat))
    best = max(
        _candidates(training, parameter, flat, declared),
        key=lambda one: (one[0].kind == "constant" and one[1] == 1.0, one[1] >= 1e-3, -one[2], one[1]),
    )
    fits = best[0].name if best[1] >= UNLIKELY else "none of the usual distributions"
    if len(flat) < FEW and best[0].kind != "constant" and best[0] != declared:
        fits = f"too few to tell which distribution ({len(flat)} weights)"
    return InitialFit(
        parameter.name,
        parameter.layer,
        len(flat),
        float(flat.min()),
        float(flat.max()),
        float(flat.mean()),
        float(flat.std()),
        float((flat == 0).mean()),
        "not told" if declared is None else declared.name,
        1.0 if declared is None else probability,
        fits,
        best[1],
    )


def declared_distribution(net: Net, training: Training, parameter: Parameter) -> Distribution | None:
    """Return the distribution that the training declares for a parameter; None if it has another form."""
    scoped = StatementsByScope(training.initial).most_specific(parameter)
    if scoped is None or parameter.kind == "gain":
        return None
    value = scoped.value.numbers[0] if scoped.value.numbers else math.nan
    lines = _middle(fan_in_of(parameter, training.fan_in))
    text = f"{value:g}"
    if scoped.family == "constant" or (parameter.kind == "bias" and scoped.family in ("glorot", "he")):
        width = value if scoped.family == "constant" else 0.0
        return Distribution("constant", width, f"{width:g} everywhere")
    if scoped.family == "forget":
        return Distribution("uniform", value, f"uniform in +-{text}")
    if scoped.family == "forget-sqrt":
        width = value / math.sqrt(lines)
        return Distribution("uniform", width, f"uniform in +-{text}/sqrt {lines:g} = {width:.4g}")
    if scoped.family == "forget-inv":
        return Distribution("uniform", value / lines, f"uniform in +-{text}/{lines:g} = {value / lines:.4g}")
    if scoped.family in ("glorot", "he"):
        connection = net.connection_of(parameter)
        fan_in, fan_out = (float(np.mean(one)) for one in connection.wiring.fans())
        if scoped.family == "he":
            width = math.sqrt(2 / fan_in)
            return Distribution("normal", width, f"normal, deviation sqrt(2/{fan_in:g}) = {width:.4g}")
        width = math.sqrt(6 / (fan_in + fan_out))
        return Distribution("uniform", width, f"uniform in +-sqrt(6/({fan_in:g} + {fan_out:g})) = {width:.4g}")
    return None


def _relative(
    declared: Distribution, net: Net, training: Training, parameter: Parameter, flat: np.ndarray
) -> np.ndarray | float:
    """Return the width of each weight relative to the middle one, where units have different fan-ins."""
    lines = fan_in_of(parameter, training.fan_in)
    if declared.kind != "uniform" or not lines.ndim:
        return 1.0
    scoped = StatementsByScope(training.initial).most_specific(parameter)
    if scoped is None or scoped.family not in ("forget-sqrt", "forget-inv"):
        return 1.0
    ratio = _middle(lines) / lines.reshape(-1)
    return np.asarray(np.sqrt(ratio) if scoped.family == "forget-sqrt" else ratio)


def _middle(lines: np.ndarray) -> float:
    return float(np.median(lines))


def _candidates(
    training: Training, parameter: Parameter, flat: np.ndarray, declared: Distribution | None
) -> Iterator[tuple[Distribution, float, int]]:
    """Yield distributions with their probability and the rank of how general they are."""

    def tried(kind: str, width: float, name: str, rank: int) -> tuple[Distribution, float, int]:
        one = Distribution(kind, width, name)
        return one, one.probability(flat), rank

    if declared is not None:
        yield declared, declared.probability(flat), 0
    first = float(flat[0])
    yield tried("constant", first, f"{first:.6g} everywhere", 1)
    lines = _middle(fan_in_of(parameter, "lines"))
    counts = [("F", lines), ("F without the bias", max(1.0, lines - 1))]
    for text, count in counts:
        for number in (1.0, 2.4, 2.38, _ROOT3, math.sqrt(6.0)):
            shown = {_ROOT3: "sqrt 3", math.sqrt(6.0): "sqrt 6"}.get(number, f"{number:g}")
            width = number / math.sqrt(count)
            yield tried("uniform", width, f"uniform in +-{shown}/sqrt {text} ({count:g}) = {width:.4g}", 2)
            width = number / count
            yield tried("uniform", width, f"uniform in +-{shown}/{text} ({count:g}) = {width:.4g}", 2)
        for shown, width in (("1/sqrt", 1 / math.sqrt(count)), ("sqrt 2/sqrt", math.sqrt(2 / count))):
            yield tried("normal", width, f"normal, deviation {shown} {text} ({count:g}) = {width:.4g}", 2)
    for width in (0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 25.0):
        yield tried("normal", width, f"normal, deviation {width:g}", 2)
        yield tried("uniform", width, f"uniform in +-{width:g}", 2)
    most, deviation = float(np.abs(flat).max()), float(flat.std())
    bound = most * (len(flat) + 1) / len(flat)
    yield tried("uniform", bound, f"uniform in about +-{bound:.3g}", 3)
    yield tried("normal", deviation, f"normal, deviation about {deviation:.3g}", 3)
