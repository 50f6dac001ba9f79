"""Connections that matter least are cut (optimal brain damage), and a search for the size of a hidden layer
(docs/reference/sn28.md, section 3.13; LeCun, Denker, Solla, Optimal brain damage, 1990).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import number, whole
from snsim.language.forms import NIL, Form, make_list, symbol
from snsim.language.procedures import ABSENT, CallError
from snsim.sn28.learning.performance import propagate
from snsim.sn28.net.connections import every_connection
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import Netspace
from snsim.sn28.runtime.lisp_definitions import bound
from snsim.sn28.runtime.settings import NET, number_in, test_range

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


@net_word("obd-compute-curvature", "iterative", "newton")
def obd_compute_curvature(interpreter: Interpreter, first: Form, last: Form) -> Form:
    """(obd-compute-curvature a b): sums the curvature of every weight over patterns a to b, for obd-prune"""
    a, b = whole("obd-compute-curvature", first), whole("obd-compute-curvature", last, 1)
    if b < a:
        raise CallError(
            f"obd-compute-curvature: there are no patterns {a} to {b}",
            0,
            "write the first and the last, such as (obd-compute-curvature 0 9)",
        )
    with bound(interpreter, "gamma", 1.0), bound(interpreter, "lev-mar", NIL):
        interpreter.call("clear-hess")
        for n in range(a, b + 1):
            propagate(interpreter, float(n))
            for function in ("backward-prop", "backward-2-prop", "do-update-hess"):
                interpreter.call(function, interpreter.lookup(NET))
    return NIL


@net_word("obd-prune", "iterative", "newton")
def obd_prune(interpreter: Interpreter, fraction: Form) -> float:
    """(obd-prune f): cuts the fraction f of the connections, those of least saliency h w^2; how many were cut

    As in SN the factor 1/2 of the saliency is left out, connections are counted and not weights, and negative
    curvature goes first.
    """
    share = number("obd-prune", fraction)
    if not 0 <= share <= 1:
        raise CallError(f"obd-prune: {share:g} is no fraction", 0, "write 0.1 to cut a tenth of the connections")
    net = interpreter.part(Netspace)
    connections = every_connection(net)
    if not len(connections):
        return 0.0
    weights = net.weight.array[connections]
    values = net.weight_val.array[weights].astype(float)
    saliency = net.hess.array[weights].astype(float) * values * values
    limit = np.sort(saliency)[min(math.floor(len(saliency) * share), len(saliency) - 1)]
    condemned = connections[saliency < limit]
    for pre, post in zip(net.pre.array[condemned].tolist(), net.post.array[condemned].tolist()):
        net.cut(pre, post)
    return float(len(condemned))


# One hidden layer, of a size that is found


@net_word("netenv-auto-train", "iterative")
def netenv_auto_train(interpreter: Interpreter) -> float:
    """(netenv-auto-train): conjugate gradient from new weights; keeps those that are best on the test set; their error

    Bursts of int(n) sweeps, n grows by sqrt(2) with each improvement; it ends when the age is twice that of the best.
    Less than a hundredth is no improvement, or a net that learns its examples to perfection would never be done.
    """
    first, last = map(float, test_range(interpreter))
    interpreter.call("forget-sqrt", 1.0)
    burst, least, weights, best_age = 1.0, math.inf, NIL, 0.0
    while weights is NIL or number_in(interpreter, "age") < 2 * best_age:
        interpreter.call("run-batch-cg", float(int(burst)), 1.0)
        interpreter.call("perf", first, last)
        error = number_in(interpreter, "global-error")
        if weights is NIL or error < 0.99 * least:
            least, best_age, burst = error, number_in(interpreter, "age"), burst * math.sqrt(2.0)
            weights = interpreter.call("weight-to-matrix")
    interpreter.call("matrix-to-weight", weights)
    return least


@net_word("netenv-auto-arch", "iterative")
def netenv_auto_arch(
    interpreter: Interpreter, check: Form = ABSENT, inputs: Form = ABSENT, outputs: Form = ABSENT
) -> float:
    """(netenv-auto-arch [check in out]): builds and trains nets of one hidden layer of growing size; the best size

    `check`: a function of a size and its test error, that ends the search by (). `in`, `out`: sizes of the layers,
    those of the patterns if absent. The net of the best size is built and trained again at the end.
    """
    sizes = [
        _columns(interpreter, given, matrix, i)
        for i, (given, matrix) in enumerate(((inputs, "pattern-matrix"), (outputs, "desired-matrix")), 1)
    ]
    hidden, best, least = 0, 0, math.inf
    while hidden < 10 + 2 * best:
        hidden = int(hidden + 1 + 0.2 * hidden)
        error = _train_with(interpreter, sizes[0], hidden, sizes[1])
        if error < least:
            least, best = error, hidden
        if check is not ABSENT and check is not NIL and interpreter.apply(check, [float(hidden), error]) is NIL:
            break
    if best != hidden:
        _train_with(interpreter, sizes[0], best, sizes[1])
    return float(best)


def _columns(interpreter: Interpreter, given: Form, variable: str, argument: int) -> int:
    if given is not ABSENT and given is not NIL:
        return whole("netenv-auto-arch", given, argument)
    matrix = interpreter.lookup(variable)
    if not isinstance(matrix, np.ndarray) or matrix.ndim != 2:
        raise CallError(f"netenv-auto-arch: {variable} is no matrix of two dimensions", None, "load patterns first")
    return int(matrix.shape[1])


def _train_with(interpreter: Interpreter, inputs: int, hidden: int, outputs: int) -> float:
    """The error on the test set of a net of these sizes."""
    connections = (inputs + 1) * hidden + (hidden + 1) * outputs
    interpreter.call("alloc-net", float(1 + inputs + hidden + 2 * outputs), float(connections))
    names = [symbol(name) for name in ("input", "hidden", "output")]
    layers = make_list(make_list([name, float(size)]) for name, size in zip(names, (inputs, hidden, outputs)))
    links = make_list([make_list(names[:2]), make_list(names[1:])])
    interpreter.call("build-net", layers, links)
    error = interpreter.call("netenv-auto-train")
    if not isinstance(error, float):
        raise CallError(
            f"netenv-auto-train gave {interpreter.describe(error)}, not an error",
            None,
            "let netenv-auto-train end with a number, the error",
        )
    return error
