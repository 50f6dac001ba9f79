"""Examples and the order in which they are presented (docs/reference/sn28.md, section 3.8).

An example is a row of `pattern-matrix` and the same row of `desired-matrix`. A program presents its own by giving
`present-pattern` and `present-desired` another meaning.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from snsim.errors import Fault
from snsim.language.builtins.arithmetic import number, whole
from snsim.language.forms import NIL, Form, Symbol, symbol
from snsim.language.printer import number_text
from snsim.language.procedures import TRUE, CallError
from snsim.sn28.learning.performance import log
from snsim.sn28.runtime.random_numbers import Randomness
from snsim.sn28.runtime.settings import Settings, number_in, training_range
from snsim.sn28.runtime.vocabulary import word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_PATTERNS, _DESIRED, _NOISE = symbol("pattern-matrix"), symbol("desired-matrix"), symbol("input-noise")
_GET = symbol("get-pattern")


@word("load-patterns")
def load_patterns(interpreter: Interpreter, patterns: Form, desired: Form) -> Form:
    """(load-patterns "f.pat" "f.des"): reads the examples and what they should give; all are for training"""
    loaded: list[np.ndarray] = []
    for variable, name in (("pattern-matrix", patterns), ("desired-matrix", desired)):
        matrix = interpreter.call("load-matrix", name)
        if not isinstance(matrix, np.ndarray) or matrix.ndim != 2:
            raise CallError(
                f"load-patterns: {interpreter.describe(name)} is no matrix of two dimensions",
                len(loaded),
                "write a file of rows, one for each example: .MAT 2 ROWS COLUMNS and the numbers",
            )
        interpreter.assign(symbol(variable), matrix)
        loaded.append(matrix)
    rows = [len(matrix) for matrix in loaded]
    if rows[0] != rows[1]:
        interpreter.warnings.append(
            Fault(
                f"there are {rows[0]} patterns and {rows[1]} desired outputs",
                interpreter.place(),
                hint="write a row of each for every pattern",
                severity="warning",
            )
        )
    log(interpreter, f';;; (load-patterns "{patterns}" "{desired}")')
    return interpreter.call("ensemble", 0.0, float(rows[0] - 1))


@word("ensemble")
def ensemble(interpreter: Interpreter, first: Form, last: Form) -> Form:
    """(ensemble a b): the patterns a to b, both included, are for training"""
    a, b = _pattern_range("ensemble", first, last)
    interpreter.part(Settings)
    interpreter.assign(symbol("patt-min"), a)
    interpreter.assign(symbol("patt-max"), b)
    if not a <= number_in(interpreter, "current-pattern", 0.0) <= b:
        interpreter.assign(symbol("current-pattern"), a)
    log(interpreter, f";;; (ensemble {number_text(a)} {number_text(b)})")
    return interpreter.new_list([a, b], "ensemble")


@word("test-set")
def test_set(interpreter: Interpreter, first: Form, last: Form) -> Form:
    """(test-set a b): the patterns a to b, both included, are for testing; prints how far a result can be trusted"""
    a, b = _pattern_range("test-set", first, last)
    interpreter.part(Settings)
    interpreter.assign(symbol("tpatt-min"), a)
    interpreter.assign(symbol("tpatt-max"), b)
    confidence, size = number_in(interpreter, "confidence"), b - a + 1.0
    half_width = interpreter.call("hoeffding", 100.0, 1.0 - confidence / 100.0, size)
    interpreter.print_text(
        f"** Test set size = {number_text(size)}, {number_text(confidence)}% confidence interval = "
        f"+-{half_width:.2f}%.\n"
    )
    log(interpreter, f";;; (test-set {number_text(a)} {number_text(b)})")
    return interpreter.new_list([a, b], "test-set")


@word("hoeffding")
def hoeffding(interpreter: Interpreter, scale: Form, risk: Form, size: Form) -> float:
    """(hoeffding tau eta n): how far a mean of n values in a range tau may lie off, but for a risk eta (Hoeffding)

    tau sqrt(-ln(eta/2) / 2n): Hoeffding, Probability inequalities for sums of bounded random variables, 1963.
    """
    tau, eta, n = number("hoeffding", scale), number("hoeffding", risk, 1), number("hoeffding", size, 2)
    if not 0 < eta <= 2 or n <= 0:
        raise CallError(
            f"hoeffding: there is no bound for a risk of {eta:g} and {n:g} values",
            1 if n > 0 else 2,
            "write a risk between 0 and 1, such as 0.05, and 1 value or more",
        )
    return tau * math.sqrt(-math.log(eta / 2.0) / (2.0 * n))


def _pattern_range(who: str, first: Form, last: Form) -> tuple[float, float]:
    a, b = float(whole(who, first)), float(whole(who, last, 1))
    if not 0 <= a <= b:
        raise CallError(
            f"{who}: there are no patterns {number_text(a)} to {number_text(b)}",
            0,
            "give the first and the last, from 0",
        )
    return a, b


# Presenting one


@word("present-pattern")
def present_pattern(interpreter: Interpreter, layer: Form, n: Form) -> Form:
    """(present-pattern layer n): the units take the values of row n of pattern-matrix, with input-noise"""
    interpreter.apply(_GET, [_examples(interpreter, _PATTERNS), n, layer])
    noise = number_in(interpreter, _NOISE, 0.0)
    if noise:
        interpreter.call("gauss-state", layer, noise)
    return layer


@word("present-desired")
def present_desired(interpreter: Interpreter, layer: Form, n: Form) -> Form:
    """(present-desired layer n): the units take the values of row n of desired-matrix"""
    interpreter.apply(_GET, [_examples(interpreter, _DESIRED), n, layer])
    return layer


def _examples(interpreter: Interpreter, variable: Symbol) -> Form:
    matrix = interpreter.lookup(variable)
    if matrix is NIL:
        name = variable.name
        raise CallError(f"{name} is empty", None, f'(load-patterns "f.pat" "f.des") fills it, or (setq {name} ...)')
    return matrix


# Which comes next


@word("nextcho-seq")
def next_in_order(interpreter: Interpreter, n: Form) -> float:
    """(nextcho-seq n): the pattern behind n, the first one after the last"""
    first, last = training_range(interpreter)
    following = number("nextcho-seq", n) + 1.0
    return following if following <= last else float(first)


@word("nextcho-rnd")
def next_at_random(interpreter: Interpreter, n: Form) -> float:
    """(nextcho-rnd n): a training pattern at random"""
    first, last = training_range(interpreter)
    drawn = interpreter.part(Randomness).rand_range(float(first), last + 1.0)
    return float(min(math.floor(drawn), last))  # the generator may give its upper end


@word("nextpat-seq")
def always_next(interpreter: Interpreter, n: Form) -> Form:
    """(nextpat-seq n): what next-choice gives for n"""
    return interpreter.call("next-choice", n)


@word("nextpat-stay")
def next_when_learned(interpreter: Interpreter, n: Form) -> Form:
    """(nextpat-stay n): what next-choice gives if the answer was good, else n again"""
    return n if interpreter.lookup("good-answer") is NIL else interpreter.call("next-choice", n)


def _choose(interpreter: Interpreter, variable: str, function: str) -> Form:
    interpreter.part(Settings)
    interpreter.assign(symbol(variable), interpreter.procedure(symbol(function)))
    return TRUE


@word("set-nextcho-seq")
def set_in_order(interpreter: Interpreter) -> Form:
    """(set-nextcho-seq): the patterns come in order"""
    return _choose(interpreter, "next-choice", "nextcho-seq")


@word("set-nextcho-rnd")
def set_at_random(interpreter: Interpreter) -> Form:
    """(set-nextcho-rnd): the patterns come at random"""
    return _choose(interpreter, "next-choice", "nextcho-rnd")


@word("set-nextpat-seq")
def set_always_next(interpreter: Interpreter) -> Form:
    """(set-nextpat-seq): another pattern comes after each step"""
    return _choose(interpreter, "next-pattern", "nextpat-seq")


@word("set-nextpat-stay")
def set_when_learned(interpreter: Interpreter) -> Form:
    """(set-nextpat-stay): a pattern comes again until its answer is good"""
    return _choose(interpreter, "next-pattern", "nextpat-stay")
