"""Prune connections by optimal brain damage, and search for the size of a hidden layer.

See docs/reference/sn28.md, section 3.13, and LeCun, Denker and Solla, Optimal brain damage, 1990.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import number, whole
from snsim.language.forms import NIL, Form, as_matrix, make_list, symbol
from snsim.language.procedures import ABSENT, CallError
from snsim.runtime.lisp_definitions import binding
from snsim.runtime.settings import NET, number_in, test_range, training_range
from snsim.sn28.learning.fused_sweeps import FusedSweeps, Pass
from snsim.sn28.learning.performance import propagate
from snsim.sn28.net.connections import all_connections
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import Netspace

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


_CURVATURE = Pass(functions=("backward-prop", "backward-2-prop", "do-update-hess"))


@net_word("obd-compute-curvature", "iterative", "newton")
def obd_compute_curvature(interpreter: Interpreter, first: Form, last: Form) -> Form:
    """(obd-compute-curvature a b): adds up the curvature of every weight over patterns a to b, as obd-prune needs it"""
    a, b = whole("obd-compute-curvature", first), whole("obd-compute-curvature", last, 1)
    if b < a:
        raise CallError(
            f"obd-compute-curvature: the range of patterns {a} to {b} is empty",
            0,
            "write the first and the last pattern, such as (obd-compute-curvature 0 9)",
        )
    with binding(interpreter, "gamma", 1.0), binding(interpreter, "lev-mar", NIL):
        interpreter.call("clear-hess")
        sweeps, n = interpreter.part(FusedSweeps), a
        while n <= b:
            done, errors, _ = sweeps.run(_CURVATURE, range(n, b + 1))
            if done:
                n += done
                interpreter.assign(symbol("local-error"), float(errors[-1]))
                continue
            with sweeps.word_by_word(_CURVATURE):
                propagate(interpreter, float(n))
                for function in _CURVATURE.functions:
                    interpreter.call(function, interpreter.lookup(NET))
            n += 1
    return NIL


@net_word("obd-prune", "iterative", "newton")
def obd_prune(interpreter: Interpreter, fraction: Form) -> float:
    """(obd-prune f): cuts the fraction f, 0 to 1, of the connections with the lowest saliency; returns how many

    The saliency is h w^2, with h the summed curvature and w the weight. As in SN, it lacks the factor 1/2, the fraction
    is of connections instead of weights, and connections of negative curvature are cut first.
    """
    share = number("obd-prune", fraction)
    if not 0 <= share <= 1:
        raise CallError(
            f"obd-prune: expected a fraction from 0 to 1, got {share:g}",
            0,
            "write 0.1 to cut a tenth of the connections",
        )
    net = interpreter.part(Netspace)
    connections = all_connections(net)
    if not len(connections):
        return 0.0
    weights = net.weight.array[connections]
    values = net.weight_val.array[weights].astype(float)
    saliency = net.hess.array[weights].astype(float) * values * values
    limit = np.sort(saliency)[min(math.floor(len(saliency) * share), len(saliency) - 1)]
    pruned = connections[saliency < limit]
    for pre, post in zip(net.pre.array[pruned].tolist(), net.post.array[pruned].tolist()):
        net.cut(pre, post)
    return float(len(pruned))


# Search for the size of one hidden layer


@net_word("netenv-auto-train", "iterative")
def netenv_auto_train(interpreter: Interpreter, check: Form = NIL) -> float:
    """(netenv-auto-train [check]): trains from new weights and keeps the best; returns their test error

    It uses conjugate gradient, int(n) sweeps at a time. At first n is 2, and it grows by sqrt(2) whenever the error of
    the test set improves. It ends at twice the age of the best weights, or when (check) returns ().
    """
    interpreter.call("forget-sqrt", 1.0)
    _measure(interpreter, "test")
    _measure(interpreter, "training")
    burst, best_error, weights, best_age = 2.0, math.inf, NIL, 0.0
    while (weights is NIL or number_in(interpreter, "age") < 2 * best_age) and _goes_on(interpreter, check):
        interpreter.call("learn-batch-cg", float(int(burst)))
        error = _measure(interpreter, "test")
        if weights is NIL or error < best_error:
            best_error, best_age, burst = error, number_in(interpreter, "age"), burst * math.sqrt(2.0)
            _measure(interpreter, "training")
            weights = interpreter.call("weight-to-matrix")
    if weights is not NIL:
        interpreter.call("matrix-to-weight", weights)
        interpreter.assign(symbol("age"), best_age)
    _measure(interpreter, "training")
    _measure(interpreter, "test")
    return best_error


def _measure(interpreter: Interpreter, patterns: str) -> float:
    """Call perf for the "training" or the "test" patterns, and return their error."""
    first, last = training_range(interpreter) if patterns == "training" else test_range(interpreter)
    interpreter.call("perf", float(first), float(last))
    return number_in(interpreter, "global-error")


def _goes_on(interpreter: Interpreter, check: Form) -> bool:
    return check is NIL or interpreter.apply(check, []) is not NIL


@net_word("netenv-auto-arch", "iterative")
def netenv_auto_arch(
    interpreter: Interpreter, check: Form = NIL, inputs: Form = ABSENT, outputs: Form = ABSENT
) -> float:
    """(netenv-auto-arch [check in out]): trains nets with one hidden layer of growing size; returns the best size

    The search ends when (check) returns (). `in` and `out` are the sizes of the input and output layers, by default
    those of the patterns. At the end, the net of the best size is built again, with its best weights and their age.
    """
    sizes = [
        _layer_size(interpreter, size, matrix, i)
        for i, (size, matrix) in enumerate(((inputs, "pattern-matrix"), (outputs, "desired-matrix")), 1)
    ]
    first, last = training_range(interpreter)
    hidden, best, best_error, weights, best_age = 0, 0, math.inf, NIL, 0.0
    while True:
        hidden = int(hidden + 1 + 0.2 * hidden)
        most = 10 + min(2 * best, sum(sizes) * (last - first + 1))
        if hidden >= most or not _goes_on(interpreter, check):
            break
        interpreter.print_text(f"\n-------- trying architecture with {hidden} hidden units --------\n")
        _build_net(interpreter, sizes[0], hidden, sizes[1])
        error = _train_net(interpreter, check)
        if error < best_error:
            best_error, best, best_age = error, hidden, number_in(interpreter, "age")
            weights = interpreter.call("weight-to-matrix")
    if weights is not NIL:
        interpreter.print_text(f"\n-------- back to architecture with {best} hidden units --------\n\n")
        _build_net(interpreter, sizes[0], best, sizes[1])
        interpreter.call("matrix-to-weight", weights)
        interpreter.assign(symbol("age"), best_age)
    return float(best)


def _layer_size(interpreter: Interpreter, size: Form, variable: str, argument: int) -> int:
    if size is not ABSENT and size is not NIL:
        return whole("netenv-auto-arch", size, argument)
    matrix = as_matrix(interpreter.lookup(variable))
    if not isinstance(matrix, np.ndarray) or matrix.ndim != 2:
        raise CallError(
            f"netenv-auto-arch: {variable} is not a matrix of two dimensions",
            None,
            "load the patterns first: (load-patterns patterns desired)",
        )
    return int(matrix.shape[1])


def _build_net(interpreter: Interpreter, inputs: int, hidden: int, outputs: int) -> None:
    """Build a net of these sizes."""
    connections = (inputs + 1) * hidden + (hidden + 1) * outputs
    interpreter.call("alloc-net", float(1 + inputs + hidden + 2 * outputs), float(connections))
    names = [symbol(name) for name in ("input", "hidden", "output")]
    layers = make_list(make_list([name, float(size)]) for name, size in zip(names, (inputs, hidden, outputs)))
    links = make_list([make_list(names[:2]), make_list(names[1:])])
    interpreter.call("build-net", layers, links)


def _train_net(interpreter: Interpreter, check: Form) -> float:
    """Train the present net, and return its error on the test set."""
    error = interpreter.call("netenv-auto-train", *([] if check is NIL else [check]))
    if not isinstance(error, float):
        raise CallError(
            f"netenv-auto-train returned {interpreter.describe(error)}, not an error",
            None,
            "make your netenv-auto-train return a number, the error",
        )
    return error
