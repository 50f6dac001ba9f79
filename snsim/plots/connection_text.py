"""Connections in words, and connection tables as SN prints them: a row for each source map."""

from __future__ import annotations

import numpy as np

from snsim.network.net import Attention, Connection, Frames, MaxPooling, Net, Transform, Windows
from snsim.network.schemes import SCHEMES

MOST_DRAWN = 64  # maps on a side; a larger table is described, not drawn
_PLAIN_WIDTH = 76  # columns of text; wider tables have no spaces between entries


def describe_connections(net: Net) -> str:
    """Return a line for each connection: layers, count, scheme and options.

    A line below it names the units that no window reads. `normalize` and `attend`, which have no connections to count,
    come last.
    """
    names = [f"{c.source} > {c.target}" for c in net.connections]
    counts = [f"{c.wiring.connections:,}" for c in net.connections]
    without = [(f"{' '.join(t.sources)} > {t.target}", transform_words(t)) for t in net.transforms]
    name_width = max(map(len, (*names, *(name for name, _ in without))), default=0)
    count_width = max(map(len, counts), default=1)
    lines = []
    for name, count, connection in zip(names, counts, net.connections):
        lines.append(f"{name.ljust(name_width)}  {count.rjust(count_width)}  {connection_words(connection)}")
        if any(connection.wiring.unread):
            lines.append(" " * (name_width + count_width + 4) + _unread(connection))
    lines += [f"{name.ljust(name_width)}  {'-'.rjust(count_width)}  {words}" for name, words in without]
    return "\n".join(lines)


def drawn_tables(net: Net) -> str:
    """Return the table of each connection that joins only some pairs of maps, with a title; "" if there is none."""
    drawings = [
        _drawing(c, c.wiring.structure.maps)
        for c in net.connections
        if isinstance(c.wiring.structure, Windows) and _is_partial(c.wiring.structure.maps)
    ]
    return "\n\n".join(drawings)


def draw(maps: np.ndarray, source: str = "", target: str = "") -> list[str]:
    """Return a boolean matrix as lines of `x` and `-`, with numbers from 0 on both sides.

    `source` and `target` are the titles of the sides. In wide tables there is no space between entries, and column
    numbers are written downwards.
    """
    rows, columns = maps.shape
    left = max(len(source), len(str(rows - 1)))
    cell = len(str(columns - 1)) + 1
    if left + 2 + cell * columns > _PLAIN_WIDTH:
        cell = 1
    margin = " " * (left + 2)
    digits = [str(c).rjust(len(str(columns - 1))) for c in range(columns)]
    if cell == 1:
        heads = [margin + "".join(d[i] for d in digits) for i in range(len(digits[0]))]
    else:
        heads = [margin + "".join(d.rjust(cell) for d in digits)]
    lines = [f"{source.rjust(left)}  {'' if cell == 1 else ' ' * (cell - 1)}{target}"] if source or target else []
    lines += [line.rstrip() for line in heads]
    for number, row in enumerate(maps):
        signs = "".join(("x" if fed else "-").rjust(cell) for fed in row)
        lines.append(f"{str(number).rjust(left)}  {signs}")
    return lines


def _is_identity(maps: np.ndarray) -> bool:
    return maps.size > 1 and maps.shape[0] == maps.shape[1] and bool((maps == np.eye(len(maps), dtype=bool)).all())


def _is_partial(maps: np.ndarray) -> bool:
    return not maps.all() and not _is_identity(maps)


def _drawing(connection: Connection, maps: np.ndarray) -> str:
    rows, columns = maps.shape
    title = (
        f"{connection.source} > {connection.target}: {int(maps.sum())} of {rows * columns} pairs of maps are connected"
    )
    if max(rows, columns) > MOST_DRAWN:
        return f"{title} (not drawn: more than {MOST_DRAWN} maps on a side)"
    return "\n".join([title, *("  " + line for line in draw(maps, connection.source, connection.target))])


def connection_words(connection: Connection) -> str:
    """Return scheme and options as they are written in a description; defaults are left out."""
    if connection.weights_of is not None:
        return _clause(connection.scheme, *connection.weights_of)
    structure = connection.wiring.structure
    window = getattr(structure, "window", ())
    sizes = window if isinstance(window, tuple) else (window,)
    numbers = [value for value in connection.arguments if isinstance(value, (int, float))]
    words = [_clause(connection.scheme, *(numbers or sizes))]  # a net that no text states has sizes alone
    scheme = SCHEMES.entry(connection.scheme)
    reads_step = scheme is None or "step" in scheme.value.reads  # else the step follows from the numbers of the scheme
    if isinstance(structure, Windows) and reads_step:
        words += _window_options(connection, structure)
    elif isinstance(structure, Frames) and structure.step != 1 and reads_step:
        words.append(_clause("step", structure.step))
    delay = [_clause("delay", connection.delay)] if connection.delay else []
    if connection.scheme == "average-mask":  # which implies the scale, the weights and the table
        return " ".join([*words, *delay, *_named(connection)])
    if connection.scale != 1.0:
        words.append(_clause("scale", connection.scale))
    if connection.codes is not None:
        words.append("(codes ...)")
    if isinstance(connection.fixed, np.ndarray):
        words.append("(fixed)")
    elif connection.fixed is not None:
        words.append(_clause("fixed", connection.fixed))
    if connection.weight_norm:
        words.append("(weight-norm)")
    if connection.distance:
        words.append("(distance)")
    if isinstance(structure, Windows) and _is_identity(structure.maps):
        words.append("(table one-to-one)")
    elif isinstance(structure, Windows) and not structure.maps.all():
        words.append(f"{int(structure.maps.sum())} of {structure.maps.size} pairs of maps")
    return " ".join([*words, *delay, *_named(connection)])


def _named(connection: Connection) -> list[str]:
    return [] if connection.label is None else [_clause("name", connection.label)]


def transform_words(transform: Transform) -> str:
    """Return the word of a transform with its options, as it is written in a description."""
    structure = transform.structure
    if isinstance(structure, MaxPooling):
        step = [] if structure.step == (1, 1) else [_clause("step", *_once(structure.step))]
        return " ".join([_clause(transform.word, *structure.window), *step])
    heads = [_clause("heads", structure.heads)] if isinstance(structure, Attention) else []
    return " ".join([_clause(transform.word), *heads])


def _window_options(connection: Connection, windows: Windows) -> list[str]:
    words = []
    if windows.step != (1, 1):
        words.append(_clause("step", *_once(windows.step)))
    if windows.has_border:
        sides = [cells for pair in windows.sides for cells in pair]
        cells = sides[:1] if len(set(sides)) == 1 else sides
        words.append(_clause("border", *cells, "wrap" if windows.wrap else connection.border_value))
    elif windows.wrap:
        words.append("(border wrap)")
    return words


def _clause(word: str, *values: object) -> str:
    return "(" + " ".join([word, *(f"{v:g}" if isinstance(v, float) else str(v) for v in values)]) + ")"


def _once(numbers: tuple[int, int]) -> tuple[int, ...]:
    return numbers[:1] if numbers[0] == numbers[1] else numbers


def _unread(connection: Connection) -> str:
    """Return how many rows and columns at the far edge no window reads, and whether they belong to the border."""
    rows, columns = connection.wiring.unread
    lines = " and ".join(
        f"{count} {what}{'' if count == 1 else 's'}" for count, what in ((rows, "row"), (columns, "column")) if count
    )
    structure = connection.wiring.structure
    (_, below), (_, right) = structure.sides if isinstance(structure, Windows) else ((0, 0), (0, 0))
    if rows <= below and columns <= right:
        return f"not read at the far edge: {lines} of the border"
    beside = ", with those of the border" if below or right else ""
    return f"not read at the far edge: {lines} of each map of {connection.source}{beside}"
