"""From a tree to lines: where lines end, and what each line is indented by.

The line ends of the writer stay; a form that is too long for its line gets more of them. Where a line begins depends
on the words of lines above it, so columns are known only when those are (`columns`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from snsim.formatter.source_tree import Item, Remark

WIDTH = 120  # columns of a line, without its comment
_BLOCKS = {  # forms whose parts stand two blanks in, and how many items stay with the head
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
    "repeat": 2,
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
_HANGING = {"from"}  # whose parts stand two blanks in from the line's beginning and not from theirs
_DEEP = 9  # deeper than columns are set
_DECLARED = {"net", "train", "table"}  # in which options go below the first one


@dataclass
class Word:
    """A piece of a line: an atom with the brackets that hug it. `blank`: one stands before it."""

    text: str
    blank: bool
    path: tuple[int, int] | None = None  # which form of the line, which item of it; None deeper inside
    marked: bool = False  # the writer set a column here
    head: str = ""  # of the list in which it is an item
    wide: bool = False  # in a list of data two blanks part groups
    raw: int = 0  # its column as long as nothing is aligned
    column: int = 0  # in the end
    shift: int = 0  # blanks more than one before it


@dataclass
class Line:
    """`anchor` and `offset`: it begins so far to the right of where that word does; column `offset` without one."""

    anchor: Word | None
    offset: int
    blank_before: bool = False
    words: list[Word] = field(default_factory=list)
    behind: Remark | None = None
    remark: Remark | None = None  # the line is a comment, and nothing else
    starts: Item | None = None  # the item that the line begins with
    parent: Item | None = None

    @property
    def raw(self) -> int:
        return self.offset + (self.anchor.raw if self.anchor else 0)

    @property
    def raw_end(self) -> int:
        return end_of(self.words[-1].text, self.words[-1].raw) if self.words else self.raw


def end_of(text: str, column: int) -> int:
    """The column behind a text that begins in a column."""
    newline = text.rfind("\n")
    return column + len(text) if newline < 0 else len(text) - newline - 1


def broken(root: Item) -> list[Line]:
    """The lines of a tree, columns not set yet."""
    made = _Lines()
    for number, item in enumerate(root.items or ()):
        if number == 0 or item.breaks or made.must_end:
            made.begin(item, root, None, 0, number > 0)
        made.put(item, number > 0, 0)
    for remark in root.inside:
        made.remark(remark, None, 0, bool(made.lines))
    return made.lines


class _Lines:
    """The lines so far, and the form of the last line that words belong to."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._form = 0  # which form of the line comes next

    @property
    def must_end(self) -> bool:
        """Whether a comment stands at the end of the last line."""
        return not self.lines or self.lines[-1].behind is not None or self.lines[-1].remark is not None

    def begin(self, item: Item, parent: Item, anchor: Word | None, offset: int, apart: bool = True) -> None:
        """A new line for an item, below its comments."""
        for remark in item.before:
            self.remark(remark, anchor, offset, apart)
            apart = True
        self.lines.append(Line(anchor, offset, item.blank_before and apart, starts=item, parent=parent))
        self._form = 0

    def remark(self, remark: Remark, anchor: Word | None, offset: int, apart: bool) -> None:
        self.lines.append(Line(anchor, offset, remark.blank_before and apart, remark=remark))

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
        """Put an item at the end of the last line. `depth` and `number`: how it stands in the form of the line; `tail`:
        closing brackets that follow it.
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
        heads: list[tuple[Word, bool]] = []  # arguments on the line of the head, and whether they are lists
        for number, child in enumerate(items):
            last = number == len(items) - 1
            room = tail if last else 0
            glued = number == 0 and (item.text in "([" or (child.text in "([" and item.text != "#["))
            anchor, offset = opening, len(item.signs) + 2
            if item.head in _HANGING:
                anchor = first_line.words[0]
                lists = [word for word, is_list in heads if is_list]
                anchor, offset = (lists[0], 0) if lists else (anchor, 2)
            elif block is None:
                offset = inner + (1 if item.text not in ("(", "[") else 0)
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
        for remark in item.inside:
            self.remark(remark, *body, True)
        if item.inside or (self.must_end and self.lines[-1].remark is not None):
            self.lines.append(Line(*body))
            self.lines[-1].words.append(Word(item.closing, False, raw=self.lines[-1].raw))
        else:
            close = " #]" if item.closing == "#]" else item.closing
            self.lines[-1].words[-1].text += close


def _is_data(item: Item) -> bool:
    """Whether a list begins with no word, so that it is no call and no clause."""
    return item.head in ("", "from")


def _is_flat(item: Item) -> bool:
    """Whether all of an item stands on one line."""
    return item.items is None or not (
        item.inside or any(child.breaks or child.before or child.behind or not _is_flat(child) for child in item.items)
    )


def _width(item: Item) -> int:
    """The columns of an item on one line."""
    own = len(item.signs) + len(item.text)
    if item.items is None:
        return own
    return own + sum(_width(child) + 1 for child in item.items) - bool(item.items) + len(item.closing)
