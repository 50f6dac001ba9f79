"""Describe a machine of known modules as a chain of layers, or find that it is none.

A description holds numbers only: sizes, tables, and where the parameters stand in the param. So two descriptions are
equal if the same compiled operations fit both. See docs/reference/gblearn2.md, sections 7 to 9.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from snsim.language.forms import NIL, Form, Pair, Symbol, symbol
from snsim.language.objects import BuiltInMethod, Object
from snsim.language.procedures import Function
from snsim.lush.idx import Idx
from snsim.lush.modules.built_in import Message
from snsim.lush.modules.layers import CLayer, ELayer, FLayer, Layer, SLayer
from snsim.lush.modules.machines import Idx3SupervisedModule
from snsim.lush.modules.nets import Chain
from snsim.lush.modules.roots import BBPROP, BPROP, FPROP, Idx3Module
from snsim.lush.modules.squashers import Idx3Sqsquasher, Idx3Squasher
from snsim.lush.modules.states_and_params import Param, State

SQUASHERS: dict[type, str] = {Idx3Module: "", Idx3Squasher: "sigmoid", Idx3Sqsquasher: "squared_tanh"}
_SEND = symbol("==>")
_TYPE = re.compile(r"-[a-z0-9]+-")
_X, _DX, _DDX = symbol("x"), symbol("dx"), symbol("ddx")
Sizes = tuple[int, int, int]


class NotPlannedError(Exception):
    """Raised for what compiled operations do not compute: it runs module by module."""


class NotYetError(NotPlannedError):
    """Raised for what the next presentation, module by module, may change."""


@dataclass(frozen=True)
class Full:
    """Full connections between single places: an f-layer, or a c-layer whose kernels cover the whole input.

    `weights[j][t]`: the place in the param of the weight from input j to output t; `bias[t]`. `of_windows`: squares are
    those of a c-layer.
    """

    inputs: int
    outputs: int
    weights: bytes
    bias: int
    of_windows: bool
    squash: str

    @property
    def output(self) -> Sizes:
        """The sizes of the output."""
        return self.outputs, 1, 1


@dataclass(frozen=True)
class Distances:
    """Half the squared distance from a vector for each output, at a single place: an e-layer.

    `weights[j][t]`: as in Full.
    """

    inputs: int
    outputs: int
    weights: bytes
    squash: str = ""

    @property
    def output(self) -> Sizes:
        """The sizes of the output."""
        return self.outputs, 1, 1


@dataclass(frozen=True)
class Windows:
    """A convolution: rows (from, to) of the table, and the first of its kernels in the param."""

    sizes: Sizes
    kernel: tuple[int, int]
    step: tuple[int, int]
    table: tuple[tuple[int, int], ...]
    thickness: int
    kernels: int
    bias: int
    squash: str

    @property
    def output(self) -> Sizes:
        """The sizes of the output."""
        rows, columns = ((n - k) // step + 1 for n, k, step in zip(self.sizes[1:], self.kernel, self.step))
        return self.thickness, rows, columns


@dataclass(frozen=True)
class Blocks:
    """Subsampling by blocks."""

    sizes: Sizes
    block: tuple[int, int]
    coeff: int
    bias: int
    squash: str

    @property
    def output(self) -> Sizes:
        """The sizes of the output."""
        return self.sizes[0], self.sizes[1] // self.block[0], self.sizes[2] // self.block[1]


@dataclass(frozen=True)
class Squash:
    """A module that only applies a function to each number."""

    sizes: Sizes
    squash: str

    @property
    def output(self) -> Sizes:
        """The sizes of the output."""
        return self.sizes


Stage = Full | Distances | Windows | Blocks | Squash


@dataclass(frozen=True)
class Description:
    """A chain of stages for input of some sizes, and the number of parameters of the param."""

    sizes: Sizes
    stages: tuple[Stage, ...]
    parameters: int

    @property
    def output(self) -> Sizes:
        """The sizes of the output."""
        return self.stages[-1].output


def refuse(reason: str) -> NotPlannedError:
    """Return the error for what is not compiled, to be raised by the caller."""
    return NotPlannedError(reason)


def built_in(receiver: object, *selectors: Symbol) -> None:
    """Refuse an object that is busy with a message, or whose messages a program has replaced."""
    if not isinstance(receiver, Object) or receiver.kind is None or receiver.running:
        raise refuse("no object, or one in the middle of a message")
    for selector in selectors:
        found = receiver.kind.method(selector)
        if found is None or type(found[0]) is not Message:
            raise refuse(f"{selector} is a method of the program")


# Machines


@dataclass(frozen=True)
class Machine:
    """A module, the state behind it, a cost and a classifier."""

    module: Form
    out: Form
    cost: Form
    classifier: Form


def machine_of(machine: Object, selectors: Sequence[Symbol]) -> Machine:
    """Return the parts of a machine: of the library's class, or of one of the program that sends the same messages."""
    if machine.kind is None or machine.running:
        raise refuse("a machine in the middle of a message")
    found = [machine.kind.method(selector) for selector in selectors]
    methods = [match[0] for match in found if match is not None]
    if len(methods) < len(selectors):
        raise refuse("a machine without a message")
    if all(type(method) is Message for method in methods):
        if not isinstance(machine, Idx3SupervisedModule):
            raise refuse("another machine")
        return Machine(machine.machine, machine.mout, machine.cost, machine.classifier)
    forward, *backward = [_sends(machine, method, selector, 4) for method, selector in zip(methods, selectors)]
    by_ends = {tuple(end for end in ends if isinstance(end, int)): (target, ends) for target, ends in forward}
    if len(forward) != 3 or by_ends.keys() != {(0,), (1,), (2, 3)} or any(len(ends) < 2 for _, ends in forward):
        raise refuse("a machine that does more")
    (module, (_, out)), (classifier, answering), (cost, costing) = by_ends[0,], by_ends[1,], by_ends[2, 3]
    if not isinstance(out, Symbol) or (forward[0], answering, costing) != ((module, (0, out)), (out, 1), (out, 2, 3)):
        raise refuse("a machine in another order")
    if any(sends != [(cost, costing), (module, (0, out))] for sends in backward):
        raise refuse("a machine whose gradients take another way")
    slots = machine.slots
    return Machine(slots[module], slots[out], slots[cost], slots[classifier])


# The modules of a machine, one behind the other


@dataclass(frozen=True)
class Link:
    """A module between two states."""

    module: Object
    source: State
    out: State


def links(module: Form, source: Form, out: Form, selectors: Sequence[Symbol], depth: int = 0) -> Iterator[Link]:
    """Yield the known modules that a module sends its messages to, from front to back."""
    if not isinstance(module, Object) or module.kind is None or module.running or depth > 20:
        raise refuse("no module")
    if not isinstance(source, State) or not isinstance(out, State):
        raise refuse("no state between two modules")
    found = [module.kind.method(selector) for selector in selectors]
    if any(match is None for match in found):
        raise refuse("a module without a message")
    methods = [match[0] for match in found if match is not None]
    if all(type(method) is Message for method in methods):
        if isinstance(module, Chain):
            parts = [module.module(part) for part in module.parts]
            states = module.states(source, out)
            for part, before, after in zip(parts, states, states[1:]):
                yield from links(part, before, after, selectors, depth + 1)
        else:
            yield Link(module, source, out)
        return
    forward, *backward = [_sends(module, method, selector, 2) for method, selector in zip(methods, selectors)]
    if any(sends != forward[::-1] for sends in backward) or any(len(ends) != 2 for _, ends in forward):
        raise refuse("a backward pass in another order")
    for target, ends in forward:
        before, after = [(source, out)[end] if isinstance(end, int) else module.slots[end] for end in ends]
        yield from links(module.slots[target], before, after, selectors, depth + 1)


Send = tuple[Symbol, tuple[Symbol | int, ...]]


def _sends(module: Object, method: Function | BuiltInMethod, selector: Symbol, count: int) -> list[Send]:
    """Return the sends that a method of `count` parameters consists of; declarations of types do not count.

    A send is the slot of the receiver, and the arguments: the name of a slot, or 0, 1, ... for the method's own.
    """
    if not isinstance(method, Function):
        raise refuse("a module that inherits some of its messages")
    ends = method.parameters.required
    if method.accepts != count or len(set(ends)) < count or any(name in module.slots for name in ends):
        raise refuse("a method with other parameters")
    sends: list[Send] = []
    for form in _elements(method.body):
        if isinstance(form, Pair) and _is_type(form.car):
            continue
        parts = list(_elements(form))
        if len(parts) < 4 or parts[0] is not _SEND or parts[2] is not selector:
            raise refuse("a method that does more than send its message on")
        target = parts[1]
        if not isinstance(target, Symbol) or target not in module.slots:
            raise refuse("a message to no slot")
        arguments: list[Symbol | int] = []
        for name in parts[3:]:
            if name in ends:
                arguments.append(ends.index(name))
            elif isinstance(name, Symbol) and name in module.slots:
                arguments.append(name)
            else:
                raise refuse("a message with other arguments than slots and parameters")
        sends.append((target, tuple(arguments)))
    if not sends:
        raise refuse("an empty method")
    return sends


def _elements(form: Form) -> Iterator[Form]:
    while isinstance(form, Pair):
        yield form.car
        form = form.cdr
    if form is not NIL:
        raise refuse("a list that does not end")


def _is_type(form: Form) -> bool:
    head = form.car if isinstance(form, Pair) else form
    return isinstance(head, Symbol) and _TYPE.fullmatch(head.name) is not None


# Layers as stages


class Describer:
    """Describes a chain; refuses one whose states or parameters share memory."""

    def __init__(self, param: Param, levels: int):
        """`levels`: how many of x, dx and ddx are needed."""
        self.param, self.levels = param, levels
        self.memory: set[int] = {id(whole.storage) for whole in param.vectors()}
        self.arrays = [whole.array for whole in param.vectors()]
        if len(self.memory) != len(param.vectors()) or not all(whole.is_contiguous for whole in param.vectors()):
            raise refuse("vectors of the param share their memory")
        self._taken: list[tuple[int, int]] = []
        self._modules: set[int] = set()

    def describe(self, chain: Sequence[Link], sizes: Sizes) -> Description:
        """Return the description of a chain whose input has these sizes."""
        stages: list[Stage] = []
        now, before = sizes, None
        for link in chain:
            if id(link.module) in self._modules or (before is not None and link.source is not before):
                raise refuse("a module at two places, or a state that another module has not written")
            self._modules.add(id(link.module))
            self.own(link.source, now)
            stage = self._stage(link.module, now)
            if not isinstance(stage, Squash) or stage.squash:
                stages.append(stage)
            now, before = stage.output, link.out
        if before is None or not stages:
            raise refuse("no module")
        self.own(before, now)
        return Description(sizes, tuple(stages), self.param.x.size)

    def own(self, state: State, sizes: tuple[int, ...]) -> None:
        """Refuse a state of other sizes than these, or one that shares memory."""
        if len(state.levels) < self.levels or state.running:
            raise refuse("a state without gradients")
        for level in (_X, _DX, _DDX)[: self.levels]:
            part = state.slots[level]
            if not isinstance(part, Idx) or part.sizes != sizes or part.kind != np.float32:
                raise NotYetError("a state of other sizes, as before its first presentation")
            self.alone(part)

    def alone(self, part: Idx) -> None:
        """Refuse a matrix that shares memory with another one."""
        if id(part.storage) in self.memory:
            raise refuse("matrices share their memory")
        self.memory.add(id(part.storage))
        self.arrays.append(part.array)

    def _stage(self, module: Object, sizes: Sizes) -> Stage:
        kind = type(module)
        if kind in SQUASHERS:
            return Squash(sizes, SQUASHERS[kind])
        if kind is ELayer:
            assert isinstance(module, ELayer)
            return self._distances(module, sizes)
        if not isinstance(module, Layer):
            raise refuse(f"no operation for {kind.__name__}")
        squash = module.squash
        built_in(squash, FPROP, BPROP, BBPROP)
        if type(squash) not in SQUASHERS:
            raise refuse("another function")
        name = SQUASHERS[type(squash)]
        if isinstance(module, FLayer):
            return self._full(module, sizes, name)
        if isinstance(module, CLayer):
            return self._windows(module, sizes, name)
        if isinstance(module, SLayer):
            return self._blocks(module, sizes, name)
        raise refuse(f"no operation for {kind.__name__}")

    def _full(self, layer: FLayer, sizes: Sizes, squash: str) -> Full:
        outputs, inputs = layer.weight.x.sizes
        if sizes != (inputs, 1, 1):
            raise refuse("several places")
        first, bias = self._place(layer.weight), self._place(layer.bias)
        self._check_bias(layer.bias, outputs)
        self.own(layer.sum, (outputs, 1, 1))
        return Full(inputs, outputs, _transposed(first, outputs, inputs), bias, False, squash)

    def _distances(self, layer: ELayer, sizes: Sizes) -> Distances:
        outputs, inputs = layer.weight.x.sizes
        if sizes != (inputs, 1, 1):
            raise refuse("several places")
        return Distances(inputs, outputs, _transposed(self._place(layer.weight), outputs, inputs))

    def _windows(self, layer: CLayer, sizes: Sizes, squash: str) -> Stage:
        table = layer.rows()
        (maps, h, w), (_, ki, kj), thickness = sizes, layer.kernel.x.sizes, layer.thickness
        (ri, rj), rows = layer.step, tuple((int(start), int(end)) for start, end in table)
        if h < ki or w < kj or ri < 1 or rj < 1 or (h - ki) % ri or (w - kj) % rj or layer.highest >= maps:
            raise refuse("kernels that do not fit")
        if len({end for _, end in rows}) < thickness:
            raise refuse("a map without kernels")
        first, bias = self._place(layer.kernel), self._place(layer.bias)
        self._check_bias(layer.bias, thickness)
        windows = Windows(sizes, (ki, kj), (ri, rj), rows, thickness, first, bias, squash)
        self.own(layer.sum, windows.output)
        if (h, w) == (ki, kj) and len(rows) == maps * thickness:
            number = np.full((maps, thickness), -1)
            for r, (start, end) in enumerate(rows):
                number[start, end] = r
            ascending = (np.diff(number, axis=0) > 0).all() and (np.diff(number, axis=1) > 0).all()
            if ascending and (number >= 0).all():  # each sum adds its terms as that of an f-layer
                taps = np.arange(ki * kj)
                places = first + number[:, None, :] * (ki * kj) + taps[None, :, None]
                weights = places.reshape(-1, thickness).astype(np.int32).tobytes()
                return Full(maps * ki * kj, thickness, weights, bias, True, squash)
        return windows

    def _blocks(self, layer: SLayer, sizes: Sizes, squash: str) -> Blocks:
        (maps, h, w), (bi, bj) = sizes, (layer.stridei, layer.stridej)
        if bi < 1 or bj < 1 or h % bi or w % bj or layer.coeff.x.sizes != (maps,):
            raise refuse("blocks that do not fit")
        coeff, bias = self._place(layer.coeff), self._place(layer.bias)
        self._check_bias(layer.bias, maps)
        blocks = Blocks(sizes, (bi, bj), coeff, bias, squash)
        self.own(layer.sum, blocks.output)
        self.own(layer.sub, blocks.output)
        return blocks

    def _check_bias(self, bias: State, count: int) -> None:
        if bias.x.sizes != (count,):
            raise refuse("another number of biases")

    def _place(self, state: State) -> int:
        """Return where the numbers of a state stand in the param; refuse one that is no window on it."""
        first, windows = None, self.param.windows()
        for level, whole in zip((_X, _DX, _DDX), windows):
            part = state.slots.get(level)
            if not isinstance(part, Idx) or part.storage is not whole.storage or not part.is_contiguous:
                raise refuse("parameters outside the param")
            place = part.offset - whole.offset
            if (first is not None and place != first) or not 0 <= place <= whole.size - part.size:
                raise refuse("parameters at another place of the param")
            first = place
        if first is None:
            raise refuse("no parameters")
        end = first + state.x.size
        if any(first < other_end and start < end for start, other_end in self._taken):
            raise refuse("shared parameters")
        self._taken.append((first, end))
        return first


def _transposed(first: int, rows: int, columns: int) -> bytes:
    """Return the places of a matrix in the param that begins at `first`, column after column."""
    return (first + np.arange(rows * columns).reshape(rows, columns).T).astype(np.int32).tobytes()
