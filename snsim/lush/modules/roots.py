"""The classes above all modules, and the modules that only copy. See docs/reference/gblearn2.md, section 7.

A module answers `fprop in out`, `bprop in out` and `bbprop in out`. Gradients of its input are overwritten, those of
its parameters accumulate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from snsim.language.forms import NIL, Form, symbol
from snsim.language.objects import Object
from snsim.language.procedures import CallError
from snsim.lush.idx import Idx
from snsim.lush.idx import shown as shown_sizes
from snsim.lush.modules.built_in import (
    NUMBER,
    TEXT,
    Kind,
    LushObject,
    Message,
    built_in_class,
    constructor,
    instance,
    message,
)
from snsim.lush.modules.states_and_params import State, state
from snsim.lush.storing import store

FPROP, BPROP, BBPROP, FORGET = symbol("fprop"), symbol("bprop"), symbol("bbprop"), symbol("forget")

_FASTER = 64  # products of a layer in the time of one element that a word of the Lisp computes

MODULE: Kind[Object] = instance(
    "a module",
    Object,
    "(new idx3-module) makes one that changes nothing, (new idx3-squasher) a sigmoid",
    lambda value: value.kind is not None,
)
STATE: Kind[State] = instance("a state", State, "(new idx3-ddstate 1 1 1) makes one")
DSTATE: Kind[State] = instance(
    "a state with a dx", State, "(new idx3-ddstate 1 1 1) makes one", lambda s: len(s.levels) > 1
)
DDSTATE: Kind[State] = instance(
    "a state with a dx and a ddx", State, "(new idx3-ddstate 1 1 1) makes one", lambda s: len(s.levels) > 2
)


def copy_same(name: str, source: Idx, target: Idx, hint: str) -> None:
    """Copy elements between matrices of one shape; CallError if the shapes differ."""
    if source.sizes != target.sizes:
        raise CallError(
            f"{name}: the matrices have the sizes {shown_sizes(source.sizes)} and {shown_sizes(target.sizes)}",
            None,
            hint,
        )
    store(target.array, source.array)


def check_shape(name: str, part: Idx, like: Idx) -> None:
    """CallError if a matrix has other sizes than the one beside it: the states are not those of the last fprop."""
    if part.sizes != like.sizes:
        raise CallError(
            f"{name}: a matrix of {shown_sizes(part.sizes)} where {shown_sizes(like.sizes)} is needed", None, _HINT
        )


_HINT = "send fprop first, with the same two states: it gives them their sizes"


@built_in_class("gb-module")
class GbModule(LushObject):
    """above all modules"""

    def count(self, products: int) -> None:
        """Count products against the limit of steps: a training has many of them, and they take little time."""
        self.interpreter.budget.compute(products // _FASTER)


@built_in_class("noop-module")
class NoopModule(GbModule):
    """does nothing"""

    @message("fprop", STATE, STATE)
    def fprop(self, source: State, out: State) -> Form:
        """(==> module fprop in out): does nothing"""
        return NIL

    @message("bprop", STATE, STATE)
    def bprop(self, source: State, out: State) -> Form:
        """(==> module bprop in out): does nothing"""
        return NIL

    @message("bbprop", STATE, STATE)
    def bbprop(self, source: State, out: State) -> Form:
        """(==> module bbprop in out): does nothing"""
        return NIL

    @message("forget", NUMBER, NUMBER)
    def forget(self, v: float, p: float) -> Form:
        """(==> module forget v p): does nothing"""
        return NIL


@built_in_class("id-module")
class IdModule(GbModule):
    """copies its input into an output of the same sizes"""

    @message("fprop", STATE, STATE)
    def fprop(self, source: State, out: State) -> Form:
        """(==> module fprop in out): copies in:x into out:x, of the same sizes"""
        copy_same("fprop", source.x, out.x, "resize the output first: id-module does not")
        return NIL

    @message("bprop", DSTATE, DSTATE)
    def bprop(self, source: State, out: State) -> Form:
        """(==> module bprop in out): copies out:dx into in:dx"""
        copy_same("bprop", out.dx, source.dx, _HINT)
        return NIL

    @message("bbprop", DDSTATE, DDSTATE)
    def bbprop(self, source: State, out: State) -> Form:
        """(==> module bbprop in out): copies out:ddx into in:ddx"""
        copy_same("bbprop", out.ddx, source.ddx, _HINT)
        return NIL

    @message("forget", NUMBER, NUMBER)
    def forget(self, v: float, p: float) -> Form:
        """(==> module forget v p): does nothing"""
        return NIL


class Copying(GbModule):
    """A module of states of one number of dimensions: the identity, and above all others of these."""

    @constructor()
    def make(self) -> None:
        """(new NAME): a module that copies its input"""

    @message("forget", NUMBER, NUMBER)
    def forget(self, v: float, p: float) -> Form:
        """(==> module forget v p): draws the initial parameters: nothing here"""
        return NIL

    @message("save", TEXT)
    def save(self, file: str) -> Form:
        """(==> module save "file"): does nothing; (==> param save "file") saves the parameters"""
        return NIL

    @message("load", TEXT)
    def load(self, file: str) -> Form:
        """(==> module load "file"): does nothing; (==> param load "file") loads the parameters"""
        return NIL


class WithParameters(GbModule):
    """A module whose parameters are saved with their param, not by itself."""

    @message("save", TEXT)
    def save(self, file: str) -> Form:
        """(==> module save "file"): is an error; (==> param save "file") saves the parameters"""
        raise self._refusal("save")

    @message("load", TEXT)
    def load(self, file: str) -> Form:
        """(==> module load "file"): is an error; (==> param load "file") loads the parameters"""
        raise self._refusal("load")

    def _refusal(self, name: str) -> CallError:
        kind = self.kind.name if self.kind is not None else "module"
        return CallError(
            f"an object of class {kind} does not {name} its parameters alone",
            None,
            f'{name} the param that holds them: (==> param {name} "file")',
        )


def passes(dimensions: int, *functions: Callable[[Any, State, State], Form]) -> list[Message]:
    """Return `fprop`, `bprop` and `bbprop` of a module between states of one number of dimensions."""
    return [
        Message(name, function, [state(dimensions, level)] * 2)
        for level, (name, function) in enumerate(zip(("fprop", "bprop", "bbprop"), functions))
    ]


def _copying(dimensions: int) -> list[Message]:
    def fprop(self: Copying, source: State, out: State) -> Form:
        """(==> module fprop in out): computes out:x from in:x, and resizes out"""
        out.fit(source.x.sizes)
        store(out.x.array, source.x.array)
        return NIL

    def bprop(self: Copying, source: State, out: State) -> Form:
        """(==> module bprop in out): computes in:dx from out:dx, after fprop"""
        copy_same("bprop", out.dx, source.dx, _HINT)
        return NIL

    def bbprop(self: Copying, source: State, out: State) -> Form:
        """(==> module bbprop in out): computes in:ddx from out:ddx, after bprop"""
        copy_same("bbprop", out.ddx, source.ddx, _HINT)
        return NIL

    return passes(dimensions, fprop, bprop, bbprop)


@built_in_class("idx1-module", messages=_copying(1))
class Idx1Module(Copying):
    """copies its input; above all modules of states of 1 dimension"""


@built_in_class("idx2-module", messages=_copying(2))
class Idx2Module(Copying):
    """copies its input; above all modules of states of 2 dimensions"""


@built_in_class("idx3-module", messages=_copying(3))
class Idx3Module(Copying):
    """copies its input; above all modules of states of 3 dimensions"""


@built_in_class("idx4-module", messages=_copying(4))
class Idx4Module(Copying):
    """copies its input; above all modules of states of 4 dimensions"""
