"""Strings and names (sn28 section 1.4). Places in a string count from 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snsim.language.core.numbers import whole
from snsim.language.forms import NIL, Form, Symbol, fold, symbol
from snsim.language.functions import Misuse, function
from snsim.language.limits import exceeded
from snsim.language.literals import NUMBER, read_number
from snsim.language.printer import number_text, show

if TYPE_CHECKING:
    from snsim.language.evaluator import Interpreter


def text(name: str, x: Form, argument: int | None = 0) -> str:
    """x if it is a string, else Misuse."""
    if isinstance(x, str):
        return x
    raise Misuse(f"{name}: {show(x, 20)} is no string", argument)


@function("concat", interpreter=True)
def concat(interpreter: Interpreter, *strings: Form) -> str:
    """(concat string...): the strings one behind the other"""
    parts = [text("concat", x, i) for i, x in enumerate(strings)]
    if sum(map(len, parts)) > interpreter.limits.string_length:
        raise exceeded("concat: the string is too long", interpreter.limits.string_length, interpreter.place())
    return "".join(parts)


@function("left")
def left(string: Form, n: Form) -> str:
    """(left string n): its first n characters"""
    return text("left", string)[:max(whole("left", n, 1), 0)]


@function("right")
def right(string: Form, n: Form) -> str:
    """(right string n): its last n characters"""
    s, count = text("right", string), max(whole("right", n, 1), 0)
    return s[len(s) - min(count, len(s)):]


@function("mid")
def mid(string: Form, start: Form, n: Form = NIL) -> str:
    """(mid string start [n]): n characters from place start on, or all behind it"""
    s, first = text("mid", string), whole("mid", start, 1)
    if first < 1:
        raise Misuse(f"mid: places in a string count from 1, {first} given", 1)
    return s[first - 1:] if n is NIL else s[first - 1:first - 1 + max(whole("mid", n, 2), 0)]


@function("index")
def index(part: Form, string: Form, start: Form = 1.0) -> Form:
    """(index part string [start]): the place where the part begins in the string; () if it is not there"""
    found = text("index", string, 1).find(text("index", part), max(whole("index", start, 2) - 1, 0))
    return NIL if found < 0 else float(found + 1)


@function("len")
def len_(string: Form) -> float:
    """(len string): how many characters it has"""
    return float(len(text("len", string)))


@function("upcase")
def upcase(string: Form) -> str:
    """(upcase string): in capitals"""
    return text("upcase", string).upper()


@function("upcase1")
def upcase1(string: Form) -> str:
    """(upcase1 string): with a capital first letter"""
    s = text("upcase1", string)
    return s[:1].upper() + s[1:]


@function("str")
def str_(x: Form) -> str:
    """(str x): the number as a string"""
    if not isinstance(x, float):
        raise Misuse(f"str: {show(x, 20)} is no number", 0)
    return number_text(x)


@function("val")
def val(string: Form) -> Form:
    """(val string): the number that the string writes; () if it is none"""
    s = text("val", string).strip()
    return read_number(s) if NUMBER.fullmatch(s) and len(s) < 400 else NIL


@function("pname", interpreter=True)
def pname(interpreter: Interpreter, x: Form) -> str:
    """(pname x): x as it prints, in a string"""
    return interpreter.printed(x)


@function("nameof")
def nameof(name: Form) -> str:
    """(nameof symbol): its name as a string"""
    if not isinstance(name, Symbol):
        raise Misuse(f"nameof: {show(name, 20)} is no symbol", 0)
    return name.name


def _symbol(function_name: str, name: str) -> Symbol:
    if "|" in name or "\n" in name:
        raise Misuse(f"{function_name}: a name holds neither | nor a newline", 0)
    return symbol(name)


@function("named")
def named(string: Form) -> Symbol:
    """(named string): the symbol of exactly this name"""
    return _symbol("named", text("named", string))


@function("namedclean")
def namedclean(string: Form) -> Symbol:
    """(namedclean string): the symbol that the reader would make of the string"""
    return _symbol("namedclean", fold(text("namedclean", string)))
