"""Classes and objects (docs/reference/sn28.md, section 1.7). Inside a method the slots of the object are variables.

A slot is bound when a method begins, and kept when it ends or another message reaches the object in the meantime; so
all see one value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING

from snsim.language.forms import NIL, Form, Pair, Symbol, symbol
from snsim.language.procedures import CallError, Function

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

THIS = symbol("this")
_DESTRUCTOR = symbol("-destructor")


@dataclass(eq=False)
class Class:
    """A class of a program. `slots`: its own ones with what they hold at first; `methods`: by selector."""

    name: Symbol
    parent: Class | None
    slots: dict[Symbol, Form] = field(default_factory=dict)
    methods: dict[Symbol, Function] = field(default_factory=dict)

    def line(self) -> Iterator[Class]:
        """The class, its parent, and so on."""
        one: Class | None = self
        while one is not None:
            yield one
            one = one.parent

    def method(self, selector: Symbol) -> tuple[Function, Class] | None:
        """The method for a message, and the class that has it."""
        return next(((one.methods[selector], one) for one in self.line() if selector in one.methods), None)

    def __str__(self) -> str:
        return f"::class:{self.name}"


class Object:
    """An object; `kind` is None once it is deleted."""

    def __init__(self, kind: Class):
        self.kind: Class | None = kind
        self.slots: dict[Symbol, Form] = {}
        self.running: list[_Frame] = []
        for one in reversed(list(kind.line())):
            self.slots.update(one.slots)

    def store(self) -> None:
        """Keep what the running method set."""
        if self.running:
            for name, bindings, place in self.running[-1].variables:
                self.slots[name] = bindings[place]

    def show(self) -> None:
        """Let the running method see the slots as they are."""
        if self.running:
            for name, bindings, place in self.running[-1].variables:
                bindings[place] = self.slots.get(name)

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
            near = get_close_matches(slot.name, [name.name for name in self.slots], n=1)
            known = ", ".join(name.name for name in self.slots) or "none"
            raise CallError(
                f"an object of class {self.kind and self.kind.name} has no slot {slot}",
                None,
                f"did you mean {near[0]}?" if near else f"its slots are {known}",
            )

    def __str__(self) -> str:
        return f"::{self.kind.name}" if self.kind is not None else "()"


@dataclass
class _Frame:
    """A method that runs: the class that has it, and for each slot its bindings and which of them is the method's."""

    owner: Class
    variables: list[tuple[Symbol, list[Form], int]]


def send(
    interpreter: Interpreter, receiver: Object, selector: Symbol, arguments: list[Form], start: Class | None = None
) -> Form:
    """The value of the method for a message, looked for from the class `start` upwards (default: the receiver's)."""
    kind = start or receiver.kind
    found = None if kind is None else kind.method(selector)
    if kind is None or found is None:
        known = [] if kind is None else sorted({name.name for one in kind.line() for name in one.methods})
        near = get_close_matches(selector.name, known, n=1)
        raise CallError(
            f"class {kind and kind.name} has no method {selector}",
            1,
            f"did you mean {near[0]}?" if near else f"its methods are {', '.join(known) or 'none'}",
        )
    method, owner = found
    bound = [*method.parameters.bind(selector.name, arguments), (THIS, receiver)]
    receiver.store()
    frame = _Frame(owner, [])
    for name, value in receiver.slots.items():
        bindings = interpreter.bind(name, value)
        frame.variables.append((name, bindings, len(bindings) - 1))
    receiver.running.append(frame)
    try:
        return interpreter.run_body(bound, method.body)
    finally:
        receiver.store()
        receiver.running.pop()
        for name, _, _ in frame.variables:
            interpreter.unbind(name)
        receiver.show()


def upwards(interpreter: Interpreter, receiver: Object, name: Symbol) -> Class:
    """The class that (name . message) means: one of this name, or for `super` the parent of the method that runs."""
    value = interpreter.lookup(name)
    if isinstance(value, Class):
        if receiver.kind is not None and value not in receiver.kind.line():
            raise CallError(
                f"class {receiver.kind.name} does not come from class {name}",
                1,
                f"name one of {', '.join(str(one.name) for one in receiver.kind.line())}",
            )
        return value
    parent = receiver.running[-1].owner.parent if name.name == "super" and receiver.running else None
    if parent is None:
        raise CallError(
            f"{name} is no class that this object comes from",
            1,
            "write (class . message) with a class above that of the object, or in a method (super . message)",
        )
    return parent


def delete(interpreter: Interpreter, gone: Object) -> None:
    """End an object: its destructors are called, then every reference to it is ()."""
    assert gone.kind is not None
    for one in gone.kind.line():
        if _DESTRUCTOR in one.methods:
            send(interpreter, gone, _DESTRUCTOR, [], one)
    gone.kind = None
    for slot in gone.slots:
        gone.slots[slot] = NIL
    gone.show()
    seen: set[int] = set()
    for bindings in interpreter.bindings():
        for i, value in enumerate(bindings):
            bindings[i] = _without(interpreter, value, gone, seen)


def _without(interpreter: Interpreter, value: Form, gone: Object, seen: set[int]) -> Form:
    """The value, () in place of the object wherever it stands in lists and slots."""
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
            part.car = NIL if part.car is gone else part.car
            part.cdr = NIL if part.cdr is gone else part.cdr
            work += [part.car, part.cdr]
        else:
            for slot, held in part.slots.items():
                part.slots[slot] = NIL if held is gone else held
            work += part.slots.values()
    return value
