"""How every picture looks (width, inks, letters), and how it becomes a file, a text of SVG or a window."""

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

DOTS = 150  # an inch of a PNG file
FORMATS = (".png", ".svg", ".pdf")
# Blue and vermilion of the palette of Okabe and Ito (2008), which the colour-blind tell apart; lines differ in their
# strokes too, so that a print in black and white can be read.
INK = {"train": "#0072b2", "test": "#d55e00", "third": "#009e73"}
STROKES = {"train": (0, (5, 2)), "test": "solid", "third": (0, (1, 1.4))}
PAPER = "#cfe0f2"  # between kernels and maps, and where there is none: no gray, so it is not taken for a value
QUIET = "0.45"
_SETTINGS: dict[Any, Any] = {"svg.hashsalt": "snsim", "svg.fonttype": "path"}  # equal figures are equal files
# Letters as text: a third of the size, in the reader's own font.
_IN_A_PAGE: dict[Any, Any] = {**_SETTINGS, "svg.fonttype": "none"}


@dataclass(frozen=True)
class Look:
    """Width in inches, letters in points; `windows` draws into windows on the screen."""

    width: float = 7.2
    letters: float = 8.5
    windows: bool = False

    @property
    def is_narrow(self) -> bool:
        return self.width < 5


WIDE, NARROW = Look(), Look(width=3.5, letters=8)


def open_figure(look: Look, height: float, **options: Any) -> Figure:
    """An empty figure, `height` in inches. SnError without matplotlib, or without a screen for a window."""
    with needing("matplotlib", what="a plot"):
        from matplotlib.figure import Figure
    if look.windows:
        return _window(look, height, options)
    return Figure(figsize=(look.width, height), **options)


def write(figure: Figure, path: Path) -> None:
    """Write the figure as the file's ending says. SnError for an ending that is none of FORMATS, or a file that cannot
    be written.
    """
    check_ending(path)
    refuse_protected_file(path)
    import matplotlib

    show_texts_as_they_are(figure)
    with matplotlib.rc_context(_SETTINGS), _without_warnings():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            written = io.BytesIO()
            figure.savefig(
                written, format=path.suffix[1:], dpi=DOTS, metadata={"Date": None} if path.suffix == ".svg" else None
            )
            write_output(path, written.getbuffer())
        except OSError as problem:
            raise fail(
                f"{path} cannot be written: {problem.strerror or problem}",
                hint="give the name of a file in a folder that you may write to",
            ) from None


def check_ending(path: Path) -> None:
    """SnError if no picture is written to a file of this ending."""
    if path.suffix not in FORMATS:
        raise fail(
            f"a plot is a file that ends with {', '.join(FORMATS)}, not {path.name}",
            hint=f"write {path.stem or 'plot'}.png",
        )


def as_svg(figure: Figure) -> bytes:
    """The figure as the text of an SVG file, for a page."""
    import matplotlib

    show_texts_as_they_are(figure)
    written = io.BytesIO()
    with matplotlib.rc_context(_IN_A_PAGE), _without_warnings():
        figure.savefig(written, format="svg", dpi=DOTS, metadata={"Date": None, "Creator": None})
    return written.getvalue()


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Leave out Python's warnings, and what matplotlib logs of letters that no font here has: a box stands for them."""
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
    """Show the figures that were drawn into windows, until they are closed."""
    import matplotlib.pyplot as pyplot

    for number in pyplot.get_fignums():
        show_texts_as_they_are(pyplot.figure(number))
    with _without_warnings():
        pyplot.show(block=True)


def show_texts_as_they_are(figure: Figure) -> None:
    """Read no text of the figure as a formula or as TeX: a `$` in a name is a `$`; hidden characters are escaped.

    The numbers along the axes are formulas of matplotlib's own (10 to the power of -2), and stay.
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


def title_of(text: str, look: Look) -> str:
    """A title, in lines that the look has room for."""
    most = max(20, int(look.width * 72 / (0.56 * (look.letters + 1.5))))
    return "\n".join(textwrap.fill(line, most) for line in text.split("\n"))


def head(figure: Figure, text: str, look: Look) -> None:
    """The title over a figure of axes."""
    figure.suptitle(title_of(text, look), fontsize=look.letters + 1.5, x=0.01, ha="left")


def plain_axes(axes: Axes, look: Look) -> None:
    """Letters of the look's size, a frame on two sides only."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(which="both", labelsize=look.letters - 1.5)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_fontsize(look.letters)


def whole_ticks(axes: Axes) -> None:
    """Ticks below the axes at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _window(look: Look, height: float, options: dict[str, Any]) -> Figure:
    import matplotlib
    import matplotlib.pyplot as pyplot

    if matplotlib.get_backend().lower() == "agg":
        raise fail(
            "there is no screen to show windows on", hint="leave --show out: then the picture is written to a file"
        )
    figure: Figure = pyplot.figure(figsize=(look.width, height), **options)
    return figure
