"""One opened run serves every picture and report: each file of it is read once, and only what is needed."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tiny_run import make_runs, program, snsim

from snsim.errors import SnError
from snsim.language.evaluator import Evaluator
from snsim.runs.opened_run import OpenedRun, OpenedText, open_net

opened: Counter[str] = Counter()
is_counting = False


def _count(event: str, arguments: tuple[object, ...]) -> None:
    if is_counting and event == "open":
        opened[str(arguments[0])] += 1


sys.addaudithook(_count)  # sees every file that Python opens; it cannot be removed, so a flag turns it off


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs of `tiny_run`, and one called `files`, whose patterns are in two files."""
    folder = make_runs(tmp_path_factory.mktemp("opened"))
    rng = np.random.default_rng(1)
    for name, columns in (("in", 16), ("out", 2)):
        values = rng.choice([-1, 1], (40, columns))
        values[:, -1] = -values[:, 0]  # two outputs: one class each
        np.savetxt(folder / f"{name}.txt", values, "%d")
    text = program().replace("(train tiny (data (examples", "(train files (net tiny) (data (examples")
    start = text.index("(data (examples", text.index("(train files"))
    end = text.index("(ensemble 0 19)")
    text = text[:start] + '(data (patterns "in.txt" "out.txt")) ' + text[end:]
    (folder / "files.sn").write_text(text)
    code, _, err = snsim("run", folder / "files.sn", "--only", "files", "--quiet", "--out", folder)
    assert code == 0, err
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ["report", "files", "-o", "page.html"],
        ["plot", "curves", "files", "--text"],
        ["plot", "weights", "files", "--text"],
        ["plot", "maps", "files", "--text"],
        ["plot", "misses", "files", "--text"],
        ["plot", "confusion", "files", "--text"],
        ["plot", "rejection", "files", "--text"],
        ["plot", "net", "files", "--text"],
        ["plot", "table", "files", "--text"],
        ["reject", "files"],
        ["run", "--resume", "files", "--quiet"],
    ],
    ids=" ".join,
)
def test_a_command_reads_each_part_of_a_run_once(
    command: list[str], runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    global is_counting
    evaluated: list[Path | None] = []
    run = Evaluator.run

    def counted(interpreter: Evaluator, source: object) -> object:
        evaluated.append(source.path)
        return run(interpreter, source)

    monkeypatch.setattr(Evaluator, "run", counted)
    monkeypatch.setattr("snsim.reports.page.figure", lambda *given: "")  # what is drawn is tested elsewhere
    monkeypatch.chdir(runs)
    opened.clear()
    is_counting = True
    try:
        code, _, err = snsim(*command)
    finally:
        is_counting = False
    assert code == 0, err
    counts = {Path(name).name: number for name, number in opened.items()}
    assert counts["run.json"] == counts["checkpoint.safetensors"] == 1
    text = [path for path in evaluated if path is not None and path.name == "files.sn"]
    data = [counts.get(name, 0) for name in ("in.txt", "out.txt")]
    without_net = "curves" in command
    without_data = without_net or command[1] in ("weights", "net", "table")
    assert len(text) == (0 if without_net else 1)
    assert data == ([0, 0] if without_data else [1, 1])


def test_net_and_weights_need_neither_data_nor_engine(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*given: object) -> None:
        raise AssertionError("data or an engine were asked for")

    monkeypatch.setattr("snsim.runs.opened_run.find_examples", refused)
    monkeypatch.setattr("snsim.runs.opened_run.engine_for_resume", refused)
    run = OpenedRun.open(runs / "tiny")
    stored = load_file(runs / "tiny" / "weights.safetensors")
    assert run.net.name == run.training.net.name == "tiny" and run.title == "tiny, pass 4"
    assert run.weights.keys() == stored.keys() and all((run.weights[name] == stored[name]).all() for name in stored)
    assert all(np.allclose(run.effective_weights[name], stored[name]) for name in stored)
    assert [text.name for text in run.texts] == ["tiny.sn"] and run.texts[0].text == program()


def test_an_opened_run_has_the_outputs_that_were_scored(runs: Path) -> None:
    run = OpenedRun.open(runs / "tiny")
    last = run.record.passes[-1]
    for split in ("train", "test"):
        outputs = run.outputs(split)
        assert outputs.outputs.shape == (20, 2) and run.outputs(split) is outputs
        assert int((~outputs.are_right).sum()) == last[split]["misses"]
    assert run.outputs() is run.outputs("test")
    with pytest.raises(SnError, match="has no test patterns"):
        OpenedRun.open(runs / "one").outputs("test")


def test_a_net_comes_from_a_text_or_a_run(runs: Path) -> None:
    text, run = open_net(runs / "tiny.sn", "tiny"), open_net(runs / "tiny")
    assert isinstance(text, OpenedText) and isinstance(run, OpenedRun)
    assert text.net.digest == run.net.digest and "tiny" in text.program.nets and "tiny" in run.program.nets


def test_torch_is_not_imported_for_a_run_of_another_engine(runs: Path) -> None:
    code = (
        "import sys; from snsim.runs.opened_run import OpenedRun; run = OpenedRun.open(sys.argv[1]); "
        "run.weights, run.outputs(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(runs / "tiny")], check=True)
