"""Build a net by hand: reserve memory, make units and connections, share weights, and list neighbours.

See docs/reference/sn28.md, sections 2.1 and 3.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import number, whole
from snsim.language.forms import NIL, Form
from snsim.language.procedures import ABSENT, CallError
from snsim.runtime.settings import Settings
from snsim.sn28.net.adjacency import Edges
from snsim.sn28.net.field_numbers import FieldNumbers
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import Netspace

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_F = np.float32


def connect(space: Netspace, pre: np.ndarray, post: np.ndarray, caller: str = "connect") -> int:
    """Connect pre[k] to post[k] in order, each with a new weight 0; return the number of the first connection."""
    return space.join(pre, post, np.arange(len(pre)), caller, new_weights=len(pre))


def share_weights(
    space: Netspace, pre: np.ndarray, post: np.ndarray, weight: np.ndarray, caller: str = "dup-connection"
) -> int:
    """Connect pre[k] to post[k] in order with existing weights; return the number of the first connection.

    The accumulated gradients and last changes of these weights become 0.
    """
    first = space.join(pre, post, weight, caller)
    space.delta.array[weight] = space.acc.array[weight] = 0
    return first


def weights_between(space: Netspace, pre: np.ndarray, post: np.ndarray, caller: str) -> np.ndarray:
    """Return the number of the weight of each connection pre[k] to post[k]. Raise CallError if one does not exist."""
    numbers_found = [space.connection_numbers.get(ends) for ends in zip(pre.tolist(), post.tolist())]
    if None in numbers_found:
        k = numbers_found.index(None)
        raise CallError(
            f"{caller}: cannot share the weight from unit {pre[k]} to unit {post[k]}: they are not connected",
            None,
            f"make it first: (connect {pre[k]} {post[k]})",
        )
    weights: np.ndarray = space.weight.array[np.array(numbers_found, np.intp)]
    return weights


# Room


@net_word("alloc-net")
def alloc_net(interpreter: Interpreter, units: Form, connections: Form, weights: Form = ABSENT) -> float:
    """(alloc-net units connections [weights]): reserves memory for a new net, with the bias unit; returns its bytes"""
    interpreter.part(Settings)
    interpreter.part(FieldNumbers)
    counts = [whole("alloc-net", x, i) for i, x in enumerate((units, connections, weights)) if x is not ABSENT]
    return interpreter.part(Netspace).alloc_net(*counts)


@net_word("clear-net")
def clear_net(interpreter: Interpreter) -> Form:
    """(clear-net): removes all units except the bias; the reserved memory stays"""
    interpreter.part(Netspace).clear_net()
    return NIL


@net_word("clear_net")
def clear_net_(interpreter: Interpreter) -> Form:
    """(clear_net): another name of clear-net, for old programs that write |clear_net|"""
    return clear_net(interpreter)


@net_word("newneurons")
def newneurons(interpreter: Interpreter, count: Form) -> Form:
    """(newneurons n): makes n new units; returns a list of their numbers"""
    numbers = interpreter.part(Netspace).newneurons(whole("newneurons", count))
    return interpreter.new_list([float(unit) for unit in numbers], "newneurons")


# Connections


@net_word("connect")
def word_connect(interpreter: Interpreter, pre: Form, post: Form, value: Form = ABSENT, rate: Form = ABSENT) -> Form:
    """(connect pre post [w [epsilon]]): connects each unit of pre to each unit of post, with weights w, default 0"""
    space = interpreter.part(Netspace)
    sources, targets = space.units(pre, "connect").array, space.units(post, "connect").array
    interpreter.budget.check_matrix(len(sources) * len(targets), "connect")
    first = connect(space, np.repeat(sources, len(targets)), np.tile(targets, len(sources)))
    new = slice(first, space.snum)
    if value is not ABSENT:
        space.weight_val.array[space.weight.array[new]] = number("connect", value, 2)
    _set_rate(space, new, rate, "connect", 3)
    return NIL


@net_word("dup-connection", "iterative")
def word_dup_connection(
    interpreter: Interpreter,
    source_pre: Form,
    source_post: Form,
    pre: Form,
    post: Form,
    value: Form = ABSENT,
    rate: Form = ABSENT,
) -> Form:
    """(dup-connection spre spost pre post [w [epsilon]]): connects pre to post with the weights from spre to spost

    The weights are shared, not copied. With w, each shared weight becomes the mean over its connections, the new one
    counting as w.
    """
    caller, space = "dup-connection", interpreter.part(Netspace)
    from_pre, from_post, to_pre, to_post = (
        space.units(layer, caller).array for layer in (source_pre, source_post, pre, post)
    )
    for side, a, b in (("pre", from_pre, to_pre), ("post", from_post, to_post)):
        if len(a) != len(b):
            raise CallError(
                f"{caller}: the two {side} lists have {len(a)} and {len(b)} units",
                None,
                f"write lists of equal length, such as {len(a)}: units share weights one to one",
            )
    inner = len(to_post)
    weights = weights_between(space, np.repeat(from_pre, inner), np.tile(from_post, len(from_pre)), caller)
    first = share_weights(space, np.repeat(to_pre, inner), np.tile(to_post, len(to_pre)), weights, caller)
    if value is not ABSENT:
        new = _F(number(caller, value, 4))
        for weight in weights:  # in a loop, because the same weight may occur twice
            previous_sharers = _F(space.sharers[weight] - 1)
            w = space.weight_val.array
            w[weight] = (w[weight] * previous_sharers + new) / (previous_sharers + _F(1))
    _set_rate(space, slice(first, space.snum), rate, caller, 5)
    return NIL


def _set_rate(space: Netspace, new: slice, rate: Form, caller: str, argument: int) -> None:
    if rate is ABSENT:
        return
    space.require(["newton"], f"{caller} with a rate")
    space.rate.array[new] = number(caller, rate, argument)


@net_word("cut-connection")
def word_cut_connection(interpreter: Interpreter, pre: Form, post: Form) -> Form:
    """(cut-connection pre post): removes the connection from unit pre to unit post; it is an error if there is none"""
    space = interpreter.part(Netspace)
    source, target = space.number(pre, "cut-connection", 0), space.number(post, "cut-connection", 1)
    if not space.cut(source, target):
        raise CallError(
            f"cut-connection: Synapse not found: unit {source} does not feed unit {target}",
            None,
            f"(amont {target}) lists the units that feed unit {target}",
        )
    return NIL


def _neighbours(interpreter: Interpreter, caller: str, edges: Edges, unit: Form) -> Form:
    positions = edges.slice_of(interpreter.part(Netspace).number(unit, caller, 0))
    oldest_first = edges.other.array[positions][::-1]
    return interpreter.new_list([float(other) for other in oldest_first.tolist()], caller)


@net_word("amont")
def amont(interpreter: Interpreter, unit: Form) -> Form:
    """(amont unit): a list of the units that feed the unit, in the order in which they were connected"""
    return _neighbours(interpreter, "amont", interpreter.part(Netspace).incoming, unit)


@net_word("aval")
def aval(interpreter: Interpreter, unit: Form) -> Form:
    """(aval unit): a list of the units that the unit feeds, in the order in which they were connected"""
    return _neighbours(interpreter, "aval", interpreter.part(Netspace).outgoing, unit)


@net_word("nfanin")
def nfanin(interpreter: Interpreter, unit: Form) -> float:
    """(nfanin unit): the number of connections into the unit, with that from the bias"""
    space = interpreter.part(Netspace)
    return float(space.incoming.counts[space.number(unit, "nfanin", 0)])


def _find_connection(interpreter: Interpreter, caller: str, pre: Form, post: Form) -> tuple[Netspace, int | None]:
    space = interpreter.part(Netspace)
    return space, space.connection_numbers.get((space.number(pre, caller, 0), space.number(post, caller, 1)))


@net_word("scounter", "iterative")
def scounter(interpreter: Interpreter, pre: Form, post: Form) -> float:
    """(scounter pre post): the number of connections that share the weight from pre to post; 0 if there is none"""
    space, connection = _find_connection(interpreter, "scounter", pre, post)
    return 0.0 if connection is None else float(space.sharers[space.weight.array[connection]])


@net_word("sindex", "iterative")
def sindex(interpreter: Interpreter, pre: Form, post: Form, weight: Form = ABSENT) -> Form:
    """(sindex pre post [k]): the number of the weight from pre to post, () if not connected; k sets it to weight k"""
    space, connection = _find_connection(interpreter, "sindex", pre, post)
    if connection is None:
        if weight is ABSENT:
            return NIL
        raise CallError("sindex: these two units are not connected", None, "connect them first: (connect pre post)")
    if weight is not ABSENT:
        index = whole("sindex", weight, 2)
        if not 0 <= index < space.wnum:
            raise CallError(
                f"sindex: there is no weight {index}: the net has weights 0 to {space.wnum - 1}",
                2,
                f"write 0 to {space.wnum - 1}",
            )
        space.share(connection, index)
    return float(space.weight.array[connection])


# Types of units (there is only one)


@net_word("set-neurtype-regular")
def set_neurtype_regular(interpreter: Interpreter, layer: Form) -> Form:
    """(set-neurtype-regular layer): does nothing: all units are regular"""
    interpreter.part(Netspace).units(layer, "set-neurtype-regular")
    return NIL


@net_word("get-neurtype")
def get_neurtype(interpreter: Interpreter, unit: Form) -> str:
    """(get-neurtype unit): returns "regular:0" for every unit"""
    interpreter.part(Netspace).number(unit, "get-neurtype", 0)
    return "regular:0"


def all_connections(space: Netspace) -> np.ndarray:
    """Return the numbers of all connections in the order of `all-synapse`: by the unit they enter, oldest first."""
    alive = np.flatnonzero(space.alive[: space.snum])
    numbers: np.ndarray = alive[np.argsort(space.post.array[alive], kind="stable")]
    return numbers
