"""Kohonen's topological maps: `learn-tmap`, and the functions it is given (docs/reference/sn28.md, section 5).

A map is a codebook of nodes that are joined in a grid. For each item x the nearest node i is found, and each node r
near to i in the grid is drawn to x (Kohonen, Self-organized formation of topologically correct feature maps,
Biological Cybernetics 43, 1982):

    r = (1 - h e) r + h e x,

where the rate e and the reach of the share h shrink from sweep to sweep as c falls from 1 towards 0. Four functions
say how: (topology i distances) fills a matrix with the distances of all nodes from node i, (epsi c) gives e, (dst d c)
gives h at distance d, () if the node stays, and (display data nodes t) is called when sweep t is done. The words
`tmap-...` make such functions; a program may write its own.
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
from snsim.sn28.codebooks.codebooks import two_codebooks
from snsim.sn28.codebooks.nearest_neighbours import count_distances, nearest
from snsim.sn28.runtime.vocabulary import word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_LARGEST_GRID = 1_000_000  # nodes
_ONE = np.float32(1)


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
    """(learn-tmap data ref n topo epsi dst [display]): n sweeps; each item draws the nodes near to its winner

    c is (n - t)/n in sweep t, from 0. (epsi c) is asked once a sweep, (dst d c) once for each distance that occurs in
    it.
    """
    items, net = two_codebooks(interpreter, "learn-tmap", data, nodes)
    if not len(net):
        raise CallError(
            "learn-tmap: a map has nodes", 1, "give a codebook with a word for each node: (new-codebook nodes width)"
        )
    count = whole("learn-tmap", sweeps, 2)
    if count < 0:
        raise CallError(f"learn-tmap: {count} sweeps", 2, "write 0 or more, such as 10")
    distances = np.zeros(len(net))
    for t in range(count):
        left = (count - t) / count
        reach = Reach(interpreter, dst, left, number("learn-tmap: epsi", interpreter.apply(epsi, [left]), None))
        count_distances(interpreter, len(items), net)
        for x in items.words:
            interpreter.apply(topology, [float(nearest(x, net.words)), distances])
            near, steps = reach.of(distances)
            with np.errstate(over="ignore", invalid="ignore"):
                net.words[near] = (_ONE - steps) * net.words[near] + steps * x
        if display is not NIL:
            interpreter.apply(display, [data, nodes, float(t)])
    return NIL


class Reach:
    """How far nodes at each distance go in one sweep: h e, nan for those that stay."""

    def __init__(self, interpreter: Interpreter, dst: Form, left: float, rate: float):
        self._interpreter, self._dst, self._left, self._rate = interpreter, dst, left, rate
        self._known: dict[float, float] = {}

    def of(self, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The places of the nodes that go, and their parts of the way, float32, as a column."""
        self._interpreter.budget.compute(len(distances))
        different, kind = np.unique(distances, return_inverse=True)
        steps = np.array([self._at(d) for d in different.tolist()])[kind]
        near = np.flatnonzero(~np.isnan(steps))
        return near, steps[near, np.newaxis].astype(np.float32)

    def _at(self, distance: float) -> float:
        if distance not in self._known:
            share = self._interpreter.apply(self._dst, [distance, self._left])
            self._known[distance] = math.nan if share is NIL else number("learn-tmap: dst", share, None) * self._rate
        return self._known[distance]


# Grids


def _grid(name: str, sizes: tuple[Form, ...], closed: bool = False) -> Primitive:
    """The topology of a grid of these sizes, its nodes numbered row by row: a distance is the sum over the dimensions
    of the steps from node to node, in a closed one the shorter way round.
    """
    lengths = [whole(name, size, i) for i, size in enumerate(sizes)]
    nodes = math.prod(lengths)
    if not lengths or min(lengths) < 1 or nodes > _LARGEST_GRID:
        raise CallError(
            f"{name}: a grid has 1 to {_LARGEST_GRID:,} nodes",
            None,
            "write a size of 1 or more for each dimension, such as (tmap-topo-2d 8 8)",
        )
    places = np.indices(lengths).reshape(len(lengths), nodes)
    around = np.array(lengths)[:, np.newaxis]

    def fill(interpreter: Interpreter, i: Form, target: Form) -> Form:
        node, into = whole(name, i), matrix(name, target, 1)
        if not 0 <= node < nodes or into.size != nodes:
            raise CallError(
                f"{name}: a grid of {' x '.join(map(str, lengths))} has {nodes} nodes; node {node} and a "
                f"matrix of {into.size} numbers are given",
                None,
                "give the grid as many nodes as the map of learn-tmap has words",
            )
        interpreter.budget.compute(places.size)
        steps = abs(places - places[:, [node]])
        if closed:
            steps = np.minimum(steps, around - steps)
        put(into, steps.sum(axis=0).reshape(into.shape))
        return target

    return Primitive(name, fill, 2, 2, True)


@word("tmap-topo-1d")
def tnettopo_1d(interpreter: Interpreter, n: Form) -> Primitive:
    """(tmap-topo-1d n): for learn-tmap: n nodes in a line"""
    return _grid("tmap-topo-1d", (n,))


@word("tmap-topo-ring")
def tnettopo_ring(interpreter: Interpreter, n: Form) -> Primitive:
    """(tmap-topo-ring n): for learn-tmap: n nodes in a ring"""
    return _grid("tmap-topo-ring", (n,), closed=True)


@word("tmap-topo-2d")
def tnettopo_2d(interpreter: Interpreter, n: Form, m: Form) -> Primitive:
    """(tmap-topo-2d n m): for learn-tmap: n rows of m nodes, row after row; distances along rows and columns"""
    return _grid("tmap-topo-2d", (n, m))


@word("tmap-topo-3d")
def tnettopo_3d(interpreter: Interpreter, n: Form, m: Form, p: Form) -> Primitive:
    """(tmap-topo-3d n m p): for learn-tmap: n planes of m rows of p nodes"""
    return _grid("tmap-topo-3d", (n, m, p))


@word("tmap-topo-kd")
def tnettopo_kd(interpreter: Interpreter, *sizes: Form) -> Primitive:
    """(tmap-topo-kd n m ...): for learn-tmap: a grid of as many dimensions as sizes are given"""
    return _grid("tmap-topo-kd", sizes)


# Rates and shares


def _rate(name: str, rate: Form, falls: bool) -> Primitive:
    e = number(name, rate)

    def epsi(c: Form) -> float:
        left = number(name, c)
        return e * left if falls else e

    return Primitive(name, epsi, 1, 1, False)


def _within(name: str, radius: Form, falls: bool) -> Primitive:
    r = number(name, radius)

    def dst(d: Form, c: Form) -> Form:
        distance, left = number(name, d), number(name, c, 1)
        return 1.0 if distance <= (r * left if falls else r) else NIL

    return Primitive(name, dst, 2, 2, False)


@word("tmap-epsi-const")
def tnetepsi_const(interpreter: Interpreter, rate: Form) -> Primitive:
    """(tmap-epsi-const e): for learn-tmap: the rate e throughout"""
    return _rate("tmap-epsi-const", rate, False)


@word("tmap-epsi-lin")
def tnetepsi_lin(interpreter: Interpreter, rate: Form) -> Primitive:
    """(tmap-epsi-lin e): for learn-tmap: a rate that falls from e towards 0"""
    return _rate("tmap-epsi-lin", rate, True)


@word("tmap-dst-const")
def tnetdst_const(interpreter: Interpreter, radius: Form) -> Primitive:
    """(tmap-dst-const r): for learn-tmap: nodes up to the distance r move"""
    return _within("tmap-dst-const", radius, False)


@word("tmap-dst-lin")
def tnetdst_lin(interpreter: Interpreter, radius: Form) -> Primitive:
    """(tmap-dst-lin r): for learn-tmap: nodes up to a distance move that falls from r towards 0"""
    return _within("tmap-dst-lin", radius, True)


# Pictures of a map that learns


def _picture(name: str, drawing: str, corners: tuple[Form, ...], *grid: Form) -> Primitive:
    """The display that clears the window, and has `bidim-display-dots` draw the data, the word `drawing` the nodes."""
    given = [corner for corner in corners if corner is not ABSENT]
    if len(given) not in (0, 4):
        raise CallError(f"{name}: four numbers are the corners, or none", len(grid), "write xmin ymin xmax ymax")
    shown = [number(name, corner, len(grid) + i) for i, corner in enumerate(given)] or [-1.0, -1.0, 1.0, 1.0]

    def display(interpreter: Interpreter, data: Form, nodes: Form, t: Form) -> Form:
        interpreter.call("cls")
        interpreter.call("bidim-display-dots", data, *shown)
        interpreter.call(drawing, nodes, *grid, *shown)
        return NIL

    return Primitive(name, display, 3, 3, True)


@word("tmap-display-bidim-1d")
def tnetdisplay_bidim_1d(
    interpreter: Interpreter, x0: Form = ABSENT, y0: Form = ABSENT, x1: Form = ABSENT, y1: Form = ABSENT
) -> Primitive:
    """(tmap-display-bidim-1d [xmin ymin xmax ymax]): for learn-tmap: draw the nodes as a line among the data"""
    return _picture("tmap-display-bidim-1d", "bidim-display-1d", (x0, y0, x1, y1))


@word("tmap-display-bidim-ring")
def tnetdisplay_bidim_ring(
    interpreter: Interpreter, x0: Form = ABSENT, y0: Form = ABSENT, x1: Form = ABSENT, y1: Form = ABSENT
) -> Primitive:
    """(tmap-display-bidim-ring [xmin ymin xmax ymax]): for learn-tmap: draw the nodes as a ring among the data"""
    return _picture("tmap-display-bidim-ring", "bidim-display-ring", (x0, y0, x1, y1))


@word("tmap-display-bidim-2d")
def tnetdisplay_bidim_2d(
    interpreter: Interpreter,
    n: Form,
    m: Form,
    x0: Form = ABSENT,
    y0: Form = ABSENT,
    x1: Form = ABSENT,
    y1: Form = ABSENT,
) -> Primitive:
    """(tmap-display-bidim-2d n m [xmin ymin xmax ymax]): for learn-tmap: draw n x m nodes as a net among the data"""
    return _picture("tmap-display-bidim-2d", "bidim-display-2d", (x0, y0, x1, y1), n, m)
