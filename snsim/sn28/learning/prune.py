"""Prune connections by optimal brain damage, and search for the size of a hidden layer.

See docs/reference/sn28.md, section 3.13, and LeCun, Denker and Solla, Optimal brain damage, 1990.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import number, whole
from snsim.language.forms import NIL, Form, make_list, symbol
from snsim.language.procedures import ABSENT, CallError
from snsim.sn28.learning.fused_sweeps import FusedSweeps, Pass
from snsim.sn28.learning.performance import propagate
from snsim.sn28.net.connections import all_connections
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import Netspace
from snsim.sn28.runtime.lisp_definitions import binding
from snsim.sn28.runtime.settings import NET, number_in, test_range

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


_CURVATURE = Pass(functions=("backward-prop", "backward-2-prop", "do-update-hess"))


@net_word("obd-compute-curvature", "iterative", "newton")
def obd_compute_curvature(interpreter: Interpreter, first: Form, last: Form) -> Form:
    """(obd-compute-curvature a b): sums the curvature of every weight over patterns a to b; call it before obd-prune"""
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
    """(obd-prune f): cuts the fraction f of the connections with the lowest saliency h w^2; returns how many

    As in SN, the saliency lacks the factor 1/2, the fraction is of connections instead of weights, and connections of
    negative curvature are cut first.
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
def netenv_auto_train(interpreter: Interpreter) -> float:
    """(netenv-auto-train): trains new weights by conjugate gradient; keeps the best on the test set; returns its error

    It trains for int(n) sweeps at a time, and n grows by sqrt(2) with each improvement. It ends at twice the age of the
    best weights. Only a decrease of 1 % counts, because otherwise a net that learns its examples perfectly never ends.
    """
    first, last = map(float, test_range(interpreter))
    interpreter.call("forget-sqrt", 1.0)
    burst, best_error, weights, best_age = 1.0, math.inf, NIL, 0.0
    while weights is NIL or number_in(interpreter, "age") < 2 * best_age:
        interpreter.call("run-batch-cg", float(int(burst)), 1.0)
        interpreter.call("perf", first, last)
        error = number_in(interpreter, "global-error")
        if weights is NIL or error < 0.99 * best_error:
            best_error, best_age, burst = error, number_in(interpreter, "age"), burst * math.sqrt(2.0)
            weights = interpreter.call("weight-to-matrix")
    interpreter.call("matrix-to-weight", weights)
    return best_error


@net_word("netenv-auto-arch", "iterative")
def netenv_auto_arch(
    interpreter: Interpreter, check: Form = ABSENT, inputs: Form = ABSENT, outputs: Form = ABSENT
) -> float:
    """(netenv-auto-arch [check in out]): trains nets with one hidden layer of growing size; returns the best size

    `check` is a function of a size and its test error; it ends the search by returning (). `in` and `out` are the sizes
    of the input and output layers, by default those of the patterns. At the end, the net of the best size is built and
    trained again.
    """
    sizes = [
        _layer_size(interpreter, size, matrix, i)
        for i, (size, matrix) in enumerate(((inputs, "pattern-matrix"), (outputs, "desired-matrix")), 1)
    ]
    hidden, best, best_error = 0, 0, math.inf
    while hidden < 10 + 2 * best:
        hidden = int(hidden + 1 + 0.2 * hidden)
        error = _train_net(interpreter, sizes[0], hidden, sizes[1])
        if error < best_error:
            best_error, best = error, hidden
        if check is not ABSENT and check is not NIL and interpreter.apply(check, [float(hidden), error]) is NIL:
            break
    if best != hidden:
        _train_net(interpreter, sizes[0], best, sizes[1])
    return float(best)


def _layer_size(interpreter: Interpreter, size: Form, variable: str, argument: int) -> int:
    if size is not ABSENT and size is not NIL:
        return whole("netenv-auto-arch", size, argument)
    matrix = interpreter.lookup(variable)
    if not isinstance(matrix, np.ndarray) or matrix.ndim != 2:
        raise CallError(
            f"netenv-auto-arch: {variable} is not a matrix of two dimensions",
            None,
            "load the patterns first: (load-patterns patterns desired)",
        )
    return int(matrix.shape[1])


def _train_net(interpreter: Interpreter, inputs: int, hidden: int, outputs: int) -> float:
    """Build and train a net of these sizes, and return its error on the test set."""
    connections = (inputs + 1) * hidden + (hidden + 1) * outputs
    interpreter.call("alloc-net", float(1 + inputs + hidden + 2 * outputs), float(connections))
    names = [symbol(name) for name in ("input", "hidden", "output")]
    layers = make_list(make_list([name, float(size)]) for name, size in zip(names, (inputs, hidden, outputs)))
    links = make_list([make_list(names[:2]), make_list(names[1:])])
    interpreter.call("build-net", layers, links)
    error = interpreter.call("netenv-auto-train")
    if not isinstance(error, float):
        raise CallError(
            f"netenv-auto-train returned {interpreter.describe(error)}, not an error",
            None,
            "make your netenv-auto-train return a number, the error",
        )
    return error
