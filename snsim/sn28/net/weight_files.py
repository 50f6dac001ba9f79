"""Files of weights, in the formats of SN-2.8 (docs/reference/sn28.md, section 4.2).

Without units a file is "blind": a matrix of all weights in order of creation, binary (float32) or text. With units it
is "explanatory": who is joined to whom, units counted by their place in the list, 0 the bias. Binary files are written
with the low byte first and read in either order.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from snsim.data.formats import read_matrix, read_numbers, within
from snsim.errors import SnError
from snsim.input_files import shown
from snsim.language.builtins.strings import text
from snsim.language.forms import NIL, Form, make_list, symbol
from snsim.language.printer import number_text
from snsim.language.procedures import ABSENT, CallError
from snsim.sn28.net.connections import every_connection
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import EPSILON, Netspace
from snsim.sn28.runtime.file_lookup import Files
from snsim.sn28.runtime.settings import number_in

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

SUFFIX = ".wei"
_MATRIX, _MERGE, _OLD_MERGE = 0x1E3D4C51, 0x2D4F1C93, 0x2D4F1C91
_TEXT_MERGE = b".WEI"

Records = np.ndarray  # fields pre, post (places in the list of units, 0 the bias), weight and rate (nan: none)
_RECORD = np.dtype([("pre", np.int64), ("post", np.int64), ("weight", np.float64), ("rate", np.float64)])


# Writing


@net_word("save-net")
def save_net(interpreter: Interpreter, name: Form, *layers: Form) -> Form:
    """(save-net "f"): writes all weights; (save-net "f" layer ...): the connections between these units, and the age"""
    if layers:
        return interpreter.call("save-net/merge", name, *layers)
    weights = _weights(interpreter)
    header = struct.pack("<5i", _MATRIX, 1, len(weights), 1, 1)
    return _write(interpreter, "save-net", name, header + weights.astype("<f4").tobytes())


@net_word("save-net/merge")
def save_net_merge(interpreter: Interpreter, name: Form, *layers: Form) -> Form:
    """(save-net/merge "f" layer ...): writes the connections between these units, and the age"""
    count, age, records = _between(interpreter, "save-net/merge", layers)
    held = np.empty(len(records), [("pre", "<i4"), ("post", "<i4"), ("weight", "<f4")])
    for field in ("pre", "post", "weight"):
        held[field] = records[field]
    return _write(interpreter, "save-net/merge", name, struct.pack("<3i", _MERGE, count, age) + held.tobytes())


@net_word("save-ascii-net")
def save_ascii_net(interpreter: Interpreter, name: Form, *layers: Form) -> Form:
    """(save-ascii-net "f" [layer ...]): as save-net, as text; without layers with 4 decimals only"""
    if layers:
        return interpreter.call("save-ascii-net/merge", name, *layers)
    weights = _weights(interpreter)
    lines = [f".MAT 1 {len(weights)}", *[f"{w:6.4f}" for w in weights.tolist()]]
    return _write(interpreter, "save-ascii-net", name, _as_text(lines))


@net_word("save-ascii-net/merge")
def save_ascii_net_merge(interpreter: Interpreter, name: Form, *layers: Form) -> Form:
    """(save-ascii-net/merge "f" layer ...): as save-net/merge, as text"""
    count, age, records = _between(interpreter, "save-ascii-net/merge", layers)
    lines = [f".WEI {count} {age}", *[f"{pre:4d} {post:4d} {w:10.7f}" for pre, post, w, _ in records.tolist()]]
    return _write(interpreter, "save-ascii-net/merge", name, _as_text(lines))


@net_word("save-weights-as-c")
def save_weights_as_c(interpreter: Interpreter, name: Form, array: Form = ABSENT) -> Form:
    """(save-weights-as-c "f" [name]): writes all weights, with 4 decimals, as an array of the language C"""
    title = "weights" if array is ABSENT else text("save-weights-as-c", array, 1)
    if not title.replace("_", "a").isalnum() or title[0].isdigit() or not title.isascii():
        raise CallError(
            f'save-weights-as-c: "{title}" is no name in C', 1, "write letters, digits and _, such as net_1"
        )
    weights = _weights(interpreter).astype(float).tolist()
    rows = ["  " + ", ".join(map(number_text, weights[i : i + 8])) for i in range(0, len(weights), 8)]
    lines = [f"float {title}[{len(weights)}] = {{", ",\n".join(rows), "};"]
    return _write(interpreter, "save-weights-as-c", name, _as_text(lines), ".c")


def _weights(interpreter: Interpreter) -> np.ndarray:
    net = interpreter.part(Netspace)
    values: np.ndarray = net.weight_val.array[: net.wnum]
    if not len(values):
        raise CallError("there are no weights yet", None, "build-net makes a net, connect joins its units")
    return values


def _between(interpreter: Interpreter, who: str, layers: tuple[Form, ...]) -> tuple[int, int, Records]:
    """How many units are listed, the age, and the connections among them and from the bias, in SN's order."""
    net = interpreter.part(Netspace)
    units = net.units(make_list(layers), who).array
    place = np.full(net.nnum, -1)
    place[:1] = 0
    place[units] = np.arange(1, len(units) + 1)
    connections = every_connection(net)
    pre, post = place[net.pre.array[connections]], place[net.post.array[connections]]
    inside = (pre >= 0) & (post >= 0)
    records = np.empty(int(inside.sum()), _RECORD)
    records["pre"], records["post"] = pre[inside], post[inside]
    records["weight"] = net.weight_val.array[net.weight.array[connections[inside]]]
    records["rate"] = np.nan
    return len(units), int(number_in(interpreter, "age", 0.0)), records


def _as_text(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def _write(interpreter: Interpreter, who: str, name: Form, content: bytes, suffix: str = SUFFIX) -> Form:
    files = interpreter.part(Files)
    files.write(files.to_write(text(who, name), suffix), content)
    return name


# Reading


@net_word("load-net")
def load_net(interpreter: Interpreter, name: Form) -> Form:
    """(load-net "f"): sets the weights to those of a file of any of the formats; of one with units, the age too"""
    content = _content(interpreter, "load-net", name)
    read = _read_merge(content, text("load-net", name))
    net = interpreter.part(Netspace)
    if read is not None:
        _, age, records = read
        _set_weights(interpreter, "load-net", np.arange(1, net.nnum), records)
        interpreter.assign(symbol("age"), float(age))
        return name
    try:
        weights = within(read_matrix(content, f'"{name}"'), np.float32, f'"{name}"')
    except SnError as error:
        raise CallError(error.faults[0].message, 0, "save-net writes files that load-net reads") from None
    if weights.shape != (net.wnum,):
        raise CallError(
            f'"{name}" has {" x ".join(map(str, weights.shape))} weights, the net has {net.wnum}',
            0,
            "build the net that wrote it first",
        )
    net.weight_val.array[: net.wnum] = weights
    return name


@net_word("merge-net")
def merge_net(interpreter: Interpreter, name: Form, units: Form = ABSENT) -> Form:
    """(merge-net "f"): how many units a file of connections lists, () if it is none; (merge-net "f" units): loads it"""
    read = _read_merge(_content(interpreter, "merge-net", name), text("merge-net", name))
    if units is ABSENT:
        return NIL if read is None else float(read[0])
    if read is None:
        raise CallError(f'"{name}" does not say which units its weights join', 0, '(load-net "f") reads such a file')
    count, _, records = read
    listed = interpreter.part(Netspace).units(units, "merge-net").array
    if len(listed) < count:
        raise CallError(
            f'"{name}" has {count} units, {len(listed)} are listed',
            1,
            f"list {count} units, or write the file again for these with (save-net/merge file layer...)",
        )
    _set_weights(interpreter, "merge-net", listed, records)
    return name


def _content(interpreter: Interpreter, who: str, name: Form) -> bytes:
    files = interpreter.part(Files)
    return files.content(files.to_read(text(who, name), SUFFIX))


def _set_weights(interpreter: Interpreter, who: str, listed: np.ndarray, records: Records) -> None:
    """Give the connections of a file, whose units are places in a list, the weights (and rates) they have there."""
    net = interpreter.part(Netspace)
    units = np.concatenate([[0], listed])
    for pre, post, weight, rate in records.tolist():
        if not (0 <= pre < len(units) and 0 <= post < len(units)):
            raise CallError(
                f"{who}: the file joins unit {pre} to unit {post}; there are {len(units) - 1} units",
                0,
                "build the net first, as it was when the file was written",
            )
        ends = (int(units[pre]), int(units[post]))
        connection = net.found.get(ends)
        if connection is None:
            raise CallError(
                f"{who}: the net has no connection from unit {ends[0]} to unit {ends[1]}, the file has",
                0,
                "build the net first, as it was when the file was written",
            )
        net.weight_val.array[net.weight.array[connection]] = weight
        if rate == rate:
            if net.kernel.newton:
                net.rate.array[connection] = rate
            else:
                net.unit[EPSILON].array[ends[1]] = rate


def _read_merge(content: bytes, name: str) -> tuple[int, int, Records] | None:
    """Number of units, age and connections of an explanatory file; None if it is of another kind."""
    if content[:4] == _TEXT_MERGE:
        return _read_text_merge(content, name)
    for order in "<>":
        if len(content) >= 12:
            magic, count, age = struct.unpack_from(f"{order}3i", content)
            if magic in (_MERGE, _OLD_MERGE):
                fields = [("pre", f"{order}i4"), ("post", f"{order}i4"), ("weight", f"{order}f4")]
                kind = np.dtype(fields + [("rate", f"{order}f4")] * (magic == _OLD_MERGE))
                if (len(content) - 12) % kind.itemsize:
                    raise CallError(
                        f'"{name}" ends in the middle of a connection',
                        0,
                        "write it again with (save-net/merge file layer...)",
                    )
                held = np.frombuffer(content, kind, -1, 12)
                records = np.empty(len(held), _RECORD)
                records["rate"] = np.nan
                for field in kind.names or ():
                    records[field] = held[field]
                if not (np.isfinite(held["weight"]).all() and (magic == _MERGE or np.isfinite(held["rate"]).all())):
                    raise CallError(
                        f'"{name}" holds a weight or a rate that is no finite number',
                        0,
                        "the file is damaged: write it again with save-net/merge",
                    )
                return count, age, records
    return None


def _read_text_merge(content: bytes, name: str) -> tuple[int, int, Records]:
    try:
        numbers = within(read_numbers(content[4:], f'"{shown(name)}"'), np.float32, f'"{shown(name)}"')
    except SnError as error:
        raise CallError(error.faults[0].message, 0, error.faults[0].hint) from None
    if len(numbers) < 2 or not all(float(x).is_integer() and abs(x) < 2**53 for x in numbers[:2]):
        raise CallError(
            f'"{name}" does not begin with the number of units and the age, two whole numbers',
            0,
            "(save-ascii-net/merge FILE layer ...) writes such a file",
        )
    if (len(numbers) - 2) % 3:
        raise CallError(f'"{name}" ends in the middle of a connection', 0, "write each line as FROM TO WEIGHT")
    (count, age), rows = numbers[:2].astype(np.int64).tolist(), numbers[2:].reshape(-1, 3)
    wrong = np.flatnonzero((rows[:, :2] != np.floor(rows[:, :2])).any(1) | (np.abs(rows[:, :2]) > 2**53).any(1))
    if len(wrong):
        raise CallError(
            f'"{name}": connection {wrong[0] + 1} joins {rows[wrong[0], 0]:g} to {rows[wrong[0], 1]:g}; units '
            "are whole numbers",
            0,
            "write each line as FROM TO WEIGHT",
        )
    records = np.empty(len(rows), _RECORD)
    records["pre"], records["post"], records["weight"], records["rate"] = rows[:, 0], rows[:, 1], rows[:, 2], np.nan
    return count, age, records
