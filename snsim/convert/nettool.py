"""Read the files of NetTool, SN-2.8's editor of nets (docs/reference/sn28.md, section 6.2).

A file defines `nettool-net`, which makes the objects of the editor, and `create-net`, the program that the editor wrote
from them. The objects are used if there are any. No window is opened.

    (new c-layer '("name" (COLUMNS ROWS) none full shared column none hinton gray) x y width height)
    (new c-connection from to (list ct-mask-2d-connect '(XSIZE YSIZE) '(XSTEP YSTEP) ['(X0 Y0) '(X1 Y1)]))
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from snsim.errors import Fault, SnError, Source, fail
from snsim.language.forms import NIL, Form, Pair, Symbol, fold, make_list, symbol
from snsim.language.objects import Object
from snsim.language.procedures import Function

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

MARK = ";;;NETTOOL"
TYPES = (
    "connect",
    "local-1d-connect",
    "local-2d-connect",
    "local-toric-connect",
    "mask-1d-connect",
    "mask-2d-connect",
    "mask-toric-connect",
    "equal-mask-1d-connect",
    "equal-mask-2d-connect",
    "tdnn-connect",
)
_BIASES = (None, "bias-connect", "shared-bias-connect", "tdnn-bias-connect")
_CLASSES = """
(defclass c-layer object spec x y w h)
(defmethod c-layer c-layer (given &optional x0 y0 w0 h0)
  (setq spec given x x0 y y0 w w0 h h0)
  (setq :nettool-layers (nconc1 :nettool-layers this)))
(defclass c-connection object from to spec)
(defmethod c-connection c-connection (from0 to0 given)
  (setq from from0 to to0 spec given)
  (setq :nettool-connections (nconc1 :nettool-connections this)))
"""


@dataclass(frozen=True)
class _Layer:
    """A layer of NetTool: name, size, the word for its bias, and its place in the window."""

    name: Symbol
    rows: int
    columns: int
    bias: str | None
    place: tuple[float, float]

    @property
    def units(self) -> int:
        return self.rows * self.columns


def is_nettool(source: Source) -> bool:
    """Return whether a text is a NetTool file, by its first line."""
    return source.text.lstrip().startswith(MARK)


def prepare(interpreter: Interpreter) -> None:
    """Define what `nettool-net` calls: the classes of the editor without its windows, and the types of connections."""
    for kind in TYPES:
        interpreter.assign_global(symbol(f"ct-{kind}"), symbol(kind))
    for name in ("nettool-layers", "nettool-connections"):
        interpreter.assign_global(symbol(name), NIL)
    faults: list[Fault] = []
    interpreter.run_text(Source("<snsim.convert.nettool>", _CLASSES), faults)
    if faults:
        raise SnError(faults)


def create(interpreter: Interpreter, file: str) -> None:
    """Make the net that a NetTool file describes. SnError if it describes none, or one that does not fit."""
    if not isinstance(interpreter.procedure(symbol("nettool-net")), Function):
        if not isinstance(interpreter.procedure(symbol("create-net")), Function):
            raise fail(
                f"{file} defines neither nettool-net nor create-net",
                None,
                hint="use a file saved by NetTool, or remove its first line to read it as a program of SN-2.8",
            )
        interpreter.call("create-net")
        return
    interpreter.call("nettool-net")
    layer_of_object = {id(item): _layer(interpreter, item) for item in _objects(interpreter, "nettool-layers")}
    if not layer_of_object:
        raise fail(
            f"the function nettool-net of {file} creates no layer",
            None,
            hint='add (new c-layer \'("name" (16 16) ...) x y w h)',
        )
    connections = [
        _connection(interpreter, item, layer_of_object) for item in _objects(interpreter, "nettool-connections")
    ]
    layers = sorted(layer_of_object.values(), key=lambda layer: layer.place)  # from left to right, as the editor does
    _build(interpreter, layers, connections)


def _objects(interpreter: Interpreter, name: str) -> list[Object]:
    return [item for item in interpreter.elements(interpreter.lookup(name), name) if isinstance(item, Object)]


def _parts(interpreter: Interpreter, item: Object) -> list[Form]:
    spec = item.get(symbol("spec"))
    return interpreter.elements(spec, "nettool-net") if isinstance(spec, Pair) else []


def _layer(interpreter: Interpreter, item: Object) -> _Layer:
    parts = _parts(interpreter, item)
    if len(parts) < 2 or not isinstance(parts[0], str):
        raise fail(
            "a layer of NetTool needs a name, a size and seven flags",
            interpreter.place(),
            hint='write (new c-layer \'("name" (COLUMNS ROWS) () t () () t () ()) x y w h)',
        )
    columns, rows = _columns_and_rows(interpreter, parts[1], f"the size of {parts[0]}")
    set_flags = [k for k, flag in enumerate(parts[2:6]) if flag is not NIL]
    if len(set_flags) > 1:
        raise fail(
            f"{len(set_flags)} of the four flags for the bias of {parts[0]} are set",
            interpreter.place(),
            hint="set one of the four to t: no bias, one per unit, one shared, one per column",
        )
    places = (item.get(symbol(slot)) for slot in ("x", "y"))
    x, y = (float(at) if isinstance(at, float) else 0.0 for at in places)
    return _Layer(
        symbol(fold("-".join(parts[0].split()))), rows, columns, _BIASES[set_flags[0] if set_flags else 0], (x, y)
    )


def _columns_and_rows(interpreter: Interpreter, size: Form, what: str) -> tuple[int, int]:
    """Return columns and rows, from a list of two or, in files of the second version, a text "4x4"."""
    items = size.lower().split("x") if isinstance(size, str) else list(size) if isinstance(size, Pair) else []
    try:
        first, second = (int(item) for item in items)
    except (TypeError, ValueError):
        first = second = 0
    if first < 1 or second < 1:
        raise fail(
            f"{what} is {interpreter.describe(size)}, not columns and rows",
            interpreter.place(),
            hint='write (COLUMNS ROWS) or "4x4"',
        )
    return first, second


def _connection(
    interpreter: Interpreter, item: Object, layer_of_object: dict[int, _Layer]
) -> tuple[_Layer, _Layer, list[Form]]:
    ends = []
    for slot in ("from", "to"):
        end = item.get(symbol(slot))
        name = fold(end) if isinstance(end, str) else end.name if isinstance(end, Symbol) else None
        layer = layer_of_object.get(id(end)) or next(
            (candidate for candidate in layer_of_object.values() if candidate.name.name == name), None
        )
        if layer is None:
            raise fail(
                f"a connection of NetTool goes {slot} {interpreter.describe(end)}, which is not a layer",
                interpreter.place(),
                hint="make the layer first, with (new c-layer ...)",
            )
        ends.append(layer)
    parts = _parts(interpreter, item)
    kind = parts[0].name.removeprefix("ct-") if parts and isinstance(parts[0], Symbol) else ""
    if kind not in TYPES:
        raise fail(
            f"{interpreter.describe(parts[0] if parts else NIL)} is not a type of connection",
            interpreter.place(),
            hint="use one of " + ", ".join(f"ct-{known}" for known in TYPES),
        )
    return ends[0], ends[1], [symbol(kind), *parts[1:]]


# The net


def _build(
    interpreter: Interpreter, layers: list[_Layer], connections: list[tuple[_Layer, _Layer, list[Form]]]
) -> None:
    """Make the net as `create-net` does: room, layers, biases, connections in the order of their source layers."""
    units = 1 + sum(layer.units for layer in layers) + layers[-1].units
    lines = sum(layer.units for layer in layers) + sum(
        source.units * target.units for source, target, _ in connections
    )  # an upper bound
    interpreter.call("alloc-net", float(units), float(lines))
    entries = make_list(make_list([layer.name, float(layer.units)]) for layer in layers)
    interpreter.call("build-net-nobias", entries, NIL)
    for layer in layers:
        if layer.bias == "tdnn-bias-connect":
            interpreter.call(layer.bias, interpreter.lookup(layer.name), float(layer.rows), float(layer.columns))
        elif layer.bias is not None:
            interpreter.call(layer.bias, interpreter.lookup(layer.name))
    for source in layers:
        for start, target, (kind, *arguments) in connections:
            if start is source:
                _connect(interpreter, source, target, kind.name, arguments)


def _connect(interpreter: Interpreter, source: _Layer, target: _Layer, kind: str, arguments: list[Form]) -> None:
    units, rows, columns = _units_read(interpreter, source, arguments)
    to = interpreter.lookup(target.name)
    what = f"{source.name.name} to {target.name.name}"
    if kind == "connect":
        interpreter.call(kind, units, to)
        return
    if len(arguments) < 2:
        raise fail(
            f"the connection from {what} has no size and step of its windows",
            interpreter.place(),
            hint=f"write (list ct-{kind} '(XSIZE YSIZE) '(XSTEP YSTEP))",
        )
    (xsize, ysize), (xstep, ystep) = (
        _columns_and_rows(interpreter, two, f"a size or step of {what}") for two in arguments[:2]
    )
    if kind.endswith("-1d-connect"):
        numbers = [rows * columns, to, target.units, xstep * ystep, xsize * ysize]  # one factor is 1
    elif kind == "tdnn-connect":
        along = [(xstep, xsize)] if rows == (target.rows - 1) * xstep + xsize else []
        along = [(ystep, ysize)] if rows == (target.rows - 1) * ystep + ysize or not along else along
        numbers = [rows, columns, to, target.rows, target.columns, *along[0]]
    else:
        numbers = [rows, columns, to, target.rows, target.columns, xstep, ystep, xsize, ysize]
    interpreter.call(kind, units, *(float(n) if isinstance(n, int) else n for n in numbers))


def _units_read(interpreter: Interpreter, source: _Layer, arguments: list[Form]) -> tuple[Form, int, int]:
    """Return the units of a layer that a connection reads, by rows, with the number of rows and columns.

    These are all units, or the rectangle of two corners: columns first, counted from 0, both included.
    """
    units = interpreter.lookup(source.name)
    if len(arguments) < 4:
        return units, source.rows, source.columns
    corners = [[x for x in corner if isinstance(x, float)] for corner in arguments[2:4] if isinstance(corner, Pair)]
    if len(corners) != 2 or any(len(corner) != 2 for corner in corners):
        raise fail(
            f"the part of {source.name.name} that is read needs two corners",
            interpreter.place(),
            hint="write '(X0 Y0) '(X1 Y1), the upper left and the lower right corner",
        )
    (x0, y0), (x1, y1) = ((int(x), int(y)) for x, y in corners)
    grid = np.array(interpreter.elements(units, "nettool-net")).reshape(source.rows, source.columns)
    part = grid[y0 : y1 + 1, x0 : x1 + 1]
    if min(x0, y0) < 0 or x1 >= source.columns or y1 >= source.rows or not part.size:
        raise fail(
            f"the corners ({x0} {y0}) and ({x1} {y1}) are not in {source.name.name}, which has {source.columns} "
            f"columns and {source.rows} rows",
            interpreter.place(),
            hint=f"write corners from (0 0) to ({source.columns - 1} {source.rows - 1}), the upper left first",
        )
    return make_list(part.reshape(-1).tolist()), part.shape[0], part.shape[1]
