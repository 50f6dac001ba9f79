"""A run that is stopped or killed and resumed ends with the same bits as one that never stopped."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from snsim.data.patterns import from_files
from snsim.errors import SnError
from snsim.program import read_program
from snsim.run_folder import Recorder, Run, new_run, open_run, reopen_run
from snsim.runs.interrupts import Interrupts
from snsim.runs.options import Options
from snsim.runs.resume import resume
from snsim.runs.run import PassFinished, RunFinished, RunStarted, run
from snsim.training.choose_engine import build_engine
from snsim.training.initial import initial_weights
from snsim.training.loop import PassResult, Snapshot, training_events
from snsim.training.prepare import prepare_data

PASSES = 7

# Two rules, momentum, drawn orders, shifts, noise, curvature: all that a run keeps or draws.
PROGRAM = """
(include "parts/net.sn")
(defvar rate 9)
(train several (net pictures) (data (patterns "parts/x.pat" "parts/x.des")) (correct sgn -0.5 0.5)
  (epsi-sqrt (linear ,rate 0.01)) (augment (shift 1 0)) (input-noise 0.1) (seed 3 4)
  (stage (passes 3) (update sgd (alpha 0.6) (decay 0.01)) (order shuffled once))
  (stage (passes 2) (order shuffled))
  (stage (passes 2) (update lm (mu 0.5) (curvature 20) (alpha 0.2)) (order random)))
"""
NET = """
(net pictures (layer input (6 6)) (layer h (2 4 4) (bias map)) (layer output 3)
  (connect input h (mask 3 3)) (connect h output (full)))
"""


def write_program(folder: Path, patterns: int = 60) -> Path:
    """The program with its include and its pattern files."""
    draw = np.random.default_rng(0)
    (folder / "parts").mkdir(parents=True)
    (folder / "parts" / "net.sn").write_text(NET)
    for name, matrix in (
        ("x.pat", draw.normal(size=(patterns, 36))),
        ("x.des", 2 * np.eye(3)[draw.integers(0, 3, patterns)] - 1),
    ):
        numbers = " ".join(f"{value:.6f}" for value in matrix.ravel())
        (folder / "parts" / name).write_text(f".MAT 2 {matrix.shape[0]} {matrix.shape[1]}\n{numbers}\n")
    main = folder / "main.sn"
    main.write_text(PROGRAM)
    return main


def start(main: Path, out: Path, **options: object):  # type: ignore[no-untyped-def]
    presets = {"rate": 0.1}
    program = read_program(main, presets=presets, port=io.StringIO())
    chosen = program.trainings.get("several")
    return run(program, chosen, 4, replace(Options(out=out, presets=presets), **options))  # type: ignore[arg-type]


def same(a: Run, b: Run) -> None:
    """All that came out is equal: passes but for their seconds, weights, update state, generators."""

    def lines(made: Run) -> list[dict[str, object]]:
        return [{key: value for key, value in line.items() if "seconds" not in key} for line in made.passes]

    assert lines(a) == lines(b)
    assert a.snapshot.number == b.snapshot.number and a.snapshot.generators == b.snapshot.generators
    for one, other in ((a.snapshot.parameters, b.snapshot.parameters), (a.snapshot.state, b.snapshot.state)):
        assert one.keys() == other.keys()
        for name in one:
            assert one[name].dtype == other[name].dtype and one[name].tobytes() == other[name].tobytes(), name
    for file in ("weights.safetensors", "checkpoint.safetensors"):
        assert (a.folder / file).read_bytes() == (b.folder / file).read_bytes(), file


@pytest.fixture(scope="module")
def unstopped(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("unstopped")
    *_, last = start(write_program(folder / "program"), folder / "runs")
    assert isinstance(last, RunFinished) and last.completed and last.presentations == PASSES * 60
    return open_run(last.run)


@pytest.mark.parametrize("after", range(PASSES))
def test_stopped_after_any_pass(after: int, unstopped: Run, tmp_path: Path) -> None:
    events = start(write_program(tmp_path / "program"), tmp_path / "runs")
    started = next(events)
    assert isinstance(started, RunStarted) and started.run == tmp_path / "runs" / "several-seed4"
    while after and not (isinstance(event := next(events), PassFinished) and event.done.number == after):
        pass
    next(events)  # into the next pass, none of which may be left
    events.close()
    assert open_run(started.run).snapshot.number == after
    again, *_, last = resume(started.run)
    assert isinstance(again, RunStarted) and again.done == after
    assert isinstance(last, RunFinished) and last.completed and last.presentations == (PASSES - after) * 60
    same(open_run(started.run), unstopped)


@pytest.mark.parametrize(("engine", "dtype"), [("torch", "float64"), ("reference", "float32")])
def test_any_engine_and_type_is_resumed(engine: str, dtype: str, tmp_path: Path) -> None:
    main = tmp_path / "batches.sn"
    examples = "(examples [[1 0 1] [0 1 1] [1 1 0]] [[1 0] [0 1] [1 1]])"
    main.write_text(
        "(net small (layer input 3) (layer h 4) (layer output 2) (connect input h (full))"
        f"(connect h output (full))) (train small (data {examples}) (passes 5) (batch 2 mean)"
        "(update adamw) (epsilon 0.05) (order shuffled))"
    )
    program = read_program(main, port=io.StringIO())
    chosen = program.trainings.get("small")
    options = Options(out=tmp_path / "runs", engine=engine, dtype=dtype)
    *_, whole = run(program, chosen, 1, options)
    events = run(program, chosen, 1, options)
    while not (isinstance(event := next(events), PassFinished) and event.done.number == 2):
        pass
    events.close()
    cut = tmp_path / "runs" / "small-2"
    *_, last = resume(cut)
    assert isinstance(whole, RunFinished) and isinstance(last, RunFinished) and last.completed
    same(open_run(whole.run), open_run(cut))
    assert open_run(cut).weights()["h.bias"].dtype == dtype and open_run(cut).settings["engine"] == engine


class Clock:
    """Shows the times of a list, one after the other; the last one on and on."""

    def __init__(self, *times: float) -> None:
        self._times = list(times)

    def __call__(self) -> float:
        return self._times.pop(0) if len(self._times) > 1 else self._times[0]


def test_a_checkpoint_at_most_once_a_second(tmp_path: Path) -> None:
    """Pass 2 ends a second after the run began, pass 3 at once after it; pass 5 ends a second after that checkpoint."""
    main = write_program(tmp_path / "program")
    program = read_program(main, presets={"rate": 0.1}, port=io.StringIO())
    chosen = program.trainings.get("several")
    engine = build_engine(chosen, chosen.stages[0], "reference", "float32")
    engine.load_parameters(initial_weights(chosen, 4))
    data = prepare_data(chosen, from_files(main.parent / "parts" / "x.pat", main.parent / "parts" / "x.des"), "float32")
    start = Snapshot(0, engine.parameters(), engine.state(), {})
    times = [100.0, 100.9, 101.0, 101.5, 101.6, 102.2, 102.5, 103.0]  # begin; pass 1; 2, saved; 3; 4; 5, saved
    saved = []
    with (
        new_run(tmp_path, "several", program.sources, {"passes": PASSES}, start) as made,
        closing(Recorder(made, 1.0, Clock(*times))) as recorder,
    ):
        for step in training_events(chosen, data, engine, 4):
            if isinstance(step, PassResult):
                recorder.add(step)
                saved.append(recorder.saved)
                lines = (made.folder / "passes.jsonl").read_bytes().splitlines()
                assert len(lines) == step.number and recorder.checkpoint().number == recorder.saved
    assert saved[:6] == [0, 2, 2, 2, 5, 5]


@pytest.mark.parametrize(("seconds", "saved"), [(0.0, [0, 1, 2, 3, 4, 5, 6, 7]), (1e9, [0, 0, 0, 3, 3, 5, 5, 7])])
def test_killed_after_any_pass(seconds: float, saved: list[int], unstopped: Run, tmp_path: Path) -> None:
    """The folder as a kill leaves it goes on from its last checkpoint: stages end with passes 3, 5 and 7."""
    copies = []
    for event in start(write_program(tmp_path / "program"), tmp_path / "runs", save_every=seconds):
        if isinstance(event, (RunStarted, PassFinished)):
            folder = event.run if isinstance(event, RunStarted) else copies[0][0]
            copies.append((folder, shutil.copytree(folder, tmp_path / f"killed-{len(copies)}")))
    assert [open_run(copy).snapshot.number for _, copy in copies] == saved
    for number, (_, copy) in enumerate(copies):
        lines = (copy / "passes.jsonl").read_bytes()
        assert lines.count(b"\n") == number
        (copy / "passes.jsonl").write_bytes(lines + b'{"pass": 99, "tra')  # a line of which a part was written
        (copy / ".snsim-new-0123456789ab").write_bytes(b"part of a checkpoint")
        if number < PASSES:  # and weights without their checkpoint
            (copy / "weights.safetensors").write_bytes((unstopped.folder / "weights.safetensors").read_bytes())
        list(resume(copy))
        same(open_run(copy), unstopped)
        assert len(list(copy.iterdir())) == 5


def test_a_run_that_fails_keeps_the_passes_that_were_told(tmp_path: Path) -> None:
    main = tmp_path / "diverging.sn"
    main.write_text(
        "(net n (layer input 1) (layer output 1) (connect input output (full)) (default (nlf linear)))"
        "(train n (data (examples [[1] [2]] [[1] [-1]])) (epsilon 30) (passes 400))"
    )
    program = read_program(main, port=io.StringIO())
    told = []
    with pytest.raises(SnError, match="diverged in pass") as caught:
        for event in run(program, program.trainings.get("n"), 1, Options(out=tmp_path)):
            if isinstance(event, PassFinished):
                told.append(event.done.number)
    assert len(told) > 3 and f"pass {told[-1] + 1}" in str(caught.value)
    assert open_run(tmp_path / "n").snapshot.number == told[-1]


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_that_a_library_swallows_is_heard(number: signal.Signals) -> None:
    before = signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    try:
        with Interrupts() as interrupts:
            interrupts.check()
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
            with pytest.raises(KeyboardInterrupt):
                interrupts.check()
            interrupts.check()  # once
        assert signal.getsignal(number) in (signal.default_int_handler, signal.SIG_DFL)
        signal.signal(number, signal.SIG_IGN)
        with Interrupts():
            signal.raise_signal(number)  # somebody wants it ignored
    finally:
        signal.signal(number, before)


def test_the_folder_is_the_truth(unstopped: Run, tmp_path: Path) -> None:
    settings = unstopped.settings
    assert settings["name"] == "several" and settings["seed"] == 4 and settings["presets"] == {"rate": 0.1}
    assert settings["started"] <= settings["finished"] and settings["data"]["train"] == 60
    assert settings["versions"]["numpy"] == np.__version__ and unstopped.is_finished
    assert unstopped.main_source.read_text() == PROGRAM
    assert (unstopped.main_source.parent / "parts" / "net.sn").read_text() == NET
    line = unstopped.passes[2]
    assert line["pass"] == 3 and line["presentations"] == 180 and line["test"] is None
    assert set(line["train"]) == {"loss", "half_mse", "mse", "error", "misses", "patterns"}
    assert {p.name for p in unstopped.folder.iterdir()} == {
        "source",
        "run.json",
        "passes.jsonl",
        "weights.safetensors",
        "checkpoint.safetensors",
    }
    events = list(resume(unstopped.folder))  # nothing is left to do
    assert [type(event) for event in events] == [RunStarted, RunFinished] and events[1].presentations == 0


def test_other_data_or_another_net_is_refused(tmp_path: Path) -> None:
    main = write_program(tmp_path / "program")
    events = start(main, tmp_path / "runs", passes=2)
    folder = next(events).run
    next(events)
    events.close()
    pattern_file = main.parent / "parts" / "x.pat"
    content = pattern_file.read_text()
    pattern_file.write_text(content.replace("1", "2"))
    with pytest.raises(SnError, match="are not those the run was started with"):
        list(resume(folder))
    pattern_file.write_text(content)
    copy = folder / "source" / "parts" / "net.sn"
    copy.write_text(NET.replace("(bias map)", "(bias unit)"))
    with pytest.raises(SnError, match=r"program has changed \(parts/net.sn in"):
        list(resume(folder))
    copy.write_text(NET)
    main_copy = folder / "source" / "main.sn"
    main_copy.write_text(PROGRAM.replace("alpha 0.6", "alpha 0.7"))
    with pytest.raises(SnError, match=r"program has changed \(main.sn in"):
        list(resume(folder))
    main_copy.write_text(PROGRAM)
    *_, last = resume(folder)
    assert isinstance(last, RunFinished) and last.completed and len(open_run(folder).passes) == 2


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("run.json", b"{"),
        ("run.json", b"[]"),
        ("run.json", b'{"format": 1}'),
        ("run.json", b'{"format": 2}'),
        ("checkpoint.safetensors", b"short"),
        ("checkpoint.safetensors", b"\xff" * 200),
        ("passes.jsonl", b"{}\n" * 7),
        ("passes.jsonl", b""),
        ("run.json", None),
        ("checkpoint.safetensors", None),
        ("passes.jsonl", None),
    ],
)
def test_a_damaged_folder_is_a_clear_error(file: str, content: bytes | None, unstopped: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(unstopped.folder, tmp_path / "run")
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    for read in (open_run, reopen_run, lambda path: list(resume(path))):
        with pytest.raises(SnError) as caught:
            read(folder)
        assert file in str(caught.value)


@pytest.mark.parametrize(
    ("part", "key"),
    [
        ("", "name"),
        ("", "seed"),
        ("", "versions"),
        ("", "data"),
        ("data", "wanted"),
        ("overrides", "data"),
        ("source", "root"),
    ],
)
def test_settings_of_another_kind_are_a_clear_error(part: str, key: str, unstopped: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(unstopped.folder, tmp_path / "run")
    settings = json.loads((folder / "run.json").read_text())
    within = settings[part] if part else settings
    within[key] = [] if key != "wanted" else 5
    if key == "data":
        within[key] = "some"
    (folder / "run.json").write_text(json.dumps(settings))
    named = f"{part}.{key}".lstrip(".")
    with pytest.raises(SnError, match=f"run.json is damaged: {named} must be "):
        list(resume(folder))


def test_the_checkpoint_of_another_net_is_refused(unstopped: Run, tmp_path: Path) -> None:
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file

    folder = shutil.copytree(unstopped.folder, tmp_path / "run")
    place = folder / "checkpoint.safetensors"
    with safe_open(place, framework="np") as file:
        about = file.metadata()
    save_file({**load_file(place), "h.bias": np.zeros(3)}, place, metadata=about)
    with pytest.raises(SnError, match=r'not those of this training: "h.bias" is float64 \(3,\), not float32 \(2,\)'):
        list(resume(folder))


def test_a_run_that_is_being_run_is_not_resumed(tmp_path: Path) -> None:
    events = start(write_program(tmp_path / "program"), tmp_path / "runs", passes=2)
    folder = next(events).run
    with pytest.raises(SnError, match="is being run already"):
        list(resume(folder))
    events.close()
    *_, last = resume(folder)
    assert isinstance(last, RunFinished) and last.completed


def test_the_runs_that_could_be_meant_are_named(unstopped: Run, tmp_path: Path) -> None:
    with pytest.raises(SnError, match=f"run folders: {unstopped.folder}"):
        open_run(unstopped.folder.parent)
    with pytest.raises(SnError, match="a run folder is runs/NAME"):
        open_run(tmp_path)


def test_a_path_out_of_the_sources_is_refused(unstopped: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(unstopped.folder, tmp_path / "run")
    settings = json.loads((folder / "run.json").read_text())
    settings["source"]["main"] = "../../elsewhere.sn"
    (folder / "run.json").write_text(json.dumps(settings))
    with pytest.raises(SnError, match="damaged"):
        open_run(folder)


def test_files_outside_of_the_program_are_refused(tmp_path: Path) -> None:
    main = write_program(tmp_path / "program")
    main.write_text(PROGRAM.replace("parts/x.pat", "../x.pat"))
    (tmp_path / "x.pat").write_text((main.parent / "parts" / "x.pat").read_text())
    with pytest.raises(SnError, match="outside the folder of the program"):
        list(start(main, tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()
