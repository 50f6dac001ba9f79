"""Fields of units and connections by SN's numbers and names: nval ... nspare3, sval ... shess.

See docs/reference/sn28.md, sections 2.2 and 2.3.

In the kernels with second order a unit has no rate and no sigma of its own: to write it is to write all connections
that enter it, to read it is to read their mean.
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


def field_number(space: Netspace, given: Form, who: str, of_links: bool = False, argument: int | None = None) -> int:
    """A field's number. CallError if there is none, or not in this kernel."""
    known = _LINKS if of_links else _UNITS
    field = whole(who, given, argument)
    if field not in known:
        names = ", ".join(f"{at} ({name})" for at, (name, _) in known.items())
        raise CallError(
            f"{who}: a {'connection' if of_links else 'unit'} has no field {field}", argument, f"fields: {names}"
        )
    space.require(known[field][1], f"field {known[field][0]}")
    return field


def read_units(space: Netspace, field: int, units: Units) -> np.ndarray:
    """A field of some units, float32, in their order."""
    if field in (EPSILON, SIGMA) and space.kernel.newton:
        return _means(space.incoming, units, (space.rate if field == EPSILON else space.sigma).array)
    values: np.ndarray = space.unit[field].array[units.index]
    return values


def write_units(space: Netspace, field: int, units: Units, values: np.ndarray | float) -> None:
    """Set a field of some units: to one number, or to one each."""
    if field in (EPSILON, SIGMA) and space.kernel.newton:
        edges = space.incoming
        of_links = (space.rate if field == EPSILON else space.sigma).array
        spread = np.repeat(np.broadcast_to(np.asarray(values, _F), units.count), edges.counts[units.array])
        of_links[edges.connection.array[edges.places(units.array)]] = spread
    space.unit[field].array[units.index] = values


def _means(edges: Edges, units: Units, of_links: np.ndarray) -> np.ndarray:
    """The mean over the connections that enter each unit, added newest first; 0 without any."""
    of_unit = [of_links[edges.connection.array[edges.of(unit)]] for unit in units.array.tolist()]
    return np.array([in_order(values) / _F(max(len(values), 1)) for values in of_unit], _F)


def link_array(space: Netspace, field: int) -> tuple[np.ndarray, bool]:
    """The array of a connection's field, and whether it is one over connections (else over weights)."""
    memory, own = {
        1: (space.weight_val, False),
        2: (space.delta, False),
        3: (space.acc, False),
        4: (space.rate, True),
        5: (space.sigma, True),
        6: (space.hess, False),
    }[field]
    return memory.array, own


def link_index(space: Netspace, field: int, connections: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The array of a field, and where the given connections stand in it."""
    array, own = link_array(space, field)
    return array, connections if own else space.weight.array[connections]


# The words of units


def _access_unit(interpreter: Interpreter, who: str, field: int, unit: Form, value: Form) -> float:
    space = interpreter.part(Netspace)
    at = space.number(unit, who, 0)
    if value is not ABSENT:
        new = number(who, value, 1)
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

    access.__doc__ = f"({name} unit [x]): {meaning} of a unit; x becomes it"
    net_word(name, *modes)(access)


for _name, (_at, _meaning, _modes) in UNIT_FIELDS.items():
    _unit_word(_name.replace("-", "", 1), _at, _meaning, _modes)
_unit_word("nspare", 11, "the first spare field", ())


@net_word("nfield")
def nfield(interpreter: Interpreter, unit: Form, field: Form, value: Form = ABSENT) -> float:
    """(nfield unit f [x]): the field of number f of a unit; x becomes it"""
    at = field_number(interpreter.part(Netspace), field, "nfield", argument=1)
    return _access_unit(interpreter, "nfield", at, unit, value)


# The words of connections


def _access_link(interpreter: Interpreter, who: str, field: int, pre: Form, post: Form, value: Form) -> Form:
    space = interpreter.part(Netspace)
    ends = space.number(pre, who, 0), space.number(post, who, 1)
    connection = space.found.get(ends)
    if connection is None:
        if value is ABSENT:
            return NIL
        raise CallError(
            f"{who}: there is no connection from unit {ends[0]} to unit {ends[1]}",
            None,
            f"(connect {ends[0]} {ends[1]}) makes one",
        )
    array, own = link_array(space, field)
    at = connection if own else space.weight.array[connection]
    if value is not ABSENT:
        array[at] = number(who, value, 2)
    return float(array[at])


def _link_word(name: str, field: int, meaning: str, modes: tuple[str, ...]) -> None:
    def access(interpreter: Interpreter, pre: Form, post: Form, value: Form = ABSENT) -> Form:
        return _access_link(interpreter, name, field, pre, post, value)

    access.__doc__ = f"({name} pre post [x]): {meaning} from pre to post, () if there is none; x becomes it"
    net_word(name, *modes)(access)


for _name, (_at, _meaning, _modes) in LINK_FIELDS.items():
    _link_word(_name.replace("-", "", 1), _at, _meaning, _modes)


@net_word("sfield")
def sfield(interpreter: Interpreter, pre: Form, post: Form, field: Form, value: Form = ABSENT) -> Form:
    """(sfield pre post f [x]): the field of number f of a connection, () if there is none; x becomes it"""
    at = field_number(interpreter.part(Netspace), field, "sfield", True, 2)
    return _access_link(interpreter, "sfield", at, pre, post, value)
