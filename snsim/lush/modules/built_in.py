"""Declare classes of the Lisp in Python: their slots, their messages, and what each of these may hold.

A class is a Python class under `@built_in_class("f-layer")`. It inherits in the Lisp from what it inherits from in
Python. Its slots are `Slot` attributes, its messages `Message` attributes made by `@message` and `@constructor`:

    @built_in_class("scaler")
    class Scaler(Module):
        \"\"\"a gain for each map\"\"\"

        gain = Slot(state(1))

        @constructor(WHOLE, OBJECT)
        def make(self, maps: int, parameters: Object) -> None:
            \"\"\"(new scaler maps param): a gain for each of `maps` maps, allocated from param\"\"\"

        @message("fprop", state(3), state(3))
        def fprop(self, source: State, out: State) -> None:
            \"\"\"(==> module fprop in out): multiplies each map by its gain\"\"\"

Programs create objects, read and set slots, inherit and replace messages. So Python code sends messages to other
objects, and to the object itself, by `send`: a method that the program wrote then takes part.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

import numpy as np

from snsim.language.forms import NIL, Form, Pair, Symbol, symbol
from snsim.language.objects import OBJECT as TOP
from snsim.language.objects import BuiltInMethod, Class, Object, send
from snsim.language.printer import brief
from snsim.language.procedures import CallError, conversion, lisp_value, wrong_count
from snsim.lush.floating import floating_exception
from snsim.lush.idx import Idx
from snsim.lush.storing import KIND_NAMES, KINDS
from snsim.registry import Shelf

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

T = TypeVar("T")
P = TypeVar("P", bound="type[LushObject]")
_REFUSED: Any = object()
_ABSENT: Any = object()


# What a slot or an argument may hold


@dataclass(frozen=True)
class Kind(Generic[T]):
    """What a slot or an argument may hold.

    `read` returns the value as Python takes it, or `_REFUSED`. `title` and `hint` are for sentences: "a number".
    """

    title: str
    read: Callable[[Form], T]
    hint: str


def instance(title: str, python: type[T], hint: str, accepts: Callable[[T], bool] = lambda value: True) -> Kind[T]:
    """Return the kind of values of a Python class that satisfy a condition."""

    def read(value: Form) -> T:
        return value if isinstance(value, python) and accepts(value) else refused(python)

    return Kind(title, read, hint)


def refused(kind: type[T]) -> T:
    """Return what `Kind.read` returns for a value that is not of the kind."""
    return cast(T, _REFUSED)


def _whole(value: Form) -> int:
    return int(value) if type(value) is float and abs(value) < 2**31 else refused(int)


def _function(value: Form) -> Form:
    return value if value is not NIL and not isinstance(value, (float, str, np.ndarray)) else _REFUSED


ANY: Kind[Form] = Kind("any value", lambda value: value, "")
NUMBER: Kind[float] = instance("a number", float, "write a number, such as 0.1")
WHOLE: Kind[int] = Kind("a whole number", _whole, "write a number, such as 3; its fraction is cut off")
TEXT: Kind[str] = instance("a string", str, 'write a name in quotes: "weights.mat"')
FUNCTION: Kind[Form] = Kind("a function", _function, "write (lambda (got wanted) ...), or the name of a function")
OBJECT: Kind[Object] = instance(
    "an object", Object, "(new class ...) creates one", lambda value: value.kind is not None
)


def vector(dimensions: int, types: str = "", hint: str = "") -> Kind[Idx]:
    """Return the kind of idx with `dimensions` dimensions; `types` names the element types: "int short"."""
    names = types.split()
    shape = {0: "an idx of no dimension", 1: "a vector"}.get(dimensions, f"an idx of {dimensions} dimensions")
    of = f" of type {' or '.join(names)}" if names else ""
    allowed = [KINDS[name] for name in names] or list(KIND_NAMES)

    def read(value: Form) -> Idx:
        if type(value) is Idx and len(value.sizes) == dimensions and value.storage.data.dtype in allowed:
            return value
        return refused(Idx)

    sizes = " 2" * dimensions
    return Kind(shape + of, read, hint or f"make it with ({names[0] if names else 'float'}-matrix{sizes})")


def _floats(value: Form) -> Idx:
    return value if type(value) is Idx and value.storage.data.dtype == np.float32 else refused(Idx)


FLOATS: Kind[Idx] = Kind("an idx of type float", _floats, "make it with (float-matrix 2 3)")
INTEGERS = "int short byte ubyte"


# Slots


class Slot(Generic[T]):
    """A slot of a built-in class, of the name of the attribute with - for _, or of `name`.

    Reading it in Python raises CallError if it does not hold its kind.
    """

    def __init__(self, kind: Kind[T], name: str = "", initial: Form = NIL):
        self.kind, self.initial = kind, initial
        self._read = kind.read
        self.symbol = symbol(name or "-")
        self._named = bool(name)

    def __set_name__(self, owner: type, name: str) -> None:
        if not self._named:
            self.symbol = symbol(name.replace("_", "-"))

    @overload
    def __get__(self, instance: None, owner: type) -> Slot[T]: ...

    @overload
    def __get__(self, instance: Object, owner: type) -> T: ...

    def __get__(self, instance: Object | None, owner: type) -> Slot[T] | T:
        if instance is None:
            return self
        if instance.running:
            instance.store()
        read = self._read(instance.slots.get(self.symbol, _ABSENT))
        if read is _REFUSED:
            raise self._wrong(instance, instance.slots.get(self.symbol, _ABSENT))
        return read

    def __set__(self, instance: Object, value: T | int) -> None:
        instance.set(self.symbol, lisp_value(value))

    def _wrong(self, instance: Object, value: Form) -> CallError:
        kind = instance.kind.name if instance.kind is not None else "a deleted object"
        if value is _ABSENT:
            known = ", ".join(name.name for name in instance.slots) or "none"
            return CallError(f"an object of class {kind} has no slot {self.symbol}", None, f"its slots are {known}")
        above = next((cls.name for cls in kinds_above(instance) if self.symbol in cls.slots), kind)
        return CallError(
            f"the slot {self.symbol} of the object of class {kind} is {brief(value)}, not {self.kind.title}",
            None,
            f"call the constructor of {above} first: (==> this {above} ...)"
            if value is NIL
            else f"set it again: (setq :object:{self.symbol} x) with {self.kind.title}",
        )


def kinds_above(receiver: Object) -> list[Class]:
    """Return the class of an object and those that it inherits from."""
    return [] if receiver.kind is None else list(receiver.kind.ancestry())


# Messages


class Message(BuiltInMethod):
    """A message of a built-in class: a Python method, and the kinds of its arguments.

    Arguments with a default in Python may be missing. A faulty floating-point operation is a CallError.
    """

    def __init__(self, name: str, function: Callable[..., object], kinds: Sequence[Kind[Any]]):
        code = function.__code__
        self.name, self.function, self.kinds = name, function, tuple(kinds)
        self.most = len(kinds)
        self.least = self.most - len(function.__defaults__ or ())
        assert code.co_argcount == 1 + self.most, f"{name} has {code.co_argcount - 1} arguments, {self.most} kinds"
        self.usage = (function.__doc__ or "").strip().split("\n")[0]
        words = self.usage[1:].partition(")")[0].replace("[", "").replace("]", "").split()
        self.names = words[3:] if words[:1] == ["==>"] else words[2:]  # as the program calls the arguments

    def of_class(self, name: str) -> Message:
        """Return the message as a class has it: a constructor is named like its class, and NAME in its help is that."""
        if self.name:
            return self
        own = copy.copy(self)
        own.name, own.usage = name, self.usage.replace("NAME", name)
        return own

    def run(self, receiver: Object, arguments: Sequence[Form]) -> Form:
        count = len(arguments)
        if not self.least <= count <= self.most:
            raise CallError(wrong_count(self.name, self.least, self.most, count), None, f"write {self.usage}")
        values: list[Any] = []
        for kind, argument in zip(self.kinds, arguments):
            value = kind.read(argument)
            if value is _REFUSED:
                raise self._wrong(receiver, len(values), argument)
            values.append(value)
        assert isinstance(receiver, LushObject)
        try:
            if receiver.program.traps:
                result = self.function(receiver, *values)
            else:
                with receiver.program:
                    result = self.function(receiver, *values)
        except FloatingPointError as error:
            raise floating_exception(str(error)) from None
        except (ValueError, IndexError) as error:  # of NumPy: a slot holds an idx of other sizes than it was made with
            owner = "" if receiver.kind is None else f"{receiver.kind.name} "
            raise CallError(
                f"{owner}{self.name}: the sizes of its slots and arguments do not fit together: {error}",
                None,
                "send fprop first, with the same states, and leave the sizes of the slots as they were made",
            ) from None
        return NIL if result is None else lisp_value(result)

    def _wrong(self, receiver: Object, i: int, argument: Form) -> CallError:
        kind = self.kinds[i]
        lisp = {float: "number", str: "string"}.get(type(argument), "")
        hint = conversion(argument, "number") if lisp != "number" and kind in (NUMBER, WHOLE) else ""
        owner = "" if receiver.kind is None or receiver.kind.name.name == self.name else f"{receiver.kind.name} "
        called = self.names[i] if i < len(self.names) and self.names[i][-1] != "." else f"argument {i + 1}"
        return CallError(f"{owner}{self.name}: {called} is {shown(argument)}, not {kind.title}", i, hint or kind.hint)


def shown(value: Form) -> str:
    """Return a value for a sentence."""
    if isinstance(value, Object):
        return f"an object of class {value.kind.name}" if value.kind is not None else "a deleted object"
    if isinstance(value, Idx):
        sizes = " x ".join(map(str, value.sizes)) or "no dimension"
        return f"an idx of {KIND_NAMES.get(value.kind)}, {sizes}"
    return brief(value)


def message(name: str, *kinds: Kind[Any]) -> Callable[[Callable[..., object]], Message]:
    """Make a Python method the message `name` (decorator). The first line of its docstring is how it is sent."""

    def put(function: Callable[..., object]) -> Message:
        return Message(name, function, kinds)

    return put


def constructor(*kinds: Kind[Any]) -> Callable[[Callable[..., object]], Message]:
    """Make a Python method the constructor (decorator): the message that is named like the class, NAME in its help.

    Built-in classes below a Python class that is not built in each have its constructor under their own name.
    """
    return message("", *kinds)


# Classes


class LushObject(Object):
    """An object of a built-in class, or of a class that inherits from one."""

    program: Classes
    interpreter: Interpreter

    def send(self, receiver: Form, selector: Symbol, *arguments: Form) -> Form:
        """Send a message to an object, in Python or in Lisp; return the value of its method."""
        if not isinstance(receiver, Object) or receiver.kind is None:
            raise CallError(f"{selector}: {shown(receiver)} is not an object", None, "(new class ...) creates one")
        match = receiver.kind.method(selector)
        try:
            if match is not None and type(match[0]) is Message and not receiver.running:  # the common case, shorter
                return match[0].run(receiver, arguments)
            return send(self.interpreter, receiver, selector, list(arguments))
        except CallError as error:  # the argument is one of this message, not of the program's call
            raise CallError(error.message, None, error.hint) from None

    def new(self, python: type[T], *arguments: Form) -> T:
        """Return a new object of a built-in class."""
        return cast(T, make(self.interpreter, python, *arguments))


@dataclass(frozen=True)
class Declaration:
    """A built-in class as it is declared: `slots` are its own, the last declared first, as `(slots class)` lists."""

    name: str
    python: type[LushObject]
    parent: Declaration | None
    slots: tuple[tuple[Symbol, Form], ...]
    messages: tuple[Message, ...]

    @property
    def syntax(self) -> str:
        """The help of the class: how objects are created, parent, slots, and its own messages."""
        creating = next((one for one in self.constructors() if one), None)
        parent = self.parent.name if self.parent is not None else "object"
        lines = [creating.usage] if creating is not None else []
        lines.append(f"child of {parent}")
        if self.slots:
            lines.append("slots: " + " ".join(slot.name for slot, _ in reversed(self.slots)))
        return "\n".join([*lines, *(one.usage for one in self.messages if one is not creating)])

    def constructors(self) -> Iterator[Message | None]:
        """Yield the constructor of the class and of those above, None for a class without one."""
        declaration: Declaration | None = self
        while declaration is not None:
            yield next((one for one in declaration.messages if one.name == declaration.name), None)
            declaration = declaration.parent


CLASSES: Shelf[Declaration] = Shelf("class", plural="classes")
_BY_PYTHON: dict[type, Declaration] = {}


def built_in_class(name: str, slots: Sequence[str] | None = None, messages: Sequence[Message] = ()) -> Callable[[P], P]:
    """Add a Python class to CLASSES (decorator). The first line of its docstring is its help.

    `slots`: the names of its own slots in order, if they are not those of its attributes. `messages`: more messages.
    Attributes of Python classes between it and the built-in class that it inherits from count as its own.
    """

    def put(python: P) -> P:
        above = python.__mro__[1:]
        parent = next((_BY_PYTHON[base] for base in above if base in _BY_PYTHON), None)
        inherited = () if parent is None else parent.python.__mro__
        own: dict[str, object] = {}
        for base in reversed([python, *(base for base in above if base not in inherited)]):
            own.update(vars(base))
        known = {one.symbol.name: one for one in vars_of(python, Slot)}
        names = [one.symbol.name for one in own.values() if isinstance(one, Slot)] if slots is None else slots
        initial = [(symbol(slot), known[slot].initial if slot in known else NIL) for slot in names]
        told = [one.of_class(name) for one in (*own.values(), *messages) if isinstance(one, Message)]
        declaration = Declaration(name, python, parent, tuple(reversed(initial)), tuple(told))
        _BY_PYTHON[python] = declaration
        CLASSES.add(name, declaration, (python.__doc__ or "").strip().split("\n")[0])
        return python

    return put


def vars_of(python: type, kind: type[T]) -> list[T]:
    """Return the attributes of a Python class, inherited ones too, that are of a kind."""
    return [value for base in reversed(python.__mro__) for value in vars(base).values() if isinstance(value, kind)]


class BuiltInClass(Class):
    """A built-in class in one program, which may add methods to it or replace them."""

    def __init__(self, program: Classes, declaration: Declaration, parent: Class):
        methods = {symbol(one.name): one for one in declaration.messages}
        super().__init__(symbol(declaration.name), parent, dict(declaration.slots), dict(methods))
        self.python, self.program = declaration.python, program

    @property
    def is_built_in(self) -> bool:
        return True

    def create(self, kind: Class) -> Object:
        """Return a new object of the class `kind`; no method runs."""
        created = self.python(kind)
        created.program, created.interpreter = self.program, self.program.interpreter
        return created


class Classes:
    """The built-in classes of one program, by Python class: `interpreter.part(Classes)`.

    Within `with classes:` a faulty floating-point operation of NumPy raises FloatingPointError. `traps` tells whether a
    message is inside such a block.
    """

    def __init__(self, interpreter: Interpreter):
        self.interpreter, self.traps = interpreter, False
        self.by_python: dict[type, Class] = {}
        for entry in CLASSES:
            declaration = entry.value
            parent = TOP if declaration.parent is None else self.by_python[declaration.parent.python]
            self.by_python[declaration.python] = BuiltInClass(self, declaration, parent)

    def __enter__(self) -> None:
        self._state = np.errstate(over="raise", divide="raise", invalid="raise", under="ignore")
        self._state.__enter__()
        self.traps = True

    def __exit__(self, *error: Any) -> None:
        self.traps = False
        self._state.__exit__(*error)


def install_classes(interpreter: Interpreter) -> None:
    """Make the built-in classes the values of their names in a program, unless it has set them."""
    for cls in interpreter.part(Classes).by_python.values():
        if not interpreter.is_set_globally(cls.name):
            interpreter.install(cls.name, cls)


def make(interpreter: Interpreter, python: type, *arguments: Form) -> Object:
    """Return a new object of a built-in class, as `(new class x...)` does."""
    cls = interpreter.part(Classes).by_python[python]
    created = cls.create(cls)
    owner = cls.constructor()
    if owner is not None:
        try:
            send(interpreter, created, owner.name, list(arguments), owner)
        except CallError as error:
            raise CallError(error.message, None, error.hint) from None
    return created


def lisp_list(interpreter: Interpreter, value: Form, caller: str) -> list[Form]:
    """Return the elements of a list; CallError for another value."""
    if value is not NIL and not isinstance(value, Pair):
        raise CallError(f"{caller}: {shown(value)} is not a list", None, "write a list: '(1 2)")
    return interpreter.elements(value, caller)
