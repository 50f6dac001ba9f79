"""The words `train`, `define-cost` and `define-update`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from snsim.language.forms import Node
from snsim.language.interpreter import Interpreter
from snsim.network.net_form import NetShelves
from snsim.registry import Shelf
from snsim.training.forms.costs import COSTS, CostDefinition, define_cost
from snsim.training.forms.train_form import read_training
from snsim.training.forms.update_rules import UPDATES, UpdateDefinition, define_update
from snsim.training.spec import Training


@dataclass
class TrainShelves:
    """The trainings, costs and update rules of a program. `program` reads those of prelude.sn like any others."""

    trainings: Shelf[Training] = field(default_factory=lambda: Shelf("training"))
    costs: Shelf[CostDefinition] = field(default_factory=COSTS.child)
    updates: Shelf[UpdateDefinition] = field(default_factory=UPDATES.child)

    def child(self) -> TrainShelves:
        """Return shelves that see everything here and keep their additions to themselves."""
        return TrainShelves(self.trainings.child(), self.costs.child(), self.updates.child())


# Each word takes the call as a node with its commas evaluated, the interpreter, and the shelves of the program. It
# checks the form, puts its value on a shelf and returns it.
WORDS: Shelf[Callable[[Node, Interpreter, TrainShelves, NetShelves], object]] = Shelf("declarative word")


@WORDS.register("train")
def _train(call: Node, interpreter: Interpreter, shelves: TrainShelves, nets: NetShelves) -> Training:
    """(train NAME clause ...): declare a training: a net, its data, and how it is trained."""
    training, warnings = read_training(
        call,
        shelves.trainings.in_cell(interpreter.cell),
        shelves.costs,
        shelves.updates,
        nets.nets.in_cell(interpreter.cell),
        included=interpreter.including > 0,
    )
    interpreter.warnings.extend(warnings)
    return training


@WORDS.register("define-cost")
def _define_cost(call: Node, interpreter: Interpreter, shelves: TrainShelves, nets: NetShelves) -> CostDefinition:
    """(define-cost NAME (x d (p default) ...) EXPR): declare a cost, the sum of EXPR over the outputs."""
    return define_cost(call, shelves.costs)


@WORDS.register("define-update")
def _define_update(call: Node, interpreter: Interpreter, shelves: TrainShelves, nets: NetShelves) -> UpdateDefinition:
    """(define-update NAME ((option default) ...) (state ...) (setq w EXPR) ...): declare an update rule."""
    return define_update(call, shelves.updates)
