"""SN-2.8's non-linear functions as objects: called with a number, or by the net with all sums of a layer at once.

Everything is computed in single precision, step by step as SN does, so that the last digits agree
(docs/reference/sn28.md, section 3.5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.forms import Form
from snsim.language.procedures import CallError, Procedure

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

Values = Callable[[np.ndarray], np.ndarray]
_F = np.float32
_SECOND_STEP, _FIRST_STEP = _F(1 / 128), _F(1 / 256)  # of the difference quotients


class NonLinearity(Procedure):
    """A function of one number. `values` maps a float32 array, shape (n,), to another."""

    name = "nlf"

    def values(self, x: np.ndarray) -> np.ndarray:
        raise AssertionError("every non-linearity has its own")

    def apply(self, interpreter: Interpreter, arguments: list[Form]) -> Form:
        if len(arguments) != 1 or not isinstance(arguments[0], float):
            raise CallError(f"{self.name} takes one number", None, "write (nlf x)")
        with np.errstate(all="ignore"):
            return float(self.values(np.array(arguments, _F))[0])

    def __str__(self) -> str:
        return f"::NLF:{self.name}"


@dataclass(frozen=True, eq=False)
class Constants(NonLinearity):
    """Four numbers a, b, c, d, kept in single precision."""

    a: float
    b: float
    c: float
    d: float

    def __post_init__(self) -> None:
        for name in "abcd":
            object.__setattr__(self, name, _F(getattr(self, name)))


@dataclass(frozen=True, eq=False)
class Tanh(Constants):
    """a tanh(b x) + c x + d"""

    tanh: Values = field(repr=False)
    name = "nlf-f-tanh"

    def values(self, x: np.ndarray) -> np.ndarray:
        return self.c * x + (self.a * self.tanh(self.b * x) + self.d)


@dataclass(frozen=True, eq=False)
class TanhSlope(Constants):
    """a b (1 - tanh(b x)^2) + c"""

    tanh: Values = field(repr=False)
    name = "nlf-df-tanh"

    def values(self, x: np.ndarray) -> np.ndarray:
        t = self.tanh(self.b * x)
        slope = self.a * self.b
        return (slope + self.c) - slope * (t * t)


class Line(Constants):
    """(a b + c) x + d"""

    name = "nlf-f-lin"

    def values(self, x: np.ndarray) -> np.ndarray:
        return (self.a * self.b + self.c) * x + self.d


class Piecewise(Constants):
    """a clip(b x, -1, 1) + c x + d"""

    name = "nlf-f-piecewise"

    def values(self, x: np.ndarray) -> np.ndarray:
        return self.c * x + (self.a * np.clip(self.b * x, _F(-1), _F(1)) + self.d)


class Threshold(Constants):
    """a s(b x) + c x + d, s(0) = 1"""

    name = "nlf-f-threshold"

    def values(self, x: np.ndarray) -> np.ndarray:
        return self.c * x + (self.a * np.where(self.b * x >= 0, _F(1), _F(-1)) + self.d)


class Zero(NonLinearity):
    """0"""

    name = "nlf-f-0"

    def values(self, x: np.ndarray) -> np.ndarray:
        return np.zeros_like(x)


class Bell(NonLinearity):
    """(1 - x^2)^3 between -1 and 1, else 0"""

    name = "nlf-f-bell"

    def values(self, x: np.ndarray) -> np.ndarray:
        y = _F(1) - x * x
        return np.where(np.abs(x) < 1, y * y * y, _F(0))


class BellSlope(NonLinearity):
    """-6 x (1 - x^2)^2 between -1 and 1, else 0"""

    name = "nlf-df-bell"

    def values(self, x: np.ndarray) -> np.ndarray:
        y = _F(1) - x * x
        return np.where(np.abs(x) < 1, _F(-6) * x * (y * y), _F(0))


@dataclass(frozen=True, eq=False)
class Slope(NonLinearity):
    """The central difference of f, half-width 1/256."""

    f: NonLinearity
    name = "nlf-df-all"

    def values(self, x: np.ndarray) -> np.ndarray:
        h = _FIRST_STEP
        slope: np.ndarray = (self.f.values(x + h) - self.f.values(x - h)) / (_F(2) * h)
        return slope


@dataclass(frozen=True, eq=False)
class Bend(NonLinearity):
    """The second difference of f, half-width 1/128."""

    f: NonLinearity
    name = "nlf-ddf-all"

    def values(self, x: np.ndarray) -> np.ndarray:
        h = _SECOND_STEP
        bend: np.ndarray = ((self.f.values(x + h) + self.f.values(x - h)) - _F(2) * self.f.values(x)) / (h * h)
        return bend


@dataclass(frozen=True, eq=False)
class OfProgram(NonLinearity):
    """A function of the program."""

    interpreter: Interpreter = field(repr=False)
    function: Form
    name = "nlf-f-lisp"

    def values(self, x: np.ndarray) -> np.ndarray:
        made = [self.interpreter.apply(self.function, [value]) for value in x.astype(float).tolist()]
        for value in made:
            if not isinstance(value, float):
                raise CallError(
                    f"the non-linear function gives {self.interpreter.describe(value)}, which is no number",
                    None,
                    "let the function end with a number: (nlf-f-lisp (lambda (x) (tanh x)))",
                )
        return np.array(made, _F)
