"""A damaged file ends in a fault that names it: never in a traceback, a warning of Python, or a run without end."""

from __future__ import annotations

import io
import json
import math
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from damaged_runs import KEEP, damage, failure, readers
from tiny_run import make_runs, snsim

from snsim.errors import SnError
from snsim.escaping import for_json
from snsim.json_reader import parse_json, read_plain_file
from snsim.program import read_program
from snsim.run_folder import open_run
from snsim.runs.options import Options
from snsim.studies import page, plan, results
from snsim.studies.one_run import attempt


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a finished run."""
    return make_runs(tmp_path_factory.mktemp("runs"), KEEP) / "tiny"


def parts(count: int) -> list[Any]:
    """The first part is fast, and stands for the others."""
    return [pytest.param(part, marks=pytest.mark.slow if part else ()) for part in range(count)]


@pytest.mark.parametrize("part", parts(15))
def test_no_reader_of_a_damaged_run_folder_ends_in_a_traceback(part: int, tiny: Path, tmp_path: Path) -> None:
    """tests/damaged_runs.py does the same with as many damages as one wants."""
    failures, refused = [], 0
    for number in range(20 * part, 20 * part + 20):
        run, told = damage(tmp_path, tiny, number)
        for command in random.Random(-number).sample(readers(run), 2):
            code, out, err = snsim(*command)
            refused += code == 1
            if why := failure(code, out, err):
                failures.append(f"damage {number} ({told}): {command}: {why}")
    assert not failures, "\n".join(failures)
    assert refused >= 16  # of 40: damages are seen


@pytest.mark.parametrize("part", parts(3))
def test_a_study_tells_of_damaged_runs_and_reports_the_others(part: int, tmp_path: Path) -> None:
    main = tmp_path / "tiny.sn"
    make_runs(tmp_path, KEEP)
    options = Options(out=tmp_path / "kept", engine="reference")
    (study,) = plan.plan([read_program(main, port=io.StringIO())], options, ["tiny"])
    (task,) = study.rows[0].tasks
    assert not attempt(task).faults
    original = shutil.move(task.folder, tmp_path / "original")
    seen = 0
    for number in range(1000 + 40 * part, 1040 + 40 * part):
        run, told = damage(tmp_path / "damaged", original, number)
        shutil.rmtree(task.folder, ignore_errors=True)
        shutil.copytree(run, task.folder, symlinks=True, copy_function=_copy_plain)
        outcome = attempt(task)
        seen += bool(outcome.faults)
        runs = {} if outcome.faults else {results.Trial(task.seed): open_run(task.folder)}
        row = results.Row(
            "tiny", "", (), (), True, runs, {results.Trial(task.seed): "damaged"} if outcome.faults else {}
        )
        report = page.Report("", "", (results.Study("tiny", "tiny.sn", "", (row,)),))
        assert page.as_markdown(report) and json.dumps(page.as_json(report), allow_nan=False), told
    assert seen >= 15


def _copy_plain(source: str, target: str) -> None:
    """Copy a file; what is no plain file becomes a folder, which is one damage as well."""
    if os.path.isfile(source):
        shutil.copy(source, target)
    else:
        os.mkdir(target)


CHANGES: list[tuple[str, Callable[[dict], object], str]] = [  # type: ignore[type-arg]
    ("run.json", lambda it: it.update(passes=10**9), "its passes are 1,000,000,000, but the program .* give 4"),
    ("run.json", lambda it: it.update(passes=2), "written after pass 4, but run.json says 2 passes"),
    ("run.json", lambda it: it["data"].update(rank="0"), 'data.rank must be a whole number from 0 on, not "0"'),
    ("run.json", lambda it: it["source"].update(main="../tiny.sn"), "source.main must be a relative path"),
    ("run.json", lambda it: it["presets"].update(x=[]), "presets.x must be a number or a text .*, not a list of 0"),
    ("run.json", lambda it: it.update(dtype="int8"), 'dtype must be "float64" or "float32", not "int8"'),
    ("run.json", lambda it: it.pop("seed"), "seed is missing"),
    ("passes.jsonl", lambda it: it["train"].update(error=101), "line 1, .*train.error must be a number from 0 to 100"),
    ("passes.jsonl", lambda it: it["train"].update(more=1), "line 1, .*train.more is unknown"),
    ("passes.jsonl", lambda it: it.update(test=None), "only one of line 2 and line 1 has figures on test patterns"),
    ("passes.jsonl", lambda it: it["test"].update(misses=21), "line 1 has 21 misses among 20 patterns"),
]


@pytest.mark.parametrize(("file", "change", "message"), CHANGES)
def test_a_fault_names_file_and_field(
    file: str,
    change: Callable[[dict], object],
    message: str,  # type: ignore[type-arg]
    tiny: Path,
    tmp_path: Path,
) -> None:
    run = shutil.copytree(tiny, tmp_path / "tiny")
    first, *others = (run / file).read_text().splitlines() if file == "passes.jsonl" else [(run / file).read_text()]
    value = json.loads(first)
    change(value)
    (run / file).write_text("\n".join([json.dumps(value), *others]) + "\n")
    with pytest.raises(SnError, match=message) as caught:
        from snsim.runs.resume import resume

        list(resume(run))
    assert file in str(caught.value) and str(run) in caught.value.faults[0].hint + str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[" * 200_000, "nested too deeply"),
        ('{"a":' * 200_000, "nested too deeply"),
        ('{"a": 1, "b": 2, "a": 3}', 'the key "a" occurs twice'),
        ("[NaN]", "NaN is not a number"),
        ("-Infinity", "-Infinity is not a number"),
        ("1e999", "1e999 is too large"),
        ("9" * 5000, "a number has 5,000 digits"),
        ('{"a": 1', "delimiter: line 1 column 8"),
        ("", "Expecting value"),
        (b'"\xff"', "byte 1 is not UTF-8"),
    ],
)
def test_json_that_is_refused(content: str | bytes, message: str) -> None:
    with pytest.raises(SnError, match=message) as caught:
        parse_json(content, "some.json", "mend it")
    fault = caught.value.faults[0]
    assert fault.message.startswith("some.json is damaged") and fault.hint == "mend it"


def test_only_plain_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    (tmp_path / "large").write_bytes(b"12345")
    for name, message in (
        ("pipe", "no plain file"),
        ("circle", "cannot be read"),
        ("large", "has 5 bytes"),
        (".", "is a folder"),
        ("a\0b", "cannot be read"),
        ("a" * 300, "cannot be read"),
        ("nothing", "there is no file"),
    ):
        with pytest.raises(SnError, match=message):
            read_plain_file(tmp_path / name, 4, "")


POWERLESS = """
import ctypes, sys
words = (ctypes.c_uint32 * 6)()  # no capability at all: root may then read no more than the owner of the files
assert ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), words) == 0
from snsim.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="root reads everything elsewhere")
@pytest.mark.parametrize("file", ["run.json", "passes.jsonl", "checkpoint.safetensors", "source/tiny.sn"])
def test_files_that_may_not_be_read(file: str, tiny: Path, tmp_path: Path) -> None:
    run = shutil.copytree(tiny, tmp_path / "tiny")
    mode = (run / file).stat().st_mode
    (run / file).chmod(0)
    done = subprocess.run(
        [sys.executable, "-c", POWERLESS, "run", "--resume", str(run)], capture_output=True, text=True
    )
    (run / file).chmod(mode)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert "Permission denied" in done.stderr and str(run) in done.stderr


def test_figures_that_are_not_finite_are_kept(tiny: Path, tmp_path: Path) -> None:
    """A loss on test patterns may overflow while training goes on: JSON has null for it, and every reader takes it."""
    run = shutil.copytree(tiny, tmp_path / "tiny")
    lines = [json.loads(line) for line in (run / "passes.jsonl").read_text().splitlines()]
    for line in lines[1:]:
        line["test"] |= {"loss": None, "half_mse": None, "mse": None}
    (run / "passes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for command in readers(run):
        code, out, err = snsim(*command)
        assert code == 0 and not failure(code, out, err), err
    assert "test-loss" not in results.figures_of(open_run(run))
    assert "train-loss" in results.figures_of(open_run(run))
    assert math.isnan(open_run(run).passes[3]["test"]["loss"])


def test_what_is_written_as_json_is_json() -> None:
    """JSON has no infinity: a figure that overflowed is null, and --set takes no such number."""
    written = for_json({"loss": float("inf"), "more": [float("nan"), 1.5, "x"]})
    assert json.loads(written, parse_constant=pytest.fail) == {"loss": None, "more": [None, 1.5, "x"]}
    code, _, err = snsim("check", "x.sn", "--set", "rate=-inf")
    assert code == 2 and "--set rate takes a finite number or a text, not -inf" in err
