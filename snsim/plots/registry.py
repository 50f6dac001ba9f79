"""The pictures by name, each with a function that draws it and one that writes it as text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from snsim.plots import confusion, curves, maps, misses, net, nlf, rejection, table, weights
from snsim.plots.style import WIDE, Look
from snsim.registry import Shelf

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """One kind of picture.

    Attributes
    ----------
    of : str
        What is drawn: a "run", a "net" or an "nlf".
    draw, text
        `draw(data, look)` returns the figure, `text(data, width)` the text. `data` is the first dataclass of the module
        of the picture.
    """

    of: str
    draw: Callable[[Any, Look], Figure]
    text: Callable[[Any, int], str]


PICTURES: Shelf[Picture] = Shelf("picture")

for _name, _of, _subject, _doc in (
    ("curves", "run", curves, "loss and error after each pass, train and test, with published numbers"),
    ("weights", "run", weights, "the kernels of every connection, arranged as in the connection table"),
    ("maps", "run", maps, "one pattern in the net: input, every map of every layer, output"),
    ("misses", "run", misses, "the patterns that are wrong, with label and answer"),
    ("confusion", "run", confusion, "confusion matrix: labels and answers"),
    ("rejection", "run", rejection, "error on the patterns kept over the percentage rejected"),
    ("net", "net", net, "layers as stacks of maps, connections with scheme and counts"),
    ("table", "net", table, "which map feeds which"),
    ("nlf", "nlf", nlf, "a non-linearity with its first and second derivative"),
):
    PICTURES.add(_name, Picture(_of, _subject.draw, _subject.text), _doc)

__all__ = ["PICTURES", "WIDE", "Picture"]
