"""Read other data with answers for a trained net: prepared as its own data were, coded with its class names."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from snsim.data.catalog import find, origin_of
from snsim.data.examples import Examples, Split, digest
from snsim.data.fetch import Search
from snsim.data.patterns import one_of_n
from snsim.data.pictures import resized
from snsim.data.reader_options import ReaderOptions, fold_name, quoted
from snsim.data.reader_shelf import RawData, ReadRequest
from snsim.data.readers import READERS, recognise
from snsim.data.readers.csv_table import read_known_columns
from snsim.data.readers.image_folder import list_pictures, paths_of
from snsim.errors import fail
from snsim.input_files import shown
from snsim.runs.options import Options, Say
from snsim.runs.predictor import Predictor
from snsim.text_table import shape_text
from snsim.training.prepare import Patterns, prepare_split


@dataclass(frozen=True, eq=False)
class LabelledPatterns:
    """Patterns with targets, as a trained net takes them.

    Attributes
    ----------
    name : str
        The file, the folder or the data set.
    split : str
        "train" or "test"; "" for data that have no parts.
    digest : str
        SHA-256 of the data set, or of inputs and answers.
    """

    name: str
    split: str
    patterns: Patterns
    digest: str


def read_labelled(
    predictor: Predictor, source: str | Path, split: str | None, options: Options, say: Say
) -> LabelledPatterns:
    """Return data with answers for a trained net: of a data set (a str), or of a file or folder (a Path).

    `split` chooses "train" or "test" of data that have both (default: test). Scaling and class names are those of the
    training. SnError for a class that the training did not have, inputs of another size, and data without answers.
    """
    wanted = split or "test"
    if isinstance(source, str):
        return _of_data_set(predictor, source, wanted, options, say)
    return _of_path(predictor, Path(os.path.abspath(source)), wanted)


def _of_data_set(predictor: Predictor, name: str, wanted: str, options: Options, say: Say) -> LabelledPatterns:
    scaling = None if predictor.record is None else predictor.record.scaling
    if scaling is not None and (scaling.kind != "bytes" or scaling.mirror is not None):
        raise fail(
            f"{predictor.name} learned inputs that were scaled ({scaling.kind}), which those of the data set {name} "
            "are not",
            hint="test it on a file or folder like the one that it was trained on: --data PATH",
        )
    examples = find([name], Search.usual(options.data_dir, options.online, options.recorded_folders), say).examples
    split = "train" if examples.test is None else wanted
    part = examples.test if examples.test is not None and split == "test" else examples.train
    names = examples.class_names or tuple(map(str, range(examples.classes or 0)))
    inputs = _fitted(predictor, part.inputs, name)
    answers = Split(inputs, part.labels, part.targets)
    return _prepared(predictor, name, split, answers, names, examples.origin, examples.digest)


def _of_path(predictor: Predictor, path: Path, wanted: str) -> LabelledPatterns:
    reader, files = recognise(path)
    if reader == "images":
        return _of_pictures(predictor, path, wanted)
    if reader == "csv":
        raw = _table(predictor, files[-1] if wanted == "test" else files[0])
        part, split = raw.train, "" if len(files) == 1 else wanted
    else:
        folder = Path(os.path.commonpath([file.parent for file in files]))
        layers = predictor.training.net.input_shapes
        raw = READERS.get(reader).read(ReadRequest(files, ReaderOptions(), folder, inputs=layers))
        split = "" if raw.test is None else wanted
        part = raw.train if raw.test is None or wanted == "train" else raw.test
    inputs = predictor.scaled(_fitted(predictor, part.inputs, path.name))
    part_scaled = Split(inputs, part.labels, part.targets, starts=part.starts)
    return _prepared(predictor, path.name, split, part_scaled, raw.class_names, origin_of(files))


def _of_pictures(predictor: Predictor, folder: Path, wanted: str) -> LabelledPatterns:
    """Read a folder of pictures for each class; each picture is prepared as by `snsim predict`."""
    split, files = list_pictures(folder, wanted)
    classes = tuple(dict.fromkeys(name for name, _ in files))
    labels = np.array([classes.index(name) for name, _ in files], np.int64)
    _coded(predictor, classes, labels, folder.name)  # refuses an unknown class before the pictures are read
    inputs = np.stack([predictor.picture(path)[0] for _, path in files])
    return _prepared(predictor, folder.name, split, Split(inputs, labels, files=paths_of(files)), classes, str(folder))


def _table(predictor: Predictor, file: Path) -> RawData:
    """Read a table: input columns by name, and the label or the targets."""
    record, count = predictor.record, math.prod(predictor.shape)
    columns, answers = ((), ()) if record is None else (record.columns, record.targets)
    is_class = predictor.classes is not None
    if not answers and not is_class:  # targets without names stand behind the inputs
        answers = tuple(f"target {place + 1}" for place in range(predictor.training.net.layers[-1].units))
    return read_known_columns(file, columns, count, answers, is_class, sequence=predictor.sequence)


def _fitted(predictor: Predictor, inputs: np.ndarray, name: str) -> np.ndarray:
    """Return inputs in the shape of the run's data. SnError for another size."""
    shape, record = predictor.shape, predictor.record
    present = inputs.shape[1:]
    if present == shape:
        return inputs
    if record is not None and record.size is not None and len(present) > 1 and present[:-2] == shape[:-2]:
        return resized(inputs, *record.size)
    if math.prod(present) == math.prod(shape) and (len(present) == 1 or len(shape) == 1):
        return inputs.reshape(len(inputs), *shape)
    raise fail(
        f"the patterns of {shown(name)} are {_size(present)}; the net {predictor.training.net.name} was trained on "
        f"{_size(shape)}",
        hint=f"give patterns of {_size(shape)}",
    )


def _size(shape: Sequence[int]) -> str:
    return f"{shape[0]:,} numbers" if len(shape) == 1 else shape_text(shape)


def _prepared(
    predictor: Predictor, name: str, split: str, part: Split, names: Sequence[str], origin: str, known_by: str = ""
) -> LabelledPatterns:
    """Return patterns from a part with scaled inputs (patterns, *shape of the run's data) and the classes `names`."""
    units, labels, targets = predictor.training.net.layers[-1].units, part.labels, part.targets
    if predictor.record is not None and predictor.classes is None and labels is not None:
        targets, labels = _as_numbers(names, labels, name), None  # whole numbers as targets of a regression
    if labels is not None:
        labels = _coded(predictor, names, labels, name)
    elif predictor.classes is not None:
        raise fail(
            f"{shown(name)} has targets, and {predictor.name} was trained on classes: {quoted(_known(predictor))}",
            hint="give one label for each pattern, a whole number or a name",
        )
    elif targets is not None and targets.shape[1] != units:
        raise fail(
            f"{shown(name)} has {targets.shape[1]} target{'' if targets.shape[1] == 1 else 's'} per pattern, "
            f"{predictor.name} {units} output{'' if units == 1 else 's'}",
            hint=f"give {units} target{'' if units == 1 else 's'} for each pattern",
        )
    if labels is not None and predictor.training.data.targets is not None:
        targets, labels = _as_in_text(predictor, labels, predictor.training.data.targets), None
    coded = Split(part.inputs, labels, targets, part.files, part.starts)
    examples = Examples(name, coded, None, origin, "", predictor.classes)
    patterns = prepare_split(predictor.training, examples, predictor.dtype)
    return LabelledPatterns(name, split, patterns, known_by or digest(coded, None))


def _as_in_text(predictor: Predictor, labels: np.ndarray, stated: np.ndarray) -> np.ndarray:
    """Return targets for labels as the matrix in the text has them. SnError if it has more than two numbers."""
    values = np.unique(stated)
    if len(values) != 2:
        raise fail(
            f"the targets in the text of {predictor.name} have {len(values)} different numbers, so those of a class "
            "are not known",
            hint="give the targets themselves, one column for each output",
        )
    return one_of_n(labels, predictor.training.net.layers[-1].units, *map(float, values))


def _known(predictor: Predictor) -> tuple[str, ...]:
    """Return the names of the classes of the training, or their numbers."""
    count = predictor.classes or predictor.training.net.layers[-1].units
    return predictor.class_names or tuple(map(str, range(count)))


def _as_numbers(names: Sequence[str], labels: np.ndarray, name: str) -> np.ndarray:
    try:
        values = np.array([float(text) for text in names])
    except ValueError:
        raise fail(
            f"{shown(name)} has classes, {quoted(names)}; the net was trained on numbers",
            hint="give the targets as numbers",
        ) from None
    targets: np.ndarray = values[labels].reshape(-1, 1)
    return targets


def _coded(predictor: Predictor, names: Sequence[str], labels: np.ndarray, where: str) -> np.ndarray:
    """Return labels (places among `names`) as places among the classes of the training. SnError for another class."""
    known = _known(predictor)
    places = [_place_of(name, known) for name in names]
    present = np.bincount(labels, minlength=len(names))
    others = [number for number, place in enumerate(places) if place is None and present[number]]
    if others:
        patterns = int(present[others].sum())
        are_places = all(name.isdigit() and int(name) < len(known) for name in names)
        them = "this pattern" if patterns == 1 else f"these {patterns:,} patterns"
        raise fail(
            f"{shown(where)} has {'a class' if len(others) == 1 else f'{len(others)} classes'} that "
            f"{predictor.name} was not trained on: {quoted([names[number] for number in others])}; "
            f"its classes are {quoted(known)}",
            hint=f"write the names of the classes instead of their numbers, such as {known[0]}"
            if are_places
            else f"leave {them} out, or spell the class as the training did",
        )
    numbers = np.array([0 if place is None else place for place in places], np.int64)
    coded: np.ndarray = numbers[labels]
    return coded


def _place_of(name: str, known: Sequence[str]) -> int | None:
    """Return the place of a class: of the same name, else the only one that differs in case and `_`, or in `1.0`."""
    if name in known:
        return known.index(name)
    folded = [fold_name(other) for other in known]
    if folded.count(fold_name(name)) == 1:
        return folded.index(fold_name(name))
    try:
        values = [float(other) for other in known]
        return values.index(float(name)) if values.count(float(name)) == 1 else None
    except ValueError:
        return None
