"""A run folder records its data: later commands find them without being told, and refuse what has changed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_iris
from sklearn.preprocessing import StandardScaler
from test_one_addition import taken_away_again
from test_own_data import described, write_iris, write_pictures
from tiny_run import snsim

from snsim.data.catalog import DATA_SETS, DataSet
from snsim.data.examples import Split
from snsim.data.fetch import DataFile
from snsim.run_folder import lock_run
from snsim.runs.opened_run import OpenedRun

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Kind:
    """Data of one kind: the form in a description, how they are written and changed, and what --data names."""

    form: str
    shape: object
    outputs: int
    write: Callable[[Path], object]
    changed: str  # the file that is changed
    change: Callable[[Path], object]
    moved: str  # below the folder; "" for the folder itself


def write_arrays(folder: Path) -> None:
    draw = np.random.default_rng(2)
    np.save(folder / "x.npy", draw.normal(size=(30, 4)))
    np.save(folder / "y.npy", draw.integers(0, 3, 30))
    np.savetxt(folder / "in.txt", draw.normal(size=(30, 4)))
    np.savetxt(folder / "out.txt", draw.choice([-1, 1], (30, 3)), "%d")


SET = "".join(f"{n % 3} {n} {n * n % 7} 1 0\n" for n in range(30)).encode()


def read_set(contents: dict[str, bytes]) -> tuple[Split, Split]:
    """Thirty rows."""
    table = np.array([line.split() for line in contents["rows.txt"].decode().splitlines()], float)
    whole = Split(table[:, 1:] / 30, table[:, 0].astype(int))
    return whole, whole


def change_text(file: Path) -> None:
    file.write_text(re.sub(r"[1-9]", lambda digit: str(9 - int(digit[0])), file.read_text(), count=1))


IRIS = '(csv "iris.csv" (label species) (test 0.2) (standardize))'
KINDS = {
    "csv": Kind(IRIS, 4, 3, lambda folder: write_iris(folder / "iris.csv"), "iris.csv", change_text, "iris.csv"),
    "npy": Kind(
        '(npy "x.npy" "y.npy")',
        4,
        3,
        write_arrays,
        "y.npy",
        lambda file: np.save(file, 2 - np.load(file)),
        "",
    ),
    "patterns": Kind('(patterns "in.txt" "out.txt")', 4, 3, write_arrays, "in.txt", change_text, "in.txt"),
    "images": Kind(
        '(images "pics" (test 4))',
        "(24 24)",
        2,
        lambda folder: write_pictures(folder / "pics", 12),
        "pics/Ring/000.png",
        lambda file: Image.new("L", (24, 24)).save(file),
        "pics",
    ),
    "set": Kind("rows", 4, 3, lambda folder: (folder / "rows.txt").write_bytes(SET), "rows.txt", change_text, ""),
}


@pytest.fixture(autouse=True)
def rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A data set of the catalogue called `rows`, no SNSIM_DATA, an empty cache."""
    monkeypatch.delenv("SNSIM_DATA", raising=False)
    monkeypatch.setenv("SNSIM_CACHE", str(tmp_path / "cache"))
    file = DataFile("rows.txt", len(SET), hashlib.sha256(SET).hexdigest())
    with taken_away_again(DATA_SETS):
        DATA_SETS.add("rows", DataSet(read_set, (file,), (30, 30), (4,), 3), "Thirty rows.")
        yield


def start(tmp_path: Path, kind: Kind, *options: str) -> tuple[Path, Path, str]:
    """The data folder and the run folder of a run started with --data-dir, and what it printed."""
    data, home = tmp_path / "data", tmp_path / "home"
    for folder in (data, home):
        folder.mkdir()
    kind.write(data)
    file = described(home, kind.form, kind.shape, kind.outputs, 2)
    code, out, err = snsim("run", file, "--data-dir", os.path.relpath(data), "--out", home / "runs", *options)
    assert code == 0, err
    return data, home / "runs" / "n", out


def refused(*command: str | Path) -> str:
    code, _, err = snsim(*command)
    assert code == 1 and "Traceback" not in err, err
    assert "--data PATH" in err.split("hint: ", 1)[1]
    return err


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_data_are_found_again_moved_changed_and_gone(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digests in the refusal are those of hashlib."""
    data, run, _ = start(tmp_path, kind)
    picture = ("plot", "maps", run, "--text")
    monkeypatch.chdir("/")
    for command in (picture, ("run", "--resume", run, "--quiet")):
        code, _, err = snsim(*command)
        assert code == 0, err

    moved = tmp_path / "moved"
    data.rename(moved)
    refused(*picture)
    before = json.loads((run / "run.json").read_text())
    monkeypatch.chdir(tmp_path)
    code, _, err = snsim(*picture, "--data", os.path.relpath(moved / kind.moved))
    assert code == 0, err
    after = json.loads((run / "run.json").read_text())
    assert {**before, "data": after["data"]} == after and str(moved) in json.dumps(after["data"])
    monkeypatch.chdir("/")
    assert snsim(*picture)[0] == 0  # the new place is recorded
    copy = shutil.copytree(moved, tmp_path / "copy")
    assert snsim("run", "--resume", run, "--quiet", "--data", copy / kind.moved)[0] == 0

    shutil.rmtree(moved)
    file = copy / kind.changed
    old, whole = hashlib.sha256(file.read_bytes()).hexdigest(), file.read_bytes()
    kind.change(file)
    said = refused(*picture)
    if kind.form.startswith("(csv") or kind.form.startswith("(npy") or kind.form == "rows":
        assert old[:12] in said and hashlib.sha256(file.read_bytes()).hexdigest()[:12] in said
    assert refused("run", "--resume", run, "--quiet").count("error:") == 1
    assert str(copy) not in snsim("plot", "weights", run, "--text")[2]  # weights need no data
    file.write_bytes(whole)
    assert snsim(*picture)[0] == 0
    shutil.rmtree(copy)
    refused(*picture)
    code, _, err = snsim(*picture, "--data", tmp_path / "nowhere")
    assert code == 1 and "there is no file or folder" in err


def test_a_file_that_cannot_be_read_any_more_is_told_as_changed(tmp_path: Path) -> None:
    data, run, _ = start(tmp_path, KINDS["csv"])
    (data / "iris.csv").write_text("a,b\n1,\n")
    assert f"{data / 'iris.csv'} has changed since the run" in refused("reject", run)
    (data / "iris.csv").unlink()
    write_iris(data / "iris.csv")
    text = (data / "iris.csv").read_bytes()
    (data / "iris.csv").write_bytes(text.replace(b"\r\n", b"\n"))  # other bytes, the same numbers and names
    assert text != (data / "iris.csv").read_bytes() and snsim("reject", run)[0] == 0
    (data / "iris.csv").write_bytes(text.replace(b"setosa", b"Setosa"))
    assert "has changed since" in refused("reject", run)


def test_what_is_printed_works_in_any_later_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands after `next:` repeat the options; the last one repeats the run, bit for bit."""
    home = Path.cwd()
    options = ("--passes", "3", "--dtype", "float64", "--memory", "1GB", "--offline")
    _, run, out = start(tmp_path, KINDS["csv"], *options)
    printed = [shlex.split(line) for line in out.splitlines() if line.startswith("  snsim ")]
    assert [command[1] for command in printed] == ["plot", "report", "page", "predict", "show", "run"]
    repeated = " ".join(printed[-1][3:])
    for option in ("--data-dir", "--passes 3", "--dtype float64", f"--out {run.parent}", "--memory", "--offline"):
        assert option in repeated, repeated
    assert printed[-1][-2:] == ["--seed", "2"]
    files = {"plot": "n.png", "page": "n.html"}
    for command in printed[:3] + printed[4:]:  # FILE of predict is for the user
        code, _, err = snsim(*command[1:], *(["-o", tmp_path / files[command[1]]] if command[1] in files else []))
        assert code == 0, err
    monkeypatch.chdir("/")
    for command in (("plot", "misses", run, "--text"), ("report", run), ("reject", run), ("run", "--resume", run)):
        code, out, err = snsim(*command)
        assert code == 0, err
    monkeypatch.chdir(home)
    code, _, err = snsim(*printed[-1][1:-2], "--seed", "1", "--out", tmp_path / "again")
    assert code == 0, err
    weights = "weights.safetensors"
    assert (tmp_path / "again" / "n" / weights).read_bytes() == (run / weights).read_bytes()


def test_a_killed_run_resumes_after_its_data_were_moved(tmp_path: Path) -> None:
    """It ends with the same bits as a run that was never stopped, in a shell that knows nothing of the first."""
    data = tmp_path / "data"
    data.mkdir()
    write_iris(data / "iris.csv")
    described(tmp_path, IRIS, 4, 3, 1500)
    environment = {name: value for name, value in os.environ.items() if name != "SNSIM_DATA"}
    environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-m", "snsim", "run", "n.sn", "--quiet", "--data-dir", "data", "--out"]
    subprocess.run([*command, "whole"], cwd=tmp_path, env=environment, check=True)
    killed = subprocess.Popen([*command, "killed"], cwd=tmp_path, env=environment)
    log = tmp_path / "killed" / "n" / "passes.jsonl"
    while killed.poll() is None and not (log.exists() and log.read_bytes().count(b"\n") > 300):
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    data.rename(tmp_path / "moved")
    resume = [sys.executable, "-m", "snsim", "run", "--quiet", "--resume", str(tmp_path / "killed" / "n")]
    gone = subprocess.run(resume, cwd="/", env=environment, capture_output=True, text=True)
    assert gone.returncode == 1 and "--data PATH" in gone.stderr
    subprocess.run([*resume, "--data", str(tmp_path / "moved")], cwd="/", env=environment, check=True)
    for file in ("weights.safetensors", "checkpoint.safetensors"):
        assert (tmp_path / "killed" / "n" / file).read_bytes() == (tmp_path / "whole" / "n" / file).read_bytes()
    settings = json.loads((tmp_path / "killed" / "n" / "run.json").read_text())
    assert settings["finished"] is not None and settings["data"]["moved"] == str(tmp_path / "moved")


def test_a_run_keeps_the_files_that_its_program_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A matrix below the folder of the program: the run needs the original no more."""
    folder = tmp_path / "work"
    (folder / "given").mkdir(parents=True)
    header = np.array([0x1E3D4C51, 2, 2, 2, 1], "<i4")  # SN's: magic number, dimensions, sizes (three at least)
    (folder / "given" / "codes.mat").write_bytes(header.tobytes() + np.array([1, 0, 0, 1], "<f4").tobytes())
    (folder / "n.sn").write_text(
        """(net n (layer input 2) (layer h 2) (layer output 1)
             (connect input h (full) (codes ,(load-matrix "given/codes.mat")) (fixed)) (connect h output (full)))
           (train n (data (examples [[-1 -1] [1 -1] [1 1]] [[1] [-1] [1]])) (epsilon 0.1) (passes 4)
             (correct quadrant))"""
    )
    monkeypatch.chdir(folder)
    for seed in ("1", "2"):
        assert snsim("run", "n.sn", "--quiet", "--seed", seed)[0] == 0
    monkeypatch.chdir(tmp_path)
    shutil.move(folder / "runs", tmp_path / "runs")
    shutil.rmtree(folder)
    second = next(str(run) for run in (tmp_path / "runs").iterdir() if run.name != "n")
    for words in (("report", "runs/n"), ("run", "--resume", "runs/n"), ("compare", "runs/n", second)):
        code, _, err = snsim(*words)
        assert (code, err) == (int(words[0] == "compare"), "")  # 1: the runs differ, by their seed
    with (tmp_path / "runs/n/source/given/codes.mat").open("ab") as file:
        file.write(b"x")
    code, _, err = snsim("report", "runs/n")
    assert code == 1 and "has changed (given/codes.mat in source/)" in err


def test_the_record_is_that_of_the_file(tmp_path: Path) -> None:
    """Digest by hashlib, scaling by scikit-learn, names as the file spells them; runs without a record have none."""
    data, run, _ = start(tmp_path, KINDS["csv"])
    opened = OpenedRun.open(run)
    record, iris = opened.data_record, load_iris()
    assert record is not None and record.folder == str(data) and record.class_names == tuple(iris.target_names)
    digest = hashlib.sha256((data / "iris.csv").read_bytes()).hexdigest()
    assert [(file.name, file.sha256) for file in record.files] == [("iris.csv", digest)]
    assert record.scaling is not None and opened.found_examples.examples.record == record
    train = opened.found_examples.examples.train.inputs * record.scaling.divisor + record.scaling.offset
    scaler = StandardScaler().fit(train)
    np.testing.assert_allclose(record.scaling.apply(iris.data), scaler.transform(iris.data), rtol=1e-9, atol=1e-9)
    settings = json.loads((run / "run.json").read_text())
    for name in ("record", "folders"):
        del settings["data"][name]
    (run / "run.json").write_text(json.dumps(settings))
    assert OpenedRun.open(run).data_record is None
    assert snsim("reject", run, "--data", data)[0] == 0 and snsim("reject", run)[0] == 0
    assert OpenedRun.open(run).data_record == record
    for old in ("xor", "digits"):
        assert OpenedRun.open(ROOT / "tests" / "compat" / "runs" / old).data_record is None


def test_a_class_name_may_hold_any_character(tmp_path: Path) -> None:
    np.savez(tmp_path / "n.npz", x=np.random.default_rng(0).random((6, 2)), y=["a\0b", "\ud800", "\n"] * 2)
    file = described(tmp_path, '(npz "n.npz")', 2, 3, 1)
    assert snsim("run", file, "--quiet", "--out", tmp_path / "runs")[0] == 0
    code, _, err = snsim("plot", "maps", tmp_path / "runs" / "n", "--text")
    assert code == 0, err


def test_a_new_place_that_cannot_be_recorded_is_told(tmp_path: Path) -> None:
    """Another snsim has the run folder: the command does its work all the same."""
    data, run, _ = start(tmp_path, KINDS["csv"])
    data.rename(tmp_path / "moved")
    before = (run / "run.json").read_bytes()
    with lock_run(run):
        code, out, err = snsim("reject", run, "--data", tmp_path / "moved" / "iris.csv")
    assert code == 0 and out and "the new place of the data is not recorded" in err
    assert (run / "run.json").read_bytes() == before


def test_damaged_records_are_refused(tmp_path: Path) -> None:
    _, run, _ = start(tmp_path, KINDS["csv"])
    settings = json.loads((run / "run.json").read_text())
    damages: dict[str, Callable[[dict[str, object]], object]] = {
        "data.record.files[0]": lambda data: data["record"].update(files=[3]),  # type: ignore[attr-defined]
        "data.record.scaling.divisor[0]": lambda data: data["record"]["scaling"].update(divisor=["x"]),  # type: ignore[index]
        "data.record.scaling has 2 offsets": lambda data: data["record"]["scaling"].update(offset=[0, 0]),  # type: ignore[index]
        "data.moved": lambda data: data.update(moved=3),
        "data.folders": lambda data: data.update(folders={}),
        'unknown reader "no"': lambda data: data["record"].update(reader="no"),  # type: ignore[attr-defined]
    }
    for place, damage in damages.items():
        changed = json.loads(json.dumps(settings))
        damage(changed["data"])
        (run / "run.json").write_text(json.dumps(changed))
        code, _, err = snsim("reject", run, "--data", tmp_path / "data")
        assert code == 1 and place in err and "Traceback" not in err, (place, err)
