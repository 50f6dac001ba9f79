"""The operations of compiled presentations: what modules of gblearn2 compute, as loops over vectors, bits equal.

Every lane of a vector belongs to another sum, and each sum adds its terms in the order of the modules
(docs/reference/gblearn2.md, section 5). Products and sums are rounded one by one: there is no fused multiply-add.

An operation is a function `(arguments, turn)`: the address of its own arguments, 8 bytes each, and the number of the
presentation. `OPERATIONS` names the arguments. `run_operations` calls a list of operations for each presentation and
stops after the operation that sets the flag. Loops have at least one turn, so no count may be 0.

Vectors read and write past the end of rows and planes. What lies there is written again later, or is never used: all
buffers end with room for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from snsim.engines.native.llvm_ir import Function, Module, Value
from snsim.engines.native.target import Address, Machine, attributes
from snsim.lush.plan.arguments import BLOCK, CHUNK, OPERATIONS, WIDE

LARGE = 1e23  # times a number above about 3e15 it is infinite
_ONE = 1.0
_END = 13.0  # from here on the sigmoid is flat


@dataclass
class Operation:
    """An operation that is being written: its function, and its arguments by name."""

    f: Function
    values: dict[str, Value]

    def __getitem__(self, name: str) -> Value:
        return self.values[name]

    def at(self, name: str, *indices: Value | int) -> Address:
        """Return the address of numbers behind a pointer argument."""
        return _at(self.values[name], *indices)

    def vector(self, name: str) -> Value:
        """Emit a number in every lane."""
        return self.f.splat(self.values[name])


def _at(pointer: Value, *indices: Value | int) -> Address:
    place = Address(0, base=pointer.text)
    for index in indices:
        place = place.by(index, 1)
    return place


def _index(value: Value | int, f: Function) -> Value:
    return value if isinstance(value, Value) else f.integer(value)


def _times(f: Function, a: Value | int, b: Value | int) -> Value:
    return f.op("mul", _index(a, f), _index(b, f))


def _entry(f: Function, table: Value, index: Value, type: str) -> Value:
    """Emit the load of an entry of a table of 8 bytes each."""
    at = f.instruction(f"getelementptr i64, ptr {table.text}, i64 {index.text}", "ptr", "p").text
    return f.instruction(f"load {type}, ptr {at}, align 8", type)


def _fields(f: Function, table: Value, index: Value | int, *types: str) -> list[Value]:
    """Emit the loads of a row of a table."""
    first = _times(f, index, len(types))
    return [_entry(f, table, f.op("add", first, f.integer(i)), type) for i, type in enumerate(types)]


def _loop(
    f: Function, count: Value, body: Callable[[Value, list[Value]], Any], carried: Sequence[Value] = ()
) -> list[Value]:
    """Emit a loop as `Function.loop` does, over a count that the code reads."""

    def turn(index: Value | int, values: list[Value]) -> Any:
        assert isinstance(index, Value)
        return body(index, values)

    return f.loop(count, turn, carried)


def operations_text(machine: Machine) -> str:
    """Return the IR of all operations and of `run_operations`."""
    module = Module(machine, "presentations of modules of gblearn2")
    for name, slots in OPERATIONS.items():
        f = module.function(name, [("ptr", "arguments"), ("i64", "turn")], name, exported=True)
        values = {}
        for i, (type, slot) in enumerate(slots):
            values[slot] = _entry(f, Value(f, "%arguments", "ptr"), f.integer(i), type)
        values["turn"] = f.argument("turn", "i64")
        _BODIES[name](Operation(f, values), name)
    return str(module) + _RUN + attributes({})


Writer = Callable[[Operation, str], None]
_BODIES: dict[str, Writer] = {}


def _body(*names: str) -> Callable[[Writer], Writer]:
    """Make a function the writer of operations (decorator): it gets the operation and its name."""

    def put(write: Writer) -> Writer:
        for name in names:
            _BODIES[name] = write
        return write

    return put


# Patterns and checks


@_body("present")
def _present(o: Operation, name: str) -> None:
    f, lanes = o.f, o.f.machine.lanes
    first = _times(f, o["turn"], o["size"])

    def copy(i: Value, _: object) -> None:
        at = _times(f, i, lanes)
        f.store(f.load(o.at("source", first, at)), o.at("target", at))

    _loop(f, o["vectors"], copy)


def _checked(f: Function, check: Value, value: Value) -> Value:
    """Emit what `check` becomes: it turns into NaN, and stays NaN, where the value is too large or NaN."""
    return check + (value * LARGE) * 0.0


def _over_vectors(o: Operation, body: Callable[[Value], Value | None]) -> None:
    """Emit a loop over vectors; `body` gets the place of the first lane, and returns a value to be checked, if any."""
    f, lanes = o.f, o.f.machine.lanes

    def turn(i: Value, carried: list[Value]) -> list[Value]:
        value = body(_times(f, i, lanes))
        return [_checked(f, carried[0], value)] if value is not None else carried

    if "check" not in o.values:
        _loop(f, o["vectors"], lambda i, _: body(_times(f, i, lanes)))
        return
    place = o.at("check")
    result = _loop(f, o["vectors"], turn, [f.load(place)])
    f.store(result[0], place)


@_body("check_numbers")
def _check_numbers(o: Operation, name: str) -> None:
    _over_vectors(o, lambda at: o.f.load(o.at("x", at)))


@_body("stop_if_large")
def _stop_if_large(o: Operation, name: str) -> None:
    f = o.f
    check = f.load(o.at("check"))
    total = f.lane(check, 0)
    for lane in range(1, f.machine.lanes):
        total = total + f.lane(check, lane)
    bad = f.compare("uno", total, total)
    zero = f.integer(0)
    f.store(f.select(bad, o["stage"], zero), o.at("flag"))


# Non-linear functions


def _power(o: Operation, x: Value) -> tuple[Value, Value]:
    """Emit y(z) = (1 + a1 z + a2 z^2 + a3 z^3)^16 of z = |x|, and whether z is 13 or more."""
    f = o.f
    z = f.call("fabs", x)
    far = f.compare("oge", z, _END)
    z = f.select(far, f.constant(_END), z)
    y = z * o.vector("a3")
    for term in ("a2", "a1"):
        y = (y + o.vector(term)) * z
    y = y + _ONE
    for _ in range(4):
        y = y * y
    return y, far


def _value(o: Operation, x: Value) -> Value:
    """Emit height tanh(slope x), by its rational function."""
    f, height = o.f, o.vector("height")
    y, far = _power(o, x)
    result = f.select(far, height, ((y - _ONE) * height) / (y + _ONE))
    return f.select(f.compare("olt", x, 0.0), -result, result)


def _derivative(o: Operation, x: Value) -> Value:
    f, steepest = o.f, o.vector("steepest")
    y, far = _power(o, x)
    q = (y - _ONE) / (y + _ONE)
    return f.select(far, f.constant(0.0), steepest - (q * steepest) * q)


@_body("sigmoid", "squared_tanh")
def _squash(o: Operation, name: str) -> None:
    f = o.f

    def body(at: Value) -> Value:
        x = f.load(o.at("x", at))
        value = _value(o, x)
        f.store(value * value if name == "squared_tanh" else value, o.at("out", at))
        return x

    _over_vectors(o, body)


@_body("sigmoid_back", "squared_tanh_back", "sigmoid_curved", "squared_tanh_curved")
def _unsquash(o: Operation, name: str) -> None:
    """in.dx = f'(x) out.dx; curved: in.ddx = (f'(x) f'(x)) out.ddx."""
    f = o.f

    def body(at: Value) -> Value:
        x = f.load(o.at("x", at))
        slope = _derivative(o, x)
        if name.startswith("squared_tanh"):
            slope = (f.constant(2.0) * _value(o, x)) * slope
        if name.endswith("curved"):
            slope = slope * slope
        result = slope * f.load(o.at("errors", at))
        f.store(result, o.at("out", at))
        return result

    _over_vectors(o, body)


# Convolutions


@_body("window_sums", "window_sums_squared")
def _window_sums(o: Operation, name: str) -> None:
    """Sum window times kernel for each map: rows of the table, then kernel rows and columns; `step` -1 flips kernels.

    Lanes are places of a plane whose rows have the pitch of the input, so that every window is one load.
    """
    f, lanes = o.f, o.f.machine.lanes
    columns = o["columns"]

    def job(j: Value, _: object) -> None:
        out, rows, count, start = _fields(f, o["jobs"], j, "ptr", "ptr", "i64", "float")
        zero = f.splat(start)

        def block(b: Value, _: object) -> None:
            place = _times(f, b, BLOCK * lanes)

            def row(r: Value, sums: list[Value]) -> list[Value]:
                source, kernel = _fields(f, rows, r, "ptr", "ptr")

                def line(i: Value, sums: list[Value]) -> list[Value]:
                    first = f.op("add", place, _times(f, i, o["pitch"]))
                    taps = _times(f, i, columns)

                    def tap(c: Value, sums: list[Value]) -> list[Value]:
                        weight = f.broadcast(_at(kernel, _times(f, f.op("add", taps, c), o["step"])))
                        window = _at(source, first, c)
                        products = [f.load(window + lanes * k) * weight for k in range(BLOCK)]
                        if name.endswith("squared"):
                            products = [product * weight for product in products]
                        return [total + product for total, product in zip(sums, products)]

                    return _loop(f, columns, tap, sums)

                return _loop(f, o["rows"], line, sums)

            for k, total in enumerate(_loop(f, count, row, [zero] * BLOCK)):
                f.store(total, _at(out, place) + lanes * k)

        _loop(f, o["blocks"], block)

    _loop(f, o["maps"], job)


@_body("cut_rows")
def _cut_rows(o: Operation, name: str) -> None:
    """Copy the rows of planes with a pitch into planes without, and add a number to each plane."""
    f, lanes = o.f, o.f.machine.lanes

    def job(j: Value, _: object) -> None:
        source, out, bias = _fields(f, o["jobs"], j, "ptr", "ptr", "ptr")
        added = f.broadcast(_at(bias))

        def row(i: Value, _: object) -> None:
            start, end = _times(f, i, o["pitch"]), _times(f, i, o["columns"])

            def part(v: Value, _: object) -> None:
                at = _times(f, v, lanes)
                f.store(f.load(_at(source, start, at)) + added, _at(out, end, at))

            _loop(f, o["vectors"], part)

        _loop(f, o["rows"], row)

    _loop(f, o["maps"], job)


@_body("pick_rows")
def _pick_rows(o: Operation, name: str) -> None:
    """Do what `cut_rows` does where the numbers of a row stand `apart`."""
    f = o.f

    def job(j: Value, _: object) -> None:
        source, out, bias = _fields(f, o["jobs"], j, "ptr", "ptr", "ptr")
        added = f.load_scalar(_at(bias))

        def row(i: Value, _: object) -> None:
            start, end = _times(f, i, o["pitch"]), _times(f, i, o["columns"])

            def column(c: Value, _: object) -> None:
                f.store(f.load_scalar(_at(source, start, _times(f, c, o["apart"]))) + added, _at(out, end, c))

            _loop(f, o["columns"], column)

        _loop(f, o["rows"], row)

    _loop(f, o["maps"], job)


@_body("frame_rows")
def _frame_rows(o: Operation, name: str) -> None:
    """Copy planes into the middle of frames, whose zeros stay; the numbers of a row stand `apart` there."""
    f = o.f

    def job(j: Value, _: object) -> None:
        source, out = _fields(f, o["jobs"], j, "ptr", "ptr")

        def row(i: Value, _: object) -> None:
            start, end = _times(f, i, o["columns"]), _times(f, i, o["pitch"])
            _loop(
                f,
                o["columns"],
                lambda c, _: f.store(f.load_scalar(_at(source, start, c)), _at(out, end, _times(f, c, o["apart"]))),
            )

        _loop(f, o["rows"], row)

    _loop(f, o["maps"], job)


@_body("list_windows", "list_windows_squared")
def _list_windows(o: Operation, name: str) -> None:
    """Copy each window of a plane, or the squares of its numbers, into a row of `width` numbers, and 1 behind it.

    Windows in a column begin `next` numbers after one another, those in a row `apart`.
    """
    f, lanes = o.f, o.f.machine.lanes
    one = f.constant(1.0, f.machine.scalar)

    def job(j: Value, _: object) -> None:
        source, out = _fields(f, o["jobs"], j, "ptr", "ptr")

        def place(i: Value, c: Value) -> None:
            number = f.op("add", _times(f, i, o["columns"]), c)
            end = _times(f, number, o["width"])
            corner = f.op("add", _times(f, i, o["next"]), _times(f, c, o["apart"]))

            def line(k: Value, _: object) -> None:
                start = f.op("add", corner, _times(f, k, o["pitch"]))
                to = f.op("add", end, _times(f, k, o["kernel_columns"]))

                def part(v: Value, _: object) -> None:
                    at = _times(f, v, lanes)
                    x = f.load(_at(source, start, at))
                    f.store(x * x if name.endswith("squared") else x, _at(out, to, at))

                _loop(f, o["vectors"], part)

            _loop(f, o["kernel_rows"], line)
            f.store(one, _at(out, end, _times(f, o["kernel_rows"], o["kernel_columns"])))

        f.nest({"i": o["rows"], "c": o["columns"]}, place)

    _loop(f, o["maps"], job)


@_body("kernel_gradient")
def _kernel_gradient(o: Operation, name: str) -> None:
    """Sum window times error over the places, for some rows of the table that read the same map.

    The number 1 behind each window makes the sum of the errors: the gradient of the bias.
    """
    f, lanes = o.f, o.f.machine.lanes
    vectors, together = CHUNK // lanes, WIDE

    def job(j: Value, _: object) -> None:
        windows, *pointers = _fields(f, o["jobs"], j, *["ptr"] * (1 + 2 * together))
        errors, outs = pointers[:together], pointers[together:]

        def chunk(c: Value, _: object) -> None:
            first = _times(f, c, CHUNK)

            def place(n: Value, sums: list[Value]) -> list[Value]:
                window = _at(windows, first, _times(f, n, o["width"]))
                taps = [f.load(window + lanes * v) for v in range(vectors)]
                following = []
                for r, error in enumerate(errors):
                    weight = f.broadcast(_at(error, n))
                    following += [sums[r * vectors + v] + tap * weight for v, tap in enumerate(taps)]
                return following

            sums = _loop(f, o["places"], place, [f.zero] * (together * vectors))
            for r, out in enumerate(outs):
                for v in range(vectors):
                    f.store(sums[r * vectors + v], _at(out, first) + lanes * v)

        _loop(f, o["chunks"], chunk)

    _loop(f, o["count"], job)


# Full connections: weights stand in rows, one for each input, with a lane for each output


def _sums_over_inputs(
    o: Operation, name: str, start: Value, plus: Callable[[Value, Value, Value], Value]
) -> list[Value]:
    """Emit sums for the vectors of outputs that `name` counts: `plus(sum so far, input, weight)`, inputs ascending."""
    f, lanes, vectors = o.f, o.f.machine.lanes, int(name.rsplit("_", 1)[1])

    def turn(j: Value, sums: list[Value]) -> list[Value]:
        x = f.broadcast(o.at("x", j))
        row = o.at("weights", _times(f, j, o["pitch"]))
        return [plus(total, x, f.load(row + lanes * v)) for v, total in enumerate(sums)]

    return _loop(f, o["inputs"], turn, [start] * vectors)


def _spread_over_outputs(o: Operation, terms: Callable[[Value], Callable[[Value, Value, int], Value]]) -> None:
    """Emit a sum for each input, outputs ascending: lanes are inputs, so squares of weights are transposed.

    `terms(first input)` emits what the sums of a vector of inputs share. It returns `term(weight, first, number)`,
    which emits the term of output `first + number`.
    """
    f, lanes = o.f, o.f.machine.lanes

    def block(b: Value, _: object) -> None:
        first = _times(f, b, lanes)
        term = terms(first)

        def square(s: Value, sums: list[Value]) -> list[Value]:
            at = _times(f, s, lanes)
            rows = [
                f.load(o.at("weights", _times(f, f.op("add", first, f.integer(r)), o["pitch"]), at))
                for r in range(lanes)
            ]
            total = sums[0]
            for t, weight in enumerate(_transposed(f, rows)):
                total = total + term(weight, at, t)
            return [total]

        total = _loop(f, o["vectors"], square, [o.vector("start")])[0]
        f.store(total, o.at("out", first))

    _loop(f, o["blocks"], block)


@_body("full_sums_1", "full_sums_2", "full_sums_4", "full_sums_8")
def _full_sums(o: Operation, name: str) -> None:
    """Sum weight times input for some vectors of outputs, inputs ascending; then the bias."""
    sums = _sums_over_inputs(o, name, o.vector("start"), lambda total, x, weight: total + weight * x)
    for v, total in enumerate(sums):
        at = o.f.machine.lanes * v
        o.f.store(total + o.f.load(o.at("bias") + at), o.at("out") + at)


@_body("full_spread", "full_spread_squared_weight", "full_spread_weight_twice")
def _full_spread(o: Operation, name: str) -> None:
    """Sum weight times error for each input, outputs ascending.

    Products of the lanes behind the last output are -0, which changes no sum.
    """
    f = o.f
    f.store(f.constant(-0.0), o.at("errors", o["outputs"]))

    def term(weight: Value, first: Value, number: int) -> Value:
        error = f.broadcast(o.at("errors", first) + number)
        if name.endswith("squared_weight"):
            return (weight * weight) * error
        product = weight * error
        return product * weight if name.endswith("weight_twice") else product

    _spread_over_outputs(o, lambda _: term)


def _transposed(f: Function, rows: list[Value]) -> list[Value]:
    """Emit the columns of a square: exchanges of blocks of 1, 2, 4 ... lanes between rows."""
    lanes = f.machine.lanes
    block = 1
    while block < lanes:
        low = [k if k // block % 2 == 0 else lanes + k - block for k in range(lanes)]
        high = [k + block if k // block % 2 == 0 else lanes + k for k in range(lanes)]
        following = list(rows)
        for r in range(lanes):
            if r // block % 2 == 0:
                following[r] = f.shuffle(rows[r], rows[r + block], low)
                following[r + block] = f.shuffle(rows[r], rows[r + block], high)
        rows, block = following, 2 * block
    return rows


@_body("full_gradient", "full_gradient_squared_input", "full_gradient_input_twice")
def _full_gradient(o: Operation, name: str) -> None:
    """Set the gradient of each weight to 0 + input times error."""
    f, lanes = o.f, o.f.machine.lanes

    def row(j: Value, _: object) -> None:
        x = f.broadcast(o.at("x", j))
        if name.endswith("squared_input"):
            x = x * x
        start = _times(f, j, o["pitch"])

        def part(v: Value, _: object) -> None:
            at = _times(f, v, lanes)
            product = f.load(o.at("errors", at)) * x
            if name.endswith("input_twice"):
                product = product * x
            f.store(product + 0.0, o.at("gradient", start, at))

        _loop(f, o["vectors"], part)

    _loop(f, o["inputs"], row)

    def bias(v: Value, _: object) -> None:
        at = _times(f, v, lanes)
        f.store(f.load(o.at("errors", at)) + 0.0, o.at("bias_gradient", at))

    _loop(f, o["vectors"], bias)


# Distances: weights stand as those of full connections


@_body("distances_1", "distances_2", "distances_4", "distances_8")
def _distances(o: Operation, name: str) -> None:
    """Sum the squared differences of input and weight for some vectors of outputs, inputs ascending; times 0.5."""

    def plus(total: Value, x: Value, weight: Value) -> Value:
        d = x - weight
        return total + d * d

    for v, total in enumerate(_sums_over_inputs(o, name, o.f.zero, plus)):
        o.f.store(total * 0.5, o.at("out") + o.f.machine.lanes * v)


@_body("distance_spread")
def _distance_spread(o: Operation, name: str) -> None:
    """Sum (input - weight) times error for each input, outputs ascending."""
    f = o.f

    def terms(first_input: Value) -> Callable[[Value, Value, int], Value]:
        x = f.load(o.at("x", first_input))

        def term(weight: Value, first: Value, number: int) -> Value:
            output = f.op("add", first, f.integer(number))
            inside = f.instruction(f"icmp slt i64 {output.text}, {o['outputs'].text}", "i1")
            return f.select(inside, (x - weight) * f.broadcast(o.at("errors", output)), f.constant(-0.0))

        return term

    _spread_over_outputs(o, terms)


@_body("distance_gradient")
def _distance_gradient(o: Operation, name: str) -> None:
    """Set the gradient of each weight to 0 + (input - weight) times minus the error."""
    f, lanes = o.f, o.f.machine.lanes

    def row(j: Value, _: object) -> None:
        x = f.broadcast(o.at("x", j))
        start = _times(f, j, o["pitch"])

        def part(v: Value, _: object) -> None:
            at = _times(f, v, lanes)
            difference = x - f.load(o.at("weights", start, at))
            f.store(difference * -f.load(o.at("errors", at)) + 0.0, o.at("gradient", start, at))

        _loop(f, o["vectors"], part)

    _loop(f, o["inputs"], row)


# Subsampling


@_body("block_sums")
def _block_sums(o: Operation, name: str) -> None:
    """sub = sum over a block, row after row; sum = sub coeff + bias."""
    f = o.f
    pitch = _times(f, o["columns"], o["block_columns"])
    plane = _times(f, _times(f, o["rows"], o["block_rows"]), pitch)
    minus_zero = f.constant(-0.0, f.machine.scalar)

    def place(m: Value, i: Value, c: Value) -> None:
        corner = f.op(
            "add",
            f.op("add", _times(f, m, plane), _times(f, _times(f, i, o["block_rows"]), pitch)),
            _times(f, c, o["block_columns"]),
        )

        def line(k: Value, total: list[Value]) -> list[Value]:
            start = f.op("add", corner, _times(f, k, pitch))
            return _loop(
                f,
                o["block_columns"],
                lambda n, total: [total[0] + f.load_scalar(o.at("x", start, n))],
                total,
            )

        total = _loop(f, o["block_rows"], line, [minus_zero])[0]
        number = f.op("add", _times(f, f.op("add", _times(f, m, o["rows"]), i), o["columns"]), c)
        f.store(total, o.at("sub", number))
        f.store(total * f.load_scalar(o.at("coeff", m)) + f.load_scalar(o.at("bias", m)), o.at("out", number))

    f.nest({"m": o["maps"], "i": o["rows"], "c": o["columns"]}, place)


@_body("block_gradient", "block_gradient_squared")
def _block_gradient(o: Operation, name: str) -> None:
    """Sum sub times error, and the errors, over the places of each map; squared: (sub sub) error."""
    f = o.f
    zero = f.constant(0.0, f.machine.scalar)

    def job(m: Value, _: object) -> None:
        first = _times(f, m, o["places"])

        def place(n: Value, sums: list[Value]) -> list[Value]:
            error, sub = f.load_scalar(o.at("errors", first, n)), f.load_scalar(o.at("sub", first, n))
            factor = sub * sub if name.endswith("squared") else sub
            return [sums[0] + factor * error, sums[1] + error]

        coeff, bias = _loop(f, o["places"], place, [zero, zero])
        f.store(coeff, o.at("gradient", m))
        f.store(bias, o.at("bias_gradient", m))

    _loop(f, o["maps"], job)


@_body("block_spread", "block_spread_squared")
def _block_spread(o: Operation, name: str) -> None:
    """Copy error times coeff, or error times (coeff coeff), to all numbers of the block."""
    f = o.f
    pitch = _times(f, o["columns"], o["block_columns"])
    plane = _times(f, _times(f, o["rows"], o["block_rows"]), pitch)

    def place(m: Value, i: Value, c: Value) -> None:
        coeff = f.load_scalar(o.at("coeff", m))
        if name.endswith("squared"):
            coeff = coeff * coeff
        number = f.op("add", _times(f, f.op("add", _times(f, m, o["rows"]), i), o["columns"]), c)
        value = f.load_scalar(o.at("errors", number)) * coeff
        corner = f.op(
            "add",
            f.op("add", _times(f, m, plane), _times(f, _times(f, i, o["block_rows"]), pitch)),
            _times(f, c, o["block_columns"]),
        )

        def line(k: Value, _: object) -> None:
            start = f.op("add", corner, _times(f, k, pitch))
            _loop(f, o["block_columns"], lambda n, _: f.store(value, o.at("out", start, n)))

        _loop(f, o["block_rows"], line)

    f.nest({"m": o["maps"], "i": o["rows"], "c": o["columns"]}, place)


# Cost


def _row(o: Operation, matrix: str) -> Callable[[Value], Value]:
    """Return what emits an element of the row of a matrix that belongs to the label of this presentation."""
    f = o.f
    row = _times(f, _entry(f, o["labels"], o["turn"], "i64"), o["outputs"])
    return lambda j: f.load_scalar(o.at(matrix, row, j))


def _set_energy(o: Operation, energy: Value) -> None:
    f, place = o.f, o.at("check")
    f.store(energy, o.at("energies", o["turn"]))
    f.store(_checked(f, f.load(place), f.splat(energy)), place)


@_body("keep_output")
def _keep_output(o: Operation, name: str) -> None:
    f = o.f
    first = _times(f, o["turn"], o["outputs"])
    _loop(f, o["outputs"], lambda j, _: f.store(f.load_scalar(o.at("x", j)), o.at("kept", first, j)))


@_body("prototype_cost", "weighted_cost")
def _prototype_cost(o: Operation, name: str) -> None:
    """Set the energy: 0.5 sum d d, or 0.5 float(sum factor d d) with the sum in double; d = output - prototype."""
    f, prototype = o.f, _row(o, "prototypes")
    weighted = name == "weighted_cost"
    factor = _row(o, "factors") if weighted else prototype

    def double(value: Value) -> Value:
        return f.cast(value, "double", "fpext")

    def term(j: Value, total: list[Value]) -> list[Value]:
        d = f.load_scalar(o.at("x", j)) - prototype(j)
        return [total[0] + (double(factor(j)) * double(d)) * double(d) if weighted else total[0] + d * d]

    zero = f.constant(0.0, f.machine.scalar)
    total = _loop(f, o["outputs"], term, [double(zero) if weighted else zero])[0]
    total = f.cast(total, f.machine.scalar, "fptrunc") if weighted else total
    _set_energy(o, total * f.constant(0.5, f.machine.scalar))


@_body("prototype_back", "weighted_back", "weighted_curvature")
def _prototype_back(o: Operation, name: str) -> None:
    """out.dx = d share, (d factor) share; curvature: out.ddx = factor share."""
    f = o.f

    def element(j: Value, _: object) -> None:
        value = None if name == "weighted_curvature" else f.load_scalar(o.at("x", j)) - _row(o, "prototypes")(j)
        if name != "prototype_back":
            factor = _row(o, "factors")(j)
            value = factor if value is None else value * factor
        assert value is not None
        f.store(value * o["share"], o.at("out", j))

    _loop(f, o["outputs"], element)


@_body("unit_cost")
def _unit_cost(o: Operation, name: str) -> None:
    """Set the energy to the output of the label's unit, or to 0 for unit -1, which means none."""
    f = o.f
    unit = _entry(f, o["labels"], o["turn"], "i64")
    some = f.instruction(f"icmp sge i64 {unit.text}, 0", "i1")
    output = f.load_scalar(o.at("x", f.select(some, unit, f.integer(0))))
    _set_energy(o, f.select(some, output, f.constant(0.0, f.machine.scalar)))


@_body("unit_back")
def _unit_back(o: Operation, name: str) -> None:
    """Set the gradient of the label's unit to the share, that of the others to 0."""
    f = o.f
    unit = _entry(f, o["labels"], o["turn"], "i64")
    zero = f.constant(0.0, f.machine.scalar)

    def element(j: Value, _: object) -> None:
        own = f.instruction(f"icmp eq i64 {j.text}, {unit.text}", "i1")
        f.store(f.select(own, o["share"], zero), o.at("out", j))

    _loop(f, o["outputs"], element)


# Updates


@_body("mix")
def _mix(o: Operation, name: str) -> None:
    """target = new source + old target; the old values are kept in `backup`."""
    f = o.f
    new, old = o.vector("new"), o.vector("old")

    def body(at: Value) -> Value:
        before = f.load(o.at("target", at))
        after = new * f.load(o.at("source", at)) + old * before
        f.store(before, o.at("backup", at))
        f.store(after, o.at("target", at))
        return after

    _over_vectors(o, body)


@_body("update")
def _update(o: Operation, name: str) -> None:
    """x += (direction rate) (-eta); the old values are kept in `backup`."""
    f = o.f
    minus_eta = o.vector("minus_eta")

    def body(at: Value) -> Value:
        before = f.load(o.at("x", at))
        after = before + (f.load(o.at("direction", at)) * f.load(o.at("rates", at))) * minus_eta
        f.store(before, o.at("backup", at))
        f.store(after, o.at("x", at))
        return after

    _over_vectors(o, body)


@_body("average")
def _average(o: Operation, name: str) -> None:
    """xaverage = (1 - kappa) xaverage + kappa x, with the kappa of this presentation."""
    f = o.f
    first = _times(f, o["turn"], 2)
    old, new = f.broadcast(o.at("kappas", first)), f.broadcast(o.at("kappas", first) + 1)

    def body(at: Value) -> None:
        before = f.load(o.at("target", at))
        f.store(before, o.at("backup", at))
        f.store(old * before + new * f.load(o.at("x", at)), o.at("target", at))

    _over_vectors(o, body)


def machine_for(lanes: int) -> Machine:
    """Return a machine for float32 that rounds every operation, with vectors of at most 8 numbers.

    More lanes would be empty more often than they save instructions.
    """
    return Machine(np.dtype(np.float32), min(lanes, 8), 16, strict=True)


_RUN = """
; Calls the operations (function, arguments) one after the other for each presentation, until one sets the flag.
; Adds 1 to %done after each presentation.
define void @run_operations(ptr %operations, i64 %count, i64 %turns, ptr %flag, ptr %done) {
entry:
  %before = load i64, ptr %done, align 8
  br label %turn
turn:
  %k = phi i64 [ 0, %entry ], [ %k.next, %finished ]
  %complete = add i64 %before, %k
  store i64 %complete, ptr %done, align 8
  %more = icmp slt i64 %k, %turns
  br i1 %more, label %operation, label %end
operation:
  %i = phi i64 [ 0, %turn ], [ %i.next, %followed ]
  %left = icmp slt i64 %i, %count
  br i1 %left, label %call, label %finished
call:
  %first = mul i64 %i, 2
  %second = add i64 %first, 1
  %function.at = getelementptr ptr, ptr %operations, i64 %first
  %arguments.at = getelementptr ptr, ptr %operations, i64 %second
  %function = load ptr, ptr %function.at, align 8
  %arguments = load ptr, ptr %arguments.at, align 8
  call void %function(ptr %arguments, i64 %k)
  %stop = load i64, ptr %flag, align 8
  %go = icmp eq i64 %stop, 0
  br i1 %go, label %followed, label %end
followed:
  %i.next = add i64 %i, 1
  br label %operation
finished:
  %k.next = add i64 %k, 1
  br label %turn
end:
  ret void
}
"""
