"""Words that give a program the patterns of a data set, from which it can make its own examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from snsim.errors import SnError
from snsim.language.builtins.strings import text
from snsim.language.forms import Form
from snsim.language.procedures import CallError
from snsim.registry import Shelf
from snsim.runtime.host import host_of

if TYPE_CHECKING:
    from snsim.data.examples import Split
    from snsim.language.interpreter import Interpreter

WORDS: Shelf[Callable[..., Form]] = Shelf("function")
_PARTS = ("train", "test")


@WORDS.register("data-inputs")
def data_inputs(interpreter: Interpreter, name: Form, part: Form = "train") -> Form:
    """(data-inputs "SET" ["test"]): the inputs of a data set that is on this machine, a row for each pattern"""
    split = _part(interpreter, "data-inputs", name, part)
    inputs: np.ndarray = split.inputs.reshape(len(split), -1).astype(np.float64)
    interpreter.budget.make_matrix(inputs.size, "data-inputs")
    return inputs


@WORDS.register("data-labels")
def data_labels(interpreter: Interpreter, name: Form, part: Form = "train") -> Form:
    """(data-labels "SET" ["test"]): the class of each pattern of a data set that is on this machine, from 0"""
    split = _part(interpreter, "data-labels", name, part)
    if split.labels is None:
        raise CallError(f'the data set "{name}" has targets, not classes', 0, "name a data set with classes")
    interpreter.budget.make_matrix(len(split), "data-labels")
    return split.labels.astype(np.float64)


def _part(interpreter: Interpreter, caller: str, name: Form, part: Form) -> Split:
    """Return the training or test part of a data set. Nothing is downloaded."""
    from snsim.data.catalog import find  # here, because few programs ask for data
    from snsim.data.fetch import Search

    chosen = text(caller, part, 1)
    if chosen not in _PARTS:
        raise CallError(f'a data set has the parts train and test, not "{chosen}"', 1, 'write "train" or "test"')
    try:
        search = Search.usual(interpreter.part(host_of).data_dir, online=False)
        examples = find([text(caller, name, 0)], search).examples
    except SnError as error:
        fault = error.faults[0]
        raise CallError(fault.message, 0, fault.hint) from None
    split = examples.train if chosen == "train" else examples.test
    if split is None:
        raise CallError(f'the data set "{name}" has no test part', 1, 'write "train"')
    return split
