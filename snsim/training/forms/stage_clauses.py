"""Reading the clauses of a stage one by one: how patterns are gathered, ordered and changed, and what is cut."""

from __future__ import annotations

from functools import partial

from snsim.language.forms import Node
from snsim.network.clauses import Faults, describe, read_arguments, read_name, read_number, read_whole_number
from snsim.network.net import Net
from snsim.registry import suggest
from snsim.training.forms.data_clauses import read_choice
from snsim.training.forms.values_and_scopes import read_value
from snsim.training.spec import Value

ORDERS = ("fixed", "shuffled", "shuffled once", "random")
PRUNE = "(prune F) or (prune F weights)"


def read_batch(node: Node, faults: Faults) -> tuple[int | None, bool] | None:
    """`(batch N sum)`, `(batch N mean)`, `(batch all sum)` ...: patterns per update (None = all), and whether mean."""
    syntax = "(batch N sum), (batch N mean), (batch all sum) or (batch all mean)"
    given = read_arguments(node, 1, 2, syntax, faults)
    if given is None:
        return None
    everything = given[0].is_name and given[0].name == "all"
    if given[0].is_name and not everything:
        faults.add(
            f"a batch is a number of patterns or all of them, not {describe(given[0])}",
            given[0].span,
            f"write {syntax}",
        )
        return None
    size = None if everything else read_whole_number(given[0], "the patterns of a batch", faults, 1)
    if size is None and not everything:
        return None
    if len(given) == 1:
        if size == 1:
            return 1, False
        faults.add(
            "is the gradient of a batch the sum or the mean over its patterns? This decides the rate",
            node.span,
            f"write {syntax}",
        )
        return None
    if not given[1].is_name or given[1].name not in ("sum", "mean"):
        faults.add(f"a batch takes the sum or the mean, not {describe(given[1])}", given[1].span, f"write {syntax}")
        return None
    return size, given[1].name == "mean"


def read_order(node: Node, faults: Faults) -> str | None:
    """`(order fixed)`, `shuffled`, `shuffled once`, `random`."""
    return read_choice(node, ORDERS, "(order fixed), (order shuffled), (order shuffled once) or (order random)", faults)


def read_augment(node: Node, net: Net | None, faults: Faults) -> tuple[int, float | None] | None:
    """`(augment (shift N FILL))`: FILL a number, or `wrap`, which is None here."""
    syntax = "(augment (shift N FILL)), FILL a number or wrap"
    given = read_arguments(node, 1, 1, syntax, faults)
    if given is None:
        return None
    if given[0].head != "shift" or len(given[0].items) != 3:
        faults.add(
            f"pictures can be augmented by (shift N FILL), not by {describe(given[0])}",
            given[0].span,
            f"write {syntax}",
        )
        return None
    cells = read_whole_number(
        given[0].items[1], "the cells of a shift", faults
    )  # 0: no shift, where a stage before had one
    wrap = given[0].items[2].is_name and given[0].items[2].name == "wrap"
    fill = None if wrap else read_number(given[0].items[2], "the fill of a shift", faults)
    if net is not None and net.layers[0].maps is None:
        faults.add(
            f"the input layer {net.layers[0].name} has {net.layers[0].units} units and no rows and columns, so "
            "its patterns cannot be shifted",
            node.span,
            "give it the shape (rows columns)",
        )
    return None if cells is None or (fill is None and not wrap) else (cells, fill)


def read_noise(node: Node, faults: Faults) -> Value | None:
    """`(input-noise VALUE)`, `(theta VALUE)`: standard deviation of the Gaussian noise on presented patterns, on the
    weighted sums.
    """
    given = read_arguments(node, 1, 1, f"({node.head} VALUE)", faults)
    value = read_value(given[0], f"the value of ({node.head} ...)", faults) if given else None
    if value is not None and min(value.numbers) < 0:
        faults.add(
            f"noise has a standard deviation of 0 or more, not {min(value.numbers):g}",
            node.span,
            f"write {-min(value.numbers):g}, or leave ({node.head} ...) out for no noise",
        )
        return None
    return value


def read_dropout(node: Node, net: Net | None, faults: Faults) -> tuple[tuple[str, float], ...] | None:
    """`(dropout P LAYER ...)`: the layers with the probability that a state of theirs is 0 in a presentation."""
    given = read_arguments(node, 2, None, "(dropout P LAYER ...)", faults)
    if given is None:
        return None
    chance = read_number(given[0], "the probability of dropout", faults)
    if chance is not None and not 0 <= chance < 1:
        faults.add(
            f"a state is dropped with a probability from 0 to below 1, not {chance:g}",
            given[0].span,
            f"write {chance / 100:g} for {chance:g} percent" if 1 < chance < 100 else "write for example 0.5",
        )
    layers = dict.fromkeys([] if net is None else [layer.name for layer in net.layers[:-1]])
    made: dict[str, float] = {}
    for item in given[1:]:
        layer = read_name(item, "a layer", faults, lambda: suggest("", list(layers), "layers"))
        if layer is None or net is None:
            continue
        if layer not in layers:
            why = "the output layer is not dropped" if layer == net.layers[-1].name else f'there is no layer "{layer}"'
            faults.add(why, item.span, partial(suggest, layer, list(layers), "layers"))
        elif layer in made:
            faults.add(f"layer {layer} stands twice", item.span, "leave one of them out")
        else:
            made[layer] = chance or 0.0
    return tuple(made.items())


def read_prune(node: Node, net: Net | None, faults: Faults) -> tuple[float, str] | None:
    """`(prune F)`, `(prune F weights)`: the fraction that is cut, and of what: "connections" or "weights"."""
    given = read_arguments(node, 1, 2, PRUNE, faults)
    if given is None:
        return None
    fraction = read_number(given[0], "the fraction that is cut", faults)
    if fraction is not None and not 0 < fraction < 1:
        faults.add(
            f"a fraction between 0 and 1 of what remains is cut, not {fraction:g}",
            given[0].span,
            "write (prune 0.1) to cut a tenth",
        )
        return None
    normed = [] if net is None else [c for c in net.connections if c.weight_norm]
    if normed:
        faults.add(
            f"(connect {normed[0].source} {normed[0].target} ...) has weight-norm, under which a weight is no "
            "parameter of its own that could be cut",
            node.span,
            "prune a net without weight-norm",
        )
        return None
    of = "connections" if len(given) == 1 else given[1].name if given[1].is_name else ""
    if of not in ("connections", "weights"):
        faults.add(f"connections or weights are cut, not {describe(given[1])}", given[1].span, f"write {PRUNE}")
        return None
    return None if fraction is None else (fraction, of)
