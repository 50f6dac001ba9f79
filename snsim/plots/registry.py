"""The pictures by name, each with a function that draws it and one that writes it as text.

A picture is a file in this folder and a line here. The file is imported when its picture is drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from snsim.registry import Shelf

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from snsim.plots.style import FigureStyle


@dataclass(frozen=True)
class Picture:
    """One kind of picture.

    Attributes
    ----------
    of : str
        What is drawn: "run", "net", "data" or "nlf".
    draw : callable
        (data, look) -> the figure.
    text : callable
        (data, width) -> the lines for a terminal of `width` columns.
    prepare : callable or None
        A `Net`, or the `OpenedRun` of a run -> the data. With it `snsim plot NAME` needs no code of its own. None for a
        picture with more options, which has a command in `snsim/cli/plot.py`.
    """

    of: str
    draw: Callable[[Any, FigureStyle], Figure]
    text: Callable[[Any, int], str]
    prepare: Callable[[Any], Any] | None = None


PICTURES: Shelf[Picture] = Shelf("picture")


def _later(module: str, name: str) -> Callable[..., Any]:
    """Return a function that imports the function `name` of a file of this folder when it is called."""

    def call(*arguments: Any) -> Any:
        return getattr(import_module(f"snsim.plots.{module}"), name)(*arguments)

    return call


for _name, _of, _prepare, _doc in (
    ("curves", "run", None, "loss and error after each pass, train and test, with published numbers"),
    ("weights", "run", None, "the kernels of every connection, arranged as in the connection table"),
    ("maps", "run", None, "one pattern in the net: input, every map of every layer, output"),
    ("misses", "run", None, "the patterns that are wrong, with label and answer"),
    ("confusion", "run", None, "confusion matrix: labels and answers"),
    ("rejection", "run", None, "error on the patterns kept over the percentage rejected"),
    ("net", "net", lambda net: net, "layers as stacks of maps, connections with scheme and counts"),
    ("table", "net", _later("table", "tables"), "which map feeds which"),
    ("data", "data", None, "the first patterns of each class of a data set, or of a file or folder"),
    ("nlf", "nlf", None, "a non-linearity with its first and second derivative"),
):
    _file = {"data": "data_sheet"}.get(_name, _name)
    PICTURES.add(_name, Picture(_of, _later(_file, "draw"), _later(_file, "text"), _prepare), _doc)

__all__ = ["PICTURES", "Picture"]
