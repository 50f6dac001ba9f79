"""What SN programs draw: windows, and the marks on them in the order in which they were made.

Nothing here needs a screen. A mark is data, in pixels of its window, x to the right and y down, as in SN; what turns
marks into pictures reads them (`pictures`). A mark made where one of its kind and size is takes that one's place, and
one that covers others removes them, so an animation does not grow.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from snsim.language.hidden_characters import replace_hidden
from snsim.language.procedures import CallError

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

Color = tuple[int, int, int]  # red, green, blue from 0 to 255
BLACK, WHITE, GRAY = (0, 0, 0), (255, 255, 255), (160, 160, 160)
LETTER_WIDTH, LETTER_HEIGHT, DESCENT = 0.6, 1.0, 0.25  # of a letter, in font sizes; the descent is below the line
DEFAULT_SIZE = 512  # of a window, in pixels on a side
_LARGEST = 4_096  # pixels on a side
_MOST_WINDOWS = 200
_MOST_MARKS = 50_000  # on one window
_COVERING = 0.05  # part of the window that a mark must fill for what is under it to be looked for

Bounds = tuple[float, float, float, float]  # left, top, right, bottom


class Mark(ABC):
    """Something drawn."""

    covers: ClassVar[bool] = False  # whether nothing under its bounds is seen

    @property
    @abstractmethod
    def place(self) -> object:
        """Of two marks with the same place only the upper one is seen."""

    @property
    @abstractmethod
    def bounds(self) -> Bounds:
        """Left, top, right and bottom of what it can color, in pixels of the window."""


@dataclass(frozen=True)
class Shape(Mark):
    """A mark of one color, which hides one of the same form in another."""

    color: Color

    @property
    def place(self) -> object:
        return replace(self, color=BLACK)


@dataclass(frozen=True)
class Line(Shape):
    """From (x1, y1) to (x2, y2), one pixel wide."""

    x1: int
    y1: int
    x2: int
    y2: int

    @property
    def bounds(self) -> Bounds:
        return min(self.x1, self.x2), min(self.y1, self.y2), max(self.x1, self.x2) + 1, max(self.y1, self.y2) + 1


@dataclass(frozen=True)
class Frame(Shape):
    """The outline of a rectangle: its corners are (x, y) and (x + width, y + height), both drawn."""

    x: int
    y: int
    width: int
    height: int

    @property
    def bounds(self) -> Bounds:
        return self.x, self.y, self.x + self.width + 1, self.y + self.height + 1


@dataclass(frozen=True)
class Block(Shape):
    """A filled rectangle of width × height pixels."""

    covers: ClassVar[bool] = True
    x: int
    y: int
    width: int
    height: int

    @property
    def bounds(self) -> Bounds:
        return self.x, self.y, self.x + self.width, self.y + self.height


@dataclass(frozen=True)
class Disc(Shape):
    """A circle of a radius about (x, y), filled or not."""

    x: int
    y: int
    radius: int
    filled: bool

    @property
    def bounds(self) -> Bounds:
        return (self.x - self.radius, self.y - self.radius, self.x + self.radius + 1, self.y + self.radius + 1)


@dataclass(frozen=True)
class Polygon(Shape):
    """A filled polygon, by the rule of even and odd."""

    points: tuple[tuple[int, int], ...]

    @property
    def bounds(self) -> Bounds:
        across, down = [x for x, _ in self.points], [y for _, y in self.points]
        return min(across), min(down), max(across) + 1, max(down) + 1


@dataclass(frozen=True)
class Text(Mark):
    """A text on the base line y, with the background behind it; every letter is 0.6 sizes wide."""

    covers: ClassVar[bool] = True
    x: int
    y: int
    text: str
    size: float
    color: Color

    @property
    def place(self) -> object:
        return "text", self.x, self.y, len(self.text), self.size

    @property
    def bounds(self) -> Bounds:
        top = self.y - (LETTER_HEIGHT - DESCENT) * self.size
        return (self.x, top, self.x + LETTER_WIDTH * self.size * len(self.text), top + LETTER_HEIGHT * self.size)


@dataclass(frozen=True)
class Squares(Mark):
    """Rows of cells of `cell` pixels from (x, y) on, in each a square of a size and color in the middle.

    `sizes` and `colors` are in row order; the ground under full rows is of one color (None: none).
    """

    x: int
    y: int
    columns: int
    cell: int
    sizes: tuple[int, ...]
    colors: tuple[Color, ...]
    ground: Color | None

    covers: ClassVar[bool] = True

    @property
    def rows(self) -> int:
        return -(-len(self.sizes) // self.columns)

    @property
    def place(self) -> object:
        return "squares", self.x, self.y, self.columns, self.cell, len(self.sizes)

    @property
    def bounds(self) -> Bounds:
        full = self.rows if self.ground is not None or len(self.sizes) % self.columns == 0 else self.rows - 1
        return self.x, self.y, self.x + self.columns * self.cell, self.y + full * self.cell

    def blocks(self) -> list[Block]:
        """The same as filled rectangles."""
        made = (
            []
            if self.ground is None
            else [Block(self.ground, self.x, self.y, self.columns * self.cell, self.rows * self.cell)]
        )
        for i, (size, color) in enumerate(zip(self.sizes, self.colors)):
            if size > 0:
                margin = int((self.cell - size) / 2)
                made.append(
                    Block(
                        color,
                        self.x + i % self.columns * self.cell + margin,
                        self.y + i // self.columns * self.cell + margin,
                        size,
                        size,
                    )
                )
        return made


class Window:
    """A window of a program: its size in pixels, what is drawn on it, and how the next mark will be drawn."""

    def __init__(self, number: int, width: int, height: int, title: str):
        self.number, self.width, self.height, self.title = number, width, height, title
        self.color: Color = BLACK
        self.font, self.font_size = "", 10.0
        self.overfull = False  # more was drawn than is kept
        self._marks: dict[object, Mark] = {}

    def __str__(self) -> str:
        return f"::WINDOW:{self.number}"

    @property
    def marks(self) -> list[Mark]:
        """What is seen, the lowest first."""
        return list(self._marks.values())

    def clear(self) -> None:
        self._marks.clear()

    def put(self, mark: Mark) -> None:
        """Draw a mark over what is there; marks outside of the window are dropped."""
        left, top, right, bottom = mark.bounds
        if right <= 0 or bottom <= 0 or left >= self.width or top >= self.height:
            return
        marks, place = self._marks, mark.place
        if (
            marks.pop(place, None) is None
            and mark.covers
            and ((right - left) * (bottom - top) >= _COVERING * self.width * self.height)
        ):
            self._uncover(left, top, right, bottom)
        marks[place] = mark
        if len(marks) > _MOST_MARKS:
            del marks[next(iter(marks))]
            self.overfull = True

    def _uncover(self, left: float, top: float, right: float, bottom: float) -> None:
        """Forget the marks that lie inside, up to the borders of the window."""
        right, bottom = (10**9 if right >= self.width else right), (10**9 if bottom >= self.height else bottom)
        left, top = (-(10**9) if left <= 0 else left), (-(10**9) if top <= 0 else top)
        for place, mark in list(self._marks.items()):
            a, b, c, d = mark.bounds
            if a >= left and b >= top and c <= right and d <= bottom:
                del self._marks[place]


class Screen:
    """The windows of one program, in the order in which they were opened: `interpreter.part(Screen)`."""

    def __init__(self, interpreter: Interpreter | None = None):
        self.windows: list[Window] = []
        self.changed: Callable[[Window], None] | None = None  # is told of each mark, if windows are shown at once

    def open(self, width: int, height: int, title: str) -> Window:
        """A new window, hidden characters in its title replaced; CallError for a wrong size, or too many windows."""
        if not (1 <= width <= _LARGEST and 1 <= height <= _LARGEST):
            raise CallError(
                f"a window has 1 to {_LARGEST:,} pixels on a side, not {width} x {height}",
                None,
                'write (new-window 512 512 "title")',
            )
        if len(self.windows) >= _MOST_WINDOWS:
            raise CallError(
                f"the program opens more than {_MOST_WINDOWS} windows", None, "(cls) clears a window to be used again"
            )
        window = Window(len(self.windows) + 1, width, height, replace_hidden(title))
        self.windows.append(window)
        return window
