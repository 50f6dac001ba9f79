"""Define arithmetic and comparison. A result that is no finite number is an error, as in SN.

See docs/reference/sn28.md, section 1.4.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from snsim.language.forms import NIL, Form
from snsim.language.printer import brief, show
from snsim.language.procedures import ABSENT, CORE, TRUE, CallError, Primitive, conversion, function

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


def number(name: str, x: Form, argument: int | None = 0) -> float:
    """Return x if it is a number; raise CallError otherwise."""
    if type(x) is float:
        return x
    raise CallError(f"{name}: {brief(x)} is not a number", argument, conversion(x, "number"))


def finite(name: str, result: float) -> float:
    """Return the result if it is finite; raise CallError otherwise."""
    if result - result != 0.0:
        raise CallError(f"{name}: the result is too large", None, _TOO_LARGE)
    return result


def checked(name: str, compute: Callable[[], float]) -> float:
    """Return the result of a computation; raise CallError if it is undefined or infinite."""
    try:
        result = compute()
    except ZeroDivisionError:
        raise CallError(f"{name}: division by zero", None, DIVISION) from None
    except OverflowError:
        raise CallError(f"{name}: the result is too large", None, _TOO_LARGE) from None
    except ValueError:
        raise CallError(
            f"{name}: undefined for this argument",
            None,
            f"test the argument first: (if (> x 0) ({name} x) 0) returns 0 where x is not above 0",
        ) from None
    return finite(name, float(result))


DIVISION = "test the divisor first: (if (0= x) 0 (/ a x)) returns 0 where x is 0"
_TOO_LARGE = f"make the arguments smaller: the largest number is {sys.float_info.max:.3g}"
MAXIMUM = sys.float_info.max
_LARGEST = 1e15  # of counts and indices


def whole(name: str, x: Form, argument: int | None = 0, largest: float = _LARGEST) -> int:
    """Return the number x truncated to an integer; raise CallError if it is none or above `largest`."""
    value = number(name, x, argument)
    if not abs(value) <= largest:
        raise CallError(
            f"{name}: {show(value)} is {'too large' if value == value else 'not a whole number'}",
            argument,
            f"write a number from -{largest:g} to {largest:g}",
        )
    return int(value)


@function("+")
def add(*numbers: Form) -> float:
    """(+ x...): the sum"""
    total = 0.0
    for i, x in enumerate(numbers):
        total += x if type(x) is float else number("+", x, i)
    return finite("+", total)


@function("*")
def multiply(*numbers: Form) -> float:
    """(* x...): the product"""
    product = 1.0
    for i, x in enumerate(numbers):
        product *= x if type(x) is float else number("*", x, i)
    return finite("*", product)


@function("-")
def subtract(a: Form, b: Form = ABSENT) -> float:
    """(- a b): the difference a - b; (- a): the negative of a"""
    return -number("-", a) if b is ABSENT else finite("-", number("-", a) - number("-", b, 1))


@function("/")
def divide(a: Form, b: Form = ABSENT) -> float:
    """(/ a b): the quotient a / b; (/ a): 1 divided by a; a divisor of 0 is an error"""
    x, y = (1.0, number("/", a)) if b is ABSENT else (number("/", a), number("/", b, 1))
    return checked("/", lambda: x / y)


@function("**")
def power(a: Form, b: Form) -> float:
    """(** a b): a to the power b; a negative a is an error"""
    x, y = number("**", a), number("**", b, 1)
    if x < 0:
        raise CallError(f"** of the negative number {show(x)}", 0, "write (* x x) for the square of x")
    return checked("**", lambda: x**y)


@function("div")
def div(a: Form, b: Form) -> float:
    """(div a b): truncates a and b to whole numbers, and returns a / b truncated towards 0"""
    x, y = whole("div", a, 0, MAXIMUM), whole("div", b, 1, MAXIMUM)
    return checked("div", lambda: abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1))


@function("mod")
def mod(a: Form, b: Form) -> float:
    """(mod a b): truncates a and b to whole numbers, and returns the remainder of a / b, with the sign of a"""
    x, y = whole("mod", a, 0, MAXIMUM), whole("mod", b, 1, MAXIMUM)
    return checked("mod", lambda: math.copysign(abs(x) % abs(y), x) if abs(x) % abs(y) else 0.0)


def _add_functions_of_one_number() -> None:
    functions: dict[str, tuple[Callable[[float], float], str]] = {
        "1+": (lambda x: x + 1, "x + 1"),
        "1-": (lambda x: x - 1, "x - 1"),
        "2*": (lambda x: x * 2, "twice x"),
        "2/": (lambda x: x / 2, "half of x"),
        "abs": (abs, "the absolute value"),
        "int": (math.floor, "the largest whole number that is not above x"),
        "sqrt": (math.sqrt, "the square root"),
        "sin": (math.sin, "the sine"),
        "cos": (math.cos, "the cosine"),
        "tan": (math.tan, "the tangent"),
        "asin": (math.asin, "the arc sine, from -pi/2 to pi/2"),
        "acos": (math.acos, "the arc cosine, from 0 to pi"),
        "atan": (math.atan, "the arc tangent"),
        "exp": (math.exp, "e to the power x"),
        "log": (math.log, "the natural logarithm"),
        "sinh": (math.sinh, "the hyperbolic sine"),
        "cosh": (math.cosh, "the hyperbolic cosine"),
        "tanh": (math.tanh, "the hyperbolic tangent"),
        "sgn": (lambda x: 1.0 if x >= 0 else -1.0, "1 if x is 0 or more, else -1"),
    }
    for name, (compute, doc) in functions.items():

        def call(x: Form, name: str = name, compute: Callable[[float], float] = compute) -> float:
            value = number(name, x)
            return checked(name, lambda: compute(value))

        CORE.add(name, Primitive(name, call, 1, 1, False), f"({name} x): {doc}")


_add_functions_of_one_number()


@function("max")
def max_(first: Form, *more: Form) -> Form:
    """(max x...): the largest argument; the arguments are all numbers or all strings"""
    return max(_of_one_type("max", (first, *more)))


@function("min")
def min_(first: Form, *more: Form) -> Form:
    """(min x...): the smallest argument; the arguments are all numbers or all strings"""
    return min(_of_one_type("min", (first, *more)))


def _of_one_type(name: str, values: tuple[Form, ...]) -> tuple[Form, ...]:
    """Return the values if all are strings or all are numbers; raise CallError otherwise."""
    if not all(isinstance(x, str) for x in values):
        for i, x in enumerate(values):
            number(name, x, i)
    return values


@function("=", interpreter=True)
def equals(interpreter: Interpreter, a: Form, b: Form, *more: Form) -> bool:
    """(= a b c...): t if all arguments have equal content (numbers, strings, lists, matrices), else ()"""
    return all(interpreter.equal(a, x) for x in (b, *more))


@function("<>", interpreter=True)
def differs(interpreter: Interpreter, a: Form, b: Form) -> bool:
    """(<> a b): t if the contents of a and b differ, else ()"""
    return not interpreter.equal(a, b)


@function("==")
def same(a: Form, b: Form) -> bool:
    """(== a b): t if a and b are the same object, else (); two equal numbers or strings are different objects"""
    return a is b and not (isinstance(a, str) and len(a) < 2)  # Python has one object for all "a"


def _add_comparisons() -> None:
    for name, compare in {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}.items():

        def call(a: Form, b: Form, name: str = name, compare: Callable[..., bool] = compare) -> bool:
            if isinstance(a, str) and isinstance(b, str):
                return compare(a, b)
            return compare(number(name, a), number(name, b, 1))

        CORE.add(
            name, Primitive(name, call, 2, 2, False), f"({name} a b): t if a {name} b, else (); numbers or strings"
        )


_add_comparisons()


@function("0=")
def is_zero(x: Form) -> Form:
    """(0= x): 0, which counts as true, if x is 0, else ()"""
    return 0.0 if isinstance(x, float) and x == 0.0 else NIL


@function("0<>")
def is_not_zero(x: Form) -> Form:
    """(0<> x): x if it is not 0, else (); t if x is ()"""
    return TRUE if x is NIL else NIL if isinstance(x, float) and x == 0.0 else x
