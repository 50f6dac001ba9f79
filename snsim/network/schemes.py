"""The schemes that connect two layers, such as `full` or `mask`; `snsim list scheme` prints all.

A scheme is a function from the source layer, the target layer and the clause to a `Wiring`. It raises SnError with
every fault that it finds. Installed packages add theirs under the entry point group `snsim.schemes`
(docs/how-to/plugins.md):

    from snsim.plugins import Layer, Statement, Wiring, scheme

    @scheme("(skip-one)", reads=("scale", "fixed"))
    def skip_one(source: Layer, target: Layer, statement: Statement) -> Wiring:
        '''Unit k to unit k + 1.'''
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper

import numpy as np

from snsim.errors import SnError
from snsim.language.forms import Node
from snsim.network.clauses import all_or_none, describe, read_arguments, read_name, read_whole_number
from snsim.network.connect_options import Statement, check_windows, no_geometry_error
from snsim.network.net import Layer
from snsim.network.wiring import Dense, Frames, Table, Windows, Wiring, wire, wire_table
from snsim.registry import Shelf, listed
from snsim.text_table import shape_form

WiringFunction = Callable[[Layer, Layer, Statement], Wiring]


class Scheme:
    """A scheme: its function, its syntax and the options that it reads.

    `reads` names the options in the order in which they are printed. A scheme that takes `fixed` has weights, and so it
    takes `name` too.
    """

    def __init__(self, function: WiringFunction, syntax: str, reads: tuple[str, ...]):
        self._wire = function
        self.syntax = syntax
        self.reads = (*reads, "name") if "fixed" in reads and "name" not in reads else reads
        update_wrapper(self, function)

    def __call__(self, source: Layer, target: Layer, statement: Statement) -> Wiring:
        return self._wire(source, target, statement)


SCHEMES: Shelf[Scheme] = Shelf("scheme", plugins="snsim.schemes", plugin_type=Scheme)

WINDOW_OPTIONS = ("table", "step", "border", "exact", "scale", "fixed", "weight-norm", "delay")


def scheme(syntax: str, reads: tuple[str, ...] = ("scale", "fixed", "delay")) -> Callable[[WiringFunction], Scheme]:
    """Return a decorator that makes a function a scheme.

    Parameters
    ----------
    syntax : str
        How the scheme is written, as help shows it: ``"(mask R C)"``.
    reads : tuple of str
        The options that may follow it, in the order in which they are printed: any of "table", "step",
        "border", "exact", "scale", "fixed", "weight-norm", "delay". Others are refused. "scale", "fixed",
        "weight-norm" and "delay" need no line in the function. With "fixed" the option "name" may follow too.

    Returns
    -------
    callable
        Takes the function (source : Layer, target : Layer, statement : Statement) -> Wiring and returns the `Scheme`.
        The function raises SnError with every fault that it finds. Its docstring is the help.
    """
    return lambda function: Scheme(function, syntax, reads)


@SCHEMES.register("full")
@scheme("(full)", ("scale", "fixed", "weight-norm", "distance", "codes", "delay"))
def full(source: Layer, target: Layer, statement: Statement) -> Wiring:
    """Connect all units of a layer to all units of another; weights (inputs, outputs)."""
    read_arguments(statement.scheme, 0, 0, "(full)", statement.faults)
    statement.faults.raise_if_any()
    return wire(Dense(source.units, target.units))


@SCHEMES.register("mask")
@scheme("(mask R C)", (*WINDOW_OPTIONS, "distance", "codes"))
def mask(source: Layer, target: Layer, statement: Statement) -> Wiring:
    """Give each pair of maps one window of RxC weights, shared by all units of the target map."""
    return _windows(source, target, statement, "map")


@SCHEMES.register("local")
@scheme("(local R C)", WINDOW_OPTIONS)
def local(source: Layer, target: Layer, statement: Statement) -> Wiring:
    """Give each unit its own RxC weights per source map for the window that it reads."""
    return _windows(source, target, statement, "unit")


@SCHEMES.register("equal-mask")
@scheme("(equal-mask R C)", WINDOW_OPTIONS)
def equal_mask(source: Layer, target: Layer, statement: Statement) -> Wiring:
    """Give each pair of maps one weight, which multiplies the sum of the RxC window of each unit."""
    return _windows(source, target, statement, "pair")


@SCHEMES.register("average-mask")
@scheme("(average-mask R C)", ("step", "border", "exact", "delay", "name"))
def average_mask(source: Layer, target: Layer, statement: Statement) -> Wiring:
    """Average pooling: the mean of the RxC window in the same map; short for a fixed and scaled equal-mask."""
    return _windows(source, target, statement, "pair", each_map=True)


@SCHEMES.register("max-mask")
@scheme("(max-mask R C)", ("step", "exact"))
def max_mask(source: Layer, target: Layer, statement: Statement) -> Wiring:
    """Max pooling: the largest state of the RxC window in the same map; no weights, and it counts no connections."""
    return _windows(source, target, statement, "pair", each_map=True)


def _windows(source: Layer, target: Layer, statement: Statement, sharing: str, each_map: bool = False) -> Wiring:
    name = statement.scheme.head
    for layer in (source, target):
        if layer.maps is None:
            with statement.faults.gathered():
                raise no_geometry_error(layer.name, layer.units, name, statement.span)
    window = statement.sizes(2, f"({name} R C)")
    step, border, names = statement.step(), statement.border(), (source.name, target.name)
    statement.exact()
    if source.maps is None or target.maps is None:
        raise SnError(statement.faults.found)
    sizes = source.maps[0], target.maps[0]
    if each_map and sizes[0] != sizes[1]:
        statement.faults.add(
            f"({name} ...) joins map k to map k, and the numbers of maps differ: {sizes[0]} in {source.name}, "
            f"{sizes[1]} in {target.name}",
            statement.span,
            f"give {target.name} {sizes[0]} map{'' if sizes[0] == 1 else 's'}, or use (equal-mask R C) with a table",
        )
    maps = np.eye(*sizes, dtype=bool) if each_map else statement.maps(*sizes, names)
    if window is None or maps is None or statement.faults.any:
        raise SnError(statement.faults.found)
    far = None if border.far == border.near else border.far
    windows = Windows(
        source.maps, target.maps, maps, (window[0], window[1]), step, border.near, border.wrap, sharing, far
    )
    check_windows(windows, border, statement, names)
    if not maps.any():
        statement.faults.add(
            f"the table feeds no map of {target.name}",
            statement.place("table"),
            f"put an x or a 1 into each column: a column is a map of {target.name}",
        )
    statement.faults.raise_if_any()
    return wire(windows, windows.unread)


@SCHEMES.register("weights-of")
@scheme("(weights-of C D)", ())
def weights_of(source: Layer, target: Layer, statement: Statement) -> Wiring:
    """Use the scheme, its options and the weights of the connection C to D between layers of the same shapes."""
    syntax = "(weights-of C D)"
    args = read_arguments(statement.scheme, 2, 2, syntax, statement.faults)
    ends = None if args is None else all_or_none([read_name(node, "a layer", statement.faults) for node in args])
    if ends is None or args is None:
        raise SnError(statement.faults.found)
    owner = statement.connections.get((ends[0], ends[1]))
    faults, span = statement.faults, statement.span
    if ends == (source.name, target.name):
        faults.add(
            f"{source.name} to {target.name} cannot have the weights of itself",
            span,
            "name another connection, or write a scheme of its own such as (full)",
        )
    elif owner is None:
        fit = [
            f"(weights-of {a} {b})"
            for (a, b), joined in statement.connections.items()
            if (joined.source.shape, joined.target.shape) == (source.shape, target.shape)
        ]
        other = f"write one of {listed(fit, len(fit))}" if fit else "write a scheme of its own such as (full)"
        lent = statement.borrowed.get((ends[0], ends[1]))
        faults.add(
            f"{ends[0]} is not connected to {ends[1]} by weights of its own",
            span,
            f"add (connect {ends[0]} {ends[1]} (full)), or {other}"
            if lent is None
            else f"name the connection whose weights it uses: (weights-of {' '.join(lent)})",
        )
    elif (source.shape, target.shape) == (owner.target.shape, owner.source.shape) != (target.shape, source.shape):
        faults.add(
            f"the weights from {ends[0]} to {ends[1]} lead from {_shape_text(owner.source)} to "
            f"{_shape_text(owner.target)}, and those from {source.name} to {target.name} the other way: "
            "(weights-of ...) does not transpose them",
            span,
            "write a scheme of its own such as (full): its weights then learn by themselves",
        )
    else:
        for layer, like in ((source, owner.source), (target, owner.target)):
            if layer.shape != like.shape:
                faults.add(
                    f"the weights from {ends[0]} to {ends[1]} need layers of the same shape: {layer.name} is "
                    f"{_shape_text(layer)}, {like.name} is {_shape_text(like)}",
                    span,
                    f"give {layer.name} the shape {shape_form(like.shape)}, or write a scheme of its own",
                )
    faults.raise_if_any()
    assert owner is not None
    return owner.wiring


def _shape_text(layer: Layer) -> str:
    return "x".join(map(str, layer.shape)) + (" units" if len(layer.shape) == 1 else "")


@SCHEMES.register("tdnn")
@scheme("(tdnn N)", ("step", "exact", "scale", "fixed", "weight-norm", "delay"))
def tdnn(source: Layer, target: Layer, statement: Statement) -> Wiring:
    """Connect N frames to one, shared over time; layers are (frames traits), weights (N, inputs, outputs)."""
    faults = statement.faults
    for layer in (source, target):
        if len(layer.shape) != 2:
            shape = "x".join(map(str, layer.shape))
            faults.add(
                f"(tdnn ...) needs layers of two sizes, (frames traits), but layer {layer.name} is {shape}",
                statement.span,
                f"give {layer.name} a shape (frames traits)",
            )
    sizes, (step, across) = statement.sizes(1, "(tdnn N)"), statement.step()
    if across != step:
        faults.add(
            "(tdnn ...) moves along the frames only, so (step ...) takes one number",
            statement.place("step"),
            "write (step S) with one number",
        )
    exact = statement.exact()
    faults.raise_if_any()
    assert sizes is not None
    window, frames = sizes[0], source.shape[0]
    fits = (frames - window) // step + 1
    windows_text = f"windows of {window} frames, step {step} on {frames} frames"
    if fits < 1:
        faults.add(
            f"{windows_text} do not fit: layer {source.name} is too small", statement.span, "use a smaller window"
        )
    elif fits != target.shape[0]:
        faults.add(
            f"{windows_text} give {fits} frames; layer {target.name} has {target.shape[0]}",
            statement.span,
            f"give {target.name} {fits} frames, or change the window or the step",
        )
    elif exact and (frames - window) % step:
        over = (frames - window) % step
        faults.add(
            f"{windows_text} leave {over} frame{'' if over == 1 else 's'} at the end unread",
            statement.place("exact"),
            "change the step or remove (exact)",
        )
    faults.raise_if_any()
    structure = Frames((frames, source.shape[1]), (target.shape[0], target.shape[1]), window, step)
    return wire(structure, (structure.unread, 0))


@SCHEMES.register("one-to-one")
@scheme("(one-to-one)")
def one_to_one(source: Layer, target: Layer, statement: Statement) -> Wiring:
    """Connect unit k to unit k, each with its own weight."""
    read_arguments(statement.scheme, 0, 0, "(one-to-one)", statement.faults)
    if source.units != target.units:
        statement.faults.add(
            f"(one-to-one) needs the same number of units in both layers: {source.units} in {source.name}, "
            f"{target.units} in {target.name}",
            statement.span,
            f"give {target.name} {source.units} units, or connect them with (full)",
        )
    statement.faults.raise_if_any()
    count = source.units
    return wire_table((count,), count, lambda: Table(*(np.arange(count) for _ in range(3))))


@SCHEMES.register("pairs")
@scheme("(pairs (i j) (i j k) ...)")
def pairs(source: Layer, target: Layer, statement: Statement) -> Wiring:
    """Connect unit i to unit j, counted from 0, with its own weight or, for (i j k), the shared weight k."""
    faults = statement.faults
    stated: dict[tuple[int, ...], tuple[tuple[int, ...], Node]] = {}
    for node in read_arguments(statement.scheme, 1, None, "(pairs (i j) (i j k) ...)", faults) or ():
        pair = _pair(node, source, target, statement)
        if pair is None:
            continue
        units = pair[:2]
        if units in stated:
            faults.add(
                f"unit {units[0]} of {source.name} to unit {units[1]} of {target.name} is stated twice",
                node.span,
                "remove one of them",
                (("first here", stated[units][1].span),),
            )
        stated.setdefault(units, (pair, node))
    faults.raise_if_any()
    # Weights are numbered in order of appearance: an unnamed pair takes the next number, a name that of its first pair.
    numbers: dict[object, int] = {}
    weights = {
        units: numbers.setdefault(("name", pair[2]) if len(pair) == 3 else units, len(numbers))
        for units, (pair, _) in stated.items()
    }
    order = sorted(stated, key=lambda units: (units[1], units[0]))
    table = Table(*(np.array(column, int) for column in zip(*((i, j, weights[i, j]) for i, j in order))))
    return wire_table((len(numbers),), len(order), lambda: table)


def _pair(node: Node, source: Layer, target: Layer, statement: Statement) -> tuple[int, ...] | None:
    """Return the numbers of one (i j) or (i j k); None after a fault."""
    if not node.is_list or len(node.items) not in (2, 3):
        statement.faults.add(
            f"a pair is (i j) or (i j k), not {describe(node)}",
            node.span,
            "write (0 1): from unit 0 of the source to unit 1 of the target; (0 1 5) shares weight 5",
        )
        return None
    numbers = all_or_none(
        [
            read_whole_number(n, what, statement.faults)
            for n, what in zip(
                node.items, (f"a unit of {source.name}", f"a unit of {target.name}", "the number of a shared weight")
            )
        ]
    )
    if numbers is None:
        return None
    for item, unit, layer in zip(node.items, numbers, (source, target)):
        if unit >= layer.units:
            statement.faults.add(
                f"layer {layer.name} has units 0 to {layer.units - 1}; there is no unit {unit}",
                item.span,
                f"write 0 to {layer.units - 1}, or give layer {layer.name} {unit + 1} units",
            )
            return None
    return numbers
