"""The words that make non-linear functions, and those that set the globals nlf, dnlf and ddnlf.

See docs/reference/sn28.md, section 3.5.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import number
from snsim.language.forms import Form, symbol
from snsim.language.procedures import ABSENT, CallError, Procedure
from snsim.sn28.net import nlf
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import Netspace
from snsim.sn28.net.nlf import NonLinearity
from snsim.sn28.net.splines import Knots, Spline, SplineBend, SplineSlope
from snsim.sn28.runtime.settings import DEFAULT_SLOPE

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

Functions = tuple[NonLinearity, NonLinearity, NonLinearity]  # f, f' and f''


def non_linearity(interpreter: Interpreter, f: Form, who: str, argument: int | None = None) -> NonLinearity:
    """f as a non-linearity; a function of the program is taken as one. CallError if it is none."""
    if isinstance(f, NonLinearity):
        return f
    if isinstance(f, Procedure):
        return nlf.OfProgram(interpreter, f)
    raise CallError(
        f"{who}: {interpreter.describe(f)} is no non-linear function",
        argument,
        "make one: (nlf-f-tanh a b c d), (nlf-f-lisp (lambda (x) ...)) ...",
    )


def tanh_functions(interpreter: Interpreter, a: float, b: float, c: float, d: float) -> tuple[nlf.Tanh, nlf.TanhSlope]:
    """a tanh(b x) + c x + d and its derivative."""
    tanh = interpreter.part(Netspace).loops.tanh
    return nlf.Tanh(a, b, c, d, tanh), nlf.TanhSlope(a, b, c, d, tanh)


def default_functions(interpreter: Interpreter) -> Functions:
    """What every program begins with: (nlf-tanh 0.66666666 0), so that f(1) = 1."""
    return _tanh(interpreter, DEFAULT_SLOPE, 0.0)


def _tanh(
    interpreter: Interpreter, mx: float, dmin: float, scale: float | None = None, offset: float = 0.0
) -> Functions:
    if scale is None:
        scale = _unit_scale(interpreter, mx, dmin)
    f, df = tanh_functions(interpreter, scale, mx, dmin, offset)
    return f, df, nlf.Bend(f)


def _unit_scale(interpreter: Interpreter, mx: float, dmin: float) -> float:
    """1 / (tanh mx + dmin), in single precision up to the division."""
    f, _ = tanh_functions(interpreter, 1.0, mx, dmin, 0.0)
    at_one = float(f.values(np.ones(1, np.float32))[0])
    if at_one == 0:
        raise CallError("the scale that gives f(1) = 1 is infinite: f(1) is 0", None, "state the scale")
    return 1.0 / at_one


def _plug(interpreter: Interpreter, functions: Functions) -> NonLinearity:
    for name, value in zip(("nlf", "dnlf", "ddnlf"), functions):
        interpreter.assign(symbol(name), value)
    return functions[0]


def _four(name: str, given: tuple[Form, ...]) -> list[float]:
    return [number(name, x, i) for i, x in enumerate(given)]


def _bin(
    interpreter: Interpreter, mx: float, dmin: float, scale: float | None = None, offset: float = 0.0
) -> Functions:
    if scale is None:
        scale = _unit_scale(interpreter, mx, dmin)
    f = nlf.Threshold(scale, mx, dmin, offset)
    return f, tanh_functions(interpreter, scale, mx, dmin, offset)[1], nlf.Bend(f)


def _lin(interpreter: Interpreter, dmin: float, dmax: float, th: float | None = None) -> Functions:
    if dmin == dmax:
        f: NonLinearity = nlf.Line(0.0, 0.0, dmax, 0.0)
        return f, nlf.Slope(f), nlf.Zero()
    if th is None:
        if abs(dmax) < 1:
            raise CallError(
                f"nlf-lin: with slope {dmax:g} no threshold gives f(1) = 1 or -1", 1, "state it: (nlf-lin dmin dmax th)"
            )
        th = (math.copysign(1.0, dmax) - dmin) / (dmax - dmin)
    if th == 0:
        raise CallError("nlf-lin: the threshold is not 0", 2, "write (nlf-lin dmin dmax th) with a threshold such as 1")
    f = nlf.Piecewise((dmax - dmin) * th, 1 / th, dmin, 0.0)
    return f, nlf.Slope(f), nlf.Zero()


def _bell(interpreter: Interpreter) -> Functions:
    return nlf.Bell(), nlf.BellSlope(), nlf.Bend(nlf.Bell())


FAMILIES: dict[str, Callable[..., Functions]] = {  # of (interpreter, numbers ...)
    "nlf-tanh": _tanh,
    "nlf-bin": _bin,
    "nlf-lin": _lin,
    "nlf-bell": _bell,
}


def _plug_family(interpreter: Interpreter, name: str, *given: Form) -> NonLinearity:
    numbers = [number(name, x, i) for i, x in enumerate(given) if x is not ABSENT]
    return _plug(interpreter, FAMILIES[name](interpreter, *numbers))


@net_word("nlf-tanh")
def nlf_tanh(interpreter: Interpreter, mx: Form, dmin: Form, scale: Form = ABSENT, offset: Form = ABSENT) -> Form:
    """(nlf-tanh mx dmin [scale [offset]]): scale tanh(mx x) + dmin x + offset becomes nlf; scale 1/(tanh mx + dmin)"""
    return _plug_family(interpreter, "nlf-tanh", mx, dmin, scale, offset)


@net_word("nlf-bin")
def nlf_bin(interpreter: Interpreter, mx: Form, dmin: Form, scale: Form = ABSENT, offset: Form = ABSENT) -> Form:
    """(nlf-bin mx dmin [scale [offset]]): a step becomes nlf, with the slope of the tanh of the same constants"""
    return _plug_family(interpreter, "nlf-bin", mx, dmin, scale, offset)


@net_word("nlf-lin")
def nlf_lin(interpreter: Interpreter, dmin: Form, dmax: Form, th: Form = ABSENT) -> Form:
    """(nlf-lin dmin dmax [th]): slope dmax up to th, dmin beyond, becomes nlf; without th, such that f(1) = 1"""
    return _plug_family(interpreter, "nlf-lin", dmin, dmax, th)


@net_word("nlf-bell")
def nlf_bell(interpreter: Interpreter) -> Form:
    """(nlf-bell): the bell (1 - x^2)^3 becomes nlf"""
    return _plug_family(interpreter, "nlf-bell")


def _knots(interpreter: Interpreter, name: str, xs: Form, ys: Form) -> Knots:
    x, y = ([number(name, item, i) for item in interpreter.elements(values, name)] for i, values in enumerate((xs, ys)))
    return Knots(np.array(x, np.float32), np.array(y, np.float32))


@net_word("nlf-spline")
def nlf_spline(interpreter: Interpreter, xs: Form, ys: Form) -> Form:
    """(nlf-spline xs ys): the natural spline through these points becomes nlf"""
    knots = _knots(interpreter, "nlf-spline", xs, ys)
    return _plug(interpreter, (Spline(knots), SplineSlope(knots), SplineBend(knots)))


@net_word("nlf-f-0")
def nlf_f_0(interpreter: Interpreter) -> Form:
    """(nlf-f-0): the function 0"""
    return nlf.Zero()


@net_word("nlf-f-tanh")
def nlf_f_tanh(interpreter: Interpreter, a: Form, b: Form, c: Form, d: Form) -> Form:
    """(nlf-f-tanh a b c d): the function a tanh(b x) + c x + d"""
    return tanh_functions(interpreter, *_four("nlf-f-tanh", (a, b, c, d)))[0]


@net_word("nlf-df-tanh")
def nlf_df_tanh(interpreter: Interpreter, a: Form, b: Form, c: Form, d: Form) -> Form:
    """(nlf-df-tanh a b c d): the function a b (1 - tanh(b x)^2) + c"""
    return tanh_functions(interpreter, *_four("nlf-df-tanh", (a, b, c, d)))[1]


@net_word("nlf-f-lin")
def nlf_f_lin(interpreter: Interpreter, a: Form, b: Form, c: Form, d: Form) -> Form:
    """(nlf-f-lin a b c d): the function (a b + c) x + d"""
    return nlf.Line(*_four("nlf-f-lin", (a, b, c, d)))


@net_word("nlf-f-piecewise")
def nlf_f_piecewise(interpreter: Interpreter, a: Form, b: Form, c: Form, d: Form) -> Form:
    """(nlf-f-piecewise a b c d): the function a clip(b x, -1, 1) + c x + d"""
    return nlf.Piecewise(*_four("nlf-f-piecewise", (a, b, c, d)))


@net_word("nlf-f-threshold")
def nlf_f_threshold(interpreter: Interpreter, a: Form, b: Form, c: Form, d: Form) -> Form:
    """(nlf-f-threshold a b c d): the function a s(b x) + c x + d, s -1 below 0, else 1"""
    return nlf.Threshold(*_four("nlf-f-threshold", (a, b, c, d)))


@net_word("nlf-f-bell")
def nlf_f_bell(interpreter: Interpreter) -> Form:
    """(nlf-f-bell): the function (1 - x^2)^3 between -1 and 1, else 0"""
    return nlf.Bell()


@net_word("nlf-df-bell")
def nlf_df_bell(interpreter: Interpreter) -> Form:
    """(nlf-df-bell): the derivative of the bell"""
    return nlf.BellSlope()


@net_word("nlf-f-spline")
def nlf_f_spline(interpreter: Interpreter, xs: Form, ys: Form) -> Form:
    """(nlf-f-spline xs ys): the natural spline through these points, straight outside"""
    return Spline(_knots(interpreter, "nlf-f-spline", xs, ys))


@net_word("nlf-df-spline")
def nlf_df_spline(interpreter: Interpreter, xs: Form, ys: Form) -> Form:
    """(nlf-df-spline xs ys): the derivative of the spline through these points"""
    return SplineSlope(_knots(interpreter, "nlf-df-spline", xs, ys))


@net_word("nlf-ddf-spline")
def nlf_ddf_spline(interpreter: Interpreter, xs: Form, ys: Form) -> Form:
    """(nlf-ddf-spline xs ys): the second derivative of the spline through these points"""
    return SplineBend(_knots(interpreter, "nlf-ddf-spline", xs, ys))


@net_word("nlf-f-lisp")
def nlf_f_lisp(interpreter: Interpreter, f: Form) -> Form:
    """(nlf-f-lisp f): a function of the program as a non-linear function"""
    return nlf.OfProgram(interpreter, f)


@net_word("nlf-df-all")
def nlf_df_all(interpreter: Interpreter, f: Form) -> Form:
    """(nlf-df-all f): the derivative of f by a central difference of 1/256 to both sides"""
    return nlf.Slope(non_linearity(interpreter, f, "nlf-df-all", 0))


@net_word("nlf-ddf-all")
def nlf_ddf_all(interpreter: Interpreter, f: Form) -> Form:
    """(nlf-ddf-all f): the second derivative of f by a difference of 1/128 to both sides"""
    return nlf.Bend(non_linearity(interpreter, f, "nlf-ddf-all", 0))
