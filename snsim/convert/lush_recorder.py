"""Record what a program of Lush does with gblearn2's trainers: which machines it trains, from what, and how.

The program runs, but a trainer only notes that it should learn or measure. Loops that wait for a result end, because
all patterns count as wrong before the first training, and as right after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from snsim.convert.recorder import MOST_LEARNING, LearningLimitError
from snsim.language.forms import NIL, Form, symbol
from snsim.language.objects import BuiltInMethod, Object
from snsim.lush.modules.built_in import Classes, Message
from snsim.lush.modules.layers import CLayer, ELayer, FLayer, SLayer
from snsim.lush.modules.machines import Idx3SupervisedModule
from snsim.lush.modules.meters import ClassifierMeter
from snsim.lush.modules.roots import FPROP
from snsim.lush.modules.sources import size_of
from snsim.lush.modules.states_and_params import DDparam, Dparam, DparamEps
from snsim.lush.modules.trainers import SupervisedGradient
from snsim.lush.vocabulary import LUSH

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


@dataclass(frozen=True, eq=False)
class Learning:
    """One call of a trainer, or several equal ones: `presentations` patterns of a source of `size` patterns.

    `hessian` is (patterns, mu) of the compute-diaghessian that set the rates, None if none did. `rate` is then the mean
    of the param's epsilons, and `even` says that all of them are equal.
    """

    source: Object
    presentations: int
    size: int
    eta: float
    inertia: float
    kappa: float
    hessian: tuple[int, float] | None
    rate: float
    even: bool
    own_rule: bool


@dataclass(eq=False)
class TrainedMachine:
    """A machine, the trainer that a program made for it (None if it made none), and what the trainer was told."""

    machine: Object
    trainer: SupervisedGradient | None = None
    learning: list[Learning] = field(default_factory=list)
    tests: list[Object] = field(default_factory=list)
    hessians: int = 0
    hessian: tuple[int, float] | None = None

    def part(self, name: str) -> Form:
        """Return what a slot of the machine holds: its machine, cost or classifier; () if it has no such slot."""
        self.machine.store()
        return self.machine.slots.get(symbol(name), NIL)

    @property
    def module(self) -> Form:
        """The module inside the machine, or the machine itself if it has no slot for one."""
        module = self.part("machine")
        return module if isinstance(module, Object) else self.machine


@dataclass(frozen=True, eq=False)
class Drawn:
    """What `forget` drew for a layer: its arguments, and the bytes of its weights and biases afterwards."""

    v: float
    p: float
    weights: bytes


class LushWatch:
    """What one program did so far; `interpreter.part(LushWatch)` returns it."""

    def __init__(self, interpreter: Interpreter):
        self.interpreter = interpreter
        self.machines: list[TrainedMachine] = []
        self.drawn: dict[int, Drawn] = {}  # by the id of the layer
        self.kept: list[Object] = []  # so that no other object gets the id of one
        self.calls = 0  # of trainers, to learn
        self.updates = 0  # of params, by the program itself
        self.trained = False
        self.answered = False  # whether a measurement was made up

    def of_trainer(self, trainer: SupervisedGradient) -> TrainedMachine:
        """Return the record of a trainer's machine."""
        machine = trainer.machine
        for one in self.machines:
            if one.machine is machine and one.trainer in (None, trainer):
                one.trainer = trainer
                return one
        self.machines.append(TrainedMachine(machine, trainer))
        return self.machines[-1]

    def pretend(self, meter: Object, source: Object, trainer: SupervisedGradient) -> None:
        """Set the counts of a meter as if all patterns were right, or wrong before any learning.

        One pattern runs through the machine, so that the states have their sizes.
        """
        size = float(size_of(trainer, source))
        trainer.send(source, symbol("seek"), 0.0)
        trainer.send(source, FPROP, trainer.input, trainer.desired)
        trainer.send(trainer.machine, FPROP, trainer.input, trainer.output, trainer.desired, trainer.energy)
        self.answered = True
        if isinstance(meter, ClassifierMeter):
            meter.size = size
            meter.total_correct, meter.total_error = (size, 0.0) if self.trained else (0.0, size)
            meter.total_punt, meter.total_energy = 0.0, 0.0 if self.trained else size


class _Watched(BuiltInMethod):
    """Takes the place of a method of a built-in class: `work` gets the method, the receiver and the arguments."""

    def __init__(self, method: Message, work: Callable[[Message, Object, Sequence[Form]], Form]):
        self.name, self.method, self.work = method.name, method, work

    def run(self, receiver: Object, arguments: Sequence[Form]) -> Form:
        return self.work(self.method, receiver, arguments)


def watch_classes(interpreter: Interpreter) -> LushWatch:
    """Watch the built-in classes of a program before it runs; return the watch."""
    watch = interpreter.part(LushWatch)
    by_python = interpreter.part(Classes).by_python

    def put(python: type, name: str, work: Callable[[Message, Object, Sequence[Form]], Form]) -> None:
        methods = by_python[python].methods
        method = methods[symbol(name)]
        assert isinstance(method, Message)
        methods[symbol(name)] = _Watched(method, work)

    def train(method: Message, receiver: Object, arguments: Sequence[Form]) -> Form:
        return _learn(watch, method, receiver, arguments)

    def test(method: Message, receiver: Object, arguments: Sequence[Form]) -> Form:
        return _test(watch, method, receiver, arguments)

    def hessian(method: Message, receiver: Object, arguments: Sequence[Form]) -> Form:
        return _hessian(watch, method, receiver, arguments)

    def made_trainer(method: Message, receiver: Object, arguments: Sequence[Form]) -> Form:
        value = method.run(receiver, arguments)
        assert isinstance(receiver, SupervisedGradient)
        watch.of_trainer(receiver)
        return value

    def made_machine(method: Message, receiver: Object, arguments: Sequence[Form]) -> Form:
        value = method.run(receiver, arguments)
        watch.machines.append(TrainedMachine(receiver))
        return value

    def forget(method: Message, receiver: Object, arguments: Sequence[Form]) -> Form:
        value = method.run(receiver, arguments)
        v, p = (float(x) if isinstance(x, float) else np.nan for x in arguments)
        watch.drawn[id(receiver)] = Drawn(v, p, weights_of(receiver))
        watch.kept.append(receiver)
        return value

    def update(method: Message, receiver: Object, arguments: Sequence[Form]) -> Form:
        watch.updates += 1
        return method.run(receiver, arguments)

    def set_rates(method: Message, receiver: Object, arguments: Sequence[Form]) -> Form:
        for machine in watch.machines:
            if machine.trainer is not None and machine.trainer.param is receiver:
                machine.hessian = None
        return method.run(receiver, arguments)

    for name in ("train", "train-online"):
        put(SupervisedGradient, name, train)
    put(SupervisedGradient, "test", test)
    put(SupervisedGradient, "compute-diaghessian", hessian)
    put(SupervisedGradient, "supervised-gradient", made_trainer)
    put(Idx3SupervisedModule, "idx3-supervised-module", made_machine)
    for layer in (FLayer, CLayer, SLayer, ELayer):
        put(layer, "forget", forget)
    for param in (Dparam, DparamEps):
        put(param, "update", update)
    for name in ("set-epsilon", "set-epsilons"):
        put(DparamEps, name, set_rates)
    put(DDparam, "compute-epsilons", set_rates)
    return watch


def weights_of(layer: Object) -> bytes:
    """Return the numbers of a layer's weights and biases, as bytes."""
    slots = ("weight", "kernel", "coeff", "bias")
    states = [layer.slots[symbol(name)] for name in slots if symbol(name) in layer.slots]
    return b"".join(state.slots[symbol("x")].array.tobytes() for state in states if isinstance(state, Object))


# What a trainer is told


def _object(arguments: Sequence[Form], i: int) -> Object | None:
    value = arguments[i] if i < len(arguments) else NIL
    return value if isinstance(value, Object) and value.kind is not None else None


def _learn(watch: LushWatch, method: Message, receiver: Object, arguments: Sequence[Form]) -> Form:
    """Note a call that trains; return what the meter says."""
    source, meter = _object(arguments, 0), _object(arguments, 1)
    numbers = [x for x in arguments[2:] if isinstance(x, float)]
    first = 1 if method.name == "train-online" else 0
    assert isinstance(receiver, SupervisedGradient)
    if source is None or meter is None or len(numbers) != len(arguments) - 2 or len(numbers) < first + 1:
        return method.run(receiver, arguments)  # which explains what is missing
    watch.calls += 1
    if watch.calls > MOST_LEARNING:
        raise LearningLimitError
    size = size_of(receiver, source)
    count = int(numbers[0]) if first else size
    eta, inertia, kappa = [*numbers[first:], 0.0, 0.0][:3]
    machine = watch.of_trainer(receiver)
    own_rule = isinstance(meter, ClassifierMeter) and meter.correctp is not LUSH.get("same-class?")
    rate, even = _rate(receiver.param, machine.hessian)
    new = Learning(source, count, size, eta, inertia, kappa, machine.hessian, rate, even, own_rule)
    last = machine.learning[-1] if machine.learning else None
    if last is not None and _manner(last) == _manner(new):
        machine.learning[-1] = replace(new, presentations=last.presentations + count)
    else:
        machine.learning.append(new)
    watch.trained = True
    receiver.age += count
    watch.pretend(meter, source, receiver)
    return receiver.send(meter, symbol("info"))


def _manner(one: Learning) -> tuple[object, ...]:
    return id(one.source), one.size, one.eta, one.inertia, one.kappa, one.hessian, one.rate, one.own_rule


def _rate(param: Object, hessian: tuple[int, float] | None) -> tuple[float, bool]:
    """Return the mean of the epsilons of a param, and whether they are equal; 1 where there are none."""
    if hessian is not None or not isinstance(param, DparamEps) or not param.epsilons.size:
        return 1.0, True
    rates = param.epsilons.array
    return float(rates.mean(dtype=np.float64)), bool((rates == rates[0]).all())


def _test(watch: LushWatch, method: Message, receiver: Object, arguments: Sequence[Form]) -> Form:
    source, meter = _object(arguments, 0), _object(arguments, 1)
    assert isinstance(receiver, SupervisedGradient)
    if source is None or meter is None:
        return method.run(receiver, arguments)
    machine = watch.of_trainer(receiver)
    if not any(one is source for one in machine.tests):
        machine.tests.append(source)
    watch.pretend(meter, source, receiver)
    return 0.0


def _hessian(watch: LushWatch, method: Message, receiver: Object, arguments: Sequence[Form]) -> Form:
    numbers = [x for x in arguments[1:] if isinstance(x, float)]
    assert isinstance(receiver, SupervisedGradient)
    if _object(arguments, 0) is None or len(numbers) != 2:
        return method.run(receiver, arguments)
    machine = watch.of_trainer(receiver)
    machine.hessian, machine.hessians = (int(numbers[0]), numbers[1]), machine.hessians + 1
    return watch.interpreter.new_list([1.0, 1.0], method.name)
