"""Sources of patterns. See docs/reference/gblearn2.md, section 10.

`seek`, `next` and `tell` touch only the source's own number; `fprop` seeks in the source below it.
"""

from __future__ import annotations

import numpy as np

from snsim.language.forms import NIL, Form, symbol
from snsim.language.objects import Object
from snsim.language.procedures import CallError
from snsim.lush.idx import Idx
from snsim.lush.modules.built_in import (
    INTEGERS,
    NUMBER,
    OBJECT,
    WHOLE,
    LushObject,
    Slot,
    built_in_class,
    constructor,
    message,
    shown,
    vector,
)
from snsim.lush.modules.costs import DESIRED
from snsim.lush.modules.roots import FPROP
from snsim.lush.modules.states_and_params import State, state
from snsim.lush.storing import store
from snsim.runtime.random_numbers import RandomGenerator

_F = np.float32
_SIZE, _SEEK = symbol("size"), symbol("seek")


def size_of(asking: LushObject, source: Object) -> int:
    """Return the number of patterns of a source, which another object asks for."""
    size = asking.send(source, _SIZE)
    if type(size) is not float:
        raise CallError(
            f"the size of the source is {shown(size)}, not a number", None, "let its method `size` return a number"
        )
    return int(size)


@built_in_class("dsource")
class Dsource(LushObject):
    """above all sources; a class that inherits from it defines size and fprop"""

    current = Slot(WHOLE, initial=0.0)

    @message("size")
    def size(self) -> float:
        """(==> source size): the number of patterns"""
        raise _abstract(self, "size")

    @message("fprop", OBJECT, DESIRED)
    def fprop(self, out: Object, label: Idx) -> Form:
        """(==> source fprop out label): writes the current pattern and its label"""
        raise _abstract(self, "fprop")

    @message("seek", WHOLE)
    def seek(self, i: int) -> float:
        """(==> source seek i): goes to pattern i, from 0; returns i"""
        size = size_of(self, self)
        if not 0 <= i < size:
            raise CallError(
                f"seek: data source item index out of bound: {i} is not from 0 to {size - 1}",
                0,
                "patterns count from 0",
            )
        self.current = i
        return float(i)

    @message("tell")
    def tell(self) -> int:
        """(==> source tell): the number of the current pattern"""
        return self.current

    @message("next")
    def next(self) -> float:
        """(==> source next): goes to the next pattern, after the last to 0; returns its number"""
        following = self.current + 1
        self.current = following if following < size_of(self, self) else 0
        return float(self.current)


def _abstract(source: LushObject, name: str) -> CallError:
    kind = source.kind.name if source.kind is not None else "source"
    return CallError(
        f"class {kind} does not define {name}", None, f"write (defmethod {kind} {name} ...), or use dsource-idx3fl"
    )


@built_in_class("dsource-idx3l")
class DsourceIdx3l(Dsource):
    """above the sources of idx3 patterns with labels"""


def check_counts(name: str, inputs: Idx, labels: Idx) -> None:
    """CallError if there are fewer labels than inputs."""
    if labels.sizes[0] < inputs.sizes[0]:
        raise CallError(
            f"{name}: {labels.sizes[0]} labels for {inputs.sizes[0]} patterns", 1, "give a label for each pattern"
        )


PATTERN = state(3)


class Stored(DsourceIdx3l):
    """A source whose patterns and labels stand in two matrices."""

    inputs = Slot(vector(4, "float"))
    labels = Slot(vector(1, INTEGERS))

    @message("size")
    def size(self) -> int:
        """(==> source size): the number of patterns"""
        return self.inputs.sizes[0]


@built_in_class("dsource-idx3fl")
class DsourceIdx3fl(Stored):
    """patterns in a float matrix, with labels"""

    @constructor(vector(4, "float"), vector(1, INTEGERS))
    def make(self, inputs: Idx, labels: Idx) -> None:
        """(new dsource-idx3fl inputs labels): inputs: pattern, map, row, column; labels: one for each pattern"""
        check_counts("dsource-idx3fl", inputs, labels)
        self.inputs, self.labels, self.current = inputs, labels, 0

    @message("fprop", PATTERN, DESIRED)
    def fprop(self, out: State, label: Idx) -> Form:
        """(==> source fprop out label): resizes out, and copies the current pattern and its label"""
        number, inputs = self.current, self.inputs.array
        out.fit(inputs.shape[1:])
        out.x.array[...] = inputs[number]
        store(label.array, self.labels.array[number])
        return NIL


@built_in_class("dsource-idx3ul")
class DsourceIdx3ul(Stored):
    """patterns in a matrix of bytes, with labels; a pixel becomes (pixel + bias) coeff"""

    inputs = Slot(vector(4, "ubyte"))
    bias = Slot(NUMBER)
    coeff = Slot(NUMBER)

    @constructor(vector(4, "ubyte"), vector(1, INTEGERS), NUMBER, NUMBER)
    def make(self, inputs: Idx, labels: Idx, bias: float, coeff: float) -> None:
        """(new dsource-idx3ul inputs labels bias coeff): inputs: pattern, map, row, column; out = (u + bias) coeff"""
        check_counts("dsource-idx3ul", inputs, labels)
        self.inputs, self.labels, self.bias, self.coeff, self.current = inputs, labels, bias, coeff, 0

    @message("fprop", PATTERN, DESIRED)
    def fprop(self, out: State, label: Idx) -> Form:
        """(==> source fprop out label): resizes out, and writes the current pattern and its label"""
        number, inputs = self.current, self.inputs.array
        out.fit(inputs.shape[1:])
        out.x.array[...] = (inputs[number].astype(_F) + _F(self.bias)) * _F(self.coeff)
        store(label.array, self.labels.array[number])
        return NIL


@built_in_class("dsource-mnist")
class DsourceMnist(Stored):
    """pictures of bytes in the middle of a frame, with labels"""

    inputs = Slot(vector(3, "ubyte"))
    width = Slot(WHOLE)
    height = Slot(WHOLE)
    bias = Slot(NUMBER)
    coeff = Slot(NUMBER)

    @constructor(vector(3, "ubyte"), vector(1, INTEGERS), WHOLE, WHOLE, NUMBER, NUMBER)
    def make(self, images: Idx, labels: Idx, w: int, h: int, bias: float, coeff: float) -> None:
        """(new dsource-mnist images labels w h bias coeff): images: pattern, row, column, in a frame of h rows"""
        check_counts("dsource-mnist", images, labels)
        _, rows, columns = images.sizes
        for i, (size, inside, name) in enumerate(((w, columns, "width"), (h, rows, "height")), 2):
            if size < inside:
                raise CallError(
                    f"dsource-mnist: the {name} {size} is too small for pictures of {rows} rows and {columns} columns",
                    i,
                    f"write at least {inside}; the width comes before the height",
                )
        self.inputs, self.labels, self.width, self.height = images, labels, w, h
        self.bias, self.coeff, self.current = bias, coeff, 0

    @message("fprop", PATTERN, DESIRED)
    def fprop(self, out: State, label: Idx) -> Form:
        """(==> source fprop out label): out = (pixel + bias) coeff; the pixels of the frame are bias coeff"""
        number, inputs = self.current, self.inputs.array
        bias, coeff = _F(self.bias), _F(self.coeff)
        _, rows, columns = inputs.shape
        height, width = self.height, self.width
        top, left = int(0.5 * (height - rows)), int(0.5 * (width - columns))
        out.fit((1, height, width))
        picture = out.x.array
        picture[...] = bias * coeff
        picture[0, top : top + rows, left : left + columns] = inputs[number]
        picture += bias
        picture *= coeff
        store(label.array, self.labels.array[number])
        return NIL


class Derived(DsourceIdx3l):
    """A source that takes its patterns from another one."""

    def read(self, source: Object, number: int, out: Object, label: Idx) -> None:
        """Seek a pattern in another source, and let it write."""
        self.send(source, _SEEK, float(number))
        self.send(source, FPROP, out, label)


@built_in_class("dsource-idx3l-narrow", slots=("base", "size", "offset"))
class DsourceIdx3lNarrow(Derived):
    """a part of another source"""

    base = Slot(OBJECT)
    length = Slot(WHOLE, "size")
    offset = Slot(WHOLE)

    @constructor(OBJECT, WHOLE, WHOLE)
    def make(self, base: Object, size: int, offset: int) -> None:
        """(new dsource-idx3l-narrow base size offset): `size` patterns of a source, from pattern `offset` on"""
        if size < 1 or offset < 0:
            raise CallError(
                f"offset and size of narrow-db must be positive: {offset} and {size}",
                1 if size < 1 else 2,
                "write (new dsource-idx3l-narrow base size offset)",
            )
        whole = size_of(self, base)
        if offset + size > whole:
            raise CallError(
                f"illegal range for narrow-db: patterns {offset} to {offset + size - 1} of {whole}",
                1,
                f"take at most {whole - offset} patterns from {offset} on"
                if offset < whole
                else f"write an offset below {whole}",
            )
        self.base, self.length, self.offset, self.current = base, size, offset, 0

    @message("size")
    def size(self) -> int:
        """(==> source size): the number of patterns"""
        return self.length

    @message("fprop", OBJECT, DESIRED)
    def fprop(self, out: Object, label: Idx) -> Form:
        """(==> source fprop out label): seeks in the other source, which writes the pattern and its label"""
        self.read(self.base, self.offset + self.current, out, label)
        return NIL


@built_in_class("dsource-idx3l-permute")
class DsourceIdx3lPermute(Derived):
    """another source in another order"""

    base = Slot(OBJECT)
    map = Slot(vector(1, INTEGERS))

    @constructor(OBJECT)
    def make(self, base: Object) -> None:
        """(new dsource-idx3l-permute base): another source, at first in its own order"""
        size = size_of(self, base)
        self.interpreter.budget.make_matrix(size, "new")
        self.base, self.map, self.current = base, Idx.of(np.arange(size, dtype=np.int32)), 0

    @message("size")
    def size(self) -> int:
        """(==> source size): the number of patterns"""
        return self.map.size

    @message("shuffle")
    def shuffle(self) -> Form:
        """(==> source shuffle): draws a new order"""
        order, random = self.map.array, self.interpreter.part(RandomGenerator)
        n = len(order)
        self.interpreter.budget.compute(100 * n)
        for i in range(n - 1):
            j = int(random.rand_range(i, n - 0.01))
            order[i], order[j] = order[j], order[i]
        return NIL

    @message("fprop", OBJECT, DESIRED)
    def fprop(self, out: Object, label: Idx) -> Form:
        """(==> source fprop out label): seeks in the other source, which writes the pattern and its label"""
        self.read(self.base, int(self.map.array[self.current]), out, label)
        return NIL


@built_in_class("dsource-idx3l-concat")
class DsourceIdx3lConcat(Derived):
    """two sources one after the other"""

    a = Slot(OBJECT)
    b = Slot(OBJECT)

    @constructor(OBJECT, OBJECT)
    def make(self, a: Object, b: Object) -> None:
        """(new dsource-idx3l-concat a b): the patterns of a, then those of b"""
        self.a, self.b = a, b

    @message("size")
    def size(self) -> int:
        """(==> source size): the number of patterns"""
        return size_of(self, self.a) + size_of(self, self.b)

    @message("fprop", OBJECT, DESIRED)
    def fprop(self, out: Object, label: Idx) -> Form:
        """(==> source fprop out label): seeks in the source that has the pattern, which writes it and its label"""
        number, first = self.current, size_of(self, self.a)
        if number < first:
            self.read(self.a, number, out, label)
        else:
            self.read(self.b, number - first, out, label)
        return NIL
