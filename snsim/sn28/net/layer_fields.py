"""Fields of units and weights, layer by layer: `state`, `weight` and their kin.

See docs/reference/sn28.md, section 3.14.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import number
from snsim.language.forms import NIL, Form, Pair, Symbol
from snsim.language.procedures import ABSENT, CallError
from snsim.sn28.net.adjacency import Units
from snsim.sn28.net.connections import every_connection
from snsim.sn28.net.fields import read_units, write_units
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import BACKSUM, GGRAD, GRAD, SIGMA, SPARE1, SPARE2, SPARE3, SQBACKSUM, SUM, VAL, Netspace
from snsim.sn28.runtime.vocabulary import special_word, word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

# Fields of units


def layer_units(interpreter: Interpreter, who: str, layer: Form) -> Units:
    """The units of a layer, all if none is given."""
    space = interpreter.part(Netspace)
    return space.everything if layer is ABSENT else space.units(layer, who)


def field(interpreter: Interpreter, who: str, number_of_field: int, layer: Form = ABSENT) -> list[float]:
    """The values of a field of the units of a layer, of all units if none is given."""
    units = layer_units(interpreter, who, layer)
    values: list[float] = read_units(interpreter.part(Netspace), number_of_field, units).astype(float).tolist()
    return values


def set_field(interpreter: Interpreter, who: str, number_of_field: int, value: Form, layer: Form = ABSENT) -> None:
    """Set a field of the units of a layer to a number, or to those of a list; without a layer, of all but the bias."""
    space = interpreter.part(Netspace)
    units = Units(space.everything.array[1:]) if layer is ABSENT else layer_units(interpreter, who, layer)
    if isinstance(value, float):
        write_units(space, number_of_field, units, value)
        return
    values = [number(who, x, None) for x in interpreter.elements(value, who)]
    if len(values) != units.count:
        raise CallError(
            f"{who}: {len(values)} values are given for {units.count} units",
            None,
            f"give {units.count} values, or one number for all",
        )
    write_units(space, number_of_field, units, np.array(values))


def access(interpreter: Interpreter, name: str, number_of_field: int, arguments: tuple[Form, ...]) -> Form:
    """What `state` does for its field: () gives all, (l) a layer's; (x), (l x) and (l list) set."""
    if len(arguments) > 2:
        raise CallError(
            f"{name}: {len(arguments)} arguments are given, at most 2 taken",
            None,
            f"write ({name} layer) or ({name} layer x)",
        )
    if arguments and (len(arguments) == 2 or isinstance(arguments[0], float)):
        set_field(interpreter, name, number_of_field, arguments[-1], *arguments[:-1])
        return arguments[-1]
    return interpreter.new_list(field(interpreter, name, number_of_field, *arguments), name)


@word("mapncar")
def mapncar(interpreter: Interpreter, function: Form, arguments: Form) -> Form:
    """(mapncar f args): what (state . args) does, for a function like nval: (f unit) gives, (f unit x) sets"""
    given = interpreter.elements(arguments, "mapncar")
    if len(given) > 2:
        raise CallError(f"mapncar: {len(given)} arguments are given, at most 2 taken", 1)
    if not given or (len(given) == 1 and not isinstance(given[0], float)):
        units = layer_units(interpreter, "mapncar", given[0] if given else ABSENT).array.tolist()
        return interpreter.new_list([interpreter.apply(function, [float(u)]) for u in units], "mapncar")
    value = given[-1]
    everything = interpreter.part(Netspace).everything.array[1:]
    units = (everything if len(given) == 1 else layer_units(interpreter, "mapncar", given[0]).array).tolist()
    values = interpreter.elements(value, "mapncar") if isinstance(value, Pair) else [value] * len(units)
    if len(values) != len(units):
        raise CallError(
            f"mapncar: {len(values)} values are given for {len(units)} units",
            1,
            f"give {len(units)} values, or a layer of {len(values)} units",
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


def _add_access(name: str, number_of_field: int, modes: tuple[str, ...], meaning: str) -> None:
    def read_or_set(interpreter: Interpreter, *arguments: Form) -> Form:
        return access(interpreter, name, number_of_field, arguments)

    read_or_set.__doc__ = (
        f"({name} [layer] [x]): the {meaning} of a layer, or of all units; with a number or a list, sets them"
    )
    net_word(name, *modes)(read_or_set)


for _field in _FIELDS:
    _add_access(*_field)


# Weights of a unit


def connections_into(net: Netspace, unit: int) -> np.ndarray:
    """Where the connections into a unit stand in `net.incoming`, oldest first."""
    place = net.incoming.of(unit)
    return np.arange(place.stop - 1, place.start - 1, -1)


@word("weight")
def weight(interpreter: Interpreter, unit: Form, layer: Form = ABSENT) -> Form:
    """(weight u [layer]): the weights into u, oldest first; with a layer, one for each of its units, or ()"""
    return _of_weights(interpreter, "weight", "weight_val", unit, layer)


@word("deltaw")
def deltaw(interpreter: Interpreter, unit: Form, layer: Form = ABSENT) -> Form:
    """(deltaw u [layer]): the last changes of the weights into u, oldest first; with a layer, as weight"""
    return _of_weights(interpreter, "deltaw", "delta", unit, layer)


@word("set-weight")
def set_weight(interpreter: Interpreter, unit: Form, values: Form) -> Form:
    """(set-weight u list): sets the weights into u, oldest first"""
    return _set_weights(interpreter, "set-weight", "weight_val", unit, values)


@word("set-deltaw")
def set_deltaw(interpreter: Interpreter, unit: Form, values: Form) -> Form:
    """(set-deltaw u list): sets the last changes of the weights into u, oldest first"""
    return _set_weights(interpreter, "set-deltaw", "delta", unit, values)


def _of_weights(interpreter: Interpreter, who: str, kind: str, unit: Form, layer: Form) -> Form:
    net = interpreter.part(Netspace)
    target, values = net.number(unit, who, 0), getattr(net, kind).array
    if layer is ABSENT:
        numbers = net.incoming.weight.array[connections_into(net, target)]
        return interpreter.new_list(values[numbers].astype(float).tolist(), who)
    joined = [net.found.get((source, target)) for source in net.units(layer, who).array.tolist()]
    return interpreter.new_list(
        [NIL if connection is None else float(values[net.weight.array[connection]]) for connection in joined], who
    )


def _set_weights(interpreter: Interpreter, who: str, kind: str, unit: Form, values: Form) -> Form:
    net = interpreter.part(Netspace)
    target = net.number(unit, who, 0)
    numbers = net.incoming.weight.array[connections_into(net, target)]
    given = [number(who, x, 1) for x in interpreter.elements(values, who)]
    if len(given) != len(numbers):
        raise CallError(
            f"{who}: {len(given)} values are given for the {len(numbers)} connections into unit {target}",
            1,
            f"give {len(numbers)} values; the bias counts, if it is connected",
        )
    getattr(net, kind).array[numbers] = given
    return values


@word("dump-weights")
def dump_weights(interpreter: Interpreter) -> Form:
    """(dump-weights): the list, for each unit from 0, of the weights into it; rest-weights sets them again"""
    net = interpreter.part(Netspace)
    return interpreter.new_list([interpreter.call("weight", float(unit)) for unit in range(net.nnum)], "dump-weights")


@word("rest-weights")
def rest_weights(interpreter: Interpreter, dumped: Form) -> Form:
    """(rest-weights list): sets all weights to what dump-weights gave"""
    net = interpreter.part(Netspace)
    lists = interpreter.elements(dumped, "rest-weights")
    if len(lists) != net.nnum:
        raise CallError(
            f"rest-weights: the weights of {len(lists)} units are given, the net has {net.nnum}",
            0,
            "give the list that (dump-weights) made of this net",
        )
    for unit, values in enumerate(lists):
        interpreter.call("set-weight", float(unit), values)
    return dumped


# Loops


@special_word("all-neuron")
def all_neuron(interpreter: Interpreter, form: Pair) -> Form:
    """(all-neuron (i) form...): the forms for each unit i, from 0, the bias; the value of the last"""
    units = [(float(unit),) for unit in range(interpreter.part(Netspace).nnum)]
    return _loop(interpreter, form, "(all-neuron (i) form...)", 1, units)


@special_word("all-synapse")
def all_synapse(interpreter: Interpreter, form: Pair) -> Form:
    """(all-synapse (i j) form...): the forms for each connection from i to j, by j, oldest first; the last value"""
    net = interpreter.part(Netspace)
    connections = every_connection(net)
    ends = zip(net.pre.array[connections].astype(float).tolist(), net.post.array[connections].astype(float).tolist())
    return _loop(interpreter, form, "(all-synapse (i j) form...)", 2, list(ends))


def _loop(interpreter: Interpreter, form: Pair, syntax: str, count: int, rounds: Sequence[tuple[float, ...]]) -> Form:
    """The body for each round, with the variables bound to its numbers."""
    head = form.cdr
    names = list(head.car) if isinstance(head, Pair) and isinstance(head.car, Pair) else []
    if len(names) != count or not all(isinstance(name, Symbol) for name in names):
        raise CallError(f"{form.car}: {count} name{'s are' if count > 1 else ' is'} wanted first", 0, f"write {syntax}")
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
