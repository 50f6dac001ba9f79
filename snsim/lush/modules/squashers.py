"""Modules that apply a function to each element. See docs/reference/gblearn2.md, sections 5 and 7."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from snsim.language.forms import NIL, Form
from snsim.lush.arithmetic import Floats, dstdsigmoid, qdtanh, qtanh, stdsigmoid
from snsim.lush.modules.built_in import built_in_class, message
from snsim.lush.modules.roots import Idx3Module, Idx4Module, check_shape
from snsim.lush.modules.states_and_params import State, state


@dataclass(frozen=True)
class Function:
    """A function of one element and its derivative, both of arrays of any shape."""

    value: Callable[[Floats], Floats]
    derivative: Callable[[Floats], Floats]


def squared_tanh(x: Floats) -> Floats:
    """Return the square of the library's rational tanh."""
    t = qtanh(x)
    return t * t


def squared_tanh_derivative(x: Floats) -> Floats:
    return np.float32(2) * qtanh(x) * qdtanh(x)


SIGMOID = Function(stdsigmoid, dstdsigmoid)


def squash_forward(function: Function, source: State, out: State) -> None:
    """Set out:x = f(in:x)."""
    x = source.x
    out.fit(x.sizes)
    out.x.array[...] = function.value(x.array)


def squash_backward(function: Function, source: State, out: State) -> None:
    """Set in:dx = f'(in:x) out:dx."""
    x, dx, errors = source.x, source.dx, out.dx
    check_shape("bprop", dx, x)
    check_shape("bprop", errors, x)
    np.multiply(function.derivative(x.array), errors.array, out=dx.array)


def squash_curvature(function: Function, source: State, out: State) -> None:
    """Set in:ddx = f'(in:x) squared times out:ddx."""
    x, ddx, errors = source.x, source.ddx, out.ddx
    check_shape("bbprop", ddx, x)
    check_shape("bbprop", errors, x)
    slope = function.derivative(x.array)
    slope *= slope
    np.multiply(slope, errors.array, out=ddx.array)


@built_in_class("idx3-squasher")
class Idx3Squasher(Idx3Module):
    """the standard sigmoid of each element: 1.7159 tanh(2/3 x)"""

    function: ClassVar[Function] = SIGMOID

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

    function: ClassVar[Function] = Function(squared_tanh, squared_tanh_derivative)
    fprop, bprop, bbprop = Idx3Squasher.fprop, Idx3Squasher.bprop, Idx3Squasher.bbprop


@built_in_class("idx4-squasher")
class Idx4Squasher(Idx4Module):
    """the standard sigmoid of each element of a state of 4 dimensions"""

    function: ClassVar[Function] = SIGMOID

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
