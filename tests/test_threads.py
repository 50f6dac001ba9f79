"""Threads: how work is divided, and that their number changes no bit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from snsim import operating_system
from snsim.engines.native import build
from snsim.engines.native import threads as engine_threads
from snsim.engines.native.threads import (
    Turns,
    equal_slices,
    parts_of_batch,
    pieces_of_evaluation,
    threads_of_batch,
    threads_of_evaluation,
)
from snsim.engines.plan import plan
from snsim.engines.protocol import Settings
from snsim.errors import SnError
from snsim.program import read_program

NET = """
(net n (layer input (16 16)) (layer h1 (12 8 8)) (layer h2 (12 4 4)) (layer output 10)
  (connect input h1 (mask 5 5) (step 2) (border 2 -1)) (connect h1 h2 (mask 5 5) (step 2) (border 2 -1) {0})
  (connect h2 output (full)))
(train n (data digits) (passes 2) (batch 900 mean) (epsilon 0.1) (update {1}))
"""


@pytest.mark.parametrize(("rule", "dtype"), [("lm", "float32"), ("sgd (alpha 0.9)", "float64")])
@pytest.mark.parametrize("norm", ["", "(weight-norm)"])
def test_any_number_of_threads_gives_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str, dtype: str, norm: str
) -> None:
    monkeypatch.setattr(engine_threads, "_OWN_CORE", 0)  # threads, even where they have no core each
    file = tmp_path / "n.sn"
    file.write_text(NET.format(norm, rule))
    program = read_program(file)
    training = program.own_trainings[0]
    net, stage, draw = plan(training.net), training.stages[0], np.random.default_rng(1)
    inputs, targets = draw.standard_normal((2000, 256)), draw.standard_normal((2000, 10))
    weights = {p.name: 0.1 * draw.standard_normal(p.shape) for p in net.parameters.values()}
    options = dict(stage.rule.options)
    settings = Settings({name: 0.01 for name in weights}, options, batch=900, batch_mean=True)
    results = []
    for threads in (1, 2, 3, 4):
        engine = build(net, training.cost, stage.rule, dtype)
        engine.use_threads(threads)
        engine.load_parameters(weights)
        before = engine.outputs(inputs)
        engine.learn(inputs, targets, settings)
        results.append(
            [
                before,
                engine.outputs(inputs),
                *engine.states(inputs).values(),
                *engine.parameters().values(),
                *engine.gradient(inputs, targets).values(),
                *engine.curvature(inputs, targets, "gauss-newton").values(),
            ]
        )
    assert len(engine._parts(900)) > 1  # otherwise no batch was divided
    for others in results[1:]:
        for one, other in zip(results[0], others):
            assert one.tobytes() == other.tobytes()


def test_parts_cover_a_batch_and_do_not_depend_on_threads() -> None:
    for patterns in (1, 63, 64, 500, 1000, 7291):
        for connections, weights, group in ((9, 9, 64), (64660, 9760, 64), (2_000_000, 2_000_000, 16)):
            parts = parts_of_batch(patterns, connections, weights, group)
            assert [k for part in parts for k in range(patterns)[part]] == list(range(patterns))
            assert all((part.stop - part.start) % group == 0 for part in parts[:-1])
    assert parts_of_batch(1000, 9, 9, 64) == [slice(0, 1000)]  # small work stays in one part
    assert [part.stop for part in equal_slices(130, 2, 64)] == [128, 130]


def test_small_work_has_one_thread() -> None:
    assert [threads_of_batch(2, 64, connections) for connections in (9, 64_660, 238_510)] == [1, 1, 2]
    assert threads_of_batch(8, 9, 10_000_000) == 2  # each thread has some patterns
    assert threads_of_evaluation(2, 200, 238_510) == 1
    assert threads_of_evaluation(1, 512, 238_510) == 1
    assert threads_of_evaluation(2, 512, 238_510) == 2
    pieces = pieces_of_evaluation(512, 238_510, 64)  # more of them than threads
    assert len(pieces) == 8 and [k for piece in pieces for k in range(512)[piece]] == list(range(512))


def test_a_part_whose_turn_never_comes_fails() -> None:
    turns = Turns()
    turns.fail()
    with pytest.raises(RuntimeError):
        turns.take(1, lambda: None)


def test_cores_of_a_control_group_and_the_variable_of_openmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operating_system.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    for text, cores in (("max 100000", 8), ("150000 100000", 2), ("50000 100000", 1), ("nonsense", 8)):
        (tmp_path / "cpu.max").write_text(text)
        assert operating_system.usable_cores(tmp_path) == cores
    for stated, threads in (("3", 3), ("99", 8), ("2,4", 2), ("", 8), ("many", 8)):
        monkeypatch.setenv("OMP_NUM_THREADS", stated)
        assert operating_system.default_threads() == threads


def test_the_command_line_trains_the_same_weights_and_records_the_same_run(tmp_path: Path) -> None:
    (tmp_path / "n.sn").write_text(NET.format("", "sgd"))
    weights = []
    for threads in ("1", "3"):
        command = [sys.executable, "-m", "snsim", "run", "n.sn", "--threads", threads, "--out", threads, "--quiet"]
        subprocess.run(command, cwd=tmp_path, check=True)
        weights.append((tmp_path / threads / "n" / "weights.safetensors").read_bytes())
    assert weights[0] == weights[1]


def test_an_engine_without_threads_says_so(tmp_path: Path) -> None:
    import snsim

    (tmp_path / "n.sn").write_text(NET.format("", "sgd"))
    run = snsim.run(tmp_path / "n.sn", engine="reference", threads=2, out=None)
    with pytest.raises(SnError, match="the reference engine computes on one thread, not on 2"):
        next(iter(run))
    torch_run = snsim.run(tmp_path / "n.sn", engine="torch", threads=2, passes=1, out=None)
    assert len(list(torch_run)) == 1
