"""Judge all published figures of a training together: would one new run give them?

Each row of a study is a hypothesis about how the published run was made. Its runs differ only in their seeds. Counts
are taken as their square roots and errors as their logarithms, which makes both nearly normal, with about the same
spread in every row. The covariance S is pooled over the rows.

- One new run of a row, with mean m over n runs: T^2 = n/(n+1) (y-m)' S^-1 (y-m) has the distribution of
  k v / (v-k+1) times F(k, v-k+1), for k figures and v degrees of freedom of S (Hotelling 1931; Anderson, "An
  Introduction to Multivariate Statistical Analysis", section 5.2). p is the probability of a T^2 as large.
- The density of one new run is a multivariate t (Geisser 1964). It is the likelihood of the row, and with the prior of
  each row it gives the posterior over rows, and over the values of the variables of a `grid` or `sample`.

Where most rows have a single run, as in a `sample`, the mean of a row comes from the runs of all rows, by a smooth
surface over their settings (`surface`). Its variance h takes the place of 1/n. Figures that are farther from the
published ones than `_WINDOW` standard deviations of one run are moved to that distance. So are those of a run that
diverged. Only runs with all figures inside count for S. Rows without a run are judged as well. A row with the prior 0
is not judged: it only adds its runs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from snsim.data_classes import dataclass
from snsim.errors import SnError, fail
from snsim.optional_packages import needing
from snsim.registry import split_cell
from snsim.studies.intervals import is_count, transformed
from snsim.studies.results import Row, Study
from snsim.studies.surface import fit_surface, inputs_of

_DRAWS = 400  # simulated sets of means, for the Monte Carlo error of a posterior
UNLIKELY = 0.05  # a p below it is remarked on
MOST_VALUES = 12  # a variable with more values is summed up by its quantiles
_QUANTILES = (0.05, 0.5, 0.95)
_WINDOW = 5  # standard deviations of one run within which the surface follows the figures
_ROUNDS = 5  # of finding that window


@dataclass(frozen=True)
class JointRow:
    """A row, judged by all figures together.

    Attributes
    ----------
    settings : mapping
        The value of each variable of a design, as its name says it; empty for another row.
    runs : int
    mean : array (figures,)
        Of the transformed figures.
    t_squared, p : float
        The distance of the published figures, and the probability that one new run is as far away or farther.
    likelihood : float
        Logarithm of the density of one new run at the published figures.
    prior, posterior, posterior_error : float
        Probabilities; the last is the standard deviation of the posterior over other seeds.
    """

    name: str
    settings: Mapping[str, str]
    runs: int
    mean: np.ndarray
    t_squared: float
    p: float
    likelihood: float
    prior: float
    posterior: float
    posterior_error: float


@dataclass(frozen=True)
class Choice:
    """A value of a variable of a design: the sums over the rows that have it."""

    variable: str
    value: str
    prior: float
    posterior: float
    posterior_error: float


@dataclass(frozen=True)
class Quantiles:
    """A variable of a design with many values: the weighted quantiles 5 %, 50 % and 95 % of its numbers."""

    variable: str
    prior: tuple[float, float, float]
    posterior: tuple[float, float, float]


@dataclass(frozen=True)
class Smoothing:
    """How the surface was found, and whether it predicts runs that it has not seen.

    Attributes
    ----------
    runs, diverged : int
        All runs, and those without figures among them.
    counting : int
        The runs whose figures are all near the published ones.
    inside : float
        Which part of these is inside the 95 % region that the other runs predict for it.
    """

    runs: int
    diverged: int
    counting: int
    inside: float


@dataclass(frozen=True)
class Joint:
    """All rows of a study that have the published figures, judged together.

    Attributes
    ----------
    figures : tuple of str
        The names of the published figures.
    published : array (figures,)
        Their values, transformed.
    covariance : array (figures, figures)
        Of one run, transformed, pooled over the rows.
    degrees : int
        The degrees of freedom of `covariance`.
    points : mapping
        For each row the transformed figures of its runs, (runs, figures).
    left_out : tuple of str
        The rows that lack a figure.
    effective : float
        How many rows carry the posterior: 1 / sum of its squares.
    smoothing : Smoothing, optional
        Where the means are those of a surface.
    """

    figures: tuple[str, ...]
    published: np.ndarray
    covariance: np.ndarray
    degrees: int
    rows: tuple[JointRow, ...]
    choices: tuple[Choice, ...]
    quantiles: tuple[Quantiles, ...]
    points: Mapping[str, np.ndarray]
    left_out: tuple[str, ...]
    smoothing: Smoothing | None = None

    @property
    def effective(self) -> float:
        return 1 / sum(row.posterior**2 for row in self.rows)

    @property
    def best(self) -> float:
        """The largest logarithm of a likelihood."""
        return max(row.likelihood for row in self.rows)

    @property
    def is_likely(self) -> bool:
        """Whether some row gives the published figures with a p that is not below UNLIKELY."""
        return max(row.p for row in self.rows) >= UNLIKELY


def judge_together(study: Study, base: str | None = None) -> Joint:
    """Return the joint judgement of the rows of a study.

    Parameters
    ----------
    study
        Rows whose runs have ended.
    base
        The row whose published figures count; by default the first row that states some.

    Raises
    ------
    SnError
        If no row states published figures, or the runs are too few for their covariance.
    """
    stating = next((row for row in study.rows if row.published and base in (None, row.name)), None)
    if stating is None:
        raise fail(
            f"{study.file}: {'no row' if base is None else f'the row {base}'} states published figures",
            hint="write (published (test-misses 102) ...) in a training, and name it with --base if there are several",
        )
    names = tuple(name for name, _ in stating.published)
    published = np.array([transformed(name, value) for name, value in stating.published])
    points = {row.name: _points(row, names) for row in study.rows}
    single = sum(len(row.runs) == 1 for row in study.rows)
    if 2 * single > sum(len(row.runs) > 0 for row in study.rows):
        return _judge_surface(study, names, published, points)
    used = [row for row in study.rows if len(points[row.name])]
    left_out = tuple(row.name for row in study.rows if not len(points[row.name]))
    degrees = sum(len(points[row.name]) - 1 for row in used)
    if degrees < len(names) + 1:
        raise fail(
            f"{study.file}: {len(used)} rows with {degrees + len(used)} runs are too few for the covariance of "
            f"{len(names)} figures",
            hint=f"run at least {len(names) + 2 - degrees} more: --seeds N runs the seeds 1 to N of each row",
        )
    covariance: np.ndarray = np.sum([_scatter(points[row.name]) for row in used], axis=0) / degrees
    _check_covariance(study, names, covariance)
    runs = np.array([len(points[row.name]) for row in used])
    means = _Means(
        np.array([points[row.name].mean(0) for row in used]), 1 / runs, np.diag(np.sqrt(1 / runs)), covariance, degrees
    )
    rows, choices, quantiles = _judge(study, used, runs, published, means)
    return Joint(names, published, covariance, degrees, rows, choices, quantiles, points, left_out)


@dataclass(frozen=True, eq=False)
class _Means:
    """The means of some rows with their errors: `mean` (rows, figures), `leverage` (rows,), `root` (rows, rows).

    The covariance of the means is root root' times `covariance`, and the leverage is the diagonal of root root'.
    """

    mean: np.ndarray
    leverage: np.ndarray
    root: np.ndarray
    covariance: np.ndarray
    degrees: int


def _judge(
    study: Study, used: Sequence[Row], runs: np.ndarray, published: np.ndarray, means: _Means, are_drawn: bool = False
) -> tuple[tuple[JointRow, ...], tuple[Choice, ...], tuple[Quantiles, ...]]:
    """Return the judgement of some rows; `are_drawn` says that other cells could have been drawn."""
    weights = np.array([row.prior for row in used])
    if not weights.any():
        raise fail(
            f"{study.file}: all trainings that can be judged have the prior 0",
            hint="give the trainings that may be the published one a (prior WEIGHT) above 0",
        )
    weights = weights / weights.sum()
    t_squared, p, densities = _predict(published, means.mean, means.leverage, means.covariance, means.degrees)
    posterior = _normalised(weights, densities)
    simulated = _simulate_posteriors(published, means, weights)
    errors = simulated.std(0, ddof=1)
    settings = [settings_of(row.name) for row in used]
    rows = tuple(
        JointRow(
            row.name,
            settings[i],
            int(runs[i]),
            means.mean[i],
            float(t_squared[i]),
            float(p[i]),
            float(densities[i]),
            float(weights[i]),
            float(posterior[i]),
            float(errors[i]),
        )
        for i, row in enumerate(used)
    )
    return rows, *_marginals(settings, weights, posterior, simulated, are_drawn)


def _judge_surface(
    study: Study, names: tuple[str, ...], published: np.ndarray, points: Mapping[str, np.ndarray]
) -> Joint:
    """Return the judgement of rows with one run each, by the surface through all runs."""
    cells, figures = _runs_of_cells(study, names)
    inputs = inputs_of([settings_of(row.name) for row in study.rows], [split_cell(row.name)[0] for row in study.rows])
    judged = np.array([i for i, row in enumerate(study.rows) if row.prior > 0], int)
    finite = np.isfinite(figures).all(1)
    if finite.sum() < 2 * (inputs.basis().shape[1] + len(names)):
        raise fail(
            f"{study.file}: {int(finite.sum())} runs are too few for a surface over {inputs.basis().shape[1]} choices",
            hint="run more cells, or several seeds of each row with --seeds N",
        )
    spread = 1.4826 * np.median(np.abs(figures[finite] - published), 0) / 3
    counting = np.zeros(len(figures), bool)
    window = figures
    for number in range(_ROUNDS):
        inside = _is_inside(figures, published, spread)
        if number and (inside == counting).all():
            break
        counting = inside
        if counting.sum() < 2 * (inputs.basis().shape[1] + len(names)):
            raise fail(
                f"{study.file}: only {int(counting.sum())} runs are near the published figures, too few for a surface "
                f"over {inputs.basis().shape[1]} choices",
                hint="run more cells near them: a second sample of the same trainings with narrower distributions",
            )
        window = _clipped(figures, published, spread)
        surface = fit_surface(inputs, judged[:0], cells, window, counting)
        spread = np.sqrt(np.diag(surface.covariance))
    surface = fit_surface(inputs, judged, cells, window, counting)
    _check_covariance(study, names, surface.covariance)
    means = _Means(surface.mean, surface.leverage, surface.root, surface.covariance, surface.degrees)
    used = [study.rows[i] for i in judged]
    runs = np.array([len(row.runs) for row in used])
    rows, choices, quantiles = _judge(study, used, runs, published, means, are_drawn=True)
    _, p, _ = _predict(
        np.zeros(len(names)), surface.left_out, surface.left_out_leverage, means.covariance, means.degrees
    )
    smoothing = Smoothing(len(figures), int((~finite).sum()), int(counting.sum()), float((p[counting] >= 0.05).mean()))
    left_out = tuple(row.name for row in study.rows if not row.runs)
    return Joint(
        names, published, means.covariance, means.degrees, rows, choices, quantiles, points, left_out, smoothing
    )


def _runs_of_cells(study: Study, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the row of each run, (runs,), and its transformed figures, (runs, figures); nan if it diverged.

    Runs that have some figures but not all of them are left out.
    """
    cells: list[int] = []
    figures: list[list[float]] = []
    for i, row in enumerate(study.rows):
        for own in row.figures().values():
            known = [name in own for name in names]
            if all(known) or not any(known):
                cells.append(i)
                figures.append([transformed(name, own[name]) if name in own else math.nan for name in names])
    return np.array(cells, int), np.array(figures).reshape(len(cells), len(names))


def _is_inside(figures: np.ndarray, published: np.ndarray, spread: np.ndarray) -> np.ndarray:
    return np.asarray(np.isfinite(figures).all(1) & (np.abs(figures - published) < _WINDOW * spread).all(1))


def _clipped(figures: np.ndarray, published: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Return the figures, moved into the window; those of runs that diverged are at its upper edge."""
    edge = _WINDOW * spread
    return np.clip(np.where(np.isnan(figures), math.inf, figures), published - edge, published + edge)


def judge_own_figures(study: Study) -> dict[str, float]:
    """Return, by row, how likely one new run of it is as far from its mean as the figures that the row itself states.

    Only for the rows that state some and have several runs, if these are enough to judge them.
    """
    found = {}
    for row in study.rows:
        if not row.published or len(row.runs) < 2:
            continue
        try:
            joint = judge_together(study, row.name)
        except SnError:
            continue
        found.update({judged.name: judged.p for judged in joint.rows if judged.name == row.name})
    return found


def settings_of(name: str) -> dict[str, str]:
    """Return the settings in the name of a row: `l@mu=0.02,rate=0.0002`."""
    _, cell = split_cell(name)
    return dict(part.split("=", 1) for part in cell.split(",")) if cell else {}


def _points(row: Row, names: Sequence[str]) -> np.ndarray:
    """Return the transformed figures of the runs that have all of them, (runs, figures)."""
    every = [figures for figures in row.figures().values() if all(name in figures for name in names)]
    values = np.array([[transformed(name, figures[name]) for name in names] for figures in every])
    values = values.reshape(len(every), len(names))
    complete: np.ndarray = np.isfinite(values).all(1)
    finite: np.ndarray = values[complete]
    return finite


def _scatter(points: np.ndarray) -> np.ndarray:
    centred = points - points.mean(0)
    return np.array(centred.T @ centred)


def _check_covariance(study: Study, names: Sequence[str], covariance: np.ndarray) -> None:
    """Raise SnError if a figure does not vary, or is a function of the others."""
    still = [name for name, variance in zip(names, np.diag(covariance)) if variance <= 0]
    if still:
        raise fail(
            f"{study.file}: all runs of a row have the same {' and '.join(still)}",
            hint="run more seeds with --seeds N, or leave this figure out of (published ...)",
        )
    scale = np.sqrt(np.diag(covariance))
    if np.linalg.cond(covariance / np.outer(scale, scale)) > 1e10:
        raise fail(
            f"{study.file}: some of the figures {', '.join(names)} follow from the others",
            hint="leave one of them out of (published ...): misses and error in percent are the same figure",
        )


def _predict(
    published: np.ndarray, means: np.ndarray, leverage: np.ndarray, covariance: np.ndarray, degrees: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return T^2, p and the logarithm of the density of one new run, each (..., rows).

    `means` (..., rows, figures) have the variance `leverage` (rows,), in units of the variance of one run: 1/n.
    """
    with needing("scipy", what="--joint", instead="leave --joint out"):
        from scipy import special, stats
    k, rest = len(published), degrees - len(published) + 1
    differences = published - means
    distance = np.einsum("...i,ij,...j->...", differences, np.linalg.inv(covariance), differences)
    t_squared = distance / (1 + leverage)
    p = stats.f.sf(t_squared * rest / (k * degrees), k, rest)
    # The new run is m + a t with `rest` degrees of freedom and the shape S (1 + h) degrees/rest.
    _, log_determinant = np.linalg.slogdet(covariance)
    log_shape = log_determinant + k * np.log((1 + leverage) * degrees / rest)
    densities = (
        special.gammaln((rest + k) / 2)
        - special.gammaln(rest / 2)
        - k / 2 * math.log(rest * math.pi)
        - log_shape / 2
        - (rest + k) / 2 * np.log1p(t_squared / degrees)
    )
    return t_squared, p, densities


def _normalised(weights: np.ndarray, densities: np.ndarray) -> np.ndarray:
    """Return weights times exp(densities), with the sum 1 over the last axis."""
    likelihoods = weights * np.exp(densities - densities.max(-1, keepdims=True))
    return np.asarray(likelihoods / likelihoods.sum(-1, keepdims=True))


def _simulate_posteriors(published: np.ndarray, means: _Means, weights: np.ndarray) -> np.ndarray:
    """Return posteriors for other means that other seeds could have given, (draws, rows)."""
    generator = np.random.default_rng(0)
    own = np.linalg.cholesky(means.covariance)
    rows, figures = means.mean.shape
    draws = means.root @ generator.standard_normal((rows, _DRAWS * figures))
    moved = means.mean + draws.reshape(rows, _DRAWS, figures).transpose(1, 0, 2) @ own.T
    return _normalised(weights, _predict(published, moved, means.leverage, means.covariance, means.degrees)[2])


# ---- Variables of a design ---------------------------------------------------------------------------------------


def _marginals(
    settings: Sequence[Mapping[str, str]],
    prior: np.ndarray,
    posterior: np.ndarray,
    simulated: np.ndarray,
    are_drawn: bool,
) -> tuple[tuple[Choice, ...], tuple[Quantiles, ...]]:
    """Return the sums over the rows for each value of each variable, and the quantiles of those with many values.

    If the rows were drawn, the error of a sum has a second part: that of a mean over draws with weights.
    """
    choices: list[Choice] = []
    quantiles: list[Quantiles] = []
    for variable in dict.fromkeys(name for row in settings for name in row):
        having = np.array([variable in row for row in settings])
        values = list(dict.fromkeys(row[variable] for row in settings if variable in row))
        numbers = _numbers(values)
        if len(values) > MOST_VALUES and numbers is not None:
            own = np.array([float(row[variable]) for row in settings if variable in row])
            quantiles.append(
                Quantiles(
                    variable, _weighted_quantiles(own, prior[having]), _weighted_quantiles(own, posterior[having])
                )
            )
            continue
        for value in values:
            chosen = np.array([row.get(variable) == value for row in settings])
            share = posterior[chosen].sum()
            error = simulated[:, chosen].sum(1).std(ddof=1)
            if are_drawn:
                error = math.hypot(error, np.linalg.norm(posterior * (chosen - share)))
            choices.append(Choice(variable, value, float(prior[chosen].sum()), float(share), float(error)))
    return tuple(choices), tuple(quantiles)


def _numbers(values: Sequence[str]) -> list[float] | None:
    try:
        return [float(value) for value in values]
    except ValueError:
        return None


def _weighted_quantiles(values: np.ndarray, weights: np.ndarray) -> tuple[float, float, float]:
    order = np.argsort(values)
    shares = np.cumsum(weights[order]) / weights.sum()
    places = np.minimum(np.searchsorted(shares, _QUANTILES), len(values) - 1)
    low, middle, high = (float(value) for value in values[order][places])
    return low, middle, high


# ---- As text and values ------------------------------------------------------------------------------------------


def joint_json(joint: Joint) -> dict[str, Any]:
    """Return the judgement in values that JSON can write."""
    return {
        "figures": list(joint.figures),
        "published": [float(value) for value in joint.published],
        "transform": {name: "sqrt" if is_count(name) else "log" for name in joint.figures},
        "covariance": joint.covariance.tolist(),
        "degrees": joint.degrees,
        "effective_rows": joint.effective,
        "rows": [
            {
                "training": row.name,
                "settings": dict(row.settings),
                "runs": row.runs,
                "mean": row.mean.tolist(),
                "t_squared": row.t_squared,
                "p": row.p,
                "log_likelihood": row.likelihood,
                "prior": row.prior,
                "posterior": row.posterior,
                "posterior_error": row.posterior_error,
            }
            for row in joint.rows
        ],
        "choices": [
            {
                "variable": choice.variable,
                "value": choice.value,
                "prior": choice.prior,
                "posterior": choice.posterior,
                "posterior_error": choice.posterior_error,
            }
            for choice in joint.choices
        ],
        "quantiles": [
            {"variable": one.variable, "prior": list(one.prior), "posterior": list(one.posterior)}
            for one in joint.quantiles
        ],
        "left_out": list(joint.left_out),
        **({} if joint.smoothing is None else {"smoothing": asdict(joint.smoothing)}),
    }
