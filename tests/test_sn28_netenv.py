"""The library of SN-2.8: building, learning, measuring, pruning, weight files, and functions that are re-plugged."""

import re
import struct

import numpy as np
import pytest
from data_folder import SN_DIGITS, needs_data
from hypothesis import given, settings
from hypothesis import strategies as st
from sn28_programs import fault, printed

XOR = """
(libload "sn28/%s")
(alloc-net 100 1000)
(build-net '((input 2) (hidden 2) (output 1)) '((input hidden) (hidden output)))
(setq pattern-matrix [[-1 -1] [1 -1] [1 1] [-1 1]] desired-matrix [[1] [-1] [1] [-1]])
(ensemble 0 3)
(de show (field) (mapc (lambda (ends) (printf " %%.7f" (apply field ends)))
                       '((0 3) (0 4) (0 5) (1 3) (1 4) (2 3) (2 4) (3 5) (4 5))))
"""
START = "(seed 0) (forget 1) (epsilon 0.1) (setq mu 0.05 gamma 1 alpha 0 decay 0)\n"

# What the original simulator gave (kernel sn28itenew): each from the same start
UPDATES = {
    "": "-0.8915148 0.4387804 0.7404791 0.6792325 0.7845657 -0.7461449 0.3117414 0.6172727 -0.8761981",
    "(learn 1)": "-0.8853403 0.4290766 0.7521431 0.6730580 0.7942696 -0.7523194 0.3214452 0.6072592 -0.8844495",
    "(learn-lm 1)": "-0.8672536 0.4212993 0.7554373 0.6549713 0.8020468 -0.7704061 0.3292225 0.6002389 -0.8960707",
    "(learn-newton 1)": "-0.8652704 0.4241412 0.7540708 0.6529881 0.7992049 -0.7723893 0.3263806 0.6017634 -0.8943549",
    "(learn-batch 1)": "-0.9145469 0.5595047 0.6682407 0.6645391 0.7485597 -0.5993339 0.2452694 0.5140826 -0.8184035",
    "(learn-batch-lm 1)": "-0.9178584 0.4865626 0.7215642 0.6624265 0.7703146 -0.5782261 0.2854320 0.5950066 -0.8525655",  # noqa: E501
    "(learn-batch-cg 3)": "-0.9133536 1.1433150 0.4899584 0.6714981 0.3942760 0.2541620 0.3978845 0.0522742 -0.1936015",
}
HESSIANS = {
    "(learn-lm 1)": "0.2045011 0.5051048 0.7297729 0.2045011 0.5051048 0.2045011 0.5051048 0.5378639 0.3652176",
    "(learn-newton 1)": "0.1852692 0.6128657 0.8081757 0.1852692 0.6128657 0.1852692 0.6128657 0.5956491 0.4044546",
}


def xor(text, kernel="sn28itenew", folder=None):
    return printed(XOR % kernel + START + text, folder)


# Learning


@pytest.mark.parametrize("step", UPDATES)
def test_a_step_gives_the_weights_of_the_original(step):
    found, expected = xor(f"{step} (show sval)").split(), UPDATES[step].split()
    if "cg" in step:  # this row was noted with an error of 3e-7; a program of test_sn28_programs has all digits
        np.testing.assert_allclose([float(w) for w in found], [float(w) for w in expected], atol=5e-7)
    else:
        assert found == expected


@pytest.mark.parametrize("step", HESSIANS)
def test_a_step_gives_the_curvatures_of_the_original(step):
    assert xor(f"{step} (show shess)").split() == HESSIANS[step].split()


def test_errors_are_those_of_the_original():
    assert xor('(learn 1) (printf "%.8f" local-error)') == "0.00932134"
    assert xor('(learn-batch 1) (printf "%.8f %d %d" global-error age current-pattern)') == "0.80398017 4 0"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (
            "(repeat 8 (basic-iteration current-pattern) (setq current-pattern (next-pattern current-pattern)))",
            "(learn 8)",
        ),
        ("(learn-cycle 2)", "(learn 8)"),
        ("(learn-cycle-lm 1)", "(learn-lm 4)"),
        ("(let ((lev-mar t)) (learn-newton 4))", "(learn-lm 4)"),
        ("(batch-iteration 0 3) (batch-iteration 0 3)", "(learn-batch 2)"),
        ("(let ((lev-mar t)) (batch-newton-iteration 0 3))", "(learn-batch-lm 1)"),
        ("(run-batch-cg 2 2)", "(let ((l (learn-batch-cg 2))) (apply learn-batch-cg l))"),
        ("(run 2 4)", "(learn 8)"),
        ("(run-lm 2 2)", "(learn-lm 4)"),
        ("(test-set 0 3) (trun-batch-newton 1 2)", "(learn-batch-newton 2)"),
    ],
)
def test_two_ways_of_the_same_learning(a, b):
    weights = '(print "weights") (show sval)'
    assert xor(a + weights).split('"weights"')[1] == xor(b + weights).split('"weights"')[1]


def test_conjugate_gradient_begins_afresh_unless_its_list_is_handed_back():
    handed_back = xor("(setq l (learn-batch-cg 1)) (repeat 2 (setq l (apply learn-batch-cg l))) (show sval)")
    assert handed_back == xor("(learn-batch-cg 3) (show sval)")
    assert xor("(repeat 3 (learn-batch-cg 1)) (show sval)") != handed_back
    assert xor("(learn-batch-cg 2) (print (nepsilon 4) gamma age)") == "1 1 8\n"


def test_what_learning_gives_and_leaves_behind():
    assert xor("(print (learn 3) age current-pattern (learn-cycle 1) age current-pattern)") == "(3) 3 3 (1) 7 3\n"
    assert xor("(setq gamma 0.05) (learn-batch-newton 1) (print gamma)") == "1\n"
    assert xor("(setq gamma 0.05) (obd-compute-curvature 0 3) (print gamma age)") == "0.05 0\n"


def test_patterns_stay_until_they_are_learned():
    text = """(set-nextpat-stay) (setq l ()) (repeat 4 (learn 1) (setq l (cons (list current-pattern good-answer) l)))
              (mapc (lambda (x) (print x)) (reverse l))"""
    for line in xor(text).splitlines():
        assert line in ("(0 ())", "(1 0)", "(1 ())", "(2 0)", "(2 ())", "(3 0)", "(3 ())", "(0 0)")


# The net of the digits

NETMASK = """
(libload "sn28/sn28itenew")
(alloc-net 469 3146 746)
(build-net-nobias '((retina 256) (big1 64) (big2 64) (small1 16) (small2 16) (small3 16) (small4 16) (answer 10)) ())
(setq bigs (list big1 big2) smalls (list small1 small2 small3 small4))
(each ((m (append bigs smalls))) (shared-bias-connect m))
(bias-connect answer)
(each ((m bigs)) (mask-toric-connect retina 16 16 m 8 8 2 2 3 3))
(each ((b bigs)) (each ((m smalls)) (mask-toric-connect b 8 8 m 4 4 2 2 3 3)))
(each ((m smalls)) (connect m answer))
(load-patterns "dig.pat" "dig.des")
(ensemble 0 319) (set-class-max) (seed 0) (forget-sqrt 1)
(de measure () (performance 0 319) (printf "%.4f %.2f " global-error good-an-percent)
               (performance 320 479) (printf "%.4f %.2f" global-error good-an-percent))
"""


@needs_data(*SN_DIGITS)
@pytest.mark.parametrize(
    ("settings_", "expected"),
    [
        ("(epsi-sqrt 0.1)", "0.0866 86.56 0.0918 85.00"),
        ("(mask-epsi 0.1) (setq alpha 0.5 decay 0.0001)", "0.1397 60.94 0.1441 51.88"),
    ],
)
def test_a_sweep_of_the_digits_is_that_of_the_original(settings_, expected):
    assert printed(NETMASK + settings_ + "(learn 320) (measure)") == expected


@needs_data(*SN_DIGITS)
def test_the_rates_of_shared_weights():
    assert printed(
        NETMASK + '(mask-epsi 0.1) (printf "%.4f %.4f %.4f %d %d" (nepsilon (car big1)) '
        "(nepsilon (car small1)) (nepsilon (car answer)) snum wnum)"
    ) == ("0.0040 0.0057 0.0124 3146 746")


# Functions that a program gives another meaning


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(de present-pattern (l n) (state l '(0 0))) (test-pattern 1) (print (state input))", "(0 0)\n"),
        ("(de classify (n) (= n 2)) (performance 0 3) (print good-an-percent)", "25\n"),
        (
            "(let ((classify (lambda (n) ()))) (performance 0 3)) (print good-an-percent)"
            "(let ((classify (lambda (n) t))) (performance 0 3)) (print good-an-percent)",
            "0\n100\n",
        ),
        ("(let ((present-pattern (lambda (l n) (state l 7)))) (test-pattern 0)) (print (state input))", "(7 7)\n"),
        ("(de forward-prop (net) (state output 0.5)) (print (test-pattern 0) (state output))", "0.125 (0.5)\n"),
        (
            "(setq n 0) (de basic-iteration (p) (incr n) (setq good-answer t)) (learn 5) (print n age current-pattern)",
            "5 0 1\n",
        ),
        (
            "(de do-update-weight (net) (setq seen net)) (learn 1) (print (= seen net-struc)) (show sval)",
            "t\n " + UPDATES[""],
        ),
        ("(de next-choice (n) 2) (learn 1) (print current-pattern)", "2\n"),
        (
            "(de perf l (print l) 1) (run 1 1) (test-set 1 2) (trun 1 1)",
            "()\n()\n** Test set size = 2, 90% confidence interval = +-86.54%.\n()\n(1 2)\n()\n(1 2)\n",
        ),
        ("(de learn (n) (print 'mine) (list n)) (de perf l 50) (print (run 3 2))", "mine\nmine\n()\n"),
        ("(de disp-user (n) (prin n)) (set-disp-user) (learn 3) (performance 0 1) (set-disp-nil) (learn 3)", "01201"),
        ("(de init-grad (f out des) (init-grad-lms f out des) 7) (print (test-pattern 0))", "7\n"),
        (
            "(setq l ()) (de test-pattern (n) (setq l (cons n l) good-answer ()) n) (performance 1 3) (print l global-error)",  # noqa: E501
            "(3 2 1) 2\n",
        ),
    ],
)
def test_the_library_calls_functions_by_their_names(text, expected):
    assert xor(text) == expected


def test_layers_without_a_function_of_their_own_follow_the_variable():
    text = """(libload "sn28/sn28") (alloc-net 10 20)
        (build-net '((in 1) (own 1 (nlf-lin 2 2)) (out 1)) '((in own) (own out)))
        (all-synapse (i j) (sval i j (if (= i 0) 0 1))) (state in 0.5)
        (forward-prop ()) (print (nval (car own))) (printf "%.6f %.6f\\n" (nval (car out)) (nlf 1))
        (nlf-lin 3 3) (forward-prop ()) (print (nval (car own)) (nval (car out)))"""
    assert printed(text) == "1\n1.000000 1.000000\n1 3\n"


def test_the_functions_of_a_net_can_be_printed():
    out = xor("(pretty forward-prop) (pretty backward-prop) (pretty do-compute-err) (pretty do-update-weight)")
    assert "(update-state theta nlf hidden)" in out and out.index("nlf hidden") < out.index("nlf output")
    assert "(do-compute-err output-layer desired-layer)" in out and "(update-gradient dnlf hidden)" in out
    assert "(update-gradient dnlf input)" not in out and "(update-gradient dnlf output)" not in out
    assert "(init-grad dnlf out des)" in out and "(update-weight alpha decay)" in out


def test_what_build_net_sets():
    text = """(libload "sn28/sn28") (setq n 3) (alloc-net 20 40)
        (build-net '((a n) (b (1+ 1)) (c 1)) '((a c) (b c)))
        (print a b c net-struc layer-names input-layer output-layer desired-layer nnum snum)
        (print (amont (car b)) (amont (car c)))"""
    assert printed(text) == (
        "(1 2 3) (4 5) (6) (((1 2 3) (4 5) (6)) 7) (a b c) (1 2 3) (6) (7) 8 8\n(0) (0 1 2 3 4 5)\n"
    )


# Measuring


def test_perf_prints_and_logs(tmp_path):
    out = xor(
        """(setq perf-file "log" input-noise 3) (learn 4) (print (perf) input-noise) (perf 1 2)
                 (forget-sqrt 1) (epsi-sqrt 0.1) (epsi 1) (epsilon 0.25) (mask-epsi 1) (new-mu 0.5) (test-set 2 3)
                 (ensemble 1 3) (epsi-layer 0.5 hidden) (forget-layer 1 hidden) (save-perf "%d;" 7)""",
        folder=tmp_path,
    )
    rule = "-" * 55
    assert re.fullmatch(
        rf"{rule}\npatterns\{{0-3\}}, age=4, error=([0-9.]+), performance=50\n50 3\n{rule}\n"
        r"patterns\{1-2\}, age=4, error=[0-9.]+, performance=0\n\*\* Test set size = 2, 90% confidence"
        r" interval = \+-86.54%.\n",
        out,
    ), out
    lines = (tmp_path / "run" / "log.perf").read_text().splitlines()
    assert re.fullmatch(r"     4 0\.\d{8}  50\.00 ;\{0-3\}", lines[0])
    assert lines[2:] == [
        ";;; (forget-sqrt 1)",
        ";;; (epsi-sqrt 0.1)",
        ";;; (epsi 1)",
        ";;; (epsi-sqrt 1)",
        ";;; (mu 0.5)",
        ";;; (test-set 2 3)",
        ";;; (ensemble 1 3)",
        ";;; (epsi-layer 0.5 hidden) with (3 4))",
        ";;; (forget-layer 1 hidden) with (3 4))",
        "7;",
    ]


def test_a_run_logs_itself(tmp_path):
    xor('(setq perf-file "a.perf") (test-set 0 1) (run 4 1) (trun-batch-cg 1 1)', folder=tmp_path)
    lines = (tmp_path / "run" / "a.perf").read_text().splitlines()
    assert [line for line in lines if line[0] == ";"] == [";;; (test-set 0 1)", ";;; run 4 1", ";;; trun-batch-cg 1 1"]
    assert [line.split(";")[1] for line in lines if line[0] == " "] == ["{0-3}"] * 3 + ["{0-1}", "{0-3}", "{0-1}"]


CLASSES = [
    ("(set-class-quadrant)", "(0.1 -3)", "(1 -1)", True),
    ("(set-class-quadrant)", "(0.1 0)", "(1 -1)", False),
    ("(set-class-quadrant)", "(5 -1)", "(0 -1)", True),
    ("(set-class-max)", "(0.2 0.1)", "(1 -1)", True),
    ("(set-class-max)", "(0.2 0.2)", "(1 -1)", False),
    ("(set-class-max)", "(0.2 0.2)", "(1 1)", True),
    ("(set-class-sgn -0.5 0.5)", "(0.4 -0.6)", "(0 -1)", True),
    ("(set-class-sgn -0.5 0.5)", "(0.6 -0.6)", "(0 -1)", False),
    ("(set-class-sgn 0 0)", "(0 1)", "(1 1)", False),
    ("(set-class-lms 0.25)", "(0.5 0)", "(1 0)", True),
    ("(set-class-lms 0.125)", "(0.5 0)", "(1 0)", False),
    ("(set-class-hamming 0.5)", "(0.5 0)", "(1 0)", True),
    ("(set-class-hamming 0.4)", "(0.5 0)", "(1 0)", False),
    ("(set-class-nil)", "(0 0)", "(9 9)", True),
]


@pytest.mark.parametrize(("choice", "output", "desired", "good"), CLASSES)
def test_what_a_good_answer_is(choice, output, desired, good):
    text = f"""(libload "sn28/sn28") (alloc-net 9 9) (build-net '((a 1) (b 2)) ()) {choice}
               (state output-layer '{output}) (state desired-layer '{desired}) (print (if (classify 0) 'good 'bad))"""
    assert printed(text) == ("good\n" if good else "bad\n")


def test_classes_of_the_greatest_output():
    text = """(libload "sn28/sn28") (alloc-net 9 9) (build-net '((a 1) (b 3)) ()) (set-class-max)
              (state output-layer '(0 2 1)) (state desired-layer '(1 0 1)) (classify 0) (print out-class des-class)"""
    assert printed(text) == "1 (0 2)\n"


@pytest.mark.parametrize(
    ("output", "desired", "error"),
    [("1.5", "1", "0"), ("-1.5", "-1", "0"), ("0.5", "1", "0.125"), ("-0.5", "-1", "0.125"), ("-1", "1", "2")],
)
def test_thlms_forgives_what_is_beyond_the_target(output, desired, error):
    text = f"""(libload "sn28/sn28") (alloc-net 9 9) (build-net '((a 1) (b 1)) ()) (set-cost-thlms 0)
               (state b {output}) (state desired-layer {desired}) (print (do-compute-err b desired-layer))"""
    text = text.replace("(state b ", "(state b '(").replace(") (state desired-layer ", ")) (state desired-layer '(")
    assert printed(text.replace(") (print", ")) (print")) == f"{error}\n"


# Rates, first weights, access by layer


def test_rates_and_what_they_come_to():
    for kernel in ("sn28", "sn28new"):
        out = printed(
            XOR % kernel + '(epsi 1) (printf "%.6f %g " (nepsilon 3) eps) (epsi-sqrt 1) '
            '(printf "%.6f " (nepsilon 3)) (epsi-layer 3 hidden) (print (epsilon hidden)) (epsilon 0.5) '
            "(print eps (epsilon output)) (epsilon hidden 0.25) (print (epsilon hidden))"
        )
        assert out == "0.333333 1 0.577350 (1 1)\n1 (0.5)\n(0.25 0.25)\n"
    text = "(sigma hidden 0.2) (epsilon 0.5) (new-mu 0.3) (print mu (epsilon hidden) (real-epsilon hidden))"
    assert xor(text) == "0.3 (0.5 0.5) (1 1)\n"


def test_first_weights_lie_in_their_range_and_changes_are_forgotten_by_forget_only():
    text = """(libload "sn28/sn28") (alloc-net 300 10000) (build-net '((a 99) (b 50)) '((a b))) (seed 3)
        (de widest () (let ((x 0)) (all-synapse (i j) (setq x (max x (abs (sval i j))))) x))
        (each ((f (list forget forget-inv forget-sqrt)))
          (sdelta 0 100 7) (setq age 5 current-pattern 3) (f 2)
          (printf "%.2f %d %d %d\\n" (widest) (sdelta 0 100) age current-pattern))"""
    assert printed(text) == "2.00 0 0 0\n0.02 7 0 0\n0.20 7 0 0\n"


def test_a_shared_weight_keeps_the_number_drawn_last():
    text = """(libload "sn28/sn28ite") (alloc-net 20 40) (build-net-nobias '((a 4) (b 2)) ())
        (mask-1d-connect a 4 b 2 2 2) (seed 5) (forget 1) (print (= (sval 1 5) (sval 3 6)) (sval 1 5) (sval 2 5))
        (seed 5) (rand) (rand) (print (= (sval 1 5) (setq x (rand -1 1))) x (rand -1 1))"""
    first, second = printed(text).splitlines()
    assert first.split()[1:] == second.split()[1:] and first.startswith("t ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(print (state hidden '(0.5 -2)) (state hidden) (state (list 0 hidden)))", "(0.5 -2) (0.5 -2) (1 0.5 -2)\n"),
        ("(state 3) (print (nval 0) (nval 1) (nval 6) (length (state)))", "1 3 3 7\n"),
        ("(state () 9) (print (state ()) (length (state)) (mapncar nval '(())) (state output))", "() 7 () (0)\n"),
        (
            "(gradient output 2) (print (gradient output) (weighted-sum output) (spare-field hidden 4) (nspare1 3))",
            "(2) (0) 4 4\n",
        ),
        ("(set-weight 3 '(1 2 3)) (print (weight 3) (weight 3 '(2 4 0)) (sval 1 3))", "(1 2 3) (3 () 1) 2\n"),
        ("(set-deltaw 3 '(1 2 3)) (print (deltaw 3) (sdelta 2 3))", "(1 2 3) 3\n"),
        ("(setq l (dump-weights)) (forget 0) (rest-weights l) (show sval)", " " + UPDATES[""]),
        ("(setq l ()) (all-neuron (i) (setq l (cons i l))) (print l)", "(6 5 4 3 2 1 0)\n"),
        ("(setq l ()) (print (all-synapse (i j) (setq l (cons i l)) j) l)", "5 (4 3 0 2 1 0 2 1 0)\n"),
        ("(print (length (mapncar nval '())) (mapncar 'nfanin (list hidden)))", "7 (3 3)\n"),
        (
            "(mapncar nval (list hidden 3)) (mapncar 'nval (list output '(4))) (print (state hidden) (state output))",
            "(3 3) (4)\n",
        ),
    ],
)
def test_fields_layer_by_layer(text, expected):
    assert xor(text) == expected


def test_what_is_printed_while_learning():
    out = xor("(set-disp-text) (learn 2) (performance 0 0)")
    line = r"age={}  pattern={}  error=  \d\.\d{{5}}  (  ok  |\*\*arrgh\*\*)\n"
    assert re.fullmatch("".join(line.format(*numbers) for numbers in ((1, 0), (2, 1), (2, 0))), out), out


# Windows and masks


def connections(text, kernel="sn28ite", allocated="200 5000"):
    """(pre, post, weight) of all connections of a program, oldest first by unit; weights are told apart by numbers."""
    out = printed(f"""(libload "sn28/{kernel}") (alloc-net {allocated}) {text}
        (all-synapse (i j) (printf "%d %d %d;" i j (sindex i j)))""")
    return [tuple(map(int, item.split())) for item in out.split(";")[:-1]]


def windows(made):
    """The units each unit sees, in order."""
    seen = {}
    for pre, post, _ in made:
        seen.setdefault(post, []).append(pre)
    return seen


def test_inexact_windows_are_pushed_back_with_a_warning():
    text = "(build-net-nobias '((a 16) (b 9)) ()) (local-2d-connect a 4 4 b 3 3 2 2 3 3)"
    out = printed(f'(libload "sn28/sn28") (alloc-net 99 999) {text} (print (amont 17) (amont 25) (amont 19))')
    assert out == (
        "local-2d-connect:[warning]:inexact layer size.\n(1 2 3 5 6 7 9 10 11) (6 7 8 10 11 12 14 15 16) "
        "(2 3 4 6 7 8 10 11 12)\n"
    )


def test_windows_of_a_torus_wrap():
    made = windows(
        connections(
            "(build-net-nobias '((a 256) (b 64)) ()) (mask-toric-connect a 16 16 b 8 8 2 2 3 3)", allocated="500 2000"
        )
    )
    assert [(u - 1) % 16 for u in made[257 + 7]] == [14, 15, 0] * 3
    assert [(u - 1) // 16 for u in made[257 + 63]] == [14] * 3 + [15] * 3 + [0] * 3


def test_frames_share_the_weights_of_a_tdnn():
    made = connections("(build-net-nobias '((a 12) (b 4)) ()) (tdnn-connect a 4 3 b 2 2 1 3)")
    assert [w for _, post, w in made if post == 13] == [w for _, post, w in made if post == 15] == list(range(0, 18, 2))
    assert [w for _, post, w in made if post == 14] == [w for _, post, w in made if post == 16] == list(range(1, 18, 2))
    assert windows(made)[13] == list(range(1, 10)) and windows(made)[16] == list(range(4, 13))


def test_a_reversed_mask_feeds_windows_that_overlap():
    made = connections("(build-net-nobias '((a 4) (b 25)) ()) (mask-2d-reverse a 2 2 b 5 5 2 2 3 3)")
    assert windows(made)[5 + 12] == [1, 2, 3, 4] and len({w for _, _, w in made}) == 9 and len(made) == 36
    assert [w for pre, _, w in made if pre == 1] == [w for pre, _, w in made if pre == 4] == list(range(9))


def test_the_net_as_text():
    """The formats of docs/reference/sn28.md, section 3.13; display_dumps of test_sn28_programs has the original's."""
    hidden = "-" * 14 + "\nX  :  0.250 -1.000\nY  :  0.000  2.000\n"
    out = xor(
        "(setq age 7) (set-weight 3 '(1 -2 0.5)) (state hidden '(0.25 -1)) (gradient hidden '(0 2))"
        "(print-layer hidden) (prnet)"
    )
    assert out.startswith(hidden + "Age 7\n" + "-" * 14 + "\nX  :") and out.count(hidden) == 2
    assert "\n0000->0003 val 1.000 delta 0.000\n0001->0003 val-2.000 delta 0.000\n" in out


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_exact_windows_are_where_they_should_be(r2, c2, xs, ys, xz, yz):
    r1, c1 = (r2 - 1) * ys + yz, (c2 - 1) * xs + xz
    first = r1 * c1 + 1
    for word, sharing in (
        ("local", lambda k, place: k * xz * yz + place),
        ("mask", lambda k, place: place),
        ("equal-mask", lambda k, place: 0),
    ):
        made = connections(
            f"(build-net-nobias '((a {r1 * c1}) (b {r2 * c2})) ()) "
            f"({word}-2d-connect a {r1} {c1} b {r2} {c2} {xs} {ys} {xz} {yz})",
            allocated="400 9000",
        )
        assert made == [
            (1 + (i * ys + y) * c1 + j * xs + x, first + i * c2 + j, sharing(i * c2 + j, y * xz + x))
            for i in range(r2)
            for j in range(c2)
            for y in range(yz)
            for x in range(xz)
        ]


def test_biases_and_warnings():
    made = connections(
        "(build-net-nobias '((a 4) (b 4)) ()) (bias-connect a) (shared-bias-connect '(5 6)) "
        "(tdnn-bias-connect '(7 8) 1 2)"
    )
    assert made == [(0, 1, 0), (0, 2, 1), (0, 3, 2), (0, 4, 3), (0, 5, 4), (0, 6, 4), (0, 7, 5), (0, 8, 6)]
    for call, warning in (
        ("equal-mask-1d-connect a 5 b 2 2 2", "mask-1d-connect:[warning]:inexact layer size."),
        ("tdnn-connect a 5 1 b 2 1 1 3", "tdnn-connect:[benign warning] bad frame numbers."),
        ("local-1d-connect a 5 b 2 2 2", "local-1d-connect:[warning]:inexact layer size."),
    ):
        text = f'(libload "sn28/sn28ite") (alloc-net 20 90) (build-net-nobias \'((a 5) (b 2)) ()) ({call})'
        assert printed(text) == warning + "\n"


# Pruning, growing


def test_the_least_salient_connections_are_cut():
    text = """(de saliencies () (let ((l ()))
            (all-synapse (i j) (setq l (cons (* (shess i j) (sval i j) (sval i j)) l))) l))
        (learn 40) (obd-compute-curvature 0 3)
        (setq limit (quantile (saliencies) 0.35)) (setq below (length (filter (lambda (s) (< s limit)) (saliencies))))
        (print below (obd-prune 0.35) (length (saliencies)) (inf (saliencies)) limit snum)"""
    below, cut, left, least, limit, snum = map(float, xor(text).split())
    assert below == cut == 3 and left == 6 and least == limit and snum == 9


def test_the_sizes_of_a_hidden_layer_that_are_tried():
    """By h = int(h + 1 + 0.2 h), below 10 + 2 (best so far): worked out by hand for an error that is least at 3."""
    text = """(de netenv-auto-train l (setq tried (cons (length hidden) tried)) (abs (- (length hidden) 3)))
        (setq tried ()) (netenv-auto-arch) (print (length hidden) (length input) (reverse tried))
        (setq tried ()) (netenv-auto-arch (lambda () (< (length tried) 4)) 5 2)
        (print (length hidden) (reverse tried) (length input) (length output))"""
    trying = "\n-------- trying architecture with {} hidden units --------\n"
    back = "\n-------- back to architecture with 3 hidden units --------\n\n"
    assert xor(text) == (
        "".join(map(trying.format, (1, 2, 3, 4, 5, 7, 9, 11, 14)))
        + back
        + "3 2 (1 2 3 4 5 7 9 11 14)\n"
        + "".join(map(trying.format, (1, 2, 3, 4)))
        + back
        + "3 (1 2 3 4) 5 2\n"
    )


def test_training_ends_when_the_best_is_half_as_old_as_the_net():
    """Bursts of int(n) epochs, n = 2, 2.8, 4 ... after each lowest error, by hand for an error of |age - 20|.

    Ages 8, 16 (error 4), 32, and the best weights, of age 16, return.
    """
    text = """(de learn-batch-cg (n) (setq bursts (cons n bursts)) (incr age (* 4 n)) (sval 0 3 age))
        (de perf l (setq seen (cons (car l) seen)) (setq global-error (abs (- age 20))))
        (setq bursts () seen ()) (test-set 1 3) (print (netenv-auto-train) (reverse bursts) age (sval 0 3))
        (print (reverse seen))"""
    assert xor(text).splitlines()[1:] == ["4 (2 2 4) 16 16", "(1 0 1 0 1 0 1 0 1)"]


# Weight files


def test_a_file_of_all_weights(tmp_path):
    out = xor(
        """(save-net "w") (save-ascii-net "t.wei") (forget 0) (load-net "w") (show sval) (forget 0)
                 (load-net "t") (show sval)""",
        folder=tmp_path,
    )
    exact, rounded = out.split()[:9], out.split()[9:]
    assert exact == UPDATES[""].split()
    assert [round(float(w), 4) for w in UPDATES[""].split()] == [float(w) for w in rounded]
    content = (tmp_path / "run" / "w.wei").read_bytes()
    assert content[:20] == struct.pack("<5i", 0x1E3D4C51, 1, 9, 1, 1) and len(content) == 20 + 36
    # in order of creation: biases 0-3 0-4 0-5, then 1-3 1-4 2-3 2-4 3-5 4-5
    np.testing.assert_allclose(
        np.frombuffer(content, "<f4", offset=20), [float(w) for w in UPDATES[""].split()], atol=1e-7
    )
    assert (tmp_path / "run" / "t.wei").read_text().split()[:4] == [".MAT", "1", "9", "-0.8915"]


@pytest.mark.parametrize("word", ["save-net", "save-ascii-net"])
def test_a_file_of_connections_between_some_units(tmp_path, word):
    out = xor(
        f"""(setq age 17) ({word} "w" hidden output) (print (merge-net "w")) (forget 0)
                  (print (merge-net "w" (append hidden output)) age) (show sval)""",
        folder=tmp_path,
    )
    expected = UPDATES[""].split()
    expected[3:7] = ["0.0000000"] * 4  # not between these units
    if word == "save-ascii-net":  # on a little-endian machine SN does not recognise its own text
        assert out.split()[:3] == ["()", "()", "0"]
    else:
        assert out.split() == ["3", '"w"', "17", *expected]
    content = (tmp_path / "run" / "w.wei").read_bytes()
    if word == "save-net":
        assert content[:12] == struct.pack("<3i", 0x2D4F1C93, 3, 17) and len(content) == 12 + 5 * 12
        assert struct.unpack("<2i", content[12:20]) == (0, 1)
    else:
        assert content.splitlines()[:2] == [b".WEI 3 17", b"   0    1 -0.8915148"]


@pytest.mark.parametrize(("order", "magic"), [("<", 0x2D4F1C93), (">", 0x2D4F1C93), (">", 0x2D4F1C91)])
def test_files_of_either_byte_order_and_of_old_times(tmp_path, order, magic):
    more = ("f", [0.125]) if magic == 0x2D4F1C91 else ("", [])
    content = struct.pack(f"{order}3i", magic, 6, 44) + struct.pack(f"{order}2if{more[0]}", 3, 5, 1.5, *more[1])
    text = XOR % "sn28" + '(epsilon 1) (load-net "old.wei") (print age (sval 3 5) (nepsilon 5))'
    assert printed(text, tmp_path, {"old.wei": content}) == f"44 1.5 {0.125 if more[0] else 1}\n"


def test_a_file_of_another_net_is_refused(tmp_path):
    blind = struct.pack("<5i", 0x1E3D4C51, 1, 2, 1, 1) + struct.pack("<2f", 1, 2)
    merge = struct.pack("<3i", 0x2D4F1C93, 6, 0) + struct.pack("<2if", 1, 2, 1)
    for name, content, sentence in (
        ("a.wei", blind, "has 2 weights but the net has 9"),
        ("b.wei", merge, "a connection from unit 1 to unit 2"),
        ("c.wei", merge[:-1], "ends in the middle of a connection"),
        ("d.wei", b"nothing of the kind", "not an SN matrix"),
        ("e.wei", b".WEI 6 0\n 1 2 x", 'word 5 is "x", expected a number'),
    ):
        assert sentence in fault(XOR % "sn28" + f'(load-net "{name}")', tmp_path, files={name: content})[0]


def test_weights_as_c(tmp_path):
    """The layout of docs/reference/sn28.md, section 4.2: a number that ends beyond column 65 ends its line."""
    assert xor('(print (save-weights-as-c "net" "w1"))', folder=tmp_path) == "()\n"
    assert (tmp_path / "run" / "net.c").read_text() == (
        "/*** Here are the weights */\n\nfloat w1[9] = {\n"
        "  -0.8915, 0.4388, 0.7405, 0.6792, 0.7846, -0.7461, 0.3117, 0.6173,\n  -0.8762 };\n"
    )


# What cannot be


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("(build-net '((a 2)) ())", "expected 2 layers or more, got 1"),
        ("(build-net '((a 2) (b 0)) ())", "layer b has size 0"),
        ("(build-net '((a 2) (3 1)) ())", "expected the name of a layer, got 3"),
        ("(build-net '((a 2) (b)) ())", "(b) has 1 elements"),
        ("(build-net '((a 2) (b 1)) '((a)))", "(a) has 1 elements"),
        ("(build-net 5 ())", "expected a list, got 5"),
        ("(ensemble 3 1)", "the range of patterns 3 to 1 is not valid"),
        ("(perf)", "patt-min and patt-max are () and ()"),
        ("(learn 1)", "input-layer is not set yet"),
        ("(learn -1)", "expected a count of 0 or more, got -1"),
        ("(run 1 1)", "patt-min and patt-max"),
        ("(perf 1)", "the first and the last pattern, or none"),
        ("(setq alpha 'x) (ensemble 0 1) (set-cost-thlms 'a)", "a is not a number"),
        ("(hoeffding 1 3 1)", "no bound exists for a risk of 3"),
        ("(rank-of-max ())", "the list is empty"),
        ("(all-synapse (i) i)", "not a list of 2 names"),
        ("(all-neuron i i)", "not a list of 1 name"),
        ("(weight 99)", "no unit 99"),
        ("(set-weight 0 '(1))", "1 values for the 0 connections"),
        ("(state '(0) '(1 2))", "2 values for 1 units"),
        ("(state 1 2 3)", "at most 2 arguments; 3 given"),
        ("(local-1d-connect '(0) 1 '(0) 1 1 2)", "a window of 2 does not fit into 1 units"),
        ("(local-toric-connect '(0) 1 1 '(0) 1 1 2 1 1 1)", "a window of 1 with step 2 does not wrap around"),
        ("(local-1d-connect '(0) 1 '(0) 1e14 1 1)", "elements (10,000,000 is the limit)"),
        ("(local-1d-connect '(0) 1 '(0) 1 0 1)", "expected a size or step of 1 or more, got 0"),
        ("(local-1d-connect 1 '(0) 1 '(0) 1 1)", "expected a size or step, got (0)"),
        ("(obd-prune 2)", "expected a fraction from 0 to 1, got 2"),
        ('(load-net "none")', 'file "none" (nor with .wei) not found'),
        ('(save-net "w")', "the net has no weights yet"),
        ('(save-weights-as-c "w" "1 a")', '"1 a" is not a valid name in C'),
        ("(epsi-layer 1)", "epsi-layer takes a number and a layer"),
        ("(epsi-layer 1 nobody)", "nobody is an empty layer"),
        ("(learn-batch-cg 1 [f 1 2])", "expected a vector of 0 weights"),
    ],
)
def test_misuse_is_said_with_a_remedy(text, sentence):
    assert sentence in fault(f'(libload "sn28/sn28itenew") (alloc-net 9 9) {text}')[0]


def test_words_of_another_kernel_are_refused():
    for word in ("(learn-lm 1)", "(run-batch 1 1)", "(mask-epsi 1)", "(obd-prune 0)", "(learn-batch-cg 1)"):
        assert "kernel sn28 has no" in fault(XOR % "sn28" + word)[0]
    assert "run it with --kernel sn28itenew" in fault(XOR % "sn28ite" + "(learn-newton 1)")[0]
