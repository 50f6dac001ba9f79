"""Words that draw in the current window, the value of `window` (docs/reference/sn28.md, section 1.9).

They need no screen: they draw on a canvas of data, and the pictures are saved when the program ends. Coordinates are
truncated to pixels, x to the right and y down.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from snsim.language.builtins.arithmetic import number, whole
from snsim.language.builtins.strings import text
from snsim.language.forms import NIL, Form, Pair, make_list, symbol
from snsim.language.procedures import ABSENT, CallError
from snsim.runtime.vocabulary import special_word, word
from snsim.sn28.graphics.canvas import (
    BLACK,
    DEFAULT_SIZE,
    GRAY,
    WHITE,
    Block,
    Color,
    Curve,
    Disc,
    Frame,
    Line,
    Mark,
    Polygon,
    Screen,
    Text,
    Window,
)

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_FOREGROUND, _BACKGROUND, _MIDDLE = -1, -2, -3  # color numbers for the word `color`
_LARGEST_PIXEL = 1e6
_DEFAULT_TITLE = "Lush Graphics"
_FONT_SIZES = (4.0, 96.0)


def current_window(interpreter: Interpreter, name: str) -> Window:
    """Return the value of `window`. Raise CallError if it is not a window."""
    window = interpreter.lookup("window")
    if isinstance(window, Window):
        return window
    raise CallError(f"{name}: no window is open", None, 'open one: (new-window 512 512 "title")')


def pixel(name: str, x: Form, argument: int | None) -> int:
    """Return a number truncated to a pixel, and limited to a range that is larger than any window."""
    value = number(name, x, argument)
    if value != value:
        raise CallError(
            f"{name}: {value} is not a coordinate", argument, "write a number of pixels, counted from the left or top"
        )
    return int(max(-_LARGEST_PIXEL, min(value, _LARGEST_PIXEL)))


def pixels(name: str, *values: Form) -> list[int]:
    """Return the first arguments of a call as pixels."""
    return [pixel(name, x, i) for i, x in enumerate(values)]


def draw(interpreter: Interpreter, window: Window, mark: Mark) -> None:
    """Add a mark to a window, and redraw the window if a person watches it.

    Counts as one step of the program; raises LimitError past the limit of steps.
    """
    interpreter.step()
    window.put(mark)
    changed = interpreter.part(Screen).on_change
    if changed is not None:
        changed(window)


# Windows


@word("new-window")
def new_window(interpreter: Interpreter, *arguments: Form) -> Window:
    """(new-window [[x y] w h] ["title"]): opens a window of w x h pixels, default 512 x 512, and makes it current"""
    numbers, title = list(arguments), _DEFAULT_TITLE
    if numbers and isinstance(numbers[-1], str):
        title = numbers.pop()
    if len(numbers) not in (0, 2, 4):
        raise CallError(
            f"new-window takes 0, 2 or 4 numbers and then a title; {len(numbers)} given",
            0,
            'write (new-window x y w h "title")',
        )
    sizes = [whole("new-window", x, i) for i, x in enumerate(numbers)]
    width, height = sizes[-2:] if sizes else (DEFAULT_SIZE, DEFAULT_SIZE)
    window = interpreter.part(Screen).open(width, height, title)
    interpreter.assign(symbol("window"), window)
    return window


@word("windowp")
def windowp(interpreter: Interpreter, x: Form) -> Form:
    """(windowp x): x if it is a window, else ()"""
    return x if isinstance(x, Window) else NIL


@word("cls")
def cls(interpreter: Interpreter) -> Form:
    """(cls): clears the current window"""
    current_window(interpreter, "cls").clear()
    return NIL


@word("xsize")
def xsize(interpreter: Interpreter) -> float:
    """(xsize): the width of the current window in pixels"""
    return float(current_window(interpreter, "xsize").width)


@word("ysize")
def ysize(interpreter: Interpreter) -> float:
    """(ysize): the height of the current window in pixels"""
    return float(current_window(interpreter, "ysize").height)


@word("get-click")
def get_click(interpreter: Interpreter) -> Form:
    """(get-click): is an error: snsim has no mouse input; define your own get-click that returns a list (x y)"""
    raise CallError(
        "get-click: snsim has no mouse input",
        None,
        "provide the points by a function of your own: (de get-click () (list x y))",
    )


# Color and font


@word("color")
def color(interpreter: Interpreter, c: Form = ABSENT) -> float:
    """(color [c]): returns the number of the drawing color; with c, sets it first

    A color number comes from alloccolor, or is -1 for black, -2 for white, or -3 for gray.
    """
    window = current_window(interpreter, "color")
    if c is not ABSENT:
        window.color = color_of("color", whole("color", c))
    return color_number(window.color)


def color_of(name: str, code: int) -> Color:
    """Return the color of a number. Raise CallError if there is none."""
    special = {_FOREGROUND: BLACK, _BACKGROUND: WHITE, _MIDDLE: GRAY}
    if code in special:
        return special[code]
    if not 0 <= code < 1 << 24:
        raise CallError(
            f"{name}: {code} is not a color number", 0, "use (color-rgb r g b) with three numbers from 0 to 1"
        )
    return code >> 16, code >> 8 & 255, code & 255


def color_number(c: Color) -> float:
    """Return the number of a color, which the word `color` takes."""
    return float(c[0] << 16 | c[1] << 8 | c[2])


@word("alloccolor")
def alloccolor(interpreter: Interpreter, r: Form, g: Form, b: Form) -> float:
    """(alloccolor r g b): returns the color number of red, green and blue, each from 0 to 1"""
    parts = [number("alloccolor", x, i) for i, x in enumerate((r, g, b))]
    for i, part in enumerate(parts):
        if not 0.0 <= part <= 1.0:
            raise CallError(
                f"alloccolor: expected a number from 0 to 1, got {part:g}",
                i,
                f"write {part / 255:g} for {part:g} of 255" if 1 < part <= 255 else "write a number such as 0.5",
            )
    red, green, blue = (round(255 * part) for part in parts)
    return color_number((red, green, blue))


@word("color-rgb")
def color_rgb(interpreter: Interpreter, r: Form, g: Form, b: Form) -> float:
    """(color-rgb r g b): sets the drawing color to red, green and blue, each from 0 to 1; returns its color number"""
    return color(interpreter, alloccolor(interpreter, r, g, b))


@word("font")
def font(interpreter: Interpreter, name: Form = ABSENT) -> str:
    """(font ["name-size"]): returns the font of the window; an argument sets it, but only its size matters"""
    window = current_window(interpreter, "font")
    if name is not ABSENT:
        window.font = text("font", name)
        size = re.search(r"(\d+)\D*$", window.font)
        window.font_size = min(max(float(size[1]) if size else 10.0, _FONT_SIZES[0]), _FONT_SIZES[1])
    return window.font


# Shapes


@word("draw-line")
def draw_line(interpreter: Interpreter, x1: Form, y1: Form, x2: Form, y2: Form) -> Form:
    """(draw-line x1 y1 x2 y2): draws a line from (x1, y1) to (x2, y2), in pixels from the top left corner"""
    window = current_window(interpreter, "draw-line")
    left, top, right, bottom = pixels("draw-line", x1, y1, x2, y2)
    draw(interpreter, window, Line(window.color, left, top, right, bottom, window.dash))
    return NIL


@word("draw-rect")
def draw_rect(interpreter: Interpreter, x: Form, y: Form, w: Form, h: Form) -> Form:
    """(draw-rect x y w h): draws the outline of a rectangle of w x h pixels with its top left corner at (x, y)"""
    window = current_window(interpreter, "draw-rect")
    left, top, width, height = pixels("draw-rect", x, y, w, h)
    if window.dash:
        right, bottom = left + width, top + height
        corners = ((left, top), (right, top), (right, bottom), (left, bottom), (left, top))
        draw(interpreter, window, Curve(window.color, corners, window.dash))
    else:
        draw(interpreter, window, Frame(window.color, left, top, width, height))
    return NIL


@word("fill-rect")
def fill_rect(interpreter: Interpreter, x: Form, y: Form, w: Form, h: Form) -> Form:
    """(fill-rect x y w h): draws a filled rectangle of w x h pixels with its top left corner at (x, y)"""
    window = current_window(interpreter, "fill-rect")
    draw(interpreter, window, Block(window.color, *pixels("fill-rect", x, y, w, h)))
    return NIL


@word("draw-circle")
def draw_circle(interpreter: Interpreter, x: Form, y: Form, r: Form) -> Form:
    """(draw-circle x y r): draws a circle of radius r around (x, y), in pixels"""
    return _circle(interpreter, "draw-circle", x, y, r, False)


@word("fill-circle")
def fill_circle(interpreter: Interpreter, x: Form, y: Form, r: Form) -> Form:
    """(fill-circle x y r): draws a filled circle of radius r around (x, y), in pixels"""
    return _circle(interpreter, "fill-circle", x, y, r, True)


def _circle(interpreter: Interpreter, name: str, x: Form, y: Form, r: Form, filled: bool) -> Form:
    window = current_window(interpreter, name)
    across, down, radius = pixels(name, x, y, r)
    if radius < 0:
        raise CallError(f"{name}: the radius {radius} is negative", 2, f"write {-radius}")
    draw(interpreter, window, Disc(window.color, across, down, radius, filled))
    return NIL


@word("fill-polygon")
def fill_polygon(interpreter: Interpreter, *points: Form) -> Form:
    """(fill-polygon x1 y1 x2 y2...): draws a filled polygon with the corners (x1, y1), (x2, y2) ..., in pixels"""
    window = current_window(interpreter, "fill-polygon")
    if len(points) < 4 or len(points) % 2:
        raise CallError(
            f"fill-polygon takes two points or more, two numbers each; {len(points)} numbers given",
            None,
            "write (fill-polygon x1 y1 x2 y2 x3 y3) for a triangle",
        )
    ends = pixels("fill-polygon", *points)
    draw(interpreter, window, Polygon(window.color, tuple(zip(ends[::2], ends[1::2]))))
    return NIL


# Text


@word("draw-text")
def draw_text(interpreter: Interpreter, x: Form, y: Form, string: Form) -> Form:
    """(draw-text x y string): draws a text that begins at x on the base line y, in pixels"""
    window = current_window(interpreter, "draw-text")
    put_text(interpreter, window, pixel("draw-text", x, 0), pixel("draw-text", y, 1), text("draw-text", string, 2))
    return NIL


@word("gprintf")
def gprintf(interpreter: Interpreter, x: Form, y: Form, pattern: Form, *values: Form) -> Form:
    """(gprintf x y format value...): draws the text that printf prints, beginning at x on the base line y, in pixels"""
    window = current_window(interpreter, "gprintf")
    across, down = pixels("gprintf", x, y)
    put_text(interpreter, window, across, down, interpreter.call("sprintf", pattern, *values))
    return NIL


def put_text(interpreter: Interpreter, window: Window, x: int, y: int, string: str) -> None:
    """Draw a text from (x, y), each line below the other."""
    for i, line in enumerate(string.split("\n")):
        if line:
            shown = "".join(c if c.isprintable() else " " for c in line[:1_000])
            draw(
                interpreter,
                window,
                Text(x, y + round(i * 1.2 * window.font_size), shown, window.font_size, window.color),
            )


@word("rect-text")
def rect_text(interpreter: Interpreter, x: Form, y: Form, string: Form) -> Form:
    """(rect-text x y string): the rectangle (x y w h) that draw-text would fill, in pixels; () for an empty text"""
    window = current_window(interpreter, "rect-text")
    mark = Text(
        pixel("rect-text", x, 0), pixel("rect-text", y, 1), text("rect-text", string, 2), window.font_size, BLACK
    )
    if not mark.text:
        return NIL
    left, top, right, bottom = mark.bounds
    return make_list([float(left), float(round(top)), float(round(right - left)), float(round(bottom - top))])


# Rectangles


@word("point-in-rect")
def point_in_rect(interpreter: Interpreter, x: Form, y: Form, rectangle: Form) -> bool:
    """(point-in-rect x y (x y w h)): t if the point (x, y) is in the rectangle, else ()

    The left and top edges are inside, the right and bottom edges are outside.
    """
    left, top, width, height = rectangle_of(interpreter, "point-in-rect", rectangle, 2)
    return (left <= number("point-in-rect", x) < left + width) and (top <= number("point-in-rect", y, 1) < top + height)


@word("bounding-rect")
def bounding_rect(interpreter: Interpreter, first: Form, second: Form) -> Form:
    """(bounding-rect r s): the smallest rectangle (x y w h) that contains both rectangles"""
    a, b = (rectangle_of(interpreter, "bounding-rect", r, i) for i, r in enumerate((first, second)))
    left, top = min(a[0], b[0]), min(a[1], b[1])
    return make_list([left, top, max(a[0] + a[2], b[0] + b[2]) - left, max(a[1] + a[3], b[1] + b[3]) - top])


def rectangle_of(interpreter: Interpreter, name: str, rectangle: Form, argument: int) -> list[float]:
    """Return the four numbers of a rectangle. Raise CallError for another list."""
    items = interpreter.elements(rectangle, name)
    if len(items) != 4:
        raise CallError(
            f"{name}: expected a rectangle (x y w h), got {interpreter.describe(rectangle)}",
            argument,
            "write '(0 0 100 50), or (list x y w h)",
        )
    return [number(name, item, argument) for item in items]


# Forms


@special_word("graphics-batch")
def graphics_batch(interpreter: Interpreter, form: Pair) -> Form:
    """(graphics-batch body...): evaluates the forms and shows what they draw only at the end; returns the last value"""
    screen = interpreter.part(Screen)
    changed, screen.on_change = screen.on_change, None
    try:
        return interpreter.body(form.cdr)
    finally:
        screen.on_change = changed
        window = interpreter.lookup("window")
        if changed is not None and isinstance(window, Window):
            changed(window)


@special_word("gsave")
def gsave(interpreter: Interpreter, form: Pair) -> Form:
    """(gsave body...): evaluates the forms, then restores color, font, dashes and clipping; returns the last value"""
    window = current_window(interpreter, "gsave")
    saved = window.color, window.font, window.font_size, window.dash, window.clip
    try:
        return interpreter.body(form.cdr)
    finally:
        window.color, window.font, window.font_size, window.dash, window.clip = saved
