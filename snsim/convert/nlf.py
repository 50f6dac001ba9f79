"""Convert non-linearities from SN-2.8's objects to declared ones, and back to SN-2.8's calls."""

from __future__ import annotations

import numpy as np

from snsim.language.forms import NIL, Form, Pair, symbol
from snsim.language.printer import show
from snsim.language.procedures import Function
from snsim.network.expressions import Expression
from snsim.network.net import Nlf
from snsim.runtime.settings import DEFAULT_SLOPE
from snsim.sn28.net import nlf
from snsim.sn28.net.nlf_words import FAMILIES

_SN_CALLS = {  # of declared ones without numbers
    "linear": "(nlf-lin 1 1)",
    "tanh": "(nlf-tanh 1 0 1 0)",
    "sigmoid": "(nlf-tanh 0.5 0 0.5 0.5)",
}
_NAMED = {"1 0 1 0": "tanh", "0.5 0 0.5 0.5": "sigmoid"}  # by mx, dmin, scale, offset
_CONDITIONS = {"<", "<=", ">", ">=", "=", "and", "or", "not"}


def number_text(x: float) -> str:
    """Return the shortest numeral of this number in single precision."""
    single = np.float32(x)
    return str(int(single)) if single == int(single) and abs(single) < 1e7 else str(single)


def declared_nlf(f: Form) -> str | None:
    """Return the text inside `(nlf ...)` for a non-linearity of SN-2.8, or None if no declarative word has it.

    A function of the program with one argument x is written as an expression. Whether the declarative reader accepts it
    is checked later.
    """
    if isinstance(f, nlf.LispNonLinearity):
        return _expression_of(f.function)
    if isinstance(f, nlf.Tanh):
        return _tanh(f)
    if isinstance(f, nlf.Threshold):
        return f"nlf-bin {_four(f)}"
    if isinstance(f, nlf.Piecewise) and f.d == 0 and f.b != 0:
        slopes = number_text(f.c), number_text(f.a * f.b + f.c)
        return f"nlf-lin {' '.join(slopes)} {number_text(1 / f.b)}"
    if isinstance(f, nlf.Linear):
        return _line(float(f.a * f.b + f.c), float(f.d))
    return "nlf-bell" if isinstance(f, nlf.Bell) else None


def _expression_of(function: Form) -> str | None:
    """Return the body of a function (lambda (x) EXPR), as text."""
    if isinstance(function, Function) and isinstance(function.body, Pair) and function.body.cdr is NIL:
        parameters = function.parameters
        if parameters.plain and parameters.required == (symbol("x"),):
            return show(function.body.car)
    return None


def _tanh(f: nlf.Tanh) -> str:
    scale = 1 / np.float32(np.tanh(np.float32(DEFAULT_SLOPE)))
    if f.b == np.float32(DEFAULT_SLOPE) and f.c == f.d == 0 and np.isclose(f.a, scale, rtol=1e-6, atol=0):
        return "sn-tanh"
    is_normalized = f.d == 0 and np.isclose(f.a * (np.tanh(f.b) + f.c), 1, rtol=1e-6)
    if _four(f) in _NAMED:
        return _NAMED[_four(f)]
    return f"nlf-tanh {number_text(f.b)} {number_text(f.c)}" if is_normalized else f"nlf-tanh {_four(f)}"


def _four(f: nlf.FourConstants) -> str:
    """Return the numbers mx, dmin, scale and offset of a family."""
    return " ".join(number_text(x) for x in (f.b, f.c, f.a, f.d))


def _line(slope: float, offset: float) -> str:
    if offset == 0:
        return "linear" if slope == 1 else f"(* {number_text(slope)} x)"
    return f"(+ (* {number_text(slope)} x) {number_text(offset)})"


# Back


def sn_nlf(function: Nlf) -> str | None:
    """Return the call for this non-linearity in a layer of `build-net`; None for SN's default, which needs none."""
    if function.name == "sn-tanh":
        return None
    title = function.name.split(" ")[0]
    if title in FAMILIES:
        return f"({function.name})"
    return _SN_CALLS.get(function.name) or _of_program(function)


def _of_program(function: Nlf) -> str:
    f, df, ddf = (f"(nlf-f-lisp (lambda (x) {_lisp(e)}))" for e in (function.f, function.df, function.ddf))
    return f"(setq nlf {f}\n          dnlf {df}\n          ddnlf {ddf})"


def _lisp(e: Expression) -> str:
    """Return an expression in SN's Lisp, where truth values are t or () instead of 1 or 0."""
    if e.op == "number":
        return repr(e.number) if e.number != int(e.number) else str(int(e.number))
    if e.op == "variable":
        return e.name
    if e.op in _CONDITIONS:
        return f"(if {_condition(e)} 1 0)"
    if e.op == "if":
        return f"(if {_condition(e.args[0])} {_lisp(e.args[1])} {_lisp(e.args[2])})"
    arguments = " ".join(_lisp(a) for a in e.args)
    if e.op == "negate":
        return f"(- 0 {arguments})"
    if e.op == "sgn":
        return f"(let ((s {arguments})) (if (> s 0) 1 (if (< s 0) -1 0)))"
    return f"({e.op} {arguments})"


def _condition(e: Expression) -> str:
    if e.op in ("and", "or", "not"):
        return f"({e.op} {' '.join(_condition(a) for a in e.args)})"
    if e.op in _CONDITIONS:
        return f"({e.op} {' '.join(_lisp(a) for a in e.args)})"
    return f"(<> {_lisp(e)} 0)"
