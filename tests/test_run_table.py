"""`snsim list run`, and the curves of several runs in one picture."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import numpy as np
import pytest
from tiny_run import make_runs, snsim

from snsim.plots.curves import draw, mean_and_deviation
from snsim.reports.picture_data import curves_of_several
from snsim.runs.opened_run import OpenedRun


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs `tiny` (seed 3) and `one`, three more seeds of `tiny`, and one that has fewer passes."""
    folder = make_runs(tmp_path_factory.mktemp("table"))
    seeds = [word for seed in (1, 2, 10) for word in ("--seed", str(seed))]
    for options in (seeds, ["--passes", "2", "--seed", "3"]):
        code, _, err = snsim(
            "run", folder / "tiny.sn", "--only", "tiny", *options, "--quiet", "--engine", "reference", "--out", folder
        )
        assert code == 0, err
    return folder


def last_pass(run: Path) -> dict[str, dict[str, float]]:
    return json.loads((run / "passes.jsonl").read_text().splitlines()[-1])  # type: ignore[no-any-return]


def listed(*arguments: str | Path) -> list[dict[str, object]]:
    code, out, err = snsim("list", "run", *arguments, "--json")
    assert code == 0, err
    return [json.loads(line) for line in out.splitlines()]


def test_runs_are_listed_sorted_and_filtered(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = listed(runs)
    assert [row["run"] for row in rows] == ["one", "tiny", "tiny-2", "tiny-seed1", "tiny-seed10", "tiny-seed2"]
    for row in rows:
        last = last_pass(runs / str(row["run"]))
        assert row["train"] == last["train"] and row["test"] == last["test"] and row["passes"] == last["pass"]
    assert [row["seed"] for row in listed(runs, "--where", "net=tiny", "--sort", "seed")] == [1, 2, 3, 3, 10]
    misses = [row["test"]["misses"] for row in listed(runs, "--where", "net=t*", "--sort", "test-misses", "--reverse")]  # type: ignore[index]
    assert misses == sorted(misses, reverse=True) and len(misses) == 5
    assert [row["run"] for row in listed(runs, "--sort", "test-error")][-1] == "one"  # it has no test patterns
    assert [row["run"] for row in listed(runs, "--where", "seed=1*", "--where", "net=tiny", "--sort", "seed")] == [
        "tiny-seed1",
        "tiny-seed10",
    ]
    monkeypatch.chdir(runs.parent)
    text = snsim("list", "run", runs.name)[1].splitlines()
    assert text[0].split()[:4] == ["run", "net", "data", "seed"] and len(text) == 7
    assert [line.split()[-1] for line in text if line.startswith("one")] == ["-"]
    assert len(listed(runs / "tiny")) == 1


def test_what_is_wrong_with_a_list_of_runs_is_told(runs: Path, tmp_path: Path) -> None:
    for arguments, message, hint in (
        ((runs, "--sort", "tset-misses"), "has no column", 'did you mean "test-misses"'),
        ((tmp_path / "none",), "there is no folder", "snsim run FILE"),
        ((tmp_path,), "there is no run in", "snsim run FILE"),
        ((runs, "--where", "net"), "takes COLUMN=TEXT", "net=lecun89"),
    ):
        code, _, err = snsim("list", "run", *arguments)
        assert code in (1, 2) and message in err and hint in err
    assert snsim("list", "scheme", "--sort", "seed")[0] == snsim("list", "scheme", "--json")[0] == 2
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "run.json").write_text("{")
    make_runs(tmp_path)
    code, out, err = snsim("list", "run", tmp_path)
    assert code == 0 and "warning:" in err and "bad" in err and "tiny" in out


def test_seeds_are_one_group_with_mean_and_deviation(runs: Path) -> None:
    names = ["tiny", "tiny-seed1", "tiny-seed2", "tiny-seed10", "tiny-2"]
    several = curves_of_several([OpenedRun.open(runs / name) for name in names])
    assert [group.label for group in several.groups] == ["tiny, 4 seeds", "tiny-2"]  # other passes: another group
    lines = [
        [json.loads(line) for line in (runs / name / "passes.jsonl").read_text().splitlines()] for name in names[:4]
    ]
    figure = draw(several)
    for axes, field in zip(figure.axes, ("half_mse", "error")):
        for split, drawn in (("train", axes.lines[0]), ("test", axes.lines[1])):
            columns = [[line[number][split][field] for line in lines] for number in range(4)]
            means = [statistics.mean(column) for column in columns]
            deviations = [statistics.stdev(column) for column in columns]
            assert np.allclose(drawn.get_ydata(), means)
            band = axes.collections[("train", "test").index(split)].get_paths()[0].vertices
            for number in range(4):
                at = band[band[:, 0] == number + 1][:, 1]
                assert np.isclose(at.min(), means[number] - deviations[number])
                assert np.isclose(at.max(), means[number] + deviations[number])
    mean, deviation = mean_and_deviation(np.array([[1.0, 2.0, np.nan], [3.0, 5.0, 7.0]]))
    assert mean.tolist() == [2, 3.5] and np.allclose(deviation, [2**0.5, 4.5**0.5])


def test_several_runs_are_drawn_by_one_command(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs)
    code, out, err = snsim("plot", "tiny", "tiny-seed1", "one")
    assert code == 0 and out == "runs-curves.png\n" and (runs / "runs-curves.png").stat().st_size > 5000, err
    assert snsim("plot", "curves", "tiny", "tiny-seed1", "-o", "seeds.svg")[0] == 0
    code, out, _ = snsim("plot", "tiny", "tiny-seed1", "--text")
    assert code == 0 and "tiny, 2 seeds: test error after pass 4" in out and "±" in out
    assert "published" in out
    assert "unknown picture" in snsim("plot", "crves", "tiny")[2]
