"""SN-2.8's sums as compiled scalar loops over connections, newest first, each product and sum rounded.

The LLVM IR has no fast-math flags and no contraction, so the results equal those of SN's C code on a processor without
fused multiply-add. `numpy_sums.NumpyLoops` computes the same in NumPy. Importing this module needs llvmlite.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from snsim.engines.native import jit
from snsim.engines.native.llvm_ir import Function, Module, Value
from snsim.engines.native.target import Address, Machine
from snsim.sn28.net.adjacency import Edges, Memory, Units
from snsim.sn28.net.sweep_code import sweep_text

_EDGES = ("start", "other", "weight", "connection")
_C = {"ptr": ctypes.c_void_p, "i64": ctypes.c_int64, "float": ctypes.c_float}
_PARTS = 4  # partial sums of a sum that may be reordered, so that 4 additions run at a time
_MACHINE = Machine(np.dtype(np.float32), 1, 16)


class CompiledLoops:
    """The compiled loops; `numpy_sums.NumpyLoops` documents each method."""

    def __init__(self, reordered: bool = False) -> None:
        """Compile the loops. `reordered` computes sums in four parts. Raise SnError if LLVM lacks the processor."""
        self.name = "native, sums reordered" if reordered else "native"
        text, signatures = ir_text(reordered)
        sweep, operations = sweep_text()
        self._code = jit.Code(text + sweep, (*signatures, *operations))
        self.operations = {name: self._code.address(name) for name in operations}
        integer, pointer = ctypes.c_int64, ctypes.c_void_p
        self.run_sweep = ctypes.CFUNCTYPE(None, pointer, integer, pointer, integer, pointer)(
            self.operations["run_sweep"]
        )
        calls = {
            name: ctypes.CFUNCTYPE(None, *(_C[ir_type] for ir_type in ir_types))(self._code.address(name))
            for name, ir_types in signatures.items()
        }
        self._tanh, self._weighted_sum, self._square_sum = (
            calls[name] for name in ("tanh_of", "weighted_sum", "square_sum")
        )
        self._moved_sum, self._gather, self._average = (calls[name] for name in ("moved_sum", "gather", "average"))
        self._accumulate = {False: calls["accumulate"], True: calls["accumulate_by_connection"]}
        self._learn, self._learn_momentum = calls["learn"], calls["learn_momentum"]
        self._by_connection = {
            (momentum, newton): calls[_by_connection_name(momentum, newton)]
            for momentum in (False, True)
            for newton in (False, True)
        }

    def tanh(self, x: np.ndarray) -> np.ndarray:
        x = np.ascontiguousarray(x)
        out = np.empty_like(x)
        self._tanh(x.ctypes.data, len(x), out.ctypes.data)
        return out

    def weighted_sum(self, units: Units, edges: Edges, w: Memory, x: Memory, out: Memory) -> None:
        self._weighted_sum(*_loop_arguments(units, edges), w.address, x.address, out.address)

    def square_sum(self, units: Units, edges: Edges, w: Memory, h: Memory, out: Memory) -> None:
        self._square_sum(*_loop_arguments(units, edges), w.address, h.address, out.address)

    def moved_sum(self, units: Units, edges: Edges, w: Memory, t: Memory, d: Memory, x: Memory, out: Memory) -> None:
        self._moved_sum(*_loop_arguments(units, edges), w.address, t.address, d.address, x.address, out.address)

    def accumulate(
        self, units: Units, edges: Edges, x: Memory, g: Memory, rate: Memory, on_connection: bool, acc: Memory
    ) -> None:
        self._accumulate[on_connection](*_loop_arguments(units, edges), x.address, g.address, rate.address, acc.address)

    def gather(self, units: Units, edges: Edges, sigma: Memory, hess: Memory) -> None:
        self._gather(*_loop_arguments(units, edges), sigma.address, hess.address)

    def average(self, units: Units, edges: Edges, gamma: float, gg: Memory, x: Memory, sigma: Memory) -> None:
        self._average(*_loop_arguments(units, edges), gamma, gg.address, x.address, sigma.address)

    def learn(
        self,
        units: Units,
        edges: Edges,
        alpha: float,
        decay: float,
        x: Memory,
        g: Memory,
        rate: Memory,
        w: Memory,
        delta: Memory,
    ) -> None:
        learn = self._learn if alpha == 0 else self._learn_momentum
        learn(
            *_loop_arguments(units, edges), alpha, decay, x.address, g.address, rate.address, w.address, delta.address
        )

    def learn_by_connection(
        self,
        units: Units,
        edges: Edges,
        alpha: float,
        decay: float,
        x: Memory,
        g: Memory,
        rate: Memory,
        sigma: Memory,
        mu: float | None,
        w: Memory,
        delta: Memory,
    ) -> None:
        self._by_connection[alpha != 0, mu is not None](
            *_loop_arguments(units, edges),
            alpha,
            decay,
            0.0 if mu is None else mu,
            x.address,
            g.address,
            rate.address,
            sigma.address,
            w.address,
            delta.address,
        )


def _loop_arguments(units: Units, edges: Edges) -> tuple[int, ...]:
    return (
        units.memory.address,
        units.count,
        edges.start.address,
        edges.other.address,
        edges.weight.address,
        edges.connection.address,
    )


# The text


def ir_text(reordered: bool = False) -> tuple[str, dict[str, tuple[str, ...]]]:
    """Return the text of the LLVM module, and the argument types of each function in it."""
    title = "SN-2.8's sums over connections, " + ("in four parts" if reordered else "newest first")
    writer = IrWriter(Module(_MACHINE, title), _PARTS if reordered else 1)
    writer.write_tanh()
    writer.write_sums()
    writer.write_accumulators()
    writer.write_updates()
    return str(writer.module), writer.signatures


def _by_connection_name(momentum: bool, newton: bool) -> str:
    return "learn_by_connection" + ("_momentum" if momentum else "") + ("_newton" if newton else "")


class IrWriter:
    """Writes the functions into an LLVM module."""

    def __init__(self, module: Module, parts: int):
        self.module, self.parts = module, parts
        self.signatures: dict[str, tuple[str, ...]] = {}

    def function(self, name: str, arguments: Sequence[tuple[str, str]], comment: str) -> Function:
        self.signatures[name] = tuple(ir_type for ir_type, _ in arguments)
        return self.module.function(name, arguments, comment, exported=True)

    def over_units(
        self, name: str, numbers: Sequence[str], arrays: Sequence[str], comment: str, body: Callable[[UnitLoop], Any]
    ) -> None:
        """Write a function that runs `body` for each unit of a list."""
        f = self.function(
            name,
            [
                ("ptr", "units"),
                ("i64", "count"),
                *(("ptr", name) for name in _EDGES),
                *(("float", name) for name in numbers),
                *(("ptr", name) for name in arrays),
            ],
            comment,
        )
        count = f.argument("count", "i64")

        def one(i: Any, _: list[Value]) -> None:
            body(UnitLoop(f, f.load_index("%units", i), self.parts))

        f.while_loop(Value(f, "0", "i64"), count, one, [])

    def write_tanh(self) -> None:
        self.module.declare("declare double @tanh(double)")
        f = self.function("tanh_of", [("ptr", "x"), ("i64", "count"), ("ptr", "out")], "C's tanh, rounded")

        def one(i: Any, _: list[Value]) -> None:
            x = f.cast(f.load_scalar(_at("x", i)), "double", "fpext")
            t = f.instruction(f"call double @tanh(double {x.text})", "double")
            f.store(f.cast(t, "float", "fptrunc"), _at("out", i))

        f.while_loop(Value(f, "0", "i64"), f.argument("count", "i64"), one, [])

    def write_sums(self) -> None:
        def weighted(loop: UnitLoop) -> None:
            loop.store("out", loop.total(lambda c, s: s + c.of_weight("w") * c.of_other("x")))

        def square(loop: UnitLoop) -> None:
            def term(c: LoopConnection, s: Value) -> Value:
                w = c.of_weight("w")
                return s + (w * w) * c.of_other("h")

            old = loop.load("out")
            total = loop.total(term)
            loop.store(
                "out",
                loop.f.instruction(f"select i1 {loop.has_some.text}, float {total.text}, float {old.text}", "float"),
            )

        def moved(loop: UnitLoop) -> None:
            loop.store(
                "out",
                loop.total(lambda c, s: (s + c.of_weight("w") * c.of_other("t")) + c.of_weight("d") * c.of_other("x")),
            )

        self.over_units("weighted_sum", (), ("w", "x", "out"), "out = sum of w x", weighted)
        self.over_units("square_sum", (), ("w", "h", "out"), "out = sum of w^2 h, if there is any", square)
        self.over_units("moved_sum", (), ("w", "t", "d", "x", "out"), "out = sum of w t, then d x", moved)

    def write_accumulators(self) -> None:
        def accumulate(loop: UnitLoop) -> None:
            step = loop.load("g") * loop.load("rate")
            loop.each(lambda c: c.store("acc", c.weight, c.of_weight("acc") + c.of_other("x") * step))

        def by_connection(loop: UnitLoop) -> None:
            g = loop.load("g")
            loop.each(
                lambda c: c.store("acc", c.weight, c.of_weight("acc") + c.of_other("x") * (g * c.of_connection("rate")))
            )

        def gather(loop: UnitLoop) -> None:
            loop.each(lambda c: c.store("hess", c.weight, c.of_weight("hess") + c.of_connection("sigma")))

        def average(loop: UnitLoop) -> None:
            gamma = loop.f.argument("gamma", "float")
            decay_factor = loop.f.op("fsub", 1.0, gamma)
            share = gamma * loop.load("gg")

            def one(c: LoopConnection) -> None:
                x = c.of_other("x")
                c.store("sigma", c.connection, decay_factor * c.of_connection("sigma") + share * (x * x))

            loop.each(one)

        self.over_units("accumulate", (), ("x", "g", "rate", "acc"), "acc += x (g e), e of the unit", accumulate)
        self.over_units(
            "accumulate_by_connection",
            (),
            ("x", "g", "rate", "acc"),
            "acc += x (g e), e of the connection",
            by_connection,
        )
        self.over_units("gather", (), ("sigma", "hess"), "hess += sigma", gather)
        self.over_units(
            "average", ("gamma",), ("gg", "x", "sigma"), "sigma = (1 - gamma) sigma + (gamma gg) x^2", average
        )

    def write_updates(self) -> None:
        for momentum in (False, True):
            self.over_units(
                "learn_momentum" if momentum else "learn",
                ("alpha", "decay"),
                ("x", "g", "rate", "w", "delta"),
                "one weight a connection, e of the unit",
                partial(_learn, momentum=momentum),
            )
            for newton in (False, True):
                self.over_units(
                    _by_connection_name(momentum, newton),
                    ("alpha", "decay", "mu"),
                    ("x", "g", "rate", "sigma", "w", "delta"),
                    "one weight a connection, e of its own",
                    partial(_by_connection, momentum=momentum, newton=newton),
                )


def _learn(loop: UnitLoop, momentum: bool) -> None:
    f = loop.f
    e = loop.load("rate")
    step = loop.load("g") * e
    if momentum:
        step = f.op("fsub", 1.0, f.argument("alpha", "float")) * step
    decay_factor = f.op("fsub", 1.0, e * f.argument("decay", "float"))
    loop.each(lambda c: _move(c, c.of_other("x") * step, decay_factor, momentum))


def _by_connection(loop: UnitLoop, momentum: bool, newton: bool) -> None:
    f = loop.f
    g = loop.load("g")
    if momentum:
        g = f.op("fsub", 1.0, f.argument("alpha", "float")) * g

    def one(c: LoopConnection) -> None:
        e = c.of_connection("rate")
        if newton:
            e = e / (f.argument("mu", "float") + f.call("fabs", c.of_connection("sigma")))
        decay_factor = f.op("fsub", 1.0, e * f.argument("decay", "float"))
        _move(c, c.of_other("x") * (g * e), decay_factor, momentum)

    loop.each(one)


def _move(link: LoopConnection, move: Value, decay_factor: Value, momentum: bool) -> None:
    if momentum:
        move = link.f.argument("alpha", "float") * link.of_weight("delta") + move
    link.store("delta", link.weight, move)
    link.store("w", link.weight, decay_factor * link.of_weight("w") + move)


def _at(base: str, index: Value) -> Address:
    return Address(0, ((index.text, 1),), f"%{base}")


class UnitLoop:
    """Code for one unit, inside the loop over units."""

    def __init__(self, f: Function, unit: Value, parts: int):
        self.f, self.unit, self.parts = f, unit, parts
        self.first = f.load_index("%start", unit)
        self.end = f.load_index("%start", f.op("add", unit, Value(f, "1", "i64"), "nsw"))
        self.has_some = f.instruction(f"icmp slt i64 {self.first.text}, {self.end.text}", "i1")

    def load(self, field: str) -> Value:
        return self.f.load_scalar(_at(field, self.unit))

    def store(self, field: str, value: Value) -> None:
        self.f.store(value, _at(field, self.unit))

    def total(self, term: Callable[[LoopConnection, Value], Value]) -> Value:
        """Return the sum of a term over the unit's connections; with 4 parts, connection k is added to part k mod 4."""
        f, zero = self.f, self.f.constant(0.0, "float")
        if self.parts == 1:
            return f.while_loop(self.first, self.end, lambda k, s: [term(LoopConnection(f, k), s[0])], [zero])[0]
        size = Value(f, str(self.parts), "i64")
        rounds = f.op("sdiv", f.op("sub", self.end, self.first), size)

        def one_of_each(i: Value, sums: list[Value]) -> list[Value]:
            start = f.op("add", self.first, f.op("mul", i, size))
            return [
                term(LoopConnection(f, f.op("add", start, Value(f, str(part), "i64"))), s)
                for part, s in enumerate(sums)
            ]

        sums = f.while_loop(Value(f, "0", "i64"), rounds, one_of_each, [zero] * self.parts)
        rest = f.op("add", self.first, f.op("mul", rounds, size))
        last = f.while_loop(rest, self.end, lambda k, s: [term(LoopConnection(f, k), s[0])], sums[:1])[0]
        return (last + sums[1]) + (sums[2] + sums[3])

    def each(self, body: Callable[[LoopConnection], None]) -> None:
        self.f.while_loop(self.first, self.end, lambda k, _: body(LoopConnection(self.f, k)), [])


class LoopConnection:
    """Code for one connection, inside the loop over the connections of a unit."""

    def __init__(self, f: Function, position: Value):
        self.f, self.position = f, position
        self._read: dict[str, Value] = {}

    def _index(self, name: str) -> Value:
        if name not in self._read:
            self._read[name] = self.f.load_index(f"%{name}", self.position)
        return self._read[name]

    @property
    def weight(self) -> Value:
        return self._index("weight")

    @property
    def connection(self) -> Value:
        return self._index("connection")

    def of_weight(self, field: str) -> Value:
        return self.f.load_scalar(_at(field, self.weight))

    def of_other(self, field: str) -> Value:
        return self.f.load_scalar(_at(field, self._index("other")))

    def of_connection(self, field: str) -> Value:
        return self.f.load_scalar(_at(field, self.connection))

    def store(self, field: str, index: Value, value: Value) -> None:
        self.f.store(value, _at(field, index))
