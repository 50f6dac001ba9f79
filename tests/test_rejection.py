"""Rejection by the difference of the two most active outputs: against trying every threshold, and as a command."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snsim.cli.main import main
from snsim.errors import SnError
from snsim.training.rejection import least_rejection, reject_below, rejection_curve

NUMBERS = st.sampled_from([-1.0, -0.5, 0.0, 0.25, 0.5, 1.0])  # few, so that margins tie


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, st.integers(0, 2)), min_size=1, max_size=25),
    st.sampled_from([0.0, 1.0, 10.0, 34.0, 60.0]),
)
def test_against_every_threshold(rows: list[tuple[float, float, float, int]], error: float) -> None:
    x = np.array([row[:3] for row in rows])
    d = np.eye(3)[[row[3] for row in rows]]
    ordered = np.sort(x, axis=1)
    margin = ordered[:, 2] - ordered[:, 1]
    right = (margin > 0) & (x.argmax(1) == d.argmax(1))  # two that tie are no decision
    tried = []
    for threshold in [*np.unique(margin), np.inf]:
        left = margin >= threshold
        wrong = int((left & ~right).sum())
        if 100 * wrong <= error * left.sum():
            tried.append((int((~left).sum()), wrong))
    found = least_rejection(x, d, error)
    assert (found.rejected, found.misses) == min(tried)
    assert reject_below(x, d, found.threshold) == found
    whole = rejection_curve(x, d)
    assert whole[0].rejected == 0 and whole.rejected[-1] == len(rows) and whole.misses[-1] == 0
    assert all(reject_below(x, d, float(t)).misses == m for t, m in zip(whole.threshold, whole.misses))


def test_known_numbers() -> None:
    """Ten patterns, one of them wrong with the smallest but one difference: two are rejected for no error."""
    x = np.array([[1.0 + 0.1 * k, 0.9] for k in range(10)])
    d = np.tile([1.0, 0.0], (10, 1))
    d[1] = [0.0, 1.0]
    made = least_rejection(x, d, 1)
    assert (made.rejected, made.percent, made.misses, made.error) == (2, 20.0, 0, 0.0)
    assert made.threshold == pytest.approx(0.3) and least_rejection(x, d, 10).rejected == 0
    none = least_rejection(x, d, 10)
    assert none.threshold == 0 and reject_below(np.array([[0.5, 0.49]]), d[:1], none.threshold).rejected == 0
    with pytest.raises(SnError, match="rejection compares the two most active outputs, and this net has 1"):
        least_rejection(x[:, :1], d[:, :1], 1)


# ---- The command -------------------------------------------------------------------------------------------------

PROGRAM = """
(net small (layer input (16 16)) (layer output 10) (connect input output (full)))
(train small (data digits) (epsilon 0.01) (passes 2))
(net tiny (layer input 2) (layer output 2) (connect input output (full)))
(train without (net tiny) (data (examples [[0 1] [1 0]] [[1 -1] [-1 1]])) (epsilon 0.01) (passes 1))
"""


def snsim(*arguments: str | Path) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return code, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reject")
    (folder / "small.sn").write_text(PROGRAM)
    assert snsim("run", folder / "small.sn", "--quiet", "--engine", "reference", "--out", folder)[0] == 0
    return folder


def test_the_command(runs: Path) -> None:
    before = {file: file.read_bytes() for file in (runs / "small").iterdir() if file.is_file()}
    code, out, _ = snsim("reject", runs / "small", "--json", "--error", "2%")
    told = json.loads(out)
    assert code == 0 and told["error"] == 2 and told["pass"] == 2 and told["plot"] is None
    on_test, on_train, carried = (
        told["chosen_on_test"]["test"],
        told["chosen_on_train"]["train"],
        told["chosen_on_train"]["test"],
    )
    assert on_test["error"] <= 2 and on_train["error"] <= 2 and on_test["patterns"] == carried["patterns"] == 360
    assert carried["threshold"] == on_train["threshold"]
    assert on_test["percent"] == pytest.approx(100 * on_test["rejected"] / 360)
    code, out, _ = snsim("reject", runs / "small", "--error", "2")
    assert code == 0 and f"{on_test['rejected']} ({on_test['percent']:.2f} %)" in out
    assert before == {file: file.read_bytes() for file in (runs / "small").iterdir() if file.is_file()}


def test_wrong_calls(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, err = snsim("reject", runs / "small", "--error", "much")
    assert code == 2 and "'much' is not a percentage; write for example 1%" in err
    assert snsim("reject", runs / "nowhere")[0] == 1
    code, _, err = snsim("reject", runs / "without")
    assert code == 1 and "has no test patterns to reject" in err
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, _, err = snsim("reject", runs / "small", "--plot", tmp_path / "curve.png")
    assert code == 1 and "a plot needs the package matplotlib, which is not installed here" in err
    code, _, err = snsim("reject", runs / "small", "--plot", tmp_path / "curve.gif")
    assert code == 1 and "a plot is a file that ends with .png" in err


@pytest.mark.parametrize(("ending", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_the_plot(runs: Path, tmp_path: Path, ending: str, magic: bytes) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    assert snsim("reject", runs / "small", "--plot", tmp_path / f"curve.{ending}")[0] == 0
    assert (tmp_path / f"curve.{ending}").read_bytes().startswith(magic)
