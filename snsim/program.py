"""From one `.sn` text to what it declares: `read_program`, the way in for command line, prompt, notebook and Python.

Here, and only here, the Lisp meets the words of networks and of learning.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache, update_wrapper
from importlib import resources
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from snsim.errors import Fault, Source
from snsim.language.builtins import CORE
from snsim.language.evaluator import Interpreter
from snsim.language.forms import Node
from snsim.language.includes import include
from snsim.language.interpreter import Word
from snsim.language.limits import Limits
from snsim.language.procedures import Procedure, function
from snsim.language.source_files import FileAccess, read_source
from snsim.network import net_form
from snsim.network.net import Net
from snsim.network.net_form import NetShelves
from snsim.network.nlfs import NlfDefinition
from snsim.registry import Shelf
from snsim.sn28 import SN28
from snsim.sn28.graphics.saved_windows import save_pictures, shown, windows
from snsim.sn28.net.netspace import Netspace
from snsim.sn28.net.use_net import declared_nets
from snsim.sn28.runtime.host import Surroundings as Surroundings
from snsim.sn28.runtime.host import scratch as scratch
from snsim.sn28.runtime.host import surroundings
from snsim.sn28.runtime.random_numbers import Randomness
from snsim.sn28.runtime.unsupported import ABSENT
from snsim.training.forms import words as train_words
from snsim.training.forms.costs import CostDefinition
from snsim.training.forms.update_rules import UpdateDefinition
from snsim.training.forms.words import TrainShelves
from snsim.training.spec import Training

PRELUDES = ("snsim.network", "snsim.training.forms")  # packages with a prelude.sn, in the order in which they are read


@dataclass(frozen=True)
class Shelves:
    """Everything a program can name: what is built in, or that and what one program added."""

    network: NetShelves
    learning: TrainShelves
    words: Shelf[Word]
    functions: Shelf[Procedure]

    @property
    def tables(self) -> Shelf[np.ndarray]:
        return self.network.tables

    @property
    def nets(self) -> Shelf[Net]:
        return self.network.nets

    @property
    def nlfs(self) -> Shelf[NlfDefinition]:
        return self.network.nlfs

    @property
    def trainings(self) -> Shelf[Training]:
        return self.learning.trainings

    @property
    def costs(self) -> Shelf[CostDefinition]:
        return self.learning.costs

    @property
    def updates(self) -> Shelf[UpdateDefinition]:
        return self.learning.updates


@dataclass(frozen=True)
class Program(Shelves):
    """What a text declared, beside what is built in. `sources` are all texts that were read, the main one first;
    `acted` says that the text did something of its own, in SN-2.8's words, or printed.
    """

    sources: tuple[Source, ...]
    warnings: tuple[Fault, ...]
    acted: bool = False

    @property
    def own_trainings(self) -> list[Training]:
        """What `snsim run` runs: the trainings the main text declares, not those that came by `include`."""
        return [entry.value for entry in self.trainings.own() if not entry.value.included]

    @property
    def shown_nets(self) -> list[Net]:
        """The nets that the main text itself declares or trains; all of them if it only includes others."""
        main = self.sources[0]
        trained = {id(training.net) for training in self.own_trainings}
        nets = [entry.value for entry in self.nets.own()]
        return [net for net in nets if id(net) in trained or (net.span and net.span.source is main)] or nets

    @property
    def own_definitions(self) -> list[Node]:
        """The forms of the costs and update rules that the text declares, costs first."""
        nodes = [*(cost.value.node for cost in self.costs.own()), *(rule.value.node for rule in self.updates.own())]
        return [node for node in nodes if node is not None]


def read_program(
    text: str | Path | Source,
    *,
    presets: Mapping[str, float | str] | None = None,
    port: TextIO | None = None,
    limits: Limits = Limits(),
    around: Surroundings | None = None,
    texts: Path | None = None,
) -> Program:
    """Evaluate a `.sn` file (or a text that was read already) and return what it declares.

    `presets` are the values of `--set`, taken by `defvar`; `port` is where the program prints (default: standard
    output); `around` is what words of SN-2.8 find round the program (default: nobody is there, and what they write is
    thrown away); `texts` is the top of the folder tree of what it includes (default: its own folder, or the one above
    if that holds .sn files too). Raises SnError with every fault found.
    """
    source = text if isinstance(text, Source) else read_source(text, limits)
    own = own_shelves()
    files = None if texts is None else FileAccess.around(source, texts)
    with scratch() if around is None else nullcontext(around) as place:
        interpreter = interpreter_of(own, place, port, limits, presets, files)
        try:
            with shown(interpreter) if place.windows else nullcontext():
                interpreter.run(source)
            acted = interpreter.acted
            if not interpreter.part(Randomness).is_reproducible:
                interpreter.warnings.append(
                    Fault(
                        "random numbers were drawn without a seed: another run draws others",
                        None,
                        hint="(seed 1) before the first one makes runs equal",
                        severity="warning",
                    )
                )
        finally:
            _save_pictures(interpreter, place)
    return Program(
        own.network,
        own.learning,
        own.words,
        own.functions,
        tuple(interpreter.sources),
        tuple(interpreter.warnings),
        acted,
    )


def own_shelves() -> Shelves:
    """Shelves for what one program declares: they see what is built in and keep what is added to themselves."""
    built_in = shelves()
    return _with_words(built_in.network.child(), built_in.learning.child())


def interpreter_of(
    own: Shelves,
    around: Surroundings,
    port: TextIO | None = None,
    limits: Limits = Limits(),
    presets: Mapping[str, float | str] | None = None,
    files: FileAccess | None = None,
) -> Interpreter:
    """The interpreter of one program, which declares on these shelves; the rest as for `read_program`."""
    interpreter = Interpreter(own.functions, own.words, port, limits, presets, files)
    interpreter.absent = ABSENT
    if around.kernel is not None:
        interpreter.part(Netspace).prefer(around.kernel)
    if around.fast:
        interpreter.part(Netspace).reorder_sums()
    interpreter.keep(surroundings, around)
    interpreter.keep(declared_nets, own.network.nets)
    return interpreter


def _save_pictures(interpreter: Interpreter, place: Surroundings) -> None:
    """Save what an SN program drew, if that is asked for: also of one that stopped with an error."""
    if place.pictures is not None and place.output is not None and windows(interpreter):
        save_pictures(interpreter, place.output(), place.pictures)


@cache
def shelves() -> Shelves:
    """What is built in. It is a constant: programs add to children of it."""
    made = _with_words(NetShelves(), TrainShelves())
    for package in PRELUDES:
        text = resources.files(package).joinpath("prelude.sn").read_text(encoding="utf-8")
        Interpreter(made.functions, made.words, io.StringIO()).run(Source(f"<{package}.prelude>", text))
    return made


@cache
def lisp_functions() -> Shelf[Procedure]:
    """The functions of the Lisp, with those that networks and SN-2.8 add."""
    functions = CORE.child()
    for entry in SN28:
        functions.add(entry.name, entry.value, entry.doc)
    for name, (body, _) in net_form.lisp_functions().items():
        function(name, shelf=functions, makes=True)(body)
    return functions


def _with_words(network: NetShelves, learning: TrainShelves) -> Shelves:
    """The shelves with the words that put things on them."""
    words: Shelf[Word] = Shelf("declarative word")
    for of_net in net_form.WORDS:
        words.add(of_net.name, _bound(of_net.value, network), of_net.doc)
    for of_train in train_words.WORDS:
        words.add(of_train.name, _bound(of_train.value, learning, network), of_train.doc)
    words.add("include", include, (include.__doc__ or "").strip().split("\n")[0])
    return Shelves(network, learning, words, lisp_functions())


def _bound(word: Callable[..., object], *shelves: object) -> Word:
    """Return the word with the shelves of one program put in, and its docstring."""

    def bound(call: Node, interpreter: Any) -> Any:
        return word(call, interpreter, *shelves)

    return update_wrapper(bound, word)
