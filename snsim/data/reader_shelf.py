"""The readers of a user's own files by name, and what each of them takes and returns.

A reader is one file in `snsim/data/readers`: it puts a `DataReader` on the shelf READERS. The options that all readers
share (what is held out, scaling, the order of classes) are applied afterwards, in `own_data`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from snsim.data.reader_options import COMMON_OPTIONS, EXAMPLES, ReaderOptions
from snsim.data.record import FileRecord
from snsim.errors import Span, fail
from snsim.input_files import open_file, shown
from snsim.registry import Shelf

MOST_BYTES = 1_000_000_000  # of one file, and of the numbers that it holds
HEAD = 512  # bytes by which a file is recognised


@dataclass(frozen=True)
class RawPart:
    """The patterns of one part as a file has them.

    Parameters
    ----------
    inputs : array (patterns, features), (patterns, rows, columns) or (patterns, maps, rows, columns)
        uint8 for pictures in bytes, else float64 or float32.
    labels : array (patterns,) of int or None
        Places in `RawData.class_names`.
    targets : array (patterns, outputs) of float64 or None
    files : array (patterns,) of str or None
        The absolute path of each pattern, where each has a file of its own.
    starts : array (patterns,) of bool or None
        Whether a pattern is the first step of a sequence; None if that is not stated.
    """

    inputs: np.ndarray
    labels: np.ndarray | None = None
    targets: np.ndarray | None = None
    files: np.ndarray | None = None
    starts: np.ndarray | None = None


@dataclass(frozen=True)
class RawData:
    """What a reader returns. `test` is None unless the files have a test part of their own.

    `columns` and `targets` name the columns of a table; `notes` are sentences that the user must see.
    """

    train: RawPart
    test: RawPart | None
    files: tuple[FileRecord, ...]
    class_names: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    is_sized: bool = False  # (size R C) was applied while the files were read


@dataclass(frozen=True)
class ReadRequest:
    """What a reader is asked for.

    Parameters
    ----------
    files : tuple of Path
        Absolute paths of files, or of one folder.
    options : ReaderOptions
    folder : Path
        The folder to which the names in the record are relative.
    inside : Path or None
        Links inside a folder of pictures must not lead out of this folder; None: they may lead anywhere.
    span : Span or None
        Where the form stands.
    inputs : tuple of (str, tuple)
        The name and the shape of each input layer of the net: a file may hold an array for each of several.
    """

    files: tuple[Path, ...]
    options: ReaderOptions
    folder: Path
    inside: Path | None = None
    span: Span | None = None
    inputs: tuple[tuple[str, tuple[int, ...]], ...] = ()

    @property
    def name(self) -> str:
        """What the data are called in a message: the first file, or the form in the text."""
        return shown(self.files[0].name) if self.files else EXAMPLES

    def at(self, word: str) -> Span | None:
        """Return where an option stands, or else the form."""
        return self.options.spans.get(word, self.span)


# What files hold, known without parsing them: their records, and the path of each pattern of the two parts, where each
# pattern has a file of its own.
Contents = tuple[tuple[FileRecord, ...], tuple["np.ndarray | None", "np.ndarray | None"]]


def contents_of_files(request: ReadRequest, least: int) -> Contents | None:
    """Return what the files hold, None if that is less than `least` bytes. SnError if one cannot be read."""
    try:
        size = sum(file.stat().st_size for file in request.files)
    except OSError:  # which the reader will report
        return None
    if size < least:
        return None
    return tuple(file_record(file, request) for file in request.files), (None, None)


@dataclass(frozen=True, eq=False)
class DataReader:
    """One reader.

    Parameters
    ----------
    read : callable
        From a request to raw data. Its docstring is the reader's help. Raises SnError for an unfit file.
    recognise : callable
        From a path and the first bytes of the file (b"" for a folder) to the files to read; None if the path is not of
        this kind.
    syntax : str
        How the form is written.
    files : tuple of int
        How many files the form may name.
    options : tuple of str
        The options it understands beside those that all readers have.
    of_folder : bool
        The form names one folder.
    contents : callable or None
        From a request and a number of bytes to what the files hold, None if that is less; what the reader makes of it
        is then kept in the cache. Without it nothing is.
    """

    read: Callable[[ReadRequest], RawData]
    recognise: Callable[[Path, bytes], tuple[Path, ...] | None]
    syntax: str
    files: tuple[int, ...] = (1,)
    options: tuple[str, ...] = ()
    of_folder: bool = False
    contents: Callable[[ReadRequest, int], Contents | None] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "__doc__", self.read.__doc__)

    @property
    def all_options(self) -> tuple[str, ...]:
        """The words of all options that the form may hold."""
        return (*self.options, *COMMON_OPTIONS)


READERS: Shelf[DataReader] = Shelf("reader")


def add_reader(
    name: str,
    syntax: str,
    recognise: Callable[[Path, bytes], tuple[Path, ...] | None],
    files: tuple[int, ...] = (1,),
    options: tuple[str, ...] = (),
    of_folder: bool = False,
    contents: Callable[[ReadRequest, int], Contents | None] | None = contents_of_files,
) -> Callable[[Callable[[ReadRequest], RawData]], Callable[[ReadRequest], RawData]]:
    """Return a decorator that puts the reader of a function on the shelf."""

    def put(read: Callable[[ReadRequest], RawData]) -> Callable[[ReadRequest], RawData]:
        reader = DataReader(read, recognise, syntax, files, options, of_folder, contents)
        READERS.add(name, reader, (read.__doc__ or "").strip().split("\n")[0])
        return read

    return put


def first_bytes(path: Path) -> bytes:
    """Return the beginning of a file, b"" for a folder. SnError if it cannot be read."""
    if path.is_dir():
        return b""
    with open_file(path) as file:
        return file.read(HEAD)


def class_order(texts: Sequence[str]) -> list[str]:
    """Return the names of classes sorted: by value if all are numbers, else by alphabet without regard to case."""
    try:
        return sorted(texts, key=lambda text: (float(text), text))
    except ValueError:
        return sorted(texts, key=lambda text: (text.casefold(), text))


def numbered_classes(
    train: np.ndarray, test: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None, tuple[str, ...]]:
    """Return the labels of both parts as places among the class names, and the names.

    `train`, `test`: arrays (patterns,) of whole numbers or texts.
    """
    both = train if test is None else np.concatenate([train, test])
    values, places = np.unique(both, return_inverse=True)
    names = tuple(str(value) for value in values)
    if both.dtype.kind == "U":
        ordered = class_order(names)
        rank = {name: place for place, name in enumerate(ordered)}
        places, names = np.array([rank[name] for name in names], int)[places], tuple(ordered)
    places = places.reshape(-1).astype(np.int64)
    return places[: len(train)], None if test is None else places[len(train) :], names


def part_of(
    inputs: np.ndarray, answers: np.ndarray, name: str, answers_name: str, span: Span | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the inputs and answers of one part in the forms of `RawPart`, the labels still as the file has them.

    Channels that stand last, as in Keras (patterns, rows, columns, 1, 3 or 4), go first; one channel is dropped.
    Labels (patterns, 1) become (patterns,). Raises SnError for arrays that do not fit together.
    """
    if inputs.ndim < 2 or not inputs.size:
        raise fail(
            f"{name} has the shape {shape_words(inputs)}, expected (patterns, features) or (patterns, rows, columns)",
            span,
            hint="give one row, or one picture, for each pattern: array.reshape(len(array), -1)",
        )
    if inputs.ndim > 4:
        raise fail(
            f"{name} has {inputs.ndim} dimensions, {shape_words(inputs)}; at most 4 are read: (patterns, maps, rows, "
            "columns)",
            span,
            hint="lay each pattern out as features: array.reshape(len(array), -1)",
        )
    if inputs.dtype.kind not in "fiub":
        raise fail(
            f"{name} has the type {inputs.dtype}, expected numbers",
            span,
            hint="give numbers: array.astype('float32')",
        )
    if inputs.ndim == 4 and inputs.shape[3] in (1, 3, 4) and inputs.shape[1] > 4:
        inputs = np.moveaxis(inputs, 3, 1)
        inputs = inputs[:, 0] if inputs.shape[1] == 1 else inputs
    if answers.ndim == 2 and answers.shape[1] == 1 and answers.dtype.kind in "iubU":
        answers = answers[:, 0]
    if len(answers.shape) not in (1, 2) or len(answers) != len(inputs):
        raise fail(
            f"{name} has the shape {shape_words(inputs)} and {answers_name} the shape {shape_words(answers)}; "
            "expected one label, or one row of targets, for each pattern",
            span,
            hint=f"give {answers_name} {len(inputs):,} labels or rows",
        )
    if inputs.dtype != np.uint8 or inputs.ndim == 2:
        inputs = inputs if inputs.dtype == np.float32 else _as_float64(inputs)
        check_finite(inputs, name, span)
    if answers.dtype.kind == "f" or answers.ndim == 2:
        if answers.dtype.kind == "U":
            raise fail(
                f"{answers_name} holds texts in {answers.shape[1]} columns",
                span,
                hint="give one class name for each pattern",
            )
        answers = _as_float64(answers.reshape(len(answers), -1))
        check_finite(answers, answers_name, span)
    elif answers.dtype.kind not in "iubU":
        raise fail(
            f"{answers_name} has the type {answers.dtype}, expected whole numbers, texts or targets",
            span,
            hint="give class numbers: array.astype('int64')",
        )
    return inputs, answers


def raw_data(
    parts: Sequence[tuple[np.ndarray, np.ndarray]],
    files: tuple[FileRecord, ...],
    names: Sequence[str],
    span: Span | None,
    class_names: Sequence[str] = (),
) -> RawData:
    """Return raw data of one or two pairs of inputs and answers, as `part_of` returns them.

    `names` are what the answers are called, for faults; `class_names` name the classes 0, 1 ... if they are stated.
    """
    if len(parts) == 2:
        _check_parts_agree(parts, names, span)
    answers = [pair[1] for pair in parts]
    if answers[0].ndim == 2:
        splits = [RawPart(inputs, targets=targets) for inputs, targets in parts]
        return RawData(splits[0], splits[1] if len(splits) > 1 else None, files)
    train, test, found = numbered_classes(answers[0], answers[1] if len(answers) > 1 else None)
    spelled = _spelled(found, class_names)
    return RawData(
        RawPart(parts[0][0], train),
        None if test is None else RawPart(parts[1][0], test),
        files,
        spelled,
    )


def _spelled(found: tuple[str, ...], class_names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of classes that a file counts from 0, if it has such names."""
    if not class_names or not all(name.isdigit() and int(name) < len(class_names) for name in found):
        return found
    return tuple(class_names[int(name)] for name in found)


def _check_parts_agree(parts: Sequence[tuple[np.ndarray, np.ndarray]], names: Sequence[str], span: Span | None) -> None:
    (train, answers), (test, test_answers) = parts
    if train.shape[1:] != test.shape[1:]:
        raise fail(
            f"one training pattern has the shape {train.shape[1:]}, one test pattern {test.shape[1:]}",
            span,
            hint="give both parts patterns of the same shape",
        )
    kinds = [answer.dtype.kind in "iub" if answer.ndim == 1 else answer.shape[1:] for answer in (answers, test_answers)]
    if answers.ndim != test_answers.ndim or kinds[0] != kinds[1]:
        raise fail(
            f"{names[0]} has the type {answers.dtype} and the shape {shape_words(answers)}, {names[1]} the type "
            f"{test_answers.dtype} and the shape {shape_words(test_answers)}",
            span,
            hint="give both parts labels of one type, or targets of one width",
        )


def _as_float64(array: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # a NaN that signals
        return np.ascontiguousarray(array, np.float64)


def check_finite(array: np.ndarray, name: str, span: Span | None) -> None:
    """Raise SnError with the place of the first number that is not finite."""
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return
    place = np.argwhere(~np.isfinite(array))[0]
    raise fail(
        f"{name} holds {array[tuple(place)]} at [{', '.join(map(str, place))}], counted from 0",
        span,
        hint="replace it by a number, or leave this pattern out",
    )


def shape_words(array: np.ndarray) -> str:
    """Return a shape as NumPy writes it."""
    return f"({', '.join(map(str, array.shape))}{',' if array.ndim == 1 else ''})"


def file_record(path: Path, request: ReadRequest) -> FileRecord:
    """Return the record of a file that was read."""
    return FileRecord(name_in(path, request.folder), sha256_of(path, request.span))


def sha256_of(path: Path, span: Span | None = None) -> str:
    """Return the SHA-256 of a file in hex. SnError if it cannot be read."""
    digest = hashlib.sha256()
    with open_file(path, MOST_BYTES, span) as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def name_in(path: Path, folder: Path) -> str:
    """Return the path below a folder, or the whole path if it lies elsewhere."""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def partner(path: Path, pairs: Sequence[tuple[str, str]]) -> Path | None:
    """Return the file of labels that lies beside a file of inputs, by its name; None if there is none.

    `pairs` are parts of names, such as ("images", "labels").
    """
    for inputs, answers in pairs:
        for found in re.finditer(re.escape(inputs), path.name):
            name = path.name[: found.start()] + answers + path.name[found.end() :]
            for other in (name, name.removesuffix(".gz"), f"{name}.gz"):  # one of both may be compressed
                if path.with_name(other).is_file() and path.with_name(other) != path:
                    return path.with_name(other)
    return None
