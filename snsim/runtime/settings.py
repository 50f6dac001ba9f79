"""The global variables of SN-2.8's library and their defaults (docs/reference/sn28.md, section 3.1).

They are Lisp variables: a program sets and reads them by name, and `let` binds them. The library calls the functions
that some of them hold (`classify`, `next-pattern` ...). They are defined together with the kernel, so a file of
declarative words never meets them; a value that the program set earlier stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snsim.language.forms import NIL, Form, Symbol, symbol
from snsim.language.procedures import CallError

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

NUMBERS = {
    "theta": 0.0,  # standard deviation of the noise that update-state adds to each weighted sum
    "input-noise": 0.0,  # standard deviation of the noise on presented patterns
    "alpha": 0.0,  # momentum
    "decay": 0.0,  # weight decay
    "gamma": 0.05,  # weight of the newest curvature in the running mean
    "mu": 0.05,  # added to the curvature that divides the gradient
    "eps": 0.0,  # last argument of epsi or epsi-sqrt
    "age": 0.0,  # presentations learned from so far
    "current-pattern": 0.0,
    "confidence": 90.0,  # in percent, for test-set
}
FUNCTIONS = {
    "init-grad": "init-grad-lms",
    "classify": "class-quadrant",
    "next-choice": "nextcho-seq",
    "next-pattern": "nextpat-seq",
    "disp-basic-iteration": "disp-nil",
    "disp-perf-iteration": "disp-nil",
    "pre-syn": "amont",
    "post-syn": "aval",
}
UNSET = (
    "lev-mar",
    "safe-cg",
    "patt-min",
    "patt-max",
    "tpatt-min",
    "tpatt-max",
    "pattern-matrix",
    "desired-matrix",
    "input-layer",
    "output-layer",
    "desired-layer",
    "net-struc",
    "layer-names",
    "local-error",
    "good-answer",
    "global-error",
    "good-an-num",
    "good-an-percent",
    "out-class",
    "des-class",
    "pnum",
    "perf-file",
    "error-plotting-window",
    "perf-plotting-window",
    "training-error-port",
    "test-error-port",
    "training-perf-port",
    "test-perf-port",
    "disp-error-window",
    "disp-error-port",
)
INPUT, OUTPUT, DESIRED, NET = (symbol(name) for name in ("input-layer", "output-layer", "desired-layer", "net-struc"))
DEFAULT_SLOPE = 0.66666666  # slope in the default non-linearity, (nlf-tanh 0.66666666 0)


class Settings:
    """The library's variables in one program; making it sets the unset ones to their defaults."""

    def __init__(self, interpreter: Interpreter):
        for name, number in NUMBERS.items():
            _set_default(interpreter, symbol(name), number)
        for name in UNSET:
            _set_default(interpreter, symbol(name), NIL)
        for name, function in FUNCTIONS.items():
            procedure = interpreter.procedure(symbol(function))
            if procedure is not None:
                _set_default(interpreter, symbol(name), procedure)
        if not interpreter.is_set_globally(symbol("nlf")) and interpreter.procedure(symbol("nlf-tanh")) is not None:
            interpreter.call("nlf-tanh", DEFAULT_SLOPE, 0.0)


def _set_default(interpreter: Interpreter, name: Symbol, value: Form) -> None:
    if not interpreter.is_set_globally(name):
        interpreter.assign_global(name, value)


def number_in(interpreter: Interpreter, name: str | Symbol, default: float | None = None) -> float:
    """Return the number in a variable, or `default` if the variable is (). Raise CallError for any other value."""
    value = interpreter.lookup(name)
    if isinstance(value, float):
        return value
    if value is NIL and default is not None:
        return default
    raise CallError(
        f"variable {name}: expected a number, got {interpreter.describe(value)}", None, f"set it: (setq {name} 0)"
    )


def layer_in(interpreter: Interpreter, name: Symbol) -> Form:
    """Return the list of units in a variable such as `output-layer`. Raise CallError if it is empty."""
    value = interpreter.lookup(name)
    if value is NIL:
        raise CallError(f"{name.name} is not set yet", None, "build a net first, with build-net or use-net")
    return value


def training_range(interpreter: Interpreter) -> tuple[int, int]:
    """Return the first and the last training pattern. Raise CallError if none are chosen."""
    return _pattern_range(interpreter, "patt-min", "patt-max", "(ensemble 0 99) chooses the training patterns")


def test_range(interpreter: Interpreter) -> tuple[int, int]:
    """Return the first and the last test pattern. Raise CallError if none are chosen."""
    return _pattern_range(interpreter, "tpatt-min", "tpatt-max", "(test-set 100 199) chooses the test patterns")


def _pattern_range(interpreter: Interpreter, first: str, last: str, remedy: str) -> tuple[int, int]:
    ends = [interpreter.lookup(first), interpreter.lookup(last)]
    if not all(isinstance(end, float) for end in ends):
        raise CallError(
            f"{first} and {last} are {' and '.join(map(interpreter.describe, ends))}, not two numbers", None, remedy
        )
    return int(ends[0]), int(ends[1])
