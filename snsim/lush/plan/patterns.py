"""Read many patterns of a known source at once. See docs/reference/gblearn2.md, section 10."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from snsim.language.forms import symbol
from snsim.language.objects import Object
from snsim.lush.arithmetic import Floats
from snsim.lush.modules.roots import FPROP
from snsim.lush.modules.sources import (
    DsourceIdx3fl,
    DsourceIdx3lConcat,
    DsourceIdx3lNarrow,
    DsourceIdx3lPermute,
    DsourceIdx3ul,
    DsourceMnist,
    Stored,
)
from snsim.lush.plan.chain import Sizes, built_in, refuse

_F = np.float32
_SIZE, _SEEK, _NEXT = symbol("size"), symbol("seek"), symbol("next")
_CURRENT = symbol("current")
_MOST_DEPTH = 20  # of sources on top of one another
Read = Callable[[np.ndarray], np.ndarray]  # of the numbers of some patterns


@dataclass(frozen=True)
class Reader:
    """What a source holds.

    Attributes
    ----------
    size : int
        The number of patterns.
    sizes : tuple
        Maps, rows and columns of each.
    stored : list
        The matrices that the patterns are read from.
    inputs : function
        Return the numbers of some patterns, shape (pattern, number), as `fprop` writes them.
    labels : function
        Return the labels of some patterns.
    settle : function
        Leave the sources below at the position where they are after `fprop` of these patterns, one after the other.
    """

    size: int
    sizes: Sizes
    stored: list[np.ndarray]
    inputs: Read
    labels: Read
    settle: Callable[[np.ndarray], None]


def reader_of(source: Object, depth: int = 0) -> Reader:
    """Return what a source holds; refuse one that a program has written, or that would raise an error."""
    built_in(source, _SIZE, _SEEK, _NEXT, FPROP)
    if depth > _MOST_DEPTH:
        raise refuse("too many sources on top of one another")
    if isinstance(source, Stored):
        return _stored(source)
    if isinstance(source, DsourceIdx3lNarrow):
        offset = source.offset
        return _derived(source.base, source.length, lambda numbers: offset + numbers, depth)
    if isinstance(source, DsourceIdx3lPermute):
        order = source.map.array.astype(np.int64)
        return _derived(source.base, len(order), lambda numbers: order[numbers], depth)
    if isinstance(source, DsourceIdx3lConcat):
        return _joined(reader_of(source.a, depth + 1), reader_of(source.b, depth + 1), source)
    raise refuse("a source without a reader")


def _stored(source: Stored) -> Reader:
    inputs, labels = source.inputs.array, source.labels.array
    if len(labels) < len(inputs):
        raise refuse("fewer labels than patterns")
    if isinstance(source, (DsourceMnist, DsourceIdx3ul)) and not abs(source.bias) + abs(source.coeff) < 1e10:
        raise refuse("large pixels")
    if isinstance(source, DsourceMnist):
        read, sizes = _framed(source)
    elif isinstance(source, DsourceIdx3ul):
        bias, coeff = _F(source.bias), _F(source.coeff)
        sizes = inputs.shape[1:]

        def read(numbers: np.ndarray) -> Floats:
            return np.asarray((inputs[numbers].astype(_F) + bias) * coeff)

    elif isinstance(source, DsourceIdx3fl):
        sizes = inputs.shape[1:]

        def read(numbers: np.ndarray) -> Floats:
            return np.asarray(inputs[numbers])

    else:
        raise refuse("a source without a reader")
    count = math.prod(sizes)
    return Reader(
        len(inputs),
        sizes,
        [inputs, labels],
        lambda numbers: read(numbers).reshape(-1, count),
        lambda numbers: labels[numbers],
        lambda numbers: None,
    )


def _framed(source: DsourceMnist) -> tuple[Read, Sizes]:
    inputs, bias, coeff = source.inputs.array, _F(source.bias), _F(source.coeff)
    (_, rows, columns), height, width = inputs.shape, source.height, source.width
    top, left = int(0.5 * (height - rows)), int(0.5 * (width - columns))
    if top < 0 or left < 0:
        raise refuse("pictures larger than their frame")

    def read(numbers: np.ndarray) -> Floats:
        pictures = np.full((len(numbers), height, width), bias * coeff, _F)
        pictures[:, top : top + rows, left : left + columns] = inputs[numbers]
        pictures += bias
        pictures *= coeff
        return pictures

    return read, (1, height, width)


def _derived(base: Object, size: int, below: Read, depth: int) -> Reader:
    """Return the reader of a source whose pattern n is pattern below(n) of another one."""
    reader = reader_of(base, depth + 1)
    numbers = below(np.arange(size))
    if size < 1 or int(numbers.min()) < 0 or int(numbers.max()) >= reader.size:
        raise refuse("a pattern that the other source does not have")

    def settle(numbers: np.ndarray) -> None:
        inside = below(numbers)
        _put(base, inside)
        reader.settle(inside)

    return Reader(
        size,
        reader.sizes,
        reader.stored,
        lambda numbers: reader.inputs(below(numbers)),
        lambda numbers: reader.labels(below(numbers)),
        settle,
    )


def _joined(a: Reader, b: Reader, source: DsourceIdx3lConcat) -> Reader:
    if a.sizes != b.sizes:
        raise refuse("patterns of two sizes")

    def choose(numbers: np.ndarray, from_a: Read, from_b: Read) -> np.ndarray:
        first = numbers < a.size
        if first.all():
            return from_a(numbers)
        if not first.any():
            return from_b(numbers - a.size)
        parts = from_a(numbers[first]), from_b(numbers[~first] - a.size)
        whole = np.empty((len(numbers), *parts[0].shape[1:]), np.result_type(*parts))
        whole[first], whole[~first] = parts
        return whole

    def settle(numbers: np.ndarray) -> None:
        first = numbers < a.size
        for part, reader, inside in ((source.a, a, numbers[first]), (source.b, b, numbers[~first] - a.size)):
            _put(part, inside)
            reader.settle(inside)

    return Reader(
        a.size + b.size,
        a.sizes,
        [*a.stored, *b.stored],
        lambda numbers: choose(numbers, a.inputs, b.inputs),
        lambda numbers: choose(numbers, a.labels, b.labels),
        settle,
    )


def _put(source: Object, numbers: np.ndarray) -> None:
    """Leave a source at the last of these patterns."""
    if len(numbers):
        source.set(_CURRENT, float(numbers[-1]))
