"""Implement classes and objects (docs/reference/sn28.md, section 1.7).

Inside a method the slots of the object are variables. A slot is bound when a method begins. Its value is stored when
the method ends, or when another message reaches the object before that. So all running methods see one value.

A class can also be built in: its methods are then Python functions (`BuiltInMethod`), and its objects are of a Python
class below `Object`. Classes of a program may inherit from it and replace its methods.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from snsim.language.forms import NIL, Form, Pair, Symbol, symbol
from snsim.language.procedures import CallError, Function
from snsim.registry import nearest

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

THIS = symbol("this")
_DESTRUCTOR = symbol("-destructor")
_BEFORE_ARGUMENTS = 2  # (==> object message x...)


class BuiltInMethod:
    """A method written in Python."""

    name: str

    def run(self, receiver: Object, arguments: Sequence[Form]) -> Form:
        """Return the value of the method. A CallError counts its arguments from 0."""
        raise NotImplementedError


@dataclass(eq=False)
class Class:
    """A class of a program. `slots`: its own slots with their initial values; `methods`: by selector."""

    name: Symbol
    parent: Class | None
    slots: dict[Symbol, Form] = field(default_factory=dict)
    methods: dict[Symbol, Function | BuiltInMethod] = field(default_factory=dict)

    @property
    def is_built_in(self) -> bool:
        """Whether the class, or one that it inherits from, is written in Python."""
        return self.parent is not None and self.parent.is_built_in

    def create(self, kind: Class) -> Object:
        """Return a new object of the class `kind`, which is this class or inherits from it; no method runs."""
        return Object(kind) if self.parent is None else self.parent.create(kind)

    def constructor(self) -> Class | None:
        """Return the class whose constructor `new` calls, or None. A constructor is named like its class.

        The constructor of a built-in class is inherited.
        """
        candidates = self.ancestry() if self.is_built_in else [self]
        return next((cls for cls in candidates if cls.name in cls.methods), None)

    def ancestry(self) -> Iterator[Class]:
        """Yield the class, its parent, and so on."""
        ancestor: Class | None = self
        while ancestor is not None:
            yield ancestor
            ancestor = ancestor.parent

    def method(self, selector: Symbol) -> tuple[Function | BuiltInMethod, Class] | None:
        """Return the method for a message and the class that defines it, or None."""
        owner: Class | None = self
        while owner is not None:
            method = owner.methods.get(selector)
            if method is not None:
                return method, owner
            owner = owner.parent
        return None

    def __str__(self) -> str:
        return f"::class:{self.name}"


OBJECT = Class(symbol("object"), None)  # the class above all classes of a program


class Object:
    """An object. `kind` is its class, None once the object is deleted."""

    def __init__(self, kind: Class):
        self.kind: Class | None = kind
        self.slots: dict[Symbol, Form] = {}
        self.running: list[_Frame] = []
        for cls in reversed(list(kind.ancestry())):
            self.slots.update(cls.slots)

    def store(self) -> None:
        """Store the slot variables of the running method in the slots."""
        if self.running:
            for name, bindings, index in self.running[-1].variables:
                self.slots[name] = bindings[index]

    def show(self) -> None:
        """Set the slot variables of the running method to the values of the slots."""
        if self.running:
            for name, bindings, index in self.running[-1].variables:
                bindings[index] = self.slots.get(name)

    def get(self, slot: Symbol) -> Form:
        self.store()
        self._check(slot)
        return self.slots[slot]

    def set(self, slot: Symbol, value: Form) -> None:
        self.store()
        self._check(slot)
        self.slots[slot] = value
        self.show()

    def _check(self, slot: Symbol) -> None:
        if slot not in self.slots:
            near = nearest(slot.name, [name.name for name in self.slots])
            known = ", ".join(name.name for name in self.slots) or "none"
            raise CallError(
                f"an object of class {self.kind and self.kind.name} has no slot {slot}",
                None,
                f"did you mean {near}?" if near else f"its slots are {known}",
            )

    def __str__(self) -> str:
        return f"::{self.kind.name}" if self.kind is not None else "()"


@dataclass
class _Frame:
    """A running method: its class, and for each slot the bindings and the index of the method's own binding."""

    owner: Class
    variables: list[tuple[Symbol, list[Form], int]]


def send(
    interpreter: Interpreter, receiver: Object, selector: Symbol, arguments: list[Form], start: Class | None = None
) -> Form:
    """Return the value of the method for a message; its lookup begins at `start` (default: the receiver's class)."""
    cls = start or receiver.kind
    match = None if cls is None else cls.method(selector)
    if cls is None or match is None:
        known = [] if cls is None else sorted({name.name for owner in cls.ancestry() for name in owner.methods})
        near = nearest(selector.name, known)
        raise CallError(
            f"class {cls and cls.name} has no method {selector}",
            1,
            f"did you mean {near}?" if near else f"its methods are {', '.join(known) or 'none'}",
        )
    method, owner = match
    if isinstance(method, BuiltInMethod):
        return _run_built_in(receiver, method, owner, arguments)
    bound = [*method.parameters.bind(selector.name, arguments), (THIS, receiver)]
    frame = _enter(interpreter, receiver, owner)
    try:
        return interpreter.run_body(bound, method.body)
    finally:
        _leave(interpreter, receiver, frame)


def _run_built_in(receiver: Object, method: BuiltInMethod, owner: Class, arguments: list[Form]) -> Form:
    """Return the value of a method that reads and sets the slots themselves; no slot is a variable meanwhile."""
    shown = bool(receiver.running)
    if shown:
        receiver.store()
        receiver.running.append(_Frame(owner, []))
    try:
        return method.run(receiver, arguments)
    except CallError as error:
        if error.argument is None:
            raise
        raise CallError(error.message, error.argument + _BEFORE_ARGUMENTS, error.hint) from None
    finally:
        if shown:
            receiver.running.pop()
            receiver.show()


def evaluate_in(interpreter: Interpreter, receiver: Object, owner: Class, body: Form) -> Form:
    """Return the value of a body in which the slots of an object are variables."""
    frame = _enter(interpreter, receiver, owner)
    try:
        return interpreter.body(body)
    finally:
        _leave(interpreter, receiver, frame)


def _enter(interpreter: Interpreter, receiver: Object, owner: Class) -> _Frame:
    """Bind the slots of an object as variables."""
    receiver.store()
    frame = _Frame(owner, [])
    for name, value in receiver.slots.items():
        bindings = interpreter.bind(name, value)
        frame.variables.append((name, bindings, len(bindings) - 1))
    receiver.running.append(frame)
    return frame


def _leave(interpreter: Interpreter, receiver: Object, frame: _Frame) -> None:
    """Store the slots of an object, and remove the bindings of `_enter`."""
    receiver.store()
    receiver.running.pop()
    for name, _, _ in frame.variables:
        interpreter.unbind(name)
    receiver.show()


def resolve_scope(interpreter: Interpreter, receiver: Object, name: Symbol) -> Class:
    """Return the class that (name . message) means: the class of this name; for `super`, the parent of the method's."""
    value = interpreter.lookup(name)
    if isinstance(value, Class):
        if receiver.kind is not None and value not in receiver.kind.ancestry():
            raise CallError(
                f"class {receiver.kind.name} does not inherit from class {name}",
                1,
                f"name one of {', '.join(str(cls.name) for cls in receiver.kind.ancestry())}",
            )
        return value
    parent = receiver.running[-1].owner.parent if name.name == "super" and receiver.running else None
    if parent is None:
        raise CallError(
            f"{name} is not a class that this object inherits from",
            1,
            "write (class . message) with a class above the object's own, or in a method (super . message)",
        )
    return parent


def delete(interpreter: Interpreter, gone: Object) -> None:
    """Delete an object: call its destructors, then replace every reference to it by ()."""
    assert gone.kind is not None
    for cls in gone.kind.ancestry():
        if _DESTRUCTOR in cls.methods:
            send(interpreter, gone, _DESTRUCTOR, [], cls)
    gone.kind = None
    for slot in gone.slots:
        gone.slots[slot] = NIL
    gone.show()
    seen: set[int] = set()
    for bindings in interpreter.bindings():
        for i, value in enumerate(bindings):
            bindings[i] = _without(interpreter, value, gone, seen)


def _without(interpreter: Interpreter, value: Form, gone: Object, seen: set[int]) -> Form:
    """Return the value with () in place of the object wherever it stands in lists and slots."""
    if value is gone:
        return NIL
    work = [value]
    while work:
        part = work.pop()
        if not isinstance(part, (Pair, Object)) or id(part) in seen:
            continue
        interpreter.budget.walk(20)
        seen.add(id(part))
        if isinstance(part, Pair):
            if part.car is gone or part.cdr is gone:
                interpreter.changed(part)
                part.car = NIL if part.car is gone else part.car
                part.cdr = NIL if part.cdr is gone else part.cdr
            work += [part.car, part.cdr]
        else:
            for slot, content in part.slots.items():
                part.slots[slot] = NIL if content is gone else content
            work += part.slots.values()
    return value
