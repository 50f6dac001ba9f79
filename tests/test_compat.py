"""What commit 7ed90c2 wrote and what its users typed and imported: all of it still works. tests/compat/README.md tells
what the files are and which command made each."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from safetensors.numpy import load_file
from tiny_run import snsim

from snsim.gallery import gallery_names

ROOT = Path(__file__).resolve().parents[1]
OLD = ROOT / "tests" / "compat"
sys.path.insert(0, str(OLD))

from install_plugin import install  # noqa: E402

STOPPED = sorted(place.name for place in (OLD / "resumed").iterdir() if place.is_dir() and place.name != "plugin")
RUNS = ["xor", *STOPPED]
INTERFACE = json.loads((OLD / "interface.json").read_text())


def is_the_machine() -> bool:
    """Whether the expected values were computed by this processor with these packages."""
    import llvmlite.binding as llvm

    then = json.loads((OLD / "machine.json").read_text())
    now = {
        "cpu": llvm.get_host_cpu_name(),
        "features": sorted(name for name, there in llvm.get_host_cpu_features().items() if there),
        "versions": {name: metadata.version(name) for name in then["versions"]},
    }
    return bool(now == then)


def assert_same_weights(found: Path, expected: Path) -> None:
    """The same bits where the machine is the same, else the same but for the last digits."""
    mine, theirs = load_file(found), {named_today(name): array for name, array in load_file(expected).items()}
    assert {name: (a.shape, a.dtype) for name, a in mine.items()} == {
        name: (a.shape, a.dtype) for name, a in theirs.items()
    }
    for name, array in mine.items():
        if is_the_machine():
            assert array.tobytes() == theirs[name].tobytes(), name
        else:
            np.testing.assert_allclose(array, theirs[name], rtol=1e-3, atol=1e-5, err_msg=name)


def named_today(name: str) -> str:
    """The name of a parameter without hyphens, as in files after commit 7ed90c2."""
    return name.replace("-", "_")


def passes(path: Path) -> list[dict[str, Any]]:
    """The figures of passes.jsonl, but for the time."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [{key: value for key, value in line.items() if "seconds" not in key} for line in lines]


def assert_same_passes(found: Path, expected: Path) -> None:
    mine, theirs = passes(found), passes(expected)
    if is_the_machine():
        assert mine == theirs
        return
    assert [line["pass"] for line in mine] == [line["pass"] for line in theirs]
    for one, other in zip(mine, theirs):
        assert one["train"]["loss"] == pytest.approx(other["train"]["loss"], rel=1e-3)
        assert one.get("left") == other.get("left")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A copy of the run folders."""
    shutil.copytree(OLD / "runs", tmp_path / "runs")
    return tmp_path / "runs"


# ---- Runs --------------------------------------------------------------------------------------------------------


def test_there_are_runs_of_each_engine_and_each_kind_of_state() -> None:
    settings = [json.loads((OLD / "runs" / name / "run.json").read_text()) for name in RUNS]
    assert {(s["engine"], s["dtype"]) for s in settings} == {
        ("native", "float32"),
        ("reference", "float64"),
        ("torch", "float32"),
    }
    assert {rule for s in settings for rule in s["updates"]} == {"sgd", "lm", "heavy", "conjugate-gradient", "adamw"}
    assert all(s["format"] == 1 for s in settings)


@pytest.mark.parametrize("name", STOPPED)
def test_a_stopped_run_resumes_to_the_weights_it_had(name: str, runs: Path) -> None:
    before = passes(runs / name / "passes.jsonl")
    code, _, err = snsim("run", "--resume", runs / name, "--quiet", "--offline")
    assert code == 0, err
    expected = OLD / "resumed" / name
    assert passes(runs / name / "passes.jsonl")[: len(before)] == before
    assert_same_passes(runs / name / "passes.jsonl", expected / "passes.jsonl")
    assert_same_weights(runs / name / "weights.safetensors", expected / "weights.safetensors")


def test_a_finished_run_stays_as_it_is(runs: Path) -> None:
    before = {path: path.read_bytes() for path in (runs / "xor").rglob("*") if path.is_file()}
    code, out, err = snsim("run", "--resume", runs / "xor", "--quiet")
    assert code == 0 and "all 6 passes are already done" in out, err
    assert {path: path.read_bytes() for path in (runs / "xor").rglob("*") if path.is_file()} == before


DRAWN_FAST = ("digits", "pruned")  # one with pictures of its patterns, one with connections that are gone


@pytest.mark.parametrize(
    "name", [name if name in DRAWN_FAST else pytest.param(name, marks=pytest.mark.slow) for name in RUNS]
)
def test_a_run_is_drawn_and_reported(name: str, runs: Path) -> None:
    pictures = ["curves", "weights", "net", *(["maps", "misses", "confusion", "rejection"] if "digits" in name else [])]
    for picture in pictures:
        code, _, err = snsim("plot", picture, runs / name, "-o", runs / f"{picture}.svg")
        assert code == 0 and "</svg>" in (runs / f"{picture}.svg").read_text(), err
    code, _, err = snsim("report", runs / name)
    page = (runs / name / "report.html").read_text()
    last = passes(runs / name / "passes.jsonl")[-1]
    assert code == 0 and f"{last['train']['error']:.2f}" in page, err


def test_a_run_tells_what_it_must_reject(runs: Path) -> None:
    code, out, err = snsim("reject", runs / "digits", "--json")
    assert code == 0 and json.loads(out.splitlines()[0]), err


@pytest.mark.parametrize(
    "command", [("run", "--resume"), ("report",), ("plot", "curves"), ("plot", "weights"), ("reject",)], ids=" ".join
)
def test_a_later_format_is_refused_with_its_number(command: tuple[str, ...], runs: Path) -> None:
    place = runs / "digits" / "run.json"
    place.write_text(place.read_text().replace('"format": 1,', '"format": 17,'))
    before = {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()}
    code, _, err = snsim(*command, runs / "digits")
    assert code == 1 and "has format 17 of a later snsim; this version reads format 1" in err
    assert "damaged" not in err
    assert {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()} == before


# ---- Studies -----------------------------------------------------------------------------------------------------


def test_a_study_takes_the_runs_that_are_there(tmp_path: Path) -> None:
    for folder in ("study", "programs"):
        shutil.copytree(OLD / folder, tmp_path / folder)
    code, out, err = snsim(
        "reproduce",
        tmp_path / "programs" / "study.sn",
        "--out",
        tmp_path / "study",
        "--report",
        tmp_path / "new.md",
        "--jobs",
        "1",
    )
    assert code == 0, err
    assert out.count("done before") == 2
    mine, theirs = (
        json.loads(path.read_text())["studies"][0]["rows"]
        for path in (tmp_path / "new.json", OLD / "resumed" / "study.json")
    )
    assert [row["training"] for row in mine] == [row["training"] for row in theirs] == ["slow", "quick"]
    for one, other in zip(mine, theirs):
        assert one["notes"] == other["notes"] and one["published"] == other["published"]
        for figure in ("train-misses", "train-loss"):
            assert one["figures"][figure]["runs"] == other["figures"][figure]["runs"] == 2
            assert one["figures"][figure]["mean"] == pytest.approx(other["figures"][figure]["mean"], rel=1e-3)


# ---- Weight files and declarations -------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["xor.npz", "xor.safetensors"])
def test_weights_are_loaded(file: str, tmp_path: Path) -> None:
    """They are those of `xor` after three passes, whose loss the log of runs/xor has."""
    code, _, err = snsim(
        "run",
        OLD / "programs" / "xor.sn",
        "--initial",
        OLD / "weights" / file,
        "--set",
        "rate=0",
        "--passes",
        "1",
        "--quiet",
        "--out",
        tmp_path,
    )
    assert code == 0, err
    third = passes(OLD / "runs" / "xor" / "passes.jsonl")[2]
    (mine,) = passes(tmp_path / "xor" / "passes.jsonl")
    assert (
        mine["train"] == third["train"]
        if is_the_machine()
        else mine["train"]["loss"] == pytest.approx(third["train"]["loss"], rel=1e-4)
    )
    stored = {named_today(name): array for name, array in np.load(OLD / "weights" / "xor.npz").items()}
    for name, array in load_file(tmp_path / "xor" / "weights.safetensors").items():
        assert array.tobytes() == stored[name].astype(np.float32).tobytes(), name


def test_declarations_that_the_prompt_wrote_are_read(tmp_path: Path) -> None:
    shutil.copytree(OLD / "weights", tmp_path / "weights")
    code, _, err = snsim("run", tmp_path / "weights" / "declared.sn", "--quiet", "--out", tmp_path)
    assert code == 0, err
    assert_same_passes(tmp_path / "xor" / "passes.jsonl", OLD / "runs" / "xor" / "passes.jsonl")


def test_the_prompt_loads_weights(tmp_path: Path) -> None:
    forms = f'(load "{OLD}/programs/xor.sn") (train-now \'xor 1) (load-weights "{OLD}/weights/xor.npz") (perf)'
    done = subprocess.run(
        [sys.executable, "-m", "snsim", "repl"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        input=forms,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    loss = passes(OLD / "runs" / "xor" / "passes.jsonl")[2]["train"]["loss"]
    assert done.returncode == 0, done.stderr
    assert f"{loss:.4f}" in done.stdout or f"{loss:.4e}" in done.stdout, done.stdout


def test_load_makes_a_module_of_each_source() -> None:
    import torch

    import snsim as package

    for name in RUNS:
        (main,) = [path for path in (OLD / "runs" / name / "source").glob("*.sn")]
        module = package.load(main)
        stored = load_file(OLD / "runs" / name / "weights.safetensors")
        assert sum(p.numel() for p in module.parameters()) == sum(array.size for array in stored.values())
        module.load_weights({key: np.asarray(array, np.float64) for key, array in stored.items()})
        if name == "xor":  # the log has the loss of just these weights
            x = torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
            d = torch.tensor([[1.0], [-1], [1], [-1]])
            with torch.no_grad():
                loss = float(((module(x) - d) ** 2).mean() / 2)
            assert loss == pytest.approx(passes(OLD / "runs" / "xor" / "passes.jsonl")[-1]["train"]["half_mse"])


# ---- Programs of SN-2.8 ------------------------------------------------------------------------------------------


def test_a_program_writes_the_same_files(tmp_path: Path) -> None:
    """Their numbers are those of SN, on every machine."""
    code, _, err = snsim("run", OLD / "programs" / "sn28.sn", "--out", tmp_path, "--quiet")
    assert code == 0, err
    for file in ("xor.wei", "patterns.mat", "desired.mat", "1-signs.svg"):
        assert (tmp_path / "sn28" / file).read_bytes() == (OLD / "runs" / "sn28" / file).read_bytes(), file


def test_a_program_reads_the_files(tmp_path: Path) -> None:
    for file in ("xor.wei", "patterns.mat", "desired.mat"):
        shutil.copy(OLD / "runs" / "sn28" / file, tmp_path)
    (tmp_path / "read.sn").write_text("""(libload "sn28/sn28")
(alloc-net 10 20)
(build-net '((in 2) (hidden 2) (out 1)) '((in hidden) (hidden out)))
(load-net "xor.wei")
(setq pattern-matrix (load-matrix "patterns.mat"))
(setq desired-matrix (load-matrix "desired.mat"))
(save-net "again.wei")
(save-matrix pattern-matrix "patterns-again.mat")
(save-ascii-matrix desired-matrix "desired-again.mat")
""")
    code, _, err = snsim("run", tmp_path / "read.sn", "--out", tmp_path / "runs", "--quiet")
    assert code == 0, err
    for file, again in (
        ("xor.wei", "again.wei"),
        ("patterns.mat", "patterns-again.mat"),
        ("desired.mat", "desired-again.mat"),
    ):
        assert (tmp_path / "runs" / "read" / again).read_bytes() == (tmp_path / file).read_bytes(), file


def test_the_folder_of_a_program_is_refused_with_its_command(runs: Path) -> None:
    for command in (("run", "--resume"), ("report",), ("plot", "curves")):
        code, _, err = snsim(*command, runs / "sn28")
        assert code == 1 and f"snsim run {runs / 'sn28' / 'source' / 'sn28.sn'}" in err


# ---- What is typed and imported ----------------------------------------------------------------------------------


def commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield before + name, command
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")


def test_every_command_and_option_is_still_there() -> None:
    from snsim.cli.main import cli

    mine = dict(commands(cli))
    assert len(INTERFACE["commands"]) == 25  # 16 commands, and 9 pictures of plot
    for name, options in INTERFACE["commands"].items():
        there = {word for option in mine[name].params for word in option.opts + option.secondary_opts}
        assert not set(options) - there, name
        arguments = [option for option in mine[name].params if isinstance(option, click.Argument)]
        before = len(INTERFACE["arguments"][name])
        assert len(arguments) >= before and not any(new.required for new in arguments[before:]), name


def test_every_name_of_the_language_is_still_there() -> None:
    from snsim.glossary.names import kinds

    mine = {kind.name: {entry.name for entry in kind.entries()} for kind in kinds()}
    missing = {kind: gone for kind, names in INTERFACE["language"].items() if (gone := set(names) - mine[kind])}
    assert missing == {} and sum(map(len, INTERFACE["language"].values())) > 700


def test_every_public_name_of_python_is_still_there() -> None:
    package = importlib.import_module("snsim")
    assert set(INTERFACE["python"]) | {"__version__"} <= set(package.__all__)
    for name, arguments in INTERFACE["python"].items():
        there = list(inspect.signature(getattr(package, name)).parameters.values())
        assert [one.name for one in there][: len(arguments)] == arguments, name
        assert all(
            one.default is not one.empty or one.kind in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
            for one in there[len(arguments) :]
        ), f"{name} has a new argument that must be given"


def test_the_notebook_extension_has_its_name() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "snsim.notebook")
shell.run_line_magic("sn", "(* 6 7)")
""",
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0 and "42" in done.stdout, done.stderr


# ---- Plug-ins ----------------------------------------------------------------------------------------------------


def with_plugin(site: Path, folder: Path, *commands: tuple[str | Path, ...]) -> list[tuple[int, str, str]]:
    """Exit code, output and error of each command in one process that has the packages of `site`."""
    script = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); from tiny_run import snsim\n"
        "print(json.dumps([snsim(*command) for command in json.loads(sys.argv[2])]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(ROOT / "tests"), json.dumps([[str(a) for a in c] for c in commands])],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(site)])},
    )
    assert done.returncode == 0, done.stderr
    return [tuple(outcome) for outcome in json.loads(done.stdout)]


def test_a_plugin_of_then_works_and_its_run_resumes(tmp_path: Path, runs: Path) -> None:
    install(OLD / "plugin", tmp_path / "site")
    (checked, resumed, plotted, reported, listed, told, data) = with_plugin(
        tmp_path / "site",
        tmp_path,
        ("check", OLD / "programs" / "plugin.sn"),
        ("run", "--resume", runs / "plugin", "--quiet"),
        ("plot", "curves", runs / "plugin", "-o", "curves.svg"),
        ("report", runs / "plugin"),
        ("list",),
        ("help", "share"),
        ("data", "lines"),
    )
    for outcome in (checked, resumed, plotted, reported, listed, told, data):
        assert outcome[0] == 0, outcome[2]
    assert_same_passes(runs / "plugin" / "passes.jsonl", OLD / "resumed" / "plugin" / "passes.jsonl")
    assert_same_weights(runs / "plugin" / "weights.safetensors", OLD / "resumed" / "plugin" / "weights.safetensors")
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in listed[1].splitlines() if line.strip()}
    assert lines["skip-one"] == "Unit k to unit k + 1, each with a weight of its own; the last unit feeds nothing."
    assert lines["lines"].startswith("Twelve pictures of 2 x 3")
    assert lines["share"] == "at least this share of the outputs has the sign of its target"
    assert lines["reversed"] == "the reference engine with the patterns of a pass from the last to the first"
    assert "(correct share P)" in told[1] and "8 patterns" in data[1]


def test_a_run_without_its_plugin_is_refused_with_its_name(runs: Path) -> None:
    code, _, err = snsim("run", "--resume", runs / "plugin", "--quiet")
    assert code == 1 and 'unknown scheme "skip-one"' in err


@pytest.fixture(scope="module")
def page_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of docs/how-to/plugins.md, and its program."""
    blocks = dict(
        re.findall(
            r"^```(toml|python|lisp)\n(.*?)^```", (ROOT / "docs" / "how-to" / "plugins.md").read_text(), re.M | re.S
        )
    )
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "snsim_ring").mkdir()
    (folder / "pyproject.toml").write_text(blocks["toml"])
    (folder / "snsim_ring" / "__init__.py").write_text(blocks["python"])
    (folder / "ring.sn").write_text(blocks["lisp"])
    return folder


def test_the_plugin_of_the_page_works(page_project: Path, tmp_path: Path) -> None:
    install(page_project, tmp_path / "site")
    text = (page_project / "ring.sn").read_text()
    for name, change in (
        ("ring", ("", "")),
        ("wide", ("(my-ring 3)", "(my-ring 7)")),
        ("none", ("(my-ring 3)", "(my-ring)")),
        ("uneven", ("(layer h 4)", "(layer h 5)")),
        ("option", ("(my-ring 3)", "(my-ring 3) (step 2)")),
    ):
        (tmp_path / f"{name}.sn").write_text(text.replace(*change))
    ran, shown, wide, none, uneven, option, listed, data = with_plugin(
        tmp_path / "site",
        tmp_path,
        ("run", "ring.sn", "--engine", "rounded", "--dtype", "float64", "--quiet"),
        ("show", "ring.sn"),
        ("check", "wide.sn"),
        ("check", "none.sn"),
        ("check", "uneven.sn"),
        ("check", "option.sn"),
        ("list",),
        ("data", "parity"),
    )
    assert ran[0] == shown[0] == data[0] == 0, ran[2] + shown[2] + data[2]
    assert "input > h   12  (my-ring 3)" in shown[1]
    weights = load_file(tmp_path / "runs" / "ring" / "weights.safetensors")
    assert weights["input_h.weight"].shape == (3,)
    assert all((array * 256 == np.round(array * 256)).all() for array in weights.values())  # the engine of the page
    for name in ("my-ring", "parity", "within", "rounded"):  # a net of the gallery is called parity too
        assert len(re.findall(rf"^  {name} ", listed[1], re.M)) == 1 + (name in gallery_names()), name
    assert "K is 7, and input has 4 units" in wide[2] and "wide.sn:3:20" in wide[2]
    assert none[0] == 1 and "none.sn:3:" in none[2]
    assert "as many units in both layers: 4 in input, 5 in h" in uneven[2]
    assert '(my-ring ...) has no option "step"' in option[2]


DAMAGES = {
    "absent": (("import numpy as np", "import numpy as np, no_such_package"), "ModuleNotFoundError: No module named"),
    "raises": (("import numpy as np", "1 / 0"), "ZeroDivisionError: division by zero"),
    "other type": (
        ('@scheme("(my-ring K)", reads=("scale", "fixed"))\n', ""),
        "snsim_ring:ring of the package snsim-ring 1.0 is of the type function, not Scheme",
    ),
}


@pytest.mark.parametrize(("damage", "why"), DAMAGES.values(), ids=DAMAGES)
def test_a_plugin_that_fails_is_told_where_its_name_is_used(
    page_project: Path, tmp_path: Path, damage: tuple[str, str], why: str
) -> None:
    install(page_project, tmp_path / "site")
    place = tmp_path / "site" / "snsim_ring" / "__init__.py"
    assert damage[0] in place.read_text()
    place.write_text(place.read_text().replace(*damage))
    shutil.copy(page_project / "ring.sn", tmp_path)
    used, other, listed = with_plugin(
        tmp_path / "site", tmp_path, ("check", "ring.sn"), ("check", ROOT / "nets" / "xor.sn"), ("list", "scheme")
    )
    assert used[0] == 1 and 'ring.sn:3:21: error: the scheme "my-ring" cannot be used' in used[2] and why in used[2]
    assert "hint: update or uninstall the package" in used[2]
    assert other[0] == 0 and listed[0] == 0 and "one-to-one" in listed[1] and "  my-ring" not in listed[1]


def test_a_plugin_whose_name_snsim_has_is_said_to_be_hidden(page_project: Path, tmp_path: Path) -> None:
    """Once, where names are listed; the name means that of snsim."""
    install(page_project, tmp_path / "site")
    (points,) = (tmp_path / "site").glob("*.dist-info/entry_points.txt")
    points.write_text(points.read_text().replace("my-ring", "one-to-one"))
    told, again = (
        with_plugin(tmp_path / "site", tmp_path, *commands)
        for commands in ([("list", "scheme")], [("list",), ("list", "scheme")])
    )
    assert told[0][0] == 0
    assert told[0][2].startswith(
        "warning: the scheme one-to-one of the package snsim-ring 1.0 is hidden by that of snsim\n"
        "  hint: rename it to my-one-to-one in the package"
    )
    assert again[0][2] == told[0][2] and again[1][2] == "" and "Connect unit k to unit k" in told[0][1]


def test_plugins_gathers_documented_names_and_brings_no_torch() -> None:
    plugins = importlib.import_module("snsim.plugins")
    assert len(set(plugins.__all__)) == len(plugins.__all__) > 40
    for name in plugins.__all__:
        value = getattr(plugins, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            document = inspect.getdoc(value) or ""
            assert len(document) > 20 and not document.startswith(f"{name}("), name  # not the one dataclass writes
    done = subprocess.run(
        [sys.executable, "-c", "import sys, snsim.plugins; print(sorted(sys.modules))"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0 and "'snsim.plugins'" in done.stdout
    assert "'torch'" not in done.stdout and "'llvmlite'" not in done.stdout and "'matplotlib'" not in done.stdout
