"""Read the clauses of a stage: batches, order, augmentation, noise, dropout and pruning."""

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
    """Read `(batch N sum)`, `(batch all mean)` ...: return patterns per update (None for all), and whether mean."""
    syntax = "(batch N sum), (batch N mean), (batch all sum) or (batch all mean)"
    args = read_arguments(node, 1, 2, syntax, faults)
    if args is None:
        return None
    all_patterns = args[0].is_name and args[0].name == "all"
    if args[0].is_name and not all_patterns:
        faults.add(
            f"a batch is a number of patterns or all, not {describe(args[0])}",
            args[0].span,
            f"write {syntax}",
        )
        return None
    size = None if all_patterns else read_whole_number(args[0], "the patterns of a batch", faults, 1)
    if size is None and not all_patterns:
        return None
    if len(args) == 1:
        if size == 1:
            return 1, False
        faults.add(
            "(batch N) must say whether the gradient is the sum or the mean over its patterns",
            node.span,
            f"write {syntax}",
        )
        return None
    if not args[1].is_name or args[1].name not in ("sum", "mean"):
        faults.add(f"a batch uses the sum or the mean, not {describe(args[1])}", args[1].span, f"write {syntax}")
        return None
    return size, args[1].name == "mean"


def read_order(node: Node, faults: Faults) -> str | None:
    """Read `(order fixed)`, `shuffled`, `shuffled once` or `random`; None after a fault."""
    return read_choice(node, ORDERS, "(order fixed), (order shuffled), (order shuffled once) or (order random)", faults)


def read_augment(node: Node, net: Net | None, faults: Faults) -> tuple[int, float | None] | None:
    """Read `(augment (shift N FILL))`: return N and FILL, None for `wrap`."""
    syntax = "(augment (shift N FILL)), FILL a number or wrap"
    args = read_arguments(node, 1, 1, syntax, faults)
    if args is None:
        return None
    if args[0].head != "shift" or len(args[0].items) != 3:
        faults.add(
            f"pictures can be augmented by (shift N FILL), not by {describe(args[0])}",
            args[0].span,
            f"write {syntax}",
        )
        return None
    cells = read_whole_number(
        args[0].items[1], "the cells of a shift", faults
    )  # 0 turns off the shift of an earlier stage
    wrap = args[0].items[2].is_name and args[0].items[2].name == "wrap"
    fill = None if wrap else read_number(args[0].items[2], "the fill of a shift", faults)
    if net is not None and len(net.inputs) > 1:
        faults.add(
            f"net {net.name} has {len(net.inputs)} input layers, and patterns of several parts cannot be shifted",
            node.span,
            "remove (augment ...), or shift the pictures where the file makes its examples",
        )
    elif net is not None and net.inputs[0].maps is None:
        faults.add(
            f"the input layer {net.inputs[0].name} has {net.input_units} units and no rows and columns, so "
            "its patterns cannot be shifted",
            node.span,
            "give it the shape (rows columns)",
        )
    return None if cells is None or (fill is None and not wrap) else (cells, fill)


def read_noise(node: Node, faults: Faults) -> Value | None:
    """Read `(input-noise VALUE)` or `(theta VALUE)`: a standard deviation of Gaussian noise; None after a fault."""
    args = read_arguments(node, 1, 1, f"({node.head} VALUE)", faults)
    value = read_value(args[0], f"the value of ({node.head} ...)", faults) if args else None
    if value is not None and min(value.numbers) < 0:
        faults.add(
            f"noise has a standard deviation of 0 or more, not {min(value.numbers):g}",
            node.span,
            f"write {-min(value.numbers):g}, or remove ({node.head} ...) for no noise",
        )
        return None
    return value


def read_dropout(node: Node, net: Net | None, faults: Faults) -> tuple[tuple[str, float], ...] | None:
    """Read `(dropout P LAYER ...)`: return the layers with their dropout probability; None after a fault."""
    args = read_arguments(node, 2, None, "(dropout P LAYER ...)", faults)
    if args is None:
        return None
    chance = read_number(args[0], "the probability of dropout", faults)
    if chance is not None and not 0 <= chance < 1:
        faults.add(
            f"the dropout probability must be from 0 to below 1, not {chance:g}",
            args[0].span,
            f"write {chance / 100:g} for {chance:g} percent" if 1 < chance < 100 else "write for example 0.5",
        )
    layers = dict.fromkeys([] if net is None else [layer.name for layer in net.layers[:-1]])
    chances: dict[str, float] = {}
    for item in args[1:]:
        layer = read_name(item, "a layer", faults, lambda: suggest("", list(layers), "layers"))
        if layer is None or net is None:
            continue
        if layer not in layers:
            why = (
                "the output layer cannot have dropout"
                if layer == net.layers[-1].name
                else f'there is no layer "{layer}"'
            )
            faults.add(why, item.span, partial(suggest, layer, list(layers), "layers"))
        elif layer in chances:
            faults.add(f"layer {layer} is listed twice", item.span, "remove one of them")
        else:
            chances[layer] = chance or 0.0
    return tuple(chances.items())


def read_prune(node: Node, net: Net | None, faults: Faults) -> tuple[float, str] | None:
    """Read `(prune F)` or `(prune F weights)`: return the fraction to cut, and of "connections" or "weights"."""
    args = read_arguments(node, 1, 2, PRUNE, faults)
    if args is None:
        return None
    fraction = read_number(args[0], "the fraction that is cut", faults)
    if fraction is not None and not 0 < fraction < 1:
        faults.add(
            f"the fraction to cut is between 0 and 1, not {fraction:g}",
            args[0].span,
            "write (prune 0.1) to cut a tenth",
        )
        return None
    normed = [] if net is None else [c for c in net.connections if c.weight_norm]
    if normed:
        faults.add(
            f"(connect {normed[0].source} {normed[0].target} ...) has weight-norm, and (prune ...) cannot cut "
            "normalized weights",
            node.span,
            "prune a net without weight-norm",
        )
        return None
    apart = [] if net is None else [c for c in net.connections if c.distance]
    if apart:
        faults.add(
            f"(connect {apart[0].source} {apart[0].target} ...) has distance, and a weight that (prune ...) sets to 0 "
            "would still add (0 - x)^2",
            node.span,
            "prune a net without (distance)",
        )
        return None
    of = "connections" if len(args) == 1 else args[1].name if args[1].is_name else ""
    if of not in ("connections", "weights"):
        faults.add(f"(prune ...) cuts connections or weights, not {describe(args[1])}", args[1].span, f"write {PRUNE}")
        return None
    return None if fraction is None else (fraction, of)
