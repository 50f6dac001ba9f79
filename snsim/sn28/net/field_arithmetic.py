"""Arithmetic on fields of whole layers, and of all connections that enter a layer.

See docs/reference/sn28.md, section 3.2.

A layer's units are taken in their order, their connections newest first. A product and a sum are each rounded to
single precision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import number
from snsim.language.forms import NIL, Form
from snsim.language.procedures import ABSENT, CallError
from snsim.sn28.net.adjacency import Units
from snsim.sn28.net.fields import field_number, link_array, link_index, read_units, write_units
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import Netspace
from snsim.sn28.net.numpy_sums import in_order

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_F = np.float32
Values = Callable[[list[np.ndarray]], np.ndarray]


class _OfUnits:
    """The units of a layer, for a word that computes fields from fields."""

    def __init__(self, interpreter: Interpreter, who: str, layer: Form):
        self.space, self.who = interpreter.part(Netspace), who
        self.units = self.space.units(layer, who)

    def field(self, given: Form, argument: int) -> int:
        return field_number(self.space, given, self.who, False, argument)

    def compute(self, target: int, sources: list[int], values: Values) -> np.ndarray:
        """Set a field from others; what was set."""
        made = values([read_units(self.space, source, self.units) for source in sources])
        write_units(self.space, target, self.units, made)
        return made


class _OfLinks:
    """The connections that enter a layer."""

    def __init__(self, interpreter: Interpreter, who: str, layer: Form):
        self.space, self.who = interpreter.part(Netspace), who
        edges = self.space.incoming
        self.connections = edges.connection.array[edges.places(self.space.units(layer, who).array)]
        interpreter.budget.compute(len(self.connections))

    def field(self, given: Form, argument: int) -> int:
        return field_number(self.space, given, self.who, True, argument)

    def compute(self, target: int, sources: list[int], values: Values) -> np.ndarray:
        """As for units. A weight that several connections share is computed once for each of them, one after the
        other.
        """
        array, at = link_index(self.space, target, self.connections)
        if target not in sources or len(np.unique(at)) == len(at):
            array[at] = made = values([_take(self.space, source, self.connections) for source in sources])
            return made
        self.space.interpreter.budget.step(len(at))
        each = []
        for k, connection in enumerate(self.connections):
            each.append(values([_take(self.space, source, connection[None]) for source in sources])[0])
            array[at[k]] = each[-1]
        return np.array(each, _F)


def _take(space: Netspace, field: int, connections: np.ndarray) -> np.ndarray:
    array, at = link_index(space, field, connections)
    taken: np.ndarray = array[at]
    return taken


_Side = type[_OfUnits] | type[_OfLinks]


def _set(interpreter: Interpreter, who: str, side: _Side, layer: Form, field: Form, value: Form) -> Form:
    on, x = side(interpreter, who, layer), number(who, value, 2)
    target = on.field(field, 1)
    on.compute(target, [target], lambda old: np.full(len(old[0]), x, _F))
    return NIL


def _op(interpreter: Interpreter, who: str, side: _Side, layer: Form, given: tuple[Form, ...]) -> Form:
    on = side(interpreter, who, layer)
    target, first, a = on.field(given[0], 1), on.field(given[1], 2), _F(number(who, given[2], 3))
    if given[3] is ABSENT:
        on.compute(target, [first], lambda x: a * x[0])
        return NIL
    if given[4] is ABSENT:
        raise CallError(
            f"{who}: the factor of the second field is missing", None, f"write ({who} layer f1 f2 c2 f3 c3)"
        )
    second, b = on.field(given[3], 4), _F(number(who, given[4], 5))
    on.compute(target, [first, second], lambda x: a * x[0] + b * x[1])
    return NIL


def _mul(interpreter: Interpreter, who: str, side: _Side, layer: Form, fields: tuple[Form, Form, Form]) -> float:
    on = side(interpreter, who, layer)
    target, first, second = (on.field(field, i) for i, field in enumerate(fields, 1))
    return float(in_order(on.compute(target, [first, second], lambda x: x[0] * x[1])))


def _invert(interpreter: Interpreter, who: str, side: _Side, layer: Form, f1: Form, f2: Form, c: Form) -> float:
    on, top = side(interpreter, who, layer), _F(number(who, c, 3))
    return float(in_order(on.compute(on.field(f1, 1), [on.field(f2, 2)], lambda x: top / x[0])))


@net_word("set-nfield")
def set_nfield(interpreter: Interpreter, layer: Form, field: Form, value: Form) -> Form:
    """(set-nfield layer f x): the field f of every unit becomes x"""
    return _set(interpreter, "set-nfield", _OfUnits, layer, field, value)


@net_word("copy-nfield")
def copy_nfield(interpreter: Interpreter, layer: Form, field: Form, second: Form, third: Form = ABSENT) -> Form:
    """(copy-nfield layer f1 [layer2] f2): f1 of the units becomes f2 of theirs, or of those of layer2"""
    space = interpreter.part(Netspace)
    to = space.units(layer, "copy-nfield")
    source = to if third is ABSENT else space.units(second, "copy-nfield")
    at = field_number(space, second if third is ABSENT else third, "copy-nfield", argument=2 + (third is not ABSENT))
    if to.count != source.count:
        raise CallError(
            f"copy-nfield: the layers have {to.count} and {source.count} units",
            None,
            f"give two layers of equal length, such as {source.count} units",
        )
    write_units(space, field_number(space, field, "copy-nfield", argument=1), to, read_units(space, at, source).copy())
    return NIL


@net_word("op-nfield")
def op_nfield(
    interpreter: Interpreter, layer: Form, f1: Form, f2: Form, c2: Form, f3: Form = ABSENT, c3: Form = ABSENT
) -> Form:
    """(op-nfield layer f1 f2 c2 [f3 c3]): f1 = c2 f2 + c3 f3 for every unit"""
    return _op(interpreter, "op-nfield", _OfUnits, layer, (f1, f2, c2, f3, c3))


@net_word("mul-nfield")
def mul_nfield(interpreter: Interpreter, layer: Form, f1: Form, f2: Form, f3: Form) -> float:
    """(mul-nfield layer f1 f2 f3): f1 = f2 f3 for every unit; gives their sum"""
    return _mul(interpreter, "mul-nfield", _OfUnits, layer, (f1, f2, f3))


@net_word("invert-nfield")
def invert_nfield(interpreter: Interpreter, layer: Form, f1: Form, f2: Form, c: Form) -> float:
    """(invert-nfield layer f1 f2 c): f1 = c / f2 for every unit; gives their sum"""
    return _invert(interpreter, "invert-nfield", _OfUnits, layer, f1, f2, c)


@net_word("set-sfield")
def set_sfield(interpreter: Interpreter, layer: Form, field: Form, value: Form) -> Form:
    """(set-sfield layer f x): the field f of every connection that enters the layer becomes x"""
    return _set(interpreter, "set-sfield", _OfLinks, layer, field, value)


@net_word("copy-sfield")
def copy_sfield(interpreter: Interpreter, layer: Form, field: Form, second: Form, third: Form = ABSENT) -> Form:
    """(copy-sfield layer f1 [layer2] f2): f1 of the connections becomes f2 of theirs, or of those into layer2"""
    to = _OfLinks(interpreter, "copy-sfield", layer)
    source = to if third is ABSENT else _OfLinks(interpreter, "copy-sfield", second)
    if len(to.connections) != len(source.connections):
        raise CallError(
            f"copy-sfield: {len(to.connections)} connections enter the one layer and "
            f"{len(source.connections)} the other",
            None,
            "give two layers into which equally many connections lead",
        )
    at = source.field(second if third is ABSENT else third, 2 + (third is not ABSENT))
    array, places = link_index(to.space, to.field(field, 1), to.connections)
    array[places] = _take(to.space, at, source.connections)
    return NIL


@net_word("op-sfield")
def op_sfield(
    interpreter: Interpreter, layer: Form, f1: Form, f2: Form, c2: Form, f3: Form = ABSENT, c3: Form = ABSENT
) -> Form:
    """(op-sfield layer f1 f2 c2 [f3 c3]): f1 = c2 f2 + c3 f3 for every connection that enters the layer"""
    return _op(interpreter, "op-sfield", _OfLinks, layer, (f1, f2, c2, f3, c3))


@net_word("mul-sfield")
def mul_sfield(interpreter: Interpreter, layer: Form, f1: Form, f2: Form, f3: Form) -> float:
    """(mul-sfield layer f1 f2 f3): f1 = f2 f3 for every connection that enters the layer; gives their sum"""
    return _mul(interpreter, "mul-sfield", _OfLinks, layer, (f1, f2, f3))


@net_word("invert-sfield")
def invert_sfield(interpreter: Interpreter, layer: Form, f1: Form, f2: Form, c: Form) -> float:
    """(invert-sfield layer f1 f2 c): f1 = c / f2 for every connection that enters the layer; gives their sum"""
    return _invert(interpreter, "invert-sfield", _OfLinks, layer, f1, f2, c)


# From units to connections


def _from_predecessors(interpreter: Interpreter, who: str, unit: Form, sf: Form, nf: Form, adding: bool) -> Form:
    on = _OfLinks(interpreter, who, unit)
    target, source = on.field(sf, 1), field_number(on.space, nf, who, argument=2)
    values = read_units(on.space, source, Units(on.space.pre.array[on.connections]))
    array, at = link_index(on.space, target, on.connections)
    if adding:
        np.add.at(array, at, values)
    else:
        array[at] = values
    return NIL


@net_word("set-swn")
def set_swn(interpreter: Interpreter, unit: Form, sf: Form, nf: Form) -> Form:
    """(set-swn unit sf nf): the field sf of every connection that enters the unit becomes nf of the unit it leaves"""
    return _from_predecessors(interpreter, "set-swn", unit, sf, nf, False)


@net_word("acc-swn")
def acc_swn(interpreter: Interpreter, unit: Form, sf: Form, nf: Form) -> Form:
    """(acc-swn unit sf nf): nf of the unit that each connection leaves is added to the field sf of the connection"""
    return _from_predecessors(interpreter, "acc-swn", unit, sf, nf, True)


def _mean_square(interpreter: Interpreter, who: str, field: int, layers: tuple[Form, ...]) -> float:
    space = interpreter.part(Netspace)
    edges = space.incoming
    units = np.concatenate([space.units(layer, who).array for layer in layers])
    at = edges.places(units)
    if not len(at):
        raise CallError(f"{who}: no connection enters these units", None, "connect them first: (connect pre post)")
    values = link_array(space, field)[0][edges.weight.array[at]]
    return float(in_order(values * values) / _F(len(at)))


@net_word("mean-sqr-weight")
def mean_sqr_weight(interpreter: Interpreter, layer: Form, *layers: Form) -> float:
    """(mean-sqr-weight unit...): the mean square of the weights of all connections that enter the units"""
    return _mean_square(interpreter, "mean-sqr-weight", 1, (layer, *layers))


@net_word("mean-sqr-delta")
def mean_sqr_delta(interpreter: Interpreter, layer: Form, *layers: Form) -> float:
    """(mean-sqr-delta unit...): the mean square of the last changes of these weights"""
    return _mean_square(interpreter, "mean-sqr-delta", 2, (layer, *layers))
