"""Words that make non-linear functions, and words that set the globals nlf, dnlf and ddnlf.

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
from snsim.runtime.settings import DEFAULT_SLOPE
from snsim.sn28.net import nlf
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import Netspace
from snsim.sn28.net.nlf import NonLinearity
from snsim.sn28.net.splines import Knots, Spline, SplineDerivative, SplineSecondDerivative

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

FunctionTriple = tuple[NonLinearity, NonLinearity, NonLinearity]  # f, f' and f''


def non_linearity(interpreter: Interpreter, f: Form, caller: str, argument: int | None = None) -> NonLinearity:
    """Return f as a non-linearity; a Lisp function is wrapped in one. Raise CallError for anything else."""
    if isinstance(f, NonLinearity):
        return f
    if isinstance(f, Procedure):
        return nlf.LispNonLinearity(interpreter, f)
    raise CallError(
        f"{caller}: expected a non-linear function, got {interpreter.describe(f)}",
        argument,
        "make one: (nlf-f-tanh a b c d), (nlf-f-lisp (lambda (x) ...)) ...",
    )


def tanh_functions(
    interpreter: Interpreter, a: float, b: float, c: float, d: float
) -> tuple[nlf.Tanh, nlf.TanhDerivative]:
    """Return the function a tanh(b x) + c x + d and its derivative."""
    tanh = interpreter.part(Netspace).loops.tanh
    return nlf.Tanh(a, b, c, d, tanh), nlf.TanhDerivative(a, b, c, d, tanh)


def default_functions(interpreter: Interpreter) -> FunctionTriple:
    """Return the functions that every program starts with, (nlf-tanh 0.66666666 0), for which f(1) = 1."""
    return _tanh(interpreter, DEFAULT_SLOPE, 0.0)


def _tanh(
    interpreter: Interpreter, mx: float, dmin: float, scale: float | None = None, offset: float = 0.0
) -> FunctionTriple:
    if scale is None:
        scale = _unit_scale(interpreter, mx, dmin)
    f, df = tanh_functions(interpreter, scale, mx, dmin, offset)
    return f, df, nlf.SecondDifference(f)


def _unit_scale(interpreter: Interpreter, mx: float, dmin: float) -> float:
    """Return 1 / (tanh mx + dmin), in single precision up to the division."""
    f, _ = tanh_functions(interpreter, 1.0, mx, dmin, 0.0)
    at_one = float(f.values(np.ones(1, np.float32))[0])
    if at_one == 0:
        raise CallError(
            "the default scale 1/(tanh mx + dmin) is infinite: tanh mx + dmin is 0",
            None,
            "write the scale: (nlf-tanh mx dmin scale)",
        )
    return 1.0 / at_one


def _set_globals(interpreter: Interpreter, functions: FunctionTriple) -> NonLinearity:
    for name, value in zip(("nlf", "dnlf", "ddnlf"), functions):
        interpreter.assign(symbol(name), value)
    return functions[0]


def _numbers(name: str, values: tuple[Form, ...]) -> list[float]:
    return [number(name, x, i) for i, x in enumerate(values)]


def _threshold(
    interpreter: Interpreter, mx: float, dmin: float, scale: float | None = None, offset: float = 0.0
) -> FunctionTriple:
    if scale is None:
        scale = _unit_scale(interpreter, mx, dmin)
    f = nlf.Threshold(scale, mx, dmin, offset)
    return f, tanh_functions(interpreter, scale, mx, dmin, offset)[1], nlf.SecondDifference(f)


def _piecewise(interpreter: Interpreter, dmin: float, dmax: float, th: float | None = None) -> FunctionTriple:
    if dmin == dmax:
        f: NonLinearity = nlf.Linear(0.0, 0.0, dmax, 0.0)
        return f, nlf.CentralDifference(f), nlf.Zero()
    if th is None:
        if abs(dmax) < 1:
            raise CallError(
                f"nlf-lin: with slope {dmax:g} no threshold gives f(1) = 1 or -1",
                1,
                "write the threshold: (nlf-lin dmin dmax th)",
            )
        th = (math.copysign(1.0, dmax) - dmin) / (dmax - dmin)
    if th == 0:
        raise CallError(
            "nlf-lin: the threshold must not be 0", 2, "write (nlf-lin dmin dmax th) with a threshold such as 1"
        )
    f = nlf.Piecewise((dmax - dmin) * th, 1 / th, dmin, 0.0)
    return f, nlf.CentralDifference(f), nlf.Zero()


def _bell(interpreter: Interpreter) -> FunctionTriple:
    return nlf.Bell(), nlf.BellDerivative(), nlf.SecondDifference(nlf.Bell())


FAMILIES: dict[str, Callable[..., FunctionTriple]] = {  # of (interpreter, numbers ...)
    "nlf-tanh": _tanh,
    "nlf-bin": _threshold,
    "nlf-lin": _piecewise,
    "nlf-bell": _bell,
}


def _set_family(interpreter: Interpreter, name: str, *values: Form) -> NonLinearity:
    numbers = [number(name, x, i) for i, x in enumerate(values) if x is not ABSENT]
    return _set_globals(interpreter, FAMILIES[name](interpreter, *numbers))


@net_word("nlf-tanh")
def nlf_tanh(interpreter: Interpreter, mx: Form, dmin: Form, scale: Form = ABSENT, offset: Form = ABSENT) -> Form:
    """(nlf-tanh mx dmin [scale [offset]]): sets nlf to scale tanh(mx x) + dmin x + offset, and dnlf, ddnlf to match

    The default scale is 1 / (tanh mx + dmin). The default offset is 0.
    """
    return _set_family(interpreter, "nlf-tanh", mx, dmin, scale, offset)


@net_word("nlf-bin")
def nlf_bin(interpreter: Interpreter, mx: Form, dmin: Form, scale: Form = ABSENT, offset: Form = ABSENT) -> Form:
    """(nlf-bin mx dmin [scale [offset]]): sets nlf to scale s(mx x) + dmin x + offset; s is -1 below 0, else 1

    The derivative dnlf is that of nlf-tanh for the same numbers. Their defaults are those of nlf-tanh.
    """
    return _set_family(interpreter, "nlf-bin", mx, dmin, scale, offset)


@net_word("nlf-lin")
def nlf_lin(interpreter: Interpreter, dmin: Form, dmax: Form, th: Form = ABSENT) -> Form:
    """(nlf-lin dmin dmax [th]): sets nlf to a function of slope dmax from -th to th, and dmin beyond

    By default th is chosen so that f(1) = 1, or -1 if dmax is negative.
    """
    return _set_family(interpreter, "nlf-lin", dmin, dmax, th)


@net_word("nlf-bell")
def nlf_bell(interpreter: Interpreter) -> Form:
    """(nlf-bell): sets nlf to the bell (1 - x^2)^3 from -1 to 1, and 0 elsewhere"""
    return _set_family(interpreter, "nlf-bell")


def _knots(interpreter: Interpreter, name: str, xs: Form, ys: Form) -> Knots:
    x, y = ([number(name, item, i) for item in interpreter.elements(values, name)] for i, values in enumerate((xs, ys)))
    return Knots(np.array(x, np.float32), np.array(y, np.float32))


@net_word("nlf-spline")
def nlf_spline(interpreter: Interpreter, xs: Form, ys: Form) -> Form:
    """(nlf-spline xs ys): sets nlf to the natural cubic spline through the points, and dnlf, ddnlf to match"""
    knots = _knots(interpreter, "nlf-spline", xs, ys)
    return _set_globals(interpreter, (Spline(knots), SplineDerivative(knots), SplineSecondDerivative(knots)))


@net_word("nlf-f-0")
def nlf_f_0(interpreter: Interpreter) -> Form:
    """(nlf-f-0): returns the function f(x) = 0"""
    return nlf.Zero()


@net_word("nlf-f-tanh")
def nlf_f_tanh(interpreter: Interpreter, a: Form, b: Form, c: Form, d: Form) -> Form:
    """(nlf-f-tanh a b c d): returns the function f(x) = a tanh(b x) + c x + d"""
    return tanh_functions(interpreter, *_numbers("nlf-f-tanh", (a, b, c, d)))[0]


@net_word("nlf-df-tanh")
def nlf_df_tanh(interpreter: Interpreter, a: Form, b: Form, c: Form, d: Form) -> Form:
    """(nlf-df-tanh a b c d): returns the function f(x) = a b (1 - tanh(b x)^2) + c, the derivative of nlf-f-tanh"""
    return tanh_functions(interpreter, *_numbers("nlf-df-tanh", (a, b, c, d)))[1]


@net_word("nlf-f-lin")
def nlf_f_lin(interpreter: Interpreter, a: Form, b: Form, c: Form, d: Form) -> Form:
    """(nlf-f-lin a b c d): returns the function f(x) = (a b + c) x + d"""
    return nlf.Linear(*_numbers("nlf-f-lin", (a, b, c, d)))


@net_word("nlf-f-piecewise")
def nlf_f_piecewise(interpreter: Interpreter, a: Form, b: Form, c: Form, d: Form) -> Form:
    """(nlf-f-piecewise a b c d): returns the function f(x) = a clip(b x, -1, 1) + c x + d"""
    return nlf.Piecewise(*_numbers("nlf-f-piecewise", (a, b, c, d)))


@net_word("nlf-f-threshold")
def nlf_f_threshold(interpreter: Interpreter, a: Form, b: Form, c: Form, d: Form) -> Form:
    """(nlf-f-threshold a b c d): returns the function f(x) = a s(b x) + c x + d, where s is -1 below 0, else 1"""
    return nlf.Threshold(*_numbers("nlf-f-threshold", (a, b, c, d)))


@net_word("nlf-f-bell")
def nlf_f_bell(interpreter: Interpreter) -> Form:
    """(nlf-f-bell): returns the function f(x) = (1 - x^2)^3 between -1 and 1, else 0"""
    return nlf.Bell()


@net_word("nlf-df-bell")
def nlf_df_bell(interpreter: Interpreter) -> Form:
    """(nlf-df-bell): returns the derivative of nlf-f-bell"""
    return nlf.BellDerivative()


@net_word("nlf-f-spline")
def nlf_f_spline(interpreter: Interpreter, xs: Form, ys: Form) -> Form:
    """(nlf-f-spline xs ys): returns the natural cubic spline through the points, continued by straight lines"""
    return Spline(_knots(interpreter, "nlf-f-spline", xs, ys))


@net_word("nlf-df-spline")
def nlf_df_spline(interpreter: Interpreter, xs: Form, ys: Form) -> Form:
    """(nlf-df-spline xs ys): returns the derivative of nlf-f-spline for the same points"""
    return SplineDerivative(_knots(interpreter, "nlf-df-spline", xs, ys))


@net_word("nlf-ddf-spline")
def nlf_ddf_spline(interpreter: Interpreter, xs: Form, ys: Form) -> Form:
    """(nlf-ddf-spline xs ys): returns the second derivative of nlf-f-spline for the same points"""
    return SplineSecondDerivative(_knots(interpreter, "nlf-ddf-spline", xs, ys))


@net_word("nlf-f-lisp")
def nlf_f_lisp(interpreter: Interpreter, f: Form) -> Form:
    """(nlf-f-lisp f): returns a non-linearity that computes (f x) by a function of the program"""
    return nlf.LispNonLinearity(interpreter, f)


@net_word("nlf-df-all")
def nlf_df_all(interpreter: Interpreter, f: Form) -> Form:
    """(nlf-df-all f): returns the derivative of the non-linearity f as (f(x + 1/256) - f(x - 1/256)) 128"""
    return nlf.CentralDifference(non_linearity(interpreter, f, "nlf-df-all", 0))


@net_word("nlf-ddf-all")
def nlf_ddf_all(interpreter: Interpreter, f: Form) -> Form:
    """(nlf-ddf-all f): returns the second derivative of the non-linearity f, by differences over steps of 1/128"""
    return nlf.SecondDifference(non_linearity(interpreter, f, "nlf-ddf-all", 0))
