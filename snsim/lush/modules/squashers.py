"""Modules that apply a function to each element. See docs/reference/gblearn2.md, sections 5 and 7."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from snsim.language.forms import NIL, Form
from snsim.lush.arithmetic import Floats, dstdsigmoid, qdtanh, qtanh, stdsigmoid
from snsim.lush.modules.built_in import Message, built_in_class
from snsim.lush.modules.roots import GbModule, Idx3Module, Idx4Module, check_shape, passes
from snsim.lush.modules.states_and_params import State


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


def _squashing(dimensions: int, function: Function) -> list[Message]:
    def fprop(self: GbModule, source: State, out: State) -> Form:
        """(==> squasher fprop in out): sets out:x to f(in:x)"""
        squash_forward(function, source, out)
        return NIL

    def bprop(self: GbModule, source: State, out: State) -> Form:
        """(==> squasher bprop in out): sets in:dx to f'(in:x) out:dx"""
        squash_backward(function, source, out)
        return NIL

    def bbprop(self: GbModule, source: State, out: State) -> Form:
        """(==> squasher bbprop in out): sets in:ddx to f'(in:x) squared times out:ddx"""
        squash_curvature(function, source, out)
        return NIL

    return passes(dimensions, fprop, bprop, bbprop)


@built_in_class("idx3-squasher", messages=_squashing(3, SIGMOID))
class Idx3Squasher(Idx3Module):
    """the standard sigmoid of each element: 1.7159 tanh(2/3 x)"""


@built_in_class("idx3-sqsquasher", messages=_squashing(3, Function(squared_tanh, squared_tanh_derivative)))
class Idx3Sqsquasher(Idx3Module):
    """the square of the rational tanh of each element"""


@built_in_class("idx4-squasher", messages=_squashing(4, SIGMOID))
class Idx4Squasher(Idx4Module):
    """the standard sigmoid of each element of a state of 4 dimensions"""
