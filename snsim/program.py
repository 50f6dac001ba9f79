"""Read a `.sn` text and return what it declares: `read_program`, for command line, prompt, notebook and Python.

This module alone joins the Lisp with the words of networks, of training and of SN-2.8.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache, update_wrapper
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from snsim.errors import Fault, SnError, Source, fail, for_line
from snsim.language.builtins import CORE
from snsim.language.evaluator import Evaluator
from snsim.language.forms import Node
from snsim.language.includes import include
from snsim.language.interpreter import Word
from snsim.language.limits import Limits
from snsim.language.procedures import Procedure, function
from snsim.language.source_files import FileAccess, is_lush, read_source
from snsim.network import net_form
from snsim.network.net import Net
from snsim.network.net_form import NetShelves
from snsim.network.nlfs import NlfDefinition
from snsim.registry import Shelf, listed, split_cell, suggest
from snsim.runtime import data_words
from snsim.runtime.file_lookup import ProgramFiles
from snsim.runtime.host import Host as Host
from snsim.runtime.host import declared_nets, host_of
from snsim.runtime.host import scratch as scratch
from snsim.runtime.random_numbers import RandomGenerator
from snsim.runtime.unsupported import UNSUPPORTED
from snsim.training.forms import words as train_words
from snsim.training.forms.costs import CostDefinition
from snsim.training.forms.update_rules import UpdateDefinition
from snsim.training.forms.words import TrainShelves
from snsim.training.spec import Training

PRELUDES = ("snsim.network", "snsim.training.forms")  # packages with a prelude.sn, in the order in which they are read


@dataclass(frozen=True)
class Shelves:
    """Everything that a program can name: the built-in things, and those that one program has added."""

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
    """The declarations of a text, and the built-in things.

    `sources` are all texts that were read, the main one first. `acted` says that the text did more than declare: it
    printed, or used words of SN-2.8 that act. `files` are the absolute paths of what it read in its own folder, texts
    not counted.
    """

    sources: tuple[Source, ...]
    warnings: tuple[Fault, ...]
    acted: bool = False
    defined: tuple[str, ...] = ()  # the functions and variables that the program set
    files: tuple[Path, ...] = ()

    @property
    def own_trainings(self) -> list[Training]:
        """The trainings that the main text declares, without those of included texts: what `snsim run` runs."""
        return [entry.value for entry in self.trainings.own() if not entry.value.included]

    def chosen_trainings(self, only: Sequence[str] = ()) -> list[Training]:
        """Return the own trainings that `only` names, in order; all of them if it is empty.

        The name of a training in a `grid` or `sample` stands for all its cells. SnError for a name that none has.
        """
        declared = self.own_trainings
        names = [entry.name for entry in declared]
        file = for_line(self.sources[0].name)
        faults = [
            Fault(f'{file} declares no training "{for_line(name)}"', hint=suggest(name, names, "trainings"))
            for name in only
            if not any(is_named(entry.name, (name,)) for entry in declared)
        ]
        if faults:
            raise SnError(faults)
        return [entry for entry in declared if not only or is_named(entry.name, only)]

    def only_training(self, name: str | None, purpose: str, option: str = "--only") -> Training:
        """Return the own training of this name, or without a name the only one.

        `purpose` says in the faults what one training is needed for: "a page shows one". `option` chooses one.
        Raises SnError if there is no such training, or without a name several or none.
        """
        chosen = self.chosen_trainings(() if name is None else (name,))
        if len(chosen) == 1:
            return chosen[0]
        file = for_line(self.sources[0].name)
        if not chosen:
            raise fail(
                f"{file} declares no training, and {purpose}",
                hint="(train NAME (data ...) ...) declares one; trainings of included files do not count",
            )
        raise fail(
            f"{file} declares {len(chosen)} trainings"
            + (f" of the name {for_line(name)}" if name is not None else "")
            + f", and {purpose}",
            hint=f"choose one with {option}: {listed((for_line(entry.name) for entry in chosen), len(chosen))}",
        )

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


def is_named(training: str, names: Sequence[str]) -> bool:
    """Return whether the names have that of a training, or its name without the cell of a `grid` or `sample`."""
    return training in names or split_cell(training)[0] in names


def read_program(
    text: str | Path | Source,
    *,
    presets: Mapping[str, float | str] | None = None,
    port: TextIO | None = None,
    limits: Limits = Limits(),
    around: Host | None = None,
    texts: Path | None = None,
) -> Program:
    """Evaluate a `.sn` file, or a text that was read already, and return what it declares.

    Parameters
    ----------
    text
        The path of the file, or the text.
    presets
        The values of `--set`, which `defvar` takes in place of its own.
    port
        Where the program prints (default: standard output).
    limits
        How many steps, seconds and bytes the program may use.
    around
        The host: it gives the words of SN-2.8 their run folder, data folder and user. By default there is no user, and
        what the program writes is thrown away.
    texts
        The top of the folder tree from which the program includes files. By default it is the folder of the program,
        or the folder above if that holds .sn files too.

    Raises
    ------
    SnError
        With every fault that was found.
    """
    source = text if isinstance(text, Source) else read_source(text, limits)
    own = new_shelves()
    files = None if texts is None else FileAccess.beside(source, texts)
    with scratch() if around is None else nullcontext(around) as place:
        interpreter = make_interpreter(own, place, port, limits, presets, files)
        if is_lush(source):
            from snsim.lush.dialect import begin  # slow to import, as it has the words of Lush

            begin(interpreter)
        before = set(interpreter.set_names())
        try:
            with _show_windows(interpreter) if place.windows else nullcontext():
                interpreter.run(source)
            acted = interpreter.acted
            defined = tuple(name for name in interpreter.set_names() if name not in before)
            if not interpreter.part(RandomGenerator).is_reproducible:
                interpreter.warnings.append(
                    Fault(
                        "random numbers were drawn without a seed: the next run draws other numbers",
                        None,
                        hint="write (seed 1) before the first random number to make runs equal",
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
        defined,
        tuple(interpreter.part(ProgramFiles).read_beside),
    )


def new_shelves() -> Shelves:
    """Return shelves for the declarations of one program. They see the built-in things and leave them unchanged."""
    built_in = shelves()
    return _with_words(built_in.network.child(), built_in.learning.child())


def make_interpreter(
    own: Shelves,
    host: Host,
    port: TextIO | None = None,
    limits: Limits = Limits(),
    presets: Mapping[str, float | str] | None = None,
    files: FileAccess | None = None,
) -> Evaluator:
    """Return an interpreter that puts declarations on the shelves `own`; see `read_program` for the rest."""
    interpreter = Evaluator(own.functions, own.words, port, limits, presets, files)
    interpreter.absent = UNSUPPORTED
    if host.kernel is not None or host.fast:
        from snsim.sn28.net.netspace import Netspace  # slow to import, like all that has words of SN-2.8

        if host.kernel is not None:
            interpreter.part(Netspace).prefer(host.kernel)
        if host.fast:
            interpreter.part(Netspace).reorder_sums()
    interpreter.keep(host_of, host)
    interpreter.keep(declared_nets, own.network.nets)
    interpreter.keep(net_form.shelves_of, own.network)
    return interpreter


def _show_windows(interpreter: Evaluator) -> AbstractContextManager[None]:
    from snsim.sn28.graphics.saved_windows import show_while_running

    return show_while_running(interpreter)


def _save_pictures(interpreter: Evaluator, place: Host) -> None:
    """Save the windows of an SN-2.8 program, if the user wants pictures. A program that failed may have some too."""
    if place.pictures is None or place.output is None or interpreter.functions.lacks_rest:
        return  # without the words of SN-2.8 there are no windows
    from snsim.sn28.graphics.saved_windows import save_pictures, windows

    if windows(interpreter):
        save_pictures(interpreter, place.output(), place.pictures)


@cache
def shelves() -> Shelves:
    """Return the built-in shelves. They never change: programs add to children of them."""
    built_in = _with_words(NetShelves(), TrainShelves())
    for package in PRELUDES:
        text = Path(__file__).parent.joinpath(*package.split(".")[1:], "prelude.sn").read_text(encoding="utf-8")
        Evaluator(built_in.functions, built_in.words, io.StringIO()).run(Source(f"<{package}.prelude>", text))
    return built_in


@cache
def lisp_functions() -> Shelf[Procedure]:
    """Return the functions of the Lisp and those that networks, data sets and SN-2.8 add.

    Those of SN-2.8 are imported when a name is asked for that is not among the others.
    """
    functions: Shelf[Procedure] = Shelf(CORE.kind, parent=CORE, plural=CORE.plural)
    for name, (body, _) in net_form.lisp_functions().items():
        function(name, shelf=functions, makes=True)(body)
    for entry in data_words.WORDS:
        function(entry.name, interpreter=True, shelf=functions, makes=True)(entry.value)
    functions.add_later(_add_words_of_sn28)
    return functions


def _add_words_of_sn28(functions: Shelf[Procedure]) -> None:
    from snsim.lush.dialect import switching
    from snsim.sn28 import libload
    from snsim.sn28.all_words import SN28

    for entry in SN28:
        if entry.name != "libload":
            functions.add(entry.name, entry.value, entry.doc)
    load_library = switching(libload.libload, libload.is_library)
    load_library.__doc__ = f"{libload.libload.__doc__}; that of a library of Lush changes the program to Lush"
    function("libload", interpreter=True, shelf=functions)(load_library)


def _with_words(network: NetShelves, learning: TrainShelves) -> Shelves:
    """Return the shelves of nets and trainings together with the words that declare on them."""
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
