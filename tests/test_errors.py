"""What happens to a wrong program: a sentence at the right place, never a traceback.

Every file of tests/errors/ is a program that has faults. A comment at the line of a fault tells it:

    (layer h1 (12 8 8) (nfl tanh))     ; error: 20 has no option "nfl"

the column (from 1), then a piece of the message; `; error: - text` is a fault that has no place in this file. Behind
`=>` may stand a piece of the hint. A file passes when its faults are exactly those. What would be large is made here.
"""

from __future__ import annotations

import io
import json
import re
import sys
import warnings
from pathlib import Path
from types import FrameType

import pytest
from tiny_run import snsim

from snsim.cli.main import main
from snsim.errors import MOST_FAULTS, Fault, SnError, render
from snsim.language.limits import Limits
from snsim.program import read_program

ERRORS = Path(__file__).parent / "errors"
_MARK = re.compile(r";\s*error:\s*(\d+|-)\s+(.*?)\s*$")


def faults_of(path: Path, limits: Limits = Limits()) -> tuple[Fault, ...]:
    with pytest.raises(SnError) as caught:
        read_program(path, port=io.StringIO(), limits=limits)
    assert caught.value.faults, "an error without a fault"
    return caught.value.faults


def expected(path: Path) -> list[tuple[int | None, int | None, str, str]]:
    marks = []
    for number, line in enumerate(path.read_text().split("\n"), start=1):
        for piece in re.split(r"(?=;\s*error:)", line)[1:]:
            found = _MARK.match(piece)
            assert found, f"{path}:{number}: cannot read the mark"
            column, (text, _, hint) = found[1], found[2].partition(" => ")
            marks.append((None, None, text, hint) if column == "-" else (number, int(column), text, hint))
    return marks


@pytest.mark.parametrize("path", sorted(ERRORS.glob("*.sn")), ids=lambda p: p.stem)
def test_faults_are_where_the_program_says(path: Path) -> None:
    marks = expected(path)
    assert marks, f"{path} marks no fault"
    found = list(faults_of(path))
    for line, column, text, hint in marks:
        places = [(f.span.line, f.span.column) if f.span else (None, None) for f in found]
        match = [
            f for f, place in zip(found, places) if place == (line, column) and text in f.message and hint in f.hint
        ]
        assert match, f"no fault at {line}:{column} with {text!r} => {hint!r}; there are:\n" + "\n".join(
            map(render, found)
        )
        found.remove(match[0])
    assert not found, "faults that no mark tells:\n" + "\n".join(map(render, found))


@pytest.mark.parametrize("path", sorted(ERRORS.glob("*.sn")), ids=lambda p: p.stem)
def test_faults_read_as_sentences(path: Path) -> None:
    for fault in faults_of(path):
        assert len(fault.message) > 10 and "\n" not in fault.message
        for machine_word in ("Traceback", "Token", "LALR", "NoneType", "<class", "0x", "snsim.", "Unexpected"):
            assert machine_word not in render(fault)


def one_fault(tmp_path: Path, content: bytes | str, calls: int = 10_000_000, limits: Limits = Limits()) -> Fault:
    """Return the one fault of a program, which is found within so many calls of functions."""
    path = tmp_path / "program.sn"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    count = 0

    def counted(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")
        if count > calls:
            sys.setprofile(None)
            pytest.fail(f"more than {calls} calls")

    sys.setprofile(counted)
    try:
        faults = faults_of(path, limits)
    finally:
        sys.setprofile(None)
    assert len(faults) == 1, "\n".join(map(render, faults))
    return faults[0]


def test_file_of_ten_megabytes(tmp_path: Path) -> None:
    fault = one_fault(tmp_path, "; a comment of some length that fills up the file\n" * 210_000, calls=1000)
    assert "10" in fault.message and "4" in fault.message  # its size and the limit, in megabytes


def test_hundred_thousand_open_parentheses(tmp_path: Path) -> None:
    fault = one_fault(tmp_path, "(" * 100_000)
    assert fault.span is not None and fault.span.line == 1


def test_hundred_thousand_nested_lists(tmp_path: Path) -> None:
    fault = one_fault(tmp_path, "(" * 100_000 + ")" * 100_000)
    assert fault.span is not None and "more than 500 lists" in fault.message


def test_binary_garbage(tmp_path: Path) -> None:
    garbage = bytes((i * 7919 + (i >> 3) * 104729) % 256 for i in range(50_000))
    assert "UTF-8" in one_fault(tmp_path, garbage).message


def test_nul_bytes(tmp_path: Path) -> None:
    assert "zero byte" in one_fault(tmp_path, b"(net a\x00\x00\x00 (layer input 2))").message


def test_matrix_of_a_million_million_elements(tmp_path: Path) -> None:
    fault = one_fault(tmp_path, "(setq m (matrix 1000000 1000000))\n")
    assert fault.span is not None and fault.span.line == 1 and "1e+12 elements" in fault.message


def test_endless_loop(tmp_path: Path) -> None:
    assert Limits().steps <= 10_000_000  # a minute or so
    fault = one_fault(tmp_path, "(setq n 0)\n(while 1 (setq n (+ n 1)))\n", limits=Limits(steps=100_000))
    assert fault.span is not None and fault.span.line == 2 and "100,000" in fault.message


def test_endless_recursion(tmp_path: Path) -> None:
    fault = one_fault(tmp_path, "(de deeper (n) (+ 1 (deeper n)))\n(deeper 1)\n")
    assert fault.span is not None and "deep" in fault.message


def test_list_that_grows_for_ever(tmp_path: Path) -> None:
    assert one_fault(tmp_path, "(setq l '(1))\n(while 1 (setq l (append l l)))\n").span is not None


def test_net_of_a_million_million_connections(tmp_path: Path) -> None:
    """Counted from its shapes, and refused, before any of them is made."""
    program = "(net vast (layer input 1000000) (layer output 1000000) (connect input output (full)))\n"
    fault = one_fault(tmp_path, program, calls=100_000)
    assert fault.span is not None and fault.span.column == 71 and "1,000,000,000,000" in fault.message


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "no file"),
        (lambda path: path.mkdir(), "folder"),
    ],
    ids=["missing", "folder"],
)
def test_what_is_no_file(tmp_path: Path, make, words: str) -> None:
    path = tmp_path / "thing.sn"
    make(path)
    assert words in faults_of(path)[0].message


def test_all_faults_of_a_file_at_once() -> None:
    assert len(faults_of(ERRORS / "many-faults.sn")) >= 6


def test_only_the_first_faults_are_shown(tmp_path, capsys):
    file = tmp_path / "many.sn"
    file.write_text("".join(f"(net n{i} (nothing))\n" for i in range(70)))
    assert main(["check", str(file)]) == 1
    shown, more = capsys.readouterr().err, len(faults_of(file)) - MOST_FAULTS
    assert more > 0 and shown.count("error: ") == MOST_FAULTS + 1 and f"error: and {more:,} more" in shown
    assert main(["run", str(file), "--json"]) == 1
    *events, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert len(events) == MOST_FAULTS and {event["event"] for event in events} == {"error"}
    assert last["event"] == "more" and last["count"] == more


@pytest.mark.parametrize(
    "text",
    [
        "({0} 1)",
        "(setq a {0})",
        "(net {0} (nothing))",
        '(concat 1 "{0}")',
        "(net a (layer {0} 2) (layer b 1) (connect {0} c (full)))",
    ],
)
def test_long_names_are_cut(text, tmp_path, capsys):
    file = tmp_path / "long.sn"
    file.write_text(text.format("x" * 100_000))
    main(["check", str(file)])
    told = capsys.readouterr()
    assert len(told.err) < 5_000 and len(told.out) < 5_000


RUN_AWAY = """(net x (default (nlf linear)) (layer i 2) (layer h 3) (layer o 2)
  (connect i h (full)) (connect h o (full)))
(net y (layer i 2) (layer o 2) (connect i o (full)))
(train x (data (examples [[0 1] [1 0] [1 1] [0 0]] [[1e20 1] [1 -1] [-1 1] [-1e20 1]])) (epsi-inv 1e10) (passes 3))
(train large (net y) (data (examples [[0 1] [1 0] [1e30 1]] [[1 -1] [1 -1] [1e200 1]])) (ensemble 0 1) (test-set 2 2)
  (epsi-inv 0.1) (passes 2))
(train beyond (net y) (data (examples [[0 1e39] [1 0]] [[1 -1] [1 -1]])) (epsi-inv 0.1) (passes 1))
"""


@pytest.mark.parametrize("engine", ["reference", "native", "torch"])
@pytest.mark.parametrize(
    ("only", "code", "told"),
    [
        ("x", 1, "error: training x diverged in pass 1"),
        ("large", 0, ""),
        ("beyond", 1, "is 1e+39, too large for float32"),
    ],
)
def test_numbers_that_overflow_are_told_by_snsim_and_not_by_python(
    only: str, code: int, told: str, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line hides warnings of Python; here they are errors, and there are none."""
    monkeypatch.setattr("snsim.cli.main.tell_warnings", lambda tell: warnings.simplefilter("error", RuntimeWarning))
    (tmp_path / "x.sn").write_text(RUN_AWAY)
    done, _, warned = snsim(
        "run",
        tmp_path / "x.sn",
        "--only",
        only,
        "--engine",
        engine,
        "--dtype",
        "float32" if only == "beyond" else "float64",
        "--out",
        tmp_path,
    )
    assert done == code and told in warned, warned
    if code == 0:
        for command in (["plot", "weights", "--text"], ["plot", "curves", "--text"], ["run", "--resume"]):
            assert snsim(*command, tmp_path / only)[0] == 0
