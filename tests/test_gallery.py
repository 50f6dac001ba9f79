"""Names and the gallery: what a word names, `list net`, shipped weights, `new`, from a wheel too."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import venv
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from data_folder import MNIST, need_data
from page_runner import run_command, with_commands
from safetensors.numpy import load_file
from tiny_run import make_runs, snsim

from snsim import gallery
from snsim.cache_folder import CacheWarning
from snsim.errors import SnError
from snsim.gallery import ShippedWeights, find_named, gallery_folder, gallery_names, shipped_weights
from snsim.glossary import gallery_list
from snsim.program import read_program
from snsim.runs.examples import examples_of
from snsim.runs.options import Options, overridden
from snsim.training.initial_files import load_initial

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = sorted(file.stem for file in (ROOT / "nets" / "weights").glob("*.safetensors"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the runs `tiny` and `one` in runs/, and the folder `alone`, which is a run too."""
    make_runs(tmp_path / "runs")
    (tmp_path / "runs" / "one").rename(tmp_path / "alone")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_a_word_names(place: Path) -> None:
    def named(word: str, *kinds: str) -> tuple[str, str]:
        found = find_named(word, kinds or ("run", "net"))
        return found.kind, str(found.path)

    assert named("tiny") == named("tiny", "run") == ("run", "runs/tiny")
    assert named("alone") == named("alone", "run") == ("path", "alone")  # a folder here
    assert named("lecun89") == ("net", str(ROOT / "nets" / "lecun89.sn"))
    for path in ("./lecun89", "lecun89.sn", "runs/tiny", ".", "-", "nowhere/x"):
        assert named(path) == ("path", str(Path(path)))
    (place / "runs" / "lecun89").symlink_to(place / "alone")  # a run comes first, but not for `snsim run`
    assert named("lecun89") == ("run", "runs/lecun89") and named("lecun89", "net")[0] == "net"
    assert "the net of the gallery is" in find_named("lecun89").sentence
    (place / "mine.sn").write_text("")
    for word, hint in (("mine", "did you mean the file mine.sn"), ("lecun98", 'did you mean "lecun89"')):
        with pytest.raises(SnError, match="no net of the gallery has this name") as caught:
            find_named(word)
        assert hint in str(caught.value)


def test_commands_take_names_and_say_what_was_taken(place: Path) -> None:
    code, out, err = snsim("check", "net-2")
    assert code == 0 and out.startswith("net-2: net net-2, ") and "net-2 means the net of the gallery" in err
    for command in (
        ["plot", "tiny", "--text"],
        ["plot", "weights", "tiny", "--text"],
        ["plot", "net", "tiny", "--text"],
        ["reject", "tiny"],
        ["report", "tiny"],
        ["run", "--resume", "tiny"],
    ):
        code, _, err = snsim(*command)
        assert code == 0 and "tiny means the run runs/tiny" in err, (command, err)
    assert snsim("plot", "net", "net-1", "--text")[0] == 0
    code, out, err = snsim("run", "xor", "--passes", "1", "--json")
    assert code == 0 and "gallery" not in err and all(json.loads(line) for line in out.splitlines())
    code, _, err = snsim("run", "lecun")
    assert code == 1 and 'no file "lecun"' in err and "did you mean" in err


def test_a_folder_or_file_here_does_not_change_what_a_name_means(place: Path) -> None:
    """A run comes first, then the gallery; the line that says so names what is here, which `./NAME` means."""
    (place / "tiny").mkdir()
    (place / "encoder").write_text("")  # a file
    (place / "xor").mkdir()
    for command, sentence in (
        (["export", "tiny", "--to", "torch"], "tiny means the run runs/tiny (write ./tiny for the folder here)"),
        (["show", "encoder"], f"{ROOT / 'nets' / 'encoder.sn'} (write ./encoder for the file here)"),
        (
            ["check", "xor"],
            f"xor means the net of the gallery, {ROOT / 'nets' / 'xor.sn'} (write ./xor for the folder here)",
        ),
        (["run", "xor", "--passes", "1"], " (write ./xor for the folder here)"),
        (["test", "tiny"], "tiny means the run runs/tiny (write ./tiny for the folder here)"),
    ):
        code, _, err = snsim(*command)
        assert code == 0 and sentence in err, (command, err)
    for command in (
        ["export", "./tiny", "--to", "onnx"],
        ["report", "./tiny"],
        ["export", "./encoder", "--to", "onnx"],
    ):
        code, _, err = snsim(*command)
        assert code == (0 if command[0] == "check" else 1) and "the run" not in err and "gallery" not in err, (
            command,
            err,
        )


def test_what_is_printed_next_runs_as_it_is_printed(place: Path) -> None:
    code, out, err = snsim(
        "run",
        "net-1",
        "--data",
        "digits",
        "--passes",
        "1",
        "--offline",
        "--engine",
        "reference",
        "--seed",
        "4",
        "--seed",
        "5",
        "--memory",
        "1500MB",
        "--out",
        "my runs",
    )
    assert code == 0, err
    assert out.count("next:") == 1
    lines = [line.strip() for line in out.split("next:\n")[1].splitlines()]
    assert lines == [
        "snsim plot 'my runs/net-1-seed4' 'my runs/net-1-seed5'",
        "snsim report 'my runs/net-1-seed5' --memory 1500MB --offline",
        "snsim page 'my runs/net-1-seed5' --memory 1500MB --offline",
        *(["snsim predict 'my runs/net-1-seed5' FILE"] if "predict" in snsim("--help")[1] else []),
        "snsim show net-1",
        "snsim run net-1 --passes 1 --engine reference --data digits --memory 1500MB --offline --out 'my runs' "
        "--seed 6",
    ]
    for line in lines:
        if not line.endswith("FILE"):
            assert snsim(*shlex.split(line)[1:])[0] == 0, line
    assert (place / "my runs" / "net-1-seed6").is_dir()


def test_nets_are_listed_with_their_figures() -> None:
    code, out, _ = snsim("list", "net", "--json")
    entries = {entry["name"]: entry for entry in map(json.loads, out.splitlines())}
    assert code == 0 and sorted(entries) == gallery_names() == sorted(p.stem for p in (ROOT / "nets").glob("*.sn"))
    paper = entries["lecun89"]["trainings"][0]  # LeCun et al. 1989: 9,760 parameters, 102 mistakes of 2,007
    assert (paper["weights"], paper["published"]["test-misses"]) == (9760, 102)
    assert "Neural Computation 1:541-551 (1989)" in entries["lecun89"]["doc"]
    assert {name for name, entry in entries.items() if entry["shipped"]} == set(SHIPPED)
    text = " ".join(snsim("list", "net")[1].split())
    for name in SHIPPED:
        assert " ".join(shipped_weights(name).summary.split()) in text  # type: ignore[union-attr]
    assert snsim("help", "lecun89")[1].startswith("lecun89: net of the gallery")
    assert "lecun89 " in snsim("list")[1]


def test_the_list_in_the_cache_is_used_until_the_gallery_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, read = tmp_path / "nets", []
    folder.mkdir()
    net = (
        "(net {0} (layer i 2) (layer o 3) (connect i o (full)))\n"
        "(train {0} (data (examples [[1 2]] [[1 1 1]])) (passes 1) (epsilon 1))\n"
    )
    for name in ("one", "two"):
        (folder / f"{name}.sn").write_text(f";;; The net {name}.\n" + net.format(name))
    monkeypatch.setenv("SNSIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(gallery, "gallery_folder", lambda: folder)
    monkeypatch.setattr(gallery_list, "gallery_folder", lambda: folder)
    original = gallery_list._read_entry
    monkeypatch.setattr(gallery_list, "_read_entry", lambda name: read.append(name) or original(name))

    def listed() -> list[tuple[str, int]]:
        return [(entry["doc"], entry["trainings"][0]["weights"]) for entry in gallery_list.gallery_entries()]

    expected = [("The net one.", 9), ("The net two.", 9)]
    assert listed() == listed() == expected and read == ["one", "two"]
    assert gallery_list.gallery_entry("two")["name"] == "two" and read == ["one", "two"]
    entry = tmp_path / "cache" / "gallery"
    good = entry.read_bytes()
    for damaged in (good[:-1], b"", good[:20] + b"x" + good[21:]):
        entry.write_bytes(damaged)
        assert listed() == expected and entry.read_bytes() == good
    (folder / "two.sn").write_text(
        ";;; Another net.\n" + net.format("two").replace("o 3", "o 4").replace("1 1 1", "1 1 1 1")
    )
    assert listed() == [("The net one.", 9), ("Another net.", 12)]
    read.clear()
    entry.chmod(0o666)  # others could have written it
    with pytest.warns(CacheWarning, match="can be written by others"):
        assert listed() == [("The net one.", 9), ("Another net.", 12)] and read == ["one", "two"]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_fit_their_net_and_the_notice(name: str) -> None:
    shipped = shipped_weights(name)
    assert shipped is not None
    training = read_program(gallery_folder() / f"{name}.sn").trainings.get(shipped.training)
    assert training.net.digest == shipped.net_digest and training.passes == shipped.passes and shipped.seed == 1
    stored = load_file(shipped.path)  # safetensors' own reader
    weights = load_initial(shipped.path, training.net)
    assert sum(values.size for values in stored.values()) == training.net.counts.weights
    assert {str(values.dtype) for values in stored.values()} == {"float32"}
    assert set(weights) == {parameter.name for parameter in training.net.parameters if parameter.learns}
    notice = (ROOT / "NOTICE").read_text()
    count = f"{training.net.counts.weights:,}"
    assert re.search(rf"{name}\.safetensors +{count} weights +{re.escape(shipped.command)} ", notice)


@pytest.mark.needs_data(*MNIST)
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_have_the_misses_that_are_recorded(name: str) -> None:
    """Counted from the outputs of the module of PyTorch, not of the engine that scored the training."""
    import torch

    import snsim as package
    from snsim.training.prepare import prepare_data

    need_data(*MNIST)
    shipped = shipped_weights(name)
    assert shipped is not None
    program = read_program(gallery_folder() / f"{name}.sn")
    options = Options(data=(shipped.data,), online=False)
    training = overridden(program.trainings.get(shipped.training), options)
    examples = examples_of(program, training, options, lambda sentence: None)
    assert examples.digest == shipped.data_digest
    data = prepare_data(training, examples, "float32")
    module = package.load(gallery_folder() / f"{name}.sn", shipped.training)
    module.load_weights(load_initial(shipped.path, training.net))
    module.eval()
    for patterns, misses in ((data.train, shipped.train_misses), (data.test, shipped.test_misses)):
        if len(patterns) > 20_000:
            continue  # the 60,000 of MNIST take a minute
        with torch.no_grad():
            outputs = (
                module(torch.as_tensor(np.asarray(patterns.inputs, np.float32))).reshape(len(patterns), -1).numpy()
            )
        wrong = int((outputs.argmax(1) != patterns.targets.argmax(1)).sum())
        assert abs(wrong - misses) <= 1  # PyTorch adds in another order: one pattern may be on the border


def test_a_damaged_header_of_weights_is_told(tmp_path: Path) -> None:
    for metadata in ({}, {"snsim": "no json"}, {"snsim": '{"data": "x"}'}):
        with pytest.raises(SnError, match="header is not known"):
            ShippedWeights.of(tmp_path / "x.safetensors", metadata)


def test_new_writes_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = snsim("new", "mine")
    assert code == 0 and out.startswith("mine.sn\nnext:\n  snsim check mine.sn\n"), err
    assert snsim("fmt", "--check", "mine.sn")[0] == 0
    code, out, err = snsim("run", "mine.sn", "--quiet")
    assert code == 0, err
    assert int(re.search(r"test (\d+) misses", out)[1]) < 60  # type: ignore[index]  # of 360: it learns
    assert snsim("new", "mine")[0] == 1 and "not overwritten" in snsim("new", "mine")[2]
    for name in ("../x", "Mine", "2x", "", "a b", "x.txt"):
        code, _, err = snsim("new", name)
        assert code == 1 and "is not a name for a net" in err and "hint:" in err


@pytest.mark.parametrize("name", gallery_names())
def test_a_copy_of_a_gallery_net_is_the_same_net(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = snsim("new", "mine", "--like", name)
    assert code == 0, err
    original, copy = read_program(ROOT / "nets" / f"{name}.sn"), read_program(tmp_path / "mine.sn")
    assert [t.net.digest for t in copy.own_trainings] == [t.net.digest for t in original.own_trainings]
    renamed = ["mine" if t.name == name else t.name for t in original.own_trainings]
    assert [t.name for t in copy.own_trainings] == renamed

    def complete(file: Path) -> str:
        return re.sub(r" *;.*", "", snsim("show", file, "--stage", "net")[1])

    assert re.sub(r"\bmine\b", name, complete(tmp_path / "mine.sn")) == complete(ROOT / "nets" / f"{name}.sn")
    assert snsim("new", "mine", "--like", name)[0] == 1
    assert snsim("new", "other", "--like", name)[0] == 0  # the included files are there, unchanged
    assert "did you mean" in snsim("new", "x", "--like", name + "x")[2]


def test_a_name_that_the_gallery_file_uses_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = snsim("new", "lecun89", "--like", "lecun89-2022")
    assert code == 1 and "uses the name" in err and not list(tmp_path.iterdir())


def test_the_page_on_the_gallery_runs_as_it_is_shown(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "reference" / "gallery.md").read_text()
    commands = [line for block in re.findall(r"^```sh\n(.*?)^```", page, re.M | re.S) for line in block.splitlines()]
    assert len(commands) >= 12 and all(line.startswith("snsim ") for line in commands)
    environment = with_commands(tmp_path)
    for line in commands:
        code, out, err = run_command(line, tmp_path, environment)
        assert code == 0, f"{line}\n{out}{err}"
    assert {"mine.sn", "small.sn", "compared.svg"} <= {path.name for path in tmp_path.iterdir()}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment with the wheel, which sees the other packages of this one. No network."""
    pytest.importorskip("hatchling", reason="hatchling builds the wheel")
    folder = tmp_path_factory.mktemp("installed")
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = (folder / "dist").glob("*.whl")
    venv.create(folder / "venv", with_pip=False)
    site = Path(
        subprocess.run(
            [folder / "venv" / "bin" / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    )
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", str(site), str(wheel)],
        check=True,
        capture_output=True,
    )
    others = Path(find_spec("numpy").origin).parents[1]  # type: ignore[union-attr, arg-type]
    (site / "others.pth").write_text(f"{others}\n")
    return folder / "venv" / "bin" / "python"


def test_the_wheel_runs_the_gallery_outside_the_repository(installed: Path, tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "SNSIM_DATA")}
    environment["SNSIM_CACHE"] = str(tmp_path / "cache")

    where = subprocess.run(
        [installed, "-c", "import snsim.gallery as g; print(g.__file__); print(g.gallery_folder())"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    site = installed.parents[1].resolve()
    assert all(Path(place).resolve().is_relative_to(site) for place in where), where
    package = Path(where[1])
    for kind in ("*.sn", "studies/*.sn", "weights/*.safetensors"):
        assert {p.name: p.read_bytes() for p in package.glob(kind)} == {
            p.name: p.read_bytes() for p in (ROOT / "nets").glob(kind)
        }
    commands = (
        ["run", "lecun89", "--data", "digits", "--passes", "1", "--offline"],  # the digits travel too
        ["list", "net"],
        ["list", "run"],
        ["report", "lecun89"],
        ["new", "mine", "--like", "lenet-1"],
        ["check", "mine.sn", "ladder-weight-norm"],
    )
    done = subprocess.run(
        [installed, "-c", RUN_COMMANDS, json.dumps(commands)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ran, nets, runs, *_ = json.loads(done.stdout)
    assert "digits, 1,437 train and 360 test patterns" in ran and "snsim run lecun89" in ran
    assert all(shipped_weights(name).summary[:30] in nets for name in SHIPPED)  # type: ignore[union-attr]
    assert "lecun89  lecun89  digits" in runs


RUN_COMMANDS = """
import contextlib, io, json, sys
from snsim.cli.main import main
printed = []
for arguments in json.loads(sys.argv[1]):
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        code = main(arguments)
    assert code == 0, told.getvalue()
    printed.append(told.getvalue())
print(json.dumps(printed))
"""


PAGES = re.compile(r"\b(nets|examples|docs|tests|benchmarks)/[\w.-]+")


def test_help_names_nothing_that_a_pip_user_lacks() -> None:
    from snsim.cli.main import COMMANDS

    for command in ([], *([name] for name in COMMANDS), *(["plot", picture] for picture in ("curves", "net", "data"))):
        out = snsim(*command, "--help")[1]
        assert not PAGES.search(out), (command, PAGES.search(out))
    from snsim.prompt.help_words import _GENERAL

    assert not PAGES.search(_GENERAL)


def test_help_groups_the_commands() -> None:
    from snsim.cli.main import COMMANDS, GROUPS

    out = snsim("--help")[1]
    headings = [line[:-1] for line in out.splitlines() if line.endswith(":") and line[:1].strip()]
    assert headings == ["Options", *(name for name, names in GROUPS.items() if set(names) & set(COMMANDS))]
    assert all(re.search(rf"^  {name} +\S", out, re.M) for name in COMMANDS)
    assert "\n  snsim run lecun89 " in out and "\\b" not in out  # the examples keep their lines


@pytest.mark.parametrize(
    "text",
    ["(net a (like lecun89-2022))", '(include "lecun89-2022")', '(include "lecun89-2022.sn")', "(train a (like xor))"],
)
def test_a_text_that_names_a_net_of_the_gallery_is_told_how_to_copy_it(text: str, place: Path) -> None:
    (place / "a.sn").write_text(text)
    for command in ("check", "run"):
        code, _, err = snsim(command, "a.sn")
        name = "xor" if "xor" in text else "lecun89-2022"
        assert code == 1 and f"snsim new mine --like {name}" in err, err
    (place / "a.sn").write_text(text.replace("lecun89-2022", "nowhere").replace("xor", "nowhere"))
    assert "snsim new" not in snsim("check", "a.sn")[2]
