"""Read and write weight files in the formats of SN-2.8 (docs/reference/sn28.md, section 4.2).

A "blind" file is a matrix of all weights in order of creation, binary (float32) or text. A "merge" file lists
connections: two units and the weight between them. Its units are numbered by their position in a list of units, from
1; 0 is the bias. Binary files are written little-endian and read in either byte order.
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
from snsim.runtime.file_lookup import ProgramFiles
from snsim.runtime.settings import number_in
from snsim.sn28.net.net_word import net_word
from snsim.sn28.net.netspace import EPSILON, Netspace

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

SUFFIX = ".wei"
_MATRIX, _MERGE, _OLD_MERGE = 0x1E3D4C51, 0x2D4F1C93, 0x2D4F1C91
_TEXT_MERGE = b".WEI"
_C_COLUMN = 65  # a number that ends beyond it is the last of its line

Records = np.ndarray  # fields pre, post (positions in the list of units, 0 the bias), weight and rate (nan: none)
_RECORD = np.dtype([("pre", np.int64), ("post", np.int64), ("weight", np.float64), ("rate", np.float64)])


# Writing


@net_word("save-net")
def save_net(interpreter: Interpreter, name: Form, *layers: Form) -> Form:
    """(save-net "f"): writes all weights to a binary file; (save-net "f" layer ...): calls save-net/merge"""
    if layers:
        return interpreter.call("save-net/merge", name, *layers)
    weights = _all_weights(interpreter)
    header = struct.pack("<5i", _MATRIX, 1, len(weights), 1, 1)
    return _write(interpreter, "save-net", name, header + weights.astype("<f4").tobytes())


@net_word("save-net/merge")
def save_net_merge(interpreter: Interpreter, name: Form, *layers: Form) -> Form:
    """(save-net/merge "f" layer ...): writes to a binary file the connections among these units, and age

    It also writes their connections from the bias.
    """
    count, age, records = _records_between(interpreter, "save-net/merge", layers)
    packed = np.empty(len(records), [("pre", "<i4"), ("post", "<i4"), ("weight", "<f4")])
    for field in ("pre", "post", "weight"):
        packed[field] = records[field]
    return _write(interpreter, "save-net/merge", name, struct.pack("<3i", _MERGE, count, age) + packed.tobytes())


@net_word("save-ascii-net")
def save_ascii_net(interpreter: Interpreter, name: Form, *layers: Form) -> Form:
    """(save-ascii-net "f" [layer ...]): like save-net, but writes text, without layers only 4 decimals"""
    if layers:
        return interpreter.call("save-ascii-net/merge", name, *layers)
    weights = _all_weights(interpreter)
    lines = [f".MAT 1 {len(weights)}", *[f"{w:6.4f}" for w in weights.tolist()]]
    return _write(interpreter, "save-ascii-net", name, _as_text(lines))


@net_word("save-ascii-net/merge")
def save_ascii_net_merge(interpreter: Interpreter, name: Form, *layers: Form) -> Form:
    """(save-ascii-net/merge "f" layer ...): like save-net/merge, but as text"""
    count, age, records = _records_between(interpreter, "save-ascii-net/merge", layers)
    lines = [f".WEI {count} {age}", *[f"{pre:4d} {post:4d} {w:10.7f}" for pre, post, w, _ in records.tolist()]]
    return _write(interpreter, "save-ascii-net/merge", name, _as_text(lines))


@net_word("save-weights-as-c")
def save_weights_as_c(interpreter: Interpreter, name: Form, array: Form = ABSENT) -> Form:
    """(save-weights-as-c "f" [name]): writes all weights as an array in C, named weights by default, with 4 decimals"""
    array_name = "weights" if array is ABSENT else text("save-weights-as-c", array, 1)
    if not array_name.replace("_", "a").isalnum() or array_name[0].isdigit() or not array_name.isascii():
        raise CallError(
            f'save-weights-as-c: "{array_name}" is not a valid name in C',
            1,
            "write letters, digits and _, such as net_1",
        )
    weights = _all_weights(interpreter).astype(float).tolist()
    parts = [f"/*** Here are the weights */\n\nfloat {array_name}[{len(weights)}] = {{\n  "]
    column = 2
    for i, weight in enumerate(weights):
        number_written = number_text(weight)
        column += len(number_written)
        is_last, is_full = i == len(weights) - 1, column > _C_COLUMN
        separator = " };\n" if is_last else ",\n  " if is_full else ", "
        parts += [number_written, separator]
        column = 2 if is_full else column + 2
    _write(interpreter, "save-weights-as-c", name, "".join(parts).encode(), ".c")
    return NIL


def _all_weights(interpreter: Interpreter) -> np.ndarray:
    net = interpreter.part(Netspace)
    values: np.ndarray = net.weight_val.array[: net.wnum]
    if not len(values):
        raise CallError("the net has no weights yet", None, "build a net first, with build-net or connect")
    return values


def _records_between(interpreter: Interpreter, caller: str, layers: tuple[Form, ...]) -> tuple[int, int, Records]:
    """Return the number of units in some layers, the age, and the connections among them and from the bias."""
    net = interpreter.part(Netspace)
    units = net.units(make_list(layers), caller).array
    position = np.full(net.nnum, -1)
    position[:1] = 0
    position[units] = np.arange(1, len(units) + 1)
    connections = np.flatnonzero(net.alive[: net.snum])  # in the order in which they were made
    pre, post = position[net.pre.array[connections]], position[net.post.array[connections]]
    inside = (pre >= 0) & (post >= 0)
    records = np.empty(int(inside.sum()), _RECORD)
    records["pre"], records["post"] = pre[inside], post[inside]
    records["weight"] = net.weight_val.array[net.weight.array[connections[inside]]]
    records["rate"] = np.nan
    return len(units), _age(interpreter), records


def _age(interpreter: Interpreter) -> int:
    """Return the age, truncated as C does; CallError if it does not fit into the 32 bits that a file has for it."""
    age = number_in(interpreter, "age", 0.0)
    if not abs(age) < 2**31:
        raise CallError(
            f"the age is {age:g}, and a file of weights holds ages below {2**31:,}",
            None,
            "set it before: (setq age 0)",
        )
    return int(age)


def _as_text(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def _write(interpreter: Interpreter, caller: str, name: Form, content: bytes, suffix: str = SUFFIX) -> Form:
    files = interpreter.part(ProgramFiles)
    files.write(files.writable_path(text(caller, name), suffix), content)
    return name


# Reading


@net_word("load-net")
def load_net(interpreter: Interpreter, name: Form) -> Form:
    """(load-net "f"): sets the weights from a file that save-net or save-ascii-net wrote, and age if the file has it"""
    content = _read_named(interpreter, "load-net", name)
    merge = _read_merge(content, text("load-net", name))
    net = interpreter.part(Netspace)
    if merge is not None:
        _, age, records = merge
        _set_weights(interpreter, "load-net", np.arange(1, net.nnum), records)
        interpreter.assign(symbol("age"), float(age))
        return name
    try:
        weights = within(read_matrix(content, f'"{name}"'), np.float32, f'"{name}"')
    except SnError as error:
        raise CallError(error.faults[0].message, 0, "load a file that save-net or save-ascii-net wrote") from None
    if weights.shape != (net.wnum,):
        raise CallError(
            f'"{name}" has {" x ".join(map(str, weights.shape))} weights but the net has {net.wnum}',
            0,
            "first build the net that the file was saved from",
        )
    net.weight_val.array[: net.wnum] = weights
    return name


@net_word("merge-net")
def merge_net(interpreter: Interpreter, name: Form, units: Form = ABSENT) -> Form:
    """(merge-net "f"): the number of units in a merge file, () for other files; (merge-net "f" units): loads it

    The connections in the file get their weights among these units. Like SN on a little-endian machine, it does not
    recognise the text form, which load-net reads.
    """
    content = _read_named(interpreter, "merge-net", name)
    merge = None if content[:4] == _TEXT_MERGE else _read_merge(content, text("merge-net", name))
    if units is ABSENT:
        return NIL if merge is None else float(merge[0])
    if merge is None:
        return NIL
    count, age, records = merge
    units_listed = interpreter.part(Netspace).units(units, "merge-net").array
    if len(units_listed) < count:
        raise CallError(
            f'"{name}" has {count} units but {len(units_listed)} are listed',
            1,
            f"list {count} units, or save these units again with (save-net/merge file layer...)",
        )
    _set_weights(interpreter, "merge-net", units_listed, records)
    interpreter.assign(symbol("age"), float(age))
    return name


def _read_named(interpreter: Interpreter, caller: str, name: Form) -> bytes:
    files = interpreter.part(ProgramFiles)
    return files.read(files.readable_path(text(caller, name), SUFFIX))


def _set_weights(interpreter: Interpreter, caller: str, units_listed: np.ndarray, records: Records) -> None:
    """Set the weights, and rates if any, of the connections in a merge file; its units are positions in a list."""
    net = interpreter.part(Netspace)
    units = np.concatenate([[0], units_listed])
    for pre, post, weight, rate in records.tolist():
        if not (0 <= pre < len(units) and 0 <= post < len(units)):
            raise CallError(
                f"{caller}: the file connects unit {pre} to unit {post}, but there are only {len(units) - 1} units",
                0,
                "build the net first, as it was when the file was written",
            )
        ends = (int(units[pre]), int(units[post]))
        connection = net.connection_numbers.get(ends)
        if connection is None:
            raise CallError(
                f"{caller}: the file has a connection from unit {ends[0]} to unit {ends[1]} that the net does not have",
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
    """Return the number of units, the age and the connections of a merge file, or None for another format."""
    if content[:4] == _TEXT_MERGE:
        return _read_text_merge(content, name)
    for order in "<>":
        if len(content) >= 12:
            magic, count, age = struct.unpack_from(f"{order}3i", content)
            if magic in (_MERGE, _OLD_MERGE):
                fields = [("pre", f"{order}i4"), ("post", f"{order}i4"), ("weight", f"{order}f4")]
                record_type = np.dtype(fields + [("rate", f"{order}f4")] * (magic == _OLD_MERGE))
                if (len(content) - 12) % record_type.itemsize:
                    raise CallError(
                        f'"{name}" ends in the middle of a connection',
                        0,
                        "the file is cut off: save it again with (save-net/merge file layer...)",
                    )
                packed = np.frombuffer(content, record_type, -1, 12)
                records = np.empty(len(packed), _RECORD)
                records["rate"] = np.nan
                for field in record_type.names or ():
                    records[field] = packed[field]
                if not (np.isfinite(packed["weight"]).all() and (magic == _MERGE or np.isfinite(packed["rate"]).all())):
                    raise CallError(
                        f'"{name}" contains a weight or rate that is not a finite number',
                        0,
                        "the file is damaged: save it again with save-net/merge",
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
            f'"{name}" does not start with two whole numbers, the number of units and the age',
            0,
            "save it again with (save-ascii-net/merge FILE layer ...)",
        )
    if (len(numbers) - 2) % 3:
        raise CallError(f'"{name}" ends in the middle of a connection', 0, "write each line as FROM TO WEIGHT")
    (count, age), rows = numbers[:2].astype(np.int64).tolist(), numbers[2:].reshape(-1, 3)
    bad_rows = np.flatnonzero((rows[:, :2] != np.floor(rows[:, :2])).any(1) | (np.abs(rows[:, :2]) > 2**53).any(1))
    if len(bad_rows):
        raise CallError(
            f'"{name}": connection {bad_rows[0] + 1} is from {rows[bad_rows[0], 0]:g} to {rows[bad_rows[0], 1]:g}; '
            "units must be whole numbers",
            0,
            "write each line as FROM TO WEIGHT",
        )
    records = np.empty(len(rows), _RECORD)
    records["pre"], records["post"], records["weight"], records["rate"] = rows[:, 0], rows[:, 1], rows[:, 2], np.nan
    return count, age, records
