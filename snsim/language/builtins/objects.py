"""Define the words for classes and objects (docs/reference/sn28.md, section 1.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.control import is_pair_of_two, rest_of
from snsim.language.builtins.hash_tables import HashTable
from snsim.language.forms import NIL, Form, Pair, Symbol, make_list, symbol
from snsim.language.objects import OBJECT, Class, Object, delete, evaluate_in, resolve_scope, send
from snsim.language.printer import brief
from snsim.language.procedures import TRUE, CallError, Function, Parameters, Procedure, check_name, function, special

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_OBJECT = OBJECT.name


@special("defclass")
def defclass(interpreter: Interpreter, form: Pair) -> Form:
    """(defclass name parent slot (slot value)...): defines a class with slots of value () or the given one

    The parent is a class, or `object` for a class without a parent. It inherits the parent's slots and methods.
    """
    cell = rest_of(form, 2, "(defclass name parent slot (slot value)...)")
    name, above = cell.car, cell.cdr.car
    if not isinstance(name, Symbol) or not isinstance(above, Symbol):
        raise CallError(
            "defclass: expected the names of the class and of its parent",
            0,
            "write (defclass name object slot...)",
        )
    check_name(name, 0)
    parent = OBJECT if above is _OBJECT else interpreter.lookup(above)
    if parent is not None and not isinstance(parent, Class):
        raise CallError(f"defclass: {above} is not a class", 1, "the parent must be a class, or object")
    if parent is None:
        raise CallError(
            f"defclass: there is no class {above}",
            1,
            interpreter.absent.get(above.name, "define the parent first, or write object"),
        )
    new_class = Class(name, parent)
    for slot in interpreter.elements(cell.cdr.cdr, "defclass"):
        if isinstance(slot, Symbol):
            check_name(slot)
            new_class.slots[slot] = NIL
        elif is_pair_of_two(slot) and isinstance(slot.car, Symbol):
            check_name(slot.car)
            new_class.slots[slot.car] = interpreter.evaluate(slot.cdr.car, slot.cdr.at)
        else:
            raise CallError(
                f"defclass: {interpreter.describe(slot)} is not a slot", None, "write slot, or (slot value)"
            )
    interpreter.assign_global(name, new_class)
    return name


@special("defmethod")
def defmethod(interpreter: Interpreter, form: Pair) -> Form:
    """(defmethod class message (argument...) form...): defines the method that objects of the class run on a message"""
    syntax = "(defmethod class message (argument...) form...)"
    cell = rest_of(form, 3, syntax)
    cls = interpreter.lookup(cell.car) if isinstance(cell.car, Symbol) else None
    if not isinstance(cls, Class):
        raise CallError(f"defmethod: {interpreter.describe(cell.car)} is not a class", 0, "(defclass ...) defines one")
    selector = cell.cdr.car
    if not isinstance(selector, Symbol):
        raise CallError("defmethod: expected the name of a message", 1, f"write {syntax}")
    check_name(selector, 1)
    rest = cell.cdr.cdr
    cls.methods[selector] = Function(selector.name, Parameters.of(rest.car), rest.cdr, True, form.span)
    return selector


@function("new", interpreter=True)
def new(interpreter: Interpreter, kind: Form, *arguments: Form) -> Form:
    """(new class x...): creates an object of a class; calls the method named like the class, if any, with x..."""  # noqa: D401
    if not isinstance(kind, Class):
        name = interpreter.written(0)
        if kind is NIL and isinstance(name, Symbol):
            raise CallError(
                f"new: there is no class {name}", 0, interpreter.absent.get(name.name, "(defclass ...) defines one")
            )
        raise CallError(f"new: {interpreter.describe(kind)} is not a class", 0, "(defclass ...) defines one")
    instance = kind.create(kind)
    interpreter.budget.make_list(len(instance.slots) + 1, "new")
    owner = kind.constructor()
    if owner is not None:
        try:
            send(interpreter, instance, owner.name, list(arguments), owner)
        except CallError as error:  # its argument is counted as in (==> object message x...)
            raise CallError(error.message, error.argument and error.argument - 1, error.hint) from None
    elif arguments:
        raise CallError(
            f"new: class {kind.name} takes no arguments", 1, f"define a method named {kind.name} that takes them"
        )
    return instance


@special("==>")
def arrow(interpreter: Interpreter, form: Pair) -> Form:
    """(==> object message x...): sends a message to an object; returns the value of the method

    (==> this (class . message) x...) uses the method of that parent class.
    """
    cell = rest_of(form, 2, "(==> object message x...)")
    receiver = _receiver(interpreter, interpreter.evaluate(cell.car, cell.at), "==>")
    return _deliver(interpreter, receiver, cell.cdr.car, interpreter.arguments(cell.cdr))


@function("send", interpreter=True)
def send_(interpreter: Interpreter, receiver: Form, message: Form, *arguments: Form) -> Form:
    """(send object 'message x...): like ==>, but evaluates the name of the message"""
    return _deliver(interpreter, _receiver(interpreter, receiver, "send"), message, list(arguments))


def _receiver(interpreter: Interpreter, value: Form, name: str) -> Object:
    if not isinstance(value, Object) or value.kind is None:
        raise CallError(f"{name}: {interpreter.describe(value)} is not an object", 0, "(new class ...) creates one")
    return value


def _deliver(interpreter: Interpreter, receiver: Object, message: Form, arguments: list[Form]) -> Form:
    if isinstance(message, Symbol):
        return send(interpreter, receiver, message, arguments)
    if isinstance(message, Pair) and isinstance(message.car, Symbol) and isinstance(message.cdr, Symbol):
        above = resolve_scope(interpreter, receiver, message.car)
        return send(interpreter, receiver, message.cdr, arguments, above)
    raise CallError(f"{interpreter.describe(message)} is not a message", 1, "write its name, or (class . name)")


@function("delete", interpreter=True)
def delete_(interpreter: Interpreter, gone: Form) -> Form:
    """(delete object): deletes an object; every reference to it becomes ()"""
    delete(interpreter, _receiver(interpreter, gone, "delete"))
    return NIL


@function("classof")
def classof(x: Form) -> Form:
    """(classof x): the class of an object; for another value the name of its type, such as number"""
    return _class_of(x)


@function("is-of-class")
def is_of_class(x: Form, kind: Form) -> Form:
    """(is-of-class x class): t if x is an object of the class or of a subclass, else ()"""
    actual = _class_of(x)
    if isinstance(actual, Class):
        return TRUE if kind is _OBJECT or any(kind is above for above in actual.ancestry()) else NIL
    return TRUE if actual is kind else NIL


def _class_of(x: Form) -> Form:
    if isinstance(x, Object):
        return x.kind
    kinds: tuple[tuple[type, str], ...] = (
        (HashTable, "htable"),
        (float, "number"),
        (str, "string"),
        (Symbol, "symbol"),
        (Pair, "cons"),
        (np.ndarray, "matrix"),
        (Procedure, "function"),
        (Class, "class"),
    )
    return next((symbol(name) for kind, name in kinds if isinstance(x, kind)), NIL)


@function("classp")
def classp(x: Form) -> Form:
    """(classp x): x if it is a class, else ()"""
    return x if isinstance(x, Class) else NIL


# Classes as data


def _class(name: str, x: Form) -> Class:
    if isinstance(x, Class):
        return x
    raise CallError(f"{name}: {brief(x)} is not a class", 0, "write (classof x) for the class of an object")


@function("slots", interpreter=True)
def slots(interpreter: Interpreter, kind: Form) -> Form:
    """(slots class): a list of the class's slots without inherited ones: name, or (name value) for a default value"""
    own = _class("slots", kind).slots.items()
    return interpreter.new_list([name if value is NIL else make_list([name, value]) for name, value in own], "slots")


@function("methods", interpreter=True)
def methods(interpreter: Interpreter, kind: Form) -> Form:
    """(methods class): a list of the messages of the class without inherited ones, the last defined first"""
    return interpreter.new_list(reversed(_class("methods", kind).methods), "methods")


@function("super")
def super_(kind: Form) -> Form:
    """(super class): the parent of a class; () for the class object"""
    return _class("super", kind).parent


@function("classname")
def classname(kind: Form) -> Form:
    """(classname class): the name of a class, a symbol"""
    return _class("classname", kind).name


@special("letslot")
def letslot(interpreter: Interpreter, form: Pair) -> Form:
    """(letslot object form...): evaluates the forms with the object's slots as variables; setq sets a slot"""
    cell = rest_of(form, 1, "(letslot object form...)")
    receiver = _receiver(interpreter, interpreter.evaluate(cell.car, cell.at), "letslot")
    assert receiver.kind is not None
    return evaluate_in(interpreter, receiver, receiver.kind, cell.cdr)
