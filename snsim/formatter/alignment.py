"""From lines to a text: words in columns below one another, comments where their writer put them.

Two blanks or more inside a line are a column, if half of the lines of its kind that follow one another have them: it
is lined up in all of these. The shapes of layers and the schemes of connections always are. In a list of data two
blanks part groups, and stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from snsim.formatter.line_breaking import Line, Word, end_of

_ALWAYS = {("layer", 2), ("connect", 3)}
_NEAR = 4  # columns by which comments in one column may have come apart
_GAP = 2  # blanks between a line and its comment, at least


def text_of(lines: list[Line]) -> str:
    """The lines as text, with a newline behind each."""
    for line in lines:
        for word in line.words:
            word.shift = int(word.wide)
    for run in _runs(lines):
        _line_up(run)
    ends = [_resolve(line) for line in lines]
    columns = _comment_columns(lines, ends)
    made: list[str] = []
    for line, end, column in zip(lines, ends, columns):
        if line.blank_before:
            made.append("")
        if line.remark is not None:
            made.append(" " * column + line.remark.text)
            continue
        text = " " * _start(line)
        for word in line.words:
            text += " " * (word.blank + word.shift) + word.text
        if line.behind is not None:
            text += " " * (column - end) + line.behind.text
        made.append(text.rstrip() if "\n" not in text else text)
    return "".join(text + "\n" for text in made)


def _start(line: Line) -> int:
    return line.offset + (line.anchor.column if line.anchor else 0)


def _resolve(line: Line) -> int:
    """Set the columns of the words of a line, whose anchor has its own; the column behind the last."""
    column = _start(line)
    for word in line.words:
        word.column = column + word.blank + word.shift
        column = end_of(word.text, word.column)
    return column


def _runs(lines: Iterable[Line]) -> list[list[Line]]:
    """The lines that begin with items of one form, as far as no blank line parts them."""
    found: list[list[Line]] = []
    current: dict[int, list[Line]] = {}
    for line in lines:
        if line.blank_before:
            current.clear()
        if line.starts is not None and line.starts.items is not None:
            run = current.get(id(line.parent))
            if run is None:
                run = current[id(line.parent)] = []
                found.append(run)
            run.append(line)
    return [run for run in found if len(run) > 1]


def _line_up(run: list[Line]) -> None:
    """Shift the words of a run that stand in one column."""
    for path in sorted({word.path for line in run for word in line.words if word.path is not None}):
        for rows in _segments(run, path):
            words = [word for _, word in rows]
            always = path[0] == 0 and (words[0].head, path[1]) in _ALWAYS
            always = always and all(_is_alone(row) for row, _ in rows)
            places = [_place(line, word) for line, word in rows]
            short = [word.marked for word, place in zip(words, places) if place < max(places)]
            stated = 2 * sum(short) >= len(short) > 0 or all(word.marked for word in words)
            if len(rows) > 1 and (always or stated):
                for word in words:
                    word.shift = int(all(other.marked for other in words))
                for word, place in zip(words, places):
                    word.shift += max(places) - place


def _segments(run: list[Line], path: tuple[int, int]) -> Iterator[list[tuple[Line, Word]]]:
    """The stretches of lines that have a word of this path; behind the first item, of one kind."""
    rows: list[tuple[Line, Word]] = []
    for line in run:
        word = next((w for w in line.words if w.path == path), None)
        if word is not None and any("\n" in w.text for w in line.words):
            word = None
        if rows and (word is None or (path[1] > 1 and _kind(word) != _kind(rows[-1][1]))):
            yield rows
            rows = []
        if word is not None:
            rows.append((line, word))
    if rows:
        yield rows


def _kind(word: Word) -> str:
    """With what the items of a list are lined up: those of lists of the same head, of trainings with those of nets."""
    return "net" if word.head == "train" else word.head


def _is_alone(line: Line) -> bool:
    """Whether one form only stands on a line."""
    return all(word.path != (1, 0) for word in line.words)


def _place(line: Line, word: Word) -> int:
    """The column of a word from the beginning of its line."""
    place = 0
    for other in line.words:
        place += other.blank + other.shift
        if other is word:
            return place
        place += len(other.text)
    raise AssertionError("the word is not of the line")


def _comment_columns(lines: list[Line], ends: list[int]) -> list[int]:
    """The column of the comment of each line. Those that stood below one another, or nearly so, stand so."""
    remarks = [line.behind or line.remark for line in lines]
    where = [_start(line) if remark is None else remark.column for line, remark in zip(lines, remarks)]
    while (columns := _set_columns(lines, ends, where)) != where:  # groups that came to one column are one group now
        where = columns
    return where


def _set_columns(lines: list[Line], ends: list[int], where: list[int]) -> list[int]:
    """One step of it: `where` each comment stands; a line without one begins there."""
    columns = [_start(line) for line in lines]
    groups: list[list[int]] = []
    goes_on = False
    for number, line in enumerate(lines):
        stood = where[groups[-1][0]] if goes_on else -1
        if (goes_on and line.remark is not None and where[number] == stood and not line.blank_before) or (
            goes_on and line.behind is not None and abs(where[number] - stood) <= _NEAR and not line.blank_before
        ):
            groups[-1].append(number)
        else:
            goes_on = line.behind is not None
            if goes_on:
                groups.append([number])
    for group in groups:
        reach = max([where[group[0]], *(ends[n] + _GAP for n in group if lines[n].remark is None)])
        for n in group:
            columns[n] = reach
    return columns
