"""The text of a starter description for data: sizes, reader, scaling and held-out patterns fit the data."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from snsim.data.examples import Examples
from snsim.data.own_data import has_many_classes, read_path
from snsim.data.reader_options import NamePattern, ReaderOptions
from snsim.data.readers import recognise
from snsim.data.record import DataRecord
from snsim.errors import Fault, SnError, Source, fail, for_line, shorten
from snsim.escaping import for_shell
from snsim.formatter.format import formatted
from snsim.language.literals import string_text
from snsim.registry import listed
from snsim.text_table import shape_form

_SCALED = (32, 32)  # pictures of several sizes, or larger than this
_LARGEST = 64  # rows or columns of pictures that are taken as they are
_LEAST_MAP = 8  # rows and columns of pictures for which a convolution is written
_MOST_NAMES = 6  # in a comment
_HELD_OUT = 0.2
_PAPER = 0.75  # how bright a border of white paper is, from the smallest (0) to the largest value (1) of all pixels


@dataclass(frozen=True)
class Starter:
    """A starter description: its text, notes on the data, and whether the data lie outside its folder."""

    text: str
    notes: tuple[str, ...]
    needs_path: bool


def starter_for(
    name: str, path: Path, label: str | None = None, targets: Sequence[str] = (), ignored: Sequence[str] = ()
) -> Starter:
    """Return a description called `name`, in the current folder, for a file or folder of data.

    `label`, `targets` and `ignored` are columns of a table. SnError for data that cannot be read.
    """
    options = _options(label, targets, ignored)
    try:
        examples = read_path(path, options, "csv")
    except SnError as error:
        if recognise(path)[0] != "images" or "(size" not in (error.faults[0].hint or ""):
            raise SnError(_with_options(error)) from None
        options = ReaderOptions(size=_SCALED)  # pictures of several sizes
        examples = read_path(path, options, "images")
    if examples.record is not None and examples.record.reader == "images" and max(examples.shape) > _LARGEST:
        options = ReaderOptions(size=_SCALED)
        examples = read_path(path, options, "images")
    assert examples.record is not None  # of every own file
    if examples.train.targets is None and examples.classes == 1:
        raise fail(
            f'all patterns of {for_line(path.name)} have the class "{for_line(examples.record.class_names[0])}"',
            hint="name the column of the classes: --label COLUMN"
            if examples.record.columns
            else "give patterns of two classes or more; for pictures, one folder for each",
        )
    if label is None and not targets and has_many_classes(examples):
        column = examples.record.targets[0]
        classes = len(examples.record.class_names)
        try:
            starter = starter_for(name, path, None, (column,), ignored)
        except SnError:
            raise fail(
                f"the label column {for_line(column)} has {classes:,} different texts in {len(examples.train):,} rows",
                hint="name the column of the classes: --label COLUMN, or the number to predict: --target COLUMN",
            ) from None
        note = f"the column {column} has {classes:,} values: a number to predict; for classes write --label COLUMN"
        return replace(starter, notes=(note, *starter.notes))
    text = "\n\n".join(
        [
            _HEAD.format(name=name, data=for_line(shorten(path.name, 60))),
            "\n".join(_net(name, examples)),
            "\n".join(_train(name, examples, examples.record, options, label, targets, ignored)),
        ]
    )
    folder = Path(examples.record.folder)
    notes = (*examples.notes, *_counting_columns(examples))
    return Starter(formatted(Source(f"{name}.sn", f"{text}\n")), notes, not folder.is_relative_to(Path.cwd()))


def _counting_columns(examples: Examples) -> list[str]:
    """Return a note for each column of a table that only counts its rows, such as an id."""
    record, inputs = examples.record, examples.train.inputs
    if record is None or not record.columns or inputs.ndim != 2 or len(inputs) < 3:
        return []
    return [
        f"the column {column} counts the rows, and the net reads it; --ignore {for_shell([column])} leaves it out"
        for column, values in zip(record.columns, inputs.T)
        if (np.diff(values) == 1).all()
    ]


_HEAD = """\
;;; {name}: a starting point for {data}. Change it, then:
;;;   snsim check {name}.sn        says what is wrong, or counts units, connections and weights
;;;   snsim run {name}.sn          trains it, and writes the run folder runs/{name}
;;;   snsim predict {name} FILE    says what the trained net makes of new rows or pictures"""


def _options(label: str | None, targets: Sequence[str], ignored: Sequence[str]) -> ReaderOptions:
    """Return the options of a table; a column is named by its name or its number, from 1."""

    def pattern(text: str) -> NamePattern:
        return NamePattern(text, number=int(text)) if text.isdigit() else NamePattern(text, exact=True)

    return ReaderOptions(
        label=None if label is None else pattern(label),
        target=tuple(map(pattern, targets)),
        ignore=tuple(map(pattern, ignored)),
    )


def _with_options(error: SnError) -> list[Fault]:
    """Return the faults of a table; the hints name the options of `snsim new` beside those of a description."""
    return [
        replace(fault, hint=f"{fault.hint}; for snsim new: --ignore, --label or --target COLUMN")
        if fault.hint and ("(ignore" in fault.hint or "(label" in fault.hint or "(target" in fault.hint)
        else fault
        for fault in error.faults
    ]


def _net(name: str, examples: Examples) -> list[str]:
    shape, answers = examples.shape, examples.train.targets
    outputs = examples.classes if answers is None else answers.shape[1]
    record = examples.record
    assert record is not None
    names = record.class_names or record.targets
    nlf = "" if answers is None else " (nlf linear)"
    lines = [f"(net {name}", f"  (layer input {shape_form(shape)}){_comment(record.columns or _cells(shape))}"]
    if len(shape) > 1 and min(shape[-2:]) >= _LEAST_MAP:
        maps = (4, -(-shape[-2] // 2), -(-shape[-1] // 2))
        lines += [
            f"  (layer h1 {shape_form(maps)}) ; 4 maps",
            f"  (layer output {outputs}{nlf}){_comment(names)}",
            "  (connect input h1 (mask 5 5) (step 2) (border 2 -1)) ; a 5 x 5 window per map, moved by 2",
            "  (connect h1 output (full)))",
        ]
    else:
        lines += [
            "  (layer hidden 10)",
            f"  (layer output {outputs}{nlf}){_comment(names)}",
            "  (connect input hidden (full)) ; every unit to every unit",
            "  (connect hidden output (full)))",
        ]
    return lines


def is_dark_on_white(inputs: np.ndarray) -> bool:
    """Tell whether patterns (patterns, ..., rows, columns) are pictures of dark ink: most of their border is white."""
    if inputs.ndim < 3 or not inputs.size:
        return False
    low, high = float(inputs.min()), float(inputs.max())
    edges = (inputs[..., 0, :], inputs[..., -1, :], inputs[..., :, 0], inputs[..., :, -1])
    border = float(np.mean([edge.mean() for edge in edges]))
    return border > low + _PAPER * (high - low) and border > inputs.mean()


def _cells(shape: Sequence[int]) -> tuple[str, ...]:
    if len(shape) == 1:
        return ()
    return ("rows and columns",) if len(shape) == 2 else ("maps, rows and columns",)


def _comment(names: Sequence[str]) -> str:
    spelled = listed([shorten(for_line(name), 30) for name in names], len(names), _MOST_NAMES) if names else ""
    return f" ; {spelled}" if spelled else ""


def _train(
    name: str,
    examples: Examples,
    record: DataRecord,
    options: ReaderOptions,
    label: str | None,
    targets: Sequence[str],
    ignored: Sequence[str],
) -> list[str]:
    inverted = is_dark_on_white(examples.train.inputs)
    lines = [
        f"(train {name}",
        f"  (data {_reader(examples, record, options, label, targets, ignored, inverted)})"
        + (" ; dark on white: (invert) makes the ink the large value" if inverted else ""),
    ]
    if examples.train.targets is None:
        lines += [
            "  (targets -1 1) ; of the wrong classes and of the right one",
            "  (cost lms) ; half the square error; `snsim list cost` names others",
            "  (correct max) ; right if the most active output is the class",
            "  (forget-sqrt 1) ; initial weights uniform in +-1/sqrt F, F the inputs of the unit",
            "  (order shuffled)",
            "  (update sgd) ; `snsim list update` names others",
            "  (epsi-sqrt 0.02) ; the rate, divided by sqrt F",
            "  (passes 30) ; over the training patterns",
        ]
    else:
        spread = float(np.std(examples.train.targets)) or 1.0
        lines += [
            "  (cost mean-square) ; of the numbers that are predicted",
            f"  (correct lms {spread**2 / 4:.2g}) ; right if the square error is below: change it",
            "  (glorot) ; initial weights",
            "  (order shuffled)",
            "  (update adamw) ; `snsim list update` names others",
            f"  (epsilon {0.003 * max(1.0, spread):.1g}) ; the rate",
            "  (passes 100) ; over the training patterns",
        ]
    return [*lines, "  (seed 1))"]


def _reader(
    examples: Examples,
    record: DataRecord,
    options: ReaderOptions,
    label: str | None,
    targets: Sequence[str],
    ignored: Sequence[str],
    inverted: bool,
) -> str:
    """Return the form of the reader, with files below the current folder or, of data elsewhere, only their names."""

    def column(text: str) -> str:
        return text if text.isdigit() else string_text(text)

    folder = Path(record.folder)
    inside = folder.is_relative_to(Path.cwd())
    places = [os.path.relpath(folder / file.name) if inside else Path(file.name).name for file in record.files]
    words = [record.reader, *(string_text(Path(place).as_posix()) for place in places)]
    if record.reader == "csv":
        if targets:
            words.append(f"(target {' '.join(map(column, targets))})")
        elif label is not None:
            words.append(f"(label {column(label)})")
        if ignored:
            words.append(f"(ignore {' '.join(map(column, ignored))})")
    if options.size is not None:
        words.append(f"(size {options.size[0]} {options.size[1]})")
    if inverted:
        words.append("(invert)")
    if examples.test is None:
        words.append(f"(test {_HELD_OUT:g})")
    kind = "" if record.scaling is None else record.scaling.kind
    if len(examples.shape) == 1:
        words.append("(standardize)")
    elif kind != "bytes":
        words.append("(range -1 1)")
    return f"({' '.join(words)})"
