"""Windows of SN programs and the marks drawn on them, as data that needs no screen.

Coordinates are pixels of the window, x to the right and y down, as in SN. `raster`, `svg` and `live_windows` turn the
marks into pictures. A mark replaces an earlier one of the same type, position and size, and removes the marks that it
covers, so that an animation does not grow.
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
LETTER_WIDTH, LETTER_HEIGHT, DESCENT = 0.6, 1.0, 0.25  # of a letter, in font sizes; the descent is below the base line
DEFAULT_SIZE = 512  # side of a window in pixels
_LARGEST = 4_096  # pixels on a side
_MOST_WINDOWS = 200
_MOST_MARKS = 50_000  # in one window
_MIN_COVERING_PART = 0.05  # only marks that fill this part of the window remove what they cover

# Lengths in pixels of the parts of a dashed line, drawn and not drawn in turn, for each number of the word `linestyle`
DASHES: tuple[tuple[int, ...], ...] = ((), (2, 2), (4, 4), (8, 4), (8, 3, 2, 3))

Bounds = tuple[float, float, float, float]  # left, top, right, bottom
Rectangle = tuple[int, int, int, int]  # left, top, width, height


def intersection(a: Rectangle, b: Rectangle) -> Rectangle:
    """Return the part that two rectangles have in common; its width and height are 0 or more."""
    left, top = max(a[0], b[0]), max(a[1], b[1])
    right, bottom = min(a[0] + a[2], b[0] + b[2]), min(a[1] + a[3], b[1] + b[3])
    return left, top, max(right - left, 0), max(bottom - top, 0)


class Mark(ABC):
    """Something drawn on a window."""

    covers: ClassVar[bool] = False  # whether it hides everything inside its bounds

    @property
    @abstractmethod
    def key(self) -> object:
        """The identity of the mark: of two marks with the same key only the later one is visible."""

    @property
    @abstractmethod
    def bounds(self) -> Bounds:
        """Left, top, right and bottom of the pixels that it can color."""


@dataclass(frozen=True)
class Shape(Mark):
    """A mark of one color, which hides an earlier one of the same form in another color."""

    color: Color

    @property
    def key(self) -> object:
        return replace(self, color=BLACK)


@dataclass(frozen=True)
class Line(Shape):
    """A line from (x1, y1) to (x2, y2), one pixel wide."""

    x1: int
    y1: int
    x2: int
    y2: int
    dash: int = 0  # number of its pattern in DASHES

    @property
    def bounds(self) -> Bounds:
        return min(self.x1, self.x2), min(self.y1, self.y2), max(self.x1, self.x2) + 1, max(self.y1, self.y2) + 1


@dataclass(frozen=True)
class Curve(Shape):
    """Lines from point to point, one pixel wide."""

    points: tuple[tuple[float, float], ...]
    dash: int = 0  # number of its pattern in DASHES

    @property
    def bounds(self) -> Bounds:
        across, down = [x for x, _ in self.points], [y for _, y in self.points]
        return min(across), min(down), max(across) + 1, max(down) + 1


@dataclass(frozen=True)
class Frame(Shape):
    """The outline of a rectangle with the corners (x, y) and (x + width, y + height), both included."""

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
    """A circle around (x, y), filled or open."""

    x: int
    y: int
    radius: int
    filled: bool

    @property
    def bounds(self) -> Bounds:
        return (self.x - self.radius, self.y - self.radius, self.x + self.radius + 1, self.y + self.radius + 1)


@dataclass(frozen=True)
class Polygon(Shape):
    """A filled polygon (even-odd rule)."""

    points: tuple[tuple[int, int], ...]

    @property
    def bounds(self) -> Bounds:
        across, down = [x for x, _ in self.points], [y for _, y in self.points]
        return min(across), min(down), max(across) + 1, max(down) + 1


@dataclass(frozen=True)
class Text(Mark):
    """A text on the base line y, on a white background; every letter is 0.6 font sizes wide."""

    covers: ClassVar[bool] = True
    x: int
    y: int
    text: str
    size: float
    color: Color

    @property
    def key(self) -> object:
        return "text", self.x, self.y, len(self.text), self.size

    @property
    def bounds(self) -> Bounds:
        top = self.y - (LETTER_HEIGHT - DESCENT) * self.size
        return (self.x, top, self.x + LETTER_WIDTH * self.size * len(self.text), top + LETTER_HEIGHT * self.size)


@dataclass(frozen=True)
class Squares(Mark):
    """Rows of cells of `cell` pixels, from (x, y), with a square in the middle of each cell.

    `sizes` and `colors` of the squares are in row order. `ground` is the color behind them, None for no background.
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
        """The number of rows, including one that is not full."""
        return -(-len(self.sizes) // self.columns)

    @property
    def key(self) -> object:
        return "squares", self.x, self.y, self.columns, self.cell, len(self.sizes)

    @property
    def bounds(self) -> Bounds:
        full = self.rows if self.ground is not None or len(self.sizes) % self.columns == 0 else self.rows - 1
        return self.x, self.y, self.x + self.columns * self.cell, self.y + full * self.cell

    def blocks(self) -> list[Block]:
        """Return the same picture as filled rectangles."""
        blocks = (
            []
            if self.ground is None
            else [Block(self.ground, self.x, self.y, self.columns * self.cell, self.rows * self.cell)]
        )
        for i, (size, color) in enumerate(zip(self.sizes, self.colors)):
            if size > 0:
                margin = int((self.cell - size) / 2)
                blocks.append(
                    Block(
                        color,
                        self.x + i % self.columns * self.cell + margin,
                        self.y + i // self.columns * self.cell + margin,
                        size,
                        size,
                    )
                )
        return blocks


@dataclass(frozen=True)
class Clipped(Mark):
    """The part of a mark inside a rectangle."""

    mark: Mark
    rectangle: Rectangle

    @property
    def key(self) -> object:
        return self.rectangle, self.mark.key

    @property
    def bounds(self) -> Bounds:
        left, top, width, height = self.rectangle
        a, b, c, d = self.mark.bounds
        return max(a, left), max(b, top), min(c, left + width), min(d, top + height)


def clipped(mark: Mark, rectangle: Rectangle) -> Mark | None:
    """Return the part of a mark inside a rectangle; the mark itself if all of it is there, None if nothing is."""
    left, top, width, height = rectangle
    a, b, c, d = mark.bounds
    if a >= left and b >= top and c <= left + width and d <= top + height:
        return mark
    if isinstance(mark, Block):
        part = intersection((mark.x, mark.y, mark.width, mark.height), rectangle)
        return Block(mark.color, *part) if part[2] and part[3] else None
    outside = a >= left + width or b >= top + height or c <= left or d <= top
    return None if outside or not width or not height else Clipped(mark, rectangle)


class Window:
    """A window of a program: its size in pixels, its marks, and the color, font, dashes and clipping of the next mark.

    `clip` is the rectangle to which drawing is limited, None for the whole window.
    """

    def __init__(self, number: int, width: int, height: int, title: str):
        self.number, self.width, self.height, self.title = number, width, height, title
        self.color: Color = BLACK
        self.font, self.font_size = "", 10.0
        self.dash = 0  # number in DASHES
        self.clip: Rectangle | None = None
        self.overflowed = False  # whether old marks were dropped because there were too many
        self._marks: dict[object, Mark] = {}

    def __str__(self) -> str:
        return f"::WINDOW:{self.number}"

    @property
    def marks(self) -> list[Mark]:
        """The visible marks, the lowest first."""
        return list(self._marks.values())

    def clear(self) -> None:
        self._marks.clear()

    def put(self, whole: Mark) -> None:
        """Draw a mark on top of the others; marks outside the window or the clipping rectangle are dropped."""
        mark = whole if self.clip is None else clipped(whole, self.clip)
        if mark is None:
            return
        left, top, right, bottom = mark.bounds
        if right <= 0 or bottom <= 0 or left >= self.width or top >= self.height:
            return
        marks, key = self._marks, mark.key
        if (
            marks.pop(key, None) is None
            and mark.covers
            and ((right - left) * (bottom - top) >= _MIN_COVERING_PART * self.width * self.height)
        ):
            self._remove_covered(left, top, right, bottom)
        marks[key] = mark
        if len(marks) > _MOST_MARKS:
            del marks[next(iter(marks))]
            self.overflowed = True

    def _remove_covered(self, left: float, top: float, right: float, bottom: float) -> None:
        """Remove the marks inside a rectangle, which at a border of the window extends beyond it."""
        right, bottom = (10**9 if right >= self.width else right), (10**9 if bottom >= self.height else bottom)
        left, top = (-(10**9) if left <= 0 else left), (-(10**9) if top <= 0 else top)
        for key, mark in list(self._marks.items()):
            a, b, c, d = mark.bounds
            if a >= left and b >= top and c <= right and d <= bottom:
                del self._marks[key]


class Screen:
    """The windows of one program in the order of opening, from `interpreter.part(Screen)`."""

    def __init__(self, interpreter: Interpreter | None = None):
        self.windows: list[Window] = []
        self.on_change: Callable[[Window], None] | None = None  # called after each mark if windows are shown live

    def open(self, width: int, height: int, title: str) -> Window:
        """Open a window. Raise CallError for an invalid size or too many windows.

        Hidden characters in the title are replaced.
        """
        if not (1 <= width <= _LARGEST and 1 <= height <= _LARGEST):
            raise CallError(
                f"a window must be 1 to {_LARGEST:,} pixels wide and high, got {width} x {height}",
                None,
                'write (new-window 512 512 "title")',
            )
        if len(self.windows) >= _MOST_WINDOWS:
            raise CallError(
                f"the program opened more than {_MOST_WINDOWS} windows", None, "reuse a window: (cls) clears it"
            )
        window = Window(len(self.windows) + 1, width, height, replace_hidden(title))
        self.windows.append(window)
        return window
