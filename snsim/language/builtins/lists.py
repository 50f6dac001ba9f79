"""Define the functions on lists (docs/reference/sn28.md, section 1.4)."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from snsim.language.forms import NIL, Form, Pair, make_list
from snsim.language.printer import brief
from snsim.language.procedures import ABSENT, CORE, CallError, Primitive, alias, conversion, function

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


def _step(name: str, x: Form, letter: str) -> Form:
    if x is NIL:
        return NIL
    if not isinstance(x, Pair):
        raise CallError(f"{name}: {brief(x)} is not a list", 0, conversion(x, "list"))
    return x.car if letter == "a" else x.cdr


def _add_car_and_cdr() -> None:
    """Register car, cdr and their combinations up to cddddr; (cadr x) is (car (cdr x))."""
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
    """(cons a list): returns a list of a followed by the elements of the list"""
    return Pair(a, b)


@function("list")
def list_(*items: Form) -> Form:
    """(list x...): the list of the arguments"""
    return make_list(items)


@function("append", interpreter=True)
def append(interpreter: Interpreter, *lists: Form) -> Form:
    """(append list...): returns one list of the elements of all lists; it shares the cells of the last list"""
    result: Form = lists[-1] if lists else NIL
    for values in lists[-2::-1]:
        result = interpreter.new_list(interpreter.elements(values, "append"), "append", result)
    return result


@function("reverse", interpreter=True)
def reverse(interpreter: Interpreter, values: Form) -> Form:
    """(reverse list): returns a list of the elements in reverse order"""
    return interpreter.new_list(interpreter.elements(values, "reverse")[::-1], "reverse")


@function("length", interpreter=True)
def length(interpreter: Interpreter, values: Form) -> Form:
    """(length list): the number of elements of the list"""
    return float(len(interpreter.elements(values, "length")))


@function("nth", interpreter=True)
def nth(interpreter: Interpreter, n: Form, values: Form) -> Form:
    """(nth n list): the element at position n, counted from 0, or () if there is none; (nth list n) counts from 1"""
    cell = _nth_cell(interpreter, "nth", n, values)
    return NIL if cell is None else cell.car


@function("nthcdr", interpreter=True)
def nthcdr(interpreter: Interpreter, n: Form, values: Form) -> Form:
    """(nthcdr n list): the rest of the list after n elements, or () if there is none; (nthcdr list n): after n - 1"""
    return _nth_cell(interpreter, "nthcdr", n, values)


def _nth_cell(interpreter: Interpreter, name: str, a: Form, b: Form) -> Pair | None:
    """Return the cell that (name n list), from 0, or (name list n), from 1, refers to; None if there is none."""
    n, first, cell = (a, 0, b) if isinstance(a, float) else (b, 1, a)
    if not isinstance(n, float) or abs(n) > interpreter.limits.list_length:
        raise CallError(f"{name}: {interpreter.describe(n)} is not an index of a list", 0)
    if cell is not NIL and not isinstance(cell, Pair):
        raise CallError(f"{name}: {interpreter.describe(cell)} is not a list", None, conversion(cell, "list"))
    index = int(n) - first
    interpreter.budget.walk(max(index, 0))
    while index > 0 and isinstance(cell, Pair):
        cell, index = cell.cdr, index - 1
    return cell if index == 0 and isinstance(cell, Pair) else None


def _last_pair(interpreter: Interpreter, name: str, values: Form) -> Pair | None:
    interpreter.elements(values, name)
    cell = values
    while isinstance(cell, Pair) and isinstance(cell.cdr, Pair):
        cell = cell.cdr
    return cell if isinstance(cell, Pair) else None


@function("last", interpreter=True)
def last(interpreter: Interpreter, values: Form) -> Form:
    """(last list): the last element, () for an empty list"""
    cell = _last_pair(interpreter, "last", values)
    return NIL if cell is None else cell.car


@function("lastcdr", interpreter=True)
def lastcdr(interpreter: Interpreter, values: Form) -> Form:
    """(lastcdr list): the last cell of the list, which is a list of the last element; () for an empty list"""
    return _last_pair(interpreter, "lastcdr", values)


@function("member", interpreter=True)
def member(interpreter: Interpreter, x: Form, values: Form) -> Form:
    """(member x list): the rest of the list that begins with the first element equal to x; () if there is none"""
    interpreter.elements(values, "member")
    cell = values
    while isinstance(cell, Pair):
        if interpreter.equal(x, cell.car):
            return cell
        cell = cell.cdr
    return NIL


def _association(interpreter: Interpreter, name: str, key: Form, alist: Form) -> Pair | None:
    for item in interpreter.elements(alist, name):
        if isinstance(item, Pair) and interpreter.equal(key, item.car):
            return item
    return None


@function("assoc", interpreter=True)
def assoc(interpreter: Interpreter, key: Form, alist: Form) -> Form:
    """(assoc key list): the first pair (key . value) of the list with an equal key; () if there is none"""
    return _association(interpreter, "assoc", key, alist)


@function("alist-get", interpreter=True)
def alist_get(interpreter: Interpreter, key: Form, alist: Form) -> Form:
    """(alist-get key list): the value of the first pair (key . value) with an equal key; () if there is none"""
    association = _association(interpreter, "alist-get", key, alist)
    return NIL if association is None else association.cdr


@function("range", interpreter=True)
def range_(interpreter: Interpreter, a: Form, b: Form = ABSENT, step: Form = ABSENT) -> Form:
    """(range n): a list of 1, 2 ... n; (range a b [step]): a to b inclusive; the default step is 1, or -1 if b < a"""
    for i, value in enumerate((a, b, step)):
        if value is not ABSENT and not isinstance(value, float):
            raise CallError(f"range: {interpreter.describe(value)} is not a number", i)
    if b is ABSENT:
        first, end = 1.0, a
        if end < first:
            return NIL
    else:
        first, end = a, b
    by = step if step is not ABSENT else (1.0 if end >= first else -1.0)
    if by == 0:
        raise CallError("range: a step of 0 never ends", 2, "write a step such as 1, or -1 to count down")
    items: list[Form] = []
    x = first
    while len(items) <= interpreter.limits.list_length and (x <= end if by > 0 else x >= end):
        items.append(x)
        x += by  # added up rather than multiplied, as in SN and in `for`
    return interpreter.new_list(items, "range")


@function("makelist", interpreter=True)
def makelist(interpreter: Interpreter, n: Form, x: Form) -> Form:
    """(makelist n x): a list of n elements, each of them x"""
    if not isinstance(n, float) or not n >= 0:
        raise CallError(
            f"makelist: {interpreter.describe(n)} is not a number of elements",
            0,
            "write 0 or more, such as (makelist 10 x)",
        )
    return interpreter.new_list([x] * int(min(n, interpreter.limits.list_length + 1)), "makelist")


@function("flatten", interpreter=True)
def flatten(interpreter: Interpreter, tree: Form) -> Form:
    """(flatten list): one list of all elements of the list and of its nested lists, without ()"""
    items: list[Form] = []
    work = [tree]
    walk, cells = interpreter.budget.traversal(), 0
    while work:
        value = work.pop()
        if isinstance(value, Pair):
            work += [value.cdr, value.car]
            cells += 1
            if cells % 1_000 == 0:
                walk(1_000)
        elif value is not NIL:
            items.append(value)
    return interpreter.new_list(items, "flatten")


@function("nconc", interpreter=True)
def nconc(interpreter: Interpreter, *lists: Form) -> Form:
    """(nconc list...): appends the lists by changing the last cell of each; returns the first"""
    result: Form = NIL
    for values in lists:
        end = _last_pair(interpreter, "nconc", result)
        if end is None:
            result = values
        else:
            interpreter.changed(end)
            end.cdr = values
    return result


@function("nconc1", interpreter=True)
def nconc1(interpreter: Interpreter, values: Form, x: Form) -> Form:
    """(nconc1 list x): appends x by changing the last cell of the list; returns the list"""
    end = _last_pair(interpreter, "nconc1", values)
    if end is None:
        return Pair(x)
    interpreter.changed(end)
    end.cdr = Pair(x)
    return values


@function("rplaca", interpreter=True)
def rplaca(interpreter: Interpreter, cell: Form, x: Form) -> Form:
    """(rplaca list x): replaces the first element of the list itself by x; returns the list"""
    if not isinstance(cell, Pair):
        raise CallError(f"rplaca: {brief(cell)} is not a list", 0)
    interpreter.changed(cell)
    cell.car, cell.at = x, None
    return cell


@function("rplacd", interpreter=True)
def rplacd(interpreter: Interpreter, cell: Form, x: Form) -> Form:
    """(rplacd list x): replaces everything after the first element of the list itself by the list x; returns it"""
    if not isinstance(cell, Pair):
        raise CallError(f"rplacd: {brief(cell)} is not a list", 0)
    interpreter.changed(cell)
    cell.cdr = x
    return cell


@function("filter", interpreter=True)
def filter_(interpreter: Interpreter, f: Form, values: Form) -> Form:
    """(filter f list): a list of the elements x for which (f x) is not ()"""
    kept = []
    for item in interpreter.elements(values, "filter"):
        if interpreter.apply(f, [item]) is not NIL:
            kept.append(item)
    return interpreter.new_list(kept, "filter")


@function("sort-list", interpreter=True)
def sort_list(interpreter: Interpreter, values: Form, comes_after: Form) -> Form:
    """(sort-list list f): returns a sorted list, in which a comes after b if (f a b) is not ()

    With < it sorts from the largest to the smallest number.
    """
    runs = [[item] for item in interpreter.elements(values, "sort-list")]
    while len(runs) > 1:
        merged = []
        for i in range(0, len(runs) - 1, 2):
            merged.append(_merge(interpreter, runs[i], runs[i + 1], comes_after))
        runs = merged + runs[len(merged) * 2 :]
    return interpreter.new_list(runs[0] if runs else [], "sort-list")


def _merge(interpreter: Interpreter, first: list[Form], second: list[Form], comes_after: Form) -> list[Form]:
    """Merge two sorted runs. Python's own sort would use C stack in a recursive comparison."""
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


alias("lasta", "last")
