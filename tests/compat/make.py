"""Make the run folders, weight files and tables of this folder with the snsim of commit 7ed90c2.

    git worktree add --detach /tmp/7ed90c2 7ed90c2
    PYTHONPATH=/tmp/7ed90c2 python tests/compat/make.py
    git worktree remove /tmp/7ed90c2

Works in /tmp/compat, which must not exist, so that no path of a machine gets into the files. Clock times and the name
of the system are replaced; nothing else is. The snsim that is imported must be the one of the commit: later versions
have other modules, and this script fails with them.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import json
import os
import shutil
import subprocess
import sys
from importlib import metadata, util
from pathlib import Path
from typing import Callable, Iterator

HERE = Path(__file__).resolve().parent
WORK = Path("/tmp/compat")
os.environ.update(SNSIM_DATA=str(WORK / "data"), OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import platform  # noqa: E402

import click  # noqa: E402
import llvmlite.binding as llvm  # noqa: E402
from install_plugin import install  # noqa: E402

from snsim import experiment, provenance, records  # noqa: E402  (of 7ed90c2)
from snsim.cli import cli, main  # noqa: E402
from snsim.doors import words  # noqa: E402

platform.platform = lambda *_: "Linux"  # type: ignore[assignment]
provenance.now = lambda: "2026-11-22T18:44:26+00:00"

# name of the run folder: program, options, pass after which it is stopped (None: it ends)
RUNS: dict[str, tuple[str, list[str], int | None]] = {
    "xor": ("xor", [], None),
    "xor-initial": ("xor", ["--initial", "weights/xor.npz", "--set", "rate=0.5", "--passes", "5"], 2),
    "digits": ("digits", [], 3),
    "digits-reference": ("digits", ["--engine", "reference", "--dtype", "float64", "--seed", "9"], 1),
    "pruned": ("pruned", [], 3),
    "pruned-reference": ("pruned", ["--engine", "reference", "--dtype", "float64"], 4),
    "gated-torch": ("gated", ["--engine", "torch"], 2),
    "plugin": ("plugin", ["--engine", "reversed", "--dtype", "float64"], 2),
}


def snsim(*arguments: str, code: int = 0) -> str:
    """Run a command; its standard output. Fails if the exit code is another one."""
    out, sys.argv = io.StringIO(), ["snsim", *arguments]  # run.json keeps the command
    with contextlib.redirect_stdout(out):
        given = main(arguments)
    assert given == code, (arguments, given, out.getvalue())
    return out.getvalue()


@contextlib.contextmanager
def stopped_after(number: int | None) -> Iterator[None]:
    """Press Ctrl-C when this pass is recorded."""
    record: Callable[..., None] = records.record_pass

    def record_and_stop(made: object, step: object) -> None:
        record(made, step)
        if step.number == number:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    experiment.records.record_pass = record_and_stop
    try:
        yield
    finally:
        experiment.records.record_pass = record


def make_weights() -> None:
    """Weights and declarations as the prompt writes them."""
    Path("weights").mkdir()
    sys.stdin = io.TextIOWrapper(io.BytesIO(b"""(load "programs/xor.sn") (train-now 'xor 3)
        (save-weights "weights/xor.npz") (save-weights "weights/xor.safetensors") (save-declared "weights/declared.sn")
        """))
    snsim("repl")


def make_runs() -> None:
    """Each run as it was stopped, and in resumed/ what this version makes of it."""
    for name, (program, options, last) in RUNS.items():
        with stopped_after(last):
            snsim("run", f"programs/{program}.sn", "--quiet", "--out", "made", *options,
                  code=0 if last is None else 130)
        (made,) = Path("made").iterdir()
        made.rename(Path("runs") / name)
        if last is not None:
            shutil.copytree(Path("runs") / name, "again")
            snsim("run", "--resume", "again", "--quiet")
            Path("resumed", name).mkdir(parents=True)
            for file in ("passes.jsonl", "weights.safetensors"):
                Path("again", file).rename(Path("resumed", name, file))
            shutil.rmtree("again")


def make_study() -> None:
    """One row of a study, and in resumed/ the report over both."""
    options = ("programs/study.sn", "--out", "study", "--report", "study/report.md", "--jobs", "1")
    snsim("reproduce", *options, "--only", "slow")
    shutil.copytree("study", "kept")
    snsim("reproduce", *options)
    Path("study", "report.json").rename("resumed/study.json")
    shutil.rmtree("study")
    Path("kept").rename("study")


def interface() -> dict[str, object]:
    """All that users type or import: commands with options, names of the language, public names of Python."""
    import snsim as package

    commands = {name: sorted({word for option in command.params for word in option.opts + option.secondary_opts
                              if isinstance(option, click.Option)})
                for name, command in all_commands(cli)}
    language = {kind.name: sorted(entry.name for entry in kind.entries()) for kind in words.kinds()}
    return {"commands": commands, "arguments": {
        name: [option.name for option in command.params if isinstance(option, click.Argument)]
        for name, command in all_commands(cli)}, "language": language, "python": {
            name: list(inspect.signature(getattr(package, name)).parameters)
            for name in sorted(package.__all__) if name != "__version__"}}


def all_commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield before + name, command
        if isinstance(command, click.Group):
            yield from all_commands(command, f"{before}{name} ")


def processor() -> dict[str, object]:
    """What the last bits depend on: the processor as LLVM knows it, and versions."""
    features = sorted(name for name, there in llvm.get_host_cpu_features().items() if there)
    return {"cpu": llvm.get_host_cpu_name(), "features": features,
            "versions": {name: metadata.version(name) for name in ("numpy", "llvmlite", "torch")}}


if __name__ == "__main__":
    if sys.argv[1:] == ["interface"]:  # in a process of its own, which knows no plug-in
        print(json.dumps(interface(), indent=0, sort_keys=True))
        sys.exit()
    WORK.mkdir()
    digits = Path(util.find_spec("sklearn").origin).parent / "datasets/data/digits.csv.gz"  # type: ignore[union-attr]
    Path(WORK / "data/digits").mkdir(parents=True)
    shutil.copy(digits, WORK / "data/digits")
    shutil.copytree(HERE / "programs", WORK / "programs")
    install(HERE / "plugin", WORK / "plugin")
    sys.path.insert(0, str(WORK / "plugin"))
    os.chdir(WORK)
    Path("runs").mkdir()
    make_weights()
    make_runs()
    make_study()
    snsim("run", "programs/sn28.sn", "--out", "programs-run")
    Path("programs-run/sn28").rename("runs/sn28")
    with Path("interface.json").open("w") as file:
        subprocess.run([sys.executable, __file__, "interface"], stdout=file, check=True)
    Path("machine.json").write_text(json.dumps(processor(), sort_keys=True) + "\n")
    for name in ("runs", "resumed", "study", "weights", "interface.json", "machine.json"):
        there = HERE / name
        if there.is_dir():
            shutil.rmtree(there)
        shutil.move(WORK / name, there)
    shutil.rmtree(WORK)
