"""Make, measure, slice, resize and copy idx from the Lisp (docs/reference/gblearn2.md, section 2)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import whole
from snsim.language.forms import NIL, Form, MatrixValue, make_list
from snsim.language.printer import brief
from snsim.language.procedures import ABSENT, TRUE, CallError
from snsim.lush import idx
from snsim.lush.idx import MOST_DIMENSIONS, Idx, Storage, check_index, contiguous_modulos, shown
from snsim.lush.storing import KINDS, convert, empty_elements, store
from snsim.lush.vocabulary import LUSH, alias, as_idx, kind_name, word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


# Making


def sizes_of(interpreter: Interpreter, name: str, values: list[Form], first: int = 0) -> tuple[int, ...]:
    """Return the sizes of an idx that is being made; `first` is the argument in which they begin."""
    if len(values) > MOST_DIMENSIONS:
        raise CallError(
            f"{name}: an idx has at most {MOST_DIMENSIONS} dimensions, {len(values)} given",
            None,
            f"write {MOST_DIMENSIONS} sizes or fewer",
        )
    sizes = tuple([whole(name, size, first + i) for i, size in enumerate(values)])
    for i, size in enumerate(sizes):
        if size < 1:
            raise CallError(
                f"{name}: a dimension needs at least one element, {size} given", first + i, "write a size of 1 or more"
            )
    interpreter.budget.check_matrix(math.prod(sizes), name)
    return sizes


def _maker(name: str, kind: str, what: str) -> None:
    def make(interpreter: Interpreter, *sizes: Form) -> Idx:
        return Idx.zeros(sizes_of(interpreter, name, list(sizes)), kind)

    make.__doc__ = f"({name} n m...): returns an n x m x ... idx of {what}; without sizes one of no dimension"
    word(name, makes=True)(make)


_CONTENTS = {
    "float": "zeros in single precision",
    "double": "zeros in double precision",
    "int": "zeros, 32-bit whole numbers",
    "short": "zeros, 16-bit whole numbers",
    "byte": "zeros, whole numbers from -128 to 127",
    "ubyte": "zeros, whole numbers from 0 to 255",
    "atom": "any values, () at first",
}
for _kind, _what in _CONTENTS.items():
    _maker(f"{_kind}-matrix", _kind, _what)
    _maker(f"{_kind}-matrix-nc", _kind, _what)
for _name in ("matrix", "matrix-nc"):
    alias(_name, f"double-{_name}")
for _name in ("array", "array-nc"):
    alias(_name, _name.replace("array", "atom-matrix"))


class StorageValue:
    """A storage in the Lisp: the elements on which `new-index` makes idx."""

    def __init__(self, storage: Storage):
        self.storage = storage

    def __str__(self) -> str:
        return f"::STORAGE:<{len(self.storage.data)}>"


def _storage_maker(kind: str) -> None:
    name = f"{kind}-storage"

    def make(interpreter: Interpreter, count: Form) -> StorageValue:
        (size,) = sizes_of(interpreter, name, [count])
        interpreter.budget.make_matrix(size, name)
        return StorageValue(Storage(empty_elements(size, KINDS[kind])))

    make.__doc__ = f"({name} n): returns a storage of n elements, {_CONTENTS[kind]}, for new-index"
    word(name)(make)


for _kind in _CONTENTS:
    _storage_maker(_kind)


@word("new-index")
def new_index(interpreter: Interpreter, storage: Form, sizes: Form) -> Idx:
    """(new-index storage '(n m...)): returns an n x m x ... idx from the start of a storage; a small storage grows"""
    if not isinstance(storage, StorageValue):
        raise CallError(f"new-index: {brief(storage)} is not a storage", 0, "make one with (float-storage n)")
    dimensions = sizes_of(interpreter, "new-index", interpreter.elements(sizes, "new-index"))
    _grow(interpreter, "new-index", storage.storage, math.prod(dimensions))
    return Idx(storage.storage, 0, dimensions, contiguous_modulos(dimensions))


def _grow(interpreter: Interpreter, name: str, storage: Storage, count: int) -> None:
    """Make room in a storage, within the limits."""
    if count > len(storage.data):
        interpreter.budget.make_matrix(count, name)
        storage.grow(count)


# Asking


def _asked_dimension(name: str, m: Idx, n: Form) -> int:
    """Return the number of a dimension; a negative one counts from the end."""
    dimension = whole(name, n, 1)
    if dimension < 0:
        dimension += m.ndim
    idx.check_dimension(name, m, dimension)
    return dimension


def _numbers(values: tuple[int, ...]) -> Form:
    return make_list([float(value) for value in values])


@word("idx-dim")
def idx_dim(interpreter: Interpreter, m: Form, n: Form = ABSENT) -> Form:
    """(idx-dim m): a list of the sizes; (idx-dim m n): the size of dimension n, from 0; -1 is the last"""
    x = as_idx("idx-dim", m)
    return _numbers(x.sizes) if n is ABSENT else float(x.sizes[_asked_dimension("idx-dim", x, n)])


@word("idx-modulo")
def idx_modulo(interpreter: Interpreter, m: Form, n: Form = ABSENT) -> Form:
    """(idx-modulo m): a list of the strides in elements; (idx-modulo m n): that of dimension n, from 0"""
    x = as_idx("idx-modulo", m)
    return _numbers(x.modulos) if n is ABSENT else float(x.modulos[_asked_dimension("idx-modulo", x, n)])


@word("idx-bound")
def idx_bound(interpreter: Interpreter, m: Form, n: Form = ABSENT) -> Form:
    """(idx-bound m): a list of the last indices; (idx-bound m n): that of dimension n, from 0"""
    x = as_idx("idx-bound", m)
    last = tuple([size - 1 for size in x.sizes])
    return _numbers(last) if n is ABSENT else float(last[_asked_dimension("idx-bound", x, n)])


@word("bound")
def bound(interpreter: Interpreter, m: Form, n: Form = ABSENT) -> Form:
    """(bound m): a list of the sizes; (bound m n): the last index of dimension n, which counts from 1"""
    x = as_idx("bound", m)
    if n is ABSENT:
        return _numbers(x.sizes)
    dimension = whole("bound", n, 1)
    if dimension == 0:
        return float(x.ndim)
    idx.check_dimension("bound", x, dimension - 1)
    return float(x.sizes[dimension - 1] - 1)


@word("idx-ndim")
def idx_ndim(interpreter: Interpreter, m: Form) -> float:
    """(idx-ndim m): the number of dimensions"""
    return float(as_idx("idx-ndim", m).ndim)


@word("idx-nelements")
def idx_nelements(interpreter: Interpreter, m: Form) -> float:
    """(idx-nelements m): the number of elements"""
    return float(as_idx("idx-nelements", m).size)


@word("idx-size")
def idx_size(interpreter: Interpreter, m: Form) -> float:
    """(idx-size m): the size of the elements in bytes"""
    x = as_idx("idx-size", m)
    return float(x.size * x.kind.itemsize)


@word("idx-offset")
def idx_offset(interpreter: Interpreter, m: Form) -> float:
    """(idx-offset m): the position of the first element in the storage"""
    return float(as_idx("idx-offset", m).offset)


@word("idx-storage")
def idx_storage(interpreter: Interpreter, m: Form) -> StorageValue:
    """(idx-storage m): the storage that holds the elements"""
    return StorageValue(as_idx("idx-storage", m).storage)


@word("indexp")
def indexp(interpreter: Interpreter, x: Form) -> Form:
    """(indexp x): t if x is an idx, else ()"""
    return TRUE if isinstance(x, (MatrixValue, np.ndarray)) else NIL


@word("matrixp")
def matrixp(interpreter: Interpreter, x: Form) -> Form:
    """(matrixp x): t if x is an idx of numbers, else ()"""
    return TRUE if indexp(interpreter, x) and as_idx("matrixp", x).kind.kind != "O" else NIL


@word("arrayp")
def arrayp(interpreter: Interpreter, x: Form) -> Form:
    """(arrayp x): t if x is an idx of any values, else ()"""
    return TRUE if indexp(interpreter, x) and as_idx("arrayp", x).kind.kind == "O" else NIL


@word("contiguousp")
def contiguousp(interpreter: Interpreter, m: Form) -> Form:
    """(contiguousp m): t if the elements stand one after the other in the storage, in row order, else ()"""
    return TRUE if as_idx("contiguousp", m).is_contiguous else NIL


# Slicing


@word("select")
def select(interpreter: Interpreter, m: Form, d: Form, i: Form) -> Idx:
    """(select m d i): the slice of m at index i of dimension d, on the same elements"""
    return idx.select(as_idx("select", m), whole("select", d, 1), whole("select", i, 2))


@word("narrow")
def narrow(interpreter: Interpreter, m: Form, d: Form, size: Form, offset: Form) -> Idx:
    """(narrow m d size offset): m with dimension d cut to `size` elements from `offset` on, on the same elements"""
    sizes = [whole("narrow", x, i) for i, x in ((1, d), (2, size), (3, offset))]
    return idx.narrow(as_idx("narrow", m), *sizes)


@word("unfold")
def unfold(interpreter: Interpreter, m: Form, d: Form, size: Form, step: Form) -> Idx:
    """(unfold m d size step): windows on dimension d, which counts them; a new last dimension runs inside a window"""
    sizes = [whole("unfold", x, i) for i, x in ((1, d), (2, size), (3, step))]
    return idx.unfold(as_idx("unfold", m), *sizes)


@word("transpose")
def transpose(interpreter: Interpreter, m: Form) -> Idx:
    """(transpose m): the transpose of a matrix, on the same elements; a vector becomes 1 x n"""
    return idx.transpose(as_idx("transpose", m))


@word("idx-transclone")
def idx_transclone(interpreter: Interpreter, m: Form, order: Form) -> Idx:
    """(idx-transclone m '(2 1 0)): m with its dimensions in this order, on the same elements"""
    places = [whole("idx-transclone", x, 1) for x in interpreter.elements(order, "idx-transclone")]
    return idx.permuted(as_idx("idx-transclone", m), places)


@word("diagonal")
def diagonal(interpreter: Interpreter, m: Form, n: Form) -> Idx:
    """(diagonal m n): the diagonal of the last n dimensions, on the same elements"""
    return idx.diagonal(as_idx("diagonal", m), whole("diagonal", n, 1))


@word("redim")
def redim(interpreter: Interpreter, m: Form, *sizes: Form) -> Idx:
    """(redim m n k...): an n x k x ... idx from the start of the storage of m, which grows if it is too small"""
    x = as_idx("redim", m)
    dimensions = sizes_of(interpreter, "redim", list(sizes), 1)
    _grow(interpreter, "redim", x.storage, math.prod(dimensions))
    return idx.redim(x, dimensions)


@word("idx-redim")
def idx_redim(interpreter: Interpreter, m: Form, sizes: Form) -> Form:
    """(idx-redim m '(n k...)): gives m these sizes from its offset on; returns ()"""
    x = as_idx("idx-redim", m)
    dimensions = sizes_of(interpreter, "idx-redim", interpreter.elements(sizes, "idx-redim"))
    _grow(interpreter, "idx-redim", x.storage, x.offset + math.prod(dimensions))
    x.become(idx.redim(x, dimensions, x.offset))
    return NIL


@word("sub-index")
def sub_index(interpreter: Interpreter, m: Form, *indices: Form) -> Idx:
    """(sub-index m i () (a b)...): the part of m at index i, at all indices, from a to b, ... on the same elements"""
    x = as_idx("sub-index", m)
    if len(indices) != x.ndim:
        raise CallError(
            f"sub-index: not enough dimensions: the idx has {x.ndim}, {len(indices)} given",
            None,
            "write a number, () or a list (first last) for each dimension",
        )
    result, dimension = x, 0
    for i, index in enumerate(indices, 1):
        if isinstance(index, float):
            position = whole("sub-index", index, i)
            check_index("sub-index", position, result.sizes[dimension])
            result = idx.select(result, dimension, position)
            continue
        if index is not NIL:
            ends = [whole("sub-index", end, i) for end in interpreter.elements(index, "sub-index")]
            if len(ends) != 2:
                raise CallError("sub-index: a range has a first and a last index", i, "write (first last), or ()")
            result = idx.narrow(result, dimension, ends[1] - ends[0] + 1, ends[0])
        dimension += 1
    return result


@word("idx-clone")
def idx_clone(interpreter: Interpreter, m: Form) -> Idx:
    """(idx-clone m): another idx on the same elements"""
    return idx.clone(as_idx("idx-clone", m))


def _in_place(name: str, plain: str, doc: str) -> None:
    """Add the word `idx-...` that changes its argument as the word `plain` makes a new idx."""
    entry = LUSH.entry(plain)
    assert entry is not None
    slicing = entry.value

    def change(interpreter: Interpreter, m: Form, *arguments: Form) -> Form:
        if not isinstance(m, Idx):
            as_idx(name, m)
            raise CallError(f"{name} changes an idx of Lush, not a matrix of SN", 0, f"write (setq m ({plain} m ...))")
        result = slicing.apply(interpreter, [m, *arguments])
        assert isinstance(result, Idx)
        m.become(result)
        return NIL

    change.__doc__ = doc
    word(name)(change)


_in_place("idx-select", "select", "(idx-select m d i): makes m its own slice at index i of dimension d; returns ()")
_in_place("idx-narrow", "narrow", "(idx-narrow m d size offset): cuts dimension d of m to these elements; returns ()")
_in_place("idx-unfold", "unfold", "(idx-unfold m d size step): makes m the windows on its dimension d; returns ()")
_in_place("idx-transpose", "transpose", "(idx-transpose m): makes m its own transpose; returns ()")
_in_place("idx-trans", "idx-transclone", "(idx-trans m '(2 1 0)): puts the dimensions of m in this order; returns ()")
_in_place("idx-diagonal", "diagonal", "(idx-diagonal m n): makes m the diagonal of its last n dimensions; returns ()")


@word("idx-changedim")
def idx_changedim(interpreter: Interpreter, m: Form, d: Form, n: Form) -> Form:
    """(idx-changedim m d n): gives dimension d of m the size n, on the same elements; returns ()"""
    x = as_idx("idx-changedim", m)
    dimension = _asked_dimension("idx-changedim", x, d)
    (size,) = sizes_of(interpreter, "idx-changedim", [n], 2)
    _change(interpreter, "idx-changedim", x, x.offset, _replaced(x.sizes, dimension, size), x.modulos)
    return NIL


@word("idx-changemod")
def idx_changemod(interpreter: Interpreter, m: Form, d: Form, n: Form) -> Form:
    """(idx-changemod m d n): gives dimension d of m the stride n, in elements; returns ()"""
    x = as_idx("idx-changemod", m)
    dimension = _asked_dimension("idx-changemod", x, d)
    modulo = whole("idx-changemod", n, 2)
    _change(interpreter, "idx-changemod", x, x.offset, x.sizes, _replaced(x.modulos, dimension, modulo))
    return NIL


@word("idx-changeoffset")
def idx_changeoffset(interpreter: Interpreter, m: Form, n: Form) -> Form:
    """(idx-changeoffset m n): lets m begin at element n of its storage; returns ()"""
    x = as_idx("idx-changeoffset", m)
    _change(interpreter, "idx-changeoffset", x, whole("idx-changeoffset", n, 1), x.sizes, x.modulos)
    return NIL


def _replaced(values: tuple[int, ...], place: int, value: int) -> tuple[int, ...]:
    return (*values[:place], value, *values[place + 1 :])


def _change(
    interpreter: Interpreter, name: str, m: Idx, offset: int, sizes: tuple[int, ...], modulos: tuple[int, ...]
) -> None:
    """Give m another window on its storage, which grows if it is too small."""
    steps = [(size - 1) * modulo for size, modulo in zip(sizes, modulos)]
    first, last = offset + sum(min(step, 0) for step in steps), offset + sum(max(step, 0) for step in steps)
    if first < 0:
        raise CallError(
            f"{name}: the idx would begin at element {first} of its storage",
            None,
            "write an offset of 0 or more, and strides that lead to no element before the first",
        )
    interpreter.budget.check_matrix(math.prod(sizes), name)
    _grow(interpreter, name, m.storage, last + 1)
    m.become(Idx(m.storage, offset, sizes, modulos))


@word("idx-undim")
def idx_undim(interpreter: Interpreter, m: Form) -> Form:
    """(idx-undim m): takes the sizes of m away: it becomes one of no dimension on its first element; returns ()"""
    x = as_idx("idx-undim", m)
    x.become(Idx(x.storage, x.offset, (), ()))
    return NIL


# Resizing in place


def _resizer(name: str, dimensions: int) -> None:
    letters = [f"n{k}" for k in range(1, dimensions + 1)]

    def resize(interpreter: Interpreter, m: Form, *sizes: Form) -> Form:
        x = as_idx(name, m)
        if len(sizes) != dimensions:
            raise CallError(
                f"{name}: {dimensions} sizes expected, {len(sizes)} given",
                None,
                f"write ({' '.join([name, 'm', *letters])})",
            )
        new = sizes_of(interpreter, name, list(sizes), 1)
        _grow(interpreter, name, x.storage, x.offset + math.prod(new))
        x.resize(new)
        return x

    resize.__doc__ = (
        f"({' '.join([name, 'm', *letters])}): gives m these sizes; the elements stay in flat order, new ones are 0"
    )
    word(name)(resize)


for _n in range(1, 5):
    for _prefix in ("idx-m", "midx-m", *(f"idx-{letter}" for letter in "fdisbu")):
        _resizer(f"{_prefix}{_n}resize", _n)


# Copying


@word("idx-copy", makes=True)
def idx_copy(interpreter: Interpreter, a: Form, b: Form = ABSENT) -> Idx:
    """(idx-copy a [b]): a copy of a; with b, copies the elements of a into b, of the same sizes, and returns b"""
    source = as_idx("idx-copy", a)
    interpreter.budget.check_matrix(source.size, "idx-copy")
    interpreter.budget.compute(source.size)
    if b is ABSENT:
        return idx.copy(source)
    target = as_idx("idx-copy", b, 1)
    _check_convertible("idx-copy", source, target)
    return idx.copy_into(source, target)


for _prefix in ("m0", "m1", "m2", "m3", "m4", "ma"):
    alias(f"idx-{_prefix}copy", "idx-copy")


@word("copy-matrix", makes=True)
def copy_matrix(interpreter: Interpreter, a: Form, b: Form = ABSENT) -> Idx:
    """(copy-matrix a [b]): a copy of a; with b, copies the elements of a into b in row order, and returns b"""
    source = as_idx("copy-matrix", a)
    interpreter.budget.check_matrix(source.size, "copy-matrix")
    interpreter.budget.compute(source.size)
    if b is ABSENT:
        return idx.copy(source)
    target = as_idx("copy-matrix", b, 1)
    _check_convertible("copy-matrix", source, target)
    if source.size != target.size:
        raise CallError(
            f"copy-matrix: matrices have different number of elements: {shown(source.sizes)} and {shown(target.sizes)}",
            1,
            "leave the second matrix out, or make it larger",
        )
    store(target.array, np.array(source.array).reshape(target.sizes))
    return target


def _check_convertible(name: str, source: Idx, target: Idx) -> None:
    """CallError if elements that are no numbers would become numbers."""
    if source.kind.kind == "O" and target.kind.kind != "O":
        for x in source.array.reshape(-1).tolist():
            if not isinstance(x, float):
                raise CallError(
                    f"{name}: {brief(x)} is not a number, as an element of type {kind_name(target)} is",
                    0,
                    "put a number in its place first",
                )


def copied(m: Idx, kind: str) -> Idx:
    """Return a copy of m whose elements have a type, one of KINDS."""
    return Idx.of(np.array(convert(m.array, KINDS[kind]), order="C"))
