"""Read arrays by name from an npz file (numpy.savez). Nothing is unpickled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from snsim.array_files import ArrayFile, open_arrays
from snsim.data.input_parts import ArrayNames, arrays_of_inputs, check_counts, join_inputs, save_call
from snsim.data.reader_options import PICTURE_OPTIONS, quoted
from snsim.data.reader_shelf import MOST_BYTES, RawData, ReadRequest, add_reader, file_record, part_of, raw_data
from snsim.errors import SnError, Span, fail, for_line
from snsim.input_files import shown

# The names of inputs and answers, of training and test; the first pair that the file holds is read.
_TRAIN = (
    ("x-train", "y-train"),
    ("train-images", "train-labels"),
    ("train-data", "train-labels"),
    ("x", "y"),
    ("images", "labels"),
    ("data", "target"),
    ("inputs", "targets"),
)
_TEST = (("x-test", "y-test"), ("test-images", "test-labels"), ("test-data", "test-labels"))
_CLASS_NAMES = ("class-names", "target-names", "label-names")
_REMEDY = "name the arrays as Keras does: numpy.savez(FILE, x_train=..., y_train=..., x_test=..., y_test=...)"


def _recognise(path: Path, start: bytes) -> tuple[Path, ...] | None:
    return (path,) if start[:4] == b"PK\3\4" else None


@add_reader("npz", '(npz "FILE" option ...)', _recognise, (1,), PICTURE_OPTIONS)
def read_npz(request: ReadRequest) -> RawData:
    """Read arrays of an npz file: x_train y_train x_test y_test, x y, images labels, or data target.

    For a net with several input layers the file may hold an array for each: x_left x_right y, for layers left, right.

    Inputs are (patterns, features), (patterns, rows, columns) or (patterns, rows, columns, channels). Whole numbers and
    texts are classes, decimals are targets. The array class_names or target_names may name the classes 0, 1 ...
    """
    path, span = request.files[0], request.span
    name = shown(path.name)
    with open_arrays(path, MOST_BYTES, span, "an npz file", _REMEDY, with_texts=True) as arrays:
        names = ArrayNames(arrays.headers, arrays.refused, name, span)
        stored = names.stored
        by_layer = _by_layer(stored, request, name)
        train = by_layer[0] if by_layer else _pair(_TRAIN, stored)
        if train is None:
            raise fail(
                f"{name} holds the arrays {quoted([for_line(key) for key in arrays.headers]) or 'of no numbers'}; "
                "expected x_train and y_train, x and y, images and labels, or data and target",
                span,
                hint=_REMEDY
                if len(request.inputs) < 2
                else f"name the arrays after the input layers: {save_call(request.inputs, 'y')}",
            )
        pairs = by_layer or [pair for pair in (train, _pair(_TEST, stored)) if pair is not None]
        for inputs, answers in pairs:
            names.check(inputs)
            names.check([answers], "give numbers or texts: array.astype('int64')")
            for key in (*inputs, answers):
                _check_size(arrays, stored[key], name, span)
        parts = [_part(arrays, [stored[key] for key in inputs], stored[answers], request) for inputs, answers in pairs]
        named = next((key for key in _CLASS_NAMES if stored.get(key) in arrays.headers), None)
        names.check([] if named is None else [named])
        class_names = () if named is None else _texts(arrays, stored[named])
    record = file_record(path, request)
    return raw_data(parts, (record,), [f"{name}: {stored[answers]}" for _, answers in pairs], span, class_names)


_Keys = tuple[tuple[str, ...], str]  # the folded names of the inputs, one or one for each input layer, and the answers


def _pair(pairs: tuple[tuple[str, str], ...], stored: Mapping[str, str]) -> _Keys | None:
    return next((((x,), y) for x, y in pairs if x in stored and y in stored), None)


def _by_layer(stored: Mapping[str, str], request: ReadRequest, name: str) -> list[_Keys]:
    """Return the arrays of each input layer, of training and test; none if the file has no array of a layer."""
    found: list[_Keys] = []
    for stem, answers in (("x-train", "y-train"), ("x", "y"), ("x-test", "y-test")):
        inputs = arrays_of_inputs(stored, stem, request.inputs, name, request.span, answers.replace("-", "_"))
        if inputs is None or (stem == "x-test" and not found):
            continue
        if stem == "x" and found:
            one, other = for_line(stored[found[0][0][0]]), for_line(stored[inputs[0]])
            raise fail(
                f"{name} holds training patterns twice, in {one} and in {other}",
                request.span,
                hint=f"leave out {other} and its like, or name patterns for the test x_test_NAME",
            )
        if answers not in stored:
            raise fail(
                f'{name} has no array "{answers.replace("-", "_")}" beside those of the input layers',
                request.span,
                hint="save the labels or targets under this name",
            )
        found.append((tuple(inputs), answers))
    return found


def _part(arrays: ArrayFile, inputs: list[str], answers: str, request: ReadRequest) -> tuple[np.ndarray, np.ndarray]:
    """Return the inputs and answers of one part, in the forms of `RawPart`."""
    name = shown(request.files[0].name)
    if len(inputs) > 1:
        check_counts([arrays.headers[key].shape for key in inputs], inputs, name, request.span)
    labels = arrays.read(answers)
    read = [part_of(arrays.read(key), labels, f"{name}: {key}", f"{name}: {answers}", request.span) for key in inputs]
    if len(read) == 1:
        return read[0]
    return join_inputs([x for x, _ in read], inputs, request.inputs, name, request.span), read[0][1]


def _check_size(arrays: ArrayFile, key: str, name: str, span: Span | None) -> None:
    header = arrays.headers[key]
    if header.nbytes > MOST_BYTES:
        raise fail(
            f"{name}: {for_line(key)} of shape {header.shape} and type {header.dtype} takes {header.nbytes:,} bytes; "
            f"at most {MOST_BYTES:,} are read",
            span,
            hint="give fewer patterns, or pictures in bytes: array.astype('uint8')",
        )


def _texts(arrays: ArrayFile, key: str) -> tuple[str, ...]:
    """Return the names of classes; none if the array does not hold texts in one dimension."""
    header = arrays.headers[key]
    if header.dtype.kind != "U" or len(header.shape) != 1 or header.nbytes > 1_000_000:
        return ()
    try:
        return tuple(str(text) for text in arrays.read(key))
    except (ValueError, SnError):  # numbers that are no characters
        return ()
