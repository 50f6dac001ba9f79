"""Prepare a picture of a user as a data set has its pictures: ink found, scaled to the set's box, and placed.

The steps use whole numbers until the last division, so that another program can repeat them to the bit:

1. Gray bytes g, 0 black to 255 white; transparent parts are white.
2. Paper p is the lower median of the outermost rows and columns. The ink is dark if 2p >= min(g) + max(g), else light.
   (--ink decides instead of this comparison.)
3. Ink i = max(0, p - g) if it is dark, else max(0, g - p). Its strongest value m must be at least 16.
4. The box is the smallest one that holds every pixel with 4i >= m; h rows and w columns.
5. The box is scaled to H rows and W columns with its aspect: into L x L cells, so that its longer side is L. The
   shorter side s of a longer side l becomes max(1, (2sL + l) div 2l), that is rounded to the nearest.
6. Each cell (r, c) of H x W is the mean of the ink over the part of the box that it covers (area average). In whole
   numbers: a(r, c) = sum over y, x of o(r, y; h, H) o(c, x; w, W) i(y, x), with the overlap
   o(r, y; h, H) = max(0, min((r + 1)h, (y + 1)H) - max(rh, yH)). The mean is a / (hw); at most 255hw, below 2^53.
7. The cells stand on a canvas of R x C cells without ink: in its middle, rows (R - H) div 2 above; or with their centre
   of mass on the middle: with S = sum a and M = sum r a, (RS - 2M + S) div 2S rows above, but inside the canvas.
   Columns are placed in the same way. `div` rounds down.
8. Each cell becomes -1 + 2a / (hwm): -1 without ink, 1 for the strongest ink.
9. Only where the data set itself was made by scaling: the canvas is scaled as in `snsim.data.scaling`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from snsim.data.pictures import read_gray
from snsim.data.record import InputScaling
from snsim.data.scaling import scale
from snsim.data_classes import dataclass
from snsim.errors import fail
from snsim.input_files import shown

Ink = Literal["dark", "light"]
_LEAST_CONTRAST = 16  # gray values between paper and the strongest ink


@dataclass(frozen=True)
class PictureStyle:
    """How a data set places the ink of its pictures.

    Parameters
    ----------
    longer_side : int or None
        Cells of the longer side of the ink's box; None: the box fills the canvas.
    place : str
        "box": the box is in the middle; "mass": the centre of mass is at rows / 2 and columns / 2, counted from 0.
    canvas : (int, int) or None
        Rows and columns on which the ink is placed, if the set was scaled from that size; None: the size of an input.
    """

    longer_side: int | None = None
    place: Literal["box", "mass"] = "box"
    canvas: tuple[int, int] | None = None


FULL_BOX = PictureStyle()


@dataclass(frozen=True)
class PictureReport:
    """How a picture was prepared. Sizes are (rows, columns); `box` is None if the whole picture was used."""

    name: str
    size: tuple[int, int]
    ink: Ink | None
    box: tuple[int, int] | None
    shape: tuple[int, int]

    @property
    def line(self) -> str:
        """The report as one line, sizes as columns x rows: `seven.png: 640x480, dark ink, box 212x301 -> 16x16`."""
        part = "whole picture" if self.box is None else f"box {_across(self.box)}"
        ink = "" if self.ink is None else f", {self.ink} ink"
        return f"{self.name}: {_across(self.size)}{ink}, {part} -> {_across(self.shape)}"


def prepare_picture(
    path: Path,
    shape: tuple[int, int],
    style: PictureStyle = FULL_BOX,
    ink: Ink | None = None,
    as_is: bool = False,
) -> tuple[np.ndarray, PictureReport]:
    """Return the picture of a file as an input, float32 (rows, columns) from -1 (paper) to 1 (ink), and a report.

    `ink` overrides the decision from the border. With `as_is` a picture of the input's size is neither cut nor moved,
    and its grays are not stretched. Raises SnError for a file that is no picture, one without ink, and a size that
    differs.
    """
    name = shown(path.name)
    gray, _ = read_gray(path, name)
    found = ink or ink_of(gray)
    if as_is:
        _check_size(gray, shape, name)
        inked = 255 - gray.astype(np.int64) if found == "dark" else gray.astype(np.int64)
        return (inked / 127.5 - 1).astype(np.float32), PictureReport(name, _size(gray), found, None, shape)
    cells, box = place_ink(gray, style.canvas or shape, style, found, name)
    if style.canvas is not None and style.canvas != shape:
        cells = scale(cells[None], *shape)[0]
    return cells, PictureReport(name, _size(gray), found, box, shape)


def prepare_whole_picture(
    path: Path, shape: tuple[int, int], scaling: InputScaling | None, as_is: bool = False
) -> tuple[np.ndarray, PictureReport]:
    """Return a picture scaled to the size of the input, with the scaling of a user's own data, and a report.

    The pictures of a folder are prepared in the same way for training. With `as_is` the picture must have that size.
    """
    name = shown(path.name)
    gray, _ = read_gray(path, name)
    size = _size(gray)
    if as_is:
        _check_size(gray, shape, name)
    elif size != shape:
        gray, _ = read_gray(path, name, shape)
    inputs = gray[None] if scaling is None else scaling.apply(gray[None])
    return inputs[0].astype(np.float32), PictureReport(name, size, None, None, shape)


def ink_of(gray: np.ndarray) -> Ink:
    """Return whether the ink of a picture (gray bytes) is dark or light, from the median of its border (step 2)."""
    return "dark" if 2 * _paper(gray) >= int(gray.min()) + int(gray.max()) else "light"


def place_ink(
    gray: np.ndarray, canvas: tuple[int, int], style: PictureStyle, ink: Ink, name: str = "the picture"
) -> tuple[np.ndarray, tuple[int, int]]:
    """Return the canvas with the ink of a picture, float32 from -1 to 1, and the size of the ink's box (steps 3 to 8).

    SnError for a picture without ink.
    """
    paper = _paper(gray)
    amount = np.maximum(0, paper - gray.astype(np.int64) if ink == "dark" else gray.astype(np.int64) - paper)
    strongest = int(amount.max())
    if strongest < _LEAST_CONTRAST:
        other = "light" if ink == "dark" else "dark"
        raise fail(
            f"{name} has no {ink} ink: its grays differ by {strongest} from the {paper} of its border",
            hint=f"draw something {'darker' if ink == 'dark' else 'lighter'}, or write --ink {other}",
        )
    rows, columns = (np.flatnonzero((4 * amount >= strongest).any(axis=axis)) for axis in (1, 0))
    boxed = amount[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = boxed.shape
    scaled = _area_sums(boxed, *_fitted((height, width), _limits(style, canvas)))
    top, left = _corner(scaled, canvas, style.place)
    cells = np.full(canvas, -1, np.float32)
    ink_cells = -1 + 2 * scaled / float(height * width * strongest)
    cells[top : top + scaled.shape[0], left : left + scaled.shape[1]] = ink_cells.astype(np.float32)
    return cells, (height, width)


def _paper(gray: np.ndarray) -> int:
    border = np.concatenate([gray[0], gray[-1], gray[1:-1, 0], gray[1:-1, -1]])
    return int(np.sort(border)[(len(border) - 1) // 2])


def _limits(style: PictureStyle, canvas: tuple[int, int]) -> tuple[int, int]:
    return canvas if style.longer_side is None else (style.longer_side, style.longer_side)


def _fitted(box: tuple[int, int], limits: tuple[int, int]) -> tuple[int, int]:
    """Return rows and columns of a box scaled into limits with its aspect."""
    (height, width), (rows, columns) = box, limits
    if height * columns >= width * rows:
        return rows, min(columns, max(1, (2 * width * rows + height) // (2 * height)))
    return min(rows, max(1, (2 * height * columns + width) // (2 * width))), columns


def _area_sums(boxed: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return the whole numbers a(r, c) of step 6 as float64: every sum is below 2^53, so it is exact in any order."""
    down, across = _overlaps(boxed.shape[0], rows), _overlaps(boxed.shape[1], columns)
    sums: np.ndarray = down @ boxed.astype(np.float64) @ across.T
    return sums


def _overlaps(size: int, wanted: int) -> np.ndarray:
    cells, pixels = np.arange(wanted)[:, None], np.arange(size)[None]
    low, high = np.maximum(cells * size, pixels * wanted), np.minimum((cells + 1) * size, (pixels + 1) * wanted)
    overlaps: np.ndarray = np.maximum(0, high - low).astype(np.float64)
    return overlaps


def _corner(scaled: np.ndarray, canvas: tuple[int, int], place: str) -> tuple[int, int]:
    """Return the row and the column of the first cell on the canvas (step 7)."""
    free = [room - size for room, size in zip(canvas, scaled.shape)]
    if place == "box":
        return free[0] // 2, free[1] // 2
    corner: list[int] = []
    for axis in (0, 1):
        line = [int(value) for value in scaled.sum(axis=1 - axis)]  # Python's whole numbers have no largest one
        total, moment = sum(line), sum(number * value for number, value in enumerate(line))
        first = (canvas[axis] * total - 2 * moment + total) // (2 * total)
        corner.append(min(max(0, first), free[axis]))
    return corner[0], corner[1]


def _check_size(gray: np.ndarray, shape: tuple[int, int], name: str) -> None:
    if gray.shape != shape:
        raise fail(
            f"{name} has {_across(_size(gray))} pixels, the net takes {_across(shape)}",
            hint="leave --as-is out, so that the picture is scaled",
        )


def _size(gray: np.ndarray) -> tuple[int, int]:
    return gray.shape[0], gray.shape[1]


def _across(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"
