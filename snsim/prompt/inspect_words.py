"""Words that look at the net at hand: the training that was begun last, until a net is made in SN's words."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, SupportsInt

import numpy as np

from snsim.language.builtins.arithmetic import whole
from snsim.language.forms import Form
from snsim.language.procedures import ABSENT, Misuse
from snsim.prompt.current_training import Pupil
from snsim.prompt.prompt_word import name_of, prompt_word
from snsim.prompt.session import session_of
from snsim.reports.pass_lines import pass_headings, pass_line, published_beside_ours
from snsim.text_table import class_label, shape_text

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_FEW = 20  # misses that are listed; all of them are in the list that is the value


def pupil_at_hand(interpreter: Interpreter, who: str) -> Pupil:
    """The training at hand. Misuse if there is none."""
    pupil = interpreter.part(session_of).at_hand()
    if pupil is None:
        raise Misuse(f"{who}: no declared net is at hand", None, "(train-now 'NAME) begins a training and keeps it")
    return pupil


@prompt_word("perf")
def perf(interpreter: Interpreter) -> Form:
    """(perf): how the net at hand does on its training and test patterns; gives the percentage of the former"""
    pupil = pupil_at_hand(interpreter, "perf")
    train, test = pupil.scores()
    interpreter.print_text(f"{pass_headings(test is not None)}\n{pass_line(pupil.last.number, train, test)}\n")
    if pupil.training.published:
        other = pupil.other_data
        headings = ("published", "ours") if other is None else (f"published on {other}", f"ours on {pupil.data.name}")
        interpreter.print_text(published_beside_ours(pupil.training.published, train, test, *headings) + "\n")
    return 100 - train.error


@prompt_word("state")
def state(interpreter: Interpreter, layer: Form) -> Form:
    """(state 'LAYER): the states of a layer for the pattern at hand, in the shape of the layer"""
    pupil = pupil_at_hand(interpreter, "state")
    name = name_of("state", layer, "a layer", interpreter)
    pupil.net.layer(name)
    return np.asarray(pupil.states()[name], np.float32)


@prompt_word("test-pattern")
def test_pattern(interpreter: Interpreter, number: Form, split: Form = ABSENT) -> Form:
    """(test-pattern n ['train]): test pattern n, or training pattern n, is put into the net at hand; its cost"""
    pupil = pupil_at_hand(interpreter, "test-pattern")
    part = split_of(interpreter, "test-pattern", split, pupil, 1)
    cost = pupil.present(part, whole("test-pattern", number))
    outputs = pupil.states()[pupil.net.layers[-1].name].ravel()
    target = pupil.patterns(part).targets[pupil.at[1]]
    if len(outputs) > 1:
        interpreter.print_text(
            f"{part} pattern {pupil.at[1]:,}: a {_class(pupil, target.argmax())}, "
            f"answered {_class(pupil, outputs.argmax())}\n"
        )
    return cost


def _class(pupil: Pupil, number: SupportsInt) -> str:
    """Return the name of a class of the data, or its number."""
    return class_label(pupil.data.class_names, int(number))


@prompt_word("misses")
def misses(interpreter: Interpreter, split: Form = ABSENT) -> Form:
    """(misses ['train]): the test (or training) patterns that the net at hand gets wrong; the list of their numbers

    (test-pattern n) puts one of them into the net, (plot 'misses) draws them.
    """
    pupil = pupil_at_hand(interpreter, "misses")
    part = split_of(interpreter, "misses", split, pupil, 0)
    wrong = pupil.misses(part)
    interpreter.print_text(f"{len(wrong):,} of {len(pupil.patterns(part)):,} {part} patterns are wrong\n")
    if wrong and pupil.net.layers[-1].units > 1:
        cells = [f"{number}: {_class(pupil, label)}→{_class(pupil, answer)}" for number, label, answer in wrong[:_FEW]]
        width = max(map(len, cells)) + 3
        across = max(1, min(80, shutil.get_terminal_size().columns) // width)
        for i in range(0, len(cells), across):
            interpreter.print_text("".join(cell.ljust(width) for cell in cells[i : i + across]).rstrip() + "\n")
        if len(wrong) > _FEW:
            interpreter.print_text(f"... and {len(wrong) - _FEW:,} more (label→answer)\n")
    return interpreter.new_list([float(number) for number, _, _ in wrong], "misses")


@prompt_word("weights")
def weights(interpreter: Interpreter, source: Form, target: Form = ABSENT, values: Form = ABSENT) -> Form:
    """(weights 'A 'B [m]): the weights from layer A to layer B of the net at hand; with a matrix, sets them

    (weights 'A) gives the bias of layer A, (weights 'A m) sets it. Windows are (target map, source map, row, column),
    for each target map the source maps it reads; full connections (inputs, outputs). A number sets all of them.
    """
    pupil = pupil_at_hand(interpreter, "weights")
    if values is ABSENT and isinstance(target, (float, np.ndarray)):
        target, values = ABSENT, target
    first = name_of("weights", source, "a layer", interpreter)
    second = None if target is ABSENT else name_of("weights", target, "a layer", interpreter, 1)
    parameter = pupil.parameter(first, second) if second else pupil.parameter(None, first)
    if values is not ABSENT:
        if not parameter.learns:
            raise Misuse(
                f"weights: {parameter.name} is fixed by the net",
                None,
                "leave the new value out; (weights 'FROM 'TO) shows those that are there",
            )
        pupil.set_weights({parameter.name: _as_shape(interpreter, values, parameter.shape)})
    return np.array(pupil.last.parameters[parameter.name], np.float32)


def _as_shape(interpreter: Interpreter, values: Form, shape: tuple[int, ...]) -> np.ndarray:
    is_numeric = isinstance(values, float) or (isinstance(values, np.ndarray) and values.dtype.kind in "fiu")
    made = np.asarray(values, np.float64) if is_numeric else None
    if made is None or made.shape not in ((), shape):
        given = interpreter.describe(values) if made is None else f"a matrix of {shape_text(made.shape)}"
        raise Misuse(
            f"weights: they are {shape_text(shape)}, and {given} does not fit",
            None,
            "give a number for all of them, or a matrix of this size",
        )
    return np.broadcast_to(made, shape).copy()


def split_of(interpreter: Interpreter, who: str, split: Form, pupil: Pupil, argument: int) -> str:
    """Return "train" or "test": "test" by default where there are test patterns."""
    if split is ABSENT:
        return "train" if pupil.data.test is None else "test"
    name = name_of(who, split, "patterns", interpreter, argument)
    if name not in ("train", "test"):
        raise Misuse(f'{who}: "{name}" are no patterns', argument, "write 'train or 'test")
    return name
