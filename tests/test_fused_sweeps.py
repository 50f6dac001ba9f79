"""A pass over patterns as one compiled loop computes the bits of the words that it stands for.

Each program runs twice: fused, and word by word. All fields of units, weights and connections must be equal to the bit,
and so must the output and the variables.
"""

import io

import numpy as np
import pytest

from snsim.errors import SnError, Source
from snsim.language.forms import symbol
from snsim.language.printer import show
from snsim.program import Host, make_interpreter, new_shelves
from snsim.runtime.random_numbers import RandomGenerator
from snsim.sn28.learning import fused_sweeps
from snsim.sn28.learning.fused_sweeps import FusedSweeps
from snsim.sn28.net.netspace import Netspace

pytest.importorskip("llvmlite")

VARIABLES = ("age", "current-pattern", "local-error", "good-answer", "global-error", "good-an-percent", "out-class")
NET = """(libload "sn28/{kernel}")
(alloc-net 60 600)
(build-net '((in 4) (hid 7) (low 5) (out 3)) '((in hid) (hid low) (in low) (low out)))
(dim pattern-matrix 12 {width}) (dim desired-matrix 12 3)
(seed 3)
(for (k 0 11) (for (i 0 {last}) (pattern-matrix k i (rand -1 1))) (for (i 0 2) (desired-matrix k i (rand -1 1))))
(ensemble 1 10) (forget-sqrt 1) (epsi-sqrt 0.3) (setq mu 0.1)
"""


def run(text, fused, kernel, width=4):
    """Run a program on the small net; return everything that must be equal, and how many passes were fused."""
    port = io.StringIO()
    interpreter = make_interpreter(new_shelves(), Host(), port)
    sweeps = FusedSweeps(interpreter)
    sweeps.enabled = fused
    interpreter.keep(FusedSweeps, sweeps)
    counted = []
    original = sweeps.run

    def counting(what, patterns):
        done = original(what, patterns)
        counted.append(done[0])
        return done

    sweeps.run = counting
    try:
        value = show(interpreter.run(Source("<net>", NET.format(kernel=kernel, width=width, last=width - 1) + text)))
    except SnError as error:
        value = [(fault.message, fault.span and fault.span.start) for fault in error.faults]
    space = interpreter.part(Netspace)
    memory = [*space.unit, space.weight_val, space.delta, space.acc, space.hess, space.rate, space.sigma]
    return {
        "value": value,
        "output": port.getvalue(),
        "variables": {name: show(interpreter.lookup(symbol(name))) for name in VARIABLES},
        "memory": [field.array.tobytes() for field in memory],
        "random": interpreter.part(RandomGenerator).state(),
        "learned": space.has_learned,
        "warnings": [fault.message for fault in interpreter.warnings],
    }, sum(counted)


def check(text, kernel, least=1, width=4):
    fused, count = run(text, True, kernel, width)
    by_words, none = run(text, False, kernel, width)
    assert none == 0
    assert count >= least, "nothing was fused"
    for name, value in by_words.items():
        assert fused[name] == value, name
    return fused


RULES = {
    "learn": ("sn28 sn28ite sn28new sn28itenew", "(learn 25)"),
    "learn-cycle": ("sn28 sn28ite sn28new sn28itenew", "(learn-cycle 2)"),
    "momentum": ("sn28 sn28ite sn28new sn28itenew", "(setq alpha 0.7 decay 0.01) (learn 25)"),
    "newton": ("sn28new sn28itenew", "(learn-newton 25)"),
    "newton-momentum": ("sn28new sn28itenew", "(setq alpha 0.4 decay 0.01) (learn-newton 25)"),
    "lm": ("sn28new sn28itenew", "(learn-lm 25) (learn-cycle-lm 1)"),
    "batch": ("sn28ite sn28itenew", "(learn-batch 3)"),
    "batch-momentum": ("sn28ite sn28itenew", "(setq alpha 0.4 decay 0.01) (learn-batch 3)"),
    "batch-newton": ("sn28itenew", "(learn-batch-newton 3)"),
    "batch-lm": ("sn28itenew", "(learn-batch-lm 3)"),
    "conjugate gradient": ("sn28ite sn28itenew", "(apply learn-batch-cg (learn-batch-cg 2))"),
    "curvature": ("sn28itenew", "(learn 9) (obd-compute-curvature 0 11) (obd-prune 0.2) (learn 9)"),
    "perf": ("sn28 sn28itenew", "(perf) (perf 0 11)"),
    "run": ("sn28", "(test-set 0 11) (trun 7 3)"),
    "at random": ("sn28", "(set-nextcho-rnd) (learn 30) (rand)"),
    "until learned": ("sn28", "(set-nextpat-stay) (learn 30) (set-nextpat-seq) (learn 30)"),
    "class-max": ("sn28", "(set-class-max) (learn 12) (perf)"),
    "class-lms": ("sn28", "(set-class-lms 0.4) (learn 12) (perf)"),
    "class-sgn": ("sn28", "(set-class-sgn -0.3 0.2) (learn 12) (perf)"),
    "class-hamming": ("sn28", "(set-class-hamming 0.9) (learn 12) (perf)"),
    "thresholded cost": ("sn28", "(set-cost-thlms 0.1) (learn 22)"),
    "a step": ("sn28new", "(nlf-bin 1.2 0.1) (learn 22)"),
    "piecewise": ("sn28itenew", "(nlf-lin 0.1 1.1 1) (learn-newton 22)"),
    "linear": ("sn28new", "(nlf-lin 0.1 1.1) (learn-newton 22)"),
    "a bell": ("sn28new", "(nlf-bell) (learn-newton 22)"),
    "alpha changes": ("sn28", "(for (i 1 5) (setq alpha (/ i 10)) (learn 6))"),
    "the net changes": ("sn28", "(learn 12) (cut-connection (car hid) (car low)) (learn 12)"),
    "patterns change in place": ("sn28", "(learn 12) (pattern-matrix 2 1 0.7) (learn 12)"),
    "noise in between": (
        "sn28",
        "(learn 6) (setq theta 0.1 input-noise 0.2) (learn 6) (setq theta 0 input-noise 0) (learn 90)",
    ),
    "double patterns": (
        "sn28",
        "(let ((m (matrix 12 4)) (p pattern-matrix)) (for (k 0 11) (for (i 0 3) (m k i (p k i)))) (setq"
        " pattern-matrix m)) (learn 22)",
    ),
    "a function of the program": (
        "sn28",
        "(de do-update-weight (net) (setq n (1+ n)) (update-weight alpha decay)) (setq n 0)"
        "(learn 6) (de do-update-weight (net) (update-weight 0 0)) (learn 80) n",
    ),
    "a function changes in place": (
        "sn28",
        "(setq body '(update-weight alpha decay)) (eval (list 'de 'do-update-weight '(net) body))"
        "(learn 6) (rplaca (cddr body) 0.5) (learn 80)",
    ),
    "a hook": ("sn28", "(learn 6) (set-disp-text) (learn 6) (set-disp-nil) (learn 80)"),
    "classify is redefined": ("sn28", "(learn 6) (de classify (n) (print n) ()) (learn 6)"),
    "an error that is not finite": ("sn28", "(learn 5) (nlf-tanh 0.66 0.1) (epsi-sqrt 1e30) (learn 30)"),
    "a pattern that is missing": ("sn28", "(ensemble 5 20) (learn 30)"),
}


@pytest.mark.parametrize(("rule", "kernel"), [(rule, kernel) for rule in RULES for kernel in RULES[rule][0].split()])
def test_a_fused_pass_has_the_bits_of_its_words(rule: str, kernel: str) -> None:
    result = check(RULES[rule][1], kernel, least=0 if rule == "a pattern that is missing" else 1)
    fails = rule in ("a pattern that is missing", "an error that is not finite")
    assert isinstance(result["value"], list) == fails


def test_long_patterns_warn_once_as_the_words_do() -> None:
    assert len(check("(learn 12) (perf)", "sn28", width=6)["warnings"]) == 1


def test_a_word_that_is_not_known_is_called_for_each_pattern() -> None:
    text = "(setq n 0) (de forward-prop (net) (incr n) (update-state hid low out)) (learn 12) n"
    fused, count = run(text, True, "sn28")
    assert count == 0
    assert fused["value"] == "12"


def test_runs_in_parts_are_the_runs_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "(learn 40) (perf) (learn-batch-cg 2)"
    whole, _ = run(text, True, "sn28ite")
    monkeypatch.setattr(fused_sweeps, "_UNITS_PER_RUN", 600)
    assert run(text, True, "sn28ite")[0] == whole
    assert not np.isnan(np.frombuffer(whole["memory"][1], np.float32)).any()
