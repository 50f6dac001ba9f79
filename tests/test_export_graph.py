"""`snsim export --to onnx` and `--to pt2`, and the module under PyTorch's own transformations."""

import copy
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from gallery_trainings import WITHOUT_DELAYS

import snsim
from snsim.cli.main import main
from snsim.export.graph import export_onnx, export_pt2
from snsim.export.subject import subject_of_program
from snsim.program import read_program
from snsim.runs.options import Options

NETS = Path(__file__).parents[1] / "nets"
FEW = ["lecun89"]
ALL = [
    name if name in FEW else pytest.param(name, marks=pytest.mark.slow)
    for name in [path.stem for path in WITHOUT_DELAYS]
]


def subject(name: str):
    program = read_program(NETS / f"{name}.sn")
    training = program.own_trainings[-1]
    return subject_of_program(program, training.name, Options(online=False, data=("digits",) * _has(training)), print)


def _has(training) -> int:
    return int(bool(training.data.names))


@pytest.mark.parametrize("name", ALL)
def test_onnxruntime_computes_the_same(name, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    net = subject(name)
    assert export_onnx(net, tmp_path / "net.onnx").difference < 1e-4
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"))
    assert json.loads(session.get_modelmeta().custom_metadata_map["snsim"])["name"] == net.name
    for patterns in (1, 3):  # one model for any number of patterns
        inputs = net.inputs[:patterns].reshape(-1, *net.plan.input_shape)
        outputs = session.run(["outputs"], {"inputs": inputs})[0]
        expected = snsim.load(NETS / f"{name}.sn", net.name)(torch.from_numpy(inputs)).detach().numpy()
        np.testing.assert_allclose(outputs, expected, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_a_program_of_torch_export_runs_without_snsim(name, tmp_path):
    net = subject(name)
    assert export_pt2(net, tmp_path / "net.pt2").difference < 1e-4
    inputs = net.inputs[:3].reshape(-1, *net.plan.input_shape)
    torch.save(torch.from_numpy(inputs.copy()), tmp_path / "x.pt")
    script = (
        "import sys, torch; sys.modules.update(dict.fromkeys(('snsim', 'lark'))); "
        "x = torch.load('x.pt'); print(torch.export.load('net.pt2').module()(x).flatten().tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    expected = snsim.load(NETS / f"{name}.sn", net.name)(torch.from_numpy(inputs)).detach().flatten().tolist()
    np.testing.assert_allclose(json.loads(done.stdout), expected, rtol=1e-6, atol=1e-5)


WITH_SLOW = [
    name if name in ("lecun89", "micro-vit", "ladder-weight-norm") else pytest.param(name, marks=pytest.mark.slow)
    for name in ("lecun89", "encoder", "tdnn", "micro-vit", "ladder-weight-norm")
]


@pytest.mark.parametrize("name", WITH_SLOW)
def test_the_module_is_copied_compiled_and_loaded_like_any_other(name, tmp_path):
    net = snsim.load(NETS / f"{name}.sn").eval()
    inputs = torch.rand(3, *net.input_shape, generator=torch.Generator().manual_seed(0))
    expected = net(inputs)
    assert torch.equal(copy.deepcopy(net)(inputs), expected)
    other = snsim.load(NETS / f"{name}.sn", seed=9).eval()
    assert not torch.equal(other(inputs), expected)
    other.load_state_dict(net.state_dict())
    assert torch.equal(other(inputs), expected)
    torch.save(net, tmp_path / "net.pt")
    for again in (pickle.loads(pickle.dumps(net)), torch.load(tmp_path / "net.pt", weights_only=False)):
        assert torch.equal(again(inputs), expected) and again.classes == net.classes
        rates = [group["lr"] for group in again.optimizer().param_groups]
        assert all(np.array_equal(a, group["lr"]) for a, group in zip(rates, net.optimizer().param_groups))
    called = []
    hooks = [part.register_forward_hook(lambda part, *_: called.append(part)) for part in net.children()]
    assert torch.equal(net(inputs), expected) and set(called) == set(net.children())
    for hook in hooks:
        hook.remove()
    exported = torch.export.export(net, (inputs,)).module()
    torch.testing.assert_close(exported(inputs), expected)
    torch._dynamo.reset()
    compiled = torch.compile(net, backend="eager", fullgraph=True)  # fullgraph: an error where it cannot be traced
    torch.testing.assert_close(compiled(inputs), expected)
    torch.testing.assert_close(compiled(inputs[0]), expected[0])
    torch._dynamo.reset()


@pytest.mark.slow  # the test above reads pickled modules in this process
def test_a_pickled_module_is_read_in_another_process(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (NETS / "xor.sn").read_text().replace("(full)", "(pairs (0 0) (0 1) (1 0) (1 1))", 1)
    assert "(pairs" in text  # a connection with a table of its own
    (tmp_path / "net.sn").write_text(text)
    net = snsim.load("net.sn", seed=3)
    torch.save(net, "net.pt")
    script = (
        "import torch; net = torch.load('net.pt', weights_only=False); opt = net.optimizer(); x = torch.ones(1, 2); "
        "opt.loss(net(x), torch.ones(1, 1)).backward(); opt.step(); print(net(x).item())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    opt, x = net.optimizer(), torch.ones(1, 2)
    opt.loss(net(x), torch.ones(1, 1)).backward()
    opt.step()
    assert float(done.stdout) == net(x).item()


def test_a_convolution_in_float64_is_refused_with_a_remedy(tmp_path, monkeypatch, capsys):
    """ONNX Runtime has convolutions in float32 only."""
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(NETS / "lecun89.sn"), "--to", "onnx", "--dtype", "float64"]) == 1
    told = capsys.readouterr().err
    assert "ONNX Runtime does not run the model in float64" in told and "--dtype float32" in told
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named_with_the_extra(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert main(["export", str(NETS / "xor.sn"), "--to", "onnx"]) == 1
    told = capsys.readouterr().err
    assert "onnxruntime" in told and 'pip install "snsim[onnx]"' in told
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", ["torch", "object", "pt2", pytest.param("onnx", marks=pytest.mark.slow)])
def test_layers_and_connections_may_have_words_of_python_as_names(form, tmp_path, capsys):
    if form == "onnx":
        pytest.importorskip("onnxruntime")
    file = tmp_path / "words.sn"
    file.write_text(
        "(net words (layer in 2) (layer class 3) (layer lambda 2)"
        " (connect in class (full) (name def)) (connect class lambda (full) (name is)))"
    )
    ending = {"torch": ".py", "object": ""}.get(form, f".{form}")
    assert main(["export", str(file), "--to", form, "-o", str(tmp_path / f"out{ending}")]) == 0, capsys.readouterr()


def test_the_hint_for_an_ending_keeps_the_folder(tmp_path, capsys):
    file = tmp_path / "n.sn"
    file.write_text("(net n (layer in 2) (layer out 1) (connect in out (full)))")
    assert main(["export", str(file), "--to", "torch", "-o", str(tmp_path / "made")]) != 0
    assert f"write -o {tmp_path / 'made.py'}" in "".join(capsys.readouterr())
