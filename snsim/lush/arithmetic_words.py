"""Define the general words of idx arithmetic, for any type of element (docs/reference/gblearn2.md, section 4).

`(idx-word in... [out])`: with `out` the result is stored there and `out` returned; without it the idx is new.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import whole
from snsim.language.forms import NIL, Form
from snsim.language.procedures import ABSENT, CallError
from snsim.lush import arithmetic
from snsim.lush.floating import Trap
from snsim.lush.idx import Idx, shown
from snsim.lush.operands import check_dimensions, check_kind, check_shapes, deliver, operands, output
from snsim.lush.storing import convert, store
from snsim.lush.vocabulary import alias, as_idx, word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

Unary = Callable[[np.ndarray], np.ndarray]
Binary = Callable[[np.ndarray, np.ndarray], np.ndarray]
_ANY = ("m0", "m1", "m2", "ma")  # prefixes that say for which idx a word was compiled; here every word takes all


def _also_prefixed(name: str) -> None:
    for prefix in _ANY:
        alias(f"idx-{prefix}{name.removeprefix('idx-')}", name)


# Element by element


def _divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.dtype.kind == "f":
        return np.asarray(a / b)
    return np.asarray(np.trunc(a.astype(np.float64) / b).astype(np.int64), a.dtype)


def _binary(name: str, operation: Binary, doc: str) -> None:
    def compute(interpreter: Interpreter, a: Form, b: Form, c: Form = ABSENT) -> Idx:
        x, y = operands(interpreter, name, a, b)
        check_shapes(name, x, y, 1)
        with Trap():
            result = operation(x.array, y.array)
        return deliver(interpreter, name, result, c, 2)

    compute.__doc__ = f"({name} a b [c]): {doc}, element by element"
    word(name)(compute)
    _also_prefixed(name)


for _name, _operation, _doc in (
    ("idx-add", np.add, "a + b"),
    ("idx-sub", np.subtract, "a - b"),
    ("idx-mul", np.multiply, "a times b"),
    ("idx-div", _divide, "a / b"),
):
    _binary(_name, _operation, _doc)


def _inverse(a: np.ndarray) -> np.ndarray:
    return np.asarray(a.dtype.type(1) / a)


def _of_floats(function: Callable[[np.ndarray], np.ndarray]) -> Unary:
    """Return a function of single precision for any type: doubles are rounded to it and back."""
    return lambda a: function(convert(a, np.dtype(np.float32)))


def _unary(name: str, function: Unary, doc: str) -> None:
    def compute(interpreter: Interpreter, a: Form, b: Form = ABSENT) -> Idx:
        (x,) = operands(interpreter, name, a)
        with Trap():
            result = convert(np.asarray(function(x.array)), x.kind)
        return deliver(interpreter, name, result, b, 1, same_kind=True)

    compute.__doc__ = f"({name} a [b]): {doc}, element by element"
    word(name)(compute)
    _also_prefixed(name)


for _name, _function, _doc in (
    ("idx-minus", np.negative, "the negative"),
    ("idx-abs", np.abs, "the absolute value"),
    ("idx-inv", _inverse, "1 divided by each element"),
    ("idx-sqrt", arithmetic.through_double(np.sqrt), "the square root"),
    ("idx-exp", arithmetic.through_double(np.exp), "the exponential"),
    ("idx-log", arithmetic.through_double(np.log), "the natural logarithm"),
    ("idx-sin", arithmetic.through_double(np.sin), "the sine"),
    ("idx-cos", arithmetic.through_double(np.cos), "the cosine"),
    ("idx-atan", arithmetic.through_double(np.arctan), "the arc tangent"),
    ("idx-qtanh", _of_floats(arithmetic.qtanh), "the hyperbolic tangent, by a rational function"),
    ("idx-qdtanh", _of_floats(arithmetic.qdtanh), "the derivative of idx-qtanh"),
    ("idx-stdsigmoid", _of_floats(arithmetic.stdsigmoid), "1.7159 tanh(2/3 x), by a rational function"),
    ("idx-dstdsigmoid", _of_floats(arithmetic.dstdsigmoid), "the derivative of idx-stdsigmoid"),
    ("idx-expmx", _of_floats(arithmetic.expmx), "exp(-|x|), by a polynomial; 0 from 13 on"),
    ("idx-dexpmx", _of_floats(arithmetic.dexpmx), "exp(-|x|), negative for negative x"),
):
    _unary(_name, _function, _doc)


@word("idx-clear")
def idx_clear(interpreter: Interpreter, a: Form) -> Idx:
    """(idx-clear a): sets all elements to 0, those of an array to (); returns a"""
    m = as_idx("idx-clear", a)
    interpreter.budget.compute(m.size)
    m.fill(NIL if m.kind.kind == "O" else 0)
    return m


_also_prefixed("idx-clear")


# Results of one number


def _largest(values: np.ndarray, start: np.ndarray | None) -> np.generic:
    result: np.generic = np.max(values) if start is None else np.maximum(np.max(values), start)[()]
    return result


def _smallest(values: np.ndarray, start: np.ndarray | None) -> np.generic:
    result: np.generic = np.min(values) if start is None else np.minimum(np.min(values), start)[()]
    return result


def _sum_of_squares(values: np.ndarray, start: np.ndarray | None) -> np.generic:
    return arithmetic.total(values * values, None if start is None else start[()])


def _sum(values: np.ndarray, start: np.ndarray | None) -> np.generic:
    return arithmetic.total(values, None if start is None else start[()])


def _started(name: str, s: Form, like: Idx, argument: int) -> np.ndarray:
    """Return the value from which an accumulating word begins, in the type of its inputs."""
    return np.asarray(convert(output(name, s, (), argument).array, like.kind))


def _reduction(name: str, reduce: Callable[[np.ndarray, np.ndarray | None], np.generic], doc: str) -> None:
    def plain(interpreter: Interpreter, a: Form, s: Form = ABSENT) -> Idx:
        (x,) = operands(interpreter, name, a)
        _check_filled(name, x)
        with Trap():
            result = reduce(x.array, None)
        return deliver(interpreter, name, result, s, 1)

    def accumulating(interpreter: Interpreter, a: Form, s: Form) -> Idx:
        (x,) = operands(interpreter, f"{name}acc", a)
        _check_filled(name, x)
        with Trap():
            result = reduce(x.array, _started(f"{name}acc", s, x, 1))
        return deliver(interpreter, f"{name}acc", result, s, 1)

    plain.__doc__ = f"({name} a [s]): {doc}, in an idx of no dimension: (({name} a)) is the number"
    accumulating.__doc__ = f"({name}acc a s): {doc}, beginning with the number in s, which receives the result"
    word(name)(plain)
    word(f"{name}acc")(accumulating)
    _also_prefixed(name)
    _also_prefixed(f"{name}acc")


def _check_filled(name: str, m: Idx) -> None:
    if m.size == 0:
        raise CallError(f"{name}: the idx has no elements", 0, "test (idx-nelements m) first")


for _name, _reduce, _doc in (
    ("idx-sum", _sum, "the sum of the elements"),
    ("idx-sup", _largest, "the largest element"),
    ("idx-inf", _smallest, "the smallest element"),
    ("idx-sumsqr", _sum_of_squares, "the sum of the squares"),
):
    _reduction(_name, _reduce, _doc)


def _pairing(name: str, reduce: Callable[..., np.generic], doc: str) -> None:
    def plain(interpreter: Interpreter, a: Form, b: Form, s: Form = ABSENT) -> Idx:
        x, y = operands(interpreter, name, a, b)
        check_shapes(name, x, y, 1)
        with Trap():
            result = reduce(x.array, y.array)
        return deliver(interpreter, name, result, s, 2)

    def accumulating(interpreter: Interpreter, a: Form, b: Form, s: Form) -> Idx:
        x, y = operands(interpreter, f"{name}acc", a, b)
        check_shapes(f"{name}acc", x, y, 1)
        with Trap():
            result = reduce(x.array, y.array, _started(f"{name}acc", s, x, 2)[()])
        return deliver(interpreter, f"{name}acc", result, s, 2)

    plain.__doc__ = f"({name} a b [s]): {doc}, in an idx of no dimension"
    accumulating.__doc__ = f"({name}acc a b s): {doc}, beginning with the number in s, which receives the result"
    word(name)(plain)
    word(f"{name}acc")(accumulating)
    _also_prefixed(name)
    _also_prefixed(f"{name}acc")


_pairing("idx-dot", arithmetic.dot, "the scalar product")
_pairing("idx-sqrdist", arithmetic.squared_distance, "the squared distance")
for _n in (1, 2):
    alias(f"idx-m{_n}dotm{_n}", "idx-dot")
    alias(f"idx-m{_n}dotm{_n}acc", "idx-dotacc")


# With an idx of no dimension


def _with_number(name: str, operation: Binary, doc: str) -> None:
    def plain(interpreter: Interpreter, a: Form, s: Form, b: Form = ABSENT) -> Idx:
        x, number = operands(interpreter, name, a, s)
        check_dimensions(name, number, 0, 1)
        with Trap():
            result = operation(x.array, number.array)
        return deliver(interpreter, name, result, b, 2)

    def accumulating(interpreter: Interpreter, a: Form, s: Form, b: Form) -> Idx:
        x, number = operands(interpreter, f"{name}acc", a, s)
        check_dimensions(f"{name}acc", number, 0, 1)
        target = output(f"{name}acc", b, x.sizes, 2)
        with Trap():
            store(target.array, convert(target.array, x.kind) + operation(x.array, number.array))
        return target

    plain.__doc__ = f"({name} a s [b]): {doc} the number in s, an idx of no dimension"
    accumulating.__doc__ = f"({name}acc a s b): adds to b {doc} the number in s, an idx of no dimension; returns b"
    word(name)(plain)
    word(f"{name}acc")(accumulating)
    _also_prefixed(name)
    _also_prefixed(f"{name}acc")


_with_number("idx-dotm0", np.multiply, "a times")
_with_number("idx-addm0", np.add, "a plus")


# Products


def _check_fit(name: str, a: Idx, b: Idx, sizes: tuple[int, ...]) -> None:
    if sizes != b.sizes:
        raise CallError(
            f"{name}: arguments have the wrong dimensions: {shown(a.sizes)} and {shown(b.sizes)}",
            1,
            f"the second idx must be {shown(sizes)}",
        )


def _check(name: str, m: Idx, rank: int, kind: str, argument: int) -> None:
    check_dimensions(name, m, rank, argument)
    if kind:
        check_kind(name, m, kind, argument)


def contraction(
    name: str,
    ranks: tuple[int, int],
    contract: Callable[..., np.ndarray],
    doc: str,
    first: bool = False,
    kind: str = "",
) -> None:
    """Add the word `name` that contracts an idx of ranks[0] dimensions with one of ranks[1], and its `...acc`.

    With `first` it sums over the first dimension of a, else over the last ones. `kind` is the type, if it is for one.
    """

    def inputs(interpreter: Interpreter, called: str, a: Form, b: Form) -> tuple[Idx, Idx]:
        x, y = operands(interpreter, called, a, b)
        _check(called, x, ranks[0], kind, 0)
        _check(called, y, ranks[1], kind, 1)
        _check_fit(called, x, y, x.sizes[:1] if first else x.sizes[ranks[0] - ranks[1] :])
        return x, y

    def plain(interpreter: Interpreter, a: Form, b: Form, o: Form = ABSENT) -> Idx:
        x, y = inputs(interpreter, name, a, b)
        with Trap():
            result = contract(x.array, y.array)
        return deliver(interpreter, name, result, o, 2)

    def accumulating(interpreter: Interpreter, a: Form, b: Form, o: Form) -> Idx:
        x, y = inputs(interpreter, f"{name}acc", a, b)
        target = output(f"{name}acc", o, x.sizes[1:] if first else x.sizes[: ranks[0] - ranks[1]], 2)
        with Trap():
            store(target.array, contract(x.array, y.array, convert(target.array, x.kind)))
        return target

    plain.__doc__ = f"({name} a b [o]): {doc}"
    accumulating.__doc__ = f"({name}acc a b o): adds to o {doc}; returns o"
    word(name)(plain)
    word(f"{name}acc")(accumulating)


def expansion(name: str, ranks: tuple[int, int], expand: Binary, doc: str, kind: str = "") -> None:
    """Add the word `name`, the outer product of idx of these numbers of dimensions, and its `...acc`."""

    def inputs(interpreter: Interpreter, called: str, a: Form, b: Form) -> tuple[Idx, Idx]:
        x, y = operands(interpreter, called, a, b)
        _check(called, x, ranks[0], kind, 0)
        _check(called, y, ranks[1], kind, 1)
        interpreter.budget.check_matrix(x.size * y.size, called)
        interpreter.budget.compute(x.size * y.size)
        return x, y

    def plain(interpreter: Interpreter, a: Form, b: Form, o: Form = ABSENT) -> Idx:
        x, y = inputs(interpreter, name, a, b)
        with Trap():
            result = expand(x.array, y.array)
        return deliver(interpreter, name, result, o, 2)

    def accumulating(interpreter: Interpreter, a: Form, b: Form, o: Form) -> Idx:
        x, y = inputs(interpreter, f"{name}acc", a, b)
        target = output(f"{name}acc", o, x.sizes + y.sizes, 2)
        with Trap():
            store(target.array, convert(target.array, x.kind) + expand(x.array, y.array))
        return target

    plain.__doc__ = f"({name} a b [o]): {doc}"
    accumulating.__doc__ = f"({name}acc a b o): adds to o {doc}; returns o"
    word(name)(plain)
    word(f"{name}acc")(accumulating)


contraction("idx-m2dotm1", (2, 1), arithmetic.contract, "the product of a matrix and a vector")
contraction("idx-m4dotm2", (4, 2), arithmetic.contract, "o_ij = sum of a_ijkl b_kl: the convolution of an unfolded a")
expansion("idx-m1extm1", (1, 1), arithmetic.outer, "o_ij = a_i b_j")
expansion("idx-m2extm2", (2, 2), arithmetic.outer, "o_ijkl = a_ij b_kl")


def _matrix_product(name: str, kind: str | None) -> None:
    def compute(interpreter: Interpreter, a: Form, b: Form, c: Form) -> Idx:
        x, y = operands(interpreter, name, a, b)
        for i, m in enumerate((x, y)):
            check_dimensions(name, m, 2, i)
            if kind is not None:
                check_kind(name, m, kind, i)
        if x.sizes[1] != y.sizes[0]:
            _check_fit(name, x, y, (x.sizes[1], y.sizes[1]))
        interpreter.budget.check_matrix(x.size * y.sizes[1], name)
        interpreter.budget.compute(x.size * y.sizes[1])
        with Trap():
            result = arithmetic.matrix_product(x.array, y.array)
        return deliver(interpreter, name, result, c, 2)

    compute.__doc__ = f"({name} a b c): stores the product of the matrices a and b in c; returns c"
    word(name)(compute)


_matrix_product("idx-m2timesm2", None)
_matrix_product("idx-f2timesf2", "float")
_matrix_product("idx-d2timesd2", "double")


@word("midx-m2oversample")
def midx_m2oversample(interpreter: Interpreter, small: Form, ni: Form, nj: Form, big: Form) -> Idx:
    """(midx-m2oversample small ni nj big): sets each block of ni x nj elements of big to the element of small"""
    name = "midx-m2oversample"
    (x,) = operands(interpreter, name, small)
    check_dimensions(name, x, 2, 0)
    rows, columns = whole(name, ni, 1), whole(name, nj, 2)
    if rows < 1 or columns < 1:
        raise CallError(f"{name}: a block of {rows} x {columns} is empty", 1, "write sizes of 1 or more")
    target = output(name, big, (x.sizes[0] * rows, x.sizes[1] * columns), 3)
    store(target.array, np.repeat(np.repeat(x.array, rows, 0), columns, 1))
    return target
