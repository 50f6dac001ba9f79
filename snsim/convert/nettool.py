"""The files of NetTool, SN-2.8's editor of nets: the description in one becomes the net.

See docs/reference/sn28.md, section 6.2.

A file defines `nettool-net`, which makes the objects of the editor, and `create-net`, the program that the editor
wrote from them. The description is taken where there is one; no window is opened.

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
    name: Symbol
    rows: int
    columns: int
    bias: str | None
    place: tuple[float, float]

    @property
    def units(self) -> int:
        return self.rows * self.columns


def is_nettool(source: Source) -> bool:
    """Whether a text is a file of NetTool, by its first line."""
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
    """Make the net that a file of NetTool describes. SnError if it describes none, or one that does not fit."""
    if not isinstance(interpreter.procedure(symbol("nettool-net")), Function):
        if not isinstance(interpreter.procedure(symbol("create-net")), Function):
            raise fail(
                f"{file} defines neither nettool-net nor create-net",
                None,
                hint="give a file that NetTool saved, or a program of SN-2.8 without a net of NetTool",
            )
        interpreter.call("create-net")
        return
    interpreter.call("nettool-net")
    made = {id(thing): _layer(interpreter, thing) for thing in _objects(interpreter, "nettool-layers")}
    if not made:
        raise fail(f"nettool-net of {file} makes no layer", None, hint='(new c-layer \'("name" (16 16) ...) x y w h)')
    connections = [_connection(interpreter, thing, made) for thing in _objects(interpreter, "nettool-connections")]
    layers = sorted(made.values(), key=lambda layer: layer.place)  # from left to right, as the editor does
    _build(interpreter, layers, connections)


def _objects(interpreter: Interpreter, name: str) -> list[Object]:
    return [thing for thing in interpreter.elements(interpreter.lookup(name), name) if isinstance(thing, Object)]


def _parts(interpreter: Interpreter, thing: Object) -> list[Form]:
    spec = thing.get(symbol("spec"))
    return interpreter.elements(spec, "nettool-net") if isinstance(spec, Pair) else []


def _layer(interpreter: Interpreter, thing: Object) -> _Layer:
    parts = _parts(interpreter, thing)
    if len(parts) < 2 or not isinstance(parts[0], str):
        raise fail(
            "a layer of NetTool is a name, a size and seven flags",
            interpreter.place(),
            hint='(new c-layer \'("name" (COLUMNS ROWS) () t () () t () ()) x y w h)',
        )
    columns, rows = _two(interpreter, parts[1], f"the size of {parts[0]}")
    chosen = [k for k, flag in enumerate(parts[2:6]) if flag is not NIL]
    if len(chosen) > 1:
        raise fail(
            f"{len(chosen)} of the four flags for the bias of {parts[0]} are set",
            interpreter.place(),
            hint="set one of the four to t: none, one a unit, one shared, one a column",
        )
    places = (thing.get(symbol(slot)) for slot in ("x", "y"))
    x, y = (float(at) if isinstance(at, float) else 0.0 for at in places)
    return _Layer(symbol(fold("-".join(parts[0].split()))), rows, columns, _BIASES[chosen[0] if chosen else 0], (x, y))


def _two(interpreter: Interpreter, given: Form, what: str) -> tuple[int, int]:
    """Columns and rows: a list of two, or a text "4x4" in files of the second version."""
    items = given.lower().split("x") if isinstance(given, str) else list(given) if isinstance(given, Pair) else []
    try:
        first, second = (int(item) for item in items)
    except (TypeError, ValueError):
        first = second = 0
    if first < 1 or second < 1:
        raise fail(
            f"{what} is {interpreter.describe(given)}, not columns and rows",
            interpreter.place(),
            hint='write (COLUMNS ROWS) or "4x4"',
        )
    return first, second


def _connection(interpreter: Interpreter, thing: Object, made: dict[int, _Layer]) -> tuple[_Layer, _Layer, list[Form]]:
    ends = []
    for slot in ("from", "to"):
        end = thing.get(symbol(slot))
        name = fold(end) if isinstance(end, str) else end.name if isinstance(end, Symbol) else None
        layer = made.get(id(end)) or next((one for one in made.values() if one.name.name == name), None)
        if layer is None:
            raise fail(
                f"a connection of NetTool leads {slot} {interpreter.describe(end)}, which is no layer",
                interpreter.place(),
                hint="make the layer before, by (new c-layer ...)",
            )
        ends.append(layer)
    parts = _parts(interpreter, thing)
    kind = parts[0].name.removeprefix("ct-") if parts and isinstance(parts[0], Symbol) else ""
    if kind not in TYPES:
        raise fail(
            f"{interpreter.describe(parts[0] if parts else NIL)} is no type of connection",
            interpreter.place(),
            hint="the types are " + ", ".join(f"ct-{known}" for known in TYPES),
        )
    return ends[0], ends[1], [symbol(kind), *parts[1:]]


# The net


def _build(
    interpreter: Interpreter, layers: list[_Layer], connections: list[tuple[_Layer, _Layer, list[Form]]]
) -> None:
    """As `create-net` does: room, layers, biases, connections by the layer they leave."""
    units = 1 + sum(layer.units for layer in layers) + layers[-1].units
    lines = sum(layer.units for layer in layers) + sum(
        source.units * target.units for source, target, _ in connections
    )  # what there is at most
    interpreter.call("alloc-net", float(units), float(lines))
    entries = make_list(make_list([layer.name, float(layer.units)]) for layer in layers)
    interpreter.call("build-net-nobias", entries, NIL)
    for layer in layers:
        if layer.bias == "tdnn-bias-connect":
            interpreter.call(layer.bias, interpreter.lookup(layer.name), float(layer.rows), float(layer.columns))
        elif layer.bias is not None:
            interpreter.call(layer.bias, interpreter.lookup(layer.name))
    for source in layers:
        for start, target, (kind, *given) in connections:
            if start is source:
                _join(interpreter, source, target, kind.name, given)


def _join(interpreter: Interpreter, source: _Layer, target: _Layer, kind: str, given: list[Form]) -> None:
    units, rows, columns = _seen(interpreter, source, given)
    to = interpreter.lookup(target.name)
    what = f"{source.name.name} to {target.name.name}"
    if kind == "connect":
        interpreter.call(kind, units, to)
        return
    if len(given) < 2:
        raise fail(
            f"the connection of {what} has no size and step of its windows",
            interpreter.place(),
            hint=f"(list ct-{kind} '(XSIZE YSIZE) '(XSTEP YSTEP))",
        )
    (xsize, ysize), (xstep, ystep) = (_two(interpreter, two, f"a size or step of {what}") for two in given[:2])
    if kind.endswith("-1d-connect"):
        numbers = [rows * columns, to, target.units, xstep * ystep, xsize * ysize]  # the other one is 1
    elif kind == "tdnn-connect":
        along = [(xstep, xsize)] if rows == (target.rows - 1) * xstep + xsize else []
        along = [(ystep, ysize)] if rows == (target.rows - 1) * ystep + ysize or not along else along
        numbers = [rows, columns, to, target.rows, target.columns, *along[0]]
    else:
        numbers = [rows, columns, to, target.rows, target.columns, xstep, ystep, xsize, ysize]
    interpreter.call(kind, units, *(float(n) if isinstance(n, int) else n for n in numbers))


def _seen(interpreter: Interpreter, source: _Layer, given: list[Form]) -> tuple[Form, int, int]:
    """The units of a layer that a connection reads, by rows: all, or those of the rectangle that it states by two
    corners, columns first, counted from 0, both in it.
    """
    units = interpreter.lookup(source.name)
    if len(given) < 4:
        return units, source.rows, source.columns
    corners = [[x for x in corner if isinstance(x, float)] for corner in given[2:4] if isinstance(corner, Pair)]
    if len(corners) != 2 or any(len(corner) != 2 for corner in corners):
        raise fail(
            f"the part of {source.name.name} that is read is not stated by two corners",
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
