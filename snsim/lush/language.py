"""Define Lush's additions to SN's Lisp: typed declarations, classes, messages, casts (reference, section 1).

A declaration is read and has no effect: numbers stay doubles until they are stored in an idx. Words that compile do
nothing. C code inside Lisp is refused where it would run.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from snsim.language.builtins import objects
from snsim.language.builtins.arithmetic import number
from snsim.language.builtins.control import rest_of
from snsim.language.builtins.strings import text
from snsim.language.forms import NIL, Form, Pair, Symbol
from snsim.language.objects import Class, Object, send
from snsim.language.procedures import TRUE, CallError, Function, Procedure, Special
from snsim.lush.vocabulary import LUSH, special_word, word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_TYPES = [
    *("-int-", "-float-", "-flt-", "-double-", "-real-", "-short-", "-byte-", "-ubyte-", "-bool-", "-str-", "-gptr-"),
    *("-obj-", "-list-"),
    *(f"-idx{n}-" for n in range(9)),
]
_TYPE = re.compile(r"-[a-z0-9]+-")


class _Declaration(Procedure):
    """The value of a type such as (-float-): called with names, as in ((-float-) x y), it does nothing."""

    name = "declaration"

    def call(self, interpreter: Interpreter, form: Pair) -> Form:
        return NIL

    def apply(self, interpreter: Interpreter, arguments: list[Form]) -> Form:
        return NIL

    def __str__(self) -> str:
        return "::DECLARATION"


_DECLARATION = _Declaration()


@special_word(*_TYPES)
def type_(interpreter: Interpreter, form: Pair) -> Form:
    """((-int-) x y): declares the type of variables; it has no effect, as in programs of Lush that are not compiled"""
    arguments = interpreter.elements(form.cdr, form.car.name)
    return NIL if any(isinstance(argument, Symbol) for argument in arguments) else _DECLARATION  # (-float- x): old


@special_word("declare")
def declare(interpreter: Interpreter, form: Pair) -> Form:
    """(declare (-float-) x y): declares the type of variables, without effect; returns ()"""
    return NIL


@special_word("dhc-make", "dhc-make-with-libs", "dhc-make-all", "dhc-make-lisp")
def dhc_make(interpreter: Interpreter, form: Pair) -> Form:
    """(dhc-make file name...): does nothing, and returns (): Lush compiled these functions here"""
    return NIL


# C inside Lisp


@special_word("cinline", "cidx-bloop", "cidx-eloop", "cidx-gloop", "cheader")
def cinline(interpreter: Interpreter, form: Pair) -> Form:
    """(cinline "code"), #{ code #}: C code, which cannot run here; to evaluate it is an error"""
    where = f": {name}" if (name := _running_function(interpreter)) else ""
    place = form.span or interpreter.place()
    line = f" ({place.source.name}:{place.line})" if place is not None else ""
    raise CallError(f"C inside Lisp cannot run here{where}{line}", None, "write the loop with idx-bloop or an idx word")


def _running_function(interpreter: Interpreter) -> str:
    """Return the name of the innermost function or message that the program has called; "" at top level."""
    for call in reversed(interpreter.calls):
        head = call.car
        if not isinstance(head, Symbol):
            continue
        if head.name in ("==>", "send") and isinstance(call.cdr, Pair) and isinstance(call.cdr.cdr, Pair):
            return str(call.cdr.cdr.car)
        if isinstance(interpreter.procedure(head), Function):
            return head.name
    return ""


# Casts


@word("int")
def int_(interpreter: Interpreter, x: Form) -> float:
    """(int x): x cut towards zero to a whole number"""
    return float(int(number("int", x)))


@word("to-int")
def to_int(interpreter: Interpreter, x: Form) -> float:
    """(to-int x): x cut towards zero to a whole number"""
    return float(int(number("to-int", x)))


def _cast(name: str) -> None:
    def cast(interpreter: Interpreter, x: Form) -> float:
        return number(name, x)

    cast.__doc__ = f"({name} x): the number x itself; it is rounded where it is stored in an idx"
    word(name)(cast)


for _name in ("to-float", "to-double", "to-flt", "to-real", "flt"):
    _cast(_name)


@word("to-bool")
def to_bool(interpreter: Interpreter, x: Form) -> Form:
    """(to-bool x): t if x is not (), else ()"""
    return NIL if x is NIL else TRUE


@word("to-str")
def to_str(interpreter: Interpreter, x: Form) -> str:
    """(to-str x): the string x itself"""
    return text("to-str", x)


# Classes and messages


@special_word("defclass")
def defclass(interpreter: Interpreter, form: Pair) -> Form:
    """(defclass name parent slot (slot value) ((-type-) slot...)...): defines a class; the types have no effect"""
    cell = rest_of(form, 2, "(defclass name parent slot... ((-type-) slot...)...)")
    known = interpreter.lookup(cell.car) if isinstance(cell.car, Symbol) else NIL
    if isinstance(known, Class) and type(known) is not Class:  # a class of a program is a plain one
        raise CallError(
            f"defclass: {known.name} is a class of gblearn2, which is built in here; its own files are not read",
            0,
            "leave that file out: its classes are here already; or give your class another name",
        )
    slots: list[Pair] = []
    interpreter.elements(cell.cdr.cdr, "defclass")
    for slot in cell.cdr.cdr.cells() if isinstance(cell.cdr.cdr, Pair) else ():
        if isinstance(slot.car, Pair) and _is_type(slot.car.car):
            interpreter.elements(slot.car.cdr, "defclass")
            slots += slot.car.cdr.cells() if isinstance(slot.car.cdr, Pair) else ()
        else:
            slots.append(slot)
    untyped: Form = NIL
    for slot in reversed(slots):
        untyped = Pair(slot.car, untyped, slot.at)
    parent = Pair(cell.cdr.car, untyped, cell.cdr.at)
    return objects.defclass(interpreter, Pair(form.car, Pair(cell.car, parent, cell.at), form.at, form.span))


def _is_type(form: Form) -> bool:
    """Return whether a form is a type: (-int-), (-obj- (idx3-state)), or -int- in the old spelling."""
    head = form.car if isinstance(form, Pair) else form
    return isinstance(head, Symbol) and _TYPE.fullmatch(head.name) is not None


@word("new")
def new(interpreter: Interpreter, kind: Form, *arguments: Form) -> Form:
    """(new class x...): creates an object; calls the constructor of its class, or of the nearest class above, with x"""  # noqa: D401
    owner = _constructing(kind) if isinstance(kind, Class) else None
    if not isinstance(kind, Class) or owner is None or owner is kind or kind.is_built_in:
        return objects.new(interpreter, kind, *arguments)
    instance = kind.create(kind)
    interpreter.budget.make_list(len(instance.slots) + 1, "new")
    send(interpreter, instance, owner.name, list(arguments), owner)
    return instance


def _constructing(kind: Class) -> Class | None:
    return next((cls for cls in kind.ancestry() if cls.name in cls.methods), None)


@word("new-empty")
def new_empty(interpreter: Interpreter, kind: Form) -> Object:
    """(new-empty class): creates an object whose slots are all (), without calling a constructor"""
    if not isinstance(kind, Class):
        raise CallError(
            f"new-empty: {interpreter.describe(kind)} is not a class", 0, "(defclass name object ...) defines one"
        )
    instance = kind.create(kind)
    instance.slots = dict.fromkeys(instance.slots, NIL)
    interpreter.budget.make_list(len(instance.slots) + 1, "new-empty")
    return instance


class _Send(Special):
    """The word ==>, which `apply` can call too: (apply ==> (list object 'message x...))."""

    def apply(self, interpreter: Interpreter, arguments: list[Form]) -> Form:
        return interpreter.call("send", *arguments)


LUSH.add("==>", _Send("==>", objects.arrow, False), (objects.arrow.__doc__ or "").strip().split("\n")[0])


# Time


@special_word("time", "cputime", "realtime")
def time_(interpreter: Interpreter, form: Pair) -> float:
    """(time form...): the seconds that the forms take; (time) is the time since the beginning of 1970"""
    if form.cdr is NIL:
        return time.time()
    clock = time.process_time if form.car.name == "cputime" else time.perf_counter
    start = clock()
    interpreter.body(form.cdr)
    return clock() - start
