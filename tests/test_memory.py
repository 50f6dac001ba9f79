"""The memory of a run: the limit, the estimate against measured peaks, the refusal before arrays are made."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from tiny_run import make_runs, snsim

from snsim import engines, memory_limit
from snsim.engines.memory import MemoryNeed, Workload, native_memory
from snsim.errors import SnError
from snsim.memory_limit import available, default_limit, read_size, size_text, whole_gigabytes
from snsim.program import read_program
from snsim.training.memory_need import PatternCounts, run_memory

MEGABYTE = 1_000_000
PATTERNS = 4


# ---- Sizes and limits --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("8GB", 8 * 10**9),
        ("512MB", 512 * 10**6),
        ("1.5 gb", 15 * 10**8),
        ("2GiB", 2 * 2**30),
        ("70000 KB", 7 * 10**7),
        ("12B", 12),
        ("1TB", 10**12),
    ],
)
def test_a_size_is_a_number_and_a_unit(text: str, size: int) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize(
    "text", ["8", "GB", "-1GB", "8XB", "1e3GB", "0MB", "0.1B", "", "8GBs", "inf GB", "9" * 400 + "GB"]
)
def test_what_is_no_size_is_told_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="8GB, 512MB"):
        read_size(text)
    code, out, err = snsim("run", "any.sn", "--memory", text)
    assert code == 2 and not out and "--memory" in err and "8GB, 512MB" in err


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (14_400_000_000, "14.4 GB"),
        (512_300_000, "512 MB"),
        (4_000, "4 KB"),
        (123_456_000_000, "123 GB"),
        (2_000_000_000_000, "2.0 TB"),
    ],
)
def test_a_size_is_shown_with_a_unit(size: int, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize("size", [1, 10**9, 10**9 + 1, 14_400_000_000])
def test_the_size_of_the_hint_is_enough(size: int) -> None:
    assert size <= read_size(whole_gigabytes(size)) < size + 10**9


def groups(folder: Path, own: str, **limits: str) -> tuple[Path, Path]:
    """A tree of control groups and the file that tells a process its own: `a__b` is the file of the group a/b."""
    for place, limit in limits.items():
        file = (
            folder
            / "groups"
            / place.replace("__", "/")
            .replace("memory_max", "memory.max")
            .replace("memory_limit", "memory.limit_in_bytes")
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(limit + "\n")
    (folder / "own").write_text(own)
    return folder / "groups", folder / "own"


def test_every_group_round_a_process_limits_it(tmp_path: Path) -> None:
    own = "0::/a/b\n"
    for number, limits in enumerate(
        [
            {"a__b__memory_max": "300000000", "a__memory_max": "max"},
            {"a__b__memory_max": "max", "a__memory_max": "300000000"},
            {"a__b__memory_max": "900000000", "a__memory_max": "500000000", "memory_max": "300000000"},
            {"unified__a__memory_max": "300000000"},
        ]
    ):
        assert available(*groups(tmp_path / str(number), own, **limits)) == 300_000_000
    assert default_limit(*groups(tmp_path / "again", own, a__memory_max="300000000")) == 150_000_000


def test_groups_of_version_1_limit_too(tmp_path: Path) -> None:
    own = "3:cpu,memory:/a\n2:cpuset:/a\n"
    assert (
        available(
            *groups(
                tmp_path / "1", own, memory__a__memory_limit="300000000", memory__memory_limit="9223372036854771712"
            )
        )
        == 300_000_000
    )
    # In a container the path is that of the host, and its own group is mounted at the top.
    assert available(*groups(tmp_path / "2", "4:memory:/docker/123\n", memory__memory_limit="300000000")) == 300_000_000


@pytest.mark.parametrize(
    ("own", "limit"),
    [
        ("0::/a\n", "max"),
        ("0::/a\n", "no number"),
        ("0::/a\n", "\u0663"),
        ("damaged", "5"),
        ("", "5"),
        ("0::/../../x\n", "max"),
    ],
)
def test_without_a_group_the_machine_counts(own: str, limit: str, tmp_path: Path) -> None:
    assert available(*groups(tmp_path, own, a__memory_max=limit)) == memory_limit.machine_memory()
    assert available(tmp_path / "none", tmp_path / "none") == memory_limit.machine_memory()


def test_where_nothing_is_told_there_is_no_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sysconf")
    assert default_limit(tmp_path, tmp_path) is None


# ---- The estimate ------------------------------------------------------------------------------------------------


def written(folder: Path, inputs: int, outputs: int, net: str, train: str) -> Path:
    """A file with a net of so many inputs and outputs, a training of two passes, and a few patterns."""
    draw = np.random.default_rng(0)
    np.save(folder / "x.npy", draw.uniform(-1, 1, (PATTERNS, inputs)).astype(np.float32))
    np.save(folder / "d.npy", draw.uniform(-1, 1, (PATTERNS, outputs)).astype(np.float32))
    path = folder / "n.sn"
    path.write_text(
        f'(net n {net})\n(train n (data (patterns "x.npy" "d.npy")) {train} (passes 2) (correct quadrant))\n'
    )
    return path


def peak(*arguments: str | Path) -> int:
    """The greatest memory of a process that runs a command with an empty cache, in bytes."""
    script = (
        "import sys; from snsim.cli.main import main; code = main(sys.argv[1:]); "
        "print(*(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')), "
        "file=sys.stderr); sys.exit(code)"
    )
    with TemporaryDirectory() as cache:  # LLVM is loaded where the code is not in the cache
        environment = {**os.environ, "SNSIM_CACHE": cache}
        words = [sys.executable, "-c", script, *map(str, arguments)]
        done = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return 1024 * int(done.stderr.split()[-1])


FULL = "(layer i 2000) (layer o 2000) (connect i o (full))"
SGD = "(update sgd) (epsilon 0.0001)"
LARGE = {
    "full": (2000, 2000, FULL, SGD),
    "curvature": (2000, 2000, FULL, "(update lm (mu 0.1)) (epsilon 0.0001)"),
    "pruned": (2000, 2000, FULL, f"{SGD} (stage (passes 1)) (stage (prune 0.5) (passes 1))"),
    "local": (4 * 48 * 48, 10 * 40 * 40, "(layer i (4 48 48)) (layer o (10 40 40)) (connect i o (local 9 9))", SGD),
    "shared": (4 * 48 * 48, 20 * 40 * 40, "(layer i (4 48 48)) (layer o (20 40 40)) (connect i o (mask 9 9))", SGD),
}


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the system does not tell the peak of a process")
@pytest.mark.parametrize(
    ("engine", "dtype", "case"),
    [
        *[(engine, "float32", "full") for engine in ("native", "reference", "torch")],
        ("native", "float32", "local"),
        ("native", "float32", "curvature"),
        *[
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ("reference", "float32", "local"),
                ("torch", "float32", "local"),
                ("native", "float64", "full"),
                ("native", "float32", "pruned"),
                ("reference", "float32", "shared"),
            )
        ],
    ],
)
def test_the_estimate_is_near_the_peak(engine: str, dtype: str, case: str, tmp_path: Path) -> None:
    inputs, outputs, net, train = LARGE[case]
    path = written(tmp_path, inputs, outputs, net, train)
    if "(stage" in train:
        path.write_text(path.read_text().replace(" (passes 2) (correct", " (correct"))
    estimate = run_memory(read_program(path).own_trainings[0], engine, dtype, PatternCounts(PATTERNS, PATTERNS))
    measured = peak("run", path, "--engine", engine, "--dtype", dtype, "--out", tmp_path / "runs", "--quiet")
    assert 0.8 * measured < estimate < 1.5 * measured, f"{estimate / MEGABYTE:.0f} MB, {measured / MEGABYTE:.0f} MB"


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the system does not tell the peak of a process")
def test_the_native_engine_takes_few_bytes_a_weight(tmp_path: Path) -> None:
    path = written(tmp_path, 2000, 2000, FULL, SGD)
    measured = peak("run", path, "--engine", "native", "--out", tmp_path / "runs", "--quiet")
    assert measured < 130 * MEGABYTE + 20 * 2000**2


def test_a_state_that_no_weight_depends_on_takes_no_memory(tmp_path: Path) -> None:
    """Momentum 0: native keeps no step, the others do."""
    path = written(tmp_path, 300, 300, "(layer i 300) (layer o 300) (connect i o (full))", SGD)
    training = read_program(path).own_trainings[0]
    rule, net = training.stages[0].rule, training.net
    without, with_it = (
        native_memory(Workload(net, rule, constants={"alpha": alpha, "decay": 0.0})) for alpha in (0, 0.9)
    )
    assert with_it.resident - without.resident == 4 * 300 * 301 + 4 * 300 * (-300 % 16)


def test_several_stages_and_patterns_and_resuming_cost_more(tmp_path: Path) -> None:
    one = read_program(written(tmp_path, 300, 300, FULL.replace("2000", "300"), SGD)).own_trainings[0]
    path = tmp_path / "n.sn"
    stages = "(stage (passes 1)) (stage (update adamw) (passes 1))"
    path.write_text(path.read_text().replace("(passes 2)", stages))
    two = read_program(path).own_trainings[0]
    assert run_memory(two) > run_memory(one)
    assert run_memory(one, patterns=PatternCounts(1000, 1000)) - run_memory(one) >= 1000 * 300 * (8 + 4 + 8)
    assert run_memory(one, resumed=True) > run_memory(one)
    assert run_memory(one, dtype="float64") > run_memory(one)
    path.write_text(path.read_text().replace(stages, "(passes 2) (keep best train-loss)"))
    kept = read_program(path).own_trainings[0]
    assert run_memory(kept) - run_memory(one) == 4 * 300 * 301  # a copy in float32


def test_an_engine_tells_its_memory_in_one_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(*given: object) -> object:
        raise AssertionError("it is refused before it is made")

    shelf = engines.ENGINES.child()
    monkeypatch.setattr(engines, "ENGINES", shelf)
    kind = engines.needing_memory(lambda work: MemoryNeed(0, 10**15, 0, 0, 0))(make)  # type: ignore[arg-type]
    shelf.add("greedy", kind, "needs a thousand terabytes")
    path = written(tmp_path, 3, 2, "(layer i 3) (layer o 2) (connect i o (full))", SGD)
    code, _, err = snsim("run", path, "--engine", "greedy", "--out", tmp_path / "runs")
    assert code == 1 and "needs 1,000 TB of memory with the engine greedy" in err
    shelf.add("silent", make, "tells nothing of its memory")  # type: ignore[arg-type]
    code, _, err = snsim("run", path, "--engine", "silent", "--out", tmp_path / "runs", "--memory", "1MB")
    assert code == 1 and "with the engine silent" in err


# ---- The refusal -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_runs(tmp_path_factory.mktemp("memory"))
    np.savez(folder / "x.npz", x=np.zeros((4, 16)), y=np.array([[1.0, -1.0]] * 4))
    return folder


@pytest.mark.parametrize(
    "command",
    [
        "run tiny.sn --only tiny --out refused",
        "run tiny.sn --only tiny --out refused --engine reference",
        "run tiny.sn --only tiny --out refused --engine torch --dtype float64",
        "run --resume tiny",
        "reproduce tiny.sn --only tiny --out refused --jobs 1",
        "compare tiny.sn --only tiny",
        "plot maps tiny -o refused.png",
        "plot misses tiny --text",
        "report tiny -o refused.html",
        "reject tiny",
        "test tiny",
        "test tiny --data x.npz",
    ],
)
def test_every_command_with_an_engine_refuses(command: str, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs)
    code, out, err = snsim(*command.split(), "--memory", "20MB")
    assert code == 1, out + err
    assert (
        re.search(
            r"tiny\.sn:3:6: error: training tiny needs \d+ MB of memory with the engine \w+ in float\d\d, and "
            r"the limit is 20 MB",
            err,
        )
        or "reproduce" in command
    )
    assert re.search(r"training tiny needs \d+ MB of memory", err) and "Traceback" not in err
    if "reproduce" not in command:
        assert "    3 | (net tiny\n             ^^^^\n" in err and "--memory 1GB allows it" in err
    assert not list(runs.glob("refused/*/weights.safetensors")) and not list(runs.glob("refused.*"))
    allowed = snsim(*command.replace("refused", "allowed").split(), "--memory", "2GB")
    assert "of memory" not in allowed[2]


def test_the_prompt_refuses(runs: Path) -> None:
    typed = subprocess.run(
        [sys.executable, "-m", "snsim", "repl", "tiny.sn", "--memory", "20MB"],
        cwd=runs,
        input="(train-now 'tiny 1)\n(+ 1 2)\n",
        capture_output=True,
        text=True,
    )
    assert "training tiny needs" in typed.stderr and "--memory 1GB" in typed.stderr
    assert "Traceback" not in typed.stderr and "pass" not in typed.stdout


def test_from_python_the_options_limit(tmp_path: Path) -> None:
    from snsim.runs.options import Options
    from snsim.runs.run import run

    program = read_program(written(tmp_path, 3, 2, "(layer i 3) (layer o 2) (connect i o (full))", SGD))
    with pytest.raises(SnError, match="needs 130 MB of memory"):
        next(run(program, program.own_trainings[0], 1, Options(out=tmp_path / "runs", memory=10**6)))
    assert not (tmp_path / "runs").exists()


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the system does not tell the peak of a process")
@pytest.mark.parametrize("options", [[], ["--engine", "reference"], ["--engine", "torch"]], ids=" ".join)
def test_a_large_net_is_refused_before_its_arrays_are_made(options: list[str], tmp_path: Path) -> None:
    path = written(tmp_path, 20000, 20000, "(layer i 20000) (layer o 20000) (connect i o (full))", SGD)
    script = (
        "import sys; from snsim.cli.main import main; code = main(sys.argv[1:]); "
        "print(*(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')), "
        "'torch' in sys.modules, code, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "run", str(path), "--memory", "1GB", *options], capture_output=True, text=True
    )
    kilobytes, has_torch, code = done.stderr.split()[-3:]
    assert code == "1" and has_torch == "False" and int(kilobytes) < 150_000, done.stderr
    assert "400,020,000 weights and 400,020,000 connections" in done.stderr
    assert f"{path}:1:6: error: training n needs" in done.stderr


def test_a_limit_that_the_hint_names_is_enough(tmp_path: Path) -> None:
    path = written(tmp_path, 60, 60, "(layer i 60) (layer o 60) (connect i o (full))", SGD)
    arguments = ["run", path, "--engine", "reference", "--out", tmp_path / "runs"]
    code, _, err = snsim(*arguments, "--memory", "1MB")
    found = re.search(r"--memory (\S+) allows", err)
    assert code == 1 and found is not None
    assert snsim(*arguments, "--memory", found[1])[0] == 0


def test_a_leaner_engine_is_named_where_it_would_do(tmp_path: Path) -> None:
    path = written(tmp_path, 900, 900, "(layer i 900) (layer o 900) (connect i o (full))", SGD)
    need = {
        name: run_memory(read_program(path).own_trainings[0], name, patterns=PatternCounts(PATTERNS, PATTERNS))
        for name in ("native", "torch")
    }
    between = f"{(need['native'] + need['torch']) // 2}B"
    code, _, err = snsim("run", path, "--engine", "torch", "--memory", between, "--out", tmp_path / "runs")
    assert code == 1 and f"--engine native --dtype float32 needs only {size_text(need['native'])}" in err


def test_a_module_that_is_too_large_is_not_made(tmp_path: Path) -> None:
    import snsim as package

    path = written(tmp_path, 60, 60, "(layer i 60) (layer o 60) (connect i o (full))", SGD)
    with pytest.raises(SnError, match="the module of net n needs .* KB of memory, and the limit is 10 KB") as refused:
        package.load(path, memory=10_000)
    assert f"{path}:1:6: error" in str(refused.value)
    enough = re.search(r"memory=(\d+)", str(refused.value))
    assert enough is not None and package.load(path, memory=int(enough[1])) is not None


# ---- check and show ----------------------------------------------------------------------------------------------


def test_show_tells_the_need_and_both_warn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "n.sn"
    path.write_text(
        "(net n (layer i 9000) (layer o 9000) (connect i o (full)))\n"
        "(net m (layer i 3) (layer o 2) (connect i o (full)))\n"
    )
    code, out, err = snsim("show", path)
    assert code == 0 and "a run would need 130 MB of memory" in out
    told = re.search(r"a run would need ((\d\.\d) GB) of memory", out)
    assert told is not None
    need = told[1]
    # A weight has at most 16 bytes, and each of 64 patterns at once four numbers for each unit.
    weights, patterns = 130 * MEGABYTE + 16 * 9000**2, 64 * 18_000 * 4 * 4
    assert weights - 50 * MEGABYTE <= float(told[2]) * 1e9 <= weights + patterns + 100 * MEGABYTE
    code, out, err = snsim("show", path, "--memory", "1GB")
    said = f"n.sn:1:6: warning: a run of net n would need {need} of memory, and the limit is 1.0 GB"
    assert code == 0 and said in err
    assert err.count("warning") == 1 and "--memory 2GB" in err
    code, out, err = snsim("check", path)
    assert code == 0 and f"a run would need {need} of memory; no faults" in out
    for stage in ("torch", "llvm", "asm"):
        code, out, err = snsim("show", path, "--stage", stage, "--memory", "1GB")
        assert code == 1 and not out and f"--stage {stage} needs as much memory as a run" in err
    monkeypatch.setattr(memory_limit, "machine_memory", lambda: 10**9)
    code, out, err = snsim("check", path)
    assert code == 0 and f"would need {need} of memory, and the limit is 500 MB" in err and "no faults" in out


def test_check_tells_no_memory_of_small_nets() -> None:
    code, out, err = snsim("check", Path(__file__).parents[1] / "nets" / "lecun89.sn")
    assert code == 0 and "memory" not in out + err


def test_the_plan_of_a_large_net_is_shown_without_its_arrays(tmp_path: Path) -> None:
    path = tmp_path / "n.sn"
    path.write_text("(net n (layer i 30000) (layer o 30000) (connect i o (full)))")
    code, out, _ = snsim("show", path, "--stage", "plan")
    row = next(line.split() for line in out.splitlines() if line.startswith("i_o.weight"))
    assert code == 0 and row[1:] == ["(30000", "30000)", "900000000", "30001", "1"]


def test_threads_that_do_not_fit_are_refused_and_one_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each further thread of the native engine has a copy of its block."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    path = written(tmp_path, 900, 900, "(layer i 900) (layer o 900) (connect i o (full))", SGD)
    one, three = (
        run_memory(read_program(path).own_trainings[0], patterns=PatternCounts(PATTERNS, PATTERNS), threads=threads)
        for threads in (1, 3)
    )
    asked = ["run", path, "--memory", f"{(one + three) // 2}B", "--out", tmp_path / "runs", "--threads"]
    code, _, err = snsim(*asked, "3")
    assert code == 1 and f"--threads 1 needs only {size_text(one)}" in err
    assert snsim(*asked, "1")[0] == 0
