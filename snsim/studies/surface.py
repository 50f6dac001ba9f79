"""Smooth the figures of the cells of a `sample` over its variables, where each cell has one run.

The transformed figures Y, (runs, figures), are a Gaussian process over the settings, with one covariance over settings
for all figures and one covariance S over figures for all settings (Rasmussen and Williams, "Gaussian Processes for
Machine Learning", 2006, sections 2.2 and 2.7):

    Y = X B + E,  cov(E) = (K + I) times S
    K_ij = a exp(-sum_v r_v (x_iv - x_jv)^2 - sum_c r_c [x_ic differs from x_jc])

X has a constant, each number v and each value of each choice c. Numbers that span a factor of ten are taken as their
logarithms; all are scaled to standard deviation 1. The relevances r and the amplitude a have the largest restricted
likelihood, with S integrated out of it. One new run at a setting x has the mean m(x) and the covariance (1 + h(x)) S,
where h S is the error of m. For one cell with n runs alone, h is 1/n: Hotelling's test.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from snsim.data_classes import dataclass
from snsim.optional_packages import needing

_MOST_FITTED = 700  # runs that the relevances are fitted to; all runs count in the means
_STEPS = 60  # of the fit
_RANGE = (-9.0, 3.0)  # of the logarithms of relevances; the amplitude may be larger
_LOG_FROM = 10  # numbers are logarithms if the largest is as many times the smallest


@dataclass(frozen=True, eq=False)
class Inputs:
    """The settings of some cells: `numbers` (cells, numbers), scaled, and `choices` (cells, choices), whole numbers."""

    numbers: np.ndarray
    choices: np.ndarray

    def basis(self) -> np.ndarray:
        """Return X: a constant, the numbers, and an indicator for each value of a choice but the first."""
        indicators = [
            (self.choices[:, c] == value)[:, None]
            for c in range(self.choices.shape[1])
            for value in range(1, int(self.choices[:, c].max()) + 1)
        ]
        return np.hstack([np.ones((len(self.numbers), 1)), self.numbers, *indicators]).astype(float)


def inputs_of(settings: Sequence[Mapping[str, str]], group: Sequence[str]) -> Inputs:
    """Return the settings as numbers and choices; `group` is one more choice.

    A variable is a number if all its values are, and they are more than two. A cell that lacks a number has the mean of
    the others.
    """
    numbers: list[np.ndarray] = []
    choices: list[np.ndarray] = [_coded(list(group))]
    for name in dict.fromkeys(name for cell in settings for name in cell):
        texts = [cell.get(name) for cell in settings]
        values = _as_numbers(texts)
        if values is None:
            choices.append(_coded(["" if text is None else text for text in texts]))
        else:
            numbers.append(_scaled(values))
    columns = np.array(numbers).reshape(len(numbers), len(settings)).T
    varied = [column for column in choices if column.max() > 0]
    return Inputs(columns, np.array(varied, int).reshape(len(varied), len(settings)).T)


def _as_numbers(texts: Sequence[str | None]) -> np.ndarray | None:
    """Return the values of a variable as numbers, nan where it has none; None for a choice."""
    try:
        values = np.array([math.nan if text is None else float(text) for text in texts])
    except ValueError:
        return None
    return values if len(np.unique(values[~np.isnan(values)])) > 2 else None


def _scaled(values: np.ndarray) -> np.ndarray:
    known = values[~np.isnan(values)]
    if known.min() > 0 and known.max() >= _LOG_FROM * known.min():
        values, known = np.log(values), np.log(known)
    scaled: np.ndarray = np.nan_to_num((values - known.mean()) / known.std())
    return scaled


def _coded(texts: Sequence[str]) -> np.ndarray:
    order = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    return np.array([order[text] for text in texts])


@dataclass(frozen=True, eq=False)
class Surface:
    """The figures as a smooth function of the settings.

    Attributes
    ----------
    mean : array (judged cells, figures)
        Of cells with runs or without.
    leverage : array (judged cells,)
        h: the variance of `mean`, in units of the variance of one run.
    covariance : array (figures, figures)
        S, of one run, from the residuals of the runs that count for it.
    degrees : int
        The degrees of freedom of `covariance`.
    root : array (judged cells, judged cells)
        root root' is the covariance of the means of the cells, in units of S.
    left_out : array (runs, figures)
        Each run less its prediction from all other runs.
    left_out_leverage : array (runs,)
        h of that prediction.
    """

    mean: np.ndarray
    leverage: np.ndarray
    covariance: np.ndarray
    degrees: int
    root: np.ndarray
    left_out: np.ndarray
    left_out_leverage: np.ndarray


def fit_surface(
    inputs: Inputs, judged: np.ndarray, cells: np.ndarray, points: np.ndarray, counting: np.ndarray
) -> Surface:
    """Return the surface through some runs.

    Parameters
    ----------
    inputs
        The settings of all cells.
    judged : array (judged cells,)
        The cells whose means are wanted.
    cells : array (runs,)
        The cell of each run.
    points : array (runs, figures)
        Their transformed figures.
    counting : array (runs,) of bool
        Which runs count for the covariance of one run and for the relevances.
    """
    kernel = _Kernel(inputs)
    fitted = np.flatnonzero(counting)
    if len(fitted) > _MOST_FITTED:
        fitted = np.sort(np.random.default_rng(0).choice(fitted, _MOST_FITTED, replace=False))
    parameters = _fit(kernel, cells[fitted], points[fitted])
    every = inputs.basis()
    basis, wanted = _full_rank(every[cells], every[judged])
    inverse = np.linalg.inv(kernel(parameters, cells, cells) + np.eye(len(cells)))
    weighted = inverse @ basis
    information = np.linalg.inv(basis.T @ weighted)
    projection = inverse - weighted @ information @ weighted.T
    residuals = projection @ points
    slopes = information @ weighted.T @ points
    across = kernel(parameters, judged, cells)
    mean = wanted @ slopes + across @ residuals
    apart = wanted - across @ weighted
    error = kernel(parameters, judged, judged) - across @ inverse @ across.T + apart @ information @ apart.T
    leave = 1 / np.diag(projection)
    left_out = residuals * leave[:, None]
    degrees = int(counting.sum()) - basis.shape[1]
    scaled = left_out[counting] / np.sqrt(leave[counting])[:, None]
    return Surface(
        mean,
        np.maximum(np.diag(error), 0.0),
        scaled.T @ scaled / int(counting.sum()),
        degrees,
        _root(error),
        left_out,
        leave - 1,
    )


class _Kernel:
    """K between cells, for logarithms of the relevances and of the amplitude, which comes last."""

    def __init__(self, inputs: Inputs):
        self.inputs = inputs
        self.parameters = inputs.numbers.shape[1] + inputs.choices.shape[1] + 1

    def distances(self, rows: np.ndarray, columns: np.ndarray) -> list[np.ndarray]:
        """Return what each relevance multiplies, (rows, columns)."""
        numbers, choices = self.inputs.numbers, self.inputs.choices
        return [np.square(x[rows][:, None] - x[columns][None]) for x in numbers.T] + [
            (x[rows][:, None] != x[columns][None]).astype(float) for x in choices.T
        ]

    def __call__(self, parameters: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        exponent = np.full((len(rows), len(columns)), parameters[-1])
        for relevance, distance in zip(np.exp(parameters[:-1]), self.distances(rows, columns)):
            exponent -= relevance * distance
        return np.asarray(np.exp(exponent))


def _fit(kernel: _Kernel, cells: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the parameters of the kernel with the largest restricted likelihood."""
    with needing("scipy", what="--joint", instead="leave --joint out"):
        from scipy import optimize
    distances = kernel.distances(cells, cells)
    (basis,) = _full_rank(kernel.inputs.basis()[cells])
    bounds = [_RANGE] * (kernel.parameters - 1) + [(-4.0, 8.0)]
    start = np.full(kernel.parameters, -2.0)
    found = optimize.minimize(
        lambda parameters: restricted_likelihood(parameters, distances, basis, points),
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": _STEPS},
    )
    return np.asarray(found.x)


def restricted_likelihood(
    parameters: np.ndarray, distances: Sequence[np.ndarray], basis: np.ndarray, points: np.ndarray
) -> tuple[float, np.ndarray]:
    """Return minus the logarithm of the restricted likelihood, without its constant, and its gradient.

    With A = K + I, P = A^-1 - A^-1 X (X' A^-1 X)^-1 X' A^-1 and v = runs - columns of X it is
    k/2 log|A| + k/2 log|X' A^-1 X| + v/2 log|Y' P Y| for k figures.
    """
    relevances = np.exp(parameters[:-1])
    exponent = np.full((len(points), len(points)), parameters[-1])
    for relevance, distance in zip(relevances, distances):
        exponent -= relevance * distance
    kernel = np.exp(exponent)
    k, degrees = points.shape[1], len(points) - basis.shape[1]
    matrix = kernel + np.eye(len(points))
    inverse = np.linalg.inv(matrix)
    weighted = inverse @ basis
    information = basis.T @ weighted
    projection = inverse - weighted @ np.linalg.solve(information, weighted.T)
    residuals = projection @ points
    scatter = points.T @ residuals
    value = (
        k / 2 * (np.linalg.slogdet(matrix)[1] + np.linalg.slogdet(information)[1])
        + degrees / 2 * np.linalg.slogdet(scatter)[1]
    )
    change = (k * projection - degrees * residuals @ np.linalg.solve(scatter, residuals.T)) * kernel / 2
    gradient = [-relevance * np.sum(change * distance) for relevance, distance in zip(relevances, distances)]
    return float(value), np.array([*gradient, change.sum()])


def _full_rank(first: np.ndarray, *others: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the columns of the first matrix that do not follow from those before them, of it and of the others."""
    kept: list[int] = []
    for column in range(first.shape[1]):
        chosen = first[:, [*kept, column]]
        scale = np.linalg.norm(chosen, axis=0)
        if scale[-1] > 0 and np.linalg.matrix_rank(chosen / scale, tol=1e-8) == len(kept) + 1:
            kept.append(column)
    return tuple(matrix[:, kept] for matrix in (first, *others))


def _root(error: np.ndarray) -> np.ndarray:
    """Return a square root of a covariance, which rounding may have made slightly indefinite."""
    jitter = 1e-9 * (1 + np.trace(error) / max(len(error), 1))
    return np.asarray(np.linalg.cholesky((error + error.T) / 2 + jitter * np.eye(len(error))))
