"""Define the words that SN-2.8 also has, as they work at the prompt: `load perf state test-pattern use-net`.

Each word keeps one meaning. `perf`, `state` and `test-pattern` use the current net: that of the training begun last, or
of SN's words if they made a net after it. When words of SN call them (`run` calls `perf`), they are SN's. `use-net`
passes on the weights learned, and `use-data` the patterns, so that SN's words continue with both.
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
from snsim.prompt.current_training import CurrentTraining
from snsim.prompt.prompt_word import PROMPT, name_of, prompt_word, typed_path
from snsim.prompt.session import session_of
from snsim.sn28.all_words import SN28
from snsim.sn28.libload import SUFFIXES
from snsim.sn28.net.netspace import Netspace

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


@dataclass(frozen=True, eq=False)
class SharedWord(Procedure):
    """A word that uses the current net: the prompt's word for a training, SN's word for SN's own net."""

    name: str
    prompt_word: Procedure
    sn_word: Procedure

    def call(self, interpreter: Interpreter, form: Pair) -> Form:
        """Return the value of a call in a text."""
        if interpreter.part(session_of).current() is None:
            return self.sn_word.call(interpreter, form)
        return self.prompt_word.apply(interpreter, interpreter.arguments(form))

    def apply(self, interpreter: Interpreter, arguments: list[Form]) -> Form:
        """Return the value of a call from a word of SN, on SN's own net if there is one, else on the training's."""
        session = interpreter.part(session_of)
        if session.current() is not None and interpreter.part(Netspace).nnum <= 1:
            return self.prompt_word.apply(interpreter, arguments)
        return self.sn_word.apply(interpreter, arguments)

    def __str__(self) -> str:
        return f"::DX:{self.name}"


@dataclass(frozen=True, eq=False)
class StateWord(SharedWord):
    """`state`: takes the name of a layer at the prompt, or SN's units of a layer."""

    def call(self, interpreter: Interpreter, form: Pair) -> Form:
        return self.apply(interpreter, interpreter.arguments(form))

    def apply(self, interpreter: Interpreter, arguments: list[Form]) -> Form:
        if arguments and isinstance(arguments[0], Symbol):
            if interpreter.part(session_of).current() is not None:
                return self.prompt_word.apply(interpreter, arguments)
            arguments = [interpreter.value(arguments[0]), *arguments[1:]]
        elif arguments == [NIL] and (current := interpreter.part(session_of).current()) is not None:
            raise CallError(
                "state: () is not a layer",
                0,
                f"write (state 'NAME): {', '.join(layer.name for layer in current.net.layers)}",
            )
        return self.sn_word.apply(interpreter, arguments)


def install(interpreter: Interpreter) -> None:
    """Define the shared words in a session's interpreter."""
    for word, name in ((SharedWord, "perf"), (StateWord, "state"), (SharedWord, "test-pattern")):
        interpreter.install(symbol(name), word(name, PROMPT.get(name), SN28.get(name)))


@prompt_word("load")
def load(interpreter: Interpreter, name: Form) -> Form:
    """(load "FILE"): evaluates a file form by form; its declarations can then be trained and examined"""
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
    """(use-net 'NAME): makes a declared net the net of SN-2.8's words, with the weights it has learned here

    Its layers become variables that hold their units: (state h1), (sval 1 300), (run 7291 1) work on it. `perf` and
    similar words then use that net, until (train-now) makes a training current again.
    """
    units = SN28.get("use-net").apply(interpreter, [name])
    latest = interpreter.part(session_of).latest
    if latest is not None and latest.net.name == name_of("use-net", name, "a net", interpreter):
        space = interpreter.part(Netspace)
        learned = _in_order(latest)
        space.weight_val.array[: len(learned)] = learned
        interpreter.print_text(f"; with the weights after {latest.last.number} passes\n")
    return units


def _in_order(training: CurrentTraining) -> np.ndarray:
    """Return all weights in the order in which `use-net` creates them: layer by layer, the bias first."""
    net, values = training.net, training.last.parameters
    parts = []
    for layer in net.computed:
        names = [f"{net.attribute(layer.name)}.bias"] if layer.bias != "none" else []
        names += [net.weight_name(c) for c in net.entering(layer.name)]
        parts += [np.ravel(values[name]) for name in names]
    return np.concatenate(parts).astype(np.float32)


@prompt_word("use-data")
def use_data(interpreter: Interpreter) -> Form:
    """(use-data): gives SN-2.8's words the patterns of the training begun last, by ensemble and test-set"""
    latest = interpreter.part(session_of).latest
    if latest is None:
        raise CallError("use-data: no training has started", None, "begin one: (train-now 'NAME)")
    splits = [latest.data.train, *([latest.data.test] if latest.data.test is not None else [])]
    interpreter.assign_global(
        symbol("pattern-matrix"), np.concatenate([np.asarray(s.inputs, np.float32) for s in splits])
    )
    interpreter.assign_global(
        symbol("desired-matrix"), np.concatenate([np.asarray(s.targets, np.float32) for s in splits])
    )
    train = len(latest.data.train)
    interpreter.call("ensemble", 0.0, float(train - 1))
    if latest.data.test is not None:
        interpreter.call("test-set", float(train), float(train + len(latest.data.test) - 1))
    return NIL
