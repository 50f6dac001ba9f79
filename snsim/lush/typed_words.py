"""Define the words of libidx for idx of one type: idx-f1dotc, idx-d1max, idx-i1fill, ... (reference, section 4).

The letter is the type of the elements (f float, d double, i int, u ubyte), the digit the number of dimensions. Outputs
are required. The value is () for words of one dimension, the output for those of two and three.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from snsim.language.builtins.arithmetic import number, whole
from snsim.language.forms import NIL, Form
from snsim.language.procedures import ABSENT, CallError
from snsim.lush import arithmetic
from snsim.lush.arithmetic_words import contraction, expansion
from snsim.lush.floating import Trap
from snsim.lush.idx import Idx
from snsim.lush.operands import LETTERS, check_dimensions, check_kind, check_shapes, output
from snsim.lush.storing import KINDS, convert, store
from snsim.lush.vocabulary import alias, numeric, word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

FLOATING, WITH_WHOLE, ALL = "fd", "fdi", "fdiu"


def typed(
    interpreter: Interpreter, name: str, letter: str, rank: int, *values: Form, first: int = 0, filled: bool = False
) -> list[Idx]:
    """Return idx of the word's type and number of dimensions; `first` is the argument in which they begin."""
    inputs: list[Idx] = []
    for i, value in enumerate(values, first):
        m = numeric(name, value, i)
        check_kind(name, m, LETTERS[letter], i)
        check_dimensions(name, m, rank, i)
        interpreter.budget.check_matrix(m.size, name)
        interpreter.budget.compute(m.size)
        if filled and not m.size:
            raise CallError(f"{name}: the idx has no elements", i, "test (idx-nelements m) first")
        inputs.append(m)
    return inputs


def constant(name: str, value: Form, m: Idx, argument: int) -> np.ndarray:
    """Return a number in the type of an idx: rounded to float for single precision."""
    return convert(np.float64(number(name, value, argument)), m.kind)


def _value(rank: int, m: Idx) -> Form:
    return NIL if rank == 1 else m


def _names(stem: str, ranks: tuple[int, ...], letters: str) -> list[tuple[str, str, int]]:
    return [(f"idx-{letter}{rank}{stem}", letter, rank) for letter in letters for rank in ranks]


# Fills and constants


def _fill(name: str, letter: str, rank: int) -> None:
    def fill(interpreter: Interpreter, m: Form, c: Form) -> Form:
        (x,) = typed(interpreter, name, letter, rank, m)
        with Trap():
            x.array[...] = constant(name, c, x, 1)
        return _value(rank, x)

    fill.__doc__ = f"({name} m c): sets all elements of m to the number c"
    word(name)(fill)


def _with_constant(name: str, letter: str, rank: int, accumulates: bool, operation: Callable[..., Any]) -> None:
    def compute(interpreter: Interpreter, m: Form, c: Form, o: Form) -> Form:
        x, target = typed(interpreter, name, letter, rank, m)[0], typed(interpreter, name, letter, rank, o, first=2)[0]
        check_shapes(name, x, target, 2)
        with Trap():
            result = operation(x.array, constant(name, c, x, 1))
            target.array[...] = target.array + result if accumulates else result
        return _value(rank, target)

    sign = "plus" if operation is np.add else "times"
    what = f"adds m {sign} the number c to o" if accumulates else f"o becomes m {sign} the number c"
    compute.__doc__ = f"({name} m c o): {what}, element by element"
    word(name)(compute)


for _name, _letter, _rank in _names("fill", (1, 2, 3), ALL):
    _fill(_name, _letter, _rank)
for _name, _letter, _rank in _names("dotc", (1, 2, 3), FLOATING):
    _with_constant(_name, _letter, _rank, False, np.multiply)
    _with_constant(f"{_name}acc", _letter, _rank, True, np.multiply)
for _name, _letter, _rank in _names("addc", (1, 2, 3), WITH_WHOLE):
    _with_constant(_name, _letter, _rank, False, np.add)


# Combinations of two


def _lincomb(name: str, letter: str, rank: int) -> None:
    def compute(interpreter: Interpreter, x: Form, cx: Form, y: Form, cy: Form, z: Form) -> Form:
        a, b, target = (typed(interpreter, name, letter, rank, m, first=i)[0] for m, i in ((x, 0), (y, 2), (z, 4)))
        check_shapes(name, a, b, 2)
        check_shapes(name, a, target, 4)
        with Trap():
            target.array[...] = constant(name, cx, a, 1) * a.array + constant(name, cy, b, 3) * b.array
        return _value(rank, target)

    compute.__doc__ = f"({name} x cx y cy z): z becomes cx x + cy y"
    word(name)(compute)


def _mulacc(name: str, letter: str, rank: int) -> None:
    def compute(interpreter: Interpreter, x: Form, y: Form, z: Form) -> Form:
        a, b, target = typed(interpreter, name, letter, rank, x, y, z)
        check_shapes(name, a, b, 1)
        check_shapes(name, a, target, 2)
        with Trap():
            target.array[...] = target.array + a.array * b.array
        return _value(rank, target)

    compute.__doc__ = f"({name} x y z): adds x times y to z, element by element"
    word(name)(compute)


def _subtract_number(name: str, letter: str, rank: int) -> None:
    def compute(interpreter: Interpreter, m: Form, s: Form, o: Form) -> Form:
        (x,), (target,) = (typed(interpreter, name, letter, rank, value, first=i) for value, i in ((m, 0), (o, 2)))
        subtracted = numeric(name, s, 1)
        check_kind(name, subtracted, LETTERS[letter], 1)
        check_dimensions(name, subtracted, 0, 1)
        check_shapes(name, x, target, 2)
        with Trap():
            target.array[...] = x.array - subtracted.array
        return _value(rank, target)

    compute.__doc__ = f"({name} m s o): o becomes m minus the number in s, an idx of no dimension"
    word(name)(compute)


def _outer_difference(name: str, letter: str) -> None:
    def compute(interpreter: Interpreter, x: Form, y: Form, z: Form) -> Form:
        a, b = typed(interpreter, name, letter, 1, x, y)
        interpreter.budget.check_matrix(a.size * b.size, name)
        target = output(name, z, (a.size, b.size), 2, a.kind)
        with Trap():
            target.array[...] = a.array[:, None] - b.array
        return NIL

    compute.__doc__ = f"({name} x y z): z_ij becomes x_i - y_j"
    word(name)(compute)


for _letter in FLOATING:
    for _rank in (1, 2):
        _lincomb(f"idx-{_letter}{_rank}lincomb", _letter, _rank)
        _mulacc(f"idx-{_letter}{_rank}mulacc", _letter, _rank)
        _subtract_number(f"idx-{_letter}{_rank}sub{_letter}0", _letter, _rank)
    _outer_difference(f"idx-{_letter}1subext{_letter}1", _letter)
    alias(f"idx-ext{_letter}1sub", f"idx-{_letter}1subext{_letter}1")


# Functions of one element


def _function(name: str, letter: str, rank: int, function: Callable[[np.ndarray], np.ndarray], doc: str) -> None:
    def compute(interpreter: Interpreter, x: Form, y: Form) -> Form:
        a, target = typed(interpreter, name, letter, rank, x, y)
        check_shapes(name, a, target, 1)
        with Trap():
            store(target.array, np.asarray(function(a.array)))
        return _value(rank, target)

    compute.__doc__ = f"({name} x y): y becomes {doc}, element by element"
    word(name)(compute)


for _stem, _operation, _doc in (
    ("tanh", arithmetic.through_double(np.tanh), "the hyperbolic tangent of x"),
    ("inv", lambda a: a.dtype.type(1) / a, "1 divided by x"),
    ("sign", lambda a: np.where(a > 0, 1.0, -1.0), "1 where x is positive, else -1"),
    ("clip", lambda a: np.maximum(a, a.dtype.type(0)), "the larger of x and 0"),
):
    for _name, _letter, _rank in _names(_stem, (1, 2), FLOATING):
        _function(_name, _letter, _rank, _operation, _doc)


# Numbers out of an idx


def _extreme(name: str, letter: str, rank: int, reduce: Callable[[np.ndarray], Any], doc: str) -> None:
    def compute(interpreter: Interpreter, m: Form, s: Form = ABSENT) -> Form:
        (x,) = typed(interpreter, name, letter, rank, m, filled=True)
        with Trap():
            result = np.asarray(reduce(x.array))
            if s is ABSENT:
                return float(result)
            store(output(name, s, (), 1).array, result)
        return NIL

    compute.__doc__ = f"({name} m [s]): {doc}; with s, an idx of no dimension, stores it there and returns ()"
    word(name)(compute)


def _number_of(name: str, letter: str, rank: int, reduce: Callable[[np.ndarray], Any], doc: str) -> None:
    def compute(interpreter: Interpreter, m: Form) -> float:
        (x,) = typed(interpreter, name, letter, rank, m, filled=True)
        with Trap():
            return float(reduce(x.array))

    compute.__doc__ = f"({name} m): {doc}"
    word(name)(compute)


def _average(values: np.ndarray) -> Any:
    return values.dtype.type(arithmetic.total(values) / values.dtype.type(values.size))


def _product(values: np.ndarray) -> Any:
    return np.multiply.accumulate(values.reshape(-1), dtype=values.dtype)[-1]


Reduction = Callable[[np.ndarray], Any]
_EXTREMES: tuple[tuple[str, Reduction, str], ...] = (
    ("max", np.max, "the largest element"),
    ("min", np.min, "the smallest element"),
    ("sup", np.max, "the largest element"),
    ("inf", np.min, "the smallest element"),
)
_PLACES: tuple[tuple[str, Reduction, str], ...] = (
    ("indexmax", np.argmax, "the index of the largest element, the first of several"),
    ("indexmin", np.argmin, "the index of the smallest element, the first of several"),
)
_SUMMARIES: tuple[tuple[str, Reduction, str], ...] = (
    ("avg", _average, "the mean of the elements"),
    ("prod", _product, "the product of the elements"),
    ("logsum", arithmetic.log_sum, "-log of the mean of exp(-m)"),
    ("logadd", arithmetic.log_add, "-log of the sum of exp(-m)"),
)
for _stem, _reduce, _doc in _EXTREMES:
    for _name, _letter, _rank in _names(_stem, (1, 2), ALL):
        _extreme(_name, _letter, _rank, _reduce, _doc)
for _stem, _reduce, _doc in _PLACES:
    for _name, _letter, _ in _names(_stem, (1,), ALL):
        _number_of(_name, _letter, 1, _reduce, _doc)
for _stem, _reduce, _doc in _SUMMARIES:
    for _name, _letter, _rank in _names(_stem, (1, 2), FLOATING):
        _number_of(_name, _letter, _rank, _reduce, _doc)


def _logaddb(name: str, letter: str) -> None:
    def compute(interpreter: Interpreter, m: Form, beta: Form) -> float:
        (x,) = typed(interpreter, name, letter, 1, m, filled=True)
        factor = number(name, beta, 1)
        with Trap():
            return float(arithmetic.log_add_beta(x.array, factor))

    compute.__doc__ = f"({name} m beta): -log of the sum of exp(-beta m), divided by beta"
    word(name)(compute)


def _logdot(name: str, letter: str) -> None:
    def compute(interpreter: Interpreter, m: Form, p: Form) -> float:
        x, weights = typed(interpreter, name, letter, 1, m, p, filled=True)
        check_shapes(name, x, weights, 1)
        with Trap():
            return float(arithmetic.log_dot(x.array, weights.array))

    compute.__doc__ = f"({name} m p): -log of the sum of p exp(-m)"
    word(name)(compute)


def _logdot_derivative(name: str, letter: str) -> None:
    def compute(interpreter: Interpreter, m: Form, p: Form, o: Form) -> Form:
        x, weights, target = typed(interpreter, name, letter, 1, m, p, o, filled=True)
        check_shapes(name, x, weights, 1)
        check_shapes(name, x, target, 2)
        with Trap():
            target.array[...] = arithmetic.log_dot_derivative(x.array, weights.array)
        return NIL

    compute.__doc__ = f"({name} m p o): o becomes the derivative of -log of the sum of p exp(-m)"
    word(name)(compute)


def _entropy(name: str, letter: str) -> None:
    def compute(interpreter: Interpreter, m: Form, c: Form) -> float:
        (x,) = typed(interpreter, name, letter, 1, m, filled=True)
        with Trap():
            z = (x.array + constant(name, c, x, 1)).astype(np.float64) / arithmetic.total(x.array.astype(np.float64))
            return -float(arithmetic.total(z * np.log(z)))

    compute.__doc__ = f"({name} m c): -sum of z log z, with z = (m + c) / (sum of m)"
    word(name)(compute)


for _letter in FLOATING:
    _logaddb(f"idx-{_letter}1logaddb", _letter)
    _logdot(f"idx-{_letter}1logdot{_letter}1", _letter)
    _logdot_derivative(f"idx-{_letter}1blogdot{_letter}1", _letter)
    _entropy(f"idx-{_letter}1entropy", _letter)


# Vectors and matrices of known content


def _with_index(name: str, letter: str) -> None:
    def fill(interpreter: Interpreter, m: Form) -> Form:
        (x,) = typed(interpreter, name, letter, 1, m)
        store(x.array, np.arange(x.size, dtype=np.float64))
        return NIL

    fill.__doc__ = f"({name} m): sets the elements of a vector to 0 1 2 ..."
    word(name)(fill)


def _reverse(name: str, letter: str) -> None:
    def reverse(interpreter: Interpreter, m: Form) -> Form:
        (x,) = typed(interpreter, name, letter, 1, m)
        x.array[...] = x.array[::-1].copy()
        return NIL

    reverse.__doc__ = f"({name} m): turns a vector round, in place"
    word(name)(reverse)


def _range(name: str, letter: str) -> None:
    def make(interpreter: Interpreter, a: Form, b: Form, step: Form) -> Idx:
        first, last, by = (number(name, value, i) for i, value in enumerate((a, b, step)))
        if by == 0 or (last - first) / by < 0:
            raise CallError(
                f"{name}: steps of {by:g} do not lead from {first:g} to {last:g}", 2, "write a step towards the end"
            )
        steps = (last - first) / by
        interpreter.budget.check_matrix(int(min(steps, 1e15)) + 1, name)
        return Idx.of(convert(first + by * np.arange(math.floor(steps + 1e-9) + 1), KINDS[LETTERS[letter]]))

    make.__doc__ = f"({name} a b step): returns the vector a, a + step, ... up to and including b"
    word(name, makes=True)(make)


def _place_target(name: str, letter: str) -> None:
    def make(interpreter: Interpreter, n: Form) -> Idx:
        size = whole(name, n)
        if size < 1:
            raise CallError(f"{name}: a matrix needs at least one row, {size} given", 0, "write a number of 1 or more")
        interpreter.budget.check_matrix(size * size, name)
        return Idx.of((2 * np.eye(size) - 1).astype(KINDS[LETTERS[letter]]))

    make.__doc__ = f"({name} n): returns an n x n matrix with 1 on the diagonal and -1 elsewhere"
    word(name, makes=True)(make)


for _letter in ALL:
    _with_index(f"idx-{_letter}1fill-with-index", _letter)
for _letter in FLOATING:
    _reverse(f"idx-{_letter}1reverse", _letter)
    _range(f"idx-{_letter}1range", _letter)
    _place_target(f"make-{_letter}2-place-target", _letter)


# Products


def _products(letter: str) -> None:
    kind = LETTERS[letter]
    for a, b in ((3, 2), (4, 3), (3, 3)):
        contraction(
            f"idx-{letter}{a}dot{letter}{b}",
            (a, b),
            arithmetic.contract,
            f"the sums over the dimensions of b, the last of a, for {kind}",
            kind=kind,
        )
    for a in (3, 4):
        contraction(
            f"idx-{letter}{a}dot{letter}1",
            (a, 1),
            arithmetic.contract_first,
            f"the sums over the dimension of b, the first of a, for {kind}",
            first=True,
            kind=kind,
        )
    for a, b in ((1, 2), (1, 3), (3, 1)):
        expansion(
            f"idx-{letter}{a}ext{letter}{b}",
            (a, b),
            arithmetic.outer,
            f"every element of a times every element of b, for {kind}",
            kind=kind,
        )


for _letter in FLOATING:
    _products(_letter)

expansion("idx-m1squextm1", (1, 1), arithmetic.outer_squared, "o_ij = a_i b_j b_j", kind="float")
expansion("idx-m2squextm2", (2, 2), arithmetic.outer_squared, "o_ijkl = a_ij b_kl b_kl", kind="float")
contraction("idx-m2squdotm1", (2, 1), arithmetic.contract_squared, "the sums of a_ij a_ij b_j", kind="float")
contraction("idx-m4squdotm2", (4, 2), arithmetic.contract_squared, "the sums of a_ijkl a_ijkl b_kl", kind="float")
contraction("idx-m1squdotm1", (1, 1), arithmetic.contract_squared, "the sum of a_i a_i b_i", kind="float")
contraction("idx-m2squdotm2", (2, 2), arithmetic.contract_squared, "the sum of a_ij a_ij b_ij", kind="float")


# Sorting


def _sort(name: str, letter: str, tag_letter: str, down: bool) -> None:
    def plain(interpreter: Interpreter, keys: Form) -> Form:
        (x,) = _sorted(interpreter, name, letter, keys)
        arithmetic.heap_sort(x.array, None, down)
        return NIL

    def tagged(interpreter: Interpreter, keys: Form, tags: Form) -> Form:
        (x,) = _sorted(interpreter, name, letter, keys)
        (tag,) = _sorted(interpreter, name, tag_letter, tags, first=1)
        check_shapes(name, x, tag, 1)
        arithmetic.heap_sort(x.array, tag.array, down)
        return NIL

    way = "downwards" if down else "upwards"
    plain.__doc__ = f"({name} v): sorts a vector in place, {way}"
    tagged.__doc__ = f"({name} v tags): sorts a vector in place, {way}; the tags move along with their elements"
    word(name)(tagged if tag_letter else plain)


def _sorted(interpreter: Interpreter, name: str, letter: str, values: Form, first: int = 0) -> list[Idx]:
    inputs = typed(interpreter, name, letter, 1, values, first=first)
    for m in inputs:
        if not m.is_contiguous:
            raise CallError(f"{name}: vector is not contiguous", first, "sort a copy: (idx-copy v)")
        interpreter.step(m.size * max(m.size.bit_length(), 1) // 4)
    return inputs


for _letter in WITH_WHOLE:
    for _way in ("up", "down"):
        _sort(f"idx-{_letter}1sort{_way}", _letter, "", _way == "down")
        for _tag in WITH_WHOLE:
            _sort(f"idx-{_letter}1{_tag}1sort{_way}", _letter, _tag, _way == "down")
