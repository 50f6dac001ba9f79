"""Make examples from matrices or pattern files, and change them: ranges, frames, targets, shapes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from snsim.array_files import read_npy
from snsim.data.catalog import origin_of
from snsim.data.examples import Examples, Split, digest
from snsim.data.formats import read_idx_file, read_matrix, read_rows
from snsim.data.input_parts import InputShapes
from snsim.errors import SnError, Span, fail
from snsim.input_files import foreign_format, open_file, shown, unreadable
from snsim.text_table import shape_form

_MOST_BYTES = 256_000_000  # of one pattern file, and of what a compressed one holds
_MOST_CLASSES = 1_000_000
_HEAD = 256  # bytes by which a format is recognised
_REMEDY = (
    "give a text of numbers with one pattern a line, an npy or idx file, or a matrix of SN: numpy.save(FILE, array)"
)
_REMEDIES = {
    "a file of patterns of SNNS": "write its input patterns to one text, one pattern a line, its output patterns to "
    'another, and name both: (patterns "INPUTS" "OUTPUTS")',
    "a zip file (npz, docx, xlsx or torch)": "write each of its arrays to a file: numpy.save(FILE, array)",
    "a text in UTF-16": "save it as UTF-8: iconv -f utf-16 -t utf-8",
    "a pickle of Python": "a pickle can run code and is never read: numpy.save(FILE, array)",
}
Range = tuple[int, int]  # first and last pattern, both included, from 0


def from_matrices(
    inputs: np.ndarray,
    targets: np.ndarray,
    origin: str = "stated in the program",
    name: str = "examples",
    span: Span | None = None,
) -> Examples:
    """Return examples from two matrices: one row per pattern, its input in one and its target in the other.

    `inputs`: (patterns, units) or (patterns, rows, columns) ...; `targets`: (patterns, outputs). No test split.
    Raises SnError for matrices without rows, different numbers of rows, or values that are not finite.
    """
    with np.errstate(invalid="ignore"):  # a NaN that signals
        inputs, targets = np.asarray(inputs, np.float64), np.asarray(targets, np.float64)
    for what, matrix in (("inputs", inputs), ("targets", targets)):
        if matrix.ndim < 2 or not matrix.size:
            raise fail(
                f"the {what} of {name} have the sizes {_sizes(matrix.shape)}, expected one row for each pattern",
                span,
                hint="give one row per pattern: [[-1 1] [1 1]]",
            )
        if not np.isfinite(matrix).all():
            wrong = np.argwhere(~np.isfinite(matrix))[0]
            raise fail(
                f"the {what} of {name} have the value {matrix[tuple(wrong)]} in pattern {wrong[0]}",
                span,
                hint="replace it by a number, or leave this pattern out",
            )
    if len(inputs) != len(targets):
        raise fail(
            f"{len(inputs)} patterns in the inputs of {name}, {len(targets)} in its targets",
            span,
            hint=f"give both {min(len(inputs), len(targets))} rows, or add the rows that are missing",
        )
    if targets.ndim != 2:
        raise fail(
            f"the targets of {name} have the sizes {_sizes(targets.shape)}, expected patterns x outputs",
            span,
            hint="give one row of targets per pattern: [[-1] [1]]",
        )
    train = Split(inputs, targets=targets)
    return Examples(name, train, None, origin, digest(train, None))


def from_files(inputs: Path, targets: Path, span: Span | None = None) -> Examples:
    """Return examples from a pair of files, one with an input and one with a target for each pattern.

    Each is a matrix of SN (`dig.pat`, `dig.des`), an npy or idx file (gzip or not), or a text of numbers with one
    pattern a line. Whole numbers in one dimension are class labels, not targets. Pictures in bytes, 0 (paper) to 255
    (ink), become -1 to 1, as those of the data set mnist.
    """
    origin = origin_of([inputs, targets])
    pictures, answers = read_patterns(inputs, span), read_patterns(targets, span)
    if pictures.dtype == np.uint8 and pictures.ndim > 2:
        pictures = pictures.astype(np.float32) / np.float32(127.5) - np.float32(1)
    if answers.ndim > 1 or answers.dtype.kind not in "iub":
        return from_matrices(
            pictures, answers.reshape(len(answers), -1) if answers.ndim == 1 else answers, origin, inputs.name, span
        )
    return _labelled(pictures, answers, origin, inputs.name, targets.name, span)


def _labelled(
    inputs: np.ndarray, labels: np.ndarray, origin: str, name: str, labels_name: str, span: Span | None
) -> Examples:
    """Return examples with class labels."""
    if not len(labels) or labels.min() < 0 or labels.max() > _MOST_CLASSES:
        problem = f"go from {labels.min()} to {labels.max()}" if len(labels) else "are missing"
        raise fail(
            f"the labels of {labels_name} {problem}, expected whole numbers from 0 to {_MOST_CLASSES:,}",
            span,
            hint="count the classes from 0",
        )
    plain = from_matrices(inputs, np.zeros((len(labels), 1)), origin, name, span)
    train = Split(plain.train.inputs, labels=labels.astype(np.int64))
    return Examples(name, train, None, origin, digest(train, None), int(labels.max()) + 1)


def read_patterns(place: Path, span: Span | None = None) -> np.ndarray:
    """Return the array of a file of any format that `from_files` names. SnError, at `span`, if it holds none."""
    name = shown(place)
    try:
        with open_file(place, _MOST_BYTES, span, what="a pattern file") as file:
            start = file.read(_HEAD)
            file.seek(0)
            if start[:6] == b"\x93NUMPY":
                array = read_npy(file, name, _MOST_BYTES)
                return array if array.ndim else array.reshape(1, 1)
            if start[:2] == b"\x1f\x8b" or start[:2] == b"\0\0":
                return read_idx_file(file, name, _MOST_BYTES)
            if _is_text_of_rows(start):
                return read_rows(file, name, _MOST_BYTES // 8)
            known = foreign_format(start)
            if known:
                raise fail(f"{name} is {known}, which (patterns ...) does not read", hint=_REMEDIES.get(known, _REMEDY))
            return read_matrix(file, name, _MOST_BYTES // 8)
    except OSError as error:
        raise unreadable(place, error, span) from None
    except SnError as error:
        raise SnError(replace(fault, span=fault.span or span) for fault in error.faults) from None


def _is_text_of_rows(start: bytes) -> bool:
    """Return whether these first bytes of a file begin a text of numbers without SN's header."""
    if foreign_format(start) or start.removeprefix(b"\xef\xbb\xbf").startswith(b".MAT"):
        return False
    return not any(c < 9 or 13 < c < 32 for c in start)


def select(
    examples: Examples,
    ensemble: Range | None,
    test_set: Range | None,
    span: Span | None = None,
    test_span: Span | None = None,
) -> Examples:
    """Return examples as SN's `ensemble` and `test-set` choose them: one range to train on, one to test on.

    Patterns are counted from 0 over the whole set, the train split's first and then the test split's; both ends are
    included. A range that is not given leaves the set's own split. Raises SnError for a range outside the set.
    """
    count = len(examples.train) + (0 if examples.test is None else len(examples.test))
    for word, chosen, place in (("ensemble", ensemble, span), ("test-set", test_set, test_span or span)):
        if chosen is not None and not 0 <= chosen[0] <= chosen[1] < count:
            raise fail(
                f"({word} {chosen[0]} {chosen[1]}): {examples.name} has the patterns 0 to {count - 1}",
                place,
                hint=f"give the first and the last pattern, both of 0 to {count - 1}",
            )
    train = examples.train if ensemble is None else _part(examples, ensemble)
    test = examples.test if test_set is None else _part(examples, test_set)
    return replace(examples, train=train, test=test, digest=digest(train, test))


def frame(examples: Examples, rows: int, columns: int, value: float, span: Span | None = None) -> Examples:
    """Put every picture in the middle of rows x columns cells of `value`; an odd cell goes below and to the right.

    Raises SnError if the inputs are not pictures, or are larger than rows x columns.
    """
    shape = examples.shape
    if len(shape) < 2:
        raise fail(
            f"(frame ...): the inputs of {examples.name} are {shape[0]} units without rows and columns",
            span,
            hint="leave (frame ...) out, or name data that are pictures",
        )
    if shape[-2] > rows or shape[-1] > columns:
        raise fail(
            f"(frame {rows} {columns} ...): the pictures of {examples.name} are {shape[-2]} x {shape[-1]}, larger "
            "than the frame",
            span,
            hint=f"write (frame {max(rows, shape[-2])} {max(columns, shape[-1])} {value:g}), or larger",
        )

    def framed(split: Split) -> Split:
        top, left = (rows - shape[-2]) // 2, (columns - shape[-1]) // 2
        cells = np.full((*split.inputs.shape[:-2], rows, columns), value, split.inputs.dtype)
        cells[..., top : top + shape[-2], left : left + shape[-1]] = split.inputs
        return replace(split, inputs=cells)

    return _changed(examples, framed)


def fitted(examples: Examples, inputs: InputShapes, span: Span | None = None) -> Examples:
    """Return examples with inputs as the input layers of a net take them.

    One layer takes its shape, as `shaped`; several take a row with the units of the first, of the second ...
    """
    if len(inputs) == 1:
        return shaped(examples, inputs[0][1], inputs[0][0], span)
    sizes = [int(np.prod(shape)) for _, shape in inputs]
    units, present = sum(sizes), int(np.prod(examples.shape))
    if present != units:
        each = ", ".join(f"{layer} {size:,}" for (layer, _), size in zip(inputs, sizes))
        raise fail(
            f"the patterns of {examples.name} are {present:,} numbers, the input layers take {units:,}: {each}",
            span,
            hint=f"give {units:,} numbers for each pattern, those of layer {inputs[0][0]} first",
        )
    return shaped(examples, (units,), inputs[0][0], span)


def shaped(examples: Examples, shape: tuple[int, ...], layer: str = "input", span: Span | None = None) -> Examples:
    """Return examples with inputs of the shape of an input layer: (units,), (rows, columns) or (maps, rows, columns).

    A row of units is cut into pictures and pictures are laid out as units; pictures of another size are refused.
    """
    present = examples.shape
    if present == shape:
        return examples
    same_pictures = len(present) == 1 or len(shape) == 1 or _picture(present) == _picture(shape)
    if np.prod(present) != np.prod(shape) or not same_pictures:
        small = len(present) > 1 and len(shape) > 1 and present[-2] <= shape[-2] and present[-1] <= shape[-1]
        hint = (
            f"(frame {shape[-2]} {shape[-1]} -1) puts them in the middle of cells of -1"
            if small and examples.record is None
            else _misfit_hint(examples, shape, layer)
        )
        raise fail(
            f"the patterns of {examples.name} are {_sizes(present)}, the layer {layer} is {_sizes(shape)}",
            span,
            hint=hint,
        )
    return _changed(examples, lambda split: replace(split, inputs=split.inputs.reshape(len(split), *shape)))


def _misfit_hint(examples: Examples, shape: tuple[int, ...], layer: str) -> str:
    """Return the remedy for inputs that do not fit the input layer."""
    remedy = f"write (layer {layer} {shape_form(examples.shape)})"
    record = examples.record
    if record is not None and len(examples.shape) > 1 and len(shape) > 1:
        size = f"(size {shape[-2]} {shape[-1]})"
        return f"{remedy}, or scale the pictures: {size} in the form ({record.reader} ...)"
    if record is not None and record.columns and len(examples.shape) == 1 and examples.shape[0] > np.prod(shape):
        return f"{remedy}, or leave columns out: (ignore NAME ...) in the form ({record.reader} ...)"
    return f"{remedy}, or name other data"


def one_of_n(labels: np.ndarray, classes: int, off: float, on: float) -> np.ndarray:
    """Return targets (patterns, classes) float64: `on` at the label, `off` elsewhere."""
    targets = np.full((len(labels), classes), off, np.float64)
    targets[np.arange(len(labels)), labels] = on
    return targets


def _part(examples: Examples, chosen: Range) -> Split:
    first, last = chosen
    splits = [examples.train] if examples.test is None else [examples.train, examples.test]
    pieces, start = [], 0
    for split in splits:
        low, high = max(first - start, 0), min(last + 1 - start, len(split))
        if low < high:
            pieces.append(_slice(split, low, high))
        start += len(split)
    if len(pieces) == 1:
        return pieces[0]
    return Split(
        np.concatenate([piece.inputs for piece in pieces]),
        _joined([piece.labels for piece in pieces]),
        _joined([piece.targets for piece in pieces]),
        _joined([piece.files for piece in pieces]) if all(piece.files is not None for piece in pieces) else None,
        None if all(split.starts is None for split in splits) else np.concatenate([_starts(p) for p in pieces]),
    )


def _starts(split: Split) -> np.ndarray:
    """Return which patterns of a part start a sequence; its first one always does."""
    is_start = np.zeros(len(split), bool) if split.starts is None else split.starts.copy()
    is_start[:1] = True
    return is_start


def _slice(split: Split, low: int, high: int) -> Split:
    return Split(
        split.inputs[low:high],
        None if split.labels is None else split.labels[low:high],
        None if split.targets is None else split.targets[low:high],
        None if split.files is None else split.files[low:high],
        None if split.starts is None else split.starts[low:high],
    )


def _joined(arrays: list[np.ndarray | None]) -> np.ndarray | None:
    known = [array for array in arrays if array is not None]
    return np.concatenate(known) if known else None


def _changed(examples: Examples, change: Callable[[Split], Split]) -> Examples:
    train = change(examples.train)
    test = None if examples.test is None else change(examples.test)
    return replace(examples, train=train, test=test, digest=digest(train, test))


def _picture(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (1, *shape) if len(shape) == 2 else shape


def _sizes(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) if len(shape) > 1 else f"{shape[0]} units" if shape else "one number"
