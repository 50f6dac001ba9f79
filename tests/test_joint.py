"""The joint judgement of published figures, against SciPy's distributions and against simulated studies."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snsim.cli.main import main
from snsim.errors import SnError
from snsim.studies.joint import judge_together, transformed
from snsim.studies.results import Row, Study, Trial

PUBLISHED = (("train-misses", 10.0), ("test-misses", 102.0), ("test-half-mse", 1.8e-2))
NAMES = [name for name, _ in PUBLISHED]


@dataclass
class FakeRun:
    """A run of which only the figures after its last pass matter."""

    figures: Sequence[float]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def passes(self) -> list[dict[str, Any]]:
        train, test, mse = self.figures
        return [{"train": {"misses": train}, "test": {"misses": test, "half_mse": mse}}]


def row(name: str, figures: np.ndarray, published: tuple[tuple[str, float], ...] = (), prior: float = 1.0) -> Row:
    runs = {Trial(seed): FakeRun(values) for seed, values in enumerate(figures.tolist())}
    return Row(name, "", published, (), True, runs, {}, prior)  # type: ignore[arg-type]


def study(*rows: Row) -> Study:
    return Study("s", "s.sn", "", rows)


def figures(transform: np.ndarray) -> np.ndarray:
    """Return figures whose transforms are given: squares of two roots, the exponential of a logarithm."""
    return np.stack([transform[..., 0] ** 2, transform[..., 1] ** 2, np.exp(transform[..., 2])], -1)


TRUE = np.array([3.2, 10.1, math.log(1.8e-2)])
SPREAD = np.array([[0.2, 0.02, 0.01], [0.02, 0.1, 0.01], [0.01, 0.01, 0.02]])


def draw(generator: np.random.Generator, mean: np.ndarray, runs: int) -> np.ndarray:
    return generator.multivariate_normal(mean, SPREAD, runs)


def test_one_row_is_hotellings_test() -> None:
    """With one row the pooled covariance is its own; T^2 and p follow from their definitions."""
    from scipy import stats

    points = draw(np.random.default_rng(1), TRUE, 12)
    joint = judge_together(study(row("a", figures(points), PUBLISHED)))
    (only,) = joint.rows
    y = np.array([math.sqrt(10), math.sqrt(102), math.log(1.8e-2)])
    covariance = np.cov(points.T)
    difference = y - points.mean(0)
    t_squared = 12 / 13 * difference @ np.linalg.solve(covariance, difference)
    np.testing.assert_allclose(joint.covariance, covariance, rtol=1e-9)
    assert joint.degrees == 11
    assert only.t_squared == pytest.approx(t_squared, rel=1e-9)
    assert only.p == pytest.approx(stats.f(3, 9).sf(t_squared * 9 / (3 * 11)), rel=1e-9)
    assert only.posterior == 1


def test_the_likelihood_is_scipys_multivariate_t() -> None:
    from scipy import stats

    generator = np.random.default_rng(2)
    points = [draw(generator, TRUE + shift, runs) for shift, runs in ((0.0, 5), (0.3, 9))]
    joint = judge_together(
        study(row("a", figures(points[0]), PUBLISHED, prior=3), row("b", figures(points[1]), prior=1))
    )
    degrees = 4 + 8
    covariance = sum(np.cov(p.T) * (len(p) - 1) for p in points) / degrees
    rest = degrees - 3 + 1
    y = [transformed(name, value) for name, value in PUBLISHED]
    densities = [
        stats.multivariate_t(p.mean(0), covariance * degrees / rest * (len(p) + 1) / len(p), df=rest).pdf(y)
        for p in points
    ]
    for judged, density in zip(joint.rows, densities):
        assert math.exp(judged.likelihood) == pytest.approx(density, rel=1e-9)
    total = 3 * densities[0] + densities[1]
    assert joint.rows[0].posterior == pytest.approx(3 * densities[0] / total, rel=1e-9)
    assert joint.rows[1].prior == pytest.approx(0.25)


def test_p_is_uniform_for_a_run_of_the_row_itself() -> None:
    """A published run that the row did give has a p below each level as often as the level says."""
    from scipy import stats

    generator = np.random.default_rng(3)
    found = []
    for _ in range(400):
        y = figures(draw(generator, TRUE, 1))[0]
        own = tuple(zip(NAMES, y.tolist()))
        rows = (row("a", figures(draw(generator, TRUE, 6)), own), row("b", figures(draw(generator, TRUE + 1, 6))))
        found.append(judge_together(study(*rows)).rows[0].p)
    assert stats.kstest(found, "uniform").pvalue > 0.001


def test_values_of_a_variable_add_up() -> None:
    generator = np.random.default_rng(4)
    cells = [(mu, rate) for mu in (0.02, 0.05) for rate in (1, 2, 3)]
    rows = [
        row(f"l@mu={mu:g},rate={rate}", figures(draw(generator, TRUE + rate / 3, 5)), PUBLISHED if i == 0 else ())
        for i, (mu, rate) in enumerate(cells)
    ]
    joint = judge_together(study(*rows))
    by_value = {(choice.variable, choice.value): choice for choice in joint.choices}
    for variable, values in (("mu", ("0.02", "0.05")), ("rate", ("1", "2", "3"))):
        assert sum(by_value[variable, value].posterior for value in values) == pytest.approx(1)
        for value in values:
            expected = sum(r.posterior for r in joint.rows if r.settings[variable] == value)
            assert by_value[variable, value].posterior == pytest.approx(expected)
            assert by_value[variable, value].posterior_error > 0


def test_a_variable_with_many_values_has_quantiles() -> None:
    generator = np.random.default_rng(5)
    rates = np.linspace(1, 2, 41)
    rows = [
        row(f"l@rate={rate:g}", figures(draw(generator, TRUE + 4 * (rate - 1.5), 4)), PUBLISHED if i == 0 else ())
        for i, rate in enumerate(rates.tolist())
    ]
    (quantiles,) = judge_together(study(*rows)).quantiles
    assert quantiles.prior == pytest.approx((1.05, 1.5, 1.95), abs=0.03)
    assert quantiles.posterior[0] < 1.5 < quantiles.posterior[2]
    assert quantiles.posterior[2] - quantiles.posterior[0] < 0.5


def test_counts_are_roots_and_errors_logarithms() -> None:
    assert transformed("test-misses", 81) == 9
    assert transformed("test-rejection", 12.25) == 3.5
    assert transformed("test-half-mse", math.e) == 1


@pytest.mark.parametrize(
    ("rows", "message", "hint"),
    [
        ([row("a", figures(np.tile(TRUE, (9, 1))))], "no row states published figures", "(published"),
        ([row("a", figures(np.tile(TRUE, (9, 1))), PUBLISHED)], "all runs of a row have the same", "--seeds N"),
        ([row("a", figures(draw(np.random.default_rng(6), TRUE, 3)), PUBLISHED)], "too few", "at least 3 more"),
    ],
)
def test_faults(rows: list[Row], message: str, hint: str) -> None:
    with pytest.raises(SnError) as caught:
        judge_together(study(*rows))
    (fault,) = caught.value.faults
    assert message in fault.message
    assert hint in fault.hint


def test_figures_that_follow_from_each_other_are_refused() -> None:
    points = figures(draw(np.random.default_rng(7), TRUE, 8))
    same = (("test-misses", 102.0), ("test-error", 5.0))

    class Both(FakeRun):
        @property
        def passes(self) -> list[dict[str, Any]]:
            return [{"train": None, "test": {"misses": self.figures[1], "error": self.figures[1] / 20.07}}]

    runs = {Trial(seed): Both(values) for seed, values in enumerate(points.tolist())}
    with pytest.raises(SnError, match="follow from the others"):
        judge_together(study(Row("a", "", same, (), True, runs, {})))  # type: ignore[arg-type]


STUDY = """(net n (layer input (16 16)) (layer output 10) (connect input output (full)))
(train base (net n) (data digits) (ensemble 0 199) (test-set 0 99) (passes 1) (epsilon 0.01) (forget 0.5)
  (seed 1 2 3 4 5 6) (published (test-misses 30) (train-misses 60)))
(grid ((rate 0.001 0.1)) (train g (like base) (epsilon ,rate)))
"""


def test_reproduce_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("study.sn").write_text(STUDY)
    assert main(["reproduce", "study.sn", "--joint", "--jobs", "1", "--sort", "test-misses", "--top", "2"]) == 0
    values = json.loads(Path("runs/reproduced/study.json").read_text())["studies"][0]
    assert len(values["rows"]) == 2  # the two best
    means = [r["figures"]["test-misses"]["mean"] for r in values["rows"]]
    assert means == sorted(means)
    assert {r["training"] for r in values["joint"]["rows"]} == {"base", "g@rate=0.001", "g@rate=0.1"}
    assert values["joint"]["transform"] == {"test-misses": "sqrt", "train-misses": "sqrt"}
    picture = Path("runs/reproduced/study.html").read_text()
    assert picture.count("<figure") == 2  # the curves of the rate, and the pair of figures
    assert "g@rate=0.001" in picture
    page = Path("runs/reproduced/study.md").read_text()
    assert "## All figures together" in page
    assert "| rate | 0\\.001 |" in page


def test_an_unknown_figure_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "study.sn", "--sort", "test-mises"]) == 2
    assert 'did you mean "test-misses"?' in capsys.readouterr().err
