"""Pictures from files (PNG, JPEG, BMP, PGM, TIFF) and pictures scaled to another size, by Pillow.

Pillow's 8-bit resampling is fixed-point arithmetic: its results are the same on every machine.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from snsim.errors import Span, fail, for_line
from snsim.input_files import read_file, shown

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".pbm", ".ppm", ".tif", ".tiff"}
FORMATS = ("PNG", "JPEG", "BMP", "PPM", "TIFF")  # Pillow's names; PPM includes PGM
MOST_PIXELS = 50_000_000
MOST_FILE = 500_000_000  # bytes of one picture file
_REMEDY = "save the picture again as PNG, or take it out of the folder"


def read_gray(
    path: Path, name: str, size: tuple[int, int] | None = None, span: Span | None = None
) -> tuple[np.ndarray, bytes]:
    """Return a picture as gray bytes (rows, columns), 0 black, and the bytes of its file.

    Colours become gray (ITU-R 601), transparent parts white. `size` is (rows, columns) to scale to; the filter is
    bilinear with antialiasing. Raises SnError, naming the file, for a file in another format, a damaged one, or one
    with more than 50 million pixels by its header.
    """
    content = read_file(path, MOST_FILE, span, what="a picture")
    with _damage(name, span), _opened(content) as image:
        columns, rows = image.size
        if rows * columns > MOST_PIXELS:
            raise fail(
                f"{name} has {columns:,} x {rows:,} pixels, at most {MOST_PIXELS:,} are read",
                span,
                hint="make the picture smaller",
            )
        gray = _gray(image, name, span)
        if size is not None and gray.size != (size[1], size[0]):
            from PIL.Image import Resampling

            gray = gray.resize((size[1], size[0]), Resampling.BILINEAR)
        return np.array(gray, np.uint8), content


@contextmanager
def _opened(content: bytes) -> Iterator[Image]:
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, about large or odd files: the size is checked here
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            yield image


@contextmanager
def _damage(name: str, span: Span | None) -> Iterator[None]:
    """Turn whatever Pillow raises for a file into a fault."""
    from PIL import Image, UnidentifiedImageError

    from snsim.errors import SnError

    try:
        yield
    except (SnError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise fail(
            f"{name} is not a picture in one of the formats PNG, JPEG, BMP, PGM and TIFF, or its header is damaged",
            span,
            hint=_REMEDY,
        ) from None
    except Image.DecompressionBombError:
        raise fail(
            f"{name} has more than {MOST_PIXELS:,} pixels by its header", span, hint="make the picture smaller"
        ) from None
    except Exception as error:  # of a decoder: OSError, SyntaxError, ValueError, struct.error and others
        reason = for_line(str(error) or type(error).__name__)
        raise fail(f"{name} is damaged: {reason}", span, hint=_REMEDY) from None


def _gray(image: Image, name: str, span: Span | None) -> Image:
    """Return the first frame in 8-bit gray ("L")."""
    from PIL import Image as images
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):
        values = np.asarray(upright).astype(np.int64)
        if values.size and (values.min() < 0 or values.max() > 65_535):
            raise fail(
                f"{name} has grays from {values.min()} to {values.max()}, expected at most 16 bits",
                span,
                hint="save the picture in 8-bit gray",
            )
        return images.fromarray((values >> 8).astype(np.uint8))
    if upright.mode == "F":
        raise fail(f"{name} has floating-point gray values", span, hint="save the picture in 8-bit gray")
    if upright.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in upright.info:
        clear = upright.convert("RGBA")
        paper = images.new("RGBA", clear.size, (255, 255, 255, 255))
        return images.alpha_composite(paper, clear).convert("L")
    return upright.convert("L")


def resized(pictures: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return pictures (n, r, c) or (n, maps, r, c) scaled to rows x columns: bilinear with antialiasing.

    Bytes stay bytes; other types become float32.
    """
    from PIL import Image

    if pictures.shape[-2:] == (rows, columns):
        return pictures
    dtype = np.uint8 if pictures.dtype == np.uint8 else np.float32
    flat = pictures.reshape(-1, *pictures.shape[-2:])
    scaled = np.empty((len(flat), rows, columns), dtype)
    for number, picture in enumerate(flat):
        image = Image.fromarray(np.ascontiguousarray(picture, dtype))
        scaled[number] = np.asarray(image.resize((columns, rows), Image.Resampling.BILINEAR))
    return scaled.reshape(*pictures.shape[:-2], rows, columns)


def shown_in(path: Path, folder: Path) -> str:
    """Return the name of a picture as a sentence shows it: its path below the folder that was named."""
    return shown(path.relative_to(folder.parent)) if path.is_relative_to(folder.parent) else shown(path)
