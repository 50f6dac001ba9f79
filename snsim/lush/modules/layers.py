"""Layers with parameters: f-layer, c-layer, s-layer, e-layer, and the logadd-layer.

See docs/reference/gblearn2.md, sections 5 and 7. States have three dimensions: feature map, row, column. All sums are
float32 sums in the order that the docstrings give.
"""

from __future__ import annotations

import numpy as np

from snsim.language.forms import NIL, Form
from snsim.language.objects import Object
from snsim.language.procedures import CallError
from snsim.lush.arithmetic import Floats, ordered_sum
from snsim.lush.idx import Idx
from snsim.lush.idx import shown as shown_sizes
from snsim.lush.modules.built_in import INTEGERS, NUMBER, WHOLE, Slot, built_in_class, constructor, message, vector
from snsim.lush.modules.convolution import (
    Group,
    Scratch,
    add_kernel_gradient,
    added_over_places,
    grouped,
    spread_sums,
    window_sums,
)
from snsim.lush.modules.roots import BBPROP, BPROP, FPROP, MODULE, GbModule, Idx3Module, WithParameters, check_shape
from snsim.lush.modules.states_and_params import PARAM, STATES, Param, State, allocate, state
from snsim.runtime.random_numbers import RandomGenerator

_F = np.float32


def fan_in_range(v: float, fan_in: float, p: float) -> np.float32:
    """Return v / fan-in^(1/p): v, p and 1/p in float, the power in double and rounded, the division in float."""
    if fan_in <= 0 or p == 0:
        raise CallError(
            f"forget: there is no range for p = {p:g}", 1, "write 2 for p: the range is then v / sqrt(fan-in)"
        )
    return _F(_F(v) / _F(fan_in ** float(_F(1.0 / float(_F(p))))))


class Layer(WithParameters, Idx3Module):
    """What layers share: a weighted sum, and a module that squashes it."""

    sum = Slot(state(3, 2))
    squash = Slot(MODULE)

    def begin(self, thickness: int, si: int, sj: int, squash: Object) -> None:
        """Set the slots sum and squash."""
        self.sum = self.new(STATES[3, 2], float(thickness), float(max(si, 1)), float(max(sj, 1)))
        self.squash = squash

    def squash_out(self, sums: State, out: State) -> None:
        self.send(self.squash, FPROP, sums, out)

    def unsquash(self, out: State, sizes: tuple[int, ...]) -> Floats:
        """Return the gradient of the sum; CallError if it has other sizes than these."""
        sums = self.sum
        check_sizes_of_sum(sums.x.sizes, sizes)
        self.send(self.squash, BPROP, sums, out)
        return sums.dx.array

    def unsquash_curvature(self, out: State, sizes: tuple[int, ...]) -> Floats:
        """Return the second derivative of the sum; CallError if it has other sizes than these."""
        sums = self.sum
        check_sizes_of_sum(sums.x.sizes, sizes)
        self.send(self.squash, BBPROP, sums, out)
        return sums.ddx.array

    def draw(self, count: int) -> np.ndarray:
        """Return `count` uniform random numbers from 0 to 1, in double precision."""
        self.interpreter.budget.compute(50 * count)
        return self.interpreter.part(RandomGenerator).rands(count)

    @message("set-squash", MODULE)
    def set_squash(self, squash: Object) -> Form:
        """(==> layer set-squash module): replaces the module that squashes the sums"""
        self.squash = squash
        return NIL


def check_sizes_of_sum(sizes: tuple[int, ...], needed: tuple[int, ...]) -> None:
    """CallError if the sums of the last fprop were those of an input of another size."""
    if sizes != needed:
        raise CallError(
            f"the sums of the last fprop have the sizes {shown_sizes(sizes)}; this input gives {shown_sizes(needed)}",
            None,
            "send fprop first, with the same input",
        )


def check_maps(layer: str, source: State, maps: int) -> None:
    """CallError if the input has another number of maps."""
    if source.x.sizes[0] != maps:
        raise CallError(
            f"{layer}: arguments have the wrong dimensions: the input has {source.x.sizes[0]} maps, the layer takes "
            f"{maps}",
            0,
            f"give an input of {maps} maps, or make the layer for {source.x.sizes[0]}",
        )


@built_in_class("f-layer", slots=("weight", "bias", "sum", "squash"))
class FLayer(Layer):
    """full connections over the maps, with the same weights at all places"""

    weight = Slot(state(2))
    bias = Slot(state(1))

    @constructor(WHOLE, WHOLE, WHOLE, WHOLE, MODULE, PARAM)
    def make(self, tin: int, tout: int, si: int, sj: int, squash: Object, param: Param) -> None:
        """(new f-layer tin tout si sj squash param): tin maps to tout maps; weight and bias are allocated from param"""
        check_sizes("f-layer", tin=tin, tout=tout)
        self.weight = allocate(self, param, tout, tin)
        self.bias = allocate(self, param, tout)
        self.begin(tout, si, sj, squash)

    @message("forget", NUMBER, NUMBER)
    def forget(self, v: float, p: float) -> Form:
        """(==> layer forget v p): draws the weights from -r to r with r = v / fan-in^(1/p), and sets the biases to 0

        In double precision: 2 r times the draw, minus r.
        """
        weight = self.weight.x.array
        r = float(fan_in_range(v, float(weight.shape[1]), p))
        weight[...] = (r * 2 * self.draw(weight.size) - r).reshape(weight.shape)
        self.bias.x.array[...] = 0
        return NIL

    @message("fprop", state(3), state(3))
    def fprop(self, source: State, out: State) -> Form:
        """(==> layer fprop in out): out = squash(weight in + bias), inputs ascending, then the bias"""
        weight, x, state_of_sums = self.weight.x.array, source.x.array, self.sum
        check_maps("f-layer", source, weight.shape[1])
        state_of_sums.fit((len(weight), *x.shape[1:]))
        self.count(weight.size * x[0].size)
        terms = np.multiply(weight.T[:, :, None], x.reshape(len(x), 1, -1), order="C")
        sums = ordered_sum(terms) + self.bias.x.array[:, None]
        state_of_sums.x.array[...] = sums.reshape(-1, *x.shape[1:])
        self.squash_out(state_of_sums, out)
        return NIL

    @message("bprop", state(3, 1), state(3, 1))
    def bprop(self, source: State, out: State) -> Form:
        """(==> layer bprop in out): sets in:dx, adds to the gradients of weight and bias"""
        check_maps("f-layer", source, self.weight.x.sizes[1])
        check_shape("bprop", source.dx, source.x)
        weight, x = self.weight.x.array, source.x.array
        errors = self.unsquash(out, (len(weight), *x.shape[1:]))
        self._add("dx", errors, x, False)
        terms = weight[:, :, None] * errors.reshape(len(errors), 1, -1)
        source.dx.array[...] = ordered_sum(terms).reshape(x.shape)
        return NIL

    @message("bbprop", state(3, 2), state(3, 2))
    def bbprop(self, source: State, out: State) -> Form:
        """(==> layer bbprop in out): sets in:ddx, adds to the second derivatives of weight and bias"""
        check_maps("f-layer", source, self.weight.x.sizes[1])
        check_shape("bbprop", source.ddx, source.x)
        weight, x = self.weight.x.array, source.x.array
        errors = self.unsquash_curvature(out, (len(weight), *x.shape[1:]))
        self._add("ddx", errors, x, True)
        terms = (weight * weight)[:, :, None] * errors.reshape(len(errors), 1, -1)
        source.ddx.array[...] = ordered_sum(terms).reshape(x.shape)
        return NIL

    def _add(self, level: str, errors: Floats, x: Floats, squared: bool) -> None:
        """Add errors * x, or (errors * x) * x, to the weights, the last dimension outermost; errors to the biases."""
        bias: Floats = getattr(self.bias, level).array
        weight: Floats = getattr(self.weight, level).array
        bias[...] = added_over_places(bias, errors)
        inputs, outputs = by_place(x), by_place(errors)
        self.count(weight.size * len(inputs))
        terms = outputs[:, :, None] * inputs[:, None, :]
        if squared:
            terms *= inputs[:, None, :]
        weight[...] = weight + terms[0] if len(terms) == 1 else ordered_sum(terms, weight)


def by_place(x: Floats) -> Floats:
    """Return the maps at each place, shape (place, map), the last dimension of x outermost."""
    return x.transpose(2, 1, 0).reshape(-1, len(x))


def check_sizes(layer: str, **sizes: int) -> None:
    """CallError if a size is below 1."""
    for i, (name, size) in enumerate(sizes.items()):
        if size < 1:
            raise CallError(f"{layer}: {name} is {size}, not above 0", i, "write a number from 1 on")


@built_in_class("c-layer", slots=("thickness", "stridei", "stridej", "table", "kernel", "bias", "sum", "squash"))
class CLayer(Layer):
    """a convolution: each row of a table joins an input map to an output map by a kernel of its own"""

    thickness = Slot(WHOLE)
    stridei = Slot(WHOLE)
    stridej = Slot(WHOLE)
    table = Slot(vector(2, INTEGERS))
    kernel = Slot(state(3))
    bias = Slot(state(1))
    read_table: tuple[bytes, int] = (b"", 0)
    forward: list[Group]
    backward: list[Group]
    highest: int  # input map in the table

    @constructor(WHOLE, WHOLE, WHOLE, WHOLE, vector(2, INTEGERS), WHOLE, WHOLE, WHOLE, MODULE, PARAM)
    def make(
        self,
        ki: int,
        kj: int,
        ri: int,
        rj: int,
        table: Idx,
        thick: int,
        si: int,
        sj: int,
        squash: Object,
        param: Param,
    ) -> None:
        """(new c-layer ki kj ri rj table thick si sj squash param): kernels of ki x kj every ri x rj, to `thick` maps

        Each row of the table, (from to), has a kernel; kernels and biases are allocated from param.
        """
        check_sizes("c-layer", ki=ki, kj=kj, ri=ri, rj=rj)
        check_sizes("c-layer", thick=thick)
        check_table("c-layer", table, thick, 4)
        self.thickness, self.stridei, self.stridej, self.table = thick, ri, rj, table
        self.kernel = allocate(self, param, table.sizes[0], ki, kj)
        self.bias = allocate(self, param, thick)
        self.begin(thick, si, sj, squash)

    @message("set-stride", WHOLE, WHOLE)
    def set_stride(self, i: int, j: int) -> Form:
        """(==> layer set-stride ri rj): sets the step of the windows"""
        check_sizes("set-stride", ri=i, rj=j)
        self.stridei, self.stridej = i, j
        return NIL

    def rows(self) -> np.ndarray:
        """Return the table; group its rows if they have changed."""
        table = self.table.array
        now = (table.tobytes(), table.itemsize)
        if now != self.read_table:
            check_table("c-layer", self.table, self.thickness, None)
            self.forward, self.backward = grouped(table[:, 0], table[:, 1]), grouped(table[:, 1], table[:, 0])
            self.highest = int(table[:, 0].max())
            if len(table) != self.kernel.x.sizes[0]:
                raise CallError(
                    f"c-layer: the table has {len(table)} rows, and there are {self.kernel.x.sizes[0]} kernels",
                    None,
                    "make a new layer for another table",
                )
            self.read_table = now
        return table

    @property
    def step(self) -> tuple[int, int]:
        return self.stridei, self.stridej

    @property
    def scratch(self) -> Scratch:
        return self.interpreter.part(Scratch)

    @message("forget", NUMBER, NUMBER)
    def forget(self, v: float, p: float) -> Form:
        """(==> layer forget v p): draws the kernels from -r to r with r = v / fan-in^(1/p), and sets the biases to 0

        The fan-in of an output map is the size of its kernels times the number of its rows in the table.
        """
        kernel, table = self.kernel.x.array, self.rows()
        size = kernel[0].size
        rows = np.bincount(table[:, 1])
        ranges = {int(n): float(fan_in_range(v, float(size * n), p)) for n in set(rows.tolist()) if n}
        r = np.repeat([ranges[int(rows[end])] for end in table[:, 1]], size)
        kernel[...] = ((r + r) * self.draw(kernel.size) - r).reshape(kernel.shape)
        self.bias.x.array[...] = 0
        return NIL

    @message("fprop", state(3), state(3))
    def fprop(self, source: State, out: State) -> Form:
        """(==> layer fprop in out): out = squash(sums over the windows + bias)

        Each sum: rows of the table in order, kernel rows, kernel columns, then the bias.
        """
        self.rows()
        kernel, x, step, state_of_sums = self.kernel.x.array, source.x.array, self.step, self.sum
        sizes = self._output_sizes(x.shape, kernel.shape, step)
        state_of_sums.fit(sizes)
        self.count(kernel.size * sizes[1] * sizes[2])
        sums = state_of_sums.x.array
        window_sums(self.scratch, x, kernel, self.forward, step, sums)
        sums += self.bias.x.array[:, None, None]
        self.squash_out(state_of_sums, out)
        return NIL

    @message("bprop", state(3, 1), state(3, 1))
    def bprop(self, source: State, out: State) -> Form:
        """(==> layer bprop in out): sets in:dx, adds to the gradients of kernel and bias"""
        table, kernel, step, scratch = self.rows(), self.kernel, self.step, self.scratch
        check_shape("bprop", source.dx, source.x)
        sizes = self._output_sizes(source.x.sizes, kernel.x.sizes, step)
        errors, bias = self.unsquash(out, sizes), self.bias.dx.array
        self.count(2 * kernel.x.size * errors[0].size)
        bias[...] = added_over_places(bias, errors)
        add_kernel_gradient(scratch, source.x.array, errors, table, step, kernel.dx.array)
        spread_sums(scratch, errors, kernel.x.array, self.backward, step, source.dx.array)
        return NIL

    @message("bbprop", state(3, 2), state(3, 2))
    def bbprop(self, source: State, out: State) -> Form:
        """(==> layer bbprop in out): sets in:ddx, adds to the second derivatives of kernel and bias"""
        table, kernel, step, scratch = self.rows(), self.kernel, self.step, self.scratch
        check_shape("bbprop", source.ddx, source.x)
        sizes = self._output_sizes(source.x.sizes, kernel.x.sizes, step)
        errors, bias, x = self.unsquash_curvature(out, sizes), self.bias.ddx.array, source.x.array
        self.count(2 * kernel.x.size * errors[0].size)
        bias[...] = added_over_places(bias, errors)
        add_kernel_gradient(scratch, x * x, errors, table, step, kernel.ddx.array)
        spread_sums(scratch, errors, kernel.x.array, self.backward, step, source.ddx.array, squared=True)
        return NIL

    def _output_sizes(
        self, input_sizes: tuple[int, ...], kernel_sizes: tuple[int, ...], step: tuple[int, int]
    ) -> tuple[int, int, int]:
        """Return the sizes of the sums for an input of these sizes; CallError if it does not fit."""
        (maps, h, w), (_, ki, kj), (ri, rj) = input_sizes, kernel_sizes, step
        if maps <= self.highest or h < ki or w < kj or (h - ki) % ri or (w - kj) % rj:
            self._refuse_input(maps, (h, w), (ki, kj), step)
        return self.thickness, (h - ki) // ri + 1, (w - kj) // rj + 1

    def _refuse_input(
        self, maps: int, sizes: tuple[int, int], kernels: tuple[int, int], steps: tuple[int, int]
    ) -> None:
        highest = self.highest
        if highest >= maps:
            raise CallError(
                f"c-layer: specified subscript is too large: the table names input map {highest}, and the input has "
                f"{maps} maps",
                0,
                f"give an input of at least {highest + 1} maps",
            )
        for size, kernel, step, name in zip(sizes, kernels, steps, ("rows", "columns")):
            if size < kernel:
                raise CallError(
                    f"c-layer: Index dimension does not match size and step: the input has {size} {name}, the kernel "
                    f"{kernel}",
                    0,
                    f"give an input of at least {kernel} {name}",
                )
            if (size - kernel) % step:
                raise CallError(
                    f"c-layer: inconsistent input size, kernel size, and subsampling ratio: {size} {name}, kernel "
                    f"{kernel}, step {step}",
                    0,
                    f"give an input of {size - (size - kernel) % step} {name}: its size minus {kernel} must be a "
                    f"multiple of {step}",
                )


def check_table(layer: str, table: Idx, thickness: int, argument: int | None) -> None:
    """CallError if a table is not one of rows (from, to) with targets below the thickness."""
    if table.sizes[1] != 2:
        raise CallError(
            f"{layer}: a table has 2 columns, from and to, not {table.sizes[1]}", argument, "write [i [0 0] [0 1]]"
        )
    if int(table.array.min()) < 0 or int(table.array[:, 1].max()) >= thickness:
        raise CallError(
            f"{layer}: specified subscript is too large: the table names map {int(table.array[:, 1].max())} of "
            f"{thickness}"
            if int(table.array.min()) >= 0
            else f"{layer}: the table names map {int(table.array.min())}",
            argument,
            f"maps count from 0: name output maps 0 to {thickness - 1}",
        )


@built_in_class("s-layer", slots=("stridei", "stridej", "coeff", "bias", "sub", "sum", "squash"))
class SLayer(Layer):
    """subsampling: the sum over each block, times one coefficient for each map"""

    stridei = Slot(WHOLE)
    stridej = Slot(WHOLE)
    coeff = Slot(state(1))
    bias = Slot(state(1))
    sub = Slot(state(3, 2))

    @constructor(WHOLE, WHOLE, WHOLE, WHOLE, WHOLE, MODULE, PARAM)
    def make(self, ki: int, kj: int, thick: int, si: int, sj: int, squash: Object, param: Param) -> None:
        """(new s-layer ki kj thick si sj squash param): blocks of ki x kj of `thick` maps

        Coefficients and biases are allocated from param.
        """
        check_sizes("s-layer", ki=ki, kj=kj, thick=thick)
        self.stridei, self.stridej = ki, kj
        self.coeff = allocate(self, param, thick)
        self.bias = allocate(self, param, thick)
        self.sub = self.new(STATES[3, 2], float(thick), float(max(si, 1)), float(max(sj, 1)))
        self.begin(thick, si, sj, squash)

    @message("set-stride", WHOLE, WHOLE)
    def set_stride(self, i: int, j: int) -> Form:
        """(==> layer set-stride ki kj): sets the size of the blocks"""
        check_sizes("set-stride", ki=i, kj=j)
        self.stridei, self.stridej = i, j
        return NIL

    @message("forget", NUMBER, NUMBER)
    def forget(self, v: float, p: float) -> Form:
        """(==> layer forget v p): sets the coefficients to v / block size^(1/p), the biases to 0; draws nothing"""
        self.coeff.x.array[...] = fan_in_range(v, float(self.stridei * self.stridej), p)
        self.bias.x.array[...] = 0
        return NIL

    @message("fprop", state(3), state(3))
    def fprop(self, source: State, out: State) -> Form:
        """(==> layer fprop in out): out = squash(coeff * block sum + bias), blocks row after row"""
        x, coeff = source.x.array, self.coeff.x.array
        sub, state_of_sums = self.sub, self.sum
        _, ki, kj = self._block(source, len(coeff))
        self.count(x.size)
        sums = x[:, ::ki, ::kj].copy()
        for i in range(ki):
            for j in range(kj):
                if i or j:
                    sums += x[:, i::ki, j::kj]
        sub.fit(sums.shape)
        state_of_sums.fit(sums.shape)
        sub.x.array[...] = sums
        sums *= coeff[:, None, None]
        np.add(sums, self.bias.x.array[:, None, None], out=state_of_sums.x.array)
        self.squash_out(state_of_sums, out)
        return NIL

    @message("bprop", state(3, 1), state(3, 1))
    def bprop(self, source: State, out: State) -> Form:
        """(==> layer bprop in out): sets in:dx, adds to the gradients of coeff and bias"""
        sub, coeff = self.sub.x.array, self.coeff.x.array
        sizes, *_ = self._block(source, len(coeff))
        check_shape("bprop", source.dx, source.x)
        errors = self.unsquash(out, sizes)
        self._add("dx", errors, sub * errors)
        self._spread(self.sub.dx, errors * coeff[:, None, None], source.dx)
        return NIL

    @message("bbprop", state(3, 2), state(3, 2))
    def bbprop(self, source: State, out: State) -> Form:
        """(==> layer bbprop in out): sets in:ddx, adds to the second derivatives of coeff and bias"""
        sub, coeff = self.sub.x.array, self.coeff.x.array
        sizes, *_ = self._block(source, len(coeff))
        check_shape("bbprop", source.ddx, source.x)
        errors = self.unsquash_curvature(out, sizes)
        self._add("ddx", errors, (sub * sub) * errors)
        self._spread(self.sub.ddx, errors * (coeff * coeff)[:, None, None], source.ddx)
        return NIL

    def _add(self, level: str, errors: Floats, products: Floats) -> None:
        bias: Floats = getattr(self.bias, level).array
        coeff: Floats = getattr(self.coeff, level).array
        bias[...] = added_over_places(bias, errors)
        coeff[...] = added_over_places(coeff, products)

    def _spread(self, sub: Idx, values: Floats, source: Idx) -> None:
        """Copy the value of each block to all its elements."""
        sub.array[...] = values
        maps, rows, columns = values.shape
        blocks = source.array.reshape(maps, rows, self.stridei, columns, self.stridej)
        if np.shares_memory(blocks, source.array):
            blocks[...] = values[:, :, None, :, None]
        else:  # a window whose elements do not stand one after the other
            source.array[...] = values.repeat(self.stridei, axis=1).repeat(self.stridej, axis=2)

    def _block(self, source: State, thickness: int) -> tuple[tuple[int, ...], int, int]:
        """Return the sizes of the sums, and those of a block; CallError if the input does not fit."""
        (maps, *sizes), block = source.x.sizes, (self.stridei, self.stridej)
        if maps != thickness:
            raise CallError(
                f"s-layer: looping dimensions are different: the input has {maps} maps, the layer {thickness}",
                0,
                f"give an input of {thickness} maps, or make the layer for {maps}",
            )
        for size, step, name in zip(sizes, block, ("rows", "columns")):
            if size % step:
                raise CallError(
                    f"s-layer: inconsistent input size and subsampling ratio: {size} {name} in blocks of {step}",
                    0,
                    f"give an input whose {name} are a multiple of {step}",
                )
        return (maps, sizes[0] // block[0], sizes[1] // block[1]), *block


@built_in_class("e-layer")
class ELayer(WithParameters, Idx3Module):
    """half the squared distance of the input from a vector for each unit, at every place"""

    weight = Slot(state(2))

    @constructor(WHOLE, WHOLE, PARAM)
    def make(self, tin: int, tout: int, param: Param) -> None:
        """(new e-layer tin tout param): tin maps to tout distances; the weights are allocated from param"""
        check_sizes("e-layer", tin=tin, tout=tout)
        self.weight = allocate(self, param, tout, tin)

    def pieces(self, x: Floats) -> Floats:
        """Return the inputs that each unit sees, shape (unit or 1, input, place): by the last dimension outermost."""
        inputs, units = x.shape[0], self.weight.x.sizes
        if inputs != units[1]:
            raise CallError(
                f"e-layer: matrix must have same dimensions: the input has {inputs} maps, the layer takes {units[1]}",
                0,
                f"give an input of {units[1]} maps",
            )
        return by_place(x).T[None]

    def gathered(self, terms: Floats, x: Floats) -> Floats:
        """Return in:dx, of the shape of x, from the terms of each unit (unit, input, place): units ascending."""
        return from_places(ordered_sum(terms), x)

    @message("forget", NUMBER, NUMBER)
    def forget(self, v: float, p: float) -> Form:
        """(==> layer forget v p): draws the weights from -v to v; p has no effect"""
        weight = self.weight.x.array
        self.interpreter.budget.compute(50 * weight.size)
        drawn = self.interpreter.part(RandomGenerator).rands(weight.size).astype(_F)
        weight[...] = (_F(v) * _F(2) * drawn - _F(v)).reshape(weight.shape)
        return NIL

    @message("fprop", state(3), state(3))
    def fprop(self, source: State, out: State) -> Form:
        """(==> layer fprop in out): out_i = half the sum of (in_j - weight_ij) squared, inputs ascending"""
        x, weight = source.x.array, self.weight.x.array
        difference = self.pieces(x) - weight[:, :, None]
        self.count(difference.size)
        sums = ordered_sum((difference * difference).transpose(1, 0, 2))
        out.fit((len(weight), *x.shape[1:]))
        out.x.array[...] = from_places(sums * _F(0.5), x)
        return NIL

    @message("bprop", state(3, 1), state(3, 1))
    def bprop(self, source: State, out: State) -> Form:
        """(==> layer bprop in out): sets in:dx, adds to the gradient of weight

        Places with the last dimension outermost, units ascending; a unit whose out:dx is 0 is skipped.
        """
        x, weight = source.x.array, self.weight.x.array
        check_shape("bprop", source.dx, source.x)
        pieces = self.pieces(x)
        check_maps("e-layer", out, len(weight))
        check_shape("bprop", out.dx, out.x)
        errors = by_place(out.dx.array).T[:, None]  # unit, 1, place
        self.count(2 * weight.size * errors.shape[2])
        difference = pieces - weight[:, :, None]
        source.dx.array[...] = self.gathered(difference * errors, x)
        gradient = self.weight.dx.array
        gradient[...] = ordered_sum((difference * -errors).transpose(2, 0, 1), gradient)
        return NIL

    @message("bbprop", state(3, 2), state(3, 2))
    def bbprop(self, source: State, out: State) -> Form:
        """(==> layer bbprop in out): sets in:ddx to 1; adds nothing to weight:ddx"""
        source.ddx.array[...] = 1
        return NIL


def from_places(values: Floats, x: Floats) -> Floats:
    """Return values of shape (map, place), places as in `by_place`, as maps of the sizes of x."""
    _, rows, columns = x.shape
    return values.reshape(len(values), columns, rows).transpose(0, 2, 1)


@built_in_class("e-layer-sparse")
class ELayerSparse(ELayer):
    """an e-layer whose units each see a piece of the input, from an offset on"""

    offset = Slot(vector(1, INTEGERS))

    @constructor(WHOLE, vector(1, INTEGERS), PARAM)
    def make(self, tin: int, offsets: Idx, param: Param) -> None:
        """(new e-layer-sparse tin offsets param): a unit for each offset, which sees the tin inputs from there on"""
        check_sizes("e-layer-sparse", tin=tin)
        if int(offsets.array.min()) < 0:
            raise CallError("e-layer-sparse: an offset is negative", 1, "offsets count from 0")
        self.weight = allocate(self, param, offsets.sizes[0], tin)
        self.offset = offsets

    def _inputs(self, maps: int) -> np.ndarray:
        """Return the inputs that each unit sees, shape (unit, input)."""
        size = self.weight.x.sizes[1]
        highest = int(self.offset.array.max())
        if highest + size > maps:
            raise CallError(
                f"e-layer-sparse: specified interval is too large: a unit sees {size} inputs from {highest} on, and "
                f"the input has {maps} maps",
                0,
                f"give an input of at least {highest + size} maps",
            )
        return self.offset.array.astype(np.int64)[:, None] + np.arange(size)

    def pieces(self, x: Floats) -> Floats:
        return np.asarray(by_place(x).T[self._inputs(len(x))])

    def gathered(self, terms: Floats, x: Floats) -> Floats:
        total = np.zeros((len(x), terms.shape[2]), _F)
        for inputs, unit in zip(self._inputs(len(x)), terms):
            total[inputs] += unit
        return from_places(total, x)

    @message("set-proto", vector(2, "float"))
    def set_proto(self, values: Idx) -> Form:
        """(==> layer set-proto m): copies a float matrix into the weights"""
        check_shape("set-proto", values, self.weight.x)
        self.weight.x.array[...] = values.array
        return NIL


@built_in_class("logadd-layer")
class LogaddLayer(GbModule):
    """for each map: minus the log of the mean over the places of exp(-x)"""

    expdist = Slot(state(3))
    sumexp = Slot(state(1))

    @constructor(WHOLE, WHOLE, WHOLE)
    def make(self, thick: int, si: int, sj: int) -> None:
        """(new logadd-layer thick si sj): joins the places of `thick` maps; si and sj are hints for their number"""
        check_sizes("logadd-layer", thick=thick)
        self.expdist = self.new(STATES[3, 2], float(thick), float(max(si, 1)), float(max(sj, 1)))
        self.sumexp = self.new(STATES[1, 2], float(thick))

    @message("fprop", state(3), state(1))
    def fprop(self, source: State, out: State) -> Form:
        """(==> layer fprop in out): out, one number for each map; with one place the input itself

        The terms are w exp(m - x), with w = 1 / places and m the smallest; difference and exp in double.
        """
        x = source.x.array
        maps = x.reshape(len(x), -1)
        self.expdist.fit(x.shape)
        self.sumexp.fit((len(x),))
        out.fit((len(x),))
        if maps.shape[1] == 1:
            out.x.array[...] = maps[:, 0]
            return NIL
        lowest = maps.min(axis=1)
        terms = np.exp(lowest.astype(np.float64)[:, None] - maps.astype(np.float64)).astype(_F)
        terms = _F(1 / maps.shape[1]) * terms
        sums = ordered_sum(terms.T)
        self.expdist.x.array[...] = terms.reshape(x.shape)
        self.sumexp.x.array[...] = sums
        out.x.array[...] = lowest - np.log(sums.astype(np.float64)).astype(_F)
        return NIL

    @message("bprop", state(3, 1), state(1, 1))
    def bprop(self, source: State, out: State) -> Form:
        """(==> layer bprop in out): in:dx is out:dx times the share of the place in the sum"""
        x, errors = source.x.array, out.dx.array
        check_shape("bprop", source.dx, source.x)
        if x[0].size == 1:
            source.dx.array[...] = errors[:, None, None]
            return NIL
        check_shape("bprop", self.expdist.x, source.x)
        source.dx.array[...] = (self.expdist.x.array * errors[:, None, None]) / self.sumexp.x.array[:, None, None]
        return NIL

    @message("bbprop", state(3, 2), state(1, 2))
    def bbprop(self, source: State, out: State) -> Form:
        """(==> layer bbprop in out): in:ddx is out:ddx at every place"""
        source.ddx.array[...] = out.ddx.array[:, None, None]
        return NIL
