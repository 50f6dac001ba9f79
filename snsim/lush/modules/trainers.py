"""The trainer: stochastic gradient, with rates from the diagonal of the Hessian.

See docs/reference/gblearn2.md, section 9.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from snsim.language.forms import NIL, Form, symbol
from snsim.language.objects import Object
from snsim.language.procedures import ABSENT, CallError
from snsim.lush.idx import Idx
from snsim.lush.modules.built_in import (
    NUMBER,
    OBJECT,
    WHOLE,
    LushObject,
    Slot,
    built_in_class,
    constructor,
    instance,
    message,
    shown,
)
from snsim.lush.modules.roots import BBPROP, BPROP, FPROP, MODULE
from snsim.lush.modules.sources import size_of
from snsim.lush.modules.states_and_params import PARAM, STATES, ClassState, DDparam, Param, State, state
from snsim.lush.plan.ahead import Ahead, Parts, Rates

_F = np.float32
_STEPS = 5  # that a presentation counts, without the products of its layers

_SEEK, _NEXT = symbol("seek"), symbol("next")
_CLEAR, _UPDATE, _INFO, _TEST = symbol("clear"), symbol("update"), symbol("info"), symbol("test")
_CLEAR_DX, _CLEAR_DDX = symbol("clear-dx"), symbol("clear-ddx")
_CLEAR_DELTAS, _CLEAR_DDELTAS = symbol("clear-deltas"), symbol("clear-ddeltas")
_UPDATE_DELTAS, _UPDATE_DDELTAS = symbol("update-deltas"), symbol("update-ddeltas")
_UPDATE_XAVERAGE, _COMPUTE_EPSILONS = symbol("update-xaverage"), symbol("compute-epsilons")
_SALIENCIES, _TRAIN_ONLINE = symbol("saliencies"), symbol("train-online")


IDX = instance("an idx", Idx, "make it with (int-matrix)")


@built_in_class("eb-trainer")
class EbTrainer(LushObject):
    """above the trainers"""


@built_in_class("supervised-gradient", slots=("machine", "param", "input", "energy", "age", "output", "desired"))
class SupervisedGradient(EbTrainer):
    """trains a machine by stochastic gradient"""

    machine = Slot(MODULE)
    param = Slot(PARAM)
    input = Slot(OBJECT)
    energy = Slot(state(0))
    age = Slot(NUMBER, initial=0.0)
    output = Slot(OBJECT)
    desired = Slot(IDX)

    @constructor(MODULE, PARAM, state(0), OBJECT, OBJECT, IDX)
    def make(
        self,
        machine: Object,
        param: Param,
        energy: State = ABSENT,
        source: Object = ABSENT,
        output: Object = ABSENT,
        desired: Idx = ABSENT,
    ) -> None:
        """(new supervised-gradient machine param [energy input output desired]): a trainer of the numbers in param"""
        self.machine, self.param = machine, param
        if energy is ABSENT:
            energy = self.new(STATES[0, 2])
            energy.dx.array[...] = 1
        self.energy = energy
        self.input = self.new(STATES[3, 2], 1.0, 1.0, 1.0) if source is ABSENT else source
        self.output = self.new(ClassState, 1.0) if output is ABSENT else output
        self.desired = Idx.zeros((), "int") if desired is ABSENT else desired
        self.age = 0.0

    def _forward(self, source: Object) -> None:
        """Read the current pattern of a source, and run the machine on it."""
        self.interpreter.step(_STEPS)
        self.send(source, FPROP, self.input, self.desired)
        self.send(self.machine, FPROP, self.input, self.output, self.desired, self.energy)

    def _backward(self) -> None:
        self.send(self.param, _CLEAR_DX)
        self.send(self.machine, BPROP, self.input, self.output, self.desired, self.energy)

    def _curvature(self) -> None:
        self.send(self.param, _CLEAR_DDX)
        self.send(self.machine, BBPROP, self.input, self.output, self.desired, self.energy)

    @message("train", OBJECT, OBJECT, NUMBER, NUMBER, NUMBER)
    def train(
        self, source: Object, meter: Object, eta: float, inertia: float | None = None, kappa: float | None = None
    ) -> Form:
        """(==> trainer train source meter eta [inertia [kappa]]): trains with every pattern once; the meter's info"""
        self.send(source, _SEEK, 0.0)
        self.send(meter, _CLEAR)
        count = float(size_of(self, source))
        more = [number for number in (inertia, kappa) if number is not None]  # those that the program gave
        return self.send(self, _TRAIN_ONLINE, source, meter, count, eta, *more)

    @message("train-online", OBJECT, OBJECT, WHOLE, NUMBER, NUMBER, NUMBER)
    def train_online(
        self, source: Object, meter: Object, n: int, eta: float, inertia: float = 0, kappa: float = 0
    ) -> Form:
        """(==> trainer train-online source meter n eta [inertia [kappa]]): trains with the next n patterns

        For each: forward, meter update, backward, update of the param, of its running mean with kappa, next pattern.
        A negative kappa is -kappa / (1 + age).
        """

        def present() -> None:
            self._forward(source)
            self.send(meter, _UPDATE, self.age, self.output, self.desired, self.energy)
            self._backward()
            self.send(self.param, _UPDATE, eta, float(inertia))
            if kappa:
                part = kappa if kappa > 0 else float(_F(-kappa) / _F(1 + self.age))
                self.send(self.param, _UPDATE_XAVERAGE, part)
            self.age += 1
            self.send(source, _NEXT)

        self._present(n, present, self._ahead(source, meter, Rates(eta, inertia, kappa)))
        return self.send(meter, _INFO)

    def _ahead(
        self, source: Object, meter: Object | None, rates: Rates | None = None, share: float | None = None
    ) -> Ahead:
        """Return what runs presentations compiled, where the modules allow it."""

        def parts() -> Parts:
            return Parts(self.machine, self.param, self.input, self.output, self.desired, self.energy)

        return Ahead(self, parts, source, meter, rates, share)

    def _present(self, n: int, present: Callable[[], None], ahead: Ahead) -> None:
        """Present n patterns: the last one module by module, those before it compiled if a plan fits."""
        budget, i = self.interpreter.budget, 0
        while i < n:
            i += ahead.run(n - i)
            before = budget.steps
            present()
            ahead.note(budget.steps - before)
            i += 1

    @message("test", OBJECT, OBJECT)
    def test(self, source: Object, meter: Object) -> Form:
        """(==> trainer test source meter): runs every pattern of a source through the machine and the meter"""
        self.send(source, _SEEK, 0.0)
        self.send(meter, _CLEAR)
        position: Form = NIL

        def present() -> None:
            nonlocal position
            self._forward(source)
            self.send(meter, _UPDATE, self.age, self.output, self.desired, self.energy)
            position = self.send(source, _NEXT)

        self._present(size_of(self, source), present, self._ahead(source, meter))
        return position

    @message("test-sample", OBJECT, OBJECT, WHOLE)
    def test_sample(self, source: Object, meter: Object, i: int) -> Form:
        """(==> trainer test-sample source meter i): runs pattern i; returns what (==> meter test ...) returns"""
        self.send(source, _SEEK, float(i))
        self._forward(source)
        return self.send(meter, _TEST, self.output, self.desired, self.energy)

    def _second_order(self) -> DDparam:
        param = self.param
        if not isinstance(param, DDparam):
            raise CallError(
                f"the param is {shown(param)}, which has no second derivatives",
                None,
                "make it with (new idx1-ddparam 0 1000)",
            )
        return param

    @message("compute-diaghessian", OBJECT, WHOLE, NUMBER)
    def compute_diaghessian(self, source: Object, n: int, mu: float) -> Form:
        """(==> trainer compute-diaghessian source n mu): computes rates 1 / (h + mu) from n patterns

        h is the mean of the second derivatives over the next n patterns of the source. Returns a list: the smallest
        and the largest rate.
        """
        param = self._second_order()
        _check_patterns("compute-diaghessian", n)
        self.send(param, _CLEAR_DDELTAS)

        def present() -> None:
            self._forward(source)
            self._backward()
            self._curvature()
            self.send(param, _UPDATE_DDELTAS, 1.0 / n, 1.0)
            self.send(source, _NEXT)

        self._present(n, present, self._ahead(source, None, share=1.0 / n))
        self.send(param, _COMPUTE_EPSILONS, mu)
        rates = param.epsilons.array
        if not rates.size:
            raise CallError("compute-diaghessian: the param is empty", None, "make the modules with this param first")
        return self.interpreter.new_list([float(rates.min()), float(rates.max())], "compute-diaghessian")

    @message("saliencies", OBJECT, WHOLE)
    def saliencies(self, source: Object, n: int) -> Form:
        """(==> trainer saliencies source n): the vector 0.5 h x x, with h from the next n patterns of the source"""
        param = self._second_order()
        _check_patterns("saliencies", n)
        self.send(param, _CLEAR_DELTAS)
        self.send(param, _CLEAR_DDELTAS)

        def present() -> None:
            self._forward(source)
            self.send(param, _CLEAR_DX)
            self.send(param, _UPDATE_DELTAS, 1.0 / n, 1.0)  # of 0: deltas stay 0
            self.send(self.machine, BPROP, self.input, self.output, self.desired, self.energy)
            self._curvature()
            self.send(param, _UPDATE_DDELTAS, 1.0 / n, 1.0)
            self.send(source, _NEXT)

        self._present(n, present, self._ahead(source, None, share=1.0 / n))
        return self.send(param, _SALIENCIES)


def _check_patterns(name: str, n: int) -> None:
    if n < 1:
        raise CallError(f"{name}: {n} patterns are too few", 1, "write a number from 1 on")
