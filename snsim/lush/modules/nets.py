"""Ready nets, and the tables of their layers. See docs/reference/gblearn2.md, section 11."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from snsim.language.builtins.arithmetic import whole
from snsim.language.forms import NIL, Form, Symbol, symbol
from snsim.language.objects import Object
from snsim.language.procedures import CallError
from snsim.lush.idx import Idx
from snsim.lush.modules.built_in import (
    INTEGERS,
    NUMBER,
    WHOLE,
    built_in_class,
    constructor,
    make,
    message,
    shown,
    vector,
)
from snsim.lush.modules.layers import CLayer, FLayer, SLayer
from snsim.lush.modules.roots import BBPROP, BPROP, FORGET, FPROP, Idx3Module, WithParameters
from snsim.lush.modules.squashers import Idx3Squasher
from snsim.lush.modules.states_and_params import PARAM, STATES, Param, State, state
from snsim.lush.vocabulary import word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

TABLE = vector(2, INTEGERS, "(full-table 1 6) makes one: a row (from to) for each kernel")


@word("full-table", makes=True)
def full_table(interpreter: Interpreter, a: Form, b: Form) -> Idx:
    """(full-table a b): the table that joins each of `a` maps to each of `b` maps"""
    sources, targets = whole("full-table", a), whole("full-table", b, 1)
    for i, count in enumerate((sources, targets)):
        if count < 1:
            raise CallError(f"full-table: {count} maps", i, "write a number from 1 on")
    interpreter.budget.make_matrix(2 * sources * targets, "full-table")
    table = np.empty((targets, sources, 2), np.int32)
    table[..., 0], table[..., 1] = np.arange(sources), np.arange(targets)[:, None]
    return Idx.of(table.reshape(-1, 2))


def lenet5_table() -> Idx:
    """Return LeNet-5's table of 60 rows, from 6 maps to 16 (LeCun et al. 1998, table 1)."""
    three = [[(k + i) % 6 for i in range(3)] for k in range(6)]
    four = [[(k + i) % 6 for i in range(4)] for k in range(6)]
    split = [[0, 1, 3, 4], [1, 2, 4, 5], [2, 3, 5, 0]]
    sources = [*three, *four, *split, list(range(6))]
    rows = [(source, target) for target, maps in enumerate(sources) for source in maps]
    return Idx.of(np.array(rows, np.int32))


class Chain(WithParameters, Idx3Module):
    """A net of modules one behind the other, each in a slot, with a state between each two.

    `parts` are their names in the order of the slots: "c0" has the slots c0-module and c0-state.
    """

    parts: ClassVar[tuple[str, ...]] = ()
    forget_order: ClassVar[tuple[str, ...]] = ()
    module_slots: ClassVar[dict[str, Symbol]] = {}
    state_slots: ClassVar[list[Symbol]] = []

    def __init_subclass__(cls) -> None:
        cls.module_slots = {part: symbol(f"{part}-module") for part in cls.parts}
        cls.state_slots = [symbol(f"{part}-state") for part in cls.parts[:-1]]

    def module(self, part: str) -> Form:
        """Return the module of a part."""
        self.store()
        return self.slots[self.module_slots[part]]

    def states(self, source: State, out: State) -> list[Form]:
        """Return input, states between the modules, and output."""
        self.store()
        return [source, *[self.slots[slot] for slot in self.state_slots], out]

    def put(self, part: str, module: Object) -> None:
        """Set the slots of a module and of the state behind it."""
        self.set(symbol(f"{part}-module"), module)
        if part != self.parts[-1]:
            self.set(symbol(f"{part}-state"), self.new(STATES[3, 2], 1.0, 1.0, 1.0))

    def _through(self, selector: Symbol, source: State, out: State, backwards: bool) -> Form:
        states = self.states(source, out)
        steps = list(zip(self.parts, states, states[1:]))
        for part, before, after in reversed(steps) if backwards else steps:
            self.send(self.module(part), selector, before, after)
        return NIL

    def squasher(self) -> Object:
        return self.new(Idx3Squasher)

    def c_layer(self, part: str, kernel: tuple[int, int], table: Idx, param: Param) -> int:
        """Make a c-layer; return its number of maps."""
        thick = 1 + int(table.array[:, 1].max())
        rows, columns = map(float, kernel)
        self.put(
            part,
            self.new(CLayer, rows, columns, 1.0, 1.0, table, float(thick), 1.0, 1.0, self.squasher(), param),
        )
        return thick

    def s_layer(self, part: str, block: tuple[int, int], thick: int, param: Param) -> None:
        rows, columns = map(float, block)
        self.put(part, self.new(SLayer, rows, columns, float(thick), 1.0, 1.0, self.squasher(), param))

    def f_layer(self, part: str, tin: int, tout: int, param: Param) -> None:
        self.put(part, self.new(FLayer, float(tin), float(tout), 1.0, 1.0, self.squasher(), param))

    @message("fprop", state(3), state(3))
    def fprop(self, source: State, out: State) -> Form:
        """(==> net fprop in out): runs the modules from front to back"""
        return self._through(FPROP, source, out, backwards=False)

    @message("bprop", state(3, 1), state(3, 1))
    def bprop(self, source: State, out: State) -> Form:
        """(==> net bprop in out): sends bprop to the modules from back to front"""
        return self._through(BPROP, source, out, backwards=True)

    @message("bbprop", state(3, 2), state(3, 2))
    def bbprop(self, source: State, out: State) -> Form:
        """(==> net bbprop in out): sends bbprop to the modules from back to front"""
        return self._through(BBPROP, source, out, backwards=True)

    @message("forget", NUMBER, NUMBER)
    def forget(self, v: float, p: float) -> Form:
        """(==> net forget v p): draws the initial parameters of all modules"""
        for part in self.forget_order or self.parts:
            self.send(self.module(part), FORGET, v, p)
        return NIL


def slots_of(*parts: str) -> tuple[str, ...]:
    """Return the names of the slots of a chain: c0-module c0-state ... f-module."""
    return tuple(f"{part}-{kind}" for part in parts for kind in ("module", "state"))[:-1]


@built_in_class("net-ff", slots=slots_of("f0", "f1"))
class NetFf(Chain):
    """a net with one hidden layer"""

    parts = ("f0", "f1")
    forget_order = ("f1", "f0")

    @constructor(WHOLE, WHOLE, WHOLE, WHOLE, WHOLE, PARAM)
    def make(self, inputs: int, hidden: int, outputs: int, si: int, sj: int, param: Param) -> None:
        """(new net-ff in hid out si sj param): in maps, hid hidden maps, out output maps"""
        self.f_layer("f0", inputs, hidden, param)
        self.f_layer("f1", hidden, outputs, param)


@built_in_class("net-cscf", slots=slots_of("c0", "s0", "c2", "f"))
class NetCscf(Chain):
    """a net of convolution, subsampling, convolution, and full connections"""

    parts = ("c0", "s0", "c2", "f")

    @constructor(WHOLE, WHOLE, WHOLE, WHOLE, TABLE, WHOLE, WHOLE, WHOLE, WHOLE, TABLE, WHOLE, PARAM)
    def make(
        self,
        h: int,
        w: int,
        k0: int,
        k0_columns: int,
        t0: Idx,
        s0: int,
        s0_columns: int,
        k2: int,
        k2_columns: int,
        t2: Idx,
        outs: int,
        param: Param,
    ) -> None:
        """(new net-cscf h w k0 k0' t0 s0 s0' k2 k2' t2 outs param): kernels k0 x k0' and k2 x k2', blocks s0 x s0'"""
        thick = self.c_layer("c0", (k0, k0_columns), t0, param)
        self.s_layer("s0", (s0, s0_columns), thick, param)
        self.f_layer("f", self.c_layer("c2", (k2, k2_columns), t2, param), outs, param)


@built_in_class("net-cscscf", slots=slots_of("c0", "s0", "c1", "s1", "c2", "f"))
class NetCscscf(Chain):
    """a net of convolution and subsampling, twice, convolution, and full connections: LeNet-5"""

    parts = ("c0", "s0", "c1", "s1", "c2", "f")

    @constructor(
        WHOLE,
        WHOLE,
        *(WHOLE, WHOLE, TABLE, WHOLE, WHOLE),
        *(WHOLE, WHOLE, TABLE, WHOLE, WHOLE),
        *(WHOLE, WHOLE, TABLE, WHOLE),
        PARAM,
    )
    def make(
        self,
        h: int,
        w: int,
        k0: int,
        k0_columns: int,
        t0: Idx,
        s0: int,
        s0_columns: int,
        k1: int,
        k1_columns: int,
        t1: Idx,
        s1: int,
        s1_columns: int,
        k2: int,
        k2_columns: int,
        t2: Idx,
        outs: int,
        param: Param,
    ) -> None:
        """(new net-cscscf h w k0 k0' t0 s0 s0' k1 k1' t1 s1 s1' k2 k2' t2 outs param): kernels k, blocks s, tables t"""
        thick = self.c_layer("c0", (k0, k0_columns), t0, param)
        self.s_layer("s0", (s0, s0_columns), thick, param)
        thick = self.c_layer("c1", (k1, k1_columns), t1, param)
        self.s_layer("s1", (s1, s1_columns), thick, param)
        self.f_layer("f", self.c_layer("c2", (k2, k2_columns), t2, param), outs, param)


@word("new-lenet5")
def new_lenet5(
    interpreter: Interpreter,
    h: Form,
    w: Form,
    k0: Form,
    k0_columns: Form,
    s0: Form,
    s0_columns: Form,
    k1: Form,
    k1_columns: Form,
    s1: Form,
    s1_columns: Form,
    hid: Form,
    outs: Form,
    param: Form,
) -> Object:
    """(new-lenet5 h w k0 k0' s0 s0' k1 k1' s1 s1' hid outs param): LeNet-5 for pictures of h x w

    The net of the paper, for 32 x 32, is (new-lenet5 32 32 5 5 2 2 5 5 2 2 120 10 param).
    """
    sizes = [
        whole("new-lenet5", size, i)
        for i, size in enumerate((h, w, k0, k0_columns, s0, s0_columns, k1, k1_columns, s1, s1_columns, hid, outs))
    ]
    for i, size in enumerate(sizes):
        if size < 1:
            raise CallError(f"new-lenet5: the size {size} is not above 0", i, "write a number from 1 on")
    if not isinstance(param, Param):
        raise CallError(f"new-lenet5: {shown(param)} is not a param", 12, "(new idx1-ddparam 0 60000) makes one")
    height, width, *steps, hidden, _ = sizes
    rest = []
    for size, kernel0, block0, kernel1, block1 in ((height, *steps[0::2]), (width, *steps[1::2])):
        left = ((size - kernel0 + 1) // block0 - kernel1 + 1) // block1
        if left < 1:
            raise CallError(
                f"new-lenet5: a picture of {height} x {width} is too small for these kernels and blocks",
                0,
                "take a larger picture, such as 32 x 32, or smaller kernels",
            )
        rest.append(left)
    table0 = full_table(interpreter, 1.0, 6.0)
    table2 = full_table(interpreter, 16.0, float(hidden))
    numbers = list(map(float, sizes))
    return make(
        interpreter,
        NetCscscf,
        *numbers[:4],
        table0,
        *numbers[4:8],
        lenet5_table(),
        *numbers[8:10],
        *map(float, rest),
        table2,
        numbers[11],
        param,
    )
