"""`snsim export --to object`: the C example computes what PyTorch computes; other targets compile."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from gallery_trainings import WITHOUT_DELAYS
from page_runner import run_command, with_commands

import snsim
from snsim.cli.main import main
from snsim.export.c_object import export_object
from snsim.export.subject import subject_of_program
from snsim.program import read_program
from snsim.runs.options import Options

ROOT = Path(__file__).parents[1]
NETS = ROOT / "nets"
FEW = ["lecun89", "tdnn"]
ALL = [
    name if name in FEW else pytest.param(name, marks=pytest.mark.slow)
    for name in [path.stem for path in WITHOUT_DELAYS]
]
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")


def subject(name: str, dtype: str):
    program = read_program(NETS / f"{name}.sn")
    training = program.own_trainings[-1]
    data = ("digits",) if training.data.names else ()
    return subject_of_program(program, training.name, Options(online=False, data=data, dtype=dtype), print)


@needs_compiler
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ALL)
def test_the_example_in_c_computes_what_pytorch_computes(name, dtype, tmp_path):
    net = subject(name, dtype)
    done = export_object(net, tmp_path / "a net")
    assert done.notes == () and done.difference < {"float32": 1e-4, "float64": 1e-11}[dtype]
    folder = done.files[0].parent
    strict = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    subprocess.run(["cc", *strict, "example.c", "a_net.o", "-lm", "-o", "example"], cwd=folder, check=True)
    inputs = net.inputs[:20]
    text = "\n".join(" ".join(map(repr, row)) for row in inputs.tolist())
    ran = subprocess.run(["./example"], cwd=folder, input=text, capture_output=True, text=True, check=True)
    outputs = np.array([line.split() for line in ran.stdout.splitlines()], float)
    module = snsim.load(NETS / f"{name}.sn", net.name, dtype=getattr(torch, dtype)).eval()
    expected = module(torch.from_numpy(inputs.copy())).detach().numpy().reshape(len(inputs), -1)
    np.testing.assert_allclose(outputs, expected, atol={"float32": 2e-5, "float64": 1e-11}[dtype])
    weights = folder / "a_net.weights"
    weights.write_bytes(weights.read_bytes()[:-1])  # a file that is cut short is refused
    assert subprocess.run(["./example"], cwd=folder, input=text, capture_output=True, text=True).returncode == 1


@pytest.mark.parametrize(
    ("triple", "head"),
    [
        ("aarch64-linux-gnu", b"\x7fELF\x02\x01"),
        ("riscv64-linux-gnu", b"\x7fELF\x02\x01"),
        ("s390x-linux-gnu", b"\x7fELF\x02\x02"),  # big-endian
        ("arm64-apple-darwin", b"\xcf\xfa\xed\xfe"),
        ("x86_64-pc-windows-msvc", b"\x64\x86"),
    ],
)
def test_another_target_is_compiled_and_not_checked(triple, head, tmp_path):
    done = export_object(subject("net-5", "float32"), tmp_path / "net", triple)
    assert done.difference is None and done.notes == (f"not checked: {triple} is not this machine",)
    assert done.files[0].read_bytes().startswith(head)


def test_faults_of_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    net = str(NETS / "xor.sn")
    assert main(["export", net, "--to", "object", "--target", "no-such-machine"]) == 1
    assert "x86_64-linux-gnu" in capsys.readouterr().err
    assert main(["export", net, "--to", "torch", "--target", "x86_64-linux-gnu"]) == 2
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    assert main(["export", net, "--to", "object"]) == 0
    assert "not checked: there is no C compiler here" in capsys.readouterr().err


@pytest.mark.slow
@needs_compiler
def test_every_command_of_the_page_runs(tmp_path):
    """docs/reference/export.md, line by line, where nets/ and an empty folder runs/ are."""
    page = (ROOT / "docs" / "reference" / "export.md").read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    assert len(lines) == 11
    shutil.copytree(NETS, tmp_path / "nets")
    environment = with_commands(tmp_path)
    for line in lines:
        code, out, err = run_command(line, tmp_path, environment)
        assert code == 0, f"{line}\n{out}{err}"
    assert abs(float(out) + 1) < 1.2  # the last one prints the output for -1 1
