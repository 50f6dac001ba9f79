"""The command line as a user meets it: exit codes, JSON lines, what reads back, interruption, bad files."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import pty
import re
import shlex
import signal
import struct
import subprocess
import sys
import termios
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from snsim.cli.exit_codes import BROKEN_PIPE, INTERRUPTED, OWN_FAULT
from snsim.cli.main import main

ROOT = Path(__file__).resolve().parents[1]
NETS = sorted((ROOT / "nets").glob("*.sn"))

SMALL = """\
(net small (layer input (16 16)) (layer output 10) (connect input output (full)))
(train small (data digits) (epsilon 0.01) (order fixed) (passes 2) (published (test-misses 40)))
"""


@dataclass
class Done:
    """What a command printed, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


def of_checkout(argument: str | Path) -> str:
    """The path of a file of nets/ or tests/, from any folder. Every other argument stays."""
    return str(ROOT / argument if str(argument).startswith(("nets/", "tests/")) else argument)


def snsim(*arguments: str | Path, cwd: Path | None = None, **environment: str) -> Done:
    """The command inside this process: no terminal, its own folder and environment."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(cwd or Path.cwd()), mock.patch.dict(os.environ, environment):  # noqa: SIM117
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([of_checkout(argument) for argument in arguments])
    return Done(code, out.getvalue(), err.getvalue())


def start(*arguments: str | Path, cwd: Path | None = None, **environment: str) -> subprocess.Popen[str]:
    """The command as a process of its own, its output in pipes."""
    return subprocess.Popen(
        [sys.executable, "-m", "snsim", *map(of_checkout, arguments)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        pipesize=4096,  # where the system can: a command whose output nobody reads waits, and does not end
    )


@pytest.fixture
def small(tmp_path: Path) -> Path:
    (tmp_path / "small.sn").write_text(SMALL)
    return tmp_path / "small.sn"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["check", "nets/lecun89.sn"], 0),
        (["show", "nets/xor.sn"], 0),
        (["help", "mask"], 0),
        (["list", "scheme"], 0),
        (["data"], 0),
        (["--version"], 0),
        (["check", "tests/errors/many-faults.sn"], 1),
        (["check", "no/such/file.sn"], 1),
        (["show", "nets"], 1),
        (["run", "tests/errors/unclosed.sn"], 1),
        (["help", "maks"], 1),
        (["list", "shceme"], 1),
        (["data", "zipcod"], 1),
        (["run", "nets/xor.sn", "--only", "nor"], 1),
        ([], 2),
        (["chekc"], 2),
        (["check"], 2),
        (["run"], 2),
        (["run", "nets/xor.sn", "--resume", "runs/xor"], 2),
        (["run", "nets/xor.sn", "--seed", "-1"], 2),
        (["run", "nets/xor.sn", "--passes", "none"], 2),
        (["run", "nets/xor.sn", "--passes", "0"], 2),
        (["run", "nets/xor.sn", "--set", "rate"], 2),
        (["show", "nets/xor.sn", "--stage", "lisp"], 2),
    ],
)
def test_exit_codes(arguments: list[str], code: int) -> None:
    done = snsim(*arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert (done.stderr == "") == (code == 0), done.stderr


def test_own_fault_is_70_with_a_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError("the inside is broken")

    monkeypatch.setattr("snsim.program.read_program", broken)
    assert main(["check", of_checkout("nets/xor.sn")]) == OWN_FAULT
    told = capsys.readouterr().err
    assert "Traceback" in told and "the inside is broken" in told and "report" in told


def test_check_tells_counts_and_every_fault() -> None:
    done = snsim("check", "nets/lecun89.sn", "tests/errors/many-faults.sn", "tests/errors/cycle.sn")
    assert done.returncode == 1
    for number in ("1,256", "64,660", "9,760"):
        assert number in done.stdout
    errors = re.escape(str(ROOT / "tests" / "errors"))
    assert len(re.findall(rf"^{errors}/many-faults.sn:\d+:\d+: error: ", done.stderr, re.M)) >= 6
    assert len(re.findall(rf"^{errors}/cycle.sn:\d+:\d+: error: ", done.stderr, re.M)) == 2
    assert "2 of 3 files have faults" in done.stderr
    assert snsim("check", "nets/tdnn.sn").stdout.count("6,233 connections") == 2
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize("net", NETS, ids=lambda p: p.stem)
def test_show_tells_counts(net: Path) -> None:
    shown = snsim("show", net).stdout
    for stated in re.findall(r"\((?:units|connections|weights) (\d+)\)", net.read_text()):
        assert f"{int(stated):,}" in shown


# The complete form has the numbers of all pairs of pictures, more than a text may have.
TOO_LONG = {"siamese"}


@pytest.mark.parametrize(
    "net",
    [net for net in (*NETS, *sorted((ROOT / "tests" / "nets").glob("*.sn"))) if net.stem not in TOO_LONG],
    ids=lambda p: p.stem,
)
def test_complete_forms_read_back(net: Path, tmp_path: Path) -> None:
    """The output of `--stage net` is a program that declares the same; shown again it is itself."""
    again = tmp_path / "again.sn"
    first = snsim("show", net, "--stage", "net")
    assert first.returncode == 0, first.stderr
    again.write_text(first.stdout)
    second = snsim("show", again, "--stage", "net")
    assert second.returncode == 0, second.stderr
    assert _forms(second.stdout) == _forms(first.stdout)
    from snsim.program import read_program

    one, two = read_program(net), read_program(again)
    for entry in two.nets.own():
        assert entry.value.digest == one.nets.get(entry.name).digest


@pytest.mark.parametrize("net", NETS, ids=lambda p: p.stem)
def test_forms_read_back(net: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.sn"
    again.write_text(snsim("show", net, "--stage", "forms").stdout)
    assert snsim("show", again, "--stage", "forms").stdout == again.read_text()


def _forms(text: str) -> list[str]:
    from snsim.errors import Source
    from snsim.language.printer import show
    from snsim.language.reader import read_forms

    return [show(form) for form, _ in read_forms(Source("<shown>", text))]


def test_show_draws_the_table_and_tells_what_is_unread() -> None:
    shown = snsim("show", "nets/lecun89.sn").stdout
    assert re.search(r"^ +0( +x){4}( +-){4}( +x){4}$", shown, re.M)
    assert "96 of 144 pairs of maps" in shown and "1 row and 1 column of the border" in shown
    assert re.search(r"\(batch 1\) +; default$", shown, re.M)
    assert re.search(r"^    \(nlf sn-tanh\) \(bias unit\)\)+ +; default$", shown, re.M)


def test_show_names_the_origin_of_what_is_inherited() -> None:
    shown = snsim("show", "nets/lecun89-2022.sn").stdout
    assert "; from lecun89" in shown


def test_show_stages() -> None:
    plan = snsim("show", "nets/lecun89.sn", "--stage", "plan").stdout
    assert "input_h1.weight" in plan and "border 2 2, 12 of 12 pairs of maps, border held at -1" in plan
    module = snsim("show", "nets/lecun89.sn", "--stage", "torch").stdout
    assert "12x8x8" in module and "input_h1" in module


def test_json_lines(small: Path) -> None:
    done = snsim("run", small, "--json", "--offline", cwd=small.parent)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events] == ["pass", "pass", "done"]
    for number, event in enumerate(events[:2], start=1):
        assert event["pass"] == number
        for part in ("train", "test"):
            assert set(event[part]) == {"loss", "half_mse", "mse", "error", "misses", "rejection"}
            assert event[part]["mse"] == pytest.approx(2 * event[part]["half_mse"])
    last = events[-1]
    assert set(last) == {"event", "run", "data", "engine", "presentations", "seconds"}
    assert last["data"] == "digits" and (small.parent / last["run"]).is_dir()


def test_a_number_that_is_none_is_called_so() -> None:
    for option, text in (("--passes", "1.5"), ("--seed", "x")):
        assert f"'{text}' is not a valid whole number" in snsim("run", "nets/xor.sn", option, text).stderr


def test_json_errors(tmp_path: Path) -> None:
    (tmp_path / "bad.sn").write_text("(net a (layer input 2)")
    done = snsim("run", tmp_path / "bad.sn", "--json")
    assert done.returncode == 1
    [event] = [json.loads(line) for line in done.stdout.splitlines()]
    assert event["event"] == "error" and (event["line"], event["column"]) == (1, 1) and event["message"]


def test_a_line_a_pass_through_a_pipe(small: Path) -> None:
    done = snsim("run", small, "--offline", cwd=small.parent)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout and "\r" not in done.stdout
    assert len(re.findall(r"^ +[12] +\d\.\d+", done.stdout, re.M)) == 2
    assert re.search(r"test-misses +40 +\d+", done.stdout)  # published, ours
    assert "snsim show" in done.stdout and "runs/small" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 120
    again = snsim("run", "--resume", small.parent / "runs" / "small", "--offline", cwd=small.parent)
    assert again.returncode == 0 and "all 2 passes are already done" in again.stdout
    assert "train loss" not in again.stdout and "presentations" not in again.stdout


def test_one_answer_for_all_patterns_is_said(tmp_path: Path) -> None:
    """A net that cannot learn, because every unit of a layer of relu is at 0, where the slope is 0."""
    (tmp_path / "flat.sn").write_text(
        "(net flat (layer input (16 16)) (layer output 10 (nlf relu)) (connect input output (full)))"
        "(train flat (data digits) (constant -1) (epsilon 0.1) (passes 1) (targets 0 1))"
    )
    for options in ([], ["--quiet"], ["--json"]):
        done = snsim("run", "flat.sn", "--offline", *options, cwd=tmp_path)
        said = done.stderr if options else done.stdout
        assert done.returncode == 0 and "is the largest for all 1,437 training patterns" in said, done
        assert "hint: try a smaller epsilon" in said


def test_what_to_type_next_can_be_typed(small: Path) -> None:
    """A name with a blank is quoted, the seed is one that was not run."""
    program = small.rename(small.parent / "sm all.sn")
    program.write_text(SMALL.replace("(passes 2)", "(passes 1) (seed 4 7)").replace("(data digits)", "(data zipcode)"))
    done = snsim("run", program.name, "--data", "digits", cwd=small.parent)
    assert "snsim run 'sm all.sn' --data digits --seed 8" in done.stdout and "--seed 5" not in done.stdout
    assert re.search(r"published on zipcode +ours on digits", done.stdout)


@pytest.mark.parametrize("options", [[], ["--json"]], ids=" ".join)
def test_quiet_is_one_line(options: list[str], small: Path) -> None:
    done = snsim("run", small, "--offline", "--quiet", "--passes", "1", *options, cwd=small.parent)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 1
    if options:
        told = json.loads(done.stdout)
        assert (told["event"], told["name"], told["seed"], told["pass"]) == ("done", "small", 1, 1) and told["train"]


def test_data_that_are_not_the_first_choice_are_said(tmp_path: Path) -> None:
    program = tmp_path / "choice.sn"
    program.write_text(SMALL.replace("(data digits)", "(data zipcode digits)"))
    done = snsim(
        "run",
        program,
        "--offline",
        "--passes",
        "1",
        cwd=tmp_path,
        SNSIM_DATA=str(tmp_path),
        XDG_CACHE_HOME=str(tmp_path / "cache"),
        HOME=str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"digits.*not.*zipcode", done.stdout + done.stderr, re.I)


def test_several_seeds_run_in_order(small: Path) -> None:
    done = snsim("run", small, "--offline", "--json", "--passes", "1", "--seed", "3", "--seed", "4", cwd=small.parent)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events] == ["pass", "done"] * 2
    assert [event["seed"] for event in events[::2]] == [3, 4]
    assert events[1]["run"] != events[3]["run"] and events[0]["train"] != events[2]["train"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_can_be_resumed(how: signal.Signals, small: Path) -> None:
    """After the first pass: exit code 130, a sentence with the command, and the same end as unbroken. All passes that
    were printed are kept. The passes print more than the pipe holds, so none can be over before the signal comes."""
    passes = ("--passes", "100")
    whole = [
        json.loads(line)
        for line in snsim("run", small, "--json", "--offline", *passes, cwd=small.parent).stdout.splitlines()
    ]
    with start("run", small, "--json", "--offline", *passes, "--out", "broken", cwd=small.parent) as process:
        assert process.stdout is not None and process.stderr is not None
        assert json.loads(process.stdout.readline())["pass"] == 1
        process.send_signal(how)
        rest, told = process.stdout.read(), process.stderr.read()  # `communicate` loses what came with the first line
    assert process.returncode == INTERRUPTED, told
    found = re.search(r"snsim run --resume (\S+)", told)
    assert found, told
    printed = [json.loads(line)["pass"] for line in rest.splitlines()]
    resumed = snsim("run", "--resume", found[1], "--json", cwd=small.parent)
    assert resumed.returncode == 0, resumed.stderr
    events = [json.loads(line) for line in resumed.stdout.splitlines()]
    assert events[0]["pass"] in ([printed[-1] + 1, printed[-1] + 2] if printed else [2, 3]) and events[-2] == whole[-2]


@pytest.mark.parametrize("arguments", [["list"], ["show", "nets/lecun89.sn"]], ids=" ".join)
def test_reader_that_goes_away(arguments: list[str]) -> None:
    process = start(*arguments)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.wait(timeout=300) == BROKEN_PIPE
    with process.stderr:
        assert process.stderr.read() == ""


@pytest.mark.parametrize("arguments", [["list"], ["run", "nets/xor.sn", "--passes", "2"]], ids=" ".join)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_output_that_cannot_be_written(arguments: list[str], tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "snsim",
        *map(of_checkout, arguments),
        *(["--out", str(tmp_path)] if "run" in arguments else []),
    ]
    for place, code, told in ((" > /dev/full", 1, "cannot be written: No space left"), (" >&-", 0, "")):
        done = subprocess.run(
            [*["sh", "-c"], shlex.join(command) + place],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert done.returncode == code and told in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert done.stderr == ""


def test_a_file_name_that_is_no_text(small: Path) -> None:
    """Bytes that are not UTF-8 are shown as their numbers; the run folder has them too, and resumes."""
    program = small.rename(small.parent / os.fsdecode(b"f\xff.sn"))
    for command in (["run", program, "--offline"], ["run", "--resume", "runs/small", "--offline"]):
        process = start(*command, cwd=small.parent)
        out, told = process.communicate(timeout=300)
        assert process.returncode == 0 and r"f\udcff.sn" in out, told


def on_a_terminal(*arguments: str, **environment: str) -> str:
    """What the command writes to a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 80, 0, 0))
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM")}
    process = subprocess.Popen(
        [sys.executable, "-m", "snsim", *map(of_checkout, arguments)],
        stdout=theirs,
        stderr=theirs,
        env={**clean, "PYTHONPATH": str(ROOT), "TERM": "xterm", **environment},
    )
    os.close(theirs)
    written = b""
    with contextlib.suppress(OSError):  # the end of a terminal is an error
        while piece := os.read(ours, 65536):
            written += piece
    process.wait(timeout=300)
    os.close(ours)
    return written.decode()


def test_colours_on_a_terminal_only_and_never_with_no_color() -> None:
    coloured = on_a_terminal("check", "tests/errors/cycle.sn")
    assert "\x1b[1;31merror:\x1b[0m" in coloured
    plain = on_a_terminal("check", "tests/errors/cycle.sn", NO_COLOR="1")
    assert "\x1b" not in plain and re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_run_on_a_terminal_leaves_lines_only(small: Path) -> None:
    """The bar of each pass is wiped; the line of each pass stays."""
    written = on_a_terminal("run", str(small), "--offline", "--out", str(small.parent / "runs"))
    assert len(re.findall(r" [12]    \d\.\d+e", written)) == 2
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h")  # the cursor is back


@pytest.mark.parametrize("arguments", [["check"], ["show"], ["show", "--stage", "forms"], ["run"]], ids=" ".join)
@pytest.mark.parametrize("content", [b"\xff\xfe\x00garbage\x80", b"", b"; nothing but words", b"\x00" * 100])
def test_bad_files_get_sentences(arguments: list[str], content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.sn"
    path.write_bytes(content)
    done = snsim(arguments[0], path, *arguments[1:])
    assert done.returncode in (0, 1) and "Traceback" not in done.stderr
    if content[:1] in (b"\xff", b"\x00"):
        assert done.returncode == 1 and "bad.sn" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser reads every file")
def test_unreadable_file_gets_a_sentence(small: Path) -> None:
    small.chmod(0)
    done = snsim("check", small)
    assert done.returncode == 1 and "permi" in done.stderr.lower() and "Traceback" not in done.stderr


def test_set_changes_a_defvar(tmp_path: Path) -> None:
    path = tmp_path / "wide.sn"
    path.write_text("(defvar width 3)\n(net a (layer input 2) (layer output ,width) (connect input output (full)))\n")
    assert "5 units" in snsim("check", path).stdout
    assert "9 units" in snsim("check", path, "--set", "width=7").stdout
    wrong = snsim("check", path, "--set", "widht=7")
    assert wrong.returncode == 1 and "widht" in wrong.stderr


def test_list_and_help_know_every_kind() -> None:
    from snsim.glossary.names import kinds

    listing = snsim("list").stdout
    for kind in kinds():
        for entry in kind.entries():
            assert entry.name in listing
    unknown = snsim("help", "maks")
    assert unknown.returncode == 1 and '"mask"' in unknown.stderr
    for name in ("mask", "net", "lms", "adamw", "max", "zipcode", "reference", "mapcar", "forget-inv", "layer"):
        told = snsim("help", name)
        assert told.returncode == 0 and len(told.stdout) > 20, name
    assert "SCOPE: biases, a layer" in snsim("help", "forget-inv").stdout
    for inside, clause in (("wrap", "border"), ("steps", "epsilon"), ("shuffled", "order")):
        assert re.search(rf"it is part of .*\b{clause}\b", snsim("help", inside).stderr)
    assert "nothing is called" in snsim("help", "").stderr


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment whose compiled modules are those that `check` and `show` import."""
    folder = tmp_path_factory.mktemp("compiled")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(folder)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    code = "from snsim.cli.main import main; assert main(['check', 'lecun89']) == main(['show', 'lecun89']) == 0"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, stdout=subprocess.DEVNULL)
    return environment


@pytest.mark.parametrize("command", ["check", "show"])
def test_start_is_quick(command: str, compiled: dict[str, str]) -> None:
    """Counted in calls of functions, which no other process changes, with compiled modules: a million take a second."""
    code = """
import sys
count = 0
def counted(frame, event, argument):
    global count
    count += event == "call"
sys.setprofile(counted)
from snsim.cli.main import main
code = main(sys.argv[1:])
sys.setprofile(None)
print(count, file=sys.stderr)
sys.exit(code)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, command, of_checkout("nets/lecun89.sn")],
        env=compiled,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    calls = int(done.stderr)
    assert 10_000 < calls < 1_000_000, f"snsim {command} made {calls} calls"


@pytest.fixture(scope="module")
def without_llvmlite(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, str]]:
    """Exit code and words of `run` with each of HOW, and with `--engine native`; one process without llvmlite."""
    code = """
import contextlib, io, json, sys
sys.modules['llvmlite'] = None
from snsim.cli.main import main
for arguments in json.loads(sys.argv[1]):
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        code = main(arguments)
    print(json.dumps([code, told.getvalue()]))
"""
    asked = [
        ["run", str(ROOT / "nets" / "xor.sn"), *how, *native] for how in HOW for native in ([], ["--engine", "native"])
    ]
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(asked)],
        cwd=tmp_path_factory.mktemp("without"),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


HOW = [["--passes", "1"], ["--passes", "1", "--json"], ["--passes", "1", "--quiet"]]


@pytest.mark.parametrize("number", range(len(HOW)), ids=[" ".join(how) for how in HOW])
def test_engine_that_is_not_here_is_said_and_another_runs(number: int, without_llvmlite: list[tuple[int, str]]) -> None:
    """Without llvmlite the reference engine runs; asked for by name, native is refused."""
    code, told = without_llvmlite[2 * number]
    assert code == 0, told
    assert "needs the package llvmlite, which is not installed here: the reference engine runs instead" in told
    assert without_llvmlite[2 * number + 1][0] == 1
