"""What `import snsim` offers: load, predict, load_data, run. Expected values: PyTorch, NumPy and the command."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from test_missing_packages import WITHOUT
from tiny_run import program
from tiny_run import snsim as command

import snsim
from snsim.errors import SnError

ROOT = Path(__file__).parents[1]
CSV = "a,b,c,kind\n" + "".join(
    f"{x:.2f},{y:.2f},{x - y:.2f},{'Up' if x > y else 'down'}\n"
    for x, y in np.random.default_rng(3).uniform(-1, 1, (60, 2))
)
OWN = """(net own (default (nlf sn-tanh) (bias unit)) (layer in 3) (layer h 4) (layer out 2)
  (connect in h (full)) (connect h out (full)))
(train own (data (csv "kinds.csv" (label kind) (test 0.25))) (forget-sqrt 1) (epsilon 0.1) (update sgd) (passes 30))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with own data, a file, and the runs `tiny` and `own` of the command."""
    place = tmp_path_factory.mktemp("python")
    (place / "kinds.csv").write_text(CSV)
    (place / "own.sn").write_text(OWN)
    (place / "tiny.sn").write_text(program())
    for file in ("own.sn", "tiny.sn"):
        code, _, err = command("run", place / file, "--quiet", "--out", place / "runs")
        assert code == 0, err
    return place


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


def test_a_run_is_loaded_with_its_weights(here: Path) -> None:
    """The misses of the log, counted again with the names that `predict` returns."""
    net = snsim.load("runs/own")
    assert not net.training
    for name, value in load_file("runs/own/weights.safetensors").items():
        assert torch.equal(net.state_dict()[name], value)
    rows = [line.split(",") for line in CSV.splitlines()[1:]]
    x, names = np.array([row[:3] for row in rows], float), [row[3] for row in rows]
    last = json.loads(Path("runs/own/passes.jsonl").read_text().splitlines()[-1])
    misses = sum(a != b for a, b in zip(net.predict(x), names))
    assert misses == last["train"]["misses"] + last["test"]["misses"]
    assert net.predict(torch.tensor(x[0])) == names[0] and isinstance(net.predict(x[:1]), list)
    assert set(net.predict(x)) == {"Up", "down"}
    bare = snsim.load("own")  # first a run in runs/, then a net of snsim
    assert torch.equal(bare(torch.tensor(x).float()), net(torch.tensor(x).float()))
    assert snsim.load("xor").output_shape == (1,)
    with pytest.raises(SnError, match='no file and no run "nothing", and no net of the gallery'):
        snsim.load("nothing")
    with pytest.raises(SnError, match="its seed cannot be changed"):
        snsim.load("runs/own", seed=2)
    with pytest.raises(SnError, match="has no classes"):
        snsim.load("xor").predict(np.zeros((1, 2)))
    with pytest.raises(SnError, match="an input of shape"):
        net.predict(np.zeros((2, 5)))


def test_a_file_is_loaded_with_its_initial_weights(here: Path) -> None:
    """Those of (initial "file") where the file says so, as `run` has them before pass 1."""
    first = snsim.load("own.sn", seed=7)
    text = OWN.replace("(forget-sqrt 1)", '(initial "weights.npz")')
    np.savez("weights.npz", **{name: value.numpy() for name, value in first.state_dict().items()})
    Path("initial.sn").write_text(text)
    again = snsim.load("initial.sn", dtype=torch.float64)
    assert again.training and again.in_h.weight.dtype == torch.float64
    for name, value in first.state_dict().items():
        assert torch.equal(again.state_dict()[name].float(), value)
    np.savez("weights.npz", **{"in_h.weight": np.zeros((3, 5))})
    with pytest.raises(SnError, match="in_h.weight.*3 x 5"):
        snsim.load("initial.sn")


def test_arrays_of_data(here: Path) -> None:
    x, y, tx, ty = snsim.load_data("digits")
    assert len(x) == len(y) == 1437 and len(tx) == len(ty) == 360 and y.dtype == np.int64
    assert (np.bincount(np.concatenate([y, ty])) == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]).all()
    x, y, tx, ty = snsim.load_data("kinds.csv")
    assert np.array_equal(x, np.loadtxt("kinds.csv", delimiter=",", skiprows=1, usecols=(0, 1, 2)))
    names = np.array([line.split(",")[3] for line in CSV.splitlines()[1:]])
    assert len(tx) == len(ty) == 0
    assert {(str(name), int(number)) for name, number in zip(names, y)} == {("down", 0), ("Up", 1)}
    with pytest.raises(SnError, match="digits"):
        snsim.load_data("digit")
    with pytest.raises(SnError, match="nothing.csv"):
        snsim.load_data("nothing.csv")


def test_a_run_from_python_is_that_of_the_command(here: Path) -> None:
    training = snsim.run("own.sn", passes=30, out="python")
    assert training.folder is None
    errors = [done.train.error for done in training]
    assert training.folder == Path("python/own") and len(errors) == training.passes == 30
    mine, theirs = (load_file(f"{place}/own/weights.safetensors") for place in ("python", "runs"))
    assert mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)
    before = sorted(here.rglob("*"))
    last = snsim.run("own.sn", out=None).finish()
    assert sorted(here.rglob("*")) == before
    assert last.number == 30 and last.train.error == errors[-1]
    for name, value in last.snapshot.parameters.items():
        assert torch.equal(torch.from_numpy(value), theirs[name])
    begun = snsim.run("own.sn", "own", passes=5, data="kinds.csv", out="python", seed=3)
    next(begun)
    begun.close()
    code, _, err = command("run", "--resume", begun.folder, "--quiet")
    assert code == 0, err
    with pytest.raises(SnError, match="no training"):
        snsim.run("own.sn", "other")
    with pytest.raises(SnError, match="at least 1 pass"):
        snsim.run("own.sn", passes=0, out=None).finish()


def test_hooks_fire_and_copies_compute_the_same(here: Path) -> None:
    """Forward hooks of layers and connections, deepcopy, torch.compile and torch.export; the states come from NumPy."""
    net, x = snsim.load("runs/tiny"), torch.rand(5, 4, 4)
    seen = {}
    for name, part in net.named_modules():
        if name:
            part.register_forward_hook(lambda module, arguments, result, name=name: seen.setdefault(name, result))
    outputs = net(x)
    assert set(seen) == {"input_a", "a", "a_b", "b", "b_output", "output"}
    sums = seen["b"].detach().numpy() @ net.b_output.weight.detach().numpy() + net.output.bias.detach().numpy()
    np.testing.assert_allclose(outputs.detach(), 1.7159 * np.tanh(sums * 2 / 3), rtol=1e-3)
    plain = snsim.load("runs/tiny")
    assert torch.equal(copy.deepcopy(plain)(x), outputs)
    torch.testing.assert_close(torch.compile(plain, backend="aot_eager")(x), outputs)
    exported = torch.export.export(plain, (x,))
    torch.testing.assert_close(exported.module()(x), outputs)
    opt = copy.deepcopy(plain).optimizer()  # a copy has its own optimizer
    opt.loss(opt._module(x), torch.ones(5, 2)).backward()
    opt.step()
    assert torch.equal(plain(x), outputs)


def test_devices(here: Path) -> None:
    net = snsim.load("runs/tiny", device="meta")
    assert {p.device.type for p in net.parameters()} | {b.device.type for b in net.buffers()} == {"meta"}
    assert net(torch.empty(3, 4, 4, device="meta")).shape == (3, 2)
    assert snsim.load("runs/tiny", device="cpu").output.bias.device.type == "cpu"


def test_the_torch_engine_on_a_device(here: Path) -> None:
    """The processor as a device: the bits of the engine; and what cannot be computed on is refused."""
    tiny = ("run", "tiny.sn", "--only", "tiny", "--quiet")
    for name, options in (("without", ("--engine", "torch")), ("with", ("--device", "cpu"))):
        code, _, err = command(*tiny, "--out", name, *options)
        assert code == 0, err
    plain, moved = (load_file(f"{name}/tiny/weights.safetensors") for name in ("without", "with"))
    assert all(torch.equal(plain[name], moved[name]) for name in plain)
    settings = json.loads(Path("with/tiny/run.json").read_text())
    assert (settings["engine"], settings["device"]) == ("torch", "cpu")
    for options, message in (
        (("--device", "meta"), 'cannot compute on the device "meta"'),
        (("--device", "nowhere"), 'cannot compute on the device "nowhere"'),
        (("--device", "cpu", "--engine", "native"), "write --engine torch"),
    ):
        code, _, err = command(*tiny, "--out", "refused", *options)
        assert code == 1 and message in err, err
    begun = snsim.run("tiny.sn", "tiny", device="cpu", out="resumed")
    next(begun)
    begun.close()
    assert command("run", "--resume", begun.folder, "--quiet")[0] == 0
    resumed = load_file("resumed/tiny/weights.safetensors")
    assert all(torch.equal(plain[name], resumed[name]) for name in plain)


def test_all_is_shown_and_described() -> None:
    assert {"load", "load_data", "run", "compare"} <= set(dir(snsim))
    for name in dir(snsim):
        text = getattr(snsim, name).__doc__ if name != "__version__" else "a text"
        assert text and len(text) > 5, name
    for name in ("load", "load_data", "run"):
        assert "Raises" in getattr(snsim, name).__doc__ and "Parameters" in getattr(snsim, name).__doc__


def test_the_page_runs(tmp_path: Path) -> None:
    """docs/reference/python.md: its blocks, in order, in one process."""
    page = (ROOT / "docs" / "reference" / "python.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.S)
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert len(blocks) == 3 and done.returncode == 0, done.stderr
    assert "torch.Size([1, 1])" in done.stdout and "(1437, 16, 16)" in done.stdout


def test_without_torch(here: Path) -> None:
    """Data, a run and its passes need no torch; load says what to install."""
    text = WITHOUT.format(names={"torch"}) + (
        "import snsim\nx, y, tx, ty = snsim.load_data('kinds.csv')\n"
        "print(snsim.run('own.sn', passes=2, out=None).finish().number, x.shape)\n"
        "try: snsim.load('runs/own')\nexcept snsim.SnError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stderr
    assert "2 (60, 3)" in done.stdout and "pip install torch" in done.stdout
