"""Measure a net on one pattern or a range of patterns, and log it to a file (docs/reference/sn28.md, section 3.10).

Presenting a pattern and judging the answer, which learning needs too, are also here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import whole
from snsim.language.builtins.strings import text
from snsim.language.forms import NIL, Form, Symbol, symbol
from snsim.language.procedures import ABSENT, CallError
from snsim.runtime.file_lookup import ProgramFiles
from snsim.runtime.lisp_definitions import binding
from snsim.runtime.settings import DESIRED, INPUT, NET, OUTPUT, layer_in, number_in, training_range
from snsim.runtime.vocabulary import word
from snsim.sn28.learning.fused_sweeps import FusedSweeps, Pass

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_RULE = "-" * 55
_PRESENT, _FORWARD, _PRESENT_DESIRED, _CLASSIFY, _EVENTS, _COST = (
    symbol(name)
    for name in (
        "present-pattern",
        "forward-prop",
        "present-desired",
        "classify",
        "process-pending-events",
        "do-compute-err",
    )
)
_GOOD_ANSWER, _LOCAL_ERROR = symbol("good-answer"), symbol("local-error")
_DISPLAY, _CLASS_MAX = symbol("disp-perf-iteration"), symbol("class-max")
_TEST = Pass("test-pattern", measures=True, display="disp-perf-iteration")


def propagate(interpreter: Interpreter, n: float) -> None:
    """Present a pattern, compute all states, and present the desired outputs."""
    interpreter.apply(_PRESENT, [layer_in(interpreter, INPUT), n])
    interpreter.apply(_FORWARD, [interpreter.lookup(NET)])
    interpreter.apply(_PRESENT_DESIRED, [layer_in(interpreter, DESIRED), n])


def finish_pass(interpreter: Interpreter, what: Pass, last: float, errors: np.ndarray, good: np.ndarray) -> None:
    """Set the variables that the words set for each pattern, after a fused pass whose last pattern was `last`."""
    interpreter.assign(_LOCAL_ERROR, float(errors[-1]))
    answer = interpreter.part(FusedSweeps).answer(what, bool(good[-1]))
    interpreter.assign(_GOOD_ANSWER, answer)
    if interpreter.procedure(_CLASSIFY) is interpreter.procedure(_CLASS_MAX):
        interpreter.apply(_CLASSIFY, [last])  # it sets out-class and des-class


def judge(interpreter: Interpreter, n: float, display: Symbol) -> bool:
    """Judge the present states, set good-answer, call the function named `display`, and return whether it is good."""
    good = interpreter.apply(_CLASSIFY, [n])
    interpreter.assign(_GOOD_ANSWER, good)
    interpreter.apply(_EVENTS, [])
    interpreter.apply(display, [n])
    return good is not NIL


@word("test-pattern")
def test_pattern(interpreter: Interpreter, n: Form) -> Form:
    """(test-pattern n): presents pattern n without learning; returns its error, and sets local-error and good-answer"""
    propagate(interpreter, n)
    interpreter.apply(_COST, [layer_in(interpreter, OUTPUT), layer_in(interpreter, DESIRED)])
    judge(interpreter, n, _DISPLAY)
    return interpreter.lookup(_LOCAL_ERROR)


@word("performance")
def performance(interpreter: Interpreter, first: Form, last: Form) -> Form:
    """(performance a b): tests patterns a to b, both included; returns their mean error

    It also sets global-error to the mean error, good-an-num to the number of good answers, and good-an-percent.
    """  # noqa: D401
    a, b = whole("performance", first), whole("performance", last, 1)
    if b < a:
        raise CallError(
            f"performance: the range of patterns {a} to {b} is empty",
            0,
            "write the first and the last pattern, such as (performance 0 9)",
        )
    total, good = 0.0, 0
    sweeps, n = interpreter.part(FusedSweeps), a
    while n <= b:
        done, errors, answers = sweeps.run(_TEST, range(n, b + 1))
        if done:
            n += done
            for error in errors.tolist():
                total += error
            good += int(answers.sum())
            finish_pass(interpreter, _TEST, float(n - 1), errors, answers)
            continue
        with sweeps.word_by_word(_TEST):
            error = interpreter.call("test-pattern", float(n))
        if not isinstance(error, float):
            raise CallError(
                f"performance: test-pattern returned {interpreter.describe(error)} for pattern {n}, not its error",
                None,
                "make your test-pattern return a number, the error of the pattern",
            )
        total += error
        good += interpreter.lookup(_GOOD_ANSWER) is not NIL
        n += 1
    count = b - a + 1
    for name, value in (
        ("pnum", count),
        ("global-error", total / count),
        ("good-an-num", good),
        ("good-an-percent", 100.0 * good / count),
    ):
        interpreter.assign(symbol(name), float(value))
    return interpreter.lookup("global-error")


@word("perf")
def perf(interpreter: Interpreter, first: Form = ABSENT, last: Form = ABSENT) -> Form:
    """(perf [a b]): tests patterns a to b, both included, and prints the result; returns the percentage of good answers

    By default it tests the training patterns. It uses no input noise. It adds a line to the file perf-file, if that is
    set.
    """
    if first is not ABSENT and last is ABSENT:
        raise CallError(
            "perf takes two arguments, the first and the last pattern, or none", 0, "write (perf) or (perf a b)"
        )
    a, b = training_range(interpreter) if first is ABSENT else (whole("perf", first), whole("perf", last, 1))
    interpreter.call("printf", _RULE + "\n")
    with binding(interpreter, "input-noise", 0.0):
        interpreter.call("performance", float(a), float(b))
    age = number_in(interpreter, "age", 0.0)
    error, percent = number_in(interpreter, "global-error"), number_in(interpreter, "good-an-percent")
    interpreter.call(
        "printf",
        "patterns{%d-%d}, age=%d, error=%g, performance=%g\n",
        float(a),
        float(b),
        age,
        error,
        percent,
    )
    if interpreter.lookup("perf-file") is not NIL:
        interpreter.call("save-perf", "%6d %10.8f %6.2f ;{%d-%d}\n", age, error, percent, float(a), float(b))
    return percent


@word("save-perf")
def save_perf(interpreter: Interpreter, pattern: Form, *values: Form) -> Form:
    """(save-perf format x ...): adds the text that printf prints to the file named by perf-file, if that is set"""
    name = interpreter.lookup("perf-file")
    if name is NIL:
        return NIL
    line = interpreter.call("sprintf", text("save-perf", pattern), *values)
    files = interpreter.part(ProgramFiles)
    files.append(files.writable_path(text("perf-file", name), ".perf", argument=None), line.encode(), None)
    return name


def log_line(interpreter: Interpreter, line: str) -> None:
    """Append a line to the performance file, if there is one."""
    if interpreter.lookup("perf-file") is not NIL:
        interpreter.call("save-perf", "%s\n", line)
