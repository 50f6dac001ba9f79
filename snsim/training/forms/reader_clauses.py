"""Read the form of a reader inside `(data ...)`, its files and its options: `(csv "iris.csv" (label species))`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from snsim.data.reader_options import (
    COMMON_OPTIONS,
    EXAMPLES,
    PICTURE_OPTIONS,
    TABLE_OPTIONS,
    NamePattern,
    OwnData,
    ReaderOptions,
    field_name,
)
from snsim.errors import Span
from snsim.language.forms import Node
from snsim.network.clauses import (
    Faults,
    all_or_none,
    describe,
    read_arguments,
    read_name,
    read_number,
    read_whole_number,
)
from snsim.registry import Shelf, nearest, suggest

if TYPE_CHECKING:
    from snsim.data.reader_shelf import DataReader

_MOST_SIDE = 10_000  # rows or columns of a scaled picture
_MOST_FOLDS = 10_000


class ReaderOption(NamedTuple):
    """An option: how it is written, and what reads it. None from `read` means that a fault was added."""

    syntax: str
    read: Callable[[Node, str, Faults], Any]


def _read_column(node: Node, syntax: str, faults: Faults) -> NamePattern | None:
    columns = _columns(node, 1, 1, syntax, faults)
    return columns[0] if columns else None


def _read_columns(node: Node, syntax: str, faults: Faults) -> tuple[NamePattern, ...] | None:
    return _columns(node, 1, None, syntax, faults)


def _columns(node: Node, least: int, most: int | None, syntax: str, faults: Faults) -> tuple[NamePattern, ...] | None:
    arguments = read_arguments(node, least, most, syntax, faults)
    patterns = all_or_none([_column(item, faults) for item in arguments or ()])
    if patterns is not None and len(set(patterns)) < len(patterns):
        twice = next(pattern for place, pattern in enumerate(patterns) if pattern in patterns[:place])
        faults.add(f"column {twice.text} is named twice", twice.span, "leave one of them out")
        return None
    return patterns if arguments else None


def _column(node: Node, faults: Faults) -> NamePattern | None:
    """Return the name or number of a column."""
    if node.is_number:
        place = read_whole_number(node, "the number of a column", faults, 1)
        return None if place is None else NamePattern(str(place), number=place, span=node.span)
    return _name(node, "a column", faults)


def _name(node: Node, what: str, faults: Faults) -> NamePattern | None:
    """Return a name in the file: a symbol matches in any case and with _ or -, a text only exactly."""
    if isinstance(node.value, str):
        return NamePattern(node.value, exact=True, span=node.span)
    found = read_name(node, what, faults)
    return None if found is None else NamePattern(found, span=node.span)


def _read_classes(node: Node, syntax: str, faults: Faults) -> tuple[NamePattern, ...] | None:
    arguments = read_arguments(node, 1, None, syntax, faults)
    return all_or_none([_class(item, faults) for item in arguments]) if arguments else None


def _class(node: Node, faults: Faults) -> NamePattern | None:
    if isinstance(node.value, float):
        if not math.isfinite(node.value) or node.value != round(node.value):
            faults.add(f"a class is a name or a whole number, not {describe(node)}", node.span, "write a whole number")
            return None
        return NamePattern(f"{node.value:.0f}", exact=True, span=node.span)
    return _name(node, "a class", faults)


def _read_test(node: Node, syntax: str, faults: Faults) -> float | None:
    arguments = read_arguments(node, 1, 1, syntax, faults)
    value = read_number(arguments[0], "what is held out", faults) if arguments else None
    if arguments is None or value is None:
        return None
    if value <= 0 or (value > 1 and value != int(value)):
        faults.add(
            f"(test {value:g}) must be a fraction between 0 and 1, or a whole number of patterns, at least 1",
            arguments[0].span,
            "write a fraction, such as (test 0.2), or a number, such as (test 400)",
        )
        return None
    return value


def _read_folds(node: Node, syntax: str, faults: Faults) -> int | None:
    arguments = read_arguments(node, 1, 1, syntax, faults)
    folds = read_whole_number(arguments[0], "the number of folds", faults, 2) if arguments else None
    if arguments and folds is not None and folds > _MOST_FOLDS:
        faults.add(
            f"{folds:,} folds; at most {_MOST_FOLDS:,} are drawn", arguments[0].span, "write (folds 5) or (folds 10)"
        )
        return None
    return folds


def _read_seed(node: Node, syntax: str, faults: Faults) -> int | None:
    arguments = read_arguments(node, 1, 1, syntax, faults)
    return read_whole_number(arguments[0], "a seed", faults) if arguments else None


def _read_range(node: Node, syntax: str, faults: Faults) -> tuple[float, float] | None:
    arguments = read_arguments(node, 2, 2, syntax, faults)
    ends = all_or_none([read_number(item, "a limit of (range LO HI)", faults) for item in arguments or ()])
    if arguments is None or ends is None:
        return None
    if ends[0] >= ends[1]:
        low, high = sorted(ends)
        faults.add(
            f"(range ...) needs a lower and a higher number, not {ends[0]:g} and {ends[1]:g}",
            node.span,
            f"write the lower number first: (range {low:g} {high if high > low else low + 1:g})",
        )
        return None
    return ends[0], ends[1]


def _read_size(node: Node, syntax: str, faults: Faults) -> tuple[int, int] | None:
    arguments = read_arguments(node, 2, 2, syntax, faults)
    sides = all_or_none(
        [read_whole_number(item, f"the {what}", faults, 1) for item, what in zip(arguments or (), ("rows", "columns"))]
    )
    if arguments is None or sides is None:
        return None
    if max(sides) > _MOST_SIDE:
        faults.add(
            f"pictures of {sides[0]:,} x {sides[1]:,} pixels; at most {_MOST_SIDE:,} rows and columns are allowed",
            node.span,
            "write a smaller size, such as (size 32 32)",
        )
        return None
    return sides[0], sides[1]


def _read_starts(node: Node, syntax: str, faults: Faults) -> tuple[int, ...] | None:
    arguments = read_arguments(node, 1, None, syntax, faults)
    if arguments is not None and len(arguments) == 1 and arguments[0].items and not arguments[0].head:
        arguments = arguments[0].items  # a computed list
    rows = all_or_none([read_whole_number(item, "the number of a pattern", faults) for item in arguments or ()])
    if arguments is None or rows is None:
        return None
    for item, row, before in zip(arguments[1:], rows[1:], rows):
        if row <= before:
            faults.add(
                f"pattern {row} starts a sequence after pattern {before}, which is not before it",
                item.span,
                "write the numbers in ascending order, each once",
            )
            return None
    return rows


def _read_flag(node: Node, syntax: str, faults: Faults) -> bool | None:
    return None if read_arguments(node, 0, 0, syntax, faults) is None else True


# By word, in the order of the reference.
OPTIONS: Shelf[ReaderOption] = Shelf("option of a reader")
for _word, _syntax, _read, _doc in (
    (
        "label",
        "(label NAME|COLUMN)",
        _read_column,
        "the column of the label, by name or number (from 1); default: the last one",
    ),
    ("target", "(target NAME|COLUMN ...)", _read_columns, "the columns of the targets of a regression"),
    ("ignore", "(ignore NAME|COLUMN ...)", _read_columns, "columns that are not used"),
    (
        "test",
        "(test PART|N)",
        _read_test,
        "hold out a fraction (below 1) or a number of patterns for the test, from each class in proportion",
    ),
    (
        "folds",
        "(folds N)",
        _read_folds,
        "divide the patterns into N parts: --fold K tests on part K; `snsim reproduce` runs all of them",
    ),
    ("split-seed", "(split-seed N)", _read_seed, "the seed for drawing test patterns or folds; default 1"),
    (
        "range",
        "(range LO HI)",
        _read_range,
        "scale the inputs: the smallest of the training part becomes LO, the largest HI",
    ),
    (
        "standardize",
        "(standardize)",
        _read_flag,
        "scale the inputs to mean 0 and standard deviation 1 over the training part",
    ),
    ("size", "(size ROWS COLUMNS)", _read_size, "scale the pictures to this size"),
    ("invert", "(invert)", _read_flag, "exchange black and white in the pictures"),
    ("classes", "(classes NAME ...)", _read_classes, "the order of the classes; default: alphabetical, or by value"),
    (
        "starts",
        "(starts N ...)",
        _read_starts,
        "the patterns, counted from 0, that start a sequence, for a net with delays; default: only pattern 0",
    ),
    (
        "sequence",
        "(sequence NAME|COLUMN)",
        _read_column,
        "the column that tells the sequence: where its value changes, a sequence starts, for a net with delays",
    ),
):
    OPTIONS.add(_word, ReaderOption(_syntax, _read), _doc)

_EXCLUSIVE = (("test", "folds"), ("range", "standardize"), ("label", "target"), ("starts", "sequence"))


def read_reader(node: Node, reader: DataReader, faults: Faults) -> OwnData | None:
    """Read `(csv "FILE" ... option ...)`. None after faults."""
    before = len(faults.found)
    files = _files(node, reader, faults)
    options = _options(node, reader.all_options, faults)
    if len(faults.found) > before or files is None:
        return None
    return OwnData(node.head, files, options)


def _files(node: Node, reader: DataReader, faults: Faults) -> tuple[str, ...] | None:
    items = [item for item in node.items[1:] if not item.head]
    files: list[str] = []
    for item in items:
        if isinstance(item.value, str) and item.value:
            files.append(item.value)
            continue
        hint = f'write it in quotes: "{item.name}"' if item.is_symbol else f"write {reader.syntax}"
        faults.add(f"a file is named by a text, not {describe(item)}", item.span, hint)
    if len(files) == len(items) and len(files) not in reader.files:
        wanted = " or ".join(map(str, reader.files))
        noun = "folder" if reader.of_folder else "file" if reader.files == (1,) else "files"
        faults.add(f"({node.head} ...) takes {wanted} {noun}, {len(files)} named", node.span, f"write {reader.syntax}")
        return None
    return tuple(files)


def read_example_options(node: Node, faults: Faults) -> ReaderOptions:
    """Read the options of `(examples INPUTS TARGETS option ...)`: those that do not concern columns or pictures."""
    return _options(node, COMMON_OPTIONS, faults)


def _why_not(word: str) -> str:
    """Return the remedy for an option that (examples ...) does not take."""
    if word in PICTURE_OPTIONS:
        return "the inputs are rows of numbers, not pictures: write the numbers as you need them"
    return "the columns of a matrix have no names: leave those out that are not wanted"


def _options(node: Node, known: Sequence[str], faults: Faults) -> ReaderOptions:
    options, spans = ReaderOptions(), dict[str, Span]()
    for item in node.items[1:]:
        word = item.head
        if not word:
            continue
        if word not in known:
            is_example = node.head == EXAMPLES and word in (*TABLE_OPTIONS, *PICTURE_OPTIONS)
            hint = _why_not(word) if is_example else partial(suggest, word, list(known), "options")
            is_call = node.head == EXAMPLES and not is_example and len(item.items) > 1
            if is_call and nearest(word, list(known)) is None:
                hint = f"write ,({word} ...) to compute a matrix; or an option: {', '.join(known)}"
            faults.add(f'{node.head} has no option "{word}"', item.items[0].span, hint)
            continue
        if word in spans:
            faults.add(f"({word} ...) is stated twice in this form", item.span, "leave one of them out")
            continue
        spans[word] = item.span
        option = OPTIONS.get(word)
        value = option.read(item, option.syntax, faults)
        if value is not None:
            options = replace(options, **{field_name(word): value})
    for one, other in _EXCLUSIVE:
        if one in spans and other in spans:
            faults.add(
                f"({one} ...) and ({other} ...) cannot be combined",
                spans[other],
                f"remove ({one} ...) or ({other} ...)",
            )
    if "split-seed" in spans and "test" not in spans and "folds" not in spans:
        faults.add(
            "(split-seed ...) has no effect without (test ...) or (folds ...)",
            spans["split-seed"],
            "write (test 0.2) too, or leave it out",
        )
    return replace(options, spans=spans)
