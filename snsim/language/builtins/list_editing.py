"""Define the words that insert, delete and select elements of lists (docs/reference/sn28.md, section 1.11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import whole
from snsim.language.builtins.indexing import selection
from snsim.language.forms import NIL, Form, Pair
from snsim.language.literals import MOST_DIMENSIONS
from snsim.language.procedures import CallError, function

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


def _cell(interpreter: Interpreter, name: str, values: Form, n: int, length: int) -> Pair:
    """Return cell n of a list of this length, counted from 0."""
    if not 0 <= n < length:
        raise CallError(
            f"{name}: there is no place {n + (name == 'list-insert')} in a list of length {length}",
            1,
            "places count from 0: write (length list) for the number of elements",
        )
    cell = values
    interpreter.budget.walk(n)
    for _ in range(n):
        cell = cell.cdr
    assert isinstance(cell, Pair)
    return cell


@function("list-insert", interpreter=True)
def list_insert(interpreter: Interpreter, values: Form, n: Form, x: Form) -> Form:
    """(list-insert list n x): inserts x before element n, counted from 0; returns the list

    It changes the list itself. If n is 0, it returns a new first cell instead.
    """
    length, at = len(interpreter.elements(values, "list-insert")), whole("list-insert", n, 1)
    interpreter.budget.make_list(1, "list-insert")
    if at == 0:
        return Pair(x, values)
    cell = _cell(interpreter, "list-insert", values, at - 1, length)
    interpreter.changed(cell)
    cell.cdr = Pair(x, cell.cdr)
    return values


@function("list-delete", interpreter=True)
def list_delete(interpreter: Interpreter, values: Form, n: Form) -> Form:
    """(list-delete list n): removes element n, counted from 0; returns the list

    It changes the list itself. If n is 0, it returns the rest of the list instead.
    """
    length, at = len(interpreter.elements(values, "list-delete")), whole("list-delete", n, 1)
    gone = _cell(interpreter, "list-delete", values, at, length)
    if at == 0:
        return gone.cdr
    before = _cell(interpreter, "list-delete", values, at - 1, length)
    interpreter.changed(before)
    before.cdr = gone.cdr
    return values


@function("list-merge", interpreter=True)
def list_merge(interpreter: Interpreter, values: Form, more: Form) -> Form:
    """(list-merge list more): appends to the list itself each element of more that it does not contain

    It returns the list, or () if the last element of more was in the list already.
    """
    members = interpreter.elements(values, "list-merge")
    new = interpreter.elements(more, "list-merge")
    if not members and new:  # the first element begins the list, and only the rest is merged
        members, new, values = [new[0]], new[1:], Pair(new[0])
        interpreter.budget.make_list(1, "list-merge")
    end = values
    while isinstance(end, Pair) and isinstance(end.cdr, Pair):
        end = end.cdr
    result: Form = NIL
    for x in new:
        interpreter.step(1 + len(members) // 4)
        result = NIL
        if not any(interpreter.equal(x, member) for member in members):
            members.append(x)
            interpreter.budget.make_list(1, "list-merge")
            interpreter.changed(end)
            end.cdr = Pair(x)
            end, result = end.cdr, values
    return result


@function("alist-add", interpreter=True)
def alist_add(interpreter: Interpreter, key: Form, value: Form, alist: Form) -> Form:
    """(alist-add key x list): sets the value of a key in a list of pairs (key . value) to x; returns the list

    It changes the first pair with this key. If there is none, it puts a new pair in front.
    """
    for item in interpreter.elements(alist, "alist-add"):
        if isinstance(item, Pair) and interpreter.equal(key, item.car):
            interpreter.changed(item)
            item.cdr = value
            return alist
    interpreter.budget.make_list(2, "alist-add")
    return Pair(Pair(key, value), alist)


@function("nfirst", interpreter=True)
def nfirst(interpreter: Interpreter, n: Form, values: Form) -> Form:
    """(nfirst n list): a list of the first n elements, or of all elements if there are fewer"""
    count = max(whole("nfirst", n), 0)
    return interpreter.new_list(interpreter.elements(values, "nfirst", None)[:count], "nfirst")


@function("nth%", interpreter=True)
def nth_modulo(interpreter: Interpreter, n: Form, values: Form) -> Form:
    """(nth% n list): the element at position n modulo the length, counted from 0; () for an empty list"""
    items = interpreter.elements(values, "nth%")
    return items[whole("nth%", n) % len(items)] if items else NIL


@function("sublist", interpreter=True)
def sublist(interpreter: Interpreter, values: Form, n: Form, rows: Form = NIL, columns: Form = NIL) -> Form:
    """(sublist list n [rows [columns]]): reads the list as rows of n elements, and returns a list of a part of them

    Rows and columns are an index i, counted from 0, a range (a b) with both ends, or () for all.
    """
    items, width = interpreter.elements(values, "sublist"), whole("sublist", n, 1)
    if width < 1 or len(items) % width:
        raise CallError(
            f"sublist: a list of {len(items)} elements has no rows of {width}",
            1,
            "write the length of a row, such as the number of columns of the layer",
        )
    places = np.arange(len(items)).reshape(-1, width)
    chosen = [selection(interpreter, r, size, 2 + i) for i, (r, size) in enumerate(zip((rows, columns), places.shape))]
    return interpreter.new_list([items[i] for i in places[tuple(chosen)].ravel().tolist()], "sublist")


@function("list-to-array", interpreter=True, makes=True)
def list_to_array(interpreter: Interpreter, values: Form) -> np.ndarray:
    """(list-to-array list): returns an array of the elements; lists of m lists of n elements become m x n, and so on"""
    items = interpreter.elements(values, "list-to-array")
    shape = [len(items)]
    if not items:
        raise CallError("list-to-array: the list is empty", 0, "write a list of one element or more")
    while len(shape) < MOST_DIMENSIONS and all(isinstance(item, Pair) for item in items):
        rows = [interpreter.elements(item, "list-to-array") for item in items]
        width = len(rows[0])
        if any(len(row) != width for row in rows):
            break
        interpreter.budget.make_list(width * len(rows), "list-to-array")
        items = [item for row in rows for item in row]
        shape.append(width)
    array = np.empty(len(items), object)
    for i, item in enumerate(items):  # one by one, because NumPy would look into matrices
        array[i] = item
    return array.reshape(shape)
