"""Read a table of numbers with a label or targets: comma, semicolon or tab between columns, UTF-8.

https://www.rfc-editor.org/rfc/rfc4180 describes the format; Python's module csv reads it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from snsim.data.reader_options import TABLE_OPTIONS, NamePattern, ReaderOptions, fold_name, quoted
from snsim.data.reader_shelf import (
    MOST_BYTES,
    RawData,
    RawPart,
    ReadRequest,
    add_reader,
    class_order,
    name_in,
)
from snsim.data.record import FileRecord
from snsim.errors import MOST_FAULTS, Fault, SnError, Span, fail, for_line, shorten
from snsim.input_files import foreign_format, read_file, shown

_DELIMITERS = ("\t", ";", ",")  # by rank: a comma may be a decimal comma, a semicolon may stand in a text
_SUFFIXES = {".csv", ".tsv", ".txt", ".data", ".tab"}
_AT_ONCE = 4096  # rows that are turned into numbers together
_SNIFFED = 20  # rows by which the delimiter is found
_MOST_FIELD = 131_072  # characters of one cell: the limit of Python's module csv
_MOST_COLUMNS = 100_000
_TOLD = 3  # wrong cells of one column that are reported
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[-+]?\d{1,20},\d{1,20}", re.ASCII)
_MISSING = {"", "?", "na", "n/a", "nan", "null", "none", "-", "#n/a"}
_MISSING_WORDS = _MISSING - {"-", "none", "na"}  # in a column that may hold texts, where these three are names


def _recognise(path: Path, start: bytes) -> tuple[Path, ...] | None:
    if path.is_dir():
        for train, test in (("train.csv", "test.csv"), ("train.tsv", "test.tsv")):
            if (path / train).is_file():
                return (path / train, path / test) if (path / test).is_file() else (path / train,)
        return None
    is_text = not foreign_format(start) and not start.startswith(b".MAT") and b"\0" not in start
    return (path,) if is_text and (path.suffix.lower() in _SUFFIXES or b"," in start or b"\t" in start) else None


@add_reader("csv", '(csv "FILE" ["TEST-FILE"] option ...)', _recognise, (1, 2), TABLE_OPTIONS)
def read_csv(request: ReadRequest) -> RawData:
    """Read a table of numbers in a text: one column is the label, the others are the inputs.

    The label is the column of (label NAME), or the last one; with (target NAME ...) the named columns are targets of a
    regression. A NAME may be the number of a column, from 1. The first line may hold the names of the columns.
    A second file is the test part.
    """
    first, *others = (_Table(file, request) for file in request.files)
    plan = first.plan()
    train = first.read(plan)
    if not others:
        return _raw(plan, [train], request)
    return _raw(plan, [train, others[0].read(others[0].plan_like(plan))], request)


def read_known_columns(
    path: Path,
    columns: Sequence[str],
    count: int,
    answers: Sequence[str] | None = None,
    is_class: bool = False,
    content: bytes | None = None,
    sequence: NamePattern | None = None,
) -> RawData:
    """Read a table for a net that was trained before: its input columns by name, or in order if they have no names.

    Parameters
    ----------
    path : Path
    columns : sequence of str
        The names of the input columns of the training; () if it had no table.
    count : int
        How many inputs the net takes.
    answers : sequence of str or None
        The names of the label or the targets; () for the last column; None if no answers are read. Without answers the
        targets of the result have no columns.
    is_class : bool
        The answers are a label.
    content : bytes or None
        The bytes of the file, if it is no file (standard input).
    sequence : NamePattern or None
        The column that told the sequence in the training. A table without it is one sequence.

    Raises
    ------
    SnError
        For a missing column, and a cell that is no number.
    """
    request = ReadRequest((path,), ReaderOptions(sequence=sequence), path.parent)
    table = _Table(path, request, content)
    plan = table.plan_for(columns, count, answers, is_class)
    return _raw(plan, [table.read(plan)], request)


@dataclass(frozen=True)
class _Plan:
    """The meaning of each column. `answers`: places of the label (one) or of the targets."""

    names: tuple[str, ...]
    has_heading: bool
    inputs: tuple[int, ...]
    answers: tuple[int, ...]
    is_class: bool | None  # None: the content of the last column decides
    notes: tuple[str, ...] = ()
    sequence: int | None = None  # the place of the column that tells the sequence


@dataclass
class _Column:
    """The cells of a numeric column that are not numbers."""

    wrong: list[tuple[int, str]] = field(default_factory=list)  # line and cell, the first few
    count: int = 0  # of all wrong cells


@dataclass(frozen=True)
class _Content:
    """What was read of one file. `labels` are places in `texts`."""

    inputs: np.ndarray
    labels: np.ndarray | None
    texts: tuple[str, ...]
    targets: np.ndarray | None
    record: FileRecord
    starts: np.ndarray | None = None  # bool (patterns,): where the column of the sequence changes


class _Table:
    """One file: its text, the delimiter, and its rows with their lines."""

    def __init__(self, path: Path, request: ReadRequest, content: bytes | None = None):
        self.path, self.request, self.name = path, request, shown(path.name)
        if content is None:
            content = read_file(path, MOST_BYTES, request.span, what="a csv file")
        known = foreign_format(content[:512])
        if known:
            raise self.fault(f"is {known}, not a table in a text", _remedy(known))
        self.digest = hashlib.sha256(content).hexdigest()
        try:
            self.text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise self.fault(
                f"line {line} holds the byte {content[error.start]:#04x}, which is not UTF-8",
                "save the table as UTF-8",
            ) from None
        if "\0" in self.text:
            line = self.text.count("\n", 0, self.text.index("\0")) + 1
            raise self.fault(f"line {line} holds a zero byte", "save the table as a plain text in UTF-8")
        self.delimiter = self._find_delimiter()

    def fault(self, message: str, hint: str, span: Span | None = None) -> SnError:
        return fail(f"{self.name}: {message}", span or self.request.span, hint=hint)

    def rows(self, most: int | None = None) -> Iterator[tuple[int, list[str]]]:
        """Yield the rows that are not empty, each with the line (from 1) in which it begins."""
        reader = csv.reader(
            io.StringIO(self.text, newline=""), delimiter=self.delimiter, strict=True, skipinitialspace=True
        )
        line = count = 0
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise self._broken(line + 1, str(error)) from None
            begun, line = line + 1, reader.line_num
            if any(cell.strip() for cell in row):
                yield begun, list(map(str.strip, row))
                count += 1
                if count == most:
                    return

    def _broken(self, line: int, reason: str) -> SnError:
        if "field larger" in reason:
            return self.fault(
                f"a cell of line {line} is longer than {_MOST_FIELD:,} characters", 'is a closing " missing there?'
            )
        if "unexpected end" in reason:
            return self.fault(f'a cell that begins in line {line} has no closing "', 'write the missing " in that line')
        return self.fault(f"line {line} is not well formed: {reason}", 'write a " inside of quotes twice: ""')

    def _find_delimiter(self) -> str:
        """Return the first delimiter that cuts the first rows into equally many columns; else the usual one."""
        for delimiter in _DELIMITERS:
            self.delimiter = delimiter
            try:
                widths = {len(row) for _, row in self.rows(_SNIFFED)}
            except SnError:
                continue
            if len(widths) == 1 and widths.pop() > 1:
                return delimiter
        first = self.text.lstrip().split("\n", 1)[0]
        return max(reversed(_DELIMITERS), key=first.count)

    def plan(self) -> _Plan:
        """Decide which columns are inputs, label and targets."""
        options = self.request.options
        first, second = [*self.rows(2), None, None][:2]
        if first is None:
            raise self.fault("the file holds no rows", "give one row for each pattern")
        width = len(first[1])
        if width < 2:
            raise self.fault(
                "there is one column: no comma, semicolon or tab stands between the cells",
                "write at least one input column and one column with the label",
            )
        if width > _MOST_COLUMNS:
            raise self.fault(
                f"line {first[0]} has {width:,} columns, at most {_MOST_COLUMNS:,} are read", "give a table of fewer"
            )
        has_heading = _has_heading(first[1], None if second is None else second[1], options)
        names = tuple(first[1]) if has_heading else tuple(f"column {place + 1}" for place in range(width))
        notes = []
        if has_heading and any(_NUMBER.fullmatch(cell) for cell in first[1]):
            notes.append(f"{self.name}: line {first[0]} is read as the names of the columns: {quoted(first[1])}")
        ignored = {self._place(pattern, names, has_heading) for pattern in options.ignore}
        if has_heading and not names[0] and 0 not in ignored:
            ignored.add(0)
            notes.append(f"{self.name}: column 1 has no name, as the row numbers that pandas writes: it is left out")
        sequence = None if options.sequence is None else self._place(options.sequence, names, has_heading)
        if sequence is not None:
            ignored.add(sequence)
        answers = tuple(self._place(pattern, names, has_heading) for pattern in options.target)
        if options.label is not None:
            answers = (self._place(options.label, names, has_heading),)
        is_class = None if not answers else options.label is not None
        if not answers:
            answers = tuple(place for place in range(width) if place not in ignored)[-1:]
        for place in answers:
            if place == sequence:
                raise self.fault(
                    f"{_column(place, names)} is both that of (sequence ...) and the label or a target",
                    "name another column: (label NAME), (target NAME ...) or (sequence NAME)",
                    self.request.at("sequence"),
                )
            if place in ignored:
                raise self.fault(
                    f"{_column(place, names)} is both in (ignore ...) and the label or a target",
                    "leave it out of (ignore ...)",
                    self.request.at("ignore"),
                )
        inputs = tuple(place for place in range(width) if place not in ignored and place not in answers)
        if not inputs:
            raise self.fault("no column is left for the inputs", "ignore fewer columns", self.request.at("ignore"))
        return _Plan(names, has_heading, inputs, answers, is_class, tuple(notes), sequence)

    def plan_like(self, plan: _Plan) -> _Plan:
        """Return the plan of the first file for this one. SnError if the columns differ."""
        first, second = [*self.rows(2), None, None][:2]
        if first is None:
            raise self.fault("the file holds no rows", "give one row for each pattern, or leave the test file out")
        has_heading = tuple(first[1]) == plan.names or _has_heading(
            first[1], None if second is None else second[1], self.request.options
        )
        names = tuple(first[1]) if has_heading else plan.names
        if len(first[1]) != len(plan.names) or names != plan.names:
            raise self.fault(
                f"its columns are {quoted(names)}; those of {shown(self.request.files[0].name)} are "
                f"{quoted(plan.names)}",
                "give both files the same columns in the same order",
            )
        return _Plan(plan.names, has_heading, plan.inputs, plan.answers, plan.is_class, (), plan.sequence)

    def plan_for(self, columns: Sequence[str], count: int, answers: Sequence[str] | None, is_class: bool) -> _Plan:
        """Return the plan for the `count` inputs that a net takes, called `columns` if they have names.

        `answers` are the names of its label or targets, () if they have none; None if no answers are read.
        """
        first, second = [*self.rows(2), None, None][:2]
        if first is None:
            raise self.fault("the file holds no rows", "give one row for each pattern")
        width = len(first[1])
        has_heading = (bool(columns) and set(columns) <= set(first[1])) or _has_heading(
            first[1], None if second is None else second[1], self.request.options
        )
        names = tuple(first[1]) if has_heading else tuple(f"column {place + 1}" for place in range(width))
        numbered = [f"column {place + 1}" for place in range(width)]
        if has_heading and not set(columns) <= set(numbered):
            inputs = self._named(columns, names)
            wanted = (
                ()
                if answers is None
                else self._named(answers, names, "with the answers")
                if answers
                else self._last(inputs, width)
            )
        elif columns and (width > count or answers) and {*columns, *(answers or ())} <= set(numbered):
            inputs = tuple(numbered.index(name) for name in columns)
            wanted = tuple(numbered.index(name) for name in answers or ())
        else:
            more = 0 if answers is None else max(1, len(answers))
            if width != count + more:
                behind = f", and {more} more after them" if more else ""
                raise self.fault(
                    f"it has {width:,} columns; the net takes {count:,} numbers{behind}",
                    f"give rows of {count + more:,} columns"
                    + (", without a label" if answers is None and width == count + 1 else "")
                    + ("; for rows without answers use snsim predict" if more and width == count else ""),
                )
            inputs, wanted = tuple(range(count)), tuple(range(count, width))
        sequence = self._sequence(names, has_heading, {*inputs, *wanted})
        return _Plan(names, has_heading, inputs, wanted, is_class and answers is not None, sequence=sequence)

    def _sequence(self, names: Sequence[str], has_heading: bool, used: set[int]) -> int | None:
        """Return the place of the column that tells the sequence; None if this file has none."""
        pattern = self.request.options.sequence
        if pattern is None:
            return None
        if pattern.number is not None:
            place = pattern.number - 1
            return place if place < len(names) and place not in used else None
        return next((place for place, name in enumerate(names) if has_heading and pattern.matches(name)), None)

    def _last(self, inputs: Sequence[int], width: int) -> tuple[int, ...]:
        """Return the place of the last column, for the label. SnError if it is an input."""
        if width - 1 in inputs:
            raise self.fault("no column is left for the label", "write the label in the last column")
        return (width - 1,)

    def _named(self, wanted: Sequence[str], names: Sequence[str], what: str = "that the net takes") -> tuple[int, ...]:
        """Return the places of columns: of the same name, else of one that differs in case and `_` only."""
        folded = [fold_name(name) for name in names]
        places, missing = [], []
        for name in wanted:
            if name in names:
                places.append(names.index(name))
            elif folded.count(fold_name(name)) == 1:
                places.append(folded.index(fold_name(name)))
            else:
                missing.append(name)
        if missing:
            raise self.fault(
                f"the column{'s' if len(missing) > 1 else ''} {quoted(missing)} {what} "
                f"{'are' if len(missing) > 1 else 'is'} missing; it has {quoted(names)}",
                f"name the columns as the run does: {','.join(wanted[:12])}"
                + ("; for rows without answers use snsim predict" if "answers" in what else ""),
            )
        return tuple(places)

    def _place(self, pattern: NamePattern, names: Sequence[str], has_heading: bool) -> int:
        """Return the place of the column that a name or number means."""
        if pattern.number is not None:
            if not 1 <= pattern.number <= len(names):
                raise self.fault(
                    f"there is no column {pattern.number}: the table has {len(names)}",
                    f"write a number from 1 to {len(names)}",
                    pattern.span,
                )
            return pattern.number - 1
        if not has_heading:
            raise self.fault(
                f'column "{pattern.text}" is asked for by name, but the file has no line of column names',
                f"write the number of the column, from 1 to {len(names)}",
                pattern.span,
            )
        return pattern.find(names, "column", "columns", self.name)

    def read(self, plan: _Plan) -> _Content:
        """Return the numbers and labels of the file. SnError with line and column of cells that are not numbers."""
        is_target = plan.is_class is False
        numbers = [*plan.inputs, *(plan.answers if is_target else ())]
        columns = {place: _Column() for place in numbers}
        pieces: list[np.ndarray] = []
        classes: dict[str, int] = {}
        labels: list[int] = []
        lines: list[int] = []
        block: list[list[str]] = []
        faults: list[Fault] = []
        label, total = plan.answers[0] if plan.answers else 0, 0
        sequences: list[str] = []  # the cell of each row that tells its sequence

        def convert() -> None:
            piece = _quick_numbers(block, numbers)
            if piece is None:
                piece = np.column_stack(
                    [_convert([row[place] for row in block], lines, columns[place]) for place in numbers]
                )
            pieces.append(piece)
            if not is_target:
                for line, row in zip(lines, block):
                    text = row[label]
                    if text.lower() in _MISSING_WORDS and len(faults) < MOST_FAULTS:
                        faults.append(self._missing(line, label, plan, text))
                    labels.append(classes.setdefault(text, len(classes)))
            block.clear()
            lines.clear()

        rows = self.rows()
        if plan.has_heading:
            next(rows)
        for line, row in rows:
            if len(row) != len(plan.names):
                faults.append(self._other_length(line, row, plan))
                if len(faults) >= MOST_FAULTS:
                    break
                continue
            block.append(row)
            lines.append(line)
            total += 1
            if plan.sequence is not None:
                fault = self._no_sequence(line, row[plan.sequence], plan.sequence, plan)
                if fault is not None and len(faults) < MOST_FAULTS:
                    faults.append(fault)
                sequences.append(row[plan.sequence])
            if len(block) == _AT_ONCE:
                if total * len(numbers) * 8 > MOST_BYTES:
                    raise self.fault(
                        f"its first {total:,} rows x {len(numbers):,} numbers take {total * len(numbers) * 8:,} bytes; "
                        f"at most {MOST_BYTES:,} are read",
                        "split it into files of fewer rows",
                    )
                convert()
        if block:
            convert()
        faults += [fault for place in numbers for fault in self._wrong_cells(place, columns[place], total, plan)]
        if faults:
            raise SnError(faults)
        if not total:
            raise self.fault("there are no rows below the names of the columns", "give one row for each pattern")
        table = np.concatenate(pieces)
        inputs, targets = table[:, : len(plan.inputs)], table[:, len(plan.inputs) :] if is_target else None
        record = FileRecord(name_in(self.path, self.request.folder), self.digest)
        of_rows = None if is_target else np.array(labels, int)
        starts = None
        if plan.sequence is not None:
            starts = np.array([True, *(cell != before for cell, before in zip(sequences[1:], sequences))])
        return _Content(inputs, of_rows, tuple(classes), targets, record, starts)

    def _other_length(self, line: int, row: Sequence[str], plan: _Plan) -> Fault:
        return Fault(
            f"{self.name}: line {line} has {len(row)} cells, expected {len(plan.names)}",
            self.request.span,
            hint="write one cell for each column; a cell that holds the delimiter stands in quotes",
        )

    def _missing(self, line: int, place: int, plan: _Plan, cell: str) -> Fault:
        return Fault(
            f"{self.name}: line {line}, {_column(place, plan.names)}: the value is missing"
            + (f' ("{for_line(cell)}")' if cell else ""),
            self.request.span,
            hint=f"write a value, delete line {line}, or leave the column out: (ignore {_written(place, plan)})",
        )

    def _no_sequence(self, line: int, cell: str, place: int, plan: _Plan) -> Fault | None:
        """Return the fault of a cell that should tell the sequence of a row, if it is missing or not finite."""
        lowered, hint = cell.lower(), f"write the number or the name of the sequence, or delete line {line}"
        if lowered in _MISSING_WORDS:
            return replace(self._missing(line, place, plan, cell), hint=hint)
        if lowered.lstrip("+-") not in ("inf", "infinity", "nan"):
            return None
        message = f'{self.name}: line {line}, {_column(place, plan.names)}: "{for_line(cell)}" tells no sequence'
        return Fault(message, self.request.span, hint=hint)

    def _wrong_cells(self, place: int, column: _Column, total: int, plan: _Plan) -> list[Fault]:
        """Return the faults of a column: one if no cell is a number, else one for each of the first wrong cells."""
        for line, cell in column.wrong:
            if _DECIMAL_COMMA.fullmatch(cell):
                at = f"{self.name}: line {line}, {_column(place, plan.names)}"
                remedy = f"write the numbers of this column with a point: {cell.replace(',', '.')}"
                return [Fault(f'{at}: "{for_line(cell)}" has a decimal comma', self.request.span, hint=remedy)]
        if column.count == total and total > 1 and any(cell.lower() not in _MISSING for _, cell in column.wrong):
            line, cell = column.wrong[0]
            named = _written(place, plan)
            return [
                Fault(
                    f"{self.name}: line {line}, {_column(place, plan.names)}: the column holds texts, such as "
                    f'"{for_line(shorten(cell, 40))}", not numbers',
                    self.request.span,
                    hint=f"leave it out: (ignore {named}); or if it is the label: (label {named})",
                )
            ]
        faults = []
        for line, cell in column.wrong:
            if cell.lower() in _MISSING:
                faults.append(self._missing(line, place, plan, cell))
                continue
            more = f" ({column.count} cells of this column are not)" if column.count > len(column.wrong) else ""
            faults.append(
                Fault(
                    f'{self.name}: line {line}, {_column(place, plan.names)}: "{for_line(shorten(cell, 40))}" is not '
                    f"a finite number{more}",
                    self.request.span,
                    hint=_advice(cell, _written(place, plan)),
                )
            )
        return faults


def _quick_numbers(block: Sequence[Sequence[str]], places: Sequence[int]) -> np.ndarray | None:
    """Return the numbers of a block of rows, float64 (rows, places); None if a cell is no finite number.

    NumPy reads them as one text, ten times as fast as cell by cell. The number of blanks shows whether a cell is empty
    or holds a blank.
    """
    count = len(block) * len(places)
    text = "\n".join([" ".join([row[place] for place in places]) for row in block])
    words = text.split()
    if len(words) != count or text.count(" ") + text.count("\n") != count - 1 or not text.isascii():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            numbers = np.fromstring(text, dtype=np.float64, sep=" ")
        except (DeprecationWarning, ValueError):
            return None
    return numbers.reshape(len(block), -1) if len(numbers) == count and np.isfinite(numbers).all() else None


def _convert(cells: list[str], lines: Sequence[int], column: _Column) -> np.ndarray:
    """Return the numbers of one column of a block of rows, and note the cells that are not numbers."""
    values = np.zeros(len(cells))
    for place, (line, cell) in enumerate(zip(lines, cells)):
        if _NUMBER.fullmatch(cell) and math.isfinite(float(cell)):
            values[place] = float(cell)
            continue
        column.count += 1
        if len(column.wrong) < _TOLD:
            column.wrong.append((line, cell))
    return values


def _has_heading(first: Sequence[str], second: Sequence[str] | None, options: ReaderOptions) -> bool:
    """Tell whether the first row names the columns.

    It does if a name of the description stands in it, if it holds no number, or if a word stands in it above a number.
    """
    single = [pattern for pattern in (options.label, options.sequence) if pattern is not None]
    patterns = [*single, *options.target, *options.ignore]
    if any(pattern.number is None and pattern.matches(cell) for pattern in patterns for cell in first):
        return True
    words = [not _NUMBER.fullmatch(cell) and cell.lower() not in _MISSING for cell in first]
    if second is None or len(second) != len(first):
        return all(words)
    above = any(word and _NUMBER.fullmatch(cell) for word, cell in zip(words, second))
    return above or all(word or not cell for word, cell in zip(words, first))


def _raw(plan: _Plan, contents: list[_Content], request: ReadRequest) -> RawData:
    """Return raw data of one or two files; the classes are those of both."""
    names = plan.names
    columns, answers = tuple(names[place] for place in plan.inputs), tuple(names[place] for place in plan.answers)
    files = tuple(content.record for content in contents)
    parts: list[RawPart] = []
    if contents[0].targets is not None:
        parts = [RawPart(content.inputs, targets=content.targets, starts=content.starts) for content in contents]
        return RawData(parts[0], _second(parts), files, (), columns, answers, plan.notes)
    texts = list(dict.fromkeys(text for content in contents for text in content.texts))
    are_numbers = all(_NUMBER.fullmatch(text) for text in texts)
    if are_numbers and not all(float(text).is_integer() for text in texts):
        if plan.is_class:
            decimal = next(text for text in texts if not float(text).is_integer())
            written = _written(plan.answers[0], plan)
            raise fail(
                f"{shown(request.files[0].name)}: the label {_column(plan.answers[0], names)} holds decimals, such as "
                f"{decimal}",
                request.at("label"),
                hint=f"classes are whole numbers or names; for a regression write (target {written})",
            )
        values = [np.array([float(text) for text in content.texts]) for content in contents]
        parts = [
            RawPart(content.inputs, targets=value[content.labels].reshape(-1, 1), starts=content.starts)
            for content, value in zip(contents, values)
        ]
        return RawData(parts[0], _second(parts), files, (), columns, answers, plan.notes)
    class_names = class_order(texts)
    places = {text: place for place, text in enumerate(class_names)}
    for content in contents:
        number = np.array([places[text] for text in content.texts], int)
        parts.append(RawPart(content.inputs, number[content.labels], starts=content.starts))
    return RawData(parts[0], _second(parts), files, tuple(class_names), columns, answers, plan.notes)


def _second(parts: Sequence[RawPart]) -> RawPart | None:
    return parts[1] if len(parts) > 1 else None


def _column(place: int, names: Sequence[str]) -> str:
    """Return a column as a sentence names it: `column 3 (petal length)`."""
    name = names[place]
    return f"column {place + 1}" + (f" ({for_line(shorten(name, 60))})" if name != f"column {place + 1}" else "")


def _written(place: int, plan: _Plan) -> str:
    """Return a column as an option names it."""
    name = plan.names[place]
    return f'"{for_line(shorten(name, 60))}"' if plan.has_heading and name and '"' not in name else str(place + 1)


def _advice(cell: str, column: str) -> str:
    if cell[:1] == "\N{MINUS SIGN}":
        return "write minus as the hyphen on the keyboard: -1"
    return f"correct it, or leave the column out: (ignore {column})"


def _remedy(known: str) -> str:
    if "UTF-16" in known:
        return "save it as UTF-8: iconv -f utf-16 -t utf-8"
    return "save the table as comma-separated values (CSV, UTF-8), or name a reader for this format"
