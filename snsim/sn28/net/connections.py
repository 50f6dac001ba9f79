"""Nets are made: room, units, connections, shared weights, and who is connected to whom.

See docs/reference/sn28.md, sections 2.1 and 3.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import number, whole
from snsim.language.forms import NIL, Form
from snsim.language.procedures import ABSENT, CallError
from snsim.sn28.net.adjacency import Edges
from snsim.sn28.net.field_numbers import FieldNumbers
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import Netspace
from snsim.sn28.runtime.settings import Settings

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_F = np.float32


def connect(space: Netspace, pre: np.ndarray, post: np.ndarray, who: str = "connect") -> int:
    """Connections pre[k] to post[k], in order, each with a new weight 0; the number of the first."""
    return space.join(pre, post, np.arange(len(pre)), who, fresh=len(pre))


def share_weights(
    space: Netspace, pre: np.ndarray, post: np.ndarray, weight: np.ndarray, who: str = "dup-connection"
) -> int:
    """Connections pre[k] to post[k], in order, that share the existing weights; the number of the first.

    What these weights have accumulated and their last changes become 0.
    """
    first = space.join(pre, post, weight, who)
    space.delta.array[weight] = space.acc.array[weight] = 0
    return first


def weights_between(space: Netspace, pre: np.ndarray, post: np.ndarray, who: str) -> np.ndarray:
    """The weight of each connection pre[k] to post[k]; CallError if one does not exist."""
    found = [space.found.get(ends) for ends in zip(pre.tolist(), post.tolist())]
    if None in found:
        k = found.index(None)
        raise CallError(
            f"{who}: there is no connection from unit {pre[k]} to unit {post[k]} whose weight could be shared",
            None,
            f"make it first: (connect {pre[k]} {post[k]})",
        )
    weights: np.ndarray = space.weight.array[np.array(found, np.intp)]
    return weights


# Room


@net_word("alloc-net")
def alloc_net(interpreter: Interpreter, units: Form, connections: Form, weights: Form = ABSENT) -> float:
    """(alloc-net units connections [weights]): room for a new net, its bias unit included; gives the bytes"""
    interpreter.part(Settings)
    interpreter.part(FieldNumbers)
    counts = [whole("alloc-net", x, i) for i, x in enumerate((units, connections, weights)) if x is not ABSENT]
    return interpreter.part(Netspace).alloc_net(*counts)


@net_word("clear-net")
def clear_net(interpreter: Interpreter) -> Form:
    """(clear-net): the net has no units any more but the bias, and room for as many as before"""
    interpreter.part(Netspace).clear_net()
    return NIL


@net_word("newneurons")
def newneurons(interpreter: Interpreter, count: Form) -> Form:
    """(newneurons n): the list of n new units"""
    numbers = interpreter.part(Netspace).newneurons(whole("newneurons", count))
    return interpreter.new_list([float(unit) for unit in numbers], "newneurons")


# Connections


@net_word("connect")
def word_connect(interpreter: Interpreter, pre: Form, post: Form, value: Form = ABSENT, rate: Form = ABSENT) -> Form:
    """(connect pre post [w [epsilon]]): from each unit of pre to each of post, with weights w (0)"""
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
    """(dup-connection spre spost pre post [w [epsilon]]): connect pre to post with the weights of spre to spost"""
    who, space = "dup-connection", interpreter.part(Netspace)
    from_pre, from_post, to_pre, to_post = (
        space.units(layer, who).array for layer in (source_pre, source_post, pre, post)
    )
    for side, a, b in (("pre", from_pre, to_pre), ("post", from_post, to_post)):
        if len(a) != len(b):
            raise CallError(
                f"{who}: the lists on the {side} side have {len(a)} and {len(b)} units",
                None,
                f"give lists of equal length, such as {len(a)}: one unit shares with one",
            )
    inner = len(to_post)
    weights = weights_between(space, np.repeat(from_pre, inner), np.tile(from_post, len(from_pre)), who)
    first = share_weights(space, np.repeat(to_pre, inner), np.tile(to_post, len(to_pre)), weights, who)
    if value is not ABSENT:
        new = _F(number(who, value, 4))
        for weight in weights:  # one after the other, as a weight may come again
            before = _F(space.sharers[weight] - 1)
            w = space.weight_val.array
            w[weight] = (w[weight] * before + new) / (before + _F(1))
    _set_rate(space, slice(first, space.snum), rate, who, 5)
    return NIL


def _set_rate(space: Netspace, new: slice, rate: Form, who: str, argument: int) -> None:
    if rate is ABSENT:
        return
    space.require(["newton"], f"{who} with a rate")
    space.rate.array[new] = number(who, rate, argument)


@net_word("cut-connection")
def word_cut_connection(interpreter: Interpreter, pre: Form, post: Form) -> Form:
    """(cut-connection pre post): undo the connections from each unit of pre to each of post"""
    space = interpreter.part(Netspace)
    targets = space.units(post, "cut-connection").array.tolist()
    for source in space.units(pre, "cut-connection").array.tolist():
        for target in targets:
            interpreter.step()
            if not space.cut(source, target):
                raise CallError(
                    f"cut-connection: there is no connection from unit {source} to unit {target}",
                    None,
                    f"(amont {target}) lists the units that feed unit {target}",
                )
    return NIL


def _other_ends(interpreter: Interpreter, who: str, edges: Edges, unit: Form) -> Form:
    at = edges.of(interpreter.part(Netspace).number(unit, who, 0))
    oldest_first = edges.other.array[at][::-1]
    return interpreter.new_list([float(other) for other in oldest_first.tolist()], who)


@net_word("amont")
def amont(interpreter: Interpreter, unit: Form) -> Form:
    """(amont unit): the units that feed it, in the order in which they were connected"""
    return _other_ends(interpreter, "amont", interpreter.part(Netspace).incoming, unit)


@net_word("aval")
def aval(interpreter: Interpreter, unit: Form) -> Form:
    """(aval unit): the units that it feeds, in the order in which they were connected"""
    return _other_ends(interpreter, "aval", interpreter.part(Netspace).outgoing, unit)


@net_word("nfanin")
def nfanin(interpreter: Interpreter, unit: Form) -> float:
    """(nfanin unit): how many connections enter it, that of the bias included"""
    space = interpreter.part(Netspace)
    return float(space.incoming.counts[space.number(unit, "nfanin", 0)])


def _connection(interpreter: Interpreter, who: str, pre: Form, post: Form) -> tuple[Netspace, int | None]:
    space = interpreter.part(Netspace)
    return space, space.found.get((space.number(pre, who, 0), space.number(post, who, 1)))


@net_word("scounter", "iterative")
def scounter(interpreter: Interpreter, pre: Form, post: Form) -> float:
    """(scounter pre post): how many connections share this one's weight, itself included; 0 if there is none"""
    space, connection = _connection(interpreter, "scounter", pre, post)
    return 0.0 if connection is None else float(space.sharers[space.weight.array[connection]])


@net_word("sindex", "iterative")
def sindex(interpreter: Interpreter, pre: Form, post: Form, weight: Form = ABSENT) -> Form:
    """(sindex pre post [k]): the number of the connection's weight, () if there is none; with k it takes that weight"""
    space, connection = _connection(interpreter, "sindex", pre, post)
    if connection is None:
        if weight is ABSENT:
            return NIL
        raise CallError("sindex: there is no such connection", None, "make it first: (connect pre post)")
    if weight is not ABSENT:
        index = whole("sindex", weight, 2)
        if not 0 <= index < space.wnum:
            raise CallError(
                f"sindex: there is no weight {index}: there are 0 to {space.wnum - 1}",
                2,
                f"write 0 to {space.wnum - 1}",
            )
        space.share(connection, index)
    return float(space.weight.array[connection])


# Types of units: there is one


@net_word("set-neurtype-regular")
def set_neurtype_regular(interpreter: Interpreter, layer: Form) -> Form:
    """(set-neurtype-regular layer): the units are regular ones, as all are"""
    interpreter.part(Netspace).units(layer, "set-neurtype-regular")
    return NIL


@net_word("get-neurtype")
def get_neurtype(interpreter: Interpreter, unit: Form) -> str:
    """(get-neurtype unit): the type of a unit, "regular:0" for all"""
    interpreter.part(Netspace).number(unit, "get-neurtype", 0)
    return "regular:0"


def every_connection(space: Netspace) -> np.ndarray:
    """The numbers of all connections in the order of `all-synapse`: by the unit they enter, those of a unit oldest
    first.
    """
    living = np.flatnonzero(space.alive[: space.snum])
    numbers: np.ndarray = living[np.argsort(space.post.array[living], kind="stable")]
    return numbers
