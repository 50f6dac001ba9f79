"""Numbers on processors with vectors of 4, 8 and 16 float32: the same bits with `--portable`, near ones without it.

The code for other vectors runs here too: LLVM splits or joins them. It is what such a processor runs, but for the
rounding of fused multiply-adds on one that has none.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="the native engine needs llvmlite")

from snsim.engines.native import jit
from snsim.engines.native.target import Machine
from snsim.program import read_program
from snsim.run_folder import open_run
from snsim.runs.opened_run import OpenedRun
from snsim.runs.options import Options
from snsim.runs.run import run
from snsim.studies import page, plan, results
from snsim.studies.one_run import attempt

ROOT = Path(__file__).resolve().parents[1]
NET_1989 = ROOT / "nets" / "lecun89.sn"
MACHINES = {4: 16, 8: 16, 16: 32}  # lanes of float32: registers, of SSE or NEON, AVX and AVX-512


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The processor for which the native engine writes its code; a test sets `lanes`."""
    chosen = {"lanes": 16}

    def machine(dtype: np.dtype | type | str) -> Machine:
        lanes = chosen["lanes"] * 4 // np.dtype(dtype).itemsize
        return Machine(np.dtype(dtype), lanes, MACHINES[chosen["lanes"]])

    monkeypatch.setattr(jit, "machine", machine)
    return chosen


def runs_of(
    processor: dict[str, int], folder: Path, portable: bool, kinds: Iterable[int] = MACHINES
) -> dict[int, OpenedRun]:
    """The first pass of the net of 1989 over the digits of snsim, on each kind of processor."""
    program = read_program(NET_1989)
    opened = {}
    for lanes in kinds:
        processor["lanes"] = lanes
        options = Options(out=folder, folder=str(lanes), engine="native", portable=portable, passes=1, data=("digits",))
        list(run(program, program.own_trainings[0], 1, options))
        opened[lanes] = OpenedRun.open(folder / str(lanes))
    return opened


def digest(run: OpenedRun) -> str:
    """Return the sha256 of all weights."""
    return hashlib.sha256(b"".join(run.weights[name].tobytes() for name in sorted(run.weights))).hexdigest()


def test_portable_runs_have_the_same_bits_and_figures(processor: dict[str, int], tmp_path: Path) -> None:
    opened = runs_of(processor, tmp_path, portable=True)
    assert len({digest(run) for run in opened.values()}) == 1
    figures = [[done[part] for done in run.record.passes for part in ("train", "test")] for run in opened.values()]
    assert figures[0] == figures[1] == figures[2]


def test_other_runs_agree_to_a_millionth_and_in_their_misses(processor: dict[str, int], tmp_path: Path) -> None:
    """After one pass: sums in another order round differently, and later passes magnify that."""
    opened = runs_of(processor, tmp_path, portable=False)
    assert len({digest(run) for run in opened.values()}) == 3  # else `--portable` would be needless
    (of_16,) = opened[16].record.passes
    for lanes in (4, 8):
        for name, weights in opened[16].weights.items():
            np.testing.assert_allclose(opened[lanes].weights[name], weights, rtol=0, atol=1e-6 * np.abs(weights).max())
        (of_lanes,) = opened[lanes].record.passes
        for part in ("train", "test"):
            assert of_lanes[part]["misses"] == of_16[part]["misses"]
            assert of_lanes[part]["loss"] == pytest.approx(of_16[part]["loss"], rel=1e-6)


@pytest.mark.parametrize("lanes", MACHINES)
def test_the_same_processor_gives_the_same_bits_twice(lanes: int, processor: dict[str, int], tmp_path: Path) -> None:
    once, again = (runs_of(processor, tmp_path / name, False, [lanes])[lanes] for name in ("once", "again"))
    assert digest(once) == digest(again)


def test_a_portable_run_does_not_depend_on_the_vectors_of_numpy(tmp_path: Path) -> None:
    """NumPy prepares the data and sums the figures; without AVX it runs other code, and the run keeps its bits."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    kept = {}
    for place, names in (("all", ()), ("none", [name for name in __cpu_dispatch__ if __cpu_features__.get(name)])):
        words = ["run", NET_1989, "--data", "digits", "--passes", "1", "--portable", "--quiet", "--out", place]
        done = subprocess.run(
            [sys.executable, "-m", "snsim", *words],
            cwd=tmp_path,
            env={**os.environ, "NPY_DISABLE_CPU_FEATURES": ",".join(names)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0 and not done.stderr, done.stderr
        folder = tmp_path / place / "lecun89"
        figures = json.loads((folder / "passes.jsonl").read_text())
        kept[place] = ((folder / "weights.safetensors").read_bytes(), figures["train"], figures["test"])
    assert kept["all"] == kept["none"]


def test_a_study_states_its_mode_and_its_processor(tmp_path: Path) -> None:
    """Runs of `reproduce --portable` and others have folders of their own, and their report says which they are."""
    program = read_program(NET_1989)
    pages = []
    for portable in (False, True):
        options = Options(out=tmp_path, engine="native", portable=portable, passes=1, data=("digits",))
        (study,) = plan.plan([program], options)
        (task,) = study.rows[0].tasks[:1]
        assert not attempt(task).faults
        row = results.Row("lecun89", "", (), (), True, {results.Trial(task.seed): open_run(task.folder)}, {})
        pages.append(page.as_markdown(page.Report("", "", (results.Study("lecun89", "lecun89.sn", "", (row,)),))))
    assert "Engine: native in float32, not portable." in pages[0]
    assert "Engine: native in float32, portable." in pages[1]
    assert all(re.search(r"^Machine: \S.*, \d+ cores\.$", text, re.M) for text in pages)
    assert len(list(tmp_path.glob("*/run.json"))) == 2


FIGURES = json.loads((ROOT / "docs" / "gallery-figures.json").read_text(encoding="utf-8"))


def test_published_figures_state_engine_mode_and_processor() -> None:
    """Those of the gallery, and those of every page of results and of README."""
    for trainings in FIGURES.values():
        for figures in trainings.values():
            assert re.fullmatch(r"native in float(32|64), (not )?portable", figures["engine"]), figures
            assert figures["processor"]
    written = [
        path for path in (ROOT / "docs" / "results").glob("*.md") if "Written on" in path.read_text(encoding="utf-8")
    ]
    assert len(written) >= 4
    for path in written:
        text = path.read_text(encoding="utf-8")
        assert re.search(r"^Machine: .+, \d+ cores\.$", text, re.M), path
        assert re.search(r"^Engine: native in float32, (not )?portable\.$", text, re.M), path
    for path in (ROOT / "docs" / "results" / "index.md", ROOT / "README.md"):
        text = " ".join(path.read_text(encoding="utf-8").split())
        assert "without `--portable`" in text and "Xeon with AVX-512" in text, path
