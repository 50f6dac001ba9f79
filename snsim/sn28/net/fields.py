"""Read and set fields of units and connections by SN's numbers and names: nval ... nspare3, sval ... shess.

See docs/reference/sn28.md, sections 2.2 and 2.3.

In a kernel with second derivatives, the rate and sigma belong to connections. Setting them for a unit sets them for
all connections into the unit; reading them returns the mean over these connections.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import number, whole
from snsim.language.forms import NIL, Form
from snsim.language.procedures import ABSENT, CallError
from snsim.sn28.net.adjacency import Edges, Units
from snsim.sn28.net.field_numbers import LINK_FIELDS, UNIT_FIELDS
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import EPSILON, SIGMA, Netspace
from snsim.sn28.net.numpy_sums import in_order

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_F = np.float32

_UNITS = {at: (name, modes) for name, (at, _, modes) in UNIT_FIELDS.items()}
_LINKS = {at: (name, modes) for name, (at, _, modes) in LINK_FIELDS.items()}


def field_number(
    space: Netspace, number_argument: Form, caller: str, of_links: bool = False, argument: int | None = None
) -> int:
    """Return the number of a field as an int. Raise CallError if there is no such field, or not in this kernel."""
    fields = _LINKS if of_links else _UNITS
    field = whole(caller, number_argument, argument)
    if field not in fields:
        names = ", ".join(f"{at} ({name})" for at, (name, _) in fields.items())
        raise CallError(
            f"{caller}: a {'connection' if of_links else 'unit'} has no field {field}",
            argument,
            f"write one of the fields {names}",
        )
    space.require(fields[field][1], f"field {fields[field][0]}")
    return field


def read_units(space: Netspace, field: int, units: Units) -> np.ndarray:
    """Return the values of a field of some units, shape (units,), float32."""
    if field in (EPSILON, SIGMA) and space.kernel.newton:
        return _means(space.incoming, units, (space.rate if field == EPSILON else space.sigma).array)
    values: np.ndarray = space.unit[field].array[units.index]
    return values


def write_units(space: Netspace, field: int, units: Units, values: np.ndarray | float) -> None:
    """Set a field of some units to one number, or to an array of shape (units,)."""
    if field in (EPSILON, SIGMA) and space.kernel.newton:
        edges = space.incoming
        of_links = (space.rate if field == EPSILON else space.sigma).array
        spread = np.repeat(np.broadcast_to(np.asarray(values, _F), units.count), edges.counts[units.array])
        of_links[edges.connection.array[edges.positions(units.array)]] = spread
    space.unit[field].array[units.index] = values


def _means(edges: Edges, units: Units, of_links: np.ndarray) -> np.ndarray:
    """Return the mean over the connections into each unit, added newest first; 0 for a unit without connections."""
    values_by_unit = [of_links[edges.connection.array[edges.slice_of(unit)]] for unit in units.array.tolist()]
    return np.array([in_order(values) / _F(max(len(values), 1)) for values in values_by_unit], _F)


def link_array(space: Netspace, field: int) -> tuple[np.ndarray, bool]:
    """Return the array of a connection's field, and whether it is indexed by connection (else by weight)."""
    memory, per_connection = {
        1: (space.weight_val, False),
        2: (space.delta, False),
        3: (space.acc, False),
        4: (space.rate, True),
        5: (space.sigma, True),
        6: (space.hess, False),
    }[field]
    return memory.array, per_connection


def link_index(space: Netspace, field: int, connections: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the array of a field of connections, and the positions in it of the given connections."""
    array, per_connection = link_array(space, field)
    return array, connections if per_connection else space.weight.array[connections]


# The words of units


def _access_unit(interpreter: Interpreter, caller: str, field: int, unit: Form, value: Form) -> float:
    space = interpreter.part(Netspace)
    at = space.number(unit, caller, 0)
    if value is not ABSENT:
        new = number(caller, value, 1)
        if field in (EPSILON, SIGMA):
            write_units(space, field, Units(np.array([at])), new)
        else:
            space.unit[field].array[at] = new
    elif field in (EPSILON, SIGMA):
        return float(read_units(space, field, Units(np.array([at])))[0])
    return float(space.unit[field].array[at])


def _unit_word(name: str, field: int, meaning: str, modes: tuple[str, ...]) -> None:
    def access(interpreter: Interpreter, unit: Form, value: Form = ABSENT) -> float:
        return _access_unit(interpreter, name, field, unit, value)

    access.__doc__ = f"({name} unit [x]): returns {meaning} of a unit; x sets it first"
    net_word(name, *modes)(access)


for _name, (_at, _meaning, _modes) in UNIT_FIELDS.items():
    _unit_word(_name.replace("-", "", 1), _at, _meaning, _modes)
_unit_word("nspare", 11, "the first spare field", ())


@net_word("nfield")
def nfield(interpreter: Interpreter, unit: Form, field: Form, value: Form = ABSENT) -> float:
    """(nfield unit f [x]): the value of field number f of the unit; x sets it"""
    at = field_number(interpreter.part(Netspace), field, "nfield", argument=1)
    return _access_unit(interpreter, "nfield", at, unit, value)


# The words of connections


def _access_link(interpreter: Interpreter, caller: str, field: int, pre: Form, post: Form, value: Form) -> Form:
    space = interpreter.part(Netspace)
    ends = space.number(pre, caller, 0), space.number(post, caller, 1)
    connection = space.connection_numbers.get(ends)
    if connection is None:
        if value is ABSENT:
            return NIL
        raise CallError(
            f"{caller}: there is no connection from unit {ends[0]} to unit {ends[1]}",
            None,
            f"connect them first: (connect {ends[0]} {ends[1]})",
        )
    array, per_connection = link_array(space, field)
    at = connection if per_connection else space.weight.array[connection]
    if value is not ABSENT:
        array[at] = number(caller, value, 2)
    return float(array[at])


def _link_word(name: str, field: int, meaning: str, modes: tuple[str, ...]) -> None:
    def access(interpreter: Interpreter, pre: Form, post: Form, value: Form = ABSENT) -> Form:
        return _access_link(interpreter, name, field, pre, post, value)

    access.__doc__ = f"({name} pre post [x]): {meaning} from pre to post, () if they are not connected; x sets it"
    net_word(name, *modes)(access)


for _name, (_at, _meaning, _modes) in LINK_FIELDS.items():
    _link_word(_name.replace("-", "", 1), _at, _meaning, _modes)


@net_word("sfield")
def sfield(interpreter: Interpreter, pre: Form, post: Form, field: Form, value: Form = ABSENT) -> Form:
    """(sfield pre post f [x]): field number f of the connection from pre to post, () if there is none; x sets it"""
    at = field_number(interpreter.part(Netspace), field, "sfield", True, 2)
    return _access_link(interpreter, "sfield", at, pre, post, value)
