"""SN-2.8's non-linear functions, applied to one number by a program or to all sums of a layer by the net.

Each step is computed in single precision and in SN's order, so that the last digits agree
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
_SECOND_STEP, _FIRST_STEP = _F(1 / 128), _F(1 / 256)  # half-widths of the difference quotients


class NonLinearity(Procedure):
    """A function of one number. `values` maps a float32 array of shape (n,) to one of the same shape."""

    name = "nlf"

    def values(self, x: np.ndarray) -> np.ndarray:
        """Return f(x) for each x, shape (n,), float32."""
        raise AssertionError("every non-linearity defines its own values")

    def apply(self, interpreter: Interpreter, arguments: list[Form]) -> Form:
        if len(arguments) != 1 or not isinstance(arguments[0], float):
            raise CallError(
                f"{self.name} takes one number; {len(arguments)} argument{'s' * (len(arguments) != 1)} given",
                None,
                "write it with one number, as in (nlf 0.5)",
            )
        with np.errstate(all="ignore"):
            return float(self.values(np.array(arguments, _F))[0])

    def __str__(self) -> str:
        return f"::NLF:{self.name}"


@dataclass(frozen=True, eq=False)
class FourConstants(NonLinearity):
    """A function with four constants a, b, c, d in single precision."""

    a: float
    b: float
    c: float
    d: float

    def __post_init__(self) -> None:
        for name in "abcd":
            object.__setattr__(self, name, _F(getattr(self, name)))


@dataclass(frozen=True, eq=False)
class Tanh(FourConstants):
    """f(x) = a tanh(b x) + c x + d."""

    tanh: Values = field(repr=False)
    name = "nlf-f-tanh"

    def values(self, x: np.ndarray) -> np.ndarray:
        return self.c * x + (self.a * self.tanh(self.b * x) + self.d)


@dataclass(frozen=True, eq=False)
class TanhDerivative(FourConstants):
    """f(x) = a b (1 - tanh(b x)^2) + c, the derivative of `Tanh`."""

    tanh: Values = field(repr=False)
    name = "nlf-df-tanh"

    def values(self, x: np.ndarray) -> np.ndarray:
        t = self.tanh(self.b * x)
        slope = self.a * self.b
        return (slope + self.c) - slope * (t * t)


class Linear(FourConstants):
    """f(x) = (a b + c) x + d."""

    name = "nlf-f-lin"

    def values(self, x: np.ndarray) -> np.ndarray:
        return (self.a * self.b + self.c) * x + self.d


class Piecewise(FourConstants):
    """f(x) = a clip(b x, -1, 1) + c x + d."""

    name = "nlf-f-piecewise"

    def values(self, x: np.ndarray) -> np.ndarray:
        return (self.a * np.clip(self.b * x, _F(-1), _F(1)) + self.c * x) + self.d


class Threshold(FourConstants):
    """f(x) = a s(b x) + c x + d, where s is the sign and s(0) = 1."""

    name = "nlf-f-threshold"

    def values(self, x: np.ndarray) -> np.ndarray:
        return (self.a * np.where(self.b * x >= 0, _F(1), _F(-1)) + self.c * x) + self.d


class Zero(NonLinearity):
    """f(x) = 0."""

    name = "nlf-f-0"

    def values(self, x: np.ndarray) -> np.ndarray:
        return np.zeros_like(x)


class Bell(NonLinearity):
    """f(x) = (1 - x^2)^3 between -1 and 1, else 0."""

    name = "nlf-f-bell"

    def values(self, x: np.ndarray) -> np.ndarray:
        y = _F(1) - x * x
        return np.where(np.abs(x) < 1, y * (y * y), _F(0))


class BellDerivative(NonLinearity):
    """f(x) = -6 x (1 - x^2)^2 between -1 and 1, else 0, the derivative of `Bell`."""

    name = "nlf-df-bell"

    def values(self, x: np.ndarray) -> np.ndarray:
        y = _F(1) - x * x
        return np.where(np.abs(x) < 1, _F(-6) * ((y * y) * x), _F(0))


@dataclass(frozen=True, eq=False)
class CentralDifference(NonLinearity):
    """The derivative of f as a central difference of half-width 1/256."""

    f: NonLinearity
    name = "nlf-df-all"

    def values(self, x: np.ndarray) -> np.ndarray:
        h = _FIRST_STEP
        slope: np.ndarray = (self.f.values(x + h) - self.f.values(x - h)) / (_F(2) * h)
        return slope


@dataclass(frozen=True, eq=False)
class SecondDifference(NonLinearity):
    """The second derivative of f as a second difference of half-width 1/128."""

    f: NonLinearity
    name = "nlf-ddf-all"

    def values(self, x: np.ndarray) -> np.ndarray:
        h = _SECOND_STEP
        curvature: np.ndarray = ((self.f.values(x - h) + self.f.values(x + h)) - _F(2) * self.f.values(x)) / (h * h)
        return curvature


@dataclass(frozen=True, eq=False)
class LispNonLinearity(NonLinearity):
    """A Lisp function of the program, called for each number."""

    interpreter: Interpreter = field(repr=False)
    function: Form
    name = "nlf-f-lisp"

    def values(self, x: np.ndarray) -> np.ndarray:
        values = [self.interpreter.apply(self.function, [value]) for value in x.astype(float).tolist()]
        for value in values:
            if not isinstance(value, float):
                raise CallError(
                    f"the non-linear function returned {self.interpreter.describe(value)}, not a number",
                    None,
                    "make it return a number, as in (nlf-f-lisp (lambda (x) (tanh x)))",
                )
        return np.array(values, _F)
