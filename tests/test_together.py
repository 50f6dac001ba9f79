"""Nets of several seeds that learn at the same time are those that the torch engine trains one by one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from snsim import run_folder  # noqa: E402
from snsim.cli.main import main  # noqa: E402
from snsim.errors import SnError  # noqa: E402
from snsim.program import read_program  # noqa: E402
from snsim.runs.options import Options  # noqa: E402
from snsim.studies import together  # noqa: E402
from snsim.studies.one_run import attempt  # noqa: E402
from snsim.studies.plan import Task, plan  # noqa: E402
from snsim.training.choose_engine import refuse_together  # noqa: E402

NET = """(net tiny (default (nlf sn-tanh) (bias unit)) (layer input (16 16)) (layer h (3 4 4)) (layer output 10)
  (connect input h (mask 5 5) (step 4) (border 2 -1)) (connect h output (full)))
"""
TRAIN = "(train {0} (net tiny) (data digits) (ensemble 0 39) (test-set 0 19) (seed 1 2 3) {1})\n"
TRAININGS = {
    "plain": "(passes 2) (update sgd) (epsilon 0.01) (order shuffled)",
    "damped": "(passes 2) (update lm) (epsilon 0.001) (order random)",
    "newton": "(passes 2) (update newton) (epsilon 0.001) (batch 4 sum) (order shuffled)",
    "held": "(passes 2) (update lm (curvature 10)) (epsilon 0.001) (order shuffled)",
    "adam": "(passes 2) (update adamw) (epsilon 0.001) (batch 7 mean) (order shuffled)",
    "noisy": "(passes 2) (update sgd) (epsilon 0.002 h) (epsilon 0 output) (order shuffled once) (dropout 0.3 h)"
    " (theta 0.1) (augment (shift 1 -1)) (decay 0.01 h)",
    "staged": "(stage (passes 1) (update sgd) (epsilon 0.01)) (stage (passes 1) (update sgd)"
    " (epsilon (linear 0.01 0)))",
}


def tasks_of(folder: Path, clauses: str, name: str, **options: object) -> list[Task]:
    file = folder / "tiny.sn"
    file.write_text(NET + TRAIN.format(name, clauses))
    made = Options(engine="torch", data=("digits",), out=folder / f"runs-{options}", online=False, **options)
    (study,) = plan([read_program(file)], made)
    return list(study.rows[0].tasks)


def files_of(task: Task) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], list[dict[str, object]]]:
    """Return the weights, the update state, and the lines of the passes without their seconds."""
    run = run_folder.open_run(task.folder)
    lines = [json.loads(line) for line in (task.folder / "passes.jsonl").read_text().splitlines()]
    without = [{key: value for key, value in line.items() if "seconds" not in key} for line in lines]
    return dict(run.snapshot.parameters), dict(run.snapshot.state), without


@pytest.mark.parametrize("name", list(TRAININGS))
def test_each_seed_has_the_weights_of_its_own_run(name: str, tmp_path: Path) -> None:
    alone = tasks_of(tmp_path, TRAININGS[name], name, dtype="float64")
    grouped = tasks_of(tmp_path, TRAININGS[name], name, dtype="float64", together=3)
    assert not any(outcome.faults for outcome in map(attempt, alone))
    outcomes = together.attempt_together(grouped)
    assert [outcome.task.seed for outcome in outcomes] == [1, 2, 3] and not any(o.faults for o in outcomes)
    for one, other in zip(alone, grouped):
        assert one.folder.name != other.folder.name  # other rounding: another run
        expected, found = files_of(one), files_of(other)
        for theirs, ours in zip(expected[:2], found[:2]):
            assert theirs.keys() == ours.keys()
            for key, value in theirs.items():
                np.testing.assert_allclose(ours[key], value, rtol=1e-9, atol=1e-11, err_msg=key)
        for theirs, ours in zip(expected[2], found[2]):
            assert theirs.keys() == ours.keys()
            for key, value in theirs.items():
                assert ours[key] == (pytest.approx(value, rel=1e-9) if isinstance(value, dict | float) else value)


def test_a_group_that_was_stopped_resumes_each_run_after_its_last_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tasks_of(tmp_path, TRAININGS["plain"], "plain", together=3)
    together.attempt_together(whole)
    expected = [files_of(task) for task in whole]
    stopped = tasks_of(tmp_path, TRAININGS["plain"], "plain", together=3, save_every=0.5)
    events = together._events
    steps = 0

    def interrupted(*arguments):
        nonlocal steps
        for event in events(*arguments):
            steps += 1
            if steps == 14:  # two nets have ended pass 2, the third has not
                raise KeyboardInterrupt
            yield event

    with monkeypatch.context() as patched:
        patched.setattr(together, "_events", interrupted)
        with pytest.raises(KeyboardInterrupt):
            together.attempt_together(stopped)
    assert {run_folder.open_run(task.folder).snapshot.number for task in stopped} != {2}
    assert not any(outcome.faults for outcome in together.attempt_together(stopped))
    for theirs, task in zip(expected, stopped):
        weights, _, lines = files_of(task)  # nets of different passes step apart, with other rounding
        for key, value in theirs[0].items():
            np.testing.assert_allclose(weights[key], value, rtol=1e-4, atol=1e-6)
        assert [line["pass"] for line in lines] == [1, 2]
        assert [line["train"]["misses"] for line in lines] == [line["train"]["misses"] for line in theirs[2]]


def test_one_net_that_diverges_does_not_stop_the_others(tmp_path: Path) -> None:
    tasks = tasks_of(tmp_path, "(passes 2) (update sgd) (epsilon 0.01) (order shuffled)", "plain", together=3)
    weights = together.build_engines_together

    def one_is_broken(*arguments):
        nets = weights(*arguments)
        load = nets[1].load_parameters
        nets[1].load_parameters = lambda values: load({name: value * np.inf for name, value in values.items()})
        return nets

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(together, "build_engines_together", one_is_broken)
        outcomes = together.attempt_together(tasks)
    assert [bool(outcome.faults) for outcome in outcomes] == [False, True, False]
    assert "diverged in pass 1" in outcomes[1].faults[0].message


@pytest.mark.parametrize(
    ("clauses", "why"),
    [
        ("(passes 2) (update conjugate-gradient)", "conjugate gradient makes a step of its own for each net"),
        (
            "(stage (passes 1) (update sgd) (epsilon 0.01)) (stage (passes 1) (update sgd) (epsilon 0.01) (prune 0.1))",
            "pruning removes other weights from each net",
        ),
        (
            "(stage (passes 1) (update sgd) (epsilon 0.01)) (stage (passes 1) (update adamw) (epsilon 0.01))",
            "its stages have different update rules",
        ),
    ],
)
def test_what_differs_from_net_to_net_is_refused_with_its_place(clauses: str, why: str, tmp_path: Path) -> None:
    file = tmp_path / "tiny.sn"
    file.write_text(NET + TRAIN.format("t", clauses))
    with pytest.raises(SnError) as refused:
        refuse_together(read_program(file).trainings.get("t"))
    (fault,) = refused.value.faults
    assert why in fault.message and fault.span is not None and "leave --together out" in (fault.hint or "")


def test_the_command_writes_the_same_report(tmp_path: Path) -> None:
    file = tmp_path / "tiny.sn"
    file.write_text(NET + TRAIN.format("plain", TRAININGS["plain"]))
    command = ["reproduce", str(file), "--offline", "--together", "2", "--device", "cpu", "--jobs", "1", "--seeds", "3"]
    assert main([*command, "--out", str(tmp_path / "runs")]) == 0
    report = json.loads((tmp_path / "runs" / "tiny.json").read_text())
    assert "--together 2" in json.dumps(report)
    folders = sorted((tmp_path / "runs").glob("plain*/run.json"))
    assert [json.loads(path.read_text())["together"] for path in folders] == [2, 2, 2]


@pytest.mark.parametrize("other", [("--engine", "native"), ("--portable",)])
def test_another_engine_is_refused(other: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", str(tmp_path / "x.sn"), "--together", "2", *other]) == 2
    assert "only the torch engine lets nets learn at the same time" in capsys.readouterr().err


def test_a_small_limit_of_open_files_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "allow_open_files", lambda count: 1024)
    with pytest.raises(SnError) as refused:
        together._allow_open_files(4 * 1024 + 100)
    assert "need 4,196 open files, and this system allows 1,024" in refused.value.faults[0].message
    assert "--together 231" in (refused.value.faults[0].hint or "")


def test_a_device_that_does_not_exist_is_told_for_each_run(tmp_path: Path) -> None:
    tasks = tasks_of(tmp_path, TRAININGS["plain"], "plain", together=3, device="ufo")
    faults = [outcome.faults[0] for outcome in together.attempt_together(tasks)]
    assert len(faults) == 3 and all('cannot compute on the device "ufo"' in fault.message for fault in faults)
