"""Words that SN-2.8 has too: `load perf state test-pattern use-net`, and what they do at the prompt.

Each keeps its one meaning. `perf`, `state` and `test-pattern` are about the net at hand: of the training that was begun
last, or of SN's words if a net was made with them since. Called by words of SN themselves (`run` calls `perf`), they
are SN's. `use-net` hands over what the net has learned, `use-data` the patterns, so that SN's words go on with both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from snsim.input_files import is_file
from snsim.language.builtins.strings import text
from snsim.language.forms import NIL, Form, Pair, Symbol, symbol
from snsim.language.procedures import CallError, Procedure
from snsim.language.source_files import read_source
from snsim.prompt.current_training import Pupil
from snsim.prompt.prompt_word import PROMPT, name_of, prompt_word, typed_path
from snsim.prompt.session import session_of
from snsim.sn28 import SN28
from snsim.sn28.libload import SUFFIXES
from snsim.sn28.net.netspace import Netspace

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


@dataclass(frozen=True, eq=False)
class AtHand(Procedure):
    """A word about the net at hand: the prompt's for a training, SN's for a net of its own words."""

    name: str
    own: Procedure
    sn: Procedure

    def call(self, interpreter: Interpreter, form: Pair) -> Form:
        """As it stands in a text."""
        if interpreter.part(session_of).at_hand() is None:
            return self.sn.call(interpreter, form)
        return self.own.apply(interpreter, interpreter.arguments(form))

    def apply(self, interpreter: Interpreter, arguments: list[Form]) -> Form:
        """As a word of SN calls it; there is no net but the training's if none was made in SN's words."""
        session = interpreter.part(session_of)
        if session.at_hand() is not None and interpreter.part(Netspace).nnum <= 1:
            return self.own.apply(interpreter, arguments)
        return self.sn.apply(interpreter, arguments)

    def __str__(self) -> str:
        return f"::DX:{self.name}"


@dataclass(frozen=True, eq=False)
class State(AtHand):
    """`state`: a layer by its name, or by its units, which are SN's."""

    def call(self, interpreter: Interpreter, form: Pair) -> Form:
        return self.apply(interpreter, interpreter.arguments(form))

    def apply(self, interpreter: Interpreter, arguments: list[Form]) -> Form:
        if arguments and isinstance(arguments[0], Symbol):
            if interpreter.part(session_of).at_hand() is not None:
                return self.own.apply(interpreter, arguments)
            arguments = [interpreter.value(arguments[0]), *arguments[1:]]
        elif arguments == [NIL] and (pupil := interpreter.part(session_of).at_hand()) is not None:
            raise CallError(
                "state: () is no layer",
                0,
                f"write (state 'NAME): {', '.join(layer.name for layer in pupil.net.layers)}",
            )
        return self.sn.apply(interpreter, arguments)


def install(interpreter: Interpreter) -> None:
    """Give the words of this file to a session's interpreter."""
    for kind, name in ((AtHand, "perf"), (State, "state"), (AtHand, "test-pattern")):
        interpreter.assign_global(symbol(name), kind(name, PROMPT.get(name), SN28.get(name)))


@prompt_word("load")
def load(interpreter: Interpreter, name: Form) -> Form:
    """(load "FILE"): evaluates a file form by form; what it declares can be trained and examined"""
    title = text("load", name)
    place = interpreter.place()
    typed = place is not None and place.source.path is None
    path = next((p for p in (typed_path(title + ending) for ending in ("", *SUFFIXES)) if is_file(p)), None)
    if not typed or path is None:
        return SN28.get("load").apply(interpreter, [name])
    interpreter.part(session_of).load(read_source(path, interpreter.limits, place))
    return str(path)


@prompt_word("use-net")
def use_net(interpreter: Interpreter, name: Form) -> Form:
    """(use-net 'NAME): a declared net becomes the net of SN's words, with the weights that it has learned here

    Its layers become variables that hold their units: (state h1), (sval 1 300), (run 7291 1) work on it. `perf` and
    the like are about that net from then on, until (train-now) takes up a training again.
    """
    made = SN28.get("use-net").apply(interpreter, [name])
    pupil = interpreter.part(session_of).pupil
    if pupil is not None and pupil.net.name == name_of("use-net", name, "a net", interpreter):
        space = interpreter.part(Netspace)
        learned = _in_order(pupil)
        space.weight_val.array[: len(learned)] = learned
        interpreter.print_text(f"; with the weights after {pupil.last.number} passes\n")
    return made


def _in_order(pupil: Pupil) -> np.ndarray:
    """All weights in the order in which `use-net` makes them: layer by layer, the bias first."""
    net, values = pupil.net, pupil.last.parameters
    parts = []
    for layer in net.layers[1:]:
        names = [f"{layer.name}.bias"] if layer.bias != "none" else []
        names += [f"{c.name}.weight" for c in net.entering(layer.name)]
        parts += [np.ravel(values[name]) for name in names]
    return np.concatenate(parts).astype(np.float32)


@prompt_word("use-data")
def use_data(interpreter: Interpreter) -> Form:
    """(use-data): the patterns of the training begun last become those of SN's words, with (ensemble) and (test-set)"""
    pupil = interpreter.part(session_of).pupil
    if pupil is None:
        raise CallError("use-data: no training was begun", None, "(train-now 'NAME) begins one")
    splits = [pupil.data.train, *([pupil.data.test] if pupil.data.test is not None else [])]
    interpreter.assign_global(
        symbol("pattern-matrix"), np.concatenate([np.asarray(s.inputs, np.float32) for s in splits])
    )
    interpreter.assign_global(
        symbol("desired-matrix"), np.concatenate([np.asarray(s.targets, np.float32) for s in splits])
    )
    train = len(pupil.data.train)
    interpreter.call("ensemble", 0.0, float(train - 1))
    if pupil.data.test is not None:
        interpreter.call("test-set", float(train), float(train + len(pupil.data.test) - 1))
    return NIL
