"""The global variables of SN-2.8's library and their defaults (docs/reference/sn28.md, section 3.1), as Lisp variables.

A program sets and reads them by name, `let` binds them for a while, and a function in one of them (`classify`,
`next-pattern` ...) is what the library calls. They come into being with the kernel, so that a file of declarative
words never meets them; what a program set before stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snsim.language.forms import NIL, Form, Symbol, symbol
from snsim.language.procedures import CallError

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

NUMBERS = {
    "theta": 0.0,  # standard deviation of the noise that forward-prop adds to each weighted sum
    "input-noise": 0.0,  # standard deviation of the noise on presented patterns
    "alpha": 0.0,  # momentum
    "decay": 0.0,  # of the weights
    "gamma": 0.05,  # share of the newest curvature in the running mean
    "mu": 0.05,  # floor of the curvature
    "eps": 0.0,  # what epsi or epsi-sqrt was called with last
    "age": 0.0,  # presentations that were learned from
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
DEFAULT_SLOPE = 0.66666666  # of the default non-linearity, (nlf-tanh 0.66666666 0)


class Settings:
    """The variables of the library in one program: `interpreter.part(Settings)` gives those that are unset their
    defaults, once.
    """

    def __init__(self, interpreter: Interpreter):
        for name, number in NUMBERS.items():
            _set_once(interpreter, symbol(name), number)
        for name in UNSET:
            _set_once(interpreter, symbol(name), NIL)
        for name, function in FUNCTIONS.items():
            found = interpreter.procedure(symbol(function))
            if found is not None:
                _set_once(interpreter, symbol(name), found)
        if not interpreter.is_set_globally(symbol("nlf")) and interpreter.procedure(symbol("nlf-tanh")) is not None:
            interpreter.call("nlf-tanh", DEFAULT_SLOPE, 0.0)


def _set_once(interpreter: Interpreter, name: Symbol, value: Form) -> None:
    if not interpreter.is_set_globally(name):
        interpreter.assign_global(name, value)


def number_in(interpreter: Interpreter, name: str | Symbol, otherwise: float | None = None) -> float:
    """The number in a variable; CallError if there is none in it and no `otherwise` for that case."""
    value = interpreter.lookup(name)
    if isinstance(value, float):
        return value
    if value is NIL and otherwise is not None:
        return otherwise
    raise CallError(
        f"the variable {name} is {interpreter.describe(value)}, not a number", None, f"set it: (setq {name} ...)"
    )


def layer_in(interpreter: Interpreter, name: Symbol) -> Form:
    """The list of units in a variable (`output-layer`); CallError if it is empty."""
    value = interpreter.lookup(name)
    if value is NIL:
        raise CallError(f"there is no {name.name} yet", None, "build-net makes a net with its layers")
    return value


def training_range(interpreter: Interpreter) -> tuple[int, int]:
    """The first and the last training pattern; CallError if there are none."""
    return _range(interpreter, "patt-min", "patt-max", "(ensemble 0 99) chooses the training patterns")


def test_range(interpreter: Interpreter) -> tuple[int, int]:
    """The first and the last test pattern; CallError if there are none."""
    return _range(interpreter, "tpatt-min", "tpatt-max", "(test-set 100 199) chooses the test patterns")


def _range(interpreter: Interpreter, first: str, last: str, remedy: str) -> tuple[int, int]:
    ends = [interpreter.lookup(first), interpreter.lookup(last)]
    if not all(isinstance(end, float) for end in ends):
        raise CallError(
            f"{first} and {last} are {' and '.join(map(interpreter.describe, ends))}, not two numbers", None, remedy
        )
    return int(ends[0]), int(ends[1])
