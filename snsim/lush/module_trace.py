"""Find the chain of gblearn2's modules in a machine: send `fprop` once, and record the modules instead of running them.

The methods `fprop` of the program itself run, so a class of the program that hands its input from module to module is
found too. Nothing is computed, and no state changes. See docs/reference/gblearn2.md, section 13.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from snsim.errors import SnError
from snsim.language.forms import NIL, Form, Pair, Symbol
from snsim.language.limits import LimitError
from snsim.language.objects import BuiltInMethod, Object, send
from snsim.language.procedures import CallError, Function
from snsim.lush.idx import Idx
from snsim.lush.modules.built_in import Classes, make, shown
from snsim.lush.modules.layers import CLayer, ELayer, FLayer, SLayer
from snsim.lush.modules.machines import Idx3SupervisedModule
from snsim.lush.modules.nets import Chain
from snsim.lush.modules.roots import BBPROP, BPROP, FPROP, GbModule, IdModule, Idx3Module
from snsim.lush.modules.squashers import Idx3Sqsquasher, Idx3Squasher
from snsim.lush.modules.states_and_params import STATES, State

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

# The classes that a declared net has a counterpart for.
LAYERS = (FLayer, CLayer, SLayer, ELayer)
SQUASHERS = (Idx3Squasher, Idx3Sqsquasher)
IDENTITIES = (Idx3Module, IdModule)
KNOWN = "f-layer, c-layer, s-layer, e-layer, idx3-squasher, idx3-sqsquasher and idx3-module"


@dataclass(frozen=True, eq=False)
class Step:
    """A module that reads state `source` and writes state `target`; state 0 is the input of the machine.

    `python` is the built-in class whose `fprop` it has.
    """

    module: Object
    python: type
    source: int
    target: int


@dataclass(frozen=True)
class Trace:
    """The modules that contribute to the output, in the order in which they ran; `output` is the last state.

    `by_program` says that a method of the program decided the order, so that nothing says what else it does.
    """

    steps: tuple[Step, ...]
    output: int
    by_program: bool


class _NoCounterpartError(CallError):
    """Raised for a module that no declared net can have."""


class _Recorder(BuiltInMethod):
    """Takes the place of the method `fprop` of a built-in class while a machine is traced."""

    def __init__(self, python: type, steps: list[Step], states: dict[int, int], kept: list[Object]):
        self.name, self.python = FPROP.name, python
        self.steps, self.states, self.kept = steps, states, kept

    def run(self, receiver: Object, arguments: Sequence[Form]) -> Form:
        if type(receiver) is not self.python or self.python not in (*LAYERS, *SQUASHERS, *IDENTITIES):
            raise no_counterpart(receiver)
        if has_own_backward(receiver):
            raise _NoCounterpartError(
                f"net-of: a method of the program replaces bprop or bbprop of {shown(receiver)}, so a declared net "
                "would learn otherwise",
                0,
                "take an object of the library's class",
            )
        if len(arguments) != 2 or not all(isinstance(state, State) for state in arguments):
            raise CallError("net-of: fprop takes two states: (==> module fprop in out)", 0)
        before, after = arguments
        assert isinstance(before, State) and isinstance(after, State)
        if id(before) not in self.states:
            raise _UnknownStateError
        self.steps.append(Step(receiver, self.python, self.states[id(before)], len(self.steps) + 1))
        self.states[id(after)] = len(self.steps)
        self.kept.append(after)  # so that no other state gets its id
        return NIL


class _UnknownStateError(Exception):
    """Raised if a module reads a state that no module has written."""


def trace(interpreter: Interpreter, machine: Form) -> Trace:
    """Return the modules of a machine. CallError for one without a counterpart in declared nets."""
    module = module_in(machine)
    inside, out = (make(interpreter, STATES[3, 2], 1.0, 1.0, 1.0) for _ in range(2))
    steps: list[Step] = []
    states, kept = {id(inside): 0}, [inside, out]
    methods = [_method(one, FPROP) for one in _modules_of(module)]
    try:
        with _recording(interpreter, steps, states, kept):
            send(interpreter, module, FPROP, [inside, out])
    except _NoCounterpartError:
        raise
    except _UnknownStateError:
        raise _computes_itself(module) from None
    except CallError as error:
        if _computing(module) is None:
            raise CallError(error.message, 0, error.hint) from None
        raise _computes_itself(module) from None
    except SnError as error:  # in a method of the program
        if isinstance(error, LimitError):
            raise
        raise _computes_itself(module) from None
    if id(out) not in states or not steps:
        raise _computes_itself(module)
    return Trace(
        _contributing(steps, states[id(out)]), states[id(out)], any(isinstance(method, Function) for method in methods)
    )


def module_in(machine: Form) -> Object:
    """Return a module; of an idx3-supervised-module the one in its slot machine. CallError for another value."""
    if isinstance(machine, Idx3SupervisedModule):
        machine = machine.machine
    if not isinstance(machine, GbModule) or machine.kind is None:
        raise CallError(
            f"net-of: {shown(machine)} is not a module",
            0,
            "give a module: (net-of (new net-ff 2 3 2 1 1 (new idx1-ddparam 0 50))); a class of the program is "
            "one if it is a child of idx3-module: (defclass NAME idx3-module ...)",
        )
    method = _method(machine, FPROP)
    if isinstance(method, Function) and len(method.parameters.required) != 2:
        raise CallError(
            f"net-of: fprop of {shown(machine)} takes {len(method.parameters.required)} arguments, not 2",
            0,
            "give the module in its slot: (net-of :object:slot)",
        )
    return machine


@contextmanager
def _recording(
    interpreter: Interpreter, steps: list[Step], states: dict[int, int], kept: list[Object]
) -> Iterator[None]:
    """Replace `fprop` of all built-in classes but those that only send it on."""
    replaced = []
    for python, cls in interpreter.part(Classes).by_python.items():
        method = cls.methods.get(FPROP)
        if isinstance(method, BuiltInMethod) and issubclass(python, GbModule) and not issubclass(python, Chain):
            replaced.append((cls, method))
            cls.methods[FPROP] = _Recorder(python, steps, states, kept)
    try:
        yield
    finally:
        for cls, method in replaced:
            cls.methods[FPROP] = method


def _contributing(steps: list[Step], output: int) -> tuple[Step, ...]:
    """Return the steps whose state reaches the output."""
    needed = {output}
    for step in reversed(steps):
        if step.target in needed:
            needed.add(step.source)
    return tuple(step for step in steps if step.target in needed)


def applied_class(module: Object) -> type | None:
    """Return the built-in class whose `fprop` an object has; None if the program defines it."""
    match = None if module.kind is None else module.kind.method(FPROP)
    return None if match is None or isinstance(match[0], Function) else getattr(match[1], "python", None)


def has_own_backward(module: Object) -> bool:
    """Return whether the program defines `bprop` or `bbprop` of an object."""
    return any(isinstance(_method(module, selector), Function) for selector in (BPROP, BBPROP))


def _method(module: Object, selector: Symbol) -> object:
    match = None if module.kind is None else module.kind.method(selector)
    return None if match is None else match[0]


def no_counterpart(module: Object) -> CallError:
    """Return the error for a module that no declared net can have."""
    return _NoCounterpartError(
        f"net-of: {shown(module)} has no counterpart in declared nets",
        0,
        f"there is one for {KNOWN}, and for objects that send fprop to these",
    )


def _computes_itself(module: Object) -> CallError:
    culprit = _computing(module) or module
    return _NoCounterpartError(
        f"net-of: {shown(culprit)} computes its output by a method of the program, which no declared net can have",
        0,
        f"there is a counterpart for {KNOWN}; a method of the program may send fprop to these, and do no more",
    )


def _computing(module: Object) -> Object | None:
    """Return an object whose method `fprop` the program defines, and which holds no modules; None if there is none."""
    own = [one for one in _modules_of(module) if isinstance(_method(one, FPROP), Function)]
    return next((one for one in own if len(_modules_of(one)) == 1), own[0] if own else None)


def _modules_of(module: Object) -> list[Object]:
    """Return a module and those that its slots hold, also in lists, and theirs."""
    return [one for one in _objects_of(module) if isinstance(one, GbModule)]


def state_parts(module: Object) -> list[Idx]:
    """Return the matrices of all states that a module and the modules in its slots hold."""
    parts: list[Idx] = []
    for one in _objects_of(module):
        if isinstance(one, State):
            parts += one.parts()
    return parts


def _objects_of(module: Object) -> list[Object]:
    """Return a module and the modules and states that its slots hold, also in lists, and theirs."""
    found: dict[int, Object] = {}
    work: list[Form] = [module]
    while work:
        value = work.pop()
        if isinstance(value, Pair):
            work += list(_elements(value))[::-1]
        elif isinstance(value, (GbModule, State)) and value.kind is not None and id(value) not in found:
            found[id(value)] = value
            value.store()
            work += list(value.slots.values())[::-1]
    return list(found.values())


def _elements(pair: Pair) -> Iterator[Form]:
    """Yield the elements of a list; a circular one ends where it begins again."""
    seen: set[int] = set()
    cell: Form = pair
    while isinstance(cell, Pair) and id(cell) not in seen:
        seen.add(id(cell))
        yield cell.car
        cell = cell.cdr
