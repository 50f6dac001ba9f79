"""Files of SN-2.8's programs: where names lead, streams, matrices, loading, and what is refused."""

import struct

import numpy as np
import pytest
from data_folder import SN_DIGITS, needs_data
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sn28_programs import fault, printed

from snsim.errors import SnError
from snsim.language.limits import Limits
from snsim.runtime.matrix_files import encode_matrix, format_matrix, parse_matrix

TYPES = [np.float32, np.float64, np.int32, np.uint8, np.int16, np.int8]


# Streams

STREAMS = [
    (
        '(writing (open-write "a" ".txt") (printf "a b c\\n(1 2) end\\nline"))'
        '(reading (open-read "a.txt") (print (read) (skip-char) (read-string) (read) (read-string "a-z ")))'
        '(print (reading "a.txt" (read-string 3)))',
        'a "b" "b c" (1 2) " end"\n"a b"\n',
    ),
    (
        '(setq f (open-append "b")) (writing f (print 1)) (print 2) (writing f (print 3))'
        '(reading "b" (print (read) (read) (= (skip-char) "\\e")))',
        "2\n1 3 t\n",
    ),
    (
        '(writing "c" (prin 12345) (print [[1][2]])) (print (reading "c" (read-string "~\\e")))',
        '"12345[[  1.00 ]\\n      [  2.00 ]]\\n"\n',
    ),
    ('(setq f (open-read "given.txt")) (print (reading f (read))) (print (reading f (read)))', "one\ntwo\n"),
    ('(writing "d" (print 1)) (unlink "d") (print (filep "d"))', "()\n"),
    ('(writing (open-write "e" "txt") (print 1)) (print (filep "e.txt"))', "t\n"),
    ('(print (basename "a/b.wei" ".wei") (dirname "a/b.wei") (concat-fname "a" "b"))', '"b" "a" "a/b"\n'),
]


@pytest.mark.parametrize(("text", "expected"), STREAMS)
def test_streams(text, expected, tmp_path):
    assert printed(text, tmp_path, {"given.txt": "one two"}) == expected


# Where names lead


def test_a_name_is_looked_for_in_order(tmp_path, monkeypatch):
    data, library = tmp_path / "data", tmp_path / "sn"
    monkeypatch.setenv("SNSIM_DATA", str(library))
    places = [library / "sn28", library, data, tmp_path / "home", tmp_path / "home" / "run"]
    text = '(reading "x.txt" (print (read)))'
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
    for i, place in enumerate(places):
        if i == 4:
            (tmp_path / "home" / "run" / "x.txt").write_text("an earlier run")
            assert printed(text, tmp_path / "home", data_dir=data) == "place-3\n"
            text = f'(writing "x.txt" (print (quote mine))) {text}'
            assert printed(text, tmp_path / "home", data_dir=data) == "mine\n"
        else:
            (place / "x.txt").write_text(f"place-{i}")
            assert printed(text, tmp_path / "home", data_dir=data) == f"place-{i}\n"


def test_a_name_that_leads_out_is_sought_in_the_data(tmp_path, monkeypatch):
    (tmp_path / "data" / "bptool").mkdir(parents=True)
    (tmp_path / "data" / "bptool" / "d.txt").write_text("found")
    (tmp_path / "secret.txt").write_text("secret")
    monkeypatch.delenv("SNSIM_DATA", raising=False)
    text = '(reading "../examples/bptool/d.txt" (print (read)))'
    assert printed(text, tmp_path / "home", data_dir=tmp_path / "data") == "found\n"
    for name in ("../secret.txt", str(tmp_path / "secret.txt")):
        assert "not found" in fault(f'(reading "{name}" (print (read)))', tmp_path / "home")[0]


@pytest.mark.parametrize("name", ["../x", "{folder}/x", "a/../../x", "..", ""])
@pytest.mark.parametrize("call", ['(open-write "{}")', '(save-matrix [1] "{}")', '(unlink "{}")', '(open-append "{}")'])
def test_writing_outside_of_the_run_folder_is_refused(call, name, tmp_path):
    found, line, _ = fault("\n" + call.format(name.format(folder=tmp_path)), tmp_path / "home")
    assert "only in its run folder" in found and line == 2
    assert not (tmp_path / "x").exists()


def test_a_link_does_not_lead_out(tmp_path):
    (tmp_path / "home" / "run").mkdir(parents=True)
    (tmp_path / "home" / "run" / "out").symlink_to(tmp_path)
    assert "outside" in fault('(writing "out/x" (print 1))', tmp_path / "home")[0]
    assert not (tmp_path / "x").exists()


def test_without_a_run_folder_nothing_is_written(tmp_path):
    found, *_ = fault('(save-matrix [1] "m")', tmp_path, output=None)
    assert "has no run folder" in found


# Loading


def test_load_evaluates_a_file_and_libload_does_once(tmp_path):
    files = {"a.sn": "(incr n) (print 'a n)", "sub/b.sn": '(load "c") (print \'b)', "sub/c.lsh": "(print 'c)"}
    text = '(setq n 0) (load "a") (libload "a.sn") (libload "a") (libload "a" t) (load "sub/b")'
    assert printed(text, tmp_path, files) == "a 1\na 2\na 3\nc\nb\n"


def test_a_file_that_is_loaded_reads_its_own_text(tmp_path):
    files = {"a.sn": '(print (read-string "~@"))hello@\n(print (quote end))'}
    assert printed('(load "a") (print (read)) mine', tmp_path, files) == '"hello"\nend\nmine\n'


def test_autoload_loads_when_the_function_is_called(tmp_path):
    files = {"a.sn": "(print 'loading) (de twice (x) (* 2 x))", "b.sn": "1"}
    text = '(autoload "a" twice other) (print 1) (print (twice 3) (twice 4)) (autoload "b" none)'
    assert printed(text, tmp_path, files) == "1\nloading\n6 8\n"
    assert "does not define none" in fault(text + "(none)", tmp_path, files=files)[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('(libload "sn29/kernel")', 'library "sn29/kernel" not found'),
        ('(load "nothing")', 'file "nothing" (nor with .lsh or .sn or .tl) not found'),
        ('(load "loop")', "is the limit"),
        ('(load "bad")', "no function"),
    ],
)
def test_loading_that_fails(text, message, tmp_path):
    files = {"loop.sn": '(load "loop")', "bad.sn": "\n\n(no-such-function 1)"}
    found, line, _ = fault(text, tmp_path, files=files)
    assert message in found and (line == 3) == ("bad" in text)


def test_a_fault_in_a_file_says_where_it_was_loaded(tmp_path):
    (tmp_path / "bad.sn").write_text("(car 3)")
    with pytest.raises(SnError) as error:
        printed('(print 1)\n(load "bad")', tmp_path)
    ((label, span),) = error.value.faults[0].also
    assert label == "loaded here" and span.line == 2


def test_libraries_are_built_in():
    for name in ("sn28/sn28", "sn28/sn28ite.sn", "netenv", "sn28/connect", "knnenv", "../lib/perf-file"):
        assert printed(f'(print (libload "{name}"))') == f'"{name}"\n'
    assert printed('(libload "sn28/sn28itenew") (print (iterative-mode) (newton-mode))') == "t t\n"
    assert printed('(libload "sn28/sn28") (print (iterative-mode) (newton-mode))') == "() ()\n"


# The user and the system


def test_questions_are_put_to_the_user_or_answered_by_yes():
    asked = []
    text = '(print (ask "Go on?") (ask "Sure?"))'
    assert printed(text, ask=lambda question: asked.append(question) or question == "Sure?") == "() t\n"
    assert asked == ["Go on?", "Sure?"] and printed(text) == "t t\n"


def test_the_system_is_out_of_reach():
    assert "may not run system commands" in fault('(sys "echo hello")')[0]
    assert printed("(print (sleep 10) (process-pending-events))") == "() ()\n"


# Matrices


@given(
    st.sampled_from(TYPES).flatmap(
        lambda kind: arrays.arrays(
            kind,
            arrays.array_shapes(min_dims=1, max_dims=5, max_side=4),
            elements={"allow_nan": False, "allow_infinity": False} if np.issubdtype(kind, np.floating) else None,
        )
    )
)
@settings(max_examples=60, deadline=None)
def test_a_matrix_reads_back(values):
    content = encode_matrix(values)
    assert len(content) == 8 + 4 * max(3, values.ndim) + values.nbytes
    for written in (content, content + b"trailing"):
        found = parse_matrix(written, "a test")
        assert found.dtype == values.dtype and np.array_equal(found, values)


def test_the_bytes_of_a_matrix_are_those_of_the_original():
    values = np.array([[1.5, -2.0]], np.float32)
    header = struct.pack("<5i", 0x1E3D4C51, 2, 1, 2, 1)
    assert encode_matrix(values) == header + struct.pack("<2f", 1.5, -2.0)
    assert format_matrix(values) == b".MAT 2 1 2\n1.5000\n-2.0000\n"
    big = struct.pack(">5i", 0x1E3D4C52, 2, 1, 2, 1) + bytes([0x18, 0xF0])
    found = parse_matrix(big, "a test")
    assert found.dtype == np.float32 and found.tolist() == [[1.5, -1.0]]
    idx = b"\0\0\x08\x02" + struct.pack(">2I", 1, 2) + bytes([7, 255])
    assert parse_matrix(idx, "a test").tolist() == [[7, 255]]


MATRICES = [
    (
        '(save-matrix [[1 2][3 4]] "m") (print (load-matrix "m") (filep "m.mat"))',
        "[[  1.00  2.00 ]\n [  3.00  4.00 ]] t\n",
    ),
    ('(load-matrix p "given") (print (bound p) (p 1 0))', "(2 3) 4\n"),
    ('(save-ascii-matrix [0.123456 2] "m.txt") (print (filep "m.txt") ((load-matrix "m.txt") 0))', "t 0.1235\n"),
    ('(export-raw-matrix [i 1 2] "r") (setq m (int-matrix 2)) (print (import-raw-matrix m "r"))', "[i     1     2 ]\n"),
    ('(setq m (int-matrix 1)) (export-raw-matrix [i 1 2] "r") (print (import-raw-matrix m "r" 4))', "[i     2 ]\n"),
    ('(export-text-matrix [1.5 2] "r") (setq m (matrix 2)) (print (import-text-matrix m "r"))', "[  1.50  2.00 ]\n"),
]


@pytest.mark.parametrize(("text", "expected"), MATRICES)
def test_matrix_files(text, expected, tmp_path):
    assert printed(text, tmp_path, {"given.mat": ".MAT 2 2 3\n1 2 3\n+4 5.0 6e0 trailing"}) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('(load-matrix "given.mat")', "2 numbers, expected 4"),
        ('(load-matrix p "none")', 'file "none" (nor with .mat) not found'),
        ("(load-matrix p)", "is not a string"),
        ('(load-matrix a b "c")', "3 arguments given"),
        ('(save-matrix (array 2) "m")', "not a matrix of numbers"),
        ('(save-matrix 3 "m")', "is not a matrix"),
        ('(import-raw-matrix (matrix 9) "given.mat")', "bytes 0 to 72 are needed"),
        ('(import-text-matrix (matrix 2) "given.mat")', "expected a number"),
    ],
)
def test_matrix_files_that_are_refused(text, message, tmp_path):
    assert message in fault(text, tmp_path, files={"given.mat": ".MAT 2 2 2\n1 2"})[0]


@needs_data(*SN_DIGITS)
def test_the_digits_of_sn():
    text = '(load-matrix p "dig.pat") (print (bound p) (p 0 (quote (4 7))) (sup-mat p) (inf-mat p))'
    assert printed(text) == "(480 256) (-1 -1 1 1) 1 -1\n"


# How much is written, and what is not overwritten

BOUNDED = [
    ('(setq m (matrix 100 100)) (for (i 1 9) (save-matrix m (sprintf "m%d" i)))', 40, "too many bytes (100,000 is"),
    ('(for (i 1 99) (save-matrix [1] (sprintf "m%d" i)))', 15, "too many files (10 is the limit)"),
    ('(for (i 1 99) (open-write (sprintf "a%d/b" i)))', 15, "too many files (10 is the limit)"),
    ('(for (i 1 99999) (writing (open-append "a") (printf "%999s" "")))', 18, "too many bytes (100,000 is the limit)"),
    ('(setq perf-file "p") (for (i 1 99999) (save-perf "%999s" ""))', 39, "too many bytes (100,000 is the limit)"),
]


@pytest.mark.parametrize(("text", "column", "message"), BOUNDED)
def test_what_a_program_writes_is_bounded(text, column, message, tmp_path):
    found, line, at = fault(text, tmp_path, limits=Limits(written_bytes=100_000, written_files=10))
    assert message in found and (line, at) == (1, column)
    assert sum(path.stat().st_size for path in (tmp_path / "run").rglob("*") if path.is_file()) < 110_000


def test_files_that_are_replaced_or_removed_count_once(tmp_path):
    text = (
        '(setq m (matrix 100 100)) (for (i 1 20) (save-matrix m "m")) (unlink "m.mat")'
        '(for (i 1 20) (save-matrix m (sprintf "m%d" i)) (unlink (sprintf "m%d.mat" i)))'
    )
    assert printed(text, tmp_path, limits=Limits(written_bytes=100_000, written_files=3)) == ""


@pytest.mark.parametrize(
    "name", ["program.json", "./program.json", "Program.JSON", "source/a.sn", "SOURCE", "run.json"]
)
def test_the_record_is_not_overwritten(name, tmp_path):
    for text in (f'(save-matrix [1 2] "{name}")', f'(open-append "{name}")', f'(unlink "{name}")'):
        found, _, _ = fault(text, tmp_path)
        assert f'"{name}" is reserved for snsim' in found
    assert not (tmp_path / "run").exists()
