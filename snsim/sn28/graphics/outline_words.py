"""Words for arcs, rounded rectangles, clipping, dashed lines and colors (docs/reference/sn28.md, section 1.11).

They draw in the current window, as those of `drawing_words` do. Angles are degrees, counted from the right, against
the clock.
"""

from __future__ import annotations

import colorsys
import math
from typing import TYPE_CHECKING

from snsim.language.builtins.arithmetic import finite, number, whole
from snsim.language.builtins.strings import text
from snsim.language.forms import NIL, Form, make_list
from snsim.language.procedures import ABSENT, CallError
from snsim.runtime.vocabulary import word
from snsim.sn28.graphics.canvas import (
    DASHES,
    LETTER_HEIGHT,
    LETTER_WIDTH,
    Color,
    Curve,
    Mark,
    Polygon,
    Rectangle,
    Window,
    intersection,
)
from snsim.sn28.graphics.drawing_words import color_number, current_window, draw, pixels, rectangle_of

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_DEGREES_OF_A_STEP = 3.0  # between two points of an arc
_CORNER = 8  # default radius of the corners of a rounded rectangle, in pixels

Points = list[tuple[float, float]]


# Arcs and rounded rectangles


def _arc(x: float, y: float, radius: float, start: float, end: float) -> Points:
    """Return points on the arc of a circle from one angle to another, at most once around."""
    turn = max(-360.0, min(end - start, 360.0))
    count = max(1, math.ceil(abs(turn) / _DEGREES_OF_A_STEP))
    angles = [math.radians(start + turn * i / count) for i in range(count + 1)]
    return [(x + radius * math.cos(angle), y - radius * math.sin(angle)) for angle in angles]


def _filled(color: Color, points: Points) -> Mark:
    return Polygon(color, tuple([(round(x), round(y)) for x, y in points]))


def _draw_arc(interpreter: Interpreter, name: str, values: tuple[Form, ...], filled: bool) -> Form:
    window = current_window(interpreter, name)
    x, y, radius = pixels(name, *values[:3])
    if radius < 0:
        raise CallError(f"{name}: the radius {radius} is negative", 2, f"write {-radius}")
    start, end = (finite(name, number(name, angle, i)) for i, angle in enumerate(values[3:], 3))
    points = _arc(x, y, radius, math.fmod(start, 360.0), math.fmod(start, 360.0) + (end - start))
    mark = _filled(window.color, [(x, y), *points]) if filled else Curve(window.color, tuple(points), window.dash)
    draw(interpreter, window, mark)
    return NIL


@word("draw-arc")
def draw_arc(interpreter: Interpreter, x: Form, y: Form, r: Form, start: Form, end: Form) -> Form:
    """(draw-arc x y r from to): draws an arc of radius r pixels around (x, y), from an angle to another

    The angles are in degrees.
    """
    return _draw_arc(interpreter, "draw-arc", (x, y, r, start, end), False)


@word("fill-arc")
def fill_arc(interpreter: Interpreter, x: Form, y: Form, r: Form, start: Form, end: Form) -> Form:
    """(fill-arc x y r from to): draws a filled sector of radius r pixels around (x, y), from an angle to another

    The angles are in degrees.
    """
    return _draw_arc(interpreter, "fill-arc", (x, y, r, start, end), True)


def _round_rect(interpreter: Interpreter, name: str, values: tuple[Form, ...], radius: Form, filled: bool) -> Form:
    window = current_window(interpreter, name)
    x, y, width, height = pixels(name, *values)
    if width < 0 or height < 0:
        raise CallError(f"{name}: the size {width} x {height} is negative", 2 if width < 0 else 3, "write 0 or more")
    wanted = _CORNER if radius is ABSENT else whole(name, radius, 4)
    if wanted < 0:
        raise CallError(f"{name}: the radius {wanted} is negative", 4, f"write {-wanted}")
    r = min(wanted, width // 2, height // 2)
    right, bottom = x + width, y + height
    points = [
        *_arc(right - r, y + r, r, 0, 90),
        *_arc(x + r, y + r, r, 90, 180),
        *_arc(x + r, bottom - r, r, 180, 270),
        *_arc(right - r, bottom - r, r, 270, 360),
    ]
    closed = [*points, points[0]]
    draw(
        interpreter,
        window,
        _filled(window.color, points) if filled else Curve(window.color, tuple(closed), window.dash),
    )
    return NIL


@word("draw-round-rect")
def draw_round_rect(interpreter: Interpreter, x: Form, y: Form, w: Form, h: Form, r: Form = ABSENT) -> Form:
    """(draw-round-rect x y w h [r]): draws the outline of a rectangle with round corners, radius r pixels, default 8"""
    return _round_rect(interpreter, "draw-round-rect", (x, y, w, h), r, False)


@word("fill-round-rect")
def fill_round_rect(interpreter: Interpreter, x: Form, y: Form, w: Form, h: Form, r: Form = ABSENT) -> Form:
    """(fill-round-rect x y w h [r]): draws a filled rectangle with round corners, radius r pixels, default 8"""
    return _round_rect(interpreter, "fill-round-rect", (x, y, w, h), r, True)


# The state of the window


def _clip_list(window: Window) -> Form:
    return NIL if window.clip is None else make_list(map(float, window.clip))


def _rectangle(name: str, values: list[Form]) -> Rectangle:
    x, y, width, height = pixels(name, *values)
    return x, y, max(width, 0), max(height, 0)


@word("clip")
def clip(interpreter: Interpreter, *rectangle: Form) -> Form:
    """(clip x y w h): limits drawing to this rectangle; (clip ()) draws everywhere; (clip) returns the rectangle

    A rectangle is a list (x y w h) in pixels, () if drawing is not limited.
    """
    window = current_window(interpreter, "clip")
    if len(rectangle) == 4:
        window.clip = _rectangle("clip", list(rectangle))
    elif len(rectangle) == 1 and rectangle[0] is NIL:
        window.clip = None
    elif rectangle:
        raise CallError(
            f"clip: expected no argument, () or 4 numbers, {len(rectangle)} arguments given",
            None,
            "write (clip x y w h), or (clip ()) to draw everywhere",
        )
    return _clip_list(window)


@word("addclip")
def addclip(interpreter: Interpreter, rectangle: Form) -> Form:
    """(addclip (x y w h)): limits drawing to the part of the present clipping rectangle inside this one; returns it"""
    window = current_window(interpreter, "addclip")
    added = _rectangle("addclip", list(rectangle_of(interpreter, "addclip", rectangle, 0)))
    window.clip = added if window.clip is None else intersection(window.clip, added)
    return _clip_list(window)


@word("linestyle")
def linestyle(interpreter: Interpreter, n: Form = ABSENT) -> float:
    """(linestyle [n]): the dash pattern of lines, arcs and rectangles, 0 (no gaps) to 4; with n, sets it first"""
    window = current_window(interpreter, "linestyle")
    if n is not ABSENT:
        style = whole("linestyle", n)
        if not 0 <= style < len(DASHES):
            raise CallError(f"linestyle: there is no pattern {style}", 0, f"write a number from 0 to {len(DASHES) - 1}")
        window.dash = style
    return float(window.dash)


@word("text-width")
def text_width(interpreter: Interpreter, string: Form) -> float:
    """(text-width string): the width in pixels of a text in the current font"""
    window = current_window(interpreter, "text-width")
    return float(round(LETTER_WIDTH * window.font_size * len(text("text-width", string))))


@word("text-height")
def text_height(interpreter: Interpreter, string: Form) -> float:
    """(text-height string): the height in pixels of a line of text in the current font"""
    text("text-height", string)
    return float(round(LETTER_HEIGHT * current_window(interpreter, "text-height").font_size))


@word("color-std")
def color_std(interpreter: Interpreter, x: Form, kind: Form = ABSENT) -> float:
    """(color-std x [kind]): the color number of the rainbow color whose hue is the fraction of x; kind has no effect"""
    share = finite("color-std", number("color-std", x)) % 1.0
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(share, 1.0, 1.0))
    return color_number((red, green, blue))
