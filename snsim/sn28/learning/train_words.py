"""Learn: single steps, n steps, sweeps, and runs with measurements (docs/reference/sn28.md, section 3.11).

A step calls functions that a program may replace, looked up for every pattern. On-line methods count patterns; batch
methods, which change weights once after all patterns, count sweeps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import whole
from snsim.language.forms import NIL, Form, Pair, symbol
from snsim.language.procedures import ABSENT, TRUE, CallError
from snsim.runtime.lisp_definitions import binding
from snsim.runtime.settings import NET, number_in, test_range, training_range
from snsim.sn28.learning.conjugate_gradient import learn_batch_cg
from snsim.sn28.learning.examples import pattern_order
from snsim.sn28.learning.fused_sweeps import FusedSweeps, Pass
from snsim.sn28.learning.performance import finish_pass, judge, log_line, propagate
from snsim.sn28.net.net_word import net_word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_AGE, _CURRENT, _ERROR = symbol("age"), symbol("current-pattern"), symbol("local-error")
_BACKWARD, _BACKWARD_2, _UPDATE, _UPDATE_NEWTON, _NEXT, _DISPLAY = (
    symbol(name)
    for name in (
        "backward-prop",
        "backward-2-prop",
        "do-update-weight",
        "do-update-weight-newton",
        "next-pattern",
        "disp-basic-iteration",
    )
)


_HOOK, _MOST_AT_ONCE = "disp-basic-iteration", 4_096
_GRADIENT = Pass("basic-iteration", ("backward-prop", "do-update-weight"), display=_HOOK)
_NEWTON = Pass("basic-newton-iteration", ("backward-prop", "backward-2-prop", "do-update-weight-newton"), display=_HOOK)
_SUMMED = Pass(functions=("backward-prop", "do-update-acc"), display=_HOOK)
_SUMMED_NEWTON = Pass(functions=("backward-prop", "backward-2-prop", "do-update-acc", "do-update-hess"), display=_HOOK)

# One step


@net_word("basic-iteration")
def basic_iteration(interpreter: Interpreter, n: Form) -> Form:
    """(basic-iteration n): does one gradient step on pattern n; returns its error before the step"""
    propagate(interpreter, n)
    net = interpreter.lookup(NET)
    interpreter.apply(_BACKWARD, [net])
    interpreter.apply(_UPDATE, [net])
    return _count_presentation(interpreter, n)


@net_word("basic-newton-iteration", "newton")
def basic_newton_iteration(interpreter: Interpreter, n: Form) -> Form:
    """(basic-newton-iteration n): like basic-iteration, with each gradient divided by mu + |curvature|"""
    propagate(interpreter, n)
    net = interpreter.lookup(NET)
    interpreter.apply(_BACKWARD, [net])
    interpreter.apply(_BACKWARD_2, [net])
    interpreter.apply(_UPDATE_NEWTON, [net])
    return _count_presentation(interpreter, n)


def _count_presentation(interpreter: Interpreter, n: Form) -> Form:
    """Count a presentation, judge the answer and return the error, all for the states before the update."""
    interpreter.assign(_AGE, number_in(interpreter, _AGE, 0.0) + 1.0)
    judge(interpreter, n, _DISPLAY)
    return interpreter.lookup(_ERROR)


def _learn(interpreter: Interpreter, caller: str, n: Form, step: Pass) -> Form:
    """Do n steps, each on the pattern chosen by next-pattern; return the list of n."""
    sweeps, left = interpreter.part(FusedSweeps), _repetitions(caller, n)
    while left:
        done = _learn_fused(interpreter, sweeps, step, left)
        left -= done
        if not done:
            with sweeps.word_by_word(step):
                interpreter.call(step.step, number_in(interpreter, _CURRENT))
            interpreter.assign(_CURRENT, interpreter.apply(_NEXT, [interpreter.lookup(_CURRENT)]))
            left -= 1
    return Pair(n)


def _learn_fused(interpreter: Interpreter, sweeps: FusedSweeps, step: Pass, most: int) -> int:
    """Do up to `most` steps as one pass, if that is possible; return how many were done."""
    order = pattern_order(interpreter)
    if order is None or not sweeps.is_ready(step):
        return 0
    patterns, undo = order.take(min(most, _MOST_AT_ONCE))
    done, errors, good = sweeps.run(step, patterns[:-1])
    if done < len(patterns) - 1:
        undo(done)
    if done:
        _finish_presentations(interpreter, step, float(patterns[done - 1]), errors, good)
        interpreter.assign(_CURRENT, float(patterns[done]))
    return done


def _finish_presentations(
    interpreter: Interpreter, what: Pass, last: float, errors: np.ndarray, good: np.ndarray
) -> None:
    """Set age and what `finish_pass` sets, after patterns that were learned."""
    age = number_in(interpreter, _AGE, 0.0)
    for _ in range(len(errors)):
        age += 1.0
    interpreter.assign(_AGE, age)
    finish_pass(interpreter, what, last, errors, good)


def _cycle(interpreter: Interpreter, caller: str, n: Form, step: Pass) -> Form:
    """Do n sweeps through the training patterns; return the list of n."""
    sweeps = interpreter.part(FusedSweeps)
    for _ in range(_repetitions(caller, n)):
        first, last = training_range(interpreter)
        while first <= last:
            done, errors, good = sweeps.run(step, range(first, last + 1))
            first += done
            if done:
                _finish_presentations(interpreter, step, first - 1.0, errors, good)
            else:
                with sweeps.word_by_word(step):
                    interpreter.call(step.step, float(first))
                first += 1
    return Pair(n)


def _repetitions(caller: str, n: Form, argument: int = 0) -> int:
    count = whole(caller, n, argument)
    if count < 0:
        raise CallError(f"{caller}: expected a count of 0 or more, got {count}", argument, "write 1 or more")
    return count


@net_word("learn")
def learn(interpreter: Interpreter, n: Form) -> Form:
    """(learn n): does n steps of on-line gradient descent, each on the next pattern"""
    return _learn(interpreter, "learn", n, _GRADIENT)


@net_word("learn-newton", "newton")
def learn_newton(interpreter: Interpreter, n: Form) -> Form:
    """(learn-newton n): does n steps of on-line gradient descent, each gradient divided by mu + |curvature|"""
    return _learn(interpreter, "learn-newton", n, _NEWTON)


@net_word("learn-lm", "newton")
def learn_lm(interpreter: Interpreter, n: Form) -> Form:
    """(learn-lm n): like learn-newton, without the term in f'' in the curvature (Levenberg-Marquardt)"""
    with binding(interpreter, "lev-mar", TRUE):
        return interpreter.call("learn-newton", n)


@net_word("learn-cycle")
def learn_cycle(interpreter: Interpreter, n: Form) -> Form:
    """(learn-cycle n): does n sweeps of on-line gradient descent over the training patterns, in order

    It does not change current-pattern.
    """
    return _cycle(interpreter, "learn-cycle", n, _GRADIENT)


@net_word("learn-cycle-newton", "newton")
def learn_cycle_newton(interpreter: Interpreter, n: Form) -> Form:
    """(learn-cycle-newton n): like learn-cycle, with each gradient divided by mu + |curvature|"""
    return _cycle(interpreter, "learn-cycle-newton", n, _NEWTON)


@net_word("learn-cycle-lm", "newton")
def learn_cycle_lm(interpreter: Interpreter, n: Form) -> Form:
    """(learn-cycle-lm n): like learn-cycle-newton, without the term in f'' in the curvature (Levenberg-Marquardt)"""
    with binding(interpreter, "lev-mar", TRUE):
        return interpreter.call("learn-cycle-newton", n)


# Batches


@net_word("batch-iteration", "iterative")
def batch_iteration(interpreter: Interpreter, first: Form, last: Form) -> Form:
    """(batch-iteration a b): does one step by the summed gradient of patterns a to b; returns their mean error"""
    interpreter.call("clear-acc")
    error = accumulate(interpreter, "batch-iteration", first, last, _SUMMED)
    _change_weights(interpreter)
    return error


@net_word("batch-newton-iteration", "iterative", "newton")
def batch_newton_iteration(interpreter: Interpreter, first: Form, last: Form) -> Form:
    """(batch-newton-iteration a b): like batch-iteration, with gradients divided by mu + |summed curvature|

    It sets gamma to 1.
    """
    interpreter.assign(symbol("gamma"), 1.0)
    interpreter.call("clear-acc")
    interpreter.call("clear-hess")
    error = accumulate(
        interpreter,
        "batch-newton-iteration",
        first,
        last,
        _SUMMED_NEWTON,
    )
    interpreter.call("hessian-scale", number_in(interpreter, "mu"))
    _change_weights(interpreter)
    return error


def accumulate(interpreter: Interpreter, caller: str, first: Form, last: Form, what: Pass) -> float:
    """Present patterns a to b, call the functions of a pass for each, set global-error to the mean error; return it."""
    a, b = whole(caller, first), whole(caller, last, 1)
    if b < a:
        raise CallError(
            f"{caller}: the range of patterns {a} to {b} is empty",
            0,
            f"write the first and the last pattern, such as ({caller} 0 9)",
        )
    total = 0.0
    sweeps, n = interpreter.part(FusedSweeps), a
    while n <= b:
        done, errors, good = sweeps.run(what, range(n, b + 1))
        if done:
            n += done
            for error in errors.tolist():
                total += error
            _finish_presentations(interpreter, what, n - 1.0, errors, good)
            continue
        with sweeps.word_by_word(what):
            propagate(interpreter, float(n))
            net = interpreter.lookup(NET)
            for function in what.functions:
                interpreter.call(function, net)
            _count_presentation(interpreter, float(n))
        total += number_in(interpreter, _ERROR)
        n += 1
    interpreter.assign(symbol("global-error"), total / (b - a + 1))
    return total / (b - a + 1)


def _change_weights(interpreter: Interpreter) -> None:
    interpreter.call("update-delta", number_in(interpreter, "alpha"))
    interpreter.call("update-wghtonly", number_in(interpreter, "decay"))


def _sweeps(interpreter: Interpreter, caller: str, n: Form, step: str) -> Form:
    """Change the weights n times, each time after all training patterns; return the list of n."""
    for _ in range(_repetitions(caller, n)):
        first, last = training_range(interpreter)
        interpreter.call(step, float(first), float(last))
    return Pair(n)


@net_word("learn-batch", "iterative")
def learn_batch(interpreter: Interpreter, n: Form) -> Form:
    """(learn-batch n): does n sweeps of batch gradient descent; the gradients are summed, not averaged"""
    return _sweeps(interpreter, "learn-batch", n, "batch-iteration")


@net_word("learn-batch-newton", "iterative", "newton")
def learn_batch_newton(interpreter: Interpreter, n: Form) -> Form:
    """(learn-batch-newton n): like learn-batch, with the summed gradient divided by mu + |summed curvature|"""
    return _sweeps(interpreter, "learn-batch-newton", n, "batch-newton-iteration")


@net_word("learn-batch-lm", "iterative", "newton")
def learn_batch_lm(interpreter: Interpreter, n: Form) -> Form:
    """(learn-batch-lm n): like learn-batch-newton, without the term in f'' in the curvature (Levenberg-Marquardt)"""
    with binding(interpreter, "lev-mar", TRUE):
        return interpreter.call("learn-batch-newton", n)


@net_word("batch-cg1-iteration", "iterative")
def batch_cg1_iteration(interpreter: Interpreter, first: Form, last: Form) -> Form:
    """(batch-cg1-iteration a b): sums the gradient over patterns a to b, without a step; returns the mean error"""
    interpreter.call("clear-acc")
    return accumulate(interpreter, "batch-cg1-iteration", first, last, _SUMMED)


@net_word("learn-batch-cg", "iterative")
def learn_by_conjugate_gradient(
    interpreter: Interpreter, n: Form, newest: Form = ABSENT, before: Form = ABSENT, direction: Form = ABSENT
) -> Form:
    """(learn-batch-cg n [g1 g2 p]): does n sweeps of conjugate gradient, and sets the rates to 1

    It returns a list (n g1 g2 p). Pass these values to continue the same search.
    """
    return learn_batch_cg(interpreter, n, _repetitions("learn-batch-cg", n), newest, before, direction)


# Runs

Method = tuple[str, tuple[str, ...], str, str]
_METHODS: tuple[Method, ...] = (
    ("", (), "steps", "on-line gradient descent"),
    ("-newton", ("newton",), "steps", "on-line gradient descent divided by the curvature"),
    ("-lm", ("newton",), "steps", "on-line Levenberg-Marquardt"),
    ("-batch", ("iterative",), "sweeps", "batch gradient descent"),
    ("-batch-newton", ("iterative", "newton"), "sweeps", "batch gradient descent divided by the curvature"),
    ("-batch-lm", ("iterative", "newton"), "sweeps", "batch Levenberg-Marquardt"),
    ("-batch-cg", ("iterative",), "sweeps", "conjugate gradient"),
)


def _run(interpreter: Interpreter, name: str, learning: str, n: Form, times: Form, tests: bool) -> Form:
    """Measure, then `times` times learn and measure; a learning function returns its arguments for the next call."""
    count = _repetitions(name, times, 1)
    log_line(interpreter, f";;; {name} {interpreter.printed(n)} {interpreter.printed(times)}")
    interpreter.call("reset-training-ports")
    if tests:
        interpreter.call("reset-test-ports")
    _measure(interpreter, tests)
    arguments: Form = Pair(n)
    for _ in range(count):
        arguments = interpreter.apply(symbol(learning), interpreter.elements(arguments, name))
        _measure(interpreter, tests)
    return NIL


def _measure(interpreter: Interpreter, tests: bool) -> None:
    """Measure the training patterns, and with `tests` the test patterns."""
    interpreter.call("perf")
    interpreter.call("auto-plot-training")
    if tests:
        first, last = test_range(interpreter)
        interpreter.call("perf", float(first), float(last))
        interpreter.call("auto-plot-test")


def _add_runs(suffix: str, modes: tuple[str, ...], unit: str, method: str) -> None:
    """Add the words `run` and `trun` for a learning method."""

    def run(interpreter: Interpreter, n: Form, times: Form) -> Form:
        return _run(interpreter, f"run{suffix}", f"learn{suffix}", n, times, tests=False)

    def trun(interpreter: Interpreter, n: Form, times: Form) -> Form:
        return _run(interpreter, f"trun{suffix}", f"learn{suffix}", n, times, tests=True)

    run.__doc__ = f"(run{suffix} n k): calls perf, and then k times learns n {unit} by {method} and calls perf again"
    trun.__doc__ = f"(trun{suffix} n k): like run{suffix}, but also calls perf for the test patterns"
    net_word(f"run{suffix}", *modes)(run)
    net_word(f"trun{suffix}", *modes)(trun)


for _method in _METHODS:
    _add_runs(*_method)
