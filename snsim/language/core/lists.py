"""Lists, their parts and what is asked of them (sn28 section 1.4)."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.equality import equal
from snsim.language.forms import NIL, Form, Pair, Symbol, make_list
from snsim.language.functions import CORE, Misuse, Primitive, function
from snsim.language.limits import exceeded
from snsim.language.printer import show

if TYPE_CHECKING:
    from snsim.language.evaluator import Interpreter


def _step(name: str, x: Form, letter: str) -> Form:
    if x is NIL:
        return NIL
    if not isinstance(x, Pair):
        raise Misuse(f"{name}: {show(x, 20)} is no list", 0)
    return x.car if letter == "a" else x.cdr


def _add_car_and_cdr() -> None:
    """car, cdr and their combinations up to cddddr; (cadr x) is (car (cdr x))."""
    for length in range(1, 5):
        for letters in product("ad", repeat=length):
            name = f"c{''.join(letters)}r"

            def walk(x: Form, name: str = name, path: tuple[str, ...] = letters[::-1]) -> Form:
                for letter in path:
                    x = _step(name, x, letter)
                return x

            inner = "".join(f"(c{letter}r " for letter in letters)
            doc = {"a": "the first element", "d": "the list without its first element"}[letters[0]]
            doc = doc if length == 1 else f"{inner}list{')' * length}"
            CORE.add(name, Primitive(name, walk, 1, 1, False), f"({name} list): {doc}")


_add_car_and_cdr()


@function("cons")
def cons(a: Form, b: Form) -> Form:
    """(cons a list): the list with a put before it"""
    return Pair(a, b)


@function("list")
def list_(*items: Form) -> Form:
    """(list x...): the list of the arguments"""
    return make_list(items)


@function("append", interpreter=True)
def append(interpreter: Interpreter, *lists: Form) -> Form:
    """(append list...): one list of the elements of all"""
    items: list[Form] = []
    for values in lists:
        items += interpreter.elements(values, "append")
    return _bounded(interpreter, items)


def _bounded(interpreter: Interpreter, items: list[Form]) -> Form:
    if len(items) > interpreter.limits.list_length:
        raise exceeded("the list is too long", interpreter.limits.list_length, interpreter.place())
    return make_list(items)


@function("reverse", interpreter=True)
def reverse(interpreter: Interpreter, values: Form) -> Form:
    """(reverse list): the elements from the last to the first"""
    return make_list(interpreter.elements(values, "reverse")[::-1])


@function("length", interpreter=True)
def length(interpreter: Interpreter, values: Form) -> Form:
    """(length list): how many elements it has"""
    return float(len(interpreter.elements(values, "length")))


@function("nth", interpreter=True)
def nth(interpreter: Interpreter, n: Form, values: Form) -> Form:
    """(nth n list): the element n, counted from 0; (nth list n) counts from 1; () if there is none"""
    index = _index(interpreter, "nth", n, values)
    items = interpreter.elements(values if isinstance(n, float) else n, "nth")
    return items[index] if 0 <= index < len(items) else NIL


@function("nthcdr", interpreter=True)
def nthcdr(interpreter: Interpreter, n: Form, values: Form) -> Form:
    """(nthcdr n list): the list without its first n elements; (nthcdr list n) without n - 1"""
    index = _index(interpreter, "nthcdr", n, values)
    cell = values if isinstance(n, float) else n
    while index > 0 and isinstance(cell, Pair):
        cell, index = cell.cdr, index - 1
    return cell


def _index(interpreter: Interpreter, name: str, a: Form, b: Form) -> int:
    n, first = (a, 0) if isinstance(a, float) else (b, 1)
    if not isinstance(n, float) or abs(n) > interpreter.limits.list_length:
        raise Misuse(f"{name}: {interpreter.describe(n)} is no place in a list", 0, f"write ({name} n list)")
    return int(n) - first


def _last_pair(interpreter: Interpreter, name: str, values: Form) -> Pair | None:
    interpreter.elements(values, name)
    cell = values
    while isinstance(cell, Pair) and isinstance(cell.cdr, Pair):
        cell = cell.cdr
    return cell if isinstance(cell, Pair) else None


@function("last", interpreter=True)
def last(interpreter: Interpreter, values: Form) -> Form:
    """(last list): the last element"""
    cell = _last_pair(interpreter, "last", values)
    return NIL if cell is None else cell.car


@function("lastcdr", interpreter=True)
def lastcdr(interpreter: Interpreter, values: Form) -> Form:
    """(lastcdr list): the last cell, a list of one element"""
    return _last_pair(interpreter, "lastcdr", values)


@function("member", interpreter=True)
def member(interpreter: Interpreter, x: Form, values: Form) -> Form:
    """(member x list): the list from the first element equal to x; () if there is none"""
    interpreter.elements(values, "member")
    cell = values
    while isinstance(cell, Pair):
        if equal(x, cell.car):
            return cell
        cell = cell.cdr
    return NIL


def _association(interpreter: Interpreter, name: str, key: Form, alist: Form) -> Pair | None:
    for item in interpreter.elements(alist, name):
        if isinstance(item, Pair) and equal(key, item.car):
            return item
    return None


@function("assoc", interpreter=True)
def assoc(interpreter: Interpreter, key: Form, alist: Form) -> Form:
    """(assoc key list): the first pair of the list whose car equals the key"""
    return _association(interpreter, "assoc", key, alist)


@function("alist-get", interpreter=True)
def alist_get(interpreter: Interpreter, key: Form, alist: Form) -> Form:
    """(alist-get key list): the cdr of the first pair whose car equals the key"""
    found = _association(interpreter, "alist-get", key, alist)
    return NIL if found is None else found.cdr


@function("range", interpreter=True)
def range_(interpreter: Interpreter, a: Form, b: Form = NIL, step: Form = NIL) -> Form:
    """(range n): 1 to n; (range a b [step]): a to b, both included, downwards if b is less"""
    for value in (a, b, step):
        if value is not NIL and not isinstance(value, float):
            raise Misuse(f"range: {interpreter.describe(value)} is no number", None, "write (range a b [step])")
    if b is NIL:
        first, end = 1.0, a
        if end < first:
            return NIL
    else:
        first, end = a, b
    by = step if step is not NIL else (1.0 if end >= first else -1.0)
    if by == 0:
        raise Misuse("range: a step of 0 never ends", 2)
    if (end - first) / by >= interpreter.limits.list_length or not abs(end - first) < float("inf"):
        raise exceeded("range: the list is too long", interpreter.limits.list_length, interpreter.place())
    items: list[Form] = []
    x = first
    while x <= end if by > 0 else x >= end:
        items.append(x)
        x = first + len(items) * by
    return make_list(items)


@function("makelist", interpreter=True)
def makelist(interpreter: Interpreter, n: Form, x: Form) -> Form:
    """(makelist n x): n times x"""
    if not isinstance(n, float) or not n >= 0:
        raise Misuse(f"makelist: {interpreter.describe(n)} is no number of elements", 0)
    if n > interpreter.limits.list_length:
        raise exceeded("makelist: the list is too long", interpreter.limits.list_length, interpreter.place())
    return make_list([x] * int(n))


@function("flatten", interpreter=True)
def flatten(interpreter: Interpreter, tree: Form) -> Form:
    """(flatten list): the elements of the list and of the lists in it, in one list"""
    items: list[Form] = []
    work = [tree]
    steps = 0
    while work:
        value = work.pop()
        if isinstance(value, Pair):
            work += [value.cdr, value.car]
        elif value is not NIL:
            items.append(value)
        steps += 1
        if steps > 4 * interpreter.limits.list_length:
            raise exceeded("flatten: the list is too long", interpreter.limits.list_length, interpreter.place())
    return _bounded(interpreter, items)


@function("nconc", interpreter=True)
def nconc(interpreter: Interpreter, *lists: Form) -> Form:
    """(nconc list...): like append, but joins the lists themselves"""
    result: Form = NIL
    for values in lists:
        end = _last_pair(interpreter, "nconc", result)
        if end is None:
            result = values
        else:
            end.cdr = values
    return result


@function("nconc1", interpreter=True)
def nconc1(interpreter: Interpreter, values: Form, x: Form) -> Form:
    """(nconc1 list x): puts x behind the last element of the list itself"""
    end = _last_pair(interpreter, "nconc1", values)
    if end is None:
        return Pair(x)
    end.cdr = Pair(x)
    return values


@function("rplaca")
def rplaca(cell: Form, x: Form) -> Form:
    """(rplaca list x): puts x in the place of the first element"""
    if not isinstance(cell, Pair):
        raise Misuse(f"rplaca: {show(cell, 20)} is no list", 0)
    cell.car, cell.at = x, None
    return cell


@function("rplacd")
def rplacd(cell: Form, x: Form) -> Form:
    """(rplacd list x): puts x in the place of all but the first element"""
    if not isinstance(cell, Pair):
        raise Misuse(f"rplacd: {show(cell, 20)} is no list", 0)
    cell.cdr = x
    return cell


@function("filter", interpreter=True)
def filter_(interpreter: Interpreter, f: Form, values: Form) -> Form:
    """(filter f list): the elements for which f is not ()"""
    kept = []
    for item in interpreter.elements(values, "filter"):
        if interpreter.apply(f, [item]) is not NIL:
            kept.append(item)
    return make_list(kept)


@function("sort-list", interpreter=True)
def sort_list(interpreter: Interpreter, values: Form, comes_after: Form) -> Form:
    """(sort-list list f): sorted so that (f a b) is () for neighbours a, b: with < from large to small"""
    runs = [[item] for item in interpreter.elements(values, "sort-list")]
    while len(runs) > 1:
        merged = []
        for i in range(0, len(runs) - 1, 2):
            merged.append(_merge(interpreter, runs[i], runs[i + 1], comes_after))
        runs = merged + runs[len(merged) * 2:]
    return make_list(runs[0]) if runs else NIL


def _merge(interpreter: Interpreter, first: list[Form], second: list[Form], comes_after: Form) -> list[Form]:
    """Two sorted runs in one. Written out, as Python's own sort would nest its C stack in a recursive comparison."""
    merged: list[Form] = []
    i = j = 0
    while i < len(first) and j < len(second):
        if interpreter.apply(comes_after, [first[i], second[j]]) is NIL:
            merged.append(first[i])
            i += 1
        else:
            merged.append(second[j])
            j += 1
    return [*merged, *first[i:], *second[j:]]


@function("consp")
def consp(x: Form) -> bool:
    """(consp x): whether x is a list of at least one element"""
    return isinstance(x, Pair)


@function("listp")
def listp(x: Form) -> bool:
    """(listp x): whether x is a list; () is one"""
    return x is NIL or isinstance(x, Pair)


@function("atomp")
def atomp(x: Form) -> bool:
    """(atomp x): whether x is no list of elements"""
    return not isinstance(x, Pair)


@function("numberp")
def numberp(x: Form) -> bool:
    """(numberp x): whether x is a number"""
    return isinstance(x, float)


@function("symbolp")
def symbolp(x: Form) -> bool:
    """(symbolp x): whether x is a symbol"""
    return isinstance(x, Symbol)


@function("stringp")
def stringp(x: Form) -> bool:
    """(stringp x): whether x is a string"""
    return isinstance(x, str)


@function("matrixp")
def matrixp(x: Form) -> bool:
    """(matrixp x): whether x is a matrix of numbers"""
    return isinstance(x, np.ndarray) and x.dtype != object
