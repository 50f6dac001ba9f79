"""Many numbers drawn at once: squares whose area is the value, or whose gray is (docs/reference/sn28.md, section 1.9).

Both are the pictures of SN: `draw-list` for weights and states, `gray-draw-list` for images.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import number, whole
from snsim.language.builtins.matrices import matrix
from snsim.language.forms import NIL, Form
from snsim.language.procedures import ABSENT, CallError
from snsim.sn28.graphics.canvas import BLACK, GRAY, WHITE, Block, Color, Squares, Window
from snsim.sn28.graphics.drawing_words import current_window, draw, pixel, pixels
from snsim.sn28.runtime.vocabulary import word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_GRAYS = 64
_LARGEST_CELL = 4_096


@word("draw-value")
def draw_value(interpreter: Interpreter, x: Form, y: Form, v: Form, most: Form, size: Form) -> Form:
    """(draw-value x y v max maxsize): a square about (x, y), its area |v| over max, white for positive, else black"""
    window = current_window(interpreter, "draw-value")
    sizes, colors = _hinton(
        "draw-value",
        [number("draw-value", v, 2)],
        number("draw-value", most, 3),
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
    interpreter: Interpreter, x: Form, y: Form, values: Form, columns: Form, most: Form, cell: Form, size: Form
) -> Form:
    """(draw-list x y list n max cell maxsize): rows of n squares on gray, of area |v| / max, white for v > 0"""
    window = current_window(interpreter, "draw-list")
    numbers = _numbers(interpreter, "draw-list", values)
    sizes, colors = _hinton(
        "draw-list", numbers, number("draw-list", most, 4), whole("draw-list", size, 6, _LARGEST_CELL)
    )
    _put_squares(interpreter, "draw-list", window, (x, y, columns, cell), sizes, colors, GRAY)
    return NIL


def _hinton(name: str, values: list[float], most: float, size: int) -> tuple[tuple[int, ...], tuple[Color, ...]]:
    """The sides of the squares, and their colors, white or black."""
    if not most:
        raise CallError(f"{name}: the greatest value is 0", None, "give the greatest value that is drawn, such as 1")
    shares = [max(-1.0, min(v / most, 1.0)) for v in values]
    return (tuple([int(size * math.sqrt(abs(v))) for v in shares]), tuple([WHITE if v > 0 else BLACK for v in shares]))


@word("gray-draw-list")
def gray_draw_list(
    interpreter: Interpreter, x: Form, y: Form, values: Form, columns: Form, low: Form, high: Form, cell: Form
) -> Form:
    """(gray-draw-list x y list n lo hi cell): rows of n squares in 64 grays, black for lo and white for hi"""
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
    """(gray-draw-matrix x y m lo hi [cell cell]): a matrix of two dimensions in 64 grays, black for lo, white for hi"""
    window = current_window(interpreter, "gray-draw-matrix")
    values = matrix("gray-draw-matrix", m, 2)
    if values.ndim not in (1, 2) or not values.size:
        raise CallError(
            f"gray-draw-matrix: one or two dimensions are drawn, the matrix has {values.ndim}",
            2,
            "cut out a part of two dimensions: (select m d i)",
        )
    if height is not ABSENT and height != cell:
        raise CallError("gray-draw-matrix: cells are as wide as they are high", 6, "write the same number for both")
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
    """A gray for each value: level 64 (v - lo) / (hi - lo), from 0 to 63, of 63 which is white."""
    if low == high:
        raise CallError(f"{name}: lo and hi are both {low:g}", None, "write two different numbers, such as -1 and 1")
    levels = np.nan_to_num(np.trunc(_GRAYS * (values - low) / (high - low))).clip(0, _GRAYS - 1)
    return tuple([(g, g, g) for g in np.rint(levels * (255 / (_GRAYS - 1))).astype(int).tolist()])


def _numbers(interpreter: Interpreter, name: str, values: Form) -> list[float]:
    items = interpreter.elements(values, name)
    for item in items:
        if type(item) is not float or item - item != 0.0:
            raise CallError(
                f"{name}: {interpreter.describe(item)} in the list is no number that can be drawn",
                2,
                "replace it: (filter numberp list) keeps the numbers",
            )
    return items


def _put_squares(
    interpreter: Interpreter,
    name: str,
    window: Window,
    places: tuple[Form, Form, Form, Form],
    sizes: tuple[int, ...],
    colors: tuple[Color, ...],
    ground: Color | None,
) -> None:
    x, y = pixels(name, *places[:2])
    columns, cell = whole(name, places[2], 3), whole(name, places[3], None, _LARGEST_CELL)
    if columns < 1 or cell < 1:
        raise CallError(f"{name}: {columns} columns of cells of {cell} pixels", None, "write 1 or more of both")
    if sizes:
        interpreter.budget.walk(len(sizes))
        draw(interpreter, window, Squares(x, y, columns, cell, sizes, colors, ground))
