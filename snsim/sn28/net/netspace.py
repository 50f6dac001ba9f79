"""The net of one SN-2.8 program: units, connections and weights as arrays, and how they come to be.

See docs/reference/sn28.md, section 2.

Everything is single precision. A unit is a number, 0 the bias; a connection has one record by order of creation, a
weight one too: without sharing, connection and weight k are made together. Newest first is the order of every sum.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.forms import NIL, Form, Pair, symbol
from snsim.language.procedures import CallError
from snsim.sn28.net.adjacency import Edges, Memory, Units, edges, memory
from snsim.sn28.net.field_numbers import FieldNumbers
from snsim.sn28.net.kernels import Kernel, kernel_named, missing, needed, smallest
from snsim.sn28.net.numpy_sums import SumLoops, sum_loops
from snsim.sn28.runtime.settings import Settings

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

VAL, SUM, GRAD, BACKSUM, EPSILON = 1, 2, 3, 4, 5
GGRAD, SQBACKSUM, SIGMA, SPARE1, SPARE2, SPARE3 = 8, 9, 10, 11, 12, 13
_UNIT_FIELDS = 14
_KEPT_LAYERS = 256


class Netspace:
    """The net of one program, found by `interpreter.part(Netspace)`.

    `unit[f]` is unit field f (SN's number) over all units; `weight_val delta acc hess` over weights; `rate` and
    `sigma` over connections; `pre post weight alive` say what connection k joins and with which weight.
    """

    def __init__(self, interpreter: Interpreter, loops: SumLoops | None = None):
        self.interpreter = interpreter
        self._loops = loops
        self._kernel: Kernel | None = None
        self._stated = ""  # who stated the kernel, if it was
        self.learned = False  # whether weights were changed by a rule, which depends on the kernel
        self._layers: dict[int, tuple[Pair, int, Units]] = {}
        self.told_of_longer_patterns = False
        self._allocate(0, 0, 0)

    @property
    def loops(self) -> SumLoops:
        """What computes: compiled, in SN's order of summation unless `reorder_sums` was called."""
        if self._loops is None:
            self._loops = sum_loops()
        return self._loops

    def reorder_sums(self) -> None:
        """From now on sums are added in four parts, which is faster and changes the last digits."""
        self._loops = sum_loops(True)

    # The kernel

    @property
    def kernel(self) -> Kernel:
        """What was stated by `set_kernel` or `prefer`; else what the texts read so far need, decided now."""
        if self._kernel is None:
            self._kernel = needed(self.interpreter.sources, self.interpreter.functions)
        return self._kernel

    def prefer(self, name: str) -> None:
        """Take this kernel unless the program states one itself."""
        if self._stated != "the program":
            self._kernel, self._stated = kernel_named(name), "the command line"

    def set_kernel(self, name: str) -> None:
        """The program's own `libload`. CallError if it has a net of another kernel already."""
        wanted = kernel_named(name)
        if self._kernel not in (None, wanted) and self.nnum > 1:
            raise CallError(
                f"the net was made with kernel {self._kernel.name}, {name} comes too late",
                0,
                f'write (libload "sn28/{name}") before the net is made',
            )
        self._kernel, self._stated = wanted, "the program"
        self.interpreter.part(Settings)
        self.interpreter.part(FieldNumbers)
        self.tell_sizes()

    def require(self, modes: Iterable[str], who: str) -> None:
        """See that the kernel has these modes. CallError, naming the kernels that have them, if it does not.

        A kernel that nobody stated grows with what is asked of it, until weights have been learnt with it.
        """
        modes = frozenset(modes)
        now = self.kernel
        if now.has(modes):
            return
        if self._stated:
            raise missing(who, modes, now)
        if self.learned:
            raise missing(who, modes, now, ", with which this program has learnt already")
        wider = smallest([m for m in ("iterative", "newton") if m in modes or now.has([m])])
        if wider.newton and not now.newton:
            own = self.post.array[: self.snum]
            self.rate.array[: self.snum] = self.unit[EPSILON].array[own]
        self._kernel = wider
        self.tell_sizes()

    # Memory

    def alloc_net(self, units: int, connections: int, weights: int | None = None) -> int:
        """Room for a new net, the bias among the units; what there was is gone. Gives the bytes."""
        if weights is not None and weights != connections:
            self.require(["iterative"], "alloc-net with a number of weights")
        weights = connections if weights is None else weights
        if units < 1 or connections < 0 or weights < 0:
            raise CallError(
                f"alloc-net: no net has {units} units, {connections} connections and {weights} weights",
                0,
                "write (alloc-net units connections [weights]); the bias is one of the units",
            )
        if weights > connections:
            raise CallError(
                f"alloc-net: {weights} weights are more than the {connections} connections",
                2,
                f"write at most {connections}, or leave the weights out",
            )
        self.interpreter.budget.check_matrix(max(units, connections), "alloc-net")
        self._allocate(units, connections, weights)
        self._begin()
        return sum(m.array.nbytes for m in self._fields()) + 4 * (3 * connections + weights)

    def _allocate(self, units: int, connections: int, weights: int) -> None:
        self.nmax, self.smax, self.wmax = units, connections, weights
        self.unit = [memory(row) for row in np.zeros((_UNIT_FIELDS, units), np.float32)]
        self.pre, self.post, self.weight = (memory(np.zeros(connections, np.int32)) for _ in range(3))
        self.alive = np.zeros(connections, bool)
        self.rate, self.sigma = (memory(np.zeros(connections, np.float32)) for _ in range(2))
        self.weight_val, self.delta, self.acc, self.hess = (memory(np.zeros(weights, np.float32)) for _ in range(4))
        self.sharers = np.zeros(weights, np.int32)
        self._empty(0)

    def _empty(self, units: int) -> None:
        self.nnum, self.snum, self.wnum = units, 0, 0
        self.found: dict[tuple[int, int], int] = {}  # (pre, post) of every connection
        self.learned = False
        self._layers.clear()
        self._changed()

    def clear_net(self) -> None:
        """Only the bias unit is left, if there is room for one."""
        for field in self._fields():
            field.array[:] = 0
        self.alive[:] = False
        self.sharers[:] = 0
        self._begin()

    def _begin(self) -> None:
        """The bias, and nothing else; all fields are 0."""
        self._empty(min(1, self.nmax))
        self.unit[VAL].array[: self.nnum] = 1
        self.tell_sizes()

    def _fields(self) -> list[Memory]:
        return [*self.unit, self.rate, self.sigma, self.weight_val, self.delta, self.acc, self.hess]

    def _changed(self) -> None:
        """Connections came or went: what was made of them is made anew."""
        self._incoming: Edges | None = None
        self._outgoing: Edges | None = None
        self._everything: Units | None = None

    def tell_sizes(self) -> None:
        """Set SN's variables of the sizes."""
        for name, value in (("nnum", self.nnum), ("nmax", self.nmax), ("snum", self.snum), ("smax", self.smax)):
            self.interpreter.fix(symbol(name), float(value))
        if self._kernel is not None and self._kernel.iterative:
            self.interpreter.fix(symbol("wnum"), float(self.wnum))
            self.interpreter.fix(symbol("wmax"), float(self.wmax))

    # Views

    @property
    def incoming(self) -> Edges:
        """The connections by the unit they enter."""
        if self._incoming is None:
            self._incoming = edges(self.nnum, self.post.array, self.pre.array, self.weight.array, self._living())
        return self._incoming

    @property
    def outgoing(self) -> Edges:
        """The connections by the unit they leave."""
        if self._outgoing is None:
            self._outgoing = edges(self.nnum, self.pre.array, self.post.array, self.weight.array, self._living())
        return self._outgoing

    @property
    def everything(self) -> Units:
        """All units, the bias first."""
        if self._everything is None:
            self._everything = Units(np.arange(self.nnum))
        return self._everything

    def _living(self) -> np.ndarray:
        return np.flatnonzero(self.alive[: self.snum])

    # Building

    def newneurons(self, count: int) -> range:
        """The numbers of so many new units."""
        if count < 0:
            raise CallError(f"newneurons: {count} is no number of units", 0, "write 1 or more")
        if self.nnum + count > self.nmax:
            raise CallError(
                f"newneurons: {count} more units are {self.nnum + count} with the bias, and there is room for "
                f"{self.nmax}",
                0,
                "reserve more: (alloc-net units connections)",
            )
        first = self.nnum
        self.nnum += count
        self._everything = self._incoming = self._outgoing = None
        self.tell_sizes()
        return range(first, self.nnum)

    def join(self, pre: np.ndarray, post: np.ndarray, weight: np.ndarray, who: str, fresh: int = 0) -> int:
        """New connections from pre[k] to post[k], in order; the number of the first.

        `weight`: the weight of each; with `fresh`, so many new weights of value 0 are made, and it counts from the
        first of them. CallError, and nothing is made, if there is a connection between the same units already or if
        there is no room.
        """
        first, count = self.snum, len(pre)
        if first + count > self.smax:
            raise CallError(
                f"{who}: {first + count:,} connections do not fit in the {self.smax:,} that were reserved",
                None,
                "reserve more: (alloc-net units connections)",
            )
        if self.wnum + fresh > self.wmax:
            raise CallError(
                f"{who}: {self.wnum + fresh:,} weights do not fit in the {self.wmax:,} that were reserved",
                None,
                "reserve more: (alloc-net units connections [weights])",
            )
        keys = list(zip(pre.tolist(), post.tolist()))
        new = dict(zip(keys, range(first, first + count)))
        if len(new) < count or not self.found.keys().isdisjoint(new):
            twice = next(key for k, key in enumerate(keys) if key in self.found or new[key] != first + k)
            raise CallError(
                f"{who}: unit {twice[0]} is connected to unit {twice[1]} already",
                None,
                f"leave it out, or change its weight: (sval {twice[0]} {twice[1]} 0.5)",
            )
        self.interpreter.budget.compute(100 * count)
        self.found.update(new)
        own = weight + self.wnum if fresh else weight
        self.snum += count
        self.wnum += fresh
        new_ones = slice(first, self.snum)
        self.pre.array[new_ones], self.post.array[new_ones], self.weight.array[new_ones] = pre, post, own
        self.alive[new_ones] = True
        np.add.at(self.sharers, own, 1)
        self._changed()
        self.tell_sizes()
        return first

    def cut(self, pre: int, post: int) -> bool:
        """Undo a connection; its weight becomes 0 with the last connection that has it. False if there is none."""
        connection = self.found.pop((pre, post), None)
        if connection is None:
            return False
        self.alive[connection] = False
        weight = self.weight.array[connection]
        self.sharers[weight] -= 1
        if self.sharers[weight] == 0:
            self.weight_val.array[weight] = 0
        self._changed()
        return True

    def share(self, connection: int, weight: int) -> None:
        """Give a connection another weight."""
        old = self.weight.array[connection]
        self.sharers[old] -= 1
        self.sharers[weight] += 1
        self.weight.array[connection] = weight
        self._changed()

    # Layers

    def units(self, layer: Form, who: str) -> Units:
        """The units of a layer: a list of numbers, lists in it opened up, or one number.

        A list is looked through once, as long as no list of the program is changed in place. CallError if an item
        is no unit.
        """
        changes = self.interpreter.rewritten
        kept = self._layers.get(id(layer))
        if kept is not None and kept[0] is layer and kept[1] == changes:
            return kept[2]
        units = Units(np.array(self._numbers(layer, who), np.int32))
        if isinstance(layer, Pair):
            if len(self._layers) >= _KEPT_LAYERS:
                self._layers.clear()
            self._layers[id(layer)] = (layer, changes, units)
        return units

    def number(self, unit: Form, who: str, argument: int | None = None) -> int:
        """The number of one unit."""
        if not isinstance(unit, float):
            raise CallError(
                f"{who}: {self.interpreter.describe(unit)} is no unit",
                argument,
                "write a number such as 1, or a layer such as input-layer",
            )
        if not (0 <= unit < self.nnum and unit == int(unit)):
            there = f"the net has units 0 to {self.nnum - 1}" if self.nnum else "there is no net yet"
            raise CallError(
                f"{who}: there is no unit {unit:g}: {there}",
                argument,
                f"write a unit from 0 to {self.nnum - 1}" if self.nnum else "begin with (alloc-net units connections)",
            )
        return int(unit)

    def _numbers(self, layer: Form, who: str) -> list[int]:
        found: list[int] = []
        work, walk, cells = [layer], self.interpreter.budget.traversal(), 0
        while work:
            value = work.pop()
            if isinstance(value, Pair):
                work += [value.cdr, value.car]
                cells += 1
                if cells % 1_000 == 0:
                    walk(1_000)
            elif value is not NIL:
                found.append(self.number(value, who))
        return found
