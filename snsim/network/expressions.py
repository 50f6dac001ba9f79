"""Scalar expressions: parsed from the language, evaluated by any engine, differentiated symbolically.

An nlf is an expression in `x`, a cost is one in `x` and `d`, and an update rule has several in `w`, `g`, `h` and
`rate`. An engine evaluates the same tree with its own table of operations (see `evaluate`), or prints it as code.

Trees share subexpressions: a derivative points into the expression that it came from. Everything here visits each
distinct subexpression once, so second derivatives stay small.

`exp` does not become infinite (`snsim.network.operations`), so that `(/ 1 (+ 1 (exp (- x))))` and its derivatives are
finite for every x. The form `(/ (+ 1 (tanh (/ x 2))) 2)` of the sigmoid is faster and equally accurate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np

from snsim.data_classes import dataclass
from snsim.language.forms import Node
from snsim.network.clauses import Faults, describe
from snsim.network.operations import LARGEST_EXPONENT as LARGEST_EXPONENT
from snsim.network.operations import NUMPY
from snsim.registry import suggest

# Operation as written -> least and most arguments (None: any number).
OPERATIONS: Mapping[str, tuple[int, int | None]] = {
    "+": (1, None),
    "-": (1, 2),
    "*": (1, None),
    "/": (1, 2),
    "**": (2, 2),
    "sqrt": (1, 1),
    "exp": (1, 1),
    "log": (1, 1),
    "tanh": (1, 1),
    "abs": (1, 1),
    "sgn": (1, 1),
    "min": (1, None),
    "max": (1, None),
    "if": (3, 3),
    "<": (2, 2),
    "<=": (2, 2),
    ">": (2, 2),
    ">=": (2, 2),
    "=": (2, 2),
    "and": (1, None),
    "or": (1, None),
    "not": (1, 1),
}
_FOLDED = {
    "+",
    "*",
    "min",
    "max",
    "and",
    "or",
}  # operations of many arguments: stored as binary ones, folded from the left
_LOGICAL = {"<", "<=", ">", ">=", "=", "and", "or", "not"}
_DEEPEST = 200  # nesting that `parse_expression` accepts


@dataclass(frozen=True)
class Expression:
    """A tree of operations.

    `op` is "number" (then `number`), "variable" (then `name`) or an operation of OPERATIONS with `args`.

    `if` has three arguments; comparisons and `and or not` give 1 or 0 and a condition holds where it is not 0.
    Operations of many arguments are binary here, and the sign change is the operation "negate".
    """

    op: str
    args: tuple[Expression, ...] = ()
    number: float = 0.0
    name: str = ""

    def variables(self) -> frozenset[str]:
        """Return the names of all variables in the expression."""
        return frozenset(e.name for e in _parts([self]) if e.op == "variable")

    @cached_property
    def program(self) -> StraightLineProgram:
        """The expression as a straight-line program, for `evaluate`."""
        return compile_expressions([self])

    def __str__(self) -> str:
        return to_text(self)

    def __repr__(self) -> str:
        return f"Expression<{self}>" if len(self.program.steps) < 50 else f"Expression<{len(self.program.steps)} steps>"


# ---- Making expressions ------------------------------------------------------------------------------------------


def number(value: float) -> Expression:
    """Return a constant."""
    return Expression("number", number=float(value))


def variable(name: str) -> Expression:
    """Return a variable."""
    return Expression("variable", name=name)


ZERO, ONE, TWO = number(0), number(1), number(2)


def apply(op: str, *args: Expression) -> Expression:
    """Return an operation on arguments, simplified: constants are folded, and neutral elements 0 and 1 removed.

    The number of arguments is as in OPERATIONS.
    """
    if op in _FOLDED and len(args) != 2:
        if len(args) == 1 and op in _LOGICAL:
            return apply("not", apply("not", args[0]))  # 1 or 0
        result = args[0]
        for arg in args[1:]:
            result = apply(op, result, arg)
        return result
    if op == "-" and len(args) == 1:
        op = "negate"
    if op == "/" and len(args) == 1:
        args = (ONE, args[0])
    if all(a.op == "number" for a in args):
        with np.errstate(all="ignore"):
            value = float(NUMPY[op](*(a.number for a in args)))
        return number(value) if math.isfinite(value) else Expression(op, args)
    simplify = _SIMPLIFY.get(op)
    return (simplify(*args) if simplify else None) or Expression(op, args)


def _is(e: Expression, value: float) -> bool:
    return e.op == "number" and e.number == value


def _is_scaled(e: Expression) -> bool:
    return e.op == "*" and e.args[0].op == "number" and e.args[1].op != "number"


def _plus(a: Expression, b: Expression) -> Expression | None:
    if _is(a, 0):
        return b
    return a if _is(b, 0) else apply("-", a, b.args[0]) if b.op == "negate" else None


def _minus(a: Expression, b: Expression) -> Expression | None:
    if _is(b, 0):
        return a
    return apply("negate", b) if _is(a, 0) else apply("+", a, b.args[0]) if b.op == "negate" else None


def _negate(a: Expression) -> Expression | None:
    if a.op == "negate":
        return a.args[0]
    if a.op == "-":
        return apply("-", a.args[1], a.args[0])
    return apply("*", number(-a.args[0].number), a.args[1]) if _is_scaled(a) else None


def _times(a: Expression, b: Expression) -> Expression | None:
    if b.op == "number":
        a, b = b, a  # constants to the left, where they meet
    if _is(a, 0):
        return ZERO
    if _is(a, 1):
        return b
    if _is(a, -1):
        return apply("negate", b)
    if a.op == "number" and b.op == "negate":
        return apply("*", number(-a.number), b.args[0])
    if _is_scaled(b):
        return apply("*", apply("*", a, b.args[0]), b.args[1])
    if _is_scaled(a):
        return apply("*", a.args[0], apply("*", a.args[1], b))
    return Expression("*", (a, b))


def _quotient(a: Expression, b: Expression) -> Expression | None:
    return ZERO if _is(a, 0) else a if _is(b, 1) else None


def _power(a: Expression, b: Expression) -> Expression | None:
    return ONE if _is(b, 0) else a if _is(b, 1) else None


def _choose(condition: Expression, a: Expression, b: Expression) -> Expression | None:
    if condition.op == "number":
        return a if condition.number != 0 else b
    return a if a is b or (a.op == b.op == "number" and a.number == b.number) else None


_SIMPLIFY: Mapping[str, Callable[..., Expression | None]] = {
    "+": _plus,
    "-": _minus,
    "negate": _negate,
    "*": _times,
    "/": _quotient,
    "**": _power,
    "if": _choose,
}


# ---- From the language and back ----------------------------------------------------------------------------------


def parse_expression(node: Node, variables: Collection[str], faults: Faults | None = None) -> Expression | None:
    """Return the expression in a node, which may use these variables.

    If there are faults, they are added to `faults` and the result is None; without `faults`, SnError with all of them
    is raised.
    """
    problems = Faults()
    expression = _parse(node, list(variables), problems, 0)
    if faults is None:
        problems.raise_if_any()
    elif problems.any:
        faults.found.extend(problems.found)
        return None
    return expression


def _parse(node: Node, variables: list[str], faults: Faults, depth: int) -> Expression:
    """Return the expression of a node; a part with a fault is replaced by 0."""
    if depth > _DEEPEST and node.is_list:
        faults.add(f"this expression is nested more than {_DEEPEST} deep", node.span, "state parts of it by themselves")
        return ZERO
    if isinstance(node.value, float):
        return number(node.value)
    if node.is_symbol:
        if node.name not in variables:
            faults.add(
                f'unknown variable "{node.name}"', node.span, partial(suggest, node.name, variables, "variables")
            )
        return variable(node.name)
    if not node.items:
        faults.add(
            f"an expression is a number, a variable or (operation ...), not {describe(node)}",
            node.span,
            suggest("", variables, "variables"),
        )
        return ZERO
    if node.head not in OPERATIONS:
        first = node.items[0]
        sentence = (
            f'unknown operation "{node.head}"'
            if node.head
            else f"an expression in parentheses begins with an operation, not {describe(first)}"
        )
        faults.add(sentence, first.span, partial(suggest, node.head, list(OPERATIONS), "operations"))
        return ZERO
    args = []
    for item in node.items[1:]:
        args.append(_parse(item, variables, faults, depth + 1))
    least, most = OPERATIONS[node.head]
    if len(args) < least or (most is not None and len(args) > most):
        takes = f"{least} or more" if most is None else f"{least}" if most == least else f"{least} or {most}"
        names = [*"ABC"[:least], *(f"[{c}]" for c in "ABC"[least : most or least]), *(["..."] if most is None else [])]
        faults.add(
            f"({node.head} ...) takes {takes} argument{'' if takes == '1' else 's'}, {len(args)} given",
            node.span,
            f"write ({' '.join([node.head, *names])})",
        )
        return ZERO
    return apply(node.head, *args)


def number_text(value: float) -> str:
    """Return the shortest decimal text that reads back as this number."""
    text = repr(float(value))
    return text[:-2] if text.endswith(".0") else text


def to_text(e: Expression) -> str:
    """Return the expression as text of the language; parsed again, it evaluates to the same values."""
    texts: dict[int, str] = {}
    for part in _parts([e]):
        if part.op == "number":
            texts[id(part)] = number_text(part.number)
        elif part.op == "variable":
            texts[id(part)] = part.name
        else:
            args = list(part.args)
            while part.op in _FOLDED and args[0].op == part.op:
                args[:1] = args[0].args
            word = "-" if part.op == "negate" else part.op
            texts[id(part)] = f"({word} {' '.join(texts[id(a)] for a in args)})"
    return texts[id(e)]


# ---- Derivatives -------------------------------------------------------------------------------------------------


def substitute(e: Expression, values: Mapping[str, Expression]) -> Expression:
    """Return the expression with each variable in `values` replaced."""
    substituted: dict[int, Expression] = {}
    for part in _parts([e]):
        if part.op == "variable":
            substituted[id(part)] = values.get(part.name, part)
        elif part.op == "number":
            substituted[id(part)] = part
        else:
            substituted[id(part)] = apply(part.op, *(substituted[id(a)] for a in part.args))
    return substituted[id(e)]


def differentiate(e: Expression, name: str) -> Expression:
    """Return the derivative with respect to the variable `name`.

    `if`, `abs`, `min` and `max` have the derivative of the branch taken: of equal arguments the first one of `min` and
    `max`, and 0 for `abs` at 0. `sgn`, comparisons and `and or not` have the derivative 0.
    """
    derivatives: dict[int, Expression] = {}
    for part in _parts([e]):
        if part.op == "variable":
            derivatives[id(part)] = ONE if part.name == name else ZERO
        elif part.op == "number" or part.op in _LOGICAL or part.op == "sgn":
            derivatives[id(part)] = ZERO
        else:
            derivatives[id(part)] = _DERIVE[part.op](part, *part.args, *(derivatives[id(a)] for a in part.args))
    return derivatives[id(e)]


def _derive_power(e: Expression, a: Expression, b: Expression, da: Expression, db: Expression) -> Expression:
    by_base = ZERO if _is(da, 0) else apply("*", apply("*", b, apply("**", a, apply("-", b, ONE))), da)
    by_exponent = ZERO if _is(db, 0) else apply("*", apply("*", e, apply("log", a)), db)
    return apply("+", by_base, by_exponent)


def _derive_over(e: Expression, a: Expression, b: Expression, da: Expression, db: Expression) -> Expression:
    return apply("/", apply("-", da, apply("*", e, db)), b)  # no square of b, which could overflow


# Each takes the expression, its arguments, and their derivatives.
_DERIVE: Mapping[str, Callable[..., Expression]] = {
    "+": lambda e, a, b, da, db: apply("+", da, db),
    "-": lambda e, a, b, da, db: apply("-", da, db),
    "negate": lambda e, a, da: apply("negate", da),
    "*": lambda e, a, b, da, db: apply("+", apply("*", da, b), apply("*", a, db)),
    "/": _derive_over,
    "**": _derive_power,
    "sqrt": lambda e, a, da: apply("/", apply("*", number(0.5), da), e),
    "exp": lambda e, a, da: apply("*", e, da),
    "log": lambda e, a, da: apply("/", da, a),
    "tanh": lambda e, a, da: apply("*", da, apply("-", ONE, apply("**", e, TWO))),
    "abs": lambda e, a, da: apply("*", apply("sgn", a), da),
    "min": lambda e, a, b, da, db: apply("if", apply("<=", a, b), da, db),
    "max": lambda e, a, b, da, db: apply("if", apply(">=", a, b), da, db),
    "if": lambda e, c, a, b, dc, da, db: apply("if", c, da, db),
}


# ---- Evaluation --------------------------------------------------------------------------------------------------


def _parts(roots: Sequence[Expression]) -> list[Expression]:
    """Return every distinct subexpression of the trees, arguments before what uses them."""
    ordered: list[Expression] = []
    seen: set[int] = set()
    stack = [(e, False) for e in reversed(roots)]
    while stack:
        e, entered = stack.pop()
        if entered:
            ordered.append(e)
        elif id(e) not in seen:
            seen.add(id(e))
            stack.append((e, True))
            stack.extend((a, False) for a in reversed(e.args))
    return ordered


@dataclass(frozen=True)
class StraightLineProgram:
    """Expressions as steps in order of computation, each distinct subexpression once.

    A step is a constant, a variable, or an operation with the indices of the steps that compute its arguments.
    `results` are the indices of the steps that compute the expressions.
    """

    steps: tuple[tuple[str, tuple[int, ...], float, str], ...]  # op, arguments, number, name
    results: tuple[int, ...]

    def bind(self, ops: Mapping[str, Callable[..., Any]]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
        """Return a function from the values of the variables to those of the expressions, with these operations."""
        initial: list[Any] = [number for _, _, number, _ in self.steps]
        loads = [(i, name) for i, (op, _, _, name) in enumerate(self.steps) if op == "variable"]
        calls = [(i, ops[op], args) for i, (op, args, _, _) in enumerate(self.steps) if args]
        results = self.results

        def run(env: Mapping[str, Any]) -> tuple[Any, ...]:
            values = initial.copy()
            for i, name in loads:
                values[i] = env[name]
            for i, function, args in calls:
                values[i] = function(*[values[a] for a in args])
            return tuple([values[i] for i in results])

        return run


def compile_expressions(expressions: Sequence[Expression]) -> StraightLineProgram:
    """Return the straight-line program that computes all the expressions."""
    steps: dict[tuple[str, tuple[int, ...], float, str], int] = {}
    step_of: dict[int, int] = {}
    for e in _parts(expressions):
        step = (e.op, tuple(step_of[id(a)] for a in e.args), e.number, e.name)
        step_of[id(e)] = steps.setdefault(step, len(steps))
    return StraightLineProgram(tuple(steps), tuple(step_of[id(e)] for e in expressions))


def evaluate(e: Expression, env: Mapping[str, Any], ops: Mapping[str, Callable[..., Any]] | None = None) -> Any:
    """Return the value of an expression.

    Parameters
    ----------
    e : Expression
    env : mapping
        The values of the variables: arrays of one floating type give an array of that type, numbers give a number.
    ops : mapping, optional
        The operations by name; NumPy's by default. Overflow and division by 0 give inf and nan without a warning.
    """
    with np.errstate(all="ignore"):
        return e.program.bind(NUMPY if ops is None else ops)(env)[0]
