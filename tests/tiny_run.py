"""A run of a second that has maps, a partial table, windows of their own, classes, misses and published figures."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np

from snsim.cli.main import main

TEXT = """; A net for pictures <of> 4x4 & two classes.
(table half (x -) (x x))
(net tiny
  (default (nlf sn-tanh) (bias unit))
  (layer input (4 4)) (layer a (2 4 4)) (layer b (2 2 2)) (layer output 2)
  (connect input a (mask 3 3) (border 1 -1))
  (connect a b (local 2 2) (step 2) (table half))
  (connect b output (full)))
(train tiny (data (examples INPUTS TARGETS)) (ensemble 0 19) (test-set 20 39)
  (epsi-inv 0.5) (seed 3) (passes 4)
  (published (test-misses 2) (test-half-mse 0.25)))
(net scalar (layer input 2) (layer output 1) (connect input output (full)))
(train one (net scalar) (data (examples [[0 1] [1 0] [1 1] [0 0]] [[1] [1] [-1] [-1]])) (epsi-inv 0.1) (passes 2))
"""


def program() -> str:
    """The text with its patterns put in: noise, the class told by the brighter half, some told wrongly."""
    rng = np.random.default_rng(0)
    inputs = np.round(rng.uniform(-1, 1, (40, 16)), 2)
    bright = inputs[:, :8].sum(1) > inputs[:, 8:].sum(1)
    bright[::5] = ~bright[::5]
    targets = np.where(np.stack([bright, ~bright], 1), 1, -1)

    def matrix(rows: np.ndarray) -> str:
        return "[" + " ".join("[" + " ".join(f"{x:g}" for x in row) + "]" for row in rows) + "]"

    return TEXT.replace("INPUTS", matrix(inputs)).replace("TARGETS", matrix(targets))


def snsim(*arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return code, out.getvalue(), err.getvalue()


def make_runs(folder: Path, more: str = "") -> Path:
    """The folder with the runs `tiny` and `one`; `more` are clauses for the training of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tiny.sn").write_text(program().replace("(passes 4)", f"(passes 4) {more}".rstrip()))
    code, _, err = snsim("run", folder / "tiny.sn", "--quiet", "--engine", "reference", "--out", folder)
    assert code == 0, err
    return folder
