"""Align words in columns and place comments, to turn lines into text.

Two or more blanks inside a line mark a column. If half of the adjacent lines of the same kind mark it, all of them are
aligned there. The shapes of layers and the schemes of connections are always aligned. In a list of data two blanks
separate groups, and stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from snsim.formatter.line_breaking import Line, Word, end_of

_ALWAYS = {("layer", 2), ("connect", 3)}
_NEAR = 4  # columns by which the comments of one column may differ
_GAP = 2  # least number of blanks between a line and its comment


def text_of(lines: list[Line]) -> str:
    """Return the lines as text, each with a newline."""
    for line in lines:
        for word in line.words:
            word.shift = int(word.wide)
    for run in _runs(lines):
        _line_up(run)
    ends = [_resolve(line) for line in lines]
    columns = _comment_columns(lines, ends)
    texts: list[str] = []
    for line, end, column in zip(lines, ends, columns):
        if line.blank_before:
            texts.append("")
        if line.comment is not None:
            texts.append(" " * column + line.comment.text)
            continue
        text = " " * _start(line)
        for word in line.words:
            text += " " * (word.blank + word.shift) + word.text
        if line.behind is not None:
            text += " " * (column - end) + line.behind.text
        texts.append(text.rstrip() if "\n" not in text else text)
    return "".join(text + "\n" for text in texts)


def _start(line: Line) -> int:
    return line.offset + (line.anchor.column if line.anchor else 0)


def _resolve(line: Line) -> int:
    """Set the columns of the words of a line, after those of its anchor; return the column after the last word."""
    column = _start(line)
    for word in line.words:
        word.column = column + word.blank + word.shift
        column = end_of(word.text, word.column)
    return column


def _runs(lines: Iterable[Line]) -> list[list[Line]]:
    """Return the groups of lines that begin with items of one parent, without a blank line between them."""
    runs: list[list[Line]] = []
    current: dict[int, list[Line]] = {}
    for line in lines:
        if line.blank_before:
            current.clear()
        if line.starts is not None and line.starts.items is not None:
            run = current.get(id(line.parent))
            if run is None:
                run = current[id(line.parent)] = []
                runs.append(run)
            run.append(line)
    return [run for run in runs if len(run) > 1]


def _line_up(run: list[Line]) -> None:
    """Shift the words of a run so that they are aligned."""
    for path in sorted({word.path for line in run for word in line.words if word.path is not None}):
        for rows in _segments(run, path):
            words = [word for _, word in rows]
            always = path[0] == 0 and (words[0].head, path[1]) in _ALWAYS
            always = always and all(_is_alone(row) for row, _ in rows)
            columns = [_column(line, word) for line, word in rows]
            short = [word.marked for word, column in zip(words, columns) if column < max(columns)]
            marked = 2 * sum(short) >= len(short) > 0 or all(word.marked for word in words)
            if len(rows) > 1 and (always or marked):
                for word in words:
                    word.shift = int(all(other.marked for other in words))
                for word, column in zip(words, columns):
                    word.shift += max(columns) - column


def _segments(run: list[Line], path: tuple[int, int]) -> Iterator[list[tuple[Line, Word]]]:
    """Yield the adjacent lines that have a word of this path; after the first item, of one kind."""
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
    """Return the kind of list whose items are aligned with one another: one for each head, trainings with nets."""
    return "net" if word.head == "train" else word.head


def _is_alone(line: Line) -> bool:
    """Return whether a line holds only one form."""
    return all(word.path != (1, 0) for word in line.words)


def _column(line: Line, word: Word) -> int:
    """Return the column of a word, from the beginning of its line."""
    column = 0
    for other in line.words:
        column += other.blank + other.shift
        if other is word:
            return column
        column += len(other.text)
    raise AssertionError("the word is not in the line")


def _comment_columns(lines: list[Line], ends: list[int]) -> list[int]:
    """Return the column of the comment of each line. Comments in nearly one column are aligned."""
    comments = [line.behind or line.comment for line in lines]
    current = [_start(line) if comment is None else comment.column for line, comment in zip(lines, comments)]
    while (columns := _set_columns(lines, ends, current)) != current:  # groups in one column become one group
        current = columns
    return current


def _set_columns(lines: list[Line], ends: list[int], current: list[int]) -> list[int]:
    """Do one step of the alignment. `current` holds the column of each comment, or of a line without one."""
    columns = [_start(line) for line in lines]
    groups: list[list[int]] = []
    continues = False
    for number, line in enumerate(lines):
        column = current[groups[-1][0]] if continues else -1
        if (continues and line.comment is not None and current[number] == column and not line.blank_before) or (
            continues and line.behind is not None and abs(current[number] - column) <= _NEAR and not line.blank_before
        ):
            groups[-1].append(number)
        else:
            continues = line.behind is not None
            if continues:
                groups.append([number])
    for group in groups:
        reach = max([current[group[0]], *(ends[n] + _GAP for n in group if lines[n].comment is None)])
        for n in group:
            columns[n] = reach
    return columns
