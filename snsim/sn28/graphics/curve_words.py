"""Words for curves with error bars and axes that fit (docs/reference/sn28.md, section 1.11)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from snsim.language.builtins.arithmetic import finite, number, whole
from snsim.language.builtins.lists import range_
from snsim.language.forms import NIL, Form, make_list
from snsim.language.procedures import CallError
from snsim.runtime.vocabulary import word
from snsim.sn28.graphics.canvas import Line
from snsim.sn28.graphics.drawing_words import alloccolor, color_of, current_window, draw, rectangle_of
from snsim.sn28.graphics.plots import Port, current_port, numbers_of_lists, plot_lists, round_range, setup_axes

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_CAP = 2  # half the width of the ends of a bar, in pixels
_MOST_STEPS = 1_000_000  # additions that make the step of nice-scale


@word("nice-scale")
def nice_scale(interpreter: Interpreter, low: Form, high: Form, least: Form = 0.0) -> Form:
    """(nice-scale lo hi [step]): a list of round numbers above lo and up to hi, with equal steps of at least step"""
    bottom, top, apart = (finite("nice-scale", number("nice-scale", x, i)) for i, x in enumerate((low, high, least)))
    if not bottom < top:
        raise CallError(f"nice-scale: {top:g} is not above {bottom:g}", 1, "write the lower number first")
    unit = 10.0 ** math.floor(math.log10(finite("nice-scale", top - bottom) / 3))
    step = unit
    if unit == 0.0 or apart / unit > _MOST_STEPS:
        raise CallError(f"nice-scale: the range from {bottom:g} to {top:g} has no such steps", 2, "leave the step out")
    while step < apart:
        interpreter.step()
        step += unit
    return range_(interpreter, step * math.floor((bottom + step) / step), top, step)


def _bar(interpreter: Interpreter, name: str, x: float, y: float, v: float) -> None:
    """Draw a bar from y - v to y + v at a point of the data, in the part of it inside the range of the plot port."""
    port, window = current_port(interpreter, name)
    ends = port.clipped((x, y - v), (x, y + v)) if math.isfinite(x + y + v) else None
    if ends is None:
        return
    (across, first), (_, last) = (port.at(*end) for end in ends)
    across, first, last = round(across), round(first), round(last)
    with port.colored(window):
        draw(interpreter, window, Line(window.color, across, first, across, last))
        for (_, end), row in zip(ends, (first, last)):
            if end in (y - v, y + v):  # not where the border cuts the bar
                draw(interpreter, window, Line(window.color, across - _CAP, row, across + _CAP, row))


@word("plt-sd")
def plt_sd(interpreter: Interpreter, x: Form, y: Form, v: Form) -> Form:
    """(plt-sd x y v): draws the plot port's marker at the data point (x, y), and a bar from y - v to y + v"""
    place = [number("plt-sd", value, i) for i, value in enumerate((x, y, v))]
    port, window = current_port(interpreter, "plt-sd")
    port.mark(window, place[0], place[1], interpreter)
    _bar(interpreter, "plt-sd", *place)
    return NIL


@word("plot-lists-sd")
def plot_lists_sd(interpreter: Interpreter, xs: Form, ys: Form, vs: Form) -> Form:
    """(plot-lists-sd xs ys vs): draws a curve through the points, at each a marker and a bar from y - v to y + v"""
    points = numbers_of_lists(interpreter, "plot-lists-sd", xs, ys, vs)
    plot_lists(interpreter, xs, ys)
    for x, y, v in points:
        _bar(interpreter, "plot-lists-sd", x, y, v)
    return NIL


@word("plt-color")
def plt_color(interpreter: Interpreter, c: Form) -> Form:
    """(plt-color c): sets the color of the current plot port to color number c, as alloccolor returns it"""
    current_port(interpreter, "plt-color")[0].color = color_of("plt-color", whole("plt-color", c))
    return NIL


@word("plt-color-rgb")
def plt_color_rgb(interpreter: Interpreter, r: Form, g: Form, b: Form) -> Form:
    """(plt-color-rgb r g b): sets the color of the current plot port: red, green and blue, each from 0 to 1"""
    code = int(alloccolor(interpreter, r, g, b))
    current_port(interpreter, "plt-color-rgb")[0].color = color_of("plt-color-rgb", code)
    return NIL


def _graph(interpreter: Interpreter, name: str, lists: tuple[Form, ...], title: Form) -> Port:
    """Draw axes for all points (and their bars) and the curve; return the plot port."""
    points = numbers_of_lists(interpreter, name, *lists)
    current_window(interpreter, name)
    if not points or not all(math.isfinite(value) for point in points for value in point):
        raise CallError(f"{name}: expected points of finite numbers", 0, "write a list of one number or more for each")
    bars = [point[2] if len(point) > 2 else 0.0 for point in points]
    x0, x1, x_step = round_range(min(p[0] for p in points), max(p[0] for p in points))
    y0, y1, y_step = round_range(
        min(p[1] - abs(v) for p, v in zip(points, bars)), max(p[1] + abs(v) for p, v in zip(points, bars))
    )
    port = setup_axes(interpreter, x0, y0, x1, y1, x_step, y_step, title)
    plot_lists(interpreter, *lists[:2])
    for point, v in zip(points, bars):
        if len(point) > 2:
            _bar(interpreter, name, point[0], point[1], v)
    return port


@word("graph-xy")
def graph_xy(interpreter: Interpreter, xs: Form, ys: Form, title: Form) -> Port:
    """(graph-xy xs ys title): clears the window, draws axes and a curve through all points; returns the plot port"""
    return _graph(interpreter, "graph-xy", (xs, ys), title)


@word("graph-xyv")
def graph_xyv(interpreter: Interpreter, xs: Form, ys: Form, vs: Form, title: Form) -> Port:
    """(graph-xyv xs ys vs title): like graph-xy, with a bar from y - v to y + v at each point"""
    return _graph(interpreter, "graph-xyv", (xs, ys, vs), title)


@word("rect-2-ppbrect")
def rect_2_ppbrect(interpreter: Interpreter, rectangle: Form) -> Form:
    """(rect-2-ppbrect (x y w h)): converts a rectangle to the box (left bottom right top) of new-plot-port"""
    x, y, width, height = rectangle_of(interpreter, "rect-2-ppbrect", rectangle, 0)
    return make_list([x, y + height, x + width, y])
