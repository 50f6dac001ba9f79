"""Read the clauses of `train` about its examples: data, ranges, frame, targets, and when an output is right."""

from __future__ import annotations

from collections.abc import Container, Sequence
from functools import partial
from typing import Any

import numpy as np

from snsim.language.forms import Node, symbol
from snsim.language.literals import symbol_text
from snsim.network.clauses import (
    Faults,
    all_or_none,
    describe,
    read_arguments,
    read_name,
    read_number,
    read_whole_number,
)
from snsim.network.net import Layer, Net
from snsim.registry import Shelf, suggest
from snsim.training.best_pass import FIGURES
from snsim.training.criteria import CRITERIA
from snsim.training.forms.reader_clauses import read_example_options, read_reader
from snsim.training.spec import DataChoice

EXAMPLES_SYNTAX = (
    "(examples INPUTS TARGETS option ...), two matrices with one row per pattern; for several input layers "
    "(examples (NAME INPUTS) ... TARGETS option ...)"
)
DATA = '(data SET ...), (data (examples M M)), (data (patterns "a" "b")) or (data (READER "FILE" ... option ...))'


def read_data(node: Node, sets: Shelf[Any], net: Net | None, faults: Faults) -> DataChoice | None:
    """Read `(data SET ...)`, names in order of preference, `(data (examples M M))`, or a reader: `(data (csv "a"))`."""
    args = read_arguments(node, 1, None, DATA, faults)
    if args is None:
        return None
    literal = next((item for item in args if item.is_list), None)
    if literal is not None:
        if len(args) > 1:
            faults.add("the form of a reader must be the only item of (data ...)", literal.span, f"write {DATA}")
        elif literal.head == "examples":
            return _read_examples(literal, net, faults)
        elif literal.head == "patterns" and not any(item.head for item in literal.items[1:]):
            return _read_patterns(literal, faults)
        else:
            return _read_own_data(literal, node, faults)
        return None
    before, names = len(faults.found), dict[str, None]()
    for item in args:
        name = read_name(item, "a data set", faults)
        if name is None:
            continue
        if name in names:
            faults.add(f"data set {name} is listed twice", item.span, "remove one of them")
        names[name] = None
        if name not in sets:
            faults.add(f'unknown {sets.kind} "{name}"', item.span, partial(sets.suggest, name))
    return DataChoice(names=tuple(names), span=node.span) if len(faults.found) == before else None


def _read_own_data(literal: Node, node: Node, faults: Faults) -> DataChoice | None:
    """Read the form of a reader in the clause `node`."""
    from snsim.data.readers import READERS  # slow to import, and most descriptions name a data set

    if literal.head in READERS:
        own_data = read_reader(literal, READERS.get(literal.head), faults)
        return None if own_data is None else DataChoice(own_data=own_data, span=node.span)
    faults.add(
        f"data are names, (examples M M) or the form of a reader, not {describe(literal)}",
        literal.span,
        f"readers: examples, {', '.join(READERS.names())}",
    )
    return None


def _read_examples(node: Node, net: Net | None, faults: Faults) -> DataChoice | None:
    before = len(faults.found)
    named = [item for item in node.items[1:] if _is_part(item, net)]
    rest = Node(tuple(item for item in node.items if not any(item is part for part in named)), node.span)
    options = read_example_options(rest, faults)
    bare = Node(tuple(item for item in rest.items if item is node.items[0] or not item.head), node.span)
    args = read_arguments(bare, 1 if named else 2, 1 if named else 2, EXAMPLES_SYNTAX, faults)
    if args is None or len(faults.found) > before:
        return None
    targets = _read_matrix(args[-1], "targets", faults)
    inputs = _read_parts(node, named, net, faults) if named else _read_matrix(args[0], "inputs", faults)
    if inputs is None or targets is None:
        return None
    if len(inputs) != len(targets):
        faults.add(
            f"{len(inputs)} rows of inputs, {len(targets)} rows of targets",
            node.span,
            "write one row of inputs and one row of targets for every pattern",
        )
    if net is not None:
        if not named:
            _check_width(args[0], inputs, "inputs", net.inputs, faults)
        _check_width(args[-1], targets, "targets", net.layers[-1:], faults)
    return DataChoice(inputs=inputs, targets=targets, options=options, span=node.span)


def _is_part(item: Node, net: Net | None) -> bool:
    """Tell whether an item of `examples` is the inputs of one layer, (NAME MATRIX)."""
    name = _layer_of(item)
    is_input = net is not None and name in dict(net.input_shapes)
    return is_input or (bool(name) and len(item.items) == 2 and isinstance(item.items[1].value, np.ndarray))


def _layer_of(item: Node) -> str:
    """Return the name, a symbol or a text, that a list begins with; "" for any other form."""
    return item.items[0].name if item.items and item.items[0].is_name else ""


def _read_parts(node: Node, named: Sequence[Node], net: Net | None, faults: Faults) -> np.ndarray | None:
    """Return the inputs of all input layers, each stated as (NAME MATRIX), in the order of the layers of the net."""
    before, stated = len(faults.found), dict[str, tuple[Node, np.ndarray]]()
    layers = None if net is None else {layer.name: layer for layer in net.inputs}
    for item in named:
        name = _layer_of(item)
        headed = Node((Node(symbol(name), item.items[0].span), *item.items[1:]), item.span)
        args = read_arguments(headed, 1, 1, f"({symbol_text(name)} ,matrix)", faults)
        matrix = None if args is None else _read_matrix(args[0], f"inputs of {name}", faults)
        if name in stated:
            faults.add(f"the inputs of {name} are stated twice", item.span, "remove one of them")
        elif layers is not None and name not in layers:
            faults.add(
                f'"{name}" is no input layer of the net',
                item.items[0].span,
                partial(suggest, name, list(layers), "input layers"),
            )
        elif args is not None and matrix is not None:
            stated[name] = item, matrix
            if layers is not None:
                _check_width(args[0], matrix, f"inputs of {name}", [layers[name]], faults)
    missing = [name for name in layers or () if name not in map(_layer_of, named)]
    if missing:
        faults.add(
            f"there are no inputs of layer {' or '.join(missing)}",
            node.span,
            f"add ({symbol_text(missing[0])} ,matrix), with one row per pattern",
        )
    if len(faults.found) > before or layers is None:
        return None
    rows = {name: len(matrix) for name, (_, matrix) in stated.items()}
    if len(set(rows.values())) > 1:
        each = ", ".join(f"{name} {count}" for name, count in rows.items())
        faults.add(
            f"the input layers have different numbers of rows: {each}", node.span, "write one row for every pattern"
        )
        return None
    return np.concatenate([stated[name][1] for name in layers], axis=1)


def _read_matrix(item: Node, what: str, faults: Faults) -> np.ndarray | None:
    """Return a matrix with a row for each pattern, or None after a fault. `what` names it: the inputs."""
    if not isinstance(item.value, np.ndarray):
        faults.add(
            f"the {what} are a matrix, [[...] ...] or ,m, not {describe(item)}",
            item.span,
            f"write ,{item.name} for the value of the variable"
            if item.is_symbol
            else "write a row for each pattern, such as [[0 1][1 0]]",
        )
        return None
    matrix = np.asarray(item.value, np.float64)
    if matrix.ndim != 2 or not matrix.size:
        faults.add(
            f"the {what} have {matrix.ndim} dimensions of sizes {matrix.shape}, not one row per pattern",
            item.span,
            "write two dimensions, such as [[0 1][1 0]]: two patterns of two numbers",
        )
        return None
    if not np.isfinite(matrix).all():
        faults.add(
            f"the {what} hold a number that is not finite",
            item.span,
            "replace each inf and nan in this matrix by a number",
        )
    return matrix


def _check_width(item: Node, matrix: np.ndarray, what: str, layers: Sequence[Layer], faults: Faults) -> None:
    """Require as many numbers per pattern as the layers have units."""
    units, width = sum(layer.units for layer in layers), matrix.shape[1]
    if width == units:
        return
    if len(layers) == 1:
        where, remedy = f"layer {layers[0].name}", f"(layer {symbol_text(layers[0].name)} {width})"
    else:
        where = f"the input layers {', '.join(layer.name for layer in layers)}"
        remedy = " ".join(f"({symbol_text(layer.name)} ,matrix)" for layer in layers)
    faults.add(
        f"{width} {what} per pattern, {units} units in {where}",
        item.span,
        f"write {units} numbers in each row, or {remedy}",
    )


def _read_patterns(node: Node, faults: Faults) -> DataChoice | None:
    args = read_arguments(node, 2, 2, '(patterns "inputs.pat" "targets.des")', faults)
    if args is None:
        return None
    files = []
    for item in args:
        if not isinstance(item.value, str):
            faults.add(
                f"a file name must be a text in quotes, not {describe(item)}", item.span, _file_hint(item, node.head)
            )
            return None
        files.append(item.value)
    return DataChoice(patterns=(files[0], files[1]), span=node.span)


def _file_hint(node: Node, word: str) -> str:
    """Return a hint that says how to write the name of a file in place of this node."""
    return f'write it in quotes: "{node.name}"' if node.is_name else f'write a path in quotes, ({word} "FILE" ...)'


def read_range(node: Node, faults: Faults) -> tuple[int, int] | None:
    """Read `(ensemble a b)` or `(test-set a b)`: patterns a to b, counted from 0, both included (as SN-2.8)."""
    args = read_arguments(node, 2, 2, f"({node.head} FIRST LAST)", faults)
    ends = all_or_none([read_whole_number(item, f"a pattern of ({node.head} ...)", faults) for item in args or ()])
    if args is None or ends is None:
        return None
    if ends[1] < ends[0]:
        faults.add(
            f"there are no patterns from {ends[0]} to {ends[1]}",
            node.span,
            f"write the smaller number first: ({node.head} {ends[1]} {ends[0]})",
        )
        return None
    return ends[0], ends[1]


def read_frame(node: Node, net: Net | None, faults: Faults) -> tuple[int, int, float] | None:
    """Read `(frame R C V)`: pad each picture with V to R x C cells, the size of the input layer."""
    args = read_arguments(node, 3, 3, "(frame ROWS COLUMNS VALUE)", faults)
    if args is None:
        return None
    rows = read_whole_number(args[0], "the rows of the frame", faults, 1)
    columns = read_whole_number(args[1], "the columns of the frame", faults, 1)
    value = read_number(args[2], "the value around the picture", faults)
    if rows is None or columns is None or value is None:
        return None
    if net is not None and len(net.inputs) > 1:
        faults.add(
            f"net {net.name} has {len(net.inputs)} input layers, and (frame ...) pads a single picture",
            node.span,
            "remove (frame ...), or pad the pictures where the file makes its examples",
        )
    elif net is not None:
        layer = net.inputs[0]
        if layer.maps is None or layer.maps[1:] != (rows, columns):
            size = " x ".join(str(n) for n in layer.shape)
            faults.add(
                f"the frame is {rows} x {columns}, the input layer {layer.name} {size}",
                node.span,
                f"write (frame {layer.maps[1]} {layer.maps[2]} VALUE)"
                if layer.maps is not None
                else f"give layer {layer.name} the shape ({rows} {columns})",
            )
    return rows, columns, value


def read_targets(node: Node, faults: Faults) -> tuple[float, float] | None:
    """Read `(targets OFF ON)`, the targets for data with class labels."""
    args = read_arguments(node, 2, 2, "(targets OFF ON)", faults)
    numbers = all_or_none([read_number(item, "a target", faults) for item in args or ()])
    if args is None or numbers is None:
        return None
    if numbers[0] == numbers[1]:
        faults.add(
            f"OFF and ON are both {numbers[0]:g}, so the targets cannot tell the classes apart",
            node.span,
            "write two different numbers, such as (targets -1 1)",
        )
        return None
    return numbers[0], numbers[1]


def read_correct(node: Node, faults: Faults) -> tuple[str, tuple[float, ...]] | None:
    """Read `(correct NAME NUM ...)`: return the name of the criterion and its numbers; None after a fault."""
    args = read_arguments(node, 1, None, "(correct NAME NUM ...)", faults)
    if args is None or read_name(args[0], "a criterion", faults) is None:
        return None
    with faults.gathered():
        rule = CRITERIA.get(args[0].name, args[0].span)
        numbers = [read_number(item, f"a number of {rule.name}", faults) for item in args[1:]]
        if len(numbers) != len(rule.parameters):
            syntax = " ".join([rule.name, *rule.parameters])
            takes = "1 number" if len(rule.parameters) == 1 else f"{len(rule.parameters)} numbers"
            faults.add(
                f"(correct {rule.name} ...) takes {takes}, {len(numbers)} given",
                node.span,
                f"write (correct {syntax})",
            )
        elif (values := all_or_none(numbers)) is not None:
            return rule.name, values
    return None


def read_file(node: Node, faults: Faults) -> str | None:
    """Read the file of `(initial "FILE" SCOPE ...)`: return the path; None after a fault."""
    args = read_arguments(node, 1, None, '(initial "FILE" SCOPE ...)', faults)
    if args is None:
        return None
    if not isinstance(args[0].value, str):
        faults.add(
            f"a file name must be a text in quotes, not {describe(args[0])}",
            args[0].span,
            _file_hint(args[0], node.head),
        )
        return None
    return args[0].value


def read_choice(node: Node, choices: Container[str], syntax: str, faults: Faults) -> str | None:
    """Read a clause of words in which only some combinations are valid, such as `(order shuffled once)`."""
    words = all_or_none([read_name(item, f"what follows {node.head}", faults) for item in node.items[1:]])
    if words is None:
        return None
    choice = " ".join(words)
    if choice in choices:
        return choice
    faults.add(
        f"({node.head} {choice}) is not valid" if words else f"({node.head}) needs a value",
        node.span,
        f"write {syntax}",
    )
    return None


def read_seeds(node: Node, faults: Faults) -> tuple[int, ...] | None:
    """Read `(seed N ...)`: one run for each seed."""
    args = read_arguments(node, 1, None, "(seed N ...)", faults)
    seeds: dict[int, None] = {}  # a dict keeps the order and finds repeated seeds quickly
    for item in args or ():
        seed = read_whole_number(item, "a seed", faults)
        if seed in seeds:
            faults.add(f"seed {seed} is stated twice", item.span, "remove one of them")
        elif seed is not None:
            seeds[seed] = None
    return tuple(seeds) or None


def read_published(node: Node, faults: Faults) -> tuple[tuple[str, float], ...] | None:
    """Read `(published (NAME NUM) ...)`, with names of PUBLISHED.

    error is in percent, and rejection is the percentage to reject for 1 % error on the rest.
    """
    figures: dict[str, float] = {}
    for item in read_arguments(node, 1, None, "(published (NAME NUM) ...)", faults) or ():
        if len(item.items) != 2:
            faults.add(
                f"a figure is (NAME NUM), not {describe(item)}",
                item.span,
                "write for example (published (test-error 5.0))",
            )
            continue
        name = read_name(item.items[0], "the name of a figure", faults)
        value = read_number(item.items[1], f"the figure {name}", faults)
        if name is not None and name not in PUBLISHED:
            faults.add(
                f'unknown figure "{name}"', item.items[0].span, partial(suggest, name, list(PUBLISHED), "figures")
            )
        elif name in figures:
            faults.add(f"figure {name} is stated twice", item.items[0].span, "remove one of them")
        elif name is not None and value is not None:
            figures[name] = value
    return tuple(figures.items()) or None


def read_prior(node: Node, faults: Faults) -> float:
    """Read `(prior WEIGHT)`: a number from 0, beside the weights of the other trainings; 1 after a fault."""
    args = read_arguments(node, 1, 1, "(prior WEIGHT)", faults)
    weight = None if args is None else read_number(args[0], "the prior", faults)
    if args is None or weight is None:
        return 1.0
    if weight < 0:
        faults.add(
            f"the prior must not be negative: {weight:g}",
            args[0].span,
            "write 0 for a training that only helps to judge the others",
        )
        return 1.0
    return weight


def read_keep(node: Node, faults: Faults) -> str | None:
    """Read `(keep best FIGURE)`: return the figure; None after a fault."""
    args = read_arguments(node, 2, 2, "(keep best FIGURE)", faults)
    words = all_or_none([read_name(item, "a word of (keep best FIGURE)", faults) for item in args or ()])
    if args is None or words is None:
        return None
    if words[0] != "best":
        faults.add(f"(keep ...) keeps the best pass, not {words[0]}", args[0].span, f"write (keep best {words[1]})")
        return None
    if words[1] not in FIGURES:
        faults.add(f'unknown figure "{words[1]}"', args[1].span, partial(suggest, words[1], list(FIGURES), "figures"))
        return None
    return words[1]


def read_stop_after(node: Node, faults: Faults) -> int | None:
    """Read `(stop-after N)`: return the passes without improvement; None after a fault."""
    args = read_arguments(node, 1, 1, "(stop-after N)", faults)
    return read_whole_number(args[0], "the passes of (stop-after N)", faults, 1) if args else None


def read_notes(node: Node, faults: Faults) -> tuple[str, ...]:
    """Read `(note "TEXT" ...)`: return the texts, each with its white space reduced to single blanks."""
    notes = []
    for item in read_arguments(node, 1, None, '(note "TEXT" ...)', faults) or ():
        if isinstance(item.value, str) and item.value.strip():
            notes.append(" ".join(item.value.split()))
        else:
            faults.add(f"a note must be a text in quotes, not {describe(item)}", item.span, 'write (note "TEXT")')
    return tuple(notes)


PUBLISHED = tuple(
    f"{split}-{figure}"
    for split in ("train", "test")
    for figure in ("misses", "error", "loss", "mse", "half-mse", "rejection")
)
