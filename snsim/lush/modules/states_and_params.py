"""States, which modules write and read, and params, which hold all trainable numbers of a machine.

A state has a matrix `x`, and below it a gradient `dx` and a second derivative `ddx` of the same sizes. A param is one
flat vector; the states that modules allocate from it are windows on it. See docs/reference/gblearn2.md, sections 5 and
6. All numbers are float32; each product and each sum is rounded, in the order that the docstrings give.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, cast

import numpy as np

from snsim.data.formats import within
from snsim.errors import SnError
from snsim.input_files import shown as shown_path
from snsim.language.forms import NIL, Form, Symbol, symbol
from snsim.language.objects import Object
from snsim.language.procedures import CallError
from snsim.lush.idx import Idx, contiguous_modulos, copy
from snsim.lush.idx import shown as shown_sizes
from snsim.lush.modules.built_in import (
    FLOATS,
    NUMBER,
    TEXT,
    WHOLE,
    Kind,
    LushObject,
    Message,
    Slot,
    built_in_class,
    constructor,
    instance,
    make,
    message,
    refused,
    vector,
)
from snsim.lush.storing import convert
from snsim.runtime.file_lookup import ProgramFiles
from snsim.runtime.matrix_files import SUFFIX, encode_matrix, parse_matrix

_F = np.float32
_X, _DX, _DDX = symbol("x"), symbol("dx"), symbol("ddx")
MOST_DIMENSIONS = 4  # of a state


@built_in_class("gb-state")
class GbState(LushObject):
    """above all states"""


@built_in_class("idx-state")
class State(GbState):
    """above the states that hold idx"""

    dimensions: ClassVar[int] = 0
    levels: ClassVar[tuple[str, ...]] = ()  # x; x dx; x dx ddx
    level_symbols: ClassVar[tuple[Symbol, ...]] = ()

    # Slots of the classes below: a state of the first level has no dx.
    x = Slot(FLOATS)
    dx = Slot(FLOATS)
    ddx = Slot(FLOATS)

    def parts(self) -> list[Idx]:
        """Return the matrices of the state: x, and dx and ddx if it has them."""
        found = [self.x]
        if len(self.levels) > 1:
            found.append(self.dx)
        if len(self.levels) > 2:
            found.append(self.ddx)
        return found

    def start(self, sizes: Sequence[int]) -> None:
        """Set the slots to matrices of zeros."""
        self.interpreter.budget.make_matrix(len(self.levels) * int(np.prod(sizes, dtype=np.int64)), "new")
        for level in self.levels:
            setattr(self, level, Idx.zeros(sizes))

    def fit(self, sizes: Sequence[int]) -> None:
        """Resize all matrices in place: the elements stay in flat order, and none is cleared."""
        sizes, slots = tuple(sizes), self.slots
        if not self.running:
            for level in self.level_symbols:
                part = slots[level]
                if type(part) is not Idx or part.sizes != sizes:
                    break
            else:
                return
        for part in self.parts():
            if part.sizes != sizes:
                self.interpreter.budget.make_matrix(math.prod(sizes), "resize")
                part.resize(sizes)

    @message("resize", *[WHOLE] * MOST_DIMENSIONS)
    def resize(
        self, d0: int | None = None, d1: int | None = None, d2: int | None = None, d3: int | None = None
    ) -> Form:
        """(==> state resize n...): resizes all matrices in place; their elements stay in flat order"""
        self.fit(check_sizes(self, "resize", [d for d in (d0, d1, d2, d3) if d is not None]))
        return NIL

    @message("clear")
    def clear(self) -> Form:
        """(==> state clear): sets all elements to 0"""
        for part in self.parts():
            part.array[...] = 0
        return NIL

    @message("idx-slots")
    def idx_slots(self) -> Form:
        """(==> state idx-slots): returns the list of the matrices"""
        return self.interpreter.new_list(self.parts(), "idx-slots")

    @message("undim", WHOLE)
    def undim(self, n: int = 0) -> Form:
        """(==> state undim n): removes dimension n, of size 1, from all matrices"""
        for part in self.parts():
            if not 0 <= n < part.ndim or part.sizes[n] != 1:
                raise CallError(
                    f"undim: dimension {n} of {shown_sizes(part.sizes)} cannot be removed",
                    0,
                    "name a dimension of size 1, counted from 0",
                )
            part.become(
                Idx(
                    part.storage,
                    part.offset,
                    part.sizes[:n] + part.sizes[n + 1 :],
                    part.modulos[:n] + part.modulos[n + 1 :],
                )
            )
        return NIL

    @message("save", TEXT)
    def save(self, file: str) -> Form:
        """(==> state save "file"): writes x to a matrix file; returns the name of the file"""
        write_matrix(self, self.x.array, file)
        return file

    @message("load", TEXT)
    def load(self, file: str) -> Form:
        """(==> state load "file"): reads x, of the same number of elements, from a matrix file; returns x"""
        values = read_matrix(self, file)
        x = self.x
        if values.size != x.size:
            raise CallError(
                f"load: matrices have different number of elements: {values.size} in {file}, {x.size} in the state",
                0,
                f"resize the state first: (==> state resize {' '.join(map(str, values.shape))})",
            )
        x.array[...] = convert(values, x.kind).reshape(x.sizes)
        return x


def check_sizes(state: State, name: str, sizes: list[int]) -> list[int]:
    """Return the sizes of a state; CallError if there are too few or too many, or one below 1."""
    kind = state.kind.name if state.kind is not None else "state"
    if len(sizes) != state.dimensions:
        raise CallError(
            f"{kind} {name}: {len(sizes)} sizes for a state of {state.dimensions} dimensions",
            None,
            f"write {state.dimensions} sizes" if state.dimensions else "leave the sizes out",
        )
    for i, size in enumerate(sizes):
        if size < 1:
            raise CallError(f"{kind} {name}: the size {size} is not above 0", i, "write a size from 1 on")
    return sizes


def _declare_states() -> dict[tuple[int, int], type[State]]:
    """Declare idx0-state to idx4-ddstate; return them by dimensions and level (0 for x alone)."""
    classes: dict[tuple[int, int], type[State]] = {}
    levels = ("x", "dx", "ddx")
    for dimensions in range(MOST_DIMENSIONS + 1):
        above: type[State] = State
        for level, prefix in enumerate(("", "d", "dd")):
            name = f"idx{dimensions}-{prefix}state"
            sizes = "".join(f" d{i}" for i in range(dimensions))
            attributes = {
                "__doc__": f"a state of {dimensions} dimensions with {' '.join(levels[: level + 1])}",
                "dimensions": dimensions,
                "levels": levels[: level + 1],
                "level_symbols": (_X, _DX, _DDX)[: level + 1],
                "make": _state_constructor(name, sizes),
            }
            python = cast(type[State], type(f"Idx{dimensions}{prefix.upper()}State", (above,), attributes))
            above = built_in_class(name, [levels[level]])(python)
            classes[dimensions, level] = above
    return classes


def _state_constructor(name: str, sizes: str) -> Message:
    def make_state(self: State, d0: int = 0, d1: int = 0, d2: int = 0, d3: int = 0) -> None:
        given = [d0, d1, d2, d3][: self.dimensions]
        self.start(check_sizes(self, "new", given))

    dimensions = len(sizes.split())
    make_state.__doc__ = f"(new {name}{sizes}): a state of zeros"
    constructing = Message(name, make_state, [WHOLE] * MOST_DIMENSIONS)
    constructing.least = constructing.most = dimensions
    return constructing


STATES = _declare_states()


def state(dimensions: int, level: int = 0) -> Kind[State]:
    """Return the kind of states with this number of dimensions; level 1 needs a dx, level 2 a ddx too."""
    name = f"idx{dimensions}-{'d' * level}state"
    ones = " 1" * dimensions
    accepted = frozenset(STATES[dimensions, higher] for higher in range(level, 3))

    def read(value: Form) -> State:
        return value if type(value) in accepted and value.kind is not None else refused(State)

    return Kind(f"an {name}", read, f"(new idx{dimensions}-ddstate{ones}) makes one")


# What classifiers write


@built_in_class("class-state")
class ClassState(GbState):
    """the answer of a classifier: all classes with their scores, the best first"""

    output_class = Slot(NUMBER, initial=0.0)
    confidence = Slot(NUMBER, initial=0.0)
    sorted_classes = Slot(vector(1, "int"))
    sorted_scores = Slot(vector(1, "float"))

    @constructor(WHOLE)
    def make(self, n: int) -> None:
        """(new class-state n): an answer for n classes"""
        _positive("class-state", n)
        self.output_class = 0.0
        self.confidence = 0.0
        self.sorted_classes = Idx.zeros((n,), "int")
        self.sorted_scores = Idx.zeros((n,))

    @message("resize", WHOLE)
    def resize(self, n: int) -> Form:
        """(==> state resize n): makes room for n classes"""
        _positive("resize", n)
        self.sorted_classes.resize((n,))
        self.sorted_scores.resize((n,))
        return NIL


@built_in_class("lclass-state")
class LclassState(GbState):
    """the answers of a classifier at each place"""

    output_class = Slot(vector(2, "int"))
    confidence = Slot(vector(2, "float"))
    sorted_classes = Slot(vector(3, "int"))
    sorted_scores = Slot(vector(3, "float"))

    @constructor(WHOLE, WHOLE, WHOLE)
    def make(self, rows: int, columns: int, n: int) -> None:
        """(new lclass-state rows columns n): answers for n classes at rows x columns places"""
        for i, size in enumerate((rows, columns, n)):
            _positive("lclass-state", size, i)
        self.output_class = Idx.zeros((rows, columns), "int")
        self.confidence = Idx.zeros((rows, columns))
        self.sorted_classes = Idx.zeros((n, rows, columns), "int")
        self.sorted_scores = Idx.zeros((n, rows, columns))

    @message("resize", WHOLE, WHOLE)
    def resize(self, rows: int, columns: int) -> Form:
        """(==> state resize rows columns): makes room for rows x columns places"""
        _positive("resize", rows)
        _positive("resize", columns, 1)
        classes = self.sorted_classes.sizes[0]
        self.output_class.resize((rows, columns))
        self.confidence.resize((rows, columns))
        self.sorted_classes.resize((classes, rows, columns))
        self.sorted_scores.resize((classes, rows, columns))
        return NIL


def _positive(name: str, size: int, argument: int = 0) -> None:
    if size < 1:
        raise CallError(f"{name}: the size {size} is not above 0", argument, "write a size from 1 on")


# Params


def _vector_of(size: int, reserve: int, value: float = 0) -> Idx:
    """Return a vector that can grow to `reserve` elements, all of one value, before it needs a larger storage."""
    room = max(size, reserve)
    whole = Idx.zeros((max(room, 1),))
    whole.array[:room] = value
    whole.resize((size,))
    return whole


def _allocations(level: int) -> list[Message]:
    """Return the messages `alloc-idx0-state` ... `alloc-idx4-state` of a level of params."""
    return [_allocation(dimensions, level) for dimensions in range(MOST_DIMENSIONS + 1)]


def _allocation(dimensions: int, level: int) -> Message:
    name = f"alloc-idx{dimensions}-{'d' * level}state"

    def allocate(self: Param, d0: int = 0, d1: int = 0, d2: int = 0, d3: int = 0) -> State:
        return self.allocate(dimensions, level, [d0, d1, d2, d3][:dimensions])

    sizes = "".join(f" d{i}" for i in range(dimensions))
    allocate.__doc__ = f"(==> param {name}{sizes}): appends a state to the param and returns it"
    allocating = Message(name, allocate, [WHOLE] * MOST_DIMENSIONS)
    allocating.least = allocating.most = dimensions
    return allocating


@built_in_class("idx1-param", messages=_allocations(0))
class Param(LushObject):
    """a flat vector x of numbers, of which modules allocate their states"""

    x = Slot(vector(1, "float"))

    def vectors(self) -> list[Idx]:
        """Return all vectors, which have one length."""
        return [self.x]

    def prepare(self, size: int, reserve: int) -> None:
        """Set the slots."""
        self.x = _vector_of(size, reserve)

    def fit(self, size: int) -> None:
        """Resize all vectors in place. The states that were allocated stay windows on them."""
        if size > self.x.size:
            self.interpreter.budget.make_matrix(len(self.vectors()) * (size - self.x.size), "resize")
        for one in self.vectors():
            one.resize((size,))

    def windows(self) -> list[Idx]:
        """Return the vectors that states are windows on: x, dx, ddx."""
        return [self.x]

    def allocate(self, dimensions: int, level: int, sizes: list[int]) -> State:
        """Append a state of a level to the end of the vectors."""
        for i, size in enumerate(sizes):
            _positive(f"alloc-idx{dimensions}-{'d' * level}state", size, i)
        start = self.x.size
        self.fit(start + int(np.prod(sizes, dtype=np.int64)))
        allocated = make(self.interpreter, STATES[dimensions, level], *[1.0] * dimensions)
        assert isinstance(allocated, State)
        for name, whole in zip((_X, _DX, _DDX)[: level + 1], self.windows()):
            window = Idx(whole.storage, whole.offset + start, tuple(sizes), contiguous_modulos(sizes))
            allocated.slots[name] = window
        return allocated

    @constructor(WHOLE, WHOLE)
    def make(self, size: int, reserve: int) -> None:
        """(new idx1-param size reserve): a param of `size` numbers, with room for `reserve`"""
        if size < 0 or reserve < 0:
            raise CallError(
                f"a param has {size} numbers and room for {reserve}: both must be 0 or more",
                0 if size < 0 else 1,
                "write (new idx1-ddparam 0 1000)",
            )
        self.interpreter.budget.make_matrix(6 * max(size, reserve), "new")
        self.prepare(size, reserve)

    @message("size")
    def size(self) -> int:
        """(==> param size): the number of its elements"""
        return self.x.size

    @message("resize", WHOLE)
    def resize(self, n: int) -> Form:
        """(==> param resize n): cuts or extends the vectors; no element moves"""
        if n < 0:
            raise CallError(f"resize: a param cannot have {n} elements", 0, "write a number from 0 on")
        self.fit(n)
        return NIL

    @message("get")
    def get_numbers(self) -> Idx:
        """(==> param get): a copy of x"""
        self.interpreter.budget.make_matrix(self.x.size, "get")
        return copy(self.x)

    @message("set", vector(1, "float"))
    def set_numbers(self, values: Idx) -> Form:
        """(==> param set v): copies a float vector of the same length into x"""
        _same_length(self, "set", values.array)
        self.x.array[...] = values.array
        return NIL

    @message("save", TEXT)
    def save(self, file: str) -> Form:
        """(==> param save "file"): writes x to a matrix file"""
        write_matrix(self, self.x.array, file)
        return NIL

    @message("load", TEXT)
    def load(self, file: str) -> Form:
        """(==> param load "file"): reads x, of the same length, from a matrix file of any numeric type"""
        values = read_matrix(self, file)
        _same_length(self, "load", values)
        self.x.array[...] = convert(values, np.dtype(_F))
        return NIL


def _same_length(param: Param, name: str, values: np.ndarray) -> None:
    if values.shape != (param.x.size,):
        sizes = " x ".join(map(str, values.shape)) or "no dimension"
        raise CallError(
            f"{name}: arguments have the wrong dimensions: {sizes} for a param of {param.x.size} elements",
            0,
            f"give a vector of {param.x.size} elements",
        )


@built_in_class("idx1-dparam", messages=_allocations(1))
class Dparam(Param):
    """a param with a gradient dx and its running mean, deltas"""

    dx = Slot(vector(1, "float"))
    deltas = Slot(vector(1, "float"))

    def vectors(self) -> list[Idx]:
        return [*super().vectors(), self.dx, self.deltas]

    def windows(self) -> list[Idx]:
        return [*super().windows(), self.dx]

    def prepare(self, size: int, reserve: int) -> None:
        super().prepare(size, reserve)
        self.dx = _vector_of(size, reserve)
        self.deltas = _vector_of(size, reserve)

    @constructor(WHOLE, WHOLE)
    def make(self, size: int, reserve: int) -> None:
        """(new idx1-dparam size reserve): a param with gradients, of `size` numbers, with room for `reserve`"""
        Param.make.function(self, size, reserve)

    @message("clear-dx")
    def clear_dx(self) -> Form:
        """(==> param clear-dx): sets the gradient to 0"""
        self.dx.array[...] = 0
        return NIL

    @message("clear-deltas")
    def clear_deltas(self) -> Form:
        """(==> param clear-deltas): sets the running mean of the gradient to 0"""
        self.deltas.array[...] = 0
        return NIL

    @message("update-deltas", NUMBER, NUMBER)
    def update_deltas(self, knew: float, kold: float) -> Form:
        """(==> param update-deltas knew kold): deltas becomes knew dx + kold deltas"""
        mix(self.deltas, self.dx, _F(knew), _F(kold))
        return NIL

    @message("update", NUMBER, NUMBER)
    def update(self, eta: float, inertia: float) -> Form:
        """(==> param update eta inertia): x -= eta dx; with inertia, dx is averaged into deltas, which take its place

        deltas = (1 - inertia) dx + inertia deltas, with 1 - inertia in float.
        """
        step = self._direction(inertia).array * _F(-_F(eta))
        self.x.array[...] += step
        return NIL

    def _direction(self, inertia: float) -> Idx:
        """Return dx, or with inertia the updated deltas."""
        if inertia == 0:
            return self.dx
        mix(self.deltas, self.dx, _F(1) - _F(inertia), _F(inertia))
        return self.deltas


def mix(target: Idx, source: Idx, new: np.float32, old: np.float32) -> None:
    """Set target to new * source + old * target: both products rounded, then their sum."""
    target.array[...] = new * source.array + old * target.array


@built_in_class("idx1-dparam-eps")
class DparamEps(Dparam):
    """a param with a rate for each number, epsilons"""

    epsilons = Slot(vector(1, "float"))
    temp = Slot(vector(1, "float"))
    first_epsilon: ClassVar[float] = 1

    def vectors(self) -> list[Idx]:
        return [*super().vectors(), self.epsilons, self.temp]

    def prepare(self, size: int, reserve: int) -> None:
        super().prepare(size, reserve)
        self.epsilons = _vector_of(size, reserve, self.first_epsilon)
        self.temp = _vector_of(size, reserve)

    @constructor(WHOLE, WHOLE)
    def make(self, size: int, reserve: int) -> None:
        """(new idx1-dparam-eps size reserve): a param with rates, all 1, of `size` numbers, with room for `reserve`"""
        Param.make.function(self, size, reserve)

    @message("update", NUMBER, NUMBER)
    def update(self, eta: float, inertia: float) -> Form:
        """(==> param update eta inertia): x -= eta epsilons dx; with inertia, deltas take the place of dx

        x += (dx epsilons)(-eta), the products in this order.
        """
        direction = self._direction(inertia)
        temp = self.temp.array
        np.multiply(direction.array, self.epsilons.array, out=temp)
        self.x.array[...] += temp * _F(-_F(eta))
        return NIL

    @message("set-epsilons", vector(1, "float"))
    def set_epsilons(self, values: Idx) -> Form:
        """(==> param set-epsilons v): copies a float vector of the same length into the rates"""
        _same_length(self, "set-epsilons", values.array)
        self.epsilons.array[...] = values.array
        return NIL

    @message("set-epsilon", NUMBER)
    def set_epsilon(self, value: float) -> Form:
        """(==> param set-epsilon x): sets all rates to x"""
        self.epsilons.array[...] = convert(np.float64(value), np.dtype(_F))
        return NIL


@built_in_class("idx1-ddparam", messages=_allocations(2))
class DDparam(DparamEps):
    """a param with second derivatives, ddx, their mean, ddeltas, and a running mean of x, xaverage"""

    ddx = Slot(vector(1, "float"))
    ddeltas = Slot(vector(1, "float"))
    xaverage = Slot(vector(1, "float"))
    first_epsilon: ClassVar[float] = 0  # nothing is learnt before compute-epsilons

    def vectors(self) -> list[Idx]:
        return [*super().vectors(), self.ddx, self.ddeltas, self.xaverage]

    def windows(self) -> list[Idx]:
        return [*super().windows(), self.ddx]

    def prepare(self, size: int, reserve: int) -> None:
        super().prepare(size, reserve)
        self.ddx = _vector_of(size, reserve)
        self.ddeltas = _vector_of(size, reserve)
        self.xaverage = _vector_of(size, reserve)

    @constructor(WHOLE, WHOLE)
    def make(self, size: int, reserve: int) -> None:
        """(new idx1-ddparam size reserve): a param with second derivatives; its rates are 0 until they are computed"""
        Param.make.function(self, size, reserve)

    @message("clear-ddx")
    def clear_ddx(self) -> Form:
        """(==> param clear-ddx): sets the second derivatives to 0"""
        self.ddx.array[...] = 0
        return NIL

    @message("clear-ddeltas")
    def clear_ddeltas(self) -> Form:
        """(==> param clear-ddeltas): sets the mean of the second derivatives to 0"""
        self.ddeltas.array[...] = 0
        return NIL

    @message("update-ddeltas", NUMBER, NUMBER)
    def update_ddeltas(self, knew: float, kold: float) -> Form:
        """(==> param update-ddeltas knew kold): ddeltas becomes knew ddx + kold ddeltas"""
        mix(self.ddeltas, self.ddx, _F(knew), _F(kold))
        return NIL

    @message("compute-epsilons", NUMBER)
    def compute_epsilons(self, mu: float) -> Form:
        """(==> param compute-epsilons mu): the rates become 1 / (ddeltas + mu)"""
        self.epsilons.array[...] = _F(1) / (self.ddeltas.array + _F(mu))
        return NIL

    @message("update-xaverage", NUMBER)
    def update_xaverage(self, kappa: float) -> Form:
        """(==> param update-xaverage kappa): xaverage becomes (1 - kappa) xaverage + kappa x"""
        k = _F(kappa)
        self.xaverage.array[...] = (_F(1) - k) * self.xaverage.array + k * self.x.array
        return NIL

    @message("copy-xaverage")
    def copy_xaverage(self) -> Form:
        """(==> param copy-xaverage): copies xaverage into x"""
        self.x.array[...] = self.xaverage.array
        return NIL

    @message("swap-xaverage")
    def swap_xaverage(self) -> Form:
        """(==> param swap-xaverage): exchanges xaverage and x"""
        kept = self.x.array.copy()
        self.x.array[...] = self.xaverage.array
        self.xaverage.array[...] = kept
        return NIL

    @message("saliencies")
    def saliencies(self) -> Idx:
        """(==> param saliencies): a new vector of 0.5 ddeltas x x - x deltas"""
        x = self.x.array
        self.interpreter.budget.make_matrix(x.size, "saliencies")
        return Idx.of(((x * x) * self.ddeltas.array) * _F(0.5) - x * self.deltas.array)


PARAM: Kind[Param] = instance("a param", Param, "(new idx1-ddparam 0 1000) makes one")


def allocate(owner: LushObject, param: Param, *sizes: int) -> State:
    """Return a state allocated from a param, with as many of x, dx and ddx as the param has."""
    level = 2 if isinstance(param, DDparam) else 1 if isinstance(param, Dparam) else 0
    name = symbol(f"alloc-idx{len(sizes)}-{'d' * level}state")
    allocated = owner.send(param, name, *map(float, sizes))
    if not isinstance(allocated, State):
        raise CallError(
            f"{name} of the param returned no state", None, f"return what (==> this {name} ...) of the parent returns"
        )
    return allocated


# Files


def write_matrix(owner: Object, values: np.ndarray, file: str) -> None:
    """Write a matrix file into the run folder, as save-matrix does."""
    assert isinstance(owner, LushObject)
    files = owner.interpreter.part(ProgramFiles)
    content = encode_matrix(np.ascontiguousarray(values))
    files.write(files.writable_path(file, SUFFIX, argument=0), content, 0)


def read_matrix(owner: Object, file: str) -> np.ndarray:
    """Return the numbers in a matrix file."""
    assert isinstance(owner, LushObject)
    interpreter = owner.interpreter
    files = interpreter.part(ProgramFiles)
    path = files.readable_path(file, SUFFIX, argument=0)
    try:
        with files.open(path, 0) as opened:
            values = parse_matrix(opened, shown_path(path), interpreter.limits.matrix_elements)
        within(values, _F, file)
    except SnError as error:
        raise CallError(error.faults[0].message, 0, error.faults[0].hint) from None
    return values
