"""Sentences of the reference of SN-2.8, section by section, that no other test holds.

Every expected value stands in the sections named here (docs/reference/sn28.md, section 1.2 and the following), which
state what the original did, or follows from their formulas by the arithmetic in the row. The programs of
test_sn28_programs.py hold the rest, by what the original printed.
"""

import numpy as np
import pytest
from sn28_programs import fault, printed

NET = """(libload "sn28/%s") (alloc-net 40 90)
(build-net '((in 2) (hid 2) (out 1)) '((in hid) (hid out)))
(setq pattern-matrix [[-1 -1] [1 -1] [1 1] [-1 1]] desired-matrix [[1] [-1] [1] [-1]])
"""
RULE = "-" * 55

ROWS = [
    # 1.2 locked words are free as inner variables
    ("(let ((left 3) (class 4)) (print left class (left \"hello\" 2)))", '3 4 "he"\n'),
    ("(de f (list) (list list 1)) (print (f 2)) (setq size 3 first 4) (print size first)", "(2 1)\n3 4\n"),
    # 1.4 one argument of gauss is the deviation, two are mean and deviation, from the same draw
    (
        "(seed 3) (setq g (gauss)) (seed 3) (print (= (gauss 2) (* 2 g)))"
        "(seed 3) (print (= (gauss 5 2) (+ 5 (* 2 g))))",
        "t\nt\n",
    ),
    # 1.8, 1.9 the plot library, before or after the kernel; windows in all their forms
    (
        '(libload "oldplotenv") (libload "sn28/sn28") (libload "oldplotenv") (new-window 0 0 512 512)'
        "(print (nice-brect))",
        "(60 482 462 40)\n",
    ),
    (
        "(each ((args '(() (\"t\") (30 20) (30 20 \"t\") (1 2 30 20) (1 2 30 20 \"t\"))))"
        "  (apply new-window args) (prin (xsize) (ysize) '/))",
        "512 512 /512 512 /30 20 /30 20 /30 20 /30 20 /",
    ),
    # 2.1 the name of clear-net in the original
    ('(libload "sn28/sn28") (alloc-net 9 9) (newneurons 3) (|clear_net|) (print nnum nmax)', "1 9\n"),
    # 3.2 a bare number is no layer
    (NET % "sn28" + "(state in 1) (all-synapse (i j) (sval i j 1)) (update-state 7) (print (state hid))", "(0 0)\n"),
]  # fmt: skip

VALUES = [  # 3.7, 3.9, 3.11 what the words return
    ("(seed 3)", "()"),
    ("(forget 1)", "()"),
    ("(forget-inv 1)", "()"),
    ("(forget-sqrt 1)", "()"),
    ("(smartforget)", "()"),
    ("(forget-layer 1 hid)", "()"),
    ("(epsi 1)", "()"),
    ("(epsi-sqrt 1)", "()"),
    ("(epsi-layer 1 hid)", "()"),
    ("(epsilon 0.1)", "()"),
    ("(ensemble 0 3)", "()"),
    ("(alloc-net 9 9) (build-net '((a 1) (b 1)) '((a b)))", "()"),
    ("(set-class-max)", "class-max"),
    ("(set-class-quadrant)", "class-quadrant"),
    ("(set-class-lms 0.1)", "class-lms"),
    ("(set-class-nil)", "()"),
    ("(set-cost-lms)", "init-grad-lms"),
    ("(set-nextcho-seq)", "nextcho-seq"),
    ("(set-nextcho-rnd)", "nextcho-rnd"),
    ("(set-nextpat-stay)", "nextpat-stay"),
    ("(set-disp-text)", "disp-text"),
    ("(set-disp-nil)", "disp-nil"),
    ("(forget 0) (learn 2)", "(2)"),
    ("(forget 0) (learn-cycle 1)", "(1)"),
    ("(forget 0) (performance 0 3)", "0.5"),  # all outputs 0: half of 1
    ("(print-layer hid)", "()"),
    ("(prneur)", "()"),
    ("(prsyn)", "()"),
    ("(prnet)", "()"),
]


@pytest.mark.parametrize(("text", "expected"), ROWS)
def test_what_a_program_prints(text, expected):
    assert printed(text) == expected


@pytest.mark.parametrize(("text", "expected"), VALUES)
def test_the_value_of_a_word(text, expected):
    program = f"{NET % 'sn28ite'} (ensemble 0 3) (setq value (progn {text})) (print value)"
    assert printed(program).splitlines()[-1] == expected


def test_runs_return_nothing():
    out = printed(NET % "sn28ite" + "(ensemble 0 3) (test-set 0 3) (forget 0) (print (run 1 1)) (print (trun 1 1))")
    assert [line for line in out.splitlines() if line == "()"] == ["()", "()"]


def test_a_measurement_prints_its_rule_before_the_display():
    """Section 3.10: the rule, what the display prints for each pattern, the result."""
    out = printed(NET % "sn28" + "(ensemble 0 3) (forget 0) (de disp-user (n) (print n)) (set-disp-user) (perf 2 3)")
    assert out == f"{RULE}\n2\n3\npatterns{{2-3}}, age=0, error=0.5, performance=0\n"


@pytest.mark.parametrize("setter", ["set-disp-error", "set-disp-net-and-error", "set-disp-everything"])
def test_displays_with_an_error_curve_need_a_training_range(setter):
    """Section 3.13."""
    assert "patt-min and patt-max" in fault(NET % "sn28" + f"({setter})")[0]
    assert printed(NET % "sn28" + f"(ensemble 0 3) ({setter})") == ""


def test_everything_is_displayed_in_its_order():
    """Section 3.13: print-layer of the output, the line of disp-text, the error curve, draw-net."""
    text = """(ensemble 0 3) (forget 0) (de draw-net (struc n) (print 'net n))
      (set-disp-everything) (de plot-error (age e) (print 'curve)) (learn 1)"""
    assert printed(NET % "sn28" + text).splitlines() == [
        "-------",
        "X  :  0.000",
        "Y  :  1.144",  # y = 1, slope at 0
        "age=1  pattern=0  error=  0.50000  **arrgh**",
        "curve",
        "net 0",
    ]


def test_a_rate_of_lvq_is_computed_in_single_precision():
    """Section 5: a0 (1 - t/iters), here of one wrong word at distance 1, in sweeps 0 to 2 of 3."""
    text = """(setq data (new-codebook 1 1)) (codebook-word data 0 [f 1]) (setq ref (new-codebook 1 1))
      (codebook-label ref 0 1) (learn-lvq 1 data ref 3 0.1) (printf "%.9g" ((codebook-word ref) 0 0))"""
    f, r = np.float32, np.float32(0)
    for t in range(3):
        r = r - f(0.1) * (f(1) - f(t) / f(3)) * (f(1) - r)
    assert printed(text) == f"{r:.9g}"


def test_the_means_of_classes_have_their_labels_and_k_means_those_of_its_first_words():
    """Section 5."""
    text = """(setq data (new-codebook 4 1))
      (each ((i '(0 1 2 3)) (x '(0 9 1 8)) (l '(4 7 5 6))) (codebook-word data i (let ((v (float-matrix 1))) (v 0 x)))
        (codebook-label data i l))
      (print (codebook-label (k-means data 2)))"""
    assert printed(text) == "[i     4     7 ]\n"


def test_a_share_of_right_answers_is_rounded_to_single_precision():
    """Section 5: 31 right of 48 are 64.5833282 percent."""
    text = """(setq data (new-codebook 48 1)) (for (i 31 47) (codebook-label data i 1)) (setq ref (new-codebook 1 1))
      (printf "%.9g" (perf-knn data ref))"""
    assert printed(text) == "64.5833282"


def test_lists_of_another_length_than_rows_times_columns_are_connected_as_far_as_they_go():
    """Section 3.16: of a longer list the first units are used, missing ones of a shorter one are skipped."""
    text = """(libload "sn28/sn28ite") (alloc-net 40 90) (setq a (newneurons 5) b (newneurons 3) c (newneurons 3))
      (mask-1d-connect a 4 b 2 2 2) (print (amont 6) (amont 7) (amont 8) snum wnum)
      (mask-1d-connect '(1 2 3) 4 '(9 10) 2 2 2) (print (amont 9) (amont 10) (= (sindex 1 9) (sindex 3 10)))"""
    assert printed(text) == "(1 2) (3 4) () 4 2\n(1 2) (3) t\n"


def test_a_file_of_cells_lists_connections_as_they_were_made(tmp_path):
    """Section 4.2."""
    text = """(libload "sn28/sn28ite") (alloc-net 9 9) (newneurons 3) (connect 2 3) (connect 1 2) (connect 1 3)
      (all-synapse (i j) (sval i j (+ (* 10 i) j))) (setq age 5) (save-ascii-net "w" '(1 2 3))"""
    printed(text, tmp_path)
    assert (tmp_path / "run" / "w.wei").read_text().splitlines() == [
        ".WEI 3 5",
        "   2    3 23.0000000",
        "   1    2 12.0000000",
        "   1    3 13.0000000",
    ]


def test_a_bar_only_where_a_name_would_be_folded():
    """Section 1.5: a blank alone brings no bars."""
    assert printed("(print '|a b| '|A| '|a_b| '_x_y)") == "a b |A| |a_b| _x-y\n"


def test_the_size_of_the_search_for_an_architecture_is_bounded_by_the_patterns():
    """Section 3.13: h < 10 + (in + out) patterns, and h < 10 + 2 best."""
    text = """(ensemble 0 0) (de netenv-auto-train l (setq tried (cons (length hidden) tried)) (- (length hidden)))
      (setq tried ()) (netenv-auto-arch () 1 1) (print (reverse tried))"""
    assert printed(NET % "sn28ite" + text).splitlines()[-1] == "(1 2 3 4 5 7 9 11)"
