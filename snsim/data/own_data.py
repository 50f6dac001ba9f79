"""Turn a user's own files into examples: order classes, hold out patterns, scale inputs, and record all of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from snsim.data.catalog import origin_of
from snsim.data.examples import Examples, Split, digest
from snsim.data.held_out import count_held_out, fold_of_each, held_out
from snsim.data.input_parts import InputShapes
from snsim.data.patterns import from_matrices
from snsim.data.pictures import resized
from snsim.data.reader_options import EXAMPLES, ReaderOptions, quoted
from snsim.data.reader_shelf import MOST_BYTES, RawData, RawPart, ReadRequest
from snsim.data.record import DataRecord, InputScaling, fit_scaling
from snsim.errors import Span, fail
from snsim.input_files import shown
from snsim.text_table import shape_text

_SHOWN = 12  # class names in a sentence


def read_path(
    path: Path,
    options: ReaderOptions | None = None,
    reader: str = "",
    fold: int | None = None,
    inputs: InputShapes = (),
) -> Examples:
    """Return the examples of a file or folder that the command line names. Its kind is recognised.

    `options` are those of a description whose reader is `reader`: those that a reader of another kind does not
    understand are dropped. Raises SnError for what no reader knows, and for damaged or unfit files.
    """
    from snsim.data.readers import recognise  # here and below: slow to import, and few runs need the readers

    path = Path(os.path.abspath(path))
    name, files = recognise(path)
    return read_own(name, files, options_for(name, options or ReaderOptions(), reader), fold, inputs=inputs)


def options_for(name: str, options: ReaderOptions, reader: str) -> ReaderOptions:
    """Return the options of a form of `reader` that hold for files of the reader `name`."""
    from snsim.data.readers import READERS

    if name == reader:
        return options
    options = options.only(READERS.get(name).all_options)
    return replace(options, classes=()) if options.classes else options


def read_own(
    reader: str,
    files: Sequence[Path],
    options: ReaderOptions,
    fold: int | None = None,
    span: Span | None = None,
    inside: Path | None = None,
    inputs: InputShapes = (),
) -> Examples:
    """Return the examples that a reader makes of files.

    Parameters
    ----------
    reader : str
        A name on the shelf READERS.
    files : sequence of Path
        Absolute paths, as many as the reader takes.
    options : ReaderOptions
    fold : int or None
        With (folds N): the fold, from 1, whose patterns are the test part.
    span : Span or None
        Where the form stands.
    inside : Path or None
        Links in a folder of pictures must not lead out of this folder.
    inputs : sequence of (str, tuple)
        The name and the shape of each input layer of the net.

    Raises
    ------
    SnError
        For an unfit or damaged file, and for options that do not fit the data.
    """
    from snsim.data.raw_cache import read_raw
    from snsim.data.readers import READERS

    folder = Path(os.path.commonpath([file.parent for file in files]))
    request = ReadRequest(tuple(files), options, folder, inside, span, tuple(inputs))
    raw = _with_starts(read_raw(reader, READERS.get(reader, span), request), request)
    _check_room(raw, request)
    return _prepared(reader, _in_class_order(raw, request), request, fold, origin_of(files))


def read_matrices(
    inputs: np.ndarray, targets: np.ndarray, options: ReaderOptions, fold: int | None = None, span: Span | None = None
) -> Examples:
    """Return the examples of two matrices in a description, with the options of their form.

    Without options nothing is recorded. With (classes ...) the columns of the targets get names, and with classes the
    patterns held out are drawn class by class. SnError for options that do not fit the matrices.
    """
    plain = from_matrices(inputs, targets, span=span)
    if not options.are_stated:
        return plain
    request = ReadRequest((), options, Path(), None, span)
    names = _named_columns(targets, request) if options.classes else ()
    raw = RawData(RawPart(plain.train.inputs, targets=plain.train.targets), None, (), names)
    raw = _with_starts(raw, request)
    return _prepared(EXAMPLES, raw, request, fold, plain.origin)


def _named_columns(targets: np.ndarray, request: ReadRequest) -> tuple[str, ...]:
    """Return the names of the columns of targets by (classes ...). SnError if the rows do not tell one class each."""
    names = tuple(pattern.text for pattern in request.options.classes)
    if len(names) != targets.shape[1]:
        raise fail(
            f"(classes ...) names {len(names)} classes, and the targets have {targets.shape[1]} columns",
            request.at("classes"),
            hint=f"name {targets.shape[1]} classes, one for each column of the targets",
        )
    several = np.flatnonzero((targets == targets.max(axis=1, keepdims=True)).sum(axis=1) != 1)
    if len(several):
        raise fail(
            f"(classes ...): the targets of pattern {several[0]} have no largest number, so they tell no class",
            request.at("classes"),
            hint="give each row of targets one number that is larger than the others, or leave (classes ...) out",
        )
    return names


def _prepared(reader: str, raw: RawData, request: ReadRequest, fold: int | None, origin: str) -> Examples:
    """Return examples from what was read: patterns held out, pictures sized, inputs scaled, and the record."""
    options, name = request.options, request.files[0].name if request.files else EXAMPLES
    raw, seed = _hold_out(raw, request, fold)
    raw = _sized(raw, request)
    train, test, scaling = _scaled(raw, request)
    record = DataRecord(
        reader=reader,
        folder=str(request.folder),
        files=raw.files,
        shape=train.inputs.shape[1:],
        columns=raw.columns,
        targets=raw.targets,
        class_names=raw.class_names,
        scaling=scaling,
        size=options.size,
        seed=seed,
        test=options.test,
        folds=options.folds,
        fold=None if options.folds is None else fold,
    )
    notes = (*raw.notes, *_many_classes(train, record), *_unseen_classes(train, test, raw.class_names, name))
    classes = len(raw.class_names) or None
    return Examples(name, train, test, origin, digest(train, test), classes, record=record, notes=notes)


def _with_starts(raw: RawData, request: ReadRequest) -> RawData:
    """Note the patterns of the training part that (starts ...) names. SnError for one that there is not."""
    rows, count = request.options.starts, len(raw.train.inputs)
    if not rows:
        return raw
    if rows[-1] >= count:
        raise fail(
            f"(starts ...): {request.name} has no pattern {rows[-1]}: its {count:,} patterns are 0 to {count - 1}",
            request.at("starts"),
            hint=f"name patterns from 0 to {count - 1}",
        )
    starts = np.zeros(count, bool)
    starts[[0, *rows]] = True
    return replace(raw, train=replace(raw.train, starts=starts))


def _check_room(raw: RawData, request: ReadRequest) -> None:
    """Raise SnError if the inputs, at 4 or 8 bytes per number, take too much memory."""
    parts = [part.inputs for part in (raw.train, raw.test) if part is not None]
    total = sum(inputs.size * max(4, inputs.dtype.itemsize) for inputs in parts)
    if request.options.size is None and total > MOST_BYTES:
        raise fail(
            f"the inputs of {request.name}, {sum(map(len, parts)):,} patterns of "
            f"{shape_text(parts[0].shape[1:])}, take {total:,} bytes as numbers; at most {MOST_BYTES:,} are kept",
            request.span,
            hint="give fewer patterns, or scale pictures down: (size 32 32)",
        )


def _in_class_order(raw: RawData, request: ReadRequest) -> RawData:
    """Renumber the classes as (classes ...) orders them. SnError for a class of the data that it lacks."""
    wanted = request.options.classes
    if not wanted:
        return raw
    where = request.name
    if not raw.class_names:
        raise fail(
            f"(classes ...): {where} has targets, not classes",
            request.at("classes"),
            hint="leave (classes ...) out, or name a label column",
        )
    order: dict[int, int] = {}
    names: list[str] = []
    for pattern in wanted:
        if any(pattern.matches(name) for name in raw.class_names):
            place = pattern.find(raw.class_names, "class", "classes", where)
            if place in order:
                raise fail(
                    f'(classes ...) names the class "{raw.class_names[place]}" twice',
                    pattern.span,
                    hint="leave one of them out",
                )
            order[place] = len(names)
            names.append(raw.class_names[place])
        else:
            names.append(pattern.text)
    missing = [name for place, name in enumerate(raw.class_names) if place not in order]
    if missing:
        raise fail(
            f"{where} has {len(missing)} class{'es' if len(missing) > 1 else ''} that (classes ...) does not name: "
            f"{quoted(missing, _SHOWN)}",
            request.at("classes"),
            hint="write (classes " + " ".join(f'"{name}"' for name in [*names, *missing][:_SHOWN]) + ")",
        )
    numbers = np.array([order[place] for place in range(len(raw.class_names))], np.int64)

    def renumbered(part: RawPart) -> RawPart:
        return part if part.labels is None else replace(part, labels=numbers[part.labels])

    test = None if raw.test is None else renumbered(raw.test)
    return replace(raw, train=renumbered(raw.train), test=test, class_names=tuple(names))


def _hold_out(raw: RawData, request: ReadRequest, fold: int | None) -> tuple[RawData, int | None]:
    """Hold out the patterns of (test ...) or of one of the (folds ...). Return the seed of the draw too, if any."""
    options, count = request.options, len(raw.train.inputs)
    where = request.name
    if options.folds is None and fold is not None:
        raise fail(
            f"--fold {fold}: the data of this training have no folds",
            request.span,
            hint="write (folds 5) in the form of the reader, or leave --fold out",
        )
    if options.test is None and options.folds is None:
        return raw, None
    word = "test" if options.folds is None else "folds"
    if raw.test is not None:
        raise fail(
            f"({word} ...): {where} has a test part of its own, {len(raw.test.inputs):,} patterns",
            request.at(word),
            hint=f"leave ({word} ...) out",
        )
    starts = raw.train.starts
    if starts is None:
        chosen = _drawn(_strata(raw.train, request), count, "patterns", fold, request)
    else:  # whole sequences
        sequence = np.cumsum(starts) - 1
        chosen = _drawn(None, int(sequence[-1]) + 1, "sequences", fold, request)[sequence]
    return replace(raw, train=_chosen(raw.train, ~chosen), test=_chosen(raw.train, chosen)), options.split_seed


def _drawn(strata: np.ndarray | None, count: int, what: str, fold: int | None, request: ReadRequest) -> np.ndarray:
    """Return which of `count` patterns or sequences (`what`) are held out, bool (count,)."""
    options = request.options
    if options.folds is not None:
        tested = _checked_fold(options.folds, fold, count, request.name, request, what)
        of_fold: np.ndarray = fold_of_each(strata, count, options.folds, options.split_seed) == tested
        return of_fold
    assert options.test is not None
    wanted = count_held_out(options.test, count)
    if not 0 < wanted < count:
        raise fail(
            f"(test {options.test:g}) holds out {wanted:,} of the {_counted(count, what)} of {request.name}",
            request.at("test"),
            hint=f"leave {what} for training and for the test: write a number from 1 to {count - 1}"
            if count > 1
            else _cannot_divide("test", what),
        )
    return held_out(strata, count, wanted, options.split_seed)


def _strata(part: RawPart, request: ReadRequest) -> np.ndarray | None:
    """Return the class of each pattern, of which each gives its share to the test; None for targets of no class."""
    if part.labels is not None or request.files:
        return part.labels
    targets = part.targets
    assert targets is not None
    largest = targets == targets.max(axis=1, keepdims=True)
    is_class = targets.shape[1] > 1 and bool((largest.sum(axis=1) == 1).all())
    return np.asarray(largest.argmax(axis=1)) if is_class else None


def _checked_fold(folds: int, fold: int | None, count: int, where: str, request: ReadRequest, what: str) -> int:
    """Return the fold that is tested. SnError if none is named, or if there is none of this number."""
    if folds > count:
        raise fail(
            f"(folds {folds}): {where} has {_counted(count, what)}",
            request.at("folds"),
            hint=f"write (folds {count}) or less" if count > 1 else _cannot_divide("folds", what),
        )
    if fold is None:
        raise fail(
            f"(folds {folds}) needs --fold, the part to test on",
            request.at("folds"),
            hint=f"run one fold: --fold 1, up to {folds}; snsim reproduce runs all of them",
        )
    if not 1 <= fold <= folds:
        raise fail(
            f"--fold {fold}: (folds {folds}) has the folds 1 to {folds}",
            request.at("folds"),
            hint=f"write a fold from 1 to {folds}",
        )
    return fold


def _counted(count: int, what: str) -> str:
    """Return a count of patterns or sequences: 1 sequence, 20 patterns."""
    return f"{count:,} {what if count != 1 else what.removesuffix('s')}"


def _cannot_divide(word: str, what: str) -> str:
    """Return the remedy for (test ...) or (folds ...) where there is one pattern, or one sequence."""
    return f"remove ({word} ...), or give more {what}: there is nothing to train on beside a test of the only one"


def _chosen(part: RawPart, which: np.ndarray) -> RawPart:
    return RawPart(
        part.inputs[which],
        None if part.labels is None else part.labels[which],
        None if part.targets is None else part.targets[which],
        None if part.files is None else part.files[which],
        None if part.starts is None else part.starts[which],
    )


def _sized(raw: RawData, request: ReadRequest) -> RawData:
    """Scale the pictures to (size R C)."""
    size = request.options.size
    if size is None or raw.is_sized:
        return raw
    _require_pictures(raw, "size", request)
    total = (
        size[0]
        * size[1]
        * sum(int(np.prod(part.inputs.shape[:-2])) for part in (raw.train, raw.test) if part is not None)
    )
    if total * 4 > MOST_BYTES:
        raise fail(
            f"(size {size[0]} {size[1]}) makes {total:,} pixels of all pictures; at most {MOST_BYTES // 4:,} are kept",
            request.at("size"),
            hint="write a smaller size, such as (size 16 16)",
        )
    test = None if raw.test is None else replace(raw.test, inputs=resized(raw.test.inputs, *size))
    return replace(raw, train=replace(raw.train, inputs=resized(raw.train.inputs, *size)), test=test)


def _require_pictures(raw: RawData, word: str, request: ReadRequest) -> None:
    if raw.train.inputs.ndim < 3:
        units = raw.train.inputs.shape[1]
        raise fail(
            f"({word} ...): the inputs of {request.name} are {units} numbers a pattern, not pictures",
            request.at(word),
            hint=f"leave ({word} ...) out, or store arrays of the shape (patterns, rows, columns)",
        )


def _scaled(raw: RawData, request: ReadRequest) -> tuple[Split, Split | None, InputScaling | None]:
    """Return both parts with inputs scaled by what the training part says, and the scaling."""
    options = request.options
    if options.invert:
        _require_pictures(raw, "invert", request)
    scaling = fit_scaling(raw.train.inputs, options.range, options.standardize, options.invert)
    if scaling is not None and not all(map(np.isfinite, (*scaling.offset, *scaling.divisor))):
        raise fail(
            f"the inputs of {request.name} are too large to be scaled",
            request.at("standardize" if options.standardize else "range"),
            hint="divide the numbers by the largest one before you save them",
        )

    def split(part: RawPart) -> Split:
        inputs = part.inputs if scaling is None else scaling.apply(part.inputs)
        if inputs.dtype == np.uint8:
            inputs = inputs.astype(np.float64)
        return Split(np.ascontiguousarray(inputs), part.labels, part.targets, part.files, part.starts)

    return split(raw.train), None if raw.test is None else split(raw.test), scaling


def has_many_classes(examples: Examples) -> bool:
    """Tell whether the label column of a table is more likely the target of a regression."""
    return examples.record is not None and bool(_many_classes(examples.train, examples.record))


def _many_classes(train: Split, record: DataRecord) -> tuple[str, ...]:
    """Return a note for a label column of whole numbers that is more likely the target of a regression."""
    count = len(record.class_names)
    if not record.columns or count <= 20 or count < len(train) / 10:
        return ()
    return (
        f"the label column {record.targets[0]} has {count:,} classes for {len(train):,} training patterns; for a "
        f'regression write (target "{record.targets[0]}")',
    )


def _unseen_classes(train: Split, test: Split | None, names: Sequence[str], where: str) -> tuple[str, ...]:
    """Return a warning about the classes that the test part has and the training part has not."""
    if test is None or train.labels is None or test.labels is None:
        return ()
    unseen = sorted(set(np.unique(test.labels).tolist()) - set(np.unique(train.labels).tolist()))
    if not unseen:
        return ()
    unseen_names = quoted([names[number] for number in unseen], _SHOWN)
    return (
        f"warning: {shown(where)}: {len(unseen)} class{'es' if len(unseen) > 1 else ''} of the test part never "
        f"occur{'' if len(unseen) > 1 else 's'} in the training part: {unseen_names}",
    )
