"""Loop over the slices of idx: idx-bloop, idx-eloop, idx-gloop (docs/reference/gblearn2.md, section 3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from snsim.language.builtins.control import rest_of
from snsim.language.forms import Form, Pair, Symbol
from snsim.language.procedures import CallError, check_name
from snsim.lush import idx
from snsim.lush.idx import Idx
from snsim.lush.vocabulary import as_idx, special_word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


@dataclass(frozen=True)
class _Looping:
    """A variable of a loop, the number of rounds that it asks for, and its value in each round."""

    variable: Symbol
    rounds: int | None  # None: any number, for a counter
    value: Callable[[int], Form]


@special_word("idx-bloop", "idx-pbloop")
def idx_bloop(interpreter: Interpreter, form: Pair) -> Form:
    """(idx-bloop ((x m)...) form...): evaluates the forms with x the slices of m at each index of its first dimension

    Several idx are traversed in parallel. Returns the last idx of the list.
    """
    return _loop_over(interpreter, form, 0)


@special_word("idx-eloop", "idx-peloop")
def idx_eloop(interpreter: Interpreter, form: Pair) -> Form:
    """(idx-eloop ((x m)...) form...): evaluates the forms with x the slices of m at each index of its last dimension

    Several idx are traversed in parallel. Returns the last idx of the list.
    """
    return _loop_over(interpreter, form, -1)


@special_word("idx-gloop")
def idx_gloop(interpreter: Interpreter, form: Pair) -> Form:
    """(idx-gloop ((x m) (i) (y p n)...) form...): like idx-bloop; i counts from 0, y is the slice of n at index p[k]

    Returns the first idx that is looped over.
    """
    name = "idx-gloop"
    loops: list[_Looping] = []
    over: list[Idx] = []
    for cell in _bindings(interpreter, form, name):
        variable, parts = cell.car.car, interpreter.elements(cell.car.cdr, name)
        if not parts:
            if any(loop.rounds is None for loop in loops):
                raise CallError(f"{name}: a loop has one counter", 0, "leave one of the lists (i) out")
            loops.append(_Looping(variable, None, float))
            continue
        m = _looped(interpreter, name, cell.car.cdr)
        over.append(m)
        if len(parts) == 1:
            loops.append(_Looping(variable, m.sizes[0], _slices(m, 0)))
            continue
        n = _looped(interpreter, name, cell.car.cdr.cdr)
        if m.kind.kind not in "iu" or m.ndim != 1:
            raise CallError(f"{name}: {m} is not a vector of indices", 0, "make it with (int-matrix n)")
        loops.append(_Looping(variable, m.sizes[0], _permuted(name, m, n)))
    if not over:
        raise CallError(f"{name}: there is no idx to loop over", 0, "write ((x m) (i)): the counter goes with an idx")
    _run(interpreter, name, loops, form.cdr.cdr)
    return over[0]


def _slices(m: Idx, dimension: int) -> Callable[[int], Idx]:
    """Return a function that returns the slice at index k, as `idx.select` does, which also checks."""
    storage, offset, modulo = m.storage, m.offset, m.modulos[dimension]
    sizes = m.sizes[:dimension] + m.sizes[dimension + 1 :]
    modulos = m.modulos[:dimension] + m.modulos[dimension + 1 :]
    return lambda k: Idx(storage, offset + k * modulo, sizes, modulos)


def _permuted(name: str, places: Idx, m: Idx) -> Callable[[int], Idx]:
    def value(k: int) -> Idx:
        place = int(places.array[k])
        idx.check_index(name, place, m.sizes[0])
        return idx.select(m, 0, place)

    return value


def _loop_over(interpreter: Interpreter, form: Pair, dimension: int) -> Idx:
    """Loop over the first dimension (0) or the last (-1); return the last idx of the list."""
    name = form.car.name
    loops: list[_Looping] = []
    m: Idx | None = None
    for cell in _bindings(interpreter, form, name):
        if not isinstance(cell.car.cdr, Pair) or cell.car.cdr.cdr is not None:
            raise CallError(
                f"{name}: expected a variable and its idx, not {interpreter.describe(cell.car)}",
                0,
                f"write ({name} ((x m)...) form...)",
            )
        m = _looped(interpreter, name, cell.car.cdr)
        place = dimension % m.ndim
        loops.append(_Looping(cell.car.car, m.sizes[place], _slices(m, place)))
    if m is None:
        raise CallError(f"{name}: there is no idx to loop over", 0, f"write ({name} ((x m)...) form...)")
    _run(interpreter, name, loops, form.cdr.cdr)
    return m


def _bindings(interpreter: Interpreter, form: Pair, name: str) -> list[Pair]:
    """Return the cells of the list of a loop; each holds a list that begins with a name."""
    syntax = f"({name} ((x m)...) form...)"
    header = rest_of(form, 1, syntax).car
    interpreter.elements(header, name)
    cells = list(header.cells()) if isinstance(header, Pair) else []
    for cell in cells:
        if not isinstance(cell.car, Pair) or not isinstance(cell.car.car, Symbol):
            raise CallError(
                f"{name}: expected a variable and its idx, not {interpreter.describe(cell.car)}", 0, f"write {syntax}"
            )
        check_name(cell.car.car, 0)
    return cells


def _looped(interpreter: Interpreter, name: str, cell: Form) -> Idx:
    m = as_idx(name, interpreter.evaluate(cell.car, cell.at), 0)
    if m.ndim == 0:
        raise CallError(f"{name}: the idx has no dimension to loop over", 0, "(m) reads its number")
    return m


def _run(interpreter: Interpreter, name: str, loops: list[_Looping], body: Form) -> None:
    rounds = {loop.rounds for loop in loops if loop.rounds is not None}
    if len(rounds) > 1:
        sizes = ", ".join(f"{loop.variable} {loop.rounds}" for loop in loops if loop.rounds is not None)
        raise CallError(
            f"{name}: looping dimension are different: {sizes}", 0, "cut the longer ones: (narrow m 0 size offset)"
        )
    stacks = [interpreter.bind(loop.variable, None) for loop in loops]
    try:
        for k in range(rounds.pop()):
            interpreter.step()
            for loop, stack in zip(loops, stacks):
                stack[-1] = loop.value(k)
            interpreter.body(body)
    finally:
        for loop in reversed(loops):
            interpreter.unbind(loop.variable)
