"""What a run shows while it goes on: on a terminal, and as event files."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import pytest
from tiny_run import make_runs, program, snsim

from snsim.console.live_table import TerminalView, time_left
from snsim.program import read_program
from snsim.runs.options import Options
from snsim.runs.run import PassFinished, RunFinished, RunStarted, run
from snsim.training.loop import Progress


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_runs(tmp_path_factory.mktemp("live"))


def test_the_display_below_the_table(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that says 10 s at half of the run: 10 s are left; the curve has a bar for each pass."""
    from rich.console import Console

    made = read_program(runs / "tiny.sn")
    events = list(run(made, made.trainings.get("tiny"), 3, Options(engine="reference", out=tmp_path)))
    started, passed = events[0], [event for event in events if isinstance(event, PassFinished)]
    assert isinstance(started, RunStarted) and isinstance(events[-1], RunFinished) and len(passed) == 4
    now = [100.0]
    monkeypatch.setattr("snsim.console.live_table.time.monotonic", lambda: now[0])
    view, out = TerminalView(), io.StringIO()
    with contextlib.redirect_stdout(out):
        view.show(started)
        for event in passed[:3]:
            view.show(event)
    shown = Console(width=90, file=io.StringIO())

    def below() -> str:
        with shown.capture() as drawn:
            shown.print(view._display())
        return drawn.get()

    now[0] = 130.0
    lines = below().rstrip().split("\n")
    assert "pass 4 of 4" in lines[-1] and "10 s left" in lines[-1]  # three of four passes in 30 s
    assert f"test {passed[2].done.test.error:.2f} %" in lines[-2] and "0 %" in lines[-2]
    assert sum(line.count("█") for line in lines[:-1]) >= 3
    view._at = Progress(4, 10, 20)
    now[0] = 135.0
    assert "5 s left" in below() and "10/20" in below()
    with contextlib.redirect_stdout(out):
        view.show(passed[3])
        view.show(events[-1])
        view.close()
    told = out.getvalue()
    assert told.count("e-0") >= 8 and f"{passed[-1].done.test.error:.2f} %" in told.split("test error")[-1]


def test_time_left() -> None:
    assert [time_left(30, share) for share in (0.0, 0.5, 0.75)] == ["", "30 s left", "10 s left"]
    assert time_left(100, 0.1) == "15 min 0 s left" and time_left(600, 0.02) == "8 h 10 min left"


def test_event_files_say_what_the_passes_say(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    from tensorboard.util.tensor_util import make_ndarray

    (tmp_path / "tiny.sn").write_text(program())
    code, out, err = snsim(
        "run",
        tmp_path / "tiny.sn",
        "--json",
        "--engine",
        "reference",
        "--out",
        tmp_path / "runs",
        "--tensorboard",
        tmp_path / "events",
    )
    assert code == 0, err
    lines = [json.loads(line) for line in out.splitlines()]  # nothing but JSON
    assert [line["event"] for line in lines] == ["pass"] * 4 + ["done"] + ["pass"] * 2 + ["done"]
    assert sorted(folder.name for folder in (tmp_path / "events").iterdir()) == ["one", "tiny"]
    read = accumulator.EventAccumulator(str(tmp_path / "events" / "tiny")).Reload()
    for split in ("train", "test"):
        for figure in ("loss", "error", "misses"):
            assert read.SummaryMetadata(f"{figure}/{split}").plugin_data.plugin_name == "scalars"
            told = [(e.step, make_ndarray(e.tensor_proto).item()) for e in read.Tensors(f"{figure}/{split}")]
            assert told == [(n, pytest.approx(line[split][figure])) for n, line in enumerate(lines[:4], 1)]


def test_without_tensorboard_it_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "tensorboard.summary", None)
    (tmp_path / "tiny.sn").write_text(program())
    code, _, err = snsim("run", tmp_path / "tiny.sn", "--out", tmp_path, "--tensorboard", tmp_path / "events")
    assert code == 1 and 'pip install "snsim[tensorboard]"' in err
    assert not (tmp_path / "tiny").exists()
