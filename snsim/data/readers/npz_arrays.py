"""Read arrays by name from an npz file (numpy.savez). Nothing is unpickled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from snsim.array_files import ArrayFile, open_arrays
from snsim.data.reader_options import PICTURE_OPTIONS, fold_name, quoted
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

    Inputs are (patterns, features), (patterns, rows, columns) or (patterns, rows, columns, channels). Whole numbers and
    texts are classes, decimals are targets. The array class_names or target_names may name the classes 0, 1 ...
    """
    path, span = request.files[0], request.span
    name = shown(path.name)
    with open_arrays(path, MOST_BYTES, span, "an npz file", _REMEDY, with_texts=True) as arrays:
        stored = {fold_name(key): key for key in arrays.headers}
        refused = {fold_name(key): reason for key, reason in arrays.refused.items()}
        train = _pair(_TRAIN, {**stored, **refused})
        if train is None:
            raise fail(
                f"{name} holds the arrays {quoted([for_line(key) for key in arrays.headers]) or 'of no numbers'}; "
                "expected x_train and y_train, x and y, images and labels, or data and target",
                span,
                hint=_REMEDY,
            )
        pairs = [pair for pair in (train, _pair(_TEST, stored)) if pair is not None]
        for key in (key for pair in pairs for key in pair):
            if key in refused:
                raise fail(
                    f'{name}: "{key}": {refused[key]}', span, hint="give numbers or texts: array.astype('int64')"
                )
            _check_size(arrays, stored[key], name, span)
        parts = [
            part_of(
                arrays.read(stored[inputs]),
                arrays.read(stored[answers]),
                f"{name}: {stored[inputs]}",
                f"{name}: {stored[answers]}",
                span,
            )
            for inputs, answers in pairs
        ]
        class_names = next((_texts(arrays, stored[key]) for key in _CLASS_NAMES if key in stored), ())
    record = file_record(path, request)
    return raw_data(parts, (record,), [f"{name}: {stored[answers]}" for _, answers in pairs], span, class_names)


def _pair(pairs: tuple[tuple[str, str], ...], stored: Mapping[str, str]) -> tuple[str, str] | None:
    return next((pair for pair in pairs if pair[0] in stored and pair[1] in stored), None)


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
