"""Read non-linearities, by name or as an expression in x: the word `define-nlf` and the option `(nlf ...)`.

A new non-linearity of the language goes into `prelude.sn` in this folder, as one `define-nlf`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property, partial

from snsim.data_classes import dataclass
from snsim.errors import SnError, Span
from snsim.language.forms import Node
from snsim.network import expressions
from snsim.network.clauses import Faults, all_or_none, describe, read_arguments, read_name, read_number
from snsim.network.expressions import Expression, differentiate, evaluate, number_text, substitute, to_text
from snsim.network.net import Nlf
from snsim.registry import Shelf

_MOST_CACHED = 64  # nlfs of one definition

SYNTAX = '(define-nlf NAME (x p (q default) ...) "a line of help" EXPR (derivative EXPR))'


@dataclass(frozen=True)
class NlfDefinition:
    """A non-linearity with parameters: an expression in x and the parameters.

    A parameter without a default (None) must be stated. A default may use the parameters before it. `derivative`, if
    it is not None, replaces f' in training. f'' is always the second derivative of `f`.
    """

    name: str
    parameters: tuple[tuple[str, Expression | None], ...]
    f: Expression
    derivative: Expression | None = None

    @property
    def syntax(self) -> str:
        """The option as it is written in a net: `(nlf leaky [slope])`."""
        words = [p if default is None else f"[{p}]" for p, default in self.parameters]
        return f"(nlf {' '.join([self.name, *words])})"

    def make(self, numbers: Sequence[float], span: Span, faults: Faults) -> Nlf | None:
        """Return the non-linearity with these numbers for its first parameters; None after a fault."""
        least = sum(default is None for _, default in self.parameters)
        if not least <= len(numbers) <= len(self.parameters):
            takes = f"{least}" if least == len(self.parameters) else f"{least} to {len(self.parameters)}"
            faults.add(
                f"nlf {self.name} takes {takes} parameter{'' if takes == '1' else 's'}, {len(numbers)} given",
                span,
                f"write {self.syntax}",
            )
            return None
        values = dict(zip((p for p, _ in self.parameters), numbers))
        for parameter, default in self.parameters[len(numbers) :]:
            assert default is not None  # parameters without a default come first, and each has its number
            values[parameter] = float(evaluate(default, values))
            if not math.isfinite(values[parameter]):
                stated = " ".join(number_text(n) for n in numbers)
                faults.add(
                    f"the default of parameter {parameter} of nlf {self.name} is not finite with "
                    f"{stated or 'these numbers'}",
                    span,
                    f"state {parameter}: {self.syntax}",
                )
                return None
        name = " ".join([self.name, *(number_text(n) for n in numbers)])
        nlf = self._cache.get(name)
        if nlf is None:
            constants = {p: expressions.number(v) for p, v in values.items()}
            f = substitute(self.f, constants)
            df = differentiate(f, "x") if self.derivative is None else substitute(self.derivative, constants)
            nlf = Nlf(name, f, df, differentiate(differentiate(f, "x"), "x"))
            if len(self._cache) < _MOST_CACHED:
                self._cache[name] = nlf
        return nlf

    @cached_property
    def _cache(self) -> dict[str, Nlf]:
        """The first nlfs made from this definition, by name: many nets of a program state the same one."""
        return {}


def declare_nlf(form: Node, shelf: Shelf[NlfDefinition]) -> NlfDefinition:
    """Read `(define-nlf ...)`, put the definition on the shelf and return it; raise SnError with all faults."""
    faults = Faults()
    args = read_arguments(form, 3, 5, SYNTAX, faults)
    name = None if args is None else read_name(args[0], "the name of an nlf", faults)
    if args is None or name is None:
        raise SnError(faults.found)
    with faults.gathered():
        shelf.check_free(name, args[0].span)
    if name == "x":
        faults.add(
            "an nlf cannot be called x: (nlf x) is the expression x",
            args[0].span,
            "write another name, such as identity",
        )
    rest = list(args[2:])
    doc = str(rest.pop(0).value) if isinstance(rest[0].value, str) else ""
    parameters = _read_parameters(args[1], faults)
    if parameters is None:
        shelf.mark_broken(name)
        raise SnError(faults.found)
    variables = ["x", *(p for p, _ in parameters)]
    f = _read_expression(rest, variables, form, faults)
    derivative = _read_derivative(rest[1], variables, faults) if len(rest) > 1 else None
    if len(rest) > 2:
        faults.add("nothing may follow the derivative", rest[2].span, f"write {SYNTAX}")
    if faults.any or f is None:
        shelf.mark_broken(name)
        faults.stop()
    definition = NlfDefinition(name, tuple(parameters), f, derivative)
    return shelf.add(name, definition, doc or to_text(definition.f), args[0].span)


def _read_parameters(node: Node, faults: Faults) -> list[tuple[str, Expression | None]] | None:
    """Return the parameters with their defaults from `(x p (q default) ...)`; None after a fault."""
    if not node.items or not node.items[0].is_symbol or node.items[0].name != "x":
        faults.add(
            f"the variables of an nlf are (x p (q default) ...), not {describe(node)}",
            node.span,
            "write (x), or (x p (q 0.5)) with parameters; x is the sum that enters the unit",
        )
        return None
    parameters: list[tuple[str, Expression | None]] = []
    for item in node.items[1:]:
        has_default = item.is_list and len(item.items) == 2
        parameter = item.items[0] if has_default else item
        if not parameter.is_symbol:
            faults.add(
                f"a parameter is a name or (name default), not {describe(item)}",
                item.span,
                "write p, or (p 0.5) for a parameter with the default 0.5",
            )
            continue
        if parameter.name in ("x", *(p for p, _ in parameters)):
            faults.add(
                f'"{parameter.name}" is listed twice among the variables',
                parameter.span,
                f"rename one of them, such as {parameter.name}2",
            )
            continue
        default = None
        if has_default:
            default = expressions.parse_expression(item.items[1], [p for p, _ in parameters], faults)
        elif any(d is not None for _, d in parameters):
            faults.add(
                f"parameter {parameter.name} has no default, but one before it has",
                parameter.span,
                "put the parameters that must be stated first",
            )
        parameters.append((parameter.name, default))
    return parameters


def _read_expression(rest: list[Node], variables: list[str], form: Node, faults: Faults) -> Expression | None:
    if not rest or rest[0].head == "derivative":
        faults.add("the expression of the nlf is missing", (rest[0] if rest else form).span, f"write {SYNTAX}")
        return None
    return _parse_in_x(rest[0], variables, faults)


def _read_derivative(node: Node, variables: list[str], faults: Faults) -> Expression | None:
    if node.head != "derivative":
        faults.add(
            f"only (derivative EXPR) may follow the expression, not {describe(node)}", node.span, f"write {SYNTAX}"
        )
        return None
    args = read_arguments(node, 1, 1, "(derivative EXPR)", faults)
    return None if args is None else expressions.parse_expression(args[0], variables, faults)


def _parse_in_x(node: Node, variables: list[str], faults: Faults) -> Expression | None:
    """Return the expression in a node; None after a fault, also if it does not depend on x."""
    f = expressions.parse_expression(node, variables, faults)
    if f is not None and "x" not in f.variables():
        faults.add(
            "this expression does not depend on x", node.span, "use x, the sum that enters the unit, as in (tanh x)"
        )
        return None
    return f


def read_nlf(option: Node, shelf: Shelf[NlfDefinition], faults: Faults) -> Nlf | None:
    """Return the nlf of `(nlf NAME NUM ...)` or `(nlf EXPR)`; None after faults."""
    args = read_arguments(option, 1, None, "(nlf NAME NUM ...) or (nlf EXPR)", faults)
    if args is None:
        return None
    if args[0].is_list or args[0].is_number or (args[0].is_symbol and args[0].name == "x"):
        if len(args) > 1:
            faults.add(
                "(nlf EXPR) takes one expression and nothing else", args[1].span, "write one expression: (nlf (tanh x))"
            )
            return None
        f = _parse_in_x(args[0], ["x"], faults)
        if f is None:
            return None
        df = differentiate(f, "x")
        return Nlf(to_text(f), f, df, differentiate(df, "x"))
    name = read_name(args[0], "an nlf", faults)
    if name is None:
        return None
    numbers = [read_number(node, f"a parameter of nlf {name}", faults) for node in args[1:]]
    entry = shelf.entry(name)
    if entry is None:
        faults.silent = faults.silent or shelf.is_broken(name)
        if not shelf.is_broken(name):
            faults.add(f'unknown nlf "{name}"', args[0].span, partial(shelf.suggest, name))
        return None
    values = all_or_none(numbers)
    return None if values is None else entry.value.make(values, option.span, faults)
