"""Learning: one step, n steps, sweeps, and runs with measurements between them (docs/reference/sn28.md, section 3.11).

A step is made of functions that a program may replace; they are looked up for every pattern. On-line methods count
patterns, methods that go through all patterns before they change a weight count sweeps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snsim.language.builtins.arithmetic import whole
from snsim.language.forms import Form, Pair, symbol
from snsim.language.procedures import ABSENT, TRUE, CallError
from snsim.sn28.learning.conjugate_gradient import learn_batch_cg
from snsim.sn28.learning.performance import judge, log, propagate
from snsim.sn28.net.net_word import net_word
from snsim.sn28.runtime.lisp_definitions import bound
from snsim.sn28.runtime.settings import NET, number_in, test_range, training_range

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


# One step


@net_word("basic-iteration")
def basic_iteration(interpreter: Interpreter, n: Form) -> Form:
    """(basic-iteration n): learns pattern n by its gradient; its error before. good-answer too is that of before"""
    propagate(interpreter, n)
    net = interpreter.lookup(NET)
    interpreter.apply(_BACKWARD, [net])
    interpreter.apply(_UPDATE, [net])
    return _count_and_judge(interpreter, n)


@net_word("basic-newton-iteration", "newton")
def basic_newton_iteration(interpreter: Interpreter, n: Form) -> Form:
    """(basic-newton-iteration n): learns pattern n by its gradient and curvature; its error before"""
    propagate(interpreter, n)
    net = interpreter.lookup(NET)
    interpreter.apply(_BACKWARD, [net])
    interpreter.apply(_BACKWARD_2, [net])
    interpreter.apply(_UPDATE_NEWTON, [net])
    return _count_and_judge(interpreter, n)


def _count_and_judge(interpreter: Interpreter, n: Form) -> Form:
    """One presentation more; the classification sees the states before the update."""
    interpreter.assign(_AGE, number_in(interpreter, _AGE, 0.0) + 1.0)
    judge(interpreter, n, _DISPLAY)
    return interpreter.lookup(_ERROR)


def _learn(interpreter: Interpreter, who: str, n: Form, step: str) -> Form:
    """n steps, each on the pattern that next-pattern gave; the list of n."""
    for _ in range(_times(who, n)):
        interpreter.call(step, number_in(interpreter, _CURRENT))
        interpreter.assign(_CURRENT, interpreter.apply(_NEXT, [interpreter.lookup(_CURRENT)]))
    return Pair(n)


def _cycle(interpreter: Interpreter, who: str, n: Form, step: str) -> Form:
    """n sweeps through the training patterns; the list of n."""
    for _ in range(_times(who, n)):
        first, last = training_range(interpreter)
        for pattern in range(first, last + 1):
            interpreter.call(step, float(pattern))
    return Pair(n)


def _times(who: str, n: Form, argument: int = 0) -> int:
    count = whole(who, n, argument)
    if count < 0:
        raise CallError(f"{who}: {count} is no number of times", argument, "write 1 or more")
    return count


@net_word("learn")
def learn(interpreter: Interpreter, n: Form) -> Form:
    """(learn n): n steps of on-line gradient"""
    return _learn(interpreter, "learn", n, "basic-iteration")


@net_word("learn-newton", "newton")
def learn_newton(interpreter: Interpreter, n: Form) -> Form:
    """(learn-newton n): n steps of on-line gradient, each divided by its curvature"""
    return _learn(interpreter, "learn-newton", n, "basic-newton-iteration")


@net_word("learn-lm", "newton")
def learn_lm(interpreter: Interpreter, n: Form) -> Form:
    """(learn-lm n): n steps of on-line Levenberg-Marquardt"""
    with bound(interpreter, "lev-mar", TRUE):
        return interpreter.call("learn-newton", n)


@net_word("learn-cycle")
def learn_cycle(interpreter: Interpreter, n: Form) -> Form:
    """(learn-cycle n): n sweeps of on-line gradient; current-pattern stays as it is"""
    return _cycle(interpreter, "learn-cycle", n, "basic-iteration")


@net_word("learn-cycle-newton", "newton")
def learn_cycle_newton(interpreter: Interpreter, n: Form) -> Form:
    """(learn-cycle-newton n): n sweeps of on-line gradient, divided by the curvature"""
    return _cycle(interpreter, "learn-cycle-newton", n, "basic-newton-iteration")


@net_word("learn-cycle-lm", "newton")
def learn_cycle_lm(interpreter: Interpreter, n: Form) -> Form:
    """(learn-cycle-lm n): n sweeps of on-line Levenberg-Marquardt"""
    with bound(interpreter, "lev-mar", TRUE):
        return interpreter.call("learn-cycle-newton", n)


# Batches


@net_word("batch-iteration", "iterative")
def batch_iteration(interpreter: Interpreter, first: Form, last: Form) -> Form:
    """(batch-iteration a b): one change of the weights by the gradient summed over patterns a to b; the mean error"""
    interpreter.call("clear-acc")
    error = accumulate(interpreter, "batch-iteration", first, last, ["backward-prop", "do-update-acc"])
    _change_weights(interpreter)
    return error


@net_word("batch-newton-iteration", "iterative", "newton")
def batch_newton_iteration(interpreter: Interpreter, first: Form, last: Form) -> Form:
    """(batch-newton-iteration a b): as batch-iteration, divided by the summed curvature; gamma is 1 from then on"""
    interpreter.assign(symbol("gamma"), 1.0)
    interpreter.call("clear-acc")
    interpreter.call("clear-hess")
    error = accumulate(
        interpreter,
        "batch-newton-iteration",
        first,
        last,
        ["backward-prop", "backward-2-prop", "do-update-acc", "do-update-hess"],
    )
    interpreter.call("hessian-scale", number_in(interpreter, "mu"))
    _change_weights(interpreter)
    return error


def accumulate(interpreter: Interpreter, who: str, first: Form, last: Form, work: list[str]) -> float:
    """Present patterns a to b and call these functions for each; the mean error, also in global-error."""
    a, b = whole(who, first), whole(who, last, 1)
    if b < a:
        raise CallError(
            f"{who}: there are no patterns {a} to {b}", 0, f"write the first and the last, such as ({who} 0 9)"
        )
    total = 0.0
    for n in range(a, b + 1):
        propagate(interpreter, float(n))
        net = interpreter.lookup(NET)
        for function in work:
            interpreter.call(function, net)
        _count_and_judge(interpreter, float(n))
        total += number_in(interpreter, _ERROR)
    interpreter.assign(symbol("global-error"), total / (b - a + 1))
    return total / (b - a + 1)


def _change_weights(interpreter: Interpreter) -> None:
    interpreter.call("update-delta", number_in(interpreter, "alpha"))
    interpreter.call("update-wghtonly", number_in(interpreter, "decay"))


def _sweeps(interpreter: Interpreter, who: str, n: Form, step: str) -> Form:
    """n changes of the weights, each by all training patterns; the list of n."""
    for _ in range(_times(who, n)):
        first, last = training_range(interpreter)
        interpreter.call(step, float(first), float(last))
    return Pair(n)


@net_word("learn-batch", "iterative")
def learn_batch(interpreter: Interpreter, n: Form) -> Form:
    """(learn-batch n): n sweeps of batch gradient; the gradients are summed, not averaged"""
    return _sweeps(interpreter, "learn-batch", n, "batch-iteration")


@net_word("learn-batch-newton", "iterative", "newton")
def learn_batch_newton(interpreter: Interpreter, n: Form) -> Form:
    """(learn-batch-newton n): n sweeps of batch gradient, divided by the curvature"""
    return _sweeps(interpreter, "learn-batch-newton", n, "batch-newton-iteration")


@net_word("learn-batch-lm", "iterative", "newton")
def learn_batch_lm(interpreter: Interpreter, n: Form) -> Form:
    """(learn-batch-lm n): n sweeps of batch Levenberg-Marquardt"""
    with bound(interpreter, "lev-mar", TRUE):
        return interpreter.call("learn-batch-newton", n)


@net_word("batch-cg1-iteration", "iterative")
def batch_cg1_iteration(interpreter: Interpreter, first: Form, last: Form) -> Form:
    """(batch-cg1-iteration a b): sums the gradient over patterns a to b; the mean error"""
    interpreter.call("clear-acc")
    return accumulate(interpreter, "batch-cg1-iteration", first, last, ["backward-prop", "do-update-acc"])


@net_word("learn-batch-cg", "iterative")
def learn_by_conjugate_gradient(
    interpreter: Interpreter, n: Form, newest: Form = ABSENT, before: Form = ABSENT, direction: Form = ABSENT
) -> Form:
    """(learn-batch-cg n [g1 g2 p]): n sweeps of conjugate gradient; a list that `apply` goes on with. Rates become 1"""
    return learn_batch_cg(interpreter, n, _times("learn-batch-cg", n), newest, before, direction)


# Runs

Method = tuple[str, tuple[str, ...], str, str]
_METHODS: tuple[Method, ...] = (
    ("", (), "steps", "on-line gradient"),
    ("-newton", ("newton",), "steps", "on-line gradient divided by the curvature"),
    ("-lm", ("newton",), "steps", "on-line Levenberg-Marquardt"),
    ("-batch", ("iterative",), "sweeps", "batch gradient"),
    ("-batch-newton", ("iterative", "newton"), "sweeps", "batch gradient divided by the curvature"),
    ("-batch-lm", ("iterative", "newton"), "sweeps", "batch Levenberg-Marquardt"),
    ("-batch-cg", ("iterative",), "sweeps", "conjugate gradient"),
)


def _run(interpreter: Interpreter, name: str, learning: str, n: Form, times: Form, tests: bool) -> Form:
    """Measure, then `times` times: learn n, measure. What a learning function gives is what it is called with next."""
    count = _times(name, times, 1)
    log(interpreter, f";;; {name} {interpreter.printed(n)} {interpreter.printed(times)}")
    interpreter.call("reset-training-ports")
    if tests:
        interpreter.call("reset-test-ports")
    result = _measure(interpreter, tests)
    arguments: Form = Pair(n)
    for _ in range(count):
        arguments = interpreter.apply(symbol(learning), interpreter.elements(arguments, name))
        result = _measure(interpreter, tests)
    return result


def _measure(interpreter: Interpreter, tests: bool) -> Form:
    """Measure the training patterns, and the test patterns too; the percentage of the last."""
    result = interpreter.call("perf")
    interpreter.call("auto-plot-training")
    if tests:
        first, last = test_range(interpreter)
        result = interpreter.call("perf", float(first), float(last))
        interpreter.call("auto-plot-test")
    return result


def _add_runs(suffix: str, modes: tuple[str, ...], unit: str, method: str) -> None:
    """The words `run` and `trun` for a way of learning."""

    def run(interpreter: Interpreter, n: Form, times: Form) -> Form:
        return _run(interpreter, f"run{suffix}", f"learn{suffix}", n, times, tests=False)

    def trun(interpreter: Interpreter, n: Form, times: Form) -> Form:
        return _run(interpreter, f"trun{suffix}", f"learn{suffix}", n, times, tests=True)

    run.__doc__ = f"(run{suffix} n k): perf, then k times n {unit} of {method} and perf"
    trun.__doc__ = f"(trun{suffix} n k): as run{suffix}, measuring the test patterns too"
    net_word(f"run{suffix}", *modes)(run)
    net_word(f"trun{suffix}", *modes)(trun)


for _method in _METHODS:
    _add_runs(*_method)
