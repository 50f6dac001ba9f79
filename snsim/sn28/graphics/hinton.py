"""Draw lists and matrices of numbers as squares (docs/reference/sn28.md, section 1.9).

`draw-list` draws Hinton diagrams of weights and states: the area of a square shows a value. `gray-draw-list` draws
images: the gray level shows a value.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import number, whole
from snsim.language.builtins.matrices import matrix
from snsim.language.forms import NIL, Form
from snsim.language.procedures import ABSENT, CallError
from snsim.runtime.vocabulary import word
from snsim.sn28.graphics.canvas import BLACK, GRAY, WHITE, Block, Color, Squares, Window
from snsim.sn28.graphics.drawing_words import current_window, draw, pixel, pixels

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_GRAYS = 64
_LARGEST_CELL = 4_096


@word("draw-value")
def draw_value(interpreter: Interpreter, x: Form, y: Form, v: Form, maximum: Form, size: Form) -> Form:
    """(draw-value x y v max maxsize): draws a square around (x, y), white for v > 0, else black

    Its area is |v| / max of a square of maxsize x maxsize pixels, and never larger.
    """
    window = current_window(interpreter, "draw-value")
    sizes, colors = _hinton_squares(
        "draw-value",
        [number("draw-value", v, 2)],
        number("draw-value", maximum, 3),
        whole("draw-value", size, 4, _LARGEST_CELL),
    )
    if sizes[0]:
        draw(
            interpreter,
            window,
            Block(
                colors[0],
                pixel("draw-value", x, 0) - sizes[0] // 2,
                pixel("draw-value", y, 1) - sizes[0] // 2,
                sizes[0],
                sizes[0],
            ),
        )
    return NIL


@word("draw-list")
def draw_list(
    interpreter: Interpreter, x: Form, y: Form, values: Form, columns: Form, maximum: Form, cell: Form, size: Form
) -> Form:
    """(draw-list x y list n max cell maxsize): draws a Hinton diagram of the list in rows of n cells

    A cell is a gray square of cell x cell pixels. In it, the square of a value v is white for v > 0, else black. Its
    area is |v| / max of a square of maxsize x maxsize pixels, and never larger.
    """
    window = current_window(interpreter, "draw-list")
    numbers = _numbers(interpreter, "draw-list", values)
    sizes, colors = _hinton_squares(
        "draw-list", numbers, number("draw-list", maximum, 4), whole("draw-list", size, 6, _LARGEST_CELL)
    )
    _put_squares(interpreter, "draw-list", window, (x, y, columns, cell), sizes, colors, GRAY)
    return NIL


def _hinton_squares(
    name: str, values: list[float], maximum: float, size: int
) -> tuple[tuple[int, ...], tuple[Color, ...]]:
    """Return the sides in pixels of the squares, and their colors, white or black."""
    if not maximum:
        raise CallError(f"{name}: the maximum is 0", None, "write the largest value to draw, such as 1")
    shares = [max(-1.0, min(v / maximum, 1.0)) for v in values]
    return (tuple([int(size * math.sqrt(abs(v))) for v in shares]), tuple([WHITE if v > 0 else BLACK for v in shares]))


@word("gray-draw-list")
def gray_draw_list(
    interpreter: Interpreter, x: Form, y: Form, values: Form, columns: Form, low: Form, high: Form, cell: Form
) -> Form:
    """(gray-draw-list x y list n lo hi cell): draws a gray square per number in rows of n, lo black to hi white

    There are 64 grays. Values below lo are black, those above hi white. A square has cell x cell pixels.
    """
    window = current_window(interpreter, "gray-draw-list")
    numbers = np.array(_numbers(interpreter, "gray-draw-list", values), np.float64)
    side = whole("gray-draw-list", cell, 6, _LARGEST_CELL)
    colors = _grays("gray-draw-list", numbers, number("gray-draw-list", low, 4), number("gray-draw-list", high, 5))
    _put_squares(interpreter, "gray-draw-list", window, (x, y, columns, cell), (side,) * len(colors), colors, None)
    return NIL


@word("gray-draw-matrix")
def gray_draw_matrix(
    interpreter: Interpreter, x: Form, y: Form, m: Form, low: Form, high: Form, cell: Form = 1.0, height: Form = ABSENT
) -> Form:
    """(gray-draw-matrix x y m lo hi [cell cell]): draws a gray square per element, lo black to hi white

    There are 64 grays. Values below lo are black, those above hi white. A square has cell pixels on each side, by
    default 1. Both cells must be equal.
    """
    window = current_window(interpreter, "gray-draw-matrix")
    values = matrix("gray-draw-matrix", m, 2)
    if values.ndim not in (1, 2) or not values.size:
        raise CallError(
            f"gray-draw-matrix: expected a matrix of 1 or 2 dimensions that is not empty, got shape {values.shape}",
            2,
            "select a part of two dimensions: (select m d i)",
        )
    if height is not ABSENT and number("gray-draw-matrix", height, 6) != number("gray-draw-matrix", cell, 5):
        raise CallError("gray-draw-matrix: the width and height of a cell differ", 6, "write the same number for both")
    side = whole("gray-draw-matrix", cell, 5, _LARGEST_CELL)
    interpreter.budget.make_list(values.size, "gray-draw-matrix")
    colors = _grays(
        "gray-draw-matrix",
        values.astype(np.float64).ravel(),
        number("gray-draw-matrix", low, 3),
        number("gray-draw-matrix", high, 4),
    )
    _put_squares(
        interpreter,
        "gray-draw-matrix",
        window,
        (x, y, float(values.shape[-1]), cell),
        (side,) * len(colors),
        colors,
        None,
    )
    return NIL


def _grays(name: str, values: np.ndarray, low: float, high: float) -> tuple[Color, ...]:
    """Return a gray for each value: level 64 (v - lo) / (hi - lo), limited to 0 (black) to 63 (white)."""
    if low == high:
        raise CallError(f"{name}: lo and hi are both {low:g}", None, "write two different numbers, such as -1 and 1")
    levels = np.nan_to_num(np.trunc(_GRAYS * (values - low) / (high - low))).clip(0, _GRAYS - 1)
    return tuple([(g, g, g) for g in np.rint(levels * (255 / (_GRAYS - 1))).astype(int).tolist()])


def _numbers(interpreter: Interpreter, name: str, values: Form) -> list[float]:
    items = interpreter.elements(values, name)
    for item in items:
        if type(item) is not float or item - item != 0.0:
            raise CallError(
                f"{name}: cannot draw {interpreter.describe(item)}, which is not a finite number",
                2,
                "keep only numbers in the list: (filter numberp list)",
            )
    return items


def _put_squares(
    interpreter: Interpreter,
    name: str,
    window: Window,
    layout: tuple[Form, Form, Form, Form],
    sizes: tuple[int, ...],
    colors: tuple[Color, ...],
    ground: Color | None,
) -> None:
    x, y = pixels(name, *layout[:2])
    columns, cell = whole(name, layout[2], 3), whole(name, layout[3], None, _LARGEST_CELL)
    if columns < 1 or cell < 1:
        raise CallError(
            f"{name}: cannot draw {columns} columns of cells of {cell} pixels", None, "write 1 or more for both"
        )
    if sizes:
        interpreter.budget.walk(len(sizes))
        draw(interpreter, window, Squares(x, y, columns, cell, sizes, colors, ground))
