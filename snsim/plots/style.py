"""The look of every picture (width, colours, font size), and its output as a file, as SVG text or in a window."""

from __future__ import annotations

import io
import logging
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snsim.errors import fail, for_terminal
from snsim.optional_packages import needing
from snsim.protected_files import refuse_protected_file, write_output

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DOTS = 150  # per inch of a PNG file
FORMATS = (".png", ".svg", ".pdf")
# Blue, vermilion and green of the palette of Okabe and Ito (2008), which colour-blind readers can distinguish. Lines
# also differ in style, for prints in black and white.
COLOURS = {"train": "#0072b2", "test": "#d55e00", "third": "#009e73"}
LINE_STYLES = {"train": (0, (5, 2)), "test": "solid", "third": (0, (1, 1.4))}
PAPER = "#cfe0f2"  # behind kernels and maps: no gray, so that it is not mistaken for a value
GRAY_TEXT = "0.45"
_SETTINGS: dict[Any, Any] = {"svg.hashsalt": "snsim", "svg.fonttype": "path"}  # equal figures give equal files
# Text stays text: a third of the size, in the reader's own font.
_PAGE_SETTINGS: dict[Any, Any] = {**_SETTINGS, "svg.fonttype": "none"}


@dataclass(frozen=True)
class FigureStyle:
    """Width in inches, font size in points; `windows` draws into windows on the screen."""

    width: float = 7.2
    font_size: float = 8.5
    windows: bool = False

    @property
    def is_narrow(self) -> bool:
        return self.width < 5


WIDE, NARROW = FigureStyle(), FigureStyle(width=3.5, font_size=8)


def open_figure(look: FigureStyle, height: float, **options: Any) -> Figure:
    """Return an empty figure, `height` in inches. SnError without matplotlib, or without a screen for a window."""
    with needing("matplotlib", what="a plot"):
        from matplotlib.figure import Figure
    if look.windows:
        return _window(look, height, options)
    return Figure(figsize=(look.width, height), **options)


def write(figure: Figure, path: Path) -> None:
    """Write the figure to a file in the format of its suffix.

    SnError for a suffix that is not in FORMATS, or a file that cannot be written.
    """
    check_suffix(path)
    refuse_protected_file(path)
    import matplotlib

    disable_markup(figure)
    with matplotlib.rc_context(_SETTINGS), _without_warnings():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            content = io.BytesIO()
            figure.savefig(
                content, format=path.suffix[1:], dpi=DOTS, metadata={"Date": None} if path.suffix == ".svg" else None
            )
            write_output(path, content.getbuffer())
        except OSError as problem:
            raise fail(
                f"{path} cannot be written: {problem.strerror or problem}",
                hint="give the name of a file in a folder that you may write to",
            ) from None


def check_suffix(path: Path) -> None:
    """Raise SnError if the suffix of the file is not in FORMATS."""
    if path.suffix not in FORMATS:
        raise fail(
            f"a plot is a file that ends with {', '.join(FORMATS)}, not {path.name}",
            hint=f"write {path.stem or 'plot'}.png",
        )


def as_svg(figure: Figure) -> bytes:
    """Return the figure as the text of an SVG file, for a page."""
    import matplotlib

    disable_markup(figure)
    content = io.BytesIO()
    with matplotlib.rc_context(_PAGE_SETTINGS), _without_warnings():
        figure.savefig(content, format="svg", dpi=DOTS, metadata={"Date": None, "Creator": None})
    return content.getvalue()


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Hide Python's warnings, and what matplotlib logs on letters that are missing in all fonts: it draws boxes."""
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def show_windows() -> None:
    """Show the figures that were drawn into windows until they are closed."""
    import matplotlib.pyplot as pyplot

    for number in pyplot.get_fignums():
        disable_markup(pyplot.figure(number))
    with _without_warnings():
        pyplot.show(block=True)


def disable_markup(figure: Figure) -> None:
    """Draw every text of the figure as it is: a `$` starts no formula, and hidden characters are escaped.

    The numbers along the axes stay formulas, which matplotlib writes itself (10 to the power of -2).
    """
    from matplotlib.text import Text

    numbers = {
        id(text)
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for text in axis.findobj(Text)
        if text is not axis.label
    }
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_usetex(False)
        if id(text) not in numbers:
            text.set_parse_math(False)
            text.set_text(for_terminal(text.get_text()))


def wrapped_title(text: str, look: FigureStyle) -> str:
    """Return a title broken into lines that fit the width."""
    most = max(20, int(look.width * 72 / (0.56 * (look.font_size + 1.5))))
    return "\n".join(textwrap.fill(line, most) for line in text.split("\n"))


def add_title(figure: Figure, text: str, look: FigureStyle) -> None:
    """Add a title above the axes of a figure."""
    figure.suptitle(wrapped_title(text, look), fontsize=look.font_size + 1.5, x=0.01, ha="left")


def simplify_axes(axes: Axes, look: FigureStyle) -> None:
    """Set the font size of the axes, and draw the frame on two sides only."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(which="both", labelsize=look.font_size - 1.5)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_fontsize(look.font_size)


def use_whole_ticks(axes: Axes) -> None:
    """Put ticks on the x axis at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _window(look: FigureStyle, height: float, options: dict[str, Any]) -> Figure:
    import matplotlib
    import matplotlib.pyplot as pyplot

    if matplotlib.get_backend().lower() == "agg":
        raise fail("there is no screen for a window", hint="leave out --show: the picture is then written to a file")
    figure: Figure = pyplot.figure(figsize=(look.width, height), **options)
    return figure
