"""Write LLVM IR as text: vectors, counted loops and addresses, under readable names.

Python is the macro language: a Python loop unrolls, `Function.loop` emits a loop. Values overload + - * /, so that a
polynomial looks like one. A `Module` takes a `Machine` (lanes, registers, number type) and gives its text.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, Union

from snsim.engines.native.target import Address, Machine, number_text, pieces, plain_text

Number = Union["Value", float, int]
STOPPED = 1 << 61  # in place of the number of arrivals: the threads are not to wait any more
_SPINS = 20_000  # looks at it before a waiting thread rests: about 10 us
_EVEN = 4  # turns of a loop for each thread, from which on shares count as even
_INEXACT = ("contract", "arcp")  # flags that let a processor round differently


class Value:
    """A value of a function that is being written: its text and its type."""

    __slots__ = ("function", "text", "type")

    def __init__(self, function: Function, text: str, type: str):
        self.function, self.text, self.type = function, text, type

    def __add__(self, other: Number) -> Value:
        return self.function.op("fadd", self, other)

    def __sub__(self, other: Number) -> Value:
        return self.function.op("fsub", self, other)

    def __mul__(self, other: Number) -> Value:
        return self.function.op("fmul", self, other)

    def __truediv__(self, other: Number) -> Value:
        return self.function.op("fdiv", self, other)

    def __neg__(self) -> Value:
        return self.function.instruction(f"fneg {self.type} {self.text}", self.type)


Index = Value | int


class Module:
    """The text of one LLVM module: functions, and declarations of the intrinsics that they use.

    Names and comments may be any text: the IR holds `plain_text` of them.
    """

    def __init__(self, machine: Machine, *title: str):
        """Start a module; `title` are the comment lines at the top."""
        self.machine = machine
        self._title = title
        self._functions: list[Function] = []
        self._symbols: set[str] = set()
        self._declarations: dict[str, None] = {}

    def function(
        self, name: str, arguments: Sequence[tuple[str, str]], comment: str, exported: bool = False
    ) -> Function:
        """Start a function that returns nothing; `arguments` are (type, name).

        An exported function keeps its name, which no program chooses. The others get a symbol close to their name.
        """
        assert not exported or (name.isidentifier() and name.isascii() and name not in self._symbols)
        symbol = name if exported else self._free_symbol(name)
        self._symbols.add(symbol)
        function = Function(self, symbol, arguments, comment, exported)
        self._functions.append(function)
        return function

    def _free_symbol(self, name: str) -> str:
        """Return a symbol for a function: its own number is added where two names would become one symbol."""
        text = plain_text(name)
        if text.startswith("llvm."):  # the prefix of LLVM's intrinsics
            text = "_" + text
        return f"{text} ~{len(self._functions)}" if text in self._symbols else text  # no plain text has a ~

    def declare(self, text: str) -> None:
        self._declarations[text] = None

    def __str__(self) -> str:
        head = [f"; {plain_text(line)}".rstrip() for line in self._title]
        return "\n".join([*head, "", *self._declarations, "", *(str(f) for f in self._functions)])


class Function:
    """One function while it is written, block by block. Every method that computes returns a Value."""

    def __init__(self, module: Module, symbol: str, arguments: Sequence[tuple[str, str]], comment: str, exported: bool):
        self.module, self.machine, self._symbol = module, module.machine, f'@"{symbol}"'
        self.parts = 1  # the threads that run it at the same time; its argument `part` is the number of this one
        self.divides = False  # whether `nest` divides its loops among them
        linkage = "" if exported else "internal "
        self._head = (
            f"; {plain_text(comment)}\ndefine {linkage}void {self._symbol}("
            + ", ".join(f"{type}{' noalias' if type == 'ptr' else ''} %{called}" for type, called in arguments)
            + ") #0 {\nentry:"
        )
        self._lines: list[str] = []
        self._count = 0
        self._block = "entry"
        self._pointers: dict[tuple[object, ...], str] = {}
        self._constants: dict[tuple[object, ...], Value] = {}

    def __str__(self) -> str:
        return "\n".join([self._head, *self._lines, "  ret void", "}", ""])

    # ---- Plain instructions --------------------------------------------------------------------------------------

    def comment(self, text: str) -> None:
        self._lines.append(f"  ; {plain_text(text)}")

    def instruction(self, text: str, type: str, hint: str = "v") -> Value:
        self._count += 1
        name = f"%{hint}{self._count}"
        self._lines.append(f"  {name} = {text}")
        return Value(self, name, type)

    def constant(self, number: float, type: str | None = None) -> Value:
        """Return a number in every lane (or one number, if the type is the scalar one)."""
        type = type or self.machine.vector
        key = (float(number), struct.pack("d", number), type)
        if key not in self._constants:
            text = number_text(number, self.machine.dtype)
            if type.startswith("<"):
                text = "<" + ", ".join([f"{self.machine.scalar} {text}"] * self.machine.lanes) + ">"
            self._constants[key] = Value(self, text, type)
        return self._constants[key]

    @property
    def zero(self) -> Value:
        return Value(self, "zeroinitializer", self.machine.vector)

    def _lift(self, value: Number, like: Value) -> Value:
        return value if isinstance(value, Value) else self.constant(value, like.type)

    def op(self, name: str, a: Number, b: Number, flags: str = "") -> Value:
        """Emit `fadd fsub fmul fdiv` or an integer operation on values of one type."""
        if not isinstance(a, Value):
            assert isinstance(b, Value)
            a = self._lift(a, b)
        b = self._lift(b, a)
        flags = "" if self.machine.strict and flags in _INEXACT else flags
        return self.instruction(f"{name} {flags + ' ' if flags else ''}{a.type} {a.text}, {b.text}", a.type)

    def call(self, intrinsic: str, *args: Value) -> Value:
        """Emit a call of an LLVM intrinsic on values of one floating type, which is also the type of the result."""
        type = args[0].type
        suffix = self.machine.suffix if type.startswith("<") else f"f{self.machine.bits}"
        name = f"@llvm.{intrinsic}.{suffix}"
        self.module.declare(f"declare {type} {name}({', '.join([type] * len(args))})")
        return self.instruction(f"call {type} {name}({', '.join(f'{a.type} {a.text}' for a in args)})", type)

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """Emit a * b + c, rounded once where the processor can, unless the machine is strict."""
        if c.text == "zeroinitializer":
            return a * b
        if self.machine.strict:
            return a * b + c
        return self.call("fmuladd", a, b, c)

    # ---- Counts --------------------------------------------------------------------------------------------------

    def integer(self, number: int) -> Value:
        return Value(self, str(number), "i64")

    def divided_up(self, count: Value, size: Value) -> Value:
        """Emit the number of parts of `size` that hold `count`, the last one perhaps smaller."""
        return self.op("udiv", self.op("add", count, self.op("sub", size, self.integer(1))), size)

    def smaller(self, a: Value, b: Value) -> Value:
        return self.select(self.instruction(f"icmp slt i64 {a.text}, {b.text}", "i1"), a, b)

    def run(self, function: Function, *args: Value | str) -> None:
        """Emit a call of a function of this module; a string is a `ptr`."""
        texts = (f"{a.type} {a.text}" if isinstance(a, Value) else f"ptr {a}" for a in args)
        self._lines.append(f"  call void {function._symbol}({', '.join(texts)})")

    def argument(self, name: str, type: str) -> Value:
        return Value(self, f"%{name}", type)

    # ---- Comparing and choosing ----------------------------------------------------------------------------------

    def compare(self, how: str, a: Value, b: Number) -> Value:
        b = self._lift(b, a)
        type = self.machine.mask_vector if a.type.startswith("<") else "i1"
        return self.instruction(f"fcmp {how} {a.type} {a.text}, {b.text}", type)

    def select(self, condition: Value, a: Number, b: Number) -> Value:
        like = a if isinstance(a, Value) else b
        assert isinstance(like, Value)
        a, b = self._lift(a, like), self._lift(b, like)
        return self.instruction(
            f"select {condition.type} {condition.text}, {a.type} {a.text}, {b.type} {b.text}", a.type
        )

    def mask(self, chosen: Sequence[bool]) -> Value:
        """Return a constant truth value for each lane."""
        text = "<" + ", ".join(f"i1 {int(c)}" for c in chosen) + ">"
        return Value(self, text, self.machine.mask_vector)

    def first_lanes(self, value: Value, count: int) -> Value:
        """Emit the value with 0 in all lanes from `count` on."""
        lanes = self.machine.lanes
        return value if count >= lanes else self.select(self.mask([k < count for k in range(lanes)]), value, self.zero)

    # ---- Lanes ---------------------------------------------------------------------------------------------------

    def shuffle(self, a: Value, b: Value | None, lanes: Sequence[int]) -> Value:
        """Emit lanes of a (numbered from 0) and b (numbered on from there); -1 is any lane."""
        b_text = "poison" if b is None else b.text
        lane_texts = ", ".join("i32 poison" if lane < 0 else f"i32 {lane}" for lane in lanes)
        type = self.machine.vector if len(lanes) == self.machine.lanes else f"<{len(lanes)} x {self.machine.scalar}>"
        text = f"shufflevector {a.type} {a.text}, {a.type} {b_text}, <{len(lanes)} x i32> <{lane_texts}>"
        return self.instruction(text, type)

    def splat(self, scalar: Value) -> Value:
        m = self.machine
        one = self.instruction(f"insertelement {m.vector} poison, {m.scalar} {scalar.text}, i64 0", m.vector)
        text = f"shufflevector {m.vector} {one.text}, {m.vector} poison, <{m.lanes} x i32> zeroinitializer"
        return self.instruction(text, m.vector)

    def lane(self, vector: Value, lane: int) -> Value:
        return self.instruction(f"extractelement {vector.type} {vector.text}, i64 {lane}", self.machine.scalar)

    def cast(self, value: Value, type: str, how: str = "bitcast") -> Value:
        return self.instruction(f"{how} {value.type} {value.text} to {type}", type)

    # ---- Memory --------------------------------------------------------------------------------------------------

    def pointer(self, place: Address) -> str:
        """Return the pointer to an address; the part from loop indices is computed once in a block."""
        scalar, base = self.machine.scalar, place.base
        if place.terms:
            key = (place.base, place.terms)
            if key not in self._pointers:
                total = ""
                for text, stride in place.terms:
                    term = text if stride == 1 else self.instruction(f"mul nsw i64 {text}, {stride}", "i64", "i").text
                    total = self.instruction(f"add nsw i64 {total}, {term}", "i64", "i").text if total else term
                made = self.instruction(f"getelementptr inbounds {scalar}, ptr {base}, i64 {total}", "ptr", "p")
                if self.machine.in_order:  # LLVM would move offsets into it, and then add them for each load
                    made = self._passed([made])[0]
                self._pointers[key] = made.text
            base = self._pointers[key]
        if place.offset == 0:
            return base
        return self.instruction(f"getelementptr inbounds {scalar}, ptr {base}, i64 {place.offset}", "ptr", "p").text

    def name_pointer(self, name: str, place: Address) -> None:
        """Emit the pointer to an address under a name of its own, for use as the base of other addresses."""
        self._lines.append(f"  {name} = getelementptr inbounds {self.machine.scalar}, ptr {self.pointer(place)}, i64 0")

    def _align(self, place: Address, lanes: int) -> int:
        return self.machine.dtype.itemsize * (lanes if place.is_aligned(lanes) else 1)

    def load(self, place: Address) -> Value:
        """Emit the load of a vector."""
        m = self.machine
        return self.instruction(
            f"load {m.vector}, ptr {self.pointer(place)}, align {self._align(place, m.lanes)}", m.vector
        )

    def prefetch(self, place: Address, to_write: bool = True) -> None:
        """Emit the request to bring the cache line of an address near, to be read soon, and written if `to_write`."""
        self.module.declare("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        self._lines.append(
            f"  call void @llvm.prefetch.p0(ptr {self.pointer(place)}, i32 {int(to_write)}, i32 3, i32 1)"
        )

    def load_scalar(self, place: Address) -> Value:
        m = self.machine
        return self.instruction(f"load {m.scalar}, ptr {self.pointer(place)}, align {m.dtype.itemsize}", m.scalar, "s")

    def load_index(self, base: str, index: Value) -> Value:
        """Emit the load of entry `index` of an array of int32, as an i64."""
        at = self.instruction(f"getelementptr inbounds i32, ptr {base}, i64 {index.text}", "ptr", "p").text
        return self.cast(self.instruction(f"load i32, ptr {at}, align 4", "i32", "i"), "i64", "sext")

    def broadcast(self, place: Address) -> Value:
        """Emit the load of one number into every lane."""
        return self.splat(self.load_scalar(place))

    def in_order(self, values: Sequence[Value]) -> list[Value]:
        """Compute these values before anything that follows is loaded, where the machine needs this order.

        LLVM would load early, because WebAssembly has variables without end. JavaScript engines keep its order, and
        move vectors for which they have no register to memory and back.
        """
        if not self.machine.in_order or not values:
            return list(values)
        return self._passed(values, "sideeffect ", ",~{memory}")

    def _passed(self, values: Sequence[Value], kind: str = "", more: str = "") -> list[Value]:
        """Pass values through an empty piece of assembler, of which LLVM knows only what comes out."""
        types = [value.type for value in values]
        type = types[0] if len(types) == 1 else "{ " + ", ".join(types) + " }"
        constraints = ",".join([*["=r"] * len(values), *map(str, range(len(values)))]) + more
        arguments = ", ".join(f"{value.type} {value.text}" for value in values)
        passed = self.instruction(f'call {type} asm {kind}"", "{constraints}"({arguments})', type)
        if len(types) == 1:
            return [passed]
        return [self.instruction(f"extractvalue {type} {passed.text}, {k}", t) for k, t in enumerate(types)]

    def store(self, value: Value, place: Address) -> None:
        lanes = self.machine.lanes if value.type.startswith("<") else 1
        text = f"  store {value.type} {value.text}, ptr {self.pointer(place)}, align {self._align(place, lanes)}"
        self._lines.append(text)

    def load_first(self, place: Address, count: int) -> Value:
        """Emit the load of a vector with only `count` lanes: nothing beyond is read, and the other lanes are 0."""
        m = self.machine
        if count >= m.lanes:
            return self.load(place)
        result = self.zero
        for start, size in pieces(count):
            at = place + start
            if size == 1:
                scalar = self.load_scalar(at)
                result = self.instruction(
                    f"insertelement {m.vector} {result.text}, {m.scalar} {scalar.text}, i64 {start}", m.vector
                )
                continue
            type = f"<{size} x {m.scalar}>"
            piece = self.instruction(f"load {type}, ptr {self.pointer(at)}, align {m.dtype.itemsize}", type)
            wide = self.shuffle(piece, None, [k if k < size else -1 for k in range(m.lanes)])
            inside = range(start, start + size)
            result = self.shuffle(result, wide, [m.lanes + k - start if k in inside else k for k in range(m.lanes)])
        return result

    def store_lanes(self, value: Value, first: int, count: int, place: Address) -> None:
        """Emit the store of `count` lanes from lane `first` on, and nothing else."""
        m = self.machine
        if count == m.lanes:
            return self.store(value, place)
        for start, size in pieces(count):
            at = place + start
            lanes = range(first + start, first + start + size)
            if size == 1:
                self.store(self.lane(value, lanes[0]), at)
                continue
            part = self.shuffle(value, None, lanes)
            self._lines.append(f"  store {part.type} {part.text}, ptr {self.pointer(at)}, align {m.dtype.itemsize}")

    # ---- Loops ---------------------------------------------------------------------------------------------------

    def loop(
        self,
        count: Index,
        body: Callable[[Index, list[Value]], Any],
        carried: Sequence[Value] = (),
        name: str = "loop",
        start: Index = 0,
    ) -> list[Value]:
        """Emit a loop of `body(index, values)` for index = start ... start + count - 1 (at least one turn).

        `body` returns the next values of `carried` (if nothing is carried, its result is ignored). The result of `loop`
        is the values after the last turn. A count of 1 emits no loop.
        """
        if isinstance(count, int) and count == 1:
            return _values(body(start, list(carried)), carried)
        self._count += 1
        head, done, before = f"{name}{self._count}", f"{name}{self._count}.done", self._block
        first = start if isinstance(start, Value) else Value(self, str(start), "i64")
        last = count.text if isinstance(count, Value) else str(count)
        if first.text != "0":
            last = self.op("add", first, Value(self, last, "i64"), "nsw").text
        self._lines.append(f"  br label %{head}\n{head}:")
        self._enter(head)
        index = Value(self, f"%{name}.i{self._count}", "i64")
        at = len(self._lines)
        phis = []
        for value in carried:
            self._count += 1
            phis.append(Value(self, f"%c{self._count}", value.type))
        results = _values(body(index, phis), carried)
        following = self.op("add", index, Value(self, "1", "i64"), "nsw")
        heads = [f"  {index.text} = phi i64 [ {first.text}, %{before} ], [ {following.text}, %{self._block} ]"]
        for phi, value, result in zip(phis, carried, results):
            heads.append(
                f"  {phi.text} = phi {phi.type} [ {value.text}, %{before} ], [ {result.text}, %{self._block} ]"
            )
        self._lines[at:at] = heads
        more = self.instruction(f"icmp slt i64 {following.text}, {last}", "i1")
        self._lines.append(f"  br i1 {more.text}, label %{head}, label %{done}\n{done}:")
        self._enter(done)
        return results

    def nest(self, counts: Mapping[str, Index], body: Callable[..., Any], divided: Sequence[str] = ()) -> None:
        """Emit nested loops, the first outermost, that carry no values: `body(index, index, ...)`.

        If this function `divides` its work, each thread takes its share of one of the loops named in `divided`, or of
        all of them as one loop.
        """
        known = [count for name in divided if isinstance(count := counts[name], int)]
        shared = ""
        if self.divides and divided:
            if len(known) == len(divided) == len(counts) and not self.shares_evenly(max(known)):
                return self._divided_nest(known, body)
            shared = self._divided_loop({name: counts[name] for name in divided})

        def inside(names: list[str], indices: tuple[Index, ...]) -> Any:
            if not names:
                return body(*indices)

            def turn(index: Index, _: list[Value]) -> Any:
                return inside(names[1:], (*indices, index))

            if names[0] == shared:
                return self.while_loop(*self.share(counts[shared]), turn, [])
            return self.loop(counts[names[0]], turn, name=names[0])

        inside(list(counts), ())

    def _divided_nest(self, counts: Sequence[int], body: Callable[..., Any]) -> None:
        """Emit nested loops as one, of which each thread takes its share."""

        def turn(index: Index, _: list[Value]) -> Any:
            assert isinstance(index, Value)
            indices: list[Index] = []
            for count in reversed(counts):
                indices.insert(0, 0 if count == 1 else self.op("urem", index, self.integer(count)))
                index = index if count == 1 else self.op("udiv", index, self.integer(count))
            return body(*indices)

        self.while_loop(*self.share(prod(counts)), turn, [])

    def _divided_loop(self, counts: Mapping[str, Index]) -> str:
        """Return the longest of these loops, but one whose length is known here only if it gives even shares."""
        known = {name: count for name, count in counts.items() if isinstance(count, int)}
        longest = max(known, key=lambda name: known[name], default="")
        if known and self.shares_evenly(known[longest]):
            return longest
        return next((name for name in counts if name not in known), longest)

    def shares_evenly(self, count: int) -> bool:
        """Return whether the threads get about equal shares of so many turns of a loop."""
        return count >= _EVEN * self.parts

    def while_loop(
        self, start: Value, stop: Value, body: Callable[[Value, list[Value]], Any], carried: Sequence[Value]
    ) -> list[Value]:
        """Emit a loop as `loop` does, for index = start ... stop - 1, which may be no turn at all."""
        self._count += 1
        into, out, before = f"some{self._count}", f"none{self._count}", self._block
        some = self.instruction(f"icmp slt i64 {start.text}, {stop.text}", "i1")
        self._lines.append(f"  br i1 {some.text}, label %{into}, label %{out}\n{into}:")
        self._enter(into)

        def turn(index: Index, values: list[Value]) -> Any:
            assert isinstance(index, Value)  # as `start` is
            return body(index, values)

        results = self.loop(self.op("sub", stop, start), turn, carried, start=start)
        last = self._block
        self._lines.append(f"  br label %{out}\n{out}:")
        self._enter(out)
        return [
            self.instruction(f"phi {value.type} [ {value.text}, %{before} ], [ {result.text}, %{last} ]", value.type)
            for value, result in zip(carried, results)
        ]

    # ---- Threads -------------------------------------------------------------------------------------------------

    @property
    def part(self) -> Value:
        return self.argument("part", "i64")

    def share(self, count: Index) -> tuple[Value, Value]:
        """Emit the first and one past the last of `count` things that this thread takes."""
        total = count if isinstance(count, Value) else self.integer(count)
        ends = (self.part, self.op("add", self.part, self.integer(1)))
        first, stop = (self.op("udiv", self.op("mul", total, end), self.integer(self.parts)) for end in ends)
        return first, stop

    def share_size(self, count: int, most: int) -> int:
        """Return the size, at most `most`, of parts of `count` things that threads take in turn, with `alone`."""
        times = -(-count // most)
        return most if not self.divides else -(-count // (-(-times // self.parts) * self.parts))

    def when(self, condition: Value, body: Callable[[], Any]) -> None:
        """Emit code that runs if the condition (an i1) holds."""
        self._count += 1
        into, out = f"then{self._count}", f"else{self._count}"
        self._lines.append(f"  br i1 {condition.text}, label %{into}, label %{out}\n{into}:")
        self._enter(into)
        body()
        self._lines.append(f"  br label %{out}\n{out}:")
        self._enter(out)

    def alone(self, body: Callable[[], Any], turn: int = 0) -> None:
        """Emit code that one of the threads runs, the next one at the next turn."""
        if not self.divides:
            body()
        else:
            self.when(self.instruction(f"icmp eq i64 %part, {turn % self.parts}", "i1"), body)

    def meet(self) -> None:
        """Wait until all threads are here. If one of them will never come, return from the function.

        Its argument `meeting` (ptr) holds how often threads came to a meeting, or at least STOPPED to make all return.
        `rest` (i64) is the address of a function that lets other threads of this core go first.
        """
        if self.parts == 1:
            return
        here = self.instruction("atomicrmw add ptr %meeting, i64 1 acq_rel, align 8", "i64")
        turn = self.op("add", self.op("udiv", here, self.integer(self.parts)), self.integer(1))
        enough = self.smaller(self.op("mul", turn, self.integer(self.parts)), self.integer(STOPPED))
        rest = self.instruction("inttoptr i64 %rest to ptr", "ptr")
        self._count += 1
        n, before = self._count, self._block
        self._lines.append(
            f"""  br label %wait{n}
wait{n}:
  %spins{n} = phi i64 [ 0, %{before} ], [ %more{n}, %spin{n} ], [ 0, %resting{n} ]
  %there{n} = load atomic i64, ptr %meeting acquire, align 8
  %met{n} = icmp sge i64 %there{n}, {enough.text}
  br i1 %met{n}, label %all{n}, label %spin{n}
spin{n}:
  %more{n} = add i64 %spins{n}, 1
  %tired{n} = icmp sge i64 %more{n}, {_SPINS}
  br i1 %tired{n}, label %resting{n}, label %wait{n}
resting{n}:
  call void {rest.text}()
  br label %wait{n}
all{n}:
  %stopped{n} = icmp sge i64 %there{n}, {STOPPED}
  br i1 %stopped{n}, label %leave{n}, label %go{n}
leave{n}:
  ret void
go{n}:"""
        )
        self._enter(f"go{n}")

    def _enter(self, block: str) -> None:
        self._block = block
        self._pointers = {}


def _values(results: Any, carried: Sequence[Value]) -> list[Value]:
    return list(results) if carried else []
