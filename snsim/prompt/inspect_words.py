"""Define words that inspect the current net: that of the training begun last, until SN's words make a net."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, SupportsInt

import numpy as np

from snsim.language.builtins.arithmetic import whole
from snsim.language.forms import Form
from snsim.language.procedures import ABSENT, CallError
from snsim.prompt.current_training import CurrentTraining
from snsim.prompt.prompt_word import name_of, prompt_word
from snsim.prompt.session import session_of
from snsim.reports.pass_lines import pass_headings, pass_line, published_beside_ours
from snsim.text_table import class_label, shape_text

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_FEW = 20  # misses that are printed; the value of the word lists all of them


def current_training(interpreter: Interpreter, caller: str) -> CurrentTraining:
    """Return the current training. CallError if there is none."""
    current = interpreter.part(session_of).current()
    if current is None:
        raise CallError(f"{caller}: there is no current net", None, "begin a training: (train-now 'NAME)")
    return current


@prompt_word("perf")
def perf(interpreter: Interpreter) -> Form:
    """(perf): prints the cost and errors of the current net on the training and test patterns

    It returns the percentage of right answers on the training patterns.
    """
    current = current_training(interpreter, "perf")
    train, test = current.scores()
    interpreter.print_text(f"{pass_headings(test is not None)}\n{pass_line(current.last.number, train, test)}\n")
    if current.training.published:
        other = current.other_data
        headings = ("published", "ours") if other is None else (f"published on {other}", f"ours on {current.data.name}")
        interpreter.print_text(published_beside_ours(current.training.published, train, test, *headings) + "\n")
    return 100 - train.error


@prompt_word("state")
def state(interpreter: Interpreter, layer: Form) -> Form:
    """(state 'LAYER): the states of a layer for the pattern presented last, in the layer's shape"""
    current = current_training(interpreter, "state")
    name = name_of("state", layer, "a layer", interpreter)
    current.net.layer(name)
    return np.asarray(current.states()[name], np.float32)


@prompt_word("test-pattern")
def test_pattern(interpreter: Interpreter, number: Form, split: Form = ABSENT) -> Form:
    """(test-pattern n ['train]): presents test pattern n, or training pattern n; returns its cost"""
    current = current_training(interpreter, "test-pattern")
    part = split_of(interpreter, "test-pattern", split, current, 1)
    cost = current.present(part, whole("test-pattern", number))
    outputs = current.states()[current.net.layers[-1].name].ravel()
    target = current.patterns(part).targets[current.at[1]]
    if len(outputs) > 1:
        interpreter.print_text(
            f"{part} pattern {current.at[1]:,}: class {_class(current, target.argmax())}, "
            f"answered {_class(current, outputs.argmax())}\n"
        )
    return cost


def _class(current: CurrentTraining, number: SupportsInt) -> str:
    """Return the name of a class of the data, or its number."""
    return class_label(current.data.class_names, int(number))


@prompt_word("misses")
def misses(interpreter: Interpreter, split: Form = ABSENT) -> Form:
    """(misses ['train]): a list of the numbers of the test, or training, patterns that the current net gets wrong

    (test-pattern n) presents one of them, (plot 'misses) draws them.
    """
    current = current_training(interpreter, "misses")
    part = split_of(interpreter, "misses", split, current, 0)
    wrong = current.misses(part)
    interpreter.print_text(f"{len(wrong):,} of {len(current.patterns(part)):,} {part} patterns are wrong\n")
    if wrong and current.net.layers[-1].units > 1:
        cells = [
            f"{number}: {_class(current, label)}→{_class(current, answer)}" for number, label, answer in wrong[:_FEW]
        ]
        width = max(map(len, cells)) + 3
        across = max(1, min(80, shutil.get_terminal_size().columns) // width)
        for i in range(0, len(cells), across):
            interpreter.print_text("".join(cell.ljust(width) for cell in cells[i : i + across]).rstrip() + "\n")
        if len(wrong) > _FEW:
            interpreter.print_text(f"... and {len(wrong) - _FEW:,} more (label→answer)\n")
    return interpreter.new_list([float(number) for number, _, _ in wrong], "misses")


@prompt_word("weights")
def weights(interpreter: Interpreter, source: Form, target: Form = ABSENT, values: Form = ABSENT) -> Form:
    """(weights 'A 'B [m]): the weights from layer A to layer B of the current net; with a matrix or number m, sets them

    (weights 'A) returns the bias of layer A, (weights 'A m) sets it. A matrix of windows has the dimensions (target
    map, source map, row, column), where each target map counts the source maps that it reads. Full connections have
    (inputs, outputs). A number sets all of them.
    """
    current = current_training(interpreter, "weights")
    if values is ABSENT and isinstance(target, (float, np.ndarray)):
        target, values = ABSENT, target
    first = name_of("weights", source, "a layer", interpreter)
    second = None if target is ABSENT else name_of("weights", target, "a layer", interpreter, 1)
    parameter = current.parameter(first, second) if second else current.parameter(None, first)
    if values is not ABSENT:
        if not parameter.learns:
            raise CallError(
                f"weights: {parameter.name} is fixed by the net",
                None,
                "leave the new value out; (weights 'FROM 'TO) shows the fixed values",
            )
        current.set_weights({parameter.name: _as_shape(interpreter, values, parameter.shape)})
    return np.array(current.last.parameters[parameter.name], np.float32)


def _as_shape(interpreter: Interpreter, values: Form, shape: tuple[int, ...]) -> np.ndarray:
    is_numeric = isinstance(values, float) or (isinstance(values, np.ndarray) and values.dtype.kind in "fiu")
    array = np.asarray(values, np.float64) if is_numeric else None
    if array is None or array.shape not in ((), shape):
        description = interpreter.describe(values) if array is None else f"a matrix of {shape_text(array.shape)}"
        raise CallError(
            f"weights: their shape is {shape_text(shape)}, and {description} does not fit",
            None,
            "write a number for all of them, or a matrix of this shape",
        )
    return np.broadcast_to(array, shape).copy()


def split_of(interpreter: Interpreter, caller: str, split: Form, current: CurrentTraining, argument: int) -> str:
    """Return "train" or "test"; by default "test" if there are test patterns."""
    if split is ABSENT:
        return "train" if current.data.test is None else "test"
    name = name_of(caller, split, "patterns", interpreter, argument)
    if name not in ("train", "test"):
        raise CallError(f'{caller}: there are no patterns "{name}"', argument, "write 'train or 'test")
    return name
