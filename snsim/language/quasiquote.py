"""Evaluate backquotes and commas, and turn a declarative call into data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from snsim.errors import Fault, SnError, Span, fail
from snsim.language.forms import BACKQUOTE, NIL, QUOTE, SPLICE, UNQUOTE, Form, Node, Pair, Symbol, as_matrix
from snsim.language.hidden_characters import refuse_hidden
from snsim.language.limits import LimitError, exceeded

_SHALLOWER = "is it a circular list? Build the inner parts first, and insert them with a comma: ,part"

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


_FILE_CLAUSES = frozenset({"include", "initial", "patterns"})  # their texts are paths: shown escaped, not refused


@dataclass(frozen=True, slots=True)
class QuoteContext:
    """What the signs ' ` , around a form allow: `level` backquotes are open, `quoted` if a quote is outside them."""

    level: int = 0
    quoted: bool = False

    def inside(self, prefix: Symbol) -> QuoteContext:
        """Return the context of the form after one of the four signs (or any other prefix)."""
        if prefix is BACKQUOTE:
            return QuoteContext(self.level + 1, self.quoted)
        if prefix is UNQUOTE or prefix is SPLICE:
            return QuoteContext(max(self.level - 1, 0), self.quoted)
        if prefix is QUOTE and self.level == 0:
            return QuoteContext(0, True)
        return self

    @property
    def allows_comma(self) -> bool:
        return self.level > 0 or not self.quoted


def argument_of(form: Form, *heads: Symbol) -> Pair | None:
    """Return the cell that holds e if the form is the two-element list (head e), else None."""
    if not isinstance(form, Pair) or not isinstance(form.car, Symbol) or form.car not in heads:
        return None
    return form.cdr if isinstance(form.cdr, Pair) and form.cdr.cdr is NIL else None


def backquote(interpreter: Interpreter, template: Form, place: Span | None, level: int = 1, depth: int = 0) -> Form:
    """Build the form of a backquote: compute commas of its own level, keep those of inner backquotes."""
    if not isinstance(template, Pair):
        return template
    interpreter.step()
    if depth > interpreter.limits.nesting:
        raise exceeded("the template of ` is nested too deeply", interpreter.limits.nesting, place, _SHALLOWER)
    if (inner := argument_of(template, UNQUOTE)) is not None and level == 1:
        return interpreter.evaluate(inner.car, inner.at)
    if argument_of(template, SPLICE) is not None and level == 1:
        raise fail(",@ is allowed inside a list only", template.span or place, hint="write ,e")
    items: list[Form] = []
    places: list[Span | None] = []
    cell: Form = template
    inner_level = level + (template.car is BACKQUOTE) - (template.car is UNQUOTE or template.car is SPLICE)
    while isinstance(cell, Pair):
        if cell is not template and argument_of(cell, UNQUOTE) is not None and level == 1:
            break  # (a . ,b) is read as (a unquote b)
        at = cell.at or place
        spliced = argument_of(cell.car, SPLICE) if level == 1 else None
        if spliced is not None:
            values = interpreter.elements(interpreter.evaluate(spliced.car, spliced.at), ",@", spliced.at or at)
            items += values
            places += [at] * len(values)
        else:
            items.append(backquote(interpreter, cell.car, at, inner_level, depth + 1))
            places.append(at)
        cell = cell.cdr
    result = backquote(interpreter, cell, place, level, depth + 1) if cell is not NIL else NIL
    interpreter.budget.make_list(len(items), "`")
    for item, at in zip(reversed(items), reversed(places)):
        result = Pair(item, result, at)
    if isinstance(result, Pair):
        result.span = template.span
    return result


def literal(interpreter: Interpreter, call: Pair, place: Span) -> Node:
    """Return a declarative call as data: compute its commas from left to right, and report all faults at once."""
    builder = _NodeBuilder(interpreter)
    node = builder.node(call, call.span or place)
    if builder.faults:
        raise SnError(builder.faults)
    return node


@dataclass
class _NodeBuilder:
    """The conversion of one call to data, with the faults met so far."""

    interpreter: Interpreter
    faults: list[Fault] = field(default_factory=list)
    nodes: int = 0

    def node(self, form: Form, span: Span, depth: int = 0) -> Node:
        """Return a form of the program as a node, its commas computed."""
        self._enter(depth, span)
        if not isinstance(form, Pair):
            return self._data(form, span, depth)
        if (inner := argument_of(form, UNQUOTE)) is not None:
            at = inner.at or span
            return self._data(self._computed(inner, at), at, depth)
        if (inner := argument_of(form, QUOTE, BACKQUOTE)) is not None:
            sign = "quote" if form.car is QUOTE else "backquote"
            self._fault(f"nothing is evaluated here, so the {sign} has no effect", span, "leave it out")
            return self.node(inner.car, inner.at or span, depth + 1)
        span = form.span or span
        items: list[Node] = []
        cell: Form = form
        while isinstance(cell, Pair):
            kind = type(cell.car)
            if kind is float or kind is Symbol or kind is str:  # the common case in a long list, without a call
                self._enter(depth + 1, cell.at or span, 2)
                items.append(Node(cell.car, cell.at or span))
            elif (inner := argument_of(cell.car, SPLICE)) is not None:
                items += self._spliced(inner, inner.at or span, depth + 1)
            else:
                items.append(self.node(cell.car, cell.at or span, depth + 1))
            cell = cell.cdr
        if cell is not NIL:
            self._fault("a dotted list has no meaning here", span, "leave the dot out")
        return self._list(items, span)

    def _spliced(self, inner: Pair, at: Span, depth: int) -> list[Node]:
        values = self._computed(inner, at)
        if values is not NIL and not isinstance(values, Pair):
            self._fault(
                f",@ inserts the elements of a list, and {self.interpreter.describe(values)} is not a list",
                at,
                "insert a single value with , without the @",
            )
            return []
        return [self._data(value, at, depth) for value in self.interpreter.elements(values, ",@", at)]

    def _computed(self, inner: Pair, at: Span) -> Form:
        """Return the value of a comma's expression; on an error or an unset symbol, add a fault and return ()."""
        expression = inner.car
        if isinstance(expression, Symbol) and not self.interpreter.is_set(expression):
            self._fault(f'"{expression.name}" has no value', at, self.interpreter.nearest_variable(expression))
            return NIL
        try:
            return self.interpreter.evaluate(expression, at)
        except LimitError:
            raise
        except SnError as error:
            self.faults += error.faults
            return NIL

    def _data(self, value: Form, span: Span, depth: int) -> Node:
        """Return a value as a node; everything inside it has the same place."""
        self._enter(depth, span)
        value = as_matrix(value)
        if value is NIL:
            return Node((), span)
        if isinstance(value, Pair):
            values = self.interpreter.elements(value, "a comma", span)
            return self._list([self._data(item, span, depth + 1) for item in values], span)
        if isinstance(value, (float, str, Symbol)) or (isinstance(value, np.ndarray) and value.dtype != object):
            return Node(value, span)
        self._fault(
            f"{self.interpreter.describe(value)} is not allowed here",
            span,
            "a comma inserts a number, a name, a string, a list or a matrix",
        )
        return Node((), span)

    def _list(self, items: list[Node], span: Span) -> Node:
        """Return the node of a list, with a fault for each name or text in it that holds a hidden character."""
        node = Node(tuple(items), span)
        takes_files = node.head in _FILE_CLAUSES
        for item in items:
            value = item.value
            text = value.name if isinstance(value, Symbol) else value
            if not isinstance(text, str) or text.isprintable() or (takes_files and text is value):
                continue
            refusal = refuse_hidden(text, "text" if text is value else "name")
            if refusal is not None:
                self._fault(refusal[0], item.span, refusal[1])
        return node

    def _fault(self, message: str, span: Span, hint: str) -> None:
        self.faults.append(Fault(message, span, hint=hint))

    def _enter(self, depth: int, span: Span, parts: int = 1) -> None:
        """Limit the size of the data: a list with shared parts, or a circular one, grows when it is written out."""
        limits = self.interpreter.limits
        self.nodes += parts
        if depth > limits.nesting:
            raise exceeded("the form is nested too deeply", limits.nesting, span, _SHALLOWER)
        if self.nodes > 2 * limits.list_length:
            raise exceeded(
                "the form has too many parts",
                limits.list_length,
                span,
                "is it a circular list? Write the form in parts: (net NAME (like OTHER) ...)",
            )
