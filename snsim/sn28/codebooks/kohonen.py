"""Kohonen's topological maps: `learn-tmap`, and the functions that it takes (docs/reference/sn28.md, section 5).

A map is a codebook of nodes on a grid. For each word x of the data, learning finds the nearest node i and moves each
node r that is near i on the grid towards x (Kohonen, Self-organized formation of topologically correct feature maps,
Biological Cybernetics 43, 1982):

    r = (1 - h e) r + h e x,

The rate e and the neighbourhood function h shrink from sweep to sweep, as c falls from 1 towards 0. Four functions
define them: (topology i distances) fills a matrix with the grid distances of all nodes from node i, (epsi c) returns
e, (dst d c) returns h at distance d, or () if the node stays, and (display data nodes t) is called after sweep t. The
words `tmap-...` make such functions; a program may define its own.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import number, whole
from snsim.language.builtins.indexing import put
from snsim.language.builtins.matrices import matrix
from snsim.language.forms import NIL, Form
from snsim.language.procedures import ABSENT, CallError, Primitive
from snsim.runtime.vocabulary import word
from snsim.sn28.codebooks.codebooks import expect_two_codebooks
from snsim.sn28.codebooks.nearest_neighbours import count_distances, nearest

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_LARGEST_GRID = 1_000_000  # nodes


@word("learn-tmap")
def learn_tmap(
    interpreter: Interpreter,
    data: Form,
    nodes: Form,
    sweeps: Form,
    topology: Form,
    epsi: Form,
    dst: Form,
    display: Form = NIL,
) -> Form:
    """(learn-tmap data ref n topo epsi dst [display]): trains the codebook ref as a Kohonen map of data; returns ()

    It does n sweeps over the vectors x of data. The winner w is the node of ref nearest to x. Each node r near the
    winner moves towards x: r = r + h e (x - r). The arguments topo, epsi, dst and display are functions:
    (topo w distances) fills the matrix `distances` with the grid distance of each node from the winner w,
    (epsi c) returns the rate e, (dst d c) returns h for the grid distance d, or () if the node does not move, and
    (display data ref t) is called after sweep t. In sweep t, counted from 0, c is (n - t)/n.
    """
    items, net = expect_two_codebooks(interpreter, "learn-tmap", data, nodes)
    if not len(net):
        raise CallError(
            "learn-tmap: the map has no nodes",
            1,
            "write a codebook with a word for each node: (new-codebook nodes width)",
        )
    count = whole("learn-tmap", sweeps, 2)
    if count < 0:
        raise CallError(f"learn-tmap: expected 0 sweeps or more, got {count}", 2, "write a number of sweeps such as 10")
    distances = np.zeros(len(net))
    for t in range(count):
        remaining = (count - t) / count
        neighbourhood = Neighbourhood(
            interpreter, dst, remaining, number("learn-tmap: epsi", interpreter.apply(epsi, [remaining]), None)
        )
        count_distances(interpreter, len(items), net)
        for x in items.words:
            interpreter.apply(topology, [float(nearest(x, net.words)), distances])
            near, steps = neighbourhood.steps_at(distances)
            with np.errstate(over="ignore", invalid="ignore"):
                net.words[near] = (1 - steps).astype(np.float32) * net.words[near] + steps.astype(np.float32) * x
        if display is not NIL:
            interpreter.apply(display, [data, nodes, float(t)])
    return NIL


class Neighbourhood:
    """The step h e of nodes at each grid distance in one sweep; nan for nodes that stay."""

    def __init__(self, interpreter: Interpreter, dst: Form, remaining: float, rate: float):
        self._interpreter, self._dst, self._left, self._rate = interpreter, dst, remaining, rate
        self._steps: dict[float, float] = {}

    def steps_at(self, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which nodes move for these grid distances: their indices, and steps (moving nodes, 1), float64."""
        self._interpreter.budget.compute(len(distances))
        unique_distances, inverse = np.unique(distances, return_inverse=True)
        steps = np.array([self._at(d) for d in unique_distances.tolist()])[inverse]
        near = np.flatnonzero(~np.isnan(steps))
        return near, steps[near, np.newaxis]

    def _at(self, distance: float) -> float:
        if distance not in self._steps:
            share = self._interpreter.apply(self._dst, [distance, self._left])
            self._steps[distance] = math.nan if share is NIL else number("learn-tmap: dst", share, None) * self._rate
        return self._steps[distance]


# Grids


def _grid_topology(name: str, sizes: tuple[Form, ...], closed: bool = False) -> Primitive:
    """Return the topology of a grid of these sizes, with its nodes numbered row by row.

    A distance is the sum over the dimensions of the number of steps; in a closed grid, of the shorter way around.
    """
    lengths = [whole(name, size, i) for i, size in enumerate(sizes)]
    nodes = math.prod(lengths)
    if not lengths or min(lengths) < 1 or nodes > _LARGEST_GRID:
        raise CallError(
            f"{name}: a grid must have 1 to {_LARGEST_GRID:,} nodes",
            None,
            "write a size of 1 or more for each dimension, such as (tmap-topo-2d 8 8)",
        )
    coordinates = np.indices(lengths).reshape(len(lengths), nodes)
    side_lengths = np.array(lengths)[:, np.newaxis]

    def fill(interpreter: Interpreter, i: Form, target: Form) -> Form:
        node, into = whole(name, i), matrix(name, target, 1)
        if not 0 <= node < nodes or into.size != nodes:
            raise CallError(
                f"{name}: node {node} and a matrix of {into.size} numbers do not fit a grid of "
                f"{' x '.join(map(str, lengths))} = {nodes} nodes",
                None,
                "make a grid with as many nodes as the map of learn-tmap has words",
            )
        interpreter.budget.compute(coordinates.size)
        steps = abs(coordinates - coordinates[:, [node]])
        if closed:
            steps = np.minimum(steps, side_lengths - steps)
        put(into, steps.sum(axis=0).reshape(into.shape))
        return target

    return Primitive(name, fill, 2, 2, True)


@word("tmap-topo-1d")
def tmap_topo_1d(interpreter: Interpreter, n: Form) -> Primitive:
    """(tmap-topo-1d n): returns the function topo of learn-tmap for n nodes in a line"""
    return _grid_topology("tmap-topo-1d", (n,))


@word("tmap-topo-ring")
def tmap_topo_ring(interpreter: Interpreter, n: Form) -> Primitive:
    """(tmap-topo-ring n): returns the function topo of learn-tmap for n nodes in a ring"""
    return _grid_topology("tmap-topo-ring", (n,), closed=True)


@word("tmap-topo-2d")
def tmap_topo_2d(interpreter: Interpreter, n: Form, m: Form) -> Primitive:
    """(tmap-topo-2d n m): returns the function topo of learn-tmap for a grid of n rows of m nodes

    The distance of two nodes is the number of steps along rows and columns.
    """
    return _grid_topology("tmap-topo-2d", (n, m))


@word("tmap-topo-3d")
def tmap_topo_3d(interpreter: Interpreter, n: Form, m: Form, p: Form) -> Primitive:
    """(tmap-topo-3d n m p): returns the function topo of learn-tmap for a grid of n planes of m rows of p nodes

    The distance of two nodes is the number of steps along the three dimensions.
    """
    return _grid_topology("tmap-topo-3d", (n, m, p))


@word("tmap-topo-kd")
def tmap_topo_kd(interpreter: Interpreter, *sizes: Form) -> Primitive:
    """(tmap-topo-kd n m ...): returns the function topo of learn-tmap for a grid of n x m x ... nodes

    The distance of two nodes is the number of steps along the dimensions.
    """
    return _grid_topology("tmap-topo-kd", sizes)


# Rates and neighbourhoods


def _rate_function(name: str, rate: Form, falls: bool) -> Primitive:
    e = number(name, rate)

    def epsi(c: Form) -> float:
        remaining = number(name, c)
        return e * remaining if falls else e

    return Primitive(name, epsi, 1, 1, False)


def _neighbourhood_function(name: str, radius: Form, falls: bool) -> Primitive:
    r = number(name, radius)

    def dst(d: Form, c: Form) -> Form:
        distance, remaining = number(name, d), number(name, c, 1)
        return 1.0 if distance <= (r * remaining if falls else r) else NIL

    return Primitive(name, dst, 2, 2, False)


@word("tmap-epsi-const")
def tmap_epsi_const(interpreter: Interpreter, rate: Form) -> Primitive:
    """(tmap-epsi-const e): returns the function epsi of learn-tmap for the constant rate e"""
    return _rate_function("tmap-epsi-const", rate, False)


@word("tmap-epsi-lin")
def tmap_epsi_lin(interpreter: Interpreter, rate: Form) -> Primitive:
    """(tmap-epsi-lin e): returns the function epsi of learn-tmap for a rate that falls linearly from e towards 0"""
    return _rate_function("tmap-epsi-lin", rate, True)


@word("tmap-dst-const")
def tmap_dst_const(interpreter: Interpreter, radius: Form) -> Primitive:
    """(tmap-dst-const r): returns the function dst of learn-tmap that moves nodes up to grid distance r"""
    return _neighbourhood_function("tmap-dst-const", radius, False)


@word("tmap-dst-lin")
def tmap_dst_lin(interpreter: Interpreter, radius: Form) -> Primitive:
    """(tmap-dst-lin r): returns the function dst of learn-tmap that moves nodes up to a distance falling from r to 0"""
    return _neighbourhood_function("tmap-dst-lin", radius, True)


# Displays of a map that learns


def _map_display(name: str, drawing: str, corners: tuple[Form, ...], *grid: Form) -> Primitive:
    """Return a display that clears the window, draws the data as dots, and the nodes with the word `drawing`."""
    numbers = [corner for corner in corners if corner is not ABSENT]
    if len(numbers) not in (0, 4):
        raise CallError(
            f"{name}: expected four corners or none, got {len(numbers)}", len(grid), "write xmin ymin xmax ymax"
        )
    corner_values = [number(name, corner, len(grid) + i) for i, corner in enumerate(numbers)] or [-1.0, -1.0, 1.0, 1.0]

    def display(interpreter: Interpreter, data: Form, nodes: Form, t: Form) -> Form:
        interpreter.call("cls")
        interpreter.call("bidim-display-dots", data, *corner_values)
        interpreter.call(drawing, nodes, *grid, *corner_values)
        return NIL

    return Primitive(name, display, 3, 3, True)


@word("tmap-display-bidim-1d")
def tmap_display_bidim_1d(
    interpreter: Interpreter, x0: Form = ABSENT, y0: Form = ABSENT, x1: Form = ABSENT, y1: Form = ABSENT
) -> Primitive:
    """(tmap-display-bidim-1d [xmin ymin xmax ymax]): the function display of learn-tmap for a line of nodes

    It draws the data, and a line through the nodes. The four numbers are the range of x and y in the window.
    """
    return _map_display("tmap-display-bidim-1d", "bidim-display-1d", (x0, y0, x1, y1))


@word("tmap-display-bidim-ring")
def tmap_display_bidim_ring(
    interpreter: Interpreter, x0: Form = ABSENT, y0: Form = ABSENT, x1: Form = ABSENT, y1: Form = ABSENT
) -> Primitive:
    """(tmap-display-bidim-ring [xmin ymin xmax ymax]): the function display of learn-tmap for a ring of nodes

    It draws the data, and a closed line through the nodes. The four numbers are the range of x and y in the window.
    """
    return _map_display("tmap-display-bidim-ring", "bidim-display-ring", (x0, y0, x1, y1))


@word("tmap-display-bidim-2d")
def tmap_display_bidim_2d(
    interpreter: Interpreter,
    n: Form,
    m: Form,
    x0: Form = ABSENT,
    y0: Form = ABSENT,
    x1: Form = ABSENT,
    y1: Form = ABSENT,
) -> Primitive:
    """(tmap-display-bidim-2d n m [xmin ymin xmax ymax]): the function display of learn-tmap for a grid of nodes

    It draws the data, and the nodes as a grid of n rows of m. The four numbers are the range of x and y in the window.
    """
    return _map_display("tmap-display-bidim-2d", "bidim-display-2d", (x0, y0, x1, y1), n, m)
