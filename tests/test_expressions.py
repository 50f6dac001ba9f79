"""Expressions: what is read is printed back, derivatives are the slopes, float32 stays float32."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from snsim.engines.torch.module import TORCH
from snsim.errors import SnError, Source, Span
from snsim.language.forms import Node, Pair, Symbol
from snsim.language.reader import read_forms
from snsim.network.clauses import Faults
from snsim.network.expressions import (
    NUMPY,
    apply,
    compile_expressions,
    differentiate,
    evaluate,
    number,
    parse_expression,
    substitute,
    to_text,
    variable,
)


def node(form, span):
    if isinstance(form, Pair) or form is None:
        return Node(tuple(node(item, span) for item in form or ()), span)
    return Node(form if isinstance(form, (Symbol, str)) else float(form), span)


def read(text, variables=("x", "y"), faults=None):
    """The expression that a text states."""
    ((form, span),) = read_forms(Source("test", text))
    return parse_expression(node(form, span), variables, faults)


SMOOTH = [
    "(+ x y)",
    "(- x)",
    "(- x y)",
    "(* x y x)",
    "(/ x y)",
    "(/ y)",
    "(** y 3)",
    "(** y x)",
    "(** 2 x)",
    "(sqrt y)",
    "(exp (- x))",
    "(log y)",
    "(tanh (* x y))",
    "(abs x)",
    "(min x y 3)",
    "(max (- x) y)",
    "(sgn x)",
    "(if (< x y) (* x x) (tanh y))",
    "(if (and (> x 0) (or (< y 1) (not (= x y)))) x (* 2 y))",
    "(* 1.7159 (tanh (* (/ 2 3) x)))",
    "(/ 1 (+ 1 (exp (- x))))",
    "(* 0.5 (** (- x y) 2))",
]
LEAVES = st.one_of(st.just(variable("x")), st.just(variable("y")), st.floats(-3, 3).map(lambda v: number(round(v, 2))))
FORMS = [lambda a, b, c, op=op: apply(op, a, b) for op in ("+", "-", "*", "min", "max", "<", ">=", "and", "or")]
FORMS += [lambda a, b, c, op=op: apply(op, a) for op in ("tanh", "abs", "-", "sgn", "not")]
FORMS += [
    lambda a, b, c: apply("if", a, b, c),
    lambda a, b, c: apply("exp", apply("tanh", a)),
    lambda a, b, c: apply("**", a, number(2)),
    lambda a, b, c: apply("/", a, apply("+", number(1), apply("*", b, b))),
    lambda a, b, c: apply("sqrt", apply("+", number(0.5), apply("*", a, a))),
]
TREES = st.recursive(
    LEAVES,
    lambda inner: st.tuples(st.sampled_from(range(len(FORMS))), inner, inner, inner).map(
        lambda parts: FORMS[parts[0]](*parts[1:])
    ),
    max_leaves=12,
)
VALUES = st.floats(-2, 2).map(lambda v: round(v, 3))


@pytest.mark.parametrize("text", SMOOTH)
def test_derivatives_are_slopes(text):
    e, at, step = read(text), {"x": 0.7, "y": 1.3}, 1e-6
    for name in at:
        d = differentiate(e, name)
        for expression, slope in ((e, d), (d, differentiate(d, name))):
            higher, lower = (evaluate(expression, {**at, name: at[name] + s}) for s in (step, -step))
            assert evaluate(slope, at) == pytest.approx((higher - lower) / (2 * step), rel=1e-6, abs=1e-7)


def smooth_at(e, x, y):
    """Whether the value hardly changes close by: no jump there, which rounding decides."""
    near = [evaluate(e, {"x": x + s, "y": y + t}) for s in (-1e-9, 0, 1e-9) for t in (-1e-9, 0, 1e-9)]
    return np.ptp(near) <= 1e-6 * (1 + abs(near[4]))


@settings(max_examples=100, deadline=None)
@given(TREES, VALUES, VALUES)
def test_derivatives_are_those_of_autograd(e, x, y):
    assume(all(smooth_at(part, x, y) for part in (e, differentiate(e, "x"), differentiate(e, "y"))))
    point = {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in (("x", x), ("y", y))}
    value = compile_expressions([e]).bind(TORCH)(point)[0]
    plain = evaluate(e, {"x": x, "y": y})
    assert float(torch.as_tensor(value, dtype=torch.float64).detach()) == pytest.approx(plain, rel=1e-12, abs=1e-12)
    if isinstance(value, torch.Tensor) and value.requires_grad:
        slopes = torch.autograd.grad(value, list(point.values()), allow_unused=True, materialize_grads=True)
        for name, slope in zip(point, slopes):
            assert evaluate(differentiate(e, name), {"x": x, "y": y}) == pytest.approx(float(slope), rel=1e-9, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(TREES, VALUES, VALUES)
def test_what_is_printed_reads_back(e, x, y):
    again = read(to_text(e))
    assert to_text(again) == to_text(e)
    assert evaluate(again, {"x": x, "y": y}) == evaluate(e, {"x": x, "y": y})


@settings(max_examples=100, deadline=None)
@given(TREES, st.lists(VALUES, min_size=3, max_size=3))
def test_float32_stays_float32(e, values):
    """For the expression and both derivatives; alike in torch; number by number as for the whole array."""
    for part in (e, differentiate(e, "x"), differentiate(differentiate(e, "x"), "x")):
        x = np.array(values, np.float32)
        made = evaluate(part, {"x": x, "y": 0.3})
        assert isinstance(made, float) or made.dtype == np.float32
        other = compile_expressions([part]).bind(TORCH)({"x": torch.from_numpy(x), "y": 0.3})[0]
        assert isinstance(other, float) or other.dtype == torch.float32
        assume(all(smooth_at(part, float(v), 0.3) for v in x))
        exact = np.array([evaluate(part, {"x": float(v), "y": 0.3}) for v in x])
        assume(np.isfinite(exact).all() and np.abs(exact).max() < 1e3)
        if not any(op in ("<", ">=", "sgn", "not", "and", "or") for op, *_ in part.program.steps):
            np.testing.assert_allclose(np.broadcast_to(made, 3), exact, rtol=1e-3, atol=1e-3)


def test_extremes_are_finite():
    """A logistic function written with exp, and its derivatives, for sums no exp can take, in both types."""
    e = read("(- (* 2 (/ 1 (+ 1 (exp (- x))))) 1)")
    d = differentiate(e, "x")
    for kind in (np.float32, np.float64):
        x = np.array([-1e4, -800, -90, -1, 0, 1, 90, 800, 1e4], kind)
        states, slopes, bends = compile_expressions([e, d, differentiate(d, "x")]).bind(NUMPY)({"x": x})
        np.testing.assert_allclose(states, np.tanh(x / 2), atol=1e-6)
        np.testing.assert_allclose(slopes, (1 - np.tanh(x / 2) ** 2) / 2, atol=1e-6)
        assert np.isfinite(bends).all()


def test_second_derivatives_stay_small():
    """Sharing keeps the steps few, where the text would have millions of characters."""
    e = variable("x")
    for _ in range(40):
        e = apply("tanh", apply("*", e, e))
    d = differentiate(e, "x")
    assert len(compile_expressions([e, d, differentiate(d, "x")]).steps) < 2000


def test_each_part_is_computed_once():
    calls = []
    counted = {**NUMPY, "tanh": lambda a: calls.append(a) or math.tanh(a)}
    evaluate(read("(+ (tanh (* 2 x)) (* (tanh (* 2 x)) (tanh (* 2 x))))"), {"x": 0.5}, counted)
    assert len(calls) == 1


def test_simplified():
    for text, short in (
        ("(* 1 (+ 0 x))", "x"),
        ("(- 3 (* 0 x))", "3"),
        ("(- (- x y))", "(- y x)"),
        ("(+ x (- y))", "(- x y)"),
        ("(** x 1)", "x"),
        ("(if (< 1 2) x y)", "x"),
        ("(* 2 (* 3 x))", "(* 6 x)"),
        ("(/ 0 x)", "0"),
        ("(+ x 1 y)", "(+ x 1 y)"),
        ("(and 2)", "1"),
        ("(* 1e300 1e300 x)", "(* 1e+300 1e+300 x)"),
    ):
        assert to_text(read(text)) == short
    assert to_text(differentiate(read("(tanh x)"), "x")) == "(- 1 (** (tanh x) 2))"
    assert to_text(substitute(read("(* x y)"), {"y": number(2)})) == "(* 2 x)"
    assert read("(+ x (* y 3))").variables() == {"x", "y"}


@pytest.mark.parametrize(
    ("text", "sentence", "hint"),
    [
        ("(tahn x)", 'unknown operation "tahn"', 'did you mean "tanh"?'),
        ("(+ x z)", 'unknown variable "z"', "variables: x, y"),
        ("(tanh x y)", "(tanh ...) takes 1 argument, 2 given", ""),
        ("(- x y x)", "(- ...) takes 1 or 2 arguments, 3 given", ""),
        ("(+)", "(+ ...) takes 1 or more arguments, 0 given", ""),
        ("(2 x)", "an expression in parentheses begins with an operation, not the number 2", ""),
        ('"x"', 'an expression is a number, a variable or (operation ...), not the text "x"', ""),
        ("()", "an expression is a number, a variable or (operation ...), not an empty list", ""),
        ("(+ 1 " * 220 + "x" + ")" * 220, "this expression is nested more than 200 deep", ""),
    ],
)
def test_faults(text, sentence, hint):
    with pytest.raises(SnError) as error:
        read(text)
    (fault,) = error.value.faults
    assert fault.message == sentence and fault.hint.startswith(hint) and isinstance(fault.span, Span)


def test_all_faults_at_once():
    faults = Faults()
    assert read("(+ (foo x) (tanh) u)", faults=faults) is None
    assert len(faults.found) == 3
