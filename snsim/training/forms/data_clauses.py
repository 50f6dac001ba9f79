"""Reading the clauses of `train` about its examples: data, ranges, frame, targets, and when an output is right."""

from __future__ import annotations

from collections.abc import Container
from functools import partial
from typing import Any

import numpy as np

from snsim.data.readers import READERS
from snsim.language.forms import Node
from snsim.network.clauses import Faults, all_read, arguments, describe, name, number, whole
from snsim.network.net import Net
from snsim.registry import Shelf, suggest
from snsim.training.criteria import CRITERIA
from snsim.training.forms.reader_clauses import read_reader
from snsim.training.spec import DataChoice

DATA = '(data SET ...), (data (examples M M)), (data (patterns "a" "b")) or (data (READER "FILE" ... option ...))'


def read_data(node: Node, sets: Shelf[Any], net: Net | None, faults: Faults) -> DataChoice | None:
    """Read `(data SET ...)`, names in order of preference, `(data (examples M M))`, or a reader: `(data (csv "a"))`."""
    given = arguments(node, 1, None, DATA, faults)
    if given is None:
        return None
    literal = next((item for item in given if item.is_list), None)
    if literal is not None:
        if len(given) > 1:
            faults.add("the form of a reader stands alone in a data clause", literal.span, f"write {DATA}")
        elif literal.head == "examples":
            return _read_examples(literal, net, faults)
        elif literal.head == "patterns" and not any(item.head for item in literal.items[1:]):
            return _read_patterns(literal, faults)
        elif literal.head in READERS:
            own = read_reader(literal, READERS.get(literal.head), faults)
            return None if own is None else DataChoice(own=own, span=node.span)
        else:
            faults.add(
                f"data are names, (examples M M) or the form of a reader, not {describe(literal)}",
                literal.span,
                f"readers: examples, {', '.join(READERS.names())}",
            )
        return None
    before, names = len(faults.found), dict[str, None]()
    for item in given:
        called = name(item, "a data set", faults)
        if called is None:
            continue
        if called in names:
            faults.add(f"data set {called} is named twice", item.span, "leave one of them out")
        names[called] = None
        if called not in sets:
            faults.add(f'unknown {sets.kind} "{called}"', item.span, partial(sets.suggest, called))
    return DataChoice(names=tuple(names), span=node.span) if len(faults.found) == before else None


def _read_examples(node: Node, net: Net | None, faults: Faults) -> DataChoice | None:
    given = arguments(node, 2, 2, "(examples INPUTS TARGETS), two matrices with a row a pattern", faults)
    if given is None:
        return None
    for item, what in zip(given, ("inputs", "targets")):
        if not isinstance(item.value, np.ndarray):
            faults.add(
                f"the {what} are a matrix, [[...] ...] or ,m, not {describe(item)}",
                item.span,
                f"write ,{item.name} for the value of the variable"
                if item.is_symbol
                else "write a row for each pattern, such as [[0 1][1 0]]",
            )
            return None
    inputs, targets = (np.asarray(item.value, np.float64) for item in given)
    for item, matrix, what in zip(given, (inputs, targets), ("inputs", "targets")):
        if matrix.ndim != 2 or not matrix.size:
            faults.add(
                f"the {what} have {matrix.ndim} dimensions of sizes {matrix.shape}, not a row a pattern",
                item.span,
                "write two dimensions, such as [[0 1][1 0]]: two patterns of two numbers",
            )
            return None
        if not np.isfinite(matrix).all():
            faults.add(
                f"the {what} hold a number that is not finite",
                item.span,
                "replace each inf and nan of this matrix by a number",
            )
    if len(inputs) != len(targets):
        faults.add(
            f"{len(inputs)} rows of inputs, {len(targets)} rows of targets",
            node.span,
            "state one row of each for every pattern",
        )
    if net is not None:
        for item, matrix, layer, what in (
            (given[0], inputs, net.layers[0], "inputs"),
            (given[1], targets, net.layers[-1], "targets"),
        ):
            if matrix.shape[1] != layer.units:
                faults.add(
                    f"{matrix.shape[1]} {what} a pattern, {layer.units} units in layer {layer.name}",
                    item.span,
                    f"write {layer.units} numbers in each row, or (layer {layer.name} {matrix.shape[1]})",
                )
    return DataChoice(inputs=inputs, targets=targets, span=node.span)


def _read_patterns(node: Node, faults: Faults) -> DataChoice | None:
    given = arguments(node, 2, 2, '(patterns "inputs.pat" "targets.des")', faults)
    if given is None:
        return None
    files = []
    for item in given:
        if not isinstance(item.value, str):
            faults.add(f"a file is named by a text, not {describe(item)}", item.span, _file_hint(item, node.head))
            return None
        files.append(item.value)
    return DataChoice(patterns=(files[0], files[1]), span=node.span)


def _file_hint(node: Node, word: str) -> str:
    """Return what to type where the name of a file belongs and this node stands."""
    return f'write it in quotes: "{node.name}"' if node.is_name else f'write a path in quotes, ({word} "FILE" ...)'


def read_range(node: Node, faults: Faults) -> tuple[int, int] | None:
    """`(ensemble a b)`, `(test-set a b)`: patterns a to b, counted from 0, both included (SN-2.8)."""
    given = arguments(node, 2, 2, f"({node.head} FIRST LAST)", faults)
    ends = all_read([whole(item, f"a pattern of ({node.head} ...)", faults) for item in given or ()])
    if given is None or ends is None:
        return None
    if ends[1] < ends[0]:
        faults.add(
            f"patterns {ends[0]} to {ends[1]} are none",
            node.span,
            f"write the first one first: ({node.head} {ends[1]} {ends[0]})",
        )
        return None
    return ends[0], ends[1]


def read_frame(node: Node, net: Net | None, faults: Faults) -> tuple[int, int, float] | None:
    """`(frame R C V)`: each picture in the middle of R x C cells of V, the size of the input layer."""
    given = arguments(node, 3, 3, "(frame ROWS COLUMNS VALUE)", faults)
    if given is None:
        return None
    rows = whole(given[0], "the rows of the frame", faults, 1)
    columns = whole(given[1], "the columns of the frame", faults, 1)
    value = number(given[2], "the value round the picture", faults)
    if rows is None or columns is None or value is None:
        return None
    if net is not None:
        layer = net.layers[0]
        if layer.maps is None or layer.maps[1:] != (rows, columns):
            size = " x ".join(str(n) for n in layer.shape)
            faults.add(
                f"the frame is {rows} x {columns}, the input layer {layer.name} {size}",
                node.span,
                "the frame is the size of the input layer",
            )
    return rows, columns, value


def read_targets(node: Node, faults: Faults) -> tuple[float, float] | None:
    """`(targets OFF ON)`: what the outputs should be, for data with classes."""
    given = arguments(node, 2, 2, "(targets OFF ON)", faults)
    numbers = all_read([number(item, "a target", faults) for item in given or ()])
    if given is None or numbers is None:
        return None
    if numbers[0] == numbers[1]:
        faults.add(
            f"OFF and ON are both {numbers[0]:g}: the targets would tell nothing",
            node.span,
            "write two different numbers, such as (targets -1 1)",
        )
        return None
    return numbers[0], numbers[1]


def read_correct(node: Node, faults: Faults) -> tuple[str, tuple[float, ...]] | None:
    """`(correct max)`, `quadrant`, `lms M`, `sgn LO HI`, `hamming M`."""
    given = arguments(node, 1, None, "(correct NAME NUM ...)", faults)
    if given is None or name(given[0], "a criterion", faults) is None:
        return None
    with faults.gathered():
        chosen = CRITERIA.get(given[0].name, given[0].span)
        numbers = [number(item, f"a number of {chosen.name}", faults) for item in given[1:]]
        if len(numbers) != len(chosen.parameters):
            syntax = " ".join([chosen.name, *chosen.parameters])
            takes = "1 number" if len(chosen.parameters) == 1 else f"{len(chosen.parameters)} numbers"
            faults.add(
                f"(correct {chosen.name} ...) takes {takes}, {len(numbers)} given",
                node.span,
                f"write (correct {syntax})",
            )
        elif (read := all_read(numbers)) is not None:
            return chosen.name, read
    return None


def read_file(node: Node, faults: Faults) -> str | None:
    """`(initial "f.npz")`."""
    given = arguments(node, 1, 1, '(initial "FILE")', faults)
    if given is None:
        return None
    if not isinstance(given[0].value, str):
        faults.add(
            f"a file is named by a text, not {describe(given[0])}", given[0].span, _file_hint(given[0], node.head)
        )
        return None
    return given[0].value


def read_choice(node: Node, choices: Container[str], syntax: str, faults: Faults) -> str | None:
    """A clause of words of which only some combinations mean something: `(order shuffled once)`."""
    words = all_read([name(item, f"what follows {node.head}", faults) for item in node.items[1:]])
    if words is None:
        return None
    chosen = " ".join(words)
    if chosen in choices:
        return chosen
    faults.add(
        f"({node.head} {chosen}) means nothing" if words else f"({node.head}) says nothing",
        node.span,
        f"write {syntax}",
    )
    return None


def read_seeds(node: Node, faults: Faults) -> tuple[int, ...] | None:
    """`(seed N ...)`: one run each."""
    given = arguments(node, 1, None, "(seed N ...)", faults)
    seeds: dict[int, None] = {}  # in order; a list would be searched for each
    for item in given or ():
        seed = whole(item, "a seed", faults)
        if seed in seeds:
            faults.add(f"seed {seed} is stated twice", item.span, "leave one of them out")
        elif seed is not None:
            seeds[seed] = None
    return tuple(seeds) or None


def read_published(node: Node, faults: Faults) -> tuple[tuple[str, float], ...] | None:
    """`(published (NAME NUM) ...)`: train- or test- with misses, error (percent), loss, mse, half-mse or
    rejection (percent to reject for 1 % error on the rest).
    """
    figures: dict[str, float] = {}
    for item in arguments(node, 1, None, "(published (NAME NUM) ...)", faults) or ():
        if len(item.items) != 2:
            faults.add(
                f"a figure is (NAME NUM), not {describe(item)}",
                item.span,
                "write for example (published (test-error 5.0))",
            )
            continue
        called = name(item.items[0], "the name of a figure", faults)
        value = number(item.items[1], f"the figure {called}", faults)
        if called is not None and called not in PUBLISHED:
            faults.add(
                f'unknown figure "{called}"', item.items[0].span, partial(suggest, called, list(PUBLISHED), "figures")
            )
        elif called in figures:
            faults.add(f"figure {called} is stated twice", item.items[0].span, "leave one of them out")
        elif called is not None and value is not None:
            figures[called] = value
    return tuple(figures.items()) or None


def read_notes(node: Node, faults: Faults) -> tuple[str, ...]:
    """`(note "TEXT" ...)`: sentences, a text each; line ends and blanks inside become one blank."""
    notes = []
    for item in arguments(node, 1, None, '(note "TEXT" ...)', faults) or ():
        if isinstance(item.value, str) and item.value.strip():
            notes.append(" ".join(item.value.split()))
        else:
            faults.add(f"a note is a text, not {describe(item)}", item.span, 'write (note "TEXT")')
    return tuple(notes)


PUBLISHED = tuple(
    f"{split}-{figure}"
    for split in ("train", "test")
    for figure in ("misses", "error", "loss", "mse", "half-mse", "rejection")
)
