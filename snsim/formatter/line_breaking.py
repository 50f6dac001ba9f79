"""Break a tree into lines, and indent each line.

The line ends of the writer stay; a form that is too long for its line gets more of them. The column of a line depends
on words of the lines above it, so `alignment` sets the columns when those are known.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from snsim.formatter.source_tree import Comment, Item

WIDTH = 120  # columns of a line, without its comment
_BLOCKS = {  # forms whose parts are indented by two, and how many items stay on the line of the head
    "net": 2,
    "train": 2,
    "table": 2,
    "de": 3,
    "df": 3,
    "dm": 3,
    "dmd": 3,
    "defun": 3,
    "defmacro": 3,
    "lambda": 2,
    "define-update": 4,
    "define-cost": 3,
    "define-nlf": 3,
    "let": 2,
    "let*": 2,
    "while": 2,
    "when": 2,
    "for": 2,
    "each": 2,
    "all": 2,
    "grid": 2,
    "sample": 4,
    "repeat": 2,
    "idx-bloop": 2,
    "idx-eloop": 2,
    "idx-gloop": 2,
    "do-while": 2,
    "progn": 1,
    "defclass": 3,
    "defmethod": 4,
    "mapfor": 2,
    "graphics-batch": 1,
    "gsave": 1,
    "stage": 1,
    "defvar": 2,
    "defparameter": 2,
    "selectq": 2,
    "from": 2,
}
_HANGING = {"from"}  # whose parts are indented by two from the beginning of the line, not of the form
_TIGHT = ("(", ":(", "[")  # brackets that no blank follows
_DEEP = 9  # a depth at which no columns are set
_DECLARED = {"net", "train", "table"}  # in which options are indented to the first one


@dataclass
class Word:
    """A part of a line: an atom with the brackets next to it. `blank`: a blank precedes it."""

    text: str
    blank: bool
    path: tuple[int, int] | None = None  # index of the form in the line, and of the item in the form; None if nested
    marked: bool = False  # the writer marked a column here
    head: str = ""  # the head of its list
    wide: bool = False  # in a list of data, where two blanks separate groups
    raw: int = 0  # its column before alignment
    column: int = 0  # its final column
    shift: int = 0  # extra blanks before it


@dataclass
class Line:
    """One line. It begins `offset` columns to the right of the word `anchor`, or of the margin without an anchor."""

    anchor: Word | None
    offset: int
    blank_before: bool = False
    words: list[Word] = field(default_factory=list)
    behind: Comment | None = None
    comment: Comment | None = None  # the line is a comment, and nothing else
    starts: Item | None = None  # the item that the line begins with
    parent: Item | None = None

    @property
    def raw(self) -> int:
        return self.offset + (self.anchor.raw if self.anchor else 0)

    @property
    def raw_end(self) -> int:
        return end_of(self.words[-1].text, self.words[-1].raw) if self.words else self.raw


def end_of(text: str, column: int) -> int:
    """Return the column after a text that begins in a column."""
    newline = text.rfind("\n")
    return column + len(text) if newline < 0 else len(text) - newline - 1


def break_lines(root: Item) -> list[Line]:
    """Return the lines of a tree, without columns."""
    layout = _Lines()
    for number, item in enumerate(root.items or ()):
        if number == 0 or item.breaks or layout.must_end:
            layout.begin(item, root, None, 0, number > 0)
        layout.put(item, number > 0, 0)
    for comment in root.inside:
        layout.comment(comment, None, 0, bool(layout.lines))
    return layout.lines


class _Lines:
    """The lines so far; new words are added to the last one."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._form = 0  # index in the line of the next form

    @property
    def must_end(self) -> bool:
        """Whether the last line ends in a comment, so that nothing can follow on it."""
        return not self.lines or self.lines[-1].behind is not None or self.lines[-1].comment is not None

    def begin(self, item: Item, parent: Item, anchor: Word | None, offset: int, apart: bool = True) -> None:
        """Begin a line for an item, below the comments before it."""
        for comment in item.before:
            self.comment(comment, anchor, offset, apart)
            apart = True
        self.lines.append(Line(anchor, offset, item.blank_before and apart, starts=item, parent=parent))
        self._form = 0

    def comment(self, comment: Comment, anchor: Word | None, offset: int, apart: bool) -> None:
        self.lines.append(Line(anchor, offset, comment.blank_before and apart, comment=comment))

    def put(
        self,
        item: Item,
        blank: bool,
        tail: int,
        depth: int = 0,
        number: int = 0,
        declared: bool = False,
        head: str = "",
        wide: bool = False,
    ) -> None:
        """Put an item at the end of the last line.

        `depth` and `number` locate it in the form of the line. `tail` counts the closing brackets that follow it.
        """
        line = self.lines[-1]
        path = (self._form, number) if depth == 1 else (self._form, 0) if depth == 0 else None
        word = self._word(item.signs + item.text, blank and bool(line.words), path, item.gap > 1)
        word.head = head
        word.wide = word.marked and wide
        if item.items is not None:
            self._list(item, word, tail + len(item.closing), depth, declared or item.head in _DECLARED)
        if depth == 0:
            self._form += 1
        if item.behind is not None:
            self.lines[-1].behind = item.behind

    def _word(self, text: str, blank: bool, path: tuple[int, int] | None, marked: bool) -> Word:
        line = self.lines[-1]
        word = Word(text, blank, path, marked and blank)
        word.raw = line.raw_end + blank
        line.words.append(word)
        return word

    def _list(self, item: Item, opening: Word, tail: int, depth: int, declared: bool) -> None:
        items = item.items or []
        inner = len(item.signs) + len(item.text)
        block = _BLOCKS.get(item.head) if item.text == "(" else None
        spread = block is not None and _is_flat(item) and opening.raw + _width(item) + tail > WIDTH
        first_line = self.lines[-1]
        heads: list[tuple[Word, bool]] = []  # the arguments on the line of the head, and whether each is a list
        for number, child in enumerate(items):
            last = number == len(items) - 1
            room = tail if last else 0
            glued = number == 0 and (item.text in _TIGHT or (child.text in "([" and item.text != "#["))
            anchor, offset = opening, len(item.signs) + 2
            if item.head in _HANGING:
                anchor = first_line.words[0]
                lists = [word for word, is_list in heads if is_list]
                anchor, offset = (lists[0], 0) if lists else (anchor, 2)
            elif block is None:
                offset = inner + (1 if item.text not in _TIGHT else 0)
                if item.head and heads:
                    lists = [word for word, is_list in heads if is_list] if declared else []
                    anchor, offset = (lists or [heads[0][0]])[0], 0
                elif item.head and number > 0:
                    offset = len(item.signs) + 2
            wants = child.breaks or child.before or (spread and number >= (block or 0))
            at = self.lines[-1].raw_end + 1
            fits = at + _width(child) + room <= WIDTH or not _is_flat(child)
            here = self.lines[-1].words[-1] is opening
            if (
                (wants and number > 0)
                or child.before
                or self.must_end
                or (not fits and not here and number > 0 and at > anchor.raw + offset)
            ):
                self.begin(child, item, anchor, offset)
                self.put(child, False, room, 0, 0, declared)
            else:
                line = self.lines[-1]
                before = len(line.words)
                level = 0 if line.parent is item else depth + 1 if line is first_line else _DEEP
                self.put(child, not glued, room, level, number, declared, item.head, _is_data(item))
                if number > 0 and line is first_line:
                    heads.append((line.words[before], child.items is not None))
        body = opening, (len(item.signs) + 2 if block is not None else inner)
        for comment in item.inside:
            self.comment(comment, *body, True)
        if item.inside or (self.must_end and self.lines[-1].comment is not None):
            self.lines.append(Line(*body))
            self.lines[-1].words.append(Word(item.closing, False, raw=self.lines[-1].raw))
        else:
            close = " #]" if item.closing == "#]" else item.closing
            self.lines[-1].words[-1].text += close


def _is_data(item: Item) -> bool:
    """Return whether a list has no head word, so that it is neither a call nor a clause."""
    return item.head in ("", "from")


def _is_flat(item: Item) -> bool:
    """Return whether all of an item is on one line."""
    return item.items is None or not (
        item.inside or any(child.breaks or child.before or child.behind or not _is_flat(child) for child in item.items)
    )


def _width(item: Item) -> int:
    """Return the width of an item on one line, in columns."""
    width = len(item.signs) + len(item.text)
    if item.items is None:
        return width
    return width + sum(_width(child) + 1 for child in item.items) - bool(item.items) + len(item.closing)
