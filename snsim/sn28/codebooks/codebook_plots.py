"""Draw codebooks in the plane, make initial nodes for topological maps, and two demonstrations.

See docs/reference/sn28.md, section 5.

The first two numbers of a word are the coordinates of a point. The demonstrations fit a map to points that the user
clicks in SN. A program provides these points by a function `get-click` that returns positions (x y) in the window.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import number, whole
from snsim.language.builtins.strings import text
from snsim.language.forms import NIL, Form
from snsim.language.procedures import ABSENT, CallError
from snsim.runtime.vocabulary import word
from snsim.sn28.codebooks.codebooks import Codebook, expect_codebook, make_codebook
from snsim.sn28.graphics.canvas import LETTER_HEIGHT, Window
from snsim.sn28.graphics.drawing_words import current_window, put_text
from snsim.sn28.graphics.plots import Port, make_port, marker_named

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_CORNERS = (-1.0, -1.0, 1.0, 1.0)
_DEMO_SIZE = 400.0  # side of the window in pixels
_MARGIN = 5  # around the question in the window, in pixels
_FULL_CIRCLE = 6.28  # radians, as SN has it
_GRID_SIDE, _GRID_SWEEPS, _GRID_RATE = 8, 30, 0.3


def _points(interpreter: Interpreter, name: str, cb: Form) -> np.ndarray:
    """Return the points of a codebook, shape (words, 2), float64."""
    book = expect_codebook(interpreter, name, cb)
    if book.width < 2:
        raise CallError(
            f"{name}: words need two numbers or more to be points, these have {book.width}",
            0,
            "write a codebook of two numbers per word: (new-codebook words 2)",
        )
    interpreter.budget.compute(book.words.size)
    points: np.ndarray = book.words[:, :2].astype(np.float64)
    return points


def _port(interpreter: Interpreter, name: str, corners: tuple[Form, ...], offset: int) -> tuple[Port, Window]:
    """Return a plot port that fills the window and draws open circles, and the window.

    `corners` are xmin, ymin, xmax and ymax; they follow `offset` other arguments in the call.
    """
    window = current_window(interpreter, name)
    numbers = [number(name, corner, offset + i) for i, corner in enumerate(corners)]
    box = (0.0, float(window.height), float(window.width), 0.0)
    return make_port(name, box, numbers, marker_named(interpreter, "open-circle")), window


def _draw_paths(
    interpreter: Interpreter, name: str, corners: tuple[Form, ...], offset: int, paths: list[np.ndarray]
) -> Form:
    """Draw each path as lines from point to point."""
    port, window = _port(interpreter, name, corners, offset)
    for path in paths:
        port.pen = None
        for x, y in path.tolist():
            port.draw(window, x, y, interpreter)
    return NIL


@word("bidim-display-dots")
def bidim_display_dots(interpreter: Interpreter, cb: Form, x0: Form, y0: Form, x1: Form, y1: Form) -> Form:
    """(bidim-display-dots cb xmin ymin xmax ymax): draws the vectors of a codebook as circles

    The first two numbers of a vector are its x and y. The four numbers are the range of x and y in the window.
    """
    points = _points(interpreter, "bidim-display-dots", cb)
    port, window = _port(interpreter, "bidim-display-dots", (x0, y0, x1, y1), 1)
    for x, y in points.tolist():
        port.mark(window, x, y, interpreter)
    return NIL


@word("bidim-display-1d")
def bidim_display_1d(interpreter: Interpreter, cb: Form, x0: Form, y0: Form, x1: Form, y1: Form) -> Form:
    """(bidim-display-1d cb xmin ymin xmax ymax): draws a line through the vectors of a codebook, in order

    The first two numbers of a vector are its x and y. The four numbers are the range of x and y in the window.
    """
    points = _points(interpreter, "bidim-display-1d", cb)
    return _draw_paths(interpreter, "bidim-display-1d", (x0, y0, x1, y1), 1, [points])


@word("bidim-display-ring")
def bidim_display_ring(interpreter: Interpreter, cb: Form, x0: Form, y0: Form, x1: Form, y1: Form) -> Form:
    """(bidim-display-ring cb xmin ymin xmax ymax): draws a closed line through the vectors of a codebook, in order

    The first two numbers of a vector are its x and y. The four numbers are the range of x and y in the window.
    """
    points = _points(interpreter, "bidim-display-ring", cb)
    return _draw_paths(interpreter, "bidim-display-ring", (x0, y0, x1, y1), 1, [np.concatenate([points, points[:1]])])


@word("bidim-display-2d")
def bidim_display_2d(
    interpreter: Interpreter, cb: Form, n: Form, m: Form, x0: Form, y0: Form, x1: Form, y1: Form
) -> Form:
    """(bidim-display-2d cb n m xmin ymin xmax ymax): draws the vectors of a codebook as a grid of n rows of m

    The first two numbers of a vector are its x and y. The four numbers are the range of x and y in the window.
    """
    points = _points(interpreter, "bidim-display-2d", cb)
    rows, columns = whole("bidim-display-2d", n, 1), whole("bidim-display-2d", m, 2)
    if rows < 1 or columns < 1 or rows * columns != len(points):
        raise CallError(
            f"bidim-display-2d: {len(points)} words are not a grid of {rows} x {columns}",
            1,
            f"write two numbers whose product is {len(points)}, such as 1 and {len(points)}",
        )
    net = points.reshape(rows, columns, 2)
    return _draw_paths(interpreter, "bidim-display-2d", (x0, y0, x1, y1), 3, [*net, *net.swapaxes(0, 1)])


# Initial nodes


@word("bidim-init-ring")
def bidim_init_ring(interpreter: Interpreter, data: Form, n: Form) -> Codebook:
    """(bidim-init-ring data n): returns a codebook of n nodes on a circle around the mean of the data

    The radius is twice the variance of all coordinates taken together. SN takes 6.28 for the full circle.
    """
    points, count = _points(interpreter, "bidim-init-ring", data), whole("bidim-init-ring", n, 1)
    if count < 1 or not len(points):
        raise CallError(
            f"bidim-init-ring: cannot place {count} nodes around {len(points)} words",
            1,
            "write 1 node or more, and a codebook with words",
        )
    width = expect_codebook(interpreter, "bidim-init-ring", data).width
    if width != 2:
        raise CallError(
            f"bidim-init-ring: the words have {width} numbers, and a circle needs 2",
            0,
            "keep the first two numbers of each word: (new-codebook (narrow (codebook-word cb) 1 2))",
        )
    nodes = make_codebook(interpreter, "bidim-init-ring", count, 2)
    angles = np.add.accumulate(np.array([0.0] + [_FULL_CIRCLE / count] * (count - 1)))
    circle = np.array([(math.cos(angle), math.sin(angle)) for angle in angles.tolist()])
    nodes.words[:] = points.mean(axis=0) + 2 * points.var() * circle
    return nodes


@word("bidim-init-2d")
def bidim_init_2d(interpreter: Interpreter, data: Form, n: Form, m: Form) -> Codebook:
    """(bidim-init-2d data n m): returns a codebook of n rows of m nodes, a grid around the mean of the data

    The grid reaches two variances to each side of the mean, along each of the first two coordinates.
    """
    points = _points(interpreter, "bidim-init-2d", data)
    rows, columns = whole("bidim-init-2d", n, 1), whole("bidim-init-2d", m, 2)
    if min(rows, columns) < 2 or not len(points):
        raise CallError(
            f"bidim-init-2d: cannot place {rows} x {columns} nodes over {len(points)} words: "
            "a grid has 2 x 2 nodes or more",
            1,
            "write (bidim-init-2d data 2 2) or more, with a codebook that has words",
        )
    width = expect_codebook(interpreter, "bidim-init-2d", data).width
    nodes = make_codebook(interpreter, "bidim-init-2d", rows * columns, width)
    middle, half_width = points.mean(axis=0), 2 * points.var(axis=0)
    xs, ys = (
        np.linspace(middle[i] - half_width[i], middle[i] + half_width[i], steps)
        for i, steps in ((0, columns), (1, rows))
    )
    nodes.words[:, 0], nodes.words[:, 1] = np.tile(xs, rows), np.repeat(ys, columns)
    return nodes


# Clicked points


@word("bidim-query")
def bidim_query(
    interpreter: Interpreter, question: Form, x0: Form = ABSENT, y0: Form = ABSENT, x1: Form = ABSENT, y1: Form = ABSENT
) -> Codebook:
    """(bidim-query text [xmin ymin xmax ymax]): returns a codebook of the points clicked in the window

    The text stands at the top of the window; a click on it ends the input. The corners are -1 -1 1 1 by default.
    """
    prompt = text("bidim-query", question)
    corners = tuple(corner for corner in (x0, y0, x1, y1) if corner is not ABSENT)
    if len(corners) not in (0, 4):
        raise CallError(
            f"bidim-query: expected four corners or none, got {len(corners)}", 1, "write xmin ymin xmax ymax"
        )
    port, window = _port(interpreter, "bidim-query", corners or _CORNERS, 1)
    base_line = _MARGIN + round(LETTER_HEIGHT * window.font_size)
    put_text(interpreter, window, _MARGIN, base_line, prompt)
    left, bottom, right, top = port.range
    clicked: list[tuple[float, float]] = []
    while True:
        position = interpreter.elements(interpreter.call("get-click"), "get-click")
        if len(position) != 2:
            raise CallError(
                f"bidim-query: get-click returned {len(position)} values instead of a position (x y)",
                None,
                "make your get-click return (list x y)",
            )
        across, down = (number("get-click", x, None) for x in position)
        if down <= base_line + _MARGIN:
            break
        clicked.append((left + (right - left) * across / window.width, top + (bottom - top) * down / window.height))
        port.mark(window, *clicked[-1], interpreter)
    book = make_codebook(interpreter, "bidim-query", len(clicked), 2)
    book.words[:] = np.array(clicked).reshape(-1, 2)
    return book


def _ask_for_points(interpreter: Interpreter, name: str, title: str) -> Codebook:
    """Open a window and return the points clicked in it. Raise CallError for fewer than two."""
    interpreter.call("new-window", _DEMO_SIZE, _DEMO_SIZE, title)
    points = expect_codebook(interpreter, name, interpreter.call("bidim-query", "Click the points, then here"))
    if len(points) < 2:
        raise CallError(
            f"{name}: expected two points or more, got {len(points)}",
            None,
            "make get-click return two points or more, and then one at the top of the window",
        )
    return points


@word("tsp-demo")
def tsp_demo(interpreter: Interpreter, sweeps: Form = NIL, rate: Form = 0.33) -> Form:
    """(tsp-demo [n [e]]): finds a short tour of clicked cities with a ring of nodes; returns the ring, a codebook

    The ring has twice as many nodes as cities. It learns for n sweeps (by default as many as cities) at rate e, 0.33 by
    default. At first, a quarter of the ring on each side of a winner moves with it, and at last the winner alone. A
    final sweep moves each city's winner onto the city.
    """
    count, e = None if sweeps is NIL else whole("tsp-demo", sweeps), number("tsp-demo", rate, 1)
    cities = _ask_for_points(interpreter, "tsp-demo", "travelling salesman")
    ring = interpreter.call("bidim-init-ring", cities, 2.0 * len(cities))
    topology = interpreter.call("tmap-topo-ring", 2.0 * len(cities))
    display = interpreter.call("tmap-display-bidim-ring")
    for n, epsi, dst in (
        (float(len(cities) if count is None else count), e, ("tmap-dst-lin", len(cities) / 2)),
        (1.0, 1.0, ("tmap-dst-const", 0.0)),
    ):
        interpreter.call(
            "learn-tmap",
            cities,
            ring,
            n,
            topology,
            interpreter.call("tmap-epsi-const", epsi),
            interpreter.call(*dst),
            display,
        )
    return ring


@word("grid-demo")
def grid_demo(interpreter: Interpreter) -> Form:
    """(grid-demo): spreads a square grid of nodes over clicked points; returns the nodes, a codebook"""
    points = _ask_for_points(interpreter, "grid-demo", "a net over points")
    side = float(_GRID_SIDE)
    nodes = interpreter.call("bidim-init-2d", points, side, side)
    interpreter.call(
        "learn-tmap",
        points,
        nodes,
        float(_GRID_SWEEPS),
        interpreter.call("tmap-topo-2d", side, side),
        interpreter.call("tmap-epsi-lin", _GRID_RATE),
        interpreter.call("tmap-dst-lin", side / 2),
        interpreter.call("tmap-display-bidim-2d", side, side),
    )
    return nodes
