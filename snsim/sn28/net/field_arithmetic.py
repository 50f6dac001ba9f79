"""Arithmetic on fields of the units of a layer, and of all connections into a layer.

See docs/reference/sn28.md, section 3.2.

Units are processed in the order of the layer, their connections newest first. Each product and sum is rounded to
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


class _UnitFields:
    """Fields of the units of a layer."""

    def __init__(self, interpreter: Interpreter, caller: str, layer: Form):
        self.space, self.caller = interpreter.part(Netspace), caller
        self.units = self.space.units(layer, caller)

    def field(self, field: Form, argument: int) -> int:
        return field_number(self.space, field, self.caller, False, argument)

    def compute(self, target: int, sources: list[int], values: Values) -> np.ndarray:
        """Set a field to a function of other fields, and return its new values, shape (units,)."""
        values_set = values([read_units(self.space, source, self.units) for source in sources])
        write_units(self.space, target, self.units, values_set)
        return values_set


class _ConnectionFields:
    """Fields of the connections into a layer."""

    def __init__(self, interpreter: Interpreter, caller: str, layer: Form):
        self.space, self.caller = interpreter.part(Netspace), caller
        edges = self.space.incoming
        self.connections = edges.connection.array[edges.positions(self.space.units(layer, caller).array)]
        interpreter.budget.compute(len(self.connections))

    def field(self, field: Form, argument: int) -> int:
        return field_number(self.space, field, self.caller, True, argument)

    def compute(self, target: int, sources: list[int], values: Values) -> np.ndarray:
        """Set a field to a function of other fields, and return its new values, shape (connections,).

        A weight that several connections share is computed once for each of them, in order.
        """
        array, at = link_index(self.space, target, self.connections)
        if target not in sources or len(np.unique(at)) == len(at):
            array[at] = values_set = values([_read(self.space, source, self.connections) for source in sources])
            return values_set
        self.space.interpreter.budget.step(len(at))
        results = []
        for k, connection in enumerate(self.connections):
            results.append(values([_read(self.space, source, connection[None]) for source in sources])[0])
            array[at[k]] = results[-1]
        return np.array(results, _F)


def _read(space: Netspace, field: int, connections: np.ndarray) -> np.ndarray:
    array, at = link_index(space, field, connections)
    values: np.ndarray = array[at]
    return values


_FieldSet = type[_UnitFields] | type[_ConnectionFields]


def _set(interpreter: Interpreter, caller: str, field_set: _FieldSet, layer: Form, field: Form, value: Form) -> Form:
    fields, x = field_set(interpreter, caller, layer), number(caller, value, 2)
    target = fields.field(field, 1)
    fields.compute(target, [target], lambda old: np.full(len(old[0]), x, _F))
    return NIL


def _op(interpreter: Interpreter, caller: str, field_set: _FieldSet, layer: Form, operands: tuple[Form, ...]) -> Form:
    fields = field_set(interpreter, caller, layer)
    target, first, a = fields.field(operands[0], 1), fields.field(operands[1], 2), _F(number(caller, operands[2], 3))
    if operands[3] is ABSENT:
        fields.compute(target, [first], lambda x: a * x[0])
        return NIL
    if operands[4] is ABSENT:
        raise CallError(
            f"{caller}: the factor c3 of the second field is missing", None, f"write ({caller} layer f1 f2 c2 f3 c3)"
        )
    second, b = fields.field(operands[3], 4), _F(number(caller, operands[4], 5))
    fields.compute(target, [first, second], lambda x: a * x[0] + b * x[1])
    return NIL


def _mul(
    interpreter: Interpreter, caller: str, field_set: _FieldSet, layer: Form, operands: tuple[Form, Form, Form]
) -> float:
    fields = field_set(interpreter, caller, layer)
    target, first, second = (fields.field(field, i) for i, field in enumerate(operands, 1))
    return float(in_order(fields.compute(target, [first, second], lambda x: x[0] * x[1])))


def _invert(
    interpreter: Interpreter, caller: str, field_set: _FieldSet, layer: Form, f1: Form, f2: Form, c: Form
) -> float:
    fields, top = field_set(interpreter, caller, layer), _F(number(caller, c, 3))
    return float(in_order(fields.compute(fields.field(f1, 1), [fields.field(f2, 2)], lambda x: top / x[0])))


@net_word("set-nfield")
def set_nfield(interpreter: Interpreter, layer: Form, field: Form, value: Form) -> Form:
    """(set-nfield layer f x): sets field f of every unit of the layer to x"""
    return _set(interpreter, "set-nfield", _UnitFields, layer, field, value)


@net_word("copy-nfield")
def copy_nfield(interpreter: Interpreter, layer: Form, field: Form, second: Form, third: Form = ABSENT) -> Form:
    """(copy-nfield layer f1 [layer2] f2): sets field f1 of the layer's units to field f2 of those of layer2

    By default layer2 is the layer.
    """
    space = interpreter.part(Netspace)
    target = space.units(layer, "copy-nfield")
    source = target if third is ABSENT else space.units(second, "copy-nfield")
    at = field_number(space, second if third is ABSENT else third, "copy-nfield", argument=2 + (third is not ABSENT))
    if target.count != source.count:
        raise CallError(
            f"copy-nfield: the layers have {target.count} and {source.count} units",
            None,
            f"write two layers of equal size, such as {source.count} units",
        )
    write_units(
        space, field_number(space, field, "copy-nfield", argument=1), target, read_units(space, at, source).copy()
    )
    return NIL


@net_word("op-nfield")
def op_nfield(
    interpreter: Interpreter, layer: Form, f1: Form, f2: Form, c2: Form, f3: Form = ABSENT, c3: Form = ABSENT
) -> Form:
    """(op-nfield layer f1 f2 c2 [f3 c3]): sets field f1 to c2 f2 + c3 f3 for every unit of the layer"""
    return _op(interpreter, "op-nfield", _UnitFields, layer, (f1, f2, c2, f3, c3))


@net_word("mul-nfield")
def mul_nfield(interpreter: Interpreter, layer: Form, f1: Form, f2: Form, f3: Form) -> float:
    """(mul-nfield layer f1 f2 f3): sets field f1 to the product f2 f3 for every unit; returns the sum of f1"""
    return _mul(interpreter, "mul-nfield", _UnitFields, layer, (f1, f2, f3))


@net_word("invert-nfield")
def invert_nfield(interpreter: Interpreter, layer: Form, f1: Form, f2: Form, c: Form) -> float:
    """(invert-nfield layer f1 f2 c): sets field f1 to c / f2 for every unit of the layer; returns the sum of f1"""
    return _invert(interpreter, "invert-nfield", _UnitFields, layer, f1, f2, c)


@net_word("set-sfield")
def set_sfield(interpreter: Interpreter, layer: Form, field: Form, value: Form) -> Form:
    """(set-sfield layer f x): sets field f of every connection into the layer to x"""
    return _set(interpreter, "set-sfield", _ConnectionFields, layer, field, value)


@net_word("copy-sfield")
def copy_sfield(interpreter: Interpreter, layer: Form, field: Form, second: Form, third: Form = ABSENT) -> Form:
    """(copy-sfield layer f1 [layer2] f2): sets field f1 of the connections into the layer to f2 of those into layer2

    By default layer2 is the layer.
    """
    target = _ConnectionFields(interpreter, "copy-sfield", layer)
    source = target if third is ABSENT else _ConnectionFields(interpreter, "copy-sfield", second)
    if len(target.connections) != len(source.connections):
        raise CallError(
            f"copy-sfield: {len(target.connections)} and {len(source.connections)} connections enter the two layers",
            None,
            "write two layers with equal numbers of incoming connections",
        )
    at = source.field(second if third is ABSENT else third, 2 + (third is not ABSENT))
    array, places = link_index(target.space, target.field(field, 1), target.connections)
    array[places] = _read(target.space, at, source.connections)
    return NIL


@net_word("op-sfield")
def op_sfield(
    interpreter: Interpreter, layer: Form, f1: Form, f2: Form, c2: Form, f3: Form = ABSENT, c3: Form = ABSENT
) -> Form:
    """(op-sfield layer f1 f2 c2 [f3 c3]): sets field f1 to c2 f2 + c3 f3 for every connection into the layer"""
    return _op(interpreter, "op-sfield", _ConnectionFields, layer, (f1, f2, c2, f3, c3))


@net_word("mul-sfield")
def mul_sfield(interpreter: Interpreter, layer: Form, f1: Form, f2: Form, f3: Form) -> float:
    """(mul-sfield layer f1 f2 f3): sets f1 to f2 f3 for every connection into the layer; returns the sum of f1"""
    return _mul(interpreter, "mul-sfield", _ConnectionFields, layer, (f1, f2, f3))


@net_word("invert-sfield")
def invert_sfield(interpreter: Interpreter, layer: Form, f1: Form, f2: Form, c: Form) -> float:
    """(invert-sfield layer f1 f2 c): sets f1 to c / f2 for every connection into the layer; returns the sum of f1"""
    return _invert(interpreter, "invert-sfield", _ConnectionFields, layer, f1, f2, c)


# From units to connections


def _from_predecessors(interpreter: Interpreter, caller: str, unit: Form, sf: Form, nf: Form, accumulate: bool) -> Form:
    fields = _ConnectionFields(interpreter, caller, unit)
    target, source = fields.field(sf, 1), field_number(fields.space, nf, caller, argument=2)
    values = read_units(fields.space, source, Units(fields.space.pre.array[fields.connections]))
    array, at = link_index(fields.space, target, fields.connections)
    if accumulate:
        np.add.at(array, at, values)
    else:
        array[at] = values
    return NIL


@net_word("set-swn")
def set_swn(interpreter: Interpreter, unit: Form, sf: Form, nf: Form) -> Form:
    """(set-swn unit sf nf): sets field sf of every connection into the unit to field nf of its source unit"""
    return _from_predecessors(interpreter, "set-swn", unit, sf, nf, False)


@net_word("acc-swn")
def acc_swn(interpreter: Interpreter, unit: Form, sf: Form, nf: Form) -> Form:
    """(acc-swn unit sf nf): adds to field sf of every connection into the unit the field nf of its source unit"""
    return _from_predecessors(interpreter, "acc-swn", unit, sf, nf, True)


def _mean_square(interpreter: Interpreter, caller: str, field: int, layers: tuple[Form, ...]) -> float:
    space = interpreter.part(Netspace)
    edges = space.incoming
    units = np.concatenate([space.units(layer, caller).array for layer in layers])
    at = edges.positions(units)
    if not len(at):
        raise CallError(
            f"{caller}: these units have no incoming connections", None, "connect them first: (connect pre post)"
        )
    values = link_array(space, field)[0][edges.weight.array[at]]
    return float(in_order(values * values) / _F(len(at)))


@net_word("mean-sqr-weight")
def mean_sqr_weight(interpreter: Interpreter, layer: Form, *layers: Form) -> float:
    """(mean-sqr-weight unit...): the mean square of the weights of all connections into the units"""
    return _mean_square(interpreter, "mean-sqr-weight", 1, (layer, *layers))


@net_word("mean-sqr-delta")
def mean_sqr_delta(interpreter: Interpreter, layer: Form, *layers: Form) -> float:
    """(mean-sqr-delta unit...): the mean square of the last changes of the weights into the units"""
    return _mean_square(interpreter, "mean-sqr-delta", 2, (layer, *layers))
