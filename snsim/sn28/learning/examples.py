"""Examples and the order of their presentation (docs/reference/sn28.md, section 3.8).

An example is a row of `pattern-matrix` and the same row of `desired-matrix`. A program can present its own examples by
redefining `present-pattern` and `present-desired`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from snsim.errors import Fault
from snsim.language.builtins.arithmetic import number, whole
from snsim.language.forms import NIL, Form, Symbol, as_matrix, symbol
from snsim.language.printer import number_text
from snsim.language.procedures import CallError
from snsim.runtime.random_numbers import RandomGenerator
from snsim.runtime.settings import Settings, number_in, training_range
from snsim.runtime.vocabulary import SN28, word
from snsim.sn28.learning.performance import log_line

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_PATTERNS, _DESIRED, _NOISE = symbol("pattern-matrix"), symbol("desired-matrix"), symbol("input-noise")
_GET = symbol("get-pattern")
_NEXT_PATTERN, _NEXT_CHOICE = symbol("next-pattern"), symbol("next-choice")
_CURRENT_PATTERN = symbol("current-pattern")


@word("load-patterns")
def load_patterns(interpreter: Interpreter, patterns: Form, desired: Form) -> Form:
    """(load-patterns "f.pat" "f.des"): loads the inputs and targets of patterns, and makes them all training patterns

    It sets pattern-matrix and desired-matrix, with one row per pattern.
    """
    loaded: list[np.ndarray] = []
    for variable, name in (("pattern-matrix", patterns), ("desired-matrix", desired)):
        matrix = as_matrix(interpreter.call("load-matrix", name))
        if not isinstance(matrix, np.ndarray) or matrix.ndim != 2:
            raise CallError(
                f"load-patterns: {interpreter.describe(name)} is not a matrix of two dimensions",
                len(loaded),
                "write a file with one row for each example: .MAT 2 ROWS COLUMNS and the numbers",
            )
        interpreter.assign(symbol(variable), matrix)
        loaded.append(matrix)
    rows = [len(matrix) for matrix in loaded]
    if rows[0] != rows[1]:
        interpreter.warnings.append(
            Fault(
                f"there are {rows[0]} patterns and {rows[1]} desired outputs",
                interpreter.place(),
                hint="write one row in each file for every pattern",
                severity="warning",
            )
        )
    log_line(interpreter, f';;; (load-patterns "{patterns}" "{desired}")')
    return interpreter.call("ensemble", 0.0, float(rows[0] - 1))


@word("ensemble")
def ensemble(interpreter: Interpreter, first: Form, last: Form) -> Form:
    """(ensemble a b): makes the patterns a to b, both included, counted from 0, the training patterns"""
    a, b = _pattern_range("ensemble", first, last)
    interpreter.part(Settings)
    interpreter.assign(symbol("patt-min"), a)
    interpreter.assign(symbol("patt-max"), b)
    if not a <= number_in(interpreter, "current-pattern", 0.0) <= b:
        interpreter.assign(symbol("current-pattern"), a)
    log_line(interpreter, f";;; (ensemble {number_text(a)} {number_text(b)})")
    return NIL


@word("test-set")
def test_set(interpreter: Interpreter, first: Form, last: Form) -> Form:
    """(test-set a b): makes the patterns a to b, both included, counted from 0, the test patterns

    It prints the confidence interval of the percentage of good answers on so many patterns.
    """
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
    log_line(interpreter, f";;; (test-set {number_text(a)} {number_text(b)})")
    return NIL


@word("hoeffding")
def hoeffding(interpreter: Interpreter, scale: Form, risk: Form, size: Form) -> float:
    """(hoeffding tau eta n): bounds the error of a mean of n values in a range of width tau

    The bound holds with probability 1 - eta. It is tau sqrt(-ln(eta/2) / 2n) (Hoeffding, Probability inequalities for
    sums of bounded random variables, 1963).
    """
    tau, eta, n = number("hoeffding", scale), number("hoeffding", risk, 1), number("hoeffding", size, 2)
    if not 0 < eta <= 2 or n <= 0:
        raise CallError(
            f"hoeffding: no bound exists for a risk of {eta:g} and {n:g} values",
            1 if n > 0 else 2,
            "write a risk between 0 and 1, such as 0.05, and 1 value or more",
        )
    return tau * math.sqrt(-math.log(eta / 2.0) / (2.0 * n))


def _pattern_range(caller: str, first: Form, last: Form) -> tuple[float, float]:
    a, b = float(whole(caller, first)), float(whole(caller, last, 1))
    if not 0 <= a <= b:
        raise CallError(
            f"{caller}: the range of patterns {number_text(a)} to {number_text(b)} is not valid",
            0,
            f"write the first and the last pattern, counted from 0, as in ({caller} 0 99)",
        )
    return a, b


# Presenting an example


@word("present-pattern")
def present_pattern(interpreter: Interpreter, layer: Form, n: Form) -> Form:
    """(present-pattern layer n): sets the layer's states to row n of pattern-matrix; returns the layer

    If input-noise is not 0, it adds normal noise of that standard deviation.
    """
    interpreter.apply(_GET, [_examples(interpreter, _PATTERNS), n, layer])
    noise = number_in(interpreter, _NOISE, 0.0)
    if noise:
        interpreter.call("gauss-state", layer, noise)
    return layer


@word("present-desired")
def present_desired(interpreter: Interpreter, layer: Form, n: Form) -> Form:
    """(present-desired layer n): sets the layer's states to row n of desired-matrix; returns the layer"""
    interpreter.apply(_GET, [_examples(interpreter, _DESIRED), n, layer])
    return layer


def _examples(interpreter: Interpreter, variable: Symbol) -> Form:
    matrix = interpreter.lookup(variable)
    if matrix is NIL:
        name = variable.name
        raise CallError(f"{name} is empty", None, f'load it: (load-patterns "f.pat" "f.des"), or (setq {name} ...)')
    return matrix


# Choosing the next example


@word("nextcho-seq")
def next_in_order(interpreter: Interpreter, n: Form) -> float:
    """(nextcho-seq n): the number of the training pattern after n; after the last comes the first"""
    first, last = training_range(interpreter)
    following = number("nextcho-seq", n) + 1.0
    return following if following <= last else float(first)


@word("nextcho-rnd")
def next_at_random(interpreter: Interpreter, n: Form) -> float:
    """(nextcho-rnd n): the number of a random training pattern; n has no effect"""
    first, last = training_range(interpreter)
    drawn = interpreter.part(RandomGenerator).rand_range(float(first), last + 1.0)
    return float(min(math.floor(drawn), last))  # the generator can return its upper limit


@word("nextpat-seq")
def always_next(interpreter: Interpreter, n: Form) -> Form:
    """(nextpat-seq n): the number of the next pattern, chosen by (next-choice n)"""
    return interpreter.call("next-choice", n)


@word("nextpat-stay")
def next_when_learned(interpreter: Interpreter, n: Form) -> Form:
    """(nextpat-stay n): n if the last answer was not good, else the next pattern, chosen by (next-choice n)"""
    return n if interpreter.lookup("good-answer") is NIL else interpreter.call("next-choice", n)


@dataclass
class PatternOrder:
    """The order in which `next-pattern` presents patterns, if it is one of the library's: in turn or at random."""

    start: int
    first: int
    last: int
    generator: RandomGenerator | None  # of a random order

    def take(self, count: int) -> tuple[list[int], Callable[[int], None]]:
        """Return the present pattern and the `count` following ones, and a function that undoes draws.

        `undo(done)` sets the random generator back to its state after the first `done` draws.
        """
        if self.generator is None:
            size = self.last - self.first + 1
            start = self.start - self.first
            return [self.first + (start + k) % size for k in range(count + 1)], lambda done: None
        generator, state = self.generator, self.generator.state()

        def undo(done: int) -> None:
            generator.restore(state)
            for _ in range(done):
                generator.rand_range(float(self.first), self.last + 1.0)

        drawn = [generator.rand_range(float(self.first), self.last + 1.0) for _ in range(count)]
        return [self.start, *(min(math.floor(x), self.last) for x in drawn)], undo


def pattern_order(interpreter: Interpreter) -> PatternOrder | None:
    """Return the order of the patterns from current-pattern on, or None if only `next-pattern` can tell it."""
    built_in = [SN28.entry(name) for name in ("nextpat-seq", "nextcho-seq", "nextcho-rnd")]
    always, in_turn, at_random = (entry.value if entry is not None else None for entry in built_in)
    choice = interpreter.procedure(_NEXT_CHOICE)
    if interpreter.procedure(_NEXT_PATTERN) is not always or choice not in (in_turn, at_random):
        return None
    current = interpreter.lookup(_CURRENT_PATTERN)
    ends = [interpreter.lookup(name) for name in ("patt-min", "patt-max")]
    if not all(type(number) is float and number == int(number) for number in (current, *ends)):
        return None
    first, last = map(int, ends)
    if not first <= current <= last:
        return None
    generator = None if choice is in_turn else interpreter.part(RandomGenerator)
    return PatternOrder(int(current), first, last, generator)


def _choose(interpreter: Interpreter, variable: str, function: str) -> Form:
    interpreter.part(Settings)
    interpreter.assign(symbol(variable), interpreter.procedure(symbol(function)))
    return symbol(function)


@word("set-nextcho-seq")
def set_in_order(interpreter: Interpreter) -> Form:
    """(set-nextcho-seq): makes training present the patterns in order"""
    return _choose(interpreter, "next-choice", "nextcho-seq")


@word("set-nextcho-rnd")
def set_at_random(interpreter: Interpreter) -> Form:
    """(set-nextcho-rnd): makes training present the patterns at random"""
    return _choose(interpreter, "next-choice", "nextcho-rnd")


@word("set-nextpat-seq")
def set_always_next(interpreter: Interpreter) -> Form:
    """(set-nextpat-seq): makes training go to the next pattern after each step"""
    return _choose(interpreter, "next-pattern", "nextpat-seq")


@word("set-nextpat-stay")
def set_when_learned(interpreter: Interpreter) -> Form:
    """(set-nextpat-stay): makes training repeat a pattern until its answer is good"""
    return _choose(interpreter, "next-pattern", "nextpat-stay")
