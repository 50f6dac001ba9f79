"""Plot curves in a window: plot ports, axes and markers (docs/reference/sn28.md, section 1.9).

A plot port maps a range of data to a box in the window. The current one is the value of `plot-port`. Points outside
the range are not drawn, and lines are clipped at the border of the box.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from snsim.language.builtins.arithmetic import number
from snsim.language.forms import NIL, Form, Pair, make_list, symbol
from snsim.language.printer import number_text
from snsim.language.procedures import ABSENT, CallError, Primitive
from snsim.runtime.vocabulary import SN28, word
from snsim.sn28.graphics.canvas import LETTER_WIDTH, Block, Color, Disc, Frame, Line, Mark, Window
from snsim.sn28.graphics.drawing_words import current_window, draw, pixel, put_text

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_RADIUS = 3  # of a marker, in pixels
_TICK = 5
_LEFT, _BELOW, _RIGHT, _ABOVE = 60, 30, 50, 40  # margins of `nice-brect` in pixels
_LABEL_STEPS = 5  # intervals between the labels of an axis by default
_MOST_STEPS = 8  # approximate number of steps in a round range
_MOST_LABELS = 50
_SLACK = 1e-9  # fraction of a step allowed for rounding at the end of an axis

Rectangle = tuple[float, float, float, float]


@dataclass(eq=False)
class Port:
    """A plot port: a box (left, bottom, right, top) in pixels, its range of data, the marker and the pen.

    `marker` is a function of a position in the window, or (). `pen` is the last point of the curve, None if lifted.
    `color` is that of its curve, None for the color of the window.
    """

    box: Rectangle
    range: Rectangle  # xmin, ymin, xmax, ymax
    marker: Form
    pen: tuple[float, float] | None = None
    color: Color | None = None

    def __str__(self) -> str:
        return "::PLOT-PORT:" + "x".join(number_text(x) for x in self.range)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the position in the window, in pixels, of a point of the data."""
        x0, y0, x1, y1 = self.range
        left, bottom, right, top = self.box
        return left + (x - x0) / (x1 - x0) * (right - left), bottom + (y - y0) / (y1 - y0) * (top - bottom)

    def contains(self, x: float, y: float) -> bool:
        """Return whether a point is in the range of the port."""
        x0, y0, x1, y1 = self.range
        return min(x0, x1) <= x <= max(x0, x1) and min(y0, y1) <= y <= max(y0, y1)

    def move(self, x: float, y: float) -> None:
        """Move the pen to a point; a point that is not finite, such as the error of a diverged net, lifts it."""
        self.pen = (x, y) if math.isfinite(x) and math.isfinite(y) else None

    @contextmanager
    def colored(self, window: Window) -> Iterator[None]:
        """Draw in the color of the port inside the `with` block."""
        before = window.color
        window.color = self.color or before
        try:
            yield
        finally:
            window.color = before

    def clipped(
        self, start: tuple[float, float], end: tuple[float, float]
    ) -> tuple[tuple[float, float], tuple[float, float]] | None:
        """Return the part of a line inside the range of the port, or None."""
        return _clip(start, end, self.range)

    def draw(self, window: Window, x: float, y: float, interpreter: Interpreter) -> None:
        """Draw a line from the pen to a point, and move the pen there; only move it if it was lifted."""
        if self.pen is not None and math.isfinite(x) and math.isfinite(y):
            ends = self.clipped(self.pen, (x, y))
            if ends is not None:
                (x1, y1), (x2, y2) = (self.at(*end) for end in ends)
                with self.colored(window):
                    mark = Line(window.color, round(x1), round(y1), round(x2), round(y2), window.dash)
                    draw(interpreter, window, mark)
        self.move(x, y)

    def mark(self, window: Window, x: float, y: float, interpreter: Interpreter) -> None:
        """Draw the marker at a point, if the range contains it."""
        if self.marker is not NIL and self.contains(x, y):
            across, down = self.at(x, y)
            with self.colored(window):
                interpreter.apply(self.marker, [float(round(across)), float(round(down))])


def _clip(
    start: tuple[float, float], end: tuple[float, float], borders: Rectangle
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Return the part of a line inside a rectangle, or None (Liang and Barsky, 1984)."""
    (x, y), dx, dy = start, end[0] - start[0], end[1] - start[1]
    x0, x1 = sorted((borders[0], borders[2]))
    y0, y1 = sorted((borders[1], borders[3]))
    first, last = 0.0, 1.0
    for speed, room in ((-dx, x - x0), (dx, x1 - x), (-dy, y - y0), (dy, y1 - y)):
        if speed == 0.0:
            if room < 0.0:
                return None
        elif speed < 0.0:
            first = max(first, room / speed)
        else:
            last = min(last, room / speed)
    if not first <= last:
        return None
    return (x + first * dx, y + first * dy), (x + last * dx, y + last * dy)


def make_port(name: str, box: Sequence[float], corners: Sequence[float], marker: Form) -> Port:
    """Return a plot port. Raise CallError if its range is empty or not finite."""
    x0, y0, x1, y1 = corners
    if x0 == x1 or y0 == y1 or not all(math.isfinite(c) for c in (*box, *corners)):
        raise CallError(
            f"{name}: cannot plot the range from {x0:g} to {x1:g} and from {y0:g} to {y1:g}",
            None,
            "write two different finite numbers for each axis: (setup-axes xmin ymin xmax ymax)",
        )
    left, bottom, right, top = box
    return Port((left, bottom, right, top), (x0, y0, x1, y1), marker)


def nice_box(window: Window) -> Rectangle:
    """Return a box in a window, in pixels, that leaves room for labels and a title."""
    return (
        float(_LEFT),
        float(max(window.height - _BELOW, _ABOVE + 1)),
        float(max(window.width - _RIGHT, _LEFT + 1)),
        float(_ABOVE),
    )


def draw_box(
    interpreter: Interpreter, window: Window, box: Rectangle, x_labels: list[str], y_labels: list[str], title: str
) -> None:
    """Draw a frame, ticks and labels at equal distances from corner to corner, and the title above."""
    left, bottom, right, top = (round(x) for x in box)
    draw(interpreter, window, Frame(window.color, left, top, right - left, bottom - top))
    letter = LETTER_WIDTH * window.font_size
    for i, label in enumerate(x_labels):
        x = round(left + (right - left) * i / max(len(x_labels) - 1, 1))
        draw(interpreter, window, Line(window.color, x, bottom, x, bottom - _TICK))
        put_text(interpreter, window, round(x - letter * len(label) / 2), round(bottom + 4 + window.font_size), label)
    for i, label in enumerate(y_labels):
        y = round(bottom + (top - bottom) * i / max(len(y_labels) - 1, 1))
        draw(interpreter, window, Line(window.color, left, y, left + _TICK, y))
        put_text(interpreter, window, round(left - 6 - letter * len(label)), round(y + 0.3 * window.font_size), label)
    put_text(interpreter, window, round((left + right - letter * len(title)) / 2), top - 10, title)


def axis_labels(low: float, high: float, step: float | None = None) -> list[str]:
    """Return the labels of an axis from low to high, by default at five equal steps."""
    width = (high - low) / _LABEL_STEPS if step is None else math.copysign(step, high - low)
    count = int(min((high - low) / width + _SLACK, _MOST_LABELS - 1)) if width else 0
    return [number_text(low + i * width) for i in range(count + 1)]


def round_range(low: float, high: float) -> tuple[float, float, float]:
    """Return low and high rounded outwards, and a round step that divides this range into about 4 to 10 parts."""
    width = high - low or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(width))
    step = power * next(part for part in (0.1, 0.2, 0.5, 1.0, 2.0) if width / (part * power) <= _MOST_STEPS)
    return step * math.floor(low / step), step * math.ceil(high / step), step


# Words for plot ports


def current_port(interpreter: Interpreter, name: str) -> tuple[Port, Window]:
    """Return the value of `plot-port` and the current window. Raise CallError if one of them is missing."""
    port = interpreter.lookup("plot-port")
    if not isinstance(port, Port):
        raise CallError(f"{name}: there is no plot port", None, "make one: (setup-axes xmin ymin xmax ymax)")
    return port, current_window(interpreter, name)


def _four_numbers(interpreter: Interpreter, name: str, x: Form, argument: int) -> list[float]:
    items = interpreter.elements(x, name)
    if len(items) != 4:
        raise CallError(
            f"{name}: expected a list of four numbers, got {interpreter.describe(x)}",
            argument,
            "write '(0 0 1 1), or (list xmin ymin xmax ymax)",
        )
    return [number(name, item, argument) for item in items]


@word("new-plot-port")
def new_plot_port(interpreter: Interpreter, box: Form, corners: Form, marker: Form = NIL) -> Port:
    """(new-plot-port (left bottom right top) (xmin ymin xmax ymax) [marker]): makes a plot port and makes it current

    The box (left bottom right top) in pixels shows the data in the range (xmin ymin xmax ymax). The marker is a
    function (marker x y) that draws at a pixel.
    """
    port = make_port(
        "new-plot-port",
        _four_numbers(interpreter, "new-plot-port", box, 0),
        _four_numbers(interpreter, "new-plot-port", corners, 1),
        marker,
    )
    interpreter.assign(symbol("plot-port"), port)
    return port


@word("copy-plot-port")
def copy_plot_port(interpreter: Interpreter, port: Form, marker: Form = ABSENT) -> Port:
    """(copy-plot-port port [marker]): a copy of a plot port, for another curve with its own pen and marker"""
    if not isinstance(port, Port):
        raise CallError(
            f"copy-plot-port: expected a plot port, got {interpreter.describe(port)}",
            0,
            "make one with (new-plot-port ...) or (setup-axes xmin ymin xmax ymax)",
        )
    return Port(port.box, port.range, port.marker if marker is ABSENT else marker, color=port.color)


@word("plt-move")
def plt_move(interpreter: Interpreter, x: Form, y: Form) -> Form:
    """(plt-move x y): moves the pen of the current plot port to the data point (x, y), without drawing"""
    current_port(interpreter, "plt-move")[0].move(number("plt-move", x), number("plt-move", y, 1))
    return NIL


@word("plt-draw")
def plt_draw(interpreter: Interpreter, x: Form, y: Form) -> Form:
    """(plt-draw x y): draws a line from the pen to the data point (x, y), and moves the pen there

    A lifted pen only moves, and draws nothing.
    """
    port, window = current_port(interpreter, "plt-draw")
    port.draw(window, number("plt-draw", x), number("plt-draw", y, 1), interpreter)
    return NIL


@word("plt-plot")
def plt_plot(interpreter: Interpreter, x: Form, y: Form) -> Form:
    """(plt-plot x y): draws the marker of the current plot port at the data point (x, y)"""
    port, window = current_port(interpreter, "plt-plot")
    port.mark(window, number("plt-plot", x), number("plt-plot", y, 1), interpreter)
    return NIL


@word("plt-clear")
def plt_clear(interpreter: Interpreter) -> Form:
    """(plt-clear): lifts the pen, so that the next plt-draw starts a new curve"""
    current_port(interpreter, "plt-clear")[0].pen = None
    return NIL


# Axes


@word("nice-brect")
def nice_brect(interpreter: Interpreter) -> Form:
    """(nice-brect): a box (left bottom right top) in pixels that leaves room for labels in the current window"""
    return make_list(nice_box(current_window(interpreter, "nice-brect")))


@word("draw-axes")
def draw_axes(
    interpreter: Interpreter, box: Form, x_labels: Form = NIL, y_labels: Form = NIL, title: Form = ""
) -> Form:
    """(draw-axes box [xlabels [ylabels [title]]]): draws a frame with a title and with labels along its sides

    The box is a list (left bottom right top) in pixels, such as (nice-brect) returns. The labels, a list for each axis,
    are at equal distances from corner to corner.
    """
    window = current_window(interpreter, "draw-axes")
    left, bottom, right, top = _four_numbers(interpreter, "draw-axes", box, 0)
    draw_box(
        interpreter,
        window,
        (left, bottom, right, top),
        _labels(interpreter, x_labels),
        _labels(interpreter, y_labels),
        _label(interpreter, title),
    )
    return NIL


def _labels(interpreter: Interpreter, labels: Form) -> list[str]:
    items = interpreter.elements(labels, "draw-axes") if isinstance(labels, Pair) or labels is NIL else [labels]
    return [_label(interpreter, item) for item in items[:_MOST_LABELS]]


def _label(interpreter: Interpreter, x: Form) -> str:
    return x if isinstance(x, str) else "" if x is NIL else interpreter.printed(x)


@word("setup-axes")
def setup_axes(
    interpreter: Interpreter,
    x0: Form,
    y0: Form,
    x1: Form,
    y1: Form,
    x_step: Form = NIL,
    y_step: Form = NIL,
    title: Form = "",
    marker: Form = ABSENT,
) -> Port:
    """(setup-axes xmin ymin xmax ymax [xstep ystep title marker]): clears the window and draws axes

    It returns a plot port for this range of data, and makes it the current one. The labels are a step apart. Without a
    step, an axis is divided into five equal parts.
    """
    window = current_window(interpreter, "setup-axes")
    corners = [number("setup-axes", x, i) for i, x in enumerate((x0, y0, x1, y1))]
    by = [None if x is NIL else abs(number("setup-axes", x, i)) or None for i, x in enumerate((x_step, y_step), 4)]
    window.clear()
    box = nice_box(window)
    marker_used = marker_named(interpreter, "open-circle") if marker is ABSENT else marker
    port = make_port("setup-axes", box, corners, marker_used)
    left, bottom, right, top = corners
    draw_box(
        interpreter,
        window,
        box,
        axis_labels(left, right, by[0]),
        axis_labels(bottom, top, by[1]),
        _label(interpreter, title),
    )
    interpreter.assign(symbol("plot-port"), port)
    return port


@word("plot-lists")
def plot_lists(interpreter: Interpreter, xs: Form, ys: Form) -> Form:
    """(plot-lists xs ys): draws a curve through the points (x, y) in the current plot port, with a marker at each"""
    port, window = current_port(interpreter, "plot-lists")
    port.pen = None
    for x, y in numbers_of_lists(interpreter, "plot-lists", xs, ys):
        port.draw(window, x, y, interpreter)
        port.mark(window, x, y, interpreter)
    return NIL


def numbers_of_lists(interpreter: Interpreter, name: str, *lists: Form) -> list[tuple[float, ...]]:
    """Return the points of a curve from the lists of their coordinates. Raise CallError for lists of other kinds."""
    columns = [interpreter.elements(values, name) for values in lists]
    for i, column in enumerate(columns):
        if len(column) != len(columns[0]):
            raise CallError(
                f"{name}: {['xs', 'ys', 'vs'][i]} has {len(column)} elements but xs has {len(columns[0])}",
                i,
                "write lists of equal length",
            )
    return [tuple([number(name, x, i) for i, x in enumerate(point)]) for point in zip(*columns)]


# Markers


def marker_named(interpreter: Interpreter, name: str) -> Form:
    """Return the marker function of a name, as the program defines it now."""
    return interpreter.procedure(symbol(name))


def _add_markers() -> None:
    side = 2 * _RADIUS
    shapes: dict[str, tuple[str, Callable[[Color, int, int], Mark] | None]] = {
        "open-circle": ("an open circle", lambda c, x, y: Disc(c, x, y, _RADIUS, False)),
        "closed-circle": ("a filled circle", lambda c, x, y: Disc(c, x, y, _RADIUS, True)),
        "open-square": ("an open square", lambda c, x, y: Frame(c, x - _RADIUS, y - _RADIUS, side, side)),
        "closed-square": ("a filled square", lambda c, x, y: Block(c, x - _RADIUS, y - _RADIUS, side + 1, side + 1)),
        "object-nil": ("nothing", None),
    }
    for name, (meaning, shape) in shapes.items():

        def draw_marker(
            interpreter: Interpreter,
            x: Form,
            y: Form,
            name: str = name,
            shape: Callable[[Color, int, int], Mark] | None = shape,
        ) -> Form:
            window = current_window(interpreter, name)
            position = pixel(name, x, 0), pixel(name, y, 1)
            if shape is not None:
                draw(interpreter, window, shape(window.color, *position))
            return NIL

        SN28.add(
            name,
            Primitive(name, draw_marker, 2, 2, True),
            f"({name} x y): a marker: draws {meaning} at a position in the window",
        )


_add_markers()
