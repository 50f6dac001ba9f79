"""Read and set fields of units and weights layer by layer: `state`, `weight` and similar words.

See docs/reference/sn28.md, section 3.14.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import number
from snsim.language.forms import NIL, Form, Pair, Symbol
from snsim.language.procedures import ABSENT, CallError
from snsim.runtime.vocabulary import special_word, word
from snsim.sn28.net.adjacency import Units
from snsim.sn28.net.connections import all_connections
from snsim.sn28.net.fields import read_units, write_units
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import BACKSUM, GGRAD, GRAD, SIGMA, SPARE1, SPARE2, SPARE3, SQBACKSUM, SUM, VAL, Netspace

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

# Fields of units


def layer_units(interpreter: Interpreter, caller: str, layer: Form) -> Units:
    """Return the units of a layer, or all units if `layer` is ABSENT."""
    space = interpreter.part(Netspace)
    return space.all_units if layer is ABSENT else space.units(layer, caller)


def field_values(interpreter: Interpreter, caller: str, field_number: int, layer: Form = ABSENT) -> list[float]:
    """Return the values of a field for the units of a layer, or for all units if `layer` is ABSENT."""
    units = layer_units(interpreter, caller, layer)
    values: list[float] = read_units(interpreter.part(Netspace), field_number, units).astype(float).tolist()
    return values


def set_field(interpreter: Interpreter, caller: str, field_number: int, value: Form, layer: Form = ABSENT) -> None:
    """Set a field of the units of a layer to a number or a list of numbers; without a layer, of all but the bias."""
    space = interpreter.part(Netspace)
    units = Units(space.all_units.array[1:]) if layer is ABSENT else layer_units(interpreter, caller, layer)
    if isinstance(value, float):
        write_units(space, field_number, units, value)
        return
    values = [number(caller, x, None) for x in interpreter.elements(value, caller)]
    if len(values) != units.count:
        raise CallError(
            f"{caller}: {len(values)} values for {units.count} units",
            None,
            f"write {units.count} values, or one number for all",
        )
    write_units(space, field_number, units, np.array(values))


def read_or_set_field(interpreter: Interpreter, name: str, field_number: int, arguments: tuple[Form, ...]) -> Form:
    """Read or set a field like `state`: () and (layer) read, (x), (layer x) and (layer list) set."""
    if len(arguments) > 2:
        raise CallError(
            f"{name} takes at most 2 arguments; {len(arguments)} given",
            None,
            f"write ({name} layer) or ({name} layer x)",
        )
    if arguments and (len(arguments) == 2 or isinstance(arguments[0], float)):
        set_field(interpreter, name, field_number, arguments[-1], *arguments[:-1])
        return arguments[-1]
    return interpreter.new_list(field_values(interpreter, name, field_number, *arguments), name)


@word("mapncar")
def mapncar(interpreter: Interpreter, function: Form, arguments: Form) -> Form:
    """(mapncar f args): reads or sets a field of units as (state . args) does, by the function f

    For each unit, (f unit) reads the field and (f unit x) sets it, as nval does.
    """
    items = interpreter.elements(arguments, "mapncar")
    if len(items) > 2:
        raise CallError(
            f"mapncar: the list has {len(items)} arguments; at most 2 are allowed",
            1,
            "write (mapncar f (list layer x))",
        )
    if not items or (len(items) == 1 and not isinstance(items[0], float)):
        units = layer_units(interpreter, "mapncar", items[0] if items else ABSENT).array.tolist()
        return interpreter.new_list([interpreter.apply(function, [float(u)]) for u in units], "mapncar")
    value = items[-1]
    units_but_bias = interpreter.part(Netspace).all_units.array[1:]
    units = (units_but_bias if len(items) == 1 else layer_units(interpreter, "mapncar", items[0]).array).tolist()
    values = interpreter.elements(value, "mapncar") if isinstance(value, Pair) else [value] * len(units)
    if len(values) != len(units):
        raise CallError(
            f"mapncar: {len(values)} values for {len(units)} units",
            1,
            f"write {len(units)} values, or a layer of {len(values)} units",
        )
    for unit, x in zip(units, values):
        interpreter.apply(function, [float(unit), x])
    return value


_FIELDS: tuple[tuple[str, int, tuple[str, ...], str], ...] = (
    ("state", VAL, (), "states"),
    ("weighted-sum", SUM, (), "weighted sums"),
    ("gradient", GRAD, (), "gradients"),
    ("back-sum", BACKSUM, (), "back-propagated sums"),
    ("sqback-sum", SQBACKSUM, ("newton",), "second derivatives by the states"),
    ("ggradient", GGRAD, ("newton",), "second derivatives by the weighted sums"),
    ("sigma", SIGMA, ("newton",), "running curvatures"),
    ("spare-field", SPARE1, (), "first spare fields"),
    ("spare1-field", SPARE1, (), "first spare fields"),
    ("spare2-field", SPARE2, (), "second spare fields"),
    ("spare3-field", SPARE3, (), "third spare fields"),
)


def _add_access(name: str, field_number: int, modes: tuple[str, ...], meaning: str) -> None:
    def read_or_set(interpreter: Interpreter, *arguments: Form) -> Form:
        return read_or_set_field(interpreter, name, field_number, arguments)

    read_or_set.__doc__ = (
        f"({name} [layer] [x]): a list of the {meaning} of a layer, or of all units; a number or list x sets them"
    )
    net_word(name, *modes)(read_or_set)


for _field in _FIELDS:
    _add_access(*_field)


# Weights of a unit


def connections_into(net: Netspace, unit: int) -> np.ndarray:
    """Return the positions in `net.incoming` of the connections into a unit, oldest first."""
    stored = net.incoming.slice_of(unit)
    return np.arange(stored.stop - 1, stored.start - 1, -1)


@word("weight")
def weight(interpreter: Interpreter, unit: Form, layer: Form = ABSENT) -> Form:
    """(weight u [layer]): a list of the weights into unit u, oldest first; with a layer, only those from its units

    With a layer, the order is that of its units, and () stands for a unit that does not feed u.
    """
    return _weight_values(interpreter, "weight", "weight_val", unit, layer)


@word("deltaw")
def deltaw(interpreter: Interpreter, unit: Form, layer: Form = ABSENT) -> Form:
    """(deltaw u [layer]): a list of the last changes of the weights into unit u, in the order of weight"""
    return _weight_values(interpreter, "deltaw", "delta", unit, layer)


@word("set-weight")
def set_weight(interpreter: Interpreter, unit: Form, values: Form) -> Form:
    """(set-weight u list): sets the weights into unit u to the numbers of the list, oldest first"""
    return _set_weights(interpreter, "set-weight", "weight_val", unit, values)


@word("set-deltaw")
def set_deltaw(interpreter: Interpreter, unit: Form, values: Form) -> Form:
    """(set-deltaw u list): sets the last changes of the weights into unit u to the numbers of the list, oldest first"""
    return _set_weights(interpreter, "set-deltaw", "delta", unit, values)


def _weight_values(interpreter: Interpreter, caller: str, attribute: str, unit: Form, layer: Form) -> Form:
    net = interpreter.part(Netspace)
    target, values = net.number(unit, caller, 0), getattr(net, attribute).array
    if layer is ABSENT:
        numbers = net.incoming.weight.array[connections_into(net, target)]
        return interpreter.new_list(values[numbers].astype(float).tolist(), caller)
    connections = [net.connection_numbers.get((source, target)) for source in net.units(layer, caller).array.tolist()]
    return interpreter.new_list(
        [NIL if connection is None else float(values[net.weight.array[connection]]) for connection in connections],
        caller,
    )


def _set_weights(interpreter: Interpreter, caller: str, attribute: str, unit: Form, values: Form) -> Form:
    net = interpreter.part(Netspace)
    target = net.number(unit, caller, 0)
    numbers = net.incoming.weight.array[connections_into(net, target)]
    items = [number(caller, x, 1) for x in interpreter.elements(values, caller)]
    if len(items) != len(numbers):
        raise CallError(
            f"{caller}: {len(items)} values for the {len(numbers)} connections into unit {target}",
            1,
            f"write {len(numbers)} values, including one for the bias if it is connected",
        )
    getattr(net, attribute).array[numbers] = items
    return values


@word("dump-weights")
def dump_weights(interpreter: Interpreter) -> Form:
    """(dump-weights): a list of one list per unit, the weights into it; rest-weights restores them"""
    net = interpreter.part(Netspace)
    return interpreter.new_list([interpreter.call("weight", float(unit)) for unit in range(net.nnum)], "dump-weights")


@word("rest-weights")
def rest_weights(interpreter: Interpreter, dumped: Form) -> Form:
    """(rest-weights list): sets all weights to those in a list that dump-weights returned"""
    net = interpreter.part(Netspace)
    lists = interpreter.elements(dumped, "rest-weights")
    if len(lists) != net.nnum:
        raise CallError(
            f"rest-weights: the list has weights of {len(lists)} units but the net has {net.nnum}",
            0,
            "write a list that (dump-weights) returned for this net",
        )
    for unit, values in enumerate(lists):
        interpreter.call("set-weight", float(unit), values)
    return dumped


# Loops


@special_word("all-neuron")
def all_neuron(interpreter: Interpreter, form: Pair) -> Form:
    """(all-neuron (i) form...): evaluates the forms for each unit i, 0 (the bias) first; returns the last value"""
    units = [(float(unit),) for unit in range(interpreter.part(Netspace).nnum)]
    return _evaluate_loop(interpreter, form, "(all-neuron (i) form...)", 1, units)


@special_word("all-synapse")
def all_synapse(interpreter: Interpreter, form: Pair) -> Form:
    """(all-synapse (i j) form...): evaluates the forms for each connection from unit i to unit j

    The order is by j, and then from the oldest to the newest connection.
    """
    net = interpreter.part(Netspace)
    connections = all_connections(net)
    ends = zip(net.pre.array[connections].astype(float).tolist(), net.post.array[connections].astype(float).tolist())
    return _evaluate_loop(interpreter, form, "(all-synapse (i j) form...)", 2, list(ends))


def _evaluate_loop(
    interpreter: Interpreter, form: Pair, syntax: str, count: int, rounds: Sequence[tuple[float, ...]]
) -> Form:
    """Evaluate the body once for each tuple of numbers, with the variables bound to them; return the last value."""
    head = form.cdr
    names = list(head.car) if isinstance(head, Pair) and isinstance(head.car, Pair) else []
    if len(names) != count or not all(isinstance(name, Symbol) for name in names):
        raise CallError(
            f"{form.car}: the first argument is not a list of {count} name{'s' if count > 1 else ''}",
            0,
            f"write {syntax}",
        )
    bindings = [interpreter.bind(name, NIL) for name in names]
    value: Form = NIL
    try:
        for numbers in rounds:
            interpreter.step()
            for binding, x in zip(bindings, numbers):
                binding[-1] = x
            value = interpreter.body(head.cdr)
    finally:
        for name in names:
            interpreter.unbind(name)
    return value
