"""Modules that apply a function to each element. See docs/reference/gblearn2.md, sections 5 and 7."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from snsim.language.forms import NIL, Form
from snsim.lush.arithmetic import Floats, dstdsigmoid, qdtanh, qtanh, stdsigmoid
from snsim.lush.modules.built_in import built_in_class, message
from snsim.lush.modules.roots import Idx3Module, Idx4Module, check_shape
from snsim.lush.modules.states_and_params import State, state


class Function:
    """A function of one element and its derivative, of arrays of any shape."""

    def value(self, x: Floats) -> Floats:
        raise NotImplementedError

    def derivative(self, x: Floats) -> Floats:
        raise NotImplementedError


class StandardSigmoid(Function):
    """1.7159 tanh(2/3 x), by the library's rational function."""

    def value(self, x: Floats) -> Floats:
        return stdsigmoid(x)

    def derivative(self, x: Floats) -> Floats:
        return dstdsigmoid(x)


class SquaredTanh(Function):
    """The square of the library's rational tanh."""

    def value(self, x: Floats) -> Floats:
        t = qtanh(x)
        return t * t

    def derivative(self, x: Floats) -> Floats:
        return np.float32(2) * qtanh(x) * qdtanh(x)


def squash_forward(function: Function, source: State, out: State) -> None:
    """Set out:x = f(in:x)."""
    out.fit(source.x.sizes)
    out.x.array[...] = function.value(source.x.array)


def squash_backward(function: Function, source: State, out: State) -> None:
    """Set in:dx = f'(in:x) out:dx."""
    check_shape("bprop", source.dx, source.x)
    check_shape("bprop", out.dx, source.x)
    source.dx.array[...] = function.derivative(source.x.array) * out.dx.array


def squash_curvature(function: Function, source: State, out: State) -> None:
    """Set in:ddx = f'(in:x) squared times out:ddx."""
    check_shape("bbprop", source.ddx, source.x)
    check_shape("bbprop", out.ddx, source.x)
    slope = function.derivative(source.x.array)
    source.ddx.array[...] = (slope * slope) * out.ddx.array


@built_in_class("idx3-squasher")
class Idx3Squasher(Idx3Module):
    """the standard sigmoid of each element: 1.7159 tanh(2/3 x)"""

    function: ClassVar[Function] = StandardSigmoid()

    @message("fprop", state(3), state(3))
    def fprop(self, source: State, out: State) -> Form:
        """(==> squasher fprop in out): sets out:x to f(in:x)"""
        squash_forward(self.function, source, out)
        return NIL

    @message("bprop", state(3, 1), state(3, 1))
    def bprop(self, source: State, out: State) -> Form:
        """(==> squasher bprop in out): sets in:dx to f'(in:x) out:dx"""
        squash_backward(self.function, source, out)
        return NIL

    @message("bbprop", state(3, 2), state(3, 2))
    def bbprop(self, source: State, out: State) -> Form:
        """(==> squasher bbprop in out): sets in:ddx to f'(in:x) squared times out:ddx"""
        squash_curvature(self.function, source, out)
        return NIL


@built_in_class("idx3-sqsquasher")
class Idx3Sqsquasher(Idx3Module):
    """the square of the rational tanh of each element"""

    function: ClassVar[Function] = SquaredTanh()
    fprop, bprop, bbprop = Idx3Squasher.fprop, Idx3Squasher.bprop, Idx3Squasher.bbprop


@built_in_class("idx4-squasher")
class Idx4Squasher(Idx4Module):
    """the standard sigmoid of each element of a state of 4 dimensions"""

    function: ClassVar[Function] = StandardSigmoid()

    @message("fprop", state(4), state(4))
    def fprop(self, source: State, out: State) -> Form:
        """(==> squasher fprop in out): sets out:x to f(in:x)"""
        squash_forward(self.function, source, out)
        return NIL

    @message("bprop", state(4, 1), state(4, 1))
    def bprop(self, source: State, out: State) -> Form:
        """(==> squasher bprop in out): sets in:dx to f'(in:x) out:dx"""
        squash_backward(self.function, source, out)
        return NIL

    @message("bbprop", state(4, 2), state(4, 2))
    def bbprop(self, source: State, out: State) -> Form:
        """(==> squasher bbprop in out): sets in:ddx to f'(in:x) squared times out:ddx"""
        squash_curvature(self.function, source, out)
        return NIL
