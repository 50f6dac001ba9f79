"""Read what a connect clause states for its scheme: the arguments and the options, with their places.

(connect h1 h2 (mask 5 5) (step 2) (border 2 -1) (table three-blocks))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from snsim.errors import Span, fail
from snsim.language.forms import Node, Symbol
from snsim.network.clauses import Faults, all_or_none, describe, read_arguments, read_number, read_whole_number
from snsim.network.net import Layer
from snsim.network.wiring import Windows, Wiring
from snsim.registry import Shelf

BORDER_SYNTAX = "(border N V), (border T B L R V), (border N wrap) or (border wrap)"
MOST_PAIRS = 10**8  # most entries of a table: source maps times target maps

# The options that `(distance)` refuses beside it, and why.
BESIDE_DISTANCE = {"scale": "measures x as it is", "weight-norm": "needs the weights as they are"}


@dataclass(frozen=True)
class Border:
    """Cells around a map: `cells` rows and columns of `value`, or of the opposite side of the map if `wrap`.

    `sides` counts them above, below, to the left and to the right; None: `cells` on each side.
    """

    cells: int = 0
    value: float = 0.0
    wrap: bool = False
    sides: tuple[int, int, int, int] | None = None

    @property
    def near(self) -> tuple[int, int]:
        """Rows above the map, and columns to its left."""
        return (self.cells, self.cells) if self.sides is None else (self.sides[0], self.sides[2])

    @property
    def far(self) -> tuple[int, int]:
        """Rows below the map, and columns to its right."""
        return (self.cells, self.cells) if self.sides is None else (self.sides[1], self.sides[3])

    @property
    def text(self) -> str:
        """The border as a message names it: "border 2", "border 1 2 0 0", "border wrap"."""
        cells = str(self.cells) if self.sides is None else " ".join(map(str, self.sides))
        if not self.wrap:
            return f"border {cells}"
        return f"border {cells} wrap" if self.cells else "border wrap"


@dataclass(frozen=True)
class WiredLayers:
    """A connection with weights of its own, for `weights-of`: its layers and its wiring."""

    source: Layer
    target: Layer
    wiring: Wiring


@dataclass(frozen=True)
class Statement:
    """The scheme of a connect clause as stated, such as `(mask 5 5)`, and its options by word: `{"step": (step 2)}`."""

    scheme: Node
    options: Mapping[str, Node] = field(default_factory=dict)
    tables: Shelf[np.ndarray] = field(default_factory=lambda: Shelf("table"))
    faults: Faults = field(default_factory=Faults)
    connections: Mapping[tuple[str, str], WiredLayers] = field(default_factory=dict)  # with weights of their own
    borrowed: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)  # whose weights the others use

    @property
    def span(self) -> Span:
        return self.scheme.span

    def place(self, *words: str) -> Span:
        """Return the place of the first of these options that is stated, else that of the scheme."""
        return next((self.options[word].span for word in words if word in self.options), self.scheme.span)

    def sizes(self, count: int, syntax: str) -> tuple[int, ...] | None:
        """Return the arguments of the scheme, `count` whole numbers from 1; None after a fault."""
        args = read_arguments(self.scheme, count, count, syntax, self.faults)
        if args is None:
            return None
        return all_or_none(
            [read_whole_number(node, f"a size of ({self.scheme.head} ...)", self.faults, least=1) for node in args]
        )

    def step(self) -> tuple[int, int]:
        """Return the shift of the window in rows and columns: `(step S)` or `(step SR SC)`, default 1."""
        node = self.options.get("step")
        args = None if node is None else read_arguments(node, 1, 2, "(step S) or (step SR SC)", self.faults)
        if args is None:
            return 1, 1
        shifts = [read_whole_number(n, "a step", self.faults, least=1) or 1 for n in args]
        return shifts[0], shifts[-1]

    def border(self) -> Border:
        """Return the border, default none.

        It is `(border N V)`, `(border T B L R V)`, `(border N wrap)` or `(border wrap)`.
        """
        node = self.options.get("border")
        if node is None:
            return Border()
        args = read_arguments(node, 1, 5, BORDER_SYNTAX, self.faults)
        if args is None:
            return Border()
        if len(args) > 2:
            return self._border_of_sides(node, args)
        wrap = args[-1].is_name and args[-1].name == "wrap"
        if len(args) == 1:
            if not wrap:
                self.faults.add(
                    f"(border ...) needs a second argument after {describe(args[0])}: the value of the border cells, "
                    "or wrap",
                    node.span,
                    f"write {BORDER_SYNTAX}",
                )
            return Border(wrap=wrap)
        cells = read_whole_number(args[0], "the number of border cells", self.faults) or 0
        if wrap:
            return Border(cells, wrap=True)
        if args[1].is_symbol:
            self.faults.add(
                f'a border is a number or wrap, not the name "{args[1].name}"', args[1].span, f"write {BORDER_SYNTAX}"
            )
            return Border(cells)
        return Border(cells, read_number(args[1], "the value of the border", self.faults) or 0.0)

    def _border_of_sides(self, node: Node, args: Sequence[Node]) -> Border:
        """Return the border of `(border T B L R V)`."""
        if len(args) != 5:
            self.faults.add(
                f"(border ...) takes 1, 2 or 5 arguments, not {len(args)}: the cells above, below, to the left and to "
                "the right of a map, and their value",
                node.span,
                "write (border T B L R V), or (border N V) for N cells on all sides",
            )
            return Border()
        if args[4].is_name and args[4].name == "wrap":
            self.faults.add(
                "a border that wraps has one number, for all sides",
                args[4].span,
                "write (border N wrap), or a value instead of wrap",
            )
            return Border()
        top, bottom, left, right = (
            read_whole_number(cells, f"the number of border cells {side}", self.faults) or 0
            for cells, side in zip(args, ("above", "below", "to the left", "to the right"))
        )
        value = read_number(args[4], "the value of the border", self.faults) or 0.0
        return Border(0, value, sides=(top, bottom, left, right))

    def exact(self) -> bool:
        """Tell whether `(exact)` is stated, which refuses cells at the far edge that no window reaches."""
        node = self.options.get("exact")
        return node is not None and read_arguments(node, 0, 0, "(exact)", self.faults) is not None

    def weight_norm(self) -> bool:
        """Tell whether `(weight-norm)` is stated, which trains direction and norm of the weights separately."""
        node, fixed = self.options.get("weight-norm"), self.options.get("fixed")
        if node is None:
            return False
        if fixed is not None:
            self.faults.add(
                "(fixed ...) weights never learn, so (weight-norm) has no effect on them",
                node.span,
                "remove one of them",
                (("fixed here", fixed.span),),
            )
        return read_arguments(node, 0, 0, "(weight-norm)", self.faults) is not None

    def distance(self) -> bool:
        """Tell whether `(distance)` is stated: sums of (w - x)^2. It refuses `scale` and `weight-norm` beside it."""
        node = self.options.get("distance")
        if node is None:
            return False
        for word, why in BESIDE_DISTANCE.items():
            if word in self.options:
                self.faults.add(
                    f"(distance) {why}, so it takes no ({word} ...)",
                    self.options[word].span,
                    "remove one of them",
                    (("(distance) here", node.span),),
                )
        return read_arguments(node, 0, 0, "(distance)", self.faults) is not None

    def delay(self) -> int:
        """Return the delay in steps, 1 for `(delay 1)`, default 0."""
        node = self.options.get("delay")
        args = None if node is None else read_arguments(node, 1, 1, "(delay 1)", self.faults)
        steps = None if args is None else read_whole_number(args[0], "a delay", self.faults, least=1)
        if args is None or steps is None:
            return 0
        if steps > 1:
            self.faults.add(
                f"a connection is delayed by 1 step, not by {steps}",
                args[0].span,
                "write (delay 1); for a longer delay lead through further layers, each connected by (one-to-one) "
                "(fixed 1) (delay 1)",
            )
        return steps

    def maps(self, sources: int, targets: int, names: tuple[str, str]) -> np.ndarray | None:
        """Return which source map feeds which target map, bool (sources, targets).

        The option is `(table NAME)` or `(table MATRIX)`; `full`, the default, and `one-to-one` are built in. None after
        a fault if the table does not fit the layers. `names` are those of the source and the target layer.
        """
        if sources * targets > MOST_PAIRS:
            self.faults.add(
                f"{sources} maps to {targets} maps are {sources * targets} pairs; the limit is {MOST_PAIRS}",
                self.span,
                "use fewer maps, such as (layer NAME (16 ROWS COLUMNS))",
            )
            return None
        node = self.options.get("table")
        if node is None:
            return np.ones((sources, targets), bool)
        args = read_arguments(node, 1, 1, "(table NAME) or (table ,matrix)", self.faults)
        if args is None:
            return None
        if args[0].is_name and args[0].name in ("full", "one-to-one"):
            return self._builtin_table(args[0], sources, targets, names)
        table = self._named_table(args[0])
        return None if table is None else self._check_shape(table, args[0], sources, targets, names)

    def _builtin_table(self, node: Node, sources: int, targets: int, names: tuple[str, str]) -> np.ndarray | None:
        if node.name == "full":
            return np.ones((sources, targets), bool)
        if sources == targets:
            return np.eye(sources, dtype=bool)
        self.faults.add(
            f"one-to-one needs the same number of maps in both layers: {sources} in {names[0]}, {targets} in "
            f"{names[1]}",
            node.span,
            f"give {names[1]} {sources} maps, or {names[0]} {targets}",
        )
        return None

    def _named_table(self, node: Node) -> np.ndarray | None:
        """Return the 0/1 matrix that a node names or holds."""
        if isinstance(node.value, np.ndarray):
            return read_binary_matrix(node, self.faults)
        if not node.is_name:
            self.faults.add(
                f"a table is given by name or as a matrix, not as {describe(node)}",
                node.span,
                "write (table NAME) or (table ,matrix)",
            )
            return None
        entry = self.tables.entry(node.name)
        if entry is None and not self.tables.is_broken(node.name):
            self.faults.add(
                f'unknown table "{node.name}"',
                node.span,
                partial(self.tables.suggest, node.name, ("full", "one-to-one")),
            )
        if entry is None:
            self.faults.silent = True
            return None
        return np.asarray(entry.value).astype(bool)

    def _check_shape(
        self, table: np.ndarray, node: Node, sources: int, targets: int, names: tuple[str, str]
    ) -> np.ndarray | None:
        if table.shape == (sources, targets):
            return table
        entry = self.tables.entry(node.name) if node.is_name else None
        also = () if entry is None or entry.span is None else (("the table", entry.span),)
        mismatches = [
            f"{have} {side} maps in the table, {want} in layer {layer}"
            for have, want, side, layer in (
                (table.shape[0], sources, "source", names[0]),
                (table.shape[1], targets, "target", names[1]),
            )
            if have != want
        ]
        self.faults.add(
            "; ".join(mismatches),
            node.span,
            f"write {sources} rows (maps of {names[0]}) and {targets} columns (maps of {names[1]})",
            also,
        )
        return None


def read_binary_matrix(node: Node, faults: Faults) -> np.ndarray | None:
    """Return the 0/1 matrix of a node as bool, shape (source maps, target maps); None after a fault."""
    matrix = np.asarray(node.value)
    if matrix.ndim != 2 or matrix.size == 0:
        faults.add(
            f"a table has two dimensions, this matrix has shape {'x'.join(map(str, matrix.shape))}",
            node.span,
            "write [[1 0][0 1]]: a row for each source map, a column for each target map",
        )
        return None
    try:
        values = matrix.astype(float)
    except (TypeError, ValueError):
        faults.add(
            "a table holds 0 and 1, this matrix holds elements that are not numbers",
            node.span,
            "write rows of 0 and 1, such as [[1 0][0 1]]",
        )
        return None
    mismatches = np.argwhere((values != 0) & (values != 1))
    if len(mismatches):
        i, j = mismatches[0]
        faults.add(
            f"a table holds 0 and 1, this one has {values[i, j]:g} in row {i + 1}, column {j + 1}",
            node.span,
            "write 1 where the source map (row) feeds the target map (column), else 0",
        )
        return None
    return values.astype(bool)


def count_windows(size: int, border: Border, axis: int, window: int, step: int) -> int:
    """Return the number of windows that fit along one axis of a map (0: its rows); 0 or less if none fits."""
    return size // step if border.wrap else (size + border.near[axis] + border.far[axis] - window) // step + 1


def check_windows(windows: Windows, border: Border, statement: Statement, names: tuple[str, str]) -> None:
    """Add faults if the windows do not give the size of the target, or leave cells unread under `(exact)`."""
    source, target = windows.source[1:], windows.target[1:]
    (r, c), (sr, sc), (h, w) = windows.window, windows.step, source
    step = f"{sr}" if sr == sc else f"{sr} {sc}"
    windows_text = f"windows of {r}x{c}, step {step}, {border.text} on {h}x{w}"
    faults, place = statement.faults, statement.span
    if border.wrap and (h % sr or w % sc):
        faults.add(
            f"{windows_text}: with wrap, the step must divide the size of the map",
            statement.place("step", "border"),
            f"write (step {_largest_divisor(h, sr)} {_largest_divisor(w, sc)}), or give the border a value instead "
            "of wrap",
        )
        return
    if border.wrap and (r > h or c > w):
        faults.add(
            f"{windows_text}: with wrap, the window cannot be larger than the map",
            place,
            f"write a window of at most {h} rows and {w} columns",
        )
        return
    fits = count_windows(h, border, 0, r, sr), count_windows(w, border, 1, c, sc)
    if min(fits) < 1:
        faults.add(
            f"{windows_text} do not fit: layer {names[0]} is too small",
            place,
            f"write a window of at most {h} rows and {w} columns, or a wider border",
        )
    elif fits != target:
        layer = "x".join(map(str, windows.target))
        faults.add(
            f"{windows_text} give {fits[0]}x{fits[1]}; layer {names[1]} is {layer}",
            place,
            f"give {names[1]} the rows and columns {fits[0]} {fits[1]}, or change window, step or border",
        )
    elif statement.exact() and not border.wrap:
        over = (h + sum(windows.sides[0]) - r) % sr, (w + sum(windows.sides[1]) - c) % sc
        if any(over):
            unread = " and ".join(f"{n} {what}{'' if n == 1 else 's'}" for n, what in zip(over, ("row", "column")) if n)
            faults.add(
                f"{windows_text} leave {unread} at the far edge unread",
                statement.place("exact"),
                "remove (exact), or change (border CELLS VALUE)",
            )


def _largest_divisor(size: int, step: int) -> int:
    """Return the largest step, at most this one, that divides a size."""
    return max(n for n in range(1, max(1, min(step, size)) + 1) if size % n == 0)


def no_geometry_error(layer: str, units: int, scheme: str, span: Span) -> Exception:
    """Return the error for a layer without rows and columns under a scheme that needs them."""
    return fail(
        f"({scheme} ...) reads maps, but layer {layer} is {units} units without rows and columns",
        span,
        hint=f"give {layer} a shape (rows columns) or (maps rows columns), or connect it with (full)",
    )


def python_value(node: Node) -> object:
    """Return a node as a Python value: names as str, numbers as float, lists as tuples, matrices as arrays."""
    if node.is_list:
        return tuple(python_value(item) for item in node.items)
    return node.value.name if isinstance(node.value, Symbol) else node.value
