"""Define hash tables (docs/reference/sn28.md, section 1.11): `(h key)` reads, `(h key value)` stores."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import whole
from snsim.language.forms import NIL, Form, Pair, as_matrix, make_list, symbol
from snsim.language.procedures import CallError, Procedure, function

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_LOOKED_AT = 100  # elements of a key that decide its bucket; the rest is compared


def _content(key: Form) -> Hashable:
    """Return a value that is equal for keys that `=` calls equal."""
    parts: list[Hashable] = []
    work: list[Form] = [key]
    while work and len(parts) < _LOOKED_AT:
        x = as_matrix(work.pop())
        if isinstance(x, Pair):
            parts.append("(")
            work += [x.cdr, x.car]
        elif isinstance(x, np.ndarray):
            parts.append(x.shape)
            work += x.ravel()[: _LOOKED_AT - len(parts)].tolist()[::-1]
        elif isinstance(x, int):  # of an integer matrix, which equals one of floats
            parts.append(float(x))
        else:
            parts.append(x if isinstance(x, (float, str)) else id(x))
    return tuple(parts)


def _identity(key: Form) -> Hashable:
    """Return a value that is equal for a key and itself alone."""
    if isinstance(key, str) and len(key) < 2:
        return object()  # Python has only one string of these characters, which is two objects in SN
    return id(key)


class HashTable(Procedure):
    """A hash table. Keys are compared by content, or by identity if `by_identity`."""

    def __init__(self, by_identity: bool):
        self.name = "htable"
        self.by_identity = by_identity
        self._buckets: dict[Hashable, list[Pair]] = {}  # of (key . value)
        self.size = 0

    def __str__(self) -> str:
        return f"::HTABLE:{self.size}"

    def pairs(self) -> Iterator[Pair]:
        """Yield a pair (key . value) for each entry, in no particular order."""
        for bucket in self._buckets.values():
            yield from bucket

    @property
    def buckets(self) -> int:
        """The number of buckets that hold an entry."""
        return len(self._buckets)

    def apply(self, interpreter: Interpreter, arguments: list[Form]) -> Form:
        if not 1 <= len(arguments) <= 2:
            raise CallError(
                f"a hash table takes a key, and a value to store; {len(arguments)} arguments given",
                None,
                "write (h key), or (h key value)",
            )
        key = arguments[0]
        interpreter.step()
        place = _identity(key) if self.by_identity else _content(key)
        bucket = self._buckets.get(place, [])
        entry = next((entry for entry in bucket if self._is_key(interpreter, key, entry.car)), None)
        if len(arguments) == 1:
            return NIL if entry is None else entry.cdr
        if arguments[1] is NIL:
            if entry is not None:
                bucket.remove(entry)
                self.size -= 1
                if not bucket:
                    del self._buckets[place]
        elif entry is not None:
            entry.cdr = arguments[1]
        else:
            interpreter.budget.make_list(2, "htable")
            self._buckets.setdefault(place, []).append(Pair(key, arguments[1]))
            self.size += 1
        return self

    def _is_key(self, interpreter: Interpreter, a: Form, b: Form) -> bool:
        interpreter.step()
        return a is b if self.by_identity else interpreter.equal(a, b)

    def rehash(self, interpreter: Interpreter) -> None:
        """Put each entry where its key belongs now: a list that is a key may have been changed."""
        entries = list(self.pairs())
        interpreter.step(len(entries))
        self._buckets.clear()
        for entry in entries:
            place = _identity(entry.car) if self.by_identity else _content(entry.car)
            self._buckets.setdefault(place, []).append(entry)


@function("htable")
def htable(buckets: Form = 0.0, pointers: Form = NIL) -> HashTable:
    """(htable [buckets [pointers]]): returns an empty hash table; buckets has no effect

    Keys are equal if their contents are equal. If pointers is not (), only the same object is the same key.
    """
    if whole("htable", buckets) < 0:
        raise CallError("htable: the number of buckets is negative", 0, "write (htable), which needs no number")
    return HashTable(pointers is not NIL)


def _table(interpreter: Interpreter, name: str, x: Form) -> HashTable:
    if isinstance(x, HashTable):
        interpreter.budget.walk(x.size)
        return x
    raise CallError(f"{name}: {interpreter.describe(x)} is not a hash table", 0, "make one: (setq h (htable))")


@function("htable-size", interpreter=True)
def htable_size(interpreter: Interpreter, table: Form) -> float:
    """(htable-size h): the number of keys in the hash table"""
    return float(_table(interpreter, "htable-size", table).size)


@function("htable-keys", interpreter=True)
def htable_keys(interpreter: Interpreter, table: Form) -> Form:
    """(htable-keys h): a list of the keys of the hash table, in no particular order"""
    keys = [entry.car for entry in _table(interpreter, "htable-keys", table).pairs()]
    return interpreter.new_list(keys, "htable-keys")


@function("htable-alist", interpreter=True)
def htable_alist(interpreter: Interpreter, table: Form) -> Form:
    """(htable-alist h): a list of pairs (key . value) of the hash table, in no particular order"""
    pairs = [Pair(entry.car, entry.cdr) for entry in _table(interpreter, "htable-alist", table).pairs()]
    interpreter.budget.make_list(len(pairs), "htable-alist")
    return interpreter.new_list(pairs, "htable-alist")


@function("htable-info", interpreter=True)
def htable_info(interpreter: Interpreter, table: Form) -> Form:
    """(htable-info h): a list ((size . keys) (buckets . n)): the number of keys, and of the buckets in use"""
    h = _table(interpreter, "htable-info", table)
    return make_list([Pair(symbol("size"), float(h.size)), Pair(symbol("buckets"), float(h.buckets))])


@function("htable-rehash", interpreter=True)
def htable_rehash(interpreter: Interpreter, table: Form) -> Form:
    """(htable-rehash h): makes keys work again that were changed after they were stored; returns ()"""
    _table(interpreter, "htable-rehash", table).rehash(interpreter)
    return NIL
