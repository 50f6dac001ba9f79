"""Without a package that is optional, or with a broken one, every command says what to install."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_run import make_runs

WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {names!r}:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)
sys.meta_path.insert(0, Missing())
"""
COMMAND = "from snsim.cli.main import main; sys.exit(main(sys.argv[1:]))"
# Runs programs with their arguments one after another, and prints exit code, output and errors of each.
ALL = """
import contextlib, io, json, traceback
done = []
for program, arguments in json.loads(sys.argv[1]):
    sys.argv = ["snsim", *arguments.split()]
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            exec(program, {"__name__": "__main__", "sys": sys})
        except SystemExit as end:
            code = end.code
        except BaseException:
            code = traceback.print_exc() or 1
    done.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(done))
"""
LOADED = "import snsim\ntry: snsim.load('tiny.sn')\nexcept snsim.SnError as error: print(error); sys.exit(1)"
COMPARED = (
    "import snsim\ntry: snsim.compare('tiny.sn', 'module.py:M', only='tiny')\n"
    "except snsim.SnError as error: print(error); sys.exit(1)"
)

CASES = [  # packages that are missing, program, arguments, what needs them, what to install
    ("torch", COMMAND, "show tiny.sn --stage torch", "--stage torch needs the package torch", "pip install torch"),
    ("torch", LOADED, "", "snsim.load needs the package torch", "pip install torch"),
    ("torch", COMPARED, "", "a comparison with a module needs the package torch", "pip install torch"),
    ("torch", COMMAND, "compare tiny.sn module.py:M --only tiny", "a comparison with a module needs", "name no module"),
    ("torch", COMMAND, "run tiny.sn --engine torch", "the torch engine needs the package torch", "reference engine"),
    ("llvmlite", COMMAND, "run tiny.sn --engine native", "the native engine needs the package llvmlite", "reference"),
    ("llvmlite", COMMAND, "show tiny.sn --stage llvm", "the native engine needs the package llvmlite", "pip install"),
    ("matplotlib", COMMAND, "plot runs/tiny", "a plot needs the package matplotlib", "pip install matplotlib"),
    ("matplotlib", COMMAND, "report runs/tiny", "needs the package matplotlib", "pip install matplotlib"),
    (
        "distributed dask",
        COMMAND,
        "reproduce tiny.sn --cluster tcp://127.0.0.1:1",
        "--cluster needs the package",
        'pip install "snsim[cluster]"',
    ),
    (
        "tensorboard",
        COMMAND,
        "run tiny.sn --tensorboard t",
        "--tensorboard needs the package tensorboard",
        'pip install "snsim[tensorboard]"',
    ),
    ("pygls", COMMAND, "lsp", "the language server needs the package pygls", 'pip install "snsim[lsp]"'),
    ("lsprotocol", COMMAND, "lsp", "the language server needs the package lsprotocol", 'pip install "snsim[lsp]"'),
    ("numpy", COMMAND, "check tiny.sn", "snsim needs the package numpy", "pip install numpy"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("missing")
    make_runs(made / "runs")
    (made / "tiny.sn").write_bytes((made / "runs" / "tiny.sn").read_bytes())
    (made / "module.py").write_text("import torch\nclass M(torch.nn.Module): pass\n")
    return made


WITHOUT_TORCH = (
    "--help",
    "list",
    "list net",
    "list run",
    "help mask",
    "check tiny.sn lecun89",
    "show tiny.sn",
    "show lecun89 --stage plan",
    "show tiny.sn --stage llvm",
    "fmt tiny.sn",
    "data digits --offline",
    "new mine",
    "new other --like lenet-5",
    "run tiny.sn --only tiny --quiet",
    "run net-1 --data digits --offline --passes 1 --engine reference",
    "run --resume runs/tiny",
    "plot tiny --text",
    "plot maps tiny --text",
    "plot net lecun89 --text",
    "reject tiny",
    "report tiny",
    "convert --to sn28 xor",
    "compare tiny.sn --only tiny --engine native",
    "reproduce tiny.sn --only tiny",
)


Outcome = tuple[int, str, str]  # exit code, output, errors


@pytest.fixture(scope="module")
def outcome(folder: Path) -> Callable[[str, str, str], Outcome]:
    """Return what a program does without some packages. All that lack the same packages run in one process."""
    done: dict[str, dict[tuple[str, str], Outcome]] = {}

    def outcome_of(missing: str, program: str, arguments: str) -> Outcome:
        if missing not in done:
            asked = [(each, words) for lacking, each, words, _, _ in CASES if lacking == missing]
            if missing == "torch":
                asked += [(COMMAND, words) for words in WITHOUT_TORCH]
            text = WITHOUT.format(names=set(missing.split())) + ALL
            process = subprocess.run(
                [sys.executable, "-c", text, json.dumps(asked)],
                cwd=folder,
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
            )
            assert process.returncode == 0, process.stderr
            done[missing] = dict(zip(asked, map(tuple, json.loads(process.stdout)), strict=True))
        return done[missing][program, arguments]

    return outcome_of


@pytest.mark.parametrize("arguments", WITHOUT_TORCH)
def test_a_command_that_needs_no_torch_works_without_it(
    arguments: str, outcome: Callable[[str, str, str], Outcome]
) -> None:
    code, _, err = outcome("torch", COMMAND, arguments)
    assert code == 0 and "torch is" not in err and "Traceback" not in err, err


@pytest.mark.parametrize(("missing", "program", "arguments", "sentence", "hint"), CASES)
def test_what_to_install_is_told(
    missing: str, program: str, arguments: str, sentence: str, hint: str, outcome: Callable[[str, str, str], Outcome]
) -> None:
    code, out, err = outcome(missing, program, arguments)
    told = out + err
    assert code == 1 and "Traceback" not in told, told
    assert sentence in told and hint in told, told
