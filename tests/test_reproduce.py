"""Studies: what a report says, that nothing is lost or counted twice whatever is killed, and what is refused."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snsim.cli.main import main
from snsim.errors import Fault, SnError
from snsim.program import read_program
from snsim.run_folder import open_run
from snsim.runs.options import Options
from snsim.runs.run import read_data
from snsim.studies import one_run
from snsim.studies.plan import plan

ROOT = Path(__file__).resolve().parents[1]

STUDY = """\
;;; Two ways to learn some pictures.
;;; Nobody published them.
(include "../parts.sn")
(train slow (like pictures) (seed 3 1 2)
  (published (train-misses 30)) (note "the figure is invented" "a | in a note"))
(train quick (like pictures) (epsilon 0.05) (seed 1 2 4))
"""
PARTS = """\
(net pictures (layer input (6 6)) (layer h 12) (layer output 3) (connect input h (full)) (connect h output (full)))
(train pictures (data (patterns "x.pat" "x.des")) (ensemble 0 199) (test-set 200 299) (correct max)
  (epsilon 0.01) (passes 5) (order shuffled))
"""
SLOWLY = ("--engine", "reference")  # a pass takes long enough to be killed in


def write_study(folder: Path) -> Path:
    """nets/studies/two.sn, which includes a text of the folder above, and its patterns."""
    draw = np.random.default_rng(1)
    (folder / "nets" / "studies").mkdir(parents=True)
    for name, matrix in (
        ("x.pat", draw.normal(size=(300, 36))),
        ("x.des", 2 * np.eye(3)[draw.integers(0, 3, 300)] - 1),
    ):
        numbers = " ".join(f"{value:.4f}" for value in matrix.ravel())
        (folder / "nets" / name).write_text(f".MAT 2 {matrix.shape[0]} {matrix.shape[1]}\n{numbers}\n")
    (folder / "nets" / "parts.sn").write_text(PARTS)
    (folder / "nets" / "studies" / "two.sn").write_text(STUDY)
    return folder


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "snsim", "reproduce", *arguments],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def reproduce(folder: Path, *arguments: str, code: int = 0) -> tuple[str, str]:
    """The command in this process, one run after another: what it printed."""
    told, faults = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(told), contextlib.redirect_stderr(faults):
        assert main(["reproduce", *arguments, "--jobs", "1"]) == code, told.getvalue() + faults.getvalue()
    assert "Traceback" not in faults.getvalue()
    return told.getvalue(), faults.getvalue()


def reproduce_in_processes(folder: Path, *arguments: str) -> str:
    """The command as a process that starts two more: what it printed."""
    process = start(folder, *arguments, "--jobs", "2")
    told, faults = process.communicate(timeout=300)
    assert process.returncode == 0, told + faults
    assert "Traceback" not in faults
    return told


def report(folder: Path, name: str = "two") -> dict[str, Any]:
    """The report but for what tells of the machine and the moment."""
    found = json.loads((folder / "runs" / "reproduced" / f"{name}.json").read_text())
    for key in ("date", "command"):
        del found[key]
    for study in found["studies"]:
        for row in study["rows"]:
            for figures in (row["figures"], *(run["figures"] for run in row["runs"])):
                figures.pop("cpu-seconds", None)
            for run in row["runs"]:
                run["folder"] = Path(run["folder"]).name
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the study was run by two processes, nobody disturbing them."""
    folder = write_study(tmp_path_factory.mktemp("undisturbed"))
    told = reproduce_in_processes(folder, "nets/studies/two.sn", *SLOWLY)
    assert "[6 of 6]" in told and "runs/reproduced/two.md" in told
    return folder


def test_the_report_is_made_of_the_runs(undisturbed: Path) -> None:
    (study,) = report(undisturbed)["studies"]
    slow, quick = study["rows"]
    assert [run["seed"] for run in slow["runs"]] == [3, 1, 2] and [run["seed"] for run in quick["runs"]] == [1, 2, 4]
    for row in (slow, quick):
        last = [open_run(undisturbed / "runs" / "reproduced" / run["folder"]).passes[-1] for run in row["runs"]]
        for name, values in (
            ("train-misses", [line["train"]["misses"] for line in last]),
            ("test-error", [line["test"]["error"] for line in last]),
            ("test-half-mse", [line["test"]["half_mse"] for line in last]),
        ):
            assert row["figures"][name]["mean"] == pytest.approx(np.mean(values))
            assert row["figures"][name]["deviation"] == pytest.approx(np.std(values, ddof=1))
    assert study["introduction"] == "Two ways to learn some pictures.\nNobody published them."
    assert slow["published"] == {"train-misses": 30} and quick["published"] == {} and quick["notes"] == []
    page = (undisturbed / "runs" / "reproduced" / "two.md").read_text()
    misses = slow["figures"]["train-misses"]
    assert f"| 30 | {misses['mean']:.1f} ± {misses['deviation']:.1f} |" in page
    assert "- **slow**: the figure is invented\n- **slow**: a \\| in a note" in page
    assert "n-1" in page and "| 200 | 100 |" in page and f"{os.cpu_count()} cores" in page
    table = [line for line in page.split("## Results")[1].split("- **")[0].split("\n") if line.startswith("|")]
    assert len(table) == 4 and len({line.count("|") for line in table}) == 1, "rows of as many cells"
    assert "CPU s a run" in table[0]


def test_the_command_of_a_row_repeats_it(undisturbed: Path) -> None:
    command = report(undisturbed)["studies"][0]["rows"][1]["command"]
    assert command == "snsim reproduce nets/studies/two.sn --only quick --engine reference"
    told, _ = reproduce(undisturbed, *shlex.split(command)[2:], "--report", "again/quick.md", "--base", "quick")
    assert told.count("done before") == 3
    again = json.loads((undisturbed / "again" / "quick.json").read_text())["studies"][0]["rows"]
    assert [run["figures"]["test-loss"] for run in again[0]["runs"]] == [
        run["figures"]["test-loss"] for run in report(undisturbed)["studies"][0]["rows"][1]["runs"]
    ]
    fresh, _ = reproduce(undisturbed, *shlex.split(command)[2:], "--out", "fresh", "--seed", "4", "--json")
    lines = [json.loads(line) for line in fresh.splitlines()]
    assert [line["event"] for line in lines] == ["run", "done"] and not lines[0]["before"]
    assert lines[0]["figures"]["test-loss"] == again[0]["runs"][2]["figures"]["test-loss"]


def test_a_report_of_data_alone(undisturbed: Path) -> None:
    """--report FILE.json: no page; curves and intervals are those of the runs."""
    reproduce(undisturbed, "nets/studies/two.sn", *SLOWLY, "--report", "data/two.json")
    assert [file.name for file in (undisturbed / "data").iterdir()] == ["two.json"]
    row = json.loads((undisturbed / "data" / "two.json").read_text())["studies"][0]["rows"][0]
    runs = [open_run(undisturbed / run["folder"]) for run in row["runs"]]
    for number, mean in enumerate(row["curves"]["test-misses"]):
        assert mean == pytest.approx(np.mean([run.passes[number]["test"]["misses"] for run in runs]))
    assert len(row["curves"]["train-half-mse"]) == len(runs[0].passes)
    roots = np.sqrt([run.passes[-1]["test"]["misses"] for run in runs])
    low, high = row["figures"]["test-misses"]["interval"]  # of a fourth run: t with 2 degrees of freedom is 4.303
    half = 4.302653 * np.std(roots, ddof=1) * np.sqrt(1 + 1 / 3)
    assert [low, high] == pytest.approx([max(np.mean(roots) - half, 0) ** 2, (np.mean(roots) + half) ** 2], rel=1e-5)


def test_differences_are_between_runs_of_one_seed(undisturbed: Path) -> None:
    reproduce(undisturbed, "nets/studies/two.sn", *SLOWLY, "--base", "slow", "--report", "base.md")
    slow, quick = json.loads((undisturbed / "base.json").read_text())["studies"][0]["rows"]
    assert slow["differences"] == {}
    ours, theirs = ({run["seed"]: run["figures"]["test-loss"] for run in row["runs"]} for row in (quick, slow))
    values = [ours[seed] - theirs[seed] for seed in (1, 2)]  # 3 and 4 stand in one row only
    told = quick["differences"]["test-loss"]
    assert told["runs"] == 2 and told["mean"] == pytest.approx(np.mean(values))
    assert told["deviation"] == pytest.approx(np.std(values, ddof=1))
    assert "Differences from slow" in (undisturbed / "base.md").read_text()


def children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def gone(process: int, seconds: float = 100) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if "\nState:\tZ" in Path(f"/proc/{process}/status").read_text():
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="processes are looked up in /proc")
@pytest.mark.parametrize("how", [pytest.param(signal.SIGKILL, marks=pytest.mark.slow), signal.SIGINT])
def test_stopped_half_way_and_begun_again(how: signal.Signals, undisturbed: Path, tmp_path: Path) -> None:
    for attempt in range(10):  # more than one where the system gives this process no turn before the study is over
        folder = write_study(tmp_path / str(attempt))
        process = start(folder, "nets/studies/two.sn", *SLOWLY, "--jobs", "2")
        assert process.stdout is not None and process.stdout.readline().startswith("[1 of 6]")
        workers = children(process.pid)
        process.send_signal(how)
        _, faults = process.communicate(timeout=300)
        assert all(gone(worker) for worker in workers), "a worker outlives the command"
        if process.returncode != 0 and len(workers) >= 2:
            break
    else:
        pytest.fail("no study was stopped half way")
    if how is signal.SIGINT:
        assert process.returncode == 130
        assert "to resume:\n  snsim reproduce nets/studies/two.sn" in faults and "Traceback" not in faults
    runs = folder / "runs" / "reproduced"
    ended = {
        run.name: (run / "checkpoint.safetensors").stat().st_mtime_ns
        for run in runs.glob("*-seed*")
        if open_run(run).is_finished
    }
    assert 1 <= len(ended) < 6
    told = reproduce_in_processes(folder, "nets/studies/two.sn", *SLOWLY)
    assert told.count("done before") == len(ended)
    assert report(folder) == report(undisturbed)
    assert all(
        (runs / name).joinpath("checkpoint.safetensors").stat().st_mtime_ns == then for name, then in ended.items()
    ), "a finished run was run again"
    assert len(list(runs.glob("*-seed*"))) == 6


def test_two_commands_at_once_share_the_runs(undisturbed: Path, tmp_path: Path) -> None:
    folder = write_study(tmp_path)
    both = [start(folder, "nets/studies/two.sn", *SLOWLY, "--jobs", "1") for _ in range(2)]
    for process in both:
        told, faults = process.communicate(timeout=300)
        assert process.returncode == 0, told + faults
    assert report(folder) == report(undisturbed)
    assert len(list((folder / "runs" / "reproduced").glob("*-seed*"))) == 6


@pytest.mark.slow  # the scheduler is killed in the next test, which is fast
def test_a_killed_worker_of_a_cluster(undisturbed: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    folder = write_study(tmp_path)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster,
        distributed.Client(cluster) as client,
    ):
        workers = list(client.run(os.getpid).values())
        assert len(set(workers)) == 2
        process = start(folder, "nets/studies/two.sn", *SLOWLY, "--cluster", cluster.scheduler_address)
        assert process.stdout is not None and process.stdout.readline().startswith("[1 of 6]")
        os.kill(workers[0], signal.SIGKILL)
        told, faults = process.communicate(timeout=300)
        assert process.returncode == 0, told + faults
    assert report(folder) == report(undisturbed)
    assert len(list((folder / "runs" / "reproduced").glob("*-seed*"))) == 6


SCHEDULER = """
import asyncio, sys
from distributed import Scheduler, Worker
async def serve():
    async with Scheduler(port=0, dashboard_address=None, host="127.0.0.1") as scheduler:
        async with Worker(scheduler.address, nthreads=1):
            print(scheduler.address, flush=True)
            await scheduler.finished()
if __name__ == "__main__":
    asyncio.run(serve())
"""


def test_a_killed_scheduler_is_told_as_a_fault(undisturbed: Path, tmp_path: Path) -> None:
    """Without the tracebacks that the loggers of Dask print; run the same command to resume."""
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    folder = write_study(tmp_path)
    scheduler = subprocess.Popen(
        [sys.executable, "-c", SCHEDULER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=folder
    )
    assert scheduler.stdout is not None
    with scheduler, scheduler.stdout:
        process = start(folder, "nets/studies/two.sn", *SLOWLY, "--cluster", scheduler.stdout.readline().strip())
        assert process.stdout is not None and process.stdout.readline().startswith("[1 of 6]")
        scheduler.kill()
        _, faults = process.communicate(timeout=300)
    assert process.returncode == 1 and "Traceback" not in faults and faults.startswith("error: the "), faults
    assert "run the same command to resume" in faults
    reproduce(folder, "nets/studies/two.sn", *SLOWLY)
    assert report(folder) == report(undisturbed)


def folders(folder: Path, options: Options = Options()) -> list[str]:
    """The run folders of the study as it stands."""
    program = read_program(folder / "nets" / "studies" / "two.sn", port=io.StringIO())
    return [task.folder.name for study in plan([program], options) for row in study.rows for task in row.tasks]


def test_a_run_is_known_by_what_decides_its_numbers(tmp_path: Path) -> None:
    folder = write_study(tmp_path)
    study, parts, patterns = (folder / "nets" / name for name in ("studies/two.sn", "parts.sn", "x.pat"))
    before = folders(folder)
    assert len(set(before)) == 6
    for file, old, new, kept in (
        (study, "invented", "made up", 6),
        (study, ";;; Two", "; 2", 6),
        (study, "(train-misses 30)", "(test-mse 1)", 6),
        (study, "(seed 1 2 4)", "(seed 2 4 9)", 5),
        (study, "(epsilon 0.05)", "(epsilon 0.06)", 3),
        (parts, "(epsilon 0.01)", "(epsilon 0.01) (batch 1)", 6),
        (parts, "(passes 5)", "(passes 6)", 0),
        (parts, "h 12", "h 13", 0),
        (parts, "(correct max)", "(correct quadrant)", 0),
        (patterns, "0.3", "0.4", 0),
    ):
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))
        assert len(set(folders(folder)) & set(before)) == kept, new
        file.write_text(text)
    assert folders(folder) == before
    assert not set(folders(folder, Options(dtype="float64"))) & set(before)
    assert not set(folders(folder, Options(passes=2))) & set(before)


def test_a_run_that_cannot_be_ended_is_told_and_the_others_are_not_lost(tmp_path: Path) -> None:
    folder = write_study(tmp_path)
    study = folder / "nets" / "studies" / "two.sn"
    wild = "(net wild (like pictures) (layer output (nlf linear)))\n"
    study.write_text(
        STUDY.replace("(train quick", f"{wild}(train quick").replace("(epsilon 0.05)", "(net wild) (epsilon 1e30)")
    )
    for _ in range(2):  # it ends in the same way when it is gone on with
        told, faults = reproduce(folder, "nets/studies/two.sn", "--passes", "2", code=1)
        assert "diverged" in faults and "3 runs, 3 failed" in told
    quick = report(folder)["studies"][0]["rows"][1]
    assert quick["runs"] == [] and [failure["seed"] for failure in quick["failures"]] == [1, 2, 4]
    assert "seed 4 did not finish" in (folder / "runs" / "reproduced" / "two.md").read_text()


def test_what_is_at_the_place_of_a_run_and_is_none(tmp_path: Path) -> None:
    folder = write_study(tmp_path)
    place = folder / "runs" / "reproduced" / folders(folder)[0]
    place.mkdir(parents=True)
    told, faults = reproduce(folder, "nets/studies/two.sn", code=1)
    assert "is not a run folder" in faults and "5 runs, 1 failed" in told  # the others are not lost


def test_a_page_is_called_after_all_rows_that_are_asked_for_and_stays_in_its_folder(tmp_path: Path) -> None:
    folder = write_study(tmp_path)
    names = ["../a", "b", "c", "d", "e"]
    (folder / "nets" / "studies" / "two.sn").write_text(
        STUDY + "".join(f'(train "{name}" (like pictures) (passes 1))\n' for name in names)
    )
    only = [word for name in names for word in ("--only", name)]
    told, _ = reproduce(folder, "nets/studies/two.sn", *only)
    assert "5 runs; the report is runs/reproduced/two-..-a-b-c-d-e.md" in told
    assert (folder / "runs" / "reproduced" / "two-..-a-b-c-d-e.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nets/parts.sn", "nets/none.sn"], 1, "nets/none.sn declares no training of its own"),
        (["nets/studies/two.sn", "--only", "quik"], 1, 'did you mean "quick"'),
        (["nets/studies/two.sn", "nets/parts.sn", "--only", "one"], 1, "declare no training"),
        (["nets/studies/two.sn", "--base", "quik"], 1, 'did you mean "quick"'),
        (["nets/studies/two.sn", "--seeds", "2", "--seed", "3"], 2, "cannot be combined"),
        (["nets/studies/two.sn", "--cluster", "tcp://127.0.0.1:1", "--jobs", "2"], 2, "cannot be combined"),
        (["nets/studies/two.sn", "--report", "page.html"], 2, "FILE.md"),
        (["nets/studies/two.sn", "--engine", "nativ"], 2, 'did you mean "native"'),
        ([], 2, "FILE"),
    ],
)
def test_errors(arguments: list[str], code: int, message: str, tmp_path: Path) -> None:
    folder = write_study(tmp_path)
    (folder / "nets" / "none.sn").write_text('(include "parts.sn")')
    faults = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stderr(faults):
        assert main(["reproduce", *arguments]) == code
    assert message in faults.getvalue() and not (folder / "runs").exists()


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://x", "127.0.0.1"])
def test_no_scheduler_at_the_address(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    from snsim.studies import executors

    monkeypatch.setattr(executors, "_SCHEDULER_TIMEOUT", "1s")
    made: list[object] = []
    real = distributed.Client
    monkeypatch.setattr(distributed, "Client", lambda *told, **how: made.append(told) or real(*told, **how))
    with pytest.raises(SnError, match="there is no Dask scheduler at"), executors.cluster(address):
        pass
    assert len(made) == (address == "tcp://127.0.0.1:1")  # one that cannot be reached; none for what is no address


def test_a_worker_reads_the_data_of_a_training_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, read = write_study(tmp_path), []
    monkeypatch.setattr(one_run, "_kept_parts", cache(one_run.KeptParts))
    monkeypatch.setattr(
        one_run, "read_data", lambda training, *args: (read.append(training.name), read_data(training, *args))[1]
    )
    file = folder / "nets" / "studies" / "two.sn"

    def attempt_all() -> None:
        (study,) = plan([read_program(file)], Options(out=tmp_path / "runs"))
        for row in study.rows:
            for task in row.tasks:
                assert not one_run.attempt(task).faults

    attempt_all()
    assert read == ["slow", "quick"]
    text = file.read_text()
    file.write_text(text.replace("(like pictures)", "(like pictures) (ensemble 0 99)", 1))  # other data, other runs
    attempt_all()
    assert read == ["slow", "quick", "slow"]
    assert len(list((tmp_path / "runs").iterdir())) == 9


def test_an_engine_that_is_used_again_learns_as_a_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Momentum and a second rule leave states behind, and seed 3 diverges; seeds 1, 2, 4 and 5 must not notice."""
    file = tmp_path / "n.sn"
    file.write_text(
        "(net n (layer input 2) (layer h 3 (nlf tanh) (bias unit)) (layer output 1 (bias unit))"
        " (connect input h (full)) (connect h output (full)))\n"
        "(train n (data (examples [[-1 -1] [1 -1] [1 1] [-1 1]] [[1] [-1] [1] [-1]])) (cost mean-square)"
        " (correct quadrant) (forget 1)"
        " (stage (passes 5) (update sgd (alpha 0.9)) (epsilon 0.1) (batch 2 sum))"
        " (stage (passes 5) (update adamw) (epsilon 0.01)))\n"
    )
    built: list[str] = []
    real = one_run.choose_engine
    monkeypatch.setattr(one_run, "choose_engine", lambda *told, **how: built.append("new") or real(*told, **how))

    def diverge(*told: object) -> None:
        raise SnError([Fault("diverged", hint="")])

    def weights(kept: bool) -> list[bytes]:
        parts = one_run.KeptParts()
        monkeypatch.setattr(one_run, "_kept_parts", lambda: parts if kept else one_run.KeptParts())
        out = tmp_path / f"runs{kept}"
        (study,) = plan([read_program(file)], Options(out=out), seeds=(1, 2, 3, 4, 5))
        for row in study.rows:
            for task in row.tasks:
                with monkeypatch.context() as broken:
                    if task.seed == 3:
                        broken.setattr("snsim.training.loop._score_pass", diverge)
                    assert bool(one_run.attempt(task).faults) is (task.seed == 3)
        return [(task.folder / "weights.safetensors").read_bytes() for task in row.tasks if task.seed != 3]

    alone = weights(False)
    assert len(set(alone)) == 4 and built == ["new"] * 5
    assert weights(True) == alone and built == ["new"] * 7  # seeds 1 and 4 build one


def test_studies_of_the_gallery_are_without_faults() -> None:
    files = sorted((ROOT / "nets" / "studies").glob("*.sn"))
    assert files
    for file in files:
        assert read_program(file, port=io.StringIO()).own_trainings, file
