"""The pictures by name: for each, what draws it and what tells it in characters. Both take its prepared data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from snsim.plots import confusion, curves, data_sheet, maps, misses, net, nlf, rejection, table, weights
from snsim.plots.style import WIDE, Look
from snsim.registry import Shelf

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """`draw(data, look)` makes the figure, `text(data, width)` the lines. `of` is what is drawn: a "run", a "net",
    "data" or an "nlf"; the data are those that the file of the picture prepares (its first dataclass).
    """

    of: str
    draw: Callable[[Any, Look], Figure]
    text: Callable[[Any, int], str]


PICTURES: Shelf[Picture] = Shelf("picture")

for _name, _of, _subject, _doc in (
    ("curves", "run", curves, "loss and error after each pass, train and test, beside what was published"),
    ("weights", "run", weights, "the kernels of every connection, laid out as the connection table is"),
    ("maps", "run", maps, "one pattern in the net: input, every map of every layer, output"),
    ("misses", "run", misses, "the patterns that are wrong, with label and answer"),
    ("confusion", "run", confusion, "which class is taken for which"),
    ("rejection", "run", rejection, "error on the rest over the patterns that are rejected"),
    ("net", "net", net, "layers as stacks of maps, connections with scheme and counts"),
    ("table", "net", table, "which map feeds which"),
    ("data", "data", data_sheet, "the first patterns of each class of a data set, or of a file or folder"),
    ("nlf", "nlf", nlf, "a non-linearity with both derivatives"),
):
    PICTURES.add(_name, Picture(_of, _subject.draw, _subject.text), _doc)

__all__ = ["PICTURES", "WIDE", "Picture"]
