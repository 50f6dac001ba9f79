"""`snsim run` of programs in SN-2.8's words: printing, run folder, options, faults; and beside trainings."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from unittest import mock

import pytest

from snsim.cli.main import main

NET = """(net small (layer input (16 16)) (layer output 10) (connect input output (full)))
(train small (data digits) (epsilon 0.01) (order fixed) (passes 1))
"""
ACTS = """(libload "sn28/sn28ite")
(alloc-net 10 20)
(build-net '((in 2) (out 1)) '((in out)))
(seed 0) (forget 1)
(save-net "weights") (load-net "weights")
(writing (open-write "log.txt") (print 'written))
(printf "%d\\n" (length (read))) (a b c)
"""


def snsim(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a command run in a folder."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), mock.patch.dict("os.environ", {"SNSIM_DATA": str(folder)}):  # noqa: SIM117
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(list(arguments))
    return code, out.getvalue(), err.getvalue()


def test_a_program_acts_prints_and_writes_into_its_run_folder(tmp_path):
    (tmp_path / "old.sn").write_text(ACTS)
    assert snsim(tmp_path, "run", "old.sn") == (0, "3\n", "old.sn wrote its files to runs/old\n")
    folder = tmp_path / "runs" / "old"
    assert sorted(path.name for path in folder.iterdir()) == ["log.txt", "program.json", "source", "weights.wei"]
    assert (folder / "log.txt").read_text() == "written\n" and (folder / "source" / "old.sn").read_text() == ACTS
    assert json.loads((folder / "program.json").read_text())["source"]["main"] == "old.sn"
    assert snsim(tmp_path, "run", "old.sn", "--out", "others")[0] == 0 and (tmp_path / "others" / "old").is_dir()
    assert snsim(tmp_path, "run", "old.sn")[2] == "old.sn wrote its files to runs/old-2\n"


def test_json_stays_clean(tmp_path):
    (tmp_path / "old.sn").write_text(ACTS)
    assert snsim(tmp_path, "run", "--json", "old.sn") == (0, "", "3\n")
    (tmp_path / "bad.sn").write_text("(print 1) (car 3)")
    code, out, err = snsim(tmp_path, "run", "--json", "bad.sn")
    assert (code, err) == (1, "1\n") and json.loads(out)["line"] == 1


def test_looking_at_a_program_leaves_no_files(tmp_path):
    (tmp_path / "old.sn").write_text(ACTS)
    code, out, _ = snsim(tmp_path, "check", "old.sn")
    assert code == 0 and "no faults" in out and sorted(p.name for p in tmp_path.iterdir()) == ["old.sn"]


def test_a_program_that_declares_a_training_too_does_both(tmp_path):
    (tmp_path / "both.sn").write_text(f'(seed 3) (print (filep "x"))\n(writing "x" (print 1))\n{NET}')
    code, out, err = snsim(tmp_path, "run", "both.sn", "--engine", "reference", "--quiet")
    assert code == 0 and "small, seed 1, pass 1" in out and err.startswith("()\n")
    assert sorted(p.name for p in (tmp_path / "runs").iterdir()) == ["both", "small"]
    assert snsim(tmp_path, "run", "--resume", "runs/small", "--quiet")[0] == 0


def test_a_file_that_only_defines_things_says_what(tmp_path):
    (tmp_path / "p.sn").write_text("(de twice (x) (* 2 x)) (setq Some_Number 3)")
    assert snsim(tmp_path, "run", "p.sn") == (0, "", "p.sn defines twice, some-number, and does nothing by itself\n")
    assert snsim(tmp_path, "run", "p.sn", "--quiet") == (0, "", "") and not (tmp_path / "runs").exists()


def test_set_gives_a_value_to_a_program(tmp_path):
    (tmp_path / "p.sn").write_text("(defvar n 3) (print (* 2 n))")
    assert snsim(tmp_path, "run", "p.sn", "--set", "n=5")[:2] == (0, "10\n")


def test_the_kernel_is_the_programs_or_that_of_the_option(tmp_path):
    (tmp_path / "p.sn").write_text("(print (iterative-mode) (newton-mode))")
    (tmp_path / "q.sn").write_text('(libload "sn28/sn28") (print (newton-mode))')
    assert snsim(tmp_path, "run", "p.sn")[1] == "() ()\n"
    assert snsim(tmp_path, "run", "p.sn", "--kernel", "sn28itenew")[1] == "t t\n"
    assert snsim(tmp_path, "run", "q.sn", "--kernel", "sn28itenew")[1] == "()\n"


def test_sums_in_another_order_differ_in_the_last_digits(tmp_path):
    (tmp_path / "p.sn").write_text("""(libload "sn28/sn28ite") (seed 1) (alloc-net 200 2000)
(build-net '((in 40) (hid 30) (out 1)) '((in hid) (hid out)))
(forget 2) (state in 0.3) (forward-prop net-struc) (save-net "w") (printf "%.12g" (car (state out)))""")
    exact, fast = (
        snsim(tmp_path, "run", "p.sn", "--out", name, *options)
        for name, options in (("exact", []), ("fast", ["--fast"]))
    )
    assert exact[1] != fast[1] and float(exact[1]) == pytest.approx(float(fast[1]), abs=1e-5)
    assert json.loads((tmp_path / "fast" / "p" / "program.json").read_text())["fast"] is True


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("(print 1)", ["--passes", "2"], "--passes does not apply"),
        ("(print 1)", ["--seed", "2"], "--seed does not apply"),
        ("(print 1)", ["--only", "a"], "--only does not apply"),
        (NET, ["--kernel", "sn28"], "--kernel does not apply"),
        (NET, ["--fast"], "--fast does not apply"),
        ("; nothing", [], "there is nothing to run"),
        ("(setq n 1) (net a (layer i 2) (layer o ,n) (connect i o (full)))", [], "there is nothing to run"),
        ("(print 1)\n(foget 1)", [], 'p.sn:2:2: error: there is no function "foget"'),
        ("(print 1)\n(foget 1)", [], "did you mean"),
        (
            "\n  (while t 1)",
            ["--steps", "1000"],
            "p.sn:2:3: error: the program takes too many steps (1,000 is the limit)",
        ),
        ("\n  (while t 1)", ["--steps", "1000"], "`snsim run --steps N` allows more"),
        ('(sys "ls")', [], "may not run system commands"),
        ('(save-matrix [1] "{folder}/m")', [], "only in its run folder"),
    ],
)
def test_what_is_refused(text, options, message, tmp_path):
    (tmp_path / "p.sn").write_text(text.format(folder=tmp_path))
    code, _, err = snsim(tmp_path, "run", "p.sn", *options)
    assert code == 1 and message in err and not (tmp_path / "runs").exists() and not (tmp_path / "m").exists()


def test_data_are_found_by_the_option_and_by_the_environment(tmp_path):
    for folder, content in (("sn28", "environment"), ("mine", "option")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "d.txt").write_text(content)
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "p.sn").write_text('(print (reading "d.txt" (read)))')
    assert snsim(tmp_path, "run", "p/p.sn")[1] == "environment\n"
    assert snsim(tmp_path, "run", "p/p.sn", "--data-dir", "mine")[1] == "option\n"
