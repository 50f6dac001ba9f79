"""Draw a window as pixels, and write pixels as a PNG file.

Every pixel of the window becomes a square of `SCALE` pixels, hard-edged as on the screens that the programs were
written for. The letters are those of `stroke_font`, not Pillow's: its built-in bitmap font has one size only, and the
pixels of its other fonts depend on the version of FreeType.
"""

from __future__ import annotations

import io
import itertools
import math

import numpy as np

from snsim.optional_packages import needing
from snsim.sn28.graphics.canvas import (
    DASHES,
    WHITE,
    Block,
    Clipped,
    Color,
    Curve,
    Disc,
    Frame,
    Line,
    Mark,
    Polygon,
    Squares,
    Text,
    Window,
)
from snsim.sn28.graphics.stroke_font import ADVANCE, BASE, strokes

SCALE = 2
_STROKE = 0.1  # width of a letter's strokes, in font sizes


def pixels(window: Window, scale: int = SCALE) -> np.ndarray:
    """Return the pixels of the window: uint8, rows × columns × (red, green, blue)."""
    picture = np.full((window.height * scale, window.width * scale, 3), WHITE, np.uint8)
    for mark in window.marks:
        _draw(picture, mark, scale)
    return picture


def png(picture: np.ndarray) -> bytes:
    """Return the picture of `pixels` as the bytes of a PNG file, 8 bits a color."""
    with needing("PIL", what="a picture in PNG", instead="save the windows as SVG"):
        from PIL import Image
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "PNG", optimize=True)
    return content.getvalue()


def _draw(picture: np.ndarray, mark: Mark, scale: int) -> None:
    if isinstance(mark, Block):
        _fill(picture, mark.bounds, mark.color, scale)
    elif isinstance(mark, Squares):
        for block in mark.blocks():
            _fill(picture, block.bounds, block.color, scale)
    elif isinstance(mark, Line):
        _draw_curve(picture, Curve(mark.color, ((mark.x1, mark.y1), (mark.x2, mark.y2)), mark.dash), scale)
    elif isinstance(mark, Curve):
        _draw_curve(picture, mark, scale)
    elif isinstance(mark, Clipped):
        _draw_clipped(picture, mark, scale)
    elif isinstance(mark, Frame):
        _draw_frame(picture, mark, scale)
    elif isinstance(mark, Disc):
        _draw_disc(picture, mark, scale)
    elif isinstance(mark, Polygon):
        _draw_polygon(picture, mark, scale)
    elif isinstance(mark, Text):
        _draw_text(picture, mark, scale)


def _part(picture: np.ndarray, bounds: tuple[float, float, float, float], scale: int) -> tuple[slice, slice]:
    """Return the rows and columns of the part inside the picture."""
    height, width, _ = picture.shape
    left, top, right, bottom = (round(b * scale) for b in bounds)
    return slice(min(max(top, 0), height), min(max(bottom, 0), height)), slice(
        min(max(left, 0), width), min(max(right, 0), width)
    )


def _fill(picture: np.ndarray, bounds: tuple[float, float, float, float], color: Color, scale: int) -> None:
    picture[_part(picture, bounds, scale)] = color


def _draw_clipped(picture: np.ndarray, mark: Clipped, scale: int) -> None:
    """Draw a mark on a copy of the part of the picture around it, and take over the pixels inside its rectangle."""
    left, top, right, bottom = mark.mark.bounds
    around = _part(picture, (left - 2, top - 2, right + 2, bottom + 2), scale)
    inside = _part(picture, mark.bounds, scale)
    before = picture[around].copy()
    _draw(picture, mark.mark, scale)
    part = picture[inside].copy()
    picture[around] = before
    picture[inside] = part


def _draw_curve(picture: np.ndarray, curve: Curve, scale: int) -> None:
    drawn = 0.0  # length so far, which the dashes go on from
    pattern = tuple(length * scale for length in DASHES[curve.dash])
    for (x1, y1), (x2, y2) in itertools.pairwise(curve.points):
        start, end = (x1 * scale, y1 * scale), (x2 * scale, y2 * scale)
        _stroke(picture, start, end, scale, curve.color, pattern, drawn)
        drawn += math.hypot(end[0] - start[0], end[1] - start[1])


def _stroke(
    picture: np.ndarray,
    start: tuple[float, float],
    end: tuple[float, float],
    width: int,
    color: Color,
    pattern: tuple[int, ...] = (),
    drawn: float = 0.0,
) -> None:
    """Draw a line with a square pen, in pixels of the picture; positions are the upper left corner of the pen.

    `pattern` has the lengths of the dashes and gaps, and `drawn` is where in the pattern the line begins.
    """
    count = int(max(abs(end[0] - start[0]), abs(end[1] - start[1]))) + 1
    shares = np.linspace(0.0, 1.0, min(count, 4 * max(picture.shape)))
    across = np.rint(start[0] + (end[0] - start[0]) * shares).astype(int)
    down = np.rint(start[1] + (end[1] - start[1]) * shares).astype(int)
    if pattern:
        places = (drawn + shares * math.hypot(end[0] - start[0], end[1] - start[1])) % sum(pattern)
        shown = np.searchsorted(np.cumsum(pattern), places, side="right") % 2 == 0
        across, down = across[shown], down[shown]
    for dx in range(width):
        for dy in range(width):
            x, y = across + dx, down + dy
            inside = (x >= 0) & (y >= 0) & (x < picture.shape[1]) & (y < picture.shape[0])
            picture[y[inside], x[inside]] = color


def _draw_frame(picture: np.ndarray, frame: Frame, scale: int) -> None:
    left, top, right, bottom = frame.bounds
    for side in (
        (left, top, right, top + 1),
        (left, bottom - 1, right, bottom),
        (left, top, left + 1, bottom),
        (right - 1, top, right, bottom),
    ):
        _fill(picture, side, frame.color, scale)


def _centers(picture: np.ndarray, mark: Mark, scale: int) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray]:
    """Return the part of the picture around a mark, and x and y of the centres of its pixels in the window."""
    rows, columns = _part(picture, mark.bounds, scale)
    x = (np.arange(columns.start, columns.stop) + 0.5) / scale - 0.5
    y = (np.arange(rows.start, rows.stop) + 0.5) / scale - 0.5
    return (rows, columns), x[np.newaxis, :], y[:, np.newaxis]


def _draw_disc(picture: np.ndarray, disc: Disc, scale: int) -> None:
    part, x, y = _centers(picture, disc, scale)
    distance = np.hypot(x - disc.x, y - disc.y)
    inside = distance <= disc.radius + 0.5
    picture[part][inside if disc.filled else inside & (distance > disc.radius - 0.5)] = disc.color


def _draw_polygon(picture: np.ndarray, polygon: Polygon, scale: int) -> None:
    """Even and odd: a point is inside if a line from it to the left crosses the border an odd number of times."""
    part, x, y = _centers(picture, polygon, scale)
    inside = np.zeros((y.size, x.size), bool)
    for (x1, y1), (x2, y2) in zip(polygon.points, polygon.points[1:] + polygon.points[:1]):
        if y1 != y2:
            crossed = (y >= min(y1, y2)) & (y < max(y1, y2))
            inside ^= crossed & (x >= x1 + (y - y1) * ((x2 - x1) / (y2 - y1)))
    picture[part][inside] = polygon.color


def _draw_text(picture: np.ndarray, mark: Text, scale: int) -> None:
    _fill(picture, mark.bounds, WHITE, scale)
    unit = mark.size / 10 * scale
    pen = max(1, round(_STROKE * mark.size * scale))
    for i, letter in enumerate(mark.text):
        left, base = mark.x * scale + i * ADVANCE * unit, mark.y * scale
        for points in strokes(letter):
            places = [(left + x * unit, base + (y - BASE) * unit) for x, y in points]
            for start, end in itertools.pairwise(places):
                _stroke(picture, start, end, pen, mark.color)
