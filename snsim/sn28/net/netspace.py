"""The net of one SN-2.8 program: its units, connections and weights as arrays, and how it is built.

See docs/reference/sn28.md, section 2.

All fields are float32. Units, connections and weights are numbered in order of creation; unit 0 is the bias. Without
weight sharing, connection k has weight k. Every sum over connections runs from the newest to the oldest.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.forms import NIL, Form, Pair, symbol
from snsim.language.procedures import CallError
from snsim.runtime.settings import Settings
from snsim.sn28.net.adjacency import Edges, Memory, Units, as_memory, build_edges
from snsim.sn28.net.field_numbers import FieldNumbers
from snsim.sn28.net.kernels import Kernel, kernel_named, missing_modes_error, needed_kernel, smallest_kernel
from snsim.sn28.net.numpy_sums import SumLoops, sum_loops

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

VAL, SUM, GRAD, BACKSUM, EPSILON = 1, 2, 3, 4, 5
GGRAD, SQBACKSUM, SIGMA, SPARE1, SPARE2, SPARE3 = 8, 9, 10, 11, 12, 13
_UNIT_FIELDS = 14
_MAX_CACHED_LAYERS = 256


class Netspace:
    """The net of one program, from `interpreter.part(Netspace)`.

    Attributes
    ----------
    unit : list of Memory
        `unit[f]` is field f (SN's number) of all units, shape (nmax,).
    weight_val, delta, acc, hess : Memory
        Fields of the weights, shape (wmax,).
    rate, sigma : Memory
        Fields of the connections, shape (smax,).
    pre, post, weight : Memory
        The units that each connection joins, and the number of its weight, shape (smax,), int32.
    alive : ndarray of bool
        Whether each connection exists and was not cut, shape (smax,).
    nnum, snum, wnum : int
        Numbers of units, connections and weights made so far, under SN's names; nmax, smax and wmax are reserved.
    """

    def __init__(self, interpreter: Interpreter, loops: SumLoops | None = None):
        self.interpreter = interpreter
        self._loops = loops
        self._kernel: Kernel | None = None
        self._kernel_source = ""  # "the program" or "the command line", if one of them chose the kernel
        self.has_learned = False  # whether a learning rule has changed weights: the kernel is then fixed
        self._cached_layers: dict[int, tuple[Pair, int, Units]] = {}
        self.warned_of_longer_patterns = False
        self._allocate(0, 0, 0)

    @property
    def loops(self) -> SumLoops:
        """The loops that compute sums, compiled if possible, in SN's order unless `reorder_sums` was called."""
        if self._loops is None:
            self._loops = sum_loops()
        return self._loops

    def reorder_sums(self) -> None:
        """Compute sums in four parts from now on, which is faster and changes the last digits."""
        self._loops = sum_loops(True)

    # The kernel

    @property
    def kernel(self) -> Kernel:
        """The kernel chosen by `set_kernel` or `prefer`; otherwise the smallest for the texts read so far."""
        if self._kernel is None:
            self._kernel = needed_kernel(self.interpreter.sources, self.interpreter.functions)
        return self._kernel

    def prefer(self, name: str) -> None:
        """Use this kernel unless the program chooses one itself."""
        if self._kernel_source != "the program":
            self._kernel, self._kernel_source = kernel_named(name), "the command line"

    def set_kernel(self, name: str) -> None:
        """Set the kernel that the program chose. Raise CallError if it already has a net of another kernel."""
        kernel = kernel_named(name)
        if self._kernel not in (None, kernel) and self.nnum > 1:
            raise CallError(
                f"cannot change to kernel {name}: the net was built with kernel {self._kernel.name}",
                0,
                f'move (libload "sn28/{name}") to before the net is built',
            )
        self._kernel, self._kernel_source = kernel, "the program"
        self.interpreter.part(Settings)
        self.interpreter.part(FieldNumbers)
        self.publish_sizes()

    def require(self, modes: Iterable[str], caller: str) -> None:
        """Ensure that the kernel has these modes. Raise CallError, naming the kernels that have them, if it does not.

        A kernel that nobody chose is replaced by a larger one if needed, until weights have been learned with it.
        """
        modes = frozenset(modes)
        current = self.kernel
        if current.has(modes):
            return
        if self._kernel_source:
            raise missing_modes_error(caller, modes, current)
        if self.has_learned:
            raise missing_modes_error(caller, modes, current, ", and this program has already learned with it")
        wider = smallest_kernel([m for m in ("iterative", "newton") if m in modes or current.has([m])])
        if wider.newton and not current.newton:
            units_entered = self.post.array[: self.snum]
            self.rate.array[: self.snum] = self.unit[EPSILON].array[units_entered]
        self._kernel = wider
        self.publish_sizes()

    # Memory

    def alloc_net(self, units: int, connections: int, weights: int | None = None) -> int:
        """Reserve memory for a new net and discard the present one; return the size in bytes.

        The bias is one of the units. `weights` defaults to the number of connections. Raise CallError for impossible
        sizes.
        """
        if weights is not None and weights != connections:
            self.require(["iterative"], "alloc-net with a number of weights")
        weights = connections if weights is None else weights
        if units < 1 or connections < 0 or weights < 0:
            raise CallError(
                f"alloc-net: a net cannot have {units} units, {connections} connections and {weights} weights",
                0,
                "write (alloc-net units connections [weights]) with 1 unit or more: the bias is one of the units",
            )
        if weights > connections:
            raise CallError(
                f"alloc-net: {weights} weights for only {connections} connections",
                2,
                f"write at most {connections}, or omit the number of weights",
            )
        self.interpreter.budget.check_matrix(max(units, connections), "alloc-net")
        self._allocate(units, connections, weights)
        self._add_bias()
        return sum(m.array.nbytes for m in self._fields()) + 4 * (3 * connections + weights)

    def _allocate(self, units: int, connections: int, weights: int) -> None:
        self.nmax, self.smax, self.wmax = units, connections, weights
        self.unit = [as_memory(row) for row in np.zeros((_UNIT_FIELDS, units), np.float32)]
        self.pre, self.post, self.weight = (as_memory(np.zeros(connections, np.int32)) for _ in range(3))
        self.alive = np.zeros(connections, bool)
        self.rate, self.sigma = (as_memory(np.zeros(connections, np.float32)) for _ in range(2))
        self.weight_val, self.delta, self.acc, self.hess = (as_memory(np.zeros(weights, np.float32)) for _ in range(4))
        self.sharers = np.zeros(weights, np.int32)
        self._reset(0)

    def _reset(self, units: int) -> None:
        self.nnum, self.snum, self.wnum = units, 0, 0
        self.connection_numbers: dict[tuple[int, int], int] = {}  # (pre, post) of every connection
        self.has_learned = False
        self._cached_layers.clear()
        self._forget_views()

    def clear_net(self) -> None:
        """Remove all units except the bias; the reserved memory stays."""
        for field in self._fields():
            field.array[:] = 0
        self.alive[:] = False
        self.sharers[:] = 0
        self._add_bias()

    def _add_bias(self) -> None:
        """Start with the bias as the only unit; all fields are 0 already."""
        self._reset(min(1, self.nmax))
        self.unit[VAL].array[: self.nnum] = 1
        self.publish_sizes()

    def _fields(self) -> list[Memory]:
        return [*self.unit, self.rate, self.sigma, self.weight_val, self.delta, self.acc, self.hess]

    def _forget_views(self) -> None:
        """Forget the views of the connections, because connections were added or removed."""
        self._incoming: Edges | None = None
        self._outgoing: Edges | None = None
        self._all_units: Units | None = None

    def publish_sizes(self) -> None:
        """Set SN's variables nnum, nmax, snum, smax, wnum and wmax."""
        for name, value in (("nnum", self.nnum), ("nmax", self.nmax), ("snum", self.snum), ("smax", self.smax)):
            self.interpreter.fix(symbol(name), float(value))
        if self._kernel is not None and self._kernel.iterative:
            self.interpreter.fix(symbol("wnum"), float(self.wnum))
            self.interpreter.fix(symbol("wmax"), float(self.wmax))

    # Views

    @property
    def incoming(self) -> Edges:
        """The connections grouped by the unit they enter."""
        if self._incoming is None:
            self._incoming = build_edges(
                self.nnum, self.post.array, self.pre.array, self.weight.array, self._alive_connections()
            )
        return self._incoming

    @property
    def outgoing(self) -> Edges:
        """The connections grouped by the unit they leave."""
        if self._outgoing is None:
            self._outgoing = build_edges(
                self.nnum, self.pre.array, self.post.array, self.weight.array, self._alive_connections()
            )
        return self._outgoing

    @property
    def all_units(self) -> Units:
        """All units, the bias first."""
        if self._all_units is None:
            self._all_units = Units(np.arange(self.nnum))
        return self._all_units

    def _alive_connections(self) -> np.ndarray:
        return np.flatnonzero(self.alive[: self.snum])

    # Building

    def newneurons(self, count: int) -> range:
        """Make `count` new units and return their numbers. Raise CallError if there is no room."""
        if count < 0:
            raise CallError(f"newneurons: expected 0 units or more, got {count}", 0, "write 1 or more")
        if self.nnum + count > self.nmax:
            raise CallError(
                f"newneurons: {self.nnum + count} units are needed in all, but only {self.nmax} are reserved",
                0,
                "reserve more: (alloc-net units connections)",
            )
        first = self.nnum
        self.nnum += count
        self._all_units = self._incoming = self._outgoing = None
        self.publish_sizes()
        return range(first, self.nnum)

    def join(self, pre: np.ndarray, post: np.ndarray, weight: np.ndarray, caller: str, new_weights: int = 0) -> int:
        """Connect pre[k] to post[k] in order, and return the number of the first new connection.

        `weight` holds the number of each connection's weight. With `new_weights`, that many weights of value 0 are
        made, and `weight` counts from the first of them. Raise CallError, and change nothing, if two of the units are
        already connected or if there is no room.
        """
        first, count = self.snum, len(pre)
        if first + count > self.smax:
            raise CallError(
                f"{caller}: {first + count:,} connections are needed, but only {self.smax:,} are reserved",
                None,
                "reserve more: (alloc-net units connections)",
            )
        if self.wnum + new_weights > self.wmax:
            raise CallError(
                f"{caller}: {self.wnum + new_weights:,} weights are needed, but only {self.wmax:,} are reserved",
                None,
                "reserve more: (alloc-net units connections [weights])",
            )
        keys = list(zip(pre.tolist(), post.tolist()))
        new = dict(zip(keys, range(first, first + count)))
        if len(new) < count or not self.connection_numbers.keys().isdisjoint(new):
            duplicate = next(
                key for k, key in enumerate(keys) if key in self.connection_numbers or new[key] != first + k
            )
            raise CallError(
                f"{caller}: unit {duplicate[0]} is already connected to unit {duplicate[1]}",
                None,
                f"remove this connection, or set its weight: (sval {duplicate[0]} {duplicate[1]} 0.5)",
            )
        self.interpreter.budget.compute(100 * count)
        self.connection_numbers.update(new)
        weights = weight + self.wnum if new_weights else weight
        self.snum += count
        self.wnum += new_weights
        added = slice(first, self.snum)
        self.pre.array[added], self.post.array[added], self.weight.array[added] = pre, post, weights
        self.alive[added] = True
        np.add.at(self.sharers, weights, 1)
        self._forget_views()
        self.publish_sizes()
        return first

    def cut(self, pre: int, post: int) -> bool:
        """Remove a connection and return True, or return False if there is none.

        The weight becomes 0 when its last connection is removed.
        """
        connection = self.connection_numbers.pop((pre, post), None)
        if connection is None:
            return False
        self.alive[connection] = False
        weight = self.weight.array[connection]
        self.sharers[weight] -= 1
        if self.sharers[weight] == 0:
            self.weight_val.array[weight] = 0
        self._forget_views()
        return True

    def share(self, connection: int, weight: int) -> None:
        """Give a connection another weight, by its number."""
        old = self.weight.array[connection]
        self.sharers[old] -= 1
        self.sharers[weight] += 1
        self.weight.array[connection] = weight
        self._forget_views()

    # Layers

    def units(self, layer: Form, caller: str) -> Units:
        """Return the units of a layer, which is one number or a list of numbers and nested lists.

        The result for a list is cached until the program changes some list in place. Raise CallError for an element
        that is not a unit.
        """
        changes = self.interpreter.rewritten
        cached = self._cached_layers.get(id(layer))
        if cached is not None and cached[0] is layer and cached[1] == changes:
            return cached[2]
        units = Units(np.array(self._numbers(layer, caller), np.int32))
        if isinstance(layer, Pair):
            if len(self._cached_layers) >= _MAX_CACHED_LAYERS:
                self._cached_layers.clear()
            self._cached_layers[id(layer)] = (layer, changes, units)
        return units

    def number(self, unit: Form, caller: str, argument: int | None = None) -> int:
        """Return the number of one unit as an int. Raise CallError if it is not a unit of the net."""
        if not isinstance(unit, float):
            raise CallError(
                f"{caller}: expected a unit, got {self.interpreter.describe(unit)}",
                argument,
                "write a number such as 1, or a layer such as input-layer",
            )
        if not (0 <= unit < self.nnum and unit == int(unit)):
            units_available = f"the net has units 0 to {self.nnum - 1}" if self.nnum else "there is no net yet"
            raise CallError(
                f"{caller}: no unit {unit:g}: {units_available}",
                argument,
                f"write a unit from 0 to {self.nnum - 1}" if self.nnum else "start with (alloc-net units connections)",
            )
        return int(unit)

    def _numbers(self, layer: Form, caller: str) -> list[int]:
        numbers: list[int] = []
        pending, walk, cells = [layer], self.interpreter.budget.traversal(), 0
        while pending:
            value = pending.pop()
            if isinstance(value, Pair):
                pending += [value.cdr, value.car]
                cells += 1
                if cells % 1_000 == 0:
                    walk(1_000)
            elif value is not NIL:
                numbers.append(self.number(value, caller))
        return numbers
