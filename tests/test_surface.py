"""The smooth surface over the cells of a sample, against Gaussian conditioning and against simulated studies."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_joint import FakeRun

from snsim.errors import SnError
from snsim.studies import surface as smooth
from snsim.studies.joint import judge_together
from snsim.studies.results import Row, Study, Trial
from snsim.studies.surface import fit_surface, inputs_of, restricted_likelihood

PUBLISHED = (("train-misses", 16.0), ("test-misses", 100.0), ("test-half-mse", math.exp(-4)))
Y = np.array([4.0, 10.0, -4.0])
S = np.array([[0.09, 0.02, 0.01], [0.02, 0.04, 0.0], [0.01, 0.0, 0.01]])


def settings(generator: np.random.Generator, cells: int) -> list[dict[str, str]]:
    return [
        {"rate": f"{10 ** generator.uniform(-4, -2):.4g}", "kind": "abc"[generator.integers(3)]} for _ in range(cells)
    ]


def true_mean(cell: dict[str, str]) -> Any:
    """Return a mean that is Y for the kind b at a rate of 0.001, and bends away from it."""
    away = math.log10(float(cell["rate"])) + 3
    return Y + np.array([2.0, 0.5, 0.3]) * away**2 + np.array([0.3, 0.2, -0.2]) * ("abc".index(cell["kind"]) - 1)


@pytest.fixture
def data() -> tuple[smooth.Inputs, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(1)
    cells = settings(generator, 40)
    used = np.array([*range(30), 3, 4])  # ten cells without a run, two with two runs
    points = np.array([generator.multivariate_normal(true_mean(cells[i]), S) for i in used])
    return inputs_of(cells, ["l"] * 40), used, points


def kernel_of(inputs: smooth.Inputs, parameters: np.ndarray) -> np.ndarray:
    """Return K as the docstring of the module defines it, entry by entry."""
    n = len(inputs.numbers)
    relevance = np.exp(parameters[:-1])
    numbers = inputs.numbers.shape[1]
    return np.array(
        [
            [
                math.exp(parameters[-1])
                * math.exp(
                    -sum(relevance[v] * (inputs.numbers[i, v] - inputs.numbers[j, v]) ** 2 for v in range(numbers))
                    - sum(
                        relevance[numbers + c] * (inputs.choices[i, c] != inputs.choices[j, c])
                        for c in range(inputs.choices.shape[1])
                    )
                )
                for j in range(n)
            ]
            for i in range(n)
        ]
    )


def test_means_are_those_of_gaussian_conditioning(
    data: tuple[smooth.Inputs, np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a prior of B so wide that it is flat, Y and the means are jointly normal: condition one on the other."""
    inputs, used, points = data
    parameters = np.array([-1.0, -0.5, 1.0])
    monkeypatch.setattr(smooth, "_fit", lambda *given: parameters)
    found = fit_surface(inputs, np.arange(40), used, points, np.ones(len(used), bool))
    basis, wide = inputs.basis(), 1e5
    prior = kernel_of(inputs, parameters) + wide * basis @ basis.T
    own = prior[np.ix_(used, used)] + np.eye(len(used))
    gain = np.linalg.solve(own, prior[used]).T
    offset = points.mean(0)  # a flat prior does not see it, and rounding is smaller without it
    np.testing.assert_allclose(found.mean, gain @ (points - offset) + offset, atol=1e-4)
    error = prior - gain @ prior[used]
    np.testing.assert_allclose(found.leverage, np.diag(error), atol=1e-4)
    np.testing.assert_allclose(found.root @ found.root.T, error, atol=1e-4)
    # each run predicted from the others, by leaving it out
    for i in (0, 3, 30):
        rest = np.delete(np.arange(len(used)), i)
        without = fit_surface(inputs, used[i : i + 1], used[rest], points[rest], np.ones(len(rest), bool))
        np.testing.assert_allclose(found.left_out[i], points[i] - without.mean[0], atol=1e-8)
        assert found.left_out_leverage[i] == pytest.approx(without.leverage[0], abs=1e-8)


def test_restricted_likelihood_is_that_of_contrasts(data: tuple[smooth.Inputs, np.ndarray, np.ndarray]) -> None:
    """It is the likelihood of N'Y for an orthonormal N with N'X = 0, with the S that makes it largest."""
    from scipy import linalg, optimize, stats

    inputs, used, points = data
    basis = inputs.basis()[used]
    contrasts = linalg.null_space(basis.T)
    distances = smooth._Kernel(inputs).distances(used, used)
    degrees, k = contrasts.shape[1], points.shape[1]

    def brute(parameters: np.ndarray) -> float:
        matrix = contrasts.T @ (kernel_of(inputs, parameters)[np.ix_(used, used)] + np.eye(len(used))) @ contrasts
        projected = contrasts.T @ points
        best = projected.T @ np.linalg.solve(matrix, projected) / degrees
        return float(stats.matrix_normal(np.zeros((degrees, k)), matrix, best).logpdf(projected))

    first, second = np.array([-1.0, -0.5, 1.0]), np.array([0.3, -2.0, 0.2])
    values = [restricted_likelihood(p, distances, basis, points)[0] for p in (first, second)]
    assert values[1] - values[0] == pytest.approx(brute(first) - brute(second), rel=1e-9)
    numerical = optimize.approx_fprime(first, lambda p: restricted_likelihood(p, distances, basis, points)[0], 1e-6)
    np.testing.assert_allclose(restricted_likelihood(first, distances, basis, points)[1], numerical, rtol=1e-4)


def study(generator: np.random.Generator, cells: int, y: np.ndarray = Y, diverging: int = 0) -> Study:
    """Return a study with one run each, of which the last `diverging` have no figures, and one cell without a run."""
    published = tuple(zip([name for name, _ in PUBLISHED], [y[0] ** 2, y[1] ** 2, math.exp(y[2])]))
    rows = []
    for i, cell in enumerate(settings(generator, cells)):
        drawn = generator.multivariate_normal(true_mean(cell), S)
        figures = [drawn[0] ** 2, drawn[1] ** 2, math.exp(drawn[2])]
        run: Any = FakeRun([math.nan] * 3 if i >= cells - diverging else figures)
        name = f"l@rate={cell['rate']},kind={cell['kind']}"
        rows.append(Row(name, "", published, (), True, {Trial(i): run} if i else {}, {}))
    return Study("s", "s.sn", "", tuple(rows))


def test_the_posterior_finds_the_cells_that_fit() -> None:
    joint = judge_together(study(np.random.default_rng(2), 300))
    assert joint.smoothing is not None
    assert joint.smoothing.runs == 299
    assert 0.9 < joint.smoothing.inside < 0.99
    np.testing.assert_allclose(np.sqrt(np.diag(joint.covariance)), np.sqrt(np.diag(S)), rtol=0.15)
    by_kind = {choice.value: choice for choice in joint.choices}
    # the likelihoods at the best rate: exp(-T^2/2) with T^2 of the shifts by kind
    shift = np.array([0.3, 0.2, -0.2])
    expected = math.exp(-shift @ np.linalg.solve(S, shift) / 2)
    factor = {kind: by_kind[kind].posterior / by_kind[kind].prior for kind in "abc"}
    assert factor["a"] / factor["b"] == pytest.approx(expected, abs=0.08)
    (rate,) = joint.quantiles
    assert 2.5e-4 < rate.posterior[0] < 1e-3 < rate.posterior[2] < 4e-3
    fits = [row for row in joint.rows if row.settings["kind"] == "b" and 7e-4 < float(row.settings["rate"]) < 1.4e-3]
    assert fits
    assert all(row.p > 0.3 for row in fits)
    assert any(row.runs == 0 for row in joint.rows)  # its mean comes from the others
    far = [row for row in joint.rows if float(row.settings["rate"]) > 7e-3]
    assert far
    assert all(row.p < 0.01 for row in far)  # below 4e-5 by the true means; the window is cautious


def test_p_is_uniform_for_a_run_of_the_best_cell() -> None:
    from scipy import stats

    generator = np.random.default_rng(3)
    found = []
    for _ in range(40):
        cell = {"rate": "0.001", "kind": "b"}
        drawn = generator.multivariate_normal(true_mean(cell), S)
        made = study(generator, 120, drawn)
        made = replace(made, rows=(replace(made.rows[0], name="l@rate=0.001,kind=b"), *made.rows[1:]))
        found.append(judge_together(made).rows[0].p)
    assert stats.kstest(found, "uniform").pvalue > 0.001


def test_diverged_runs_count_as_far_away() -> None:
    joint = judge_together(study(np.random.default_rng(4), 150, diverging=5))
    assert joint.smoothing is not None
    assert joint.smoothing.diverged == 5


def test_prior_0_only_adds_runs() -> None:
    made = study(np.random.default_rng(5), 150)
    rows = (*(replace(row, prior=0.0) for row in made.rows[:100]), *made.rows[100:])
    joint = judge_together(replace(made, rows=rows))
    assert len(joint.rows) == 50
    assert joint.smoothing is not None
    assert joint.smoothing.runs == 149


def test_too_few_runs() -> None:
    with pytest.raises(SnError, match="5 runs are too few for a surface"):
        judge_together(study(np.random.default_rng(6), 6))
