"""A machine that is trained: a module, its cost and its classifier. See docs/reference/gblearn2.md, section 8."""

from __future__ import annotations

from snsim.language.forms import NIL, Form
from snsim.language.objects import Object
from snsim.lush.modules.built_in import ANY, Slot, built_in_class, constructor, message
from snsim.lush.modules.roots import BBPROP, BPROP, FPROP, MODULE, GbModule
from snsim.lush.modules.states_and_params import STATES, state


@built_in_class("idx3-supervised-module", slots=("machine", "mout", "cost", "classifier"))
class Idx3SupervisedModule(GbModule):
    """a module with a cost and a classifier behind it"""

    machine = Slot(MODULE)
    mout = Slot(state(3))
    cost = Slot(MODULE)
    classifier = Slot(MODULE)

    @constructor(MODULE, MODULE, MODULE)
    def make(self, machine: Object, cost: Object, classifier: Object) -> None:
        """(new idx3-supervised-module machine cost classifier): a machine for supervised-gradient"""
        self.machine, self.cost, self.classifier = machine, cost, classifier
        self.mout = self.new(STATES[3, 2], 1.0, 1.0, 1.0)

    @message("fprop", ANY, ANY, ANY, ANY)
    def fprop(self, source: Form, output: Form, desired: Form, energy: Form) -> Form:
        """(==> machine fprop input output desired energy): runs the module, then the classifier, then the cost"""
        mout = self.mout
        self.send(self.machine, FPROP, source, mout)
        self.send(self.classifier, FPROP, mout, output)
        self.send(self.cost, FPROP, mout, desired, energy)
        return NIL

    @message("use", ANY, ANY)
    def use(self, source: Form, output: Form) -> Form:
        """(==> machine use input output): runs the module and the classifier, without a desired label"""
        mout = self.mout
        self.send(self.machine, FPROP, source, mout)
        self.send(self.classifier, FPROP, mout, output)
        return NIL

    @message("bprop", ANY, ANY, ANY, ANY)
    def bprop(self, source: Form, output: Form, desired: Form, energy: Form) -> Form:
        """(==> machine bprop input output desired energy): the gradients of cost and module"""
        mout = self.mout
        self.send(self.cost, BPROP, mout, desired, energy)
        self.send(self.machine, BPROP, source, mout)
        return NIL

    @message("bbprop", ANY, ANY, ANY, ANY)
    def bbprop(self, source: Form, output: Form, desired: Form, energy: Form) -> Form:
        """(==> machine bbprop input output desired energy): the second derivatives of cost and module"""
        mout = self.mout
        self.send(self.cost, BBPROP, mout, desired, energy)
        self.send(self.machine, BBPROP, source, mout)
        return NIL
